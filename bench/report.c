/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what is told of the results: a table for people, a file for programs.
 * A row that was not measured is in neither.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* --- For people --- */

/* What the cells of a table show. */
enum report_table {
	REPORT_NS,
	REPORT_FLOOR,
	REPORT_KERNEL,
};

/* The result that a cell is divided by; NULL: none. False: there is no such cell. */
static bool report_base(enum report_table table, const struct bench_result *results, int method,
			int pattern, int placement, const struct bench_result **base)
{
	const struct bench_method *m = &bench_methods[method];

	*base = NULL;
	if (table == REPORT_FLOOR)
		*base = &results[bench_index(m->floor, pattern, BENCH_ONE_THREAD)];
	else if (table == REPORT_KERNEL && m->kernel >= 0)
		*base = &results[bench_index(m->kernel, pattern, placement)];
	return table == REPORT_NS || (*base && m->kind != BENCH_PLAIN);
}

static bool report_cell(const struct bench_setting *s, const struct bench_result *results,
			enum report_table table, int method, int pattern, int placement, char *cell,
			size_t size)
{
	const struct bench_result *base;
	struct bench_stats st;

	if (!report_base(table, results, method, pattern, placement, &base) ||
	    !bench_stats(s, &results[bench_index(method, pattern, placement)], base, &st))
		return false;
	if (table == REPORT_NS)
		snprintf(cell, size, "%.0f", st.median);
	else
		snprintf(cell, size, "%.2f (%.2f-%.2f)", st.median, st.min, st.max);
	return true;
}

static void report_line(const struct bench_setting *s, const struct bench_result *results,
			enum report_table table, int method, int placement)
{
	char cells[BENCH_PATTERNS][64];
	bool any = false;

	for (int p = 0; p < BENCH_PATTERNS; p++) {
		bool there = report_cell(s, results, table, method, p, placement, cells[p],
					 sizeof(cells[p]));

		if (!there)
			strcpy(cells[p], "-");
		any |= there;
	}
	if (!any)
		return;
	printf("%-37s %-11s", bench_methods[method].name, bench_placements[placement]);
	for (int p = 0; p < BENCH_PATTERNS; p++)
		printf(" %22s", cells[p]);
	printf("\n");
}

static void report_table(const struct bench_setting *s, const struct bench_result *results,
			 enum report_table table, const char *title)
{
	printf("\n%s\n%-37s %-11s", title, "", "");
	for (int p = 0; p < BENCH_PATTERNS; p++)
		printf(" %22s", bench_patterns[p].name);
	printf("\n");
	for (int method = 0; method < bench_nmethods; method++) {
		for (int placement = 0; placement < BENCH_PLACEMENTS; placement++)
			report_line(s, results, table, method, placement);
	}
}

void bench_print(const struct bench_setting *s, const struct bench_result *results)
{
	printf("One missing page of %zu bytes: %d rounds of %zu pages, every method in each.\n"
	       "one thread: the faulting thread fills it; one CPU, two CPUs: where it and the "
	       "monitor thread, or that of another process (remote), ran.\n",
	       s->page_size, s->rounds, s->npages);
	report_table(s, results, REPORT_NS, "Nanoseconds a page (median)");
	report_table(s, results, REPORT_FLOOR,
		     "Times the plain touch of the same memory: median (min-max)");
	report_table(s, results, REPORT_KERNEL,
		     "Times the kernel's equivalent, less than 1 is faster: median (min-max)");
}

/* --- For programs --- */

static void report_row(json_t *rows, const struct bench_setting *s,
		       const struct bench_result *results, enum report_table table, int method,
		       int pattern, int placement)
{
	const struct bench_method *m = &bench_methods[method];
	const struct bench_result *base;
	struct bench_stats st;
	char name[256];

	if (!report_base(table, results, method, pattern, placement, &base) ||
	    !bench_stats(s, &results[bench_index(method, pattern, placement)], base, &st))
		return;
	snprintf(name, sizeof(name), "%s / %s, %s, %s", m->name,
		 bench_methods[table == REPORT_FLOOR ? m->floor : m->kernel].name,
		 bench_patterns[pattern].name, bench_placements[placement]);
	json_array_append_new(rows, bench_json_row(name, "ratio", &st, NULL, false));
}

static json_t *report_rows(const struct bench_setting *s, const struct bench_result *results)
{
	json_t *rows = json_array();

	for (int method = 0; method < bench_nmethods; method++) {
		for (int i = 0; i < BENCH_PATTERNS * BENCH_PLACEMENTS; i++) {
			int pattern = i / BENCH_PLACEMENTS;
			int placement = i % BENCH_PLACEMENTS;

			report_row(rows, s, results, REPORT_FLOOR, method, pattern, placement);
			report_row(rows, s, results, REPORT_KERNEL, method, pattern, placement);
		}
	}
	return rows;
}

int bench_write(const struct bench_setting *s, const struct bench_result *results)
{
	return bench_json_write(s, json_pack("{s:o}", "rows", report_rows(s, results)));
}
