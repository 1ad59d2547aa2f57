/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns mremap. Memory moves with everything that makes its pages trap, so that
 * nobody finds a page open that was closed, at its old place or at the new one;
 * only then it is said where its ranges are.
 *
 * The host has a mapping for every run of pages of one protection, where the
 * program has one mapping.
 */
#include "engine/pagestate.h"
#include "mmu/host/internal.h"

/* One call. Lengths are whole pages. */
struct move {
	struct ufi_task *task;
	uint64_t page; /* of the mapping */
	uint64_t old;
	uint64_t old_len;
	uint64_t new_len;
	uint64_t len; /* of what moves: the shorter one */
	uint64_t to;
	int flags;
	struct ufi_event **raised; /* the first that is told only if it moves */
};

static long remap_raw(uint64_t old, uint64_t old_len, uint64_t new_len, int flags, uint64_t to)
{
	return UF_SYS5(SYS_mremap, old, old_len, new_len, flags, to);
}

/* What of several mappings has moved before one of them could not goes back. */
static void remap_undo(uint64_t from, uint64_t to, uint64_t len)
{
	struct uf_vma vma;
	uint64_t moved = from + len;

	if (ufi_maps_find(&ufi_host.mmu, from, &vma) == 0)
		moved = uf_min(moved, vma.start);
	if (moved > from)
		remap_raw(to, moved - from, moved - from, MREMAP_MAYMOVE | MREMAP_FIXED, from);
}

/*
 * The pages of [from, from + len) go to TO, where there is room. A host that does
 * not move several mappings at once (before Linux 6.17, and with
 * MREMAP_DONTUNMAP) is asked for one half after the other.
 */
static int remap_span(const struct move *m, uint64_t from, uint64_t to, uint64_t len, int flags)
{
	long ret = remap_raw(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | flags, to);
	uint64_t half = uf_align_down(len / 2, m->page);
	int err;

	if (!host_failed(ret))
		return 0;
	if (!(flags & MREMAP_DONTUNMAP))
		remap_undo(from, to, len);
	if (ret != -EFAULT || !half)
		return (int)ret;
	err = remap_span(m, from, to, half, flags);
	if (err)
		return err;
	err = remap_span(m, from + half, to + half, len - half, flags);
	if (err)
		(void)!remap_span(m, to, from, half, 0);
	return err;
}

/* The last page takes along what the mapping grows by. */
static int remap_carry(const struct move *m)
{
	uint64_t page = ufi_host.mmu.page_size;
	uint64_t grown = m->new_len - m->len;
	uint64_t body = grown ? m->len - page : m->len;
	int err = body ? remap_span(m, m->old, m->to, body, m->flags & MREMAP_DONTUNMAP) : 0;
	long ret;

	if (err || !grown)
		return err;
	ret = remap_raw(m->old + body, page, page + grown, MREMAP_MAYMOVE | MREMAP_FIXED,
			m->to + body);
	if (!host_failed(ret))
		return 0;
	if (body)
		(void)!remap_span(m, m->to, m->old, body, 0);
	return (int)ret;
}

/* The ranges in the span are told anew what they let through. */
static int remap_reopen(const struct move *m, uint64_t start, uint64_t end)
{
	const struct ufi_table *table = m->task->mm->table;
	int err = 0;

	for (uint32_t i = ufi_range_lower(m->task->mm, start);
	     !err && i < table->n && table->range[i]->start < end; i++) {
		struct ufi_range *r = table->range[i];

		if (ufi_range_armed(r))
			err = ufi_vm_protect(m->task, r, r->prot);
	}
	return err;
}

/*
 * What has been left where nothing is closed is open: protection and poison have moved. A
 * page that the host refuses to open goes on trapping.
 */
static void remap_open_left(const struct move *m)
{
	const struct ufi_table *table = m->task->mm->table;

	for (uint32_t i = ufi_range_lower(m->task->mm, m->to);
	     i < table->n && table->range[i]->start < m->to + m->len; i++) {
		const struct ufi_range *r = table->range[i];

		if (!ufi_range_armed(r))
			UF_SYS3(SYS_mprotect, r->start - m->to + m->old, r->end - r->start,
				host_prot(r->prot));
	}
}

/* Closed, it is one mapping for the host, or few. */
static void remap_close(const struct move *m, uint64_t start, uint64_t end)
{
	const struct ufi_table *table = m->task->mm->table;

	for (uint32_t i = ufi_range_lower(m->task->mm, start);
	     i < table->n && table->range[i]->start < end; i++) {
		const struct ufi_range *r = table->range[i];

		if (ufi_range_armed(r))
			UF_SYS3(SYS_mprotect, r->start, r->end - r->start, PROT_NONE);
	}
}

/*
 * Pages of a private mapping of a file may be anonymous memory by now: see door.c. What
 * is left empty, and what it grows by, is the file's. spec: private.6
 */
static int remap_renew(const struct ufi_range *r, uint64_t at, uint64_t len, uint64_t offset,
		       int prot)
{
	struct uf_vma vma = ufi_range_vma(r);

	if (!ufi_door_replaces(r))
		return 0;
	vma.start = at;
	vma.offset += offset;
	return ufi_door_renew(r->states->token, &vma, at, len, prot);
}

/* What the host has no mapping to spare for stays anonymous, and is empty. (differences, 27) */
static void remap_renew_left(const struct move *m)
{
	const struct ufi_table *table = m->task->mm->table;

	for (uint32_t i = ufi_range_lower(m->task->mm, m->to);
	     i < table->n && table->range[i]->start < m->to + m->len; i++) {
		const struct ufi_range *r = table->range[i];

		(void)!remap_renew(r, r->start - m->to + m->old, r->end - r->start, 0,
				   ufi_range_armed(r) ? PROT_NONE : host_prot(r->prot));
	}
}

/* Registered as what it has grown from, at whose END it begins. */
static int remap_grown(struct ufi_mm *mm, uint64_t end, uint64_t new_end)
{
	const struct ufi_range *r = ufi_range_find(mm, end - 1);
	int err = 0;

	if (r && r->end == end)
		err = remap_renew(r, end, new_end - end, end - r->start, host_prot(r->prot));
	if (!err)
		err = ufi_vm_grow(mm, end, new_end);
	return err == -ENOENT ? 0 : err; /* the end was not registered */
}

/*
 * It has moved, and its ranges, but not all could be done that belongs to it: it goes
 * back. There are objects enough, as so many have just been given back. If the host
 * refuses, it stays, and what could not be opened traps.
 */
static bool remap_back(const struct move *m)
{
	uint64_t end = m->to + m->len;
	struct ufi_mm *mm = m->task->mm;
	bool back = false;

	if (m->new_len > m->len) {
		UF_SYS2(SYS_munmap, end, m->new_len - m->len);
		ufi_vm_drop(mm, end, m->to + m->new_len);
	}
	ufi_vm_drop(mm, m->old, m->old + m->len);
	remap_close(m, m->to, end);
	if (ufi_range_move_begin(mm, m->to, end, m->old, false) == 0) {
		back = remap_span(m, m->to, m->old, m->len, 0) == 0;
		ufi_range_move_end(mm, m->to, end, m->old, back);
	}
	(void)!remap_reopen(m, back ? m->old : m->to, back ? m->old + m->len : end);
	return back;
}

/*
 * What has moved is registered, and what it grows by. MREMAP_DONTUNMAP leaves the old
 * place registered and empty. spec: vm.4, vm.9, event.10
 */
static int remap_finish(const struct move *m)
{
	uint64_t end = m->to + m->len;
	int err = 0;

	if (m->flags & MREMAP_DONTUNMAP) {
		remap_renew_left(m);
		remap_open_left(m);
		err = remap_reopen(m, m->to, end);
	} else if (m->new_len > m->len) {
		err = remap_grown(m->task->mm, end, m->to + m->new_len);
	}
	return err && remap_back(m) ? err : 0;
}

/* The mapping and its ranges, what it grows by and what it leaves behind. */
static int remap_whole(const struct move *m)
{
	bool leaves = m->flags & MREMAP_DONTUNMAP;
	struct ufi_mm *mm = m->task->mm;
	uint64_t end = m->old + m->len;
	int err = ufi_range_move_begin(mm, m->old, end, m->to, leaves);

	if (!err) {
		err = remap_carry(m);
		ufi_range_move_end(mm, m->old, end, m->to, !err);
	}
	if (!err)
		return remap_finish(m);
	if (leaves)
		(void)!remap_reopen(m, m->old, end);
	return err;
}

/* Room at the new place, where whatever is there goes; without MREMAP_FIXED TO is a wish. */
static int remap_make_room(struct move *m)
{
	int fixed = m->flags & MREMAP_FIXED ? MAP_FIXED : 0;
	long ret = UF_SYS6(SYS_mmap, m->to, m->new_len, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);

	if (host_failed(ret))
		return (int)ret;
	if (fixed)
		ufi_vm_drop(m->task->mm, m->to, m->to + m->new_len);
	m->to = (uint64_t)ret;
	return 0;
}

static bool remap_has_hole(uint64_t start, uint64_t end)
{
	struct uf_vma vma;

	for (uint64_t at = start; at < end; at = vma.end) {
		if (ufi_maps_find(&ufi_host.mmu, at, &vma) || vma.start > at)
			return true;
	}
	return false;
}

/*
 * What is registered moves as one mapping, or not at all; what is nobody's, without holes.
 * spec: event.18
 */
static bool remap_is_one(const struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	const struct ufi_table *table = mm->table;

	for (uint32_t i = ufi_range_lower(mm, start); i < table->n && table->range[i]->start < end;
	     i++) {
		if (table->range[i]->ctx)
			return ufi_range_same_end(mm, start) >= end;
	}
	return !remap_has_hole(start, end);
}

/*
 * Told in this order: what was at the new place is gone, it has moved, what was cut
 * off is gone, and so is the old place. spec: event.9, event.10
 */
static int remap_raise(struct move *m)
{
	struct ufi_range *r = ufi_range_find(m->task->mm, m->old);
	uint64_t end = m->old + m->len;
	int err = 0;

	if (m->flags & MREMAP_FIXED)
		err = ufi_vm_going(m->task, m->to, m->to + m->new_len);
	m->raised = m->task->events_end;
	if (!err && r)
		err = ufi_event_remap(m->task, r->ctx, m->old, m->to, m->len);
	if (!err && m->old_len > m->len)
		err = ufi_event_unmap(m->task, end, m->old + m->old_len);
	if (!err && !(m->flags & MREMAP_DONTUNMAP))
		err = ufi_event_unmap(m->task, m->old, end);
	return err;
}

/* How many mappings of the host's what moves is. */
static uint64_t remap_pieces(const struct move *m)
{
	uint64_t end = m->old + m->len;
	struct uf_vma vma;
	uint64_t n = 0;

	for (uint64_t at = m->old; at < end; at = vma.end, n++) {
		if (ufi_maps_find(&ufi_host.mmu, at, &vma))
			break;
	}
	return n;
}

/*
 * What MREMAP_DONTUNMAP takes piece by piece must be able to go back, which may need
 * mappings of its own. They are tried beforehand, by pages of two protections.
 */
static int remap_has_room(const struct move *m)
{
	uint64_t page = ufi_host.mmu.page_size;
	uint64_t pieces = m->flags & MREMAP_DONTUNMAP ? remap_pieces(m) : 0;
	uint64_t len = (4 * pieces + 4) * page;
	long err = 0;
	long at;

	if (pieces < 2)
		return 0;
	at = UF_SYS6(SYS_mmap, 0, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		     0);
	if (host_failed(at))
		return (int)at;
	for (uint64_t i = page; !err && i < len; i += 2 * page)
		err = UF_SYS3(SYS_mprotect, at + (long)i, page, PROT_READ);
	UF_SYS2(SYS_munmap, at, len);
	return (int)err;
}

/* With MREMAP_FIXED the new place is known before it is cleared, and else when there is one. */
static int remap_begin(struct move *m)
{
	bool fixed = m->flags & MREMAP_FIXED;
	struct ufi_mm *mm = m->task->mm;
	int err = ufi_vm_prepare(mm, m->old, m->old + m->old_len);

	if (!err)
		err = ufi_vm_prepare(mm, m->old, m->old + m->len);
	if (!err)
		err = remap_has_room(m);
	if (!err && !fixed)
		err = remap_make_room(m);
	if (err)
		return err;
	err = remap_raise(m);
	if (err && !fixed)
		UF_SYS2(SYS_munmap, m->to, m->new_len);
	if (!err && fixed)
		err = remap_make_room(m);
	if (err)
		ufi_event_cancel(m->task, &m->task->events);
	return err;
}

/*
 * Without UFFD_EVENT_REMAP the new mapping is not registered, and what was
 * missing reads as zeros there. spec: vm.4, vm.13, async.15
 */
static long remap_registered(struct move *m)
{
	uint64_t end = m->old + m->old_len;
	struct ufi_mm *mm = m->task->mm;
	int err;

	if (!remap_is_one(mm, m->old, end))
		return -EFAULT;
	err = remap_begin(m);
	if (err)
		return err;
	err = remap_whole(m);
	if (err) {
		ufi_event_cancel(m->task, m->raised);
		UF_SYS2(SYS_munmap, m->to, m->new_len);
		return err;
	}
	if (m->old_len > m->len) {
		UF_SYS2(SYS_munmap, m->old + m->len, m->old_len - m->len);
		ufi_vm_drop(mm, m->old + m->len, end);
	}
	ufi_vm_arrive(mm, m->to, m->to + m->new_len);
	return (long)m->to;
}

/* Only what is at the new place is registered, if anything is. */
static long remap_over(struct move *m)
{
	struct ufi_mm *mm = m->task->mm;
	uint64_t end = m->to + m->new_len;
	long ret = 0;

	if (m->flags & MREMAP_FIXED)
		ret = ufi_vm_going(m->task, m->to, end);
	if (!ret)
		ret = remap_raw(m->old, m->old_len, m->new_len, m->flags, m->to);
	if (host_failed(ret))
		ufi_event_cancel(m->task, &m->task->events);
	else if (m->flags & MREMAP_FIXED)
		ufi_vm_drop(mm, m->to, end);
	return ret;
}

/*
 * Would the kernel refuse before it has changed anything? Huge pages go only to a place that
 * is given. spec: hugetlb.7, hugetlb.12
 */
static bool remap_bad(const struct move *m, uint64_t to)
{
	const int known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
	uint64_t old_end = ufi_vm_end_of(m->old, m->old_len);
	uint64_t to_end = ufi_vm_end_of(to, m->new_len);
	int flags = m->flags;

	if ((flags & ~known) || !uf_aligned(m->old, m->page) || m->new_len == 0 ||
	    old_end == m->old)
		return true;
	if (m->page > ufi_host.mmu.page_size &&
	    (m->new_len > m->old_len || (flags & MREMAP_DONTUNMAP)))
		return true;
	if (ufi_vm_end_of(m->old, m->new_len) == m->old)
		return true;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return true;
	if ((flags & MREMAP_DONTUNMAP) && m->old_len != m->new_len)
		return true;
	if ((flags & MREMAP_FIXED) && to_end == to)
		return true;
	return (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) &&
	       (!uf_aligned(to, m->page) || uf_overlap(m->old, old_end, to, to_end));
}

/* spec: event.8 */
static long remap_shrink(struct move *m)
{
	uint64_t start = m->old + m->new_len;
	uint64_t end = m->old + m->old_len;
	struct ufi_mm *mm = m->task->mm;
	long ret = ufi_vm_going(m->task, start, end);

	if (!ret)
		ret = UF_SYS2(SYS_munmap, start, end - start);
	if (ret)
		ufi_event_cancel(m->task, &m->task->events);
	else
		ufi_vm_drop(mm, start, end);
	return ret ? ret : (long)m->old;
}

/* Growing in place moves only the end of the last of the pieces our traps have made. */
static long remap_grow(struct move *m)
{
	uint64_t page = ufi_host.mmu.page_size;
	uint64_t old_end = m->old + m->old_len;
	uint64_t grown = m->new_len - m->old_len;
	struct ufi_mm *mm = m->task->mm;
	long ret;

	if (!remap_is_one(mm, m->old, old_end))
		return -EFAULT;
	ret = remap_raw(old_end - page, page, page + grown, 0, 0);
	if (host_failed(ret))
		return m->flags & MREMAP_MAYMOVE ? remap_registered(m) : ret;
	ret = remap_grown(mm, old_end, old_end + grown);
	if (ret) {
		UF_SYS2(SYS_munmap, old_end, grown);
		return ret;
	}
	return (long)m->old;
}

static long remap_resize(struct move *m)
{
	if (m->new_len == m->old_len)
		return (long)m->old;
	return m->new_len < m->old_len ? remap_shrink(m) : remap_grow(m);
}

/* A range that begins empty. */
static int remap_register(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t modes,
			  const struct uf_vma *vma)
{
	struct ufi_range *r;
	int err = ufi_range_create(task->mm, ctx, vma, modes, &r);

	if (err)
		return err;
	r->life = UFI_RANGE_KEPT;
	if (ufi_range_armed(r))
		return 0;
	return task->mmu->ops->open(task->mmu, r, r->start, r->end - r->start, false);
}

/* What R maps at the old address is at the new one now as well. */
static int remap_duplicated(struct move *m, const struct ufi_range *r)
{
	struct uf_vma vma = ufi_range_vma(r);
	struct ufi_ctx *ctx = r->ctx;
	int err;

	if (!ctx || !(atomic_load(&ctx->features) & UF_FEATURE_EVENT_REMAP))
		return (int)UF_SYS3(SYS_mprotect, m->to, m->new_len, host_prot(r->prot));
	vma.offset += m->old - vma.start;
	vma.start = m->to;
	vma.end = m->to + m->new_len;
	err = ufi_event_remap(m->task, ctx, m->old, m->to, 0);
	return err ? err : remap_register(m->task, ctx, r->modes, &vma);
}

/*
 * Length 0 duplicates a shared mapping. With UFFD_EVENT_REMAP the copy is registered
 * and empty; else it is not registered, and open. spec: event.19
 */
static long remap_duplicate(struct move *m)
{
	struct ufi_event **raised;
	struct ufi_range *r;
	long ret;
	int err;

	ret = remap_over(m);
	r = ufi_range_find(m->task->mm, m->old);
	if (host_failed(ret) || !r)
		return ret;
	m->to = (uint64_t)ret;
	raised = m->task->events_end;
	err = remap_duplicated(m, r);
	if (!err)
		return ret;
	ufi_event_cancel(m->task, raised);
	UF_SYS2(SYS_munmap, m->to, m->new_len);
	ufi_vm_drop(m->task->mm, m->to, m->to + m->new_len);
	return err;
}

static long remap_change(struct move *m)
{
	bool moves = m->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
	struct ufi_mm *mm = m->task->mm;

	if (!ufi_vm_registered(mm, m->old, m->old + m->old_len))
		return remap_over(m);
	return moves ? remap_registered(m) : remap_resize(m);
}

/* Lengths that the kernel rounds up to whole pages of the mapping. spec: hugetlb.7 */
static uint64_t remap_pages(const struct move *m, uint64_t len)
{
	return len > ufi_host.mmu.task_size ? len : uf_align_up(len, m->page);
}

/* Where nothing is registered that could go it does not matter, and is not asked. */
static uint64_t remap_page_size(const struct move *m, size_t old_len, size_t new_len)
{
	const struct ufi_mm *mm = m->task->mm;
	const struct ufi_range *r = ufi_range_find(mm, m->old);
	struct uf_vma vma;

	if (r)
		return r->page_size;
	if ((ufi_vm_registered(mm, m->old, ufi_vm_end_of(m->old, old_len)) ||
	     ufi_vm_registered(mm, m->to, ufi_vm_end_of(m->to, new_len))) &&
	    ufi_maps_find(&ufi_host.mmu, m->old, &vma) == 0 && vma.start <= m->old)
		return vma.page_size;
	return ufi_host.mmu.page_size;
}

static void remap_measure(struct move *m, size_t old_len, size_t new_len)
{
	m->page = remap_page_size(m, old_len, new_len);
	m->old_len = remap_pages(m, old_len);
	m->new_len = remap_pages(m, new_len);
	m->len = uf_min(m->old_len, m->new_len);
}

long ufi_host_mremap(void *old_addr, size_t old_len, size_t new_len, int flags, void *new_addr)
{
	uint64_t old = (uintptr_t)old_addr;
	uint64_t to = (uintptr_t)new_addr;
	struct ufi_task task;
	struct move m;
	long ret;

	if (!ufi_host_active())
		return remap_raw(old, old_len, new_len, flags, to);
	m = (struct move){.task = &task,
			  .old = old,
			  .to = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? to : 0,
			  .flags = flags};
	ufi_vm_begin(&ufi_host.mm, &task);
	remap_measure(&m, old_len, new_len);
	if (old_len == 0 && uf_aligned(old | m.to, m.page))
		ret = remap_duplicate(&m);
	else if (remap_bad(&m, to))
		ret = remap_raw(old, old_len, new_len, flags, to);
	else
		ret = remap_change(&m);
	ufi_vm_end(&task);
	return ret;
}
