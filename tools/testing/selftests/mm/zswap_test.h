/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A program of tests of zswap: its options, its list of tests, and what a test
 * finds and has to leave.
 *
 * A test finds zswap on and empty, a swap area that is used before any other of
 * the machine, or virtual slots, and itself alone in a memory cgroup, out of which
 * it is locked: only memory of memory_get() can be swapped. When it has ended,
 * with the memory given back, zswap must be empty before and after swapoff, and no
 * virtual slot in use. Then cgroup and area go, and parameters become what they
 * were.
 *
 * Counters are those of the whole machine. Nobody else should swap meanwhile.
 */
#ifndef ZSWAP_TEST_H
#define ZSWAP_TEST_H

#include "zswap_util.h"

#include <getopt.h>

struct test {
	const char *name;
	int (*run)(void);
	unsigned int flags;
#define EACH	1		/* with each compressor, not only the first */
#define ON_ZRAM	2		/* on zram, too */
#define VIRTUAL	4		/* with virtual slots and no swap area, too */
#define NO_AREA	8		/* only so */
#define CROWDS	16		/* swaps out others, whose pages may stay so for long */
#define BEHIND	32		/* on the disk behind virtual slots, too */
#define ONLY_BEHIND	64	/* only so */
};

/* What a test swaps to. */
enum area_kind { AREA_DISK, AREA_ZRAM, AREA_NONE, AREA_BEHIND, NR_AREAS };

static struct {
	char *compressors;
	const char *device;
	unsigned long mib;
	unsigned long seconds;
	__u64 seed;
} opt = {
	.seconds = 4,
	.seed = 1,
};

/* The cgroup of tests; a group that has others below it can have no process. */
#define GROUP	"/tests"

static struct memory mem = { .fd = -1 }, other = { .fd = -1 };
static const char *compressor[8];
static unsigned int nr_compressors;

/* The program's own: end what a test has begun and may not have ended. */
static void clean_up(void);

/* ---- helpers ---- */

static inline long long percent_of_memory(unsigned int percent)
{
	return file_field("/proc/meminfo", "MemTotal") * 1024 / 100 * percent;
}

static inline bool lock_self(void)
{
	if (!mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		return true;
	fail("mlockall: %s", strerror(errno));
	return false;
}

/* Memory with pages of these kinds in turn, @size of each random if the kind says so. */
static inline bool memory_of(struct memory *m, unsigned long pages, unsigned long align,
			     const enum page_kind *kind, unsigned int nr, size_t size)
{
	unsigned long i;

	if (!memory_get(m, pages, align, false))
		return false;
	if (align > 1 && madvise(m->base, pages * page_size(), MADV_HUGEPAGE)) {
		fail("MADV_HUGEPAGE: %s", strerror(errno));
		return false;
	}
	for (i = 0; i < pages; i++) {
		m->key[i] = page_key(rnd(&seed), kind[i % nr], size);
		page_fill(page_at(m, i), m->key[i]);
	}
	return true;
}

/* The kinds that every compressor makes much smaller. */
static const enum page_kind small_kinds[] = { PAGE_SAME, PAGE_ALMOST, PAGE_PART, PAGE_TEXT };

/* Of these every second one goes to zswap, the others to the device. */
static const enum page_kind two_kinds[] = { PAGE_TEXT, PAGE_RANDOM };

/* Memory that all goes to zswap. */
static inline bool memory_of_small(struct memory *m, unsigned long pages)
{
	return memory_of(m, pages, 1, small_kinds, ARRAY_SIZE(small_kinds), page_size() / 4);
}

static inline void renew_small(struct memory *m, unsigned long nr)
{
	m->key[nr] = page_key(rnd(&seed), small_kinds[nr % ARRAY_SIZE(small_kinds)],
			      page_size() / 4);
	page_fill(page_at(m, nr), m->key[nr]);
}

/* Pages that are in memory, mapped or only in the swap cache. */
static inline unsigned long resident(struct memory *m)
{
	unsigned long i, nr = 0;
	unsigned char *in;

	if (!m->base)
		return 0;
	in = malloc(m->pages);
	if (!in || mincore(m->base, m->pages * page_size(), in))
		ksft_exit_fail_perror("mincore");
	for (i = 0; i < m->pages; i++)
		nr += in[i] & 1;
	free(in);
	return nr;
}

/* Reclaim of the cgroup, as if so many pages were wanted. */
static inline void reclaim(unsigned long pages)
{
	cgroup_write_number("", "memory.reclaim", pages * page_size());
}

/*
 * What was written to the device may still be in the swap cache, and would be
 * found there. Reclaim all of the cgroup, so that the only copies are in swap.
 */
static inline bool drop_swap_cache(void)
{
	double end = now() + PATIENCE;
	unsigned long nr;

	while ((nr = resident(&mem) + resident(&other)) > 0) {
		if (now() > end) {
			fail("%lu pages stay in memory", nr);
			return false;
		}
		reclaim(nr);
	}
	return true;
}

/* Write to the other memory and have it paged out: zswap may find that it is full. */
static inline void knock(void)
{
	if (!other.base && !memory_get(&other, 16, 1, false))
		ksft_exit_fail_msg("no memory\n");
	renew_all(&other);
	madvise(other.base, other.pages * page_size(), MADV_PAGEOUT);
	nap_ms(5);
}

static const char * const counter[] = {
	"zswpout", "zswpin", "zswpwb", "pswpout", "pswpin", "swpout_zero", "swpin_zero",
	"zswpin_large", "zswpin_fail", "zswpout_large", "zswpout_split", "zswpout_incompressible",
	"zswpwb_fail", "zswp_reject_limit", "zswp_reject_memcg", "zswp_reject_poor",
	"zswp_reject_fail", "zswp_reject_memory",
	"vswpout", "vswpin", "vswpout_fallback", "oom_kill",
	"thp_swpout", "thp_swpout_fallback", "thp_split_page",
};

static long long counted[ARRAY_SIZE(counter)];

static inline void count_from_here(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counter); i++)
		counted[i] = vm_event(counter[i]);
}

/* By how much has it grown? */
static inline long long grown(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counter); i++)
		if (!strcmp(counter[i], name))
			return vm_event(name) - counted[i];
	ksft_exit_fail_msg("%s is not among the counters\n", name);
}

static inline bool grew_by(const char *name, long long by, const char *when)
{
	if (grown(name) == by)
		return true;
	fail("%s: %s has grown by %lld and not by %lld", when, name, grown(name), by);
	return false;
}

static inline bool stored_is(long long pages, const char *when)
{
	if (zswap_stored() == pages)
		return true;
	fail("%s: zswap has %lld pages and not %lld", when, zswap_stored(), pages);
	return false;
}

/*
 * Page out what takes a quarter more than a hundredth of memory, with the pool
 * limited to @percent; 0 or what the test returns.
 */
static inline int fill_pool(const char *percent)
{
	static const enum page_kind kinds[] = { PAGE_PART, PAGE_TAIL };
	unsigned long pages = percent_of_memory(1) * 5 / 2 / page_size();

	if (pages > (opt.mib << 20) / page_size())
		return skip("1 %% of memory is much: --mib %lu is needed",
			    pages * page_size() / (1 << 20) + 1);
	if (!zswap_param("max_pool_percent", percent))
		return KSFT_FAIL;
	if (!memory_of(&mem, pages, 1, kinds, ARRAY_SIZE(kinds), page_size() / 2))
		return KSFT_FAIL;
	count_from_here();
	return page_out(&mem) ? KSFT_PASS : KSFT_FAIL;
}

/* The pool is too full: wait until so many pages are written back. */
static inline bool written_back(long long pages)
{
	double end = now() + PATIENCE;

	while (grown("zswpwb") < pages) {
		if (now() > end) {
			fail("%lld pages were written back, not %lld", grown("zswpwb"), pages);
			return false;
		}
		knock();
	}
	return true;
}

/* ---- cgroups ---- */

/* What zswap has of a group, in bytes. */
#define CURRENT	"memory.zswap.current"

static inline bool limit(const char *group, const char *file, long value)
{
	int err = value < 0 ? cgroup_write(group, file, "max") :
			      cgroup_write_number(group, file, value);

	if (err)
		fail("%s: %s", file, strerror(-err));
	return !err;
}

/* A group below; false after a complaint. */
static inline bool group_below(const char *group)
{
	if (cgroup_make(group))
		return true;
	fail("no cgroup %s: %s", group, strerror(errno));
	return false;
}

/* ---- huge pages ---- */

static inline long long huge_stat(unsigned long huge, const char *name)
{
	char path[160], text[32];

	snprintf(path, sizeof(path), THP_DIR "hugepages-%zukB/stats/%s", huge * page_size() / 1024,
		 name);
	return file_read(path, text, sizeof(text)) < 0 ? -1 : strtoll(text, NULL, 10);
}

/* How folios are used of @huge pages each. */
static inline bool huge_use(unsigned long huge, const char *how)
{
	char path[128];

	snprintf(path, sizeof(path), THP_DIR "hugepages-%lukB/enabled", huge * page_size() / 1024);
	return !setting_write(path, how);
}

/* Memory in folios of @huge pages each; 0, or what the test returns. */
static inline int huge_memory(unsigned long huge, unsigned long pages, const enum page_kind *kind,
			      unsigned int nr)
{
	unsigned long larger;
	unsigned int tries;
	long long before;

	if (!thp_allow() || !huge_use(huge, "madvise"))
		return skip("the kernel has no huge pages of %lu pages", huge);
	/* A fault would rather have one of those. */
	for (larger = 2 * huge; larger <= huge_pages_of(); larger *= 2)
		if (!huge_use(larger, "never"))
			return fail("huge pages of %lu pages cannot be switched off", larger);
	for (tries = 0; tries < 5; tries++) {
		before = huge_stat(huge, "anon_fault_alloc");
		if (!memory_of(&mem, pages, huge, kind, nr, page_size() / 4))
			return KSFT_FAIL;
		if (huge_stat(huge, "anon_fault_alloc") - before == (long long)(pages / huge))
			return KSFT_PASS;
		memory_put(&mem);
		file_write("/proc/sys/vm/compact_memory", "1");
	}
	return skip("memory is too fragmented for %lu huge pages", pages / huge);
}

/* A test with folios of each size there is. */
static inline int with_each_size(int (*test)(unsigned long huge))
{
	unsigned long huge, most = huge_pages_of();
	unsigned int nr = 0;
	int ret;

	for (huge = 4; huge <= most; huge *= 2) {
		ret = test(huge);
		memory_put(&mem);
		if (ret == KSFT_FAIL)
			return fail("with folios of %lu pages", huge);
		nr += ret == KSFT_PASS;
	}
	ksft_print_msg("%u sizes\n", nr);
	return nr ? KSFT_PASS : skip("no size of huge pages could be had");
}

/* No fault makes a folio that a whole page table maps: that comes in halves. */
static inline unsigned long comes_back_as(unsigned long huge)
{
	return huge == huge_pages_of() ? huge / 2 : huge;
}

/* Did all @nr folios of @huge pages come back whole? Since there were @whole of them. */
static inline bool came_whole(unsigned long huge, long long whole, long long nr)
{
	whole = huge_stat(huge, "nr_anon") - whole;
	if (whole == nr)
		return true;
	fail("of %lld folios of %lu pages %lld came back whole", nr, huge, whole);
	return false;
}

static inline bool not_split(unsigned long huge, long long split, long long fallback,
			     const char *when)
{
	split = huge_stat(huge, "split") - split;
	fallback = huge_stat(huge, "swpout_fallback") - fallback;
	if (!split && !fallback && !grown("thp_split_page") && !grown("thp_swpout_fallback"))
		return true;
	fail("%s: of folios of %lu pages %lld were split, %lld not swapped whole", when, huge,
	     split, fallback);
	return false;
}

/* ---- a swap file ---- */

#define FILES	"swap-files"
static bool files_mounted;

/* A file on ext4 that lies on the disk in pieces. 0, or what the test returns. */
static inline int file_in_pieces(const char *path, unsigned long pages)
{
	static char piece[64 << 10];
	char command[PATH_MAX + 64];
	unsigned long i, nr = pages * page_size() / sizeof(piece);
	int file, other_file, ret = KSFT_PASS;

	if (system("mkfs.ext4 -V >/dev/null 2>&1"))
		return skip("there is no mkfs.ext4 here: install e2fsprogs");
	if (!area_off())
		return KSFT_FAIL;
	snprintf(command, sizeof(command), "mkfs.ext4 -q -F %s", disk.node);
	if (system(command) || (mkdir(FILES, 0700) && errno != EEXIST) ||
	    mount(disk.node, FILES, "ext4", 0, NULL))
		return errno == ENODEV ? skip("the kernel has no ext4") :
					 fail("ext4 on %s: %s", disk.node, strerror(errno));
	files_mounted = true;
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	other_file = open(FILES "/other", O_RDWR | O_CREAT | O_TRUNC, 0600);
	/* What is written and synced in turn lies on the disk in turn. */
	for (i = 0; i < nr && !ret; i++)
		if (write(file, piece, sizeof(piece)) != (ssize_t)sizeof(piece) || fsync(file) ||
		    write(other_file, piece, sizeof(piece)) != (ssize_t)sizeof(piece) ||
		    fsync(other_file))
			ret = fail("a file in pieces: %s", strerror(errno));
	close(file);
	close(other_file);
	return ret;
}

static inline int files_done(int ret)
{
	if (area.on && !area_off())
		ret = KSFT_FAIL;
	if (files_mounted && umount(FILES))
		ret = fail("umount: %s", strerror(errno));
	files_mounted = false;
	rmdir(FILES);
	return ret;
}

/* ---- memory that fails ---- */

/* The first pages of mem, wherever they are mapped. False if the kernel knows of no such thing. */
static inline bool memory_fails(unsigned long pages)
{
	pid_t pid = fork_child();
	unsigned long i;
	int status;

	/* Who does this is killed for it. */
	if (!pid) {
		for (i = 0; i < pages; i++)
			if (madvise(page_at(&mem, i), page_size(), MADV_HWPOISON))
				_exit(errno);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == EINVAL);
}

/* Whoever looks at the page: is it there, or does he get SIGBUS? 128 + SIGBUS then. */
static inline int seen_by_child(unsigned long nr)
{
	pid_t pid = fork_child();
	int status = 0;

	if (!pid)
		_exit(!range_intact(&mem, nr, 1, "beside memory that failed"));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- somebody who takes too much ---- */

static pid_t hog;

static inline void hog_ends(void)
{
	if (hog > 0) {
		kill(hog, SIGKILL);
		waitpid(hog, NULL, 0);
	}
	hog = 0;
}

/* Take memory that does not compress until somebody ends it. */
static inline void eat(unsigned long bytes)
{
	char *page = (char *)page_of(page_key(rnd(&seed), PAGE_RANDOM, 0));
	unsigned long i;
	char *to;

	to = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (to == MAP_FAILED)
		_exit(1);
	for (i = 0; i < bytes; i += page_size()) {
		memcpy(to + i, page, page_size());
		memcpy(to + i, &i, sizeof(i));
	}
	_exit(2);
}

/* Was it killed, and in time? */
static inline bool hog_dies(void)
{
	double begin = now();
	int status = 0;

	while (waitpid(hog, &status, WNOHANG) == 0) {
		if (now() - begin > PATIENCE) {
			fail("after %u s nobody is killed", PATIENCE);
			return false;
		}
		nap_ms(20);
	}
	hog = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	fail("who took all memory ended with %x", status);
	return false;
}

/* Take more than a cgroup may have. Is who did it killed, he alone, and in time? */
static inline bool hog_dies_in_group(void)
{
	long long killed;

	if (!group_below("/hog") || !limit("/hog", "memory.max", 8 << 20))
		return false;
	hog = fork_child();
	if (!hog) {
		if (!cgroup_enter("/hog"))
			_exit(3);
		eat(64 << 20);
	}
	if (!hog_dies())
		return false;
	killed = cgroup_field("/hog", "memory.events", "oom_kill");
	if (killed != 1) {
		fail("%lld of the group were killed", killed);
		return false;
	}
	return cgroup_remove("/hog");
}

/* ---- one test ---- */

static inline int test_start(const char *with, enum area_kind kind)
{
	int ret = zswap_start(with) ? : vswap_start(kind == AREA_NONE || kind == AREA_BEHIND);

	if (ret)
		return ret;
	/* One page a fault, so that pages can be counted. */
	if (setting_write("/proc/sys/vm/page-cluster", "0"))
		return fail("page-cluster cannot be set");
	/* zram may have to take as much as the disk. */
	if (kind == AREA_ZRAM)
		ret = area_on_zram(NULL, NULL, disk.pages);
	else if (kind != AREA_NONE && !area_on(disk.node, disk.pages))
		ret = KSFT_FAIL;
	if (ret)
		return ret;
	if (!cgroup_make("") || !cgroup_make(GROUP))
		return skip("no memory cgroup of version 2");
	return cgroup_enter(GROUP) ? KSFT_PASS : KSFT_FAIL;
}

/* A test of this kind may leave pages of others out. */
#define OTHERS	8192

static inline bool test_stop(unsigned int flags)
{
	bool good;

	if (flags & CROWDS) {
		zswap.stored += OTHERS;
		zswap.bytes += OTHERS * page_size();
		vswap.slots[SLOTS_ZSWAP] += OTHERS;
		vswap.bytes += vswap_stat("table_limit_bytes");
	}

	clean_up();
	hog_ends();
	memory_put(&mem);
	memory_put(&other);
	cgroup_leave();
	good = zswap_empties("after the test");
	good &= area_stop();
	good &= zswap_empties("after swapoff") && vswap_empties("after the test");
	zswap.on = false;
	vswap.on = false;
	cgroup_stop();
	settings_restore();
	return good;
}

static inline void run(const struct test *test, const char *with, enum area_kind kind)
{
	static const char * const where[NR_AREAS] = {
		"", ", on zram", ", in virtual slots", ", behind virtual slots"
	};
	double start = now();
	char name[160];
	int result;

	snprintf(name, sizeof(name), "%s%s%s%s", test->flags & EACH ? with : "",
		 test->flags & EACH ? ": " : "", test->name,
		 test->flags & (NO_AREA | ONLY_BEHIND) ? "" : where[kind]);
	seed = opt.seed;
	result = test_start(with, kind);
	if (!result)
		result = test->run();
	if (!test_stop(test->flags))
		result = KSFT_FAIL;
	report(result, name);
	ksft_print_msg("%.1f s\n", now() - start);
}

static inline bool runs_on(const struct test *test, enum area_kind kind)
{
	switch (kind) {
	case AREA_DISK:
		return !(test->flags & (NO_AREA | ONLY_BEHIND));
	case AREA_ZRAM:
		return test->flags & ON_ZRAM;
	case AREA_BEHIND:
		return test->flags & (BEHIND | ONLY_BEHIND);
	default:
		return test->flags & (VIRTUAL | NO_AREA);
	}
}

static inline __noreturn void run_all(const struct test *test, unsigned int nr)
{
	unsigned int plan = 0, pass, i;
	const struct test *t;
	enum area_kind kind;

	/* First the plan, then the tests. */
	for (pass = 0; pass < 2; pass++) {
		if (pass)
			ksft_set_plan(plan);
		for (t = test; t < test + nr; t++)
			for (i = 0; i < (t->flags & EACH ? nr_compressors : 1); i++)
				for (kind = AREA_DISK; kind < NR_AREAS; kind++) {
					if (!runs_on(t, kind))
						continue;
					if (pass)
						run(t, compressor[i], kind);
					plan++;
				}
	}
	ksft_finished();
}

/* ---- the program ---- */

static inline void stop(void)
{
	test_stop(0);
	disk_stop();
}

static const char usual[] = "lzo,lz4,zstd,deflate";

static inline void print_usage(const char *self)
{
	printf("usage: %s [options]\n"
	       "  -a, --compressors LIST  with commas (default %s)\n"
	       "  -d, --device DEVICE     swap to this block device and not to one in memory;\n"
	       "                          WHAT IS ON IT IS LOST\n"
	       "  -m, --mib N             memory to swap where much is needed: to fill zswap it\n"
	       "                          takes 3 %% of all memory (here by default %lu)\n"
	       "  -t, --time SECONDS      of each test under load (default %lu)\n"
	       "  -s, --seed N            of all random numbers (default %llu)\n"
	       "  -X, --wrong N           test of the test: expect something wrong in the Nth page\n"
	       "                          a process compares, so that the run must fail\n"
	       "  -h, --help              this\n",
	       self, usual, opt.mib, opt.seconds, opt.seed);
}

static inline void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "compressors", required_argument, NULL, 'a' },
		{ "device", required_argument, NULL, 'd' },
		{ "mib", required_argument, NULL, 'm' },
		{ "time", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },
		{ "wrong", required_argument, NULL, 'X' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	char *word;
	int c;

	opt.mib = percent_of_memory(4) >> 20;
	opt.mib = opt.mib < 16 ? 16 : opt.mib > 256 ? 256 : opt.mib;

	while ((c = getopt_long(argc, argv, "a:d:m:t:s:X:h", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			opt.compressors = optarg;
			break;
		case 'd':
			opt.device = optarg;
			break;
		case 'm':
			opt.mib = strtoul(optarg, NULL, 0);
			break;
		case 't':
			opt.seconds = strtoul(optarg, NULL, 0);
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
	for (word = strtok(opt.compressors ? : strdup(usual), ",");
	     word && nr_compressors < ARRAY_SIZE(compressor); word = strtok(NULL, ","))
		compressor[nr_compressors++] = word;
	if (optind != argc || opt.mib < 4 || opt.mib > 65536 || !nr_compressors) {
		fprintf(stderr, "%s: bad arguments, see --help\n", argv[0]);
		exit(2);
	}
}

/* Begin, with the options read. */
static inline void start(void)
{
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (access("/proc/swaps", F_OK))
		ksft_exit_skip("the kernel is built without swap\n");
	if (access(ZSWAP_PARAM "enabled", F_OK))
		ksft_exit_skip("the kernel is built without zswap\n");
	if (smaps_kb(NULL, 0, "Swap") < 0)
		ksft_exit_skip("the kernel has no /proc/self/smaps to see what is swapped\n");
	cleans_up(stop);
	signal(SIGBUS, killed);

	ksft_print_msg("seed %llu, %lu MiB\n", opt.seed, opt.mib);
	disk_start(opt.device, (opt.mib << 20) / page_size() * 2);
	if (!lock_self())
		ksft_exit_fail();
}

/* The whole of a program that is about virtual slots. */
static inline __noreturn void vswap_main(int argc, char **argv, const struct test *test,
					 unsigned int nr)
{
	parse(argc, argv);
	start();
	if (!has_vswap())
		ksft_exit_skip("the kernel is built without vswap\n");
	run_all(test, nr);
}

#endif /* ZSWAP_TEST_H */
