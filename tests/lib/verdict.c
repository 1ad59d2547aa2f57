/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what the rows say about clauses: a row that proves several says the
 * same about each, and several rows that prove one are put together. It knows
 * how rows name clauses and how targets are named.
 */
#include "lib/report.h"

static void *verdict_need(void *memory)
{
	if (!memory) {
		perror("conform");
		exit(REPORT_BROKEN);
	}
	return memory;
}

bool verdict_next(const char **at, char name[VERDICT_NAME])
{
	size_t n;

	*at += strspn(*at, ", ");
	n = strcspn(*at, ", ");
	if (!n)
		return false;
	snprintf(name, VERDICT_NAME, "%.*s", (int)n, *at);
	*at += n;
	return true;
}

bool verdict_is(const char *name, const char *wanted)
{
	size_t n = strlen(wanted);

	if (strncmp(name, wanted, n) != 0)
		return false;
	return !name[n] || (name[n] == '.' && !strchr(wanted, '.'));
}

/* Which suite is the clause's own; those of none come last. */
static size_t verdict_operation(const struct t_suite *suites, const char *name)
{
	size_t i = 0;

	while (suites[i].name && !verdict_is(name, suites[i].name))
		i++;
	return i;
}

static struct verdict_clause *verdict_clause(struct verdicts *v, const char *name)
{
	struct verdict_clause *clause;
	const char *dot = strchr(name, '.');

	for (size_t i = 0; i < v->nclauses; i++)
		if (!strcmp(v->clauses[i].name, name))
			return &v->clauses[i];
	v->clauses = verdict_need(realloc(v->clauses, (v->nclauses + 1) * sizeof(*v->clauses)));
	clause = &v->clauses[v->nclauses++];
	snprintf(clause->name, sizeof(clause->name), "%s", name);
	clause->operation = verdict_operation(v->suites, name);
	clause->number = dot ? atoi(dot + 1) : 0;
	clause->cells = verdict_need(calloc(v->ntargets, sizeof(*clause->cells)));
	return clause;
}

void verdict_add(struct verdicts *v, const char *clauses, size_t target, enum verdict verdict,
		 const char *reason)
{
	char name[VERDICT_NAME];

	while (verdict_next(&clauses, name)) {
		struct verdict_cell *cell = &verdict_clause(v, name)->cells[target];

		if (verdict <= cell->verdict)
			continue;
		free(cell->reason);
		cell->verdict = verdict;
		cell->reason = verdict_need(strdup(reason));
	}
}

static void verdict_clause_free(struct verdicts *v, struct verdict_clause *clause)
{
	for (size_t i = 0; i < v->ntargets; i++)
		free(clause->cells[i].reason);
	free(clause->cells);
}

static int verdict_compare(const void *left, const void *right)
{
	const struct verdict_clause *a = left;
	const struct verdict_clause *b = right;

	if (a->operation != b->operation)
		return a->operation < b->operation ? -1 : 1;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return strcmp(a->name, b->name);
}

void verdict_finish(struct verdicts *v, const char *wanted)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->nclauses; i++) {
		if (!wanted || verdict_is(v->clauses[i].name, wanted))
			v->clauses[kept++] = v->clauses[i];
		else
			verdict_clause_free(v, &v->clauses[i]);
	}
	v->nclauses = kept;
	if (kept)
		qsort(v->clauses, kept, sizeof(*v->clauses), verdict_compare);
}

void verdict_free(struct verdicts *v)
{
	for (size_t i = 0; i < v->nclauses; i++)
		verdict_clause_free(v, &v->clauses[i]);
	free(v->clauses);
	v->clauses = NULL;
	v->nclauses = 0;
}

const char *verdict_word(enum verdict verdict)
{
	static const char *const words[] = {
		[VERDICT_NONE] = "-",
		[VERDICT_SKIP] = "skip",
		[VERDICT_PASS] = "pass",
		[VERDICT_FAIL] = "fail",
	};

	return words[verdict];
}

void verdict_part(const struct t_target *target, enum verdict_part part, char out[VERDICT_NAME])
{
	const char *at = target->name;

	for (int i = VERDICT_BACKEND; i < (int)part; i++) {
		at += strcspn(at, "/");
		at += *at == '/';
	}
	snprintf(out, VERDICT_NAME, "%.*s", (int)strcspn(at, "/"), at);
}
