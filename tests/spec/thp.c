/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transparent huge pages: memory that has them, or could have them, behaves as
 * any other, page by page of the ordinary size.
 */
#include "scan.h"
#include "suites.h"

static size_t thp_pages(const struct t *t)
{
	return SCAN_HUGE / t->page;
}

/* Present is present, however it is mapped. */
static void thp_registered(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = scan_huge(t, 0x21);

	t_register(uf, addr, SCAN_HUGE);
	CHECK(t_is_filled(addr, SCAN_HUGE, 0x21));
	addr[5 * t->page] = 1;
	CHECK_RET(uf_copy(uf, addr + 5 * t->page, t_buffer(t, 1), t->page, 0, NULL), -EEXIST);
	CHECK_RET(uf_zeropage(uf, addr, SCAN_HUGE, 0, NULL), -EEXIST);
	CHECK_EQ(addr[5 * t->page], 1);
	t_message_none(uf);
	CHECK_RET(uf_unregister(uf, addr, SCAN_HUGE), 0);
	CHECK(t_is_filled(addr + 6 * t->page, SCAN_HUGE - 6 * t->page, 0x21));
}

/* A part of it is registered, and protected. */
static void thp_protected_in_part(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	char *addr = scan_huge(t, 0x22);
	size_t page = t->page;

	t_register_mode(uf, addr + 8 * page, SCAN_HUGE / 2, UF_REGISTER_MODE_WP);
	t_protect(uf, addr + 9 * page, 2 * page);
	t_is_open(uf, addr + 8 * page);
	t_is_open(uf, addr + 11 * page);
	t_is_protected(t, uf, addr + 9 * page);
	t_is_protected(t, uf, addr + 10 * page);
	t_unprotect(uf, addr + 9 * page, 2 * page);
	t_is_open(uf, addr + 9 * page);
	CHECK(t_is_filled(addr + 12 * page, SCAN_HUGE - 12 * page, 0x22));
	CHECK(t_is_filled(addr, 8 * page, 0x22));
}

static void thp_protected_whole(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	char *addr = scan_huge(t, 0x23);
	size_t last = thp_pages(t) - 1;

	t_register_mode(uf, addr, SCAN_HUGE, UF_REGISTER_MODE_WP);
	t_protect(uf, addr, SCAN_HUGE);
	CHECK(t_is_filled(addr, SCAN_HUGE, 0x23));
	t_message_none(uf);
	t_is_protected(t, uf, addr + last * t->page);
	t_is_protected(t, uf, addr + last / 2 * t->page);
	t_unprotect(uf, addr, SCAN_HUGE);
	t_is_open(uf, addr);
	CHECK(t_is_filled(addr + t->page, 16 * t->page, 0x23));
}

/* Where the machine would like to put a huge page a fault is for one page, and so is its answer. */
static void thp_missing(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = scan_huge(t, 0x24);
	size_t page = t->page;
	struct t_thread th = {0};

	CHECK_EQ(madvise(addr, SCAN_HUGE, MADV_DONTNEED), 0);
	t_register(uf, addr, SCAN_HUGE);
	for (size_t i = 3; i < thp_pages(t); i += 200) {
		t_thread_faults(t, &th, uf, addr + i * page, T_WRITE, UF_PAGEFAULT_FLAG_WRITE);
		t_fill(t, uf, addr + i * page, (int)i, 0);
		t_thread_join(t, &th, 0);
		CHECK(t_is_filled(addr + i * page + 1, page - 1, (int)(unsigned char)i));
		t_thread_faults(t, &th, uf, addr + (i + 1) * page, T_READ, 0);
		CHECK_RET(uf_zeropage(uf, addr + (i + 1) * page, page, 0, NULL), 0);
		t_thread_join(t, &th, 0);
	}
	CHECK_RET(uf_copy(uf, addr + 4 * page, t_buffer(t, 4), 4 * page, 0, NULL), -EEXIST);
	CHECK_RET(uf_copy(uf, addr + 5 * page, t_buffer(t, 4), 4 * page, 0, NULL), 0);
}

static void thp_discarded_in_part(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = scan_huge(t, 0x25);
	size_t page = t->page;
	struct t_thread th = {0};

	t_register(uf, addr, SCAN_HUGE);
	CHECK_RET(uf_madvise(addr + 7 * page, 2 * page, MADV_DONTNEED), 0);
	CHECK(t_is_filled(addr, 7 * page, 0x25));
	CHECK(t_is_filled(addr + 9 * page, SCAN_HUGE - 9 * page, 0x25));
	for (size_t i = 7; i < 9; i++) {
		t_thread_faults(t, &th, uf, addr + i * page, T_READ, 0);
		t_fill(t, uf, addr + i * page, 9, 0);
		t_thread_join(t, &th, 0);
		CHECK_EQ(th.outcome.value, 9);
	}
}

const struct t_case thp_cases[] = {
	CASE("register.13, copy.3, zeropage.6", thp_registered, T_PRIVATE),
	CASE("writeprotect.5, writeprotect.10", thp_protected_in_part, T_PRIVATE),
	CASE("writeprotect.5, writeprotect.8", thp_protected_whole, T_PRIVATE),
	CASE("fault.3, fill.4", thp_missing, T_PRIVATE),
	CASE("vm.3", thp_discarded_in_part, T_PRIVATE),
	{0},
};
