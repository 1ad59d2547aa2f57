/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/register.md and spec/unregister.md. */
#include "case.h"

#define TOP (SIM_TASK_SIZE - SIM_PAGE)

static uint64_t reg_ioctls(uint64_t mode)
{
	uint64_t ioctls = 1 << UF_NR_WAKE | 1 << UF_NR_COPY | 1 << UF_NR_ZEROPAGE |
			  1 << UF_NR_POISON | 1 << UF_NR_MOVE;

	if (mode & WP)
		ioctls |= 1 << UF_NR_WRITEPROTECT;
	if (mode & MINOR)
		ioctls |= 1 << UF_NR_CONTINUE;
	return ioctls;
}

static int reg(struct t *t, struct ufi_ctx *ctx, uint64_t start, uint64_t len, uint64_t mode)
{
	struct uf_io_register r = {{start, len}, mode, T_KEPT};
	int ret = t_ioctl(t, ctx, UF_IOC_REGISTER, &r, sizeof(r));

	CHECK_EQ(r.ioctls, ret ? T_KEPT : reg_ioctls(mode));
	return ret;
}

static int unreg(struct t *t, struct ufi_ctx *ctx, uint64_t start, uint64_t len)
{
	struct uf_io_range r = {start, len};

	return t_ioctl(t, ctx, UF_IOC_UNREGISTER, &r, sizeof(r));
}

/* Would an access raise a message? Asked without one: a page is filled only where it is missing. */
static bool is_missing(struct t *t, struct ufi_ctx *ctx, uint64_t addr)
{
	struct t_filled f = t_zero(t, ctx, addr, 1, 0);

	CHECK(f.ret == 0 || f.ret == -EEXIST || f.ret == -ENOENT);
	return f.ret == 0;
}

static void register_argument(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t page = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL);
	uint64_t end = page + SIM_PAGE;
	struct uf_io_register r = {{t_map(t, 1), SIM_PAGE}, 0, 0};

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_REGISTER, 0), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_REGISTER, end - 16), -EFAULT);
	/* The mode before the range. */
	CHECK_EQ(reg(t, ctx, 1, 0, 0), -EINVAL);
	CHECK_EQ(reg(t, ctx, r.range.start, SIM_PAGE, 0), -EINVAL);
	CHECK_EQ(reg(t, ctx, r.range.start, SIM_PAGE, 1 | 1 << 4), -EINVAL);
	/* `ioctls' is not read: the answer is what cannot be written. */
	ufi_sim_poke(t->sim, end - 24, &r, 24);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_REGISTER, end - 24), -EINVAL);
	r.mode = UF_REGISTER_MODE_MISSING;
	ufi_sim_poke(t->sim, end - 24, &r, 24);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_REGISTER, end - 24), -EFAULT);
	CHECK(is_missing(t, ctx, r.range.start));
}

static void register_range(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 2);

	CHECK_EQ(reg(t, ctx, addr + 1, SIM_PAGE, 1), -EINVAL);
	CHECK_EQ(reg(t, ctx, addr, SIM_PAGE + 1, 1), -EINVAL);
	CHECK_EQ(reg(t, ctx, addr, 0, 1), -EINVAL);
	CHECK_EQ(reg(t, ctx, addr, SIM_TASK_SIZE, 1), -EINVAL);
	CHECK_EQ(reg(t, ctx, SIM_TASK_SIZE, SIM_PAGE, 1), -EINVAL);
	CHECK_EQ(reg(t, ctx, addr, -SIM_PAGE, 1), -EINVAL);
	CHECK_EQ(t_register(t, ctx, addr, 2), 0);
}

static void register_holes(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 8);

	CHECK_EQ(reg(t, ctx, TOP, SIM_PAGE, 1), -EINVAL);
	for (int i = 0; i < 8; i += 2)
		CHECK_EQ(ufi_sim_munmap(t->sim, addr + (uint64_t)i * SIM_PAGE, 1), 0);
	CHECK_EQ(t_register(t, ctx, addr, 1), -EINVAL);
	CHECK_EQ(t_register(t, ctx, addr, 8), 0);
	for (uint64_t i = 0; i < 8; i++)
		CHECK_EQ(is_missing(t, ctx, addr + i * SIM_PAGE), i % 2);
}

static void register_all_or_nothing(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = t_map(t, 8);

	/* Free, taken, no userfaults there. */
	CHECK_EQ(t_register(t, other, addr + 2 * SIM_PAGE, 2), 0);
	CHECK_EQ(ufi_sim_munmap(t->sim, addr + 4 * SIM_PAGE, 4), 0);
	ufi_sim_map(t->sim, addr + 4 * SIM_PAGE, 2, RW, SIM_FILE, NULL);
	CHECK_EQ(t_register(t, ctx, addr, 8), -EBUSY);
	CHECK_EQ(t_register(t, ctx, addr + 4 * SIM_PAGE, 4), -EINVAL);
	CHECK(!is_missing(t, ctx, addr));
	CHECK_EQ(t_unregister(t, other, addr + 2 * SIM_PAGE, 2), 0);
	CHECK_EQ(t_register(t, ctx, addr, 8), -EINVAL);
	CHECK(!is_missing(t, ctx, addr));
	CHECK_EQ(t_register(t, ctx, addr, 4), 0);
	CHECK(is_missing(t, ctx, addr));
}

static void register_modes(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 1);
	uint64_t file = ufi_sim_map(t->sim, 0, 1, RW, SIM_FILE, NULL);

	for (uint64_t mode = MISSING; mode <= (MISSING | WP | MINOR); mode++) {
		bool fits = t->kind == SIM_SHARED || !(mode & MINOR);

		CHECK_EQ(reg(t, ctx, file, SIM_PAGE, mode), -EINVAL);
		CHECK_EQ(reg(t, ctx, addr, SIM_PAGE, mode), fits ? 0 : -EINVAL);
		/* A part of what it has, or all of it: the answer follows the question. */
		CHECK_EQ(reg(t, ctx, addr, SIM_PAGE, fits ? mode & -mode : MISSING), 0);
		CHECK_EQ(t_unregister(t, ctx, addr, 1), 0);
	}
	CHECK_EQ(reg(t, ctx, addr, SIM_PAGE, UF_REGISTER_MODE_RWP), -EINVAL);
}

/* The memory, then the permission, then the owner. */
static void register_permission(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 2);

	ufi_sim_set_maywrite(t->sim, addr, false);
	CHECK_EQ(reg(t, ctx, addr, SIM_PAGE, MINOR), t->kind == SIM_ANON ? -EINVAL : -EPERM);
	CHECK_EQ(t_register(t, ctx, addr, 1), -EPERM);
	ufi_sim_set_maywrite(t->sim, addr, true);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, UF_PROT_READ), 0);
	CHECK_EQ(t_register(t, ctx, addr, 1), 0);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, 0), 0);
	CHECK_EQ(t_register(t, ctx, addr, 2), 0);
}

static void register_owner(struct t *t)
{
	struct ufi_ctx *one = t_open(t, 0);
	struct ufi_ctx *two = t_open(t, 0);
	uint64_t addr = t_registered(t, one, 2);

	CHECK_EQ(t_register(t, two, addr, 2), -EBUSY);
	CHECK_EQ(t_register(t, two, addr + SIM_PAGE, 1), -EBUSY);
	CHECK_EQ(reg(t, two, addr, SIM_PAGE, MINOR), t->kind == SIM_ANON ? -EINVAL : -EBUSY);
	t_close(t, one);
	CHECK_EQ(t_register(t, two, addr, 2), 0);
}

static void register_again(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 4);
	struct t_access a;

	CHECK_FILL(t_copy(t, ctx, addr, 1, 7, 0), 0, SIM_PAGE);
	t_access(t, &a, addr + SIM_PAGE, UF_PROT_READ);
	t_fault_at(t, ctx, addr + SIM_PAGE, 0);
	CHECK_EQ(reg(t, ctx, addr, 4 * SIM_PAGE, 1), 0);
	CHECK_EQ(reg(t, ctx, addr + SIM_PAGE, SIM_PAGE, 1), 0);
	t_waits(t, &a);
	CHECK(!is_missing(t, ctx, addr));
	CHECK_FILL(t_copy(t, ctx, addr + SIM_PAGE, 1, 8, 0), 0, SIM_PAGE);
	t_ends(t, &a, SIM_ACCESSED, 8);
}

static void register_partly(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 6);
	struct t_access a;

	CHECK_EQ(t_register(t, ctx, addr + 2 * SIM_PAGE, 2), 0);
	CHECK_FILL(t_copy(t, ctx, addr + 2 * SIM_PAGE, 1, 7, 0), 0, SIM_PAGE);
	t_access(t, &a, addr + 3 * SIM_PAGE, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr + 3 * SIM_PAGE, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_EQ(t_register(t, ctx, addr, 6), 0);
	t_waits(t, &a);
	CHECK(t_page_is(t, addr + 2 * SIM_PAGE, 7));
	for (uint64_t i = 0; i < 6; i++)
		CHECK_EQ(is_missing(t, ctx, addr + i * SIM_PAGE), i != 2);
	t_ends(t, &a, SIM_ACCESSED, 0);
	/* In pieces it is one mapping still. */
	CHECK_FILL(t_zero(t, ctx, addr, 6, 0), -EEXIST, -EEXIST);
}

static void register_several(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct sim_object *obj = ufi_sim_object(t->sim, 4);
	uint64_t addr = ufi_sim_map(t->sim, 0, 4, RW, SIM_ANON, NULL);
	uint64_t next = ufi_sim_map(t->sim, addr + 4 * SIM_PAGE, 4, RW, SIM_SHARED, obj);

	CHECK_EQ(t_register(t, ctx, addr + SIM_PAGE, 6), 0);
	CHECK_FILL(t_zero(t, ctx, addr, 1, 0), -ENOENT, -ENOENT);
	CHECK_FILL(t_zero(t, ctx, next + 3 * SIM_PAGE, 1, 0), -ENOENT, -ENOENT);
	/* Two mappings: a fill stays in one. */
	CHECK_FILL(t_zero(t, ctx, addr + SIM_PAGE, 4, 0), -ENOENT, -ENOENT);
	CHECK_FILL(t_zero(t, ctx, addr + SIM_PAGE, 3, 0), 0, 3 * SIM_PAGE);
	CHECK_FILL(t_zero(t, ctx, next, 3, 0), 0, 3 * SIM_PAGE);
	CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	CHECK_EQ(t_write(t, next + 3 * SIM_PAGE, 1), SIM_ACCESSED);
	t_no_message(t, ctx);
}

static void register_keeps(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 4);
	uint8_t value;

	CHECK_EQ(t_write(t, addr, 9), SIM_ACCESSED);
	CHECK_EQ(t_read(t, addr + 2 * SIM_PAGE, &value), SIM_ACCESSED);
	CHECK_EQ(t_register(t, ctx, addr, 4), 0);
	CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
	CHECK_EQ(value, 9);
	CHECK_EQ(t_write(t, addr + 2 * SIM_PAGE, 9), SIM_ACCESSED);
	t_no_message(t, ctx);
	CHECK(is_missing(t, ctx, addr + SIM_PAGE));
	CHECK(is_missing(t, ctx, addr + 3 * SIM_PAGE));
}

static void unregister_ordinary(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	uint8_t value;

	CHECK_FILL(t_copy(t, ctx, addr, 1, 7, 0), 0, SIM_PAGE);
	CHECK_EQ(t_unregister(t, ctx, addr, 3), 0);
	CHECK_EQ(t_read_page(t, addr), 7);
	CHECK_EQ(t_read_page(t, addr + SIM_PAGE), 0);
	CHECK_EQ(t_write(t, addr + 2 * SIM_PAGE, 1), SIM_ACCESSED);
	CHECK_EQ(t_read(t, addr + 2 * SIM_PAGE, &value), SIM_ACCESSED);
	CHECK_EQ(value, 1);
	t_no_message(t, ctx);
	/* And again from the beginning, with what is there by now. */
	CHECK_EQ(t_register(t, ctx, addr, 3), 0);
	CHECK_FILL(t_zero(t, ctx, addr, 3, 0), -EEXIST, -EEXIST);
}

static void unregister_argument(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 2);
	uint64_t file = ufi_sim_map(t->sim, 0, 1, RW, SIM_FILE, NULL);
	uint64_t plain = t_map(t, 1);

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_UNREGISTER, 0), -EFAULT);
	CHECK_EQ(unreg(t, ctx, addr + 1, SIM_PAGE), -EINVAL);
	CHECK_EQ(unreg(t, ctx, addr, SIM_PAGE - 1), -EINVAL);
	CHECK_EQ(unreg(t, ctx, addr, 0), -EINVAL);
	CHECK_EQ(unreg(t, ctx, SIM_TASK_SIZE, SIM_PAGE), -EINVAL);
	CHECK_EQ(unreg(t, ctx, TOP, SIM_PAGE), -EINVAL);
	CHECK_EQ(unreg(t, other, addr, SIM_PAGE), -EINVAL);
	CHECK_EQ(unreg(t, ctx, file, SIM_PAGE), -EINVAL);
	CHECK_EQ(unreg(t, ctx, plain, SIM_PAGE), 0);
	CHECK(is_missing(t, ctx, addr));
}

static void unregister_wakes(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	struct t_access a[3];

	for (uint64_t i = 0; i < 3; i++) {
		t_access(t, &a[i], addr + i * SIM_PAGE, UF_PROT_READ);
		t_waits(t, &a[i]);
	}
	t_fault_at(t, ctx, addr, 0);
	CHECK_EQ(t_unregister(t, ctx, addr, 2), 0);
	t_ends(t, &a[0], SIM_ACCESSED, 0);
	t_ends(t, &a[1], SIM_ACCESSED, 0);
	t_waits(t, &a[2]);
	t_fault_at(t, ctx, addr + 2 * SIM_PAGE, 0);
	t_no_message(t, ctx);
	CHECK_EQ(t_unregister(t, ctx, addr + 2 * SIM_PAGE, 1), 0);
	t_ends(t, &a[2], SIM_ACCESSED, 0);
}

static void unregister_parts(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 6);

	CHECK_FILL(t_copy(t, ctx, addr + SIM_PAGE, 4, 5, 0), 0, 4 * SIM_PAGE);
	CHECK_EQ(t_unregister(t, ctx, addr + 2 * SIM_PAGE, 2), 0);
	CHECK_FILL(t_zero(t, ctx, addr, 6, 0), -ENOENT, -ENOENT);
	for (uint64_t i = 1; i < 5; i++)
		CHECK_EQ(t_read_page(t, addr + i * SIM_PAGE), 5);
	CHECK(is_missing(t, ctx, addr));
	CHECK(is_missing(t, ctx, addr + 5 * SIM_PAGE));
	CHECK(!is_missing(t, ctx, addr + SIM_PAGE));
	CHECK_EQ(t_register(t, ctx, addr, 6), 0);
	CHECK_FILL(t_zero(t, ctx, addr + 2 * SIM_PAGE, 2, 0), -EEXIST, -EEXIST);
}

const struct t_case register_cases[] = {
	CASE("register.1, register.12", register_argument, T_ALL),
	CASE("register.2", register_range, T_ALL),
	CASE("register.3", register_holes, T_ALL),
	CASE("register.4", register_all_or_nothing, T_ALL),
	CASE("register.5, register.16, register.17", register_modes, T_ALL),
	CASE("register.6, register.7", register_permission, T_ALL),
	CASE("register.7", register_owner, T_ALL),
	CASE("register.8, register.11", register_again, T_ALL),
	CASE("register.9, fill.7", register_partly, T_ALL),
	CASE("register.10, fill.7", register_several, T_ONCE),
	CASE("register.13", register_keeps, T_ALL),
	CASE("unregister.1", unregister_ordinary, T_ALL),
	CASE("unregister.2, unregister.3", unregister_argument, T_ALL),
	CASE("unregister.4", unregister_wakes, T_ALL),
	CASE("unregister.5", unregister_parts, T_ALL),
	{0},
};
