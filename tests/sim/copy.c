/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/copy.md. */
#include "case.h"

#define P SIM_PAGE

static void copy_source_range(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 3);
	uint8_t bytes[3 * P];
	uint8_t got[2 * P];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / P);
	ufi_sim_poke(t->sim, t_src(t), bytes, sizeof(bytes));
	CHECK_FILL(t_copy_from(t, ctx, addr, t_src(t) + 1, 2 * P, 0), 0, 2 * P);
	ufi_sim_peek(t->sim, addr, got, sizeof(got));
	CHECK(!memcmp(got, bytes + 1, sizeof(got)));
	/* The source before the target, the target before the mode. */
	CHECK_FILL(t_copy_from(t, ctx, addr + 2 * P, SIM_TASK_SIZE - 5, P, 0), -EINVAL, T_KEPT);
	CHECK_FILL(t_copy_from(t, ctx, addr + 2 * P, ~UINT64_C(0), P, 0), -EINVAL, T_KEPT);
	CHECK_FILL(t_copy_from(t, ctx, addr + 2 * P, t_src(t), P / 2, 0), -EINVAL, T_KEPT);
	CHECK_FILL(t_copy_from(t, ctx, addr + 2 * P, t_src(t) + P - 1, P, 0), 0, P);
}

static void copy_write_protect(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);

	CHECK_FILL(t_copy(t, ctx, addr, 1, 1, UF_COPY_MODE_WP), -EINVAL, -EINVAL);
	CHECK_FILL(t_copy(t, ctx, t_map(t, 1), 1, 1, UF_COPY_MODE_WP), -ENOENT, -ENOENT);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 1, 0), 0, P);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 1, UF_COPY_MODE_WP), -EINVAL, -EINVAL);
}

static void copy_exists(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_map(t, 5);
	uint8_t value;

	CHECK_EQ(t_write(t, addr, 1), SIM_ACCESSED);
	CHECK_EQ(t_read(t, addr + P, &value), SIM_ACCESSED);
	CHECK_EQ(t_register(t, ctx, addr, 5), 0);
	CHECK_FILL(t_copy(t, ctx, addr + 2 * P, 1, 3, 0), 0, P);
	CHECK_FILL(t_zero(t, ctx, addr + 3 * P, 1, 0), 0, P);
	for (uint64_t i = 0; i < 4; i++) {
		CHECK_FILL(t_copy(t, ctx, addr + i * P, 1, 9, 0), -EEXIST, -EEXIST);
		CHECK_FILL(t_zero(t, ctx, addr + i * P, 1, 0), -EEXIST, -EEXIST);
	}
	CHECK_EQ(t_read(t, addr, &value), SIM_ACCESSED);
	CHECK_EQ(value, 1);
	CHECK(t_page_is(t, addr + P, 0));
	CHECK(t_page_is(t, addr + 2 * P, 3));
	CHECK(t_page_is(t, addr + 3 * P, 0));
	CHECK_FILL(t_copy(t, ctx, addr + 4 * P, 1, 9, 0), 0, P);
}

static void copy_source_unreadable(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 4);
	uint64_t src = ufi_sim_map(t->sim, 0, 3, RW, SIM_ANON, NULL);
	struct t_access a;

	for (uint64_t i = 0; i < 2 * P; i++)
		ufi_sim_poke(t->sim, src + i, "\5", 1);
	CHECK_EQ(ufi_sim_mprotect(t->sim, src + 2 * P, 1, 0), 0);
	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, 0);
	CHECK_FILL(t_copy_from(t, ctx, addr, src - P, P, 0), -EFAULT, -EFAULT);
	CHECK_FILL(t_copy_from(t, ctx, addr, src + 2 * P, P, 0), -EFAULT, -EFAULT);
	CHECK_FILL(t_copy_from(t, ctx, addr, src + P + P / 2, P, 0), -EFAULT, -EFAULT);
	t_waits(t, &a);
	CHECK_FILL(t_copy_from(t, ctx, addr, src, 3 * P, 0), -EAGAIN, 2 * P);
	t_ends(t, &a, SIM_ACCESSED, 5);
	CHECK_FILL(t_copy_from(t, ctx, addr + 2 * P, src + P / 2, 2 * P, 0), -EAGAIN, P);
	for (uint64_t i = 0; i < 3; i++)
		CHECK(t_page_is(t, addr + i * P, 5));
	/* The page that failed is as missing as before, and empty. */
	CHECK(t_page_is(t, addr + 3 * P, 0));
	CHECK_FILL(t_copy(t, ctx, addr + 3 * P, 1, 6, 0), 0, P);
	CHECK_EQ(t_read_page(t, addr + 3 * P), 6);
}

/* A thread that copies while the test looks on. */
struct copy_call {
	struct ufi_ctx *ctx;
	uint64_t dst;
	uint64_t src;
	uint64_t len;
	struct t_filled filled;
	struct sim_thread *thread;
};

static void copy_call_thread(struct t *t)
{
	struct copy_call *c = t->data;

	c->filled = t_copy_from(t, c->ctx, c->dst, c->src, c->len, 0);
}

static void copy_call(struct t *t, struct copy_call *c)
{
	t->data = c;
	c->thread = t_thread(t, "copy", copy_call_thread);
}

static void copy_call_ends(struct t *t, struct copy_call *c, int ret, int64_t field)
{
	ufi_sim_idle(t->sim);
	CHECK(ufi_sim_gone(c->thread));
	CHECK_EQ(c->filled.ret, ret);
	CHECK_EQ(c->filled.field, field);
}

/* The first page of the source is there, the others come one by one while the call waits. */
static void copy_source_waits(struct t *t, struct ufi_ctx *ctx, struct ufi_ctx *owner)
{
	struct copy_call c = {.ctx = ctx};

	c.dst = t_registered(t, ctx, 3);
	c.src = t_registered(t, owner, 3);
	c.len = 3 * P;
	CHECK_FILL(t_copy(t, owner, c.src, 1, 1, 0), 0, P);
	copy_call(t, &c);
	for (uint64_t i = 1; i < 3; i++) {
		t_fault_at(t, owner, c.src + i * P, 0);
		ufi_sim_idle(t->sim);
		CHECK(!ufi_sim_gone(c.thread));
		CHECK_FILL(t_copy(t, owner, c.src + i * P, 1, (uint8_t)(i + 1), 0), 0, P);
	}
	copy_call_ends(t, &c, 0, 3 * P);
	for (uint64_t i = 0; i < 3; i++)
		CHECK(t_page_is(t, c.dst + i * P, (uint8_t)(i + 1)));
	t_no_message(t, owner);
}

static void copy_source_missing(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *owner = t_open(t, 0);

	copy_source_waits(t, ctx, owner);
	copy_source_waits(t, ctx, ctx);
}

/* Not aligned: the second page of the source is missing in the midst of the first page. */
static void copy_source_missing_within(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct copy_call c = {.ctx = ctx, .len = P};
	uint64_t src = t_registered(t, ctx, 2);
	uint8_t got[2];

	c.dst = t_registered(t, ctx, 1);
	c.src = src + P / 2 + 10;
	CHECK_FILL(t_copy(t, ctx, src, 1, 1, 0), 0, P);
	copy_call(t, &c);
	t_fault_at(t, ctx, src + P, 0);
	ufi_sim_idle(t->sim);
	CHECK(!ufi_sim_gone(c.thread));
	CHECK_FILL(t_copy(t, ctx, src + P, 1, 2, 0), 0, P);
	copy_call_ends(t, &c, 0, P);
	ufi_sim_peek(t->sim, c.dst + P / 2 - 11, got, 2);
	CHECK_EQ(got[0], 1);
	CHECK_EQ(got[1], 2);
}

static void copy_source_refused(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct ufi_ctx *user = t_open_bare(t, true);
	struct ufi_ctx *bus = t_open(t, UF_FEATURE_SIGBUS);
	uint64_t addr = t_registered(t, ctx, 2);
	uint64_t a;
	uint64_t b = t_registered(t, bus, 2);

	CHECK_EQ(t_handshake(t, user, 0), 0);
	a = t_registered(t, user, 2);
	CHECK_FILL(t_copy_from(t, ctx, addr, a, P, 0), -EFAULT, -EFAULT);
	CHECK_FILL(t_copy_from(t, ctx, addr, b, P, 0), -EFAULT, -EFAULT);
	t_no_message(t, user);
	t_no_message(t, bus);
	CHECK_FILL(t_copy(t, user, a, 1, 1, 0), 0, P);
	CHECK_FILL(t_copy(t, bus, b, 1, 2, 0), 0, P);
	CHECK_FILL(t_copy_from(t, ctx, addr, a, 2 * P, 0), -EAGAIN, P);
	CHECK_FILL(t_copy_from(t, ctx, addr + P, b, P, 0), 0, P);
	CHECK(t_page_is(t, addr, 1));
	CHECK(t_page_is(t, addr + P, 2));
}

static void copy_into_object(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct sim_object *obj = ufi_sim_object(t->sim, 3);
	uint64_t addr = ufi_sim_map(t->sim, 0, 3, RW, SIM_SHARED, obj);
	uint64_t twin = ufi_sim_map(t->sim, 0, 3, RW, SIM_SHARED, obj);
	uint8_t value;

	CHECK_EQ(t_register(t, ctx, addr, 3), 0);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 1, 0), 0, P);
	CHECK_EQ(t_read_page(t, twin), 1);
	CHECK_EQ(t_write(t, twin + 1, 2), SIM_ACCESSED);
	CHECK_EQ(t_read(t, addr + 1, &value), SIM_ACCESSED);
	CHECK_EQ(value, 2);
	/* Written through the other mapping, never seen in this one. */
	CHECK_EQ(t_write(t, twin + P, 4), SIM_ACCESSED);
	CHECK_FILL(t_copy(t, ctx, addr + P, 1, 9, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_zero(t, ctx, addr + P, 1, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_copy(t, ctx, addr + P, 2, 9, 0), -EEXIST, -EEXIST);
	CHECK_EQ(t_read(t, addr + P, &value), SIM_ACCESSED);
	CHECK_EQ(value, 4);
	t_no_message(t, ctx);
	/* A page that failed has not come into the object. */
	CHECK_FILL(t_copy_from(t, ctx, addr + 2 * P, 0, P, 0), -EFAULT, -EFAULT);
	CHECK(!obj->cache[2]);
	CHECK_FILL(t_zero(t, ctx, addr + 2 * P, 1, 0), 0, P);
	CHECK(obj->cache[2]);
}

/* Missing, cached, missing: a run stops before what is cached. */
static void copy_up_to_cached(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct sim_object *obj = ufi_sim_object(t->sim, 3);
	uint64_t addr = ufi_sim_map(t->sim, 0, 3, RW, SIM_SHARED, obj);
	uint64_t twin = ufi_sim_map(t->sim, 0, 3, RW, SIM_SHARED, obj);

	CHECK_EQ(t_register(t, ctx, addr, 3), 0);
	CHECK_EQ(t_write(t, twin + P, 4), SIM_ACCESSED);
	CHECK_FILL(t_copy(t, ctx, addr, 3, 9, 0), -EAGAIN, P);
	CHECK_FILL(t_copy(t, ctx, addr + 2 * P, 1, 8, 0), 0, P);
	CHECK(t_page_is(t, addr, 9));
	CHECK(t_page_is(t, addr + 2 * P, 8));
}

static void copy_private(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	uint64_t addr = t_registered(t, ctx, 1);

	CHECK_FILL(t_copy(t, ctx, addr, 1, 1, 0), 0, P);
	CHECK_EQ(t_write(t, t_src(t), 3), SIM_ACCESSED);
	CHECK_EQ(t_read_page(t, addr), 1);
	CHECK_EQ(t_write(t, addr, 7), SIM_ACCESSED);
	CHECK(t_page_is(t, t_src(t) + P, 0));
}

/* The source of a page is read before the page is looked at. */
static void copy_source_first(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct copy_call c = {.ctx = ctx, .len = P};

	c.dst = t_registered(t, ctx, 1);
	c.src = t_registered(t, ctx, 1);
	CHECK_FILL(t_copy(t, ctx, c.dst, 1, 1, 0), 0, P);
	CHECK_FILL(t_copy_from(t, ctx, c.dst, 0, P, 0), -EFAULT, -EFAULT);
	copy_call(t, &c);
	t_fault_at(t, ctx, c.src, 0);
	ufi_sim_idle(t->sim);
	CHECK(!ufi_sim_gone(c.thread));
	CHECK_FILL(t_copy(t, ctx, c.src, 1, 2, 0), 0, P);
	copy_call_ends(t, &c, -EEXIST, -EEXIST);
	CHECK(t_page_is(t, c.dst, 1));
}

const struct t_case copy_cases[] = {
	CASE("copy.1", copy_source_range, T_ALL),
	CASE("copy.2", copy_write_protect, T_ALL),
	CASE("copy.3, zeropage.2", copy_exists, T_ALL),
	CASE("copy.4, fill.4", copy_source_unreadable, T_ALL),
	CASE("copy.5", copy_source_missing, T_ALL),
	CASE("copy.5", copy_source_missing_within, T_ALL),
	CASE("copy.6", copy_source_refused, T_ALL),
	CASE("copy.9, zeropage.4", copy_into_object, T_OBJECT),
	CASE("copy.9, fill.4", copy_up_to_cached, T_OBJECT),
	CASE("copy.10", copy_private, T_PRIVATE),
	CASE("copy.11", copy_source_first, T_ALL),
	{0},
};
