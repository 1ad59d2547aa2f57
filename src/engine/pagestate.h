/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of a page: one byte, changed by compare-and-swap while the
 * registry is locked for reading, at will while it is locked for writing.
 *
 *	UNKNOWN --settle--> MISSING <--> BUSY --> PRESENT --discard--> MISSING
 *
 * BUSY belongs to the one thread that made it so: it alone may give the page
 * content, open it and say PRESENT, in this order, or give it back to MISSING.
 */
#ifndef UF_ENGINE_PAGESTATE_H
#define UF_ENGINE_PAGESTATE_H

#include "engine/engine.h"

enum ufi_page {
	UFI_PAGE_UNKNOWN, /* closed as a part of its chunk, never looked at; has no content */
	UFI_PAGE_MISSING, /* closed, armed, has no content */
	UFI_PAGE_BUSY,	  /* closed; being filled */
	UFI_PAGE_PRESENT, /* open */
};

static inline _Atomic uint8_t *ufi_page_state(const struct ufi_range *r, uint64_t addr,
					      uint64_t page_size)
{
	return &r->states->page[r->state_off + (addr - r->start) / page_size];
}

static inline enum ufi_page ufi_page_get(_Atomic uint8_t *state)
{
	return (enum ufi_page)atomic_load(state);
}

static inline bool ufi_page_legal(enum ufi_page from, enum ufi_page to)
{
	switch (from) {
	case UFI_PAGE_UNKNOWN:
		return to == UFI_PAGE_MISSING;
	case UFI_PAGE_MISSING:
		return to == UFI_PAGE_BUSY;
	case UFI_PAGE_BUSY:
		return to == UFI_PAGE_MISSING || to == UFI_PAGE_PRESENT;
	case UFI_PAGE_PRESENT:
		return to == UFI_PAGE_MISSING;
	}
	return false;
}

/* True if it was FROM and is TO now. */
static inline bool ufi_page_turn(_Atomic uint8_t *state, enum ufi_page from, enum ufi_page to)
{
	uint8_t seen = from;

	UF_ASSERT(ufi_page_legal(from, to));
	return atomic_compare_exchange_strong(state, &seen, to);
}

#endif
