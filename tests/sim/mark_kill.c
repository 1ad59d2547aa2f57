/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Killed anywhere while protecting, unprotecting, mapping and poisoning: the
 * others go on, and what the machine lets through is what the page's state
 * says. As in kill.c a promised wake is made up for.
 */
#include "case.h"
#include "engine/pagestate.h"

#define P SIM_PAGE
#define MARK_PAGES 3

struct mark_victim {
	struct ufi_ctx *ctx;
	uint64_t addr;
	uint64_t twin;
	uint64_t mode;
};

static void mark_kill_begin(struct t *t, struct mark_victim *v, uint64_t mode)
{
	*v = (struct mark_victim){.ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED), .mode = mode};
	v->addr = t_registered_in(t, v->ctx, MARK_PAGES, mode);
	if (t->kind == SIM_SHARED)
		v->twin = t_twin(t, v->addr, MARK_PAGES);
	t->data = v;
	t->killed = true;
}

/* In memory that fills itself, or that is missing at first; all of it there, or none. */
static void mark_kill_begin_any(struct t *t, struct mark_victim *v)
{
	mark_kill_begin(t, v, ufi_sim_chance(t->sim, 2) ? WP : WP | MISSING);
	if (ufi_sim_chance(t->sim, 2))
		CHECK_FILL(t_copy(t, v->ctx, v->addr, MARK_PAGES, 1, 0), 0, MARK_PAGES * P);
}

/* Nobody is at the pages. */
static void mark_check(struct t *t, struct mark_victim *v)
{
	t_notice(t, v->ctx);
	for (uint64_t i = 0; i < MARK_PAGES; i++)
		t_check_trap(t, v->addr + i * P);
}

/* Writing is allowed again, what is missing is filled, who waits is woken. */
static void mark_make_up(struct t *t, struct mark_victim *v)
{
	for (uint64_t i = 0; i < MARK_PAGES; i++) {
		struct t_filled f = t_copy(t, v->ctx, v->addr + i * P, 1, 2, 0);

		CHECK(f.ret == 0 || f.ret == -EEXIST);
	}
	if (v->mode & WP)
		CHECK_EQ(t_unprotect(t, v->ctx, v->addr, MARK_PAGES), 0);
	CHECK_EQ(t_wake(t, v->ctx, v->addr, MARK_PAGES), 0);
}

/* And the pages can be used as if nothing had happened. */
static void mark_still_works(struct t *t, struct mark_victim *v)
{
	CHECK_EQ(t_protect(t, v->ctx, v->addr, MARK_PAGES), 0);
	for (uint64_t i = 0; i < MARK_PAGES; i++)
		t_write_protected(t, v->ctx, v->addr + i * P);
	mark_check(t, v);
}

static void mark_kill_writer(struct t *t)
{
	struct mark_victim *v = t->data;

	for (uint64_t i = 0; i < MARK_PAGES; i++) {
		uint8_t byte = 0;

		CHECK_EQ(t_write(t, v->addr + i * P + 10, 0x55), SIM_ACCESSED);
		CHECK_EQ(t_read(t, v->addr + i * P + 10, &byte), SIM_ACCESSED);
		CHECK_EQ(byte, 0x55);
	}
}

static void mark_kill_protector(struct t *t)
{
	struct mark_victim *v = t->data;

	(void)t_protect(t, v->ctx, v->addr, MARK_PAGES);
}

static void mark_kill_unprotector(struct t *t)
{
	struct mark_victim *v = t->data;

	(void)t_unprotect(t, v->ctx, v->addr, MARK_PAGES);
}

/* WRITER beside VICTIM; then all is made up for. */
static void mark_kill_beside_writer(struct t *t, struct mark_victim *v, void (*victim)(struct t *t))
{
	struct sim_thread *th[2];

	th[0] = t_thread(t, "writer", mark_kill_writer);
	th[1] = t_victim(t, victim, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[1]);
	mark_make_up(t, v);
	ufi_sim_join(t->sim, th[0]);
	mark_check(t, v);
	for (uint64_t i = 0; i < MARK_PAGES; i++) {
		uint8_t byte;

		CHECK_EQ(t_read(t, v->addr + i * P + 10, &byte), SIM_ACCESSED);
		CHECK_EQ(byte, 0x55);
	}
	mark_still_works(t, v);
}

static void kill_while_write_protecting(struct t *t)
{
	struct mark_victim v;

	mark_kill_begin_any(t, &v);
	mark_kill_beside_writer(t, &v, mark_kill_protector);
}

static void kill_while_unprotecting(struct t *t)
{
	struct mark_victim v;

	mark_kill_begin_any(t, &v);
	CHECK_EQ(t_protect(t, v.ctx, v.addr, MARK_PAGES), 0);
	mark_kill_beside_writer(t, &v, mark_kill_unprotector);
}

static void mark_kill_copier(struct t *t)
{
	struct mark_victim *v = t->data;

	(void)t_copy(t, v->ctx, v->addr, MARK_PAGES, 1, v->mode & WP ? UF_COPY_MODE_WP : 0);
}

static void kill_while_copying_protected(struct t *t)
{
	struct mark_victim v;

	mark_kill_begin(t, &v, ufi_sim_chance(t->sim, 2) ? WP : WP | MISSING);
	mark_kill_beside_writer(t, &v, mark_kill_copier);
}

static void mark_kill_reader(struct t *t)
{
	struct mark_victim *v = t->data;

	for (uint64_t i = 0; i < MARK_PAGES; i++)
		CHECK(t_read_page(t, v->addr + i * P) <= 1);
}

/* Where memory fills itself nobody has to be woken: the page opens again by itself. */
static void kill_while_copying_open(struct t *t)
{
	struct sim_thread *th[3];
	struct mark_victim v;

	mark_kill_begin(t, &v, WP);
	th[0] = t_thread(t, "reader", mark_kill_reader);
	th[1] = t_victim(t, mark_kill_copier, T_CALL_STEPS);
	th[2] = t_thread(t, "reader", mark_kill_reader);
	for (int i = 0; i < 3; i++)
		ufi_sim_join(t->sim, th[i]);
	t_no_message(t, v.ctx);
	mark_check(t, &v);
	mark_still_works(t, &v);
}

/* --- CONTINUE --- */

static void mark_kill_cache(struct t *t, struct mark_victim *v)
{
	uint8_t page[SIM_PAGE];

	memset(page, 7, sizeof(page));
	for (uint64_t i = 0; i < MARK_PAGES; i++)
		ufi_sim_poke(t->sim, v->twin + i * P, page, sizeof(page));
}

static void mark_kill_continuer(struct t *t)
{
	struct mark_victim *v = t->data;

	(void)t_continue(t, v->ctx, v->addr, MARK_PAGES, 0);
}

static void mark_kill_object_reader(struct t *t)
{
	struct mark_victim *v = t->data;

	for (uint64_t i = 0; i < MARK_PAGES; i++)
		CHECK_EQ(t_read_page(t, v->addr + i * P), 7);
}

static void mark_continue_rest(struct t *t, struct mark_victim *v)
{
	for (uint64_t i = 0; i < MARK_PAGES; i++) {
		struct t_filled f = t_continue(t, v->ctx, v->addr + i * P, 1, 0);

		CHECK(f.ret == 0 || f.ret == -EEXIST);
	}
	CHECK_EQ(t_wake(t, v->ctx, v->addr, MARK_PAGES), 0);
}

static void kill_while_continuing(struct t *t)
{
	struct sim_thread *th[2];
	struct mark_victim v;

	mark_kill_begin(t, &v, ufi_sim_chance(t->sim, 2) ? MINOR : MINOR | WP);
	mark_kill_cache(t, &v);
	th[0] = t_thread(t, "reader", mark_kill_object_reader);
	th[1] = t_victim(t, mark_kill_continuer, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[1]);
	mark_continue_rest(t, &v);
	ufi_sim_join(t->sim, th[0]);
	mark_check(t, &v);
	for (uint64_t i = 0; i < MARK_PAGES; i++)
		CHECK(t_page_is(t, v.twin + i * P, 7));
}

/* The machine refuses to open a page of the dead: its object keeps it. */
static void kill_and_no_open(struct t *t)
{
	struct sim_thread *th;
	struct mark_victim v;

	mark_kill_begin(t, &v, MINOR);
	mark_kill_cache(t, &v);
	th = t_victim(t, mark_kill_continuer, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	ufi_sim_fail_nth(t->sim, SIM_OP_OPEN, 1);
	t_notice(t, v.ctx);
	ufi_sim_fail_nth(t->sim, SIM_OP_OPEN, 0);
	for (uint64_t i = 0; i < MARK_PAGES; i++)
		CHECK(t_page_is(t, v.twin + i * P, 7));
	th = t_thread(t, "reader", mark_kill_object_reader);
	ufi_sim_idle(t->sim);
	mark_continue_rest(t, &v);
	ufi_sim_join(t->sim, th);
	mark_check(t, &v);
}

/* The same for a copy: what could be seen stays, and what could not is nowhere. */
static void kill_copy_and_no_open(struct t *t)
{
	struct sim_thread *th;
	struct mark_victim v;

	mark_kill_begin(t, &v, ufi_sim_chance(t->sim, 2) ? MISSING : WP);
	th = t_victim(t, mark_kill_copier, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	ufi_sim_fail_nth(t->sim, SIM_OP_OPEN, 1);
	t_notice(t, v.ctx);
	ufi_sim_fail_nth(t->sim, SIM_OP_OPEN, 0);
	for (uint64_t i = 0; i < MARK_PAGES; i++)
		CHECK(t_page_is(t, v.addr + i * P, 0) || t_page_is(t, v.addr + i * P, 1));
	mark_make_up(t, &v);
	for (uint64_t i = 0; i < MARK_PAGES; i++)
		(void)t_read_page(t, v.addr + i * P);
}

static void mark_kill_toucher(struct t *t)
{
	struct mark_victim *v = t->data;
	uint8_t byte;

	for (uint64_t i = 0; i < MARK_PAGES; i++)
		CHECK_EQ(t_read(t, v->addr + i * P, &byte), SIM_ACCESSED);
}

/* In a fault that nobody is told of, as the page comes by itself. */
static void kill_while_filling_silently(struct t *t)
{
	struct sim_thread *th[2];
	struct mark_victim v;

	mark_kill_begin(t, &v, ufi_sim_chance(t->sim, 2) ? MINOR : MINOR | WP);
	if (v.mode & WP)
		CHECK_EQ(t_protect(t, v.ctx, v.addr, MARK_PAGES), 0);
	th[0] = t_victim(t, mark_kill_toucher, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[0]);
	th[1] = t_thread(t, "toucher", mark_kill_toucher);
	ufi_sim_idle(t->sim);
	/* What the dead one brought into the object before it was mapped is the object's. */
	mark_continue_rest(t, &v);
	ufi_sim_join(t->sim, th[1]);
	mark_check(t, &v);
	for (uint64_t i = 0; i < MARK_PAGES; i++) {
		if (v.mode & WP)
			CHECK_EQ(t_unprotect(t, v.ctx, v.addr + i * P, 1), 0);
		CHECK_EQ(t_write(t, v.addr + i * P, 1), SIM_ACCESSED);
	}
}

/* --- POISON --- */

static void mark_kill_poisoner(struct t *t)
{
	struct mark_victim *v = t->data;

	(void)t_poison(t, v->ctx, v->addr, MARK_PAGES, 0);
}

/* A page is poisoned or it is not, and a copy makes good either. */
static void kill_while_poisoning(struct t *t)
{
	uint64_t mode = ufi_sim_chance(t->sim, 2) ? WP : MISSING;
	struct t_access a[MARK_PAGES];
	struct sim_thread *th;
	struct mark_victim v;

	mark_kill_begin(t, &v, mode);
	for (uint64_t i = 0; i < MARK_PAGES; i++)
		t_access(t, &a[i], v.addr + i * P, UF_PROT_READ);
	th = t_victim(t, mark_kill_poisoner, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	ufi_sim_idle(t->sim);
	mark_check(t, &v);
	mark_make_up(t, &v);
	ufi_sim_idle(t->sim);
	for (uint64_t i = 0; i < MARK_PAGES; i++) {
		CHECK(ufi_sim_gone(a[i].thread));
		CHECK(a[i].outcome == SIM_POISONED || a[i].outcome == SIM_ACCESSED);
		CHECK_EQ(t_write(t, v.addr + i * P, 1), SIM_ACCESSED);
	}
	mark_check(t, &v);
}

static void mark_kill_unregistrar(struct t *t)
{
	struct mark_victim *v = t->data;

	(void)t_unregister(t, v->ctx, v->addr, MARK_PAGES);
}

/* It outlives an UNREGISTER that does not come to its end. */
static void kill_while_keeping_poison(struct t *t)
{
	struct sim_thread *th;
	struct mark_victim v;
	uint8_t byte;

	mark_kill_begin(t, &v, ufi_sim_chance(t->sim, 2) ? WP : MISSING);
	CHECK_FILL(t_poison(t, v.ctx, v.addr + P, 1, 0), 0, P);
	CHECK_FILL(t_copy(t, v.ctx, v.addr, 1, 1, 0), 0, P);
	th = t_victim(t, mark_kill_unregistrar, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	mark_check(t, &v);
	CHECK_EQ(t_read(t, v.addr + P, &byte), SIM_POISONED);
	CHECK_EQ(t_unregister(t, v.ctx, v.addr, MARK_PAGES), 0);
	CHECK_EQ(t_read(t, v.addr + P, &byte), SIM_POISONED);
	CHECK_EQ(t_read_page(t, v.addr), 1);
	CHECK_EQ(t_write(t, v.addr + 2 * P, 1), SIM_ACCESSED);
}

/* --- Modes and mappings --- */

static void mark_kill_registrar(struct t *t)
{
	struct mark_victim *v = t->data;

	(void)t_register_in(t, v->ctx, v->addr, MARK_PAGES, MISSING);
	(void)t_register_in(t, v->ctx, v->addr, MARK_PAGES, WP);
}

/* In the old modes, in the new ones, or in none; content stays. */
static void kill_while_modes_change(struct t *t)
{
	struct sim_thread *th;
	struct mark_victim v;

	mark_kill_begin(t, &v, WP);
	CHECK_FILL(t_copy(t, v.ctx, v.addr, 1, 1, UF_COPY_MODE_WP), 0, P);
	CHECK_FILL(t_copy(t, v.ctx, v.addr + P, 1, 1, 0), 0, P);
	th = t_victim(t, mark_kill_registrar, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	mark_check(t, &v);
	CHECK_EQ(t_register_in(t, v.ctx, v.addr, MARK_PAGES, WP | MISSING), 0);
	mark_check(t, &v);
	CHECK_FILL(t_copy(t, v.ctx, v.addr, 1, 2, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_copy(t, v.ctx, v.addr + P, 2, 2, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_copy(t, v.ctx, v.addr + 2 * P, 1, 2, 0), 0, P);
	for (uint64_t i = 0; i < MARK_PAGES; i++)
		CHECK_EQ(t_read_page(t, v.addr + i * P), i < 2 ? 1 : 2);
	mark_still_works(t, &v);
}

static void mark_kill_discarder(struct t *t)
{
	struct mark_victim *v = t->data;

	if (t->kind == SIM_SHARED)
		(void)ufi_sim_remove(t->sim, v->addr, MARK_PAGES);
	else
		(void)ufi_sim_dontneed(t->sim, v->addr, MARK_PAGES);
}

static void kill_while_discarding_protected(struct t *t)
{
	struct mark_victim v;
	struct sim_thread *th;

	mark_kill_begin(t, &v, ufi_sim_chance(t->sim, 2) ? WP : WP | MISSING);
	CHECK_FILL(t_copy(t, v.ctx, v.addr, MARK_PAGES, 1, UF_COPY_MODE_WP), 0, MARK_PAGES * P);
	th = t_victim(t, mark_kill_discarder, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	mark_check(t, &v);
	mark_make_up(t, &v);
	mark_still_works(t, &v);
}

static void mark_kill_mprotector(struct t *t)
{
	struct mark_victim *v = t->data;

	(void)ufi_sim_mprotect(t->sim, v->addr, MARK_PAGES, UF_PROT_READ);
	(void)ufi_sim_mprotect(t->sim, v->addr, MARK_PAGES - 1, RW);
}

static void kill_while_mprotecting_protected(struct t *t)
{
	struct mark_victim v;
	struct sim_thread *th;

	mark_kill_begin(t, &v, ufi_sim_chance(t->sim, 2) ? WP : WP | MISSING);
	CHECK_FILL(t_copy(t, v.ctx, v.addr + P, 1, 1, UF_COPY_MODE_WP), 0, P);
	th = t_victim(t, mark_kill_mprotector, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	mark_check(t, &v);
	CHECK_EQ(ufi_sim_mprotect(t->sim, v.addr, MARK_PAGES, RW), 0);
	mark_check(t, &v);
	mark_make_up(t, &v);
	mark_still_works(t, &v);
}

const struct t_case mark_kill_cases[] = {
	CASE_RACE("writeprotect.5, fault.10", kill_while_write_protecting, T_ALL),
	CASE_RACE("writeprotect.8, fault.10", kill_while_unprotecting, T_ALL),
	CASE_RACE("copy.8, copy.12", kill_while_copying_protected, T_ALL),
	CASE_RACE("copy.8, fill.13", kill_while_copying_open, T_ALL),
	CASE_RACE("continue.6, continue.8", kill_while_continuing, T_OBJECT),
	CASE_RACE("continue.6", kill_and_no_open, T_OBJECT),
	CASE_RACE("copy.8", kill_copy_and_no_open, T_ALL),
	CASE_RACE("fault.17, fault.10", kill_while_filling_silently, T_OBJECT),
	CASE_RACE("poison.4, copy.14", kill_while_poisoning, T_ALL),
	CASE_RACE("unregister.8", kill_while_keeping_poison, T_ALL),
	CASE_RACE("register.18", kill_while_modes_change, T_ALL),
	CASE_RACE("vm.8", kill_while_discarding_protected, T_ALL),
	CASE_RACE("vm.7", kill_while_mprotecting_protected, T_ALL),
	{0},
};
