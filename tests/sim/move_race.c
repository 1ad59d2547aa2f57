/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads at the source and at the target of a MOVE, and movers that are killed:
 * no write is lost, torn or in two places, and every page is in one place.
 */
#include "engine/pagestate.h"
#include "move.h"

#define MOVE_RACE_PAGES 3

/* Bytes of a page to which a writer writes. */
#define MOVE_MARKS 24

/* Steps of a call, more or less; who is through by then lives. */
#define MOVE_STEPS 160

struct move_race {
	struct ufi_ctx *ctx;
	uint64_t dst;
	uint64_t src;
	uint64_t mode;	   /* of the target */
	uint64_t src_mode; /* of the source, 0: not registered */
	uint32_t writers;
	uint32_t moved; /* by all movers, in pages */
	bool stop;
};

static struct move_race *move_race(struct t *t)
{
	return t->data;
}

static void move_check_trap(struct t *t, uint64_t at)
{
	const struct ufi_range *r = ufi_range_find(&t->sim->mm, at);
	const struct sim_pte *pte = ufi_sim_pte(t->sim, at);
	uint8_t state = r ? atomic_load(ufi_page_state(r, at)) : 0;

	t_check_trap(t, at);
	CHECK(!pte->coming);
	if (r && !ufi_page_open(r, state) && ufi_page_kind(state) != UFI_PAGE_POISON)
		CHECK(!pte->page);
}

bool move_check_page(struct t *t, uint64_t dst, uint64_t src, uint8_t byte)
{
	bool there = ufi_sim_pte(t->sim, dst)->page;

	move_check_trap(t, dst);
	move_check_trap(t, src);
	CHECK(t_page_is(t, dst, there ? byte : 0));
	CHECK(t_page_is(t, src, there ? 0 : byte));
	return there;
}

void move_check_places(struct t *t, uint64_t dst, uint64_t src, uint64_t npages, uint64_t done)
{
	for (uint64_t i = 0; i < npages; i++)
		CHECK_EQ(move_check_page(t, dst + i * P, src + i * P, (uint8_t)(i + 1)),
			 i * P < done);
}

static void move_race_begin(struct t *t, struct move_race *m, uint64_t features)
{
	static const uint64_t modes[] = {MISSING, WP, MISSING | WP};
	uint64_t k = ufi_sim_random(t->sim);

	*m = (struct move_race){.ctx = t_open(t, features), .mode = modes[k % 3]};
	k = k / 3 % 4;
	m->src_mode = k ? modes[k - 1] : 0;
	m->dst = t_registered_in(t, m->ctx, MOVE_RACE_PAGES, m->mode);
	m->src = move_source(t, m->ctx, MOVE_RACE_PAGES, m->src_mode);
	t->data = m;
}

/* --- Writers at the source --- */

/* Each adds to bytes of its own; a page that has gone is waited for. */
static void move_adder(struct t *t)
{
	struct move_race *m = move_race(t);
	uint64_t mine = m->writers++;

	for (int i = 0; i < 8; i++) {
		for (uint64_t n = 0; n < MOVE_RACE_PAGES; n++) {
			uint64_t at = m->src + n * P + 100 + mine;
			uint8_t byte;

			CHECK_EQ(t_read(t, at, &byte), SIM_ACCESSED);
			CHECK_EQ(byte, n + 1 + (uint64_t)i);
			CHECK_EQ(t_write(t, at, (uint8_t)(byte + 1)), SIM_ACCESSED);
		}
	}
}

/* There and back again. */
static void move_commuter(struct t *t)
{
	struct move_race *m = move_race(t);
	uint64_t len = MOVE_RACE_PAGES * P;

	for (int i = 0; i < 4; i++) {
		CHECK_FILL(t_move(t, m->ctx, m->dst, m->src, MOVE_RACE_PAGES, 0), 0, (int64_t)len);
		CHECK_FILL(t_move(t, m->ctx, m->src, m->dst, MOVE_RACE_PAGES, 0), 0, (int64_t)len);
	}
}

static void move_race_registered(struct t *t)
{
	struct move_race m = {.ctx = t_open(t, 0), .mode = MISSING, .src_mode = MISSING};
	struct sim_thread *th[3];
	uint8_t byte;

	m.dst = t_registered_in(t, m.ctx, MOVE_RACE_PAGES,
				ufi_sim_chance(t->sim, 2) ? WP : MISSING);
	m.src = move_source(t, m.ctx, MOVE_RACE_PAGES, MISSING);
	t->data = &m;
	th[0] = t_thread(t, "adder", move_adder);
	th[1] = t_thread(t, "adder", move_adder);
	th[2] = t_thread(t, "commuter", move_commuter);
	t_join(t, th, 3);
	for (uint64_t n = 0; n < MOVE_RACE_PAGES; n++)
		for (uint64_t k = 0; k < 2; k++) {
			CHECK_EQ(t_read(t, m.src + n * P + 100 + k, &byte), SIM_ACCESSED);
			CHECK_EQ(byte, n + 1 + 8);
		}
}

/* Writes to each of its bytes once; wherever the page is by then. */
static void move_marker(struct t *t)
{
	struct move_race *m = move_race(t);
	uint64_t mine = m->writers++;

	for (uint64_t i = 0; i < MOVE_MARKS; i++)
		CHECK_EQ(t_write(t, m->src + mine * MOVE_MARKS + i, 0x80), SIM_ACCESSED);
}

static uint64_t move_count_marks(struct t *t, uint64_t addr, uint8_t *seen)
{
	uint8_t page[P];
	uint64_t n = 0;

	ufi_sim_peek(t->sim, addr, page, sizeof(page));
	for (uint64_t i = 0; i < 2 * MOVE_MARKS; i++) {
		seen[i] = (uint8_t)(seen[i] + (page[i] == 0x80));
		n += page[i] == 0x80;
	}
	return n;
}

/*
 * A source that fills itself: page after page goes away under the writers. Each
 * write is in one of them, and none comes to a page after the call.
 */
static void move_race_open(struct t *t)
{
	enum { TARGETS = 12 };
	struct move_race m = {.ctx = t_open(t, 0)};
	uint8_t seen[2 * MOVE_MARKS] = {0};
	uint64_t then[TARGETS];
	uint64_t src_mode = ufi_sim_chance(t->sim, 2) ? WP : 0;
	struct sim_thread *th[2];
	uint64_t n = 0;

	m.dst = t_registered_in(t, m.ctx, TARGETS, ufi_sim_chance(t->sim, 2) ? WP : MISSING);
	m.src = move_source(t, m.ctx, 1, src_mode);
	t->data = &m;
	for (int i = 0; i < 2; i++)
		th[i] = t_thread(t, "marker", move_marker);
	while (n < TARGETS && !(ufi_sim_gone(th[0]) && ufi_sim_gone(th[1]))) {
		struct t_filled f = t_move(t, m.ctx, m.dst + n * P, m.src, 1, 0);

		CHECK(f.ret == 0 || f.ret == -ENOENT);
		if (f.ret)
			ufi_sim_idle(t->sim);
		else {
			uint8_t ignored[2 * MOVE_MARKS] = {0};

			then[n] = move_count_marks(t, m.dst + n * P, ignored);
			n++;
		}
	}
	t_join(t, th, 2);
	for (uint64_t i = 0; i < n; i++)
		CHECK_EQ(move_count_marks(t, m.dst + i * P, seen), then[i]);
	move_count_marks(t, m.src, seen);
	for (uint64_t i = 0; i < 2 * MOVE_MARKS; i++)
		CHECK_EQ(seen[i], 1);
}

/* --- Threads at the target --- */

/* Never half, never zero. */
static void move_target_reader(struct t *t)
{
	struct move_race *m = move_race(t);
	uint64_t first = ufi_sim_random(t->sim) % MOVE_RACE_PAGES;

	for (uint64_t i = 0; i < MOVE_RACE_PAGES; i++) {
		uint64_t n = (first + i) % MOVE_RACE_PAGES;

		CHECK_EQ(t_read_page(t, m->dst + n * P), n + 1);
	}
}

/* As many pages as are in its way; others move them as well. */
static void move_competitor(struct t *t)
{
	struct move_race *m = move_race(t);
	uint64_t at = 0;

	while (at < MOVE_RACE_PAGES) {
		struct t_filled f = t_move(t, m->ctx, m->dst + at * P, m->src + at * P,
					   MOVE_RACE_PAGES - at, 0);

		CHECK(f.ret == 0 || f.ret == -EAGAIN || f.ret == -EEXIST);
		m->moved += f.field > 0 ? (uint32_t)((uint64_t)f.field / P) : 0;
		at += f.field > 0 ? (uint64_t)f.field / P : 1;
	}
}

static void move_race_target(struct t *t)
{
	struct sim_thread *th[4];
	struct move_race m;

	move_race_begin(t, &m, 0);
	m.dst = t_registered(t, m.ctx, MOVE_RACE_PAGES);
	th[0] = t_thread(t, "reader", move_target_reader);
	th[1] = t_thread(t, "reader", move_target_reader);
	th[2] = t_thread(t, "mover", move_competitor);
	th[3] = t_thread(t, "mover", move_competitor);
	t_join(t, th, 4);
	CHECK_EQ(m.moved, MOVE_RACE_PAGES);
	move_check_places(t, m.dst, m.src, MOVE_RACE_PAGES, MOVE_RACE_PAGES * P);
}

static void move_rival_copier(struct t *t)
{
	struct move_race *m = move_race(t);

	for (uint64_t i = 0; i < MOVE_RACE_PAGES; i++) {
		struct t_filled f = t_copy(t, m->ctx, m->dst + i * P, 1, (uint8_t)(i + 1), 0);

		CHECK(f.ret == 0 || f.ret == -EEXIST);
		m->moved += f.ret == 0;
	}
}

/* A page is copied or moved; what was not moved is still at the source. */
static void move_race_copier(struct t *t)
{
	struct sim_thread *th[3];
	struct move_race m;
	uint32_t left = 0;

	move_race_begin(t, &m, 0);
	m.dst = t_registered_in(t, m.ctx, MOVE_RACE_PAGES, m.mode);
	th[0] = t_thread(t, "mover", move_competitor);
	th[1] = t_thread(t, "copier", move_rival_copier);
	th[2] = m.mode == WP ? th[0] : t_thread(t, "reader", move_target_reader);
	t_join(t, th, 3);
	CHECK_EQ(m.moved, MOVE_RACE_PAGES);
	for (uint64_t i = 0; i < MOVE_RACE_PAGES; i++) {
		CHECK_EQ(t_read_page(t, m.dst + i * P), i + 1);
		left += !t_page_is(t, m.src + i * P, 0);
	}
	CHECK(left <= MOVE_RACE_PAGES);
}

/* In a target that fills itself a write comes before the page, or after it. */
static void move_target_writer(struct t *t)
{
	struct move_race *m = move_race(t);

	for (uint64_t i = 0; i < MOVE_RACE_PAGES; i++)
		CHECK_EQ(t_write(t, m->dst + i * P + 7, 0x77), SIM_ACCESSED);
}

static void move_race_open_target(struct t *t)
{
	struct sim_thread *th[2];
	struct move_race m;

	move_race_begin(t, &m, 0);
	m.dst = t_registered_in(t, m.ctx, MOVE_RACE_PAGES, WP);
	th[0] = t_thread(t, "mover", move_competitor);
	th[1] = t_thread(t, "writer", move_target_writer);
	t_join(t, th, 2);
	for (uint64_t i = 0; i < MOVE_RACE_PAGES; i++) {
		bool moved = t_page_is(t, m.src + i * P, 0);
		uint8_t byte;

		ufi_sim_peek(t->sim, m.dst + i * P + 7, &byte, 1);
		CHECK_EQ(byte, 0x77);
		ufi_sim_peek(t->sim, m.dst + i * P + 8, &byte, 1);
		CHECK_EQ(byte, moved ? i + 1 : 0);
		CHECK(moved || t_page_is(t, m.src + i * P, (uint8_t)(i + 1)));
	}
}

/* --- Movers that are killed --- */

static void move_victim(struct t *t)
{
	struct move_race *m = move_race(t);

	(void)t_move(t, m->ctx, m->dst, m->src, MOVE_RACE_PAGES, 0);
}

static void move_notice(struct t *t)
{
	t_notice(t, move_race(t)->ctx);
}

static void move_kill_begin(struct t *t, struct move_race *m)
{
	move_race_begin(t, m, UF_FEATURE_WP_UNPOPULATED);
	if ((m->src_mode & WP) && ufi_sim_chance(t->sim, 2))
		CHECK_EQ(t_protect(t, m->ctx, m->src + P, 2), 0);
	t->killed = true;
}

/* At the one place or at the other, and it can be moved on. */
static void move_kill_check(struct t *t, struct move_race *m)
{
	for (uint64_t i = 0; i < MOVE_RACE_PAGES; i++) {
		uint64_t dst = m->dst + i * P;
		bool there = move_check_page(t, dst, m->src + i * P, (uint8_t)(i + 1));

		CHECK_FILL(t_move(t, m->ctx, dst, m->src + i * P, 1, 0), there ? -EEXIST : 0,
			   there ? -EEXIST : (int64_t)P);
	}
	move_check_places(t, m->dst, m->src, MOVE_RACE_PAGES, MOVE_RACE_PAGES * P);
	CHECK_EQ(t_write(t, m->dst, 3), SIM_ACCESSED);
	CHECK_EQ(t_unregister(t, m->ctx, m->dst, MOVE_RACE_PAGES), 0);
	CHECK_EQ(t_read_page(t, m->dst + P), 2);
}

static void kill_while_moving(struct t *t)
{
	struct move_race m;
	struct sim_thread *th;

	move_kill_begin(t, &m);
	th = t_victim(t, move_victim, MOVE_STEPS);
	ufi_sim_join(t->sim, th);
	move_notice(t);
	move_kill_check(t, &m);
}

/* So is the one that comes upon it, and the one after that. */
static void kill_while_repairing(struct t *t)
{
	struct sim_thread *th[3];
	struct move_race m;

	move_kill_begin(t, &m);
	th[0] = t_victim(t, move_victim, MOVE_STEPS);
	ufi_sim_join(t->sim, th[0]);
	th[1] = t_victim(t, move_notice, MOVE_STEPS);
	th[1]->kill_at = 1 + th[1]->kill_at / 2;
	ufi_sim_join(t->sim, th[1]);
	th[2] = t_victim(t, move_notice, MOVE_STEPS);
	ufi_sim_join(t->sim, th[2]);
	move_notice(t);
	move_kill_check(t, &m);
}

/* And the machine refuses to go on: then all is where it was. */
static void kill_and_no_move(struct t *t)
{
	struct move_race m;
	struct sim_thread *th;

	move_kill_begin(t, &m);
	if (ufi_sim_chance(t->sim, 2))
		ufi_sim_fail_nth(t->sim, SIM_OP_MOVE, 1);
	th = t_victim(t, move_victim, MOVE_STEPS);
	ufi_sim_join(t->sim, th);
	ufi_sim_fail_nth(t->sim, SIM_OP_MOVE, 1);
	move_notice(t);
	ufi_sim_fail_nth(t->sim, SIM_OP_MOVE, 0);
	move_kill_check(t, &m);
}

static void move_kill_reader(struct t *t)
{
	struct move_race *m = move_race(t);

	for (uint64_t i = 0; i < MOVE_RACE_PAGES; i++)
		CHECK_EQ(t_read_page(t, m->dst + i * P), i + 1);
}

/* Those that wait at the target are woken by whoever makes up for the wake. */
static void kill_mover_with_reader(struct t *t)
{
	struct sim_thread *th[2];
	struct move_race m;

	move_kill_begin(t, &m);
	m.dst = t_registered(t, m.ctx, MOVE_RACE_PAGES);
	th[0] = t_thread(t, "reader", move_kill_reader);
	th[1] = t_victim(t, move_victim, MOVE_STEPS);
	ufi_sim_join(t->sim, th[1]);
	move_notice(t);
	for (uint64_t i = 0; i < MOVE_RACE_PAGES; i++) {
		struct t_filled f = t_move(t, m.ctx, m.dst + i * P, m.src + i * P, 1, 0);

		CHECK(f.ret == 0 || f.ret == -EEXIST);
	}
	CHECK_EQ(t_wake(t, m.ctx, m.dst, MOVE_RACE_PAGES), 0);
	ufi_sim_join(t->sim, th[0]);
	move_check_places(t, m.dst, m.src, MOVE_RACE_PAGES, MOVE_RACE_PAGES * P);
}

const struct t_case move_race_cases[] = {
	CASE_RACE("move.25", move_race_registered, T_PRIVATE),
	CASE_RACE("move.25", move_race_open, T_PRIVATE),
	CASE_RACE("move.15, move.23", move_race_target, T_PRIVATE),
	CASE_RACE("move.15, copy.3", move_race_copier, T_PRIVATE),
	CASE_RACE("move.15", move_race_open_target, T_PRIVATE),
	CASE_RACE_OF("move.14", kill_while_moving, T_PRIVATE, 4000),
	CASE_RACE_OF("move.14", kill_while_repairing, T_PRIVATE, 4000),
	CASE_RACE("move.14", kill_and_no_move, T_PRIVATE),
	CASE_RACE("move.23", kill_mover_with_reader, T_PRIVATE),
	{0},
};
