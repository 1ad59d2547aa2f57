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

#define TRAP_BIT(trap) (1u << (trap))

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

/* LEGAL: a bit for each state of the trap in which a page may be now. */
static void trap_expect(struct sim *sim, uint64_t addr, uint64_t len, unsigned legal,
			const char *what)
{
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE) {
		const struct sim_pte *pte = ufi_sim_pte(sim, at);

		if (!pte || !pte->map)
			ufi_sim_fail(sim, "%s of %#" PRIx64 ", where nothing is mapped", what, at);
		if (!(TRAP_BIT(pte->trap) & legal))
			ufi_sim_fail(sim, "%s of %#" PRIx64 ", whose trap is in state %d", what, at,
				     (int)pte->trap);
	}
}

static void trap_set(struct sim *sim, uint64_t addr, uint64_t len, enum sim_trap trap)
{
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE)
		ufi_sim_pte(sim, at)->trap = trap;
}

static void trap_protect(struct sim *sim, uint64_t addr, uint64_t len, uint32_t prot)
{
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE)
		ufi_sim_pte(sim, at)->prot = prot;
}

/* The strategies are the host's matter; any wish is granted. */
int ufi_sim_attach(struct uf_mmu *mmu, struct ufi_range *r)
{
	struct sim *sim = trap_begin(mmu, r, r->start, r->end - r->start, "attach");

	trap_expect(sim, r->start, r->end - r->start, TRAP_BIT(SIM_TRAP_NONE), "attach");
	if (ufi_sim_op_fails(sim, SIM_OP_ATTACH))
		return -ENOMEM;
	if (r->trap == UF_TRAP_AUTO)
		r->trap = UF_TRAP_MPROTECT;
	if (r->fill == UF_FILL_AUTO)
		r->fill = r->shared ? UF_FILL_ALIAS : UF_FILL_PROCMEM;
	trap_set(sim, r->start, r->end - r->start, SIM_TRAP_WHOLE);
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
	trap_set(sim, r->start, len, SIM_TRAP_NONE);
	trap_protect(sim, r->start, len, r->prot);
	ufi_sim_step(sim);
}

/* Armed a second time is a chunk whose settler was killed. */
int ufi_sim_arm(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "arm");

	trap_expect(sim, addr, len, TRAP_BIT(SIM_TRAP_WHOLE) | TRAP_BIT(SIM_TRAP_CLOSED), "arm");
	if (ufi_sim_op_fails(sim, SIM_OP_ARM))
		return -ENOMEM;
	trap_set(sim, addr, len, SIM_TRAP_CLOSED);
	trap_protect(sim, addr, len, r->prot);
	ufi_sim_step(sim);
	return 0;
}

int ufi_sim_open(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "open");

	trap_expect(sim, addr, len, TRAP_BIT(SIM_TRAP_CLOSED), "open");
	if (ufi_sim_op_fails(sim, SIM_OP_OPEN))
		return -ENOMEM;
	trap_set(sim, addr, len, SIM_TRAP_OPEN);
	trap_protect(sim, addr, len, r->prot);
	ufi_sim_step(sim);
	return 0;
}

int ufi_sim_close(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "close");
	bool is_open = false;

	trap_expect(sim, addr, len, TRAP_BIT(SIM_TRAP_CLOSED) | TRAP_BIT(SIM_TRAP_OPEN), "close");
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE)
		is_open |= ufi_sim_pte(sim, at)->trap == SIM_TRAP_OPEN;
	if (is_open && ufi_sim_op_fails(sim, SIM_OP_CLOSE))
		return -ENOMEM;
	trap_set(sim, addr, len, SIM_TRAP_CLOSED);
	ufi_sim_step(sim);
	return 0;
}

int ufi_sim_reprotect(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		      bool is_open)
{
	struct sim *sim = trap_begin(mmu, r, addr, len, "reprotect");

	trap_expect(sim, addr, len, TRAP_BIT(is_open ? SIM_TRAP_OPEN : SIM_TRAP_CLOSED),
		    "reprotect");
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

	trap_expect(sim, addr, len, TRAP_BIT(SIM_TRAP_CLOSED), "write");
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

	trap_expect(sim, addr, len, TRAP_BIT(SIM_TRAP_CLOSED), "write_zero");
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

	trap_expect(sim, addr, len, TRAP_BIT(SIM_TRAP_CLOSED), "take_back");
	for (uint64_t at = addr; at < addr + len; at += SIM_PAGE)
		ufi_sim_punch_page(sim, at);
	ufi_sim_step(sim);
}
