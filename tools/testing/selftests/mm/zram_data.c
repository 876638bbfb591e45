// SPDX-License-Identifier: GPL-2.0
/*
 * zram as a block device: whatever is done to it, every byte that was written
 * is read back until it is overwritten or discarded.
 *
 * Each test gets a new device and removes it. It keeps the key of each page it
 * stored (cswap_util.h) and compares pages with what the keys say. I/O bypasses
 * the page cache, so what is read comes out of zram.
 */
#include "cswap_util.h"

#include <getopt.h>

#define CHUNK		32	/* pages at most in one read or write */
#define WORKERS		4

struct device {
	int id;
	int fd;
	char node[32];
	unsigned long pages;
	__u64 *key;		/* shared with children */
	char *buf;		/* CHUNK pages */
};

static struct {
	char *algorithms;
	unsigned long mib;
	unsigned long rounds;
	__u64 seed;
	const char *scratch;
	bool large;
} opt = {
	.mib = 4,
	.rounds = 1500,
	.seed = 1,
	.scratch = "/tmp",
};

static char compressors[512];	/* that this zram has, with blanks between */
static struct device dev = { .id = -1, .fd = -1 }, second = { .id = -1, .fd = -1 };
static char loop_node[32];
static int loop_fd = -1;

/* ---- devices ---- */

static void *pages_alloc(unsigned long bytes, int share)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, share | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	return p;
}

static bool device_add(struct device *d)
{
	d->fd = -1;
	d->pages = 0;
	d->id = zram_hot_add();
	if (d->id < 0) {
		fail("hot_add: %s", strerror(-d->id));
		return false;
	}
	snprintf(d->node, sizeof(d->node), "/dev/zram%d", d->id);
	return true;
}

static void device_close(struct device *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static bool device_open(struct device *d)
{
	double end = now() + 5;

	while ((d->fd = open(d->node, O_RDWR | O_DIRECT)) < 0 && errno == ENOENT && now() < end)
		nap_ms(20);
	if (d->fd < 0)
		fail("%s: %s", d->node, strerror(errno));
	return d->fd >= 0;
}

/* Give the device a compressor (NULL: the default) and a size, and open it. */
static bool device_start(struct device *d, const char *algorithm, unsigned long pages)
{
	unsigned long long bytes = pages * page_size();
	char text[32];
	int err;

	if (algorithm) {
		err = zram_write(d->id, "comp_algorithm", algorithm);
		if (err) {
			fail("comp_algorithm %s: %s", algorithm, strerror(-err));
			return false;
		}
	}
	snprintf(text, sizeof(text), "%llu", bytes);
	err = zram_write(d->id, "disksize", text);
	if (err) {
		fail("disksize %s: %s", text, strerror(-err));
		return false;
	}
	if (d->key)
		munmap(d->key, d->pages * sizeof(*d->key));
	d->pages = pages;
	d->key = pages_alloc(pages * sizeof(*d->key), MAP_SHARED);
	if (!d->buf)
		d->buf = pages_alloc(CHUNK * page_size(), MAP_PRIVATE);
	return device_open(d);
}

static bool device_remove(struct device *d)
{
	int err;

	device_close(d);
	if (d->key)
		munmap(d->key, d->pages * sizeof(*d->key));
	d->key = NULL;
	if (d->id < 0)
		return true;
	err = zram_hot_remove(d->id);
	if (err)
		fail("hot_remove %d: %s", d->id, strerror(-err));
	d->id = -1;
	return !err;
}

/* ---- pages ---- */

/* Write the pages as their keys say; 0 or a negative errno. */
static int put(struct device *d, unsigned long first, unsigned long nr)
{
	ssize_t want, done;
	unsigned long n, i;

	for (; nr; nr -= n, first += n) {
		n = nr < CHUNK ? nr : CHUNK;
		for (i = 0; i < n; i++)
			page_fill(d->buf + i * page_size(), d->key[first + i]);
		want = n * page_size();
		done = pwrite(d->fd, d->buf, want, first * page_size());
		if (done != want)
			return done < 0 ? -errno : -EIO;
	}
	return 0;
}

static bool store(struct device *d, unsigned long first, unsigned long nr)
{
	int err = put(d, first, nr);

	if (err)
		fail("writing pages %lu+%lu: %s", first, nr, strerror(-err));
	return !err;
}

static bool device_intact(struct device *d, unsigned long first, unsigned long nr, const char *when)
{
	bool good = true;
	ssize_t want;
	unsigned long n, i;

	for (; nr; nr -= n, first += n) {
		n = nr < CHUNK ? nr : CHUNK;
		want = n * page_size();
		/* What an earlier read left here must not pass for an answer. */
		memset(d->buf, 0x5a, want);
		if (pread(d->fd, d->buf, want, first * page_size()) != want) {
			fail("%s: reading pages %lu+%lu: %s", when, first, n, strerror(errno));
			return false;
		}
		for (i = 0; i < n; i++)
			good &= page_is(d->buf + i * page_size(), d->key[first + i], when,
					first + i);
	}
	return good;
}

static bool all_intact(struct device *d, const char *when)
{
	return device_intact(d, 0, d->pages, when);
}

static bool discard(struct device *d, unsigned long first, unsigned long nr)
{
	__u64 range[2] = { first * page_size(), nr * page_size() };

	if (ioctl(d->fd, BLKDISCARD, range)) {
		fail("discarding pages %lu+%lu: %s", first, nr, strerror(errno));
		return false;
	}
	memset(d->key + first, 0, nr * sizeof(*d->key));
	return true;
}

/* Pages of all kinds, their sizes spread evenly over all that are possible. */
static void keys_of_every_kind(struct device *d)
{
	unsigned long i;

	for (i = 0; i < d->pages; i++)
		d->key[i] = page_key(rnd(&seed), i % NR_PAGE_KINDS, i * page_size() / d->pages);
}

static unsigned long count_kind(struct device *d, enum page_kind kind)
{
	unsigned long i, nr = 0;

	for (i = 0; i < d->pages; i++)
		nr += page_kind(d->key[i]) == kind;
	return nr;
}

static unsigned long default_pages(void)
{
	return (opt.mib << 20) / page_size();
}

static bool start_filled(const char *algorithm)
{
	if (!device_start(&dev, algorithm, default_pages()))
		return false;
	keys_of_every_kind(&dev);
	return store(&dev, 0, dev.pages);
}

/* ---- tests that each compressor runs ---- */

static int every_kind(const char *algorithm)
{
	unsigned long i, n, at;

	if (!device_start(&dev, algorithm, default_pages()))
		return KSFT_FAIL;
	if (!all_intact(&dev, "before anything is written"))
		return KSFT_FAIL;
	keys_of_every_kind(&dev);
	for (i = 0; i < dev.pages; i += n) {
		n = 1 + rnd_below(&seed, CHUNK);
		if (n > dev.pages - i)
			n = dev.pages - i;
		if (!store(&dev, i, n))
			return KSFT_FAIL;
	}
	if (!all_intact(&dev, "read in order"))
		return KSFT_FAIL;
	for (i = 0; i < dev.pages / 4; i++) {
		at = rnd_below(&seed, dev.pages);
		if (!device_intact(&dev, at, 1, "read at random"))
			return KSFT_FAIL;
	}
	return KSFT_PASS;
}

static int random_overwrites(const char *algorithm)
{
	unsigned long i, j, n, at;

	if (!start_filled(algorithm))
		return KSFT_FAIL;
	for (i = 0; i < opt.rounds; i++) {
		n = 1 + rnd_below(&seed, 8);
		at = rnd_below(&seed, dev.pages - n);
		switch (rnd_below(&seed, 8)) {
		case 0:
			if (!discard(&dev, at, n))
				return KSFT_FAIL;
			break;
		case 1:
		case 2:
			if (!device_intact(&dev, at, n, "among overwrites"))
				return KSFT_FAIL;
			break;
		default:
			for (j = 0; j < n; j++)
				dev.key[at + j] = rnd(&seed);
			if (!store(&dev, at, n))
				return KSFT_FAIL;
		}
	}
	return all_intact(&dev, "after overwrites") ? KSFT_PASS : KSFT_FAIL;
}

/* One of the writers: every WORKERS-th page is its own. */
static bool worker(unsigned int nr)
{
	__u64 mine = opt.seed * WORKERS + nr;
	unsigned long i, at;

	if (!device_open(&dev))
		return false;
	for (i = 0; i < opt.rounds; i++) {
		at = rnd_below(&mine, dev.pages / WORKERS) * WORKERS + nr;
		switch (rnd_below(&mine, 4)) {
		case 0:
			if (!discard(&dev, at, 1))
				return false;
			break;
		case 1:
			if (!device_intact(&dev, at, 1, "beside other writers"))
				return false;
			break;
		default:
			dev.key[at] = rnd(&mine);
			if (!store(&dev, at, 1))
				return false;
		}
	}
	return true;
}

static int parallel_writers(const char *algorithm)
{
	unsigned int i, left = WORKERS;
	int status, result = KSFT_PASS;
	pid_t pid[WORKERS], gone;

	if (!start_filled(algorithm))
		return KSFT_FAIL;
	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		if (pid[i] < 0) {
			result = fail("fork: %s", strerror(errno));
			left--;
		} else if (!pid[i]) {
			_exit(!worker(i));
		}
	}
	while (left) {
		if (zram_write(dev.id, "compact", "1"))
			result = fail("compact: refused");
		file_write("/proc/sys/vm/compact_memory", "1");
		while (left && (gone = waitpid(-1, &status, WNOHANG)) > 0) {
			left--;
			if (status)
				result = fail("a writer failed: status %x", status);
		}
		nap_ms(10);
	}
	if (!all_intact(&dev, "after all writers"))
		result = KSFT_FAIL;
	return result;
}

/*
 * Write parts of pages, through the page cache and, where a logical block is
 * smaller than a page, directly. Here the copy is of bytes, not of keys.
 */
static int partial_writes(const char *algorithm)
{
	unsigned long pages = 64, size = pages * page_size(), i, at, len, at_most, unit;
	int cached = -1, block, result = KSFT_FAIL;
	char *copy, *back;

	if (!device_start(&dev, algorithm, pages))
		return KSFT_FAIL;
	keys_of_every_kind(&dev);
	if (!store(&dev, 0, pages))
		return KSFT_FAIL;
	copy = pages_alloc(size, MAP_PRIVATE);
	back = pages_alloc(size, MAP_PRIVATE);
	for (i = 0; i < pages; i++)
		page_fill(copy + i * page_size(), dev.key[i]);
	cached = open(dev.node, O_RDWR);
	if (cached < 0 || ioctl(cached, BLKSSZGET, &block)) {
		fail("%s: %s", dev.node, strerror(errno));
		goto out;
	}
	for (i = 0; i < opt.rounds / 4; i++) {
		bool direct = i & 1;

		unit = direct ? block : 512;
		at_most = 2 * page_size() / unit;
		len = (1 + rnd_below(&seed, at_most)) * unit;
		at = rnd_below(&seed, (size - len) / unit + 1) * unit;
		if (rnd_below(&seed, 4))
			fill_random((unsigned char *)copy + at, len, &seed);
		else
			memset(copy + at, rnd_below(&seed, 3), len);
		/* Direct I/O wants an aligned buffer. */
		memcpy(back, copy + at, len);
		if (pwrite(direct ? dev.fd : cached, back, len, at) != (ssize_t)len ||
		    (!direct && fsync(cached))) {
			fail("writing %lu bytes at %lu: %s", len, at, strerror(errno));
			goto out;
		}
		/* Partial reads, too. */
		at = rnd_below(&seed, size / block) * block;
		if (pread(dev.fd, back, block, at) != block) {
			fail("reading %d bytes at %lu: %s", block, at, strerror(errno));
			goto out;
		}
		if (memcmp(back, copy + at, block)) {
			fail("%d bytes at %lu differ after write %lu", block, at, i);
			goto out;
		}
	}
	memset(back, 0x5a, size);
	if (pread(dev.fd, back, size, 0) != (ssize_t)size)
		fail("reading all: %s", strerror(errno));
	else if (memcmp(back, copy, size))
		fail("the device differs from the copy");
	else
		result = KSFT_PASS;
out:
	if (cached >= 0)
		close(cached);
	munmap(copy, size);
	munmap(back, size);
	return result;
}

static int discard_zeroes(const char *algorithm)
{
	unsigned long i, n, at, held;

	if (!start_filled(algorithm))
		return KSFT_FAIL;
	for (i = 0; i < dev.pages / 16; i++) {
		n = 1 + rnd_below(&seed, 12);
		at = rnd_below(&seed, dev.pages - n);
		if (!discard(&dev, at, n))
			return KSFT_FAIL;
	}
	if (!all_intact(&dev, "after discards"))
		return KSFT_FAIL;
	/* Key 0 is a discarded page; a page of zeros has a salt. */
	for (held = 0, i = 0; i < dev.pages; i++)
		held += dev.key[i] != 0;
	if (zram_mm(dev.id, MM_ORIG_DATA_SIZE) != held * page_size())
		return fail("%lu pages are held, but orig_data_size is %llu", held,
			    zram_mm(dev.id, MM_ORIG_DATA_SIZE));
	if (!discard(&dev, 0, dev.pages) || !all_intact(&dev, "after discarding all"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

static int counts_hold(const char *algorithm)
{
	unsigned long long mm[NR_MM_STATS], again[NR_MM_STATS];
	unsigned long i, half = default_pages() / 2;

	if (!device_start(&dev, algorithm, 2 * half))
		return KSFT_FAIL;
	/* Only kinds of which one knows if they compress; half the device stays empty. */
	for (i = 0; i < half; i++) {
		static const enum page_kind kind[] = {
			PAGE_ZERO, PAGE_SAME, PAGE_ALMOST, PAGE_PART, PAGE_RANDOM
		};

		dev.key[i] = page_key(rnd(&seed), kind[i % 5], i % (page_size() / 4));
	}
	if (!store(&dev, 0, half) || !zram_numbers(dev.id, "mm_stat", mm, NR_MM_STATS))
		return KSFT_FAIL;
	if (mm[MM_ORIG_DATA_SIZE] != half * page_size())
		return fail("orig_data_size %llu, written %lu", mm[MM_ORIG_DATA_SIZE],
			    half * page_size());
	if (mm[MM_SAME_PAGES] != count_kind(&dev, PAGE_SAME) + (half + 4) / 5)
		return fail("same_pages %llu, written %lu and %lu", mm[MM_SAME_PAGES],
			    count_kind(&dev, PAGE_SAME), (half + 4) / 5);
	if (mm[MM_HUGE_PAGES] != count_kind(&dev, PAGE_RANDOM) ||
	    mm[MM_HUGE_PAGES_SINCE] != mm[MM_HUGE_PAGES])
		return fail("huge_pages %llu since %llu, written %lu", mm[MM_HUGE_PAGES],
			    mm[MM_HUGE_PAGES_SINCE], count_kind(&dev, PAGE_RANDOM));
	if (mm[MM_COMPR_DATA_SIZE] <= mm[MM_HUGE_PAGES] * page_size() ||
	    mm[MM_COMPR_DATA_SIZE] >= mm[MM_ORIG_DATA_SIZE])
		return fail("compr_data_size %llu cannot be", mm[MM_COMPR_DATA_SIZE]);
	if (mm[MM_MEM_USED_TOTAL] < mm[MM_COMPR_DATA_SIZE] ||
	    mm[MM_MEM_USED_TOTAL] % page_size())
		return fail("mem_used_total %llu for %llu bytes", mm[MM_MEM_USED_TOTAL],
			    mm[MM_COMPR_DATA_SIZE]);
	if (mm[MM_MEM_USED_MAX] < mm[MM_MEM_USED_TOTAL])
		return fail("mem_used_max %llu is below mem_used_total %llu",
			    mm[MM_MEM_USED_MAX], mm[MM_MEM_USED_TOTAL]);

	/* The same once more changes only what counts events. */
	if (!store(&dev, 0, half) || !zram_numbers(dev.id, "mm_stat", again, NR_MM_STATS))
		return KSFT_FAIL;
	if (again[MM_ORIG_DATA_SIZE] != mm[MM_ORIG_DATA_SIZE] ||
	    again[MM_COMPR_DATA_SIZE] != mm[MM_COMPR_DATA_SIZE] ||
	    again[MM_SAME_PAGES] != mm[MM_SAME_PAGES] ||
	    again[MM_HUGE_PAGES] != mm[MM_HUGE_PAGES] ||
	    again[MM_HUGE_PAGES_SINCE] != 2 * mm[MM_HUGE_PAGES])
		return fail("mm_stat drifts when pages are rewritten");
	if (!all_intact(&dev, "after counting"))
		return KSFT_FAIL;

	if (!discard(&dev, 0, dev.pages))
		return KSFT_FAIL;
	if (!zram_mm_falls_to(dev.id, MM_MEM_USED_TOTAL, 0))
		return fail("mem_used_total stays %llu with nothing stored",
			    zram_mm(dev.id, MM_MEM_USED_TOTAL));
	if (!zram_numbers(dev.id, "mm_stat", again, NR_MM_STATS))
		return KSFT_FAIL;
	if (again[MM_ORIG_DATA_SIZE] || again[MM_COMPR_DATA_SIZE] ||
	    again[MM_SAME_PAGES] || again[MM_HUGE_PAGES])
		return fail("%llu pages, %llu bytes, %llu same and %llu huge left of nothing",
			    again[MM_ORIG_DATA_SIZE] / page_size(), again[MM_COMPR_DATA_SIZE],
			    again[MM_SAME_PAGES], again[MM_HUGE_PAGES]);
	return KSFT_PASS;
}

/* Free all but one in @keep pages at random, compact, and look at what is left. */
static int compact_after_freeing(unsigned int keep)
{
	unsigned long long before, after;
	unsigned long i;

	for (i = 0; i < dev.pages; i++)
		if (rnd_below(&seed, keep) && dev.key[i] && !discard(&dev, i, 1))
			return KSFT_FAIL;
	before = zram_mm(dev.id, MM_MEM_USED_TOTAL);
	if (zram_write(dev.id, "compact", "1"))
		return fail("compact is refused");
	after = zram_mm(dev.id, MM_MEM_USED_TOTAL);
	if (after > before)
		return fail("compaction grew mem_used_total from %llu to %llu", before, after);
	if (after < zram_mm(dev.id, MM_COMPR_DATA_SIZE))
		return fail("mem_used_total %llu is less than what is stored", after);
	return all_intact(&dev, "after compaction") ? KSFT_PASS : KSFT_FAIL;
}

static int freed_and_compacted(const char *algorithm)
{
	unsigned long long full, rest;
	unsigned long i;
	int ret;

	/* Few sizes, so that there are many objects of each. */
	if (!device_start(&dev, algorithm, default_pages()))
		return KSFT_FAIL;
	for (i = 0; i < dev.pages; i++)
		dev.key[i] = page_key(rnd(&seed), i & 1 ? PAGE_PART : PAGE_TAIL,
				      page_size() / 16 * (1 + i % 8));
	if (!store(&dev, 0, dev.pages))
		return KSFT_FAIL;
	full = zram_mm(dev.id, MM_MEM_USED_TOTAL);
	ret = compact_after_freeing(2);
	if (ret == KSFT_PASS)
		ret = compact_after_freeing(5);
	if (ret != KSFT_PASS)
		return ret;
	/* A tenth is left. Where nothing moved, far more than a tenth of the pages is. */
	rest = zram_mm(dev.id, MM_MEM_USED_TOTAL);
	if (rest > full / 2)
		return fail("90 %% is freed, but mem_used_total only fell from %llu to %llu",
			    full, rest);

	/* What was compacted is overwritten and grows again. */
	for (i = 0; i < dev.pages; i += 1 + rnd_below(&seed, 3)) {
		dev.key[i] = page_key(rnd(&seed), i & 1 ? PAGE_PART : PAGE_TAIL,
				      page_size() / 16 * (1 + rnd_below(&seed, 8)));
		if (!store(&dev, i, 1))
			return KSFT_FAIL;
	}
	if (!all_intact(&dev, "rewritten after compaction"))
		return KSFT_FAIL;
	ret = compact_after_freeing(3);
	if (ret != KSFT_PASS)
		return ret;
	if (!discard(&dev, 0, dev.pages))
		return KSFT_FAIL;
	if (!zram_mm_falls_to(dev.id, MM_MEM_USED_TOTAL, 0))
		return fail("mem_used_total stays %llu with nothing stored",
			    zram_mm(dev.id, MM_MEM_USED_TOTAL));
	return KSFT_PASS;
}

/* A second compressor that this kernel has and that is not @algorithm. */
static const char *other_algorithm(const char *algorithm)
{
	static const char * const candidate[] = { "zstd", "deflate", "lz4hc", "lz4", "lzo-rle" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(candidate); i++)
		if (strcmp(candidate[i], algorithm) && list_has(compressors, candidate[i], false))
			return candidate[i];
	return NULL;
}

static bool entropy_coder(const char *algorithm)
{
	return !strcmp(algorithm, "zstd") || !strcmp(algorithm, "deflate");
}

/* 0 if the device can recompress with @second, else what the test returns. */
static int set_second(const char *second)
{
	char text[64];
	int err;

	if (!zram_has(dev.id, "recomp_algorithm"))
		return skip("zram is built without CONFIG_ZRAM_MULTI_COMP");
	if (!second)
		return skip("zram is built with one compressor only");
	snprintf(text, sizeof(text), "algo=%s priority=1", second);
	err = zram_write(dev.id, "recomp_algorithm", text);
	if (err)
		return fail("recomp_algorithm %s: %s", text, strerror(-err));
	return 0;
}

static bool recompress_and_look(const char *what)
{
	int err = zram_write(dev.id, "recompress", what);

	if (err)
		fail("recompress %s: %s", what, strerror(-err));
	return !err && all_intact(&dev, what);
}

static int second_compressor(const char *algorithm)
{
	const char *second = other_algorithm(algorithm);
	unsigned long long before, after, huge;
	unsigned long i, at;
	char text[64];
	int ret;

	ret = set_second(second);
	if (ret)
		return ret;
	if (!start_filled(algorithm))
		return KSFT_FAIL;
	before = zram_mm(dev.id, MM_COMPR_DATA_SIZE);
	huge = zram_mm(dev.id, MM_HUGE_PAGES);

	if (!recompress_and_look("type=huge"))
		return KSFT_FAIL;
	after = zram_mm(dev.id, MM_COMPR_DATA_SIZE);
	if (after > before)
		return fail("recompression grew compr_data_size from %llu to %llu", before, after);
	/* Random letters are too much for LZ4 and LZO, not for the others. */
	if (!entropy_coder(algorithm) && entropy_coder(second) &&
	    zram_mm(dev.id, MM_HUGE_PAGES) > huge - count_kind(&dev, PAGE_ALPHA))
		return fail("%s did not recompress %lu pages of letters: huge_pages %llu was %llu",
			    second, count_kind(&dev, PAGE_ALPHA),
			    zram_mm(dev.id, MM_HUGE_PAGES), huge);

	if (zram_write(dev.id, "idle", "all"))
		return fail("idle: refused");
	if (!recompress_and_look("type=idle threshold=2000"))
		return KSFT_FAIL;

	/* Some new data among the old. */
	for (i = 0; i < dev.pages / 4; i++) {
		at = rnd_below(&seed, dev.pages);
		dev.key[at] = rnd(&seed);
		if (!store(&dev, at, 1))
			return KSFT_FAIL;
	}
	if (zram_write(dev.id, "idle", "all"))
		return fail("idle: refused");
	if (!recompress_and_look("type=huge_idle max_pages=7") ||
	    !recompress_and_look("threshold=1000"))
		return KSFT_FAIL;
	snprintf(text, sizeof(text), "algo=%s", second);
	if (!recompress_and_look(text))
		return KSFT_FAIL;

	if (zram_mm(dev.id, MM_COMPR_DATA_SIZE) > zram_mm(dev.id, MM_MEM_USED_TOTAL))
		return fail("compr_data_size is larger than mem_used_total");
	if (compact_after_freeing(2) != KSFT_PASS || !discard(&dev, 0, dev.pages))
		return KSFT_FAIL;
	if (!zram_mm_falls_to(dev.id, MM_MEM_USED_TOTAL, 0) ||
	    zram_mm(dev.id, MM_COMPR_DATA_SIZE))
		return fail("recompressed pages are not freed: %llu bytes in %llu",
			    zram_mm(dev.id, MM_COMPR_DATA_SIZE),
			    zram_mm(dev.id, MM_MEM_USED_TOTAL));
	return KSFT_PASS;
}

/* ---- a device to write back to ---- */

/* 0 if there is a loop device on a file of @pages pages, else what the test returns. */
static int loop_start(unsigned long pages)
{
	char path[PATH_MAX];
	int file, ret = 0;

	if (access("/dev/loop-control", F_OK))
		return skip("the kernel is built without loop devices, to write back to one");
	snprintf(path, sizeof(path), "%s/zram_data.XXXXXX", opt.scratch);
	file = mkstemp(path);
	if (file < 0)
		return skip("no file for a loop device: %s: %s", path, strerror(errno));
	unlink(path);
	if (ftruncate(file, pages * page_size())) {
		ret = fail("%s: %s", path, strerror(errno));
	} else {
		loop_fd = loop_attach(file, loop_node, sizeof(loop_node));
		if (loop_fd < 0)
			ret = fail("loop device: %s", strerror(-loop_fd));
	}
	close(file);
	return ret;
}

/* It goes when its last user does. */
static void loop_stop(void)
{
	if (loop_fd >= 0)
		close(loop_fd);
	loop_fd = -1;
}

enum { BD_COUNT, BD_READS, BD_WRITES, NR_BD_STATS };

/* In pages; bd_stat counts units of 4096 bytes. */
static unsigned long long bd(int column)
{
	unsigned long long stat[NR_BD_STATS];

	if (!zram_numbers(dev.id, "bd_stat", stat, NR_BD_STATS))
		return ~0ULL;
	return stat[column] / (page_size() / 4096);
}

static bool write_back_and_look(const char *what)
{
	int err = zram_write(dev.id, "writeback", what);

	if (err)
		fail("writeback %s: %s", what, strerror(-err));
	return !err && all_intact(&dev, what);
}

/* 0 if the device has something to write back to, else what the test returns. */
static int set_backing(void)
{
	int ret;

	if (!zram_has(dev.id, "backing_dev"))
		return skip("zram is built without CONFIG_ZRAM_WRITEBACK");
	ret = loop_start(default_pages() + 1);
	if (ret)
		return ret;
	ret = zram_write(dev.id, "backing_dev", loop_node);
	return ret ? fail("backing_dev %s: %s", loop_node, strerror(-ret)) : 0;
}

static int to_backing_device(const char *algorithm)
{
	unsigned long long reads, count, held;
	unsigned long i, at;
	char text[64];
	int ret;

	ret = set_backing();
	if (ret)
		return ret;
	if (!start_filled(algorithm))
		return KSFT_FAIL;

	/* One page by its number: it compresses, so no other way takes it yet. */
	for (at = dev.pages / 2; page_kind(dev.key[at]) != PAGE_TEXT; at++)
		;
	snprintf(text, sizeof(text), "page_index=%lu", at);
	if (!write_back_and_look(text))
		return KSFT_FAIL;
	if (bd(BD_COUNT) != 1 || bd(BD_WRITES) != 1 || bd(BD_READS) != 1)
		return fail("one page written back and read: bd_stat %llu %llu %llu",
			    bd(BD_COUNT), bd(BD_READS), bd(BD_WRITES));

	held = zram_mm(dev.id, MM_HUGE_PAGES);
	if (!write_back_and_look("huge"))
		return KSFT_FAIL;
	if (bd(BD_COUNT) != 1 + held || zram_mm(dev.id, MM_HUGE_PAGES))
		return fail("%llu huge pages, bd_count %llu, still huge: %llu", held,
			    bd(BD_COUNT), zram_mm(dev.id, MM_HUGE_PAGES));

	/* New huge pages, but idle ones only: those that are touched stay. */
	for (i = 0; i < dev.pages; i++)
		if (page_kind(dev.key[i]) == PAGE_RANDOM) {
			dev.key[i] = page_key(rnd(&seed), PAGE_RANDOM, 0);
			if (!store(&dev, i, 1))
				return KSFT_FAIL;
		}
	count = bd(BD_COUNT);
	if (count > 1 + held - count_kind(&dev, PAGE_RANDOM))
		return fail("overwritten pages keep their blocks: bd_count %llu", count);
	if (!write_back_and_look("huge_idle") || bd(BD_COUNT) != count)
		return fail("a page that is not idle was written back as huge_idle");
	held = zram_mm(dev.id, MM_HUGE_PAGES);
	if (zram_write(dev.id, "idle", "all") || !write_back_and_look("huge_idle"))
		return KSFT_FAIL;
	if (bd(BD_COUNT) != count + held || zram_mm(dev.id, MM_HUGE_PAGES))
		return fail("%llu idle huge pages, bd_count %llu was %llu", held,
			    bd(BD_COUNT), count);

	/* All the rest, but only three pages at first. */
	count = bd(BD_COUNT);
	snprintf(text, sizeof(text), "%zu", 3 * page_size() / 4096);
	if (zram_write(dev.id, "writeback_limit", text) ||
	    zram_write(dev.id, "writeback_limit_enable", "1") ||
	    zram_write(dev.id, "idle", "all"))
		return fail("writeback_limit: refused");
	ret = zram_write(dev.id, "writeback", "idle");
	if (ret != -EIO || bd(BD_COUNT) != count + 3)
		return fail("a limit of three pages: %s, bd_count %llu was %llu",
			    strerror(-ret), bd(BD_COUNT), count);
	if (!all_intact(&dev, "at the writeback limit"))
		return KSFT_FAIL;
	if (zram_write(dev.id, "writeback_limit_enable", "0") || zram_write(dev.id, "idle", "all"))
		return fail("writeback_limit_enable: refused");
	if (!write_back_and_look("idle"))
		return KSFT_FAIL;
	if (!zram_mm_falls_to(dev.id, MM_MEM_USED_TOTAL, 0) ||
	    zram_mm(dev.id, MM_COMPR_DATA_SIZE))
		return fail("all is written back, but %llu bytes stay in %llu of memory",
			    zram_mm(dev.id, MM_COMPR_DATA_SIZE),
			    zram_mm(dev.id, MM_MEM_USED_TOTAL));
	held = zram_mm(dev.id, MM_ORIG_DATA_SIZE) / page_size() - zram_mm(dev.id, MM_SAME_PAGES);
	reads = bd(BD_READS);
	if (bd(BD_COUNT) != held || !all_intact(&dev, "all from the backing device"))
		return fail("bd_count %llu for %llu pages", bd(BD_COUNT), held);
	if (bd(BD_READS) != reads + held)
		return fail("%llu pages were read, %llu of them from the backing device", held,
			    bd(BD_READS) - reads);

	/* Back and forth at random. */
	for (i = 0; i < opt.rounds / 8; i++) {
		at = rnd_below(&seed, dev.pages);
		dev.key[at] = rnd(&seed);
		if (!store(&dev, at, 1))
			return KSFT_FAIL;
		snprintf(text, sizeof(text), "page_index=%lu", rnd_below(&seed, dev.pages));
		if (zram_write(dev.id, "writeback", text))
			return fail("writeback %s: refused", text);
		if (!device_intact(&dev, at, 1, "among writebacks"))
			return KSFT_FAIL;
	}
	if (!all_intact(&dev, "after many writebacks"))
		return KSFT_FAIL;
	if (!discard(&dev, 0, dev.pages) || !all_intact(&dev, "discarded"))
		return KSFT_FAIL;
	if (bd(BD_COUNT) || zram_mm(dev.id, MM_ORIG_DATA_SIZE))
		return fail("bd_count is %llu with nothing stored", bd(BD_COUNT));
	return KSFT_PASS;
}

static int writeback_incompressible(const char *algorithm)
{
	unsigned long long was;
	int ret;

	ret = set_second(other_algorithm(algorithm));
	if (!ret)
		ret = set_backing();
	if (ret)
		return ret;
	if (!start_filled(algorithm))
		return KSFT_FAIL;
	if (!write_back_and_look("incompressible") || bd(BD_COUNT))
		return fail("pages count as incompressible before any was recompressed");
	/* Only when all compressors have failed is a page known to be incompressible. */
	if (!recompress_and_look("type=huge"))
		return KSFT_FAIL;
	was = zram_mm(dev.id, MM_COMPR_DATA_SIZE);
	if (!write_back_and_look("incompressible"))
		return KSFT_FAIL;
	if (bd(BD_COUNT) < count_kind(&dev, PAGE_RANDOM))
		return fail("%lu random pages, %llu were written back",
			    count_kind(&dev, PAGE_RANDOM), bd(BD_COUNT));
	if (zram_mm(dev.id, MM_COMPR_DATA_SIZE) + bd(BD_COUNT) * page_size() != was)
		return fail("compr_data_size %llu was %llu; %llu pages were written back",
			    zram_mm(dev.id, MM_COMPR_DATA_SIZE), was, bd(BD_COUNT));
	/* Written-back and recompressed pages in one device, reset with all in use. */
	if (!recompress_and_look("threshold=500"))
		return KSFT_FAIL;
	device_close(&dev);
	ret = zram_reset(dev.id);
	if (ret)
		return fail("reset: %s", strerror(-ret));
	if (bd(BD_COUNT) || bd(BD_READS) || bd(BD_WRITES))
		return fail("bd_stat is not zero after a reset");
	return KSFT_PASS;
}

static int reset_frees(const char *algorithm)
{
	const char *next = other_algorithm(algorithm) ? : algorithm;
	unsigned long long mm[NR_MM_STATS];
	char text[512];
	int i, err;

	if (!start_filled(algorithm))
		return KSFT_FAIL;
	if (zram_write(dev.id, "mem_limit", "64M"))
		return fail("mem_limit: refused");
	device_close(&dev);
	err = zram_reset(dev.id);
	if (err)
		return fail("reset: %s", strerror(-err));
	if (!zram_numbers(dev.id, "mm_stat", mm, NR_MM_STATS))
		return fail("mm_stat: cannot be read");
	for (i = 0; i < NR_MM_STATS; i++)
		if (mm[i])
			return fail("mm_stat column %d is %llu after a reset", i, mm[i]);
	if (zram_read(dev.id, "initstate", text, sizeof(text)) < 0 || strcmp(text, "0") ||
	    zram_read(dev.id, "disksize", text, sizeof(text)) < 0 || strcmp(text, "0"))
		return fail("the device still has a size after a reset: %s", text);

	/* As new: another compressor, another size, no old data. */
	if (!device_start(&dev, next, default_pages() / 2))
		return KSFT_FAIL;
	if (zram_read(dev.id, "comp_algorithm", text, sizeof(text)) < 0 ||
	    !list_has(text, next, true))
		return fail("%s is not in use: %s", next, text);
	if (!all_intact(&dev, "after a reset"))
		return KSFT_FAIL;
	keys_of_every_kind(&dev);
	if (!store(&dev, 0, dev.pages) || !all_intact(&dev, "second use"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

/* ---- tests that need one compressor only ---- */

static int hot_add_remove(const char *algorithm)
{
	char text[32];
	int err, id;

	if (!start_filled(algorithm))
		return KSFT_FAIL;
	if (!device_add(&second) || !device_start(&second, algorithm, default_pages() / 2))
		return KSFT_FAIL;
	if (second.id == dev.id)
		return fail("two devices have number %d", dev.id);
	keys_of_every_kind(&second);
	if (!store(&second, 0, second.pages))
		return KSFT_FAIL;
	if (!all_intact(&dev, "first of two") || !all_intact(&second, "second of two"))
		return KSFT_FAIL;

	snprintf(text, sizeof(text), "%d", second.id);
	err = file_write("/sys/class/zram-control/hot_remove", text);
	if (err != -EBUSY)
		return fail("removing an open device: %s", strerror(-err));
	if (!all_intact(&second, "after its removal was refused"))
		return KSFT_FAIL;
	id = second.id;
	if (!device_remove(&second))
		return KSFT_FAIL;
	if (zram_has(id, "disksize") || !access(second.node, F_OK))
		return fail("%s is still there", second.node);
	err = file_write("/sys/class/zram-control/hot_remove", text);
	if (err != -ENODEV)
		return fail("removing a device that is not there: %s", strerror(-err));
	if (file_write("/sys/class/zram-control/hot_remove", "-1") != -EINVAL ||
	    file_write("/sys/class/zram-control/hot_remove", "zram") != -EINVAL)
		return fail("hot_remove takes nonsense");
	return all_intact(&dev, "after the other was removed") ? KSFT_PASS : KSFT_FAIL;
}

static int memory_limit(const char *algorithm)
{
	unsigned long long limit, failed[2];
	unsigned long i, held, refused = 0;
	__u64 old;
	int err;

	if (!device_start(&dev, algorithm, default_pages()))
		return KSFT_FAIL;
	if (zram_write(dev.id, "mem_limit", "1M"))
		return fail("mem_limit: refused");
	limit = zram_mm(dev.id, MM_MEM_LIMIT);
	if (limit != 1 << 20)
		return fail("mem_limit is %llu", limit);
	for (i = 0; i < dev.pages; i++) {
		dev.key[i] = page_key(rnd(&seed), PAGE_RANDOM, 0);
		err = put(&dev, i, 1);
		if (err)
			break;
	}
	if (i == dev.pages)
		return fail("%lu random pages fit under a limit of %llu bytes", i, limit);
	if (err != -EIO && err != -ENOMEM && err != -ENOSPC)
		return fail("at the limit: %s", strerror(-err));
	held = i;
	if (held < limit / page_size() * 9 / 10)
		return fail("only %lu pages fit under a limit of %llu bytes", held, limit);
	dev.key[held] = 0;

	/* Overwriting fails, too: then the old content stays. */
	for (i = 0; i < 16; i++) {
		unsigned long at = rnd_below(&seed, held);

		old = dev.key[at];
		dev.key[at] = page_key(rnd(&seed), PAGE_RANDOM, 0);
		if (put(&dev, at, 1)) {
			dev.key[at] = old;
			refused++;
		}
	}
	if (!all_intact(&dev, "at the limit"))
		return KSFT_FAIL;
	if (zram_mm(dev.id, MM_MEM_USED_TOTAL) > limit)
		return fail("mem_used_total %llu is above the limit",
			    zram_mm(dev.id, MM_MEM_USED_TOTAL));
	if (!zram_numbers(dev.id, "io_stat", failed, 2) || failed[1] != 1 + refused)
		return fail("%lu writes failed, failed_writes is %llu", 1 + refused, failed[1]);

	/* Pages that need no memory are still taken, and memory that is freed is reused. */
	dev.key[held] = page_key(rnd(&seed), PAGE_SAME, 0);
	if (!store(&dev, held, 1) || !discard(&dev, 0, held / 2))
		return KSFT_FAIL;
	for (i = 0; i < held / 4; i++)
		dev.key[i] = page_key(rnd(&seed), PAGE_RANDOM, 0);
	if (!store(&dev, 0, held / 4) || !all_intact(&dev, "below the limit again"))
		return KSFT_FAIL;
	if (zram_write(dev.id, "mem_limit", "0"))
		return fail("mem_limit 0: refused");
	keys_of_every_kind(&dev);
	if (!store(&dev, 0, dev.pages) || !all_intact(&dev, "without a limit"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

struct refusal {
	const char *attr;
	const char *text;
	int err;
};

static bool refuses(const struct refusal *r, unsigned int nr)
{
	bool good = true;
	int err;

	for (; nr--; r++) {
		if (!zram_has(dev.id, r->attr))
			continue;
		err = zram_write(dev.id, r->attr, r->text);
		if (err != -r->err) {
			fail("\"%.40s\" to %s: %s, should be %s", r->text, r->attr,
			     strerror(-err), strerror(r->err));
			good = false;
		}
	}
	return good;
}

static int bad_input_unset(const char *algorithm)
{
	static const struct refusal bad[] = {
		{ "comp_algorithm", "no-such-thing", EINVAL },
		{ "comp_algorithm", "\n", EINVAL },
		{ "comp_algorithm", "lz", EINVAL },
		{ "recomp_algorithm", "algo=no-such-thing priority=1", EINVAL },
		{ "recomp_algorithm", "algo=lz4 priority=0", EINVAL },
		{ "recomp_algorithm", "algo=lz4 priority=99", EINVAL },
		{ "recomp_algorithm", "priority=1", EINVAL },
		{ "disksize", "0", EINVAL },
		{ "disksize", "-1", EINVAL },
		{ "disksize", "much", EINVAL },
		{ "disksize", "K", EINVAL },
		{ "disksize", " ", EINVAL },
		{ "mem_limit", "none", EINVAL },
		{ "mem_used_max", "1", EINVAL },
		{ "compact", "1", EINVAL },
		{ "idle", "all", EINVAL },
		{ "idle", "some", EINVAL },
		{ "recompress", "type=huge", EINVAL },
		{ "writeback", "idle", EINVAL },
		{ "writeback", "everything", EINVAL },
		{ "writeback_limit", "little", EINVAL },
		{ "backing_dev", "/no/such/device", ENOENT },
		{ "backing_dev", "/proc/sys/vm/swappiness", ENOTBLK },
		{ "reset", "0", EINVAL },
		{ "reset", "please", EINVAL },
	};
	char before[512], after[512], longer[200];
	int err;

	if (zram_write(dev.id, "comp_algorithm", algorithm))
		return fail("comp_algorithm %s: refused", algorithm);
	if (zram_read(dev.id, "comp_algorithm", before, sizeof(before)) < 0)
		return fail("comp_algorithm: cannot be read");
	if (!refuses(bad, ARRAY_SIZE(bad)))
		return KSFT_FAIL;
	memset(longer, 'z', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err = zram_write(dev.id, "comp_algorithm", longer);
	if (err != -EINVAL && err != -E2BIG)
		return fail("a name of %zu letters: %s", strlen(longer), strerror(-err));
	if (zram_read(dev.id, "comp_algorithm", after, sizeof(after)) < 0 ||
	    strcmp(before, after) || !list_has(after, algorithm, true))
		return fail("comp_algorithm is \"%s\", was \"%s\"", after, before);
	/* And the device can be used as if nothing had happened. */
	if (!start_filled(NULL) || !all_intact(&dev, "after bad input"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

/* More than any machine can have: the kernel logs the failed vmalloc. */
static int disksize_too_large(const char *algorithm)
{
	int err = zram_write(dev.id, "disksize", "4E");

	if (err != -ENOMEM)
		return fail("4E: %s", strerror(-err));
	if (!start_filled(algorithm) || !all_intact(&dev, "after a refused size"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

static int bad_input_in_use(const char *algorithm)
{
	static const struct refusal bad[] = {
		{ "disksize", "8M", EBUSY },
		{ "disksize", "0", EINVAL },
		{ "comp_algorithm", "no-such-thing", EINVAL },
		{ "reset", "1", EBUSY },
		{ "idle", "some", EINVAL },
		{ "recompress", "type=huge algo=no-such-thing", EINVAL },
		{ "recompress", "threshold=1000000", EINVAL },
		{ "recompress", "type", EINVAL },
		{ "recompress", "max_pages=few", EINVAL },
		{ "writeback", "everything", EINVAL },
		{ "writeback", "page_index=99999999", EINVAL },
		{ "writeback", "page_index=one", EINVAL },
		{ "writeback", "huge", ENODEV },
		{ "backing_dev", "/dev/null", EBUSY },
	};
	char before[512], after[512];
	struct refusal busy = { "comp_algorithm", algorithm, EBUSY };

	if (!start_filled(algorithm))
		return KSFT_FAIL;
	if (zram_read(dev.id, "disksize", before, sizeof(before)) < 0)
		return fail("disksize: cannot be read");
	if (!refuses(bad, ARRAY_SIZE(bad)) || !refuses(&busy, 1))
		return KSFT_FAIL;
	if (zram_read(dev.id, "disksize", after, sizeof(after)) < 0 || strcmp(before, after))
		return fail("disksize is %s, was %s", after, before);
	return all_intact(&dev, "after bad input") ? KSFT_PASS : KSFT_FAIL;
}

static int swapped_on(const char *algorithm)
{
	static const struct refusal busy[] = {
		{ "reset", "1", EBUSY },
		{ "disksize", "8M", EBUSY },
	};
	char text[32];
	int err;

	if (access("/proc/swaps", F_OK))
		return skip("the kernel is built without swap");
	if (!device_start(&dev, algorithm, default_pages()))
		return KSFT_FAIL;
	device_close(&dev);
	if (!area_on(dev.node, dev.pages))
		return KSFT_FAIL;
	if (!refuses(busy, ARRAY_SIZE(busy)))
		return KSFT_FAIL;
	snprintf(text, sizeof(text), "%d", dev.id);
	err = file_write("/sys/class/zram-control/hot_remove", text);
	if (err != -EBUSY)
		return fail("hot_remove of a swap device: %s", strerror(-err));
	if (!area_off())
		return KSFT_FAIL;
	err = zram_reset(dev.id);
	return err ? fail("reset after swapoff: %s", strerror(-err)) : KSFT_PASS;
}

/* ---- the list of tests ---- */

struct test {
	const char *name;
	int (*run)(const char *algorithm);
};

static const struct test each[] = {
	{ "pages of every kind are read back as written", every_kind },
	{ "random overwrites and discards change no other page", random_overwrites },
	{ "parallel writers and compaction change no other page", parallel_writers },
	{ "partial writes change their bytes only", partial_writes },
	{ "discarded pages read as zeros and the others stay", discard_zeroes },
	{ "mm_stat counts what is stored and ends at zero", counts_hold },
	{ "compaction frees memory and keeps every byte", freed_and_compacted },
	{ "recompressed pages are read back as written", second_compressor },
	{ "pages are read back from the backing device as written", to_backing_device },
	{ "incompressible pages go to the backing device", writeback_incompressible },
	{ "reset frees everything and the device can be used anew", reset_frees },
};

/* Last, because it is only run when asked for. */
static const struct test once[] = {
	{ "devices are added and removed beside each other", hot_add_remove },
	{ "a write over mem_limit fails and nothing stored is lost", memory_limit },
	{ "bad input to a new device is refused and changes nothing", bad_input_unset },
	{ "bad input to a device in use is refused and changes nothing", bad_input_in_use },
	{ "a device that is swapped on cannot be reset or removed", swapped_on },
	{ "a disksize beyond all memory is refused", disksize_too_large },
};

static void stop(void)
{
	area_stop();
	device_remove(&second);
	device_remove(&dev);
	loop_stop();
}

static void run(const struct test *test, const char *algorithm)
{
	double start = now();
	char name[160];
	int result;

	snprintf(name, sizeof(name), "%s: %s", algorithm, test->name);
	seed = opt.seed;
	if (!list_has(compressors, algorithm, false))
		result = skip("zram is built without %s", algorithm);
	else
		result = device_add(&dev) ? test->run(algorithm) : KSFT_FAIL;
	if (!area_stop())
		result = KSFT_FAIL;
	if (!device_remove(&second) || !device_remove(&dev))
		result = KSFT_FAIL;
	loop_stop();
	report(result, name);
	ksft_print_msg("%.1f s\n", now() - start);
}

static void print_usage(const char *self)
{
	printf("usage: %s [options]\n"
	       "  -a, --algorithms LIST  compressors, with commas (default: lzo-rle,lz4,zstd\n"
	       "                         and of lz4hc,deflate what the kernel has)\n"
	       "  -m, --mib N            size of a device (default %lu)\n"
	       "  -n, --rounds N         operations of a random test (default %lu)\n"
	       "  -s, --seed N           of all random numbers (default %llu)\n"
	       "  -d, --scratch DIR      where a file of the size of a device may be (default %s)\n"
	       "  -l, --large            also try a disksize beyond all memory, of which the\n"
	       "                         kernel logs a call trace\n"
	       "  -X, --wrong N          test of the test: expect something wrong in the Nth page\n"
	       "                         compared, so that the run must fail\n"
	       "  -h, --help             this\n",
	       self, opt.mib, opt.rounds, opt.seed, opt.scratch);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "algorithms", required_argument, NULL, 'a' },
		{ "mib", required_argument, NULL, 'm' },
		{ "rounds", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "scratch", required_argument, NULL, 'd' },
		{ "large", no_argument, NULL, 'l' },
		{ "wrong", required_argument, NULL, 'X' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "a:m:n:s:d:lX:h", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			opt.algorithms = optarg;
			break;
		case 'm':
			opt.mib = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			opt.rounds = strtoul(optarg, NULL, 0);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 'd':
			opt.scratch = optarg;
			break;
		case 'l':
			opt.large = true;
			break;
		case 'X':
			wrong_after = strtol(optarg, NULL, 0);
			break;
		case 'h':
			print_usage(argv[0]);
			exit(0);
		default:
			print_usage(argv[0]);
			exit(2);
		}
	}
	if (optind != argc || opt.mib < 2 || opt.mib > 4096) {
		fprintf(stderr, "%s: bad arguments, see --help\n", argv[0]);
		exit(2);
	}
}

static void find_compressors(void)
{
	int id = zram_hot_add();

	if (id < 0)
		ksft_exit_fail_msg("hot_add: %s\n", strerror(-id));
	zram_read(id, "comp_algorithm", compressors, sizeof(compressors));
	zram_hot_remove(id);
}

int main(int argc, char **argv)
{
	static char wanted[256] = "lzo-rle,lz4,zstd";
	static const char * const more[] = { "lz4hc", "deflate" };
	const char *algorithm[16];
	unsigned int nr = 0, nr_once = ARRAY_SIZE(once), i, j;
	char *word;

	parse(argc, argv);
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (access("/sys/class/zram-control/hot_add", F_OK))
		ksft_exit_skip("the kernel has no zram\n");
	cleans_up(stop);

	find_compressors();
	if (!opt.algorithms) {
		for (i = 0; i < ARRAY_SIZE(more); i++)
			if (list_has(compressors, more[i], false)) {
				strcat(wanted, ",");
				strcat(wanted, more[i]);
			}
		opt.algorithms = wanted;
	}
	for (word = strtok(opt.algorithms, ","); word && nr < ARRAY_SIZE(algorithm);
	     word = strtok(NULL, ","))
		algorithm[nr++] = word;
	if (!nr)
		ksft_exit_fail_msg("no compressor is named\n");

	ksft_print_msg("seed %llu, devices of %lu MiB\n", opt.seed, opt.mib);
	nr_once -= !opt.large;
	ksft_set_plan(nr * ARRAY_SIZE(each) + nr_once);
	for (j = 0; j < nr_once; j++)
		run(&once[j], algorithm[0]);
	for (i = 0; i < nr; i++)
		for (j = 0; j < ARRAY_SIZE(each); j++)
			run(&each[j], algorithm[i]);
	ksft_finished();
}
