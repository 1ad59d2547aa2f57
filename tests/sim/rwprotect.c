/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/rwprotect.md. */
#include "case.h"

#define P SIM_PAGE

#define ASYNC UF_FEATURE_RWP_ASYNC

static struct ufi_ctx *rwp_open(struct t *t)
{
	return t_open(t, UF_FEATURE_RWP);
}

static int rwp_raw(struct t *t, struct ufi_ctx *ctx, uint64_t start, uint64_t len, uint64_t mode)
{
	struct uf_io_rwprotect rwp = {{start, len}, mode};

	return t_ioctl(t, ctx, UF_IOC_RWPROTECT, &rwp, sizeof(rwp));
}

/* Pages full of BYTE, whatever the mode. */
static void rwp_fill(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages, uint8_t byte)
{
	CHECK_FILL(t_copy(t, ctx, addr, npages, byte, 0), 0, (int64_t)(npages * P));
}

static void rwp_argument(struct t *t)
{
	struct ufi_ctx *ctx = rwp_open(t);
	uint64_t addr = t_registered_in(t, ctx, 2, RWP);
	uint64_t end = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL) + P;
	static const uint64_t bad[] = {4, 3, ~UINT64_C(0), UINT64_C(1) << 40};

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_RWPROTECT, 0), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_RWPROTECT, end - 16), -EFAULT);
	CHECK_EQ(rwp_raw(t, ctx, addr + 1, P, 1), -EINVAL);
	CHECK_EQ(rwp_raw(t, ctx, addr, P - 1, 1), -EINVAL);
	CHECK_EQ(rwp_raw(t, ctx, addr, 0, 1), -EINVAL);
	CHECK_EQ(rwp_raw(t, ctx, addr, SIM_TASK_SIZE, 1), -EINVAL);
	for (size_t i = 0; i < UF_ARRAY_SIZE(bad); i++) {
		CHECK_EQ(rwp_raw(t, ctx, addr, P, bad[i]), -EINVAL);
		CHECK_EQ(rwp_raw(t, ctx, 0, P, bad[i]), -EINVAL);
	}
	CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	CHECK_EQ(rwp_raw(t, ctx, addr, P, UF_RWPROTECT_MODE_RWP), 0);
	t_inaccessible(t, ctx, addr, 1);
	CHECK_EQ(rwp_raw(t, ctx, addr, P, UF_RWPROTECT_MODE_DONTWAKE), 0);
	/* It is not the ioctl of the other mode. */
	CHECK_EQ(t_protect(t, ctx, addr, 1), -ENOENT);
}

static void rwp_registration(struct t *t)
{
	struct ufi_ctx *plain = t_open(t, 0);
	struct ufi_ctx *ctx = rwp_open(t);
	uint64_t addr = t_map(t, 1);

	CHECK_EQ(t_register_in(t, plain, addr, 1, RWP), -EINVAL);
	CHECK_EQ(t_register_in(t, plain, addr, 1, RWP | MISSING), -EINVAL);
	CHECK_EQ(t_register_in(t, ctx, addr, 1, RWP | WP), -EINVAL);
	CHECK_EQ(t_register_in(t, ctx, addr, 1, RWP | WP | MISSING), -EINVAL);
	if (t->kind == SIM_ANON)
		CHECK_EQ(t_register_in(t, ctx, addr, 1, RWP | MINOR), -EINVAL);
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct uf_io_register reg = {{t_map(t, 2), 2 * P}, mode, 0};

		ctx = rwp_open(t);
		CHECK_EQ(t_ioctl(t, ctx, UF_IOC_REGISTER, &reg, sizeof(reg)), 0);
		CHECK_EQ(!!(reg.ioctls & 1u << UF_NR_RWPROTECT), 1);
		CHECK_EQ(reg.ioctls & 1u << UF_NR_WRITEPROTECT, 0);
		rwp_fill(t, ctx, reg.range.start, 2, 3);
		CHECK_EQ(t_read_page(t, reg.range.start), 3);
		CHECK_EQ(t_write(t, reg.range.start + P, 1), SIM_ACCESSED);
		t_no_message(t, ctx);
	}
}

/* Which mapping it may be, and in which order that is judged. */
static void rwp_forbidden_mapping(struct t *t)
{
	struct ufi_ctx *ctx = rwp_open(t);
	uint64_t addr = t_map(t, 2);
	uint64_t file = ufi_sim_map(t->sim, 0, 1, RW, SIM_FILE, NULL);

	CHECK_EQ(t_register_in(t, ctx, file, 1, RWP), -EINVAL);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, 0), 0);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP), -EINVAL);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP | MISSING), -EINVAL);
	ufi_sim_set_maywrite(t->sim, addr, false);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP), -EINVAL);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, UF_PROT_READ), 0);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP), -EPERM);
	ufi_sim_set_maywrite(t->sim, addr, true);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP), 0);
	/* What is registered and has lost it since. */
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, 0), 0);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP | MISSING), -EINVAL);
	CHECK_EQ(t_unregister(t, ctx, addr, 2), 0);
}

/* EBUSY where protection would be dropped; otherwise what is inaccessible stays so. */
static void rwp_again(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);
		uint64_t wider = mode | MISSING | (t->kind == SIM_SHARED ? MINOR : 0);

		rwp_fill(t, ctx, addr, 3, 7);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 2), 0);
		CHECK_EQ(t_register_in(t, ctx, addr, 4, MISSING), -EBUSY);
		CHECK_EQ(t_register_in(t, ctx, addr, 4, WP), -EBUSY);
		CHECK_EQ(t_register_in(t, ctx, addr, 4, WP | MISSING), -EBUSY);
		CHECK_EQ(t_register_in(t, ctx, addr, 4, RWP), 0);
		t_inaccessible(t, ctx, addr, 7);
		CHECK_EQ(t_register_in(t, ctx, addr, 4, wider), 0);
		t_inaccessible(t, ctx, addr + P, 7);
		CHECK_EQ(t_read_page(t, addr + 2 * P), 7);
		/* It is a range that is closed where nothing is. */
		CHECK_EQ(t_rwprotect(t, ctx, addr, 4), 0);
		rwp_fill(t, ctx, addr + 3 * P, 1, 8);
		CHECK_EQ(t_read_page(t, addr + 3 * P), 8);
		t_inaccessible(t, ctx, addr + 2 * P, 7);
	}
}

/* From the mode that protects against writing, and from those without any protection. */
static void rwp_after_others(struct t *t)
{
	struct ufi_ctx *ctx = rwp_open(t);
	uint64_t addr = t_registered_in(t, ctx, 2, WP);

	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP), -EBUSY);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP | MISSING), -EBUSY);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, MISSING), 0);
	rwp_fill(t, ctx, addr, 1, 1);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP), 0);
	CHECK_EQ(t_rwprotect(t, ctx, addr, 2), 0);
	t_inaccessible(t, ctx, addr, 1);
	CHECK_EQ(t_read_page(t, addr + P), 0);
	t_no_message(t, ctx);
}

/* Write protection that sleeps ends without a word, and not the other protection with it. */
static void rwp_over_sleeping(struct t *t)
{
	struct ufi_ctx *ctx = rwp_open(t);
	uint64_t addr = t_registered_in(t, ctx, 2, WP);
	struct t_access a;

	CHECK_FILL(t_copy(t, ctx, addr, 2, 4, UF_COPY_MODE_WP), 0, 2 * P);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, MISSING), 0);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, MISSING | RWP), 0);
	CHECK_EQ(t_rwprotect(t, ctx, addr, 2), 0);
	t_access(t, &a, addr, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr, F_RWP | F_WRITE);
	CHECK_EQ(t_rwunprotect(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, 0);
	t_inaccessible(t, ctx, addr + P, 4);
	t_no_message(t, ctx);
}

static void rwp_holes(struct t *t)
{
	struct ufi_ctx *ctx = rwp_open(t);
	uint64_t addr = t_registered_in(t, ctx, 8, RWP);

	for (uint64_t i = 0; i < 8; i++)
		CHECK_EQ(t_write(t, addr + i * P, 1), SIM_ACCESSED);
	for (uint64_t i = 0; i < 8; i += 3)
		CHECK_EQ(ufi_sim_munmap(t->sim, addr + i * P, 1), 0);
	CHECK_EQ(t_rwprotect(t, ctx, addr, 1), -ENOENT);
	CHECK_EQ(t_rwunprotect(t, ctx, addr, 1), -ENOENT);
	CHECK_EQ(t_rwprotect(t, ctx, 0, 1), -ENOENT);
	CHECK_EQ(t_rwprotect(t, ctx, addr, 8), 0);
	t_inaccessible(t, ctx, addr + P, 1);
	t_inaccessible(t, ctx, addr + 7 * P, 1);
	CHECK_EQ(t_rwunprotect(t, ctx, addr, 8), 0);
	for (uint64_t i = 0; i < 8; i++)
		if (i % 3)
			CHECK_EQ(t_write(t, addr + i * P, 2), SIM_ACCESSED);
	t_no_message(t, ctx);
}

/* Its first byte, which is 1. */
static void rwp_is_open(struct t *t, uint64_t addr)
{
	uint8_t value;

	CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
	CHECK_EQ(value, 1);
}

/* With the mode, without it, with it: nothing is changed, nobody is woken. */
static void rwp_all_or_nothing(struct t *t)
{
	struct ufi_ctx *ctx = rwp_open(t);
	uint64_t addr = t_map(t, 6);
	struct t_access a;

	for (uint64_t i = 0; i < 6; i++)
		CHECK_EQ(t_write(t, addr + i * P, 1), SIM_ACCESSED);
	CHECK_EQ(t_register_in(t, ctx, addr, 2, RWP), 0);
	CHECK_EQ(t_register_in(t, ctx, addr + 4 * P, 2, RWP), 0);
	CHECK_EQ(t_rwprotect(t, ctx, addr, 6), -ENOENT);
	rwp_is_open(t, addr);
	rwp_is_open(t, addr + 4 * P);
	CHECK_EQ(t_register_in(t, ctx, addr + 2 * P, 2, WP), 0);
	CHECK_EQ(t_rwprotect(t, ctx, addr, 6), -ENOENT);
	rwp_is_open(t, addr);
	CHECK_EQ(t_rwprotect(t, ctx, addr, 2), 0);
	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, F_RWP);
	CHECK_EQ(t_rwunprotect(t, ctx, addr, 6), -ENOENT);
	t_waits(t, &a);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_fault_at(t, ctx, addr, F_RWP);
	CHECK_EQ(t_rwunprotect(t, ctx, addr, 2), 0);
	t_ends(t, &a, SIM_ACCESSED, 1);
}

static void rwp_present(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 5, mode);
		struct t_access a[2];

		rwp_fill(t, ctx, addr, 5, 5);
		CHECK_EQ(t_rwprotect(t, ctx, addr + P, 3), 0);
		CHECK_EQ(t_rwprotect(t, ctx, addr + 2 * P, 1), 0);
		CHECK_EQ(t_read_page(t, addr), 5);
		CHECK_EQ(t_write(t, addr + 4 * P, 6), SIM_ACCESSED);
		t_access(t, &a[0], addr + P + 9, UF_PROT_READ);
		t_fault_at(t, ctx, addr + P, F_RWP);
		t_access(t, &a[1], addr + 2 * P + 9, UF_PROT_WRITE);
		t_fault_at(t, ctx, addr + 2 * P, F_RWP | F_WRITE);
		CHECK_EQ(t_rwunprotect(t, ctx, addr + P, 1), 0);
		t_ends(t, &a[0], SIM_ACCESSED, 5);
		t_waits(t, &a[1]);
		CHECK_EQ(t_write(t, addr + P, 6), SIM_ACCESSED);
		CHECK_EQ(t_rwunprotect(t, ctx, addr + 2 * P, 1), 0);
		t_ends(t, &a[1], SIM_ACCESSED, 0);
		t_inaccessible(t, ctx, addr + 3 * P, 5);
		CHECK_EQ(t_read_page(t, addr + 3 * P), 5);
		t_no_message(t, ctx);
	}
}

/* A page of zeros is a page. */
static void rwp_zero_page(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_map(t, 3);
		uint8_t value;

		CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
		CHECK_EQ(t_register_in(t, ctx, addr, 3, mode), 0);
		CHECK_FILL(t_zero(t, ctx, addr + P, 2, 0), 0, 2 * P);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 3), 0);
		for (uint64_t i = 0; i < 3; i++)
			t_inaccessible(t, ctx, addr + i * P, 0);
	}
}

/* Missing, or only in the object: they come as if nothing had been said. */
static void rwp_left_out(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);
		bool shared = t->kind == SIM_SHARED;
		struct t_access a;

		if (shared)
			CHECK_EQ(t_write(t, t_twin(t, addr, 4), 7), SIM_ACCESSED);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 4), 0);
		t_access(t, &a, addr, UF_PROT_READ);
		if (mode & (shared ? MINOR : MISSING)) {
			t_fault_at(t, ctx, addr, shared ? F_MINOR : 0);
			if (shared)
				CHECK_FILL(t_continue(t, ctx, addr, 1, 0), 0, P);
			else
				rwp_fill(t, ctx, addr, 1, 7);
		}
		ufi_sim_idle(t->sim);
		CHECK(ufi_sim_gone(a.thread));
		t_access(t, &a, addr + P, UF_PROT_WRITE);
		if (mode & MISSING) {
			t_fault_at(t, ctx, addr + P, F_WRITE);
			CHECK_FILL(t_zero(t, ctx, addr + P, 1, 0), 0, P);
		}
		t_ends(t, &a, SIM_ACCESSED, 0);
		rwp_fill(t, ctx, addr + 2 * P, 2, 2);
		CHECK_EQ(t_read_page(t, addr + 2 * P), 2);
		t_no_message(t, ctx);
	}
}

static void rwp_ends(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);

		CHECK_EQ(t_rwunprotect(t, ctx, addr, 4), 0);
		rwp_fill(t, ctx, addr, 2, 1);
		CHECK_EQ(t_rwunprotect(t, ctx, addr, 4), 0);
		for (int i = 0; i < 3; i++)
			CHECK_EQ(t_rwprotect(t, ctx, addr, 4), 0);
		CHECK_EQ(t_rwunprotect(t, ctx, addr, 4), 0);
		rwp_fill(t, ctx, addr + 2 * P, 2, 1);
		for (uint64_t i = 0; i < 4; i++)
			CHECK_EQ(t_write(t, addr + i * P, 2), SIM_ACCESSED);
		t_no_message(t, ctx);
	}
}

static void rwp_wakes(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);
		struct t_access a[3];

		rwp_fill(t, ctx, addr, 2, 1);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 2), 0);
		for (uint64_t i = 0; i < 2; i++) {
			t_access(t, &a[i], addr + i * P, UF_PROT_READ);
			t_fault_at(t, ctx, addr + i * P, F_RWP);
		}
		CHECK_EQ(t_rwprotect(t, ctx, addr, 3), 0);
		CHECK_EQ(rwp_raw(t, ctx, addr, 3 * P, UF_RWPROTECT_MODE_DONTWAKE), 0);
		t_waits(t, &a[0]);
		t_waits(t, &a[1]);
		t_no_message(t, ctx);
		CHECK_EQ(t_rwunprotect(t, ctx, addr, 1), 0);
		t_ends(t, &a[0], SIM_ACCESSED, 1);
		t_waits(t, &a[1]);
		CHECK_EQ(t_wake(t, ctx, addr + P, 1), 0);
		t_ends(t, &a[1], SIM_ACCESSED, 1);
		if (!(mode & MISSING))
			continue;
		t_access(t, &a[2], addr + 2 * P, UF_PROT_READ);
		t_fault_at(t, ctx, addr + 2 * P, 0);
		CHECK_EQ(t_rwunprotect(t, ctx, addr, 3), 0);
		t_fault_at(t, ctx, addr + 2 * P, 0);
		rwp_fill(t, ctx, addr + 2 * P, 1, 4);
		t_ends(t, &a[2], SIM_ACCESSED, 4);
	}
}

static void rwp_message(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		static const uint32_t accesses[] = {UF_PROT_READ, UF_PROT_WRITE, UF_PROT_EXEC};
		struct ufi_ctx *ctx =
			t_open(t, UF_FEATURE_RWP | UF_FEATURE_THREAD_ID | UF_FEATURE_EXACT_ADDRESS);
		uint64_t addr = t_registered_in(t, ctx, 1, mode);
		struct t_access a[3];
		struct uf_msg msg;

		rwp_fill(t, ctx, addr, 1, 1);
		CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, RW | UF_PROT_EXEC), 0);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 1), 0);
		for (uint64_t i = 0; i < 3; i++) {
			t_access(t, &a[i], addr + 17 + i, accesses[i]);
			ufi_sim_idle(t->sim);
			CHECK(t_message(t, ctx, true, &msg));
			CHECK_EQ(msg.arg.pagefault.flags, i == 1 ? F_RWP | F_WRITE : F_RWP);
			CHECK_EQ(msg.arg.pagefault.address, addr + 17 + i);
			CHECK_EQ(msg.arg.pagefault.feat.ptid, a[i].thread->tid);
		}
		CHECK_EQ(t_rwunprotect(t, ctx, addr, 1), 0);
		t_ends(t, &a[0], SIM_ACCESSED, 1);
		t_ends(t, &a[1], SIM_ACCESSED, 0);
		t_ends(t, &a[2], SIM_ACCESSED, 1);
	}
}

static void rwp_bus_error(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_RWP | UF_FEATURE_SIGBUS);
		uint64_t addr = t_registered_in(t, ctx, 1, mode);
		uint8_t value;

		rwp_fill(t, ctx, addr, 1, 3);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 1), 0);
		CHECK_EQ(t_read(t, addr, &value), SIM_SIGBUS);
		CHECK_EQ(t_write(t, addr, 1), SIM_SIGBUS);
		CHECK_EQ(t_rwunprotect(t, ctx, addr, 1), 0);
		CHECK_EQ(t_read_page(t, addr), 3);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 1), 0);
		CHECK_EQ(t_set_mode(t, ctx, ASYNC, 0), 0);
		CHECK_EQ(t_read_page(t, addr), 3);
		t_no_message(t, ctx);
	}
}

/* The argument of a call lies there. */
static void rwp_from_the_kernel(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *user = t_open_bare(t, true);
	struct uf_io_range range = {t_registered(t, ctx, 1), P};
	uint64_t args;

	CHECK_EQ(t_handshake(t, user, UF_FEATURE_RWP), 0);
	args = t_registered_in(t, user, 1, RWP);
	ufi_sim_poke(t->sim, args, &range, sizeof(range));
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WAKE, args), 0);
	CHECK_EQ(t_rwprotect(t, user, args, 1), 0);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WAKE, args), -EFAULT);
	t_no_message(t, user);
	CHECK_EQ(t_set_mode(t, user, ASYNC, 0), 0);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WAKE, args), 0);
	CHECK_EQ(t_set_mode(t, user, 0, ASYNC), 0);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WAKE, args), 0);
	t_no_message(t, user);
}

struct rwp_copy {
	struct ufi_ctx *ctx;
	uint64_t dst;
	uint64_t src;
	struct t_filled f;
};

static void rwp_copy_thread(struct t *t)
{
	struct rwp_copy *c = t->data;

	c->f = t_copy_from(t, c->ctx, c->dst, c->src, P, 0);
}

/* A source is read as by any access: it waits. */
static void rwp_source(struct t *t)
{
	struct ufi_ctx *ctx = rwp_open(t);
	struct rwp_copy c = {.ctx = ctx, .src = t_registered_in(t, ctx, 1, RWP)};
	struct sim_thread *th;

	c.dst = t_registered(t, ctx, 1);
	rwp_fill(t, ctx, c.src, 1, 6);
	CHECK_EQ(t_rwprotect(t, ctx, c.src, 1), 0);
	t->data = &c;
	th = t_thread(t, "copy", rwp_copy_thread);
	t_fault_at(t, ctx, c.src, F_RWP);
	CHECK(!ufi_sim_gone(th));
	CHECK_EQ(t_rwunprotect(t, ctx, c.src, 1), 0);
	ufi_sim_join(t->sim, th);
	CHECK_EQ(c.f.ret, 0);
	CHECK_EQ(t_read_page(t, c.dst), 6);
}

static void rwp_twin(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 1, mode);
		uint64_t twin = t_twin(t, addr, 1);

		rwp_fill(t, ctx, addr, 1, 1);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 1), 0);
		CHECK_EQ(t_read_page(t, twin), 1);
		CHECK_EQ(t_write(t, twin, 9), SIM_ACCESSED);
		t_no_message(t, ctx);
		t_inaccessible(t, ctx, addr, 9);
	}
}

static void rwp_any_context(struct t *t)
{
	struct ufi_ctx *ctx = rwp_open(t);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = t_registered_in(t, ctx, 1, RWP);
	struct t_access a;

	CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	CHECK_EQ(t_rwprotect(t, other, addr, 1), 0);
	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, F_RWP);
	CHECK_EQ(t_rwunprotect(t, other, addr, 1), 0);
	t_waits(t, &a);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, 1);
	t_no_message(t, other);
}

static void rwp_mprotect(struct t *t)
{
	static const uint32_t prots[] = {0, UF_PROT_READ};

	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);

		for (size_t i = 0; i < UF_ARRAY_SIZE(prots); i++) {
			uint64_t addr = t_registered_in(t, ctx, 3, mode);
			uint8_t value;

			rwp_fill(t, ctx, addr, 3, 4);
			CHECK_EQ(t_rwprotect(t, ctx, addr, 2), 0);
			CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 3, prots[i]), 0);
			CHECK_EQ(t_write(t, addr, 1), SIM_SIGSEGV);
			CHECK_EQ(t_read(t, addr + 2 * P, &value),
				 prots[i] ? SIM_ACCESSED : SIM_SIGSEGV);
			CHECK_EQ(t_rwunprotect(t, ctx, addr + P, 1), 0);
			CHECK_EQ(t_rwprotect(t, ctx, addr + 2 * P, 1), 0);
			t_no_message(t, ctx);
			CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 3, RW), 0);
			t_inaccessible(t, ctx, addr, 4);
			CHECK_EQ(t_write(t, addr + P, 1), SIM_ACCESSED);
			t_inaccessible(t, ctx, addr + 2 * P, 4);
		}
	}
}

static void rwp_filled(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);

		rwp_fill(t, ctx, addr + P, 1, 1);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 3), 0);
		CHECK_FILL(t_copy(t, ctx, addr, 3, 4, 0), -EAGAIN, P);
		CHECK_FILL(t_copy(t, ctx, addr + P, 1, 4, 0), -EEXIST, -EEXIST);
		CHECK_FILL(t_zero(t, ctx, addr + P, 2, 0), -EEXIST, -EEXIST);
		CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), -EEXIST, -EEXIST);
		if (t->kind == SIM_SHARED)
			CHECK_FILL(t_continue(t, ctx, addr + P, 1, 0), -EEXIST, -EEXIST);
		CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 1, 0), 0, P);
		CHECK_EQ(t_read_page(t, addr), 4);
		CHECK_EQ(t_read_page(t, addr + 2 * P), 0);
		t_no_message(t, ctx);
		t_inaccessible(t, ctx, addr + P, 1);
	}
}

static void rwp_poisoned(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 1, mode);
		uint8_t value;

		CHECK_FILL(t_poison(t, ctx, addr, 1, 0), 0, P);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 1), 0);
		CHECK_EQ(t_read(t, addr, &value), SIM_POISONED);
		rwp_fill(t, ctx, addr, 1, 2);
		CHECK_EQ(t_read_page(t, addr), 2);
		t_no_message(t, ctx);
	}
}

/* The page that comes next is accessible, wherever it comes from. */
static void rwp_discarded(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);
		bool shared = t->kind == SIM_SHARED;

		rwp_fill(t, ctx, addr, 3, 4);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 3), 0);
		CHECK_EQ(ufi_sim_dontneed(t->sim, addr, 1), 0);
		if (shared)
			CHECK_EQ(ufi_sim_remove(t->sim, addr + P, 1), 0);
		else
			CHECK_EQ(ufi_sim_dontneed(t->sim, addr + P, 1), 0);
		if (shared && (mode & MINOR))
			CHECK_FILL(t_continue(t, ctx, addr, 1, 0), 0, P);
		else if (!shared && (mode & MISSING))
			rwp_fill(t, ctx, addr, 1, 4);
		CHECK_EQ(t_read_page(t, addr), shared || (mode & MISSING) ? 4 : 0);
		if (mode & MISSING)
			rwp_fill(t, ctx, addr + P, 1, 5);
		CHECK_EQ(t_read_page(t, addr + P), mode & MISSING ? 5 : 0);
		t_no_message(t, ctx);
		t_inaccessible(t, ctx, addr + 2 * P, 4);
	}
}

static void rwp_moved(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 2, mode);
		uint64_t to = t_map(t, 2);

		rwp_fill(t, ctx, addr, 2, 4);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 2), 0);
		CHECK_EQ(ufi_sim_munmap(t->sim, to, 2), 0);
		CHECK_EQ(ufi_sim_move(t->sim, addr, 2, to), 0);
		CHECK_EQ(t_read_page(t, to), 4);
		CHECK_EQ(t_write(t, to + P, 1), SIM_ACCESSED);
		CHECK_EQ(t_rwprotect(t, ctx, to, 2), -ENOENT);
		t_no_message(t, ctx);
	}
}

static void rwp_grown(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		struct sim_object *obj = t->kind == SIM_SHARED ? ufi_sim_object(t->sim, 4) : NULL;
		uint64_t addr = ufi_sim_map(t->sim, 0, 2, RW, t->kind, obj);

		CHECK_EQ(t_register_in(t, ctx, addr, 2, mode), 0);
		rwp_fill(t, ctx, addr, 2, 4);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 2), 0);
		if (ufi_sim_grow(t->sim, addr, 2, 3))
			continue;
		rwp_fill(t, ctx, addr + 2 * P, 1, 5);
		CHECK_EQ(t_read_page(t, addr + 2 * P), 5);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 3), 0);
		for (uint64_t i = 0; i < 3; i++)
			t_inaccessible(t, ctx, addr + i * P, i == 2 ? 5 : 4);
	}
}

static void rwp_fork(struct t *t)
{
	static const uint64_t modes[] = {RWP, RWP | MISSING};

	for (size_t i = 0; i < 2; i++) {
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 1, modes[i]);

		rwp_fill(t, ctx, addr, 1, 4);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 1), 0);
		if (i)
			ufi_sim_become_child(t->sim);
		else
			t_close(t, ctx);
		t->killed = i; /* the child has nothing that it could give back */
		CHECK_EQ(t_read_page(t, addr), 4);
		CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	}
}

static void rwp_unregister(struct t *t)
{
	FOR_EACH_MODE(t, mode, RWP)
	{
		struct ufi_ctx *ctx = rwp_open(t);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);
		struct t_access a[2];

		rwp_fill(t, ctx, addr, 3, 2);
		CHECK_EQ(t_rwprotect(t, ctx, addr, 3), 0);
		t_access(t, &a[0], addr, UF_PROT_READ);
		t_fault_at(t, ctx, addr, F_RWP);
		t_access(t, &a[1], addr + 2 * P, UF_PROT_READ);
		t_fault_at(t, ctx, addr + 2 * P, F_RWP);
		CHECK_EQ(t_unregister(t, ctx, addr, 2), 0);
		CHECK_EQ(t_read_page(t, addr), 2);
		CHECK_EQ(t_write(t, addr + P, 1), SIM_ACCESSED);
		if (!(mode & MISSING)) {
			t_waits(t, &a[0]);
			CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
		}
		t_ends(t, &a[0], SIM_ACCESSED, 2);
		t_waits(t, &a[1]);
		/* It does not come back. */
		CHECK_EQ(t_register_in(t, ctx, addr, 2, mode), 0);
		CHECK_EQ(t_read_page(t, addr), 2);
		t_close(t, ctx);
		t_ends(t, &a[1], SIM_ACCESSED, 2);
	}
}

const struct t_case rwprotect_cases[] = {
	CASE("rwprotect.1, rwprotect.2", rwp_argument, T_ALL),
	CASE("rwprotect.16", rwp_registration, T_ALL),
	CASE("rwprotect.17", rwp_forbidden_mapping, T_ALL),
	CASE("rwprotect.18", rwp_again, T_ALL),
	CASE("rwprotect.18", rwp_after_others, T_ALL),
	CASE("rwprotect.18, register.20", rwp_over_sleeping, T_ALL),
	CASE("rwprotect.3", rwp_holes, T_ALL),
	CASE("rwprotect.4", rwp_all_or_nothing, T_ALL),
	CASE("rwprotect.5, rwprotect.10, rwprotect.11", rwp_present, T_ALL),
	CASE("rwprotect.5", rwp_zero_page, T_ALL),
	CASE("rwprotect.6", rwp_left_out, T_ALL),
	CASE("rwprotect.8", rwp_ends, T_ALL),
	CASE("rwprotect.9", rwp_wakes, T_ALL),
	CASE("rwprotect.11", rwp_message, T_ALL),
	CASE("rwprotect.20, setmode.3", rwp_bus_error, T_ALL),
	CASE("rwprotect.21, setmode.3", rwp_from_the_kernel, T_ALL),
	CASE("rwprotect.21, copy.5", rwp_source, T_ALL),
	CASE("rwprotect.12", rwp_twin, T_OBJECT),
	CASE("rwprotect.7", rwp_any_context, T_ALL),
	CASE("rwprotect.13, rwprotect.15", rwp_mprotect, T_ALL),
	CASE("rwprotect.14", rwp_filled, T_ALL),
	CASE("rwprotect.19", rwp_poisoned, T_ALL),
	CASE("rwprotect.15", rwp_discarded, T_ALL),
	CASE("rwprotect.15", rwp_moved, T_ALL),
	CASE("rwprotect.15", rwp_grown, T_ALL),
	CASE("rwprotect.15, rwprotect.22", rwp_fork, T_ALL),
	CASE("rwprotect.22", rwp_unregister, T_ALL),
	{0},
};
