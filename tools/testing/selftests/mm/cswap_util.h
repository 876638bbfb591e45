/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of compressed memory share: sysfs access and settings that are
 * put back, zram devices, swap areas, memory cgroups, and memory whose pages'
 * contents can be made again from a number.
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
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/types.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"

/* The process that cleans up; its children only end. */
static pid_t main_pid;
static void (*stop_at_end)(void);

static inline void at_end(void)
{
	if (getpid() == main_pid)
		stop_at_end();
}

static inline void killed(int sig)
{
	at_end();
	_exit(128 + sig);
}

/* From now on @stop is called when this process ends, or is told to. */
static inline void cleans_up(void (*stop)(void))
{
	main_pid = getpid();
	stop_at_end = stop;
	atexit(at_end);
	signal(SIGINT, killed);
	signal(SIGTERM, killed);
}

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

/* Say what went wrong in a system call. */
static inline bool complain(const char *what)
{
	fail("%s: %s", what, strerror(errno));
	return false;
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

/*
 * Seconds to wait for what comes soon: with all checkers on, beside other guests, soon
 * is long. Only a hang needs as long as this.
 */
#define PATIENCE	180

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

/* What a test takes its numbers from; each begins with that of option -s. */
static __u64 seed;

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

static inline long long vm_event(const char *name)
{
	return file_field("/proc/vmstat", name);
}

/* ---- settings of the machine, which are put back ---- */

static struct setting {
	char path[128];
	char was[64];
} setting[64];
static unsigned int nr_settings;

/* Remember what is in it, unless that was done before. 0 or a negative errno. */
static inline int setting_keep(const char *path)
{
	struct setting *s = setting;
	char was[256], *start;
	int len;

	while (s < setting + nr_settings && strcmp(s->path, path))
		s++;
	if (s < setting + nr_settings)
		return 0;
	len = file_read(path, was, sizeof(was));
	if (len < 0)
		return len;
	/* Of a list, what is chosen. */
	start = strchr(was, '[');
	start = start ? start + 1 : was;
	start[strcspn(start, "]")] = '\0';
	if (nr_settings == ARRAY_SIZE(setting) || strlen(path) >= sizeof(s->path) ||
	    strlen(start) >= sizeof(s->was))
		return -ENOSPC;
	snprintf(s->path, sizeof(s->path), "%s", path);
	snprintf(s->was, sizeof(s->was), "%s", start);
	nr_settings++;
	return 0;
}

/* 0 or a negative errno. */
static inline int setting_write(const char *path, const char *text)
{
	int err = setting_keep(path);

	return err ? : file_write(path, text);
}

static inline void settings_restore(void)
{
	struct setting *s;
	int err;

	while (nr_settings) {
		s = &setting[--nr_settings];
		err = file_write(s->path, s->was);
		if (err)
			fail("%s cannot be made %s again: %s", s->path, s->was, strerror(-err));
	}
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

static inline bool is_zero(const char *page)
{
	return !*page && !memcmp(page, page + 1, page_size() - 1);
}

/*
 * After MADV_FREE a page is what it was until, at any moment, it is zero; also
 * while it is compared. So a copy is compared, and if that is not the old page,
 * the page itself must be zero by now. *@zero says which of both it is.
 */
static inline bool old_or_zero(const char *page, __u64 key, bool *zero)
{
	static char *copy;

	if (!copy)
		copy = malloc(page_size());
	memcpy(copy, page, page_size());
	*zero = memcmp(copy, page_of(key), page_size());
	return !*zero || is_zero(page);
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

/* Memory may be given back by a worker: wait for it. */
static inline bool zram_mm_falls_to(int id, int column, unsigned long long value)
{
	double end = now() + PATIENCE;

	while (zram_mm(id, column) > value) {
		if (now() > end)
			return false;
		nap_ms(20);
	}
	return true;
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

/* ---- loop devices ---- */

/*
 * Attach the file to a free one, whose name goes to @node. It goes when the
 * returned descriptor, or a negative errno, and all its other users are closed.
 */
static inline int loop_attach(int file, char *node, size_t size)
{
	struct loop_config config = {
		.fd = file,
		.block_size = page_size(),
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control = open("/dev/loop-control", O_RDWR), fd = -1, writer, nr, tries = 20;

	while (control >= 0 && tries--) {
		nr = ioctl(control, LOOP_CTL_GET_FREE);
		if (nr < 0)
			break;
		snprintf(node, size, "/dev/loop%d", nr);
		fd = open(node, O_RDWR);
		if (fd >= 0 && !ioctl(fd, LOOP_CONFIGURE, &config))
			break;
		/* Somebody else may have been faster, or its node is not there yet. */
		if (fd >= 0)
			close(fd);
		fd = -1;
		nap_ms(100);
	}
	/* What is open for writing cannot be mounted everywhere. */
	writer = fd;
	if (fd >= 0)
		fd = open(node, O_RDONLY);
	if (fd < 0)
		fd = -errno;
	if (writer >= 0)
		close(writer);
	if (control >= 0)
		close(control);
	return fd;
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

/* What a test swaps to. */
static struct {
	char node[PATH_MAX];
	int zram;		/* its number, if it is a zram device made for this, or -1 */
	bool on;
	long long free_before;	/* SwapFree with nothing in it, kB */
} area = { .zram = -1 };

static inline long long swap_free_kb(void)
{
	return file_field("/proc/meminfo", "SwapFree");
}

/* Use @pages of the device before any other that the machine has. */
static inline bool area_on(const char *node, unsigned long long pages)
{
	int err = write_swap_header(node, pages < UINT_MAX ? pages : UINT_MAX);

	snprintf(area.node, sizeof(area.node), "%s", node);
	if (!err && swapon(node, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK))
		err = -errno;
	if (err) {
		fail("swapon %s: %s", node, strerror(-err));
		return false;
	}
	area.on = true;
	area.free_before = swap_free_kb();
	return true;
}

/*
 * The same with a new zram device and, if named, this algorithm and this disk to
 * write back to. 0, or what the test returns.
 */
static inline int area_on_zram(const char *algorithm, const char *backing,
			       unsigned long long pages)
{
	char node[32], text[512];

	if (access("/sys/class/zram-control/hot_add", F_OK))
		return skip("the kernel has no zram");
	area.zram = zram_hot_add();
	if (area.zram < 0)
		return fail("hot_add: %s", strerror(-area.zram));
	snprintf(node, sizeof(node), "/dev/zram%d", area.zram);
	if (algorithm) {
		zram_read(area.zram, "comp_algorithm", text, sizeof(text));
		if (!list_has(text, algorithm, false))
			return skip("zram is built without %s", algorithm);
		if (zram_write(area.zram, "comp_algorithm", algorithm))
			return fail("%s does not take %s", node, algorithm);
	}
	if (backing && !zram_has(area.zram, "backing_dev"))
		return skip("zram is built without writeback");
	if (backing && zram_write(area.zram, "backing_dev", backing))
		return fail("%s does not take %s", node, backing);
	snprintf(text, sizeof(text), "%llu", pages * page_size());
	if (zram_write(area.zram, "disksize", text))
		return fail("%s does not take a size of %s", node, text);
	return area_on(node, pages) ? KSFT_PASS : KSFT_FAIL;
}

/* What zram holds when nothing is swapped: the page of the signature. */
static inline bool area_zram_is_empty(void)
{
	unsigned long long stat[2], held;
	char text[128], *line;

	held = zram_mm(area.zram, MM_ORIG_DATA_SIZE) / page_size();
	if (held <= 1)
		return true;
	/* A free slot that somebody had locked at the moment is not told to zram. */
	if (zram_read(area.zram, "debug_stat", text, sizeof(text)) >= 0) {
		line = strchr(text, '\n');
		if (line && sscanf(line, "%llu %llu", &stat[0], &stat[1]) == 2 &&
		    held <= 1 + stat[1])
			return true;
	}
	fail("%s holds %llu pages after swapoff", area.node, held);
	return false;
}

/* What is in it comes back into memory. */
static inline bool area_off(void)
{
	if (swapoff(area.node)) {
		fail("swapoff %s: %s", area.node, strerror(errno));
		return false;
	}
	area.on = false;
	return area.zram < 0 || area_zram_is_empty();
}

/* Everything that used the area must be gone, or swapoff brings it back. */
static inline bool area_stop(void)
{
	bool good = !area.on || area_off();
	int err;

	if (area.zram >= 0) {
		err = zram_hot_remove(area.zram);
		if (err) {
			fail("hot_remove %d: %s", area.zram, strerror(-err));
			good = false;
		}
	}
	area.zram = -1;
	return good;
}

/* Pages that free slots may be short of: those that CPUs keep to themselves. */
static inline unsigned long slot_slack(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) * 2 * 64;
}

/*
 * Is the area empty but for what CPUs keep to themselves? And for what was being written
 * when its last user went: that is in the swap cache, with its slot, until memory is short.
 */
static inline bool swap_comes_back(const char *when)
{
	long long slack = slot_slack() * page_size() / 1024;
	double end = now() + PATIENCE;

	while (swap_free_kb() + file_field("/proc/meminfo", "SwapCached") + slack <
	       area.free_before) {
		if (now() > end) {
			fail("%s: SwapFree is %lld kB, was %lld", when, swap_free_kb(),
			     area.free_before);
			return false;
		}
		nap_ms(50);
	}
	if (area.zram >= 0 && !zram_mm_falls_to(area.zram, MM_ORIG_DATA_SIZE,
						(1 + slot_slack()) * page_size())) {
		fail("%s: %s still holds %llu pages", when, area.node,
		     zram_mm(area.zram, MM_ORIG_DATA_SIZE) / page_size());
		return false;
	}
	return true;
}

/* The number of pages of a block device, or of a file; 0 if it cannot be had. */
static inline unsigned long long device_pages(const char *node)
{
	int fd = open(node, O_RDONLY);
	off_t bytes = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

	if (fd >= 0)
		close(fd);
	return bytes > 0 ? bytes / page_size() : 0;
}

/* ---- memory ---- */

struct memory {
	char *base;
	unsigned long pages;
	__u64 *key;
	int fd;			/* of shared memory, else -1 */
};

static inline char *page_at(struct memory *m, unsigned long nr)
{
	return m->base + nr * page_size();
}

/*
 * Map memory aligned to @align pages with something inaccessible on both sides,
 * so that it never is part of a larger mapping.
 */
static inline char *map_apart(unsigned long pages, unsigned long align, int fd)
{
	unsigned long bytes = pages * page_size(), step = align * page_size();
	char *all, *base;

	all = mmap(NULL, bytes + 3 * step, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return NULL;
	base = (char *)(((unsigned long)all + 2 * step - 1) / step * step);
	base = mmap(base, bytes, PROT_READ | PROT_WRITE,
		    MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED), fd, 0);
	return base == MAP_FAILED ? NULL : base;
}

static inline bool memory_get(struct memory *m, unsigned long pages, unsigned long align,
			      bool shared)
{
	m->pages = pages;
	m->fd = -1;
	m->base = NULL;
	m->key = calloc(pages, sizeof(*m->key));
	if (shared) {
		m->fd = memfd_create("cswap", 0);
		if (m->fd < 0 || ftruncate(m->fd, pages * page_size()))
			goto bad;
	}
	if (m->key)
		m->base = map_apart(pages, align, m->fd);
	/* The program may be locked into memory, this not. */
	if (m->base && !munlock(m->base, pages * page_size()))
		return true;
bad:
	fail("no memory for %lu pages: %s", pages, strerror(errno));
	return false;
}

static inline void memory_put(struct memory *m)
{
	if (m->base)
		munmap(m->base, m->pages * page_size());
	if (m->fd >= 0)
		close(m->fd);
	free(m->key);
	memset(m, 0, sizeof(*m));
	m->fd = -1;
}

/* Write the page, with a new key. */
static inline void renew(struct memory *m, unsigned long nr)
{
	m->key[nr] = rnd(&seed);
	page_fill(page_at(m, nr), m->key[nr]);
}

static inline void renew_all(struct memory *m)
{
	unsigned long i;

	for (i = 0; i < m->pages; i++)
		renew(m, i);
}

static inline bool range_intact(struct memory *m, unsigned long first, unsigned long nr,
				const char *when)
{
	bool good = true;

	for (; nr; nr--, first++)
		good &= page_is(page_at(m, first), m->key[first], when, first);
	return good;
}

static inline bool intact(struct memory *m, const char *when)
{
	return range_intact(m, 0, m->pages, when);
}

/* ---- memory of which pages are let go, mapped anew and moved ---- */

struct region {
	struct memory m;
	bool *loose;	/* MADV_FREE: the page is as it was, or zero from now on */
};

static inline bool region_is_shared(const struct region *r)
{
	return r->m.fd >= 0;
}

static inline bool region_get(struct region *r, unsigned long pages, unsigned long align,
			      bool shared)
{
	if (!memory_get(&r->m, pages, align, shared))
		return false;
	r->loose = calloc(pages, sizeof(*r->loose));
	return r->loose || complain("no memory for keys");
}

static inline bool region_intact(struct region *r, unsigned long at, unsigned long nr,
				 const char *when)
{
	bool good = true, zero;

	for (; nr; nr--, at++) {
		if (!r->loose[at]) {
			good &= range_intact(&r->m, at, 1, when);
		} else if (!old_or_zero(page_at(&r->m, at), r->m.key[at], &zero)) {
			fail("%s: freed page %lu is neither old nor zero", when, at);
			good = false;
		} else if (zero) {
			/* And will stay so. */
			r->loose[at] = false;
			r->m.key[at] = 0;
		}
	}
	return good;
}

static inline void region_write(struct region *r, unsigned long at)
{
	renew(&r->m, at);
	r->loose[at] = false;
}

/* These pages are empty now. */
static inline void region_zero(struct region *r, unsigned long at, unsigned long nr)
{
	memset(r->m.key + at, 0, nr * sizeof(*r->m.key));
	memset(r->loose + at, 0, nr * sizeof(*r->loose));
}

static inline bool region_map(struct region *r, unsigned long at, unsigned long nr)
{
	bool shared = region_is_shared(r);
	int flags = shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	char *p = page_at(&r->m, at);

	if (mmap(p, nr * page_size(), PROT_READ | PROT_WRITE, flags | MAP_FIXED, r->m.fd,
		 shared ? at * page_size() : 0) != p)
		return complain("mmap");
	/* Shared memory is still there. */
	if (!shared)
		region_zero(r, at, nr);
	return true;
}

/* Move some pages over others. What they were becomes empty. */
static inline bool region_move(struct region *r, unsigned long at, unsigned long nr,
			       unsigned long to)
{
	if (region_is_shared(r) || (to < at + nr && at < to + nr))
		return true;
	if (mremap(page_at(&r->m, at), nr * page_size(), nr * page_size(),
		   MREMAP_MAYMOVE | MREMAP_FIXED, page_at(&r->m, to)) == MAP_FAILED) {
		/* Not one mapping any more; the target may be gone already. */
		if (errno != EFAULT)
			return complain("mremap");
		return region_map(r, to, nr);
	}
	memcpy(r->m.key + to, r->m.key + at, nr * sizeof(*r->m.key));
	memcpy(r->loose + to, r->loose + at, nr * sizeof(*r->loose));
	return region_map(r, at, nr);
}

/* Sum of a line of smaps over the mappings in the range, in kB; -1 without smaps. */
static inline long smaps_kb(const char *from, unsigned long bytes, const char *name)
{
	unsigned long start, end, at = (unsigned long)from;
	size_t len = strlen(name);
	bool inside = false;
	char line[512];
	long sum = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start >= at && end <= at + bytes;
		else if (inside && !strncmp(line, name, len) && line[len] == ':')
			sum += strtol(line + len + 1, NULL, 10);
	}
	fclose(f);
	return sum;
}

/* The number of pages that are out; of shared memory, of the whole mapping. */
static inline unsigned long swapped(struct memory *m)
{
	unsigned long i, n, got, nr = 0, first = (unsigned long)m->base / page_size();
	__u64 entry[512];
	int fd;

	if (m->fd >= 0)
		return smaps_kb(m->base, m->pages * page_size(), "Swap") / (page_size() / 1024);
	fd = open("/proc/self/pagemap", O_RDONLY);
	for (i = 0; fd >= 0 && i < m->pages; i += got) {
		n = m->pages - i < ARRAY_SIZE(entry) ? m->pages - i : ARRAY_SIZE(entry);
		n = pread(fd, entry, n * sizeof(*entry), (first + i) * sizeof(*entry));
		if ((long)n <= 0)
			break;
		got = n / sizeof(*entry);
		for (n = 0; n < got; n++)
			nr += entry[n] >> 62 & 1;
	}
	if (fd >= 0)
		close(fd);
	return nr;
}

/*
 * Page out until so many pages are swapped. Reclaim may leave a page for many good
 * reasons, so this is tried for a while. Those that other CPUs have in their batches
 * for the LRU lists can only be had when these are drained.
 */
static inline bool page_out_most(struct memory *m, unsigned long enough)
{
	double end = now() + PATIENCE;

	do {
		if (madvise(m->base, m->pages * page_size(), MADV_PAGEOUT)) {
			fail("MADV_PAGEOUT: %s", strerror(errno));
			return false;
		}
		if (swapped(m) >= enough)
			return true;
		file_write("/proc/sys/vm/drop_caches", "1");
		nap_ms(50);
	} while (now() < end);
	fail("only %lu of %lu pages are swapped", swapped(m), m->pages);
	return false;
}

/*
 * Page out nearly all of it. Zeros need not be swapped at all: when a huge page is
 * split, the shared zero page takes their place.
 */
static inline bool page_out(struct memory *m)
{
	unsigned long enough = 0, i;

	for (i = 0; i < m->pages; i++)
		enough += page_kind(m->key[i]) != PAGE_ZERO;
	return page_out_most(m, enough - enough / 20);
}

/* Page out every page; none may be of zeros. */
static inline bool page_out_all(struct memory *m)
{
	return page_out_most(m, m->pages);
}

/* Some of the pages, as memory of its own; not to be put back. */
static inline struct memory part_of(struct memory *m, unsigned long first, unsigned long nr)
{
	struct memory part = *m;

	part.base = page_at(m, first);
	part.key = m->key + first;
	part.pages = nr;
	return part;
}

/* ---- huge pages ---- */

#define THP_DIR "/sys/kernel/mm/transparent_hugepage/"

/* The number of pages in a huge page, 0 without them. */
static inline unsigned long huge_pages_of(void)
{
	char text[32];
	int len = file_read(THP_DIR "hpage_pmd_size", text, sizeof(text));

	return len < 0 ? 0 : strtoul(text, NULL, 10) / page_size();
}

/* Allow huge pages where they are asked for; false if there are none. */
static inline bool thp_allow(void)
{
	char text[128];

	if (file_read(THP_DIR "enabled", text, sizeof(text)) < 0)
		return false;
	return !list_has(text, "never", true) || !setting_write(THP_DIR "enabled", "madvise");
}

/* ---- processes that wait for each other ---- */

/* Returns like fork(); a child dies with its parent. */
static inline pid_t fork_child(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else if (pid < 0)
		fail("fork: %s", strerror(errno));
	return pid;
}

static inline bool exited_well(pid_t pid)
{
	int status;

	if (pid < 0)
		return false;
	if (waitpid(pid, &status, 0) != pid) {
		fail("waitpid: %s", strerror(errno));
		return false;
	}
	if (status)
		fail("a child failed: %s %d", WIFSIGNALED(status) ? "signal" : "exit status",
		     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return !status;
}

/* A pipe as a gate: everybody waits until the one writer closes it. */
struct gate {
	int fd[2];
};

static inline void gate_make(struct gate *g)
{
	if (pipe(g->fd))
		ksft_exit_fail_perror("pipe");
}

static inline void gate_wait(struct gate *g)
{
	char c;

	close(g->fd[1]);
	while (read(g->fd[0], &c, 1) < 0 && errno == EINTR)
		;
	close(g->fd[0]);
}

static inline void gate_open(struct gate *g)
{
	close(g->fd[0]);
	close(g->fd[1]);
}

/* ---- memory cgroups ---- */

/*
 * A test has one group, named "", and may have others below it, named "/a" and
 * so on. They are of version 2, the only one that knows of zswap.
 */
static char cgroup_root[PATH_MAX / 2];
static char cgroup_home[PATH_MAX / 2];	/* where this process came from, if it has left */
static char cgroup_control[PATH_MAX];	/* to be told that memory is not wanted any more */
static bool cgroup_mounted;

static inline void cgroup_path(char *path, size_t size, const char *group, const char *file)
{
	snprintf(path, size, "%s/cswap.%d%s/%s", cgroup_root, main_pid, group, file);
}

/* 0 or a negative errno. */
static inline int cgroup_write(const char *group, const char *file, const char *text)
{
	char path[PATH_MAX];

	cgroup_path(path, sizeof(path), group, file);
	return file_write(path, text);
}

static inline int cgroup_write_number(const char *group, const char *file, unsigned long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", number);
	return cgroup_write(group, file, text);
}

/* -1 if there is no such file, or it says "max". */
static inline long long cgroup_number(const char *group, const char *file)
{
	char path[PATH_MAX], text[64];

	cgroup_path(path, sizeof(path), group, file);
	if (file_read(path, text, sizeof(text)) < 0 || !isdigit((unsigned char)*text))
		return -1;
	return strtoll(text, NULL, 10);
}

static inline long long cgroup_field(const char *group, const char *file, const char *name)
{
	char path[PATH_MAX];

	cgroup_path(path, sizeof(path), group, file);
	return file_field(path, name);
}

static inline bool cgroup_find(void)
{
	char line[PATH_MAX], type[64];
	bool found = false;
	FILE *f = fopen("/proc/self/mounts", "r");

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %2000s %63s", cgroup_root, type) == 2 &&
			!strcmp(type, "cgroup2");
	if (f)
		fclose(f);
	if (found)
		return true;
	snprintf(cgroup_root, sizeof(cgroup_root), "/tmp/cswap.XXXXXX");
	if (!mkdtemp(cgroup_root))
		return false;
	cgroup_mounted = !mount("none", cgroup_root, "cgroup2", 0, NULL);
	if (!cgroup_mounted)
		rmdir(cgroup_root);
	return cgroup_mounted;
}

/* Make a group; false if this machine cannot limit memory so. */
static inline bool cgroup_make(const char *group)
{
	char path[PATH_MAX], text[512];

	if (!*group) {
		if (!cgroup_find())
			return false;
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", cgroup_root);
		if (file_read(path, text, sizeof(text)) < 0)
			return false;
		if (!list_has(text, "memory", false)) {
			if (file_write(path, "+memory"))
				return false;
			snprintf(cgroup_control, sizeof(cgroup_control), "%s", path);
		}
	} else if (cgroup_write("", "cgroup.subtree_control", "+memory")) {
		return false;
	}
	cgroup_path(path, sizeof(path), group, "");
	return !mkdir(path, 0755);
}

/* Memory that this process asks for from now on is the group's. */
static inline bool cgroup_enter(const char *group)
{
	char line[PATH_MAX];
	FILE *f;
	int err;

	if (!*cgroup_home) {
		f = fopen("/proc/self/cgroup", "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "0::%2000s", cgroup_home) == 1)
				break;
		if (f)
			fclose(f);
	}
	err = cgroup_write(group, "cgroup.procs", "0");
	if (err)
		fail("entering the cgroup: %s", strerror(-err));
	return !err;
}

static inline void cgroup_leave(void)
{
	char path[PATH_MAX + 16];

	if (!*cgroup_home)
		return;
	snprintf(path, sizeof(path), "%s%s/cgroup.procs", cgroup_root, cgroup_home);
	file_write(path, "0");
	*cgroup_home = '\0';
}

static inline bool cgroup_remove(const char *group)
{
	double end = now() + 5;
	char path[PATH_MAX];
	int err;

	cgroup_path(path, sizeof(path), group, "");
	while ((err = rmdir(path) ? errno : 0) == EBUSY && now() < end)
		nap_ms(50);
	if (err && err != ENOENT)
		fail("%s: %s", path, strerror(err));
	return !err;
}

/* Leave and remove all groups, if there are any. */
static inline void cgroup_stop(void)
{
	char path[PATH_MAX], group[NAME_MAX + 2];
	struct dirent *entry;
	DIR *dir;

	cgroup_leave();
	cgroup_path(path, sizeof(path), "", "");
	dir = *cgroup_root ? opendir(path) : NULL;
	if (dir) {
		while ((entry = readdir(dir)) != NULL)
			if (entry->d_type == DT_DIR && *entry->d_name != '.') {
				snprintf(group, sizeof(group), "/%s", entry->d_name);
				cgroup_remove(group);
			}
		closedir(dir);
		cgroup_remove("");
	}
	if (*cgroup_control)
		file_write(cgroup_control, "-memory");
	*cgroup_control = '\0';
	if (cgroup_mounted) {
		umount2(cgroup_root, MNT_DETACH);
		rmdir(cgroup_root);
	}
	cgroup_mounted = false;
	*cgroup_root = '\0';
}

#endif /* CSWAP_UTIL_H */
