/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runner: which tests on which targets, each in a process of its own with
 * a time limit. It knows nothing of userfaults; reporters tell what it finds.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "lib/report.h"

#define RUN_SKIP 77
#define RUN_USAGE 2
#define RUN_OUTPUT 8192

static const struct t_target run_targets[] = {
	{"kernel/anon", UF_BACKEND_KERNEL, T_ANON, 0, 0, true},
	{"kernel/memfd", UF_BACKEND_KERNEL, T_MEMFD, 0, 0, false},
	{"kernel/shared", UF_BACKEND_KERNEL, T_SHARED, 0, 0, false},
	{"kernel/private", UF_BACKEND_KERNEL, T_PRIVATE_FILE, 0, 0, false},
	{"kernel/hugetlb", UF_BACKEND_KERNEL, T_HUGETLB, 0, 0, false},
	{"kernel/hugetlb-private", UF_BACKEND_KERNEL, T_HUGETLB_PRIVATE, 0, 0, false},
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
	{"engine/private/auto", UF_BACKEND_ENGINE, T_PRIVATE_FILE, 0, 0, false},
	{"engine/hugetlb/auto", UF_BACKEND_ENGINE, T_HUGETLB, 0, 0, false},
	{"engine/hugetlb-private/auto", UF_BACKEND_ENGINE, T_HUGETLB_PRIVATE, 0, 0, false},
	{"engine/hugetlb-private/mremap", UF_BACKEND_ENGINE, T_HUGETLB_PRIVATE,
	 UF_TRAP_CHOICE_MPROTECT, UF_FILL_CHOICE_MREMAP, false},
};

#define RUN_TARGETS (sizeof(run_targets) / sizeof(*run_targets))

static const struct report_ops *const run_formats[] = {&report_tap, &report_table, &report_json};

struct run_options {
	const char *program;
	const struct report_ops *format;
	const char *target;
	const char *backend;
	const char *mem;
	const char *clause;
	const char *name;
	int timeout_s;
	bool list;
	bool here; /* in this process, for a debugger */
	char **suites;
};

/* What there is to say about a row. */
struct run_texts {
	char output[RUN_OUTPUT];
	char ending[128];
	char reason[RUN_OUTPUT];
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
	if ((c->where & T_OBJECT) && !t_mem_shared(target->mem))
		return false;
	if ((c->where & T_OWN) && t_mem_shared(target->mem))
		return false;
	if ((c->where & T_BACKED) && (target->mem == T_ANON || target->mem == T_HUGETLB_PRIVATE))
		return false;
	if ((c->where & T_SMALL) && t_mem_huge(target->mem))
		return false;
	if ((c->where & T_HUGE) && !t_mem_huge(target->mem))
		return false;
	if ((c->where & T_COPIED) && target->mem != T_PRIVATE_FILE)
		return false;
	return !(c->where & T_FILE) || t_mem_file(target->mem);
}

static bool run_has_clause(const char *clauses, const char *wanted)
{
	char name[VERDICT_NAME];

	while (verdict_next(&clauses, name))
		if (verdict_is(name, wanted))
			return true;
	return false;
}

static bool run_is(const struct t_target *target, enum verdict_part part, const char *wanted)
{
	char name[VERDICT_NAME];

	verdict_part(target, part, name);
	return !wanted || !strcmp(name, wanted);
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
	if (!run_is(target, VERDICT_BACKEND, opt->backend) ||
	    !run_is(target, VERDICT_MEM, opt->mem))
		return false;
	if (opt->clause && !run_has_clause(c->clauses, opt->clause))
		return false;
	return !opt->name || !strcmp(opt->name, c->name);
}

static void run_case(const struct t_case *c, const struct t_target *target)
{
	struct t t = {0};

	t_case_begin(&t, target);
	c->run(&t);
	t_case_end(&t);
}

/* The reason of a skip or a failure: what a backend has logged comes before it. */
static void run_last_line(const char *out, char *line, size_t size)
{
	size_t end = strlen(out);
	size_t begin;

	while (end && out[end - 1] == '\n')
		end--;
	for (begin = end; begin && out[begin - 1] != '\n'; begin--)
		;
	snprintf(line, size, "%.*s", (int)(end - begin), out + begin);
}

static enum verdict run_verdict(int status, bool in_time)
{
	if (!in_time || !WIFEXITED(status))
		return VERDICT_FAIL;
	if (WEXITSTATUS(status) == RUN_SKIP)
		return VERDICT_SKIP;
	return WEXITSTATUS(status) ? VERDICT_FAIL : VERDICT_PASS;
}

/* What is to be said beside its output: how it was ended, empty if by itself; and why. */
static void run_explain(const struct run_options *opt, struct run_texts *texts, int status,
			bool in_time)
{
	texts->ending[0] = 0;
	if (!in_time)
		snprintf(texts->ending, sizeof(texts->ending), "still running after %d s",
			 opt->timeout_s);
	else if (WIFSIGNALED(status))
		snprintf(texts->ending, sizeof(texts->ending), "died of signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (texts->ending[0])
		snprintf(texts->reason, sizeof(texts->reason), "%s", texts->ending);
	else
		run_last_line(status ? texts->output : "", texts->reason, sizeof(texts->reason));
	if (status && !texts->reason[0])
		snprintf(texts->reason, sizeof(texts->reason), "status %d, without a word",
			 WEXITSTATUS(status));
}

static void run_tell(const struct run_options *opt, struct report *report,
		     const struct report_row *row)
{
	char reason[RUN_OUTPUT + 128];
	bool failed = row->verdict == VERDICT_FAIL;

	/* Which of the rows of the clause it was. */
	snprintf(reason, sizeof(reason), "%s%s%s", failed ? row->c->name : "", failed ? ": " : "",
		 row->reason);
	verdict_add(&report->verdicts, row->c->clauses, (size_t)(row->target - run_targets),
		    row->verdict, reason);
	report->failed += failed;
	if (opt->format->row)
		opt->format->row(report, row);
}

/* On a terminal, as long as nothing else is to be seen there. */
static void run_progress(const struct run_options *opt, const struct report *report,
			 const char *name)
{
	if (opt->format->row || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K");
	if (name)
		fprintf(stderr, "%d/%d %.60s", report->number, report->nrows, name);
}

/*
 * The pool of huge pages is everybody's, and what a fork's child is promised of
 * it depends on who else takes some: the rows that use it go one by one, in
 * however many processes they are run. -1: nobody needs to wait.
 */
static int run_take_pool(const struct t_target *target)
{
	int fd = t_mem_huge(target->mem) ? open("/proc/self/exe", O_RDONLY | O_CLOEXEC) : -1;

	while (fd >= 0 && flock(fd, LOCK_EX) && errno == EINTR)
		;
	return fd;
}

static void run_give_pool(int fd)
{
	if (fd < 0)
		return;
	/* Not by closing alone, which what is left of the row may have open as well. */
	flock(fd, LOCK_UN);
	close(fd);
}

static void run_one(const struct run_options *opt, struct report *report, const char *name,
		    const struct t_case *c, const struct t_target *target)
{
	const struct child child = {run_case, c, target, opt->timeout_s,
				    opt->format->comments ? stdout : stderr};
	struct run_texts texts;
	struct report_row row = {
		.c = c,
		.target = target,
		.name = name,
		.output = texts.output,
		.ending = texts.ending,
		.reason = texts.reason,
	};
	bool in_time;
	int status;
	int pool;

	run_progress(opt, report, name);
	pool = run_take_pool(target);
	in_time = child_run(&child, texts.output, sizeof(texts.output), &status);
	run_give_pool(pool);
	row.verdict = run_verdict(status, in_time);
	run_explain(opt, &texts, status, in_time);
	run_tell(opt, report, &row);
}

typedef void run_fn(const struct run_options *opt, struct report *report, const char *name,
		    const struct t_case *c, const struct t_target *target);

static void run_list(const struct run_options *opt, struct report *report, const char *name,
		     const struct t_case *c, const struct t_target *target)
{
	if (opt->list)
		printf("%s\n", name);
}

static void run_here(const struct run_options *opt, struct report *report, const char *name,
		     const struct t_case *c, const struct t_target *target)
{
	run_case(c, target);
	_exit(0);
}

static void run_each(const struct run_options *opt, const struct t_suite *suites,
		     struct report *report, run_fn *fn)
{
	report->number = 0;
	for (const struct t_suite *s = suites; s->name; s++) {
		for (const struct t_case *c = s->cases; c->name; c++) {
			for (size_t i = 0; i < RUN_TARGETS; i++) {
				char name[256];

				if (!run_wants(opt, s, c, &run_targets[i]))
					continue;
				report->number++;
				snprintf(name, sizeof(name), "%s: %s [%s]", c->clauses, c->name,
					 run_targets[i].name);
				fn(opt, report, name, c, &run_targets[i]);
			}
		}
	}
}

static _Noreturn void run_usage(const char *program)
{
	fprintf(stderr,
		"Usage: %s [--list] [--target T] [--backend B] [--mem M] [--clause C] [--case "
		"NAME]\n"
		"       [--timeout S] [--format tap|table|json] [--here] [OPERATION...]\n"
		"T may be a beginning (engine, kernel/anon), C a clause (copy.3) or an "
		"operation.\n",
		program);
	exit(RUN_USAGE);
}

static const char *run_value(int argc, char **argv, int *i)
{
	if (++*i >= argc)
		run_usage(argv[0]);
	return argv[*i];
}

static const struct report_ops *run_format(const char *program, const char *name)
{
	for (size_t i = 0; i < sizeof(run_formats) / sizeof(*run_formats); i++)
		if (!strcmp(run_formats[i]->name, name))
			return run_formats[i];
	run_usage(program);
}

/* Options with a value; false: it is none of them. */
static bool run_parse_value(int argc, char **argv, int *i, struct run_options *opt)
{
	const char *name = argv[*i];

	if (!strcmp(name, "--target"))
		opt->target = run_value(argc, argv, i);
	else if (!strcmp(name, "--backend"))
		opt->backend = run_value(argc, argv, i);
	else if (!strcmp(name, "--mem"))
		opt->mem = run_value(argc, argv, i);
	else if (!strcmp(name, "--clause"))
		opt->clause = run_value(argc, argv, i);
	else if (!strcmp(name, "--case"))
		opt->name = run_value(argc, argv, i);
	else if (!strcmp(name, "--timeout"))
		opt->timeout_s = atoi(run_value(argc, argv, i));
	else if (!strcmp(name, "--format"))
		opt->format = run_format(argv[0], run_value(argc, argv, i));
	else
		return false;
	return true;
}

static void run_parse(int argc, char **argv, struct run_options *opt)
{
	const char *timeout = getenv("UF_TEST_TIMEOUT");
	int i;

	opt->program = argv[0];
	opt->format = &report_tap;
	opt->timeout_s = timeout ? atoi(timeout) : 20;
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--list"))
			opt->list = true;
		else if (!strcmp(argv[i], "--here"))
			opt->here = true;
		else if (!run_parse_value(argc, argv, &i, opt))
			run_usage(argv[0]);
	}
	opt->suites = argv + i;
	if (opt->timeout_s > 0)
		return;
	fprintf(stderr, "%s: --timeout and UF_TEST_TIMEOUT are seconds, 1 at least\n", argv[0]);
	exit(RUN_USAGE);
}

/* --- Are there such things? If not, which ones are there? --- */

static void run_check_part(const char *program, const char *option, enum verdict_part part,
			   const char *value)
{
	char name[VERDICT_NAME];

	for (size_t i = 0; i < RUN_TARGETS; i++)
		if (run_is(&run_targets[i], part, value))
			return;
	fprintf(stderr, "%s: %s=%s: there is", program, option, value);
	for (size_t i = 0; i < RUN_TARGETS; i++) {
		size_t before = 0;

		verdict_part(&run_targets[i], part, name);
		while (!run_is(&run_targets[before], part, name))
			before++;
		if (before == i)
			fprintf(stderr, " %s", name);
	}
	fputc('\n', stderr);
	exit(RUN_USAGE);
}

/* Every clause that a row names, or those of an operation. */
static void run_collect_clauses(struct verdicts *all, const char *operation)
{
	for (const struct t_suite *s = all->suites; s->name; s++)
		for (const struct t_case *c = s->cases; c->name; c++)
			verdict_add(all, c->clauses, 0, VERDICT_NONE, "");
	verdict_finish(all, operation);
}

static void run_check_clause(const char *program, const char *wanted, const struct t_suite *suites)
{
	struct verdicts all = {.suites = suites, .ntargets = 1};
	char operation[VERDICT_NAME];

	run_collect_clauses(&all, wanted);
	if (!all.nclauses) {
		snprintf(operation, sizeof(operation), "%.*s", (int)strcspn(wanted, "."), wanted);
		run_collect_clauses(&all, operation);
		fprintf(stderr, "%s: --clause=%s: there is", program, wanted);
		for (size_t i = 0; i < all.nclauses; i++)
			fprintf(stderr, " %s", all.clauses[i].name);
		/* Several suites of an operation stand together. */
		for (size_t i = 0; !all.nclauses && suites[i].name; i++)
			if (!i || strcmp(suites[i].name, suites[i - 1].name) != 0)
				fprintf(stderr, " %s", suites[i].name);
		fputc('\n', stderr);
		exit(RUN_USAGE);
	}
	verdict_free(&all);
}

static void run_check(const struct run_options *opt, const struct t_suite *suites)
{
	if (opt->backend)
		run_check_part(opt->program, "--backend", VERDICT_BACKEND, opt->backend);
	if (opt->mem)
		run_check_part(opt->program, "--mem", VERDICT_MEM, opt->mem);
	if (opt->clause)
		run_check_clause(opt->program, opt->clause, suites);
}

/* Everything, and what it says. Returns the exit status. */
static int run_all(const struct run_options *opt, const struct t_suite *suites,
		   struct report *report)
{
	bool well;

	report->nrows = report->number;
	if (opt->format->begin)
		opt->format->begin(report);
	run_each(opt, suites, report, run_one);
	run_progress(opt, report, NULL);
	verdict_finish(&report->verdicts, opt->clause);
	if (opt->format->end)
		opt->format->end(report);
	well = fflush(stdout) == 0 && !ferror(stdout);
	if (!well)
		perror(opt->program);
	verdict_free(&report->verdicts);
	return !well ? REPORT_BROKEN : report->failed ? 1 : 0;
}

int t_main(int argc, char **argv, const struct t_suite *suites)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct run_options opt = {0};
	struct report report = {
		.targets = run_targets,
		.verdicts = {.suites = suites, .ntargets = RUN_TARGETS},
	};

	run_parse(argc, argv, &opt);
	run_check(&opt, suites);
	self[n > 0 ? n : 0] = 0;
	report.program = opt.program;
	report.self = n > 0 ? self : opt.program;
	run_each(&opt, suites, &report, run_list);
	if (opt.list)
		return 0;
	if (!report.number) {
		fprintf(stderr, "%s: no test is all of that\n", argv[0]);
		return RUN_USAGE;
	}
	if (opt.here)
		run_each(&opt, suites, &report, run_here);
	return run_all(&opt, suites, &report);
}
