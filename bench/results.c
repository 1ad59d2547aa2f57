/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the results of all rounds, and their medians and ratios. */
#include <math.h>
#include <stdlib.h>

#include "common.h"

struct bench_result *bench_results_new(const struct bench_setting *s, size_t n)
{
	struct bench_result *results = calloc(n, sizeof(*results));

	for (size_t i = 0; results && i < n; i++) {
		results[i].rounds = calloc((size_t)s->rounds, sizeof(*results[i].rounds));
		if (!results[i].rounds) {
			bench_results_free(results, n);
			return NULL;
		}
		for (int round = 0; round < s->rounds; round++)
			results[i].rounds[round] = NAN;
	}
	return results;
}

void bench_results_free(struct bench_result *results, size_t n)
{
	for (size_t i = 0; results && i < n; i++)
		free(results[i].rounds);
	free(results);
}

static int results_compare(const void *a, const void *b)
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
		if (!(result->rounds[n] >= 0) || (base && !(base->rounds[n] > 0)))
			break;
		sorted[n] = result->rounds[n] / (base ? base->rounds[n] : 1);
	}
	if (sorted && n == s->rounds) {
		qsort(sorted, (size_t)n, sizeof(*sorted), results_compare);
		stats->min = sorted[0];
		stats->median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
		stats->max = sorted[n - 1];
	}
	free(sorted);
	return n == s->rounds && sorted;
}
