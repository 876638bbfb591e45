// SPDX-License-Identifier: GPL-2.0
/*
 * zswap when something fails: the device or the compressor. No page is lost of
 * which there is a good copy; who needs a page that cannot be had gets SIGBUS,
 * and nobody else does.
 *
 * Between the disk and the swap area is a device of the device mapper, whose
 * table says from which page on it fails, and how. The compressor that fails is
 * the kernel's zswap_test_compressor (CONFIG_ZSWAP_TEST_COMPRESSOR), which also
 * is one that ends later, in another context.
 */
#include "zswap_test.h"

#include <linux/dm-ioctl.h>
#include <setjmp.h>
#include <sys/sysmacros.h>

/* ---- a device that fails ---- */

#define GOOD		"linear", ""
#define NO_READS	"flakey", " 0 1 1 error_reads"
#define NO_WRITES	"flakey", " 0 1 1 error_writes"
#define NOTHING		"error", NULL
#define SLOW		"delay", " 20"

static char beneath[PATH_MAX];	/* what it is made of */
static int control = -1, device = -1;

static union {
	struct dm_ioctl head;
	char bytes[256 * 1024];
} dm;

static bool dm_call(unsigned long call, const char *what, unsigned int flags)
{
	dm.head.version[0] = DM_VERSION_MAJOR;
	dm.head.data_size = sizeof(dm);
	dm.head.data_start = sizeof(dm.head);
	dm.head.flags = flags;
	snprintf(dm.head.name, sizeof(dm.head.name), "cswap.%d", main_pid);
	if (!ioctl(control, call, &dm))
		return true;
	fail("device mapper: %s: %s", what, strerror(errno));
	return false;
}

/* A line of the table, of @nr pages; where the next one goes. */
static char *dm_line(char *at, unsigned long long first, unsigned long long nr, const char *target,
		     const char *more)
{
	struct dm_target_spec *spec = (struct dm_target_spec *)at;
	unsigned int sectors = page_size() / 512;
	int len = 0;

	memset(spec, 0, sizeof(*spec));
	spec->sector_start = first * sectors;
	spec->length = nr * sectors;
	snprintf(spec->target_type, sizeof(spec->target_type), "%s", target);
	at += sizeof(*spec);
	*at = '\0';
	if (more)
		len = sprintf(at, "%s %llu%s", beneath, first * sectors, more);
	at += (len + 8) / 8 * 8;
	spec->next = at - (char *)spec;
	dm.head.target_count++;
	return at;
}

/* Use the table in dm from now on. */
static bool device_load(const char *what)
{
	if (!dm_call(DM_TABLE_LOAD, what, 0))
		return false;
	memset(&dm, 0, sizeof(dm));
	return dm_call(DM_DEV_SUSPEND, "resume", DM_SKIP_LOCKFS_FLAG);
}

/* The device does what @target does. */
static bool device_does(const char *target, const char *more)
{
	memset(&dm, 0, sizeof(dm));
	dm_line((char *)(&dm.head + 1), 0, disk.pages, target, more);
	return device_load(target);
}

/*
 * So does half of the device: a stripe is half a cluster of slots, so that whatever
 * clusters they are from, a few hundred are on both kinds of stripes.
 */
#define STRIPE		256
#define MAX_STRIPES	1024

static bool device_half_does(const char *target, const char *more)
{
	unsigned long long first, nr, i;
	char *at = (char *)(&dm.head + 1);

	memset(&dm, 0, sizeof(dm));
	for (i = 0, first = 0; first < disk.pages; i++, first += nr) {
		nr = i < MAX_STRIPES && disk.pages - first > STRIPE ? STRIPE : disk.pages - first;
		at = i % 2 ? dm_line(at, first, nr, target, more) : dm_line(at, first, nr, GOOD);
	}
	return device_load(target);
}

/* Put it on the disk. It goes when its last user does. */
static void device_make(void)
{
	double end = now() + 5;

	control = open("/dev/mapper/control", O_RDWR);
	if (control < 0)
		ksft_exit_skip("no device mapper: /dev/mapper/control: %s\n", strerror(errno));
	snprintf(beneath, sizeof(beneath), "%s", disk.node);
	if (!dm_call(DM_DEV_CREATE, "create", 0))
		ksft_exit_fail();
	snprintf(disk.node, sizeof(disk.node), "/dev/dm-%u", minor(dm.head.dev));
	if (device_does(GOOD))
		while ((device = open(disk.node, O_RDWR)) < 0 && errno == ENOENT && now() < end)
			nap_ms(20);
	memset(&dm, 0, sizeof(dm));
	if (!dm_call(DM_DEV_REMOVE, "remove", device < 0 ? 0 : DM_DEFERRED_REMOVE) || device < 0)
		ksft_exit_fail_msg("%s: %s\n", disk.node, strerror(errno));
}

/* ---- a compressor that fails ---- */

#define TEST_COMPRESSOR "zswap-test-async"

#define TEST_PARAM "/sys/module/zswap_test_compressor/parameters/"

/* Every @nth call of it fails, 0: none. */
static bool compressor_fails(const char *at_what, unsigned int nth)
{
	char path[128], text[16];
	int err;

	snprintf(path, sizeof(path), TEST_PARAM "%s", at_what);
	snprintf(text, sizeof(text), "%u", nth);
	err = setting_write(path, text);
	if (err)
		fail("%s: %s", path, strerror(-err));
	return !err;
}

/* Requests so far whose source was in pieces; -1: it does not tell. */
static long long read_in_pieces(void)
{
	char text[16];

	return file_read(TEST_PARAM "pieces", text, sizeof(text)) < 0 ? -1 : atoll(text);
}

/* Change to it; 0, or what the test returns. */
static int use_test_compressor(void)
{
	int err = zswap_set("compressor", TEST_COMPRESSOR);

	if (err == -ENOENT && !zswap_is_new())
		return skip("the kernel has no compressor %s", TEST_COMPRESSOR);
	return err ? fail("%s: %s; it needs CONFIG_ZSWAP_TEST_COMPRESSOR", TEST_COMPRESSOR,
			  strerror(-err)) : KSFT_PASS;
}

static void clean_up(void)
{
	if (device >= 0)
		device_does(GOOD);
	if (zswap_is("compressor", TEST_COMPRESSOR)) {
		compressor_fails("fail_compress", 0);
		compressor_fails("fail_decompress", 0);
		compressor_fails("refuse_pieces", 0);
	}
}

/* ---- looking at pages that may not be there ---- */

static sigjmp_buf no_page;

static void got_sigbus(int sig)
{
	(void)sig;
	siglongjmp(no_page, 1);
}

/* Copy the page, if it can be read. */
static bool can_read(const char *page, char *copy)
{
	if (sigsetjmp(no_page, 1))
		return false;
	memcpy(copy, page, page_size());
	return true;
}

struct seen {
	unsigned long good;
	unsigned long lost;	/* SIGBUS */
};

/* Look at every @step-th page; false if one is neither as it was nor an error. */
static bool look(struct memory *m, unsigned long first, unsigned long step, const char *when,
		 struct seen *seen)
{
	struct sigaction action = { .sa_handler = got_sigbus }, old;
	char *copy = malloc(page_size());
	bool good = true;
	unsigned long i;

	memset(seen, 0, sizeof(*seen));
	sigaction(SIGBUS, &action, &old);
	for (i = first; i < m->pages; i += step) {
		if (can_read(page_at(m, i), copy)) {
			seen->good++;
			good &= page_is(copy, m->key[i], when, i);
		} else {
			seen->lost++;
		}
	}
	sigaction(SIGBUS, &old, NULL);
	free(copy);
	return good;
}

/* Is each page as it was, and none an error? */
static bool all_good(struct memory *m, const char *when)
{
	struct seen seen;

	if (!look(m, 0, 1, when, &seen))
		return false;
	if (seen.lost)
		fail("%s: %lu of %lu pages are lost", when, seen.lost, m->pages);
	return !seen.lost;
}

/*
 * Until now pages could not be read, and their empty folios are in the swap cache
 * still. Reclaim these; then all must be good.
 */
static bool all_good_again(struct memory *m, const char *when)
{
	double end = now() + PATIENCE;
	struct seen seen;

	do {
		reclaim(m->pages);
		if (!look(m, 0, 1, when, &seen))
			return false;
	} while (seen.lost && now() < end);
	return all_good(m, when);
}

/* ---- writes that fail ---- */

/* Even pages go to zswap, odd ones to the device. */
static bool memory_of_both(unsigned long pages)
{
	return memory_of(&mem, pages, 1, two_kinds, ARRAY_SIZE(two_kinds), 0);
}

/* Behind virtual slots errors are counted. */
static bool errors_counted(const char *name, long long before)
{
	if (!vswap.on || vswap_stat(name) > before)
		return true;
	fail("%s is still %lld", name, before);
	return false;
}

static bool goes_out_well(const char *when)
{
	return device_does(GOOD) && page_out_all(&mem) && drop_swap_cache() &&
	       all_good(&mem, when);
}

/* Reclaim tries everything that cannot be written many times: few pages will do. */
static int writes_fail(void)
{
	long long before = vswap_stat("write_errors");
	unsigned int round;

	if (!memory_of_both(128) || !device_does(NO_WRITES))
		return KSFT_FAIL;
	for (round = 0; round < 2; round++) {
		count_from_here();
		if (!page_out_all(&mem))
			return KSFT_FAIL;
		if (!round && (!stored_is(64, "writes fail") ||
			       !grew_by("pswpout", 64, "writes fail")))
			return KSFT_FAIL;
		reclaim(64);
		if (!all_good(&mem, "writes fail"))
			return KSFT_FAIL;
	}
	return errors_counted("write_errors", before) && goes_out_well("writes failed") ?
	       KSFT_PASS : KSFT_FAIL;
}

static int huge_writes_fail(void)
{
	unsigned long huge = huge_pages_of();

	if (!huge || !thp_allow())
		return skip("the kernel has no huge pages");
	if (!memory_of(&mem, 2 * huge, huge, two_kinds, ARRAY_SIZE(two_kinds), 0) ||
	    !device_does(NO_WRITES) || !page_out_all(&mem) ||
	    !all_good(&mem, "huge writes fail") || !page_out_all(&mem) ||
	    !all_good(&mem, "huge writes fail again"))
		return KSFT_FAIL;
	return goes_out_well("huge writes failed") ? KSFT_PASS : KSFT_FAIL;
}

/* More than a stripe. */
static bool memory_of_stripes(void)
{
	static const enum page_kind random[] = { PAGE_RANDOM };

	return memory_of(&mem, 768, 1, random, 1, 0);
}

/* What would go where nothing can be written stays in memory. */
static int writes_fail_in_range(void)
{
	if (!memory_of_stripes() || !device_half_does(NOTHING) || !page_out_all(&mem))
		return KSFT_FAIL;
	reclaim(64);
	ksft_print_msg("%lu of %lu pages stay in memory\n", resident(&mem), mem.pages);
	if (!resident(&mem) || resident(&mem) == mem.pages)
		return fail("nothing failed, or everything");
	/* The bad part cannot be read, and has nothing to be read. */
	if (!all_good(&mem, "a part of the device fails"))
		return KSFT_FAIL;
	return goes_out_well("a part of the device failed") ? KSFT_PASS : KSFT_FAIL;
}

/* Have so many pages written back, as nothing may be in zswap any more. */
static bool write_back(long long pages)
{
	if (!zswap_param("max_pool_percent", "0"))
		return false;
	count_from_here();
	return written_back(pages);
}

/* The last of the writes may still be on their way. */
static bool fails_are_counted(void)
{
	double end = now() + PATIENCE;

	while (grown("zswpwb_fail") < grown("zswpwb") ||
	       cgroup_field(GROUP, "memory.stat", "zswpwb_fail") < 1) {
		if (now() > end) {
			fail("%lld writes failed, but %lld are counted", grown("zswpwb"),
			     grown("zswpwb_fail"));
			return false;
		}
		nap_ms(20);
	}
	return true;
}

static int writeback_fails(void)
{
	if (!memory_of_small(&mem, 128) || !page_out_all(&mem) ||
	    !stored_is(mem.pages, "before writeback fails") || !device_does(NO_WRITES) ||
	    !write_back(mem.pages * 3 / 4))
		return KSFT_FAIL;
	if (zswap_is_new() && !fails_are_counted())
		return KSFT_FAIL;
	reclaim(64);
	if (!all_good(&mem, "writeback fails") || !all_good(&other, "beside failing writeback"))
		return KSFT_FAIL;
	/* Once more, of pages that have been through it. */
	if (!zswap_param("max_pool_percent", "50") || !page_out_all(&mem) ||
	    !write_back(mem.pages / 2) || !all_good(&mem, "writeback fails again") ||
	    !zswap_param("max_pool_percent", "50"))
		return KSFT_FAIL;
	return goes_out_well("writeback failed") && all_good(&other, "beside failed writeback") ?
	       KSFT_PASS : KSFT_FAIL;
}

/* ---- reads that fail ---- */

static bool sees(struct memory *m, unsigned long first, unsigned long good, unsigned long lost,
		 const char *when)
{
	struct seen seen;

	if (!look(m, first, 2, when, &seen))
		return false;
	if (seen.good == good && seen.lost == lost)
		return true;
	fail("%s: %lu pages are good and %lu lost, should be %lu and %lu", when, seen.good,
	     seen.lost, good, lost);
	return false;
}

static int reads_fail(void)
{
	long long before = vswap_stat("read_errors");

	if (!memory_of_both(512) || !page_out_all(&mem) || !drop_swap_cache() ||
	    !stored_is(256, "reads fail") || !device_does(NO_READS))
		return KSFT_FAIL;
	if (!sees(&mem, 1, 0, 256, "on a device that fails") ||
	    !sees(&mem, 0, 256, 0, "in zswap, before a device that fails"))
		return KSFT_FAIL;
	return errors_counted("read_errors", before) && device_does(GOOD) &&
	       all_good_again(&mem, "the device reads again") ? KSFT_PASS : KSFT_FAIL;
}

static int reads_fail_in_range(void)
{
	struct seen seen;

	if (!memory_of_stripes() || !page_out_all(&mem) || !drop_swap_cache() ||
	    !device_half_does(NO_READS) ||
	    !look(&mem, 0, 1, "a part of the device fails", &seen))
		return KSFT_FAIL;
	ksft_print_msg("%lu pages are good, %lu lost\n", seen.good, seen.lost);
	if (!seen.lost || !seen.good)
		return fail("nothing failed, or everything");
	return device_does(GOOD) && all_good_again(&mem, "all of the device reads again") ?
	       KSFT_PASS : KSFT_FAIL;
}

/* What was written back is on the device only; the rest does not suffer. */
static int written_back_then_lost(void)
{
	unsigned long before, half = 256;
	struct memory first;
	struct seen seen;

	if (!memory_of_small(&mem, 2 * half))
		return KSFT_FAIL;
	first = part_of(&mem, 0, half);
	if (!page_out_all(&first) || !write_back(half * 3 / 4) ||
	    !zswap_param("max_pool_percent", "50"))
		return KSFT_FAIL;
	memory_put(&other);
	if (!page_out_all(&mem) || !drop_swap_cache())
		return KSFT_FAIL;
	before = zswap_stored();
	if (!device_does(NO_READS) || !look(&mem, 0, 1, "written back", &seen))
		return KSFT_FAIL;
	if (seen.good != before || seen.lost < half / 2)
		return fail("%lu pages were in zswap, %lu are good and %lu lost", before,
			    seen.good, seen.lost);
	return device_does(GOOD) && all_good_again(&mem, "the device reads again") ?
	       KSFT_PASS : KSFT_FAIL;
}

/* swapoff goes through; what could not be read is marked so for ever. */
static int swapoff_loses_unreadable(void)
{
	if (!memory_of_both(512) || !page_out_all(&mem) || !drop_swap_cache() ||
	    !device_does(NO_READS) || !area_off() || !zswap_empties("after swapoff"))
		return KSFT_FAIL;
	return sees(&mem, 0, 256, 0, "in zswap before swapoff") &&
	       sees(&mem, 1, 0, 256, "on the device before swapoff") ? KSFT_PASS : KSFT_FAIL;
}

/* From behind virtual slots swapoff moves the others, and can be had again. */
static int swapoff_keeps_unreadable(void)
{
	struct seen seen;

	if (!memory_of_stripes() || !page_out_all(&mem) || !drop_swap_cache() ||
	    !device_half_does(NO_READS))
		return KSFT_FAIL;
	if (!swapoff(area.node)) {
		area.on = false;
		return fail("swapoff does not mind pages that it cannot read");
	}
	if (errno != EIO)
		return fail("swapoff of what cannot be read: %s", strerror(errno));
	if (!look(&mem, 0, 1, "after half a swapoff", &seen))
		return KSFT_FAIL;
	if (!seen.good || vswap_slots(SLOTS_DEVICE) != (long long)seen.lost)
		return fail("%lu pages are good, %lu lost and %lld on the device", seen.good,
			    seen.lost, vswap_slots(SLOTS_DEVICE));
	return device_does(GOOD) && area_off() && all_good(&mem, "all of it swapped off") ?
	       KSFT_PASS : KSFT_FAIL;
}

/* ---- a slow device ---- */

/* Ends while a slow device is read, and is completed. */
static int swapoff_killed(void)
{
	unsigned int round;
	int status;
	pid_t pid;

	if (!memory_of_both(1024) || !page_out_all(&mem) || !drop_swap_cache() ||
	    !device_does(SLOW))
		return KSFT_FAIL;
	for (round = 0; round < 3; round++) {
		pid = fork_child();
		if (!pid)
			_exit(!!swapoff(area.node));
		nap_ms(300);
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
			return fail("swapoff was not killed");
		if (!range_intact(&mem, round * 100, 100, "after half a swapoff"))
			return KSFT_FAIL;
	}
	return device_does(GOOD) && area_off() && all_good(&mem, "swapped off") ?
	       KSFT_PASS : KSFT_FAIL;
}

static int slow_device(void)
{
	int ret;

	if (!device_does(SLOW))
		return KSFT_FAIL;
	ret = fill_pool("1");
	if (ret)
		return ret;
	if (!written_back(1))
		return KSFT_FAIL;
	ksft_print_msg("%lld pages written back, %lld written\n", grown("zswpwb"),
		       grown("pswpout"));
	if (grown("pswpout") <= grown("zswpwb"))
		return fail("no page went past the full pool");
	/* Some are still on their way. */
	if (!range_intact(&mem, 0, 64, "on a slow device") || !device_does(GOOD) ||
	    !all_good(&mem, "on a device that was slow"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

/* Its pages are in zswap, and of what else it has nothing can be reclaimed. */
static bool sit_at_limit(struct gate *full, struct gate *go)
{
	if (!lock_self() || !cgroup_enter("/b") || !memory_of_small(&mem, 512) ||
	    !page_out_all(&mem))
		return false;
	gate_open(full);
	gate_wait(go);
	return intact(&mem, "of a group at its limit");
}

/*
 * What makes room in zswap for others needs memory, which this group is charged for, and
 * cannot have back before a slow device has written it.
 */
static int limit_is_no_death(void)
{
	struct gate full, go;
	double end;
	bool good;
	pid_t pid;

	if (!group_below("/b"))
		return KSFT_FAIL;
	gate_make(&full);
	gate_make(&go);
	pid = fork_child();
	if (!pid)
		_exit(!sit_at_limit(&full, &go));
	gate_wait(&full);
	good = device_does(SLOW) &&
	       limit("/b", "memory.max", cgroup_number("/b", "memory.current")) &&
	       zswap_param("max_pool_percent", "0");
	count_from_here();
	/* Whether it can make much, or has to give up each time, it tries. */
	for (end = now() + opt.seconds; good && now() < end;)
		knock();
	ksft_print_msg("%lld pages were written back, %lld not\n", grown("zswpwb"),
		       grown("zswpwb_fail"));
	if (good && (cgroup_field("/b", "memory.events", "oom_kill") || grown("oom_kill")))
		good = fail("somebody was killed") == KSFT_PASS;
	good &= device_does(GOOD) && limit("/b", "memory.max", -1);
	gate_open(&go);
	return exited_well(pid) && good && cgroup_remove("/b") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- the compressor ---- */

static int later_compressor(void)
{
	int ret = use_test_compressor();

	if (ret)
		return ret;
	if (!memory_of_small(&mem, 512) || !page_out_all(&mem) ||
	    !stored_is(mem.pages, TEST_COMPRESSOR) || !all_good(&mem, TEST_COMPRESSOR))
		return KSFT_FAIL;
	renew_all(&mem);
	return page_out(&mem) && drop_swap_cache() && all_good(&mem, "with pages of all kinds") ?
	       KSFT_PASS : KSFT_FAIL;
}

static int compression_fails(void)
{
	long long failed = zswap_stat("reject_compress_fail");
	int ret = use_test_compressor();

	if (ret)
		return ret;
	if (!compressor_fails("fail_compress", 3) || !memory_of_small(&mem, 600))
		return KSFT_FAIL;
	count_from_here();
	if (!page_out_all(&mem))
		return KSFT_FAIL;
	failed = zswap_stat("reject_compress_fail") - failed;
	if (failed < 150 || grown("pswpout") != failed || !stored_is(600 - failed, "not failed"))
		return fail("%lld failures, %lld pages written, %lld stored", failed,
			    grown("pswpout"), zswap_stored());
	if (!drop_swap_cache() || !all_good(&mem, "compression fails"))
		return KSFT_FAIL;

	/* With nowhere to write to, the page is kept as it is. */
	if (cgroup_write(GROUP, "memory.zswap.writeback", "0"))
		return fail("memory.zswap.writeback=0 is refused");
	for (ret = 0; ret < 600; ret++)
		renew_small(&mem, ret);
	count_from_here();
	if (!page_out_all(&mem) || !stored_is(600, "no writeback") ||
	    !grew_by("pswpout", 0, "no writeback"))
		return KSFT_FAIL;
	failed = zswap_stat("stored_incompressible_pages");
	if (failed < 150 || failed > 250)
		return fail("%lld pages are counted as incompressible", failed);
	return all_good(&mem, "no writeback") ? KSFT_PASS : KSFT_FAIL;
}

/* An object on two pages is read from there, and by a driver that cannot do that as a copy. */
static int objects_in_pieces(void)
{
	static const enum page_kind kinds[] = { PAGE_PART, PAGE_TAIL };
	int ret = use_test_compressor();
	long long pieces;

	if (ret)
		return ret;
	pieces = read_in_pieces();
	if (!memory_of(&mem, 512, 1, kinds, ARRAY_SIZE(kinds), page_size() / 3) ||
	    !page_out_all(&mem) || !stored_is(mem.pages, "in pieces") ||
	    !all_good_again(&mem, "in pieces"))
		return KSFT_FAIL;
	pieces = read_in_pieces() - pieces;
	ksft_print_msg("%lld objects were read in two pieces\n", pieces);
	if (pieces < 1)
		return fail("no object was read where it lies");
	return compressor_fails("refuse_pieces", 1) && page_out_all(&mem) &&
	       all_good_again(&mem, "in pieces, refused") ? KSFT_PASS : KSFT_FAIL;
}

/* All are out; which of them can be read if every @nth decompression fails? */
static bool read_failing(unsigned int nth, struct seen *seen)
{
	long long failed = zswap_stat("decompress_fail"), loaded;

	count_from_here();
	if (!page_out_all(&mem) || !drop_swap_cache() || !stored_is(mem.pages, "all are out") ||
	    !compressor_fails("fail_decompress", nth) ||
	    !look(&mem, 0, 1, "decompression fails", seen) ||
	    !compressor_fails("fail_decompress", 0))
		return false;
	failed = zswap_stat("decompress_fail") - failed;
	loaded = grown("zswpin");
	ksft_print_msg("%lu pages are good, %lu lost; %lld loaded, %lld failed\n", seen->good,
		       seen->lost, loaded, failed);
	if (loaded != (long long)seen->good || failed < (long long)seen->lost) {
		fail("that does not fit");
		return false;
	}
	return stored_is(seen->lost, "decompression fails");
}

static int decompression_fails(void)
{
	struct seen seen;
	int ret = use_test_compressor();

	if (ret)
		return ret;
	if (!memory_of_small(&mem, 256) || !read_failing(1, &seen))
		return KSFT_FAIL;
	if (seen.good)
		return fail("%lu pages could be read", seen.good);
	return all_good_again(&mem, "decompression works again") ? KSFT_PASS : KSFT_FAIL;
}

/* The same without reclaim in between: who asks next gets the page. */
static int next_read_is_good(void)
{
	struct seen seen;
	int ret = use_test_compressor();

	if (ret)
		return ret;
	return memory_of_small(&mem, 256) && read_failing(1, &seen) &&
	       all_good(&mem, "at the next access") ? KSFT_PASS : KSFT_FAIL;
}

/* What fails once is tried again at once. */
static int decompression_fails_at_times(void)
{
	struct seen seen;
	int ret = use_test_compressor();

	if (ret)
		return ret;
	if (!memory_of_small(&mem, 256) || !read_failing(2, &seen))
		return KSFT_FAIL;
	return seen.lost ? fail("%lu pages are lost", seen.lost) : KSFT_PASS;
}

/* Shared memory keeps the error, as of a device, and nothing else. */
static int shared_decompression_fails(void)
{
	int ret = use_test_compressor();
	struct seen seen;
	unsigned long i;

	if (ret)
		return ret;
	if (!memory_get(&mem, 256, 1, true))
		return KSFT_FAIL;
	for (i = 0; i < mem.pages; i++)
		renew_small(&mem, i);
	if (!page_out(&mem) || !compressor_fails("fail_decompress", 1) ||
	    !look(&mem, 0, 1, "shared, decompression fails", &seen))
		return KSFT_FAIL;
	if (seen.lost < 200)
		return fail("%lu pages are good, %lu lost", seen.good, seen.lost);
	if (!compressor_fails("fail_decompress", 0) ||
	    !look(&mem, 0, 1, "shared, decompression works again", &seen))
		return KSFT_FAIL;
	memory_put(&mem);
	return zswap_empties("after munmap") ? KSFT_PASS : KSFT_FAIL;
}

/* A page that cannot be decompressed is not written back as anything else. */
static int unreadable_stays(void)
{
	int ret = use_test_compressor();
	double end;

	if (ret)
		return ret;
	if (!memory_of_small(&mem, 256) || !page_out_all(&mem) || !drop_swap_cache() ||
	    !compressor_fails("fail_decompress", 1) || !zswap_param("max_pool_percent", "0"))
		return KSFT_FAIL;
	count_from_here();
	end = now() + PATIENCE;
	while (!(grown("zswpin_fail") && grown("zswpwb_fail")) && now() < end)
		knock();
	for (end = now() + 1; now() < end;)
		knock();
	if (!grew_by("zswpwb", 0, "decompression fails") || !stored_is(256, "none is readable"))
		return KSFT_FAIL;
	if (!grown("zswpin_fail") || !grown("zswpwb_fail"))
		return fail("%lld pages failed to be read, %lld to be written back",
			    grown("zswpin_fail"), grown("zswpwb_fail"));
	return compressor_fails("fail_decompress", 0) && all_good(&mem, "readable again") &&
	       all_good(&other, "beside") ? KSFT_PASS : KSFT_FAIL;
}

/* ---- allocations that fail ---- */

static const char * const fault_kind[] = { "failslab", "fail_page_alloc" };

static bool faults_set(const char *name, const char *value)
{
	char path[128];
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(fault_kind); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", fault_kind[i], name);
		err = setting_write(path, value);
		if (err)
			fail("%s: %s", path, strerror(-err));
		if (err)
			return false;
	}
	return true;
}

/* From now on they may fail, whatever they are for. 0, or what the test returns. */
static int faults_start(void)
{
	if (access("/proc/thread-self/fail-nth", F_OK) ||
	    access("/sys/kernel/debug/failslab", F_OK) ||
	    access("/sys/kernel/debug/fail_page_alloc", F_OK))
		return skip("the kernel is built without FAILSLAB and FAIL_PAGE_ALLOC");
	return faults_set("ignore-gfp-wait", "N") && faults_set("verbose", "0") &&
	       !setting_write("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N") &&
	       !setting_write("/sys/kernel/debug/fail_page_alloc/min-order", "0") ?
	       KSFT_PASS : KSFT_FAIL;
}

static bool out_of_memory(void)
{
	madvise(mem.base, mem.pages * page_size(), MADV_PAGEOUT);
	return true;
}

static bool into_memory(void)
{
	return intact(&mem, "an allocation fails");
}

static bool off(void)
{
	int err = swapoff(area.node) ? errno : 0;

	area.on = err;
	return !err || err == ENOMEM || fail("swapoff: %s", strerror(err)) == KSFT_PASS;
}

static bool on_and_out(void)
{
	return (area.on || area_on(disk.node, disk.pages)) && out_of_memory();
}

/* Do this again and again, each time with the next allocation that fails. */
static bool with_each_failing(const char *what, bool (*step)(void), bool (*before)(void))
{
	unsigned int nth = 0, most = 1000, left = 0;
	int fd = open("/proc/thread-self/fail-nth", O_RDWR);
	char text[16];
	bool good = true;

	while (good && !left && nth++ < most) {
		good = before();
		snprintf(text, sizeof(text), "%u", nth);
		good &= pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text);
		good &= step();
		memset(text, 0, sizeof(text));
		good &= pread(fd, text, sizeof(text) - 1, 0) > 0;
		left = atoi(text);
		good &= pwrite(fd, "0", 1, 0) == 1 && intact(&mem, what);
	}
	close(fd);
	ksft_print_msg("%s: %u allocations failed in turn\n", what, nth - 1);
	if (good && (nth < 3 || nth > most))
		good = fail("too few, or too many") == KSFT_PASS;
	return good;
}

static int each_allocation_fails(void)
{
	static const enum page_kind kinds[] = { PAGE_TEXT, PAGE_RANDOM, PAGE_ZERO, PAGE_PART };
	int ret = faults_start();

	if (ret)
		return ret;
	if (!memory_of(&mem, 64, 1, kinds, ARRAY_SIZE(kinds), page_size() / 4))
		return KSFT_FAIL;
	return with_each_failing("page-out", out_of_memory, into_memory) &&
	       with_each_failing("page-in", into_memory, out_of_memory) &&
	       (!area.on || with_each_failing("swapoff", off, on_and_out)) ?
	       KSFT_PASS : KSFT_FAIL;
}

/* Half of all that this process asks for. */
static int many_allocations_fail(void)
{
	long long before = vswap_stat("fallback_memory");
	int ret = faults_start(), fd = open("/proc/self/make-it-fail", O_WRONLY);
	unsigned int round;

	if (ret)
		return ret;
	if (fd < 0 || !memory_of_both(4096) || !faults_set("task-filter", "Y") ||
	    !faults_set("times", "-1") || !faults_set("probability", "50"))
		return KSFT_FAIL;
	for (round = 0; round < 2; round++) {
		/* A file could not even be opened meanwhile. */
		if (pwrite(fd, "1", 1, 0) != 1)
			return fail("make-it-fail: %s", strerror(errno));
		madvise(mem.base, mem.pages * page_size(), MADV_PAGEOUT);
		if (pwrite(fd, "0", 1, 0) != 1)
			ksft_exit_fail_perror("make-it-fail");
		ksft_print_msg("%lu of %lu pages are out\n", swapped(&mem), mem.pages);
		if (!intact(&mem, "many allocations fail"))
			return KSFT_FAIL;
	}
	close(fd);
	before = vswap_stat("fallback_memory") - before;
	ksft_print_msg("vswap had no memory for a table %lld times\n", before);
	if (vswap.on && !before)
		return fail("vswap did not notice");
	return faults_set("probability", "0") && page_out(&mem) && all_good(&mem, "no more") ?
	       KSFT_PASS : KSFT_FAIL;
}

#define TAINT_WARN	0x200	/* Documentation/admin-guide/tainted-kernels.rst */

static bool kernel_warned(void)
{
	char text[32] = "";

	return file_read("/proc/sys/kernel/tainted", text, sizeof(text)) > 0 &&
	       strtol(text, NULL, 10) & TAINT_WARN;
}

/*
 * The swap cache of a device is a tree of some levels. Where memory for an inner
 * node was found and none for its leaf, swapoff finds the inner node, and warns.
 */
static int swap_cache_fails(void)
{
	int ret = faults_start(), fd = open("/proc/self/make-it-fail", O_WRONLY);
	unsigned int round, failed = 0;
	bool warned = kernel_warned();

	if (ret)
		return ret;
	if (fd < 0 || !faults_set("task-filter", "Y") || !faults_set("times", "-1"))
		return KSFT_FAIL;
	for (round = 0; round < 50; round++) {
		if (!area.on && !area_on(disk.node, disk.pages))
			return KSFT_FAIL;
		/* What follows does not lie in the tree's first leaf. */
		if (!memory_of_small(&mem, 128) || !page_out_all(&mem))
			return KSFT_FAIL;
		memory_put(&mem);
		if (!memory_of_small(&mem, 1) || !faults_set("probability", "50") ||
		    pwrite(fd, "1", 1, 0) != 1)
			return KSFT_FAIL;
		madvise(mem.base, page_size(), MADV_PAGEOUT);
		if (pwrite(fd, "0", 1, 0) != 1)
			ksft_exit_fail_perror("make-it-fail");
		failed += !swapped(&mem);
		if (!faults_set("probability", "0") || !intact(&mem, "no swap cache") ||
		    !area_off())
			return KSFT_FAIL;
		memory_put(&mem);
	}
	close(fd);
	ksft_print_msg("%u of %u pages were not swapped out\n", failed, round);
	if (!failed)
		return fail("no allocation failed");
	return warned == kernel_warned() ? KSFT_PASS :
					   fail("swapoff warned, see the kernel log");
}

static const struct test tests[] = {
	{ "pages that cannot be written stay in memory", writes_fail, BEHIND },
	{ "huge pages that cannot be written stay in memory", huge_writes_fail, BEHIND },
	{ "a device of which a part fails loses no page", writes_fail_in_range, BEHIND },
	{ "pages that cannot be written back stay in memory", writeback_fails, BEHIND },
	{ "pages that cannot be read are errors, those in zswap are not", reads_fail, BEHIND },
	{ "an unreadable part of the device is an error for its pages", reads_fail_in_range,
	  BEHIND },
	{ "what was written back is lost with the device, no more", written_back_then_lost,
	  BEHIND },
	{ "swapoff goes through with unreadable pages", swapoff_loses_unreadable, 0 },
	{ "swapoff from behind virtual slots keeps unreadable pages", swapoff_keeps_unreadable,
	  ONLY_BEHIND },
	{ "swapoff of a slow device is killed, then completed", swapoff_killed,
	  ONLY_BEHIND },
	{ "a full pool on a slow device loses no page", slow_device, BEHIND },
	{ "room made for others kills nobody at memory.max", limit_is_no_death, BEHIND },
	{ "objects on two pages are read in pieces, or as a copy", objects_in_pieces, 0 },
	{ "a compressor may end later", later_compressor, ON_ZRAM | BEHIND },
	{ "pages that cannot be compressed are written",
	  compression_fails, ON_ZRAM | BEHIND },
	{ "pages that cannot be decompressed are errors, and are kept", decompression_fails,
	  ON_ZRAM | BEHIND },
	{ "what could not be decompressed is tried again at the next access", next_read_is_good,
	  ON_ZRAM | BEHIND },
	{ "a decompression that fails once is no error",
	  decompression_fails_at_times, ON_ZRAM | BEHIND },
	{ "shared pages that cannot be decompressed are errors", shared_decompression_fails,
	  ON_ZRAM | BEHIND },
	{ "pages that cannot be decompressed are not written back",
	  unreadable_stays, ON_ZRAM | BEHIND },
	{ "each allocation fails once, and nothing is lost", each_allocation_fails,
	  VIRTUAL | BEHIND },
	{ "many allocations fail, and nothing is lost", many_allocations_fail, VIRTUAL | BEHIND },
	{ "a swap cache without memory leaves nothing to swapoff", swap_cache_fails, 0 },
};

int main(int argc, char **argv)
{
	parse(argc, argv);
	start();
	device_make();
	run_all(tests, ARRAY_SIZE(tests));
}
