/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the pages that one thread has made busy: for as long as it holds the
 * registry for reading it alone changes them. Its slot in the registry's lock
 * says which they are and how far it is with them, so that whoever finds it
 * dead can finish or undo that.
 */
#include "base/step.h"
#include "engine/pagestate.h"

/* How many rounds to wait for another thread's busy page before doubting that it lives. */
#define CLAIM_DOUBT_ROUNDS 64

/* Beside the state in a slot's `to': the content is from us, and nobody's loss. */
#define CLAIM_CONTENT 0x100u

#define CLAIM_NAP_NS UINT64_C(1000000)

static struct ufi_reader_slot *claim_slot(struct ufi_task *task)
{
	return &task->mm->registry.reader[task->slot];
}

uint64_t ufi_claim(struct ufi_task *task, struct ufi_range *r, uint64_t at, uint64_t end,
		   unsigned kinds, uint8_t without)
{
	struct ufi_reader_slot *slot = claim_slot(task);
	uint64_t page = r->page_size;
	uint64_t start = at;

	atomic_store(&slot->phase, UFI_BUSY_CLAIMED);
	atomic_store(&slot->busy_start, at);
	for (; at < end; at += page) {
		atomic_store(&slot->busy_end, at + page);
		uf_step();
		if (!ufi_page_claim(ufi_page_state(r, at), kinds, without))
			break;
	}
	atomic_store(&slot->busy_end, at == start ? 0 : at);
	return at;
}

static void claim_phase(struct ufi_task *task, enum ufi_busy phase, uint64_t end)
{
	struct ufi_reader_slot *slot = claim_slot(task);

	atomic_store(&slot->fill_end, end);
	atomic_store(&slot->phase, phase);
	uf_step();
}

void ufi_claim_writing(struct ufi_task *task, uint64_t end)
{
	claim_phase(task, UFI_BUSY_WRITING, end);
}

void ufi_claim_whole(struct ufi_task *task, uint64_t end, uint8_t to, bool content)
{
	atomic_store(&claim_slot(task)->to, to | (content ? CLAIM_CONTENT : 0));
	claim_phase(task, UFI_BUSY_WHOLE, end);
}

void ufi_claim_release(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end,
		       uint8_t to)
{
	uint64_t page = r->page_size;

	for (uint64_t at = start; at < end; at += page)
		ufi_page_release(ufi_page_state(r, at), to);
}

void ufi_claim_undo(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end)
{
	uint64_t page = r->page_size;

	for (uint64_t at = start; at < end; at += page) {
		_Atomic uint8_t *state = ufi_page_state(r, at);

		ufi_page_release(state, (uint8_t)(atomic_load(state) & ~UFI_PAGE_BUSY));
	}
}

int ufi_claim_apply(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end,
		    uint8_t to)
{
	int err;

	ufi_claim_whole(task, end, to, false);
	err = ufi_arm_apply(task, r, start, end, to);
	if (err)
		ufi_claim_undo(task, r, start, end);
	else
		ufi_claim_release(task, r, start, end, to);
	return err;
}

void ufi_claim_end(struct ufi_task *task)
{
	struct ufi_reader_slot *slot = claim_slot(task);

	atomic_store(&slot->busy_end, 0);
	atomic_store(&slot->phase, UFI_BUSY_CLAIMED);
	atomic_store(&slot->busy_start, 0);
}

void ufi_claim_await(struct ufi_task *task, unsigned round)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	_Atomic uint32_t nobody = 0;

	if (ops->spin(task->mmu, round))
		return;
	(void)ops->park(task->mmu, &nobody, 0, CLAIM_NAP_NS);
	if (round % CLAIM_DOUBT_ROUNDS != CLAIM_DOUBT_ROUNDS - 1)
		return;
	ufi_rwlock_write(task, &task->mm->registry);
	ufi_rwlock_write_end(task, &task->mm->registry);
}

/*
 * It may be open, or not, and the machine refuses to do either. What is open
 * stays so, as somebody may have seen it, and written to it.
 */
static uint8_t claim_bury_refused(struct ufi_task *task, struct ufi_range *r, uint64_t at,
				  uint8_t was, uint32_t to)
{
	uint64_t page = r->page_size;

	if (ufi_page_open(r, was))
		return was;
	if (ufi_page_open(r, (uint8_t)to) && task->mmu->ops->close(task->mmu, r, at, page))
		return (uint8_t)to;
	if (to & CLAIM_CONTENT)
		r->mem->take_back(task->mmu, r, at, page);
	return was;
}

/* What is whole is finished, what was only begun goes. Returns what the page is now. */
static uint8_t claim_bury_page(struct ufi_task *task, struct ufi_range *r, uint64_t at,
			       enum ufi_busy phase, uint8_t was, uint32_t to)
{
	uint64_t end = at + r->page_size;

	if (phase == UFI_BUSY_WHOLE)
		return ufi_arm_apply(task, r, at, end, (uint8_t)to) == 0
			       ? (uint8_t)to
			       : claim_bury_refused(task, r, at, was, to);
	if (phase == UFI_BUSY_WRITING)
		r->mem->take_back(task->mmu, r, at, end - at);
	/* A page that the machine refuses to open goes on trapping. */
	if (ufi_page_open(r, was))
		(void)!ufi_arm_apply(task, r, at, end, was);
	return was;
}

void ufi_claim_bury(struct ufi_task *task, uint32_t slot, uint32_t tid)
{
	struct ufi_reader_slot *grave = &task->mm->registry.reader[slot];
	uint64_t start = atomic_load(&grave->busy_start);
	uint64_t end = atomic_load(&grave->busy_end);
	uint64_t fill_end = atomic_load(&grave->fill_end);
	uint32_t to = atomic_load(&grave->to);
	struct ufi_range *r = end ? ufi_range_find(task->mm, start) : NULL;

	for (uint64_t at = start; r && at < uf_min(end, r->end); at += r->page_size) {
		_Atomic uint8_t *state = ufi_page_state(r, at);
		uint8_t was = atomic_load(state);
		enum ufi_busy phase = at < fill_end ? (enum ufi_busy)atomic_load(&grave->phase)
						    : UFI_BUSY_CLAIMED;

		if (was & UFI_PAGE_BUSY)
			ufi_page_release(state, claim_bury_page(task, r, at, phase,
								was & (uint8_t)~UFI_PAGE_BUSY, to));
	}
	atomic_store(&grave->busy_end, 0);
	atomic_store(&grave->phase, UFI_BUSY_CLAIMED);
	atomic_compare_exchange_strong(&grave->tid, &tid, 0);
}
