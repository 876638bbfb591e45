// SPDX-License-Identifier: GPL-2.0
/*
 * vswap - virtual swap slots
 *
 * A swap device that has no storage. Page tables and tmpfs hold a virtual slot,
 * and what is behind it may change while they do not: a page that is in zswap,
 * or all zeros, needs no slot of a disk, and no disk.
 *
 * Layout
 * ------
 * The space of slots is cut into regions of SWAP_ADDRESS_SPACE_PAGES, each with
 * the address_space of its swap cache. A region is never freed, so that a stale
 * entry still leads to an address_space. A region is cut into clusters, which
 * come and go. A cluster has three arrays with a place for each slot: a word
 * that tells what is behind it, the count of its references, and its memcg.
 *
 * A slot is, in this order:
 *	free		its bit in vswap_cluster.taken is clear
 *	in use		it has VSWAP_HAS_CACHE, a count, or both
 *	on its way out	it has neither, but its bit is still set: no lookup finds
 *			it, and whoever took the last of both empties it
 *
 * A slot in use is backed by
 *	nothing		the folio in the swap cache is the only copy, and dirty
 *	VSWAP_ZERO	zeros
 *	a zswap_entry	the page in zswap
 *	VSWAP_DEVICE	a slot of a device, taken when zswap did not want the page or
 *			wrote it back. It has one reference, this one, and is
 *			never in the swap cache of its device
 * vswap_may_become() says which may follow which.
 *
 * Who owns a slot
 * ---------------
 * Only the owner of a slot changes what is behind it: whoever has the locked
 * folio of this slot in the swap cache, has VSWAP_HAS_CACHE for a read that
 * skips the swap cache, or has taken the last reference. All others may look at
 * the word, but take it for a hint.
 *
 * A cluster with a slot in use stays. Who does not know that a slot is in use
 * looks under RCU and checks the count under the lock of the cluster.
 *
 * Clusters
 * --------
 * All slots of a cluster were allocated in folios of one order. A CPU has a
 * cluster for each order to allocate from; vswap_state says where the others are.
 *
 * Locks, in order
 * ---------------
 *	folio lock
 *	page table lock or xa_lock of the swap cache
 *	vswap_cluster.lock	Counts and bits of its slots. Not under xa_lock,
 *				as that one is taken in interrupts.
 *	vswap_lock		Lists, regions and the state of clusters.
 * Nothing is allocated, charged or freed under the last two.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/cpuhotplug.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/percpu-refcount.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/swap_cgroup.h>
#include <linux/swapfile.h>
#include <linux/swapops.h>
#include <linux/sysfs.h>
#include <linux/vmstat.h>
#include <linux/vswap.h>
#include <linux/workqueue.h>
#include <linux/writeback.h>
#include <linux/zswap.h>

#include "internal.h"
#include "swap.h"
#include "vswap.h"
#ifdef CONFIG_MEMCG
#include "memcontrol-v1.h"
#endif

/*
 * Data
 */

/* The words of a cluster fill a page. */
#define VSWAP_SLOTS		(PAGE_SIZE / sizeof(unsigned long))
#define VSWAP_CLUSTERS		(SWAP_ADDRESS_SPACE_PAGES / VSWAP_SLOTS)

/* A full cluster is allocated from again when so many of its slots are free. */
#define VSWAP_WORTH_REFILLING	(VSWAP_SLOTS / 16)

/* Empty clusters that are kept for the next swap-out: 32 KiB of them. */
#define VSWAP_SPARES		(SZ_32K / (2 * PAGE_SIZE))

/*
 * Regions are found through three levels of tables, those of the lower two of this
 * size; but the first of them all directly, as hardly a machine needs more.
 */
#define VSWAP_TOP_SIZE		512

/* In reclaim: as the swap cache allocates its nodes. */
#define VSWAP_GFP		(__GFP_HIGH | __GFP_NOMEMALLOC | __GFP_NOWARN)

/*
 * The count of a slot
 *
 *	  15          14 .. 0
 *	VSWAP_HAS_CACHE | references
 *
 * What does not fit is carried to vswap_cluster.carry, in units of VSWAP_CARRY.
 * There is a carry only while there are two references here or more.
 */
#define VSWAP_HAS_CACHE		BIT(15)
#define VSWAP_COUNT_MAX		(VSWAP_HAS_CACHE - 1)
#define VSWAP_CARRY		((VSWAP_COUNT_MAX + 1) / 2)

/*
 * The word of a slot
 *
 *	63                        8 7     3 2  0
 *	0
 *	0                                    100   VSWAP_REFUSED
 *	0                                    001   VSWAP_ZERO
 *	offset of the device slot    type    010   VSWAP_DEVICE
 *	address of a zswap_entry             x00
 *
 * x is VSWAP_ALONE.
 */
#define VSWAP_TAG_MASK		7UL
#define VSWAP_ZERO		1UL
#define VSWAP_DEVICE		2UL
#define VSWAP_ALONE		4UL	/* a large folio with this page could not be read */
#define VSWAP_REFUSED		4UL	/* nothing, and what is in the cache was not taken */
#define VSWAP_TYPE_SHIFT	3
#define VSWAP_OFFSET_SHIFT	8

enum vswap_backing {
	VSWAP_BACKING_NONE,
	VSWAP_BACKING_ZERO,
	VSWAP_BACKING_ZSWAP,
	VSWAP_BACKING_DEVICE,
	VSWAP_NR_BACKINGS,
};

/**
 * enum vswap_state - where a cluster is
 * @VSWAP_TAKEN: with the task that made it or took it off a list
 * @VSWAP_CURRENT: a CPU allocates from it
 * @VSWAP_PARTIAL: in vswap_partial
 * @VSWAP_FULL: nowhere
 * @VSWAP_EMPTY: in vswap_empty
 * @VSWAP_DEAD: no longer found; freed after a grace period
 *
 * A state other than VSWAP_TAKEN is left under both vswap_cluster.lock and
 * vswap_lock, or from a list under vswap_lock alone.
 */
enum vswap_state {
	VSWAP_TAKEN,
	VSWAP_CURRENT,
	VSWAP_PARTIAL,
	VSWAP_FULL,
	VSWAP_EMPTY,
	VSWAP_DEAD,
};

/**
 * struct vswap_cluster - VSWAP_SLOTS neighbouring slots
 * @lock: see the top of the file
 * @used: bits set in @taken
 * @order: of the folios that slots are allocated for
 * @state: an enum vswap_state
 * @useful: slots were taken since it became VSWAP_CURRENT
 * @next: the slot to start looking for free ones
 * @first: the offset of the first slot
 * @backing: a word for each slot
 * @count: a count for each slot
 * @memcg_id: for each slot, or NULL without memcgs; written by the slot's owner
 * @carry: for each slot, or NULL; made when a count needs it and then kept
 * @place: VSWAP_CURRENT: the CPU's pointer to it
 * @list: VSWAP_PARTIAL, VSWAP_EMPTY: the list
 * @rcu: VSWAP_DEAD
 * @taken: a bit for each slot
 */
struct vswap_cluster {
	spinlock_t lock;	/* counts and bits of its slots */
	u16 used;
	u8 order;
	u8 state;
	bool useful;
	unsigned int next;
	unsigned long first;
	unsigned long *backing;
	u16 *count;
	u16 *memcg_id;
	u32 *carry;
	struct vswap_cluster __rcu **place;
	union {
		struct list_head list;
		struct rcu_head rcu;
	};
	DECLARE_BITMAP(taken, VSWAP_SLOTS);
};

/**
 * struct vswap_region - SWAP_ADDRESS_SPACE_PAGES neighbouring slots
 * @space: their swap cache
 * @first: the offset of the first slot
 * @list: in vswap_roomy, if there is room for a cluster and no CPU has taken it
 * @used: a bit for each cluster that is there
 * @cluster: each cluster, or NULL
 */
struct vswap_region {
	struct address_space space;
	unsigned long first;
	struct list_head list;
	DECLARE_BITMAP(used, VSWAP_CLUSTERS);
	struct vswap_cluster __rcu *cluster[VSWAP_CLUSTERS];
};

/* Why a folio did not get a virtual slot, or was not stored behind it. */
enum vswap_fallback {
	VSWAP_FALLBACK_FULL,	/* zswap is off or full, and so are the devices */
	VSWAP_FALLBACK_MEMCG,	/* a limit of the memcg */
	VSWAP_FALLBACK_LIMIT,	/* the tables are as large as they may be */
	VSWAP_FALLBACK_MEMORY,	/* no memory for a table */
	VSWAP_FALLBACK_STORE,	/* neither zswap nor a device took it after all */
	VSWAP_FALLBACK_SKIPPED,	/* no device has a slot, and zswap was not asked */
	VSWAP_NR_FALLBACKS,
};

/**
 * struct vswap_cpu - what a CPU allocates from
 * @cluster: for each order; read under RCU, written under vswap_lock
 * @region: where it makes new clusters, so that CPUs do not share the xa_lock
 *	    of a region; under vswap_lock
 * @slots: slots by what is behind them; only the sum over all CPUs means something
 * @fallbacks: pages by an enum vswap_fallback
 * @errors: pages that a device could not READ or WRITE
 *
 * A task that moves to another CPU may go on: this is about speed.
 */
struct vswap_cpu {
	struct vswap_cluster __rcu *cluster[SWAP_NR_ORDERS];
	struct vswap_region *region;
	long slots[VSWAP_NR_BACKINGS];
	long fallbacks[VSWAP_NR_FALLBACKS];
	long errors[2];
};

static DEFINE_PER_CPU(struct vswap_cpu, vswap_cpus);

static DEFINE_SPINLOCK(vswap_lock);
static struct list_head vswap_partial[SWAP_NR_ORDERS];
static LIST_HEAD(vswap_empty);
static unsigned int vswap_nr_empty;
static LIST_HEAD(vswap_roomy);

/* Neither tables nor regions are ever freed. */
struct vswap_region *vswap_first_table[VSWAP_TABLE_SIZE];
static struct vswap_region ***vswap_tables[VSWAP_TOP_SIZE];
static unsigned long vswap_nr_regions;

/* For an offset that is in no region. */
static struct address_space vswap_no_space;

static atomic_long_t vswap_nr_clusters;
static atomic_long_t vswap_table_bytes;

/*
 * Pages in a row that zswap refused and no device took; no longer counted from
 * VSWAP_MANY_REFUSED on. Written without a lock: to lose count costs nothing.
 */
static unsigned int vswap_nr_refused;
#define VSWAP_MANY_REFUSED	(SZ_16M / PAGE_SIZE)	/* in vain for some 20 ms */
#define VSWAP_SKIPPED_OF	16	/* reclaim's MAX_RECLAIM_RETRIES before OOM */

/* Parameters; the functions that set them are at the end. */
DEFINE_STATIC_KEY_MAYBE(CONFIG_VSWAP_DEFAULT_ON, vswap_ever_enabled);
static bool vswap_enabled = IS_ENABLED(CONFIG_VSWAP_DEFAULT_ON);
static bool vswap_ready;	/* it is set up, and stays so */
static unsigned int vswap_max_table_percent = 2;

/* For the last bio of a folio: it waits while others are allocated for the rest. */
static struct bio_set vswap_bios;
static struct workqueue_struct *vswap_submit_wq;

/* It is on no list of devices. What is not set here is never asked for. */
static struct swap_info_struct vswap_swap_info = {
	.flags = SWP_USED | SWP_STABLE_WRITES,	/* as some device behind it may need it */
	.type = VSWAP_TYPE,
	.max = UINT_MAX,	/* where readahead ends; slots may be beyond */
};

static_assert(VSWAP_CLUSTERS * VSWAP_SLOTS == SWAP_ADDRESS_SPACE_PAGES);
static_assert(!offsetof(struct vswap_region, space));
static_assert(VSWAP_TYPE_SHIFT + MAX_SWAPFILES_SHIFT <= VSWAP_OFFSET_SHIFT);

/*
 * Words
 */

static enum vswap_backing vswap_word_backing(unsigned long word)
{
	if (!(word & ~VSWAP_REFUSED))
		return VSWAP_BACKING_NONE;
	switch (word & VSWAP_TAG_MASK) {
	case VSWAP_ZERO:
		return VSWAP_BACKING_ZERO;
	case VSWAP_DEVICE:
		return VSWAP_BACKING_DEVICE;
	default:
		return VSWAP_BACKING_ZSWAP;
	}
}

static struct zswap_entry *vswap_word_entry(unsigned long word)
{
	return vswap_word_backing(word) == VSWAP_BACKING_ZSWAP ?
	       (void *)(word & ~VSWAP_TAG_MASK) : NULL;
}

static unsigned long vswap_device_word(swp_entry_t device)
{
	return swp_offset(device) << VSWAP_OFFSET_SHIFT |
	       swp_type(device) << VSWAP_TYPE_SHIFT | VSWAP_DEVICE;
}

/* Empty if the word is of something else. */
static swp_entry_t vswap_word_device(unsigned long word)
{
	unsigned int type = word >> VSWAP_TYPE_SHIFT & (BIT(MAX_SWAPFILES_SHIFT) - 1);

	if ((word & VSWAP_TAG_MASK) != VSWAP_DEVICE)
		return (swp_entry_t){};
	return swp_entry(type, word >> VSWAP_OFFSET_SHIFT);
}

/*
 * What owns something is let go before something else is put in its place. Only
 * an older page in zswap is handed to who stores a newer one.
 */
static bool vswap_may_become(enum vswap_backing old, enum vswap_backing new)
{
	return old == VSWAP_BACKING_NONE || new == VSWAP_BACKING_NONE ||
	       (old == VSWAP_BACKING_ZSWAP && new == VSWAP_BACKING_ZSWAP);
}

/* By the owner of the slot. Returns the word that was there. */
static unsigned long vswap_set(struct vswap_cluster *c, unsigned int slot, unsigned long new)
{
	unsigned long old = c->backing[slot];
	enum vswap_backing from = vswap_word_backing(old), to = vswap_word_backing(new);

	VM_WARN_ON_ONCE(!vswap_may_become(from, to));
	VM_WARN_ON_ONCE(!(READ_ONCE(c->count[slot]) & VSWAP_HAS_CACHE));

	WRITE_ONCE(c->backing[slot], new);
	this_cpu_dec(vswap_cpus.slots[from]);
	this_cpu_inc(vswap_cpus.slots[to]);
	return old;
}

/* By the owner of the slot: it is backed by nothing then. */
static void vswap_clear(struct vswap_cluster *c, unsigned int slot)
{
	struct zswap_entry *entry;
	unsigned long word;

	if (!c->backing[slot])
		return;
	word = vswap_set(c, slot, 0);
	entry = vswap_word_entry(word);
	if (entry)
		zswap_free_entries(&entry, 1);
	else if (word & VSWAP_DEVICE)
		swap_free(vswap_word_device(word));
}

/*
 * Lookup
 */

/* Of a region that there is: the table with it. */
static struct vswap_region **vswap_table(unsigned long nr)
{
	if (nr < VSWAP_TABLE_SIZE)
		return vswap_first_table;
	nr /= VSWAP_TABLE_SIZE;
	return vswap_tables[nr / VSWAP_TABLE_SIZE][nr % VSWAP_TABLE_SIZE];
}

static struct vswap_region *vswap_region(unsigned long offset)
{
	unsigned long nr = offset / SWAP_ADDRESS_SPACE_PAGES;

	if (likely(nr < VSWAP_TABLE_SIZE))
		/* Pairs with vswap_add_region(), by the address. */
		return READ_ONCE(vswap_first_table[nr]);
	/* Pairs with vswap_add_region(), which has written all below before. */
	if (nr >= smp_load_acquire(&vswap_nr_regions))
		return NULL;
	return vswap_table(nr)[nr % VSWAP_TABLE_SIZE];
}

/* Under RCU, or by who knows that the slot is in use. */
static struct vswap_cluster *vswap_cluster(swp_entry_t entry)
{
	unsigned long offset = swp_offset(entry);
	struct vswap_region *region = vswap_region(offset);

	if (!region)
		return NULL;
	offset %= SWAP_ADDRESS_SPACE_PAGES;
	return rcu_dereference_check(region->cluster[offset / VSWAP_SLOTS], true);
}

static unsigned int vswap_slot(swp_entry_t entry)
{
	return swp_offset(entry) % VSWAP_SLOTS;
}

static unsigned short vswap_cluster_memcg_id(struct vswap_cluster *c, unsigned int slot)
{
	return c->memcg_id ? READ_ONCE(c->memcg_id[slot]) : 0;
}

static swp_entry_t vswap_entry(const struct vswap_cluster *c, unsigned int slot)
{
	return swp_entry(VSWAP_TYPE, c->first + slot);
}

/**
 * vswap_find_address_space - the swap cache of a slot, wherever it is
 * @entry: a slot, of which nothing else need be known
 *
 * May be called anywhere.
 *
 * Return: the address_space, which is never freed. If there was never a slot
 * there, one that is always empty.
 */
struct address_space *vswap_find_address_space(swp_entry_t entry)
{
	struct vswap_region *region = vswap_region(swp_offset(entry));

	return region ? &region->space : &vswap_no_space;
}

/*
 * Regions
 */

static void vswap_init_space(struct address_space *space)
{
	xa_init_flags(&space->i_pages, XA_FLAGS_LOCK_IRQ);
	atomic_set(&space->i_mmap_writable, 0);
	space->a_ops = &swap_aops;
	mapping_set_no_writeback_tags(space);
}

static unsigned long vswap_max_regions(void)
{
	return min(swapfile_maximum_size / SWAP_ADDRESS_SPACE_PAGES,
		   VSWAP_TOP_SIZE * VSWAP_TABLE_SIZE * VSWAP_TABLE_SIZE);
}

static unsigned long vswap_table_limit(void)
{
	return mult_frac(totalram_pages(), READ_ONCE(vswap_max_table_percent), 100) << PAGE_SHIFT;
}

/* Counts memory that is about to be allocated. False: it would be too much. */
static bool vswap_charge_tables(size_t bytes)
{
	if (atomic_long_add_return(bytes, &vswap_table_bytes) <= vswap_table_limit())
		return true;
	atomic_long_sub(bytes, &vswap_table_bytes);
	return false;
}

/* Makes room for clusters, unless another task has just done so. */
static int vswap_add_region(void)
{
	unsigned long nr = READ_ONCE(vswap_nr_regions), row = nr / VSWAP_TABLE_SIZE;
	struct vswap_region *region = NULL, **table = NULL, ***middle = NULL;
	int err = -ENOMEM;

	if (nr >= vswap_max_regions())
		return -ENOSPC;
	region = kzalloc(sizeof(*region), VSWAP_GFP);
	if (!region)
		goto out;
	if (row && nr % VSWAP_TABLE_SIZE == 0) {
		table = (void *)get_zeroed_page(VSWAP_GFP);
		if (!table)
			goto out;
		if (!vswap_tables[row / VSWAP_TABLE_SIZE]) {
			middle = (void *)get_zeroed_page(VSWAP_GFP);
			if (!middle)
				goto out;
		}
	}
	vswap_init_space(&region->space);

	err = 0;
	spin_lock(&vswap_lock);
	if (nr == vswap_nr_regions) {
		atomic_long_add(sizeof(*region) + (table ? PAGE_SIZE : 0) +
				(middle ? PAGE_SIZE : 0), &vswap_table_bytes);
		if (middle)
			vswap_tables[row / VSWAP_TABLE_SIZE] = middle;
		if (table)
			vswap_tables[row / VSWAP_TABLE_SIZE][row % VSWAP_TABLE_SIZE] = table;
		region->first = nr * SWAP_ADDRESS_SPACE_PAGES;
		list_add_tail(&region->list, &vswap_roomy);
		/* Both pair with vswap_region(). */
		smp_store_release(&vswap_table(nr)[nr % VSWAP_TABLE_SIZE], region);
		/* ... this one beyond the first table */
		smp_store_release(&vswap_nr_regions, nr + 1);
		region = NULL;
		table = NULL;
		middle = NULL;
	}
	spin_unlock(&vswap_lock);
out:
	kfree(region);
	free_page((unsigned long)table);
	free_page((unsigned long)middle);
	return err;
}

static bool vswap_region_is_full(const struct vswap_region *region)
{
	return bitmap_full(region->used, VSWAP_CLUSTERS);
}

/* A region for this CPU's next cluster, or NULL. */
static struct vswap_region *vswap_roomy_region(void)
{
	struct vswap_cpu *cpu = raw_cpu_ptr(&vswap_cpus);

	lockdep_assert_held(&vswap_lock);
	if (!cpu->region || vswap_region_is_full(cpu->region)) {
		cpu->region = list_first_entry_or_null(&vswap_roomy, struct vswap_region, list);
		if (cpu->region)
			list_del_init(&cpu->region->list);
	}
	return cpu->region;
}

static void vswap_leave_region(struct vswap_cluster *c)
{
	struct vswap_region *region = vswap_region(c->first);
	unsigned long nr = (c->first - region->first) / VSWAP_SLOTS;

	lockdep_assert_held(&vswap_lock);
	/* To the front: the fewer regions are in use, the better. */
	if (vswap_region_is_full(region) && list_empty(&region->list))
		list_add(&region->list, &vswap_roomy);
	__clear_bit(nr, region->used);
	RCU_INIT_POINTER(region->cluster[nr], NULL);
}

static int vswap_enter_region(struct vswap_cluster *c)
{
	struct vswap_region *region;
	unsigned long nr;
	int err;

	spin_lock(&vswap_lock);
	while (!(region = vswap_roomy_region())) {
		spin_unlock(&vswap_lock);
		err = vswap_add_region();
		if (err)
			return err;
		spin_lock(&vswap_lock);
	}
	nr = find_first_zero_bit(region->used, VSWAP_CLUSTERS);
	__set_bit(nr, region->used);
	/* It may have come back to the list when a cluster was freed. */
	if (vswap_region_is_full(region))
		list_del_init(&region->list);
	c->first = region->first + nr * VSWAP_SLOTS;
	rcu_assign_pointer(region->cluster[nr], c);
	spin_unlock(&vswap_lock);
	return 0;
}

/*
 * Clusters
 */

static size_t vswap_counts_bytes(void)
{
	return VSWAP_SLOTS * sizeof(u16) * (mem_cgroup_disabled() ? 1 : 2);
}

static size_t vswap_cluster_bytes(void)
{
	return sizeof(struct vswap_cluster) + PAGE_SIZE + vswap_counts_bytes();
}

static void vswap_free_memory(struct vswap_cluster *c)
{
	size_t bytes = vswap_cluster_bytes();

	if (c->carry)
		bytes += VSWAP_SLOTS * sizeof(*c->carry);
	atomic_long_sub(bytes, &vswap_table_bytes);
	atomic_long_dec(&vswap_nr_clusters);
	kfree(c->carry);
	kfree(c->count);
	free_page((unsigned long)c->backing);
	kfree(c);
}

static void vswap_cluster_rcu(struct rcu_head *rcu)
{
	vswap_free_memory(container_of(rcu, struct vswap_cluster, rcu));
}

/* Returns a cluster that is VSWAP_TAKEN, or why there is none. */
static struct vswap_cluster *vswap_new_cluster(enum vswap_fallback *why)
{
	struct vswap_cluster *c;

	*why = VSWAP_FALLBACK_LIMIT;
	if (!vswap_charge_tables(vswap_cluster_bytes()))
		return NULL;

	*why = VSWAP_FALLBACK_MEMORY;
	c = kzalloc(sizeof(*c), VSWAP_GFP);
	if (!c) {
		atomic_long_sub(vswap_cluster_bytes(), &vswap_table_bytes);
		return NULL;
	}
	atomic_long_inc(&vswap_nr_clusters);
	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->list);
	c->backing = (void *)get_zeroed_page(VSWAP_GFP);
	c->count = kzalloc(vswap_counts_bytes(), VSWAP_GFP);
	if (c->count && !mem_cgroup_disabled())
		c->memcg_id = c->count + VSWAP_SLOTS;
	if (!c->backing || !c->count || vswap_enter_region(c)) {
		vswap_free_memory(c);
		return NULL;
	}
	return c;
}

/* Puts a cluster that no CPU allocates from where it belongs. */
static void vswap_put_away(struct vswap_cluster *c)
{
	lockdep_assert_held(&c->lock);
	lockdep_assert_held(&vswap_lock);

	if (!c->used && vswap_nr_empty < VSWAP_SPARES) {
		c->state = VSWAP_EMPTY;
		list_add(&c->list, &vswap_empty);
		vswap_nr_empty++;
	} else if (!c->used) {
		c->state = VSWAP_DEAD;
		vswap_leave_region(c);
		call_rcu(&c->rcu, vswap_cluster_rcu);
	} else if (VSWAP_SLOTS - c->used >= VSWAP_WORTH_REFILLING) {
		c->state = VSWAP_PARTIAL;
		list_add_tail(&c->list, &vswap_partial[c->order]);
	} else {
		c->state = VSWAP_FULL;
	}
}

/* Takes a cluster from the CPU that allocated from it. */
static void vswap_retire(struct vswap_cluster *c)
{
	lockdep_assert_held(&c->lock);
	lockdep_assert_held(&vswap_lock);

	RCU_INIT_POINTER(*c->place, NULL);
	c->place = NULL;
	vswap_put_away(c);
}

/* Some slots were freed, and the cluster may belong to another place now. */
static void vswap_sort_in(struct vswap_cluster *c)
{
	lockdep_assert_held(&c->lock);

	spin_lock(&vswap_lock);
	switch (c->state) {
	case VSWAP_CURRENT:
		if (!c->used)
			vswap_retire(c);
		break;
	case VSWAP_PARTIAL:
		if (!c->used) {
			list_del_init(&c->list);
			vswap_put_away(c);
		}
		break;
	case VSWAP_FULL:
		vswap_put_away(c);
		break;
	}
	spin_unlock(&vswap_lock);
}

static struct vswap_cluster *vswap_take_first(struct list_head *list)
{
	struct vswap_cluster *c = list_first_entry_or_null(list, struct vswap_cluster, list);

	lockdep_assert_held(&vswap_lock);
	if (c) {
		list_del_init(&c->list);
		c->state = VSWAP_TAKEN;
	}
	return c;
}

/* A cluster that may have free slots for this order, VSWAP_TAKEN, or NULL. */
static struct vswap_cluster *vswap_take_listed(unsigned int order)
{
	struct vswap_cluster *c;

	spin_lock(&vswap_lock);
	c = vswap_take_first(&vswap_partial[order]);
	if (!c) {
		c = vswap_take_first(&vswap_empty);
		if (c)
			vswap_nr_empty--;
	}
	spin_unlock(&vswap_lock);
	return c;
}

/* As a last resort a small folio takes what is meant for large ones. */
static struct vswap_cluster *vswap_take_any(unsigned int order)
{
	struct vswap_cluster *c = NULL;
	unsigned int other;

	spin_lock(&vswap_lock);
	for (other = 1; !c && !order && other < SWAP_NR_ORDERS; other++)
		c = vswap_take_first(&vswap_partial[other]);
	spin_unlock(&vswap_lock);
	return c;
}

static unsigned long vswap_find_room(struct vswap_cluster *c, unsigned int start, unsigned int nr)
{
	if (nr == 1)
		return find_next_zero_bit(c->taken, VSWAP_SLOTS, start);
	return bitmap_find_next_zero_area(c->taken, VSWAP_SLOTS, start, nr, nr - 1);
}

static long vswap_take_slots_locked(struct vswap_cluster *c, unsigned int order)
{
	unsigned int nr = 1 << order;
	unsigned long slot;

	lockdep_assert_held(&c->lock);
	if (c->state != VSWAP_CURRENT || c->order != order)
		return -1;

	slot = vswap_find_room(c, c->next, nr);
	if (slot >= VSWAP_SLOTS && c->next)
		slot = vswap_find_room(c, 0, nr);
	if (slot >= VSWAP_SLOTS) {
		spin_lock(&vswap_lock);
		/* No room for a single one: what large folios left is for small ones. */
		if (!c->useful)
			c->order = 0;
		vswap_retire(c);
		spin_unlock(&vswap_lock);
		return -1;
	}

	if (nr == 1)
		__set_bit(slot, c->taken);
	else
		bitmap_set(c->taken, slot, nr);
	c->useful = true;
	c->used += nr;
	c->next = (slot + nr) % VSWAP_SLOTS;
	for (unsigned int i = slot; i < slot + nr; i++)
		WRITE_ONCE(c->count[i], VSWAP_HAS_CACHE);
	return slot;
}

/*
 * Finds free slots for a folio and takes them. Negative: the cluster is no
 * longer the one that this CPU allocates from.
 */
static long vswap_take_slots(struct vswap_cluster *c, unsigned int order)
{
	long slot;

	spin_lock(&c->lock);
	slot = vswap_take_slots_locked(c, order);
	spin_unlock(&c->lock);
	return slot;
}

/* From now on this CPU allocates from it, unless another task was faster. */
static void vswap_make_current(struct vswap_cluster *c, unsigned int order)
{
	struct vswap_cluster __rcu **place;

	spin_lock(&c->lock);
	spin_lock(&vswap_lock);
	/* Of a CPU that is not about to be dead: vswap_cpu_dead() needs the lock. */
	place = &raw_cpu_ptr(&vswap_cpus)->cluster[order];
	c->order = order;
	c->useful = false;
	if (!rcu_access_pointer(*place)) {
		c->state = VSWAP_CURRENT;
		c->place = place;
		rcu_assign_pointer(*place, c);
	} else {
		vswap_put_away(c);
	}
	spin_unlock(&vswap_lock);
	spin_unlock(&c->lock);
}

/* Slots for a folio of this order. Without: an empty entry, and why. */
static swp_entry_t vswap_alloc_slots(unsigned int order, enum vswap_fallback *why)
{
	struct vswap_cluster *c;
	swp_entry_t entry = {};
	long slot;

	for (;;) {
		rcu_read_lock();
		c = rcu_dereference(raw_cpu_ptr(&vswap_cpus)->cluster[order]);
		slot = c ? vswap_take_slots(c, order) : -1;
		if (slot >= 0)
			entry = vswap_entry(c, slot);
		rcu_read_unlock();
		if (slot >= 0)
			break;
		if (c)
			continue;
		c = vswap_take_listed(order) ?: vswap_new_cluster(why) ?: vswap_take_any(order);
		if (!c)
			return entry;
		vswap_make_current(c, order);
	}
	this_cpu_add(vswap_cpus.slots[VSWAP_BACKING_NONE], 1 << order);
	return entry;
}

/* The CPU is gone: what it allocated from is for the others. */
static int vswap_cpu_dead(unsigned int nr)
{
	struct vswap_cpu *cpu = per_cpu_ptr(&vswap_cpus, nr);
	struct vswap_cluster *c;
	int order;

	for (order = 0; order < SWAP_NR_ORDERS; order++) {
		guard(rcu)();
		c = rcu_dereference(cpu->cluster[order]);
		if (!c)
			continue;
		spin_lock(&c->lock);
		if (c->place == &cpu->cluster[order]) {
			spin_lock(&vswap_lock);
			vswap_retire(c);
			spin_unlock(&vswap_lock);
		}
		spin_unlock(&c->lock);
	}

	spin_lock(&vswap_lock);
	if (cpu->region && !vswap_region_is_full(cpu->region) && list_empty(&cpu->region->list))
		list_add(&cpu->region->list, &vswap_roomy);
	cpu->region = NULL;
	spin_unlock(&vswap_lock);
	return 0;
}

/*
 * Freeing
 */

#ifdef CONFIG_MEMCG
static void vswap_put_memcg(struct vswap_cluster *c, unsigned int slot, unsigned int nr)
{
	unsigned short id = c->memcg_id[slot];
	struct mem_cgroup *memcg;

	if (!id)
		return;
	if (do_memsw_account()) {
		mem_cgroup_uncharge_swap(vswap_entry(c, slot), nr);
		return;
	}
	for (unsigned int i = slot; i < slot + nr; i++)
		WRITE_ONCE(c->memcg_id[i], 0);
	guard(rcu)();
	memcg = mem_cgroup_from_id(id);
	if (memcg)
		mem_cgroup_id_put_many(memcg, nr);
}

/* References to the ids of memcgs, and with cgroup v1 charges. */
static void vswap_uncharge(struct vswap_cluster *c, unsigned int slot, unsigned int nr)
{
	unsigned int end = slot + nr, run;

	for (; c->memcg_id && slot < end; slot += run) {
		for (run = 1; slot + run < end; run++)
			if (c->memcg_id[slot + run] != c->memcg_id[slot])
				break;
		vswap_put_memcg(c, slot, run);
	}
}
#else
static void vswap_uncharge(struct vswap_cluster *c, unsigned int slot, unsigned int nr)
{
}
#endif

/*
 * Drops the shadows of a cluster without slots in use, by the node of the swap cache
 * where there is nothing else.
 *
 * Who uses a slot again writes over its shadow, so they only matter for the memory
 * of the nodes. What a new user has left there by now is lost: that costs a guess,
 * not a page.
 */
static void vswap_clear_shadows(unsigned long first)
{
	struct address_space *space = vswap_address_space(swp_entry(VSWAP_TYPE, first));
	unsigned long end = first + VSWAP_SLOTS, offset;

	for (offset = first; offset < end; offset += XA_CHUNK_SIZE) {
		XA_STATE(xas, &space->i_pages, offset % SWAP_ADDRESS_SPACE_PAGES);
		struct xa_node *node;
		bool other;

		xas_set_update(&xas, workingset_update_node);
		xa_lock_irq(&space->i_pages);
		xas_load(&xas);
		node = xas_is_node(&xas) && !xas.xa_node->shift ? xas.xa_node : NULL;
		other = node && (!IS_ENABLED(CONFIG_XARRAY_MULTI) ||
				 node->count != node->nr_values);
		if (node && !other) {
			xas_set_order(&xas, xas.xa_index, XA_CHUNK_SHIFT);
			xas_store(&xas, NULL);
		}
		xa_unlock_irq(&space->i_pages);
		if (other)
			clear_shadow_from_swap_cache(VSWAP_TYPE, offset,
						     offset + XA_CHUNK_SIZE - 1);
	}
}

/* They are not found any more: what they stand for goes, then they are free. */
static void vswap_free_slots(struct vswap_cluster *c, unsigned int slot, unsigned int nr)
{
	unsigned int i, free, end = slot + nr, nr_entries = 0, nr_devices = 0;
	struct zswap_entry *entries[SWAP_CLUSTER_MAX];
	unsigned long first = c->first;
	swp_entry_t device, devices = {};
	unsigned short memcg_id = 0;
	bool is_empty;

	for (i = slot; i < end; i++) {
		unsigned long word = c->backing[i];
		enum vswap_backing backing = vswap_word_backing(word);

		this_cpu_dec(vswap_cpus.slots[backing]);
		arch_swap_invalidate_page(VSWAP_TYPE, first + i);
		if (!word)
			continue;
		WRITE_ONCE(c->backing[i], 0);
		if (backing == VSWAP_BACKING_DEVICE) {
			/* What lies in a row and is of one memcg is freed in one go. */
			device = vswap_word_device(word);
			if (nr_devices && (device.val != devices.val + nr_devices ||
					   lookup_swap_cgroup_id(device) != memcg_id)) {
				free_swap_and_cache_nr(devices, nr_devices);
				nr_devices = 0;
			}
			if (!nr_devices++) {
				devices = device;
				memcg_id = lookup_swap_cgroup_id(device);
			}
		}
		if (backing != VSWAP_BACKING_ZSWAP)
			continue;
		entries[nr_entries++] = vswap_word_entry(word);
		if (nr_entries == ARRAY_SIZE(entries)) {
			zswap_free_entries(entries, nr_entries);
			nr_entries = 0;
		}
	}
	if (nr_entries)
		zswap_free_entries(entries, nr_entries);
	if (nr_devices)
		free_swap_and_cache_nr(devices, nr_devices);
	vswap_uncharge(c, slot, nr);

	spin_lock(&c->lock);
	free = VSWAP_SLOTS - c->used;
	if (nr == 1)
		__clear_bit(slot, c->taken);
	else
		bitmap_clear(c->taken, slot, nr);
	c->used -= nr;
	is_empty = !c->used;
	if (is_empty || (free < VSWAP_WORTH_REFILLING && free + nr >= VSWAP_WORTH_REFILLING))
		vswap_sort_in(c);
	spin_unlock(&c->lock);

	if (is_empty)
		vswap_clear_shadows(first);
}

/* Takes a reference, or VSWAP_HAS_CACHE, from a slot. Returns what is left. */
static u16 vswap_drop(struct vswap_cluster *c, unsigned int slot, u16 what)
{
	u16 count = c->count[slot];

	lockdep_assert_held(&c->lock);
	if (WARN_ONCE(!(count & what), "vswap slot %lu is free already\n", c->first + slot))
		return what;
	if (what == VSWAP_HAS_CACHE) {
		count &= ~VSWAP_HAS_CACHE;
	} else {
		count--;
		if ((count & VSWAP_COUNT_MAX) < 2 && c->carry && c->carry[slot]) {
			c->carry[slot]--;
			count += VSWAP_CARRY;
		}
	}
	WRITE_ONCE(c->count[slot], count);
	return count;
}

static bool vswap_put_slot(struct vswap_cluster *c, unsigned int slot, u16 what)
{
	u16 count;

	spin_lock(&c->lock);
	count = vswap_drop(c, slot, what);
	spin_unlock(&c->lock);
	if (!count)
		vswap_free_slots(c, slot, 1);
	return count == VSWAP_HAS_CACHE;
}

/* In runs: what is freed together was mostly stored together. */
static bool vswap_put_slots(struct vswap_cluster *c, unsigned int slot, unsigned int nr, u16 what)
{
	unsigned int end = slot + nr, first, gone;
	bool any_cached = false;
	u16 count;

	while (slot < end) {
		gone = 0;
		spin_lock(&c->lock);
		do {
			count = vswap_drop(c, slot, what);
			any_cached |= count == VSWAP_HAS_CACHE;
			if (!count && !gone++)
				first = slot;
		} while (++slot < end && !(count && gone));
		spin_unlock(&c->lock);
		if (gone)
			vswap_free_slots(c, first, gone);
	}
	return any_cached;
}

/*
 * Takes a reference, or VSWAP_HAS_CACHE, from each of some slots, and frees those
 * that have neither then. The range may go over the ends of clusters and regions.
 * Returns whether a slot has VSWAP_HAS_CACHE only.
 */
static bool vswap_put_range(swp_entry_t entry, int nr, u16 what)
{
	bool any_cached = false;

	guard(rcu)();
	while (nr) {
		unsigned int slot = vswap_slot(entry);
		unsigned int run = min_t(unsigned int, nr, VSWAP_SLOTS - slot);
		struct vswap_cluster *c = vswap_cluster(entry);

		if (WARN_ONCE(!c, "vswap slot %lu is in no cluster\n", swp_offset(entry)))
			;
		else if (run == 1)
			any_cached |= vswap_put_slot(c, slot, what);
		else
			any_cached |= vswap_put_slots(c, slot, run, what);
		entry.val += run;
		nr -= run;
	}
	return any_cached;
}

/**
 * vswap_free_nr - give back a reference to each of some slots
 * @entry: the first slot
 * @nr: how many slots
 *
 * The caller has the references. Slots that have no other and are not in the
 * swap cache are freed with all that is behind them. Does not sleep; may be
 * called under page table locks, not in interrupts.
 */
void vswap_free_nr(swp_entry_t entry, int nr)
{
	vswap_put_range(entry, nr, VSWAP_COUNT_MAX);
}

/**
 * vswap_drop_cache - some slots are no longer in the swap cache
 * @entry: the first slot
 * @nr: how many slots
 *
 * The caller has their VSWAP_HAS_CACHE. Those without a reference are freed.
 * Does not sleep; not under the xa_lock of the swap cache.
 */
void vswap_drop_cache(swp_entry_t entry, int nr)
{
	vswap_put_range(entry, nr, VSWAP_HAS_CACHE);
}

/* Returns how many slots the folio takes that is there, or 1. */
static unsigned long vswap_reclaim_cache(swp_entry_t entry)
{
	struct folio *folio = filemap_get_folio(vswap_address_space(entry),
						swap_cache_index(entry));
	unsigned long nr = 1;

	if (IS_ERR(folio))
		return nr;
	nr = folio_nr_pages(folio);
	/* The caller may hold a page table lock. */
	if (folio_trylock(folio)) {
		if (!folio_mapped(folio) || mem_cgroup_swap_full(folio))
			folio_free_swap(folio);
		folio_unlock(folio);
	}
	folio_put(folio);
	return nr;
}

/**
 * vswap_free_and_cache_nr - give back references, and the swap cache with the last
 * @entry: the first slot
 * @nr: how many slots
 *
 * As vswap_free_nr(), and takes folios that nobody needs out of the swap cache
 * if that can be done at once.
 */
void vswap_free_and_cache_nr(swp_entry_t entry, int nr)
{
	unsigned long offset = swp_offset(entry), end = offset + nr, step;

	if (!vswap_put_range(entry, nr, VSWAP_COUNT_MAX))
		return;
	for (; offset < end; offset = ALIGN(offset + 1, step)) {
		entry = swp_entry(VSWAP_TYPE, offset);
		step = 1;
		if (vswap_has_cache(entry) && !vswap_is_referenced(entry, 1))
			step = vswap_reclaim_cache(entry);
	}
}

/*
 * References
 */

static bool vswap_add_reference(struct vswap_cluster *c, unsigned int slot)
{
	u16 count = c->count[slot];

	if ((count & VSWAP_COUNT_MAX) == VSWAP_COUNT_MAX) {
		if (!c->carry)
			return false;
		c->carry[slot]++;
		count -= VSWAP_CARRY;
	}
	WRITE_ONCE(c->count[slot], count + 1);
	return true;
}

static int vswap_duplicate_locked(struct vswap_cluster *c, unsigned int slot,
				  unsigned char usage, int nr)
{
	unsigned int i, end = slot + nr;

	lockdep_assert_held(&c->lock);
	for (i = slot; i < end; i++) {
		if (!c->count[i])
			return -ENOENT;
		if (usage == SWAP_HAS_CACHE && c->count[i] & VSWAP_HAS_CACHE)
			return -EEXIST;
		/* Since vswap_can_read_whole() it was written back, or that was tried. */
		if (usage == SWAP_HAS_CACHE && nr > 1 &&
		    (c->backing[i] & VSWAP_DEVICE || vswap_cluster_memcg_id(c, i) !=
		     vswap_cluster_memcg_id(c, slot)))
			return -EEXIST;
	}
	for (i = slot; i < end; i++) {
		if (usage == SWAP_HAS_CACHE)
			WRITE_ONCE(c->count[i], c->count[i] | VSWAP_HAS_CACHE);
		else if (!vswap_add_reference(c, i))
			/* Only ever of one slot: shared memory has a reference each. */
			return -ENOMEM;
	}
	return 0;
}

/**
 * vswap_duplicate - add a reference, or VSWAP_HAS_CACHE, to each of some slots
 * @entry: the first slot, which need not be in use
 * @usage: SWAP_HAS_CACHE; anything else is a reference
 * @nr: how many slots, all in one cluster: those of a folio are
 *
 * Does not sleep; may be called under page table locks, not in interrupts.
 *
 * Return: 0, or, and nothing has changed: -ENOENT if a slot is not in use,
 * -EEXIST if one has VSWAP_HAS_CACHE already, or of several one is on a device or
 * of another memcg, -ENOMEM if vswap_extend_count() is to be called first.
 */
int vswap_duplicate(swp_entry_t entry, unsigned char usage, int nr)
{
	struct vswap_cluster *c;
	int err = -ENOENT;

	VM_WARN_ON_ONCE(vswap_slot(entry) + nr > VSWAP_SLOTS);
	guard(rcu)();
	c = vswap_cluster(entry);
	if (c) {
		spin_lock(&c->lock);
		err = vswap_duplicate_locked(c, vswap_slot(entry), usage, nr);
		spin_unlock(&c->lock);
	}
	return err;
}

/**
 * vswap_extend_count - make room for a count of any size
 * @entry: a slot, which need not be in use any more
 * @gfp: what the caller may do to get memory
 *
 * Return: 0 if it is worth trying vswap_duplicate() again, or -ENOMEM.
 */
int vswap_extend_count(swp_entry_t entry, gfp_t gfp)
{
	size_t bytes = VSWAP_SLOTS * sizeof(u32);
	u32 *carry = kzalloc(bytes, gfp | __GFP_NOWARN);
	struct vswap_cluster *c;
	int err = 0;

	rcu_read_lock();
	c = vswap_cluster(entry);
	if (c) {
		spin_lock(&c->lock);
		if (!c->carry && !carry) {
			err = -ENOMEM;
		} else if (!c->carry && c->used) {
			c->carry = carry;
			atomic_long_add(bytes, &vswap_table_bytes);
			carry = NULL;
		}
		spin_unlock(&c->lock);
	}
	rcu_read_unlock();
	kfree(carry);
	return err;
}

/**
 * vswap_count - how many references does a slot have?
 * @entry: a slot, which need not be in use
 *
 * Needs no lock; it may change at once.
 *
 * Return: the references, without VSWAP_HAS_CACHE; at most INT_MAX.
 */
int vswap_count(swp_entry_t entry)
{
	unsigned int slot = vswap_slot(entry);
	struct vswap_cluster *c;
	u64 count;

	guard(rcu)();
	c = vswap_cluster(entry);
	if (!c)
		return 0;
	if (!READ_ONCE(c->carry))
		return READ_ONCE(c->count[slot]) & VSWAP_COUNT_MAX;

	spin_lock(&c->lock);
	count = (u64)c->carry[slot] * VSWAP_CARRY + (c->count[slot] & VSWAP_COUNT_MAX);
	spin_unlock(&c->lock);
	return min_t(u64, count, INT_MAX);
}

/**
 * vswap_is_referenced - has one of these slots a reference?
 * @entry: the first slot
 * @nr: how many slots, all in one cluster
 *
 * Needs no lock. The caller has VSWAP_HAS_CACHE of the slots if the answer is to
 * last: then no reference can be added.
 *
 * Return: true if there is one.
 */
bool vswap_is_referenced(swp_entry_t entry, int nr)
{
	unsigned int slot = vswap_slot(entry), end = slot + nr;
	struct vswap_cluster *c;

	guard(rcu)();
	c = vswap_cluster(entry);
	for (; c && slot < end; slot++)
		if (READ_ONCE(c->count[slot]) & VSWAP_COUNT_MAX)
			return true;
	return false;
}

/**
 * vswap_has_cache - is a slot in the swap cache, or about to be read?
 * @entry: a slot, which need not be in use
 *
 * Needs no lock; it may change at once.
 *
 * Return: true if it has VSWAP_HAS_CACHE.
 */
bool vswap_has_cache(swp_entry_t entry)
{
	struct vswap_cluster *c;

	guard(rcu)();
	c = vswap_cluster(entry);
	return c && READ_ONCE(c->count[vswap_slot(entry)]) & VSWAP_HAS_CACHE;
}

/*
 * Who may have slots
 */

#ifdef CONFIG_MEMCG
/*
 * memory.swap.max of 0 means no swap of any kind; other values are about devices.
 * Whether memory.zswap.max is reached is not known here: sums are up to date only
 * after a flush, which sleeps.
 */
static bool vswap_memcg_may_swap(struct mem_cgroup *memcg, bool to_zswap)
{
	if (do_memsw_account())
		return true;
	for (; memcg && !mem_cgroup_is_root(memcg); memcg = parent_mem_cgroup(memcg))
		if (!READ_ONCE(memcg->swap.max) || (to_zswap && !READ_ONCE(memcg->zswap_max)))
			return false;
	return true;
}

/* With cgroup v1 that is done when a page has left memory. */
static void vswap_note_memcg(swp_entry_t entry, struct mem_cgroup *memcg, unsigned int nr)
{
	if (!memcg || do_memsw_account())
		return;
	memcg = mem_cgroup_id_get_online(memcg);
	if (nr > 1)
		mem_cgroup_id_get_many(memcg, nr - 1);
	vswap_memcg_record(entry, mem_cgroup_id(memcg), nr);
}

static int vswap_charge_run(struct folio *folio, swp_entry_t device, unsigned int nr)
{
	return mem_cgroup_disabled() ? 0 : __mem_cgroup_try_charge_swap(folio, device, nr);
}
#else
static bool vswap_memcg_may_swap(struct mem_cgroup *memcg, bool to_zswap)
{
	return true;
}

static void vswap_note_memcg(swp_entry_t entry, struct mem_cgroup *memcg, unsigned int nr)
{
}

static int vswap_charge_run(struct folio *folio, swp_entry_t device, unsigned int nr)
{
	return 0;
}
#endif

static bool vswap_zswap_takes(struct mem_cgroup *memcg)
{
	return zswap_has_room() && vswap_memcg_may_swap(memcg, true);
}

static bool vswap_device_takes(struct mem_cgroup *memcg)
{
	return get_nr_swap_pages() > 0 && vswap_memcg_may_swap(memcg, false) &&
	       mem_cgroup_get_nr_swap_pages(memcg) > 0;
}

static bool vswap_is_on(void)
{
	return READ_ONCE(vswap_ready) && READ_ONCE(vswap_enabled);
}

static bool vswap_tables_have_room(void)
{
	/* The first is the cheapest, and the next mostly true. */
	return READ_ONCE(vswap_nr_empty) || !list_empty_careful(&vswap_partial[0]) ||
	       atomic_long_read(&vswap_table_bytes) + vswap_cluster_bytes() <=
	       vswap_table_limit();
}

/**
 * vswap_may_swap_out - is there room for pages of a memcg without a device?
 * @memcg: the memcg, or NULL: any
 *
 * See vswap_has_room(), which costs nothing before vswap is enabled.
 *
 * Return: true if zswap would probably take a page that is swapped out now.
 */
bool vswap_may_swap_out(struct mem_cgroup *memcg)
{
	return vswap_is_on() && vswap_zswap_takes(memcg) && vswap_tables_have_room();
}
EXPORT_SYMBOL_GPL(vswap_may_swap_out);

static void vswap_count_fallback(struct folio *folio, enum vswap_fallback why)
{
	this_cpu_add(vswap_cpus.fallbacks[why], folio_nr_pages(folio));
	count_vm_events(VSWPOUT_FALLBACK, folio_nr_pages(folio));
}

/**
 * vswap_alloc - virtual slots for a folio
 * @folio: a locked folio that is to go to the swap cache
 *
 * Called in reclaim; does not sleep. The slots have VSWAP_HAS_CACHE and no
 * reference, and nothing is behind them.
 *
 * Return: the first slot, or an empty entry if the folio is to take the slots of
 * a device, or to stay.
 */
swp_entry_t vswap_alloc(struct folio *folio)
{
	struct mem_cgroup *memcg = folio_memcg(folio);
	unsigned int order = folio_order(folio);
	swp_entry_t entry = {};
	enum vswap_fallback why;

	if (!vswap_is_on() || order >= SWAP_NR_ORDERS)
		return entry;
	/* Such a device takes a large folio in one run or not at all: split it now. */
	if (order && READ_ONCE(vswap_swap_info.flags) & SWP_FS_OPS)
		return entry;
	if (vswap_zswap_takes(memcg) || vswap_device_takes(memcg)) {
		entry = vswap_alloc_slots(order, &why);
	} else {
		zswap_count_refused(folio);
		why = zswap_has_room() || get_nr_swap_pages() > 0 ? VSWAP_FALLBACK_MEMCG :
								    VSWAP_FALLBACK_FULL;
	}

	if (entry.val)
		vswap_note_memcg(entry, memcg, 1 << order);
	else
		vswap_count_fallback(folio, why);
	return entry;
}

/*
 * Devices
 */

/**
 * vswap_device_entry - the slot of a device behind a virtual slot
 * @entry: a virtual slot, which need not be in use
 *
 * Needs no lock; unless the caller owns the slot, it may change at once.
 *
 * Return: the slot of the device, or @entry if it is not on one.
 */
swp_entry_t vswap_device_entry(swp_entry_t entry)
{
	swp_entry_t device = {};
	struct vswap_cluster *c;

	guard(rcu)();
	c = vswap_cluster(entry);
	if (c)
		device = vswap_word_device(READ_ONCE(c->backing[vswap_slot(entry)]));
	return device.val ? device : entry;
}

/* A run of slots for a part of a large folio, charged; or an empty entry. */
static swp_entry_t vswap_alloc_run(struct folio *folio, unsigned int order)
{
	swp_entry_t device = {};
	int nr = 1 << order;

	if (!get_swap_pages(1, &device, order))
		return (swp_entry_t){};
	if (vswap_charge_run(folio, device, nr)) {
		swapcache_clear(swp_swap_info(device), device, nr);
		device.val = 0;
	}
	return device;
}

/**
 * vswap_take_device_slots - slots of a device for a folio with virtual ones
 * @folio: the folio, locked
 * @order: for so many of its pages
 *
 * May sleep. The slots are charged to the memcg of the folio. They are for
 * vswap_set_device_slots(), or to be given back with swap_free_nr().
 *
 * Return: the first of 1 << @order slots in a row, or an empty entry.
 */
swp_entry_t vswap_take_device_slots(struct folio *folio, unsigned int order)
{
	swp_entry_t device = order == folio_order(folio) ? folio_alloc_device_swap(folio) :
							   vswap_alloc_run(folio, order);

	if (device.val)
		swap_set_owned(device, 1 << order);
	return device;
}

/**
 * vswap_set_device_slots - put slots of a device behind virtual ones
 * @entry: the first virtual slot, owned by the caller; nothing is behind it
 * @device: what vswap_take_device_slots() returned
 * @order: for so many
 *
 * The caller starts the write before it unlocks the folio.
 */
void vswap_set_device_slots(swp_entry_t entry, swp_entry_t device, unsigned int order)
{
	struct vswap_cluster *c = vswap_cluster(entry);
	unsigned int slot = vswap_slot(entry), end = slot + (1 << order);

	for (; slot < end; slot++, device.val++)
		vswap_set(c, slot, vswap_device_word(device));
}

/*
 * Puts slots of devices behind those of a folio, which are backed by nothing: in
 * one run or, as a folio without page tables cannot be split, in several, the
 * longest first. False, and they are backed by nothing: there are too few.
 */
static bool vswap_go_to_device(struct folio *folio)
{
	struct vswap_cluster *c = vswap_cluster(folio->swap);
	unsigned int slot = vswap_slot(folio->swap);
	int order = folio_order(folio);
	swp_entry_t entry = folio->swap, device;
	long i, left = folio_nr_pages(folio);

	while (left && order >= 0) {
		device = vswap_take_device_slots(folio, order);
		if (!device.val) {
			order--;
			continue;
		}
		vswap_set_device_slots(entry, device, order);
		/* What is no block device gets a folio as a whole. */
		if (folio_nr_pages(folio) > 1 << order &&
		    swp_swap_info(device)->flags & SWP_FS_OPS)
			break;
		entry.val += 1 << order;
		left -= 1 << order;
	}
	for (i = 0; left && i < folio_nr_pages(folio); i++)
		vswap_clear(c, slot + i);
	return !left;
}

/* How many of these slots follow each other on the disk. */
static unsigned int vswap_run_length(struct vswap_cluster *c, unsigned int slot, unsigned int nr)
{
	swp_entry_t first = vswap_word_device(c->backing[slot]), device;
	unsigned int run;
	sector_t sector;

	if (nr == 1)
		return 1;
	sector = swap_entry_sector(first);
	/* A swap file may be in pieces where its slots are not. */
	for (run = 1; run < nr; run++) {
		device = vswap_word_device(c->backing[slot + run]);
		if (swp_type(device) != swp_type(first) ||
		    swap_entry_sector(device) != sector + run * PAGE_SECTORS)
			break;
	}
	return run;
}

/*
 * Writing to devices
 *
 * Folios that follow each other on a device and are written by one task share a
 * bio, as long as the task has a blk_plug: that is told when the task goes to
 * sleep or is done.
 */

/**
 * struct vswap_plug - what a task has not submitted yet
 * @cb: how its blk_plug knows of it
 * @bio: a bio that may grow, or NULL
 * @memcg: who pays for writing it
 * @work: submits it for a task that is about to sleep
 */
struct vswap_plug {
	struct blk_plug_cb cb;
	struct bio *bio;
	struct mem_cgroup *memcg;
	struct work_struct work;
};

/* A longer bio would keep the device waiting for the next folio. */
#define VSWAP_BIO_PAGES		SWAP_CLUSTER_MAX

/* May sleep. The plug may be gone afterwards. */
static void vswap_submit(struct vswap_plug *plug)
{
	struct bio *bio = plug->bio;

	if (bio) {
		plug->bio = NULL;
		submit_bio(bio);
	}
}

static void vswap_submit_work(struct work_struct *work)
{
	struct vswap_plug *plug = container_of(work, struct vswap_plug, work);

	vswap_submit(plug);
	kfree(plug);
}

static void vswap_unplug(struct blk_plug_cb *cb, bool from_schedule)
{
	struct vswap_plug *plug = container_of(cb, struct vswap_plug, cb);

	if (plug->bio && from_schedule) {
		/* It must not wait for a request: it is waiting already. */
		INIT_WORK(&plug->work, vswap_submit_work);
		queue_work(vswap_submit_wq, &plug->work);
		return;
	}
	vswap_submit(plug);
	kfree(plug);
}

/* Of this task; NULL: it has none, or no memory for it. */
static struct vswap_plug *vswap_get_plug(void)
{
	struct blk_plug_cb *cb = blk_check_plugged(vswap_unplug, NULL, sizeof(struct vswap_plug));

	return cb ? container_of(cb, struct vswap_plug, cb) : NULL;
}

/* All folios of a bio, of which the first or the last may be there in part. */
static void vswap_end_write(struct bio *bio)
{
	struct folio_iter iter;

	bio_for_each_folio_all(iter, bio)
		end_swap_folio_write(iter.folio, bio);
	bio_put(bio);
}

/* A locked folio under writeback that is on a device in one run. */
static void vswap_write_run(struct folio *folio, swp_entry_t device, blk_opf_t opf)
{
	struct block_device *bdev = swp_swap_info(device)->bdev;
	sector_t sector = swap_entry_sector(device);
	struct vswap_plug *plug = vswap_get_plug();
	struct mem_cgroup *memcg = folio_memcg(folio);
	struct bio *bio = plug ? plug->bio : NULL;

	if (!bio || bio->bi_bdev != bdev || bio_end_sector(bio) != sector ||
	    bio->bi_opf != opf || plug->memcg != memcg ||
	    !bio_add_folio(bio, folio, folio_size(folio), 0)) {
		/* First, as one bio at a time is sure to be there. */
		if (bio)
			vswap_submit(plug);
		bio = bio_alloc(bdev, VSWAP_BIO_PAGES, opf, GFP_NOIO);
		bio->bi_iter.bi_sector = sector;
		bio->bi_end_io = vswap_end_write;
		bio_add_folio_nofail(bio, folio, folio_size(folio), 0);
		bio_associate_blkg_from_page(bio, folio);

		/* Both may have slept. */
		plug = vswap_get_plug();
		if (plug) {
			plug->bio = bio;
			plug->memcg = memcg;
		}
	}
	folio_unlock(folio);
	if (!plug)
		submit_bio(bio);
	else if (bio->bi_iter.bi_size >= VSWAP_BIO_PAGES * PAGE_SIZE)
		vswap_submit(plug);
}

/*
 * A locked folio under writeback that is on devices in several runs. The last one's bio
 * ends when all have ended; it is from a pool of its own, as the others are
 * allocated while it waits.
 */
static void vswap_write_runs(struct folio *folio, struct vswap_cluster *c, blk_opf_t opf)
{
	unsigned int slot = vswap_slot(folio->swap), end = slot + folio_nr_pages(folio), run;
	struct bio *last = bio_alloc_bioset(NULL, 1, opf, GFP_NOIO, &vswap_bios), *bio;
	swp_entry_t device;
	size_t offset = 0;

	last->bi_end_io = vswap_end_write;
	do {
		device = vswap_word_device(c->backing[slot]);
		run = vswap_run_length(c, slot, end - slot);
		bio = last;
		if (slot + run < end) {
			bio = bio_alloc(NULL, 1, opf, GFP_NOIO);
			bio_chain(bio, last);
		}
		bio_set_dev(bio, swp_swap_info(device)->bdev);
		bio->bi_iter.bi_sector = swap_entry_sector(device);
		bio_add_folio_nofail(bio, folio, run * PAGE_SIZE, offset);
		bio_associate_blkg_from_page(bio, folio);
		slot += run;
		offset += run * PAGE_SIZE;
		/* The last may end at once, and everything with it. */
		if (bio == last)
			folio_unlock(folio);
		submit_bio(bio);
	} while (bio != last);
}

/**
 * vswap_write_to_device - write a folio to the slots behind its own
 * @folio: a locked folio, backed by slots of devices; unlocked, and under
 *	   writeback or clean, when this returns
 * @wbc: why it is written
 *
 * May sleep. An error leaves the folio dirty.
 */
void vswap_write_to_device(struct folio *folio, struct writeback_control *wbc)
{
	blk_opf_t opf = REQ_OP_WRITE | REQ_SWAP | wbc_to_write_flags(wbc);
	struct vswap_cluster *c = vswap_cluster(folio->swap);
	unsigned int slot = vswap_slot(folio->swap), nr = folio_nr_pages(folio);
	swp_entry_t device = vswap_word_device(c->backing[slot]);
	bool whole = vswap_run_length(c, slot, nr) == nr;

	/* These are not written by an asynchronous bio. */
	if (whole && swp_swap_info(device)->flags & (SWP_FS_OPS | SWP_SYNCHRONOUS_IO)) {
		__swap_writepage(folio, wbc);
		return;
	}

	count_swpout_vm_event(folio);
	folio_start_writeback(folio);
	if (whole)
		vswap_write_run(folio, device, opf);
	else
		vswap_write_runs(folio, c, opf);
}

/* Finds a slot that is on this device, from *offset on. */
static bool vswap_next_on_device(unsigned int type, unsigned long *offset)
{
	unsigned long end = READ_ONCE(vswap_nr_regions) * SWAP_ADDRESS_SPACE_PAGES;

	while (*offset < end) {
		struct vswap_cluster *c;
		swp_entry_t device;

		cond_resched();
		guard(rcu)();
		c = vswap_cluster(swp_entry(VSWAP_TYPE, *offset));
		if (!c) {
			*offset = ALIGN(*offset + 1, VSWAP_SLOTS);
			continue;
		}
		do {
			device = vswap_word_device(READ_ONCE(c->backing[*offset % VSWAP_SLOTS]));
			if (device.val && swp_type(device) == type)
				return true;
		} while (++*offset % VSWAP_SLOTS);
	}
	return false;
}

/* Takes a page from its device into the swap cache, where it stays as the only copy. */
static int vswap_leave_device(swp_entry_t entry)
{
	/* It is better to fail soon than to have other processes killed, or slow. */
	gfp_t gfp = GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN;
	struct folio *folio;
	bool is_new;
	int err = 0;

	folio = __read_swap_cache_async(entry, gfp, get_task_policy(current),
					NO_INTERLEAVE_INDEX, &is_new, false);
	if (!folio)
		return vswap_count(entry) ? -ENOMEM : 0;
	if (is_new)
		swap_read_folio(folio, NULL);

	folio_lock(folio);
	folio_wait_writeback(folio);
	/* It may have left the swap cache, and its slots may be gone. */
	if (folio_test_swapcache(folio) && swap_is_vswap(folio->swap)) {
		struct vswap_cluster *c = vswap_cluster(folio->swap);
		unsigned int slot = vswap_slot(folio->swap);

		if (folio_free_swap(folio)) {
			/* Nobody needs it any more. */
		} else if (folio_test_uptodate(folio) || folio_test_hwpoison(folio)) {
			/* One that memory lost says so; the device has old data. */
			if (folio_test_uptodate(folio))
				folio_mark_dirty(folio);
			for (long i = 0; i < folio_nr_pages(folio); i++)
				vswap_clear(c, slot + i);
		} else {
			/* Nothing is wrong if its page has left, see vswap_read_folio(). */
			if (vswap_word_backing(c->backing[slot]) != VSWAP_BACKING_NONE)
				err = -EIO;
			memcg1_return_swap_charge(folio);
			delete_from_swap_cache(folio);
		}
	}
	folio_unlock(folio);
	folio_put(folio);
	return err;
}

/**
 * vswap_unuse - take all virtual slots off a device
 * @type: the device, from which no slots are given out any more
 *
 * Called by swapoff; sleeps. Page tables keep their entries. May be called
 * again, as a page can be on its way to the device.
 *
 * Return: 0; -EINTR if there is a signal; -ENOMEM if there is no memory for a
 * page: it stays where it is, as do those after it. -EIO if pages could not be
 * read: they stay, all others have moved.
 */
int vswap_unuse(unsigned int type)
{
	unsigned long offset = 0;
	int err, ret = 0;

	for (; vswap_next_on_device(type, &offset); offset++) {
		if (signal_pending(current))
			return -EINTR;
		err = vswap_leave_device(swp_entry(VSWAP_TYPE, offset));
		if (err == -ENOMEM)
			return err;
		/* A page that cannot be read is no reason to leave others there. */
		if (err)
			ret = err;
	}
	return ret;
}

/**
 * vswap_add_device - a device can be behind virtual slots
 * @si: the device
 *
 * Called in swapon, with swap_lock held.
 */
void vswap_add_device(struct swap_info_struct *si)
{
	/* Reclaim asks before the page has a slot of a device. */
	vswap_swap_info.flags |= si->flags & SWP_FS_OPS;
}

/**
 * vswap_count_error - a device could not read or write pages
 * @rw: READ or WRITE
 * @nr_pages: how many
 *
 * See vswap_note_error(). May be called in interrupts.
 */
void vswap_count_error(int rw, long nr_pages)
{
	this_cpu_add(vswap_cpus.errors[rw], nr_pages);
}

/*
 * Reading and writing
 */

static __always_inline unsigned long vswap_or(const unsigned long *p)
{
	return p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7];
}

static bool vswap_page_is_zero(struct page *page)
{
	const unsigned long *data = kmap_local_page(page);
	const unsigned long *end = data + PAGE_SIZE / sizeof(*data), *p;
	bool zero = !end[-1];

	/* The end first: the start of a page is the part that is most often zero. */
	for (p = data; zero && p < end; p += 32)
		zero = !(vswap_or(p) | vswap_or(p + 8) | vswap_or(p + 16) | vswap_or(p + 24));
	kunmap_local(data);
	return zero;
}

static void vswap_count_events(struct folio *folio, enum vm_event_item item, long nr)
{
	count_vm_events(item, nr);
	count_memcg_folio_events(folio, item, nr);
}

/*
 * Notes which pages of the folio are zero. Of the others, only what zswap has is
 * left, as it can replace that.
 */
static long vswap_store_zeros(struct vswap_cluster *c, struct folio *folio)
{
	unsigned int slot = vswap_slot(folio->swap);
	long i, nr_zero = 0;

	for (i = 0; i < folio_nr_pages(folio); i++, slot++) {
		if (vswap_page_is_zero(folio_page(folio, i))) {
			nr_zero++;
			if (c->backing[slot] == VSWAP_ZERO)
				continue;
			vswap_clear(c, slot);
			vswap_set(c, slot, VSWAP_ZERO);
		} else if (!vswap_word_entry(c->backing[slot])) {
			vswap_clear(c, slot);
		}
	}
	return nr_zero;
}

/*
 * Where no page compresses, reclaim compresses all memory in vain a few dozen times
 * before OOM, and all the time if there is just enough. After many refusals in a
 * row, a page that was refused before is tried again once in VSWAP_SKIPPED_OF, at
 * random: on average twice before OOM. The first that is taken ends this.
 *
 * A page that was mapped since has left the swap cache, and is new, or is shared and
 * cannot be written to. A large folio of which a part is mapped may have changed: it
 * is always tried, and refused with its first pages.
 */
static bool vswap_skips(unsigned long word)
{
	return word == VSWAP_REFUSED && READ_ONCE(vswap_nr_refused) >= VSWAP_MANY_REFUSED &&
	       get_nr_swap_pages() <= 0 && get_random_u32_below(VSWAP_SKIPPED_OF);
}

static void vswap_refuse(struct vswap_cluster *c, struct folio *folio, bool skipped)
{
	unsigned int refused = READ_ONCE(vswap_nr_refused), slot = vswap_slot(folio->swap);
	long i, nr = folio_nr_pages(folio);

	for (i = 0; i < nr; i++)
		vswap_set(c, slot + i, VSWAP_REFUSED);
	if (!skipped && refused < VSWAP_MANY_REFUSED)
		WRITE_ONCE(vswap_nr_refused, refused + nr);
	vswap_count_fallback(folio, skipped ? VSWAP_FALLBACK_SKIPPED : VSWAP_FALLBACK_STORE);
}

/**
 * vswap_writepage - put a folio behind its slots
 * @folio: a folio in the swap cache, locked
 * @wbc: for the write to a device
 *
 * Called in reclaim. May sleep. All pages of the folio become VSWAP_ZERO or go
 * to zswap, or none does: then all go to devices, in as few runs of slots as there
 * are, or stay in memory as the only copy.
 *
 * Return: 0, and the folio is unlocked, perhaps with the write under way; or
 * AOP_WRITEPAGE_ACTIVATE, and it is dirty and still locked.
 */
int vswap_writepage(struct folio *folio, struct writeback_control *wbc)
{
	struct vswap_cluster *c = vswap_cluster(folio->swap);
	long i, nr = folio_nr_pages(folio), nr_zero;
	unsigned int slot = vswap_slot(folio->swap);
	bool skip = nr == 1 && vswap_skips(c->backing[slot]);

	nr_zero = vswap_store_zeros(c, folio);
	if (nr_zero == nr || (!skip && zswap_store(folio))) {
		if (nr_zero)
			vswap_count_events(folio, SWPOUT_ZERO, nr_zero);
		count_vm_events(VSWPOUT, nr);
		if (nr_zero < nr && READ_ONCE(vswap_nr_refused))
			WRITE_ONCE(vswap_nr_refused, 0);
		folio_unlock(folio);
		return 0;
	}

	for (i = 0; i < nr; i++)
		vswap_clear(c, slot + i);
	if (get_nr_swap_pages() > 0 && mem_cgroup_zswap_writeback_enabled(folio_memcg(folio)) &&
	    vswap_go_to_device(folio)) {
		vswap_write_to_device(folio, wbc);
		return 0;
	}

	vswap_refuse(c, folio, skip);
	folio_mark_dirty(folio);
	return AOP_WRITEPAGE_ACTIVATE;
}

/**
 * vswap_read_folio - read a folio from behind its slots
 * @folio: a locked folio whose slots the caller owns, not up to date
 *
 * May sleep.
 *
 * Return: false if the folio is on a device; folio_device_entry() tells where.
 * Else true: it is up to date, and dirty if a page of it came from zswap; or not
 * up to date if one could not be read, which then is still where it was.
 */
bool vswap_read_folio(struct folio *folio)
{
	struct vswap_cluster *c = vswap_cluster(folio->swap);
	long i, nr = folio_nr_pages(folio), nr_zero = 0;
	unsigned int slot = vswap_slot(folio->swap);
	struct zswap_entry *entry;

	/* By far the most, so without a look at all the rest. */
	entry = nr == 1 ? vswap_word_entry(c->backing[slot]) : NULL;
	if (entry) {
		count_vm_event(VSWPIN);
		zswap_load_entry(folio, entry);
		return true;
	}

	for (i = 0; i < nr; i++) {
		switch (vswap_word_backing(c->backing[slot + i])) {
		case VSWAP_BACKING_NONE:
			/*
			 * Its page has left the swap cache, to be shared memory again, and
			 * the reference goes next. Only readahead comes here, for nobody.
			 */
			return true;
		case VSWAP_BACKING_ZERO:
			clear_highpage(folio_page(folio, i));
			nr_zero++;
			break;
		case VSWAP_BACKING_DEVICE:
			/* vswap_duplicate() lets no large folio come here. */
			return WARN_ON_ONCE(nr > 1);
		default:
			break;
		}
	}
	if (nr_zero)
		vswap_count_events(folio, SWPIN_ZERO, nr_zero);
	count_vm_events(VSWPIN, nr);
	if (nr_zero == nr)
		folio_mark_uptodate(folio);
	else
		zswap_load(folio);
	for (i = 0; nr > 1 && i < nr && !folio_test_uptodate(folio); i++)
		if (vswap_word_entry(c->backing[slot + i]))
			WRITE_ONCE(c->backing[slot + i], c->backing[slot + i] | VSWAP_ALONE);
	return true;
}

/**
 * vswap_can_skip_cache - may a page be read without the swap cache?
 * @entry: a slot, which need not be in use
 *
 * A hint: the caller takes VSWAP_HAS_CACHE before it reads. Needs no lock.
 *
 * Return: true if there is one reference, and no slow device to wait for.
 */
bool vswap_can_skip_cache(swp_entry_t entry)
{
	unsigned int slot = vswap_slot(entry);
	struct vswap_cluster *c;
	swp_entry_t device;

	guard(rcu)();
	c = vswap_cluster(entry);
	if (!c || (READ_ONCE(c->count[slot]) & VSWAP_COUNT_MAX) != 1)
		return false;
	device = vswap_word_device(READ_ONCE(c->backing[slot]));
	return !device.val || swp_swap_info(device)->flags & SWP_SYNCHRONOUS_IO;
}

/**
 * vswap_is_read_alone - could a large folio not be read as a whole?
 * @entry: the first slot
 * @nr: how many slots, all in one cluster, owned by the caller
 *
 * Return: true if vswap_can_read_whole() will be false, because of that.
 */
bool vswap_is_read_alone(swp_entry_t entry, int nr)
{
	struct vswap_cluster *c = vswap_cluster(entry);
	unsigned int slot = vswap_slot(entry), end = slot + nr;

	for (; slot < end; slot++)
		if (c->backing[slot] & VSWAP_ALONE)
			return true;
	return false;
}

/**
 * vswap_can_read_whole - may these slots be read as one folio?
 * @entry: the first slot
 * @nr: how many slots, all in one cluster
 *
 * A hint: the caller takes VSWAP_HAS_CACHE of them all before it reads. Needs no
 * lock.
 *
 * Return: true if each slot has one reference, is not in the swap cache and not
 * on a device, all are of one memcg, and the last attempt did not fail.
 */
bool vswap_can_read_whole(swp_entry_t entry, int nr)
{
	unsigned int slot = vswap_slot(entry), end = slot + nr;
	struct vswap_cluster *c;
	unsigned short id;

	guard(rcu)();
	c = vswap_cluster(entry);
	if (!c || end > VSWAP_SLOTS)
		return false;
	id = vswap_cluster_memcg_id(c, slot);
	for (; slot < end; slot++)
		if (READ_ONCE(c->count[slot]) != 1 || vswap_cluster_memcg_id(c, slot) != id ||
		    READ_ONCE(c->backing[slot]) & (VSWAP_DEVICE | VSWAP_ALONE))
			return false;
	return true;
}

/**
 * vswap_is_zero - is a slot known to be of a page of zeros?
 * @entry: a slot that the caller owns
 *
 * Return: true if it is.
 */
bool vswap_is_zero(swp_entry_t entry)
{
	return vswap_cluster(entry)->backing[vswap_slot(entry)] == VSWAP_ZERO;
}

/**
 * vswap_is_refused - was a folio to be put behind a slot, and nothing took it?
 * @entry: a slot that the caller owns
 *
 * Return: true if so. Who maps the folio again gives the slot back if it can: it is
 * good for nothing, and what is in the folio then may well be taken.
 */
bool vswap_is_refused(swp_entry_t entry)
{
	return vswap_cluster(entry)->backing[vswap_slot(entry)] == VSWAP_REFUSED;
}

/**
 * vswap_zswap_entry - the page in zswap behind a slot
 * @entry: a slot that the caller owns
 *
 * Return: what vswap_set_zswap_entry() put there, or NULL.
 */
struct zswap_entry *vswap_zswap_entry(swp_entry_t entry)
{
	return vswap_word_entry(vswap_cluster(entry)->backing[vswap_slot(entry)]);
}

/**
 * vswap_set_zswap_entry - put a page in zswap behind a slot
 * @entry: a slot that the caller owns, backed by nothing or by zswap
 * @new: the page, or NULL: nothing
 *
 * Return: the page in zswap that was there before, or NULL. It is the caller's.
 */
struct zswap_entry *vswap_set_zswap_entry(swp_entry_t entry, struct zswap_entry *new)
{
	return vswap_word_entry(vswap_set(vswap_cluster(entry), vswap_slot(entry),
					  (unsigned long)new));
}

/*
 * Memcgs
 *
 * A slot holds a reference to the id of its memcg. With cgroup v1 it carries a
 * charge of memory and swap too, which may move to another memcg at any time.
 */

#ifdef CONFIG_MEMCG
static DEFINE_SPINLOCK(vswap_memcg_lock);	/* v1 only, taken under xa_lock */

/**
 * vswap_memcg_id - the memcg of a slot
 * @entry: a slot, which need not be in use
 *
 * Return: its id, or 0.
 */
unsigned short vswap_memcg_id(swp_entry_t entry)
{
	struct vswap_cluster *c;

	guard(rcu)();
	c = vswap_cluster(entry);
	return c ? vswap_cluster_memcg_id(c, vswap_slot(entry)) : 0;
}

static unsigned short vswap_memcg_write(struct vswap_cluster *c, unsigned int slot,
					unsigned short id, unsigned int nr)
{
	unsigned short old = c->memcg_id[slot];

	for (; nr; nr--, slot++) {
		VM_WARN_ON_ONCE(c->memcg_id[slot] != old);
		WRITE_ONCE(c->memcg_id[slot], id);
	}
	return old;
}

/**
 * vswap_memcg_record - note the memcg of some slots
 * @entry: the first slot, in use, as are the others
 * @id: the memcg, or 0
 * @nr: how many slots, all in one cluster and of the same memcg
 *
 * By the owner of the slots, who may hold the xa_lock of the swap cache.
 *
 * Return: the id that was there before.
 */
unsigned short vswap_memcg_record(swp_entry_t entry, unsigned short id, unsigned int nr)
{
	struct vswap_cluster *c = vswap_cluster(entry);

	if (!do_memsw_account())
		return vswap_memcg_write(c, vswap_slot(entry), id, nr);

	guard(spinlock_irqsave)(&vswap_memcg_lock);
	return vswap_memcg_write(c, vswap_slot(entry), id, nr);
}

/**
 * vswap_memcg_cmpxchg - move a slot to another memcg
 * @entry: a slot in use
 * @old: the id that is expected
 * @new: the new one
 *
 * Needs no lock. Used by cgroup v1.
 *
 * Return: @old if it was that one, else 0 and nothing has changed.
 */
unsigned short vswap_memcg_cmpxchg(swp_entry_t entry, unsigned short old, unsigned short new)
{
	struct vswap_cluster *c = vswap_cluster(entry);
	unsigned int slot = vswap_slot(entry);
	unsigned long flags;

	spin_lock_irqsave(&vswap_memcg_lock, flags);
	if (c->memcg_id[slot] == old)
		WRITE_ONCE(c->memcg_id[slot], new);
	else
		old = 0;
	spin_unlock_irqrestore(&vswap_memcg_lock, flags);
	return old;
}
#endif /* CONFIG_MEMCG */

/*
 * sysfs: Documentation/ABI/testing/sysfs-kernel-mm-vswap
 */

#ifdef CONFIG_SYSFS
static ssize_t vswap_show_sum(char *buf, long __percpu *counter)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(counter, cpu));
	/* It may have changed on one CPU after, on another before it was read. */
	return sysfs_emit(buf, "%ld\n", max(sum, 0L));
}

#define VSWAP_ATTR(_name, _emit)						\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	return _emit;								\
}										\
static struct kobj_attribute vswap_##_name##_attr = __ATTR_RO(_name)

#define VSWAP_COUNTER_ATTR(_name, _value)					\
	VSWAP_ATTR(_name, sysfs_emit(buf, "%lu\n", (unsigned long)(_value)))

#define VSWAP_SLOTS_ATTR(_name, _backing)					\
	VSWAP_ATTR(_name, vswap_show_sum(buf, &vswap_cpus.slots[_backing]))

#define VSWAP_ERROR_ATTR(_name, _rw)						\
	VSWAP_ATTR(_name, vswap_show_sum(buf, &vswap_cpus.errors[_rw]))

#define VSWAP_FALLBACK_ATTR(_name, _why)					\
	VSWAP_ATTR(_name, vswap_show_sum(buf, &vswap_cpus.fallbacks[_why]))

VSWAP_SLOTS_ATTR(slots_none, VSWAP_BACKING_NONE);
VSWAP_SLOTS_ATTR(slots_zero, VSWAP_BACKING_ZERO);
VSWAP_SLOTS_ATTR(slots_zswap, VSWAP_BACKING_ZSWAP);
VSWAP_SLOTS_ATTR(slots_device, VSWAP_BACKING_DEVICE);
VSWAP_COUNTER_ATTR(regions, READ_ONCE(vswap_nr_regions));
VSWAP_COUNTER_ATTR(clusters, atomic_long_read(&vswap_nr_clusters));
VSWAP_COUNTER_ATTR(table_bytes, atomic_long_read(&vswap_table_bytes));
VSWAP_COUNTER_ATTR(table_limit_bytes, vswap_table_limit());
VSWAP_FALLBACK_ATTR(fallback_full, VSWAP_FALLBACK_FULL);
VSWAP_FALLBACK_ATTR(fallback_memcg, VSWAP_FALLBACK_MEMCG);
VSWAP_FALLBACK_ATTR(fallback_limit, VSWAP_FALLBACK_LIMIT);
VSWAP_FALLBACK_ATTR(fallback_memory, VSWAP_FALLBACK_MEMORY);
VSWAP_FALLBACK_ATTR(fallback_store, VSWAP_FALLBACK_STORE);
VSWAP_FALLBACK_ATTR(fallback_skipped, VSWAP_FALLBACK_SKIPPED);
VSWAP_ERROR_ATTR(read_errors, READ);
VSWAP_ERROR_ATTR(write_errors, WRITE);

static struct attribute *vswap_attrs[] = {
	&vswap_slots_none_attr.attr,
	&vswap_slots_zero_attr.attr,
	&vswap_slots_zswap_attr.attr,
	&vswap_slots_device_attr.attr,
	&vswap_regions_attr.attr,
	&vswap_clusters_attr.attr,
	&vswap_table_bytes_attr.attr,
	&vswap_table_limit_bytes_attr.attr,
	&vswap_fallback_full_attr.attr,
	&vswap_fallback_memcg_attr.attr,
	&vswap_fallback_limit_attr.attr,
	&vswap_fallback_memory_attr.attr,
	&vswap_fallback_store_attr.attr,
	&vswap_fallback_skipped_attr.attr,
	&vswap_read_errors_attr.attr,
	&vswap_write_errors_attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(vswap);

static void vswap_init_sysfs(void)
{
	struct kobject *kobj = kobject_create_and_add("vswap", mm_kobj);

	if (!kobj || sysfs_create_groups(kobj, vswap_groups)) {
		pr_err("no /sys/kernel/mm/vswap\n");
		kobject_put(kobj);
	}
}
#else
static void vswap_init_sysfs(void)
{
}
#endif

/*
 * Parameters
 *
 * Those on the kernel's command line come before there is a slab, so they are
 * only noted. What is set up once stays.
 */

static DEFINE_MUTEX(vswap_setup_lock);

/* The device lives forever. */
static void vswap_users_release(struct percpu_ref *ref)
{
	WARN_ON_ONCE(1);
}

static int vswap_setup(void)
{
	int state, err;

	lockdep_assert_held(&vswap_setup_lock);
	if (vswap_ready)
		return 0;
	for (int order = 0; order < SWAP_NR_ORDERS; order++)
		INIT_LIST_HEAD(&vswap_partial[order]);
	vswap_init_space(&vswap_no_space);

	state = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "mm/vswap:dead", NULL,
					  vswap_cpu_dead);
	if (state < 0) {
		pr_err("cannot be set up: error %d\n", state);
		return state;
	}
	err = -ENOMEM;
	vswap_submit_wq = alloc_workqueue("vswap-submit", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!vswap_submit_wq)
		goto remove_state;
	err = bioset_init(&vswap_bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
	if (err)
		goto destroy_wq;
	err = percpu_ref_init(&vswap_swap_info.users, vswap_users_release, 0, GFP_KERNEL);
	if (err)
		goto exit_bios;
	swap_add_type(&vswap_swap_info);
	static_branch_enable(&vswap_ever_enabled);
	WRITE_ONCE(vswap_ready, true);
	return 0;

exit_bios:
	bioset_exit(&vswap_bios);
destroy_wq:
	destroy_workqueue(vswap_submit_wq);
remove_state:
	cpuhp_remove_state_nocalls(state);
	pr_err("cannot be set up: error %d\n", err);
	return err;
}

static int vswap_enabled_set(const char *val, const struct kernel_param *kp)
{
	bool enable;
	int err = kstrtobool(val, &enable);

	if (err) {
		pr_err("%s is Y or N\n", kp->name);
		return err;
	}

	guard(mutex)(&vswap_setup_lock);
	if (enable && system_state >= SYSTEM_RUNNING)
		err = vswap_setup();
	if (!err)
		WRITE_ONCE(vswap_enabled, enable);
	return err;
}

static int vswap_percent_set(const char *val, const struct kernel_param *kp)
{
	int err = param_set_uint_minmax(val, kp, 0, 100);

	if (err)
		pr_err("%s is a percentage, from 0 to 100\n", kp->name);
	return err;
}

static const struct kernel_param_ops vswap_enabled_ops = {
	.set = vswap_enabled_set,
	.get = param_get_bool,
};

static const struct kernel_param_ops vswap_percent_ops = {
	.set = vswap_percent_set,
	.get = param_get_uint,
};

module_param_cb(enabled, &vswap_enabled_ops, &vswap_enabled, 0644);
module_param_cb(max_table_percent, &vswap_percent_ops, &vswap_max_table_percent, 0644);

static int __init vswap_init(void)
{
	guard(mutex)(&vswap_setup_lock);
	vswap_init_sysfs();
	if (vswap_enabled && vswap_setup())
		vswap_enabled = false;
	return 0;
}

/* After swapfile_init(). */
module_init(vswap_init);

#ifdef CONFIG_VSWAP_KUNIT_TEST
#include "tests/vswap_kunit.c"
#include "tests/vswap_slots.c"
#endif
