/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns REGISTER and UNREGISTER: a first pass over everything mapped in the
 * span decides and changes nothing, a second one applies.
 */
#include "engine/pagestate.h"

static void piece_clip(struct ufi_piece *p, uint64_t start, uint64_t end)
{
	if (p->vma.object && start > p->vma.start)
		p->vma.offset += start - p->vma.start;
	p->vma.start = uf_max(p->vma.start, start);
	p->vma.end = uf_min(p->vma.end, end);
}

static void piece_of_range(struct ufi_piece *p, struct ufi_range *r, uint64_t start, uint64_t end)
{
	p->range = r;
	p->vma = ufi_range_vma(r);
	piece_clip(p, start, end);
}

static void piece_of_vma(struct ufi_piece *p, const struct uf_vma *vma, uint64_t start,
			 uint64_t end)
{
	p->range = NULL;
	p->vma = *vma;
	piece_clip(p, start, end);
}

/*
 * The first piece in [start, end). What is registered is known here; our traps
 * must not be seen as the program's mappings. -ENOENT: only holes are left.
 * spec: register.10
 */
int ufi_piece_next(struct ufi_mm *mm, uint64_t start, uint64_t end, struct ufi_piece *p)
{
	uint32_t i = ufi_range_lower(mm, start);
	struct ufi_range *r = i < mm->table->n ? mm->table->range[i] : NULL;
	struct uf_vma vma;
	int err;

	if (r && r->start <= start) {
		piece_of_range(p, r, start, end);
		return 0;
	}
	err = mm->mmu->ops->vma_find(mm->mmu, start, &vma);
	if (err)
		return err;
	if (r && vma.start >= r->start) {
		if (r->start >= end)
			return -ENOENT;
		piece_of_range(p, r, start, end);
		return 0;
	}
	if (vma.start >= end)
		return -ENOENT;
	piece_of_vma(p, &vma, start, r ? uf_min(end, r->start) : end);
	return 0;
}

/*
 * Would protection of pages be lost with the mode, for which an access is to
 * wait? That of writing alone may sleep. spec: rwprotect.18
 */
static bool register_drops(const struct ufi_range *r, uint64_t modes)
{
	const uint64_t both = UF_REGISTER_MODE_WP | UF_REGISTER_MODE_RWP;

	return (r->modes & ~modes & both) && ((r->modes | modes) & UF_REGISTER_MODE_RWP);
}

/*
 * The first mapping says how the span must begin, also where that lies in a
 * hole before it. spec: hugetlb.1
 */
static int register_first(const struct ufi_piece *p, uint64_t at, const struct ufi_span *span)
{
	return at == span->start && !uf_aligned(at, p->vma.page_size) ? -EINVAL : 0;
}

/*
 * In the kernel's order. The memory says which modes it can have, no feature is asked for.
 * spec: register.4, register.5, register.6, register.7, register.16, rwprotect.17, api.11, api.12,
 *	hugetlb.1
 */
static int register_check(const struct ufi_ctx *ctx, const struct ufi_piece *p, uint64_t modes,
			  uint64_t end)
{
	if (!p->vma.mem || (modes & ~p->vma.mem->modes))
		return -EINVAL;
	if ((modes & UF_REGISTER_MODE_RWP) && !p->vma.prot)
		return -EINVAL;
	if (p->vma.mem->only_tracks && !(atomic_load(&ctx->features) & UF_FEATURE_WP_ASYNC))
		return -EINVAL; /* spec: async.8 */
	if (!p->vma.maywrite)
		return -EPERM;
	if (p->vma.end == end && !uf_aligned(end, p->vma.page_size))
		return -EINVAL;
	if (p->range && p->range->ctx && (p->range->ctx != ctx || register_drops(p->range, modes)))
		return -EBUSY;
	return 0;
}

/* Some are told by the mode. spec: register.11, register.17, rwprotect.16 */
static uint64_t register_ioctls(const struct uf_mem_ops *mem, uint64_t modes)
{
	uint64_t ioctls = UINT64_C(1) << UF_NR_WAKE | mem->ioctls;

	if (modes & UF_REGISTER_MODE_WP)
		ioctls |= UINT64_C(1) << UF_NR_WRITEPROTECT;
	if (modes & UF_REGISTER_MODE_MINOR)
		ioctls |= UINT64_C(1) << UF_NR_CONTINUE;
	if (modes & UF_REGISTER_MODE_RWP)
		ioctls |= UINT64_C(1) << UF_NR_RWPROTECT;
	return ioctls;
}

/* *IOCTLS: those that every piece can take. spec: register.3 */
static int register_check_all(struct ufi_ctx *ctx, const struct ufi_op_register *op,
			      uint64_t *ioctls)
{
	struct ufi_piece p;
	uint64_t at = op->span.start;
	int err;

	*ioctls = UINT64_MAX;

	while (at < op->span.end) {
		err = ufi_piece_next(ctx->mm, at, op->span.end, &p);
		if (err == -ENOENT)
			return at == op->span.start ? -EINVAL : 0;
		if (!err)
			err = register_first(&p, at, &op->span);
		if (!err)
			err = register_check(ctx, &p, op->modes, op->span.end);
		if (err)
			return err;
		*ioctls &= register_ioctls(p.vma.mem, op->modes);
		at = p.vma.end;
	}
	return 0;
}

static void register_keep_fresh(struct ufi_mm *mm, const struct ufi_span *span)
{
	const struct ufi_table *table = mm->table;

	for (uint32_t i = ufi_range_lower(mm, span->start);
	     i < table->n && table->range[i]->start < span->end; i++)
		table->range[i]->life = UFI_RANGE_KEPT;
}

static int register_new(struct ufi_task *task, struct ufi_ctx *ctx, const struct uf_vma *vma,
			uint64_t modes)
{
	struct ufi_range *r;
	int err;

	err = ufi_range_create(ctx->mm, ctx, vma, modes, &r);
	return err || !ufi_range_armed(r) ? err : ufi_arm_adopt(task, r);
}

/*
 * A range of ours, or a poisoned one of nobody's. What has all the modes that
 * are asked for keeps those it has; other modes are replaced. Nobody is woken.
 * spec: register.8, register.9, register.18, register.19, register.21
 */
static int register_again(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_piece *p,
			  uint64_t modes)
{
	int err;

	if (p->range->ctx && !(modes & ~p->range->modes))
		return 0;
	err = ufi_range_isolate(ctx->mm, p->vma.start, p->vma.end);
	if (err)
		return err;
	return ufi_arm_change(task, ufi_range_find(ctx->mm, p->vma.start), ctx, modes);
}

static int register_apply(struct ufi_task *task, struct ufi_ctx *ctx,
			  const struct ufi_op_register *op)
{
	struct ufi_piece p;
	uint64_t at = op->span.start;
	int err;

	while (at < op->span.end) {
		err = ufi_piece_next(ctx->mm, at, op->span.end, &p);
		if (err == -ENOENT)
			return 0;
		if (!err)
			err = p.range ? register_again(task, ctx, &p, op->modes)
				      : register_new(task, ctx, &p.vma, op->modes);
		if (err)
			return err;
		at = p.vma.end;
	}
	return 0;
}

int ufi_register(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_register *op,
		 uint64_t *ioctls)
{
	struct ufi_mm *mm = ctx->mm;
	int err;

	ufi_rwlock_write(task, &mm->registry);
	err = register_check_all(ctx, op, ioctls);
	if (!err) {
		err = register_apply(task, ctx, op);
		/* Of a failed call nothing is kept; what was there before stays. */
		if (err)
			ufi_range_reap(mm);
		else
			register_keep_fresh(mm, &op->span);
	}
	UFI_VALIDATE_MM(mm);
	ufi_rwlock_write_end(task, &mm->registry);
	return err;
}

/* spec: unregister.2, unregister.3, hugetlb.1 */
static int unregister_check_all(struct ufi_ctx *ctx, const struct ufi_span *op)
{
	struct ufi_piece p;
	uint64_t at = op->start;
	int err;

	while (at < op->end) {
		err = ufi_piece_next(ctx->mm, at, op->end, &p);
		if (err == -ENOENT)
			return at == op->start ? -EINVAL : 0;
		if (!err)
			err = register_first(&p, at, op);
		if (err)
			return err;
		if (p.range && p.range->ctx && p.range->ctx != ctx)
			return -EINVAL;
		/* spec: async.10 */
		if (!p.vma.mem || (!p.range && p.vma.mem->only_tracks))
			return -EINVAL;
		if (p.vma.end == op->end && !uf_aligned(op->end, p.vma.page_size))
			return -EINVAL;
		at = p.vma.end;
	}
	return 0;
}

/*
 * Who is woken faults again and waits for the registry, so it may come first:
 * then nobody sleeps on if we are killed in between. In memory that was not
 * registered for missing pages they do. spec: unregister.5, unregister.7, rwprotect.22, async.16
 */
static void unregister_ranges(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_span *op)
{
	const struct ufi_table *table = ctx->mm->table;

	for (uint32_t i = ufi_range_lower(ctx->mm, op->start);
	     i < table->n && table->range[i]->start < op->end; i++) {
		struct ufi_range *r = table->range[i];

		if (!r->ctx)
			continue;
		if (r->modes & UF_REGISTER_MODE_MISSING)
			ufi_wake(task, ctx, r->start, r->end);
		r->life = UFI_RANGE_ENDING;
	}
	ufi_range_reap(ctx->mm);
}

/* spec: unregister.1, unregister.4, unregister.6 */
int ufi_unregister(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_span *op)
{
	struct ufi_mm *mm = ctx->mm;
	int err;

	ufi_rwlock_write(task, &mm->registry);
	err = unregister_check_all(ctx, op);
	if (!err)
		err = ufi_range_isolate(mm, op->start, op->end);
	if (!err)
		err = ufi_range_keep_poison(mm, ctx, op->start, op->end);
	if (!err)
		unregister_ranges(task, ctx, op);
	UFI_VALIDATE_MM(mm);
	ufi_rwlock_write_end(task, &mm->registry);
	return err;
}
