/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns descriptors of the objects behind mappings. Only a descriptor
 * tells which pages an object has: mincore is asked otherwise, and to that a page
 * that has been swapped out is as good as none.
 *
 * One is had by opening anew what the program itself has open, or by privilege.
 * The offset of what is opened so is ours alone. All of this is called with the
 * registry locked for writing, but for the question itself.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mmu/host/internal.h"

/* More objects than this, at once, are asked about by mincore. */
#define OBJECTS 32

/* Descriptors of the program that are looked at. */
#define OBJECT_FDS 4096

/* cachestat(2), which Debian 12's headers lack. */
#define OBJECT_SYS_CACHESTAT 451

struct object_span {
	uint64_t offset;
	uint64_t len;
};

struct object_cache {
	uint64_t present;
	uint64_t dirty;
	uint64_t writeback;
	uint64_t evicted; /* of shared memory: in swap */
	uint64_t recently_evicted;
};

struct object {
	uint32_t refs;
	int fd;
	bool writable;	       /* by the descriptor: it cannot become smaller */
	_Atomic uint64_t size; /* then: it was so large once */
	uint64_t id;
};

static struct object objects[OBJECTS];

static bool object_is(int fd, uint32_t dev, uint64_t inode)
{
	struct stat st;

	return UF_SYS2(SYS_fstat, fd, &st) == 0 && st.st_ino == inode &&
	       ((uint32_t)major(st.st_dev) << 20 | (uint32_t)minor(st.st_dev)) == dev;
}

/* The program has it open: a descriptor of our own, or -ENOENT. */
static int object_reopen(uint32_t dev, uint64_t inode, int flags)
{
	for (int fd = 0; fd < OBJECT_FDS; fd++) {
		int ours;

		if (ufi_host_owns_fd(fd) || !object_is(fd, dev, inode))
			continue;
		ours = ufi_maps_open_fd(fd, flags);
		if (ours >= 0 && object_is(ours, dev, inode))
			return ours;
		if (ours >= 0)
			UF_SYS1(SYS_close, ours);
	}
	return -ENOENT;
}

int ufi_object_open(uint64_t addr, int flags)
{
	uint64_t offset;
	uint64_t inode;
	uint32_t dev;
	int fd;

	if (ufi_maps_identity(addr, &dev, &inode))
		return -ENOENT;
	fd = ufi_maps_object(addr, &offset, flags);
	return fd >= 0 ? fd : object_reopen(dev, inode, flags);
}

/* MAP_SHARED | MAP_ANONYMOUS. */
static bool object_is_nameless(int fd)
{
	struct stat st;

	return ufi_maps_fd_is(fd, "/dev/zero (deleted)") > 0 && UF_SYS2(SYS_fstat, fd, &st) == 0 &&
	       object_is(fd, ufi_host.shmem_dev, st.st_ino);
}

/*
 * May it be written to by a descriptor? Who writes beyond the end makes an object
 * larger, so it has to be one that nobody can make smaller meanwhile.
 */
static bool object_keeps_size(int fd)
{
	long seals = UF_SYS2(SYS_fcntl, fd, F_GET_SEALS);

	if (seals < 0 || (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return false;
	return (seals & F_SEAL_SHRINK) || object_is_nameless(fd);
}

/* Instead of FD, if that can be had. */
static int object_make_writable(int fd, bool *writable)
{
	int better = object_keeps_size(fd) ? ufi_maps_open_fd(fd, O_RDWR) : -ENOENT;

	*writable = better >= 0;
	if (better < 0)
		return fd;
	UF_SYS1(SYS_close, fd);
	return better;
}

uint64_t ufi_object_get(uint64_t addr, uint64_t id)
{
	struct object *free = NULL;
	bool writable;
	int fd;

	for (size_t i = 0; i < OBJECTS; i++) {
		struct object *o = &objects[i];

		if (o->refs && o->id == id) {
			o->refs++;
			return i + 1;
		}
		if (!o->refs)
			free = o;
	}
	fd = free ? ufi_object_open(addr, O_RDONLY) : -ENOENT;
	if (fd < 0)
		return 0;
	fd = ufi_host_take_fd(object_make_writable(fd, &writable));
	if (fd < 0)
		return 0;
	*free = (struct object){.refs = 1, .fd = fd, .writable = writable, .id = id};
	return (uint64_t)(free - objects) + 1;
}

void ufi_object_hold(uint64_t token)
{
	objects[token - 1].refs++;
}

void ufi_object_put(struct uf_mmu *mmu, uint64_t token)
{
	struct object *o = &objects[token - 1];

	if (--o->refs == 0)
		ufi_host_disown_fd(o->fd);
}

/* Pieces of one range follow each other. */
static uint32_t object_users(const struct ufi_mm *mm, uint64_t token)
{
	const struct ufi_table *table = mm->table;
	const struct ufi_states *last = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < table->n; i++) {
		const struct ufi_states *states = table->range[i]->states;

		n += states != last && states->token == token;
		last = states;
	}
	return n;
}

/*
 * Where pages of a private mapping have become anonymous nothing in the child tells
 * what file it is of: the descriptors are the parent's.
 */
void ufi_object_forked(const struct ufi_mm *mm)
{
	for (uint64_t i = 0; i < OBJECTS; i++) {
		struct object *o = &objects[i];
		uint32_t users = o->refs ? object_users(mm, i + 1) : 0;

		if (o->refs && !users)
			ufi_host_disown_fd(o->fd);
		o->refs = users;
	}
}

bool ufi_object_holds(int fd)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		if (objects[i].refs && objects[i].fd == fd)
			return true;
	}
	return false;
}

int ufi_object_fd(uint64_t token)
{
	return objects[token - 1].fd;
}

uint64_t ufi_object_size(uint64_t token)
{
	struct stat st;

	return UF_SYS2(SYS_fstat, objects[token - 1].fd, &st) ? 0 : (uint64_t)st.st_size;
}

int ufi_object_writable_fd(uint64_t token, uint64_t end)
{
	struct object *o = token ? &objects[token - 1] : NULL;

	if (!o || !o->writable)
		return -1;
	if (end > atomic_load(&o->size))
		atomic_store(&o->size, ufi_object_size(token));
	return end <= atomic_load(&o->size) ? o->fd : -1;
}

bool ufi_object_empty(uint64_t token)
{
	struct stat st;

	return UF_SYS2(SYS_fstat, objects[token - 1].fd, &st) == 0 && st.st_blocks == 0;
}

/*
 * How many pages of the span the object has, in memory or in swap. Those that
 * were only allocated count, as they do for the kernel.
 */
static long object_count(int fd, uint64_t offset, uint64_t len)
{
	const struct object_span span = {offset, len};
	struct object_cache cache;
	long err = UF_SYS4(OBJECT_SYS_CACHESTAT, fd, &span, &cache, 0);

	return err ? err : (long)(cache.present + cache.evicted);
}

/* Mostly a span has all of its pages or none. */
static int object_ask(int fd, uint64_t offset, uint64_t len, uint64_t page, uint8_t *vec)
{
	long n = object_count(fd, offset, len);
	uint64_t half = uf_align_up(len / 2, page);
	int err;

	if (n < 0)
		return (int)n;
	if (n == 0 || len == page || (uint64_t)n == len / page) {
		memset(vec, n > 0, len / page);
		return 0;
	}
	err = object_ask(fd, offset, half, page, vec);
	return err ? err : object_ask(fd, offset + half, len - half, page, vec + half / page);
}

/* Before Linux 6.5. The next hole is not asked for: it may be far, and the way there long. */
static int object_seek(int fd, uint64_t offset, uint64_t len, uint64_t page, uint8_t *vec)
{
	uint64_t at = offset;

	memset(vec, 0, len / page);
	while (at < offset + len) {
		long data = UF_SYS3(SYS_lseek, fd, at, SEEK_DATA);

		if (data == -ENXIO || (data >= 0 && (uint64_t)data >= offset + len))
			return 0;
		if (data < 0)
			return (int)data;
		at = uf_align_down((uint64_t)data, page);
		vec[(at - offset) / page] = 1;
		at += page;
	}
	return 0;
}

int ufi_object_has(uint64_t token, uint64_t offset, uint64_t len, uint64_t page, uint8_t *vec)
{
	int fd = objects[token - 1].fd;

	return object_ask(fd, offset, len, page, vec) ? object_seek(fd, offset, len, page, vec) : 0;
}
