/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the manager's side share. */
#ifndef UF_BACKEND_REMOTE_H
#define UF_BACKEND_REMOTE_H

#include <stdatomic.h>

#include "backend/backend.h"
#include "backend/handover.h"
#include "base/linger.h"
#include "base/list.h"
#include "mmu/mmu.h"

/* So many threads of one handle can ask at the same time. */
#define REMOTE_LINES 16

/*
 * A socket to the owner that one thread uses at a time. It is made when it is
 * first needed, and is closed with the handle.
 */
struct remote_line {
	_Atomic uint32_t busy;
	int sock;		 /* -1: none yet */
	int window;		 /* -1: none yet */
	struct uf_sigmask saved; /* of the thread that has it */
	unsigned spins;		 /* how often to look for the answer before sleeping */
};

struct remote {
	/* Written before it is used by several, and as they are again by new lines. */
	uint64_t page_size;
	uint64_t task_size;
	uint64_t window;

	_Atomic int life;	  /* pidfd of the owner, or -1 */
	atomic_bool ready;	  /* the handshake has been made */
	atomic_bool gone;	  /* the owner is dead */
	atomic_bool full;	  /* the owner gives no more lines */
	_Atomic uint32_t freed;	  /* counts lines that were given back */
	_Atomic uint32_t waiting; /* threads that want one */
	struct uf_linger reading; /* does it pay to wait awake for a message */
	struct remote_line line[REMOTE_LINES];
	struct uf_list link; /* in the list of all, for a fork child */
};

/* One exchange. */
struct remote_call {
	struct handover_request req;
	struct iovec *out; /* where what comes with the answer goes */
	int nout;
	void (*meanwhile)(void *arg); /* what to do while the owner is at it, or NULL */
	void *meanwhile_arg;

	struct handover_answer answer;
	size_t got;    /* bytes that came with it */
	int fd;	       /* and a descriptor, or -1 */
	bool keeps_fd; /* the caller's; else it is closed */
};

/* What an exchange comes to, beside 0. */
#define REMOTE_GONE (-ESHUTDOWN) /* the owner is dead */
#define REMOTE_CUT (-ECONNRESET) /* the line has ended: the owner is dead, or will not have it */

/* --- remote.c --- */
/*
 * A line of one's own, and no signals: a handler that left by siglongjmp would
 * take the line with it. Inverse: put.
 */
struct remote_line *ufi_remote_take(struct remote *r);
void ufi_remote_put(struct remote *r, struct remote_line *line);
/* Is connected, or -errno, REMOTE_GONE among them. FD: the descriptor. */
int ufi_remote_connect(struct remote *r, int fd, struct remote_line *line) UF_MUST_USE;
/* 0: there is an answer. */
int ufi_remote_call(struct remote *r, int fd, struct remote_line *line,
		    struct remote_call *call) UF_MUST_USE;
/*
 * The program's argument, which is waited for, without a line: -EFAULT if it can never
 * be read, and its place is 0 then. spec: handover.7
 */
int ufi_remote_argument(void *to, uintptr_t arg, size_t n) UF_MUST_USE;
/* What an ioctl has answered: 0 or -errno, whatever was said. */
int ufi_remote_result(const struct remote_call *call) UF_MUST_USE;

/* --- remote_copy.c --- */
int ufi_remote_copy(struct remote *r, int fd, uintptr_t arg) UF_MUST_USE;

/* --- remote_read.c --- */
/* Until the bell rings: 0; or a signal comes: -EINTR. The owner's death is not one. */
int ufi_remote_sleep(struct remote *r, int fd) UF_MUST_USE;
/*
 * The answer to READ, which came into MSG: what it is worth goes to IOV, which has
 * room for all that was asked for. Bytes or -errno.
 */
ssize_t ufi_remote_messages(const struct remote_call *call, struct uf_msg *msg,
			    const struct iovec *iov) UF_MUST_USE;

/* --- remote_gone.c --- */
/* Copy, where one side is the program's memory: -EFAULT if the kernel cannot reach it. */
int ufi_remote_carry(void *to, const void *from, size_t n) UF_MUST_USE;
int ufi_remote_gone_ioctl(struct remote *r, const struct handover_ioctl *io,
			  uintptr_t arg) UF_MUST_USE;

#endif
