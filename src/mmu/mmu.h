/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seam B: a machine with page tables. The engine holds the semantics of
 * userfaultfd and no system call; what it needs from the machine under it is
 * this table. Ports: host/ (a Linux process) and sim/ (page tables in memory).
 *
 * What holds for every callback, unless it says otherwise:
 *
 * - It returns 0 (or the count it names) or -errno, and never touches errno.
 * - It is AS-Safe, uses no thread-local storage and does not allocate from
 *   malloc: the caller may be a signal handler, or a clone(CLONE_VM) process
 *   that shares its parent's thread-local storage.
 * - It is called between signals_block() and signals_restore(), and must not
 *   call back into the engine.
 * - Addresses and lengths are in bytes, multiples of the page size and inside
 *   the range that is passed; the engine has checked this.
 * - When it fails it has changed nothing that its inverse would have to undo.
 */
#ifndef UF_MMU_MMU_H
#define UF_MMU_MMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct uf_mmu;
struct uf_scan_arg;
struct uf_mem_ops;
struct ufi_range;

/* Protections of a mapping, as the program asked for them. */
#define UF_PROT_READ 1u
#define UF_PROT_WRITE 2u
#define UF_PROT_EXEC 4u

/* A mapping ("VMA") as the program sees it: our traps do not show in it. */
struct uf_vma {
	uint64_t start;
	uint64_t end;
	uint64_t offset;    /* into the object, of start; 0 for anonymous memory */
	uint64_t object;    /* identity of the object mapped; 0 for anonymous memory */
	uint64_t page_size; /* of its pages: the machine's, or that of huge ones */
	uint32_t prot;
	bool shared;
	bool maywrite;		      /* VM_MAYWRITE: could be made writable */
	const struct uf_mem_ops *mem; /* its memory type; NULL where none fits */
};

/* What makes a page fault. */
enum uf_trap {
	UF_TRAP_AUTO,
	UF_TRAP_MPROTECT, /* PROT_NONE */
	UF_TRAP_GUARD,	  /* guard markers (MADV_GUARD_INSTALL) */
};

/* By which door content enters a page that still traps. */
enum uf_fill {
	UF_FILL_AUTO,
	UF_FILL_ALIAS,	 /* a second mapping of the object */
	UF_FILL_PROCMEM, /* a write to /proc/self/mem, which passes PROT_NONE */
	UF_FILL_MREMAP,	 /* a page made ready elsewhere is moved into place */
	UF_FILL_NONE,	 /* there is none, nothing is filled: uf_mem_ops.only_tracks */
};

/* Pages that change their place: see uf_mmu_ops.move. */
struct uf_page_move {
	uint64_t dst;
	uint64_t src;
	uint64_t len;
	bool src_closed; /* the pages trap where they are */
	bool again;	 /* a thread was killed in this very call */
};

/* A signal mask of the machine, opaque to the engine. */
struct uf_sigmask {
	uint64_t bits[2];
};

struct uf_mmu_ops {
	const char *name;

	/* --- Mappings --- */

	/*
	 * The lowest mapping that ends above ADDR, which is below the task size.
	 * -ENOENT: there is none. Inverse: none, it only looks.
	 */
	int (*vma_find)(struct uf_mmu *mmu, uint64_t addr, struct uf_vma *vma);

	/*
	 * A new range, or one that was detached because its modes change, or one
	 * that takes the place of another, which moves away and is open or closed: choose
	 * its trap and fill (r->trap and r->fill hold the wish, UF_*_AUTO for none,
	 * and on return the choice) and prepare what they need. CLOSED: close the
	 * whole range; populated pages keep their content. Otherwise it stays open,
	 * but single pages of it can be closed. Called with the registry locked for
	 * writing. Inverse: detach, also when the thread was killed in here.
	 * -EOPNOTSUPP: the strategy that was forced cannot be had here;
	 * -ENOMEM.
	 */
	int (*attach)(struct uf_mmu *mmu, struct ufi_range *r, bool closed);

	/*
	 * The range ends (a part of one is split off first). Everything is open
	 * again with the program's protection. GONE: the mapping has vanished,
	 * only what we hold besides it is given back. Cannot fail: a page that
	 * the host refuses to open goes on trapping, and that is logged. A second
	 * time after a thread was killed in it.
	 */
	void (*detach)(struct uf_mmu *mmu, struct ufi_range *r, bool gone);

	/*
	 * No range has these states any more: what attach has left in their token,
	 * if that is not 0, is given back.
	 */
	void (*forget)(struct uf_mmu *mmu, uint64_t token);

	/*
	 * In a fork child: the range and its traps are here as in the parent, and what attach
	 * has prepared beside them is not, but for the token; it is prepared again. Inverse:
	 * detach, also if it fails. -ENOENT: the child has not got the mapping; -ENOMEM,
	 * -EOPNOTSUPP. Only where a fork can make heirs (struct ufi_ctx).
	 */
	int (*inherit)(struct uf_mmu *mmu, struct ufi_range *r);

	/*
	 * The first run of pages at or above ADDR in the range that the page
	 * tables map (or hold a swap entry for): [*start, *end). -ENOENT: none.
	 * Only the bounds of the range are asked for; it need not be registered.
	 */
	int (*populated)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t *start,
			 uint64_t *end);

	/*
	 * PAGEMAP_SCAN (spec/scan.md) as the page tables of the machine tell it, our
	 * traps included and nothing of ours known: WPALLOWED is what the machine
	 * itself can protect. ARG is valid, not for an empty span, and its vec is our
	 * memory, at most UFI_SCAN_REGIONS of it. Returns the regions in vec;
	 * ARG->walk_end is where to go on, in any case but an error. -EPERM: as there;
	 * -ENOENT, -EMFILE and others: the page tables cannot be read.
	 */
	int64_t (*scan)(struct uf_mmu *mmu, struct uf_scan_arg *arg);

	/* --- Pages. [addr, addr + len) of the range. --- */

	/*
	 * Until now the span was closed as a part of the whole; from now on open
	 * and close act on its single pages, which all remain closed. (Before
	 * that a page can only be closed again, which changes nothing.) Called once
	 * for each span, with the settle lock held; also where the range began open
	 * and close has closed all of it. Inverse: detach.
	 */
	int (*arm)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);

	/*
	 * Accesses that r->prot allows succeed from now on; with READONLY those
	 * that write fault. Also for pages that are open otherwise. Inverse: close.
	 * -ENOMEM: too many mappings.
	 */
	int (*open)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		    bool readonly);

	/*
	 * Accesses fault from now on; content stays. Inverse: open. What is closed
	 * already can be closed again, which does not fail.
	 */
	int (*close)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);

	/* r->prot has changed, and the span's pages are armed and closed: so they stay. */
	int (*reprotect)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);

	/*
	 * Would the machine itself let an access through, our traps included, that
	 * any of the protections ACCESS permits? Where it cannot tell it says yes.
	 */
	bool (*accessible)(struct uf_mmu *mmu, uint64_t addr, uint32_t access);

	/*
	 * For mappings of objects: vec[i] = 1 if page i is in the page cache.
	 */
	int (*cached)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		      uint8_t *vec);

	/*
	 * Copy content from the program's memory into closed pages. Returns the
	 * bytes written from the beginning, which is less than LEN only when the
	 * source could not be read there, or the first error: -EFAULT, the source
	 * cannot be read now; -ENXIO, the page lies beyond the end of the object;
	 * -ENOMEM. It does not wait for faults of its own. Inverse: take_back.
	 */
	int64_t (*write)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
			 uint64_t src);

	/* The same with zeros, for mappings of objects. Anonymous memory needs no page for it. */
	int64_t (*write_zero)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);

	/* Closed pages lose the content that write gave them. */
	void (*take_back)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);

	/*
	 * Private anonymous memory only. The pages of [src, src + len), those that
	 * have no content too, become the pages of [dst, dst + len) in the range, which
	 * are closed and have none; these are open afterwards for all that r->prot
	 * allows, and the source has no pages. It is as closed as it was, and need not be
	 * registered; where it is open everybody finds a page there or none, and no write
	 * to a page is lost. The mapping of the source has the range's protection, and the
	 * spans do not overlap. All or nothing: if it fails every page is where it was,
	 * and the target closed. The registry is locked for writing. Inverse: the same
	 * call the other way round.
	 * AGAIN: what that thread has moved has arrived, or will now; pages that have
	 * come to an open source since then stay there.
	 * -ENOMEM: too many mappings.
	 */
	int (*move)(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m);

	/* --- The program's own memory --- */

	/*
	 * Copy between the engine's memory and the program's, any alignment.
	 * -EFAULT if a byte of it cannot be accessed; a page that traps counts as
	 * one, these never wait.
	 */
	int (*copy_in)(struct uf_mmu *mmu, void *to, uint64_t from, size_t n);
	int (*copy_out)(struct uf_mmu *mmu, uint64_t to, const void *from, size_t n);

	/*
	 * Access one byte as the kernel would for a system call, UF_PROT_READ or
	 * UF_PROT_WRITE (it stays what it is): a fault in a userfault range is
	 * raised and waited for. No lock is held, and the mask SAVED by
	 * signals_block() is in force while it waits. -EFAULT: nothing is mapped
	 * there, or its userfaultfd does not serve such faults.
	 */
	int (*touch)(struct uf_mmu *mmu, uint64_t addr, uint32_t access,
		     const struct uf_sigmask *saved);

	/* --- Threads --- */

	/* Block every signal but the synchronous ones; the former mask is saved. */
	void (*signals_block)(struct uf_mmu *mmu, struct uf_sigmask *saved);
	void (*signals_restore)(struct uf_mmu *mmu, const struct uf_sigmask *saved);
	/* Let in those of SAVED alone whose action ends the process. Inverse: signals_block. */
	void (*signals_deadly)(struct uf_mmu *mmu, const struct uf_sigmask *saved);

	/* The calling thread: not 0, below 2^30, not another live thread's. */
	uint32_t (*self)(struct uf_mmu *mmu);

	/* Does that thread still run? A zombie does not. May block shortly. */
	bool (*alive)(struct uf_mmu *mmu, uint32_t tid);

	/* Has the calling thread the privilege to trace any process of the machine? */
	bool (*privileged)(struct uf_mmu *mmu);

	/*
	 * Sleep while *word == value, at most TIMEOUT_NS (0: without end).
	 * 0: woken, or the word differed, or for no reason; -ETIMEDOUT; -EINTR.
	 * Inverse: unpark, which wakes up to N sleepers and says how many it woke.
	 */
	int (*park)(struct uf_mmu *mmu, _Atomic uint32_t *word, uint32_t value,
		    uint64_t timeout_ns);
	int (*unpark)(struct uf_mmu *mmu, _Atomic uint32_t *word, int n);

	/* A short pause inside a bounded spin; I counts the rounds. False: stop spinning, park. */
	bool (*spin)(struct uf_mmu *mmu, unsigned i);

	/* Make the context's descriptor readable, or no longer. Called under the context's lock. */
	void (*bell)(struct uf_mmu *mmu, uint64_t cookie, bool ring);

	/*
	 * What a FORK was raised with stands for the descriptor of the child's context. open: the
	 * calling process has it once more from now on, as the program's own; its number,
	 * or -EMFILE. Both are called under the context's lock, and only where a fork
	 * can make heirs.
	 */
	int (*heir_open)(struct uf_mmu *mmu, uint64_t heir);
	void (*heir_close)(struct uf_mmu *mmu, uint64_t heir);

	/* --- Memory of ours: zeroed, page granular, untouched pages cost nothing --- */
	void *(*alloc)(struct uf_mmu *mmu, size_t len);
	void (*free)(struct uf_mmu *mmu, void *p, size_t len);
};

/* A port embeds this as its first member. */
struct uf_mmu {
	const struct uf_mmu_ops *ops;
	uint64_t page_size;
	uint64_t task_size;
	uint64_t patience_ns; /* so long a reader that was woken has to take its message */
	/* Rounds of a spin that take as long as to wake a processor; 0: there is only one. */
	uint32_t linger;
};

#endif
