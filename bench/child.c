/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the processes: one for each measurement, so that none sees what another left behind. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

/* Where nothing answers for so long, it is broken. */
#define CHILD_SECONDS 60

/* What the measuring process tells the other. */
struct child_answer {
	int err;
	double figures[BENCH_FIGURES];
};

int bench_place(int first, int second)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(first, &set);
	if (second >= 0)
		CPU_SET(second, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

double bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static _Noreturn void child_run(bench_measure_fn *measure, void *arg, int fd)
{
	struct child_answer answer = {0};

	alarm(CHILD_SECONDS);
	answer.err = measure(arg, answer.figures);
	if (write(fd, &answer, sizeof(answer)) != sizeof(answer))
		_exit(2);
	_exit(0);
}

int bench_child(bench_measure_fn *measure, void *arg, double figures[BENCH_FIGURES])
{
	struct child_answer answer = {0};
	bool answered;
	int status = 0;
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child_run(measure, arg, fds[1]);
	close(fds[1]);
	answered = pid > 0 && read(fds[0], &answer, sizeof(answer)) == sizeof(answer);
	close(fds[0]);
	if (pid < 0)
		return -EAGAIN;
	if (waitpid(pid, &status, 0) != pid || status || !answered)
		return -EPROTO;
	for (int i = 0; i < BENCH_FIGURES; i++)
		figures[i] = answer.figures[i];
	return answer.err;
}
