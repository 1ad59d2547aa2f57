/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one missing page costs. Nouns of the benchmark:
 *
 * A method is a way to give a missing page its content: plain first touch (the
 * floor), a monitor thread, or the faulting thread itself in its SIGBUS handler;
 * by the kernel or by the engine; on anonymous or on shared memory. A pattern
 * is the order and the kind of the accesses, a placement where the threads run.
 * A figure without its placement says nothing: waking an idle CPU can cost ten
 * times the fault.
 */
#ifndef UF_BENCH_BENCH_H
#define UF_BENCH_BENCH_H

#include "common.h"

struct bench_method {
	const char *name;
	enum bench_kind kind;
	struct bench_choice choice;
	bool shared;
	int floor;  /* index of what it cannot beat */
	int kernel; /* index of the kernel's equivalent; -1: none */
};

struct bench_pattern {
	const char *name;
	bool random;
	bool write;
};

/* methods.c */
extern const struct bench_method bench_methods[];
extern const int bench_nmethods;
extern const struct bench_pattern bench_patterns[];
#define BENCH_PATTERNS 4

/* Of one method, pattern and placement; indices in that order. */
static inline size_t bench_index(int method, int pattern, int placement)
{
	return ((size_t)method * BENCH_PATTERNS + (size_t)pattern) * BENCH_PLACEMENTS +
	       (size_t)placement;
}

/*
 * measure.c: run once, in a process of its own. Returns 0 and *NS, nanoseconds
 * a page, or -errno: the machine refuses this method. A page with the wrong
 * content, or a process that dies, is -EPROTO.
 */
int bench_measure(const struct bench_setting *s, const struct bench_method *m,
		  const struct bench_pattern *pattern, enum bench_placement placement, double *ns);

/* report.c */
void bench_print(const struct bench_setting *s, const struct bench_result *results);
/* 0 or -errno. */
int bench_write(const struct bench_setting *s, const struct bench_result *results);

#endif
