/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the table of what is measured: a method is a row and needs nothing elsewhere. */
#include "bench.h"

enum {
	FLOOR_ANON,
	FLOOR_SHARED,
	KERNEL_MONITOR_ANON,
	KERNEL_MONITOR_SHARED,
	KERNEL_INLINE_ANON,
	KERNEL_INLINE_SHARED,
	KERNEL_REMOTE_ANON,
	KERNEL_REMOTE_SHARED,
};

#define FLOOR(text, is_shared, self)                                                               \
	{                                                                                          \
		.name = text, .kind = BENCH_PLAIN, .shared = is_shared, .floor = self,             \
		.kernel = -1                                                                       \
	}

#define KERNEL(text, how, is_shared)                                                               \
	{                                                                                          \
		.name = text, .kind = how, .choice = {.backend = UF_BACKEND_KERNEL},               \
		.shared = is_shared, .floor = (is_shared) ? FLOOR_SHARED : FLOOR_ANON,             \
		.kernel = -1                                                                       \
	}

#define ENGINE(text, how, is_shared, trap_choice, fill_choice, equivalent)                         \
	{                                                                                          \
		.name = text, .kind = how, .shared = is_shared,                                    \
		.choice = {.backend = UF_BACKEND_ENGINE,                                           \
			   .trap = UF_TRAP_CHOICE_##trap_choice,                                   \
			   .fill = UF_FILL_CHOICE_##fill_choice},                                  \
		.floor = (is_shared) ? FLOOR_SHARED : FLOOR_ANON, .kernel = equivalent             \
	}

const struct bench_method bench_methods[] = {
	[FLOOR_ANON] = FLOOR("plain touch, anon", false, FLOOR_ANON),
	[FLOOR_SHARED] = FLOOR("plain touch, shared", true, FLOOR_SHARED),
	[KERNEL_MONITOR_ANON] = KERNEL("kernel monitor, anon", BENCH_MONITOR, false),
	[KERNEL_MONITOR_SHARED] = KERNEL("kernel monitor, shared", BENCH_MONITOR, true),
	[KERNEL_INLINE_ANON] = KERNEL("kernel inline, anon", BENCH_INLINE, false),
	[KERNEL_INLINE_SHARED] = KERNEL("kernel inline, shared", BENCH_INLINE, true),
	[KERNEL_REMOTE_ANON] = KERNEL("kernel remote, anon", BENCH_REMOTE, false),
	[KERNEL_REMOTE_SHARED] = KERNEL("kernel remote, shared", BENCH_REMOTE, true),
	ENGINE("engine monitor, anon", BENCH_MONITOR, false, AUTO, AUTO, KERNEL_MONITOR_ANON),
	ENGINE("engine monitor, shared", BENCH_MONITOR, true, AUTO, AUTO, KERNEL_MONITOR_SHARED),
	ENGINE("engine remote, anon", BENCH_REMOTE, false, AUTO, AUTO, KERNEL_REMOTE_ANON),
	ENGINE("engine remote, shared", BENCH_REMOTE, true, AUTO, AUTO, KERNEL_REMOTE_SHARED),
	ENGINE("engine inline, anon mprotect+procmem", BENCH_INLINE, false, MPROTECT, PROCMEM,
	       KERNEL_INLINE_ANON),
	ENGINE("engine inline, anon mprotect+mremap", BENCH_INLINE, false, MPROTECT, MREMAP,
	       KERNEL_INLINE_ANON),
	ENGINE("engine inline, shared mprotect+alias", BENCH_INLINE, true, MPROTECT, ALIAS,
	       KERNEL_INLINE_SHARED),
	ENGINE("engine inline, shared guard+alias", BENCH_INLINE, true, GUARD, ALIAS,
	       KERNEL_INLINE_SHARED),
};
const int bench_nmethods = sizeof(bench_methods) / sizeof(bench_methods[0]);

const struct bench_pattern bench_patterns[BENCH_PATTERNS] = {
	{"in order, read", .random = false, .write = false},
	{"in order, write", .random = false, .write = true},
	{"at random, read", .random = true, .write = false},
	{"at random, write", .random = true, .write = true},
};
