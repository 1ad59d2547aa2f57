/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns PAGEMAP_SCAN where the host's own page tables are asked: the kernel's ioctl
 * (Linux 6.7), else a walk over the pagemap file; and what is read from that file in
 * the program's name. Descriptors are opened for each question: one that was
 * opened before a fork tells of the memory it was opened for.
 */
#include "mmu/host/internal.h"

/* Entries of the file looked at in one go. */
#define WALK_WINDOW 128

/* The kernel's userfaultfd can protect memory as well, but which the file does not tell. */
static uint64_t walk_categories(uint64_t entry)
{
	uint64_t categories = entry & HOST_ENTRY_PRESENT ? UF_PAGE_IS_PRESENT : 0;

	if (entry & HOST_ENTRY_SWAP)
		categories |= UF_PAGE_IS_SWAPPED;
	if (categories && !(entry & HOST_ENTRY_WP))
		categories |= UF_PAGE_IS_WRITTEN;
	if (entry & HOST_ENTRY_FILE)
		categories |= UF_PAGE_IS_FILE;
	if (entry & HOST_ENTRY_SOFT_DIRTY)
		categories |= UF_PAGE_IS_SOFT_DIRTY;
	if (entry & HOST_ENTRY_GUARD)
		categories |= UF_PAGE_IS_GUARD;
	return categories;
}

static void walk_take(struct ufi_scan *s, uint64_t entry)
{
	uint64_t categories = walk_categories(entry);
	uint64_t end = s->at + s->page;

	if (ufi_region_wants(s, categories)) {
		s->full = ufi_region_room(s, categories, s->at, end) == s->at;
		if (s->full)
			return;
		ufi_region_tell(s, categories, s->at, end);
	}
	s->at = end;
}

static int64_t walk_read(int fd, uint64_t first, uint64_t *entry, size_t n)
{
	long got = UF_SYS4(SYS_pread64, fd, entry, n * sizeof(*entry), first * sizeof(*entry));

	if (got < 0)
		return got;
	return got / (long)sizeof(*entry);
}

static int walk_mapping(int fd, struct ufi_scan *s, uint64_t end)
{
	uint64_t entry[WALK_WINDOW];
	int go = ufi_region_mapping(s, 0);

	if (go <= 0) {
		s->at = end;
		return go;
	}
	while (s->at < end && !s->full) {
		uint64_t npages = uf_min(WALK_WINDOW, (end - s->at) / s->page);
		int64_t n = walk_read(fd, s->at / s->page, entry, npages);

		if (n <= 0)
			return n ? (int)n : -EIO;
		for (int64_t i = 0; i < n && !s->full; i++)
			walk_take(s, entry[i]);
	}
	return 0;
}

static int64_t walk_file(int fd, uint64_t page, struct uf_scan_arg *arg)
{
	struct ufi_scan s = {
		.arg = *arg, .page = page, .region = host_ptr(arg->vec), .at = arg->start};
	int err = 0;

	while (!err && !s.full && s.at < arg->end) {
		uint64_t start;
		uint64_t end;

		err = ufi_maps_extent(s.at, &start, &end);
		if (err == -ENOENT || (!err && start >= arg->end)) {
			s.at = arg->end;
			err = 0;
		} else if (!err) {
			s.at = uf_max(s.at, start);
			err = walk_mapping(fd, &s, uf_min(end, arg->end));
		}
	}
	arg->walk_end = s.at;
	return err ? err : (int64_t)s.n;
}

int64_t ufi_walk_scan(struct uf_mmu *mmu, struct uf_scan_arg *arg)
{
	int fd = ufi_maps_open("self/pagemap", O_RDONLY);
	int64_t n;

	if (fd < 0)
		return fd;
	n = UF_SYS3(SYS_ioctl, fd, UF_IOC_PAGEMAP_SCAN, arg);
	/* This kernel knows no such call, or not all categories; or an emulator answers. */
	if (n < 0 && n != -EPERM)
		n = walk_file(fd, mmu->page_size, arg);
	UF_SYS1(SYS_close, fd);
	return n;
}

static int64_t walk_kernel(uint64_t arg)
{
	int64_t fd = ufi_maps_open("self/pagemap", O_RDONLY);
	int64_t n = fd;

	if (fd >= 0) {
		n = UF_SYS3(SYS_ioctl, fd, UF_IOC_PAGEMAP_SCAN, arg);
		UF_SYS1(SYS_close, fd);
	}
	return n;
}

/* The engine has something to add, or something to take the place of what the kernel lacks. */
int64_t ufi_host_scan(uint64_t arg)
{
	int64_t n;

	if (ufi_host_active())
		return ufi_scan(&ufi_host.mm, arg);
	n = walk_kernel(arg);
	/* So an emulator says it. */
	if ((n == -ENOTTY || n == -ENOSYS) && ufi_host_running())
		n = ufi_scan(&ufi_host.mm, arg);
	return n;
}

/* A window at a time, by way of memory of ours. What the kernel would refuse, it does. */
int64_t ufi_host_pagemap(int fd, void *buf, size_t len, off_t offset)
{
	uint64_t entry[WALK_WINDOW];
	size_t size = sizeof(entry[0]);
	struct ufi_task task;
	size_t done = 0;
	int err = 0;

	if (!ufi_host_active() || offset < 0 || offset % (off_t)size || len % size || !len)
		return UF_SYS4(SYS_pread64, fd, buf, len, offset);
	while (!err && done < len) {
		uint64_t first = ((uint64_t)offset + done) / size;
		int64_t n = walk_read(fd, first, entry, uf_min(WALK_WINDOW, (len - done) / size));

		if (n <= 0) {
			err = (int)n;
			break;
		}
		ufi_scan_entries(&ufi_host.mm, first * ufi_host.mmu.page_size, entry, (size_t)n);
		ufi_task_enter(&task, &ufi_host.mm);
		err = ufi_user_out(&task, (uintptr_t)buf + done, entry, (size_t)n * size);
		ufi_task_leave(&task);
		done += err ? 0 : (size_t)n * size;
	}
	return done ? (int64_t)done : err;
}
