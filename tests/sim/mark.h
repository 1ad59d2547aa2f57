/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What scenarios about protected pages share: memory in any mode, threads that
 * write, protect, and change mappings, one that lets every write through.
 */
#ifndef UF_TESTS_SIM_MARK_H
#define UF_TESTS_SIM_MARK_H

#include "race.h"

#define MARK_WRITES 4

/* A range in that mode; all its pages have content if BYTE is not 0. */
void mark_begin(struct t *t, struct race *r, uint64_t npages, uint64_t mode, uint8_t byte);
/* By the schedule: one in which memory fills itself, or one in which it does not. */
uint64_t mark_mode(struct t *t);

/* Threads. Every writer has a byte of its own in each page, which it counts up. */
void mark_writer(struct t *t);
void mark_protector(struct t *t);
/* One that writes 7 everywhere, whatever becomes of it. */
void mark_careless_writer(struct t *t);
/* The program's own changes, several of them. */
void mark_discard_thread(struct t *t);
void mark_mprotect_thread(struct t *t);
/* Fills what is missing, ends what is protected, as messages come. */
void mark_monitor(struct t *t);
void mark_resolve(struct t *t, struct race *r, const struct uf_msg *msg);
/* It ends with a fault beyond npages, where the range has a page more. */
void mark_end_monitor(struct t *t, struct race *r, struct sim_thread *monitor);

/* Nothing that they wrote is lost. */
void mark_check_writes(struct t *t, struct race *r, uint64_t npages, int writers);

#endif
