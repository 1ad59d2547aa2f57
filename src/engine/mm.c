/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the life of an address space: empty at first, and in a fork child with nothing but
 * what contexts of its own answer for.
 */
#include "engine/engine.h"

/* Pointers only: untouched pages cost nothing, and the tables never move. */
#define MM_RANGES_MAX (UINT32_C(1) << 20)
#define MM_TABLE_SIZE (sizeof(struct ufi_table) + MM_RANGES_MAX * sizeof(struct ufi_range *))

int ufi_mm_init(struct ufi_mm *mm, struct uf_mmu *mmu)
{
	memset(mm, 0, sizeof(*mm));
	mm->mmu = mmu;
	mm->ranges_max = MM_RANGES_MAX;
	for (int i = 0; i < 2; i++) {
		mm->tables[i] = mmu->ops->alloc(mmu, MM_TABLE_SIZE);
		if (!mm->tables[i])
			goto free_tables;
	}
	mm->table = mm->tables[0];
	return 0;

free_tables:
	if (mm->tables[0])
		mmu->ops->free(mmu, mm->tables[0], MM_TABLE_SIZE);
	mm->mmu = NULL;
	return -ENOMEM;
}

/* What was poisoned in private memory is poisoned in the child, too. */
static void mm_keep_poison(struct ufi_mm *mm)
{
	for (uint32_t i = 0; i < mm->table->n; i++) {
		struct ufi_range *r = mm->table->range[i];

		/* Without memory for it the poison is lost, and nothing else. */
		if (r->ctx && !r->ctx->heir)
			(void)!ufi_range_keep_poison(mm, r->ctx, r->start, r->end);
	}
}

/* The page tables of an object come along only where they can hold protections. spec: event.22 */
static int mm_forget_tables(struct ufi_task *task, struct ufi_range *r)
{
	const uint64_t kept = UF_REGISTER_MODE_WP | UF_REGISTER_MODE_RWP;

	int err;

	if (!r->shared || (r->modes & kept))
		return 0;
	err = ufi_vm_discard(task, r, true);
	return err ? err : ufi_vm_discarded(task, r, true);
}

/* Does the range go on in the child? If not, *GONE says whether its traps stay all the same. */
static bool mm_inherits(struct ufi_task *task, struct ufi_range *r, bool *gone)
{
	struct ufi_mm *mm = task->mm;
	struct ufi_ctx *heir = r->ctx ? r->ctx->heir : NULL;

	*gone = r->life == UFI_RANGE_GONE;
	if (r->life != UFI_RANGE_KEPT)
		return false;
	if (heir) {
		r->ctx = heir;
		*gone = mm->mmu->ops->inherit(mm->mmu, r) || mm_forget_tables(task, r);
		return !*gone;
	}
	/* It was to follow, and could not: what is missing shall not read as zeros. */
	*gone = r->ctx && ufi_event_follows(r->ctx);
	return !r->ctx && !r->shared;
}

/*
 * Without UFFD_EVENT_FORK a child has no userfaults: its mappings are disarmed
 * and what was missing reads as zeros. Its copies of the contexts belong to
 * the parent's descriptors; the memory they occupy is not worth reclaiming.
 * spec: vm.6, vm.10, vm.13, async.14, event.22
 */
void ufi_mm_forked(struct ufi_mm *mm)
{
	struct ufi_task task = {.mm = mm, .mmu = mm->mmu};
	struct ufi_table *table;
	uint32_t n = 0;
	bool gone;

	memset(&mm->registry, 0, sizeof(mm->registry));
	memset(&mm->settle, 0, sizeof(mm->settle));
	memset(&mm->change, 0, sizeof(mm->change));
	mm_keep_poison(mm);
	table = mm->table;
	/* What is told by it goes on with the range. */
	for (uint32_t i = 0; i < table->n; i++) {
		if (!table->range[i]->ctx || !table->range[i]->ctx->heir)
			table->range[i]->states->token = 0;
	}
	for (uint32_t i = 0; i < table->n; i++) {
		struct ufi_range *r = table->range[i];

		if (mm_inherits(&task, r, &gone))
			table->range[n++] = r;
		else
			mm->mmu->ops->detach(mm->mmu, r, gone);
	}
	table->n = n;
	atomic_store(&mm->change.kind, UFI_CHANGE_NONE);
}

void ufi_mm_abandon(struct ufi_mm *mm, const struct ufi_ctx *ctx)
{
	for (uint32_t i = 0; i < mm->table->n; i++) {
		if (mm->table->range[i]->ctx == ctx)
			mm->table->range[i]->life = UFI_RANGE_GONE;
	}
	ufi_range_reap(mm);
}
