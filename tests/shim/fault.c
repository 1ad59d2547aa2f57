/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults answered by a monitor thread, in every way of waiting and reading. */
#include "case.h"

#define PAGES 16

static void serve(enum monitor_way way, int flags)
{
	int uffd = uffd_open(flags);
	char *memory = uffd_memory(uffd, PAGES);
	struct monitor m;

	monitor_start(&m, uffd, memory, way);
	for (size_t i = 0; i < PAGES; i++) {
		char *page = memory + i * page_size;

		if (i % 2)
			page[page_size - 1] = 'W';
		CHECK(page[0] == 'a' + (char)i && page[page_size / 2] == 'a' + (char)i);
		CHECK(page[page_size - 1] == (i % 2 ? 'W' : 'a' + (char)i));
	}
	CHECK(m.faults == PAGES);
	monitor_stop(&m);
	close(uffd);
}

static void by_poll(void)
{
	serve(WAY_POLL, O_CLOEXEC | O_NONBLOCK);
}

static void by_poll_chk(void)
{
	serve(WAY_POLL_CHK, O_NONBLOCK);
}

static void by_ppoll(void)
{
	serve(WAY_PPOLL, O_NONBLOCK);
}

static void by_select(void)
{
	serve(WAY_SELECT, O_NONBLOCK);
}

static void by_pselect(void)
{
	serve(WAY_PSELECT, O_NONBLOCK);
}

static void by_epoll(void)
{
	serve(WAY_EPOLL, O_NONBLOCK);
}

static void by_blocking_read(void)
{
	serve(WAY_BLOCK, 0);
}

static void by_readv(void)
{
	serve(WAY_READV, O_NONBLOCK);
}

static void by_read_chk(void)
{
	serve(WAY_READ_CHK, O_NONBLOCK);
}

static void by_syscall(void)
{
	serve(WAY_SYSCALL, O_NONBLOCK);
}

/* As in the manual page: O_NONBLOCK comes by fcntl. */
static void nonblock_by_fcntl(void)
{
	int uffd = uffd_open(O_CLOEXEC);
	char *memory = uffd_memory(uffd, 2);
	struct monitor m;

	CHECK(fcntl(uffd, F_SETFL, fcntl(uffd, F_GETFL) | O_NONBLOCK) == 0);
	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(memory[0] == 'a');
	monitor_stop(&m);
}

static void *read_byte(void *arg)
{
	return (void *)(intptr_t) * (volatile char *)arg;
}

/* Two threads on one page: two messages, one answer each, one content. */
static void two_threads(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 1);
	struct pollfd fds = {uffd, POLLIN, 0};
	struct uffd_msg msg[4];
	pthread_t thread[2];
	ssize_t got = 0;
	void *byte;

	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&thread[i], NULL, read_byte, memory + i) == 0);
	while (got < 2) {
		ssize_t n;

		CHECK(poll(&fds, 1, -1) == 1 && fds.revents == POLLIN);
		n = read(uffd, &msg[got], sizeof(msg) - (size_t)got * sizeof(msg[0]));
		CHECK(n > 0 && n % (ssize_t)sizeof(msg[0]) == 0);
		got += n / (ssize_t)sizeof(msg[0]);
	}
	CHECK(got == 2);
	CHECK(msg[0].arg.pagefault.address == (uintptr_t)memory);
	CHECK(msg[1].arg.pagefault.address == (uintptr_t)memory);
	CHECK(poll(&fds, 1, 0) == 0);
	CHECK(uffd_fill(uffd, memory, 'z') == 0);
	for (int i = 0; i < 2; i++) {
		CHECK(pthread_join(thread[i], &byte) == 0);
		CHECK(byte == (void *)'z');
	}
	CHECK(uffd_fill(uffd, memory, 'z') == EEXIST);
}

/* The message tells reads from writes. */
static void flags_tell_writes(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 2);
	struct pollfd fds = {uffd, POLLIN, 0};
	struct uffd_msg msg;
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, read_byte, memory) == 0);
	CHECK(poll(&fds, 1, -1) == 1 && read(uffd, &msg, sizeof(msg)) == sizeof(msg));
	CHECK(msg.event == UFFD_EVENT_PAGEFAULT && msg.arg.pagefault.flags == 0);
	CHECK(uffd_fill(uffd, memory, 'z') == 0 && pthread_join(thread, NULL) == 0);
}

static int readers_left;
static pthread_mutex_t readers_lock = PTHREAD_MUTEX_INITIALIZER;

static void *read_pages(void *arg)
{
	char *memory = arg;

	for (size_t i = 0; i < PAGES; i++)
		CHECK(memory[i * page_size] == 'a' + (char)i);
	pthread_mutex_lock(&readers_lock);
	readers_left--;
	pthread_mutex_unlock(&readers_lock);
	return NULL;
}

/* Many threads on the same pages, two monitors on duplicates. */
static void crowd(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, PAGES);
	pthread_t thread[6];
	struct monitor m[2];

	readers_left = 6;
	monitor_start(&m[0], uffd, memory, WAY_POLL);
	monitor_start(&m[1], dup(uffd), memory, WAY_EPOLL);
	for (int i = 0; i < 6; i++)
		CHECK(pthread_create(&thread[i], NULL, read_pages, memory) == 0);
	for (int i = 0; i < 6; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	CHECK(readers_left == 0);
	monitor_stop(&m[0]);
	monitor_stop(&m[1]);
	CHECK(m[0].faults + m[1].faults >= PAGES);
}

const struct test_case fault_cases[] = {
	{"fault.poll", by_poll},
	{"fault.poll-chk", by_poll_chk},
	{"fault.ppoll", by_ppoll},
	{"fault.select", by_select},
	{"fault.pselect", by_pselect},
	{"fault.epoll", by_epoll},
	{"fault.blocking-read", by_blocking_read},
	{"fault.readv", by_readv},
	{"fault.read-chk", by_read_chk},
	{"fault.syscall", by_syscall},
	{"fault.nonblock-by-fcntl", nonblock_by_fcntl},
	{"fault.two-threads", two_threads},
	{"fault.flags-tell-writes", flags_tell_writes},
	{"fault.crowd", crowd},
	{NULL, NULL},
};
