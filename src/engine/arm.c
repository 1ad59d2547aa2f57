/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the agreement between page states and what the machine lets through:
 * how a range that begins closed is armed chunk by chunk, what is present when
 * it is made, and how it changes its modes.
 */
#include "base/step.h"
#include "engine/pagestate.h"

static uint64_t arm_unknown_end(const struct ufi_range *r, uint64_t at, uint64_t end, uint64_t page)
{
	while (at < end && ufi_page_kind(atomic_load(ufi_page_state(r, at))) == UFI_PAGE_UNKNOWN)
		at += page;
	return at;
}

/* Others may mark it meanwhile. */
static void arm_is_missing(_Atomic uint8_t *state)
{
	uint8_t seen = atomic_load(state);
	uint8_t to;

	do
		to = (uint8_t)((seen & ~UFI_PAGE_KIND) | UFI_PAGE_MISSING);
	while (!atomic_compare_exchange_weak(state, &seen, to));
}

/*
 * A settler that was killed has left a part of the chunk behind that is armed
 * already, and may have been filled since: to arm it again would close it.
 */
static int arm_unknown(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end)
{
	uint64_t page = r->page_size;
	uint64_t at = start;

	while (at < end) {
		uint64_t run = arm_unknown_end(r, at, end, page);
		int err;

		if (run == at) {
			at += page;
			continue;
		}
		err = task->mmu->ops->arm(task->mmu, r, at, run - at);
		if (err)
			return err;
		for (; at < run; at += page) {
			arm_is_missing(ufi_page_state(r, at));
			uf_step();
		}
	}
	return 0;
}

int ufi_arm_settle(struct ufi_task *task, struct ufi_range *r, uint64_t addr)
{
	struct ufi_mm *mm = task->mm;
	uint64_t start = uf_max(uf_align_down(addr, r->chunk), r->start);
	uint64_t end = uf_min(uf_align_down(addr, r->chunk) + r->chunk, r->end);
	int err = 0;

	ufi_lock_take(task, &mm->settle);
	if (ufi_page_kind(atomic_load(ufi_page_state(r, addr))) == UFI_PAGE_UNKNOWN)
		err = arm_unknown(task, r, start, end);
	ufi_lock_release(task, &mm->settle);
	return err;
}

int ufi_arm_apply(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end,
		  uint8_t state)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;

	if (ufi_page_open(r, state))
		return ops->open(task->mmu, r, start, end - start, state & UFI_PAGE_WP);
	if (ufi_page_whole(r, state))
		return 0;
	return ops->close(task->mmu, r, start, end - start);
}

int ufi_arm_apply_all(struct ufi_task *task, struct ufi_range *r)
{
	uint64_t at = r->start;

	while (at < r->end) {
		uint8_t state = atomic_load(ufi_page_state(r, at));
		uint64_t run = ufi_page_alike(r, at, r->end, state);
		int err = ufi_arm_apply(task, r, at, run, state & (uint8_t)~UFI_PAGE_BUSY);

		if (err)
			return err;
		at = run;
	}
	return 0;
}

/* Nobody else can be in this range: the registry is locked for writing. */
static int arm_adopt_run(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end)
{
	uint64_t page = r->page_size;
	uint64_t at = start;

	while (at < end) {
		uint8_t state = atomic_load(ufi_page_state(r, at));
		uint64_t run;
		int err = 0;

		if (ufi_page_kind(state) == UFI_PAGE_UNKNOWN) {
			err = ufi_arm_settle(task, r, at);
			state = atomic_load(ufi_page_state(r, at));
		}
		run = ufi_page_alike(r, at, end, state);
		state = (uint8_t)((state & (UFI_PAGE_WP | UFI_PAGE_RWP)) | UFI_PAGE_PRESENT);
		if (!err)
			err = ufi_arm_apply(task, r, at, run, state);
		if (err)
			return err;
		for (; at < run; at += page)
			atomic_store(ufi_page_state(r, at), state);
	}
	return 0;
}

/* spec: register.13, fault.12 */
int ufi_arm_adopt(struct ufi_task *task, struct ufi_range *r)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	uint64_t at = r->start;
	uint64_t start;
	uint64_t end;
	int err;

	while (at < r->end) {
		err = ops->populated(task->mmu, r, at, &start, &end);
		if (err == -ENOENT)
			return 0;
		if (!err)
			err = arm_adopt_run(task, r, start, end);
		if (err)
			return err;
		at = end;
	}
	return 0;
}

/* From armed to open: what is there and what is not is the machine's business again. */
static void arm_forget_kinds(struct ufi_task *task, struct ufi_range *r)
{
	uint64_t page = r->page_size;

	for (uint64_t at = r->start; at < r->end; at += page) {
		_Atomic uint8_t *state = ufi_page_state(r, at);
		uint8_t now = atomic_load(state);
		uint8_t to = (uint8_t)((now & UFI_PAGE_WP) | UFI_PAGE_UNKNOWN);

		/* Untouched states cost nothing, and shall go on so. */
		if (ufi_page_kind(now) != UFI_PAGE_POISON && now != to)
			atomic_store(state, to);
	}
}

/* What is present here has to be known to the machine, which may never have been asked for it. */
static void arm_map_present(struct ufi_task *task, struct ufi_range *r)
{
	uint64_t page = r->page_size;
	uint8_t byte;

	for (uint64_t at = r->start; at < r->end; at += page) {
		uint8_t state = atomic_load(ufi_page_state(r, at));

		if (ufi_page_kind(state) == UFI_PAGE_PRESENT)
			(void)!task->mmu->ops->copy_in(task->mmu, &byte, at, 1);
	}
}

/*
 * Between open and armed the whole range is opened and begins anew; an access
 * that slips in comes before the change or after it. spec: register.18
 */
static int arm_rearm(struct ufi_task *task, struct ufi_range *r, struct ufi_ctx *ctx,
		     uint64_t modes)
{
	int err;

	arm_map_present(task, r);
	r->life = UFI_RANGE_ENDING; /* until it is whole again */
	task->mmu->ops->detach(task->mmu, r, false);
	ufi_range_owner(r, ctx, modes);
	/* The mapping's own protection may be what keeps a poisoned page closed. */
	atomic_store(&r->states->mixed, true);
	arm_forget_kinds(task, r);
	err = task->mmu->ops->attach(task->mmu, r, ufi_range_armed(r));
	if (!err && ufi_range_armed(r))
		err = ufi_arm_adopt(task, r);
	if (!err)
		err = ufi_arm_apply_all(task, r);
	if (!err)
		r->life = UFI_RANGE_KEPT;
	return err;
}

/*
 * From open to armed where no access may slip in, as it would have to be told:
 * the whole range is closed, and begins anew with what the page tables have.
 * spec: rwprotect.18
 */
static int arm_shut(struct ufi_task *task, struct ufi_range *r, uint64_t modes)
{
	int err;

	r->life = UFI_RANGE_ENDING; /* until it is whole again */
	err = task->mmu->ops->close(task->mmu, r, r->start, r->end - r->start);
	r->modes = modes;
	if (!err)
		err = ufi_arm_adopt(task, r);
	if (!err)
		r->life = UFI_RANGE_KEPT;
	return err;
}

int ufi_arm_change(struct ufi_task *task, struct ufi_range *r, struct ufi_ctx *ctx, uint64_t modes)
{
	const uint64_t arming = UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_MINOR;

	if (r->ctx && (r->modes & UF_REGISTER_MODE_RWP) && !ufi_range_armed(r))
		return arm_shut(task, r, modes);
	if (!r->ctx || !(r->modes & arming) != !(modes & arming))
		return arm_rearm(task, r, ctx, modes);
	r->modes = modes;
	return 0;
}
