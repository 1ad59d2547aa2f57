/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of spec/event.md share: changes of the address space by a thread that is told of.
 */
#ifndef UF_TESTS_EVENT_H
#define UF_TESTS_EVENT_H

#include "suites.h"

#define EVENT_ALL (UF_FEATURE_EVENT_UNMAP | UF_FEATURE_EVENT_REMAP | UF_FEATURE_EVENT_REMOVE)

/* And to be told of forks, where that is allowed. */
#define EVENT_FORKS (UF_FEATURE_EVENT_FORK | UF_FEATURE_THREAD_ID)

/* A call that a thread makes. */
struct event_call {
	struct t_thread th;
	void (*make)(struct event_call *c);
	char *addr;
	size_t len;
	size_t new_len; /* mremap */
	int flags;	/* mremap; madvise: the advice */
	void *to;	/* mremap: the new address; the result */
	int ret;
};

void event_munmap(struct event_call *c);
void event_mmap(struct event_call *c); /* a new mapping over what is there */
void event_madvise(struct event_call *c);
void event_mremap(struct event_call *c);

/* A thread makes the call. */
void event_begin(struct t *t, struct event_call *c, void (*make)(struct event_call *c));
/* It is through, and RET is what the call returned. */
void event_end(struct t *t, struct event_call *c, int ret);

/* The next message, unread still while its thread has had time to go on. */
void event_unmap_is(struct uf *uf, struct event_call *c, char *start, char *end);
void event_remap_is(struct uf *uf, struct event_call *c, char *from, char *to, size_t len);
void event_remove_is(struct uf *uf, struct event_call *c, char *start, char *end);

/* Fill a page with a byte, as soon as nothing changes any more. */
void event_fill(struct t *t, struct uf *uf, char *addr, int byte);
/* A touch there raises a message, which is resolved. */
void event_watched(struct t *t, struct uf *uf, char *addr);

#endif
