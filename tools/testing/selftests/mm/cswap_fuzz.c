// SPDX-License-Identifier: GPL-2.0
/*
 * Random programs against compressed swap: system calls on memory that is out, and odd
 * words for every file that zram, zswap, vswap and memory cgroups have.
 *
 * A program is a list of steps, made from a number. Several run at the same time, each in
 * a process of its own with memory of its own, all in one memory cgroup. Contents are
 * known page by page, as in swap_data. A program fails if a page is not what it was, if it
 * dies of a signal or never ends, or if the kernel complains in its log.
 *
 * One that fails is run again alone, with fewer and fewer steps, for as long as it
 * still fails: what is left is printed.
 */
#include "zswap_util.h"

#include <getopt.h>
#include <linux/falloc.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define NR_REGIONS	3
#define PAGES		640	/* of a region: a huge page and some more */
#define MOST_STEPS	256
#define MOST_WRITERS	16
#define HANGS_AFTER	120	/* seconds; a program takes one or two */
#define SHRINK_RUNS	400

static struct {
	const char *device;
	unsigned long seconds;
	unsigned int steps;
	unsigned int writers;
	__u64 seed;
} opt = {
	.seconds = 8,
	.steps = 64,
	.writers = 3,
	.seed = 1,
};

/* ---- the memory of a program ---- */

static struct region region[NR_REGIONS];

static bool regions_get(void)
{
	unsigned int i;

	for (i = 0; i < NR_REGIONS; i++)
		if (!region_get(&region[i], PAGES, i == 1 ? huge_pages_of() ? : 1 : 1,
				i == NR_REGIONS - 1))
			return false;
	return true;
}

static void write_new(struct region *r, unsigned long at, unsigned long nr)
{
	for (; nr; nr--, at++)
		region_write(r, at);
}

/* ---- steps ---- */

struct step {
	unsigned int call;	/* of the list of calls */
	unsigned int region;
	unsigned long at, nr;	/* pages */
	__u64 word;		/* whatever else the call needs to choose */
};

#define LEN	(s->nr * page_size())

/* Not every machine, kernel and moment can do everything: what is refused is no failure. */

static bool do_write(struct region *r, const struct step *s)
{
	unsigned long i;

	write_new(r, s->at, s->nr);
	/* Sometimes the same everywhere, for KSM. */
	for (i = 0; s->word % 4 == 0 && i < s->nr; i++) {
		r->m.key[s->at + i] = s->word % 16;
		page_fill(page_at(&r->m, s->at + i), r->m.key[s->at + i]);
	}
	return true;
}

static bool do_look(struct region *r, const struct step *s)
{
	return region_intact(r, s->at, s->nr, "look");
}

static bool do_madvise(struct region *r, const struct step *s)
{
	static const int advice[] = {
		MADV_PAGEOUT, MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_COLLAPSE,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_SEQUENTIAL, MADV_RANDOM,
		MADV_NORMAL, MADV_DONTDUMP, -1, 999,
	};

	madvise(page_at(&r->m, s->at), LEN, advice[s->word % ARRAY_SIZE(advice)]);
	return true;
}

static bool do_process_madvise(struct region *r, const struct step *s)
{
	static const int advice[] = {
		MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED, MADV_COLLAPSE, MADV_DONTNEED,
	};
	struct iovec range = { page_at(&r->m, s->at), LEN };
	int self = syscall(SYS_pidfd_open, getpid(), 0);

	/* It does not take MADV_DONTNEED. */
	syscall(SYS_process_madvise, self, &range, 1, advice[s->word % ARRAY_SIZE(advice)], 0);
	close(self);
	return true;
}

static bool do_drop(struct region *r, const struct step *s)
{
	if (madvise(page_at(&r->m, s->at), LEN, region_is_shared(r) ? MADV_REMOVE : MADV_DONTNEED))
		return true;
	region_zero(r, s->at, s->nr);
	return true;
}

static bool do_free(struct region *r, const struct step *s)
{
	if (!region_is_shared(r) && !madvise(page_at(&r->m, s->at), LEN, MADV_FREE))
		memset(r->loose + s->at, 1, s->nr);
	return true;
}

static bool do_map(struct region *r, const struct step *s)
{
	if (s->word & 1)
		munmap(page_at(&r->m, s->at), LEN);
	return region_map(r, s->at, s->nr);
}

static bool do_move(struct region *r, const struct step *s)
{
	return region_move(r, s->at, s->nr, s->word % (PAGES - s->nr + 1));
}

static bool do_lock(struct region *r, const struct step *s)
{
	char *at = page_at(&r->m, s->at);
	bool good;

	if (s->word & 1)
		mlock(at, LEN);
	else
		mlock2(at, LEN, MLOCK_ONFAULT);
	good = region_intact(r, s->at, s->nr, "locked");
	madvise(at, LEN, MADV_PAGEOUT);
	write_new(r, s->at, 1);
	munlock(at, LEN);
	return good;
}

static bool do_protect(struct region *r, const struct step *s)
{
	char *at = page_at(&r->m, s->at);

	mprotect(at, LEN, s->word & 1 ? PROT_NONE : PROT_READ);
	madvise(at, LEN, MADV_PAGEOUT);
	if (mprotect(at, LEN, PROT_READ | PROT_WRITE))
		return complain("mprotect");
	return region_intact(r, s->at, s->nr, "unprotected");
}

static bool do_mincore(struct region *r, const struct step *s)
{
	unsigned char in[PAGES];

	return !mincore(page_at(&r->m, s->at), LEN, in) ||
	       complain("mincore");
}

static bool do_migrate(struct region *r, const struct step *s)
{
	unsigned long from = 1 + s->word % 2, to = 3 - from;

	syscall(SYS_migrate_pages, 0, 8 * sizeof(from), &from, &to);
	return region_intact(r, s->at, s->nr, "migrated");
}

/* A child reads, writes its own copies, has them paged out, reads them again, and goes. */
static bool do_fork(struct region *r, const struct step *s)
{
	bool good = true;
	pid_t pid = fork();

	if (pid < 0)
		return true;
	if (pid)
		return exited_well(pid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (region_is_shared(r))
		_exit(!region_intact(r, s->at, s->nr, "forked"));
	if (s->word & 1)
		write_new(r, s->at, s->nr / 2);
	madvise(page_at(&r->m, s->at), LEN, MADV_PAGEOUT);
	good = region_intact(r, s->at, s->nr, "forked");
	if (s->word & 2)
		munmap(page_at(&r->m, s->at), LEN);
	_exit(!good);
}

static struct region *toucher_region;
static const struct step *toucher_step;

static int toucher(void *unused)
{
	unsigned long i;

	for (i = 0; i < toucher_step->nr; i++)
		__atomic_load_n(page_at(&toucher_region->m, toucher_step->at + i),
				__ATOMIC_RELAXED);
	return 0;
}

/* Somebody who shares all memory touches pages while they are paged out. */
static bool do_clone(struct region *r, const struct step *s)
{
	static char stack[64 << 10];
	pid_t pid;

	toucher_region = r;
	toucher_step = s;
	pid = clone(toucher, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
	if (pid < 0)
		return true;
	madvise(page_at(&r->m, s->at), LEN, MADV_PAGEOUT);
	return exited_well(pid) && region_intact(r, s->at, s->nr, "touched by another");
}

/* Through the file of shared memory: holes, pages by read() and write(), its end. */
static bool do_file(struct region *r, const struct step *s)
{
	off_t at = s->at * page_size();
	char *page;

	if (!region_is_shared(r))
		return true;
	switch (s->word % 4) {
	case 0:
		if (!fallocate(r->m.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, LEN))
			region_zero(r, s->at, s->nr);
		return true;
	case 1:
		if (ftruncate(r->m.fd, at) || ftruncate(r->m.fd, PAGES * page_size()))
			return complain("ftruncate");
		region_zero(r, s->at, PAGES - s->at);
		return true;
	case 2:
		r->m.key[s->at] = rnd(&seed);
		page = (char *)page_of(r->m.key[s->at]);
		return pwrite(r->m.fd, page, page_size(), at) == (ssize_t)page_size() ||
		       complain("pwrite");
	default:
		page = malloc(page_size());
		if (pread(r->m.fd, page, page_size(), at) != (ssize_t)page_size() ||
		    !page_is(page, r->m.key[s->at], "pread", s->at))
			return fail("pread") == KSFT_PASS;
		free(page);
		return true;
	}
}

/* Pages that are put where none are, or moved there, or write-protected while they are out. */
static bool do_userfault(struct region *r, const struct step *s)
{
	unsigned long at = (unsigned long)page_at(&r->m, s->at), to = s->word / 4 % PAGES;
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { at, LEN },
		.mode = s->word % 4 == 3 ? UFFDIO_REGISTER_MODE_WP : UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_zeropage zero = { .range = { at, LEN } };
	struct uffdio_copy copy = { .dst = at, .len = page_size() };
	struct uffdio_move move = {
		.dst = at,
		.src = (unsigned long)page_at(&r->m, to),
		.len = page_size(),
		.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
	};
	struct uffdio_writeprotect wp = {
		.range = { at, LEN },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	__u64 key;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		goto out;
	if (s->word % 4 != 3 && do_drop(r, s) && !region_is_shared(r)) {
		switch (s->word % 4) {
		case 0:
			ioctl(fd, UFFDIO_ZEROPAGE, &zero);
			break;
		case 1:
			key = rnd(&seed);
			copy.src = (unsigned long)page_of(key);
			if (!ioctl(fd, UFFDIO_COPY, &copy))
				r->m.key[s->at] = key;
			break;
		default:
			/* Not from where none is, and the reader would wait for us. */
			if (to >= s->at && to < s->at + s->nr)
				break;
			if (ioctl(fd, UFFDIO_MOVE, &move))
				break;
			r->m.key[s->at] = r->m.key[to];
			r->loose[s->at] = r->loose[to];
			region_zero(r, to, 1);
		}
	} else if (s->word % 4 == 3 && !ioctl(fd, UFFDIO_WRITEPROTECT, &wp)) {
		madvise((void *)at, LEN, MADV_PAGEOUT);
		if (s->word & 4) {
			wp.mode = 0;
			ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
		}
	}
out:
	/* Whoever waits for an answer goes on when nobody is left to give it. */
	if (fd >= 0)
		close(fd);
	return region_intact(r, s->at, s->nr, "userfaultfd");
}

/* ---- files of the machine ---- */

static const char * const odd_word[] = {
	"", "0", "1", "Y", "N", "-1", "max", "50", "100", "101", "4096", "1M", "1G", "0x10",
	"2147483648", "18446744073709551616", "lz4", "lzo", "zstd", "lzo-rle", "lz4\n", "deflate",
	"no such", "zsmalloc", "none", "%n%s%p", " 7 ", "1 1 1", "type=idle", "all", "idle",
	"algo=zstd priority=1", "page_index=18446744073709551615", "huge", "\xff\xfe\n",
};

/* All of these directories; what a step chooses is a number of the list of their files. */
static char *file[512];
static unsigned int nr_files;

/* Those of the machine are put back. */
static void files_of(const char *dir, const char *only, bool stay)
{
	struct dirent *entry;
	struct stat st;
	char path[PATH_MAX];
	DIR *d = opendir(dir);

	while (d && (entry = readdir(d)) && nr_files < ARRAY_SIZE(file)) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (strncmp(entry->d_name, only, strlen(only)) || stat(path, &st) ||
		    !S_ISREG(st.st_mode))
			continue;
		if (stay && st.st_mode & 0200)
			setting_keep(path);
		file[nr_files++] = strdup(path);
	}
	if (d)
		closedir(d);
}

static void files_find(void)
{
	char path[PATH_MAX];

	files_of("/sys/module/zswap/parameters", "", true);
	files_of("/sys/module/vswap/parameters", "", true);
	files_of("/sys/kernel/mm/vswap", "", true);
	files_of("/sys/kernel/debug/zswap", "", true);
	files_of("/sys/kernel/debug", "vswap", true);
	files_of("/sys/kernel/mm/ksm", "", true);
	files_of("/sys/kernel/mm/transparent_hugepage", "shmem", true);
	files_of("/sys/kernel/mm/transparent_hugepage/hugepages-64kB", "", true);
	files_of("/sys/kernel/mm/transparent_hugepage/hugepages-64kB/stats", "", true);
	cgroup_path(path, sizeof(path), "/a", "");
	files_of(path, "memory.", false);
	if (area.zram >= 0) {
		zram_attr(path, sizeof(path), area.zram, "");
		files_of(path, "", false);
	}
}

/* Memory that is never given back, or nothing but waiting, would only end the test. */
static bool file_is_wanted(const char *path)
{
	static const char * const unwanted[] = {
		"/memory.max", "/memory.high", "/memory.oom.group", "/make-it-fail", "/uevent",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(unwanted); i++)
		if (strstr(path, unwanted[i]))
			return false;
	return true;
}

static bool do_put(struct region *r, const struct step *s)
{
	const char *path = file[s->word % nr_files];

	if (file_is_wanted(path))
		file_write(path, odd_word[s->word / nr_files % ARRAY_SIZE(odd_word)]);
	return true;
}

/* No file says where the kernel has anything. */
static bool do_get(struct region *r, const struct step *s)
{
	const char *path = file[s->word % nr_files], *at;
	static char text[64 << 10];

	if (file_read(path, text, sizeof(text)) < 0)
		return true;
	for (at = text; (at = strstr(at, "ffff")); at++)
		if (strspn(at, "0123456789abcdef") == 16)
			return fail("%s has an address: %.16s", path, at) == KSFT_PASS;
	return true;
}

static bool do_swap(struct region *r, const struct step *s)
{
	const char *node = s->word & 1 ? disk.node : area.node;

	if (s->word & 2)
		swapon(node, s->word & 4 ? SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK : 0);
	else
		swapoff(node);
	return true;
}

static bool do_cgroup(struct region *r, const struct step *s)
{
	cgroup_write(s->word & 1 ? "/a" : "/b", "cgroup.procs", "0");
	return true;
}

static bool do_reclaim(struct region *r, const struct step *s)
{
	cgroup_write_number("", "memory.reclaim", (s->word % 4 + 1) << 18);
	return true;
}

/* ---- programs ---- */

static const struct call {
	const char *name;
	bool (*run)(struct region *r, const struct step *s);
	unsigned int share;	/* of all steps */
} calls[] = {
	{ "write", do_write, 24 },
	{ "look", do_look, 20 },
	{ "madvise", do_madvise, 24 },
	{ "process_madvise", do_process_madvise, 6 },
	{ "drop", do_drop, 4 },
	{ "free", do_free, 4 },
	{ "map", do_map, 4 },
	{ "move", do_move, 6 },
	{ "lock", do_lock, 3 },
	{ "protect", do_protect, 3 },
	{ "mincore", do_mincore, 2 },
	{ "migrate", do_migrate, 2 },
	{ "fork", do_fork, 5 },
	{ "clone", do_clone, 4 },
	{ "file", do_file, 5 },
	{ "userfault", do_userfault, 5 },
	{ "put", do_put, 10 },
	{ "get", do_get, 4 },
	{ "swap", do_swap, 3 },
	{ "cgroup", do_cgroup, 2 },
	{ "reclaim", do_reclaim, 4 },
};

struct program {
	__u64 seed;
	unsigned int nr;
	struct step step[MOST_STEPS];
};

static void program_make(struct program *p, __u64 number)
{
	unsigned int i, shares = 0, at;
	__u64 dice = number;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		shares += calls[i].share;
	p->seed = number;
	p->nr = opt.steps;
	for (i = 0; i < p->nr; i++) {
		struct step *s = &p->step[i];

		at = rnd_below(&dice, shares);
		for (s->call = 0; at >= calls[s->call].share; s->call++)
			at -= calls[s->call].share;
		s->region = rnd_below(&dice, NR_REGIONS);
		/* Mostly short ranges, now and then all of it. */
		s->nr = 1 + rnd_below(&dice, rnd_below(&dice, 8) ? 32 : PAGES);
		s->at = rnd_below(&dice, PAGES - s->nr + 1);
		s->word = rnd(&dice);
	}
}

static void program_print(const struct program *p)
{
	const struct step *s;

	for (s = p->step; s < p->step + p->nr; s++) {
		if (calls[s->call].run == do_put || calls[s->call].run == do_get)
			ksft_print_msg("  %s %s '%s'\n", calls[s->call].name,
				       file[s->word % nr_files],
				       calls[s->call].run == do_get ? "" :
				       odd_word[s->word / nr_files % ARRAY_SIZE(odd_word)]);
		else
			ksft_print_msg("  %s: region %u, pages %lu to %lu, word %llx\n",
				       calls[s->call].name, s->region, s->at,
				       s->at + s->nr - 1, s->word);
	}
}

/* Test of the test: a page is wrong that was moved in this program before. */
static bool be_wrong;

static bool program_lives(const struct program *p)
{
	const struct step *s;
	bool moved = false;
	unsigned int i;

	seed = p->seed;
	if (!regions_get())
		return false;
	for (i = 0; i < NR_REGIONS; i++)
		write_new(&region[i], 0, PAGES);
	for (s = p->step; s < p->step + p->nr; s++) {
		moved |= calls[s->call].run == do_move;
		if (be_wrong && moved && calls[s->call].run == do_look)
			return false;
		if (!calls[s->call].run(&region[s->region], s))
			return false;
	}
	for (i = 0; i < NR_REGIONS; i++)
		if (!region_intact(&region[i], 0, PAGES, "at the end"))
			return false;
	return true;
}

static pid_t program_start(const struct program *p)
{
	pid_t pid = fork_child();

	if (pid)
		return pid;
	alarm(HANGS_AFTER);
	if (!cgroup_enter("/a"))
		_exit(1);
	_exit(!program_lives(p));
}

/* New lines of the kernel's log that are reports of trouble. */
static bool kernel_complains(void)
{
	static const char * const trouble[] = {
		"BUG: ", "WARNING: ", "Oops", "general protection", "KASAN", "UBSAN", "Bad page",
		"INFO: task", "possible circular", "sleeping function called",
	};
	static int log = -1;
	char line[2048];
	bool bad = false;
	unsigned int i;
	ssize_t len;

	if (log < 0) {
		log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
		lseek(log, 0, SEEK_END);
		return false;
	}
	while ((len = read(log, line, sizeof(line) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		line[len > 0 ? len : 0] = '\0';
		for (i = 0; i < ARRAY_SIZE(trouble); i++) {
			if (!strstr(line, trouble[i]))
				continue;
			ksft_print_msg("the kernel says: %s", strchr(line, ';') + 1);
			bad = true;
		}
	}
	return bad;
}

/* Its end, if it was good. One that was killed for want of memory has done nothing wrong. */
static bool program_ends(pid_t pid)
{
	int status;

	if (pid < 0)
		return true;
	if (waitpid(pid, &status, 0) != pid)
		return complain("waitpid");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		return fail("no end after %u s", HANGS_AFTER) == KSFT_PASS;
	return !status || fail("status %x", status) == KSFT_PASS;
}

/* As at the start, whatever programs have done. */
static void settle(void)
{
	static const char * const group[] = { "/a", "/b" };
	unsigned int i;
	char text[32];

	zswap_set("enabled", "Y");
	zswap_set("max_pool_percent", "20");
	zswap_set("compressor", "lz4");
	zswap_set("accept_threshold_percent", "90");
	zswap_set("shrinker_enabled", "N");
	if (has_vswap()) {
		file_write(VSWAP_PARAM "enabled", "Y");
		file_write(VSWAP_PARAM "max_table_percent", "10");
	}
	for (i = 0; i < 2; i++) {
		cgroup_write(group[i], "memory.swap.max", "max");
		cgroup_write(group[i], "memory.swap.high", "max");
		cgroup_write(group[i], "memory.zswap.max", "max");
		cgroup_write(group[i], "memory.zswap.writeback", "1");
		cgroup_write(group[i], "memory.low", "0");
		cgroup_write(group[i], "memory.min", "0");
	}
	/* What it merges, programs do not see. */
	file_write("/sys/kernel/mm/ksm/sleep_millisecs", "2");
	file_write("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	file_write("/sys/kernel/mm/ksm/run", "1");
	if (area.zram >= 0 && !device_pages(area.node)) {
		snprintf(text, sizeof(text), "%lu", 4 * NR_REGIONS * PAGES * page_size());
		zram_write(area.zram, "disksize", text);
		write_swap_header(area.node, 4 * NR_REGIONS * PAGES);
	}
}

static bool program_fails(const struct program *p)
{
	bool bad;

	settle();
	file_write("/sys/kernel/debug/clear_warn_once", "1");
	bad = !program_ends(program_start(p));
	return kernel_complains() || bad;
}

/* Leaves out as many steps at a time as can be, for as long as it fails. */
static void shrink(struct program *p)
{
	unsigned int part, at, runs = 0;
	struct program less;

	for (part = p->nr / 2; part; part /= 2) {
		for (at = 0; at + part <= p->nr && runs < SHRINK_RUNS;) {
			less = *p;
			memmove(less.step + at, less.step + at + part,
				(less.nr - at - part) * sizeof(*less.step));
			less.nr -= part;
			runs++;
			if (program_fails(&less))
				*p = less;
			else
				at += part;
		}
	}
}

static void tell(struct program *p)
{
	ksft_print_msg("program %llu of %u steps failed\n", p->seed, p->nr);
	if (!program_fails(p) && !program_fails(p)) {
		ksft_print_msg("not when it runs alone; its steps were:\n");
	} else {
		shrink(p);
		ksft_print_msg("these steps are enough:\n");
	}
	program_print(p);
}

static long long pages_out(void)
{
	return vm_event("pswpout") + vm_event("zswpout");
}

static long long pages_in(void)
{
	return vm_event("pswpin") + vm_event("zswpin");
}

static int random_programs(void)
{
	static struct program program[MOST_WRITERS];
	pid_t pid[MOST_WRITERS];
	bool good[MOST_WRITERS], complained, all_good = true;
	long long out = pages_out(), in = pages_in();
	unsigned long nr = 0;
	double end = now() + opt.seconds;
	unsigned int i;

	while (all_good && now() < end) {
		settle();
		for (i = 0; i < opt.writers; i++) {
			program_make(&program[i], opt.seed + nr++);
			pid[i] = program_start(&program[i]);
		}
		for (i = 0; i < opt.writers; i++) {
			good[i] = program_ends(pid[i]);
			all_good &= good[i];
		}
		complained = kernel_complains();
		for (i = 0; i < opt.writers; i++)
			if (!good[i] || (complained && all_good))
				tell(&program[i]);
		all_good &= !complained;
	}
	out = pages_out() - out;
	in = pages_in() - in;
	ksft_print_msg("%lu programs of %u steps, %lld pages out, %lld in\n", nr, opt.steps, out,
		       in);
	if (all_good && (out < 1 || in < 1))
		return fail("nothing was swapped");
	settle();
	return all_good && zswap_empties("after all programs") &&
	       vswap_empties("after all programs") ? KSFT_PASS : KSFT_FAIL;
}

/* What has to be there to fail is what is left. */
static int shrinks(void)
{
	static struct program p;
	unsigned int i, looks = 0, moves = 0;

	be_wrong = true;
	for (i = 0; !p.nr || !program_fails(&p); i++)
		program_make(&p, opt.seed + i);
	shrink(&p);
	be_wrong = false;
	for (i = 0; i < p.nr; i++) {
		moves += calls[p.step[i].call].run == do_move;
		looks += calls[p.step[i].call].run == do_look;
	}
	return p.nr == 2 && moves == 1 && looks == 1 ? KSFT_PASS :
	       fail("%u steps are left", p.nr);
}

/* ---- main ---- */

static void stop(void)
{
	swapoff(disk.node);
	if (*area.node)
		swapoff(area.node);
	area.on = false;
	area_stop();
	cgroup_stop();
	settings_restore();
	disk_stop();
}

/* 0, or what the test returns. */
static int start(void)
{
	unsigned long bytes = opt.writers * NR_REGIONS * PAGES * page_size();
	int ret = zswap_start("lz4");

	if (!ret)
		ret = vswap_start(has_vswap());
	if (!ret)
		ret = area_on_zram("lz4", NULL, 4 * NR_REGIONS * PAGES);
	if (ret)
		return ret;
	if (write_swap_header(disk.node, disk.pages))
		return fail("%s cannot be written", disk.node);
	if (!cgroup_make("") || !cgroup_make("/a") || !cgroup_make("/b") ||
	    cgroup_write_number("", "memory.high", bytes / 2))
		return skip("no memory cgroup of version 2");
	files_find();
	kernel_complains();
	return KSFT_PASS;
}

static const struct test {
	const char *name;
	int (*run)(void);
} tests[] = {
	{ "a program that fails is made short", shrinks },
	{ "random programs keep every byte", random_programs },
};

static void print_usage(const char *self)
{
	printf("usage: %s [options]\n"
	       "  -d, --device DEVICE  a disk to swap to, not one in memory; WHAT IS ON IT IS LOST\n"
	       "  -n, --steps N        of a program (default %u, at most %u)\n"
	       "  -p, --processes N    programs at the same time (default %u, at most %u)\n"
	       "  -t, --time SECONDS   how long (default %lu)\n"
	       "  -s, --seed N         the number of the first program, the next has the next\n"
	       "                       (default %llu)\n"
	       "  -h, --help           this\n",
	       self, opt.steps, MOST_STEPS, opt.writers, MOST_WRITERS, opt.seconds, opt.seed);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "steps", required_argument, NULL, 'n' },
		{ "processes", required_argument, NULL, 'p' },
		{ "time", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "d:n:p:t:s:h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			opt.device = optarg;
			break;
		case 'n':
			opt.steps = strtoul(optarg, NULL, 0);
			break;
		case 'p':
			opt.writers = strtoul(optarg, NULL, 0);
			break;
		case 't':
			opt.seconds = strtoul(optarg, NULL, 0);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 'h':
			print_usage(argv[0]);
			exit(0);
		default:
			print_usage(argv[0]);
			exit(2);
		}
	}
	if (optind != argc || !opt.steps || opt.steps > MOST_STEPS || !opt.writers ||
	    opt.writers > MOST_WRITERS) {
		fprintf(stderr, "%s: bad arguments, see --help\n", argv[0]);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	unsigned int i;
	int ret;

	parse(argc, argv);
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	cleans_up(stop);
	disk_start(opt.device, 2 * NR_REGIONS * PAGES);
	ret = start();
	ksft_set_plan(ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		report(ret ? : tests[i].run(), tests[i].name);
	ksft_finished();
}
