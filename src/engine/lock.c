/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the locks' protocol and nothing they protect. See lock.h. */
#include "base/step.h"
#include "engine/engine.h"

/* How long a waiter sleeps before it asks whether the owner still runs. */
#define LOCK_DOUBT_NS UINT64_C(20000000)

void ufi_task_enter(struct ufi_task *task, struct ufi_mm *mm)
{
	task->mm = mm;
	task->mmu = mm->mmu;
	task->mmu->ops->signals_block(task->mmu, &task->saved);
	task->tid = task->mmu->ops->self(task->mmu);
}

void ufi_task_leave(struct ufi_task *task)
{
	task->mmu->ops->signals_restore(task->mmu, &task->saved);
}

void ufi_lock_take(struct ufi_task *task, struct ufi_lock *lock)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	uint32_t mine = task->tid;
	uint32_t seen;

	for (unsigned i = 0;; i++) {
		seen = 0;
		uf_step();
		if (atomic_compare_exchange_strong(&lock->word, &seen, mine))
			return;
		if (ops->spin(task->mmu, i))
			continue;

		/* From here on we own it as one who may have left sleepers behind. */
		mine = task->tid | UFI_LOCK_SLEEPERS;
		if (!(seen & UFI_LOCK_SLEEPERS) &&
		    !atomic_compare_exchange_strong(&lock->word, &seen, seen | UFI_LOCK_SLEEPERS))
			continue;
		seen |= UFI_LOCK_SLEEPERS;
		if (ops->park(task->mmu, &lock->word, seen, LOCK_DOUBT_NS) == 0)
			continue;
		if (!ops->alive(task->mmu, seen & ~UFI_LOCK_SLEEPERS) &&
		    atomic_compare_exchange_strong(&lock->word, &seen, mine))
			return;
	}
}

void ufi_lock_release(struct ufi_task *task, struct ufi_lock *lock)
{
	uint32_t was = atomic_exchange(&lock->word, 0);

	UF_ASSERT((was & ~UFI_LOCK_SLEEPERS) == task->tid);
	uf_step();
	if (was & UFI_LOCK_SLEEPERS)
		task->mmu->ops->unpark(task->mmu, &lock->word, 1);
}

/* The flag stands: wait until it falls. */
static void rwlock_await_writer(struct ufi_task *task, struct ufi_rwlock *lock)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;

	for (unsigned i = 0; atomic_load(&lock->writing); i++) {
		uf_step();
		if (ops->spin(task->mmu, i))
			continue;
		if (ops->park(task->mmu, &lock->writing, 1, LOCK_DOUBT_NS) == 0)
			continue;
		/* From a dead one the lock is taken over, and what it was at repaired. */
		ufi_rwlock_write(task, lock);
		ufi_rwlock_write_end(task, lock);
	}
}

void ufi_rwlock_read(struct ufi_task *task, struct ufi_rwlock *lock)
{
	uint32_t i = task->tid * UINT32_C(2654435761) >> 16;

	for (;;) {
		struct ufi_reader_slot *slot = &lock->reader[i % UFI_READER_SLOTS];
		uint32_t free = 0;

		uf_step();
		if (!atomic_compare_exchange_strong(&slot->tid, &free, task->tid)) {
			i++;
			continue;
		}
		uf_step();
		if (!atomic_load(&lock->writing)) {
			task->slot = i % UFI_READER_SLOTS;
			return;
		}
		/* The writer may have seen us and be waiting for this very slot. */
		atomic_store(&slot->tid, 0);
		task->mmu->ops->unpark(task->mmu, &slot->tid, 1);
		rwlock_await_writer(task, lock);
	}
}

void ufi_rwlock_read_end(struct ufi_task *task, struct ufi_rwlock *lock)
{
	struct ufi_reader_slot *slot = &lock->reader[task->slot];

	UF_ASSERT(atomic_load(&slot->tid) == task->tid);
	uf_step();
	atomic_store(&slot->tid, 0);
	if (atomic_load(&lock->writing))
		task->mmu->ops->unpark(task->mmu, &slot->tid, 1);
}

/* Until nobody who lives is in the slot. True: somebody dead is. */
static bool rwlock_drain(struct ufi_task *task, struct ufi_rwlock *lock, uint32_t slot)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	_Atomic uint32_t *word = &lock->reader[slot].tid;
	uint32_t tid;

	for (unsigned i = 0; (tid = atomic_load(word)) != 0; i++) {
		uf_step();
		if (ops->spin(task->mmu, i))
			continue;
		if (ops->park(task->mmu, word, tid, LOCK_DOUBT_NS) == 0)
			continue;
		if (!ops->alive(task->mmu, tid))
			return true;
	}
	return false;
}

/*
 * The dead are buried when no living reader is left: a dead one's claim may
 * reach into a page that a living one has made busy. And first those that got
 * further than a claim, as a page claimed in vain is another dead one's.
 */
static void rwlock_bury(struct ufi_task *task, struct ufi_rwlock *lock)
{
	for (int claims = 0; claims < 2; claims++) {
		for (uint32_t slot = 0; slot < UFI_READER_SLOTS; slot++) {
			struct ufi_reader_slot *s = &lock->reader[slot];

			if (!claims && atomic_load(&s->phase) == UFI_BUSY_CLAIMED)
				continue;
			while (rwlock_drain(task, lock, slot))
				ufi_claim_bury(task, slot, atomic_load(&s->tid));
		}
	}
}

void ufi_rwlock_write(struct ufi_task *task, struct ufi_rwlock *lock)
{
	bool dead = false;
	bool broken;

	ufi_lock_take(task, &lock->writers);
	/* Who gives the lock back says before that it writes no more. */
	broken = atomic_exchange(&lock->writing, 1);
	for (uint32_t slot = 0; slot < UFI_READER_SLOTS; slot++)
		dead |= rwlock_drain(task, lock, slot);
	if (dead)
		rwlock_bury(task, lock);
	if (broken)
		ufi_repair(task);
}

void ufi_rwlock_write_end(struct ufi_task *task, struct ufi_rwlock *lock)
{
	atomic_store(&lock->writing, 0);
	uf_step();
	task->mmu->ops->unpark(task->mmu, &lock->writing, INT32_MAX);
	ufi_lock_release(task, &lock->writers);
}
