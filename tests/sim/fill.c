/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/fill.md and spec/zeropage.md. */
#include "case.h"

#define P SIM_PAGE

enum fill_kind {
	FILL_COPY,
	FILL_ZERO,
};

#define FOR_EACH_KIND(kind) for (int kind = FILL_COPY; kind <= FILL_ZERO; kind++)

#define FILL_BYTE 0x3c

static uint8_t fill_byte(int kind)
{
	return kind == FILL_COPY ? FILL_BYTE : 0;
}

static struct t_filled fill(struct t *t, struct ufi_ctx *ctx, int kind, uint64_t dst,
			    uint64_t npages, uint64_t mode)
{
	return kind == FILL_COPY ? t_copy(t, ctx, dst, npages, FILL_BYTE, mode)
				 : t_zero(t, ctx, dst, npages, mode);
}

static struct t_filled fill_raw(struct t *t, struct ufi_ctx *ctx, int kind, uint64_t dst,
				uint64_t len, uint64_t mode)
{
	struct uf_io_zeropage zero = {{dst, len}, mode, T_KEPT};
	struct t_filled f;

	if (kind == FILL_COPY)
		return t_copy_from(t, ctx, dst, t_src(t), len, mode);
	f.ret = t_ioctl(t, ctx, UF_IOC_ZEROPAGE, &zero, sizeof(zero));
	f.field = zero.zeropage;
	return f;
}

static void fill_argument(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	uint64_t end = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL) + P;
	struct uf_io_copy copy = {addr, t_src(t), P, ~0ull, 0};
	struct uf_io_zeropage zero = {{addr, P}, ~0ull, 0};

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_COPY, 0), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_ZEROPAGE, 0), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_COPY, end - 24), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_ZEROPAGE, end - 16), -EFAULT);
	/* The field is not read: a bad mode is found though it is not there. */
	ufi_sim_poke(t->sim, end - 32, &copy, 32);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_COPY, end - 32), -EINVAL);
	ufi_sim_poke(t->sim, end - 24, &zero, 24);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_ZEROPAGE, end - 24), -EINVAL);
}

static void fill_range(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 2);

	FOR_EACH_KIND(kind)
	{
		CHECK_FILL(fill_raw(t, ctx, kind, addr + 1, P, 0), -EINVAL, T_KEPT);
		CHECK_FILL(fill_raw(t, ctx, kind, addr, P + 1, 0), -EINVAL, T_KEPT);
		CHECK_FILL(fill_raw(t, ctx, kind, addr, 0, 0), -EINVAL, T_KEPT);
		CHECK_FILL(fill_raw(t, ctx, kind, addr, SIM_TASK_SIZE, 0), -EINVAL, T_KEPT);
		CHECK_FILL(fill_raw(t, ctx, kind, SIM_TASK_SIZE, P, 0), -EINVAL, T_KEPT);
		CHECK_FILL(fill_raw(t, ctx, kind, addr, P, 4), -EINVAL, T_KEPT);
		CHECK_FILL(fill_raw(t, ctx, kind, 0, P, 4), -EINVAL, T_KEPT);
		CHECK_FILL(fill_raw(t, ctx, kind, addr + (uint64_t)kind * P, P, 0), 0, P);
	}
}

static void fill_partial(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);

	FOR_EACH_KIND(kind)
	{
		uint64_t addr = t_registered(t, ctx, 6);

		CHECK_FILL(t_copy(t, ctx, addr + 3 * P, 1, 0x11, 0), 0, P);
		CHECK_FILL(fill(t, ctx, kind, addr + P, 5, 0), -EAGAIN, 2 * P);
		CHECK(t_page_is(t, addr + P, fill_byte(kind)));
		CHECK(t_page_is(t, addr + 2 * P, fill_byte(kind)));
		CHECK(t_page_is(t, addr + 3 * P, 0x11));
		CHECK_FILL(fill(t, ctx, kind, addr + 3 * P, 3, 0), -EEXIST, -EEXIST);
		CHECK_FILL(fill(t, ctx, kind, addr + 4 * P, 2, 0), 0, 2 * P);
	}
}

/* More than one run of the engine's, more than one chunk. */
static void fill_large(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t src = ufi_sim_map(t->sim, 0, 700, RW, SIM_ANON, NULL);
	uint64_t addr = t_registered(t, ctx, 700);
	uint16_t i;
	uint16_t got;

	for (i = 0; i < 700; i++)
		ufi_sim_poke(t->sim, src + i * P + 100, &i, sizeof(i));
	CHECK_FILL(t_copy(t, ctx, addr + 600 * P, 1, 1, 0), 0, P);
	CHECK_FILL(t_copy_from(t, ctx, addr, src, 700 * P, 0), -EAGAIN, 600 * P);
	for (i = 0; i < 600; i++) {
		ufi_sim_peek(t->sim, addr + i * P + 100, &got, sizeof(got));
		CHECK_EQ(got, i);
	}
	CHECK_FILL(t_zero(t, ctx, addr + 601 * P, 99, 0), 0, 99 * P);
}

static void fill_field_unwritable(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 2);
	uint64_t page = ufi_sim_map(t->sim, 0, 1, UF_PROT_READ, SIM_ANON, NULL);
	struct uf_io_zeropage zero = {{addr, P}, 0, 0};
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, 0);
	ufi_sim_poke(t->sim, page, &zero, sizeof(zero));
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_ZEROPAGE, page), -EFAULT);
	t_waits(t, &a);
	CHECK_FILL(t_zero(t, ctx, addr, 1, 0), -EEXIST, -EEXIST);
	t_waits(t, &a);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

static void fill_wakes(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);

	FOR_EACH_KIND(kind)
	{
		uint64_t addr = t_registered(t, ctx, 5);
		struct t_access a[4];

		CHECK_FILL(t_copy(t, ctx, addr + 3 * P, 1, 1, 0), 0, P);
		for (uint64_t i = 0; i < 4; i++)
			t_access(t, &a[i], addr + (i + i / 3) * P, UF_PROT_READ);
		t_waits(t, &a[0]);
		/* A range that lies apart wakes nobody here. */
		CHECK_FILL(fill(t, ctx, kind, addr, 1, 1), 0, P);
		t_waits(t, &a[0]);
		/* The work stops early: who waits behind it sleeps on. */
		CHECK_FILL(fill(t, ctx, kind, addr + P, 4, 0), -EAGAIN, 2 * P);
		t_ends(t, &a[1], SIM_ACCESSED, fill_byte(kind));
		t_ends(t, &a[2], SIM_ACCESSED, fill_byte(kind));
		t_waits(t, &a[0]);
		t_waits(t, &a[3]);
		CHECK_FILL(fill(t, ctx, kind, addr, 1, 0), -EEXIST, -EEXIST);
		t_waits(t, &a[0]);
		CHECK_EQ(t_wake(t, ctx, addr, 5), 0);
		t_ends(t, &a[0], SIM_ACCESSED, fill_byte(kind));
		t_waits(t, &a[3]);
		CHECK_FILL(fill(t, ctx, kind, addr + 4 * P, 1, 0), 0, P);
		t_ends(t, &a[3], SIM_ACCESSED, fill_byte(kind));
		t_no_message(t, ctx);
		/* Threads of the machine are few. */
		if (kind == FILL_COPY)
			CHECK_EQ(t_unregister(t, ctx, addr, 5), 0);
	}
}

static void fill_one_mapping(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = t_map(t, 6);

	CHECK_EQ(t_register(t, ctx, addr, 2), 0);
	CHECK_EQ(t_register(t, other, addr + 2 * P, 2), 0);
	FOR_EACH_KIND(kind)
	{
		CHECK_FILL(fill(t, ctx, kind, addr, 3, 0), -ENOENT, -ENOENT);
		CHECK_FILL(fill(t, ctx, kind, addr + 3 * P, 2, 0), -ENOENT, -ENOENT);
		CHECK_FILL(fill(t, ctx, kind, addr + 4 * P, 1, 0), -ENOENT, -ENOENT);
		CHECK_FILL(fill(t, ctx, kind, addr + 6 * P, 1, 0), -ENOENT, -ENOENT);
		CHECK_FILL(fill(t, ctx, kind, 0, 1, 0), -ENOENT, -ENOENT);
	}
	CHECK_FILL(t_zero(t, ctx, addr, 2, 0), 0, 2 * P);
}

/* A part with another protection is another mapping. */
static void fill_split_by_protection(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 4);

	CHECK_EQ(ufi_sim_mprotect(t->sim, addr + 2 * P, 2, UF_PROT_READ), 0);
	CHECK_FILL(t_zero(t, ctx, addr, 4, 0), -ENOENT, -ENOENT);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr + 2 * P, 2, RW), 0);
	CHECK_FILL(t_zero(t, ctx, addr, 4, 0), 0, 4 * P);
}

static void fill_any_context(struct t *t)
{
	struct ufi_ctx *owner = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = t_registered(t, owner, 2);

	FOR_EACH_KIND(kind)
	{
		uint64_t at = addr + (uint64_t)kind * P;
		struct t_access a;

		t_access(t, &a, at, UF_PROT_READ);
		t_fault_at(t, owner, at, 0);
		CHECK_FILL(fill(t, other, kind, at, 1, 0), 0, P);
		t_waits(t, &a);
		CHECK_EQ(t_wake(t, owner, at, 1), 0);
		t_ends(t, &a, SIM_ACCESSED, fill_byte(kind));
	}
	t_no_message(t, other);
}

static void fill_protected(struct t *t)
{
	static const uint32_t prots[] = {0, UF_PROT_READ};
	struct ufi_ctx *ctx = t_open(t, 0);

	for (size_t i = 0; i < UF_ARRAY_SIZE(prots); i++) {
		FOR_EACH_KIND(kind)
		{
			uint64_t addr = t_map(t, 1);
			uint8_t value;

			CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, prots[i]), 0);
			CHECK_EQ(t_register(t, ctx, addr, 1), 0);
			CHECK_FILL(fill(t, ctx, kind, addr, 1, 0), 0, P);
			CHECK_EQ(t_write(t, addr, 1), SIM_SIGSEGV);
			CHECK_EQ(t_read(t, addr, &value), prots[i] ? SIM_ACCESSED : SIM_SIGSEGV);
			CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, RW), 0);
			CHECK_EQ(t_read_page(t, addr), fill_byte(kind));
			CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
			t_no_message(t, ctx);
		}
	}
}

static void fill_ahead(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 4);

	CHECK_FILL(t_copy(t, ctx, addr, 2, 5, 0), 0, 2 * P);
	CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 2, 0), 0, 2 * P);
	for (uint64_t i = 0; i < 4; i++) {
		CHECK_EQ(t_read_page(t, addr + i * P), i < 2 ? 5 : 0);
		CHECK_EQ(t_write(t, addr + i * P, 1), SIM_ACCESSED);
	}
	t_no_message(t, ctx);
}

static void fill_beyond_end(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct sim_object *obj = ufi_sim_object(t->sim, 2);
	uint64_t addr = ufi_sim_map(t->sim, 0, 4, RW, SIM_SHARED, obj);

	CHECK_EQ(t_register(t, ctx, addr, 4), 0);
	FOR_EACH_KIND(kind)
	{
		CHECK_FILL(fill(t, ctx, kind, addr + 2 * P, 1, 0), -EFAULT, -EFAULT);
		CHECK_FILL(fill(t, ctx, kind, addr + 2 * P, 2, 0), -EFAULT, -EFAULT);
		CHECK_FILL(fill(t, ctx, kind, addr, 4, 0), -EAGAIN, 2 * P);
		ufi_sim_truncate(t->sim, obj, 3);
		CHECK_FILL(fill(t, ctx, kind, addr + 2 * P, 2, 0), -EAGAIN, P);
		ufi_sim_truncate(t->sim, obj, 2);
		CHECK_EQ(ufi_sim_remove(t->sim, addr, 4), 0);
	}
}

static void zeropage_zeros(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 2);

	CHECK_FILL(t_zero(t, ctx, addr, 2, 2), -EINVAL, T_KEPT);
	CHECK_FILL(fill_raw(t, ctx, FILL_ZERO, addr + 1, P, 2), -EINVAL, T_KEPT);
	CHECK_FILL(t_zero(t, ctx, addr, 2, 0), 0, 2 * P);
	CHECK_EQ(t_read_page(t, addr), 0);
	CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	CHECK_EQ(t_write(t, addr + P, 1), SIM_ACCESSED);
	CHECK_FILL(t_zero(t, ctx, addr, 2, 0), -EEXIST, -EEXIST);
	t_no_message(t, ctx);
}

const struct t_case fill_cases[] = {
	CASE("fill.1", fill_argument, T_ALL),
	CASE("fill.2, fill.3", fill_range, T_ALL),
	CASE("fill.4, fill.10", fill_partial, T_ALL),
	CASE("fill.4", fill_large, T_ALL),
	CASE("fill.5, fill.10", fill_field_unwritable, T_ALL),
	CASE("fill.6", fill_wakes, T_ALL),
	CASE("fill.7, fill.10", fill_one_mapping, T_ALL),
	CASE("fill.7", fill_split_by_protection, T_ALL),
	CASE("fill.8", fill_any_context, T_ALL),
	CASE("fill.9", fill_protected, T_ALL),
	CASE("fill.11, fault.12", fill_ahead, T_ALL),
	CASE("copy.7, zeropage.5, fill.4", fill_beyond_end, T_OBJECT),
	CASE("zeropage.1, zeropage.3", zeropage_zeros, T_ALL),
	{0},
};
