/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the life of a userfaultfd and the dispatch of its ioctls: made, shaken
 * hands with, used, released when nobody uses it any more, freed when nobody
 * waits in it any more.
 */
#include "base/step.h"
#include "engine/engine.h"

#define CTX_WAITERS_SIZE (UFI_WAITERS * sizeof(struct ufi_waiter))

/* spec: open.5 */
int ufi_ctx_open(struct ufi_mm *mm, const struct ufi_ctx_options *opt, struct ufi_ctx **out)
{
	const struct uf_mmu_ops *ops = mm->mmu->ops;
	struct ufi_ctx *ctx = ops->alloc(mm->mmu, sizeof(*ctx));

	if (!ctx)
		return -ENOMEM;
	ctx->waiters = ops->alloc(mm->mmu, CTX_WAITERS_SIZE);
	if (!ctx->waiters) {
		ops->free(mm->mmu, ctx, sizeof(*ctx));
		return -ENOMEM;
	}
	ctx->mm = mm;
	ctx->bell_cookie = opt->bell_cookie;
	ctx->trap = opt->trap;
	ctx->fill = opt->fill;
	ctx->user_mode_only = opt->user_mode_only;
	ctx->users = 1;
	ctx->refs = 1;
	uf_list_init(&ctx->pending);
	uf_list_init(&ctx->delivered);
	uf_list_init(&ctx->events);
	*out = ctx;
	return 0;
}

void ufi_ctx_get(struct ufi_ctx *ctx)
{
	atomic_fetch_add(&ctx->users, 1);
}

void ufi_ctx_unref(struct ufi_task *task, struct ufi_ctx *ctx)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;

	if (atomic_fetch_sub(&ctx->refs, 1) != 1)
		return;
	ops->free(task->mmu, ctx->waiters, CTX_WAITERS_SIZE);
	ops->free(task->mmu, ctx, sizeof(*ctx));
}

void ufi_ctx_announce(struct ufi_task *task, struct ufi_ctx *ctx)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;

	atomic_fetch_add(&ctx->arrivals, 1);
	if (ops->unpark(task->mmu, &ctx->arrivals, 1) > 0 || ctx->bell)
		return;
	ctx->bell = true;
	ops->bell(task->mmu, ctx->bell_cookie, true);
}

void ufi_ctx_hush(struct ufi_task *task, struct ufi_ctx *ctx)
{
	if (!ctx->bell || ufi_ctx_unread(ctx))
		return;
	ctx->bell = false;
	task->mmu->ops->bell(task->mmu, ctx->bell_cookie, false);
}

/* What is unread while no bell rings has been told to a reader that slept, or is dead now. */
void ufi_ctx_remind(struct ufi_task *task, struct ufi_ctx *ctx)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;

	ufi_lock_take(task, &ctx->lock);
	if (!ctx->released && !ctx->bell && ufi_ctx_unread(ctx)) {
		atomic_fetch_add(&ctx->arrivals, 1);
		ops->unpark(task->mmu, &ctx->arrivals, INT32_MAX);
		ctx->bell = true;
		ops->bell(task->mmu, ctx->bell_cookie, true);
	}
	ufi_lock_release(task, &ctx->lock);
}

/*
 * Who is woken faults again and waits for the registry, so it may come first:
 * then nobody sleeps on if we are killed in between.
 * spec: close.1, close.2, close.6, rwprotect.22
 */
static void ctx_release(struct ufi_task *task, struct ufi_ctx *ctx)
{
	struct ufi_mm *mm = ctx->mm;

	ufi_rwlock_write(task, &mm->registry);
	ufi_wake(task, ctx, 0, UINT64_MAX);
	ufi_event_release(task, ctx);
	/* Without memory for it the poison is lost, and nothing else. spec: close.7 */
	(void)!ufi_range_keep_poison(mm, ctx, 0, UINT64_MAX);
	for (uint32_t i = 0; i < mm->table->n; i++) {
		if (mm->table->range[i]->ctx == ctx)
			mm->table->range[i]->life = UFI_RANGE_ENDING;
	}
	ufi_range_reap(mm);
	UFI_VALIDATE_MM(mm);
	ufi_rwlock_write_end(task, &mm->registry);
}

void ufi_ctx_put(struct ufi_ctx *ctx)
{
	struct ufi_task task;

	if (atomic_fetch_sub(&ctx->users, 1) != 1)
		return;
	ufi_task_enter(&task, ctx->mm);
	ctx_release(&task, ctx);
	ufi_ctx_unref(&task, ctx);
	ufi_task_leave(&task);
}

/* What a refusal leaves behind: a zeroed structure. spec: api.3 */
static int ctx_api_refuse(struct ufi_task *task, uint64_t arg, int err)
{
	static const struct uf_io_api zero;

	return ufi_user_out(task, arg, &zero, sizeof(zero)) ? -EFAULT : err;
}

/* spec: api.2, api.9 */
static int ctx_api_check(struct ufi_task *task, const struct uf_io_api *api)
{
	if (api->api != UF_UAPI_API)
		return -EINVAL;
	if ((api->features & UF_FEATURE_EVENT_FORK) && !task->mmu->ops->privileged(task->mmu))
		return -EPERM;
	return ufi_features_fit(api->features) ? 0 : -EINVAL;
}

/* spec: api.1, api.5, api.6, api.10, setmode.7 */
static int ctx_api(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t arg)
{
	struct uf_io_api api;
	uint64_t wanted;
	uint64_t none = 0;
	int err;

	if (ufi_user_in(task, &api, arg, sizeof(api)))
		return -EFAULT;
	wanted = api.features;
	err = ctx_api_check(task, &api);
	if (err)
		return ctx_api_refuse(task, arg, err);

	api.features = UFI_FEATURES;
	api.ioctls = UFI_API_IOCTLS;
	if (ufi_user_out(task, arg, &api, sizeof(api)))
		return -EFAULT;
	if (wanted & UF_FEATURE_WP_ASYNC) /* spec: async.4 */
		wanted |= UF_FEATURE_WP_UNPOPULATED;
	if (!atomic_compare_exchange_strong(&ctx->features, &none, wanted | UFI_CTX_READY))
		return ctx_api_refuse(task, arg, -EINVAL);
	return 0;
}

/* spec: register.12 */
static int ctx_register(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t arg)
{
	struct ufi_op_register op;
	uint64_t ioctls;
	int err;

	err = ufi_decode_register(task, arg, atomic_load(&ctx->features), &op);
	if (!err)
		err = ufi_register(task, ctx, &op, &ioctls);
	if (err)
		return err;
	return ufi_user_out(task, arg + offsetof(struct uf_io_register, ioctls), &ioctls,
			    sizeof(ioctls));
}

static int ctx_unregister(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t arg)
{
	struct ufi_span op;
	int err;

	err = ufi_decode_span(task, arg, &op);
	if (err)
		return err;
	return ufi_unregister(task, ctx, &op);
}

/* spec: wake.1 */
static int ctx_wake(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t arg)
{
	struct ufi_span op;
	int err;

	err = ufi_decode_span(task, arg, &op);
	if (err)
		return err;
	ufi_wake(task, ctx, op.start, op.end);
	return 0;
}

/* What an ioctl that resolves faults has done: so much from START on. */
struct ctx_done {
	uint64_t start;
	uint64_t bytes;
	uint64_t result; /* address of the field for it */
	bool wake;
};

/*
 * The protocol that all of them share.
 * spec: fill.4, fill.5, fill.6, fill.10, continue.9, continue.10, continue.11, poison.6, poison.7,
 *	poison.8, move.23
 */
static int ctx_answer(struct ufi_task *task, struct ufi_ctx *ctx, const struct ctx_done *done,
		      int err)
{
	int64_t field = done->bytes ? (int64_t)done->bytes : err;

	if (ufi_user_out(task, done->result, &field, sizeof(field)))
		return -EFAULT;
	if (done->bytes && done->wake)
		ufi_wake(task, ctx, done->start, done->start + done->bytes);
	return done->bytes && err ? -EAGAIN : err;
}

static int ctx_resolve(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_fill *op)
{
	struct ctx_done done = {.start = op->dst.start, .result = op->result, .wake = op->wake};
	int err = ufi_fill(task, ctx, op, &done.bytes);

	return ctx_answer(task, ctx, &done, err);
}

/*
 * While the address space changes nothing is resolved, before the argument is
 * looked at; its field says so. spec: event.12
 */
static int ctx_changing(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t field)
{
	static const int64_t again = -EAGAIN;

	if (!ufi_event_changing(task, ctx))
		return 0;
	return ufi_user_out(task, field, &again, sizeof(again)) ? -EFAULT : -EAGAIN;
}

static int ctx_copy(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t arg)
{
	struct ufi_op_fill op;
	int err;

	err = ctx_changing(task, ctx, arg + offsetof(struct uf_io_copy, copy));
	if (!err)
		err = ufi_decode_copy(task, arg, &op);
	return err ? err : ctx_resolve(task, ctx, &op);
}

static int ctx_fill(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t arg,
		    enum ufi_fill_kind kind)
{
	struct ufi_op_fill op;
	int err;

	err = ctx_changing(task, ctx, arg + offsetof(struct uf_io_zeropage, zeropage));
	if (!err)
		err = ufi_decode_fill(task, arg, kind, &op);
	return err ? err : ctx_resolve(task, ctx, &op);
}

/* Also if nobody has asked for the feature. spec: move.5, move.6 */
static int ctx_move(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t arg)
{
	struct ctx_done done = {.bytes = 0};
	struct ufi_op_move op;
	int err;

	err = ctx_changing(task, ctx, arg + offsetof(struct uf_io_move, move));
	if (!err)
		err = ufi_decode_move(task, arg, &op);
	if (err)
		return err;
	done.start = op.dst.start;
	done.result = op.result;
	done.wake = op.wake;
	err = ufi_move(task, ctx, &op, &done.bytes);
	return ctx_answer(task, ctx, &done, err);
}

/* spec: writeprotect.9, rwprotect.9, event.12 */
static int ctx_protect(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t arg, uint64_t mode)
{
	struct ufi_op_protect op;
	int err;

	if (ufi_event_changing(task, ctx))
		return -EAGAIN;
	err = ufi_decode_protect(task, arg, mode, &op);
	if (!err)
		err = ufi_protect(task, ctx, &op);
	if (!err && !op.protect && op.wake)
		ufi_wake(task, ctx, op.span.start, op.span.end);
	return err;
}

/*
 * No fault is under way while the registry is ours: each is judged under the old
 * mode or the new one. Who waits under the old one is woken first, and looks again
 * when we are done. spec: setmode.3, setmode.4, setmode.5
 */
static int ctx_set_mode(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t arg)
{
	struct ufi_op_set_mode op;
	int err;

	err = ufi_decode_set_mode(task, arg, atomic_load(&ctx->features), &op);
	if (err)
		return err;
	ufi_rwlock_write(task, &ctx->mm->registry);
	if (op.enable)
		ufi_wake(task, ctx, 0, UINT64_MAX);
	uf_step();
	atomic_fetch_or(&ctx->features, op.enable);
	atomic_fetch_and(&ctx->features, ~op.disable);
	ufi_rwlock_write_end(task, &ctx->mm->registry);
	return 0;
}

/* spec: api.7, api.8 */
static int ctx_dispatch(struct ufi_task *task, struct ufi_ctx *ctx, uint32_t request, uint64_t arg)
{
	if (request != UF_IOC_API && !atomic_load(&ctx->features))
		return -EINVAL;
	switch (request) {
	case UF_IOC_API:
		return ctx_api(task, ctx, arg);
	case UF_IOC_REGISTER:
		return ctx_register(task, ctx, arg);
	case UF_IOC_UNREGISTER:
		return ctx_unregister(task, ctx, arg);
	case UF_IOC_WAKE:
		return ctx_wake(task, ctx, arg);
	case UF_IOC_COPY:
		return ctx_copy(task, ctx, arg);
	case UF_IOC_ZEROPAGE:
		return ctx_fill(task, ctx, arg, UFI_FILL_ZEROPAGE);
	case UF_IOC_CONTINUE:
		return ctx_fill(task, ctx, arg, UFI_FILL_CONTINUE);
	case UF_IOC_POISON:
		return ctx_fill(task, ctx, arg, UFI_FILL_POISON);
	case UF_IOC_WRITEPROTECT:
		return ctx_protect(task, ctx, arg, UF_REGISTER_MODE_WP);
	case UF_IOC_MOVE:
		return ctx_move(task, ctx, arg);
	case UF_IOC_RWPROTECT:
		return ctx_protect(task, ctx, arg, UF_REGISTER_MODE_RWP);
	case UF_IOC_SET_MODE:
		return ctx_set_mode(task, ctx, arg);
	}
	return -EINVAL;
}

int ufi_ctx_ioctl(struct ufi_ctx *ctx, uint32_t request, uint64_t arg)
{
	struct ufi_task task;
	int ret;

	ufi_ctx_get(ctx);
	ufi_task_enter(&task, ctx->mm);
	ret = ctx_dispatch(&task, ctx, request, arg);
	ufi_task_leave(&task);
	ufi_ctx_put(ctx);
	return ret;
}

/* spec: read.8, event.14 */
uint32_t ufi_ctx_poll(struct ufi_ctx *ctx, bool nonblock)
{
	struct ufi_task task;
	uint32_t events;

	if (!atomic_load(&ctx->features) || !nonblock)
		return UFI_POLLERR;
	ufi_task_enter(&task, ctx->mm);
	ufi_lock_take(&task, &ctx->lock);
	events = !uf_list_empty(&ctx->pending) || ufi_event_pending(&task, ctx) ? UFI_POLLIN : 0;
	ufi_lock_release(&task, &ctx->lock);
	ufi_task_leave(&task);
	return events;
}
