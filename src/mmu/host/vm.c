/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the changes of the address space made on the program's behalf: the
 * system call, and what it means for the ranges, as one step that no fault and
 * no fill can fall into.
 */
#include "engine/pagestate.h"
#include "mmu/host/internal.h"

/* Ranges that one mremap can carry along. */
#define VM_SAVED 64

struct vm_saved {
	struct ufi_ctx *ctx;
	uint64_t modes;
	struct uf_vma vma;
	uint64_t token; /* of a file that is mapped again where it has moved away */
};

static long vm_raw_mremap(uint64_t old, uint64_t old_len, uint64_t new_len, int flags, uint64_t to)
{
	return UF_SYS5(SYS_mremap, old, old_len, new_len, flags, to);
}

static bool vm_failed(long ret)
{
	return ret < 0 && ret > -4096;
}

/* The end of a page-aligned span as the kernel rounds it; START itself if that overflows. */
static uint64_t vm_end_of(uint64_t start, uint64_t len)
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
		ret = ufi_vm_prepare(mm, start, vm_end_of(start, len));
	if (!ret)
		ret = UF_SYS6(SYS_mmap, addr, len, prot, flags, fd, offset);
	if (!vm_failed(ret))
		ufi_vm_drop(mm, start, vm_end_of(start, len));
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
		ret = ufi_vm_prepare(mm, start, vm_end_of(start, len));
	if (!ret)
		ret = UF_SYS2(SYS_munmap, addr, len);
	if (!ret)
		ufi_vm_drop(mm, start, vm_end_of(start, len));
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
	end = vm_end_of(start, len);
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

/* Such advice the kernel does not take for such memory. */
static bool vm_unfit(const struct ufi_range *r, int advice)
{
	return (advice == MADV_FREE && r->object) || (advice == MADV_REMOVE && !r->shared);
}

/*
 * Through the alias the protection of the traps is not in the way. Pages of a
 * file that have become anonymous are the file's again: see door.c. spec: private.4
 */
static long vm_let_go(struct vm_advice *a, struct ufi_range *r, int advice)
{
	uint64_t len = r->end - r->start;
	struct uf_vma vma;
	long ret = UF_SYS3(SYS_madvise, advice == MADV_REMOVE ? r->alias : r->start, len, advice);

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

	if (vm_discards(a->advice) && !vm_unfit(r, a->advice))
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
	end = vm_end_of(start, len);
	if (vm_discards(advice) && advice != MADV_REMOVE && vm_aligned(start))
		end = vm_discard_end(start, end);
	if (!vm_aligned(start) || !ufi_vm_registered(&ufi_host.mm, start, end))
		ret = UF_SYS3(SYS_madvise, addr, len, advice);
	else
		ret = vm_walk(start, end, vm_advise_range, vm_advise_gap, &a);
	ufi_vm_end(&task);
	return ret;
}

static uint32_t vm_save(uint64_t start, uint64_t end, struct vm_saved *saved)
{
	struct ufi_mm *mm = &ufi_host.mm;
	uint32_t n = 0;

	for (uint32_t i = ufi_range_lower(mm, start);
	     i < mm->table->n && mm->table->range[i]->start < end; i++, n++) {
		const struct ufi_range *r = mm->table->range[i];

		if (n == VM_SAVED)
			return VM_SAVED + 1;
		saved[n] = (struct vm_saved){.ctx = r->ctx,
					     .modes = r->modes,
					     .vma = ufi_range_vma(r),
					     .token = ufi_door_replaces(r) ? r->states->token : 0};
		if (saved[n].token)
			ufi_object_hold(saved[n].token);
	}
	return n;
}

/* What has been left behind may be anonymous memory by now: see door.c. spec: private.6 */
static int vm_renew(const struct vm_saved *saved)
{
	const struct uf_vma *vma = &saved->vma;

	return ufi_door_renew(saved->token, vma, vma->start, vma->end - vma->start,
			      host_prot(vma->prot));
}

static void vm_forget(const struct vm_saved *saved, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (saved[i].token)
			ufi_object_put(&ufi_host.mmu, saved[i].token);
	}
}

/* Registered as before; which pages have content the page tables tell. LEFT: it has none. */
static int vm_rearm(struct ufi_task *task, const struct vm_saved *saved, uint32_t n, bool left)
{
	for (uint32_t i = 0; i < n; i++) {
		struct ufi_range *r;
		int err;

		if (!saved[i].ctx) /* its poison is where the page tables are */
			continue;
		err = left && saved[i].token ? vm_renew(&saved[i]) : 0;
		if (!err)
			err = ufi_range_create(task->mm, saved[i].ctx, &saved[i].vma,
					       saved[i].modes, &r);
		if (!err && ufi_range_armed(r))
			err = ufi_arm_adopt(task, r);
		if (err) {
			ufi_range_reap(&ufi_host.mm);
			return err;
		}
		r->life = UFI_RANGE_KEPT;
	}
	return 0;
}

/* Poisoned pages that were in [old, old + len) are so in [to, to + len). */
static int vm_move_poison(struct ufi_task *task, const struct vm_saved *saved, uint32_t n,
			  uint64_t old, uint64_t to, uint64_t len)
{
	int err = 0;

	for (uint32_t i = 0; i < n && !err; i++) {
		struct uf_vma vma = saved[i].vma;

		if (saved[i].ctx || vma.start >= old + len)
			continue;
		vma.end = uf_min(vma.end, old + len) + (to - old);
		vma.start += to - old;
		err = ufi_vm_poison(task, &vma);
	}
	return err;
}

struct vm_way {
	uint64_t old;
	uint64_t old_len;
	uint64_t new_len;
	int flags;
	uint64_t to;
};

static long vm_move_saved(struct ufi_task *task, const struct vm_saved *saved, uint32_t n,
			  const struct vm_way *way)
{
	struct ufi_mm *mm = &ufi_host.mm;
	long ret;
	int err = 0;
	uint64_t to;

	ufi_vm_disarm(mm, way->old, vm_end_of(way->old, way->old_len));
	ret = vm_raw_mremap(way->old, way->old_len, way->new_len, way->flags, way->to);
	if (!vm_failed(ret) && (way->flags & MREMAP_FIXED))
		ufi_vm_drop(mm, way->to, vm_end_of(way->to, way->new_len));
	if (vm_failed(ret) || (way->flags & MREMAP_DONTUNMAP))
		err = vm_rearm(task, saved, n, !vm_failed(ret));
	if (err)
		return err;
	to = vm_failed(ret) ? way->old : (uint64_t)ret;
	err = vm_move_poison(task, saved, n, way->old, to,
			     vm_failed(ret) ? way->old_len : way->new_len);
	return err ? err : ret;
}

/*
 * Without UFFD_EVENT_REMAP the new mapping is not registered, and what was
 * missing reads as zeros there; MREMAP_DONTUNMAP leaves the old one armed and
 * empty. spec: vm.4
 */
static long vm_move(struct ufi_task *task, uint64_t old, uint64_t old_len, uint64_t new_len,
		    int flags, uint64_t to)
{
	struct vm_saved saved[VM_SAVED];
	uint64_t old_end = vm_end_of(old, old_len);
	struct ufi_mm *mm = &ufi_host.mm;
	uint32_t n;
	long ret;

	ret = ufi_vm_prepare(mm, old, old_end);
	if (!ret && (flags & MREMAP_FIXED))
		ret = ufi_vm_prepare(mm, to, vm_end_of(to, new_len));
	if (!ret)
		ret = ufi_range_keep_poison(mm, NULL, old, old_end);
	if (ret)
		return ret;
	n = vm_save(old, old_end, saved);
	ret = -ENOMEM;
	if (n <= VM_SAVED)
		ret = vm_move_saved(task, saved, n,
				    &(struct vm_way){old, old_len, new_len, flags, to});
	vm_forget(saved, uf_min(n, VM_SAVED));
	return ret;
}

/* Would the kernel refuse before it has changed anything? */
static bool vm_mremap_bad(uint64_t old, uint64_t old_len, uint64_t new_len, int flags, uint64_t to)
{
	const int known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
	uint64_t old_end = vm_end_of(old, old_len);
	uint64_t to_end = vm_end_of(to, new_len);

	if ((flags & ~known) || !vm_aligned(old) || new_len == 0 || old_end == old)
		return true;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return true;
	if ((flags & MREMAP_DONTUNMAP) && uf_align_up(old_len, ufi_host.mmu.page_size) !=
						  uf_align_up(new_len, ufi_host.mmu.page_size))
		return true;
	return (flags & MREMAP_FIXED) &&
	       (!vm_aligned(to) || to_end == to || uf_overlap(old, old_end, to, to_end));
}

/*
 * What the last of the pieces has grown by belongs to the file, whatever that
 * piece has become. spec: private.6
 */
static int vm_grow_file(uint64_t old_end, uint64_t new_end)
{
	const struct ufi_range *r = ufi_range_find(&ufi_host.mm, old_end - 1);
	struct uf_vma vma;

	if (!r || r->end != old_end || !ufi_door_replaces(r))
		return 0;
	vma = ufi_range_vma(r);
	return ufi_door_renew(r->states->token, &vma, old_end, new_end - old_end,
			      host_prot(r->prot));
}

/*
 * Growing in place moves only the end of the last of the pieces our traps have
 * made. Huge pages do not grow, in place or elsewhere. spec: hugetlb.12
 */
static long vm_resize(struct ufi_task *task, uint64_t old, uint64_t old_len, uint64_t new_len,
		      int flags)
{
	uint64_t page = ufi_host.mmu.page_size;
	uint64_t old_end = vm_end_of(old, old_len);
	uint64_t new_end = vm_end_of(old, new_len);
	struct ufi_mm *mm = &ufi_host.mm;
	long ret;

	if (new_end == old_end)
		return (long)old;
	if (new_end < old_end) {
		ret = ufi_vm_prepare(mm, new_end, old_end);
		if (!ret)
			ret = UF_SYS2(SYS_munmap, new_end, old_end - new_end);
		if (!ret)
			ufi_vm_drop(mm, new_end, old_end);
		return ret ? ret : (long)old;
	}
	ret = vm_raw_mremap(old_end - page, page, page + (new_end - old_end), 0, 0);
	if (vm_failed(ret))
		return flags & MREMAP_MAYMOVE ? vm_move(task, old, old_len, new_len, flags, 0)
					      : ret;
	ret = vm_grow_file(old_end, new_end);
	if (!ret)
		ret = ufi_vm_grow(mm, old_end, new_end);
	if (ret && ret != -ENOENT) { /* -ENOENT: the end was not registered */
		UF_SYS2(SYS_munmap, old_end, new_end - old_end);
		return ret;
	}
	return (long)old;
}

/* Length 0 duplicates a shared mapping: the copy is not registered, and open. */
static long vm_duplicate(uint64_t old, uint64_t new_len, int flags, uint64_t to)
{
	const struct ufi_range *r = ufi_range_find(&ufi_host.mm, old);
	long ret = vm_raw_mremap(old, 0, new_len, flags, to);

	if (!vm_failed(ret) && r)
		UF_SYS3(SYS_mprotect, ret, uf_align_up(new_len, ufi_host.mmu.page_size),
			host_prot(r->prot));
	return ret;
}

/* A length that the kernel rounds up to whole pages of the mapping at ADDR. spec: hugetlb.7 */
static size_t vm_whole(uint64_t addr, size_t len)
{
	const struct ufi_range *r = ufi_range_find(&ufi_host.mm, addr);

	if (!r || len > ufi_host.mmu.task_size)
		return len;
	return uf_align_up(len, r->page_size);
}

long ufi_host_mremap(void *old_addr, size_t old_len, size_t new_len, int flags, void *new_addr)
{
	uint64_t old = (uintptr_t)old_addr;
	uint64_t to = (uintptr_t)new_addr;
	struct ufi_mm *mm = &ufi_host.mm;
	struct ufi_task task;
	long ret;

	if (!ufi_host_active())
		return vm_raw_mremap(old, old_len, new_len, flags, to);
	ufi_vm_begin(mm, &task);
	old_len = vm_whole(old, old_len);
	new_len = vm_whole(old, new_len);
	if (old_len == 0 && vm_aligned(old))
		ret = vm_duplicate(old, new_len, flags, to);
	else if (vm_mremap_bad(old, old_len, new_len, flags, to))
		ret = vm_raw_mremap(old, old_len, new_len, flags, to);
	else if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		ret = vm_move(&task, old, old_len, new_len, flags, to);
	else if (ufi_vm_registered(mm, old, vm_end_of(old, old_len)))
		ret = vm_resize(&task, old, old_len, new_len, flags);
	else
		ret = vm_raw_mremap(old, old_len, new_len, flags, to);
	ufi_vm_end(&task);
	return ret;
}
