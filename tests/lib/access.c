/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accesses that may end in a signal, and the threads that make them. The
 * handler is installed before any engine starts, which passes on to it what
 * is not the engine's own.
 */
#include <sys/syscall.h>
#include <ucontext.h>

#include "lib/conform.h"

/* Mostly untouched; a sanitizer takes the better half of a megabyte. */
#define ACCESS_STACK (2 * 1024 * 1024)

/* What must not happen is given this long to happen. */
#define ACCESS_GRACE_MS 15

#define ACCESS_PATIENCE_MS 8000

struct access_catch {
	sigjmp_buf env;
	struct t_outcome outcome;
};

static _Thread_local struct access_catch *volatile access_current;

static void access_handler(int sig, siginfo_t *info, void *uc)
{
	struct access_catch *c = access_current;

	if (!c) {
		/* A bug, of the test or of the library: die where it is. */
		signal(sig, SIG_DFL);
		return;
	}
	access_current = NULL;
	c->outcome.sig = sig;
	c->outcome.code = info->si_code;
	c->outcome.addr = info->si_addr;
	if (sig == SIGBUS && info->si_code == BUS_MCEERR_AR)
		c->outcome.lsb = info->si_addr_lsb;
	siglongjmp(c->env, 1);
}

void t_access_install(void)
{
	struct sigaction act = {.sa_sigaction = access_handler, .sa_flags = SA_SIGINFO};

	sigemptyset(&act.sa_mask);
	CHECK_EQ(sigaction(SIGSEGV, &act, NULL), 0);
	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
}

static void access_make(char *addr, enum t_access access, struct t_outcome *out)
{
	_Atomic unsigned char *byte = (_Atomic unsigned char *)addr;
	void (*fn)(void);

	switch (access) {
	case T_READ:
		out->value = atomic_load_explicit(byte, memory_order_relaxed);
		break;
	case T_WRITE:
		atomic_store_explicit(byte, T_MARK, memory_order_relaxed);
		break;
	case T_MODIFY:
		/* Relaxed: for any other order ThreadSanitizer holds a lock meanwhile. */
		out->value = atomic_fetch_add_explicit(byte, 1, memory_order_relaxed);
		break;
	case T_EXEC:
		memcpy(&fn, &addr, sizeof(fn));
		fn();
		break;
	}
}

struct t_outcome t_access(char *addr, enum t_access access)
{
	struct access_catch c;

	memset(&c.outcome, 0, sizeof(c.outcome));
	if (sigsetjmp(c.env, 1) == 0) {
		access_current = &c;
		access_make(addr, access, &c.outcome);
		access_current = NULL;
	}
	return c.outcome;
}

static void *access_thread(void *arg)
{
	struct t_thread *th = arg;

	atomic_store(&th->tid, (int)syscall(SYS_gettid));
	if (th->fn)
		th->fn(th->arg);
	else
		th->outcome = t_access(th->addr, th->access);
	atomic_store(&th->done, true);
	return NULL;
}

/* A stack of our own: libc would keep its mapping for the next thread. */
static void access_start(struct t *t, struct t_thread *th)
{
	pthread_attr_t attr;

	atomic_store(&th->tid, 0);
	atomic_store(&th->done, false);
	th->stack = mmap(NULL, ACCESS_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	CHECK(th->stack != MAP_FAILED);
	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setstack(&attr, th->stack, ACCESS_STACK), 0);
	CHECK_EQ(pthread_create(&th->thread, &attr, access_thread, th), 0);
	pthread_attr_destroy(&attr);
	while (!atomic_load(&th->tid))
		t_sleep_ms(0);
}

void t_thread_access(struct t *t, struct t_thread *th, char *addr, enum t_access access)
{
	th->addr = addr;
	th->access = access;
	th->fn = NULL;
	access_start(t, th);
}

void t_thread_faults(struct t *t, struct t_thread *th, struct uf *uf, char *addr,
		     enum t_access access, uint64_t flags)
{
	t_thread_access(t, th, addr, access);
	t_fault_at(uf, addr, flags);
	/* Its message comes first, and then it looks once more whether it has to wait. */
	t_thread_asleep(th);
}

void t_thread_call(struct t *t, struct t_thread *th, void (*fn)(void *), void *arg)
{
	th->fn = fn;
	th->arg = arg;
	memset(&th->outcome, 0, sizeof(th->outcome));
	access_start(t, th);
}

static char access_state(int tid)
{
	char path[64];
	char line[256];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	line[n] = 0;
	end = strrchr(line, ')');
	return end && end[1] ? end[2] : 0;
}

void t_thread_asleep(struct t_thread *th)
{
	int seen = 0;
	char state;

	for (int i = 0; seen < 2; i++) {
		if (atomic_load(&th->done))
			t_fail(__FILE__, __LINE__, "the thread goes on, but should wait");
		if (i == ACCESS_PATIENCE_MS)
			t_fail(__FILE__, __LINE__, "the thread does not sleep");
		state = access_state(atomic_load(&th->tid));
		/* The kernel lets nobody interrupt who waits for an event to be read. */
		seen = state == 'S' || state == 'D' ? seen + 1 : 0;
		t_sleep_ms(1);
	}
}

void t_thread_blocked(struct t_thread *th)
{
	t_sleep_ms(ACCESS_GRACE_MS);
	if (atomic_load(&th->done))
		t_fail(__FILE__, __LINE__, "the thread goes on, but should wait");
}

void t_thread_join(struct t *t, struct t_thread *th, int sig)
{
	for (int i = 0; !atomic_load(&th->done); i++) {
		if (i == ACCESS_PATIENCE_MS)
			t_fail(__FILE__, __LINE__, "the thread still waits");
		t_sleep_ms(i < 10 ? 0 : 1);
	}
	CHECK_EQ(pthread_join(th->thread, NULL), 0);
	munmap(th->stack, ACCESS_STACK);
	CHECK_EQ(th->outcome.sig, sig);
}
