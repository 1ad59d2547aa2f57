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
 *
 * Figures are compared only within one round, in which every method ran once,
 * in turn. What cannot be measured is absent and said to be; nothing is assumed.
 */
#ifndef UF_BENCH_BENCH_H
#define UF_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <userfault.h>

enum bench_kind {
	BENCH_FLOOR,
	BENCH_MONITOR, /* a thread blocked in read() */
	BENCH_INLINE,  /* UF_FEATURE_SIGBUS, and the copy in the signal handler */
};

struct bench_method {
	const char *name;
	enum bench_kind kind;
	enum uf_backend backend;
	enum uf_trap_choice trap;
	enum uf_fill_choice fill;
	bool shared;
	int floor;  /* index of what it cannot beat */
	int kernel; /* index of the kernel's equivalent; -1: none */
};

enum bench_placement {
	BENCH_ONE_THREAD, /* there is only one thread */
	BENCH_ONE_CPU,	  /* both threads on one CPU, and the process confined to it */
	BENCH_TWO_CPUS,
	BENCH_PLACEMENTS,
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
extern const char *const bench_placements[BENCH_PLACEMENTS];

/* Does this method run with threads placed so? */
static inline bool bench_fits(const struct bench_method *m, enum bench_placement p)
{
	return (m->kind == BENCH_MONITOR) == (p != BENCH_ONE_THREAD);
}

/* What was asked for on the command line, and what the machine offers. */
struct bench_setting {
	size_t npages;
	int rounds;
	const char *output; /* NULL: none */
	int cpu[2];	    /* cpu[1] is -1 if there is only one */
	size_t page_size;
};

/* Nanoseconds a page of each round; negative: -errno, not measured. */
struct bench_result {
	double *ns; /* [rounds] */
};

/* Of one method, pattern and placement; indices in that order. */
static inline size_t bench_index(int method, int pattern, int placement)
{
	return ((size_t)method * BENCH_PATTERNS + (size_t)pattern) * BENCH_PLACEMENTS +
	       (size_t)placement;
}

struct bench_stats {
	double min;
	double median;
	double max;
};

/*
 * Of RESULT, or of its ratios to BASE if that is not NULL, round by round.
 * False if any round could not be measured.
 */
bool bench_stats(const struct bench_setting *s, const struct bench_result *result,
		 const struct bench_result *base, struct bench_stats *stats);

/*
 * measure.c: run once, in a process of its own. Returns 0 and *NS, nanoseconds
 * a page, or -errno: the machine refuses this method. A page with the wrong
 * content, or a process that dies, is -EPROTO.
 */
int bench_measure(const struct bench_setting *s, const struct bench_method *m,
		  const struct bench_pattern *pattern, enum bench_placement placement, double *ns);

/* pager.c: a userfaultfd, the kernel's by hand or the engine's by the library. */
struct bench_pager {
	const struct bench_method *method;
	struct uf *uf; /* of the engine */
	int fd;	       /* of the kernel */
};
int bench_pager_open(struct bench_pager *p, const struct bench_method *m, char *addr, size_t len);
/* Blocks. The address of a fault, or -errno in *ERR. AS-Safe, as is bench_pager_copy. */
uintptr_t bench_pager_read(struct bench_pager *p, int *err);
int bench_pager_copy(struct bench_pager *p, uintptr_t dst, const void *src, size_t len);
void bench_pager_close(struct bench_pager *p);

/* report.c */
void bench_print(const struct bench_setting *s, const struct bench_result *results);
/* 0 or -errno. */
int bench_write(const struct bench_setting *s, const struct bench_result *results);

#endif
