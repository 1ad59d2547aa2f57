/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages that become inaccessible while others read, write, fill and discard
 * them, and while the mode changes in which that is told. Whatever the schedule,
 * nobody waits for ever, no write is lost, and nothing slips through.
 */
#include "mark.h"

#define ASYNC UF_FEATURE_RWP_ASYNC

/* By the schedule: one in which memory fills itself, or one in which it does not. */
static uint64_t rwp_mode(struct t *t)
{
	static const uint64_t modes[] = {RWP, RWP | MISSING, RWP | MINOR, RWP | MINOR | MISSING};

	return modes[ufi_sim_random(t->sim) % (t->kind == SIM_SHARED ? 4 : 2)];
}

/* As mark_begin: one page more than the threads use, all with content if BYTE is not 0. */
static void rwp_begin(struct t *t, struct race *r, uint64_t mode, uint64_t features, uint8_t byte)
{
	*r = (struct race){.ctx = t_open(t, UF_FEATURE_RWP | features), .npages = 2};
	r->addr = t_registered_in(t, r->ctx, 3, mode);
	if (byte)
		CHECK_FILL(t_copy(t, r->ctx, r->addr, 3, byte, 0), 0, 3 * P);
	t->data = r;
}

static void rwp_protector(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 4; i++)
		CHECK_EQ(t_rwprotect(t, r->ctx, r->addr, r->npages), 0);
}

/* Lets every access through, as messages come. */
static void rwp_monitor(struct t *t)
{
	struct race *r = race_of(t);
	struct uf_msg msg;

	while (t_message(t, r->ctx, false, &msg)) {
		uint64_t at = msg.arg.pagefault.address;

		if (at >= r->addr + r->npages * P)
			break;
		if (msg.arg.pagefault.flags & F_RWP)
			CHECK_EQ(t_rwunprotect(t, r->ctx, at, 1), 0);
		else
			mark_resolve(t, r, &msg);
	}
}

/* The last page, which is there, ends the monitor. */
static void rwp_end_monitor(struct t *t, struct race *r, struct sim_thread *monitor)
{
	uint64_t last = r->addr + r->npages * P;
	struct t_access a;

	CHECK_EQ(t_set_mode(t, r->ctx, 0, ASYNC), 0);
	(void)t_copy(t, r->ctx, last, 1, 0, 0);
	CHECK_EQ(t_rwprotect(t, r->ctx, last, 1), 0);
	t_access(t, &a, last, UF_PROT_READ);
	ufi_sim_join(t->sim, monitor);
	CHECK_EQ(t_rwunprotect(t, r->ctx, last, 1), 0);
	ufi_sim_join(t->sim, a.thread);
	CHECK_EQ(t_waiters(r->ctx), 0);
}

static void rwp_protect_and_access(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), 0, ufi_sim_chance(t->sim, 2));
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "writer", mark_writer);
	th[2] = t_thread(t, "protector", rwp_protector);
	th[3] = t_thread(t, "monitor", rwp_monitor);
	t_join(t, th, 3);
	rwp_end_monitor(t, &r, th[3]);
	mark_check_writes(t, &r, 2, 2);
}

/* Two writers and one more; nobody reads messages, and there are none. */
static void rwp_beside_writers(struct t *t, struct race *r, void (*fn)(struct t *t))
{
	struct sim_thread *th[3];

	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "writer", mark_writer);
	th[2] = t_thread(t, "beside", fn);
	t_join(t, th, 3);
	mark_check_writes(t, r, 2, 2);
	CHECK_EQ(t_waiters(r->ctx), 0);
	t_no_message(t, r->ctx);
}

static void rwp_unprotector(struct t *t)
{
	struct race *r = race_of(t);

	CHECK_EQ(t_rwunprotect(t, r->ctx, r->addr, r->npages), 0);
}

/* One end of it, nobody reads messages: no access is left behind. */
static void rwp_access_and_unprotect(struct t *t)
{
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), 0, 1);
	CHECK_EQ(t_rwprotect(t, r.ctx, r.addr, 2), 0);
	rwp_beside_writers(t, &r, rwp_unprotector);
}

/* --- Nothing slips through --- */

static void rwp_only_writer(struct t *t)
{
	struct race *r = race_of(t);

	for (uint8_t i = 1; i <= 100; i++) {
		CHECK_EQ(t_write(t, r->addr, i), SIM_ACCESSED);
		r->won++;
	}
}

static void rwp_look(struct t *t, struct race *r)
{
	uint8_t before;
	uint8_t after;
	uint32_t won;

	ufi_sim_peek(t->sim, r->addr, &before, 1);
	won = r->won;
	for (uint64_t n = ufi_sim_random(t->sim) % 40; n > 0; n--)
		ufi_sim_step(t->sim);
	ufi_sim_peek(t->sim, r->addr, &after, 1);
	CHECK_EQ(after, before);
	/* Two writers, each of which may have written before and not counted yet. */
	CHECK(r->won <= won + 2);
}

/* From the return of the call the page is as it is, until that is ended. */
static void rwp_nothing_slips_through(struct t *t)
{
	struct sim_thread *th[2];
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), 0, 1);
	th[0] = t_thread(t, "writer", rwp_only_writer);
	th[1] = t_thread(t, "writer", rwp_only_writer);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(t_rwprotect(t, r.ctx, r.addr, 1), 0);
		rwp_look(t, &r);
		CHECK_EQ(t_rwunprotect(t, r.ctx, r.addr, 1), 0);
		ufi_sim_step(t->sim);
	}
	t_join(t, th, 2);
	CHECK_EQ(t_waiters(r.ctx), 0);
}

/* In a registration that is widened meanwhile nothing does either. */
static void rwp_widened(struct t *t)
{
	struct sim_thread *th[2];
	struct race r;

	rwp_begin(t, &r, RWP, 0, 1);
	th[0] = t_thread(t, "writer", rwp_only_writer);
	th[1] = t_thread(t, "writer", rwp_only_writer);
	CHECK_EQ(t_rwprotect(t, r.ctx, r.addr, 1), 0);
	rwp_look(t, &r);
	r.lost = r.won;
	CHECK_EQ(t_register_in(t, r.ctx, r.addr, 3, RWP | MISSING), 0);
	CHECK(r.won <= r.lost + 2);
	rwp_look(t, &r);
	CHECK_EQ(t_rwunprotect(t, r.ctx, r.addr, 1), 0);
	t_join(t, th, 2);
	CHECK_EQ(t_waiters(r.ctx), 0);
	t_no_message(t, r.ctx);
}

/* --- Accesses that resolve themselves --- */

static void rwp_async(struct t *t)
{
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), ASYNC, 1);
	rwp_beside_writers(t, &r, rwp_protector);
}

static void rwp_toggler(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 4; i++)
		CHECK_EQ(t_set_mode(t, r->ctx, i % 2 ? 0 : ASYNC, i % 2 ? ASYNC : 0), 0);
}

static void rwp_toggled(struct t *t)
{
	uint8_t byte = ufi_sim_chance(t->sim, 2);
	struct sim_thread *th[5];
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), ufi_sim_chance(t->sim, 2) ? ASYNC : 0, byte);
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "writer", mark_writer);
	th[2] = t_thread(t, "protector", rwp_protector);
	th[3] = t_thread(t, "toggler", rwp_toggler);
	th[4] = t_thread(t, "monitor", rwp_monitor);
	t_join(t, th, 4);
	rwp_end_monitor(t, &r, th[4]);
	mark_check_writes(t, &r, 2, 2);
	CHECK_EQ(t_rwprotect(t, r.ctx, r.addr, 1), 0);
	t_inaccessible(t, r.ctx, r.addr, byte);
}

/* Enabling alone lets everybody go, whom nobody else would. */
static void rwp_enabler(struct t *t)
{
	CHECK_EQ(t_set_mode(t, race_of(t)->ctx, ASYNC, 0), 0);
}

static void rwp_enabled(struct t *t)
{
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), 0, 1);
	CHECK_EQ(t_rwprotect(t, r.ctx, r.addr, 2), 0);
	rwp_beside_writers(t, &r, rwp_enabler);
}

/* Once it is disabled what is inaccessible stays so. */
static void rwp_disabled(struct t *t)
{
	struct sim_thread *th[2];
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), ASYNC, 1);
	th[0] = t_thread(t, "writer", rwp_only_writer);
	th[1] = t_thread(t, "writer", rwp_only_writer);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(t_rwprotect(t, r.ctx, r.addr, 1), 0);
		CHECK_EQ(t_set_mode(t, r.ctx, 0, ASYNC), 0);
		CHECK_EQ(t_rwprotect(t, r.ctx, r.addr, 1), 0);
		rwp_look(t, &r);
		CHECK_EQ(t_set_mode(t, r.ctx, ASYNC, 0), 0);
	}
	t_join(t, th, 2);
	CHECK_EQ(t_waiters(r.ctx), 0);
}

/* --- Against those that fill, discard, and end --- */

static void rwp_copier(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 3; i++) {
		struct t_filled f = t_copy(t, r->ctx, r->addr, 2, 1, 0);

		CHECK(f.ret == 0 || f.ret == -EEXIST || f.ret == -EAGAIN);
	}
}

static void rwp_fill_and_access(struct t *t)
{
	struct sim_thread *th[5];
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), 0, 0);
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "copier", rwp_copier);
	th[2] = t_thread(t, "copier", rwp_copier);
	th[3] = t_thread(t, "protector", rwp_protector);
	th[4] = t_thread(t, "monitor", rwp_monitor);
	t_join(t, th, 4);
	rwp_end_monitor(t, &r, th[4]);
	mark_check_writes(t, &r, 2, 1);
}

static void rwp_discard(struct t *t)
{
	struct sim_thread *th[5];
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), ufi_sim_chance(t->sim, 2) ? ASYNC : 0, 1);
	th[0] = t_thread(t, "writer", mark_careless_writer);
	th[1] = t_thread(t, "writer", mark_careless_writer);
	th[2] = t_thread(t, "protector", rwp_protector);
	th[3] = t_thread(t, "discard", mark_discard_thread);
	th[4] = t_thread(t, "monitor", rwp_monitor);
	t_join(t, th, 4);
	rwp_end_monitor(t, &r, th[4]);
	CHECK_EQ(t_rwunprotect(t, r.ctx, r.addr, 2), 0);
	for (uint64_t i = 0; i < 2; i++) {
		(void)t_copy(t, r.ctx, r.addr + i * P, 1, 0, 0);
		if (t->kind == SIM_SHARED)
			(void)t_continue(t, r.ctx, r.addr + i * P, 1, 0);
		CHECK_EQ(t_write(t, r.addr + i * P, 7), SIM_ACCESSED);
	}
	t_no_message(t, r.ctx);
}

static void rwp_mprotect(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), ufi_sim_chance(t->sim, 2) ? ASYNC : 0, 1);
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "mprotect", mark_mprotect_thread);
	th[2] = t_thread(t, "protector", rwp_protector);
	th[3] = t_thread(t, "monitor", rwp_monitor);
	t_join(t, th, 3);
	rwp_end_monitor(t, &r, th[3]);
	mark_check_writes(t, &r, 2, 1);
	CHECK_EQ(t_rwprotect(t, r.ctx, r.addr, 2), 0);
	t_inaccessible(t, r.ctx, r.addr, 1);
}

static void rwp_tolerant_protector(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 4; i++) {
		int ret = t_rwprotect(t, r->ctx, r->addr, r->npages);

		CHECK(ret == 0 || ret == -ENOENT);
	}
}

static void rwp_unregistrar(struct t *t)
{
	struct race *r = race_of(t);

	CHECK_EQ(t_unregister(t, r->ctx, r->addr, r->npages), 0);
	/* In memory that fills itself that wakes nobody. */
	CHECK_EQ(t_wake(t, r->ctx, r->addr, r->npages), 0);
}

static void rwp_unregister(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), 0, 1);
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "protector", rwp_tolerant_protector);
	th[2] = t_thread(t, "unregister", rwp_unregistrar);
	t_join(t, th, 3);
	mark_check_writes(t, &r, 2, 1);
	CHECK_EQ(t_waiters(r.ctx), 0);
}

static void rwp_close(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	rwp_begin(t, &r, rwp_mode(t), 0, 1);
	CHECK_EQ(t_rwprotect(t, r.ctx, r.addr, 2), 0);
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "writer", mark_writer);
	th[2] = t_thread(t, "closer", race_close_thread);
	t_join(t, th, 3);
	mark_check_writes(t, &r, 2, 2);
}

const struct t_case rwp_race_cases[] = {
	CASE_RACE("rwprotect.9, rwprotect.11", rwp_protect_and_access, T_ALL),
	CASE_RACE("rwprotect.9", rwp_access_and_unprotect, T_ALL),
	CASE_RACE("rwprotect.5", rwp_nothing_slips_through, T_ALL),
	CASE_RACE("rwprotect.18", rwp_widened, T_ALL),
	CASE_RACE("setmode.3", rwp_async, T_ALL),
	CASE_RACE("setmode.3, setmode.4, setmode.5", rwp_toggled, T_ALL),
	CASE_RACE("setmode.4", rwp_enabled, T_ALL),
	CASE_RACE("setmode.5", rwp_disabled, T_ALL),
	CASE_RACE("rwprotect.14", rwp_fill_and_access, T_ALL),
	CASE_RACE("rwprotect.15", rwp_discard, T_ALL),
	CASE_RACE("rwprotect.15", rwp_mprotect, T_ALL),
	CASE_RACE("rwprotect.22", rwp_unregister, T_ALL),
	CASE_RACE("rwprotect.22", rwp_close, T_ALL),
	{0},
};
