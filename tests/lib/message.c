/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns messages with descriptors, as the tests send and receive them. */
#include "lib/message.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

union message_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(MESSAGE_FDS * sizeof(int))];
};

long message_send(int sock, const void *bytes, size_t len, const struct message_fds *fds, int flags)
{
	union message_control control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c = &control.align;
	ssize_t n;

	if (fds && fds->n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE((size_t)fds->n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)fds->n * sizeof(int));
		memcpy(CMSG_DATA(c), fds->fd, (size_t)fds->n * sizeof(int));
	}
	n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

long message_recv(int sock, void *bytes, size_t len, struct message_fds *fds, int flags)
{
	union message_control control;
	struct iovec iov = {bytes, len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	fds->n = 0;
	if (c && c->cmsg_type == SCM_RIGHTS) {
		fds->n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds->fd, CMSG_DATA(c), (size_t)fds->n * sizeof(int));
	}
	return n < 0 ? -errno : n;
}

int message_send_fd(int sock, int fd)
{
	struct message_fds fds = {{fd}, 1};
	long n = message_send(sock, "", 1, &fds, 0);

	return n < 0 ? (int)n : 0;
}

int message_recv_fd(int sock)
{
	struct message_fds fds;
	char byte;
	long n = message_recv(sock, &byte, 1, &fds, 0);

	if (n == 1 && fds.n == 1)
		return fds.fd[0];
	message_close(&fds);
	return n < 0 ? (int)n : -EPROTO;
}

void message_close(struct message_fds *fds)
{
	for (int i = 0; i < fds->n; i++)
		close(fds->fd[i]);
	fds->n = 0;
}
