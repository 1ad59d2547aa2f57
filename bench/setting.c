/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the command line, and which CPUs we have. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common.h"

#define SETTING_MIN_ROUNDS 5
#define SETTING_ROUNDS 9

static _Noreturn void setting_misused(const struct bench_usage *usage)
{
	fputs(usage->text, stderr);
	exit(2);
}

static long setting_number(const struct bench_usage *usage, const char *text, long min)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < min || n > 1 << 20)
		setting_misused(usage);
	return n;
}

static void setting_amount(struct bench_setting *s, const struct bench_usage *usage, long amount)
{
	s->npages = (size_t)amount * (usage->unit ? usage->unit : s->page_size) / s->page_size;
}

static void setting_option(struct bench_setting *s, const struct bench_usage *usage, int opt)
{
	switch (opt) {
	case 'o':
		s->output = optarg;
		break;
	case 'q':
		setting_amount(s, usage, usage->quick);
		s->rounds = SETTING_MIN_ROUNDS;
		break;
	case 'n':
		setting_amount(s, usage, setting_number(usage, optarg, 1));
		break;
	case 'r':
		s->rounds = (int)setting_number(usage, optarg, SETTING_MIN_ROUNDS);
		break;
	case 'h':
		fputs(usage->text, stdout);
		exit(0);
	default:
		setting_misused(usage);
	}
}

/* The first two CPUs that we may run on. */
static int setting_find_cpus(struct bench_setting *s)
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

int bench_setting_parse(struct bench_setting *s, const struct bench_usage *usage, int argc,
			char **argv)
{
	const struct option options[] = {
		{"output", required_argument, NULL, 'o'},
		{"quick", no_argument, NULL, 'q'},
		{usage->amount, required_argument, NULL, 'n'},
		{"rounds", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	s->page_size = (size_t)sysconf(_SC_PAGESIZE);
	s->rounds = SETTING_ROUNDS;
	setting_amount(s, usage, usage->normal);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		setting_option(s, usage, opt);
	if (optind != argc)
		setting_misused(usage);
	return setting_find_cpus(s);
}
