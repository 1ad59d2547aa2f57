/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the table of descriptor numbers that are ours. Lookups take no lock and
 * may race with a close: see struct shim_file. It never looks into a file,
 * except to close it when the last reference has gone.
 *
 * Both the numbers and the files are sparse arrays of blocks, mapped when they
 * are first needed and kept for good.
 */
#include <linux/kcmp.h>
#include <sys/mman.h>

#include "shim/shim.h"

#define BLOCK 4096u  /* entries in a block */
#define BLOCKS 4096u /* numbers up to 2^24; the default limit of a process is 2^20 at most */

struct table_files {
	struct shim_file file[64];
	struct table_files *_Atomic next;
};

static _Atomic(struct shim_file *) *_Atomic table_blocks[BLOCKS];
static struct table_files table_files;
static _Atomic uint32_t table_count;
static _Atomic long table_pid;

static void *table_map(size_t len)
{
	long ret = UF_SYS6(SYS_mmap, 0, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	return ret < 0 && ret >= -4095 ? NULL : (void *)ret;
}

bool ufi_table_any(void)
{
	return atomic_load_explicit(&table_count, memory_order_relaxed) != 0;
}

static _Atomic(struct shim_file *) *table_slot(unsigned int fd)
{
	_Atomic(struct shim_file *) *block;

	if (fd >= BLOCK * BLOCKS)
		return NULL;
	block = atomic_load(&table_blocks[fd / BLOCK]);
	return block ? &block[fd % BLOCK] : NULL;
}

static _Atomic(struct shim_file *) *table_slot_create(unsigned int fd)
{
	size_t len = BLOCK * sizeof(_Atomic(struct shim_file *));
	_Atomic(struct shim_file *) *none = NULL;
	_Atomic(struct shim_file *) *block;

	if (fd >= BLOCK * BLOCKS)
		return NULL;
	if (!table_slot(fd)) {
		block = table_map(len);
		if (!block)
			return NULL;
		if (!atomic_compare_exchange_strong(&table_blocks[fd / BLOCK], &none, block))
			UF_SYS2(SYS_munmap, block, len);
	}
	return table_slot(fd);
}

/* A reference, unless the file is dying. */
static bool table_try(struct shim_file *file)
{
	uint32_t refs = atomic_load(&file->refs);

	while (refs) {
		if (atomic_compare_exchange_weak(&file->refs, &refs, refs + 1))
			return true;
	}
	return false;
}

struct shim_file *ufi_table_get_any(int fd)
{
	_Atomic(struct shim_file *) *slot;
	struct shim_file *file;

	if (fd < 0 || !ufi_table_any())
		return NULL;
	slot = table_slot((unsigned int)fd);
	while (slot && (file = atomic_load(slot)) != NULL) {
		/* A dying file leaves its number before its last reference: look again. */
		if (!table_try(file))
			continue;
		if (atomic_load(slot) == file)
			return file;
		ufi_table_put(file);
	}
	return NULL;
}

struct shim_file *ufi_table_get(int fd)
{
	struct shim_file *file = ufi_table_get_any(fd);

	if (!file || file->kind != SHIM_PAGEMAP)
		return file;
	ufi_table_put(file);
	return NULL;
}

void ufi_table_put(struct shim_file *file)
{
	if (atomic_fetch_sub(&file->refs, 1) != 1)
		return;
	if (file->ops && !atomic_load(&file->inherited))
		file->ops->close(file->ctx);
	atomic_store(&file->used, 0);
}

static struct shim_file *table_file_create(void)
{
	struct table_files *files = &table_files;
	struct table_files *next;
	struct table_files *none;

	for (;; files = next) {
		for (size_t i = 0; i < UF_ARRAY_SIZE(files->file); i++) {
			uint32_t unused = 0;

			if (atomic_compare_exchange_strong(&files->file[i].used, &unused, 1))
				return &files->file[i];
		}
		next = atomic_load(&files->next);
		if (next)
			continue;
		next = table_map(sizeof(*next));
		if (!next)
			return NULL;
		none = NULL;
		if (!atomic_compare_exchange_strong(&files->next, &none, next)) {
			UF_SYS2(SYS_munmap, next, sizeof(*next));
			next = none;
		}
	}
}

/* The number's entry becomes FILE with the reference that comes along, or nothing. */
static void table_exchange(_Atomic(struct shim_file *) *slot, struct shim_file *file)
{
	struct shim_file *old;

	if (file)
		atomic_fetch_add(&table_count, 1);
	old = atomic_exchange(slot, file);
	if (!old)
		return;
	atomic_fetch_sub(&table_count, 1);
	ufi_table_put(old);
}

static int table_add(int fd, enum shim_kind kind, const struct uf_backend_ops *ops, void *ctx,
		     bool writable)
{
	_Atomic(struct shim_file *) *slot = table_slot_create((unsigned int)fd);
	struct shim_file *file;

	if (!slot)
		return -ENOMEM;
	file = table_file_create();
	if (!file)
		return -ENOMEM;
	file->kind = kind;
	file->ops = ops;
	file->ctx = ctx;
	file->writable = writable;
	atomic_store(&file->inherited, false);
	atomic_store(&file->refs, 1);
	table_exchange(slot, file);
	return 0;
}

int ufi_table_add(int fd, const struct uf_backend_ops *ops, void *ctx, bool writable)
{
	return table_add(fd, ops ? SHIM_UFFD : SHIM_DEVICE, ops, ctx, writable);
}

int ufi_table_add_pagemap(int fd)
{
	return table_add(fd, SHIM_PAGEMAP, NULL, NULL, false);
}

int ufi_table_set(int fd, struct shim_file *file)
{
	_Atomic(struct shim_file *) *slot;

	if (!file) {
		slot = table_slot((unsigned int)fd);
		if (slot)
			table_exchange(slot, NULL);
		return 0;
	}
	slot = table_slot_create((unsigned int)fd);
	if (!slot)
		return -ENOMEM;
	atomic_fetch_add(&file->refs, 1);
	table_exchange(slot, file);
	return 0;
}

int ufi_table_next(unsigned int first, unsigned int last)
{
	_Atomic(struct shim_file *) *block;

	if (!ufi_table_any())
		return -1;
	for (unsigned int fd = first; fd <= last && fd < BLOCK * BLOCKS; fd++) {
		block = atomic_load(&table_blocks[fd / BLOCK]);
		if (!block)
			fd |= BLOCK - 1;
		else if (atomic_load(&block[fd % BLOCK]))
			return (int)fd;
	}
	return -1;
}

/*
 * A process that shares our memory but not our descriptors (a child of vfork,
 * most of all, that tidies up before it executes something) closes its own
 * copies. Where the kernel does not say, an entry too many is the lesser evil.
 */
bool ufi_table_mine(void)
{
	long pid = UF_SYS0(SYS_getpid);
	long owner = 0;

	if (atomic_compare_exchange_strong(&table_pid, &owner, pid) || owner == pid)
		return true;
	return UF_SYS5(SYS_kcmp, pid, owner, KCMP_FILES, 0, 0) == 0;
}

/* The device makes new ones, and what other processes use goes on. */
static void table_inherit(struct shim_file *file)
{
	bool goes_on = file->kind == SHIM_DEVICE;

	if (file->kind == SHIM_UFFD && atomic_load(&file->used))
		goes_on = uf_backend_inherits(file->ops, file->ctx);
	if (!goes_on)
		atomic_store(&file->inherited, true);
}

/*
 * The contexts stay the parent's, whose address space they are about. Here
 * the numbers can be closed, and everything else is refused, unless other
 * processes are answered already: then so are we. A pagemap, too, goes on telling
 * of the memory it was opened for, of which nothing is known here.
 */
void ufi_table_forked(void)
{
	uf_backend_forked();
	atomic_store(&table_pid, UF_SYS0(SYS_getpid));
	for (struct table_files *files = &table_files; files; files = atomic_load(&files->next)) {
		for (size_t i = 0; i < UF_ARRAY_SIZE(files->file); i++)
			table_inherit(&files->file[i]);
	}
}
