/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what is told of the operations: tables for people, a file for programs.
 * What a strategy cannot do is said in both.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op.h"

/* One figure of a row by one strategy, and the same by the kernel. */
struct report_cell {
	const struct op_row *row;
	const struct op_strategy *strategy;
	const struct op_figure *figure;
	const struct bench_result *result;
	const struct bench_result *kernel;
	bool is_kernel;
	int nth; /* of the row's figures */
};

typedef void report_fn(const struct bench_setting *s, const struct report_cell *cell, void *arg);

/* Every figure of every strategy that the row knows, in the order of the tables. */
static void report_each(const struct bench_setting *s, const struct bench_result *results,
			report_fn *fn, void *arg)
{
	for (size_t i = 0; i < op_index(op_nrows, 0, 0); i++) {
		int row = (int)(i / (BENCH_FIGURES * OP_STRATEGIES));
		int nth = (int)(i / OP_STRATEGIES % BENCH_FIGURES);
		int strategy = (int)(i % OP_STRATEGIES);
		struct report_cell cell = {
			.row = &op_rows[row],
			.strategy = &op_strategies[strategy],
			.figure = &op_rows[row].figures[nth],
			.result = &results[op_index(row, strategy, nth)],
			.kernel = &results[op_index(row, OP_KERNEL, nth)],
			.is_kernel = strategy == OP_KERNEL,
			.nth = nth,
		};

		if (nth < cell.row->nfigures && cell.row->strategies & 1u << strategy)
			fn(s, &cell, arg);
	}
}

void op_explain(const struct op_row *row, int err, char *text, size_t size)
{
	const char *feature = row->feature ? uf_feature_name(row->feature) : NULL;

	if (err == -ENOPROTOOPT)
		snprintf(text, size, "this backend does not have %s",
			 feature ? feature : "the features it needs");
	else if (err == -EPROTO)
		snprintf(text, size, "it failed");
	else if (err == -ENODEV)
		snprintf(text, size, "there is only one CPU");
	else if (err == -ERANGE)
		snprintf(text, size, "smaller than a page");
	else if (err == -EDOM)
		snprintf(text, size, "too little memory to tell");
	else
		snprintf(text, size, "%s", strerror(-err));
}

static void report_name(const struct report_cell *cell, const char *figure, char *name, size_t size)
{
	snprintf(name, size, "%s%s%s", cell->row->name, figure ? ", " : "", figure ? figure : "");
}

static const char *report_memory(const struct report_cell *cell)
{
	return cell->row->shared ? "shared" : "anon";
}

/* What the row saves, in per cent; false: it is not about that, or was not measured. */
static bool report_saving(const struct bench_setting *s, const struct report_cell *cell,
			  struct bench_stats *st)
{
	struct bench_stats ratio;

	if (!cell->row->saving || cell->nth != 0 ||
	    !bench_stats(s, cell->result, cell->result + 1, &ratio))
		return false;
	st->min = 100 - 100 * ratio.max;
	st->median = 100 - 100 * ratio.median;
	st->max = 100 - 100 * ratio.min;
	return true;
}

/* --- For people --- */

static void report_place(const struct report_cell *cell, const char *figure)
{
	char name[128];

	report_name(cell, figure, name, sizeof(name));
	printf("%-45s %-6s %-10s %-23s", name, report_memory(cell),
	       bench_placements[cell->row->placement], cell->strategy->name);
}

static void report_print_median(const struct bench_setting *s, const struct bench_result *result)
{
	struct bench_stats st;

	if (bench_stats(s, result, NULL, &st))
		printf(" %10.1f", st.median);
	else
		printf(" %10s", "-");
}

static void report_print_ratio(const struct bench_setting *s, const struct report_cell *cell,
			       void *arg)
{
	struct bench_stats ratio;

	if (!op_units[cell->figure->unit].ratio || cell->is_kernel)
		return;
	report_place(cell, cell->figure->name);
	report_print_median(s, cell->kernel);
	report_print_median(s, cell->result);
	if (bench_stats(s, cell->result, cell->kernel, &ratio))
		printf(" %8.2f (%.2f-%.2f)", ratio.median, ratio.min, ratio.max);
	printf("\n");
}

static void report_print_saving(const struct bench_setting *s, const struct report_cell *cell,
				void *arg)
{
	struct bench_stats st;

	if (!report_saving(s, cell, &st))
		return;
	report_place(cell, NULL);
	printf(" %8.1f (%.1f to %.1f)%s\n", st.median, st.min, st.max,
	       !cell->row->saves || cell->is_kernel ? ""
	       : st.median > 0			    ? "  a saving, as promised"
						    : "  promised: a saving");
}

static void report_print_amount(const struct bench_setting *s, const struct report_cell *cell,
				void *arg)
{
	const struct op_figure *f = cell->figure;
	struct bench_stats st;

	if ((op_units[f->unit].ratio && f->most == 0) || !bench_stats(s, cell->result, NULL, &st))
		return;
	report_place(cell, f->name);
	printf(" %10.2f (%.2f-%.2f) %s", st.median, st.min, st.max, op_units[f->unit].name);
	if (f->most != 0 && !cell->is_kernel)
		printf(", promised: %.0f%s", f->most, st.median > f->most ? ": NOT MET" : "");
	printf("\n");
}

static void report_print_refused(const struct bench_setting *s, const struct report_cell *cell,
				 void *arg)
{
	char text[128];

	if (cell->nth != 0 || !(cell->result->rounds[0] < 0))
		return;
	op_explain(cell->row, (int)cell->result->rounds[0], text, sizeof(text));
	report_place(cell, NULL);
	printf(" %s\n", text);
}

void op_print(const struct bench_setting *s, const struct bench_result *results)
{
	printf("Operations: %d rounds, %zu MiB of %zu-byte pages in WRITEPROTECT, scan and filled "
	       "page.\n"
	       "one thread: whoever makes the call; one CPU, two CPUs: where the writing and the "
	       "monitor thread, or the two processes, ran.\n",
	       s->rounds, s->npages * s->page_size / OP_MIB, s->page_size);
	printf("\nNanoseconds a page (REGISTER: microseconds), medians of the kernel and of the "
	       "engine, \"-\" is not measured;\nand their ratio, less than 1 is faster than the "
	       "kernel: median (min-max)\n");
	report_each(s, results, report_print_ratio, NULL);
	printf("\nHow much less MOVE costs than COPY and MADV_DONTNEED of the source, in per cent: "
	       "median (min to max)\n");
	report_each(s, results, report_print_saving, NULL);
	printf("\nTime and memory for registering, memory for a filled page, what another process "
	       "fills: median (min-max)\n");
	report_each(s, results, report_print_amount, NULL);
	printf("\nWhat was not measured, and why\n");
	report_each(s, results, report_print_refused, NULL);
}

/* --- For programs --- */

struct report_file {
	json_t *rows;
	json_t *refused;
};

static void report_add(struct report_file *file, const struct report_cell *cell, const char *figure,
		       const char *base, const char *unit, const struct bench_stats *st,
		       const double *target, bool met)
{
	char name[128], full[384];

	report_name(cell, figure, name, sizeof(name));
	snprintf(full, sizeof(full), "%s, %s, %s%s, %s", name, report_memory(cell),
		 cell->strategy->name, base, bench_placements[cell->row->placement]);
	json_array_append_new(file->rows, bench_json_row(full, unit, st, target, met));
}

static void report_file_row(const struct bench_setting *s, const struct report_cell *cell,
			    void *arg)
{
	static const double nothing = 0;
	const struct op_figure *f = cell->figure;
	bool promised = f->most != 0 && !cell->is_kernel;
	struct bench_stats st;

	if (op_units[f->unit].ratio && !cell->is_kernel &&
	    bench_stats(s, cell->result, cell->kernel, &st))
		report_add(arg, cell, f->name, " / kernel", "ratio", &st, NULL, false);
	if (report_saving(s, cell, &st))
		report_add(arg, cell, cell->row->saving, "", "percent", &st,
			   cell->row->saves && !cell->is_kernel ? &nothing : NULL, st.median > 0);
	if ((promised || !op_units[f->unit].ratio) && bench_stats(s, cell->result, NULL, &st))
		report_add(arg, cell, f->name, "", op_units[f->unit].name, &st,
			   promised ? &f->most : NULL, st.median <= f->most);
}

static void report_file_refused(const struct bench_setting *s, const struct report_cell *cell,
				void *arg)
{
	struct report_file *file = arg;
	char text[128], name[256];

	if (cell->nth != 0 || !(cell->result->rounds[0] < 0))
		return;
	op_explain(cell->row, (int)cell->result->rounds[0], text, sizeof(text));
	snprintf(name, sizeof(name), "%s, %s, %s, %s", cell->row->name, report_memory(cell),
		 cell->strategy->name, bench_placements[cell->row->placement]);
	json_array_append_new(file->refused, json_pack("{s:s, s:s}", "name", name, "reason", text));
}

int op_write_file(const struct bench_setting *s, const struct bench_result *results)
{
	struct report_file file = {.rows = json_array(), .refused = json_array()};

	report_each(s, results, report_file_row, &file);
	report_each(s, results, report_file_refused, &file);
	return bench_json_write(s, json_pack("{s:o, s:o}", "rows", file.rows, "not_measured",
					     file.refused));
}
