// SPDX-License-Identifier: GPL-2.0
/*
 * zswap and memory cgroups: a limit holds for the group and all above it, a
 * group that may not write back writes nothing, and what a group has in zswap
 * outlives the group.
 *
 * The program has a group for itself, and one below it in which tests run.
 */
#include "zswap_test.h"

static void clean_up(void)
{
}

/* ---- helpers ---- */

/* Pages that zswap makes about half as large, all of them. */
static bool memory_of_halves(struct memory *m, unsigned long pages)
{
	static const enum page_kind kinds[] = { PAGE_PART, PAGE_TAIL };

	return memory_of(m, pages, 1, kinds, ARRAY_SIZE(kinds), page_size() / 2);
}

/* memory.stat is brought up to date every 2 seconds, or when much has changed. */
static bool stat_becomes(const char *group, const char *name, long long value)
{
	double end = now() + PATIENCE;
	long long is;

	while ((is = cgroup_field(group, "memory.stat", name)) != value) {
		if (now() > end) {
			fail("memory.stat: %s is %lld, and not %lld", name, is, value);
			return false;
		}
		nap_ms(50);
	}
	return true;
}

/* Neither to the group of tests nor to the one above. */
static bool charged_nothing(const char *when)
{
	double end = now() + PATIENCE;

	while (cgroup_number("", CURRENT) || cgroup_number(GROUP, CURRENT) ||
	       cgroup_field("", "memory.stat", "zswapped")) {
		if (now() > end) {
			fail("%s: %s is %lld, of all %lld, %lld bytes are zswapped", when, CURRENT,
			     cgroup_number(GROUP, CURRENT), cgroup_number("", CURRENT),
			     cgroup_field("", "memory.stat", "zswapped"));
			return false;
		}
		nap_ms(20);
	}
	return true;
}

/* ---- limits ---- */

static int what_is_charged(void)
{
	long long bytes;

	if (!memory_of_halves(&mem, 512) || !page_out_all(&mem) ||
	    !stored_is(mem.pages, "without a limit"))
		return KSFT_FAIL;
	if (!stat_becomes(GROUP, "zswapped", mem.pages * page_size()) ||
	    !stat_becomes(GROUP, "zswpout", mem.pages))
		return KSFT_FAIL;
	bytes = cgroup_number(GROUP, CURRENT);
	if (bytes < (long long)(mem.pages * page_size() / 3) ||
	    bytes > (long long)(mem.pages * page_size() * 2 / 3))
		return fail("%lu pages of which half compresses are charged as %lld bytes",
			    mem.pages, bytes);
	if (!stat_becomes(GROUP, "zswap", bytes) || !stat_becomes("", "zswap", bytes))
		return KSFT_FAIL;
	if (!intact(&mem, "charged") || !charged_nothing("after reading all") ||
	    !stat_becomes(GROUP, "zswpin", mem.pages))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;
	memory_put(&mem);
	return charged_nothing("after munmap") ? KSFT_PASS : KSFT_FAIL;
}

static bool nothing_is_stored(const char *when)
{
	count_from_here();
	if (!page_out_all(&mem) || !grew_by("zswpout", 0, when) ||
	    !grew_by("pswpout", mem.pages, when) || !stored_is(0, when) ||
	    !drop_swap_cache() || !intact(&mem, when))
		return false;
	if (zswap_is_new() &&
	    (!grew_by("zswp_reject_memcg", mem.pages, when) ||
	     !stat_becomes(GROUP, "zswp_reject_memcg", mem.pages)))
		return false;
	renew_all(&mem);
	return true;
}

static int max_zero(void)
{
	if (!memory_of_small(&mem, 256))
		return KSFT_FAIL;
	if (!limit(GROUP, "memory.zswap.max", 0) || !nothing_is_stored("memory.zswap.max=0"))
		return KSFT_FAIL;
	return cgroup_number(GROUP, CURRENT) ? fail("something is charged") : KSFT_PASS;
}

static int max_zero_above(void)
{
	if (!memory_of_small(&mem, 256))
		return KSFT_FAIL;
	return limit("", "memory.zswap.max", 0) && nothing_is_stored("memory.zswap.max=0 above") ?
	       KSFT_PASS : KSFT_FAIL;
}

/*
 * Store far more than the limit and see that it holds, give or take what several
 * CPUs may store at the same time; what is too much is written back.
 */
static int limit_holds(const char *limited)
{
	unsigned long most = 1 << 19;
	long long charged;
	double end;

	if (!limit(limited, "memory.zswap.max", most) || !memory_of_halves(&mem, 768))
		return KSFT_FAIL;
	count_from_here();
	if (!page_out_all(&mem))
		return KSFT_FAIL;
	end = now() + PATIENCE;
	do {
		charged = cgroup_number(GROUP, CURRENT);
		nap_ms(50);
	} while (charged != cgroup_number("", CURRENT) && now() < end);
	if (charged != cgroup_number("", CURRENT))
		return fail("%lld bytes are charged to the group, %lld to the one above", charged,
			    cgroup_number("", CURRENT));
	if (charged > (long long)most * 9 / 8 || charged < (long long)most / 2)
		return fail("%lld bytes are charged, the limit is %lu", charged, most);
	if (!stat_becomes(GROUP, "zswpwb", grown("zswpwb")))
		return KSFT_FAIL;
	if (grown("zswpwb") < 100)
		return fail("%lld pages were written back", grown("zswpwb"));
	ksft_print_msg("%lld bytes charged, %lld pages written back\n", charged, grown("zswpwb"));
	if (!drop_swap_cache() || !intact(&mem, "limited"))
		return KSFT_FAIL;
	return charged_nothing("after reading all") ? KSFT_PASS : KSFT_FAIL;
}

static int limit_of_group(void)
{
	return limit_holds(GROUP);
}

/* The lower of the two counts, wherever it is. */
static int limit_above(void)
{
	return limit(GROUP, "memory.zswap.max", 64 << 20) ? limit_holds("") : KSFT_FAIL;
}

static int limit_below(void)
{
	return limit("", "memory.zswap.max", 64 << 20) ? limit_holds(GROUP) : KSFT_FAIL;
}

/* ---- no writeback ---- */

/* Nothing may get to the device in any way; all can be read. */
static bool nothing_is_written(const char *when)
{
	return grew_by("pswpout", 0, when) && grew_by("zswpwb", 0, when);
}

static int no_writeback(const char *set_on)
{
	static const enum page_kind random[] = { PAGE_RANDOM };
	unsigned long half = 256;
	long long kept;
	struct memory part;

	if (cgroup_write(set_on, "memory.zswap.writeback", "0"))
		return fail("memory.zswap.writeback=0 is refused");
	if (!memory_of_small(&mem, half))
		return KSFT_FAIL;
	count_from_here();
	if (!page_out_all(&mem) || !nothing_is_written("no writeback") ||
	    !stored_is(half, "no writeback"))
		return KSFT_FAIL;

	/* What does not compress: kept as it is, or not swapped at all. */
	if (!memory_of(&other, half, 1, random, 1, 0))
		return KSFT_FAIL;
	madvise(other.base, other.pages * page_size(), MADV_PAGEOUT);
	kept = zswap_stat("stored_incompressible_pages");
	if (zswap_is_new()) {
		if (!page_out_all(&other))
			return KSFT_FAIL;
		kept = zswap_stat("stored_incompressible_pages");
		if (kept != (long long)half || !stored_is(2 * half, "random, too"))
			return fail("%lld of %lu random pages are kept", kept, half);
		if (cgroup_number(GROUP, CURRENT) < (long long)(half * page_size()))
			return fail("%lu pages are charged as %lld bytes", half,
				    cgroup_number(GROUP, CURRENT));
	}
	if (!nothing_is_written("no writeback, random"))
		return KSFT_FAIL;

	/* At the limit, and with a full pool, pages stay in memory. */
	if (!limit(set_on, "memory.zswap.max", cgroup_number(set_on, CURRENT)))
		return KSFT_FAIL;
	part = part_of(&mem, 0, half / 2);
	if (!range_intact(&mem, 0, half / 2, "no writeback"))
		return KSFT_FAIL;
	renew_all(&part);
	madvise(part.base, part.pages * page_size(), MADV_PAGEOUT);
	if (!nothing_is_written("no writeback, at the limit") ||
	    !limit(set_on, "memory.zswap.max", -1) || !zswap_param("max_pool_percent", "0"))
		return KSFT_FAIL;
	renew_all(&part);
	madvise(part.base, part.pages * page_size(), MADV_PAGEOUT);
	reclaim(64);
	if (!nothing_is_written("no writeback, pool full"))
		return KSFT_FAIL;
	if (!intact(&mem, "no writeback") || !intact(&other, "no writeback, random") ||
	    !nothing_is_written("no writeback, read"))
		return KSFT_FAIL;
	memory_put(&mem);
	memory_put(&other);
	if (zswap_is_new() && zswap_stat("stored_incompressible_pages"))
		return fail("%lld pages are counted as incompressible, and none is there",
			    zswap_stat("stored_incompressible_pages"));
	return charged_nothing("no writeback, all gone") ? KSFT_PASS : KSFT_FAIL;
}

static int no_writeback_of_group(void)
{
	return no_writeback(GROUP);
}

static int no_writeback_above(void)
{
	return no_writeback("");
}

/* A huge page with some that do not compress is kept whole. */
static int no_writeback_huge(void)
{
	static const enum page_kind kinds[] = { PAGE_TEXT, PAGE_RANDOM, PAGE_PART, PAGE_ZERO };
	unsigned long huge = huge_pages_of();

	if (!zswap_is_new())
		return skip("this zswap takes no large folios");
	if (!huge || !thp_allow())
		return skip("the kernel has no huge pages");
	if (cgroup_write(GROUP, "memory.zswap.writeback", "0"))
		return fail("memory.zswap.writeback=0 is refused");
	if (!memory_of(&mem, 2 * huge, huge, kinds, ARRAY_SIZE(kinds), page_size() / 4))
		return KSFT_FAIL;
	if (smaps_kb(mem.base, mem.pages * page_size(), "AnonHugePages") * 1024 !=
	    (long)(mem.pages * page_size()))
		return skip("memory is too fragmented for 2 huge pages");
	count_from_here();
	if (!page_out_all(&mem) || !nothing_is_written("huge, no writeback") ||
	    !grew_by("thp_split_page", 0, "huge, no writeback") ||
	    !stored_is(mem.pages, "huge, no writeback"))
		return KSFT_FAIL;
	if (zswap_stat("stored_incompressible_pages") != (long long)mem.pages / 4)
		return fail("%lld pages are counted as incompressible",
			    zswap_stat("stored_incompressible_pages"));
	if (!grew_by("zswpout_incompressible", mem.pages / 4, "huge, no writeback") ||
	    !grew_by("zswpout_large", 2, "huge, no writeback"))
		return KSFT_FAIL;
	return intact(&mem, "huge, no writeback") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- a group that goes ---- */

/* A process that leaves its group behind, with the memory that it has in zswap. */
static bool outlive_group(void)
{
	long long charged;

	if (!lock_self() || !cgroup_enter("/b") || !memory_of_halves(&mem, 512) ||
	    !page_out_all(&mem) ||
	    !stat_becomes("/b", "zswapped", mem.pages * page_size()))
		return false;
	charged = cgroup_number("/b", CURRENT);
	if (!cgroup_enter(GROUP) || !cgroup_remove("/b") || !stat_becomes("", "zswap", charged) ||
	    !stored_is(mem.pages, "the group is gone"))
		return false;
	/* What needs room has it all written back, as somebody's who is still there. */
	if (!range_intact(&mem, 0, mem.pages / 4, "of a group that is gone") ||
	    !zswap_param("max_pool_percent", "0"))
		return false;
	count_from_here();
	return written_back(mem.pages / 2) &&
	       intact(&mem, "of a group that is gone, written back") &&
	       intact(&other, "beside it") && charged_nothing("after reading all");
}

static int removed_group(void)
{
	pid_t pid;

	if (!group_below("/b"))
		return KSFT_FAIL;
	pid = fork_child();
	if (!pid)
		_exit(!outlive_group());
	/* With its memory and its slots, which CPUs may keep, all of it is gone. */
	return exited_well(pid) && area_off() && groups_die() ? KSFT_PASS : KSFT_FAIL;
}

/* Groups come and go while others store, write back and load. */
#define AT_ONCE	4
#define GROUPS	16

static bool pass_by(unsigned int nr, const char *group)
{
	seed += nr;
	if (!lock_self() || !cgroup_enter(group) || !memory_of_halves(&mem, 128) ||
	    !page_out(&mem) || !intact(&mem, "of a passing group") || !page_out(&mem))
		return false;
	/* Half of them end with all of it out, and leave their group first. */
	return nr & 1 || (cgroup_enter(GROUP) && intact(&mem, "of a group that was left"));
}

static int groups_come_and_go(void)
{
	pid_t pid[GROUPS];
	char group[16];
	unsigned int i;

	if (!limit("", "memory.zswap.max", 1 << 18))
		return KSFT_FAIL;
	count_from_here();
	for (i = 0; i < GROUPS + AT_ONCE; i++) {
		if (i >= AT_ONCE) {
			snprintf(group, sizeof(group), "/g%u", i - AT_ONCE);
			if (!exited_well(pid[i - AT_ONCE]) || !cgroup_remove(group))
				return KSFT_FAIL;
		}
		if (i >= GROUPS)
			continue;
		snprintf(group, sizeof(group), "/g%u", i);
		if (!group_below(group))
			return KSFT_FAIL;
		pid[i] = fork_child();
		if (!pid[i])
			_exit(!pass_by(i, group));
	}
	if (grown("zswpwb") < 1)
		return fail("nothing was written back");
	return charged_nothing("after all groups") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- two groups side by side ---- */

static bool pays_for(const char *group, unsigned long pages)
{
	long long charged = cgroup_number(group, "memory.swap.current");

	if (charged == (long long)(pages * page_size()))
		return true;
	fail("%s has %lu pages out, and %lld bytes are charged", group, pages, charged);
	return false;
}

/* Page tables and slots in which runs of one group's pages and another's take turns. */
static int runs_of_two_groups(void)
{
	static const char * const group[] = { "/a", "/b" };
	unsigned long pages = 2048, i, run, which = 0, of[2] = { };
	bool good;

	if (!group_below(group[0]) || !group_below(group[1]) ||
	    !memory_get(&mem, pages, 1, false))
		return KSFT_FAIL;
	for (i = 0; i < pages; which = !which) {
		if (!cgroup_enter(group[which]))
			return KSFT_FAIL;
		for (run = 1 + rnd_below(&seed, 9); run-- && i < pages; i++) {
			renew_small(&mem, i);
			of[which]++;
		}
	}
	good = page_out_all(&mem) && pays_for(group[0], of[0]) && pays_for(group[1], of[1]);
	/* A part at a time, the rest in one go; and all that CPUs have put aside. */
	for (i = 0; i < pages / 2; i += 37)
		madvise(page_at(&mem, i), 37 * page_size(), MADV_DONTNEED);
	memory_put(&mem);
	good &= cgroup_enter(GROUP) && area_off() && pays_for(group[0], 0) && pays_for(group[1], 0);
	good &= cgroup_remove(group[0]) && cgroup_remove(group[1]);
	return good && charged_nothing("of two groups") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- others are not touched ---- */

/* Memory wanted of one group is not taken from the one beside it. */
static int reclaim_of_one_group(void)
{
	static const char * const group[] = { "/a", "/b" };
	struct memory *of[] = { &mem, &other };
	long long charged;
	unsigned int i;
	double end;

	for (i = 0; i < 2; i++)
		if (!group_below(group[i]) || !cgroup_enter(group[i]) ||
		    !memory_of_halves(of[i], 512) || !page_out_all(of[i]))
			return KSFT_FAIL;
	if (!cgroup_enter(GROUP) || !zswap_param("shrinker_enabled", "Y"))
		return KSFT_FAIL;
	charged = cgroup_number("/b", CURRENT);
	end = now() + PATIENCE;
	while (cgroup_field("/a", "memory.stat", "zswpwb") < 128) {
		if (now() > end)
			return fail("memory.reclaim has written %lld pages",
				    cgroup_field("/a", "memory.stat", "zswpwb"));
		cgroup_write_number("/a", "memory.reclaim", 1 << 20);
	}
	if (cgroup_number("/b", CURRENT) != charged ||
	    cgroup_field("/b", "memory.stat", "zswpwb") > 0)
		return fail("the group beside it has lost %lld bytes",
			    charged - cgroup_number("/b", CURRENT));
	if (!intact(&mem, "reclaimed") || !intact(&other, "beside it"))
		return KSFT_FAIL;
	memory_put(&mem);
	memory_put(&other);
	return cgroup_remove("/a") && cgroup_remove("/b") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- who may read the counters ---- */

static bool readable(const char *file, const char *name)
{
	char path[PATH_MAX];

	if (*file != '/')
		cgroup_path(path, sizeof(path), GROUP, file);
	else
		snprintf(path, sizeof(path), "%s", file);
	if (file_field(path, name) >= 0)
		return true;
	fail("%s has no %s for who is not root", path, name);
	return false;
}

static int counters_for_everybody(void)
{
	unsigned int i;
	bool good = true;
	pid_t pid;

	if (!zswap_is_new())
		return skip("this zswap has fewer counters");
	pid = fork_child();
	if (!pid) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(!complain("setresuid"));
		good = readable("/proc/meminfo", "Zswap") &&
		       readable("/proc/meminfo", "Zswapped") &&
		       readable("memory.stat", "zswap") &&
		       readable("memory.stat", "zswapped");
		for (i = 0; i < ARRAY_SIZE(counter); i++)
			if (!strncmp(counter[i], "zsw", 3))
				good &= readable("/proc/vmstat", counter[i]) &&
					readable("memory.stat", counter[i]);
		_exit(!good);
	}
	return exited_well(pid) ? KSFT_PASS : KSFT_FAIL;
}

/* ---- no room anywhere ---- */

static bool disk_is_full(void)
{
	long long slack = slot_slack() * page_size() / 1024;
	double end = now() + PATIENCE;

	do {
		madvise(other.base, other.pages * page_size(), MADV_PAGEOUT);
		if (swap_free_kb() <= slack)
			return true;
		nap_ms(20);
	} while (now() < end);
	fail("%lld kB of the disk stay free", swap_free_kb());
	return false;
}

/* zswap is as full as it may be, and so is the disk. */
static int no_room_anywhere(void)
{
	static const enum page_kind random[] = { PAGE_RANDOM };

	if (!area_off() || !area_on(disk.node, 2048) || !memory_of_small(&mem, 512) ||
	    !page_out_all(&mem) || !memory_of(&other, 2560, 1, random, 1, 0) || !disk_is_full() ||
	    !zswap_param("max_pool_percent", "0"))
		return KSFT_FAIL;
	count_from_here();
	if (!hog_dies_in_group())
		return KSFT_FAIL;
	if (grown("oom_kill") != 1)
		return fail("%lld processes were killed", grown("oom_kill"));
	return intact(&mem, "of others than the dead, small") &&
	       intact(&other, "of others than the dead") ? KSFT_PASS : KSFT_FAIL;
}

static const struct test tests[] = {
	{ "what is stored is charged, and no more when it is gone",
	  what_is_charged, ON_ZRAM | BEHIND },
	{ "memory.zswap.max=0: nothing is stored", max_zero, BEHIND },
	{ "memory.zswap.max=0 above: nothing is stored", max_zero_above, BEHIND },
	{ "memory.zswap.max holds, the rest is written back",
	  limit_of_group, ON_ZRAM | BEHIND },
	{ "a lower limit above holds", limit_above, BEHIND },
	{ "a lower limit below holds", limit_below, BEHIND },
	{ "memory.zswap.writeback=0: nothing is written",
	  no_writeback_of_group, EACH | BEHIND },
	{ "memory.zswap.writeback=0 above: nothing is written", no_writeback_above, BEHIND },
	{ "memory.zswap.writeback=0: huge pages are kept whole", no_writeback_huge, 0 },
	{ "pages of a removed cgroup can be read and written back",
	  removed_group, ON_ZRAM | BEHIND },
	{ "cgroups come and go with pages in zswap", groups_come_and_go, BEHIND },
	{ "each of two groups pays for its slots among the other's", runs_of_two_groups, 0 },
	{ "memory.reclaim writes back what its group has", reclaim_of_one_group, BEHIND },
	{ "everybody can read the counters", counters_for_everybody, 0 },
	{ "with zswap and disk full, who wants more is killed, and others lose nothing",
	  no_room_anywhere, BEHIND },
};

int main(int argc, char **argv)
{
	parse(argc, argv);
	start();
	run_all(tests, ARRAY_SIZE(tests));
}
