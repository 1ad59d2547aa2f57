/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the process in which a test runs: its output, its time limit, where it
 * is when it hangs, and that nothing of it is left.
 */
#include <dirent.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/report.h"

static int64_t child_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void child_print_file(FILE *to, const char *what, const char *path)
{
	char line[256];
	FILE *f = fopen(path, "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		fprintf(to, "#   %s: %.*s\n", what, (int)strcspn(line, "\n"), line);
	fclose(f);
}

/* Where every thread of a process that hangs is. */
static void child_print_threads(FILE *to, pid_t pid)
{
	char path[300];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		fprintf(to, "# thread %s\n", e->d_name);
		snprintf(path, sizeof(path), "/proc/%d/task/%s/syscall", pid, e->d_name);
		child_print_file(to, "syscall", path);
		snprintf(path, sizeof(path), "/proc/%d/task/%s/wchan", pid, e->d_name);
		child_print_file(to, "wchan", path);
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stack", pid, e->d_name);
		child_print_file(to, "stack", path);
	}
	if (dir)
		closedir(dir);
}

/* Everything the test prints, until it ends. False: it took too long. */
static bool child_collect(int fd, int64_t deadline, char *out, size_t size)
{
	size_t used = 0;
	ssize_t n;

	out[0] = 0;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - child_now_ms();
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

static _Noreturn void child_broken(const char *what)
{
	perror(what);
	exit(REPORT_BROKEN);
}

static pid_t child_start(const struct child *child, int *out)
{
	int fds[2];
	pid_t pid;

	fflush(stdout);
	if (pipe2(fds, O_CLOEXEC))
		child_broken("pipe");
	pid = fork();
	if (pid < 0)
		child_broken("fork");
	if (pid == 0) {
		/* Not in the terminal's group: it would outlive an interrupted runner. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		child->run(child->c, child->target);
		_exit(0);
	}
	setpgid(pid, pid);
	close(fds[1]);
	*out = fds[0];
	return pid;
}

bool child_run(const struct child *child, char *out, size_t size, int *status)
{
	siginfo_t info;
	bool in_time;
	pid_t pid;
	int fd;

	pid = child_start(child, &fd);
	in_time = child_collect(fd, child_now_ms() + child->timeout_s * INT64_C(1000), out, size);
	if (!in_time) {
		child_print_threads(child->notes, pid);
		kill(-pid, SIGKILL);
	}
	close(fd);
	/* Whatever it has left behind: until it is reaped the group is its own. */
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	kill(-pid, SIGKILL);
	waitpid(pid, status, 0);
	return in_time;
}
