// SPDX-License-Identifier: GPL-2.0
/*
 * slots: uses many slots of swap, and frees them in two steps.
 *
 *	slots MIB COMMAND
 *
 * Has MIB of zeros, so that there is nothing of them in zswap; swaps them out; frees a
 * random half, then the rest. Runs the shell command COMMAND with the name of the state and
 * the number of slots as arguments: "before 0", "dense N", "half N" and "freed 0".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *command;
static char *memory;
static size_t page_size, pages;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void advise(size_t first, size_t nr, int advice)
{
	if (madvise(memory + first * page_size, nr * page_size, advice))
		die("madvise");
}

static size_t slots(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	size_t swapped = 0, i;
	uint64_t entry;

	for (i = 0; i < pages; i++) {
		if (pread(pagemap, &entry, 8, ((uintptr_t)memory / page_size + i) * 8) != 8)
			die("pagemap");
		swapped += entry >> 62 & 1;
	}
	close(pagemap);
	return swapped;
}

static void tell(const char *state)
{
	char line[256];

	snprintf(line, sizeof(line), "%s %s %zu", command, state, slots());
	if (system(line)) {
		fprintf(stderr, "slots: failed: %s\n", line);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	size_t size, i;

	if (argc != 3) {
		fprintf(stderr, "usage: slots MIB COMMAND\n");
		return 2;
	}
	command = argv[2];
	page_size = sysconf(_SC_PAGESIZE);
	size = strtoul(argv[1], NULL, 0) << 20;
	pages = size / page_size;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	memset(memory, 0, size);

	tell("before");
	/* What was busy for a moment goes at the second attempt. */
	advise(0, pages, MADV_PAGEOUT);
	advise(0, pages, MADV_PAGEOUT);
	tell("dense");
	for (i = 0; i < pages; i++)
		if (random() & 1)
			advise(i, 1, MADV_DONTNEED);
	tell("half");
	advise(0, pages, MADV_DONTNEED);
	tell("freed");
	return 0;
}
