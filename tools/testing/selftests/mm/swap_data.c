// SPDX-License-Identifier: GPL-2.0
/*
 * Swap, by content: anonymous and shared memory that was paged out is what it
 * was, whoever looks at it and whatever was done to it in between; and what is
 * unmapped gives its swap back.
 *
 * Each test makes a swap area, on a new zram device or on a disk behind zswap,
 * uses it before any other, and swaps it off at the end; nothing may then be left
 * in it, nor in zswap. Or it makes none, and swaps to virtual slots.
 * Memory is filled with pages of known keys (cswap_util.h) and pushed out by
 * MADV_PAGEOUT, so that a test needs no shortage of memory. The last test makes
 * one: several processes in a memory cgroup that is too small for them change
 * their memory at random while caches are dropped and memory is compacted.
 *
 * The operations of a process in the random test follow from the seed. They
 * can be had again with the same seed, sizes and number of operations.
 */
#include "zswap_util.h"

#include <getopt.h>

#define MANY		80	/* sharers: more than a byte of the swap map counts */
#define MAX_WRITERS	16
#define NR_REGIONS	3

static struct {
	char *stores;
	const char *device;
	const char *second;
	unsigned long mib;
	unsigned long seconds;
	unsigned long ops;
	unsigned int writers;
	__u64 seed;
	bool contents;
} opt = {
	.mib = 16,
	.seconds = 4,
	.writers = 4,
	.seed = 1,
};

/* ---- the swap area ---- */

static unsigned long data_pages(void)
{
	return (opt.mib << 20) / page_size();
}

/*
 * What a test swaps to is named by its compressor: "lzo" is zram with it,
 * "zswap:lzo" the disk behind zswap with it, "zswap+zram:lzo" a zram device
 * behind zswap with it. "vswap:lzo" is virtual slots, zswap with it and no swap
 * area, "vswap+disk:lzo" the same with the disk for what zswap does not take. The
 * name of option -d alone is that device.
 */
static const char *after(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(name, prefix, len) ? NULL : name + len;
}

static bool has_zswap(void)
{
	return !access(ZSWAP_PARAM "enabled", F_OK);
}

/* 0, or what the test returns. */
static int store_start(const char *name)
{
	const char *on_disk = after(name, "zswap:"), *on_zram = after(name, "zswap+zram:");
	const char *alone = after(name, "vswap:"), *and_disk = after(name, "vswap+disk:");
	const char *compressor = on_disk ? : on_zram ? : alone ? : and_disk;
	int ret;

	if (compressor) {
		if (!has_zswap())
			return skip("the kernel is built without zswap");
		ret = zswap_start(compressor);
		if (ret)
			return ret;
	}
	ret = vswap_start(alone || and_disk);
	if (ret)
		return ret;
	if (alone)
		return KSFT_PASS;
	if (*name == '/' || on_disk || and_disk)
		return area_on(disk.node, disk.pages) ? KSFT_PASS : KSFT_FAIL;
	return area_on_zram(on_zram ? NULL : name, NULL, data_pages() * 4);
}

/* Is nothing in use any more? */
static bool store_empties(const char *when)
{
	return zswap_empties(when) &&
	       (area.on ? swap_comes_back(when) : vswap_empties(when));
}

/* ---- tests ---- */

static struct memory mem, shm;

static int round_trips(void)
{
	unsigned long i;

	if (!memory_get(&mem, data_pages(), 1, false))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;
	if (zswap.on && zswap_stored() < (long long)mem.pages / 3)
		return fail("%lu pages are swapped, but zswap has %lld", swapped(&mem),
			    zswap_stored());
	if (area.zram >= 0 && !zswap.on &&
	    zram_mm(area.zram, MM_ORIG_DATA_SIZE) < mem.pages / 2 * page_size())
		return fail("%lu pages are swapped, but %s holds %llu", swapped(&mem), area.node,
			    zram_mm(area.zram, MM_ORIG_DATA_SIZE) / page_size());
	if (!intact(&mem, "first time"))
		return KSFT_FAIL;
	/* Not written since: old copies in swap may serve. */
	if (!page_out(&mem) || !intact(&mem, "second time, unchanged"))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i += 2)
		renew(&mem, i);
	if (!page_out(&mem) || !intact(&mem, "third time, half of it new"))
		return KSFT_FAIL;
	/* New content for pages that are out. */
	if (!page_out(&mem))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages / 4; i++)
		renew(&mem, rnd_below(&seed, mem.pages));
	return intact(&mem, "written while out") ? KSFT_PASS : KSFT_FAIL;
}

/* One of two: change every third page, look, page out what can be, look again. */
static bool go_own_way(unsigned int which)
{
	unsigned long i;

	seed += which * 0x1234567ULL;
	for (i = which; i < mem.pages; i += 3)
		renew(&mem, i);
	if (!intact(&mem, which ? "child" : "parent"))
		return false;
	madvise(mem.base, mem.pages * page_size(), MADV_PAGEOUT);
	for (i = which; i < mem.pages; i += 3)
		if (!rnd_below(&seed, 4))
			renew(&mem, i);
	return intact(&mem, which ? "child, again" : "parent, again");
}

static int fork_copies(void)
{
	struct gate gate;
	pid_t pid;
	bool good;

	if (!memory_get(&mem, data_pages() / 2, 1, false))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;
	/* Both read what is out, then each its own writes and the other's not. */
	pid = fork_child();
	if (!pid)
		_exit(!(intact(&mem, "child, at first") && go_own_way(1)));
	good = intact(&mem, "parent, at first") && go_own_way(0);
	if (!exited_well(pid) || !good)
		return KSFT_FAIL;

	/* Parent writes first; the child, and a child of it, see what was at the fork. */
	if (!page_out(&mem))
		return KSFT_FAIL;
	gate_make(&gate);
	pid = fork_child();
	if (!pid) {
		gate_wait(&gate);
		pid = fork_child();
		if (!pid)
			_exit(!go_own_way(2));
		good = intact(&mem, "child, after its parent wrote");
		_exit(!(exited_well(pid) && good && go_own_way(1)));
	}
	renew_all(&mem);
	gate_open(&gate);
	good = page_out(&mem) && intact(&mem, "parent, all new");
	return exited_well(pid) && good ? KSFT_PASS : KSFT_FAIL;
}

static int many_sharers(void)
{
	struct gate gate;
	unsigned int i, nr;
	pid_t pid[MANY];
	bool good = true;

	if (!memory_get(&mem, 128, 1, false))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;
	gate_make(&gate);
	for (nr = 0; nr < MANY; nr++) {
		pid[nr] = fork_child();
		if (pid[nr] < 0)
			break;
		if (!pid[nr]) {
			gate_wait(&gate);
			good = intact(&mem, "one of many");
			renew(&mem, nr % mem.pages);
			_exit(!(good && intact(&mem, "one of many, changed")));
		}
	}
	/* The parent's share goes first; the others still have theirs. */
	munmap(mem.base, mem.pages * page_size());
	mem.base = NULL;
	gate_open(&gate);
	for (i = 0; i < nr; i++)
		good &= exited_well(pid[i]);
	if (!good || nr < MANY)
		return KSFT_FAIL;
	return store_empties("after all sharers") ? KSFT_PASS : KSFT_FAIL;
}

static int freed_on_unmap(void)
{
	unsigned long half;
	pid_t pid;

	if (!memory_get(&mem, data_pages(), 1, false))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;
	if (!vswap.on &&
	    swap_free_kb() > area.free_before - (long long)(opt.mib << 10) * 8 / 10)
		return fail("SwapFree does not count what is swapped: %lld kB, was %lld",
			    swap_free_kb(), area.free_before);
	if (vswap.on && vswap_used() < (long long)mem.pages * 8 / 10)
		return fail("%lu pages are swapped, but %lld virtual slots in use",
			    swapped(&mem), vswap_used());
	/* A part, by itself. */
	half = mem.pages / 2;
	munmap(page_at(&mem, half), (mem.pages - half) * page_size());
	mem.pages = half;
	if (!intact(&mem, "the half that is left") || !page_out(&mem))
		return KSFT_FAIL;
	memory_put(&mem);
	if (!store_empties("after munmap"))
		return KSFT_FAIL;

	pid = fork_child();
	if (!pid) {
		if (!memory_get(&mem, data_pages(), 1, false))
			_exit(1);
		renew_all(&mem);
		_exit(!page_out(&mem));
	}
	if (!exited_well(pid))
		return KSFT_FAIL;
	if (!store_empties("after exit"))
		return KSFT_FAIL;
	/* Swapping off also empties what CPUs keep; it looks for itself. */
	return !area.on || area_off() ? KSFT_PASS : KSFT_FAIL;
}

static int dropped_contents(void)
{
	unsigned long i, n, at;
	bool zero;

	if (!memory_get(&mem, data_pages() / 2, 1, false))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages / 16; i++) {
		n = 1 + rnd_below(&seed, 12);
		at = rnd_below(&seed, mem.pages - n);
		if (madvise(page_at(&mem, at), n * page_size(), MADV_DONTNEED))
			return fail("MADV_DONTNEED: %s", strerror(errno));
		memset(mem.key + at, 0, n * sizeof(*mem.key));
	}
	if (!intact(&mem, "after MADV_DONTNEED"))
		return KSFT_FAIL;

	/* The first half comes back in before it is freed, the second is out. */
	renew_all(&mem);
	if (!page_out(&mem) || !range_intact(&mem, 0, mem.pages / 2, "brought in"))
		return KSFT_FAIL;
	if (madvise(mem.base, mem.pages * page_size(), MADV_FREE))
		return fail("MADV_FREE: %s", strerror(errno));
	for (i = 0; i < mem.pages; i += 3)
		renew(&mem, i);
	madvise(mem.base, mem.pages * page_size(), MADV_PAGEOUT);
	for (i = 0; i < mem.pages; i++) {
		if (i % 3 && !old_or_zero(page_at(&mem, i), mem.key[i], &zero))
			return fail("freed page %lu is neither old nor zero", i);
		if (!(i % 3) && !range_intact(&mem, i, 1, "written after MADV_FREE"))
			return KSFT_FAIL;
	}
	return KSFT_PASS;
}

static int moved_ranges(void)
{
	unsigned long half, quarter, i;
	char *to, *old;

	if (!memory_get(&mem, data_pages() / 2, 1, false))
		return KSFT_FAIL;
	half = mem.pages / 2;
	quarter = mem.pages / 4;
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;

	/* All of it to another place. */
	to = map_apart(mem.pages, 1, -1);
	if (!to || mremap(mem.base, mem.pages * page_size(), mem.pages * page_size(),
			  MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return fail("mremap: %s", strerror(errno));
	mem.base = to;
	if (swapped(&mem) < half)
		return fail("moving brought %lu pages in", mem.pages - swapped(&mem));
	if (!intact(&mem, "moved"))
		return KSFT_FAIL;

	/* One quarter over another; where it was becomes empty. */
	if (!page_out(&mem))
		return KSFT_FAIL;
	to = page_at(&mem, half);
	old = page_at(&mem, quarter);
	if (mremap(old, quarter * page_size(), quarter * page_size(),
		   MREMAP_MAYMOVE | MREMAP_FIXED, to) != to ||
	    mmap(old, quarter * page_size(), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != old)
		return fail("mremap of a part: %s", strerror(errno));
	memcpy(mem.key + half, mem.key + quarter, quarter * sizeof(*mem.key));
	memset(mem.key + quarter, 0, quarter * sizeof(*mem.key));
	if (!intact(&mem, "partly moved"))
		return KSFT_FAIL;

	/* Shrunk while out, and grown again: the new end is zero. */
	for (i = 0; i < mem.pages; i += 2)
		renew(&mem, i);
	madvise(mem.base, mem.pages * page_size(), MADV_PAGEOUT);
	old = page_at(&mem, half + quarter);
	i = mem.pages - half - quarter;
	if (mremap(old, i * page_size(), page_size(), 0) != old ||
	    mremap(old, page_size(), i * page_size(), 0) != old)
		return fail("mremap to another size: %s", strerror(errno));
	memset(mem.key + half + quarter + 1, 0, (i - 1) * sizeof(*mem.key));
	return intact(&mem, "shrunk and grown") ? KSFT_PASS : KSFT_FAIL;
}

/*
 * The keys of what is shared lie in shared memory, too: each process renews
 * pages and the next one looks. Only one has the pages mapped at a time, since
 * MADV_PAGEOUT leaves alone what others map.
 */
static bool take_turn(unsigned int turn)
{
	unsigned long i;

	if (!intact(&shm, "shared, from the one before"))
		return false;
	seed += turn;
	for (i = turn % 3; i < shm.pages; i += 3)
		renew(&shm, i);
	return page_out(&shm);
}

static int shared_memory(void)
{
	unsigned long hole, len;
	unsigned int turn;
	__u64 *keys;
	pid_t pid;
	int ret = KSFT_FAIL;

	if (!memory_get(&shm, data_pages() / 2, 1, true))
		return KSFT_FAIL;
	len = shm.pages * sizeof(*keys);
	keys = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (keys == MAP_FAILED)
		return fail("mmap: %s", strerror(errno));
	free(shm.key);
	shm.key = keys;

	renew_all(&shm);
	if (!page_out(&shm))
		goto out;
	for (turn = 1; turn <= 4; turn++) {
		pid = fork_child();
		if (!pid)
			_exit(!take_turn(turn));
		if (!exited_well(pid) || !take_turn(turn + 1))
			goto out;
	}
	/* Both at once. */
	pid = fork_child();
	if (!pid)
		_exit(!intact(&shm, "shared, child"));
	if (!intact(&shm, "shared, parent") || !exited_well(pid))
		goto out;
	/* A hole in what is out reads as zeros and frees its swap. */
	if (!page_out(&shm))
		goto out;
	hole = shm.pages / 3;
	if (fallocate(shm.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, hole * page_size(),
		      hole * page_size())) {
		fail("fallocate: %s", strerror(errno));
		goto out;
	}
	memset(shm.key + hole, 0, hole * sizeof(*shm.key));
	if (!intact(&shm, "shared, with a hole"))
		goto out;
	/* Zeros that nobody wrote are not swapped but forgotten. */
	madvise(shm.base, shm.pages * page_size(), MADV_PAGEOUT);
	if (!intact(&shm, "shared, with a hole, again"))
		goto out;
	madvise(shm.base, shm.pages * page_size(), MADV_PAGEOUT);
	munmap(shm.base, shm.pages * page_size());
	close(shm.fd);
	shm.base = NULL;
	shm.fd = -1;
	if (store_empties("after the last user of shared memory"))
		ret = KSFT_PASS;
out:
	munmap(keys, len);
	shm.key = NULL;
	return ret;
}

/* ---- huge pages ---- */

static int huge_pages(void)
{
	unsigned long huge = huge_pages_of(), i, got;

	if (!huge || !thp_allow())
		return skip("the kernel is built without transparent huge pages");
	if (data_pages() < huge)
		return skip("a huge page has more than %lu MiB", opt.mib);
	if (!memory_get(&mem, data_pages() / huge * huge, huge, false))
		return KSFT_FAIL;
	if (madvise(mem.base, mem.pages * page_size(), MADV_HUGEPAGE))
		return skip("MADV_HUGEPAGE: %s", strerror(errno));
	renew_all(&mem);
	got = smaps_kb(mem.base, mem.pages * page_size(), "AnonHugePages");
	ksft_print_msg("%lu kB of %lu are huge pages\n", got, mem.pages * page_size() / 1024);
	if (!got)
		return skip("memory is too fragmented for a huge page");
	if (!page_out(&mem) || !intact(&mem, "huge"))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;
	/* Out of the middle of each. */
	for (i = 0; i + huge <= mem.pages; i += huge) {
		if (madvise(page_at(&mem, i + huge / 4), huge / 4 * page_size(), MADV_DONTNEED))
			return fail("MADV_DONTNEED: %s", strerror(errno));
		memset(mem.key + i + huge / 4, 0, huge / 4 * sizeof(*mem.key));
		renew(&mem, i + huge / 3);
	}
	return intact(&mem, "huge, partly dropped") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- swapoff ---- */

static int swapoff_returns_all(void)
{
	struct gate gate;
	pid_t pid[3];
	unsigned int i;
	bool good = true;

	if (!area.on)
		return skip("there is no swap area");
	if (!memory_get(&mem, data_pages() / 2, 1, false) ||
	    !memory_get(&shm, data_pages() / 4, 1, true))
		return KSFT_FAIL;
	renew_all(&mem);
	renew_all(&shm);
	if (!page_out(&shm) || !page_out(&mem))
		return KSFT_FAIL;
	gate_make(&gate);
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork_child();
		if (!pid[i]) {
			gate_wait(&gate);
			_exit(!(intact(&mem, "child, after swapoff") &&
				intact(&shm, "child, shared, after swapoff")));
		}
	}
	if (!swapped(&mem) || !swapped(&shm))
		good = fail("nothing is out before swapoff") == KSFT_PASS;
	good &= area_off();
	gate_open(&gate);
	good &= intact(&mem, "after swapoff") && intact(&shm, "shared, after swapoff");
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		good &= exited_well(pid[i]);
	return good ? KSFT_PASS : KSFT_FAIL;
}

/* ---- random operations under pressure ---- */

/* Counted by all processes. */
static struct tally {
	unsigned long ops;
	unsigned long checked;
	unsigned long forks;
} *tally;

static struct region region[NR_REGIONS];
static pid_t reader = -1;

static bool regions_get(unsigned long pages)
{
	unsigned long huge = huge_pages_of(), align, i;
	struct region *r;

	for (i = 0; i < NR_REGIONS; i++) {
		r = &region[i];
		/* The second is made of huge pages if it is large enough for any. */
		align = i == 1 && huge && pages >= huge ? huge : 1;
		if (!region_get(r, pages / align * align, align, i == 2))
			return false;
		if (align > 1)
			madvise(r->m.base, r->m.pages * page_size(), MADV_HUGEPAGE);
		/* What is known about pages must not come out of swap itself. */
		if (mlock(r->loose, r->m.pages * sizeof(*r->loose)) ||
		    mlock(r->m.key, r->m.pages * sizeof(*r->m.key)))
			return complain("no memory for keys");
	}
	return true;
}

static bool look(struct region *r, unsigned long first, unsigned long nr, const char *when)
{
	__atomic_add_fetch(&tally->checked, nr, __ATOMIC_RELAXED);
	return region_intact(r, first, nr, when);
}

/* A child that reads, writes its own copies, reads those and goes. */
static bool reader_lives(void)
{
	struct region *r;
	unsigned long i, at;

	for (i = 0; i < 64; i++) {
		/* Of shared memory it cannot know what the parent does meanwhile. */
		r = &region[rnd_below(&seed, NR_REGIONS - 1)];
		at = rnd_below(&seed, r->m.pages);
		if (i % 4 == 3)
			region_write(r, at);
		if (!look(r, at, 1, "random, forked"))
			return false;
	}
	return true;
}

static bool reader_ends(void)
{
	pid_t pid = reader;

	reader = -1;
	return pid < 0 || exited_well(pid);
}

static bool reader_start(void)
{
	if (!reader_ends())
		return false;
	reader = fork();
	if (!reader) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(!reader_lives());
	}
	/* Next to the limit of the cgroup a fork may well be refused. */
	if (reader < 0)
		return errno == ENOMEM || errno == EAGAIN || complain("fork");
	rnd(&seed);
	__atomic_add_fetch(&tally->forks, 1, __ATOMIC_RELAXED);
	return true;
}

static bool drop(struct region *r, unsigned long at, unsigned long n)
{
	char *p = page_at(&r->m, at);

	if (region_is_shared(r)) {
		/* First only from the page tables, which changes nothing. */
		if (madvise(p, n * page_size(), MADV_DONTNEED))
			return complain("MADV_DONTNEED");
		if (!look(r, at, n, "random, dropped from page tables"))
			return false;
		if (madvise(p, n * page_size(), MADV_REMOVE))
			return complain("MADV_REMOVE");
	} else if (madvise(p, n * page_size(), MADV_DONTNEED)) {
		return complain("MADV_DONTNEED");
	}
	region_zero(r, at, n);
	return true;
}

static bool map_anew(struct region *r, unsigned long at, unsigned long n)
{
	if (munmap(page_at(&r->m, at), n * page_size()))
		return complain("munmap");
	return region_map(r, at, n);
}

static bool lock_and_look(struct region *r, unsigned long at, unsigned long n)
{
	char *p = page_at(&r->m, at);
	bool good;

	if (mlock(p, n * page_size())) {
		if (errno != ENOMEM && errno != EAGAIN)
			return complain("mlock");
		return !munlock(p, n * page_size()) || complain("munlock");
	}
	good = look(r, at, n, "random, locked");
	madvise(p, n * page_size(), MADV_PAGEOUT);
	region_write(r, at);
	good &= look(r, at, n, "random, locked and written");
	return (!munlock(p, n * page_size()) || complain("munlock")) && good;
}

static bool protect_and_look(struct region *r, unsigned long at, unsigned long n)
{
	char *p = page_at(&r->m, at);
	size_t len = n * page_size();

	if (mprotect(p, len, PROT_READ))
		return complain("mprotect");
	if (!look(r, at, n, "random, read-only"))
		return false;
	if (mprotect(p, len, PROT_NONE))
		return complain("mprotect");
	madvise(p, len, MADV_PAGEOUT);
	if (mprotect(p, len, PROT_READ | PROT_WRITE))
		return complain("mprotect");
	return look(r, at, n, "random, unprotected again");
}

static bool let_go(struct region *r, unsigned long at, unsigned long n)
{
	if (region_is_shared(r))
		return true;
	/*
	 * 6.12 frees such a page for a forked process as well, if it was read in
	 * from a device like zram and not written since: neither the page nor a
	 * page table says dirty then, and who else maps it is not asked.
	 */
	if (!reader_ends())
		return false;
	if (madvise(page_at(&r->m, at), n * page_size(), MADV_FREE))
		return complain("MADV_FREE");
	memset(r->loose + at, 1, n * sizeof(*r->loose));
	return true;
}

static bool one_operation(void)
{
	struct region *r = &region[rnd_below(&seed, NR_REGIONS)];
	unsigned long n, at, most, i;
	char *p;

	/* Mostly short ranges, now and then one of hundreds of pages. */
	most = rnd_below(&seed, 16) ? 16 : 512;
	n = 1 + rnd_below(&seed, most < r->m.pages / 2 ? most : r->m.pages / 2);
	at = rnd_below(&seed, r->m.pages - n + 1);
	p = page_at(&r->m, at);

	switch (rnd_below(&seed, 32)) {
	case 0 ... 7:
		return look(r, at, n, "random");
	case 8 ... 11:
		madvise(p, n * page_size(), MADV_PAGEOUT);
		return true;
	case 12:
		madvise(p, n * page_size(), MADV_WILLNEED);
		return true;
	case 13:
		madvise(p, n * page_size(), MADV_COLD);
		return true;
	case 14:
		return drop(r, at, n);
	case 15:
		return map_anew(r, at, n);
	case 16 ... 17:
		return region_move(r, at, n, rnd_below(&seed, r->m.pages - n + 1));
	case 18:
		return lock_and_look(r, at, n < 32 ? n : 32);
	case 19:
		return protect_and_look(r, at, n);
	case 20:
		return let_go(r, at, n);
	case 21:
		return reader_start();
	default:	/* a third of all */
		for (i = 0; i < n; i++)
			region_write(r, at + i);
		return true;
	}
}

static bool writer_lives(unsigned int nr, unsigned long pages)
{
	unsigned long i, ops = 0;
	bool good = true;
	double end;

	seed = opt.seed << 8 | nr;
	if (!regions_get(pages))
		return false;
	for (i = 0; i < NR_REGIONS * pages; i++)
		if (i / NR_REGIONS < region[i % NR_REGIONS].m.pages)
			region_write(&region[i % NR_REGIONS], i / NR_REGIONS);
	end = now() + opt.seconds;
	while (good && (opt.ops ? ops < opt.ops : now() < end)) {
		good = one_operation();
		ops++;
	}
	__atomic_add_fetch(&tally->ops, ops, __ATOMIC_RELAXED);
	if (!good)
		fail("writer %u stops at operation %lu", nr, ops);
	for (i = 0; i < NR_REGIONS; i++)
		good &= look(&region[i], 0, region[i].m.pages, "random, at the end");
	return reader_ends() && good;
}

/* The second device goes and comes, in turn with the area, for as long as there is pressure. */
static bool second_turns(unsigned int nr)
{
	int err = nr & 1 ? swapoff(opt.second) :
			   swapon(opt.second, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK);

	/* Where allocations and writes fail, this may; after that it is on or off already. */
	return !err || opt.contents || complain(nr & 1 ? "swapoff of the second device" :
							 "swapon of the second device");
}

/* Its swapoff may have been killed half-way: what is left of it is completed. */
static bool second_off(void)
{
	return !opt.second || !swapoff(opt.second) || errno == EINVAL ||
	       complain("last swapoff of the second device");
}

/* Caches dropped and memory compacted, until it is killed. */
static void stir(void)
{
	unsigned int i;

	for (i = 0;; i++) {
		if (opt.second && !(i % 8) && !second_turns(i / 8))
			_exit(1);
		file_write("/proc/sys/vm/compact_memory", "1");
		if (area.zram >= 0)
			zram_write(area.zram, "compact", "1");
		if (!(i % 4))
			file_write("/proc/sys/vm/drop_caches", i % 8 ? "2" : "3");
		nap_ms(50);
	}
}

static long long swap_outs(void)
{
	static const char * const counter[] = { "pswpout", "zswpout", "swpout_zero" };
	long long sum = 0, n;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counter); i++) {
		n = file_field("/proc/vmstat", counter[i]);
		sum += n > 0 ? n : 0;
	}
	return sum;
}

/* A cgroup that holds a part of @bytes only; false if this machine has none. */
static bool limit_memory(unsigned long bytes)
{
	/* Besides the data, each process needs some memory for itself. */
	unsigned long high = bytes / 2 + (opt.writers << 19);
	unsigned long max = bytes / 8 * 5 + (opt.writers << 20);

	/* Without an area, what does not compress stays: a quarter or more. */
	if (!area.on) {
		high += bytes / 4;
		max += bytes / 4;
	}
	if (!cgroup_make("") || cgroup_write_number("", "memory.high", high))
		return false;
	/* Others may take all swap away, for which nobody is to be killed. */
	if (opt.contents)
		return true;
	if (cgroup_write_number("", "memory.max", max))
		return false;
	/* With an area, zswap gets so little room that it never stops writing back. */
	return !zswap.on || !area.on || (zswap_param("shrinker_enabled", "Y") &&
			     !cgroup_write_number("", "memory.zswap.max", bytes / 16));
}

static long long events(const char *name)
{
	return cgroup_field("", "memory.events", name);
}

static int random_operations(void)
{
	unsigned long pages = data_pages() / opt.writers / NR_REGIONS;
	bool good = true, limited;
	pid_t pid[MAX_WRITERS], stirrer;
	long long outs = swap_outs(), back = vm_event("zswpwb");
	unsigned int i;

	if (pages < 16)
		return skip("--mib is too small for %u processes", opt.writers);
	tally = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		return fail("mmap: %s", strerror(errno));
	thp_allow();
	limited = limit_memory(opt.mib << 20);
	if (!limited)
		ksft_print_msg("no memory cgroup v2: only MADV_PAGEOUT makes pressure\n");
	stirrer = fork_child();
	if (!stirrer)
		stir();
	for (i = 0; i < opt.writers; i++) {
		pid[i] = fork_child();
		if (!pid[i]) {
			if (limited && !cgroup_enter(""))
				_exit(1);
			_exit(!writer_lives(i, pages));
		}
	}
	for (i = 0; i < opt.writers; i++)
		good &= exited_well(pid[i]);
	if (stirrer > 0) {
		good &= !waitpid(stirrer, NULL, WNOHANG);
		kill(stirrer, SIGKILL);
		waitpid(stirrer, NULL, 0);
	}
	good &= second_off();
	outs = swap_outs() - outs;
	back = vm_event("zswpwb") - back;
	ksft_print_msg("%lu operations, %lu forks, %lu pages compared, %lld swapped out\n",
		       tally->ops, tally->forks, tally->checked, outs);
	if (zswap.on)
		ksft_print_msg("%lld pages written back from zswap\n", back);
	if (limited)
		ksft_print_msg("memory cgroup: high %lld times, max %lld times, %lld killed\n",
			       events("high"), events("max"), events("oom_kill"));
	if (outs < (long long)data_pages() / 8 || (limited && events("high") < 1))
		good = fail("there was no pressure") == KSFT_PASS;
	if (!opt.contents && zswap.on && !vswap.on && limited && back < (long long)data_pages() / 8)
		good = fail("hardly a page was written back") == KSFT_PASS;
	munmap(tally, page_size());
	if (good)
		good = store_empties("after all processes");
	return good ? KSFT_PASS : KSFT_FAIL;
}

/* ---- the list of tests ---- */

static const struct test {
	const char *name;
	int (*run)(void);
} tests[] = {
	{ "pages come back from swap as they were", round_trips },
	{ "forked processes keep their own copies of swapped pages", fork_copies },
	{ "a page swapped once serves many processes", many_sharers },
	{ "munmap and exit give back all swap", freed_on_unmap },
	{ "dropped pages are zero or old and never anything else", dropped_contents },
	{ "swapped pages move with mremap", moved_ranges },
	{ "swapped shared memory is the same for all its users", shared_memory },
	{ "huge pages come back from swap as they were", huge_pages },
	{ "swapoff brings back every byte", swapoff_returns_all },
	{ "random operations under pressure keep every byte", random_operations },
};

static void clean_up(void)
{
	memory_put(&mem);
	memory_put(&shm);
	cgroup_stop();
}

static bool store_stop(void)
{
	bool good = area_stop();

	good &= zswap_empties("after swapoff") && vswap_empties("after swapoff");
	zswap.on = false;
	vswap.on = false;
	settings_restore();
	return good;
}

static void stop(void)
{
	clean_up();
	store_stop();
	disk_stop();
}

static void run(const struct test *test, const char *store)
{
	double start = now();
	char name[PATH_MAX];
	int result;

	snprintf(name, sizeof(name), "%s: %s", *store == '/' ? strrchr(store, '/') + 1 : store,
		 test->name);
	seed = opt.seed;
	result = store_start(store);
	if (!result)
		result = test->run();
	clean_up();
	if (!store_stop())
		result = KSFT_FAIL;
	report(result, name);
	ksft_print_msg("%.1f s\n", now() - start);
}

static const char usual[] = "lzo-rle,lz4,zstd,zswap:lzo,zswap+zram:lz4,vswap:lzo,vswap+disk:lz4";

static void print_usage(const char *self)
{
	printf("usage: %s [options]\n"
	       "  -a, --algorithms LIST  what to swap to, with commas: lz4 for zram with this\n"
	       "                         compressor, zswap:lz4 for zswap with it and a disk,\n"
	       "                         zswap+zram:lz4 for zswap with it and zram, vswap:lz4\n"
	       "                         and vswap+disk:lz4 for virtual slots (default\n"
	       "                         %s)\n"
	       "  -d, --device DEVICE    the disk, not one in memory; without -a there is no\n"
	       "                         zram and no zswap, either;\n"
	       "                         WHAT IS ON IT IS LOST; at least twice --mib\n"
	       "  -e, --second DEVICE    another, in use now and then during the random test;\n"
	       "                         WHAT IS ON IT IS LOST\n"
	       "  -m, --mib N            memory to swap (default %lu)\n"
	       "  -p, --processes N      of the random test (default %u, at most %u)\n"
	       "  -t, --time SECONDS     of the random test (default %lu)\n"
	       "  -n, --ops N            end it after so many operations of each process,\n"
	       "                         not after a time\n"
	       "  -r, --random           the random test only\n"
	       "  -c, --contents         only contents count in it: others change settings, and\n"
	       "                         make allocations and writes fail, meanwhile\n"
	       "  -s, --seed N           of all random numbers (default %llu)\n"
	       "  -X, --wrong N          test of the test: expect something wrong in the Nth page\n"
	       "                         a process compares, so that the run must fail\n"
	       "  -h, --help             this\n",
	       self, usual, opt.mib, opt.writers, MAX_WRITERS, opt.seconds, opt.seed);
}

static bool random_only;

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "algorithms", required_argument, NULL, 'a' },
		{ "device", required_argument, NULL, 'd' },
		{ "second", required_argument, NULL, 'e' },
		{ "mib", required_argument, NULL, 'm' },
		{ "processes", required_argument, NULL, 'p' },
		{ "time", required_argument, NULL, 't' },
		{ "ops", required_argument, NULL, 'n' },
		{ "random", no_argument, NULL, 'r' },
		{ "contents", no_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, 's' },
		{ "wrong", required_argument, NULL, 'X' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "a:d:e:m:p:t:n:rcs:X:h", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			opt.stores = optarg;
			break;
		case 'd':
			opt.device = optarg;
			break;
		case 'e':
			opt.second = optarg;
			break;
		case 'm':
			opt.mib = strtoul(optarg, NULL, 0);
			break;
		case 'p':
			opt.writers = strtoul(optarg, NULL, 0);
			break;
		case 't':
			opt.seconds = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			opt.ops = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			random_only = true;
			break;
		case 'c':
			opt.contents = true;
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
	if (optind != argc || opt.mib < 4 || opt.mib > 65536 || !opt.writers ||
	    opt.writers > MAX_WRITERS) {
		fprintf(stderr, "%s: bad arguments, see --help\n", argv[0]);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	char *store[16], *word;
	unsigned int nr = 0, first, i, j;
	bool need_disk = false;

	parse(argc, argv);
	mem.fd = -1;
	shm.fd = -1;
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (access("/proc/swaps", F_OK))
		ksft_exit_skip("the kernel is built without swap\n");
	if (smaps_kb(NULL, 0, "Swap") < 0)
		ksft_exit_skip("the kernel has no /proc/self/smaps to see what is swapped\n");
	cleans_up(stop);

	if (!opt.stores)
		opt.stores = strdup(opt.device ? : usual);
	for (word = strtok(opt.stores, ","); word && nr < ARRAY_SIZE(store);
	     word = strtok(NULL, ",")) {
		need_disk |= *word == '/' || (after(word, "zswap:") && has_zswap()) ||
			     (after(word, "vswap+disk:") && has_vswap());
		store[nr++] = word;
	}
	if (!nr)
		ksft_exit_fail_msg("no compressor is named\n");
	if (opt.second) {
		int err = write_swap_header(opt.second, device_pages(opt.second));

		if (err)
			ksft_exit_fail_msg("%s: %s\n", opt.second, strerror(-err));
	}
	if (need_disk)
		disk_start(opt.device, data_pages() * (opt.device ? 2 : 4));

	ksft_print_msg("seed %llu, %lu MiB, %u processes\n", opt.seed, opt.mib, opt.writers);
	first = random_only ? ARRAY_SIZE(tests) - 1 : 0;
	ksft_set_plan(nr * (ARRAY_SIZE(tests) - first));
	for (i = 0; i < nr; i++)
		for (j = first; j < ARRAY_SIZE(tests); j++)
			run(&tests[j], store[i]);
	ksft_finished();
}
