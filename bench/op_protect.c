/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the measurements of write protection: setting and ending it over much
 * memory, and what a write to a protected page costs. Memory is registered for
 * it alone.
 */
#include <errno.h>

#include "op.h"

/* Protected pages that are written, to see that they are protected. */
#define PROTECT_SAMPLE 64
/* Writes that are measured, of the pages that there are: one in. */
#define PROTECT_FAULTS 256

static int protect_resolve(struct bench_faults *f, void *page)
{
	return bench_pager_protect(f->pager, page, f->setting->page_size, false);
}

static size_t protect_len(const struct bench_faults *f)
{
	return (f->setting->npages + BENCH_FAULTS_MORE) * f->setting->page_size;
}

/* Write to every page, each of which raises a fault unless the machine resolves it. */
static int protect_touch(struct bench_faults *f, double *ns)
{
	int err;

	f->resolved = 0;
	err = bench_faults_run(f, ns);
	if (err)
		return err;
	if (f->kind != BENCH_PLAIN && f->resolved != f->setting->npages + BENCH_FAULTS_MORE)
		return -EPROTO;
	return 0;
}

/* The first and the last pages of protected memory. */
static int protect_sample(struct bench_faults *f, char *addr, size_t len)
{
	double ns;
	int err;

	f->memory = addr;
	err = protect_touch(f, &ns);
	if (err)
		return err;
	f->memory = addr + len - protect_len(f);
	return protect_touch(f, &ns);
}

static int protect_timed(struct op *op, char *addr, size_t len, bool protect, double *ns)
{
	double from = bench_now_ns();
	int err = bench_pager_protect(&op->pager, addr, len, protect);

	*ns = (bench_now_ns() - from) / (double)(len / op->setting->page_size);
	return err;
}

int op_run_protect(struct op *op, double *figures)
{
	struct bench_setting sample = *op->setting;
	struct bench_faults f = {.setting = &sample,
				 .kind = BENCH_INLINE,
				 .placement = BENCH_ONE_THREAD,
				 .write = true,
				 .pager = &op->pager,
				 .resolve = protect_resolve};
	size_t len = op_much(op);
	char *addr;
	int err = bench_faults_prepare(&f);

	sample.npages = PROTECT_SAMPLE;
	if (!err)
		err = op_map(op, op->row->shared, len, &addr);
	if (err)
		return err;
	op_stamp(op, addr, len, 1);
	err = op_open(op, UF_FEATURE_SIGBUS, addr, len, UF_REGISTER_MODE_WP);
	if (!err)
		err = bench_place(op->setting->cpu[0], -1);
	if (!err)
		err = protect_timed(op, addr, len, true, &figures[0]);
	if (!err)
		err = protect_timed(op, addr, len, false, &figures[1]);
	if (err || (err = op_check(op, addr, len, 1)))
		return err;
	/* A fault here would be one too many: it finds nobody. */
	f.resolved = 0;
	op_write(op, addr, len, 1);
	if (f.resolved)
		return -EPROTO;
	err = bench_pager_protect(&op->pager, addr, len, true);
	return err ? err : protect_sample(&f, addr, len);
}

/* What was written is there; and, the bytes put back, everything else is, too. */
static int protect_check(const struct op *op, const struct bench_faults *f, const char *stamps)
{
	size_t size = f->setting->page_size;

	for (size_t i = 0; i < f->setting->npages + BENCH_FAULTS_MORE; i++) {
		char *byte = f->memory + i * size + BENCH_FAULTS_BYTE;

		if (*byte != BENCH_FAULTS_WRITTEN)
			return -EPROTO;
		*byte = stamps[i * size + BENCH_FAULTS_BYTE];
	}
	return op_check(op, f->memory, protect_len(f), 1);
}

/* The memory with its content, and another with the same. */
static int protect_populate(const struct op *op, struct bench_faults *f, char **stamps)
{
	int err = op_map(op, op->row->shared, protect_len(f), &f->memory);

	if (!err)
		err = op_map(op, false, protect_len(f), stamps);
	if (err)
		return err;
	op_stamp(op, f->memory, protect_len(f), 1);
	op_stamp(op, *stamps, protect_len(f), 1);
	return 0;
}

int op_run_write_fault(struct op *op, double *figures)
{
	uint64_t features = op->row->kind == BENCH_INLINE ? UF_FEATURE_SIGBUS : 0;
	struct bench_setting some = *op->setting;
	struct bench_faults f = {.setting = &some,
				 .kind = op->row->kind,
				 .placement = op->row->placement,
				 .random = op->row->random,
				 .write = true,
				 .pager = &op->pager,
				 .resolve = protect_resolve};
	char *stamps;
	int err = bench_faults_prepare(&f);

	some.npages = op_much(op) / some.page_size / PROTECT_FAULTS + 1;
	if (!err)
		err = protect_populate(op, &f, &stamps);
	if (!err)
		err = op_open(op, features, f.memory, protect_len(&f), UF_REGISTER_MODE_WP);
	if (!err)
		err = bench_pager_protect(&op->pager, f.memory, protect_len(&f), true);
	if (!err)
		err = protect_touch(&f, figures);
	if (!err && op->row->kind == BENCH_PLAIN)
		err = op_check_written(f.memory, protect_len(&f));
	return err ? err : protect_check(op, &f, stamps);
}
