/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of tests about MOVE share. */
#ifndef UF_TESTS_SIM_MOVE_H
#define UF_TESTS_SIM_MOVE_H

#include "case.h"

#define P SIM_PAGE

/* Memory whose page I is full of I + 1, registered in that mode unless it is 0. */
uint64_t move_source(struct t *t, struct ufi_ctx *ctx, uint64_t npages, uint64_t mode);

/*
 * Page I is full of I + 1 at the target below DONE, and above it at the source, and nothing
 * is at the other place. What the machine lets through is what the states say.
 */
void move_check_places(struct t *t, uint64_t dst, uint64_t src, uint64_t npages, uint64_t done);
/* The same for a page of which it is not known: true if it is at the target. */
bool move_check_page(struct t *t, uint64_t dst, uint64_t src, uint8_t byte);

#endif
