/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages over unix sockets, with descriptors. */
#ifndef UF_TESTS_MESSAGE_H
#define UF_TESTS_MESSAGE_H

#include <stddef.h>
#include <sys/socket.h>

#define MESSAGE_FDS 7

struct message_fds {
	int fd[MESSAGE_FDS];
	int n;
};

/* FDS, or NULL, stay the caller's. FLAGS as for sendmsg, but never a SIGPIPE. Length or -errno. */
long message_send(int sock, const void *bytes, size_t len, const struct message_fds *fds,
		  int flags);
/* Descriptors are the caller's, closed on exec. FLAGS as for recvmsg. Length or -errno. */
long message_recv(int sock, void *bytes, size_t len, struct message_fds *fds, int flags);

/* A byte with a descriptor: 0 or -errno. */
int message_send_fd(int sock, int fd);
/* The descriptor, or -errno; -EPROTO: there came another message. */
int message_recv_fd(int sock);

void message_close(struct message_fds *fds);

#endif
