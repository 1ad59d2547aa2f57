/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Other processes: copies of this one, and such as share its memory. */
#include "case.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static int end_of(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, __WALL) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What is missing reads as zeros in a child; the parent's registration stays. */
static void fork_child(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 4);
	struct monitor m;
	pid_t pid;

	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(memory[0] == 'a');
	pid = fork();
	if (pid == 0) {
		CHECK(memory[0] == 'a' && memory[page_size] == 0);
		memory[2 * page_size] = 'X';
		CHECK(close(uffd) == 0);
		CHECK_ERR(fcntl(uffd, F_GETFL), EBADF);
		_exit(0);
	}
	CHECK(end_of(pid) == 0);
	CHECK(memory[page_size] == 'b' && memory[2 * page_size] == 'c');
	CHECK(m.faults == 3);
	monitor_stop(&m);
}

/* A child makes one of its own, whatever it has inherited. */
static void fork_child_own(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 4);
	pid_t pid = fork();
	struct monitor m;

	if (pid == 0) {
		int own = uffd_open(O_NONBLOCK);
		char *mine = uffd_memory(own, 2);

		monitor_start(&m, own, mine, WAY_EPOLL);
		CHECK(mine[page_size] == 'b' && memory[0] == 0);
		monitor_stop(&m);
		_exit(0);
	}
	CHECK(end_of(pid) == 0);
	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(memory[page_size] == 'b');
	monitor_stop(&m);
}

/* The child of a vfork tidies up in its own descriptors, and runs on our memory. */
static void vfork_child(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 4);
	struct monitor m;
	pid_t pid;

	monitor_start(&m, uffd, memory, WAY_POLL);
	pid = vfork();
	if (pid == 0) {
		close(uffd);
		close_range(3, ~0u, 0);
		execl("/bin/true", "true", NULL);
		_exit(9);
	}
	CHECK(end_of(pid) == 0);
	CHECK(memory[page_size] == 'b');
	CHECK(fcntl(uffd, F_GETFL) == O_NONBLOCK);
	monitor_stop(&m);
}

static char *clone_memory;

/* Runs in a process of its own with our memory, our descriptors and our thread-local storage. */
static int clone_main(void *arg)
{
	for (size_t i = 0; i < 8; i++) {
		if (clone_memory[i * page_size] != 'a' + (char)i)
			return 1;
	}
	if (madvise(clone_memory, 8 * page_size, MADV_DONTNEED))
		return 2;
	for (size_t i = 0; i < 8; i++) {
		clone_memory[i * page_size] = 'X';
		if (clone_memory[i * page_size + 1] != 'a' + (char)i)
			return 3;
	}
	if (arg)
		pause();
	return 0;
}

static pid_t clone_start(void *arg)
{
	size_t size = 65536;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | SIGCHLD;

	CHECK(stack != MAP_FAILED);
	return clone(clone_main, stack + size, flags, arg);
}

/* The shape of stress-ng: a process of its own faults, and errno is nobody else's. */
static void clone_vm(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	struct monitor m;
	pid_t pid;

	clone_memory = uffd_memory(uffd, 8);
	monitor_start(&m, uffd, clone_memory, WAY_READ_CHK);
	errno = 4711;
	pid = clone_start(NULL);
	CHECK(end_of(pid) == 0);
	CHECK(errno == 4711);
	CHECK(m.faults == 16);
	monitor_stop(&m);
}

/* It may be killed at any point, and nothing hangs after it. */
static void clone_vm_killed(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	struct monitor m;

	clone_memory = uffd_memory(uffd, 8);
	monitor_start(&m, uffd, clone_memory, WAY_POLL);
	for (int i = 0; i < 20; i++) {
		pid_t pid = clone_start(&uffd);

		CHECK(pid > 0);
		usleep((useconds_t)i * 40);
		CHECK(kill(pid, SIGKILL) == 0);
		CHECK(end_of(pid) == 128 + SIGKILL);
		CHECK(madvise(clone_memory, 8 * page_size, MADV_DONTNEED) == 0);
		CHECK(clone_memory[page_size] == 'b');
	}
	monitor_stop(&m);
}

static void exec_child(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 1);
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exec test -d /", NULL);
		_exit(9);
	}
	CHECK(end_of(pid) == 0);
	CHECK(uffd_fill(uffd, memory, 'x') == 0 && memory[0] == 'x');
}

const struct test_case process_cases[] = {
	{"process.fork-child", fork_child},
	{"process.fork-child-own", fork_child_own},
	{"process.vfork-child", vfork_child},
	{"process.clone-vm", clone_vm},
	{"process.clone-vm-killed", clone_vm_killed},
	{"process.exec-child", exec_child},
	{NULL, NULL},
};
