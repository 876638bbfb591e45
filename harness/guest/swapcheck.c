// SPDX-License-Identifier: GPL-2.0
/*
 * swapcheck: swaps real data out and in, compares every byte, measures.
 *
 *	swapcheck BACKEND COMPRESSOR DISK MIB COUNTERS
 *
 * Fills anonymous memory with the first MIB of DISK, pages all of it out, runs the
 * shell command COUNTERS, reads everything back and compares it with DISK. Prints a
 * RESULT line, with the words that COUNTERS printed in the middle of it.
 *
 * A page is out when no page table has it, though it may still be in the swap cache, as one
 * stays that zswap refuses while there is no device.
 *
 * DISK is read with O_DIRECT, so that there is no page cache of it. Memory is handled in
 * chunks, each on the next CPU, so that it is spread over the nodes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define CHUNK	(1UL << 20)
#define PASSES	50	/* of MADV_PAGEOUT */
#define SETTLE	20	/* rounds */

static int disk, pagemap;
static size_t page_size;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void run_on_cpu_of(size_t chunk)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(chunk % get_nprocs(), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void read_disk(char *to, size_t chunk)
{
	if (pread(disk, to, CHUNK, chunk * CHUNK) != (ssize_t)CHUNK)
		die("read of the corpus");
}

/* Not every cache of /sys/kernel/slab has every file: a failure is no error. */
static void poke(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		if (write(fd, what, strlen(what)) < 0)
			perror(path);
		close(fd);
	}
}

static long meminfo(const char *name)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	if (!f)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			kb = atol(line + strlen(name) + 1);
	fclose(f);
	return kb;
}

/*
 * Slab in kB without what is merely cached, so that two kernels can be compared: what
 * waits for a grace period or for the next shrinking is gone when a round changes nothing.
 * Caches are dropped just once: each time takes some more of the swap cache's nodes.
 */
static long slab_in_use(void)
{
	long slab, last = -1;
	char path[512];
	struct dirent *d;
	DIR *dir = opendir("/sys/kernel/slab");
	int round;

	if (!dir)
		die("/sys/kernel/slab");
	poke("/proc/sys/vm/drop_caches", "3");
	for (round = 0; round < SETTLE; round++) {
		usleep(100000);
		rewinddir(dir);
		while ((d = readdir(dir))) {
			snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", d->d_name);
			poke(path, "1");
		}
		slab = meminfo("Slab");
		if (slab == last)
			break;
		last = slab;
	}
	closedir(dir);
	return slab;
}

static size_t swapped_pages(const char *memory, size_t size)
{
	static uint64_t entry[CHUNK / sizeof(uint64_t)];
	size_t pages = size / page_size, done = 0, swapped = 0, i;
	off_t first = (uintptr_t)memory / page_size;

	while (done < pages) {
		size_t n = pages - done;

		if (n > CHUNK / sizeof(uint64_t))
			n = CHUNK / sizeof(uint64_t);
		if (pread(pagemap, entry, n * 8, (first + done) * 8) != (ssize_t)(n * 8))
			die("pagemap");
		for (i = 0; i < n; i++)
			swapped += entry[i] >> 62 & 1;
		done += n;
	}
	return swapped;
}

static char *fill(size_t size)
{
	size_t i;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	for (i = 0; i < size / CHUNK; i++) {
		run_on_cpu_of(i);
		read_disk(memory + i * CHUNK, i);
	}
	return memory;
}

/* Returns the seconds it took, or -1 if a thousandth or more of the pages stayed. */
static double page_out(char *memory, size_t size)
{
	double took = 0;
	int pass;
	size_t i;

	for (pass = 0; pass < PASSES; pass++) {
		for (i = 0; i < size / CHUNK; i++) {
			double start;

			run_on_cpu_of(i);
			start = now();
			if (madvise(memory + i * CHUNK, CHUNK, MADV_PAGEOUT))
				die("MADV_PAGEOUT");
			took += now() - start;
		}
		if (swapped_pages(memory, size) * 1000 >= size / page_size * 999)
			return took;
		usleep(100000);
	}
	fprintf(stderr, "only %zu of %zu pages were swapped out\n",
		swapped_pages(memory, size), size / page_size);
	return -1;
}

static double page_in(char *memory, size_t size, char *buffer, size_t *wrong)
{
	double took = 0;
	size_t i, at;

	*wrong = 0;
	for (i = 0; i < size / CHUNK; i++) {
		double start;

		run_on_cpu_of(i);
		read_disk(buffer, i);
		start = now();
		for (at = 0; at < CHUNK; at += page_size)
			(void)*(volatile char *)(memory + i * CHUNK + at);
		took += now() - start;
		for (at = 0; at < CHUNK; at += page_size) {
			if (!memcmp(memory + i * CHUNK + at, buffer + at, page_size))
				continue;
			if ((*wrong)++ < 5)
				fprintf(stderr, "page at %#zx is not what was written\n",
					i * CHUNK + at);
		}
	}
	return took;
}

int main(int argc, char **argv)
{
	size_t size, wrong;
	double out, in;
	long slab, swap;
	char words[256] = "";
	char *memory, *buffer;
	FILE *f;

	if (argc != 6) {
		fprintf(stderr, "usage: swapcheck BACKEND COMPRESSOR DISK MIB COUNTERS\n");
		return 2;
	}
	page_size = sysconf(_SC_PAGESIZE);
	size = strtoul(argv[4], NULL, 0) << 20;
	disk = open(argv[3], O_RDONLY | O_DIRECT);
	if (disk < 0)
		die(argv[3]);
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	if (pagemap < 0)
		die("pagemap");
	buffer = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		die("mmap");

	/* A small round first: caches of the kernel that are made on first use. */
	memory = fill(8 * CHUNK);
	if (page_out(memory, 8 * CHUNK) < 0)
		return 1;
	page_in(memory, 8 * CHUNK, buffer, &wrong);
	munmap(memory, 8 * CHUNK);

	memory = fill(size);
	slab = slab_in_use();
	swap = meminfo("SwapFree");
	out = page_out(memory, size);
	if (out < 0)
		return 1;
	slab = slab_in_use() - slab;
	swap -= meminfo("SwapFree");

	f = popen(argv[5], "r");
	if (!f || !fgets(words, sizeof(words), f))
		die("COUNTERS");
	pclose(f);
	words[strcspn(words, "\n")] = 0;

	in = page_in(memory, size, buffer, &wrong);
	if (wrong)
		fprintf(stderr, "%zu pages are not what was written\n", wrong);
	printf("RESULT backend=%s compressor=%s out_mb_s=%.1f in_mb_s=%.1f %s slab_kb=%ld swap_kb=%ld verify=%s\n",
	       argv[1], argv[2], size / 1e6 / out, size / 1e6 / in, words, slab, swap,
	       wrong ? "BAD" : "ok");
	return wrong ? 1 : 0;
}
