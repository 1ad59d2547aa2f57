/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A circular doubly linked list whose links are part of the elements. An
 * element that is on no list points to itself, so unlinking it again is
 * harmless.
 */
#ifndef UF_BASE_LIST_H
#define UF_BASE_LIST_H

#include <stdbool.h>

#include "base/compiler.h"

struct uf_list {
	struct uf_list *next;
	struct uf_list *prev;
};

static inline void uf_list_init(struct uf_list *l)
{
	l->next = l->prev = l;
}

static inline bool uf_list_empty(const struct uf_list *l)
{
	return l->next == l;
}

static inline void uf_list_append(struct uf_list *head, struct uf_list *elem)
{
	elem->prev = head->prev;
	elem->next = head;
	head->prev->next = elem;
	head->prev = elem;
}

static inline void uf_list_unlink(struct uf_list *elem)
{
	elem->prev->next = elem->next;
	elem->next->prev = elem->prev;
	uf_list_init(elem);
}

/* Walks LIST; the element at hand may be unlinked. POS and NEXT are struct uf_list pointers. */
#define UF_LIST_FOR_EACH(pos, after, list)                                                         \
	for ((pos) = (list)->next, (after) = (pos)->next; (pos) != (list);                         \
	     (pos) = (after), (after) = (pos)->next)

#endif
