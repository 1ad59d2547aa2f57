/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the way to the functions behind ours: libc's, or those of another
 * preloaded library. Where libc's function is a cancellation point or knows
 * more than the kernel does, it is called; the rest of the shim uses raw
 * system calls. Constructors of other libraries may run before ours, so every
 * entry begins as the bare system call.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "shim/shim.h"

/* What the kernel takes for a signal set. */
#define KERNEL_SIGSET 8

static ssize_t early_read(int fd, void *buf, size_t len)
{
	return ufi_real_ret(UF_SYS3(SYS_read, fd, buf, len));
}

static ssize_t early_pread(int fd, void *buf, size_t len, off_t offset)
{
	return ufi_real_ret(UF_SYS4(SYS_pread64, fd, buf, len, offset));
}

static ssize_t early_readv(int fd, const struct iovec *iov, int niov)
{
	return ufi_real_ret(UF_SYS3(SYS_readv, fd, iov, niov));
}

static ssize_t early_preadv2(int fd, const struct iovec *iov, int niov, off_t offset, int flags)
{
	return ufi_real_ret(UF_SYS6(SYS_preadv2, fd, iov, niov, offset, 0, flags));
}

static ssize_t early_write(int fd, const void *buf, size_t len)
{
	return ufi_real_ret(UF_SYS3(SYS_write, fd, buf, len));
}

static ssize_t early_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	return ufi_real_ret(UF_SYS4(SYS_pwrite64, fd, buf, len, offset));
}

static ssize_t early_writev(int fd, const struct iovec *iov, int niov)
{
	return ufi_real_ret(UF_SYS3(SYS_writev, fd, iov, niov));
}

static int early_openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return (int)ufi_real_ret(UF_SYS4(SYS_openat, dir, path, flags, mode));
}

static int early_close(int fd)
{
	return (int)ufi_real_ret(UF_SYS1(SYS_close, fd));
}

static int early_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	unsigned long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	return (int)ufi_real_ret(UF_SYS3(SYS_fcntl, fd, cmd, arg));
}

static int early_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		       const sigset_t *mask)
{
	struct timespec left = {0};

	if (timeout)
		left = *timeout;
	return (int)ufi_real_ret(
		UF_SYS5(SYS_ppoll, fds, n, timeout ? &left : NULL, mask, KERNEL_SIGSET));
}

static int early_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec left = {timeout / 1000, timeout % 1000 * 1000000L};

	return early_ppoll(fds, n, timeout < 0 ? NULL : &left, NULL);
}

static int early_pselect(int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *timeout,
			 const sigset_t *mask)
{
	struct timespec left = {0};
	struct {
		const sigset_t *mask;
		size_t len;
	} arg = {mask, KERNEL_SIGSET};

	if (timeout)
		left = *timeout;
	return (int)ufi_real_ret(UF_SYS6(SYS_pselect6, n, r, w, x, timeout ? &left : NULL, &arg));
}

static int early_select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *timeout)
{
	struct timespec left = {0};

	if (timeout)
		left = (struct timespec){timeout->tv_sec, timeout->tv_usec * 1000};
	return early_pselect(n, r, w, x, timeout ? &left : NULL, NULL);
}

static int early_epoll_pwait(int fd, struct epoll_event *events, int n, int timeout,
			     const sigset_t *mask)
{
	return (int)ufi_real_ret(
		UF_SYS6(SYS_epoll_pwait, fd, events, n, timeout, mask, KERNEL_SIGSET));
}

/* Linux 5.11; not in every libc. */
static int early_epoll_pwait2(int fd, struct epoll_event *events, int n,
			      const struct timespec *timeout, const sigset_t *mask)
{
	return (int)ufi_real_ret(
		UF_SYS6(SYS_epoll_pwait2, fd, events, n, timeout, mask, KERNEL_SIGSET));
}

static ssize_t early_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return ufi_real_ret(UF_SYS3(SYS_sendmsg, fd, msg, flags));
}

static int early_sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	return (int)ufi_real_ret(UF_SYS4(SYS_sendmmsg, fd, msgs, n, flags));
}

static ssize_t early_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return ufi_real_ret(UF_SYS3(SYS_recvmsg, fd, msg, flags));
}

static int early_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags,
			  struct timespec *timeout)
{
	return (int)ufi_real_ret(UF_SYS5(SYS_recvmmsg, fd, msgs, n, flags, timeout));
}

static int early_sigsuspend(const sigset_t *mask)
{
	return (int)ufi_real_ret(UF_SYS2(SYS_rt_sigsuspend, mask, KERNEL_SIGSET));
}

/* A handler cannot return without libc's help, so libc it is. */
static int early_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	int (*libc)(int, const struct sigaction *, struct sigaction *) = NULL;
	void *symbol = dlsym(RTLD_NEXT, "sigaction");

	memcpy(&libc, &symbol, sizeof(libc));
	return libc(sig, act, old);
}

static int early_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return (int)-UF_SYS4(SYS_rt_sigprocmask, how, set, old, KERNEL_SIGSET);
}

/* libc's own: what it remembers of the heap must be true. */
static int early_brk(void *addr)
{
	int (*libc)(void *) = NULL;
	void *symbol = dlsym(RTLD_NEXT, "brk");

	memcpy(&libc, &symbol, sizeof(libc));
	return libc(addr);
}

static void *early_sbrk(intptr_t increment)
{
	void *(*libc)(intptr_t) = NULL;
	void *symbol = dlsym(RTLD_NEXT, "sbrk");

	memcpy(&libc, &symbol, sizeof(libc));
	return libc(increment);
}

struct shim_real shim_real = {
	.read = early_read,
	.pread = early_pread,
	.readv = early_readv,
	.preadv2 = early_preadv2,
	.write = early_write,
	.pwrite = early_pwrite,
	.writev = early_writev,
	.openat = early_openat,
	.close = early_close,
	.fcntl = early_fcntl,
	.poll = early_poll,
	.ppoll = early_ppoll,
	.select = early_select,
	.pselect = early_pselect,
	.epoll_pwait = early_epoll_pwait,
	.epoll_pwait2 = early_epoll_pwait2,
	.brk = early_brk,
	.sbrk = early_sbrk,
	.sendmsg = early_sendmsg,
	.sendmmsg = early_sendmmsg,
	.recvmsg = early_recvmsg,
	.recvmmsg = early_recvmmsg,
	.sigsuspend = early_sigsuspend,
	.sigaction = early_sigaction,
	.pthread_sigmask = early_sigmask,
};

static const struct {
	const char *name;
	size_t offset; /* in struct shim_real */
} real_names[] = {
	{"read", offsetof(struct shim_real, read)},
	{"pread64", offsetof(struct shim_real, pread)},
	{"readv", offsetof(struct shim_real, readv)},
	{"preadv64v2", offsetof(struct shim_real, preadv2)},
	{"write", offsetof(struct shim_real, write)},
	{"pwrite64", offsetof(struct shim_real, pwrite)},
	{"writev", offsetof(struct shim_real, writev)},
	{"openat64", offsetof(struct shim_real, openat)},
	{"close", offsetof(struct shim_real, close)},
	{"fcntl64", offsetof(struct shim_real, fcntl)},
	{"poll", offsetof(struct shim_real, poll)},
	{"ppoll", offsetof(struct shim_real, ppoll)},
	{"select", offsetof(struct shim_real, select)},
	{"pselect", offsetof(struct shim_real, pselect)},
	{"epoll_pwait", offsetof(struct shim_real, epoll_pwait)},
	{"epoll_pwait2", offsetof(struct shim_real, epoll_pwait2)},
	{"brk", offsetof(struct shim_real, brk)},
	{"sbrk", offsetof(struct shim_real, sbrk)},
	{"sendmsg", offsetof(struct shim_real, sendmsg)},
	{"sendmmsg", offsetof(struct shim_real, sendmmsg)},
	{"recvmsg", offsetof(struct shim_real, recvmsg)},
	{"recvmmsg", offsetof(struct shim_real, recvmmsg)},
	{"sigsuspend", offsetof(struct shim_real, sigsuspend)},
	{"sigaction", offsetof(struct shim_real, sigaction)},
	{"pthread_sigmask", offsetof(struct shim_real, pthread_sigmask)},
	{"signal", offsetof(struct shim_real, signal)},
};

void ufi_real_init(void)
{
	for (size_t i = 0; i < UF_ARRAY_SIZE(real_names); i++) {
		void *symbol = dlsym(RTLD_NEXT, real_names[i].name);

		if (symbol)
			memcpy((char *)&shim_real + real_names[i].offset, &symbol, sizeof(symbol));
	}
}

/*
 * The order matters: the environment says whether signals are our business at
 * all. The fork handler of the host machine comes later, with the engine.
 */
__attribute__((constructor)) static void real_constructor(void)
{
	ufi_real_init();
	ufi_config_init();
	ufi_signal_init();
	ufi_table_mine();
	pthread_atfork(NULL, NULL, ufi_table_forked);
}
