/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the registry: which spans are registered, sorted by address, and what
 * one mapping is in the eyes of the kernel. Never looks at a page's content.
 */
#include "base/step.h"
#include "engine/pagestate.h"

/* Objects of one size are carved from slabs of this size and recycled. */
#define RANGE_SLAB UINT64_C(65536)

/* A chunk is at least this long, and a range has at most so many. */
#define CHUNK_MIN (UINT64_C(2) << 20)
#define CHUNKS_MAX UINT64_C(4096)

uint32_t ufi_range_lower(const struct ufi_mm *mm, uint64_t addr)
{
	const struct ufi_table *table = mm->table;
	uint32_t low = 0;
	uint32_t high = table->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (table->range[mid]->end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

struct ufi_range *ufi_range_find(const struct ufi_mm *mm, uint64_t addr)
{
	const struct ufi_table *table = mm->table;
	uint32_t i = ufi_range_lower(mm, addr);

	if (i == table->n || table->range[i]->start > addr)
		return NULL;
	return table->range[i];
}

struct uf_vma ufi_range_vma(const struct ufi_range *r)
{
	return (struct uf_vma){.start = r->start,
			       .end = r->end,
			       .offset = r->offset,
			       .object = r->object,
			       .page_size = r->page_size,
			       .prot = r->prot,
			       .shared = r->shared,
			       .maywrite = true,
			       .mem = r->mem};
}

/* Would the kernel keep A and B, which follow each other, as one VMA? */
static bool range_same_vma(const struct ufi_range *a, const struct ufi_range *b)
{
	if (a->end != b->start || a->ctx != b->ctx || a->modes != b->modes || a->prot != b->prot ||
	    a->mem != b->mem || a->shared != b->shared || a->object != b->object)
		return false;
	return !a->object || a->offset + (a->end - a->start) == b->offset;
}

uint64_t ufi_range_same_end(const struct ufi_mm *mm, uint64_t addr)
{
	const struct ufi_table *table = mm->table;
	uint32_t i = ufi_range_lower(mm, addr);

	if (i == table->n || table->range[i]->start > addr)
		return addr;
	while (i + 1 < table->n && range_same_vma(table->range[i], table->range[i + 1]))
		i++;
	return table->range[i]->end;
}

/* spec: fill.7 */
bool ufi_range_covers(const struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	const struct ufi_range *r = ufi_range_find(mm, start);

	return r && r->modes && (r->end >= end || ufi_range_same_end(mm, start) >= end);
}

static struct ufi_range *range_alloc(struct ufi_mm *mm)
{
	struct ufi_range *r = mm->free_ranges;

	if (!r) {
		r = mm->mmu->ops->alloc(mm->mmu, RANGE_SLAB);
		if (!r)
			return NULL;
		for (uint64_t n = RANGE_SLAB / sizeof(*r); n > 1; n--, r++) {
			r->next_free = mm->free_ranges;
			mm->free_ranges = r;
		}
	} else {
		mm->free_ranges = r->next_free;
	}
	memset(r, 0, sizeof(*r));
	return r;
}

static void range_free(struct ufi_mm *mm, struct ufi_range *r)
{
	struct ufi_states *states = r->states;

	if (states && --states->refs == 0) {
		if (states->token)
			mm->mmu->ops->forget(mm->mmu, states->token);
		mm->mmu->ops->free(mm->mmu, states, states->size);
	}
	r->states = NULL;
	r->next_free = mm->free_ranges;
	mm->free_ranges = r;
}

static struct ufi_table *range_spare(const struct ufi_mm *mm)
{
	return mm->tables[mm->table == mm->tables[0]];
}

/* As the I-th. At the end there is room behind what is in force. */
static int range_insert(struct ufi_mm *mm, uint32_t i, struct ufi_range *r)
{
	struct ufi_table *now = mm->table;
	struct ufi_table *next = range_spare(mm);
	uint32_t n = now->n;

	if (n == mm->ranges_max)
		return -ENOMEM;
	if (i == n) {
		now->range[n] = r;
		now->n = n + 1;
		return 0;
	}
	memcpy(next->range, now->range, i * sizeof(r));
	next->range[i] = r;
	memcpy(&next->range[i + 1], &now->range[i], (n - i) * sizeof(r));
	next->n = n + 1;
	mm->table = next;
	return 0;
}

void ufi_range_end(struct ufi_mm *mm, uint64_t start, uint64_t end, enum ufi_life how)
{
	const struct ufi_table *table = mm->table;

	for (uint32_t i = ufi_range_lower(mm, start); i < table->n && table->range[i]->start < end;
	     i++)
		table->range[i]->life = how;
}

/* Detached more than once are those of a writer that was killed at it. */
void ufi_range_reap(struct ufi_mm *mm)
{
	struct ufi_table *now = mm->table;
	struct ufi_table *next = range_spare(mm);
	uint32_t n = 0;

	for (uint32_t i = 0; i < now->n; i++) {
		struct ufi_range *r = now->range[i];

		if (r->life == UFI_RANGE_KEPT)
			next->range[n++] = r;
		else
			mm->mmu->ops->detach(mm->mmu, r, r->life == UFI_RANGE_GONE);
	}
	if (n == now->n)
		return;
	next->n = n;
	uf_step();
	mm->table = next;
	uf_step();
	for (uint32_t i = 0; i < now->n; i++) {
		if (now->range[i]->life != UFI_RANGE_KEPT)
			range_free(mm, now->range[i]);
	}
}

static uint64_t range_chunk(uint64_t len, uint64_t page)
{
	uint64_t chunk = uf_max(CHUNK_MIN, page);

	while (len / chunk > CHUNKS_MAX)
		chunk *= 2;
	return chunk;
}

static int range_states(struct ufi_mm *mm, struct ufi_range *r)
{
	size_t size = sizeof(struct ufi_states) + (r->end - r->start) / r->page_size;

	r->states = mm->mmu->ops->alloc(mm->mmu, size);
	if (!r->states)
		return -ENOMEM;
	r->states->refs = 1;
	r->states->size = size;
	return 0;
}

void ufi_range_owner(struct ufi_range *r, struct ufi_ctx *ctx, uint64_t modes)
{
	r->ctx = ctx;
	r->modes = modes;
	r->trap = ctx ? ctx->trap : UF_TRAP_AUTO;
	r->fill = ctx ? ctx->fill : UF_FILL_AUTO;
}

static void range_init(struct ufi_range *r, struct ufi_ctx *ctx, const struct uf_vma *vma,
		       uint64_t modes)
{
	r->life = UFI_RANGE_FRESH;
	r->start = vma->start;
	r->end = vma->end;
	r->chunk = range_chunk(vma->end - vma->start, vma->page_size);
	r->mem = vma->mem;
	r->page_size = vma->page_size;
	r->offset = vma->offset;
	r->object = vma->object;
	r->prot = vma->prot;
	r->shared = vma->shared;
	ufi_range_owner(r, ctx, modes);
}

int ufi_range_create(struct ufi_mm *mm, struct ufi_ctx *ctx, const struct uf_vma *vma,
		     uint64_t modes, struct ufi_range **out)
{
	struct ufi_range *r = range_alloc(mm);
	int err;

	if (!r)
		return -ENOMEM;
	range_init(r, ctx, vma, modes);
	err = range_states(mm, r);
	if (!err)
		err = range_insert(mm, ufi_range_lower(mm, r->start), r);
	if (err) {
		range_free(mm, r);
		return err;
	}
	err = mm->mmu->ops->attach(mm->mmu, r, ufi_range_armed(r));
	if (err) {
		/* It has closed nothing that would have to be opened. */
		r->life = UFI_RANGE_GONE;
		ufi_range_reap(mm);
		return err;
	}
	*out = r;
	return 0;
}

/*
 * The range that crosses ADDR, if any, becomes two. Until the lower one ends
 * where the higher begins it stands for both: see repair.c.
 */
static int range_split(struct ufi_mm *mm, uint64_t addr)
{
	uint32_t i = ufi_range_lower(mm, addr);
	struct ufi_range *low = ufi_range_find(mm, addr);
	struct ufi_range *high;
	uint64_t delta;

	if (!low || low->start == addr)
		return 0;
	/* spec: hugetlb.7 */
	if (!uf_aligned(addr, low->page_size))
		return -EINVAL;
	high = range_alloc(mm);
	if (!high)
		return -ENOMEM;
	*high = *low;
	delta = addr - low->start;
	high->start = addr;
	high->state_off += delta / low->page_size;
	if (high->object)
		high->offset += delta;
	if (high->alias)
		high->alias += delta;
	high->states->refs++;
	if (range_insert(mm, i + 1, high)) {
		range_free(mm, high);
		return -ENOMEM;
	}
	uf_step();
	low->end = addr;
	return 0;
}

int ufi_range_isolate(struct ufi_mm *mm, uint64_t start, uint64_t end)
{
	int err = range_split(mm, start);

	if (!err)
		err = range_split(mm, end);
	UFI_VALIDATE_MM(mm);
	return err;
}

/* The same range, with the same states, at another address. */
static struct ufi_range *range_copy(struct ufi_mm *mm, const struct ufi_range *r, uint64_t start)
{
	struct ufi_range *copy = range_alloc(mm);

	if (!copy)
		return NULL;
	*copy = *r;
	copy->start = start;
	copy->end = start + (r->end - r->start);
	copy->states->refs++;
	return copy;
}

/* One of the same kind where R will have been, all of its pages missing. */
static struct ufi_range *range_left(struct ufi_mm *mm, const struct ufi_range *r)
{
	struct ufi_range *left = range_alloc(mm);
	struct uf_vma vma = ufi_range_vma(r);

	if (!left)
		return NULL;
	range_init(left, r->ctx, &vma, r->modes);
	left->life = UFI_RANGE_KEPT;
	if (range_states(mm, left) == 0 &&
	    mm->mmu->ops->attach(mm->mmu, left, ufi_range_armed(left)) == 0)
		return left;
	range_free(mm, left);
	return NULL;
}

/* In its place; there is room, as others have gone. */
static int range_put(struct ufi_table *table, struct ufi_range *r)
{
	uint32_t i = table->n;

	if (!r)
		return -ENOMEM;
	while (i > 0 && table->range[i - 1]->start > r->start)
		i--;
	memmove(&table->range[i + 1], &table->range[i], (table->n - i) * sizeof(r));
	table->range[i] = r;
	table->n++;
	return 0;
}

/* The table that is not in force gets copies in place of those that move. */
int ufi_range_move_begin(struct ufi_mm *mm, uint64_t start, uint64_t end, uint64_t to, bool leave)
{
	const struct ufi_table *now = mm->table;
	struct ufi_table *next = range_spare(mm);
	uint32_t first = ufi_range_lower(mm, start);
	uint32_t last = ufi_range_lower(mm, end);
	int err = now->n + (last - first) > mm->ranges_max ? -ENOMEM : 0;

	memcpy(next->range, now->range, first * sizeof(now->range[0]));
	memcpy(&next->range[first], &now->range[last], (now->n - last) * sizeof(now->range[0]));
	next->n = now->n - (last - first);
	for (uint32_t i = first; !err && i < last; i++) {
		struct ufi_range *r = now->range[i];

		err = range_put(next, range_copy(mm, r, to + (r->start - start)));
		if (!err && leave && r->ctx)
			err = range_put(next, range_left(mm, r));
	}
	if (err)
		ufi_range_move_end(mm, start, end, to, false);
	return err;
}

void ufi_range_move_end(struct ufi_mm *mm, uint64_t start, uint64_t end, uint64_t to, bool moved)
{
	struct ufi_table *now = mm->table;
	struct ufi_table *next = range_spare(mm);

	if (moved) {
		mm->table = next;
		uf_step();
		next = now;
	}
	for (uint32_t i = 0; i < next->n; i++) {
		struct ufi_range *r = next->range[i];

		if (!moved && r->start >= to && r->start < to + (end - start)) {
			range_free(mm, r);
		} else if (r->start >= start && r->start < end) {
			if (!moved) /* what was left has closed nothing that is to be opened */
				mm->mmu->ops->detach(mm->mmu, r, true);
			range_free(mm, r);
		}
	}
}

/* The first poisoned pages in the range: [*start, *end); false if there are none. */
static bool range_poisoned(const struct ufi_range *r, uint64_t *start, uint64_t *end)
{
	uint64_t at = r->start;

	while (at < r->end && ufi_page_kind(atomic_load(ufi_page_state(r, at))) != UFI_PAGE_POISON)
		at += r->page_size;
	*start = at;
	while (at < r->end && ufi_page_kind(atomic_load(ufi_page_state(r, at))) == UFI_PAGE_POISON)
		at += r->page_size;
	*end = at;
	return *start < *end;
}

/* spec: unregister.8, close.7 */
int ufi_range_keep_poison(struct ufi_mm *mm, const struct ufi_ctx *ctx, uint64_t start,
			  uint64_t end)
{
	uint64_t poison;
	uint64_t poison_end;

	for (uint32_t i = ufi_range_lower(mm, start);
	     i < mm->table->n && mm->table->range[i]->start < end; i++) {
		struct ufi_range *r = mm->table->range[i];
		int err;

		if (!r->ctx || (ctx && r->ctx != ctx) || !atomic_load(&r->states->poisoned) ||
		    !range_poisoned(r, &poison, &poison_end))
			continue;
		/* What lies before them is a range of its own; they come next, then. */
		err = range_split(mm, poison > r->start ? poison : poison_end);
		if (err)
			return err;
		if (poison > r->start)
			continue;
		r->modes = 0;
		r->ctx = NULL;
	}
	return 0;
}
