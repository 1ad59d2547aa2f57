/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/continue.md, and the faults that it resolves. */
#include "case.h"

#define P SIM_PAGE

static struct t_filled continue_raw(struct t *t, struct ufi_ctx *ctx, uint64_t start, uint64_t len,
				    uint64_t mode)
{
	struct uf_io_continue cont = {{start, len}, mode, T_KEPT};
	struct t_filled f;

	f.ret = t_ioctl(t, ctx, UF_IOC_CONTINUE, &cont, sizeof(cont));
	f.field = cont.mapped;
	return f;
}

/* A range in that mode whose object has all the pages, full of 7; none is mapped here. */
static uint64_t continue_cached(struct t *t, struct ufi_ctx *ctx, uint64_t npages, uint64_t mode,
				uint64_t *twin)
{
	uint64_t addr = t_registered_in(t, ctx, npages, mode);
	uint8_t page[SIM_PAGE];

	*twin = t_twin(t, addr, npages);
	memset(page, 7, sizeof(page));
	for (uint64_t i = 0; i < npages; i++)
		ufi_sim_poke(t->sim, *twin + i * P, page, sizeof(page));
	return addr;
}

static void continue_argument(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t end = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL) + P;
	struct uf_io_continue bad = {{0, P}, ~0ull, 0};
	uint64_t twin;
	uint64_t addr = continue_cached(t, ctx, 2, MINOR, &twin);

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_CONTINUE, 0), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_CONTINUE, end - 16), -EFAULT);
	bad.range.start = addr;
	ufi_sim_poke(t->sim, end - 24, &bad, 24);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_CONTINUE, end - 24), -EINVAL);
	CHECK_FILL(continue_raw(t, ctx, addr + 1, P, 0), -EINVAL, T_KEPT);
	CHECK_FILL(continue_raw(t, ctx, addr, P + 1, 0), -EINVAL, T_KEPT);
	CHECK_FILL(continue_raw(t, ctx, addr, 0, 0), -EINVAL, T_KEPT);
	CHECK_FILL(continue_raw(t, ctx, SIM_TASK_SIZE, P, 0), -EINVAL, T_KEPT);
	CHECK_FILL(continue_raw(t, ctx, addr, P, 4), -EINVAL, T_KEPT);
	CHECK_FILL(continue_raw(t, ctx, 0, P, 4), -EINVAL, T_KEPT);
	CHECK_FILL(continue_raw(t, ctx, 0, P, 0), -ENOENT, -ENOENT);
	CHECK_FILL(continue_raw(t, ctx, twin, P, 0), -ENOENT, -ENOENT);
	CHECK_FILL(continue_raw(t, ctx, addr, 3 * P, 0), -ENOENT, -ENOENT);
	CHECK_FILL(continue_raw(t, ctx, addr, P, UF_CONTINUE_MODE_WP), -EINVAL, -EINVAL);
	CHECK_FILL(continue_raw(t, ctx, addr, 2 * P, 0), 0, 2 * P);
}

static void continue_private(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 1, mode);

		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), -EINVAL, -EINVAL);
		CHECK_FILL(t_copy(t, ctx, addr, 1, 1, 0), 0, P);
		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), -EINVAL, -EINVAL);
		CHECK_EQ(t_read_page(t, addr), 1);
	}
}

/* The very page, with the content that it has by then. */
static void continue_maps(struct t *t)
{
	FOR_EACH_MODE(t, mode, MINOR)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t twin;
		uint64_t addr = continue_cached(t, ctx, 2, mode, &twin);
		struct t_access a[2];
		uint8_t value;

		t_access(t, &a[0], addr + 100, UF_PROT_READ);
		t_fault_at(t, ctx, addr, F_MINOR);
		t_access(t, &a[1], addr + P, UF_PROT_WRITE);
		t_fault_at(t, ctx, addr + P, F_MINOR | F_WRITE);
		CHECK_EQ(t_write(t, twin + 100, 8), SIM_ACCESSED);
		CHECK_FILL(t_continue(t, ctx, addr, 2, 0), 0, 2 * P);
		t_ends(t, &a[0], SIM_ACCESSED, 8);
		t_ends(t, &a[1], SIM_ACCESSED, 0);
		CHECK_EQ(t_read(t, twin + P, &value), SIM_ACCESSED);
		CHECK_EQ(value, 0x5a);
		CHECK_EQ(t_write(t, addr + 1, 9), SIM_ACCESSED);
		CHECK_EQ(t_read(t, twin + 1, &value), SIM_ACCESSED);
		CHECK_EQ(value, 9);
		t_no_message(t, ctx);
	}
}

/* Missing is missing, where that is told; else it is zeros. */
static void continue_no_page(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 2, mode);
		const struct sim_object *obj = ufi_sim_pte(t->sim, addr)->map->object;
		struct t_access a;

		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), -EFAULT, -EFAULT);
		CHECK(!obj->cache[0]);
		t_access(t, &a, addr, UF_PROT_WRITE);
		if (mode & MISSING) {
			t_fault_at(t, ctx, addr, F_WRITE);
			CHECK_FILL(t_continue(t, ctx, addr, 1, 0), -EFAULT, -EFAULT);
			t_waits(t, &a);
			CHECK_FILL(t_zero(t, ctx, addr, 1, 0), 0, P);
		}
		t_ends(t, &a, SIM_ACCESSED, 0);
		t_no_message(t, ctx);
		/* The page that came by itself is a page of this mapping now. */
		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), -EEXIST, -EEXIST);
	}
}

static void continue_exists(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t twin;
		uint64_t addr = continue_cached(t, ctx, 4, mode, &twin);
		uint64_t protect = mode & WP ? UF_CONTINUE_MODE_WP : 0;
		uint8_t value;

		CHECK_FILL(t_continue(t, ctx, addr, 1, protect), 0, P);
		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), -EEXIST, -EEXIST);
		CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
		CHECK_EQ(value, 7);
		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), -EEXIST, -EEXIST);
		if (protect)
			t_write_protected(t, ctx, addr);
		CHECK_FILL(t_copy(t, ctx, addr + P, 1, 1, 0), -EEXIST, -EEXIST);
		CHECK_FILL(t_continue(t, ctx, addr + 2 * P, 1, 0), 0, P);
		CHECK_FILL(t_continue(t, ctx, addr + P, 3, 0), -EAGAIN, P);
		CHECK_FILL(t_continue(t, ctx, addr + 2 * P, 2, 0), -EEXIST, -EEXIST);
		t_no_message(t, ctx);
	}
}

static void continue_partial(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t twin;
	uint64_t addr = continue_cached(t, ctx, 4, MINOR, &twin);
	struct t_access a[3];

	CHECK_EQ(ufi_sim_remove(t->sim, twin + 2 * P, 1), 0);
	t_access(t, &a[0], addr, UF_PROT_READ);
	t_access(t, &a[1], addr + P, UF_PROT_READ);
	t_access(t, &a[2], addr + 3 * P, UF_PROT_READ);
	ufi_sim_idle(t->sim);
	CHECK_FILL(t_continue(t, ctx, addr, 4, 0), -EAGAIN, 2 * P);
	t_ends(t, &a[0], SIM_ACCESSED, 7);
	t_ends(t, &a[1], SIM_ACCESSED, 7);
	t_waits(t, &a[2]);
	CHECK_FILL(t_continue(t, ctx, addr + 2 * P, 2, 0), -EFAULT, -EFAULT);
	t_waits(t, &a[2]);
	CHECK_FILL(t_continue(t, ctx, addr + 3 * P, 1, UF_CONTINUE_MODE_DONTWAKE), 0, P);
	t_waits(t, &a[2]);
	CHECK_EQ(t_wake(t, ctx, addr + 3 * P, 1), 0);
	t_ends(t, &a[2], SIM_ACCESSED, 7);
}

static void continue_field_unwritable(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t page = ufi_sim_map(t->sim, 0, 1, UF_PROT_READ, SIM_ANON, NULL);
	uint64_t twin;
	uint64_t addr = continue_cached(t, ctx, 1, MINOR, &twin);
	struct uf_io_continue cont = {{addr, P}, 0, 0};
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, F_MINOR);
	ufi_sim_poke(t->sim, page, &cont, sizeof(cont));
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_CONTINUE, page), -EFAULT);
	t_waits(t, &a);
	CHECK_FILL(t_continue(t, ctx, addr, 1, 0), -EEXIST, -EEXIST);
	t_waits(t, &a);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, 7);
}

static void continue_any_context(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t twin;
	uint64_t addr = continue_cached(t, ctx, 1, MINOR, &twin);
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, F_MINOR);
	CHECK_FILL(t_continue(t, other, addr, 1, 0), 0, P);
	t_waits(t, &a);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, 7);
}

static void continue_ahead(struct t *t)
{
	static const uint32_t prots[] = {0, UF_PROT_READ, RW};

	FOR_EACH_MODE(t, mode, MINOR)
	{
		struct ufi_ctx *ctx = t_open(t, 0);

		for (size_t i = 0; i < UF_ARRAY_SIZE(prots); i++) {
			uint64_t twin;
			uint64_t addr = continue_cached(t, ctx, 1, mode, &twin);
			uint8_t value;

			CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, prots[i]), 0);
			CHECK_FILL(t_continue(t, ctx, addr, 1, 0), 0, P);
			CHECK_EQ(t_read(t, addr, &value), prots[i] ? SIM_ACCESSED : SIM_SIGSEGV);
			CHECK_EQ(t_write(t, addr, 1), prots[i] == RW ? SIM_ACCESSED : SIM_SIGSEGV);
			CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, RW), 0);
			CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
		}
		t_no_message(t, ctx);
	}
}

/* Marked first: protected, poisoned. */
static void continue_marked(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t twin;
		uint64_t addr = continue_cached(t, ctx, 4, mode, &twin);
		uint8_t value;

		CHECK_FILL(t_poison(t, ctx, addr + 2 * P, 2, 0), 0, 2 * P);
		CHECK_EQ(t_protect(t, ctx, addr, 4), 0);
		CHECK_EQ(t_read(t, addr + 2 * P, &value), SIM_POISONED);
		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), 0, P);
		CHECK_FILL(t_continue(t, ctx, addr + P, 1, UF_CONTINUE_MODE_WP), 0, P);
		CHECK_FILL(t_continue(t, ctx, addr + 2 * P, 1, 0), 0, P);
		CHECK_FILL(t_continue(t, ctx, addr + 3 * P, 1, UF_CONTINUE_MODE_WP), 0, P);
		for (uint64_t i = 0; i < 4; i++) {
			CHECK_EQ(t_read(t, addr + i * P, &value), SIM_ACCESSED);
			CHECK_EQ(value, 7);
			if (i % 2)
				t_write_protected(t, ctx, addr + i * P);
			else
				CHECK_EQ(t_write(t, addr + i * P, 1), SIM_ACCESSED);
		}
		t_no_message(t, ctx);
	}
}

/* As Linux does since 7.2: a page that the object has not. (differences, 19) */
static void continue_beyond_end(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t twin;
		uint64_t addr = continue_cached(t, ctx, 3, mode, &twin);

		ufi_sim_truncate(t->sim, ufi_sim_pte(t->sim, addr)->map->object, 1);
		CHECK_FILL(t_continue(t, ctx, addr + P, 1, 0), -EFAULT, -EFAULT);
		CHECK_FILL(t_continue(t, ctx, addr, 3, 0), -EAGAIN, P);
		t_no_message(t, ctx);
	}
}

/* --- The faults --- */

/* Once mapped, by whatever ioctl, or there when it was registered. */
static void minor_only_once(struct t *t)
{
	FOR_EACH_MODE(t, mode, MINOR)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_map(t, 4);
		uint8_t value;

		CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
		CHECK_EQ(t_register_in(t, ctx, addr, 4, mode), 0);
		CHECK_FILL(t_copy(t, ctx, addr + P, 1, 1, 0), 0, P);
		CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 1, 0), 0, P);
		if (!(mode & MISSING))
			CHECK_EQ(t_read(t, addr + 3 * P, &value), SIM_ACCESSED);
		for (uint64_t i = 0; i < (mode & MISSING ? 3 : 4); i++) {
			CHECK_EQ(t_read(t, addr + i * P, &value), SIM_ACCESSED);
			CHECK_EQ(t_write(t, addr + i * P, 2), SIM_ACCESSED);
		}
		t_no_message(t, ctx);
	}
}

static void minor_bus_error(struct t *t)
{
	FOR_EACH_MODE(t, mode, MINOR)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_SIGBUS);
		uint64_t twin;
		uint64_t addr = continue_cached(t, ctx, 1, mode, &twin);
		uint8_t value;

		CHECK_EQ(t_read(t, addr, &value), SIM_SIGBUS);
		CHECK_EQ(t_write(t, addr, 1), SIM_SIGBUS);
		t_no_message(t, ctx);
		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), 0, P);
		CHECK_EQ(t_read_page(t, addr), 7);
	}
}

static void minor_from_the_kernel(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *user = t_open_bare(t, true);
	struct uf_io_range range = {t_map(t, 1), P};
	uint64_t args;
	uint64_t twin;

	CHECK_EQ(t_handshake(t, user, 0), 0);
	args = continue_cached(t, user, 1, MINOR, &twin);
	ufi_sim_poke(t->sim, twin, &range, sizeof(range));
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WAKE, args), -EFAULT);
	t_no_message(t, user);
	CHECK_FILL(t_continue(t, user, args, 1, 0), 0, P);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WAKE, args), 0);
}

/* A page that nobody is told of, because the object has it and that is not asked for. */
static void minor_not_registered(struct t *t)
{
	for (uint64_t mode = MISSING; mode <= (MISSING | WP); mode++) {
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t twin;
		uint64_t addr = continue_cached(t, ctx, 2, mode, &twin);

		CHECK_EQ(t_read_page(t, addr), 7);
		CHECK_EQ(t_write(t, addr + P, 1), SIM_ACCESSED);
		t_no_message(t, ctx);
	}
}

/* Out of the mapping, and out of the object as well. */
static void minor_given_back(struct t *t)
{
	FOR_EACH_MODE(t, mode, MINOR)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t twin;
		uint64_t addr = continue_cached(t, ctx, 3, mode, &twin);
		struct t_access a;

		CHECK_FILL(t_continue(t, ctx, addr, 3, 0), 0, 3 * P);
		CHECK_EQ(t_read_page(t, addr), 7);
		CHECK_EQ(ufi_sim_dontneed(t->sim, addr, 2), 0);
		t_access(t, &a, addr, UF_PROT_READ);
		t_fault_at(t, ctx, addr, F_MINOR);
		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), 0, P);
		t_ends(t, &a, SIM_ACCESSED, 7);
		CHECK_EQ(t_read_page(t, addr + 2 * P), 7);
		CHECK_EQ(ufi_sim_remove(t->sim, addr + P, 2), 0);
		CHECK_FILL(t_continue(t, ctx, addr + P, 1, 0), -EFAULT, -EFAULT);
		t_access(t, &a, addr + P, UF_PROT_WRITE);
		if (mode & MISSING) {
			t_fault_at(t, ctx, addr + P, F_WRITE);
			CHECK_FILL(t_zero(t, ctx, addr + P, 1, 0), 0, P);
		}
		t_ends(t, &a, SIM_ACCESSED, 0);
		t_no_message(t, ctx);
	}
}

/* Without MISSING nobody is woken by the end of the registration. */
static void minor_unregister(struct t *t)
{
	FOR_EACH_MODE(t, mode, MINOR)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t twin;
		uint64_t addr = continue_cached(t, ctx, 2, mode, &twin);
		struct t_access a[2];

		t_access(t, &a[0], addr, UF_PROT_READ);
		t_fault_at(t, ctx, addr, F_MINOR);
		t_access(t, &a[1], addr + P, UF_PROT_READ);
		t_waits(t, &a[1]);
		CHECK_EQ(t_unregister(t, ctx, addr, 2), 0);
		if (!(mode & MISSING)) {
			t_waits(t, &a[0]);
			t_waits(t, &a[1]);
			CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
			t_ends(t, &a[0], SIM_ACCESSED, 7);
			t_waits(t, &a[1]);
			t_close(t, ctx);
		}
		t_ends(t, &a[0], SIM_ACCESSED, 7);
		t_ends(t, &a[1], SIM_ACCESSED, 7);
	}
}

const struct t_case continue_cases[] = {
	CASE("continue.1, continue.2, continue.3, continue.4", continue_argument, T_OBJECT),
	CASE("continue.5", continue_private, T_PRIVATE),
	CASE("continue.6, fault.16, continue.11", continue_maps, T_OBJECT),
	CASE("continue.7, continue.3, fault.17", continue_no_page, T_OBJECT),
	CASE("continue.8, continue.9, copy.9", continue_exists, T_OBJECT),
	CASE("continue.9, continue.11", continue_partial, T_OBJECT),
	CASE("continue.10", continue_field_unwritable, T_OBJECT),
	CASE("continue.12", continue_any_context, T_OBJECT),
	CASE("continue.13", continue_ahead, T_OBJECT),
	CASE("continue.14, writeprotect.14", continue_marked, T_OBJECT),
	CASE("continue.15", continue_beyond_end, T_OBJECT),
	CASE("fault.16, fault.12", minor_only_once, T_OBJECT),
	CASE("fault.20", minor_bus_error, T_OBJECT),
	CASE("fault.20, fault.22", minor_from_the_kernel, T_OBJECT),
	CASE("fault.17, fault.5", minor_not_registered, T_OBJECT),
	CASE("vm.14", minor_given_back, T_OBJECT),
	CASE("unregister.7, close.6", minor_unregister, T_OBJECT),
	{0},
};
