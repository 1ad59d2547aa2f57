/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/move.md, rule by rule, on every sort of source and target. */
#include "move.h"

#define MOVE_PAGES 4

/* The source's page I holds I + 1. */
uint64_t move_source(struct t *t, struct ufi_ctx *ctx, uint64_t npages, uint64_t mode)
{
	uint64_t src = t_map(t, npages);
	uint8_t page[P];

	for (uint64_t i = 0; i < npages; i++) {
		memset(page, (int)(i + 1), sizeof(page));
		ufi_sim_poke(t->sim, src + i * P, page, sizeof(page));
	}
	if (mode)
		CHECK_EQ(t_register_in(t, ctx, src, npages, mode), 0);
	return src;
}

/* Sources: 0 is not registered. */
static const uint64_t move_sources[] = {0, MISSING, WP, MISSING | WP};

static void move_all(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		for (size_t k = 0; k < UF_ARRAY_SIZE(move_sources); k++) {
			struct ufi_ctx *ctx = t_open(t, 0);
			uint64_t src = move_source(t, ctx, MOVE_PAGES, move_sources[k]);
			uint64_t dst = t_registered_in(t, ctx, MOVE_PAGES, mode);

			CHECK_FILL(t_move(t, ctx, dst, src, MOVE_PAGES, 0), 0, MOVE_PAGES * P);
			for (uint64_t i = 0; i < MOVE_PAGES; i++) {
				CHECK_EQ(t_read_page(t, dst + i * P), i + 1);
				CHECK(t_page_is(t, src + i * P, 0));
				CHECK_EQ(t_write(t, dst + i * P, 9), SIM_ACCESSED);
			}
			CHECK_FILL(t_move(t, ctx, dst, src, 1, 0), -EEXIST, -EEXIST);
			t_no_message(t, ctx);
			t_close(t, ctx);
		}
	}
}

/* What is left at the source raises a message there if it is registered for that. */
static void move_leaves_missing(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t dst = t_registered(t, ctx, 2);
	uint64_t src = move_source(t, ctx, 1, MISSING);
	uint64_t plain = move_source(t, ctx, 1, 0);
	struct t_access a;

	CHECK_FILL(t_move(t, ctx, dst, src, 1, 0), 0, P);
	t_access(t, &a, src, UF_PROT_READ);
	t_fault_at(t, ctx, src, 0);
	CHECK_FILL(t_copy(t, ctx, src, 1, 7, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 7);
	CHECK_FILL(t_move(t, ctx, dst + P, plain, 1, 0), 0, P);
	CHECK_EQ(t_read_page(t, plain), 0);
	t_no_message(t, ctx);
}

static void move_arguments(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t src = move_source(t, ctx, 1, 0);
	uint64_t dst = t_registered(t, ctx, 1);

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_MOVE, 0), -EFAULT);
	CHECK_FILL(t_move(t, ctx, dst + 1, src, 1, 0), -EINVAL, T_KEPT);
	CHECK_FILL(t_move(t, ctx, dst, src + 1, 1, 0), -EINVAL, T_KEPT);
	CHECK_FILL(t_move(t, ctx, dst, src, 0, 0), -EINVAL, T_KEPT);
	CHECK_FILL(t_move(t, ctx, dst, SIM_TASK_SIZE, 1, 0), -EINVAL, T_KEPT);
	CHECK_FILL(t_move(t, ctx, dst, src, 1, 4), -EINVAL, T_KEPT);
	CHECK_EQ(t_read_page(t, src), 1);
}

static void move_memory(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t src = move_source(t, ctx, 4, 0);
	uint64_t dst = t_registered(t, ctx, 4);
	uint64_t theirs = t_registered(t, other, 1);
	uint64_t readonly = ufi_sim_map(t->sim, 0, 1, UF_PROT_READ, SIM_ANON, NULL);
	uint64_t file = ufi_sim_map(t->sim, 0, 1, RW, SIM_FILE, NULL);

	CHECK_FILL(t_move(t, ctx, dst, src - P, 1, 0), -ENOENT, -ENOENT);
	CHECK_FILL(t_move(t, ctx, dst - P, src, 1, 0), -ENOENT, -ENOENT);
	CHECK_FILL(t_move(t, ctx, dst + 3 * P, src, 2, 0), -EINVAL, -EINVAL);
	CHECK_FILL(t_move(t, ctx, dst, src + 3 * P, 2, 0), -EINVAL, -EINVAL);
	CHECK_FILL(t_move(t, ctx, theirs, src, 1, 0), -EINVAL, -EINVAL);
	CHECK_FILL(t_move(t, ctx, src, dst, 1, 0), -EINVAL, -EINVAL);
	CHECK_FILL(t_move(t, ctx, dst, readonly, 1, 0), -EINVAL, -EINVAL);
	CHECK_FILL(t_move(t, ctx, dst, file, 1, 0), -EINVAL, -EINVAL);
	/* Over the end of what is registered alike, at either side. */
	CHECK_EQ(t_register_in(t, ctx, dst + 2 * P, 2, WP), 0);
	CHECK_FILL(t_move(t, ctx, dst + P, src, 2, 0), -EINVAL, -EINVAL);
	CHECK_EQ(t_register_in(t, other, src + 2 * P, 2, WP), 0);
	CHECK_FILL(t_move(t, ctx, dst, src + P, 2, 0), -EINVAL, -EINVAL);
	CHECK_FILL(t_move(t, ctx, dst, src, 2, 0), 0, 2 * P);
	CHECK_FILL(t_move(t, ctx, dst + 2 * P, src + 2 * P, 2, 0), 0, 2 * P);
	CHECK_EQ(t_read_page(t, dst + 3 * P), 4);
}

static void move_objects(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t dst = t_registered(t, ctx, 2);
	uint64_t plain = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL);
	uint64_t anon = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL);

	CHECK_EQ(t_register(t, ctx, anon, 1), 0);
	CHECK_FILL(t_copy(t, ctx, dst, 1, 1, 0), 0, P);
	CHECK_FILL(t_move(t, ctx, dst + P, plain, 1, 0), -EINVAL, -EINVAL);
	CHECK_FILL(t_move(t, ctx, anon, dst, 1, 0), -EINVAL, -EINVAL);
	CHECK_EQ(t_read_page(t, dst), 1);
}

/* What cannot be moved is where it was, and what came before it has been moved. */
static void move_stops(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
	uint64_t dst = t_registered_in(t, ctx, 8, MISSING | WP);
	uint64_t src = move_source(t, ctx, 8, WP);

	CHECK_FILL(t_copy(t, ctx, dst + 2 * P, 1, 0x11, 0), 0, P);
	CHECK_EQ(t_protect(t, ctx, dst + 4 * P, 1), 0);
	CHECK_FILL(t_poison(t, ctx, dst + 5 * P, 1, 0), 0, P);
	CHECK_FILL(t_move(t, ctx, dst, src, 8, 0), -EAGAIN, 2 * P);
	CHECK_FILL(t_move(t, ctx, dst + 2 * P, src + 2 * P, 1, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_move(t, ctx, dst + 4 * P, src + 2 * P, 1, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_move(t, ctx, dst + 5 * P, src + 2 * P, 1, 0), -EEXIST, -EEXIST);
	CHECK_EQ(ufi_sim_dontneed(t->sim, src + 3 * P, 3), 0);
	CHECK_EQ(t_protect(t, ctx, src + 4 * P, 1), 0);
	CHECK_FILL(t_poison(t, ctx, src + 5 * P, 1, 0), 0, P);
	CHECK_FILL(t_move(t, ctx, dst + 6 * P, src + 3 * P, 1, 0), -ENOENT, -ENOENT);
	CHECK_FILL(t_move(t, ctx, dst + 6 * P, src + 3 * P, 2, UF_MOVE_MODE_ALLOW_SRC_HOLES),
		   -EAGAIN, P);
	CHECK_FILL(t_move(t, ctx, dst + 6 * P, src + 4 * P, 1, UF_MOVE_MODE_ALLOW_SRC_HOLES),
		   -EFAULT, -EFAULT);
	CHECK_FILL(t_move(t, ctx, dst + 6 * P, src + 5 * P, 1, UF_MOVE_MODE_ALLOW_SRC_HOLES),
		   -EFAULT, -EFAULT);
	CHECK_FILL(t_move(t, ctx, dst + 6 * P, src + 6 * P, 2, 0), 0, 2 * P);
	for (uint64_t i = 0; i < 2; i++)
		CHECK_EQ(t_read_page(t, dst + i * P), i + 1);
	CHECK_EQ(t_read_page(t, dst + 7 * P), 8);
	CHECK_EQ(t_read_page(t, src + 2 * P), 3);
}

/* A page that is protected is not at its new place, and its old one is not either. */
static void move_protected(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
		uint64_t dst = t_registered_in(t, ctx, 2, mode);
		uint64_t src = move_source(t, ctx, 2, mode);

		CHECK_EQ(t_protect(t, ctx, src, 1), 0);
		CHECK_FILL(t_move(t, ctx, dst, src, 2, 0), 0, 2 * P);
		CHECK_EQ(t_write(t, dst, 5), SIM_ACCESSED);
		CHECK_EQ(t_write(t, dst + P, 5), SIM_ACCESSED);
		if (mode == WP)
			CHECK_EQ(t_write(t, src, 5), SIM_ACCESSED);
		t_no_message(t, ctx);
		CHECK_EQ(t_protect(t, ctx, dst, 2), 0);
		t_write_protected(t, ctx, dst);
	}
}

/* Of several that wait those are woken whose page was done, holes too. */
static void move_wakes(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t dst = t_registered(t, ctx, 4);
	uint64_t src = move_source(t, ctx, 4, 0);
	struct t_access a[3];

	CHECK_EQ(ufi_sim_dontneed(t->sim, src + P, 1), 0);
	CHECK_FILL(t_copy(t, ctx, dst + 2 * P, 1, 1, 0), 0, P);
	for (uint64_t i = 0; i < 3; i++) {
		t_access(t, &a[i], dst + (i == 2 ? 3 : i) * P, UF_PROT_READ);
		t_fault_at(t, ctx, a[i].addr, 0);
	}
	CHECK_FILL(t_move(t, ctx, dst, src, 4,
			  UF_MOVE_MODE_ALLOW_SRC_HOLES | UF_MOVE_MODE_DONTWAKE),
		   -EAGAIN, 2 * P);
	for (int i = 0; i < 3; i++)
		t_waits(t, &a[i]);
	CHECK_EQ(t_wake(t, ctx, dst, 1), 0);
	t_ends(t, &a[0], SIM_ACCESSED, 1);
	CHECK_FILL(t_move(t, ctx, dst + P, src + P, 1, UF_MOVE_MODE_ALLOW_SRC_HOLES), 0, P);
	t_fault_at(t, ctx, dst + P, 0);
	CHECK_FILL(t_zero(t, ctx, dst + P, 1, 0), 0, P);
	t_ends(t, &a[1], SIM_ACCESSED, 0);
	CHECK_FILL(t_move(t, ctx, dst + 3 * P, src + 3 * P, 1, 0), 0, P);
	t_ends(t, &a[2], SIM_ACCESSED, 4);
}

/* Within one mapping, as if page by page. */
static void move_overlaps(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 6, mode);
		uint64_t by = 1 + ufi_sim_random(t->sim) % 2;

		for (uint64_t i = 0; i < 3; i++)
			CHECK_FILL(t_copy(t, ctx, addr + (by + i) * P, 1, (uint8_t)(i + 1), 0), 0,
				   P);
		CHECK_FILL(t_move(t, ctx, addr, addr + by * P, 3, 0), 0, 3 * P);
		for (uint64_t i = 0; i < 3; i++)
			CHECK(t_page_is(t, addr + i * P, (uint8_t)(i + 1)));
		CHECK_FILL(t_move(t, ctx, addr, addr, 1, 0), -EEXIST, -EEXIST);
		CHECK_FILL(t_move(t, ctx, addr + 3 * P, addr + 2 * P, 3, 0), 0, 3 * P);
		CHECK(t_page_is(t, addr + 5 * P, 3));
		CHECK_FILL(t_move(t, ctx, addr + 2 * P, addr + 2 * P, 1,
				  UF_MOVE_MODE_ALLOW_SRC_HOLES),
			   0, P);
		t_no_message(t, ctx);
	}
}

/* Zeros that nobody has touched are a page like others. */
static void move_zeros(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t dst = t_registered(t, ctx, 2);
	uint64_t src = t_registered(t, ctx, 2);
	uint8_t byte;

	CHECK_FILL(t_zero(t, ctx, src, 1, 0), 0, P);
	CHECK_FILL(t_copy(t, ctx, src + P, 1, 3, 0), 0, P);
	CHECK_FILL(t_move(t, ctx, dst, src, 2, 0), 0, 2 * P);
	CHECK_EQ(t_read(t, dst, &byte), SIM_ACCESSED);
	CHECK_EQ(byte, 0);
	CHECK_EQ(t_read_page(t, dst + P), 3);
	CHECK_FILL(t_zero(t, ctx, src, 2, 0), 0, 2 * P);
}

/* The Nth operation fails: ENOMEM, every page is in one place, and again it goes on. */
static void move_fails_once(struct t *t, uint64_t mode, uint64_t src_mode, enum sim_op op,
			    uint32_t n)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t dst = t_registered_in(t, ctx, MOVE_PAGES, mode);
	uint64_t src = move_source(t, ctx, MOVE_PAGES, src_mode);
	struct t_filled f;

	if (src_mode & WP)
		CHECK_EQ(t_protect(t, ctx, src + P, 1), 0);
	ufi_sim_fail_nth(t->sim, op, n);
	f = t_move(t, ctx, dst, src, MOVE_PAGES, 0);
	if (t->sim->op_failed && f.ret) {
		uint64_t done = f.field > 0 ? (uint64_t)f.field : 0;

		CHECK_EQ(f.ret, done ? -EAGAIN : -ENOMEM);
		move_check_places(t, dst, src, MOVE_PAGES, done);
		CHECK_FILL(t_move(t, ctx, dst + done, src + done, MOVE_PAGES - done / P, 0), 0,
			   (int64_t)(MOVE_PAGES * P - done));
	}
	move_check_places(t, dst, src, MOVE_PAGES, MOVE_PAGES * P);
	ufi_sim_fail_nth(t->sim, op, 0);
	t_close(t, ctx);
}

static void move_fails(struct t *t)
{
	static const enum sim_op ops[] = {SIM_OP_MOVE, SIM_OP_CLOSE, SIM_OP_ARM};

	for (size_t k = 0; k < UF_ARRAY_SIZE(move_sources); k++)
		for (size_t i = 0; i < UF_ARRAY_SIZE(ops); i++)
			for (uint32_t n = 1; n < 4; n++) {
				move_fails_once(t, MISSING, move_sources[k], ops[i], n);
				move_fails_once(t, WP, move_sources[k], ops[i], n);
			}
}

const struct t_case move_cases[] = {
	CASE("move.14, move.13", move_all, T_PRIVATE),
	CASE("move.14, move.20", move_leaves_missing, T_PRIVATE),
	CASE("move.1, move.2, move.3", move_arguments, T_PRIVATE),
	CASE("move.7, move.8, move.9, move.10, move.12", move_memory, T_PRIVATE),
	CASE("move.9", move_objects, T_OBJECT),
	CASE("move.15, move.16, move.19", move_stops, T_PRIVATE),
	CASE("move.20", move_protected, T_PRIVATE),
	CASE("move.16, move.23, fill.6", move_wakes, T_PRIVATE),
	CASE("move.24", move_overlaps, T_PRIVATE),
	CASE("move.21", move_zeros, T_PRIVATE),
	CASE("fill.10, move.14", move_fails, T_PRIVATE),
	{0},
};
