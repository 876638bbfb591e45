// SPDX-License-Identifier: GPL-2.0
/*
 * zswapbench: swaps data out and in and unmaps it, and says how long each took.
 *
 *	zswapbench DISK|zeros MIB PROCESSES
 *	zswapbench DISK|zeros MIB THREADS random
 *
 * Each process has a CPU, and MIB of anonymous memory: zeros, or pages of DISK that
 * zs_bench's codec makes shorter, so that all of them go to zswap. All do each phase at
 * once.
 * Prints a line for each phase, with the longest of the processes' times:
 *
 *	out|in|unmap NANOSECONDS PAGES
 *
 * Every byte is compared after the page-in. With "random", threads of one process read
 * its pages in after it paged them out, each once, in no order: one line "in".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK		(1UL << 20)
#define MAX_PROCESSES	16
#define ZS_BENCH	"/sys/kernel/debug/zs_bench/pages"

enum phase { OUT, IN, UNMAP, NR_PHASES };

static const char * const phase_name[NR_PHASES] = { "out", "in", "unmap" };

struct shared {
	pthread_barrier_t barrier;
	uint64_t took[MAX_PROCESSES][NR_PHASES];
};

static struct shared *shared;
static size_t page_size;

static __attribute__((noreturn)) void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void *map(size_t size, int flags)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	return memory;
}

/* The pages of the disk that can be compressed, up to size. */
static char *read_data(const char *path, size_t size)
{
	uint16_t length[CHUNK / 4096];
	int disk = open(path, O_RDONLY | O_DIRECT), bench = open(ZS_BENCH, O_RDWR);
	char *data = map(size, MAP_SHARED), *chunk = map(CHUNK, MAP_PRIVATE);
	size_t done = 0, i;

	if (disk < 0)
		die(path);
	if (bench < 0)
		die(ZS_BENCH);
	while (done < size) {
		ssize_t nr = sizeof(*length) * CHUNK / page_size;

		if (read(disk, chunk, CHUNK) != (ssize_t)CHUNK)
			die("too little data on the disk");
		if (write(bench, chunk, CHUNK) != (ssize_t)CHUNK || read(bench, length, nr) != nr)
			die(ZS_BENCH);
		for (i = 0; i < CHUNK / page_size && done < size; i++) {
			if (!length[i])
				continue;
			memcpy(data + done, chunk + i * page_size, page_size);
			done += page_size;
		}
	}
	close(bench);
	close(disk);
	munmap(chunk, CHUNK);
	return data;
}

static size_t pages_in_memory(const char *memory, size_t size)
{
	static int pagemap = -1;
	size_t present = 0, i;
	uint64_t entry;

	if (pagemap < 0)
		pagemap = open("/proc/self/pagemap", O_RDONLY);
	for (i = 0; i < size / page_size; i++) {
		if (pread(pagemap, &entry, 8, ((uintptr_t)memory / page_size + i) * 8) != 8)
			die("pagemap");
		present += entry >> 63;
	}
	return present;
}

static void wait_for_all(void)
{
	pthread_barrier_wait(&shared->barrier);
}

/* What was busy for a moment goes at the second attempt. */
static uint64_t page_out(char *memory, size_t size)
{
	uint64_t start, took;
	size_t left;

	wait_for_all();
	start = now();
	if (madvise(memory, size, MADV_PAGEOUT))
		die("MADV_PAGEOUT");
	took = now() - start;

	wait_for_all();
	if (madvise(memory, size, MADV_PAGEOUT))
		die("MADV_PAGEOUT");
	left = pages_in_memory(memory, size);
	if (left > size / page_size / 100) {
		fprintf(stderr, "%zu pages stay in memory\n", left);
		exit(1);
	}
	wait_for_all();
	return took;
}

static void process(unsigned int id, const char *data, size_t size)
{
	uint64_t *took = shared->took[id], start;
	char *memory = map(size, MAP_PRIVATE);
	cpu_set_t cpu;
	size_t at;

	CPU_ZERO(&cpu);
	CPU_SET(id % get_nprocs(), &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		die("sched_setaffinity");
	memcpy(memory, data, size);
	took[OUT] = page_out(memory, size);

	start = now();
	for (at = 0; at < size; at += page_size)
		(void)*(volatile char *)(memory + at);
	took[IN] = now() - start;
	if (memcmp(memory, data, size)) {
		fprintf(stderr, "the data is not what was written\n");
		exit(1);
	}

	page_out(memory, size);
	start = now();
	munmap(memory, size);
	took[UNMAP] = now() - start;
}

static struct {
	const char *memory;
	size_t *order, nr_pages;
	unsigned int nr_threads;
} touched;

static void *touch(void *id)
{
	size_t i;

	for (i = (uintptr_t)id; i < touched.nr_pages; i += touched.nr_threads)
		(void)*(volatile const char *)(touched.memory + touched.order[i] * page_size);
	return NULL;
}

static void touch_at_random(const char *data, size_t size, unsigned int nr)
{
	pthread_t thread[MAX_PROCESSES];
	char *memory = map(size, MAP_PRIVATE);
	size_t i, j;
	uint64_t start;
	uintptr_t id;

	touched.memory = memory;
	touched.nr_pages = size / page_size;
	touched.nr_threads = nr;
	touched.order = calloc(touched.nr_pages, sizeof(*touched.order));
	if (!touched.order)
		die("calloc");
	srandom(1);
	for (i = 0; i < touched.nr_pages; i++) {
		j = random() % (i + 1);
		touched.order[i] = touched.order[j];
		touched.order[j] = i;
	}
	memcpy(memory, data, size);
	page_out(memory, size);

	start = now();
	for (id = 0; id < nr; id++)
		if (pthread_create(&thread[id], NULL, touch, (void *)id))
			die("pthread_create");
	for (id = 0; id < nr; id++)
		pthread_join(thread[id], NULL);
	printf("in %llu %zu\n", (unsigned long long)(now() - start), touched.nr_pages);
	if (memcmp(memory, data, size)) {
		fprintf(stderr, "the data is not what was written\n");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	unsigned int nr, id, phase;
	pthread_barrierattr_t attr;
	size_t size;
	char *data;
	int status;

	if (argc != 4 && (argc != 5 || strcmp(argv[4], "random"))) {
		fprintf(stderr, "usage: zswapbench DISK|zeros MIB PROCESSES [random]\n");
		return 2;
	}
	page_size = sysconf(_SC_PAGESIZE);
	size = strtoul(argv[2], NULL, 0) << 20;
	nr = strtoul(argv[3], NULL, 0);
	if (!size || !nr || nr > MAX_PROCESSES) {
		fprintf(stderr, "zswapbench: at least 1 MiB, 1 to %d processes\n", MAX_PROCESSES);
		return 2;
	}

	shared = map(sizeof(*shared), MAP_SHARED);
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &attr, argc == 5 ? 1 : nr);
	data = strcmp(argv[1], "zeros") ? read_data(argv[1], size) : map(size, MAP_SHARED);

	if (argc == 5) {
		touch_at_random(data, size, nr);
		return 0;
	}
	for (id = 0; id < nr; id++) {
		switch (fork()) {
		case -1:
			die("fork");
		case 0:
			/* If one fails, the others would wait for it: they go with the parent. */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			process(id, data, size);
			_exit(0);
		}
	}
	for (id = 0; id < nr; id++) {
		wait(&status);
		if (status)
			return 1;
	}

	for (phase = 0; phase < NR_PHASES; phase++) {
		uint64_t longest = 0;

		for (id = 0; id < nr; id++)
			if (shared->took[id][phase] > longest)
				longest = shared->took[id][phase];
		printf("%s %llu %zu\n", phase_name[phase], (unsigned long long)longest,
		       nr * size / page_size);
	}
	return 0;
}
