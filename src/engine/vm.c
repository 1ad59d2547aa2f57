/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what happens to ranges when the program changes its address space. The
 * machine makes the change itself, between begin and end, while nobody fills
 * or faults.
 */
#include "engine/pagestate.h"

void ufi_vm_begin(struct ufi_mm *mm, struct ufi_task *task)
{
	ufi_task_enter(task, mm);
	ufi_rwlock_write(task, &mm->registry);
}

void ufi_vm_end(struct ufi_task *task)
{
	atomic_store(&task->mm->change.kind, UFI_CHANGE_NONE);
	UFI_VALIDATE_MM(task->mm);
	ufi_rwlock_write_end(task, &task->mm->registry);
	ufi_task_leave(task);
}

bool ufi_vm_registered(const struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	uint32_t i = ufi_range_lower(mm, start);

	return i < mm->table->n && mm->table->range[i]->start < end;
}

/* spec: vm.5 */
int ufi_vm_prepare(struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	return ufi_range_isolate(mm, start, end);
}

/* Until the end of the change, or until another one is noted. */
static void vm_note(struct ufi_mm *mm, enum ufi_change_kind kind, uint64_t start, uint64_t end)
{
	atomic_store(&mm->change.kind, UFI_CHANGE_NONE);
	mm->change.start = start;
	mm->change.end = end;
	atomic_store(&mm->change.kind, kind);
}

static void vm_remove(struct ufi_mm *mm, uint64_t start, uint64_t end, enum ufi_life how)
{
	if (!ufi_vm_registered(mm, start, end))
		return;
	ufi_range_end(mm, start, end, how);
	ufi_range_reap(mm);
}

/* Threads blocked there stay blocked: they wait for a wake, not for a page. spec: vm.1 */
void ufi_vm_drop(struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	vm_remove(mm, start, end, UFI_RANGE_GONE);
}

void ufi_vm_disarm(struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	vm_remove(mm, start, end, UFI_RANGE_ENDING);
}

/* spec: vm.3 */
int ufi_vm_discard(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end)
{
	uint64_t page = task->mmu->page_size;
	uint64_t at = start;

	vm_note(task->mm, UFI_CHANGE_DISCARD, start, end);
	while (at < end) {
		uint64_t run = at;
		int err;

		while (run < end && ufi_page_get(ufi_page_state(r, run, page)) == UFI_PAGE_PRESENT)
			run += page;
		if (run == at) {
			at += page;
			continue;
		}
		err = task->mmu->ops->close(task->mmu, r, at, run - at);
		if (err)
			return err;
		for (; at < run; at += page)
			ufi_page_turn(ufi_page_state(r, at, page), UFI_PAGE_PRESENT,
				      UFI_PAGE_MISSING);
	}
	return 0;
}

/* Runs of pages that are alike: closed as a whole, closed one by one, or open. */
static uint64_t vm_alike(struct ufi_range *r, uint64_t at, uint64_t page)
{
	enum ufi_page first = ufi_page_get(ufi_page_state(r, at, page));

	do
		at += page;
	while (at < r->end && ufi_page_get(ufi_page_state(r, at, page)) == first);
	return at;
}

/* spec: vm.2 */
int ufi_vm_protect(struct ufi_range *r, uint32_t prot)
{
	struct uf_mmu *mmu = r->ctx->mm->mmu;
	uint64_t at = r->start;

	vm_note(r->ctx->mm, UFI_CHANGE_PROTECT, r->start, r->end);
	r->prot = prot;
	while (at < r->end) {
		enum ufi_page state = ufi_page_get(ufi_page_state(r, at, mmu->page_size));
		uint64_t run = vm_alike(r, at, mmu->page_size);
		int err = 0;

		if (state != UFI_PAGE_UNKNOWN)
			err = mmu->ops->reprotect(mmu, r, at, run - at, state == UFI_PAGE_PRESENT);
		if (err)
			return err;
		at = run;
	}
	return 0;
}

/* spec: vm.4 */
int ufi_vm_grow(struct ufi_mm *mm, uint64_t end, uint64_t new_end)
{
	struct ufi_range *last = ufi_range_find(mm, end - 1);
	struct ufi_range *grown;
	struct uf_vma vma;
	int err;

	if (!last || last->end != end)
		return -ENOENT;
	vma = (struct uf_vma){.start = end,
			      .end = new_end,
			      .offset = last->object ? last->offset + (end - last->start) : 0,
			      .object = last->object,
			      .prot = last->prot,
			      .shared = last->shared,
			      .maywrite = true,
			      .mem = last->mem};
	err = ufi_range_create(last->ctx, &vma, last->modes, &grown);
	if (!err)
		grown->life = UFI_RANGE_KEPT;
	return err;
}
