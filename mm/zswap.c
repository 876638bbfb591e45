// SPDX-License-Identifier: GPL-2.0
/*
 * zswap - compressed swap in memory, before a swap device
 *
 * Swap-out offers each folio to zswap_store(). What compresses stays in
 * memory, in zsmalloc, and is written to its slot on the device only when
 * there is too much of it or when it has not been wanted for long.
 *
 * Layout
 * ------
 * A page is a struct zswap_entry. It names the object in zsmalloc, the pool and
 * the obj_cgroup that pays. A large folio has an entry for each page, or none:
 * its pages are stored all or not at all, and it is never split.
 *
 * Behind a virtual slot, vswap keeps the entry. Those of real slots are found in
 * two steps and without a lock. A
 * device has a word for each ZSWAP_LEAF_SLOTS slots: the address of a zswap_leaf
 * and, in its low bits, the number of entries there. The leaf has a pointer for
 * each slot; it is made for the first entry and freed with the last one.
 *
 * A pool is one compressor with its zsmalloc pool. New pages go to
 * zswap_current. A pool that was replaced stays until its last page is gone,
 * and is taken back into use if its compressor is chosen again.
 *
 * Entries are on a list_lru, by the memcg that pays and by node, oldest first.
 * There are a few of them, for groups of slots, and walks take from one after
 * the other. An entry gets a second chance before it is written back.
 *
 * Who owns a slot
 * ---------------
 * An entry is added, read, replaced or erased only by the owner of its slot:
 * whoever has the locked folio of this slot in the swap cache, has set
 * SWAP_HAS_CACHE for a read that skips the swap cache, or frees the slot after
 * its last use. There is one at a time, so what an owner finds does not go
 * away. The LRU walk owns nothing: see zswap_writeback_entry().
 *
 * Locks, in order
 * ---------------
 *	zswap_setup_lock	Parameters, making and replacing pools.
 *	folio lock		See above.
 *	zswap_codec.lock	The request and the buffer of one CPU. Held while
 *				a compressor sleeps, and while zsmalloc's locks
 *				are taken. Reclaim takes it, so nothing that
 *				may reclaim is allocated under it.
 *	list_lru's lock, zswap_shrink_lock
 *				Innermost, and never both of them.
 * zswap_invalidate_range() may be called under a spinlock, but not from an
 * interrupt.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <crypto/acompress.h>
#include <kunit/static_stub.h>
#include <linux/atomic.h>
#include <linux/blkdev.h>
#include <linux/cpuhotplug.h>
#include <linux/crypto.h>
#include <linux/debugfs.h>
#include <linux/freezer.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/list_lru.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/percpu-refcount.h>
#include <linux/rcupdate.h>
#include <linux/scatterlist.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/swap_cgroup.h>
#include <linux/swapops.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <linux/writeback.h>
#include <linux/zsmalloc.h>
#include <linux/zswap.h>

#include "internal.h"
#include "swap.h"

/*
 * Statistics, for debugfs. Documentation/admin-guide/mm/zswap.rst says what
 * each one counts.
 */

atomic_t zswap_stored_pages = ATOMIC_INIT(0);

static atomic_long_t zswap_stored_incompressible_pages;
static atomic_long_t zswap_written_back_pages;
static atomic_long_t zswap_pool_limit_hit;
static atomic_long_t zswap_reject_alloc_fail;
static atomic_long_t zswap_reject_compress_fail;
static atomic_long_t zswap_reject_compress_poor;
static atomic_long_t zswap_reject_kmemcache_fail;
static atomic_long_t zswap_reject_reclaim_fail;
static atomic_long_t zswap_decompress_fail;

/*
 * Data
 */

/* There are about 20 names of compressors in the kernel. */
#define ZSWAP_MAX_POOLS	64

/* A compressor may make a page longer, or use more room than it fills. */
#define ZSWAP_BUFFER_SIZE	(2 * PAGE_SIZE)

/* A device that compresses may fail once in a while, and the page is the only one. */
#define ZSWAP_DECOMPRESS_TRIES	3

/**
 * struct zswap_codec - a pool's compressor on one CPU
 * @lock: held by whoever uses the rest; that task may be on another CPU by now
 * @comp: the compressor, if it is one that runs on this CPU, else NULL and
 * @acomp: one that may answer later
 * @req: its request, used again and again
 * @wait: for its answer
 * @buffer: a page after compression, or an object that does not lie in one
 *	    piece; ZSWAP_BUFFER_SIZE bytes
 *
 * Made when its CPU first comes up and freed with the pool, so that a task
 * that moves to another CPU, or whose CPU goes down, can go on with it.
 */
struct zswap_codec {
	struct mutex lock;	/* all below */
	struct crypto_comp *comp;
	struct crypto_acomp *acomp;
	struct acomp_req *req;
	struct crypto_wait wait;
	u8 *buffer;
};

/**
 * struct zswap_pool - the pages that one compressor made
 * @zs_pool: where they are
 * @codecs: the compressor, for each CPU
 * @ref: one for each page, and one for being zswap_current
 * @node: for CPU hotplug
 * @release: destroys the pool when @ref has gone to zero
 * @id: the pool's place in zswap_pools
 * @direct: it runs on the CPU that calls it, as all software does
 * @needs_one_piece: it cannot read an object where it lies on two pages, but a copy
 * @compressor: its name, as the user gave it
 * @driver: the one implementation by that name that all CPUs use, as those of
 *	    hardware and software need not understand each other
 */
struct zswap_pool {
	struct zs_pool *zs_pool;
	struct zswap_codec __percpu *codecs;
	struct percpu_ref ref;
	struct hlist_node node;
	struct work_struct release;
	u8 id;
	bool direct;
	bool needs_one_piece;
	char compressor[CRYPTO_MAX_ALG_NAME];
	char driver[CRYPTO_MAX_ALG_NAME];
};

/**
 * struct zswap_entry - one page in zswap
 * @lru: in zswap_lrus[@lru_id], by the node of this struct and the memcg of @objcg
 * @swpentry: the swap slot
 * @handle: the object in zsmalloc
 * @objcg: who pays, with a reference, which is taken when all of the folio is stored;
 *	   NULL: nobody
 * @length: bytes of the object; PAGE_SIZE: it is the page as it was
 * @pool_id: the place of its pool in zswap_pools; holds a reference to it
 * @lru_id: mostly by the slots of the folio that the page was of, see zswap_lru_for()
 * @referenced: not considered for writing back yet. Under the lock of the LRU
 *		from the moment the entry is there
 */
struct zswap_entry {
	struct list_head lru;
	swp_entry_t swpentry;
	unsigned long handle;
	struct obj_cgroup *objcg;
	u32 length;
	u8 pool_id;
	u8 lru_id;
	bool referenced;
};

static_assert(sizeof(struct zswap_entry) <= 6 * sizeof(u64));
/* An array of entries is one of their list_heads. */
static_assert(!offsetof(struct zswap_entry, lru));
static_assert(ZSWAP_MAX_POOLS - 1 <= U8_MAX);

/* Written under zswap_setup_lock; a pool's own release clears its place. */
static struct zswap_pool __rcu *zswap_pools[ZSWAP_MAX_POOLS];
static int zswap_pools_end;	/* places from here on have never been in use */
static struct zswap_pool __rcu *zswap_current;

static DEFINE_MUTEX(zswap_setup_lock);
static bool zswap_ready;	/* all that does not depend on a compressor */

static struct kmem_cache *zswap_entry_cache;
/* CPUs are not to wait for each other's list_lru. Each costs a memcg 16 bytes, and 24 a node. */
#define ZSWAP_NR_LRUS	MIN(2 * NR_CPUS, 16)
static struct list_lru zswap_lrus[ZSWAP_NR_LRUS];

static struct shrinker *zswap_shrinker;
static struct workqueue_struct *zswap_shrink_wq;

/* Where the next walk over the memcgs goes on. Holds a reference. */
static struct mem_cgroup *zswap_next_shrink;
static DEFINE_SPINLOCK(zswap_shrink_lock);

/* The limit was reached, and the pools are not yet below the threshold. */
static bool zswap_full;

#define ZSWAP_LEAF_SLOTS	64

/**
 * struct zswap_leaf - the entries of ZSWAP_LEAF_SLOTS neighbouring slots
 * @entry: the address of each slot's with ZSWAP_ALONE, or 0; written by the owner
 *	   of the slot only
 * @rcu: for who looks at a slot without an entry while the leaf goes; it is
 *	 written then, so zswap_leaf_peek() asks whether the leaf is still there
 */
struct zswap_leaf {
	union {
		unsigned long entry[ZSWAP_LEAF_SLOTS];
		struct rcu_head rcu;
	};
};

/* With the address of an entry: a large folio that it is of could not be read. */
#define ZSWAP_ALONE	1UL

/* kmalloc() aligns a power of two to itself: the low bits are free to count in. */
#define ZSWAP_LEAF_COUNT	(sizeof(struct zswap_leaf) - 1)
static_assert(!(sizeof(struct zswap_leaf) & ZSWAP_LEAF_COUNT));
static_assert(ZSWAP_LEAF_SLOTS <= ZSWAP_LEAF_COUNT);

/* For each device, the words of its leaves. */
static unsigned long *zswap_leaves[MAX_SWAPFILES];
static unsigned long zswap_nr_leaves[MAX_SWAPFILES];

/* Parameters; the functions that set them are at the end. */
static DEFINE_STATIC_KEY_MAYBE(CONFIG_ZSWAP_DEFAULT_ON, zswap_ever_enabled);
static bool zswap_enabled = IS_ENABLED(CONFIG_ZSWAP_DEFAULT_ON);
static bool zswap_shrinker_enabled = IS_ENABLED(CONFIG_ZSWAP_SHRINKER_DEFAULT_ON);
static unsigned int zswap_max_pool_percent = 20;
static unsigned int zswap_accept_threshold_percent = 90;
static char zswap_compressor[CRYPTO_MAX_ALG_NAME] = CONFIG_ZSWAP_COMPRESSOR_DEFAULT;

/**
 * zswap_is_enabled - does zswap take pages?
 *
 * It may still have some if it does not. May be called anywhere.
 *
 * Return: the parameter "enabled".
 */
bool zswap_is_enabled(void)
{
	return READ_ONCE(zswap_enabled);
}

/**
 * zswap_never_enabled - can zswap have no page?
 *
 * May be called anywhere. Costs a static branch.
 *
 * Return: true only if there has been no pool since boot.
 */
bool zswap_never_enabled(void)
{
	return !static_branch_maybe(CONFIG_ZSWAP_DEFAULT_ON, &zswap_ever_enabled);
}

/*
 * The compressor
 */

static void zswap_codec_free(struct zswap_codec *codec)
{
	if (codec->req)
		acomp_request_free(codec->req);
	if (codec->acomp)
		crypto_free_acomp(codec->acomp);
	if (codec->comp)
		crypto_free_comp(codec->comp);
	kfree(codec->buffer);
}

/* On an error the caller frees what has been made. */
static int zswap_codec_init(struct zswap_codec *codec, struct zswap_pool *pool, int nid)
{
	codec->buffer = kmalloc_node(ZSWAP_BUFFER_SIZE, GFP_KERNEL, nid);
	if (!codec->buffer)
		return -ENOMEM;
	if (pool->direct) {
		struct crypto_comp *comp = crypto_alloc_comp(pool->driver, 0, 0);

		if (IS_ERR(comp))
			return PTR_ERR(comp);
		codec->comp = comp;
	} else {
		struct crypto_acomp *acomp = crypto_alloc_acomp_node(pool->driver, 0, 0, nid);

		if (IS_ERR(acomp))
			return PTR_ERR(acomp);
		codec->acomp = acomp;
		codec->req = acomp_request_alloc(acomp);
		if (!codec->req)
			return -ENOMEM;
	}
	return 0;
}

/* Runs before the CPU does, and for each CPU when a pool is made. */
static int zswap_cpu_prepare(unsigned int cpu, struct hlist_node *node)
{
	struct zswap_pool *pool = hlist_entry(node, struct zswap_pool, node);
	struct zswap_codec *codec = per_cpu_ptr(pool->codecs, cpu);
	struct zswap_codec new = {};
	int err;

	if (codec->buffer)
		return 0;

	err = zswap_codec_init(&new, pool, cpu_to_node(cpu));
	if (err) {
		pr_err("no compressor %s for CPU %u: error %d\n", pool->compressor, cpu, err);
		zswap_codec_free(&new);
		return err;
	}

	codec->buffer = new.buffer;
	codec->comp = new.comp;
	codec->acomp = new.acomp;
	codec->req = new.req;
	if (codec->req) {
		crypto_init_wait(&codec->wait);
		acomp_request_set_callback(codec->req, CRYPTO_TFM_REQ_MAY_BACKLOG,
					   crypto_req_done, &codec->wait);
	}
	return 0;
}

static struct zswap_codec *zswap_codec_lock(struct zswap_pool *pool)
{
	struct zswap_codec *codec = raw_cpu_ptr(pool->codecs);

	mutex_lock(&codec->lock);
	return codec;
}

/* Page to buffer. Returns the length, which may be above PAGE_SIZE, or an error. */
static int zswap_compress(struct zswap_codec *codec, struct page *page)
{
	unsigned int length = ZSWAP_BUFFER_SIZE;
	struct scatterlist in, out;
	void *mem;
	int err;

	if (codec->comp) {
		mem = kmap_local_page(page);
		err = crypto_comp_compress(codec->comp, mem, PAGE_SIZE, codec->buffer, &length);
		kunmap_local(mem);
		if (err)
			return err;
		return length ?: -EIO;
	}

	sg_init_table(&in, 1);
	sg_set_page(&in, page, PAGE_SIZE, 0);
	sg_init_one(&out, codec->buffer, ZSWAP_BUFFER_SIZE);
	acomp_request_set_params(codec->req, &in, &out, PAGE_SIZE, ZSWAP_BUFFER_SIZE);

	err = crypto_wait_req(crypto_acomp_compress(codec->req), &codec->wait);
	if (err)
		return err;
	return codec->req->dlen ?: -EIO;
}

static int zswap_decompress_sg(struct zswap_codec *codec, struct scatterlist *in,
			       unsigned int length, struct page *page)
{
	struct scatterlist out;
	int err;

	sg_init_table(&out, 1);
	sg_set_page(&out, page, PAGE_SIZE, 0);
	acomp_request_set_params(codec->req, in, &out, length, PAGE_SIZE);

	err = crypto_wait_req(crypto_acomp_decompress(codec->req), &codec->wait);
	if (err)
		return err;
	return codec->req->dlen == PAGE_SIZE ? 0 : -EIO;
}

/* An object in lowmem to page. */
static int zswap_decompress(struct zswap_codec *codec, void *object,
			    unsigned int length, struct page *page)
{
	unsigned int page_length = PAGE_SIZE;
	struct scatterlist in;
	void *mem;
	int err;

	if (length == PAGE_SIZE) {
		memcpy_to_page(page, 0, object, PAGE_SIZE);
		return 0;
	}
	if (codec->comp) {
		mem = kmap_local_page(page);
		err = crypto_comp_decompress(codec->comp, object, length, mem, &page_length);
		kunmap_local(mem);
		flush_dcache_page(page);
		if (err)
			return err;
		return page_length == PAGE_SIZE ? 0 : -EIO;
	}

	sg_init_one(&in, object, length);
	return zswap_decompress_sg(codec, &in, length, page);
}

/*
 * Pools
 */

/* Its CPU hotplug instance is gone, or was never there. */
static void zswap_pool_free(struct zswap_pool *pool)
{
	int cpu;

	percpu_ref_exit(&pool->ref);
	for_each_possible_cpu(cpu)
		zswap_codec_free(per_cpu_ptr(pool->codecs, cpu));
	free_percpu(pool->codecs);
	zs_destroy_pool(pool->zs_pool);
	kfree(pool);
}

static void zswap_pool_release(struct work_struct *work)
{
	struct zswap_pool *pool = container_of(work, struct zswap_pool, release);

	RCU_INIT_POINTER(zswap_pools[pool->id], NULL);
	/* zswap_total_pages() and zswap_pool_find() may be looking at it. */
	synchronize_rcu();
	cpuhp_state_remove_instance(CPUHP_MM_ZSWP_POOL_PREPARE, &pool->node);
	zswap_pool_free(pool);
}

/* The last page of a pool that was replaced is gone; any context. */
static void zswap_pool_empty(struct percpu_ref *ref)
{
	struct zswap_pool *pool = container_of(ref, struct zswap_pool, ref);

	schedule_work(&pool->release);
}

static int zswap_pool_take_id(struct zswap_pool *pool)
{
	int id;

	lockdep_assert_held(&zswap_setup_lock);
	for (id = 0; id < ZSWAP_MAX_POOLS; id++) {
		if (!rcu_access_pointer(zswap_pools[id])) {
			pool->id = id;
			rcu_assign_pointer(zswap_pools[id], pool);
			WRITE_ONCE(zswap_pools_end, max(zswap_pools_end, id + 1));
			return 0;
		}
	}
	pr_err("pages of %d compressors are in use, no more can be added\n", ZSWAP_MAX_POOLS);
	return -ENOSPC;
}

/*
 * Finds the implementation of the compressor. One that runs on the CPU that
 * calls it is better called directly: without scatterlists, without the crypto
 * API's buffers for each CPU, and preemptible.
 */
static int zswap_pool_find_driver(struct zswap_pool *pool)
{
	struct crypto_acomp *acomp = crypto_alloc_acomp(pool->compressor, 0, 0);
	struct crypto_comp *comp;

	if (IS_ERR(acomp))
		return PTR_ERR(acomp);
	strscpy(pool->driver, crypto_tfm_alg_driver_name(crypto_acomp_tfm(acomp)));
	if (!acomp_is_async(acomp)) {
		comp = crypto_alloc_comp(pool->compressor, 0, 0);
		if (!IS_ERR(comp)) {
			pool->direct = true;
			strscpy(pool->driver, crypto_tfm_alg_driver_name(crypto_comp_tfm(comp)));
			crypto_free_comp(comp);
		}
	}
	/* When it falls back to software, it reads two pieces as if they were one. */
	pool->needs_one_piece = strstarts(pool->driver, "deflate-iaa");
	crypto_free_acomp(acomp);
	return 0;
}

/* Returns a pool with one reference, or an error that was reported. */
static struct zswap_pool *zswap_pool_create(const char *compressor)
{
	static unsigned int serial;
	struct zswap_pool *pool;
	char name[16];
	int cpu, err = -ENOMEM;

	lockdep_assert_held(&zswap_setup_lock);
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		goto fail;
	strscpy(pool->compressor, compressor);
	INIT_WORK(&pool->release, zswap_pool_release);
	err = zswap_pool_find_driver(pool);
	if (err)
		goto free_pool;

	err = -ENOMEM;
	snprintf(name, sizeof(name), "zswap%x", ++serial);
	pool->zs_pool = zs_create_pool(name);
	if (!pool->zs_pool)
		goto free_pool;

	pool->codecs = alloc_percpu(struct zswap_codec);
	if (!pool->codecs)
		goto free_zs_pool;
	for_each_possible_cpu(cpu)
		mutex_init(&per_cpu_ptr(pool->codecs, cpu)->lock);

	err = percpu_ref_init(&pool->ref, zswap_pool_empty,
			      PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
	if (err)
		goto free_codecs;
	err = cpuhp_state_add_instance(CPUHP_MM_ZSWP_POOL_PREPARE, &pool->node);
	if (err)
		goto free_all;
	err = zswap_pool_take_id(pool);
	if (err)
		goto remove_instance;

	static_branch_enable(&zswap_ever_enabled);
	return pool;

remove_instance:
	cpuhp_state_remove_instance(CPUHP_MM_ZSWP_POOL_PREPARE, &pool->node);
free_all:
	/* With the codecs of the CPUs that came before one that failed. */
	zswap_pool_free(pool);
	goto fail;
free_codecs:
	free_percpu(pool->codecs);
free_zs_pool:
	zs_destroy_pool(pool->zs_pool);
free_pool:
	kfree(pool);
fail:
	pr_err("no pool for compressor %s: error %d\n", compressor, err);
	return ERR_PTR(err);
}

/* A pool of this compressor, with a reference; it may have been replaced. */
static struct zswap_pool *zswap_pool_find(const char *compressor)
{
	struct zswap_pool *pool;
	int id;

	guard(rcu)();
	for (id = 0; id < zswap_pools_end; id++) {
		pool = rcu_dereference(zswap_pools[id]);
		if (pool && !strcmp(pool->compressor, compressor) &&
		    percpu_ref_tryget(&pool->ref))
			return pool;
	}
	return NULL;
}

/* New pages go to a pool of this compressor from now on. */
static int zswap_pool_use(const char *compressor)
{
	struct zswap_pool *old, *pool;

	lockdep_assert_held(&zswap_setup_lock);
	old = rcu_dereference_protected(zswap_current, lockdep_is_held(&zswap_setup_lock));
	if (old && !strcmp(old->compressor, compressor))
		return 0;

	pool = zswap_pool_find(compressor);
	if (pool) {
		percpu_ref_resurrect(&pool->ref);
		percpu_ref_put(&pool->ref);
	} else {
		pool = zswap_pool_create(compressor);
		if (IS_ERR(pool))
			return PTR_ERR(pool);
	}
	rcu_assign_pointer(zswap_current, pool);
	if (old)
		percpu_ref_kill(&old->ref);
	return 0;
}

/* The current pool with nr references, or NULL if there is none. */
static struct zswap_pool *zswap_pool_current_get(unsigned long nr)
{
	struct zswap_pool *pool;

	guard(rcu)();
	/* One without references was replaced after its address was read. */
	do {
		pool = rcu_dereference(zswap_current);
	} while (pool && !percpu_ref_tryget_many(&pool->ref, nr));
	return pool;
}

/**
 * zswap_total_pages - how much memory the compressed pages take
 *
 * May be called anywhere.
 *
 * Return: the number of pages in all pools.
 */
unsigned long zswap_total_pages(void)
{
	unsigned long total = 0;
	struct zswap_pool *pool;
	int id;

	KUNIT_STATIC_STUB_REDIRECT(zswap_total_pages);

	guard(rcu)();
	for (id = 0; id < READ_ONCE(zswap_pools_end); id++) {
		pool = rcu_dereference(zswap_pools[id]);
		if (pool)
			total += zs_get_total_pages(pool->zs_pool);
	}
	return total;
}

/* Gives back pages that only hold free room. May sleep. */
static void zswap_compact(void)
{
	struct zswap_pool *pool;
	int id;

	for (id = 0; id < READ_ONCE(zswap_pools_end); id++) {
		rcu_read_lock();
		pool = rcu_dereference(zswap_pools[id]);
		if (pool && !percpu_ref_tryget(&pool->ref))
			pool = NULL;
		rcu_read_unlock();
		if (pool) {
			zs_compact(pool->zs_pool);
			percpu_ref_put(&pool->ref);
		}
	}
}

/*
 * Limits
 */

static unsigned long zswap_max_pages(void)
{
	return mult_frac(totalram_pages(), READ_ONCE(zswap_max_pool_percent), 100);
}

/* Once full, no page is taken until the pools are down to this. */
static unsigned long zswap_accept_pages(void)
{
	return mult_frac(zswap_max_pages(), READ_ONCE(zswap_accept_threshold_percent), 100);
}

static bool zswap_check_full(void)
{
	unsigned long total = zswap_total_pages();

	if (total >= zswap_max_pages()) {
		atomic_long_inc(&zswap_pool_limit_hit);
		WRITE_ONCE(zswap_full, true);
	} else if (READ_ONCE(zswap_full) && total <= zswap_accept_pages()) {
		WRITE_ONCE(zswap_full, false);
	}
	return READ_ONCE(zswap_full);
}

/*
 * Entries
 */

static unsigned long *zswap_leaf_word(swp_entry_t swp)
{
	return &zswap_leaves[swp_type(swp)][swp_offset(swp) / ZSWAP_LEAF_SLOTS];
}

static struct zswap_leaf *zswap_word_leaf(unsigned long word)
{
	return (struct zswap_leaf *)(word & ~ZSWAP_LEAF_COUNT);
}

static struct zswap_entry *zswap_word_entry(unsigned long word)
{
	return (struct zswap_entry *)(word & ~ZSWAP_ALONE);
}

/* Under RCU. */
static unsigned long zswap_leaf_peek(unsigned long *place, struct zswap_leaf *leaf,
				     unsigned int slot)
{
	/*
	 * A leaf has left its place before its bytes are used for call_rcu(), and
	 * cannot be back in this grace period. Acquire, so that the place is
	 * looked at last.
	 */
	unsigned long entry = smp_load_acquire(&leaf->entry[slot]);

	return entry && zswap_word_leaf(READ_ONCE(*place)) == leaf ? entry : 0;
}

/* What the leaf has of a slot, which need not be in use, of a device that stays. */
static unsigned long zswap_peek(swp_entry_t swp)
{
	unsigned long *place = zswap_leaf_word(swp);
	struct zswap_leaf *leaf;

	guard(rcu)();
	/* What is read of it depends on its address: that orders it after cmpxchg(). */
	leaf = zswap_word_leaf(READ_ONCE(*place));
	return leaf ? zswap_leaf_peek(place, leaf, swp_offset(swp) % ZSWAP_LEAF_SLOTS) : 0;
}

/*
 * Only the owner of the slot may look into the entry. Inlined, so that the slot
 * of a device is found with a call less.
 */
static __always_inline struct zswap_entry *zswap_find(swp_entry_t swp)
{
	return swap_is_vswap(swp) ? vswap_zswap_entry(swp) : zswap_word_entry(zswap_peek(swp));
}

/* Counts one more entry, in a new leaf if there is none. NULL: no memory. */
static struct zswap_leaf *zswap_leaf_get(unsigned long *place)
{
	unsigned long word = READ_ONCE(*place), new;
	struct zswap_leaf *fresh = NULL;

	do {
		new = word + 1;
		if (word)
			continue;
		if (!fresh)
			fresh = kzalloc(sizeof(*fresh), GFP_KERNEL | __GFP_NOWARN);
		if (!fresh)
			return NULL;
		new = (unsigned long)fresh + 1;
	} while (!try_cmpxchg(place, &word, new));

	if (zswap_word_leaf(new) != fresh)
		kfree(fresh);
	return zswap_word_leaf(new);
}

static void zswap_leaf_free(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct zswap_leaf, rcu));
}

/* Counts entries out that are NULL by now. */
static void zswap_leaf_put(unsigned long *place, unsigned int nr)
{
	unsigned long word = READ_ONCE(*place), new;

	do {
		new = word - nr;
		if (!(new & ZSWAP_LEAF_COUNT))
			new = 0;
	} while (!try_cmpxchg(place, &word, new));
	if (!new)
		call_rcu(&zswap_word_leaf(word)->rcu, zswap_leaf_free);
}

/* By the owner of the slot. Returns what was there before, NULL or -ENOMEM. */
static struct zswap_entry *zswap_insert(swp_entry_t swp, struct zswap_entry *entry)
{
	struct zswap_entry *old;
	struct zswap_leaf *leaf;
	unsigned long *place;

	if (swap_is_vswap(swp))
		return vswap_set_zswap_entry(swp, entry);

	place = zswap_leaf_word(swp);
	old = zswap_find(swp);
	leaf = old ? zswap_word_leaf(READ_ONCE(*place)) : zswap_leaf_get(place);
	if (!leaf)
		return ERR_PTR(-ENOMEM);
	/* Pairs with the address dependency of who finds it. */
	smp_store_release(&leaf->entry[swp_offset(swp) % ZSWAP_LEAF_SLOTS], (unsigned long)entry);
	return old;
}

static struct zswap_pool *zswap_entry_pool(const struct zswap_entry *entry)
{
	/* The entry has a reference. */
	return rcu_dereference_protected(zswap_pools[entry->pool_id], true);
}

#ifdef CONFIG_MEMCG
static struct mem_cgroup *zswap_entry_memcg(const struct zswap_entry *entry)
{
	return entry->objcg ? obj_cgroup_memcg(entry->objcg) : NULL;
}

/* For so many pages of a folio; their entries have a reference each. */
static void zswap_charge(struct obj_cgroup *objcg, size_t bytes, unsigned int nr)
{
	if (objcg && nr) {
		obj_cgroup_get_many(objcg, nr);
		obj_cgroup_charge_zswap(objcg, bytes, nr);
	}
}

static void zswap_uncharge(struct obj_cgroup *objcg, size_t bytes, unsigned int nr)
{
	if (objcg) {
		obj_cgroup_uncharge_zswap(objcg, bytes, nr);
		percpu_ref_put_many(&objcg->refcnt, nr);
	}
}
#else
static struct mem_cgroup *zswap_entry_memcg(const struct zswap_entry *entry)
{
	return NULL;
}

static void zswap_charge(struct obj_cgroup *objcg, size_t bytes, unsigned int nr)
{
}

static void zswap_uncharge(struct obj_cgroup *objcg, size_t bytes, unsigned int nr)
{
}
#endif

/*
 * Whoever stored these pages, many CPUs may read or free them at the same time, so
 * that lists are by slots, not by CPUs. Neighbours are together: they are freed in
 * batches, and written to a device. CPUs that fill a cluster each, or one in an address
 * space each, do not meet if they have come equally far.
 */
static u8 zswap_lru_id(swp_entry_t swp)
{
	unsigned long group = swp_offset(swp) / ZSWAP_LEAF_SLOTS;
	unsigned long cluster = group / ZSWAP_NR_LRUS;
	unsigned long space = swp_offset(swp) / SWAP_ADDRESS_SPACE_PAGES;

	return (group + cluster + space) % ZSWAP_NR_LRUS;
}

/* For tests: they cannot have another CPU hold the lock. */
static bool zswap_lru_seems_busy(u8 lru_id)
{
	KUNIT_STATIC_STUB_REDIRECT(zswap_lru_seems_busy, lru_id);
	return false;
}

/*
 * The list for a folio: that of its slots, or the next one that nobody is at, as a
 * virtual CPU may have been preempted with the lock. Only a hint.
 */
static u8 zswap_lru_for(struct folio *folio)
{
	u8 i, lru_id, first = zswap_lru_id(folio->swap);
	spinlock_t *lock;	/* of the list on the node */

	for (i = 0; i < ZSWAP_NR_LRUS; i++) {
		lru_id = (first + i) % ZSWAP_NR_LRUS;
		lock = &zswap_lrus[lru_id].node[folio_nid(folio)].lock;
		if (likely(!zswap_lru_seems_busy(lru_id) && spin_trylock(lock))) {
			spin_unlock(lock);
			return lru_id;
		}
	}
	return first;
}

/*
 * The memcg may go offline meanwhile: then list_lru uses the list of its
 * parent, to which the entries have moved or are about to move. RCU keeps the
 * struct.
 */
static void zswap_lru_add(struct zswap_entry *entry)
{
	guard(rcu)();
	list_lru_add(&zswap_lrus[entry->lru_id], &entry->lru, page_to_nid(virt_to_page(entry)),
		     zswap_entry_memcg(entry));
}

/*
 * Entries on their way out, together so that locks are taken and counters
 * changed once for all that have them in common.
 */
#define ZSWAP_BATCH	32

struct zswap_batch {
	unsigned int nr;
	struct zswap_entry *entry[ZSWAP_BATCH];
};

/* The end of the entries that are on the same list as the first and have its owner. */
static unsigned int zswap_run(struct zswap_entry **entries, unsigned int nr)
{
	struct zswap_entry *first = entries[0];
	int nid = page_to_nid(virt_to_page(first));
	unsigned int i;

	for (i = 1; i < nr; i++) {
		struct zswap_entry *entry = entries[i];

		if (entry->objcg != first->objcg || entry->pool_id != first->pool_id ||
		    entry->lru_id != first->lru_id || page_to_nid(virt_to_page(entry)) != nid)
			break;
	}
	return i;
}

/* Entries of the same list and owner; by the owner of their slots. */
static __always_inline void zswap_free_run(struct zswap_entry **entries, unsigned int nr)
{
	struct zswap_entry *entry = entries[0];
	struct zswap_pool *pool = zswap_entry_pool(entry);
	struct list_lru *lru = &zswap_lrus[entry->lru_id];
	struct obj_cgroup *objcg = entry->objcg;
	int nid = page_to_nid(virt_to_page(entry));
	unsigned int i, nr_incompressible = 0;
	struct mem_cgroup *memcg;
	size_t bytes = 0;

	rcu_read_lock();
	memcg = zswap_entry_memcg(entry);
	if (nr == 1)
		list_lru_del(lru, &entry->lru, nid, memcg);
	else
		list_lru_del_batch(lru, (struct list_head **)entries, nr, nid, memcg);
	rcu_read_unlock();
	for (i = 0; i < nr; i++) {
		entry = entries[i];
		zs_free(pool->zs_pool, entry->handle);
		bytes += entry->length;
		nr_incompressible += entry->length == PAGE_SIZE;
	}
	if (nr == 1)
		kmem_cache_free(zswap_entry_cache, entry);
	else
		kmem_cache_free_bulk(zswap_entry_cache, nr, (void **)entries);
	percpu_ref_put_many(&pool->ref, nr);
	zswap_uncharge(objcg, bytes, nr);
	if (nr_incompressible)
		atomic_long_sub(nr_incompressible, &zswap_stored_incompressible_pages);
	atomic_sub(nr, &zswap_stored_pages);
}

static void zswap_entry_free(struct zswap_entry *entry)
{
	zswap_free_run(&entry, 1);
}

/**
 * zswap_free_entries - free pages in zswap that have left their slots
 * @entries: the pages
 * @nr: how many
 *
 * By the owner of the slots they had. Does not sleep; not in interrupts.
 */
void zswap_free_entries(struct zswap_entry **entries, unsigned int nr)
{
	KUNIT_STATIC_STUB_REDIRECT(zswap_free_entries, entries, nr);

	if (nr == 1)
		return zswap_entry_free(entries[0]);
	while (nr) {
		unsigned int run = zswap_run(entries, nr);

		zswap_free_run(entries, run);
		entries += run;
		nr -= run;
	}
}

static void zswap_batch_free(struct zswap_batch *batch)
{
	zswap_free_entries(batch->entry, batch->nr);
	batch->nr = 0;
}

/* By the owner of the slot. */
static void zswap_entry_erase(struct zswap_entry *entry)
{
	unsigned long *place;
	struct zswap_leaf *leaf;

	if (swap_is_vswap(entry->swpentry)) {
		vswap_set_zswap_entry(entry->swpentry, NULL);
		zswap_entry_free(entry);
		return;
	}

	place = zswap_leaf_word(entry->swpentry);
	leaf = zswap_word_leaf(READ_ONCE(*place));
	WRITE_ONCE(leaf->entry[swp_offset(entry->swpentry) % ZSWAP_LEAF_SLOTS], 0);
	zswap_leaf_put(place, 1);
	zswap_entry_free(entry);
}

static void zswap_erase_slot(swp_entry_t swp)
{
	struct zswap_entry *entry = zswap_find(swp);

	if (entry)
		zswap_entry_erase(entry);
}

static inline void zswap_count_events(struct obj_cgroup *objcg, enum vm_event_item item,
				      long nr)
{
	count_vm_events(item, nr);
	if (objcg)
		count_objcg_events(objcg, item, nr);
}

/* The whole of the folio was not stored, in debugfs counted by counter if there is one. */
static void zswap_count_reject(struct folio *folio, enum vm_event_item why,
			       atomic_long_t *counter)
{
	long nr = folio_nr_pages(folio);

	if (counter)
		atomic_long_inc(counter);
	count_vm_events(why, nr);
	count_memcg_folio_events(folio, why, nr);
}

/**
 * zswap_count_refused - note that a folio got no virtual slots, as zswap would not take it
 * @folio: the folio, locked
 *
 * Mostly it stays in memory then. Does not sleep.
 */
void zswap_count_refused(struct folio *folio)
{
	if (zswap_is_enabled())
		zswap_count_reject(folio, zswap_has_room() ? ZSWP_REJECT_MEMCG :
							     ZSWP_REJECT_LIMIT, NULL);
}

/**
 * zswap_count_split - note that reclaim has split a folio
 * @folio: what is left of it, locked, not yet in the swap cache
 *
 * There were not as many swap slots in a row.
 */
void zswap_count_split(struct folio *folio)
{
	if (!zswap_is_enabled())
		return;
	count_vm_event(ZSWPOUT_SPLIT);
	count_memcg_folio_events(folio, ZSWPOUT_SPLIT, 1);
}

/*
 * A page that does not compress is for the device. Where the memcg may not write
 * there, it is kept as it is, so that it can still be reclaimed; without a device
 * that would free nothing. A large folio with a few of them is better kept than
 * left in memory or written as a whole.
 */
static bool zswap_keeps_incompressible(struct folio *folio, long nr_so_far)
{
	if (swap_is_vswap(folio->swap) && nr_so_far < folio_nr_pages(folio) / 4)
		return true;
	return total_swap_pages && !mem_cgroup_zswap_writeback_enabled(folio_memcg(folio));
}

/*
 * Compresses the page into an object of the pool and notes it in the entry. What
 * does not become shorter is kept as it is, or not stored, which depends on how
 * many pages of the folio there were of this kind.
 */
static bool zswap_store_object(struct zswap_pool *pool, struct page *page,
			       struct zswap_entry *entry, long nr_incompressible)
{
	struct zswap_codec *codec;
	bool stored = false;
	int length;

	KUNIT_STATIC_STUB_REDIRECT(zswap_store_object, pool, page, entry, nr_incompressible);

	codec = zswap_codec_lock(pool);
	length = zswap_compress(codec, page);
	if (length < 0 || length >= PAGE_SIZE) {
		if (!zswap_keeps_incompressible(page_folio(page), nr_incompressible)) {
			if (length < 0 && length != -ENOSPC)
				zswap_count_reject(page_folio(page), ZSWP_REJECT_FAIL,
						   &zswap_reject_compress_fail);
			else
				zswap_count_reject(page_folio(page), ZSWP_REJECT_POOR,
						   &zswap_reject_compress_poor);
			goto unlock;
		}
		memcpy_from_page(codec->buffer, page, 0, PAGE_SIZE);
		length = PAGE_SIZE;
	}

	/* Under codec->lock: kswapd may help, direct reclaim may not. */
	entry->handle = zs_malloc(pool->zs_pool, length,
				  __GFP_NORETRY | __GFP_NOWARN | __GFP_KSWAPD_RECLAIM |
				  __GFP_HIGHMEM | __GFP_MOVABLE,
				  page_to_nid(page));
	if (IS_ERR_VALUE(entry->handle)) {
		zswap_count_reject(page_folio(page), ZSWP_REJECT_MEMORY, &zswap_reject_alloc_fail);
		goto unlock;
	}
	zs_obj_write(pool->zs_pool, entry->handle, codec->buffer, length);
	entry->length = length;
	stored = true;
unlock:
	mutex_unlock(&codec->lock);
	return stored;
}

/* An entry takes over one reference to the pool. Returns the bytes stored, or 0. */
static unsigned int zswap_store_page(struct zswap_pool *pool, struct page *page,
				     struct obj_cgroup *objcg, u8 lru_id,
				     long nr_incompressible)
{
	swp_entry_t swp = page_swap_entry(page);
	struct zswap_entry *entry, *old;
	unsigned int length;

	entry = kmem_cache_alloc_node(zswap_entry_cache, GFP_KERNEL | __GFP_NOWARN,
				      page_to_nid(page));
	if (!entry) {
		zswap_count_reject(page_folio(page), ZSWP_REJECT_MEMORY,
				   &zswap_reject_kmemcache_fail);
		return 0;
	}
	if (!zswap_store_object(pool, page, entry, nr_incompressible))
		goto free_entry;

	entry->pool_id = pool->id;
	entry->lru_id = lru_id;
	entry->swpentry = swp;
	entry->objcg = objcg;
	entry->referenced = true;
	INIT_LIST_HEAD(&entry->lru);

	old = zswap_insert(swp, entry);
	if (IS_ERR(old)) {
		zswap_count_reject(page_folio(page), ZSWP_REJECT_MEMORY,
				   &zswap_reject_kmemcache_fail);
		goto free_object;
	}
	/* The folio was swapped out before, stayed in the swap cache and changed. */
	if (old)
		zswap_entry_free(old);

	length = entry->length;
	if (length == PAGE_SIZE)
		atomic_long_inc(&zswap_stored_incompressible_pages);
	atomic_inc(&zswap_stored_pages);
	/* Last, as the LRU walk may look at it from here on. */
	zswap_lru_add(entry);
	return length;

free_object:
	zs_free(pool->zs_pool, entry->handle);
free_entry:
	kmem_cache_free(zswap_entry_cache, entry);
	return 0;
}

/*
 * Of an object on two pages, from where it lies: they are not copied together first.
 * Only for compressors that take scatterlists. Returns 1 if it is on one.
 */
static int zswap_decompress_pieces(struct zswap_codec *codec, struct zswap_entry *entry,
				   struct page *page)
{
	struct zs_pool *zs_pool = zswap_entry_pool(entry)->zs_pool;
	struct scatterlist in[2];
	int err = 1, tries = 0;

	zs_obj_read_sg_begin(zs_pool, entry->handle, in, entry->length);
	if (sg_nents(in) > 1)
		do {
			err = zswap_decompress_sg(codec, in, entry->length, page);
		} while (err && ++tries < ZSWAP_DECOMPRESS_TRIES);
	zs_obj_read_sg_end(zs_pool, entry->handle);
	return err;
}

/* Decompresses the entry of a slot that the caller owns. */
static bool zswap_load_page(struct zswap_entry *entry, struct page *page)
{
	struct zswap_pool *pool = zswap_entry_pool(entry);
	struct zswap_codec *codec = zswap_codec_lock(pool);
	int err = 1, tries = 0;
	bool refused;
	void *object;

	if (codec->acomp && entry->length < PAGE_SIZE && !READ_ONCE(pool->needs_one_piece))
		err = zswap_decompress_pieces(codec, entry, page);
	if (!err)
		goto unlock;
	refused = err < 0;

	object = zs_obj_read_begin(pool->zs_pool, entry->handle, entry->length, codec->buffer);
	do {
		err = zswap_decompress(codec, object, entry->length, page);
	} while (err && ++tries < ZSWAP_DECOMPRESS_TRIES);
	zs_obj_read_end(pool->zs_pool, entry->handle, entry->length, object);
	/* There are drivers that refuse a source in pieces: no more of them, then. */
	if (!err && refused)
		WRITE_ONCE(pool->needs_one_piece, true);
unlock:
	mutex_unlock(&codec->lock);

	if (!err)
		return true;
	atomic_long_inc(&zswap_decompress_fail);
	zswap_count_events(entry->objcg, ZSWPIN_FAIL, 1);
	pr_alert_ratelimited("%s could not decompress slot %lu of swap device %u: error %d\n",
			     pool->compressor, swp_offset(entry->swpentry),
			     swp_type(entry->swpentry), err);
	return false;
}

/*
 * Writing back
 */

/*
 * Moves a page from zswap to its slot on the device. Called from the LRU walk,
 * without its lock: the entry may be gone already, so only its address counts,
 * until the slot is owned and the entry is found to be still there.
 *
 * Returns -EEXIST if the page is in the swap cache, so is in use or is being
 * written already; -ENOMEM if there is no memory or the slot has been freed;
 * -ENOENT if it has been used again; -EIO if the page could not be
 * decompressed, and stays; -ENOSPC if there is no slot of a device to put
 * behind its virtual one.
 */
static int zswap_writeback_entry(struct zswap_entry *entry, swp_entry_t swp)
{
	/* Marks the bio: zswap_note_write_error() is to be told if it fails. */
	struct writeback_control wbc = { .sync_mode = WB_SYNC_NONE, .for_background = 1 };
	/*
	 * In reclaim too, but the reserves are not for this: it takes before it gives.
	 * The worker is not in reclaim, and must not cause an OOM kill, in the system or
	 * in the memcg that is charged, which may be at its limit and has asked for nothing.
	 */
	gfp_t gfp = GFP_KERNEL | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN;
	swp_entry_t device = {};
	struct folio *folio;
	bool is_new;
	int err;

	KUNIT_STATIC_STUB_REDIRECT(zswap_writeback_entry, entry, swp);

	if (swap_is_vswap(swp) && get_nr_swap_pages() <= 0)
		return -ENOSPC;

	folio = __read_swap_cache_async(swp, gfp, get_task_policy(current),
					NO_INTERLEAVE_INDEX, &is_new, true);
	if (!folio)
		return -ENOMEM;
	if (!is_new) {
		folio_put(folio);
		return -EEXIST;
	}

	/* The new folio is locked and in the swap cache: the slot is ours. */
	err = -ENOENT;
	if (zswap_find(swp) != entry)
		goto drop_folio;
	if (swap_is_vswap(swp)) {
		err = -ENOSPC;
		device = vswap_take_device_slots(folio, 0);
		if (!device.val)
			goto drop_folio;
	}
	err = -EIO;
	if (!zswap_load_page(entry, &folio->page))
		goto free_device;

	zswap_count_events(entry->objcg, ZSWPWB, 1);
	zswap_entry_erase(entry);
	folio_mark_uptodate(folio);
	/* Nobody asked for it: the first to be reclaimed when it is written. */
	folio_set_reclaim(folio);
	/* If this fails, the folio stays in the swap cache, see zswap_note_write_error(). */
	if (device.val) {
		vswap_set_device_slots(folio->swap, device, 0);
		vswap_write_to_device(folio, &wbc);
	} else {
		__swap_writepage(folio, &wbc);
	}
	folio_put(folio);
	return 0;

free_device:
	if (device.val)
		swap_free(device);
drop_folio:
	memcg1_return_swap_charge(folio);
	delete_from_swap_cache(folio);
	folio_unlock(folio);
	folio_put(folio);
	return err;
}

/**
 * zswap_note_write_error - note that a page written back did not reach the device
 * @folio: the page, which is still up to date and dirty in the swap cache; the next
 *	   reclaim offers it to zswap again
 *
 * Called at the end of a write, maybe in an interrupt, with writeback still set.
 */
void zswap_note_write_error(struct folio *folio)
{
	guard(rcu)();
	count_vm_event(ZSWPWB_FAIL);
	count_memcg_folio_events(folio, ZSWPWB_FAIL, 1);
}

/**
 * struct zswap_walk - what a walk over an LRU list does and has done
 * @stop_if_cached: in: end at a page that is in the swap cache
 * @met_cached: out: there was one
 * @written: out: pages written back
 * @rotated: out: pages that got a second chance
 * @failed: out: pages that could not be written back, by the last zswap_walk_lrus()
 */
struct zswap_walk {
	bool stop_if_cached;
	bool met_cached;
	unsigned long written;
	unsigned long rotated;
	unsigned long failed;
};

static enum lru_status zswap_walk_one(struct list_head *item, struct list_lru_one *list,
				      spinlock_t *lock, void *arg)
	__must_hold(lock)
{
	struct zswap_entry *entry = container_of(item, struct zswap_entry, lru);
	struct zswap_walk *walk = arg;
	swp_entry_t swp = entry->swpentry;
	enum lru_status status = LRU_RETRY;
	int err;

	if (entry->referenced) {
		entry->referenced = false;
		walk->rotated++;
		return LRU_ROTATE;
	}

	/*
	 * It stays on the list until zswap_free_entries(), as it could not be put
	 * back: without the lock it may be freed. At the end of the list, so
	 * that the walk goes on with the next.
	 */
	list_move_tail(item, &list->list);
	spin_unlock(lock);

	err = zswap_writeback_entry(entry, swp);
	if (!err) {
		atomic_long_inc(&zswap_written_back_pages);
		walk->written++;
	} else {
		atomic_long_inc(&zswap_reject_reclaim_fail);
		walk->failed++;
		if (err == -EEXIST && walk->stop_if_cached) {
			walk->met_cached = true;
			status = LRU_STOP;
		}
	}

	spin_lock(lock);
	return status;
}

static unsigned long zswap_count_lrus(int nid, struct mem_cgroup *memcg)
{
	unsigned long total = 0;
	int i;

	for (i = 0; i < ZSWAP_NR_LRUS; i++)
		total += list_lru_count_one(&zswap_lrus[i], nid, memcg);
	return total;
}

/*
 * Looks at about nr entries of the memcg on the node, and returns at how many. They
 * are of one list, the next time of another, or of several if there are to be many.
 */
static unsigned long zswap_walk_lrus(int nid, struct mem_cgroup *memcg, unsigned long nr,
				     struct zswap_walk *walk)
{
	struct lruvec *lruvec = mem_cgroup_lruvec(memcg, NODE_DATA(nid));
	unsigned long total = zswap_count_lrus(nid, memcg), looked_at = 0;
	/* Who walks at the same time may begin at the same list. */
	unsigned int lru_id = READ_ONCE(lruvec->zswap_lruvec_state.next_lru);
	int i;

	if (!total)
		return 0;
	walk->failed = 0;
	for (i = 0; i < ZSWAP_NR_LRUS && looked_at < nr && !walk->met_cached; i++) {
		unsigned long count = list_lru_count_one(&zswap_lrus[lru_id], nid, memcg);
		unsigned long share, left;

		/* All of nr, if lists are equally long; less of one of which there is less. */
		share = DIV64_U64_ROUND_UP((u64)nr * ZSWAP_NR_LRUS * count, total);
		/* Or a short list would be walked again, and all of it written. */
		share = min3(share, count, nr - looked_at);
		left = share;
		if (share)
			list_lru_walk_one(&zswap_lrus[lru_id], nid, memcg, zswap_walk_one, walk,
					  &left);
		looked_at += share - left;
		lru_id = (lru_id + 1) % ZSWAP_NR_LRUS;
	}
	WRITE_ONCE(lruvec->zswap_lruvec_state.next_lru, lru_id);
	count_vm_events(ZSWPWB_FAIL, walk->failed);
	if (walk->failed && memcg)
		count_memcg_events(memcg, ZSWPWB_FAIL, walk->failed);
	return looked_at;
}

/*
 * Looks at about SWAP_CLUSTER_MAX entries of the memcg, as many on each node,
 * and writes back those that had their second chance. Neighbours on a list are
 * mostly neighbours on the device, and the plug lets the block layer join them.
 *
 * Adds the pages written to *written. Returns -ENOENT if there is nothing that
 * may be written, -EAGAIN if all that was tried failed.
 */
static int zswap_shrink_memcg(struct mem_cgroup *memcg, unsigned long *written)
{
	unsigned long max = DIV_ROUND_UP(SWAP_CLUSTER_MAX, num_node_state(N_NORMAL_MEMORY));
	unsigned long looked_at = 0;
	struct zswap_walk walk = {};
	struct blk_plug plug;
	int nid;

	if (!mem_cgroup_zswap_writeback_enabled(memcg))
		return -ENOENT;
	/* The entries of one that is offline are with its parent. */
	if (memcg && !mem_cgroup_online(memcg))
		return -ENOENT;

	blk_start_plug(&plug);
	for_each_node_state(nid, N_NORMAL_MEMORY)
		looked_at += zswap_walk_lrus(nid, memcg, max, &walk);
	blk_finish_plug(&plug);

	*written += walk.written;
	if (!looked_at)
		return -ENOENT;
	return walk.written || walk.rotated ? 0 : -EAGAIN;
}

static struct mem_cgroup *zswap_move_cursor(void)
{
	lockdep_assert_held(&zswap_shrink_lock);
	zswap_next_shrink = mem_cgroup_iter(NULL, zswap_next_shrink, NULL);
	return zswap_next_shrink;
}

/*
 * The next online memcg of the endless walk, with a reference; NULL at the end
 * of a round, or if memcgs are disabled.
 */
static struct mem_cgroup *zswap_next_memcg(void)
{
	struct mem_cgroup *memcg;

	spin_lock(&zswap_shrink_lock);
	/*
	 * The cursor stays on one that was online under the lock only, as
	 * zswap_memcg_offline_cleanup() comes once, and after that.
	 */
	do {
		memcg = zswap_move_cursor();
	} while (memcg && !mem_cgroup_tryget_online(memcg));
	spin_unlock(&zswap_shrink_lock);
	return memcg;
}

/**
 * zswap_memcg_offline_cleanup - forget a memcg that goes offline
 * @memcg: the memcg; mem_cgroup_tryget_online() fails from now on
 *
 * Called with cgroup_mutex held, before its entries move to its parent. Does
 * not sleep.
 */
void zswap_memcg_offline_cleanup(struct mem_cgroup *memcg)
{
	spin_lock(&zswap_shrink_lock);
	while (memcg && memcg == zswap_next_shrink) {
		memcg = zswap_move_cursor();
		if (memcg && mem_cgroup_online(memcg))
			break;
	}
	spin_unlock(&zswap_shrink_lock);
}

/* Does the system want to suspend or to hibernate? Then all that writes has to stop. */
static bool zswap_is_to_freeze(void)
{
#ifdef CONFIG_FREEZER
	return READ_ONCE(pm_nosig_freezing);
#else
	return false;
#endif
}

/*
 * Makes room down to the threshold, from one memcg after the other.
 *
 * A page that is written back gives back less than a page, and leaves a hole.
 * So not more pages are written than are to be given back before compaction has
 * closed the holes and what remains is counted again.
 *
 * The queue can be frozen, but only between two works: so this one ends early then,
 * and goes on when the queue is thawed. A device that is suspended would not end
 * what is written to it meanwhile, and the CPU that issued it could not go offline.
 */
static void zswap_shrink_worker(struct work_struct *work)
{
	unsigned long total, written = 0, until_compaction = 0;
	bool met_candidate = false;
	int failures = 0;

	while (failures < MAX_RECLAIM_RETRIES) {
		struct mem_cgroup *memcg;
		int err;

		if (zswap_is_to_freeze()) {
			queue_work(zswap_shrink_wq, work);
			break;
		}
		if (written >= until_compaction) {
			zswap_compact();
			written = 0;
			total = zswap_total_pages();
			if (total <= zswap_accept_pages())
				break;
			until_compaction = total - zswap_accept_pages();
		}

		memcg = zswap_next_memcg();
		if (!memcg && !mem_cgroup_disabled()) {
			if (!met_candidate)
				failures++;
			met_candidate = false;
			continue;
		}
		err = zswap_shrink_memcg(memcg, &written);
		mem_cgroup_put(memcg);
		if (err != -ENOENT)
			met_candidate = true;
		if (err == -EAGAIN || (err && !memcg))
			failures++;
		cond_resched();
	}
}

static DECLARE_WORK(zswap_shrink_work, zswap_shrink_worker);

/*
 * The shrinker
 *
 * What it may take of an LRU list is scaled down twice: by the pages that had
 * to be read from the device lately, as it had taken too much before, and by
 * the compression ratio, as writing a page costs the same however little
 * memory it gives back.
 */

/* Takes up to max off the counter and returns how much. */
static unsigned long zswap_consume(atomic_long_t *counter, unsigned long max)
{
	long old = atomic_long_read(counter);
	long taken;

	do {
		taken = min_t(unsigned long, old, max);
	} while (!atomic_long_try_cmpxchg(counter, &old, old - taken));
	return taken;
}

static unsigned long zswap_shrinker_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct lruvec *lruvec = mem_cgroup_lruvec(sc->memcg, NODE_DATA(sc->nid));
	unsigned long freeable, backing, stored;

	if (!READ_ONCE(zswap_shrinker_enabled) || !total_swap_pages ||
	    !mem_cgroup_zswap_writeback_enabled(sc->memcg))
		return 0;
	/* Writing enters the block layer and perhaps a file system. */
	if (!gfp_has_io_fs(sc->gfp_mask))
		return 0;

	/* A memcg's figures are of all its nodes: good enough for a ratio. */
	if (mem_cgroup_disabled()) {
		backing = zswap_total_pages();
		stored = atomic_read(&zswap_stored_pages);
	} else {
		mem_cgroup_flush_stats(sc->memcg);
		backing = memcg_page_state(sc->memcg, MEMCG_ZSWAP_B) >> PAGE_SHIFT;
		stored = memcg_page_state(sc->memcg, MEMCG_ZSWAPPED);
	}
	if (!stored)
		return 0;

	freeable = zswap_count_lrus(sc->nid, sc->memcg);
	freeable -= zswap_consume(&lruvec->zswap_lruvec_state.nr_disk_swapins, freeable);
	return mult_frac(freeable, backing, stored);
}

static unsigned long zswap_shrinker_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	/* A page in the swap cache tells that the walk has come to warm ones. */
	struct zswap_walk walk = { .stop_if_cached = true };
	struct blk_plug plug;

	if (!READ_ONCE(zswap_shrinker_enabled) || !mem_cgroup_zswap_writeback_enabled(sc->memcg)) {
		sc->nr_scanned = 0;
		return SHRINK_STOP;
	}

	blk_start_plug(&plug);
	sc->nr_scanned = zswap_walk_lrus(sc->nid, sc->memcg, sc->nr_to_scan, &walk);
	blk_finish_plug(&plug);

	if (walk.met_cached || !walk.written)
		return SHRINK_STOP;
	return walk.written;
}

/**
 * zswap_lruvec_state_init - set up zswap's part of a new lruvec
 * @lruvec: the lruvec, not yet in use
 *
 * Needs no lock; does not sleep.
 */
void zswap_lruvec_state_init(struct lruvec *lruvec)
{
	atomic_long_set(&lruvec->zswap_lruvec_state.nr_disk_swapins, 0);
}

/**
 * zswap_folio_swapin - note that a folio is read from a swap device
 * @folio: the folio, locked and charged
 *
 * Does not sleep.
 */
void zswap_folio_swapin(struct folio *folio)
{
	atomic_long_inc(&folio_lruvec(folio)->zswap_lruvec_state.nr_disk_swapins);
}

/*
 * What the swap core calls
 */

/**
 * zswap_has_room - would zswap take a page?
 *
 * A hint, which knows nothing of memcgs. Needs no lock and does not sleep.
 *
 * Return: true if it is enabled and not full.
 */
bool zswap_has_room(void)
{
	unsigned long total;

	if (!zswap_is_enabled() || !rcu_access_pointer(zswap_current))
		return false;
	if (likely(!READ_ONCE(zswap_full)))
		return true;
	/* Who stores a page notes that there is room again. */
	total = zswap_total_pages();
	return total <= zswap_accept_pages() && total < zswap_max_pages();
}

/* May this memcg have more in zswap, perhaps after writing back some of it? */
static bool zswap_memcg_has_room(struct obj_cgroup *objcg)
{
	unsigned long written = 0;
	struct mem_cgroup *memcg;
	int err;

	if (!objcg || obj_cgroup_may_zswap(objcg))
		return true;
	if (!total_swap_pages)
		return false;

	memcg = get_mem_cgroup_from_objcg(objcg);
	err = zswap_shrink_memcg(memcg, &written);
	mem_cgroup_put(memcg);
	return !err && obj_cgroup_may_zswap(objcg);
}

/* list_lru_add() allocates nothing: the memcg's lists must be there before. */
static bool zswap_memcg_has_lru(struct obj_cgroup *objcg, u8 lru_id)
{
	struct mem_cgroup *memcg;
	int err;

	if (!IS_ENABLED(CONFIG_MEMCG) || !objcg)
		return true;
	memcg = get_mem_cgroup_from_objcg(objcg);
	err = memcg_list_lru_alloc(memcg, &zswap_lrus[lru_id], GFP_KERNEL | __GFP_NOWARN);
	mem_cgroup_put(memcg);
	return !err;
}

/* For those counters that the swap core has it is out unsplit, whatever has taken it. */
static void zswap_count_large(struct folio *folio, struct obj_cgroup *objcg)
{
	if (!folio_test_large(folio))
		return;
	zswap_count_events(objcg, ZSWPOUT_LARGE, 1);
	count_mthp_stat(folio_order(folio), MTHP_STAT_ZSWPOUT);
	count_mthp_stat(folio_order(folio), MTHP_STAT_SWPOUT);
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	if (folio_test_pmd_mappable(folio)) {
		count_memcg_folio_events(folio, THP_SWPOUT, 1);
		count_vm_event(THP_SWPOUT);
	}
#endif
}

static bool zswap_store_folio(struct folio *folio)
{
	struct obj_cgroup *objcg = get_obj_cgroup_from_folio(folio);
	long i = 0, nr_stored = 0, nr_incompressible = 0, nr_pages = folio_nr_pages(folio);
	unsigned int length;
	u8 lru_id = zswap_lru_for(folio);
	struct zswap_pool *pool;
	size_t bytes = 0;

	if (!zswap_memcg_has_room(objcg)) {
		zswap_count_reject(folio, ZSWP_REJECT_MEMCG, NULL);
		goto put_objcg;
	}
	if (zswap_check_full()) {
		zswap_count_reject(folio, ZSWP_REJECT_LIMIT, NULL);
		queue_work(zswap_shrink_wq, &zswap_shrink_work);
		goto put_objcg;
	}
	if (!zswap_memcg_has_lru(objcg, lru_id)) {
		zswap_count_reject(folio, ZSWP_REJECT_MEMORY, &zswap_reject_alloc_fail);
		goto put_objcg;
	}
	pool = zswap_pool_current_get(nr_pages);
	if (!pool)
		goto put_objcg;

	for (; i < nr_pages; i++) {
		struct page *page = folio_page(folio, i);

		if (swap_is_vswap(folio->swap) && vswap_is_zero(page_swap_entry(page)))
			continue;
		length = zswap_store_page(pool, page, objcg, lru_id, nr_incompressible);
		if (!length)
			break;
		nr_stored++;
		bytes += length;
		nr_incompressible += length == PAGE_SIZE;
		cond_resched();
	}
	/* Nobody can free what is stored before the folio is unlocked. */
	zswap_charge(objcg, bytes, nr_stored);
	if (i == nr_pages) {
		zswap_count_events(objcg, ZSWPOUT, nr_stored);
		if (nr_incompressible)
			zswap_count_events(objcg, ZSWPOUT_INCOMPRESSIBLE, nr_incompressible);
		zswap_count_large(folio, objcg);
	}
	if (nr_stored < nr_pages)
		percpu_ref_put_many(&pool->ref, nr_pages - nr_stored);
put_objcg:
	obj_cgroup_put(objcg);
	return i == nr_pages;
}

/**
 * zswap_store - take a folio instead of the swap device
 * @folio: a folio of any size, locked and in the swap cache
 *
 * Called in reclaim (PF_MEMALLOC), with the folio's slots owned by the caller.
 * May sleep, and may write other pages to the device to make room.
 *
 * Whatever zswap had of these slots before is gone afterwards, as it is older
 * than the folio: it must not be written over it one day.
 *
 * Return: true if all pages of the folio are in zswap, false if none is; then
 * it has to be written to the device or to stay in memory.
 */
bool zswap_store(struct folio *folio)
{
	VM_WARN_ON_ONCE(!folio_test_locked(folio));
	VM_WARN_ON_ONCE(!folio_test_swapcache(folio));

	if (zswap_never_enabled())
		return false;
	if (zswap_is_enabled() && zswap_store_folio(folio))
		return true;
	zswap_invalidate_range(folio->swap, folio_nr_pages(folio));
	return false;
}

/**
 * zswap_has - is a page in zswap?
 * @swp: its slot, which need not be in use, of a device that stays
 *
 * A hint, unless the caller owns the slot. May be called anywhere.
 *
 * Return: true if it is there.
 */
bool zswap_has(swp_entry_t swp)
{
	return !zswap_never_enabled() && zswap_find(swp);
}

/**
 * zswap_can_load_whole - can slots be read as one folio?
 * @swp: the first slot, of a device that stays
 * @nr: how many
 *
 * Those of a device can if zswap has them all, or none, and the last attempt did
 * not fail. Virtual ones always can, as vswap_can_read_whole() has said so. A hint,
 * unless the caller owns the slots. May be called anywhere.
 *
 * Return: true if they can.
 */
bool zswap_can_load_whole(swp_entry_t swp, unsigned int nr)
{
	unsigned long first, entry;

	if (zswap_never_enabled() || swap_is_vswap(swp))
		return true;
	for (first = zswap_peek(swp); nr; nr--, swp.val++) {
		entry = zswap_peek(swp);
		if (!entry != !first || entry & ZSWAP_ALONE)
			return false;
	}
	return true;
}

/**
 * zswap_can_still_load_whole - can slots be read as one folio, now that they are owned?
 * @swp: the first slot; all are owned by the caller
 * @nr: how many
 *
 * They may have been written back, or freed and taken by others, since
 * zswap_can_load_whole(). Of virtual slots vswap_duplicate() has seen that they were
 * not. Does not sleep.
 *
 * Return: true if they can; else who looks again finds that they cannot.
 */
bool zswap_can_still_load_whole(swp_entry_t swp, unsigned int nr)
{
	if (zswap_never_enabled() || swap_is_vswap(swp))
		return true;
	/* Those of a slow device may be in several places. This flag never changes. */
	if (!data_race(swp_swap_info(swp)->flags & SWP_SYNCHRONOUS_IO) && !zswap_find(swp))
		return false;
	return swap_cgroup_batch(swp, nr) == nr && zswap_can_load_whole(swp, nr) &&
	       swap_zeromap_batch(swp, nr, NULL) == nr;
}

/* A page of a folio could not be read: the others are to be read alone. */
static void zswap_load_alone(struct folio *folio)
{
	swp_entry_t swp = folio->swap;
	struct zswap_leaf *leaf;
	long i;

	if (swap_is_vswap(swp))
		return;
	for (i = 0; i < folio_nr_pages(folio); i++, swp.val++) {
		unsigned int slot = swp_offset(swp) % ZSWAP_LEAF_SLOTS;

		if (!zswap_peek(swp))
			continue;
		leaf = zswap_word_leaf(READ_ONCE(*zswap_leaf_word(swp)));
		WRITE_ONCE(leaf->entry[slot], leaf->entry[slot] | ZSWAP_ALONE);
	}
}

/* Reads a page of a folio, if there is an entry: 1. 0: there is none; -EIO: it cannot be read. */
static __always_inline int zswap_load_slot(struct folio *folio, struct page *page,
					   struct zswap_entry *entry)
{
	if (!entry)
		return 0;
	if (!zswap_load_page(entry, page))
		return -EIO;
	zswap_count_events(entry->objcg, ZSWPIN, 1);
	if (folio_test_swapcache(folio))
		zswap_entry_erase(entry);
	return 1;
}

static void zswap_loaded(struct folio *folio)
{
	/* Its slots have no other copy once they are freed. */
	folio_mark_dirty(folio);
	folio_mark_uptodate(folio);
}

static noinline bool zswap_load_large(struct folio *folio)
{
	int i, err, nr = folio_nr_pages(folio), nr_loaded = 0;

	for (i = 0; i < nr; i++) {
		struct page *page = folio_page(folio, i);

		err = zswap_load_slot(folio, page, zswap_find(page_swap_entry(page)));
		if (err < 0) {
			zswap_load_alone(folio);
			return true;
		}
		nr_loaded += err;
	}
	/* zswap_can_still_load_whole() has said that a device has all of it, or nothing. */
	if (WARN_ON_ONCE(nr_loaded && nr_loaded < nr && !swap_is_vswap(folio->swap)))
		return true;
	if (nr_loaded) {
		zswap_loaded(folio);
		count_vm_event(ZSWPIN_LARGE);
		count_memcg_folio_events(folio, ZSWPIN_LARGE, 1);
	}
	return nr_loaded;
}

/**
 * zswap_load - read a folio that may be in zswap
 * @folio: a folio, locked; in the swap cache, or its slots have SWAP_HAS_CACHE
 *	   set. A large one if zswap_can_load_whole() says so
 *
 * Pages of a large folio that are not in zswap are left alone: their slots are
 * virtual, they are zero and have been read. The folio is dirty then, as its slots
 * have no other copy once they are freed. Of a folio in the swap cache zswap
 * forgets the pages at once. May sleep.
 *
 * Return: false if the folio has to be read from the device. true if it is up
 * to date, or if it is not, because the one copy of a page could not be
 * decompressed: that one stays in zswap.
 */
bool zswap_load(struct folio *folio)
{
	int err;

	VM_WARN_ON_ONCE(!folio_test_locked(folio));

	if (zswap_never_enabled())
		return false;
	if (folio_test_large(folio))
		return zswap_load_large(folio);

	err = zswap_load_slot(folio, &folio->page, zswap_find(folio->swap));
	if (err > 0)
		zswap_loaded(folio);
	return err;
}

/**
 * zswap_load_entry - read a folio of one page, of which the entry is known
 * @folio: as for zswap_load()
 * @entry: what vswap_set_zswap_entry() was given for its slot
 *
 * As zswap_load(), which would look for the entry again. May sleep.
 */
void zswap_load_entry(struct folio *folio, struct zswap_entry *entry)
{
	if (zswap_load_slot(folio, &folio->page, entry) > 0)
		zswap_loaded(folio);
}

/* Takes the entries of neighbouring slots out of their leaf. */
static void zswap_erase_slots(unsigned long *place, unsigned int slot, unsigned int nr,
			      struct zswap_batch *batch)
{
	unsigned int end = slot + nr, erased = 0;
	struct zswap_leaf *leaf;

	/* Without an entry of ours it may go at any time. */
	guard(rcu)();
	leaf = zswap_word_leaf(READ_ONCE(*place));
	if (!leaf)
		return;
	for (; slot < end; slot++) {
		unsigned long entry = zswap_leaf_peek(place, leaf, slot);

		if (!entry)
			continue;
		/* It keeps the leaf there until it is counted out. */
		WRITE_ONCE(leaf->entry[slot], 0);
		erased++;
		batch->entry[batch->nr++] = zswap_word_entry(entry);
		if (batch->nr == ZSWAP_BATCH)
			zswap_batch_free(batch);
	}
	if (erased)
		zswap_leaf_put(place, erased);
}

static noinline_for_stack void zswap_erase_range(swp_entry_t swp, unsigned int nr_pages)
{
	struct zswap_batch batch;

	batch.nr = 0;
	while (nr_pages) {
		unsigned int first = swp_offset(swp) % ZSWAP_LEAF_SLOTS;
		unsigned int nr = min(nr_pages, ZSWAP_LEAF_SLOTS - first);

		zswap_erase_slots(zswap_leaf_word(swp), first, nr, &batch);
		swp.val += nr;
		nr_pages -= nr;
	}
	zswap_batch_free(&batch);
}

/**
 * zswap_invalidate_range - drop what zswap has of swap slots
 * @swp: the first slot
 * @nr_pages: how many, of the same device
 *
 * The caller owns the slots. May be called under a spinlock.
 */
void zswap_invalidate_range(swp_entry_t swp, unsigned int nr_pages)
{
	if (zswap_never_enabled())
		return;
	if (nr_pages == 1)
		zswap_erase_slot(swp);
	else if (!swap_is_vswap(swp))
		zswap_erase_range(swp, nr_pages);
	else
		for (; nr_pages; nr_pages--, swp.val++)
			zswap_erase_slot(swp);
}

/**
 * zswap_swapon - prepare for a swap device
 * @type: the number of the device
 * @nr_pages: its size in slots
 *
 * Called in swapon, before a slot can be used. May sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int zswap_swapon(int type, unsigned long nr_pages)
{
	unsigned long nr = DIV_ROUND_UP(nr_pages, ZSWAP_LEAF_SLOTS);
	unsigned long *leaves = kvcalloc(nr, sizeof(*leaves), GFP_KERNEL);

	if (!leaves)
		return -ENOMEM;
	zswap_nr_leaves[type] = nr;
	zswap_leaves[type] = leaves;
	return 0;
}

/**
 * zswap_swapoff - a swap device is no longer in use
 * @type: the number of the device; none of its slots is in use
 *
 * Called in swapoff, and when swapon fails after zswap_swapon(). May sleep.
 */
void zswap_swapoff(int type)
{
	unsigned long i;

	for (i = 0; i < zswap_nr_leaves[type]; i++) {
		WARN_ON_ONCE(zswap_leaves[type][i]);
		cond_resched();
	}
	kvfree(zswap_leaves[type]);
	zswap_leaves[type] = NULL;
	zswap_nr_leaves[type] = 0;
}

/*
 * debugfs
 */

#ifdef CONFIG_DEBUG_FS
static int zswap_total_size_get(void *data, u64 *value)
{
	*value = (u64)zswap_total_pages() << PAGE_SHIFT;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(zswap_total_size_fops, zswap_total_size_get, NULL, "%llu\n");

static int zswap_counter_get(void *counter, u64 *value)
{
	*value = atomic_long_read(counter);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(zswap_counter_fops, zswap_counter_get, NULL, "%llu\n");

static void zswap_debugfs_init(void)
{
	static const struct {
		const char *name;
		atomic_long_t *counter;
	} counters[] = {
		{ "decompress_fail", &zswap_decompress_fail },
		{ "pool_limit_hit", &zswap_pool_limit_hit },
		{ "reject_alloc_fail", &zswap_reject_alloc_fail },
		{ "reject_compress_fail", &zswap_reject_compress_fail },
		{ "reject_compress_poor", &zswap_reject_compress_poor },
		{ "reject_kmemcache_fail", &zswap_reject_kmemcache_fail },
		{ "reject_reclaim_fail", &zswap_reject_reclaim_fail },
		{ "stored_incompressible_pages", &zswap_stored_incompressible_pages },
		{ "written_back_pages", &zswap_written_back_pages },
	};
	struct dentry *root = debugfs_create_dir("zswap", NULL);
	int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		debugfs_create_file_unsafe(counters[i].name, 0444, root, counters[i].counter,
					   &zswap_counter_fops);
	debugfs_create_file_unsafe("pool_total_size", 0444, root, NULL, &zswap_total_size_fops);
	debugfs_create_atomic_t("stored_pages", 0444, root, &zswap_stored_pages);
}
#else
static void zswap_debugfs_init(void)
{
}
#endif

/*
 * Setting up, and parameters
 *
 * Nothing but the words of swap devices is allocated before zswap is enabled
 * for the first time. Parameters
 * on the kernel's command line come before there is a slab or a compressor, so
 * they are only noted.
 */

/* What all pools share. After an error the next attempt starts anew. */
static int zswap_setup_shared(void)
{
	int nr_lrus, err = -ENOMEM;

	zswap_entry_cache = KMEM_CACHE(zswap_entry, 0);
	if (!zswap_entry_cache)
		return err;

	zswap_shrink_wq = alloc_workqueue("zswap-shrink",
					  WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_FREEZABLE, 1);
	if (!zswap_shrink_wq)
		goto destroy_cache;

	zswap_shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE, "mm-zswap");
	if (!zswap_shrinker)
		goto destroy_wq;
	zswap_shrinker->count_objects = zswap_shrinker_count;
	zswap_shrinker->scan_objects = zswap_shrinker_scan;

	for (nr_lrus = 0; nr_lrus < ZSWAP_NR_LRUS; nr_lrus++) {
		err = list_lru_init_memcg(&zswap_lrus[nr_lrus], zswap_shrinker);
		if (err)
			goto destroy_lrus;
	}

	err = cpuhp_setup_state_multi(CPUHP_MM_ZSWP_POOL_PREPARE, "mm/zswap:prepare",
				      zswap_cpu_prepare, NULL);
	if (err)
		goto destroy_lrus;

	shrinker_register(zswap_shrinker);
	zswap_debugfs_init();
	return 0;

destroy_lrus:
	while (nr_lrus)
		list_lru_destroy(&zswap_lrus[--nr_lrus]);
	shrinker_free(zswap_shrinker);
destroy_wq:
	destroy_workqueue(zswap_shrink_wq);
destroy_cache:
	kmem_cache_destroy(zswap_entry_cache);
	return err;
}

/* Everything that zswap needs before it is enabled. */
static int zswap_setup(void)
{
	int err;

	lockdep_assert_held(&zswap_setup_lock);
	if (!zswap_ready) {
		err = zswap_setup_shared();
		if (err) {
			pr_err("cannot be set up: error %d\n", err);
			return err;
		}
		zswap_ready = true;
	}

	if (rcu_access_pointer(zswap_current))
		return 0;
	if (!crypto_has_acomp(zswap_compressor, 0, 0)) {
		pr_err("compressor %s is not available, using %s\n",
		       zswap_compressor, CONFIG_ZSWAP_COMPRESSOR_DEFAULT);
		strscpy(zswap_compressor, CONFIG_ZSWAP_COMPRESSOR_DEFAULT);
	}
	err = zswap_pool_use(zswap_compressor);
	if (!err)
		pr_info("ready, with compressor %s\n", zswap_compressor);
	return err;
}

static int zswap_enabled_set(const char *val, const struct kernel_param *kp)
{
	bool enable;
	int err = kstrtobool(val, &enable);

	if (err)
		return err;

	guard(mutex)(&zswap_setup_lock);
	if (enable && system_state >= SYSTEM_RUNNING)
		err = zswap_setup();
	if (!err)
		WRITE_ONCE(zswap_enabled, enable);
	return err;
}

static int zswap_compressor_set(const char *val, const struct kernel_param *kp)
{
	char name[CRYPTO_MAX_ALG_NAME];
	bool booting = system_state < SYSTEM_RUNNING;
	int err;

	if (strscpy(name, skip_spaces(val)) < 0)
		return -ENAMETOOLONG;
	strim(name);

	guard(mutex)(&zswap_setup_lock);
	if (!booting && !crypto_has_acomp(name, 0, 0)) {
		pr_err("compressor %s is not available, keeping %s\n", name, zswap_compressor);
		return -ENOENT;
	}
	if (zswap_ready) {
		err = zswap_pool_use(name);
		if (err)
			return err;
	}
	strscpy(zswap_compressor, name);
	return 0;
}

static int zswap_compressor_get(char *buffer, const struct kernel_param *kp)
{
	guard(mutex)(&zswap_setup_lock);
	return sysfs_emit(buffer, "%s\n", zswap_compressor);
}

static int zswap_percent_set(const char *val, const struct kernel_param *kp)
{
	int err = param_set_uint_minmax(val, kp, 0, 100);

	if (err)
		pr_err("%s is a percentage, from 0 to 100\n", kp->name);
	return err;
}

/* There is one allocator; the parameter remains for command lines and scripts that have it. */
static int zswap_allocator_set(const char *val, const struct kernel_param *kp)
{
	if (sysfs_streq(val, "zsmalloc"))
		return 0;
	pr_err("zpool can only be zsmalloc\n");
	/* At boot the kernel would complain a second time. */
	return system_state < SYSTEM_RUNNING ? 0 : -EINVAL;
}

static int zswap_allocator_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "zsmalloc\n");
}

static const struct kernel_param_ops zswap_enabled_ops = {
	.set = zswap_enabled_set,
	.get = param_get_bool,
};

static const struct kernel_param_ops zswap_compressor_ops = {
	.set = zswap_compressor_set,
	.get = zswap_compressor_get,
};

static const struct kernel_param_ops zswap_percent_ops = {
	.set = zswap_percent_set,
	.get = param_get_uint,
};

static const struct kernel_param_ops zswap_allocator_ops = {
	.set = zswap_allocator_set,
	.get = zswap_allocator_get,
};

module_param_cb(enabled, &zswap_enabled_ops, &zswap_enabled, 0644);
module_param_cb(compressor, &zswap_compressor_ops, NULL, 0644);
module_param_cb(max_pool_percent, &zswap_percent_ops, &zswap_max_pool_percent, 0644);
module_param_cb(accept_threshold_percent, &zswap_percent_ops,
		&zswap_accept_threshold_percent, 0644);
module_param_cb(zpool, &zswap_allocator_ops, NULL, 0644);
module_param_named(shrinker_enabled, zswap_shrinker_enabled, bool, 0644);

/* Late, so that built-in compressors have been registered. */
static int __init zswap_init(void)
{
	guard(mutex)(&zswap_setup_lock);
	if (zswap_enabled && zswap_setup())
		zswap_enabled = false;
	return 0;
}
late_initcall(zswap_init);

#ifdef CONFIG_ZSWAP_KUNIT_TEST
#include "tests/zswap_kunit.c"
#endif
