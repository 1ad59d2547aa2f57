/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the wake rule: who retries. It never asks whether that will help them. */
#include "engine/engine.h"

/* Off the list, so that a message nobody has read is gone. spec: wake.4 */
static void wake_list(struct ufi_task *task, struct uf_list *list, uint64_t start, uint64_t end)
{
	struct uf_list *pos;
	struct uf_list *after;

	UF_LIST_FOR_EACH (pos, after, list) {
		struct ufi_waiter *w = UF_CONTAINER_OF(pos, struct ufi_waiter, link);

		if (w->addr < start || w->addr >= end)
			continue;
		/* On its list until it is awake: the next wake does it if we are killed here. */
		atomic_store(&w->state, UFI_WAITER_WOKEN);
		task->mmu->ops->unpark(task->mmu, &w->state, 1);
		uf_list_unlink(&w->link);
	}
}

/* spec: wake.2, wake.3 */
void ufi_wake(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t start, uint64_t end)
{
	ufi_lock_take(task, &ctx->lock);
	wake_list(task, &ctx->pending, start, end);
	wake_list(task, &ctx->delivered, start, end);
	ufi_ctx_hush(task, ctx);
	UFI_VALIDATE_CTX(ctx);
	ufi_lock_release(task, &ctx->lock);
}
