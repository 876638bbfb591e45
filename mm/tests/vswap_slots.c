// SPDX-License-Identifier: GPL-2.0
/*
 * Every virtual slot that is in use, in debugfs, for a test that knows what each
 * should be: tools/testing/selftests/mm/vswap_model.c. Included by mm/vswap.c.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

/* A line for each: offset, what is behind it, VSWAP_HAS_CACHE, references. */
static void vswap_show_slots(struct seq_file *m, struct vswap_cluster *c)
{
	static const char * const name[VSWAP_NR_BACKINGS] = {
		"none", "zero", "zswap", "device"
	};
	unsigned int slot;

	spin_lock(&c->lock);
	for_each_set_bit(slot, c->taken, VSWAP_SLOTS)
		seq_printf(m, "%lu %s %d %llu\n", c->first + slot,
			   name[vswap_word_backing(READ_ONCE(c->backing[slot]))],
			   !!(c->count[slot] & VSWAP_HAS_CACHE),
			   (c->carry ? (u64)c->carry[slot] * VSWAP_CARRY : 0) +
			   (c->count[slot] & VSWAP_COUNT_MAX));
	spin_unlock(&c->lock);
}

static int vswap_slots_show(struct seq_file *m, void *unused)
{
	unsigned long offset, end = READ_ONCE(vswap_nr_regions) * SWAP_ADDRESS_SPACE_PAGES;
	struct vswap_cluster *c;

	for (offset = 0; offset < end; offset += VSWAP_SLOTS) {
		guard(rcu)();
		c = vswap_cluster(swp_entry(VSWAP_TYPE, offset));
		if (c)
			vswap_show_slots(m, c);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vswap_slots);

static int __init vswap_slots_init(void)
{
	debugfs_create_file("vswap_slots", 0400, NULL, NULL, &vswap_slots_fops);
	return 0;
}
late_initcall(vswap_slots_init);
