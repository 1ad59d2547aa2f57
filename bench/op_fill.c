/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the measurements of what fills missing pages, one call after another.
 * With UF_FEATURE_SIGBUS a page that a call has left out ends the measurement.
 */
#include <errno.h>
#include <sys/mman.h>

#include "op.h"

typedef int fill_call_fn(struct op *op, char *dst, char *src);

static int fill_copy(struct op *op, char *dst, char *src)
{
	return bench_pager_copy(&op->pager, dst, src, op->row->size);
}

static int fill_zeropage(struct op *op, char *dst, char *src)
{
	struct uf_io_zeropage zero = {.range = {(uintptr_t)dst, op->row->size}};

	return bench_pager_ioctl(&op->pager, UF_IOC_ZEROPAGE, &zero);
}

static int fill_continue(struct op *op, char *dst, char *src)
{
	struct uf_io_continue cont = {.range = {(uintptr_t)dst, op->row->size}};

	return bench_pager_ioctl(&op->pager, UF_IOC_CONTINUE, &cont);
}

static int fill_move(struct op *op, char *dst, char *src)
{
	struct uf_io_move move = {.dst = (uintptr_t)dst,
				  .src = (uintptr_t)src,
				  .len = op->row->size};

	return bench_pager_ioctl(&op->pager, UF_IOC_MOVE, &move);
}

/* What is done where there is no MOVE. */
static int fill_copy_and_drop(struct op *op, char *dst, char *src)
{
	int err = fill_copy(op, dst, src);

	if (!err && madvise(src, op->row->size, MADV_DONTNEED))
		err = -errno;
	return err;
}

/* What is filled: the first call is not measured. */
static size_t fill_len(const struct op *op)
{
	return op->row->size + op_some(op);
}

static int fill_loop(struct op *op, fill_call_fn *call, char *dst, char *src, double *ns)
{
	size_t size = op->row->size;
	int err = call(op, dst, src);
	double from = bench_now_ns();

	for (size_t at = size; !err && at < fill_len(op); at += size)
		err = call(op, dst + at, src + at);
	*ns = (bench_now_ns() - from) / (double)(op_some(op) / op->setting->page_size);
	return err;
}

/* Memory to fill, and anonymous memory with the stamps of SEED 1. */
static int fill_map(struct op *op, size_t len, char **dst, char **src)
{
	int err = op_map(op, op->row->shared, len, dst);

	if (!err)
		err = op_map(op, false, len, src);
	if (!err)
		op_stamp(op, *src, len, 1);
	return err;
}

int op_run_copy(struct op *op, double *figures)
{
	size_t len = fill_len(op);
	char *dst, *src;
	int err = fill_map(op, len, &dst, &src);

	if (!err)
		err = op_open(op, UF_FEATURE_SIGBUS, dst, len, UF_REGISTER_MODE_MISSING);
	if (!err)
		err = fill_loop(op, fill_copy, dst, src, figures);
	return err ? err : op_check(op, dst, len, 1);
}

int op_run_zeropage(struct op *op, double *figures)
{
	size_t len = fill_len(op);
	char *dst;
	int err = op_map(op, op->row->shared, len, &dst);

	if (!err)
		err = op_open(op, UF_FEATURE_SIGBUS, dst, len, UF_REGISTER_MODE_MISSING);
	if (!err)
		err = fill_loop(op, fill_zeropage, dst, dst, figures);
	return err ? err : op_check_zero(op, dst, len);
}

/* The object gets its pages through another mapping, of which nobody knows. */
int op_run_continue(struct op *op, double *figures)
{
	size_t len = fill_len(op);
	char *dst, *object;
	int err = op_map(op, op->row->shared, len, &dst);

	if (err)
		return err;
	object = mremap(dst, 0, len, MREMAP_MAYMOVE);
	if (object == MAP_FAILED)
		return -errno;
	op_stamp(op, object, len, 1);
	err = op_open(op, UF_FEATURE_SIGBUS, dst, len, UF_REGISTER_MODE_MINOR);
	if (!err)
		err = fill_loop(op, fill_continue, dst, dst, figures);
	return err ? err : op_check(op, dst, len, 1);
}

/* Half of the memory is moved, the other half is copied and its source dropped. */
int op_run_move(struct op *op, double *figures)
{
	size_t len = fill_len(op);
	char *dst, *src;
	int err = fill_map(op, 2 * len, &dst, &src);

	if (!err)
		err = op_open(op, UF_FEATURE_SIGBUS, dst, 2 * len, UF_REGISTER_MODE_MISSING);
	if (!err)
		err = fill_loop(op, fill_move, dst, src, &figures[0]);
	if (!err)
		err = fill_loop(op, fill_copy_and_drop, dst + len, src + len, &figures[1]);
	if (!err)
		err = op_check(op, dst, 2 * len, 1);
	return err ? err : op_check_zero(op, src, 2 * len);
}
