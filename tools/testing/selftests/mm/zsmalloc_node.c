// SPDX-License-Identifier: GPL-2.0
/*
 * Placement: what zram and zswap store of a page lies on the node of that page,
 * not on that of the CPU which happens to run reclaim.
 *
 * Memory of one node, bound to it, is filled with data that compresses and is
 * paged out to one of the two by a CPU of another node. The zspages that this
 * adds are counted node by node.
 *
 * System calls are made directly: libnuma may not be there.
 */
#include "zswap_util.h"

#include <getopt.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>

#define MAX_NODES	64

static struct {
	const char *algorithm;
	unsigned long mib;
	__u64 seed;
} opt = {
	.algorithm = "lzo",
	.mib = 16,
	.seed = 1,
};

static unsigned int node[MAX_NODES];	/* those with memory */
static unsigned int nr_nodes;

static struct memory mem = { .fd = -1 };

/* ---- nodes ---- */

/* Expand a list like 0-2,5; the number of members, or -1. */
static int read_list(const char *path, unsigned int *to, unsigned int most)
{
	unsigned int first, last, nr = 0;
	char text[4096], *at = text;

	if (file_read(path, text, sizeof(text)) < 0)
		return -1;
	while (isdigit((unsigned char)*at)) {
		first = strtoul(at, &at, 10);
		last = *at == '-' ? strtoul(at + 1, &at, 10) : first;
		for (; first <= last && nr < most; first++)
			to[nr++] = first;
		at += *at == ',';
	}
	return nr;
}

static long long node_field(unsigned int nid, const char *file, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/%s", nid, file);
	return file_field(path, name);
}

static void count_zspages(long long *to)
{
	unsigned int i;

	/* The counters of CPUs are folded in now and then, or when asked. */
	file_write("/proc/sys/vm/stat_refresh", "1");
	for (i = 0; i < nr_nodes; i++)
		to[i] = node_field(node[i], "vmstat", "nr_zspages");
}

/* Run on a CPU that is not of this node; false if there is none. */
static bool run_away_from(unsigned int nid)
{
	unsigned int cpu[1024], i;
	char path[128];
	cpu_set_t set;
	int nr;

	for (i = 0; i < nr_nodes; i++) {
		if (node[i] == nid)
			continue;
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", node[i]);
		nr = read_list(path, cpu, ARRAY_SIZE(cpu));
		if (nr < 1)
			continue;
		CPU_ZERO(&set);
		CPU_SET(cpu[0], &set);
		if (!sched_setaffinity(0, sizeof(set), &set))
			return true;
	}
	return false;
}

static bool bind_to(char *start, unsigned long nr, unsigned int nid)
{
	unsigned long mask = 1UL << nid, bits = 8 * sizeof(mask);

	/* The kernel takes the number of bits to be one less. */
	if (!syscall(__NR_mbind, start, nr * page_size(), MPOL_BIND, &mask, bits + 1, 0))
		return true;
	fail("mbind to node %u: %s", nid, strerror(errno));
	return false;
}

/* Do the pages, every @step-th of them, lie on the node? */
static bool lies_on(unsigned long first, unsigned long step, unsigned int nid)
{
	unsigned long i;
	void *at;
	int where;

	for (i = first; i < mem.pages; i += step) {
		at = page_at(&mem, i);
		where = -1;
		if (syscall(__NR_move_pages, 0, 1, &at, NULL, &where, 0)) {
			fail("move_pages: %s", strerror(errno));
			return false;
		}
		if (where != (int)nid) {
			fail("page %lu is on node %d and not on %u", i, where, nid);
			return false;
		}
	}
	return true;
}

/* ---- memory ---- */

/* Pages that are stored (not zero, not one word), of all sizes. */
static void fill(void)
{
	static const enum page_kind kind[] = { PAGE_ALMOST, PAGE_PART, PAGE_TEXT, PAGE_TAIL };
	unsigned long i;

	for (i = 0; i < mem.pages; i++) {
		mem.key[i] = page_key(rnd(&seed), kind[i / 2 % ARRAY_SIZE(kind)],
				      rnd_below(&seed, page_size()));
		page_fill(page_at(&mem, i), mem.key[i]);
	}
}

/* ---- the swap area, new for each test ---- */

/* 0, or what the test returns. */
static int start(bool through_zswap)
{
	unsigned long pages = (opt.mib << 20) / page_size();
	int ret;

	seed = opt.seed;
	if (through_zswap) {
		if (access(ZSWAP_PARAM "enabled", F_OK))
			return skip("the kernel is built without zswap");
		ret = zswap_start(opt.algorithm);
		if (ret)
			return ret;
		if (!area_on(disk.node, disk.pages))
			return KSFT_FAIL;
	} else {
		ret = area_on_zram(opt.algorithm, NULL, 2 * pages);
		if (ret)
			return ret;
	}
	if (!memory_get(&mem, pages, 1, false))
		return KSFT_FAIL;
	/* A huge page would be of one node where pages of two are wanted. */
	madvise(mem.base, pages * page_size(), MADV_NOHUGEPAGE);
	return KSFT_PASS;
}

static bool stop_all(void)
{
	bool good;

	memory_put(&mem);
	good = area_stop();
	good &= zswap_empties("after swapoff");
	zswap.on = false;
	settings_restore();
	return good;
}

/* ---- tests ---- */

/* Room for the pages, and for what is stored of them, twice over? */
static bool has_room(unsigned int nid)
{
	long long free_kb = node_field(nid, "meminfo", "MemFree");
	long long want_kb = (opt.mib << 10) * 4;

	if (free_kb >= want_kb)
		return true;
	skip("node %u has %lld kB of free memory, %lld are needed", nid, free_kb, want_kb);
	return false;
}

static void print_growth(const long long *growth)
{
	unsigned int i;

	for (i = 0; i < nr_nodes; i++)
		ksft_print_msg("node %u: %lld zspage pages more\n", node[i], growth[i]);
}

/* Page out what is filled; by how much the zspages of each node grow, and all. */
static long long growth_of_nodes(const long long *before, long long *growth)
{
	long long sum = 0;
	unsigned int i;

	if (!page_out(&mem))
		return -1;
	count_zspages(growth);
	for (i = 0; i < nr_nodes; i++) {
		growth[i] -= before[i];
		/* What shrinks elsewhere meanwhile makes up for nothing. */
		if (growth[i] > 0)
			sum += growth[i];
	}
	print_growth(growth);
	return sum;
}

static int one_node(unsigned int which)
{
	long long before[MAX_NODES], after[MAX_NODES], growth[MAX_NODES], sum;
	unsigned int nid = node[which];
	double end;

	if (!has_room(nid))
		return KSFT_SKIP;
	if (!run_away_from(nid))
		return skip("no CPU belongs to another node with memory");
	if (!bind_to(mem.base, mem.pages, nid))
		return KSFT_FAIL;
	fill();
	if (!lies_on(0, 1, nid))
		return KSFT_FAIL;
	count_zspages(before);
	sum = growth_of_nodes(before, growth);
	if (sum < 0)
		return KSFT_FAIL;
	if (sum < (long long)mem.pages / 10)
		return fail("%lu pages were stored, but nr_zspages only grew by %lld",
			    mem.pages, sum);
	if (growth[which] * 100 < sum * 99)
		return fail("of %lld zspage pages, %lld are on node %u", sum, growth[which], nid);
	if (!intact(&mem, "back in memory"))
		return KSFT_FAIL;

	/* And they go again: no node keeps any of them. */
	if (!stop_all())
		return KSFT_FAIL;
	end = now() + PATIENCE;
	do {
		count_zspages(after);
		if (after[which] <= before[which] + sum / 50)
			return KSFT_PASS;
		nap_ms(50);
	} while (now() < end);
	return fail("node %u still has %lld zspage pages, had %lld", nid, after[which],
		    before[which]);
}

static int two_nodes(unsigned int which)
{
	long long before[MAX_NODES], growth[MAX_NODES], sum;
	unsigned int other = which ? 0 : 1;
	unsigned long i;

	if (!has_room(node[which]) || !has_room(node[other]))
		return KSFT_SKIP;
	if (!run_away_from(node[which]))
		return skip("no CPU belongs to another node with memory");
	for (i = 0; i < mem.pages; i++)
		if (!bind_to(page_at(&mem, i), 1, node[i % 2 ? other : which]))
			return KSFT_FAIL;
	fill();
	if (!lies_on(0, 2, node[which]) || !lies_on(1, 2, node[other]))
		return KSFT_FAIL;
	count_zspages(before);
	sum = growth_of_nodes(before, growth);
	if (sum < 0)
		return KSFT_FAIL;
	/* Both halves are of the same kinds, so of nearly the same size. */
	if (growth[which] * 100 < sum * 47 || growth[other] * 100 < sum * 47)
		return fail("of %lld zspage pages, %lld and %lld are on the two nodes", sum,
			    growth[which], growth[other]);
	return intact(&mem, "back in memory") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- the list of tests ---- */

static void stop(void)
{
	stop_all();
	disk_stop();
}

static void run(int (*test)(unsigned int which), unsigned int which, bool through_zswap,
		const char *what)
{
	int result = start(through_zswap);
	char name[160];

	if (!result)
		result = test(which);
	if (!stop_all())
		result = KSFT_FAIL;
	snprintf(name, sizeof(name), "%s: %s %u", through_zswap ? "zswap" : "zram", what,
		 node[which]);
	report(result, name);
}

static void print_usage(const char *self)
{
	printf("usage: %s [options]\n"
	       "  -a, --algorithm NAME  compressor (default %s)\n"
	       "  -m, --mib N           memory to store (default %lu); a node needs four times\n"
	       "                        as much of free memory\n"
	       "  -s, --seed N          of all random numbers (default %llu)\n"
	       "  -X, --wrong N         test of the test: expect something wrong in the Nth page\n"
	       "                        compared, so that the run must fail\n"
	       "  -h, --help            this\n",
	       self, opt.algorithm, opt.mib, opt.seed);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "algorithm", required_argument, NULL, 'a' },
		{ "mib", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' },
		{ "wrong", required_argument, NULL, 'X' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "a:m:s:X:h", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			opt.algorithm = optarg;
			break;
		case 'm':
			opt.mib = strtoul(optarg, NULL, 0);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
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
	if (optind != argc || !opt.mib || opt.mib > 65536) {
		fprintf(stderr, "%s: bad arguments, see --help\n", argv[0]);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	unsigned int i, j;
	int found;

	parse(argc, argv);
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (access("/proc/swaps", F_OK))
		ksft_exit_skip("the kernel is built without swap\n");
	found = read_list("/sys/devices/system/node/has_memory", node, MAX_NODES);
	if (found < 2)
		ksft_exit_skip("this machine has one node with memory only\n");
	nr_nodes = found;
	if (node[nr_nodes - 1] >= 8 * sizeof(unsigned long))
		ksft_exit_skip("nodes are numbered beyond a word\n");
	if (node_field(node[0], "vmstat", "nr_zspages") < 0)
		ksft_exit_fail_msg("nr_zspages is not in the vmstat of node %u\n", node[0]);
	cleans_up(stop);

	ksft_print_msg("seed %llu, %lu MiB, %s\n", opt.seed, opt.mib, opt.algorithm);
	disk_start(NULL, (opt.mib << 20) / page_size() * 2);
	ksft_set_plan(8);
	for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++) {
			run(one_node, j, i, "pages of a node are stored on it, node");
			run(two_nodes, j, i,
			    "pages of two nodes are stored on both, from a CPU not of node");
		}
	ksft_finished();
}
