/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/writeprotect.md. */
#include "case.h"

#define P SIM_PAGE

static int protect_raw(struct t *t, struct ufi_ctx *ctx, uint64_t start, uint64_t len,
		       uint64_t mode)
{
	struct uf_io_writeprotect wp = {{start, len}, mode};

	return t_ioctl(t, ctx, UF_IOC_WRITEPROTECT, &wp, sizeof(wp));
}

/* The argument, the range, the mode, the mappings. */
static void protect_argument(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered_in(t, ctx, 2, WP);
	uint64_t end = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL) + P;
	static const uint64_t bad[] = {4, 3, ~UINT64_C(0), UINT64_C(1) << 40};

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WRITEPROTECT, 0), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WRITEPROTECT, end - 16), -EFAULT);
	CHECK_EQ(protect_raw(t, ctx, addr + 1, P, 1), -EINVAL);
	CHECK_EQ(protect_raw(t, ctx, addr, P - 1, 1), -EINVAL);
	CHECK_EQ(protect_raw(t, ctx, addr, 0, 1), -EINVAL);
	CHECK_EQ(protect_raw(t, ctx, addr, SIM_TASK_SIZE, 1), -EINVAL);
	CHECK_EQ(protect_raw(t, ctx, SIM_TASK_SIZE, P, 1), -EINVAL);
	for (size_t i = 0; i < UF_ARRAY_SIZE(bad); i++) {
		CHECK_EQ(protect_raw(t, ctx, addr, P, bad[i]), -EINVAL);
		CHECK_EQ(protect_raw(t, ctx, 0, P, bad[i]), -EINVAL);
	}
	CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	CHECK_EQ(protect_raw(t, ctx, addr, P, 1), 0);
	t_write_protected(t, ctx, addr);
	CHECK_EQ(protect_raw(t, ctx, addr, P, UF_WRITEPROTECT_MODE_DONTWAKE), 0);
	/* It writes nothing back. */
	ufi_sim_poke(t->sim, end - 24, &(struct uf_io_writeprotect){{addr, P}, 1}, 24);
	CHECK_EQ(ufi_sim_mprotect(t->sim, end - P, 1, UF_PROT_READ), 0);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WRITEPROTECT, end - 24), 0);
	t_write_protected(t, ctx, addr);
}

static void protect_holes(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered_in(t, ctx, 8, WP);

	for (uint64_t i = 0; i < 8; i++)
		CHECK_EQ(t_write(t, addr + i * P, 1), SIM_ACCESSED);
	for (uint64_t i = 0; i < 8; i += 3)
		CHECK_EQ(ufi_sim_munmap(t->sim, addr + i * P, 1), 0);
	CHECK_EQ(t_protect(t, ctx, addr, 1), -ENOENT);
	CHECK_EQ(t_unprotect(t, ctx, addr, 1), -ENOENT);
	CHECK_EQ(t_protect(t, ctx, 0, 1), -ENOENT);
	CHECK_EQ(t_protect(t, ctx, addr, 8), 0);
	t_write_protected(t, ctx, addr + P);
	t_write_protected(t, ctx, addr + 7 * P);
	CHECK_EQ(t_unprotect(t, ctx, addr, 8), 0);
	for (uint64_t i = 0; i < 8; i++)
		if (i % 3)
			CHECK_EQ(t_write(t, addr + i * P, 2), SIM_ACCESSED);
}

/* Done, not registered, not done; nobody is woken. */
static void protect_without_mode(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 6);
	struct t_access a;

	for (uint64_t i = 0; i < 6; i++)
		CHECK_EQ(t_write(t, addr + i * P, 1), SIM_ACCESSED);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, WP), 0);
	CHECK_EQ(t_register_in(t, ctx, addr + 4 * P, 2, WP), 0);
	CHECK_EQ(t_protect(t, ctx, addr + 2 * P, 1), -ENOENT);
	CHECK_EQ(t_protect(t, ctx, addr, 6), -ENOENT);
	CHECK_EQ(t_write(t, addr + 4 * P, 2), SIM_ACCESSED);
	t_access(t, &a, addr + P, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr + P, F_WP);
	CHECK_EQ(t_unprotect(t, ctx, addr, 6), -ENOENT);
	t_waits(t, &a);
	CHECK_EQ(t_write(t, addr, 2), SIM_ACCESSED);
	CHECK_EQ(t_register_in(t, ctx, addr + 2 * P, 2, MISSING), 0);
	CHECK_EQ(t_protect(t, ctx, addr, 6), -ENOENT);
	CHECK_EQ(t_register_in(t, ctx, addr + 2 * P, 2, WP | MISSING), 0);
	CHECK_EQ(t_protect(t, ctx, addr, 6), 0);
	t_write_protected(t, ctx, addr + 2 * P);
	CHECK_EQ(t_unprotect(t, ctx, addr, 6), 0);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

static void protect_present(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 5, mode);
		struct t_access a[2];

		CHECK_FILL(t_copy(t, ctx, addr, 5, 5, 0), 0, 5 * P);
		CHECK_EQ(t_protect(t, ctx, addr + P, 3), 0);
		CHECK_EQ(t_protect(t, ctx, addr + 2 * P, 1), 0);
		CHECK_EQ(t_write(t, addr, 6), SIM_ACCESSED);
		CHECK_EQ(t_write(t, addr + 4 * P, 6), SIM_ACCESSED);
		for (uint64_t i = 1; i < 4; i++)
			CHECK_EQ(t_read_page(t, addr + i * P), 5);
		t_no_message(t, ctx);
		for (uint64_t i = 0; i < 2; i++) {
			t_access(t, &a[i], addr + (i + 1) * P + 9, UF_PROT_WRITE);
			t_fault_at(t, ctx, addr + (i + 1) * P, F_WP);
			CHECK_EQ(t_read_page(t, addr + (i + 1) * P), 5);
		}
		CHECK_EQ(t_unprotect(t, ctx, addr + P, 1), 0);
		t_ends(t, &a[0], SIM_ACCESSED, 0);
		t_waits(t, &a[1]);
		CHECK_EQ(t_write(t, addr + P, 6), SIM_ACCESSED);
		CHECK_EQ(t_unprotect(t, ctx, addr + 2 * P, 1), 0);
		t_ends(t, &a[1], SIM_ACCESSED, 0);
		t_write_protected(t, ctx, addr + 3 * P);
		t_no_message(t, ctx);
	}
}

/* Read from, or filled by ZEROPAGE: a page of zeros is a page. */
static void protect_zero_page(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_map(t, 3);
		uint8_t value;

		CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
		CHECK_EQ(t_register_in(t, ctx, addr, 3, mode), 0);
		CHECK_FILL(t_zero(t, ctx, addr + P, 2, 0), 0, 2 * P);
		CHECK_EQ(t_read(t, addr + P, &value), SIM_ACCESSED);
		CHECK_EQ(t_protect(t, ctx, addr, 3), 0);
		for (uint64_t i = 0; i < 3; i++) {
			t_write_protected(t, ctx, addr + i * P);
			CHECK_EQ(t_read(t, addr + i * P, &value), SIM_ACCESSED);
			CHECK_EQ(value, 0x5a);
		}
	}
}

/* The first access to a protected page that this mapping has not got writes. */
static void protect_first_write(struct t *t, struct ufi_ctx *ctx, uint64_t mode, uint64_t addr,
				bool in_object)
{
	struct t_access a;
	uint8_t value;

	if (!(mode & (in_object ? MINOR : MISSING))) {
		/* It comes by itself. */
		t_write_protected(t, ctx, addr);
		return;
	}
	t_access(t, &a, addr, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr, in_object ? F_MINOR | F_WRITE : F_WRITE);
	if (in_object)
		CHECK_FILL(t_continue(t, ctx, addr, 1, UF_CONTINUE_MODE_WP), 0, P);
	else
		CHECK_FILL(t_copy(t, ctx, addr, 1, 0, UF_COPY_MODE_WP), 0, P);
	t_fault_at(t, ctx, addr, F_WP);
	CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
	CHECK_EQ(t_unprotect(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

/* Pages that the object has, and pages that it has not; none of them was mapped here. */
static void protect_unmapped(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 6, mode);
		uint64_t twin = t_twin(t, addr, 6);
		uint8_t value;

		for (uint64_t i = 0; i < 6; i += 2)
			CHECK_EQ(t_write(t, twin + i * P, 7), SIM_ACCESSED);
		CHECK_EQ(t_protect(t, ctx, addr, 6), 0);
		protect_first_write(t, ctx, mode, addr, true);
		protect_first_write(t, ctx, mode, addr + P, false);
		CHECK_EQ(t_unprotect(t, ctx, addr + 2 * P, 2), 0);
		if (!(mode & MINOR))
			CHECK_EQ(t_write(t, addr + 2 * P, 8), SIM_ACCESSED);
		if (!(mode & MISSING))
			CHECK_EQ(t_write(t, addr + 3 * P, 8), SIM_ACCESSED);
		/* Where reading lets them come they come protected. */
		if (!(mode & MINOR)) {
			CHECK_EQ(t_read(t, addr + 4 * P, &value), SIM_ACCESSED);
			CHECK_EQ(value, 7);
			t_write_protected(t, ctx, addr + 4 * P);
		}
		if (!(mode & MISSING)) {
			CHECK_EQ(t_read_page(t, addr + 5 * P), 0);
			t_write_protected(t, ctx, addr + 5 * P);
		}
		t_no_message(t, ctx);
	}
}

static void protect_missing(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);
		struct t_access a;

		CHECK_FILL(t_copy(t, ctx, addr + P, 1, 3, 0), 0, P);
		CHECK_EQ(t_protect(t, ctx, addr, 3), 0);
		t_write_protected(t, ctx, addr + P);
		if (mode & MISSING) {
			t_access(t, &a, addr, UF_PROT_WRITE);
			t_fault_at(t, ctx, addr, F_WRITE);
			CHECK_FILL(t_zero(t, ctx, addr, 1, 0), 0, P);
			t_ends(t, &a, SIM_ACCESSED, 0);
		}
		CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 1, 0), 0, P);
		CHECK_EQ(t_write(t, addr, 2), SIM_ACCESSED);
		CHECK_EQ(t_write(t, addr + 2 * P, 2), SIM_ACCESSED);
		t_no_message(t, ctx);
	}
}

static void protect_unpopulated(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);

		CHECK_EQ(t_protect(t, ctx, addr, 3), 0);
		protect_first_write(t, ctx, mode, addr, false);
		CHECK_EQ(t_unprotect(t, ctx, addr + P, 1), 0);
		if (!(mode & MISSING)) {
			CHECK_EQ(t_write(t, addr + P, 2), SIM_ACCESSED);
			CHECK_EQ(t_read_page(t, addr + 2 * P), 0);
			t_write_protected(t, ctx, addr + 2 * P);
			CHECK_EQ(t_write(t, addr + 3 * P, 2), SIM_ACCESSED);
		}
		t_no_message(t, ctx);
	}
}

/* Asked for many times, ended once; also where there is none. */
static void protect_ends(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);

		CHECK_EQ(t_unprotect(t, ctx, addr, 4), 0);
		CHECK_FILL(t_copy(t, ctx, addr, 2, 1, 0), 0, 2 * P);
		CHECK_EQ(t_unprotect(t, ctx, addr, 4), 0);
		for (int i = 0; i < 3; i++)
			CHECK_EQ(t_protect(t, ctx, addr, 4), 0);
		CHECK_EQ(t_unprotect(t, ctx, addr, 4), 0);
		CHECK_FILL(t_copy(t, ctx, addr + 2 * P, 2, 1, 0), 0, 2 * P);
		for (uint64_t i = 0; i < 4; i++)
			CHECK_EQ(t_write(t, addr + i * P, 2), SIM_ACCESSED);
		t_no_message(t, ctx);
	}
}

static void protect_wakes(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);
		struct t_access a[3];

		CHECK_FILL(t_copy(t, ctx, addr, 2, 1, UF_COPY_MODE_WP), 0, 2 * P);
		for (uint64_t i = 0; i < 2; i++) {
			t_access(t, &a[i], addr + i * P, UF_PROT_WRITE);
			t_fault_at(t, ctx, addr + i * P, F_WP);
		}
		CHECK_EQ(t_protect(t, ctx, addr, 3), 0);
		CHECK_EQ(protect_raw(t, ctx, addr, 3 * P, UF_WRITEPROTECT_MODE_DONTWAKE), 0);
		t_waits(t, &a[0]);
		t_waits(t, &a[1]);
		t_no_message(t, ctx);
		/* Nothing is protected any more, but there is somebody to wake. */
		CHECK_EQ(t_unprotect(t, ctx, addr, 1), 0);
		t_ends(t, &a[0], SIM_ACCESSED, 0);
		t_waits(t, &a[1]);
		CHECK_EQ(t_wake(t, ctx, addr + P, 1), 0);
		t_ends(t, &a[1], SIM_ACCESSED, 0);
		if (!(mode & MISSING))
			continue;
		/* Who waits for content is woken, and asks again. */
		t_access(t, &a[2], addr + 2 * P, UF_PROT_READ);
		t_fault_at(t, ctx, addr + 2 * P, 0);
		CHECK_EQ(t_unprotect(t, ctx, addr, 3), 0);
		t_fault_at(t, ctx, addr + 2 * P, 0);
		CHECK_FILL(t_copy(t, ctx, addr + 2 * P, 1, 4, 0), 0, P);
		t_ends(t, &a[2], SIM_ACCESSED, 4);
	}
}

static void protect_twin(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered_in(t, ctx, 2, WP);
	uint64_t twin = t_twin(t, addr, 2);
	uint8_t value;

	CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	CHECK_EQ(t_protect(t, ctx, addr, 2), 0);
	for (uint64_t i = 0; i < 2; i++) {
		CHECK_EQ(t_write(t, twin + i * P, 9), SIM_ACCESSED);
		CHECK_EQ(t_read(t, addr + i * P, &value), SIM_ACCESSED);
		CHECK_EQ(value, 9);
	}
	t_no_message(t, ctx);
	t_write_protected(t, ctx, addr + P);
}

static void protect_any_context(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = t_registered_in(t, ctx, 1, WP);
	struct t_access a;

	CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	CHECK_EQ(t_protect(t, other, addr, 1), 0);
	t_access(t, &a, addr, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr, F_WP);
	CHECK_EQ(t_unprotect(t, other, addr, 1), 0);
	t_waits(t, &a);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, 0);
	t_no_message(t, other);
}

static void protect_what_is_forbidden(struct t *t)
{
	static const uint32_t prots[] = {0, UF_PROT_READ};

	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);

		for (size_t i = 0; i < UF_ARRAY_SIZE(prots); i++) {
			uint64_t addr = t_registered_in(t, ctx, 2, mode);
			uint8_t value;

			CHECK_FILL(t_copy(t, ctx, addr, 2, 4, 0), 0, 2 * P);
			CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, prots[i]), 0);
			CHECK_EQ(t_protect(t, ctx, addr, 2), 0);
			CHECK_EQ(t_write(t, addr, 1), SIM_SIGSEGV);
			CHECK_EQ(t_read(t, addr, &value), prots[i] ? SIM_ACCESSED : SIM_SIGSEGV);
			CHECK_EQ(t_unprotect(t, ctx, addr + P, 1), 0);
			CHECK_EQ(t_write(t, addr + P, 1), SIM_SIGSEGV);
			CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, RW), 0);
			t_write_protected(t, ctx, addr);
			CHECK_EQ(t_write(t, addr + P, 1), SIM_ACCESSED);
			CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
			CHECK_EQ(value, 0x5a);
		}
	}
}

/* Several owners' mappings and both kinds of memory in one call. */
static void protect_several(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = ufi_sim_map(t->sim, 0, 4, RW, SIM_ANON, NULL);

	ufi_sim_map(t->sim, addr + 4 * P, 4, RW, SIM_SHARED, ufi_sim_object(t->sim, 4));
	for (uint64_t i = 0; i < 8; i++)
		CHECK_EQ(t_write(t, addr + i * P, 1), SIM_ACCESSED);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, WP), 0);
	CHECK_EQ(t_register_in(t, other, addr + 2 * P, 4, WP | MISSING), 0);
	CHECK_EQ(t_register_in(t, ctx, addr + 6 * P, 2, WP | MINOR), 0);
	CHECK_EQ(t_protect(t, ctx, addr, 8), 0);
	for (uint64_t i = 0; i < 8; i++)
		t_write_protected(t, i / 2 % 3 ? other : ctx, addr + i * P);
}

const struct t_case writeprotect_cases[] = {
	CASE("writeprotect.1, writeprotect.2", protect_argument, T_ALL),
	CASE("writeprotect.3", protect_holes, T_ALL),
	CASE("writeprotect.4", protect_without_mode, T_ALL),
	CASE("writeprotect.5, writeprotect.10, fault.14", protect_present, T_ALL),
	CASE("writeprotect.5, fill.13", protect_zero_page, T_ALL),
	CASE("writeprotect.6, fault.15, fault.17", protect_unmapped, T_OBJECT),
	CASE("writeprotect.7", protect_missing, T_PRIVATE),
	CASE("writeprotect.7, fault.15, fault.17", protect_unpopulated, T_PRIVATE),
	CASE("writeprotect.8", protect_ends, T_ALL),
	CASE("writeprotect.9", protect_wakes, T_ALL),
	CASE("writeprotect.11", protect_twin, T_OBJECT),
	CASE("writeprotect.12", protect_any_context, T_ALL),
	CASE("writeprotect.13, fault.19, vm.7", protect_what_is_forbidden, T_ALL),
	CASE("writeprotect.3, writeprotect.12", protect_several, T_ONCE),
	{0},
};
