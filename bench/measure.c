/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns one measurement: a process of its own, placed on its CPUs before
 * anything else so that the engine sees the machine it will run on, touches
 * NPAGES missing pages and tells how long they took.
 *
 * Two more pages than are measured: the first one touched is not, because it
 * pays for the start of the other thread; the last one tells that thread to end.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* Every byte of the content that a page must have afterwards. */
#define MEASURE_BYTE 0x5a

/* Where nothing answers for so long, it is broken. */
#define MEASURE_SECONDS 60

struct measure {
	const struct bench_setting *setting;
	const struct bench_method *method;
	const struct bench_pattern *pattern;
	enum bench_placement placement;
	struct bench_pager pager;
	char *memory;
	char *content; /* one page of it */
	uint32_t *order;
	pthread_t monitor;
};

/* The one measurement of this process, for its signal handler. */
static struct measure *measure_current;

static size_t measure_len(const struct bench_setting *s)
{
	return (s->npages + 2) * s->page_size;
}

static int measure_place(int first, int second)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(first, &set);
	if (second >= 0)
		CPU_SET(second, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static uintptr_t measure_page_of(const struct measure *m, uintptr_t addr)
{
	return addr & ~(uintptr_t)(m->setting->page_size - 1);
}

static void measure_sigbus(int sig, siginfo_t *info, void *uc)
{
	struct measure *m = measure_current;
	uintptr_t page = measure_page_of(m, (uintptr_t)info->si_addr);

	/* Only async-signal-safe calls: no message, an exit status of its own. */
	if (bench_pager_copy(&m->pager, page, m->content, m->setting->page_size))
		_exit(2);
}

static void *measure_monitor(void *arg)
{
	struct measure *m = arg;
	uintptr_t last = (uintptr_t)m->memory + measure_len(m->setting) - m->setting->page_size;
	uintptr_t page = 0;
	int err;

	if (m->placement == BENCH_TWO_CPUS && measure_place(m->setting->cpu[1], -1))
		_exit(2);
	while (page != last) {
		page = measure_page_of(m, bench_pager_read(&m->pager, &err));
		if (err || bench_pager_copy(&m->pager, page, m->content, m->setting->page_size))
			_exit(2);
	}
	return NULL;
}

/* In order, or at random: the same permutation always, from a fixed seed. */
static void measure_order(struct measure *m)
{
	uint32_t n = (uint32_t)m->setting->npages;
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

	for (uint32_t i = 0; i < n; i++)
		m->order[i] = i;
	for (uint32_t i = n - 1; m->pattern->random && i > 0; i--) {
		uint32_t j, other;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		j = (uint32_t)(seed % (i + 1));
		other = m->order[i];
		m->order[i] = m->order[j];
		m->order[j] = other;
	}
}

static void measure_touch(const struct measure *m, size_t page)
{
	volatile char *at = m->memory + page * m->setting->page_size;

	/* Not the first byte of the page: that one is looked at afterwards. */
	if (m->pattern->write)
		at[64] = 1;
	else
		(void)at[64];
}

static double measure_loop(const struct measure *m)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (size_t i = 0; i < m->setting->npages; i++)
		measure_touch(m, m->order[i]);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
	       (double)m->setting->npages;
}

/* Has every page the content that it was given, and what was written since? */
static int measure_verify(const struct measure *m)
{
	char byte = m->method->kind == BENCH_FLOOR ? 0 : MEASURE_BYTE;
	size_t size = m->setting->page_size;

	for (size_t i = 0; i < m->setting->npages; i++) {
		const char *page = m->memory + i * size;

		if (page[0] != byte || page[size - 1] != byte ||
		    page[64] != (m->pattern->write ? 1 : byte))
			return -EPROTO;
	}
	return 0;
}

static int measure_prepare(struct measure *m)
{
	const struct bench_setting *s = m->setting;
	int flags = (m->method->shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS;
	int err = measure_place(s->cpu[0], m->placement == BENCH_ONE_CPU ? -1 : s->cpu[1]);

	if (err)
		return err;
	m->memory = mmap(NULL, measure_len(s), PROT_READ | PROT_WRITE, flags, -1, 0);
	if (m->memory == MAP_FAILED)
		return -errno;
	/* One page at a time, also where huge pages are the default. */
	if (madvise(m->memory, measure_len(s), MADV_NOHUGEPAGE) && errno != EINVAL)
		return -errno;
	m->content = malloc(s->page_size);
	m->order = malloc(s->npages * sizeof(*m->order));
	if (!m->content || !m->order)
		return -ENOMEM;
	memset(m->content, MEASURE_BYTE, s->page_size);
	measure_order(m);
	return 0;
}

static int measure_run(struct measure *m, double *ns)
{
	struct sigaction act = {.sa_sigaction = measure_sigbus, .sa_flags = SA_SIGINFO};
	int err = measure_prepare(m);

	if (err)
		return err;
	measure_current = m;
	/* Before the engine starts, which passes on to whom it finds. */
	if (m->method->kind == BENCH_INLINE && sigaction(SIGBUS, &act, NULL))
		return -errno;
	err = bench_pager_open(&m->pager, m->method, m->memory, measure_len(m->setting));
	if (err)
		return err;
	if (m->method->kind == BENCH_MONITOR)
		err = -pthread_create(&m->monitor, NULL, measure_monitor, m);
	if (err || (err = measure_place(m->setting->cpu[0], -1)))
		return err;

	measure_touch(m, m->setting->npages);
	*ns = measure_loop(m);
	measure_touch(m, m->setting->npages + 1);

	if (m->method->kind == BENCH_MONITOR)
		pthread_join(m->monitor, NULL);
	bench_pager_close(&m->pager);
	return measure_verify(m);
}

/* What the measuring process tells the other. */
struct measure_answer {
	int err;
	double ns;
};

static _Noreturn void measure_child(struct measure *m, int fd)
{
	struct measure_answer answer = {0};

	alarm(MEASURE_SECONDS);
	answer.err = measure_run(m, &answer.ns);
	if (write(fd, &answer, sizeof(answer)) != sizeof(answer))
		_exit(2);
	_exit(0);
}

int bench_measure(const struct bench_setting *s, const struct bench_method *method,
		  const struct bench_pattern *pattern, enum bench_placement placement, double *ns)
{
	struct measure m = {
		.setting = s, .method = method, .pattern = pattern, .placement = placement};
	struct measure_answer answer = {0};
	bool answered;
	int status = 0;
	int fds[2];
	pid_t pid;

	if (placement == BENCH_TWO_CPUS && s->cpu[1] < 0)
		return -ENODEV;
	if (pipe(fds))
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		measure_child(&m, fds[1]);
	close(fds[1]);
	answered = pid > 0 && read(fds[0], &answer, sizeof(answer)) == sizeof(answer);
	close(fds[0]);
	if (pid < 0)
		return -EAGAIN;
	if (waitpid(pid, &status, 0) != pid || status || !answered)
		return -EPROTO;
	*ns = answer.ns;
	return answer.err;
}
