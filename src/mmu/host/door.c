/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the doors: how content enters a page that the program cannot reach.
 * Never through the program's own address while it is open.
 */
#include "mmu/host/internal.h"

static uint64_t door_alias(const struct ufi_range *r, uint64_t addr)
{
	return r->alias + (addr - r->start);
}

static bool door_readable(uint64_t from)
{
	uint8_t byte;

	return ufi_arch_copy(&byte, host_ptr(from), 1) == 0;
}

/*
 * Whole pages count, whichever side stopped them: the next call meets the
 * reason. The page at hand may have come into the object in part.
 * spec: copy.7, copy.9
 */
static int64_t door_write_alias(struct host *h, struct ufi_range *r, uint64_t addr, uint64_t len,
				uint64_t src)
{
	uint64_t n = len - ufi_arch_copy(host_ptr(door_alias(r, addr)), host_ptr(src), len);
	uint64_t whole = uf_align_down(n, h->mmu.page_size);

	if (whole < n)
		ufi_door_take_back(&h->mmu, r, addr + whole, h->mmu.page_size);
	if (whole)
		return (int64_t)whole;
	return n == 0 && door_readable(src) ? -ENXIO : -EFAULT;
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

/* The pages are made elsewhere and take the place of the closed ones. */
static int64_t door_write_mremap(struct host *h, uint64_t addr, uint64_t len, uint64_t src)
{
	uint64_t page = h->mmu.page_size;
	long made = UF_SYS6(SYS_mmap, 0, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	uint64_t whole;
	long ret;

	if (made < 0 && made > -4096)
		return -ENOMEM;
	whole = uf_align_down(len - ufi_arch_copy((void *)made, host_ptr(src), len), page);
	if (!whole) {
		UF_SYS2(SYS_munmap, made, len);
		return -EFAULT;
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

int64_t ufi_door_write(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		       uint64_t src)
{
	switch (r->fill) {
	case UF_FILL_ALIAS:
		return door_write_alias(host_of(mmu), r, addr, len, src);
	case UF_FILL_PROCMEM:
		return door_write_procmem(host_of(mmu), addr, len, src);
	case UF_FILL_MREMAP:
		return door_write_mremap(host_of(mmu), addr, len, src);
	case UF_FILL_AUTO:
	case UF_FILL_NONE:
		break;
	}
	return -EOPNOTSUPP;
}

/* A byte per page brings it into the page cache, zeroed. spec: zeropage.4, zeropage.5 */
int64_t ufi_door_write_zero(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	static const uint8_t zero;
	uint64_t to = door_alias(r, addr);
	uint64_t at;

	UF_ASSERT(r->fill == UF_FILL_ALIAS);
	for (at = 0; at < len; at += mmu->page_size) {
		if (ufi_arch_copy(host_ptr(to + at), &zero, 1))
			break;
	}
	return at ? (int64_t)at : -ENXIO;
}

void ufi_door_take_back(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	if (r->fill == UF_FILL_ALIAS)
		UF_SYS3(SYS_madvise, door_alias(r, addr), len, MADV_REMOVE);
	/* Locked memory knows the second one only. */
	else if (UF_SYS3(SYS_madvise, addr, len, MADV_DONTNEED) < 0)
		UF_SYS3(SYS_madvise, addr, len, HOST_MADV_DONTNEED_LOCKED);
}
