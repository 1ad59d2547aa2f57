/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the host machine share; nothing here is for others. */
#ifndef UF_MMU_HOST_INTERNAL_H
#define UF_MMU_HOST_INTERNAL_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/span.h"
#include "engine/engine.h"
#include "mmu/host/host.h"
#include "mmu/host/sys.h"

/* Advice that Debian 12's headers do not know. */
#define HOST_MADV_COLD 20
#define HOST_MADV_DONTNEED_LOCKED 24
#define HOST_MADV_POPULATE_READ 22
#define HOST_MADV_POPULATE_WRITE 23
#define HOST_MADV_GUARD_INSTALL 102
#define HOST_MADV_GUARD_REMOVE 103

/* The kernel's struct sigaction, which libc's is not. */
struct host_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

struct host {
	struct uf_mmu mmu; /* first */
	struct ufi_mm mm;
	struct ufi_host_caps caps;
	_Atomic int started;
	_Atomic uint32_t epoch; /* how many forks lie between us and the first process */
	int cpus;
	int proc_fd;	    /* O_PATH on /proc, or -1: outlives chroot, and follows fork */
	int mem_fd;	    /* /proc/self/mem, or -1 */
	uint32_t shmem_dev; /* major << 20 | minor of the kernel's own shmem mount */

	/*
	 * On a page that a fork child sees wiped: zero there tells a child that
	 * was made behind libc's back that all this is its parent's.
	 */
	_Atomic uint32_t *canary;

	/* The program's actions for SIGSEGV and SIGBUS; changed under the lock. */
	struct ufi_lock chain_lock;
	struct host_sigaction chain[2];
};

extern struct host ufi_host;

/* A context's doorbell, both descriptors ours; its address is the cookie. */
struct host_bell {
	int ring;    /* a byte sent here makes the program's descriptor readable */
	int drain;   /* a duplicate of the program's descriptor, to take the byte back by; or -1 */
	bool shared; /* with other processes: there may be more than one byte */
};

static inline struct host *host_of(struct uf_mmu *mmu)
{
	return (struct host *)mmu;
}

/* The program's addresses are numbers to the engine; here they become pointers. */
static inline void *host_ptr(uint64_t addr)
{
	return (void *)(uintptr_t)addr;
}

static inline int host_prot(uint32_t prot)
{
	return (prot & UF_PROT_READ ? PROT_READ : 0) | (prot & UF_PROT_WRITE ? PROT_WRITE : 0) |
	       (prot & UF_PROT_EXEC ? PROT_EXEC : 0);
}

/* Has the system call failed? */
static inline bool host_failed(long ret)
{
	return ret < 0 && ret > -4096;
}

/* --- host.c --- */
/* Is this the process that started the machine? */
bool ufi_host_ours(void);
/* And does it run? Then its signal handlers are installed. */
bool ufi_host_running(void);
uint64_t ufi_host_page_size(void);
/*
 * In a fork child: what has no heir ends, and if nothing is left the machine is as if never
 * started.
 */
void ufi_host_child(void);
/*
 * A duplicate of FD of our own, at a number where programs do not look; FD is
 * closed, unless KEEP or it fails. Inverse: disown, which closes (-1: nothing).
 */
int ufi_host_own_fd(int fd, bool keep) UF_MUST_USE;
void ufi_host_disown_fd(int fd);
/*
 * One of ours, open, counts as none for a while: nobody closes it who had that number before.
 * Inverse: claim.
 */
void ufi_host_release_fd(int fd);
void ufi_host_claim_fd(int fd);
/* FD becomes one of ours, whose number is returned, or is closed: -1. */
int ufi_host_take_fd(int fd);

/* --- fork.c --- */
/* What the backend does about a fork, on contexts that follow it (ufi_event_follows). */
struct ufi_host_fork {
	/* The registry is locked for writing: contexts get heirs, and are to be told. */
	void (*prepare)(struct ufi_task *task);
	/* The same in the parent, after the fork: it has none any more. If there is no child, nor
	 * are they told. */
	void (*parent)(struct ufi_task *task);
	/* In a child that is not the one that heirs were made for: it has none. */
	void (*forget)(struct ufi_mm *mm);
	/* In the child: the descriptors that are its heirs', released since they were made. */
	void (*each_fd)(void (*fn)(int fd));
	/* Last in the child: they are contexts of its own. False: there are none. */
	bool (*child)(void);
};
/* Before there is a context. HOOKS is borrowed for the life of the process. */
void ufi_host_on_fork(const struct ufi_host_fork *hooks);
const struct ufi_host_fork *ufi_fork_hooks(void);
int ufi_fork_install(void) UF_MUST_USE;
/* In a fork child: did the thread that has forked prepare for it? */
bool ufi_fork_expected(void);
/* What stands for FD, which is ours, in an event. */
uint64_t ufi_fork_heir(int fd, bool cloexec);
int ufi_fork_heir_open(struct uf_mmu *mmu, uint64_t heir);
void ufi_fork_heir_close(struct uf_mmu *mmu, uint64_t heir);

/* --- arena.c: addresses of our own. AS-Safe, signals blocked. --- */
/*
 * LEN bytes of addresses that are reserved, for MAP_FIXED or MREMAP_FIXED; 0:
 * there are none. Inverse: give, which unmaps whatever stands there.
 */
uint64_t ufi_arena_take(uint64_t len) UF_MUST_USE;
void ufi_arena_give(uint64_t start, uint64_t len);
/* The same for pages of another size, or the machine's: aligned to it. */
uint64_t ufi_arena_take_aligned(uint64_t len, uint64_t page) UF_MUST_USE;
/* uf_mmu_ops.alloc and free. */
void *ufi_arena_alloc(struct uf_mmu *mmu, size_t len);
void ufi_arena_free(struct uf_mmu *mmu, void *p, size_t len);
/* The first address at or above ADDR that is not in our memory. */
uint64_t ufi_arena_beyond(uint64_t addr);
/* Around a fork: the child must not find it in the midst of a change. */
void ufi_arena_fork_prepare(struct ufi_task *task);
void ufi_arena_fork_parent(struct ufi_task *task);
void ufi_arena_fork_child(void);

/* --- maps.c --- */
int ufi_maps_find(struct uf_mmu *mmu, uint64_t addr, struct uf_vma *vma) UF_MUST_USE;
/* The extent of the lowest mapping that ends above ADDR. */
int ufi_maps_extent(uint64_t addr, uint64_t *start, uint64_t *end) UF_MUST_USE;
bool ufi_maps_accessible(struct uf_mmu *mmu, uint64_t addr, uint32_t access);
uint32_t ufi_maps_device(struct uf_mmu *mmu, uint64_t addr);
/* The object mapped at ADDR, and where in it that is: a descriptor. Needs CAP_SYS_ADMIN. */
int ufi_maps_object(uint64_t addr, uint64_t *offset, int flags) UF_MUST_USE;
/* Which object is mapped at ADDR; DEV is major << 20 | minor. */
int ufi_maps_identity(uint64_t addr, uint32_t *dev, uint64_t *inode) UF_MUST_USE;
int ufi_maps_open(const char *name, int flags) UF_MUST_USE; /* below /proc */
int ufi_maps_open_fd(int fd, int flags) UF_MUST_USE;	    /* once more what FD is */
/* Is that what /proc calls FD? Or -errno. */
int ufi_maps_fd_is(int fd, const char *name);

/* How many mappings there are; UINT32_MAX: nobody knows. It takes milliseconds if they are many. */
uint32_t ufi_maps_count(void);

/* --- object.c --- */
/*
 * What stands for a descriptor of the object ID (uf_vma.object), which is mapped at ADDR unless
 * somebody has got it already; 0: none can be had. Inverse: put.
 */
uint64_t ufi_object_get(uint64_t addr, uint64_t id) UF_MUST_USE;
/* Once more; not 0. Inverse: put. */
void ufi_object_hold(uint64_t token);
/* uf_mmu_ops.forget. */
void ufi_object_put(struct uf_mmu *mmu, uint64_t token);
/* In a fork child: those that its ranges have go on, the others are given back. */
void ufi_object_forked(const struct ufi_mm *mm);
/* Is it the descriptor of one? */
bool ufi_object_holds(int fd);
/* The descriptor itself. */
int ufi_object_fd(uint64_t token);
/* One by which pages can be written that end there; or -1. TOKEN may be 0. */
int ufi_object_writable_fd(uint64_t token, uint64_t end);
/* Another descriptor of the object mapped at ADDR, opened so. */
int ufi_object_open(uint64_t addr, int flags) UF_MUST_USE;
/* It has no page at all. */
bool ufi_object_empty(uint64_t token);
/* In bytes; 0 if that cannot be told. */
uint64_t ufi_object_size(uint64_t token);
/* vec[i] = 1 if the object has that page, in memory or in swap. */
int ufi_object_has(uint64_t token, uint64_t offset, uint64_t len, uint64_t page,
		   uint8_t *vec) UF_MUST_USE;

/* --- walk.c --- */
/* Bits of an entry of /proc/self/pagemap. */
#define HOST_ENTRY_PRESENT (UINT64_C(1) << 63)
#define HOST_ENTRY_SWAP (UINT64_C(1) << 62)
#define HOST_ENTRY_FILE (UINT64_C(1) << 61)
#define HOST_ENTRY_GUARD (UINT64_C(1) << 58)
#define HOST_ENTRY_WP (UINT64_C(1) << 57)
#define HOST_ENTRY_SOFT_DIRTY (UINT64_C(1) << 55)

int64_t ufi_walk_scan(struct uf_mmu *mmu, struct uf_scan_arg *arg) UF_MUST_USE;

/* --- pagemap.c --- */
int ufi_pagemap_populated(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t *start,
			  uint64_t *end) UF_MUST_USE;
int ufi_pagemap_cached(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		       uint8_t *vec) UF_MUST_USE;
bool ufi_pagemap_works(void);

/* --- trap.c --- */
int ufi_trap_attach(struct uf_mmu *mmu, struct ufi_range *r, bool closed) UF_MUST_USE;
void ufi_trap_detach(struct uf_mmu *mmu, struct ufi_range *r, bool gone);
int ufi_trap_inherit(struct uf_mmu *mmu, struct ufi_range *r) UF_MUST_USE;
int ufi_trap_arm(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len) UF_MUST_USE;
int ufi_trap_open(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		  bool readonly) UF_MUST_USE;
int ufi_trap_close(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr,
		   uint64_t len) UF_MUST_USE;
/* Of what is closed: no access that came before is under way. */
int ufi_trap_drain(struct ufi_range *r, uint64_t addr, uint64_t len) UF_MUST_USE;
int ufi_trap_reprotect(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr,
		       uint64_t len) UF_MUST_USE;

/* --- vm.c --- */
/* The end of a page-aligned span as the kernel rounds it; START itself if that overflows. */
uint64_t ufi_vm_end_of(uint64_t start, uint64_t len);

/* --- door.c --- */
int64_t ufi_door_write(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		       uint64_t src) UF_MUST_USE;
int64_t ufi_door_write_zero(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr,
			    uint64_t len) UF_MUST_USE;
void ufi_door_take_back(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);
/* A private mapping of a file, where a page of its own takes the place of the file's: see door.c.
 */
bool ufi_door_replaces(const struct ufi_range *r);
/* In the mapping of this file, or right behind it, the file is mapped again, and nothing else is.
 */
int ufi_door_renew(uint64_t token, const struct uf_vma *vma, uint64_t addr, uint64_t len,
		   int prot) UF_MUST_USE;

/* --- move.c --- */
int ufi_move_pages(struct uf_mmu *mmu, struct ufi_range *r,
		   const struct uf_page_move *m) UF_MUST_USE;

/* --- thread.c --- */
void ufi_thread_block(struct uf_mmu *mmu, struct uf_sigmask *saved);
void ufi_thread_restore(struct uf_mmu *mmu, const struct uf_sigmask *saved);
void ufi_thread_deadly(struct uf_mmu *mmu, const struct uf_sigmask *saved);
uint32_t ufi_thread_self(struct uf_mmu *mmu);
bool ufi_thread_alive(struct uf_mmu *mmu, uint32_t tid);
bool ufi_thread_privileged(struct uf_mmu *mmu);
int ufi_thread_park(struct uf_mmu *mmu, _Atomic uint32_t *word, uint32_t value,
		    uint64_t timeout_ns);
int ufi_thread_unpark(struct uf_mmu *mmu, _Atomic uint32_t *word, int n);
bool ufi_thread_spin(struct uf_mmu *mmu, unsigned i);
/* For struct uf_mmu. */
uint32_t ufi_thread_linger(int cpus);
/* That we may run on; 0: it cannot be told. */
int ufi_thread_cpus(void);

/* --- signal.c --- */
int ufi_signal_install(void) UF_MUST_USE;
int ufi_user_copy_in(struct uf_mmu *mmu, void *to, uint64_t from, size_t n) UF_MUST_USE;
int ufi_user_copy_out(struct uf_mmu *mmu, uint64_t to, const void *from, size_t n) UF_MUST_USE;
int ufi_user_touch(struct uf_mmu *mmu, uint64_t addr, uint32_t access,
		   const struct uf_sigmask *saved) UF_MUST_USE;

/* --- arch_*.c: what differs between processors --- */

/*
 * Accesses that may fault. When the handler finds the program counter inside
 * one of them, its kind says what to do.
 */
enum host_access {
	HOST_ACCESS_PROGRAM, /* none of ours: the program's own */
	HOST_ACCESS_COPY,    /* must not wait: it fails */
	HOST_ACCESS_TOUCH,   /* waits like an access of the program; fails where that would get a
				signal */
	HOST_ACCESS_TOUCH_KERNEL /* the same as a system call would */
};

/* Once, when the machine starts. */
void ufi_arch_init(void);

/* Bytes that could not be copied, counted from the end. */
size_t ufi_arch_copy(void *to, const void *from, size_t n);
/* 0, or -1 if the byte cannot be accessed. The last two write it back unchanged, atomically. */
int ufi_arch_touch(const void *addr);
int ufi_arch_touch_kernel(const void *addr);
int ufi_arch_touch_write(void *addr);
int ufi_arch_touch_kernel_write(void *addr);

enum host_access ufi_arch_access(const ucontext_t *uc);
/* The access at hand fails: go on where it returns that. */
void ufi_arch_fail(ucontext_t *uc);
/* UF_PROT_* bit of the faulting access. */
uint32_t ufi_arch_fault_kind(const ucontext_t *uc);
/* For struct host_sigaction.restorer; NULL where the kernel needs none. */
extern const unsigned long ufi_arch_sa_restorer_flag;
void *ufi_arch_sa_restorer(void);
void ufi_arch_pause(void);

#endif
