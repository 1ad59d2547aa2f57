/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine's locks. They spin, then park, and they survive their owner: a
 * thread that shares our memory but not our process (clone(CLONE_VM) without
 * CLONE_THREAD) can be killed while it holds one, so every lock knows who
 * holds it and whoever waits long asks the machine whether that one still
 * runs.
 *
 * Order, outermost first:
 *	1. ufi_mm.registry	(reading or writing)
 *	2. ufi_mm.settle
 *	3. ufi_ctx.lock
 * No lock is held while the program's memory is touched, and signals are
 * blocked while one is held.
 */
#ifndef UF_ENGINE_LOCK_H
#define UF_ENGINE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mmu/mmu.h"

struct ufi_mm;
struct ufi_event;

/* Owner's thread id, UFI_LOCK_SLEEPERS if somebody is parked; 0: free. */
struct ufi_lock {
	_Atomic uint32_t word;
};

#define UFI_LOCK_SLEEPERS (UINT32_C(1) << 31)

/*
 * Many readers that share no cache line, one writer. A reader writes its
 * thread id into a slot of its own, found by hashing the id; the writer
 * announces itself and waits for every slot to empty.
 */
#define UFI_READER_SLOTS 64

enum ufi_busy {
	UFI_BUSY_CLAIMED, /* nothing has been done to them */
	UFI_BUSY_WRITING, /* content may be there in part; closed */
	UFI_BUSY_WHOLE,	  /* done but for what the machine lets through, and the state */
};

struct ufi_reader_slot {
	_Alignas(64) _Atomic uint32_t tid;
	/* The pages its owner has marked busy, for whoever buries it: see claim.c. */
	_Atomic uint64_t busy_start;
	_Atomic uint64_t busy_end;
	/* How far it is with those below fill_end; the others it has only claimed. */
	_Atomic uint64_t fill_end;
	_Atomic uint32_t phase; /* enum ufi_busy */
	_Atomic uint32_t to;	/* when it is WHOLE: the state they shall have */
};

struct ufi_rwlock {
	struct ufi_lock writers;
	_Atomic uint32_t writing;
	struct ufi_reader_slot reader[UFI_READER_SLOTS];
};

/* A thread inside the engine: from ufi_task_enter to ufi_task_leave, on its stack. */
struct ufi_task {
	struct ufi_mm *mm;
	struct uf_mmu *mmu;
	uint32_t tid;
	uint32_t slot; /* while it reads the registry */
	struct uf_sigmask saved;
	/* Raised by the change that it makes, from ufi_vm_begin on; the first, and where the next
	 * goes. */
	struct ufi_event *events;
	struct ufi_event **events_end;
};

/* Blocks signals. Inverse: leave. */
void ufi_task_enter(struct ufi_task *task, struct ufi_mm *mm);
void ufi_task_leave(struct ufi_task *task);

void ufi_lock_take(struct ufi_task *task, struct ufi_lock *lock);
void ufi_lock_release(struct ufi_task *task, struct ufi_lock *lock);

/* Not recursive: a second read by one thread can deadlock with a writer. */
void ufi_rwlock_read(struct ufi_task *task, struct ufi_rwlock *lock);
void ufi_rwlock_read_end(struct ufi_task *task, struct ufi_rwlock *lock);
void ufi_rwlock_write(struct ufi_task *task, struct ufi_rwlock *lock);
void ufi_rwlock_write_end(struct ufi_task *task, struct ufi_rwlock *lock);

#endif
