/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the addresses of our own memory: second mappings of the program's
 * objects, page states, contexts. They come from a few large reservations, so
 * that nothing of ours ever lies in a hole of the program's, where a REGISTER
 * over the hole would meet it and a MAP_FIXED would replace it.
 *
 * A reservation is PROT_NONE and costs only addresses. The free parts of all
 * of them are one table sorted by address; who takes a part maps something
 * there, and whoever gives it back makes it PROT_NONE again. There are two of
 * these tables: a change is made in the one that is not in force, so that a
 * thread that is killed in the midst of it may lose addresses, but never has
 * them given out twice.
 */
#include "mmu/host/internal.h"

/*
 * Each reservation is twice as large as the one before, or smaller where
 * RLIMIT_AS does not allow it. The first is small for those that list mappings
 * page by page, as emulators of other processors do.
 */
#define ARENA_FIRST (UINT64_C(1) << 26)
#define ARENA_DOUBLINGS 14
#define ARENAS 64
#define ARENA_PARTS 8192

struct arena_span {
	uint64_t start;
	uint64_t end;
};

struct arena_table {
	uint32_t n;
	struct arena_span part[ARENA_PARTS];
};

static struct arena_table arena_tables[2];

static struct {
	struct ufi_lock lock;
	/* Only grows: readers need no lock. */
	struct arena_span whole[ARENAS];
	_Atomic uint32_t nwhole;
	/* Under the lock. */
	struct arena_table *_Atomic free;
} arena = {.free = &arena_tables[0]};

/* 0: no. */
static uint64_t arena_map(uint64_t addr, uint64_t len, int prot, int flags)
{
	long p = UF_SYS6(SYS_mmap, addr, len, prot,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	return p < 0 && p > -4096 ? 0 : (uint64_t)p;
}

/*
 * The parts from I on, OLD of them, are replaced by these, NEW of them. With a
 * full table the addresses are lost, and nothing else is.
 */
static void arena_replace(uint32_t i, uint32_t old, const struct arena_span *part, uint32_t new)
{
	const struct arena_table *now = arena.free;
	struct arena_table *next = &arena_tables[now == &arena_tables[0]];

	if (now->n - old + new > ARENA_PARTS)
		return;
	memcpy(next->part, now->part, i * sizeof(*part));
	memcpy(&next->part[i], part, new * sizeof(*part));
	memcpy(&next->part[i + new], &now->part[i + old], (now->n - i - old) * sizeof(*part));
	next->n = now->n - old + new;
	arena.free = next;
}

/* One with its neighbours. */
static void arena_insert_part(uint64_t start, uint64_t end)
{
	const struct arena_table *now = arena.free;
	struct arena_span part = {start, end};
	uint32_t i = 0;
	uint32_t old = 0;

	while (i < now->n && now->part[i].end < start)
		i++;
	if (i < now->n && now->part[i].end == start) {
		part.start = now->part[i].start;
		old++;
	}
	if (i + old < now->n && now->part[i + old].start == end) {
		part.end = now->part[i + old].end;
		old++;
	}
	arena_replace(i, old, &part, 1);
}

/*
 * A page at each end is never given out: with its flag it keeps the program's
 * own reservations from becoming one mapping with ours.
 */
static bool arena_grow(uint64_t len)
{
	uint64_t page = ufi_host.mmu.page_size;
	uint64_t size = ARENA_FIRST << uf_min(arena.nwhole, ARENA_DOUBLINGS);
	uint64_t start;

	if (arena.nwhole == ARENAS)
		return false;
	while (size < len * 2)
		size *= 2;
	while ((start = arena_map(0, size, PROT_NONE, 0)) == 0) {
		size /= 2;
		if (size < len + 2 * page)
			return false;
	}
	UF_SYS3(SYS_madvise, start, size, MADV_DONTDUMP);
	arena.whole[arena.nwhole] = (struct arena_span){start, start + size};
	atomic_fetch_add(&arena.nwhole, 1);
	arena_insert_part(start + page, start + size - page);
	return true;
}

static uint64_t arena_take_part(uint64_t len)
{
	const struct arena_table *now = arena.free;

	for (uint32_t i = 0; i < now->n; i++) {
		struct arena_span rest = now->part[i];
		uint64_t start = rest.start;

		if (rest.end - start < len)
			continue;
		rest.start += len;
		arena_replace(i, 1, &rest, rest.start < rest.end);
		return start;
	}
	return 0;
}

static void arena_lock(struct ufi_task *task)
{
	task->mmu = &ufi_host.mmu;
	task->tid = ufi_thread_self(&ufi_host.mmu);
	ufi_lock_take(task, &arena.lock);
}

uint64_t ufi_arena_take(uint64_t len)
{
	struct ufi_task task;
	uint64_t start;

	len = uf_align_up(len, ufi_host.mmu.page_size);
	arena_lock(&task);
	start = arena_take_part(len);
	if (!start && arena_grow(len))
		start = arena_take_part(len);
	ufi_lock_release(&task, &arena.lock);
	return start;
}

void ufi_arena_give(uint64_t start, uint64_t len)
{
	struct ufi_task task;

	len = uf_align_up(len, ufi_host.mmu.page_size);
	/* If the host has no mapping to spare for it, the addresses stay what they are. */
	if (!arena_map(start, len, PROT_NONE, MAP_FIXED))
		return;
	UF_SYS3(SYS_madvise, start, len, MADV_DONTDUMP);
	arena_lock(&task);
	arena_insert_part(start, start + len);
	ufi_lock_release(&task, &arena.lock);
}

uint64_t ufi_arena_take_aligned(uint64_t len, uint64_t page)
{
	uint64_t slack = page - ufi_host.mmu.page_size;
	uint64_t got = ufi_arena_take(len + slack);
	uint64_t at = uf_align_up(got, page);

	if (!got)
		return 0;
	if (at > got)
		ufi_arena_give(got, at - got);
	if (at < got + slack)
		ufi_arena_give(at + len, got + slack - at);
	return at;
}

void *ufi_arena_alloc(struct uf_mmu *mmu, size_t len)
{
	uint64_t start = ufi_arena_take(len);

	len = uf_align_up(len, mmu->page_size);
	if (!start)
		return NULL;
	if (!arena_map(start, len, PROT_READ | PROT_WRITE, MAP_FIXED)) {
		ufi_arena_give(start, len);
		return NULL;
	}
	/* A byte that is touched shall not cost a huge page. */
	UF_SYS3(SYS_madvise, start, len, MADV_NOHUGEPAGE);
	return host_ptr(start);
}

void ufi_arena_free(struct uf_mmu *mmu, void *p, size_t len)
{
	ufi_arena_give((uintptr_t)p, len);
}

uint64_t ufi_arena_beyond(uint64_t addr)
{
	for (uint32_t i = 0; i < atomic_load(&arena.nwhole); i++) {
		if (addr >= arena.whole[i].start && addr < arena.whole[i].end)
			return arena.whole[i].end;
	}
	return addr;
}

void ufi_arena_fork_prepare(struct ufi_task *task)
{
	ufi_lock_take(task, &arena.lock);
}

void ufi_arena_fork_parent(struct ufi_task *task)
{
	ufi_lock_release(task, &arena.lock);
}

void ufi_arena_fork_child(void)
{
	memset(&arena.lock, 0, sizeof(arena.lock));
}
