/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two files of rows about accesses share: defined in fault.c. */
#ifndef UF_TESTS_FAULT_H
#define UF_TESTS_FAULT_H

#include "lib/conform.h"

/* The code of a function that returns at once. */
#if defined(__x86_64__)
#define FAULT_RETURN_SIZE 1
#elif defined(__aarch64__)
#define FAULT_RETURN_SIZE 4
#endif
extern const unsigned char fault_return[FAULT_RETURN_SIZE];

/* A handler that counts, and a signal for a thread that waits in a fault. */
extern _Atomic int fault_handled;
void fault_count_handler(int sig);
void fault_interrupt(struct t_thread *th);

/* One byte to a pipe: 1 or -errno. */
long fault_write_byte(int fd, const void *byte);

/* For a thread: five bytes from memory to a pipe. */
extern struct fault_writer {
	int fd;
	char *addr;
	ssize_t ret;
} fault_writer;
void fault_write_call(void *arg);

/* For a thread: uf_touch. */
extern struct fault_toucher {
	char *addr;
	size_t len;
	int write;
	int ret;
} fault_toucher;
void fault_touch_call(void *arg);

#endif
