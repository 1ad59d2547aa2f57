/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that meet at a page and in a context. Whatever the
 * schedule, nobody waits for ever, no page is seen half filled, and what a
 * call answers is what has become of the page.
 */
#include "race.h"

void race_begin(struct t *t, struct race *r, uint64_t npages)
{
	*r = (struct race){.ctx = t_open(t, 0), .npages = npages};
	r->addr = t_registered(t, r->ctx, npages);
	t->data = r;
}

/* Reads every page once, beginning anywhere. */
void race_reader(struct t *t)
{
	struct race *r = race_of(t);
	uint64_t first = ufi_sim_random(t->sim) % r->npages;

	for (uint64_t i = 0; i < r->npages; i++) {
		uint64_t at = r->addr + (first + i) % r->npages * P;

		CHECK_EQ(t_read_page(t, at), race_content(r, at));
	}
}

/* A page whose copy meets content needs no wake: whoever waited has been woken by the first. */
static void race_resolve(struct t *t, struct race *r, const struct uf_msg *msg)
{
	uint64_t at = msg->arg.pagefault.address;
	struct t_filled f = t_copy(t, r->ctx, at, 1, race_content(r, at), 0);

	CHECK(f.ret == 0 || f.ret == -EEXIST);
	CHECK_EQ(f.field, f.ret ? f.ret : (int64_t)P);
}

/* Ends with the page beyond the range: a fault there says so. */
void race_monitor(struct t *t)
{
	struct race *r = race_of(t);
	struct uf_msg msg;

	while (t_message(t, r->ctx, false, &msg)) {
		if (msg.arg.pagefault.address >= r->addr + r->npages * P)
			break;
		race_resolve(t, r, &msg);
	}
}

/* The monitors are ended by faults of their own, one for each. */
void race_end_monitors(struct t *t, struct race *r, struct sim_thread **monitors, int n)
{
	struct t_access a[4];

	for (int i = 0; i < n; i++)
		t_access(t, &a[i], r->addr + r->npages * P, UF_PROT_READ);
	t_join(t, monitors, n);
	CHECK_FILL(t_zero(t, r->ctx, r->addr + r->npages * P, 1, 0), 0, P);
	for (int i = 0; i < n; i++)
		ufi_sim_join(t->sim, a[i].thread);
}

static void race_with_monitors(struct t *t, uint64_t npages, int readers, int monitors)
{
	struct sim_thread *reader[4];
	struct sim_thread *monitor[4];
	struct race r;

	race_begin(t, &r, npages + 1);
	r.npages = npages;
	for (int i = 0; i < monitors; i++)
		monitor[i] = t_thread(t, "monitor", race_monitor);
	for (int i = 0; i < readers; i++)
		reader[i] = t_thread(t, "reader", race_reader);
	t_join(t, reader, readers);
	race_end_monitors(t, &r, monitor, monitors);
	CHECK_EQ(t_waiters(r.ctx), 0);
	t_no_message(t, r.ctx);
}

static void race_one_monitor(struct t *t)
{
	race_with_monitors(t, RACE_PAGES, 1, 1);
}

static void race_same_page(struct t *t)
{
	race_with_monitors(t, 1, 2, 1);
}

static void race_many(struct t *t)
{
	race_with_monitors(t, RACE_PAGES, 3, 2);
}

/* A monitor that polls: the bell must ring for every message that nobody is woken for. */
void race_poller(struct t *t)
{
	struct race *r = race_of(t);
	struct uf_msg msg;

	for (;;) {
		ufi_sim_await_bell(t->sim, t_bell(r->ctx));
		while (t_message(t, r->ctx, true, &msg)) {
			if (msg.arg.pagefault.address >= r->addr + r->npages * P)
				return;
			race_resolve(t, r, &msg);
		}
	}
}

static void race_polling(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;

	race_begin(t, &r, RACE_PAGES + 1);
	r.npages = RACE_PAGES;
	th[3] = t_thread(t, "poller", race_poller);
	for (int i = 0; i < 3; i++)
		th[i] = t_thread(t, "reader", race_reader);
	t_join(t, th, 3);
	race_end_monitors(t, &r, &th[3], 1);
	CHECK_EQ(atomic_load(&t->sim->bell[t_bell(r.ctx)]), 0);
}

/* One that blocks and one that polls. */
static void race_blocking_and_polling(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;

	race_begin(t, &r, RACE_PAGES + 1);
	r.npages = RACE_PAGES;
	th[2] = t_thread(t, "monitor", race_monitor);
	th[3] = t_thread(t, "poller", race_poller);
	for (int i = 0; i < 2; i++)
		th[i] = t_thread(t, "reader", race_reader);
	t_join(t, th, 2);
	race_end_monitors(t, &r, &th[2], 2);
}

/* --- Copies of one page --- */

static void race_copier(struct t *t)
{
	struct race *r = race_of(t);
	uint8_t byte = ++r->byte;
	struct t_filled f = t_copy(t, r->ctx, r->addr, r->npages, byte, 0);

	CHECK(f.ret == 0 || f.ret == -EEXIST || f.ret == -EAGAIN);
	if (f.field > 0)
		r->won += (uint32_t)((uint64_t)f.field / P);
	else
		r->lost++;
	if (f.field > 0)
		r->seen |= (uint8_t)(1 << byte);
}

static void race_looker(struct t *t)
{
	struct race *r = race_of(t);
	uint8_t byte = t_read_page(t, r->addr);

	CHECK(byte == 1 || byte == 2);
}

static void race_two_copies(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;
	uint8_t byte;

	race_begin(t, &r, 1);
	th[0] = t_thread(t, "copier", race_copier);
	th[1] = t_thread(t, "copier", race_copier);
	th[2] = t_thread(t, "looker", race_looker);
	th[3] = t_thread(t, "looker", race_looker);
	t_join(t, th, 4);
	CHECK_EQ(r.won, 1);
	CHECK_EQ(r.lost, 1);
	byte = t_read_page(t, r.addr);
	CHECK_EQ(r.seen, 1 << byte);
}

/* Over several pages each of them is filled by one. */
static void race_two_runs(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	race_begin(t, &r, RACE_PAGES);
	for (int i = 0; i < 3; i++)
		th[i] = t_thread(t, "copier", race_copier);
	t_join(t, th, 3);
	CHECK(r.won <= RACE_PAGES);
	for (uint64_t i = 0; i < r.won; i++)
		CHECK(t_read_page(t, r.addr + i * P) != 0);
	for (uint64_t i = r.won; i < RACE_PAGES; i++)
		CHECK_FILL(t_zero(t, r.ctx, r.addr + i * P, 1, 0), 0, P);
}

/* --- Wakes --- */

/* Fills without a wake, then wakes: nobody must be asleep after that. */
static void race_waker(struct t *t)
{
	struct race *r = race_of(t);

	for (uint64_t i = 0; i < r->npages; i++) {
		uint64_t at = r->addr + i * P;

		CHECK_FILL(t_copy(t, r->ctx, at, 1, race_content(r, at), UF_COPY_MODE_DONTWAKE), 0,
			   P);
	}
	CHECK_EQ(t_wake(t, r->ctx, r->addr, r->npages), 0);
}

static void race_fault_and_wake(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	race_begin(t, &r, 2);
	th[0] = t_thread(t, "reader", race_reader);
	th[1] = t_thread(t, "waker", race_waker);
	th[2] = t_thread(t, "reader", race_reader);
	t_join(t, th, 3);
	CHECK_EQ(t_waiters(r.ctx), 0);
}

/* Wakes for nothing: each is a new message, and none is lost in the end. */
static void race_idle_waker(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 6; i++)
		CHECK_EQ(t_wake(t, r->ctx, r->addr, r->npages), 0);
}

static void race_wakes_for_nothing(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;

	race_begin(t, &r, 3);
	r.npages = 2;
	th[0] = t_thread(t, "reader", race_reader);
	th[1] = t_thread(t, "reader", race_reader);
	th[2] = t_thread(t, "waker", race_idle_waker);
	th[3] = t_thread(t, "monitor", race_monitor);
	t_join(t, th, 3);
	race_end_monitors(t, &r, &th[3], 1);
}

/* Signals sent to threads that wait: the access is made again, nothing is lost. */
static void race_interrupted(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	race_begin(t, &r, RACE_PAGES + 1);
	r.npages = RACE_PAGES;
	th[0] = t_thread(t, "reader", race_reader);
	th[1] = t_thread(t, "reader", race_reader);
	th[2] = t_thread(t, "monitor", race_poller);
	for (int i = 0; i < 12; i++)
		ufi_sim_interrupt(t->sim, th[ufi_sim_random(t->sim) % 2]);
	t_join(t, th, 2);
	race_end_monitors(t, &r, &th[2], 1);
}

/* --- Readers of messages --- */

/* EINTR once in a while; no message is lost by it. */
static void race_patient_monitor(struct t *t)
{
	struct race *r = race_of(t);

	while (!r->stop) {
		int64_t n = t_read_messages(t, r->ctx, sizeof(struct uf_msg), false);
		struct uf_msg msg;

		CHECK(n == -EINTR || n == (int64_t)sizeof(msg));
		if (n < 0)
			continue;
		ufi_sim_peek(t->sim, t_arg(t) + 1024, &msg, sizeof(msg));
		race_resolve(t, r, &msg);
	}
}

static void race_reader_interrupted(struct t *t)
{
	struct sim_thread *reader;
	struct sim_thread *monitor;
	struct race r;

	race_begin(t, &r, RACE_PAGES);
	reader = t_thread(t, "reader", race_reader);
	monitor = t_thread(t, "monitor", race_patient_monitor);
	for (int i = 0; i < 8; i++)
		ufi_sim_interrupt(t->sim, monitor);
	ufi_sim_join(t->sim, reader);
	r.stop = true;
	while (!ufi_sim_gone(monitor)) {
		ufi_sim_interrupt(t->sim, monitor);
		ufi_sim_idle(t->sim);
	}
	CHECK(monitor->handled > 0);
}

/* --- A source that is missing itself --- */

struct race_source {
	struct race r; /* the source; first */
	uint64_t dst;
	struct ufi_ctx *ctx;
};

static void race_source_copier(struct t *t)
{
	struct race_source *s = t->data;
	uint64_t len = s->r.npages * P;

	CHECK_FILL(t_copy_from(t, s->ctx, s->dst, s->r.addr, len, 0), 0, (int64_t)len);
}

static void race_source_missing(struct t *t)
{
	struct race_source s;
	struct sim_thread *th[2];

	race_begin(t, &s.r, 4);
	s.r.npages = 3;
	s.ctx = t_open(t, 0);
	s.dst = t_registered(t, s.ctx, 3);
	t->data = &s;
	th[0] = t_thread(t, "copier", race_source_copier);
	th[1] = t_thread(t, "monitor", race_monitor);
	ufi_sim_join(t->sim, th[0]);
	race_end_monitors(t, &s.r, &th[1], 1);
	for (uint64_t i = 0; i < 3; i++)
		CHECK(t_page_is(t, s.dst + i * P, (uint8_t)(1 + i)));
}

/* Nobody is asked for that, least of all the engine. */
static void race_truncate_source(struct t *t)
{
	ufi_sim_truncate(t->sim, race_of(t)->object, 1);
}

/* The second half of the source goes while it is copied: all of the page, or nothing. */
static void race_source_vanishes(struct t *t)
{
	struct race r = {.ctx = t_open(t, 0), .npages = 1};
	struct sim_thread *th;
	uint8_t bytes[2 * P];
	struct t_filled f;
	uint64_t source;

	r.addr = t_registered(t, r.ctx, 1);
	r.object = ufi_sim_object(t->sim, 2);
	source = ufi_sim_map(t->sim, 0, 2, RW, SIM_SHARED, r.object);
	memset(bytes, 5, sizeof(bytes));
	ufi_sim_poke(t->sim, source, bytes, sizeof(bytes));
	t->data = &r;
	th = t_thread(t, "truncate", race_truncate_source);
	f = t_copy_from(t, r.ctx, r.addr, source + P / 2, P, 0);
	ufi_sim_join(t->sim, th);
	if (f.ret == 0) {
		CHECK_EQ(t_read_page(t, r.addr), 5);
		return;
	}
	CHECK_EQ(f.ret, -EFAULT);
	CHECK(t_page_is(t, r.addr, 0));
	CHECK_FILL(t_zero(t, r.ctx, r.addr, 1, 0), 0, P);
	CHECK_EQ(t_read_page(t, r.addr), 0);
}

const struct t_case race_cases[] = {
	CASE_RACE("copy.8, read.5", race_one_monitor, T_ALL),
	CASE_RACE("fault.8, fault.9", race_same_page, T_ALL),
	CASE_RACE("fault.8, fault.9", race_many, T_ALL),
	CASE_RACE("read.8, fault.9", race_polling, T_ALL),
	CASE_RACE("read.4, read.8", race_blocking_and_polling, T_ALL),
	CASE_RACE("copy.3, copy.8", race_two_copies, T_ALL),
	CASE_RACE("copy.3, fill.4", race_two_runs, T_ALL),
	CASE_RACE("fault.9, fill.6", race_fault_and_wake, T_ALL),
	CASE_RACE("wake.4", race_wakes_for_nothing, T_ALL),
	CASE_RACE("fault.11", race_interrupted, T_ALL),
	CASE_RACE("read.4", race_reader_interrupted, T_ALL),
	CASE_RACE("copy.5", race_source_missing, T_ALL),
	CASE_RACE("copy.4, copy.8", race_source_vanishes, T_ALL),
	{0},
};
