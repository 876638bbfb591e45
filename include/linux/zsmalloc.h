/* SPDX-License-Identifier: GPL-2.0 */
/*
 * zsmalloc - memory for compressed pages
 *
 * See Documentation/mm/zsmalloc.rst and the comments of mm/zsmalloc.c.
 */
#ifndef _LINUX_ZSMALLOC_H
#define _LINUX_ZSMALLOC_H

#include <linux/types.h>

struct scatterlist;
struct zs_pool;

/**
 * struct zs_pool_stats - what a pool has done since it was made
 * @pages_compacted: pages that compaction gave back to the kernel
 */
struct zs_pool_stats {
	atomic_long_t pages_compacted;
};

struct zs_pool *zs_create_pool(const char *name);
void zs_destroy_pool(struct zs_pool *pool);

unsigned long zs_malloc(struct zs_pool *pool, size_t size, gfp_t gfp, const int nid);
void zs_free(struct zs_pool *pool, unsigned long handle);

void *zs_obj_read_begin(struct zs_pool *pool, unsigned long handle,
			size_t mem_len, void *local_copy);
void zs_obj_read_end(struct zs_pool *pool, unsigned long handle,
		     size_t mem_len, void *handle_mem);
void zs_obj_read_sg_begin(struct zs_pool *pool, unsigned long handle,
			  struct scatterlist *sg, size_t mem_len);
void zs_obj_read_sg_end(struct zs_pool *pool, unsigned long handle);
void zs_obj_write(struct zs_pool *pool, unsigned long handle,
		  void *handle_mem, size_t mem_len);

size_t zs_huge_class_size(struct zs_pool *pool);
unsigned int zs_lookup_class_index(struct zs_pool *pool, unsigned int size);

unsigned long zs_get_total_pages(struct zs_pool *pool);
unsigned long zs_compact(struct zs_pool *pool);
void zs_pool_stats(struct zs_pool *pool, struct zs_pool_stats *stats);

#endif /* _LINUX_ZSMALLOC_H */
