/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the doors: how content enters a page that the program cannot reach.
 * Never through the program's own address while it is open.
 *
 * A private mapping of a file is a case of its own. Its first write to a page
 * that the file lacks gives the file one, full of zeros, which every other
 * mapping would take for content. So there the page that is filled becomes
 * anonymous memory; the file is mapped again when the page is given back.
 */
#include <sys/resource.h>

#include "mmu/host/internal.h"

static uint64_t door_alias(const struct ufi_range *r, uint64_t addr)
{
	return r->alias + (addr - r->start);
}

/* The object gives no page there: it ends before, or there is none to be had. */
static int door_refusal(const struct ufi_range *r, uint64_t addr)
{
	uint64_t token = r->states->token;

	if (token && r->offset + (addr - r->start) < ufi_object_size(token))
		return -ENOMEM;
	return -ENXIO;
}

static bool door_readable(uint64_t from)
{
	uint8_t byte;

	return ufi_arch_copy(&byte, host_ptr(from), 1) == 0;
}

/* A process with such a limit would get a signal for writing to a descriptor. */
static bool door_is_limited(void)
{
	uint64_t limit[2] = {0};

	return UF_SYS4(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, limit) || limit[0] != RLIM_INFINITY;
}

static bool door_is_zero(uint64_t at, uint64_t len)
{
	uint64_t byte;

	for (uint64_t done = 0; done < len; done += sizeof(byte)) {
		if (ufi_arch_copy(&byte, host_ptr(at + done), sizeof(byte)) || byte)
			return false;
	}
	return true;
}

/*
 * So many bytes of LEN came into the object: how many in whole pages. Of the page at
 * hand there may be a part, or nothing but zeros, as it is made before the source
 * is read.
 */
static uint64_t door_settle(struct host *h, struct ufi_range *r, uint64_t addr, uint64_t len,
			    uint64_t n)
{
	uint64_t page = r->page_size;
	uint64_t whole = uf_align_down(n, page);
	uint64_t at = addr + whole;
	uint8_t has = 0;

	if (whole < len && (n > whole || (ufi_pagemap_cached(&h->mmu, r, at, page, &has) == 0 &&
					  has && door_is_zero(door_alias(r, at), page))))
		ufi_door_take_back(&h->mmu, r, at, page);
	return whole;
}

/* By the descriptor nothing has to be zeroed before. Whole pages; 0: by the alias, then. */
static uint64_t door_write_object(struct host *h, struct ufi_range *r, uint64_t addr, uint64_t len,
				  uint64_t src)
{
	uint64_t offset = r->offset + (addr - r->start);
	int fd = ufi_object_writable_fd(r->states->token, offset + len);
	long n;

	if (fd < 0 || r->page_size != h->mmu.page_size || door_is_limited())
		return 0;
	n = UF_SYS4(SYS_pwrite64, fd, src, len, offset);
	return door_settle(h, r, addr, len, n < 0 ? 0 : (uint64_t)n);
}

/*
 * Whole pages count, whichever side stopped them: the next call meets the
 * reason. spec: copy.7, copy.8, copy.9
 */
static int64_t door_write_alias(struct host *h, struct ufi_range *r, uint64_t addr, uint64_t len,
				uint64_t src)
{
	uint64_t whole = door_write_object(h, r, addr, len, src);
	uint64_t n;

	if (whole)
		return (int64_t)whole;
	n = len - ufi_arch_copy(host_ptr(door_alias(r, addr)), host_ptr(src), len);
	whole = door_settle(h, r, addr, len, n);
	if (whole)
		return (int64_t)whole;
	return n == 0 && door_readable(src) ? door_refusal(r, addr) : -EFAULT;
}

/*
 * The kernel forgets what it has written when it meets an unreadable source,
 * so then it goes page by page. spec: copy.10
 */
static int64_t door_write_procmem(struct host *h, uint64_t addr, uint64_t len, uint64_t src)
{
	uint64_t page = h->mmu.page_size;
	uint64_t most = len;
	uint64_t done = 0;

	while (done < len) {
		long n = UF_SYS4(SYS_pwrite64, h->mem_fd, src + done, uf_min(len - done, most),
				 addr + done);

		if (n > 0)
			done += (uint64_t)n;
		else if (n == -EFAULT && most > page)
			most = page;
		else if (done || n == -EFAULT)
			break;
		else
			return n == -EINTR ? -EINTR : -ENOMEM;
	}
	return done ? (int64_t)done : -EFAULT;
}

/* Of what the pages of the range are of: only huge ones can have an object behind them. */
static long door_prepare(const struct host *h, const struct ufi_range *r, uint64_t addr,
			 uint64_t len)
{
	int huge = MAP_HUGETLB | MAP_NORESERVE | __builtin_ctzll(r->page_size) << MAP_HUGE_SHIFT;
	int flags = MAP_PRIVATE;
	int fd = -1;

	if (r->object) {
		flags |= MAP_NORESERVE;
		fd = ufi_object_fd(r->states->token);
	} else {
		flags |= MAP_ANONYMOUS | (r->page_size > h->mmu.page_size ? huge : 0);
	}
	return UF_SYS6(SYS_mmap, 0, len, PROT_READ | PROT_WRITE, flags, fd,
		       r->object ? r->offset + (addr - r->start) : 0);
}

/* The pages are made elsewhere and take the place of the closed ones. */
static int64_t door_write_mremap(struct host *h, struct ufi_range *r, uint64_t addr, uint64_t len,
				 uint64_t src)
{
	uint64_t page = r->page_size;
	long made = door_prepare(h, r, addr, len);
	uint64_t whole;
	uint64_t n;
	long ret;

	if (made < 0 && made > -4096)
		return -ENOMEM;
	n = len - ufi_arch_copy((void *)made, host_ptr(src), len);
	whole = uf_align_down(n, page);
	if (!whole) {
		UF_SYS2(SYS_munmap, made, len);
		return n == 0 && door_readable(src) ? -ENOMEM : -EFAULT;
	}
	if (whole < len)
		UF_SYS2(SYS_munmap, made + (long)whole, len - whole);
	UF_SYS3(SYS_mprotect, made, whole, PROT_NONE);
	ret = UF_SYS5(SYS_mremap, made, whole, whole, MREMAP_MAYMOVE | MREMAP_FIXED, addr);
	if (ret < 0 && ret > -4096) {
		UF_SYS2(SYS_munmap, made, whole);
		return -ENOMEM;
	}
	return (int64_t)whole;
}

/* Pages of a private mapping of a file that are asked about in one go. */
#define DOOR_WINDOW 64

bool ufi_door_replaces(const struct ufi_range *r)
{
	return r->object && !r->shared && r->states->token &&
	       r->page_size == ufi_host.mmu.page_size;
}

static int door_map(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
	long ret = UF_SYS6(SYS_mmap, addr, len, prot, MAP_PRIVATE | MAP_FIXED | flags, fd, offset);

	return ret == (long)addr ? 0 : (int)ret;
}

int ufi_door_renew(uint64_t token, const struct uf_vma *vma, uint64_t addr, uint64_t len, int prot)
{
	return door_map(addr, len, prot, 0, ufi_object_fd(token),
			vma->offset + (addr - vma->start));
}

static bool door_give_back(const struct ufi_range *r, uint64_t addr, uint64_t len)
{
	struct uf_vma vma = ufi_range_vma(r);

	return ufi_door_renew(r->states->token, &vma, addr, len, PROT_NONE) == 0;
}

/* SRC 0: zeros, which a page of the file's hides behind. */
static int64_t door_own_run(struct host *h, uint64_t addr, uint64_t len, uint64_t src, bool has)
{
	static const uint8_t zeros[4096];
	uint64_t done = 0;
	int err;

	if (!has) {
		/* Not accounted, as only then it becomes one mapping with its neighbours. */
		err = door_map(addr, len, PROT_NONE, MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (err)
			return err;
		return src ? door_write_procmem(h, addr, len, src) : (int64_t)len;
	}
	if (src)
		return door_write_procmem(h, addr, len, src);
	while (done < len) {
		int64_t n = door_write_procmem(h, addr + done, sizeof(zeros), (uintptr_t)zeros);

		if (n < 0)
			return done ? (int64_t)done : n;
		done += (uint64_t)n;
	}
	return (int64_t)done;
}

/*
 * What the file has there is no obstacle, but it tells whether a page of the
 * mapping's own can be had without giving the file one.
 * spec: private.1, private.2, copy.7, zeropage.5
 */
static int64_t door_write_own(struct host *h, struct ufi_range *r, uint64_t addr, uint64_t len,
			      uint64_t src)
{
	uint64_t token = r->states->token;
	uint64_t offset = r->offset + (addr - r->start);
	uint64_t page = r->page_size;
	uint64_t end = uf_align_up(ufi_object_size(token), page);
	uint8_t has[DOOR_WINDOW];
	uint64_t done = 0;
	int64_t n = -ENXIO;

	while (done < len && offset + done < end) {
		uint64_t most = uf_min(uf_min(len, end - offset) - done, DOOR_WINDOW * page);
		uint64_t run = page;
		int err = ufi_object_has(token, offset + done, most, page, has);

		while (!err && run < most && has[run / page] == has[0])
			run += page;
		n = err ? err : door_own_run(h, addr + done, run, src ? src + done : 0, has[0]);
		if (n > 0)
			done += (uint64_t)n;
		if (n != (int64_t)run)
			break;
	}
	done = uf_align_down(done, page);
	/* What was made anonymous and not filled is the file's again. */
	if (done < len)
		ufi_door_take_back(&h->mmu, r, addr + done, len - done);
	return done ? (int64_t)done : n < 0 ? n : -EFAULT;
}

/*
 * Older kernels do not write so into huge pages that are protected, and say no
 * more than where the pool is empty.
 */
static int64_t door_write_through(struct host *h, struct ufi_range *r, uint64_t addr, uint64_t len,
				  uint64_t src)
{
	int64_t n = door_write_procmem(h, addr, len, src);

	if (n != -ENOMEM || r->page_size == h->mmu.page_size)
		return n;
	if (r->object && r->offset + (addr - r->start) >= ufi_object_size(r->states->token))
		return -ENXIO;
	return door_write_mremap(h, r, addr, len, src);
}

int64_t ufi_door_write(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		       uint64_t src)
{
	if (ufi_door_replaces(r))
		return door_write_own(host_of(mmu), r, addr, len, src);
	switch (r->fill) {
	case UF_FILL_ALIAS:
		return door_write_alias(host_of(mmu), r, addr, len, src);
	case UF_FILL_PROCMEM:
		return door_write_through(host_of(mmu), r, addr, len, src);
	case UF_FILL_MREMAP:
		return door_write_mremap(host_of(mmu), r, addr, len, src);
	case UF_FILL_AUTO:
	case UF_FILL_NONE:
		break;
	}
	return -EOPNOTSUPP;
}

/* A byte per page brings it into the page cache, zeroed. spec: zeropage.4, zeropage.5 */
static int64_t door_zero_alias(struct ufi_range *r, uint64_t addr, uint64_t len)
{
	static const uint8_t zero;
	uint64_t to = door_alias(r, addr);
	uint64_t at;

	for (at = 0; at < len; at += r->page_size) {
		if (ufi_arch_copy(host_ptr(to + at), &zero, 1))
			break;
	}
	return at ? (int64_t)at : door_refusal(r, addr);
}

int64_t ufi_door_write_zero(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	if (ufi_door_replaces(r))
		return door_write_own(host_of(mmu), r, addr, len, 0);
	UF_ASSERT(r->fill == UF_FILL_ALIAS);
	return door_zero_alias(r, addr, len);
}

/* If the file cannot be mapped again the page is at least empty. */
void ufi_door_take_back(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	if (r->fill == UF_FILL_ALIAS)
		UF_SYS3(SYS_madvise, door_alias(r, addr), len, MADV_REMOVE);
	/* Locked memory knows the second one only. */
	else if ((!ufi_door_replaces(r) || !door_give_back(r, addr, len)) &&
		 UF_SYS3(SYS_madvise, addr, len, MADV_DONTNEED) < 0)
		UF_SYS3(SYS_madvise, addr, len, HOST_MADV_DONTNEED_LOCKED);
}
