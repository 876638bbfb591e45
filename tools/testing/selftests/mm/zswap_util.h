/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests share that swap through zswap: its parameters and counters, a
 * disk to swap to, and vswap, which does without.
 *
 * The disk is a loop device on a file that is in memory, is never swapped itself,
 * and has all its pages from the start. So it needs no memory when memory is
 * short, every machine can have one, and nothing on it matters. zram would do as
 * well, but the kernel treats it as part of memory: it reads from it without the
 * swap cache. Both ways through the kernel are tested.
 */
#ifndef ZSWAP_UTIL_H
#define ZSWAP_UTIL_H

#include "cswap_util.h"

#define ZSWAP_PARAM	"/sys/module/zswap/parameters/"
#define ZSWAP_STAT	"/sys/kernel/debug/zswap/"

/* ---- parameters and counters ---- */

static struct {
	bool on;
	long long stored;	/* pages in zswap before the test */
	long long bytes;	/* and the memory that they take */
} zswap;

/* One of the files in debugfs; -1 without it. */
static inline long long zswap_stat(const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), ZSWAP_STAT "%s", name);
	return file_read(path, text, sizeof(text)) < 0 ? -1 : strtoll(text, NULL, 10);
}

/* 0 or a negative errno. The parameter is put back with settings_restore(). */
static inline int zswap_set(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), ZSWAP_PARAM "%s", name);
	return setting_write(path, value);
}

static inline bool zswap_is(const char *name, const char *value)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), ZSWAP_PARAM "%s", name);
	return file_read(path, text, sizeof(text)) >= 0 && !strcmp(text, value);
}

/* Does it store large folios, report errors, and refuse bad parameters? */
static inline bool zswap_is_new(void)
{
	return !access(ZSWAP_STAT "decompress_fail", F_OK);
}

/* Pages stored since the test began. */
static inline long long zswap_stored(void)
{
	return zswap_stat("stored_pages") - zswap.stored;
}

static inline bool zswap_param(const char *name, const char *value)
{
	int err = zswap_set(name, value);

	if (err)
		fail("zswap: %s=%s: %s", name, value, strerror(-err));
	return !err;
}

/*
 * Turn it on, with much room and nothing that writes back by itself. 0, or what
 * the test returns. Only when it was on does zswap look at a compressor's name.
 */
static inline int zswap_start(const char *compressor)
{
	int err;

	if (!zswap_param("enabled", "Y") || !zswap_param("max_pool_percent", "50") ||
	    !zswap_param("accept_threshold_percent", "90") ||
	    !zswap_param("shrinker_enabled", "N"))
		return KSFT_FAIL;
	if (zswap_stat("stored_pages") < 0)
		return skip("no debugfs on /sys/kernel/debug to read zswap's counters");
	err = zswap_set("compressor", compressor);
	if (err == -ENOENT)
		return skip("the kernel has no compressor %s", compressor);
	if (err || !zswap_is("compressor", compressor))
		return fail("zswap does not take %s: %s", compressor, strerror(-err));
	zswap.stored = zswap_stat("stored_pages");
	zswap.bytes = zswap_stat("pool_total_size");
	zswap.on = true;
	return KSFT_PASS;
}

/* Is nothing of the test left in it? What is freed may need a moment. */
static inline bool zswap_empties(const char *when)
{
	double end = now() + PATIENCE;

	if (!zswap.on)
		return true;
	while (zswap_stored() > 0 || zswap_stat("pool_total_size") > zswap.bytes) {
		if (now() > end) {
			fail("%s: zswap has %lld pages and %lld bytes more than before", when,
			     zswap_stored(), zswap_stat("pool_total_size") - zswap.bytes);
			return false;
		}
		nap_ms(20);
	}
	return true;
}

/* ---- virtual slots ---- */

#define VSWAP_PARAM	"/sys/module/vswap/parameters/"
#define VSWAP_STAT	"/sys/kernel/mm/vswap/"

/* Slots by what is behind them. */
enum slot_kind { SLOTS_NONE, SLOTS_ZERO, SLOTS_ZSWAP, SLOTS_DEVICE, NR_SLOT_KINDS };

static struct {
	bool on;
	long long slots[NR_SLOT_KINDS];	/* before the test */
	long long bytes;		/* and the memory that the tables take */
} vswap;

static inline bool has_vswap(void)
{
	return !access(VSWAP_PARAM "enabled", F_OK);
}

/* -1 if this kernel has no such file. */
static inline long long vswap_stat(const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), VSWAP_STAT "%s", name);
	return file_read(path, text, sizeof(text)) < 0 ? -1 : strtoll(text, NULL, 10);
}

/* Slots that are in use since the test began. */
static inline long long vswap_slots(enum slot_kind kind)
{
	static const char * const name[NR_SLOT_KINDS] = {
		"slots_none", "slots_zero", "slots_zswap", "slots_device"
	};

	return vswap_stat(name[kind]) - vswap.slots[kind];
}

static inline long long vswap_used(void)
{
	long long sum = 0;
	enum slot_kind kind;

	for (kind = 0; kind < NR_SLOT_KINDS; kind++)
		sum += vswap_slots(kind);
	return sum;
}

static inline bool vswap_param(const char *name, const char *value)
{
	char path[128];
	int err;

	snprintf(path, sizeof(path), VSWAP_PARAM "%s", name);
	err = setting_write(path, value);
	if (err)
		fail("vswap: %s=%s: %s", name, value, strerror(-err));
	return !err;
}

/* The test may have been short of memory itself: pages of its own, out or back again. */
#define OWN_SLOTS	8

/* Turn it on or off. 0, or what the test returns; settings_restore() undoes it. */
static inline int vswap_start(bool on)
{
	enum slot_kind kind;

	if (!has_vswap())
		return on ? skip("the kernel is built without vswap") : KSFT_PASS;
	if (!vswap_param("enabled", on ? "Y" : "N"))
		return KSFT_FAIL;
	memset(&vswap, 0, sizeof(vswap));
	for (kind = 0; kind < NR_SLOT_KINDS; kind++)
		vswap.slots[kind] = vswap_slots(kind);
	vswap.bytes = vswap_stat("table_bytes");
	vswap.on = on;
	return KSFT_PASS;
}

/* What the tables may take when no slot is in use. */
static inline long long vswap_idle_bytes(void)
{
	return (64 << 10) + 512 * vswap_stat("regions");
}

/*
 * A folio that was locked when the last reference went stays in the swap cache until
 * it is reclaimed, and some CPU may have it in a batch for the LRU lists: compaction
 * empties these.
 */
static inline void reclaim_leftovers(void)
{
	file_write("/proc/sys/vm/compact_memory", "1");
	cgroup_write_number("", "memory.reclaim", 1 << 20);
	nap_ms(20);
}

/* Is no slot in use any more, and the memory for them given back? */
static inline bool vswap_empties(const char *when)
{
	long long most = vswap_idle_bytes();
	double end = now() + PATIENCE;

	if (!vswap.on)
		return true;
	if (most < vswap.bytes)
		most = vswap.bytes;
	while (vswap_used() > OWN_SLOTS ||
	       (!vswap_used() && vswap_stat("table_bytes") > most)) {
		if (now() > end) {
			fail("%s: slots none %lld, zero %lld, zswap %lld, device %lld; %lld bytes",
			     when, vswap_slots(SLOTS_NONE), vswap_slots(SLOTS_ZERO),
			     vswap_slots(SLOTS_ZSWAP), vswap_slots(SLOTS_DEVICE),
			     vswap_stat("table_bytes"));
			return false;
		}
		reclaim_leftovers();
	}
	return true;
}

/* The groups that were removed; what is charged to one keeps it. */
static inline bool groups_die(void)
{
	double end = now() + PATIENCE;
	long long dying;

	while ((dying = cgroup_field("", "cgroup.stat", "nr_dying_descendants")) > 0) {
		if (now() > end) {
			fail("%lld groups are still dying", dying);
			return false;
		}
		reclaim_leftovers();
	}
	return true;
}

/* ---- the disk ---- */

static struct {
	char node[PATH_MAX];
	unsigned long long pages;
	int fd;			/* of a loop device, or -1 */
} disk = { .fd = -1 };

/* A file in memory that cannot be swapped: a descriptor or a negative errno. */
static inline int disk_file(unsigned long long pages)
{
	char dir[] = "/tmp/cswap.XXXXXX", path[sizeof(dir) + 8];
	int file = -1, err = 0;

	if (!mkdtemp(dir))
		return -errno;
	if (mount("cswap", dir, "tmpfs", 0, "noswap,size=100%")) {
		err = errno;
	} else {
		snprintf(path, sizeof(path), "%s/disk", dir);
		file = open(path, O_RDWR | O_CREAT, 0600);
		if (file < 0 || fallocate(file, 0, 0, pages * page_size()))
			err = errno;
		umount2(dir, MNT_DETACH);
	}
	rmdir(dir);
	if (!err)
		return file;
	if (file >= 0)
		close(file);
	return -err;
}

/* Have a disk, the user's or a new one. Once for all tests, since it costs memory. */
static inline void disk_start(const char *device, unsigned long long pages)
{
	int file;

	if (device) {
		snprintf(disk.node, sizeof(disk.node), "%s", device);
		disk.pages = device_pages(device);
		if (disk.pages < pages)
			ksft_exit_fail_msg("%s has %llu pages, but %llu are needed\n", device,
					   disk.pages, pages);
		return;
	}
	file = disk_file(pages);
	if (file < 0)
		ksft_exit_fail_msg("no %llu pages on a noswap tmpfs: %s; -d DEVICE would do\n",
				   pages, strerror(-file));
	disk.fd = loop_attach(file, disk.node, sizeof(disk.node));
	if (disk.fd < 0)
		ksft_exit_fail_msg("no loop device: %s; build one in, or -d DEVICE would do\n",
				   strerror(-disk.fd));
	close(file);
	disk.pages = pages;
}

static inline void disk_stop(void)
{
	if (disk.fd >= 0)
		close(disk.fd);
	disk.fd = -1;
}

#endif /* ZSWAP_UTIL_H */
