/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the manager and its programs agree about: what a program says of itself
 * over its socket, and what is to be found in its memory.
 */
#ifndef UF_EXAMPLES_MANAGER_H
#define UF_EXAMPLES_MANAGER_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "example.h"

enum say_kind {
	SAY_HELLO,  /* with the descriptor: the manager serves it from now on */
	SAY_REGION, /* memory with new content is about to be registered */
	SAY_REAPED, /* the child that was forked last is gone */
	SAY_DONE,   /* all is well, and so much was done */
};

struct say {
	uint32_t kind;
	uint32_t failed;
	uint64_t start;
	uint64_t len;
	uint64_t seed; /* of the content of that memory */
	uint64_t forks, moves, unmaps, discards, pages;
};

/* Word WORD of page PAGE, counted from where the memory began, wherever it is by now. */
static inline uint64_t content(uint64_t seed, uint64_t page, uint64_t word)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 + page * 0xbf58476d1ce4e5b9 + word;

	x = (x ^ (x >> 30)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* --- manager_program.c: a program, which computes as long as it is told to --- */

struct program {
	enum uf_backend backend;
	unsigned number;
	unsigned seconds;
	int sock; /* to the manager */
};

/* Its exit status. */
int program_run(const struct program *p);

#endif
