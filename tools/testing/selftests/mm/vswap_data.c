// SPDX-License-Identifier: GPL-2.0
/*
 * vswap, by content and by its counters: pages of all kinds and sizes are put
 * behind virtual slots as they should be, come back as they were whoever asks for
 * them, and leave nothing behind.
 *
 * What any swapped memory has to stand is tested by swap_data, on virtual slots as
 * well. Here are the cases that only vswap has, and what looks at swap entries or
 * the swap cache from outside: userfaultfd, KSM, mincore, mlock, migration. There
 * is no swap area unless a test says so.
 */
#include "zswap_test.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static void clean_up(void)
{
}

/* ---- helpers ---- */

static const enum page_kind zero_kind[] = { PAGE_ZERO };
static const enum page_kind random_kind[] = { PAGE_RANDOM };

static bool slots_are(long long zero, long long in_zswap, const char *when)
{
	if (vswap_slots(SLOTS_ZERO) == zero && vswap_slots(SLOTS_ZSWAP) == in_zswap &&
	    stored_is(in_zswap, when))
		return true;
	fail("%s: %lld slots are of zeros and %lld in zswap, should be %lld and %lld", when,
	     vswap_slots(SLOTS_ZERO), vswap_slots(SLOTS_ZSWAP), zero, in_zswap);
	return false;
}

static bool used_is(long long slots, const char *when)
{
	if (vswap_used() == slots)
		return true;
	fail("%s: %lld slots are in use, should be %lld", when, vswap_used(), slots);
	return false;
}

static bool resident_is(struct memory *m, unsigned long pages, const char *when)
{
	if (resident(m) == pages)
		return true;
	fail("%s: %lu of %lu pages are in memory, should be %lu", when, resident(m), m->pages,
	     pages);
	return false;
}

static void write_page(struct memory *m, unsigned long nr, enum page_kind kind)
{
	m->key[nr] = page_key(rnd(&seed), kind, page_size() / 4);
	page_fill(page_at(m, nr), m->key[nr]);
}

/* ---- kinds of pages ---- */

static int zero_pages(void)
{
	long long bytes;
	unsigned long i;

	if (!memory_of(&mem, 2048, 1, zero_kind, 1, 0))
		return KSFT_FAIL;
	count_from_here();
	if (!page_out_all(&mem) || !slots_are(mem.pages, 0, "zeros") ||
	    !grew_by("vswpout", mem.pages, "zeros") || !grew_by("zswpout", 0, "zeros") ||
	    !grew_by("swpout_zero", mem.pages, "zeros"))
		return KSFT_FAIL;
	bytes = vswap_stat("table_bytes");
	if (bytes > vswap_idle_bytes() + 24 * (long long)mem.pages)
		return fail("the tables take %lld bytes for %lu slots", bytes, mem.pages);
	if (cgroup_number(GROUP, CURRENT) || cgroup_number(GROUP, "memory.swap.current"))
		return fail("zeros are charged");
	if (!intact(&mem, "zeros") || !grew_by("swpin_zero", mem.pages, "zeros") ||
	    !grew_by("vswpin", mem.pages, "zeros") || !used_is(0, "zeros are back"))
		return KSFT_FAIL;

	/* Zero or not, in turn, and changed into the other. */
	for (i = 0; i < mem.pages; i += 2)
		renew_small(&mem, i);
	if (!page_out_all(&mem) || !slots_are(mem.pages / 2, mem.pages / 2, "half zero") ||
	    !intact(&mem, "half zero"))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i++)
		write_page(&mem, i, i % 2 ? PAGE_TEXT : PAGE_ZERO);
	if (!page_out_all(&mem) || !slots_are(mem.pages / 2, mem.pages / 2, "the other half"))
		return KSFT_FAIL;
	return intact(&mem, "the other half zero") ? KSFT_PASS : KSFT_FAIL;
}

/* Only in the swap cache, each behind a slot of nothing. */
static bool stay(struct memory *m, const char *when)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		madvise(m->base, m->pages * page_size(), MADV_PAGEOUT);
		reclaim(m->pages);
	}
	return resident_is(m, m->pages, when);
}

static int refused_pages(void)
{
	long long refused = vswap_stat("fallback_store");
	unsigned long i;

	if (!memory_of(&mem, 256, 1, random_kind, 1, 0))
		return KSFT_FAIL;
	count_from_here();
	if (!stay(&mem, "random pages") || !slots_are(0, 0, "random pages") ||
	    !grew_by("vswpout", 0, "random pages"))
		return KSFT_FAIL;
	refused = vswap_stat("fallback_store") - refused;
	if (refused < (long long)mem.pages || grown("vswpout_fallback") < refused)
		return fail("%lld pages are counted as not stored, %lld in all", refused,
			    grown("vswpout_fallback"));
	/* To be read again is enough to give back a slot that is good for nothing. */
	if (!intact(&mem, "random pages") || !used_is(0, "random pages, read"))
		return KSFT_FAIL;
	/* What is written next may well be stored. */
	for (i = 0; i < mem.pages; i++)
		renew_small(&mem, i);
	if (!page_out_all(&mem) || !resident_is(&mem, 0, "no longer random") ||
	    !slots_are(0, mem.pages, "no longer random"))
		return KSFT_FAIL;
	return intact(&mem, "no longer random") ? KSFT_PASS : KSFT_FAIL;
}

/* Of what was refused little is tried again, if nothing else is taken; what is new is. */
static int many_refused(void)
{
	long long tried, skipped, all;
	unsigned int i;

	if (!memory_of(&mem, 4096, 1, random_kind, 1, 0))
		return KSFT_FAIL;
	for (i = 0; i < 2; i++)
		reclaim(mem.pages);
	count_from_here();
	skipped = vswap_stat("fallback_skipped");
	for (i = 0; i < 2; i++)
		reclaim(mem.pages);
	tried = grown("zswp_reject_poor");
	skipped = vswap_stat("fallback_skipped") - skipped;
	ksft_print_msg("%lld pages were tried again, %lld were not\n", tried, skipped);
	all = tried + skipped;
	if (all < (long long)mem.pages || tried < all / 64 || tried > all / 8)
		return fail("that is %lld of %lld", tried, all);
	if (!memory_of_small(&other, 256) || !page_out_all(&other) ||
	    !slots_are(0, other.pages, "beside random pages") ||
	    !intact(&other, "beside random pages"))
		return KSFT_FAIL;
	return intact(&mem, "many random pages") ? KSFT_PASS : KSFT_FAIL;
}

static int full_zswap(void)
{
	if (!memory_of_small(&mem, 512) || !page_out_all(&mem) ||
	    !zswap_param("max_pool_percent", "0"))
		return KSFT_FAIL;
	/* The first one finds that it is full. */
	knock();
	memory_put(&other);
	if (!memory_of_small(&other, 512))
		return KSFT_FAIL;
	count_from_here();
	if (!stay(&other, "zswap is full") || !slots_are(0, mem.pages, "zswap is full") ||
	    !grew_by("vswpout", 0, "zswap is full"))
		return KSFT_FAIL;
	if (!intact(&other, "not taken by zswap"))
		return KSFT_FAIL;
	if (!zswap_param("max_pool_percent", "50") || !page_out_all(&other) ||
	    !slots_are(0, mem.pages + other.pages, "zswap has room again"))
		return KSFT_FAIL;
	return intact(&mem, "stored before") && intact(&other, "stored after") ? KSFT_PASS :
										KSFT_FAIL;
}

/* ---- large folios ---- */

/* 0, or what the test returns. */
static int whole_folios(unsigned long huge)
{
	unsigned long pages = huge < 32 ? 128 : 4 * huge, i, zeros = 0;
	unsigned long in = comes_back_as(huge);
	long long split, fallback, whole;
	int ret;

	ret = huge_memory(huge, pages, small_kinds, ARRAY_SIZE(small_kinds));
	if (ret)
		return ret;
	/* Some zeros in each, and one folio of nothing else. */
	for (i = 0; i < pages; i++)
		if (i < huge || i % huge == huge / 2) {
			write_page(&mem, i, PAGE_ZERO);
			zeros++;
		}
	split = huge_stat(huge, "split");
	fallback = huge_stat(huge, "swpout_fallback");
	count_from_here();
	if (!page_out_all(&mem) || !not_split(huge, split, fallback, "out") ||
	    !slots_are(zeros, pages - zeros, "out") || !grew_by("vswpout", pages, "out"))
		return KSFT_FAIL;
	whole = huge_stat(in, "nr_anon");
	if (!intact(&mem, "large") || !used_is(0, "large folios are back") ||
	    !came_whole(in, whole, pages / in))
		return KSFT_FAIL;
	memory_put(&mem);

	/* A quarter may be random; one more page keeps its folio in memory, and no other. */
	ret = huge_memory(huge, pages, small_kinds, ARRAY_SIZE(small_kinds));
	if (ret)
		return ret;
	for (i = 0; i < huge / 4; i++) {
		write_page(&mem, huge + 1 + i, PAGE_RANDOM);
		write_page(&mem, 2 * huge + i, PAGE_RANDOM);
	}
	write_page(&mem, huge, PAGE_RANDOM);
	count_from_here();
	if (!page_out_all(&mem))
		return KSFT_FAIL;
	i = pages - vswap_slots(SLOTS_ZSWAP);
	if (i != huge || i != resident(&mem) || vswap_slots(SLOTS_ZERO))
		return fail("with a random third of one folio of %lu, %lu of %lu pages stay",
			    huge, i, pages);
	if (!intact(&mem, "large, one kept"))
		return KSFT_FAIL;
	memory_put(&mem);
	return vswap_empties("after large folios") ? KSFT_PASS : KSFT_FAIL;
}

static int folios_of_each_size(void)
{
	return with_each_size(whole_folios);
}

/* ---- many references ---- */

#define DEEP	30
#define WIDE	3

/* Look, change a part, swap it out, have children do the same, look again. */
static bool grow_tree(unsigned int nr, unsigned int depth, unsigned int width)
{
	struct memory part = part_of(&mem, rnd_below(&seed, mem.pages - 8), 8);
	pid_t pid[WIDE];
	unsigned long i;
	bool good;

	seed += nr;
	good = range_intact(&mem, rnd_below(&seed, mem.pages / 2), mem.pages / 2, "in a tree");
	for (i = 0; i < part.pages; i++)
		renew(&part, i);
	madvise(mem.base, mem.pages * page_size(), MADV_PAGEOUT);
	for (i = 0; depth && i < width; i++) {
		pid[i] = fork_child();
		if (!pid[i])
			_exit(!grow_tree(nr * WIDE + i + 1, depth - 1, width));
	}
	for (i = 0; depth && i < width; i++)
		good &= exited_well(pid[i]);
	return intact(&mem, "in a tree, at the end") && good;
}

static int deep_forks(void)
{
	if (!memory_get(&mem, 64, 1, false))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out(&mem) || !grow_tree(0, DEEP, 1) || !page_out(&mem) ||
	    !grow_tree(0, 4, WIDE))
		return KSFT_FAIL;
	memory_put(&mem);
	return vswap_empties("after all forks") ? KSFT_PASS : KSFT_FAIL;
}

/* A child drops some pages and reads others, so that neighbours differ in references. */
static bool pick_pages(struct gate *ready, struct gate *go)
{
	unsigned long i;

	for (i = 0; i < mem.pages; i++) {
		if (i % 3 == 1 || i / 16 % 4 == 2) {
			if (madvise(page_at(&mem, i), page_size(), MADV_DONTNEED))
				return false;
			mem.key[i] = 0;
		} else if (i % 5 == 0 && !range_intact(&mem, i, 1, "read beside dropped")) {
			return false;
		}
	}
	gate_open(ready);
	gate_wait(go);
	return intact(&mem, "unmapped by another");
}

/* What one process unmaps in one go, another may have a part of, in memory or not. */
static int unmapped_by_another(void)
{
	struct gate ready, go;
	pid_t pid;

	if (!memory_of_small(&mem, 600) || !page_out_all(&mem))
		return KSFT_FAIL;
	gate_make(&ready);
	gate_make(&go);
	pid = fork_child();
	if (!pid)
		_exit(!pick_pages(&ready, &go));
	gate_wait(&ready);
	memory_put(&mem);
	gate_open(&go);
	return exited_well(pid) && vswap_empties("unmapped by both") ? KSFT_PASS : KSFT_FAIL;
}

#define KSM_DIR		"/sys/kernel/mm/ksm/"
/* A page that is mapped 1024 times is taken for pinned, and never reclaimed. */
#define KSM_PAGES	1000
#define KSM_CHILDREN	70

static long long ksm_stat(const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), KSM_DIR "%s", name);
	return file_read(path, text, sizeof(text)) < 0 ? -1 : strtoll(text, NULL, 10);
}

/* Make one page of them all. 0, or what the test returns. */
static int ksm_merge(struct memory *m)
{
	double end = now() + PATIENCE;

	/* The number of sharers changes only when nothing is shared. */
	if (setting_write(KSM_DIR "run", "2"))
		return skip("the kernel is built without KSM");
	if (setting_write(KSM_DIR "max_page_sharing", "100000") ||
	    setting_write(KSM_DIR "sleep_millisecs", "0") ||
	    setting_write(KSM_DIR "pages_to_scan", "10000"))
		return fail("KSM's parameters cannot be set");
	if (madvise(m->base, m->pages * page_size(), MADV_MERGEABLE))
		return fail("MADV_MERGEABLE: %s", strerror(errno));
	if (setting_write(KSM_DIR "run", "1"))
		return fail("KSM does not run");
	while (ksm_stat("pages_sharing") < (long long)m->pages - 1) {
		if (now() > end)
			return fail("KSM shares %lld of %lu pages", ksm_stat("pages_sharing"),
				    m->pages);
		nap_ms(20);
	}
	/* It would keep the page busy. */
	if (setting_write(KSM_DIR "run", "0"))
		return fail("KSM cannot be stopped");
	return ksm_stat("pages_shared") == 1 ? KSFT_PASS :
	       fail("KSM has made %lld pages of one", ksm_stat("pages_shared"));
}

static bool ksm_child(struct gate *gate, unsigned int nr)
{
	gate_wait(gate);
	if (swapped(&mem) != mem.pages)
		return fail("a child has %lu of %lu pages out", swapped(&mem), mem.pages);
	/* Each page read is a copy of its own if it was not shared from the start. */
	if (!range_intact(&mem, nr * 10 % mem.pages, 10, "merged"))
		return false;
	renew(&mem, nr);
	return range_intact(&mem, nr, 1, "merged and written");
}

static int many_references(void)
{
	static const enum page_kind text[] = { PAGE_TEXT };
	unsigned int i, nr = 0;
	pid_t pid[KSM_CHILDREN];
	struct gate gate;
	double end;
	bool good;
	int ret;

	if (!memory_of(&mem, KSM_PAGES, 1, text, 1, 0))
		return KSFT_FAIL;
	for (i = 1; i < mem.pages; i++) {
		mem.key[i] = mem.key[0];
		page_fill(page_at(&mem, i), mem.key[i]);
	}
	ret = ksm_merge(&mem);
	if (ret)
		return ret;
	end = now() + PATIENCE;
	while (resident(&mem) && now() < end)
		reclaim(64);
	if (!resident_is(&mem, 0, "merged") || !slots_are(0, 1, "merged"))
		return KSFT_FAIL;
	gate_make(&gate);
	do {
		pid[nr] = fork_child();
		if (!pid[nr])
			_exit(!ksm_child(&gate, nr));
	} while (pid[nr++] > 0 && nr < ARRAY_SIZE(pid));
	good = nr == ARRAY_SIZE(pid) && slots_are(0, 1, "merged and forked");
	/* A part of this process's references goes first. */
	good &= !madvise(mem.base, mem.pages / 2 * page_size(), MADV_DONTNEED);
	memset(mem.key, 0, mem.pages / 2 * sizeof(*mem.key));
	good &= slots_are(0, 1, "merged, a part dropped");
	gate_open(&gate);
	for (i = 0; i < nr; i++)
		good &= exited_well(pid[i]);
	good &= intact(&mem, "merged, after all others");
	memory_put(&mem);
	/* Only when it keeps nothing can its parameters be put back. */
	file_write(KSM_DIR "run", "2");
	return good && vswap_empties("after all references") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- userfaultfd ---- */

/* A thread that serves the faults of @of. */
static struct {
	struct memory *of;
	pthread_t thread;
	int fd;
	int quit[2];
	unsigned long served;
	bool good;
} server;

static bool serve(const struct uffd_msg *msg)
{
	unsigned long at = msg->arg.pagefault.address / page_size() * page_size();
	static void *page;
	struct uffdio_copy copy = { .dst = at, .len = page_size() };
	struct uffdio_continue go_on = { .range = { .start = at, .len = page_size() } };

	if (msg->event != UFFD_EVENT_PAGEFAULT)
		return false;
	if (msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_MINOR)
		return !ioctl(server.fd, UFFDIO_CONTINUE, &go_on);
	if (!page)
		page = aligned_alloc(page_size(), page_size());
	page_fill(page, server.of->key[(at - (unsigned long)server.of->base) / page_size()]);
	copy.src = (unsigned long)page;
	return !ioctl(server.fd, UFFDIO_COPY, &copy);
}

static void *serve_faults(void *unused)
{
	struct pollfd wait[] = {
		{ .fd = server.fd, .events = POLLIN },
		{ .fd = server.quit[0], .events = POLLIN },
	};
	struct uffd_msg msg;

	while (poll(wait, ARRAY_SIZE(wait), -1) > 0 && !wait[1].revents) {
		if (read(server.fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		server.served++;
		if (!serve(&msg)) {
			/* Who waits for the page would do so for ever. */
			fail("userfaultfd: %s", strerror(errno));
			server.good = false;
			close(server.fd);
			break;
		}
	}
	return NULL;
}

/* 0, or what the test returns. */
static int server_start(struct memory *of, __u64 mode, __u64 features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register range = {
		.range = { .start = (unsigned long)of->base, .len = of->pages * page_size() },
		.mode = mode,
	};

	server.fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (server.fd < 0 || ioctl(server.fd, UFFDIO_API, &api))
		return skip("userfaultfd: %s", strerror(errno));
	if (ioctl(server.fd, UFFDIO_REGISTER, &range))
		return fail("UFFDIO_REGISTER: %s", strerror(errno));
	server.of = of;
	server.served = 0;
	server.good = true;
	if (pipe(server.quit) || pthread_create(&server.thread, NULL, serve_faults, NULL))
		ksft_exit_fail_perror("a thread");
	return KSFT_PASS;
}

static bool server_stop(unsigned long served)
{
	close(server.quit[1]);
	pthread_join(server.thread, NULL);
	close(server.quit[0]);
	close(server.fd);
	if (server.good && server.served != served)
		server.good = fail("%lu faults were served, should be %lu", server.served,
				   served) == KSFT_PASS;
	return server.good;
}

/* What is out is not missing. */
static int uffd_missing(void)
{
	struct uffdio_copy copy = { .len = page_size() };
	unsigned long i, dropped = 0;
	bool good;
	int ret;

	if (!memory_of_small(&mem, 300) || !page_out_all(&mem))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i += 3, dropped++) {
		madvise(page_at(&mem, i), page_size(), MADV_DONTNEED);
		mem.key[i] = rnd(&seed);
	}
	if (!used_is(mem.pages - dropped, "partly dropped"))
		return KSFT_FAIL;
	ret = server_start(&mem, UFFDIO_REGISTER_MODE_MISSING, 0);
	if (ret)
		return ret;
	copy.dst = (unsigned long)page_at(&mem, 1);
	copy.src = (unsigned long)page_of(mem.key[0]);
	good = ioctl(server.fd, UFFDIO_COPY, &copy) && errno == EEXIST;
	if (!good)
		fail("UFFDIO_COPY over a page that is out: %s", strerror(errno));
	good &= intact(&mem, "registered") && used_is(0, "all are in");
	/* Out and in again, with nothing to serve. */
	good &= page_out(&mem) && intact(&mem, "registered, again");
	return server_stop(dropped) && good ? KSFT_PASS : KSFT_FAIL;
}

/* Shared memory that is out is there, but not mapped. */
static int uffd_minor(void)
{
	struct memory twice;
	bool good;
	int ret;

	if (!memory_get(&mem, 300, 1, true))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;
	twice = mem;
	twice.base = map_apart(twice.pages, 1, twice.fd);
	if (!twice.base || munlock(twice.base, twice.pages * page_size()))
		return fail("mmap: %s", strerror(errno));
	ret = server_start(&twice, UFFDIO_REGISTER_MODE_MINOR, UFFD_FEATURE_MINOR_SHMEM);
	if (!ret) {
		good = intact(&twice, "minor faults");
		good &= server_stop(twice.pages);
		ret = good && intact(&mem, "after minor faults") ? KSFT_PASS : KSFT_FAIL;
	}
	munmap(twice.base, twice.pages * page_size());
	return ret;
}

/* Entries move, and so do pages that are in the swap cache because they are refused. */
static int uffd_move(void)
{
	struct uffdio_move move = {};
	unsigned long i, kept = 0;
	long long used;
	int ret;

	if (!memory_of_small(&mem, 300) || !memory_get(&other, mem.pages, 1, false))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i += 5, kept++)
		write_page(&mem, i, PAGE_RANDOM);
	if (!page_out_all(&mem) || !resident_is(&mem, kept, "some random"))
		return KSFT_FAIL;
	used = vswap_used();
	ret = server_start(&other, UFFDIO_REGISTER_MODE_MISSING, 0);
	if (ret)
		return ret;
	move.dst = (unsigned long)other.base;
	move.src = (unsigned long)mem.base;
	move.len = mem.pages * page_size();
	if (ioctl(server.fd, UFFDIO_MOVE, &move))
		ret = fail("UFFDIO_MOVE: %s, %lld bytes moved", strerror(errno), move.move);
	if (!ret && vswap_used() != used)
		ret = fail("moved: %lld slots were in use, now %lld", used, vswap_used());
	memcpy(other.key, mem.key, mem.pages * sizeof(*mem.key));
	memset(mem.key, 0, mem.pages * sizeof(*mem.key));
	if (!ret && (!intact(&other, "moved") || !intact(&mem, "moved from")))
		ret = KSFT_FAIL;
	return server_stop(0) ? ret : KSFT_FAIL;
}

/* ---- looked at and locked ---- */

static bool look_and_lock(struct memory *m, const char *what)
{
	unsigned long half = m->pages / 2, i;

	if (!page_out(m))
		return false;
	reclaim(m->pages);
	if (!resident_is(m, 0, what))
		return false;
	/* One page a fault. */
	for (i = 0; i < m->pages; i += 2)
		if (!range_intact(m, i, 1, what))
			return false;
	if (!resident_is(m, half, what))
		return false;
	if (mlock(m->base, m->pages * page_size()))
		return fail("mlock: %s", strerror(errno));
	if (!resident_is(m, m->pages, what))
		return false;
	madvise(m->base, m->pages * page_size(), MADV_PAGEOUT);
	reclaim(m->pages);
	if (!resident_is(m, m->pages, "locked") || !range_intact(m, 0, half, "locked") ||
	    munlock(m->base, m->pages * page_size()))
		return false;
	for (i = 0; i < m->pages; i += 3)
		renew_small(m, i);
	return page_out(m) && intact(m, what);
}

static int mincore_and_mlock(void)
{
	unsigned long i;

	if (!memory_of_small(&mem, 256) || !memory_get(&other, 256, 1, true))
		return KSFT_FAIL;
	for (i = 0; i < other.pages; i++)
		renew_small(&other, i);
	return look_and_lock(&mem, "anonymous") && look_and_lock(&other, "shared") ?
	       KSFT_PASS : KSFT_FAIL;
}

static int other_process(void)
{
	struct iovec range;
	struct gate gate;
	bool *filled, good;
	double end;
	pid_t pid;
	int fd;

	filled = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (filled == MAP_FAILED || !memory_get(&mem, 512, 1, false))
		return fail("no memory");
	gate_make(&gate);
	pid = fork_child();
	if (!pid) {
		unsigned long i;

		for (i = 0; i < mem.pages; i++)
			renew_small(&mem, i);
		__atomic_store_n(filled, true, __ATOMIC_RELEASE);
		gate_wait(&gate);
		_exit(swapped(&mem) != mem.pages || !intact(&mem, "paged out by another"));
	}
	fd = syscall(__NR_pidfd_open, pid, 0);
	while (pid > 0 && !__atomic_load_n(filled, __ATOMIC_ACQUIRE))
		nap_ms(10);
	range.iov_base = mem.base;
	range.iov_len = mem.pages * page_size();
	end = now() + PATIENCE;
	do {
		good = syscall(__NR_process_madvise, fd, &range, 1, MADV_PAGEOUT, 0) ==
		       (long)range.iov_len;
		file_write("/proc/sys/vm/drop_caches", "1");
	} while (good && vswap_slots(SLOTS_ZSWAP) < (long long)mem.pages && now() < end);
	if (!good)
		fail("process_madvise: %s", strerror(errno));
	good &= slots_are(0, mem.pages, "paged out by another");
	gate_open(&gate);
	good &= exited_well(pid);
	close(fd);
	munmap(filled, page_size());
	return good ? KSFT_PASS : KSFT_FAIL;
}

/* ---- files ---- */

static bool file_intact(int fd, unsigned long first, unsigned long nr, const char *when)
{
	static char *page;
	bool good = true;

	if (!page)
		page = malloc(page_size());
	for (; nr; nr--, first++)
		good &= pread(fd, page, page_size(), first * page_size()) == (ssize_t)page_size() &&
			page_is(page, mem.key[first], when, first);
	return good;
}

static bool file_out(long long pages)
{
	double end = now() + PATIENCE;

	while (vswap_slots(SLOTS_ZSWAP) < pages && now() < end)
		reclaim(pages);
	if (vswap_slots(SLOTS_ZSWAP) == pages)
		return true;
	fail("%lld pages of the file are out, should be %lld", vswap_slots(SLOTS_ZSWAP), pages);
	return false;
}

/* A file that nobody has mapped: written, read, cut off and deleted while it is out. */
static int tmpfs_file(void)
{
	unsigned long i, pages = 512;
	bool good;
	int fd;

	if (!memory_of_small(&mem, pages))
		return KSFT_FAIL;
	fd = memfd_create("vswap", 0);
	for (i = 0; i < pages; i++)
		if (pwrite(fd, page_at(&mem, i), page_size(), i * page_size()) !=
		    (ssize_t)page_size())
			return fail("pwrite: %s", strerror(errno));
	/* Only the keys are needed any more. */
	munmap(mem.base, pages * page_size());
	mem.base = NULL;
	good = file_out(pages) && file_intact(fd, 0, pages, "file") && used_is(0, "file") &&
	       file_out(pages);
	/* A part of a page is written, which has to come in first. */
	mem.key[3] = page_key(rnd(&seed), PAGE_SAME, 0);
	good = good && pwrite(fd, page_of(mem.key[3]), 100, 3 * page_size()) == 100 &&
	       pwrite(fd, page_of(mem.key[3]) + 100, page_size() - 100, 3 * page_size() + 100) ==
	       (ssize_t)(page_size() - 100) && file_intact(fd, 0, 8, "written");
	good = good && file_out(pages);
	/* The rest of the last page is zeroed, which has to come in as well. */
	if (good && ftruncate(fd, (pages / 2 - 1) * page_size() + 1))
		good = fail("ftruncate: %s", strerror(errno)) == KSFT_PASS;
	if (good && vswap_used() > (long long)pages / 2)
		good = fail("%lld slots are in use when %lu pages are left", vswap_used(),
			    pages / 2) == KSFT_PASS;
	good = good && file_intact(fd, 0, pages / 2 - 1, "cut off");
	good = good && file_out(pages / 2);
	close(fd);
	return good && vswap_empties("file deleted") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- migration ---- */

#define MOVE_ALL	4	/* MPOL_MF_MOVE_ALL */

/* Where pages are; with @to >= 0, moved there first. How many are on @node? */
static unsigned long pages_on(struct memory *m, int to, int node)
{
	int *where = calloc(m->pages, sizeof(*where)), *dest = NULL;
	void **page = calloc(m->pages, sizeof(*page));
	unsigned long i, nr = 0;

	if (to >= 0)
		dest = malloc(m->pages * sizeof(*dest));
	for (i = 0; i < m->pages; i++) {
		page[i] = page_at(m, i);
		if (dest)
			dest[i] = to;
	}
	if (syscall(__NR_move_pages, 0, m->pages, page, dest, where, MOVE_ALL) < 0)
		fail("move_pages: %s", strerror(errno));
	for (i = 0; i < m->pages; i++)
		nr += where[i] == node;
	free(where);
	free(dest);
	free(page);
	return nr;
}

/*
 * A child keeps entries of pages that its parent has read: so they stay in the
 * swap cache, as do random ones, and nothing else has them. There they move.
 */
static int migration(void)
{
	bool good, numa = !access("/sys/devices/system/node/node1", F_OK);
	unsigned long i, moved;
	unsigned int node;
	struct gate gate;
	pid_t pid;

	if (!memory_of_small(&mem, 512))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i += 4)
		write_page(&mem, i, i % 8 ? PAGE_RANDOM : PAGE_ZERO);
	if (!page_out_all(&mem))
		return KSFT_FAIL;
	gate_make(&gate);
	pid = fork_child();
	if (!pid) {
		gate_wait(&gate);
		_exit(swapped(&mem) != mem.pages || !intact(&mem, "child, pages have moved"));
	}
	good = intact(&mem, "in the swap cache");
	if (vswap_used() != (long long)mem.pages)
		good = fail("%lld slots of %lu pages are in use", vswap_used(),
			    mem.pages) == KSFT_PASS;
	for (node = 2; numa && node--;) {
		moved = pages_on(&mem, node, node);
		if (moved < mem.pages * 9 / 10)
			good = fail("%lu of %lu pages moved to node %u", moved, mem.pages,
				    node) == KSFT_PASS;
		good &= intact(&mem, "moved");
	}
	file_write("/proc/sys/vm/compact_memory", "1");
	good &= intact(&mem, "compacted");
	/* Out from where they are now. */
	madvise(mem.base, mem.pages * page_size(), MADV_PAGEOUT);
	reclaim(mem.pages / 2);
	gate_open(&gate);
	good &= exited_well(pid) && intact(&mem, "after the child");
	return good ? KSFT_PASS : KSFT_FAIL;
}

/* ---- memory that fails ---- */

/*
 * In the swap cache, as a child has the entries, too: of text, whose only copy is
 * lost with its memory, and of zeros, which can be read again.
 */
static int memory_failure(void)
{
	unsigned long i;
	struct gate gate;
	bool good = true;
	pid_t pid;
	int seen;

	if (!memory_of_small(&mem, 64))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i += 4)
		write_page(&mem, i, PAGE_ZERO);
	if (!page_out_all(&mem))
		return KSFT_FAIL;
	gate_make(&gate);
	pid = fork_child();
	if (!pid) {
		gate_wait(&gate);
		_exit(!range_intact(&mem, 2, mem.pages - 2, "child, beside memory that failed"));
	}
	if (!intact(&mem, "in the swap cache"))
		good = false;
	if (!memory_fails(2)) {
		gate_open(&gate);
		exited_well(pid);
		return skip("the kernel handles no memory failures");
	}
	seen = seen_by_child(0);
	if (seen)
		good = fail("a page of zeros: %d and not 0", seen) == KSFT_PASS;
	seen = seen_by_child(1);
	if (seen != 128 + SIGBUS)
		good = fail("a lost page: %d and not %d", seen, 128 + SIGBUS) == KSFT_PASS;
	good &= range_intact(&mem, 2, mem.pages - 2, "beside memory that failed");
	gate_open(&gate);
	return exited_well(pid) && good ? KSFT_PASS : KSFT_FAIL;
}

static const struct test tests[] = {
	{ "zero pages take a slot and nothing else", zero_pages, NO_AREA },
	{ "pages that zswap refuses stay in memory", refused_pages, NO_AREA },
	{ "of many that it refuses few are tried again", many_refused, NO_AREA },
	{ "with a full zswap, pages stay in memory", full_zswap, NO_AREA },
	{ "folios of each size go out whole and come back whole", folios_of_each_size, NO_AREA },
	{ "a tree of forks has its own pages", deep_forks, NO_AREA },
	{ "what one process unmaps another still has", unmapped_by_another, NO_AREA },
	{ "a slot has 70,000 references", many_references, NO_AREA },
	{ "userfaultfd: pages that are out are not missing", uffd_missing, NO_AREA },
	{ "userfaultfd: shared pages that are out fault as minor", uffd_minor, NO_AREA },
	{ "userfaultfd: pages that are out move", uffd_move, NO_AREA },
	{ "mincore sees, and mlock brings in, what is out", mincore_and_mlock, NO_AREA },
	{ "another process may page out", other_process, NO_AREA },
	{ "a file in memory is read, cut off and deleted while it is out", tmpfs_file, NO_AREA },
	{ "pages in the swap cache migrate", migration, NO_AREA },
	{ "memory that fails is lost, what is behind its slot is not", memory_failure, NO_AREA },
};

int main(int argc, char **argv)
{
	vswap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
