// SPDX-License-Identifier: GPL-2.0
/*
 * cswap: what compressed swap does right now, for everybody who may read /proc
 * and /sys; see cswap.8 or --help.
 *
 * A sample is taken of all that the kernel shows, and then printed, as text or as
 * JSON. What a kernel does not show is UNKNOWN: no line of text, null in JSON.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define UNKNOWN			(-1LL)
#define NAME_LEN		256

static struct {
	const char *root;	/* what is before /proc and /sys */
	double interval;	/* seconds, 0: once */
	long count;		/* samples, 0: until somebody stops it */
	int depth;		/* of cgroups, -1: none */
	bool json;
} opt = { .root = "", .depth = -1 };

/* ---- the sample ---- */

/* Counters of /proc/vmstat, in pages since boot. */
static const struct counter {
	const char *name;
	const char *title;
} counters[] = {
	{ "zswpout",		"stored in zswap" },
	{ "zswpin",		"read from zswap" },
	{ "zswpwb",		"written back by zswap" },
	{ "pswpout",		"written to devices" },
	{ "pswpin",		"read from devices" },
	{ "swpout_zero",	"found to be zero" },
	{ "swpin_zero",		"zeros read" },
	{ "vswpout",		"put in virtual slots" },
	{ "vswpin",		"read from virtual slots" },
	{ "vswpout_fallback",	"refused by vswap" },
	{ "zswp_reject_limit",	"refused: zswap full" },
	{ "zswp_reject_memcg",	"refused: cgroup's limit" },
	{ "zswp_reject_poor",	"refused: incompressible" },
	{ "zswp_reject_fail",	"refused: compressor failed" },
	{ "zswp_reject_memory",	"refused: no memory" },
	{ "zswpin_fail",	"not decompressed" },
};

struct device {
	char name[NAME_LEN];
	long long size, used, priority;		/* bytes, as /proc/swaps has them */
	char algorithm[32];			/* of zram; empty: a disk or a file */
	long long stored, compressed, memory;	/* bytes; of zram */
};

struct node {
	int nid;
	long long total, zsmalloc;		/* bytes */
};

struct group {
	char name[PATH_MAX];
	long long zswap, zswapped, swap;	/* bytes: compressed, as it was, on devices */
};

struct sample {
	double time;
	long long memory, available;		/* bytes */
	char zswap_on, vswap_on;		/* Y, N, or 0 without it */
	char compressor[64];
	long long pool, stored;			/* bytes: what zswap takes, and for what */
	long long zero, in_memory, on_device;	/* bytes: virtual slots, by what is behind */
	long long in_zswap, tables;
	long long swap_total, swap_free;
	long long count[ARRAY_SIZE(counters)];
	struct device *device;
	struct node *node;
	struct group *group;
	unsigned int nr_devices, nr_nodes, nr_groups;
};

static void die(const char *fmt, ...)
{
	va_list args;

	fputs("cswap: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* One more of what is in an array: it, all zero. */
static void *one_more(void *array, unsigned int *nr, size_t size)
{
	void **to = array, *new = realloc(*to, (*nr + 1) * size);

	if (!new)
		die("no memory");
	*to = new;
	return memset((char *)new + (*nr)++ * size, 0, size);
}

/* ---- reading ---- */

/* The whole file, without the newline at its end; NULL if it cannot be read. Free it. */
static char *read_file(const char *fmt, ...)
{
	char path[2 * PATH_MAX], *text = NULL;
	size_t len = strlen(opt.root), room = 0;
	va_list args;
	FILE *f;

	memcpy(path, opt.root, len);
	va_start(args, fmt);
	vsnprintf(path + len, sizeof(path) - len, fmt, args);
	va_end(args);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	len = 0;
	do {
		if (len + 1 >= room) {
			room = room ? 2 * room : 8192;
			text = realloc(text, room);
			if (!text)
				die("no memory");
		}
		len += fread(text + len, 1, room - len - 1, f);
	} while (!feof(f) && !ferror(f));
	if (ferror(f)) {
		free(text);
		text = NULL;
	} else {
		text[len] = '\0';
		if (len && text[len - 1] == '\n')
			text[len - 1] = '\0';
	}
	fclose(f);
	return text;
}

/* The number at the beginning of a text, which is freed. */
static long long number(char *text)
{
	long long value;
	char *end;

	if (!text)
		return UNKNOWN;
	value = strtoll(text, &end, 10);
	if (end == text)
		value = UNKNOWN;
	free(text);
	return value;
}

/* The number behind "name:" or "name " at the beginning of a line. */
static long long field(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *line = text;

	while (line) {
		if (!strncmp(line, name, len) && (line[len] == ':' || line[len] == ' '))
			return strtoll(line + len + 1, NULL, 10);
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return UNKNOWN;
}

static long long times(long long value, long long unit)
{
	return value == UNKNOWN ? UNKNOWN : value * unit;
}

/* A bool parameter of a module. */
static char parameter(const char *module, const char *name)
{
	char *text = read_file("/sys/module/%s/parameters/%s", module, name);
	char value = text ? text[0] : 0;

	free(text);
	return value;
}

static void read_memory(struct sample *s)
{
	char *text = read_file("/proc/meminfo");

	if (!text)
		die("%s/proc/meminfo: %s; is /proc mounted?", opt.root, strerror(errno));
	s->memory = times(field(text, "MemTotal"), 1024);
	s->available = times(field(text, "MemAvailable"), 1024);
	s->pool = times(field(text, "Zswap"), 1024);
	s->stored = times(field(text, "Zswapped"), 1024);
	s->swap_total = times(field(text, "SwapTotal"), 1024);
	s->swap_free = times(field(text, "SwapFree"), 1024);
	free(text);
}

static void read_counters(struct sample *s)
{
	char *text = read_file("/proc/vmstat");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		s->count[i] = text ? field(text, counters[i].name) : UNKNOWN;
	free(text);
}

static void read_vswap(struct sample *s)
{
	static const char dir[] = "/sys/kernel/mm/vswap";
	long page = sysconf(_SC_PAGESIZE);

	s->in_memory = times(number(read_file("%s/slots_none", dir)), page);
	s->zero = times(number(read_file("%s/slots_zero", dir)), page);
	s->in_zswap = times(number(read_file("%s/slots_zswap", dir)), page);
	s->on_device = times(number(read_file("%s/slots_device", dir)), page);
	s->tables = number(read_file("%s/table_bytes", dir));
}

/* The name in brackets is the one in use. */
static void read_algorithm(struct device *d, const char *zram)
{
	char *text = read_file("/sys/block/%s/comp_algorithm", zram);
	char *from = text ? strchr(text, '[') : NULL;

	if (!from || sscanf(from, "[%31[^]]", d->algorithm) != 1)
		snprintf(d->algorithm, sizeof(d->algorithm), "zram");
	free(text);
}

static void read_zram(struct device *d, const char *zram)
{
	char *text = read_file("/sys/block/%s/mm_stat", zram);

	d->stored = UNKNOWN;
	d->compressed = UNKNOWN;
	d->memory = UNKNOWN;
	read_algorithm(d, zram);
	if (text)
		sscanf(text, "%lld %lld %lld", &d->stored, &d->compressed, &d->memory);
	free(text);
}

static void read_devices(struct sample *s)
{
	char *text = read_file("/proc/swaps"), *line, *rest, *base;
	struct device *d;
	char name[NAME_LEN];
	long long size, used, priority;

	/* The first line says what the columns are. */
	rest = text;
	strsep(&rest, "\n");
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%255s %*s %lld %lld %lld", name, &size, &used, &priority) != 4)
			continue;
		d = one_more(&s->device, &s->nr_devices, sizeof(*d));
		snprintf(d->name, sizeof(d->name), "%s", name);
		d->size = size * 1024;
		d->used = used * 1024;
		d->priority = priority;
		base = strrchr(name, '/');
		if (base && !strncmp(base, "/zram", 5))
			read_zram(d, base + 1);
	}
	free(text);
}

static void read_nodes(struct sample *s)
{
	long page = sysconf(_SC_PAGESIZE);
	struct node *node;
	char name[64];
	char *text;
	int nid;

	for (nid = 0; nid < 1024; nid++) {
		text = read_file("/sys/devices/system/node/node%d/vmstat", nid);
		if (!text)
			continue;
		node = one_more(&s->node, &s->nr_nodes, sizeof(*node));
		node->nid = nid;
		node->zsmalloc = times(field(text, "nr_zspages"), page);
		free(text);
		text = read_file("/sys/devices/system/node/node%d/meminfo", nid);
		snprintf(name, sizeof(name), "Node %d MemTotal", nid);
		node->total = text ? times(field(text, name), 1024) : UNKNOWN;
		free(text);
	}
}

static int in_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The group at this path below the root of cgroups, and those below it, by name. */
static void read_groups(struct sample *s, const char *name, int depth)
{
	static const char dir[] = "/sys/fs/cgroup";
	char path[2 * PATH_MAX], below[PATH_MAX];
	struct dirent **entry;
	struct group *g;
	int nr, i;
	char *text;

	text = read_file("%s%s/memory.stat", dir, name);
	if (text) {
		g = one_more(&s->group, &s->nr_groups, sizeof(*g));
		snprintf(g->name, sizeof(g->name), "%s", name[0] ? name : "/");
		g->zswap = field(text, "zswap");
		g->zswapped = field(text, "zswapped");
		g->swap = number(read_file("%s%s/memory.swap.current", dir, name));
		free(text);
	} else if (name[0]) {
		return;
	}
	if (depth <= 0)
		return;
	snprintf(path, sizeof(path), "%s%s%s", opt.root, dir, name);
	nr = scandir(path, &entry, NULL, in_order);
	for (i = 0; i < nr; i++) {
		if (entry[i]->d_type == DT_DIR && entry[i]->d_name[0] != '.' &&
		    snprintf(below, sizeof(below), "%s/%s", name, entry[i]->d_name) <
		    (int)sizeof(below))
			read_groups(s, below, depth - 1);
		free(entry[i]);
	}
	if (nr >= 0)
		free(entry);
}

static void sample_take(struct sample *s)
{
	struct timespec ts;
	char *text;

	memset(s, 0, sizeof(*s));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	s->time = ts.tv_sec + ts.tv_nsec / 1e9;
	read_memory(s);
	read_counters(s);
	s->zswap_on = parameter("zswap", "enabled");
	s->vswap_on = parameter("vswap", "enabled");
	text = read_file("/sys/module/zswap/parameters/compressor");
	snprintf(s->compressor, sizeof(s->compressor), "%s", text ? text : "");
	free(text);
	read_vswap(s);
	read_devices(s);
	read_nodes(s);
	if (opt.depth >= 0)
		read_groups(s, "", opt.depth);
}

static void sample_free(struct sample *s)
{
	free(s->device);
	free(s->node);
	free(s->group);
}

/* ---- what follows from it ---- */

/* What the zram devices among them hold, and take of memory; false if there is none. */
static bool zram_sum(const struct sample *s, long long *stored, long long *memory)
{
	bool any = false;
	unsigned int i;

	*stored = *memory = 0;
	for (i = 0; i < s->nr_devices; i++)
		if (s->device[i].algorithm[0] && s->device[i].memory != UNKNOWN) {
			*stored += s->device[i].stored;
			*memory += s->device[i].memory;
			any = true;
		}
	return any;
}

/*
 * What is on disks: slots in use, but for those that zram has data for, and those that
 * only wait behind a page of zswap, which has one if it has no virtual slot.
 */
static long long disk_holds(const struct sample *s)
{
	long long sum = 0, zram, takes;
	bool any = false;
	unsigned int i;

	for (i = 0; i < s->nr_devices; i++) {
		sum += s->device[i].used;
		any |= !s->device[i].algorithm[0];
	}
	if (!any)
		return UNKNOWN;
	zram_sum(s, &zram, &takes);
	sum -= zram;
	if (s->stored != UNKNOWN)
		sum -= s->stored - (s->in_zswap == UNKNOWN ? 0 : s->in_zswap);
	return sum > 0 ? sum : 0;
}

/* Pages a second of a counter, UNKNOWN without a sample before. */
static double rate(const struct sample *s, const struct sample *before, unsigned int i)
{
	if (!before || s->count[i] == UNKNOWN || before->count[i] == UNKNOWN)
		return UNKNOWN;
	return (s->count[i] - before->count[i]) / (s->time - before->time);
}

/* ---- text ---- */

/* "123.4 MiB" */
static const char *size(long long bytes)
{
	static const char * const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	static char text[8][24];
	static unsigned int turn;
	double value = bytes;
	unsigned int i = 0;
	char *to = text[turn++ % ARRAY_SIZE(text)];

	if (bytes == UNKNOWN)
		return "?";
	while (value >= 1024 && i + 1 < ARRAY_SIZE(unit)) {
		value /= 1024;
		i++;
	}
	snprintf(to, sizeof(text[0]), i ? "%.1f %s" : "%.0f %s", value, unit[i]);
	return to;
}

/* How many times smaller; "-" if there is nothing. */
static const char *ratio(long long stored, long long takes)
{
	static char text[4][24];
	static unsigned int turn;
	char *to = text[turn++ % ARRAY_SIZE(text)];

	if (stored <= 0 || takes <= 0)
		return "-";
	snprintf(to, sizeof(text[0]), "%.2f", (double)stored / takes);
	return to;
}

/* The end of a name that may be too long. */
static const char *tail(const char *name, size_t width)
{
	static char text[PATH_MAX];
	size_t len = strlen(name);

	if (len <= width)
		return name;
	snprintf(text, sizeof(text), "...%s", name + len - (width - 3));
	return text;
}

static const char *on_or_off(char value)
{
	return !value ? "not built in" : value == 'Y' || value == '1' ? "on" : "off";
}

static void text_places(const struct sample *s)
{
	struct {
		const char *name;
		long long bytes;
	} place[] = {
		{ "zeros", s->zero },
		{ "zswap", s->stored },
		{ "zram", UNKNOWN },
		{ "disk", disk_holds(s) },
	};
	long long zram, takes, sum = 0;
	unsigned int i;

	if (zram_sum(s, &zram, &takes))
		place[2].bytes = zram;
	for (i = 0; i < ARRAY_SIZE(place); i++)
		sum += place[i].bytes == UNKNOWN ? 0 : place[i].bytes;
	printf("%-24s %12s %8s\n", "swapped pages are in", "size", "share");
	for (i = 0; i < ARRAY_SIZE(place); i++)
		if (place[i].bytes != UNKNOWN)
			printf("  %-22s %12s %6.1f %%\n", place[i].name, size(place[i].bytes),
			       sum ? 100.0 * place[i].bytes / sum : 0.0);
	if (s->zero == UNKNOWN)
		puts("  (zeros are counted where their slots are)");
}

static void text_compressed(const struct sample *s)
{
	long long stored, memory;

	printf("\n%-24s %12s %12s %8s\n", "compressed", "size", "takes", "ratio");
	if (s->stored != UNKNOWN)
		printf("  %-22s %12s %12s %8s\n", "zswap", size(s->stored), size(s->pool),
		       ratio(s->stored, s->pool));
	if (zram_sum(s, &stored, &memory))
		printf("  %-22s %12s %12s %8s\n", "zram", size(stored), size(memory),
		       ratio(stored, memory));
	if (s->tables != UNKNOWN)
		printf("  %-22s %12s %12s\n", "tables of vswap", "", size(s->tables));
}

static void text_devices(const struct sample *s)
{
	const struct device *d;
	unsigned int i;

	if (!s->nr_devices)
		return;
	printf("\n%-24s %12s %12s %8s %s\n", "device", "size", "used", "priority", "compressor");
	for (i = 0; i < s->nr_devices; i++) {
		d = &s->device[i];
		printf("  %-22s %12s %12s %8lld %s\n", tail(d->name, 22), size(d->size),
		       size(d->used), d->priority, d->algorithm[0] ? d->algorithm : "-");
	}
}

static void text_nodes(const struct sample *s)
{
	unsigned int i;

	if (s->nr_nodes < 2)
		return;
	printf("\n%-24s %12s %12s\n", "node", "memory", "compressed");
	for (i = 0; i < s->nr_nodes; i++)
		printf("  %-22d %12s %12s\n", s->node[i].nid, size(s->node[i].total),
		       size(s->node[i].zsmalloc));
}

static void text_groups(const struct sample *s)
{
	const struct group *g;
	unsigned int i;

	if (opt.depth < 0)
		return;
	if (!s->nr_groups) {
		puts("\nno cgroup of version 2 with memory.stat in /sys/fs/cgroup");
		return;
	}
	printf("\n%-30s %11s %11s %6s %11s\n", "cgroup", "in zswap", "takes", "ratio", "devices");
	for (i = 0; i < s->nr_groups; i++) {
		g = &s->group[i];
		printf("  %-28s %11s %11s %6s %11s\n", tail(g->name, 28), size(g->zswapped),
		       size(g->zswap), ratio(g->zswapped, g->zswap), size(g->swap));
	}
}

static void text_counters(const struct sample *s, const struct sample *before)
{
	unsigned int i;

	printf("\n%-30s %14s", "pages", "since boot");
	puts(before ? "      a second" : "");
	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		if (s->count[i] == UNKNOWN)
			continue;
		printf("  %-28s %14lld", counters[i].title, s->count[i]);
		if (before)
			printf(" %13.1f", rate(s, before, i));
		putchar('\n');
	}
}

static void text_print(const struct sample *s, const struct sample *before)
{
	printf("zswap is %s", on_or_off(s->zswap_on));
	if (s->zswap_on && s->compressor[0])
		printf(" (%s)", s->compressor);
	printf(", vswap is %s\nof %s memory %s are available\n\n", on_or_off(s->vswap_on),
	       size(s->memory), size(s->available));
	text_places(s);
	text_compressed(s);
	text_devices(s);
	text_nodes(s);
	text_groups(s);
	text_counters(s, before);
}

/* ---- JSON ---- */

static const char *comma = "";

static void json_name(const char *name)
{
	printf("%s", comma);
	if (name)
		printf("\"%s\": ", name);
	comma = ", ";
}

static void json_open(const char *name, char bracket)
{
	json_name(name);
	putchar(bracket);
	comma = "";
}

static void json_close(char bracket)
{
	putchar(bracket);
	comma = ", ";
}

static void json_number(const char *name, long long value)
{
	json_name(name);
	if (value == UNKNOWN)
		printf("null");
	else
		printf("%lld", value);
}

static void json_string(const char *name, const char *text)
{
	json_name(name);
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void json_bool(const char *name, char value)
{
	json_name(name);
	printf(!value ? "null" : value == 'Y' || value == '1' ? "true" : "false");
}

static void json_print(const struct sample *s, const struct sample *before)
{
	unsigned int i;

	comma = "";
	json_open(NULL, '{');
	json_number("time", time(NULL));
	json_number("mem_total_bytes", s->memory);
	json_number("mem_available_bytes", s->available);
	json_open("zswap", '{');
	json_bool("enabled", s->zswap_on);
	json_string("compressor", s->compressor);
	json_number("stored_bytes", s->stored);
	json_number("pool_bytes", s->pool);
	json_close('}');
	json_open("vswap", '{');
	json_bool("enabled", s->vswap_on);
	json_number("in_memory_bytes", s->in_memory);
	json_number("zero_bytes", s->zero);
	json_number("zswap_bytes", s->in_zswap);
	json_number("device_bytes", s->on_device);
	json_number("table_bytes", s->tables);
	json_close('}');
	json_number("swap_total_bytes", s->swap_total);
	json_number("swap_free_bytes", s->swap_free);
	json_open("devices", '[');
	for (i = 0; i < s->nr_devices; i++) {
		const struct device *d = &s->device[i];

		json_open(NULL, '{');
		json_string("name", d->name);
		json_number("size_bytes", d->size);
		json_number("used_bytes", d->used);
		json_number("priority", d->priority);
		if (d->algorithm[0]) {
			json_string("compressor", d->algorithm);
			json_number("stored_bytes", d->stored);
			json_number("compressed_bytes", d->compressed);
			json_number("memory_bytes", d->memory);
		}
		json_close('}');
	}
	json_close(']');
	json_open("nodes", '[');
	for (i = 0; i < s->nr_nodes; i++) {
		json_open(NULL, '{');
		json_number("node", s->node[i].nid);
		json_number("mem_total_bytes", s->node[i].total);
		json_number("zsmalloc_bytes", s->node[i].zsmalloc);
		json_close('}');
	}
	json_close(']');
	if (opt.depth >= 0) {
		json_open("cgroups", '[');
		for (i = 0; i < s->nr_groups; i++) {
			json_open(NULL, '{');
			json_string("name", s->group[i].name);
			json_number("zswapped_bytes", s->group[i].zswapped);
			json_number("zswap_bytes", s->group[i].zswap);
			json_number("swap_bytes", s->group[i].swap);
			json_close('}');
		}
		json_close(']');
	}
	json_open("pages", '{');
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		json_number(counters[i].name, s->count[i]);
	json_close('}');
	if (before) {
		json_open("pages_per_second", '{');
		for (i = 0; i < ARRAY_SIZE(counters); i++) {
			json_name(counters[i].name);
			if (rate(s, before, i) == UNKNOWN)
				printf("null");
			else
				printf("%.1f", rate(s, before, i));
		}
		json_close('}');
	}
	puts("}");
}

/* ---- the program ---- */

static const char help[] =
"Usage: cswap [OPTION]...\n"
"\n"
"Show what compressed swap (zswap, zram, vswap) does right now: where swapped\n"
"pages are, how well they compress, on which nodes, of which cgroups, and how\n"
"many pages go to and fro. It needs no root, and changes nothing.\n"
"\n"
"  -i, --interval SECONDS  show it again and again, with pages a second\n"
"  -n, --count N           end after N times; without -i, once a second\n"
"  -c, --cgroups[=DEPTH]   and each cgroup, DEPTH levels down (default 1)\n"
"  -j, --json              as JSON, an object a line\n"
"  -r, --root DIR          read DIR/proc and DIR/sys in place of /proc and /sys\n"
"  -h, --help              this\n"
"\n"
"Sizes are those of pages as they were, unless they are what something \"takes\".\n"
"\n"
"  swapped pages are in  zeros take no memory; zswap and zram hold them\n"
"                        compressed, in memory; on a disk they are not. The slot\n"
"                        that a page of zswap has without vswap does not count.\n"
"  compressed            what zswap, zram and the tables of vswap take\n"
"  device                the areas of /proc/swaps; used are slots that are taken,\n"
"                        also by a page of zswap\n"
"  node                  what zswap and zram have of its memory; not shown if\n"
"                        there is one only\n"
"  cgroup                with those below it; devices is memory.swap.current\n"
"  pages                 counters of /proc/vmstat\n"
"\n"
"What a kernel does not count is not shown, and null in JSON. Without vswap the\n"
"kernel does not say how many zeros are swapped.\n"
"\n"
"Examples:\n"
"  cswap              once\n"
"  cswap -i 5         every five seconds\n"
"  cswap -c2          with the cgroups of two levels\n"
"  cswap -j | python3 -m json.tool\n";

static double positive(const char *what, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0) || value > 1e6)
		die("%s must be a number above 0, not \"%s\"; see --help", what, text);
	return value;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "cgroups", optional_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "i:n:c::jr:h", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			opt.interval = positive("--interval", optarg);
			break;
		case 'n':
			opt.count = positive("--count", optarg);
			break;
		case 'c':
			opt.depth = optarg ? positive("--cgroups", optarg) : 1;
			break;
		case 'j':
			opt.json = true;
			break;
		case 'r':
			opt.root = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			fputs("see cswap --help\n", stderr);
			exit(2);
		}
	}
	if (optind != argc)
		die("\"%s\" is not an option; see --help", argv[optind]);
	if (strlen(opt.root) >= PATH_MAX)
		die("--root is too long");
	if (!opt.interval && opt.count > 1)
		opt.interval = 1;
	if (!opt.interval)
		opt.count = 1;
}

static void nap(double seconds)
{
	struct timespec ts = { .tv_sec = seconds, };

	ts.tv_nsec = (seconds - ts.tv_sec) * 1e9;
	nanosleep(&ts, NULL);
}

int main(int argc, char **argv)
{
	struct sample sample, before = { };
	long nr;

	parse(argc, argv);
	for (nr = 0; !opt.count || nr < opt.count; nr++) {
		if (nr) {
			nap(opt.interval);
			if (!opt.json)
				putchar('\n');
		}
		sample_take(&sample);
		(opt.json ? json_print : text_print)(&sample, nr ? &before : NULL);
		if (fflush(stdout))
			die("cannot write: %s", strerror(errno));
		sample_free(&before);
		before = sample;
	}
	sample_free(&before);
	return 0;
}
