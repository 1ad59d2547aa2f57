/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the measurement of COPY by another process, which fills much memory, call by call. */
#include <errno.h>

#include "op.h"

struct remote_work {
	struct op *op;
	char *dst;
	char *src; /* the bytes of a call: each brings the same ones */
};

/* In the other process: the first call is not measured. */
static int remote_copy(struct bench_pager *p, void *arg, double *ns)
{
	struct remote_work *w = arg;
	const struct bench_setting *s = w->op->setting;
	size_t size = w->op->row->size;
	double from;
	int err = 0;

	if (w->op->row->placement == BENCH_TWO_CPUS)
		err = bench_place(s->cpu[1], -1);
	if (!err)
		err = bench_pager_copy(p, w->dst, w->src, size);
	from = bench_now_ns();
	for (size_t at = size; !err && at <= op_much(w->op); at += size)
		err = bench_pager_copy(p, w->dst + at, w->src, size);
	*ns = bench_now_ns() - from;
	return err;
}

static int remote_place(const struct op *op)
{
	const struct bench_setting *s = op->setting;

	if (op->row->placement != BENCH_TWO_CPUS)
		return 0;
	return s->cpu[1] < 0 ? -ENODEV : bench_place(s->cpu[0], s->cpu[1]);
}

static int remote_check(struct op *op, const char *dst)
{
	size_t size = op->row->size;
	int err = 0;

	for (size_t at = 0; !err && at <= op_much(op); at += size)
		err = op_check(op, dst + at, size, 1);
	return err;
}

int op_run_remote_copy(struct op *op, double *figures)
{
	size_t len = op->row->size + op_much(op);
	struct remote_work w = {.op = op};
	struct bench_manager manager;
	double ns = 0;
	int err = remote_place(op);

	if (!err)
		err = op_map(op, op->row->shared, len, &w.dst);
	if (!err)
		err = op_map(op, false, op->row->size, &w.src);
	if (err)
		return err;
	op_stamp(op, w.src, op->row->size, 1);
	err = bench_manager_start(&manager, &op->strategy->choice, remote_copy, &w);
	if (!err)
		err = op_open(op, UF_FEATURE_SIGBUS, w.dst, len, UF_REGISTER_MODE_MISSING);
	if (!err)
		err = bench_manager_hand_over(&manager, &op->pager);
	if (!err)
		err = bench_manager_join(&manager, &ns);
	figures[0] = ns / (double)(op_much(op) / op->setting->page_size);
	figures[1] = (double)op_much(op) / (double)OP_GIB / (ns / 1e9);
	return err ? err : remote_check(op, w.dst);
}
