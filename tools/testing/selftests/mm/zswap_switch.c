// SPDX-License-Identifier: GPL-2.0
/*
 * What can be changed while zswap is in use: every parameter, CPUs, the swap
 * device. Nothing that is stored may suffer; what is refused changes nothing.
 *
 * The load is processes that write, page out and compare pages of their own all
 * the time, each page with a key of its own (cswap_util.h).
 */
#include "zswap_test.h"

#define WORKERS		4
#define WORKER_PAGES	768
#define ENOUGH_STORED	1000	/* pages, or the load was none */

/* ---- load ---- */

static pid_t worker[WORKERS];
static struct {
	bool stop;
	unsigned long rounds;
} *load;

static bool work(unsigned int nr)
{
	unsigned long first, n, i, rounds = 0;
	bool good = true;

	seed = opt.seed << 8 | nr;
	/* A fork is not locked. */
	if (!lock_self() || !memory_get(&mem, WORKER_PAGES, 1, false))
		return false;
	renew_all(&mem);
	while (good && !__atomic_load_n(&load->stop, __ATOMIC_RELAXED)) {
		n = 1 + rnd_below(&seed, 64);
		first = rnd_below(&seed, mem.pages - n);
		switch (rnd_below(&seed, 4)) {
		case 0:
			for (i = 0; i < n; i++)
				renew(&mem, first + i);
			break;
		case 1:
			good = range_intact(&mem, first, n, "under load");
			break;
		default:
			madvise(page_at(&mem, first), n * page_size(), MADV_PAGEOUT);
		}
		rounds++;
	}
	__atomic_add_fetch(&load->rounds, rounds, __ATOMIC_RELAXED);
	return intact(&mem, "after the load") && good;
}

static bool load_start(void)
{
	unsigned int i;

	load = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (load == MAP_FAILED) {
		load = NULL;
		fail("mmap: %s", strerror(errno));
		return false;
	}
	count_from_here();
	for (i = 0; i < WORKERS; i++) {
		worker[i] = fork_child();
		if (!worker[i])
			_exit(!work(i));
		if (worker[i] < 0)
			return false;
	}
	return true;
}

/* Did all of them see what they should see, and does the test have something to say? */
static bool load_stop(void)
{
	bool good = true;
	unsigned int i;

	if (!load)
		return true;
	__atomic_store_n(&load->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < WORKERS; i++) {
		if (worker[i] > 0)
			good &= exited_well(worker[i]);
		worker[i] = 0;
	}
	ksft_print_msg("%lu rounds: %lld pages stored, %lld loaded, %lld written (%lld back)\n",
		       load->rounds, grown("zswpout"), grown("zswpin"), grown("pswpout"),
		       grown("zswpwb"));
	munmap(load, page_size());
	load = NULL;
	if (good && grown("zswpout") < ENOUGH_STORED)
		good = fail("hardly a page was stored") == KSFT_PASS;
	return good;
}

static void clean_up(void)
{
	load_stop();
}

/*
 * Do one thing after the other until the time is over, and much has happened; how
 * often, or -1. A busy machine gets a hundred times as long, which only a hang needs.
 */
static long in_turn(bool (*change)(unsigned long nr))
{
	double begin = now(), time;
	unsigned long nr = 0;

	do {
		if (!change(nr++))
			return -1;
		nap_ms(10);
		time = now() - begin;
	} while (time < opt.seconds ||
		 ((nr < 2 || grown("zswpout") < ENOUGH_STORED) && time < opt.seconds * 100));
	return nr;
}

static int under_load(bool (*change)(unsigned long nr), const char *what)
{
	long nr = load_start() ? in_turn(change) : -1;
	bool good = load_stop();

	if (nr < 0 || !good)
		return KSFT_FAIL;
	ksft_print_msg("%ld times %s\n", nr, what);
	return nr > 1 ? KSFT_PASS : fail("too few to test anything");
}

/* ---- parameters ---- */

static const char *available[ARRAY_SIZE(compressor)];
static unsigned int nr_available;

static int find_compressors(void)
{
	unsigned int i;

	nr_available = 0;
	for (i = 0; i < nr_compressors; i++)
		if (zswap_set("compressor", compressor[i]) != -ENOENT)
			available[nr_available++] = compressor[i];
	return nr_available > 1 ? KSFT_PASS : skip("the kernel has only one compressor");
}

static bool param_becomes(const char *name, const char *value)
{
	if (!zswap_param(name, value))
		return false;
	if (zswap_is(name, value))
		return true;
	fail("%s was set to %s and is something else", name, value);
	return false;
}

static bool next_compressor(unsigned long nr)
{
	return param_becomes("compressor", available[nr % nr_available]);
}

static int compressor_changes(void)
{
	int ret = find_compressors();

	return ret ? : under_load(next_compressor, "another compressor");
}

static bool off_or_on(unsigned long nr)
{
	return param_becomes("enabled", nr & 1 ? "Y" : "N");
}

static int switched_off_and_on(void)
{
	return under_load(off_or_on, "off or on");
}

/* Off: what is stored can be read, and nothing more comes in. */
static int off_keeps_pages(void)
{
	if (!memory_of_small(&mem, 256) || !memory_of_small(&other, 256) || !page_out_all(&mem))
		return KSFT_FAIL;
	if (!zswap_param("enabled", "N"))
		return KSFT_FAIL;
	count_from_here();
	if (!page_out_all(&other) || !grew_by("pswpout", other.pages, "with zswap off") ||
	    !stored_is(mem.pages, "with zswap off"))
		return KSFT_FAIL;
	if (!intact(&mem, "stored before") || !stored_is(0, "all are read"))
		return KSFT_FAIL;
	/* New contents where zswap had old ones. */
	renew_all(&mem);
	if (!page_out(&mem) || !drop_swap_cache() || !intact(&mem, "stored before, new") ||
	    !intact(&other, "written with zswap off"))
		return KSFT_FAIL;
	return grew_by("zswpout", 0, "with zswap off") ? KSFT_PASS : KSFT_FAIL;
}

struct refusal {
	const char *name;
	const char *value;
	int err;	/* 0: any */
	bool old;	/* unpatched kernels refuse it as well */
	bool logged;	/* with one line in the log */
};

static const struct refusal refusal[] = {
	{ "compressor", "no-such-thing", ENOENT, true, true },
	{ "compressor", "LZ4", ENOENT, true, true },
	{ "compressor", "lz", ENOENT, true, true },
	{ "compressor", "lz4 lzo", ENOENT, true, true },
	{ "compressor", "%s%n", ENOENT, true, true },
	{ "compressor", "\n", 0, true, false },
	{ "max_pool_percent", "101", EINVAL, false, true },
	{ "max_pool_percent", "4294967295", EINVAL, false, true },
	{ "max_pool_percent", "4294967296", ERANGE, true, false },
	{ "max_pool_percent", "-1", EINVAL, true, false },
	{ "max_pool_percent", "half", EINVAL, true, false },
	{ "max_pool_percent", "20%", EINVAL, true, false },
	{ "max_pool_percent", "\n", EINVAL, true, false },
	{ "accept_threshold_percent", "101", EINVAL, false, true },
	{ "accept_threshold_percent", "4294967295", EINVAL, false, true },
	{ "accept_threshold_percent", "18446744073709551616", ERANGE, true, false },
	{ "accept_threshold_percent", "-1", EINVAL, true, false },
	{ "accept_threshold_percent", "\n", EINVAL, true, false },
	{ "enabled", "maybe", EINVAL, true, false },
	{ "enabled", "2", EINVAL, true, false },
	{ "enabled", "\n", EINVAL, true, false },
	{ "shrinker_enabled", "maybe", EINVAL, true, false },
	{ "shrinker_enabled", "-1", EINVAL, true, false },
	{ "zpool", "slab", EINVAL, false, true },
	{ "zpool", "zs", EINVAL, false, true },
	{ "zpool", "zsmalloc2", EINVAL, false, true },
	{ "zpool", "\n", EINVAL, false, false },
};

/* The write fails, and the old value stays. */
static bool refuses(const struct refusal *r)
{
	char path[128], was[64], is[64];
	int err;

	if (!r->old && !zswap_is_new())
		return true;
	snprintf(path, sizeof(path), ZSWAP_PARAM "%s", r->name);
	if (file_read(path, was, sizeof(was)) < 0) {
		fail("%s cannot be read", r->name);
		return false;
	}
	err = file_write(path, r->value);
	if (!err || (r->err && err != -r->err)) {
		fail("\"%s\" to %s: %s, should be %s", r->value, r->name, strerror(-err),
		     r->err ? strerror(r->err) : "refused");
		return false;
	}
	if (file_read(path, is, sizeof(is)) >= 0 && !strcmp(is, was))
		return true;
	fail("%s is %s after \"%s\" was refused, was %s", r->name, is, r->value, was);
	return false;
}

/* Lines of zswap in the log since the last call. */
static unsigned int lines_in_log(int log)
{
	unsigned int nr = 0;
	char line[8192];
	ssize_t len;

	while ((len = read(log, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		if (len < 0)
			continue;
		line[len] = '\0';
		nr += !!strstr(line, ";zswap: ");
	}
	return nr;
}

static int bad_values(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char longer[300];
	const struct refusal too_long = { "compressor", longer, 0, true, false };
	const struct refusal *r;
	bool good = true;
	unsigned int lines;

	if (log < 0)
		return skip("/dev/kmsg: %s", strerror(errno));
	for (r = refusal; r < refusal + ARRAY_SIZE(refusal); r++) {
		lseek(log, 0, SEEK_END);
		good &= refuses(r);
		lines = lines_in_log(log);
		if (r->logged && lines != 1 && zswap_is_new())
			good = fail("\"%s\" to %s: %u lines in the log", r->value, r->name,
				    lines) == KSFT_PASS;
	}
	close(log);
	memset(longer, 'z', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	if (!refuses(&too_long) || !good)
		return KSFT_FAIL;
	/* Blanks around are none of the name's. */
	if (!zswap_param("compressor", " lzo\n") || !zswap_is("compressor", "lzo") ||
	    !zswap_param("zpool", "zsmalloc\n") || !zswap_is("zpool", "zsmalloc"))
		return fail("a good name with blanks is refused");
	/* And it goes on as if nothing had happened. */
	if (!memory_of_small(&mem, 256))
		return KSFT_FAIL;
	count_from_here();
	if (!page_out_all(&mem) || !grew_by("zswpout", mem.pages, "after bad values"))
		return KSFT_FAIL;
	return intact(&mem, "after bad values") ? KSFT_PASS : KSFT_FAIL;
}

/* A good value, then a bad one, of each parameter in turn. */
static bool any_value(unsigned long nr)
{
	static const struct {
		const char *name;
		const char *value;
	} good[] = {
		{ "max_pool_percent", "1" },
		{ "shrinker_enabled", "Y" },
		{ "accept_threshold_percent", "0" },
		{ "max_pool_percent", "0" },
		{ "zpool", "zsmalloc" },
		{ "accept_threshold_percent", "100" },
		{ "enabled", "N" },
		{ "max_pool_percent", "100" },
		{ "shrinker_enabled", "N" },
		{ "enabled", "Y" },
		{ "accept_threshold_percent", "50" },
		{ "max_pool_percent", "20" },
	};
	unsigned int i = nr % ARRAY_SIZE(good);

	return param_becomes(good[i].name, good[i].value) &&
	       next_compressor(nr / 3) && refuses(&refusal[nr % ARRAY_SIZE(refusal)]);
}

static int any_values(void)
{
	int ret = find_compressors();

	return ret ? : under_load(any_value, "a parameter was set, and one refused");
}

/* ---- CPUs ---- */

static unsigned int cpu[3];
static unsigned int nr_cpus;

static bool cpu_turns(unsigned long nr)
{
	char path[128];
	int err;

	/* All but the first go off one after the other, and come back in the same order. */
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online",
		 cpu[nr % nr_cpus]);
	err = setting_write(path, nr / nr_cpus % 2 ? "1" : "0");
	if (err)
		fail("%s: %s", path, strerror(-err));
	return !err;
}

static int cpus_go_and_come(void)
{
	char path[128], is[8];
	unsigned int i;

	nr_cpus = 0;
	for (i = 1; nr_cpus < ARRAY_SIZE(cpu); i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", i);
		if (file_read(path, is, sizeof(is)) < 0)
			break;
		if (!strcmp(is, "1"))
			cpu[nr_cpus++] = i;
	}
	if (!nr_cpus)
		return skip("no CPU can be switched off");
	return under_load(cpu_turns, "a CPU went off or came back");
}

/* ---- vswap ---- */

/* Not in step: it may be on, or off, for several turns, with zswap on or off. */
static bool vswap_turns(unsigned long nr)
{
	return vswap_param("enabled", rnd(&seed) & 1 ? "Y" : "N") &&
	       (nr % 8 || param_becomes("enabled", nr & 8 ? "N" : "Y"));
}

static int vswap_off_and_on(void)
{
	int ret = vswap_start(true) ? : under_load(vswap_turns, "vswap off or on");
	long long outs, all;

	if (ret)
		return ret;
	/* Zeros take a slot as well. With an area, some took theirs there. */
	outs = grown("vswpout");
	all = grown("zswpout") + grown("swpout_zero");
	if (outs < 1 || (area.on && all <= outs))
		return fail("%lld of %lld pages went to virtual slots", outs, all);
	return vswap_empties("after the load") ? KSFT_PASS : KSFT_FAIL;
}

/* Off: what is out can be read, and takes no new slots. */
static int vswap_off_keeps_pages(void)
{
	int ret = vswap_start(true);

	if (ret)
		return ret;
	if (!memory_of_small(&mem, 256) || !memory_of_small(&other, 256) || !page_out_all(&mem))
		return KSFT_FAIL;
	if (vswap_used() != (long long)mem.pages)
		return fail("%lu pages are out, but %lld slots in use", mem.pages, vswap_used());
	if (!vswap_param("enabled", "N"))
		return KSFT_FAIL;
	count_from_here();
	if (area.on && !page_out_all(&other))
		return KSFT_FAIL;
	madvise(other.base, other.pages * page_size(), MADV_PAGEOUT);
	if (!area.on && swapped(&other))
		return fail("%lu pages are out, and there is nothing to swap to",
			    swapped(&other));
	if (!grew_by("vswpout", 0, "with vswap off") || !intact(&mem, "out before") ||
	    !vswap_empties("all are read") || !intact(&other, "with vswap off"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

/* ---- the swap device ---- */

static bool device_turns(unsigned long nr)
{
	if (!(nr & 1))
		return area_off();
	if (!area_on(disk.node, disk.pages))
		return false;
	/* swapoff brings in all that goes out until then. */
	nap_ms(200);
	return true;
}

static int device_goes_and_comes(void)
{
	return under_load(device_turns, "swapoff or swapon");
}

static const struct test tests[] = {
	{ "pages stored before zswap was switched off stay", off_keeps_pages, BEHIND },
	{ "bad values are refused and change nothing", bad_values, 0 },
	{ "the compressor changes under load",
	  compressor_changes, ON_ZRAM | VIRTUAL | BEHIND },
	{ "zswap is switched off and on under load",
	  switched_off_and_on, ON_ZRAM | VIRTUAL | BEHIND },
	{ "parameters are set and refused under load", any_values, BEHIND },
	{ "CPUs go off and come back under load", cpus_go_and_come, VIRTUAL | BEHIND },
	{ "swap is switched off and on under load", device_goes_and_comes, BEHIND },
	{ "pages out before vswap was switched off stay", vswap_off_keeps_pages, VIRTUAL },
	{ "vswap is switched off and on under load", vswap_off_and_on, ON_ZRAM | VIRTUAL },
};

int main(int argc, char **argv)
{
	parse(argc, argv);
	start();
	run_all(tests, ARRAY_SIZE(tests));
}
