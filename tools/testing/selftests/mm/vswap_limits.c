// SPDX-License-Identifier: GPL-2.0
/*
 * vswap where something ends: memory, a cgroup's share of it, zswap's, or what
 * the tables may take. Nobody loses a page, who must die does so soon, and what
 * was taken is given back. And what the machine shows of all that.
 */
#include "zswap_test.h"

static pid_t watcher;
static void *ballast;
static unsigned long ballast_bytes;

static void clean_up(void)
{
	if (ballast)
		munmap(ballast, ballast_bytes);
	ballast = NULL;
	if (watcher > 0) {
		kill(watcher, SIGKILL);
		waitpid(watcher, NULL, 0);
	}
	watcher = 0;
}

/* ---- helpers ---- */

/* Lock all memory but a rest. 0, or what the test returns. */
static int lock_all_but(unsigned long rest)
{
	unsigned long free;

	if (file_field("/proc/meminfo", "MemTotal") > 4 << 20)
		return skip("to fill more than 4 GiB would take long");
	if (file_field("/proc/meminfo", "SwapTotal") > 0)
		return skip("this machine has other swap");
	file_write("/proc/sys/vm/drop_caches", "3");
	free = file_field("/proc/meminfo", "MemFree") * 1024;
	if (free <= rest)
		return KSFT_PASS;
	ballast_bytes = (free - rest) / page_size() * page_size();
	ballast = mmap(NULL, ballast_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (ballast == MAP_FAILED) {
		ballast = NULL;
		return fail("no %lu MiB: %s", ballast_bytes >> 20, strerror(errno));
	}
	return mlock(ballast, ballast_bytes) ?
	       fail("%lu MiB cannot be locked: %s", ballast_bytes >> 20, strerror(errno)) :
	       KSFT_PASS;
}

/* Try hard to have it out. */
static void push(struct memory *m)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		madvise(m->base, m->pages * page_size(), MADV_PAGEOUT);
		reclaim(m->pages / 4);
	}
}

static bool nothing_out(struct memory *m, const char *when)
{
	push(m);
	if (resident(m) == m->pages && !swapped(m))
		return true;
	fail("%s: %lu of %lu pages are out, and %lu are swapped", when, m->pages - resident(m),
	     m->pages, swapped(m));
	return false;
}

static bool used_falls_to(long long slots, const char *when)
{
	double end = now() + PATIENCE;

	/* A folio that reclaim had locked keeps its slot until it is reclaimed itself. */
	while (vswap_used() > slots + 16) {
		if (now() > end) {
			fail("%s: %lld slots are in use, should be %lld", when, vswap_used(),
			     slots);
			return false;
		}
		nap_ms(20);
	}
	return true;
}

/* ---- all memory ---- */

/* Pages that were free at the worst moment, seen by a child. */
static struct {
	bool stop;
	long long least;
} *watch;

static void watch_free(void)
{
	long long free;

	if (!lock_self())
		_exit(1);
	while (!__atomic_load_n(&watch->stop, __ATOMIC_RELAXED)) {
		free = vm_event("nr_free_pages");
		if (free < watch->least)
			watch->least = free;
		nap_ms(1);
	}
	_exit(0);
}

static bool watch_start(void)
{
	watch = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (watch == MAP_FAILED) {
		watch = NULL;
		return false;
	}
	watch->least = LLONG_MAX;
	watcher = fork_child();
	if (!watcher)
		watch_free();
	return watcher > 0;
}

/* Pages that all zones together keep for those who free memory. */
static long long reserve(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	long long sum = 0, min;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " min %lld", &min) == 1)
			sum += min;
	if (f)
		fclose(f);
	return sum;
}

/* Tables are made from the upper half of the reserve at most. */
static bool watch_stop(void)
{
	long long least = watch->least, most = reserve();

	__atomic_store_n(&watch->stop, true, __ATOMIC_RELAXED);
	if (!exited_well(watcher))
		return false;
	watcher = 0;
	ksft_print_msg("at least %lld pages were free, the reserve has %lld\n", least, most);
	if (least >= most / 4)
		return true;
	fail("the reserve of %lld pages was down to %lld", most, least);
	return false;
}

/*
 * Use half as much again as the rest, anonymous and shared: with what is locked it
 * is more than there is.
 */
static int more_than_memory(void)
{
	unsigned long rest = opt.mib << 21, pages = rest * 3 / 2 / page_size(), i;
	bool good = true;
	int ret = lock_all_but(rest);

	if (ret)
		return ret;
	if (!memory_get(&other, pages / 3, 1, true))
		return KSFT_FAIL;
	count_from_here();
	if (!watch_start())
		return KSFT_FAIL;
	for (i = 0; i < other.pages; i++)
		renew_small(&other, i);
	if (!memory_of_small(&mem, pages * 2 / 3))
		return KSFT_FAIL;
	good = intact(&other, "shared, more than memory") && intact(&mem, "more than memory");
	for (i = 0; i < other.pages; i += 3)
		renew_small(&other, i);
	for (i = 0; i < mem.pages; i += 3)
		renew_small(&mem, i);
	good &= intact(&other, "shared, partly new") && intact(&mem, "partly new");
	good &= watch_stop();
	ksft_print_msg("%lu MiB locked, %lu pages in %lu MiB: %lld stored, %lld loaded\n",
		       ballast_bytes >> 20, mem.pages + other.pages, rest >> 20,
		       grown("vswpout"), grown("vswpin"));
	if (grown("vswpout") < (long long)pages / 4 || grown("vswpin") < (long long)pages / 4)
		good = fail("there was no pressure") == KSFT_PASS;
	if (grown("oom_kill"))
		good = fail("somebody was killed") == KSFT_PASS;
	return good ? KSFT_PASS : KSFT_FAIL;
}

/* The same with the other kind of LRU lists. */
static int more_than_memory_lru(void)
{
	static const char file[] = "/sys/kernel/mm/lru_gen/enabled";
	char is[32];

	if (file_read(file, is, sizeof(is)) < 0)
		return skip("the kernel is built without the multi-generational LRU");
	if (setting_write(file, strtol(is, NULL, 0) & 1 ? "0" : "7"))
		return fail("%s cannot be set", file);
	return more_than_memory();
}

/* What is out stays out, and is what it was; what the dead had is given back. */
static int survive(long long slots, const char *when)
{
	if (grown("oom_kill") != 1)
		return fail("%s: %lld processes were killed", when, grown("oom_kill"));
	if (!used_falls_to(slots, when) || !intact(&mem, when))
		return KSFT_FAIL;
	return page_out(&mem) && intact(&mem, "out again") ? KSFT_PASS : KSFT_FAIL;
}

static int oom_in_group(void)
{
	long long slots;

	if (!memory_of_small(&mem, 1024) || !page_out_all(&mem))
		return KSFT_FAIL;
	slots = vswap_used();
	count_from_here();
	if (!hog_dies_in_group())
		return KSFT_FAIL;
	return survive(slots, "after OOM in a group");
}

static int oom_of_all(void)
{
	double begin;
	int ret;

	if (!memory_of_small(&mem, 1024) || !page_out_all(&mem))
		return KSFT_FAIL;
	ret = lock_all_but(opt.mib << 21);
	if (ret)
		return ret;
	count_from_here();
	hog = fork_child();
	if (!hog) {
		if (file_write("/proc/self/oom_score_adj", "1000"))
			_exit(3);
		eat(file_field("/proc/meminfo", "MemTotal") * 2048);
	}
	begin = now();
	if (!hog_dies())
		return KSFT_FAIL;
	ksft_print_msg("killed after %.1f s\n", now() - begin);
	/* Others may have pages out, too, but the dead had far more. */
	return survive(mem.pages + OTHERS, "after OOM");
}

/* ---- cgroups ---- */

static int swap_max_zero(const char *group)
{
	if (!memory_of_small(&mem, 256) || !memory_of_small(&other, 256) ||
	    !page_out_all(&other) || !limit(group, "memory.swap.max", 0))
		return KSFT_FAIL;
	count_from_here();
	if (!nothing_out(&mem, "memory.swap.max=0") ||
	    !grew_by("vswpout", 0, "memory.swap.max=0"))
		return KSFT_FAIL;
	/* What is out already is not lost, and does not go out again. */
	if (!intact(&other, "memory.swap.max=0") || !nothing_out(&other, "memory.swap.max=0"))
		return KSFT_FAIL;
	/* Any other limit is one of devices, of which nothing is used. */
	if (!limit(group, "memory.swap.max", page_size()) || !page_out_all(&mem) ||
	    !stored_is(mem.pages, "memory.swap.max of one page"))
		return KSFT_FAIL;
	if (cgroup_number(GROUP, "memory.swap.current"))
		return fail("%lld bytes of swap are charged",
			    cgroup_number(GROUP, "memory.swap.current"));
	return intact(&mem, "memory.swap.max of one page") ? KSFT_PASS : KSFT_FAIL;
}

static int swap_max_zero_of_group(void)
{
	return swap_max_zero(GROUP);
}

static int swap_max_zero_above(void)
{
	return swap_max_zero("");
}

/* Limits of zswap: none, some, then enough; the rest stays in memory. */
static int zswap_max(const char *group)
{
	static const enum page_kind kinds[] = { PAGE_PART, PAGE_TAIL };
	unsigned long most = 1 << 19;
	long long charged, out;

	if (!memory_of(&mem, 768, 1, kinds, ARRAY_SIZE(kinds), page_size() / 2) ||
	    !limit(group, "memory.zswap.max", 0))
		return KSFT_FAIL;
	count_from_here();
	push(&mem);
	if (resident(&mem) != mem.pages || !grew_by("vswpout", 0, "memory.zswap.max=0") ||
	    !intact(&mem, "memory.zswap.max=0"))
		return fail("memory.zswap.max=0: %lu of %lu pages are in memory", resident(&mem),
			    mem.pages);
	if (!limit(group, "memory.zswap.max", most))
		return KSFT_FAIL;
	push(&mem);
	charged = cgroup_number(GROUP, CURRENT);
	out = mem.pages - resident(&mem);
	ksft_print_msg("%lld bytes charged, %lld pages out\n", charged, out);
	if (charged > (long long)most * 9 / 8 || charged < (long long)most / 2)
		return fail("%lld bytes are charged, the limit is %lu", charged, most);
	if (!stored_is(out, "limited") || !intact(&mem, "limited"))
		return KSFT_FAIL;
	if (cgroup_number(GROUP, CURRENT))
		return fail("%lld bytes are charged for nothing", cgroup_number(GROUP, CURRENT));
	if (!limit(group, "memory.zswap.max", -1) || !page_out_all(&mem) ||
	    !stored_is(mem.pages, "without a limit"))
		return KSFT_FAIL;
	return intact(&mem, "without a limit") ? KSFT_PASS : KSFT_FAIL;
}

static int zswap_max_of_group(void)
{
	return limit("", "memory.zswap.max", 64 << 20) ? zswap_max(GROUP) : KSFT_FAIL;
}

static int zswap_max_above(void)
{
	return limit(GROUP, "memory.zswap.max", 64 << 20) ? zswap_max("") : KSFT_FAIL;
}

/* Who reads a page does not pay for it: it goes back to the group that had it. */
static int read_by_another_group(void)
{
	long long owner, reader, bytes = 512 * page_size();
	bool good;

	if (!group_below("/owner") || !group_below("/reader") || !cgroup_enter("/owner") ||
	    !memory_of_small(&mem, 512) || !page_out_all(&mem) || !cgroup_enter("/reader"))
		return KSFT_FAIL;
	good = intact(&mem, "read in another group");
	owner = cgroup_field("/owner", "memory.stat", "anon");
	reader = cgroup_field("/reader", "memory.stat", "anon");
	if (owner < bytes * 9 / 10 || reader > bytes / 10)
		good = fail("of %lld bytes the owner has %lld and the reader %lld", bytes, owner,
			    reader) == KSFT_PASS;
	memory_put(&mem);
	good &= cgroup_enter(GROUP) && cgroup_remove("/owner") && cgroup_remove("/reader");
	return good ? KSFT_PASS : KSFT_FAIL;
}

#define GROUPS	12

/* Have all out in one group, leave it and have it removed; then, or never, look. */
static bool outlive(const char *group, struct gate *gate, bool look)
{
	if (!lock_self() || !cgroup_enter(group) || !memory_of_small(&mem, 128) ||
	    !page_out_all(&mem) || !cgroup_enter(GROUP) || !cgroup_remove(group))
		return false;
	gate_wait(gate);
	return !look || intact(&mem, "of a group that is gone");
}

static int removed_groups(void)
{
	double end = now() + PATIENCE;
	struct gate gate;
	pid_t pid[GROUPS];
	char group[16];
	unsigned int i;
	bool good = true;

	gate_make(&gate);
	for (i = 0; i < GROUPS; i++) {
		snprintf(group, sizeof(group), "/g%u", i);
		if (!group_below(group))
			return KSFT_FAIL;
		pid[i] = fork_child();
		if (!pid[i]) {
			seed += i;
			_exit(!outlive(group, &gate, i % 2));
		}
	}
	while (cgroup_field("", "cgroup.stat", "nr_descendants") > 1 && now() < end)
		nap_ms(20);
	if (vswap_used() != GROUPS * 128)
		good = fail("%lld slots are in use, should be %u", vswap_used(),
			    GROUPS * 128) == KSFT_PASS;
	gate_open(&gate);
	for (i = 0; i < GROUPS; i++)
		good &= exited_well(pid[i]);
	if (!good || !vswap_empties("after all groups"))
		return KSFT_FAIL;
	return groups_die() ? KSFT_PASS : KSFT_FAIL;
}

/* ---- tables ---- */

/* What tables there are may be used, but no more. */
#define KEPT	4096

static int no_tables(void)
{
	long long refused = vswap_stat("fallback_limit"), out;
	int ret = vswap_start(true);

	if (ret)
		return ret;
	if (!memory_of_small(&mem, 2 * KEPT) || !vswap_param("max_table_percent", "0"))
		return KSFT_FAIL;
	count_from_here();
	if (area.on ? !page_out_all(&mem) : (push(&mem), false))
		return KSFT_FAIL;
	out = mem.pages - resident(&mem);
	refused = vswap_stat("fallback_limit") - refused;
	ksft_print_msg("%lld slots in use, %lld pages out, %lld fallbacks\n", vswap_used(), out,
		       refused);
	if (vswap_used() > KEPT || vswap_stat("table_bytes") > vswap_idle_bytes() + KEPT * 24)
		return fail("%lld slots are in use, with %lld bytes", vswap_used(),
			    vswap_stat("table_bytes"));
	if (refused < 1 || grown("vswpout_fallback") < refused)
		return fail("%lld pages are counted as refused, %lld in all", refused,
			    grown("vswpout_fallback"));
	if (!area.on && out != vswap_used())
		return fail("%lld pages are out, but %lld slots in use", out, vswap_used());
	if (!intact(&mem, "no tables") || !vswap_param("max_table_percent", "2"))
		return KSFT_FAIL;
	/* New memory: what has a place on the device would go there again. */
	memory_put(&mem);
	if (!memory_of_small(&mem, 2 * KEPT) || !page_out_all(&mem))
		return KSFT_FAIL;
	if (vswap_used() != (long long)mem.pages)
		return fail("with tables again, %lld slots are in use", vswap_used());
	return intact(&mem, "tables again") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- what is shown ---- */

/* kB of a line of /proc/self/smaps_rollup or the like. */
static bool shows(const char *path, const char *name, long long value)
{
	long long is = file_field(path, name);

	if (is == value)
		return true;
	fail("%s: %s is %lld, should be %lld", path, name, is, value);
	return false;
}

static bool group_shows(const char *file, long long value)
{
	long long is = cgroup_number(GROUP, file);

	if (is == value)
		return true;
	fail("%s is %lld, should be %lld", file, is, value);
	return false;
}

/* "Used" of the area in /proc/swaps, in kB; -1 if it has no area at all. */
static long long area_used(void)
{
	long long used = -1;
	char line[256];
	FILE *f = fopen("/proc/swaps", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "/%*s %*s %*d %lld", &used);
	if (f)
		fclose(f);
	return used;
}

/*
 * The three states: vswap off, on without an area, on with one; here all that is
 * out is in zswap. Documentation/admin-guide/mm/vswap.rst has the table.
 */
static bool numbers_are_right(bool on)
{
	long long kb = 512 * page_size() / 1024, total, zswapped, stored;
	long long on_device = on ? 0 : kb;
	unsigned long half;
	bool good;
	pid_t pid;

	zswapped = file_field("/proc/meminfo", "Zswapped");
	total = area.on ? (disk.pages - 1) * page_size() / 1024 : 0;
	if (!memory_of_small(&mem, 512) || !page_out_all(&mem))
		return false;
	stored = cgroup_number(GROUP, CURRENT);
	good = shows("/proc/meminfo", "SwapTotal", total) &&
	       shows("/proc/meminfo", "Zswapped", zswapped + kb) &&
	       shows("/proc/self/status", "VmSwap", kb) &&
	       shows("/proc/self/smaps_rollup", "Swap", kb) &&
	       shows("/proc/self/smaps_rollup", "SwapPss", kb) &&
	       group_shows("memory.swap.current", on_device * 1024);
	/* CPUs may keep slots of the device, and count them as in use. */
	if (good && (swap_free_kb() > total - on_device ||
		     swap_free_kb() < total - on_device - (long long)slot_slack() * 4))
		good = fail("SwapFree is %lld kB of %lld with %lld kB there", swap_free_kb(), total,
			    on_device) == KSFT_PASS;
	if (good && (area.on ? area_used() < on_device : area_used() >= 0))
		good = fail("/proc/swaps shows %lld kB", area_used()) == KSFT_PASS;
	if (good && (stored < kb * 1024 / 20 || stored > kb * 1024 / 2))
		good = fail("%lld kB out are charged as %lld bytes", kb, stored) == KSFT_PASS;
	/* Shared with a child, each has half. */
	half = kb / 2;
	pid = fork_child();
	if (!pid)
		_exit(!shows("/proc/self/smaps_rollup", "SwapPss", half));
	good &= exited_well(pid);
	good &= intact(&mem, "counted") && shows("/proc/self/status", "VmSwap", 0);
	memory_put(&mem);
	return good;
}

static int numbers(void)
{
	int ret = vswap_start(true);

	if (ret)
		return ret;
	if (!numbers_are_right(true))
		return KSFT_FAIL;
	if (!area.on)
		return KSFT_PASS;
	return vswap_param("enabled", "N") && numbers_are_right(false) ? KSFT_PASS : KSFT_FAIL;
}

static const struct test tests[] = {
	{ "memory.swap.max=0: nothing is swapped", swap_max_zero_of_group, NO_AREA },
	{ "memory.swap.max=0 above: nothing is swapped", swap_max_zero_above, NO_AREA },
	{ "memory.zswap.max holds, the rest stays in memory", zswap_max_of_group, NO_AREA },
	{ "memory.zswap.max above holds, the rest stays in memory", zswap_max_above, NO_AREA },
	{ "a page goes back to the group that had it", read_by_another_group, NO_AREA },
	{ "pages of removed cgroups can be read", removed_groups, NO_AREA },
	{ "without memory for tables nothing is lost", no_tables, VIRTUAL },
	{ "swap is counted as it should be", numbers, VIRTUAL },
	{ "who fills a cgroup is killed, and others lose nothing", oom_in_group, NO_AREA },
	{ "more than all memory is swapped and comes back", more_than_memory, NO_AREA | CROWDS },
	{ "... with the other kind of LRU lists", more_than_memory_lru, NO_AREA | CROWDS },
	{ "who fills all memory is killed, and others lose nothing", oom_of_all,
	  NO_AREA | CROWDS },
};

int main(int argc, char **argv)
{
	vswap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
