/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of protected pages: fault.14 to fault.22, and the clauses of all other pages. */
#include "case.h"

#define P SIM_PAGE

static void protected_message(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_THREAD_ID | UF_FEATURE_EXACT_ADDRESS);
		uint64_t addr = t_registered_in(t, ctx, 1, mode);
		struct t_access a[2];
		struct uf_msg msg;

		CHECK_FILL(t_copy(t, ctx, addr, 1, 1, UF_COPY_MODE_WP), 0, P);
		for (uint64_t i = 0; i < 2; i++) {
			t_access(t, &a[i], addr + 17 + i, UF_PROT_WRITE);
			ufi_sim_idle(t->sim);
			CHECK(t_message(t, ctx, true, &msg));
			CHECK_EQ(msg.arg.pagefault.flags, F_WP);
			CHECK_EQ(msg.arg.pagefault.address, addr + 17 + i);
			CHECK_EQ(msg.arg.pagefault.feat.ptid, a[i].thread->tid);
		}
		CHECK_EQ(t_unprotect(t, ctx, addr, 1), 0);
		t_ends(t, &a[0], SIM_ACCESSED, 0);
		t_ends(t, &a[1], SIM_ACCESSED, 0);
	}
}

static void protected_bus_error(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_SIGBUS);
		uint64_t addr = t_registered_in(t, ctx, 1, mode);

		CHECK_FILL(t_copy(t, ctx, addr, 1, 3, UF_COPY_MODE_WP), 0, P);
		CHECK_EQ(t_write(t, addr, 1), SIM_SIGBUS);
		CHECK_EQ(t_read_page(t, addr), 3);
		CHECK_EQ(t_unprotect(t, ctx, addr, 1), 0);
		CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
		t_no_message(t, ctx);
	}
}

/* The argument of a call lies there, which is only read, or which the call writes to. */
static void protected_from_the_kernel(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *user = t_open_bare(t, true);
	uint64_t addr = t_registered_in(t, ctx, 1, WP);
	struct uf_io_range range = {addr, P};
	struct uf_io_zeropage zero = {{addr, P}, 0, 0};
	uint64_t args;

	CHECK_EQ(t_handshake(t, user, 0), 0);
	args = t_registered_in(t, user, 1, WP);
	ufi_sim_poke(t->sim, args, &range, sizeof(range));
	ufi_sim_poke(t->sim, args + 64, &zero, sizeof(zero));
	CHECK_EQ(t_protect(t, user, args, 1), 0);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WAKE, args), 0);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_ZEROPAGE, args + 64), -EFAULT);
	CHECK_EQ(t_unprotect(t, user, args, 1), 0);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_ZEROPAGE, args + 64), -EEXIST);
	t_no_message(t, user);
}

struct protected_call {
	struct ufi_ctx *ctx;
	uint64_t arg;
	int ret;
};

static void protected_call(struct t *t)
{
	struct protected_call *c = t->data;

	c->ret = ufi_ctx_ioctl(c->ctx, UF_IOC_ZEROPAGE, c->arg);
}

static void protected_call_waits(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *owner = t_open(t, 0);
	struct uf_io_zeropage zero = {{t_registered(t, ctx, 1), P}, 0, 0};
	struct protected_call c = {.ctx = ctx, .arg = t_registered_in(t, owner, 1, WP)};
	struct sim_thread *th;

	ufi_sim_poke(t->sim, c.arg, &zero, sizeof(zero));
	CHECK_EQ(t_protect(t, owner, c.arg, 1), 0);
	t->data = &c;
	th = t_thread(t, "call", protected_call);
	t_fault_at(t, owner, c.arg, F_WP);
	ufi_sim_idle(t->sim);
	CHECK(!ufi_sim_gone(th));
	CHECK_EQ(t_unprotect(t, owner, c.arg, 1), 0);
	ufi_sim_join(t->sim, th);
	CHECK_EQ(c.ret, 0);
}

/* A source that is protected is read like any other. */
static void protected_source(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t src = t_registered_in(t, ctx, 1, WP);
	uint64_t dst = t_registered(t, ctx, 1);

	CHECK_FILL(t_copy(t, ctx, src, 1, 6, UF_COPY_MODE_WP), 0, P);
	CHECK_FILL(t_copy_from(t, ctx, dst, src, P, 0), 0, P);
	CHECK_EQ(t_read_page(t, dst), 6);
}

/* --- Filled --- */

static void protected_when_filled(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);
		struct t_access a;

		if (mode & MISSING) {
			t_access(t, &a, addr, UF_PROT_WRITE);
			t_fault_at(t, ctx, addr, F_WRITE);
		}
		CHECK_FILL(t_copy(t, ctx, addr, 2, 5, UF_COPY_MODE_WP), 0, 2 * P);
		if (mode & MISSING) {
			t_fault_at(t, ctx, addr, F_WP);
			CHECK_EQ(t_unprotect(t, ctx, addr, 1), 0);
			t_ends(t, &a, SIM_ACCESSED, 0);
		}
		CHECK_EQ(t_read_page(t, addr + P), 5);
		CHECK_FILL(t_copy(t, ctx, addr + P, 1, 6, 0), -EEXIST, -EEXIST);
		t_write_protected(t, ctx, addr + P);
	}
}

/* Marked and then filled: the filling decides. */
static void protected_then_filled(struct t *t)
{
	bool private = t->kind == SIM_ANON;

	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);

		CHECK_EQ(t_protect(t, ctx, addr, 4), 0);
		CHECK_FILL(t_copy(t, ctx, addr, 1, 1, 0), 0, P);
		CHECK_EQ(t_write(t, addr, 2), SIM_ACCESSED);
		CHECK_FILL(t_copy(t, ctx, addr + P, 1, 1, UF_COPY_MODE_WP), 0, P);
		t_write_protected(t, ctx, addr + P);
		if (private) {
			CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 1, 0), -EEXIST, -EEXIST);
			CHECK_EQ(t_unprotect(t, ctx, addr + 2 * P, 1), 0);
		}
		CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 1, 0), 0, P);
		CHECK_EQ(t_write(t, addr + 2 * P, 2), SIM_ACCESSED);
		CHECK_FILL(t_poison(t, ctx, addr + 3 * P, 1, 0), -EEXIST, -EEXIST);
		t_no_message(t, ctx);
	}
}

/* Pages that nobody has filled are filled by COPY, those that were touched are not. */
static void protected_open_range(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered_in(t, ctx, 5, WP);
	uint8_t value;

	CHECK_EQ(t_write(t, addr + 2 * P, 1), SIM_ACCESSED);
	CHECK_FILL(t_copy(t, ctx, addr, 5, 4, 0), -EAGAIN, 2 * P);
	CHECK_FILL(t_copy(t, ctx, addr + 2 * P, 3, 4, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 1, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_poison(t, ctx, addr + 2 * P, 1, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_zero(t, ctx, addr + 3 * P, 1, 0), 0, P);
	CHECK_FILL(t_copy(t, ctx, addr + 3 * P, 1, 4, 0), -EEXIST, -EEXIST);
	CHECK_EQ(t_read(t, addr + 4 * P, &value), SIM_ACCESSED);
	CHECK_FILL(t_copy(t, ctx, addr + 4 * P, 1, 4, 0), -EEXIST, -EEXIST);
	for (uint64_t i = 0; i < 5; i++)
		CHECK_EQ(t_write(t, addr + i * P, 3), SIM_ACCESSED);
	t_no_message(t, ctx);
}

/* --- The end of the registration --- */

/* Only where missing pages are told of the threads are woken, then whatever they wait for. */
static void protected_unregister(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);
		struct t_access a;

		CHECK_FILL(t_copy(t, ctx, addr, 2, 1, UF_COPY_MODE_WP), 0, 2 * P);
		CHECK_EQ(t_protect(t, ctx, addr, 3), 0);
		t_access(t, &a, addr, UF_PROT_WRITE);
		t_fault_at(t, ctx, addr, F_WP);
		CHECK_EQ(t_unregister(t, ctx, addr, 3), 0);
		if (!(mode & MISSING)) {
			t_waits(t, &a);
			CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
		}
		t_ends(t, &a, SIM_ACCESSED, 0);
		CHECK_EQ(t_write(t, addr + P, 1), SIM_ACCESSED);
		CHECK_EQ(t_register_in(t, ctx, addr, 3, WP), 0);
		for (uint64_t i = 0; i < 3; i++)
			CHECK_EQ(t_write(t, addr + i * P, 1), SIM_ACCESSED);
		t_no_message(t, ctx);
	}
}

static void protected_unregister_part(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);

		CHECK_FILL(t_copy(t, ctx, addr, 3, 1, UF_COPY_MODE_WP), 0, 3 * P);
		CHECK_EQ(t_unregister(t, ctx, addr + P, 1), 0);
		CHECK_EQ(t_write(t, addr + P, 2), SIM_ACCESSED);
		t_write_protected(t, ctx, addr);
		t_write_protected(t, ctx, addr + 2 * P);
	}
}

static void protected_close(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		struct ufi_ctx *next = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);
		struct t_access a[2];

		CHECK_FILL(t_copy(t, ctx, addr, 3, 1, UF_COPY_MODE_WP), 0, 3 * P);
		t_access(t, &a[0], addr, UF_PROT_WRITE);
		t_fault_at(t, ctx, addr, F_WP);
		t_access(t, &a[1], addr + P, UF_PROT_WRITE);
		t_waits(t, &a[1]);
		if (!(mode & MISSING))
			CHECK_EQ(t_unregister(t, ctx, addr + P, 1), 0);
		t_waits(t, &a[1]);
		t_close(t, ctx);
		t_ends(t, &a[0], SIM_ACCESSED, 0);
		t_ends(t, &a[1], SIM_ACCESSED, 0);
		CHECK_EQ(t_register_in(t, next, addr, 3, WP), 0);
		CHECK_EQ(t_write(t, addr + 2 * P, 1), SIM_ACCESSED);
		t_no_message(t, next);
	}
}

/* --- The program's own changes --- */

static void protected_mprotect(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);
		uint8_t value;

		CHECK_FILL(t_copy(t, ctx, addr, 3, 4, 0), 0, 3 * P);
		CHECK_EQ(t_protect(t, ctx, addr + P, 1), 0);
		CHECK_EQ(t_protect(t, ctx, addr + 3 * P, 1), 0);
		CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 4, 0), 0);
		CHECK_EQ(t_read(t, addr + P, &value), SIM_SIGSEGV);
		CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, UF_PROT_READ), 0);
		CHECK_EQ(t_read(t, addr + P, &value), SIM_ACCESSED);
		CHECK_EQ(t_write(t, addr, 1), SIM_SIGSEGV);
		CHECK_EQ(t_write(t, addr + P, 1), SIM_SIGSEGV);
		CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 4, RW), 0);
		CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
		CHECK_EQ(t_write(t, addr + 2 * P, 1), SIM_ACCESSED);
		t_write_protected(t, ctx, addr + P);
		if (!(mode & MISSING))
			t_write_protected(t, ctx, addr + 3 * P);
	}
}

/* What may only be written may be read as well, protected or not. */
static void protected_write_only(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered_in(t, ctx, 1, WP);
	uint8_t value;

	CHECK_EQ(t_write(t, addr, 4), SIM_ACCESSED);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, UF_PROT_WRITE), 0);
	CHECK_EQ(t_protect(t, ctx, addr, 1), 0);
	CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
	CHECK_EQ(value, 4);
	t_write_protected(t, ctx, addr);
}

/* After the pages have gone: is this one protected? */
static void protected_still(struct t *t, struct ufi_ctx *ctx, uint64_t mode, uint64_t addr,
			    bool in_object, bool is)
{
	if (in_object && (mode & MINOR)) {
		struct t_access a;

		t_access(t, &a, addr, UF_PROT_READ);
		t_fault_at(t, ctx, addr, F_MINOR);
		t_waits(t, &a);
		CHECK_FILL(t_continue(t, ctx, addr, 1, 0), 0, P);
		t_ends(t, &a, SIM_ACCESSED, 5);
		return;
	}
	if (!in_object && (mode & MISSING)) {
		CHECK_FILL(t_copy(t, ctx, addr, 1, 6, 0), 0, P);
		is = false;
	}
	if (is)
		t_write_protected(t, ctx, addr);
	else
		CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
}

static void protected_dontneed(struct t *t)
{
	bool shared = t->kind == SIM_SHARED;

	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);

		CHECK_FILL(t_copy(t, ctx, addr, 3, 5, UF_COPY_MODE_WP), 0, 3 * P);
		CHECK_EQ(t_protect(t, ctx, addr + 3 * P, 1), 0);
		CHECK_EQ(ufi_sim_dontneed(t->sim, addr + P, 3), 0);
		CHECK_EQ(t_read_page(t, addr), 5);
		protected_still(t, ctx, mode, addr + P, shared, shared);
		protected_still(t, ctx, mode, addr + 3 * P, false, shared);
		if (shared && !(mode & MINOR)) {
			CHECK_EQ(t_read_page(t, addr + 2 * P), 5);
			t_write_protected(t, ctx, addr + 2 * P);
		}
		t_write_protected(t, ctx, addr);
	}
}

static void protected_remove(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);

		CHECK_FILL(t_copy(t, ctx, addr, 3, 5, UF_COPY_MODE_WP), 0, 3 * P);
		CHECK_EQ(ufi_sim_remove(t->sim, addr + P, 2), 0);
		CHECK_EQ(t_read_page(t, addr), 5);
		protected_still(t, ctx, mode, addr + P, false, true);
		t_write_protected(t, ctx, addr);
	}
}

static void protected_grow(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);

		if (t->kind == SIM_SHARED)
			ufi_sim_truncate(t->sim, ufi_sim_pte(t->sim, addr)->map->object, 5);
		CHECK_EQ(ufi_sim_munmap(t->sim, addr + 2 * P, 1), 0);
		CHECK_FILL(t_copy(t, ctx, addr, 2, 5, UF_COPY_MODE_WP), 0, 2 * P);
		CHECK_EQ(ufi_sim_grow(t->sim, addr, 2, 3), 0);
		CHECK_FILL(t_copy(t, ctx, addr + 2 * P, 1, 6, 0), 0, P);
		CHECK_EQ(t_write(t, addr + 2 * P, 1), SIM_ACCESSED);
		CHECK_EQ(t_protect(t, ctx, addr, 3), 0);
		for (uint64_t i = 0; i < 3; i++)
			t_write_protected(t, ctx, addr + i * P);
	}
}

static void protected_move(struct t *t)
{
	uint64_t to = SIM_END - 4 * P;

	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);

		CHECK_FILL(t_copy(t, ctx, addr, 3, 5, UF_COPY_MODE_WP), 0, 3 * P);
		CHECK_EQ(ufi_sim_move(t->sim, addr + P, 2, to), 0);
		CHECK_EQ(t_write(t, to, 6), SIM_ACCESSED);
		CHECK_EQ(t_read_page(t, to + P), 5);
		CHECK_EQ(t_register_in(t, ctx, to, 2, WP), 0);
		CHECK_EQ(t_write(t, to + P, 6), SIM_ACCESSED);
		t_write_protected(t, ctx, addr);
		CHECK_EQ(ufi_sim_munmap(t->sim, to, 2), 0);
	}
}

static void protected_child(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
	uint64_t addr = t_registered_in(t, ctx, 2, WP);
	uint64_t armed = t_registered_in(t, ctx, 2, WP | MISSING);

	CHECK_FILL(t_copy(t, ctx, addr, 1, 5, UF_COPY_MODE_WP), 0, P);
	CHECK_FILL(t_copy(t, ctx, armed, 1, 5, UF_COPY_MODE_WP), 0, P);
	CHECK_EQ(t_protect(t, ctx, addr, 2), 0);
	CHECK_EQ(t_protect(t, ctx, armed, 2), 0);
	ufi_sim_become_child(t->sim);
	for (uint64_t i = 0; i < 2; i++) {
		CHECK_EQ(t_write(t, addr + i * P, 1), SIM_ACCESSED);
		CHECK_EQ(t_write(t, armed + i * P, 1), SIM_ACCESSED);
	}
	CHECK_EQ(t->sim->mm.table->n, 0);
	t->killed = true;
}

static void protected_unmap(struct t *t)
{
	FOR_EACH_MODE(t, mode, WP)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 2, mode);
		struct t_access a;

		CHECK_FILL(t_copy(t, ctx, addr, 2, 5, UF_COPY_MODE_WP), 0, 2 * P);
		t_access(t, &a, addr, UF_PROT_WRITE);
		t_fault_at(t, ctx, addr, F_WP);
		CHECK_EQ(ufi_sim_munmap(t->sim, addr, 1), 0);
		t_waits(t, &a);
		ufi_sim_map(t->sim, addr, 1, RW, SIM_ANON, NULL);
		CHECK_EQ(t_register_in(t, ctx, addr, 1, WP), 0);
		CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
		t_ends(t, &a, SIM_ACCESSED, 0);
		t_write_protected(t, ctx, addr + P);
	}
}

const struct t_case protected_cases[] = {
	CASE("fault.14, fault.3, fault.4, fault.8", protected_message, T_ALL),
	CASE("fault.20", protected_bus_error, T_ALL),
	CASE("fault.20, fault.21", protected_from_the_kernel, T_ALL),
	CASE("fault.21, fault.22", protected_call_waits, T_ALL),
	CASE("fault.21, copy.5", protected_source, T_ALL),
	CASE("copy.12, copy.13, fault.15", protected_when_filled, T_ALL),
	CASE("copy.13, zeropage.6, zeropage.7, poison.4", protected_then_filled, T_ALL),
	CASE("fill.13, copy.3", protected_open_range, T_ALL),
	CASE("unregister.6, unregister.7", protected_unregister, T_ALL),
	CASE("unregister.5, unregister.6", protected_unregister_part, T_ALL),
	CASE("close.6", protected_close, T_ALL),
	CASE("vm.7", protected_mprotect, T_ALL),
	CASE("fault.1, fault.14", protected_write_only, T_ALL),
	CASE("vm.8, vm.14", protected_dontneed, T_ALL),
	CASE("vm.8", protected_remove, T_OBJECT),
	CASE("vm.9", protected_grow, T_ALL),
	CASE("vm.9", protected_move, T_ALL),
	CASE("vm.10", protected_child, T_ALL),
	CASE("vm.11", protected_unmap, T_ALL),
	{0},
};
