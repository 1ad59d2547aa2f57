/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Protected pages while the program changes its mappings, or registers them in
 * other modes, or the registration ends: no write is lost, nobody waits for ever.
 */
#include "mark.h"

/* --- The program's own changes --- */

void mark_discard_thread(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 3; i++) {
		if (t->kind == SIM_SHARED && ufi_sim_chance(t->sim, 2))
			CHECK_EQ(ufi_sim_remove(t->sim, r->addr, r->npages), 0);
		else
			CHECK_EQ(ufi_sim_dontneed(t->sim, r->addr, r->npages), 0);
	}
}

void mark_careless_writer(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 4; i++)
		for (uint64_t n = 0; n < r->npages; n++)
			CHECK_EQ(t_write(t, r->addr + n * P, 7), SIM_ACCESSED);
}

static void mark_discard(struct t *t)
{
	static const uint64_t shared_modes[] = {WP, WP | MISSING, WP | MINOR, WP | MINOR | MISSING};
	uint64_t mode = shared_modes[ufi_sim_random(t->sim) % (t->kind == SIM_SHARED ? 4 : 2)];
	struct sim_thread *th[5];
	struct race r;

	mark_begin(t, &r, 3, mode, 1);
	r.npages = 2;
	th[0] = t_thread(t, "writer", mark_careless_writer);
	th[1] = t_thread(t, "writer", mark_careless_writer);
	th[2] = t_thread(t, "protector", mark_protector);
	th[3] = t_thread(t, "discard", mark_discard_thread);
	th[4] = t_thread(t, "monitor", mark_monitor);
	t_join(t, th, 4);
	mark_end_monitor(t, &r, th[4]);
	CHECK_EQ(t_protect(t, r.ctx, r.addr, 2), 0);
	CHECK_EQ(t_unprotect(t, r.ctx, r.addr, 2), 0);
	for (uint64_t i = 0; i < 2; i++) {
		(void)t_copy(t, r.ctx, r.addr + i * P, 1, 0, 0);
		(void)t_continue(t, r.ctx, r.addr + i * P, 1, 0);
		CHECK_EQ(t_write(t, r.addr + i * P, 7), SIM_ACCESSED);
	}
	t_no_message(t, r.ctx);
}

void mark_mprotect_thread(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(ufi_sim_mprotect(t->sim, r->addr, r->npages, RW | UF_PROT_EXEC), 0);
		CHECK_EQ(ufi_sim_mprotect(t->sim, r->addr, r->npages, RW), 0);
	}
}

static void mark_mprotect(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;

	mark_begin(t, &r, 3, mark_mode(t), ufi_sim_chance(t->sim, 2));
	r.npages = 2;
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "mprotect", mark_mprotect_thread);
	th[2] = t_thread(t, "protector", mark_protector);
	th[3] = t_thread(t, "monitor", mark_monitor);
	t_join(t, th, 3);
	mark_end_monitor(t, &r, th[3]);
	mark_check_writes(t, &r, 2, 1);
	CHECK_EQ(t_protect(t, r.ctx, r.addr, 2), 0);
	t_write_protected(t, r.ctx, r.addr);
}

/* Modes come and go under the writers. */
static void mark_registrar(struct t *t)
{
	static const uint64_t modes[] = {MISSING, WP, MISSING | WP};
	struct race *r = race_of(t);

	for (int i = 0; i < 4; i++) {
		uint64_t mode = modes[ufi_sim_random(t->sim) % 3];

		CHECK_EQ(t_register_in(t, r->ctx, r->addr, r->npages, mode), 0);
		CHECK_EQ(t_wake(t, r->ctx, r->addr, r->npages), 0);
	}
}

static void mark_tolerant_protector(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 4; i++) {
		int ret = t_protect(t, r->ctx, r->addr, r->npages);

		CHECK(ret == 0 || ret == -ENOENT);
	}
}

static void mark_tolerant_monitor(struct t *t)
{
	struct race *r = race_of(t);
	struct uf_msg msg;

	while (t_message(t, r->ctx, false, &msg)) {
		uint64_t at = msg.arg.pagefault.address;
		struct t_filled f;

		if (at >= r->addr + r->npages * P)
			break;
		(void)t_unprotect(t, r->ctx, at, 1);
		f = t_copy(t, r->ctx, at, 1, 0, 0);
		CHECK(f.ret == 0 || f.ret == -EEXIST);
		/* It may wait for what its page needs no more. */
		CHECK_EQ(t_wake(t, r->ctx, at, 1), 0);
	}
}

static void mark_modes_change(struct t *t)
{
	struct sim_thread *th[5];
	struct race r;

	mark_begin(t, &r, 3, WP, 0);
	r.npages = 2;
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "writer", mark_writer);
	th[2] = t_thread(t, "protector", mark_tolerant_protector);
	th[3] = t_thread(t, "registrar", mark_registrar);
	th[4] = t_thread(t, "monitor", mark_tolerant_monitor);
	t_join(t, th, 4);
	mark_end_monitor(t, &r, th[4]);
	mark_check_writes(t, &r, 2, 2);
}

/* The registration ends under a writer and a protector. */
static void mark_unregister(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	mark_begin(t, &r, 2, WP | MISSING, 1);
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "protector", mark_tolerant_protector);
	th[2] = t_thread(t, "unregister", race_unregister_thread);
	t_join(t, th, 3);
	mark_check_writes(t, &r, 2, 1);
	CHECK_EQ(t_waiters(r.ctx), 0);
}

/* Whatever the mode, who waits goes on. */
static void mark_close(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	mark_begin(t, &r, 2, mark_mode(t), 1);
	CHECK_EQ(t_protect(t, r.ctx, r.addr, 2), 0);
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "writer", mark_writer);
	th[2] = t_thread(t, "closer", race_close_thread);
	t_join(t, th, 3);
	mark_check_writes(t, &r, 2, 2);
}

const struct t_case mark_change_cases[] = {
	CASE_RACE("vm.8, vm.14", mark_discard, T_ALL),
	CASE_RACE("vm.7", mark_mprotect, T_ALL),
	CASE_RACE("register.18, register.20", mark_modes_change, T_ALL),
	CASE_RACE("unregister.6", mark_unregister, T_ALL),
	CASE_RACE("close.6", mark_close, T_ALL),
	{0},
};
