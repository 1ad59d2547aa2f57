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
		ret = ufi_vm_prepare(mm, start, ufi_vm_end_of(start, len));
	if (!ret)
		ret = UF_SYS6(SYS_mmap, addr, len, prot, flags, fd, offset);
	if (!host_failed(ret))
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
		ret = ufi_vm_prepare(mm, start, ufi_vm_end_of(start, len));
	if (!ret)
		ret = UF_SYS2(SYS_munmap, addr, len);
	if (!ret)
		ufi_vm_drop(mm, start, ufi_vm_end_of(start, len));
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
};

static bool vm_discards(int advice)
{
	return advice == MADV_DONTNEED || advice == HOST_MADV_DONTNEED_LOCKED ||
	       advice == MADV_FREE || advice == MADV_REMOVE;
}

/*
 * What the kernel then refuses to drop is found in the page tables and opened
 * again. MADV_FREE may drop at once, so it does. Shared memory keeps its pages in
 * the cache but for MADV_REMOVE.
 */
static long vm_discard_range(struct vm_advice *a, struct ufi_range *r)
{
	int advice = a->advice == MADV_FREE && !r->object ? MADV_DONTNEED : a->advice;
	bool removes = advice == MADV_REMOVE;
	long ret;
	int err;

	ret = ufi_vm_discard(a->task, r, !removes);
	if (ret)
		return ret;
	/* Through the alias the protection of the traps is not in the way. */
	ret = UF_SYS3(SYS_madvise, removes && r->alias ? r->alias : r->start, r->end - r->start,
		      advice);
	if (ret) {
		err = ufi_range_armed(r) ? ufi_arm_adopt(a->task, r) : 0;
		return err ? err : ret;
	}
	return ufi_vm_discarded(a->task, r, !removes);
}

static long vm_advise_range(void *arg, struct ufi_range *r)
{
	struct vm_advice *a = arg;

	if (vm_discards(a->advice))
		return vm_discard_range(a, r);
	/* Their markers would be taken for ours. */
	if (a->advice == HOST_MADV_GUARD_INSTALL || a->advice == HOST_MADV_GUARD_REMOVE)
		return -EINVAL;
	return UF_SYS3(SYS_madvise, r->start, r->end - r->start, a->advice);
}

static long vm_advise_gap(void *arg, uint64_t start, uint64_t end)
{
	const struct vm_advice *a = arg;

	return UF_SYS3(SYS_madvise, start, end - start, a->advice);
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
	if (!vm_aligned(start) || !ufi_vm_registered(&ufi_host.mm, start, end))
		ret = UF_SYS3(SYS_madvise, addr, len, advice);
	else
		ret = vm_walk(start, end, vm_advise_range, vm_advise_gap, &a);
	ufi_vm_end(&task);
	return ret;
}
