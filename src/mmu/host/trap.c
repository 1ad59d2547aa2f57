/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the traps: what makes a page fault. A range begins as one PROT_NONE
 * mapping, which costs the same for a page and for a terabyte. With guard
 * markers a chunk is given its protection back when it is armed, and from
 * then on opening a page means dropping its marker; without them it means
 * mprotect, and splits the mapping.
 */
#include "mmu/host/internal.h"

static int trap_advise(uint64_t addr, uint64_t len, int advice)
{
	return (int)UF_SYS3(SYS_madvise, addr, len, advice);
}

static int trap_protect(uint64_t addr, uint64_t len, int prot)
{
	return (int)UF_SYS3(SYS_mprotect, addr, len, prot);
}

/*
 * Memory that is locked takes no marker, so it is not locked for a moment.
 * Afterwards it is again, a page when it comes: those that are there are.
 * spec: fill.14
 */
static int trap_install_guard(uint64_t addr, uint64_t len)
{
	int err = trap_advise(addr, len, HOST_MADV_GUARD_INSTALL);

	if (err != -EINVAL || UF_SYS2(SYS_munlock, addr, len))
		return err;
	err = trap_advise(addr, len, HOST_MADV_GUARD_INSTALL);
	UF_SYS3(SYS_mlock2, addr, len, MLOCK_ONFAULT);
	return err;
}

/* By effect: advice that locked memory refuses, and that otherwise does no harm. */
static bool trap_is_locked(uint64_t addr)
{
	return trap_advise(addr, ufi_host.mmu.page_size, MADV_COLD) == -EINVAL;
}

/*
 * Private memory cannot be written past a guard marker, so there the trap is
 * PROT_NONE. A page moved into place would be anonymous for good, also where the
 * mapping is one of a file.
 */
static int trap_choose_private(const struct host *h, struct ufi_range *r)
{
	bool file = r->object && r->page_size == h->mmu.page_size;

	if (r->trap == UF_TRAP_GUARD || r->fill == UF_FILL_ALIAS ||
	    (file && r->fill == UF_FILL_MREMAP))
		return -EOPNOTSUPP;
	r->trap = UF_TRAP_MPROTECT;
	if (r->fill == UF_FILL_AUTO)
		r->fill = h->caps.procmem || file ? UF_FILL_PROCMEM : UF_FILL_MREMAP;
	return r->fill == UF_FILL_PROCMEM && !h->caps.procmem ? -EOPNOTSUPP : 0;
}

/* Without the pagemap a guard marker could not be told from a page. */
static int trap_choose_shared(const struct host *h, struct ufi_range *r)
{
	bool guard = h->caps.guard_shmem && h->caps.pagemap;

	if (r->fill == UF_FILL_PROCMEM || r->fill == UF_FILL_MREMAP)
		return -EOPNOTSUPP;
	/* The kernel takes no guard markers among huge pages. */
	if (r->page_size > h->mmu.page_size)
		guard = false;
	r->fill = UF_FILL_ALIAS;
	if (r->trap == UF_TRAP_AUTO)
		r->trap = guard && !trap_is_locked(r->start) ? UF_TRAP_GUARD : UF_TRAP_MPROTECT;
	return r->trap == UF_TRAP_GUARD && !guard ? -EOPNOTSUPP : 0;
}

/*
 * Length 0 duplicates a shared mapping without its descriptor, but not one of huge
 * pages. Emulators of other processors do not know that; but there whoever is
 * privileged gets the descriptor from /proc. What the program has reserved of a
 * pool of huge pages serves for the second mapping, too.
 */
static int trap_map_again(const struct ufi_range *r, uint64_t at, uint64_t len)
{
	long ret = UF_SYS5(SYS_mremap, r->start, 0, len, MREMAP_MAYMOVE | MREMAP_FIXED, at);
	int err = (int)ret;
	int fd;

	if (ret == (long)at)
		return trap_protect(at, len, PROT_READ | PROT_WRITE);
	fd = ufi_object_open(r->start, O_RDWR);
	if (fd < 0)
		return err;
	ret = UF_SYS6(SYS_mmap, at, len, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, r->offset);
	UF_SYS1(SYS_close, fd);
	return ret == (long)at ? 0 : err;
}

static int trap_make_alias(struct ufi_range *r)
{
	uint64_t len = r->end - r->start;
	uint64_t at = ufi_arena_take_aligned(len, r->page_size);
	int err;

	if (!at)
		return -ENOMEM;
	err = trap_map_again(r, at, len);
	if (err) {
		ufi_arena_give(at, len);
		return err == -ENOMEM ? -ENOMEM : -EOPNOTSUPP;
	}
	/* A child has no business with it, nor has a core dump. */
	trap_advise(at, len, MADV_DONTFORK);
	trap_advise(at, len, MADV_DONTDUMP);
	r->alias = at;
	return 0;
}

/* Forgotten first: killed in between, we lose the addresses and do not give them twice. */
static void trap_drop_alias(struct ufi_range *r)
{
	uint64_t alias = r->alias;

	r->alias = 0;
	if (alias)
		ufi_arena_give(alias, r->end - r->start);
}

/* What is open as a whole has page table entries, which a guard marker would make away with. */
static int trap_choose(const struct host *h, struct ufi_range *r, bool closed)
{
	int err = 0;

	if (r->mem->only_tracks)
		r->fill = UF_FILL_NONE;
	else
		err = r->shared ? trap_choose_shared(h, r) : trap_choose_private(h, r);
	if (!closed)
		r->trap = UF_TRAP_MPROTECT;
	return err;
}

/* Linux 5.14. There is nothing at page zero, which who knows the advice minds. */
static bool trap_knows_populate(void)
{
	int err = trap_advise(0, ufi_host.mmu.page_size, HOST_MADV_POPULATE_READ);

	return err == -ENOMEM || err == -EFAULT;
}

/*
 * Can be told which pages the object has? Of shared memory mincore tells, well enough
 * for all but what door.c does with private mappings; of huge pages the pagemap does.
 */
static bool trap_can_tell(const struct host *h, const struct ufi_range *r)
{
	if (r->page_size > h->mmu.page_size)
		return !r->object || (r->states->token && h->caps.pagemap && trap_knows_populate());
	return !r->object || r->shared || r->states->token;
}

/* What there is beside the mapping itself. */
static int trap_prepare(const struct host *h, struct ufi_range *r)
{
	int err = r->fill == UF_FILL_ALIAS ? trap_make_alias(r) : 0;

	if (!err && r->object && !r->states->token)
		r->states->token = ufi_object_get(r->start, r->object);
	if (!err && !trap_can_tell(h, r))
		err = -EOPNOTSUPP;
	return err;
}

int ufi_trap_attach(struct uf_mmu *mmu, struct ufi_range *r, bool closed)
{
	int err = trap_choose(host_of(mmu), r, closed);

	if (!err)
		err = trap_prepare(host_of(mmu), r);
	if (err || !closed)
		return err;
	err = trap_protect(r->start, r->end - r->start, PROT_NONE);
	if (err)
		trap_drop_alias(r);
	return err;
}

/* Opening the whole range merges what the traps had split, so it needs no new mappings. */
void ufi_trap_detach(struct uf_mmu *mmu, struct ufi_range *r, bool gone)
{
	uint64_t len = r->end - r->start;

	if (!gone) {
		if (r->trap == UF_TRAP_GUARD)
			trap_advise(r->start, len, HOST_MADV_GUARD_REMOVE);
		trap_protect(r->start, len, host_prot(r->prot));
	}
	trap_drop_alias(r);
}

/*
 * The host's fork has brought along protections and guard markers, but not what lies where
 * the second mapping was. Advice for the program may have kept memory from coming at all.
 */
int ufi_trap_inherit(struct uf_mmu *mmu, struct ufi_range *r)
{
	trap_drop_alias(r);
	if (UF_SYS3(SYS_msync, r->start, r->end - r->start, MS_ASYNC) == -ENOMEM)
		return -ENOENT;
	return trap_prepare(host_of(mmu), r);
}

int ufi_trap_arm(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	int err;

	if (r->trap != UF_TRAP_GUARD)
		return 0;
	err = trap_install_guard(addr, len);
	return err ? err : trap_protect(addr, len, host_prot(r->prot));
}

/* The program's protection, without writing: what may be written may be read. */
static int trap_prot_readonly(uint32_t prot)
{
	if (prot & UF_PROT_WRITE)
		prot = (prot & ~UF_PROT_WRITE) | UF_PROT_READ;
	return host_prot(prot);
}

/*
 * With the protection that the program gave it. Guard markers do not tell
 * reading and writing apart: where pages may be write-protected, the mapping's
 * protection does. spec: fill.9
 */
int ufi_trap_open(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		  bool readonly)
{
	int prot = readonly ? trap_prot_readonly(r->prot) : host_prot(r->prot);
	int err = 0;

	if (r->trap != UF_TRAP_GUARD || r->states->mixed)
		err = trap_protect(addr, len, prot);
	if (!err && r->trap == UF_TRAP_GUARD)
		err = trap_advise(addr, len, HOST_MADV_GUARD_REMOVE);
	return err;
}

int ufi_trap_close(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	if (r->trap == UF_TRAP_GUARD)
		return trap_install_guard(addr, len);
	return trap_protect(addr, len, PROT_NONE);
}

/*
 * An access that found nothing where a marker is now may still be on its way to the
 * object, and would give it a page of zeros if it had none any more. Only a change of
 * the mapping waits for such.
 */
int ufi_trap_drain(struct ufi_range *r, uint64_t addr, uint64_t len)
{
	int err = 0;

	if (r->trap != UF_TRAP_GUARD)
		return 0;
	err = trap_protect(addr, len, PROT_NONE);
	if (err)
		return err;
	err = trap_protect(addr, len, host_prot(r->prot));
	/* Who opens a page gives it its protection as well, then. */
	if (err)
		atomic_store(&r->states->mixed, true);
	return err;
}

int ufi_trap_reprotect(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	return r->trap == UF_TRAP_GUARD ? trap_protect(addr, len, host_prot(r->prot)) : 0;
}
