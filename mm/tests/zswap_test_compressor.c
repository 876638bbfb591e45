// SPDX-License-Identifier: GPL-2.0
/*
 * An asynchronous compressor to test zswap with.
 *
 * The algorithm zswap-test-async is LZ4 behind the manners of a hardware
 * driver: a request is only queued, a worker serves it, now and then some time
 * later, and completes it. The parameters fail_compress and fail_decompress
 * make every n-th request fail.
 *
 * A request needs no memory but what was allocated with it, and the workqueue
 * has a rescuer, so that reclaim can wait for it.
 */

#include <linux/atomic.h>
#include <linux/bottom_half.h>
#include <linux/lz4.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/scatterlist.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>
#include <crypto/internal/acompress.h>

/* One request in so many waits for the next tick of the clock. */
#define ZSWAP_TEST_LATE	64

/*
 * Private data of a request. Source and destination may be any pages in any
 * pieces; LZ4 wants one piece each. The destination has room for a page that
 * gets longer: that is no failure.
 */
struct zswap_test_req {
	struct delayed_work work;
	struct acomp_req *req;
	bool compress;
	bool fail;
	u8 src[PAGE_SIZE];
	u8 dst[2 * PAGE_SIZE];
	u64 workmem[LZ4_MEM_COMPRESS / sizeof(u64)];
};

/* Requests of one kind. */
struct zswap_test_kind {
	atomic_t count;
	unsigned int fail;	/* each request whose number this divides */
};

static struct zswap_test_kind zswap_test_compress_kind;
static struct zswap_test_kind zswap_test_decompress_kind;

/* Some drivers want their source in one piece. */
static bool zswap_test_refuse_pieces;
static atomic_t zswap_test_pieces;

static struct workqueue_struct *zswap_test_wq;

static int zswap_test_count_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%u\n", atomic_read(kp->arg));
}

static const struct kernel_param_ops zswap_test_count_ops = {
	.get = zswap_test_count_get,
};

module_param_cb(compressed, &zswap_test_count_ops,
		&zswap_test_compress_kind.count, 0444);
MODULE_PARM_DESC(compressed, "Compressions asked for so far");
module_param_cb(decompressed, &zswap_test_count_ops,
		&zswap_test_decompress_kind.count, 0444);
MODULE_PARM_DESC(decompressed, "Decompressions asked for so far");
module_param_named(fail_compress, zswap_test_compress_kind.fail, uint, 0644);
MODULE_PARM_DESC(fail_compress, "Fail each n-th compression, 0 for none");
module_param_named(fail_decompress, zswap_test_decompress_kind.fail, uint, 0644);
MODULE_PARM_DESC(fail_decompress, "Fail each n-th decompression, 0 for none");

module_param_cb(pieces, &zswap_test_count_ops, &zswap_test_pieces, 0444);
MODULE_PARM_DESC(pieces, "Requests so far whose source is in pieces");
module_param_named(refuse_pieces, zswap_test_refuse_pieces, bool, 0644);
MODULE_PARM_DESC(refuse_pieces, "Fail them");

static int zswap_test_serve(struct zswap_test_req *t)
{
	struct acomp_req *req = t->req;
	unsigned int dlen = min_t(unsigned int, req->dlen, sizeof(t->dst));
	int len;

	if (t->fail)
		return -EIO;
	if (!req->dst || req->slen > sizeof(t->src))
		return -EINVAL;
	if (sg_copy_to_buffer(req->src, sg_nents(req->src), t->src,
			      req->slen) != req->slen)
		return -EINVAL;

	if (t->compress) {
		len = LZ4_compress_default(t->src, t->dst, req->slen, dlen,
					   t->workmem);
		if (!len)
			return -ENOSPC;
	} else {
		len = LZ4_decompress_safe(t->src, t->dst, req->slen, dlen);
		if (len < 0)
			return -EINVAL;
	}

	if (sg_copy_from_buffer(req->dst, sg_nents(req->dst), t->dst,
				len) != len)
		return -ENOSPC;
	req->dlen = len;
	return 0;
}

static void zswap_test_work(struct work_struct *work)
{
	struct zswap_test_req *t = container_of(to_delayed_work(work),
						struct zswap_test_req, work);
	int ret = zswap_test_serve(t);

	/* Callbacks expect softirq context. This one may free the request. */
	local_bh_disable();
	acomp_request_complete(t->req, ret);
	local_bh_enable();
}

static int zswap_test_queue(struct acomp_req *req, bool compress)
{
	struct zswap_test_kind *kind = compress ? &zswap_test_compress_kind :
						  &zswap_test_decompress_kind;
	struct zswap_test_req *t = acomp_request_ctx(req);
	unsigned int n = atomic_inc_return(&kind->count);
	unsigned int fail = READ_ONCE(kind->fail);

	t->req = req;
	t->compress = compress;
	t->fail = fail && n % fail == 0;
	if (sg_nents(req->src) > 1) {
		atomic_inc(&zswap_test_pieces);
		t->fail |= READ_ONCE(zswap_test_refuse_pieces);
	}
	INIT_DELAYED_WORK(&t->work, zswap_test_work);
	queue_delayed_work(zswap_test_wq, &t->work, n % ZSWAP_TEST_LATE == 0);
	return -EINPROGRESS;
}

static int zswap_test_compress(struct acomp_req *req)
{
	return zswap_test_queue(req, true);
}

static int zswap_test_decompress(struct acomp_req *req)
{
	return zswap_test_queue(req, false);
}

static struct acomp_alg zswap_test_alg = {
	.compress	= zswap_test_compress,
	.decompress	= zswap_test_decompress,
	.reqsize	= sizeof(struct zswap_test_req),
	.base		= {
		.cra_name		= "zswap-test-async",
		.cra_driver_name	= "zswap-test-async-lz4",
		.cra_flags		= CRYPTO_ALG_ASYNC,
		.cra_module		= THIS_MODULE,
	},
};

static int __init zswap_test_init(void)
{
	int ret;

	zswap_test_wq = alloc_workqueue("zswap-test-async",
					WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!zswap_test_wq)
		return -ENOMEM;

	ret = crypto_register_acomp(&zswap_test_alg);
	if (ret)
		destroy_workqueue(zswap_test_wq);
	return ret;
}

static void __exit zswap_test_exit(void)
{
	crypto_unregister_acomp(&zswap_test_alg);
	destroy_workqueue(zswap_test_wq);
}

module_init(zswap_test_init);
module_exit(zswap_test_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Asynchronous compressor to test zswap with");
MODULE_ALIAS_CRYPTO("zswap-test-async");
