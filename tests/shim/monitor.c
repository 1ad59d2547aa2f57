/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the thread that answers faults, in all the ways programs have of waiting and reading. */
#include "case.h"

#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

ssize_t __read_chk(int fd, void *buf, size_t len, size_t buflen);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t fdslen);

static bool wait_poll(struct monitor *m)
{
	struct pollfd fds[2] = {{m->uffd, POLLIN | POLLOUT, 0}, {m->stop_pipe[0], POLLIN, 0}};
	int n = m->way == WAY_PPOLL	 ? ppoll(fds, 2, NULL, NULL)
		: m->way == WAY_POLL_CHK ? __poll_chk(fds, 2, -1, sizeof(fds))
		: m->way == WAY_SYSCALL	 ? (int)syscall(SYS_ppoll, fds, 2, NULL, NULL, 8)
					 : poll(fds, 2, -1);

	CHECK(n >= 1 && n <= 2);
	CHECK(n == !!fds[0].revents + !!fds[1].revents);
	CHECK(fds[0].revents == 0 || fds[0].revents == POLLIN);
	return !fds[1].revents;
}

static bool wait_select(struct monitor *m)
{
	int max = m->uffd > m->stop_pipe[0] ? m->uffd : m->stop_pipe[0];
	struct timespec ts = {10, 0};
	struct timeval tv = {10, 0};
	fd_set r;
	fd_set w;
	int n;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(m->uffd, &r);
	FD_SET(m->uffd, &w);
	FD_SET(m->stop_pipe[0], &r);
	n = m->way == WAY_SELECT ? select(max + 1, &r, &w, NULL, &tv)
				 : pselect(max + 1, &r, &w, NULL, &ts, NULL);
	CHECK(n == !!FD_ISSET(m->uffd, &r) + !!FD_ISSET(m->stop_pipe[0], &r));
	CHECK(n > 0 && !FD_ISSET(m->uffd, &w));
	return !FD_ISSET(m->stop_pipe[0], &r);
}

static int epoll_make(struct monitor *m)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = m->uffd};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK(ep >= 0);
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, m->uffd, &event) == 0);
	event = (struct epoll_event){.events = EPOLLIN, .data.fd = m->stop_pipe[0]};
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, m->stop_pipe[0], &event) == 0);
	return ep;
}

static bool wait_epoll(struct monitor *m, int ep)
{
	struct epoll_event events[2];
	int n = epoll_wait(ep, events, 2, -1);

	CHECK(n >= 1);
	for (int i = 0; i < n; i++) {
		CHECK(events[i].events == EPOLLIN);
		if (events[i].data.fd == m->stop_pipe[0])
			return false;
	}
	return true;
}

/* False: the monitor shall end. A blocking reader is cancelled. */
static bool monitor_wait(struct monitor *m, int ep)
{
	switch (m->way) {
	case WAY_BLOCK:
		return true;
	case WAY_SELECT:
	case WAY_PSELECT:
		return wait_select(m);
	case WAY_EPOLL:
		return wait_epoll(m, ep);
	default:
		return wait_poll(m);
	}
}

static ssize_t monitor_read(struct monitor *m, struct uffd_msg *msg)
{
	char *p = (char *)msg;
	struct iovec iov[3] = {{p, 5}, {p + 5, 20}, {p + 25, sizeof(*msg) - 25}};

	switch (m->way) {
	case WAY_READV:
		return readv(m->uffd, iov, 3);
	case WAY_READ_CHK:
		return __read_chk(m->uffd, msg, sizeof(*msg), sizeof(*msg));
	case WAY_SYSCALL:
		return syscall(SYS_read, m->uffd, msg, sizeof(*msg));
	default:
		return read(m->uffd, msg, sizeof(*msg));
	}
}

static void monitor_answer(struct monitor *m, const struct uffd_msg *msg)
{
	uintptr_t addr = (uintptr_t)msg->arg.pagefault.address;
	size_t page = (addr - (uintptr_t)m->memory) / page_size;
	int err;

	CHECK(msg->event == UFFD_EVENT_PAGEFAULT);
	CHECK(addr % page_size == 0);
	m->faults++;
	err = uffd_fill(m->uffd, m->memory + page * page_size, (char)('a' + page % 26));
	/* Another thread's fault on the same page was answered before; it needs a wake only. */
	if (err == EEXIST) {
		struct uffdio_range range = {addr, page_size};

		CHECK(ioctl(m->uffd, UFFDIO_WAKE, &range) == 0);
	} else {
		CHECK(err == 0);
	}
}

static void *monitor_main(void *arg)
{
	struct monitor *m = arg;
	int ep = m->way == WAY_EPOLL ? epoll_make(m) : -1;

	while (monitor_wait(m, ep)) {
		struct uffd_msg msg;
		ssize_t n = monitor_read(m, &msg);

		if (n < 0) {
			CHECK(errno == EAGAIN);
			continue;
		}
		CHECK(n == sizeof(msg));
		monitor_answer(m, &msg);
	}
	if (ep >= 0)
		close(ep);
	return NULL;
}

void monitor_start(struct monitor *m, int uffd, char *memory, enum monitor_way way)
{
	m->uffd = uffd;
	m->memory = memory;
	m->way = way;
	m->faults = 0;
	CHECK(pipe2(m->stop_pipe, O_CLOEXEC) == 0);
	CHECK(pthread_create(&m->thread, NULL, monitor_main, m) == 0);
}

void monitor_stop(struct monitor *m)
{
	void *end;

	if (m->way == WAY_BLOCK) {
		CHECK(pthread_cancel(m->thread) == 0);
		CHECK(pthread_join(m->thread, &end) == 0 && end == PTHREAD_CANCELED);
	} else {
		CHECK(write(m->stop_pipe[1], "", 1) == 1);
		CHECK(pthread_join(m->thread, NULL) == 0);
	}
	close(m->stop_pipe[0]);
	close(m->stop_pipe[1]);
}
