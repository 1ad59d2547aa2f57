/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the way back of messages that were read for somebody who is dead now:
 * the threads they are about still wait, and somebody else shall be told.
 */
#include "engine/engine.h"

static struct ufi_waiter *retell_find(struct ufi_ctx *ctx, const struct uf_msg *msg)
{
	struct uf_list *pos;
	struct uf_list *after;

	UF_LIST_FOR_EACH (pos, after, &ctx->delivered) {
		struct ufi_waiter *w = UF_CONTAINER_OF(pos, struct ufi_waiter, link);
		uint32_t ptid = msg->arg.pagefault.feat.ptid;

		if (w->addr == msg->arg.pagefault.address && w->flags == msg->arg.pagefault.flags &&
		    (!ptid || w->tid == ptid))
			return w;
	}
	return NULL;
}

/*
 * To where they were taken from, the front. Nobody has waited for those that have been
 * resolved meanwhile, and an event is over once it has been read; but a child
 * whose descriptor nobody has is lost.
 */
void ufi_ctx_retell(struct ufi_ctx *ctx, const struct uf_msg *msg, uint32_t n, uint64_t heir)
{
	const struct uf_mmu_ops *ops = ctx->mm->mmu->ops;
	struct ufi_task task;

	ufi_task_enter(&task, ctx->mm);
	ufi_lock_take(&task, &ctx->lock);
	for (uint32_t i = n; i-- > 0;) {
		struct ufi_waiter *w = NULL;

		if (msg[i].event == UF_EVENT_PAGEFAULT)
			w = retell_find(ctx, &msg[i]);
		if (!w)
			continue;
		uf_list_unlink(&w->link);
		uf_list_append(ctx->pending.next, &w->link); /* that is, before the first */
	}
	if (heir)
		ufi_event_again(&task, ctx, heir);
	if (ufi_ctx_unread(ctx)) {
		atomic_fetch_add(&ctx->arrivals, 1);
		(void)ops->unpark(task.mmu, &ctx->arrivals, INT32_MAX);
		if (!ctx->bell)
			ops->bell(task.mmu, ctx->bell_cookie, true);
		ctx->bell = true;
	}
	UFI_VALIDATE_CTX(ctx);
	ufi_lock_release(&task, &ctx->lock);
	ufi_task_leave(&task);
}

void ufi_ctx_ring(struct ufi_ctx *ctx, void (*change)(void *arg), void *arg)
{
	const struct uf_mmu_ops *ops = ctx->mm->mmu->ops;
	struct ufi_task task;

	ufi_task_enter(&task, ctx->mm);
	ufi_lock_take(&task, &ctx->lock);
	change(arg);
	ops->bell(task.mmu, ctx->bell_cookie, false);
	if (ctx->bell)
		ops->bell(task.mmu, ctx->bell_cookie, true);
	ufi_lock_release(&task, &ctx->lock);
	ufi_task_leave(&task);
}
