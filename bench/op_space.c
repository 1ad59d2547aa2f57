/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the measurements of memory: what registering very much address space
 * costs, and what is kept for each page beyond the page itself. What lies in
 * memory is told by the kernel, which counts a page that is mapped twice once.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op.h"

/* What is filled in one call. */
#define SPACE_CHUNK (2 * OP_MIB)

/* The sum of the lines of FILE that begin with one of KEYS, in bytes; negative: there are none. */
static double space_proc(const char *file, const char *const keys[2])
{
	char line[256];
	double sum = -1;
	FILE *f = fopen(file, "r");

	while (f && fgets(line, sizeof(line), f)) {
		for (int i = 0; i < 2 && keys[i]; i++) {
			unsigned long kib;
			size_t n = strlen(keys[i]);

			if (!strncmp(line, keys[i], n) && sscanf(line + n, ": %lu kB", &kib) == 1)
				sum = fmax(sum, 0) + (double)kib * OP_KIB;
		}
	}
	if (f)
		fclose(f);
	return sum;
}

/* What this process has in memory: file pages are programs, which others map, too. */
static double space_resident(void)
{
	static const char *const keys[2] = {"Pss_Anon", "Pss_Shmem"};

	return space_proc("/proc/self/smaps_rollup", keys);
}

static double space_page_tables(void)
{
	static const char *const keys[2] = {"VmPTE", NULL};

	return space_proc("/proc/self/status", keys);
}

/* Pages come where they are asked for: at the beginning, in the middle, at the end. */
static int space_fill_some(struct op *op, char *addr, size_t len, char *src)
{
	size_t size = op->setting->page_size;
	const size_t at[] = {0, len / 2, len - size};

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		int err = bench_pager_copy(&op->pager, addr + at[i], src, size);

		if (!err)
			err = op_check(op, addr + at[i], size, 1);
		if (err)
			return err;
	}
	return 0;
}

int op_run_register(struct op *op, double *figures)
{
	size_t len = op->row->size;
	double before, from;
	char *addr, *src;
	int err = op_map(op, op->row->shared, len, &addr);

	if (!err)
		err = op_map(op, false, op->setting->page_size, &src);
	if (!err)
		err = bench_pager_open(&op->pager, &op->strategy->choice, UF_FEATURE_SIGBUS);
	if (err)
		return err;
	op_stamp(op, src, op->setting->page_size, 1);
	/* Twice: reading it takes memory the first time. */
	space_resident();
	before = space_resident();
	if (before < 0)
		return -ENODATA;
	from = bench_now_ns();
	err = bench_pager_register(&op->pager, addr, len, UF_REGISTER_MODE_MISSING);
	figures[0] = (bench_now_ns() - from) / 1000;
	figures[1] = fmax(space_resident() - before, 0);
	return err ? err : space_fill_some(op, addr, len, src);
}

/* Fill, and read. */
static int space_fill(struct op *op, char *addr, size_t len, char *src)
{
	int err = 0;

	for (size_t at = 0; !err && at < len; at += SPACE_CHUNK)
		err = bench_pager_copy(&op->pager, addr + at, src, SPACE_CHUNK);
	for (size_t at = 0; !err && at < len; at += SPACE_CHUNK)
		err = op_check(op, addr + at, SPACE_CHUNK, 1);
	return err;
}

/*
 * The resident set grows by whole pages: so many pages are filled that a byte for
 * each makes whole ones, wherever the first of these bytes lies. 0: there are too
 * few.
 */
static size_t space_len(const struct op *op)
{
	size_t whole = op->setting->page_size * op->setting->page_size;

	return op_much(op) / whole * whole;
}

int op_run_footprint(struct op *op, double *figures)
{
	size_t len = space_len(op);
	double resident, tables, npages = (double)(len / op->setting->page_size);
	char *addr, *src;
	int err = len ? op_map(op, op->row->shared, SPACE_CHUNK + len, &addr) : -EDOM;

	if (!err)
		err = op_map(op, false, SPACE_CHUNK, &src);
	if (err)
		return err;
	op_stamp(op, src, SPACE_CHUNK, 1);
	err = op_open(op, UF_FEATURE_SIGBUS, addr, SPACE_CHUNK + len, UF_REGISTER_MODE_MISSING);
	/* The first ones pay for what a range has once. */
	if (!err)
		err = space_fill(op, addr, SPACE_CHUNK, src);
	if (err)
		return err;
	space_resident();
	resident = space_resident();
	tables = space_page_tables();
	if (resident < 0 || tables < 0)
		return -ENODATA;
	err = space_fill(op, addr + SPACE_CHUNK, len, src);
	figures[0] = fmax(space_resident() - resident - (double)len, 0) / npages;
	figures[1] = fmax(space_page_tables() - tables, 0) / npages;
	return err;
}
