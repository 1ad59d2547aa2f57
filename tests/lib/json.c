/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the rows have found, as JSON: an object for each clause on each target
 * on which it has a row. The names of the members are an interface.
 */
#include "lib/report.h"

/* Whatever a test has printed: what is not ASCII is told byte by byte. */
static void json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void json_member(const char *before, const char *name, const char *value)
{
	printf("%s\"%s\":", before, name);
	json_string(value);
}

static void json_cell(const struct verdict_clause *clause, const struct t_target *target,
		      const struct verdict_cell *cell)
{
	char part[VERDICT_NAME];

	json_member("{", "clause", clause->name);
	verdict_part(target, VERDICT_BACKEND, part);
	json_member(",", "backend", part);
	verdict_part(target, VERDICT_STRATEGY, part);
	json_member(",", "strategy", part);
	verdict_part(target, VERDICT_MEM, part);
	json_member(",", "mem", part);
	json_member(",", "result", verdict_word(cell->verdict));
	json_member(",", "reason", cell->reason ? cell->reason : "");
	putchar('}');
}

static void json_end(const struct report *report)
{
	const struct verdicts *v = &report->verdicts;
	const char *before = "\n";

	printf("{\"results\":[");
	for (size_t i = 0; i < v->nclauses; i++) {
		for (size_t j = 0; j < v->ntargets; j++) {
			const struct verdict_cell *cell = &v->clauses[i].cells[j];

			if (cell->verdict == VERDICT_NONE)
				continue;
			printf("%s", before);
			json_cell(&v->clauses[i], &report->targets[j], cell);
			before = ",\n";
		}
	}
	printf("\n]}\n");
}

const struct report_ops report_json = {
	.name = "json",
	.end = json_end,
};
