/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rows have found, as TAP: a line for each row on each target. */
#include "lib/report.h"

static void tap_begin(const struct report *report)
{
	printf("1..%d\n", report->nrows);
}

static void tap_output(const char *line)
{
	while (*line) {
		int n = (int)strcspn(line, "\n");

		printf("# %.*s\n", n, line);
		line += n + (line[n] == '\n');
	}
}

static void tap_row(const struct report *report, const struct report_row *row)
{
	bool failed = row->verdict == VERDICT_FAIL;

	printf("%s %d - %s", failed ? "not ok" : "ok", report->number, row->name);
	if (row->verdict == VERDICT_SKIP)
		printf(" # SKIP %s", row->reason);
	putchar('\n');
	if (!failed)
		return;
	tap_output(row->output);
	if (row->ending[0])
		printf("# %s\n", row->ending);
	printf("# again: %s --target %s --case %s (under a debugger: --here)\n", report->program,
	       row->target->name, row->c->name);
}

const struct report_ops report_tap = {
	.name = "tap",
	.comments = true,
	.begin = tap_begin,
	.row = tap_row,
};
