/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the traps of the simulated machine and the door by which content enters
 * a page that traps. It watches the engine as it goes: what mmu/mmu.h says of
 * the state of a page before a call is a failure if it does not hold.
 *
 * A page's content comes in two halves with a step in between, so that a page
 * opened too early is seen half filled, and a thread killed there leaves one.
 */
#include <inttypes.h>

#include "mmu/sim/sim.h"

/* Where pages may be, as a set: how they trap, and what they let through. */
#define TRAP_IN_NONE (1u << SIM_TRAP_NONE)
#define TRAP_IN_WHOLE (1u << SIM_TRAP_WHOLE)
#define TRAP_CLOSED (8u << SIM_LET_NONE)
#define TRAP_READABLE (8u << SIM_LET_READ)
#define TRAP_OPEN (8u << SIM_LET_ALL)
#define TRAP_ANY (TRAP_CLOSED | TRAP_READABLE | TRAP_OPEN)

static unsigned trap_state(const struct sim_pte *pte)
{
	return pte->trap == SIM_TRAP_PAGE ? 8u << pte->let : 1u << pte->trap;
}

/* What holds for every call on pages: signals are blocked, the span lies in the range. */
static struct sim *trap_begin(struct uf_mmu *mmu, const struct ufi_range *r, uint64_t addr,
			      uint64_t len, const char *what)
{
	struct sim *sim = sim_of(mmu);

	if (!sim->current || !sim->current->blocked)
		ufi_sim_fail(sim, "%s with signals unblocked", what);
	if (!uf_aligned(addr | len, SIM_PAGE) || !len || addr < r->start || addr + len > r->end)
		ufi_sim_fail(sim, "%s of %#" PRIx64 " + %#" PRIx64 ": not a span of its range",
			     what, addr, len);
	ufi_sim_step(sim);
	return sim;
}

/* LEGAL: where a page may be now. */
static void trap_expect(struct sim *sim, uint64_t addr, uint64_t len, unsigned legal,
			const char *what)
{
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE) {
		const struct sim_pte *pte = ufi_sim_pte(sim, at);

		if (!pte || !pte->map)
			ufi_sim_fail(sim, "%s of %#" PRIx64 ", where nothing is mapped", what, at);
		if (!(trap_state(pte) & legal))
			ufi_sim_fail(sim, "%s of %#" PRIx64 ", whose trap is in state %d.%d", what,
				     at, (int)pte->trap, (int)pte->let);
	}
}

static void trap_set(struct sim *sim, uint64_t addr, uint64_t len, enum sim_trap trap,
		     enum sim_let let)
{
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE) {
		ufi_sim_pte(sim, at)->trap = trap;
		ufi_sim_pte(sim, at)->let = let;
	}
}

static void trap_protect(struct sim *sim, uint64_t addr, uint64_t len, uint32_t prot)
{
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE)
		ufi_sim_pte(sim, at)->prot = prot;
}

/*
 * Any wish is granted. What is closed as a whole may have markers, which leave the
 * mapping's protection as it is and do not tell reading and writing apart; else
 * the protection itself is the trap.
 */
static enum uf_trap trap_choose(struct sim *sim, enum uf_trap wish, bool closed)
{
	if (!closed)
		return UF_TRAP_MPROTECT;
	if (wish != UF_TRAP_AUTO)
		return wish;
	return ufi_sim_chance(sim, 2) ? UF_TRAP_GUARD : UF_TRAP_MPROTECT;
}

int ufi_sim_attach(struct uf_mmu *mmu, struct ufi_range *r, bool closed)
{
	struct sim *sim = trap_begin(mmu, r, r->start, r->end - r->start, "attach");

	trap_expect(sim, r->start, r->end - r->start, TRAP_IN_NONE, "attach");
	if (ufi_sim_op_fails(sim, SIM_OP_ATTACH))
		return -ENOMEM;
	r->trap = trap_choose(sim, r->trap, closed);
	if (r->mem->only_tracks)
		r->fill = UF_FILL_NONE;
	if (r->fill == UF_FILL_AUTO)
		r->fill = r->shared ? UF_FILL_ALIAS : UF_FILL_PROCMEM;
	if (closed)
		trap_set(sim, r->start, r->end - r->start, SIM_TRAP_WHOLE, SIM_LET_NONE);
	else
		trap_set(sim, r->start, r->end - r->start, SIM_TRAP_PAGE, SIM_LET_ALL);
	ufi_sim_step(sim);
	return 0;
}

/* Also what is open again, or was not closed yet when a thread was killed at it. */
void ufi_sim_detach(struct uf_mmu *mmu, struct ufi_range *r, bool gone)
{
	uint64_t len = r->end - r->start;
	struct sim *sim = trap_begin(mmu, r, r->start, len, "detach");

	if (gone)
		return;
	trap_expect(sim, r->start, len, ~0u, "detach");
	for (uint64_t at = r->start; at < r->end; at += SIM_PAGE)
		if (ufi_sim_pte(sim, at)->want != r->prot)
			ufi_sim_fail(sim, "the range at %#" PRIx64 " forgot its protection", at);
	trap_set(sim, r->start, len, SIM_TRAP_NONE, SIM_LET_ALL);
	trap_protect(sim, r->start, len, r->prot);
	ufi_sim_step(sim);
}

/* Armed a second time is a chunk whose settler was killed. */
int ufi_sim_arm(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "arm");

	trap_expect(sim, addr, len, TRAP_IN_WHOLE | TRAP_CLOSED, "arm");
	if (ufi_sim_op_fails(sim, SIM_OP_ARM))
		return -ENOMEM;
	trap_set(sim, addr, len, SIM_TRAP_PAGE, SIM_LET_NONE);
	trap_protect(sim, addr, len, r->prot);
	ufi_sim_step(sim);
	return 0;
}

/* As a port may, it looks at `mixed' to know where markers alone will not do. */
int ufi_sim_open(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		 bool readonly)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "open");

	trap_expect(sim, addr, len, TRAP_ANY, "open");
	if (readonly && !atomic_load(&r->states->mixed))
		ufi_sim_fail(sim, "open of %#" PRIx64 " for reading in a range without protection",
			     addr);
	if (ufi_sim_op_fails(sim, SIM_OP_OPEN))
		return -ENOMEM;
	if (r->trap != UF_TRAP_GUARD || atomic_load(&r->states->mixed))
		trap_protect(sim, addr, len, readonly ? ufi_sim_readonly(r->prot) : r->prot);
	trap_set(sim, addr, len, SIM_TRAP_PAGE, readonly ? SIM_LET_READ : SIM_LET_ALL);
	ufi_sim_step(sim);
	return 0;
}

int ufi_sim_close(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "close");
	bool is_open = false;

	trap_expect(sim, addr, len, TRAP_IN_WHOLE | TRAP_ANY, "close");
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE)
		is_open |= ufi_sim_pte(sim, at)->let != SIM_LET_NONE;
	if (is_open && ufi_sim_op_fails(sim, SIM_OP_CLOSE))
		return -ENOMEM;
	trap_set(sim, addr, len, SIM_TRAP_PAGE, SIM_LET_NONE);
	ufi_sim_step(sim);
	return 0;
}

int ufi_sim_reprotect(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "reprotect");

	trap_expect(sim, addr, len, TRAP_CLOSED, "reprotect");
	if (ufi_sim_op_fails(sim, SIM_OP_REPROTECT))
		return -ENOMEM;
	trap_protect(sim, addr, len, r->prot);
	ufi_sim_step(sim);
	return 0;
}

/* As much of half a page as the source has. */
static uint64_t trap_read_source(struct sim *sim, uint8_t *half, uint64_t src)
{
	uint64_t done = 0;

	while (done < SIM_PAGE / 2) {
		uint64_t piece = uf_min(SIM_PAGE / 2 - done, SIM_PAGE - (src + done) % SIM_PAGE);

		if (ufi_sim_copy_in(&sim->mmu, half + done, src + done, piece))
			break;
		done += piece;
	}
	return done;
}

/* No thread is at the page's content but the one that has made it busy. */
static void trap_expect_empty(struct sim *sim, uint64_t addr)
{
	if (!ufi_sim_slot(sim, addr) && ufi_sim_pte(sim, addr)->page)
		ufi_sim_fail(sim, "write to %#" PRIx64 ", which has content", addr);
}

int64_t ufi_sim_write(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		      uint64_t src)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "write");
	uint8_t half[SIM_PAGE / 2];
	uint64_t done = 0;
	uint64_t n;

	trap_expect(sim, addr, len, TRAP_CLOSED, "write");
	if (ufi_sim_op_fails(sim, SIM_OP_WRITE))
		return -ENOMEM;
	do {
		n = trap_read_source(sim, half, src + done);
		if (ufi_sim_beyond(sim, addr + done))
			return done ? (int64_t)done : -ENXIO;
		if (n && done % SIM_PAGE == 0)
			trap_expect_empty(sim, addr + done);
		if (n)
			memcpy(ufi_sim_backing(sim, addr + done)->data + done % SIM_PAGE, half, n);
		done += n;
		ufi_sim_step(sim);
	} while (n == SIM_PAGE / 2 && done < len);
	return done ? (int64_t)done : -EFAULT;
}

int64_t ufi_sim_write_zero(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "write_zero");
	uint64_t done;

	trap_expect(sim, addr, len, TRAP_CLOSED, "write_zero");
	if (ufi_sim_op_fails(sim, SIM_OP_WRITE))
		return -ENOMEM;
	for (done = 0; done < len; done += SIM_PAGE) {
		if (ufi_sim_beyond(sim, addr + done))
			return done ? (int64_t)done : -ENXIO;
		ufi_sim_backing(sim, addr + done);
		ufi_sim_step(sim);
	}
	return (int64_t)done;
}

void ufi_sim_take_back(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "take_back");

	trap_expect(sim, addr, len, TRAP_CLOSED, "take_back");
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE)
		ufi_sim_punch_page(sim, at);
	ufi_sim_step(sim);
}

static void trap_expect_move(struct sim *sim, const struct uf_page_move *m)
{
	for (uint64_t i = 0; i < m->len; i += SIM_PAGE) {
		const struct sim_pte *src = ufi_sim_pte(sim, m->src + i);
		const struct sim_pte *dst = ufi_sim_pte(sim, m->dst + i);

		if (!src || !src->map || src->map->kind != SIM_ANON || dst->map->kind != SIM_ANON)
			ufi_sim_fail(sim, "move of %#" PRIx64 ": not private memory", m->src + i);
		if (m->src_closed ? src->let != SIM_LET_NONE : ufi_sim_prot(src) != src->want)
			ufi_sim_fail(sim, "move of %#" PRIx64 ", whose trap is in state %d.%d",
				     m->src + i, (int)src->trap, (int)src->let);
		if (!m->again && (dst->page || dst->coming))
			ufi_sim_fail(sim, "move to %#" PRIx64 ", which has content", m->dst + i);
	}
}

/* All is where it was. */
static int trap_move_back(struct sim *sim, const struct uf_page_move *m)
{
	for (uint64_t i = 0; i < m->len; i += SIM_PAGE) {
		struct sim_pte *src = ufi_sim_pte(sim, m->src + i);
		struct sim_pte *dst = ufi_sim_pte(sim, m->dst + i);
		struct sim_page *page = dst->page ? dst->page : dst->coming;

		if (page)
			src->page = page;
		dst->page = dst->coming = NULL;
	}
	trap_set(sim, m->dst, m->len, SIM_TRAP_PAGE, SIM_LET_NONE);
	return -ENOMEM;
}

/*
 * A page leaves its place, and is nowhere for a while; or it is in the other one
 * at once. Who is killed in between leaves it there.
 */
int ufi_sim_move_pages(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m)
{
	struct sim *sim = trap_begin(mmu, r, m->dst, m->len, "move");
	bool nowhere = ufi_sim_chance(sim, 2);

	trap_expect(sim, m->dst, m->len, m->again ? TRAP_CLOSED | TRAP_OPEN : TRAP_CLOSED, "move");
	trap_expect_move(sim, m);
	if (ufi_sim_op_fails(sim, SIM_OP_MOVE))
		return trap_move_back(sim, m);
	for (uint64_t i = 0; i < m->len; i += SIM_PAGE) {
		struct sim_pte *src = ufi_sim_pte(sim, m->src + i);
		struct sim_pte *dst = ufi_sim_pte(sim, m->dst + i);

		if (!dst->page && !dst->coming) {
			dst->coming = src->page;
			src->page = NULL;
		}
		if (nowhere)
			ufi_sim_step(sim);
	}
	for (uint64_t i = 0; i < m->len; i += SIM_PAGE) {
		struct sim_pte *dst = ufi_sim_pte(sim, m->dst + i);

		if (!dst->page)
			dst->page = dst->coming;
		dst->coming = NULL;
		trap_protect(sim, m->dst + i, SIM_PAGE, r->prot);
		trap_set(sim, m->dst + i, SIM_PAGE, SIM_TRAP_PAGE, SIM_LET_ALL);
		ufi_sim_step(sim);
	}
	return 0;
}
