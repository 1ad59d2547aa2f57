/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the messages about changes of the address space: UNMAP, REMAP, REMOVE and FORK.
 * An event is raised before the change, which is when the context's pages can no
 * longer be resolved, and told with no lock held: the thread that makes the
 * change waits until its event is read.
 *
 * Like waiters, events live in a table of their context and know whose they
 * are: one that shares only our memory can be killed while it waits, and takes
 * its events along.
 */
#include "base/step.h"
#include "engine/engine.h"

static bool event_wanted(const struct ufi_ctx *ctx, uint8_t event)
{
	uint64_t features = atomic_load(&ctx->features);

	switch (event) {
	case UF_EVENT_FORK:
		return features & UF_FEATURE_EVENT_FORK;
	case UF_EVENT_REMAP:
		return features & UF_FEATURE_EVENT_REMAP;
	case UF_EVENT_REMOVE:
		return features & UF_FEATURE_EVENT_REMOVE;
	default:
		return features & UF_FEATURE_EVENT_UNMAP;
	}
}

/* With the context locked, as all of the following. */
static void event_count(struct ufi_ctx *ctx)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ctx->events_used; i++)
		n += atomic_load(&ctx->event[i].state) != UFI_EVENT_FREE;
	atomic_store(&ctx->changing, n);
}

static void event_free(struct ufi_task *task, struct ufi_event *ev)
{
	uint64_t heir = ev->heir;

	uf_list_unlink(&ev->link);
	/* Forgotten first: what is killed in between stays open, and is not closed twice. */
	ev->heir = 0;
	if (heir)
		task->mmu->ops->heir_close(task->mmu, heir);
	atomic_store(&ev->state, UFI_EVENT_FREE);
}

static void event_over(struct ufi_task *task, struct ufi_event *ev)
{
	atomic_store(&ev->state, UFI_EVENT_OVER);
	uf_step();
	task->mmu->ops->unpark(task->mmu, &ev->state, 1);
	/* Listed until it is awake: whoever looks next does it if we are killed here. */
	uf_list_unlink(&ev->link);
}

/* What a reader that was killed has left; and the events of those that were. spec: event.17 */
static void event_bury(struct ufi_task *task, struct ufi_ctx *ctx)
{
	for (uint32_t i = 0; i < ctx->events_used; i++) {
		struct ufi_event *ev = &ctx->event[i];
		uint32_t state = atomic_load(&ev->state);

		if (state == UFI_EVENT_FREE)
			continue;
		if (state == UFI_EVENT_OVER)
			event_over(task, ev);
		if (ev->tid ? task->mmu->ops->alive(task->mmu, ev->tid) : state != UFI_EVENT_OVER)
			continue;
		event_free(task, ev);
		ufi_ctx_unref(task, ctx);
	}
	event_count(ctx);
	ufi_ctx_hush(task, ctx);
}

static struct ufi_event *event_find_free(struct ufi_ctx *ctx)
{
	for (uint32_t i = 0; i < ctx->events_used; i++) {
		if (atomic_load(&ctx->event[i].state) == UFI_EVENT_FREE)
			return &ctx->event[i];
	}
	if (ctx->events_used == UFI_EVENTS)
		return NULL;
	uf_list_init(&ctx->event[ctx->events_used].link);
	return &ctx->event[ctx->events_used++];
}

static struct ufi_event *event_slot(struct ufi_task *task, struct ufi_ctx *ctx)
{
	struct ufi_event *ev = event_find_free(ctx);

	if (ev)
		return ev;
	event_bury(task, ctx);
	return event_find_free(ctx);
}

/* With the context locked; a free slot, or NULL. */
static struct ufi_event *event_make(struct ufi_task *task, struct ufi_ctx *ctx, uint32_t tid,
				    const struct uf_msg *msg, uint64_t heir)
{
	struct ufi_event *ev = event_slot(task, ctx);

	if (!ev)
		return NULL;
	/* First, as it can be buried as soon as it is not free. */
	atomic_fetch_add(&ctx->refs, 1);
	atomic_fetch_add(&ctx->changing, 1);
	ev->tid = tid;
	ev->ctx = ctx;
	ev->next = NULL;
	ev->msg = *msg;
	ev->heir = heir;
	uf_step();
	atomic_store(&ev->state, UFI_EVENT_RAISED);
	return ev;
}

/* The last of its change. The context is not locked. spec: event.12 */
static int event_raise(struct ufi_task *task, struct ufi_ctx *ctx, const struct uf_msg *msg,
		       uint64_t heir)
{
	struct ufi_event *ev;

	ufi_lock_take(task, &ctx->lock);
	ev = event_make(task, ctx, task->tid, msg, heir);
	UFI_VALIDATE_CTX(ctx);
	ufi_lock_release(task, &ctx->lock);
	if (!ev)
		return -ENOMEM;
	*task->events_end = ev;
	task->events_end = &ev->next;
	return 0;
}

static bool event_is_raised(const struct ufi_task *task, const struct ufi_ctx *ctx,
			    const struct uf_msg *msg)
{
	for (const struct ufi_event *ev = task->events; ev; ev = ev->next) {
		if (ev->ctx == ctx && !memcmp(&ev->msg, msg, sizeof(*msg)))
			return true;
	}
	return false;
}

/* Every byte that has no meaning is zero. */
static void event_message(struct uf_msg *msg, uint8_t event, uint64_t start, uint64_t end)
{
	memset(msg, 0, sizeof(*msg));
	msg->event = event;
	msg->arg.remove.start = start;
	msg->arg.remove.end = end;
}

/* Once for a context, whatever it has there. spec: event.1, event.2, event.3 */
int ufi_event_unmap(struct ufi_task *task, uint64_t start, uint64_t end)
{
	const struct ufi_table *table = task->mm->table;
	struct uf_msg msg;
	int err = 0;

	event_message(&msg, UF_EVENT_UNMAP, start, end);
	for (uint32_t i = ufi_range_lower(task->mm, start);
	     !err && i < table->n && table->range[i]->start < end; i++) {
		struct ufi_ctx *ctx = table->range[i]->ctx;

		if (ctx && event_wanted(ctx, msg.event) && !event_is_raised(task, ctx, &msg))
			err = event_raise(task, ctx, &msg, 0);
	}
	return err;
}

/* spec: event.6 */
int ufi_event_remap(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t from, uint64_t to,
		    uint64_t len)
{
	struct uf_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.event = UF_EVENT_REMAP;
	msg.arg.remap.from = from;
	msg.arg.remap.to = to;
	msg.arg.remap.len = len;
	return ctx && event_wanted(ctx, msg.event) ? event_raise(task, ctx, &msg, 0) : 0;
}

/* spec: event.4 */
int ufi_event_remove(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t start, uint64_t end)
{
	struct uf_msg msg;

	event_message(&msg, UF_EVENT_REMOVE, start, end);
	return ctx && event_wanted(ctx, msg.event) ? event_raise(task, ctx, &msg, 0) : 0;
}

bool ufi_event_follows(const struct ufi_ctx *ctx)
{
	return event_wanted(ctx, UF_EVENT_FORK);
}

/* spec: event.21 */
int ufi_event_fork(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t heir)
{
	struct uf_msg msg;

	event_message(&msg, UF_EVENT_FORK, 0, 0);
	return event_raise(task, ctx, &msg, heir);
}

static void event_give_back(struct ufi_task *task, struct ufi_event *ev)
{
	struct ufi_ctx *ctx = ev->ctx;

	ufi_lock_take(task, &ctx->lock);
	event_free(task, ev);
	uf_step();
	event_count(ctx);
	UFI_VALIDATE_CTX(ctx);
	ufi_lock_release(task, &ctx->lock);
	ufi_ctx_unref(task, ctx);
}

/* spec: event.16 */
void ufi_event_cancel(struct ufi_task *task, struct ufi_event **from)
{
	while (*from) {
		struct ufi_event *ev = *from;

		*from = ev->next;
		event_give_back(task, ev);
	}
	task->events_end = from;
}

/* Nobody reads it any more when the context has been released. spec: event.15 */
static void event_queue(struct ufi_task *task, struct ufi_event *ev)
{
	struct ufi_ctx *ctx = ev->ctx;

	ufi_lock_take(task, &ctx->lock);
	if (ctx->released) {
		atomic_store(&ev->state, UFI_EVENT_OVER);
	} else {
		atomic_store(&ev->state, UFI_EVENT_UNREAD);
		uf_list_append(&ctx->events, &ev->link);
		ufi_ctx_announce(task, ctx);
	}
	UFI_VALIDATE_CTX(ctx);
	ufi_lock_release(task, &ctx->lock);
}

static bool event_unread(const struct ufi_event *ev)
{
	return atomic_load(&ev->state) == UFI_EVENT_UNREAD;
}

/*
 * Signals do not end it, but for those that end the process. A reader that was
 * told may be killed before it reads, so everybody is told after a while.
 * spec: event.11
 */
static void event_await(struct ufi_task *task, struct ufi_event *ev)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	struct uf_sigmask mask;

	if (event_unread(ev) && !ufi_linger_answer(ev->ctx, &ev->state, UFI_EVENT_UNREAD))
		(void)ops->park(task->mmu, &ev->state, UFI_EVENT_UNREAD, task->mmu->patience_ns);
	if (!event_unread(ev))
		return;
	ufi_ctx_remind(task, ev->ctx);
	ops->signals_deadly(task->mmu, &task->saved);
	while (event_unread(ev))
		(void)ops->park(task->mmu, &ev->state, UFI_EVENT_UNREAD, 0);
	ops->signals_block(task->mmu, &mask);
}

/* One after the other, in the order in which they were raised. spec: event.9 */
void ufi_event_tell(struct ufi_task *task)
{
	while (task->events) {
		struct ufi_event *ev = task->events;

		event_queue(task, ev);
		event_await(task, ev);
		task->events = ev->next;
		event_give_back(task, ev);
	}
	task->events_end = &task->events;
}

/* spec: event.13, event.14, event.23 */
int ufi_event_take(struct ufi_task *task, struct ufi_ctx *ctx, bool forks, struct uf_msg *msg)
{
	struct ufi_event *ev;

	if (uf_list_empty(&ctx->events))
		return 0;
	event_bury(task, ctx);
	if (uf_list_empty(&ctx->events))
		return 0;
	ev = UF_CONTAINER_OF(ctx->events.next, struct ufi_event, link);
	*msg = ev->msg;
	if (ev->heir && !forks)
		return 0;
	if (ev->heir) {
		int fd = task->mmu->ops->heir_open(task->mmu, ev->heir);

		if (fd < 0)
			return fd;
		msg->arg.fork.ufd = (uint32_t)fd;
	}
	event_over(task, ev);
	return 1;
}

/* It is nobody's change any more, so it is in nobody's list. Without a slot it is lost. */
void ufi_event_again(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t heir)
{
	struct ufi_event *ev = NULL;
	struct uf_msg msg;

	event_message(&msg, UF_EVENT_FORK, 0, 0);
	if (!ctx->released)
		ev = event_make(task, ctx, 0, &msg, heir);
	if (!ev) {
		task->mmu->ops->heir_close(task->mmu, heir);
		return;
	}
	atomic_store(&ev->state, UFI_EVENT_UNREAD);
	uf_list_append(ctx->events.next, &ev->link); /* that is, before the first */
}

bool ufi_event_pending(struct ufi_task *task, struct ufi_ctx *ctx)
{
	if (!uf_list_empty(&ctx->events))
		event_bury(task, ctx);
	return !uf_list_empty(&ctx->events);
}

void ufi_event_release(struct ufi_task *task, struct ufi_ctx *ctx)
{
	ufi_lock_take(task, &ctx->lock);
	ctx->released = true;
	while (!uf_list_empty(&ctx->events))
		event_over(task, UF_CONTAINER_OF(ctx->events.next, struct ufi_event, link));
	/* Also of those that were told again, which nobody waits for. */
	event_bury(task, ctx);
	ufi_lock_release(task, &ctx->lock);
}

bool ufi_event_changing(struct ufi_task *task, struct ufi_ctx *ctx)
{
	bool changing;

	if (!atomic_load(&ctx->changing))
		return false;
	ufi_lock_take(task, &ctx->lock);
	event_bury(task, ctx);
	changing = atomic_load(&ctx->changing);
	ufi_lock_release(task, &ctx->lock);
	return changing;
}
