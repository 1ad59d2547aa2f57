/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fuzzers share. An input is a list of records, each of a kind, a length
 * and so many bytes; what is missing at its end is zeros. So every input means
 * something, and one that is changed a little does something else a little.
 *
 * What must hold is checked with FUZZ_CHECK, which ends the process.
 */
#ifndef UF_TESTS_FUZZ_H
#define UF_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/message.h"

#define FUZZ_CHECK(cond)                                                                           \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fuzz_fail(__FILE__, __LINE__, #cond);                                      \
	} while (0)

void fuzz_fail(const char *file, int line, const char *what) __attribute__((noreturn));

/* Nothing takes longer than that, however busy the machine is. */
#define FUZZ_BOUND_MS 20000

/* --- Input --- */

struct fuzz_input {
	const uint8_t *at;
	const uint8_t *end;
};

struct fuzz_record {
	uint8_t kind;
	struct fuzz_input body;
};

uint8_t fuzz_u8(struct fuzz_input *in);
uint64_t fuzz_u64(struct fuzz_input *in);
/* The next record, or false: there is none. */
bool fuzz_next(struct fuzz_input *in, struct fuzz_record *record);
/* Pairs of bytes, a place and what is turned over there, to the end of IN. */
void fuzz_mutate(struct fuzz_input *in, uint8_t *bytes, size_t len);

/* --- Sockets --- */

/* Is there something to be read, within that time (-1: without end)? */
bool fuzz_wait(int fd, int ms);
/* A message; descriptors are the caller's. Waits, but not without end. */
long fuzz_recv(int sock, void *bytes, size_t len, struct message_fds *fds);
/* A pair of sockets of that type, closed on exec. */
void fuzz_pair(int type, int pair[2]);

#define FUZZ_FD_MAX 1024

/* Of this process: how many, and which. */
int fuzz_count_fds(void);
void fuzz_list_fds(uint8_t open[FUZZ_FD_MAX]);
/* Others may close some a little later. */
void fuzz_fds_are(int want);

/* --- What libFuzzer calls, and replay.c --- */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
