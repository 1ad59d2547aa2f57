/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns who runs. A thread gives way at a step, where it waits, and where it
 * ends; who goes on then is drawn. A parked thread goes on when it is woken,
 * for no reason once in a while, and when its time is up: the clock moves when
 * nobody else can go on, or for no reason once in a while too, because a
 * thread that is ready may be kept from its processor for any length of time.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/step.h"
#include "mmu/sim/sim.h"

/* No run of a test is nearly as long. */
#define SCHED_STEPS_MAX UINT64_C(4000000)

#define SCHED_SPINS 4

/* So long a calm thread goes on, should it never wait. */
#define SCHED_CALM 4096

/* Whose steps these are. */
static struct sim *sched_running;

void uf_step(void)
{
	if (sched_running && sched_running->current)
		ufi_sim_step(sched_running);
}

static void sched_ready(struct sim_thread *th, int result)
{
	th->state = SIM_READY;
	th->result = result;
	th->word = NULL;
}

static void sched_time_out(struct sim *sim, struct sim_thread *th)
{
	sim->now_ns = uf_max(sim->now_ns, th->deadline);
	sched_ready(th, -ETIMEDOUT);
}

/* Any thread in that state, all alike; NULL: none. */
static struct sim_thread *sched_any(struct sim *sim, enum sim_state state)
{
	struct sim_thread *found[SIM_THREADS];
	uint32_t n = 0;

	for (uint32_t i = 0; i < sim->nthreads; i++)
		if (sim->threads[i].state == state)
			found[n++] = &sim->threads[i];
	return n ? found[ufi_sim_random(sim) % n] : NULL;
}

static struct sim_thread *sched_first_deadline(struct sim *sim)
{
	struct sim_thread *first = NULL;

	for (uint32_t i = 0; i < sim->nthreads; i++) {
		struct sim_thread *th = &sim->threads[i];

		if (th->state == SIM_PARKED && th->deadline &&
		    (!first || th->deadline < first->deadline))
			first = th;
	}
	return first;
}

static void sched_whim(struct sim *sim)
{
	struct sim_thread *th = sched_any(sim, SIM_PARKED);

	if (!th)
		return;
	if (th->deadline && ufi_sim_chance(sim, 2))
		sched_time_out(sim, th);
	else
		sched_ready(th, 0);
}

static bool sched_all_gone(const struct sim *sim)
{
	for (uint32_t i = 0; i < sim->nthreads; i++)
		if (!ufi_sim_gone(&sim->threads[i]))
			return false;
	return true;
}

static _Noreturn void sched_stuck(struct sim *sim, const char *what)
{
	static const char *const names[] = {"ready", "parked", "idle", "joining", "done", "dead"};
	char text[1536];
	size_t used = 0;

	for (uint32_t i = 0; i < sim->nthreads && used < sizeof(text); i++) {
		const struct sim_thread *th = &sim->threads[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "\n  %s (tid %u): %s, step %" PRIu64, th->name, th->tid,
					 names[th->state], th->steps);
		if (th->state == SIM_PARKED && used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, ", word %p = %u",
						 (void *)(uintptr_t)th->word,
						 atomic_load(th->word));
	}
	ufi_sim_fail(sim, "%s:%s", what, text);
}

/* NULL: all are gone. Who is idle waits for the clock, too. */
static struct sim_thread *sched_pick(struct sim *sim)
{
	struct sim_thread *th = sched_any(sim, SIM_READY);

	if (th && sim->whim_odds && ufi_sim_chance(sim, sim->whim_odds)) {
		sched_whim(sim);
		th = sched_any(sim, SIM_READY);
	}
	if (th)
		return th;
	th = sched_first_deadline(sim);
	if (th) {
		sched_time_out(sim, th);
		return th;
	}
	th = sched_any(sim, SIM_IDLE);
	if (th) {
		sched_ready(th, 0);
		return th;
	}
	if (!sched_all_gone(sim))
		sched_stuck(sim, "deadlock");
	return NULL;
}

/* Whoever is drawn runs; the caller, unless FOR_GOOD, once it is drawn again. */
static void sched_switch(struct sim *sim, bool for_good)
{
	struct sim_thread *self = sim->current;
	struct sim_thread *next = sched_pick(sim);

	if (next == self)
		return;
	sim->current = next;
	ufi_sim_fiber_switch(self ? &self->fiber : &sim->home, next ? &next->fiber : &sim->home,
			     &sim->home, for_good);
}

static void sched_end(struct sim *sim, enum sim_state state)
{
	struct sim_thread *self = sim->current;

	self->state = state;
	for (uint32_t i = 0; i < sim->nthreads; i++) {
		struct sim_thread *th = &sim->threads[i];

		if (th->state == SIM_JOINING && th->joins == self)
			sched_ready(th, 0);
	}
	sched_switch(sim, true);
}

static void sched_entry(void)
{
	struct sim *sim = sched_running;
	struct sim_thread *self = sim->current;

	ufi_sim_fiber_arrive(&self->fiber, &sim->home);
	self->fn(sim, self->arg);
	sched_end(sim, SIM_DONE);
}

void ufi_sim_step(struct sim *sim)
{
	struct sim_thread *self = sim->current;

	if (!self)
		return;
	self->steps++;
	if (++sim->steps > SCHED_STEPS_MAX)
		sched_stuck(sim, "no end in sight");
	if (self->steps == self->kill_at)
		sched_end(sim, SIM_DEAD);
	if (sim->opt.calm ? self->steps % SCHED_CALM == 0 : ufi_sim_chance(sim, sim->switch_odds))
		sched_switch(sim, false);
}

/* Thread ids decide which slot of the registry's lock a thread gets. */
static uint32_t sched_new_tid(struct sim *sim)
{
	uint32_t tid;
	bool taken;

	do {
		tid = 1 + (uint32_t)(ufi_sim_random(sim) % 4000000);
		taken = false;
		for (uint32_t i = 0; i < sim->nthreads; i++)
			taken |= sim->threads[i].tid == tid;
	} while (taken);
	return tid;
}

struct sim_thread *ufi_sim_spawn(struct sim *sim, const char *name, sim_thread_fn *fn, void *arg)
{
	struct sim_thread *th = &sim->threads[sim->nthreads];

	if (sim->nthreads == SIM_THREADS)
		ufi_sim_fail(sim, "too many threads");
	memset(th, 0, sizeof(*th));
	th->name = name;
	th->index = sim->nthreads;
	th->tid = sched_new_tid(sim);
	th->fn = fn;
	th->arg = arg;
	if (!ufi_sim_fiber_create(&th->fiber, sched_entry))
		ufi_sim_fail(sim, "no memory for a stack");
	sim->nthreads++;
	return th;
}

void ufi_sim_run(struct sim *sim)
{
	sched_running = sim;
	ufi_sim_fiber_home(&sim->home);
	sched_switch(sim, false);
	sched_running = NULL;
}

void ufi_sim_idle(struct sim *sim)
{
	sim->current->state = SIM_IDLE;
	sched_switch(sim, false);
}

void ufi_sim_join(struct sim *sim, struct sim_thread *th)
{
	while (!ufi_sim_gone(th)) {
		sim->current->joins = th;
		sim->current->state = SIM_JOINING;
		sched_switch(sim, false);
	}
}

void ufi_sim_kill(struct sim *sim, struct sim_thread *th)
{
	if (th == sim->current)
		ufi_sim_fail(sim, "a thread kills itself by kill_at");
	if (ufi_sim_gone(th))
		return;
	th->state = SIM_DEAD;
	for (uint32_t i = 0; i < sim->nthreads; i++)
		if (sim->threads[i].state == SIM_JOINING && sim->threads[i].joins == th)
			sched_ready(&sim->threads[i], 0);
}

void ufi_sim_bury_threads(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->nthreads; i++)
		ufi_sim_fiber_destroy(&sim->threads[i].fiber);
	sim->nthreads = 0;
}

/* The last ones first, so that those who live keep their places. */
void ufi_sim_forget_threads(struct sim *sim)
{
	while (ufi_sim_gone(&sim->threads[sim->nthreads - 1]))
		ufi_sim_fiber_destroy(&sim->threads[--sim->nthreads].fiber);
}

/* --- Signals --- */

static void sched_deliver(struct sim *sim, struct sim_thread *th)
{
	th->pending = false;
	th->handled++;
	if (th->on_signal)
		th->on_signal(sim, th->arg);
}

void ufi_sim_interrupt(struct sim *sim, struct sim_thread *th)
{
	th->pending = true;
	if (th->state == SIM_PARKED && !th->blocked)
		sched_ready(th, -EINTR);
	ufi_sim_step(sim);
}

void ufi_sim_signals_block(struct uf_mmu *mmu, struct uf_sigmask *saved)
{
	struct sim_thread *self = sim_of(mmu)->current;

	saved->bits[0] = self->blocked;
	self->blocked = true;
}

void ufi_sim_signals_restore(struct uf_mmu *mmu, const struct uf_sigmask *saved)
{
	struct sim_thread *self = sim_of(mmu)->current;

	self->blocked = saved->bits[0];
	if (self->pending && !self->blocked)
		sched_deliver(sim_of(mmu), self);
}

/* Signals have handlers here, and what kills asks nobody. */
void ufi_sim_signals_deadly(struct uf_mmu *mmu, const struct uf_sigmask *saved)
{
	UF_ASSERT(sim_of(mmu)->current->blocked);
}

/* --- Threads, as the engine sees them --- */

uint32_t ufi_sim_self(struct uf_mmu *mmu)
{
	return sim_of(mmu)->current->tid;
}

bool ufi_sim_alive(struct uf_mmu *mmu, uint32_t tid)
{
	struct sim *sim = sim_of(mmu);

	ufi_sim_step(sim);
	for (uint32_t i = 0; i < sim->nthreads; i++)
		if (sim->threads[i].tid == tid)
			return !ufi_sim_gone(&sim->threads[i]);
	return false;
}

bool ufi_sim_privileged(struct uf_mmu *mmu)
{
	return !sim_of(mmu)->unprivileged;
}

int ufi_sim_park(struct uf_mmu *mmu, _Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	struct sim *sim = sim_of(mmu);
	struct sim_thread *self = sim->current;

	ufi_sim_step(sim);
	if (self->pending && !self->blocked) {
		sched_deliver(sim, self);
		return -EINTR;
	}
	if (atomic_load(word) != value)
		return 0;
	self->word = word;
	self->deadline = timeout_ns ? sim->now_ns + timeout_ns : 0;
	self->state = SIM_PARKED;
	sched_switch(sim, false);
	if (self->result == -EINTR)
		sched_deliver(sim, self);
	return self->result;
}

int ufi_sim_unpark(struct uf_mmu *mmu, _Atomic uint32_t *word, int n)
{
	struct sim *sim = sim_of(mmu);
	uint32_t first;
	int woken = 0;

	ufi_sim_step(sim);
	first = (uint32_t)(ufi_sim_random(sim) % sim->nthreads);
	for (uint32_t i = 0; i < sim->nthreads && woken < n; i++) {
		struct sim_thread *th = &sim->threads[(first + i) % sim->nthreads];

		if (th->state != SIM_PARKED || th->word != word)
			continue;
		sched_ready(th, 0);
		woken++;
	}
	return woken;
}

bool ufi_sim_spin(struct uf_mmu *mmu, unsigned i)
{
	ufi_sim_step(sim_of(mmu));
	return i < SCHED_SPINS && !sim_of(mmu)->opt.calm;
}

void ufi_sim_ring(struct uf_mmu *mmu, uint64_t cookie, bool ring)
{
	struct sim *sim = sim_of(mmu);

	if (cookie >= SIM_BELLS)
		ufi_sim_fail(sim, "no such bell");
	ufi_sim_step(sim);
	atomic_store(&sim->bell[cookie], ring);
	ufi_sim_unpark(mmu, &sim->bell[cookie], SIM_THREADS);
}

void ufi_sim_await_bell(struct sim *sim, uint64_t cookie)
{
	while (!atomic_load(&sim->bell[cookie]))
		(void)ufi_sim_park(&sim->mmu, &sim->bell[cookie], 0, 0);
}
