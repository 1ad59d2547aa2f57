/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each operation costs. Nouns of op-bench:
 *
 * A row is an operation with its size, on anonymous or on shared memory (a
 * memfd). A strategy is who does it: the kernel, or the engine with a trap and a
 * way to fill. A measurement is one row by one strategy, in a process of its
 * own, which also looks whether the operation did what it should: what it looks
 * at is not timed. It yields one or two figures.
 *
 * Pages are small ones everywhere (MADV_NOHUGEPAGE). Memory is populated before
 * the time is taken; what an operation needs for itself, such as page tables and
 * the arming of a trap, is a part of it.
 */
#ifndef UF_BENCH_OP_H
#define UF_BENCH_OP_H

#include "common.h"

#define OP_KIB ((size_t)1 << 10)
#define OP_MIB ((size_t)1 << 20)
#define OP_GIB ((size_t)1 << 30)
#define OP_TIB ((size_t)1 << 40)

enum op_strategy_id {
	OP_KERNEL,
	OP_PROCMEM,
	OP_MREMAP,
	OP_ALIAS,
	OP_GUARD,
	OP_STRATEGIES,
};

struct op_strategy {
	const char *name;
	struct bench_choice choice;
};

enum op_unit {
	OP_NS_A_PAGE,
	OP_US,
	OP_BYTES,
	OP_BYTES_A_PAGE,
	OP_GIB_A_SECOND,
	OP_UNITS,
};

/* Its unit's name, and whether it is told as a ratio to the kernel's. */
struct op_unit_form {
	const char *name;
	bool ratio;
};

struct op_figure {
	const char *name; /* NULL: the row's is enough */
	enum op_unit unit;
	double most; /* what the engine promises; 0: nothing */
};

struct op;

struct op_row {
	const char *name;
	int (*run)(struct op *op, double *figures);
	unsigned int strategies; /* 1 << OP_*: which differ in it */
	bool shared;
	uint64_t feature; /* the one of UF_FEATURE_* that it is about; 0: none */
	int nfigures;
	struct op_figure figures[BENCH_FIGURES];
	/* How much less the first figure is than the second, in per cent, is what matters. */
	const char *saving; /* its name; NULL: not here */
	bool saves;	    /* the engine promises that it is something */

	size_t size; /* bytes a call */
	enum bench_kind kind;
	enum bench_placement placement;
	bool random;
};

/* One measurement. */
struct op {
	const struct bench_setting *setting;
	const struct op_row *row;
	const struct op_strategy *strategy;
	struct bench_pager pager;
};

/* op_rows.c */
extern const struct op_strategy op_strategies[OP_STRATEGIES];
extern const struct op_unit_form op_units[OP_UNITS];
extern const struct op_row op_rows[];
extern const int op_nrows;

/* Of one figure of a row and strategy; indices in that order. */
static inline size_t op_index(int row, int strategy, int figure)
{
	return ((size_t)row * OP_STRATEGIES + (size_t)strategy) * BENCH_FIGURES + (size_t)figure;
}

/*
 * op_memory.c: memory as the row wants it, or anonymous memory, and pages with
 * content: every page of a SEED and a place has one of its own. 0 or -errno;
 * where the content is not the right one, -EPROTO.
 */
int op_map(const struct op *op, bool shared, size_t len, char **addr);
void op_stamp(const struct op *op, char *addr, size_t len, uint64_t seed);
int op_check(const struct op *op, const char *addr, size_t len, uint64_t seed);
int op_check_zero(const struct op *op, const char *addr, size_t len);
/* Write to every STEPth page what it has. */
void op_write(const struct op *op, char *addr, size_t len, size_t step);

/* The memory of measurements that go over much of it, and of the others: bytes. */
size_t op_much(const struct op *op);
size_t op_some(const struct op *op);

/* With the row's feature and FEATURES. As bench_pager_open, and bench_pager_register. */
int op_open(struct op *op, uint64_t features, char *addr, size_t len, uint64_t mode);

/* op_fill.c */
int op_run_copy(struct op *op, double *figures);
int op_run_zeropage(struct op *op, double *figures);
int op_run_continue(struct op *op, double *figures);
int op_run_move(struct op *op, double *figures);

/* op_protect.c */
int op_run_protect(struct op *op, double *figures);
int op_run_write_fault(struct op *op, double *figures);

/* op_scan.c */
int op_run_scan(struct op *op, double *figures);
/* Has every page been written since it was protected? 0, -EPROTO or another -errno. */
int op_check_written(const char *addr, size_t len);

/* op_space.c */
int op_run_register(struct op *op, double *figures);
int op_run_footprint(struct op *op, double *figures);

/* op_remote.c */
int op_run_remote_copy(struct op *op, double *figures);

/* op_report.c */
void op_print(const struct bench_setting *s, const struct bench_result *results);
/* 0 or -errno. */
int op_write_file(const struct bench_setting *s, const struct bench_result *results);
/* Why a row was not measured, ERR being the -errno of it. */
void op_explain(const struct op_row *row, int err, char *text, size_t size);

#endif
