/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/move.md: what becomes of each page, and of those who are at it meanwhile. */
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "move.h"
#include "suites.h"

/* --- Pages --- */

static void move_content(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 4);
	char *src = t_map(t, 4);
	char *copy = t_buffer(t, 4);
	size_t done = 0;

	for (size_t i = 0; i < 4 * page; i++)
		copy[i] = (char)(i * 7 + i / page);
	memcpy(src, copy, 4 * page);
	CHECK_RET(uf_move(uf, dst, src, 4 * page, 0, &done), 0);
	CHECK_EQ(done, 4 * page);
	CHECK(!memcmp(dst, copy, 4 * page));
	CHECK(t_is_filled(src, 4 * page, 0));
	/* Nothing ties the one to the other. */
	src[0] = 1;
	dst[1] = 2;
	CHECK_EQ(dst[0], copy[0]);
	CHECK_EQ(src[1], 0);
	t_message_none(uf);
}

static void move_large(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t npages = 1500; /* more than one page table */
	char *dst = t_registered(t, uf, npages);
	char *src = t_map(t, npages);

	for (size_t i = 0; i < npages; i++)
		memset(src + i * t->page, (int)(i % 251) + 1, t->page);
	move_done(uf, dst, src, npages * t->page, 0);
	for (size_t i = 0; i < npages; i++)
		CHECK(t_is_filled(dst + i * t->page, t->page, (int)(i % 251) + 1));
	CHECK(t_is_filled(src, npages * t->page, 0));
	t_message_none(uf);
}

static void move_exists(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_map(t, 5);
	char *src = move_source(t, 2);

	dst[0] = 1;		/* written before */
	CHECK_EQ(dst[page], 0); /* read before: the zero page */
	t_register(uf, dst, 5 * page);
	t_fill(t, uf, dst + 2 * page, 3, 0);
	CHECK_RET(uf_zeropage(uf, dst + 3 * page, page, 0, NULL), 0);
	for (size_t i = 0; i < 4; i++)
		move_check(uf, dst + i * page, src, page, 0, -EEXIST, -EEXIST);
	CHECK_EQ(dst[0], 1);
	CHECK(t_is_filled(dst + page, page, 0));
	CHECK(t_is_filled(dst + 2 * page, page, 3));
	CHECK(t_is_filled(dst + 3 * page, page, 0));
	CHECK(t_is_filled(src, page, 1));
	/* Looked at before the source, whatever that has. */
	CHECK_RET(uf_madvise(src, page, MADV_DONTNEED), 0);
	move_check(uf, dst, src, page, 0, -EEXIST, -EEXIST);
	move_check(uf, dst, src, page, UF_MOVE_MODE_ALLOW_SRC_HOLES, -EEXIST, -EEXIST);
	move_done(uf, dst + 4 * page, src + page, page, 0);
}

/* A mark at the target is content, too. */
static void move_exists_protected(struct t *t)
{
	struct uf *uf = move_open(t, UF_FEATURE_PAGEFAULT_FLAG_WP | UF_FEATURE_WP_UNPOPULATED);
	char *dst = t_map(t, 1);
	char *src = move_source(t, 1);

	CHECK_RET(uf_register(uf, dst, t->page, UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP,
			      NULL),
		  0);
	CHECK_RET(uf_writeprotect(uf, dst, t->page, UF_WRITEPROTECT_MODE_WP), 0);
	move_check(uf, dst, src, t->page, 0, -EEXIST, -EEXIST);
	CHECK_RET(uf_writeprotect(uf, dst, t->page, 0), 0);
	move_done(uf, dst, src, t->page, 0);
	CHECK(t_is_filled(dst, t->page, 1));
}

static void move_exists_poisoned(struct t *t)
{
	struct uf *uf = move_open(t, UF_FEATURE_POISON);
	char *dst = t_registered(t, uf, 1);
	char *src = move_source(t, 1);

	CHECK_RET(uf_poison(uf, dst, t->page, 0, NULL), 0);
	move_check(uf, dst, src, t->page, 0, -EEXIST, -EEXIST);
	CHECK_EQ(t_access(dst, T_READ).sig, SIGBUS);
	CHECK(t_is_filled(src, t->page, 1));
}

static void move_hole(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 4);
	char *src = move_source(t, 4);

	CHECK_RET(uf_madvise(src + page, page, MADV_DONTNEED), 0);
	move_check(uf, dst, src + page, page, 0, -ENOENT, -ENOENT);
	move_check(uf, dst, src, 4 * page, 0, -EAGAIN, (int64_t)page);
	CHECK(t_is_filled(dst, page, 1));
	move_done(uf, dst + page, src + page, 3 * page, UF_MOVE_MODE_ALLOW_SRC_HOLES);
	CHECK(t_is_filled(dst + 2 * page, page, 3));
	CHECK(t_is_filled(dst + 3 * page, page, 4));
	move_missing(t, uf, dst + page);
	/* A source of nothing but holes, also in one that was never touched. */
	move_check(uf, dst, src, page, 0, -EEXIST, -EEXIST);
	CHECK_RET(uf_madvise(dst, 4 * page, MADV_DONTNEED), 0);
	move_done(uf, dst, t_map(t, 4), 4 * page, UF_MOVE_MODE_ALLOW_SRC_HOLES);
	move_check(uf, dst, t_map(t, 4), 4 * page, 0, -ENOENT, -ENOENT);
	move_missing(t, uf, dst);
	t_message_none(uf);
}

/* Counted as done, it wakes; but nothing has come. */
static void move_hole_wakes(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	char *dst = t_registered(t, uf, 1);
	char *src = t_map(t, 1);
	struct t_thread th;

	t_thread_access(t, &th, dst, T_READ);
	t_thread_asleep(&th);
	t_fault_at(uf, dst, 0);
	move_done(uf, dst, src, t->page, UF_MOVE_MODE_ALLOW_SRC_HOLES);
	t_fault_at(uf, dst, 0);
	src[0] = 4;
	move_done(uf, dst, src, t->page, UF_MOVE_MODE_ALLOW_SRC_HOLES);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 4);
}

static void move_forked_child(struct t *t, void *arg)
{
	char go;
	int *fds = arg;

	close(fds[1]);
	CHECK_EQ(read(fds[0], &go, 1), 0);
}

static void move_forked(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 4);
	char *src = move_source(t, 3);
	int fds[2];
	pid_t pid;

	CHECK_RET(uf_madvise(src + page, page, MADV_DONTNEED), 0);
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	pid = t_fork(t, move_forked_child, fds);
	close(fds[0]);
	move_check(uf, dst, src, page, 0, -EBUSY, -EBUSY);
	/* Written since, it is the parent's alone; so is a page that the child has never had. */
	src[page] = 8;
	src[2 * page] = 9;
	move_done(uf, dst + page, src + page, 2 * page, 0);
	CHECK_EQ(dst[page], 8);
	CHECK_EQ(dst[2 * page], 9);
	CHECK_EQ(dst[2 * page + 1], 3);
	close(fds[1]);
	CHECK_EQ(t_wait(pid), 0);
	/* The child is gone, and still nobody has told the page so. */
	move_check(uf, dst, src, page, 0, -EBUSY, -EBUSY);
	CHECK(t_is_filled(src, page, 1));
	move_check(uf, dst, src, page, 0, -EBUSY, -EBUSY);
	src[0] = 1;
	move_done(uf, dst, src, page, 0);
	CHECK(t_is_filled(dst, page, 1));
}

struct move_kept {
	char *src;
	int go;
};

static void move_kept_child(struct t *t, void *arg)
{
	struct move_kept *k = arg;
	char go;

	CHECK_EQ(read(k->go, &go, 1), 1);
	for (size_t i = 0; i < 16; i++)
		CHECK(t_is_filled(k->src + i * t->page, t->page, (int)i + 1));
}

/* Moved or not (difference 24), the child has its own. */
static void move_forked_kept(struct t *t)
{
	static const size_t counts[] = {1, 15};
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 16);
	struct move_kept k = {move_source(t, 16), -1};
	size_t at = 0;
	int fds[2];
	pid_t pid;

	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	k.go = fds[0];
	pid = t_fork(t, move_kept_child, &k);
	for (size_t i = 0; i < 2; at += counts[i++] * page) {
		int err = uf_move(uf, dst + at, k.src + at, counts[i] * page, 0, NULL);

		CHECK_RET(err, t_engine(t) ? 0 : -EBUSY);
	}
	for (size_t i = 0; i < 16; i++) {
		char *here = (t_engine(t) ? dst : k.src) + i * page;

		CHECK(t_is_filled(here, page, (int)i + 1));
		memset(here, 0x77, page);
	}
	if (t_engine(t))
		CHECK(t_is_filled(k.src, 16 * page, 0));
	CHECK_EQ(write(fds[1], "", 1), 1);
	CHECK_EQ(t_wait(pid), 0);
	close(fds[0]);
	close(fds[1]);
}

/* Registered with io_uring, a page may be written by a device at any time. */
static void move_pinned(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	char *dst = t_registered(t, uf, 1);
	char *src = move_source(t, 1);
	struct iovec iov = {src, t->page};
	char params[256] = {0};
	int ring = (int)syscall(425 /* io_uring_setup */, 1, params);

	if (ring < 0)
		t_skip("no io_uring to pin pages with: %s", strerrordesc_np(errno));
	if (syscall(427 /* io_uring_register */, ring, 0 /* buffers */, &iov, 1))
		t_skip("io_uring pins no pages: %s", strerrordesc_np(errno));
	move_check(uf, dst, src, t->page, 0, -EBUSY, -EBUSY);
	CHECK(t_is_filled(src, t->page, 1));
	CHECK_EQ(syscall(427, ring, 1 /* none */, NULL, 0), 0);
	close(ring);
	move_done(uf, dst, src, t->page, 0);
	CHECK(t_is_filled(dst, t->page, 1));
}

static void move_protected_source(struct t *t)
{
	struct uf *uf = move_open(t, UF_FEATURE_PAGEFAULT_FLAG_WP);
	size_t page = t->page;
	char *dst = t_map(t, 2);
	char *src = move_source(t, 2);

	/* Both could be protected, and the source is. */
	CHECK_RET(uf_register(uf, dst, 2 * page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_RET(uf_register(uf, src, 2 * page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_RET(uf_writeprotect(uf, src, 2 * page, UF_WRITEPROTECT_MODE_WP), 0);
	move_done(uf, dst, src, page, 0);
	CHECK(t_is_filled(dst, page, 1));
	CHECK_EQ(t_access(dst, T_WRITE).sig, 0);
	t_message_none(uf);
	/* Nor has it stayed behind. */
	CHECK_EQ(t_access(src, T_WRITE).sig, 0);
	t_message_none(uf);
	CHECK_EQ(dst[1], 1);
	CHECK_EQ(src[1], 0);
}

/* A thread that waits to write the page that goes away: it finds what is there then. */
/* Linux 7.3: where it is inaccessible what arrives is so, and elsewhere it is not. */
static void move_inaccessible(struct t *t)
{
	static const uint64_t modes[] = {UF_REGISTER_MODE_RWP,
					 UF_REGISTER_MODE_RWP | UF_REGISTER_MODE_MISSING};
	struct uf *uf;
	size_t page = t->page;

	t_needs_features(t, UF_FEATURE_RWP);
	uf = move_open(t, UF_FEATURE_RWP);
	for (size_t i = 0; i < 2; i++) {
		char *dst = t_registered_mode(t, uf, 9, modes[i]);
		char *back = t_registered(t, uf, 9);
		char *src = move_source(t, 9);
		struct t_thread th = {0};

		move_done(uf, dst, src, page, 0);
		move_done(uf, dst + page, src + page, 8 * page, 0);
		t_thread_faults(t, &th, uf, dst + 2 * page, T_READ, UF_PAGEFAULT_FLAG_RWP);
		CHECK_RET(uf_rwprotect(uf, dst + 2 * page, page, 0), 0);
		t_thread_join(t, &th, 0);
		CHECK_EQ(th.outcome.value, 3);
		move_done(uf, back, dst, 9 * page, 0);
		for (size_t j = 0; j < 9; j++)
			CHECK(t_is_filled(back + j * page, page, (int)j + 1));
		if (modes[i] == UF_REGISTER_MODE_RWP)
			CHECK(t_is_filled(dst, 9 * page, 0));
		t_message_none(uf);
	}
}

static void move_protected_waiter(struct t *t)
{
	struct uf *uf = move_open(t, UF_FEATURE_PAGEFAULT_FLAG_WP);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 1);
	char *src = move_source(t, 1);
	struct t_thread th;

	CHECK_RET(uf_register(uf, src, page, UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP, NULL),
		  0);
	CHECK_RET(uf_writeprotect(uf, src, page, UF_WRITEPROTECT_MODE_WP), 0);
	t_thread_access(t, &th, src, T_WRITE);
	t_fault_at(uf, src, UF_PAGEFAULT_FLAG_WRITE | UF_PAGEFAULT_FLAG_WP);
	t_thread_asleep(&th);
	move_done(uf, dst, src, page, 0);
	t_thread_blocked(&th);
	CHECK_RET(uf_wake(uf, src, page), 0);
	t_fault_at(uf, src, UF_PAGEFAULT_FLAG_WRITE);
	t_fill(t, uf, src, 3, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(src[0], T_MARK);
	CHECK(t_is_filled(dst, page, 1));
}

static void move_marked_source(struct t *t)
{
	struct uf *uf = move_open(t, UF_FEATURE_PAGEFAULT_FLAG_WP | UF_FEATURE_WP_UNPOPULATED);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 2);
	char *src = t_map(t, 2);

	CHECK_RET(uf_register(uf, src, 2 * page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_RET(uf_writeprotect(uf, src, 2 * page, UF_WRITEPROTECT_MODE_WP), 0);
	move_check(uf, dst, src, page, 0, -EFAULT, -EFAULT);
	move_check(uf, dst, src, page, UF_MOVE_MODE_ALLOW_SRC_HOLES, -EFAULT, -EFAULT);
	/* Read, it is a page of zeros that is protected. */
	CHECK_EQ(src[0], 0);
	move_check(uf, dst, src, 2 * page, 0, -EAGAIN, (int64_t)page);
	CHECK(t_is_filled(dst, page, 0));
}

static void move_poisoned_source(struct t *t)
{
	struct uf *uf = move_open(t, UF_FEATURE_POISON);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 2);
	char *src = t_registered(t, uf, 2);

	t_fill(t, uf, src, 5, 0);
	CHECK_RET(uf_poison(uf, src + page, page, 0, NULL), 0);
	move_check(uf, dst, src + page, page, 0, -EFAULT, -EFAULT);
	move_check(uf, dst, src, 2 * page, UF_MOVE_MODE_ALLOW_SRC_HOLES, -EAGAIN, (int64_t)page);
	CHECK(t_is_filled(dst, page, 5));
	CHECK_EQ(t_access(src + page, T_READ).sig, SIGBUS);
	move_missing(t, uf, dst + page);
}

static void move_zero_page(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 2);
	char *src = t_map(t, 1);
	char *mine = t_registered(t, uf, 1);

	CHECK_EQ(src[0], 0);
	CHECK_RET(uf_zeropage(uf, mine, page, 0, NULL), 0);
	move_done(uf, dst, src, page, 0);
	move_done(uf, dst + page, mine, page, 0);
	move_missing(t, uf, mine);
	CHECK(t_is_filled(dst, 2 * page, 0));
	memset(dst, 3, 2 * page);
	CHECK(t_is_filled(dst, 2 * page, 3));
	CHECK(t_is_filled(src, page, 0));
	t_message_none(uf);
}

/* Each is in swap, as far as the page tables tell. */
static bool move_is_swapped(struct t *t, const char *addr, size_t npages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool swapped = fd >= 0;

	for (size_t i = 0; swapped && i < npages; i++) {
		uint64_t entry = 0;
		off_t at = (off_t)((uintptr_t)(addr + i * t->page) / t->page * sizeof(entry));

		swapped =
			pread(fd, &entry, sizeof(entry), at) == sizeof(entry) && (entry >> 62 & 1);
	}
	if (fd >= 0)
		close(fd);
	return swapped;
}

static void move_swap_out(struct t *t, char *addr, size_t npages)
{
	struct sysinfo info;

	t_needs_linux();
	if (sysinfo(&info) || !info.totalswap)
		t_skip("no swap here");
	for (int i = 0; i < 30 && !move_is_swapped(t, addr, npages); i++) {
		if (madvise(addr, npages * t->page, MADV_PAGEOUT))
			t_skip("this kernel does not know MADV_PAGEOUT");
		t_sleep_ms(100); /* written meanwhile, and dropped the next time */
	}
	if (!move_is_swapped(t, addr, npages))
		t_skip("the pages cannot be swapped out");
}

/* A few that are copied, and more that are not. */
static void move_swapped(struct t *t)
{
	static const size_t counts[] = {1, 4, 64};
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;

	for (size_t k = 0; k < sizeof(counts) / sizeof(*counts); k++) {
		size_t n = counts[k];
		char *dst = t_registered(t, uf, n);
		char *src = move_source(t, n);

		move_swap_out(t, src, n);
		move_done(uf, dst, src, n * page, 0);
		CHECK(!move_is_swapped(t, src, 1));
		for (size_t i = 0; i < n; i++)
			CHECK(t_is_filled(dst + i * page, page, (int)i + 1));
		CHECK(t_is_filled(src, n * page, 0));
	}
	t_message_none(uf);
}

/* --- Huge pages --- */

#define MOVE_HUGE ((size_t)2 << 20)

/* Is the mapping at ADDR one huge page? */
static bool move_is_huge(const char *addr)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start;
	unsigned long end;
	unsigned long kib = 0;
	bool here = false;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (uintptr_t)addr && (uintptr_t)addr < end;
		else if (here && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kib * 1024 == MOVE_HUGE;
}

/* A 2 MiB huge page filled with BYTE; a skip where there is none. */
static char *move_huge(struct t *t, int byte)
{
	char *room = mmap(NULL, 2 * MOVE_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *addr = (char *)(((uintptr_t)room + MOVE_HUGE - 1) & ~(MOVE_HUGE - 1));

	t_needs_linux();
	t_adopt(t, room, 2 * MOVE_HUGE, -1);
	t_adopt(t,
		mmap(addr, MOVE_HUGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		MOVE_HUGE, -1);
	if (madvise(addr, MOVE_HUGE, MADV_HUGEPAGE))
		t_skip("no huge pages of anonymous memory: %s", strerrordesc_np(errno));
	memset(addr, byte, MOVE_HUGE);
	if (!move_is_huge(addr))
		t_skip("no huge page of anonymous memory was to be had");
	return addr;
}

/* Registered memory that a huge page would fit into. */
static char *move_huge_target(struct t *t, struct uf *uf)
{
	char *room = mmap(NULL, 2 * MOVE_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *dst = (char *)(((uintptr_t)room + MOVE_HUGE - 1) & ~(MOVE_HUGE - 1));

	t_adopt(t, room, 2 * MOVE_HUGE, -1);
	t_adopt(t,
		mmap(dst, MOVE_HUGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		MOVE_HUGE, -1);
	t_register(uf, dst, MOVE_HUGE);
	return dst;
}

static void move_huge_whole(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	char *dst = move_huge_target(t, uf);
	char *src = move_huge(t, 0x41);

	move_done(uf, dst, src, MOVE_HUGE, 0);
	CHECK(move_is_huge(dst));
	CHECK(t_is_filled(dst, MOVE_HUGE, 0x41));
	CHECK(t_is_filled(src, MOVE_HUGE, 0));
	memset(dst, 1, MOVE_HUGE);
	t_message_none(uf);
}

static void move_huge_part(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, MOVE_HUGE / page);
	char *src = move_huge(t, 0x41);

	memset(src + 2 * page, 0x42, page);
	move_done(uf, dst, src + page, 3 * page, 0);
	CHECK(t_is_filled(dst, page, 0x41));
	CHECK(t_is_filled(dst + page, page, 0x42));
	CHECK(t_is_filled(dst + 2 * page, page, 0x41));
	CHECK(t_is_filled(src, page, 0x41));
	CHECK(t_is_filled(src + page, 3 * page, 0));
	CHECK(t_is_filled(src + 4 * page, MOVE_HUGE - 4 * page, 0x41));
	move_missing(t, uf, dst + 3 * page);
	/* The rest of it, which is no huge page any more, and has been read in between. */
	move_done(uf, dst + 4 * page, src + 4 * page, MOVE_HUGE - 4 * page, 0);
	CHECK(t_is_filled(dst + 4 * page, MOVE_HUGE - 4 * page, 0x41));
	t_message_none(uf);
}

/* Where a page of the target exists, the huge page goes page by page up to it. */
static void move_huge_exists(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = move_huge_target(t, uf);
	char *src = move_huge(t, 0x41);

	t_fill(t, uf, dst + 5 * page, 7, 0);
	move_check(uf, dst, src, MOVE_HUGE, 0, -EAGAIN, 5 * (int64_t)page);
	CHECK(t_is_filled(dst, 5 * page, 0x41));
	CHECK(t_is_filled(dst + 5 * page, page, 7));
	CHECK(t_is_filled(src, 5 * page, 0));
	CHECK(t_is_filled(src + 5 * page, MOVE_HUGE - 5 * page, 0x41));
	move_missing(t, uf, dst + 6 * page);
}

/* A huge page at the target is content as any. */
static void move_huge_at_target(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	char *dst = move_huge(t, 0x41);
	char *src = move_source(t, 1);

	t_register(uf, dst, MOVE_HUGE);
	move_check(uf, dst + t->page, src, t->page, 0, -EEXIST, -EEXIST);
	CHECK(t_is_filled(dst, MOVE_HUGE, 0x41));
}

const struct t_case move_page_cases[] = {
	CASE("move.14", move_content, T_PRIVATE),
	CASE("move.14", move_large, T_PRIVATE),
	CASE("move.15", move_exists, T_PRIVATE),
	CASE("move.15", move_exists_protected, T_PRIVATE),
	CASE("move.15", move_exists_poisoned, T_PRIVATE),
	CASE("move.16", move_hole, T_PRIVATE),
	CASE("move.16", move_hole_wakes, T_PRIVATE),
	CASE("move.17", move_forked, T_PRIVATE | T_KERNEL_ONLY),
	CASE("move.17", move_forked_kept, T_PRIVATE),
	CASE("move.18", move_pinned, T_PRIVATE | T_KERNEL_ONLY),
	CASE("move.19", move_marked_source, T_PRIVATE),
	CASE("move.19", move_poisoned_source, T_PRIVATE),
	CASE("move.26", move_inaccessible, T_PRIVATE),
	CASE("move.20", move_protected_source, T_PRIVATE),
	CASE("move.20, move.23", move_protected_waiter, T_PRIVATE),
	CASE("move.21", move_zero_page, T_PRIVATE),
	CASE("move.21", move_swapped, T_PRIVATE),
	CASE("move.22", move_huge_whole, T_PRIVATE),
	CASE("move.22", move_huge_part, T_PRIVATE),
	CASE("move.22", move_huge_exists, T_PRIVATE),
	CASE("move.15, move.22", move_huge_at_target, T_PRIVATE),
	{0},
};
