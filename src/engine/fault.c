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
		ufi_ctx_announce(task, ctx);
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
	ufi_ctx_hush(task, ctx);
	UFI_VALIDATE_CTX(ctx);
	ufi_lock_release(task, &ctx->lock);
	if (owned)
		ufi_ctx_unref(task, ctx);
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
 * spec: fault.6, fault.20, copy.6, rwprotect.20, rwprotect.21
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

static bool fault_stands_inaccessible(struct ufi_task *task, struct ufi_range *r, uint64_t addr,
				      uint8_t state)
{
	(void)task;
	(void)addr;
	return ufi_page_there(r, state) && (state & UFI_PAGE_RWP);
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
 * spec: fault.5, fault.15, fault.16, fault.17, async.5
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

/* Pages from START on, of the kind that TO is, are as it says; ADDR has to be among them. */
static int fault_become(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end,
			uint64_t addr, uint8_t to)
{
	uint64_t claimed = ufi_claim(task, r, start, end, UFI_KIND(ufi_page_kind(to)), 0);
	int err = 0;

	if (claimed > addr)
		err = ufi_claim_apply(task, r, start, claimed, to);
	else
		ufi_claim_undo(task, r, start, claimed);
	ufi_claim_end(task);
	return err;
}

/*
 * The access ends the page's protection, which FLAG is, without a word. Where the
 * machine cannot tell one page more from those beside it, it ends theirs as well:
 * they count as written then, and nothing is lost. (differences, 13)
 * spec: async.1, async.6, async.17
 */
static int fault_unprotect(struct ufi_task *task, struct ufi_range *r, uint64_t addr, uint8_t state,
			   uint8_t flag)
{
	uint64_t page = r->page_size;
	uint64_t start = addr;
	uint8_t to = state & (uint8_t)~flag;
	int err = fault_become(task, r, addr, addr + page, addr, to);

	if (err != -ENOMEM)
		return err ? UFI_FAULT_SIGBUS : UFI_FAULT_RETRY;
	while (start > r->start && atomic_load(ufi_page_state(r, start - page)) == state)
		start -= page;
	err = fault_become(task, r, start, ufi_page_alike(r, addr, r->end, state), addr, to);
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

/* There and closed, to be told of any access. spec: rwprotect.11, setmode.3, setmode.8 */
static int fault_inaccessible(struct ufi_task *task, struct ufi_range *r, struct ufi_fault *f,
			      uint8_t state)
{
	uint64_t addr = uf_align_down(f->addr, r->page_size);

	if (atomic_load(&r->ctx->features) & UF_FEATURE_RWP_ASYNC)
		return fault_unprotect(task, r, addr, state, UFI_PAGE_RWP);
	return fault_report(task, r, f, UF_PAGEFAULT_FLAG_RWP, fault_stands_inaccessible);
}

/*
 * The machine lets through what may be read, or more. Protected in memory that
 * is no longer registered for that a page is written to all the same.
 * spec: fault.14, register.20, async.2
 */
static int fault_open(struct ufi_task *task, struct ufi_range *r, struct ufi_fault *f,
		      uint8_t state)
{
	uint64_t addr = uf_align_down(f->addr, r->page_size);

	if (f->access != UF_PROT_WRITE || !(state & UFI_PAGE_WP))
		return fault_not_ours(task, r, f, addr, state);
	if ((r->modes & UF_REGISTER_MODE_WP) && !ufi_range_tracked(r))
		return fault_report(task, r, f, UF_PAGEFAULT_FLAG_WP, fault_stands_protected);
	return fault_unprotect(task, r, addr, state, UFI_PAGE_WP);
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
	if (state & UFI_PAGE_RWP)
		return fault_inaccessible(task, r, f, state);
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
	ufi_ctx_remind(&task, f->ctx);
}

void ufi_fault_end(struct ufi_mm *mm, struct ufi_fault *f)
{
	struct ufi_task task = {.mm = mm, .mmu = mm->mmu};

	task.tid = mm->mmu->ops->self(mm->mmu);
	fault_dequeue(&task, f);
}
