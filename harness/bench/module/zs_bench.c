// SPDX-License-Identifier: GPL-2.0
/*
 * zs_bench - measures zsmalloc, and what codecs cost, from inside a kernel
 *
 * It is built for the patched kernel, the unpatched one and others, and does the
 * same with each. Files in debugfs, in the directory zs_bench:
 *
 *	pages	Pages written here, some at a time, are compressed and decompressed
 *		with the codec; their lengths are remembered as lengths of objects.
 *		Read afterwards, it has a u16 for each page of the last write: the
 *		compressed length, or 0 for one that zswap would not compress.
 *	run	A command; see zs_bench_commands.
 *	stats	What there is now, a name and a number a line. Reads all objects
 *		and compares them with what was written.
 *
 * All of it is for one task at a time.
 */

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/lz4.h>
#include <linux/lzo.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>
#include <linux/zsmalloc.h>
#include <linux/zstd.h>

#define MAX_OBJECTS	65536
#define MAX_PAGES	256	/* of one write */
#define BUFFER_SIZE	(2 * PAGE_SIZE)

/* The mix: the smaller of two numbers from here to PAGE_SIZE, 1.4 kB on average. */
#define MIX_FROM	74

static DEFINE_MUTEX(lock);

static struct zs_pool *pool;
static unsigned long handles[MAX_OBJECTS];	/* 0: no object */
static u16 lengths[MAX_OBJECTS];
static u16 stored[MAX_OBJECTS];			/* length of the object that there is */
static u32 order[MAX_OBJECTS];
static u8 node[MAX_OBJECTS];
static unsigned int nr_lengths;
static unsigned long failed;
static unsigned long slab_before;	/* pages, when the command began or made the pool */
static long slab_grown;			/* pages, in all commands since there is the pool */

static u8 *buffer;		/* BUFFER_SIZE for each page of one write */
static u8 *in[MAX_PAGES];	/* the pages written last */
static u16 written[MAX_PAGES];
static unsigned int nr_written;
static u8 *scratch;		/* a page */

static struct {
	u64 pages, compress_ns, decompress_ns;
} cost;

static struct {
	u64 malloc_ns, write_ns, read_ns, free_ns, compact_ns;
} took;

static LIST_HEAD(hog);

/* The same numbers on each kernel and after each "drop": xorshift64*. */
#define RNG_SEED 0x9e3779b97f4a7c15ULL
static u64 rng_state = RNG_SEED;

static u32 rng(u32 below)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return ((rng_state * 0x2545f4914f6cdd1dULL) >> 32) % below;
}

/* Puts the objects that there are into @order; returns how many. */
static unsigned int shuffle(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < nr_lengths; i++)
		if (handles[i])
			order[nr++] = i;
	for (i = nr; i > 1; i--) {
		u32 other = rng(i);

		swap(order[i - 1], order[other]);
	}
	return nr;
}

/* Exact with one CPU; several may each have some pages not counted yet. */
static unsigned long slab_pages(void)
{
	return global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
	       global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
}

/* zsmalloc, as different kernels have it */

#define BENCH_GFP (GFP_NOIO | __GFP_NOWARN | __GFP_HIGHMEM | __GFP_MOVABLE)

static unsigned long bench_malloc(size_t size, int nid)
{
#ifdef HAS_ZS_NID
	return zs_malloc(pool, size, BENCH_GFP, nid);
#else
	return zs_malloc(pool, size, BENCH_GFP);
#endif
}

#ifdef HAS_ZS_MAP
static void bench_write(unsigned long handle, void *mem, size_t len)
{
	memcpy(zs_map_object(pool, handle, ZS_MM_WO), mem, len);
	zs_unmap_object(pool, handle);
}

static void *bench_read_begin(unsigned long handle, size_t len, void *copy)
{
	return zs_map_object(pool, handle, ZS_MM_RO);
}

static void bench_read_end(unsigned long handle, size_t len, void *mem)
{
	zs_unmap_object(pool, handle);
}
#else
static void bench_write(unsigned long handle, void *mem, size_t len)
{
	zs_obj_write(pool, handle, mem, len);
}

static void *bench_read_begin(unsigned long handle, size_t len, void *copy)
{
#ifdef HAS_ZS_READ_LEN
	return zs_obj_read_begin(pool, handle, len, copy);
#else
	return zs_obj_read_begin(pool, handle, copy);
#endif
}

static void bench_read_end(unsigned long handle, size_t len, void *mem)
{
#ifdef HAS_ZS_READ_LEN
	zs_obj_read_end(pool, handle, len, mem);
#else
	zs_obj_read_end(pool, handle, mem);
#endif
}
#endif

/* Objects */

static void mix(void)
{
	unsigned int i;

	nr_lengths = MAX_OBJECTS;
	for (i = 0; i < nr_lengths; i++) {
		u32 a = rng(PAGE_SIZE - MIX_FROM + 1), b = rng(PAGE_SIZE - MIX_FROM + 1);

		lengths[i] = MIX_FROM + min(a, b);
	}
}

/* What object @i has in it. */
static void make_content(unsigned int i, u8 *mem)
{
	memset(mem, i * 31 + stored[i], stored[i]);
	mem[0] = i;
	mem[stored[i] - 1] = i >> 8;
}

static void malloc_one(unsigned int i, int nid)
{
	unsigned long handle = bench_malloc(lengths[i], nid);

	if (IS_ERR_VALUE(handle)) {
		failed++;
		handle = 0;
	}
	handles[i] = handle;
	stored[i] = lengths[i];
	node[i] = nid == NUMA_NO_NODE ? numa_mem_id() : nid;
}

static void write_one(unsigned int i)
{
	if (!handles[i])
		return;
	make_content(i, scratch);
	bench_write(handles[i], scratch, stored[i]);
}

static void free_one(unsigned int i)
{
	if (handles[i])
		zs_free(pool, handles[i]);
	handles[i] = 0;
}

static int need_pool(void)
{
	if (pool)
		return 0;
	pool = zs_create_pool("zs_bench");
	slab_grown = 0;
	slab_before = slab_pages();
	return pool ? 0 : -ENOMEM;
}

/* An object for each length that has none; on @nid, or both nodes in turn. */
static int fill(int nid, bool both)
{
	unsigned int i;

	if (need_pool())
		return -ENOMEM;
	for (i = 0; i < nr_lengths; i++) {
		if (handles[i])
			continue;
		malloc_one(i, both ? i & 1 : nid);
		write_one(i);
		cond_resched();
	}
	return 0;
}

static int cmd_mix(int arg)
{
	mix();
	return 0;
}

static int cmd_fill(int arg)
{
	return fill(arg < 0 ? NUMA_NO_NODE : arg, false);
}

static int cmd_fill_both(int arg)
{
	return fill(0, true);
}

/* Frees this many percent of what there is, at random. */
static int cmd_free(int percent)
{
	unsigned int i, nr = shuffle() * percent / 100;

	for (i = 0; i < nr; i++)
		free_one(order[i]);
	return 0;
}

static int cmd_compact(int arg)
{
	u64 start = ktime_get_ns();

	if (pool)
		zs_compact(pool);
	took.compact_ns = ktime_get_ns() - start;
	return 0;
}

/* All but each eighth make place for objects of other lengths. */
static int cmd_churn(int arg)
{
	unsigned int i, nr = shuffle();

	for (i = 0; i < nr; i++)
		if (order[i] % 8)
			free_one(order[i]);
	cmd_compact(0);
	for (i = nr_lengths; i > 1; i--) {
		u32 other = rng(i);

		swap(lengths[i - 1], lengths[other]);
	}
	return fill(NUMA_NO_NODE, false);
}

static int cmd_drop(int arg)
{
	unsigned int i;

	rng_state = RNG_SEED;

	for (i = 0; i < MAX_OBJECTS; i++)
		free_one(i);
	if (pool)
		zs_destroy_pool(pool);
	pool = NULL;
	failed = 0;
	return 0;
}

/*
 * All free memory is touched once, so that no page fault of a host is measured
 * as the kernel's.
 */
static void touch_memory(void)
{
	struct page *page, *next;
	LIST_HEAD(pages);

	while ((page = alloc_page(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN))) {
		clear_highpage(page);
		list_add(&page->lru, &pages);
		cond_resched();
	}
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
}

static int cmd_time_read(int arg)
{
	unsigned int i, nr = shuffle();
	u64 start = ktime_get_ns();

	for (i = 0; i < nr; i++) {
		unsigned int o = order[i];
		void *mem = bench_read_begin(handles[o], stored[o], buffer);

		memcpy(scratch, mem, stored[o]);
		bench_read_end(handles[o], stored[o], mem);
	}
	took.read_ns = ktime_get_ns() - start;
	return 0;
}

static int cmd_time(int arg)
{
	unsigned int i;
	u64 start;
	int err;

	cmd_drop(0);
	touch_memory();
	err = need_pool();
	if (err)
		return err;
	memset(scratch, 0x5a, PAGE_SIZE);

	start = ktime_get_ns();
	for (i = 0; i < nr_lengths; i++)
		malloc_one(i, NUMA_NO_NODE);
	took.malloc_ns = ktime_get_ns() - start;
	if (failed)
		return -ENOMEM;

	shuffle();
	start = ktime_get_ns();
	for (i = 0; i < nr_lengths; i++)
		bench_write(handles[order[i]], scratch, stored[order[i]]);
	took.write_ns = ktime_get_ns() - start;

	cmd_time_read(0);

	shuffle();
	start = ktime_get_ns();
	for (i = 0; i < nr_lengths; i++)
		free_one(order[i]);
	took.free_ns = ktime_get_ns() - start;
	return 0;
}

/* Takes what memory a node has free, as far as that needs no reclaim. */
static int cmd_hog(int nid)
{
	struct page *page;

	while ((page = alloc_pages_node(nid, (GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM) |
					__GFP_THISNODE | __GFP_NOWARN, 0)))
		list_add(&page->lru, &hog);
	return 0;
}

static int cmd_unhog(int arg)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &hog, lru)
		__free_page(page);
	INIT_LIST_HEAD(&hog);
	return 0;
}

/* Codecs: called as the kernel's crypto modules call them */

/**
 * struct codec - what the crypto API knows by a name
 * @name: that name
 * @workspace: bytes of memory that @compress needs
 * @compress: a page to BUFFER_SIZE bytes; returns the length or 0
 * @decompress: to a page; returns the length or 0
 */
struct codec {
	const char *name;
	size_t workspace;
	size_t (*compress)(const u8 *page, u8 *to);
	size_t (*decompress)(const u8 *from, size_t len, u8 *page);
};

static const struct codec *codec;
static void *workspace, *workspace_in;
static zstd_parameters zstd_params;
static zstd_cctx *cctx;
static zstd_dctx *dctx;

static size_t lzo_out(const u8 *page, u8 *to)
{
	size_t len = BUFFER_SIZE;

	return lzo1x_1_compress(page, PAGE_SIZE, to, &len, workspace) == LZO_E_OK ? len : 0;
}

static size_t lzo_in(const u8 *from, size_t from_len, u8 *page)
{
	size_t len = PAGE_SIZE;

	return lzo1x_decompress_safe(from, from_len, page, &len) == LZO_E_OK ? len : 0;
}

static size_t lz4_out(const u8 *page, u8 *to)
{
	return LZ4_compress_default(page, to, PAGE_SIZE, BUFFER_SIZE, workspace);
}

static size_t lz4_in(const u8 *from, size_t len, u8 *page)
{
	return max(LZ4_decompress_safe(from, page, len, PAGE_SIZE), 0);
}

static size_t zstd_out(const u8 *page, u8 *to)
{
	size_t len = zstd_compress_cctx(cctx, to, BUFFER_SIZE, page, PAGE_SIZE, &zstd_params);

	return zstd_is_error(len) ? 0 : len;
}

static size_t zstd_in(const u8 *from, size_t from_len, u8 *page)
{
	size_t len = zstd_decompress_dctx(dctx, page, PAGE_SIZE, from, from_len);

	return zstd_is_error(len) ? 0 : len;
}

static const struct codec codecs[] = {
	{ "lzo", LZO1X_1_MEM_COMPRESS, lzo_out, lzo_in },
	{ "lz4", LZ4_MEM_COMPRESS, lz4_out, lz4_in },
	{ "zstd", 0, zstd_out, zstd_in },
};

static void codec_free(void)
{
	vfree(workspace);
	vfree(workspace_in);
	workspace = NULL;
	workspace_in = NULL;
	codec = NULL;
}

static int codec_use(int nr)
{
	size_t size = codecs[nr].workspace, size_in = 1;

	codec_free();
	memset(&cost, 0, sizeof(cost));
	nr_lengths = 0;
	if (!size) {
		/* The crypto API's level, for data of any length. */
		zstd_params = zstd_get_params(3, 0);
		size = zstd_cctx_workspace_bound(&zstd_params.cParams);
		size_in = zstd_dctx_workspace_bound();
	}
	workspace = vzalloc(size);
	workspace_in = vzalloc(size_in);
	if (!workspace || !workspace_in) {
		codec_free();
		return -ENOMEM;
	}
	if (!codecs[nr].workspace) {
		cctx = zstd_init_cctx(workspace, size);
		dctx = zstd_init_dctx(workspace_in, size_in);
		if (!cctx || !dctx) {
			codec_free();
			return -EINVAL;
		}
	}
	codec = &codecs[nr];
	return 0;
}

static int cmd_lzo(int arg)
{
	return codec_use(0);
}

static int cmd_lz4(int arg)
{
	return codec_use(1);
}

static int cmd_zstd(int arg)
{
	return codec_use(2);
}

/* Fills @written; the second time over, without the pages left out, it is timed. */
static int measure_pages(void)
{
	unsigned int i;
	u64 start;

	for (i = 0; i < nr_written; i++) {
		const u64 *words = (const u64 *)in[i];
		size_t len = codec->compress(in[i], buffer);

		/* As zswap does: no page of one repeated word, and none that grows. */
		if (len >= PAGE_SIZE || !memcmp(words, words + 1, PAGE_SIZE - sizeof(u64)))
			len = 0;
		written[i] = len;
	}

	start = ktime_get_ns();
	for (i = 0; i < nr_written; i++)
		if (written[i])
			codec->compress(in[i], buffer + i * BUFFER_SIZE);
	cost.compress_ns += ktime_get_ns() - start;

	start = ktime_get_ns();
	for (i = 0; i < nr_written; i++)
		if (written[i])
			codec->decompress(buffer + i * BUFFER_SIZE, written[i], scratch);
	cost.decompress_ns += ktime_get_ns() - start;

	for (i = 0; i < nr_written; i++) {
		if (!written[i])
			continue;
		if (codec->decompress(buffer + i * BUFFER_SIZE, written[i], scratch) != PAGE_SIZE ||
		    memcmp(scratch, in[i], PAGE_SIZE))
			return -EIO;
		cost.pages++;
		if (nr_lengths < MAX_OBJECTS)
			lengths[nr_lengths++] = written[i];
	}
	return 0;
}

/* Files */

static ssize_t pages_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	unsigned int i;
	int err;

	if (!size || size % PAGE_SIZE || size > MAX_PAGES * PAGE_SIZE)
		return -EINVAL;
	guard(mutex)(&lock);
	if (!codec)
		return -EINVAL;
	nr_written = size / PAGE_SIZE;
	for (i = 0; i < nr_written; i++)
		if (copy_from_user(in[i], from + i * PAGE_SIZE, PAGE_SIZE))
			return -EFAULT;
	err = measure_pages();
	*pos = 0;
	return err ?: size;
}

static ssize_t pages_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	guard(mutex)(&lock);
	*pos = 0;
	return simple_read_from_buffer(to, size, pos, written, nr_written * sizeof(*written));
}

static const struct file_operations pages_fops = {
	.owner = THIS_MODULE,
	.read = pages_read,
	.write = pages_write,
};

static const struct {
	const char *name;
	int (*run)(int arg);
} zs_bench_commands[] = {
	{ "lzo", cmd_lzo },		/* the codec; forgets all lengths */
	{ "lz4", cmd_lz4 },
	{ "zstd", cmd_zstd },
	{ "mix", cmd_mix },		/* 65536 lengths of 1.4 kB on average */
	{ "fill", cmd_fill },		/* an object for each length; [node] */
	{ "fill_both", cmd_fill_both },	/* ... on node 0 and 1 in turn */
	{ "free", cmd_free },		/* some of them; percent */
	{ "compact", cmd_compact },	/* ... and is timed */
	{ "churn", cmd_churn },		/* frees 7 of 8, compacts, fills again */
	{ "drop", cmd_drop },		/* frees all, and the pool */
	{ "time", cmd_time },		/* malloc, write, read, free */
	{ "time_read", cmd_time_read },	/* ... only read, whatever there is */
	{ "hog", cmd_hog },		/* takes all free memory of a node; node */
	{ "unhog", cmd_unhog },		/* ... and gives it back */
};

static ssize_t run_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	char text[32], *arg;
	int i, err, value = -1;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, size))
		return -EFAULT;
	text[size] = 0;
	arg = strim(text);
	strsep(&arg, " ");
	if (arg && kstrtoint(arg, 0, &value))
		return -EINVAL;

	guard(mutex)(&lock);
	for (i = 0; i < ARRAY_SIZE(zs_bench_commands); i++) {
		if (strcmp(text, zs_bench_commands[i].name))
			continue;
		slab_before = slab_pages();
		err = zs_bench_commands[i].run(value);
		/* What is freed later is freed by now; the shell's tasks do not count. */
		msleep(20);
		slab_grown += slab_pages() - slab_before;
		return err ?: size;
	}
	return -EINVAL;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.write = run_write,
};

/* How many lengths there are up to each multiple of this. */
#define STATS_STEP 64

static void show_lengths(struct seq_file *s)
{
	unsigned int count[PAGE_SIZE / STATS_STEP + 1] = { }, i;

	for (i = 0; i < nr_lengths; i++)
		count[DIV_ROUND_UP(lengths[i], STATS_STEP)]++;
	for (i = 0; i < ARRAY_SIZE(count); i++)
		seq_printf(s, "lengths_to_%u %u\n", i * STATS_STEP, count[i]);
}

static int stats_show(struct seq_file *s, void *unused)
{
	u64 bytes = 0, objects = 0, wrong = 0, in_place = 0, on_node = 0;
	unsigned int i;

	guard(mutex)(&lock);
	for (i = 0; i < MAX_OBJECTS; i++) {
		u8 *mem;

		if (!handles[i])
			continue;
		objects++;
		bytes += stored[i];
		make_content(i, scratch);
		mem = bench_read_begin(handles[i], stored[i], buffer);
		wrong += !!memcmp(mem, scratch, stored[i]);
		/* One that lies over two pages is read in a copy, and not asked. */
		if (virt_addr_valid(mem) && PageZsmalloc(virt_to_page(mem))) {
			in_place++;
			on_node += page_to_nid(virt_to_page(mem)) == node[i];
		}
		bench_read_end(handles[i], stored[i], mem);
		cond_resched();
	}
	seq_printf(s, "objects %llu\nbytes %llu\nwrong %llu\nin_place %llu\non_node %llu\n",
		   objects, bytes, wrong, in_place, on_node);
	seq_printf(s, "pages %lu\nslab_bytes %ld\nfailed %lu\n",
		   pool ? zs_get_total_pages(pool) : 0,
		   slab_grown * (long)PAGE_SIZE, failed);
	seq_printf(s, "malloc_ns %llu\nwrite_ns %llu\nread_ns %llu\nfree_ns %llu\ncompact_ns %llu\n",
		   took.malloc_ns, took.write_ns, took.read_ns, took.free_ns, took.compact_ns);
	seq_printf(s, "codec_pages %llu\ncompress_ns %llu\ndecompress_ns %llu\n",
		   cost.pages, cost.compress_ns, cost.decompress_ns);
	show_lengths(s);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static struct dentry *directory;

static void zs_bench_exit(void)
{
	unsigned int i;

	debugfs_remove_recursive(directory);
	cmd_drop(0);
	cmd_unhog(0);
	codec_free();
	for (i = 0; i < MAX_PAGES; i++)
		free_page((unsigned long)in[i]);
	free_page((unsigned long)scratch);
	vfree(buffer);
}

static int __init zs_bench_init(void)
{
	unsigned int i;

	buffer = vmalloc(MAX_PAGES * BUFFER_SIZE);
	scratch = (u8 *)__get_free_page(GFP_KERNEL);
	if (!buffer || !scratch)
		goto fail;
	for (i = 0; i < MAX_PAGES; i++) {
		in[i] = (u8 *)__get_free_page(GFP_KERNEL);
		if (!in[i])
			goto fail;
	}
	directory = debugfs_create_dir("zs_bench", NULL);
	debugfs_create_file("pages", 0600, directory, NULL, &pages_fops);
	debugfs_create_file("run", 0200, directory, NULL, &run_fops);
	debugfs_create_file("stats", 0400, directory, NULL, &stats_fops);
	return 0;

fail:
	zs_bench_exit();
	return -ENOMEM;
}

module_init(zs_bench_init);
module_exit(zs_bench_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("measures zsmalloc, and what codecs cost");
