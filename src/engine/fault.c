/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the way of one fault: is it ours, does it have to wait, for whom. It
 * runs in the faulting thread, which may be anywhere, also in a process that
 * shares only our memory, so it touches nothing but its arguments, the
 * registry and the context.
 */
#include "base/step.h"
#include "engine/pagestate.h"

/* A frame so much above another is on another stack: nothing follows from the order. */
#define FAULT_STACK_MAX (UINT64_C(1) << 20)

/* Besides the verdicts: UFI_FAULT_RETRY, but not without end. */
#define FAULT_DOUBTED (-EAGAIN)

/*
 * A waiter whose owner is gone: killed in its sleep, or it left the frame in
 * which it waited by siglongjmp. The second shows when the same thread faults
 * again from the same place or above it.
 */
static bool fault_abandoned(struct ufi_task *task, const struct ufi_waiter *w, uint64_t frame)
{
	if (w->tid == task->tid)
		return w->frame <= frame && frame - w->frame < FAULT_STACK_MAX;
	return false;
}

static void fault_reclaim(struct ufi_task *task, struct ufi_ctx *ctx, struct ufi_waiter *w)
{
	uf_list_unlink(&w->link);
	atomic_store(&w->state, UFI_WAITER_FREE);
	ufi_ctx_unref(task, ctx);
}

/* With the context locked. The dead are looked for only when the table would grow. */
static struct ufi_waiter *fault_slot(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t frame)
{
	struct ufi_waiter *slot = NULL;

	for (uint32_t i = 0; i < ctx->waiters_used; i++) {
		struct ufi_waiter *w = &ctx->waiters[i];

		if (atomic_load(&w->state) != UFI_WAITER_FREE && fault_abandoned(task, w, frame))
			fault_reclaim(task, ctx, w);
		if (!slot && atomic_load(&w->state) == UFI_WAITER_FREE)
			slot = w;
	}
	for (uint32_t i = 0; !slot && i < ctx->waiters_used; i++) {
		struct ufi_waiter *w = &ctx->waiters[i];

		if (!task->mmu->ops->alive(task->mmu, w->tid)) {
			fault_reclaim(task, ctx, w);
			slot = w;
		}
	}
	if (!slot && ctx->waiters_used < UFI_WAITERS) {
		slot = &ctx->waiters[ctx->waiters_used++];
		uf_list_init(&slot->link);
	}
	return slot;
}

/* With the context locked: somebody shall read what is pending. */
static void fault_announce(struct ufi_task *task, struct ufi_ctx *ctx)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;

	atomic_fetch_add(&ctx->arrivals, 1);
	if (ops->unpark(task->mmu, &ctx->arrivals, 1) > 0 || ctx->bell)
		return;
	ctx->bell = true;
	ops->bell(task->mmu, ctx->bell_cookie, true);
}

/* FLAGS: those beside WRITE. spec: fault.2, fault.3, fault.4, fault.8, hugetlb.10 */
static bool fault_enqueue(struct ufi_task *task, struct ufi_range *r, struct ufi_fault *f,
			  uint64_t flags)
{
	struct ufi_ctx *ctx = r->ctx;
	uint64_t features = atomic_load(&ctx->features);
	struct ufi_waiter *w;

	ufi_lock_take(task, &ctx->lock);
	w = fault_slot(task, ctx, (uint64_t)(uintptr_t)f);
	if (w) {
		/* Before it can be reclaimed, which gives the reference back. */
		atomic_fetch_add(&ctx->refs, 1);
		w->tid = task->tid;
		w->serial = ++ctx->serial;
		w->frame = (uint64_t)(uintptr_t)f;
		w->addr = features & UF_FEATURE_EXACT_ADDRESS
				  ? f->addr
				  : uf_align_down(f->addr, r->page_size);
		w->flags = flags | (f->access == UF_PROT_WRITE ? UF_PAGEFAULT_FLAG_WRITE : 0);
		atomic_store(&w->state, UFI_WAITER_WAITING);
		uf_list_append(&ctx->pending, &w->link);
		f->ctx = ctx;
		f->waiter = w;
		f->serial = w->serial;
		fault_announce(task, ctx);
	}
	UFI_VALIDATE_CTX(ctx);
	ufi_lock_release(task, &ctx->lock);
	return w;
}

/* With the context locked: is the slot still this fault's? */
static bool fault_owns(const struct ufi_fault *f)
{
	return f->waiter->serial == f->serial && atomic_load(&f->waiter->state) != UFI_WAITER_FREE;
}

static void fault_dequeue(struct ufi_task *task, struct ufi_fault *f)
{
	struct ufi_ctx *ctx = f->ctx;
	bool owned;

	ufi_lock_take(task, &ctx->lock);
	owned = fault_owns(f);
	if (owned) {
		uf_list_unlink(&f->waiter->link);
		atomic_store(&f->waiter->state, UFI_WAITER_FREE);
	}
	if (ctx->bell && uf_list_empty(&ctx->pending)) {
		ctx->bell = false;
		task->mmu->ops->bell(task->mmu, ctx->bell_cookie, false);
	}
	UFI_VALIDATE_CTX(ctx);
	ufi_lock_release(task, &ctx->lock);
	if (owned)
		ufi_ctx_unref(task, ctx);
}

/* What is pending while no bell rings has been told to a reader that slept, or is dead now. */
static void fault_remind(struct ufi_task *task, struct ufi_fault *f)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	struct ufi_ctx *ctx = f->ctx;

	ufi_lock_take(task, &ctx->lock);
	if (fault_owns(f) && !ctx->bell && !uf_list_empty(&ctx->pending)) {
		atomic_fetch_add(&ctx->arrivals, 1);
		ops->unpark(task->mmu, &ctx->arrivals, INT32_MAX);
		ctx->bell = true;
		ops->bell(task->mmu, ctx->bell_cookie, true);
	}
	ufi_lock_release(task, &ctx->lock);
}

/* Does the page exist behind the mapping? Then it needs no message. spec: fault.5 */
static bool fault_found(struct ufi_task *task, struct ufi_range *r, uint64_t addr)
{
	uint8_t found = 0;

	return r->mem->find(task->mmu, r, addr, r->page_size, &found) == 0 && found;
}

/*
 * The fault is one that somebody shall resolve: a message, or what the context
 * has chosen instead. FLAGS tell its kind. -EBUSY: look again without the lock.
 * spec: fault.6, fault.20, copy.6
 */
static int fault_report(struct ufi_task *task, struct ufi_range *r, struct ufi_fault *f,
			uint64_t flags,
			bool (*stands)(struct ufi_task *task, struct ufi_range *r, uint64_t addr,
				       uint8_t state))
{
	uint64_t addr = uf_align_down(f->addr, r->page_size);
	uint8_t now;

	if (atomic_load(&r->ctx->features) & UF_FEATURE_SIGBUS)
		return UFI_FAULT_SIGBUS;
	if (f->kernel && r->ctx->user_mode_only)
		return UFI_FAULT_SIGBUS;
	if (!fault_enqueue(task, r, f, flags))
		return UFI_FAULT_RETRY;

	/* Resolved before we were on the list: that wake has not seen us. spec: fault.9 */
	uf_step();
	now = atomic_load(ufi_page_state(r, addr));
	if (stands(task, r, addr, now))
		return UFI_FAULT_WAIT;
	fault_dequeue(task, f);
	return now & UFI_PAGE_BUSY ? -EBUSY : UFI_FAULT_RETRY;
}

/* Still missing, or being filled, for which the filler wakes; being mapped it does not. */
static bool fault_stands_missing(struct ufi_task *task, struct ufi_range *r, uint64_t addr,
				 uint8_t state)
{
	if (ufi_page_kind(state) != UFI_PAGE_MISSING)
		return false;
	return !(state & UFI_PAGE_BUSY) || !fault_found(task, r, addr);
}

static bool fault_stands_minor(struct ufi_task *task, struct ufi_range *r, uint64_t addr,
			       uint8_t state)
{
	(void)task;
	(void)r;
	(void)addr;
	return ufi_page_kind(state) == UFI_PAGE_MISSING;
}

static bool fault_stands_protected(struct ufi_task *task, struct ufi_range *r, uint64_t addr,
				   uint8_t state)
{
	(void)task;
	(void)addr;
	return ufi_page_open(r, state) && (state & UFI_PAGE_WP);
}

/* The protections that permit it: what may be written may be read. spec: fault.1 */
static uint32_t fault_grants(const struct ufi_fault *f)
{
	return f->access == UF_PROT_READ ? UF_PROT_READ | UF_PROT_WRITE : f->access;
}

/*
 * No trap of ours is there, or none any more: the access is made again, unless
 * the machine has its own reasons to refuse it, which it need not tell.
 */
static int fault_no_trap(struct ufi_task *task, const struct ufi_fault *f)
{
	if (!task->mmu->ops->accessible(task->mmu, f->addr, fault_grants(f)) ||
	    ufi_doubt(task, f->addr))
		return UFI_FAULT_FOREIGN;
	return FAULT_DOUBTED;
}

/*
 * Nothing is mapped there, and the range is armed. Who has the page at hand may
 * be mapping what the object has: nobody wakes for that.
 * spec: fault.5, fault.15, fault.16, fault.17
 */
static int fault_missing(struct ufi_task *task, struct ufi_range *r, struct ufi_fault *f,
			 uint8_t state)
{
	uint64_t addr = uf_align_down(f->addr, r->page_size);
	bool found = fault_found(task, r, addr);

	if (found && (r->modes & UF_REGISTER_MODE_MINOR))
		return fault_report(task, r, f, UF_PAGEFAULT_FLAG_MINOR, fault_stands_minor);
	if (!found && (r->modes & UF_REGISTER_MODE_MISSING))
		return fault_report(task, r, f, 0, fault_stands_missing);
	if (state & UFI_PAGE_BUSY)
		return -EBUSY;
	return ufi_fill_map(task, r, addr) ? UFI_FAULT_SIGBUS : UFI_FAULT_RETRY;
}

/*
 * The page is protected in memory that is no longer registered for that: a
 * write ends it without a word. spec: register.20
 */
static int fault_unprotect(struct ufi_task *task, struct ufi_range *r, uint64_t addr, uint8_t state)
{
	uint64_t end = addr + r->page_size;
	uint8_t to = state & (uint8_t)~UFI_PAGE_WP;
	int err = 0;

	if (ufi_claim(task, r, addr, end, UFI_KIND(ufi_page_kind(state)), 0) == end)
		err = ufi_claim_apply(task, r, addr, end, to);
	ufi_claim_end(task);
	return err ? UFI_FAULT_SIGBUS : UFI_FAULT_RETRY;
}

/*
 * Opened since it trapped; or the program closed it behind our back. While the
 * machine is asked nobody may protect the page, and not unprotect it either.
 */
static int fault_not_ours(struct ufi_task *task, struct ufi_range *r, struct ufi_fault *f,
			  uint64_t addr, uint8_t state)
{
	uint64_t end = addr + r->page_size;
	int verdict = -EBUSY;

	if (ufi_claim(task, r, addr, end, UFI_KIND_ANY, 0) == end) {
		uint8_t now = atomic_load(ufi_page_state(r, addr));

		if (now == (state | UFI_PAGE_BUSY))
			verdict = fault_no_trap(task, f);
		ufi_claim_undo(task, r, addr, end);
	}
	ufi_claim_end(task);
	return verdict;
}

/* The machine lets through what may be read, or more. spec: fault.14 */
static int fault_open(struct ufi_task *task, struct ufi_range *r, struct ufi_fault *f,
		      uint8_t state)
{
	uint64_t addr = uf_align_down(f->addr, r->page_size);

	if (f->access != UF_PROT_WRITE || !(state & UFI_PAGE_WP))
		return fault_not_ours(task, r, f, addr, state);
	if (r->modes & UF_REGISTER_MODE_WP)
		return fault_report(task, r, f, UF_PAGEFAULT_FLAG_WP, fault_stands_protected);
	return fault_unprotect(task, r, addr, state);
}

static int fault_in_range(struct ufi_task *task, struct ufi_range *r, struct ufi_fault *f)
{
	uint64_t addr = uf_align_down(f->addr, r->page_size);
	_Atomic uint8_t *page = ufi_page_state(r, addr);
	uint8_t state = atomic_load(page);

	if (!(r->prot & fault_grants(f))) /* spec: fault.19 */
		return UFI_FAULT_FOREIGN;
	if (ufi_range_armed(r) && ufi_page_kind(state) == UFI_PAGE_UNKNOWN) {
		if (ufi_arm_settle(task, r, addr))
			return UFI_FAULT_SIGBUS;
		state = atomic_load(page);
	}
	if (ufi_page_kind(state) == UFI_PAGE_MISSING)
		return fault_missing(task, r, f, state);
	if (state & UFI_PAGE_BUSY)
		return -EBUSY;
	if (ufi_page_kind(state) == UFI_PAGE_POISON) { /* spec: fault.18, fault.21 */
		f->page_size = r->page_size;
		return UFI_FAULT_POISON;
	}
	return fault_open(task, r, f, state);
}

/* Without a range it is not registered any more, and has trapped before that; or never was. */
static int fault_look(struct ufi_task *task, struct ufi_fault *f)
{
	struct ufi_range *r;
	int verdict;

	ufi_rwlock_read(task, &task->mm->registry);
	r = ufi_range_find(task->mm, f->addr);
	verdict = r ? fault_in_range(task, r, f) : fault_no_trap(task, f);
	ufi_rwlock_read_end(task, &task->mm->registry);
	return verdict;
}

enum ufi_verdict ufi_fault(struct ufi_mm *mm, struct ufi_fault *f)
{
	struct ufi_task task = {.mm = mm, .mmu = mm->mmu};
	int verdict;

	task.tid = mm->mmu->ops->self(mm->mmu);
	for (unsigned round = 0; (verdict = fault_look(&task, f)) == -EBUSY; round++)
		ufi_claim_await(&task, round);
	if (verdict == FAULT_DOUBTED)
		return UFI_FAULT_RETRY;
	ufi_doubt_end(&task);
	return (enum ufi_verdict)verdict;
}

void ufi_fault_remind(struct ufi_mm *mm, struct ufi_fault *f)
{
	struct ufi_task task = {.mm = mm, .mmu = mm->mmu};

	task.tid = mm->mmu->ops->self(mm->mmu);
	fault_remind(&task, f);
}

void ufi_fault_end(struct ufi_mm *mm, struct ufi_fault *f)
{
	struct ufi_task task = {.mm = mm, .mmu = mm->mmu};

	task.tid = mm->mmu->ops->self(mm->mmu);
	fault_dequeue(&task, f);
}
