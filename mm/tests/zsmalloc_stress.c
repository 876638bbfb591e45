// SPDX-License-Identifier: GPL-2.0
/*
 * Stress test of zsmalloc: all CPUs allocate, write, read, free and compact in
 * one pool, and compare every object with a copy kept elsewhere.
 *
 *	echo SECONDS > /sys/module/zsmalloc_stress/parameters/run
 *
 * returns when it is over, with EIO if a byte was wrong or a page was left.
 * Meanwhile user space should compact memory and take it offline.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/zsmalloc.h>

#define STRESS_OBJECTS	4096

/**
 * struct stress_object - an object that any CPU may use
 * @lock: read: to read the object, write: to change it
 * @handle: 0 if there is none
 * @size: bytes
 * @shadow: what it should hold; PAGE_SIZE bytes
 */
struct stress_object {
	struct rw_semaphore lock;
	unsigned long handle;
	unsigned int size;
	u8 *shadow;
};

static struct zs_pool *stress_pool;
static struct stress_object *stress_objects;
static unsigned long stress_end;
static atomic64_t stress_ops, stress_bytes, stress_wrong, stress_nomem;

static int stress_node(struct rnd_state *rnd)
{
	int n = prandom_u32_state(rnd) % num_node_state(N_MEMORY);
	int nid;

	for_each_node_state(nid, N_MEMORY)
		if (!n--)
			return nid;
	return NUMA_NO_NODE;
}

static void stress_compare(struct stress_object *o, const u8 *mem)
{
	unsigned int i;

	atomic64_add(o->size, &stress_bytes);
	for (i = 0; i < o->size && mem[i] == o->shadow[i]; i++)
		;
	if (i == o->size)
		return;
	if (atomic64_inc_return(&stress_wrong) <= 10)
		pr_err("object %td of %u bytes: byte %u is %#x, not %#x\n",
		       o - stress_objects, o->size, i, mem[i], o->shadow[i]);
}

static void stress_read(struct stress_object *o, struct rnd_state *rnd, u8 *copy)
{
	u32 dice = prandom_u32_state(rnd);
	struct scatterlist sg[2];
	void *mem;

	if (dice % 4) {
		mem = zs_obj_read_begin(stress_pool, o->handle, o->size, copy);
		stress_compare(o, mem);
		/* A sleeping reader: the bytes must stay where they are. */
		if (dice % 256 == 1) {
			msleep(20);
			stress_compare(o, mem);
		}
		zs_obj_read_end(stress_pool, o->handle, o->size, mem);
	} else {
		zs_obj_read_sg_begin(stress_pool, o->handle, sg, o->size);
		sg_copy_to_buffer(sg, sg_nents(sg), copy, o->size);
		stress_compare(o, copy);
		zs_obj_read_sg_end(stress_pool, o->handle);
	}
}

static void stress_write(struct stress_object *o, struct rnd_state *rnd)
{
	prandom_bytes_state(rnd, o->shadow, o->size);
	zs_obj_write(stress_pool, o->handle, o->shadow, o->size);
}

static void stress_malloc(struct stress_object *o, struct rnd_state *rnd)
{
	u32 dice = prandom_u32_state(rnd);
	gfp_t gfp = __GFP_NOWARN | __GFP_HIGHMEM | __GFP_MOVABLE;
	unsigned long handle;

	/* A few sizes often, for merging; any size now and then. */
	o->size = dice % 4 ? PAGE_SIZE / 64 * (20 + dice / 4 % 4) : 1 + dice / 4 % PAGE_SIZE;
	gfp |= dice % 3 ? GFP_KERNEL : GFP_NOWAIT;
	handle = zs_malloc(stress_pool, o->size, gfp, stress_node(rnd));
	if (IS_ERR_VALUE(handle)) {
		atomic64_inc(&stress_nomem);
		return;
	}
	o->handle = handle;
	stress_write(o, rnd);
}

static void stress_free(struct stress_object *o)
{
	zs_free(stress_pool, o->handle);
	o->handle = 0;
}

static int stress_cpu(void *data)
{
	struct rnd_state rnd;
	/* Goes up and down, so that the pool fills and drains. */
	unsigned int fill = 50;
	u8 *copy = kmalloc(PAGE_SIZE, GFP_KERNEL);

	prandom_seed_state(&rnd, get_random_u64());
	while (copy && time_before(jiffies, stress_end)) {
		struct stress_object *o = &stress_objects[prandom_u32_state(&rnd) % STRESS_OBJECTS];
		u32 dice = prandom_u32_state(&rnd) % 10000;

		if (dice == 0)
			zs_compact(stress_pool);
		else if (dice < 10)
			fill = prandom_u32_state(&rnd) % 100;

		if (dice % 8 == 0 && down_read_trylock(&o->lock)) {
			if (o->handle)
				stress_read(o, &rnd, copy);
			up_read(&o->lock);
		} else if (down_write_trylock(&o->lock)) {
			bool more = prandom_u32_state(&rnd) % 100 < fill;

			if (!o->handle) {
				if (more)
					stress_malloc(o, &rnd);
			} else {
				stress_read(o, &rnd, copy);
				if (more)
					stress_write(o, &rnd);
				else
					stress_free(o);
			}
			up_write(&o->lock);
		}
		atomic64_inc(&stress_ops);
		cond_resched();
	}
	kfree(copy);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return copy ? 0 : -ENOMEM;
}

static int stress_start(void)
{
	struct task_struct **tasks = kcalloc(nr_cpu_ids, sizeof(*tasks), GFP_KERNEL);
	int cpu, ret = 0;

	if (!tasks)
		return -ENOMEM;
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		tasks[cpu] = kthread_create_on_cpu(stress_cpu, NULL, cpu, "zs_stress/%u");
		if (IS_ERR(tasks[cpu])) {
			ret = PTR_ERR(tasks[cpu]);
			tasks[cpu] = NULL;
			break;
		}
		wake_up_process(tasks[cpu]);
	}
	cpus_read_unlock();
	/* A thread that is stopped before it has begun never begins. */
	while (time_before(jiffies, stress_end))
		msleep(20);
	for_each_possible_cpu(cpu) {
		if (tasks[cpu]) {
			int err = kthread_stop(tasks[cpu]);

			ret = ret ?: err;
		}
	}
	kfree(tasks);
	return ret;
}

static int stress_alloc(void)
{
	unsigned int i;

	stress_objects = vcalloc(STRESS_OBJECTS, sizeof(*stress_objects));
	if (!stress_objects)
		return -ENOMEM;
	for (i = 0; i < STRESS_OBJECTS; i++) {
		init_rwsem(&stress_objects[i].lock);
		stress_objects[i].shadow = kmalloc(PAGE_SIZE, GFP_KERNEL);
		if (!stress_objects[i].shadow)
			return -ENOMEM;
	}
	stress_pool = zs_create_pool("stress");
	return stress_pool ? 0 : -ENOMEM;
}

static void stress_release(void)
{
	unsigned int i;

	if (stress_pool)
		zs_destroy_pool(stress_pool);
	stress_pool = NULL;
	for (i = 0; stress_objects && i < STRESS_OBJECTS; i++)
		kfree(stress_objects[i].shadow);
	vfree(stress_objects);
	stress_objects = NULL;
}

/* Compares and frees what is left. */
static int stress_finish(void)
{
	u8 *copy = kmalloc(PAGE_SIZE, GFP_KERNEL);
	struct rnd_state rnd;
	unsigned int i;

	if (!copy)
		return -ENOMEM;
	prandom_seed_state(&rnd, 1);
	for (i = 0; i < STRESS_OBJECTS; i++) {
		struct stress_object *o = &stress_objects[i];

		if (!o->handle)
			continue;
		stress_read(o, &rnd, copy);
		stress_free(o);
	}
	kfree(copy);
	/* Pages that were locked when they became empty are freed by a worker. */
	for (i = 0; i < 100 && zs_get_total_pages(stress_pool); i++)
		msleep(20);
	pr_info("%lld operations, %lld bytes compared, %lld wrong objects, %lld without memory, %lu pages left\n",
		atomic64_read(&stress_ops), atomic64_read(&stress_bytes),
		atomic64_read(&stress_wrong), atomic64_read(&stress_nomem),
		zs_get_total_pages(stress_pool));
	return atomic64_read(&stress_wrong) || zs_get_total_pages(stress_pool) ? -EIO : 0;
}

static int stress_run(const char *val, const struct kernel_param *kp)
{
	unsigned int seconds;
	int ret, err;

	ret = kstrtouint(val, 0, &seconds);
	if (ret)
		return ret;
	atomic64_set(&stress_ops, 0);
	atomic64_set(&stress_bytes, 0);
	atomic64_set(&stress_wrong, 0);
	atomic64_set(&stress_nomem, 0);
	ret = stress_alloc();
	if (!ret) {
		stress_end = jiffies + seconds * HZ;
		ret = stress_start();
		err = stress_finish();
		ret = ret ?: err;
	}
	stress_release();
	return ret;
}

static const struct kernel_param_ops stress_run_ops = {
	.set = stress_run,
};

/* One run at a time: writing a parameter holds the module's parameter lock. */
module_param_cb(run, &stress_run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "Seconds to run for");

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Stress test of zsmalloc");
