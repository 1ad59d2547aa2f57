/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec/event.md: forks while other threads meet faults and give pages back, of one thread or
 * several. Private memory only: for objects see differences, 30 (g).
 */
#include <sched.h>

#include "event.h"
#include "handover.h"

#define STORM_FORKS 24
#define STORM_THREADS 3
#define STORM_PAGES 4

struct event_storm {
	struct t *t;
	struct uf *uf[1 + STORM_FORKS]; /* the parent's, then the children's */
	_Atomic int n;
	char *addr; /* STORM_PAGES for each thread */
	char *src;
	_Atomic bool enough; /* for the threads */
	_Atomic bool stop;   /* for the server */
};

struct event_storm_thread {
	struct event_storm *s;
	struct t_thread th;
	char *addr;
};

static void event_storm_serve(struct event_storm *s, struct uf *uf)
{
	struct uf_msg msg;
	size_t page = s->t->page;
	char *addr;
	int ret;

	if (uf_read(uf, &msg, 1) != 1)
		return;
	if (msg.event == UF_EVENT_FORK) {
		CHECK(s->n <= STORM_FORKS);
		s->uf[s->n] = handover_adopt(s->t, (int)msg.arg.fork.ufd);
		s->n++;
		return;
	}
	CHECK_EQ(msg.event, UF_EVENT_PAGEFAULT);
	addr = (char *)((uintptr_t)msg.arg.pagefault.address & ~(page - 1));
	ret = uf_copy(uf, addr, s->src, page, 0, NULL);
	if (ret == -EAGAIN || ret == -EEXIST)
		ret = uf_wake(uf, addr, page);
	/* The child may have seen its page and gone. */
	if (ret == -ESRCH && uf != s->uf[0])
		ret = 0;
	CHECK_RET(ret, 0);
}

static void event_storm_server(void *arg)
{
	struct event_storm *s = arg;

	while (!atomic_load(&s->stop)) {
		for (int i = 0; i < s->n; i++)
			event_storm_serve(s, s->uf[i]);
	}
}

static void event_storm_faults(void *arg)
{
	struct event_storm_thread *th = arg;
	size_t page = th->s->t->page;

	while (!atomic_load(&th->s->enough)) {
		for (size_t i = 0; i < STORM_PAGES; i++)
			CHECK_EQ(t_byte(th->addr + i * page), 0x66);
		CHECK_RET(uf_madvise(th->addr, STORM_PAGES * page, MADV_DONTNEED), 0);
	}
}

static void event_storm_child(struct t *t, void *arg)
{
	char *addr = arg;

	for (size_t i = 0; i < (size_t)STORM_PAGES * STORM_THREADS; i++)
		CHECK(t_is_filled(addr + i * t->page, t->page, 0x66));
}

static void event_storm_forks(void *arg)
{
	struct event_storm *s = arg;

	for (int i = 0; i < STORM_FORKS / STORM_THREADS; i++)
		CHECK_EQ(t_wait(t_fork(s->t, event_storm_child, s->addr)), 0);
}

/* The kernel's next fork keeps the server from allocating. */
static void event_storm_fork_slowly(void *arg)
{
	struct event_storm *s = arg;

	for (int i = 0; i < STORM_FORKS; i++) {
		CHECK_EQ(t_wait(t_fork(s->t, event_storm_child, s->addr)), 0);
		while (s->n < i + 2)
			sched_yield();
	}
}

static void event_storm(struct t *t, void (*forks)(void *), size_t forkers)
{
	struct event_storm s = {
		.t = t, .uf = {t_open(t, 0, EVENT_FORKS)}, .n = 1, .src = t_buffer(t, 1)};
	struct event_storm_thread th[STORM_THREADS];
	struct t_thread forker[STORM_THREADS];
	struct t_thread server;

	t_needs_threads_after_fork();
	s.addr = t_registered(t, s.uf[0], (size_t)STORM_PAGES * STORM_THREADS);
	memset(s.src, 0x66, t->page);
	t_thread_call(t, &server, event_storm_server, &s);
	for (size_t i = 0; i < STORM_THREADS; i++) {
		th[i].s = &s;
		th[i].addr = s.addr + i * STORM_PAGES * t->page;
		t_thread_call(t, &th[i].th, event_storm_faults, &th[i]);
	}
	for (size_t i = 0; i < forkers; i++)
		t_thread_call(t, &forker[i], forks, &s);
	for (size_t i = 0; i < forkers; i++) {
		while (!atomic_load(&forker[i].done))
			t_sleep_ms(1);
		t_thread_join(t, &forker[i], 0);
	}
	atomic_store(&s.enough, true);
	for (size_t i = 0; i < STORM_THREADS; i++)
		t_thread_join(t, &th[i].th, 0);
	atomic_store(&s.stop, true);
	t_thread_join(t, &server, 0);
	CHECK_EQ(s.n, 1 + STORM_FORKS);
	for (int i = 1; i < s.n; i++)
		uf_close(s.uf[i]);
}

static void event_fork_storm(struct t *t)
{
	event_storm(t, event_storm_fork_slowly, 1);
}

/* Several threads at once. */
static void event_fork_crowd(struct t *t)
{
	event_storm(t, event_storm_forks, STORM_THREADS);
}

const struct t_case event_fork_storm_cases[] = {
	CASE("event.21, event.22", event_fork_storm, T_PRIVATE),
	CASE("event.21, event.22", event_fork_crowd, T_PRIVATE | T_ENGINE_ONLY),
	{0},
};
