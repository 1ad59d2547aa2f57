/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what is told of the results: a table for people, a file for programs.
 * A row that was not measured is in neither.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

static int report_compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

bool bench_stats(const struct bench_setting *s, const struct bench_result *result,
		 const struct bench_result *base, struct bench_stats *stats)
{
	double *sorted = malloc((size_t)s->rounds * sizeof(*sorted));
	int n;

	for (n = 0; sorted && n < s->rounds; n++) {
		if (result->ns[n] <= 0 || (base && base->ns[n] <= 0))
			break;
		sorted[n] = result->ns[n] / (base ? base->ns[n] : 1);
	}
	if (sorted && n == s->rounds) {
		qsort(sorted, (size_t)n, sizeof(*sorted), report_compare);
		stats->min = sorted[0];
		stats->median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
		stats->max = sorted[n - 1];
	}
	free(sorted);
	return n == s->rounds && sorted;
}

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
	return table == REPORT_NS || (*base && m->kind != BENCH_FLOOR);
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
	       "monitor thread ran.\n",
	       s->page_size, s->rounds, s->npages);
	report_table(s, results, REPORT_NS, "Nanoseconds a page (median)");
	report_table(s, results, REPORT_FLOOR,
		     "Times the plain touch of the same memory: median (min-max)");
	report_table(s, results, REPORT_KERNEL,
		     "Times the kernel's equivalent, less than 1 is faster: median (min-max)");
}

/* --- For programs --- */

static double report_round(double x)
{
	return round(x * 1000) / 1000;
}

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
	json_array_append_new(rows, json_pack("{s:s, s:s, s:f, s:f, s:f, s:n, s:n}", "name", name,
					      "unit", "ratio", "min", report_round(st.min),
					      "median", report_round(st.median), "max",
					      report_round(st.max), "target", "met"));
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

/* The value of the first line of /proc/cpuinfo that begins with KEY; empty if none does. */
static void report_cpuinfo(const char *key, char *value, size_t size)
{
	char line[4096];
	FILE *f = fopen("/proc/cpuinfo", "r");

	value[0] = '\0';
	while (f && !value[0] && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, key, strlen(key)) || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(value, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
	}
	if (f)
		fclose(f);
}

static json_t *report_machine(const struct bench_setting *s)
{
	char model[256], flags[4096];
	struct utsname un;

	if (uname(&un))
		return NULL;
	report_cpuinfo("model name", model, sizeof(model));
	report_cpuinfo("flags", flags, sizeof(flags));
	return json_pack("{s:s, s:s, s:s, s:b, s:i, s:i, s:i, s:i, s:s}", "kernel", un.release,
			 "arch", un.machine, "cpu", model, "virtual",
			 strstr(flags, "hypervisor") != NULL, "cpus", s->cpu[1] < 0 ? 1 : 2,
			 "page_size", (int)s->page_size, "pages", (int)s->npages, "rounds",
			 s->rounds, "version", uf_version());
}

int bench_write(const struct bench_setting *s, const struct bench_result *results)
{
	json_t *root = json_pack("{s:o, s:o}", "machine", report_machine(s), "rows",
				 report_rows(s, results));
	int err = root ? 0 : -ENOMEM;

	if (!err && json_dump_file(root, s->output, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		err = errno ? -errno : -EIO;
	json_decref(root);
	return err;
}
