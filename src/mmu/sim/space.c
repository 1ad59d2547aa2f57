/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the simulated address space: objects with their page caches, mappings,
 * and one flat page table whose entries say which mapping a page belongs to.
 * What is a VMA follows from that: neighbours of one mapping and protection.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "mmu/sim/sim.h"

static uint64_t space_addr(uint64_t i)
{
	return SIM_BASE + i * SIM_PAGE;
}

static void *space_calloc(struct sim *sim, size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		ufi_sim_fail(sim, "no memory for the simulation itself");
	return p;
}

struct sim_pte *ufi_sim_pte(struct sim *sim, uint64_t addr)
{
	return addr >= SIM_BASE && addr < SIM_END ? &sim->pte[(addr - SIM_BASE) / SIM_PAGE] : NULL;
}

static struct sim_page *space_get(struct sim_page *page)
{
	page->refs++;
	return page;
}

static void space_put(struct sim_page **slot)
{
	struct sim_page *page = *slot;

	*slot = NULL;
	if (page && --page->refs == 0)
		free(page);
}

struct sim_object *ufi_sim_object(struct sim *sim, uint64_t npages)
{
	struct sim_object *obj = space_calloc(sim, sizeof(*obj));

	obj->id = ++sim->last_object;
	obj->npages = npages;
	obj->next = sim->objects;
	sim->objects = obj;
	return obj;
}

/* Out of the page cache, and out of every page table. */
static void space_evict(struct sim *sim, struct sim_page **slot)
{
	struct sim_page *page = *slot;

	for (uint64_t i = 0; page && i < SIM_PAGES; i++)
		if (sim->pte[i].page == page)
			space_put(&sim->pte[i].page);
	space_put(slot);
}

void ufi_sim_truncate(struct sim *sim, struct sim_object *obj, uint64_t npages)
{
	for (uint64_t i = npages; i < obj->npages; i++)
		if (obj->cache[i])
			space_evict(sim, &obj->cache[i]);
	obj->npages = npages;
}

static uint64_t space_room(struct sim *sim, uint64_t npages)
{
	uint64_t free_pages = 0;

	for (uint64_t i = 0; i < SIM_PAGES; i++) {
		free_pages = sim->pte[i].map ? 0 : free_pages + 1;
		if (free_pages == npages + 2)
			return space_addr(i - npages);
	}
	ufi_sim_fail(sim, "the simulated address space is full");
}

uint64_t ufi_sim_map(struct sim *sim, uint64_t addr, uint64_t npages, uint32_t prot,
		     enum sim_kind kind, struct sim_object *obj)
{
	struct sim_map *map = space_calloc(sim, sizeof(*map));

	if (!addr)
		addr = space_room(sim, npages);
	map->kind = kind;
	map->maywrite = true;
	map->object = obj;
	map->base = addr;
	map->next = sim->maps;
	sim->maps = map;
	for (uint64_t i = 0; i < npages; i++) {
		struct sim_pte *pte = ufi_sim_pte(sim, addr + i * SIM_PAGE);

		if (!pte || pte->map)
			ufi_sim_fail(sim, "page %#" PRIx64 " cannot be mapped",
				     addr + i * SIM_PAGE);
		*pte = (struct sim_pte){.map = map, .want = prot, .prot = prot, .let = SIM_LET_ALL};
	}
	return addr;
}

void ufi_sim_set_maywrite(struct sim *sim, uint64_t addr, bool maywrite)
{
	ufi_sim_pte(sim, addr)->map->maywrite = maywrite;
}

/* The record of the mapping stays until the machine goes: others may point to it. */
void ufi_sim_unmap_page(struct sim *sim, uint64_t addr)
{
	struct sim_pte *pte = ufi_sim_pte(sim, addr);

	space_put(&pte->page);
	space_put(&pte->coming);
	*pte = (struct sim_pte){.trap = SIM_TRAP_NONE};
}

void ufi_sim_drop_page(struct sim *sim, uint64_t addr)
{
	space_put(&ufi_sim_pte(sim, addr)->page);
}

void ufi_sim_punch_page(struct sim *sim, uint64_t addr)
{
	struct sim_page **slot = ufi_sim_slot(sim, addr);

	if (slot)
		space_evict(sim, slot);
	else
		ufi_sim_drop_page(sim, addr);
}

static uint64_t space_pgidx(const struct sim_pte *pte, uint64_t addr)
{
	return pte->map->pgidx + (addr - pte->map->base) / SIM_PAGE;
}

bool ufi_sim_beyond(struct sim *sim, uint64_t addr)
{
	const struct sim_pte *pte = ufi_sim_pte(sim, addr);

	return pte->map->object && space_pgidx(pte, addr) >= pte->map->object->npages;
}

struct sim_page **ufi_sim_slot(struct sim *sim, uint64_t addr)
{
	const struct sim_pte *pte = ufi_sim_pte(sim, addr);

	return pte->map->object ? &pte->map->object->cache[space_pgidx(pte, addr)] : NULL;
}

struct sim_page *ufi_sim_backing(struct sim *sim, uint64_t addr)
{
	struct sim_page **slot = ufi_sim_slot(sim, addr);

	if (!slot)
		slot = &ufi_sim_pte(sim, addr)->page;
	if (!*slot)
		*slot = space_get(space_calloc(sim, sizeof(**slot)));
	return *slot;
}

struct sim_page *ufi_sim_populate(struct sim *sim, uint64_t addr)
{
	struct sim_page *page = ufi_sim_backing(sim, addr);
	struct sim_pte *pte = ufi_sim_pte(sim, addr);

	if (!pte->page)
		pte->page = space_get(page);
	return page;
}

static uint64_t space_piece(uint64_t addr, uint64_t left)
{
	return uf_min(left, SIM_PAGE - addr % SIM_PAGE);
}

static struct sim_pte *space_mapped(struct sim *sim, uint64_t addr)
{
	struct sim_pte *pte = ufi_sim_pte(sim, addr);

	if (!pte || !pte->map || ufi_sim_beyond(sim, addr))
		ufi_sim_fail(sim, "the test looks at %#" PRIx64 ", where nothing is", addr);
	return pte;
}

void ufi_sim_peek(struct sim *sim, uint64_t addr, void *to, size_t n)
{
	char *at = to;

	for (size_t done = 0; done < n;) {
		uint64_t piece = space_piece(addr + done, n - done);
		const struct sim_pte *pte = space_mapped(sim, addr + done);
		struct sim_page **slot = ufi_sim_slot(sim, addr + done);
		const struct sim_page *page = slot ? *slot : pte->page;

		if (page)
			memcpy(at + done, page->data + (addr + done) % SIM_PAGE, piece);
		else
			memset(at + done, 0, piece);
		done += piece;
	}
}

void ufi_sim_poke(struct sim *sim, uint64_t addr, const void *from, size_t n)
{
	const char *at = from;

	for (size_t done = 0; done < n;) {
		uint64_t piece = space_piece(addr + done, n - done);

		space_mapped(sim, addr + done);
		memcpy(ufi_sim_populate(sim, addr + done)->data + (addr + done) % SIM_PAGE,
		       at + done, piece);
		done += piece;
	}
}

static const struct uf_mem_ops *space_mem(const struct sim_map *map)
{
	switch (map->kind) {
	case SIM_ANON:
		return &uf_mem_anon;
	case SIM_SHARED:
		return &uf_mem_shmem;
	case SIM_FILE:
		break;
	}
	return &uf_mem_other;
}

static bool space_alike(const struct sim_pte *a, const struct sim_pte *b)
{
	return a->map == b->map && a->want == b->want;
}

int ufi_sim_vma_find(struct uf_mmu *mmu, uint64_t addr, struct uf_vma *vma)
{
	struct sim *sim = sim_of(mmu);
	uint64_t i = addr < SIM_BASE ? 0 : (addr - SIM_BASE) / SIM_PAGE;
	uint64_t first;
	const struct sim_pte *pte;

	while (i < SIM_PAGES && !sim->pte[i].map)
		i++;
	if (i >= SIM_PAGES)
		return -ENOENT;
	pte = &sim->pte[i];
	for (first = i; first > 0 && space_alike(pte, &sim->pte[first - 1]);)
		first--;
	while (i + 1 < SIM_PAGES && space_alike(pte, &sim->pte[i + 1]))
		i++;
	*vma = (struct uf_vma){.start = space_addr(first),
			       .end = space_addr(i + 1),
			       .page_size = SIM_PAGE,
			       .prot = pte->want,
			       .shared = pte->map->kind == SIM_SHARED,
			       .maywrite = pte->map->maywrite,
			       .mem = space_mem(pte->map)};
	if (pte->map->object) {
		vma->object = pte->map->object->id;
		vma->offset = space_pgidx(pte, vma->start) * SIM_PAGE;
	}
	return 0;
}

int ufi_sim_populated(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t *start,
		      uint64_t *end)
{
	struct sim *sim = sim_of(mmu);

	ufi_sim_step(sim);
	while (addr < r->end && !ufi_sim_pte(sim, addr)->page)
		addr += SIM_PAGE;
	if (addr == r->end)
		return -ENOENT;
	*start = addr;
	while (addr < r->end && ufi_sim_pte(sim, addr)->page)
		addr += SIM_PAGE;
	*end = addr;
	/* What is open is touched by others: they may be populated by now as well. */
	ufi_sim_step(sim);
	return 0;
}

/* A page table for all of it: what is not there is not protected either. */
static uint64_t space_categories(const struct sim_pte *pte)
{
	if (!pte->page)
		return UF_PAGE_IS_WRITTEN;
	return UF_PAGE_IS_PRESENT | UF_PAGE_IS_WRITTEN | (pte->map->object ? UF_PAGE_IS_FILE : 0);
}

static void space_scan_page(struct ufi_scan *s, const struct sim_pte *pte)
{
	uint64_t categories = space_categories(pte);
	uint64_t end = s->at + SIM_PAGE;

	if (ufi_region_wants(s, categories)) {
		s->full = ufi_region_room(s, categories, s->at, end) == s->at;
		if (!s->full)
			ufi_region_tell(s, categories, s->at, end);
	}
	s->at = s->full ? s->at : end;
}

/* The machine protects nothing by itself. */
int64_t ufi_sim_scan(struct uf_mmu *mmu, struct uf_scan_arg *arg)
{
	struct sim *sim = sim_of(mmu);
	struct ufi_scan s = {.arg = *arg, .page = SIM_PAGE, .at = arg->start};

	ufi_sim_step(sim);
	s.region = (struct uf_scan_region *)(uintptr_t)arg->vec;
	while (s.at < arg->end && !s.full) {
		const struct sim_pte *pte = ufi_sim_pte(sim, s.at);
		int go = pte && pte->map ? ufi_region_mapping(&s, 0) : 0;

		if (go < 0)
			return go;
		if (go)
			space_scan_page(&s, pte);
		else if (pte)
			s.at += SIM_PAGE;
		else
			s.at = s.at < SIM_BASE ? uf_min(SIM_BASE, arg->end) : arg->end;
	}
	arg->walk_end = s.at;
	ufi_sim_step(sim);
	return s.n;
}

int ufi_sim_cached(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		   uint8_t *vec)
{
	struct sim *sim = sim_of(mmu);

	ufi_sim_step(sim);
	for (uint64_t i = 0; i < len / SIM_PAGE; i++) {
		struct sim_page **slot = ufi_sim_slot(sim, addr + i * SIM_PAGE);

		vec[i] = slot && *slot;
	}
	ufi_sim_step(sim);
	return 0;
}
