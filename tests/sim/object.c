/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory whose pages come and go by another mapping of the object,
 * which nobody has registered, while threads fault on this one.
 */
#include "case.h"

#define P SIM_PAGE

struct shared {
	struct ufi_ctx *ctx;
	uint64_t addr;
	uint64_t twin;
};

/* Two pages, of which the object has the first; ours is registered. */
static void shared_begin(struct t *t, struct shared *s, uint64_t features)
{
	struct sim_object *obj = ufi_sim_object(t->sim, 2);

	*s = (struct shared){.ctx = t_open(t, features)};
	s->addr = ufi_sim_map(t->sim, 0, 2, RW, SIM_SHARED, obj);
	s->twin = ufi_sim_map(t->sim, 0, 2, RW, SIM_SHARED, obj);
	CHECK_EQ(t_register(t, s->ctx, s->addr, 2), 0);
	CHECK_EQ(t_write(t, s->twin, 7), SIM_ACCESSED);
	t->data = s;
}

static void shared_reader(struct t *t)
{
	struct shared *s = t->data;
	uint8_t value;

	CHECK_EQ(t_read(t, s->addr, &value), SIM_ACCESSED);
	CHECK_EQ(value, 7);
}

static void shared_copier(struct t *t)
{
	struct shared *s = t->data;

	CHECK_FILL(t_copy(t, s->ctx, s->addr, 1, 9, 0), -EEXIST, -EEXIST);
}

static void shared_no_trace(struct t *t, struct shared *s, struct sim_thread **th, int n)
{
	ufi_sim_idle(t->sim);
	for (int i = 0; i < n; i++)
		if (!ufi_sim_gone(th[i]))
			t_fail(__FILE__, __LINE__, "a thread waits for a page that the object has");
	t_no_message(t, s->ctx);
}

/* Nobody reads messages here: none may be needed. */
static void object_two_faults(struct t *t)
{
	struct sim_thread *th[2];
	struct shared s;

	shared_begin(t, &s, 0);
	for (int i = 0; i < 2; i++)
		th[i] = t_thread(t, "reader", shared_reader);
	shared_no_trace(t, &s, th, 2);
}

static void object_fault_and_copy(struct t *t)
{
	struct sim_thread *th[2];
	struct shared s;

	shared_begin(t, &s, 0);
	th[0] = t_thread(t, "reader", shared_reader);
	th[1] = t_thread(t, "copier", shared_copier);
	shared_no_trace(t, &s, th, 2);
}

static void object_two_faults_bus(struct t *t)
{
	struct sim_thread *th[2];
	struct shared s;

	shared_begin(t, &s, UF_FEATURE_SIGBUS);
	for (int i = 0; i < 2; i++)
		th[i] = t_thread(t, "reader", shared_reader);
	shared_no_trace(t, &s, th, 2);
}

static void shared_registered_reader(struct t *t)
{
	struct shared *s = t->data;
	uint8_t value;

	CHECK_EQ(t_read(t, s->twin, &value), SIM_ACCESSED);
	CHECK_EQ(value, 7);
}

/* Both mappings are registered, and one page is asked for in both. */
static void object_two_mappings(struct t *t)
{
	struct ufi_ctx *other = t_open(t, 0);
	struct sim_thread *th[2];
	struct shared s;

	shared_begin(t, &s, 0);
	CHECK_EQ(t_register(t, other, s.twin, 2), 0);
	th[0] = t_thread(t, "reader", shared_reader);
	th[1] = t_thread(t, "reader", shared_registered_reader);
	shared_no_trace(t, &s, th, 2);
	CHECK_FILL(t_copy(t, other, s.twin, 1, 9, 0), -EEXIST, -EEXIST);
	CHECK_FILL(t_copy(t, other, s.twin + P, 1, 9, 0), 0, P);
	CHECK_FILL(t_copy(t, s.ctx, s.addr + P, 1, 8, 0), -EEXIST, -EEXIST);
	CHECK_EQ(t_read_page(t, s.addr + P), 9);
}

const struct t_case object_cases[] = {
	CASE_RACE("fault.5", object_two_faults, T_OBJECT),
	CASE_RACE("fault.5, copy.9", object_fault_and_copy, T_OBJECT),
	CASE_RACE("fault.5, fault.6", object_two_faults_bus, T_OBJECT),
	CASE_RACE("fault.5, copy.9", object_two_mappings, T_OBJECT),
	{0},
};
