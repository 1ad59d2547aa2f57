/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The benchmark's command line, and the rounds: in each, every method runs once
 * for every pattern and placement, beginning with another method than the
 * round before, so that a drift of the machine falls on all of them alike.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const struct bench_usage main_usage = {
	.text = "usage: fault-bench [OPTIONS]\n"
		"\n"
		"Measures what one missing page costs, by every method that works here.\n"
		"\n"
		"  --output=FILE  write the ratios to FILE as JSON\n"
		"  --quick        fewer pages and rounds\n"
		"  --pages=N      pages of each measurement (1024)\n"
		"  --rounds=N     rounds (9), not less than 5\n",
	.amount = "pages",
	.normal = 1024,
	.quick = 256,
};

/* Returns false if the method does not do what it should, which is no refusal. */
static bool main_run_one(const struct bench_setting *s, struct bench_result *results, int method,
			 int pattern, int placement, int round)
{
	const struct bench_method *m = &bench_methods[method];
	double *ns =
		&results[bench_index(method, pattern, placement)].rounds[round < 0 ? 0 : round];
	int err;

	/* Refused once, refused always. */
	if (!bench_fits(m->kind, placement) ||
	    results[bench_index(method, pattern, placement)].rounds[0] < 0)
		return true;
	err = bench_measure(s, m, &bench_patterns[pattern], placement, ns);
	if (!err)
		return true;
	*ns = results[bench_index(method, pattern, placement)].rounds[0] = err;
	if (pattern == 0 || err == -EPROTO)
		fprintf(stderr, "%s, %s: not measured: %s\n", m->name, bench_placements[placement],
			err == -EPROTO	      ? "it failed"
			: err == -ENODEV      ? "there is only one CPU"
			: err == -ENOPROTOOPT ? "it does not have the features"
					      : strerror(-err));
	return err != -EPROTO;
}

static bool main_run_round(const struct bench_setting *s, struct bench_result *results, int round)
{
	bool ok = true;

	for (int pattern = 0; pattern < BENCH_PATTERNS; pattern++) {
		for (int placement = 0; placement < BENCH_PLACEMENTS; placement++) {
			for (int i = 0; i < bench_nmethods; i++) {
				int method = (i + round + 1) % bench_nmethods;

				ok &= main_run_one(s, results, method, pattern, placement, round);
			}
		}
	}
	return ok;
}

int main(int argc, char **argv)
{
	const size_t n = bench_index(bench_nmethods, 0, 0);
	struct bench_setting s = {0};
	struct bench_result *results;
	bool ok;
	int err;

	err = bench_setting_parse(&s, &main_usage, argc, argv);
	results = bench_results_new(&s, n);
	if (err || !results) {
		fprintf(stderr, "fault-bench: %s\n", strerror(err ? -err : ENOMEM));
		return 1;
	}
	/* One round that does not count: its figures are overwritten. */
	ok = main_run_round(&s, results, -1);
	for (int round = 0; round < s.rounds; round++)
		ok &= main_run_round(&s, results, round);
	bench_print(&s, results);
	if (s.output)
		err = bench_write(&s, results);
	if (err)
		fprintf(stderr, "fault-bench: %s: %s\n", s.output, strerror(-err));
	bench_results_free(results, n);
	return err || !ok;
}
