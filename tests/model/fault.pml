/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The protocol of one missing page, for the model checker spin: two threads fault,
 * two managers read and fill, and meanwhile the range is unregistered, the context
 * closed, or the process forked. Every interleaving of the steps below is tried.
 *
 *	No lost wake-up, no deadlock: no thread that faulted waits for ever (an end
 *	state that is none of a manager's waiting for messages).
 *	No page half filled: what is open is whole, in a fork child as well.
 *	Never silently zero: as long as it is registered, what is open is filled.
 *
 * A step is what the engine does to shared memory at once. The name of the function
 * that does it stands beside it. What the context's lock protects nobody else sees in
 * between, so it is one step; that locks are locks is the simulator's business (tests/sim). -DBUG_... puts a defect in: tests/model/check shows that
 * each of them is found.
 */

#define FAULTERS 2
#define FILLERS 2

/* Managers block in read(2), or wait until the descriptor is readable. */
#ifdef BOTH_POLL
#define FIRST_POLLS true
#else
#define FIRST_POLLS false
#endif
#ifdef BOTH_BLOCK
#define SECOND_POLLS false
#else
#define SECOND_POLLS true
#endif

mtype = { MISSING, BUSY, PRESENT };    /* engine/pagestate.h */
mtype = { WOKEN, PENDING, DELIVERED }; /* a waiter: on which list of its context, or on none */

/* The page: what the registry knows of it, whether it traps, what is in it. */
mtype page = MISSING;
bool open = false;
bool half[2];

/* The registry: one range, and its lock. */
bool registered = true;
byte reading = 0;
bool writing = false;

/* The context. */
mtype waiter[FAULTERS] = WOKEN;
bool bell = false;
bool asleep[FILLERS];
bool looked[FILLERS]; /* found no message, and `arrivals' is as it was then */

/* Once something happens that need not: a signal ends a wait, or a fill fails. */
bool mishap = false;

/* --- engine/lock.c --- */
inline rwlock_read_end() { reading-- }
inline rwlock_write() { atomic { !writing; writing = true }; reading == 0 }
inline rwlock_write_end() { writing = false }

#define UNREAD (waiter[0] == PENDING || waiter[1] == PENDING)

/* --- engine/ctx.c: with the context locked --- */
inline ctx_announce()
{
	looked[0] = false;
	looked[1] = false;
	/* Wakes one reader, or rings. */
	if
	:: asleep[0] -> asleep[0] = false
	:: asleep[1] -> asleep[1] = false
#ifndef BUG_NO_BELL
	:: !asleep[0] && !asleep[1] -> bell = true
#else
	:: !asleep[0] && !asleep[1]
#endif
	fi
}

inline ctx_hush()
{
	bell = bell && UNREAD
}

/* --- engine/wake.c --- */
inline wake()
{
	atomic {
		waiter[0] = WOKEN;
		waiter[1] = WOKEN;
		ctx_hush()
	}
}

/* --- The thread that faults: engine/fault.c, mmu/host/signal.c --- */

inline fault_enqueue()
{
	atomic {
		waiter[me] = PENDING;
		ctx_announce()
	}
}

inline fault_dequeue()
{
	atomic {
		waiter[me] = WOKEN;
		ctx_hush()
	}
}

/* With the registry locked for reading; unlocks it. Waits, or has looked in vain. */
inline fault_report()
{
	fault_enqueue();
	if
#ifndef BUG_NO_LOOK
	:: page == PRESENT -> /* filled before we were on the list: fault_stands_missing */
		atomic { fault_dequeue(); rwlock_read_end() }
	:: else ->
#else
	:: true ->
#endif
		rwlock_read_end();
		if /* signal_wait */
		:: waiter[me] == WOKEN
		:: atomic { !mishap -> mishap = true } /* a handler ran: fault again */
		fi;
		fault_dequeue()
	fi
}

proctype faulter(byte me)
{
access:
	if
	:: atomic {
		open ->
		assert(half[0] == half[1]);
		assert(half[0] || !registered);
	   }
	:: !open ->
		if /* fault_look */
		:: atomic { !writing && (!registered || page == PRESENT) -> goto access }
		:: atomic { !writing && registered && page != PRESENT -> reading++ }; /* fault_missing */
			fault_report();
			goto access
		fi
	fi
}

/* --- The manager: engine/read.c, engine/fill.c --- */

inline read_take()
{
	atomic {
		have = true;
		if
		:: waiter[0] == PENDING -> waiter[0] = DELIVERED
		:: waiter[1] == PENDING -> waiter[1] = DELIVERED
		:: else -> have = false
		fi;
		bell = UNREAD;
		looked[me] = !have && !polls
	}
}

/* Parks on `arrivals', which a futex compares and sleeps on at once. */
inline read_sleep()
{
	atomic {
		asleep[me] = looked[me];
		looked[me] = false
	}
}

/* The claimed page is filled, or what was begun is taken back: fill_content, take_back. */
inline fill_claimed()
{
	half[0] = true;
#ifdef BUG_OPEN_EARLY
	open = true;
#endif
	if
	:: atomic { !mishap -> mishap = true; half[0] = false };
		atomic { page = MISSING; rwlock_read_end() } /* claim_undo */
	:: half[1] = true;
		open = true;
#ifdef BUG_WAKE_EARLY
		wake();
#endif
		atomic { page = PRESENT; rwlock_read_end() }; /* claim_release */
#ifndef BUG_WAKE_EARLY
		wake(); /* ctx_answer */
#endif
		break
	fi
}

/* Until it is there, whoever has filled it; or nobody wants it any more. */
inline fill()
{
	do
	:: atomic { !writing && (!registered || page == PRESENT) -> break } /* ENOENT, EEXIST */
	:: atomic { !writing && registered && page == MISSING -> /* ufi_claim */
			reading++;
			page = BUSY
		};
		fill_claimed()
	od
}

proctype filler(byte me; bool polls)
{
	bool have;

end_read:
	if
	:: polls && bell
	:: !polls && !asleep[me]
	fi;
	read_take();
	if
	:: have -> have = false; fill()
	:: !have && !polls -> read_sleep()
	:: !have && polls
	fi;
	goto end_read
}

/* --- Meanwhile --- */

/* ufi_unregister, and ctx_release when the last descriptor closes: both end the range. */
proctype ender()
{
	rwlock_write();
#ifndef BUG_NO_WAKE
	wake();
#endif
	registered = false;
	open = true; /* ufi_trap_detach: a page that was missing is the machine's now, zeros */
	rwlock_write_end()
}

/* mmu/host/fork.c. Without EVENT_FORK the child's traps fall, and missing pages are zeros. */
proctype forker()
{
	bool child[2];

#ifndef BUG_FORK_UNLOCKED
	rwlock_write();
#endif
	d_step { child[0] = half[0]; child[1] = half[1] };
#ifndef BUG_FORK_UNLOCKED
	rwlock_write_end();
#endif
	assert(child[0] == child[1])
}

init
{
	atomic {
		run faulter(0);
		run faulter(1);
		run filler(0, FIRST_POLLS);
		run filler(1, SECOND_POLLS);
#ifdef ENDS
		run ender();
#endif
#ifdef FORKS
		run forker();
#endif
	}
}
