/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vswap - virtual swap slots: what everybody may ask
 *
 * What the swap core calls is in mm/vswap.h.
 */
#ifndef _LINUX_VSWAP_H
#define _LINUX_VSWAP_H

#include <linux/jump_label.h>
#include <linux/swap.h>
#include <linux/swapops.h>

struct mem_cgroup;

#ifdef CONFIG_VSWAP

/* The last type: no loop over the swap devices comes as far. */
#define VSWAP_TYPE	(MAX_SWAPFILES - 1)
#define VSWAP_NR_TYPES	1

DECLARE_STATIC_KEY_MAYBE(CONFIG_VSWAP_DEFAULT_ON, vswap_ever_enabled);

bool vswap_may_swap_out(struct mem_cgroup *memcg);

/**
 * vswap_never_enabled - can there be no virtual slot?
 *
 * May be called anywhere. Costs a static branch.
 *
 * Return: true only if vswap has not been enabled since boot.
 */
static inline bool vswap_never_enabled(void)
{
	return !static_branch_maybe(CONFIG_VSWAP_DEFAULT_ON, &vswap_ever_enabled);
}

/**
 * swap_is_vswap - is this swap entry a virtual slot?
 * @entry: a swap entry of any type
 *
 * May be called anywhere.
 *
 * Return: true if it is.
 */
static inline bool swap_is_vswap(swp_entry_t entry)
{
	return !vswap_never_enabled() && swp_type(entry) == VSWAP_TYPE;
}

/**
 * vswap_has_room - can memory be swapped out without a swap device?
 * @memcg: whose memory; NULL: anybody's
 *
 * A hint, to decide whether to look at anonymous memory. May be called
 * anywhere under RCU or with a reference to @memcg.
 *
 * Return: true if vswap is enabled and zswap takes pages of @memcg.
 */
static inline bool vswap_has_room(struct mem_cgroup *memcg)
{
	return !vswap_never_enabled() && vswap_may_swap_out(memcg);
}

#else /* !CONFIG_VSWAP */

#define VSWAP_NR_TYPES	0

static inline bool vswap_never_enabled(void)
{
	return true;
}

static inline bool swap_is_vswap(swp_entry_t entry)
{
	return false;
}

static inline bool vswap_may_swap_out(struct mem_cgroup *memcg)
{
	return false;
}

static inline bool vswap_has_room(struct mem_cgroup *memcg)
{
	return false;
}

#endif /* CONFIG_VSWAP */

#endif /* _LINUX_VSWAP_H */
