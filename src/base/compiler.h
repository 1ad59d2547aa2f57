/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the compiler is told beyond C11: results that must be used, layout helpers, assertions. */
#ifndef UF_BASE_COMPILER_H
#define UF_BASE_COMPILER_H

#include <stddef.h>

#define UF_MUST_USE __attribute__((warn_unused_result))
#define UF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define UF_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define UF_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/*
 * A broken invariant, never a bad argument. It must work in a signal handler
 * and without libc, hence the trap. The cheap ones stay in every build; those
 * that walk structures are UF_DEBUG only (UF_ASSERT_SLOW).
 */
#define UF_ASSERT(cond)                                                                            \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			__builtin_trap();                                                          \
	} while (0)

#ifdef UF_DEBUG
#define UF_ASSERT_SLOW(cond) UF_ASSERT(cond)
#else
#define UF_ASSERT_SLOW(cond) ((void)0)
#endif

#endif
