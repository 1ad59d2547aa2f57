/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/read.md */
#include <poll.h>

#include "suites.h"

#define READ_THREADS 5

/* One thread after the other waits at a page of its own. */
static char *read_waiters(struct t *t, struct uf *uf, struct t_thread *th, int n)
{
	char *addr = t_registered(t, uf, (size_t)n);

	for (int i = 0; i < n; i++) {
		t_thread_access(t, &th[i], addr + (size_t)i * t->page, T_READ);
		t_thread_asleep(&th[i]);
	}
	return addr;
}

static void read_release(struct t *t, struct uf *uf, char *addr, struct t_thread *th, int n)
{
	CHECK_RET(uf_unregister(uf, addr, (size_t)n * t->page), 0);
	for (int i = 0; i < n; i++)
		t_thread_join(t, &th[i], 0);
}

static void read_small(struct t *t)
{
	struct uf *bare = t_open_bare(t, 0);
	struct uf *uf = t_open(t, 0, 0);
	struct t_thread th;
	struct uf_msg msg;
	char *addr;

	CHECK_RET(uf_read(bare, &msg, 1), -EINVAL);
	CHECK_RET(uf_read(uf, &msg, 0), -EINVAL);
	CHECK_RET(t_read_raw(uf, &msg, sizeof(msg) - 1), -EINVAL);
	addr = read_waiters(t, uf, &th, 1);
	CHECK_RET(uf_read(uf, &msg, 0), -EINVAL);
	CHECK_RET(t_read_raw(uf, &msg, sizeof(msg) - 1), -EINVAL);
	CHECK_RET(t_read_raw(uf, NULL, 8), -EINVAL);
	t_fault_at(uf, addr, 0); /* still there */
	read_release(t, uf, addr, &th, 1);
}

static void read_several(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct t_thread th[READ_THREADS];
	char *addr = read_waiters(t, uf, th, READ_THREADS);
	struct uf_msg msg[4];

	memset(msg, 0xee, sizeof(msg));
	/* Room for two and a bit: the bit stays as it was. */
	CHECK_RET(t_read_raw(uf, msg, 2 * sizeof(*msg) + 10), 2 * sizeof(*msg));
	CHECK_EQ(msg[2].event, 0xee);
	CHECK_EQ(msg[0].arg.pagefault.address, (uintptr_t)addr);
	CHECK_EQ(msg[1].arg.pagefault.address, (uintptr_t)addr + t->page);
	/* More room than messages. */
	CHECK_RET(uf_read(uf, msg, 4), 3);
	for (size_t i = 0; i < 3; i++)
		CHECK_EQ(msg[i].arg.pagefault.address, (uintptr_t)addr + (i + 2) * t->page);
	t_message_none(uf);
	read_release(t, uf, addr, th, READ_THREADS);
}

/* Not in the order of addresses, but of arrival. */
static void read_order(struct t *t)
{
	static const size_t order[] = {3, 0, 4, 1, 2};
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, READ_THREADS);
	struct t_thread th[READ_THREADS];

	for (int i = 0; i < READ_THREADS; i++) {
		t_thread_access(t, &th[i], addr + order[i] * t->page, T_READ);
		t_thread_asleep(&th[i]);
	}
	for (int i = 0; i < READ_THREADS; i++)
		t_fault_at(uf, addr + order[i] * t->page, 0);
	read_release(t, uf, addr, th, READ_THREADS);
}

static struct {
	struct uf *uf;
	struct uf_msg msg[4];
	ssize_t ret;
} read_caller;

static void read_call(void *arg)
{
	read_caller.ret = uf_read(read_caller.uf, read_caller.msg, 4);
}

static _Atomic int read_handled;

static void read_handler(int sig)
{
	atomic_fetch_add(&read_handled, 1);
}

static void read_signals(int flags)
{
	struct sigaction act = {.sa_handler = read_handler, .sa_flags = flags};

	sigemptyset(&act.sa_mask);
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
}

/* It returns the first message that comes, and does not wait for a second. */
static void read_waits(struct t *t)
{
	struct uf *uf = t_open(t, T_BLOCKING, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread reader;
	struct t_thread th;

	read_caller.uf = uf;
	t_thread_call(t, &reader, read_call, NULL);
	t_thread_asleep(&reader);
	t_thread_access(t, &th, addr, T_READ);
	t_thread_join(t, &reader, 0);
	CHECK_RET(read_caller.ret, 1);
	CHECK_EQ(read_caller.msg[0].arg.pagefault.address, (uintptr_t)addr);
	read_release(t, uf, addr, &th, 1);
}

static void read_interrupted(struct t *t)
{
	struct uf *uf = t_open(t, T_BLOCKING, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread reader;
	struct t_thread th;

	t_needs_signals();
	read_caller.uf = uf;
	read_signals(0);
	t_thread_call(t, &reader, read_call, NULL);
	t_thread_asleep(&reader);
	CHECK_EQ(pthread_kill(reader.thread, SIGUSR1), 0);
	t_thread_join(t, &reader, 0);
	CHECK_RET(read_caller.ret, -EINTR);

	read_signals(SA_RESTART);
	atomic_store(&read_handled, 0);
	t_thread_call(t, &reader, read_call, NULL);
	t_thread_asleep(&reader);
	CHECK_EQ(pthread_kill(reader.thread, SIGUSR1), 0);
	t_thread_blocked(&reader);
	CHECK_EQ(atomic_load(&read_handled), 1);
	t_thread_access(t, &th, addr, T_READ);
	t_thread_join(t, &reader, 0);
	CHECK_RET(read_caller.ret, 1);
	read_release(t, uf, addr, &th, 1);
}

/* Two readers, two messages: none is read twice, none is forgotten. */
static struct uf_msg read_two_msg[2];

static void read_two_call(void *arg)
{
	CHECK_RET(uf_read(read_caller.uf, arg, 1), 1);
}

static void read_two_readers(struct t *t)
{
	struct uf *uf = t_open(t, T_BLOCKING, 0);
	struct t_thread reader[2];
	struct t_thread th[2];
	char *addr;

	read_caller.uf = uf;
	for (int i = 0; i < 2; i++) {
		t_thread_call(t, &reader[i], read_two_call, &read_two_msg[i]);
		t_thread_asleep(&reader[i]);
	}
	addr = read_waiters(t, uf, th, 2);
	for (int i = 0; i < 2; i++)
		t_thread_join(t, &reader[i], 0);
	CHECK_EQ(read_two_msg[0].arg.pagefault.address + read_two_msg[1].arg.pagefault.address,
		 2 * (uintptr_t)addr + t->page);
	CHECK(read_two_msg[0].arg.pagefault.address != read_two_msg[1].arg.pagefault.address);
	read_release(t, uf, addr, th, 2);
}

static void read_once(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct t_thread th;
	char *addr = read_waiters(t, uf, &th, 1);

	t_fault_at(uf, addr, 0);
	t_message_none(uf);
	t_thread_blocked(&th);
	t_message_none(uf);
	read_release(t, uf, addr, &th, 1);
}

static void read_bad_buffer(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct t_thread th[3];
	char *addr = read_waiters(t, uf, th, 3);
	char *buffer = t_buffer(t, 1);
	struct uf_msg *last = (struct uf_msg *)(buffer + t->page) - 1;

	/* The first is lost. */
	CHECK_RET(uf_read(uf, (struct uf_msg *)(buffer + t->page), 1), -EFAULT);
	/* The second is read, the third lost. */
	CHECK_RET(uf_read(uf, last, 2), 1);
	CHECK_EQ(last->arg.pagefault.address, (uintptr_t)addr + t->page);
	t_message_none(uf);
	for (int i = 0; i < 3; i++)
		t_thread_blocked(&th[i]);
	/* Their threads wait; woken, they ask again. */
	CHECK_RET(uf_wake(uf, addr, t->page), 0);
	t_fault_at(uf, addr, 0);
	CHECK_RET(uf_read(uf, NULL, 1), -EAGAIN);
	read_release(t, uf, addr, th, 3);
}

static void read_into(void *arg)
{
	read_caller.ret = uf_read(read_caller.uf, arg, 1);
}

/* The buffer is a missing page of another one: it is waited for, and told as a write. */
static void read_missing_buffer(struct t *t)
{
	struct uf *owner = t_open(t, 0, 0);
	struct uf *uf = t_open(t, 0, 0);
	char *buffer = t_registered(t, owner, 1);
	struct t_thread reader;
	struct t_thread th;
	char *addr = read_waiters(t, uf, &th, 1);

	read_caller.uf = uf;
	t_thread_call(t, &reader, read_into, buffer + 64);
	t_fault_at(owner, buffer, UF_PAGEFAULT_FLAG_WRITE);
	t_thread_blocked(&reader);
	t_fill(t, owner, buffer, 7, 0);
	t_thread_join(t, &reader, 0);
	CHECK_RET(read_caller.ret, 1);
	CHECK_EQ(((struct uf_msg *)(buffer + 64))->arg.pagefault.address, (uintptr_t)addr);
	/* Nothing else of it was written to. */
	CHECK(t_is_filled(buffer, 64, 7));
	CHECK(t_is_filled(buffer + 64 + sizeof(struct uf_msg), 64, 7));
	read_release(t, uf, addr, &th, 1);
}

static void read_not_waiting(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf_msg msg;
	struct t_thread th;
	char *addr;

	CHECK_RET(uf_read(uf, &msg, 1), -EAGAIN);
	CHECK_RET(uf_read(uf, NULL, 1), -EAGAIN);
	addr = read_waiters(t, uf, &th, 1);
	CHECK_RET(uf_read(uf, &msg, 1), 1);
	CHECK_RET(uf_read(uf, &msg, 1), -EAGAIN);
	read_release(t, uf, addr, &th, 1);
}

/* What poll(2) itself says of the descriptor; the engine's knows no POLLERR: difference 7. */
static void read_check_poll(struct t *t, struct uf *uf, short want)
{
	struct pollfd p = {.fd = uf_fd(uf), .events = POLLIN | POLLOUT};

	CHECK_EQ(uf_poll(uf), want);
	CHECK(poll(&p, 1, 0) >= 0);
	if (t_engine(t))
		CHECK_EQ(p.revents & POLLIN, want & POLLIN);
	else
		CHECK_EQ(p.revents, want);
}

static void read_poll(struct t *t)
{
	struct uf *bare = t_open_bare(t, 0);
	struct uf *uf = t_open(t, 0, 0);
	struct t_thread th[2];
	char *addr;

	read_check_poll(t, bare, POLLERR);
	read_check_poll(t, uf, 0);
	addr = read_waiters(t, uf, th, 2);
	read_check_poll(t, uf, POLLIN);
	read_check_poll(t, uf, POLLIN);
	t_fault_at(uf, addr, 0);
	read_check_poll(t, uf, POLLIN);
	t_fault_at(uf, addr + t->page, 0);
	read_check_poll(t, uf, 0);
	read_release(t, uf, addr, th, 2);
	read_check_poll(t, uf, 0);

	/* A message that vanishes unread. */
	addr = read_waiters(t, uf, th, 1);
	read_check_poll(t, uf, POLLIN);
	t_fill(t, uf, addr, 1, 0);
	t_thread_join(t, &th[0], 0);
	read_check_poll(t, uf, 0);
	t_message_none(uf);
}

static void read_poll_blocking(struct t *t)
{
	struct uf *uf = t_open(t, T_BLOCKING, 0);
	struct t_thread th;
	char *addr = read_waiters(t, uf, &th, 1);

	CHECK_EQ(uf_poll(uf), POLLERR);
	CHECK_EQ(fcntl(uf_fd(uf), F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(uf_poll(uf), POLLIN);
	read_release(t, uf, addr, &th, 1);
}

static void read_layout(struct t *t)
{
	static const uint64_t features[] = {0, UF_FEATURE_THREAD_ID | UF_FEATURE_EXACT_ADDRESS};

	for (int i = 0; i < 2; i++) {
		struct uf *uf = t_open(t, 0, features[i]);
		char *addr = t_registered(t, uf, 1);
		unsigned char raw[32];
		struct uf_msg want;
		struct t_thread th;

		memset(&want, 0, sizeof(want));
		memset(raw, 0xcc, sizeof(raw));
		t_thread_access(t, &th, addr + 40, T_WRITE);
		t_thread_asleep(&th);
		want.event = UF_EVENT_PAGEFAULT;
		want.arg.pagefault.flags = UF_PAGEFAULT_FLAG_WRITE;
		want.arg.pagefault.address = (uintptr_t)addr + (i ? 40 : 0);
		want.arg.pagefault.feat.ptid = i ? (uint32_t)atomic_load(&th.tid) : 0;
		CHECK_RET(t_read_raw(uf, raw, sizeof(raw)), 32);
		CHECK(!memcmp(raw, &want, sizeof(raw)));
		read_release(t, uf, addr, &th, 1);
	}
}

/* The buffer is protected in another one: it is waited for. */
static void read_protected_buffer(struct t *t)
{
	struct uf *owner = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	struct uf *uf = t_open(t, 0, 0);
	char *buffer = t_registered_mode(t, owner, 1, UF_REGISTER_MODE_WP);
	struct t_thread reader;
	struct t_thread th;
	char *addr = read_waiters(t, uf, &th, 1);

	memset(buffer, 7, t->page);
	t_protect(owner, buffer, t->page);
	read_caller.uf = uf;
	t_thread_call(t, &reader, read_into, buffer + 64);
	t_fault_at(owner, buffer, T_WP);
	t_thread_blocked(&reader);
	CHECK(t_is_filled(buffer, t->page, 7));
	t_unprotect(owner, buffer, t->page);
	t_thread_join(t, &reader, 0);
	CHECK_RET(read_caller.ret, 1);
	CHECK_EQ(((struct uf_msg *)(buffer + 64))->arg.pagefault.address, (uintptr_t)addr);
	read_release(t, uf, addr, &th, 1);
}

const struct t_case read_cases[] = {
	CASE("read.1", read_small, T_ONCE),
	CASE("read.2, read.3", read_several, T_ONCE),
	CASE("read.3", read_order, T_ONCE),
	CASE("read.4, read.2", read_waits, T_ALL),
	CASE("read.4", read_interrupted, T_ONCE),
	CASE("read.4, read.5", read_two_readers, T_ONCE),
	CASE("read.5", read_once, T_ONCE),
	CASE("read.6", read_bad_buffer, T_ONCE),
	CASE("fault.2, fault.13", read_missing_buffer, T_ALL),
	CASE("read.7", read_not_waiting, T_ONCE),
	CASE("read.8", read_poll, T_ALL),
	CASE("read.8, open.4", read_poll_blocking, T_ONCE),
	CASE("read.9", read_layout, T_ALL),
	CASE("fault.22", read_protected_buffer, T_ALL),
	{0},
};
