/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the other process: one that was there before the userfaultfd, and has its
 * descriptor over a socket. It ends with the one that it serves.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

union manager_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int manager_send_fd(int sock, int fd)
{
	union manager_control control = {{0}};
	struct iovec iov = {&(char){0}, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c = &control.align;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int manager_receive_fd(int sock)
{
	union manager_control control;
	struct iovec iov = {&(char){0}, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static _Noreturn void manager_run(int sock, const struct bench_choice *choice,
				  bench_manager_fn *serve, void *arg)
{
	struct bench_pager p = {.choice = choice};
	double figure = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || bench_pager_adopt(&p, manager_receive_fd(sock)) ||
	    serve(&p, arg, &figure))
		_exit(2);
	bench_pager_close(&p);
	_exit(send(sock, &figure, sizeof(figure), MSG_NOSIGNAL) != sizeof(figure));
}

int bench_manager_start(struct bench_manager *m, const struct bench_choice *choice,
			bench_manager_fn *serve, void *arg)
{
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	m->pid = fork();
	if (m->pid == 0) {
		close(socks[0]);
		manager_run(socks[1], choice, serve, arg);
	}
	m->sock = socks[0];
	close(socks[1]);
	return m->pid < 0 ? -EAGAIN : 0;
}

int bench_manager_hand_over(struct bench_manager *m, struct bench_pager *p)
{
	int fd = bench_pager_share(p);

	return fd < 0 ? fd : manager_send_fd(m->sock, fd);
}

int bench_manager_join(struct bench_manager *m, double *figure)
{
	bool told = recv(m->sock, figure, sizeof(*figure), 0) == sizeof(*figure);
	int status;

	close(m->sock);
	return waitpid(m->pid, &status, 0) == m->pid && !status && told ? 0 : -EPROTO;
}
