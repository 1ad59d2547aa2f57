/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host machine: this Linux process. One per process, started by the first
 * engine context. It owns the signal handlers, the traps, the doors by which
 * pages are filled, and every change of the address space that the library or
 * the shim carries out for the program.
 */
#ifndef UF_MMU_HOST_HOST_H
#define UF_MMU_HOST_HOST_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

struct ufi_mm;

/*
 * Start the machine (once; later calls only look that our signal handlers are
 * still installed). *MM is borrowed for the life of the process. -ENOTSUP:
 * something indispensable is missing, *WHY (a literal) says what. MT-Safe.
 */
int ufi_host_start(struct ufi_mm **mm, const char **why) UF_MUST_USE;

/* Is the machine running in this process, with anything registered? AS-Safe. */
bool ufi_host_active(void);

/*
 * Which process of a line of forks this is: a context that was made in another
 * epoch is about the memory of a parent. AS-Safe.
 */
uint32_t ufi_host_epoch(void);

/*
 * The system calls of the same names, on memory that may be registered. They
 * return what the system call returns, -errno on failure. While nothing is
 * registered they are the system calls. AS-Safe.
 */
long ufi_host_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
long ufi_host_munmap(void *addr, size_t len);
long ufi_host_mremap(void *old, size_t old_len, size_t new_len, int flags, void *new_addr);
long ufi_host_mprotect(void *addr, size_t len, int prot);
long ufi_host_madvise(void *addr, size_t len, int advice);
/* As the system call, it returns where the heap ends now: at ADDR, or as before. */
long ufi_host_brk(void *addr);

/* As uf_scan, its argument at ARG. */
int64_t ufi_host_scan(uint64_t arg) UF_MUST_USE;

/*
 * pread of /proc/self/pagemap, open as FD, with what the engine knows of the pages.
 * Bytes or -errno.
 */
int64_t ufi_host_pagemap(int fd, void *buf, size_t len, off_t offset) UF_MUST_USE;

/* As uf_touch. */
int ufi_host_touch(const void *addr, size_t len, bool write) UF_MUST_USE;

/*
 * sigaction for a program whose SIGSEGV and SIGBUS the machine has taken:
 * changes and tells the action that faults which are not ours are passed to.
 * Only for these two signals; before the machine runs it is the system call.
 * Returns 0 or -errno. ACT and OLD as in sigaction(3). AS-Safe.
 */
int ufi_host_sigaction(int sig, const struct sigaction *act, struct sigaction *old) UF_MUST_USE;

/* Descriptors of ours that a program must not close. AS-Safe. */
bool ufi_host_owns_fd(int fd);

/* What attach would choose: for uf_doctor and for UF_TRAP_CHOICE_GUARD's refusal. */
struct ufi_host_caps {
	bool guard_shmem;    /* guard markers on shared memory, by effect */
	bool procmem;	     /* /proc/self/mem writes through PROT_NONE, by effect */
	bool maps;	     /* /proc/self/maps can be read */
	bool pagemap;	     /* /proc/self/pagemap tells which pages are present */
	bool memory_failure; /* Linux handles failing memory, or nothing tells */
	bool dontunmap;	     /* mremap can leave the mapping, by effect */
};
void ufi_host_caps(struct ufi_host_caps *caps);

#endif
