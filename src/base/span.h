/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on [start, end) of addresses, without overflow. */
#ifndef UF_BASE_SPAN_H
#define UF_BASE_SPAN_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t uf_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t uf_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* SIZE is a power of two. */
static inline bool uf_aligned(uint64_t x, uint64_t size)
{
	return (x & (size - 1)) == 0;
}

static inline uint64_t uf_align_down(uint64_t x, uint64_t size)
{
	return x & ~(size - 1);
}

/* X at most SIZE below the top of the type. */
static inline uint64_t uf_align_up(uint64_t x, uint64_t size)
{
	return uf_align_down(x + size - 1, size);
}

static inline bool uf_overlap(uint64_t s1, uint64_t e1, uint64_t s2, uint64_t e2)
{
	return s1 < e2 && s2 < e1;
}

#endif
