/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/setmode.md. */
#include "case.h"

#define P SIM_PAGE

#define ASYNC UF_FEATURE_RWP_ASYNC

static struct ufi_ctx *setmode_open(struct t *t)
{
	return t_open(t, UF_FEATURE_RWP);
}

static void setmode_fill(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages,
			 uint8_t byte)
{
	CHECK_FILL(t_copy(t, ctx, addr, npages, byte, 0), 0, (int64_t)(npages * P));
}

static void setmode_argument(struct t *t)
{
	struct ufi_ctx *bare = t_open_bare(t, false);
	struct ufi_ctx *plain = t_open(t, 0);
	struct ufi_ctx *ctx = setmode_open(t);
	uint64_t end = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL) + P;

	CHECK_EQ(t_set_mode(t, bare, 0, 0), -EINVAL);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_SET_MODE, 0), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_SET_MODE, end - 8), -EFAULT);
	CHECK_EQ(t_set_mode(t, ctx, ASYNC, ASYNC), -EINVAL);
	CHECK_EQ(t_set_mode(t, ctx, UF_FEATURE_RWP, 0), -EINVAL);
	CHECK_EQ(t_set_mode(t, ctx, 0, UF_FEATURE_RWP), -EINVAL);
	CHECK_EQ(t_set_mode(t, ctx, ASYNC | 1, 0), -EINVAL);
	CHECK_EQ(t_set_mode(t, ctx, ASYNC, 1), -EINVAL);
	CHECK_EQ(t_set_mode(t, ctx, UFI_CTX_READY, 0), -EINVAL);
	CHECK_EQ(t_set_mode(t, plain, ASYNC, 0), -EINVAL);
	CHECK_EQ(t_set_mode(t, plain, 0, ASYNC), 0);
	CHECK_EQ(t_set_mode(t, plain, 0, 0), 0);
	CHECK_EQ(atomic_load(&plain->features), UFI_CTX_READY);
	CHECK_EQ(atomic_load(&ctx->features), UFI_CTX_READY | UF_FEATURE_RWP);
	/* Nothing is written back. */
	ufi_sim_poke(t->sim, end - 16, &(struct uf_io_set_mode){ASYNC, 0}, 16);
	CHECK_EQ(ufi_sim_mprotect(t->sim, end - P, 1, UF_PROT_READ), 0);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_SET_MODE, end - 16), 0);
	CHECK_EQ(atomic_load(&ctx->features), UFI_CTX_READY | UF_FEATURE_RWP | ASYNC);
}

static void setmode_handshake(struct t *t)
{
	struct ufi_ctx *ctx = t_open_bare(t, false);
	struct uf_io_api api = {UF_UAPI_API, UF_FEATURE_RWP | ASYNC, 0};

	CHECK_EQ(t_handshake(t, ctx, ASYNC), -EINVAL);
	CHECK_EQ(t_handshake(t, ctx, ASYNC | UF_FEATURE_SIGBUS), -EINVAL);
	CHECK_EQ(t_ioctl(t, ctx, UF_IOC_API, &api, sizeof(api)), 0);
	CHECK_EQ(!!(api.ioctls & 1u << UF_NR_SET_MODE), 1);
}

static void setmode_async(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_RWP | ASYNC);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);
		struct t_access a;

		setmode_fill(t, ctx, addr, 3, 3);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 3), 0);
		CHECK_EQ(t_read_page(t, addr), 3);
		CHECK_EQ(t_write(t, addr + P, 1), SIM_ACCESSED);
		if (mode & MISSING) {
			t_access(t, &a, addr + 3 * P, UF_PROT_READ);
			t_fault_at(t, ctx, addr + 3 * P, 0);
			setmode_fill(t, ctx, addr + 3 * P, 1, 4);
			t_ends(t, &a, SIM_ACCESSED, 4);
		}
		t_no_message(t, ctx);
		CHECK_EQ(t_set_mode(t, ctx, 0, ASYNC), 0);
		CHECK_EQ(t_read_page(t, addr), 3);
		CHECK_EQ(t_write(t, addr + P, 3), SIM_ACCESSED);
		t_inaccessible(t, ctx, addr + 2 * P, 3);
	}
}

static void setmode_wakes(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = setmode_open(t);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);
		struct t_access a[3];

		setmode_fill(t, ctx, addr, 2, 3);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 2), 0);
		t_access(t, &a[0], addr, UF_PROT_READ);
		t_fault_at(t, ctx, addr, F_RWP);
		t_access(t, &a[1], addr + P, UF_PROT_WRITE);
		t_waits(t, &a[1]); /* not read */
		CHECK_EQ(t_set_mode(t, ctx, 0, ASYNC), 0);
		t_waits(t, &a[0]);
		CHECK_EQ(t_set_mode(t, ctx, ASYNC, 0), 0);
		t_ends(t, &a[0], SIM_ACCESSED, 3);
		t_ends(t, &a[1], SIM_ACCESSED, 0);
		t_no_message(t, ctx);
		if (!(mode & MISSING))
			continue;
		t_access(t, &a[2], addr + 2 * P, UF_PROT_READ);
		t_fault_at(t, ctx, addr + 2 * P, 0);
		CHECK_EQ(t_set_mode(t, ctx, ASYNC, 0), 0);
		t_fault_at(t, ctx, addr + 2 * P, 0);
		setmode_fill(t, ctx, addr + 2 * P, 1, 3);
		t_ends(t, &a[2], SIM_ACCESSED, 3);
	}
}

/* Where one page cannot be told from those beside it, it takes them along. */
static void setmode_no_room(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_RWP | ASYNC);
		uint64_t addr = t_registered_in(t, ctx, 5, mode);

		setmode_fill(t, ctx, addr, 5, 3);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 5), 0);
		CHECK_EQ(t_rwunprotect(t, ctx, addr, 1), 0);
		ufi_sim_fail_nth(t->sim, SIM_OP_OPEN, 1);
		CHECK_EQ(t_read_page(t, addr + 2 * P), 3);
		CHECK(t->sim->op_failed);
		t->sim->op_failed = false;
		CHECK_EQ(t_set_mode(t, ctx, 0, ASYNC), 0);
		for (uint64_t i = 0; i < 5; i++)
			CHECK_EQ(t_read_page(t, addr + i * P), 3);
		t_no_message(t, ctx);
	}
}

const struct t_case setmode_cases[] = {
	CASE("setmode.1, setmode.2", setmode_argument, T_ONCE),
	CASE("setmode.6, setmode.7", setmode_handshake, T_ONCE),
	CASE("setmode.3, setmode.5, setmode.8", setmode_async, T_ALL),
	CASE("setmode.4", setmode_wakes, T_ALL),
	CASE("setmode.3", setmode_no_room, T_ALL),
	{0},
};
