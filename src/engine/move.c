/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns MOVE: pages of private anonymous memory change their place. It goes in
 * runs of pages that are alike at either place, each with the registry locked
 * for writing, so that whoever comes upon a closed page in between waits. What
 * is being moved is noted before it begins (struct ufi_change), for whoever
 * finds the mover dead.
 */
#include "base/step.h"
#include "engine/pagestate.h"

/*
 * One run: bounds the time for which faults have to wait. A run also ends at
 * a multiple of it, so that the machine can move a huge page as a whole.
 */
#define MOVE_RUN_PAGES UINT64_C(512)

struct move_run {
	struct ufi_range *dst;
	struct ufi_range *src; /* NULL: not registered */
	uint64_t at;	       /* of the target */
	uint64_t end;
	uint64_t from; /* of the source */
	uint8_t was;   /* the state of all pages of the source */
	bool hole;     /* and whether they are missing */
};

/* --- Which memory --- */

/* What is mapped there, up to END at most. spec: move.7 */
static int move_find(struct ufi_task *task, uint64_t start, uint64_t end, struct ufi_piece *p)
{
	int err = ufi_piece_next(task->mm, start, end, p);

	return err || p->vma.start == start ? err : -ENOENT;
}

/* spec: move.9 */
static bool move_anonymous(const struct ufi_task *task, const struct ufi_piece *p)
{
	return p->vma.mem && !p->vma.mem->only_tracks && !p->vma.shared && !p->vma.object &&
	       p->vma.page_size == task->mmu->page_size;
}

/* Nobody's poison is not registered. */
static const struct ufi_ctx *move_owner(const struct ufi_piece *p)
{
	return p->range ? p->range->ctx : NULL;
}

static uint64_t move_modes(const struct ufi_piece *p)
{
	return p->range ? p->range->modes : 0;
}

/*
 * From the first piece to END, is it what the kernel would keep as one VMA? Our
 * traps may have cut it, so mappings that look alike are one. spec: move.8
 */
static int move_one_mapping(struct ufi_task *task, const struct ufi_piece *first, uint64_t end)
{
	uint64_t at = first->vma.end;

	while (at < end) {
		struct ufi_piece p;
		int err = move_find(task, at, end, &p);

		if (err == -ENOENT)
			return -EINVAL;
		if (err)
			return err;
		if (!move_anonymous(task, &p) || p.vma.prot != first->vma.prot ||
		    move_owner(&p) != move_owner(first) || move_modes(&p) != move_modes(first))
			return -EINVAL;
		at = p.vma.end;
	}
	return 0;
}

/*
 * In the kernel's order; what is left to do counts. The modes of the target and
 * the owner of the source do not matter.
 * spec: move.7, move.10, move.12, move.13
 */
static int move_check(struct ufi_task *task, const struct ufi_ctx *ctx,
		      const struct ufi_op_move *op, uint64_t done, struct move_run *run)
{
	uint64_t src_end = op->src + (op->dst.end - op->dst.start);
	uint64_t page = task->mmu->page_size;
	struct ufi_piece dst;
	struct ufi_piece src;
	int err;

	run->at = op->dst.start + done;
	run->from = op->src + done;
	err = move_find(task, run->at, op->dst.end, &dst);
	if (!err)
		err = move_find(task, run->from, src_end, &src);
	if (err)
		return err;
	if (!dst.range || dst.range->ctx != ctx ||
	    !ufi_range_covers(task->mm, run->at, op->dst.end))
		return -EINVAL;
	if (!move_anonymous(task, &dst) || !move_anonymous(task, &src))
		return -EINVAL;
	if (dst.vma.prot != src.vma.prot || !(dst.vma.prot & UF_PROT_WRITE))
		return -EINVAL;
	run->dst = dst.range;
	run->src = src.range;
	run->end = uf_min(dst.vma.end, run->at + (src.vma.end - run->from));
	run->end = uf_min(run->end,
			  uf_align_down(run->at, MOVE_RUN_PAGES * page) + MOVE_RUN_PAGES * page);
	return move_one_mapping(task, &src, src_end);
}

/* Page by page is what a run must look like, so it ends where it would meet itself. spec: move.24
 */
static void move_apart(struct move_run *run)
{
	uint64_t distance = run->at > run->from ? run->at - run->from : run->from - run->at;

	if (distance)
		run->end = uf_min(run->end, run->at + distance);
}

/* --- Which pages --- */

/* The first run in the span that the page tables have; the span need not be registered. */
static int move_populated(struct ufi_task *task, uint64_t at, uint64_t limit, uint64_t *start,
			  uint64_t *end)
{
	struct ufi_range span = {.start = at, .end = limit, .page_size = task->mmu->page_size};

	return task->mmu->ops->populated(task->mmu, &span, at, start, end);
}

/* In an open range it is the machine that knows. */
static int move_target_open(struct ufi_task *task, struct move_run *run)
{
	uint64_t start;
	uint64_t end;
	int err = move_populated(task, run->at, run->end, &start, &end);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (start == run->at)
		return -EEXIST;
	run->end = start;
	return 0;
}

/* The run ends before the first page that the target has, or that is marked. spec: move.15 */
static int move_target(struct ufi_task *task, struct move_run *run)
{
	struct ufi_range *r = run->dst;
	bool armed = ufi_range_armed(r);
	uint8_t free = armed ? UFI_PAGE_MISSING : UFI_PAGE_UNKNOWN;
	_Atomic uint8_t *state = ufi_page_state(r, run->at);

	if (armed && ufi_page_kind(atomic_load(state)) == UFI_PAGE_UNKNOWN) {
		int err = ufi_arm_settle(task, r, run->at);

		if (err)
			return err;
	}
	if (atomic_load(state) != free)
		return -EEXIST;
	run->end = ufi_page_alike(r, run->at, run->end, free);
	return armed ? 0 : move_target_open(task, run);
}

/* The same for a source that fills itself. */
static int move_source_open(struct ufi_task *task, struct move_run *run)
{
	uint64_t limit = run->from + (run->end - run->at);
	uint64_t start;
	uint64_t end;
	int err = move_populated(task, run->from, limit, &start, &end);

	if (err && err != -ENOENT)
		return err;
	run->hole = err || start > run->from;
	if (!err)
		run->end = run->at + (uf_min(run->hole ? start : end, limit) - run->from);
	return 0;
}

/* The run ends where the source has other pages. spec: move.16, move.19 */
static int move_source(struct ufi_task *task, struct move_run *run, bool allow_holes)
{
	struct ufi_range *r = run->src;
	int err = 0;

	run->was = UFI_PAGE_UNKNOWN;
	if (r) {
		uint64_t limit = run->from + (run->end - run->at);

		run->was = atomic_load(ufi_page_state(r, run->from));
		limit = ufi_page_alike(r, run->from, limit, run->was);
		run->end = run->at + (limit - run->from);
	}
	if (ufi_page_kind(run->was) == UFI_PAGE_POISON)
		return -EFAULT;
	if (r && ufi_range_armed(r))
		run->hole = ufi_page_kind(run->was) != UFI_PAGE_PRESENT;
	else
		err = move_source_open(task, run);
	if (err || !run->hole)
		return err;
	if (run->was & UFI_PAGE_WP)
		return -EFAULT;
	return allow_holes ? 0 : -ENOENT;
}

/* --- The pages themselves --- */

/* What the machine lets through is what the states say. */
static void move_restore(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end)
{
	uint64_t at = start;

	while (at < end) {
		uint8_t state = atomic_load(ufi_page_state(r, at));
		uint64_t run = ufi_page_alike(r, at, end, state);

		/* A page that the machine refuses to open goes on trapping. */
		(void)!ufi_arm_apply(task, r, at, run, state);
		at = run;
	}
}

/* Everything is where it was. */
static void move_undo(struct ufi_task *task)
{
	const struct ufi_change *c = &task->mm->change;
	struct ufi_range *dst = ufi_range_find(task->mm, c->start);
	struct ufi_range *src = ufi_range_find(task->mm, c->src);

	if (!ufi_range_armed(dst))
		move_restore(task, dst, c->start, c->end);
	if (src && c->src_closed)
		move_restore(task, src, c->src, c->src + (c->end - c->start));
}

static void move_set(struct ufi_range *r, uint64_t start, uint64_t end, uint8_t state)
{
	for (uint64_t at = start; at < end; at += r->page_size) {
		uf_step();
		atomic_store(ufi_page_state(r, at), state);
	}
}

/*
 * At the target they are open, but for memory that is registered for RWP. Where
 * the machine refuses to close them there they are as the state says, accessible.
 * spec: move.26
 */
static uint8_t move_arrived(struct ufi_task *task, struct ufi_range *dst)
{
	const struct ufi_change *c = &task->mm->change;
	uint8_t state = ufi_range_armed(dst) ? UFI_PAGE_PRESENT : UFI_PAGE_UNKNOWN;

	if (!(dst->modes & UF_REGISTER_MODE_RWP) ||
	    task->mmu->ops->close(task->mmu, dst, c->start, c->end - c->start))
		return state;
	atomic_store(&dst->states->mixed, true);
	return state | UFI_PAGE_RWP;
}

/* Protection stays behind and ends. spec: move.14, move.20 */
static void move_say_so(struct ufi_task *task)
{
	const struct ufi_change *c = &task->mm->change;
	uint64_t src_end = c->src + (c->end - c->start);
	struct ufi_range *dst = ufi_range_find(task->mm, c->start);
	struct ufi_range *src = ufi_range_find(task->mm, c->src);

	move_set(dst, c->start, c->end, move_arrived(task, dst));
	if (!src)
		return;
	move_set(src, c->src, src_end, ufi_range_armed(src) ? UFI_PAGE_MISSING : UFI_PAGE_UNKNOWN);
	if (!ufi_range_armed(src) && c->src_closed)
		move_restore(task, src, c->src, src_end);
}

static void move_phase(struct ufi_task *task, enum ufi_change_kind kind)
{
	atomic_store(&task->mm->change.kind, kind);
	uf_step();
}

/* All of them, or none. AGAIN: somebody has been killed at it. spec: move.21, move.22, move.25 */
static int move_machine(struct ufi_task *task, bool again)
{
	const struct ufi_change *c = &task->mm->change;
	const struct uf_page_move move = {.dst = c->start,
					  .src = c->src,
					  .len = c->end - c->start,
					  .src_closed = c->src_closed,
					  .again = again};
	struct ufi_range *dst = ufi_range_find(task->mm, c->start);

	return task->mmu->ops->move(task->mmu, dst, &move);
}

static int move_pages(struct ufi_task *task, bool again)
{
	int err = move_machine(task, again);

	if (err) {
		move_phase(task, UFI_CHANGE_MOVE_BEGUN);
		move_undo(task);
		return err;
	}
	move_phase(task, UFI_CHANGE_MOVED);
	move_say_so(task);
	return 0;
}

/*
 * What would fill itself must not do so now: the target has to stay empty. A
 * source that is open without protection stays open: the machine takes its pages
 * away from under whoever writes to them, and he finds new ones. -EBUSY: a page
 * has come to the target since we looked.
 */
static int move_close(struct ufi_task *task, const struct move_run *run)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	uint64_t len = run->end - run->at;
	uint64_t start;
	uint64_t end;
	int err = 0;

	if (!ufi_range_armed(run->dst)) {
		err = ops->close(task->mmu, run->dst, run->at, len);
		if (!err)
			err = move_populated(task, run->at, run->end, &start, &end);
		err = err == -ENOENT ? 0 : err ? err : -EBUSY;
	}
	if (!err && task->mm->change.src_closed)
		err = ops->close(task->mmu, run->src, run->from, len);
	return err;
}

static int move_content(struct ufi_task *task, const struct move_run *run)
{
	struct ufi_change *c = &task->mm->change;
	int err;

	c->start = run->at;
	c->end = run->end;
	c->src = run->from;
	c->src_closed = run->src &&
			(ufi_range_armed(run->src) || (run->was & (UFI_PAGE_WP | UFI_PAGE_RWP)));
	move_phase(task, UFI_CHANGE_MOVE_BEGUN);
	err = move_close(task, run);
	if (err) {
		move_undo(task);
	} else {
		move_phase(task, UFI_CHANGE_MOVE);
		err = move_pages(task, false);
	}
	move_phase(task, UFI_CHANGE_NONE);
	return err;
}

/*
 * What has left its place goes all the way, unless the machine refuses. It is
 * the same for whoever repairs after one that was killed at this, too.
 */
void ufi_move_repair(struct ufi_task *task, enum ufi_change_kind kind)
{
	if (kind == UFI_CHANGE_MOVE_BEGUN)
		move_undo(task);
	else if (kind == UFI_CHANGE_MOVE)
		(void)!move_pages(task, true);
	else
		move_say_so(task);
}

static int move_next(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_move *op,
		     uint64_t *done)
{
	struct move_run run = {.hole = false};
	int err = move_check(task, ctx, op, *done, &run);

	if (err)
		return err;
	move_apart(&run);
	err = move_target(task, &run);
	if (!err)
		err = move_source(task, &run, op->allow_holes);
	if (!err && !run.hole)
		err = move_content(task, &run);
	if (!err)
		*done += run.end - run.at;
	return err;
}

int ufi_move(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_move *op,
	     uint64_t *done)
{
	struct ufi_mm *mm = ctx->mm;
	int err = 0;

	while (!err && op->dst.start + *done < op->dst.end) {
		ufi_rwlock_write(task, &mm->registry);
		err = atomic_load(&ctx->changing) ? -EAGAIN : move_next(task, ctx, op, done);
		UFI_VALIDATE_MM(mm);
		ufi_rwlock_write_end(task, &mm->registry);
		if (err == -EBUSY)
			err = 0;
	}
	return err;
}
