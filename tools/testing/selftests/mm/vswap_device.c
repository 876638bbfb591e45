// SPDX-License-Identifier: GPL-2.0
/*
 * vswap with devices behind virtual slots, by content: a disk, a file or zram has
 * what zswap does not take or writes back, page tables keep their entries, and
 * swapoff takes all of it off again.
 *
 * What holds for any swap device is tested by the programs for zswap, which do so
 * behind virtual slots as well; devices that fail are in zswap_fail.
 */
#include "zswap_test.h"

static const enum page_kind random_kind[] = { PAGE_RANDOM };

/* ---- where pages are ---- */

static bool device_slots_are(long long slots, const char *when)
{
	if (vswap_slots(SLOTS_DEVICE) == slots)
		return true;
	fail("%s: %lld slots are on the device, should be %lld", when, vswap_slots(SLOTS_DEVICE),
	     slots);
	return false;
}

/* ---- one device ---- */

/* With zswap off all goes to the device, and from there into memory again, at swapoff. */
static int device_alone(void)
{
	unsigned long i;

	if (!zswap_param("enabled", "N") ||
	    !memory_of(&mem, 512, 1, two_kinds, ARRAY_SIZE(two_kinds), 0))
		return KSFT_FAIL;
	count_from_here();
	if (!page_out_all(&mem) || !drop_swap_cache() ||
	    !device_slots_are(mem.pages, "zswap is off") ||
	    !grew_by("pswpout", mem.pages, "zswap is off") ||
	    !grew_by("zswpout", 0, "zswap is off"))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i += 2)
		if (!range_intact(&mem, i, 1, "from the device"))
			return KSFT_FAIL;
	if (!area_off())
		return KSFT_FAIL;
	/* Page tables are as they were. */
	if (swapped(&mem) != mem.pages / 2 || !device_slots_are(0, "swapped off"))
		return fail("after swapoff %lu pages are out, should be %lu", swapped(&mem),
			    mem.pages / 2);
	return intact(&mem, "after swapoff") ? KSFT_PASS : KSFT_FAIL;
}

/* What was out before vswap was enabled is on the device directly. */
static int device_shared(void)
{
	if (!vswap_param("enabled", "N") || !zswap_param("enabled", "N") ||
	    !memory_of_small(&mem, 512) || !page_out_all(&mem) || !vswap_param("enabled", "Y") ||
	    !memory_of_small(&other, 512) || !page_out_all(&other) || !drop_swap_cache() ||
	    !device_slots_are(other.pages, "beside direct entries"))
		return KSFT_FAIL;
	if (!range_intact(&mem, 0, 256, "direct") || !range_intact(&other, 0, 256, "virtual"))
		return KSFT_FAIL;
	if (!area_off() || !device_slots_are(0, "swapped off") ||
	    swapped(&mem) || !swapped(&other))
		return fail("after swapoff %lu direct and %lu virtual entries are there",
			    swapped(&mem), swapped(&other));
	return intact(&mem, "direct, after swapoff") &&
	       intact(&other, "virtual, after swapoff") ? KSFT_PASS : KSFT_FAIL;
}

/* Large folios go where there is no run as long as they are. */
static int device_in_pieces(void)
{
	unsigned long huge = 16, pages = 2048, i;
	long long split, fallback;
	int ret;

	/* An area with holes of one, two... slots between those of others. */
	if (!area_off() || !area_on(disk.node, 6144) || !zswap_param("enabled", "N") ||
	    !memory_of(&other, 5800, 1, random_kind, 1, 0) || !page_out_all(&other) ||
	    !drop_swap_cache())
		return KSFT_FAIL;
	for (i = 0; i < other.pages; i++)
		if (i % 7 < 3 || i % 16 == 9) {
			madvise(page_at(&other, i), page_size(), MADV_DONTNEED);
			other.key[i] = 0;
		}
	ret = huge_memory(huge, pages, random_kind, 1);
	if (ret)
		return ret;
	split = huge_stat(huge, "split");
	fallback = huge_stat(huge, "swpout_fallback");
	count_from_here();
	if (!page_out_all(&mem) || !drop_swap_cache() ||
	    !not_split(huge, split, fallback, "in pieces") ||
	    !grew_by("pswpout", pages, "in pieces"))
		return KSFT_FAIL;
	return intact(&mem, "in pieces") && intact(&other, "between the pieces") ? KSFT_PASS :
										   KSFT_FAIL;
}

/* A full device takes what it can; what it cannot stays, whole. */
static int device_full(void)
{
	if (!area_off() || !area_on(disk.node, 600) || !zswap_param("enabled", "N") ||
	    !memory_of(&mem, 2048, 1, random_kind, 1, 0))
		return KSFT_FAIL;
	madvise(mem.base, mem.pages * page_size(), MADV_PAGEOUT);
	madvise(mem.base, mem.pages * page_size(), MADV_PAGEOUT);
	if (vswap_slots(SLOTS_DEVICE) > 600 || resident(&mem) < mem.pages - 600)
		return fail("%lld slots are on a device of 600", vswap_slots(SLOTS_DEVICE));
	if (vswap_slots(SLOTS_DEVICE) < 300)
		return fail("only %lld slots are on the device", vswap_slots(SLOTS_DEVICE));
	return intact(&mem, "more than the device has") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- swapoff ---- */

#define DEEP	8

/* Change a part, page it out, have a child do the same; look at all when told to. */
static bool sit_in_tree(unsigned int depth, unsigned int *sitting, struct gate *go)
{
	struct memory part = part_of(&mem, rnd_below(&seed, mem.pages - 16), 16);
	pid_t pid = 0;
	bool good;

	renew_all(&part);
	madvise(part.base, part.pages * page_size(), MADV_PAGEOUT);
	if (depth) {
		pid = fork_child();
		if (!pid) {
			seed += depth;
			_exit(!sit_in_tree(depth - 1, sitting, go));
		}
	}
	__atomic_add_fetch(sitting, 1, __ATOMIC_RELEASE);
	gate_wait(go);
	good = intact(&mem, "in a tree, after swapoff");
	return (!pid || exited_well(pid)) && good;
}

static int forks_across_swapoff(void)
{
	unsigned int *sitting;
	struct gate go;
	pid_t pid;
	bool good;

	sitting = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (sitting == MAP_FAILED || !zswap_param("enabled", "N") ||
	    !memory_of(&mem, 512, 1, random_kind, 1, 0) || !page_out_all(&mem))
		return KSFT_FAIL;
	gate_make(&go);
	pid = fork_child();
	if (!pid)
		_exit(!sit_in_tree(DEEP, sitting, &go));
	while (pid > 0 && __atomic_load_n(sitting, __ATOMIC_ACQUIRE) <= DEEP)
		nap_ms(10);
	good = drop_swap_cache() && area_off() && device_slots_are(0, "swapped off");
	if (good && swapped(&mem) != mem.pages)
		good = fail("swapoff has changed a page table") == KSFT_PASS;
	gate_open(&go);
	good &= exited_well(pid);
	munmap(sitting, page_size());
	return good && intact(&mem, "after swapoff") ? KSFT_PASS : KSFT_FAIL;
}

/* It says so soon and nobody is killed; with room it goes on from there. */
static int swapoff_without_room(void)
{
	long long killed = vm_event("oom_kill");
	double start;

	if (!zswap_param("enabled", "N") || !memory_of(&mem, 4096, 1, random_kind, 1, 0) ||
	    !page_out_all(&mem) || !drop_swap_cache() ||
	    !limit(GROUP, "memory.max", cgroup_number(GROUP, "memory.current") + (4 << 20)))
		return KSFT_FAIL;
	start = now();
	if (!swapoff(area.node)) {
		area.on = false;
		return fail("swapoff brought %lu pages where there is no room", mem.pages);
	}
	if (errno != ENOMEM)
		return fail("swapoff without room: %s", strerror(errno));
	ksft_print_msg("swapoff gave up after %.1f s, with %lld pages still out\n", now() - start,
		       vswap_slots(SLOTS_DEVICE));
	if (now() - start > 60 || vm_event("oom_kill") != killed)
		return fail("it took %.1f s, and %lld processes were killed", now() - start,
			    vm_event("oom_kill") - killed);
	if (!intact(&mem, "after half a swapoff") || !limit(GROUP, "memory.max", -1) ||
	    !area_off() || !device_slots_are(0, "swapped off"))
		return KSFT_FAIL;
	return intact(&mem, "after swapoff") ? KSFT_PASS : KSFT_FAIL;
}

/* What memory has lost after it was read and changed is not what the device has still. */
static int memory_failure(void)
{
	unsigned long i;
	int seen;

	if (!zswap_param("enabled", "N") || !memory_of(&mem, 64, 1, random_kind, 1, 0) ||
	    !page_out_all(&mem) || !drop_swap_cache() || !intact(&mem, "from the device"))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i += 2)
		renew(&mem, i);
	if (!memory_fails(1))
		return skip("the kernel handles no memory failures");
	if (!area_off())
		return KSFT_FAIL;
	seen = seen_by_child(0);
	if (seen != 128 + SIGBUS)
		return fail("a lost page: %d and not %d", seen, 128 + SIGBUS);
	return range_intact(&mem, 1, mem.pages - 1, "beside memory that failed") ? KSFT_PASS :
										   KSFT_FAIL;
}

/* ---- limits ---- */

/* Shared memory of twice the group's limit, read ahead as from a disk. */
static int shared_beyond_limit(void)
{
	unsigned int round;

	if (setting_write("/proc/sys/vm/page-cluster", "3") ||
	    !limit(GROUP, "memory.max", cgroup_number(GROUP, "memory.current") + (3 << 20)) ||
	    !memory_get(&mem, (6 << 20) / page_size(), 1, true))
		return KSFT_FAIL;
	for (round = 0; round < 2; round++) {
		if (!zswap_param("enabled", round ? "Y" : "N"))
			return KSFT_FAIL;
		renew_all(&mem);
		if (!intact(&mem, "shared, from first to last") ||
		    !intact(&mem, "shared, once more"))
			return KSFT_FAIL;
	}
	if (!vswap_slots(SLOTS_DEVICE))
		return fail("nothing is on the device");
	return KSFT_PASS;
}

/* What memory.swap.max does not let go to the device stays in zswap. */
static int limit_during_writeback(void)
{
	long long most = 256, now_in;
	double end;

	if (!memory_of_small(&mem, 1024) || !page_out_all(&mem) ||
	    !limit(GROUP, "memory.swap.max", most * page_size()) ||
	    !zswap_param("max_pool_percent", "0"))
		return KSFT_FAIL;
	count_from_here();
	if (!written_back(most / 2))
		return KSFT_FAIL;
	end = now() + PATIENCE;
	while (cgroup_field(GROUP, "memory.swap.events", "max") < 1 && now() < end)
		knock();
	for (end = now() + 2; now() < end;)
		knock();
	now_in = cgroup_number(GROUP, "memory.swap.current") / page_size();
	if (now_in > most || vswap_slots(SLOTS_DEVICE) > most)
		return fail("%lld pages are charged and %lld on the device, the limit is %lld",
			    now_in, vswap_slots(SLOTS_DEVICE), most);
	if (zswap_stored() < (long long)mem.pages - most)
		return fail("%lld pages are left in zswap", zswap_stored());
	if (cgroup_field(GROUP, "memory.swap.events", "max") < 1)
		return fail("memory.swap.events does not know of it");
	if (!intact(&mem, "at the limit") || !intact(&other, "beside the limit"))
		return KSFT_FAIL;
	memory_put(&mem);
	memory_put(&other);
	return swap_comes_back("all is gone") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- writeback ---- */

/* While what they have out is written back, processes begin, read, write and end. */
static int forks_during_writeback(void)
{
	unsigned int round;
	struct memory part;
	unsigned long i;
	pid_t pid[3];
	bool good;

	if (!memory_of_small(&mem, 1024) || !page_out_all(&mem))
		return KSFT_FAIL;
	count_from_here();
	for (round = 0; round < 12; round++) {
		if (!zswap_param("max_pool_percent", "0"))
			return KSFT_FAIL;
		for (i = 0; i < ARRAY_SIZE(pid); i++) {
			pid[i] = fork_child();
			if (pid[i])
				continue;
			seed += round * ARRAY_SIZE(pid) + i;
			part = part_of(&mem, rnd_below(&seed, mem.pages - 128), 128);
			good = intact(&part, "child, written back");
			renew_all(&part);
			madvise(part.base, part.pages * page_size(), MADV_PAGEOUT);
			_exit(!(good && (i || intact(&mem, "child, again"))));
		}
		knock();
		part = part_of(&mem, rnd_below(&seed, mem.pages - 64), 64);
		good = intact(&part, "parent, written back");
		for (i = 0; i < part.pages; i++)
			renew_small(&part, i);
		for (i = 0; i < ARRAY_SIZE(pid); i++)
			good &= exited_well(pid[i]);
		if (!good || !zswap_param("max_pool_percent", "50") || !page_out(&mem))
			return KSFT_FAIL;
	}
	ksft_print_msg("%lld pages written back\n", grown("zswpwb"));
	/* How many of them depends on who is faster; a sixth of what is usual is enough. */
	if (grown("zswpwb") < (long long)mem.pages / 6)
		return fail("only %lld pages were written back", grown("zswpwb"));
	return intact(&mem, "after all children") && intact(&other, "beside") ? KSFT_PASS :
										KSFT_FAIL;
}

/* ---- other devices ---- */

/* What two kinds of pages become on the way out and in, and at swapoff. */
static int round_trip(void)
{
	unsigned long i;

	if (!zswap_param("enabled", "N") ||
	    !memory_of(&mem, 1024, 1, two_kinds, ARRAY_SIZE(two_kinds), 0) || !page_out_all(&mem) ||
	    !drop_swap_cache() || !device_slots_are(mem.pages, area.node) ||
	    !range_intact(&mem, 0, mem.pages / 2, area.node))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i += 3)
		renew(&mem, i);
	if (!page_out_all(&mem) || !drop_swap_cache() ||
	    !range_intact(&mem, mem.pages / 4, mem.pages / 4, "out again"))
		return KSFT_FAIL;
	return area_off() && device_slots_are(0, "swapped off") &&
	       intact(&mem, "after swapoff") ? KSFT_PASS : KSFT_FAIL;
}

/* zram has a disk of its own, to which it writes what it has. */
static int zram_with_disk(void)
{
	unsigned long long written;
	int ret;

	if (!area_off())
		return KSFT_FAIL;
	ret = area_on_zram(NULL, disk.node, disk.pages);
	if (ret)
		return ret;
	if (!zswap_param("enabled", "N") ||
	    !memory_of(&mem, 1024, 1, two_kinds, ARRAY_SIZE(two_kinds), 0) ||
	    !page_out_all(&mem) || !drop_swap_cache() ||
	    !device_slots_are(mem.pages, "on zram"))
		return KSFT_FAIL;
	if (zram_write(area.zram, "idle", "all") || zram_write(area.zram, "writeback", "huge") ||
	    zram_write(area.zram, "writeback", "idle") ||
	    !zram_numbers(area.zram, "bd_stat", &written, 1))
		return fail("zram does not write back");
	if (written < mem.pages * 3 / 4)
		return fail("zram has written back %llu of %lu pages", written, mem.pages);
	if (!range_intact(&mem, 0, mem.pages / 2, "written back by zram"))
		return KSFT_FAIL;
	return area_off() && intact(&mem, "after swapoff") ? KSFT_PASS : KSFT_FAIL;
}

#define FILE_PAGES	2048

static int swap_file(void)
{
	int ret = file_in_pieces(FILES "/swap", FILE_PAGES);

	if (!ret)
		ret = area_on(FILES "/swap", FILE_PAGES) ? round_trip() : KSFT_FAIL;
	memory_put(&mem);
	if (!ret)
		ret = area_on(FILES "/swap", FILE_PAGES) ?
		      huge_memory(16, 1024, random_kind, 1) : KSFT_FAIL;
	/* Folios larger than what is left of a piece. */
	if (!ret && !(page_out_all(&mem) && drop_swap_cache() && intact(&mem, "large folios")))
		ret = KSFT_FAIL;
	memory_put(&mem);
	return files_done(ret);
}

static int swap_file_on_loop(void)
{
	int ret = file_in_pieces(FILES "/swap", FILE_PAGES), file, loop = -1;
	char node[32];

	if (!ret) {
		file = open(FILES "/swap", O_RDWR);
		loop = loop_attach(file, node, sizeof(node));
		close(file);
		ret = loop < 0 ? fail("loop: %s", strerror(-loop)) :
		      area_on(node, FILE_PAGES) ? round_trip() : KSFT_FAIL;
	}
	memory_put(&mem);
	if (area.on && !area_off())
		ret = KSFT_FAIL;
	if (loop >= 0)
		close(loop);
	return files_done(ret);
}

static void clean_up(void)
{
	if (files_mounted)
		files_done(KSFT_PASS);
}

static const struct test tests[] = {
	{ "without zswap all is on the device, and swapoff finds it", device_alone, ONLY_BEHIND },
	{ "direct entries and virtual ones are on one device", device_shared, ONLY_BEHIND },
	{ "large folios go to the device in pieces", device_in_pieces, ONLY_BEHIND },
	{ "a device too small takes what it can", device_full, ONLY_BEHIND },
	{ "a tree of forks keeps its entries across swapoff", forks_across_swapoff, ONLY_BEHIND },
	{ "swapoff without room says so and goes on later", swapoff_without_room, ONLY_BEHIND },
	{ "memory that failed is not what the device has", memory_failure, ONLY_BEHIND },
	{ "shared memory beyond a limit is read ahead", shared_beyond_limit, ONLY_BEHIND },
	{ "writeback stops at memory.swap.max", limit_during_writeback, ONLY_BEHIND },
	{ "processes begin and end during writeback", forks_during_writeback, ONLY_BEHIND },
	{ "zram writes to its own disk what it has", zram_with_disk, ONLY_BEHIND },
	{ "a swap file in pieces", swap_file, ONLY_BEHIND },
	{ "a swap file in pieces, on a loop device", swap_file_on_loop, ONLY_BEHIND },
};

int main(int argc, char **argv)
{
	vswap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
