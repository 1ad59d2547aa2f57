/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A userfaultfd that goes to another program, which serves it there. */
#include "case.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum socket_way {
	SOCKET_ONE,
	SOCKET_SEVERAL, /* sendmmsg and recvmmsg */
	SOCKET_SYSCALL,
};

union socket_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(3 * sizeof(int))];
};

static struct msghdr socket_message(struct iovec *iov, union socket_control *control, size_t n)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 1, .msg_control = control};

	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	return msg;
}

/* Between two others, as it may come. */
static void socket_send(int sock, int fd, enum socket_way way)
{
	union socket_control control = {{0}};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct mmsghdr msg = {.msg_hdr = socket_message(&iov, &control, 3)};
	int fds[3] = {sock, fd, sock};
	struct cmsghdr *c = &control.align;
	long n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	if (way == SOCKET_SEVERAL)
		n = sendmmsg(sock, &msg, 1, 0);
	else if (way == SOCKET_SYSCALL)
		n = syscall(SYS_sendmsg, sock, &msg.msg_hdr, 0);
	else
		n = sendmsg(sock, &msg.msg_hdr, 0);
	CHECK(n == 1);
}

static int socket_receive(int sock, enum socket_way way)
{
	union socket_control control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct mmsghdr msg = {.msg_hdr = socket_message(&iov, &control, 3)};
	int fds[3];
	long n;

	if (way == SOCKET_SEVERAL)
		n = recvmmsg(sock, &msg, 1, MSG_CMSG_CLOEXEC, NULL);
	else if (way == SOCKET_SYSCALL)
		n = syscall(SYS_recvmsg, sock, &msg.msg_hdr, MSG_CMSG_CLOEXEC);
	else
		n = recvmsg(sock, &msg.msg_hdr, MSG_CMSG_CLOEXEC);
	CHECK(n == 1 && control.align.cmsg_len == CMSG_LEN(sizeof(fds)));
	memcpy(fds, CMSG_DATA(&control.align), sizeof(fds));
	close(fds[0]);
	close(fds[2]);
	return fds[1];
}

static void socket_wait(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* What a manager sees of it is a userfaultfd. */
static void socket_look(int uffd, char *memory)
{
	struct uffdio_range range = {(uintptr_t)memory, page_size};
	struct uffd_msg msg;
	int copy = dup(uffd);

	CHECK(fcntl(uffd, F_GETFL) == O_NONBLOCK);
	CHECK(read(uffd, &msg, sizeof(msg)) < 0 && errno == EAGAIN);
	CHECK_ERR(write(uffd, "", 1), EBADF);
	CHECK_ERR(read(uffd, &msg, 5), EINVAL);
	CHECK_ERR(ioctl(uffd, UFFDIO_COPY, NULL), EFAULT);
	CHECK(ioctl(copy, UFFDIO_WAKE, &range) == 0);
	close(copy);
}

static void socket_serve_by(enum socket_way way)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 4);
	char stop;
	int socks[2];
	pid_t pid;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct monitor m;

		close(socks[0]);
		close(uffd);
		uffd = socket_receive(socks[1], way);
		socket_look(uffd, memory);
		CHECK(write(socks[1], "", 1) == 1);
		monitor_start(&m, uffd, memory, way == SOCKET_ONE ? WAY_EPOLL : WAY_POLL);
		CHECK(read(socks[1], &stop, 1) == 0);
		monitor_stop(&m);
		CHECK(m.faults == 4);
		_exit(0);
	}
	close(socks[1]);
	socket_send(socks[0], uffd, way);
	close(uffd); /* the manager has it now */
	CHECK(read(socks[0], &stop, 1) == 1);
	for (int i = 0; i < 4; i++)
		CHECK(memory[(size_t)i * page_size] == 'a' + i);
	CHECK(shutdown(socks[0], SHUT_WR) == 0);
	socket_wait(pid);
	close(socks[0]);
}

static void socket_serve(void)
{
	socket_serve_by(SOCKET_ONE);
}

static void socket_serve_several(void)
{
	socket_serve_by(SOCKET_SEVERAL);
}

static void socket_serve_syscall(void)
{
	socket_serve_by(SOCKET_SYSCALL);
}

/* The manager's fork has it as well; and what is sent on is of use to the next. */
static void socket_passed_on(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 2);
	int socks[2];
	int next[2];
	pid_t pid;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, next) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		uffd = socket_receive(socks[1], SOCKET_ONE);
		pid = fork();
		if (pid == 0) {
			CHECK(uffd_fill(uffd, memory, 'p') == 0);
			_exit(0);
		}
		socket_wait(pid);
		socket_send(next[0], uffd, SOCKET_ONE);
		_exit(0);
	}
	socket_send(socks[0], uffd, SOCKET_ONE);
	socket_wait(pid);
	uffd = socket_receive(next[1], SOCKET_ONE);
	CHECK(uffd_fill(uffd, memory + page_size, 'q') == 0);
	CHECK(memory[0] == 'p' && memory[page_size] == 'q');
}

/* A child of the program that has sent it uses what it has inherited, as the manager does. */
static void socket_child(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 2);
	int socks[2];
	pid_t pid;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) == 0);
	socket_send(socks[0], uffd, SOCKET_ONE);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(uffd_fill(uffd, memory, 'c') == 0);
		CHECK(close(uffd) == 0);
		_exit(0);
	}
	CHECK(memory[0] == 'c');
	socket_wait(pid);
	CHECK(uffd_fill(uffd, memory + page_size, 'd') == 0);
	CHECK(memory[page_size] == 'd');
}

/* Its program is dead. */
static void socket_orphan(void)
{
	char *memory = anon_memory(1, PROT_READ | PROT_WRITE);
	struct uffdio_range range = {(uintptr_t)memory, page_size};
	struct uffd_msg msg;
	int socks[2];
	int uffd;
	pid_t pid;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		uffd = uffd_open(O_NONBLOCK);
		uffd_register(uffd, memory, page_size);
		socket_send(socks[1], uffd, SOCKET_ONE);
		pause();
	}
	uffd = socket_receive(socks[0], SOCKET_ONE);
	CHECK(uffd_fill(uffd, memory, 'x') == 0);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	CHECK(uffd_fill(uffd, memory, 'x') == ESRCH);
	CHECK_ERR(ioctl(uffd, UFFDIO_UNREGISTER, &range), ENOMEM);
	CHECK(ioctl(uffd, UFFDIO_WAKE, &range) == 0);
	CHECK_ERR(read(uffd, &msg, sizeof(msg)), EAGAIN);
	CHECK(close(uffd) == 0);
}

const struct test_case socket_cases[] = {
	{"socket.serve", socket_serve},
	{"socket.serve-several", socket_serve_several},
	{"socket.serve-syscall", socket_serve_syscall},
	{"socket.passed-on", socket_passed_on},
	{"socket.child", socket_child},
	{"socket.orphan", socket_orphan},
	{NULL, NULL},
};
