/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/async.md: which memory can be tracked. */
#include <sys/auxv.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "async.h"
#include "suites.h"

static void async_ioctls(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = t_map(t, 1);
	uint64_t ioctls = 0;

	CHECK_RET(uf_register(uf, addr, t->page, UF_REGISTER_MODE_WP, &ioctls), 0);
	CHECK(ioctls & UINT64_C(1) << UF_NR_WRITEPROTECT);
}

/* Written through the mapping, the page counts, and the file has it. */
static void async_tracks(struct t *t, struct uf *uf, char *addr)
{
	size_t page = t->page;

	CHECK_RET(uf_register(uf, addr, 4 * page, ASYNC_BOTH, NULL), -EINVAL);
	CHECK_RET(uf_register(uf, addr, 4 * page, UF_REGISTER_MODE_MISSING, NULL), -EINVAL);
	CHECK_RET(uf_register(uf, addr, 4 * page, UF_REGISTER_MODE_WP, NULL), 0);
	async_protect(t, uf, addr, 4);
	CHECK_EQ(async_written(t, addr, 4), 0);
	CHECK_EQ(addr[0], 0);
	CHECK_EQ(t_access(addr + page, T_WRITE).sig, 0);
	CHECK_EQ(t_access(addr + 3 * page, T_WRITE).sig, 0);
	CHECK_EQ(async_written(t, addr, 4), 2 | 8);
	CHECK_EQ(addr[page], T_MARK);
	t_message_none(uf);
}

static int async_file(struct t *t, size_t npages)
{
	char path[] = "/var/tmp/uf-async-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0)
		t_skip("no file can be made in /var/tmp: %s", strerrordesc_np(errno));
	unlink(path);
	CHECK_EQ(ftruncate(fd, (off_t)(npages * t->page)), 0);
	return fd;
}

static void async_file_shared(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *without = t_open(t, 0, 0);
	size_t page = t->page;
	int fd = async_file(t, 4);
	char *addr = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char byte = 0;

	t_adopt(t, addr, 4 * page, fd);
	if (uf_register(without, addr, 4 * page, UF_REGISTER_MODE_WP, NULL) == 0)
		t_skip("/var/tmp is a tmpfs");
	async_tracks(t, uf, addr);
	CHECK_EQ(pread(fd, &byte, 1, (off_t)page), 1);
	CHECK_EQ(byte, T_MARK);
	/* Written past the mapping, it does not. */
	CHECK_EQ(pwrite(fd, "z", 1, 0), 1);
	CHECK_EQ(addr[0], 'z');
	CHECK_EQ(async_written(t, addr, 4), 2 | 8);
	/* Written back to the disk, the page counts as before, and again after the next write. */
	CHECK_EQ(msync(addr, 4 * page, MS_SYNC), 0);
	CHECK_EQ(async_written(t, addr, 4), 2 | 8);
	async_protect(t, uf, addr, 4);
	addr[page] = 1;
	CHECK_EQ(async_written(t, addr, 4), 2);
}

static void async_file_private(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *without = t_open(t, 0, 0);
	size_t page = t->page;
	int fd = async_file(t, 4);
	char *addr = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char byte = 1;

	t_adopt(t, addr, 4 * page, fd);
	if (uf_register(without, addr, 4 * page, UF_REGISTER_MODE_WP, NULL) == 0)
		t_skip("/var/tmp is a tmpfs");
	async_tracks(t, uf, addr);
	CHECK_EQ(pread(fd, &byte, 1, (off_t)page), 1);
	CHECK_EQ(byte, 0);
}

/* Given back, its pages come from the file again, and keep their protection. */
static void async_file_dontneed(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	int fd = async_file(t, 4);
	char *addr = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	t_needs_linux();
	t_adopt(t, addr, 4 * page, fd);
	memset(addr, 1, 2 * page);
	CHECK_RET(uf_register(uf, addr, 4 * page, UF_REGISTER_MODE_WP, NULL), 0);
	async_protect(t, uf, addr, 4);
	addr[page] = 2;
	CHECK_RET(uf_madvise(addr, 4 * page, MADV_FREE), -EINVAL);
	CHECK_EQ(addr[0], 1);
	CHECK_RET(uf_madvise(addr, 4 * page, MADV_DONTNEED), 0);
	CHECK_EQ(async_written(t, addr, 4), 2);
	CHECK_EQ(addr[0], 0);
	CHECK_EQ(async_written(t, addr, 4), 2);
	addr[0] = 3;
	CHECK_EQ(async_written(t, addr, 4), 1 | 2);
	t_message_none(uf);
}

/* What never can be written: the right to it is asked for as for other memory. */
static void async_file_read_only(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t len = 4 * t->page;
	int fd = async_file(t, 4);
	char path[64];
	char *addr;
	int ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(ro >= 0);
	addr = mmap(NULL, len, PROT_READ, MAP_SHARED, ro, 0);
	t_adopt(t, addr, len, fd);
	CHECK_RET(uf_register(uf, addr, len, UF_REGISTER_MODE_WP, NULL), -EPERM);
	addr = mmap(NULL, len, PROT_READ, MAP_PRIVATE, ro, 0);
	t_adopt(t, addr, len, ro);
	CHECK_RET(uf_register(uf, addr, len, UF_REGISTER_MODE_WP, NULL), 0);
	async_protect(t, uf, addr, 4);
	CHECK_EQ(t_access(addr, T_WRITE).sig, SIGSEGV);
	CHECK_RET(uf_mprotect(addr, len, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(async_written(t, addr, 4), 0);
	CHECK_EQ(t_access(addr, T_WRITE).sig, 0);
	CHECK_EQ(async_written(t, addr, 4), 1);
}

static void async_memfd_private(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t len = 4 * t->page;
	int fd = memfd_create("async", MFD_CLOEXEC);
	char byte = 1;
	char *addr;

	CHECK_EQ(ftruncate(fd, (off_t)len), 0);
	addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	t_adopt(t, addr, len, fd);
	CHECK_RET(uf_register(uf, addr, len, UF_REGISTER_MODE_WP, NULL), 0);
	async_protect(t, uf, addr, 4);
	CHECK_EQ(async_written(t, addr, 4), 0);
	CHECK_EQ(addr[0], 0);
	CHECK_EQ(t_access(addr + t->page, T_WRITE).sig, 0);
	CHECK_EQ(async_written(t, addr, 4), 2);
	CHECK_EQ(pread(fd, &byte, 1, (off_t)t->page), 1);
	CHECK_EQ(byte, 0);
	t_message_none(uf);
}

/* The kernel's own code, which the program can only read and run. */
static void async_vdso(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);

	if (!vdso)
		t_skip("no vdso here");
	CHECK_RET(uf_register(uf, vdso, t->page, UF_REGISTER_MODE_WP, NULL), -EINVAL);
}

/* The program's own code. */
static void async_text(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *text = (char *)((uintptr_t)async_vdso & ~(uintptr_t)(t->page - 1));

	CHECK_RET(uf_register(uf, text, t->page, UF_REGISTER_MODE_WP, NULL), 0);
	async_protect(t, uf, text, 1);
	CHECK_EQ(async_written(t, text, 1), 0);
	CHECK_EQ(t_access(text, T_WRITE).sig, SIGSEGV);
	CHECK_EQ(async_written(t, text, 1), 0);
	t_message_none(uf);
}

/* What fills pages does not work there, though REGISTER tells it. */
static void async_file_fill(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *without = t_open(t, 0, 0);
	size_t page = t->page;
	int fd = async_file(t, 4);
	static const int flags[] = {MAP_SHARED, MAP_PRIVATE};
	char *src = t_buffer(t, 1);

	for (size_t i = 0; i < 2; i++) {
		char *addr = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, flags[i], fd, 0);
		struct uf_io_copy copy = {(uintptr_t)addr, (uintptr_t)src, page, 0, 1};
		struct uf_io_zeropage zero = {{(uintptr_t)addr, page}, 0, 1};

		t_adopt(t, addr, 4 * page, i ? -1 : fd);
		if (uf_register(without, addr, 4 * page, UF_REGISTER_MODE_WP, NULL) == 0)
			t_skip("/var/tmp is a tmpfs");
		CHECK_RET(uf_register(uf, addr, 4 * page, UF_REGISTER_MODE_WP, NULL), 0);
		CHECK_RET(uf_ioctl(uf, UF_IOC_COPY, &copy), -EINVAL);
		CHECK_EQ(copy.copy, -EINVAL);
		CHECK_RET(uf_ioctl(uf, UF_IOC_ZEROPAGE, &zero), -EINVAL);
		CHECK_EQ(zero.zeropage, -EINVAL);
		CHECK_RET(uf_continue(uf, addr, page, 0, NULL), -EINVAL);
		CHECK_RET(uf_poison(uf, addr, page, 0, NULL), -EINVAL);
	}
	t_message_none(uf);
}

/* Unregistered, it is memory that could not be registered, for this context as well. */
static void async_file_unregister(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *without = t_open(t, 0, 0);
	size_t page = t->page;
	int fd = async_file(t, 4);
	char *addr = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	t_adopt(t, addr, 4 * page, fd);
	if (uf_register(without, addr, 4 * page, UF_REGISTER_MODE_WP, NULL) == 0)
		t_skip("/var/tmp is a tmpfs");
	CHECK_RET(uf_register(uf, addr, 4 * page, UF_REGISTER_MODE_WP, NULL), 0);
	async_protect(t, uf, addr, 4);
	CHECK_RET(uf_unregister(uf, addr, 2 * page), 0);
	CHECK_RET(uf_unregister(uf, addr, 4 * page), -EINVAL);
	CHECK_EQ(t_access(addr, T_WRITE).sig, 0);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WPALLOWED), 4 | 8);
	CHECK_EQ(async_written(t, addr + 2 * page, 2), 0);
}

static void async_sysv(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *without = t_open(t, 0, 0);
	size_t len = 4 * t->page;
	int id = shmget(IPC_PRIVATE, len, 0600);
	char *addr;

	if (id < 0)
		t_skip("no System V shared memory: %s", strerrordesc_np(errno));
	addr = shmat(id, NULL, 0);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	t_adopt(t, addr, len, -1);
	CHECK_RET(uf_register(without, addr, len, UF_REGISTER_MODE_WP, NULL), -EINVAL);
	async_tracks(t, uf, addr);
}

static void async_secret(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *without = t_open(t, 0, 0);
	size_t len = 4 * t->page;
	int fd = (int)syscall(447 /* memfd_secret */, O_CLOEXEC);
	char *addr;

	if (fd < 0 || ftruncate(fd, (off_t)len))
		t_skip("no memfd_secret: %s", strerrordesc_np(errno));
	addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	t_adopt(t, addr, len, fd);
	CHECK_RET(uf_register(without, addr, len, UF_REGISTER_MODE_WP, NULL), -EINVAL);
	async_tracks(t, uf, addr);
}

const struct t_case async_memory_cases[] = {
	CASE("async.8", async_ioctls, T_ALL),
	CASE("async.8", async_file_shared, T_ONCE),
	CASE("async.8", async_file_private, T_ONCE),
	CASE("async.8", async_sysv, T_ONCE),
	CASE("async.8", async_secret, T_ONCE),
	CASE("async.8, async.13", async_file_dontneed, T_ONCE),
	CASE("async.8", async_file_read_only, T_ONCE),
	CASE("async.8", async_memfd_private, T_ONCE),
	CASE("async.8", async_vdso, T_ONCE),
	CASE("async.8, async.12", async_text, T_ONCE),
	CASE("async.9", async_file_fill, T_ONCE),
	CASE("async.10", async_file_unregister, T_ONCE),
	{0},
};
