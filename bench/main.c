/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The benchmark's command line, and the rounds: in each, every method runs once
 * for every pattern and placement, beginning with another method than the
 * round before, so that a drift of the machine falls on all of them alike.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define MAIN_MIN_ROUNDS 5

static const char main_usage[] =
	"usage: fault-bench [OPTIONS]\n"
	"\n"
	"Measures what one missing page costs, by every method that works here.\n"
	"\n"
	"  --output=FILE  write the ratios to FILE as JSON\n"
	"  --quick        fewer pages and rounds\n"
	"  --pages=N      pages of each measurement (1024)\n"
	"  --rounds=N     rounds (9), not less than 5\n";

static const struct option main_options[] = {
	{"output", required_argument, NULL, 'o'}, {"quick", no_argument, NULL, 'q'},
	{"pages", required_argument, NULL, 'p'},  {"rounds", required_argument, NULL, 'r'},
	{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
};

static _Noreturn void main_misused(void)
{
	fputs(main_usage, stderr);
	exit(2);
}

static long main_number(const char *text, long min)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < min || n > 1 << 20)
		main_misused();
	return n;
}

static void main_parse(int argc, char **argv, struct bench_setting *s)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", main_options, NULL)) != -1) {
		switch (opt) {
		case 'o':
			s->output = optarg;
			break;
		case 'q':
			s->npages = 256;
			s->rounds = MAIN_MIN_ROUNDS;
			break;
		case 'p':
			s->npages = (size_t)main_number(optarg, 1);
			break;
		case 'r':
			s->rounds = (int)main_number(optarg, MAIN_MIN_ROUNDS);
			break;
		case 'h':
			fputs(main_usage, stdout);
			exit(0);
		default:
			main_misused();
		}
	}
	if (optind != argc)
		main_misused();
}

/* The first two CPUs that we may run on. */
static int main_find_cpus(struct bench_setting *s)
{
	cpu_set_t set;
	int n = 0;

	s->cpu[0] = s->cpu[1] = -1;
	if (sched_getaffinity(0, sizeof(set), &set))
		return -errno;
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++) {
		if (CPU_ISSET(cpu, &set))
			s->cpu[n++] = cpu;
	}
	return n ? 0 : -ENODEV;
}

/* Returns false if the method does not do what it should, which is no refusal. */
static bool main_run_one(const struct bench_setting *s, struct bench_result *results, int method,
			 int pattern, int placement, int round)
{
	const struct bench_method *m = &bench_methods[method];
	double *ns = &results[bench_index(method, pattern, placement)].ns[round < 0 ? 0 : round];
	int err;

	/* Refused once, refused always. */
	if (!bench_fits(m, placement) || results[bench_index(method, pattern, placement)].ns[0] < 0)
		return true;
	err = bench_measure(s, m, &bench_patterns[pattern], placement, ns);
	if (!err)
		return true;
	*ns = results[bench_index(method, pattern, placement)].ns[0] = err;
	if (pattern == 0 || err == -EPROTO)
		fprintf(stderr, "%s, %s: not measured: %s\n", m->name, bench_placements[placement],
			err == -EPROTO	 ? "it failed"
			: err == -ENODEV ? "there is only one CPU"
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

static struct bench_result *main_allocate(const struct bench_setting *s)
{
	size_t n = bench_index(bench_nmethods, 0, 0);
	struct bench_result *results = calloc(n, sizeof(*results));

	for (size_t i = 0; results && i < n; i++) {
		results[i].ns = calloc((size_t)s->rounds, sizeof(*results[i].ns));
		if (!results[i].ns)
			return NULL;
	}
	return results;
}

static void main_free(struct bench_result *results)
{
	for (size_t i = 0; i < bench_index(bench_nmethods, 0, 0); i++)
		free(results[i].ns);
	free(results);
}

int main(int argc, char **argv)
{
	struct bench_setting s = {.npages = 1024,
				  .rounds = 9,
				  .page_size = (size_t)sysconf(_SC_PAGESIZE)};
	struct bench_result *results;
	bool ok;
	int err;

	main_parse(argc, argv, &s);
	err = main_find_cpus(&s);
	results = main_allocate(&s);
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
	main_free(results);
	return err || !ok;
}
