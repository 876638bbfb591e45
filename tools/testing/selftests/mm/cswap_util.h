/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of compressed memory share: sysfs access, zram devices, swap
 * signatures, and page contents that can be made again from a number.
 *
 * A page's content follows from a 64-bit key and nothing else, so a test keeps
 * keys and never a second copy of the data:
 *
 *   63            19 18             3 2    0
 *   +---------------+----------------+------+
 *   |     salt      |      size      | kind |
 *   +---------------+----------------+------+
 *
 * kind says what the page looks like to a compressor; size, for the kinds that
 * have one, how many bytes of it cannot be compressed; salt tells pages of one
 * kind and size apart. Key 0 is a page of zeros: never written, or discarded.
 *
 * Include this before any other header: it asks for 64-bit types that printf
 * understands.
 */
#ifndef CSWAP_UTIL_H
#define CSWAP_UTIL_H

#define __SANE_USERSPACE_TYPES__
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"

/* ---- results ---- */

static char skip_reason[256];

/* Say what went wrong; the value is what the test returns. */
static inline __printf(1, 2) int fail(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ksft_print_msg("%s\n", text);
	return KSFT_FAIL;
}

/* Remember why this machine cannot run the test; the value is what it returns. */
static inline __printf(1, 2) int skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(skip_reason, sizeof(skip_reason), fmt, args);
	va_end(args);
	return KSFT_SKIP;
}

/* How often a test has been told of wrong pages. */
static unsigned int complaints;

static inline void report(int result, const char *name)
{
	complaints = 0;
	if (result == KSFT_SKIP)
		ksft_test_result_code(result, name, "%s", skip_reason);
	else
		ksft_test_result_code(result, name, NULL);
}

/* ---- time and numbers ---- */

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline void nap_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* splitmix64: any start value will do, zero included. */
static inline __u64 rnd(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* A number below @limit. */
static inline unsigned long rnd_below(__u64 *state, unsigned long limit)
{
	return rnd(state) % limit;
}

/* ---- files of /proc and /sys ---- */

/* 0 or a negative errno. */
static inline int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t done;
	int err = 0;

	if (fd < 0)
		return -errno;
	done = write(fd, text, strlen(text));
	if (done < 0)
		err = -errno;
	else if ((size_t)done != strlen(text))
		err = -EIO;
	close(fd);
	return err;
}

/* The length of what was read, less trailing white space, or a negative errno. */
static inline int file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t done;

	if (fd < 0)
		return -errno;
	do {
		done = read(fd, buf + len, size - 1 - len);
		if (done < 0) {
			done = -errno;
			close(fd);
			return done;
		}
		len += done;
	} while (done && len < size - 1);
	close(fd);
	while (len && isspace((unsigned char)buf[len - 1]))
		len--;
	buf[len] = '\0';
	return len;
}

/* The number behind @name in a file of "name number" or "name: number" lines, or -1. */
static inline long long file_field(const char *path, const char *name)
{
	size_t len = strlen(name);
	long long value = -1;
	char line[256];
	char *at;
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f)) {
		/* The files of a node begin each line with "Node 1". */
		at = strncmp(line, "Node ", 5) ? line : strchr(line + 5, ' ') + 1;
		if (!strncmp(at, name, len) && (at[len] == ' ' || at[len] == ':'))
			value = strtoll(at + len + 1, NULL, 10);
	}
	fclose(f);
	return value;
}

/* ---- page contents ---- */

enum page_kind {
	PAGE_ZERO,
	PAGE_SAME,	/* one word all over */
	PAGE_ALMOST,	/* the same, but for one byte */
	PAGE_PART,	/* size random bytes at the start, one byte value behind */
	PAGE_TAIL,	/* the other way round */
	PAGE_TEXT,	/* words of a small vocabulary */
	PAGE_ALPHA,	/* random letters: for an entropy coder only */
	PAGE_RANDOM,
	NR_PAGE_KINDS
};

static const char * const page_kind_name[NR_PAGE_KINDS] = {
	"zero", "same-word", "almost same-word", "partly random", "random tail",
	"text", "alphabet", "random",
};

static inline size_t page_size(void)
{
	static size_t size;

	if (!size)
		size = sysconf(_SC_PAGESIZE);
	return size;
}

static inline enum page_kind page_kind(__u64 key)
{
	return key & 7;
}

static inline __u64 page_key(__u64 salt, enum page_kind kind, size_t size)
{
	return salt << 19 | (__u64)(size & 0xffff) << 3 | kind;
}

static inline void fill_random(unsigned char *to, size_t len, __u64 *state)
{
	__u64 word;

	for (; len >= sizeof(word); len -= sizeof(word), to += sizeof(word)) {
		word = rnd(state);
		memcpy(to, &word, sizeof(word));
	}
	word = rnd(state);
	memcpy(to, &word, len);
}

static inline void fill_text(char *to, size_t len, __u64 *state)
{
	static const char * const word[] = {
		"page", "swap ", "slot ", "cluster", "the ", "of ", "and ", "node",
		" in", "region ", "folio ", "map", "entry\n", "=0x", "reclaim ", "; ",
	};
	size_t n;

	for (; len; len -= n, to += n) {
		const char *w = word[rnd(state) >> 60];

		n = strlen(w) < len ? strlen(w) : len;
		memcpy(to, w, n);
	}
}

/* Make the page of @key. */
static inline void page_fill(void *page, __u64 key)
{
	size_t size = page_size(), part = 1 + (key >> 3 & 0xffff) % (size - 1);
	unsigned char *to = page;
	unsigned long word;
	__u64 state = key;
	size_t i;

	switch (page_kind(key)) {
	case PAGE_ZERO:
		memset(to, 0, size);
		break;
	case PAGE_SAME:
	case PAGE_ALMOST:
		word = rnd(&state);
		for (i = 0; i < size; i += sizeof(word))
			memcpy(to + i, &word, sizeof(word));
		if (page_kind(key) == PAGE_ALMOST)
			to[part] ^= 1 + rnd_below(&state, 255);
		break;
	case PAGE_PART:
		memset(to + part, rnd(&state), size - part);
		fill_random(to, part, &state);
		break;
	case PAGE_TAIL:
		memset(to, rnd(&state), size - part);
		fill_random(to + size - part, part, &state);
		break;
	case PAGE_TEXT:
		fill_text(page, size, &state);
		break;
	case PAGE_ALPHA:
		fill_random(to, size, &state);
		for (i = 0; i < size; i++)
			to[i] = ' ' + to[i] % 64;
		break;
	default:
		fill_random(to, size, &state);
	}
}

/*
 * Test of the tests (option -X): one bit of what is expected is wrong in the
 * check that counts this down to zero. A run that then passes checks nothing.
 */
static long wrong_after;

/* The page of @key, until the next call. */
static inline unsigned char *page_of(__u64 key)
{
	static unsigned char *page;

	if (!page)
		page = malloc(page_size());
	page_fill(page, key);
	return page;
}

/* Is this the page of @key? If not, say where it differs; but not for ever. */
static inline bool page_is(const void *page, __u64 key, const char *what, unsigned long nr)
{
	unsigned char *expected = page_of(key);
	const unsigned char *got = page;
	size_t i, nonzero = 0, differ = 0, first = 0;

	if (wrong_after && !--wrong_after)
		expected[key % page_size()] ^= 1;
	if (!memcmp(got, expected, page_size()))
		return true;
	if (complaints++ >= 5)
		return false;
	for (i = page_size(); i--;) {
		nonzero += got[i] != 0;
		if (got[i] != expected[i]) {
			differ++;
			first = i;
		}
	}
	ksft_print_msg("%s, page %lu (%s, key %llx): %zu bytes differ\n", what, nr,
		       page_kind_name[page_kind(key)], key, differ);
	ksft_print_msg("the first at %zu: %02x for %02x%s\n", first, got[first],
		       expected[first], nonzero ? "" : "; all are zero");
	return false;
}

/* ---- zram devices ---- */

enum {
	MM_ORIG_DATA_SIZE,
	MM_COMPR_DATA_SIZE,
	MM_MEM_USED_TOTAL,
	MM_MEM_LIMIT,
	MM_MEM_USED_MAX,
	MM_SAME_PAGES,
	MM_PAGES_COMPACTED,
	MM_HUGE_PAGES,
	MM_HUGE_PAGES_SINCE,
	NR_MM_STATS
};

static inline void zram_attr(char *path, size_t size, int id, const char *attr)
{
	snprintf(path, size, "/sys/block/zram%d/%s", id, attr);
}

/* 0 or a negative errno. */
static inline int zram_write(int id, const char *attr, const char *text)
{
	char path[128];

	zram_attr(path, sizeof(path), id, attr);
	return file_write(path, text);
}

static inline int zram_read(int id, const char *attr, char *buf, size_t size)
{
	char path[128];

	zram_attr(path, sizeof(path), id, attr);
	return file_read(path, buf, size);
}

static inline bool zram_has(int id, const char *attr)
{
	char path[128];

	zram_attr(path, sizeof(path), id, attr);
	return !access(path, F_OK);
}

/* Read a line of numbers; false if there are fewer than @nr. */
static inline bool zram_numbers(int id, const char *attr, unsigned long long *to, int nr)
{
	char text[512], *at = text, *end;

	if (zram_read(id, attr, text, sizeof(text)) < 0)
		return false;
	for (; nr; nr--, at = end) {
		*to++ = strtoull(at, &end, 10);
		if (end == at)
			return false;
	}
	return true;
}

/* One column of mm_stat; ~0 if it cannot be read. */
static inline unsigned long long zram_mm(int id, int column)
{
	unsigned long long mm[NR_MM_STATS];

	return zram_numbers(id, "mm_stat", mm, NR_MM_STATS) ? mm[column] : ~0ULL;
}

/* Memory may be given back by a worker: wait for it, 10 seconds at most. */
static inline bool zram_mm_falls_to(int id, int column, unsigned long long value)
{
	double end = now() + 10;

	while (zram_mm(id, column) > value) {
		if (now() > end)
			return false;
		nap_ms(20);
	}
	return true;
}

/* Is @name in a list such as "lzo [lz4] zstd"; or is it the chosen one of it? */
static inline bool list_has(const char *list, const char *name, bool chosen)
{
	char word[64];
	int used;

	for (; sscanf(list, "%63s%n", word, &used) == 1; list += used) {
		char *start = word + (*word == '[');
		bool marked = start != word;

		start[strcspn(start, "]")] = '\0';
		if (!strcmp(start, name))
			return marked || !chosen;
	}
	return false;
}

/* The number of a new device, or a negative errno. */
static inline int zram_hot_add(void)
{
	char text[32];
	int ret = file_read("/sys/class/zram-control/hot_add", text, sizeof(text));

	return ret < 0 ? ret : atoi(text);
}

/* Others, udev for one, may hold a new device open for a moment. */
static inline int zram_hot_remove(int id)
{
	double end = now() + 5;
	char text[32];
	int err;

	snprintf(text, sizeof(text), "%d", id);
	while ((err = file_write("/sys/class/zram-control/hot_remove", text)) == -EBUSY &&
	       now() < end)
		nap_ms(50);
	return err;
}

static inline int zram_reset(int id)
{
	double end = now() + 5;
	int err;

	while ((err = zram_write(id, "reset", "1")) == -EBUSY && now() < end)
		nap_ms(50);
	return err;
}

/* ---- swap areas ---- */

/*
 * Write a swap signature of @pages pages to the device. The fields are at fixed
 * offsets whatever the page size; the magic word ends the first page.
 */
static inline int write_swap_header(const char *device, unsigned long pages)
{
	static const char magic[] = "SWAPSPACE2";
	__u32 version = 1, last_page = pages - 1;
	int fd, err = 0;
	char *page;

	fd = open(device, O_WRONLY | O_DIRECT);
	if (fd < 0)
		return -errno;
	page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	memcpy(page + 1024, &version, sizeof(version));
	memcpy(page + 1028, &last_page, sizeof(last_page));
	memcpy(page + page_size() - strlen(magic), magic, strlen(magic));
	if (pwrite(fd, page, page_size(), 0) != (ssize_t)page_size())
		err = errno ? -errno : -EIO;
	munmap(page, page_size());
	close(fd);
	return err;
}

/* Use the device before any other that the machine has. */
static inline int swap_start(const char *device, unsigned long pages)
{
	int err = write_swap_header(device, pages);

	if (err)
		return err;
	return swapon(device, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK) ? -errno : 0;
}

#endif /* CSWAP_UTIL_H */
