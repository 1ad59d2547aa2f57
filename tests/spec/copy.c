/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/copy.md */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fill.h"
#include "suites.h"

static void copy_check(struct t *t, struct uf *uf, char *dst, const char *src, size_t len,
		       uint64_t mode, int ret, int64_t field)
{
	struct fill f = {
		.kind = FILL_COPY, .src = src, .start = (uintptr_t)dst, .len = len, .mode = mode};

	CHECK_RET(fill_call(t, uf, &f), ret);
	CHECK_EQ(f.field, field);
}

static void copy_source_range(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	char *src = t_buffer(t, 5);
	char *last = (char *)~(uintptr_t)(page - 1);

	for (size_t i = 0; i < 5 * page; i++)
		src[i] = (char)(i * 7 + i / page);
	copy_check(t, uf, addr, src + 1, 2 * page, 0, 0, 2 * (int64_t)page);
	CHECK(!memcmp(addr, src + 1, 2 * page));
	copy_check(t, uf, addr + 2 * page, src + page - 1, page, 0, 0, (int64_t)page);
	CHECK(!memcmp(addr + 2 * page, src + page - 1, page));
	copy_check(t, uf, addr + 3 * page, last, page, 0, -EINVAL, FILL_KEPT);
	copy_check(t, uf, addr + 3 * page, last - 5, page, 0, -EINVAL, FILL_KEPT);
	copy_check(t, uf, addr + 3 * page, src, 0, 0, -EINVAL, FILL_KEPT);
	copy_check(t, uf, addr + 3 * page, src, 2048, 0, -EINVAL, FILL_KEPT);
}

static void copy_write_protect(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	char *nowhere = t_buffer(t, 1) - t->page;

	copy_check(t, uf, addr, NULL, t->page, UF_COPY_MODE_WP, -EINVAL, -EINVAL);
	/* The mapping is found first. */
	copy_check(t, uf, nowhere, NULL, t->page, UF_COPY_MODE_WP, -ENOENT, -ENOENT);
	/* Before the page: it has content. */
	t_fill(t, uf, addr, 1, 0);
	copy_check(t, uf, addr, NULL, t->page, UF_COPY_MODE_WP, -EINVAL, -EINVAL);
}

static void copy_exists(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 5);
	char *src = t_buffer(t, 1);

	addr[0] = 1;		 /* written before */
	CHECK_EQ(addr[page], 0); /* read before: the zero page of private memory */
	t_register(uf, addr, 5 * page);
	t_fill(t, uf, addr + 2 * page, 3, 0);
	t_zero(t, uf, addr + 3 * page, page);
	memset(src, 9, page);
	for (size_t i = 0; i < 4; i++)
		copy_check(t, uf, addr + i * page, src, page, 0, -EEXIST, -EEXIST);
	CHECK_EQ(addr[0], 1);
	CHECK(t_is_filled(addr + page, page, 0));
	CHECK(t_is_filled(addr + 2 * page, page, 3));
	CHECK(t_is_filled(addr + 3 * page, page, 0));
	copy_check(t, uf, addr + 4 * page, src, page, 0, 0, (int64_t)page);
}

static void copy_source_unreadable(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	char *src = t_buffer(t, 2);
	struct t_thread th;

	memset(src, 5, 2 * page);
	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	copy_check(t, uf, addr, src - page, page, 0, -EFAULT, -EFAULT);
	copy_check(t, uf, addr, (char *)page, page, 0, -EFAULT, -EFAULT);
	/* The second half of the page's source is not there. */
	copy_check(t, uf, addr, src + page + page / 2, page, 0, -EFAULT, -EFAULT);
	t_thread_blocked(&th);
	/* Two pages are, the third is not; then a page and a half. */
	copy_check(t, uf, addr, src, 3 * page, 0, -EAGAIN, 2 * (int64_t)page);
	t_thread_join(t, &th, 0);
	copy_check(t, uf, addr + 2 * page, src + page / 2, 2 * page, 0, -EAGAIN, (int64_t)page);
	CHECK(t_is_filled(addr, 3 * page, 5));
	/* The page that failed is as missing as before. */
	t_thread_access(t, &th, addr + 3 * page, T_READ);
	t_fault_at(uf, addr + 3 * page, 0);
	copy_check(t, uf, addr + 3 * page, src, page, 0, 0, (int64_t)page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 5);
}

static struct {
	struct uf *uf;
	char *dst;
	char *src;
	size_t len;
	size_t done;
	int ret;
} copy_caller;

static void copy_call_thread(void *arg)
{
	copy_caller.ret = uf_copy(copy_caller.uf, copy_caller.dst, copy_caller.src, copy_caller.len,
				  0, &copy_caller.done);
}

/* The first page of the source is there, the others come one by one while the call waits. */
static void copy_source_waits(struct t *t, struct uf *uf, struct uf *owner)
{
	size_t page = t->page;
	struct t_thread th;

	copy_caller.uf = uf;
	copy_caller.dst = t_registered(t, uf, 3);
	copy_caller.src = t_registered(t, owner, 3);
	copy_caller.len = 3 * page;
	t_fill(t, owner, copy_caller.src, 1, 0);
	t_thread_call(t, &th, copy_call_thread, NULL);
	for (size_t i = 1; i < 3; i++) {
		struct uf_msg msg = t_message(owner);

		CHECK_EQ(msg.arg.pagefault.address, (uintptr_t)copy_caller.src + i * page);
		CHECK_EQ(msg.arg.pagefault.flags, 0);
		CHECK_EQ(msg.arg.pagefault.feat.ptid, atomic_load(&th.tid));
		t_thread_blocked(&th);
		t_fill(t, owner, copy_caller.src + i * page, (int)i + 1, 0);
	}
	t_thread_join(t, &th, 0);
	CHECK_RET(copy_caller.ret, 0);
	CHECK_EQ(copy_caller.done, 3 * page);
	for (size_t i = 0; i < 3; i++)
		CHECK(t_is_filled(copy_caller.dst + i * page, page, (int)i + 1));
	t_message_none(owner);
}

static void copy_source_missing(struct t *t)
{
	struct uf *uf = t_open(t, 0, UF_FEATURE_THREAD_ID);
	struct uf *owner = t_open(t, 0, UF_FEATURE_THREAD_ID);

	copy_source_waits(t, uf, owner);
	copy_source_waits(t, uf, uf);
}

/* Not aligned, so that the second page of the source is missing in the midst of the first page. */
static void copy_source_missing_within(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *src = t_registered(t, uf, 2);
	struct t_thread th;

	t_fill(t, uf, src, 1, 0);
	copy_caller.uf = uf;
	copy_caller.dst = t_registered(t, uf, 1);
	copy_caller.src = src + page / 2;
	copy_caller.len = page;
	t_thread_call(t, &th, copy_call_thread, NULL);
	t_fault_at(uf, src + page, 0);
	t_thread_blocked(&th);
	t_fill(t, uf, src + page, 2, 0);
	t_thread_join(t, &th, 0);
	CHECK_RET(copy_caller.ret, 0);
	CHECK(t_is_filled(copy_caller.dst, page / 2, 1));
	CHECK(t_is_filled(copy_caller.dst + page / 2, page / 2, 2));
}

static void copy_source_refused(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *user = t_open(t, UF_USER_MODE_ONLY, 0);
	struct uf *bus = t_open(t, 0, UF_FEATURE_SIGBUS);
	char *addr = t_registered(t, uf, 2);
	char *a = t_registered(t, user, 2);
	char *b = t_registered(t, bus, 2);

	copy_check(t, uf, addr, a, t->page, 0, -EFAULT, -EFAULT);
	copy_check(t, uf, addr, b, t->page, 0, -EFAULT, -EFAULT);
	t_message_none(user);
	t_message_none(bus);
	/* With content they are sources as any other. */
	t_fill(t, user, a, 1, 0);
	t_fill(t, bus, b, 2, 0);
	copy_check(t, uf, addr, a, 2 * t->page, 0, -EAGAIN, (int64_t)t->page);
	copy_check(t, uf, addr + t->page, b, t->page, 0, 0, (int64_t)t->page);
	CHECK_EQ(addr[0], 1);
	CHECK_EQ(addr[t->page], 2);
}

static void copy_beyond_end(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);

	CHECK_EQ(ftruncate(t_map_fd(t, addr), (off_t)(2 * page)), 0);
	copy_check(t, uf, addr + 2 * page, NULL, page, 0, -EFAULT, -EFAULT);
	copy_check(t, uf, addr + page, NULL, 2 * page, 0, -EAGAIN, (int64_t)page);
	copy_check(t, uf, addr, NULL, 4 * page, 0, -EAGAIN, (int64_t)page);
	CHECK_EQ(ftruncate(t_map_fd(t, addr), (off_t)(3 * page)), 0);
	copy_check(t, uf, addr + 2 * page, NULL, page, 0, 0, (int64_t)page);
}

static struct {
	char *addr;
	size_t page;
	size_t npages;
	_Atomic int bad;
} copy_watch;

/* Touch each page at its end first, and see at once whether all of it is there. */
static void copy_watcher(void *arg)
{
	for (size_t i = 0; i < copy_watch.npages; i++) {
		const volatile char *p = copy_watch.addr + i * copy_watch.page;

		for (size_t at = copy_watch.page; at > 0; at -= 64)
			if (p[at - 1] != FILL_BYTE)
				atomic_fetch_add(&copy_watch.bad, 1);
	}
}

static void copy_whole_pages(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct t_thread th;

	copy_watch.page = t->page;
	copy_watch.npages = t_huge(t) ? 8 : 200;
	copy_watch.addr = t_registered(t, uf, copy_watch.npages);
	t_thread_call(t, &th, copy_watcher, NULL);
	for (size_t i = 0; i < copy_watch.npages; i += 2)
		copy_check(t, uf, copy_watch.addr + i * t->page, NULL, 2 * t->page, 0, 0,
			   2 * (int64_t)t->page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(atomic_load(&copy_watch.bad), 0);
}

static void copy_into_object(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 3);
	char *twin;

	twin = t_twin(t, addr, 3);
	t_register(uf, addr, 3 * page);
	t_fill(t, uf, addr, 1, 0);
	CHECK(t_is_filled(twin, page, 1));
	twin[1] = 2;
	CHECK_EQ(addr[1], 2);
	/* Written through the other mapping, never seen in this one. */
	memset(twin + page, 4, page);
	copy_check(t, uf, addr + page, NULL, page, 0, -EEXIST, -EEXIST);
	copy_check(t, uf, addr, NULL, 3 * page, 0, -EEXIST, -EEXIST);
	CHECK(t_is_filled(addr + page, page, 4));
	t_message_none(uf);
	/* A page that failed has not come into the object. */
	copy_check(t, uf, addr + 2 * page, (char *)page, page, 0, -EFAULT, -EFAULT);
	copy_check(t, uf, addr + 2 * page, NULL, page, 0, 0, (int64_t)page);
}

static void copy_private_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK(t_is_filled(addr, t->page, 1));
	memset(addr, 2, t->page);
	CHECK(t_is_filled(addr, t->page, 2));
}

static void copy_private(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	char *src = t_buffer(t, 1);

	memset(src, 1, t->page);
	copy_check(t, uf, addr, src, t->page, 0, 0, (int64_t)t->page);
	/* No page is shared: not with the source, not with a child. */
	memset(src, 3, t->page);
	CHECK(t_is_filled(addr, t->page, 1));
	CHECK_EQ(t_wait(t_fork(t, copy_private_child, addr)), 0);
	CHECK(t_is_filled(addr, t->page, 1));
	addr[5] = 7;
	CHECK_EQ(addr[5], 7);
	CHECK_EQ(src[5], 3);
	t_message_none(uf);
}

/* Nothing to read and nowhere to put it; then a source that has to be waited for. */
static void copy_source_first(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 1);
	char *src = t_registered(t, uf, 1);
	char *nowhere = t_buffer(t, 1) - page;
	struct t_thread th;

	t_fill(t, uf, addr, 1, 0);
	copy_check(t, uf, addr, nowhere, page, 0, -EFAULT, -EFAULT);
	copy_caller.uf = uf;
	copy_caller.dst = addr;
	copy_caller.src = src;
	copy_caller.len = page;
	t_thread_call(t, &th, copy_call_thread, NULL);
	t_fault_at(uf, src, 0);
	t_thread_blocked(&th);
	t_fill(t, uf, src, 2, 0);
	t_thread_join(t, &th, 0);
	CHECK_RET(copy_caller.ret, -EEXIST);
	CHECK(t_is_filled(addr, page, 1));
}

#define COPY_MODES (UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP)

static void copy_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, COPY_MODES, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 5, COPY_MODES);
	struct t_thread th;

	t_fill(t, uf, addr, 1, UF_COPY_MODE_WP);
	t_is_protected(t, uf, addr);
	CHECK(t_is_filled(addr + 1, page - 1, 1));
	/* A reader is done. */
	t_thread_faults(t, &th, uf, addr + page, T_READ, 0);
	t_fill(t, uf, addr + page, 2, UF_COPY_MODE_WP);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 2);
	t_is_protected(t, uf, addr + page);
	/* A writer waits again. */
	t_thread_faults(t, &th, uf, addr + 2 * page, T_MODIFY, UF_PAGEFAULT_FLAG_WRITE);
	t_fill(t, uf, addr + 2 * page, 3, UF_COPY_MODE_WP);
	t_fault_at(uf, addr + 2 * page, T_WP);
	t_thread_blocked(&th);
	t_unprotect(uf, addr + 2 * page, page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 3);
	CHECK_EQ(addr[2 * page], 4);
	/* Several at once. */
	copy_check(t, uf, addr + 3 * page, NULL, 2 * page, UF_COPY_MODE_WP | UF_COPY_MODE_DONTWAKE,
		   0, 2 * (int64_t)page);
	t_is_protected(t, uf, addr + 3 * page);
	t_is_protected(t, uf, addr + 4 * page);
}

static void copy_over_protection(struct t *t)
{
	struct uf *uf = t_open_mode(t, COPY_MODES,
				    t->target->mem == T_ANON ? UF_FEATURE_WP_UNPOPULATED : 0);
	static const uint64_t modes[] = {COPY_MODES, UF_REGISTER_MODE_WP};
	size_t page = t->page;

	for (size_t i = 0; i < 2; i++) {
		char *addr = t_registered_mode(t, uf, 2, modes[i]);

		t_protect(uf, addr, 2 * page);
		t_fill(t, uf, addr, 1, 0);
		t_fill(t, uf, addr + page, 2, UF_COPY_MODE_WP);
		t_is_open(uf, addr);
		copy_check(t, uf, addr + page, NULL, page, 0, -EEXIST, -EEXIST);
		copy_check(t, uf, addr + page, NULL, page, UF_COPY_MODE_WP, -EEXIST, -EEXIST);
		CHECK_EQ(addr[page], 2);
		t_is_protected(t, uf, addr + page);
		t_protect(uf, addr, page);
		copy_check(t, uf, addr, NULL, page, 0, -EEXIST, -EEXIST);
		t_is_protected(t, uf, addr);
	}
}

static void copy_over_poison(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;

	if (t_shared(t))
		t_needs_linux(); /* MADV_REMOVE */
	t_needs_old_rule(t, "COPY refuses a poisoned page");
	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open_mode(t, COPY_MODES, 0);
	addr = t_registered_mode(t, uf, 4, COPY_MODES);
	t_poison(uf, addr, 3 * page);
	copy_check(t, uf, addr, NULL, 2 * page, 0, 0, 2 * (int64_t)page);
	t_fill(t, uf, addr + 2 * page, 3, UF_COPY_MODE_WP);
	CHECK(t_is_filled(addr, 2 * page, FILL_BYTE));
	t_is_open(uf, addr);
	t_is_protected(t, uf, addr + 2 * page);
	/* A source that is poisoned cannot be read. */
	t_poison(uf, addr + 3 * page, page);
	CHECK_RET(uf_madvise(addr, page, t_shared(t) ? MADV_REMOVE : MADV_DONTNEED), 0);
	copy_check(t, uf, addr, addr + 3 * page, page, 0, -EFAULT, -EFAULT);
	copy_check(t, uf, addr, addr + 2 * page, 2 * page, 0, -EAGAIN, (int64_t)page);
}

#define COPY_ROUNDS 300

static struct {
	char *page;
	size_t len;
	_Atomic bool over;
} copy_flicker;

/* The page can be read, and cannot, and can. */
static void copy_flicker_thread(void *arg)
{
	(void)arg;
	while (!atomic_load(&copy_flicker.over)) {
		CHECK_EQ(mprotect(copy_flicker.page, copy_flicker.len, PROT_NONE), 0);
		CHECK_EQ(mprotect(copy_flicker.page, copy_flicker.len, PROT_READ), 0);
	}
}

/* spec: copy.8: the object does not keep what was begun. */
static void copy_source_flickers(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 2);
	char *src = t_buffer(t, 2);
	struct t_thread th;

	if (t_shared(t))
		t_needs_linux(); /* MADV_REMOVE */
	memset(src, 6, 2 * page);
	copy_flicker.page = src + page;
	copy_flicker.len = page;
	atomic_store(&copy_flicker.over, false);
	t_thread_call(t, &th, copy_flicker_thread, NULL);
	for (int i = 0; i < COPY_ROUNDS; i++) {
		size_t done = 0;
		int err = uf_copy(uf, addr, src, 2 * page, 0, &done);

		if (err) {
			CHECK_RET(err, -EAGAIN);
			CHECK_EQ(done, page);
			copy_check(t, uf, addr + page, src, page, 0, 0, (int64_t)page);
		}
		CHECK(t_is_filled(addr, 2 * page, 6));
		CHECK_RET(uf_madvise(addr, 2 * page, t_shared(t) ? MADV_REMOVE : MADV_DONTNEED), 0);
	}
	atomic_store(&copy_flicker.over, true);
	t_thread_join(t, &th, 0);
}

const struct t_case copy_cases[] = {
	CASE("copy.1", copy_source_range, T_ALL),
	CASE("copy.2, fill.10", copy_write_protect, T_ALL),
	CASE("copy.3", copy_exists, T_ALL),
	CASE("copy.4, fill.4", copy_source_unreadable, T_ALL),
	CASE("copy.5", copy_source_missing, T_ALL),
	CASE("copy.5", copy_source_missing_within, T_ALL),
	CASE("copy.6", copy_source_refused, T_ALL),
	CASE("copy.7", copy_beyond_end, T_FILE),
	CASE("copy.8", copy_whole_pages, T_ALL),
	CASE("copy.8", copy_source_flickers, T_SMALL),
	CASE("copy.9", copy_into_object, T_OBJECT),
	CASE("copy.10", copy_private, T_OWN),
	CASE("copy.11", copy_source_first, T_SMALL),
	CASE("copy.12, fault.15", copy_protected, T_ALL),
	CASE("copy.13", copy_over_protection, T_ALL),
	CASE("copy.14, copy.4", copy_over_poison, T_ALL),
	{0},
};
