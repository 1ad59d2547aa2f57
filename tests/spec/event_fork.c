/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec/event.md: forks that are told of, and what the child's context can do.
 *
 * On the kernel a thread that waits in fork holds what libc locks around it, so nobody
 * allocates or uses a stream meanwhile.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "event.h"
#include "handover.h"

/* A thread forks, and lives as long as its child, which would be killed with it. */
struct event_fork {
	struct event_call c; /* first */
	struct t *t;
	void (*fn)(struct t *t, void *arg);
	void *arg;
	_Atomic pid_t pid; /* 0: not yet forked */
};

static void event_fork_make(struct event_call *c)
{
	struct event_fork *f = (struct event_fork *)c;

	f->pid = t_fork(f->t, f->fn, f->arg);
	c->ret = t_wait(f->pid);
}

/*
 * A child that had all of its pages stays until it is told to go: who has filled the last
 * one may be answered by nobody otherwise.
 */
static int event_fork_go[2];

static void event_fork_hold(void)
{
	char byte;

	CHECK_EQ(read(event_fork_go[0], &byte, 1), 1);
}

static void event_fork_release(void)
{
	CHECK_EQ(write(event_fork_go[1], "x", 1), 1);
}

static void event_fork_begin(struct t *t, struct event_fork *f, void (*fn)(struct t *, void *),
			     void *arg)
{
	t_needs_threads_after_fork();
	if (T_THREAD_SANITIZER)
		t_skip("ThreadSanitizer cannot start a thread while a fork is handled");
	CHECK_EQ(pipe2(event_fork_go, O_CLOEXEC), 0);
	*f = (struct event_fork){.t = t, .fn = fn, .arg = arg};
	event_begin(t, &f->c, event_fork_make);
}

static void event_fork_blocked(struct event_fork *f)
{
	t_thread_blocked(&f->c.th);
	CHECK_EQ(f->pid, 0);
}

/* The fork is through. */
static void event_fork_done(struct event_fork *f)
{
	for (int i = 0; !f->pid; i++) {
		CHECK(i < 8000);
		t_sleep_ms(1);
	}
}

/* The message; the handle that it brings is the caller's to close. */
static struct uf *event_fork_adopt(struct t *t, struct uf *uf)
{
	struct uf_msg msg = t_message(uf);

	CHECK_EQ(msg.event, UF_EVENT_FORK);
	return handover_adopt(t, (int)msg.arg.fork.ufd);
}

/* The child's handle. */
static struct uf *event_fork_child(struct t *t, struct uf *uf, struct event_fork *f,
				   void (*fn)(struct t *, void *), void *arg)
{
	struct uf *child;

	event_fork_begin(t, f, fn, arg);
	t_message_pending(uf);
	t_thread_asleep(&f->c.th);
	CHECK_EQ(f->pid, 0);
	child = event_fork_adopt(t, uf);
	event_fork_done(f);
	return child;
}

static void event_fork_join(struct t *t, struct event_fork *f)
{
	event_end(t, &f->c, 0);
	close(event_fork_go[0]);
	close(event_fork_go[1]);
}

static void event_fork_end(struct t *t, struct event_fork *f, struct uf *child)
{
	event_fork_release();
	event_fork_join(t, f);
	uf_close(child);
}

static void event_fork_nothing(struct t *t, void *arg)
{
	(void)t;
	(void)arg;
}

/* --- Who is told --- */

static void event_fork_told(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	struct uf *also = t_open(t, 0, EVENT_FORKS);
	struct uf *empty = t_open(t, 0, EVENT_FORKS);
	struct uf *not = t_open(t, 0, EVENT_ALL);
	char *addr = t_registered(t, uf, 4);
	struct event_fork f;
	struct uf *child[2];
	struct uf *second;
	struct uf *first;
	struct uf_msg msg[2];
	char *other;

	/* Two ranges are told of once. */
	CHECK_RET(uf_unregister(uf, addr + t->page, t->page), 0);
	other = t_registered(t, also, 1);
	t_registered(t, not, 1);
	/* One after the other, in address order. */
	first = other < addr ? also : uf;
	second = other < addr ? uf : also;
	event_fork_begin(t, &f, event_fork_nothing, NULL);
	t_message_pending(first);
	t_thread_asleep(&f.c.th);
	event_fork_blocked(&f);
	CHECK_RET(uf_read(first, &msg[0], 1), 1);
	t_message_pending(second);
	event_fork_blocked(&f);
	CHECK_RET(uf_read(second, &msg[1], 1), 1);
	event_fork_done(&f);
	for (size_t i = 0; i < 2; i++) {
		CHECK_EQ(msg[i].event, UF_EVENT_FORK);
		CHECK_EQ(msg[i].arg.reserved.reserved2, 0);
		CHECK_EQ(msg[i].arg.reserved.reserved3, 0);
		child[i] = handover_adopt(t, (int)msg[i].arg.fork.ufd);
	}
	t_message_none(uf);
	t_message_none(also);
	t_message_none(empty);
	t_message_none(not );
	uf_close(child[1]);
	event_fork_end(t, &f, child[0]);
}

static int event_fork_thread(void *arg)
{
	(void)arg;
	return 0;
}

/* Neither a process that shares the memory, nor the end of the registration. */
static void event_fork_not_told(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_registered(t, uf, 2);
	char *stack = t_map_of(t, T_ANON, 16);
	pid_t pid;

	t_needs_linux();
	pid = clone(event_fork_thread, stack + 16 * t->page, CLONE_VM | CLONE_VFORK | SIGCHLD,
		    NULL);
	CHECK(pid > 0);
	CHECK_EQ(t_wait(pid), 0);
	t_message_none(uf);
	CHECK_RET(uf_unregister(uf, addr, 2 * t->page), 0);
	CHECK_EQ(t_wait(t_fork(t, event_fork_nothing, NULL)), 0);
	t_message_none(uf);
}

/* --- What the child has --- */

static void event_fork_pages_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK_EQ(addr[0], 5);
	addr[0] = 9;
	/* Missing in the parent, and so here. */
	CHECK_EQ(addr[t->page], 7);
	addr[2 * t->page] = 3;
	CHECK_EQ(addr[2 * t->page], 3);
	CHECK_EQ(addr[3 * t->page], 8);
	event_fork_hold();
}

static void event_fork_pages(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_registered(t, uf, 4);
	bool object = t_shared(t);
	struct event_fork f;
	struct uf_msg msg;
	struct uf *child;

	t_fill(t, uf, addr, 5, 0);
	child = event_fork_child(t, uf, &f, event_fork_pages_child, addr);
	msg = t_message(child);
	CHECK_EQ(msg.event, UF_EVENT_PAGEFAULT);
	CHECK_EQ(msg.arg.pagefault.address, (uintptr_t)addr + t->page);
	CHECK_EQ(msg.arg.pagefault.feat.ptid, f.pid);
	t_fill(t, child, addr + t->page, 7, 0);
	t_fault_at(child, addr + 2 * t->page, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_RET(uf_zeropage(child, addr + 2 * t->page, t->page, 0, NULL), 0);
	t_fault_at(child, addr + 3 * t->page, 0);
	t_fill(t, child, addr + 3 * t->page, 8, 0);
	event_fork_end(t, &f, child);
	/* Private memory is the parent's own; an object is not. */
	CHECK_EQ(addr[0], object ? 9 : 5);
	if (object) {
		CHECK_EQ(addr[t->page], 7);
	} else {
		event_watched(t, uf, addr + t->page);
	}
	t_message_none(uf);
}

#define EVENT_FORK_BOTH (UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP)

struct event_fork_modes {
	char *wp;
	char *poison;
};

static void event_fork_modes_child(struct t *t, void *arg)
{
	struct event_fork_modes *m = arg;

	CHECK_EQ(t_access(m->wp + t->page, T_WRITE).sig, 0);
	CHECK_EQ(m->wp[0], 1);
	CHECK_EQ(t_access(m->wp, T_WRITE).sig, 0);
	CHECK_EQ(m->wp[0], T_MARK);
	t_is_poisoned(t, m->poison);
	CHECK_EQ(t_access(m->poison + t->page, T_READ).value, 4);
	event_fork_hold();
}

/* Protected, poisoned, marked. */
static void event_fork_modes(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, EVENT_FORKS | UF_FEATURE_POISON);
	size_t page = t->page;
	struct event_fork_modes m = {.wp = t_registered_mode(t, uf, 2, EVENT_FORK_BOTH),
				     .poison = t_registered_mode(t, uf, 2, EVENT_FORK_BOTH)};
	struct event_fork f;
	struct uf *child;

	t_fill(t, uf, m.wp, 1, 0);
	t_fill(t, uf, m.wp + page, 1, 0);
	t_protect(uf, m.wp, page);
	t_poison(uf, m.poison, page);
	child = event_fork_child(t, uf, &f, event_fork_modes_child, &m);
	t_fault_at(child, m.wp, T_WP);
	t_unprotect(child, m.wp, page);
	t_fault_at(child, m.poison + page, 0);
	t_fill(t, child, m.poison + page, 4, 0);
	event_fork_end(t, &f, child);
	t_is_protected(t, uf, m.wp);
	t_is_poisoned(t, m.poison);
}

static void event_fork_minor_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK_EQ(addr[0], 6);
	CHECK_EQ(addr[t->page], 0);
	event_fork_hold();
}

/* Which pages the parent has mapped already does not matter to the child. */
static void event_fork_minor(struct t *t)
{
	struct uf *uf =
		t_open_mode(t, UF_REGISTER_MODE_MINOR, EVENT_FORKS | UF_FEATURE_MINOR_SHMEM);
	char *addr = t_map(t, 2);
	struct event_fork f;
	struct uf *child;

	addr[0] = 6;
	CHECK_EQ(uf_madvise(addr, 2 * t->page, MADV_DONTNEED), 0);
	t_register_mode(uf, addr, 2 * t->page, UF_REGISTER_MODE_MINOR);
	t_is_minor(t, uf, addr, 6);
	child = event_fork_child(t, uf, &f, event_fork_minor_child, addr);
	t_fault_at(child, addr, T_MINOR);
	t_continue(child, addr, t->page, 0);
	event_fork_end(t, &f, child);
	t_is_open(uf, addr);
}

static void event_fork_poison_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK_EQ(t_access(addr, T_READ).value, 3);
	CHECK_EQ(addr[t->page], 2);
	event_fork_hold();
}

/* Nor which are poisoned, unless they could be protected as well. */
static void event_fork_poison(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS | UF_FEATURE_POISON);
	char *addr = t_registered(t, uf, 2);
	struct event_fork f;
	struct uf *child;

	t_poison(uf, addr, t->page);
	t_fill(t, uf, addr + t->page, 2, 0);
	child = event_fork_child(t, uf, &f, event_fork_poison_child, addr);
	t_fault_at(child, addr, 0);
	t_fill(t, child, addr, 3, 0);
	event_fork_end(t, &f, child);
	t_is_poisoned(t, addr);
}

static void event_fork_again_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK_EQ(t_wait(t_fork(t, event_fork_pages_child, addr)), 0);
}

/* The child's context follows its forks as well. */
static void event_fork_grandchild(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_registered(t, uf, 4);
	struct event_fork f;
	struct uf *child;
	struct uf *grandchild;

	t_fill(t, uf, addr, 5, 0);
	child = event_fork_child(t, uf, &f, event_fork_again_child, addr);
	grandchild = event_fork_adopt(t, child);
	for (int i = 1; i < 4; i++) {
		t_fault_at(grandchild, addr + i * t->page, i == 2 ? UF_PAGEFAULT_FLAG_WRITE : 0);
		t_fill(t, grandchild, addr + i * t->page, i == 1 ? 7 : 8, 0);
	}
	event_fork_release();
	event_fork_join(t, &f);
	t_message_none(child);
	uf_close(grandchild);
	uf_close(child);
	CHECK_EQ(addr[0], t_shared(t) ? 9 : 5);
}

/* --- The descriptor --- */

static void event_fork_flags(struct t *t)
{
	static const int flags[] = {0, O_CLOEXEC};

	for (size_t i = 0; i < 2; i++) {
		struct uf *uf = t_open(t, flags[i], EVENT_FORKS);
		char *addr = t_registered(t, uf, 1);
		struct event_fork f;
		struct uf *child;

		CHECK_EQ(fcntl(uf_fd(uf), F_SETFD, flags[i] ? 0 : FD_CLOEXEC), 0);
		child = event_fork_child(t, uf, &f, event_fork_nothing, NULL);
		CHECK_EQ(fcntl(uf_fd(child), F_GETFD), flags[i] ? FD_CLOEXEC : 0);
		CHECK(fcntl(uf_fd(child), F_GETFL) & O_NONBLOCK);
		event_fork_end(t, &f, child);
		CHECK_RET(uf_unregister(uf, addr, t->page), 0);
	}
}

static void event_fork_limit(rlim_t most, struct rlimit *before)
{
	struct rlimit limit;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, before), 0);
	limit = (struct rlimit){.rlim_cur = most, .rlim_max = before->rlim_max};
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The event stays, and its thread waits. */
static void event_fork_full(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_registered(t, uf, 1);
	struct rlimit before;
	struct uf_msg msg[2];
	struct event_fork f;
	struct uf *child;

	event_fork_begin(t, &f, event_fork_nothing, NULL);
	t_message_pending(uf);
	event_fork_limit(0, &before);
	CHECK_RET(uf_read(uf, msg, 2), -EMFILE);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	event_fork_blocked(&f);
	CHECK_EQ(uf_poll(uf), 1); /* POLLIN */
	CHECK_RET(uf_zeropage(uf, addr, t->page, 0, NULL), -EAGAIN);
	child = event_fork_adopt(t, uf);
	event_fork_done(&f);
	event_fill(t, uf, addr, 1);
	event_fork_end(t, &f, child);
}

/* --- What can be done with it --- */

static void event_fork_ioctls_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK_EQ(addr[0], 0);
	CHECK_EQ(addr[t->page], 0);
	event_fork_hold();
}

static void event_fork_ioctls(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_registered(t, uf, 2);
	char *src = t_buffer(t, 1);
	size_t page = t->page;
	struct event_fork f;
	struct uf *child;

	child = event_fork_child(t, uf, &f, event_fork_ioctls_child, addr);
	t_fault_at(child, addr, 0);
	CHECK_RET(uf_api(child, 0, NULL, NULL), -EINVAL);
	CHECK_RET(uf_move(child, addr, src, page, 0, NULL), -EINVAL);
	CHECK_RET(uf_copy(child, addr, src, page, UF_COPY_MODE_DONTWAKE, NULL), 0);
	CHECK_RET(uf_copy(child, addr, src, page, 0, NULL), -EEXIST);
	/* Not the parent's, whose page it is not; of an object it is the same one. */
	CHECK_RET(uf_zeropage(uf, addr, page, 0, NULL), t_shared(t) ? -EEXIST : 0);
	CHECK_RET(uf_unregister(child, addr + page, page), 0);
	CHECK_RET(uf_wake(child, addr, page), 0);
	event_fork_release();
	event_fork_join(t, &f);
	CHECK_RET(uf_zeropage(child, addr + page, page, 0, NULL), -ESRCH);
	uf_close(child);
}

static void event_fork_released_child(struct t *t, void *arg)
{
	char *addr = arg;

	(void)t;
	CHECK_EQ(addr[0], 0);
}

/* Nobody has the child's descriptor any more: who waits goes on, its memory is ordinary. */
static void event_fork_released(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_registered(t, uf, 1);
	struct event_fork f;
	struct uf *child;

	child = event_fork_child(t, uf, &f, event_fork_released_child, addr);
	t_fault_at(child, addr, 0);
	uf_close(child);
	event_fork_join(t, &f);
	t_message_none(uf);
}

/* Before it was read: the kernel's waits on. */
static void event_fork_closed(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_registered(t, uf, 1);
	struct event_fork f;

	event_fork_begin(t, &f, event_fork_released_child, addr);
	t_message_pending(uf);
	t_thread_asleep(&f.c.th);
	t_close(t, uf);
	event_fork_join(t, &f);
}

/* --- Read from afar --- */

static void event_fork_remote_run(struct t *t, struct handover *h)
{
	struct rlimit before;
	struct uf_msg msg;
	struct uf *child;

	t_message_pending(h->uf);
	event_fork_limit(0, &before);
	CHECK_RET(uf_read(h->uf, &msg, 1), -EMFILE);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	child = event_fork_adopt(t, h->uf);
	CHECK_EQ(fcntl(uf_fd(child), F_GETFD), 0);
	for (int i = 1; i < 4; i++) {
		t_fault_at(child, h->addr + i * t->page, i == 2 ? UF_PAGEFAULT_FLAG_WRITE : 0);
		t_fill(t, child, h->addr + i * t->page, i == 1 ? 7 : 8, 0);
	}
	uf_close(child);
	handover_tell(h->sock);
}

static void event_fork_remote(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	struct handover h = {.npages = 4};
	struct event_fork f;
	pid_t pid;

	/* The manager is forked before there is anything to tell of. */
	h.addr = t_map(t, 4);
	pid = handover_start(t, &h, uf, event_fork_remote_run);
	t_register(uf, h.addr, 4 * t->page);
	t_fill(t, uf, h.addr, 5, 0);
	event_fork_begin(t, &f, event_fork_pages_child, h.addr);
	handover_await(h.owner_sock);
	event_fork_release();
	event_fork_join(t, &f);
	handover_join(&h, pid);
}

/* The one who has read it is killed: the child is not lost. */
static void event_fork_reader_run(struct t *t, struct handover *h)
{
	struct uf_msg msg = t_message(h->uf);

	(void)t;
	CHECK_EQ(msg.event, UF_EVENT_FORK);
	kill(getpid(), SIGKILL);
}

static void event_fork_retold(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	struct handover h = {.npages = 4};
	struct event_fork f;
	struct uf *child;
	pid_t pid;

	h.addr = t_map(t, 4);
	pid = handover_start(t, &h, uf, event_fork_reader_run);
	t_register(uf, h.addr, 4 * t->page);
	t_fill(t, uf, h.addr, 5, 0);
	event_fork_begin(t, &f, event_fork_pages_child, h.addr);
	event_fork_done(&f);
	CHECK(WIFSIGNALED(t_wait(pid)));
	child = event_fork_adopt(t, uf);
	for (int i = 1; i < 4; i++) {
		t_fault_at(child, h.addr + i * t->page, i == 2 ? UF_PAGEFAULT_FLAG_WRITE : 0);
		t_fill(t, child, h.addr + i * t->page, i == 1 ? 7 : 8, 0);
	}
	event_fork_end(t, &f, child);
	/* And nothing waits for it to be read. */
	if (t->target->mem == T_ANON)
		event_watched(t, uf, h.addr + t->page);
	t_message_none(uf);
	close(h.sock);
	close(h.owner_sock);
}

/* --- Forks that are none, or not seen --- */

static void event_fork_refuse(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};

	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

static void event_fork_failed(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_registered(t, uf, 1);

	t_needs_linux();
	event_fork_refuse();
	CHECK_EQ(fork(), -1);
	CHECK_EQ(errno, EAGAIN);
	t_message_none(uf);
	t_fill(t, uf, addr, 1, 0);
}

/* Behind libc's back: what is missing is not zeros there. */
static void event_fork_behind(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_registered(t, uf, 2);
	long pid;

	t_needs_linux();
	t_fill(t, uf, addr, 5, 0);
	pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		bool good = t_access(addr + t->page, T_READ).sig == SIGSEGV;

		_exit(good && t_access(addr, T_READ).value == 5 ? 0 : 1);
	}
	CHECK_EQ(t_wait((pid_t)pid), 0);
	t_message_none(uf);
	event_watched(t, uf, addr + t->page);
}

static void event_fork_advice_child(struct t *t, void *arg)
{
	char *addr = arg;
	void *got = mmap(addr, t->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	/* It did not come along, and what stands there now is nobody's. */
	CHECK(got == addr);
	CHECK_EQ(addr[0], 0);
	CHECK_EQ(addr[2 * t->page], 7);
	event_fork_hold();
}

static void event_fork_advice(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_FORKS);
	char *addr = t_map(t, 4);
	struct event_fork f;
	struct uf *child;

	CHECK_EQ(madvise(addr, 2 * t->page, MADV_DONTFORK), 0);
	t_register(uf, addr, 4 * t->page);
	child = event_fork_child(t, uf, &f, event_fork_advice_child, addr);
	t_fault_at(child, addr + 2 * t->page, 0);
	t_fill(t, child, addr + 2 * t->page, 7, 0);
	event_fork_end(t, &f, child);
}

const struct t_case event_fork_cases[] = {
	CASE("event.21", event_fork_told, T_ALL),
	CASE("event.21", event_fork_not_told, T_ALL),
	CASE("event.22", event_fork_pages, T_SMALL),
	CASE("event.22", event_fork_modes, T_ALL),
	CASE("event.22", event_fork_minor, T_OBJECT),
	CASE("event.22", event_fork_poison, T_OBJECT),
	CASE("event.22, event.21", event_fork_grandchild, T_ALL),
	CASE("event.23", event_fork_flags, T_ONCE),
	CASE("event.23, event.13", event_fork_full, T_ALL),
	CASE("event.24", event_fork_ioctls, T_SMALL),
	CASE("event.24, close.1", event_fork_released, T_ALL),
	CASE("event.24, event.15", event_fork_closed, T_ENGINE_ONLY),
	CASE("event.23, handover.16", event_fork_remote, T_ALL),
	CASE("handover.16, handover.12", event_fork_retold, T_ALL | T_ENGINE_ONLY),
	CASE("event.21, event.16", event_fork_failed, T_ALL),
	CASE("event.21", event_fork_behind, T_ALL | T_ENGINE_ONLY),
	CASE("event.22", event_fork_advice, T_ALL),
	{0},
};
