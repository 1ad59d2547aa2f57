/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what becomes of a change of the registry whose writer was killed in it.
 * The table is never in between (struct ufi_table), and what was made or ended
 * says so itself (enum ufi_life); the rest is noted before it begins (struct
 * ufi_change). Everything here may be done twice, as whoever repairs can be
 * killed as well.
 *
 * Not repaired is the machine's own part of a change: whether it has unmapped
 * or moved what the program asked for is not known here.
 */
#include "engine/pagestate.h"

/* The lower half of a split stands for both until its end is set. */
static void repair_splits(struct ufi_mm *mm)
{
	const struct ufi_table *table = mm->table;

	for (uint32_t i = 1; i < table->n; i++)
		table->range[i - 1]->end = uf_min(table->range[i - 1]->end, table->range[i]->start);
}

/*
 * What was closed only, and not said to be missing, is open again; of what was
 * said to be missing the content goes.
 */
static void repair_discard_page(struct ufi_task *task, struct ufi_range *r, uint64_t at)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	uint64_t page = r->page_size;
	uint8_t state = atomic_load(ufi_page_state(r, at));

	if (ufi_page_kind(state) == UFI_PAGE_PRESENT)
		(void)!ufi_arm_apply(task, r, at, at + page, state);
	else if (ufi_page_kind(state) == UFI_PAGE_MISSING &&
		 ops->close(task->mmu, r, at, page) == 0 && !r->shared) {
		r->mem->take_back(task->mmu, r, at, page);
		atomic_store(ufi_page_state(r, at), UFI_PAGE_MISSING);
	}
}

static void repair_discard(struct ufi_task *task, struct ufi_range *r)
{
	const struct ufi_change *change = &task->mm->change;

	for (uint64_t at = change->start; at < uf_min(change->end, r->end); at += r->page_size)
		repair_discard_page(task, r, at);
}

static int repair_change(struct ufi_task *task)
{
	const struct ufi_change *change = &task->mm->change;
	uint32_t kind = atomic_load(&change->kind);
	struct ufi_range *r = kind ? ufi_range_find(task->mm, change->start) : NULL;

	if (r && kind == UFI_CHANGE_PROTECT)
		return ufi_vm_protect(task, r, r->prot);
	if (r && kind == UFI_CHANGE_DISCARD)
		repair_discard(task, r);
	if (r && kind >= UFI_CHANGE_MOVE_BEGUN)
		ufi_move_repair(task, (enum ufi_change_kind)kind);
	return 0;
}

void ufi_repair(struct ufi_task *task)
{
	repair_splits(task->mm);
	ufi_range_reap(task->mm);
	/* What the machine refuses stays as it is, and traps. */
	(void)repair_change(task);
	atomic_store(&task->mm->change.kind, UFI_CHANGE_NONE);
	UFI_VALIDATE_MM(task->mm);
}
