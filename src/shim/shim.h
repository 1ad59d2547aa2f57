/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libuserfault-preload: seam A (backend/backend.h) exported as system calls.
 * Nothing but the interposed names is visible outside (exports.map).
 *
 *	table.c		which descriptor numbers are ours
 *	create.c	how a program comes by one
 *	io.c wait.c dup.c	what it does with it
 *	pagemap.c	what /proc/self/pagemap tells
 *	socket.c	how it goes to other programs, and comes from there
 *	vm.c signal.c	what it does to memory and signals that the engine uses
 *	syscall.c	all of that by syscall(2)
 *	real.c config.c	libc's functions; the environment and the log
 *
 * What holds for every interposed function: it behaves as libc's for whatever
 * is not ours, is a cancellation point where libc's is one, and writes errno
 * exactly when libc's would. Everything below it returns -errno, uses no
 * thread-local storage and no libc function that is itself interposed: the
 * caller may be a signal handler, or a clone(CLONE_VM) process that shares its
 * parent's thread-local storage.
 */
#ifndef UF_SHIM_SHIM_H
#define UF_SHIM_SHIM_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "backend/backend.h"
#include "backend/handover.h"
#include "base/compiler.h"
#include "mmu/host/host.h"
#include "mmu/host/sys.h"

#define SHIM_EXPORT __attribute__((visibility("default")))
/* Another name of a function in the same file. */
#define SHIM_ALIAS(name) __attribute__((alias(name)))

/* Older libc headers lack them. */
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x8
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2u
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

/* --- table.c --- */

/*
 * What the kernel would have at this place: a userfaultfd, or the open device. Or what
 * it has there, this process's own pagemap, which does not tell all.
 */
enum shim_kind {
	SHIM_UFFD,
	SHIM_DEVICE,
	SHIM_PAGEMAP,
};

/*
 * An open file of ours, shared by its duplicates. The memory is never given
 * back and only reused for the next file, so a reference can be tried on a
 * pointer that has gone stale; whoever gets one looks again whether it is
 * still the file of that number.
 */
struct shim_file {
	_Atomic uint32_t refs; /* numbers and calls under way; 0: dying or free */
	_Atomic uint32_t used; /* the slot is taken, from before refs is set until after it died */
	enum shim_kind kind;
	bool writable;	       /* DEVICE: opened for writing */
	atomic_bool inherited; /* made before a fork: belongs to the parent */
	const struct uf_backend_ops *ops;
	void *ctx;
};

/* Whether any number is ours: without one, every call is libc's. */
bool ufi_table_any(void);
/* The userfaultfd or device of a number, or NULL if it is not ours. Inverse: put. */
struct shim_file *ufi_table_get(int fd);
/* The same for a file of any kind. */
struct shim_file *ufi_table_get_any(int fd);
void ufi_table_put(struct shim_file *file);
/*
 * FD is a userfaultfd of OPS, or (OPS NULL) the device. Takes CTX, unless it
 * fails. The number's former entry, if it has one, was closed behind our back.
 */
int ufi_table_add(int fd, const struct uf_backend_ops *ops, void *ctx, bool writable) UF_MUST_USE;
/* FD is this process's pagemap. */
int ufi_table_add_pagemap(int fd) UF_MUST_USE;
/* FD is a duplicate of FILE from now on (NULL: it is not ours). FILE is borrowed. */
int ufi_table_set(int fd, struct shim_file *file) UF_MUST_USE;
/* The lowest number of ours in [first, last], or -1. */
int ufi_table_next(unsigned int first, unsigned int last);
/* Does the caller's close of a number concern this table? Not in a vfork child. */
bool ufi_table_mine(void);
/* Called in a fork child. */
void ufi_table_forked(void);

/* --- config.c --- */
enum uf_backend ufi_config_backend(void);
/* Can the engine come into play in this process? */
bool ufi_config_engine(void);
void ufi_config_log(void *arg, enum uf_log_level level, const char *fmt, ...) UF_PRINTF(3, 4);
void ufi_config_init(void);

/* --- real.c: libc's functions, or what stands behind us. Raw system calls before we are up. --- */
struct shim_real {
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*pread)(int, void *, size_t, off_t);
	ssize_t (*readv)(int, const struct iovec *, int);
	ssize_t (*preadv2)(int, const struct iovec *, int, off_t, int);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*writev)(int, const struct iovec *, int);
	int (*openat)(int, const char *, int, ...);
	int (*close)(int);
	int (*fcntl)(int, int, ...);
	int (*poll)(struct pollfd *, nfds_t, int);
	int (*ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
	int (*select)(int, fd_set *, fd_set *, fd_set *, struct timeval *);
	int (*pselect)(int, fd_set *, fd_set *, fd_set *, const struct timespec *,
		       const sigset_t *);
	int (*epoll_pwait)(int, struct epoll_event *, int, int, const sigset_t *);
	int (*epoll_pwait2)(int, struct epoll_event *, int, const struct timespec *,
			    const sigset_t *);
	int (*brk)(void *addr);
	void *(*sbrk)(intptr_t increment);
	ssize_t (*sendmsg)(int, const struct msghdr *, int);
	int (*sendmmsg)(int, struct mmsghdr *, unsigned int, int);
	ssize_t (*recvmsg)(int, struct msghdr *, int);
	int (*recvmmsg)(int, struct mmsghdr *, unsigned int, int, struct timespec *);
	int (*sigsuspend)(const sigset_t *);
	int (*sigaction)(int, const struct sigaction *, struct sigaction *);
	int (*pthread_sigmask)(int, const sigset_t *, sigset_t *);
	/* NULL until it is found. */
	sighandler_t (*signal)(int, sighandler_t);
};

extern struct shim_real shim_real;
void ufi_real_init(void);

/* A result of ours to a result of libc's. */
static inline long ufi_real_ret(long ret)
{
	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}

/* --- create.c --- */
/* userfaultfd(2): a new descriptor or -errno. */
int ufi_create(int flags);

/* --- socket.c --- */
/* FD has come from another process: if it is an engine's, it is a userfaultfd here, too. */
void ufi_socket_adopt(int fd);

/* --- pagemap.c --- */
/* FD has just been opened by PATH, which can be read. */
void ufi_pagemap_opened(int fd, const char *path);
/* Is FD a pagemap to which the engine has something to add? */
bool ufi_pagemap_ours(int fd);
/* preadv of it, and with an OFFSET of -1 readv. Bytes or -errno. */
long ufi_pagemap_read(int fd, const struct iovec *iov, int niov, off_t offset);

/* --- wait.c --- */
/* What poll(2) says about a userfaultfd now: POLLIN, POLLERR or nothing. */
short ufi_wait_poll(struct shim_file *file, int fd);

/* --- signal.c --- */
/* *MASK without the signals the engine lives by, in *ROOM; NULL stays NULL. */
const sigset_t *ufi_signal_strip(const sigset_t *mask, sigset_t *room);
/* Has the program no handler that wants system calls to be interrupted? */
bool ufi_signal_restarts(void);
void ufi_signal_init(void);

/* libc declares these only for itself. */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t buflen);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t buflen);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t offset, size_t buflen);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t fdslen);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t fdslen);
sighandler_t bsd_signal(int sig, sighandler_t handler);
void __chk_fail(void) __attribute__((noreturn));

#endif
