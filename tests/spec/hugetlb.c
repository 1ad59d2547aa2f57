/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/hugetlb.md */
#include <sys/mount.h>

#include "fill.h"
#include "suites.h"

#define MINOR UF_REGISTER_MODE_MINOR
#define WP UF_REGISTER_MODE_WP
#define MISSING UF_REGISTER_MODE_MISSING

static size_t hugetlb_small(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void hugetlb_watched(struct t *t, struct uf *uf, char *addr)
{
	struct t_thread th;

	t_thread_faults(t, &th, uf, addr, T_READ, 0);
	t_fill(t, uf, addr, 0x21, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0x21);
}

static int hugetlb_register(struct uf *uf, char *addr, size_t len)
{
	return uf_register(uf, addr, len, MISSING, NULL);
}

static void hugetlb_aligned(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *other = t_open(t, 0, 0);
	size_t page = t->page;
	size_t small = hugetlb_small();
	char *addr = t_map(t, 4);

	CHECK_RET(hugetlb_register(uf, addr + small, page), -EINVAL);
	CHECK_RET(hugetlb_register(uf, addr, page + small), -EINVAL);
	/* In the hole before it; the hole behind it is no matter. */
	CHECK_RET(hugetlb_register(uf, addr - small, page + small), -EINVAL);
	CHECK_RET(hugetlb_register(uf, addr + 3 * page, page + small), 0);
	CHECK_RET(uf_unregister(uf, addr + 3 * page, page + small), 0);
	/* Before the owner. */
	t_register(other, addr, 2 * page);
	CHECK_RET(hugetlb_register(uf, addr, page + small), -EINVAL);
	CHECK_RET(hugetlb_register(uf, addr, page), -EBUSY);
	CHECK_RET(uf_unregister(other, addr + small, page - small), -EINVAL);
	CHECK_RET(uf_unregister(other, addr - small, page + small), -EINVAL);
	CHECK_RET(uf_unregister(other, addr, small), -EINVAL);
	hugetlb_watched(t, other, addr);
	hugetlb_watched(t, other, addr + page);
	t_message_none(uf);
}

/* Other memory comes first in the range: only the end is judged. */
static void hugetlb_second(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	size_t small = hugetlb_small();
	char *addr = t_map(t, 2);
	char *before = mmap(addr - small, small, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	t_adopt(t, before, small, -1);
	if (t_forced(t) && t_shared(t))
		t_skip("the strategy that is forced serves no private memory");
	CHECK_RET(hugetlb_register(uf, before, small + page / 2), -EINVAL);
	CHECK_RET(hugetlb_register(uf, before, small + page), 0);
	hugetlb_watched(t, uf, addr);
	CHECK_RET(uf_zeropage(uf, before, small, 0, NULL), 0);
}

static void hugetlb_told(struct t *t)
{
	static const uint64_t always = 1u << UF_NR_WAKE | 1u << UF_NR_COPY | 1u << UF_NR_POISON;
	struct uf *uf = t_open_mode(t, MINOR | WP, 0);

	t_needs_features(t, UF_FEATURE_POISON);
	for (uint64_t mode = 1; mode < 8; mode++) {
		char *addr = t_map(t, 1);
		uint64_t want = always | (mode & WP ? 1u << UF_NR_WRITEPROTECT : 0) |
				(mode & MINOR ? 1u << UF_NR_CONTINUE : 0);
		uint64_t ioctls = 0;

		CHECK_RET(uf_register(uf, addr, t->page, mode, &ioctls), 0);
		CHECK_EQ(ioctls, want);
		CHECK_RET(uf_munmap(addr, t->page), 0);
	}
}

static void hugetlb_fill_aligned(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR | WP, 0);
	size_t page = t->page;
	size_t small = hugetlb_small();
	char *addr = t_map(t, 3);
	char *nowhere = t_buffer(t, 1) - small;
	char *plain = t_registered(t, uf, 1);

	t_register_mode(uf, addr, 3 * page, MISSING | MINOR | WP);
	fill_check(t, uf, FILL_COPY, addr + small, page, 0, -EINVAL, -EINVAL);
	fill_check(t, uf, FILL_COPY, addr, page - small, 0, -EINVAL, -EINVAL);
	fill_check(t, uf, FILL_COPY, nowhere, small, 0, -ENOENT, -ENOENT);
	fill_check(t, uf, FILL_COPY, plain, small, UF_COPY_MODE_WP, -EINVAL, -EINVAL);
	for (size_t i = 0; i < 2; i++) {
		struct uf_io_range range = {(uintptr_t)addr + (i ? 0 : small), i ? small : page};
		struct uf_io_continue cont = {range, 0, FILL_KEPT};
		struct uf_io_poison poison = {range, 0, FILL_KEPT};

		CHECK_RET(uf_ioctl(uf, UF_IOC_CONTINUE, &cont), -EINVAL);
		CHECK_EQ(cont.mapped, -EINVAL);
		CHECK_RET(uf_ioctl(uf, UF_IOC_POISON, &poison), -EINVAL);
		CHECK_EQ(poison.updated, -EINVAL);
		CHECK_RET(uf_writeprotect(uf, (char *)(uintptr_t)range.start, range.len, WP),
			  -EINVAL);
	}
	/* Without the mode it is not looked at. */
	CHECK_RET(uf_writeprotect(uf, plain, small, UF_WRITEPROTECT_MODE_WP), -ENOENT);
	hugetlb_watched(t, uf, addr);
	t_is_open(uf, addr);
}

static void hugetlb_zeropage(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);
	char *other = t_map(t, 1);

	fill_check(t, uf, FILL_ZERO, addr, t->page, 0, -EINVAL, -EINVAL);
	fill_check(t, uf, FILL_ZERO, addr, hugetlb_small(), 0, -EINVAL, -EINVAL);
	fill_check(t, uf, FILL_ZERO, other, t->page, 0, -ENOENT, -ENOENT);
	t_fill(t, uf, addr, 1, 0);
	fill_check(t, uf, FILL_ZERO, addr, t->page, 0, -EINVAL, -EINVAL);
	hugetlb_watched(t, uf, addr + t->page);
}

/* A file of a file system that has one huge page, and whose mappings reserve none. */
static int hugetlb_scarce(struct t *t, size_t npages)
{
	char dir[] = "/tmp/conform-XXXXXX";
	char options[64];
	char file[64];
	int fd = -1;
	int err;

	CHECK(mkdtemp(dir));
	snprintf(options, sizeof(options), "size=%zu,pagesize=%zu", t->page, t->page);
	err = mount("conform", dir, "hugetlbfs", 0, options) ? errno : 0;
	if (!err) {
		snprintf(file, sizeof(file), "%s/file", dir);
		fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		umount2(dir, MNT_DETACH);
	}
	rmdir(dir);
	if (err)
		t_skip("a file system of huge pages cannot be mounted: %s", strerror(err));
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)(npages * t->page)), 0);
	return fd;
}

static void hugetlb_exhausted(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	int fd = hugetlb_scarce(t, 3);
	int flags = MAP_NORESERVE | (t_shared(t) ? MAP_SHARED : MAP_PRIVATE);
	char *addr = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, flags, fd, 0);
	struct t_thread th;

	t_adopt(t, addr, 3 * page, fd);
	t_register(uf, addr, 3 * page);
	fill_check(t, uf, FILL_COPY, addr, 2 * page, 0, -EAGAIN, (int64_t)page);
	t_thread_faults(t, &th, uf, addr + page, T_READ, 0);
	fill_check(t, uf, FILL_COPY, addr + page, page, 0, -EEXIST, -EEXIST);
	fill_check(t, uf, FILL_COPY, addr + page, 2 * page, 0, -EEXIST, -EEXIST);
	t_thread_blocked(&th);
	CHECK(t_is_filled(addr, page, FILL_BYTE));
	/* A page is given back, and another can be had. */
	CHECK_RET(uf_madvise(addr, page, t_shared(t) ? MADV_REMOVE : MADV_DONTNEED), 0);
	fill_check(t, uf, FILL_COPY, addr + page, page, 0, 0, (int64_t)page);
	t_thread_join(t, &th, 0);
	CHECK(t_is_filled(addr + page, page, FILL_BYTE));
}

static void hugetlb_page_first(struct t *t)
{
	static const uint64_t modes[] = {MISSING, WP};
	struct uf *uf = t_open_mode(t, WP, 0);
	size_t page = t->page;
	char *nowhere = t_buffer(t, 1) - page;

	for (size_t i = 0; i < 2; i++) {
		char *addr = t_registered_mode(t, uf, 2, modes[i]);

		t_fill(t, uf, addr, 1, 0);
		CHECK_RET(uf_copy(uf, addr, nowhere, page, 0, NULL), -EEXIST);
		CHECK_RET(uf_copy(uf, addr + page, nowhere, page, 0, NULL), -EFAULT);
		CHECK(t_is_filled(addr, page, 1));
		t_is_open(uf, addr);
		t_fill(t, uf, addr + page, 2, 0);
		CHECK(t_is_filled(addr + page, page, 2));
	}
}

static void hugetlb_page_first_object(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 1);
	char *twin = t_twin(t, addr, 1);

	*twin = 3;
	t_register(uf, addr, page);
	CHECK_RET(uf_copy(uf, addr, t_buffer(t, 1) - page, page, 0, NULL), -EEXIST);
	CHECK_EQ(t_byte(addr), 3);
	t_message_none(uf);
}

/* The source ends in the midst of a page, which is not left half there. */
static void hugetlb_half(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 2);
	char *src = t_buffer(t, 2);
	size_t done = 0;
	struct t_thread th;

	memset(src, 7, 2 * page);
	CHECK_RET(uf_copy(uf, addr, src + page / 2, 2 * page, 0, &done), -EAGAIN);
	CHECK_EQ(done, page);
	CHECK(t_is_filled(addr, page, 7));
	t_thread_faults(t, &th, uf, addr + page, T_READ, 0);
	t_fill(t, uf, addr + page, 8, 0);
	t_thread_join(t, &th, 0);
	CHECK(t_is_filled(addr + page, page, 8));
}

/* A page of the source is missing in the midst of the huge page, and comes. */
static struct {
	struct uf *uf;
	char *dst;
	char *src;
	size_t len;
	int ret;
} hugetlb_caller;

static void hugetlb_copy_thread(void *arg)
{
	hugetlb_caller.ret = uf_copy(hugetlb_caller.uf, hugetlb_caller.dst, hugetlb_caller.src,
				     hugetlb_caller.len, 0, NULL);
}

static void hugetlb_source_missing(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	size_t small = hugetlb_small();
	char *addr = t_registered(t, uf, 1);
	char *src = t_buffer(t, 1);
	char *hole = src + 3 * small;
	char *bytes = malloc(small);
	struct t_thread th;

	if (t_forced(t) && t_shared(t))
		t_skip("the strategy that is forced serves no private memory");
	CHECK(bytes);
	memset(src, 7, page);
	memset(bytes, 7, small);
	CHECK_EQ(madvise(hole, small, MADV_NOHUGEPAGE) | madvise(hole, small, MADV_DONTNEED), 0);
	t_register(uf, hole, small);
	hugetlb_caller.uf = uf;
	hugetlb_caller.dst = addr;
	hugetlb_caller.src = src;
	hugetlb_caller.len = page;
	t_thread_call(t, &th, hugetlb_copy_thread, NULL);
	t_fault_at(uf, hole, 0);
	t_thread_blocked(&th);
	CHECK_RET(uf_copy(uf, hole, bytes, small, 0, NULL), 0);
	t_thread_join(t, &th, 0);
	CHECK_RET(hugetlb_caller.ret, 0);
	CHECK(t_is_filled(addr, page, 7));
	CHECK_RET(uf_unregister(uf, hole, small), 0);
	free(bytes);
}

static void hugetlb_within(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	size_t small = hugetlb_small();
	char *addr = t_registered(t, uf, 3);
	void *got;

	t_fill(t, uf, addr, 1, 0);
	CHECK_RET(uf_munmap(addr, small), -EINVAL);
	CHECK_RET(uf_munmap(addr + page, page + small), -EINVAL);
	CHECK_RET(uf_munmap(addr + page - small, small), -EINVAL);
	CHECK_RET(uf_mprotect(addr, small, PROT_NONE), -EINVAL);
	CHECK_RET(uf_mprotect(addr + small, page - small, PROT_NONE), -EINVAL);
	CHECK_RET(uf_mmap(addr + small, small, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			  -1, 0, &got),
		  -EINVAL);
	CHECK(t_is_filled(addr, page, 1));
	hugetlb_watched(t, uf, addr + page);
	/* What a length ends in goes as a whole. */
	CHECK_RET(uf_mremap(addr, 3 * page, page + small, 0, NULL, &got), 0);
	CHECK_EQ(t_byte(addr + page), 0x21);
	CHECK_EQ(t_access(addr + 2 * page, T_READ).sig, SIGSEGV);
	t_message_none(uf);
}

/* What changes is not registered, but what goes because of it. */
static void hugetlb_unregistered(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	size_t small = hugetlb_small();
	char *from = t_map(t, 3);
	char *to = t_registered(t, uf, 3);
	char *addr = t_map(t, 3);
	void *got;

	from[page] = 1;
	CHECK_RET(uf_mremap(from, 3 * page, page + small, MREMAP_MAYMOVE | MREMAP_FIXED, to, &got),
		  0);
	CHECK_EQ(to[0], 0);
	CHECK_EQ(to[page], 1);
	hugetlb_watched(t, uf, to + 2 * page);
	t_register(uf, addr + 2 * page, page);
	addr[page] = 2;
	CHECK_RET(uf_mremap(addr, 3 * page, page + small, 0, NULL, &got), 0);
	CHECK_EQ(addr[page], 2);
	CHECK_EQ(t_access(addr + 2 * page, T_READ).sig, SIGSEGV);
	CHECK_RET(hugetlb_register(uf, addr, 2 * page), 0);
	t_message_none(uf);
}

static void hugetlb_given_back(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	size_t small = hugetlb_small();
	char *addr = t_registered_mode(t, uf, 3, MINOR | MISSING);

	for (size_t i = 0; i < 3; i++)
		t_fill(t, uf, addr + i * page, 1, 0);
	CHECK_RET(uf_madvise(addr, small, MADV_DONTNEED), 0);
	CHECK_RET(uf_madvise(addr, page - small, MADV_DONTNEED), 0);
	CHECK_RET(uf_madvise(addr + small, page, MADV_DONTNEED), -EINVAL);
	CHECK(t_is_filled(addr, 3 * page, 1));
	t_message_none(uf);
	CHECK_RET(uf_madvise(addr, page + small, MADV_DONTNEED), 0);
	CHECK(t_is_filled(addr + page, 2 * page, 1));
	t_message_none(uf);
	if (t_shared(t))
		t_is_minor(t, uf, addr, 1);
	else
		hugetlb_watched(t, uf, addr);
}

static void hugetlb_poison_removed(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open_mode(t, WP, 0);
	addr = t_registered_mode(t, uf, 2, MISSING | WP);
	t_poison(uf, addr, page);
	t_protect(uf, addr + page, page);
	t_is_poisoned(t, addr);
	CHECK_RET(uf_madvise(addr, 2 * page, MADV_REMOVE), 0);
	hugetlb_watched(t, uf, addr);
	t_is_open(uf, addr);
	CHECK_RET(uf_copy(uf, addr + page, addr, page, UF_COPY_MODE_WP, NULL), 0);
	t_is_protected(t, uf, addr + page);
}

static void hugetlb_message(struct t *t)
{
	size_t page = t->page;
	size_t at = page / 2 + 12345;

	for (size_t i = 0; i < 2; i++) {
		struct uf *uf = t_open_mode(t, WP, i ? UF_FEATURE_EXACT_ADDRESS : 0);
		char *addr = t_registered_mode(t, uf, 2, MISSING | WP);
		struct t_thread th;

		t_thread_access(t, &th, addr + page + at, T_WRITE);
		t_fault_at(uf, addr + page + (i ? at : 0), UF_PAGEFAULT_FLAG_WRITE);
		t_fill(t, uf, addr + page, 1, UF_COPY_MODE_WP);
		t_fault_at(uf, addr + page + (i ? at : 0), T_WP);
		t_thread_blocked(&th);
		t_unprotect(uf, addr + page, page);
		t_thread_join(t, &th, 0);
		CHECK_EQ(t_byte(addr + page + at), T_MARK);
		t_message_none(uf);
	}
}

/* Two pages, of which the object has the first, full of ones. */
static char *hugetlb_private_map(struct t *t, char **twin)
{
	char *addr;

	*twin = t_map_of(t, T_HUGETLB, 2);
	memset(*twin, 1, t->page);
	addr = mmap(NULL, 2 * t->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
		    t_map_fd(t, *twin), 0);
	t_adopt(t, addr, 2 * t->page, -1);
	return addr;
}

static void hugetlb_private(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR | WP, 0);
	size_t page = t->page;
	char *twin;
	char *addr = hugetlb_private_map(t, &twin);
	struct t_thread th;

	t_register_mode(uf, addr, 2 * page, MISSING | MINOR | WP);
	t_is_minor(t, uf, addr, 1);
	twin[5] = 2;
	CHECK_EQ(t_byte(addr + 5), 2);
	addr[6] = 3;
	CHECK_EQ(t_byte(twin + 6), 1);
	t_fill(t, uf, addr + page, 9, 0);
	CHECK(t_is_filled(addr + page, page, 9));
	CHECK_RET(uf_madvise(addr, 2 * page, MADV_DONTNEED), 0);
	t_fill(t, uf, addr, 8, 0);
	CHECK(t_is_filled(addr, page, 8));
	CHECK_EQ(t_byte(twin), 1);
	CHECK_EQ(t_byte(twin + 5), 2);
	/* The object has got nothing of that. */
	t_thread_faults(t, &th, uf, addr + page, T_READ, 0);
	t_fill(t, uf, addr + page, 7, 0);
	t_thread_join(t, &th, 0);
	CHECK_RET(uf_madvise(addr, 2 * page, MADV_DONTNEED), 0);
	twin[page] = 4;
	t_is_minor(t, uf, addr + page, 4);
	t_is_minor(t, uf, addr, 1);
}

static void hugetlb_no_object(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	char *addr = t_registered_mode(t, uf, 2, MINOR | MISSING);

	CHECK_RET(uf_continue(uf, addr, t->page, 0, NULL), -EFAULT);
	hugetlb_watched(t, uf, addr);
	CHECK_RET(uf_continue(uf, addr, t->page, 0, NULL), -EFAULT);
	hugetlb_watched(t, uf, addr + t->page);
}

static void hugetlb_stays(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 3);
	void *got;

	t_register(uf, addr, 2 * page);
	t_fill(t, uf, addr, 1, 0);
	CHECK_RET(uf_munmap(addr + 2 * page, page), 0);
	CHECK_RET(uf_mremap(addr, 2 * page, 3 * page, 0, NULL, &got), -EINVAL);
	CHECK_RET(uf_mremap(addr, 2 * page, 3 * page, MREMAP_MAYMOVE, NULL, &got), -EINVAL);
	CHECK_RET(uf_mremap(addr, 0, page, MREMAP_MAYMOVE, NULL, &got), -EINVAL);
	CHECK_RET(uf_mremap(addr, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL,
			    &got),
		  -EINVAL);
	CHECK(t_is_filled(addr, page, 1));
	hugetlb_watched(t, uf, addr + page);
	t_message_none(uf);
}

const struct t_case hugetlb_cases[] = {
	CASE("hugetlb.1", hugetlb_aligned, T_HUGE),
	CASE("hugetlb.1", hugetlb_second, T_HUGE),
	CASE("hugetlb.2", hugetlb_told, T_HUGE),
	CASE("hugetlb.3", hugetlb_fill_aligned, T_HUGE),
	CASE("hugetlb.4", hugetlb_zeropage, T_HUGE),
	CASE("hugetlb.5", hugetlb_exhausted, T_HUGE),
	CASE("hugetlb.6", hugetlb_page_first, T_HUGE),
	CASE("hugetlb.6", hugetlb_page_first_object, T_HUGE | T_OBJECT),
	CASE("copy.8, copy.4", hugetlb_half, T_HUGE),
	CASE("copy.5", hugetlb_source_missing, T_HUGE),
	CASE("hugetlb.7", hugetlb_within, T_HUGE),
	CASE("hugetlb.7, vm.1", hugetlb_unregistered, T_HUGE),
	CASE("hugetlb.8", hugetlb_given_back, T_HUGE),
	CASE("hugetlb.9", hugetlb_poison_removed, T_HUGE | T_OBJECT),
	CASE("hugetlb.10", hugetlb_message, T_HUGE),
	CASE("hugetlb.11", hugetlb_private, T_HUGE | T_OWN),
	CASE("hugetlb.11", hugetlb_no_object, T_HUGE | T_OWN),
	CASE("hugetlb.12", hugetlb_stays, T_HUGE),
	{0},
};
