/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An owner that is none: a thread that answers a manager as the records of an
 * input tell it to, and rightly when there are no more of them. All of it ends
 * when the manager has been told so often enough, or by impostor_end.
 */
#ifndef UF_TESTS_FUZZ_IMPOSTOR_H
#define UF_TESTS_FUZZ_IMPOSTOR_H

#include "fuzz.h"

/* Where it would like to read the manager's memory: some bytes that must never reach it. */
struct impostor_secret {
	const void *addr;
	size_t len;
};

/* Once. */
void impostor_start(struct impostor_secret secret);
/* A descriptor for the manager, who closes it. Inverse: end. */
int impostor_open(struct fuzz_input *config);
/* The next answer, by its turn. Before open. */
void impostor_learn(const struct fuzz_record *record);
/* It has done all that its last answer was about. OPEN: all descriptors but its own. */
void impostor_settle(uint8_t open[FUZZ_FD_MAX]);
/* It has hung up, and has no descriptor any more. Does it know the secret? */
void impostor_end(void);

#endif
