/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that fault and fill while the registration ends under them, or
 * begins, or the program changes its mappings. Nobody waits for ever, no
 * access fails that would not have failed without the engine.
 */
#include "race.h"

/* Content or zeros, as the copy had it or not. */
static void race_last_reader(struct t *t)
{
	struct race *r = race_of(t);

	for (uint64_t i = 0; i < r->npages; i++) {
		uint8_t byte = t_read_page(t, r->addr + i * P);

		CHECK(byte == 0 || byte == 1);
	}
}

void race_unregister_thread(struct t *t)
{
	struct race *r = race_of(t);

	CHECK_EQ(t_unregister(t, r->ctx, r->addr, r->npages), 0);
}

static void race_last_copier(struct t *t)
{
	struct race *r = race_of(t);
	struct t_filled f = t_copy(t, r->ctx, r->addr, r->npages, 1, 0);

	/* Only whole runs are made, and the range is looked for before each. */
	CHECK(f.ret == 0 || f.ret == -ENOENT || f.ret == -EAGAIN);
	r->won = f.field > 0 ? (uint32_t)((uint64_t)f.field / P) : 0;
}

static void race_copy_and_unregister(struct t *t)
{
	struct sim_thread *th[2];
	struct race r;

	race_begin(t, &r, RACE_PAGES);
	th[0] = t_thread(t, "copier", race_last_copier);
	th[1] = t_thread(t, "unregister", race_unregister_thread);
	t_join(t, th, 2);
	for (uint64_t i = 0; i < RACE_PAGES; i++)
		CHECK_EQ(t_read_page(t, r.addr + i * P), i < r.won);
}

static void race_fault_and_unregister(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	race_begin(t, &r, 2);
	th[0] = t_thread(t, "reader", race_last_reader);
	th[1] = t_thread(t, "reader", race_last_reader);
	th[2] = t_thread(t, "unregister", race_unregister_thread);
	t_join(t, th, 3);
	CHECK_EQ(t_waiters(r.ctx), 0);
}

void race_close_thread(struct t *t)
{
	t_close(t, race_of(t)->ctx);
}

static void race_close(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	race_begin(t, &r, 2);
	th[0] = t_thread(t, "reader", race_last_reader);
	th[1] = t_thread(t, "closer", race_close_thread);
	th[2] = t_thread(t, "reader", race_last_reader);
	t_join(t, th, 3);
}

static void race_close_owner(struct t *t)
{
	t_close(t, race_of(t)->owner);
}

/* Another context fills what the closing one had registered; it wakes nobody there. */
static void race_close_and_copy(struct t *t)
{
	struct race r = {.ctx = t_open(t, 0), .owner = t_open(t, 0), .npages = 2};
	struct sim_thread *th[3];

	r.addr = t_registered(t, r.owner, 2);
	t->data = &r;
	th[0] = t_thread(t, "reader", race_last_reader);
	th[1] = t_thread(t, "closer", race_close_owner);
	th[2] = t_thread(t, "copier", race_last_copier);
	t_join(t, th, 3);
	for (uint64_t i = 0; i < 2; i++)
		CHECK_EQ(t_read_page(t, r.addr + i * P), i < r.won);
}

/* --- The program's own changes --- */

static void race_discard_thread(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 3; i++) {
		if (t->kind == SIM_SHARED)
			CHECK_EQ(ufi_sim_remove(t->sim, r->addr, r->npages), 0);
		else
			CHECK_EQ(ufi_sim_dontneed(t->sim, r->addr, r->npages), 0);
	}
	r->stop = true;
}

static void race_stubborn_copier(struct t *t)
{
	struct race *r = race_of(t);

	while (!r->stop) {
		struct t_filled f = t_copy(t, r->ctx, r->addr, r->npages, 1, 0);

		CHECK(f.ret == 0 || f.ret == -EEXIST || f.ret == -EAGAIN);
	}
}

/* Never zeros: a page that was dropped is missing, not empty. */
static void race_discard(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	race_begin(t, &r, 3);
	r.npages = 2;
	r.byte = 1;
	th[0] = t_thread(t, "discard", race_discard_thread);
	th[1] = t_thread(t, "copier", race_stubborn_copier);
	th[2] = t_thread(t, "monitor", race_poller);
	for (int i = 0; i < 4; i++) {
		uint8_t value;

		CHECK_EQ(t_read(t, r.addr, &value), SIM_ACCESSED);
		CHECK(value != 0);
	}
	t_join(t, th, 2);
	race_end_monitors(t, &r, &th[2], 1);
}

static void race_protect_thread(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(ufi_sim_mprotect(t->sim, r->addr, r->npages, UF_PROT_READ), 0);
		CHECK_EQ(ufi_sim_mprotect(t->sim, r->addr, r->npages, RW), 0);
	}
}

static void race_protect(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	race_begin(t, &r, 3);
	r.npages = 2;
	th[0] = t_thread(t, "protect", race_protect_thread);
	th[1] = t_thread(t, "reader", race_reader);
	th[2] = t_thread(t, "monitor", race_monitor);
	t_join(t, th, 2);
	race_end_monitors(t, &r, &th[2], 1);
	CHECK_EQ(t_write(t, r.addr, 9), SIM_ACCESSED);
}

static void race_writer(struct t *t)
{
	struct race *r = race_of(t);

	for (uint64_t i = 0; i < r->npages; i++)
		CHECK_EQ(t_write(t, r->addr + i * P, 7), SIM_ACCESSED);
}

/* Written before or after it was registered: it is there. */
static void race_register(struct t *t)
{
	struct race r = {.ctx = t_open(t, 0), .npages = RACE_PAGES};
	struct sim_thread *th[2];
	struct uf_msg msg;

	r.addr = t_map(t, RACE_PAGES);
	t->data = &r;
	th[0] = t_thread(t, "writer", race_writer);
	th[1] = t_thread(t, "writer", race_writer);
	CHECK_EQ(t_register(t, r.ctx, r.addr, RACE_PAGES), 0);
	while (!ufi_sim_gone(th[0]) || !ufi_sim_gone(th[1])) {
		ufi_sim_idle(t->sim);
		while (t_message(t, r.ctx, true, &msg))
			(void)t_zero(t, r.ctx, msg.arg.pagefault.address, 1, 0);
	}
	for (uint64_t i = 0; i < RACE_PAGES; i++) {
		uint8_t value;

		CHECK_EQ(t_read(t, r.addr + i * P, &value), SIM_ACCESSED);
		CHECK_EQ(value, 7);
	}
}

static void race_unmap_thread(struct t *t)
{
	struct race *r = race_of(t);

	CHECK_EQ(ufi_sim_munmap(t->sim, r->addr, 1), 0);
}

/* The waiter of the page that is unmapped waits on; woken it has its SIGSEGV. */
static void race_unmap(struct t *t)
{
	struct sim_thread *th;
	struct t_access a[2];
	struct race r;
	struct t_filled f;

	race_begin(t, &r, 2);
	t_access(t, &a[0], r.addr, UF_PROT_READ);
	t_access(t, &a[1], r.addr + P, UF_PROT_READ);
	th = t_thread(t, "unmap", race_unmap_thread);
	f = t_copy(t, r.ctx, r.addr, 1, 3, 0);
	CHECK(f.ret == 0 || f.ret == -ENOENT);
	CHECK_FILL(t_copy(t, r.ctx, r.addr + P, 1, 4, 0), 0, P);
	ufi_sim_join(t->sim, th);
	CHECK_EQ(t_wake(t, r.ctx, r.addr, 1), 0);
	ufi_sim_idle(t->sim);
	CHECK(ufi_sim_gone(a[0].thread) && a[0].outcome != SIM_SIGBUS);
	if (a[0].outcome == SIM_ACCESSED)
		CHECK(f.ret == 0 && a[0].value == 3);
	t_ends(t, &a[1], SIM_ACCESSED, 4);
}

const struct t_case change_cases[] = {
	CASE_RACE("unregister.1, fill.7", race_copy_and_unregister, T_ALL),
	CASE_RACE("unregister.4", race_fault_and_unregister, T_ALL),
	CASE_RACE("close.2", race_close, T_ALL),
	CASE_RACE("close.1, close.2", race_close_and_copy, T_ALL),
	CASE_RACE("vm.3", race_discard, T_ALL),
	CASE_RACE("vm.2", race_protect, T_ALL),
	CASE_RACE("register.13", race_register, T_ALL),
	CASE_RACE("vm.1, vm.5", race_unmap, T_ALL),
	{0},
};
