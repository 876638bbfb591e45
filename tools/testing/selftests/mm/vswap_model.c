// SPDX-License-Identifier: GPL-2.0
/*
 * A model of virtual slots. Processes write, read, drop, fork, end and have pages
 * swapped out, at random; the model says what that makes of each page table entry
 * and each slot, and after every step all of them are compared with it: entries by
 * /proc/PID/pagemap, slots by a list that kernels with CONFIG_VSWAP_KUNIT_TEST
 * have in debugfs, counters by /proc/vmstat and /sys/kernel/mm/vswap.
 *
 * What the model cannot know is when reclaim takes which page. There it allows all
 * that is legal, and goes on from what happened:
 *
 *	a slot has as many references as there are entries with it, in all page
 *	tables of all processes here; without any it is in the swap cache;
 *	what is behind a slot follows from the page: zeros, a page in zswap, a page
 *	on the device that zswap did not take or has written back; nothing only in
 *	the swap cache;
 *	it changes only in the steps that may change it;
 *	an entry stays, with its offset, until its process touches the page.
 *
 * A failure names the step. The same seed makes the same steps.
 */
#include "zswap_test.h"

#include <sched.h>

#define SLOTS	"/sys/kernel/debug/vswap_slots"
#define PAGES	48
#define TASKS	4

/* ---- the processes: they do what they are told ---- */

enum what {
	WRITE, READ, DROP, OUT, FORK, EXIT, RECLAIM, SWAPOFF, SWAPON, NR_WHATS
};

static const char * const what_name[NR_WHATS] = {
	"write", "read", "drop", "out", "fork", "exit", "reclaim", "swapoff", "swapon",
};

struct order {
	enum what what;
	unsigned int page, nr;	/* of pages */
	unsigned int child;	/* FORK: its number */
	__u64 key;
};

struct answer {
	bool good;
	pid_t pid;
};

/* Memory is mapped here by the first process, and by those forked from it. */
static char *base;
static int orders[TASKS][2], answers[TASKS][2];	/* pipes to each, and back */

/* Nothing is swapped of a process but base. */
static bool lock_all_else(void)
{
	return lock_self() && !munlock(base, PAGES * page_size());
}

static __noreturn void obey(unsigned int self)
{
	struct answer answer;
	struct order order;
	size_t bytes;
	char *at;

	if (!lock_all_else())
		_exit(1);
	while (read(orders[self][0], &order, sizeof(order)) == sizeof(order)) {
		answer = (struct answer){ .good = true };
		at = base + order.page * page_size();
		bytes = order.nr * page_size();
		switch (order.what) {
		case WRITE:
			page_fill(at, order.key);
			break;
		case READ:
			answer.good = page_is(at, order.key, "page", order.page);
			break;
		case DROP:
			answer.good = !madvise(at, bytes, MADV_DONTNEED);
			break;
		case OUT:
			answer.good = !madvise(at, bytes, MADV_PAGEOUT);
			break;
		case FORK:
			answer.pid = fork();
			answer.good = answer.pid >= 0;
			if (!answer.pid) {
				self = order.child;
				answer.good = lock_all_else();
			}
			break;
		default:
			break;
		}
		if (write(answers[self][1], &answer, sizeof(answer)) != sizeof(answer) ||
		    order.what == EXIT)
			break;
	}
	_exit(0);
}

/* ---- the model ---- */

enum where { NOWHERE, HERE, SWAPPED, NR_WHERES };

static const char * const where_name[NR_WHERES] = { "nowhere", "in memory", "swapped" };
static const char * const kind_name[NR_SLOT_KINDS] = { "none", "zero", "zswap", "device" };

struct page {
	enum where where;
	unsigned long offset;	/* SWAPPED */
	unsigned long copy;	/* the same for those who share it since a fork; 0: the zero page */
	__u64 key;
};

static struct task {
	pid_t pid;		/* 0 if there is none */
	struct page page[PAGES];
} task[TASKS];

struct slot {
	unsigned long offset;
	enum slot_kind kind;
	int cache;
	unsigned long long refs;
	unsigned long long seen;	/* entries with it */
	const struct page *page;	/* one of ours that is there */
};

static struct list {
	struct slot *slot;
	unsigned int nr;
	long long kinds[NR_SLOT_KINDS];
} before, after, foreign;

static unsigned long step, copies;
static unsigned int pipes;
static bool has_area;

static int wrong(const struct order *order, unsigned int who, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return fail("step %lu, task %u, %s of %u pages from %u: %s", step, who,
		    what_name[order->what], order->nr, order->page, text);
}

/* ---- what the kernel has ---- */

static int by_offset(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static struct slot *find(struct list *list, unsigned long offset)
{
	struct slot slot = { .offset = offset };

	return bsearch(&slot, list->slot, list->nr, sizeof(slot), by_offset);
}

static bool list_read(struct list *list)
{
	char kind[16];
	struct slot slot;
	bool good;
	FILE *f = fopen(SLOTS, "r");

	if (!f)
		return complain(SLOTS);
	list->nr = 0;
	memset(list->kinds, 0, sizeof(list->kinds));
	memset(&slot, 0, sizeof(slot));
	while (fscanf(f, "%lu %15s %d %llu", &slot.offset, kind, &slot.cache, &slot.refs) == 4) {
		slot.kind = 0;
		while (slot.kind < NR_SLOT_KINDS && strcmp(kind_name[slot.kind], kind))
			slot.kind++;
		if (slot.kind == NR_SLOT_KINDS)
			break;
		list->kinds[slot.kind]++;
		if (!(list->nr & (list->nr - 1)))
			list->slot = realloc(list->slot, (2 * list->nr + 1) * sizeof(slot));
		list->slot[list->nr++] = slot;
	}
	good = feof(f);
	if (!good)
		fail("%s: a line after %lu is not understood", SLOTS, slot.offset);
	fclose(f);
	qsort(list->slot, list->nr, sizeof(slot), by_offset);
	return good;
}

/* An entry of a process for swap counts for its slot; one of base is noted in @page. */
static bool entry_is(unsigned long addr, __u64 entry, struct page *page, struct list *list)
{
	unsigned long nr = (addr - (unsigned long)base) / page_size();
	bool ours = addr >= (unsigned long)base && nr < PAGES;
	struct slot *s;

	if (ours)
		page[nr].where = entry >> 63 ? HERE : entry >> 62 & 1 ? SWAPPED : NOWHERE;
	if (entry >> 62 != 1)
		return true;
	s = find(list, entry >> 5 & ((1ULL << 50) - 1));
	if (!s) {
		fail("step %lu: %lx has an entry for a slot that is free: %llx", step, addr, entry);
		return false;
	}
	s->seen++;
	if (ours) {
		page[nr].offset = s->offset;
		s->page = &page[nr];
	}
	return true;
}

static bool entries_read(struct task *t, struct page *page, struct list *list)
{
	unsigned long from, to, first, nr, got = 0;
	bool good = true;
	char path[64], line[256];
	__u64 entry[256];
	FILE *maps;
	int map;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", t->pid);
	map = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/maps", t->pid);
	maps = fopen(path, "r");
	if (!maps || map < 0)
		return complain(path);
	memcpy(page, t->page, sizeof(t->page));
	while (good && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		for (first = from / page_size(); good && first < to / page_size(); first += got) {
			nr = to / page_size() - first;
			nr = nr < ARRAY_SIZE(entry) ? nr : ARRAY_SIZE(entry);
			got = pread(map, entry, nr * sizeof(*entry), first * sizeof(*entry));
			/* That which the kernel maps for everybody has none. */
			if ((long)got <= 0)
				break;
			got /= sizeof(*entry);
			for (nr = 0; good && nr < got; nr++)
				good = entry_is((first + nr) * page_size(), entry[nr], page, list);
		}
	}
	fclose(maps);
	close(map);
	return good;
}

/* ---- what the model expects ---- */

/* Has another process this copy, or had it before it was swapped? */
static bool is_shared(unsigned int who, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < TASKS; i++)
		if (i != who && task[i].pid && task[i].page[nr].where != NOWHERE &&
		    task[i].page[nr].copy == task[who].page[nr].copy)
			return true;
	return false;
}

/* Is it swapped out when that is tried? What nobody takes may stay in the swap cache. */
static bool is_taken(const struct page *p)
{
	return p->copy && (page_kind(p->key) != PAGE_RANDOM || area.on);
}

/* What may be behind a slot that is not in the swap cache. */
static bool suits(enum slot_kind kind, __u64 key)
{
	switch (page_kind(key)) {
	case PAGE_ZERO:
		return kind == SLOTS_ZERO;
	case PAGE_RANDOM:
		return kind == SLOTS_DEVICE;
	default:
		return kind == SLOTS_ZSWAP || kind == SLOTS_DEVICE;
	}
}

/* Page table entries: did those change that should, and no others? */
static int check_entries(const struct order *order, unsigned int who,
			 struct page now_are[TASKS][PAGES])
{
	unsigned int i, nr;

	for (i = 0; i < TASKS; i++) {
		for (nr = 0; task[i].pid && nr < PAGES; nr++) {
			struct page *old = &task[i].page[nr], *new = &now_are[i][nr];
			bool out = order->what == OUT && i == who && nr - order->page < order->nr;

			if (old->where == HERE && old->copy && new->where == SWAPPED &&
			    (out || order->what == RECLAIM))
				continue;
			if (old->where == HERE && new->where == HERE && out && is_taken(old) &&
			    !is_shared(i, nr))
				return wrong(order, who, "page %u stays in memory", nr);
			if (old->where != new->where)
				return wrong(order, who, "task %u's page %u, %s, is %s, not %s", i,
					     nr, page_kind_name[page_kind(old->key)],
					     where_name[new->where], where_name[old->where]);
			if (old->where == SWAPPED && old->offset != new->offset)
				return wrong(order, who, "page %u of task %u: slot %lu became %lu",
					     nr, i, old->offset, new->offset);
		}
	}
	return KSFT_PASS;
}

/* May what is behind a slot become that, with this step? */
static bool may_become(const struct order *order, const struct slot *old, const struct slot *new,
		       bool touched)
{
	if (old->kind == new->kind)
		return true;
	/* Written to while it was in the swap cache, and then out again. */
	if ((order->what == OUT || order->what == RECLAIM) && old->cache)
		return new->kind != SLOTS_NONE || new->cache;
	switch (order->what) {
	case READ:
	case WRITE:
		return touched && old->kind == SLOTS_ZSWAP && new->kind == SLOTS_NONE;
	case RECLAIM:
		return old->kind == SLOTS_ZSWAP && new->kind == SLOTS_DEVICE && area.on;
	case SWAPOFF:
		return old->kind == SLOTS_DEVICE && new->kind == SLOTS_NONE && new->cache;
	default:
		return false;
	}
}

static int check_slots(const struct order *order, unsigned int who, const struct slot *touched)
{
	unsigned int i;

	for (i = 0; i < after.nr; i++) {
		struct slot *s = &after.slot[i], *old = find(&before, s->offset);

		if (find(&foreign, s->offset) && !s->seen)
			continue;
		if (s->refs != s->seen)
			return wrong(order, who, "slot %lu has %llu references and %llu entries",
				     s->offset, s->refs, s->seen);
		if (!s->refs && !s->cache)
			return wrong(order, who, "slot %lu is nobody's", s->offset);
		if (s->kind == SLOTS_NONE && !s->cache)
			return wrong(order, who, "slot %lu has lost its page", s->offset);
		if (s->page && !s->cache && !suits(s->kind, s->page->key))
			return wrong(order, who, "behind slot %lu, of a page of %s, is %s",
				     s->offset, page_kind_name[page_kind(s->page->key)],
				     kind_name[s->kind]);
		/* One that is freed and taken again in a step is not the same slot. */
		if (old && s->seen && old->seen &&
		    !may_become(order, old, s, old == touched))
			return wrong(order, who, "slot %lu, cache %d, went from %s to %s",
				     s->offset, s->cache, kind_name[old->kind],
				     kind_name[s->kind]);
		if (s->kind == SLOTS_DEVICE && !area.on)
			return wrong(order, who, "slot %lu is on a device that is off", s->offset);
	}
	return KSFT_PASS;
}

static const char * const event[] = { "swpin_zero", "zswpin", "pswpin", "vswpin", "zswpout" };

static long long events[ARRAY_SIZE(event)];

/* What has happened since the last time. */
static void count_events(long long *grown)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(event); i++) {
		grown[i] = vm_event(event[i]) - events[i];
		events[i] += grown[i];
	}
}

static int check_counters(const struct order *order, unsigned int who, const struct slot *read)
{
	long long grown[ARRAY_SIZE(event)], expected[ARRAY_SIZE(event)] = { };
	enum slot_kind kind;
	unsigned int i;

	for (kind = 0; kind < NR_SLOT_KINDS; kind++) {
		long long counted = vswap_slots(kind) + vswap.slots[kind];

		if (counted != after.kinds[kind])
			return wrong(order, who, "%lld slots are %s, %lld are counted",
				     after.kinds[kind], kind_name[kind], counted);
	}
	count_events(grown);
	switch (order->what) {
	case READ:
	case WRITE:
		/* Only what was swapped, and is not in the swap cache, is read. */
		if (read && !read->cache) {
			expected[0] = read->kind == SLOTS_ZERO;
			expected[1] = read->kind == SLOTS_ZSWAP;
			expected[2] = read->kind == SLOTS_DEVICE;
			expected[3] = !expected[2];
		}
		break;
	case OUT:
		for (i = 0; i < after.nr; i++) {
			struct slot *old = find(&before, after.slot[i].offset);

			expected[4] += after.slot[i].kind == SLOTS_ZSWAP &&
				       (!old || old->kind != SLOTS_ZSWAP);
		}
		break;
	case RECLAIM:	/* may write back what it has stored */
	case SWAPOFF:
		return KSFT_PASS;
	default:
		break;
	}
	for (i = 0; i < ARRAY_SIZE(event); i++)
		if (grown[i] != expected[i])
			return wrong(order, who, "%s has grown by %lld and not by %lld", event[i],
				     grown[i], expected[i]);
	return KSFT_PASS;
}

/* ---- a step ---- */

static bool hear(unsigned int who, struct answer *answer)
{
	if (read(answers[who][0], answer, sizeof(*answer)) == sizeof(*answer))
		return answer->good;
	return complain("a process has ended");
}

static bool tell(unsigned int who, const struct order *order, struct answer *answer)
{
	if (write(orders[who][1], order, sizeof(*order)) == sizeof(*order))
		return hear(who, answer);
	return complain("a process has ended");
}

/* What the step is to make of the page tables, but for reclaim. */
static void predict(const struct order *order, unsigned int who, pid_t pid)
{
	struct page *p = &task[who].page[order->page];

	switch (order->what) {
	case WRITE:
		*p = (struct page){ .where = HERE, .copy = ++copies, .key = order->key };
		break;
	case READ:
		p->where = HERE;
		break;
	case DROP:
		memset(p, 0, order->nr * sizeof(*p));
		break;
	case FORK:
		task[order->child] = task[who];
		task[order->child].pid = pid;
		break;
	case EXIT:
		/* Not before its memory is gone. */
		while (!kill(task[who].pid, 0))
			nap_ms(1);
		task[who].pid = 0;
		break;
	default:
		break;
	}
}

static unsigned int nr_tasks(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < TASKS; i++)
		nr += task[i].pid > 0;
	return nr;
}

static bool is_legal(const struct order *order)
{
	switch (order->what) {
	case FORK:
		return !task[order->child].pid;
	case EXIT:
		return nr_tasks() > 1;
	case SWAPOFF:
		return area.on;
	case SWAPON:
		return has_area && !area.on;
	default:
		return true;
	}
}

/* A random one that is possible now, and a process for it. */
static struct order choose(unsigned int *who)
{
	static const enum page_kind kind[] = {
		PAGE_ZERO, PAGE_SAME, PAGE_PART, PAGE_TEXT, PAGE_TEXT, PAGE_RANDOM
	};
	static const unsigned char weight[NR_WHATS] = {
		[WRITE] = 26, [READ] = 24, [DROP] = 8, [OUT] = 22, [FORK] = 5, [EXIT] = 4,
		[RECLAIM] = 6, [SWAPOFF] = 2, [SWAPON] = 3,
	};
	struct order order;
	int roll;

	do {
		roll = rnd_below(&seed, 100);
		for (order.what = 0; roll >= weight[order.what]; order.what++)
			roll -= weight[order.what];
		do {
			*who = rnd_below(&seed, TASKS);
		} while (!task[*who].pid);
		order.child = rnd_below(&seed, TASKS);
		order.page = rnd_below(&seed, PAGES);
		order.nr = 1;
		if (order.what == DROP || order.what == OUT)
			order.nr = 1 + rnd_below(&seed, PAGES - order.page);
		order.key = task[*who].page[order.page].key;
		if (order.what == WRITE)
			order.key = page_key(rnd(&seed), kind[rnd_below(&seed, ARRAY_SIZE(kind))],
					     page_size() / 4);
	} while (!is_legal(&order));
	return order;
}

static bool carry_out(const struct order *order, unsigned int who, pid_t *pid)
{
	struct answer answer = { }, child;
	bool good = true;

	switch (order->what) {
	case RECLAIM:
		reclaim(PAGES);
		break;
	case SWAPOFF:
		good = area_off();
		break;
	case SWAPON:
		good = area_on(disk.node, disk.pages);
		break;
	default:
		good = tell(who, order, &answer) &&
		       (order->what != FORK || hear(order->child, &child));
	}
	*pid = answer.pid;
	return good;
}

static int one_step(void)
{
	static struct page now_are[TASKS][PAGES];
	struct slot *touched = NULL;
	struct order order;
	unsigned int who, i;
	struct list list;
	pid_t pid;
	int ret;

	order = choose(&who);
	if ((order.what == READ || order.what == WRITE) &&
	    task[who].page[order.page].where == SWAPPED)
		touched = find(&before, task[who].page[order.page].offset);
	if (!carry_out(&order, who, &pid))
		return wrong(&order, who, "it failed");
	predict(&order, who, pid);

	if (!list_read(&after))
		return KSFT_FAIL;
	for (i = 0; i < TASKS; i++)
		if (task[i].pid && !entries_read(&task[i], now_are[i], &after))
			return wrong(&order, who, "an entry is wrong");
	ret = check_entries(&order, who, now_are) ? :
	      check_slots(&order, who, touched) ? :
	      check_counters(&order, who, touched);
	for (i = 0; i < TASKS; i++)
		if (task[i].pid)
			memcpy(task[i].page, now_are[i], sizeof(now_are[i]));
	list = before;
	before = after;
	after = list;
	return ret;
}

/* ---- the test ---- */

static void clean_up(void)
{
	unsigned int i;

	for (i = 0; i < TASKS; i++) {
		if (task[i].pid)
			kill(task[i].pid, SIGKILL);
		task[i].pid = 0;
	}
	for (; pipes; pipes--) {
		close(orders[pipes - 1][0]);
		close(orders[pipes - 1][1]);
		close(answers[pipes - 1][0]);
		close(answers[pipes - 1][1]);
	}
	if (base)
		munmap(base, PAGES * page_size());
	base = NULL;
	signal(SIGCHLD, SIG_DFL);
}

static bool begin(void)
{
	unsigned int i;
	cpu_set_t cpu;

	memset(task, 0, sizeof(task));
	step = 0;
	copies = 0;
	has_area = area.on;
	/* One CPU, so that no other keeps a page from reclaim in a batch for the LRU lists. */
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	base = map_apart(PAGES, 1, -1);
	if (!base || sched_setaffinity(0, sizeof(cpu), &cpu) ||
	    madvise(base, PAGES * page_size(), MADV_NOHUGEPAGE))
		return complain("memory and a CPU");
	for (; pipes < TASKS; pipes++)
		if (pipe(orders[pipes]) || pipe(answers[pipes]))
			return complain("pipe");
	/* Whoever ends is gone at once. */
	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	task[0].pid = fork_child();
	if (task[0].pid < 0)
		return false;
	if (!task[0].pid) {
		for (i = 0; i < TASKS; i++)
			close(orders[i][1]);
		obey(0);
	}
	return list_read(&foreign) && list_read(&before);
}

static int model(void)
{
	long long unused[ARRAY_SIZE(event)];
	double end = now() + opt.seconds;
	int ret = KSFT_PASS;

	if (access(SLOTS, R_OK))
		return skip("%s is missing: the kernel has no CONFIG_VSWAP_KUNIT_TEST", SLOTS);
	if (!begin())
		return KSFT_FAIL;
	count_events(unused);
	for (; !ret && now() < end; step++)
		ret = one_step();
	ksft_print_msg("%lu steps\n", step);
	return ret;
}

static const struct test tests[] = {
	{ "random steps make what the model says", model, NO_AREA | ONLY_BEHIND },
};

int main(int argc, char **argv)
{
	/* A step takes long: it reads all page tables. */
	opt.seconds = 16;
	vswap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
