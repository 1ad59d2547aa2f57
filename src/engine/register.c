/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns REGISTER and UNREGISTER: a first pass over everything mapped in the
 * span decides and changes nothing, a second one applies.
 */
#include "engine/engine.h"

/* A part of the span that one registered range or one mapping fills. */
struct register_piece {
	struct ufi_range *range; /* NULL: not registered */
	struct uf_vma vma;	 /* clipped to the piece */
};

static void piece_of_range(struct register_piece *p, struct ufi_range *r, uint64_t start,
			   uint64_t end)
{
	p->range = r;
	p->vma.start = uf_max(r->start, start);
	p->vma.end = uf_min(r->end, end);
	p->vma.mem = r->mem;
	p->vma.prot = r->prot;
	p->vma.maywrite = true;
}

static void piece_of_vma(struct register_piece *p, const struct uf_vma *vma, uint64_t start,
			 uint64_t end)
{
	p->range = NULL;
	p->vma = *vma;
	p->vma.start = uf_max(vma->start, start);
	p->vma.end = uf_min(vma->end, end);
	if (vma->object)
		p->vma.offset += p->vma.start - vma->start;
}

/*
 * The first piece in [start, end). What is registered is known here; our traps
 * must not be seen as the program's mappings. -ENOENT: only holes are left.
 * spec: register.10
 */
static int register_next(struct ufi_mm *mm, uint64_t start, uint64_t end, struct register_piece *p)
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
 * In the kernel's order. The memory says which modes it can have, no feature is asked for.
 * spec: register.4, register.5, register.6, register.7, api.11
 */
static int register_check(const struct ufi_ctx *ctx, const struct register_piece *p, uint64_t modes)
{
	if (!p->vma.mem || (modes & ~p->vma.mem->modes))
		return -EINVAL;
	if (!p->vma.maywrite)
		return -EPERM;
	if (p->range && p->range->ctx != ctx)
		return -EBUSY;
	return 0;
}

/* *IOCTLS: those that every piece can take. spec: register.3, register.11 */
static int register_check_all(struct ufi_ctx *ctx, const struct ufi_op_register *op,
			      uint64_t *ioctls)
{
	struct register_piece p;
	uint64_t at = op->span.start;
	int err;

	*ioctls = UINT64_MAX;

	while (at < op->span.end) {
		err = register_next(ctx->mm, at, op->span.end, &p);
		if (err == -ENOENT)
			return at == op->span.start ? -EINVAL : 0;
		if (!err)
			err = register_check(ctx, &p, op->modes);
		if (err)
			return err;
		*ioctls &= UINT64_C(1) << UF_NR_WAKE | p.vma.mem->ioctls;
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

	err = ufi_range_create(ctx, vma, modes, &r);
	return err ? err : ufi_range_adopt(task, r);
}

/*
 * Only one mode exists, so a range of ours in the span has it already and a
 * registration that repeats it changes nothing. spec: register.8, register.9
 */
static int register_apply(struct ufi_task *task, struct ufi_ctx *ctx,
			  const struct ufi_op_register *op)
{
	struct register_piece p;
	uint64_t at = op->span.start;
	int err;

	while (at < op->span.end) {
		err = register_next(ctx->mm, at, op->span.end, &p);
		if (err == -ENOENT)
			return 0;
		if (!err && !p.range)
			err = register_new(task, ctx, &p.vma, op->modes);
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

/* spec: unregister.2, unregister.3 */
static int unregister_check_all(struct ufi_ctx *ctx, const struct ufi_span *op)
{
	struct register_piece p;
	uint64_t at = op->start;
	int err;

	while (at < op->end) {
		err = register_next(ctx->mm, at, op->end, &p);
		if (err == -ENOENT)
			return at == op->start ? -EINVAL : 0;
		if (err)
			return err;
		if (p.range && p.range->ctx != ctx)
			return -EINVAL;
		if (!p.vma.mem)
			return -EINVAL;
		at = p.vma.end;
	}
	return 0;
}

/*
 * Who is woken faults again and waits for the registry, so it may come first:
 * then nobody sleeps on if we are killed in between. spec: unregister.5
 */
static void unregister_wake(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_span *op)
{
	const struct ufi_table *table = ctx->mm->table;

	for (uint32_t i = ufi_range_lower(ctx->mm, op->start);
	     i < table->n && table->range[i]->start < op->end; i++)
		ufi_wake(task, ctx, table->range[i]->start, table->range[i]->end);
}

/* spec: unregister.1, unregister.4 */
int ufi_unregister(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_span *op)
{
	struct ufi_mm *mm = ctx->mm;
	int err;

	ufi_rwlock_write(task, &mm->registry);
	err = unregister_check_all(ctx, op);
	if (!err)
		err = ufi_range_isolate(mm, op->start, op->end);
	if (!err) {
		unregister_wake(task, ctx, op);
		ufi_range_end(mm, op->start, op->end, UFI_RANGE_ENDING);
		ufi_range_reap(mm);
	}
	UFI_VALIDATE_MM(mm);
	ufi_rwlock_write_end(task, &mm->registry);
	return err;
}
