/* SPDX-License-Identifier: GPL-2.0 */
/*
 * zswap - compressed swap in memory, before a swap device
 *
 * See Documentation/admin-guide/mm/zswap.rst and the comments of mm/zswap.c.
 */
#ifndef _LINUX_ZSWAP_H
#define _LINUX_ZSWAP_H

#include <linux/mm_types.h>
#include <linux/types.h>

struct lruvec;
struct mem_cgroup;
struct zswap_entry;

#ifdef CONFIG_ZSWAP

/* Pages in zswap now, of all compressors. */
extern atomic_t zswap_stored_pages;

/**
 * struct zswap_lruvec_state - what zswap remembers of a memcg on a node
 * @nr_disk_swapins: pages read from a device since the shrinker last looked;
 *		     each is one that it had better not written back
 * @next_lru: the LRU list from which the next walk takes
 */
struct zswap_lruvec_state {
	atomic_long_t nr_disk_swapins;
	u8 next_lru;
};

bool zswap_never_enabled(void);
bool zswap_is_enabled(void);
bool zswap_has_room(void);
unsigned long zswap_total_pages(void);

bool zswap_store(struct folio *folio);
bool zswap_load(struct folio *folio);
void zswap_load_entry(struct folio *folio, struct zswap_entry *entry);
bool zswap_has(swp_entry_t swp);
bool zswap_can_load_whole(swp_entry_t swp, unsigned int nr);
bool zswap_can_still_load_whole(swp_entry_t swp, unsigned int nr);
void zswap_count_refused(struct folio *folio);
void zswap_count_split(struct folio *folio);
void zswap_note_write_error(struct folio *folio);
void zswap_invalidate_range(swp_entry_t swp, unsigned int nr_pages);
void zswap_free_entries(struct zswap_entry **entries, unsigned int nr);

int zswap_swapon(int type, unsigned long nr_pages);
void zswap_swapoff(int type);

void zswap_lruvec_state_init(struct lruvec *lruvec);
void zswap_folio_swapin(struct folio *folio);
void zswap_memcg_offline_cleanup(struct mem_cgroup *memcg);

#else /* !CONFIG_ZSWAP */

struct zswap_lruvec_state {};

static inline bool zswap_never_enabled(void)
{
	return true;
}

static inline bool zswap_is_enabled(void)
{
	return false;
}

static inline bool zswap_has_room(void)
{
	return false;
}

static inline bool zswap_store(struct folio *folio)
{
	return false;
}

static inline bool zswap_load(struct folio *folio)
{
	return false;
}

static inline bool zswap_has(swp_entry_t swp)
{
	return false;
}

static inline bool zswap_can_load_whole(swp_entry_t swp, unsigned int nr)
{
	return true;
}

static inline bool zswap_can_still_load_whole(swp_entry_t swp, unsigned int nr)
{
	return true;
}

static inline int zswap_swapon(int type, unsigned long nr_pages)
{
	return 0;
}

static inline void zswap_count_refused(struct folio *folio) {}
static inline void zswap_count_split(struct folio *folio) {}
static inline void zswap_note_write_error(struct folio *folio) {}
static inline void zswap_invalidate_range(swp_entry_t swp, unsigned int nr_pages) {}
static inline void zswap_swapoff(int type) {}
static inline void zswap_lruvec_state_init(struct lruvec *lruvec) {}
static inline void zswap_folio_swapin(struct folio *folio) {}
static inline void zswap_memcg_offline_cleanup(struct mem_cgroup *memcg) {}

#endif /* CONFIG_ZSWAP */

/**
 * zswap_invalidate - drop what zswap has of one swap slot
 * @swp: the slot; see zswap_invalidate_range() for the rest
 */
static inline void zswap_invalidate(swp_entry_t swp)
{
	zswap_invalidate_range(swp, 1);
}

#endif /* _LINUX_ZSWAP_H */
