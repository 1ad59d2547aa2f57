/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How it is told what the rows have found. The runner (run.c) runs one row
 * after the other, each in a process of its own (child.c), and keeps what they
 * say about each clause (verdict.c). A reporter puts it into a form: TAP row
 * by row (tap.c); a table (table.c) or JSON (json.c) by clause, at the end.
 */
#ifndef UF_TESTS_REPORT_H
#define UF_TESTS_REPORT_H

#include "lib/conform.h"

/* Exit status: something of the runner's own does not work. */
#define REPORT_BROKEN 125

/* In this order: what several rows say about a clause is the greatest of it. */
enum verdict {
	VERDICT_NONE, /* no row */
	VERDICT_SKIP,
	VERDICT_PASS,
	VERDICT_FAIL,
};

/* --- verdict.c: what the rows say about the clauses that they prove --- */

/* Room for the name of a clause, and for a part of a target's name. */
#define VERDICT_NAME 32

/* A clause on a target. */
struct verdict_cell {
	enum verdict verdict;
	char *reason; /* of a failure (first the name of the row) or a skip */
};

struct verdict_clause {
	char name[VERDICT_NAME];
	size_t operation; /* its place among the suites */
	int number;
	struct verdict_cell *cells; /* by target */
};

struct verdicts {
	const struct t_suite *suites;
	size_t ntargets;
	size_t nclauses;
	struct verdict_clause *clauses;
};

/* The next one of "copy.3, fill.4"; AT goes on behind it. False: there are no more. */
bool verdict_next(const char **at, char name[VERDICT_NAME]);
/* Is the clause NAME what is WANTED: this clause, or its operation? */
bool verdict_is(const char *name, const char *wanted);
/* One more row, on the target of this number, proves CLAUSES or not. The reason is copied. */
void verdict_add(struct verdicts *v, const char *clauses, size_t target, enum verdict verdict,
		 const char *reason);
/* Drop the clauses that are not wanted, and put the others in order. */
void verdict_finish(struct verdicts *v, const char *wanted);
void verdict_free(struct verdicts *v);
const char *verdict_word(enum verdict verdict);

/* The parts of a target's name, such as engine/anon/mprotect+procmem. */
enum verdict_part {
	VERDICT_BACKEND,
	VERDICT_MEM,
	VERDICT_STRATEGY, /* the kernel's targets have none */
};
void verdict_part(const struct t_target *target, enum verdict_part part, char out[VERDICT_NAME]);

/* --- child.c: the process in which a test runs --- */

struct child {
	void (*run)(const struct t_case *c, const struct t_target *target);
	const struct t_case *c;
	const struct t_target *target;
	int timeout_s;
	FILE *notes; /* lines that begin with #: where its threads are, if it hangs */
};

/* Start it and wait. OUT: what it has printed, cut. False: it took too long, and was killed. */
bool child_run(const struct child *child, char *out, size_t size, int *status);

/* --- Reporters --- */

struct report {
	const char *program; /* as it was called */
	const char *self;    /* where it is */
	const struct t_target *targets;
	struct verdicts verdicts; /* in order at the end */
	int number;		  /* of the row: 1, ... */
	int nrows;
	int failed;
};

/* A row on a target, and what has become of it. All is borrowed during the call. */
struct report_row {
	const struct t_case *c;
	const struct t_target *target;
	const char *name; /* clauses, row and target */
	enum verdict verdict;
	const char *output; /* what it has printed */
	const char *ending; /* how it was ended, if not by itself; or empty */
	const char *reason; /* of a failure or a skip: one line */
};

/* A callback may be missing. They print to stdout, where nobody else does. */
struct report_ops {
	const char *name;
	bool comments; /* others may print lines that begin with # in between */
	void (*begin)(const struct report *report);
	void (*row)(const struct report *report, const struct report_row *row);
	void (*end)(const struct report *report);
};

extern const struct report_ops report_tap;
extern const struct report_ops report_table;
extern const struct report_ops report_json;

#endif
