/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/writeprotect.md */
#include "fill.h"
#include "suites.h"

#define WP UF_WRITEPROTECT_MODE_WP
#define DONTWAKE UF_WRITEPROTECT_MODE_DONTWAKE

static struct uf *wp_open(struct t *t, uint64_t features)
{
	return t_open_mode(t, UF_REGISTER_MODE_WP, features);
}

static char *wp_registered(struct t *t, struct uf *uf, size_t npages)
{
	return t_registered_mode(t, uf, npages, UF_REGISTER_MODE_WP);
}

static void wp_argument(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	char *addr = wp_registered(t, uf, 2);
	char *nowhere = t_buffer(t, 1) - t->page;
	char *end = nowhere + 2 * t->page;
	uint64_t page = t->page;

	CHECK_RET(uf_ioctl(uf, UF_IOC_WRITEPROTECT, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_WRITEPROTECT, end - 16), -EFAULT);
	CHECK_RET(uf_writeprotect(uf, addr + 1, page, WP), -EINVAL);
	CHECK_RET(uf_writeprotect(uf, addr, page + 1, WP), -EINVAL);
	CHECK_RET(uf_writeprotect(uf, addr, page - 1, WP), -EINVAL);
	CHECK_RET(uf_writeprotect(uf, addr, 0, WP), -EINVAL);
	CHECK_RET(uf_writeprotect(uf, addr, ~(page - 1), WP), -EINVAL);
	CHECK_RET(uf_writeprotect(uf, (void *)~(uintptr_t)(page - 1), page, WP), -EINVAL);
	/* The range and the mode come before the mappings. */
	CHECK_RET(uf_writeprotect(uf, nowhere, 0, WP), -EINVAL);
	CHECK_RET(uf_writeprotect(uf, nowhere, page, WP | DONTWAKE), -EINVAL);
	CHECK_RET(uf_writeprotect(uf, nowhere, page, 4), -EINVAL);
	t_is_open(uf, addr);
}

static void wp_mode(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	char *addr = wp_registered(t, uf, 1);

	*addr = 1;
	CHECK_RET(uf_writeprotect(uf, addr, t->page, 4), -EINVAL);
	CHECK_RET(uf_writeprotect(uf, addr, t->page, WP | UINT64_C(1) << 63), -EINVAL);
	CHECK_RET(uf_writeprotect(uf, addr, t->page, WP | DONTWAKE), -EINVAL);
	t_is_open(uf, addr);
	CHECK_RET(uf_writeprotect(uf, addr, t->page, WP), 0);
	t_is_protected(t, uf, addr);
	t_protect(uf, addr, t->page);
	CHECK_RET(uf_writeprotect(uf, addr, t->page, DONTWAKE), 0);
	t_is_open(uf, addr);
}

/* A hole, one page, a hole of two, two pages of which one may only be read, a hole. */
static void wp_holes(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 7);

	memset(addr, 1, 7 * page);
	CHECK_EQ(mprotect(addr + 5 * page, page, PROT_READ), 0);
	CHECK_EQ(munmap(addr, page), 0);
	CHECK_EQ(munmap(addr + 2 * page, 2 * page), 0);
	CHECK_EQ(munmap(addr + 6 * page, page), 0);
	t_register_mode(uf, addr, 7 * page, UF_REGISTER_MODE_WP);
	CHECK_RET(uf_writeprotect(uf, addr, page, WP), -ENOENT);
	CHECK_RET(uf_writeprotect(uf, addr + 2 * page, 2 * page, WP), -ENOENT);
	CHECK_RET(uf_writeprotect(uf, addr + 2 * page, 2 * page, 0), -ENOENT);
	t_is_open(uf, addr + page);
	t_protect(uf, addr, 7 * page);
	CHECK_RET(uf_mprotect(addr + 5 * page, page, PROT_READ | PROT_WRITE), 0);
	t_is_protected(t, uf, addr + page);
	t_is_protected(t, uf, addr + 4 * page);
	t_is_protected(t, uf, addr + 5 * page);
	t_protect(uf, addr, 7 * page);
	t_unprotect(uf, addr, 7 * page);
	t_is_open(uf, addr + page);
	t_is_open(uf, addr + 4 * page);
	t_is_open(uf, addr + 5 * page);
}

static void wp_several_kinds(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;

	if (t_forced(t))
		t_skip("a forced strategy serves one kind of memory");
	t_needs_features(t, UF_FEATURE_WP_HUGETLBFS_SHMEM);
	uf = wp_open(t, 0);
	addr = t_map_of(t, T_ANON, 3);
	CHECK(mmap(addr + page, page, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == addr + page);
	t_register_mode(uf, addr, 3 * page, UF_REGISTER_MODE_WP);
	memset(addr, 1, 3 * page);
	t_protect(uf, addr, 3 * page);
	for (size_t i = 0; i < 3; i++)
		t_is_protected(t, uf, addr + i * page);
}

/* Registered with it, without it, and with it. */
static void wp_without_mode(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 4);
	struct t_thread th;

	memset(addr, 1, 4 * page);
	t_register_mode(uf, addr, page, UF_REGISTER_MODE_WP);
	t_register(uf, addr + page, page);
	t_register_mode(uf, addr + 2 * page, page, UF_REGISTER_MODE_WP);
	CHECK_RET(uf_writeprotect(uf, addr + page, 2 * page, WP), -ENOENT);
	CHECK_RET(uf_writeprotect(uf, addr + 3 * page, page, WP), -ENOENT);
	CHECK_RET(uf_writeprotect(uf, addr + 3 * page, page, 0), -ENOENT);
	CHECK_RET(uf_writeprotect(uf, addr, 4 * page, WP), -ENOENT);
	for (size_t i = 1; i < 4; i++)
		t_is_open(uf, addr + i * page);
	t_thread_faults(t, &th, uf, addr, T_WRITE, T_WP);
	/* Its protection ends, and it is not told so. */
	CHECK_RET(uf_writeprotect(uf, addr, 2 * page, 0), -ENOENT);
	t_thread_blocked(&th);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
	t_is_open(uf, addr);
}

static void wp_present(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 3);

	memset(addr, 5, page);	 /* before */
	CHECK_EQ(addr[page], 0); /* the zero page of private memory */
	t_register_mode(uf, addr, 3 * page, UF_REGISTER_MODE_WP);
	memset(addr + 2 * page, 6, page); /* afterwards */
	t_protect(uf, addr, 3 * page);
	t_protect(uf, addr, 3 * page);
	CHECK(t_is_filled(addr, page, 5));
	CHECK(t_is_filled(addr + page, page, 0));
	CHECK(t_is_filled(addr + 2 * page, page, 6));
	t_message_none(uf);
	for (size_t i = 0; i < 3; i++)
		t_is_protected(t, uf, addr + i * page);
	CHECK(t_is_filled(addr + 1, page - 1, 5));
	CHECK(t_is_filled(addr + page + 1, page - 1, 0));
	CHECK(t_is_filled(addr + 2 * page + 1, page - 1, 6));
}

/* Nobody has ever touched them: to write is to bring the page in and to wait. */
static void wp_unmapped_pages(struct t *t, struct uf *uf, char *addr, size_t npages, int byte)
{
	struct t_thread th;

	for (size_t i = 0; i < npages; i++) {
		char *at = addr + i * t->page;

		if (i % 2) {
			t_is_protected(t, uf, at); /* reads first */
		} else {
			t_thread_faults(t, &th, uf, at, T_MODIFY, T_WP);
			t_unprotect(uf, at, t->page);
			t_thread_join(t, &th, 0);
			CHECK_EQ(th.outcome.value, byte);
		}
		CHECK(t_is_filled(at + 1, t->page - 1, byte));
		t_message_none(uf);
	}
}

static void wp_not_mapped(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 4);
	char *twin = t_twin(t, addr, 4);

	memset(twin, 7, 2 * page);
	t_register_mode(uf, addr, 4 * page, UF_REGISTER_MODE_WP);
	t_protect(uf, addr, 4 * page);
	t_protect(uf, addr, 4 * page);
	wp_unmapped_pages(t, uf, addr, 2, 7);
	wp_unmapped_pages(t, uf, addr + 2 * page, 2, 0);
}

/* The object gets the pages while they are protected here. */
static void wp_comes_later(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 2);
	char *twin = t_twin(t, addr, 2);

	t_register_mode(uf, addr, 2 * page, UF_REGISTER_MODE_WP);
	t_protect(uf, addr, 2 * page);
	memset(twin, 8, 2 * page);
	wp_unmapped_pages(t, uf, addr, 2, 8);
}

static void wp_left_out(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = wp_registered(t, uf, 4);

	addr[page] = 1;
	t_protect(uf, addr, 4 * page);
	CHECK_EQ(addr[2 * page], 0); /* comes afterwards: as any page */
	t_is_open(uf, addr);
	t_is_protected(t, uf, addr + page);
	t_is_open(uf, addr + 2 * page);
	t_is_open(uf, addr + 3 * page);
}

static void wp_unpopulated(struct t *t)
{
	struct uf *uf = wp_open(t, UF_FEATURE_WP_UNPOPULATED);
	size_t page = t->page;
	char *addr = wp_registered(t, uf, 5);

	t_protect(uf, addr, 4 * page);
	t_protect(uf, addr, 4 * page);
	wp_unmapped_pages(t, uf, addr, 4, 0);
	t_is_open(uf, addr + 4 * page);
}

static void wp_ends(struct t *t)
{
	struct uf *uf = wp_open(t, t->target->mem == T_ANON ? UF_FEATURE_WP_UNPOPULATED : 0);
	size_t page = t->page;
	char *addr = wp_registered(t, uf, 4);

	t_unprotect(uf, addr, 4 * page); /* there is none */
	addr[0] = 1;
	CHECK_EQ(addr[page], 0);
	for (int i = 0; i < 3; i++)
		t_protect(uf, addr, 3 * page);
	t_unprotect(uf, addr, 4 * page);
	for (size_t i = 0; i < 4; i++)
		t_is_open(uf, addr + i * page);
	CHECK(t_is_filled(addr + 2 * page + 1, page - 1, 0));
	t_unprotect(uf, addr, 4 * page);
}

/* On and off many times: nothing of it may pile up. */
static void wp_repeated(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = wp_registered(t, uf, 8);

	memset(addr, 1, 8 * page);
	for (size_t i = 0; i < 40; i++) {
		t_protect(uf, addr + i % 8 * page, (8 - i % 8) * page);
		t_unprotect(uf, addr + (i + 3) % 8 * page, page);
		t_is_open(uf, addr + (i + 3) % 8 * page);
		if ((i + 3) % 8 != 7)
			t_is_protected(t, uf, addr + 7 * page);
	}
}

static void wp_wakes(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = wp_registered(t, uf, 3);
	struct t_thread th[4];

	memset(addr, 1, 3 * page);
	t_protect(uf, addr, 3 * page);
	/* Two at the same page, one read and one not; one behind the range. */
	t_thread_faults(t, &th[0], uf, addr + page, T_WRITE, T_WP);
	t_thread_faults(t, &th[1], uf, addr + 2 * page, T_WRITE, T_WP);
	t_thread_access(t, &th[2], addr + page, T_MODIFY);
	t_thread_asleep(&th[2]);
	t_thread_access(t, &th[3], addr, T_MODIFY);
	t_thread_asleep(&th[3]);
	t_protect(uf, addr, 3 * page); /* wakes nobody */
	t_thread_blocked(&th[0]);
	t_unprotect(uf, addr, 2 * page);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[2], 0);
	t_thread_join(t, &th[3], 0);
	CHECK_EQ(th[3].outcome.value, 1);
	CHECK_EQ(addr[0], 2);
	t_thread_blocked(&th[1]);
	t_message_none(uf);
	t_unprotect(uf, addr + 2 * page, page);
	t_thread_join(t, &th[1], 0);
	t_message_none(uf);
}

static void wp_dontwake(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = wp_registered(t, uf, 1);
	struct t_thread th;

	memset(addr, 1, page);
	t_protect(uf, addr, page);
	t_thread_access(t, &th, addr, T_MODIFY);
	t_thread_asleep(&th);
	t_fault_at(uf, addr, T_WP);
	/* Woken, but still protected: a new message. */
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_fault_at(uf, addr, T_WP);
	t_thread_asleep(&th);
	CHECK_RET(uf_writeprotect(uf, addr, page, DONTWAKE), 0);
	t_thread_blocked(&th);
	t_message_none(uf);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(addr[0], 2);
	t_message_none(uf);
}

/* It waits for a missing page: woken, it asks again. */
static void wp_wakes_missing(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	char *addr = t_registered_mode(t, uf, 1, UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MISSING);
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_thread_asleep(&th);
	t_fault_at(uf, addr, 0);
	t_protect(uf, addr, t->page);
	t_thread_blocked(&th);
	t_unprotect(uf, addr, t->page);
	t_fault_at(uf, addr, 0);
	t_thread_blocked(&th);
	t_fill(t, uf, addr, 3, 0);
	t_thread_join(t, &th, 0);
	t_is_open(uf, addr);
}

static void wp_part(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = wp_registered(t, uf, 5);

	memset(addr, 1, 5 * page);
	t_protect(uf, addr + page, 3 * page);
	t_is_open(uf, addr);
	t_is_open(uf, addr + 4 * page);
	t_unprotect(uf, addr + 2 * page, page);
	t_is_open(uf, addr + 2 * page);
	t_is_protected(t, uf, addr + page);
	t_is_protected(t, uf, addr + 3 * page);
}

static void wp_other_mapping(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 2);
	char *twin = t_twin(t, addr, 2);

	memset(twin, 1, page);
	CHECK_EQ(addr[0], 1);
	t_register_mode(uf, addr, 2 * page, UF_REGISTER_MODE_WP);
	t_protect(uf, addr, 2 * page);
	for (size_t i = 0; i < 2; i++) {
		twin[i * page] = 2;
		CHECK_EQ(addr[i * page], 2);
		twin[i * page] = 3;
		CHECK_EQ(addr[i * page], 3);
	}
	t_message_none(uf);
	t_is_protected(t, uf, addr);
	t_is_protected(t, uf, addr + page);
	CHECK_EQ((unsigned char)twin[page], T_MARK);
}

static void wp_any_context(struct t *t)
{
	struct uf *uf = wp_open(t, 0);
	struct uf *other = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = wp_registered(t, uf, 1);
	struct t_thread th;

	memset(addr, 1, page);
	t_protect(other, addr, page);
	t_thread_access(t, &th, addr, T_WRITE);
	t_thread_asleep(&th);
	t_fault_at(uf, addr, T_WP);
	t_unprotect(other, addr, page);
	t_thread_blocked(&th);
	t_message_none(other);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
}

static void wp_protection(struct t *t)
{
	static const int prots[] = {PROT_NONE, PROT_READ};
	struct uf *uf = wp_open(t, 0);
	size_t page = t->page;

	for (size_t i = 0; i < 2; i++) {
		char *addr = t_map(t, 2);

		memset(addr, 1, 2 * page);
		CHECK_EQ(mprotect(addr, 2 * page, prots[i]), 0);
		t_register_mode(uf, addr, 2 * page, UF_REGISTER_MODE_WP);
		t_protect(uf, addr, 2 * page);
		t_unprotect(uf, addr + page, page);
		for (size_t p = 0; p < 2; p++) {
			CHECK_EQ(t_access(addr + p * page, T_WRITE).sig, SIGSEGV);
			CHECK_EQ(t_access(addr + p * page, T_READ).sig, prots[i] ? 0 : SIGSEGV);
		}
		t_message_none(uf);
		CHECK_RET(uf_mprotect(addr, 2 * page, PROT_READ | PROT_WRITE), 0);
		t_is_protected(t, uf, addr);
		t_is_open(uf, addr + page);
	}
}

static void wp_poisoned(struct t *t)
{
	struct uf *uf;
	char *addr;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = wp_open(t, t->target->mem == T_ANON ? UF_FEATURE_WP_UNPOPULATED : 0);
	addr = wp_registered(t, uf, 1);
	t_poison(uf, addr, t->page);
	t_protect(uf, addr, t->page);
	t_is_poisoned(t, addr);
	t_message_none(uf);
	t_unprotect(uf, addr, t->page);
	t_is_poisoned(t, addr);
	t_message_none(uf);
	/* Nor does the protection appear when the poison goes. */
	t_protect(uf, addr, t->page);
	CHECK_RET(uf_madvise(addr, t->page, MADV_DONTNEED), 0);
	t_is_open(uf, addr);
}

const struct t_case writeprotect_cases[] = {
	CASE("writeprotect.1", wp_argument, T_ALL),
	CASE("writeprotect.2", wp_mode, T_ALL),
	CASE("writeprotect.3", wp_holes, T_ALL),
	CASE("writeprotect.3", wp_several_kinds, T_ONCE),
	CASE("writeprotect.4", wp_without_mode, T_ALL),
	CASE("writeprotect.5, fault.14", wp_present, T_ALL),
	CASE("writeprotect.6", wp_not_mapped, T_BACKED),
	CASE("writeprotect.6", wp_comes_later, T_BACKED),
	CASE("writeprotect.7", wp_left_out, T_PRIVATE),
	CASE("writeprotect.7", wp_unpopulated, T_PRIVATE),
	CASE("writeprotect.8", wp_ends, T_ALL),
	CASE("writeprotect.8, writeprotect.10", wp_repeated, T_ALL),
	CASE("writeprotect.9, fault.8", wp_wakes, T_ALL),
	CASE("writeprotect.9, wake.4", wp_dontwake, T_ALL),
	CASE("writeprotect.9", wp_wakes_missing, T_ALL),
	CASE("writeprotect.10", wp_part, T_ALL),
	CASE("writeprotect.11", wp_other_mapping, T_OBJECT),
	CASE("writeprotect.12", wp_any_context, T_ALL),
	CASE("writeprotect.13", wp_protection, T_ALL),
	CASE("writeprotect.14", wp_poisoned, T_ALL),
	{0},
};
