/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns read(2): which message is next, faults before events, and how a reader without one waits. */
#include "engine/engine.h"

/* Where in the caller's buffers the next byte goes. */
struct read_cursor {
	const struct ufi_iovec *iov;
	uint32_t niov;
	uint64_t off;
};

static uint64_t read_room(const struct ufi_iovec *iov, uint32_t niov)
{
	uint64_t room = 0;

	for (uint32_t i = 0; i < niov; i++)
		room += uf_min(iov[i].len, INT64_MAX - room);
	return room;
}

/* The cursor has room for it. */
static int read_put(struct ufi_task *task, struct read_cursor *cur, const struct uf_msg *msg)
{
	const uint8_t *from = (const uint8_t *)msg;
	size_t left = sizeof(*msg);

	while (left > 0) {
		uint64_t n = uf_min(cur->iov->len - cur->off, left);

		if (n && ufi_user_out(task, cur->iov->base + cur->off, from, n))
			return -EFAULT;
		from += n;
		left -= n;
		cur->off += n;
		if (cur->off == cur->iov->len) {
			cur->iov++;
			cur->niov--;
			cur->off = 0;
		}
	}
	return 0;
}

/* spec: fault.2, fault.3, fault.4, read.9 */
static void read_message(const struct ufi_ctx *ctx, const struct ufi_waiter *w, struct uf_msg *msg)
{
	memset(msg, 0, sizeof(*msg));
	msg->event = UF_EVENT_PAGEFAULT;
	msg->arg.pagefault.flags = w->flags;
	msg->arg.pagefault.address = w->addr;
	if (atomic_load(&ctx->features) & UF_FEATURE_THREAD_ID)
		msg->arg.pagefault.feat.ptid = w->tid;
}

/*
 * Take the oldest fault, or else the oldest event: from now on it is delivered, whatever becomes of
 * it. Without FORKS none of these is taken. 1; or 0, or -errno as of ufi_event_take. If none is
 * there, *seen is what `arrivals' will no longer be once one has come. spec: read.3, read.5,
 * event.13
 */
static int read_take(struct ufi_task *task, struct ufi_ctx *ctx, bool forks, struct uf_msg *msg,
		     uint32_t *seen)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	int have;
	bool more;

	ufi_lock_take(task, &ctx->lock);
	have = !uf_list_empty(&ctx->pending);
	if (have) {
		struct ufi_waiter *w = UF_CONTAINER_OF(ctx->pending.next, struct ufi_waiter, link);

		read_message(ctx, w, msg);
		uf_list_unlink(&w->link);
		uf_list_append(&ctx->delivered, &w->link);
	} else {
		have = ufi_event_take(task, ctx, forks, msg);
	}
	/* Several may have come while only one reader was woken. */
	more = ufi_ctx_unread(ctx);
	if (more != ctx->bell) {
		ctx->bell = more;
		ops->bell(task->mmu, ctx->bell_cookie, more);
	}
	*seen = atomic_load(&ctx->arrivals);
	UFI_VALIDATE_CTX(ctx);
	ufi_lock_release(task, &ctx->lock);
	return have;
}

/* Sleeps with the caller's signals, as read(2) does. spec: read.4 */
static int read_sleep(struct ufi_task *task, struct ufi_ctx *ctx, uint32_t seen)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	struct uf_sigmask mask;
	int err;

	if (ufi_linger_message(ctx, &ctx->arrivals, seen))
		return 0;
	ops->signals_restore(task->mmu, &task->saved);
	err = ops->park(task->mmu, &ctx->arrivals, seen, 0);
	ops->signals_block(task->mmu, &mask);
	return err == -EINTR ? -EINTR : 0;
}

static int64_t read_all(struct ufi_task *task, struct ufi_ctx *ctx, struct read_cursor *cur,
			uint64_t room, unsigned how)
{
	struct uf_msg msg;
	int64_t got = 0;
	bool alone = how & UFI_READ_FORK_ALONE;
	uint32_t seen;
	int have;
	int err;

	while (room - (uint64_t)got >= sizeof(msg)) {
		have = read_take(task, ctx, !alone || !got, &msg, &seen);
		if (have < 0) /* spec: event.23 */
			return got ? got : have;
		if (!have) {
			if (got)
				break;
			if (how & UFI_READ_NONBLOCK) /* spec: read.7 */
				return -EAGAIN;
			err = read_sleep(task, ctx, seen);
			if (err)
				return err;
			continue;
		}
		/* spec: read.6 */
		if (read_put(task, cur, &msg))
			return got ? got : -EFAULT;
		got += (int64_t)sizeof(msg);
		if (alone && msg.event == UF_EVENT_FORK)
			break;
	}
	return got;
}

/* spec: read.1, read.2 */
int64_t ufi_ctx_read(struct ufi_ctx *ctx, const struct ufi_iovec *iov, uint32_t niov, unsigned how)
{
	struct read_cursor cur = {.iov = iov, .niov = niov};
	uint64_t room = read_room(iov, niov);
	struct ufi_task task;
	int64_t ret;

	if (!atomic_load(&ctx->features) || room < sizeof(struct uf_msg))
		return -EINVAL;
	ufi_ctx_get(ctx);
	ufi_task_enter(&task, ctx->mm);
	ret = read_all(&task, ctx, &cur, room, how);
	ufi_task_leave(&task);
	ufi_ctx_put(ctx);
	return ret;
}
