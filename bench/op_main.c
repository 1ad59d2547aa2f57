/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of op-bench, and the rounds: in each, every row is measured by
 * every strategy in turn, beginning with another one than the round before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "op.h"

static const struct bench_usage main_usage = {
	.text = "usage: op-bench [OPTIONS]\n"
		"\n"
		"Measures what each operation costs, on the kernel and on the engine.\n"
		"\n"
		"  --output=FILE  write the ratios to FILE as JSON\n"
		"  --quick        less memory and fewer rounds\n"
		"  --mib=N        memory of the large measurements (1024)\n"
		"  --rounds=N     rounds (9), not less than 5\n",
	.amount = "mib",
	.unit = OP_MIB,
	.normal = 1024,
	.quick = 64,
};

static int main_measure(void *arg, double *figures)
{
	struct op *op = arg;
	int err = bench_place(op->setting->cpu[0], -1);

	if (err)
		return err;
	if (op->row->size % op->setting->page_size)
		return -ERANGE;
	return op->row->run(op, figures);
}

/* Returns false if the operation does not do what it should, which is no refusal. */
static bool main_run_one(const struct bench_setting *s, struct bench_result *results, int row,
			 int strategy, int round)
{
	struct op op = {.setting = s, .row = &op_rows[row], .strategy = &op_strategies[strategy]};
	struct bench_result *result = &results[op_index(row, strategy, 0)];
	double figures[BENCH_FIGURES];
	char text[128];
	int err;

	/* Refused once, refused always. */
	if (!(op.row->strategies & 1u << strategy) || result[0].rounds[0] < 0)
		return true;
	err = bench_child(main_measure, &op, figures);
	for (int i = 0; i < op.row->nfigures; i++)
		result[i].rounds[err || round < 0 ? 0 : round] = err ? err : figures[i];
	if (err == -EPROTO) {
		op_explain(op.row, err, text, sizeof(text));
		fprintf(stderr, "%s, %s, %s: %s\n", op.row->name,
			op.row->shared ? "shared" : "anon", op.strategy->name, text);
	}
	return err != -EPROTO;
}

static bool main_run_round(const struct bench_setting *s, struct bench_result *results, int round)
{
	bool ok = true;

	for (int row = 0; row < op_nrows; row++) {
		for (int i = 0; i < OP_STRATEGIES; i++)
			ok &= main_run_one(s, results, row, (i + round + 1) % OP_STRATEGIES, round);
	}
	return ok;
}

int main(int argc, char **argv)
{
	const size_t n = op_index(op_nrows, 0, 0);
	struct bench_setting s = {0};
	int err = bench_setting_parse(&s, &main_usage, argc, argv);
	struct bench_result *results = bench_results_new(&s, n);
	bool ok = true;

	if (err || !results) {
		fprintf(stderr, "op-bench: %s\n", strerror(err ? -err : ENOMEM));
		return 1;
	}
	/* The first round does not count: its figures are overwritten. What failed ends it all. */
	for (int round = -1; ok && round < s.rounds; round++)
		ok = main_run_round(&s, results, round);
	if (ok) {
		op_print(&s, results);
		err = s.output ? op_write_file(&s, results) : 0;
	}
	if (err)
		fprintf(stderr, "op-bench: %s: %s\n", s.output, strerror(-err));
	bench_results_free(results, n);
	return err || !ok;
}
