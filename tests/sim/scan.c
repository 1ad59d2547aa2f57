/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tracked writes against scans that protect. Whatever the schedule, a write is
 * told by the first scan that begins after it, and nobody waits for a message.
 */
#include "race.h"

#define SCAN_PAGES 4
#define SCAN_WRITERS 3
#define SCAN_WRITES 5
#define SCAN_ROUNDS 6
#define SCAN_GET (UF_SCAN_WP_MATCHING | UF_SCAN_CHECK_WPASYNC)

/* Steps of a scan that protects, more or less. */
#define SCAN_STEPS 90

struct scan_test {
	struct race race;			/* first: the test's data */
	uint8_t made[SCAN_PAGES][SCAN_WRITERS]; /* the last write that has been made */
	uint8_t copy[SCAN_PAGES][SCAN_WRITERS]; /* of pages, when they were told */
	uint32_t writers;			/* that have begun */
};

static struct scan_test *scan_test(struct t *t)
{
	return t->data;
}

/* A byte of its own for each writer in each page. */
static uint64_t scan_byte(struct scan_test *s, uint64_t page, uint64_t writer)
{
	return s->race.addr + page * P + 8 + writer * 16;
}

/* From *START up to END: regions in VEC, at most MAX; *START is where it stopped. */
static int64_t scan_call(struct t *t, uint64_t *start, uint64_t end, uint64_t flags,
			 struct uf_scan_region *vec, uint64_t max)
{
	struct uf_scan_arg arg = {.size = sizeof(arg),
				  .flags = flags,
				  .start = *start,
				  .end = end,
				  .vec = max ? t_arg(t) + 512 : 0,
				  .vec_len = max,
				  .category_mask = UF_PAGE_IS_WRITTEN,
				  .return_mask = UF_PAGE_IS_WRITTEN};
	int64_t n;

	/* Sometimes what our states do not tell by themselves. */
	if (ufi_sim_chance(t->sim, 3))
		arg.return_mask |= UF_PAGE_IS_PRESENT;
	ufi_sim_poke(t->sim, t_arg(t), &arg, sizeof(arg));
	n = ufi_scan(&t->sim->mm, t_arg(t));
	ufi_sim_peek(t->sim, t_arg(t), &arg, sizeof(arg));
	if (n > 0)
		ufi_sim_peek(t->sim, t_arg(t) + 512, vec, (size_t)n * sizeof(*vec));
	*start = arg.walk_end;
	return n;
}

static void scan_copy_page(struct t *t, uint64_t page)
{
	struct scan_test *s = scan_test(t);

	for (uint64_t w = 0; w < SCAN_WRITERS; w++)
		ufi_sim_peek(t->sim, scan_byte(s, page, w), &s->copy[page][w], 1);
}

/* All of it, some regions at a time: told pages are copied. How many they were. */
static uint32_t scan_collect(struct t *t)
{
	struct scan_test *s = scan_test(t);
	uint64_t at = s->race.addr;
	uint64_t end = s->race.addr + SCAN_PAGES * P;
	uint32_t told = 0;

	while (at < end) {
		struct uf_scan_region vec[SCAN_PAGES];
		uint64_t max = 1 + ufi_sim_random(t->sim) % SCAN_PAGES;
		int64_t n = scan_call(t, &at, end, SCAN_GET, vec, max);

		CHECK(n >= 0 && n <= (int64_t)max);
		for (int64_t i = 0; i < n; i++) {
			for (uint64_t a = vec[i].start; a < vec[i].end; a += P, told++)
				scan_copy_page(t, (a - s->race.addr) / P);
		}
	}
	return told;
}

static void scan_writer(struct t *t)
{
	struct scan_test *s = scan_test(t);
	uint64_t w = s->writers++;

	for (uint8_t i = 1; i <= SCAN_WRITES; i++) {
		for (uint64_t n = 0; n < SCAN_PAGES; n++) {
			uint64_t page = (n + w) % SCAN_PAGES;

			CHECK_EQ(t_write(t, scan_byte(s, page, w), i), SIM_ACCESSED);
			s->made[page][w] = i;
		}
	}
}

/* What had been made before the scan is in the copy after it. */
static void scan_once(struct t *t)
{
	struct scan_test *s = scan_test(t);
	uint8_t made[SCAN_PAGES][SCAN_WRITERS];

	memcpy(made, s->made, sizeof(made));
	scan_collect(t);
	for (uint64_t n = 0; n < SCAN_PAGES; n++) {
		for (uint64_t w = 0; w < SCAN_WRITERS; w++)
			CHECK(s->copy[n][w] >= made[n][w]);
	}
}

/* Memory that fills itself, or that begins closed and has been filled; or is written at first. */
static void scan_begin(struct t *t, struct scan_test *s)
{
	uint64_t mode = ufi_sim_chance(t->sim, 2) ? WP : WP | MISSING;

	memset(s, 0, sizeof(*s));
	s->race.ctx = t_open(t, UF_FEATURE_WP_ASYNC);
	s->race.npages = SCAN_PAGES;
	s->race.addr = t_registered_in(t, s->race.ctx, SCAN_PAGES, mode);
	t->data = s;
	if (mode != WP || ufi_sim_chance(t->sim, 2))
		CHECK_FILL(t_copy(t, s->race.ctx, s->race.addr, SCAN_PAGES, 0,
				  ufi_sim_chance(t->sim, 2) ? UF_COPY_MODE_WP : 0),
			   0, SCAN_PAGES * P);
}

static void scan_end(struct t *t, struct scan_test *s)
{
	scan_collect(t);
	for (uint64_t n = 0; n < SCAN_PAGES; n++) {
		for (uint64_t w = 0; w < s->writers; w++)
			CHECK_EQ(s->copy[n][w], SCAN_WRITES);
	}
	CHECK_EQ(scan_collect(t), 0);
	CHECK_EQ(t_waiters(s->race.ctx), 0);
	t_no_message(t, s->race.ctx);
}

static void scan_nothing_lost(struct t *t)
{
	struct sim_thread *th[SCAN_WRITERS];
	struct scan_test s;

	scan_begin(t, &s);
	for (int i = 0; i < SCAN_WRITERS; i++)
		th[i] = t_thread(t, "writer", scan_writer);
	for (int i = 0; i < SCAN_ROUNDS; i++)
		scan_once(t);
	t_join(t, th, SCAN_WRITERS);
	scan_end(t, &s);
}

static void scan_collector(struct t *t)
{
	for (int i = 0; i < SCAN_ROUNDS; i++)
		scan_collect(t);
}

static void scan_unprotector(struct t *t)
{
	struct scan_test *s = scan_test(t);

	for (int i = 0; i < SCAN_ROUNDS; i++) {
		uint64_t at = s->race.addr + ufi_sim_random(t->sim) % SCAN_PAGES * P;

		CHECK_EQ(t_unprotect(t, s->race.ctx, at, 1), 0);
	}
}

/* Each write is told by one of them, also where others end protection. */
static void scan_two_collectors(struct t *t)
{
	struct sim_thread *th[5];
	struct scan_test s;

	scan_begin(t, &s);
	th[0] = t_thread(t, "writer", scan_writer);
	th[1] = t_thread(t, "writer", scan_writer);
	th[2] = t_thread(t, "collector", scan_collector);
	th[3] = t_thread(t, "collector", scan_collector);
	th[4] = t_thread(t, "unprotector", scan_unprotector);
	t_join(t, th, 5);
	scan_end(t, &s);
}

static void scan_filler(struct t *t)
{
	struct scan_test *s = scan_test(t);

	for (uint64_t n = 0; n < SCAN_PAGES; n++)
		CHECK_FILL(t_copy(t, s->race.ctx, s->race.addr + n * P, 1, 0,
				  n % 2 ? UF_COPY_MODE_WP : 0),
			   0, P);
}

/* The writers wait for missing pages, which are marked meanwhile, and for nothing else. */
static void scan_missing(struct t *t)
{
	struct sim_thread *th[3];
	struct scan_test s = {.race = {.npages = SCAN_PAGES}};

	s.race.ctx = t_open(t, UF_FEATURE_WP_ASYNC);
	s.race.addr = t_registered_in(t, s.race.ctx, SCAN_PAGES, WP | MISSING);
	t->data = &s;
	th[0] = t_thread(t, "writer", scan_writer);
	th[1] = t_thread(t, "writer", scan_writer);
	scan_once(t);
	th[2] = t_thread(t, "filler", scan_filler);
	for (int i = 0; i < SCAN_ROUNDS; i++)
		scan_once(t);
	t_join(t, th, 3);
	scan_end(t, &s);
}

/* --- Killed anywhere --- */

static void scan_victim(struct t *t)
{
	for (int i = 0; i < 4; i++)
		scan_collect(t);
}

/* What the dead one had protected is told to nobody, and what is written next is. */
static void scan_killed(struct t *t)
{
	struct sim_thread *th[3];
	struct scan_test s;

	scan_begin(t, &s);
	t->killed = true;
	th[0] = t_victim(t, ufi_sim_chance(t->sim, 2) ? scan_victim : scan_writer, SCAN_STEPS);
	th[1] = t_thread(t, "writer", scan_writer);
	th[2] = t_thread(t, "collector", scan_victim);
	t_join(t, th, 3);
	t_notice(t, s.race.ctx);
	scan_collect(t);
	CHECK_EQ(scan_collect(t), 0);
	for (uint64_t n = 0; n < SCAN_PAGES; n++)
		CHECK_EQ(t_write(t, s.race.addr + n * P, 1), SIM_ACCESSED);
	CHECK_EQ(scan_collect(t), SCAN_PAGES);
	CHECK_EQ(scan_collect(t), 0);
}

/* --- What the machine refuses --- */

/* No room for one more boundary: the neighbours count as written as well, and nothing is lost. */
static void scan_write_refused(struct t *t)
{
	struct scan_test s;

	scan_begin(t, &s);
	scan_collect(t);
	ufi_sim_fail_nth(t->sim, SIM_OP_OPEN, 1);
	CHECK_EQ(t_write(t, s.race.addr + P, 1), SIM_ACCESSED);
	CHECK(t->sim->op_failed);
	CHECK_EQ(scan_collect(t), SCAN_PAGES);
	CHECK_EQ(scan_collect(t), 0);
}

/* What was found before that is told, and the rest by the next call. In two ranges. */
static void scan_protect_refused(struct t *t)
{
	struct uf_scan_region vec[SCAN_PAGES];
	struct scan_test s;
	uint64_t at;
	uint64_t end;

	scan_begin(t, &s);
	scan_collect(t);
	end = s.race.addr + SCAN_PAGES * P;
	CHECK_EQ(t_unregister(t, s.race.ctx, s.race.addr + P, 1), 0);
	CHECK_EQ(t_write(t, s.race.addr, 1), SIM_ACCESSED);
	CHECK_EQ(t_write(t, s.race.addr + 2 * P, 1), SIM_ACCESSED);
	ufi_sim_fail_nth(t->sim, SIM_OP_OPEN, 2);
	at = s.race.addr;
	CHECK_EQ(scan_call(t, &at, end, UF_SCAN_WP_MATCHING, vec, SCAN_PAGES), 1);
	CHECK(vec[0].start == s.race.addr && vec[0].end == s.race.addr + P);
	CHECK_EQ(at, s.race.addr + 2 * P);
	ufi_sim_fail_nth(t->sim, SIM_OP_OPEN, 1);
	CHECK_EQ(scan_call(t, &at, end, UF_SCAN_WP_MATCHING, vec, SCAN_PAGES), -ENOMEM);
	at = s.race.addr;
	CHECK_EQ(scan_call(t, &at, end, UF_SCAN_WP_MATCHING, vec, SCAN_PAGES), 1);
	CHECK(vec[0].start == s.race.addr + 2 * P && vec[0].end == s.race.addr + 3 * P);
	CHECK_EQ(at, end);
}

/* --- Arguments, in memory that is no good --- */

static void scan_arguments(struct t *t)
{
	struct uf_scan_arg arg = {.size = sizeof(arg)};
	uint64_t page = t_map(t, 1);

	CHECK_EQ(ufi_scan(&t->sim->mm, 0), -EFAULT);
	CHECK_EQ(ufi_scan(&t->sim->mm, page + P - 8), -EFAULT);
	arg.end = SIM_TASK_SIZE;
	ufi_sim_poke(t->sim, page, &arg, sizeof(arg));
	CHECK_EQ(ufi_scan(&t->sim->mm, page), 0);
	ufi_sim_peek(t->sim, page, &arg, sizeof(arg));
	CHECK_EQ(arg.walk_end, SIM_TASK_SIZE);
	arg.end++;
	ufi_sim_poke(t->sim, page, &arg, sizeof(arg));
	CHECK_EQ(ufi_scan(&t->sim->mm, page), -EFAULT);
	CHECK_EQ(ufi_sim_mprotect(t->sim, page, 1, UF_PROT_READ), 0);
	arg.end--;
	ufi_sim_poke(t->sim, page, &arg, sizeof(arg));
	CHECK_EQ(ufi_scan(&t->sim->mm, page), -EFAULT);
}

/* The vec lies in memory that is tracked, and in memory that is missing. */
static void scan_vec_tracked(struct t *t)
{
	struct uf_scan_region vec[2];
	struct scan_test s;
	struct uf_scan_arg arg;

	scan_begin(t, &s);
	scan_collect(t);
	CHECK_EQ(t_write(t, s.race.addr + P, 1), SIM_ACCESSED);
	arg = (struct uf_scan_arg){.size = sizeof(arg),
				   .flags = SCAN_GET,
				   .start = s.race.addr,
				   .end = s.race.addr + SCAN_PAGES * P,
				   .vec = s.race.addr + 3 * P,
				   .vec_len = 2,
				   .category_mask = UF_PAGE_IS_WRITTEN,
				   .return_mask = UF_PAGE_IS_WRITTEN};
	ufi_sim_poke(t->sim, t_arg(t), &arg, sizeof(arg));
	CHECK_EQ(ufi_scan(&t->sim->mm, t_arg(t)), 1);
	ufi_sim_peek(t->sim, arg.vec, vec, sizeof(vec[0]));
	CHECK_EQ(vec[0].start, s.race.addr + P);
	/* That was a write, too. */
	CHECK_EQ(scan_collect(t), 1);
	t_no_message(t, s.race.ctx);
}

const struct t_case scan_cases[] = {
	CASE_RACE("async.1, scan.14", scan_nothing_lost, T_ALL),
	CASE_RACE("async.1, async.7, scan.14", scan_two_collectors, T_ALL),
	CASE_RACE("async.5, scan.15", scan_missing, T_ALL),
	CASE_RACE_OF("async.1, scan.14", scan_killed, T_ALL, 3000),
	CASE("async.1", scan_write_refused, T_ALL),
	CASE("scan.14", scan_protect_refused, T_ALL),
	CASE("scan.1, scan.2, scan.19", scan_arguments, T_ONCE),
	CASE("scan.14", scan_vec_tracked, T_ALL),
	{NULL, NULL, NULL, T_ALL, 0},
};
