/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an engine's descriptor says to another process: spec/handover.md in C.
 * Whoever owns the memory is the owner, whoever has received the descriptor
 * the manager. Both are of the same machine, so numbers are in its byte order.
 *
 *	service.c	the owner: the thread that answers, whom it knows
 *	peer.c		the owner: one line of a manager's, and what it asks for
 *	remote.c	the manager: seam A by asking
 *	remote_copy.c	COPY, whose source is the manager's
 *	remote_read.c	what has been read
 *	remote_gone.c	what the kernel says when the owner is dead
 *	handover.c	what both share
 */
#ifndef UF_BACKEND_HANDOVER_H
#define UF_BACKEND_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"

#define HANDOVER_MAGIC 0x68666675u /* "uffh" */
#define HANDOVER_VERSION 1u

/* The abstract name of the owner's end begins so; the rest of it is random. */
#define HANDOVER_NAME "userfault-handover/"
#define HANDOVER_NAME_RANDOM 16

/* The first message, through the descriptor itself: with the manager's line, and the descriptor. */
struct handover_hello {
	uint32_t magic;
	uint32_t version;
	uint64_t zero;
};

#define HANDOVER_HELLO_FDS 2

/* The first one back, on the line; with a pidfd of the owner, where there are such. */
struct handover_welcome {
	uint32_t magic;
	uint32_t version;
	int32_t error;	/* not 0: the line ends here */
	uint32_t flags; /* HANDOVER_READY */
	uint64_t page_size;
	uint64_t task_size;
	uint64_t window; /* bytes */
};

enum handover_op {
	HANDOVER_IOCTL = 1,
	HANDOVER_READ,
	HANDOVER_POLL,
	HANDOVER_WINDOW,
	HANDOVER_BYE,
};

/* The largest argument of an ioctl that is sent along. */
#define HANDOVER_ARG 48

struct handover_request {
	uint32_t op;
	uint32_t request; /* IOCTL: which, as in <userfault/uapi.h> */
	uint32_t flags;	  /* as below, what is known for the operation */
	uint32_t n;	  /* READ: messages; IOCTL COPY: bytes of its source in the window */
	uint8_t arg[HANDOVER_ARG];
};

/* The argument of an ioctl cannot be read, or what it answers not be written. */
#define HANDOVER_UNREADABLE 1u
#define HANDOVER_UNWRITABLE 2u
/* POLL: the descriptor has O_NONBLOCK. */
#define HANDOVER_NONBLOCK 4u
/* COPY: the source is in the second half of the window. */
#define HANDOVER_SECOND 8u

struct handover_answer {
	int32_t ret;
	uint32_t flags; /* as below */
	uint64_t zero;
	/* READ: messages. IOCTL: what it has written back, if anything. */
};

/* The handshake has been made. */
#define HANDOVER_READY 1u
/* READ: the message is a FORK, and the descriptor comes along; it shall be closed on exec. */
#define HANDOVER_FORK 2u
#define HANDOVER_CLOEXEC 4u

/* Messages in one answer. */
#define HANDOVER_MSGS 64

/* What an ioctl reads and writes: the rest of its argument is nobody's business. */
struct handover_ioctl {
	uint32_t request;
	uint32_t in;
	uint32_t out_at;
	uint32_t out;
};

/* NULL: what is no ioctl, or not for another process. */
const struct handover_ioctl *ufi_handover_ioctl(uint32_t request);

/* --- Sockets. All return a count or -errno; AS-Safe. --- */

#define HANDOVER_FDS 4 /* more than any message has: what comes besides is closed */

/* A message, with descriptors that stay the caller's. It does not wait for room. */
long ufi_handover_send(int sock, const struct iovec *iov, int niov, const int *fds,
		       int nfds) UF_MUST_USE;
/* Its length, also if there was no room for all of it. Descriptors are the caller's, if NFDS. */
long ufi_handover_recv(int sock, const struct iovec *iov, int niov, int flags, int *fds,
		       int *nfds) UF_MUST_USE;
/* That the process may use. */
int ufi_handover_cpus(void);
/*
 * How many times to look, without sleeping, whether a question or an answer has come:
 * tens of microseconds, as to wake an idle processor takes. 0: there are only two,
 * which are the faulting thread's and the manager's, and who asks had better leave his.
 */
unsigned ufi_handover_spins(void);
/* Is FD the program's end of an engine's socket pair that has been shared? */
bool ufi_handover_is(int fd);

#endif
