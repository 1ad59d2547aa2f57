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

struct follow {
	int uffd[4]; /* the parent's, and one for each child that it was told of */
	int n;
	char *memory;
	int stop;
	_Atomic int filled;
};

static void follow_read(struct follow *f, int uffd)
{
	struct uffd_msg msg;

	if (read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		return;
	if (msg.event == UFFD_EVENT_FORK) {
		f->uffd[f->n++] = (int)msg.arg.fork.ufd;
	} else {
		char *page = (char *)(uintptr_t)(msg.arg.pagefault.address & ~(page_size - 1));
		int err;

		do
			err = uffd_fill(uffd, page,
					(char)('a' + (page - f->memory) / (long)page_size));
		while (err == EAGAIN);
		CHECK(err == 0);
		f->filled++;
	}
}

/* Serves all of them, with the calls that it would make on the kernel's. */
static void *follow_main(void *arg)
{
	struct follow *f = arg;

	for (;;) {
		struct pollfd fds[5] = {{.fd = f->stop, .events = POLLIN}};
		int n = f->n;

		for (int i = 0; i < n; i++)
			fds[i + 1] = (struct pollfd){.fd = f->uffd[i], .events = POLLIN};
		CHECK(poll(fds, (nfds_t)n + 1, -1) > 0);
		for (int i = 0; i < n; i++) {
			if (fds[i + 1].revents & POLLIN)
				follow_read(f, f->uffd[i]);
		}
		if (fds[0].revents)
			return NULL;
	}
}

static int follow_open(void)
{
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK};
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	CHECK(uffd >= 0);
	if (ioctl(uffd, UFFDIO_API, &api) && errno == EPERM)
		skip("no privilege to follow forks");
	CHECK(api.features & UFFD_FEATURE_EVENT_FORK);
	return uffd;
}

static void follow_child(const struct follow *f, int go)
{
	char byte;

	CHECK(f->memory[0] == 'a' && f->memory[page_size] == 'b');
	f->memory[0] = 'X';
	CHECK(f->memory[2 * page_size] == 'c' && f->memory[0] == 'X');
	/* Not before the last page was answered for. */
	CHECK(read(go, &byte, 1) == 1);
	_exit(0);
}

/* Whoever asks to follow forks serves parent and children. */
static void fork_follow(void)
{
	struct follow f = {.uffd = {follow_open()}, .n = 1};
	pthread_t thread;
	int stop[2];
	int go[2];
	pid_t pid[2];

	f.memory = uffd_memory(f.uffd[0], 4);
	CHECK(pipe(stop) == 0 && pipe(go) == 0);
	f.stop = stop[0];
	CHECK(pthread_create(&thread, NULL, follow_main, &f) == 0);
	CHECK(f.memory[0] == 'a');
	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			follow_child(&f, go[0]);
	}
	/* One page here, and two in each child. */
	while (f.filled < 5)
		usleep(1000);
	CHECK(write(go[1], "xx", 2) == 2);
	CHECK(end_of(pid[0]) == 0 && end_of(pid[1]) == 0);
	CHECK(f.memory[0] == 'a' && f.memory[3 * page_size] == 'd');
	CHECK(write(stop[1], "x", 1) == 1);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(f.n == 3);
	for (int i = 0; i < f.n; i++) {
		CHECK(fcntl(f.uffd[i], F_GETFD) == FD_CLOEXEC);
		CHECK(close(f.uffd[i]) == 0);
	}
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
	{"process.fork-child", fork_child},   {"process.fork-child-own", fork_child_own},
	{"process.fork-follow", fork_follow}, {"process.vfork-child", vfork_child},
	{"process.clone-vm", clone_vm},	      {"process.clone-vm-killed", clone_vm_killed},
	{"process.exec-child", exec_child},   {NULL, NULL},
};
