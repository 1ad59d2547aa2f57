/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/read.md. */
#include "case.h"

#define P SIM_PAGE
#define MSG sizeof(struct uf_msg)

static void read_small(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	struct t_access a;

	CHECK_EQ(t_read_messages(t, ctx, 0, true), -EINVAL);
	CHECK_EQ(t_read_messages(t, ctx, MSG - 1, true), -EINVAL);
	CHECK_EQ(t_read_messages(t, ctx, MSG, true), -EAGAIN);
	t_access(t, &a, addr, UF_PROT_READ);
	ufi_sim_idle(t->sim);
	CHECK_EQ(t_read_messages(t, ctx, MSG - 1, true), -EINVAL);
	t_fault_at(t, ctx, addr, 0);
	CHECK_FILL(t_zero(t, ctx, addr, 1, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

/* Oldest first, as many as fit, each once. */
static void read_several(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 5);
	uint64_t buffer = t_arg(t) + 2000;
	struct t_access a[5];
	struct uf_msg msg;

	for (uint64_t i = 0; i < 5; i++) {
		t_access(t, &a[i], addr + (4 - i) * P, UF_PROT_READ);
		t_waits(t, &a[i]);
	}
	for (uint64_t round = 0; round < 3; round++) {
		/* Buffers in pieces, with room for two and a half. */
		struct ufi_iovec iov[] = {{buffer, 7}, {0, 0}, {buffer + 7, 2 * MSG + 9}};
		uint64_t n = round < 2 ? 2 : 1;

		CHECK_EQ(ufi_ctx_read(ctx, iov, 3, round % 2), n * MSG);
		for (uint64_t i = 0; i < n; i++) {
			ufi_sim_peek(t->sim, buffer + i * MSG, &msg, MSG);
			CHECK_EQ(msg.arg.pagefault.address, addr + (4 - 2 * round - i) * P);
		}
		/* The descriptor stays readable until the last one is read. */
		CHECK_EQ(atomic_load(&t->sim->bell[t_bell(ctx)]), round < 2);
	}
	t_no_message(t, ctx);
	for (int i = 0; i < 5; i++)
		t_waits(t, &a[i]);
	CHECK_FILL(t_zero(t, ctx, addr, 5, 0), 0, 5 * P);
	for (int i = 0; i < 5; i++)
		t_ends(t, &a[i], SIM_ACCESSED, 0);
}

struct read_call {
	struct ufi_ctx *ctx;
	uint64_t buffer;
	int64_t ret;
};

static void read_call_thread(struct t *t)
{
	struct read_call *c = t->data;
	struct ufi_iovec iov = {c->buffer ? c->buffer : t_arg(t), MSG};

	c->ret = ufi_ctx_read(c->ctx, &iov, 1, false);
}

static void read_waits(struct t *t)
{
	struct read_call c = {.ctx = t_open(t, 0)};
	uint64_t addr = t_registered(t, c.ctx, 1);
	struct sim_thread *reader;
	struct t_access a;

	t->data = &c;
	reader = t_thread(t, "reader", read_call_thread);
	ufi_sim_idle(t->sim);
	CHECK(!ufi_sim_gone(reader));
	t_access(t, &a, addr, UF_PROT_READ);
	ufi_sim_join(t->sim, reader);
	CHECK_EQ(c.ret, MSG);
	t_waits(t, &a);
	/* Read for it: nobody needs to be told. */
	t_no_message(t, c.ctx);
	CHECK_FILL(t_zero(t, c.ctx, addr, 1, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

static void read_interrupted(struct t *t)
{
	struct read_call c = {.ctx = t_open(t, 0)};
	struct sim_thread *reader;

	t->data = &c;
	reader = t_thread(t, "reader", read_call_thread);
	ufi_sim_idle(t->sim);
	ufi_sim_interrupt(t->sim, reader);
	ufi_sim_join(t->sim, reader);
	CHECK_EQ(c.ret, -EINTR);
	CHECK_EQ(reader->handled, 1);
}

static void read_bad_buffer(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	uint64_t end = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL) + P;
	struct ufi_iovec bad = {end, MSG};
	struct ufi_iovec half = {end - MSG, 2 * MSG};
	struct t_access a[3];

	for (uint64_t i = 0; i < 3; i++) {
		t_access(t, &a[i], addr + i * P, UF_PROT_READ);
		t_waits(t, &a[i]);
	}
	CHECK_EQ(ufi_ctx_read(ctx, &bad, 1, true), -EFAULT);
	/* One whole, one lost. */
	CHECK_EQ(ufi_ctx_read(ctx, &half, 1, true), MSG);
	t_no_message(t, ctx);
	for (int i = 0; i < 3; i++)
		t_waits(t, &a[i]);
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_fault_at(t, ctx, addr, 0);
	CHECK_FILL(t_zero(t, ctx, addr, 3, 0), 0, 3 * P);
	for (int i = 0; i < 3; i++)
		t_ends(t, &a[i], SIM_ACCESSED, 0);
}

/* The buffer is missing memory itself; the message says that it is written to. */
static void read_missing_buffer(struct t *t)
{
	struct ufi_ctx *owner = t_open(t, 0);
	struct read_call c = {.ctx = t_open(t, 0)};
	uint64_t addr = t_registered(t, c.ctx, 1);
	struct sim_thread *reader;
	struct t_access a;

	c.buffer = t_registered(t, owner, 1) + 64;
	t->data = &c;
	reader = t_thread(t, "reader", read_call_thread);
	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, owner, c.buffer - 64, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_FILL(t_zero(t, owner, c.buffer - 64, 1, 0), 0, P);
	ufi_sim_join(t->sim, reader);
	CHECK_EQ(c.ret, MSG);
	CHECK_FILL(t_zero(t, c.ctx, addr, 1, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

static void read_poll(struct t *t)
{
	struct ufi_ctx *bare = t_open_bare(t, false);
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	_Atomic uint32_t *bell = &t->sim->bell[t_bell(ctx)];
	struct t_access a;

	CHECK_EQ(ufi_ctx_poll(bare, true), UFI_POLLERR);
	CHECK_EQ(ufi_ctx_poll(ctx, false), UFI_POLLERR);
	CHECK_EQ(ufi_ctx_poll(ctx, true), 0);
	t_access(t, &a, addr, UF_PROT_READ);
	t_waits(t, &a);
	CHECK_EQ(ufi_ctx_poll(ctx, true), UFI_POLLIN);
	CHECK_EQ(ufi_ctx_poll(ctx, false), UFI_POLLERR);
	CHECK_EQ(atomic_load(bell), 1);
	t_fault_at(t, ctx, addr, 0);
	CHECK_EQ(ufi_ctx_poll(ctx, true), 0);
	CHECK_EQ(atomic_load(bell), 0);
	/* A message that vanished does not count. */
	CHECK_EQ(t_wake(t, ctx, addr, 1), 0);
	t_waits(t, &a);
	CHECK_EQ(atomic_load(bell), 1);
	CHECK_FILL(t_zero(t, ctx, addr, 1, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 0);
	CHECK_EQ(ufi_ctx_poll(ctx, true), 0);
	CHECK_EQ(atomic_load(bell), 0);
}

static void read_layout(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);
	uint64_t buffer = t_arg(t) + 2000;
	struct ufi_iovec iov = {buffer, MSG};
	uint8_t got[MSG];
	uint8_t want[MSG] = {UF_EVENT_PAGEFAULT};
	struct t_access a;

	memset(got, 0xff, sizeof(got));
	ufi_sim_poke(t->sim, buffer, got, sizeof(got));
	want[8] = UF_PAGEFAULT_FLAG_WRITE;
	memcpy(want + 16, &addr, sizeof(addr));
	t_access(t, &a, addr + 5, UF_PROT_WRITE);
	t_waits(t, &a);
	CHECK_EQ(ufi_ctx_read(ctx, &iov, 1, true), MSG);
	ufi_sim_peek(t->sim, buffer, got, sizeof(got));
	CHECK(!memcmp(got, want, sizeof(got)));
	CHECK_FILL(t_zero(t, ctx, addr, 1, 0), 0, P);
	t_ends(t, &a, SIM_ACCESSED, 0);
}

/* Two are read for somebody who is dead then. One of them is resolved: the other is next again. */
static void read_unread(struct t *t)
{
	struct read_call c = {.ctx = t_open(t, 0)};
	uint64_t addr = t_registered(t, c.ctx, 3);
	uint64_t buffer = t_arg(t) + 2000;
	struct ufi_iovec iov = {buffer, 2 * MSG};
	struct sim_thread *reader;
	struct uf_msg msg[2];
	struct t_access a[3];

	for (uint64_t i = 0; i < 3; i++) {
		t_access(t, &a[i], addr + i * P, UF_PROT_READ);
		t_waits(t, &a[i]);
	}
	CHECK_EQ(ufi_ctx_read(c.ctx, &iov, 1, true), 2 * MSG);
	ufi_sim_peek(t->sim, buffer, msg, sizeof(msg));
	CHECK_FILL(t_zero(t, c.ctx, addr, 1, 0), 0, P);
	ufi_ctx_retell(c.ctx, msg, 2, 0);
	CHECK(c.ctx->bell);
	t_fault_at(t, c.ctx, addr + P, 0);
	t_fault_at(t, c.ctx, addr + 2 * P, 0);
	t_no_message(t, c.ctx);
	/* Who sleeps is told. */
	t->data = &c;
	reader = t_thread(t, "reader", read_call_thread);
	ufi_sim_idle(t->sim);
	CHECK(!ufi_sim_gone(reader));
	ufi_ctx_retell(c.ctx, msg, 2, 0);
	ufi_sim_join(t->sim, reader);
	CHECK_EQ(c.ret, MSG);
	t_no_message(t, c.ctx);
	CHECK_FILL(t_zero(t, c.ctx, addr + P, 2, 0), 0, 2 * P);
	for (int i = 0; i < 3; i++)
		t_ends(t, &a[i], SIM_ACCESSED, 0);
}

const struct t_case read_cases[] = {
	CASE("read.1, read.7", read_small, T_ALL),
	CASE("read.2, read.3, read.5", read_several, T_ALL),
	CASE("read.4, read.5", read_waits, T_ALL),
	CASE("read.4", read_interrupted, T_ONCE),
	CASE("read.6", read_bad_buffer, T_ALL),
	CASE("fault.2, fault.13", read_missing_buffer, T_ALL),
	CASE("read.8", read_poll, T_ALL),
	CASE("read.9", read_layout, T_ALL),
	CASE("handover.12", read_unread, T_ALL),
	{0},
};
