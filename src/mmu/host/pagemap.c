/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the question which pages exist: in the page tables (PAGEMAP_SCAN, else
 * the pagemap file, else mincore) and in the page cache (the object's descriptor,
 * else mincore).
 */
#include "mmu/host/internal.h"

/* Bits of an entry of the file; a guard marker is told as swapped, too. */
#define PAGEMAP_POPULATED (HOST_ENTRY_PRESENT | HOST_ENTRY_SWAP)

/* Entries, or bytes of a mincore vector, looked at in one go. */
#define PAGEMAP_WINDOW 512

/* GUARD: the bit by which this kernel tells guard markers apart, 0 before Linux 6.15. */
static int pagemap_scan(int fd, uint64_t addr, uint64_t limit, uint64_t guard, uint64_t *start,
			uint64_t *end)
{
	struct uf_scan_region region;
	struct uf_scan_arg scan = {
		.size = sizeof(scan),
		.start = addr,
		.end = limit,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_inverted = guard,
		.category_mask = guard,
		.category_anyof_mask = UF_PAGE_IS_PRESENT | UF_PAGE_IS_SWAPPED,
		.return_mask = UF_PAGE_IS_PRESENT | UF_PAGE_IS_SWAPPED,
	};
	long n = UF_SYS3(SYS_ioctl, fd, UF_IOC_PAGEMAP_SCAN, &scan);

	if (n < 0)
		return (int)n;
	if (n == 0)
		return -ENOENT;
	*start = region.start;
	*end = region.end;
	return 0;
}

/* vec[i] = 1 for each populated page of the window. */
static int pagemap_read(int fd, uint64_t addr, uint64_t npages, uint64_t page, uint8_t *vec)
{
	uint64_t entry[PAGEMAP_WINDOW];
	long n = UF_SYS4(SYS_pread64, fd, entry, npages * sizeof(entry[0]),
			 addr / page * sizeof(entry[0]));

	if (n != (long)(npages * sizeof(entry[0])))
		return n < 0 ? (int)n : -EIO;
	for (uint64_t i = 0; i < npages; i++)
		vec[i] = (entry[i] & PAGEMAP_POPULATED) && !(entry[i] & HOST_ENTRY_GUARD);
	return 0;
}

/*
 * Without /proc. mincore does not count swap entries, so what is swapped out is
 * asked back in first.
 */
static int pagemap_mincore(uint64_t addr, uint64_t len, uint64_t page, uint8_t *vec)
{
	long err;

	UF_SYS3(SYS_madvise, addr, len, MADV_WILLNEED);
	err = UF_SYS3(SYS_mincore, addr, len, vec);
	for (uint64_t i = 0; !err && i < len / page; i++)
		vec[i] &= 1;
	return (int)err;
}

static int pagemap_walk(int fd, uint64_t addr, uint64_t limit, uint64_t page, uint64_t *start,
			uint64_t *end)
{
	uint8_t vec[PAGEMAP_WINDOW];
	bool inside = false;

	for (uint64_t at = addr; at < limit; at += PAGEMAP_WINDOW * page) {
		uint64_t npages = uf_min(PAGEMAP_WINDOW, (limit - at) / page);
		int err = fd >= 0 ? pagemap_read(fd, at, npages, page, vec)
				  : pagemap_mincore(at, npages * page, page, vec);

		if (err)
			return err;
		for (uint64_t i = 0; i < npages; i++) {
			if (vec[i] == inside)
				continue;
			*(inside ? end : start) = at + i * page;
			if (inside)
				return 0;
			inside = true;
		}
	}
	*end = limit;
	return inside ? 0 : -ENOENT;
}

int ufi_pagemap_populated(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t *start,
			  uint64_t *end)
{
	int fd = ufi_maps_open("self/pagemap", O_RDONLY);
	int err = -ENOTTY;

	if (fd >= 0)
		err = pagemap_scan(fd, addr, r->end, UF_PAGE_IS_GUARD, start, end);
	if (err == -EINVAL)
		err = pagemap_scan(fd, addr, r->end, 0, start, end);
	/* Any other error is that of a kernel, or an emulator, that knows no such call. */
	if (err && err != -ENOENT)
		err = pagemap_walk(fd, addr, r->end, mmu->page_size, start, end);
	if (fd >= 0)
		UF_SYS1(SYS_close, fd);
	return err;
}

/* The mapping has a page there, which is the file's and not its own. */
static bool pagemap_is_of_file(int fd, uint64_t addr, uint64_t page)
{
	uint64_t entry = 0;

	return UF_SYS4(SYS_pread64, fd, &entry, sizeof(entry), addr / page * sizeof(entry)) ==
		       sizeof(entry) &&
	       (entry & PAGEMAP_POPULATED) && (entry & HOST_ENTRY_FILE);
}

/*
 * Nothing tells which huge pages an object has but an access to it, which gives
 * it those that it has not. So it is made in a private mapping, at AT: that gets
 * the object's page where there is one, and else one of its own, of which nobody
 * hears. If the pool has none to spare it gets none, which says the same. It is a
 * system call's access, as a signal handler may have SIGBUS blocked.
 */
static int pagemap_look_huge(const struct ufi_range *r, uint64_t at, uint64_t len, uint8_t *vec)
{
	int fd = ufi_maps_open("self/pagemap", O_RDONLY);

	if (fd < 0)
		return fd;
	for (uint64_t i = 0; i < len / r->page_size; i++, at += r->page_size) {
		vec[i] = UF_SYS3(SYS_madvise, at, r->page_size, HOST_MADV_POPULATE_READ) == 0 &&
			 pagemap_is_of_file(fd, at, ufi_host.mmu.page_size);
		UF_SYS3(SYS_madvise, at, r->page_size, MADV_DONTNEED);
	}
	UF_SYS1(SYS_close, fd);
	return 0;
}

static int pagemap_cached_huge(const struct ufi_range *r, uint64_t addr, uint64_t len, uint8_t *vec)
{
	uint64_t token = r->states->token;
	uint64_t at;
	long ret;
	int err;

	memset(vec, 0, len / r->page_size);
	if (!r->object || ufi_object_empty(token))
		return 0;
	at = ufi_arena_take_aligned(len, r->page_size);
	if (!at)
		return -ENOMEM;
	ret = UF_SYS6(SYS_mmap, at, len, PROT_READ, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED,
		      ufi_object_fd(token), r->offset + (addr - r->start));
	err = ret == (long)at ? pagemap_look_huge(r, at, len, vec) : (int)ret;
	ufi_arena_give(at, len);
	return err;
}

/*
 * mincore tells of the page cache where the mapping has no page of its own: of
 * a shared one's alias, and of the missing pages of a private mapping.
 */
int ufi_pagemap_cached(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		       uint8_t *vec)
{
	uint64_t token = r->states->token;
	uint64_t at = (r->shared ? r->alias : r->start) + (addr - r->start);

	if (r->page_size > mmu->page_size)
		return pagemap_cached_huge(r, addr, len, vec);
	if (token &&
	    ufi_object_has(token, r->offset + (addr - r->start), len, mmu->page_size, vec) == 0)
		return 0;
	return pagemap_mincore(at, len, mmu->page_size, vec);
}

bool ufi_pagemap_works(void)
{
	uint64_t here = 0;
	uint64_t page = ufi_host.mmu.page_size;
	uint8_t vec = 0;
	int fd = ufi_maps_open("self/pagemap", O_RDONLY);
	int err = fd;

	if (fd >= 0) {
		err = pagemap_read(fd, uf_align_down((uintptr_t)&here, page), 1, page, &vec);
		UF_SYS1(SYS_close, fd);
	}
	return !err && vec;
}
