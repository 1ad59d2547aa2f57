/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/event.md: the thread that waits, what is refused meanwhile, and how messages are read. */
#include <sched.h>
#include <sys/wait.h>

#include "event.h"

#define WAIT_STACK ((size_t)64 << 10)

/* A change is waiting to be read: of pages far from what the test looks at. */
static void event_wait_begin(struct t *t, struct uf *uf, struct event_call *c)
{
	char *addr = t_registered(t, uf, 2);

	*c = (struct event_call){.addr = addr, .len = t->page};
	event_begin(t, c, event_munmap);
	t_message_pending(uf);
	t_thread_asleep(&c->th);
}

static void event_wait_end(struct uf *uf, struct event_call *c)
{
	event_unmap_is(uf, c, c->addr, c->addr + c->len);
	event_end(NULL, c, 0);
}

static _Atomic int event_handled;

static void event_on_signal(int sig)
{
	atomic_fetch_add(&event_handled, sig == SIGUSR1);
}

static void event_signal(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	struct sigaction act = {.sa_handler = event_on_signal};
	struct event_call c;

	t_needs_signals();
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	event_wait_begin(t, uf, &c);
	CHECK_EQ(pthread_kill(c.th.thread, SIGUSR1), 0);
	t_thread_blocked(&c.th);
	CHECK_EQ(event_handled, 0);
	event_wait_end(uf, &c);
	CHECK_EQ(event_handled, 1);
}

static void event_deadly_child(struct t *t, void *arg)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	char *addr = t_registered(t, uf, 2);

	(void)arg;
	alarm(1);
	(void)!uf_munmap(addr, t->page);
}

/* The only thread there is waits for what nobody will read. */
static void event_deadly(struct t *t)
{
	int status = t_wait(t_fork(t, event_deadly_child, NULL));

	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGALRM);
}

/* The argument is not even read; the answer is in the field. */
static void event_again(struct t *t)
{
	static const uint32_t requests[] = {UF_IOC_COPY, UF_IOC_ZEROPAGE, UF_IOC_CONTINUE,
					    UF_IOC_POISON};
	static const size_t fields[] = {offsetof(struct uf_io_copy, copy),
					offsetof(struct uf_io_zeropage, zeropage),
					offsetof(struct uf_io_continue, mapped),
					offsetof(struct uf_io_poison, updated)};
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	char *buffer = t_buffer(t, 1);
	struct event_call c;
	int64_t field;

	t_needs_features(t, UF_FEATURE_POISON | UF_FEATURE_MINOR_SHMEM);
	event_wait_begin(t, uf, &c);
	for (size_t i = 0; i < 4; i++) {
		CHECK_RET(uf_ioctl(uf, requests[i], buffer), -EAGAIN);
		memcpy(&field, buffer + fields[i], sizeof(field));
		CHECK_EQ(field, -EAGAIN);
		memset(buffer, 0, t->page);
		CHECK_RET(uf_ioctl(uf, requests[i], NULL), -EFAULT);
		/* The field alone is there. */
		CHECK_RET(uf_ioctl(uf, requests[i], buffer - fields[i]), -EAGAIN);
		memcpy(&field, buffer, sizeof(field));
		CHECK_EQ(field, -EAGAIN);
	}
	CHECK_RET(uf_ioctl(uf, UF_IOC_WRITEPROTECT, NULL), -EAGAIN);
	CHECK_RET(uf_ioctl(uf, UF_IOC_REGISTER, NULL), -EFAULT);
	event_wait_end(uf, &c);
	CHECK_RET(uf_ioctl(uf, UF_IOC_COPY, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_WRITEPROTECT, NULL), -EFAULT);
}

/* What works meanwhile, and of whom. */
static void event_meanwhile(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	struct uf *other = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 2);
	char *its = t_registered(t, other, 2);
	char *more = t_map(t, 2);
	struct t_thread th[2];
	struct event_call c;

	t_thread_faults(t, &th[0], uf, addr, T_READ, 0);
	event_wait_begin(t, uf, &c);
	CHECK_RET(uf_zeropage(uf, addr, page, 0, NULL), -EAGAIN);
	t_register(uf, more, 2 * page);
	CHECK_RET(uf_unregister(uf, more, page), 0);
	CHECK_EQ(more[0], 0);
	t_fill(t, other, its, 5, 0);
	/* Also where the first one registered. */
	t_fill(t, other, addr, 6, 0);
	t_thread_blocked(&th[0]);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_thread_join(t, &th[0], 0);
	CHECK_EQ(th[0].outcome.value, 6);
	/* Faults are told and wait as ever. */
	t_thread_access(t, &th[1], more + page, T_READ);
	t_thread_asleep(&th[1]);
	t_fault_at(uf, more + page, 0);
	CHECK_RET(uf_zeropage(uf, more + page, page, 0, NULL), -EAGAIN);
	event_wait_end(uf, &c);
	event_fill(t, uf, more + page, 7);
	t_thread_join(t, &th[1], 0);
	t_message_none(uf);
}

/* Two events, then two faults, and one read. */
static void event_order(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 2);
	struct event_call c[2];
	struct t_thread th[2];
	struct uf_msg msg[5];

	for (size_t i = 0; i < 2; i++)
		event_wait_begin(t, uf, &c[i]);
	for (size_t i = 0; i < 2; i++) {
		t_thread_access(t, &th[i], addr + i * page, T_READ);
		t_thread_asleep(&th[i]);
	}
	CHECK_RET(uf_read(uf, msg, 5), 4);
	for (size_t i = 0; i < 2; i++) {
		CHECK_EQ(msg[i].event, UF_EVENT_PAGEFAULT);
		CHECK_EQ(msg[i].arg.pagefault.address, (uintptr_t)addr + i * page);
		CHECK_EQ(msg[i + 2].event, UF_EVENT_UNMAP);
		CHECK_EQ(msg[i + 2].arg.remove.start, (uintptr_t)c[i].addr);
		event_end(t, &c[i], 0);
	}
	for (size_t i = 0; i < 2; i++) {
		event_fill(t, uf, addr + i * page, 1);
		t_thread_join(t, &th[i], 0);
	}
	t_message_none(uf);
}

/* Both must be read before anything is resolved. */
static void event_both(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	char *addr = t_registered(t, uf, 1);
	struct event_call c[2];

	event_wait_begin(t, uf, &c[0]);
	event_wait_begin(t, uf, &c[1]);
	event_unmap_is(uf, &c[0], c[0].addr, c[0].addr + t->page);
	event_end(t, &c[0], 0);
	CHECK_RET(uf_zeropage(uf, addr, t->page, 0, NULL), -EAGAIN);
	event_wait_end(uf, &c[1]);
	t_fill(t, uf, addr, 1, 0);
}

static void event_bad_buffer(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	char *addr = t_registered(t, uf, 1);
	struct event_call c;

	event_wait_begin(t, uf, &c);
	CHECK_RET(t_read_raw(uf, addr, sizeof(struct uf_msg) - 1), -EINVAL);
	CHECK_EQ(uf_poll(uf), 1); /* POLLIN */
	CHECK_RET(t_read_raw(uf, NULL, sizeof(struct uf_msg)), -EFAULT);
	event_end(t, &c, 0);
	t_message_none(uf);
	t_fill(t, uf, addr, 1, 0);
}

struct event_reader {
	struct uf *uf;
	struct uf_msg msg;
	ssize_t ret;
};

static void event_read(void *arg)
{
	struct event_reader *r = arg;

	r->ret = uf_read(r->uf, &r->msg, 1);
}

/* A thread that is waiting to read is told. */
static void event_blocked_reader(struct t *t)
{
	struct event_reader r = {.uf = t_open(t, T_BLOCKING, EVENT_ALL)};
	char *addr = t_registered(t, r.uf, 2);
	struct t_thread th;

	t_thread_call(t, &th, event_read, &r);
	t_thread_asleep(&th);
	CHECK_RET(uf_munmap(addr, t->page), 0);
	t_thread_join(t, &th, 0);
	CHECK_RET(r.ret, 1);
	CHECK_EQ(r.msg.event, UF_EVENT_UNMAP);
	CHECK_EQ(r.msg.arg.remove.end, (uintptr_t)addr + t->page);
}

static void event_close(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	struct uf *other = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	struct event_call c[2] = {
		{.addr = addr, .len = page},
		{.addr = addr + 2 * page, .len = 2 * page, .flags = MADV_DONTNEED}};

	t_register(other, t_map(t, 1), page);
	t_fill(t, uf, addr + 2 * page, 5, 0);
	event_begin(t, &c[0], event_munmap);
	event_begin(t, &c[1], event_madvise);
	t_thread_asleep(&c[0].th);
	t_thread_asleep(&c[1].th);
	CHECK_RET(uf_unregister(uf, addr + page, 3 * page), 0);
	t_thread_blocked(&c[0].th);
	t_thread_blocked(&c[1].th);
	t_close(t, uf);
	event_end(t, &c[0], 0);
	event_end(t, &c[1], 0);
	CHECK_EQ(addr[2 * page], t_shared(t) ? 5 : 0);
	t_message_none(other);
}

static void event_failed(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	void *got;

	CHECK_RET(uf_munmap(addr + 1, page), -EINVAL);
	CHECK_RET(uf_munmap(addr, 0), -EINVAL);
	CHECK_RET(uf_mmap(addr, page, PROT_READ, MAP_FIXED | MAP_SHARED, -1, 0, &got), -EBADF);
	CHECK_RET(uf_mremap(addr, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, addr + page,
			    &got),
		  -EINVAL);
	CHECK_RET(uf_mremap(addr, page, 2 * page, 0, NULL, &got), t_huge(t) ? -EINVAL : -ENOMEM);
	t_message_none(uf);
	t_fill(t, uf, addr, 1, 0);
}

/* --- A process that shares the memory --- */

static int event_wait_process(void *arg)
{
	struct event_call *c = arg;

	c->ret = uf_munmap(c->addr, c->len);
	return 0;
}

static void event_killed(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 3);
	char *stack =
		mmap(NULL, WAIT_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct event_call c = {.addr = addr, .len = page, .ret = 1};
	pid_t pid;

	t_needs_linux();
	if (T_THREAD_SANITIZER)
		t_skip("ThreadSanitizer knows no processes that share their memory");
	t_adopt(t, stack, WAIT_STACK, -1);
	pid = clone(event_wait_process, stack + WAIT_STACK, CLONE_VM | SIGCHLD, &c);
	CHECK(pid > 0);
	t_message_pending(uf);
	CHECK_RET(uf_zeropage(uf, addr + page, page, 0, NULL), -EAGAIN);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK(WIFSIGNALED(t_wait(pid)));
	CHECK_EQ(c.ret, 1);
	t_message_none(uf);
	t_fill(t, uf, addr + page, 5, 0);
	CHECK_EQ(t_access(addr, T_READ).sig, SIGSEGV);
	/* And others are told as before. */
	c = (struct event_call){.addr = addr + page, .len = page};
	event_begin(t, &c, event_munmap);
	event_unmap_is(uf, &c, addr + page, addr + 2 * page);
	event_end(t, &c, 0);
}

/* --- Many at once --- */

#define WAIT_THREADS 8
#define WAIT_ROUNDS 40
/* Huge pages are few, and take their time. */
#define WAIT_HUGE_THREADS 2
#define WAIT_HUGE_ROUNDS 12

struct event_churn {
	struct event_call c;
	_Atomic bool *go;
	char *home;
	size_t page;
	int rounds;
	char *room;
};

/* Moves to and fro, gives pages back, and looks at the one that it has filled by a fault. */
static void event_churn(struct event_call *c)
{
	struct event_churn *churn = (struct event_churn *)c;
	size_t page = churn->page;
	void *got;

	/* Nothing else is mapped from then on, so nothing takes the place that one has left. */
	while (!atomic_load(churn->go))
		sched_yield();
	for (int i = 0; i < churn->rounds; i++) {
		char *from = i % 2 ? churn->room : churn->home;
		char *to = i % 2 ? churn->home : churn->room;

		CHECK_EQ((unsigned char)from[i % 3 * page], 0x66);
		CHECK_RET(uf_mremap(from, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to,
				    &got),
			  0);
		CHECK_EQ((unsigned char)to[i % 3 * page], 0x66);
		CHECK_RET(uf_madvise(to, 3 * page, MADV_DONTNEED), 0);
	}
	c->ret = 0;
}

static void event_serve(struct uf *uf, struct t *t, char *src, const struct uf_msg *msg)
{
	char *addr = (char *)(uintptr_t)msg->arg.pagefault.address;
	int ret;

	if (msg->event != UF_EVENT_PAGEFAULT)
		return;
	ret = uf_copy(uf, addr, src, t->page, 0, NULL);
	/* Told to wait, or moved since: it asks again. */
	if (ret == -EAGAIN || ret == -ENOENT || ret == -EEXIST)
		ret = uf_wake(uf, addr, t->page);
	CHECK_RET(ret, 0);
}

static void event_many(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	struct event_churn churn[WAIT_THREADS];
	int nthreads = t_huge(t) ? WAIT_HUGE_THREADS : WAIT_THREADS;
	char *src = t_buffer(t, 1);
	_Atomic bool go = false;
	struct uf_msg msg;
	int done;

	memset(src, 0x66, t->page);
	for (int i = 0; i < nthreads; i++) {
		churn[i] =
			(struct event_churn){.home = t_registered(t, uf, 3),
					     .page = t->page,
					     .rounds = t_huge(t) ? WAIT_HUGE_ROUNDS : WAIT_ROUNDS,
					     .room = t_map(t, 3),
					     .go = &go};
		event_begin(t, &churn[i].c, event_churn);
	}
	atomic_store(&go, true);
	do {
		done = 0;
		for (int i = 0; i < nthreads; i++)
			done += atomic_load(&churn[i].c.th.done);
		while (uf_read(uf, &msg, 1) == 1)
			event_serve(uf, t, src, &msg);
	} while (done < nthreads);
	for (int i = 0; i < nthreads; i++)
		event_end(t, &churn[i].c, 0);
	t_message_none(uf);
}

const struct t_case event_wait_cases[] = {
	CASE("event.11", event_signal, T_ONCE),
	CASE("event.11, close.4", event_deadly, T_ONCE),
	CASE("event.12", event_again, T_ONCE),
	CASE("event.12", event_meanwhile, T_ALL),
	CASE("event.13, read.2", event_order, T_ALL),
	CASE("event.12, event.13", event_both, T_ONCE),
	CASE("event.14, read.6", event_bad_buffer, T_ONCE),
	CASE("event.14, read.4", event_blocked_reader, T_ONCE),
	CASE("event.15", event_close, T_ALL),
	CASE("event.16", event_failed, T_ALL),
	CASE("event.17", event_killed, T_ALL),
	CASE("event.12, event.13, event.7", event_many, T_ALL),
	{0},
};
