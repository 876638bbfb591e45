// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of zswap: entries, limits, the LRU walk, the life of pools, and
 * folios through store, load and invalidate. Included by mm/zswap.c.
 *
 * They run at boot, before there is a swap device. The folios are not in a real
 * swap cache: their slots are of a device that does not exist.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/initrd.h>
#include <linux/prandom.h>

#define ZSWAP_TEST_TYPE		(MAX_SWAPFILES - 1 - VSWAP_NR_TYPES)
#define ZSWAP_TEST_SLOTS	(2 * SWAP_ADDRESS_SPACE_PAGES)

struct zswap_test {
	char compressor[CRYPTO_MAX_ALG_NAME];	/* as it was before the test */
	int stored;				/* zswap_stored_pages then */
	unsigned long total;			/* what zswap_total_pages() says */
	int fail_at;				/* page of a folio that is not stored */
	int nr_entries;
	struct zswap_entry *entries[16];
	struct zswap_entry *written[16];	/* in the order of writing back */
	int nr_written;
	unsigned long busy;			/* lists that somebody else is at, a bit each */
	struct zswap_entry *bad;		/* fails to be written back ... */
	int err;				/* ... with this */
};

/* Pages */

static void zswap_test_fill(struct page *page, u32 seed)
{
	u8 *bytes = kmap_local_page(page);
	struct rnd_state rnd;
	int i;

	/* A quarter of it is random: every compressor finds something to do. */
	prandom_seed_state(&rnd, seed);
	memset(bytes, seed, PAGE_SIZE);
	for (i = 0; i < PAGE_SIZE; i += 4)
		bytes[i] = prandom_u32_state(&rnd);
	kunmap_local(bytes);
}

static bool zswap_test_holds(struct page *page, u32 seed)
{
	struct page *expected = alloc_page(GFP_KERNEL | __GFP_NOFAIL);
	void *bytes = kmap_local_page(page);
	bool same;

	zswap_test_fill(expected, seed);
	same = !memcmp(bytes, page_address(expected), PAGE_SIZE);
	kunmap_local(bytes);
	__free_page(expected);
	return same;
}

static void zswap_test_free_folio(void *folio)
{
	__folio_clear_locked(folio);
	folio_clear_swapcache(folio);
	folio_put(folio);
}

/* A locked folio that seems to be in the swap cache. */
static struct folio *zswap_test_folio(struct kunit *test, unsigned int order,
				      unsigned long offset, u32 seed)
{
	struct folio *folio = folio_alloc(GFP_KERNEL, order);
	long i;

	KUNIT_ASSERT_NOT_NULL(test, folio);
	__folio_set_locked(folio);
	folio_set_swapbacked(folio);
	folio_set_swapcache(folio);
	folio->swap = swp_entry(ZSWAP_TEST_TYPE, offset);
	for (i = 0; i < folio_nr_pages(folio); i++)
		zswap_test_fill(folio_page(folio, i), seed + i);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, zswap_test_free_folio, folio));
	return folio;
}

/* Reads slots as a fault does that skips the swap cache. */
static struct folio *zswap_test_read(struct kunit *test, unsigned int order,
				     unsigned long offset, bool *found)
{
	struct folio *folio = zswap_test_folio(test, order, offset, 0x5a);

	folio_clear_swapcache(folio);
	*found = zswap_load(folio);
	return folio;
}

static void zswap_test_slot_holds(struct kunit *test, unsigned long offset, u32 seed)
{
	bool found;
	struct folio *folio = zswap_test_read(test, 0, offset, &found);

	KUNIT_ASSERT_TRUE(test, found);
	KUNIT_EXPECT_TRUE(test, folio_test_uptodate(folio));
	KUNIT_EXPECT_TRUE(test, zswap_test_holds(&folio->page, seed));
}

static void zswap_test_slot_empty(struct kunit *test, unsigned long offset)
{
	bool found;
	struct folio *folio = zswap_test_read(test, 0, offset, &found);

	KUNIT_EXPECT_FALSE(test, found);
	KUNIT_EXPECT_FALSE(test, folio_test_uptodate(folio));
}

static struct zswap_entry *zswap_test_entry(unsigned long offset)
{
	return zswap_find(swp_entry(ZSWAP_TEST_TYPE, offset));
}

/* Pools */

static int zswap_test_use(const char *compressor)
{
	guard(mutex)(&zswap_setup_lock);
	return zswap_pool_use(compressor);
}

static struct zswap_pool *zswap_test_current(void)
{
	return rcu_dereference_protected(zswap_current, true);
}

/* A compressor that is not the current one. */
static const char *zswap_test_other(struct kunit *test)
{
	static const char * const names[] = { "lz4", "deflate", "zstd", "lzo-rle", "lzo" };
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], zswap_test_current()->compressor) &&
		    crypto_has_acomp(names[i], 0, 0))
			return names[i];
	kunit_skip(test, "this kernel has only one compressor");
	return NULL;
}

static bool zswap_test_pool_gone(int id)
{
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		if (!rcu_access_pointer(zswap_pools[id]))
			return true;
		msleep(20);
	}
	return false;
}

/* Entries */

static void zswap_test_entry_is_small_and_holds_its_limits(struct kunit *test)
{
	struct zswap_entry entry = {
		.length = PAGE_SIZE,
		.pool_id = ZSWAP_MAX_POOLS - 1,
		.swpentry = swp_entry(MAX_SWAPFILES - 1, 12345),
	};

	KUNIT_EXPECT_LE(test, sizeof(entry), 48);
	KUNIT_EXPECT_EQ(test, entry.length, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, entry.pool_id, ZSWAP_MAX_POOLS - 1);
	KUNIT_EXPECT_EQ(test, swp_type(entry.swpentry), MAX_SWAPFILES - 1);
	KUNIT_EXPECT_EQ(test, swp_offset(entry.swpentry), 12345);
}

static void zswap_test_entry_finds_its_pool(struct kunit *test)
{
	struct zswap_pool *pool = zswap_test_current();
	struct zswap_entry entry = { .pool_id = pool->id };

	KUNIT_EXPECT_PTR_EQ(test, zswap_entry_pool(&entry), pool);
}

static void zswap_test_page_as_it_was_is_read_back(struct kunit *test)
{
	struct zswap_pool *pool = zswap_test_current();
	struct zswap_entry entry = { .length = PAGE_SIZE, .pool_id = pool->id };
	struct folio *from = zswap_test_folio(test, 0, 1, 7);
	struct folio *to = zswap_test_folio(test, 0, 2, 8);

	entry.handle = zs_malloc(pool->zs_pool, PAGE_SIZE, GFP_KERNEL, NUMA_NO_NODE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(entry.handle));
	zs_obj_write(pool->zs_pool, entry.handle, folio_address(from), PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, zswap_load_page(&entry, &to->page));
	KUNIT_EXPECT_TRUE(test, zswap_test_holds(&to->page, 7));
	zs_free(pool->zs_pool, entry.handle);
}

/* Limits */

static unsigned long zswap_test_total(void)
{
	return ((struct zswap_test *)current->kunit_test->priv)->total;
}

static void zswap_test_percentages_at_their_edges(struct kunit *test)
{
	unsigned long ram = totalram_pages();

	zswap_max_pool_percent = 0;
	KUNIT_EXPECT_EQ(test, zswap_max_pages(), 0);
	KUNIT_EXPECT_EQ(test, zswap_accept_pages(), 0);
	zswap_max_pool_percent = 1;
	KUNIT_EXPECT_EQ(test, zswap_max_pages(), ram / 100);
	zswap_max_pool_percent = 100;
	KUNIT_EXPECT_EQ(test, zswap_max_pages(), ram);
	zswap_accept_threshold_percent = 0;
	KUNIT_EXPECT_EQ(test, zswap_accept_pages(), 0);
	zswap_accept_threshold_percent = 100;
	KUNIT_EXPECT_EQ(test, zswap_accept_pages(), ram);
	zswap_accept_threshold_percent = 99;
	KUNIT_EXPECT_EQ(test, zswap_accept_pages(), ram * 99 / 100);
}

static void zswap_test_full_until_below_the_threshold(struct kunit *test)
{
	struct zswap_test *t = test->priv;
	long hits = atomic_long_read(&zswap_pool_limit_hit);

	kunit_activate_static_stub(test, zswap_total_pages, zswap_test_total);
	KUNIT_ASSERT_LT(test, zswap_accept_pages(), zswap_max_pages() - 1);

	/* Memory that boot gives back meanwhile raises the limits. */
	t->total = 0;
	KUNIT_EXPECT_FALSE(test, zswap_check_full());
	t->total = zswap_max_pages() - 1;
	KUNIT_EXPECT_FALSE(test, zswap_check_full());
	KUNIT_EXPECT_EQ(test, atomic_long_read(&zswap_pool_limit_hit), hits);
	t->total = zswap_max_pages();
	KUNIT_EXPECT_TRUE(test, zswap_check_full());
	KUNIT_EXPECT_EQ(test, atomic_long_read(&zswap_pool_limit_hit), hits + 1);
	t->total = zswap_max_pages() - 1;
	KUNIT_EXPECT_TRUE(test, zswap_check_full());
	t->total = zswap_accept_pages() + 1;
	KUNIT_EXPECT_TRUE(test, zswap_check_full());
	t->total = zswap_accept_pages();
	KUNIT_EXPECT_FALSE(test, zswap_check_full());
	t->total = zswap_max_pages() - 1;
	KUNIT_EXPECT_FALSE(test, zswap_check_full());
	KUNIT_EXPECT_EQ(test, atomic_long_read(&zswap_pool_limit_hit), hits + 1);
}

static void zswap_test_limit_of_zero_takes_nothing(struct kunit *test)
{
	struct zswap_test *t = test->priv;

	kunit_activate_static_stub(test, zswap_total_pages, zswap_test_total);
	t->total = 0;
	zswap_max_pool_percent = 0;
	KUNIT_EXPECT_TRUE(test, zswap_check_full());
	zswap_max_pool_percent = 20;
	KUNIT_EXPECT_FALSE(test, zswap_check_full());
}

static void zswap_test_counter_is_consumed_to_zero_only(struct kunit *test)
{
	atomic_long_t counter = ATOMIC_LONG_INIT(5);

	KUNIT_EXPECT_EQ(test, zswap_consume(&counter, 0), 0);
	KUNIT_EXPECT_EQ(test, zswap_consume(&counter, 3), 3);
	KUNIT_EXPECT_EQ(test, zswap_consume(&counter, 3), 2);
	KUNIT_EXPECT_EQ(test, zswap_consume(&counter, ULONG_MAX), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&counter), 0);
}

/* The LRU walk */

static int zswap_test_writeback(struct zswap_entry *entry, swp_entry_t swp)
{
	struct zswap_test *t = current->kunit_test->priv;

	if (t->nr_written < ARRAY_SIZE(t->written))
		t->written[t->nr_written++] = entry;
	if (entry == t->bad)
		return t->err;
	list_lru_del(&zswap_lrus[entry->lru_id], &entry->lru, page_to_nid(virt_to_page(entry)),
		     NULL);
	return 0;
}

static void zswap_test_lru_exit(void *data)
{
	struct zswap_test *t = data;
	int i;

	for (i = 0; i < t->nr_entries; i++) {
		struct zswap_entry *entry = t->entries[i];

		list_lru_del(&zswap_lrus[entry->lru_id], &entry->lru, first_online_node, NULL);
		kmem_cache_free(zswap_entry_cache, entry);
	}
}

/* Entries that are on an LRU list of this node and in nothing else. */
static void zswap_test_lru_fill_one(struct kunit *test, int nr, u8 lru_id)
{
	struct zswap_test *t = test->priv;

	if (!t->nr_entries)
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, zswap_test_lru_exit, t));
	kunit_activate_static_stub(test, zswap_writeback_entry, zswap_test_writeback);
	while (t->nr_entries < nr) {
		struct zswap_entry *entry = kmem_cache_alloc_node(zswap_entry_cache, GFP_KERNEL |
								  __GFP_ZERO | __GFP_THISNODE,
								  first_online_node);

		KUNIT_ASSERT_NOT_NULL(test, entry);
		INIT_LIST_HEAD(&entry->lru);
		entry->referenced = true;
		entry->lru_id = lru_id;
		t->entries[t->nr_entries++] = entry;
		zswap_lru_add(entry);
	}
}

static void zswap_test_lru_fill(struct kunit *test, int nr)
{
	zswap_test_lru_fill_one(test, nr, 0);
}

static struct zswap_walk zswap_test_walk(unsigned long nr, bool stop_if_cached)
{
	struct zswap_walk walk = { .stop_if_cached = stop_if_cached };

	list_lru_walk_one(&zswap_lrus[0], first_online_node, NULL, zswap_walk_one, &walk, &nr);
	return walk;
}

static void zswap_test_lru_gives_each_a_second_chance(struct kunit *test)
{
	struct zswap_test *t = test->priv;
	struct zswap_walk walk;
	int i;

	zswap_test_lru_fill(test, 4);
	walk = zswap_test_walk(4, false);
	KUNIT_EXPECT_EQ(test, walk.rotated, 4);
	KUNIT_EXPECT_EQ(test, walk.written, 0);
	KUNIT_EXPECT_EQ(test, t->nr_written, 0);

	walk = zswap_test_walk(4, false);
	KUNIT_EXPECT_EQ(test, walk.rotated, 0);
	KUNIT_EXPECT_EQ(test, walk.written, 4);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_PTR_EQ(test, t->written[i], t->entries[i]);
	KUNIT_EXPECT_EQ(test, list_lru_count_one(&zswap_lrus[0], first_online_node, NULL), 0);
}

static void zswap_test_lru_writes_the_oldest_first(struct kunit *test)
{
	struct zswap_test *t = test->priv;
	struct zswap_walk walk;

	zswap_test_lru_fill(test, 2);
	zswap_test_walk(2, false);
	/* A newer one waits behind those that had their chance. */
	zswap_test_lru_fill(test, 3);
	walk = zswap_test_walk(3, false);
	KUNIT_EXPECT_EQ(test, walk.written, 2);
	KUNIT_EXPECT_EQ(test, walk.rotated, 1);
	KUNIT_EXPECT_PTR_EQ(test, t->written[0], t->entries[0]);
	KUNIT_EXPECT_PTR_EQ(test, t->written[1], t->entries[1]);
	KUNIT_EXPECT_EQ(test, list_lru_count_one(&zswap_lrus[0], first_online_node, NULL), 1);
}

static void zswap_test_lru_keeps_what_could_not_be_written(struct kunit *test)
{
	struct zswap_test *t = test->priv;
	struct zswap_walk walk;

	zswap_test_lru_fill(test, 3);
	zswap_test_walk(3, false);
	t->bad = t->entries[0];
	t->err = -ENOMEM;
	walk = zswap_test_walk(3, true);
	KUNIT_EXPECT_EQ(test, walk.written, 2);
	KUNIT_EXPECT_FALSE(test, walk.met_cached);
	KUNIT_EXPECT_EQ(test, list_lru_count_one(&zswap_lrus[0], first_online_node, NULL), 1);

	t->bad = NULL;
	walk = zswap_test_walk(1, true);
	KUNIT_EXPECT_EQ(test, walk.written, 1);
	KUNIT_EXPECT_PTR_EQ(test, t->written[3], t->entries[0]);
}

static void zswap_test_shrinker_stops_at_a_cached_page(struct kunit *test)
{
	struct zswap_test *t = test->priv;
	struct zswap_walk walk;

	zswap_test_lru_fill(test, 3);
	zswap_test_walk(3, false);
	t->bad = t->entries[1];
	t->err = -EEXIST;
	walk = zswap_test_walk(3, true);
	KUNIT_EXPECT_TRUE(test, walk.met_cached);
	KUNIT_EXPECT_EQ(test, walk.written, 1);
	KUNIT_EXPECT_EQ(test, list_lru_count_one(&zswap_lrus[0], first_online_node, NULL), 2);
}

static void zswap_test_limit_walk_goes_on_after_a_cached_page(struct kunit *test)
{
	struct zswap_test *t = test->priv;
	struct zswap_walk walk;

	zswap_test_lru_fill(test, 3);
	zswap_test_walk(3, false);
	t->bad = t->entries[1];
	t->err = -EEXIST;
	walk = zswap_test_walk(3, false);
	KUNIT_EXPECT_FALSE(test, walk.met_cached);
	KUNIT_EXPECT_EQ(test, walk.written, 2);
}

static void zswap_test_short_list_is_walked_once(struct kunit *test)
{
	unsigned long written = 0;

	zswap_test_lru_fill(test, 3);
	KUNIT_EXPECT_EQ(test, zswap_shrink_memcg(NULL, &written), 0);
	KUNIT_EXPECT_EQ(test, written, 0);
	KUNIT_EXPECT_EQ(test, zswap_shrink_memcg(NULL, &written), 0);
	KUNIT_EXPECT_EQ(test, written, 3);
	KUNIT_EXPECT_EQ(test, zswap_shrink_memcg(NULL, &written), -ENOENT);
}

static void zswap_test_lists_take_turns(struct kunit *test)
{
	struct lruvec *lruvec = mem_cgroup_lruvec(NULL, NODE_DATA(first_online_node));
	struct zswap_test *t = test->priv;
	struct zswap_walk walk = {};
	int i;

	BUILD_BUG_ON(ARRAY_SIZE(t->entries) < ZSWAP_NR_LRUS);
	for (i = 0; i < ZSWAP_NR_LRUS; i++)
		zswap_test_lru_fill_one(test, i + 1, i);
	lruvec->zswap_lruvec_state.next_lru = 0;
	for (i = 0; i < ZSWAP_NR_LRUS; i++) {
		KUNIT_EXPECT_TRUE(test, t->entries[i]->referenced);
		KUNIT_EXPECT_EQ(test, zswap_walk_lrus(first_online_node, NULL, 1, &walk), 1);
		KUNIT_EXPECT_FALSE(test, t->entries[i]->referenced);
	}
	KUNIT_EXPECT_EQ(test, t->nr_written, 0);
	for (i = 0; i < ZSWAP_NR_LRUS; i++) {
		KUNIT_EXPECT_EQ(test, zswap_walk_lrus(first_online_node, NULL, 1, &walk), 1);
		KUNIT_EXPECT_PTR_EQ(test, t->written[i], t->entries[i]);
	}
	KUNIT_EXPECT_EQ(test, zswap_walk_lrus(first_online_node, NULL, 1, &walk), 0);
}

static void zswap_test_list_is_chosen_by_slot(struct kunit *test)
{
	unsigned long chosen = 0;
	u8 first, next;
	int i;

	for (i = 0; i < ZSWAP_NR_LRUS; i++) {
		first = zswap_lru_id(swp_entry(1, i * ZSWAP_LEAF_SLOTS));
		KUNIT_ASSERT_LT(test, first, ZSWAP_NR_LRUS);
		chosen |= BIT(first);
		KUNIT_EXPECT_EQ(test, first,
				zswap_lru_id(swp_entry(1, (i + 1) * ZSWAP_LEAF_SLOTS - 1)));
		/* The same place of the next cluster. */
		next = zswap_lru_id(swp_entry(1, (i + ZSWAP_NR_LRUS) * ZSWAP_LEAF_SLOTS));
		KUNIT_EXPECT_EQ(test, next, (first + 1) % ZSWAP_NR_LRUS);
	}
	KUNIT_EXPECT_EQ(test, chosen, BIT(ZSWAP_NR_LRUS) - 1);
}

static bool zswap_test_lru_is_busy(u8 lru_id)
{
	struct zswap_test *t = current->kunit_test->priv;

	return t->busy & BIT(lru_id);
}

static void zswap_test_busy_list_is_passed_over(struct kunit *test)
{
	struct folio *folio = zswap_test_folio(test, 0, 5 * ZSWAP_LEAF_SLOTS, 1);
	struct zswap_test *t = test->priv;
	u8 first = zswap_lru_id(folio->swap);

	kunit_activate_static_stub(test, zswap_lru_seems_busy, zswap_test_lru_is_busy);
	KUNIT_EXPECT_EQ(test, zswap_lru_for(folio), first);
	t->busy = BIT(first);
	KUNIT_EXPECT_EQ(test, zswap_lru_for(folio), (first + 1) % ZSWAP_NR_LRUS);
	t->busy = ~BIT((first + ZSWAP_NR_LRUS - 1) % ZSWAP_NR_LRUS);
	KUNIT_EXPECT_EQ(test, zswap_lru_for(folio),
			(first + ZSWAP_NR_LRUS - 1) % ZSWAP_NR_LRUS);
	t->busy = ~0UL;
	KUNIT_EXPECT_EQ(test, zswap_lru_for(folio), first);
}

static void zswap_test_failed_writing_is_told(struct kunit *test)
{
	struct zswap_test *t = test->priv;
	unsigned long written = 0;

	zswap_test_lru_fill(test, 1);
	zswap_shrink_memcg(NULL, &written);
	t->bad = t->entries[0];
	t->err = -EIO;
	KUNIT_EXPECT_EQ(test, zswap_shrink_memcg(NULL, &written), -EAGAIN);
	KUNIT_EXPECT_EQ(test, written, 0);
	KUNIT_EXPECT_EQ(test, t->nr_written, 1);
}

/* Folios */

static void zswap_test_folio_is_read_back(struct kunit *test)
{
	struct folio *folio = zswap_test_folio(test, 0, 5, 1);
	struct zswap_test *t = test->priv;

	KUNIT_ASSERT_TRUE(test, zswap_store(folio));
	KUNIT_EXPECT_EQ(test, atomic_read(&zswap_stored_pages), t->stored + 1);
	KUNIT_EXPECT_LT(test, zswap_test_entry(5)->length, PAGE_SIZE);
	zswap_test_slot_holds(test, 5, 1);
	zswap_test_slot_empty(test, 4);
	zswap_test_slot_empty(test, 6);

	/* Without the swap cache zswap keeps the page until the slot is freed. */
	zswap_test_slot_holds(test, 5, 1);
	zswap_invalidate(swp_entry(ZSWAP_TEST_TYPE, 5));
	zswap_test_slot_empty(test, 5);
	KUNIT_EXPECT_EQ(test, atomic_read(&zswap_stored_pages), t->stored);
}

static void zswap_test_newer_page_replaces_the_older(struct kunit *test)
{
	struct zswap_test *t = test->priv;

	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 5, 1)));
	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 5, 2)));
	KUNIT_EXPECT_EQ(test, atomic_read(&zswap_stored_pages), t->stored + 1);
	zswap_test_slot_holds(test, 5, 2);
}

static void zswap_test_rejected_page_leaves_no_older_one(struct kunit *test)
{
	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 5, 1)));
	zswap_enabled = false;
	KUNIT_EXPECT_FALSE(test, zswap_store(zswap_test_folio(test, 0, 5, 2)));
	zswap_test_slot_empty(test, 5);
}

static void zswap_test_large_folio_is_stored_page_by_page(struct kunit *test)
{
	/* Its slots end where the next leaf begins. */
	unsigned long first = ZSWAP_LEAF_SLOTS - 8;
	struct folio *folio = zswap_test_folio(test, 3, first, 100);
	struct zswap_test *t = test->priv;
	int i;

	KUNIT_ASSERT_TRUE(test, zswap_store(folio));
	KUNIT_EXPECT_EQ(test, atomic_read(&zswap_stored_pages), t->stored + 8);
	for (i = 0; i < 8; i++)
		zswap_test_slot_holds(test, first + i, 100 + i);
	zswap_test_slot_empty(test, first + 8);

	/* Half of the slots go; the range may reach into the next leaf. */
	zswap_invalidate_range(swp_entry(ZSWAP_TEST_TYPE, first + 4), 8);
	for (i = 0; i < 4; i++)
		zswap_test_slot_holds(test, first + i, 100 + i);
	for (i = 4; i < 8; i++)
		zswap_test_slot_empty(test, first + i);
	KUNIT_EXPECT_EQ(test, atomic_read(&zswap_stored_pages), t->stored + 4);
}

static bool zswap_test_is_whole(unsigned long offset, unsigned int nr)
{
	return zswap_can_load_whole(swp_entry(ZSWAP_TEST_TYPE, offset), nr);
}

static void zswap_test_large_folio_is_read_whole_if_all_is_there(struct kunit *test)
{
	unsigned long first = ZSWAP_LEAF_SLOTS - 8;
	struct folio *folio;
	bool found;
	int i;

	KUNIT_EXPECT_TRUE(test, zswap_test_is_whole(first, 8));
	zswap_test_read(test, 3, first, &found);
	KUNIT_EXPECT_FALSE(test, found);

	/* From where they were stored does not matter. */
	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 2, first, 100)));
	KUNIT_EXPECT_FALSE(test, zswap_test_is_whole(first, 8));
	for (i = 4; i < 8; i++)
		KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, first + i, 100 + i)));
	KUNIT_ASSERT_TRUE(test, zswap_test_is_whole(first, 8));
	KUNIT_EXPECT_FALSE(test, zswap_test_is_whole(first, 9));
	folio = zswap_test_read(test, 3, first, &found);
	KUNIT_EXPECT_TRUE(test, found);
	KUNIT_EXPECT_TRUE(test, folio_test_uptodate(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(folio));
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_TRUE(test, zswap_test_holds(folio_page(folio, i), 100 + i));

	for (i = 0; i < 8; i++) {
		zswap_invalidate(swp_entry(ZSWAP_TEST_TYPE, first + i));
		KUNIT_EXPECT_EQ(test, zswap_test_is_whole(first, 8), i == 7);
	}
}

static bool zswap_test_store_object(struct zswap_pool *pool, struct page *page,
				    struct zswap_entry *entry, long nr_incompressible)
{
	struct zswap_test *t = current->kunit_test->priv;
	bool stored;

	if (!t->fail_at--)
		return false;
	kunit_deactivate_static_stub(current->kunit_test, zswap_store_object);
	stored = zswap_store_object(pool, page, entry, nr_incompressible);
	kunit_activate_static_stub(current->kunit_test, zswap_store_object,
				   zswap_test_store_object);
	return stored;
}

static void zswap_test_large_folio_is_stored_all_or_not_at_all(struct kunit *test)
{
	struct zswap_test *t = test->priv;
	int fail_at, i;

	for (fail_at = 0; fail_at < 4; fail_at++) {
		/* An older copy of one page must not survive either. */
		KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 10, 1)));

		t->fail_at = fail_at;
		kunit_activate_static_stub(test, zswap_store_object, zswap_test_store_object);
		KUNIT_EXPECT_FALSE(test, zswap_store(zswap_test_folio(test, 2, 8, 200)));
		kunit_deactivate_static_stub(test, zswap_store_object);

		for (i = 8; i < 12; i++)
			zswap_test_slot_empty(test, i);
		KUNIT_EXPECT_EQ(test, atomic_read(&zswap_stored_pages), t->stored);
	}
}

static void zswap_test_damaged_page_is_an_error_and_stays(struct kunit *test)
{
	long failures = atomic_long_read(&zswap_decompress_fail);
	struct zs_pool *zs_pool = zswap_test_current()->zs_pool;
	struct zswap_entry *entry;
	struct folio *folio;
	u8 *good, *bad, *object;
	bool found;

	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 5, 1)));
	entry = zswap_test_entry(5);
	good = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	bad = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, good && bad);

	object = zs_obj_read_begin(zs_pool, entry->handle, entry->length, good);
	memmove(good, object, entry->length);
	zs_obj_read_end(zs_pool, entry->handle, entry->length, object);
	memset(bad, 0xff, entry->length);
	zs_obj_write(zs_pool, entry->handle, bad, entry->length);

	folio = zswap_test_read(test, 0, 5, &found);
	KUNIT_EXPECT_TRUE(test, found);
	KUNIT_EXPECT_FALSE(test, folio_test_uptodate(folio));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&zswap_decompress_fail), failures + 1);

	zs_obj_write(zs_pool, entry->handle, good, entry->length);
	zswap_test_slot_holds(test, 5, 1);
}

static void zswap_test_damaged_page_of_a_folio_leaves_the_others(struct kunit *test)
{
	struct zs_pool *zs_pool = zswap_test_current()->zs_pool;
	struct zswap_entry *entry;
	struct folio *folio;
	bool found;
	u8 *bad;

	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 2, 8, 100)));
	entry = zswap_test_entry(10);
	bad = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bad);
	memset(bad, 0xff, entry->length);
	zs_obj_write(zs_pool, entry->handle, bad, entry->length);

	KUNIT_ASSERT_TRUE(test, zswap_test_is_whole(8, 4));
	folio = zswap_test_read(test, 2, 8, &found);
	KUNIT_EXPECT_TRUE(test, found);
	KUNIT_EXPECT_FALSE(test, folio_test_uptodate(folio));

	/* Not again as a whole: those that are good would not be found. */
	KUNIT_EXPECT_FALSE(test, zswap_test_is_whole(8, 4));
	zswap_test_slot_holds(test, 8, 100);
	zswap_test_slot_holds(test, 9, 101);
	zswap_test_slot_holds(test, 11, 103);
	folio = zswap_test_read(test, 0, 10, &found);
	KUNIT_EXPECT_TRUE(test, found);
	KUNIT_EXPECT_FALSE(test, folio_test_uptodate(folio));

	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 2, 8, 200)));
	KUNIT_EXPECT_TRUE(test, zswap_test_is_whole(8, 4));
}

/* Pools */

static void zswap_test_page_outlives_the_use_of_its_compressor(struct kunit *test)
{
	struct zswap_pool *pool = zswap_test_current();
	const char *other = zswap_test_other(test);
	int id = pool->id;

	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 5, 1)));
	KUNIT_ASSERT_EQ(test, zswap_test_use(other), 0);
	KUNIT_EXPECT_PTR_NE(test, zswap_test_current(), pool);
	KUNIT_EXPECT_NE(test, zswap_test_current()->id, id);
	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 6, 2)));
	KUNIT_EXPECT_EQ(test, zswap_test_entry(6)->pool_id, zswap_test_current()->id);
	zswap_test_slot_holds(test, 5, 1);
	zswap_test_slot_holds(test, 6, 2);

	zswap_invalidate(swp_entry(ZSWAP_TEST_TYPE, 5));
	KUNIT_EXPECT_TRUE(test, zswap_test_pool_gone(id));
	zswap_test_slot_holds(test, 6, 2);
}

static void zswap_test_replaced_pool_is_taken_back(struct kunit *test)
{
	struct zswap_pool *pool = zswap_test_current();
	const char *other = zswap_test_other(test);
	int other_id;

	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 5, 1)));
	KUNIT_ASSERT_EQ(test, zswap_test_use(other), 0);
	other_id = zswap_test_current()->id;
	KUNIT_ASSERT_EQ(test, zswap_test_use(pool->compressor), 0);
	KUNIT_EXPECT_PTR_EQ(test, zswap_test_current(), pool);
	KUNIT_EXPECT_TRUE(test, zswap_test_pool_gone(other_id));

	/* It is as good as new: it survives its last page. */
	zswap_invalidate(swp_entry(ZSWAP_TEST_TYPE, 5));
	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 6, 2)));
	zswap_test_slot_holds(test, 6, 2);
	KUNIT_EXPECT_PTR_EQ(test, zswap_test_current(), pool);
}

static void zswap_test_failed_store_keeps_no_pool(struct kunit *test)
{
	const char *other = zswap_test_other(test);
	struct zswap_test *t = test->priv;
	int id = zswap_test_current()->id;

	t->fail_at = 2;
	kunit_activate_static_stub(test, zswap_store_object, zswap_test_store_object);
	KUNIT_EXPECT_FALSE(test, zswap_store(zswap_test_folio(test, 2, 8, 200)));
	kunit_deactivate_static_stub(test, zswap_store_object);
	KUNIT_ASSERT_EQ(test, zswap_test_use(other), 0);
	KUNIT_EXPECT_TRUE(test, zswap_test_pool_gone(id));
}

static void zswap_test_unknown_compressor_changes_nothing(struct kunit *test)
{
	struct zswap_pool *pool = zswap_test_current();

	KUNIT_EXPECT_NE(test, zswap_test_use("no-such-compressor"), 0);
	KUNIT_EXPECT_PTR_EQ(test, zswap_test_current(), pool);
	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 5, 1)));
	zswap_test_slot_holds(test, 5, 1);
}

static void zswap_test_same_compressor_keeps_the_pool(struct kunit *test)
{
	struct zswap_pool *pool = zswap_test_current();

	KUNIT_EXPECT_EQ(test, zswap_test_use(pool->compressor), 0);
	KUNIT_EXPECT_PTR_EQ(test, zswap_test_current(), pool);
}

static void zswap_test_no_place_for_another_pool_is_an_error(struct kunit *test)
{
	struct zswap_pool *pool = zswap_test_current();
	const char *other = zswap_test_other(test);
	DECLARE_BITMAP(taken, ZSWAP_MAX_POOLS) = {};
	int id;

	for (id = 0; id < ZSWAP_MAX_POOLS; id++) {
		if (!rcu_access_pointer(zswap_pools[id])) {
			rcu_assign_pointer(zswap_pools[id], pool);
			__set_bit(id, taken);
		}
	}

	KUNIT_EXPECT_EQ(test, zswap_test_use(other), -ENOSPC);
	for_each_set_bit(id, taken, ZSWAP_MAX_POOLS)
		RCU_INIT_POINTER(zswap_pools[id], NULL);
	KUNIT_EXPECT_PTR_EQ(test, zswap_test_current(), pool);
}

static unsigned long zswap_test_on_lrus(void)
{
	unsigned long total = 0;
	int nid;

	for_each_online_node(nid)
		total += zswap_count_lrus(nid, NULL);
	return total;
}

/*
 * What an entry has in common with its neighbours is given back for all at once,
 * and leaves without entries with them.
 */
static void zswap_test_range_of_pages_of_several_pools_is_dropped(struct kunit *test)
{
	unsigned long first = ZSWAP_LEAF_SLOTS / 2, hole = first + ZSWAP_BATCH / 2;
	unsigned long hole_end = 2 * ZSWAP_LEAF_SLOTS + 1, end = 4 * ZSWAP_LEAF_SLOTS + 5;
	unsigned long *words = zswap_leaves[ZSWAP_TEST_TYPE];
	struct zswap_pool *pool = zswap_test_current();
	const char *names[2] = { pool->compressor, zswap_test_other(test) };
	unsigned long on_lru = zswap_test_on_lrus();
	struct zswap_test *t = test->priv;
	unsigned long i;
	int other = 0;

	for (i = first; i < end; i = i + 1 == hole ? hole_end : i + 1) {
		KUNIT_ASSERT_EQ(test, zswap_test_use(names[(end - 1 - i) / 9 % 2]), 0);
		if (zswap_test_current() != pool)
			other = zswap_test_current()->id;
		KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, i, i)));
	}
	KUNIT_EXPECT_EQ(test, words[0] & ZSWAP_LEAF_COUNT, ZSWAP_BATCH / 2);
	KUNIT_EXPECT_EQ(test, words[1], 0);
	KUNIT_EXPECT_EQ(test, words[3] & ZSWAP_LEAF_COUNT, ZSWAP_LEAF_SLOTS);
	zswap_invalidate_range(swp_entry(ZSWAP_TEST_TYPE, first), end - 2 - first);

	for (i = first; i < end - 2; i++)
		zswap_test_slot_empty(test, i);
	zswap_test_slot_holds(test, end - 2, end - 2);
	zswap_test_slot_holds(test, end - 1, end - 1);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, words[i], 0);
	KUNIT_EXPECT_EQ(test, words[4] & ZSWAP_LEAF_COUNT, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&zswap_stored_pages), t->stored + 2);
	KUNIT_EXPECT_EQ(test, zswap_test_on_lrus(), on_lru + 2);
	/* All that is left is of the pool in use, and the other one has gone. */
	KUNIT_EXPECT_PTR_EQ(test, zswap_test_current(), pool);
	KUNIT_EXPECT_TRUE(test, zswap_test_pool_gone(other));
	KUNIT_EXPECT_LE(test, zs_get_total_pages(pool->zs_pool), 4);
}

/* Who looks at a slot while the leaf is being given back sees what RCU writes there. */
static void zswap_test_leaf_on_its_way_out_has_no_entries(struct kunit *test)
{
	unsigned long *place = zswap_leaf_word(swp_entry(ZSWAP_TEST_TYPE, 5));
	struct zswap_leaf *leaf;
	int i;

	KUNIT_ASSERT_TRUE(test, zswap_store(zswap_test_folio(test, 0, 5, 1)));
	rcu_read_lock();
	leaf = zswap_word_leaf(*place);
	zswap_invalidate(swp_entry(ZSWAP_TEST_TYPE, 5));
	KUNIT_EXPECT_NOT_NULL(test, leaf->rcu.func);
	for (i = 0; i < ZSWAP_LEAF_SLOTS; i++)
		KUNIT_EXPECT_EQ(test, zswap_leaf_peek(place, leaf, i), 0);
	rcu_read_unlock();
}

static int zswap_test_init(struct kunit *test)
{
	struct zswap_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int id;

	if (!t)
		return -ENOMEM;
	/* When it is unpacked, its memory is given back, and limits grow. */
	wait_for_initramfs();
	test->priv = t;
	scoped_guard(mutex, &zswap_setup_lock) {
		int err = zswap_setup();

		if (err)
			return err;
	}
	/* Those that the test before has left are on their way out. */
	for (id = 0; id < ZSWAP_MAX_POOLS; id++)
		if (id != zswap_test_current()->id && !zswap_test_pool_gone(id))
			return -ETIMEDOUT;
	strscpy(t->compressor, zswap_test_current()->compressor);
	t->stored = atomic_read(&zswap_stored_pages);
	zswap_enabled = true;
	zswap_max_pool_percent = 20;
	zswap_accept_threshold_percent = 90;
	zswap_full = false;
	return zswap_swapon(ZSWAP_TEST_TYPE, ZSWAP_TEST_SLOTS);
}

static void zswap_test_exit(struct kunit *test)
{
	struct zswap_test *t = test->priv;

	if (!t || !zswap_leaves[ZSWAP_TEST_TYPE])
		return;
	zswap_invalidate_range(swp_entry(ZSWAP_TEST_TYPE, 0), ZSWAP_TEST_SLOTS);
	zswap_swapoff(ZSWAP_TEST_TYPE);
	zswap_test_use(t->compressor);
	zswap_enabled = IS_ENABLED(CONFIG_ZSWAP_DEFAULT_ON);
	zswap_max_pool_percent = 20;
	zswap_accept_threshold_percent = 90;
	KUNIT_EXPECT_EQ(test, atomic_read(&zswap_stored_pages), t->stored);
}

static struct kunit_case zswap_test_cases[] = {
	KUNIT_CASE(zswap_test_entry_is_small_and_holds_its_limits),
	KUNIT_CASE(zswap_test_entry_finds_its_pool),
	KUNIT_CASE(zswap_test_page_as_it_was_is_read_back),
	KUNIT_CASE(zswap_test_percentages_at_their_edges),
	KUNIT_CASE(zswap_test_full_until_below_the_threshold),
	KUNIT_CASE(zswap_test_limit_of_zero_takes_nothing),
	KUNIT_CASE(zswap_test_counter_is_consumed_to_zero_only),
	KUNIT_CASE(zswap_test_lru_gives_each_a_second_chance),
	KUNIT_CASE(zswap_test_lru_writes_the_oldest_first),
	KUNIT_CASE(zswap_test_lru_keeps_what_could_not_be_written),
	KUNIT_CASE(zswap_test_shrinker_stops_at_a_cached_page),
	KUNIT_CASE(zswap_test_limit_walk_goes_on_after_a_cached_page),
	KUNIT_CASE(zswap_test_short_list_is_walked_once),
	KUNIT_CASE(zswap_test_lists_take_turns),
	KUNIT_CASE(zswap_test_list_is_chosen_by_slot),
	KUNIT_CASE(zswap_test_busy_list_is_passed_over),
	KUNIT_CASE(zswap_test_failed_writing_is_told),
	KUNIT_CASE(zswap_test_folio_is_read_back),
	KUNIT_CASE(zswap_test_newer_page_replaces_the_older),
	KUNIT_CASE(zswap_test_rejected_page_leaves_no_older_one),
	KUNIT_CASE(zswap_test_large_folio_is_stored_page_by_page),
	KUNIT_CASE(zswap_test_large_folio_is_stored_all_or_not_at_all),
	KUNIT_CASE(zswap_test_large_folio_is_read_whole_if_all_is_there),
	KUNIT_CASE(zswap_test_damaged_page_is_an_error_and_stays),
	KUNIT_CASE(zswap_test_damaged_page_of_a_folio_leaves_the_others),
	KUNIT_CASE(zswap_test_page_outlives_the_use_of_its_compressor),
	KUNIT_CASE(zswap_test_replaced_pool_is_taken_back),
	KUNIT_CASE(zswap_test_failed_store_keeps_no_pool),
	KUNIT_CASE(zswap_test_unknown_compressor_changes_nothing),
	KUNIT_CASE(zswap_test_same_compressor_keeps_the_pool),
	KUNIT_CASE(zswap_test_no_place_for_another_pool_is_an_error),
	KUNIT_CASE(zswap_test_range_of_pages_of_several_pools_is_dropped),
	KUNIT_CASE(zswap_test_leaf_on_its_way_out_has_no_entries),
	{}
};

static struct kunit_suite zswap_test_suite = {
	.name = "zswap",
	.init = zswap_test_init,
	.exit = zswap_test_exit,
	.test_cases = zswap_test_cases,
};

kunit_test_suite(zswap_test_suite);
