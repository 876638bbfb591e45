/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vswap - virtual swap slots: what the swap core and zswap call
 *
 * mm/vswap.c says who may call what. Entries are those for which swap_is_vswap()
 * is true. Without CONFIG_VSWAP it never is, and the compiler drops the calls:
 * nothing here needs a second version.
 */
#ifndef _MM_VSWAP_H
#define _MM_VSWAP_H

#include <linux/vswap.h>

struct vswap_region;
struct writeback_control;
struct zswap_entry;

/* Each region begins with the address_space that is the swap cache of its slots. */
#define VSWAP_TABLE_SIZE	(PAGE_SIZE / sizeof(void *))
extern struct vswap_region *vswap_first_table[VSWAP_TABLE_SIZE];

/* Slots, and references to them */
swp_entry_t vswap_alloc(struct folio *folio);
int vswap_duplicate(swp_entry_t entry, unsigned char usage, int nr);
int vswap_extend_count(swp_entry_t entry, gfp_t gfp);
void vswap_free_nr(swp_entry_t entry, int nr);
void vswap_free_and_cache_nr(swp_entry_t entry, int nr);
void vswap_drop_cache(swp_entry_t entry, int nr);
int vswap_count(swp_entry_t entry);
bool vswap_is_referenced(swp_entry_t entry, int nr);
bool vswap_has_cache(swp_entry_t entry);
bool vswap_can_skip_cache(swp_entry_t entry);
struct address_space *vswap_find_address_space(swp_entry_t entry);

/* What is behind them */
int vswap_writepage(struct folio *folio, struct writeback_control *wbc);
bool vswap_read_folio(struct folio *folio);
bool vswap_can_read_whole(swp_entry_t entry, int nr);
bool vswap_is_read_alone(swp_entry_t entry, int nr);
bool vswap_is_zero(swp_entry_t entry);
bool vswap_is_refused(swp_entry_t entry);
struct zswap_entry *vswap_zswap_entry(swp_entry_t entry);
struct zswap_entry *vswap_set_zswap_entry(swp_entry_t entry, struct zswap_entry *new);

/* Of a folio in the swap cache: has nothing taken it since it left page tables? */
static inline bool vswap_refused(struct folio *folio)
{
	return swap_is_vswap(folio->swap) && vswap_is_refused(folio->swap);
}

/* Slots of devices behind them */
swp_entry_t vswap_device_entry(swp_entry_t entry);
swp_entry_t vswap_take_device_slots(struct folio *folio, unsigned int order);
void vswap_set_device_slots(swp_entry_t entry, swp_entry_t device, unsigned int order);
void vswap_write_to_device(struct folio *folio, struct writeback_control *wbc);
int vswap_unuse(unsigned int type);
void vswap_add_device(struct swap_info_struct *si);
void vswap_count_error(int rw, long nr_pages);

/* A device could not READ or WRITE the folio. May be called in interrupts. */
static inline void vswap_note_error(struct folio *folio, int rw)
{
	if (swap_is_vswap(folio->swap))
		vswap_count_error(rw, folio_nr_pages(folio));
}

/* Whose they are */
unsigned short vswap_memcg_id(swp_entry_t entry);
unsigned short vswap_memcg_record(swp_entry_t entry, unsigned short id, unsigned int nr);
unsigned short vswap_memcg_cmpxchg(swp_entry_t entry, unsigned short old, unsigned short new);

#endif /* _MM_VSWAP_H */
