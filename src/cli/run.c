/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `userfault run': becomes the program, with our library preloaded. A program
 * that cannot have it is not run: without a word it would get the kernel's
 * refusal again.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define RUN_LIBRARY "libuserfault-preload.so"

struct run {
	const char *backend;
	const char *log;
	bool deny_kernel;
	bool bare;
	char **program; /* and its arguments */
};

static const char run_usage[] =
	"usage: userfault run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
	"\n"
	"Runs PROGRAM with userfaultfd from the kernel or, where that refuses, from the\n"
	"engine in our library.\n"
	"\n"
	"  --backend=auto|kernel|engine  who serves it (auto)\n"
	"  --deny-kernel                 refuse the kernel's userfaultfd to PROGRAM\n"
	"  --log=FILE                    append to FILE who served what\n"
	"  --bare                        do not preload our library: with --deny-kernel, to\n"
	"                                see how PROGRAM fares without it\n"
	"  --help\n"
	"\n"
	"The exit status is PROGRAM's; 125: userfault failed; 126: PROGRAM cannot be run\n"
	"this way; 127: it was not found.\n";

enum {
	RUN_BACKEND = 256,
	RUN_DENY_KERNEL,
	RUN_LOG,
	RUN_BARE,
	RUN_HELP,
};

static const struct option run_options[] = {
	{"backend", required_argument, NULL, RUN_BACKEND},
	{"deny-kernel", no_argument, NULL, RUN_DENY_KERNEL},
	{"log", required_argument, NULL, RUN_LOG},
	{"bare", no_argument, NULL, RUN_BARE},
	{"help", no_argument, NULL, RUN_HELP},
	{NULL, 0, NULL, 0},
};

static int run_misused(const char *what)
{
	if (what)
		fprintf(stderr, "userfault run: %s\n", what);
	fprintf(stderr, "%s", run_usage);
	return UF_EXIT_USAGE;
}

static bool run_is_backend(const char *name)
{
	return !strcmp(name, "auto") || !strcmp(name, "kernel") || !strcmp(name, "engine");
}

/* Returns -1 to go on, or the exit status. */
static int run_parse(int argc, char **argv, struct run *run)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "+h", run_options, NULL)) != -1) {
		switch (opt) {
		case RUN_BACKEND:
			if (!run_is_backend(optarg))
				return run_misused("--backend is auto, kernel or engine");
			run->backend = optarg;
			break;
		case RUN_DENY_KERNEL:
			run->deny_kernel = true;
			break;
		case RUN_LOG:
			run->log = optarg;
			break;
		case RUN_BARE:
			run->bare = true;
			break;
		case RUN_HELP:
		case 'h':
			printf("%s", run_usage);
			return 0;
		default:
			return run_misused(NULL);
		}
	}
	if (!argv[optind])
		return run_misused("which program?");
	if (run->bare && (run->backend || run->log))
		return run_misused("--bare does not go with --backend and --log");
	run->program = argv + optind;
	return -1;
}

/* Ours comes first: others may be preloaded as well. */
static int run_set_preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *value;
	int err;

	if (strpbrk(library, ": \t\n")) {
		fprintf(stderr,
			"userfault run: %s: the loader takes no path with blanks or colons\n",
			library);
		return -EINVAL;
	}
	if (!others || !*others)
		return setenv("LD_PRELOAD", library, 1) ? -errno : 0;
	if (asprintf(&value, "%s:%s", library, others) < 0)
		return -ENOMEM;
	err = setenv("LD_PRELOAD", value, 1) ? -errno : 0;
	free(value);
	return err;
}

/* The program may change its folder before the first line is written. */
static int run_set_log(const char *log)
{
	char cwd[PATH_MAX];
	char path[2 * PATH_MAX];
	FILE *f;

	f = fopen(log, "a");
	if (!f) {
		fprintf(stderr, "userfault run: %s: %s\n", log, strerror(errno));
		return -EACCES;
	}
	fclose(f);
	if (log[0] == '/')
		return setenv("USERFAULT_LOG", log, 1) ? -errno : 0;
	if (!getcwd(cwd, sizeof(cwd)))
		return -errno;
	snprintf(path, sizeof(path), "%s/%s", cwd, log);
	return setenv("USERFAULT_LOG", path, 1) ? -errno : 0;
}

static int run_preload(const struct run *run, const char *program)
{
	char library[PATH_MAX];
	char why[PATH_MAX + 256];
	int err;

	if (ufi_program_check(program, why, sizeof(why))) {
		fprintf(stderr, "userfault run: %s\n", why);
		return UF_EXIT_CANNOT;
	}
	err = ufi_place_find(UF_BUILD_SHIMDIR, UF_LIBDIR, RUN_LIBRARY, library, sizeof(library));
	if (err) {
		fprintf(stderr, "userfault run: %s: %s\n", RUN_LIBRARY, strerror(-err));
		return UF_EXIT_FAILED;
	}
	if (run_set_preload(library))
		return UF_EXIT_FAILED;
	if (setenv("USERFAULT_BACKEND", run->backend ? run->backend : "auto", 1))
		return UF_EXIT_FAILED;
	if (run->log ? run_set_log(run->log) : unsetenv("USERFAULT_LOG"))
		return UF_EXIT_FAILED;
	return 0;
}

int uf_cmd_run(int argc, char **argv)
{
	struct run run = {0};
	char program[PATH_MAX];
	int status = run_parse(argc, argv, &run);
	int err;

	if (status >= 0)
		return status;
	err = ufi_program_find(run.program[0], program, sizeof(program));
	if (err) {
		fprintf(stderr, "userfault run: %s: %s\n", run.program[0], strerror(-err));
		return err == -ENOENT ? UF_EXIT_NOT_FOUND : UF_EXIT_CANNOT;
	}
	status = run.bare ? 0 : run_preload(&run, program);
	if (status)
		return status;
	err = run.deny_kernel ? ufi_deny_kernel() : 0;
	if (err) {
		fprintf(stderr, "userfault run: --deny-kernel: no seccomp filter: %s\n",
			strerror(-err));
		return UF_EXIT_FAILED;
	}
	execv(program, run.program);
	fprintf(stderr, "userfault run: %s: %s\n", program, strerror(errno));
	return errno == ENOENT ? UF_EXIT_NOT_FOUND : UF_EXIT_CANNOT;
}
