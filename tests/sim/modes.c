/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registered again in other modes: register.18 to register.21. */
#include "case.h"

#define P SIM_PAGE

/* Page by page: what does a write to it do in this mode, and then a read? */
static void modes_missing(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t mode)
{
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_WRITE);
	if (mode & MISSING) {
		t_fault_at(t, ctx, addr, F_WRITE);
		t_waits(t, &a);
		CHECK_FILL(t_copy(t, ctx, addr, 1, 3, 0), 0, P);
	}
	t_ends(t, &a, SIM_ACCESSED, 0);
	t_no_message(t, ctx);
}

static void modes_cached(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t mode)
{
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_READ);
	if (mode & MINOR) {
		t_fault_at(t, ctx, addr, F_MINOR);
		t_waits(t, &a);
		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), 0, P);
	}
	t_ends(t, &a, SIM_ACCESSED, 7);
	t_no_message(t, ctx);
}

/* From every mode to every other: a superset of what is asked for stays, else it is replaced. */
static void modes_change(struct t *t)
{
	for (uint64_t from = MISSING; from <= (MISSING | WP | MINOR); from++) {
		FOR_EACH_MODE(t, asked, 0)
		{
			struct ufi_ctx *ctx = t_open(t, 0);
			uint64_t mode = (from & asked) == asked ? from : asked;
			uint64_t addr;

			if (t->kind == SIM_ANON && (from & MINOR))
				continue;
			addr = t_registered_in(t, ctx, 4, from);
			if (t->kind == SIM_SHARED)
				CHECK_EQ(t_write(t, t_twin(t, addr, 4) + P, 7), SIM_ACCESSED);
			CHECK_FILL(t_copy(t, ctx, addr, 1, 5, 0), 0, P);
			CHECK_EQ(t_register_in(t, ctx, addr, 4, asked), 0);
			CHECK_EQ(t_read_page(t, addr), 5);
			CHECK_EQ(t_write(t, addr, 5), SIM_ACCESSED);
			t_no_message(t, ctx);
			if (t->kind == SIM_SHARED)
				modes_cached(t, ctx, addr + P, mode);
			CHECK_EQ(t_protect(t, ctx, addr, 1), mode & WP ? 0 : -ENOENT);
			if (mode & WP)
				t_write_protected(t, ctx, addr);
			modes_missing(t, ctx, addr + 2 * P, mode);
			modes_missing(t, ctx, addr + 3 * P, mode);
		}
	}
}

static void modes_of_a_part(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 6);

	CHECK_FILL(t_copy(t, ctx, addr, 3, 5, 0), 0, 3 * P);
	CHECK_EQ(t_register_in(t, ctx, addr + 2 * P, 2, WP), 0);
	CHECK_FILL(t_zero(t, ctx, addr + P, 2, 0), -ENOENT, -ENOENT);
	CHECK_EQ(t_write(t, addr + 2 * P, 1), SIM_ACCESSED);
	modes_missing(t, ctx, addr + 3 * P, WP);
	modes_missing(t, ctx, addr + 4 * P, MISSING);
	CHECK_EQ(t_register_in(t, ctx, addr, 6, MISSING | WP), 0);
	CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 4, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_zero(t, ctx, addr + 5 * P, 1, 0), 0, P);
	CHECK_EQ(t_protect(t, ctx, addr, 6), 0);
	for (uint64_t i = 0; i < 6; i++)
		t_write_protected(t, ctx, addr + i * P);
}

/* Nobody is woken; woken, the access is made under the new mode. */
static void modes_waiters(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 2);
	struct t_access a[2];

	CHECK_FILL(t_copy(t, ctx, addr, 1, 5, 0), 0, P);
	t_access(t, &a[0], addr + P, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr + P, F_WRITE);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, WP), 0);
	t_waits(t, &a[0]);
	CHECK_EQ(t_protect(t, ctx, addr, 1), 0);
	t_access(t, &a[1], addr, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr, F_WP);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, MISSING), 0);
	t_waits(t, &a[1]);
	CHECK_EQ(t_wake(t, ctx, addr, 2), 0);
	t_ends(t, &a[1], SIM_ACCESSED, 0);
	t_waits(t, &a[0]);
	t_fault_at(t, ctx, addr + P, F_WRITE);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, WP), 0);
	CHECK_EQ(t_wake(t, ctx, addr, 2), 0);
	t_ends(t, &a[0], SIM_ACCESSED, 0);
	t_no_message(t, ctx);
}

/* Without WP the protection sleeps; with WP what was not written to is protected again. */
static void modes_protection_sleeps(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered_in(t, ctx, 3, WP);
	uint8_t value;

	CHECK_FILL(t_copy(t, ctx, addr, 3, 5, UF_COPY_MODE_WP), 0, 3 * P);
	CHECK_EQ(t_register_in(t, ctx, addr, 3, MISSING), 0);
	CHECK_EQ(t_write(t, addr, 6), SIM_ACCESSED);
	CHECK_EQ(t_read(t, addr + P, &value), SIM_ACCESSED);
	CHECK_EQ(t_protect(t, ctx, addr, 3), -ENOENT);
	t_no_message(t, ctx);
	CHECK_EQ(t_register_in(t, ctx, addr, 3, WP | MISSING), 0);
	t_write_protected(t, ctx, addr + P);
	t_write_protected(t, ctx, addr + 2 * P);
}

/* One after the other: with WP nothing is protected by registering it. */
static void modes_protect_nothing(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
		uint64_t addr = t_map(t, 3);
		uint8_t value;

		CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
		CHECK_EQ(t_read(t, addr + P, &value), SIM_ACCESSED);
		CHECK_EQ(t_register_in(t, ctx, addr, 3, mode), 0);
		CHECK_EQ(t_write(t, addr, 2), SIM_ACCESSED);
		CHECK_EQ(t_write(t, addr + P, 2), SIM_ACCESSED);
		if (!(mode & MISSING))
			CHECK_EQ(t_write(t, addr + 2 * P, 2), SIM_ACCESSED);
		t_no_message(t, ctx);
	}
}

const struct t_case register_mode_cases[] = {
	CASE("register.18", modes_change, T_ALL),
	CASE("register.18, register.9", modes_of_a_part, T_ALL),
	CASE("register.19", modes_waiters, T_ALL),
	CASE("register.20", modes_protection_sleeps, T_ALL),
	CASE("register.21", modes_protect_nothing, T_ALL),
	{0},
};
