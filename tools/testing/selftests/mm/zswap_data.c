// SPDX-License-Identifier: GPL-2.0
/*
 * zswap, by content and by its counters: each kind of page goes where it should
 * go, comes back as it was, and leaves nothing behind.
 *
 * What any swapped memory has to stand (fork, munmap, mremap, shared memory,
 * swapoff, random operations) is tested by swap_data, on zswap as well. Here are
 * the cases that only zswap has: the kinds of pages, huge pages, a pool that is
 * full and is written back.
 */
#include "zswap_test.h"

static void clean_up(void)
{
	if (files_mounted)
		files_done(KSFT_PASS);
}

/* ---- kinds of pages ---- */

enum place { ZEROMAP, ZSWAP, DEVICE, EITHER };

static bool went_to(enum place place, long long pages, long long rejected, const char *kind)
{
	long long zero = 0, zswap_pages = 0, device = 0;

	switch (place) {
	case ZEROMAP:
		zero = pages;
		break;
	case ZSWAP:
		zswap_pages = pages;
		break;
	case DEVICE:
		device = pages;
		break;
	default:
		zswap_pages = grown("zswpout");
		device = pages - zswap_pages;
	}
	if (rejected != device) {
		fail("%s: %lld pages are counted as rejected, not %lld", kind, rejected, device);
		return false;
	}
	return grew_by("swpout_zero", zero, kind) && grew_by("zswpout", zswap_pages, kind) &&
	       grew_by("pswpout", device, kind) && stored_is(zswap_pages, kind);
}

/* Pages that were compressed for nothing. */
static long long rejected(void)
{
	return zswap_stat("reject_compress_poor") + zswap_stat("reject_compress_fail");
}

static int kinds_of_pages(void)
{
	static const struct {
		enum page_kind kind;
		enum place place;
	} table[] = {
		{ PAGE_ZERO, ZEROMAP },
		{ PAGE_SAME, ZSWAP },
		{ PAGE_ALMOST, ZSWAP },
		{ PAGE_PART, ZSWAP },
		{ PAGE_TAIL, ZSWAP },
		{ PAGE_TEXT, ZSWAP },
		{ PAGE_ALPHA, EITHER },
		{ PAGE_RANDOM, DEVICE },
	};
	const char *name;
	long long before;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		name = page_kind_name[table[i].kind];
		if (!memory_of(&mem, 200, 1, &table[i].kind, 1, page_size() / 2))
			return KSFT_FAIL;
		count_from_here();
		before = rejected();
		if (!page_out_all(&mem) ||
		    !went_to(table[i].place, mem.pages, rejected() - before, name))
			return KSFT_FAIL;
		if (zswap_is_new() && !grew_by("zswp_reject_poor", rejected() - before, name))
			return KSFT_FAIL;
		if (!drop_swap_cache() || !intact(&mem, name))
			return KSFT_FAIL;
		if (!grew_by("zswpin", grown("zswpout"), name) ||
		    !grew_by("pswpin", grown("pswpout"), name))
			return KSFT_FAIL;
		memory_put(&mem);
		if (!zswap_empties(name))
			return KSFT_FAIL;
	}
	return KSFT_PASS;
}

static int all_mixed(void)
{
	if (!memory_get(&mem, 768, 1, false))
		return KSFT_FAIL;
	renew_all(&mem);
	if (!page_out_all(&mem) || !drop_swap_cache() || !intact(&mem, "mixed"))
		return KSFT_FAIL;
	/* What is read and not written may have copies in swap, now or later. */
	if (!page_out_all(&mem) || !drop_swap_cache() || !intact(&mem, "mixed, again"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

/* Old pages need the compressor that they were stored with. */
static int compressors_side_by_side(void)
{
	const char *have[ARRAY_SIZE(compressor)];
	unsigned int nr = 0, i, round;
	struct memory part;

	for (i = 0; i < nr_compressors; i++)
		if (zswap_set("compressor", compressor[i]) != -ENOENT)
			have[nr++] = compressor[i];
	if (nr < 2)
		return skip("the kernel has only one compressor");
	if (!memory_of_small(&mem, nr * 128))
		return KSFT_FAIL;
	for (round = 0; round < 2; round++) {
		count_from_here();
		for (i = 0; i < nr; i++) {
			part = part_of(&mem, i * 128, 128);
			if (!zswap_param("compressor", have[i]) || !page_out_all(&part))
				return KSFT_FAIL;
		}
		if (!grew_by("zswpout", mem.pages, "with all compressors"))
			return KSFT_FAIL;
		/* The second time it is another one that is used meanwhile. */
		if (!zswap_param("compressor", have[round]) ||
		    !intact(&mem, "after the compressor changed") ||
		    !stored_is(0, "all are back"))
			return KSFT_FAIL;
	}
	return KSFT_PASS;
}

/* ---- huge pages ---- */

static int large_folios(unsigned long huge)
{
	unsigned long pages = huge < 32 ? 128 : 4 * huge, i, in;
	long long split, fallback, stored, whole, read;
	int ret;

	if (!zswap_is_new())
		return skip("this zswap takes no large folios");
	ret = huge_memory(huge, pages, small_kinds, ARRAY_SIZE(small_kinds));
	if (ret)
		return ret;
	/* A page of zeros in a folio that has others is stored as they are. */
	for (i = huge / 2; i < pages; i += huge) {
		mem.key[i] = page_key(0, PAGE_ZERO, 0);
		page_fill(page_at(&mem, i), mem.key[i]);
	}
	split = huge_stat(huge, "split");
	fallback = huge_stat(huge, "swpout_fallback");
	stored = huge_stat(huge, "zswpout");
	count_from_here();
	if (!page_out_all(&mem) || !not_split(huge, split, fallback, "stored") ||
	    !grew_by("zswpout", pages, "stored") || !grew_by("pswpout", 0, "stored") ||
	    !grew_by("zswpout_large", pages / huge, "stored") || !stored_is(pages, "stored"))
		return KSFT_FAIL;
	if (huge_stat(huge, "zswpout") - stored != (long long)(pages / huge))
		return fail("zswpout of folios of %lu pages does not count", huge);
	in = comes_back_as(huge);
	whole = huge_stat(in, "nr_anon");
	read = huge_stat(in, "swpin");
	if (!intact(&mem, "stored whole") || !stored_is(0, "read back") ||
	    !grew_by("zswpin_large", pages / in, "read back") ||
	    !came_whole(in, whole, pages / in))
		return KSFT_FAIL;
	if (huge_stat(in, "swpin") - read != (long long)(pages / in))
		return fail("swpin of folios of %lu pages does not count", in);
	memory_put(&mem);

	/* The last page does not compress: then the device gets all of the folio. */
	ret = huge_memory(huge, pages, small_kinds, ARRAY_SIZE(small_kinds));
	if (ret)
		return ret;
	for (i = huge - 1; i < pages; i += huge) {
		mem.key[i] = page_key(rnd(&seed), PAGE_RANDOM, 0);
		page_fill(page_at(&mem, i), mem.key[i]);
	}
	split = huge_stat(huge, "split");
	fallback = huge_stat(huge, "swpout_fallback");
	count_from_here();
	if (!page_out_all(&mem) || !not_split(huge, split, fallback, "rejected") ||
	    !grew_by("pswpout", pages, "rejected") || !stored_is(0, "rejected") ||
	    !grew_by("zswp_reject_poor", pages, "rejected") ||
	    !drop_swap_cache() || !intact(&mem, "written whole"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

static int folios_of_each_size(void)
{
	return with_each_size(large_folios);
}

/* A disk that seeks has its slots from one cluster after the other. */
static int folios_on_rotating_disk(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/block/%s/queue/rotational", strrchr(disk.node, '/') + 1);
	if (!area_off())
		return KSFT_FAIL;
	if (setting_write(path, "1"))
		return fail("%s cannot be set", path);
	return area_on(disk.node, disk.pages) ? with_each_size(large_folios) : KSFT_FAIL;
}

/* A folio is in one piece of the file or is split; whichever, its bytes stay. */
static int folios_in_file(void)
{
	unsigned long pages = 1280, huge;
	int ret = file_in_pieces(FILES "/swap", pages);

	if (!ret)
		ret = area_on(FILES "/swap", pages) ? large_folios(4) : KSFT_FAIL;
	memory_put(&mem);
	for (huge = 4; !ret && huge <= huge_pages_of(); huge *= 2) {
		/* Off for every second size: then a folio is written in one go. */
		if (!zswap_param("enabled", huge % 3 == 1 ? "N" : "Y"))
			ret = KSFT_FAIL;
		else
			ret = huge_memory(huge, 512, two_kinds, ARRAY_SIZE(two_kinds));
		if (ret == KSFT_SKIP)
			ret = KSFT_PASS;
		else if (!ret && !(page_out_all(&mem) && drop_swap_cache() &&
				   intact(&mem, "in a file in pieces")))
			ret = fail("with folios of %lu pages", huge);
		memory_put(&mem);
	}
	return files_done(ret);
}

/* There is room for all of the folios, but nowhere for one of them. */
static int folios_without_room(void)
{
	unsigned long huge = 16, pages = 512, i;
	int ret;

	if (!zswap_is_new())
		return skip("this zswap takes no large folios");
	if (!area_off() || !area_on(disk.node, 4096) || !memory_of_small(&other, 3900) ||
	    !page_out_all(&other))
		return KSFT_FAIL;
	for (i = 0; i < other.pages; i++)
		if (i % 8 < 3) {
			madvise(page_at(&other, i), page_size(), MADV_DONTNEED);
			other.key[i] = 0;
		}
	ret = huge_memory(huge, pages, small_kinds, ARRAY_SIZE(small_kinds));
	if (ret)
		return ret;
	count_from_here();
	if (!page_out_all(&mem) || !grew_by("zswpout_split", pages / huge, "no room in a row") ||
	    !grew_by("zswpout", pages, "split") || !grew_by("zswpout_large", 0, "split") ||
	    cgroup_field(GROUP, "memory.stat", "zswpout_split") != (long long)(pages / huge))
		return fail("folios that were split are not counted");
	return intact(&mem, "split") && intact(&other, "beside what was split") ? KSFT_PASS :
										  KSFT_FAIL;
}

/* Split what is in memory of these pages, on its way to swap or back from there. */
static void split_folios(unsigned long first, unsigned long nr)
{
	char text[96];

	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(),
		 (unsigned long)page_at(&mem, first), (unsigned long)page_at(&mem, first + nr));
	file_write("/sys/kernel/debug/split_huge_pages", text);
}

/* Large folios of which a part is on the device and the rest in zswap. */
static int folios_in_parts(unsigned long huge)
{
	unsigned long pages = huge < 256 ? 512 : 2 * huge, i;
	int ret = huge_memory(huge, pages, small_kinds, ARRAY_SIZE(small_kinds));

	if (ret)
		return ret;
	if (!page_out_all(&mem) || !zswap_param("max_pool_percent", "0"))
		return KSFT_FAIL;
	count_from_here();
	if (!written_back(pages / 3) || !zswap_param("max_pool_percent", "50"))
		return KSFT_FAIL;
	/* Some are touched, some dropped, and all that is in memory moves. */
	for (i = 0; i < pages; i += 5)
		if (!range_intact(&mem, i, 1, "of a folio in parts"))
			return KSFT_FAIL;
	for (i = 0; i < pages; i += 7) {
		madvise(page_at(&mem, i), page_size(), MADV_DONTNEED);
		mem.key[i] = 0;
	}
	file_write("/proc/sys/vm/compact_memory", "1");
	if (!page_out(&mem) || !range_intact(&mem, 0, pages / 2, "in parts, out again"))
		return KSFT_FAIL;
	split_folios(0, pages / 4);
	for (i = 0; i < pages; i += 3)
		renew_small(&mem, i);
	file_write("/proc/sys/vm/compact_memory", "1");
	return intact(&mem, "in parts") && page_out(&mem) && area_off() &&
	       intact(&mem, "in parts, after swapoff") && area_on(disk.node, disk.pages) ?
	       KSFT_PASS : KSFT_FAIL;
}

static int parts_of_folios(void)
{
	return with_each_size(folios_in_parts);
}

/* Folios that came back whole are split and moved with their slots still theirs, or not. */
static int folios_split_and_moved(unsigned long huge)
{
	unsigned long pages = huge < 256 ? 512 : 2 * huge, i;
	int ret = huge_memory(huge, pages, small_kinds, ARRAY_SIZE(small_kinds));

	if (ret)
		return ret;
	if (!page_out_all(&mem) || !intact(&mem, "before a split"))
		return KSFT_FAIL;
	split_folios(0, pages / 2);
	file_write("/proc/sys/vm/compact_memory", "1");
	if (!intact(&mem, "split") || !page_out_all(&mem))
		return KSFT_FAIL;
	/* What is read ahead is in the swap cache only. */
	madvise(mem.base, pages * page_size(), MADV_WILLNEED);
	split_folios(0, pages);
	file_write("/proc/sys/vm/compact_memory", "1");
	for (i = 0; i < pages; i += 5)
		renew_small(&mem, i);
	return page_out_all(&mem) && drop_swap_cache() && intact(&mem, "split and moved") ?
	       KSFT_PASS : KSFT_FAIL;
}

static int folios_are_split(void)
{
	return with_each_size(folios_split_and_moved);
}

/* With every page small enough and one page a fault, zswap has what is swapped. */
static bool all_stored(const char *when)
{
	return !zswap_is_new() || stored_is(swapped(&mem), when);
}

static bool drop_part(unsigned long first, unsigned long nr, int advice)
{
	if (madvise(page_at(&mem, first), nr * page_size(), advice)) {
		fail("madvise %d: %s", advice, strerror(errno));
		return false;
	}
	memset(mem.key + first, 0, nr * sizeof(*mem.key));
	return true;
}

static int parts_of_huge_pages(void)
{
	unsigned long huge = huge_pages_of(), i, n;
	struct gate gate;
	bool good = true;
	pid_t pid;
	int ret;

	if (!huge)
		return skip("the kernel has no huge pages");
	ret = huge_memory(huge, 4 * huge, small_kinds, ARRAY_SIZE(small_kinds));
	if (ret)
		return ret;
	if (!page_out_all(&mem) || !all_stored("all out"))
		return KSFT_FAIL;
	/* The first folio: ranges of all lengths dropped, MADV_FREE of what is out. */
	for (i = 0, n = 1; i + n < huge; i += 2 * n, n = 2 * n < 100 ? 2 * n : 1)
		if (!drop_part(i, n, n % 3 ? MADV_DONTNEED : MADV_FREE) ||
		    !all_stored("partly dropped"))
			return KSFT_FAIL;
	/* The second: single pages read, and written. */
	for (i = huge; i < 2 * huge; i += 37) {
		if (!range_intact(&mem, i, 1, "one of a huge page"))
			return KSFT_FAIL;
		renew_small(&mem, i + 5);
	}
	if (!drop_swap_cache() || !all_stored("partly in"))
		return KSFT_FAIL;
	/* The third: a forked process keeps what this one drops. */
	gate_make(&gate);
	pid = fork_child();
	if (!pid) {
		gate_wait(&gate);
		_exit(!range_intact(&mem, 2 * huge, huge, "child of huge pages"));
	}
	if (madvise(page_at(&mem, 2 * huge), huge * page_size(), MADV_DONTNEED))
		good = fail("MADV_DONTNEED: %s", strerror(errno)) == KSFT_PASS;
	gate_open(&gate);
	good &= exited_well(pid);
	memset(mem.key + 2 * huge, 0, huge * sizeof(*mem.key));
	if (!good || !all_stored("after a child"))
		return KSFT_FAIL;
	/* The fourth: unmapped in two parts. */
	n = huge / 3;
	munmap(page_at(&mem, mem.pages - n), n * page_size());
	mem.pages -= n;
	if (!all_stored("partly unmapped"))
		return KSFT_FAIL;
	munmap(page_at(&mem, 3 * huge), (huge - n) * page_size());
	mem.pages = 3 * huge;
	if (!all_stored("unmapped") || !drop_swap_cache() ||
	    !intact(&mem, "what is left of huge pages"))
		return KSFT_FAIL;
	/* Out again, and all at once away. */
	renew_all(&mem);
	if (!page_out(&mem))
		return KSFT_FAIL;
	memory_put(&mem);
	return zswap_empties("after munmap") && vswap_empties("after munmap") &&
	       (!area.on || swap_comes_back("after munmap")) ? KSFT_PASS : KSFT_FAIL;
}

/* ---- writeback ---- */

static int full_pool(void)
{
	long long hits = zswap_stat("pool_limit_hit"), back = zswap_stat("written_back_pages");
	long long bytes, most = percent_of_memory(1);
	int ret = fill_pool("1");

	if (ret)
		return ret;
	bytes = zswap_stat("pool_total_size");
	if (bytes > most * 11 / 10)
		return fail("the pool has %lld bytes, 1 %% of memory is %lld", bytes, most);
	if (!written_back(1) || !drop_swap_cache())
		return KSFT_FAIL;
	hits = zswap_stat("pool_limit_hit") - hits;
	back = zswap_stat("written_back_pages") - back;
	ksft_print_msg("limit hit %lld times, %lld pages written back, %lld written\n", hits, back,
		       grown("pswpout"));
	if (hits < 1 || back < 1)
		return fail("%lld times at the limit, but %lld pages written back", hits, back);
	if (grown("pswpout") <= back)
		return fail("no page went past the full pool");
	if (zswap_is_new() && !grown("zswp_reject_limit"))
		return fail("zswp_reject_limit does not count");
	if (!intact(&mem, "after the pool was full"))
		return KSFT_FAIL;
	if (grown("pswpin") < back)
		return fail("%lld pages were written back, but %lld read", back, grown("pswpin"));
	/* It is empty now, and takes pages again. */
	memory_put(&other);
	if (!memory_of_small(&other, 64))
		return KSFT_FAIL;
	count_from_here();
	if (!page_out_all(&other))
		return KSFT_FAIL;
	return grew_by("zswpout", 64, "with room again") ? KSFT_PASS : KSFT_FAIL;
}

/* A pool that has become too large goes down to where it takes pages again. */
static int smaller_pool(void)
{
	long long accept = percent_of_memory(1) / 100 * 80;
	double end;
	int ret = fill_pool("50");

	if (ret)
		return ret;
	if (!grew_by("zswpwb", 0, "below the limit"))
		return KSFT_FAIL;
	if (zswap_stat("pool_total_size") < percent_of_memory(1))
		return fail("the pool has %lld bytes only", zswap_stat("pool_total_size"));
	if (!zswap_param("accept_threshold_percent", "80") ||
	    !zswap_param("max_pool_percent", "1"))
		return KSFT_FAIL;
	end = now() + PATIENCE;
	do {
		if (now() > end)
			return fail("the pool has %lld bytes and does not fall to %lld",
				    zswap_stat("pool_total_size"), accept);
		knock();
		/* What knocks is let in, then. */
	} while (zswap_stat("pool_total_size") > accept + (long long)(32 * page_size()));
	ksft_print_msg("%lld pages written back\n", grown("zswpwb"));
	if (!drop_swap_cache() || !intact(&mem, "after the pool was made smaller"))
		return KSFT_FAIL;
	return grown("pswpin") >= grown("zswpwb") ? KSFT_PASS :
	       fail("%lld pages were written back, but %lld read", grown("zswpwb"),
		    grown("pswpin"));
}

static int swapoff_full_pool(void)
{
	int ret = fill_pool("1");

	if (ret)
		return ret;
	if (zswap_stored() < 1 || grown("pswpout") < 1)
		return fail("%lld pages are in zswap, %lld were written", zswap_stored(),
			    grown("pswpout"));
	if (!area_off() || !zswap_empties("after swapoff of a full pool"))
		return KSFT_FAIL;
	return intact(&mem, "after swapoff") ? KSFT_PASS : KSFT_FAIL;
}

/* Memory of the cgroup is asked for when nothing but zswap has any. */
static int shrinker_writes(void)
{
	static const enum page_kind kinds[] = { PAGE_PART, PAGE_TAIL };
	long long back = zswap_stat("written_back_pages");
	double end;

	if (!memory_of(&mem, 2048, 1, kinds, ARRAY_SIZE(kinds), page_size() / 2))
		return KSFT_FAIL;
	count_from_here();
	if (!page_out_all(&mem) || !stored_is(mem.pages, "before the shrinker"))
		return KSFT_FAIL;
	reclaim(1024);
	if (!grew_by("zswpwb", 0, "with the shrinker off") ||
	    !zswap_param("shrinker_enabled", "Y"))
		return KSFT_FAIL;
	end = now() + PATIENCE;
	while (grown("zswpwb") < (long long)mem.pages / 8) {
		if (now() > end)
			return fail("the shrinker has written %lld pages", grown("zswpwb"));
		reclaim(1024);
	}
	if (!zswap_param("shrinker_enabled", "N"))
		return KSFT_FAIL;
	back = zswap_stat("written_back_pages") - back;
	if (!stored_is((long long)mem.pages - grown("zswpwb"), "after the shrinker") ||
	    !drop_swap_cache())
		return KSFT_FAIL;
	if (!intact(&mem, "after the shrinker"))
		return KSFT_FAIL;
	if (back != grown("zswpwb") || grown("pswpin") != back)
		return fail("%lld pages were written back, %lld counted, %lld read", back,
			    grown("zswpwb"), grown("pswpin"));
	return KSFT_PASS;
}

static const struct test tests[] = {
	{ "each kind of page is stored or written as it should be", kinds_of_pages,
	  EACH | ON_ZRAM | BEHIND },
	{ "pages of all kinds come back as they were", all_mixed, EACH | BEHIND },
	{ "pages of several compressors lie side by side", compressors_side_by_side,
	  ON_ZRAM | BEHIND },
	{ "folios of each size are stored whole or not at all", folios_of_each_size, ON_ZRAM },
	{ "folios of each size on a disk that seeks", folios_on_rotating_disk, 0 },
	{ "folios and a swap file in pieces", folios_in_file, 0 },
	{ "folios for which there are no slots in a row are split", folios_without_room, 0 },
	{ "folios of each size are partly written back", parts_of_folios, BEHIND },
	{ "folios of each size are split and moved", folios_are_split, ON_ZRAM | VIRTUAL | BEHIND },
	{ "parts of huge pages are dropped, read and unmapped", parts_of_huge_pages,
	  ON_ZRAM | VIRTUAL | BEHIND },
	{ "a full pool is written back", full_pool, BEHIND },
	{ "a pool that is made smaller is written back", smaller_pool, BEHIND },
	{ "swapoff empties a full pool", swapoff_full_pool, 0 },
	{ "the shrinker writes back", shrinker_writes, BEHIND },
};

int main(int argc, char **argv)
{
	parse(argc, argv);
	start();
	run_all(tests, ARRAY_SIZE(tests));
}
