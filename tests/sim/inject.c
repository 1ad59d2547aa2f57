/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a context with one failure in it: the first time the first
 * operation of a kind fails, then the second, until nothing fails any more.
 * Each failure is told as ENOMEM, has changed nothing, and the same call
 * succeeds when it is made again.
 */
#include "case.h"

#define P SIM_PAGE
#define INJECT_PAGES 6

/* Did it fail, as it should? Then it is called again. */
static bool inject_failed(struct t *t, int ret)
{
	if (ret == 0)
		return false;
	CHECK_EQ(ret, -ENOMEM);
	CHECK(t->sim->op_failed);
	return true;
}

#define AGAIN(call)                                                                                \
	do {                                                                                       \
		if (inject_failed(t, call))                                                        \
			CHECK_EQ(call, 0);                                                         \
	} while (0)

static struct ufi_ctx *inject_open(struct t *t)
{
	struct ufi_ctx_options opt = {.bell_cookie = 0};
	uint32_t before = ufi_sim_allocated(t->sim, 0);
	struct ufi_ctx *ctx;

	if (inject_failed(t, ufi_ctx_open(&t->sim->mm, &opt, &ctx))) {
		CHECK_EQ(ufi_sim_allocated(t->sim, 0), before);
		CHECK_EQ(ufi_ctx_open(&t->sim->mm, &opt, &ctx), 0);
	}
	t->ctx[0] = ctx;
	CHECK_EQ(t_handshake(t, ctx, 0), 0);
	return ctx;
}

/* A failed REGISTER leaves ordinary memory behind, what it had as well. */
static void inject_register(struct t *t, struct ufi_ctx *ctx, uint64_t addr)
{
	CHECK_EQ(t_write(t, addr, 5), SIM_ACCESSED);
	CHECK_EQ(t_write(t, addr + 2 * P, 5), SIM_ACCESSED);
	if (!inject_failed(t, t_register(t, ctx, addr, INJECT_PAGES)))
		return;
	CHECK_EQ(t->sim->mm.table->n, 0);
	for (uint64_t i = 0; i < INJECT_PAGES; i++)
		CHECK_EQ(ufi_sim_pte(t->sim, addr + i * P)->trap, SIM_TRAP_NONE);
	CHECK_EQ(t_write(t, addr + 1, 6), SIM_ACCESSED);
	CHECK_EQ(t_register(t, ctx, addr, INJECT_PAGES), 0);
}

static void inject_copy(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint8_t byte)
{
	struct t_filled f = t_copy(t, ctx, dst, 1, byte, 0);

	if (inject_failed(t, f.ret)) {
		CHECK_EQ(f.field, -ENOMEM);
		CHECK(t_page_is(t, dst, 0));
		CHECK_FILL(t_copy(t, ctx, dst, 1, byte, 0), 0, P);
	}
	CHECK(t_page_is(t, dst, byte));
}

static void inject_zero(struct t *t, struct ufi_ctx *ctx, uint64_t dst)
{
	struct t_filled f = t_zero(t, ctx, dst, 1, 0);

	if (inject_failed(t, f.ret)) {
		CHECK_EQ(f.field, -ENOMEM);
		CHECK_FILL(t_zero(t, ctx, dst, 1, 0), 0, P);
	}
	CHECK_EQ(t_read_page(t, dst), 0);
}

/* A fault that cannot be armed for is a bus error; the next one is a message. */
static void inject_fault(struct t *t, struct ufi_ctx *ctx, uint64_t addr)
{
	struct t_access a;
	struct uf_msg msg;

	t_access(t, &a, addr, UF_PROT_READ);
	ufi_sim_idle(t->sim);
	if (ufi_sim_gone(a.thread)) {
		CHECK_EQ(a.outcome, SIM_SIGBUS);
		CHECK(t->sim->op_failed);
		t_access(t, &a, addr, UF_PROT_READ);
		ufi_sim_idle(t->sim);
	}
	CHECK(t_message(t, ctx, true, &msg));
	inject_copy(t, ctx, addr, 8);
	t_ends(t, &a, SIM_ACCESSED, 8);
}

static void inject_life(struct t *t)
{
	struct ufi_ctx *ctx = inject_open(t);
	uint64_t addr = t_map(t, INJECT_PAGES);
	bool private = t->kind == SIM_ANON;

	inject_register(t, ctx, addr);
	inject_fault(t, ctx, addr + P);
	inject_copy(t, ctx, addr + 3 * P, 7);
	inject_zero(t, ctx, addr + 4 * P);
	AGAIN(ufi_sim_mprotect(t->sim, addr, 3, UF_PROT_READ));
	CHECK_EQ(t_write(t, addr, 1), SIM_SIGSEGV);
	CHECK_EQ(t_write(t, addr + 3 * P, 7), SIM_ACCESSED);
	AGAIN(ufi_sim_mprotect(t->sim, addr, 3, RW));
	/* One of these is missing. */
	AGAIN(ufi_sim_mprotect(t->sim, addr + 3 * P, 3, UF_PROT_READ));
	AGAIN(ufi_sim_mprotect(t->sim, addr + 3 * P, 3, RW));
	AGAIN(private ? ufi_sim_dontneed(t->sim, addr, 2) : ufi_sim_remove(t->sim, addr, 2));
	inject_copy(t, ctx, addr, 9);
	AGAIN(t_unregister(t, ctx, addr + 2 * P, 1));
	CHECK_EQ(t_write(t, addr + 2 * P, 1), SIM_ACCESSED);
	AGAIN(ufi_sim_munmap(t->sim, addr + 4 * P, 1));
	inject_copy(t, ctx, addr + 5 * P, 9);
	t_close(t, ctx);
	CHECK_EQ(t->sim->mm.table->n, 0);
	CHECK_EQ(t_read_page(t, addr), 9);
	CHECK_EQ(t_read_page(t, addr + P), 0);
	CHECK_EQ(ufi_sim_munmap(t->sim, addr, INJECT_PAGES), 0);
}

/* A write to a protected page: the end of the protection that fails wakes nobody. */
static void inject_unprotect(struct t *t, struct ufi_ctx *ctx, uint64_t addr)
{
	struct t_access a;
	struct uf_msg msg;

	t_access(t, &a, addr, UF_PROT_WRITE);
	ufi_sim_idle(t->sim);
	CHECK(t_message(t, ctx, true, &msg));
	CHECK_EQ(msg.arg.pagefault.flags, F_WP);
	if (inject_failed(t, t_unprotect(t, ctx, addr, 1))) {
		t_waits(t, &a);
		CHECK_EQ(t_unprotect(t, ctx, addr, 1), 0);
	}
	t_ends(t, &a, SIM_ACCESSED, 0);
}

static void inject_fill(struct t *t,
			struct t_filled (*fill)(struct t *t, struct ufi_ctx *ctx, uint64_t dst,
						uint64_t npages, uint64_t mode),
			struct ufi_ctx *ctx, uint64_t dst)
{
	struct t_filled f = fill(t, ctx, dst, 1, 0);

	if (!inject_failed(t, f.ret))
		return;
	CHECK_EQ(f.field, -ENOMEM);
	CHECK_FILL(fill(t, ctx, dst, 1, 0), 0, P);
}

/* The same for protected, mapped and poisoned pages, in memory that fills itself and other. */
static void inject_marks_in(struct t *t, struct ufi_ctx *ctx, uint64_t mode)
{
	uint64_t addr = t_map(t, INJECT_PAGES);
	uint8_t value;

	CHECK_EQ(t_write(t, addr, 5), SIM_ACCESSED);
	AGAIN(t_register_in(t, ctx, addr, INJECT_PAGES, mode));
	inject_copy(t, ctx, addr + P, 7);
	AGAIN(t_protect(t, ctx, addr, 3));
	CHECK_EQ(t_read_page(t, addr + P), 7);
	inject_unprotect(t, ctx, addr);
	AGAIN(ufi_sim_mprotect(t->sim, addr, INJECT_PAGES, UF_PROT_READ));
	AGAIN(ufi_sim_mprotect(t->sim, addr, INJECT_PAGES, RW));
	/* From one sort of memory to the other: what fails here is not registered any more. */
	AGAIN(t_register_in(t, ctx, addr, INJECT_PAGES, MISSING));
	AGAIN(t_register_in(t, ctx, addr, INJECT_PAGES, WP));
	AGAIN(t_register_in(t, ctx, addr, INJECT_PAGES, WP | MISSING));
	CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
	AGAIN(t_protect(t, ctx, addr + P, 1));
	inject_unprotect(t, ctx, addr + P);
	inject_fill(t, t_poison, ctx, addr + 3 * P);
	CHECK_EQ(t_read(t, addr + 3 * P, &value), SIM_POISONED);
	if (t->kind == SIM_SHARED) {
		CHECK_EQ(t_write(t, t_twin(t, addr, INJECT_PAGES) + 4 * P, 9), SIM_ACCESSED);
		inject_fill(t, t_continue, ctx, addr + 4 * P);
		CHECK_EQ(t_read(t, addr + 4 * P, &value), SIM_ACCESSED);
		CHECK_EQ(value, 9);
	}
	AGAIN(ufi_sim_dontneed(t->sim, addr + 3 * P, 1));
	inject_copy(t, ctx, addr + 3 * P, 6);
	AGAIN(ufi_sim_dontneed(t->sim, addr, 1));
	inject_fill(t, t_poison, ctx, addr + 5 * P);
	AGAIN(t_unregister(t, ctx, addr, INJECT_PAGES));
	CHECK_EQ(t_read(t, addr + 5 * P, &value), SIM_POISONED);
	CHECK_EQ(ufi_sim_munmap(t->sim, addr, INJECT_PAGES), 0);
}

static void inject_marks(struct t *t)
{
	struct ufi_ctx *ctx = inject_open(t);

	inject_marks_in(t, ctx, WP);
	inject_marks_in(t, ctx, WP | MISSING);
	t_close(t, ctx);
	CHECK_EQ(t->sim->mm.table->n, 0);
}

/* AT_LEAST: so many operations of this kind must have been made to fail in turn. */
static void inject_each_of(struct t *t, void (*life)(struct t *t), enum sim_op op,
			   uint32_t at_least)
{
	uint32_t n = 1;

	for (;; n++) {
		CHECK(n < 100);
		/* Threads of the machine are few. */
		if (t->sim->nthreads + 6 > SIM_THREADS)
			ufi_sim_forget_threads(t->sim);
		ufi_sim_fail_nth(t->sim, op, n);
		life(t);
		if (!t->sim->op_failed)
			break;
	}
	CHECK(n > at_least);
}

static void inject_each(struct t *t, enum sim_op op, uint32_t at_least)
{
	inject_each_of(t, inject_life, op, at_least);
}

static void inject_alloc(struct t *t)
{
	/* The slab of ranges is taken once in the life of the machine. */
	ufi_sim_fail_nth(t->sim, SIM_OP_ALLOC, 3);
	inject_life(t);
	CHECK(t->sim->op_failed);
	inject_each(t, SIM_OP_ALLOC, 3); /* context, waiters, states */
}

static void inject_attach(struct t *t)
{
	inject_each(t, SIM_OP_ATTACH, 1);
}

static void inject_arm(struct t *t)
{
	inject_each(t, SIM_OP_ARM, 1);
}

static void inject_open_pages(struct t *t)
{
	inject_each(t, SIM_OP_OPEN, 4);
}

static void inject_close_pages(struct t *t)
{
	inject_each(t, SIM_OP_CLOSE, 1);
}

static void inject_reprotect(struct t *t)
{
	inject_each(t, SIM_OP_REPROTECT, 2);
}

static void inject_write(struct t *t)
{
	inject_each(t, SIM_OP_WRITE, 4);
}

static void inject_marks_attach(struct t *t)
{
	inject_each_of(t, inject_marks, SIM_OP_ATTACH, 5);
}

static void inject_marks_arm(struct t *t)
{
	inject_each_of(t, inject_marks, SIM_OP_ARM, 2);
}

static void inject_marks_open(struct t *t)
{
	inject_each_of(t, inject_marks, SIM_OP_OPEN, 8);
}

static void inject_marks_close(struct t *t)
{
	inject_each_of(t, inject_marks, SIM_OP_CLOSE, 2);
}

static void inject_marks_write(struct t *t)
{
	inject_each_of(t, inject_marks, SIM_OP_WRITE, 3);
}

const struct t_case inject_cases[] = {
	CASE("fill.10, register.4", inject_alloc, T_ALL),
	CASE("register.4", inject_attach, T_ALL),
	CASE("register.4", inject_arm, T_ALL),
	CASE("fill.10, register.4", inject_open_pages, T_ALL),
	CASE("vm.3", inject_close_pages, T_ALL),
	CASE("vm.2", inject_reprotect, T_ALL),
	CASE("fill.10", inject_write, T_ALL),
	CASE("register.18, register.4", inject_marks_attach, T_ALL),
	CASE("register.18, register.4", inject_marks_arm, T_ALL),
	CASE("writeprotect.9, fill.10", inject_marks_open, T_ALL),
	CASE("fill.10", inject_marks_close, T_ALL),
	CASE("fill.10", inject_marks_write, T_ALL),
	{0},
};
