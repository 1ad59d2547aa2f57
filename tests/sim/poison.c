/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/poison.md, and the life of poisoned pages. */
#include "case.h"

#define P SIM_PAGE

static struct t_filled poison_raw(struct t *t, struct ufi_ctx *ctx, uint64_t start, uint64_t len,
				  uint64_t mode)
{
	struct uf_io_poison poison = {{start, len}, mode, T_KEPT};
	struct t_filled f;

	f.ret = t_ioctl(t, ctx, UF_IOC_POISON, &poison, sizeof(poison));
	f.field = poison.updated;
	return f;
}

static void check_poisoned(struct t *t, uint64_t addr)
{
	uint8_t value;

	CHECK_EQ(t_read(t, addr + 100, &value), SIM_POISONED);
	CHECK_EQ(t_write(t, addr + 200, 1), SIM_POISONED);
	CHECK_EQ(ufi_sim_access(t->sim, addr, UF_PROT_READ, NULL), SIM_POISONED);
}

static void poison_argument(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t end = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL) + P;
	struct uf_io_poison bad = {{0, P}, ~0ull, 0};
	uint64_t addr = t_registered(t, ctx, 2);

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_POISON, 0), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_POISON, end - 16), -EFAULT);
	bad.range.start = addr;
	ufi_sim_poke(t->sim, end - 24, &bad, 24);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_POISON, end - 24), -EINVAL);
	CHECK_FILL(poison_raw(t, ctx, addr + 1, P, 0), -EINVAL, T_KEPT);
	CHECK_FILL(poison_raw(t, ctx, addr, P + 1, 0), -EINVAL, T_KEPT);
	CHECK_FILL(poison_raw(t, ctx, addr, 0, 0), -EINVAL, T_KEPT);
	CHECK_FILL(poison_raw(t, ctx, SIM_TASK_SIZE, P, 0), -EINVAL, T_KEPT);
	CHECK_FILL(poison_raw(t, ctx, addr, P, 2), -EINVAL, T_KEPT);
	CHECK_FILL(poison_raw(t, ctx, 0, P, 2), -EINVAL, T_KEPT);
	CHECK_FILL(poison_raw(t, ctx, 0, P, 0), -ENOENT, -ENOENT);
	CHECK_FILL(poison_raw(t, ctx, addr, 3 * P, 0), -ENOENT, -ENOENT);
	CHECK_FILL(poison_raw(t, ctx, addr, 2 * P, 0), 0, 2 * P);
}

static void poison_kills(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, UF_FEATURE_WP_UNPOPULATED);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);

		CHECK_FILL(t_poison(t, ctx, addr + P, 2, 0), 0, 2 * P);
		check_poisoned(t, addr + P);
		check_poisoned(t, addr + 2 * P);
		CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), -EEXIST, -EEXIST);
		CHECK_FILL(t_copy(t, ctx, addr, 1, 3, 0), 0, P);
		CHECK_EQ(t_read_page(t, addr), 3);
		CHECK_FILL(t_poison(t, ctx, addr, 1, 0), -EEXIST, -EEXIST);
		CHECK_EQ(t_read_page(t, addr), 3);
		if (mode & WP) {
			CHECK_EQ(t_protect(t, ctx, addr, 4), 0);
			CHECK_FILL(t_poison(t, ctx, addr + 3 * P, 1, 0), -EEXIST, -EEXIST);
			check_poisoned(t, addr + P);
			CHECK_EQ(t_unprotect(t, ctx, addr, 4), 0);
			check_poisoned(t, addr + P);
		}
		CHECK_FILL(t_poison(t, ctx, addr + 3 * P, 1, 0), 0, P);
		t_no_message(t, ctx);
	}
}

/* In the object it stays, and the other mapping reaches it. */
static void poison_object(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 2, mode);
		uint64_t twin = t_twin(t, addr, 2);
		uint8_t value;

		CHECK_EQ(t_write(t, twin, 7), SIM_ACCESSED);
		CHECK_FILL(t_poison(t, ctx, addr, 2, 0), 0, 2 * P);
		check_poisoned(t, addr);
		check_poisoned(t, addr + P);
		CHECK_EQ(t_read(t, twin, &value), SIM_ACCESSED);
		CHECK_EQ(value, 7);
		CHECK_EQ(t_write(t, twin + P, 8), SIM_ACCESSED);
		check_poisoned(t, addr + P);
		t_no_message(t, ctx);
	}
}

static void poison_partial(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);

		CHECK_FILL(t_copy(t, ctx, addr + 2 * P, 1, 5, 0), 0, P);
		CHECK_FILL(t_poison(t, ctx, addr, 4, 0), -EAGAIN, 2 * P);
		check_poisoned(t, addr);
		check_poisoned(t, addr + P);
		CHECK_EQ(t_read_page(t, addr + 2 * P), 5);
		CHECK_FILL(t_poison(t, ctx, addr + 2 * P, 2, 0), -EEXIST, -EEXIST);
		CHECK_FILL(t_copy(t, ctx, addr + 3 * P, 1, 5, 0), 0, P);
	}
}

static void poison_wakes(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t page = ufi_sim_map(t->sim, 0, 1, UF_PROT_READ, SIM_ANON, NULL);
	uint64_t addr = t_registered(t, ctx, 3);
	struct uf_io_poison poison = {{addr + 2 * P, P}, 0, 0};
	struct t_access a[3];

	for (uint64_t i = 0; i < 3; i++) {
		t_access(t, &a[i], addr + i * P, i % 2 ? UF_PROT_WRITE : UF_PROT_READ);
		t_fault_at(t, ctx, addr + i * P, i % 2 ? F_WRITE : 0);
	}
	CHECK_FILL(t_poison(t, ctx, addr, 1, 0), 0, P);
	t_ends(t, &a[0], SIM_POISONED, 0);
	t_waits(t, &a[1]);
	CHECK_FILL(t_poison(t, ctx, addr + P, 1, UF_POISON_MODE_DONTWAKE), 0, P);
	t_waits(t, &a[1]);
	CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), -EEXIST, -EEXIST);
	t_waits(t, &a[1]);
	CHECK_EQ(t_wake(t, ctx, addr + P, 1), 0);
	t_ends(t, &a[1], SIM_POISONED, 0);
	ufi_sim_poke(t->sim, page, &poison, sizeof(poison));
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_POISON, page), -EFAULT);
	t_waits(t, &a[2]);
	CHECK_EQ(t_wake(t, ctx, addr, 3), 0);
	t_ends(t, &a[2], SIM_POISONED, 0);
}

static void poison_any_context(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, 0);
	CHECK_FILL(t_poison(t, other, addr, 1, 0), 0, P);
	t_waits(t, &a);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_POISONED, 0);
}

/* The mapping's protection decides first, and stays out of it otherwise. */
static void poison_and_protection(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 2, mode);
		uint8_t value;

		CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, 0), 0);
		CHECK_FILL(t_poison(t, ctx, addr, 1, 0), 0, P);
		CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), 0, P);
		CHECK_EQ(t_read(t, addr, &value), SIM_SIGSEGV);
		CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, UF_PROT_READ), 0);
		for (uint64_t i = 0; i < 2; i++) {
			CHECK_EQ(t_read(t, addr + i * P, &value), SIM_POISONED);
			CHECK_EQ(t_write(t, addr + i * P, 1), SIM_SIGSEGV);
		}
		CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, RW), 0);
		check_poisoned(t, addr);
		check_poisoned(t, addr + P);
	}
}

/* Nothing tells the object's end: it succeeds, and the access fails as it should. (differences, 19)
 */
static void poison_beyond_end(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);

		ufi_sim_truncate(t->sim, ufi_sim_pte(t->sim, addr)->map->object, 1);
		CHECK_FILL(t_poison(t, ctx, addr, 2, 0), 0, 2 * P);
		check_poisoned(t, addr + P);
	}
}

static void poison_bus_feature(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, UF_FEATURE_SIGBUS);
	uint64_t addr = t_registered(t, ctx, 2);
	uint8_t value;

	CHECK_FILL(t_poison(t, ctx, addr, 1, 0), 0, P);
	check_poisoned(t, addr);
	CHECK_EQ(t_read(t, addr + P, &value), SIM_SIGBUS);
}

static void poison_from_the_kernel(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 2, mode);

		CHECK_FILL(t_poison(t, ctx, addr, 1, 0), 0, P);
		CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WAKE, addr), -EFAULT);
		CHECK_FILL(t_copy_from(t, ctx, addr + P, addr, P, 0), -EFAULT, -EFAULT);
		t_no_message(t, ctx);
	}
}

/* --- Filled again --- */

static void poison_then_filled(struct t *t)
{
	bool private = t->kind == SIM_ANON;

	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);

		CHECK_FILL(t_poison(t, ctx, addr, 3, 0), 0, 3 * P);
		CHECK_FILL(t_copy(t, ctx, addr, 1, 5, 0), 0, P);
		CHECK_EQ(t_read_page(t, addr), 5);
		CHECK_EQ(t_write(t, addr, 6), SIM_ACCESSED);
		CHECK_FILL(t_zero(t, ctx, addr + P, 1, 0), private ? -EEXIST : 0,
			   private ? -EEXIST : (int64_t)P);
		if (private)
			check_poisoned(t, addr + P);
		else
			CHECK_EQ(t_read_page(t, addr + P), 0);
		if (mode & WP) {
			CHECK_FILL(t_copy(t, ctx, addr + 2 * P, 1, 5, UF_COPY_MODE_WP), 0, P);
			t_write_protected(t, ctx, addr + 2 * P);
		}
		t_no_message(t, ctx);
	}
}

/* The source of a COPY over poison cannot be read to its end: poisoned it stays. */
static void poison_not_filled(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t src = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL);

	FOR_EACH_MODE(t, mode, 0)
	{
		uint64_t addr;

		ctx = t_open(t, 0);
		addr = t_registered_in(t, ctx, 1, mode);
		CHECK_FILL(t_poison(t, ctx, addr, 1, 0), 0, P);
		CHECK_FILL(t_copy_from(t, ctx, addr, src + P / 2, P, 0), -EFAULT, -EFAULT);
		check_poisoned(t, addr);
	}
}

/* --- What it outlives, and what it does not --- */

static void poison_unregister(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 6, mode);

		CHECK_FILL(t_copy(t, ctx, addr, 1, 5, 0), 0, P);
		CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), 0, P);
		CHECK_FILL(t_poison(t, ctx, addr + 4 * P, 1, 0), 0, P);
		CHECK_EQ(t_unregister(t, ctx, addr, 6), 0);
		check_poisoned(t, addr + P);
		check_poisoned(t, addr + 4 * P);
		CHECK_EQ(t_read_page(t, addr), 5);
		for (uint64_t i = 0; i < 6; i++)
			if (i != 1 && i != 4)
				CHECK_EQ(t_write(t, addr + i * P, 6), SIM_ACCESSED);
		CHECK_FILL(t_copy(t, ctx, addr + P, 1, 5, 0), -ENOENT, -ENOENT);
		CHECK_EQ(t_unregister(t, ctx, addr, 6), 0);
		check_poisoned(t, addr + P);
		/* Registered again it can be filled. */
		CHECK_EQ(t_register_in(t, ctx, addr, 6, mode), 0);
		check_poisoned(t, addr + P);
		check_poisoned(t, addr + 4 * P);
		CHECK_FILL(t_copy(t, ctx, addr + P, 1, 5, 0), 0, P);
		CHECK_EQ(t_read_page(t, addr + P), 5);
		CHECK_FILL(t_copy(t, ctx, addr, 1, 5, 0), -EEXIST, -EEXIST);
		/* It is all one mapping. */
		CHECK_FILL(t_copy(t, ctx, addr, 6, 5, 0), -EEXIST, -EEXIST);
		CHECK_EQ(ufi_sim_munmap(t->sim, addr, 6), 0);
	}
}

static void poison_close(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		struct ufi_ctx *next = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);

		CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), 0, P);
		t_close(t, ctx);
		check_poisoned(t, addr + P);
		CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
		CHECK_EQ(t_write(t, addr + 2 * P, 1), SIM_ACCESSED);
		CHECK_EQ(t_register_in(t, next, addr, 3, mode), 0);
		check_poisoned(t, addr + P);
		CHECK_FILL(t_copy(t, next, addr + P, 1, 5, 0), 0, P);
		CHECK_EQ(t_read_page(t, addr + P), 5);
		CHECK_EQ(ufi_sim_munmap(t->sim, addr, 3), 0);
	}
}

/* Memory of nobody's that is poisoned is protected and unmapped like any other. */
static void poison_afterwards(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 4);
	uint8_t value;

	CHECK_FILL(t_poison(t, ctx, addr + P, 2, 0), 0, 2 * P);
	CHECK_EQ(t_unregister(t, ctx, addr, 4), 0);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, UF_PROT_READ), 0);
	CHECK_EQ(t_write(t, addr, 1), SIM_SIGSEGV);
	CHECK_EQ(t_write(t, addr + P, 1), SIM_SIGSEGV);
	CHECK_EQ(t_read(t, addr + P, &value), SIM_POISONED);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 2, RW), 0);
	check_poisoned(t, addr + P);
	CHECK_EQ(ufi_sim_dontneed(t->sim, addr, 2), 0);
	CHECK_EQ(t_write(t, addr + P, 1), SIM_ACCESSED);
	check_poisoned(t, addr + 2 * P);
	CHECK_EQ(ufi_sim_munmap(t->sim, addr + 2 * P, 1), 0);
	CHECK_EQ(t_read(t, addr + 2 * P, &value), SIM_SIGSEGV);
	ufi_sim_map(t->sim, addr + 2 * P, 1, RW, SIM_ANON, NULL);
	CHECK_EQ(t_write(t, addr + 2 * P, 1), SIM_ACCESSED);
}

static void poison_given_back(struct t *t)
{
	bool shared = t->kind == SIM_SHARED;

	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);
		uint8_t value;

		CHECK_FILL(t_poison(t, ctx, addr, 4, 0), 0, 4 * P);
		CHECK_EQ(ufi_sim_dontneed(t->sim, addr + P, 2), 0);
		check_poisoned(t, addr);
		check_poisoned(t, addr + 3 * P);
		CHECK_FILL(t_copy(t, ctx, addr + P, 1, 6, 0), 0, P);
		CHECK_EQ(t_read_page(t, addr + P), 6);
		if (!(mode & MISSING))
			CHECK_EQ(t_read(t, addr + 2 * P, &value), SIM_ACCESSED);
		if (!shared)
			continue;
		CHECK_EQ(ufi_sim_remove(t->sim, addr, 4), 0);
		check_poisoned(t, addr);
		check_poisoned(t, addr + 3 * P);
	}
}

/* In another mode, and in none that closes pages. */
static void poison_modes_change(struct t *t)
{
	for (uint64_t from = MISSING; from <= (MISSING | WP | MINOR); from++) {
		FOR_EACH_MODE(t, to, 0)
		{
			struct ufi_ctx *ctx = t_open(t, 0);
			uint64_t addr;
			int err;

			if (t->kind == SIM_ANON && (from & MINOR))
				continue;
			addr = t_registered_in(t, ctx, 3, from);
			CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), 0, P);
			CHECK_EQ(t_register_in(t, ctx, addr, 3, to), 0);
			check_poisoned(t, addr + P);
			CHECK_FILL(t_copy(t, ctx, addr + P, 2, 6, 0), 0, 2 * P);
			CHECK_EQ(t_read_page(t, addr + P), 6);
			CHECK_EQ(t_write(t, addr + P, 6), SIM_ACCESSED);
			t_no_message(t, ctx);
			err = ufi_sim_munmap(t->sim, addr, 3);
			CHECK_EQ(err, 0);
		}
	}
}

/* What grows behind a poisoned page is not, whoever has it. */
static void poison_grows(struct t *t)
{
	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 4, mode);

		if (t->kind == SIM_SHARED)
			ufi_sim_truncate(t->sim, ufi_sim_pte(t->sim, addr)->map->object, 5);
		CHECK_EQ(ufi_sim_munmap(t->sim, addr + 2 * P, 2), 0);
		CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), 0, P);
		CHECK_EQ(ufi_sim_grow(t->sim, addr, 2, 3), 0);
		CHECK_FILL(t_copy(t, ctx, addr + 2 * P, 1, 4, 0), 0, P);
		CHECK_EQ(t_write(t, addr + 2 * P, 4), SIM_ACCESSED);
		check_poisoned(t, addr + P);
		CHECK_EQ(ufi_sim_munmap(t->sim, addr + 2 * P, 1), 0);
		CHECK_EQ(t_unregister(t, ctx, addr, 2), 0);
		CHECK_EQ(ufi_sim_grow(t->sim, addr, 2, 3), 0);
		check_poisoned(t, addr + P);
		CHECK_EQ(t_write(t, addr + 2 * P, 4), SIM_ACCESSED);
		CHECK_EQ(ufi_sim_munmap(t->sim, addr, 3), 0);
	}
}

static void poison_moves(struct t *t)
{
	uint64_t to = SIM_END - 4 * P;

	FOR_EACH_MODE(t, mode, 0)
	{
		struct ufi_ctx *ctx = t_open(t, 0);
		uint64_t addr = t_registered_in(t, ctx, 3, mode);

		CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), 0, P);
		CHECK_EQ(ufi_sim_move(t->sim, addr + P, 2, to), 0);
		check_poisoned(t, to);
		CHECK_EQ(t_write(t, to + P, 1), SIM_ACCESSED);
		CHECK_EQ(ufi_sim_munmap(t->sim, to, 2), 0);
	}
}

/* In the child private memory is poisoned as in the parent, shared memory is not. */
static void poison_child(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	uint64_t open = t_registered_in(t, ctx, 3, WP);
	uint8_t value;

	CHECK_FILL(t_poison(t, ctx, addr + P, 1, 0), 0, P);
	CHECK_FILL(t_poison(t, ctx, open + P, 1, 0), 0, P);
	ufi_sim_become_child(t->sim);
	t->killed = true;
	for (uint64_t i = 0; i < 3; i++) {
		if (i == 1 && t->kind == SIM_ANON) {
			check_poisoned(t, addr + P);
			check_poisoned(t, open + P);
			continue;
		}
		CHECK_EQ(t_read(t, addr + i * P, &value), SIM_ACCESSED);
		CHECK_EQ(t_write(t, open + i * P, 1), SIM_ACCESSED);
	}
	ctx = t_open(t, 0);
	CHECK_EQ(t_register_in(t, ctx, addr, 3, MISSING | WP), 0);
	CHECK_FILL(t_copy(t, ctx, addr + P, 1, 4, 0), t->kind == SIM_ANON ? 0 : -EEXIST,
		   t->kind == SIM_ANON ? (int64_t)P : -EEXIST);
	CHECK_EQ(t_write(t, addr + P, 1), SIM_ACCESSED);
}

const struct t_case poison_cases[] = {
	CASE("poison.1, poison.2, poison.3", poison_argument, T_ALL),
	CASE("poison.3, poison.4, fault.18, writeprotect.14", poison_kills, T_ALL),
	CASE("poison.5", poison_object, T_OBJECT),
	CASE("poison.6", poison_partial, T_ALL),
	CASE("poison.7, poison.8", poison_wakes, T_ALL),
	CASE("poison.9", poison_any_context, T_ALL),
	CASE("poison.10, fault.19, vm.7", poison_and_protection, T_ALL),
	CASE("poison.11", poison_beyond_end, T_OBJECT),
	CASE("fault.18", poison_bus_feature, T_ALL),
	CASE("fault.21", poison_from_the_kernel, T_ALL),
	CASE("copy.14, zeropage.6, zeropage.7", poison_then_filled, T_ALL),
	CASE("copy.4, copy.14", poison_not_filled, T_ALL),
	CASE("unregister.8", poison_unregister, T_ALL),
	CASE("close.7", poison_close, T_ALL),
	CASE("unregister.8, vm.12", poison_afterwards, T_ALL),
	CASE("vm.12", poison_given_back, T_ALL),
	CASE("register.18, poison.3", poison_modes_change, T_ALL),
	CASE("vm.13", poison_moves, T_ALL),
	CASE("vm.4", poison_grows, T_ALL),
	CASE("vm.13", poison_child, T_ALL),
	{0},
};
