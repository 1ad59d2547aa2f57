/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Protection, CONTINUE and POISON against the threads that write, fill and
 * discard the same pages. Whatever the schedule, nobody waits for ever, no
 * write is lost, and what a call answers is what has become of the page.
 */
#include "mark.h"

/* Markers can be set everywhere: the context has asked for it. */
void mark_begin(struct t *t, struct race *r, uint64_t npages, uint64_t mode, uint8_t byte)
{
	*r = (struct race){.ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED), .npages = npages};
	r->addr = t_registered_in(t, r->ctx, npages, mode);
	if (byte)
		CHECK_FILL(t_copy(t, r->ctx, r->addr, npages, byte, 0), 0, (int64_t)(npages * P));
	t->data = r;
}

/* Modes of the row: one that is open, one that is armed, by the schedule. */
uint64_t mark_mode(struct t *t)
{
	return ufi_sim_chance(t->sim, 2) ? WP : WP | MISSING;
}

/* --- Writers --- */

/* Every thread has a byte of its own in each page, which it counts up. */
void mark_writer(struct t *t)
{
	struct race *r = race_of(t);
	uint64_t off = ++r->byte * 16;

	for (int i = 1; i <= MARK_WRITES; i++) {
		for (uint64_t n = 0; n < r->npages; n++) {
			uint64_t at = r->addr + n * P + off;
			uint8_t value;

			CHECK_EQ(t_write(t, at, (uint8_t)i), SIM_ACCESSED);
			CHECK_EQ(t_read(t, at, &value), SIM_ACCESSED);
			CHECK_EQ(value, i);
		}
	}
}

void mark_check_writes(struct t *t, struct race *r, uint64_t npages, int writers)
{
	for (int w = 1; w <= writers; w++) {
		for (uint64_t n = 0; n < npages; n++) {
			uint8_t value;

			ufi_sim_peek(t->sim, r->addr + n * P + (uint64_t)w * 16, &value, 1);
			CHECK_EQ(value, MARK_WRITES);
		}
	}
}

/* Lets every write through: fills what is missing, ends what is protected. */
void mark_resolve(struct t *t, struct race *r, const struct uf_msg *msg)
{
	uint64_t at = msg->arg.pagefault.address;
	uint64_t flags = msg->arg.pagefault.flags;
	struct t_filled f;

	if (flags & UF_PAGEFAULT_FLAG_WP) {
		CHECK_EQ(t_unprotect(t, r->ctx, at, 1), 0);
		return;
	}
	if (flags & UF_PAGEFAULT_FLAG_MINOR)
		f = t_continue(t, r->ctx, at, 1, 0);
	else
		f = t_copy(t, r->ctx, at, 1, 0, 0);
	CHECK(f.ret == 0 || f.ret == -EEXIST || f.ret == -EFAULT);
	/* The page has gone meanwhile, or come: the access is made again. */
	if (f.ret)
		CHECK_EQ(t_wake(t, r->ctx, at, 1), 0);
}

void mark_monitor(struct t *t)
{
	struct race *r = race_of(t);
	struct uf_msg msg;

	while (t_message(t, r->ctx, false, &msg)) {
		if (msg.arg.pagefault.address >= r->addr + r->npages * P)
			break;
		mark_resolve(t, r, &msg);
	}
}

/* The last page, which is protected or missing, ends the monitor. */
void mark_end_monitor(struct t *t, struct race *r, struct sim_thread *monitor)
{
	uint64_t last = r->addr + r->npages * P;
	struct t_access a;

	CHECK_EQ(t_protect(t, r->ctx, last, 1), 0);
	t_access(t, &a, last, UF_PROT_WRITE);
	ufi_sim_join(t->sim, monitor);
	(void)t_copy(t, r->ctx, last, 1, 0, 0);
	CHECK_EQ(t_unprotect(t, r->ctx, last, 1), 0);
	ufi_sim_join(t->sim, a.thread);
	CHECK_EQ(t_waiters(r->ctx), 0);
}

void mark_protector(struct t *t)
{
	struct race *r = race_of(t);

	for (int i = 0; i < 4; i++)
		CHECK_EQ(t_protect(t, r->ctx, r->addr, r->npages), 0);
}

/* Somebody protects, a monitor ends it: no write is lost, and no wake. */
static void mark_protect_and_write(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;

	mark_begin(t, &r, 3, mark_mode(t), ufi_sim_chance(t->sim, 2));
	r.npages = 2;
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "writer", mark_writer);
	th[2] = t_thread(t, "protector", mark_protector);
	th[3] = t_thread(t, "monitor", mark_monitor);
	t_join(t, th, 3);
	mark_end_monitor(t, &r, th[3]);
	mark_check_writes(t, &r, 2, 2);
}

static void mark_unprotector(struct t *t)
{
	struct race *r = race_of(t);

	CHECK_EQ(t_unprotect(t, r->ctx, r->addr, r->npages), 0);
}

/* One end of the protection, nobody reads messages: no writer is left behind. */
static void mark_write_and_unprotect(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	mark_begin(t, &r, 2, mark_mode(t), 1);
	CHECK_EQ(t_protect(t, r.ctx, r.addr, 2), 0);
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "writer", mark_writer);
	th[2] = t_thread(t, "unprotector", mark_unprotector);
	t_join(t, th, 3);
	mark_check_writes(t, &r, 2, 2);
	CHECK_EQ(t_waiters(r.ctx), 0);
	t_no_message(t, r.ctx);
}

/* --- After WRITEPROTECT no write slips through --- */

static void mark_only_writer(struct t *t)
{
	struct race *r = race_of(t);

	for (uint8_t i = 1; i <= 100; i++)
		CHECK_EQ(t_write(t, r->addr, i), SIM_ACCESSED);
}

/* The page keeps its content from the return of the call until the protection is ended. */
static void mark_nothing_slips_through(struct t *t)
{
	struct sim_thread *th[2];
	struct race r;

	mark_begin(t, &r, 1, mark_mode(t), 0);
	(void)t_copy(t, r.ctx, r.addr, 1, 0, 0);
	th[0] = t_thread(t, "writer", mark_only_writer);
	th[1] = t_thread(t, "writer", mark_only_writer);
	for (int i = 0; i < 5; i++) {
		uint8_t before;
		uint8_t after;

		CHECK_EQ(t_protect(t, r.ctx, r.addr, 1), 0);
		CHECK_EQ(t_read(t, r.addr, &before), SIM_ACCESSED);
		for (uint64_t n = ufi_sim_random(t->sim) % 40; n > 0; n--)
			ufi_sim_step(t->sim);
		CHECK_EQ(t_read(t, r.addr, &after), SIM_ACCESSED);
		CHECK_EQ(after, before);
		CHECK_EQ(t_unprotect(t, r.ctx, r.addr, 1), 0);
		ufi_sim_step(t->sim);
	}
	t_join(t, th, 2);
	CHECK_EQ(t_waiters(r.ctx), 0);
}

/* A page that nobody has touched, in memory that fills itself. */
static void mark_toucher(struct t *t)
{
	struct race *r = race_of(t);
	uint8_t value;

	for (uint64_t i = 0; i < r->npages; i++) {
		CHECK_EQ(t_read(t, r->addr + i * P, &value), SIM_ACCESSED);
		CHECK_EQ(value, 0);
	}
}

static void mark_protect_untouched(struct t *t)
{
	struct sim_thread *th[2];
	struct race r;

	mark_begin(t, &r, 3, WP, 0);
	th[0] = t_thread(t, "toucher", mark_toucher);
	th[1] = t_thread(t, "toucher", mark_toucher);
	CHECK_EQ(t_protect(t, r.ctx, r.addr, 3), 0);
	t_join(t, th, 2);
	for (uint64_t i = 0; i < 3; i++)
		t_write_protected(t, r.ctx, r.addr + i * P);
}

/* In memory that fills itself, a COPY meets the first touch: one of them makes the page. */
static void mark_copy_untouched(struct t *t)
{
	struct race r;
	struct t_access a[3];
	struct t_filled f;

	mark_begin(t, &r, 3, WP, 0);
	for (uint64_t i = 0; i < 3; i++)
		t_access(t, &a[i], r.addr + i * P, i == 1 ? UF_PROT_WRITE : UF_PROT_READ);
	f = t_copy(t, r.ctx, r.addr, 3, 4, 0);
	CHECK(f.ret == 0 || f.ret == -EEXIST || f.ret == -EAGAIN);
	for (uint64_t i = 0; i < 3; i++) {
		bool copied = f.field > 0 && i * P < (uint64_t)f.field;
		uint8_t value;

		t_ends(t, &a[i], SIM_ACCESSED, copied ? 4 : 0);
		ufi_sim_peek(t->sim, r.addr + i * P + 1, &value, 1);
		CHECK_EQ(value, copied ? 4 : 0);
		ufi_sim_peek(t->sim, r.addr + i * P, &value, 1);
		if (i == 1)
			CHECK_EQ(value, 0x5a);
	}
	t_no_message(t, r.ctx);
}

/* --- One page, three ways to resolve it --- */

static void mark_copy_once(struct t *t)
{
	struct race *r = race_of(t);
	struct t_filled f = t_copy(t, r->ctx, r->addr, 1, 1, 0);

	CHECK(f.ret == 0 || f.ret == -EEXIST);
	r->won += f.ret == 0;
	r->seen |= f.ret == 0 ? 1 : 0;
}

static void mark_poison_once(struct t *t)
{
	struct race *r = race_of(t);
	struct t_filled f = t_poison(t, r->ctx, r->addr, 1, 0);

	CHECK(f.ret == 0 || f.ret == -EEXIST);
	r->seen |= f.ret == 0 ? 2 : 0;
}

static void mark_continue_once(struct t *t)
{
	struct race *r = race_of(t);
	struct t_filled f = t_continue(t, r->ctx, r->addr, 1, 0);

	CHECK(f.ret == 0 || f.ret == -EEXIST || f.ret == -EFAULT);
	r->seen |= f.ret == 0 ? 4 : 0;
}

/*
 * Missing at first. POISON wins only over a missing page, and COPY wins over
 * both: in the end there is content.
 */
static void mark_copy_and_poison(struct t *t)
{
	struct sim_thread *th[3];
	struct t_access a;
	struct race r;

	mark_begin(t, &r, 1, ufi_sim_chance(t->sim, 2) ? WP : MISSING, 0);
	th[0] = t_thread(t, "copier", mark_copy_once);
	th[1] = t_thread(t, "poisoner", mark_poison_once);
	th[2] = t_thread(t, "poisoner", mark_poison_once);
	t_join(t, th, 3);
	CHECK_EQ(r.won, 1);
	t_access(t, &a, r.addr + 5, UF_PROT_READ);
	t_ends(t, &a, SIM_ACCESSED, 1);
	CHECK(t_page_is(t, r.addr, 1));
}

/* A reader meanwhile: content, zeros in memory that fills itself, or the bus error. */
static void mark_poison_and_read(struct t *t)
{
	uint64_t mode = ufi_sim_chance(t->sim, 2) ? WP : MISSING;
	struct sim_thread *th;
	struct t_access a;
	struct race r;

	mark_begin(t, &r, 1, mode, 0);
	t_access(t, &a, r.addr, UF_PROT_READ);
	th = t_thread(t, "poisoner", mark_poison_once);
	ufi_sim_join(t->sim, th);
	ufi_sim_idle(t->sim);
	CHECK(ufi_sim_gone(a.thread));
	if (r.seen) {
		uint8_t value;

		CHECK(a.outcome == SIM_POISONED);
		CHECK_EQ(t_read(t, r.addr, &value), SIM_POISONED);
	} else {
		CHECK(mode == WP && a.outcome == SIM_ACCESSED);
	}
}

/* The object has the page: COPY never wins, CONTINUE wins over POISON. */
static void mark_continue_and_poison(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;
	uint8_t value;

	mark_begin(t, &r, 1, ufi_sim_chance(t->sim, 2) ? WP : MINOR, 0);
	CHECK_EQ(t_write(t, t_twin(t, r.addr, 1), 7), SIM_ACCESSED);
	th[0] = t_thread(t, "copier", mark_copy_once);
	th[1] = t_thread(t, "poisoner", mark_poison_once);
	th[2] = t_thread(t, "continuer", mark_continue_once);
	th[3] = t_thread(t, "continuer", mark_continue_once);
	t_join(t, th, 4);
	CHECK_EQ(r.won, 0);
	CHECK(r.seen & 4);
	CHECK_EQ(t_read(t, r.addr, &value), SIM_ACCESSED);
	CHECK_EQ(value, 7);
}

/* The object has it not: CONTINUE fails or comes after COPY, and never stands in its way. */
static void mark_continue_and_copy(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	mark_begin(t, &r, 1, ufi_sim_chance(t->sim, 2) ? WP : MINOR | MISSING, 0);
	th[0] = t_thread(t, "copier", mark_copy_once);
	th[1] = t_thread(t, "continuer", mark_continue_once);
	th[2] = t_thread(t, "continuer", mark_continue_once);
	t_join(t, th, 3);
	CHECK_EQ(r.won, 1);
	CHECK_EQ(r.seen, 1);
	CHECK_EQ(t_read_page(t, r.addr), 1);
}

/* --- MINOR --- */

static void mark_object_reader(struct t *t)
{
	struct race *r = race_of(t);
	uint64_t first = ufi_sim_random(t->sim) % r->npages;

	for (uint64_t i = 0; i < r->npages; i++)
		CHECK_EQ(t_read_page(t, r->addr + (first + i) % r->npages * P), 7);
}

static void mark_continuer(struct t *t)
{
	struct race *r = race_of(t);

	CHECK_FILL(t_continue(t, r->ctx, r->addr, r->npages, 0), 0, (int64_t)(r->npages * P));
}

static void mark_cached(struct t *t, struct race *r)
{
	uint64_t twin = t_twin(t, r->addr, r->npages);
	uint8_t page[SIM_PAGE];

	memset(page, 7, sizeof(page));
	for (uint64_t i = 0; i < r->npages; i++)
		ufi_sim_poke(t->sim, twin + i * P, page, sizeof(page));
	r->object = ufi_sim_pte(t->sim, r->addr)->map->object;
}

/* One CONTINUE, nobody reads messages: no reader is left behind. */
static void mark_minor_and_continue(struct t *t)
{
	struct sim_thread *th[3];
	struct race r;

	mark_begin(t, &r, 3, MINOR, 0);
	mark_cached(t, &r);
	th[0] = t_thread(t, "reader", mark_object_reader);
	th[1] = t_thread(t, "reader", mark_object_reader);
	th[2] = t_thread(t, "continuer", mark_continuer);
	t_join(t, th, 3);
	CHECK_EQ(t_waiters(r.ctx), 0);
	t_no_message(t, r.ctx);
}

/* Protected when they are mapped: then each writer asks again. */
static void mark_minor_and_write(struct t *t)
{
	struct sim_thread *th[4];
	struct race r;

	mark_begin(t, &r, 3, MINOR | WP, 0);
	mark_cached(t, &r);
	r.npages = 2;
	th[0] = t_thread(t, "writer", mark_writer);
	th[1] = t_thread(t, "writer", mark_writer);
	th[2] = t_thread(t, "protector", mark_protector);
	th[3] = t_thread(t, "monitor", mark_monitor);
	t_join(t, th, 3);
	(void)t_continue(t, r.ctx, r.addr + 2 * P, 1, 0);
	mark_end_monitor(t, &r, th[3]);
	mark_check_writes(t, &r, 2, 2);
}

/* The page comes into the object by another door while a thread faults. */
static void mark_twin_writer(struct t *t)
{
	struct race *r = race_of(t);

	CHECK_EQ(t_write(t, r->addr, 0x44), SIM_ACCESSED);
}

static void mark_object_comes(struct t *t)
{
	struct race r;
	struct race twin;
	struct sim_thread *th;
	struct t_access a;
	struct uf_msg msg;

	mark_begin(t, &r, 1, MINOR | (ufi_sim_chance(t->sim, 2) ? MISSING : 0), 0);
	twin = (struct race){.addr = t_twin(t, r.addr, 1), .npages = 1};
	t->data = &twin;
	t_access(t, &a, r.addr, UF_PROT_READ);
	th = t_thread(t, "twin", mark_twin_writer);
	ufi_sim_join(t->sim, th);
	for (;;) {
		ufi_sim_idle(t->sim);
		if (ufi_sim_gone(a.thread))
			break;
		CHECK(t_message(t, r.ctx, true, &msg));
		t->data = &r;
		mark_resolve(t, &r, &msg);
	}
	CHECK(a.outcome == SIM_ACCESSED && (a.value == 0 || a.value == 0x44));
	t_no_message(t, r.ctx);
}

const struct t_case mark_race_cases[] = {
	CASE_RACE("writeprotect.8, writeprotect.9, fault.9, fault.14", mark_protect_and_write,
		  T_ALL),
	CASE_RACE("writeprotect.9, fault.9", mark_write_and_unprotect, T_ALL),
	CASE_RACE("writeprotect.5, fault.14", mark_nothing_slips_through, T_ALL),
	CASE_RACE("writeprotect.6, writeprotect.7, fault.17", mark_protect_untouched, T_ALL),
	CASE_RACE("fill.13, copy.3, copy.8", mark_copy_untouched, T_ALL),
	CASE_RACE("copy.14, poison.4", mark_copy_and_poison, T_ALL),
	CASE_RACE("poison.4, poison.8, fault.18", mark_poison_and_read, T_ALL),
	CASE_RACE("continue.8, continue.14, copy.9", mark_continue_and_poison, T_OBJECT),
	CASE_RACE("continue.7, copy.3", mark_continue_and_copy, T_OBJECT),
	CASE_RACE("continue.11, fault.9, fault.16", mark_minor_and_continue, T_OBJECT),
	CASE_RACE("continue.4, fault.16", mark_minor_and_write, T_OBJECT),
	CASE_RACE("fault.16, fault.17", mark_object_comes, T_OBJECT),
	{0},
};
