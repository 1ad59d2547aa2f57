/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns one measurement: NPAGES missing pages are touched, and get their
 * content; how long that takes, and that it is the right one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

/* Every byte of the content that a page must have afterwards. */
#define MEASURE_BYTE 0x5a

struct measure {
	const struct bench_method *method;
	struct bench_pager pager;
	struct bench_manager manager;
	struct bench_faults faults;
};

static size_t measure_len(const struct bench_setting *s)
{
	return (s->npages + BENCH_FAULTS_MORE) * s->page_size;
}

static int measure_copy(struct bench_faults *f, void *page)
{
	return bench_pager_copy(f->pager, page, f->content, f->setting->page_size);
}

/* Has every page the content that it was given, and what was written since? */
static int measure_verify(const struct measure *m)
{
	char byte = m->method->kind == BENCH_PLAIN ? 0 : MEASURE_BYTE;
	size_t size = m->faults.setting->page_size;

	for (size_t i = 0; i < m->faults.setting->npages; i++) {
		const char *page = m->faults.memory + i * size;

		if (page[0] != byte || page[size - 1] != byte ||
		    page[BENCH_FAULTS_BYTE] != (m->faults.write ? BENCH_FAULTS_WRITTEN : byte))
			return -EPROTO;
	}
	return 0;
}

static int measure_prepare(struct measure *m)
{
	const struct bench_setting *s = m->faults.setting;
	int flags = (m->method->shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS;
	char *memory = mmap(NULL, measure_len(s), PROT_READ | PROT_WRITE, flags, -1, 0);
	char *content = malloc(s->page_size);

	if (memory == MAP_FAILED || !content)
		return -ENOMEM;
	/* One page at a time, also where huge pages are the default. */
	if (madvise(memory, measure_len(s), MADV_NOHUGEPAGE) && errno != EINVAL)
		return -errno;
	memset(content, MEASURE_BYTE, s->page_size);
	m->faults.memory = memory;
	m->faults.content = content;
	return 0;
}

/* In a process that has no such memory. */
static int measure_serve(struct bench_pager *p, void *arg, double *figure)
{
	struct measure *m = arg;

	m->faults.pager = p;
	return bench_faults_serve(&m->faults);
}

static int measure_open(struct measure *m)
{
	uint64_t features = m->method->kind == BENCH_INLINE ? UF_FEATURE_SIGBUS : 0;
	int err;

	if (m->method->kind == BENCH_PLAIN)
		return 0;
	if (m->method->shared)
		features |= UF_FEATURE_MISSING_SHMEM;
	err = m->method->kind != BENCH_REMOTE
		      ? 0
		      : bench_manager_start(&m->manager, &m->method->choice, measure_serve, m);
	if (!err)
		err = bench_pager_open(&m->pager, &m->method->choice, features);
	if (!err)
		err = bench_pager_register(&m->pager, m->faults.memory,
					   measure_len(m->faults.setting),
					   UF_REGISTER_MODE_MISSING);
	if (!err && m->method->kind == BENCH_REMOTE)
		err = bench_manager_hand_over(&m->manager, &m->pager);
	return err;
}

static int measure_run(void *arg, double *figures)
{
	struct measure *m = arg;
	double nothing;
	int err = bench_faults_prepare(&m->faults);

	if (!err)
		err = measure_prepare(m);
	if (!err)
		err = measure_open(m);
	if (!err)
		err = bench_faults_run(&m->faults, &figures[0]);
	if (!err && m->method->kind == BENCH_REMOTE)
		err = bench_manager_join(&m->manager, &nothing);
	if (err)
		return err;
	if (m->method->kind != BENCH_PLAIN)
		bench_pager_close(&m->pager);
	return measure_verify(m);
}

int bench_measure(const struct bench_setting *s, const struct bench_method *method,
		  const struct bench_pattern *pattern, enum bench_placement placement, double *ns)
{
	double figures[BENCH_FIGURES];
	struct measure m = {
		.method = method,
		.faults = {.setting = s,
			   .kind = method->kind,
			   .placement = placement,
			   .random = pattern->random,
			   .write = pattern->write,
			   .pager = &m.pager,
			   .resolve = measure_copy},
	};
	int err = bench_child(measure_run, &m, figures);

	if (!err)
		*ns = figures[0];
	return err;
}
