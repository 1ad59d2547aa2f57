/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns accesses to simulated memory: those of the program, which fault into
 * the engine as they would by a signal, and those of the engine itself, which
 * never wait. What the host does in its signal handler is done here.
 */
#include "mmu/sim/sim.h"

/* As on the processor, what may be written may be read. */
bool ufi_sim_allows(uint32_t prot, uint32_t access)
{
	if (access == UF_PROT_READ)
		return prot & (UF_PROT_READ | UF_PROT_WRITE);
	return prot & access;
}

/* What may be written may be read. */
uint32_t ufi_sim_readonly(uint32_t prot)
{
	return prot & UF_PROT_WRITE ? (prot & ~UF_PROT_WRITE) | UF_PROT_READ : prot;
}

uint32_t ufi_sim_prot(const struct sim_pte *pte)
{
	switch (pte->let) {
	case SIM_LET_NONE:
		return 0;
	case SIM_LET_READ:
		return ufi_sim_readonly(pte->prot);
	case SIM_LET_ALL:
		break;
	}
	return pte->prot;
}

static bool access_lets(struct sim *sim, uint64_t addr, uint32_t access)
{
	const struct sim_pte *pte = ufi_sim_pte(sim, addr);

	return pte && pte->map && ufi_sim_allows(ufi_sim_prot(pte), access);
}

/* Asked while others go on, and answered while they do. */
bool ufi_sim_accessible(struct uf_mmu *mmu, uint64_t addr, uint32_t access)
{
	bool lets;

	ufi_sim_step(sim_of(mmu));
	lets = access_lets(sim_of(mmu), addr, access);
	ufi_sim_step(sim_of(mmu));
	return lets;
}

/* The byte, if the processor lets it through. VALUE NULL: it stays what it is. */
static enum sim_outcome access_try(struct sim *sim, uint64_t addr, uint32_t access, uint8_t *value)
{
	uint8_t *byte;

	if (!access_lets(sim, addr, access) || ufi_sim_pte(sim, addr)->secret)
		return SIM_SIGSEGV;
	if (ufi_sim_beyond(sim, addr))
		return SIM_SIGBUS;
	byte = &ufi_sim_populate(sim, addr)->data[addr % SIM_PAGE];
	if (value && access == UF_PROT_WRITE)
		*byte = *value;
	else if (value)
		*value = *byte;
	return SIM_ACCESSED;
}

/* Sleeps with the program's signals; a handler that ran ends the wait. spec: fault.11 */
static int access_sleep(struct sim *sim, struct ufi_fault *f, const struct uf_sigmask *saved,
			uint64_t timeout_ns)
{
	_Atomic uint32_t *state = &f->waiter->state;
	struct uf_sigmask mask;
	int err = 0;

	ufi_sim_signals_restore(&sim->mmu, saved);
	while (!err && atomic_load(state) == UFI_WAITER_WAITING)
		err = ufi_sim_park(&sim->mmu, state, UFI_WAITER_WAITING, timeout_ns);
	ufi_sim_signals_block(&sim->mmu, &mask);
	return err;
}

static void access_wait(struct sim *sim, struct ufi_fault *f, const struct uf_sigmask *saved)
{
	if (!ufi_linger_answer(f->ctx, &f->waiter->state, UFI_WAITER_WAITING) &&
	    access_sleep(sim, f, saved, sim->mmu.patience_ns) == -ETIMEDOUT) {
		ufi_fault_remind(&sim->mm, f);
		access_sleep(sim, f, saved, 0);
	}
	ufi_fault_end(&sim->mm, f);
}

/* SIM_ACCESSED: make the access again. */
static enum sim_outcome access_fault(struct sim *sim, uint64_t addr, uint32_t access, bool kernel)
{
	struct ufi_fault f = {.addr = addr, .access = access, .kernel = kernel};
	enum sim_outcome outcome = SIM_ACCESSED;
	struct uf_sigmask saved;

	ufi_sim_signals_block(&sim->mmu, &saved);
	switch (ufi_fault(&sim->mm, &f)) {
	case UFI_FAULT_RETRY:
		break;
	case UFI_FAULT_WAIT:
		access_wait(sim, &f, &saved);
		break;
	case UFI_FAULT_SIGBUS:
		outcome = SIM_SIGBUS;
		break;
	case UFI_FAULT_POISON:
		outcome = SIM_POISONED;
		break;
	case UFI_FAULT_FOREIGN:
		outcome = SIM_SIGSEGV;
		break;
	}
	ufi_sim_signals_restore(&sim->mmu, &saved);
	return outcome;
}

static enum sim_outcome access_make(struct sim *sim, uint64_t addr, uint32_t access, uint8_t *value,
				    bool kernel)
{
	enum sim_outcome outcome;

	for (;;) {
		ufi_sim_step(sim);
		outcome = access_try(sim, addr, access, value);
		if (outcome != SIM_SIGSEGV)
			return outcome;
		ufi_sim_step(sim);
		outcome = access_fault(sim, addr, access, kernel);
		if (outcome != SIM_ACCESSED)
			return outcome;
	}
}

enum sim_outcome ufi_sim_access(struct sim *sim, uint64_t addr, uint32_t access, uint8_t *value)
{
	return access_make(sim, addr, access, value, false);
}

/* A byte or more in one page; BYTES of the engine's go IN or come from there. */
static int access_piece(struct sim *sim, uint64_t addr, uint8_t *bytes, uint64_t n, bool in)
{
	uint8_t *data;

	if (!access_lets(sim, addr, in ? UF_PROT_READ : UF_PROT_WRITE))
		return -EFAULT;
	if (ufi_sim_beyond(sim, addr))
		return -EFAULT;
	data = ufi_sim_populate(sim, addr)->data + addr % SIM_PAGE;
	memcpy(in ? bytes : data, in ? data : bytes, n);
	return 0;
}

static int access_copy(struct sim *sim, uint64_t addr, uint8_t *bytes, uint64_t n, bool in)
{
	int err = 0;

	for (uint64_t done = 0; !err && done < n;) {
		uint64_t piece = uf_min(n - done, SIM_PAGE - (addr + done) % SIM_PAGE);

		err = access_piece(sim, addr + done, bytes + done, piece, in);
		done += piece;
	}
	return err;
}

int ufi_sim_copy_in(struct uf_mmu *mmu, void *to, uint64_t from, size_t n)
{
	ufi_sim_step(sim_of(mmu));
	return access_copy(sim_of(mmu), from, to, n, true);
}

int ufi_sim_copy_out(struct uf_mmu *mmu, uint64_t to, const void *from, size_t n)
{
	uint8_t bytes[256];

	if (n > sizeof(bytes))
		ufi_sim_fail(sim_of(mmu), "copy_out of %zu bytes: no structure is as large", n);
	memcpy(bytes, from, n);
	ufi_sim_step(sim_of(mmu));
	return access_copy(sim_of(mmu), to, bytes, n, false);
}

static bool access_holds(const struct ufi_lock *lock, uint32_t tid)
{
	return (atomic_load(&lock->word) & ~UFI_LOCK_SLEEPERS) == tid;
}

static void access_expect_no_lock(struct sim *sim)
{
	const struct ufi_rwlock *registry = &sim->mm.registry;
	uint32_t tid = sim->current->tid;
	bool holds = access_holds(&registry->writers, tid) || access_holds(&sim->mm.settle, tid);

	for (unsigned i = 0; i < UFI_READER_SLOTS; i++)
		holds |= atomic_load(&registry->reader[i].tid) == tid;
	if (holds)
		ufi_sim_fail(sim, "memory is touched with a lock held");
}

int ufi_sim_touch(struct uf_mmu *mmu, uint64_t addr, uint32_t access,
		  const struct uf_sigmask *saved)
{
	struct sim *sim = sim_of(mmu);
	enum sim_outcome outcome;
	struct uf_sigmask mask;

	access_expect_no_lock(sim);
	ufi_sim_signals_restore(mmu, saved);
	outcome = access_make(sim, addr, access, NULL, true);
	ufi_sim_signals_block(mmu, &mask);
	return outcome == SIM_ACCESSED ? 0 : -EFAULT;
}
