/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the end of trying again. An access that traps where the machine would
 * let it through has trapped before that was so, and is made again. But the
 * machine does not tell all its reasons: where the program has guard markers or
 * protection keys of its own it would be made again for ever. So it is counted
 * how often in a row a thread does that at one address.
 *
 * A slot is found by the thread's id, as thread-local storage may be another
 * thread's. Threads that share one take turns: a stranger leaves the owner in
 * peace until so many have come by that the owner cannot be at it any more.
 */
#include "engine/engine.h"

/* What another thread makes the access meet is over long before that. */
#define DOUBT_MAX 256

static struct ufi_doubt *doubt_slot(struct ufi_task *task)
{
	return &task->mm->doubts[(task->tid * UINT32_C(2654435761) >> 16) % UFI_DOUBTS];
}

static uint64_t doubt_word(const struct ufi_task *task, uint32_t count)
{
	return (uint64_t)task->tid << 32 | count;
}

static bool doubt_is_mine(const struct ufi_task *task, uint64_t owner)
{
	return owner >> 32 == task->tid;
}

bool ufi_doubt(struct ufi_task *task, uint64_t addr)
{
	struct ufi_doubt *d = doubt_slot(task);
	uint64_t owner = atomic_load(&d->owner);
	uint32_t count = (uint32_t)owner;

	if (!doubt_is_mine(task, owner)) {
		if (count && atomic_fetch_add(&d->strangers, 1) < DOUBT_MAX)
			return false;
		count = 0;
	} else if (atomic_load(&d->addr) != addr) {
		count = 0;
	}
	if (count == DOUBT_MAX)
		return true;
	/* If it has changed hands meanwhile, this time is not counted. */
	if (atomic_compare_exchange_strong(&d->owner, &owner, doubt_word(task, count + 1))) {
		atomic_store(&d->addr, addr);
		atomic_store(&d->strangers, 0);
	}
	return false;
}

void ufi_doubt_end(struct ufi_task *task)
{
	struct ufi_doubt *d = doubt_slot(task);
	uint64_t owner = atomic_load(&d->owner);

	if (doubt_is_mine(task, owner) && (uint32_t)owner)
		atomic_compare_exchange_strong(&d->owner, &owner, doubt_word(task, 0));
}
