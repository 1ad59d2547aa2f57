/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the measurement of a scan: which pages have been written since, and
 * protect them again, in one call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "op.h"

/* One page in so many is written. */
#define SCAN_STEP 100

/* Pages that have been written, or those that have not. */
static struct uf_scan_arg scan_arg(const char *addr, size_t len, bool written,
				   struct uf_scan_region *vec, size_t vec_len)
{
	return (struct uf_scan_arg){.size = sizeof(struct uf_scan_arg),
				    .flags = UF_SCAN_CHECK_WPASYNC,
				    .start = (uintptr_t)addr,
				    .end = (uintptr_t)addr + len,
				    .vec = (uintptr_t)vec,
				    .vec_len = vec_len,
				    .category_inverted = written ? 0 : UF_PAGE_IS_WRITTEN,
				    .category_mask = UF_PAGE_IS_WRITTEN,
				    .return_mask = UF_PAGE_IS_WRITTEN};
}

/* Is there no page of this kind? */
static int scan_expect_none(const char *addr, size_t len, bool written)
{
	struct uf_scan_region region;
	struct uf_scan_arg arg = scan_arg(addr, len, written, &region, 1);
	ssize_t n = uf_scan(&arg);

	return n < 0 ? (int)n : n ? -EPROTO : 0;
}

int op_check_written(const char *addr, size_t len)
{
	return scan_expect_none(addr, len, false);
}

/*
 * Exactly the pages that were written, each a region of its own. Not asked is
 * walk_end: Linux leaves it where its own buffer of 512 regions was last full,
 * although it has gone on to the end.
 */
static int scan_check(const struct op *op, const struct uf_scan_arg *arg,
		      const struct uf_scan_region *vec, size_t n)
{
	size_t size = op->setting->page_size;

	if (n != arg->vec_len - 1)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		uint64_t start = arg->start + i * SCAN_STEP * size;

		if (vec[i].start != start || vec[i].end != start + size)
			return -EPROTO;
	}
	return 0;
}

static int scan_timed(struct op *op, char *addr, size_t len, double *ns)
{
	size_t npages = len / op->setting->page_size;
	size_t nregions = (npages + SCAN_STEP - 1) / SCAN_STEP;
	struct uf_scan_region *vec = calloc(nregions + 1, sizeof(*vec));
	struct uf_scan_arg arg = scan_arg(addr, len, true, vec, nregions + 1);
	double from;
	ssize_t n;
	int err;

	if (!vec)
		return -ENOMEM;
	/* Its pages are there, as they are from the second scan on. */
	memset(vec, 0xff, (nregions + 1) * sizeof(*vec));
	arg.flags |= UF_SCAN_WP_MATCHING;
	from = bench_now_ns();
	n = uf_scan(&arg);
	*ns = (bench_now_ns() - from) / (double)npages;
	err = n < 0 ? (int)n : scan_check(op, &arg, vec, (size_t)n);
	free(vec);
	return err;
}

int op_run_scan(struct op *op, double *figures)
{
	size_t len = op_much(op);
	char *addr;
	int err = op_map(op, op->row->shared, len, &addr);

	if (err)
		return err;
	op_stamp(op, addr, len, 1);
	err = op_open(op, 0, addr, len, UF_REGISTER_MODE_WP);
	if (!err)
		err = bench_pager_protect(&op->pager, addr, len, true);
	if (err)
		return err;
	op_write(op, addr, len, SCAN_STEP);
	err = scan_timed(op, addr, len, figures);
	/* They are protected again, and keep what they have. */
	if (!err)
		err = scan_expect_none(addr, len, true);
	return err ? err : op_check(op, addr, len, 1);
}
