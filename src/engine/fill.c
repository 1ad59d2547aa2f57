/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how pages that are not there are resolved: COPY and ZEROPAGE give them
 * content, CONTINUE maps what their object has, POISON lets accesses fail. A
 * run of pages is claimed, filled while it still traps, opened, and then said
 * to be what it is. What could not be filled to the end of a page is taken
 * back, so that no page is ever half there.
 */
#include "base/step.h"
#include "engine/pagestate.h"

/*
 * One run, in pages of the machine: bounds the time the registry is held, and the
 * vector on our stack. A huge page may be a run of its own.
 */
#define FILL_RUN_PAGES UINT64_C(512)

/* What a page must be to be resolved so, else it is EEXIST. */
struct fill_rule {
	unsigned kinds;
	uint8_t without;
};

/*
 * COPY and CONTINUE replace marks of every kind, as the kernel does up to Linux
 * 6.18; zeros for private memory and POISON want a page without any.
 * spec: copy.13, copy.14, zeropage.6, zeropage.7, continue.14, poison.4, poison.5, fill.13
 */
static struct fill_rule fill_rule(const struct ufi_range *r, enum ufi_fill_kind kind)
{
	struct fill_rule rule = {UFI_KIND(UFI_PAGE_MISSING), 0};

	if (!ufi_range_armed(r))
		rule.kinds = UFI_KIND(UFI_PAGE_UNKNOWN);
	if (kind == UFI_FILL_POISON || (kind == UFI_FILL_ZEROPAGE && !r->shared))
		rule.without = UFI_PAGE_WP | UFI_PAGE_RWP;
	else
		rule.kinds |= UFI_KIND(UFI_PAGE_POISON);
	return rule;
}

/* The state of a page that has been filled so. spec: copy.12, continue.4, rwprotect.14 */
static uint8_t fill_state(const struct ufi_range *r, enum ufi_fill_kind kind, bool write_protect)
{
	if (kind == UFI_FILL_POISON)
		return UFI_PAGE_POISON;
	return (uint8_t)((ufi_range_armed(r) ? UFI_PAGE_PRESENT : UFI_PAGE_UNKNOWN) |
			 (write_protect ? UFI_PAGE_WP : 0));
}

/* One page: 0 also if somebody else has it at hand. spec: private.3 */
int ufi_fill_map(struct ufi_task *task, struct ufi_range *r, uint64_t addr)
{
	uint64_t end = addr + r->page_size;
	_Atomic uint8_t *state = ufi_page_state(r, addr);
	uint8_t to;
	int err;

	if (ufi_claim(task, r, addr, end, UFI_KIND(UFI_PAGE_MISSING), 0) == addr) {
		ufi_claim_end(task);
		return 0;
	}
	/* A marker becomes the page's own protection. spec: writeprotect.6 */
	to = (uint8_t)((atomic_load(state) & (UFI_PAGE_WP | UFI_PAGE_RWP)) | UFI_PAGE_PRESENT);
	err = ufi_claim_apply(task, r, addr, end, to);
	ufi_claim_end(task);
	return err;
}

/*
 * In a range that is open the machine fills pages by itself: close these, and
 * see which are there. [start, *free_end) are not.
 */
static int fill_close(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end,
		      uint64_t *free_end)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	uint64_t there;
	uint64_t there_end;
	int err = ops->close(task->mmu, r, start, end - start);

	*free_end = start;
	if (!err)
		err = ops->populated(task->mmu, r, start, &there, &there_end);
	if (err && err != -ENOENT)
		return err;
	*free_end = err == -ENOENT ? end : uf_max(start, uf_min(there, end));
	return *free_end == start ? -EEXIST : 0;
}

/* Those that were not filled, of a range that is open, open again. */
static void fill_reopen(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end)
{
	uint64_t page = r->page_size;

	for (uint64_t at = start; at < end; at += page) {
		uint8_t was = atomic_load(ufi_page_state(r, at)) & (uint8_t)~UFI_PAGE_BUSY;

		/* A page that the machine refuses to open goes on trapping. */
		(void)!ufi_arm_apply(task, r, at, at + page, was);
	}
}

/*
 * The pages of the run before the first one that is not as it must be: existing
 * already for COPY and ZEROPAGE, not existing for CONTINUE. What an object has
 * is no obstacle to a page of a private mapping's own. spec: private.1, private.2,
 * hugetlb.11
 */
static int fill_found(struct ufi_task *task, struct ufi_range *r, enum ufi_fill_kind kind,
		      uint64_t start, uint64_t *end)
{
	uint8_t vec[FILL_RUN_PAGES];
	uint8_t wanted = kind == UFI_FILL_CONTINUE;
	uint64_t page = r->page_size;
	uint64_t at = start;
	int err;

	if (kind == UFI_FILL_POISON || (!wanted && !r->shared))
		return 0;
	err = r->mem->find(task->mmu, r, start, *end - start, vec);
	if (err)
		return err;
	while (at < *end && vec[(at - start) / page] == wanted)
		at += page;
	*end = at;
	if (at > start)
		return 0;
	return wanted ? -EFAULT : -EEXIST; /* spec: continue.7 */
}

/*
 * Content for the claimed pages [start, end): how much of it is there now, in
 * whole pages. spec: copy.8, zeropage.3
 */
static int64_t fill_write(struct ufi_task *task, struct ufi_range *r, const struct ufi_op_fill *op,
			  uint64_t start, uint64_t end)
{
	uint64_t page = r->page_size;
	uint64_t whole;
	int64_t n;

	if (op->kind == UFI_FILL_CONTINUE || op->kind == UFI_FILL_POISON)
		return (int64_t)(end - start);
	ufi_claim_writing(task, end);
	if (op->kind == UFI_FILL_ZEROPAGE)
		n = r->mem->zero(task->mmu, r, start, end - start);
	else
		n = r->mem->copy(task->mmu, r, start, end - start,
				 op->src + (start - op->dst.start));
	if (n < 0)
		return n;
	whole = uf_align_down((uint64_t)n, page);
	if (whole < (uint64_t)n)
		r->mem->take_back(task->mmu, r, start + whole, page);
	return whole ? (int64_t)whole : -EFAULT;
}

/*
 * What the machine keeps of a page in an open range is all that is known of it
 * afterwards, so the mapping has to get it now. Where the program may not read it
 * gets it later.
 */
static void fill_map_open(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end)
{
	uint64_t page = r->page_size;
	uint8_t byte;

	for (uint64_t at = start; !ufi_range_armed(r) && at < end; at += page)
		(void)!task->mmu->ops->copy_in(task->mmu, &byte, at, 1);
}

/* The pages below *filled_end are open, or poisoned; the others are as they were. spec: continue.6
 */
static int fill_content(struct ufi_task *task, struct ufi_range *r, const struct ufi_op_fill *op,
			uint64_t start, uint64_t end, uint64_t *filled_end)
{
	bool ours = op->kind == UFI_FILL_COPY || op->kind == UFI_FILL_ZEROPAGE;
	uint8_t to = fill_state(r, op->kind, op->write_protect);
	int64_t n = fill_write(task, r, op, start, end);
	int err = 0;

	*filled_end = start;
	if (n < 0)
		return (int)n;
	ufi_claim_whole(task, start + (uint64_t)n, to, ours);
	if (op->kind != UFI_FILL_POISON) /* such a page is closed already */
		err = ufi_arm_apply(task, r, start, start + (uint64_t)n, to);
	if (err && ours) {
		ufi_claim_writing(task, start + (uint64_t)n);
		r->mem->take_back(task->mmu, r, start, (uint64_t)n);
	}
	if (err)
		return err;
	*filled_end = start + (uint64_t)n;
	if (op->kind != UFI_FILL_POISON)
		fill_map_open(task, r, start, *filled_end);
	return *filled_end < end ? -EFAULT : 0;
}

/*
 * How far the source can be read now: the end of the run, or the first page
 * without it; *STUCK is its address in the source then. It comes before any look
 * at the page itself. spec: copy.11
 */
static uint64_t fill_readable(struct ufi_task *task, const struct ufi_op_fill *op, uint64_t start,
			      uint64_t end, uint64_t *stuck)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	uint64_t page = task->mmu->page_size;
	uint8_t byte;

	if (op->kind != UFI_FILL_COPY)
		return end;
	for (uint64_t at = start; at < end; at += page) {
		*stuck = op->src + (at - op->dst.start);
		if (ops->copy_in(task->mmu, &byte, *stuck, 1))
			return at;
		if (uf_aligned(*stuck, page))
			continue;
		*stuck += page - 1;
		if (ops->copy_in(task->mmu, &byte, *stuck, 1))
			return at;
	}
	return end;
}

/* The pages [start, end) are ours. */
static int fill_claimed(struct ufi_task *task, struct ufi_range *r, const struct ufi_op_fill *op,
			uint64_t start, uint64_t end, uint64_t *done)
{
	bool open = !ufi_range_armed(r);
	uint64_t free_end = end;
	uint64_t filled_end = start;
	int err = 0;

	if (open)
		err = fill_close(task, r, start, end, &free_end);
	if (!err)
		err = fill_found(task, r, op->kind, start, &free_end);
	if (!err)
		err = fill_content(task, r, op, start, free_end, &filled_end);
	if (open)
		fill_reopen(task, r, filled_end, end);
	ufi_claim_release(task, r, start, filled_end, fill_state(r, op->kind, op->write_protect));
	ufi_claim_undo(task, r, filled_end, end);
	*done += filled_end - start;
	return err;
}

/* Not claimed: it is not as it must be, or was another thread's, which may have given it back. */
static int fill_refused(_Atomic uint8_t *state, struct fill_rule rule)
{
	uint8_t now;
	bool fits;

	uf_step();
	now = atomic_load(state);
	fits = !(now & rule.without) && (rule.kinds & UFI_KIND(ufi_page_kind(now)));
	return fits || (now & UFI_PAGE_BUSY) ? -EBUSY : -EEXIST;
}

/*
 * The source cannot be read. Of a huge page that is told only if the page is as
 * it must be. spec: hugetlb.6
 */
static int fill_unreadable(struct ufi_task *task, struct ufi_range *r, const struct ufi_op_fill *op,
			   uint64_t at)
{
	uint64_t end = at + r->page_size;
	uint64_t free_end = end;
	bool open = !ufi_range_armed(r);
	struct fill_rule rule = fill_rule(r, op->kind);
	int err = 0;

	if (r->page_size == task->mmu->page_size)
		return -EFAULT;
	if (ufi_claim(task, r, at, end, rule.kinds, rule.without) == at) {
		ufi_claim_end(task);
		return fill_refused(ufi_page_state(r, at), rule);
	}
	if (open)
		err = fill_close(task, r, at, end, &free_end);
	if (!err)
		err = fill_found(task, r, op->kind, at, &free_end);
	if (open)
		fill_reopen(task, r, at, end);
	ufi_claim_undo(task, r, at, end);
	ufi_claim_end(task);
	return err ? err : -EFAULT;
}

/* There is a page already; the kernel looks for the object's first. spec: private.3 */
static int fill_exists(struct ufi_task *task, struct ufi_range *r, enum ufi_fill_kind kind,
		       uint64_t at)
{
	uint8_t found = 1;
	int err = 0;

	if (kind == UFI_FILL_CONTINUE && !r->shared)
		err = r->mem->find(task->mmu, r, at, r->page_size, &found);
	return err ? err : found ? -EEXIST : -EFAULT;
}

/* One run from op->dst.start + *done on, with the registry locked. */
static int fill_run(struct ufi_task *task, struct ufi_range *r, const struct ufi_op_fill *op,
		    uint64_t *done, uint64_t *stuck)
{
	uint64_t page = r->page_size;
	uint64_t most = uf_align_down(FILL_RUN_PAGES * task->mmu->page_size, page);
	uint64_t start = op->dst.start + *done;
	uint64_t end = uf_min(uf_min(r->end, op->dst.end), start + uf_max(most, page));
	_Atomic uint8_t *state = ufi_page_state(r, start);
	struct fill_rule rule = fill_rule(r, op->kind);
	int err;

	if (ufi_range_armed(r) && ufi_page_kind(atomic_load(state)) == UFI_PAGE_UNKNOWN) {
		err = ufi_arm_settle(task, r, start);
		if (err)
			return err;
	}
	end = start + uf_align_down(fill_readable(task, op, start, end, stuck) - start, page);
	if (end == start)
		return fill_unreadable(task, r, op, start);
	if (op->write_protect)
		atomic_store(&r->states->mixed, true);
	if (op->kind == UFI_FILL_POISON)
		atomic_store(&r->states->poisoned, true);
	end = ufi_claim(task, r, start, end, rule.kinds, rule.without);
	/* spec: copy.3, continue.8 */
	if (end == start)
		err = fill_refused(state, rule);
	else
		err = fill_claimed(task, r, op, start, end, done);
	ufi_claim_end(task);
	return err == -EEXIST ? fill_exists(task, r, op->kind, start) : err;
}

/*
 * Whoever has registered it.
 * spec: fill.7, fill.8, copy.2, continue.3, continue.5, continue.12, poison.3, poison.9
 */
static int fill_locked(struct ufi_task *task, const struct ufi_op_fill *op, uint64_t *done,
		       uint64_t *stuck)
{
	struct ufi_range *r;

	if (!ufi_range_covers(task->mm, op->dst.start, op->dst.end))
		return -ENOENT;
	r = ufi_range_find(task->mm, op->dst.start + *done);
	if (op->write_protect && !(r->modes & UF_REGISTER_MODE_WP))
		return -EINVAL;
	if (r->mem->only_tracks) /* spec: async.9 */
		return -EINVAL;
	if (op->kind == UFI_FILL_CONTINUE && !(r->mem->modes & UF_REGISTER_MODE_MINOR))
		return -EINVAL;
	/* spec: hugetlb.3, hugetlb.4 */
	if (op->kind == UFI_FILL_ZEROPAGE && !(r->mem->ioctls & 1u << UF_NR_ZEROPAGE))
		return -EINVAL;
	if (!uf_aligned(op->dst.start, r->page_size) || !uf_aligned(op->dst.end, r->page_size))
		return -EINVAL;
	return fill_run(task, r, op, done, stuck);
}

/*
 * Whether anybody waits is not asked. Where the source cannot be read it is waited
 * for, as the kernel's own access would. spec: copy.5
 * spec: fill.4, fill.11, copy.4, zeropage.2, continue.13, poison.10
 */
int ufi_fill(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_fill *op,
	     uint64_t *done)
{
	struct ufi_mm *mm = ctx->mm;
	unsigned round = 0;
	uint64_t stuck;
	int err = 0;

	while (!err && op->dst.start + *done < op->dst.end) {
		ufi_rwlock_read(task, &mm->registry);
		stuck = op->src + *done;
		/* Raised since it was asked first. spec: event.12 */
		err = atomic_load(&ctx->changing) ? -EAGAIN : fill_locked(task, op, done, &stuck);
		ufi_rwlock_read_end(task, &mm->registry);
		if (err == -EBUSY) {
			ufi_claim_await(task, round++);
			err = 0;
		} else if (err == -EFAULT && op->kind == UFI_FILL_COPY) {
			err = task->mmu->ops->touch(task->mmu, stuck, UF_PROT_READ, &task->saved);
		}
	}
	/* Beyond the end of the object. spec: copy.7 */
	return err == -ENXIO ? -EFAULT : err;
}
