/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns waiting for several descriptors, some of which are ours. A descriptor
 * of ours becomes readable by itself; what it cannot do by itself is to be in
 * error, as the kernel's is before the handshake and while it blocks, and not
 * to be writable. Calls without a descriptor of ours are libc's, untouched.
 */
#include <string.h>
#include <sys/mman.h>

#include "shim/shim.h"

/* Descriptors of one poll that are copied to the stack; more get a mapping. */
#define POLL_STACK 256

/* Descriptors of ours in one select. */
#define SELECT_MAX 64

/* In the array handed on, an entry that is answered already: its bits are in .events. */
#define POLL_ANSWERED (-1)

short ufi_wait_poll(struct shim_file *file, int fd)
{
	if (atomic_load(&file->inherited))
		return POLLERR;
	return file->ops->poll(file->ctx, fd);
}

/* The userfaultfd of this number, or NULL. The device polls well enough by itself. */
static struct shim_file *wait_uffd(int fd)
{
	struct shim_file *file = ufi_table_get(fd);

	if (file && file->kind != SHIM_UFFD) {
		ufi_table_put(file);
		return NULL;
	}
	return file;
}

static bool poll_concerns(struct pollfd *fds, nfds_t n)
{
	struct shim_file *file;

	if (!ufi_table_any() || !fds)
		return false;
	for (nfds_t i = 0; i < n; i++) {
		file = wait_uffd(fds[i].fd);
		if (!file)
			continue;
		ufi_table_put(file);
		return true;
	}
	return false;
}

/* Copy the entries as the kernel shall see them; true if one of ours is in error at once. */
static bool poll_prepare(struct pollfd *copy, const struct pollfd *fds, nfds_t n)
{
	bool at_once = false;

	for (nfds_t i = 0; i < n; i++) {
		struct shim_file *file = wait_uffd(fds[i].fd);
		short bits;

		copy[i] = fds[i];
		copy[i].revents = 0;
		if (!file)
			continue;
		copy[i].events &= POLLIN;
		bits = ufi_wait_poll(file, fds[i].fd);
		if (bits & POLLERR) {
			copy[i].fd = POLL_ANSWERED;
			copy[i].events = bits & (fds[i].events | POLLERR);
			at_once = true;
		}
		ufi_table_put(file);
	}
	return at_once;
}

/* Hand the answers back; returns how many there are. */
static int poll_finish(const struct pollfd *copy, struct pollfd *fds, nfds_t n)
{
	int ready = 0;

	for (nfds_t i = 0; i < n; i++) {
		if (copy[i].fd == POLL_ANSWERED && fds[i].fd != POLL_ANSWERED)
			fds[i].revents = copy[i].events;
		else
			fds[i].revents = copy[i].revents;
		if (fds[i].revents)
			ready++;
	}
	return ready;
}

static int poll_ours(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		     const sigset_t *mask)
{
	static const struct timespec now = {0, 0};
	struct pollfd stack[POLL_STACK];
	struct pollfd *copy = stack;
	size_t len = n * sizeof(*copy);
	int ret;

	if (n > POLL_STACK) {
		long map = UF_SYS6(SYS_mmap, 0, len, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map < 0 && map >= -4095)
			return (int)ufi_real_ret(-ENOMEM);
		copy = (struct pollfd *)map;
	}
	if (poll_prepare(copy, fds, n))
		timeout = &now;
	ret = shim_real.ppoll(copy, n, timeout, mask);
	if (ret >= 0)
		ret = poll_finish(copy, fds, n);
	if (n > POLL_STACK)
		UF_SYS2(SYS_munmap, copy, len);
	return ret;
}

SHIM_EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec ts = {timeout / 1000, timeout % 1000 * 1000000L};

	if (!poll_concerns(fds, n))
		return shim_real.poll(fds, n, timeout);
	return poll_ours(fds, n, timeout < 0 ? NULL : &ts, NULL);
}

SHIM_EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t fdslen)
{
	if (fdslen / sizeof(*fds) < n)
		__chk_fail();
	return poll(fds, n, timeout);
}

SHIM_EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		      const sigset_t *mask)
{
	sigset_t room;

	mask = ufi_signal_strip(mask, &room);
	if (!poll_concerns(fds, n))
		return shim_real.ppoll(fds, n, timeout, mask);
	return poll_ours(fds, n, timeout, mask);
}

SHIM_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
			    const sigset_t *mask, size_t fdslen)
{
	if (fdslen / sizeof(*fds) < n)
		__chk_fail();
	return ppoll(fds, n, timeout, mask);
}

/* One select: its sets, and which of their members are ours. */
struct select_call {
	int n;
	fd_set *r;
	fd_set *w;
	unsigned int ours;
	struct {
		int fd;
		bool r;
		bool w;
		bool error; /* answered at once: readable and writable */
	} fd[SELECT_MAX];
	bool at_once;
};

/* fd_set is made for 1024; the system call takes more, and so may a program. */
static unsigned long *select_word(fd_set *set, int fd)
{
	return (unsigned long *)set + (size_t)fd / (8 * sizeof(long));
}

static bool select_has(fd_set *set, int fd)
{
	return set && *select_word(set, fd) >> ((size_t)fd % (8 * sizeof(long))) & 1;
}

static void select_put(fd_set *set, int fd, bool in)
{
	unsigned long bit = 1ul << ((size_t)fd % (8 * sizeof(long)));

	if (!set)
		return;
	if (in)
		*select_word(set, fd) |= bit;
	else
		*select_word(set, fd) &= ~bit;
}

static void select_note(struct select_call *call, int fd)
{
	struct shim_file *file = wait_uffd(fd);
	bool error;

	if (!file)
		return;
	error = ufi_wait_poll(file, fd) & POLLERR;
	ufi_table_put(file);
	call->fd[call->ours].fd = fd;
	call->fd[call->ours].r = select_has(call->r, fd);
	call->fd[call->ours].w = select_has(call->w, fd);
	call->fd[call->ours].error = error;
	call->ours++;
	call->at_once |= error;
}

/* Ours leave the write set, and with an error the read set as well. */
static void select_prepare(struct select_call *call)
{
	if (!ufi_table_any())
		return;
	for (int fd = 0; fd < call->n && call->ours < SELECT_MAX; fd++) {
		if (select_has(call->r, fd) || select_has(call->w, fd))
			select_note(call, fd);
	}
	for (unsigned int i = 0; i < call->ours; i++) {
		select_put(call->w, call->fd[i].fd, false);
		if (call->fd[i].error)
			select_put(call->r, call->fd[i].fd, false);
	}
}

/* RET from the call behind us, with what we know added; after an error the sets are as before. */
static int select_finish(struct select_call *call, int ret)
{
	for (unsigned int i = 0; i < call->ours; i++) {
		int fd = call->fd[i].fd;

		if (ret < 0) {
			select_put(call->r, fd, call->fd[i].r);
			select_put(call->w, fd, call->fd[i].w);
		} else if (call->fd[i].error) {
			select_put(call->r, fd, call->fd[i].r);
			select_put(call->w, fd, call->fd[i].w);
			ret += call->fd[i].r + call->fd[i].w;
		}
	}
	return ret;
}

SHIM_EXPORT int select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *timeout)
{
	struct select_call call = {.n = n, .r = r, .w = w};
	struct timeval now = {0, 0};

	select_prepare(&call);
	if (call.at_once)
		timeout = &now;
	return select_finish(&call, shim_real.select(n, r, w, x, timeout));
}

SHIM_EXPORT int pselect(int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *timeout,
			const sigset_t *mask)
{
	static const struct timespec now = {0, 0};
	struct select_call call = {.n = n, .r = r, .w = w};
	sigset_t room;

	mask = ufi_signal_strip(mask, &room);
	select_prepare(&call);
	if (call.at_once)
		timeout = &now;
	return select_finish(&call, shim_real.pselect(n, r, w, x, timeout, mask));
}

/*
 * An epoll set watches the descriptor itself, so all that can be done is not
 * to let it ask whether ours is writable. That a blocking userfaultfd is in
 * error does not show here.
 */
SHIM_EXPORT int epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
	struct shim_file *file = wait_uffd(fd);
	struct epoll_event copy;

	if (!file)
		return (int)ufi_real_ret(UF_SYS4(SYS_epoll_ctl, ep, op, fd, event));
	ufi_table_put(file);
	if (op != EPOLL_CTL_DEL && event) {
		copy = *event;
		copy.events &= ~(uint32_t)(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLRDNORM |
					   EPOLLRDHUP);
		event = &copy;
	}
	return (int)ufi_real_ret(UF_SYS4(SYS_epoll_ctl, ep, op, fd, event));
}

SHIM_EXPORT int epoll_pwait(int ep, struct epoll_event *events, int n, int timeout,
			    const sigset_t *mask)
{
	sigset_t room;

	return shim_real.epoll_pwait(ep, events, n, timeout, ufi_signal_strip(mask, &room));
}

SHIM_EXPORT int epoll_pwait2(int ep, struct epoll_event *events, int n,
			     const struct timespec *timeout, const sigset_t *mask)
{
	sigset_t room;

	return shim_real.epoll_pwait2(ep, events, n, timeout, ufi_signal_strip(mask, &room));
}
