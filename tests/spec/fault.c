/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/fault.md */
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include "fault.h"
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
	t_zero(t, uf, addr + t->page, t->page);
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
const unsigned char fault_return[FAULT_RETURN_SIZE] =
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

	twin = t_twin(t, addr, 3);
	twin[t->page] = 4; /* before */
	t_register(uf, addr, 3 * t->page);
	twin[2 * t->page] = 5; /* after */
	CHECK_EQ(addr[t->page], 4);
	CHECK_EQ(addr[2 * t->page], 5);
	t_message_none(uf);
	addr[2 * t->page] = 6;
	CHECK_EQ(twin[2 * t->page], 6);
	t_message_none(uf);
	t_zero(t, uf, addr, t->page);
}

#define FAULT_SWAP_PAGES 2048

/* What the object has in swap it has: no message, and nothing may be put over it. */
static void fault_object_swapped(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, FAULT_SWAP_PAGES);
	struct sysinfo info;
	char *twin;

	t_needs_linux();
	if (sysinfo(&info) || !info.totalswap)
		t_skip("no swap here");
	twin = t_twin(t, addr, FAULT_SWAP_PAGES);
	memset(twin, 7, FAULT_SWAP_PAGES * page);
	for (int i = 0; i < 30; i++) {
		if (madvise(twin, FAULT_SWAP_PAGES * page, MADV_PAGEOUT))
			t_skip("this kernel does not know MADV_PAGEOUT");
		t_sleep_ms(100); /* written meanwhile, and dropped the next time */
	}
	t_register(uf, addr, FAULT_SWAP_PAGES * page);
	for (size_t i = 0; i < FAULT_SWAP_PAGES; i += 2) {
		CHECK_RET(uf_zeropage(uf, addr + i * page, page, 0, NULL), -EEXIST);
		CHECK_EQ(t_access(addr + (i + 1) * page, T_READ).value, 7);
	}
	CHECK(t_is_filled(addr, FAULT_SWAP_PAGES * page, 7));
	t_message_none(uf);
}

/* It has a page already. */
static void fault_is_taken(struct t *t, struct uf *uf, char *addr)
{
	CHECK_RET(uf_copy(uf, addr, t_buffer(t, 1), t->page, 0, NULL), -EEXIST);
	if (!t_huge(t))
		CHECK_RET(uf_zeropage(uf, addr, t->page, 0, NULL), -EEXIST);
}

/* fallocate(2) gives the object pages that nobody has written. */
static void fault_object_allocated(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 8);
	struct t_thread th = {0};

	t_needs_linux();
	CHECK_EQ(fallocate(t_map_fd(t, addr), 0, (off_t)page, (off_t)(2 * page)), 0);
	CHECK_EQ(fallocate(t_map_fd(t, addr), 0, (off_t)(5 * page), (off_t)page), 0);
	t_register(uf, addr, 8 * page);
	CHECK_EQ(t_access(addr + page, T_READ).value, 0);
	CHECK_EQ(t_access(addr + 5 * page, T_WRITE).sig, 0);
	if (t_shared(t)) {
		fault_is_taken(t, uf, addr + 2 * page);
		fault_is_taken(t, uf, addr + 5 * page);
	}
	if (!t_huge(t))
		CHECK_RET(uf_zeropage(uf, addr + 3 * page, 3 * page, 0, NULL), -EAGAIN);
	t_thread_faults(t, &th, uf, addr + 6 * page, T_READ, 0);
	t_fill(t, uf, addr + 6 * page, 3, 0);
	t_thread_join(t, &th, 0);
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
	char *src;
	int calls;
} fault_inline;

static void fault_inline_handler(int sig, siginfo_t *info, void *uc)
{
	char *page = (char *)((uintptr_t)info->si_addr & ~(uintptr_t)(fault_inline.t->page - 1));

	CHECK_RET(uf_copy(fault_inline.uf, page, fault_inline.src, fault_inline.t->page, 0, NULL),
		  0);
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
	fault_inline.src = t_buffer(t, 1);
	memset(fault_inline.src, 0x42, t->page);
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
		CHECK_RET(uf_copy(uf, addr + 2 * t->page, t_buffer(t, 1), t->page, 0, NULL),
			  -EFAULT);
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

	t_needs_linux(); /* an emulator tells what is mapped while it changes */
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

_Atomic int fault_handled;

void fault_count_handler(int sig)
{
	atomic_fetch_add(&fault_handled, 1);
}

void fault_interrupt(struct t_thread *th)
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
	for (int i = 0; i < 30; i++) {
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
	t_zero(t, uf, addr + 2 * page, 2 * page);
	for (size_t i = 0; i < 4; i++) {
		CHECK_EQ(t_access(addr + i * page, T_READ).sig, 0);
		CHECK_EQ(t_access(addr + i * page, T_WRITE).sig, 0);
		CHECK_EQ(t_access(addr + i * page, T_MODIFY).sig, 0);
	}
	t_message_none(uf);
}

struct fault_writer fault_writer;

void fault_write_call(void *arg)
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

struct fault_toucher fault_toucher;

/* One byte to a pipe: 1 or -errno. */
long fault_write_byte(int fd, const void *byte)
{
	ssize_t n = write(fd, byte, 1);

	return n < 0 ? -errno : n;
}

void fault_touch_call(void *arg)
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
	CHECK_EQ(fault_write_byte(pipe_fd, at), 1);
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
	CHECK_EQ(fault_write_byte(pipe_fds[1], user_addr), -EFAULT);
	if (t_engine(t))
		CHECK_EQ(fault_write_byte(pipe_fds[1], addr), -EFAULT);
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
	CASE("fault.5, copy.9, zeropage.4", fault_object_swapped, T_BACKED | T_SMALL),
	CASE("fault.5, zeropage.4", fault_object_allocated, T_FILE),
	CASE("fault.6", fault_sigbus, T_ALL),
	CASE("fault.6", fault_sigbus_inline, T_ALL),
	CASE("fault.6", fault_user_mode_only, T_ALL),
	CASE("fault.7", fault_beyond_end, T_FILE),
	CASE("fault.8", fault_each_thread, T_ALL),
	CASE("fault.9", fault_no_lost_wake, T_SMALL),
	CASE("fault.10", fault_killed, T_ALL),
	CASE("fault.10, close.4", fault_exit, T_ALL),
	CASE("fault.11", fault_signal_handler, T_ALL),
	CASE("fault.11", fault_nested, T_ALL),
	CASE("fault.11", fault_left_by_jump, T_ALL),
	CASE("fault.12", fault_present, T_ALL),
	CASE("fault.13", fault_system_call, T_ALL | T_KERNEL_ONLY),
	CASE("fault.13, fault.6", fault_touch, T_ALL),
	CASE("fault.12", fault_touch_ordinary, T_ALL),
	{0},
};
