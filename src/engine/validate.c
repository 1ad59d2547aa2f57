/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the invariants: what must hold of every object between two changes.
 * Called after each change in builds with UF_DEBUG, and by the tests.
 */
#include "engine/pagestate.h"

static void validate_range(const struct ufi_mm *mm, const struct ufi_range *r)
{
	uint64_t page = r->page_size;
	uint64_t npages = (r->end - r->start) / page;

	UF_ASSERT(r->start < r->end && r->end <= mm->mmu->task_size);
	UF_ASSERT(uf_aligned(r->start, page) && uf_aligned(r->end, page));
	UF_ASSERT(r->mem && !(r->modes & ~r->mem->modes));
	UF_ASSERT(r->ctx ? r->ctx->mm == mm : atomic_load(&r->states->poisoned));
	UF_ASSERT(r->modes || atomic_load(&r->states->poisoned));
	UF_ASSERT(r->life == UFI_RANGE_KEPT || r->life == UFI_RANGE_FRESH);
	UF_ASSERT(r->trap != UF_TRAP_AUTO && r->fill != UF_FILL_AUTO);
	UF_ASSERT(r->states->refs > 0);
	UF_ASSERT(sizeof(*r->states) + r->state_off + npages <= r->states->size);
}

/* The registry is locked. */
void ufi_validate_mm(const struct ufi_mm *mm)
{
	const struct ufi_table *table = mm->table;

	UF_ASSERT(table->n <= mm->ranges_max);
	for (uint32_t i = 0; i < table->n; i++) {
		validate_range(mm, table->range[i]);
		UF_ASSERT(i == 0 || table->range[i - 1]->end <= table->range[i]->start);
	}
}

static uint32_t validate_waiters(const struct ufi_ctx *ctx, const struct uf_list *list)
{
	const struct uf_list *pos;
	uint32_t n = 0;

	for (pos = list->next; pos != list; pos = pos->next, n++) {
		const struct ufi_waiter *w =
			(const struct ufi_waiter *)((const char *)pos -
						    offsetof(struct ufi_waiter, link));

		UF_ASSERT(pos->next->prev == pos && pos->prev->next == pos);
		UF_ASSERT(w >= ctx->waiters && w < ctx->waiters + ctx->waiters_used);
		UF_ASSERT(atomic_load(&w->state) != UFI_WAITER_FREE);
		UF_ASSERT(n <= ctx->waiters_used);
	}
	return n;
}

/* The context is locked. */
void ufi_validate_ctx(const struct ufi_ctx *ctx)
{
	uint32_t listed =
		validate_waiters(ctx, &ctx->pending) + validate_waiters(ctx, &ctx->delivered);
	uint32_t waiting = 0;
	uint32_t unread = 0;

	for (uint32_t i = 0; i < ctx->waiters_used; i++)
		waiting += atomic_load(&ctx->waiters[i].state) == UFI_WAITER_WAITING;
	for (uint32_t i = 0; i < ctx->events_used; i++)
		unread += atomic_load(&ctx->event[i].state) == UFI_EVENT_UNREAD;
	UF_ASSERT(listed >= waiting);
	UF_ASSERT(unread <= atomic_load(&ctx->changing));
	UF_ASSERT(!unread || !uf_list_empty(&ctx->events));
	UF_ASSERT(listed <= atomic_load(&ctx->refs));
}
