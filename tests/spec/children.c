/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every way in which a program makes a process: spec/vm.md, spec/event.md. */
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "suites.h"

extern char **environ;

static void children_spawn(void)
{
	static char name[] = "/bin/sh";
	static char option[] = "-c";
	static char command[] = "exit 3";
	char *argv[] = {name, option, command, NULL};
	pid_t pid;

	CHECK_EQ(posix_spawn(&pid, name, NULL, NULL, argv, environ), 0);
	CHECK_EQ(t_wait(pid), 3 << 8);
}

static void children_popen(void)
{
	FILE *f = popen("echo 5", "r");
	int n = 0;

	CHECK(f);
	CHECK_EQ(fscanf(f, "%d", &n), 1);
	CHECK_EQ(n, 5);
	CHECK_EQ(pclose(f), 0);
}

static void children_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(4);
	CHECK(pid > 0);
	CHECK_EQ(t_wait(pid), 4 << 8);
}

/* What shares the memory until it is another program: nobody is told, nobody is disturbed. */
static void children_sharing(struct t *t)
{
	struct uf *uf = t_open(t, 0, UF_FEATURE_EVENT_FORK);
	char *addr = t_registered(t, uf, 2);
	struct t_thread th;
	sigset_t child;

	t_needs_linux();
	/* Told of a child's end the thread that waits would ask again (fault.11). */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &child, NULL), 0);
	t_thread_faults(t, &th, uf, addr, T_READ, 0);
	children_spawn();
	CHECK_EQ(system("exit 6"), 6 << 8);
	children_popen();
	if (!T_SANITIZED)
		children_vfork();
	t_message_none(uf);
	t_thread_blocked(&th);
	t_fill(t, uf, addr, 9, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 9);
	t_fill(t, uf, addr + t->page, 8, 0);
}

struct children_daemon {
	char *addr;
	int to;
};

/* Its first process ends in daemon, the second one goes on without anything registered. */
static void children_daemon_run(struct t *t, void *arg)
{
	const struct children_daemon *d = arg;
	char told[2];

	if (daemon(1, 1))
		_exit(1);
	told[0] = d->addr[0];
	told[1] = d->addr[t->page];
	CHECK_EQ(write(d->to, told, sizeof(told)), 2);
	_exit(0);
}

static void children_daemon(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);
	struct children_daemon d = {.addr = addr};
	char told[3] = {1, 1, 1};
	int pipes[2];

	CHECK_EQ(pipe(pipes), 0);
	d.to = pipes[1];
	t_fill(t, uf, addr, 7, 0);
	CHECK_EQ(t_wait(t_fork(t, children_daemon_run, &d)), 0);
	close(pipes[1]);
	CHECK_EQ(read(pipes[0], told, sizeof(told)), 2);
	CHECK_EQ(told[0], 7);
	CHECK_EQ(told[1], 0);
	CHECK_EQ(read(pipes[0], told, sizeof(told)), 0);
	close(pipes[0]);
	t_message_none(uf);
}

const struct t_case children_cases[] = {
	CASE("event.21", children_sharing, T_SMALL),
	CASE("vm.6, event.21", children_daemon, T_SMALL),
	{0},
};
