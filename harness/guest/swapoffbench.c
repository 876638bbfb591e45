// SPDX-License-Identifier: GPL-2.0
/*
 * swapoffbench: how long swapoff takes with memory that many processes share.
 *
 *	swapoffbench DISK MIB PROCESSES DEVICE
 *
 * Swaps out MIB of DISK, forks, swaps off DEVICE, and compares every byte in the first
 * process. Prints the time and how much of it the kernel worked, in nanoseconds:
 *
 *	swapoff WALL SYSTEM
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PROCESSES	1000

static __attribute__((noreturn)) void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t worked(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_stime.tv_sec * 1000000000ULL + u.ru_stime.tv_usec * 1000;
}

static char *get(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	return memory;
}

static void read_disk(int disk, char *to, size_t size)
{
	size_t done = 0;
	ssize_t got;

	while (done < size) {
		got = pread(disk, to + done, size - done, done);
		if (got <= 0)
			die("read of the corpus");
		done += got;
	}
}

static pid_t others[MAX_PROCESSES];

int main(int argc, char **argv)
{
	size_t size, processes, i;
	uint64_t took, system;
	char *memory, *copy;
	int disk, status;
	pid_t pid;

	if (argc != 5 || strtoul(argv[3], NULL, 0) > MAX_PROCESSES) {
		fprintf(stderr, "usage: swapoffbench DISK MIB PROCESSES DEVICE\n");
		return 2;
	}
	size = strtoul(argv[2], NULL, 0) << 20;
	processes = strtoul(argv[3], NULL, 0);
	disk = open(argv[1], O_RDONLY | O_DIRECT);
	if (disk < 0)
		die(argv[1]);
	memory = get(size);
	read_disk(disk, memory, size);
	/* What was busy for a moment, or written only now, goes at a later attempt. */
	for (i = 0; i < 3; i++)
		if (madvise(memory, size, MADV_PAGEOUT))
			die("MADV_PAGEOUT");

	for (i = 1; i < processes; i++) {
		pid = fork();
		others[i] = pid;
		if (pid < 0)
			die("fork");
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	took = wall();
	system = worked();
	if (swapoff(argv[4]))
		die("swapoff");
	system = worked() - system;
	took = wall() - took;
	printf("swapoff %llu %llu\n", (unsigned long long)took, (unsigned long long)system);

	copy = get(size);
	read_disk(disk, copy, size);
	status = memcmp(memory, copy, size) != 0;
	if (status)
		fprintf(stderr, "memory is not what it was\n");
	for (i = 1; i < processes; i++)
		kill(others[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	return status;
}
