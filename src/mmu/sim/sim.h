/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulated machine: page tables in memory, threads that take turns as a
 * seed says, a clock that moves when nobody can. One `struct sim' is one
 * machine with one process on it; a run depends on its seed and nothing else,
 * so what fails once fails again.
 *
 * Addresses are the simulated program's, never pointers. Whatever calls into
 * the engine is one of the machine's threads. A broken contract of mmu/mmu.h,
 * a deadlock and a run without an end are failures: opt.fail is told and must
 * not return.
 *
 * Reading order: this file, space.c (mappings and page tables), trap.c (how
 * pages trap and are filled), access.c (a program's access, a system call's),
 * sched.c (threads), vm.c (changes of the address space).
 */
#ifndef UF_MMU_SIM_SIM_H
#define UF_MMU_SIM_SIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "mmu/mmu.h"
#include "mmu/sim/fiber.h"

#define SIM_PAGE UINT64_C(4096)
#define SIM_PAGES UINT64_C(2048)
#define SIM_BASE UINT64_C(0x100000)
#define SIM_END (SIM_BASE + SIM_PAGES * SIM_PAGE) /* of what can be mapped */
#define SIM_TASK_SIZE (UINT64_C(1) << 40)
#define SIM_THREADS 16
#define SIM_BELLS 8

/* --- Memory --- */

/* A page of content. Mapped by page tables and held by page caches: refs counts both. */
struct sim_page {
	uint32_t refs;
	uint8_t data[SIM_PAGE];
};

/* What a shared mapping maps. Pages from npages on lie beyond its end. */
struct sim_object {
	uint64_t id;
	uint64_t npages;
	struct sim_page *cache[SIM_PAGES];
	struct sim_object *next;
};

enum sim_kind {
	SIM_ANON,   /* private anonymous */
	SIM_SHARED, /* an object, mapped shared */
	SIM_FILE,   /* no userfaults on such memory */
};

/* A call of mmap. Its pages point to it, as long as there are any. */
struct sim_map {
	enum sim_kind kind;
	bool maywrite;
	struct sim_object *object;
	uint64_t base;	/* address of ... */
	uint64_t pgidx; /* ... this page of the object */
	struct sim_map *next;
};

enum sim_trap {
	SIM_TRAP_NONE,	/* not in a range */
	SIM_TRAP_WHOLE, /* closed with its whole range */
	SIM_TRAP_PAGE,	/* opened and closed by itself */
};

/* Which accesses the trap lets through to the protection in force. */
enum sim_let {
	SIM_LET_NONE,
	SIM_LET_READ, /* and fetches: those that do not write */
	SIM_LET_ALL,
};

struct sim_pte {
	struct sim_map *map; /* NULL: a hole */
	struct sim_page *page;
	struct sim_page *coming; /* has left its place and is not in this one yet */
	uint32_t want;		 /* the program's protection */
	uint32_t prot;		 /* the one in force as far as the trap lets through */
	bool secret;		 /* the program has closed it by means that no mapping tells */
	enum sim_trap trap;
	enum sim_let let;
};

/* --- Threads --- */

enum sim_state {
	SIM_READY,
	SIM_PARKED,
	SIM_IDLE,    /* until no other thread is ready */
	SIM_JOINING, /* until `joins' is done or dead */
	SIM_DONE,
	SIM_DEAD, /* killed where it was */
};

struct sim;
typedef void sim_thread_fn(struct sim *sim, void *arg);

struct sim_thread {
	const char *name;
	uint32_t index;
	uint32_t tid;
	enum sim_state state;
	struct sim_fiber fiber;
	sim_thread_fn *fn;
	void *arg;
	struct sim_thread *joins;

	/* While parked. */
	_Atomic uint32_t *word;
	uint64_t deadline; /* 0: none */
	int result;

	/* Signals: one that has a handler, which counts and may call on_signal. */
	bool blocked;
	bool pending;
	uint32_t handled;
	sim_thread_fn *on_signal;

	uint64_t steps;
	uint64_t kill_at; /* dies at this step of its own; 0: never */
};

/* --- The machine --- */

/* What can be made to fail, all with -ENOMEM. */
enum sim_op {
	SIM_OP_ALLOC,
	SIM_OP_ATTACH,
	SIM_OP_ARM,
	SIM_OP_OPEN,
	SIM_OP_CLOSE,
	SIM_OP_REPROTECT,
	SIM_OP_WRITE,
	SIM_OP_MOVE,
	SIM_OPS,
};

struct sim_options {
	uint64_t seed;
	bool calm; /* hardly a change but where one waits, no wake without reason */
	void (*fail)(void *arg, const char *text);
	void *fail_arg;
};

struct sim_block {
	struct sim_block *next;
	void *p;
	size_t len;
};

struct sim {
	struct uf_mmu mmu; /* first */
	struct ufi_mm mm;
	struct sim_options opt;

	struct sim_pte *pte; /* SIM_PAGES of them */
	struct sim_map *maps;
	struct sim_object *objects;
	uint64_t last_object;
	struct sim_block *blocks; /* what the engine has allocated */

	uint64_t random;
	uint32_t switch_odds; /* one in so many steps changes the thread */
	uint32_t whim_odds; /* one choice in so many comes with a wake nobody asked for; 0: none */
	uint64_t now_ns;
	uint64_t steps;
	struct sim_fiber home;
	struct sim_thread threads[SIM_THREADS];
	uint32_t nthreads;
	struct sim_thread *current;

	_Atomic uint32_t bell[SIM_BELLS]; /* by cookie */
	uint32_t op_count[SIM_OPS];
	uint32_t op_fails[SIM_OPS]; /* the how manieth fails; 0: none */
	bool op_failed;
	bool unprivileged; /* the program, all of it */
};

static inline struct sim *sim_of(struct uf_mmu *mmu)
{
	return (struct sim *)mmu;
}

/* --- sim.c --- */
/* NULL: no memory. Inverse: destroy, which frees all there is. */
struct sim *ufi_sim_create(const struct sim_options *opt) UF_MUST_USE;
void ufi_sim_destroy(struct sim *sim);
_Noreturn void ufi_sim_fail(struct sim *sim, const char *fmt, ...) UF_PRINTF(2, 3);
uint64_t ufi_sim_random(struct sim *sim);
/* True one time in N. */
bool ufi_sim_chance(struct sim *sim, uint32_t n);
/* The Nth call of this kind from now on fails. */
void ufi_sim_fail_nth(struct sim *sim, enum sim_op op, uint32_t n);
bool ufi_sim_op_fails(struct sim *sim, enum sim_op op);
/* Allocations of the engine of this length that it has not freed; 0: of any. */
uint32_t ufi_sim_allocated(const struct sim *sim, size_t len);

/* --- space.c --- */
struct sim_object *ufi_sim_object(struct sim *sim, uint64_t npages);
/* Changes the size: what lies beyond the new end is gone. */
void ufi_sim_truncate(struct sim *sim, struct sim_object *obj, uint64_t npages);
/* Like mmap. ADDR 0: where there is room, alone between two holes. OBJ: for SIM_SHARED. */
uint64_t ufi_sim_map(struct sim *sim, uint64_t addr, uint64_t npages, uint32_t prot,
		     enum sim_kind kind, struct sim_object *obj);
/* The mapping's maywrite. */
void ufi_sim_set_maywrite(struct sim *sim, uint64_t addr, bool maywrite);
/* Page tables only: what munmap, DONTNEED and REMOVE do to a page. */
void ufi_sim_unmap_page(struct sim *sim, uint64_t addr);
void ufi_sim_drop_page(struct sim *sim, uint64_t addr);
void ufi_sim_punch_page(struct sim *sim, uint64_t addr);
/* NULL outside of what can be mapped. */
struct sim_pte *ufi_sim_pte(struct sim *sim, uint64_t addr);
/* Is the page beyond the end of its object? */
bool ufi_sim_beyond(struct sim *sim, uint64_t addr);
/* Where the object keeps the page; NULL for memory without one. */
struct sim_page **ufi_sim_slot(struct sim *sim, uint64_t addr);
/* The page's content, made if there is none: in the object, or in private memory itself. */
struct sim_page *ufi_sim_backing(struct sim *sim, uint64_t addr);
/* The same, and mapped, as by the first touch. Neither is for pages beyond the end. */
struct sim_page *ufi_sim_populate(struct sim *sim, uint64_t addr);
/* A debugger's look: traps and protection are not asked. Holes are failures. */
void ufi_sim_peek(struct sim *sim, uint64_t addr, void *to, size_t n);
void ufi_sim_poke(struct sim *sim, uint64_t addr, const void *from, size_t n);

int ufi_sim_vma_find(struct uf_mmu *mmu, uint64_t addr, struct uf_vma *vma);
int ufi_sim_populated(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t *start,
		      uint64_t *end);
int64_t ufi_sim_scan(struct uf_mmu *mmu, struct uf_scan_arg *arg);
int ufi_sim_cached(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		   uint8_t *vec);

/* --- trap.c --- */
int ufi_sim_attach(struct uf_mmu *mmu, struct ufi_range *r, bool closed);
void ufi_sim_detach(struct uf_mmu *mmu, struct ufi_range *r, bool gone);
int ufi_sim_arm(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);
int ufi_sim_open(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		 bool readonly);
int ufi_sim_close(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);
int ufi_sim_reprotect(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);
int64_t ufi_sim_write(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		      uint64_t src);
int64_t ufi_sim_write_zero(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);
void ufi_sim_take_back(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);

int ufi_sim_move_pages(struct uf_mmu *mmu, struct ufi_range *r, const struct uf_page_move *m);

/* --- access.c --- */
enum sim_outcome {
	SIM_ACCESSED,
	SIM_SIGSEGV,
	SIM_SIGBUS,
	SIM_POISONED, /* SIGBUS, as of memory that has failed */
};

/* One byte, by the thread that runs: *VALUE is read or written. Waits for faults. */
enum sim_outcome ufi_sim_access(struct sim *sim, uint64_t addr, uint32_t access, uint8_t *value);
/* May the machine let ACCESS through, the traps and the object's end not asked? */
bool ufi_sim_allows(uint32_t prot, uint32_t access);
/* The protection without writing; what is left of it by the trap. */
uint32_t ufi_sim_readonly(uint32_t prot);
uint32_t ufi_sim_prot(const struct sim_pte *pte);
bool ufi_sim_accessible(struct uf_mmu *mmu, uint64_t addr, uint32_t access);
int ufi_sim_copy_in(struct uf_mmu *mmu, void *to, uint64_t from, size_t n);
int ufi_sim_copy_out(struct uf_mmu *mmu, uint64_t to, const void *from, size_t n);
int ufi_sim_touch(struct uf_mmu *mmu, uint64_t addr, uint32_t access,
		  const struct uf_sigmask *saved);

/* --- sched.c --- */
struct sim_thread *ufi_sim_spawn(struct sim *sim, const char *name, sim_thread_fn *fn, void *arg);
/* From outside: until every thread is done or dead. */
void ufi_sim_run(struct sim *sim);
/* From a thread: until no other one can go on; until another one is done. */
void ufi_sim_idle(struct sim *sim);
void ufi_sim_join(struct sim *sim, struct sim_thread *th);
/* A point at which another thread may go on, or this one die. */
void ufi_sim_step(struct sim *sim);
/* A signal with a handler, sent from another thread. */
void ufi_sim_interrupt(struct sim *sim, struct sim_thread *th);
/* SIGKILL, for this thread alone, which is not the one that runs. */
void ufi_sim_kill(struct sim *sim, struct sim_thread *th);
static inline bool ufi_sim_gone(const struct sim_thread *th)
{
	return th->state == SIM_DONE || th->state == SIM_DEAD;
}
/* Give back what the threads hold; they are never run again. */
void ufi_sim_bury_threads(struct sim *sim);
/* Room for new threads: those of the newest that are gone. From a thread. */
void ufi_sim_forget_threads(struct sim *sim);
/* Like poll without end on the descriptor of this cookie. */
void ufi_sim_await_bell(struct sim *sim, uint64_t cookie);

void ufi_sim_signals_block(struct uf_mmu *mmu, struct uf_sigmask *saved);
void ufi_sim_signals_restore(struct uf_mmu *mmu, const struct uf_sigmask *saved);
void ufi_sim_signals_deadly(struct uf_mmu *mmu, const struct uf_sigmask *saved);
uint32_t ufi_sim_self(struct uf_mmu *mmu);
bool ufi_sim_alive(struct uf_mmu *mmu, uint32_t tid);
bool ufi_sim_privileged(struct uf_mmu *mmu);
int ufi_sim_park(struct uf_mmu *mmu, _Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns);
int ufi_sim_unpark(struct uf_mmu *mmu, _Atomic uint32_t *word, int n);
bool ufi_sim_spin(struct uf_mmu *mmu, unsigned i);
void ufi_sim_ring(struct uf_mmu *mmu, uint64_t cookie, bool ring);

/* --- vm.c: as the calls of the same names, 0 or -errno --- */
int ufi_sim_munmap(struct sim *sim, uint64_t addr, uint64_t npages);
int ufi_sim_mprotect(struct sim *sim, uint64_t addr, uint64_t npages, uint32_t prot);
int ufi_sim_dontneed(struct sim *sim, uint64_t addr, uint64_t npages);
int ufi_sim_remove(struct sim *sim, uint64_t addr, uint64_t npages);
/* mremap in place, from NPAGES to MORE; to another address. */
int ufi_sim_grow(struct sim *sim, uint64_t addr, uint64_t npages, uint64_t more);
int ufi_sim_move(struct sim *sim, uint64_t addr, uint64_t npages, uint64_t to);
/* What fork makes of this process in its child. */
void ufi_sim_become_child(struct sim *sim);

#endif
