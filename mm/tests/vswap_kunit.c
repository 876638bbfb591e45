// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of vswap: slots, their references, what is behind them, lookups of
 * slots that are gone, and races of all that. Included by mm/vswap.c.
 *
 * They run at boot, when nobody else has slots, and each leaves none. What is in
 * zswap is only said to be there: freeing it goes to vswap_test_zswap_free().
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/random.h>

#define VSWAP_TEST_REGIONS	64
#define VSWAP_TEST_ENTRIES	(2 * SWAP_CLUSTER_MAX + 3)
#define VSWAP_TEST_THREADS	8
#define VSWAP_TEST_MEMCG	USHRT_MAX

/* More clusters than are kept when they are empty. */
#define VSWAP_TEST_CLUSTERS	(VSWAP_SPARES + 2)

struct vswap_test {
	bool enabled;			/* parameters, as they were before the test */
	unsigned int percent;
	u64 entries[VSWAP_TEST_ENTRIES];	/* stand for pages in zswap ... */
	struct zswap_entry *freed[VSWAP_TEST_ENTRIES];	/* ... as they are freed */
	int nr_freed;
	swp_entry_t leaving;		/* is on its way out at the first of them */
	int leaving_as_cache, leaving_as_reference;	/* what lookups said then */
	bool leaving_was_handed_out;
	unsigned long handed_over[64];	/* slots from one racing thread to another */
	atomic_t found, missed, wrong;	/* what racing threads met */
};

/* Slots */

static swp_entry_t vswap_test_entry(unsigned long offset)
{
	return swp_entry(VSWAP_TYPE, offset);
}

static unsigned long vswap_test_end(void)
{
	return READ_ONCE(vswap_nr_regions) * SWAP_ADDRESS_SPACE_PAGES;
}

static swp_entry_t vswap_test_alloc(struct kunit *test, unsigned int order)
{
	enum vswap_fallback why;
	swp_entry_t entry = vswap_alloc_slots(order, &why);

	KUNIT_ASSERT_NE(test, entry.val, 0);
	return entry;
}

/* All slots of one cluster, which no other slot was taken from. */
static swp_entry_t vswap_test_alloc_cluster(struct kunit *test)
{
	swp_entry_t entry = vswap_test_alloc(test, 0);
	struct vswap_cluster *c = vswap_cluster(entry);

	while (c->used < VSWAP_SLOTS)
		KUNIT_ASSERT_PTR_EQ(test, vswap_cluster(vswap_test_alloc(test, 0)), c);
	return vswap_entry(c, 0);
}

static void vswap_test_free(swp_entry_t entry)
{
	if (vswap_has_cache(entry))
		vswap_drop_cache(entry, 1);
	while (vswap_count(entry))
		vswap_free_nr(entry, 1);
}

static void vswap_test_free_all(void)
{
	unsigned long offset;

	for (offset = 0; offset < vswap_test_end(); offset++)
		vswap_test_free(vswap_test_entry(offset));
}

static unsigned short vswap_test_memcg_id(swp_entry_t entry)
{
	return mem_cgroup_disabled() ? 0 : vswap_memcg_id(entry);
}

static long vswap_test_slots(enum vswap_backing backing)
{
	long slots = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		slots += per_cpu_ptr(&vswap_cpus, cpu)->slots[backing];
	return slots;
}

static long vswap_test_clusters(void)
{
	return atomic_long_read(&vswap_nr_clusters);
}

/* There are no slots: then there is no memory but for regions and a few clusters. */
static void vswap_test_expect_given_back(struct kunit *test)
{
	unsigned long bytes = vswap_nr_regions * sizeof(struct vswap_region);
	struct vswap_cluster *c;
	int i;

	rcu_barrier();
	/* The first table is always there. */
	KUNIT_EXPECT_LE(test, vswap_nr_regions, VSWAP_TABLE_SIZE);
	list_for_each_entry(c, &vswap_empty, list)
		bytes += vswap_cluster_bytes() + (c->carry ? VSWAP_SLOTS * sizeof(*c->carry) : 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&vswap_table_bytes), bytes);
	KUNIT_EXPECT_EQ(test, vswap_test_clusters(), vswap_nr_empty);
	KUNIT_EXPECT_LE(test, vswap_nr_empty, VSWAP_SPARES);
	for (i = 0; i < VSWAP_NR_BACKINGS; i++)
		KUNIT_EXPECT_EQ(test, vswap_test_slots(i), 0);
}

static void vswap_test_expect_consistent(struct kunit *test)
{
	unsigned long offset;
	unsigned int slot;

	for (offset = 0; offset < vswap_test_end(); offset += VSWAP_SLOTS) {
		struct vswap_cluster *c = vswap_cluster(vswap_test_entry(offset));

		if (!c)
			continue;
		KUNIT_EXPECT_EQ(test, c->first, offset);
		KUNIT_EXPECT_EQ(test, c->used, bitmap_weight(c->taken, VSWAP_SLOTS));
		KUNIT_EXPECT_NE(test, c->state, VSWAP_TAKEN);
		KUNIT_EXPECT_NE(test, c->state, VSWAP_DEAD);
		KUNIT_EXPECT_EQ(test, c->state == VSWAP_CURRENT, !!c->place);
		if (c->place)
			KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(*c->place), c);
		for (slot = 0; slot < VSWAP_SLOTS; slot++) {
			KUNIT_EXPECT_EQ(test, !!c->count[slot], test_bit(slot, c->taken));
			if (!c->count[slot])
				KUNIT_EXPECT_EQ(test, c->backing[slot], 0);
		}
	}
}

/* Nothing is known of a slot; it may be that nothing is where it was. */
static void vswap_test_expect_unknown(struct kunit *test, swp_entry_t entry)
{
	long bytes = atomic_long_read(&vswap_table_bytes);

	KUNIT_ASSERT_EQ(test, vswap_duplicate(entry, SWAP_HAS_CACHE, 1), -ENOENT);
	KUNIT_ASSERT_EQ(test, vswap_duplicate(entry, 1, 1), -ENOENT);
	KUNIT_EXPECT_EQ(test, vswap_count(entry), 0);
	KUNIT_EXPECT_FALSE(test, vswap_has_cache(entry));
	KUNIT_EXPECT_FALSE(test, vswap_is_referenced(entry, 1));
	KUNIT_EXPECT_FALSE(test, vswap_can_read_whole(entry, 1));
	KUNIT_EXPECT_EQ(test, vswap_test_memcg_id(entry), 0);
	if (!vswap_cluster(entry) || !vswap_cluster(entry)->used) {
		KUNIT_EXPECT_EQ(test, vswap_extend_count(entry, GFP_KERNEL), 0);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&vswap_table_bytes), bytes);
	}
}

/* What is behind slots */

static struct zswap_entry *vswap_test_zswap_entry(struct kunit *test, unsigned int nr)
{
	struct vswap_test *t = test->priv;

	return (void *)&t->entries[nr];
}

static void vswap_test_set(swp_entry_t entry, unsigned long word)
{
	vswap_set(vswap_cluster(entry), vswap_slot(entry), word);
}

static void vswap_test_zswap_free(struct zswap_entry **entries, unsigned int nr)
{
	struct vswap_test *t = current->kunit_test->priv;
	enum vswap_fallback why;
	unsigned int i;

	for (i = 0; i < nr && t->nr_freed < VSWAP_TEST_ENTRIES; i++)
		t->freed[t->nr_freed++] = entries[i];
	if (!t->leaving.val)
		return;

	t->leaving_as_cache = vswap_duplicate(t->leaving, SWAP_HAS_CACHE, 1);
	t->leaving_as_reference = vswap_duplicate(t->leaving, 1, 1);
	for (i = 0; i < VSWAP_SLOTS; i++)
		if (vswap_alloc_slots(0, &why).val == t->leaving.val)
			t->leaving_was_handed_out = true;
	t->leaving.val = 0;
}

/* Allocating */

static void vswap_test_slots_of_each_order_are_aligned_and_distinct(struct kunit *test)
{
	unsigned long *taken = kunit_kzalloc(test, BITS_TO_BYTES(VSWAP_TEST_REGIONS *
						SWAP_ADDRESS_SPACE_PAGES), GFP_KERNEL);
	unsigned long clusters = VSWAP_CLUSTERS + 3, first, regions, slot, i;
	unsigned int order, round;

	KUNIT_ASSERT_NOT_NULL(test, taken);
	for (order = 0; order < SWAP_NR_ORDERS; order++) {
		for (round = 0; round < 2; round++) {
			regions = vswap_nr_regions;
			bitmap_zero(taken, VSWAP_TEST_REGIONS * SWAP_ADDRESS_SPACE_PAGES);
			for (i = 0; i < clusters * VSWAP_SLOTS >> order; i++) {
				first = swp_offset(vswap_test_alloc(test, order));
				KUNIT_ASSERT_TRUE(test, IS_ALIGNED(first, 1 << order));
				KUNIT_ASSERT_LE(test, first + (1 << order), vswap_test_end());
				KUNIT_ASSERT_LE(test, vswap_nr_regions, VSWAP_TEST_REGIONS);
				for (slot = first; slot < first + (1 << order); slot++)
					KUNIT_ASSERT_FALSE(test, __test_and_set_bit(slot, taken));
			}
			/* They lie as close as they can, and freed ones are used again. */
			KUNIT_EXPECT_EQ(test, vswap_test_clusters(), clusters);
			KUNIT_EXPECT_GE(test, vswap_nr_regions, 2);
			if (order || round)
				KUNIT_EXPECT_EQ(test, vswap_nr_regions, regions);
			KUNIT_EXPECT_EQ(test, vswap_test_slots(VSWAP_BACKING_NONE),
					clusters * VSWAP_SLOTS);
			vswap_test_free_all();
			vswap_test_expect_given_back(test);
		}
	}
}

static void vswap_test_new_slot_is_cached_and_has_nothing_else(struct kunit *test)
{
	swp_entry_t entry = vswap_test_alloc(test, 0);

	KUNIT_EXPECT_TRUE(test, swap_is_vswap(entry));
	KUNIT_EXPECT_TRUE(test, vswap_has_cache(entry));
	KUNIT_EXPECT_EQ(test, vswap_count(entry), 0);
	KUNIT_EXPECT_FALSE(test, vswap_is_referenced(entry, 1));
	KUNIT_EXPECT_FALSE(test, vswap_is_zero(entry));
	KUNIT_EXPECT_NULL(test, vswap_zswap_entry(entry));
	KUNIT_EXPECT_EQ(test, vswap_test_memcg_id(entry), 0);
}

static void vswap_test_small_folios_get_what_large_ones_left(struct kunit *test)
{
	unsigned int order = min(4, SWAP_NR_ORDERS - 1), i;
	struct vswap_cluster *c;
	swp_entry_t entry;

	if (!order)
		kunit_skip(test, "this kernel does not swap large folios whole");

	entry = vswap_test_alloc(test, order);
	c = vswap_cluster(entry);
	while (c->used < VSWAP_SLOTS)
		KUNIT_ASSERT_PTR_EQ(test, vswap_cluster(vswap_test_alloc(test, order)), c);
	for (i = 0; i < VSWAP_WORTH_REFILLING; i++)
		vswap_test_free(vswap_entry(c, i * (VSWAP_SLOTS / VSWAP_WORTH_REFILLING)));
	/* No place is large enough, so the cluster is given up for this order. */
	KUNIT_EXPECT_PTR_NE(test, vswap_cluster(vswap_test_alloc(test, order)), c);
	for (i = 0; i < VSWAP_WORTH_REFILLING; i++)
		KUNIT_ASSERT_PTR_EQ(test, vswap_cluster(vswap_test_alloc(test, 0)), c);
	KUNIT_EXPECT_EQ(test, c->used, VSWAP_SLOTS);
	KUNIT_EXPECT_PTR_NE(test, vswap_cluster(vswap_test_alloc(test, 0)), c);
}

static void vswap_test_full_cluster_is_refilled_when_it_is_worth_it(struct kunit *test)
{
	struct vswap_cluster *c = vswap_cluster(vswap_test_alloc_cluster(test));
	struct vswap_cluster *next = vswap_cluster(vswap_test_alloc(test, 0));
	unsigned int i;

	for (i = 0; i < VSWAP_WORTH_REFILLING - 1; i++)
		vswap_test_free(vswap_entry(c, 2 * i));
	KUNIT_EXPECT_EQ(test, c->state, VSWAP_FULL);
	vswap_test_free(vswap_entry(c, 2 * i));
	KUNIT_EXPECT_EQ(test, c->state, VSWAP_PARTIAL);

	/* The cluster in use comes first. */
	while (next->used < VSWAP_SLOTS)
		KUNIT_ASSERT_PTR_EQ(test, vswap_cluster(vswap_test_alloc(test, 0)), next);
	KUNIT_EXPECT_PTR_EQ(test, vswap_cluster(vswap_test_alloc(test, 0)), c);
}

static void vswap_test_no_cluster_is_made_beyond_the_limit(struct kunit *test)
{
	unsigned long spares = vswap_nr_empty, i;
	enum vswap_fallback why;
	swp_entry_t entry;

	KUNIT_EXPECT_TRUE(test, vswap_tables_have_room());
	vswap_max_table_percent = 0;
	for (i = 0; i < spares * VSWAP_SLOTS; i++)
		entry = vswap_test_alloc(test, 0);
	KUNIT_EXPECT_FALSE(test, vswap_tables_have_room());
	why = VSWAP_NR_FALLBACKS;
	KUNIT_EXPECT_EQ(test, vswap_alloc_slots(0, &why).val, 0);
	KUNIT_EXPECT_EQ(test, why, VSWAP_FALLBACK_LIMIT);
	KUNIT_EXPECT_EQ(test, vswap_test_clusters(), spares);

	vswap_max_table_percent = 100;
	KUNIT_EXPECT_TRUE(test, vswap_tables_have_room());
	entry = vswap_test_alloc(test, 0);
	KUNIT_EXPECT_EQ(test, vswap_test_clusters(), spares + 1);

	/* A cluster that is there may be used whatever the limit. */
	vswap_max_table_percent = 0;
	KUNIT_EXPECT_PTR_EQ(test, vswap_cluster(vswap_test_alloc(test, 0)), vswap_cluster(entry));
}

/* No CPU has a cluster or a region of its own any more. */
static void vswap_test_leave_cpus(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		vswap_cpu_dead(cpu);
}

/* As if so many regions were in use that the next one is beyond 32 bits. */
static void vswap_test_slots_reach_beyond_32_bits(struct kunit *test)
{
	unsigned long nr = vswap_nr_regions, nr_empty = vswap_nr_empty;
	unsigned long far = VSWAP_TABLE_SIZE * VSWAP_TABLE_SIZE;
	size_t bytes = atomic_long_read(&vswap_table_bytes);
	struct vswap_region *region;
	struct vswap_cluster *c;
	LIST_HEAD(roomy);
	LIST_HEAD(empty);
	swp_entry_t entry;

	if (vswap_max_regions() <= far)
		kunit_skip(test, "an entry has no room for so large an offset here");
	vswap_test_leave_cpus();
	list_splice_init(&vswap_roomy, &roomy);
	list_splice_init(&vswap_empty, &empty);
	vswap_nr_empty = 0;
	WRITE_ONCE(vswap_nr_regions, far);

	entry = vswap_test_alloc(test, 0);
	region = vswap_region(swp_offset(entry));
	c = vswap_cluster(entry);
	KUNIT_EXPECT_EQ(test, swp_offset(entry), far * SWAP_ADDRESS_SPACE_PAGES);
	KUNIT_EXPECT_EQ(test, pte_to_swp_entry(swp_entry_to_pte(entry)).val, entry.val);
	KUNIT_EXPECT_PTR_EQ(test, vswap_address_space(entry), &region->space);
	KUNIT_EXPECT_TRUE(test, vswap_has_cache(entry));
	KUNIT_EXPECT_FALSE(test, vswap_has_cache(vswap_test_entry(swp_offset(entry) + 1)));
	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, 1, 1), 0);
	vswap_drop_cache(entry, 1);
	KUNIT_EXPECT_EQ(test, vswap_count(entry), 1);
	vswap_free_nr(entry, 1);
	KUNIT_EXPECT_EQ(test, vswap_count(entry), 0);

	/* The region goes, which it never does otherwise. */
	KUNIT_EXPECT_EQ(test, c->state, VSWAP_EMPTY);
	vswap_free_memory(c);
	vswap_test_leave_cpus();
	WRITE_ONCE(vswap_nr_regions, nr);
	free_page((unsigned long)vswap_table(far));
	free_page((unsigned long)vswap_tables[far / VSWAP_TABLE_SIZE / VSWAP_TABLE_SIZE]);
	vswap_tables[far / VSWAP_TABLE_SIZE / VSWAP_TABLE_SIZE] = NULL;
	kfree(region);
	INIT_LIST_HEAD(&vswap_roomy);
	INIT_LIST_HEAD(&vswap_empty);
	list_splice(&roomy, &vswap_roomy);
	list_splice(&empty, &vswap_empty);
	vswap_nr_empty = nr_empty;
	atomic_long_set(&vswap_table_bytes, bytes);
}

static void vswap_test_clusters_of_a_dead_cpu_go_to_others(struct kunit *test)
{
	unsigned int cpu = raw_smp_processor_id(), other, order;
	struct vswap_cpu *dead = per_cpu_ptr(&vswap_cpus, cpu);
	struct vswap_cluster *c[SWAP_NR_ORDERS];
	struct vswap_region *region;

	/* Until it makes clusters, and so has a region. */
	while (!dead->region)
		vswap_test_alloc_cluster(test);
	region = dead->region;
	for (order = 0; order < SWAP_NR_ORDERS; order++)
		c[order] = vswap_cluster(vswap_test_alloc(test, order));
	KUNIT_EXPECT_EQ(test, vswap_cpu_dead(cpu), 0);

	KUNIT_EXPECT_NULL(test, dead->region);
	KUNIT_EXPECT_EQ(test, list_empty(&region->list), vswap_region_is_full(region));
	other = cpumask_any_but(cpu_online_mask, cpu);
	if (other < nr_cpu_ids)
		set_cpus_allowed_ptr(current, cpumask_of(other));
	for (order = 0; order < SWAP_NR_ORDERS; order++) {
		KUNIT_EXPECT_NULL(test, rcu_access_pointer(dead->cluster[order]));
		KUNIT_EXPECT_NULL(test, c[order]->place);
		/* A folio may fill its cluster alone. */
		if (c[order]->used == VSWAP_SLOTS)
			KUNIT_EXPECT_EQ(test, c[order]->state, VSWAP_FULL);
		else
			KUNIT_EXPECT_PTR_EQ(test, vswap_cluster(vswap_test_alloc(test, order)),
					    c[order]);
	}
}

/* References */

static void vswap_test_count_is_exact_whatever_its_size(struct kunit *test)
{
	swp_entry_t entry, neighbour = vswap_test_alloc(test, 0);
	long bytes;
	int i, err;

	/* A cluster that was kept may have been extended by another run. */
	do {
		entry = neighbour;
		neighbour = vswap_test_alloc(test, 0);
	} while (vswap_cluster(entry)->carry || vswap_cluster(neighbour) != vswap_cluster(entry));
	bytes = atomic_long_read(&vswap_table_bytes);
	for (i = 1; i <= 70000; i++) {
		err = vswap_duplicate(entry, 1, 1);
		if (i == VSWAP_COUNT_MAX + 1) {
			KUNIT_ASSERT_EQ(test, err, -ENOMEM);
			KUNIT_ASSERT_EQ(test, vswap_count(entry), VSWAP_COUNT_MAX);
			KUNIT_ASSERT_EQ(test, vswap_extend_count(entry, GFP_KERNEL), 0);
			KUNIT_ASSERT_EQ(test, vswap_count(entry), VSWAP_COUNT_MAX);
			err = vswap_duplicate(entry, 1, 1);
		}
		KUNIT_ASSERT_EQ(test, err, 0);
		KUNIT_ASSERT_EQ(test, vswap_count(entry), i);
		KUNIT_ASSERT_TRUE(test, vswap_has_cache(entry));
	}
	/* It is extended once. */
	bytes += VSWAP_SLOTS * sizeof(u32);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&vswap_table_bytes), bytes);
	KUNIT_EXPECT_EQ(test, vswap_extend_count(neighbour, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&vswap_table_bytes), bytes);

	vswap_drop_cache(entry, 1);
	for (i--; i; i--) {
		KUNIT_ASSERT_EQ(test, vswap_count(entry), i);
		KUNIT_ASSERT_TRUE(test, vswap_is_referenced(entry, 1));
		KUNIT_ASSERT_EQ(test, vswap_can_read_whole(entry, 1), (i == 1));
		vswap_free_nr(entry, 1);
	}
	vswap_test_expect_unknown(test, entry);
	KUNIT_EXPECT_EQ(test, vswap_count(neighbour), 0);
	KUNIT_EXPECT_TRUE(test, vswap_has_cache(neighbour));
}

static void vswap_test_only_one_has_the_cache(struct kunit *test)
{
	swp_entry_t entry = vswap_test_alloc(test, 0);

	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, SWAP_HAS_CACHE, 1), -EEXIST);
	KUNIT_ASSERT_EQ(test, vswap_duplicate(entry, 1, 1), 0);
	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, SWAP_HAS_CACHE, 1), -EEXIST);
	vswap_drop_cache(entry, 1);
	KUNIT_EXPECT_FALSE(test, vswap_has_cache(entry));
	KUNIT_EXPECT_EQ(test, vswap_count(entry), 1);
	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, SWAP_HAS_CACHE, 1), 0);
	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, SWAP_HAS_CACHE, 1), -EEXIST);
	KUNIT_EXPECT_TRUE(test, vswap_has_cache(entry));
	KUNIT_EXPECT_EQ(test, vswap_count(entry), 1);
}

static void vswap_test_slot_goes_with_the_last_of_cache_and_references(struct kunit *test)
{
	swp_entry_t first = vswap_test_alloc(test, 0), second = vswap_test_alloc(test, 0);

	KUNIT_ASSERT_EQ(test, vswap_duplicate(first, 1, 1), 0);
	KUNIT_ASSERT_EQ(test, vswap_duplicate(second, 1, 1), 0);
	vswap_drop_cache(first, 1);
	vswap_free_nr(second, 1);
	KUNIT_EXPECT_EQ(test, vswap_test_slots(VSWAP_BACKING_NONE), 2);
	vswap_free_nr(first, 1);
	vswap_test_expect_unknown(test, first);
	KUNIT_EXPECT_EQ(test, vswap_test_slots(VSWAP_BACKING_NONE), 1);
	vswap_drop_cache(second, 1);
	vswap_test_expect_unknown(test, second);
	KUNIT_EXPECT_EQ(test, vswap_test_slots(VSWAP_BACKING_NONE), 0);
}

static void vswap_test_cache_is_taken_of_all_slots_or_of_none(struct kunit *test)
{
	swp_entry_t entry = vswap_test_alloc_cluster(test);
	swp_entry_t third = { .val = entry.val + 2 };
	int i;

	KUNIT_ASSERT_EQ(test, vswap_duplicate(entry, 1, 4), 0);
	vswap_drop_cache(entry, 4);
	KUNIT_EXPECT_TRUE(test, vswap_can_read_whole(entry, 4));
	KUNIT_EXPECT_FALSE(test, vswap_can_read_whole(entry, 5));

	/* What has gone to a device cannot be read with the others. */
	KUNIT_ASSERT_EQ(test, vswap_duplicate(third, SWAP_HAS_CACHE, 1), 0);
	vswap_set(vswap_cluster(third), vswap_slot(third), vswap_device_word(swp_entry(0, 1)));
	vswap_drop_cache(third, 1);
	KUNIT_EXPECT_FALSE(test, vswap_can_read_whole(entry, 4));
	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, SWAP_HAS_CACHE, 4), -EEXIST);
	KUNIT_EXPECT_FALSE(test, vswap_has_cache(entry));
	KUNIT_ASSERT_EQ(test, vswap_duplicate(third, SWAP_HAS_CACHE, 1), 0);
	vswap_set(vswap_cluster(third), vswap_slot(third), 0);

	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, SWAP_HAS_CACHE, 4), -EEXIST);
	KUNIT_EXPECT_FALSE(test, vswap_can_read_whole(entry, 4));
	vswap_test_free(third);
	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, SWAP_HAS_CACHE, 4), -ENOENT);
	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, 1, 4), -ENOENT);
	for (i = 0; i < 4; i++, entry.val++) {
		KUNIT_EXPECT_FALSE(test, vswap_has_cache(entry));
		KUNIT_EXPECT_EQ(test, vswap_count(entry), i != 2);
	}
	entry.val -= 4;
	KUNIT_EXPECT_EQ(test, vswap_duplicate(entry, SWAP_HAS_CACHE, 2), 0);
}

static void vswap_test_range_goes_over_clusters_and_regions(struct kunit *test)
{
	unsigned long start = SWAP_ADDRESS_SPACE_PAGES - 2 * VSWAP_SLOTS - 5;
	unsigned long end = SWAP_ADDRESS_SPACE_PAGES + VSWAP_SLOTS + 7, i;
	swp_entry_t entry;

	while (!vswap_region(end) || !vswap_region_is_full(vswap_region(start)) ||
	       !vswap_region_is_full(vswap_region(end)))
		vswap_test_alloc_cluster(test);
	/* Of neighbours some stay, as they have a second reference or the cache. */
	for (i = start - 1; i <= end; i++) {
		entry = vswap_test_entry(i);
		KUNIT_ASSERT_EQ(test, vswap_duplicate(entry, 1, 1), 0);
		if (i % 7 == 0)
			KUNIT_ASSERT_EQ(test, vswap_duplicate(entry, 1, 1), 0);
		if (i % 11)
			vswap_drop_cache(entry, 1);
	}
	vswap_free_nr(vswap_test_entry(start), end - start);
	for (i = start - 1; i <= end; i++) {
		int expected = (i % 7 == 0) + (i < start || i >= end);

		entry = vswap_test_entry(i);
		KUNIT_ASSERT_EQ_MSG(test, vswap_count(entry), expected, "slot %lu", i);
		KUNIT_ASSERT_EQ_MSG(test, vswap_has_cache(entry), (i % 11 == 0), "slot %lu", i);
	}
}

/* What is behind them */

/* One of these to another; nothing may become anything, and the reverse. */
static const struct {
	enum vswap_backing from, to;
} vswap_test_legal[] = {
	{ VSWAP_BACKING_ZSWAP, VSWAP_BACKING_ZSWAP },
};

static void vswap_test_backing_becomes_only_what_it_may(struct kunit *test)
{
	int from, to, i;

	for (from = 0; from < VSWAP_NR_BACKINGS; from++) {
		for (to = 0; to < VSWAP_NR_BACKINGS; to++) {
			bool legal = from == VSWAP_BACKING_NONE || to == VSWAP_BACKING_NONE;

			for (i = 0; i < ARRAY_SIZE(vswap_test_legal); i++)
				legal |= vswap_test_legal[i].from == from &&
					 vswap_test_legal[i].to == to;
			KUNIT_EXPECT_EQ_MSG(test, vswap_may_become(from, to), legal,
					    "%d to %d", from, to);
		}
	}
}

static void vswap_test_word_tells_what_is_behind(struct kunit *test)
{
	struct zswap_entry *entry = vswap_test_zswap_entry(test, 0);

	KUNIT_EXPECT_EQ(test, vswap_word_backing(0), VSWAP_BACKING_NONE);
	KUNIT_EXPECT_EQ(test, vswap_word_backing(VSWAP_REFUSED), VSWAP_BACKING_NONE);
	KUNIT_EXPECT_EQ(test, vswap_word_backing(VSWAP_ZERO), VSWAP_BACKING_ZERO);
	KUNIT_EXPECT_EQ(test, vswap_word_backing((unsigned long)entry), VSWAP_BACKING_ZSWAP);
	KUNIT_EXPECT_NULL(test, vswap_word_entry(0));
	KUNIT_EXPECT_NULL(test, vswap_word_entry(VSWAP_REFUSED));
	KUNIT_EXPECT_EQ(test, vswap_word_device(VSWAP_REFUSED).val, 0);
	KUNIT_EXPECT_NULL(test, vswap_word_entry(VSWAP_ZERO));
	KUNIT_EXPECT_PTR_EQ(test, vswap_word_entry((unsigned long)entry), entry);
}

static void vswap_test_expect_slots(struct kunit *test, long none, long zero, long zswap)
{
	KUNIT_EXPECT_EQ(test, vswap_test_slots(VSWAP_BACKING_NONE), none);
	KUNIT_EXPECT_EQ(test, vswap_test_slots(VSWAP_BACKING_ZERO), zero);
	KUNIT_EXPECT_EQ(test, vswap_test_slots(VSWAP_BACKING_ZSWAP), zswap);
}

/* Of a refused folio there is nothing but a note, which goes with the slot at the latest. */
static void vswap_test_refused_is_forgotten(struct kunit *test)
{
	swp_entry_t entry = vswap_test_alloc(test, 0);
	struct vswap_cluster *c = vswap_cluster(entry);
	unsigned int slot = vswap_slot(entry);
	long nr = vswap_test_slots(VSWAP_BACKING_NONE);
	unsigned long word;

	KUNIT_EXPECT_FALSE(test, vswap_is_refused(entry));
	vswap_test_set(entry, VSWAP_REFUSED);
	KUNIT_EXPECT_TRUE(test, vswap_is_refused(entry));
	KUNIT_EXPECT_FALSE(test, vswap_is_zero(entry));
	KUNIT_EXPECT_NULL(test, vswap_zswap_entry(entry));
	KUNIT_EXPECT_EQ(test, vswap_device_entry(entry).val, entry.val);
	KUNIT_EXPECT_EQ(test, vswap_test_slots(VSWAP_BACKING_NONE), nr);
	vswap_clear(c, slot);
	KUNIT_EXPECT_FALSE(test, vswap_is_refused(entry));
	vswap_test_set(entry, VSWAP_REFUSED);
	/* It may be the last slot of the cluster. */
	scoped_guard(rcu) {
		vswap_test_free(entry);
		word = c->backing[slot];
	}
	KUNIT_EXPECT_EQ(test, word, 0);
	KUNIT_EXPECT_EQ(test, vswap_test_slots(VSWAP_BACKING_NONE), nr - 1);
}

/* Of all that can be behind a slot, swapoff wants what is on its device. */
static void vswap_test_slots_on_a_device_are_found(struct kunit *test)
{
	static const unsigned int type[] = { 3, 4, 3, 3 };
	unsigned long found[ARRAY_SIZE(type)], offset = 0, word;
	unsigned int i, nr = 0, place[] = { 0, 5, 7, VSWAP_SLOTS - 1 };
	swp_entry_t entry = vswap_test_alloc_cluster(test);
	swp_entry_t next = vswap_test_alloc_cluster(test);
	struct vswap_cluster *c = vswap_cluster(entry);

	for (i = 0; i < ARRAY_SIZE(type); i++)
		vswap_set(c, place[i], vswap_device_word(swp_entry(type[i], 1000 - i)));
	vswap_set(c, 1, VSWAP_ZERO);
	vswap_set(vswap_cluster(next), 2, vswap_device_word(swp_entry(3, 0)));
	vswap_set(vswap_cluster(next), 3, VSWAP_ZERO);

	for (; vswap_next_on_device(3, &offset); offset++) {
		KUNIT_ASSERT_LT(test, nr, ARRAY_SIZE(found));
		found[nr++] = offset;
	}
	KUNIT_ASSERT_EQ(test, nr, 4);
	i = swp_offset(next) < swp_offset(entry);
	KUNIT_EXPECT_EQ(test, found[i ? 0 : 3], swp_offset(next) + 2);
	KUNIT_EXPECT_EQ(test, found[i], swp_offset(entry));
	KUNIT_EXPECT_EQ(test, found[i + 1], swp_offset(entry) + 7);
	KUNIT_EXPECT_EQ(test, found[i + 2], swp_offset(entry) + VSWAP_SLOTS - 1);

	/* No such device is there to give them back to. */
	for (offset = 0; vswap_next_on_device(3, &offset); offset++)
		vswap_set(vswap_cluster(vswap_test_entry(offset)), offset % VSWAP_SLOTS, 0);
	offset = 0;
	KUNIT_EXPECT_TRUE(test, vswap_next_on_device(4, &offset));
	word = vswap_set(c, place[1], 0);
	KUNIT_EXPECT_EQ(test, vswap_word_device(word).val, swp_entry(4, 999).val);
	offset = 0;
	KUNIT_EXPECT_FALSE(test, vswap_next_on_device(4, &offset));
}

static void vswap_test_slots_are_counted_by_what_is_behind(struct kunit *test)
{
	struct zswap_entry *one = vswap_test_zswap_entry(test, 1);
	struct zswap_entry *two = vswap_test_zswap_entry(test, 2);
	swp_entry_t first = vswap_test_alloc(test, 0), second = vswap_test_alloc(test, 0);
	struct vswap_test *t = test->priv;

	vswap_test_expect_slots(test, 2, 0, 0);
	vswap_test_set(first, VSWAP_ZERO);
	KUNIT_EXPECT_TRUE(test, vswap_is_zero(first));
	KUNIT_EXPECT_FALSE(test, vswap_is_zero(second));
	vswap_test_expect_slots(test, 1, 1, 0);

	KUNIT_EXPECT_NULL(test, vswap_set_zswap_entry(second, one));
	vswap_test_expect_slots(test, 0, 1, 1);
	KUNIT_EXPECT_PTR_EQ(test, vswap_set_zswap_entry(second, two), one);
	KUNIT_EXPECT_PTR_EQ(test, vswap_zswap_entry(second), two);
	KUNIT_EXPECT_NULL(test, vswap_zswap_entry(first));
	vswap_test_expect_slots(test, 0, 1, 1);

	vswap_clear(vswap_cluster(first), vswap_slot(first));
	vswap_test_expect_slots(test, 1, 0, 1);
	KUNIT_EXPECT_EQ(test, t->nr_freed, 0);
	vswap_clear(vswap_cluster(second), vswap_slot(second));
	vswap_test_expect_slots(test, 2, 0, 0);
	KUNIT_EXPECT_EQ(test, t->nr_freed, 1);
	KUNIT_EXPECT_PTR_EQ(test, t->freed[0], two);

	vswap_test_set(first, VSWAP_ZERO);
	vswap_set_zswap_entry(second, one);
	vswap_drop_cache(first, 1);
	vswap_test_expect_slots(test, 0, 0, 1);
	vswap_drop_cache(second, 1);
	vswap_test_expect_slots(test, 0, 0, 0);
}

static void vswap_test_freed_slots_leave_nothing_in_zswap(struct kunit *test)
{
	swp_entry_t entry = vswap_test_alloc_cluster(test);
	struct vswap_cluster *c = vswap_cluster(entry);
	struct vswap_test *t = test->priv;
	int i;

	for (i = 0; i < VSWAP_TEST_ENTRIES; i++) {
		vswap_set(c, 2 * i, VSWAP_ZERO);
		vswap_set_zswap_entry(vswap_entry(c, 2 * i + 1), vswap_test_zswap_entry(test, i));
	}
	vswap_drop_cache(entry, VSWAP_SLOTS);
	KUNIT_EXPECT_EQ(test, t->nr_freed, VSWAP_TEST_ENTRIES);
	for (i = 0; i < VSWAP_TEST_ENTRIES; i++)
		KUNIT_EXPECT_PTR_EQ(test, t->freed[i], vswap_test_zswap_entry(test, i));
	vswap_test_expect_slots(test, 0, 0, 0);
}

static void vswap_test_slot_on_its_way_out_is_out_of_reach(struct kunit *test)
{
	struct vswap_test *t = test->priv;
	swp_entry_t entry = vswap_test_alloc_cluster(test);

	entry.val += 5;
	vswap_set_zswap_entry(entry, vswap_test_zswap_entry(test, 0));
	t->leaving = entry;
	vswap_drop_cache(entry, 1);
	KUNIT_ASSERT_EQ(test, t->nr_freed, 1);
	KUNIT_EXPECT_EQ(test, t->leaving_as_cache, -ENOENT);
	KUNIT_EXPECT_EQ(test, t->leaving_as_reference, -ENOENT);
	KUNIT_EXPECT_FALSE(test, t->leaving_was_handed_out);
	vswap_test_expect_unknown(test, entry);
}

/* Memcgs */

static void vswap_test_memcg_stays_with_its_slots(struct kunit *test)
{
	unsigned short id = VSWAP_TEST_MEMCG;
	swp_entry_t entry, next;
	bool known;

	if (mem_cgroup_disabled())
		kunit_skip(test, "this kernel has no memcgs");
	scoped_guard(rcu)
		known = mem_cgroup_from_id(id);
	KUNIT_ASSERT_FALSE(test, known);

	entry = vswap_test_alloc_cluster(test);
	KUNIT_EXPECT_EQ(test, vswap_memcg_record(entry, id, 4), 0);
	for (next = entry; next.val < entry.val + 4; next.val++)
		KUNIT_EXPECT_EQ(test, vswap_memcg_id(next), id);
	KUNIT_EXPECT_EQ(test, vswap_memcg_id(next), 0);

	KUNIT_EXPECT_EQ(test, vswap_memcg_cmpxchg(entry, id - 1, id - 2), 0);
	KUNIT_EXPECT_EQ(test, vswap_memcg_id(entry), id);
	KUNIT_EXPECT_EQ(test, vswap_memcg_cmpxchg(entry, id, id - 1), id);
	KUNIT_EXPECT_EQ(test, vswap_memcg_id(entry), id - 1);
	KUNIT_EXPECT_EQ(test, vswap_memcg_record(entry, 0, 1), id - 1);
	KUNIT_EXPECT_EQ(test, vswap_memcg_id(entry), 0);

	/* Who gets the slots next begins anew. */
	vswap_drop_cache(entry, 4);
	for (next = entry; next.val < entry.val + 4; next.val++)
		KUNIT_EXPECT_EQ(test, vswap_memcg_id(next), 0);
}

/* Slots that are gone */

static void vswap_test_stale_slot_is_not_found(struct kunit *test)
{
	struct address_space *spaces[VSWAP_TEST_CLUSTERS];
	swp_entry_t entries[VSWAP_TEST_CLUSTERS];
	int i, gone = 0;

	for (i = 0; i < VSWAP_TEST_CLUSTERS; i++) {
		entries[i] = vswap_test_alloc_cluster(test);
		spaces[i] = vswap_address_space(entries[i]);
		KUNIT_EXPECT_PTR_EQ(test, spaces[i], &vswap_region(swp_offset(entries[i]))->space);
	}
	vswap_test_free_all();
	rcu_barrier();
	for (i = 0; i < VSWAP_TEST_CLUSTERS; i++) {
		gone += !vswap_cluster(entries[i]);
		vswap_test_expect_unknown(test, entries[i]);
		/* It may be asked for its folio. */
		KUNIT_EXPECT_PTR_EQ(test, vswap_address_space(entries[i]), spaces[i]);
	}
	KUNIT_EXPECT_EQ(test, gone, VSWAP_TEST_CLUSTERS - VSWAP_SPARES);
}

static void vswap_test_slot_that_never_was_is_not_found(struct kunit *test)
{
	swp_entry_t entry;

	vswap_test_free(vswap_test_alloc(test, 0));
	entry = vswap_test_entry(vswap_test_end());
	vswap_test_expect_unknown(test, entry);
	KUNIT_EXPECT_PTR_EQ(test, vswap_address_space(entry), &vswap_no_space);
	KUNIT_EXPECT_TRUE(test, xa_empty(&vswap_no_space.i_pages));
	entry = vswap_test_entry(swapfile_maximum_size - 1);
	vswap_test_expect_unknown(test, entry);
	KUNIT_EXPECT_PTR_EQ(test, vswap_address_space(entry), &vswap_no_space);
	entry = vswap_test_entry(vswap_test_end() - 1);
	KUNIT_EXPECT_PTR_NE(test, vswap_address_space(entry), &vswap_no_space);
}

/* In nodes of nothing else, in a node with somebody's folio, and in one of which half is free. */
static void vswap_test_shadows_go_and_folios_stay(struct kunit *test)
{
	unsigned long first = swp_offset(vswap_test_alloc_cluster(test)), at, i;
	struct xarray *pages = &vswap_address_space(vswap_test_entry(first))->i_pages;
	const unsigned long folio = XA_CHUNK_SIZE + 3, last = VSWAP_SLOTS - XA_CHUNK_SIZE / 2;

	at = first % SWAP_ADDRESS_SPACE_PAGES;
	for (i = 0; i < last; i++)
		KUNIT_ASSERT_FALSE(test, xa_err(xa_store_irq(pages, at + i, i == folio ?
							      test : xa_mk_value(i), GFP_KERNEL)));
	vswap_clear_shadows(first);
	for (i = 0; i < VSWAP_SLOTS; i++)
		KUNIT_EXPECT_PTR_EQ(test, xa_load(pages, at + i), i == folio ? test : NULL);
	xa_erase_irq(pages, at + folio);
	KUNIT_EXPECT_TRUE(test, xa_empty(pages));
}

static void vswap_test_dead_cluster_can_be_read_under_rcu(struct kunit *test)
{
	swp_entry_t entries[VSWAP_SPARES + 1];
	struct vswap_cluster *c;
	bool used, found;
	int state, i;

	for (i = 0; i <= VSWAP_SPARES; i++)
		entries[i] = vswap_test_alloc_cluster(test);
	for (i = 0; i < VSWAP_SPARES; i++)
		vswap_drop_cache(entries[i], VSWAP_SLOTS);

	rcu_read_lock();
	c = vswap_cluster(entries[i]);
	vswap_drop_cache(entries[i], VSWAP_SLOTS);
	state = c->state;
	used = memchr_inv(c->count, 0, vswap_counts_bytes());
	found = vswap_cluster(entries[i]);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, state, VSWAP_DEAD);
	KUNIT_EXPECT_FALSE(test, used);
	KUNIT_EXPECT_FALSE(test, found);
}

/* Races */

/* Looks for slots where there is one, was one or never was one. */
static int vswap_test_look(void *data)
{
	struct vswap_test *t = data;
	int i, err;

	while (!kthread_should_stop()) {
		for (i = 0; i < 64; i++) {
			u32 offset = get_random_u32_below(vswap_test_end() + VSWAP_SLOTS);
			swp_entry_t entry = vswap_test_entry(offset);

			vswap_has_cache(entry);
			if (vswap_test_memcg_id(entry))
				atomic_inc(&t->wrong);
			err = vswap_duplicate(entry, 1, 1);
			if (err) {
				atomic_inc(err == -ENOENT ? &t->missed : &t->wrong);
				continue;
			}
			atomic_inc(vswap_count(entry) > 0 ? &t->found : &t->wrong);
			vswap_free_nr(entry, 1);
		}
		cond_resched();
	}
	return 0;
}

/* A slot that nobody else has, and that shows if it is given to another too early. */
static swp_entry_t vswap_test_take(struct vswap_test *t)
{
	enum vswap_fallback why;
	swp_entry_t entry = vswap_alloc_slots(0, &why);

	if (!entry.val || vswap_is_zero(entry) || !vswap_has_cache(entry))
		atomic_inc(&t->wrong);
	else
		vswap_test_set(entry, VSWAP_ZERO);
	return entry;
}

static int vswap_test_take_and_free_clusters(void *data)
{
	unsigned int nr = VSWAP_TEST_CLUSTERS * VSWAP_SLOTS, i;
	swp_entry_t *entries = kvmalloc_array(nr, sizeof(*entries), GFP_KERNEL);
	struct vswap_test *t = data;

	if (!entries)
		atomic_inc(&t->wrong);
	while (!kthread_should_stop()) {
		for (i = 0; entries && i < nr; i++)
			entries[i] = vswap_test_take(t);
		cond_resched();
		for (i = 0; entries && i < nr; i++)
			vswap_drop_cache(entries[i], 1);
		cond_resched();
	}
	kvfree(entries);
	return 0;
}

/* Frees what another thread took, in a cluster which that one may allocate from. */
static int vswap_test_take_and_hand_over(void *data)
{
	struct vswap_test *t = data;
	swp_entry_t entry;

	while (!kthread_should_stop()) {
		entry = vswap_test_take(t);
		entry.val = xchg(&t->handed_over[get_random_u32_below(ARRAY_SIZE(t->handed_over))],
				 entry.val);
		if (entry.val)
			vswap_drop_cache(entry, 1);
		cond_resched();
	}
	return 0;
}

static void vswap_test_race(struct kunit *test, int (*one)(void *), int (*other)(void *))
{
	struct task_struct *threads[VSWAP_TEST_THREADS];
	int nr = clamp_t(int, num_online_cpus(), 2, VSWAP_TEST_THREADS), i;
	struct vswap_test *t = test->priv;

	for (i = 0; i < nr; i++)
		threads[i] = kthread_run(i % 2 ? one : other, t, "vswap_test/%d", i);
	msleep(500);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_FALSE(test, IS_ERR(threads[i]));
		if (!IS_ERR(threads[i]))
			kthread_stop(threads[i]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong), 0);
}

static void vswap_test_lookups_race_with_clusters_that_come_and_go(struct kunit *test)
{
	struct vswap_test *t = test->priv;

	vswap_test_race(test, vswap_test_look, vswap_test_take_and_free_clusters);
	KUNIT_EXPECT_GT(test, atomic_read(&t->found), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&t->missed), 0);
}

static void vswap_test_racing_threads_get_empty_slots_of_their_own(struct kunit *test)
{
	vswap_test_race(test, vswap_test_take_and_hand_over, vswap_test_take_and_hand_over);
}

static int vswap_test_init(struct kunit *test)
{
	struct vswap_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int err, i;

	if (!t)
		return -ENOMEM;
	scoped_guard(mutex, &vswap_setup_lock)
		err = vswap_setup();
	if (err)
		return err;
	for (i = 0; i < VSWAP_NR_BACKINGS; i++)
		if (vswap_test_slots(i))
			kunit_skip(test, "virtual slots are in use");

	t->enabled = vswap_enabled;
	t->percent = vswap_max_table_percent;
	vswap_enabled = false;
	vswap_max_table_percent = 100;
	test->priv = t;
	kunit_activate_static_stub(test, zswap_free_entries, vswap_test_zswap_free);
	/* Clusters of a CPU fill one after the other. */
	return set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
}

static void vswap_test_exit(struct kunit *test)
{
	struct vswap_test *t = test->priv;
	int cpu;

	if (!t)
		return;
	vswap_test_expect_consistent(test);
	/* The next test begins without clusters to allocate from. */
	for_each_possible_cpu(cpu)
		vswap_cpu_dead(cpu);
	vswap_test_free_all();
	vswap_test_expect_given_back(test);
	vswap_max_table_percent = t->percent;
	vswap_enabled = t->enabled;
}

static struct kunit_case vswap_test_cases[] = {
	KUNIT_CASE(vswap_test_slots_of_each_order_are_aligned_and_distinct),
	KUNIT_CASE(vswap_test_new_slot_is_cached_and_has_nothing_else),
	KUNIT_CASE(vswap_test_small_folios_get_what_large_ones_left),
	KUNIT_CASE(vswap_test_full_cluster_is_refilled_when_it_is_worth_it),
	KUNIT_CASE(vswap_test_no_cluster_is_made_beyond_the_limit),
	KUNIT_CASE(vswap_test_slots_reach_beyond_32_bits),
	KUNIT_CASE(vswap_test_clusters_of_a_dead_cpu_go_to_others),
	KUNIT_CASE(vswap_test_count_is_exact_whatever_its_size),
	KUNIT_CASE(vswap_test_only_one_has_the_cache),
	KUNIT_CASE(vswap_test_slot_goes_with_the_last_of_cache_and_references),
	KUNIT_CASE(vswap_test_cache_is_taken_of_all_slots_or_of_none),
	KUNIT_CASE(vswap_test_range_goes_over_clusters_and_regions),
	KUNIT_CASE(vswap_test_backing_becomes_only_what_it_may),
	KUNIT_CASE(vswap_test_word_tells_what_is_behind),
	KUNIT_CASE(vswap_test_refused_is_forgotten),
	KUNIT_CASE(vswap_test_slots_on_a_device_are_found),
	KUNIT_CASE(vswap_test_slots_are_counted_by_what_is_behind),
	KUNIT_CASE(vswap_test_freed_slots_leave_nothing_in_zswap),
	KUNIT_CASE(vswap_test_slot_on_its_way_out_is_out_of_reach),
	KUNIT_CASE(vswap_test_memcg_stays_with_its_slots),
	KUNIT_CASE(vswap_test_stale_slot_is_not_found),
	KUNIT_CASE(vswap_test_slot_that_never_was_is_not_found),
	KUNIT_CASE(vswap_test_shadows_go_and_folios_stay),
	KUNIT_CASE(vswap_test_dead_cluster_can_be_read_under_rcu),
	KUNIT_CASE(vswap_test_lookups_race_with_clusters_that_come_and_go),
	KUNIT_CASE(vswap_test_racing_threads_get_empty_slots_of_their_own),
	{}
};

static struct kunit_suite vswap_test_suite = {
	.name = "vswap",
	.init = vswap_test_init,
	.exit = vswap_test_exit,
	.test_cases = vswap_test_cases,
};

kunit_test_suite(vswap_test_suite);
