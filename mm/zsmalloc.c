// SPDX-License-Identifier: GPL-2.0
/*
 * zsmalloc - memory for compressed pages
 *
 * zswap and zram keep objects of 1 to PAGE_SIZE bytes here, by the million,
 * written once, read a few times and freed in any order. What counts is how
 * little memory an object costs beside its own bytes, how few cache misses
 * malloc and free take, and that every page can be moved.
 *
 * Layout
 * ------
 * Sizes are rounded up to a size class. A zspage holds up to 64 slots of one
 * class over up to 15 pages that need not be neighbours; a slot may lie over
 * two of them. A page is attached only while a slot in use touches it, so a
 * zspage can be sparse. The zspages of one class whose pages come from one
 * node are a zs_bin.
 *
 * A handle is the address of a struct zspage, which is aligned to 64 bytes,
 * plus an index below 64. The struct lives as long as one of its indices is
 * given out. Where the object of an index lies:
 *
 *	zspage->store	the zspage with the pages: itself, or after a merge
 *			the one its objects have moved to
 *	zspage->map	the slot of each index in there; NULL: slot == index
 *
 * A zspage whose store is another one is a stub: it has no pages, and its
 * map and list node lie where the page pointers were. A store is never a
 * stub, so an object is found in one hop.
 *
 * Fields of struct page in use while a page is attached:
 *	page->private	the zspage
 *	page->index	the position in zspage->pages
 *	page->mapping	zs_movable_ops, if COMPACTION
 *	page->page_type	PGTY_zsmalloc
 * They change under the page lock only.
 *
 * Locks, in order
 * ---------------
 *	pool->compacting
 *	page lock	Attaching and detaching. Only tried under a spinlock.
 *	bin->lock	Every field of the bin and of its zspages but
 *			zspage->pins.
 *	zspage->pins	The number of accesses to objects in the pages of
 *			this zspage, or ZSPAGE_LOCKED. Whoever moves objects
 *			or pages away, makes a stub or revives it, holds
 *			bin->lock, tries to lock this, and goes on only if
 *			nothing is pinned. So an access may read store and
 *			map of a zspage that is no stub, and its pages, while
 *			that is pinned. Store and map of a stub change under
 *			bin->lock, with the store locked.
 *	zs_deferred.lock	Never with another lock.
 * Nothing is allocated under a spinlock. No lock is taken in interrupts.
 *
 * Who has bin->lock may have been preempted with it, as virtual CPUs are. So
 * malloc looks for a bin that is not in use, in bin_lock_quiet(), and free puts
 * off what it cannot do at once, in zs_defer_free(), rather than wait.
 *
 * Who may call
 * ------------
 * Everything but creating, destroying and compacting a pool may be called
 * where a spinlock may be taken, but not from an interrupt and not under a
 * lock that interrupts take.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <kunit/static_stub.h>
#include <linux/bitops.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/math64.h>
#include <linux/migrate.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/poison.h>
#include <linux/sched.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/topology.h>
#include <linux/workqueue.h>
#include <linux/zsmalloc.h>

/* As many as a handle has bits for, and as a u64 has. */
#define ZS_INDEX_BITS	6
#define ZS_MAX_SLOTS	BIT(ZS_INDEX_BITS)

/* struct zspage then fills three cache lines. */
#define ZS_MAX_PAGES	15

/*
 * Sizes are told apart in steps of PAGE_SIZE / 256: 16 bytes with 4K pages,
 * 8 bytes lost of a mean object. The smallest slot lets one page fill a
 * zspage.
 */
#define ZS_STEPS	256
#define ZS_STEP		(PAGE_SIZE / ZS_STEPS)
#define ZS_MIN_STEP	(ZS_STEPS / ZS_MAX_SLOTS)

/**
 * struct size_class - geometry of the zspages of a range of sizes
 * @size: bytes of a slot
 * @slots: slots of a zspage
 * @pages: pages of a zspage with all slots in use
 * @index: place in zs_classes
 * @third: a third of the slots, rounded up
 * @touching: for each page, the slots that lie on it
 */
struct size_class {
	unsigned int size;
	u8 slots;
	u8 pages;
	u8 index;
	u8 third;
	u64 touching[ZS_MAX_PAGES];
};

/**
 * struct zspage - up to 64 slots, and the names of up to 64 objects
 * @pins: accesses to objects in the pages of this zspage, or ZSPAGE_LOCKED
 * @present: pages attached, a bit each, and ZSPAGE_CRAMPED
 * @handles: indices given out
 * @slots: slots in use, by own objects and those of stubs; 0 for a stub
 * @list: in a list of @bin
 * @bin: class and node; never changes
 * @store: where the objects are: this zspage, or another one for a stub
 * @pages: the pages attached
 * @sibling: a stub's place in @stubs of its store
 * @stub_map: a stub's map
 * @map: slot of each index, or NULL if that is the index itself
 * @stubs: stubs whose objects are here
 */
struct zspage {
	atomic_t pins;
	u16 present;
	u64 handles;
	u64 slots;
	struct list_head list;
	struct zs_bin *bin;
	struct zspage *store;
	union {
		struct page *pages[ZS_MAX_PAGES];
		struct {
			struct hlist_node sibling;
			u8 stub_map[ZS_MAX_SLOTS];
		};
	};
	u8 *map;
	struct hlist_head stubs;
} __aligned(ZS_MAX_SLOTS);

static_assert(sizeof(struct zspage) == 192 || !IS_ENABLED(CONFIG_64BIT));

/* In @pins: accesses are kept away. */
#define ZSPAGE_LOCKED	(-1)

/* In @present: no slot is free on the pages attached. A hint, set by malloc. */
#define ZSPAGE_CRAMPED	BIT(15)

/*
 * The lists of a bin. Those with room are tried first to last, so fuller
 * zspages fill up and emptier ones drain.
 */
enum zs_list {
	ZS_ROOM,		/* a slot may be free on a page attached, and */
	ZS_ROOM_67 = ZS_ROOM,	/* at least two thirds of the slots are in use */
	ZS_ROOM_33,
	ZS_ROOM_0,
	ZS_GROW,		/* slots are free, but another page is needed */
	NR_ZS_PARTIAL,
	ZS_FULL = NR_ZS_PARTIAL,
	ZS_STUB,
	ZS_DEAD,		/* no object, but a page that somebody locked */
	NR_ZS_LISTS,
};

/**
 * struct zs_bin - zspages of one size class on one node
 * @class: the size class
 * @pool: the pool
 * @nid: the node
 * @lock: see the top of the file
 * @objects: objects stored
 * @pages: pages attached
 * @nr: length of each list
 * @lists: the zspages by enum zs_list
 */
struct zs_bin {
	const struct size_class *class;
	struct zs_pool *pool;
	int nid;

	spinlock_t lock ____cacheline_aligned_in_smp;
	unsigned long objects;
	unsigned long pages;
	unsigned int nr[NR_ZS_LISTS];
	struct list_head lists[NR_ZS_LISTS];
};

/* With these a struct zs_deferred has 512 bytes. */
#define ZS_MAX_DEFERRED	62

/**
 * struct zs_deferred - objects that a CPU could not free without waiting
 * @lock: guards the rest
 * @nr: how many
 * @handle: their handles, which count as given out
 */
struct zs_deferred {
	spinlock_t lock;	/* nr and handle */
	unsigned int nr;
	unsigned long handle[ZS_MAX_DEFERRED];
};

/* Until then the CPU itself tries again each time that it frees another object. */
#define ZS_DEFER_JIFFIES	msecs_to_jiffies(10)

/**
 * struct zs_pool - what zs_create_pool() returns
 * @name: for the shrinker and for debugfs
 * @pages: pages attached in all bins
 * @stats: for zs_pool_stats()
 * @shrinker: compacts a node under memory pressure
 * @compacting: held by whoever compacts, one at a time
 * @burial: frees dead zspages
 * @deferred: see zs_defer_free()
 * @deferred_work: frees what is left there
 * @debugfs: directory of the statistics
 * @bins: nr_node_ids of them for each class, made on first use
 */
struct zs_pool {
	const char *name;
	atomic_long_t pages;
	struct zs_pool_stats stats;
	struct shrinker *shrinker;
	struct mutex compacting;	/* guards nothing, but work done twice */
	struct work_struct burial;
	struct zs_deferred __percpu *deferred;
	struct delayed_work deferred_work;
	struct dentry *debugfs;
	struct zs_bin *bins[];
};

/**
 * struct zs_pages - locked pages that belong to no zspage
 * @nr: how many
 * @page: the pages
 *
 * Those of a zspage that was emptied, and those that are to be attached.
 * Revival may have all pages of two zspages here, compaction of one and two.
 */
struct zs_pages {
	unsigned int nr;
	struct page *page[2 * ZS_MAX_PAGES];
};

/* Written by zs_init() only. */
static struct size_class zs_classes[ZS_STEPS] __ro_after_init;
static unsigned int zs_nr_classes __ro_after_init;
static u8 zs_class_of_step[ZS_STEPS] __ro_after_init;
static struct kmem_cache *zspage_cache __ro_after_init;
static struct kmem_cache *bin_cache __ro_after_init;
static struct dentry *zs_debugfs_root;

static const struct movable_operations zs_movable_ops;

/* Reports a caller's mistake. What it was about has been left alone. */
static noinline void zs_misuse(const char *what, unsigned long handle)
{
	KUNIT_STATIC_STUB_REDIRECT(zs_misuse, what, handle);
	WARN(1, "zsmalloc: %s (handle %p)\n", what, (void *)handle);
}

/* Allocations. All may fail, and none is made under a lock. */

/* For what zsmalloc can do without: no reclaim, no reserve, no warning. */
static gfp_t gfp_optional(gfp_t gfp)
{
	return (gfp & ~(__GFP_DIRECT_RECLAIM | __GFP_HIGH)) | __GFP_NOWARN | __GFP_NOMEMALLOC;
}

/* The page comes locked, so that nobody meets it before it is attached. */
static struct page *zs_alloc_page(gfp_t gfp, int nid)
{
	struct page *page;

	KUNIT_STATIC_STUB_REDIRECT(zs_alloc_page, gfp, nid);
	/* All pages of a bin may have moved to other nodes and its own be gone. */
	if (gfp & __GFP_THISNODE && !node_online(nid))
		return NULL;
	if (!IS_ENABLED(CONFIG_COMPACTION))
		gfp &= ~__GFP_MOVABLE;
	page = alloc_pages_node(nid, gfp, 0);
	if (page && unlikely(!trylock_page(page))) {
		__free_page(page);
		return NULL;
	}
	return page;
}

/* Zeroed; @cache: zspage_cache, bin_cache, or NULL for a map. */
static void *zs_alloc_meta(struct kmem_cache *cache, gfp_t gfp, int nid)
{
	KUNIT_STATIC_STUB_REDIRECT(zs_alloc_meta, cache, gfp, nid);
	gfp &= ~(__GFP_HIGHMEM | __GFP_MOVABLE | __GFP_THISNODE);
	if (!cache)
		return kzalloc_node(ZS_MAX_SLOTS, gfp, nid);
	return kmem_cache_alloc_node(cache, gfp | __GFP_ZERO, nid);
}

static struct zspage *zspage_alloc(struct zs_bin *bin, gfp_t gfp)
{
	struct zspage *z = zs_alloc_meta(zspage_cache, gfp, bin->nid);

	if (!z)
		return NULL;
	z->bin = bin;
	z->store = z;
	return z;
}

static void zs_free_page(struct page *page)
{
	unlock_page(page);
	put_page(page);
}

static void zs_free_pages(struct zs_pages *pages, unsigned int keep)
{
	while (pages->nr > keep)
		zs_free_page(pages->page[--pages->nr]);
}

/* Size classes */

static u64 slot_mask(const struct size_class *class)
{
	return GENMASK_ULL(class->slots - 1, 0);
}

static unsigned long page_mask(const struct size_class *class)
{
	return GENMASK(class->pages - 1, 0);
}

/* The pages that @slot lies on, one or two, a bit each. */
static u16 slot_pages(const struct size_class *class, unsigned int slot)
{
	unsigned int start = slot * class->size;

	return BIT(start >> PAGE_SHIFT) |
	       BIT((start + class->size - 1) >> PAGE_SHIFT);
}

static const struct size_class *size_class(size_t size)
{
	return &zs_classes[zs_class_of_step[(size - 1) / ZS_STEP]];
}

/*
 * The number of pages at which a slot costs least: its share of the pages and
 * of struct zspage, a byte of which counts for ZS_STRUCT_COST, as slab cannot be
 * moved and compacted. Sparse zspages make a long one cost nothing.
 */
#define ZS_STRUCT_COST	8

static void __init zs_best_geometry(unsigned int size, u8 *slots, u8 *pages)
{
	unsigned long best_cost = 0;
	unsigned int p;

	*slots = 0;
	for (p = 1; p <= ZS_MAX_PAGES; p++) {
		unsigned long cost = p * PAGE_SIZE + ZS_STRUCT_COST * sizeof(struct zspage);
		unsigned int n = min(p * PAGE_SIZE / size, ZS_MAX_SLOTS);

		/* The last page is not needed. */
		if (n * size <= (p - 1) * PAGE_SIZE)
			break;
		if (!*slots || cost * *slots < best_cost * n) {
			best_cost = cost;
			*slots = n;
			*pages = p;
		}
	}
}

/* Neighbouring sizes with as many slots in as many pages are one class. */
static void __init zs_init_classes(void)
{
	struct size_class *class = NULL;
	unsigned int step, p;

	for (step = ZS_MIN_STEP; step <= ZS_STEPS; step++) {
		unsigned int size = step * ZS_STEP;
		u8 slots, pages;

		zs_best_geometry(size, &slots, &pages);
		if (!class || class->slots != slots || class->pages != pages) {
			class = &zs_classes[zs_nr_classes];
			class->index = zs_nr_classes++;
			class->slots = slots;
			class->pages = pages;
			class->third = DIV_ROUND_UP(slots, 3);
		}
		class->size = size;
		zs_class_of_step[step - 1] = class->index;
	}
	/* Sizes below the smallest slot go to class 0, as all bytes are 0. */

	for (class = zs_classes; class < zs_classes + zs_nr_classes; class++) {
		for (p = 0; p < class->pages; p++) {
			unsigned int first = p * PAGE_SIZE / class->size;
			unsigned int last = ((p + 1) * PAGE_SIZE - 1) / class->size;

			last = min(last, class->slots - 1U);
			class->touching[p] = GENMASK_ULL(last, first);
		}
	}
}

/* Handles */

static unsigned long make_handle(struct zspage *z, unsigned int index)
{
	return (unsigned long)z | index;
}

static struct zspage *handle_zspage(unsigned long handle)
{
	return (struct zspage *)(handle & ~(ZS_MAX_SLOTS - 1));
}

static unsigned int handle_index(unsigned long handle)
{
	return handle & (ZS_MAX_SLOTS - 1);
}

/* zspages */

/* Calls for each bit set in @mask, which is read once. */
#define for_each_u64_bit(bit, mask)					\
	for (u64 __left = (mask);					\
	     __left && ((bit) = __ffs64(__left), true);			\
	     __left &= __left - 1)

static bool zspage_is_stub(const struct zspage *z)
{
	return z->store != z;
}

static u16 zspage_present(const struct zspage *z)
{
	return z->present & ~ZSPAGE_CRAMPED;
}

static unsigned int zspage_slot(const struct zspage *z, unsigned int index)
{
	return z->map ? z->map[index] : index;
}

/* The free slots of which every byte lies on the pages @present. */
static inline u64 slots_on_pages(const struct size_class *class, u64 used, u16 present)
{
	unsigned int end, p;
	u64 avail = ~used;

	present &= page_mask(class);
	end = fls(present);
	/* Mostly the pages up to some one are there, and none above. */
	if (end < class->pages)
		avail &= BIT_ULL(__ffs64(class->touching[end])) - 1;
	else
		avail &= slot_mask(class);
	for_each_u64_bit(p, ~present & (BIT(end) - 1))
		avail &= ~class->touching[p];
	return avail;
}

/*
 * The lowest page not attached. The slot over its first byte needs no other
 * new page, as no slot is longer than a page: growing takes one page.
 */
static unsigned int lowest_absent(const struct size_class *class, u16 present)
{
	return __ffs(page_mask(class) & ~present);
}

/* @used: slots in use */
static enum zs_list zspage_list_at(const struct zspage *z, unsigned int used)
{
	const struct size_class *class = z->bin->class;

	if (zspage_is_stub(z))
		return ZS_STUB;
	if (!used)
		return ZS_DEAD;
	if (used == class->slots)
		return ZS_FULL;
	if (z->present & ZSPAGE_CRAMPED)
		return ZS_GROW;
	if (used >= 2 * class->third)
		return ZS_ROOM_67;
	return used >= class->third ? ZS_ROOM_33 : ZS_ROOM_0;
}

static enum zs_list zspage_list(const struct zspage *z)
{
	return zspage_list_at(z, hweight64(z->slots));
}

static void zspage_add(struct zspage *z)
{
	struct zs_bin *bin = z->bin;
	enum zs_list l = zspage_list(z);

	lockdep_assert_held(&bin->lock);
	list_add(&z->list, &bin->lists[l]);
	bin->nr[l]++;
}

static void zspage_del(struct zspage *z)
{
	struct zs_bin *bin = z->bin;

	lockdep_assert_held(&bin->lock);
	list_del(&z->list);
	bin->nr[zspage_list(z)]--;
}

/*
 * Moves @z to another list if need be after @slots or @present changed.
 * @from: zspage_list() before
 * @used: slots in use now
 */
static __always_inline void zspage_update(struct zspage *z, enum zs_list from,
					  unsigned int used)
{
	struct zs_bin *bin = z->bin;
	enum zs_list to = zspage_list_at(z, used);

	lockdep_assert_held(&bin->lock);
	if (from != to) {
		list_move(&z->list, &bin->lists[to]);
		bin->nr[from]--;
		bin->nr[to]++;
	}
}

/* Keeps accesses away; only ever tried, and only under the bin's lock. */
static bool zspage_trylock(struct zspage *z)
{
	lockdep_assert_held(&z->bin->lock);
	return !atomic_cmpxchg_acquire(&z->pins, 0, ZSPAGE_LOCKED);
}

static void zspage_unlock(struct zspage *z)
{
	lockdep_assert_held(&z->bin->lock);
	atomic_set_release(&z->pins, 0);
}

static void zspage_free(struct zspage *z)
{
	if (!zspage_is_stub(z))
		kfree(z->map);
	kmem_cache_free(zspage_cache, z);
}

/* Attached pages */

static void page_set_owner(struct page *page, struct zspage *z, unsigned int p)
{
	set_page_private(page, (unsigned long)z);
	page->index = p;
	__folio_set_zsmalloc(page_folio(page));
	__SetPageMovable(page, &zs_movable_ops);
	inc_zone_page_state(page, NR_ZSPAGES);
}

static void page_clear_owner(struct page *page)
{
	dec_zone_page_state(page, NR_ZSPAGES);
	__ClearPageMovable(page);
	__folio_clear_zsmalloc(page_folio(page));
	page->index = 0;
	set_page_private(page, 0);
}

/* Attaches a page that the caller has locked, and unlocks later. */
static void zspage_attach(struct zspage *z, unsigned int p, struct page *page)
{
	struct zs_bin *bin = z->bin;

	lockdep_assert_held(&bin->lock);
	page_set_owner(page, z, p);
	z->pages[p] = page;
	z->present |= BIT(p);
	bin->pages++;
	atomic_long_inc(&bin->pool->pages);
}

/* Detaches a page that the caller has locked and that no slot touches. */
static void zspage_detach(struct zspage *z, unsigned int p)
{
	struct zs_bin *bin = z->bin;

	lockdep_assert_held(&bin->lock);
	VM_WARN_ON_ONCE(z->slots & bin->class->touching[p]);
	page_clear_owner(z->pages[p]);
	z->pages[p] = NULL;
	z->present &= ~BIT(p);
	bin->pages--;
	atomic_long_dec(&bin->pool->pages);
}

/*
 * Detaches those of the pages @mask of @z that no slot touches and returns how
 * many they are, now in @to.
 * @locked: the caller holds their locks. Else a page that somebody else has
 * locked stays attached, until malloc uses it or compaction finds it.
 */
static __always_inline unsigned int zspage_vacate(struct zspage *z, u16 mask,
						  struct page **to, bool locked)
{
	const struct size_class *class = z->bin->class;
	unsigned int p, nr = 0;

	for_each_u64_bit(p, mask & zspage_present(z)) {
		struct page *page = z->pages[p];

		if (z->slots & class->touching[p] || (!locked && !trylock_page(page)))
			continue;
		zspage_detach(z, p);
		to[nr++] = page;
	}
	return nr;
}

/* The same, to those that are kept for other zspages. */
static void zspage_vacate_to(struct zspage *z, u16 mask, struct zs_pages *pages, bool locked)
{
	pages->nr += zspage_vacate(z, mask, pages->page + pages->nr, locked);
}

static void zspage_unlock_pages(struct zspage *z, u16 mask)
{
	unsigned int p;

	for_each_u64_bit(p, mask)
		unlock_page(z->pages[p]);
}

static bool zspage_trylock_pages(struct zspage *z)
{
	unsigned int p;

	for_each_u64_bit(p, zspage_present(z)) {
		if (trylock_page(z->pages[p]))
			continue;
		zspage_unlock_pages(z, zspage_present(z) & (BIT(p) - 1));
		return false;
	}
	return true;
}

/*
 * Puts @z, on no list, where it belongs after it lost objects. Returns it if
 * the caller has to free it once the lock is dropped.
 */
static struct zspage *zspage_settle(struct zspage *z)
{
	if (zspage_list(z) == ZS_DEAD && !zspage_present(z))
		return z;
	zspage_add(z);
	if (unlikely(!z->slots && !zspage_is_stub(z)))
		schedule_work(&z->bin->pool->burial);
	return NULL;
}

/* Objects in slots */

/*
 * The page and offset of byte @done of @slot, and how many of the bytes up to
 * @len lie there. A slot has two such parts at most.
 */
static struct page *slot_part(const struct zspage *z, unsigned int slot, size_t done,
			      size_t len, size_t *off, size_t *part)
{
	size_t pos = slot * z->bin->class->size + done;

	*off = offset_in_page(pos);
	*part = min(len - done, PAGE_SIZE - *off);
	return z->pages[pos >> PAGE_SHIFT];
}

static void slot_write(struct zspage *z, unsigned int slot, const void *mem, size_t len)
{
	size_t done, off, part;
	struct page *page;

	for (done = 0; done < len; done += part) {
		page = slot_part(z, slot, done, len, &off, &part);
		memcpy_to_page(page, off, mem + done, part);
	}
}

static void slot_poison(struct zspage *z, unsigned int slot)
{
	size_t len = z->bin->class->size;
	size_t done, off, part;
	struct page *page;

	for (done = 0; done < len; done += part) {
		page = slot_part(z, slot, done, len, &off, &part);
		memset_page(page, off, POISON_FREE, part);
	}
}

static void slot_copy(struct zspage *to, unsigned int to_slot,
		      struct zspage *from, unsigned int from_slot)
{
	size_t len = to->bin->class->size;
	size_t done, to_off, to_part, from_off, from_part;
	struct page *to_page, *from_page;

	for (done = 0; done < len; done += to_part) {
		to_page = slot_part(to, to_slot, done, len, &to_off, &to_part);
		from_page = slot_part(from, from_slot, done, len, &from_off, &from_part);
		to_part = min(to_part, from_part);
		memcpy_page(to_page, to_off, from_page, from_off, to_part);
	}
}

/*
 * Moves the object in @from_slot, attaching pages of @spare where the new
 * slot has none, and vacating those of the old one, which are locked.
 */
static void move_object(struct zspage *to, unsigned int to_slot, struct zspage *from,
			unsigned int from_slot, struct zs_pages *spare, bool vacate)
{
	const struct size_class *class = to->bin->class;
	unsigned int p;

	if (to == from && to_slot == from_slot)
		return;
	for_each_u64_bit(p, slot_pages(class, to_slot) & ~to->present)
		zspage_attach(to, p, spare->page[--spare->nr]);
	slot_copy(to, to_slot, from, from_slot);
	to->slots |= BIT_ULL(to_slot);
	from->slots &= ~BIT_ULL(from_slot);
	if (vacate)
		zspage_vacate_to(from, slot_pages(class, from_slot), spare, true);
}

/* Freeing */

/* Takes an object from its bin, whose lock it drops. */
static void bin_free(struct zs_bin *bin, unsigned long handle)
	__releases(&bin->lock)
{
	struct zspage *z = handle_zspage(handle), *store, *stub = NULL, *dead = NULL;
	unsigned int slot, used, nr_pages;
	u64 bit = BIT_ULL(handle_index(handle));
	struct page *pages[2];
	enum zs_list from;
	u16 touched;

	if (unlikely(!(z->handles & bit))) {
		spin_unlock(&bin->lock);
		zs_misuse("free of what is not allocated", handle);
		return;
	}

	store = z->store;
	slot = zspage_slot(z, handle_index(handle));
	used = hweight64(store->slots);
	from = zspage_list_at(store, used);
	if (used == 1)
		zspage_del(store);

	if (IS_ENABLED(CONFIG_DEBUG_VM))
		slot_poison(store, slot);
	z->handles &= ~bit;
	store->slots &= ~BIT_ULL(slot);
	bin->objects--;
	touched = slot_pages(bin->class, slot);
	nr_pages = zspage_vacate(store, touched, pages, false);
	if (!(touched & ~store->present))
		store->present &= ~ZSPAGE_CRAMPED;
	else if (!slots_on_pages(bin->class, store->slots, store->present))
		/* Else malloc would look in vain at one such after the other. */
		store->present |= ZSPAGE_CRAMPED;

	if (unlikely(z != store && !z->handles)) {
		hlist_del(&z->sibling);
		zspage_del(z);
		stub = z;
	}
	if (used > 1)
		zspage_update(store, from, used - 1);
	else
		dead = zspage_settle(store);
	spin_unlock(&bin->lock);

	while (nr_pages)
		zs_free_page(pages[--nr_pages]);
	if (unlikely(stub))
		zspage_free(stub);
	if (dead)
		zspage_free(dead);
}

/* Bins */

static struct zs_bin **bin_place(struct zs_pool *pool, const struct size_class *class, int nid)
{
	return &pool->bins[class->index * nr_node_ids + nid];
}

/* NULL if the class has not been used on that node. */
static struct zs_bin *bin_get(struct zs_pool *pool, const struct size_class *class, int nid)
{
	/* Pairs with cmpxchg_release() in bin_make(). */
	return smp_load_acquire(bin_place(pool, class, nid));
}

static struct zs_bin *bin_make(struct zs_pool *pool, const struct size_class *class,
			       int nid, gfp_t gfp)
{
	struct zs_bin *bin = bin_get(pool, class, nid);
	struct zs_bin *old;
	int l;

	if (likely(bin))
		return bin;
	bin = zs_alloc_meta(bin_cache, gfp, nid);
	if (!bin)
		return NULL;
	bin->class = class;
	bin->pool = pool;
	bin->nid = nid;
	spin_lock_init(&bin->lock);
	for (l = 0; l < NR_ZS_LISTS; l++)
		INIT_LIST_HEAD(&bin->lists[l]);

	/* Pairs with smp_load_acquire() in bin_get(). */
	old = cmpxchg_release(bin_place(pool, class, nid), NULL, bin);
	if (old) {
		kmem_cache_free(bin_cache, bin);
		/* The winner's stores must be seen, too. */
		return bin_get(pool, class, nid);
	}
	return bin;
}

/* For tests: they cannot have another CPU hold the lock. */
static bool bin_seems_busy(struct zs_bin *bin)
{
	KUNIT_STATIC_STUB_REDIRECT(bin_seems_busy, bin);
	return false;
}

static struct zspage *bin_first(struct zs_bin *bin, enum zs_list l)
{
	return list_first_entry_or_null(&bin->lists[l], struct zspage, list);
}

/*
 * Returns a handle for an object in @slot, which is free on attached pages.
 * @from: zspage_list() before
 */
static unsigned long bin_assign(struct zs_bin *bin, struct zspage *z, unsigned int slot,
				enum zs_list from)
{
	unsigned int index = slot;

	/*
	 * Without a map the own object of an index lies in the slot of that
	 * number, so the index of a free slot is free. With one, fewer indices
	 * than slots are in use.
	 */
	if (z->map) {
		index = __ffs64(~z->handles);
		z->map[index] = slot;
	}
	VM_WARN_ON_ONCE(z->handles & BIT_ULL(index));
	z->handles |= BIT_ULL(index);
	z->slots |= BIT_ULL(slot);
	bin->objects++;
	zspage_update(z, from, hweight64(z->slots));
	return make_handle(z, index);
}

/* Takes a slot on a page that is there already. 0 if there is none. */
static unsigned long bin_take(struct zs_bin *bin)
{
	const struct size_class *class = bin->class;
	enum zs_list l;
	struct zspage *z;

	lockdep_assert_held(&bin->lock);
	for (l = ZS_ROOM; l < ZS_GROW; l++) {
		while ((z = bin_first(bin, l))) {
			u64 avail = slot_mask(class) & ~z->slots;
			unsigned int slot = __ffs64(avail);

			/* The lowest free slot will do nearly always. */
			if (likely(!(slot_pages(class, slot) & ~z->present)))
				return bin_assign(bin, z, slot, l);
			avail = slots_on_pages(class, z->slots, z->present);
			if (avail)
				return bin_assign(bin, z, __ffs64(avail), l);
			z->present |= ZSPAGE_CRAMPED;
			zspage_update(z, l, hweight64(z->slots));
		}
	}
	return 0;
}

static struct zspage *bin_stub_to_revive(struct zs_bin *bin)
{
	struct zspage *z, *best = NULL;
	int tries = 8;

	/* Few objects are cheap to move. */
	list_for_each_entry(z, &bin->lists[ZS_STUB], list) {
		if (!best || hweight64(z->handles) < hweight64(best->handles))
			best = z;
		if (!--tries)
			break;
	}
	return best;
}

static unsigned int pages_for(const struct size_class *class, unsigned int objects)
{
	return DIV_ROUND_UP(objects * class->size, PAGE_SIZE);
}

/* The work of bin_revive(). Returns the store if it has to be freed. */
static struct zspage *__bin_revive(struct zs_bin *bin, struct zspage *z, u8 *map,
				   struct zs_pages *spare)
{
	struct zspage *store = z->store, *dead;
	unsigned int index, slot = 0;
	u8 old[ZS_MAX_SLOTS];
	u16 vacated = 0;

	zspage_del(z);
	zspage_del(store);
	memcpy(old, z->map, sizeof(old));
	hlist_del(&z->sibling);
	memset(z->pages, 0, sizeof(z->pages));
	for_each_u64_bit(index, z->handles) {
		move_object(z, slot, store, old[index], spare, false);
		vacated |= slot_pages(bin->class, old[index]);
		map[index] = slot++;
	}
	zspage_unlock_pages(z, zspage_present(z));
	z->map = map;
	WRITE_ONCE(z->store, z);
	zspage_add(z);

	store->present &= ~ZSPAGE_CRAMPED;
	zspage_vacate_to(store, vacated, spare, false);
	dead = zspage_settle(store);
	zspage_unlock(store);
	zspage_unlock(z);
	return dead;
}

/*
 * Brings the objects of a stub home to new pages. That frees as many slots of
 * its store, and the stub has indices and slots again: so the number of
 * zspages does not grow beyond the peak. True if it was done.
 */
static bool bin_revive(struct zs_bin *bin, gfp_t gfp)
{
	struct zs_pages spare = { };
	struct zspage *z, *dead = NULL;
	unsigned int need = 0;
	bool done = false;
	u8 *map;

	spin_lock(&bin->lock);
	z = bin_stub_to_revive(bin);
	if (z)
		need = pages_for(bin->class, hweight64(z->handles));
	spin_unlock(&bin->lock);
	if (!z)
		return false;

	gfp = gfp_optional(gfp);
	map = zs_alloc_meta(NULL, gfp, bin->nid);
	while (map && spare.nr < need) {
		struct page *page = zs_alloc_page(gfp | __GFP_THISNODE, bin->nid);

		if (!page)
			break;
		spare.page[spare.nr++] = page;
	}
	if (!map || spare.nr < need)
		goto out;

	spin_lock(&bin->lock);
	z = bin_stub_to_revive(bin);
	if (z && spare.nr >= pages_for(bin->class, hweight64(z->handles)) && zspage_trylock(z)) {
		if (zspage_trylock(z->store)) {
			dead = __bin_revive(bin, z, map, &spare);
			map = NULL;
			done = true;
		} else {
			zspage_unlock(z);
		}
	}
	spin_unlock(&bin->lock);
	if (dead)
		zspage_free(dead);
out:
	zs_free_pages(&spare, 0);
	kfree(map);
	return done;
}

/* How much larger, in classes, a slot may be to save waiting for a lock. */
#define ZS_DETOUR	3

/*
 * Locks the bin, or one of a class a little larger if it is being used while that one
 * is not, and returns which.
 */
static struct zs_bin *bin_lock_quiet(struct zs_bin *bin)
	__acquires(&bin->lock)
{
	const struct size_class *class = bin->class;
	unsigned int i;

	if (likely(!bin_seems_busy(bin) && spin_trylock(&bin->lock)))
		return bin;
	for (i = 1; i <= ZS_DETOUR && class->index + i < zs_nr_classes; i++) {
		struct zs_bin *other = bin_get(bin->pool, class + i, bin->nid);

		if (other && !bin_seems_busy(other) && spin_trylock(&other->lock))
			return other;
	}
	spin_lock(&bin->lock);
	return bin;
}

static unsigned long zs_take(struct zs_pool *pool, const struct size_class *class, int nid)
{
	struct zs_bin *bin = bin_get(pool, class, nid);
	unsigned long handle;

	if (!bin)
		return 0;
	bin = bin_lock_quiet(bin);
	handle = bin_take(bin);
	spin_unlock(&bin->lock);
	return handle;
}

/* Takes a slot on a new page, of @nid or where else @gfp lets it come from. */
static unsigned long zs_grow(struct zs_pool *pool, const struct size_class *class,
			     int nid, gfp_t gfp)
{
	struct zspage *z, *fresh = NULL;
	bool revived = false;
	unsigned long handle;
	unsigned int slot;
	struct page *page;
	struct zs_bin *bin;

	page = zs_alloc_page(gfp, nid);
	if (!page)
		return 0;
	bin = bin_make(pool, class, page_to_nid(page), gfp);
	if (!bin) {
		zs_free_page(page);
		return 0;
	}

	bin = bin_lock_quiet(bin);
	class = bin->class;
	for (;;) {
		/* Somebody may have made room meanwhile, or bin_revive() has. */
		handle = bin_take(bin);
		if (handle)
			break;
		z = bin_first(bin, ZS_GROW);
		if (z) {
			z->present &= ~ZSPAGE_CRAMPED;
			zspage_attach(z, lowest_absent(class, z->present), page);
			unlock_page(page);
			page = NULL;
			slot = __ffs64(slots_on_pages(class, z->slots, z->present));
			handle = bin_assign(bin, z, slot, ZS_GROW);
			break;
		}
		if (fresh) {
			zspage_attach(fresh, 0, page);
			unlock_page(page);
			page = NULL;
			fresh->handles = 1;
			fresh->slots = 1;
			bin->objects++;
			zspage_add(fresh);
			handle = make_handle(fresh, 0);
			fresh = NULL;
			break;
		}
		spin_unlock(&bin->lock);
		if (!revived && bin_revive(bin, gfp)) {
			revived = true;
		} else {
			fresh = zspage_alloc(bin, gfp);
			if (!fresh)
				goto out;
		}
		spin_lock(&bin->lock);
	}
	spin_unlock(&bin->lock);
	if (fresh)
		zspage_free(fresh);
out:
	if (page)
		zs_free_page(page);
	return handle;
}

/* Access to objects */

/*
 * Keeps the object of @handle where it is until zspage_unpin(), and returns
 * the zspage and slot it is in.
 */
static __always_inline struct zspage *zspage_pin(unsigned long handle, unsigned int *slot)
{
	struct zspage *z = handle_zspage(handle);
	unsigned int index = handle_index(handle);
	struct zs_bin *bin = z->bin;
	struct zspage *store;

	if (likely(atomic_inc_unless_negative(&z->pins))) {
		/* A stub may be given another store meanwhile, but not be revived. */
		if (likely(READ_ONCE(z->store) == z)) {
			*slot = zspage_slot(z, index);
			return z;
		}
		atomic_dec(&z->pins);
	}

	/* Who locks a zspage has the bin's lock as long. */
	spin_lock(&bin->lock);
	store = z->store;
	*slot = zspage_slot(z, index);
	atomic_inc(&store->pins);
	spin_unlock(&bin->lock);
	return store;
}

/* What is pinned stays the store of the handle, so no need to ask the bin. */
static void zspage_unpin(unsigned long handle)
{
	struct zspage *store = READ_ONCE(handle_zspage(handle)->store);
	int left = atomic_dec_return_release(&store->pins);

	VM_WARN_ON_ONCE(left < 0);
}

static void check_pool(struct zs_pool *pool, unsigned long handle)
{
	VM_WARN_ON_ONCE(handle_zspage(handle)->bin->pool != pool);
}

/**
 * zs_obj_read_begin() - make an object readable
 * @pool: pool that @handle is from
 * @handle: what zs_malloc() returned
 * @mem_len: bytes that will be read, at most the size given to zs_malloc()
 * @local_copy: PAGE_SIZE bytes that the object is copied to if it cannot be
 *		read in place, because it lies over two pages or in highmem
 *
 * Several readers may have the same object. Page migration and compaction
 * leave it alone until zs_obj_read_end(), so be quick about it.
 *
 * Context: Any but interrupts. The caller may sleep before zs_obj_read_end().
 * Return: The object's bytes, in place or in @local_copy; not to be written.
 */
void *zs_obj_read_begin(struct zs_pool *pool, unsigned long handle,
			size_t mem_len, void *local_copy)
{
	size_t off, part, rest;
	struct zspage *z;
	struct page *page;
	unsigned int slot;

	check_pool(pool, handle);
	z = zspage_pin(handle, &slot);
	page = slot_part(z, slot, 0, mem_len, &off, &part);
	if (part == mem_len && !PageHighMem(page))
		return page_address(page) + off;
	memcpy_from_page(local_copy, page, off, part);
	if (part < mem_len) {
		page = slot_part(z, slot, part, mem_len, &off, &rest);
		memcpy_from_page(local_copy + part, page, off, rest);
	}
	return local_copy;
}
EXPORT_SYMBOL_GPL(zs_obj_read_begin);

/**
 * zs_obj_read_end() - end what zs_obj_read_begin() began
 * @pool: as for zs_obj_read_begin()
 * @handle: as for zs_obj_read_begin()
 * @mem_len: as for zs_obj_read_begin()
 * @handle_mem: what zs_obj_read_begin() returned
 *
 * Context: Any but interrupts. Does not sleep.
 */
void zs_obj_read_end(struct zs_pool *pool, unsigned long handle,
		     size_t mem_len, void *handle_mem)
{
	check_pool(pool, handle);
	zspage_unpin(handle);
}
EXPORT_SYMBOL_GPL(zs_obj_read_end);

/**
 * zs_obj_read_sg_begin() - make an object readable as a scatterlist
 * @pool: pool that @handle is from
 * @handle: what zs_malloc() returned
 * @sg: two entries, initialized here; one is used if the object lies on one
 *	page
 * @mem_len: bytes that will be read, at most the size given to zs_malloc()
 *
 * Nothing is copied, in highmem either.
 *
 * Context: Any but interrupts. The caller may sleep before
 * zs_obj_read_sg_end().
 */
void zs_obj_read_sg_begin(struct zs_pool *pool, unsigned long handle,
			  struct scatterlist *sg, size_t mem_len)
{
	struct zspage *z;
	struct page *page;
	size_t off, part;
	unsigned int slot;

	check_pool(pool, handle);
	z = zspage_pin(handle, &slot);
	page = slot_part(z, slot, 0, mem_len, &off, &part);
	sg_init_table(sg, part < mem_len ? 2 : 1);
	sg_set_page(sg, page, part, off);
	if (part < mem_len) {
		page = slot_part(z, slot, part, mem_len, &off, &part);
		sg_set_page(sg_next(sg), page, part, off);
	}
}
EXPORT_SYMBOL_GPL(zs_obj_read_sg_begin);

/**
 * zs_obj_read_sg_end() - end what zs_obj_read_sg_begin() began
 * @pool: as for zs_obj_read_sg_begin()
 * @handle: as for zs_obj_read_sg_begin()
 *
 * Context: Any but interrupts. Does not sleep.
 */
void zs_obj_read_sg_end(struct zs_pool *pool, unsigned long handle)
{
	check_pool(pool, handle);
	zspage_unpin(handle);
}
EXPORT_SYMBOL_GPL(zs_obj_read_sg_end);

/**
 * zs_obj_write() - fill an object
 * @pool: pool that @handle is from
 * @handle: what zs_malloc() returned
 * @handle_mem: the bytes
 * @mem_len: how many, at most the size given to zs_malloc()
 *
 * The caller sees to it that nobody else reads or writes this object.
 *
 * Context: Any but interrupts. Does not sleep.
 */
void zs_obj_write(struct zs_pool *pool, unsigned long handle,
		  void *handle_mem, size_t mem_len)
{
	struct zspage *z;
	unsigned int slot;

	check_pool(pool, handle);
	if (unlikely(mem_len > handle_zspage(handle)->bin->class->size)) {
		zs_misuse("write of more than fits", handle);
		return;
	}
	z = zspage_pin(handle, &slot);
	slot_write(z, slot, handle_mem, mem_len);
	zspage_unpin(handle);
}
EXPORT_SYMBOL_GPL(zs_obj_write);

/* malloc and free */

/**
 * zs_malloc() - allocate memory for an object
 * @pool: pool to allocate from
 * @size: bytes, 1 to PAGE_SIZE
 * @gfp: how memory may be got; __GFP_HIGHMEM and __GFP_MOVABLE are welcome
 * @nid: node whose memory is preferred, or NUMA_NO_NODE for this CPU's
 *
 * In order: a slot on a page that the pool has on @nid; a new page there, if
 * that needs neither direct reclaim nor reserves; a slot the pool has on
 * another node; a new page from anywhere, with @gfp. What would have to wait
 * for another CPU may get a slot of one of the next ZS_DETOUR classes instead.
 *
 * The memory is not initialized.
 *
 * Context: Any but interrupts. Sleeps only if @gfp allows it.
 * Return: A handle, never 0; or an error as an ERR_PTR() value: -EINVAL if
 * @size is 0, -ENOSPC if it is more than PAGE_SIZE, -ENOMEM. Nothing is
 * logged.
 */
unsigned long zs_malloc(struct zs_pool *pool, size_t size, gfp_t gfp, const int nid)
{
	const struct size_class *class;
	unsigned long handle;
	int near = nid, far;

	if (unlikely(!size))
		return (unsigned long)ERR_PTR(-EINVAL);
	if (unlikely(size > PAGE_SIZE))
		return (unsigned long)ERR_PTR(-ENOSPC);

	class = size_class(size);
	if (near == NUMA_NO_NODE)
		near = numa_mem_id();
	handle = zs_take(pool, class, near);
	if (likely(handle))
		return handle;

	if (num_node_state(N_MEMORY) > 1 || !node_state(near, N_MEMORY)) {
		handle = zs_grow(pool, class, near, gfp_optional(gfp) | __GFP_THISNODE);
		if (likely(handle))
			return handle;
		/* Also those whose memory went offline: the pages have moved. */
		for_each_node(far) {
			if (far == near)
				continue;
			handle = zs_take(pool, class, far);
			if (handle)
				return handle;
		}
	}
	handle = zs_grow(pool, class, near, gfp | __GFP_NOWARN);
	return handle ?: (unsigned long)ERR_PTR(-ENOMEM);
}
EXPORT_SYMBOL_GPL(zs_malloc);

/* False if there is no room for it. */
static bool zs_defer_free(struct zs_pool *pool, unsigned long handle)
{
	struct zs_deferred *deferred = raw_cpu_ptr(pool->deferred);
	bool room;

	spin_lock(&deferred->lock);
	room = deferred->nr < ZS_MAX_DEFERRED;
	if (room)
		deferred->handle[deferred->nr++] = handle;
	spin_unlock(&deferred->lock);
	if (room)
		schedule_delayed_work(&pool->deferred_work, ZS_DEFER_JIFFIES);
	return room;
}

/* Takes one of the objects that were put off, 0 if there is none. */
static unsigned long zs_next_deferred(struct zs_deferred *deferred)
{
	unsigned long handle = 0;

	spin_lock(&deferred->lock);
	if (deferred->nr)
		handle = deferred->handle[--deferred->nr];
	spin_unlock(&deferred->lock);
	return handle;
}

static __always_inline void zs_free_or_defer(struct zs_pool *pool, unsigned long handle)
{
	struct zs_bin *bin = handle_zspage(handle)->bin;

	if (bin_seems_busy(bin) || !spin_trylock(&bin->lock)) {
		if (zs_defer_free(pool, handle))
			return;
		spin_lock(&bin->lock);
	}
	bin_free(bin, handle);
}

static void zs_free_deferred(struct work_struct *work)
{
	struct zs_pool *pool = container_of(work, struct zs_pool, deferred_work.work);
	int cpu, left;

	for_each_possible_cpu(cpu) {
		struct zs_deferred *deferred = per_cpu_ptr(pool->deferred, cpu);
		unsigned long handle;

		for (left = READ_ONCE(deferred->nr); left > 0; left--) {
			handle = zs_next_deferred(deferred);
			if (!handle)
				break;
			/* It may be put off again, and then so is this work. */
			zs_free_or_defer(pool, handle);
			cond_resched();
		}
	}
}

/**
 * zs_free() - free an object
 * @pool: pool that @handle is from
 * @handle: what zs_malloc() returned; 0 and errors are ignored
 *
 * The caller sees to it that the object is not being read or written. Where it
 * would have to wait for another CPU, the memory is given back a little later.
 *
 * Context: Any but interrupts. Does not sleep.
 */
void zs_free(struct zs_pool *pool, unsigned long handle)
{
	struct zs_deferred *deferred;

	if (IS_ERR_OR_NULL((void *)handle))
		return;

	check_pool(pool, handle);
	zs_free_or_defer(pool, handle);
	/* What was put off before gets another chance, one at a time. */
	deferred = raw_cpu_ptr(pool->deferred);
	if (unlikely(READ_ONCE(deferred->nr))) {
		handle = zs_next_deferred(deferred);
		if (handle)
			zs_free_or_defer(pool, handle);
	}
}
EXPORT_SYMBOL_GPL(zs_free);

/* Frees the zspages whose last page was locked when their last object went. */
static void bin_bury(struct zs_bin *bin)
{
	struct zspage *z;

	spin_lock(&bin->lock);
	while ((z = bin_first(bin, ZS_DEAD))) {
		struct zs_pages pages = { };
		struct page *page;

		if (zspage_present(z)) {
			page = z->pages[__ffs(zspage_present(z))];
			get_page(page);
			spin_unlock(&bin->lock);
			wait_on_page_locked(page);
			put_page(page);
			/* Only this worker frees a dead zspage. */
			spin_lock(&bin->lock);
			zspage_vacate_to(z, zspage_present(z), &pages, false);
		}
		if (zspage_present(z))
			z = NULL;
		else
			zspage_del(z);
		spin_unlock(&bin->lock);
		zs_free_pages(&pages, 0);
		if (z)
			zspage_free(z);
		cond_resched();
		spin_lock(&bin->lock);
	}
	spin_unlock(&bin->lock);
}

/* The first bin at or after *@i that has been made, *@i then being behind it. */
static struct zs_bin *next_bin(struct zs_pool *pool, unsigned int *i)
{
	struct zs_bin *bin = NULL;

	while (!bin && *i < zs_nr_classes * nr_node_ids)
		/* Pairs with cmpxchg_release() in bin_make(). */
		bin = smp_load_acquire(&pool->bins[(*i)++]);
	return bin;
}

static void zs_bury(struct work_struct *work)
{
	struct zs_pool *pool = container_of(work, struct zs_pool, burial);
	struct zs_bin *bin;
	unsigned int i = 0;

	while ((bin = next_bin(pool, &i)))
		bin_bury(bin);
}

/* Page migration. The page is locked, so it stays attached where it is. */

static bool zs_page_isolate(struct page *page, isolate_mode_t mode)
{
	return true;
}

static int zs_page_migrate(struct page *newpage, struct page *page, enum migrate_mode mode)
{
	struct zspage *z = (struct zspage *)page_private(page);
	struct zs_bin *bin = z->bin;
	unsigned int p = page->index;

	spin_lock(&bin->lock);
	if (!(z->slots & bin->class->touching[p])) {
		/* Nothing on it: migration frees both pages. */
		zspage_detach(z, p);
		goto detached;
	}
	if (!zspage_trylock(z)) {
		spin_unlock(&bin->lock);
		return -EAGAIN;
	}
	copy_highpage(newpage, page);
	page_clear_owner(page);
	get_page(newpage);
	page_set_owner(newpage, z, p);
	z->pages[p] = newpage;
	zspage_unlock(z);
detached:
	spin_unlock(&bin->lock);
	put_page(page);
	return MIGRATEPAGE_SUCCESS;
}

static void zs_page_putback(struct page *page)
{
}

static const struct movable_operations zs_movable_ops = {
	.isolate_page = zs_page_isolate,
	.migrate_page = zs_page_migrate,
	.putback_page = zs_page_putback,
};

/* Compaction: merge and pack, inside a bin */

/*
 * Where the objects of @from would go in @to, and how many pages that would
 * free; below 1 if it is not worth it or not possible with @nr_spare pages.
 * bin_merge() then does the same steps.
 */
static int merge_plan(const struct zspage *from, const struct zspage *to,
		      unsigned int nr_spare, u8 *dest)
{
	const struct size_class *class = from->bin->class;
	u64 from_slots = from->slots, to_slots = to->slots, avail;
	u16 from_present = zspage_present(from), to_present = zspage_present(to);
	unsigned int slot, p;
	int spare = nr_spare;

	for_each_u64_bit(p, from_present)
		if (!(from_slots & class->touching[p]))
			spare++;

	avail = slots_on_pages(class, to_slots, to_present);
	for_each_u64_bit(slot, from->slots) {
		if (!avail) {
			if (!spare || to_present == page_mask(class))
				return 0;
			spare--;
			to_present |= BIT(lowest_absent(class, to_present));
			avail = slots_on_pages(class, to_slots, to_present);
		}
		dest[slot] = __ffs64(avail);
		to_slots |= BIT_ULL(dest[slot]);
		avail &= avail - 1;
		from_slots &= ~BIT_ULL(slot);
		for_each_u64_bit(p, slot_pages(class, slot))
			if (!(from_slots & class->touching[p]))
				spare++;
	}
	return spare - (int)nr_spare;
}

/*
 * Moves all objects of @from to @to. @from becomes a stub of @to, or if all
 * it had belongs to stubs, it is returned in @dead. Returns the number of
 * pages freed, which are in @spare now, 0 if it did not happen.
 */
static int bin_merge(struct zspage *from, struct zspage *to, struct zs_pages *spare,
		     struct zspage **dead)
{
	u8 dest[ZS_MAX_SLOTS], map[ZS_MAX_SLOTS];
	u16 old = zspage_present(to);
	struct hlist_node *next;
	unsigned int index, slot;
	struct zspage *stub;
	int gain;

	gain = merge_plan(from, to, spare->nr, dest);
	if (gain <= 0 || !zspage_trylock_pages(from))
		return 0;
	/* What @to holds already stays, so it may be in use. */
	if (!zspage_trylock(from)) {
		zspage_unlock_pages(from, zspage_present(from));
		return 0;
	}

	zspage_del(from);
	zspage_del(to);
	for_each_u64_bit(index, from->handles)
		map[index] = dest[zspage_slot(from, index)];

	to->present &= ~ZSPAGE_CRAMPED;
	zspage_vacate_to(from, zspage_present(from), spare, true);
	for_each_u64_bit(slot, from->slots)
		move_object(to, dest[slot], from, slot, spare, true);
	VM_WARN_ON_ONCE(zspage_present(from));
	from->present = 0;
	zspage_unlock_pages(to, zspage_present(to) & ~old);

	hlist_for_each_entry_safe(stub, next, &from->stubs, sibling) {
		for_each_u64_bit(index, stub->handles)
			stub->map[index] = dest[stub->map[index]];
		hlist_del(&stub->sibling);
		hlist_add_head(&stub->sibling, &to->stubs);
		WRITE_ONCE(stub->store, to);
	}
	if (from->handles) {
		kfree(from->map);
		memcpy(from->stub_map, map, sizeof(map));
		from->map = from->stub_map;
		hlist_add_head(&from->sibling, &to->stubs);
		WRITE_ONCE(from->store, to);
	}

	*dead = zspage_settle(from);
	zspage_add(to);
	zspage_unlock(from);
	return gain;
}

/* True if @nr_spare pages suffice at each step of bin_pack(). */
static bool pack_possible(const struct zspage *z, unsigned int nr_spare)
{
	const struct size_class *class = z->bin->class;
	u16 present = zspage_present(z);
	unsigned int slot, p, to = 0;
	u64 slots = z->slots;

	for_each_u64_bit(slot, z->slots) {
		for_each_u64_bit(p, slot_pages(class, to) & ~present) {
			if (!nr_spare--)
				return false;
			present |= BIT(p);
		}
		slots &= ~BIT_ULL(slot);
		slots |= BIT_ULL(to++);
		for_each_u64_bit(p, slot_pages(class, slot) & present) {
			if (slots & class->touching[p])
				continue;
			present &= ~BIT(p);
			nr_spare++;
		}
	}
	return true;
}

/*
 * Moves the objects of @z to its lowest slots. @map becomes its map if it has
 * none, and is NULL then. Returns the number of pages freed, which are in
 * @spare now.
 */
static int bin_pack(struct zspage *z, struct zs_pages *spare, u8 **map)
{
	unsigned int nr_spare = spare->nr, index, slot, to = 0;
	u8 dest[ZS_MAX_SLOTS];
	struct zspage *stub;

	if (hweight16(zspage_present(z)) <= pages_for(z->bin->class, hweight64(z->slots)))
		return 0;
	if ((!z->map && !*map) || !pack_possible(z, nr_spare) || !zspage_trylock_pages(z))
		return 0;
	if (!zspage_trylock(z)) {
		zspage_unlock_pages(z, zspage_present(z));
		return 0;
	}

	zspage_del(z);
	for_each_u64_bit(slot, z->slots) {
		dest[slot] = to;
		move_object(z, to++, z, slot, spare, true);
	}
	/* Those no slot lay on to begin with. */
	zspage_vacate_to(z, zspage_present(z), spare, true);
	if (!z->map) {
		for_each_u64_bit(index, z->handles)
			(*map)[index] = index;
		z->map = *map;
		*map = NULL;
	}
	for_each_u64_bit(index, z->handles)
		z->map[index] = dest[z->map[index]];
	hlist_for_each_entry(stub, &z->stubs, sibling)
		for_each_u64_bit(index, stub->handles)
			stub->map[index] = dest[stub->map[index]];

	z->present &= ~ZSPAGE_CRAMPED;
	zspage_add(z);
	zspage_unlock_pages(z, zspage_present(z));
	zspage_unlock(z);
	return spare->nr - nr_spare;
}

/* How many zspages of a list are looked at in search of a good one. */
#define ZS_SCAN	16

/*
 * The fullest of the first few of each list that can take all of @from. One on
 * ZS_GROW would need a page for it, so that comes last.
 */
static struct zspage *bin_merge_target(struct zs_bin *bin, struct zspage *from)
{
	unsigned int most = bin->class->slots - hweight64(from->slots);
	struct zspage *z, *best = NULL;
	int l, tries;

	for (l = ZS_ROOM; l < NR_ZS_PARTIAL; l++) {
		if (best && l == ZS_GROW)
			break;
		tries = ZS_SCAN;
		list_for_each_entry(z, &bin->lists[l], list) {
			if (z != from && hweight64(z->slots) <= most &&
			    (!best || hweight64(z->slots) > hweight64(best->slots)))
				best = z;
			if (!--tries)
				break;
		}
	}
	return best;
}

static unsigned long bin_nr_partial(const struct zs_bin *bin)
{
	unsigned long nr = 0;
	int l;

	for (l = 0; l < NR_ZS_PARTIAL; l++)
		nr += READ_ONCE(bin->nr[l]);
	return nr;
}

/*
 * Pages that compaction may free, roughly: those beyond what the objects would
 * fill in full zspages, less half a page for each zspage that is partly used,
 * which is what merging and packing leave of it on average.
 */
static unsigned long bin_freeable(const struct zs_bin *bin)
{
	const struct size_class *class = bin->class;
	unsigned long objects = READ_ONCE(bin->objects);
	unsigned long need = objects / class->slots * class->pages +
			     pages_for(class, objects % class->slots) +
			     bin_nr_partial(bin) / 2;
	unsigned long pages = READ_ONCE(bin->pages);

	return pages > need ? pages - need : 0;
}

/**
 * struct zs_compact_control - one run of compaction on one node
 * @want: pages to free
 * @tries: zspages to look at
 * @freed: pages freed
 * @spare: up to two pages to start with, and what has become free
 * @map: for the next zspage that is packed, or NULL
 * @dead: to be freed
 */
struct zs_compact_control {
	unsigned long want;
	unsigned long tries;
	unsigned long freed;
	struct zs_pages spare;
	u8 *map;
	struct zspage *dead;
};

/* Counts the last attempt, and lets others at the bin. True to go on. */
static bool bin_compact_next(struct zs_bin *bin, struct zs_compact_control *cc, int gain)
	__must_hold(&bin->lock)
{
	spin_unlock(&bin->lock);
	cc->freed += gain;
	cc->tries--;
	if (cc->dead)
		zspage_free(cc->dead);
	cc->dead = NULL;
	zs_free_pages(&cc->spare, 2);
	if (!cc->map)
		cc->map = zs_alloc_meta(NULL, gfp_optional(GFP_NOWAIT), bin->nid);
	cond_resched();
	spin_lock(&bin->lock);
	return cc->freed < cc->want && cc->tries;
}

/* Goes over each zspage once; those that stay go to the end of their list. */
static void bin_compact(struct zs_bin *bin, struct zs_compact_control *cc)
{
	struct zspage *z, *to;
	unsigned int left;
	int l, gain;

	spin_lock(&bin->lock);
	for (l = NR_ZS_PARTIAL - 1; l >= 0; l--) {
		for (left = bin->nr[l]; left && (z = bin_first(bin, l)); left--) {
			to = bin_merge_target(bin, z);
			gain = to ? bin_merge(z, to, &cc->spare, &cc->dead) : 0;
			/* What has just become fuller is to be no source next. */
			if (gain)
				z = to;
			list_move_tail(&z->list, &bin->lists[zspage_list(z)]);
			if (!bin_compact_next(bin, cc, gain))
				goto out;
		}
	}
	for (l = NR_ZS_PARTIAL - 1; l >= 0; l--) {
		for (left = bin->nr[l]; left && (z = bin_first(bin, l)); left--) {
			gain = bin_pack(z, &cc->spare, &cc->map);
			list_move_tail(&z->list, &bin->lists[zspage_list(z)]);
			if (!bin_compact_next(bin, cc, gain))
				goto out;
		}
	}
out:
	spin_unlock(&bin->lock);
}

/* The caller holds pool->compacting. */
static unsigned long zs_compact_node(struct zs_pool *pool, int nid, unsigned long want,
				     unsigned long tries)
{
	gfp_t gfp = gfp_optional(GFP_NOWAIT);
	gfp_t page_gfp = gfp | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_THISNODE;
	struct zs_compact_control cc = { .want = want, .tries = tries };
	unsigned int c;

	for (c = 0; c < zs_nr_classes && cc.freed < want && cc.tries; c++) {
		struct zs_bin *bin = bin_get(pool, &zs_classes[c], nid);

		if (!bin || !bin_freeable(bin))
			continue;
		/* It can do without, but less well. */
		while (cc.spare.nr < 2) {
			struct page *page = zs_alloc_page(page_gfp, nid);

			if (!page)
				break;
			cc.spare.page[cc.spare.nr++] = page;
		}
		if (!cc.map)
			cc.map = zs_alloc_meta(NULL, gfp, nid);
		bin_compact(bin, &cc);
		/* Migration may be waiting for one of them. */
		zs_free_pages(&cc.spare, 0);
	}
	kfree(cc.map);
	atomic_long_add(cc.freed, &pool->stats.pages_compacted);
	return cc.freed;
}

/**
 * zs_compact() - give memory back that freed objects have left unused
 * @pool: the pool
 *
 * Goes on from class to class and node to node; objects being read or written
 * are left where they are.
 *
 * Context: Process context. Takes pool->compacting and may sleep.
 * Return: Number of pages freed.
 */
unsigned long zs_compact(struct zs_pool *pool)
{
	unsigned long freed = 0;
	int nid;

	mutex_lock(&pool->compacting);
	for_each_node(nid)
		freed += zs_compact_node(pool, nid, ULONG_MAX, ULONG_MAX);
	mutex_unlock(&pool->compacting);
	return freed;
}
EXPORT_SYMBOL_GPL(zs_compact);

static unsigned long zs_shrinker_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct zs_pool *pool = shrinker->private_data;
	unsigned long freeable = 0;
	unsigned int c;

	for (c = 0; c < zs_nr_classes; c++) {
		struct zs_bin *bin = bin_get(pool, &zs_classes[c], sc->nid);

		if (bin)
			freeable += bin_freeable(bin);
	}
	return freeable ?: SHRINK_EMPTY;
}

/* Runs in direct reclaim: nothing here waits for memory or eats reserves. */
static unsigned long zs_shrinker_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct zs_pool *pool = shrinker->private_data;
	unsigned long freed;

	if (!mutex_trylock(&pool->compacting))
		return SHRINK_STOP;
	/* Looking at a few zspages for each page is enough, if there are any. */
	freed = zs_compact_node(pool, sc->nid, sc->nr_to_scan, 4 * sc->nr_to_scan);
	mutex_unlock(&pool->compacting);
	return freed ?: SHRINK_STOP;
}

/* Statistics */

/**
 * zs_get_total_pages() - memory that objects take
 * @pool: the pool
 *
 * Context: Any.
 * Return: Number of pages attached.
 */
unsigned long zs_get_total_pages(struct zs_pool *pool)
{
	return atomic_long_read(&pool->pages);
}
EXPORT_SYMBOL_GPL(zs_get_total_pages);

/**
 * zs_pool_stats() - what a pool has done since it was made
 * @pool: the pool
 * @stats: filled in
 *
 * Context: Any.
 */
void zs_pool_stats(struct zs_pool *pool, struct zs_pool_stats *stats)
{
	atomic_long_set(&stats->pages_compacted,
			atomic_long_read(&pool->stats.pages_compacted));
}
EXPORT_SYMBOL_GPL(zs_pool_stats);

/**
 * zs_huge_class_size() - from which size on an object takes a whole page
 * @pool: any pool
 *
 * Context: Any.
 * Return: Smallest size in bytes that is not worth compressing a page to.
 */
size_t zs_huge_class_size(struct zs_pool *pool)
{
	return zs_classes[zs_nr_classes - 2].size + 1;
}
EXPORT_SYMBOL_GPL(zs_huge_class_size);

/**
 * zs_lookup_class_index() - tell sizes apart as zs_malloc() does
 * @pool: any pool
 * @size: bytes; what is out of range counts as 1 or PAGE_SIZE
 *
 * Context: Any.
 * Return: The same number for sizes that take as much memory, a larger one for
 * a size that takes more.
 */
unsigned int zs_lookup_class_index(struct zs_pool *pool, unsigned int size)
{
	return size_class(clamp_t(unsigned int, size, 1, PAGE_SIZE))->index;
}
EXPORT_SYMBOL_GPL(zs_lookup_class_index);

#ifdef CONFIG_ZSMALLOC_STAT

#define ZS_DECILES	11	/* up to 10 %, ..., up to 99 %, 100 % in use */

/* What a line of the statistics shows: a class, or all. */
struct zs_line {
	unsigned int deciles[ZS_DECILES];
	unsigned long allocated;
	unsigned long objects;
	unsigned long pages;
	unsigned long freeable;
};

static void zs_line_add_bin(struct zs_line *line, struct zs_bin *bin)
{
	unsigned int slots = bin->class->slots;
	struct zspage *z;
	int l;

	spin_lock(&bin->lock);
	/* Counting each time that one changes would cost malloc and free more. */
	for (l = 0; l <= ZS_FULL; l++) {
		list_for_each_entry(z, &bin->lists[l], list) {
			unsigned int used = hweight64(z->slots);

			line->deciles[used == slots ? ZS_DECILES - 1 : used * 10 / slots]++;
		}
	}
	/* As many as would fit on the pages attached. */
	line->allocated += max_t(u64, bin->objects,
				 div_u64((u64)bin->pages * PAGE_SIZE, bin->class->size));
	line->objects += bin->objects;
	line->pages += bin->pages;
	line->freeable += bin_freeable(bin);
	spin_unlock(&bin->lock);
}

static void zs_line_show(struct seq_file *s, const struct zs_line *line, const char *pages)
{
	int d;

	for (d = 0; d < ZS_DECILES; d++)
		seq_printf(s, "%9u ", line->deciles[d]);
	seq_printf(s, "%13lu %10lu %10lu %16s %8lu\n", line->allocated, line->objects,
		   line->pages, pages, line->freeable);
}

/* Scripts know the columns: keep their names and order. */
static int zs_classes_show(struct seq_file *s, void *unused)
{
	static const char * const deciles[ZS_DECILES] = {
		"10%", "20%", "30%", "40%", "50%", "60%", "70%", "80%", "90%", "99%", "100%",
	};
	struct zs_pool *pool = s->private;
	struct zs_line total = { };
	unsigned int c;
	int d, nid;

	seq_printf(s, " %5s %5s ", "class", "size");
	for (d = 0; d < ZS_DECILES; d++)
		seq_printf(s, "%9s ", deciles[d]);
	seq_printf(s, "%13s %10s %10s %16s %8s\n", "obj_allocated", "obj_used", "pages_used",
		   "pages_per_zspage", "freeable");

	for (c = 0; c < zs_nr_classes; c++) {
		const struct size_class *class = &zs_classes[c];
		struct zs_line line = { };
		char pages[8];

		for_each_node(nid) {
			struct zs_bin *bin = bin_get(pool, class, nid);

			if (bin) {
				zs_line_add_bin(&line, bin);
				zs_line_add_bin(&total, bin);
			}
		}
		seq_printf(s, " %5u %5u ", c, class->size);
		snprintf(pages, sizeof(pages), "%u", class->pages);
		zs_line_show(s, &line, pages);
	}
	seq_printf(s, "\n %5s %5s ", "Total", "");
	zs_line_show(s, &total, "");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(zs_classes);

static void zs_debugfs_add(struct zs_pool *pool)
{
	pool->debugfs = debugfs_create_dir(pool->name, zs_debugfs_root);
	debugfs_create_file("classes", 0444, pool->debugfs, pool, &zs_classes_fops);
}

static void __init zs_debugfs_init(void)
{
	zs_debugfs_root = debugfs_create_dir("zsmalloc", NULL);
}
#else
static void zs_debugfs_add(struct zs_pool *pool)
{
}

static void __init zs_debugfs_init(void)
{
}
#endif

/* Pools */

/**
 * zs_create_pool() - make a pool
 * @name: name of its shrinker and its directory in debugfs; copied
 *
 * Context: Process context. May sleep.
 * Return: The pool, NULL if there is no memory for it.
 */
struct zs_pool *zs_create_pool(const char *name)
{
	struct zs_pool *pool;
	int cpu;

	pool = kvzalloc(struct_size(pool, bins, zs_nr_classes * nr_node_ids), GFP_KERNEL);
	if (!pool)
		return NULL;
	mutex_init(&pool->compacting);
	INIT_WORK(&pool->burial, zs_bury);
	INIT_DELAYED_WORK(&pool->deferred_work, zs_free_deferred);
	pool->deferred = alloc_percpu(struct zs_deferred);
	if (!pool->deferred)
		goto free_pool;
	for_each_possible_cpu(cpu)
		spin_lock_init(&per_cpu_ptr(pool->deferred, cpu)->lock);
	pool->name = kstrdup(name, GFP_KERNEL);
	if (!pool->name)
		goto free_deferred;
	pool->shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE, "mm-zspool:%s", name);
	if (!pool->shrinker)
		goto free_name;
	pool->shrinker->count_objects = zs_shrinker_count;
	pool->shrinker->scan_objects = zs_shrinker_scan;
	pool->shrinker->private_data = pool;
	shrinker_register(pool->shrinker);
	zs_debugfs_add(pool);
	return pool;

free_name:
	kfree(pool->name);
free_deferred:
	free_percpu(pool->deferred);
free_pool:
	kvfree(pool);
	return NULL;
}
EXPORT_SYMBOL_GPL(zs_create_pool);

/**
 * zs_destroy_pool() - free a pool
 * @pool: the pool, with no object in it; or NULL
 *
 * A pool that still has objects is reported and left as it is: memory is lost
 * then, but what still uses a handle does not corrupt other memory.
 *
 * Context: Process context. May sleep.
 */
void zs_destroy_pool(struct zs_pool *pool)
{
	struct zs_bin *bin;
	unsigned int i = 0;

	if (!pool)
		return;
	/* Runs it at once if it is waiting for its time, and again if need be. */
	while (flush_delayed_work(&pool->deferred_work))
		;
	while ((bin = next_bin(pool, &i))) {
		if (bin->objects) {
			/* The code must stay where the shrinker and pages look for it. */
			__module_get(THIS_MODULE);
			zs_misuse("pool destroyed with objects in it", 0);
			return;
		}
	}
	debugfs_remove_recursive(pool->debugfs);
	shrinker_free(pool->shrinker);
	flush_work(&pool->burial);
	i = 0;
	while ((bin = next_bin(pool, &i)))
		kmem_cache_free(bin_cache, bin);
	free_percpu(pool->deferred);
	kfree(pool->name);
	kvfree(pool);
}
EXPORT_SYMBOL_GPL(zs_destroy_pool);

static int __init zs_init(void)
{
	zs_init_classes();
	zspage_cache = KMEM_CACHE(zspage, 0);
	if (!zspage_cache)
		return -ENOMEM;
	bin_cache = KMEM_CACHE(zs_bin, 0);
	if (!bin_cache) {
		kmem_cache_destroy(zspage_cache);
		return -ENOMEM;
	}
	zs_debugfs_init();
	return 0;
}

static void __exit zs_exit(void)
{
	debugfs_remove_recursive(zs_debugfs_root);
	kmem_cache_destroy(bin_cache);
	kmem_cache_destroy(zspage_cache);
}

module_init(zs_init);
module_exit(zs_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("zsmalloc - memory for compressed pages");

#ifdef CONFIG_ZSMALLOC_KUNIT_TEST
#include "tests/zsmalloc_kunit.c"
#endif
