/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the program's changes of its address space: the page tables, and what
 * they mean for the ranges, as one step that no fault and no fill can fall
 * into. The same order of calls as in mmu/host/vm.c.
 */
#include "mmu/sim/sim.h"

static uint64_t vm_end(uint64_t addr, uint64_t npages)
{
	return addr + npages * SIM_PAGE;
}

int ufi_sim_munmap(struct sim *sim, uint64_t addr, uint64_t npages)
{
	uint64_t end = vm_end(addr, npages);
	struct ufi_task task;
	int err;

	ufi_vm_begin(&sim->mm, &task);
	err = ufi_vm_going(&task, addr, end);
	for (uint64_t at = addr; !err && at < end; at += SIM_PAGE)
		ufi_sim_unmap_page(sim, at);
	if (err)
		ufi_event_cancel(&task, &task.events);
	else
		ufi_vm_drop(&sim->mm, addr, end);
	ufi_vm_end(&task);
	return err;
}

typedef int vm_range_fn(struct sim *sim, struct ufi_task *task, struct ufi_range *r, uint32_t arg);
typedef void vm_gap_fn(struct sim *sim, uint64_t addr, uint32_t arg);

/* Ranges in the span, which do not cross its ends, and the pages between them. */
static int vm_walk(struct sim *sim, struct ufi_task *task, uint64_t addr, uint64_t end,
		   vm_range_fn *on_range, vm_gap_fn *on_gap, uint32_t arg)
{
	int err = ufi_vm_prepare(&sim->mm, addr, end);

	while (!err && addr < end) {
		struct ufi_range *r = ufi_range_find(&sim->mm, addr);

		if (r) {
			err = on_range(sim, task, r, arg);
			addr = r->end;
			continue;
		}
		on_gap(sim, addr, arg);
		addr += SIM_PAGE;
	}
	return err;
}

static int vm_protect_range(struct sim *sim, struct ufi_task *task, struct ufi_range *r,
			    uint32_t prot)
{
	for (uint64_t at = r->start; at < r->end; at += SIM_PAGE)
		ufi_sim_pte(sim, at)->want = prot;
	return ufi_vm_protect(task, r, prot);
}

static void vm_protect_gap(struct sim *sim, uint64_t addr, uint32_t prot)
{
	ufi_sim_pte(sim, addr)->want = prot;
	ufi_sim_pte(sim, addr)->prot = prot;
}

int ufi_sim_mprotect(struct sim *sim, uint64_t addr, uint64_t npages, uint32_t prot)
{
	struct ufi_task task;
	int err;

	ufi_vm_begin(&sim->mm, &task);
	err = vm_walk(sim, &task, addr, vm_end(addr, npages), vm_protect_range, vm_protect_gap,
		      prot);
	ufi_vm_end(&task);
	return err;
}

/* Closed first, then let go: nobody may read zeros in between. */
static int vm_discard_range(struct sim *sim, struct ufi_task *task, struct ufi_range *r,
			    uint32_t punch)
{
	int err = ufi_vm_discard(task, r, !punch);

	for (uint64_t at = r->start; !err && at < r->end; at += SIM_PAGE) {
		if (punch)
			ufi_sim_punch_page(sim, at);
		else
			ufi_sim_drop_page(sim, at);
		ufi_sim_step(sim);
	}
	return err ? err : ufi_vm_discarded(task, r, !punch);
}

static void vm_discard_gap(struct sim *sim, uint64_t addr, uint32_t punch)
{
	if (!ufi_sim_pte(sim, addr)->map)
		return;
	if (punch)
		ufi_sim_punch_page(sim, addr);
	else
		ufi_sim_drop_page(sim, addr);
}

/* Up to the end of a mapping that is registered, or to the next one. */
static uint64_t vm_piece_end(struct sim *sim, uint64_t addr, uint64_t end)
{
	const struct ufi_table *table = sim->mm.table;
	uint32_t i = ufi_range_lower(&sim->mm, addr);

	if (i == table->n)
		return end;
	if (table->range[i]->start > addr)
		return uf_min(end, table->range[i]->start);
	return uf_min(end, ufi_range_same_end(&sim->mm, addr));
}

/* Whoever has registered it is told first; then anything may be there. */
static int vm_discard_tell(struct sim *sim, struct ufi_task *task, uint64_t addr, uint64_t *end)
{
	const struct ufi_range *r = ufi_range_find(&sim->mm, addr);
	int err = r ? ufi_event_remove(task, r->ctx, addr, *end) : 0;

	if (err || !task->events)
		return err;
	ufi_vm_tell(task);
	*end = vm_piece_end(sim, addr, *end);
	return ufi_sim_pte(sim, addr)->map ? 0 : -ENOMEM;
}

static int vm_discard(struct sim *sim, uint64_t addr, uint64_t npages, bool punch)
{
	uint64_t end = vm_end(addr, npages);
	struct ufi_task task;
	int err = 0;

	ufi_vm_begin(&sim->mm, &task);
	while (!err && addr < end) {
		uint64_t stop = vm_piece_end(sim, addr, end);

		err = vm_discard_tell(sim, &task, addr, &stop);
		if (!err)
			err = vm_walk(sim, &task, addr, stop, vm_discard_range, vm_discard_gap,
				      punch);
		addr = stop;
	}
	ufi_vm_end(&task);
	return err;
}

int ufi_sim_dontneed(struct sim *sim, uint64_t addr, uint64_t npages)
{
	return vm_discard(sim, addr, npages, false);
}

int ufi_sim_remove(struct sim *sim, uint64_t addr, uint64_t npages)
{
	return vm_discard(sim, addr, npages, true);
}

/*
 * The new pages continue the mapping that the old ones end with: they have what
 * the machine lets through there, which may be less than the program's protection.
 */
static void vm_extend(struct sim *sim, uint64_t end, uint64_t new_end)
{
	const struct sim_pte *last = ufi_sim_pte(sim, end - SIM_PAGE);

	for (uint64_t at = end; at < new_end; at += SIM_PAGE) {
		struct sim_pte *pte = ufi_sim_pte(sim, at);

		if (pte->map)
			ufi_sim_fail(sim, "there is no room to grow into");
		*pte = (struct sim_pte){.map = last->map,
					.want = last->want,
					.prot = ufi_sim_prot(last),
					.let = SIM_LET_ALL};
	}
}

int ufi_sim_grow(struct sim *sim, uint64_t addr, uint64_t npages, uint64_t more)
{
	uint64_t end = vm_end(addr, npages);
	uint64_t new_end = vm_end(addr, more);
	struct ufi_task task;
	int err;

	ufi_vm_begin(&sim->mm, &task);
	vm_extend(sim, end, new_end);
	err = ufi_vm_grow(&sim->mm, end, new_end);
	if (err == -ENOENT)
		err = 0;
	for (uint64_t at = end; err && at < new_end; at += SIM_PAGE)
		ufi_sim_unmap_page(sim, at);
	ufi_vm_end(&task);
	return err;
}

/* A page, its place in the mapping, and how it traps; TO is a hole. */
static void vm_move_page(struct sim *sim, uint64_t from, uint64_t to, struct sim_map *map)
{
	struct sim_pte *pte = ufi_sim_pte(sim, from);

	*ufi_sim_pte(sim, to) = (struct sim_pte){.map = map,
						 .page = pte->page,
						 .want = pte->want,
						 .prot = pte->prot,
						 .trap = pte->trap,
						 .let = pte->let};
	pte->page = NULL;
	ufi_sim_unmap_page(sim, from);
}

static void vm_move_pages(struct sim *sim, uint64_t addr, uint64_t npages, uint64_t to)
{
	const struct sim_map *old = ufi_sim_pte(sim, addr)->map;
	struct sim_map *map;

	ufi_sim_map(sim, to, npages, UF_PROT_READ, old->kind, old->object);
	map = ufi_sim_pte(sim, to)->map;
	map->pgidx = old->pgidx + (addr - old->base) / SIM_PAGE;
	for (uint64_t i = 0; i < npages; i++)
		vm_move_page(sim, addr + i * SIM_PAGE, to + i * SIM_PAGE, map);
}

static int vm_move_raise(struct sim *sim, struct ufi_task *task, uint64_t addr, uint64_t end,
			 uint64_t to)
{
	const struct ufi_range *r = ufi_range_find(&sim->mm, addr);
	int err = r ? ufi_event_remap(task, r->ctx, addr, to, end - addr) : 0;

	return err ? err : ufi_event_unmap(task, addr, end);
}

int ufi_sim_move(struct sim *sim, uint64_t addr, uint64_t npages, uint64_t to)
{
	uint64_t end = vm_end(addr, npages);
	struct ufi_task task;
	int err;

	ufi_vm_begin(&sim->mm, &task);
	err = ufi_vm_prepare(&sim->mm, addr, end);
	if (!err)
		err = vm_move_raise(sim, &task, addr, end, to);
	if (!err)
		err = ufi_range_move_begin(&sim->mm, addr, end, to, false);
	if (err) {
		ufi_event_cancel(&task, &task.events);
	} else {
		vm_move_pages(sim, addr, npages, to);
		ufi_range_move_end(&sim->mm, addr, end, to, true);
		ufi_vm_arrive(&sim->mm, to, vm_end(to, npages));
	}
	ufi_vm_end(&task);
	return err;
}

void ufi_sim_become_child(struct sim *sim)
{
	struct uf_sigmask saved;

	ufi_sim_signals_block(&sim->mmu, &saved);
	ufi_mm_forked(&sim->mm);
	ufi_sim_signals_restore(&sim->mmu, &saved);
}
