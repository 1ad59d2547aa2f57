/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether to look again for a while before sleeping. To be woken from sleep costs
 * tens of microseconds where a processor has to be woken for it; who is answered
 * sooner than that had better stay awake, and who is not wastes the time. The
 * last tries tell which it is.
 */
#ifndef UF_BASE_LINGER_H
#define UF_BASE_LINGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* After so many vain tries in a row only every so many-th is made. */
#define UF_LINGER_MISSES 4
#define UF_LINGER_RETRY 32

/* Of those who wait for the same. All zero: nothing is known yet. */
struct uf_linger {
	_Atomic uint32_t misses; /* in a row */
};

/* How many rounds to stay awake this time, MOST or none. To be followed by uf_linger_over. */
static inline uint32_t uf_linger_rounds(struct uf_linger *l, uint32_t most)
{
	uint32_t misses = atomic_load_explicit(&l->misses, memory_order_relaxed);

	return misses < UF_LINGER_MISSES || misses % UF_LINGER_RETRY == 0 ? most : 0;
}

/* PAID: there was no need to sleep. */
static inline void uf_linger_over(struct uf_linger *l, bool paid)
{
	if (!paid)
		atomic_fetch_add_explicit(&l->misses, 1, memory_order_relaxed);
	else if (atomic_load_explicit(&l->misses, memory_order_relaxed))
		atomic_store_explicit(&l->misses, 0, memory_order_relaxed);
}

#endif
