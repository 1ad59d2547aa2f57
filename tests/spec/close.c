/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/close.md */
#include <sys/ioctl.h>

#include "suites.h"

static void close_ordinary(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *other = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 3);

	t_fill(t, uf, addr, 4, 0);
	t_close(t, uf);
	CHECK(t_is_filled(addr, t->page, 4));
	CHECK_EQ(t_access(addr + t->page, T_READ).sig, 0);
	CHECK(t_is_filled(addr + t->page, t->page, 0));
	t_register(other, addr, 3 * t->page);
	t_zero(t, other, addr + 2 * t->page, t->page);
	t_close(t, other);
	memset(addr, 7, 3 * t->page);
	CHECK(t_is_filled(addr, 3 * t->page, 7));
}

static void close_releases(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 3);
	struct t_thread th[3];

	for (int i = 0; i < 3; i++) {
		t_thread_access(t, &th[i], addr + (size_t)i * t->page, i ? T_READ : T_MODIFY);
		t_thread_asleep(&th[i]);
	}
	t_fault_at(uf, addr, UF_PAGEFAULT_FLAG_WRITE); /* the others stay unread */
	t_close(t, uf);
	for (int i = 0; i < 3; i++) {
		t_thread_join(t, &th[i], 0);
		CHECK_EQ(th[i].outcome.value, 0);
	}
	CHECK_EQ(addr[0], 1);
}

/* The page has been lost to the bad buffer of a read: closing is the last way out. */
static void close_releases_lost(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_message_pending(uf);
	CHECK_RET(uf_read(uf, NULL, 1), -EFAULT);
	t_thread_blocked(&th);
	t_close(t, uf);
	t_thread_join(t, &th, 0);
}

static void close_descriptor(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	int fd = uf_fd(uf);
	char byte;

	CHECK(fcntl(fd, F_GETFD) >= 0);
	t_close(t, uf);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
	CHECK_EQ(errno, EBADF);
	CHECK_EQ(read(fd, &byte, 1), -1);
	CHECK_EQ(errno, EBADF);
	uf_close(NULL);
}

static void close_exits(struct t *t, void *arg)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 8);

	t_fill(t, uf, addr, 1, 0);
	exit(addr[0]);
}

static void close_process(struct t *t)
{
	CHECK_EQ(t_wait(t_fork(t, close_exits, NULL)), 1 << 8);
}

static void close_duplicate(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	struct uf_io_zeropage zero = {{(uintptr_t)addr, t->page}, 0, 0};
	struct t_thread th;
	int fd = dup(uf_fd(uf));

	CHECK(fd >= 0);
	t_thread_access(t, &th, addr, T_READ);
	t_thread_asleep(&th);
	t_close(t, uf);
	t_thread_blocked(&th);
	CHECK_EQ(ioctl(fd, UF_IOC_ZEROPAGE, &zero), 0);
	t_thread_join(t, &th, 0);
	close(fd);
}

static void close_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP,
				    t->target->mem == T_ANON ? UF_FEATURE_WP_UNPOPULATED : 0);
	struct uf *other = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 4, UF_REGISTER_MODE_WP);
	struct t_thread th[2];

	memset(addr, 1, 3 * page);
	t_protect(uf, addr, 4 * page);
	t_thread_faults(t, &th[0], uf, addr, T_MODIFY, T_WP);
	t_thread_asleep(&th[0]);
	t_thread_access(t, &th[1], addr + page, T_MODIFY); /* stays unread */
	t_thread_asleep(&th[1]);
	t_close(t, uf);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(addr[0], 2);
	CHECK_EQ(addr[page], 2);
	t_is_open(other, addr + 2 * page);
	/* Nor does it come back. */
	t_register_mode(other, addr, 4 * page, UF_REGISTER_MODE_WP);
	t_is_open(other, addr);
	t_is_open(other, addr + 3 * page);
}

static void close_minor(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, 0);
	char *addr = t_map(t, 2);
	char *twin = t_twin(t, addr, 2);
	struct t_thread th;

	memset(twin, 3, 2 * t->page);
	t_register_mode(uf, addr, 2 * t->page, UF_REGISTER_MODE_MINOR);
	t_thread_access(t, &th, addr, T_READ);
	t_thread_asleep(&th);
	t_close(t, uf);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 3);
	CHECK_EQ(addr[t->page], 3);
}

static void close_poisoned(struct t *t)
{
	struct uf *uf;
	char *addr;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, 0, 0);
	addr = t_registered(t, uf, 2);
	t_poison(uf, addr, t->page);
	t_close(t, uf);
	t_is_poisoned(t, addr);
	CHECK_EQ(t_access(addr + t->page, T_WRITE).sig, 0);
	CHECK_RET(uf_madvise(addr, t->page, MADV_DONTNEED), 0);
	CHECK_EQ(t_access(addr, T_WRITE).sig, 0);
}

const struct t_case close_cases[] = {
	CASE("close.1", close_ordinary, T_ALL),
	CASE("close.2", close_releases, T_ALL),
	CASE("close.2, read.6", close_releases_lost, T_ALL),
	CASE("close.3", close_descriptor, T_ONCE),
	CASE("close.4", close_process, T_ALL),
	CASE("close.5", close_duplicate, T_ALL | T_KERNEL_ONLY | T_SMALL),
	CASE("close.6", close_protected, T_ALL),
	CASE("close.6", close_minor, T_BACKED),
	CASE("close.7", close_poisoned, T_ALL),
	{0},
};
