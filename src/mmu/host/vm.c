/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the changes of the address space made on the program's behalf, but for
 * mremap: the system call, and what it means for the ranges, as one step that
 * no fault and no fill can fall into.
 */
#include "engine/pagestate.h"
#include "mmu/host/internal.h"

/* The end of a page-aligned span as the kernel rounds it; START itself if that overflows. */
uint64_t ufi_vm_end_of(uint64_t start, uint64_t len)
{
	uint64_t page = ufi_host.mmu.page_size;

	if (len > ufi_host.mmu.task_size || start > ufi_host.mmu.task_size)
		return start;
	return start + uf_align_up(len, page);
}

static bool vm_aligned(uint64_t addr)
{
	return uf_aligned(addr, ufi_host.mmu.page_size);
}

/*
 * Call FN for each registered range in the span (clipped to it by a split
 * before) and RAW for what lies between. The first failure ends it, as in the
 * kernel.
 */
static long vm_walk(uint64_t start, uint64_t end, long (*on_range)(void *, struct ufi_range *),
		    long (*on_gap)(void *, uint64_t, uint64_t), void *arg)
{
	struct ufi_mm *mm = &ufi_host.mm;
	long ret = ufi_vm_prepare(mm, start, end);

	while (ret == 0 && start < end) {
		uint32_t i = ufi_range_lower(mm, start);
		struct ufi_range *r = i < mm->table->n ? mm->table->range[i] : NULL;

		if (r && r->start <= start) {
			start = r->end;
			ret = on_range(arg, r);
		} else {
			uint64_t gap_end = r ? uf_min(r->start, end) : end;

			ret = on_gap(arg, start, gap_end);
			start = gap_end;
		}
	}
	return ret;
}

long ufi_host_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	uint64_t start = (uintptr_t)addr;
	struct ufi_mm *mm = &ufi_host.mm;
	struct ufi_task task;
	long ret = 0;

	if (!(flags & MAP_FIXED) || !ufi_host_active())
		return UF_SYS6(SYS_mmap, addr, len, prot, flags, fd, offset);
	ufi_vm_begin(mm, &task);
	if (vm_aligned(start))
		ret = ufi_vm_going(&task, start, ufi_vm_end_of(start, len));
	if (!ret)
		ret = UF_SYS6(SYS_mmap, addr, len, prot, flags, fd, offset);
	if (host_failed(ret))
		ufi_event_cancel(&task, &task.events);
	else
		ufi_vm_drop(mm, start, ufi_vm_end_of(start, len));
	ufi_vm_end(&task);
	return ret;
}

long ufi_host_munmap(void *addr, size_t len)
{
	uint64_t start = (uintptr_t)addr;
	struct ufi_mm *mm = &ufi_host.mm;
	struct ufi_task task;
	long ret = 0;

	if (!ufi_host_active())
		return UF_SYS2(SYS_munmap, addr, len);
	ufi_vm_begin(mm, &task);
	if (vm_aligned(start))
		ret = ufi_vm_going(&task, start, ufi_vm_end_of(start, len));
	if (!ret)
		ret = UF_SYS2(SYS_munmap, addr, len);
	if (ret)
		ufi_event_cancel(&task, &task.events);
	else
		ufi_vm_drop(mm, start, ufi_vm_end_of(start, len));
	ufi_vm_end(&task);
	return ret;
}

/* Only what a smaller heap loses can be registered. spec: event.20 */
static long vm_shrink_heap(struct ufi_task *task, uint64_t to, uint64_t now)
{
	uint64_t page = ufi_host.mmu.page_size;
	uint64_t start = uf_align_up(to, page);
	uint64_t end = uf_align_up(now, page);
	long ret;

	if (ufi_vm_going(task, start, end)) {
		ufi_event_cancel(task, &task->events);
		return (long)now;
	}
	ret = UF_SYS1(SYS_brk, to);
	if (ret != (long)to)
		ufi_event_cancel(task, &task->events);
	else
		ufi_vm_drop(task->mm, start, end);
	return ret;
}

long ufi_host_brk(void *addr)
{
	struct ufi_task task;
	uint64_t now;
	long ret;

	if (!ufi_host_active())
		return UF_SYS1(SYS_brk, addr);
	ufi_vm_begin(&ufi_host.mm, &task);
	now = (uint64_t)UF_SYS1(SYS_brk, 0);
	if (addr && (uintptr_t)addr < now)
		ret = vm_shrink_heap(&task, (uintptr_t)addr, now);
	else
		ret = UF_SYS1(SYS_brk, addr);
	ufi_vm_end(&task);
	return ret;
}

struct vm_prot {
	struct ufi_task *task;
	int prot;
};

static long vm_protect_range(void *arg, struct ufi_range *r)
{
	const struct vm_prot *p = arg;

	return ufi_vm_protect(p->task, r, (uint32_t)p->prot & (PROT_READ | PROT_WRITE | PROT_EXEC));
}

static long vm_protect_gap(void *arg, uint64_t start, uint64_t end)
{
	const struct vm_prot *p = arg;

	return UF_SYS3(SYS_mprotect, start, end - start, p->prot);
}

long ufi_host_mprotect(void *addr, size_t len, int prot)
{
	uint64_t start = (uintptr_t)addr;
	uint64_t end;
	struct ufi_task task;
	struct vm_prot p = {.task = &task, .prot = prot};
	long ret;

	if (!ufi_host_active())
		return UF_SYS3(SYS_mprotect, addr, len, prot);
	ufi_vm_begin(&ufi_host.mm, &task);
	end = ufi_vm_end_of(start, len);
	/* Bad arguments, and protections beyond the three, are the kernel's to judge. */
	if (!vm_aligned(start) || !ufi_vm_registered(&ufi_host.mm, start, end) ||
	    (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)))
		ret = UF_SYS3(SYS_mprotect, addr, len, prot);
	else
		ret = vm_walk(start, end, vm_protect_range, vm_protect_gap, &p);
	ufi_vm_end(&task);
	return ret;
}

struct vm_advice {
	struct ufi_task *task;
	int advice;
	bool holes; /* were met: ENOMEM at the end */
};

static bool vm_discards(int advice)
{
	return advice == MADV_DONTNEED || advice == HOST_MADV_DONTNEED_LOCKED ||
	       advice == MADV_FREE || advice == MADV_REMOVE;
}

/* Such advice the kernel does not take for such memory. */
static long vm_unfit(const struct ufi_range *r, int advice)
{
	if (advice == MADV_FREE && (r->object || r->page_size > ufi_host.mmu.page_size))
		return -EINVAL;
	if (advice != MADV_REMOVE || r->shared)
		return 0;
	return r->object || r->page_size > ufi_host.mmu.page_size ? -EACCES : -EINVAL;
}

/* Before the object loses pages of an armed range. What was never armed nobody has come to. */
static long vm_drain(struct ufi_range *r)
{
	uint64_t page = r->page_size;
	long err = 0;

	for (uint64_t at = r->start; !err && at < r->end; at += page) {
		uint64_t run = at;

		while (run < r->end &&
		       ufi_page_kind(atomic_load(ufi_page_state(r, run))) != UFI_PAGE_UNKNOWN)
			run += page;
		if (run > at)
			err = ufi_trap_drain(r, at, run - at);
		at = run;
	}
	return err;
}

/*
 * Through the alias the protection of the traps is not in the way. Pages of a
 * file that have become anonymous are the file's again: see door.c. spec: private.4
 */
static long vm_let_go(struct vm_advice *a, struct ufi_range *r, int advice)
{
	uint64_t len = r->end - r->start;
	struct uf_vma vma;
	uint64_t start = advice == MADV_REMOVE && r->alias ? r->alias : r->start;
	long ret = UF_SYS3(SYS_madvise, start, len, advice);

	if (ret || !ufi_door_replaces(r))
		return ret;
	/* All of it is closed now, and opened again by whoever calls. */
	atomic_store(&r->states->mixed, true);
	ret = a->task->mmu->ops->close(a->task->mmu, r, r->start, len);
	vma = ufi_range_vma(r);
	return ret ? ret : ufi_door_renew(r->states->token, &vma, r->start, len, PROT_NONE);
}

/*
 * What the kernel then refuses to drop is found in the page tables and opened
 * again. MADV_FREE may drop at once, so it does. An object keeps its pages in
 * the cache but for MADV_REMOVE.
 */
static long vm_discard_range(struct vm_advice *a, struct ufi_range *r)
{
	int advice = a->advice == MADV_FREE ? MADV_DONTNEED : a->advice;
	bool removes = advice == MADV_REMOVE;
	long ret;
	int err;

	ret = ufi_vm_discard(a->task, r, !removes);
	if (ret)
		return ret;
	if (removes && ufi_range_armed(r))
		ret = vm_drain(r);
	if (!ret)
		ret = vm_let_go(a, r, advice);
	if (ret) {
		err = ufi_range_armed(r) ? ufi_arm_adopt(a->task, r)
					 : ufi_arm_apply_all(a->task, r);
		return err ? err : ret;
	}
	return ufi_vm_discarded(a->task, r, !removes);
}

static long vm_advise_range(void *arg, struct ufi_range *r)
{
	struct vm_advice *a = arg;
	long ret = vm_unfit(r, a->advice);

	/* Not left to the host, for which some of it may be anonymous memory: see door.c. */
	if (ret)
		return ret;
	if (vm_discards(a->advice))
		return vm_discard_range(a, r);
	/* Their markers would be taken for ours. */
	if (a->advice == HOST_MADV_GUARD_INSTALL || a->advice == HOST_MADV_GUARD_REMOVE)
		return -EINVAL;
	return UF_SYS3(SYS_madvise, r->start, r->end - r->start, a->advice);
}

/* It goes on behind a hole. */
static long vm_advise_gap(void *arg, uint64_t start, uint64_t end)
{
	struct vm_advice *a = arg;
	long ret = UF_SYS3(SYS_madvise, start, end - start, a->advice);

	a->holes |= ret == -ENOMEM;
	return ret == -ENOMEM ? 0 : ret;
}

/* Advice that the kernel refuses to locked memory shows that it is: this one does nothing. */
static bool vm_locked(uint64_t start)
{
	return UF_SYS3(SYS_madvise, start, 0, HOST_MADV_COLD) == 0 &&
	       UF_SYS3(SYS_madvise, start, ufi_host.mmu.page_size, HOST_MADV_COLD) == -EINVAL;
}

/*
 * Refused before anybody is told. Huge pages are never locked, and none of them goes in
 * part. spec: event.5, private.4, hugetlb.8
 */
static long vm_discard_refused(const struct vm_advice *a, const struct ufi_range *r, uint64_t start,
			       uint64_t end)
{
	bool huge = r->page_size > ufi_host.mmu.page_size;

	if (!huge && a->advice != HOST_MADV_DONTNEED_LOCKED && vm_locked(start))
		return -EINVAL;
	if (a->advice == MADV_REMOVE && !r->shared)
		return vm_unfit(r, a->advice);
	return huge && (a->advice == MADV_FREE || !uf_aligned(start | end, r->page_size)) ? -EINVAL
											  : 0;
}

/* Where what the kernel has as one mapping ends; of what is not registered, all of it. */
static uint64_t vm_piece_end(const struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	uint32_t i = ufi_range_lower(mm, start);

	if (i == mm->table->n)
		return end;
	if (mm->table->range[i]->start > start)
		return uf_min(end, mm->table->range[i]->start);
	return uf_min(end, ufi_range_same_end(mm, start));
}

/*
 * Pages of [start, *end) are about to go. Once that has been read anything may be
 * mapped there: what is still goes. spec: event.4
 */
static long vm_discard_tell(const struct vm_advice *a, uint64_t start, uint64_t *end)
{
	struct ufi_mm *mm = a->task->mm;
	struct ufi_range *r = ufi_range_find(mm, start);
	struct uf_vma vma;
	long ret;

	if (!r)
		return 0;
	ret = vm_discard_refused(a, r, start, *end);
	if (ret)
		return ret;
	if (ufi_event_remove(a->task, r->ctx, start, *end))
		return -EAGAIN;
	if (!a->task->events)
		return 0;
	ufi_vm_tell(a->task);
	*end = vm_piece_end(mm, start, *end);
	if (ufi_range_find(mm, start))
		return 0;
	if (ufi_maps_find(&ufi_host.mmu, start, &vma) || vma.start > start)
		return -ENOMEM;
	*end = uf_min(*end, vma.end);
	return 0;
}

/* One mapping after the other. */
static long vm_discard(struct vm_advice *a, uint64_t start, uint64_t end)
{
	long ret = 0;

	while (!ret && start < end) {
		uint64_t stop = vm_piece_end(a->task->mm, start, end);

		ret = vm_discard_tell(a, start, &stop);
		if (!ret)
			ret = vm_walk(start, stop, vm_advise_range, vm_advise_gap, a);
		start = stop;
	}
	return ret;
}

/* Of a huge page that is not given back to its end nothing is. spec: hugetlb.8 */
static uint64_t vm_discard_end(uint64_t start, uint64_t end)
{
	const struct ufi_range *r = end > start ? ufi_range_find(&ufi_host.mm, end - 1) : NULL;

	return r ? uf_max(start, uf_align_down(end, r->page_size)) : end;
}

long ufi_host_madvise(void *addr, size_t len, int advice)
{
	uint64_t start = (uintptr_t)addr;
	uint64_t end;
	struct ufi_task task;
	struct vm_advice a = {.task = &task, .advice = advice};
	long ret;

	if (!ufi_host_active())
		return UF_SYS3(SYS_madvise, addr, len, advice);
	ufi_vm_begin(&ufi_host.mm, &task);
	end = ufi_vm_end_of(start, len);
	if (vm_discards(advice) && advice != MADV_REMOVE && vm_aligned(start))
		end = vm_discard_end(start, end);
	if (!vm_aligned(start) || !ufi_vm_registered(&ufi_host.mm, start, end))
		ret = UF_SYS3(SYS_madvise, addr, len, advice);
	else if (vm_discards(advice))
		ret = vm_discard(&a, start, end);
	else
		ret = vm_walk(start, end, vm_advise_range, vm_advise_gap, &a);
	ufi_vm_end(&task);
	return !ret && a.holes ? -ENOMEM : ret;
}
