/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/move.md: the arguments, which memory, progress and waking. The pages: move_pages.c. */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "move.h"
#include "suites.h"

struct uf *move_open(struct t *t, uint64_t features)
{
	t_needs_features(t, UF_FEATURE_MOVE | features);
	return t_open(t, 0, features);
}

void move_check(struct uf *uf, char *dst, char *src, size_t len, uint64_t mode, int ret,
		int64_t field)
{
	struct uf_io_move move = {(uintptr_t)dst, (uintptr_t)src, len, mode, MOVE_KEPT};

	CHECK_RET(uf_ioctl(uf, UF_IOC_MOVE, &move), ret);
	CHECK_EQ(move.move, field);
}

void move_done(struct uf *uf, char *dst, char *src, size_t len, uint64_t mode)
{
	move_check(uf, dst, src, len, mode, 0, (int64_t)len);
}

char *move_source(struct t *t, size_t npages)
{
	char *addr = t_map(t, npages);

	for (size_t i = 0; i < npages; i++)
		memset(addr + i * t->page, (int)i + 1, t->page);
	return addr;
}

void move_missing(struct t *t, struct uf *uf, char *addr)
{
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	t_fill(t, uf, addr, 0x66, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0x66);
}

/* --- Arguments --- */

static void move_argument(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	char *addr = t_registered(t, uf, 1);
	char *src = move_source(t, 1);
	char *end = t_buffer(t, 1) + t->page;
	struct uf_io_move move = {(uintptr_t)addr, (uintptr_t)src, t->page, ~UINT64_C(0), 0};

	CHECK_RET(uf_ioctl(uf, UF_IOC_MOVE, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_MOVE, end - 24), -EFAULT);
	/* The field is not read: a bad mode is found though it is not there. */
	memcpy(end - 32, &move, 32);
	CHECK_RET(uf_ioctl(uf, UF_IOC_MOVE, end - 32), -EINVAL);
	CHECK_EQ(src[0], 1);
}

static void move_range(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	uint64_t page = t->page;
	char *addr = t_registered(t, uf, 2);
	char *src = move_source(t, 2);
	char *last = (char *)~(uintptr_t)(page - 1);

	move_check(uf, addr + 1, src, page, 0, -EINVAL, MOVE_KEPT);
	/* Unlike the source of COPY. */
	move_check(uf, addr, src + 1, page, 0, -EINVAL, MOVE_KEPT);
	move_check(uf, addr, src, page + 1, 0, -EINVAL, MOVE_KEPT);
	move_check(uf, addr, src, page - 1, 0, -EINVAL, MOVE_KEPT);
	move_check(uf, addr, src, 0, 0, -EINVAL, MOVE_KEPT);
	move_check(uf, addr, src, ~(page - 1), 0, -EINVAL, MOVE_KEPT);
	move_check(uf, last, src, page, 0, -EINVAL, MOVE_KEPT);
	move_check(uf, addr, last, page, 0, -EINVAL, MOVE_KEPT);
	move_done(uf, addr, src, page, 0);
}

static void move_mode(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	char *addr = t_registered(t, uf, 1);
	char *src = move_source(t, 1);
	char *nowhere = t_buffer(t, 1) - t->page;

	move_check(uf, addr, src, t->page, 4, -EINVAL, MOVE_KEPT);
	move_check(uf, addr, src, t->page, UINT64_C(1) << 63, -EINVAL, MOVE_KEPT);
	/* Before the mapping is looked for. */
	move_check(uf, nowhere, nowhere, t->page, 4, -EINVAL, MOVE_KEPT);
	CHECK_EQ(src[0], 1);
}

/* It works whether it was enabled or not. */
static void move_advertised(struct t *t)
{
	struct uf *without = move_open(t, 0);
	struct uf *with = t_open(t, 0, UF_FEATURE_MOVE);
	char *src = move_source(t, 2);
	char *a = t_map(t, 1);
	char *b = t_map(t, 1);
	uint64_t ioctls = 0;

	CHECK_RET(uf_register(without, a, t->page, UF_REGISTER_MODE_MISSING, &ioctls), 0);
	CHECK(ioctls & UINT64_C(1) << UF_NR_MOVE);
	t_register(with, b, t->page);
	move_done(without, a, src, t->page, 0);
	move_done(with, b, src + t->page, t->page, 0);
	CHECK(t_is_filled(a, t->page, 1));
	CHECK(t_is_filled(b, t->page, 2));
}

struct move_child_args {
	struct uf *uf;
	char *dst;
	char *src;
};

static void move_other_process_child(struct t *t, void *arg)
{
	struct move_child_args *a = arg;

	move_check(a->uf, a->dst, a->src, t->page, 0, -EINVAL, MOVE_KEPT);
	/* Before the range and the mode, but not before the argument is read. */
	CHECK_RET(uf_ioctl(a->uf, UF_IOC_MOVE, NULL), -EFAULT);
}

static void move_other_process(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	struct move_child_args a = {uf, t_registered(t, uf, 1), move_source(t, 1)};

	CHECK_EQ(t_wait(t_fork(t, move_other_process_child, &a)), 0);
	CHECK_EQ(a.src[0], 1);
}

/* --- Which memory --- */

static void move_unmapped(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_map(t, 3);
	char *src = move_source(t, 3);

	t_register(uf, dst, 3 * page);
	CHECK_RET(uf_munmap(dst, page), 0);
	CHECK_RET(uf_munmap(src, page), 0);
	move_check(uf, dst, src + page, page, 0, -ENOENT, -ENOENT);
	move_check(uf, dst + page, src, page, 0, -ENOENT, -ENOENT);
	move_check(uf, dst, src, page, 0, -ENOENT, -ENOENT);
	/* No hole of the source in the sense of the mode. */
	move_check(uf, dst + page, src, page, UF_MOVE_MODE_ALLOW_SRC_HOLES, -ENOENT, -ENOENT);
	/* Where it begins is what counts: before any rule that is EINVAL. */
	move_check(uf, dst, src, 3 * page, 0, -ENOENT, -ENOENT);
	move_done(uf, dst + page, src + page, 2 * page, 0);
}

static void move_over_end(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 4);
	char *src = move_source(t, 4);

	/* Into nothing, and into a neighbour. */
	move_check(uf, dst + 3 * page, src, 2 * page, 0, -EINVAL, -EINVAL);
	move_check(uf, dst, src + 3 * page, 2 * page, 0, -EINVAL, -EINVAL);
	CHECK_RET(uf_mprotect(src + 2 * page, 2 * page, PROT_READ), 0);
	move_check(uf, dst, src + page, 2 * page, 0, -EINVAL, -EINVAL);
	CHECK_RET(uf_mprotect(src + 2 * page, 2 * page, PROT_READ | PROT_WRITE), 0);
	CHECK_RET(uf_mprotect(dst + 2 * page, 2 * page, PROT_READ), 0);
	move_check(uf, dst + page, src, 2 * page, 0, -EINVAL, -EINVAL);
	CHECK_RET(uf_mprotect(dst + 2 * page, 2 * page, PROT_READ | PROT_WRITE), 0);
	CHECK_RET(uf_unregister(uf, dst + 2 * page, 2 * page), 0);
	move_check(uf, dst + page, src, 2 * page, 0, -EINVAL, -EINVAL);
	/* Nothing has been done by any of them. */
	for (size_t i = 0; i < 4; i++)
		CHECK(t_is_filled(src + i * page, page, (int)i + 1));
	move_done(uf, dst, src + 2 * page, 2 * page, 0);
}

static void move_shared(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *object = t_registered(t, uf, 2);
	char *anon = t_map_of(t, T_ANON, 2);
	char *private = t_map_of(t, T_ANON, 1);

	memset(private, 3, page);
	t_fill(t, uf, object, 1, 0);
	move_check(uf, object + page, private, page, 0, -EINVAL, -EINVAL);
	if (!t_forced(t)) {
		t_register(uf, anon, page);
		move_check(uf, anon, object, page, 0, -EINVAL, -EINVAL);
	}
	move_check(uf, object + page, object, page, 0, -EINVAL, -EINVAL);
	CHECK(t_is_filled(object, page, 1));
	CHECK(t_is_filled(private, page, 3));
}

/* Private, and nobody's: but not anonymous. */
static void move_private_file(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 1);
	char *src = move_source(t, 1);
	int fd = memfd_create("move", MFD_CLOEXEC);
	char *file;

	CHECK_EQ(ftruncate(fd, (off_t)(2 * page)), 0);
	file = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	t_adopt(t, file, 2 * page, fd);
	memset(file, 5, page); /* a page of its own */
	move_check(uf, dst, file, page, 0, -EINVAL, -EINVAL);
	CHECK(t_is_filled(file, page, 5));
	/* As a target it has to be registered, which not every backend allows. */
	if (uf_register(uf, file, 2 * page, UF_REGISTER_MODE_MISSING, NULL) == 0)
		move_check(uf, file + page, src, page, 0, -EINVAL, -EINVAL);
}

/* Without a page of it: the mapping is refused before pages are looked at. */
static void move_hugetlb(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t len = (size_t)2 << 20;
	char *dst = t_registered(t, uf, len / t->page);
	char *huge = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);

	if (huge == MAP_FAILED)
		t_skip("no hugetlbfs of 2 MiB: %s", strerrordesc_np(errno));
	t_adopt(t, huge, len, -1);
	move_check(uf, dst, huge, len, 0, -EINVAL, -EINVAL);
	move_check(uf, dst, huge, len, UF_MOVE_MODE_ALLOW_SRC_HOLES, -EINVAL, -EINVAL);
}

static void move_protection(struct t *t)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_EXEC, PROT_WRITE,
				    PROT_READ | PROT_WRITE | PROT_EXEC};
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 2);
	char *src = move_source(t, 2);

	for (size_t i = 0; i < sizeof(prots) / sizeof(*prots); i++) {
		CHECK_RET(uf_mprotect(src, 2 * page, prots[i]), 0);
		move_check(uf, dst, src, page, 0, -EINVAL, -EINVAL);
		/* Alike, it works if both can be written. */
		CHECK_RET(uf_mprotect(dst, 2 * page, prots[i]), 0);
		if (!(prots[i] & PROT_WRITE))
			move_check(uf, dst, src, page, 0, -EINVAL, -EINVAL);
		CHECK_RET(uf_mprotect(src, 2 * page, PROT_READ | PROT_WRITE), 0);
		move_check(uf, dst, src, page, 0, -EINVAL, -EINVAL);
		CHECK_RET(uf_mprotect(dst, 2 * page, PROT_READ | PROT_WRITE), 0);
	}
	CHECK(t_is_filled(src, page, 1));
	move_done(uf, dst, src, page, 0);
	CHECK_RET(uf_mprotect(src, 2 * page, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	CHECK_RET(uf_mprotect(dst, 2 * page, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	move_done(uf, dst + page, src + page, page, 0);
	CHECK(t_is_filled(dst, page, 1));
	CHECK(t_is_filled(dst + page, page, 2));
}

/* The protection that pages had earlier leaves nothing behind. */
static void move_protected_before(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 2);
	char *src = move_source(t, 2);

	CHECK_RET(uf_mprotect(src, 2 * page, PROT_READ), 0);
	CHECK_RET(uf_mprotect(dst, 2 * page, PROT_NONE), 0);
	CHECK_RET(uf_mprotect(src, 2 * page, PROT_READ | PROT_WRITE), 0);
	CHECK_RET(uf_mprotect(dst, 2 * page, PROT_READ | PROT_WRITE), 0);
	move_done(uf, dst, src, 2 * page, 0);
	CHECK(t_is_filled(dst, page, 1));
	CHECK_EQ(t_access(dst, T_WRITE).sig, 0);
	CHECK_EQ(t_access(dst + page, T_WRITE).sig, 0);
	/* And the pages keep to what comes. */
	CHECK_RET(uf_mprotect(dst, page, PROT_READ), 0);
	CHECK_EQ(t_access(dst, T_WRITE).sig, SIGSEGV);
	CHECK_EQ(dst[0], T_MARK);
	t_message_none(uf);
}

static void move_locked(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 1);
	char *src = move_source(t, 1);

	/* The system call itself: a sanitizer's mlock does nothing. */
	if (syscall(SYS_mlock, src, page))
		t_skip("no memory can be locked: %s", strerrordesc_np(errno));
	move_check(uf, dst, src, page, 0, -EINVAL, -EINVAL);
	CHECK_EQ(syscall(SYS_mlock2, dst, page, MLOCK_ONFAULT), 0);
	move_done(uf, dst, src, page, 0);
	CHECK(t_is_filled(dst, page, 1));
}

static void move_registration(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	struct uf *other = t_open(t, 0, 0);
	size_t page = t->page;
	char *src = move_source(t, 1);
	char *mine = t_registered(t, uf, 1);
	char *theirs = t_registered(t, other, 1);
	char *nobodys = t_map(t, 1);

	move_check(uf, theirs, src, page, 0, -EINVAL, -EINVAL);
	move_check(uf, nobodys, src, page, 0, -EINVAL, -EINVAL);
	/* That the source is registered does not help. */
	t_fill(t, uf, mine, 9, 0);
	move_check(uf, nobodys, mine, page, 0, -EINVAL, -EINVAL);
	CHECK(t_is_filled(src, page, 1));
	move_done(other, theirs, src, page, 0);
	CHECK(t_is_filled(theirs, page, 1));
}

/* No mode is needed but that it is registered. */
static void move_registration_wp(struct t *t)
{
	struct uf *uf = move_open(t, UF_FEATURE_PAGEFAULT_FLAG_WP);
	char *dst = t_map(t, 2);
	char *src = move_source(t, 1);

	CHECK_RET(uf_register(uf, dst, 2 * t->page, UF_REGISTER_MODE_WP, NULL), 0);
	move_done(uf, dst, src, t->page, 0);
	CHECK(t_is_filled(dst, t->page, 1));
	dst[0] = 2;
	t_message_none(uf);
}

static void move_source_any(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	struct uf *other = t_open(t, 0, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 3);
	char *mine = t_registered(t, uf, 1);
	char *theirs = t_registered(t, other, 1);
	char *nobodys = move_source(t, 1);

	t_fill(t, uf, mine, 2, 0);
	t_fill(t, other, theirs, 3, 0);
	move_done(uf, dst, nobodys, page, 0);
	move_done(uf, dst + page, mine, page, 0);
	move_done(uf, dst + 2 * page, theirs, page, 0);
	for (size_t i = 0; i < 3; i++)
		CHECK(t_is_filled(dst + i * page, page, (int)i + 1));
	/* Where they were they are missing, in the way of each. */
	CHECK(t_is_filled(nobodys, page, 0));
	move_missing(t, uf, mine);
	move_missing(t, other, theirs);
	t_message_none(uf);
	t_message_none(other);
}

/* --- Progress --- */

static void move_partial(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 6);
	char *src = move_source(t, 6);
	size_t done = 99;

	t_fill(t, uf, dst + 3 * page, 0x11, 0);
	move_check(uf, dst, src, 6 * page, 0, -EAGAIN, 3 * (int64_t)page);
	for (size_t i = 0; i < 3; i++)
		CHECK(t_is_filled(dst + i * page, page, (int)i + 1));
	CHECK(t_is_filled(dst + 3 * page, page, 0x11));
	CHECK(t_is_filled(src, 3 * page, 0));
	CHECK(t_is_filled(src + 3 * page, page, 4));
	/* Called again, the reason; and the rest goes on after it. */
	CHECK_RET(uf_move(uf, dst + 3 * page, src + 3 * page, 3 * page, 0, &done), -EEXIST);
	CHECK_EQ(done, 0);
	CHECK_RET(uf_move(uf, dst + 4 * page, src + 4 * page, 2 * page, 0, &done), 0);
	CHECK_EQ(done, 2 * page);
	CHECK(t_is_filled(dst + 5 * page, page, 6));
	t_message_none(uf);
}

/* One in the part that is done, read; one unread; one behind it. */
static void move_wakes(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 4);
	char *src = move_source(t, 4);
	struct t_thread th[3];

	t_fill(t, uf, dst + 2 * page, 1, 0);
	for (size_t i = 0; i < 3; i++)
		t_thread_access(t, &th[i], dst + (i == 2 ? 3 : i) * page, T_READ);
	for (size_t i = 0; i < 3; i++)
		t_thread_asleep(&th[i]);
	t_message(uf);
	move_check(uf, dst, src, 4 * page, 0, -EAGAIN, 2 * (int64_t)page);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(th[0].outcome.value, 1);
	CHECK_EQ(th[1].outcome.value, 2);
	t_thread_blocked(&th[2]);
	move_done(uf, dst + 3 * page, src + 3 * page, page, 0);
	t_thread_join(t, &th[2], 0);
	CHECK_EQ(th[2].outcome.value, 4);
	t_message_none(uf);
}

static void move_dontwake(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 1);
	char *src = move_source(t, 1);
	struct t_thread th;

	t_thread_access(t, &th, dst, T_MODIFY);
	t_thread_asleep(&th);
	t_fault_at(uf, dst, UF_PAGEFAULT_FLAG_WRITE);
	/* An error wakes nobody. */
	move_check(uf, dst, t_map(t, 1), page, 0, -ENOENT, -ENOENT);
	t_thread_blocked(&th);
	move_done(uf, dst, src, page, UF_MOVE_MODE_DONTWAKE);
	t_thread_blocked(&th);
	CHECK_RET(uf_wake(uf, dst, page), 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 1);
	t_message_none(uf);
}

/* Who waits at the source is not concerned. */
static void move_source_waiter(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 2);
	char *src = t_registered(t, uf, 2);
	struct t_thread th;

	t_fill(t, uf, src, 1, 0);
	t_thread_access(t, &th, src + page, T_READ);
	t_thread_asleep(&th);
	t_fault_at(uf, src + page, 0);
	move_done(uf, dst, src, 2 * page, UF_MOVE_MODE_ALLOW_SRC_HOLES);
	t_thread_blocked(&th);
	t_fill(t, uf, src + page, 2, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 2);
	t_message_none(uf);
}

static void move_field_unwritable(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *buffer = t_buffer(t, 2);
	struct uf_io_move *move = (struct uf_io_move *)(buffer + page - 32);
	char *dst = t_registered(t, uf, 1);
	char *src = move_source(t, 1);
	struct t_thread th;

	CHECK_EQ(mprotect(buffer + page, page, PROT_READ), 0);
	move->dst = (uintptr_t)dst;
	move->src = (uintptr_t)src;
	move->len = page;
	move->mode = 0;
	t_thread_access(t, &th, dst, T_READ);
	t_thread_asleep(&th);
	t_fault_at(uf, dst, 0);
	CHECK_RET(uf_ioctl(uf, UF_IOC_MOVE, move), -EFAULT);
	t_thread_blocked(&th);
	CHECK(t_is_filled(src, page, 0));
	CHECK_RET(uf_wake(uf, dst, page), 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 1);
	/* An error besides is told as EFAULT, too. */
	CHECK_RET(uf_ioctl(uf, UF_IOC_MOVE, move), -EFAULT);
}

static struct {
	char *addr;
	size_t len;
	int ret;
} move_advice;

static void move_advice_thread(void *arg)
{
	move_advice.ret = uf_madvise(move_advice.addr, move_advice.len, MADV_DONTNEED);
}

static void move_event_pending(struct t *t)
{
	struct uf *uf = move_open(t, UF_FEATURE_EVENT_REMOVE);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 2);
	char *src = move_source(t, 1);
	struct t_thread th;
	struct uf_msg msg;

	move_advice.addr = dst + page;
	move_advice.len = page;
	t_thread_call(t, &th, move_advice_thread, NULL);
	t_message_pending(uf);
	move_check(uf, dst, src, page, 0, -EAGAIN, -EAGAIN);
	/* Before the argument is read, but the field is written. */
	move_check(uf, dst + 1, NULL, 0, ~UINT64_C(0), -EAGAIN, -EAGAIN);
	CHECK_RET(uf_ioctl(uf, UF_IOC_MOVE, NULL), -EFAULT);
	CHECK(t_is_filled(src, page, 1));
	msg = t_message(uf);
	CHECK_EQ(msg.event, UF_EVENT_REMOVE);
	t_thread_join(t, &th, 0);
	CHECK_RET(move_advice.ret, 0);
	move_done(uf, dst, src, page, 0);
}

/* --- Within one mapping --- */

static void move_within(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 6);

	for (size_t i = 0; i < 2; i++)
		t_fill(t, uf, addr + i * page, (int)i + 1, 0);
	move_done(uf, addr + 4 * page, addr, 2 * page, 0);
	CHECK(t_is_filled(addr + 4 * page, page, 1));
	CHECK(t_is_filled(addr + 5 * page, page, 2));
	move_missing(t, uf, addr);
	t_message_none(uf);
	/* Onto itself: the target is looked at first, and there is the page. */
	move_check(uf, addr + 4 * page, addr + 4 * page, page, 0, -EEXIST, -EEXIST);
	CHECK(t_is_filled(addr + 4 * page, page, 1));
	move_check(uf, addr + 2 * page, addr + 2 * page, page, 0, -ENOENT, -ENOENT);
	move_done(uf, addr + 2 * page, addr + 2 * page, page, UF_MOVE_MODE_ALLOW_SRC_HOLES);
}

/* Page by page, in ascending order: what has moved may be moved again. */
static void move_overlap(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);

	/* Down: each page into the place that the one before it has left. */
	for (size_t i = 1; i < 4; i++)
		t_fill(t, uf, addr + i * page, (int)i, 0);
	move_done(uf, addr, addr + page, 3 * page, 0);
	for (size_t i = 0; i < 3; i++)
		CHECK(t_is_filled(addr + i * page, page, (int)i + 1));
	/* Up, into the next page, which is there. */
	move_check(uf, addr + page, addr, 3 * page, 0, -EEXIST, -EEXIST);
	/* Up, into missing pages: one page goes all the way. */
	CHECK_RET(uf_madvise(addr + page, 3 * page, MADV_DONTNEED), 0);
	move_done(uf, addr + page, addr, 3 * page, 0);
	CHECK(t_is_filled(addr + 3 * page, page, 1));
	for (size_t i = 0; i < 3; i++)
		move_missing(t, uf, addr + i * page);
	t_message_none(uf);
}

const struct t_case move_cases[] = {
	CASE("move.1", move_argument, T_ONCE),
	CASE("move.2", move_range, T_PRIVATE),
	CASE("move.3", move_mode, T_ALL),
	CASE("move.4", move_other_process, T_PRIVATE | T_KERNEL_ONLY),
	CASE("move.5", move_advertised, T_PRIVATE),
	CASE("move.6", move_event_pending, T_PRIVATE),
	CASE("move.7", move_unmapped, T_PRIVATE),
	CASE("move.8", move_over_end, T_PRIVATE),
	CASE("move.9", move_shared, T_OBJECT),
	CASE("move.9", move_private_file, T_PRIVATE),
	CASE("move.9", move_hugetlb, T_PRIVATE),
	CASE("move.10", move_protection, T_PRIVATE),
	CASE("move.10", move_protected_before, T_PRIVATE),
	CASE("move.11", move_locked, T_PRIVATE | T_KERNEL_ONLY),
	CASE("move.12", move_registration, T_PRIVATE),
	CASE("move.12", move_registration_wp, T_PRIVATE),
	CASE("move.13", move_source_any, T_PRIVATE),
	CASE("move.23, fill.4, fill.10", move_partial, T_PRIVATE),
	CASE("move.23, fill.6", move_wakes, T_PRIVATE),
	CASE("move.23, fill.6", move_dontwake, T_PRIVATE),
	CASE("move.23", move_source_waiter, T_PRIVATE),
	CASE("move.23, fill.5", move_field_unwritable, T_PRIVATE),
	CASE("move.24", move_within, T_PRIVATE),
	CASE("move.24", move_overlap, T_PRIVATE),
	{0},
};
