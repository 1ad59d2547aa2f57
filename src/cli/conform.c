/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `userfault conform': becomes the program that has the conformance tests in
 * it, which is installed beside the tool. That one knows which clauses,
 * backends and kinds of memory there are, and refuses others.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define CONFORM_PROGRAM "conform"
#define CONFORM_NAME "userfault conform" /* by which it calls itself */
#define CONFORM_VALUES 4		 /* options that it is given, each with a value */

static const char conform_usage[] =
	"usage: userfault conform [OPTIONS]\n"
	"\n"
	"Tests every rule of userfaultfd on every backend and kind of memory that works\n"
	"here, and prints a table.\n"
	"\n"
	"  --clause=CLAUSE          only this rule (copy.7), or this operation (copy)\n"
	"  --backend=kernel|engine  only this backend\n"
	"  --mem=KIND               only this kind of memory (anon, memfd, ...)\n"
	"  --json                   for programs\n"
	"  --help\n"
	"\n"
	"The exit status is 0 if nothing fails, 1 if a test fails.\n";

enum {
	CONFORM_CLAUSE = 256,
	CONFORM_BACKEND,
	CONFORM_MEM,
	CONFORM_JSON,
	CONFORM_HELP,
};

static const struct option conform_options[] = {
	{"clause", required_argument, NULL, CONFORM_CLAUSE},
	{"backend", required_argument, NULL, CONFORM_BACKEND},
	{"mem", required_argument, NULL, CONFORM_MEM},
	{"json", no_argument, NULL, CONFORM_JSON},
	{"help", no_argument, NULL, CONFORM_HELP},
	{NULL, 0, NULL, 0},
};

struct conform {
	const char *clause;
	const char *backend;
	const char *mem;
	const char *format;
};

static int conform_misused(const char *what)
{
	if (what)
		fprintf(stderr, "userfault conform: %s\n", what);
	fprintf(stderr, "%s", conform_usage);
	return UF_EXIT_USAGE;
}

/* Returns -1 to go on, or the exit status. */
static int conform_parse(int argc, char **argv, struct conform *conform)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "h", conform_options, NULL)) != -1) {
		switch (opt) {
		case CONFORM_CLAUSE:
			conform->clause = optarg;
			break;
		case CONFORM_BACKEND:
			conform->backend = optarg;
			break;
		case CONFORM_MEM:
			conform->mem = optarg;
			break;
		case CONFORM_JSON:
			conform->format = "json";
			break;
		case CONFORM_HELP:
		case 'h':
			printf("%s", conform_usage);
			return 0;
		default:
			return conform_misused(NULL);
		}
	}
	return argv[optind] ? conform_misused("it takes no arguments") : -1;
}

/* Returns only if it cannot be executed. */
static int conform_become(const char *program, const struct conform *conform)
{
	const char *const options[CONFORM_VALUES][2] = {
		{"--format", conform->format},
		{"--clause", conform->clause},
		{"--backend", conform->backend},
		{"--mem", conform->mem},
	};
	const char *argv[1 + 2 * CONFORM_VALUES + 1] = {CONFORM_NAME};
	size_t argc = 1;

	for (size_t i = 0; i < CONFORM_VALUES; i++) {
		if (!options[i][1])
			continue;
		argv[argc++] = options[i][0];
		argv[argc++] = options[i][1];
	}
	/* execv changes none of them: its type is older than const. */
	execv(program, (char *const *)(uintptr_t)argv);
	return -errno;
}

int uf_cmd_conform(int argc, char **argv)
{
	struct conform conform = {.format = "table"};
	char program[PATH_MAX];
	int status = conform_parse(argc, argv, &conform);
	int err;

	if (status >= 0)
		return status;
	err = ufi_place_find(UF_BUILD_CONFORMDIR, UF_LIBEXECDIR, CONFORM_PROGRAM, program,
			     sizeof(program));
	if (!err)
		err = conform_become(program, &conform);
	fprintf(stderr, "userfault conform: %s: %s\n", CONFORM_PROGRAM, strerror(-err));
	return UF_EXIT_FAILED;
}
