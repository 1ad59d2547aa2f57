/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine: the semantics of userfaultfd, with no system call, no thread,
 * no clock and no libc but memcpy, memmove, memset and memcmp. Everything
 * else comes from the machine (mmu/mmu.h). It never dereferences an address
 * of the program.
 *
 *	ufi_mm		one address space: what is registered in it
 *	ufi_range	a registered span of one mapping; what the kernel keeps in a VMA
 *	ufi_ctx		one userfaultfd
 *	ufi_waiter	one thread stopped at one page, and its message
 *	ufi_event	one change of the address space, and its message
 *
 * Reading order: lock.h, this file, pagestate.h, fault.c, fill.c, register.c.
 */
#ifndef UF_ENGINE_ENGINE_H
#define UF_ENGINE_ENGINE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "base/linger.h"
#include "base/list.h"
#include "base/span.h"
#include "engine/lock.h"
#include "mem/mem.h"
#include "mmu/mmu.h"
#include "userfault/uapi.h"

struct ufi_mm;
struct ufi_ctx;

/* The features the engine has, as UFFDIO_API tells them. */
#define UFI_FEATURES                                                                               \
	(UF_FEATURE_PAGEFAULT_FLAG_WP | UF_FEATURE_EVENT_FORK | UF_FEATURE_EVENT_REMAP |           \
	 UF_FEATURE_EVENT_REMOVE | UF_FEATURE_MISSING_HUGETLBFS | UF_FEATURE_MISSING_SHMEM |       \
	 UF_FEATURE_EVENT_UNMAP | UF_FEATURE_SIGBUS | UF_FEATURE_THREAD_ID |                       \
	 UF_FEATURE_MINOR_HUGETLBFS | UF_FEATURE_MINOR_SHMEM | UF_FEATURE_EXACT_ADDRESS |          \
	 UF_FEATURE_WP_HUGETLBFS_SHMEM | UF_FEATURE_WP_UNPOPULATED | UF_FEATURE_POISON |           \
	 UF_FEATURE_WP_ASYNC | UF_FEATURE_MOVE | UF_FEATURE_RWP | UF_FEATURE_RWP_ASYNC)

/* And the ioctls. */
#define UFI_API_IOCTLS                                                                             \
	(UINT64_C(1) << UF_NR_API | UINT64_C(1) << UF_NR_REGISTER |                                \
	 UINT64_C(1) << UF_NR_UNREGISTER | UINT64_C(1) << UF_NR_SET_MODE)

/* Page states of a range, shared by the pieces it is split into. */
struct ufi_states {
	uint32_t refs;
	size_t size;
	/*
	 * The machine's protection may not be the same for all pages: some are
	 * or were protected, or the program has changed it. And: some are or
	 * were poisoned. What either costs is spared as long as it has not been.
	 */
	_Atomic bool mixed;
	_Atomic bool poisoned;
	uint64_t token; /* the machine's, set by attach: of the object, 0 for none */
	_Atomic uint8_t page[];
};

/* Whether a range stays: what is not kept is taken out by the next reap. */
enum ufi_life {
	UFI_RANGE_FRESH,  /* whoever makes it is still at it */
	UFI_RANGE_KEPT,	  /* until it is unregistered */
	UFI_RANGE_ENDING, /* its memory becomes ordinary */
	UFI_RANGE_GONE,	  /* and so it is when the mapping is another, or none */
};

/*
 * A registered span, or one that was and has poisoned pages: these outlive the
 * registration, with no context and no modes. Which pages of it have content is told by its page
 * states; how the machine makes them trap is the machine's business (trap,
 * fill, alias). All fields are protected by the registry lock, except what
 * `states' points at.
 */
struct ufi_range {
	uint64_t start;
	uint64_t end;
	struct ufi_ctx *ctx; /* NULL: only poisoned pages, and nobody's */
	uint64_t modes;
	uint64_t chunk; /* pages are armed in aligned spans of this size */
	struct ufi_states *states;
	uint64_t state_off; /* of the page at start */

	/* The mapping, as in struct uf_vma. */
	const struct uf_mem_ops *mem;
	uint64_t page_size;
	uint64_t offset;
	uint64_t object;
	uint32_t prot;
	bool shared;

	/* The machine's: set by attach. */
	enum uf_trap trap;
	enum uf_fill fill;
	uint64_t alias; /* address of the second mapping's byte for start */

	enum ufi_life life;
	struct ufi_range *next_free;
};

/*
 * The ranges, sorted by address, never overlapping. There are two tables: a
 * change is made in the one that is not in force, which then comes into force
 * by one store. A writer that is killed leaves the ranges as they were before
 * the change or after it.
 */
struct ufi_table {
	_Atomic uint32_t n;
	struct ufi_range *range[];
};

/*
 * What a writer does to ranges that stay, for whoever takes the registry over
 * from it when it was killed: see repair.c.
 */
enum ufi_change_kind {
	UFI_CHANGE_NONE,
	UFI_CHANGE_DISCARD,    /* the pages lose their content */
	UFI_CHANGE_PROTECT,    /* the range's protection is applied */
	UFI_CHANGE_MOVE_BEGUN, /* pages are about to come here, and are where they were */
	UFI_CHANGE_MOVE,       /* they may be anywhere; the states are as before */
	UFI_CHANGE_MOVED,      /* they are here */
};

struct ufi_change {
	_Atomic uint32_t kind; /* last, so that the rest is there */
	uint64_t start;	       /* in one range */
	uint64_t end;
	uint64_t src; /* MOVE: from where */
	bool src_closed;
};

/*
 * A thread whose access traps although the machine would let it through, and
 * how often in a row at this address: see doubt.c.
 */
#define UFI_DOUBTS 256

struct ufi_doubt {
	_Atomic uint64_t owner; /* tid << 32 | count */
	_Atomic uint64_t addr;
	_Atomic uint32_t strangers; /* that came by since the owner did */
};

struct ufi_mm {
	struct uf_mmu *mmu;

	struct ufi_rwlock registry;
	/* Under the registry lock. */
	struct ufi_table *_Atomic table; /* the one in force */
	struct ufi_table *tables[2];
	uint32_t ranges_max;
	struct ufi_range *_Atomic free_ranges;
	struct ufi_change change;

	/* Held while a chunk goes from closed as a whole to armed page by page. */
	struct ufi_lock settle;

	struct ufi_doubt doubts[UFI_DOUBTS];
};

/*
 * A thread stopped at a page. Waiters live in a table of their context, not
 * on the stack of the thread: it may be killed there without its memory
 * dying with it (CLONE_VM), or leave its frame by siglongjmp.
 */
enum ufi_waiter_state {
	UFI_WAITER_FREE,
	UFI_WAITER_WAITING,
	UFI_WAITER_WOKEN, /* off every list; its owner frees it */
};

struct ufi_waiter {
	_Atomic uint32_t state; /* the word its owner parks on */
	uint32_t tid;
	uint64_t serial; /* which of this slot's users it is */
	uint64_t frame;	 /* where on its stack the owner waits */
	uint64_t addr;	 /* as in the message: what a wake is compared with */
	uint64_t flags;
	struct uf_list link; /* ctx->pending or ctx->delivered */
};

#define UFI_WAITERS 32768

/* A thread that has changed, or is about to change, the address space, and tells a context of it.
 */
enum ufi_event_state {
	UFI_EVENT_FREE,
	UFI_EVENT_RAISED, /* the change is under way */
	UFI_EVENT_UNREAD, /* listed; its owner waits */
	UFI_EVENT_OVER,	  /* read, or never to be; its owner gives it back */
};

struct ufi_event {
	_Atomic uint32_t state; /* the word its owner parks on */
	uint32_t tid;		/* 0: nobody waits, it is told once more */
	struct ufi_ctx *ctx;
	struct ufi_event *next; /* of the same change */
	struct uf_msg msg;
	uint64_t heir;	     /* FORK: the machine's, for the descriptor of the child's context */
	struct uf_list link; /* ctx->events */
};

/* So many threads at once can wait for a context to read of their changes. */
#define UFI_EVENTS 1024

struct ufi_ctx {
	struct ufi_mm *mm;
	uint64_t bell_cookie; /* the machine's: whose descriptor rings */
	enum uf_trap trap;    /* wishes for its ranges */
	enum uf_fill fill;
	bool user_mode_only;
	struct ufi_ctx *heir; /* of a fork under way, under the registry lock: the child's */

	/*
	 * Descriptors and calls under way; 0 releases the ranges. A thread that
	 * is killed inside a call never counts itself out, and closing releases
	 * nothing then: a count cannot tell whose it was. (differences, 20)
	 */
	_Atomic uint32_t users;
	/*
	 * Users as one, and waiters; 0 frees the memory. A waiter that was killed
	 * keeps it until its slot is taken again, for a closed context for ever.
	 */
	_Atomic uint32_t refs;
	/*
	 * With UFI_CTX_READY, from UFFDIO_API on. One of them can change later, with
	 * the registry locked for writing: no fault sees both.
	 */
	_Atomic uint64_t features;
	_Atomic uint32_t arrivals; /* counts messages: what a blocked reader parks on */
	_Atomic uint32_t changing; /* how many events are not free: nothing is resolved then */

	atomic_bool remote;	    /* others may have it: answers go through more threads */
	struct uf_linger resolving; /* does it pay to wait awake for an answer, */
	struct uf_linger reading;   /* or for a message */

	struct ufi_lock lock;
	/* Under the lock. */
	struct uf_list pending;	  /* not read yet, oldest first */
	struct uf_list delivered; /* read, not resolved */
	struct uf_list events;	  /* not read yet, oldest first; behind all that is pending */
	bool bell;
	uint64_t serial;
	uint32_t waiters_used; /* slots from this one on were never used */
	struct ufi_waiter *waiters;
	bool released; /* nobody will read any more */
	uint32_t events_used;
	struct ufi_event event[UFI_EVENTS];
};

/* Bit 31 of the features: API has succeeded, as in the kernel's fdinfo. */
#define UFI_CTX_READY (UINT64_C(1) << 31)

/* --- linger.c --- */
/*
 * Wait a little while, awake, for WORD to be something else than VALUE: for a fault or a
 * change to be answered, or for a message. True: it is so; false: park.
 */
bool ufi_linger_answer(struct ufi_ctx *ctx, const _Atomic uint32_t *word, uint32_t value);
bool ufi_linger_message(struct ufi_ctx *ctx, const _Atomic uint32_t *word, uint32_t value);

/* --- mm.c --- */
int ufi_mm_init(struct ufi_mm *mm, struct uf_mmu *mmu) UF_MUST_USE;
/*
 * In a fork child, where nobody else runs: the ranges of contexts that have an heir are
 * the heir's, every other trap falls.
 */
void ufi_mm_forked(struct ufi_mm *mm);
/* Writing. Nobody can answer for the ranges of CTX: they end, and their pages stay closed. */
void ufi_mm_abandon(struct ufi_mm *mm, const struct ufi_ctx *ctx);

/* --- range.c: the registry. Lock held as said. --- */
/* Reading. The range that contains addr, or NULL. */
struct ufi_range *ufi_range_find(const struct ufi_mm *mm, uint64_t addr);
/* Reading. Index of the first range that ends above addr. */
uint32_t ufi_range_lower(const struct ufi_mm *mm, uint64_t addr);
/* Its mapping, as far as the range goes. */
struct uf_vma ufi_range_vma(const struct ufi_range *r);
/* Reading. Where what the kernel would keep as one VMA with the range at ADDR ends; ADDR: none is.
 */
uint64_t ufi_range_same_end(const struct ufi_mm *mm, uint64_t addr);
/* Reading. Does what the kernel would keep as one VMA, and is registered, cover the span? */
bool ufi_range_covers(const struct ufi_mm *mm, uint64_t start, uint64_t end);
/*
 * Writing. A new range over [start, end) of the mapping, closed if it is armed;
 * returned in *out. It is fresh until its maker says that it is kept. CTX may be
 * NULL, see there.
 */
int ufi_range_create(struct ufi_mm *mm, struct ufi_ctx *ctx, const struct uf_vma *vma,
		     uint64_t modes, struct ufi_range **out) UF_MUST_USE;
/* Writing. The ranges that start in the span end, ENDING or GONE, with the next reap. */
void ufi_range_end(struct ufi_mm *mm, uint64_t start, uint64_t end, enum ufi_life how);
/* Writing. Take every range that is not kept out of the registry, and open its memory. */
void ufi_range_reap(struct ufi_mm *mm);
/* Writing. Split the ranges at the span's ends so that none crosses them. -EINVAL: within a page.
 */
int ufi_range_isolate(struct ufi_mm *mm, uint64_t start, uint64_t end) UF_MUST_USE;
/*
 * Writing. The ranges of CTX (NULL: of anybody) in the span are about to end:
 * their poisoned pages become ranges of nobody's, which stay when others do not.
 */
int ufi_range_keep_poison(struct ufi_mm *mm, const struct ufi_ctx *ctx, uint64_t start,
			  uint64_t end) UF_MUST_USE;
/*
 * Writing. The ranges in [start, end), none of which crosses its ends, are about to move
 * to TO, where there are none, with their mappings and as these trap; what their pages
 * are they stay. LEAVE: in place of each that is a context's stands another one then, empty, and
 * if it is armed the old one is closed for that, also if it fails. Every begin that
 * succeeds has an end, before anything else is done to the registry: they have MOVED, or not.
 */
int ufi_range_move_begin(struct ufi_mm *mm, uint64_t start, uint64_t end, uint64_t to,
			 bool leave) UF_MUST_USE;
void ufi_range_move_end(struct ufi_mm *mm, uint64_t start, uint64_t end, uint64_t to, bool moved);

/* Writing. Whose it is, and for what; without a context the strategy is the machine's choice. */
void ufi_range_owner(struct ufi_range *r, struct ufi_ctx *ctx, uint64_t modes);

/* --- arm.c --- */
/* Reading. Arm the chunk of a page whose state is unknown; it is missing then. */
int ufi_arm_settle(struct ufi_task *task, struct ufi_range *r, uint64_t addr) UF_MUST_USE;
/* Writing. Pages that have content already are open and present. */
int ufi_arm_adopt(struct ufi_task *task, struct ufi_range *r) UF_MUST_USE;
/* Writing. Other modes, perhaps another owner. If it fails the range ends. */
int ufi_arm_change(struct ufi_task *task, struct ufi_range *r, struct ufi_ctx *ctx,
		   uint64_t modes) UF_MUST_USE;
/* Reading or writing. The machine lets through what STATE allows on these pages, and no more. */
int ufi_arm_apply(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end,
		  uint8_t state) UF_MUST_USE;
/* Writing. The same for every page of the range, as its own state says. */
int ufi_arm_apply_all(struct ufi_task *task, struct ufi_range *r) UF_MUST_USE;

/* --- ctx.c --- */
struct ufi_ctx_options {
	uint64_t bell_cookie;
	bool user_mode_only;
	enum uf_trap trap;
	enum uf_fill fill;
};

int ufi_ctx_open(struct ufi_mm *mm, const struct ufi_ctx_options *opt,
		 struct ufi_ctx **out) UF_MUST_USE;
/* One descriptor, or one call that must survive a close, more or fewer. */
void ufi_ctx_get(struct ufi_ctx *ctx);
void ufi_ctx_put(struct ufi_ctx *ctx);
/* One reference to the memory less. */
void ufi_ctx_unref(struct ufi_task *task, struct ufi_ctx *ctx);
/* With the context locked: is there a message that nobody has read? */
static inline bool ufi_ctx_unread(const struct ufi_ctx *ctx)
{
	return !uf_list_empty(&ctx->pending) || !uf_list_empty(&ctx->events);
}
/* The same: somebody shall read; nobody need any more, perhaps. */
void ufi_ctx_announce(struct ufi_task *task, struct ufi_ctx *ctx);
void ufi_ctx_hush(struct ufi_task *task, struct ufi_ctx *ctx);
/* Without: who was told may have been killed before it could read. */
void ufi_ctx_remind(struct ufi_task *task, struct ufi_ctx *ctx);
/* ioctl(2) on the descriptor: 0 or -errno, the kernel's. */
int ufi_ctx_ioctl(struct ufi_ctx *ctx, uint32_t request, uint64_t arg) UF_MUST_USE;
/* poll(2): POLLIN and POLLERR bits as Linux numbers them. */
uint32_t ufi_ctx_poll(struct ufi_ctx *ctx, bool nonblock);

#define UFI_POLLIN 0x001u
#define UFI_POLLERR 0x008u

/* --- read.c --- */
struct ufi_iovec {
	uint64_t base;
	uint64_t len;
};

/* How to read: flags. */
#define UFI_READ_NONBLOCK 1u
#define UFI_READ_FORK_ALONE 2u /* a FORK comes in an answer of its own */

/* readv(2): bytes or -errno. The descriptor of a FORK is made in this process. */
int64_t ufi_ctx_read(struct ufi_ctx *ctx, const struct ufi_iovec *iov, uint32_t niov,
		     unsigned how) UF_MUST_USE;

/* --- retell.c --- */
/*
 * Who read these messages has gone before it could have looked at them: they are told again.
 * HEIR: of the FORK among them, which there is one of at most; taken.
 */
void ufi_ctx_retell(struct ufi_ctx *ctx, const struct uf_msg *msg, uint32_t n, uint64_t heir);
/* The bell is changed by CHANGE, while it cannot ring, and rings or not as it should. */
void ufi_ctx_ring(struct ufi_ctx *ctx, void (*change)(void *arg), void *arg);

/* --- fault.c --- */
enum ufi_verdict {
	UFI_FAULT_FOREIGN, /* not ours: whoever handles such signals otherwise shall have it */
	UFI_FAULT_RETRY,   /* the access will succeed, or fault anew */
	UFI_FAULT_WAIT,	   /* until f->waiter->state leaves WAITING; then ufi_fault_end */
	UFI_FAULT_SIGBUS,  /* the access fails with BUS_ADRERR, in kernel mode with EFAULT */
	UFI_FAULT_POISON,  /* the same as for memory that the hardware has lost */
};

struct ufi_fault {
	uint64_t addr;	 /* exact */
	uint32_t access; /* one UF_PROT_* bit */
	bool kernel;	 /* a system call's access, which some contexts do not serve */

	/* With UFI_FAULT_POISON. */
	uint64_t page_size;

	/* With UFI_FAULT_WAIT. */
	struct ufi_ctx *ctx;
	struct ufi_waiter *waiter;
	uint64_t serial;
};

/* Signals are blocked. The fault stays where it is on the stack while it waits. */
enum ufi_verdict ufi_fault(struct ufi_mm *mm, struct ufi_fault *f) UF_MUST_USE;
/*
 * It has waited for a while. Who was told of the message may have been killed
 * before it could read it: everybody is told. Once is enough.
 */
void ufi_fault_remind(struct ufi_mm *mm, struct ufi_fault *f);
/* The wait is over, or given up: then the message goes, if nobody has read it. */
void ufi_fault_end(struct ufi_mm *mm, struct ufi_fault *f);

/* --- event.c: contexts are told of changes of the address space. --- */
/*
 * Writing, before the change: raise the event for those who have asked for such, all
 * that have ranges in the span, or CTX (which may be NULL). Until the change has been
 * told they resolve nothing. -ENOMEM: too many at once, or none of this has to be told.
 */
int ufi_event_unmap(struct ufi_task *task, uint64_t start, uint64_t end) UF_MUST_USE;
int ufi_event_remap(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t from, uint64_t to,
		    uint64_t len) UF_MUST_USE;
int ufi_event_remove(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t start,
		     uint64_t end) UF_MUST_USE;
/* Takes HEIR, unless it fails. */
int ufi_event_fork(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t heir) UF_MUST_USE;
/* Does a fork child get a context of its own? */
bool ufi_event_follows(const struct ufi_ctx *ctx);
/* The change was not made: those from *FROM on, &task->events for all, are not told. */
void ufi_event_cancel(struct ufi_task *task, struct ufi_event **from);
/* No lock. Each that was raised waits to be read, with signals blocked. */
void ufi_event_tell(struct ufi_task *task);
/*
 * With the context locked. The oldest one, whose owner goes on: 1; 0: there is none, or it is
 * a FORK and FORKS is not set. Or -errno: the descriptor of a FORK cannot be made, and nothing has
 * changed.
 */
int ufi_event_take(struct ufi_task *task, struct ufi_ctx *ctx, bool forks,
		   struct uf_msg *msg) UF_MUST_USE;
/* With the context locked. A FORK that was read is told once more, first. Takes HEIR. */
void ufi_event_again(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t heir);
bool ufi_event_pending(struct ufi_task *task, struct ufi_ctx *ctx);
/* The context has no users any more: whoever waits goes on. */
void ufi_event_release(struct ufi_task *task, struct ufi_ctx *ctx);
/* No lock of the context. Is a change of its ranges being made or told? */
bool ufi_event_changing(struct ufi_task *task, struct ufi_ctx *ctx);

/* --- doubt.c --- */
/* The machine would let the access through, and it trapped: is that once too often? */
bool ufi_doubt(struct ufi_task *task, uint64_t addr);
/* The thread's fault was another one. */
void ufi_doubt_end(struct ufi_task *task);

/* --- wake.c --- */
/* Waiters of the context in the span retry. */
void ufi_wake(struct ufi_task *task, struct ufi_ctx *ctx, uint64_t start, uint64_t end);

/* --- decode.c: raw arguments to validated operations, changing nothing --- */
struct ufi_span {
	uint64_t start;
	uint64_t end;
};

struct ufi_op_register {
	struct ufi_span span;
	uint64_t modes;
};

enum ufi_fill_kind {
	UFI_FILL_COPY,
	UFI_FILL_ZEROPAGE,
	UFI_FILL_CONTINUE,
	UFI_FILL_POISON,
};

struct ufi_op_fill {
	enum ufi_fill_kind kind;
	struct ufi_span dst;
	uint64_t src;	    /* COPY only */
	bool write_protect; /* COPY_MODE_WP, CONTINUE_MODE_WP */
	bool wake;
	uint64_t result; /* address of the field for bytes done */
};

struct ufi_op_move {
	struct ufi_span dst;
	uint64_t src;
	bool allow_holes;
	bool wake;
	uint64_t result; /* address of the field for bytes done */
};

/* WRITEPROTECT and RWPROTECT. */
struct ufi_op_protect {
	struct ufi_span span;
	uint64_t mode; /* UF_REGISTER_MODE_WP or _RWP: what the memory is registered for */
	bool protect;
	bool wake; /* when it is not protected any more */
};

struct ufi_op_set_mode {
	uint64_t enable;
	uint64_t disable;
};

/* Can they be asked for, together? */
bool ufi_features_fit(uint64_t wanted);
int ufi_decode_span(struct ufi_task *task, uint64_t arg, struct ufi_span *op) UF_MUST_USE;
/* FEATURES: those of the context, which some modes need. */
int ufi_decode_register(struct ufi_task *task, uint64_t arg, uint64_t features,
			struct ufi_op_register *op) UF_MUST_USE;
int ufi_decode_copy(struct ufi_task *task, uint64_t arg, struct ufi_op_fill *op) UF_MUST_USE;
/* ZEROPAGE, CONTINUE and POISON, whose arguments are alike. */
int ufi_decode_fill(struct ufi_task *task, uint64_t arg, enum ufi_fill_kind kind,
		    struct ufi_op_fill *op) UF_MUST_USE;
/* MODE: as in the operation. */
int ufi_decode_protect(struct ufi_task *task, uint64_t arg, uint64_t mode,
		       struct ufi_op_protect *op) UF_MUST_USE;
int ufi_decode_move(struct ufi_task *task, uint64_t arg, struct ufi_op_move *op) UF_MUST_USE;
int ufi_decode_set_mode(struct ufi_task *task, uint64_t arg, uint64_t features,
			struct ufi_op_set_mode *op) UF_MUST_USE;
/* PAGEMAP_SCAN: checked, the end rounded up, and max_pages not 0. */
int ufi_decode_scan(struct ufi_task *task, uint64_t arg, struct uf_scan_arg *op) UF_MUST_USE;

/* Arguments to and from the program, as a system call sees them: faults are waited for. */
int ufi_user_in(struct ufi_task *task, void *to, uint64_t from, size_t n) UF_MUST_USE;
int ufi_user_out(struct ufi_task *task, uint64_t to, const void *from, size_t n) UF_MUST_USE;

/* --- register.c --- */
int ufi_register(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_register *op,
		 uint64_t *ioctls) UF_MUST_USE;
int ufi_unregister(struct ufi_task *task, struct ufi_ctx *ctx,
		   const struct ufi_span *op) UF_MUST_USE;

/* A part of a span that one registered range or one mapping fills. */
struct ufi_piece {
	struct ufi_range *range; /* NULL: not registered */
	struct uf_vma vma;	 /* clipped to the piece */
};

/* Reading. The first piece in [start, end). -ENOENT: only holes are left. */
int ufi_piece_next(struct ufi_mm *mm, uint64_t start, uint64_t end,
		   struct ufi_piece *p) UF_MUST_USE;

/* --- fill.c --- */
/* Bytes done in *done, also on error. */
int ufi_fill(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_fill *op,
	     uint64_t *done) UF_MUST_USE;
/* Reading. Open a missing page that exists behind the mapping, or that the machine fills. */
int ufi_fill_map(struct ufi_task *task, struct ufi_range *r, uint64_t addr) UF_MUST_USE;

/* --- protect.c --- */
int ufi_protect(struct ufi_task *task, struct ufi_ctx *ctx,
		const struct ufi_op_protect *op) UF_MUST_USE;

/* --- move.c --- */
/* Bytes done in *done, also on error. */
int ufi_move(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_move *op,
	     uint64_t *done) UF_MUST_USE;
/* Writing. A mover was killed, so far in its change. */
void ufi_move_repair(struct ufi_task *task, enum ufi_change_kind kind);

/* --- region.c: what a scan has found, wherever it comes from --- */

/* So many regions are gathered at most before they are handed on. */
#define UFI_SCAN_REGIONS 64

struct ufi_scan {
	struct uf_scan_arg arg;	       /* checked; the end is a page's, max_pages is not 0 */
	struct uf_scan_arg gap;	       /* with masks that any machine knows */
	bool gap_none;		       /* and with these nothing can match there */
	uint64_t page;		       /* of which it counts */
	struct uf_scan_region *region; /* room for UFI_SCAN_REGIONS; the last one may still grow */
	uint32_t n;		       /* of them */
	uint64_t handed;	       /* regions that have been handed on */
	uint64_t found;		       /* pages in all of them */
	uint64_t at;		       /* everything before it has been looked at */
	uint64_t passed;	       /* the last huge page that was not whole, or 0 */
	bool full;		       /* and the page there finds no room */
};

/* Is a mapping of these categories looked at? 1; 0: it is passed over. Or -EPERM. */
int ufi_region_mapping(const struct ufi_scan *s, uint64_t categories) UF_MUST_USE;
/* Does a page of these categories match? */
bool ufi_region_wants(const struct ufi_scan *s, uint64_t categories);
/* How far pages that match and are alike can be told: END, or less; START: not at all. */
uint64_t ufi_region_room(const struct ufi_scan *s, uint64_t categories, uint64_t start,
			 uint64_t end);
/* They are a part of a huge page, which cannot be protected: they are not told. */
void ufi_region_pass(struct ufi_scan *s, uint64_t categories, uint64_t start, uint64_t end);
/* They are told. There is room for them, and in region for one more. */
void ufi_region_tell(struct ufi_scan *s, uint64_t categories, uint64_t start, uint64_t end);

/* Pages of a range that are alike. */
struct ufi_run {
	struct ufi_range *range;
	uint64_t start;
	uint64_t end;
	uint8_t state; /* of the first one; of all, if the machine was asked */
	uint64_t categories;
};

/* --- collect.c: written pages are told and protected. The registry is locked for reading. --- */
/*
 * The run is written, and matches. It is dealt with, or a part of it; LEAP: and so
 * may be what is written after it up to LIMIT, if what lies between is protected.
 * s->at is behind it. -EBUSY: look again without the lock; -ENOMEM.
 */
int ufi_collect(struct ufi_task *task, struct ufi_scan *s, const struct ufi_run *run,
		uint64_t limit, bool leap) UF_MUST_USE;

/* --- scan.c --- */
/* PAGEMAP_SCAN on the argument at ARG: the number of regions or -errno. */
int64_t ufi_scan(struct ufi_mm *mm, uint64_t arg) UF_MUST_USE;
/*
 * ENTRY[N], which the machine's pagemap file tells of the pages from ADDR on, as
 * the kernel's would tell them were it the kernel's userfaultfd. It is our memory.
 */
void ufi_scan_entries(struct ufi_mm *mm, uint64_t addr, uint64_t *entry, size_t n);

/* --- claim.c: pages that are ours for a while. The registry is locked for reading. --- */
/*
 * From AT on as many pages as are of these KINDS, without this flag and nobody's
 * become busy. Returns the end of the run; AT itself if the first page is not.
 */
uint64_t ufi_claim(struct ufi_task *task, struct ufi_range *r, uint64_t at, uint64_t end,
		   unsigned kinds, uint8_t without);
/*
 * Should we be killed now: the pages below END are being written; or they are as
 * TO says but for what the machine lets through, with CONTENT from us or not.
 */
void ufi_claim_writing(struct ufi_task *task, uint64_t end);
void ufi_claim_whole(struct ufi_task *task, uint64_t end, uint8_t to, bool content);
/* Pages of ours are in state TO, and not busy any more. */
void ufi_claim_release(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end,
		       uint8_t to);
/* As they were before they became ours. */
void ufi_claim_undo(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end);
/* All three for pages that keep their content: in state TO, or as before on failure. */
int ufi_claim_apply(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end,
		    uint8_t to) UF_MUST_USE;
/* Nothing is ours any more. */
void ufi_claim_end(struct ufi_task *task);
/* No lock. Another thread is at the page: wait a little, and see that it lives. */
void ufi_claim_await(struct ufi_task *task, unsigned round);
/* The owner of a reader's slot is dead: its pages are nobody's, the slot is free. */
void ufi_claim_bury(struct ufi_task *task, uint32_t slot, uint32_t tid);

/* --- vm.c: the program changes its address space. Call between begin and end. --- */
void ufi_vm_begin(struct ufi_mm *mm, struct ufi_task *task);
/* Tells what was raised, and waits for it to be read. */
void ufi_vm_end(struct ufi_task *task);
/* The same in the middle of a change: the registry is given back meanwhile, and anything may be
 * registered after it. */
void ufi_vm_tell(struct ufi_task *task);
/* Is anything in the span registered? */
bool ufi_vm_registered(const struct ufi_mm *mm, uint64_t start, uint64_t end);
/* Room so that the drop after the change cannot fail. */
int ufi_vm_prepare(struct ufi_mm *mm, uint64_t start, uint64_t end) UF_MUST_USE;
/* The same, and whose they are will be told. */
int ufi_vm_going(struct ufi_task *task, uint64_t start, uint64_t end) UF_MUST_USE;
/* The mappings in the span are gone, or new ones stand there. */
void ufi_vm_drop(struct ufi_mm *mm, uint64_t start, uint64_t end);
/* The ranges in the span have come here with their mappings: those that may not stay end. */
void ufi_vm_arrive(struct ufi_mm *mm, uint64_t start, uint64_t end);
/*
 * Pages of the range lose their content; ONLY_HERE: their object, if there is
 * one, keeps it. To be called before the machine lets them go, and after.
 */
int ufi_vm_discard(struct ufi_task *task, struct ufi_range *r, bool only_here) UF_MUST_USE;
int ufi_vm_discarded(struct ufi_task *task, struct ufi_range *r, bool only_here) UF_MUST_USE;
/* The program's protection of the span, which lies in one range, changes. */
int ufi_vm_protect(struct ufi_task *task, struct ufi_range *r, uint32_t prot) UF_MUST_USE;
/* The mapping that ends with the range at `end' has grown in place: so has the range. */
int ufi_vm_grow(struct ufi_mm *mm, uint64_t end, uint64_t new_end) UF_MUST_USE;

/* --- repair.c --- */
/* Writing. The former writer was killed: finish what it was at, or undo it. */
void ufi_repair(struct ufi_task *task);

/* --- validate.c --- */
void ufi_validate_mm(const struct ufi_mm *mm);
void ufi_validate_ctx(const struct ufi_ctx *ctx);

#ifdef UF_DEBUG
#define UFI_VALIDATE_MM(mm) ufi_validate_mm(mm)
#define UFI_VALIDATE_CTX(ctx) ufi_validate_ctx(ctx)
#else
#define UFI_VALIDATE_MM(mm) ((void)0)
#define UFI_VALIDATE_CTX(ctx) ((void)0)
#endif

#endif
