/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how pages of private memory change their place: by mremap, which takes
 * the page tables of the source away under everybody's hands and leaves the
 * mapping. No protection is changed for it, so that memory which is not
 * registered is never out of reach, for system calls neither.
 *
 * What arrives so is a mapping of its own for ever, and mappings are few. So
 * short runs, and all of them where there are many mappings already, are taken to
 * addresses of ours, where they are nobody else's, and are copied from there.
 */
#include "mmu/host/internal.h"

/* Runs of fewer pages are copied; a page of 64 KiB is cheaper moved. */
#define MOVE_TABLES_PAGES 8
#define MOVE_TABLES_BYTES UINT64_C(65536)

/*
 * The run that is being copied: where its pages are, and how far it is. There is
 * one at a time, as the registry is locked for writing; who takes over from a
 * thread that was killed finds it here.
 */
enum move_phase {
	MOVE_NONE,
	MOVE_TAKING,	/* pages are at the source or with us */
	MOVE_WHOLE,	/* at the target, which may be open */
	MOVE_RETURNING, /* with us, or at the source again */
};

static struct {
	_Atomic uint32_t phase; /* last, so that the rest is there */
	uint64_t stage;
} move_copy;

/*
 * Up to half of what Linux allows by default may be mappings that moves have
 * made, among others. How many there are is counted once in a while.
 */
#define MOVE_MAPPINGS UINT32_C(32768)
#define MOVE_COUNT_AGAIN UINT32_C(4096)

static struct {
	_Atomic uint32_t spare;	 /* mappings that may be made */
	_Atomic uint32_t copies; /* runs to copy before it is counted again */
} move_budget;

static bool move_may_map(void)
{
	uint32_t count;

	if (atomic_load(&move_budget.copies)) {
		atomic_fetch_sub(&move_budget.copies, 1);
		return false;
	}
	if (!atomic_load(&move_budget.spare)) {
		count = ufi_maps_count();
		if (count >= MOVE_MAPPINGS) {
			atomic_store(&move_budget.copies, MOVE_COUNT_AGAIN);
			return false;
		}
		atomic_store(&move_budget.spare, MOVE_MAPPINGS - count);
	}
	atomic_fetch_sub(&move_budget.spare, 1);
	return true;
}

/* If something has come to stand there meanwhile, that stays. */
static void move_map(uint64_t addr, uint64_t len, int prot)
{
	UF_SYS6(SYS_mmap, addr, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		0);
}

static int move_protect(uint64_t addr, uint64_t len, int prot)
{
	return (int)UF_SYS3(SYS_mprotect, addr, len, prot);
}

static long move_mremap(uint64_t from, uint64_t to, uint64_t len, int flags)
{
	return UF_SYS5(SYS_mremap, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | flags, to);
}

/*
 * All pages of the span, which is one mapping of the host's. FROM stays mapped;
 * before Linux 5.7, and under some emulators, it is mapped anew, and who comes
 * upon the hole waits for the registry. A failure may have unmapped TO, which was
 * empty and closed.
 */
static int move_span(uint64_t from, uint64_t to, uint64_t len, int from_prot)
{
	bool stays = ufi_host.caps.dontunmap;
	long ret = move_mremap(from, to, len, stays ? MREMAP_DONTUNMAP : 0);

	if (ret != (long)to)
		move_map(to, len, PROT_NONE);
	else if (!stays)
		move_map(from, len, from_prot);
	return ret == (long)to ? 0 : (int)ret;
}

/* Does the page have a page table entry? */
static bool move_is_there(uint64_t addr)
{
	struct uf_mmu *mmu = &ufi_host.mmu;
	struct ufi_range page = {.start = addr,
				 .end = addr + mmu->page_size,
				 .page_size = mmu->page_size};
	uint64_t start;
	uint64_t end;

	return ufi_pagemap_populated(mmu, &page, addr, &start, &end) == 0;
}

/* Pages that are not at TO already: those that come later to an open source stay there. */
static int move_each(uint64_t from, uint64_t to, uint64_t len, int from_prot)
{
	uint64_t page = ufi_host.mmu.page_size;

	for (uint64_t i = 0; i < len; i += page) {
		int err = move_is_there(to + i) ? 0 : move_span(from + i, to + i, page, from_prot);

		if (err)
			return err;
	}
	return 0;
}

/*
 * What is at FROM goes back to TO, whose protection is PROT; FROM is closed and
 * empty then. A page that has been made at TO meanwhile is lost, for the only other
 * way is to lose this one: it takes a host at its limits and a write at that very
 * moment.
 */
static void move_return(uint64_t from, uint64_t to, uint64_t len, int prot)
{
	uint64_t page = ufi_host.mmu.page_size;

	move_protect(from, len, PROT_NONE);
	for (uint64_t i = 0; i < len; i += page) {
		/* Refused this too, it stays where it is: there is no third place. */
		if (move_is_there(from + i))
			(void)!move_span(from + i, to + i, page, PROT_NONE);
	}
	move_protect(to, len, prot);
}

/* Our traps may have cut the source into several mappings of the host's, which go one by one. */
static int move_tables(uint64_t from, uint64_t to, uint64_t len, int from_prot, bool again)
{
	int err = again ? -EFAULT : move_span(from, to, len, from_prot);

	if (err != -EFAULT)
		return err;
	err = move_each(from, to, len, from_prot);
	if (err)
		move_return(to, from, len, from_prot);
	return err;
}

static int move_source_prot(const struct ufi_range *r, const struct uf_page_move *m)
{
	return m->src_closed ? PROT_NONE : host_prot(r->prot);
}

/* Where the source is open what arrives is open at once, which is nothing to be afraid of. */
static int move_directly(const struct ufi_range *r, const struct uf_page_move *m)
{
	int prot = move_source_prot(r, m);
	int err = move_tables(m->src, m->dst, m->len, prot, m->again);

	if (err)
		return err;
	err = move_protect(m->dst, m->len, host_prot(r->prot));
	if (err)
		move_return(m->dst, m->src, m->len, prot);
	return err;
}

/* Forgotten first: killed in between, we lose the addresses and do not give them twice. */
static void move_end(uint64_t len)
{
	atomic_store(&move_copy.phase, MOVE_NONE);
	ufi_arena_give(move_copy.stage, len);
}

static int move_back(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m, int err)
{
	move_protect(m->dst, m->len, PROT_NONE);
	atomic_store(&move_copy.phase, MOVE_RETURNING);
	ufi_door_take_back(mmu, r, m->dst, m->len);
	move_return(move_copy.stage, m->src, m->len, move_source_prot(r, m));
	move_end(m->len);
	return err;
}

/* All of it is with us. */
static int move_deliver(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m)
{
	uint64_t stage = move_copy.stage;
	int64_t n;

	if (move_protect(stage, m->len, PROT_READ | PROT_WRITE))
		return move_back(mmu, r, m, -ENOMEM);
	n = ufi_door_write(mmu, r, m->dst, m->len, stage);
	if (n != (int64_t)m->len)
		return move_back(mmu, r, m, n < 0 && n != -EFAULT ? (int)n : -ENOMEM);
	atomic_store(&move_copy.phase, MOVE_WHOLE);
	return 0;
}

static int move_through_us(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m)
{
	int err = move_tables(m->src, move_copy.stage, m->len, move_source_prot(r, m), m->again);

	if (err) {
		move_end(m->len);
		return err;
	}
	return move_deliver(mmu, r, m);
}

/* Whole, and not open yet for certain. */
static int move_show(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m)
{
	int err = move_protect(m->dst, m->len, host_prot(r->prot));

	if (err)
		return move_back(mmu, r, m, err);
	move_end(m->len);
	return 0;
}

static int move_by_copy(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m)
{
	int err;

	move_copy.stage = ufi_arena_take(m->len);
	if (!move_copy.stage)
		return -ENOMEM;
	atomic_store(&move_copy.phase, MOVE_TAKING);
	err = move_through_us(mmu, r, m);
	return err ? err : move_show(mmu, r, m);
}

/* Go on where a thread was killed. */
static int move_again(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m)
{
	int err;

	switch (atomic_load(&move_copy.phase)) {
	case MOVE_TAKING:
		err = move_through_us(mmu, r, m);
		return err ? err : move_show(mmu, r, m);
	case MOVE_WHOLE:
		return move_show(mmu, r, m);
	case MOVE_RETURNING:
		return move_back(mmu, r, m, -ENOMEM);
	default:
		return move_directly(r, m);
	}
}

int ufi_move_pages(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m)
{
	bool copies = r->fill == UF_FILL_PROCMEM;
	bool is_short = m->len < MOVE_TABLES_PAGES * mmu->page_size && m->len < MOVE_TABLES_BYTES;
	int err = -ENOMEM;

	if (m->again)
		return move_again(mmu, r, m);
	if (!copies || (!is_short && move_may_map()))
		err = move_directly(r, m);
	return err && copies ? move_by_copy(mmu, r, m) : err;
}
