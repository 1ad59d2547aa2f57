/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of a page: one byte, what the kernel keeps in a page table entry.
 * A kind, and flags beside it:
 *
 *	UNKNOWN		as the range began, never looked at
 *	MISSING		nothing is mapped there; closed
 *	PRESENT		there is a page; open
 *	POISON		accesses fail; closed
 *	+ WP		accesses that write are faults; beside UNKNOWN and MISSING it
 *			is what the kernel calls a marker
 *	+ RWP		all accesses are faults; what is there keeps its content,
 *			and is closed. Nothing that is not there gets it
 *	+ BUSY		belongs to the one thread that made it so, which alone may
 *			change it
 *
 * There are two sorts of ranges. One that is registered for MISSING or MINOR
 * faults is *armed*: it begins closed, and UNKNOWN is a page without content
 * that is closed as a part of its chunk. Any other is *open*: the machine fills
 * its pages by itself, UNKNOWN is a page that is open and may be there or not,
 * and there is neither MISSING nor PRESENT.
 */
#ifndef UF_ENGINE_PAGESTATE_H
#define UF_ENGINE_PAGESTATE_H

#include "engine/engine.h"

enum ufi_page {
	UFI_PAGE_UNKNOWN,
	UFI_PAGE_MISSING,
	UFI_PAGE_PRESENT,
	UFI_PAGE_POISON,
};

#define UFI_PAGE_KIND 0x07u
#define UFI_PAGE_WP 0x10u
#define UFI_PAGE_RWP 0x20u
#define UFI_PAGE_BUSY 0x80u

/* A set of kinds, for ufi_page_claim. */
#define UFI_KIND(kind) (1u << (kind))
#define UFI_KIND_ANY 0xffu

static inline _Atomic uint8_t *ufi_page_state(const struct ufi_range *r, uint64_t addr)
{
	return &r->states->page[r->state_off + (addr - r->start) / r->page_size];
}

static inline enum ufi_page ufi_page_kind(uint8_t state)
{
	return (enum ufi_page)(state & UFI_PAGE_KIND);
}

/* The page at AT is in this state: the end, not above END, of those from there on that are as well.
 */
static inline uint64_t ufi_page_alike(const struct ufi_range *r, uint64_t at, uint64_t end,
				      uint8_t state)
{
	do
		at += r->page_size;
	while (at < end && atomic_load(ufi_page_state(r, at)) == state);
	return at;
}

/* Eight states at once; any of them may change meanwhile. */
typedef uint64_t ufi_page_word __attribute__((may_alias));
#define UFI_PAGE_WORD(flags) (UINT64_C(0x0101010101010101) * (flags))

/*
 * The end, not above END, of the pages from AT on that have the same of these FLAGS
 * as STATE. Most of a range is alike: it goes over them in words.
 */
static inline uint64_t ufi_page_same(const struct ufi_range *r, uint64_t at, uint64_t end,
				     uint8_t flags, uint8_t state)
{
	const _Atomic uint8_t *page = ufi_page_state(r, at);
	uint8_t like = state & flags;
	size_t n = (end - at) / r->page_size;
	size_t i = 0;

	while (i < n && (atomic_load_explicit(&page[i], memory_order_relaxed) & flags) == like) {
		i++;
		while (n - i >= sizeof(uint64_t) && (uintptr_t)&page[i] % sizeof(uint64_t) == 0 &&
		       (__atomic_load_n((const ufi_page_word *)(uintptr_t)&page[i],
					__ATOMIC_RELAXED) &
			UFI_PAGE_WORD(flags)) == UFI_PAGE_WORD(like))
			i += sizeof(uint64_t);
	}
	return at + i * r->page_size;
}

static inline bool ufi_range_armed(const struct ufi_range *r)
{
	return r->modes & (UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_MINOR);
}

/* Are writes let through, and only found out about? */
static inline bool ufi_range_tracked(const struct ufi_range *r)
{
	return (r->modes & UF_REGISTER_MODE_WP) &&
	       (atomic_load(&r->ctx->features) & UF_FEATURE_WP_ASYNC);
}

/* Does nothing but its flags keep the program from it? */
static inline bool ufi_page_there(const struct ufi_range *r, uint8_t state)
{
	enum ufi_page kind = ufi_page_kind(state);

	return kind == UFI_PAGE_PRESENT || (kind == UFI_PAGE_UNKNOWN && !ufi_range_armed(r));
}

/* May the program access it, for reading at least? */
static inline bool ufi_page_open(const struct ufi_range *r, uint8_t state)
{
	return !(state & UFI_PAGE_RWP) && ufi_page_there(r, state);
}

/* Closed as a part of its chunk, and not yet by itself? */
static inline bool ufi_page_whole(const struct ufi_range *r, uint8_t state)
{
	return ufi_page_kind(state) == UFI_PAGE_UNKNOWN && ufi_range_armed(r);
}

/* Busy, and what else it was stays to be read: true if it is ours now. */
static inline bool ufi_page_claim(_Atomic uint8_t *state, unsigned kinds, uint8_t without)
{
	uint8_t seen = atomic_load(state);

	do {
		if ((seen & (UFI_PAGE_BUSY | without)) || !(kinds >> ufi_page_kind(seen) & 1))
			return false;
	} while (!atomic_compare_exchange_weak(state, &seen, (uint8_t)(seen | UFI_PAGE_BUSY)));
	return true;
}

/* What we have claimed, or what nobody else can look at, is STATE now. */
static inline void ufi_page_release(_Atomic uint8_t *state, uint8_t to)
{
	UF_ASSERT((atomic_load(state) & UFI_PAGE_BUSY) && !(to & UFI_PAGE_BUSY));
	atomic_store(state, to);
}

#endif
