/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What scenarios of several threads share: a registered range, threads
 * that read all of it, threads that fill it as messages come.
 */
#ifndef UF_TESTS_SIM_RACE_H
#define UF_TESTS_SIM_RACE_H

#include "case.h"

#define P SIM_PAGE
#define RACE_PAGES 4

struct race {
	struct ufi_ctx *ctx;
	struct ufi_ctx *owner; /* of the memory, if it is another */
	uint64_t addr;
	uint64_t npages;
	struct sim_object *object; /* of a source */
	uint8_t byte;		   /* of the next copier */
	uint8_t seen;		   /* a bit for each byte value below 8 that some thread has read */
	uint32_t won;		   /* copies that were made */
	uint32_t lost;		   /* copies that met EEXIST */
	bool stop;
};

/* The test's data. */
static inline struct race *race_of(struct t *t)
{
	return t->data;
}

/* A context and a registered range, the test's data from now on. */
void race_begin(struct t *t, struct race *r, uint64_t npages);

/* What a page is to be filled with. */
static inline uint8_t race_content(const struct race *r, uint64_t addr)
{
	return (uint8_t)(1 + (addr - r->addr) / P);
}

/* Threads. One that reads every page once, beginning anywhere. */
void race_reader(struct t *t);
/* Two that fill pages as messages come: the first blocks, the second polls. */
void race_monitor(struct t *t);
void race_poller(struct t *t);
/* The registration ends, or the context. */
void race_unregister_thread(struct t *t);
void race_close_thread(struct t *t);
/* Monitors end with a fault beyond npages, where the range has a page more. */
void race_end_monitors(struct t *t, struct race *r, struct sim_thread **monitors, int n);

#endif
