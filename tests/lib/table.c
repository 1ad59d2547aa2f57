/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the rows have found, for people: a line for each clause with a column
 * for each backend; below, why clauses have failed or were skipped, and where;
 * and a line that sums it up.
 */
#include "lib/report.h"

#define TABLE_WIDTH 100
#define TABLE_LABEL 18 /* width of the first column */
#define TABLE_BACKENDS 4

struct table {
	const struct verdicts *v;
	const struct t_target *targets;
	enum uf_backend backends[TABLE_BACKENDS]; /* the columns */
	char names[TABLE_BACKENDS][VERDICT_NAME];
	size_t nbackends;
};

/* A clause on a backend: on all the targets of it together. */
static enum verdict table_verdict(const struct table *t, const struct verdict_clause *clause,
				  enum uf_backend backend)
{
	enum verdict verdict = VERDICT_NONE;

	for (size_t i = 0; i < t->v->ntargets; i++)
		if (t->targets[i].backend == backend && clause->cells[i].verdict > verdict)
			verdict = clause->cells[i].verdict;
	return verdict;
}

static int table_count(const struct table *t, enum uf_backend backend, enum verdict verdict)
{
	int n = 0;

	for (size_t i = 0; i < t->v->nclauses; i++)
		n += table_verdict(t, &t->v->clauses[i], backend) == verdict;
	return n;
}

/* A column for each backend on which anything was run. */
static void table_columns(struct table *t)
{
	for (size_t i = 0; i < t->v->ntargets && t->nbackends < TABLE_BACKENDS; i++) {
		const struct t_target *target = &t->targets[i];

		if (!target->first ||
		    table_count(t, target->backend, VERDICT_NONE) == (int)t->v->nclauses)
			continue;
		t->backends[t->nbackends] = target->backend;
		verdict_part(target, VERDICT_BACKEND, t->names[t->nbackends++]);
	}
}

static void table_line(const struct table *t, const struct verdict_clause *clause)
{
	printf("%-*s", TABLE_LABEL, clause ? clause->name : "clause");
	for (size_t i = 0; i < t->nbackends; i++) {
		const char *text = clause ? verdict_word(table_verdict(t, clause, t->backends[i]))
					  : t->names[i];

		printf(i + 1 < t->nbackends ? "%-8s" : "%s", text);
	}
	putchar('\n');
}

static void table_lines(const struct table *t)
{
	bool none = false;

	table_line(t, NULL);
	for (size_t i = 0; i < t->v->nclauses; i++)
		table_line(t, &t->v->clauses[i]);
	for (size_t i = 0; i < t->nbackends; i++)
		none |= table_count(t, t->backends[i], VERDICT_NONE) > 0;
	if (none)
		printf("\n-: nothing to test there, as what cannot arise on that backend "
		       "(spec/differences.md)\n");
}

/* --- Why --- */

static bool table_is_why(const struct verdict_cell *cell, const struct verdict_cell *why)
{
	return cell->verdict == why->verdict && !strcmp(cell->reason, why->reason);
}

/* The clauses that are so for this reason on a target. */
static void table_why_target(const struct table *t, size_t target, const struct verdict_cell *why)
{
	int column = printf("    %s:", t->targets[target].name);
	size_t so = 0;
	size_t all = 0;

	for (size_t i = 0; i < t->v->nclauses; i++) {
		const struct verdict_cell *cell = &t->v->clauses[i].cells[target];

		all += cell->verdict != VERDICT_NONE;
		so += table_is_why(cell, why);
	}
	if (so == all && all > 1)
		printf(" all");
	for (size_t i = 0; i < t->v->nclauses && !(so == all && all > 1); i++) {
		const char *name = t->v->clauses[i].name;

		if (!table_is_why(&t->v->clauses[i].cells[target], why))
			continue;
		if (column + 1 + (int)strlen(name) > TABLE_WIDTH)
			column = printf("\n       ") - 1;
		column += printf(" %s", name);
	}
	putchar('\n');
}

/* A reason is told once, before the place where it is met first. */
static bool table_is_told(const struct table *t, const struct verdict_cell *why)
{
	for (size_t i = 0; i < t->v->nclauses; i++) {
		for (size_t j = 0; j < t->v->ntargets; j++) {
			const struct verdict_cell *cell = &t->v->clauses[i].cells[j];

			if (cell == why)
				return false;
			if (table_is_why(cell, why))
				return true;
		}
	}
	return false;
}

static void table_why(const struct table *t, const struct verdict_cell *why)
{
	printf("  %s\n", why->reason);
	for (size_t i = 0; i < t->v->ntargets; i++) {
		bool here = false;

		for (size_t j = 0; j < t->v->nclauses; j++)
			here |= table_is_why(&t->v->clauses[j].cells[i], why);
		if (here)
			table_why_target(t, i, why);
	}
}

static bool table_whys(const struct table *t, const char *title, enum verdict verdict)
{
	bool any = false;

	for (size_t i = 0; i < t->v->nclauses * t->v->ntargets; i++) {
		const struct verdict_cell *cell =
			&t->v->clauses[i / t->v->ntargets].cells[i % t->v->ntargets];

		if (cell->verdict != verdict || table_is_told(t, cell))
			continue;
		if (!any)
			printf("\n%s\n", title);
		any = true;
		table_why(t, cell);
	}
	return any;
}

static void table_sum(const struct table *t)
{
	printf("\n%zu clause%s", t->v->nclauses, t->v->nclauses == 1 ? "" : "s");
	for (size_t i = 0; i < t->nbackends; i++)
		printf("; %s: %d pass, %d fail, %d skip", t->names[i],
		       table_count(t, t->backends[i], VERDICT_PASS),
		       table_count(t, t->backends[i], VERDICT_FAIL),
		       table_count(t, t->backends[i], VERDICT_SKIP));
	putchar('\n');
}

static void table_end(const struct report *report)
{
	struct table t = {.v = &report->verdicts, .targets = report->targets};

	table_columns(&t);
	table_lines(&t);
	if (table_whys(&t, "Failed", VERDICT_FAIL))
		printf("  again: %s --target TARGET --case NAME\n", report->self);
	table_whys(&t, "Skipped", VERDICT_SKIP);
	table_sum(&t);
}

const struct report_ops report_table = {
	.name = "table",
	.end = table_end,
};
