/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Killed anywhere while pages become inaccessible and accessible again: the
 * others go on, content stays, and what the machine lets through is what the
 * page's state says. As in kill.c a promised wake is made up for.
 */
#include "case.h"
#include "engine/pagestate.h"

#define P SIM_PAGE
#define RWP_PAGES 3

struct rwp_victim {
	struct ufi_ctx *ctx;
	uint64_t addr;
	uint64_t mode;
};

/* Pages full of 1. */
static void rwp_kill_begin(struct t *t, struct rwp_victim *v, uint64_t features)
{
	static const uint64_t modes[] = {RWP, RWP | MISSING, RWP | MINOR};

	*v = (struct rwp_victim){.ctx = t_open(t, UF_FEATURE_RWP | features)};
	v->mode = modes[ufi_sim_random(t->sim) % (t->kind == SIM_SHARED ? 3 : 2)];
	v->addr = t_registered_in(t, v->ctx, RWP_PAGES, v->mode);
	CHECK_FILL(t_copy(t, v->ctx, v->addr, RWP_PAGES, 1, 0), 0, RWP_PAGES * P);
	t->data = v;
	t->killed = true;
}

/* Nobody is at the pages. */
static void rwp_check(struct t *t, struct rwp_victim *v)
{
	t_notice(t, v->ctx);
	for (uint64_t i = 0; i < RWP_PAGES; i++)
		t_check_trap(t, v->addr + i * P);
}

/* As if nothing had happened: all of it can be told of, and was kept. */
static void rwp_still_works(struct t *t, struct rwp_victim *v, uint8_t byte)
{
	CHECK_EQ(t_set_mode(t, v->ctx, 0, UF_FEATURE_RWP_ASYNC), 0);
	CHECK_EQ(t_rwprotect(t, v->ctx, v->addr, RWP_PAGES), 0);
	rwp_check(t, v);
	for (uint64_t i = 0; i < RWP_PAGES; i++) {
		t_inaccessible(t, v->ctx, v->addr + i * P, byte);
		CHECK_EQ(t_read_page(t, v->addr + i * P), byte);
	}
	rwp_check(t, v);
}

static void rwp_kill_reader(struct t *t)
{
	struct rwp_victim *v = t->data;

	for (uint64_t i = 0; i < RWP_PAGES; i++)
		CHECK_EQ(t_read_page(t, v->addr + i * P), 1);
}

static void rwp_kill_protector(struct t *t)
{
	struct rwp_victim *v = t->data;

	(void)t_rwprotect(t, v->ctx, v->addr, RWP_PAGES);
}

static void rwp_kill_unprotector(struct t *t)
{
	struct rwp_victim *v = t->data;

	(void)t_rwunprotect(t, v->ctx, v->addr, RWP_PAGES);
}

/* A reader beside VICTIM; then the wake is made up for. */
static void rwp_kill_beside_reader(struct t *t, struct rwp_victim *v, void (*victim)(struct t *t))
{
	struct sim_thread *th[2];

	th[0] = t_thread(t, "reader", rwp_kill_reader);
	th[1] = t_victim(t, victim, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[1]);
	CHECK_EQ(t_rwunprotect(t, v->ctx, v->addr, RWP_PAGES), 0);
	ufi_sim_join(t->sim, th[0]);
	rwp_check(t, v);
	rwp_still_works(t, v, 1);
}

static void kill_while_rwprotecting(struct t *t)
{
	struct rwp_victim v;

	rwp_kill_begin(t, &v, 0);
	rwp_kill_beside_reader(t, &v, rwp_kill_protector);
}

static void kill_while_ending_rwprotection(struct t *t)
{
	struct rwp_victim v;

	rwp_kill_begin(t, &v, 0);
	CHECK_EQ(t_rwprotect(t, v.ctx, v.addr, RWP_PAGES), 0);
	rwp_kill_beside_reader(t, &v, rwp_kill_unprotector);
}

/* The machine refuses to close a page of the dead, or to open it. */
static void kill_and_machine_refuses(struct t *t)
{
	bool protects = ufi_sim_chance(t->sim, 2);
	enum sim_op op = protects ? SIM_OP_CLOSE : SIM_OP_OPEN;
	struct sim_thread *th;
	struct rwp_victim v;

	rwp_kill_begin(t, &v, 0);
	if (!protects)
		CHECK_EQ(t_rwprotect(t, v.ctx, v.addr, RWP_PAGES), 0);
	th = t_victim(t, protects ? rwp_kill_protector : rwp_kill_unprotector, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	ufi_sim_fail_nth(t->sim, op, 1);
	rwp_check(t, &v);
	ufi_sim_fail_nth(t->sim, op, 0);
	rwp_still_works(t, &v, 1);
}

/* An access that resolves itself, and does not come to its end. */
static void kill_while_accessing(struct t *t)
{
	struct sim_thread *th[2];
	struct rwp_victim v;

	rwp_kill_begin(t, &v, UF_FEATURE_RWP_ASYNC);
	CHECK_EQ(t_rwprotect(t, v.ctx, v.addr, RWP_PAGES), 0);
	th[0] = t_victim(t, rwp_kill_reader, T_CALL_STEPS);
	th[1] = t_thread(t, "reader", rwp_kill_reader);
	ufi_sim_join(t->sim, th[0]);
	ufi_sim_join(t->sim, th[1]);
	rwp_check(t, &v);
	t_no_message(t, v.ctx);
	rwp_still_works(t, &v, 1);
}

static void rwp_kill_enabler(struct t *t)
{
	struct rwp_victim *v = t->data;

	(void)t_set_mode(t, v->ctx, UF_FEATURE_RWP_ASYNC, 0);
}

/* It is enabled and nobody sleeps, or it is not. */
static void kill_while_enabling(struct t *t)
{
	struct sim_thread *th[3];
	struct rwp_victim v;

	rwp_kill_begin(t, &v, 0);
	CHECK_EQ(t_rwprotect(t, v.ctx, v.addr, RWP_PAGES), 0);
	th[0] = t_thread(t, "reader", rwp_kill_reader);
	th[1] = t_thread(t, "reader", rwp_kill_reader);
	th[2] = t_victim(t, rwp_kill_enabler, T_CALL_STEPS);
	ufi_sim_join(t->sim, th[2]);
	t_notice(t, v.ctx);
	if (!(atomic_load(&v.ctx->features) & UF_FEATURE_RWP_ASYNC))
		CHECK_EQ(t_set_mode(t, v.ctx, UF_FEATURE_RWP_ASYNC, 0), 0);
	ufi_sim_join(t->sim, th[0]);
	ufi_sim_join(t->sim, th[1]);
	rwp_still_works(t, &v, 1);
}

static void rwp_kill_registrar(struct t *t)
{
	struct rwp_victim *v = t->data;

	(void)t_register_in(t, v->ctx, v->addr, RWP_PAGES, v->mode | RWP | MISSING);
}

/* In the old mode, in the new one, or in none; content stays. */
static void kill_while_rwp_widens(struct t *t)
{
	struct sim_thread *th;
	struct rwp_victim v;

	rwp_kill_begin(t, &v, 0);
	CHECK_EQ(t_rwprotect(t, v.ctx, v.addr, RWP_PAGES - 1), 0);
	th = t_victim(t, rwp_kill_registrar, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	rwp_check(t, &v);
	CHECK_EQ(t_register_in(t, v.ctx, v.addr, RWP_PAGES, v.mode | MISSING), 0);
	rwp_check(t, &v);
	rwp_still_works(t, &v, 1);
}

static void rwp_kill_discarder(struct t *t)
{
	struct rwp_victim *v = t->data;

	if (t->kind == SIM_SHARED && ufi_sim_chance(t->sim, 2))
		(void)ufi_sim_remove(t->sim, v->addr, RWP_PAGES);
	else
		(void)ufi_sim_dontneed(t->sim, v->addr, RWP_PAGES);
}

/* A page that was discarded is made anew; one that was not has what it had. */
static void kill_while_discarding_inaccessible(struct t *t)
{
	struct rwp_victim v;
	struct sim_thread *th;

	rwp_kill_begin(t, &v, 0);
	CHECK_EQ(t_rwprotect(t, v.ctx, v.addr, RWP_PAGES), 0);
	th = t_victim(t, rwp_kill_discarder, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	rwp_check(t, &v);
	CHECK_EQ(t_rwunprotect(t, v.ctx, v.addr, RWP_PAGES), 0);
	for (uint64_t i = 0; i < RWP_PAGES; i++) {
		struct t_filled f = t_copy(t, v.ctx, v.addr + i * P, 1, 1, 0);

		CHECK(f.ret == 0 || f.ret == -EEXIST);
		if (t->kind == SIM_SHARED)
			(void)t_continue(t, v.ctx, v.addr + i * P, 1, 0);
		CHECK_EQ(t_read_page(t, v.addr + i * P), 1);
	}
	rwp_still_works(t, &v, 1);
}

static void rwp_kill_mprotector(struct t *t)
{
	struct rwp_victim *v = t->data;

	(void)ufi_sim_mprotect(t->sim, v->addr, RWP_PAGES, UF_PROT_READ);
	(void)ufi_sim_mprotect(t->sim, v->addr, RWP_PAGES - 1, RW);
}

static void kill_while_mprotecting_inaccessible(struct t *t)
{
	struct rwp_victim v;
	struct sim_thread *th;

	rwp_kill_begin(t, &v, 0);
	CHECK_EQ(t_rwprotect(t, v.ctx, v.addr + P, 1), 0);
	th = t_victim(t, rwp_kill_mprotector, T_CALL_STEPS);
	ufi_sim_join(t->sim, th);
	rwp_check(t, &v);
	CHECK_EQ(ufi_sim_mprotect(t->sim, v.addr, RWP_PAGES, RW), 0);
	rwp_check(t, &v);
	t_inaccessible(t, v.ctx, v.addr + P, 1);
	rwp_still_works(t, &v, 1);
}

const struct t_case rwp_kill_cases[] = {
	CASE_RACE("rwprotect.5, fault.10", kill_while_rwprotecting, T_ALL),
	CASE_RACE("rwprotect.8, fault.10", kill_while_ending_rwprotection, T_ALL),
	CASE_RACE("rwprotect.8", kill_and_machine_refuses, T_ALL),
	CASE_RACE("setmode.3, fault.10", kill_while_accessing, T_ALL),
	CASE_RACE("setmode.4", kill_while_enabling, T_ALL),
	CASE_RACE("rwprotect.18", kill_while_rwp_widens, T_ALL),
	CASE_RACE("rwprotect.15", kill_while_discarding_inaccessible, T_ALL),
	CASE_RACE("rwprotect.15", kill_while_mprotecting_inaccessible, T_ALL),
	{0},
};
