/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/fault.md */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "suites.h"

static void fault_forbidden(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 3);
	struct t_outcome out;

	CHECK_EQ(mprotect(addr, t->page, PROT_NONE), 0);
	CHECK_EQ(mprotect(addr + t->page, t->page, PROT_READ), 0);
	t_register(uf, addr, 3 * t->page);
	out = t_access(addr + 3, T_READ);
	CHECK_EQ(out.sig, SIGSEGV);
	CHECK(out.addr == addr + 3);
	out = t_access(addr + t->page + 4, T_WRITE);
	CHECK_EQ(out.sig, SIGSEGV);
	CHECK(out.addr == addr + t->page + 4);
	t_message_none(uf);
	t_fill(t, uf, addr, 1, 0);
	t_fill(t, uf, addr + t->page, 1, 0);
	CHECK_EQ(t_access(addr, T_READ).sig, SIGSEGV);
	CHECK_EQ(t_access(addr + t->page, T_WRITE).sig, SIGSEGV);
	CHECK_EQ(t_access(addr + t->page, T_READ).sig, 0);
	t_message_none(uf);
}

/* Difference 17: what a fetch from missing memory that may not be executed does first. */
static void fault_not_executable(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread th;

#if defined(__x86_64__)
	if (!t_engine(t)) {
		t_thread_access(t, &th, addr, T_EXEC);
		t_fault_at(uf, addr, 0);
		t_fill(t, uf, addr, 0xc3, 0);
		t_thread_join(t, &th, SIGSEGV);
		t_message_none(uf);
		return;
	}
#endif
	t_thread_access(t, &th, addr, T_EXEC);
	t_thread_join(t, &th, SIGSEGV);
	t_message_none(uf);
	t_fill(t, uf, addr, 0xc3, 0);
	CHECK_EQ(t_access(addr, T_EXEC).sig, SIGSEGV);
	t_message_none(uf);
}

/* PROT_WRITE alone lets a processor read. */
static void fault_write_only(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 2);
	struct t_thread th;

	CHECK_EQ(mprotect(addr, 2 * t->page, PROT_WRITE), 0);
	t_register(uf, addr, 2 * t->page);
	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	t_fill(t, uf, addr, 0x31, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0x31);
	t_thread_access(t, &th, addr + t->page, T_WRITE);
	t_fault_at(uf, addr + t->page, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_RET(uf_zeropage(uf, addr + t->page, t->page, 0, NULL), 0);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
}

#define FAULT_MADV_GUARD_INSTALL 102

/* A marker of the program's own, beside registered memory: its SIGSEGV, however often it tries. */
static void fault_own_guard(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 2);

	addr[t->page] = 1;
	/* Emulators take any advice, and do nothing. */
	if (uf_madvise(addr, t->page, -1) == 0 ||
	    uf_madvise(addr, t->page, FAULT_MADV_GUARD_INSTALL))
		t_skip("there are no guard markers for such memory");
	t_register(uf, addr + t->page, t->page);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(t_access(addr, T_READ).sig, SIGSEGV);
		CHECK_EQ(t_access(addr, T_WRITE).sig, SIGSEGV);
	}
	t_message_none(uf);
	CHECK_EQ(addr[t->page], 1);
}

static void fault_flags(struct t *t)
{
	static const struct {
		enum t_access access;
		uint64_t flags;
	} row[] = {
		{T_READ, 0},
		{T_WRITE, UF_PAGEFAULT_FLAG_WRITE},
		{T_MODIFY, UF_PAGEFAULT_FLAG_WRITE},
	};
	struct uf *uf = t_open(t, 0, 0);

	for (size_t i = 0; i < 3; i++) {
		char *addr = t_registered(t, uf, 1);
		struct t_thread th;

		t_thread_access(t, &th, addr, row[i].access);
		t_fault_at(uf, addr, row[i].flags);
		t_fill(t, uf, addr, 0x21, 0);
		t_thread_join(t, &th, 0);
		if (row[i].access != T_WRITE)
			CHECK_EQ(th.outcome.value, 0x21);
		t_message_none(uf);
	}
}

/* The instruction that returns. */
static const unsigned char fault_return[] =
#if defined(__x86_64__)
	{0xc3};
#elif defined(__aarch64__)
	{0xc0, 0x03, 0x5f, 0xd6};
#endif

static void fault_execute(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 1);
	char *code = t_buffer(t, 1);
	struct t_thread th;

	CHECK_EQ(mprotect(addr, t->page, PROT_READ | PROT_EXEC), 0);
	t_register(uf, addr, t->page);
	memcpy(code, fault_return, sizeof(fault_return));
	t_thread_access(t, &th, addr, T_EXEC);
	t_fault_at(uf, addr, 0);
	CHECK_RET(uf_copy(uf, addr, code, t->page, UF_COPY_MODE_DONTWAKE, NULL), 0);
	__builtin___clear_cache(addr, addr + t->page);
	CHECK_RET(uf_wake(uf, addr, t->page), 0);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
}

static void fault_address(struct t *t)
{
	struct uf *rough = t_open(t, 0, 0);
	struct uf *exact = t_open(t, 0, UF_FEATURE_EXACT_ADDRESS);
	size_t last = t->page - 1;
	char *a = t_registered(t, rough, 3);
	char *b = t_registered(t, exact, 3);
	struct t_thread th[2];

	t_thread_access(t, &th[0], a + t->page + last, T_READ);
	t_fault_at(rough, a + t->page, 0);
	t_thread_access(t, &th[1], b + t->page + last, T_WRITE);
	t_fault_at(exact, b + t->page + last, UF_PAGEFAULT_FLAG_WRITE);
	t_fill(t, rough, a + t->page, 1, 0);
	t_fill(t, exact, b + t->page, 1, 0);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[1], 0);
}

static void fault_thread_id(struct t *t)
{
	for (int with = 0; with < 2; with++) {
		struct uf *uf = t_open(t, 0, with ? UF_FEATURE_THREAD_ID : 0);
		char *addr = t_registered(t, uf, 1);
		struct t_thread th;
		struct uf_msg msg;

		t_thread_access(t, &th, addr, T_READ);
		msg = t_message(uf);
		CHECK_EQ(msg.arg.pagefault.feat.ptid, with ? atomic_load(&th.tid) : 0);
		t_fill(t, uf, addr, 1, 0);
		t_thread_join(t, &th, 0);
	}
}

static void fault_object_page(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 3);
	char *twin;

	t_needs_linux();
	twin = mremap(addr, 0, 3 * t->page, MREMAP_MAYMOVE);
	t_adopt(t, twin, 3 * t->page, -1);
	twin[t->page] = 4; /* before */
	t_register(uf, addr, 3 * t->page);
	twin[2 * t->page] = 5; /* after */
	CHECK_EQ(addr[t->page], 4);
	CHECK_EQ(addr[2 * t->page], 5);
	t_message_none(uf);
	addr[2 * t->page] = 6;
	CHECK_EQ(twin[2 * t->page], 6);
	t_message_none(uf);
	CHECK_RET(uf_zeropage(uf, addr, t->page, 0, NULL), 0);
}

static void fault_sigbus(struct t *t)
{
	static const enum t_access accesses[] = {T_READ, T_WRITE, T_MODIFY};
	struct uf *uf = t_open(t, 0, UF_FEATURE_SIGBUS);
	char *addr = t_registered(t, uf, 2);
	int pipe_fds[2];

	for (size_t i = 0; i < 3; i++) {
		struct t_outcome out = t_access(addr + 100 + i, accesses[i]);

		CHECK_EQ(out.sig, SIGBUS);
		CHECK_EQ(out.code, BUS_ADRERR);
		CHECK(out.addr == addr + 100 + i);
	}
	t_message_none(uf);
	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	CHECK_EQ(write(pipe_fds[1], addr, 1), -1);
	CHECK_EQ(errno, EFAULT);
	t_message_none(uf);
	t_fill(t, uf, addr, 8, 0);
	CHECK_EQ(t_access(addr + 100, T_READ).value, 8);
	CHECK_EQ(write(pipe_fds[1], addr, 1), 1);
	CHECK_EQ(t_access(addr + t->page, T_READ).sig, SIGBUS);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* Resolved in the handler, and the access is made again. */
static struct {
	struct t *t;
	struct uf *uf;
	int calls;
} fault_inline;

static void fault_inline_handler(int sig, siginfo_t *info, void *uc)
{
	char *page = (char *)((uintptr_t)info->si_addr & ~(uintptr_t)(fault_inline.t->page - 1));
	static char src[65536];

	memset(src, 0x42, fault_inline.t->page);
	CHECK_RET(uf_copy(fault_inline.uf, page, src, fault_inline.t->page, 0, NULL), 0);
	fault_inline.calls++;
}

static void fault_sigbus_inline_child(struct t *t, void *arg)
{
	struct sigaction act = {.sa_sigaction = fault_inline_handler, .sa_flags = SA_SIGINFO};
	char *addr;

	sigemptyset(&act.sa_mask);
	/* In a fork no engine runs yet; whoever starts one later passes on to us. */
	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	fault_inline.t = t;
	fault_inline.uf = t_open(t, 0, UF_FEATURE_SIGBUS);
	addr = t_registered(t, fault_inline.uf, 4);
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(((volatile char *)addr)[i * t->page + i], 0x42);
	CHECK_EQ(fault_inline.calls, 4);
	t_message_none(fault_inline.uf);
}

static void fault_sigbus_inline(struct t *t)
{
	CHECK_EQ(t_wait(t_fork(t, fault_sigbus_inline_child, NULL)), 0);
}

static void fault_user_mode_only(struct t *t)
{
	struct uf *uf = t_open(t, UF_USER_MODE_ONLY, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread th;
	int pipe_fds[2];

	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	CHECK_EQ(write(pipe_fds[1], addr, 1), -1);
	CHECK_EQ(errno, EFAULT);
	t_message_none(uf);
	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	t_fill(t, uf, addr, 1, 0);
	t_thread_join(t, &th, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void fault_beyond_end(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 3);
	struct t_outcome out;
	struct t_thread th;

	CHECK_EQ(ftruncate(t_map_fd(t, addr), (off_t)(2 * t->page)), 0);
	if (t_engine(t)) { /* difference 19 */
		t_thread_access(t, &th, addr + 2 * t->page + 9, T_READ);
		t_fault_at(uf, addr + 2 * t->page, 0);
		CHECK_RET(uf_zeropage(uf, addr + 2 * t->page, t->page, 0, NULL), -EFAULT);
		t_thread_blocked(&th);
		CHECK_RET(uf_unregister(uf, addr, 3 * t->page), 0);
		t_thread_join(t, &th, SIGBUS);
		CHECK(th.outcome.addr == addr + 2 * t->page + 9);
	}
	out = t_access(addr + 2 * t->page + 9, T_READ);
	CHECK_EQ(out.sig, SIGBUS);
	CHECK_EQ(out.code, BUS_ADRERR);
	CHECK(out.addr == addr + 2 * t->page + 9);
	CHECK_EQ(t_access(addr + 2 * t->page, T_WRITE).sig, SIGBUS);
	t_message_none(uf);
}

static void fault_each_thread(struct t *t)
{
	struct uf *uf = t_open(t, 0, UF_FEATURE_THREAD_ID);
	char *addr = t_registered(t, uf, 1);
	struct t_thread th[3];
	struct uf_msg msg[4];
	unsigned seen = 0;

	for (int i = 0; i < 3; i++) {
		t_thread_access(t, &th[i], addr + i, i == 1 ? T_WRITE : T_READ);
		t_thread_asleep(&th[i]);
	}
	CHECK_RET(uf_read(uf, msg, 4), 3);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(msg[i].arg.pagefault.address, (uintptr_t)addr);
		for (int j = 0; j < 3; j++) {
			if ((int)msg[i].arg.pagefault.feat.ptid != atomic_load(&th[j].tid))
				continue;
			seen |= 1u << j;
			CHECK_EQ(msg[i].arg.pagefault.flags, j == 1);
		}
	}
	CHECK_EQ(seen, 7);
	t_fill(t, uf, addr, 1, 0); /* one resolves them all */
	for (int i = 0; i < 3; i++)
		t_thread_join(t, &th[i], 0);
	t_message_none(uf);
}

#define FAULT_RACE_PAGES 400

static struct {
	char *addr;
	size_t page;
} fault_race;

static void fault_racer(void *arg)
{
	for (size_t i = 0; i < FAULT_RACE_PAGES; i++)
		(void)*(volatile char *)(fault_race.addr + i * fault_race.page);
}

/* Two go over the pages as they are filled; one that slept through its wake would never end. */
static void fault_no_lost_wake(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct t_thread th[2];

	fault_race.page = t->page;
	fault_race.addr = t_registered(t, uf, FAULT_RACE_PAGES);
	for (int i = 0; i < 2; i++)
		t_thread_call(t, &th[i], fault_racer, NULL);
	for (size_t i = 0; i < FAULT_RACE_PAGES; i++)
		t_fill(t, uf, fault_race.addr + i * t->page, 1, 0);
	for (int i = 0; i < 2; i++)
		t_thread_join(t, &th[i], 0);
	t_message_none(uf);
}

/* A program whose main thread, or another one, waits for a page that nobody will fill. */
static void fault_stuck(struct t *t, void *arg)
{
	int *ready = arg;
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);

	/* Whoever started us may ignore some. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	CHECK_EQ(write(ready[1], "", 1), 1);
	(void)*(volatile char *)addr;
}

static void fault_touch_thread(void *arg)
{
	(void)*(volatile char *)arg;
}

static void fault_stuck_exit(struct t *t, void *arg)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread th;

	t_thread_call(t, &th, fault_touch_thread, addr);
	t_thread_asleep(&th);
	t_message(uf);
	exit(42);
}

static void fault_killed(struct t *t)
{
	static const int signals[] = {SIGTERM, SIGKILL, SIGINT};

	for (size_t i = 0; i < 3; i++) {
		int ready[2];
		char byte;
		pid_t pid;
		int status;

		CHECK_EQ(pipe2(ready, O_CLOEXEC), 0);
		pid = t_fork(t, fault_stuck, ready);
		CHECK_EQ(read(ready[0], &byte, 1), 1);
		t_sleep_ms(i == 0 ? 1 : 20);
		CHECK_EQ(kill(pid, signals[i]), 0);
		status = t_wait(pid);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), signals[i]);
		close(ready[0]);
		close(ready[1]);
	}
}

static void fault_exit(struct t *t)
{
	int status = t_wait(t_fork(t, fault_stuck_exit, NULL));

	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 42);
}

static _Atomic int fault_handled;

static void fault_count_handler(int sig)
{
	atomic_fetch_add(&fault_handled, 1);
}

static void fault_interrupt(struct t_thread *th)
{
	int before = atomic_load(&fault_handled);

	CHECK_EQ(pthread_kill(th->thread, SIGUSR1), 0);
	for (int i = 0; atomic_load(&fault_handled) == before; i++) {
		CHECK(i < 5000);
		t_sleep_ms(1);
	}
}

static void fault_signal_handler(struct t *t)
{
	static const int flags[] = {0, SA_RESTART};
	struct uf *uf = t_open(t, 0, UF_FEATURE_THREAD_ID);

	t_needs_signals();
	for (size_t i = 0; i < 2; i++) {
		struct sigaction act = {.sa_handler = fault_count_handler, .sa_flags = flags[i]};
		char *addr = t_registered(t, uf, 1);
		struct uf_msg msg[4];
		struct t_thread th;

		sigemptyset(&act.sa_mask);
		CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
		t_thread_access(t, &th, addr, T_WRITE);
		t_thread_asleep(&th);
		/* Unread: the old message goes when the new one comes. */
		fault_interrupt(&th);
		t_thread_asleep(&th);
		t_message_pending(uf);
		CHECK_RET(uf_read(uf, msg, 4), 1);
		CHECK_EQ(msg[0].arg.pagefault.feat.ptid, atomic_load(&th.tid));
		/* Read: a second one. */
		fault_interrupt(&th);
		t_fault_at(uf, addr, UF_PAGEFAULT_FLAG_WRITE);
		t_message_none(uf);
		t_thread_blocked(&th);
		t_fill(t, uf, addr, 1, 0);
		t_thread_join(t, &th, 0);
		CHECK_EQ((unsigned char)addr[0], T_MARK);
		t_message_none(uf);
	}
}

/* The handler itself meets a missing page, and another handler after it. */
static char *fault_nested_addr;

static void fault_nested_handler(int sig)
{
	*(volatile char *)fault_nested_addr = 1;
	atomic_fetch_add(&fault_handled, 1);
}

static void fault_nested(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct sigaction act = {.sa_handler = fault_nested_handler};
	char *addr = t_registered(t, uf, 2);
	struct t_thread th;

	t_needs_signals();
	sigemptyset(&act.sa_mask);
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	fault_nested_addr = addr + t->page;
	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	CHECK_EQ(pthread_kill(th.thread, SIGUSR1), 0);
	t_fault_at(uf, addr + t->page, UF_PAGEFAULT_FLAG_WRITE);
	/* Resolving the outer one does not end the inner wait. */
	t_fill(t, uf, addr, 1, 0);
	t_thread_blocked(&th);
	t_fill(t, uf, addr + t->page, 2, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(addr[t->page], 1);
	t_message_none(uf);
}

/* A handler that never comes back to the access: the wait is over for good. */
static sigjmp_buf fault_jump;

static void fault_jump_handler(int sig)
{
	siglongjmp(fault_jump, 1);
}

static void fault_jumper(void *arg)
{
	if (sigsetjmp(fault_jump, 1) == 0)
		(void)*(volatile char *)arg;
}

static void fault_left_by_jump(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct sigaction act = {.sa_handler = fault_jump_handler};
	char *addr = t_registered(t, uf, 1);
	struct t_thread th;

	t_needs_signals();
	sigemptyset(&act.sa_mask);
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	for (int i = 0; i < 20; i++) {
		t_thread_call(t, &th, fault_jumper, addr);
		t_thread_asleep(&th);
		t_fault_at(uf, addr, 0);
		CHECK_EQ(pthread_kill(th.thread, SIGUSR1), 0);
		t_thread_join(t, &th, 0);
		t_message_none(uf);
	}
	t_fill(t, uf, addr, 1, 0);
	CHECK_EQ(addr[0], 1);
}

static void fault_present(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 4);

	addr[0] = 1;
	t_register(uf, addr, 4 * page);
	t_fill(t, uf, addr + page, 2, 0);
	CHECK_RET(uf_zeropage(uf, addr + 2 * page, 2 * page, 0, NULL), 0);
	for (size_t i = 0; i < 4; i++) {
		CHECK_EQ(t_access(addr + i * page, T_READ).sig, 0);
		CHECK_EQ(t_access(addr + i * page, T_WRITE).sig, 0);
		CHECK_EQ(t_access(addr + i * page, T_MODIFY).sig, 0);
	}
	t_message_none(uf);
}

static struct {
	int fd;
	char *addr;
	ssize_t ret;
} fault_writer;

static void fault_write_call(void *arg)
{
	fault_writer.ret = write(fault_writer.fd, fault_writer.addr, 5);
}

static void fault_system_call(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread th;
	char got[8] = "";
	int pipe_fds[2];

	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	fault_writer.fd = pipe_fds[1];
	fault_writer.addr = addr;
	t_thread_call(t, &th, fault_write_call, NULL);
	t_fault_at(uf, addr, 0);
	t_thread_blocked(&th);
	t_fill(t, uf, addr, 'x', 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(fault_writer.ret, 5);
	CHECK_EQ(read(pipe_fds[0], got, 8), 5);
	CHECK(!strcmp(got, "xxxxx"));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static struct {
	char *addr;
	size_t len;
	int write;
	int ret;
} fault_toucher;

/* One byte to a pipe: 1 or -errno. */
static long write_byte(int fd, const void *byte)
{
	ssize_t n = write(fd, byte, 1);

	return n < 0 ? -errno : n;
}

static void fault_touch_call(void *arg)
{
	fault_toucher.ret = uf_touch(fault_toucher.addr, fault_toucher.len, fault_toucher.write);
}

/* A page of UF is touched, waited for and filled; then the kernel reaches it. */
static void fault_touch_one(struct t *t, struct uf *uf, char *at, int write, int pipe_fd)
{
	struct t_thread th;

	fault_toucher.addr = at + t->page - 3;
	fault_toucher.len = 2;
	fault_toucher.write = write;
	t_thread_call(t, &th, fault_touch_call, NULL);
	t_fault_at(uf, at, write ? UF_PAGEFAULT_FLAG_WRITE : 0);
	t_thread_blocked(&th);
	t_fill(t, uf, at, 5, 0);
	t_thread_join(t, &th, 0);
	CHECK_RET(fault_toucher.ret, 0);
	CHECK(t_is_filled(at, t->page, 5));
	CHECK_EQ(write_byte(pipe_fd, at), 1);
}

/* Difference 6, and what to do about it: on either backend the call afterwards succeeds. */
static void fault_touch(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *user = t_open(t, UF_USER_MODE_ONLY, 0);
	struct uf *bus = t_open(t, 0, UF_FEATURE_SIGBUS);
	char *addr = t_registered(t, uf, 2);
	char *user_addr = t_registered(t, user, 2);
	char *fails = t_registered(t, bus, 1);
	char *nowhere = t_buffer(t, 1) - t->page;
	int pipe_fds[2];

	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	CHECK_EQ(write_byte(pipe_fds[1], user_addr), -EFAULT);
	if (t_engine(t))
		CHECK_EQ(write_byte(pipe_fds[1], addr), -EFAULT);
	for (int write = 0; write < 2; write++) {
		fault_touch_one(t, uf, addr + (size_t)write * t->page, write, pipe_fds[1]);
		fault_touch_one(t, user, user_addr + (size_t)write * t->page, write, pipe_fds[1]);
	}
	CHECK_RET(uf_touch(addr, 2 * t->page, 1), 0);
	CHECK_RET(uf_touch(nowhere, 0, 0), 0);
	CHECK_RET(uf_touch(nowhere, 1, 0), -EFAULT);
	CHECK_RET(uf_touch(nowhere, 1, 1), -EFAULT);
	CHECK_RET(uf_touch((void *)-100, 200, 0), -EFAULT);
	CHECK_RET(uf_touch(fails, 1, 0), -EFAULT);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* Nobody has asked for a kernel userfaultfd with USER_MODE_ONLY: the kernel touches for us. */
static void fault_touch_bare(struct t *t, void *arg)
{
	char *addr = arg;
	char *nowhere = t_buffer(t, 1) - t->page;

	addr[0] = 3;
	CHECK_RET(uf_touch(addr, t->page, 0), 0);
	CHECK_RET(uf_touch(addr + 1, t->page - 1, 1), 0);
	CHECK_EQ(addr[0], 3);
	CHECK_RET(uf_touch(nowhere, 1, 0), -EFAULT);
	CHECK_RET(uf_touch(nowhere, 1, 1), -EFAULT);
	CHECK_EQ(mprotect(addr, t->page, PROT_READ), 0);
	CHECK_RET(uf_touch(addr, 1, 0), 0);
	CHECK_RET(uf_touch(addr, 1, 1), -EFAULT);
}

static void fault_touch_ordinary(struct t *t)
{
	char *addr = t_map(t, 1);

	fault_touch_bare(t, addr);
	/* In a child no machine runs. */
	CHECK_EQ(mprotect(addr, t->page, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(t_wait(t_fork(t, fault_touch_bare, addr)), 0);
}

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
	CHECK_EQ(write_byte(pipe_fds[1], addr), -EFAULT);
	t_message_none(uf);
	t_continue(uf, addr, t->page, 0);
	CHECK_EQ(*addr, 1);
	CHECK_EQ(write_byte(pipe_fds[1], addr), 1);
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
	CHECK_EQ(write_byte(pipe_fds[1], addr), 1);
	CHECK_EQ(read(pipe_fds[0], &byte, 1), 1);
	CHECK_EQ(byte, 'p');
	CHECK_EQ(read_byte(pipe_fds, addr), -EFAULT);
	t_message_none(uf);
	t_thread_faults(t, &th, uf, addr, T_WRITE, T_WP);
	t_unprotect(uf, addr, page);
	t_thread_join(t, &th, 0);
	t_poison(uf, addr + page, page);
	CHECK_EQ(write_byte(pipe_fds[1], addr + page), -EFAULT);
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
	CHECK_EQ(write_byte(pipe_fds[1], addr), 1);
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

const struct t_case fault_cases[] = {
	CASE("fault.1", fault_forbidden, T_ALL),
	CASE("fault.1", fault_not_executable, T_ALL),
	CASE("fault.1", fault_write_only, T_ALL),
	CASE("fault.1", fault_own_guard, T_ALL),
	CASE("fault.2", fault_flags, T_ALL),
	CASE("fault.2", fault_execute, T_ALL),
	CASE("fault.3", fault_address, T_ALL),
	CASE("fault.4", fault_thread_id, T_ALL),
	CASE("fault.5", fault_object_page, T_OBJECT),
	CASE("fault.6", fault_sigbus, T_ALL),
	CASE("fault.6", fault_sigbus_inline, T_ALL),
	CASE("fault.6", fault_user_mode_only, T_ALL),
	CASE("fault.7", fault_beyond_end, T_FILE),
	CASE("fault.8", fault_each_thread, T_ALL),
	CASE("fault.9", fault_no_lost_wake, T_ALL),
	CASE("fault.10", fault_killed, T_ALL),
	CASE("fault.10, close.4", fault_exit, T_ALL),
	CASE("fault.11", fault_signal_handler, T_ALL),
	CASE("fault.11", fault_nested, T_ALL),
	CASE("fault.11", fault_left_by_jump, T_ALL),
	CASE("fault.12", fault_present, T_ALL),
	CASE("fault.13", fault_system_call, T_ALL | T_KERNEL_ONLY),
	CASE("fault.13, fault.6", fault_touch, T_ALL),
	CASE("fault.12", fault_touch_ordinary, T_ALL),
	CASE("fault.14", fault_protected, T_ALL),
	CASE("fault.14, fault.3, fault.4", fault_protected_exactly, T_ALL),
	CASE("fault.14, fault.11", fault_protected_handler, T_ALL),
	CASE("fault.14, fault.9", fault_protected_race, T_ALL),
	CASE("fault.15", fault_protected_missing, T_ALL),
	CASE("fault.16, fault.17", fault_minor, T_OBJECT),
	CASE("fault.16, fault.3, fault.4", fault_minor_exactly, T_OBJECT),
	CASE("fault.17, fault.15, fault.16", fault_states, T_OBJECT),
	CASE("fault.17, vm.14", fault_three_messages, T_OBJECT),
	CASE("fault.18", fault_poisoned, T_ALL),
	CASE("fault.18", fault_poisoned_fetch, T_ALL),
	CASE("fault.19", fault_forbidden_protected, T_ALL),
	CASE("fault.20", fault_sigbus_protected, T_ALL),
	CASE("fault.20", fault_sigbus_minor, T_OBJECT),
	CASE("fault.21, fault.20", fault_system_call_at_once, T_ALL),
	CASE("fault.22, fault.21", fault_system_call_protected, T_ALL | T_KERNEL_ONLY),
	CASE("fault.22", fault_system_call_minor, T_OBJECT | T_KERNEL_ONLY),
	CASE("fault.21", fault_touch_protected, T_ALL),
	{0},
};
