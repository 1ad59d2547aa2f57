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
	task->events = NULL;
	task->events_end = &task->events;
	ufi_rwlock_write(task, &mm->registry);
}

static void vm_unlock(struct ufi_task *task)
{
	atomic_store(&task->mm->change.kind, UFI_CHANGE_NONE);
	UFI_VALIDATE_MM(task->mm);
	ufi_rwlock_write_end(task, &task->mm->registry);
}

void ufi_vm_end(struct ufi_task *task)
{
	vm_unlock(task);
	ufi_event_tell(task);
	ufi_task_leave(task);
}

void ufi_vm_tell(struct ufi_task *task)
{
	vm_unlock(task);
	ufi_event_tell(task);
	ufi_rwlock_write(task, &task->mm->registry);
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

int ufi_vm_going(struct ufi_task *task, uint64_t start, uint64_t end)
{
	int err = ufi_range_isolate(task->mm, start, end);

	return err ? err : ufi_event_unmap(task, start, end);
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

/* Threads blocked there stay blocked: they wait for a wake, not for a page. spec: vm.1, vm.11 */
void ufi_vm_drop(struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	vm_remove(mm, start, end, UFI_RANGE_GONE);
}

static bool vm_stays(const struct ufi_range *r)
{
	return !r->ctx || (atomic_load(&r->ctx->features) & UF_FEATURE_EVENT_REMAP);
}

/* Without memory for it the poison is lost, and nothing else. spec: vm.4, vm.9, vm.13, event.7 */
void ufi_vm_arrive(struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	for (uint32_t i = ufi_range_lower(mm, start);
	     i < mm->table->n && mm->table->range[i]->start < end; i++) {
		struct ufi_range *r = mm->table->range[i];

		if (!vm_stays(r))
			(void)!ufi_range_keep_poison(mm, r->ctx, r->start, r->end);
		r = mm->table->range[i];
		if (!vm_stays(r))
			r->life = UFI_RANGE_ENDING;
	}
	ufi_range_reap(mm);
}

/* What a page is once its content is gone. spec: vm.3, vm.8, vm.12, vm.14, rwprotect.15, async.13
 */
static uint8_t vm_discarded(const struct ufi_range *r, uint8_t state, bool only_here)
{
	uint8_t marker = r->mem->marks ? state & UFI_PAGE_WP : 0;

	/* A page that is there leaves a mark only where writes are watched. */
	if (!(r->modes & UF_REGISTER_MODE_WP) && ufi_page_open(r, state) && !r->mem->marks_asleep)
		marker = 0;
	if (ufi_page_kind(state) == UFI_PAGE_POISON && !only_here && !r->mem->heals)
		return state;
	if (!ufi_range_armed(r) || ufi_page_kind(state) == UFI_PAGE_UNKNOWN)
		return (uint8_t)(UFI_PAGE_UNKNOWN | marker);
	return (uint8_t)(UFI_PAGE_MISSING | marker);
}

/* Of a page that is there, while it goes. */
static uint8_t vm_discarding(const struct ufi_range *r, uint8_t state)
{
	if (!(r->modes & UF_REGISTER_MODE_WP) && !r->mem->marks_asleep)
		state &= (uint8_t)~UFI_PAGE_WP;
	return (uint8_t)((state & ~UFI_PAGE_KIND) | UFI_PAGE_MISSING);
}

/*
 * In an armed range what goes is closed first: nobody may read zeros in between.
 * What the object keeps comes back silently, or by a minor fault. What else is said
 * of the pages stays until they are gone, as they may not go.
 */
int ufi_vm_discard(struct ufi_task *task, struct ufi_range *r, bool only_here)
{
	uint64_t page = r->page_size;

	if (!ufi_range_armed(r)) {
		/* The machine may close it for a while. */
		vm_note(task->mm, UFI_CHANGE_PROTECT, r->start, r->end);
		return 0;
	}
	vm_note(task->mm, UFI_CHANGE_DISCARD, r->start, r->end);
	for (uint64_t at = r->start; at < r->end; at += page) {
		uint64_t run = at;
		int err;

		while (run < r->end &&
		       ufi_page_kind(atomic_load(ufi_page_state(r, run))) == UFI_PAGE_PRESENT)
			run += page;
		if (run == at)
			continue;
		err = task->mmu->ops->close(task->mmu, r, at, run - at);
		if (err)
			return err;
		for (; at < run; at += page) {
			uint8_t now = atomic_load(ufi_page_state(r, at));

			atomic_store(ufi_page_state(r, at), vm_discarding(r, now));
		}
		at -= page;
	}
	return 0;
}

/* The states follow what the machine has let go. */
int ufi_vm_discarded(struct ufi_task *task, struct ufi_range *r, bool only_here)
{
	uint64_t page = r->page_size;
	bool armed = ufi_range_armed(r);
	int err;

	if (!armed && !(r->states->mixed || r->states->poisoned))
		return 0;
	if (!armed)
		vm_note(task->mm, UFI_CHANGE_PROTECT, r->start, r->end);
	for (uint64_t at = r->start; at < r->end; at += page) {
		_Atomic uint8_t *state = ufi_page_state(r, at);
		uint8_t now = atomic_load(state);
		uint8_t to = vm_discarded(r, now, only_here);

		/* Untouched states cost nothing, and shall go on so. */
		if (now != to)
			atomic_store(state, to);
	}
	err = armed ? 0 : ufi_arm_apply_all(task, r);
	/* Poison that is nobody's, and gone: neither is the range. */
	if (!err && !r->ctx && only_here)
		vm_remove(task->mm, r->start, r->end, UFI_RANGE_ENDING);
	return err;
}

/*
 * Closed as a part of its chunk it stays so; closed one by one, or open.
 * spec: vm.2, vm.7, rwprotect.15, async.12
 */
static int vm_protect_run(struct ufi_task *task, struct ufi_range *r, uint64_t at, uint64_t run,
			  uint8_t state)
{
	if (ufi_page_open(r, state))
		return ufi_arm_apply(task, r, at, run, state);
	if (ufi_page_whole(r, state))
		return 0;
	return task->mmu->ops->reprotect(task->mmu, r, at, run - at);
}

int ufi_vm_protect(struct ufi_task *task, struct ufi_range *r, uint32_t prot)
{
	uint64_t at = r->start;

	vm_note(task->mm, UFI_CHANGE_PROTECT, r->start, r->end);
	atomic_store(&r->states->mixed, true);
	r->prot = prot;
	while (at < r->end) {
		uint8_t state = atomic_load(ufi_page_state(r, at));
		uint64_t run = ufi_page_alike(r, at, r->end, state);
		int err = vm_protect_run(task, r, at, run, state);

		if (err)
			return err;
		at = run;
	}
	return 0;
}

/* spec: vm.4, vm.9 */
int ufi_vm_grow(struct ufi_mm *mm, uint64_t end, uint64_t new_end)
{
	struct ufi_range *last = ufi_range_find(mm, end - 1);
	struct ufi_range *grown;
	struct uf_vma vma;
	int err;

	if (!last || last->end != end)
		return -ENOENT;
	vma = ufi_range_vma(last);
	if (vma.object)
		vma.offset += end - vma.start;
	vma.start = end;
	vma.end = new_end;
	err = ufi_range_create(mm, last->ctx, &vma, last->modes, &grown);
	/* It has got the protection of the page before it, which may be ours. */
	if (!err && !ufi_range_armed(grown))
		err = mm->mmu->ops->open(mm->mmu, grown, end, new_end - end, false);
	/* What grows behind nobody's poison is nobody's, and not poisoned. */
	if (!err && last->modes)
		grown->life = UFI_RANGE_KEPT;
	ufi_range_reap(mm);
	return err;
}
