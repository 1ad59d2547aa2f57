/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/vm.md and spec/close.md. */
#include "case.h"

#define P SIM_PAGE

static void close_ordinary(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	uint64_t kept = t_registered(t, other, 1);
	struct t_access a[3];

	CHECK_FILL(t_copy(t, ctx, addr, 1, 7, 0), 0, P);
	for (uint64_t i = 0; i < 2; i++)
		t_access(t, &a[i], addr + (i + 1) * P, UF_PROT_READ);
	ufi_sim_idle(t->sim);
	CHECK_EQ(t_read_messages(t, ctx, sizeof(struct uf_msg), true), sizeof(struct uf_msg));
	t_access(t, &a[2], kept, UF_PROT_READ);
	t_waits(t, &a[2]);
	t_close(t, ctx);
	t_ends(t, &a[0], SIM_ACCESSED, 0);
	t_ends(t, &a[1], SIM_ACCESSED, 0);
	t_waits(t, &a[2]);
	CHECK_EQ(t_read_page(t, addr), 7);
	CHECK_EQ(t_register(t, other, addr, 3), 0);
	CHECK_FILL(t_copy(t, other, addr, 1, 1, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_zero(t, other, kept, 1, 0), 0, P);
	t_ends(t, &a[2], SIM_ACCESSED, 0);
}

/* A call under way keeps the context. */
static void close_late(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	struct t_access a;

	ufi_ctx_get(ctx);
	t_close(t, ctx);
	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, 0);
	ufi_ctx_put(ctx);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

static void vm_unmap(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 2);
	struct t_access a[2];

	for (uint64_t i = 0; i < 2; i++)
		t_access(t, &a[i], addr + i * P, UF_PROT_READ);
	t_waits(t, &a[0]);
	CHECK_EQ(ufi_sim_munmap(t->sim, addr, 2), 0);
	t_waits(t, &a[0]);
	t_waits(t, &a[1]);
	ufi_sim_map(t->sim, addr + P, 1, RW, t->kind,
		    t->kind == SIM_SHARED ? ufi_sim_object(t->sim, 1) : NULL);
	CHECK_EQ(t_wake(t, ctx, addr, 2), 0);
	t_ends(t, &a[0], SIM_SIGSEGV, 0);
	t_ends(t, &a[1], SIM_ACCESSED, 0);
	CHECK_FILL(t_zero(t, ctx, addr + P, 1, 0), -ENOENT, -ENOENT);
}

static void vm_protect(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	struct t_access a;
	uint8_t value;

	CHECK_FILL(t_copy(t, ctx, addr + P, 1, 5, 0), 0, P);
	t_access(t, &a, addr, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 3, UF_PROT_READ), 0);
	t_waits(t, &a);
	CHECK_EQ(t_write(t, addr + P, 1), SIM_SIGSEGV);
	CHECK_EQ(t_read_page(t, addr + P), 5);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 6, 0), 0, P);
	t_ends(t, &a, SIM_SIGSEGV, 0);
	CHECK_EQ(t_read_page(t, addr), 6);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, 0), 0);
	CHECK_EQ(t_read(t, addr, &value), SIM_SIGSEGV);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 3, RW), 0);
	CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	t_access(t, &a, addr + 2 * P, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr + 2 * P, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 1, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

static void vm_dontneed(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 4);
	bool private = t->kind == SIM_ANON;
	struct t_access a;

	CHECK_FILL(t_copy(t, ctx, addr, 3, 5, 0), 0, 3 * P);
	CHECK_EQ(ufi_sim_dontneed(t->sim, addr + P, 3), 0);
	CHECK_EQ(t_read_page(t, addr), 5);
	t_access(t, &a, addr + P, UF_PROT_READ);
	if (private)
		t_fault_at(t, ctx, addr + P, 0);
	CHECK_FILL(t_copy(t, ctx, addr + P, 2, 6, 0), private ? 0 : -EEXIST,
		   private ? 2 * (int64_t)P : -EEXIST);
	t_ends(t, &a, SIM_ACCESSED, private ? 6 : 5);
	t_no_message(t, ctx);
}

static void vm_remove(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct sim_object *obj = ufi_sim_object(t->sim, 2);
	uint64_t addr = ufi_sim_map(t->sim, 0, 2, RW, SIM_SHARED, obj);
	uint64_t twin = ufi_sim_map(t->sim, 0, 2, RW, SIM_SHARED, obj);
	struct t_access a;

	CHECK_EQ(t_register(t, ctx, addr, 2), 0);
	CHECK_FILL(t_copy(t, ctx, addr, 2, 5, 0), 0, 2 * P);
	CHECK_EQ(ufi_sim_remove(t->sim, addr, 1), 0);
	CHECK_EQ(t_read_page(t, addr + P), 5);
	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, 0);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 6, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 6);
	CHECK_EQ(t_read_page(t, twin), 6);
}

static void vm_grow(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	struct t_access a;

	/* An object as large as the mapping will be. */
	if (t->kind == SIM_SHARED)
		ufi_sim_truncate(t->sim, ufi_sim_pte(t->sim, addr)->map->object, 5);
	CHECK_EQ(ufi_sim_munmap(t->sim, addr + 2 * P, 1), 0);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 5, 0), 0, P);
	CHECK_EQ(ufi_sim_grow(t->sim, addr, 2, 3), 0);
	t_access(t, &a, addr + 2 * P, UF_PROT_READ);
	t_fault_at(t, ctx, addr + 2 * P, 0);
	/* One mapping. */
	CHECK_FILL(t_copy(t, ctx, addr + P, 2, 6, 0), 0, 2 * P);
	t_ends(t, &a, SIM_ACCESSED, 6);
	CHECK_EQ(t_read_page(t, addr), 5);
}

static void vm_move(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	uint64_t to = SIM_END - 4 * P;

	CHECK_FILL(t_copy(t, ctx, addr + P, 1, 5, 0), 0, P);
	CHECK_EQ(ufi_sim_move(t->sim, addr + P, 2, to), 0);
	CHECK_EQ(t_read_page(t, to), 5);
	CHECK_EQ(t_read_page(t, to + P), 0);
	t_no_message(t, ctx);
	CHECK_FILL(t_zero(t, ctx, to, 1, 0), -ENOENT, -ENOENT);
	CHECK_FILL(t_zero(t, ctx, addr + P, 1, 0), -ENOENT, -ENOENT);
	CHECK_FILL(t_zero(t, ctx, addr, 1, 0), 0, P);
}

static void vm_parts(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 5);
	struct t_access a;

	CHECK_FILL(t_copy(t, ctx, addr + P, 3, 5, 0), 0, 3 * P);
	CHECK_EQ(ufi_sim_munmap(t->sim, addr + 2 * P, 1), 0);
	CHECK_EQ(t_read_page(t, addr + P), 5);
	CHECK_EQ(t_read_page(t, addr + 3 * P), 5);
	t_access(t, &a, addr + 4 * P, UF_PROT_READ);
	t_fault_at(t, ctx, addr + 4 * P, 0);
	CHECK_FILL(t_copy(t, ctx, addr + 4 * P, 1, 6, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 6);
	CHECK_FILL(t_zero(t, ctx, addr, 2, 0), -EAGAIN, P);
}

/* The machine itself becomes the child: its context is the parent's, and lost. */
static void vm_child(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);

	CHECK_FILL(t_copy(t, ctx, addr, 1, 5, 0), 0, P);
	ufi_sim_become_child(t->sim);
	CHECK_EQ(t_read_page(t, addr), 5);
	CHECK_EQ(t_read_page(t, addr + P), 0);
	CHECK_EQ(t_write(t, addr + 2 * P, 1), SIM_ACCESSED);
	CHECK_EQ(t->sim->mm.table->n, 0);
	t->killed = true;
	ctx = t_open(t, 0);
	CHECK_EQ(t_register(t, ctx, addr, 3), 0);
	CHECK_FILL(t_zero(t, ctx, addr, 3, 0), -EEXIST, -EEXIST);
}

const struct t_case vm_cases[] = {
	CASE("close.1, close.2", close_ordinary, T_ALL),
	CASE("close.2", close_late, T_ALL),
	CASE("vm.1", vm_unmap, T_ALL),
	CASE("vm.2", vm_protect, T_ALL),
	CASE("vm.3", vm_dontneed, T_ALL),
	CASE("vm.3", vm_remove, T_OBJECT),
	CASE("vm.4", vm_grow, T_ALL),
	CASE("vm.4", vm_move, T_ALL),
	CASE("vm.5", vm_parts, T_ALL),
	CASE("vm.6", vm_child, T_ALL),
	{0},
};
