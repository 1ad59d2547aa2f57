/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runner: which tests on which targets, each in a process of its own with
 * a time limit, told as TAP. It knows nothing of userfaults.
 */
#include <dirent.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/conform.h"

#define RUN_SKIP 77
#define RUN_OUTPUT 8192

static const struct t_target run_targets[] = {
	{"kernel/anon", UF_BACKEND_KERNEL, T_ANON, 0, 0, true},
	{"kernel/memfd", UF_BACKEND_KERNEL, T_MEMFD, 0, 0, false},
	{"kernel/shared", UF_BACKEND_KERNEL, T_SHARED, 0, 0, false},
	{"engine/anon/mprotect+procmem", UF_BACKEND_ENGINE, T_ANON, UF_TRAP_CHOICE_MPROTECT,
	 UF_FILL_CHOICE_PROCMEM, true},
	{"engine/anon/mprotect+mremap", UF_BACKEND_ENGINE, T_ANON, UF_TRAP_CHOICE_MPROTECT,
	 UF_FILL_CHOICE_MREMAP, false},
	{"engine/memfd/mprotect+alias", UF_BACKEND_ENGINE, T_MEMFD, UF_TRAP_CHOICE_MPROTECT,
	 UF_FILL_CHOICE_ALIAS, false},
	{"engine/memfd/guard+alias", UF_BACKEND_ENGINE, T_MEMFD, UF_TRAP_CHOICE_GUARD,
	 UF_FILL_CHOICE_ALIAS, false},
	{"engine/shared/mprotect+alias", UF_BACKEND_ENGINE, T_SHARED, UF_TRAP_CHOICE_MPROTECT,
	 UF_FILL_CHOICE_ALIAS, false},
	{"engine/shared/guard+alias", UF_BACKEND_ENGINE, T_SHARED, UF_TRAP_CHOICE_GUARD,
	 UF_FILL_CHOICE_ALIAS, false},
	{"engine/anon/auto", UF_BACKEND_ENGINE, T_ANON, 0, 0, false},
	{"engine/memfd/auto", UF_BACKEND_ENGINE, T_MEMFD, 0, 0, false},
};

struct run_options {
	const char *program;
	const char *target;
	const char *clause;
	const char *name;
	int timeout_s;
	bool list;
	bool here; /* in this process, for a debugger */
	char **suites;
};

struct run_counts {
	int number;
	int failed;
	int skipped;
};

static bool run_wants_target(const struct t_case *c, const struct t_target *target)
{
	if ((c->where & T_KERNEL_ONLY) && target->backend != UF_BACKEND_KERNEL)
		return false;
	if ((c->where & T_ENGINE_ONLY) && target->backend != UF_BACKEND_ENGINE)
		return false;
	if ((c->where & T_ONCE) && !target->first)
		return false;
	if ((c->where & T_PRIVATE) && target->mem != T_ANON)
		return false;
	if ((c->where & T_OBJECT) && target->mem == T_ANON)
		return false;
	return !(c->where & T_FILE) || target->mem == T_MEMFD;
}

/* Is CLAUSE one of "copy.3, fill.4", or the operation of one? */
static bool run_has_clause(const char *clauses, const char *clause)
{
	size_t n = strlen(clause);

	for (const char *at = clauses; at; at = strchr(at, ',')) {
		at += strspn(at, ", ");
		if (!strncmp(at, clause, n) && strchr(strchr(clause, '.') ? ", " : ".", at[n]))
			return true;
		if (!*at)
			break;
	}
	return false;
}

static bool run_wants(const struct run_options *opt, const struct t_suite *suite,
		      const struct t_case *c, const struct t_target *target)
{
	bool named = !opt->suites[0];

	for (char **s = opt->suites; *s; s++)
		named |= !strcmp(*s, suite->name);
	if (!named || !run_wants_target(c, target))
		return false;
	if (opt->target && strncmp(opt->target, target->name, strlen(opt->target)))
		return false;
	if (opt->clause && !run_has_clause(c->clauses, opt->clause))
		return false;
	return !opt->name || !strcmp(opt->name, c->name);
}

static int64_t run_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void run_print_file(const char *what, const char *path)
{
	char line[256];
	FILE *f = fopen(path, "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		printf("#   %s: %.*s\n", what, (int)strcspn(line, "\n"), line);
	fclose(f);
}

/* Where every thread of a process that hangs is. */
static void run_print_threads(pid_t pid)
{
	char path[300];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		printf("# thread %s\n", e->d_name);
		snprintf(path, sizeof(path), "/proc/%d/task/%s/syscall", pid, e->d_name);
		run_print_file("syscall", path);
		snprintf(path, sizeof(path), "/proc/%d/task/%s/wchan", pid, e->d_name);
		run_print_file("wchan", path);
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stack", pid, e->d_name);
		run_print_file("stack", path);
	}
	if (dir)
		closedir(dir);
}

/* Everything the test prints, until it ends. False: it took too long. */
static bool run_collect(int fd, int64_t deadline, char *out, size_t size)
{
	size_t used = 0;
	ssize_t n;

	out[0] = 0;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - run_now_ms();
		char rest[512];

		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, used + 1 < size ? out + used : rest,
			 used + 1 < size ? size - used - 1 : sizeof(rest));
		if (n <= 0)
			return true;
		if (used + 1 < size) {
			used += (size_t)n;
			out[used] = 0;
		}
	}
}

static _Noreturn void run_child(const struct t_case *c, const struct t_target *target)
{
	struct t t = {0};

	t_case_begin(&t, target);
	c->run(&t);
	t_case_end(&t);
	_exit(0);
}

/* The reason of a skip: what a backend has logged comes before it. */
static const char *run_last_line(char *out)
{
	char *line;

	while ((line = strrchr(out, '\n')) && !line[1])
		*line = 0;
	return line ? line + 1 : out;
}

static void run_tell(const struct run_options *opt, struct run_counts *counts, const char *name,
		     const struct t_case *c, const struct t_target *target, int status,
		     bool in_time, char *out)
{
	const char *line = out;
	bool ok = in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	bool skip = in_time && WIFEXITED(status) && WEXITSTATUS(status) == RUN_SKIP;

	if (skip) {
		counts->skipped++;
		printf("ok %d - %s # SKIP %s\n", counts->number, name, run_last_line(out));
		return;
	}
	printf("%s %d - %s\n", ok ? "ok" : "not ok", counts->number, name);
	while (!ok && *line) {
		int n = (int)strcspn(line, "\n");

		printf("# %.*s\n", n, line);
		line += n + (line[n] == '\n');
	}
	if (ok)
		return;
	counts->failed++;
	if (!in_time)
		printf("# still running after %d s\n", opt->timeout_s);
	else if (WIFSIGNALED(status))
		printf("# died of signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	printf("# again: %s --target %s --case %s (under a debugger: --here)\n", opt->program,
	       target->name, c->name);
}

static void run_one(const struct run_options *opt, struct run_counts *counts, const char *name,
		    const struct t_case *c, const struct t_target *target)
{
	char out[RUN_OUTPUT];
	siginfo_t info;
	bool in_time;
	int status;
	int fds[2];
	pid_t pid;

	fflush(stdout);
	if (pipe2(fds, O_CLOEXEC)) {
		perror("pipe");
		exit(1);
	}
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0) {
		setpgid(0, 0);
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		run_child(c, target);
	}
	setpgid(pid, pid);
	close(fds[1]);
	in_time = run_collect(fds[0], run_now_ms() + opt->timeout_s * INT64_C(1000), out,
			      sizeof(out));
	if (!in_time) {
		run_print_threads(pid);
		kill(-pid, SIGKILL);
	}
	close(fds[0]);
	/* Whatever it has left behind: until it is reaped the group is its own. */
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	run_tell(opt, counts, name, c, target, status, in_time, out);
}

typedef void run_fn(const struct run_options *opt, struct run_counts *counts, const char *name,
		    const struct t_case *c, const struct t_target *target);

static void run_list(const struct run_options *opt, struct run_counts *counts, const char *name,
		     const struct t_case *c, const struct t_target *target)
{
	if (opt->list)
		printf("%s\n", name);
}

static void run_here(const struct run_options *opt, struct run_counts *counts, const char *name,
		     const struct t_case *c, const struct t_target *target)
{
	run_child(c, target);
}

static void run_each(const struct run_options *opt, const struct t_suite *suites,
		     struct run_counts *counts, run_fn *fn)
{
	counts->number = 0;
	for (const struct t_suite *s = suites; s->name; s++) {
		for (const struct t_case *c = s->cases; c->name; c++) {
			for (size_t i = 0; i < sizeof(run_targets) / sizeof(*run_targets); i++) {
				char name[256];

				if (!run_wants(opt, s, c, &run_targets[i]))
					continue;
				counts->number++;
				snprintf(name, sizeof(name), "%s: %s [%s]", c->clauses, c->name,
					 run_targets[i].name);
				fn(opt, counts, name, c, &run_targets[i]);
			}
		}
	}
}

static _Noreturn void run_usage(const char *program)
{
	fprintf(stderr,
		"Usage: %s [--list] [--target T] [--clause C] [--case NAME] [--timeout S] "
		"[--here]\n"
		"       [OPERATION...]\n"
		"T may be a beginning (engine, kernel/anon), C a clause (copy.3) or an "
		"operation.\n",
		program);
	exit(2);
}

static const char *run_value(int argc, char **argv, int *i)
{
	if (++*i >= argc)
		run_usage(argv[0]);
	return argv[*i];
}

static void run_parse(int argc, char **argv, struct run_options *opt)
{
	const char *timeout = getenv("UF_TEST_TIMEOUT");
	int i;

	opt->program = argv[0];
	opt->timeout_s = timeout ? atoi(timeout) : 20;
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--list"))
			opt->list = true;
		else if (!strcmp(argv[i], "--here"))
			opt->here = true;
		else if (!strcmp(argv[i], "--target"))
			opt->target = run_value(argc, argv, &i);
		else if (!strcmp(argv[i], "--clause"))
			opt->clause = run_value(argc, argv, &i);
		else if (!strcmp(argv[i], "--case"))
			opt->name = run_value(argc, argv, &i);
		else if (!strcmp(argv[i], "--timeout"))
			opt->timeout_s = atoi(run_value(argc, argv, &i));
		else
			run_usage(argv[0]);
	}
	opt->suites = argv + i;
	if (opt->timeout_s <= 0)
		run_usage(argv[0]);
}

int t_main(int argc, char **argv, const struct t_suite *suites)
{
	struct run_options opt = {0};
	struct run_counts counts = {0};

	run_parse(argc, argv, &opt);
	run_each(&opt, suites, &counts, run_list);
	if (opt.list)
		return 0;
	if (!counts.number) {
		fprintf(stderr, "%s: no such test\n", argv[0]);
		return 2;
	}
	if (opt.here)
		run_each(&opt, suites, &counts, run_here);
	printf("1..%d\n", counts.number);
	run_each(&opt, suites, &counts, run_one);
	return counts.failed ? 1 : 0;
}
