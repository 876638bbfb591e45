// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of zsmalloc: each state and each transition of a zspage, with
 * the bytes of every object compared. Included by mm/zsmalloc.c.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/prandom.h>

/* A size of which a zspage has dozens of slots, and most lie over two pages. */
#define ZS_TEST_SIZE	(PAGE_SIZE / 64 * 22)

struct zs_test {
	struct zs_pool *pool;
	u8 *bytes;		/* what an object should hold */
	u8 *copy;		/* what it holds, if not read in place */
	struct rnd_state rnd;
	int fail_at;		/* allocation to fail: 1 is the next, 0 none */
	struct zs_bin *busy;	/* one that somebody seems to be at */
	bool all_busy;		/* ... or all of them */
	int misuses;		/* reports by zs_misuse() */
};

struct zs_test_object {
	unsigned long handle;	/* 0: none */
	unsigned int size;
	u32 seed;
};

static void zs_test_bytes(struct zs_test *t, const struct zs_test_object *o)
{
	struct rnd_state rnd;

	prandom_seed_state(&rnd, o->seed);
	prandom_bytes_state(&rnd, t->bytes, o->size);
}

static void zs_test_write(struct kunit *test, struct zs_test_object *o)
{
	struct zs_test *t = test->priv;

	o->seed = prandom_u32_state(&t->rnd);
	zs_test_bytes(t, o);
	zs_obj_write(t->pool, o->handle, t->bytes, o->size);
}

static int zs_test_malloc_node(struct kunit *test, struct zs_test_object *o,
			       unsigned int size, int nid)
{
	struct zs_test *t = test->priv;
	unsigned long handle = zs_malloc(t->pool, size, GFP_KERNEL, nid);

	o->handle = 0;
	if (IS_ERR_VALUE(handle))
		return (int)handle;
	o->handle = handle;
	o->size = size;
	zs_test_write(test, o);
	return 0;
}

static void zs_test_malloc(struct kunit *test, struct zs_test_object *o, unsigned int size)
{
	KUNIT_ASSERT_EQ(test, zs_test_malloc_node(test, o, size, NUMA_NO_NODE), 0);
}

static void zs_test_check(struct kunit *test, const struct zs_test_object *o)
{
	struct zs_test *t = test->priv;
	void *mem;

	zs_test_bytes(t, o);
	mem = zs_obj_read_begin(t->pool, o->handle, o->size, t->copy);
	KUNIT_EXPECT_MEMEQ(test, mem, t->bytes, o->size);
	zs_obj_read_end(t->pool, o->handle, o->size, mem);
}

static void zs_test_free(struct kunit *test, struct zs_test_object *o)
{
	struct zs_test *t = test->priv;

	zs_test_check(test, o);
	zs_free(t->pool, o->handle);
	o->handle = 0;
}

static void zs_test_free_all(struct kunit *test, struct zs_test_object *o, unsigned int nr)
{
	while (nr--)
		if (o[nr].handle)
			zs_test_free(test, &o[nr]);
}

static void zs_test_check_all(struct kunit *test, struct zs_test_object *o, unsigned int nr)
{
	while (nr--)
		if (o[nr].handle)
			zs_test_check(test, &o[nr]);
}

static struct zs_test_object *zs_test_objects(struct kunit *test, unsigned int nr)
{
	struct zs_test_object *o = kunit_kcalloc(test, nr, sizeof(*o), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, o);
	return o;
}

/* @nr zspages of ZS_TEST_SIZE objects, all slots used, one after the other. */
static struct zs_test_object *zs_test_fill(struct kunit *test, unsigned int nr)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, i;
	struct zs_test_object *o = zs_test_objects(test, nr * slots);

	for (i = 0; i < nr * slots; i++) {
		zs_test_malloc(test, &o[i], ZS_TEST_SIZE);
		KUNIT_ASSERT_PTR_EQ(test, handle_zspage(o[i].handle),
				    handle_zspage(o[i - i % slots].handle));
	}
	return o;
}

/* Frees all objects of a zspage but every @keep-th, from @first on. */
static void zs_test_thin(struct kunit *test, struct zs_test_object *o,
			 unsigned int first, unsigned int keep)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, i;

	for (i = 0; i < slots; i++)
		if (o[i].handle && (i < first || (i - first) % keep))
			zs_test_free(test, &o[i]);
}

static struct zs_bin *zs_test_bin(struct kunit *test, struct zs_test_object *o)
{
	return handle_zspage(o->handle)->bin;
}

static void zs_test_check_zspage(struct kunit *test, struct zspage *z)
{
	const struct size_class *class = z->bin->class;
	unsigned int index, p, stubs = 0;
	struct zspage *stub;
	u64 slots = 0;

	KUNIT_EXPECT_EQ(test, atomic_read(&z->pins), 0);
	for_each_u64_bit(index, z->handles)
		slots |= BIT_ULL(zspage_slot(z, index));
	KUNIT_EXPECT_EQ(test, hweight64(slots), hweight64(z->handles));
	if (zspage_is_stub(z)) {
		bool found = false;

		/* One hop, and the store knows of it. */
		KUNIT_EXPECT_FALSE(test, zspage_is_stub(z->store));
		KUNIT_EXPECT_NE(test, z->handles, 0ULL);
		KUNIT_EXPECT_EQ(test, z->slots, 0ULL);
		KUNIT_EXPECT_EQ(test, zspage_present(z), 0);
		KUNIT_EXPECT_PTR_EQ(test, z->map, &z->stub_map[0]);
		hlist_for_each_entry(stub, &z->store->stubs, sibling)
			found |= stub == z;
		KUNIT_EXPECT_TRUE(test, found);
		return;
	}

	/* Each slot in use belongs to one handle, its own or a stub's. */
	hlist_for_each_entry(stub, &z->stubs, sibling) {
		KUNIT_EXPECT_PTR_EQ(test, stub->store, z);
		KUNIT_EXPECT_PTR_EQ(test, stub->bin, z->bin);
		for_each_u64_bit(index, stub->handles) {
			KUNIT_EXPECT_FALSE(test, slots & BIT_ULL(stub->map[index]));
			slots |= BIT_ULL(stub->map[index]);
		}
		stubs++;
	}
	KUNIT_EXPECT_EQ(test, slots, z->slots);
	KUNIT_EXPECT_EQ(test, slots & ~slot_mask(class), 0ULL);

	for (p = 0; p < class->pages; p++) {
		struct page *page = z->pages[p];

		if (!(z->present & BIT(p))) {
			KUNIT_EXPECT_NULL(test, page);
			KUNIT_EXPECT_EQ(test, z->slots & class->touching[p], 0ULL);
			continue;
		}
		KUNIT_EXPECT_EQ(test, page_private(page), (unsigned long)z);
		KUNIT_EXPECT_EQ(test, page->index, p);
		KUNIT_EXPECT_TRUE(test, PageZsmalloc(page));
		KUNIT_EXPECT_NE(test, z->slots & class->touching[p], 0ULL);
	}
}

/* Everything that must hold of a pool that nobody is using. */
static void zs_test_check_pool(struct kunit *test)
{
	struct zs_test *t = test->priv;
	unsigned long pages = 0;
	struct zs_bin *bin;
	unsigned int i = 0;

	while ((bin = next_bin(t->pool, &i))) {
		unsigned long objects = 0, bin_pages = 0;
		int l;

		for (l = 0; l < NR_ZS_LISTS; l++) {
			unsigned long nr = 0;
			struct zspage *z;

			list_for_each_entry(z, &bin->lists[l], list) {
				KUNIT_EXPECT_EQ(test, (int)zspage_list(z), l);
				KUNIT_EXPECT_PTR_EQ(test, z->bin, bin);
				zs_test_check_zspage(test, z);
				objects += hweight64(z->slots);
				bin_pages += hweight16(zspage_present(z));
				nr++;
			}
			KUNIT_EXPECT_EQ(test, bin->nr[l], nr);
		}
		KUNIT_EXPECT_EQ(test, bin->objects, objects);
		KUNIT_EXPECT_EQ(test, bin->pages, bin_pages);
		pages += bin_pages;
	}
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), pages);
}

/* As the migration core does it, but for isolation. */
static int zs_test_migrate(struct kunit *test, struct zspage *z, unsigned int p)
{
	struct page *page = z->pages[p], *newpage;
	int ret;

	newpage = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, newpage);
	get_page(page);
	lock_page(newpage);
	lock_page(page);
	ret = zs_movable_ops.migrate_page(newpage, page, MIGRATE_SYNC);
	unlock_page(page);
	unlock_page(newpage);
	put_page(page);
	put_page(newpage);
	return ret;
}

static void zs_test_count_misuse(const char *what, unsigned long handle)
{
	struct zs_test *t = kunit_get_current_test()->priv;

	t->misuses++;
}

static bool zs_test_fails(void)
{
	struct zs_test *t = kunit_get_current_test()->priv;

	return t->fail_at && !--t->fail_at;
}

static struct page *zs_test_alloc_page(gfp_t gfp, int nid)
{
	struct page *page = zs_test_fails() ? NULL : alloc_pages_node(nid, gfp, 0);

	if (page)
		lock_page(page);
	return page;
}

static void *zs_test_alloc_meta(struct kmem_cache *cache, gfp_t gfp, int nid)
{
	struct kunit *test = kunit_get_current_test();
	void *meta;

	if (zs_test_fails())
		return NULL;
	kunit_deactivate_static_stub(test, zs_alloc_meta);
	meta = zs_alloc_meta(cache, gfp, nid);
	kunit_activate_static_stub(test, zs_alloc_meta, zs_test_alloc_meta);
	return meta;
}

/* From now on the @nth allocation fails. */
static void zs_test_fail(struct kunit *test, int nth)
{
	struct zs_test *t = test->priv;

	t->fail_at = nth;
	kunit_activate_static_stub(test, zs_alloc_page, zs_test_alloc_page);
	kunit_activate_static_stub(test, zs_alloc_meta, zs_test_alloc_meta);
}

/* Geometry */

static void every_size_has_a_class_that_holds_it(struct kunit *test)
{
	unsigned int size, last = 0;

	for (size = 1; size <= PAGE_SIZE; size++) {
		const struct size_class *class = size_class(size);
		size_t cost = class->pages * PAGE_SIZE;

		KUNIT_EXPECT_GE(test, class->size, size);
		KUNIT_EXPECT_GE(test, class->index, last);
		KUNIT_EXPECT_LE(test, class->slots * class->size, cost);
		KUNIT_EXPECT_LE(test, class->slots, ZS_MAX_SLOTS);
		KUNIT_EXPECT_LE(test, class->pages, ZS_MAX_PAGES);
		/* As Documentation/mm/zsmalloc.rst says. */
		if (size >= PAGE_SIZE / ZS_MAX_SLOTS)
			KUNIT_EXPECT_LE(test, cost, class->slots * (ZS_STEP + size +
					size / (size < PAGE_SIZE / 16 ? 6 : 16)));
		last = class->index;
	}
	KUNIT_EXPECT_EQ(test, last, zs_nr_classes - 1);
}

static void slots_and_pages_of_every_class_agree(struct kunit *test)
{
	const struct size_class *class;
	unsigned int slot, p;

	for (class = zs_classes; class < zs_classes + zs_nr_classes; class++) {
		for (p = 0; p < class->pages; p++) {
			u64 touching = 0;

			for (slot = 0; slot < class->slots; slot++)
				if (slot_pages(class, slot) & BIT(p))
					touching |= BIT_ULL(slot);
			KUNIT_EXPECT_EQ(test, class->touching[p], touching);
			KUNIT_EXPECT_NE(test, touching, 0ULL);
			/* So growing by the lowest absent page makes room. */
			slot = __ffs64(touching);
			KUNIT_EXPECT_EQ(test, slot_pages(class, slot) & ~GENMASK(p, 0), 0);
		}
	}
}

static void sizes_from_the_huge_class_on_take_a_page(struct kunit *test)
{
	struct zs_test *t = test->priv;
	size_t huge = zs_huge_class_size(t->pool);

	KUNIT_EXPECT_EQ(test, size_class(huge)->slots, size_class(huge)->pages);
	KUNIT_EXPECT_GT(test, size_class(huge - 1)->slots, size_class(huge - 1)->pages);
	KUNIT_EXPECT_EQ(test, size_class(huge)->size, PAGE_SIZE);
	/* zram asks for what it could not compress, too. */
	KUNIT_EXPECT_EQ(test, zs_lookup_class_index(t->pool, PAGE_SIZE + 1),
			zs_lookup_class_index(t->pool, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, zs_lookup_class_index(t->pool, 0),
			zs_lookup_class_index(t->pool, 1));
}

/* malloc and free */

static void bad_sizes_and_handles_are_refused(struct kunit *test)
{
	struct zs_test *t = test->priv;
	unsigned long handle;

	handle = zs_malloc(t->pool, 0, GFP_KERNEL, NUMA_NO_NODE);
	KUNIT_EXPECT_EQ(test, (long)handle, -EINVAL);
	handle = zs_malloc(t->pool, PAGE_SIZE + 1, GFP_KERNEL, NUMA_NO_NODE);
	KUNIT_EXPECT_EQ(test, (long)handle, -ENOSPC);
	zs_free(t->pool, handle);
	zs_free(t->pool, 0);
	KUNIT_EXPECT_EQ(test, t->misuses, 0);
}

static void objects_of_every_size_keep_their_bytes(struct kunit *test)
{
	struct zs_test_object *o = zs_test_objects(test, PAGE_SIZE);
	unsigned int size, step = PAGE_SIZE / 1024;

	for (size = step; size <= PAGE_SIZE; size += step)
		zs_test_malloc(test, &o[size - 1], size);
	zs_test_check_all(test, o, PAGE_SIZE);
	zs_test_check_pool(test);
	zs_test_free_all(test, o, PAGE_SIZE);
}

static void pages_come_with_slots_and_go_with_them(struct kunit *test)
{
	const struct size_class *class = size_class(ZS_TEST_SIZE);
	struct zs_test_object *o = zs_test_objects(test, class->slots);
	struct zs_test *t = test->priv;
	struct zspage *z;
	unsigned int i;

	for (i = 0; i < class->slots; i++) {
		zs_test_malloc(test, &o[i], ZS_TEST_SIZE);
		KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), pages_for(class, i + 1));
	}
	z = handle_zspage(o[0].handle);
	KUNIT_EXPECT_EQ(test, (int)zspage_list(z), ZS_FULL);

	/* From the middle: the zspage becomes sparse. */
	for (i = class->slots / 4; i < class->slots * 3 / 4; i++) {
		zs_test_free(test, &o[i]);
		zs_test_check_pool(test);
	}
	KUNIT_EXPECT_LE(test, zs_get_total_pages(t->pool), class->pages / 2 + 2);
	KUNIT_EXPECT_NULL(test, z->pages[class->pages / 2]);

	/* And is filled up again, without another one. */
	for (i = class->slots / 4; i < class->slots * 3 / 4; i++) {
		zs_test_malloc(test, &o[i], ZS_TEST_SIZE);
		KUNIT_EXPECT_PTR_EQ(test, handle_zspage(o[i].handle), z);
		zs_test_check_pool(test);
	}
	zs_test_free_all(test, o, class->slots);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
}

static void a_slot_on_a_page_at_hand_comes_before_a_new_page(struct kunit *test)
{
	const struct size_class *class = size_class(ZS_TEST_SIZE);
	struct zs_test_object *o = zs_test_fill(test, 2);
	struct zs_test *t = test->priv;
	struct zs_test_object extra;
	unsigned long pages;
	struct zspage *z;

	/* The first zspage lacks pages, and has a free slot on none it has. */
	z = handle_zspage(o[0].handle);
	while (o[class->slots / 2].handle || zspage_present(z) == page_mask(class))
		zs_test_thin(test, o, class->slots / 2 + 1, 1);
	zs_test_free(test, &o[class->slots + 3]);
	pages = zs_get_total_pages(t->pool);
	zs_test_malloc(test, &extra, ZS_TEST_SIZE);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), pages);
	zs_test_free(test, &extra);
	zs_test_free_all(test, o, 2 * class->slots);
}

static void a_page_that_somebody_locked_stays_attached(struct kunit *test)
{
	const struct size_class *class = size_class(ZS_TEST_SIZE);
	struct zs_test_object *o = zs_test_fill(test, 1);
	struct zspage *z = handle_zspage(o[0].handle);
	struct zs_test *t = test->priv;
	struct page *page = z->pages[0];
	unsigned int i;

	lock_page(page);
	for (i = 0; i < class->slots / 2; i++)
		zs_test_free(test, &o[i]);
	KUNIT_EXPECT_PTR_EQ(test, z->pages[0], page);
	unlock_page(page);

	/* malloc uses it, or compaction finds it. */
	zs_compact(t->pool);
	zs_test_check_pool(test);
	zs_test_check_all(test, o, class->slots);
	zs_test_free_all(test, o, class->slots);
}

static int zs_test_unlock_later(void *data)
{
	msleep(20);
	unlock_page(data);
	return 0;
}

static void a_dead_zspage_with_a_locked_page_is_freed_later(struct kunit *test)
{
	struct zs_test *t = test->priv;
	struct zs_test_object o;
	struct task_struct *task;
	struct page *page;
	struct zs_bin *bin;

	zs_test_malloc(test, &o, ZS_TEST_SIZE);
	bin = zs_test_bin(test, &o);
	page = handle_zspage(o.handle)->pages[0];
	get_page(page);
	lock_page(page);
	zs_test_free(test, &o);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 1);
	KUNIT_EXPECT_EQ(test, bin->nr[ZS_DEAD], 1);
	task = kthread_run(zs_test_unlock_later, page, "zs_test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	flush_work(&t->pool->burial);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
	KUNIT_EXPECT_EQ(test, bin->nr[ZS_DEAD], 0);
	put_page(page);
}

static void a_double_free_is_caught(struct kunit *test)
{
	struct zs_test_object o[2];
	struct zs_test *t = test->priv;
	unsigned long handle;

	zs_test_malloc(test, &o[0], ZS_TEST_SIZE);
	zs_test_malloc(test, &o[1], ZS_TEST_SIZE);
	handle = o[0].handle;
	zs_test_free(test, &o[0]);
	KUNIT_EXPECT_EQ(test, t->misuses, 0);
	zs_free(t->pool, handle);
	KUNIT_EXPECT_EQ(test, t->misuses, 1);
	zs_test_check_pool(test);
	zs_test_free(test, &o[1]);
}

static void more_than_fits_is_not_written(struct kunit *test)
{
	struct zs_test_object o[2];
	struct zs_test *t = test->priv;

	zs_test_malloc(test, &o[0], ZS_TEST_SIZE);
	zs_test_malloc(test, &o[1], ZS_TEST_SIZE);
	zs_obj_write(t->pool, o[0].handle, t->copy, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, t->misuses, 1);
	zs_test_check(test, &o[0]);
	zs_test_check(test, &o[1]);
	zs_test_free_all(test, o, 2);
}

static void a_pool_with_objects_is_not_destroyed(struct kunit *test)
{
	struct zs_test *t = test->priv;
	struct zs_test_object o;

	zs_test_malloc(test, &o, 100);
	zs_destroy_pool(t->pool);
	KUNIT_EXPECT_EQ(test, t->misuses, 1);
	zs_test_check_pool(test);
	zs_test_free(test, &o);
	zs_destroy_pool(NULL);
	/* The suite's exit destroys it. */
}

/* Access */

static void objects_on_one_page_are_read_in_place(struct kunit *test)
{
	const struct size_class *class = size_class(ZS_TEST_SIZE);
	struct zs_test_object *o = zs_test_fill(test, 1);
	struct zspage *z = handle_zspage(o[0].handle);
	struct zs_test *t = test->priv;
	unsigned int i;
	void *mem;

	for (i = 0; i < class->slots; i++) {
		bool one = hweight16(slot_pages(class, i)) == 1;

		mem = zs_obj_read_begin(t->pool, o[i].handle, ZS_TEST_SIZE, t->copy);
		KUNIT_EXPECT_EQ(test, atomic_read(&z->pins), 1);
		if (!IS_ENABLED(CONFIG_HIGHMEM))
			KUNIT_EXPECT_EQ(test, mem != t->copy, one);
		zs_obj_read_end(t->pool, o[i].handle, ZS_TEST_SIZE, mem);
	}
	zs_test_free_all(test, o, class->slots);
}

static void a_scatterlist_has_the_bytes(struct kunit *test)
{
	const struct size_class *class = size_class(ZS_TEST_SIZE);
	struct zs_test_object *o = zs_test_fill(test, 1);
	struct zs_test *t = test->priv;
	struct scatterlist sg[2];
	unsigned int i;

	for (i = 0; i < class->slots; i++) {
		zs_obj_read_sg_begin(t->pool, o[i].handle, sg, ZS_TEST_SIZE);
		KUNIT_EXPECT_EQ(test, sg_nents(sg), hweight16(slot_pages(class, i)));
		KUNIT_EXPECT_EQ(test, ZS_TEST_SIZE,
				sg_copy_to_buffer(sg, sg_nents(sg), t->copy, ZS_TEST_SIZE));
		zs_obj_read_sg_end(t->pool, o[i].handle);
		zs_test_bytes(t, &o[i]);
		KUNIT_EXPECT_MEMEQ(test, t->copy, t->bytes, ZS_TEST_SIZE);
	}
	zs_test_free_all(test, o, class->slots);
}

/* Page migration */

static void a_migrated_page_keeps_its_objects(struct kunit *test)
{
	const struct size_class *class = size_class(ZS_TEST_SIZE);
	struct zs_test_object *o = zs_test_fill(test, 1);
	struct zspage *z = handle_zspage(o[0].handle);
	unsigned int p;

	for (p = 0; p < class->pages; p++) {
		struct page *page = z->pages[p];

		KUNIT_EXPECT_EQ(test, zs_test_migrate(test, z, p), MIGRATEPAGE_SUCCESS);
		KUNIT_EXPECT_PTR_NE(test, z->pages[p], page);
		zs_test_check_pool(test);
	}
	zs_test_check_all(test, o, class->slots);
	zs_test_free_all(test, o, class->slots);
}

static void a_page_being_read_is_not_migrated(struct kunit *test)
{
	struct zs_test *t = test->priv;
	struct zs_test_object o;
	struct zspage *z;
	void *mem;

	zs_test_malloc(test, &o, ZS_TEST_SIZE);
	z = handle_zspage(o.handle);
	mem = zs_obj_read_begin(t->pool, o.handle, o.size, t->copy);
	KUNIT_EXPECT_EQ(test, zs_test_migrate(test, z, 0), -EAGAIN);
	zs_test_bytes(t, &o);
	KUNIT_EXPECT_MEMEQ(test, mem, t->bytes, o.size);
	zs_obj_read_end(t->pool, o.handle, o.size, mem);
	KUNIT_EXPECT_EQ(test, zs_test_migrate(test, z, 0), MIGRATEPAGE_SUCCESS);
	zs_test_free(test, &o);
}

static void migration_frees_a_page_without_objects(struct kunit *test)
{
	const struct size_class *class = size_class(ZS_TEST_SIZE);
	struct zs_test_object *o = zs_test_fill(test, 1);
	struct zspage *z = handle_zspage(o[0].handle);
	struct zs_test *t = test->priv;
	struct page *page = z->pages[0];
	unsigned long pages;

	lock_page(page);
	zs_test_thin(test, o, class->slots - 1, 1);
	unlock_page(page);
	pages = zs_get_total_pages(t->pool);
	KUNIT_EXPECT_EQ(test, zs_test_migrate(test, z, 0), MIGRATEPAGE_SUCCESS);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), pages - 1);
	zs_test_check_pool(test);
	zs_test_free_all(test, o, class->slots);
}

/* Merge, pack, revival */

/* Two zspages, each with every fourth slot in use, are merged. */
static struct zs_test_object *zs_test_merged(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots;
	struct zs_test_object *o = zs_test_fill(test, 2);
	struct zs_test *t = test->priv;
	unsigned long pages;

	zs_test_thin(test, o, 0, 4);
	zs_test_thin(test, o + slots, 1, 4);
	pages = zs_get_total_pages(t->pool);
	KUNIT_EXPECT_GT(test, zs_compact(t->pool), 0);
	KUNIT_EXPECT_LT(test, zs_get_total_pages(t->pool), pages);
	KUNIT_EXPECT_EQ(test, zs_test_bin(test, o)->nr[ZS_STUB], 1);
	zs_test_check_pool(test);
	zs_test_check_all(test, o, 2 * slots);
	return o;
}

/* The object of @o whose zspage is a stub, or is not. */
static struct zs_test_object *zs_test_find(struct zs_test_object *o, unsigned int nr, bool stub)
{
	for (; nr--; o++)
		if (o->handle && zspage_is_stub(handle_zspage(o->handle)) == stub)
			return o;
	return NULL;
}

static void merged_objects_keep_handles_and_bytes(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots;
	struct zs_test_object *o = zs_test_merged(test);
	struct zs_test_object *s = zs_test_find(o, 2 * slots, true);
	struct zs_test *t = test->priv;
	struct scatterlist sg[2];

	KUNIT_ASSERT_NOT_NULL(test, s);
	/* Written through the stub as well, and read as a scatterlist. */
	zs_test_write(test, s);
	zs_test_check(test, s);
	zs_obj_read_sg_begin(t->pool, s->handle, sg, s->size);
	sg_copy_to_buffer(sg, sg_nents(sg), t->copy, s->size);
	zs_obj_read_sg_end(t->pool, s->handle);
	zs_test_bytes(t, s);
	KUNIT_EXPECT_MEMEQ(test, t->copy, t->bytes, s->size);
	zs_test_check_all(test, o, 2 * slots);
	zs_test_free_all(test, o, 2 * slots);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
}

static void a_stub_goes_with_its_last_object(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots;
	struct zs_test_object *o = zs_test_merged(test), *s;
	struct zs_bin *bin = zs_test_bin(test, o);

	while ((s = zs_test_find(o, 2 * slots, true))) {
		KUNIT_EXPECT_EQ(test, bin->nr[ZS_STUB], 1);
		zs_test_free(test, s);
		zs_test_check_pool(test);
	}
	KUNIT_EXPECT_EQ(test, bin->nr[ZS_STUB], 0);
	zs_test_check_all(test, o, 2 * slots);
	zs_test_free_all(test, o, 2 * slots);
}

static void a_store_lives_while_a_stub_needs_it(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots;
	struct zs_test_object *o = zs_test_merged(test), *s, extra;
	struct zs_test *t = test->priv;
	struct zspage *store = NULL;

	while ((s = zs_test_find(o, 2 * slots, false))) {
		store = handle_zspage(s->handle);
		zs_test_free(test, s);
	}
	KUNIT_EXPECT_EQ(test, store->handles, 0ULL);
	KUNIT_EXPECT_NE(test, store->slots, 0ULL);
	zs_test_check_pool(test);
	zs_test_check_all(test, o, 2 * slots);
	/* A slot of it can be given out again. */
	zs_test_malloc(test, &extra, ZS_TEST_SIZE);
	KUNIT_EXPECT_PTR_EQ(test, handle_zspage(extra.handle), store);
	zs_test_check_pool(test);
	zs_test_free(test, &extra);
	zs_test_free_all(test, o, 2 * slots);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
}

/* What is needed to merge the store of zs_test_merged() into a third zspage. */
struct zs_test_third {
	struct zs_test_object *o, *more;
	unsigned int nr, nr_more;
	struct zspage *stub, *store, *other;
};

static void zs_test_third(struct kunit *test, struct zs_test_third *x)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots;
	struct zs_test *t = test->priv;
	u8 *copy = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct zs_test_object *s;
	void *mem;

	KUNIT_ASSERT_NOT_NULL(test, copy);
	x->nr = 2 * slots;
	x->o = zs_test_merged(test);
	s = zs_test_find(x->o, x->nr, true);
	x->stub = handle_zspage(s->handle);
	x->store = x->stub->store;

	/* While it is read, the stub cannot be revived. */
	mem = zs_obj_read_begin(t->pool, s->handle, s->size, copy);
	x->nr_more = 0;
	x->more = zs_test_objects(test, slots);
	do {
		KUNIT_ASSERT_LT(test, x->nr_more, slots);
		zs_test_malloc(test, &x->more[x->nr_more], ZS_TEST_SIZE);
		x->other = handle_zspage(x->more[x->nr_more++].handle);
	} while (x->other == x->store);
	zs_obj_read_end(t->pool, s->handle, s->size, mem);
	KUNIT_ASSERT_PTR_NE(test, x->other, x->stub);
	/* Some of the own ones of the store go, those of the stub stay. */
	zs_test_free_all(test, x->more, x->nr_more - 1);
}

static struct zspage *zs_test_third_merge(struct kunit *test, struct zs_test_third *x)
{
	struct zs_bin *bin = x->store->bin;
	struct zs_pages spare = { };
	struct zspage *dead = NULL;

	while (spare.nr < 2) {
		spare.page[spare.nr] = zs_alloc_page(GFP_KERNEL, NUMA_NO_NODE);
		KUNIT_ASSERT_NOT_NULL(test, spare.page[spare.nr]);
		spare.nr++;
	}
	spin_lock(&bin->lock);
	KUNIT_EXPECT_GT(test, bin_merge(x->store, x->other, &spare, &dead), 0);
	spin_unlock(&bin->lock);
	zs_free_pages(&spare, 0);
	KUNIT_EXPECT_PTR_EQ(test, x->stub->store, x->other);
	return dead;
}

static void zs_test_third_end(struct kunit *test, struct zs_test_third *x)
{
	zs_test_check_pool(test);
	zs_test_check_all(test, x->o, x->nr);
	zs_test_check_all(test, x->more, x->nr_more);
	zs_test_free_all(test, x->more, x->nr_more);
	zs_test_free_all(test, x->o, x->nr);
}

static void merging_a_store_rewrites_its_stubs(struct kunit *test)
{
	struct zs_test_third x;

	zs_test_third(test, &x);
	KUNIT_EXPECT_NULL(test, zs_test_third_merge(test, &x));
	KUNIT_EXPECT_PTR_EQ(test, x.store->store, x.other);
	zs_test_third_end(test, &x);
}

static void a_store_without_own_objects_is_freed_when_merged(struct kunit *test)
{
	struct zs_test_third x;
	struct zspage *dead;
	unsigned int i;

	zs_test_third(test, &x);
	for (i = 0; i < x.nr; i++)
		if (x.o[i].handle && handle_zspage(x.o[i].handle) == x.store)
			zs_test_free(test, &x.o[i]);
	dead = zs_test_third_merge(test, &x);
	KUNIT_EXPECT_PTR_EQ(test, dead, x.store);
	if (dead)
		zspage_free(dead);
	zs_test_third_end(test, &x);
}

static void a_zspage_being_read_is_not_merged(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots;
	struct zs_test_object *o = zs_test_fill(test, 2);
	struct zs_test *t = test->priv;
	void *mem[2];
	u8 *copy = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	zs_test_thin(test, o, 0, 8);
	zs_test_thin(test, o + slots, 0, 8);
	mem[0] = zs_obj_read_begin(t->pool, o[0].handle, o[0].size, t->copy);
	mem[1] = zs_obj_read_begin(t->pool, o[slots].handle, o[slots].size, copy);
	zs_compact(t->pool);
	KUNIT_EXPECT_EQ(test, zs_test_bin(test, o)->nr[ZS_STUB], 0);
	zs_test_bytes(t, &o[0]);
	KUNIT_EXPECT_MEMEQ(test, mem[0], t->bytes, o[0].size);
	zs_test_bytes(t, &o[slots]);
	KUNIT_EXPECT_MEMEQ(test, mem[1], t->bytes, o[slots].size);
	zs_obj_read_end(t->pool, o[0].handle, o[0].size, mem[0]);
	zs_obj_read_end(t->pool, o[slots].handle, o[slots].size, mem[1]);
	zs_compact(t->pool);
	KUNIT_EXPECT_EQ(test, zs_test_bin(test, o)->nr[ZS_STUB], 1);
	zs_test_check_pool(test);
	zs_test_free_all(test, o, 2 * slots);
}

static void a_merged_object_being_read_holds_its_store(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, p;
	struct zs_test_object *o = zs_test_merged(test);
	struct zs_test_object *s = zs_test_find(o, 2 * slots, true);
	struct zs_test *t = test->priv;
	struct zspage *store = handle_zspage(s->handle)->store;
	struct zs_bin *bin = store->bin;
	void *mem;

	mem = zs_obj_read_begin(t->pool, s->handle, s->size, t->copy);
	KUNIT_EXPECT_EQ(test, atomic_read(&store->pins), 1);
	p = __ffs(zspage_present(store));
	KUNIT_EXPECT_EQ(test, zs_test_migrate(test, store, p), -EAGAIN);
	KUNIT_EXPECT_EQ(test, atomic_read(&handle_zspage(s->handle)->pins), 0);
	KUNIT_EXPECT_FALSE(test, bin_revive(bin, GFP_KERNEL));
	zs_test_bytes(t, s);
	KUNIT_EXPECT_MEMEQ(test, mem, t->bytes, s->size);
	zs_obj_read_end(t->pool, s->handle, s->size, mem);
	KUNIT_EXPECT_EQ(test, atomic_read(&store->pins), 0);
	zs_test_free_all(test, o, 2 * slots);
}

static void a_locked_page_keeps_its_zspage_from_being_merged(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots;
	struct zs_test_object *o = zs_test_fill(test, 2);
	struct zs_test *t = test->priv;
	struct page *page[2];

	zs_test_thin(test, o, 0, 4);
	zs_test_thin(test, o + slots, 0, 4);
	page[0] = handle_zspage(o[0].handle)->pages[0];
	page[1] = handle_zspage(o[slots].handle)->pages[0];
	lock_page(page[0]);
	lock_page(page[1]);
	zs_compact(t->pool);
	KUNIT_EXPECT_EQ(test, zs_test_bin(test, o)->nr[ZS_STUB], 0);
	zs_test_check_pool(test);
	unlock_page(page[0]);
	unlock_page(page[1]);
	zs_compact(t->pool);
	KUNIT_EXPECT_EQ(test, zs_test_bin(test, o)->nr[ZS_STUB], 1);
	zs_test_check_all(test, o, 2 * slots);
	zs_test_free_all(test, o, 2 * slots);
}

static void packing_frees_all_pages_but_those_needed(struct kunit *test)
{
	const struct size_class *class = size_class(ZS_TEST_SIZE);
	struct zs_test_object *o = zs_test_fill(test, 1), extra[2];
	struct zspage *z = handle_zspage(o[0].handle);
	struct zs_test *t = test->priv;

	zs_test_thin(test, o, 2, 5);
	zs_compact(t->pool);
	KUNIT_EXPECT_NOT_NULL(test, z->map);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool),
			pages_for(class, hweight64(z->slots)));
	zs_test_check_pool(test);
	zs_test_check_all(test, o, class->slots);

	/* New objects get an index and a slot that differ. */
	zs_test_malloc(test, &extra[0], ZS_TEST_SIZE);
	zs_test_malloc(test, &extra[1], ZS_TEST_SIZE);
	KUNIT_EXPECT_PTR_EQ(test, handle_zspage(extra[0].handle), z);
	zs_test_check_pool(test);
	zs_test_check_all(test, o, class->slots);
	zs_test_free_all(test, extra, 2);
	zs_test_free_all(test, o, class->slots);
}

static void packing_a_store_rewrites_its_stubs(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, i;
	struct zs_test_object *o = zs_test_merged(test);
	struct zs_test *t = test->priv;

	/* Holes in the store, on both sides. */
	for (i = 0; i < 2 * slots; i += 3)
		if (o[i].handle)
			zs_test_free(test, &o[i]);
	zs_compact(t->pool);
	KUNIT_EXPECT_EQ(test, zs_test_bin(test, zs_test_find(o, 2 * slots, true))->nr[ZS_STUB], 1);
	zs_test_check_pool(test);
	zs_test_check_all(test, o, 2 * slots);
	zs_test_free_all(test, o, 2 * slots);
}

static void a_stub_is_revived_before_a_zspage_is_made(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, i;
	struct zs_test_object *o = zs_test_merged(test);
	struct zs_bin *bin = zs_test_bin(test, o);
	struct zs_test *t = test->priv;

	for (i = 0; i < 2 * slots; i++)
		if (!o[i].handle)
			zs_test_malloc(test, &o[i], ZS_TEST_SIZE);
	/* Two zspages have been enough for all of them before. */
	for (i = 0; i < 2 * slots; i++)
		KUNIT_EXPECT_TRUE(test, handle_zspage(o[i].handle) == handle_zspage(o[0].handle) ||
				  handle_zspage(o[i].handle) == handle_zspage(o[slots + 1].handle));
	KUNIT_EXPECT_EQ(test, bin->nr[ZS_STUB], 0);
	KUNIT_EXPECT_EQ(test, bin->nr[ZS_FULL], 2);
	zs_test_check_pool(test);
	zs_test_check_all(test, o, 2 * slots);
	zs_test_free_all(test, o, 2 * slots);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
}

static void a_read_makes_malloc_leave_a_stub_alone(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, i;
	struct zs_test_object *o = zs_test_merged(test), *s;
	struct zs_bin *bin = zs_test_bin(test, o);
	struct zs_test *t = test->priv;
	u8 *copy = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	void *mem;

	KUNIT_ASSERT_NOT_NULL(test, copy);
	s = zs_test_find(o, 2 * slots, true);
	mem = zs_obj_read_begin(t->pool, s->handle, s->size, copy);
	for (i = 0; i < 2 * slots; i++)
		if (!o[i].handle)
			zs_test_malloc(test, &o[i], ZS_TEST_SIZE);
	KUNIT_EXPECT_EQ(test, bin->nr[ZS_STUB], 1);
	zs_test_bytes(t, s);
	KUNIT_EXPECT_MEMEQ(test, mem, t->bytes, s->size);
	zs_obj_read_end(t->pool, s->handle, s->size, mem);
	zs_test_check_pool(test);
	zs_test_free_all(test, o, 2 * slots);
}

static void the_shrinker_frees_what_it_counts(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, i;
	struct zs_test_object *o = zs_test_fill(test, 4);
	struct zs_test *t = test->priv;
	struct zs_pool_stats stats;
	struct shrink_control sc = { .nid = zs_test_bin(test, o)->nid, .nr_to_scan = 1000 };
	unsigned long count, pages;

	KUNIT_EXPECT_EQ(test, zs_shrinker_count(t->pool->shrinker, &sc), SHRINK_EMPTY);
	for (i = 0; i < 4; i++)
		zs_test_thin(test, o + i * slots, i % 3, 5);
	count = zs_shrinker_count(t->pool->shrinker, &sc);
	pages = zs_get_total_pages(t->pool);
	KUNIT_EXPECT_GT(test, count, 0);
	KUNIT_EXPECT_GE(test, zs_shrinker_scan(t->pool->shrinker, &sc), count);
	KUNIT_EXPECT_LE(test, zs_get_total_pages(t->pool), pages - count);
	zs_pool_stats(t->pool, &stats);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&stats.pages_compacted),
			pages - zs_get_total_pages(t->pool));
	KUNIT_EXPECT_EQ(test, zs_shrinker_count(t->pool->shrinker, &sc), SHRINK_EMPTY);
	zs_test_check_pool(test);
	zs_test_check_all(test, o, 4 * slots);
	zs_test_free_all(test, o, 4 * slots);
}

/* Freed at random, a pool is compacted to little more than its objects. */
static void compaction_leaves_little_unused(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, nr = 24 * slots, i, left, round;
	struct zs_test *t = test->priv;

	for (round = 0; round < 2; round++) {
		struct zs_test_object *o = zs_test_fill(test, 24);

		for (i = 0, left = 0; i < nr; i++) {
			if (prandom_u32_state(&t->rnd) % 10 < (round ? 9 : 5))
				zs_test_free(test, &o[i]);
			else
				left++;
		}
		zs_compact(t->pool);
		zs_test_check_pool(test);
		zs_test_check_all(test, o, nr);
		/* 10 % and a page. */
		KUNIT_EXPECT_LE(test, zs_get_total_pages(t->pool) * PAGE_SIZE,
				left * ZS_TEST_SIZE / 10 * 11 + PAGE_SIZE);
		zs_test_free_all(test, o, nr);
		KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
	}
}

static void churn_does_not_make_more_zspages_than_the_peak(struct kunit *test)
{
	const unsigned int zspages = 12;
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, nr = zspages * slots, i, round, l;
	struct zs_test_object *o = zs_test_fill(test, zspages);
	struct zs_bin *bin = zs_test_bin(test, o);
	struct zs_test *t = test->priv;

	for (round = 0; round < 20; round++) {
		unsigned long structs = 0;

		/* An eighth stays all the time. */
		for (i = 0; i < nr; i++)
			if (i % 8 && prandom_u32_state(&t->rnd) % 4)
				zs_test_free(test, &o[i]);
		zs_compact(t->pool);
		for (i = 0; i < nr; i++)
			if (!o[i].handle)
				zs_test_malloc(test, &o[i], ZS_TEST_SIZE);
		for (l = 0; l < NR_ZS_LISTS; l++)
			structs += bin->nr[l];
		KUNIT_EXPECT_LE(test, structs, zspages);
	}
	zs_test_check_pool(test);
	zs_test_check_all(test, o, nr);
	zs_test_free_all(test, o, nr);
}

/* Any order of everything */

static void zs_test_migrate_some(struct kunit *test, struct zs_test_object *o)
{
	struct zspage *z = handle_zspage(o->handle);

	z = z->store;
	KUNIT_EXPECT_EQ(test, zs_test_migrate(test, z, __ffs(zspage_present(z))),
			MIGRATEPAGE_SUCCESS);
}

static void zs_test_random(struct kunit *test, unsigned int nr, unsigned int ops,
			   unsigned int min_size, unsigned int max_size)
{
	struct zs_test_object *o = zs_test_objects(test, nr);
	struct zs_test *t = test->priv;
	unsigned int i, fill = 50;

	for (i = 0; i < ops; i++) {
		struct zs_test_object *x = &o[prandom_u32_state(&t->rnd) % nr];
		unsigned int dice = prandom_u32_state(&t->rnd) % 1000;

		if (i % (ops / 8) == 0)
			fill = prandom_u32_state(&t->rnd) % 100;
		if (!x->handle) {
			if (dice % 100 < fill)
				zs_test_malloc(test, x, min_size + prandom_u32_state(&t->rnd) %
					       (max_size - min_size + 1));
		} else if (dice < 4) {
			zs_compact(t->pool);
		} else if (dice < 40) {
			zs_test_migrate_some(test, x);
		} else if (dice < 100) {
			zs_test_write(test, x);
		} else if (dice < 200) {
			zs_test_check(test, x);
		} else if (dice % 100 >= fill) {
			zs_test_free(test, x);
		}
		if (i % (ops / 16) == 0)
			zs_test_check_pool(test);
		cond_resched();
	}
	zs_test_check_pool(test);
	zs_test_check_all(test, o, nr);
	zs_test_free_all(test, o, nr);
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
}

static void objects_of_one_class_survive_any_order(struct kunit *test)
{
	zs_test_random(test, 500, 20000, ZS_TEST_SIZE, ZS_TEST_SIZE);
}

static void objects_of_all_sizes_survive_any_order(struct kunit *test)
{
	zs_test_random(test, 2000, 20000, 1, PAGE_SIZE);
}

static void large_objects_survive_any_order(struct kunit *test)
{
	zs_test_random(test, 300, 10000, PAGE_SIZE / 16 * 13, PAGE_SIZE / 16 * 14);
}

/* Nodes */

static void objects_go_to_the_node_asked_for(struct kunit *test)
{
	struct zs_test_object *o = zs_test_objects(test, 256);
	struct zs_test *t = test->priv;
	int nid, i;

	if (num_node_state(N_MEMORY) < 2)
		kunit_skip(test, "this machine has one node");
	for_each_node_state(nid, N_MEMORY) {
		for (i = 0; i < 256; i++) {
			struct zspage *z;
			unsigned int slot, p;

			KUNIT_ASSERT_EQ(test, 0, zs_test_malloc_node(test, &o[i],
								     1 + i * PAGE_SIZE / 256, nid));
			z = zspage_pin(o[i].handle, &slot);
			KUNIT_EXPECT_EQ(test, z->bin->nid, nid);
			p = __ffs(slot_pages(z->bin->class, slot));
			KUNIT_EXPECT_EQ(test, page_to_nid(z->pages[p]), nid);
			zspage_unpin(o[i].handle);
		}
		zs_test_check_pool(test);
		zs_test_free_all(test, o, 256);
	}
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
}

static struct page *zs_test_no_page_nearby(gfp_t gfp, int nid)
{
	struct page *page = NULL;

	/* The preferred node must be asked without reclaim and reserves. */
	if (gfp & __GFP_THISNODE) {
		KUNIT_EXPECT_FALSE(kunit_get_current_test(), gfp & __GFP_DIRECT_RECLAIM);
		KUNIT_EXPECT_TRUE(kunit_get_current_test(), gfp & __GFP_NOMEMALLOC);
	} else {
		page = alloc_pages_node(nid == first_memory_node ? next_memory_node(nid) :
					first_memory_node, gfp | __GFP_THISNODE, 0);
	}
	if (page)
		lock_page(page);
	return page;
}

static void a_full_node_is_no_reason_to_fail(struct kunit *test)
{
	struct zs_test_object o[3];
	int near, far;

	if (num_node_state(N_MEMORY) < 2)
		kunit_skip(test, "this machine has one node");
	near = first_memory_node;
	far = next_memory_node(near);

	kunit_activate_static_stub(test, zs_alloc_page, zs_test_no_page_nearby);
	KUNIT_ASSERT_EQ(test, zs_test_malloc_node(test, &o[0], ZS_TEST_SIZE, near), 0);
	KUNIT_EXPECT_EQ(test, zs_test_bin(test, &o[0])->nid, far);
	kunit_deactivate_static_stub(test, zs_alloc_page);

	/* A slot elsewhere comes before a page elsewhere... */
	zs_test_fail(test, 1);
	KUNIT_ASSERT_EQ(test, zs_test_malloc_node(test, &o[1], ZS_TEST_SIZE, near), 0);
	KUNIT_EXPECT_PTR_EQ(test, handle_zspage(o[1].handle), handle_zspage(o[0].handle));
	/* ...but a new page on the node before it. */
	KUNIT_ASSERT_EQ(test, zs_test_malloc_node(test, &o[2], ZS_TEST_SIZE, near), 0);
	KUNIT_EXPECT_EQ(test, zs_test_bin(test, &o[2])->nid, near);
	zs_test_check_pool(test);
	zs_test_free_all(test, o, 3);
}

/* No memory */

static void malloc_without_memory_fails_and_leaves_nothing(struct kunit *test)
{
	bool numa = num_node_state(N_MEMORY) > 1;
	struct zs_test *t = test->priv;
	struct zs_test_object o;
	int nth, failed = 0;

	for (nth = 1; nth <= 3; nth++) {
		zs_test_fail(test, nth);
		failed += zs_test_malloc_node(test, &o, 100 * nth, NUMA_NO_NODE) == -ENOMEM;
		if (o.handle)
			zs_test_free(test, &o);
		zs_test_check_pool(test);
		KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
	}
	/* A page, a bin and a zspage; with nodes there is a second try. */
	KUNIT_EXPECT_EQ(test, failed, numa ? 0 : 3);
}

static void malloc_without_memory_to_revive_makes_a_zspage(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, i;
	struct zs_test_object *o = zs_test_merged(test);
	int nth = 0;

	for (i = 0; i < 2 * slots; i++) {
		if (o[i].handle)
			continue;
		/* The first page will do, and one of those to revive with not. */
		zs_test_fail(test, 2 + nth++ % 6);
		zs_test_malloc(test, &o[i], ZS_TEST_SIZE);
		zs_test_check_pool(test);
	}
	zs_test_fail(test, 0);
	zs_test_check_all(test, o, 2 * slots);
	zs_test_free_all(test, o, 2 * slots);
}

static void compaction_without_memory_does_what_it_can(struct kunit *test)
{
	unsigned int slots = size_class(ZS_TEST_SIZE)->slots, i, nth;
	struct zs_test *t = test->priv;

	for (nth = 1; nth < 8; nth++) {
		struct zs_test_object *o = zs_test_fill(test, 6);

		for (i = 0; i < 6; i++)
			zs_test_thin(test, o + i * slots, i, 7);
		zs_test_fail(test, nth);
		zs_compact(t->pool);
		zs_test_fail(test, 0);
		zs_test_check_pool(test);
		zs_test_check_all(test, o, 6 * slots);
		zs_test_free_all(test, o, 6 * slots);
		KUNIT_EXPECT_EQ(test, zs_get_total_pages(t->pool), 0);
	}
}

static int zs_test_init(struct kunit *test)
{
	struct zs_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->bytes = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	t->copy = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->bytes);
	KUNIT_ASSERT_NOT_NULL(test, t->copy);
	/* The same run each time: a failure can be repeated. */
	prandom_seed_state(&t->rnd, 1);
	t->pool = zs_create_pool("kunit");
	KUNIT_ASSERT_NOT_NULL(test, t->pool);
	test->priv = t;
	kunit_activate_static_stub(test, zs_misuse, zs_test_count_misuse);
	return 0;
}

static void zs_test_exit(struct kunit *test)
{
	struct zs_test *t = test->priv;
	int misuses;

	if (!t)
		return;
	misuses = t->misuses;
	zs_destroy_pool(t->pool);
	/* Everything had been freed. */
	KUNIT_EXPECT_EQ(test, t->misuses, misuses);
}

/* Bins that somebody else is at */

static bool zs_test_bin_is_busy(struct zs_bin *bin)
{
	struct zs_test *t = current->kunit_test->priv;

	return t->all_busy || t->busy == bin;
}

static void free_from_a_busy_bin_is_put_off(struct kunit *test)
{
	struct zs_test_object *o = zs_test_objects(test, 3);
	struct zs_test *t = test->priv;
	struct zs_bin *bin;
	int i;

	for (i = 0; i < 3; i++)
		zs_test_malloc(test, &o[i], ZS_TEST_SIZE);
	bin = zs_test_bin(test, o);
	kunit_activate_static_stub(test, bin_seems_busy, zs_test_bin_is_busy);
	/* So that the work does not come in between. */
	preempt_disable();
	t->all_busy = true;
	zs_test_free(test, &o[0]);
	KUNIT_EXPECT_EQ(test, bin->objects, 3);
	KUNIT_EXPECT_EQ(test, raw_cpu_ptr(t->pool->deferred)->nr, 1);

	/* The next free does it, too. */
	t->all_busy = false;
	zs_test_free(test, &o[1]);
	KUNIT_EXPECT_EQ(test, bin->objects, 1);
	KUNIT_EXPECT_EQ(test, raw_cpu_ptr(t->pool->deferred)->nr, 0);
	preempt_enable();
	zs_test_check_pool(test);
	zs_test_free_all(test, o, 3);
}

static void free_put_off_is_done_before_long(struct kunit *test)
{
	struct zs_test *t = test->priv;
	struct zs_test_object o;
	struct zs_bin *bin;

	zs_test_malloc(test, &o, ZS_TEST_SIZE);
	bin = zs_test_bin(test, &o);
	kunit_activate_static_stub(test, bin_seems_busy, zs_test_bin_is_busy);
	preempt_disable();
	t->all_busy = true;
	zs_test_free(test, &o);
	KUNIT_EXPECT_EQ(test, bin->objects, 1);
	preempt_enable();
	flush_delayed_work(&t->pool->deferred_work);
	KUNIT_EXPECT_EQ(test, bin->objects, 0);
	zs_test_check_pool(test);
}

static void only_so_many_frees_are_put_off(struct kunit *test)
{
	struct zs_test_object *o = zs_test_objects(test, ZS_MAX_DEFERRED + 2);
	struct zs_test *t = test->priv;
	struct zs_bin *bin;
	unsigned int i;

	for (i = 0; i < ZS_MAX_DEFERRED + 2; i++)
		zs_test_malloc(test, &o[i], ZS_TEST_SIZE);
	bin = zs_test_bin(test, o);
	kunit_activate_static_stub(test, bin_seems_busy, zs_test_bin_is_busy);
	preempt_disable();
	t->all_busy = true;
	for (i = 0; i < ZS_MAX_DEFERRED + 1; i++)
		zs_free(t->pool, o[i].handle);
	KUNIT_EXPECT_EQ(test, bin->objects, ZS_MAX_DEFERRED + 1);
	KUNIT_EXPECT_EQ(test, raw_cpu_ptr(t->pool->deferred)->nr, ZS_MAX_DEFERRED);
	t->all_busy = false;
	preempt_enable();
	flush_delayed_work(&t->pool->deferred_work);
	KUNIT_EXPECT_EQ(test, bin->objects, 1);
	zs_test_free(test, &o[ZS_MAX_DEFERRED + 1]);
	zs_test_check_pool(test);
}

static void pool_with_frees_put_off_is_destroyed(struct kunit *test)
{
	struct zs_pool *pool = zs_create_pool("zs_test_deferred");
	struct zs_test *t = test->priv;
	unsigned long handle;

	KUNIT_ASSERT_NOT_NULL(test, pool);
	handle = zs_malloc(pool, ZS_TEST_SIZE, GFP_KERNEL, NUMA_NO_NODE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(handle));
	kunit_activate_static_stub(test, bin_seems_busy, zs_test_bin_is_busy);
	t->all_busy = true;
	zs_free(pool, handle);
	zs_destroy_pool(pool);
	KUNIT_EXPECT_EQ(test, t->misuses, 0);
}

static void malloc_prefers_a_larger_slot_to_waiting(struct kunit *test)
{
	const struct size_class *class = size_class(ZS_TEST_SIZE);
	struct zs_test_object *o = zs_test_objects(test, 4);
	struct zs_test *t = test->priv;

	zs_test_malloc(test, &o[0], class->size);
	t->busy = zs_test_bin(test, &o[0]);
	kunit_activate_static_stub(test, bin_seems_busy, zs_test_bin_is_busy);
	/* No bin is made for it. */
	zs_test_malloc(test, &o[1], class->size);
	KUNIT_EXPECT_PTR_EQ(test, zs_test_bin(test, &o[1]), t->busy);

	zs_test_malloc(test, &o[2], class[ZS_DETOUR].size);
	zs_test_malloc(test, &o[3], class->size);
	KUNIT_EXPECT_PTR_EQ(test, zs_test_bin(test, &o[3]), zs_test_bin(test, &o[2]));
	kunit_deactivate_static_stub(test, bin_seems_busy);
	zs_test_check_all(test, o, 4);
	zs_test_check_pool(test);
	zs_test_free_all(test, o, 4);
}

static struct kunit_case zs_test_cases[] = {
	KUNIT_CASE(every_size_has_a_class_that_holds_it),
	KUNIT_CASE(slots_and_pages_of_every_class_agree),
	KUNIT_CASE(sizes_from_the_huge_class_on_take_a_page),
	KUNIT_CASE(bad_sizes_and_handles_are_refused),
	KUNIT_CASE(objects_of_every_size_keep_their_bytes),
	KUNIT_CASE(pages_come_with_slots_and_go_with_them),
	KUNIT_CASE(a_slot_on_a_page_at_hand_comes_before_a_new_page),
	KUNIT_CASE(a_page_that_somebody_locked_stays_attached),
	KUNIT_CASE(a_dead_zspage_with_a_locked_page_is_freed_later),
	KUNIT_CASE(a_double_free_is_caught),
	KUNIT_CASE(more_than_fits_is_not_written),
	KUNIT_CASE(a_pool_with_objects_is_not_destroyed),
	KUNIT_CASE(objects_on_one_page_are_read_in_place),
	KUNIT_CASE(a_scatterlist_has_the_bytes),
	KUNIT_CASE(a_migrated_page_keeps_its_objects),
	KUNIT_CASE(a_page_being_read_is_not_migrated),
	KUNIT_CASE(migration_frees_a_page_without_objects),
	KUNIT_CASE(merged_objects_keep_handles_and_bytes),
	KUNIT_CASE(a_stub_goes_with_its_last_object),
	KUNIT_CASE(a_store_lives_while_a_stub_needs_it),
	KUNIT_CASE(merging_a_store_rewrites_its_stubs),
	KUNIT_CASE(a_store_without_own_objects_is_freed_when_merged),
	KUNIT_CASE(a_zspage_being_read_is_not_merged),
	KUNIT_CASE(a_merged_object_being_read_holds_its_store),
	KUNIT_CASE(a_locked_page_keeps_its_zspage_from_being_merged),
	KUNIT_CASE(packing_frees_all_pages_but_those_needed),
	KUNIT_CASE(packing_a_store_rewrites_its_stubs),
	KUNIT_CASE(a_stub_is_revived_before_a_zspage_is_made),
	KUNIT_CASE(a_read_makes_malloc_leave_a_stub_alone),
	KUNIT_CASE(the_shrinker_frees_what_it_counts),
	KUNIT_CASE(compaction_leaves_little_unused),
	KUNIT_CASE(churn_does_not_make_more_zspages_than_the_peak),
	KUNIT_CASE_SLOW(objects_of_one_class_survive_any_order),
	KUNIT_CASE_SLOW(objects_of_all_sizes_survive_any_order),
	KUNIT_CASE_SLOW(large_objects_survive_any_order),
	KUNIT_CASE(objects_go_to_the_node_asked_for),
	KUNIT_CASE(a_full_node_is_no_reason_to_fail),
	KUNIT_CASE(free_from_a_busy_bin_is_put_off),
	KUNIT_CASE(free_put_off_is_done_before_long),
	KUNIT_CASE(only_so_many_frees_are_put_off),
	KUNIT_CASE(pool_with_frees_put_off_is_destroyed),
	KUNIT_CASE(malloc_prefers_a_larger_slot_to_waiting),
	KUNIT_CASE(malloc_without_memory_fails_and_leaves_nothing),
	KUNIT_CASE(malloc_without_memory_to_revive_makes_a_zspage),
	KUNIT_CASE(compaction_without_memory_does_what_it_can),
	{ }
};

static struct kunit_suite zs_test_suite = {
	.name = "zsmalloc",
	.init = zs_test_init,
	.exit = zs_test_exit,
	.test_cases = zs_test_cases,
};

kunit_test_suite(zs_test_suite);
