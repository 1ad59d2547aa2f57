/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/fault.md and spec/wake.md. */
#include "case.h"

#define P SIM_PAGE

static void fault_protection(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	uint8_t value;

	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, 0), 0);
	CHECK_EQ(ufi_sim_mprotect(t->sim, addr + P, 1, UF_PROT_READ), 0);
	CHECK_EQ(t_read(t, addr, &value), SIM_SIGSEGV);
	CHECK_EQ(t_write(t, addr, 1), SIM_SIGSEGV);
	CHECK_EQ(t_write(t, addr + P, 1), SIM_SIGSEGV);
	CHECK_EQ(ufi_sim_access(t->sim, addr + 2 * P, UF_PROT_EXEC, &value), SIM_SIGSEGV);
	CHECK_EQ(t_read(t, addr + 3 * P, &value), SIM_SIGSEGV);
	t_no_message(t, ctx);
}

/* As on the processor, what may be written may be read. */
static void fault_write_only(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 1);
	struct t_access a;

	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 1, UF_PROT_WRITE), 0);
	CHECK_EQ(t_register(t, ctx, addr, 1), 0);
	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, 0);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 3, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 3);
}

/* As by guard markers or protection keys of the program's own: nobody can tell, it ends. */
static void fault_secret(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	uint64_t other = t_map(t, 1);
	uint8_t value;

	CHECK_FILL(t_copy(t, ctx, addr, 1, 3, 0), 0, P);
	for (int i = 0; i < 2; i++) {
		uint64_t at = i ? other : addr;

		ufi_sim_pte(t->sim, at)->secret = true;
		CHECK_EQ(t_read(t, at, &value), SIM_SIGSEGV);
		CHECK_EQ(t_write(t, at, 1), SIM_SIGSEGV);
		ufi_sim_pte(t->sim, at)->secret = false;
		CHECK_EQ(t_read(t, at, &value), SIM_ACCESSED);
	}
	t_no_message(t, ctx);
}

/* The next thread that the engine keeps in the same place as this one. */
static void fault_same_place(struct sim_thread *th, const struct sim_thread *than)
{
	const uint32_t place = than->tid * UINT32_C(2654435761) >> 16;

	th->tid = than->tid + 1;
	while (((th->tid * UINT32_C(2654435761) >> 16) ^ place) % UFI_DOUBTS)
		th->tid++;
}

/* Also several at once, beside one that has been there and went on. */
static void fault_secret_together(struct t *t)
{
	uint64_t addr = t_map(t, 3);
	struct ufi_task task = {.mm = &t->sim->mm, .tid = t->sim->current->tid};
	const struct sim_thread *than = t->sim->current;
	struct t_access a[3];

	CHECK(!ufi_doubt(&task, addr));
	for (uint64_t i = 0; i < 3; i++) {
		ufi_sim_pte(t->sim, addr + i * P)->secret = true;
		t_access(t, &a[i], addr + i * P, UF_PROT_READ);
		fault_same_place(a[i].thread, than);
		than = a[i].thread;
	}
	for (int i = 0; i < 3; i++) {
		ufi_sim_join(t->sim, a[i].thread);
		CHECK_EQ(a[i].outcome, SIM_SIGSEGV);
	}
}

/* Only in a row: every other verdict begins anew. */
static void fault_secret_for_a_while(struct t *t)
{
	struct ufi_task task = {.mm = &t->sim->mm, .tid = t->sim->current->tid};
	uint64_t fails = t_registered(t, t_open(t, UF_FEATURE_SIGBUS), 1);
	uint64_t addr = t_map(t, 1);
	uint8_t value;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 256; i++)
			CHECK(!ufi_doubt(&task, addr));
		CHECK_EQ(t_read(t, fails, &value), SIM_SIGBUS);
	}
	for (int i = 0; i < 256; i++)
		CHECK(!ufi_doubt(&task, addr));
	CHECK(!ufi_doubt(&task, addr + 1));
	for (int i = 0; i < 256; i++)
		CHECK(!ufi_doubt(&task, addr));
	CHECK(ufi_doubt(&task, addr));
}

static void fault_flags(struct t *t)
{
	static const uint32_t access[] = {UF_PROT_READ, UF_PROT_WRITE, UF_PROT_EXEC};
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	struct t_access a[3];

	CHECK_EQ(ufi_sim_mprotect(t->sim, addr, 3, RW | UF_PROT_EXEC), 0);
	for (uint64_t i = 0; i < 3; i++) {
		t_access(t, &a[i], addr + i * P + 9, access[i]);
		t_fault_at(t, ctx, addr + i * P, access[i] == UF_PROT_WRITE);
	}
	CHECK_FILL(t_copy(t, ctx, addr, 3, 2, 0), 0, 3 * P);
	for (uint64_t i = 0; i < 3; i++)
		t_ends(t, &a[i], SIM_ACCESSED, 2);
}

static void fault_address_and_thread(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, UF_FEATURE_EXACT_ADDRESS | UF_FEATURE_THREAD_ID);
	struct ufi_ctx *plain = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	uint64_t other = t_registered(t, plain, 1);
	struct t_access a[2];
	struct uf_msg msg;

	t_access(t, &a[0], addr + 77, UF_PROT_READ);
	t_access(t, &a[1], other + 77, UF_PROT_READ);
	ufi_sim_idle(t->sim);
	CHECK(t_message(t, ctx, true, &msg));
	CHECK_EQ(msg.arg.pagefault.address, addr + 77);
	CHECK_EQ(msg.arg.pagefault.feat.ptid, a[0].thread->tid);
	CHECK(t_message(t, plain, true, &msg));
	CHECK_EQ(msg.arg.pagefault.address, other);
	CHECK_EQ(msg.arg.pagefault.feat.ptid, 0);
	CHECK_FILL(t_zero(t, ctx, addr, 1, 0), 0, P);
	CHECK_FILL(t_zero(t, plain, other, 1, 0), 0, P);
	t_ends(t, &a[0], SIM_ACCESSED, 0);
	t_ends(t, &a[1], SIM_ACCESSED, 0);
}

static void fault_of_the_object(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *bus = t_open(t, UF_FEATURE_SIGBUS);
	struct sim_object *obj = ufi_sim_object(t->sim, 2);
	uint64_t addr = ufi_sim_map(t->sim, 0, 2, RW, SIM_SHARED, obj);
	uint64_t twin = ufi_sim_map(t->sim, 0, 2, RW, SIM_SHARED, obj);

	CHECK_EQ(t_register(t, ctx, addr, 1), 0);
	CHECK_EQ(t_register(t, bus, addr + P, 1), 0);
	for (uint64_t i = 0; i < 2; i++) {
		uint8_t value;

		CHECK_EQ(t_write(t, twin + i * P, 7), SIM_ACCESSED);
		CHECK_EQ(t_read(t, addr + i * P, &value), SIM_ACCESSED);
		CHECK_EQ(value, 7);
	}
	t_no_message(t, ctx);
}

static void fault_bus_error(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, UF_FEATURE_SIGBUS);
	uint64_t addr = t_registered(t, ctx, 2);
	uint8_t value;

	CHECK_EQ(t_read(t, addr, &value), SIM_SIGBUS);
	CHECK_EQ(t_write(t, addr + 5, 1), SIM_SIGBUS);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 4, 0), 0, P);
	CHECK_EQ(t_read_page(t, addr), 4);
	CHECK_EQ(t_read(t, addr + P, &value), SIM_SIGBUS);
	t_no_message(t, ctx);
}

/* spec/differences.md: registered, it is a message first. */
static void fault_beyond_end(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct sim_object *obj = ufi_sim_object(t->sim, 1);
	uint64_t addr = ufi_sim_map(t->sim, 0, 2, RW, SIM_SHARED, obj);
	struct t_access a;

	CHECK_EQ(t_register(t, ctx, addr, 2), 0);
	t_access(t, &a, addr + P, UF_PROT_READ);
	t_waits(t, &a);
	CHECK_EQ(t_unregister(t, ctx, addr, 2), 0);
	t_ends(t, &a, SIM_SIGBUS, 0);
}

static void fault_each_thread(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, UF_FEATURE_THREAD_ID);
	uint64_t addr = t_registered(t, ctx, 1);
	uint64_t tids = 0;
	struct t_access a[3];
	struct uf_msg msg;

	for (int i = 0; i < 3; i++) {
		t_access(t, &a[i], addr, UF_PROT_READ);
		tids += a[i].thread->tid;
	}
	for (int i = 0; i < 3; i++) {
		ufi_sim_idle(t->sim);
		CHECK(t_message(t, ctx, true, &msg));
		tids -= msg.arg.pagefault.feat.ptid;
	}
	CHECK_EQ(tids, 0);
	t_no_message(t, ctx);
	CHECK_EQ(t_waiters(ctx), 3);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 4, 0), 0, P);
	for (int i = 0; i < 3; i++)
		t_ends(t, &a[i], SIM_ACCESSED, 4);
}

static void fault_killed(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	struct t_access a[2];

	t->killed = true;
	for (int i = 0; i < 2; i++) {
		t_access(t, &a[i], addr, UF_PROT_READ);
		t_waits(t, &a[i]);
	}
	ufi_sim_kill(t->sim, a[0].thread);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 4, 0), 0, P);
	t_ends(t, &a[1], SIM_ACCESSED, 4);
	CHECK_EQ(t_waiters(ctx), 0);
}

/* A handler ends the wait; unread the message goes, read it stays read. */
static void fault_interrupted(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_READ);
	t_waits(t, &a);
	ufi_sim_interrupt(t->sim, a.thread);
	t_waits(t, &a);
	CHECK_EQ(a.thread->handled, 1);
	t_fault_at(t, ctx, addr, 0);
	t_no_message(t, ctx);
	ufi_sim_interrupt(t->sim, a.thread);
	t_waits(t, &a);
	t_fault_at(t, ctx, addr, 0);
	t_no_message(t, ctx);
	CHECK_EQ(t_waiters(ctx), 1);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 4, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 4);
}

/* --- wake.md --- */

static void wake_argument(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 1);
	struct uf_io_range bad[] = {
		{addr + 1, P}, {addr, P + 1}, {addr, 0}, {SIM_TASK_SIZE, P}, {addr, SIM_TASK_SIZE}};

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_WAKE, 0), -EFAULT);
	for (size_t i = 0; i < UF_ARRAY_SIZE(bad); i++)
		CHECK_EQ(t_ioctl(t, ctx, UF_IOC_WAKE, &bad[i], sizeof(bad[i])), -EINVAL);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	CHECK_EQ(t_wake(t, ctx, SIM_TASK_SIZE - P, 1), 0);
}

static void wake_who(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *other = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 4);
	struct t_access a[4];

	for (uint64_t i = 0; i < 4; i++) {
		t_access(t, &a[i], addr + i * P, UF_PROT_READ);
		if (i < 2)
			t_fault_at(t, ctx, addr + i * P, 0);
	}
	t_waits(t, &a[3]);
	CHECK_FILL(t_copy(t, ctx, addr, 4, 1, UF_COPY_MODE_DONTWAKE), 0, 4 * P);
	CHECK_EQ(t_wake(t, other, addr, 4), 0);
	for (int i = 0; i < 4; i++)
		t_waits(t, &a[i]);
	CHECK_EQ(t_wake(t, ctx, addr + P, 2), 0);
	t_ends(t, &a[1], SIM_ACCESSED, 1);
	t_ends(t, &a[2], SIM_ACCESSED, 1);
	t_waits(t, &a[0]);
	t_waits(t, &a[3]);
	t_fault_at(t, ctx, addr + 3 * P, 0); /* the only one left unread */
	t_no_message(t, ctx);
	CHECK_EQ(t_wake(t, ctx, addr, 4), 0);
	t_ends(t, &a[0], SIM_ACCESSED, 1);
	t_ends(t, &a[3], SIM_ACCESSED, 1);
}

static void wake_exact(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, UF_FEATURE_EXACT_ADDRESS);
	uint64_t addr = t_registered(t, ctx, 3);
	struct t_access a;

	t_access(t, &a, addr + 2 * P - 3, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr + 2 * P - 3, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_FILL(t_copy(t, ctx, addr + P, 1, 1, UF_COPY_MODE_DONTWAKE), 0, P);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	CHECK_EQ(t_wake(t, ctx, addr + 2 * P, 1), 0);
	t_waits(t, &a);
	CHECK_EQ(t_wake(t, ctx, addr + P, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

static void wake_retry(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_WRITE);
	for (int i = 0; i < 3; i++) {
		t_fault_at(t, ctx, addr, UF_PAGEFAULT_FLAG_WRITE);
		t_no_message(t, ctx);
		CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	}
	t_waits(t, &a);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_fault_at(t, ctx, addr, UF_PAGEFAULT_FLAG_WRITE);
	t_no_message(t, ctx);
	CHECK_FILL(t_zero(t, ctx, addr, 1, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

const struct t_case fault_cases[] = {
	CASE("fault.1", fault_protection, T_ALL),
	CASE("fault.1", fault_write_only, T_ALL),
	CASE("fault.1", fault_secret, T_ALL),
	CASE_RACE_OF("fault.1", fault_secret_together, T_ONCE, 100),
	CASE("fault.1", fault_secret_for_a_while, T_ONCE),
	CASE("fault.2, fault.3", fault_flags, T_ALL),
	CASE("fault.3, fault.4", fault_address_and_thread, T_ALL),
	CASE("fault.5", fault_of_the_object, T_OBJECT),
	CASE("fault.6", fault_bus_error, T_ALL),
	CASE("fault.7", fault_beyond_end, T_OBJECT),
	CASE("fault.8", fault_each_thread, T_ALL),
	CASE("fault.10", fault_killed, T_ALL),
	CASE("fault.11", fault_interrupted, T_ALL),
	CASE("wake.1", wake_argument, T_ALL),
	CASE("wake.2, open.5", wake_who, T_ALL),
	CASE("wake.3", wake_exact, T_ALL),
	CASE("wake.4", wake_retry, T_ALL),
	{0},
};
