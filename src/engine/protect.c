/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns WRITEPROTECT and RWPROTECT: which pages of a span are protected against
 * writing, or against any access, and no longer. It goes over ranges of whatever
 * owner, in runs of pages that are alike, which it claims while the machine is
 * told.
 */
#include "engine/pagestate.h"

/* One run: bounds the time for which a write into it has to wait. */
#define PROTECT_RUN_PAGES UINT64_C(32768)

/* A run of pages that all are in state OLD; FLAG is the protection. */
struct protect_run {
	struct ufi_range *range;
	uint64_t start;
	uint64_t end;
	uint8_t flag;
	uint8_t old;
	uint8_t to;
};

/*
 * Can a page that is not there be marked? Against any access never, there is none
 * to miss. Against writing the memory may say so, otherwise only if the owner has
 * asked for it. spec: writeprotect.6, writeprotect.7, rwprotect.6, private.5
 */
static bool protect_marks(const struct protect_run *run)
{
	const struct ufi_range *r = run->range;

	if (run->flag == UFI_PAGE_RWP)
		return false;
	return r->mem->marks || (atomic_load(&r->ctx->features) & UF_FEATURE_WP_UNPOPULATED);
}

/* Pages that are not there are closed, or will be filled as their state says. */
static int protect_mark(struct ufi_task *task, const struct protect_run *run)
{
	uint64_t page = run->range->page_size;

	for (uint64_t at = run->start; at < run->end; at += page) {
		uint8_t seen = run->old;

		/* Who fills it meanwhile comes first, or comes later: look again. */
		if (!atomic_compare_exchange_strong(ufi_page_state(run->range, at), &seen, run->to))
			return -EBUSY;
	}
	return 0;
}

/*
 * In this mapping, whatever its protection.
 * spec: writeprotect.5, writeprotect.11, writeprotect.13, rwprotect.5, rwprotect.12, rwprotect.13
 */
static int protect_pages(struct ufi_task *task, const struct protect_run *run, uint64_t start,
			 uint64_t end)
{
	unsigned kinds = UFI_KIND(ufi_page_kind(run->old));
	uint8_t without = run->old & run->flag ? 0 : run->flag;
	uint64_t claimed = ufi_claim(task, run->range, start, end, kinds, without);
	int err = claimed == start ? -EBUSY : 0;

	if (!err)
		err = ufi_claim_apply(task, run->range, start, claimed, run->to);
	ufi_claim_end(task);
	return !err && claimed < end ? -EBUSY : err;
}

/* In an open range without marks only what the machine has is protected. */
static int protect_populated(struct ufi_task *task, const struct protect_run *run)
{
	uint64_t at = run->start;

	while (at < run->end) {
		uint64_t start;
		uint64_t end;
		int err = task->mmu->ops->populated(task->mmu, run->range, at, &start, &end);

		if (err == -ENOENT || (!err && start >= run->end))
			return 0;
		if (!err)
			err = protect_pages(task, run, uf_max(start, at), uf_min(end, run->end));
		if (err)
			return err;
		at = end;
	}
	return 0;
}

/*
 * Pages differ in the machine's protection from now on: in an open range because
 * that is what closes them, in an armed one if they are open for reading only.
 */
static void protect_mixes(const struct protect_run *run)
{
	struct ufi_range *r = run->range;

	if (run->flag == UFI_PAGE_WP || !ufi_range_armed(r))
		atomic_store(&r->states->mixed, true);
}

/* spec: writeprotect.8, writeprotect.14, rwprotect.8, rwprotect.19, async.7 */
static int protect_run(struct ufi_task *task, const struct protect_run *run)
{
	struct ufi_range *r = run->range;
	bool protects = run->to & run->flag;

	if (run->old & UFI_PAGE_BUSY)
		return -EBUSY;
	if (run->to == run->old || ufi_page_kind(run->old) == UFI_PAGE_POISON)
		return 0;
	if (protects)
		protect_mixes(run);
	if (!ufi_page_there(r, run->old))
		return protects && !protect_marks(run) ? 0 : protect_mark(task, run);
	if (protects && ufi_page_kind(run->old) == UFI_PAGE_UNKNOWN && !protect_marks(run))
		return protect_populated(task, run);
	return protect_pages(task, run, run->start, run->end);
}

/*
 * The run at AT: its end is where another state begins, or the span ends.
 * spec: writeprotect.10, rwprotect.10
 */
static struct protect_run protect_run_at(const struct ufi_op_protect *op, struct ufi_range *r,
					 uint64_t at, uint64_t end)
{
	uint64_t page = r->page_size;
	struct protect_run run = {.range = r, .start = at};

	end = uf_min(end, at + PROTECT_RUN_PAGES * page);
	run.flag = op->mode == UF_REGISTER_MODE_RWP ? UFI_PAGE_RWP : UFI_PAGE_WP;
	run.old = atomic_load(ufi_page_state(r, at));
	run.to = (uint8_t)(op->protect ? run.old | run.flag : run.old & ~run.flag);
	run.end = ufi_page_alike(r, at, end, run.old);
	return run;
}

static bool protect_takes(const struct ufi_op_protect *op, const struct ufi_piece *p)
{
	return p->range && (p->range->modes & op->mode);
}

/*
 * One run from *AT on, with the registry locked; *AT is behind it then. Whoever
 * has registered it.
 * spec: writeprotect.3, writeprotect.4, writeprotect.12, rwprotect.3, rwprotect.7
 */
static int protect_step(struct ufi_task *task, const struct ufi_op_protect *op, uint64_t *at,
			bool *found)
{
	struct protect_run run;
	struct ufi_piece p;
	int err = ufi_piece_next(task->mm, *at, op->span.end, &p);

	if (err == -ENOENT) {
		*at = op->span.end;
		return *found ? 0 : -ENOENT;
	}
	if (err)
		return err;
	if (!protect_takes(op, &p))
		return -ENOENT;
	/* spec: hugetlb.3 */
	if (!uf_aligned(op->span.start, p.range->page_size) ||
	    !uf_aligned(op->span.end, p.range->page_size))
		return -EINVAL;
	*found = true;
	*at = p.vma.start;
	run = protect_run_at(op, p.range, *at, p.vma.end);
	err = protect_run(task, &run);
	if (!err)
		*at = run.end;
	return err;
}

/*
 * RWPROTECT does nothing before it knows that it can go over all of the span.
 * What the program changes while we go is met where it is met. spec: rwprotect.4
 */
static int protect_check(struct ufi_task *task, const struct ufi_op_protect *op)
{
	uint64_t at = op->span.start;
	bool takes = true;
	struct ufi_piece p;
	int err = 0;

	if (op->mode == UF_REGISTER_MODE_WP)
		return 0;
	ufi_rwlock_read(task, &task->mm->registry);
	while (takes && at < op->span.end) {
		err = ufi_piece_next(task->mm, at, op->span.end, &p);
		if (err)
			break;
		takes = protect_takes(op, &p);
		at = p.vma.end;
	}
	ufi_rwlock_read_end(task, &task->mm->registry);
	if (!takes)
		return -ENOENT;
	return err == -ENOENT ? 0 : err; /* the rest is holes */
}

int ufi_protect(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_protect *op)
{
	uint64_t at = op->span.start;
	unsigned round = 0;
	bool found = false;
	int err = protect_check(task, op);

	while (!err && at < op->span.end) {
		ufi_rwlock_read(task, &task->mm->registry);
		err = atomic_load(&ctx->changing) ? -EAGAIN : protect_step(task, op, &at, &found);
		ufi_rwlock_read_end(task, &task->mm->registry);
		if (err == -EBUSY) {
			ufi_claim_await(task, round++);
			err = 0;
		}
	}
	return err;
}
