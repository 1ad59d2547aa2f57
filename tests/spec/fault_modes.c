/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/fault.md, fault.14 and after: protected, minor and poisoned pages. */
#include <sys/ioctl.h>

#include "fault.h"
#include "suites.h"

/* A page that may be executed too, with content, protected. */
static char *fault_protected_page(struct t *t, struct uf *uf)
{
	char *addr = t_map(t, 1);

	CHECK_EQ(mprotect(addr, t->page, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	memcpy(addr, fault_return, sizeof(fault_return));
	__builtin___clear_cache(addr, addr + t->page);
	t_register_mode(uf, addr, t->page, UF_REGISTER_MODE_WP);
	t_protect(uf, addr, t->page);
	return addr;
}

static void fault_protected(struct t *t)
{
	static const enum t_access accesses[] = {T_WRITE, T_MODIFY};
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	char *addr = fault_protected_page(t, uf);
	struct t_thread th;

	CHECK_EQ(t_access(addr, T_READ).sig, 0);
	CHECK_EQ(t_access(addr, T_EXEC).sig, 0);
	t_message_none(uf);
	for (size_t i = 0; i < 2; i++) {
		t_thread_access(t, &th, addr + t->page - 1, accesses[i]);
		t_fault_at(uf, addr, T_WP);
		t_thread_blocked(&th);
		/* Others read meanwhile. */
		CHECK_EQ(t_byte(addr + t->page - 1), i ? T_MARK : 0);
		CHECK_EQ(t_access(addr, T_EXEC).sig, 0);
		t_unprotect(uf, addr, t->page);
		t_thread_join(t, &th, 0);
		t_message_none(uf);
		CHECK_EQ(addr[t->page - 1], T_MARK + (int)i);
		CHECK_EQ(t_access(addr, T_EXEC).sig, 0);
		t_protect(uf, addr, t->page);
	}
}

static void fault_protected_exactly(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP,
				    UF_FEATURE_EXACT_ADDRESS | UF_FEATURE_THREAD_ID);
	char *addr = fault_protected_page(t, uf);
	struct uf_msg msg;
	struct t_thread th;

	t_thread_access(t, &th, addr + 123, T_MODIFY);
	msg = t_message(uf);
	CHECK_EQ(msg.arg.pagefault.flags, T_WP);
	CHECK_EQ(msg.arg.pagefault.address, (uintptr_t)addr + 123);
	CHECK_EQ(msg.arg.pagefault.feat.ptid, atomic_load(&th.tid));
	t_unprotect(uf, addr, t->page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(addr[123], 1);
}

static void fault_protected_handler(struct t *t)
{
	struct sigaction act = {.sa_handler = fault_count_handler};
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	char *addr = fault_protected_page(t, uf);
	struct t_thread th;

	t_needs_signals();
	sigemptyset(&act.sa_mask);
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	t_thread_access(t, &th, addr + 9, T_MODIFY);
	t_thread_asleep(&th);
	fault_interrupt(&th); /* unread */
	t_thread_asleep(&th);
	t_fault_at(uf, addr, T_WP);
	t_message_none(uf);
	fault_interrupt(&th);
	t_fault_at(uf, addr, T_WP);
	t_thread_blocked(&th);
	t_unprotect(uf, addr, t->page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(addr[9], 1);
	t_message_none(uf);
}

#define FAULT_WP_ROUNDS 200

static struct {
	_Atomic int *count; /* on the page that is protected */
	_Atomic bool stop;
	_Atomic int writes;
} fault_writers;

static void fault_writer_thread(void *arg)
{
	int n = 0;

	for (; !atomic_load(&fault_writers.stop); n++)
		atomic_fetch_add(fault_writers.count, 1);
	atomic_fetch_add(&fault_writers.writes, n);
}

/*
 * Protection comes and goes while two write. It ends when the first of them is
 * told of, so while the other is about to wait: no wake is lost, and no write.
 */
static void fault_protected_race(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	char *addr = fault_protected_page(t, uf);
	struct t_thread th[2];

	fault_writers.count = (_Atomic int *)(addr + 64);
	for (int i = 0; i < 2; i++)
		t_thread_call(t, &th[i], fault_writer_thread, NULL);
	for (int i = 0; i < FAULT_WP_ROUNDS; i++) {
		t_protect(uf, addr, t->page);
		t_message(uf);
		t_unprotect(uf, addr, t->page);
	}
	atomic_store(&fault_writers.stop, true);
	for (int i = 0; i < 2; i++)
		t_thread_join(t, &th[i], 0);
	CHECK_EQ(atomic_load(fault_writers.count), atomic_load(&fault_writers.writes));
	t_message_none(uf);
}

static void fault_protected_missing(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP,
				    t->target->mem == T_ANON ? UF_FEATURE_WP_UNPOPULATED : 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 3, UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MISSING);
	struct t_thread th;

	t_protect(uf, addr, 3 * page);
	t_thread_faults(t, &th, uf, addr, T_READ, 0);
	t_fill(t, uf, addr, 1, 0);
	t_thread_join(t, &th, 0);
	t_is_open(uf, addr);
	t_thread_faults(t, &th, uf, addr + page, T_MODIFY, UF_PAGEFAULT_FLAG_WRITE);
	t_fill(t, uf, addr + page, 2, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(addr[page], 3);
	t_message_none(uf);
	t_thread_faults(t, &th, uf, addr + 2 * page, T_MODIFY, UF_PAGEFAULT_FLAG_WRITE);
	t_fill(t, uf, addr + 2 * page, 3, UF_COPY_MODE_WP);
	t_fault_at(uf, addr + 2 * page, T_WP);
	t_thread_blocked(&th);
	t_unprotect(uf, addr + 2 * page, page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(addr[2 * page], 4);
	t_message_none(uf);
}

static void fault_minor(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, 0);
	size_t page = t->page;
	char *addr = t_map(t, 4);
	char *twin = t_twin(t, addr, 4);
	struct t_thread th;

	twin[0] = 1;
	t_register_mode(uf, addr, 4 * page, UF_REGISTER_MODE_MINOR);
	twin[page + 1] = 2; /* afterwards */
	t_is_minor(t, uf, addr, 1);
	t_thread_access(t, &th, addr + page + 1, T_MODIFY);
	t_fault_at(uf, addr + page, T_MINOR | UF_PAGEFAULT_FLAG_WRITE);
	/* Woken without having it. */
	CHECK_RET(uf_wake(uf, addr + page, page), 0);
	t_fault_at(uf, addr + page, T_MINOR | UF_PAGEFAULT_FLAG_WRITE);
	t_continue(uf, addr + page, page, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(twin[page + 1], 3);
	t_is_open(uf, addr);
	t_is_open(uf, addr + page);
	/* Of a page that neither has nobody is told. */
	CHECK_EQ(addr[2 * page], 0);
	t_is_open(uf, addr + 2 * page);
	t_is_open(uf, addr + 3 * page);
}

static void fault_minor_exactly(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR,
				    UF_FEATURE_EXACT_ADDRESS | UF_FEATURE_THREAD_ID);
	char *addr = t_map(t, 1);
	char *twin = t_twin(t, addr, 1);
	struct uf_msg msg;
	struct t_thread th;

	twin[77] = 7;
	t_register_mode(uf, addr, t->page, UF_REGISTER_MODE_MINOR);
	t_thread_access(t, &th, addr + 77, T_READ);
	msg = t_message(uf);
	CHECK_EQ(msg.arg.pagefault.flags, T_MINOR);
	CHECK_EQ(msg.arg.pagefault.address, (uintptr_t)addr + 77);
	CHECK_EQ(msg.arg.pagefault.feat.ptid, atomic_load(&th.tid));
	t_continue(uf, addr, t->page, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 7);
}

#define FAULT_MISSING UF_REGISTER_MODE_MISSING
#define FAULT_WP UF_REGISTER_MODE_WP
#define FAULT_MINOR UF_REGISTER_MODE_MINOR

/*
 * Four pages, written to: the object has none of the first two and both of the
 * last two; the second of each is protected. The flags of the messages that
 * come; each is resolved as it asks for, without protecting.
 */
static const struct fault_row {
	uint64_t mode;
	uint64_t flags[4];
} fault_rows[] = {
	{FAULT_MISSING, {UF_PAGEFAULT_FLAG_WRITE, UF_PAGEFAULT_FLAG_WRITE, 0, 0}},
	{FAULT_WP, {0, T_WP, 0, T_WP}},
	{FAULT_MINOR, {0, 0, T_MINOR | UF_PAGEFAULT_FLAG_WRITE, T_MINOR | UF_PAGEFAULT_FLAG_WRITE}},
	{FAULT_MISSING | FAULT_WP, {UF_PAGEFAULT_FLAG_WRITE, UF_PAGEFAULT_FLAG_WRITE, 0, T_WP}},
	{FAULT_MISSING | FAULT_MINOR,
	 {UF_PAGEFAULT_FLAG_WRITE, UF_PAGEFAULT_FLAG_WRITE, T_MINOR | UF_PAGEFAULT_FLAG_WRITE,
	  T_MINOR | UF_PAGEFAULT_FLAG_WRITE}},
	{FAULT_WP | FAULT_MINOR,
	 {0, T_WP, T_MINOR | UF_PAGEFAULT_FLAG_WRITE, T_MINOR | UF_PAGEFAULT_FLAG_WRITE}},
	{FAULT_MISSING | FAULT_WP | FAULT_MINOR,
	 {UF_PAGEFAULT_FLAG_WRITE, UF_PAGEFAULT_FLAG_WRITE, T_MINOR | UF_PAGEFAULT_FLAG_WRITE,
	  T_MINOR | UF_PAGEFAULT_FLAG_WRITE}},
};

static void fault_state(struct t *t, struct uf *uf, char *addr, uint64_t flags)
{
	struct t_thread th;

	if (flags) {
		t_thread_faults(t, &th, uf, addr, T_WRITE, flags);
		t_thread_blocked(&th);
		if (flags & UF_PAGEFAULT_FLAG_WP)
			t_unprotect(uf, addr, t->page);
		else if (flags & T_MINOR)
			t_continue(uf, addr, t->page, 0);
		else
			t_fill(t, uf, addr, 1, 0);
		t_thread_join(t, &th, 0);
	}
	t_is_open(uf, addr);
}

static void fault_states(struct t *t)
{
	struct uf *uf = t_open_mode(t, FAULT_WP | FAULT_MINOR, 0);
	size_t page = t->page;

	for (size_t i = 0; i < sizeof(fault_rows) / sizeof(*fault_rows); i++) {
		const struct fault_row *row = &fault_rows[i];
		char *addr = t_map(t, 4);
		char *twin = t_twin(t, addr, 4);

		memset(twin + 2 * page, 1, 2 * page);
		t_register_mode(uf, addr, 4 * page, row->mode);
		if (row->mode & FAULT_WP) {
			t_protect(uf, addr + page, page);
			t_protect(uf, addr + 3 * page, page);
		}
		for (size_t p = 0; p < 4; p++)
			fault_state(t, uf, addr + p * page, row->flags[p]);
	}
}

/* One access, all three messages: missing, taken out of the mapping again, protected. */
static void fault_three_messages(struct t *t)
{
	struct uf *uf = t_open_mode(t, FAULT_WP | FAULT_MINOR, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 1, FAULT_MISSING | FAULT_WP | FAULT_MINOR);
	struct t_thread th;

	t_thread_faults(t, &th, uf, addr, T_MODIFY, UF_PAGEFAULT_FLAG_WRITE);
	t_fill(t, uf, addr, 4, UF_COPY_MODE_DONTWAKE);
	CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), 0);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_fault_at(uf, addr, T_MINOR | UF_PAGEFAULT_FLAG_WRITE);
	t_continue(uf, addr, page, UF_CONTINUE_MODE_WP);
	t_fault_at(uf, addr, T_WP);
	t_thread_blocked(&th);
	t_unprotect(uf, addr, page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 4);
	CHECK_EQ(addr[0], 5);
	t_message_none(uf);
}

static void fault_poisoned(struct t *t)
{
	static const uint64_t features[] = {0, UF_FEATURE_SIGBUS, UF_FEATURE_EXACT_ADDRESS};

	t_needs_features(t, UF_FEATURE_POISON);
	for (size_t i = 0; i < 3; i++) {
		struct uf *uf = t_open(t, 0, features[i]);
		char *addr = t_registered(t, uf, 2);

		t_poison(uf, addr, t->page);
		t_is_poisoned(t, addr);
		t_is_poisoned(t, addr); /* as often as it is tried */
		t_message_none(uf);
		if (features[i] & UF_FEATURE_SIGBUS)
			CHECK_EQ(t_access(addr + t->page, T_READ).code, BUS_ADRERR);
	}
}

static void fault_poisoned_fetch(struct t *t)
{
	struct uf *uf;
	char *addr;
	struct t_outcome out;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, 0, 0);
	addr = t_map(t, 1);
	CHECK_EQ(mprotect(addr, t->page, PROT_READ | PROT_EXEC), 0);
	t_register(uf, addr, t->page);
	t_poison(uf, addr, t->page);
	out = t_access(addr + 8, T_EXEC);
	CHECK_EQ(out.sig, SIGBUS);
	CHECK(out.addr == addr + 8);
	t_message_none(uf);
}

static void fault_forbidden_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 2, UF_REGISTER_MODE_WP);
	struct t_outcome out;

	memset(addr, 1, 2 * page);
	t_protect(uf, addr, 2 * page);
	CHECK_RET(uf_mprotect(addr, page, PROT_READ), 0);
	CHECK_RET(uf_mprotect(addr + page, page, PROT_NONE), 0);
	out = t_access(addr + 4, T_WRITE);
	CHECK_EQ(out.sig, SIGSEGV);
	CHECK(out.addr == addr + 4);
	CHECK_EQ(t_access(addr, T_READ).sig, 0);
	CHECK_EQ(t_access(addr + page, T_READ).sig, SIGSEGV);
	CHECK_EQ(t_access(addr + page, T_WRITE).sig, SIGSEGV);
	t_message_none(uf);
}

/* read(2) of one byte from a pipe to ADDR: 1 or -errno. */
static long read_byte(const int *pipe_fds, void *addr)
{
	ssize_t n;
	char byte;

	CHECK_EQ(write(pipe_fds[1], "r", 1), 1);
	n = read(pipe_fds[0], addr, 1);
	if (n == 1)
		return 1;
	n = -errno;
	CHECK_EQ(read(pipe_fds[0], &byte, 1), 1); /* it is still there */
	return n;
}

static void fault_sigbus_protected(struct t *t)
{
	static const enum t_access accesses[] = {T_WRITE, T_MODIFY};
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, UF_FEATURE_SIGBUS);
	char *addr = t_registered_mode(t, uf, 1, UF_REGISTER_MODE_WP);
	int pipe_fds[2];

	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	*addr = 1;
	t_protect(uf, addr, t->page);
	CHECK_EQ(t_access(addr, T_READ).sig, 0);
	for (size_t i = 0; i < 2; i++) {
		struct t_outcome out = t_access(addr + 100 + i, accesses[i]);

		CHECK_EQ(out.sig, SIGBUS);
		CHECK_EQ(out.code, BUS_ADRERR);
		CHECK(out.addr == addr + 100 + i);
	}
	CHECK_EQ(read_byte(pipe_fds, addr), -EFAULT);
	t_message_none(uf);
	t_unprotect(uf, addr, t->page);
	CHECK_EQ(read_byte(pipe_fds, addr), 1);
	CHECK_EQ(*addr, 'r');
	t_is_open(uf, addr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void fault_sigbus_minor(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, UF_FEATURE_SIGBUS);
	char *addr = t_map(t, 1);
	char *twin = t_twin(t, addr, 1);
	struct t_outcome out;
	int pipe_fds[2];

	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	*twin = 1;
	t_register_mode(uf, addr, t->page, UF_REGISTER_MODE_MINOR);
	out = t_access(addr + 9, T_READ);
	CHECK_EQ(out.sig, SIGBUS);
	CHECK_EQ(out.code, BUS_ADRERR);
	CHECK(out.addr == addr + 9);
	CHECK_EQ(t_access(addr, T_WRITE).sig, SIGBUS);
	CHECK_EQ(fault_write_byte(pipe_fds[1], addr), -EFAULT);
	t_message_none(uf);
	t_continue(uf, addr, t->page, 0);
	CHECK_EQ(*addr, 1);
	CHECK_EQ(fault_write_byte(pipe_fds[1], addr), 1);
	t_is_open(uf, addr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* What does not wait, and with USER_MODE_ONLY what will not. */
static void fault_system_call_at_once(struct t *t)
{
	size_t page = t->page;
	struct uf *uf;
	char *addr;
	struct t_thread th;
	int pipe_fds[2];
	char byte;

	t_close(t, t_open_mode(t, UF_REGISTER_MODE_WP, 0));
	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, UF_USER_MODE_ONLY, 0);
	addr = t_registered_mode(t, uf, 2, UF_REGISTER_MODE_WP);
	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	*addr = 'p';
	t_protect(uf, addr, page);
	CHECK_EQ(fault_write_byte(pipe_fds[1], addr), 1);
	CHECK_EQ(read(pipe_fds[0], &byte, 1), 1);
	CHECK_EQ(byte, 'p');
	CHECK_EQ(read_byte(pipe_fds, addr), -EFAULT);
	t_message_none(uf);
	t_thread_faults(t, &th, uf, addr, T_WRITE, T_WP);
	t_unprotect(uf, addr, page);
	t_thread_join(t, &th, 0);
	t_poison(uf, addr + page, page);
	CHECK_EQ(fault_write_byte(pipe_fds[1], addr + page), -EFAULT);
	CHECK_EQ(read_byte(pipe_fds, addr + page), -EFAULT);
	t_message_none(uf);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void fault_read_call(void *arg)
{
	fault_writer.ret = read(fault_writer.fd, fault_writer.addr, 5);
}

static void fault_system_call_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	char *addr = t_registered_mode(t, uf, 1, UF_REGISTER_MODE_WP);
	struct t_thread th;
	int pipe_fds[2];

	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	*addr = 'a';
	t_protect(uf, addr, t->page);
	CHECK_EQ(fault_write_byte(pipe_fds[1], addr), 1);
	t_message_none(uf);
	fault_writer.fd = pipe_fds[0];
	fault_writer.addr = addr + 1;
	t_thread_call(t, &th, fault_read_call, NULL);
	t_fault_at(uf, addr, T_WP);
	t_thread_blocked(&th);
	t_unprotect(uf, addr, t->page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(fault_writer.ret, 1);
	CHECK_EQ(addr[1], 'a');
	t_message_none(uf);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void fault_system_call_minor(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, 0);
	char *addr = t_map(t, 1);
	char *twin = t_twin(t, addr, 1);
	struct t_thread th;
	char got[8] = "";
	int pipe_fds[2];

	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	memset(twin, 'm', 8);
	t_register_mode(uf, addr, t->page, UF_REGISTER_MODE_MINOR);
	fault_writer.fd = pipe_fds[1];
	fault_writer.addr = addr;
	t_thread_call(t, &th, fault_write_call, NULL);
	t_fault_at(uf, addr, T_MINOR);
	t_thread_blocked(&th);
	t_continue(uf, addr, t->page, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(fault_writer.ret, 5);
	CHECK_EQ(read(pipe_fds[0], got, 8), 5);
	CHECK(!strcmp(got, "mmmmm"));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* What to do about it where system calls do not wait: touch in order to write. */
static void fault_touch_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	char *addr = t_registered_mode(t, uf, 1, UF_REGISTER_MODE_WP);
	struct t_thread th;
	int pipe_fds[2];

	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	*addr = 1;
	t_protect(uf, addr, t->page);
	CHECK_RET(uf_touch(addr, t->page, 0), 0);
	t_message_none(uf);
	fault_toucher.addr = addr;
	fault_toucher.len = t->page;
	fault_toucher.write = 1;
	t_thread_call(t, &th, fault_touch_call, NULL);
	t_fault_at(uf, addr, T_WP);
	t_thread_blocked(&th);
	t_unprotect(uf, addr, t->page);
	t_thread_join(t, &th, 0);
	CHECK_RET(fault_toucher.ret, 0);
	CHECK_EQ(*addr, 1);
	CHECK_EQ(read_byte(pipe_fds, addr), 1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

const struct t_case fault_mode_cases[] = {
	CASE("fault.14", fault_protected, T_ALL),
	CASE("fault.14, fault.3, fault.4", fault_protected_exactly, T_ALL),
	CASE("fault.14, fault.11", fault_protected_handler, T_ALL),
	CASE("fault.14, fault.9", fault_protected_race, T_ALL),
	CASE("fault.15", fault_protected_missing, T_ALL),
	CASE("fault.16, fault.17", fault_minor, T_OBJECT),
	CASE("fault.16, fault.3, fault.4", fault_minor_exactly, T_BACKED),
	CASE("fault.17, fault.15, fault.16", fault_states, T_BACKED),
	CASE("fault.17, vm.14", fault_three_messages, T_OBJECT),
	CASE("fault.18", fault_poisoned, T_ALL),
	CASE("fault.18", fault_poisoned_fetch, T_ALL),
	CASE("fault.19", fault_forbidden_protected, T_ALL),
	CASE("fault.20", fault_sigbus_protected, T_ALL),
	CASE("fault.20", fault_sigbus_minor, T_BACKED),
	CASE("fault.21, fault.20", fault_system_call_at_once, T_ALL),
	CASE("fault.22, fault.21", fault_system_call_protected, T_ALL | T_KERNEL_ONLY),
	CASE("fault.22", fault_system_call_minor, T_BACKED | T_KERNEL_ONLY),
	CASE("fault.21", fault_touch_protected, T_ALL),
	{0},
};
