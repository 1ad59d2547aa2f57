/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec/event.md: who waits for whom, and what goes on meanwhile, whatever the schedule; threads
 * that are killed while they wait, or while they read.
 */
#include "case.h"
#include "engine/pagestate.h"

#define P SIM_PAGE
#define EVENT_ALL (UF_FEATURE_EVENT_UNMAP | UF_FEATURE_EVENT_REMAP | UF_FEATURE_EVENT_REMOVE)
#define EVENT_PAGES 4

/* Steps of a change of the address space and of the wait for its event, more or less. */
#define EVENT_STEPS 120

struct change {
	struct ufi_ctx *ctx;
	struct ufi_ctx *other;
	uint64_t addr;
	uint64_t to;
	int ret;
	bool told; /* the reader has got what it waits for */
	uint32_t events;
};

static void change_begin(struct t *t, struct change *c)
{
	*c = (struct change){.ctx = t_open(t, EVENT_ALL), .to = SIM_END - 6 * P, .ret = 1};
	c->addr = t_registered(t, c->ctx, EVENT_PAGES);
	t->data = c;
}

static void change_unmap(struct t *t)
{
	struct change *c = t->data;

	c->ret = ufi_sim_munmap(t->sim, c->addr, 2);
}

static void change_move(struct t *t)
{
	struct change *c = t->data;

	c->ret = ufi_sim_move(t->sim, c->addr, EVENT_PAGES, c->to);
}

static void change_dontneed(struct t *t)
{
	struct change *c = t->data;

	c->ret = ufi_sim_dontneed(t->sim, c->addr, EVENT_PAGES);
}

static void change_remove(struct t *t)
{
	struct change *c = t->data;

	c->ret = ufi_sim_remove(t->sim, c->addr, EVENT_PAGES);
}

/* It has come to rest, and waits. */
static void change_waits(struct t *t, struct sim_thread *th)
{
	ufi_sim_idle(t->sim);
	CHECK(!ufi_sim_gone(th));
}

static void change_ends(struct t *t, struct sim_thread *th)
{
	struct change *c = t->data;

	ufi_sim_join(t->sim, th);
	CHECK_EQ(c->ret, 0);
}

static void event_at(struct t *t, struct ufi_ctx *ctx, int event, uint64_t a, uint64_t b)
{
	struct uf_msg msg;

	CHECK_EQ(ufi_ctx_poll(ctx, true), UFI_POLLIN);
	CHECK(t_message(t, ctx, true, &msg));
	CHECK_EQ(msg.event, event);
	CHECK_EQ(msg.arg.remove.start, a);
	CHECK_EQ(msg.arg.remove.end, b);
}

static void event_unmap(struct t *t)
{
	struct sim_thread *th;
	struct change c;

	change_begin(t, &c);
	th = t_thread(t, "unmap", change_unmap);
	change_waits(t, th);
	CHECK_EQ(atomic_load(&t->sim->bell[t_bell(c.ctx)]), 1);
	CHECK(!ufi_sim_pte(t->sim, c.addr)->map);
	CHECK_FILL(t_zero(t, c.ctx, c.addr + 2 * P, 1, 0), -EAGAIN, -EAGAIN);
	CHECK_FILL(t_poison(t, c.ctx, 1, 1, 99), -EAGAIN, -EAGAIN);
	CHECK_EQ(t_protect(t, c.ctx, 1, 1), -EAGAIN);
	CHECK_EQ(ufi_ctx_ioctl(c.ctx, UF_IOC_COPY, 0), -EFAULT);
	CHECK_EQ(t_wake(t, c.ctx, c.addr, 1), 0);
	change_waits(t, th);
	event_at(t, c.ctx, UF_EVENT_UNMAP, c.addr, c.addr + 2 * P);
	change_ends(t, th);
	t_no_message(t, c.ctx);
	CHECK_EQ(atomic_load(&t->sim->bell[t_bell(c.ctx)]), 0);
	CHECK_FILL(t_zero(t, c.ctx, c.addr + 2 * P, 1, 0), 0, P);
}

/* Who has not asked is not told, and nobody waits. */
static void event_silent(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 4);

	CHECK_EQ(ufi_sim_dontneed(t->sim, addr, 4), 0);
	CHECK_EQ(ufi_sim_munmap(t->sim, addr, 1), 0);
	CHECK_EQ(ufi_sim_move(t->sim, addr + P, 2, SIM_END - 3 * P), 0);
	t_no_message(t, ctx);
	CHECK_FILL(t_zero(t, ctx, addr + 3 * P, 1, 0), 0, P);
}

/* The pages are there until it is read. */
static void event_remove(struct t *t)
{
	bool private = t->kind == SIM_ANON;
	struct sim_thread *th;
	struct change c;
	struct t_access a;

	change_begin(t, &c);
	CHECK_FILL(t_copy(t, c.ctx, c.addr, EVENT_PAGES, 7, 0), 0, EVENT_PAGES * P);
	th = t_thread(t, "remove", private ? change_dontneed : change_remove);
	change_waits(t, th);
	for (uint64_t i = 0; i < EVENT_PAGES; i++)
		CHECK_EQ(t_read_page(t, c.addr + i * P), 7);
	event_at(t, c.ctx, UF_EVENT_REMOVE, c.addr, c.addr + EVENT_PAGES * P);
	change_ends(t, th);
	t_access(t, &a, c.addr, UF_PROT_READ);
	t_fault_at(t, c.ctx, c.addr, 0);
	CHECK_FILL(t_copy(t, c.ctx, c.addr, 1, 8, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 8);
}

/* Everything a page can be. */
static void event_move(struct t *t)
{
	struct sim_thread *th;
	struct t_access a;
	struct change c;

	change_begin(t, &c);
	CHECK_EQ(t_register_in(t, c.ctx, c.addr, EVENT_PAGES, MISSING | WP), 0);
	CHECK_FILL(t_copy(t, c.ctx, c.addr, 1, 7, 0), 0, P);
	CHECK_FILL(t_copy(t, c.ctx, c.addr + P, 1, 8, UF_COPY_MODE_WP), 0, P);
	CHECK_FILL(t_poison(t, c.ctx, c.addr + 2 * P, 1, 0), 0, P);
	th = t_thread(t, "move", change_move);
	change_waits(t, th);
	event_at(t, c.ctx, UF_EVENT_REMAP, c.addr, c.to);
	change_waits(t, th);
	CHECK_FILL(t_zero(t, c.ctx, c.to + 3 * P, 1, 0), -EAGAIN, -EAGAIN);
	event_at(t, c.ctx, UF_EVENT_UNMAP, c.addr, c.addr + EVENT_PAGES * P);
	change_ends(t, th);
	CHECK_EQ(t_read_page(t, c.to), 7);
	CHECK_EQ(t_write(t, c.to, 9), SIM_ACCESSED);
	CHECK_EQ(t_read_page(t, c.to + P), 8);
	t_write_protected(t, c.ctx, c.to + P);
	CHECK_EQ(t_write(t, c.to + 2 * P, 1), SIM_POISONED);
	t_access(t, &a, c.to + 3 * P, UF_PROT_READ);
	t_fault_at(t, c.ctx, c.to + 3 * P, 0);
	CHECK_FILL(t_copy(t, c.ctx, c.to + 3 * P, 1, 6, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 6);
	CHECK_FILL(t_zero(t, c.ctx, c.addr + 3 * P, 1, 0), -ENOENT, -ENOENT);
}

/* Faults that came later are read before. */
static void event_order(struct t *t)
{
	struct sim_thread *th;
	struct t_access a[2];
	struct change c;

	change_begin(t, &c);
	th = t_thread(t, "unmap", change_unmap);
	change_waits(t, th);
	for (uint64_t i = 0; i < 2; i++) {
		t_access(t, &a[i], c.addr + (i + 2) * P, UF_PROT_READ);
		t_waits(t, &a[i]);
	}
	CHECK_EQ(t_read_messages(t, c.ctx, 2 * sizeof(struct uf_msg), true),
		 2 * sizeof(struct uf_msg));
	change_waits(t, th);
	event_at(t, c.ctx, UF_EVENT_UNMAP, c.addr, c.addr + 2 * P);
	change_ends(t, th);
	for (uint64_t i = 0; i < 2; i++) {
		CHECK_FILL(t_zero(t, c.ctx, c.addr + (i + 2) * P, 1, 0), 0, P);
		t_ends(t, &a[i], SIM_ACCESSED, 0);
	}
}

static void event_two_contexts(struct t *t)
{
	struct sim_thread *th;
	struct change c;

	change_begin(t, &c);
	c.other = t_open(t, UF_FEATURE_EVENT_UNMAP);
	CHECK_EQ(t_unregister(t, c.ctx, c.addr + P, 1), 0);
	CHECK_EQ(t_register(t, c.other, c.addr + P, 1), 0);
	th = t_thread(t, "unmap", change_unmap);
	change_waits(t, th);
	CHECK_EQ(ufi_ctx_poll(c.other, true), 0);
	/* It has not been told yet, but resolves nothing. */
	CHECK_FILL(t_zero(t, c.other, c.addr + 2 * P, 1, 0), -EAGAIN, -EAGAIN);
	event_at(t, c.ctx, UF_EVENT_UNMAP, c.addr, c.addr + 2 * P);
	change_waits(t, th);
	CHECK_FILL(t_zero(t, c.ctx, c.addr + 2 * P, 1, 0), 0, P);
	event_at(t, c.other, UF_EVENT_UNMAP, c.addr, c.addr + 2 * P);
	change_ends(t, th);
	t_no_message(t, c.ctx);
	t_no_message(t, c.other);
}

static void event_signal(struct t *t)
{
	struct sim_thread *th;
	struct change c;

	change_begin(t, &c);
	th = t_thread(t, "unmap", change_unmap);
	change_waits(t, th);
	ufi_sim_interrupt(t->sim, th);
	change_waits(t, th);
	CHECK_EQ(th->handled, 0);
	event_at(t, c.ctx, UF_EVENT_UNMAP, c.addr, c.addr + 2 * P);
	change_ends(t, th);
	CHECK_EQ(th->handled, 1);
}

static void event_unregister(struct t *t)
{
	struct sim_thread *th;
	struct change c;

	change_begin(t, &c);
	th = t_thread(t, "unmap", change_unmap);
	change_waits(t, th);
	CHECK_EQ(t_unregister(t, c.ctx, c.addr + 2 * P, 2), 0);
	change_waits(t, th);
	event_at(t, c.ctx, UF_EVENT_UNMAP, c.addr, c.addr + 2 * P);
	change_ends(t, th);
}

/* --- Races --- */

static void race_closer(struct t *t)
{
	struct change *c = t->data;

	t_close(t, c->ctx);
}

/* Before it is raised, before it is queued, after: the change is made, and nobody waits. */
static void event_close(struct t *t)
{
	static void (*const changes[])(struct t *) = {change_unmap, change_move, change_dontneed};
	struct sim_thread *th[2];
	struct change c;

	change_begin(t, &c);
	th[0] = t_thread(t, "change", changes[ufi_sim_random(t->sim) % 3]);
	th[1] = t_thread(t, "close", race_closer);
	change_ends(t, th[0]);
	ufi_sim_join(t->sim, th[1]);
}

static void race_reader(struct t *t)
{
	struct change *c = t->data;
	struct uf_msg msg;

	for (;;) {
		CHECK(t_message(t, c->ctx, false, &msg));
		if (msg.event == UF_EVENT_PAGEFAULT) {
			(void)t_copy(t, c->ctx, msg.arg.pagefault.address, 1, 7, 0);
			CHECK_EQ(t_wake(t, c->ctx, msg.arg.pagefault.address, 1), 0);
			continue;
		}
		/* The last one: nobody else unmaps a single page. */
		if (msg.event == UF_EVENT_UNMAP && msg.arg.remove.end - msg.arg.remove.start == P)
			return;
		c->told = true;
		c->events++;
	}
}

/* Nothing is filled from before the change until the reader has been told. */
static void race_copier(struct t *t)
{
	struct change *c = t->data;
	struct t_filled f;

	for (uint64_t i = 0; i < EVENT_PAGES; i++) {
		do
			f = t_copy(t, c->ctx, c->to + i * P, 1, 7, 0);
		while (f.ret == -EAGAIN || f.ret == -ENOENT);
		CHECK(f.ret == 0 || f.ret == -EEXIST);
		CHECK(c->told);
	}
}

static void race_toucher(struct t *t)
{
	struct change *c = t->data;
	uint8_t byte;

	for (uint64_t i = 0; i < EVENT_PAGES; i++) {
		enum sim_outcome outcome;

		/* There, or moved away. */
		outcome = t_read(t, c->addr + i * P, &byte);
		CHECK(outcome == SIM_SIGSEGV || (outcome == SIM_ACCESSED && byte == 7));
		do
			outcome = t_read(t, c->to + i * P, &byte);
		while (outcome == SIM_SIGSEGV);
		CHECK_EQ(outcome, SIM_ACCESSED);
		CHECK_EQ(byte, 7);
	}
}

static void race_stop(struct t *t, struct change *c, struct sim_thread *reader)
{
	CHECK_EQ(ufi_sim_munmap(t->sim, t_registered(t, c->ctx, 1), 1), 0);
	ufi_sim_join(t->sim, reader);
}

static void event_move_race(struct t *t)
{
	struct sim_thread *th[4];
	struct change c;

	change_begin(t, &c);
	th[0] = t_thread(t, "reader", race_reader);
	th[1] = t_thread(t, "move", change_move);
	th[2] = t_thread(t, "copy", race_copier);
	th[3] = t_thread(t, "touch", race_toucher);
	for (int i = 1; i < 4; i++)
		ufi_sim_join(t->sim, th[i]);
	CHECK_EQ(c.ret, 0);
	race_stop(t, &c, th[0]);
	CHECK_EQ(c.events, 2);
	for (uint64_t i = 0; i < EVENT_PAGES; i++)
		CHECK_EQ(t_read_page(t, c.to + i * P), 7);
}

static void race_own(struct t *t)
{
	struct change *c = t->data;
	uint64_t addr = t_registered_in(t, c->ctx, 2, MISSING);
	uint8_t byte;

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(t_read(t, addr, &byte), SIM_ACCESSED);
		CHECK_EQ(byte, 7);
		CHECK_EQ(t->kind == SIM_ANON ? ufi_sim_dontneed(t->sim, addr, 1)
					     : ufi_sim_remove(t->sim, addr, 1),
			 0);
	}
	CHECK_EQ(ufi_sim_munmap(t->sim, addr, 2), 0);
}

/* Every event is read once, whoever raises them; and every fault is resolved in the end. */
static void event_many(struct t *t)
{
	struct sim_thread *th[4];
	struct change c;

	change_begin(t, &c);
	th[0] = t_thread(t, "reader", race_reader);
	for (int i = 1; i < 4; i++)
		th[i] = t_thread(t, "own", race_own);
	for (int i = 1; i < 4; i++)
		ufi_sim_join(t->sim, th[i]);
	race_stop(t, &c, th[0]);
	CHECK_EQ(c.events, 3 * 3);
	CHECK_EQ(atomic_load(&c.ctx->changing), 0);
	t_no_message(t, c.ctx);
}

/* --- Killed --- */

/* Whatever was killed, where it could not see: pages are resolved, and changes told. */
static void event_goes_on(struct t *t, struct change *c)
{
	struct sim_thread *th;
	struct uf_msg msg;
	uint64_t addr;

	while (t_message(t, c->ctx, true, &msg))
		;
	ufi_sim_idle(t->sim);
	CHECK_EQ(ufi_ctx_poll(c->ctx, true), 0);
	addr = t_registered(t, c->ctx, 3);
	CHECK_FILL(t_copy(t, c->ctx, addr, 1, 7, 0), 0, P);
	c->addr = addr;
	th = t_thread(t, "unmap", change_unmap);
	change_waits(t, th);
	event_at(t, c->ctx, UF_EVENT_UNMAP, addr, addr + 2 * P);
	change_ends(t, th);
	CHECK_FILL(t_copy(t, c->ctx, addr + 2 * P, 1, 7, 0), 0, P);
}

/* Asleep: its message goes with it. */
static void event_killed_asleep(struct t *t)
{
	struct sim_thread *th;
	struct change c;

	change_begin(t, &c);
	t->killed = true;
	th = t_thread(t, "unmap", change_unmap);
	change_waits(t, th);
	ufi_sim_kill(t->sim, th);
	if (ufi_sim_chance(t->sim, 2))
		CHECK_FILL(t_zero(t, c.ctx, c.addr + 2 * P, 1, 0), 0, P);
	else
		t_no_message(t, c.ctx);
	event_goes_on(t, &c);
}

static void event_killed_anywhere(struct t *t)
{
	static void (*const changes[])(struct t *) = {change_unmap, change_dontneed};
	struct sim_thread *th;
	struct change c;

	change_begin(t, &c);
	t->killed = true;
	CHECK_FILL(t_copy(t, c.ctx, c.addr, EVENT_PAGES, 7, 0), 0, EVENT_PAGES * P);
	th = t_victim(t, changes[ufi_sim_random(t->sim) % 2], EVENT_STEPS);
	ufi_sim_idle(t->sim);
	ufi_sim_kill(t->sim, th);
	event_goes_on(t, &c);
}

static void kill_reader(struct t *t)
{
	struct change *c = t->data;

	(void)t_read_messages(t, c->ctx, 2 * sizeof(struct uf_msg), false);
}

/* Told, reading, or with the message in its hands: others go on. */
static void event_reader_killed(struct t *t)
{
	struct sim_thread *th[2];
	struct change c;

	change_begin(t, &c);
	t->killed = true;
	th[0] = t_victim(t, kill_reader, EVENT_STEPS);
	th[1] = t_thread(t, "unmap", change_unmap);
	ufi_sim_idle(t->sim);
	ufi_sim_kill(t->sim, th[0]);
	ufi_sim_idle(t->sim);
	if (ufi_ctx_poll(c.ctx, true) == UFI_POLLIN) {
		CHECK_EQ(atomic_load(&t->sim->bell[t_bell(c.ctx)]), 1);
		event_at(t, c.ctx, UF_EVENT_UNMAP, c.addr, c.addr + 2 * P);
	}
	/* It was told, perhaps not woken: whoever looks does that. */
	(void)t_zero(t, c.ctx, c.addr + 3 * P, 1, 0);
	change_ends(t, th[1]);
	event_goes_on(t, &c);
}

/* Ranges are at the old place or at the new one, with all their states. */
static void event_mover_killed(struct t *t)
{
	struct sim_thread *th;
	struct change c;

	change_begin(t, &c);
	t->killed = true;
	CHECK_FILL(t_copy(t, c.ctx, c.addr, 1, 7, 0), 0, P);
	th = t_victim(t, change_move, EVENT_STEPS);
	ufi_sim_idle(t->sim);
	ufi_sim_kill(t->sim, th);
	/* Who writes the registry finds it whole. */
	CHECK_EQ(t_unregister(t, c.ctx, t_registered(t, c.ctx, 1), 1), 0);
	for (uint64_t i = 0; i < EVENT_PAGES; i++)
		CHECK(!ufi_range_find(&t->sim->mm, c.addr + i * P) ||
		      !ufi_range_find(&t->sim->mm, c.to + i * P));
	if (ufi_sim_pte(t->sim, c.to)->map && ufi_range_find(&t->sim->mm, c.to)) {
		CHECK_EQ(t_read_page(t, c.to), 7);
		while (t_zero(t, c.ctx, c.to + P, 1, 0).ret == -EAGAIN)
			ufi_sim_step(t->sim);
	}
}

const struct t_case event_cases[] = {
	CASE("event.2, event.12, event.14", event_unmap, T_ALL),
	CASE("event.1", event_silent, T_ALL),
	CASE("event.4", event_remove, T_ALL),
	CASE("event.6, event.7, event.9", event_move, T_ALL),
	CASE("event.13", event_order, T_ALL),
	CASE("event.3, event.12", event_two_contexts, T_ALL),
	CASE("event.11", event_signal, T_ONCE),
	CASE("event.15", event_unregister, T_ONCE),
	CASE_RACE_OF("event.15", event_close, T_ALL, 3000),
	CASE_RACE_OF("event.12, event.7", event_move_race, T_ALL, 3000),
	CASE_RACE_OF("event.13, event.12", event_many, T_ALL, 3000),
	CASE_RACE("event.17", event_killed_asleep, T_ONCE),
	CASE_RACE_OF("event.17", event_killed_anywhere, T_ALL, 3000),
	CASE_RACE_OF("event.14", event_reader_killed, T_ONCE, 3000),
	CASE_RACE_OF("event.17", event_mover_killed, T_ALL, 3000),
	{0},
};
