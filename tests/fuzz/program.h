/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that has a userfaultfd of the engine's and shares it, for managers
 * that are up to no good. They may do to its memory what a userfaultfd may,
 * and nothing else.
 */
#ifndef UF_TESTS_FUZZ_PROGRAM_H
#define UF_TESTS_FUZZ_PROGRAM_H

#include <sys/types.h>

#include "fuzz.h"

/* Pages of the program's memory that a manager knows of, by what they are. */
enum program_page {
	PROGRAM_ANON = 1, /* before it, and between the others: pages that never change */
	PROGRAM_SHMEM = 11,
	PROGRAM_END = 21,   /* beyond what a manager may register */
	PROGRAM_HOLE = 22,  /* nothing is mapped there */
	PROGRAM_CHECK = 24, /* two anonymous ones, two of shared memory */
	PROGRAM_KEEPER = 29,
	PROGRAM_PAGES = 32,
};

/* What one of the program's own threads does, and may have to wait for. */
enum program_job {
	PROGRAM_READ,
	PROGRAM_WRITE,
	PROGRAM_DISCARD,
	PROGRAM_FORK, /* once an input */
	PROGRAM_JOBS,
};

/* Once. Another context lives as long as the process, and is served meanwhile. */
void program_start(void);
/* New memory, a new context, registered or not as CONFIG says. Inverse: end. */
void program_open(struct fuzz_input *config);
/* The descriptor as a manager has received it: it is closed by end. */
int program_fd(void);
size_t program_page_size(void);
char *program_addr(size_t page);
/* A thread does that with a page that can be registered, unless it is still at its last job. */
void program_work(unsigned int thread, enum program_job job, size_t page);
/* The program closes its handle; managers go on. */
void program_close(void);
/* A manager has made the descriptor itself useless. */
void program_deafened(void);

/* A number for a request: small, odd, or an address. */
uint64_t program_number(struct fuzz_input *in);
/* Of a REGISTER of memory that the fuzzer itself needs, another one is made. */
void program_restrain(uint8_t *request, size_t len);

/* The manager has closed all that was his: is everybody else served, and everything as it was? */
void program_end(void);

#endif
