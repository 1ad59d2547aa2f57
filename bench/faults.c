/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the accesses that fault: in which order, by which thread they are
 * resolved and where that runs, and how long they take.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common.h"

const char *const bench_placements[BENCH_PLACEMENTS] = {
	[BENCH_ONE_THREAD] = "one thread",
	[BENCH_ONE_CPU] = "one CPU",
	[BENCH_TWO_CPUS] = "two CPUs",
};

/* The one measurement of this process, for its signal handler. */
static struct bench_faults *faults_current;

/* In the thread that resolves; only async-signal-safe calls: an exit status, no message. */
static void faults_resolve(struct bench_faults *f, uintptr_t addr)
{
	uintptr_t page = addr & ~(uintptr_t)(f->setting->page_size - 1);

	if (f->resolve(f, (void *)page))
		_exit(2);
	f->resolved++;
}

static void faults_sigbus(int sig, siginfo_t *info, void *uc)
{
	faults_resolve(faults_current, (uintptr_t)info->si_addr);
}

int bench_faults_serve(struct bench_faults *f)
{
	size_t npages = f->setting->npages + BENCH_FAULTS_MORE;
	uintptr_t last = (uintptr_t)f->memory + (npages - 1) * f->setting->page_size;
	uintptr_t addr = 0;
	int err;

	err = f->placement == BENCH_TWO_CPUS ? bench_place(f->setting->cpu[1], -1) : 0;
	while (!err && addr < last) {
		addr = bench_pager_read(f->pager, &err);
		if (!err)
			faults_resolve(f, addr);
	}
	return err;
}

static void *faults_monitor(void *arg)
{
	if (bench_faults_serve(arg))
		_exit(2);
	return NULL;
}

/* In order, or at random: the same permutation always, from a fixed seed. */
static int faults_order(struct bench_faults *f)
{
	uint32_t n = (uint32_t)f->setting->npages;
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

	f->order = malloc(n * sizeof(*f->order));
	if (!f->order)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		f->order[i] = i;
	for (uint32_t i = n - 1; f->random && i > 0; i--) {
		uint32_t j, other;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		j = (uint32_t)(seed % (i + 1));
		other = f->order[i];
		f->order[i] = f->order[j];
		f->order[j] = other;
	}
	return 0;
}

static void faults_touch(const struct bench_faults *f, size_t page)
{
	volatile char *at = f->memory + page * f->setting->page_size + BENCH_FAULTS_BYTE;

	if (f->write)
		*at = BENCH_FAULTS_WRITTEN;
	else
		(void)*at;
}

int bench_faults_prepare(struct bench_faults *f)
{
	struct sigaction act = {.sa_sigaction = faults_sigbus, .sa_flags = SA_SIGINFO};
	const struct bench_setting *s = f->setting;

	if (f->placement == BENCH_TWO_CPUS && s->cpu[1] < 0)
		return -ENODEV;
	faults_current = f;
	if (f->kind == BENCH_INLINE && sigaction(SIGBUS, &act, NULL))
		return -errno;
	return bench_place(s->cpu[0], f->placement == BENCH_ONE_CPU ? -1 : s->cpu[1]);
}

int bench_faults_run(struct bench_faults *f, double *ns)
{
	size_t npages = f->setting->npages;
	pthread_t monitor;
	double from;
	int err = faults_order(f);

	if (!err && f->kind == BENCH_MONITOR)
		err = -pthread_create(&monitor, NULL, faults_monitor, f);
	if (err || (err = bench_place(f->setting->cpu[0], -1)))
		return err;

	faults_touch(f, npages);
	from = bench_now_ns();
	for (size_t i = 0; i < npages; i++)
		faults_touch(f, f->order[i]);
	*ns = (bench_now_ns() - from) / (double)npages;
	faults_touch(f, npages + 1);

	if (f->kind == BENCH_MONITOR)
		pthread_join(monitor, NULL);
	free(f->order);
	return 0;
}
