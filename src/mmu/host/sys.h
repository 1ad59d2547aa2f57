/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Raw system calls: -errno in the return value, no errno, no thread-local
 * storage, no symbol that a preloaded library could have taken over.
 */
#ifndef UF_MMU_HOST_SYS_H
#define UF_MMU_HOST_SYS_H

#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long uf_sys(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long uf_sys(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "no system call sequence for this architecture"
#endif

#define UF_SYS0(nr) uf_sys(nr, 0, 0, 0, 0, 0, 0)
#define UF_SYS1(nr, a) uf_sys(nr, (long)(a), 0, 0, 0, 0, 0)
#define UF_SYS2(nr, a, b) uf_sys(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define UF_SYS3(nr, a, b, c) uf_sys(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define UF_SYS4(nr, a, b, c, d) uf_sys(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define UF_SYS5(nr, a, b, c, d, e)                                                                 \
	uf_sys(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define UF_SYS6(nr, a, b, c, d, e, f)                                                              \
	uf_sys(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#endif
