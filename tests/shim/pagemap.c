/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a program finds in /proc/self/pagemap: which pages were written, by its
 * entries and by PAGEMAP_SCAN. Headers of Debian 12 do not know that yet.
 */
#include "case.h"

#include <sys/uio.h>
#include <sys/wait.h>

#define FEATURE_POISON (UINT64_C(1) << 14)
#define FEATURE_WP_ASYNC (UINT64_C(1) << 15)
#define IOC_POISON                                                                                 \
	_IOWR(                                                                                     \
		UFFDIO, 0x08, struct { uint64_t member[4]; })

#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAP (UINT64_C(1) << 62)
#define ENTRY_FILE (UINT64_C(1) << 61)
#define ENTRY_GUARD (UINT64_C(1) << 58)
#define ENTRY_WP (UINT64_C(1) << 57)
#define ENTRY_TOLD (ENTRY_PRESENT | ENTRY_SWAP | ENTRY_FILE | ENTRY_GUARD | ENTRY_WP)

#define IS_WPALLOWED 1
#define IS_WRITTEN 2
#define IS_PRESENT 8
#define SCAN_WP_MATCHING 1
#define SCAN_CHECK_WPASYNC 2

struct scan_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

struct scan_arg {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end;
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

#define IOC_SCAN _IOWR('f', 16, struct scan_arg)

#define PAGES 6

static int pagemap_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int pagemap_uffd(void)
{
	struct uffdio_api api = {.api = UFFD_API, .features = FEATURE_WP_ASYNC | FEATURE_POISON};
	int uffd = uffd_open(0);

	close(uffd);
	uffd = (int)syscall(SYS_userfaultfd, O_NONBLOCK);
	CHECK(uffd >= 0);
	if (ioctl(uffd, UFFDIO_API, &api))
		skip("this kernel has no UFFD_FEATURE_WP_ASYNC");
	return uffd;
}

static void pagemap_register(int uffd, char *memory, uint64_t mode)
{
	struct uffdio_register reg = {{(uintptr_t)memory, PAGES * page_size}, mode, 0};

	CHECK(ioctl(uffd, UFFDIO_REGISTER, &reg) == 0);
}

static void pagemap_protect(int uffd, char *page, size_t pages)
{
	struct uffdio_writeprotect wp = {{(uintptr_t)page, pages * page_size},
					 UFFDIO_WRITEPROTECT_MODE_WP};

	CHECK(ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) == 0);
}

static void pagemap_poison(int uffd, char *page)
{
	uint64_t arg[4] = {(uintptr_t)page, page_size, 0, 0};

	CHECK(ioctl(uffd, IOC_POISON, arg) == 0);
}

static off_t pagemap_offset(const char *memory)
{
	return (off_t)((uintptr_t)memory / page_size * sizeof(uint64_t));
}

static void entry_is(uint64_t entry, uint64_t told)
{
	CHECK((entry & ENTRY_TOLD) == told);
}

/* Of pages that are written, protected, missing and protected, poisoned, missing. */
static char *pagemap_memory(int uffd)
{
	char *memory = anon_memory(PAGES, PROT_READ | PROT_WRITE);

	memset(memory, 1, 2 * page_size);
	pagemap_register(uffd, memory, UFFDIO_REGISTER_MODE_WP);
	pagemap_protect(uffd, memory + page_size, 2);
	pagemap_poison(uffd, memory + 3 * page_size);
	return memory;
}

static void entries_are(const uint64_t *entry)
{
	entry_is(entry[0], ENTRY_PRESENT);
	entry_is(entry[1], ENTRY_PRESENT | ENTRY_WP);
	entry_is(entry[2], ENTRY_SWAP | ENTRY_WP);
	entry_is(entry[3], ENTRY_SWAP);
	CHECK(entry[4] == 0 && entry[5] == 0);
}

/* However it is opened. */
static void by_name(void)
{
	int uffd = pagemap_uffd();
	char *memory = pagemap_memory(uffd);
	off_t offset = pagemap_offset(memory);
	int dir = open("/proc", O_PATH | O_DIRECTORY);
	char path[4][64];
	uint64_t entry[PAGES];

	snprintf(path[0], sizeof(path[0]), "/proc/self/pagemap");
	snprintf(path[1], sizeof(path[1]), "/proc/%d/pagemap", getpid());
	snprintf(path[2], sizeof(path[2]), "/proc/thread-self/pagemap");
	snprintf(path[3], sizeof(path[3]), "/proc/self/task/%d/pagemap", getpid());
	for (int i = 0; i < 6; i++) {
		int fd = i < 4	  ? pagemap_open(path[i])
			 : i == 4 ? openat(dir, "self/pagemap", O_RDONLY)
				  : (int)syscall(SYS_openat, AT_FDCWD, path[0], O_RDONLY);

		CHECK(fd >= 0);
		memset(entry, 0x55, sizeof(entry));
		CHECK(pread(fd, entry, sizeof(entry), offset) == sizeof(entry));
		entries_are(entry);
		CHECK(close(fd) == 0);
	}
}

/* However it is read. */
static void by_call(void)
{
	int uffd = pagemap_uffd();
	char *memory = pagemap_memory(uffd);
	off_t offset = pagemap_offset(memory);
	int fd = pagemap_open("/proc/self/pagemap");
	int copy = dup(fd);
	uint64_t entry[PAGES];
	void *volatile nowhere = (void *)8; /* the compiler must not know */
	struct iovec iov[2] = {{entry, 8}, {entry + 1, sizeof(entry) - 8}};

	CHECK(lseek(fd, offset, SEEK_SET) == offset);
	CHECK(read(fd, entry, 8) == 8);
	CHECK(lseek(fd, 0, SEEK_CUR) == offset + 8);
	/* A duplicate has the same position. */
	CHECK(read(copy, entry + 1, sizeof(entry) - 8) == sizeof(entry) - 8);
	CHECK(lseek(fd, 0, SEEK_CUR) == offset + (off_t)sizeof(entry));
	entries_are(entry);
	CHECK(close(fd) == 0);
	memset(entry, 0x55, sizeof(entry));
	CHECK(preadv2(copy, iov, 2, offset, 0) == sizeof(entry));
	entries_are(entry);
	memset(entry, 0x55, sizeof(entry));
	CHECK(lseek(copy, offset, SEEK_SET) == offset);
	CHECK(readv(copy, iov, 2) == sizeof(entry));
	entries_are(entry);
	memset(entry, 0x55, sizeof(entry));
	CHECK(syscall(SYS_pread64, copy, entry, sizeof(entry), offset) == sizeof(entry));
	entries_are(entry);
	/* Not in parts of an entry, nor where there is nothing. */
	CHECK_ERR(pread(copy, entry, 12, offset), EINVAL);
	CHECK_ERR(pread(copy, entry, 8, offset + 1), EINVAL);
	CHECK_ERR(pread(copy, nowhere, 8, offset), EFAULT);
	CHECK_ERR(write(copy, entry, 8), EBADF);
	CHECK_ERR(ioctl(copy, 0x1234, entry), EINVAL);
	CHECK(close(copy) == 0);
	CHECK_ERR(pread(copy, entry, 8, offset), EBADF);
}

/* In memory that waits for somebody to fill it. */
static void missing(void)
{
	int uffd = pagemap_uffd();
	char *memory = anon_memory(PAGES, PROT_READ | PROT_WRITE);
	char *shared = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *memories[] = {memory, shared};
	int fd = pagemap_open("/proc/self/pagemap");
	uint64_t entry[PAGES];

	for (int i = 0; i < 2; i++) {
		char *m = memories[i];
		uint64_t file = i ? ENTRY_FILE : 0;

		pagemap_register(uffd, m, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
		CHECK(uffd_fill(uffd, m + page_size, 'x') == 0);
		CHECK(uffd_fill(uffd, m + 2 * page_size, 'y') == 0);
		pagemap_protect(uffd, m + 2 * page_size, 2);
		CHECK(m[page_size] == 'x');
		CHECK(pread(fd, entry, sizeof(entry), pagemap_offset(m)) == sizeof(entry));
		CHECK(entry[0] == 0);
		entry_is(entry[1], ENTRY_PRESENT | file);
		entry_is(entry[2], ENTRY_PRESENT | file | ENTRY_WP);
		entry_is(entry[3], ENTRY_SWAP | ENTRY_WP);
		CHECK(entry[4] == 0);
	}
}

static long pagemap_scan(int fd, char *memory, uint64_t flags, uint64_t mask,
			 struct scan_region *vec)
{
	struct scan_arg arg = {.size = sizeof(arg),
			       .flags = flags,
			       .start = (uintptr_t)memory,
			       .end = (uintptr_t)memory + PAGES * page_size,
			       .vec = (uintptr_t)vec,
			       .vec_len = PAGES,
			       .category_mask = mask,
			       .return_mask = IS_WPALLOWED | IS_WRITTEN | IS_PRESENT};
	long n = ioctl(fd, IOC_SCAN, &arg);

	if (n >= 0)
		CHECK(arg.walk_end == arg.end);
	return n;
}

static void region_is(const struct scan_region *r, char *memory, size_t first, size_t end,
		      uint64_t categories)
{
	CHECK(r->start == (uintptr_t)memory + first * page_size);
	CHECK(r->end == (uintptr_t)memory + end * page_size);
	CHECK(r->categories == categories);
}

static void scan(void)
{
	const uint64_t get = SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC;
	int uffd = pagemap_uffd();
	int fd = pagemap_open("/proc/self/pagemap");
	char *memory = anon_memory(PAGES, PROT_READ | PROT_WRITE);
	struct scan_region vec[PAGES];
	struct scan_arg arg = {.size = 5};

	memset(memory, 1, PAGES * page_size);
	CHECK_ERR(pagemap_scan(fd, memory, get, IS_WRITTEN, vec), EPERM);
	pagemap_register(uffd, memory, UFFDIO_REGISTER_MODE_WP);
	CHECK(pagemap_scan(fd, memory, get, IS_WRITTEN, vec) == 1);
	region_is(vec, memory, 0, PAGES, IS_WPALLOWED | IS_WRITTEN | IS_PRESENT);
	CHECK(pagemap_scan(fd, memory, get, IS_WRITTEN, vec) == 0);
	memory[0] = memory[3 * page_size] = memory[4 * page_size] = 2;
	CHECK(pagemap_scan(fd, memory, 0, IS_WRITTEN, vec) == 2);
	region_is(&vec[1], memory, 3, 5, IS_WPALLOWED | IS_WRITTEN | IS_PRESENT);
	CHECK(pagemap_scan(fd, memory, get, IS_WRITTEN, vec) == 2);
	region_is(&vec[0], memory, 0, 1, IS_WPALLOWED | IS_WRITTEN | IS_PRESENT);
	CHECK(pagemap_scan(fd, memory, get, IS_WRITTEN, vec) == 0);
	CHECK_ERR(ioctl(fd, IOC_SCAN, &arg), EINVAL);
	CHECK_ERR(ioctl(fd, IOC_SCAN, NULL), EFAULT);
}

/* The kernel's own writes count, too. */
static void system_call(void)
{
	const uint64_t get = SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC;
	int uffd = pagemap_uffd();
	int fd = pagemap_open("/proc/self/pagemap");
	char *memory = anon_memory(PAGES, PROT_READ | PROT_WRITE);
	struct scan_region vec[PAGES];
	int pipe_fds[2];

	memset(memory, 1, PAGES * page_size);
	pagemap_register(uffd, memory, UFFDIO_REGISTER_MODE_WP);
	CHECK(pagemap_scan(fd, memory, get, IS_WRITTEN, vec) == 1);
	CHECK(pipe(pipe_fds) == 0);
	CHECK(write(pipe_fds[1], memory, page_size) == (ssize_t)page_size);
	CHECK(read(pipe_fds[0], memory + 2 * page_size, page_size) == (ssize_t)page_size);
	/* And so does an answer of the kernel itself, put into protected memory. */
	CHECK(pagemap_scan(fd, memory, 0, IS_WRITTEN,
			   (struct scan_region *)(memory + 4 * page_size)) == 1);
	region_is((struct scan_region *)(memory + 4 * page_size), memory, 2, 3,
		  IS_WPALLOWED | IS_WRITTEN | IS_PRESENT);
	CHECK(pread(fd, memory, 8, pagemap_offset(memory)) == 8);
	CHECK(pagemap_scan(fd, memory, get, IS_WRITTEN, vec) == 3);
	region_is(&vec[0], memory, 0, 1, IS_WPALLOWED | IS_WRITTEN | IS_PRESENT);
	region_is(&vec[1], memory, 2, 3, IS_WPALLOWED | IS_WRITTEN | IS_PRESENT);
	region_is(&vec[2], memory, 4, 5, IS_WPALLOWED | IS_WRITTEN | IS_PRESENT);
}

/* A child's own memory is not registered, by whichever descriptor it is looked at. */
static void forked(void)
{
	int uffd = pagemap_uffd();
	char *memory = pagemap_memory(uffd);
	off_t offset = pagemap_offset(memory);
	uint64_t entry[PAGES];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = pagemap_open("/proc/self/pagemap");

		CHECK(pread(fd, entry, sizeof(entry), offset) == sizeof(entry));
		entry_is(entry[0], ENTRY_PRESENT);
		entry_is(entry[1], ENTRY_PRESENT);
		CHECK(entry[2] == 0 && entry[4] == 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

const struct test_case pagemap_cases[] = {
	{"pagemap.by_name", by_name},
	{"pagemap.by_call", by_call},
	{"pagemap.missing", missing},
	{"pagemap.scan", scan},
	{"pagemap.system_call", system_call},
	{"pagemap.forked", forked},
	{NULL, NULL},
};
