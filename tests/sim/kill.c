/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread that shares the memory and not the process is killed anywhere in
 * the engine: with a lock, with pages it has made busy, with half a page
 * written. The memory lives on, so the others must go on, and find no page
 * half filled and none of their own content lost. What the dead one had
 * promised, a wake for one, is nobody's to keep: it is made up for here.
 */
#include "case.h"
#include "engine/pagestate.h"

#define P SIM_PAGE
#define KILL_PAGES 3

struct victim {
	struct ufi_ctx *ctx;
	uint64_t addr;
	uint64_t twin;
	uint64_t other;
};

static void kill_begin(struct t *t, struct victim *v)
{
	*v = (struct victim){.ctx = t_open(t, 0)};
	v->addr = t_registered(t, v->ctx, KILL_PAGES);
	t->data = v;
	t->killed = true;
}

/* Fill what is missing still, wake whoever the dead one did not. */
static void kill_make_up(struct t *t, struct victim *v)
{
	for (uint64_t i = 0; i < KILL_PAGES; i++) {
		struct t_filled f = t_copy(t, v->ctx, v->addr + i * P, 1, 2, 0);

		CHECK(f.ret == 0 || f.ret == -EEXIST);
	}
	CHECK_EQ(t_wake(t, v->ctx, v->addr, KILL_PAGES), 0);
}

static void kill_copier(struct t *t)
{
	struct victim *v = t->data;

	(void)t_copy(t, v->ctx, v->addr, KILL_PAGES, 1, 0);
}

static void kill_reader(struct t *t)
{
	struct victim *v = t->data;

	for (uint64_t i = 0; i < KILL_PAGES; i++) {
		uint8_t byte = 0;

		CHECK_EQ(t_read(t, v->addr + i * P, &byte), SIM_ACCESSED);
		CHECK(byte == 1 || byte == 2);
	}
}

static void kill_while_copying(struct t *t)
{
	struct sim_thread *th[2];
	struct victim v;

	kill_begin(t, &v);
	th[0] = t_thread(t, "reader", kill_reader);
	th[1] = t_victim(t, kill_copier, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[1]);
	kill_make_up(t, &v);
	t_join(t, th, 2);
	for (uint64_t i = 0; i < KILL_PAGES; i++) {
		uint8_t byte = t_read_page(t, v.addr + i * P);

		CHECK(byte == 1 || byte == 2);
	}
}

static void kill_writer(struct t *t)
{
	struct victim *v = t->data;

	CHECK_EQ(t_write(t, v->addr + 10, 0x55), SIM_ACCESSED);
}

/* What somebody has written to a page that was there for him stays. */
static void kill_keeps_writes(struct t *t)
{
	struct sim_thread *th[2];
	struct victim v;
	uint8_t byte;

	kill_begin(t, &v);
	th[0] = t_thread(t, "writer", kill_writer);
	th[1] = t_victim(t, kill_copier, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[1]);
	kill_make_up(t, &v);
	t_join(t, th, 2);
	CHECK_EQ(t_read(t, v.addr + 10, &byte), SIM_ACCESSED);
	CHECK_EQ(byte, 0x55);
}

static void kill_registers_other(struct t *t)
{
	struct victim *v = t->data;

	for (int i = 0; i < 10; i++) {
		CHECK_EQ(t_register(t, v->ctx, v->other, 1), 0);
		CHECK_EQ(t_unregister(t, v->ctx, v->other, 1), 0);
	}
}

static void kill_survivor(struct t *t)
{
	struct victim *v = t->data;
	struct t_filled f = t_copy(t, v->ctx, v->addr, KILL_PAGES, 2, 0);

	CHECK(f.ret == 0 || f.ret == -EEXIST || f.ret == -EAGAIN);
}

/*
 * Others copy the same pages, and somebody locks everybody out now and then.
 * The steps are those in which a copy makes pages busy.
 */
static void kill_beside_copier(struct t *t)
{
	struct sim_thread *th[4];
	struct victim v;

	kill_begin(t, &v);
	v.other = t_map(t, 1);
	th[0] = t_victim(t, kill_copier, T_CALL_STEPS);
	th[0]->kill_at = 22 + ufi_sim_random(t->sim) % 7;
	th[1] = t_thread(t, "survivor", kill_survivor);
	th[2] = t_thread(t, "survivor", kill_survivor);
	th[3] = t_thread(t, "writer", kill_registers_other);
	t_join(t, th, 4);
	kill_make_up(t, &v);
	for (uint64_t i = 0; i < KILL_PAGES; i++) {
		uint8_t byte = t_read_page(t, v.addr + i * P);

		CHECK(byte == 1 || byte == 2);
	}
}

/* The object has the first page already; it is nobody's to take back. */
static void kill_begin_cached(struct t *t, struct victim *v)
{
	struct sim_object *obj = ufi_sim_object(t->sim, KILL_PAGES);

	*v = (struct victim){.ctx = t_open(t, 0)};
	v->addr = ufi_sim_map(t->sim, 0, KILL_PAGES, RW, SIM_SHARED, obj);
	v->twin = ufi_sim_map(t->sim, 0, KILL_PAGES, RW, SIM_SHARED, obj);
	CHECK_EQ(t_register(t, v->ctx, v->addr, KILL_PAGES), 0);
	CHECK_EQ(t_write(t, v->twin + 10, 7), SIM_ACCESSED);
	t->data = v;
	t->killed = true;
}

static void kill_keeps_object(struct t *t)
{
	struct sim_thread *th;
	struct victim v;
	uint8_t byte;

	kill_begin_cached(t, &v);
	th = t_victim(t, kill_copier, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	CHECK_FILL(t_copy(t, v.ctx, v.addr, 1, 2, 0), -EEXIST, -EEXIST);
	CHECK_EQ(t_read(t, v.twin + 10, &byte), SIM_ACCESSED);
	CHECK_EQ(byte, 7);
}

static void kill_faulter(struct t *t)
{
	struct victim *v = t->data;
	uint8_t byte;

	CHECK_EQ(t_read(t, v->addr + 10, &byte), SIM_ACCESSED);
}

/* A page that only had to be mapped: the next one does that. */
static void kill_while_mapping(struct t *t)
{
	struct sim_thread *th[2];
	struct victim v;

	kill_begin_cached(t, &v);
	th[0] = t_victim(t, kill_faulter, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[0]);
	th[1] = t_thread(t, "reader", kill_faulter);
	ufi_sim_idle(t->sim);
	if (!ufi_sim_gone(th[1]))
		t_fail(__FILE__, __LINE__, "the reader waits for a page that the object has");
}

/* In the fault itself, asleep in it, or after it. */
static void kill_while_faulting(struct t *t)
{
	struct sim_thread *th[2];
	struct victim v;

	kill_begin(t, &v);
	th[0] = t_victim(t, kill_faulter, T_CALL_STEPS);
	th[1] = t_thread(t, "reader", kill_reader);
	while (!ufi_sim_gone(th[0]) && ufi_sim_chance(t->sim, 2))
		ufi_sim_step(t->sim);
	kill_make_up(t, &v);
	t_join(t, th, 2);
}

static void kill_registrar(struct t *t)
{
	struct victim *v = t->data;

	(void)t_register(t, v->ctx, v->other, 2);
	(void)t_unregister(t, v->ctx, v->other, 1);
}

/* What it was at may be in any state; everything else works. */
static void kill_while_registering(struct t *t)
{
	struct sim_thread *th[2];
	struct victim v;
	uint8_t byte;

	kill_begin(t, &v);
	v.other = t_map(t, 2);
	CHECK_EQ(t_write(t, v.other, 1), SIM_ACCESSED);
	th[0] = t_victim(t, kill_registrar, T_CALL_STEPS);
	th[1] = t_thread(t, "reader", kill_reader);
	ufi_sim_join(t->sim, th[0]);
	kill_make_up(t, &v);
	t_join(t, th, 2);
	CHECK_EQ(t_read(t, v.other, &byte), SIM_ACCESSED);
	CHECK_EQ(byte, 1);
	(void)t_unregister(t, v.ctx, v.other, 2);
	CHECK_EQ(t_register(t, v.ctx, v.other, 2), 0);
	CHECK_EQ(t_unregister(t, v.ctx, v.addr, KILL_PAGES), 0);
}

static void kill_discarder(struct t *t)
{
	struct victim *v = t->data;

	if (t->kind == SIM_SHARED)
		(void)ufi_sim_remove(t->sim, v->addr, KILL_PAGES);
	else
		(void)ufi_sim_dontneed(t->sim, v->addr, KILL_PAGES);
}

/* A page is there or missing afterwards, nothing else. */
static void kill_while_discarding(struct t *t)
{
	struct sim_thread *th[2];
	struct victim v;

	kill_begin(t, &v);
	CHECK_FILL(t_copy(t, v.ctx, v.addr, KILL_PAGES, 1, 0), 0, KILL_PAGES * P);
	th[0] = t_victim(t, kill_discarder, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[0]);
	th[1] = t_thread(t, "reader", kill_reader);
	ufi_sim_idle(t->sim);
	kill_make_up(t, &v);
	ufi_sim_join(t->sim, th[1]);
}

/* A page that cannot be closed to look at it is not called missing while it is open. */
static void kill_and_no_close(struct t *t)
{
	struct sim_thread *th[2];
	struct victim v;

	kill_begin(t, &v);
	th[0] = t_victim(t, kill_copier, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[0]);
	ufi_sim_fail_nth(t->sim, SIM_OP_CLOSE, 1);
	t_notice(t, v.ctx);
	for (uint64_t at = v.addr; at < v.addr + KILL_PAGES * P; at += P) {
		const struct ufi_range *r = ufi_range_find(&t->sim->mm, at);
		bool is_open = ufi_sim_pte(t->sim, at)->let != SIM_LET_NONE;

		CHECK(r && is_open == ufi_page_open(r, atomic_load(ufi_page_state(r, at))));
	}
	th[1] = t_thread(t, "reader", kill_reader);
	kill_make_up(t, &v);
	ufi_sim_join(t->sim, th[1]);
}

static void kill_unregistrar(struct t *t)
{
	struct victim *v = t->data;

	(void)t_unregister(t, v->ctx, v->addr + P, 2);
}

/* Whoever waited there is not forgotten, done or not. */
static void kill_while_unregistering(struct t *t)
{
	struct sim_thread *th;
	struct t_access a[KILL_PAGES];
	struct victim v;

	kill_begin(t, &v);
	for (uint64_t i = 0; i < KILL_PAGES; i++)
		t_access(t, &a[i], v.addr + i * P, UF_PROT_READ);
	ufi_sim_idle(t->sim);
	th = t_victim(t, kill_unregistrar, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	t_notice(t, v.ctx);
	for (uint64_t i = 0; i < KILL_PAGES; i++) {
		if (ufi_range_find(&t->sim->mm, v.addr + i * P))
			CHECK_EQ(t_unregister(t, v.ctx, v.addr + i * P, 1), 0);
		t_ends(t, &a[i], SIM_ACCESSED, 0);
	}
}

static void kill_closer(struct t *t)
{
	struct victim *v = t->data;

	t_close(t, v->ctx);
}

/* It is closed and nobody waits, or nothing was done yet. */
static void kill_while_closing(struct t *t)
{
	struct sim_thread *th;
	struct t_access a;
	struct victim v;
	struct ufi_ctx *next = t_open(t, 0);

	kill_begin(t, &v);
	t_access(t, &a, v.addr, UF_PROT_READ);
	ufi_sim_idle(t->sim);
	th = t_victim(t, kill_closer, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	t_notice(t, next);
	if (ufi_range_find(&t->sim->mm, v.addr))
		ufi_sim_kill(t->sim, a.thread);
	else
		t_ends(t, &a, SIM_ACCESSED, 0);
}

static void kill_protector(struct t *t)
{
	struct victim *v = t->data;

	(void)ufi_sim_mprotect(t->sim, v->addr, KILL_PAGES, UF_PROT_READ);
	(void)ufi_sim_mprotect(t->sim, v->addr, KILL_PAGES - 1, RW);
}

/* All of a range has one protection, and it is in force. */
static void kill_while_protecting(struct t *t)
{
	struct sim_thread *th;
	struct victim v;

	kill_begin(t, &v);
	CHECK_FILL(t_copy(t, v.ctx, v.addr, 1, 1, 0), 0, P);
	CHECK_FILL(t_copy(t, v.ctx, v.addr + 2 * P, 1, 1, 0), 0, P);
	th = t_victim(t, kill_protector, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	t_notice(t, v.ctx);
	for (uint64_t at = v.addr; at < v.addr + KILL_PAGES * P; at += P) {
		const struct sim_pte *pte = ufi_sim_pte(t->sim, at);

		CHECK_EQ(pte->prot, pte->want);
		CHECK_EQ(pte->prot, ufi_range_find(&t->sim->mm, at)->prot);
	}
	kill_make_up(t, &v);
	kill_reader(t);
}

static void kill_unmapper(struct t *t)
{
	struct victim *v = t->data;

	(void)ufi_sim_munmap(t->sim, v->addr + P, 1);
}

/* Its neighbours are registered as before. */
static void kill_while_unmapping(struct t *t)
{
	struct sim_thread *th;
	struct victim v;

	kill_begin(t, &v);
	CHECK_FILL(t_copy(t, v.ctx, v.addr, 1, 1, 0), 0, P);
	th = t_victim(t, kill_unmapper, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	t_notice(t, v.ctx);
	for (uint64_t i = 0; i < KILL_PAGES; i += 2) {
		struct t_filled f = t_copy(t, v.ctx, v.addr + i * P, 1, 2, 0);

		CHECK_EQ(f.ret, i ? 0 : -EEXIST);
		CHECK_EQ(t_read_page(t, v.addr + i * P), i ? 2 : 1);
	}
	CHECK_EQ(!ufi_range_find(&t->sim->mm, v.addr + P), !ufi_sim_pte(t->sim, v.addr + P)->map);
}

static void kill_waker(struct t *t)
{
	struct victim *v = t->data;

	(void)t_wake(t, v->ctx, v->addr, KILL_PAGES);
}

static void kill_while_waking(struct t *t)
{
	struct sim_thread *th;
	struct t_access a[3];
	struct victim v;

	kill_begin(t, &v);
	for (int i = 0; i < 3; i++)
		t_access(t, &a[i], v.addr, UF_PROT_READ);
	th = t_victim(t, kill_waker, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	kill_make_up(t, &v);
	for (int i = 0; i < 3; i++)
		t_ends(t, &a[i], SIM_ACCESSED, 2);
}

static void kill_message_reader(struct t *t)
{
	struct victim *v = t->data;

	(void)t_read_messages(t, v->ctx, 2 * sizeof(struct uf_msg), false);
}

/* Its message may be lost with it; others are read by others. */
static void kill_while_reading(struct t *t)
{
	struct sim_thread *th;
	struct t_access a[2];
	struct victim v;
	struct uf_msg msg;

	kill_begin(t, &v);
	th = t_victim(t, kill_message_reader, T_CALL_STEPS);
	for (uint64_t i = 0; i < 2; i++)
		t_access(t, &a[i], v.addr + i * P, UF_PROT_READ);
	ufi_sim_idle(t->sim);
	ufi_sim_kill(t->sim, th);
	while (t_message(t, v.ctx, true, &msg))
		CHECK_FILL(t_copy(t, v.ctx, msg.arg.pagefault.address, 1, 2, 0), 0, P);
	kill_make_up(t, &v);
	for (int i = 0; i < 2; i++)
		t_ends(t, &a[i], SIM_ACCESSED, 2);
}

/* Told to a reader that dies before it has read: those that poll must be told still. */
static void kill_while_told(struct t *t)
{
	struct sim_thread *th;
	struct t_access a;
	struct victim v;

	kill_begin(t, &v);
	th = t_victim(t, kill_message_reader, T_CALL_STEPS);
	t_access(t, &a, v.addr, UF_PROT_READ);
	ufi_sim_idle(t->sim);
	ufi_sim_kill(t->sim, th);
	if (ufi_ctx_poll(v.ctx, true) == UFI_POLLIN)
		CHECK_EQ(atomic_load(&t->sim->bell[t_bell(v.ctx)]), 1);
	kill_make_up(t, &v);
	t_ends(t, &a, SIM_ACCESSED, 2);
}

const struct t_case kill_cases[] = {
	CASE_RACE("copy.8, fault.10", kill_while_copying, T_ALL),
	CASE_RACE("copy.8, fault.12", kill_keeps_writes, T_ALL),
	CASE_RACE_OF("copy.3, copy.8", kill_beside_copier, T_ALL, 10000),
	CASE_RACE("copy.9", kill_keeps_object, T_OBJECT),
	CASE_RACE("fault.5, fault.10", kill_while_mapping, T_OBJECT),
	CASE_RACE("fault.10", kill_while_faulting, T_ALL),
	CASE_RACE("register.13, fault.10", kill_while_registering, T_ALL),
	CASE_RACE("copy.8", kill_and_no_close, T_ALL),
	CASE_RACE("unregister.4", kill_while_unregistering, T_ALL),
	CASE_RACE("close.2", kill_while_closing, T_ALL),
	CASE_RACE("vm.2", kill_while_protecting, T_ALL),
	CASE_RACE("vm.1, vm.5", kill_while_unmapping, T_ALL),
	CASE_RACE("vm.3", kill_while_discarding, T_ALL),
	CASE_RACE("wake.2", kill_while_waking, T_ALL),
	CASE_RACE("read.5", kill_while_reading, T_ALL),
	CASE_RACE("read.8", kill_while_told, T_ONCE),
	{0},
};
