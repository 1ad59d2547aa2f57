/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runner: each row on each memory in a process of its own, seed after
 * seed, told as TAP. The seed at hand lies in memory shared with the process,
 * so that it is known however that one dies.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "case.h"

#if defined(__SANITIZE_THREAD__)
#define RUN_SLOWNESS 20
#elif defined(__SANITIZE_ADDRESS__)
#define RUN_SLOWNESS 4
#else
#define RUN_SLOWNESS 1
#endif

#define RUN_TIMEOUT_S 120

static const struct t_suite run_suites[] = {
	{"handshake", handshake_cases},
	{"register", register_cases},
	{"fill", fill_cases},
	{"copy", copy_cases},
	{"fault", fault_cases},
	{"read", read_cases},
	{"vm", vm_cases},
	{"event", event_cases},
	{"modes", register_mode_cases},
	{"writeprotect", writeprotect_cases},
	{"protected", protected_cases},
	{"continue", continue_cases},
	{"poison", poison_cases},
	{"race", race_cases},
	{"change", change_cases},
	{"object", object_cases},
	{"kill", kill_cases},
	{"mark-race", mark_race_cases},
	{"mark-change", mark_change_cases},
	{"mark-kill", mark_kill_cases},
	{"inject", inject_cases},
	{"rwprotect", rwprotect_cases},
	{"setmode", setmode_cases},
	{"rwp-race", rwp_race_cases},
	{"rwp-kill", rwp_kill_cases},
	{"move", move_cases},
	{"move-race", move_race_cases},
	{"scan", scan_cases},
	{NULL, NULL},
};

struct run_options {
	const char *program;
	const char *name;
	const char *clause;
	const char *mem;
	uint64_t seed;
	uint32_t count; /* 0: the row's own */
	bool one_seed;
	bool list;
	bool here;
	char **suites;
};

struct run_shared {
	uint64_t seed;
};

static struct run_shared *run_shared;
static int run_number;
static int run_failed;

static const char *run_mem_name(enum sim_kind kind)
{
	return kind == SIM_ANON ? "anon" : "shared";
}

static bool run_wants(const struct run_options *opt, const struct t_suite *suite,
		      const struct t_case *c, enum sim_kind kind)
{
	bool named = !opt->suites[0];

	for (char **s = opt->suites; *s; s++)
		named |= !strcmp(*s, suite->name);
	if (kind == SIM_SHARED && (c->where == T_ONCE || c->where == T_PRIVATE))
		return false;
	if (kind == SIM_ANON && c->where == T_OBJECT)
		return false;
	if (opt->mem && strcmp(opt->mem, run_mem_name(kind)))
		return false;
	if (opt->clause && !strstr(c->clauses, opt->clause))
		return false;
	return named && (!opt->name || !strcmp(opt->name, c->name));
}

static void run_seeds(const struct run_options *opt, const struct t_case *c, enum sim_kind kind)
{
	uint32_t runs = c->runs > RUN_SLOWNESS ? c->runs / RUN_SLOWNESS : 1;
	uint32_t count = opt->count ? opt->count : opt->one_seed ? 1 : runs;

	for (uint32_t i = 0; i < count; i++) {
		run_shared->seed = opt->seed + i;
		t_run(c, kind, opt->seed + i);
	}
}

static void run_print_output(int fd)
{
	char out[8192];
	ssize_t n = pread(fd, out, sizeof(out) - 1, 0);

	out[n > 0 ? n : 0] = 0;
	for (const char *line = out; *line;) {
		int len = (int)strcspn(line, "\n");

		printf("# %.*s\n", len, line);
		line += len + (line[len] == '\n');
	}
}

static void run_one(const struct run_options *opt, const struct t_case *c, enum sim_kind kind)
{
	int out = memfd_create("output", MFD_CLOEXEC);
	int status;
	pid_t pid;

	fflush(stdout);
	pid = out < 0 ? -1 : fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0) {
		dup2(out, 1);
		dup2(out, 2);
		alarm(RUN_TIMEOUT_S);
		run_seeds(opt, c, kind);
		exit(0); /* a sanitizer looks for leaks here */
	}
	waitpid(pid, &status, 0);
	run_number++;
	printf("%s %d - %s: %s [%s]\n", status ? "not ok" : "ok", run_number, c->clauses, c->name,
	       run_mem_name(kind));
	if (status) {
		run_failed++;
		run_print_output(out);
		if (WIFSIGNALED(status))
			printf("# died of signal %d (%s)\n", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
		printf("# again: %s --case %s --mem %s --seed %llu (under a debugger: --here)\n",
		       opt->program, c->name, run_mem_name(kind),
		       (unsigned long long)run_shared->seed);
	}
	close(out);
}

static int run_each(const struct run_options *opt, bool run)
{
	static const enum sim_kind kinds[] = {SIM_ANON, SIM_SHARED};
	int n = 0;

	for (const struct t_suite *s = run_suites; s->name; s++) {
		for (const struct t_case *c = s->cases; c->name; c++) {
			for (size_t i = 0; i < UF_ARRAY_SIZE(kinds); i++) {
				if (!run_wants(opt, s, c, kinds[i]))
					continue;
				n++;
				if (run && opt->here)
					run_seeds(opt, c, kinds[i]);
				else if (run)
					run_one(opt, c, kinds[i]);
				else if (opt->list)
					printf("%s %s: %s [%s]\n", s->name, c->clauses, c->name,
					       run_mem_name(kinds[i]));
			}
		}
	}
	return n;
}

static _Noreturn void run_usage(const char *program)
{
	fprintf(stderr,
		"Usage: %s [--list] [--case NAME] [--clause C] [--mem anon|shared]\n"
		"       [--seed S] [--count N] [--here] [SUITE...]\n"
		"Seeds go from S (0 if not given) upwards; S alone is one run. Seed 0 changes the\n"
		"thread only where one waits.\n",
		program);
	exit(2);
}

static const char *run_value(int argc, char **argv, int *i)
{
	if (++*i >= argc)
		run_usage(argv[0]);
	return argv[*i];
}

/* Options come first: behind them there are suites only. */
static void run_check_suites(const struct run_options *opt)
{
	for (char **name = opt->suites; *name; name++) {
		const struct t_suite *s = run_suites;

		while (s->name && strcmp(s->name, *name))
			s++;
		if (!s->name)
			run_usage(opt->program);
	}
}

static void run_parse(int argc, char **argv, struct run_options *opt)
{
	int i;

	opt->program = argv[0];
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--list")) {
			opt->list = true;
		} else if (!strcmp(argv[i], "--here")) {
			opt->here = true;
		} else if (!strcmp(argv[i], "--case")) {
			opt->name = run_value(argc, argv, &i);
		} else if (!strcmp(argv[i], "--clause")) {
			opt->clause = run_value(argc, argv, &i);
		} else if (!strcmp(argv[i], "--mem")) {
			opt->mem = run_value(argc, argv, &i);
		} else if (!strcmp(argv[i], "--count")) {
			opt->count = (uint32_t)strtoul(run_value(argc, argv, &i), NULL, 0);
		} else if (!strcmp(argv[i], "--seed")) {
			opt->seed = strtoull(run_value(argc, argv, &i), NULL, 0);
			opt->one_seed = true;
		} else {
			run_usage(argv[0]);
		}
	}
	opt->suites = argv + i;
	run_check_suites(opt);
}

int main(int argc, char **argv)
{
	struct run_options opt = {0};
	int n;

	run_parse(argc, argv, &opt);
	run_shared = mmap(NULL, sizeof(*run_shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run_shared == MAP_FAILED)
		return 1;
	n = run_each(&opt, false);
	if (opt.list)
		return 0;
	if (!n) {
		fprintf(stderr, "%s: no such test\n", argv[0]);
		return 2;
	}
	printf("1..%d\n", n);
	run_each(&opt, true);
	return run_failed ? 1 : 0;
}
