// SPDX-License-Identifier: GPL-2.0
/*
 * cswap: what compressed swap does right now, for everybody who may read /proc
 * and /sys; see cswap.8 or --help.
 *
 * A sample is taken of all that the kernel shows, and then printed, as text or as
 * JSON. What a kernel does not show is UNKNOWN: no line of text, null in JSON.
 */
#define _GNU_SOURCE
#include <ctype.h>
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
#define UNKNOWN			LLONG_MIN

#define CGROUPS			"sys/fs/cgroup"

/* What the program ends with if not with 0. */
#define FAILED			1
#define BAD_USAGE		2

/* What options take: seconds, and a count or a depth. */
#define MIN_INTERVAL		0.01
#define MAX_INTERVAL		1e6
#define MAX_WHOLE		1000000000L

static struct {
	const char *root;	/* where proc and sys are */
	double interval;	/* seconds, 0: once */
	long count;		/* samples, 0: until somebody stops it */
	long depth;		/* of cgroups, 0: none */
	bool json;
} opt = { .root = "/" };

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
	char *name;
	long long size, used, priority;		/* bytes, as /proc/swaps has them */
	bool zram;				/* if not, all below is unknown */
	char *algorithm;
	long long stored, compressed, memory;	/* bytes: what is in memory */
	long long backing;			/* bytes: what is on its backing device */
};

struct node {
	int nid;
	long long total, zsmalloc;		/* bytes */
};

struct group {
	char *name;
	long long zswap, zswapped, swap;	/* bytes: compressed, as it was, on devices */
};

struct sample {
	double time;
	long long memory, available;		/* bytes */
	char zswap_on, vswap_on;		/* Y, N, or 0 without it */
	char *compressor;
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

static void die(int status, const char *fmt, ...)
{
	va_list args;

	fputs("cswap: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

static long long at_least_0(long long value)
{
	return value > 0 ? value : 0;
}

/* For sums: what is unknown adds nothing. */
static long long known(long long value)
{
	return value == UNKNOWN ? 0 : value;
}

static char *format_args(const char *fmt, va_list args)
{
	char *text;

	if (vasprintf(&text, fmt, args) < 0)
		die(FAILED, "no memory");
	return text;
}

/* What printf() would print. Free it. */
static char *format(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = format_args(fmt, args);
	va_end(args);
	return text;
}

/* One more of what is in an array: it, all zero. */
static void *one_more(void *array, unsigned int *nr, size_t size)
{
	void **to = array, *new = realloc(*to, (*nr + 1) * size);

	if (!new)
		die(FAILED, "no memory");
	*to = new;
	return memset((char *)new + (*nr)++ * size, 0, size);
}

/* ---- reading ---- */

/* The whole file, without the newline at its end; NULL if it cannot be read. Free it. */
static char *read_file(const char *fmt, ...)
{
	char *path, *text = NULL;
	size_t len = 0, room = 0;
	va_list args;
	FILE *f;

	va_start(args, fmt);
	path = format_args(fmt, args);
	va_end(args);
	f = fopen(path, "r");
	free(path);
	if (!f)
		return NULL;
	do {
		if (len + 1 >= room) {
			room = room ? 2 * room : 8192;
			text = realloc(text, room);
			if (!text)
				die(FAILED, "no memory");
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
	char *text = read_file("sys/module/%s/parameters/%s", module, name);
	char value = text ? text[0] : 0;

	free(text);
	return value;
}

static void read_memory(struct sample *s)
{
	char *text = read_file("proc/meminfo");

	if (!text)
		die(FAILED, "proc/meminfo in %s: %s; is /proc mounted?", opt.root,
		    strerror(errno));
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
	char *text = read_file("proc/vmstat");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		s->count[i] = text ? field(text, counters[i].name) : UNKNOWN;
	free(text);
}

static void read_vswap(struct sample *s)
{
	static const char dir[] = "sys/kernel/mm/vswap";
	long page = sysconf(_SC_PAGESIZE);

	s->in_memory = times(number(read_file("%s/slots_none", dir)), page);
	s->zero = times(number(read_file("%s/slots_zero", dir)), page);
	s->in_zswap = times(number(read_file("%s/slots_zswap", dir)), page);
	s->on_device = times(number(read_file("%s/slots_device", dir)), page);
	s->tables = number(read_file("%s/table_bytes", dir));
}

/* The name in brackets is the one in use; NULL if there is none. Free it. */
static char *read_algorithm(const char *nr)
{
	char *text = read_file("sys/block/zram%s/comp_algorithm", nr);
	char *from = text ? strchr(text, '[') : NULL;
	char *name = NULL;

	if (from)
		name = format("%.*s", (int)strcspn(from + 1, "]"), from + 1);
	free(text);
	return name;
}

/*
 * A file may have any name: only a block device that zram has statistics of is zram.
 * The first of them counts also what zram wrote to its backing device, in units of 4K.
 */
static void read_zram(struct device *d, const char *type)
{
	char *text = NULL;
	char nr[10], more;

	if (!strcmp(type, "partition") && sscanf(d->name, "/dev/zram%9[0-9]%c", nr, &more) == 1)
		text = read_file("sys/block/zram%s/mm_stat", nr);
	d->zram = text && sscanf(text, "%lld %lld %lld", &d->stored, &d->compressed,
				 &d->memory) == 3;
	free(text);
	if (!d->zram) {
		d->stored = UNKNOWN;
		d->compressed = UNKNOWN;
		d->memory = UNKNOWN;
		d->backing = UNKNOWN;
		return;
	}
	d->backing = times(number(read_file("sys/block/zram%s/bd_stat", nr)), 4096);
	d->stored = at_least_0(d->stored - known(d->backing));
	d->algorithm = read_algorithm(nr);
}

/* The kernel writes blanks, and what else would end a path, as \ooo. */
static void decode(char *path)
{
	char *to = path;

	while (*path) {
		if (*path == '\\' && strspn(path + 1, "01234567") >= 3) {
			*to++ = (path[1] - '0') << 6 | (path[2] - '0') << 3 | (path[3] - '0');
			path += 4;
		} else {
			*to++ = *path++;
		}
	}
	*to = '\0';
}

static void read_devices(struct sample *s)
{
	char *text = read_file("proc/swaps"), *line, *rest, *name;
	long long size, used, priority;
	struct device *d;
	char type[16];

	/* The first line says what the columns are. */
	rest = text;
	strsep(&rest, "\n");
	while ((line = strsep(&rest, "\n"))) {
		name = strsep(&line, " \t");
		if (!line || sscanf(line, "%15s %lld %lld %lld", type, &size, &used,
				    &priority) != 4)
			continue;
		decode(name);
		d = one_more(&s->device, &s->nr_devices, sizeof(*d));
		d->name = format("%s", name);
		d->size = size * 1024;
		d->used = used * 1024;
		d->priority = priority;
		read_zram(d, type);
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
		text = read_file("sys/devices/system/node/node%d/vmstat", nid);
		if (!text)
			continue;
		node = one_more(&s->node, &s->nr_nodes, sizeof(*node));
		node->nid = nid;
		node->zsmalloc = times(field(text, "nr_zspages"), page);
		free(text);
		text = read_file("sys/devices/system/node/node%d/meminfo", nid);
		snprintf(name, sizeof(name), "Node %d MemTotal", nid);
		node->total = text ? times(field(text, name), 1024) : UNKNOWN;
		free(text);
	}
}

static int is_group(const struct dirent *entry)
{
	/* Where the type is not told, memory.stat in it will tell. */
	return (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
	       strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

/*
 * The group at this path below the root of cgroups, and those below it, by name. The
 * length of a path, PATH_MAX, limits how deep this nests: no large variables here.
 */
static void read_groups(struct sample *s, const char *name, long depth)
{
	struct dirent **entry;
	char *text, *path;
	struct group *g;
	int nr, i;

	text = read_file(CGROUPS "%s/memory.stat", name);
	if (text) {
		g = one_more(&s->group, &s->nr_groups, sizeof(*g));
		g->name = format("%s", name[0] ? name : "/");
		g->zswap = field(text, "zswap");
		g->zswapped = field(text, "zswapped");
		g->swap = number(read_file(CGROUPS "%s/memory.swap.current", name));
		free(text);
	} else if (name[0]) {
		return;
	}
	if (!depth)
		return;
	path = format(CGROUPS "%s", name);
	nr = scandir(path, &entry, is_group, alphasort);
	free(path);
	for (i = 0; i < nr; i++) {
		path = format("%s/%s", name, entry[i]->d_name);
		read_groups(s, path, depth - 1);
		free(path);
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
	s->compressor = read_file("sys/module/zswap/parameters/compressor");
	read_vswap(s);
	read_devices(s);
	read_nodes(s);
	if (opt.depth) {
		/* Version 1 has directories there, too, but not this. */
		text = read_file(CGROUPS "/cgroup.controllers");
		if (text)
			read_groups(s, "", opt.depth);
		free(text);
	}
}

static void sample_free(struct sample *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_devices; i++) {
		free(s->device[i].name);
		free(s->device[i].algorithm);
	}
	for (i = 0; i < s->nr_groups; i++)
		free(s->group[i].name);
	free(s->compressor);
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
		if (s->device[i].zram) {
			*stored += s->device[i].stored;
			*memory += s->device[i].memory;
			any = true;
		}
	return any;
}

/*
 * What is on disks: their slots in use, less those that only wait behind a page of zswap,
 * as they do if it has no virtual slot; and what zram wrote to its backing devices. The
 * kernel does not tell which areas such slots are of: those of zram with nothing in them
 * are taken for it first, or pages on a disk would be missed.
 */
static long long disk_holds(const struct sample *s)
{
	long long slots = 0, backing = 0, zswap = known(s->stored) - known(s->in_zswap);
	const struct device *d;
	bool any = false;
	unsigned int i;

	for (i = 0; i < s->nr_devices; i++) {
		d = &s->device[i];
		if (d->zram) {
			backing += known(d->backing);
			zswap -= at_least_0(d->used - d->stored - known(d->backing));
		} else {
			slots += d->used;
			any = true;
		}
	}
	if (!any && !backing)
		return UNKNOWN;
	return at_least_0(slots - at_least_0(zswap)) + backing;
}

/* Pages a second of a counter; UNKNOWN without a sample before. */
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

/* A byte that does something else to a terminal than to take a column is shown as \xff. */
static size_t columns(char byte)
{
	return isprint((unsigned char)byte) ? 1 : strlen("\\xff");
}

/* A name, or the end of one that is wider, at most 60; "?" if it is NULL. */
static const char *shown(const char *name, size_t width)
{
	static char text[2][64];
	static unsigned int turn;
	char *to = text[turn++ % ARRAY_SIZE(text)];
	size_t takes = 0, len = 0;
	const char *byte;

	if (!name)
		return "?";
	for (byte = name; *byte; byte++)
		takes += columns(*byte);
	if (takes > width) {
		len = sprintf(to, "...");
		while (takes > width - len)
			takes -= columns(*name++);
	}
	for (; *name; name++)
		len += sprintf(to + len, columns(*name) == 1 ? "%c" : "\\x%02x",
			       (unsigned char)*name);
	to[len] = '\0';
	return to;
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
		sum += known(place[i].bytes);
	printf("%-24s %12s %8s\n", "swapped pages are in", "size", "share");
	for (i = 0; i < ARRAY_SIZE(place); i++)
		if (place[i].bytes != UNKNOWN)
			printf("  %-22s %12s %6.1f %%\n", place[i].name, size(place[i].bytes),
			       sum ? 100.0 * place[i].bytes / sum : 0.0);
	if (s->zero == UNKNOWN)
		puts("  (without vswap, zeros are part of \"disk\" or not counted)");
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
		printf("  %-22s %12s %12s %8lld %s\n", shown(d->name, 22), size(d->size),
		       size(d->used), d->priority, d->zram ? shown(d->algorithm, 20) : "-");
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

	if (!opt.depth)
		return;
	if (!s->nr_groups) {
		puts("\nno cgroup of version 2 with memory.stat in /sys/fs/cgroup");
		return;
	}
	printf("\n%-30s %11s %11s %6s %11s\n", "cgroup", "in zswap", "takes", "ratio", "devices");
	for (i = 0; i < s->nr_groups; i++) {
		g = &s->group[i];
		printf("  %-28s %11s %11s %6s %11s\n", shown(g->name, 28), size(g->zswapped),
		       size(g->zswap), ratio(g->zswapped, g->zswap), size(g->swap));
	}
}

static void text_counters(const struct sample *s, const struct sample *before)
{
	double a_second;
	unsigned int i;

	printf("\n%-30s %14s", "pages", "since boot");
	puts(before ? "      a second" : "");
	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		if (s->count[i] == UNKNOWN)
			continue;
		printf("  %-28s %14lld", counters[i].title, s->count[i]);
		a_second = rate(s, before, i);
		if (a_second != UNKNOWN)
			printf(" %13.1f", a_second);
		putchar('\n');
	}
}

static void text_print(const struct sample *s, const struct sample *before)
{
	printf("zswap is %s", on_or_off(s->zswap_on));
	if (s->zswap_on && s->compressor)
		printf(" (%s)", shown(s->compressor, 32));
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

/* The length of the character at the beginning of a text; 0 if it is not UTF-8. */
static size_t utf8_length(const char *text)
{
	/* The smallest value that needs so many bytes. */
	static const unsigned int least[] = { [2] = 0x80, 0x800, 0x10000 };
	unsigned char byte = *text;
	unsigned int value;
	size_t len, i;

	if (byte < 0x80)
		return 1;
	if (byte < 0xc0 || byte >= 0xf8)
		return 0;
	len = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
	value = byte & (0x7f >> len);
	for (i = 1; i < len; i++) {
		byte = text[i];
		if ((byte & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (byte & 0x3f);
	}
	if (value < least[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return len;
}

static void json_string(const char *name, const char *text)
{
	size_t len;

	json_name(name);
	if (!text) {
		printf("null");
		return;
	}
	putchar('"');
	for (; *text; text += len) {
		len = utf8_length(text);
		if (!len) {
			printf("\\ufffd");
			len = 1;
		} else if ((unsigned char)*text < ' ' || *text == '"' || *text == '\\') {
			printf(*text < ' ' ? "\\u%04x" : "\\%c", *text);
		} else {
			fwrite(text, 1, len, stdout);
		}
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
	double a_second;
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
		json_string("compressor", d->algorithm);
		json_number("stored_bytes", d->stored);
		json_number("compressed_bytes", d->compressed);
		json_number("memory_bytes", d->memory);
		json_number("backing_bytes", d->backing);
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
	if (opt.depth) {
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
			a_second = rate(s, before, i);
			if (a_second == UNKNOWN)
				printf("null");
			else
				printf("%.1f", a_second);
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
"Options:\n"
"  -i, --interval SECONDS  show it again and again, with pages a second; from\n"
"                          0.01 to 1000000\n"
"  -n, --count N           end after N times, at least 1; without -i, once a\n"
"                          second\n"
"  -c, --cgroups[=DEPTH]   and each cgroup, DEPTH levels down, at least 1, which\n"
"                          is the default. The short form is -c2, without blank\n"
"  -j, --json              as JSON, an object a line; cswap(8) tells the keys\n"
"  -r, --root DIR          read DIR/proc and DIR/sys in place of /proc and /sys\n"
"  -h, --help              this\n"
"\n"
"Output: sizes are those of pages as they were, unless they are what something\n"
"\"takes\". What a kernel does not count is not shown or \"?\", and null in JSON.\n"
"\n"
"  swapped pages are in\n"
"      zeros   pages full of zeros, which take no memory. Only vswap counts them\n"
"      zswap   compressed, in memory\n"
"      zram    compressed, in memory\n"
"      disk    not compressed: slots of areas that are no zram, and what zram\n"
"              wrote to its backing devices. The slot that a page of zswap has\n"
"              without vswap, to be written back to, does not count\n"
"  compressed  what zswap, zram and the tables of vswap take, and how many times\n"
"              smaller the pages became\n"
"  device      the areas of /proc/swaps; used are slots that are taken, also by a\n"
"              page of zswap\n"
"  node        what zswap and zram have of its memory; not shown if there is one\n"
"              node only\n"
"  cgroup      each with those below it; devices is memory.swap.current\n"
"  pages       counters of /proc/vmstat, listed below, since boot\n"
"\n"
"The end of a name that is too long is shown, and bytes that are not printable\n"
"ASCII as \\x1b.\n"
"\n"
"Exit status: 0, 1 if something could not be read or written, 2 for bad usage.\n"
"\n"
"Examples:\n"
"  cswap              once\n"
"  cswap -i 5         every five seconds\n"
"  cswap -c2          with the cgroups of two levels\n"
"  cswap -j | python3 -m json.tool\n"
"\n"
"Counters, and their names in /proc/vmstat and in JSON:\n";

static void flush(void)
{
	if (fflush(stdout) || ferror(stdout))
		die(FAILED, "cannot write: %s", strerror(errno));
}

static void print_help(void)
{
	unsigned int i;

	fputs(help, stdout);
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		printf("  %-28s %s\n", counters[i].title, counters[i].name);
	flush();
}

static double seconds(const char *what, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= MIN_INTERVAL && value <= MAX_INTERVAL))
		die(BAD_USAGE, "%s must be a number from %g to %.0f, not \"%s\"; see --help",
		    what, MIN_INTERVAL, MAX_INTERVAL, text);
	return value;
}

static long whole_number(const char *what, const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 1 || value > MAX_WHOLE)
		die(BAD_USAGE, "%s must be a whole number from 1 to %ld, not \"%s\"; see --help",
		    what, MAX_WHOLE, text);
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
			opt.interval = seconds("--interval", optarg);
			break;
		case 'n':
			opt.count = whole_number("--count", optarg);
			break;
		case 'c':
			opt.depth = optarg ? whole_number("--cgroups", optarg) : 1;
			break;
		case 'j':
			opt.json = true;
			break;
		case 'r':
			opt.root = optarg;
			break;
		case 'h':
			print_help();
			exit(0);
		default:
			fputs("see cswap --help\n", stderr);
			exit(BAD_USAGE);
		}
	}
	if (optind != argc)
		die(BAD_USAGE, "\"%s\" is not an option; see --help", argv[optind]);
	if (chdir(opt.root))
		die(FAILED, "%s: %s", opt.root, strerror(errno));
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
		flush();
		sample_free(&before);
		before = sample;
	}
	sample_free(&before);
	return 0;
}
