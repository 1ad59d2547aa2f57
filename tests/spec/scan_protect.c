/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/scan.md: pages that are protected in the same step as they are told. */
#include "scan.h"

#include "suites.h"

static void scan_check(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_six(t, uf);
	struct uf_scan_region vec[6];
	struct uf_scan_arg arg = scan_arg(addr, addr + 4 * page, vec, 6);

	arg.flags = UF_SCAN_CHECK_WPASYNC;
	CHECK_RET(uf_scan(&arg), 1);
	arg.end = (uintptr_t)addr + 6 * page;
	CHECK_RET(uf_scan(&arg), -EPERM);
	CHECK_EQ(arg.walk_end, arg.end); /* not where it stopped */
	/* Nothing that is mapped is nothing to complain of. */
	CHECK_RET(uf_munmap(addr + 4 * page, 2 * page), 0);
	arg.walk_end = SCAN_KEPT;
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(arg.walk_end, arg.end);
}

static void scan_check_protects(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_six(t, uf);
	struct uf_scan_region vec[6];
	struct uf_scan_arg arg = scan_arg(addr, addr + 6 * page, vec, 6);

	arg.flags = UF_SCAN_CHECK_WPASYNC | UF_SCAN_WP_MATCHING;
	arg.category_mask = UF_PAGE_IS_WRITTEN;
	CHECK_RET(uf_scan(&arg), -EPERM);
	/* The mapping before the one that could not is done. */
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_WRITTEN), 0x30);
	addr[0] = 3;
	/* Full before it comes to that mapping, it does not see it. */
	arg.vec_len = 1;
	arg.max_pages = scan_counts(t);
	addr[page] = 3;
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr + page);
}

static void scan_protects(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_nine(t, uf);

	CHECK_EQ(scan_collect(t, addr, 9), SCAN_NINE);
	CHECK_EQ(scan_collect(t, addr, 9), 0);
	addr[page] = addr[7 * page] = 4;
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 2 | 128);
	CHECK_EQ(scan_collect(t, addr, 9), 2 | 128);
	CHECK_EQ(scan_collect(t, addr, 9), 0);
	CHECK_EQ(addr[7 * page], 4);
	t_message_none(uf);
	/* WRITEPROTECT takes it away as it takes its own. */
	CHECK_RET(uf_writeprotect(uf, addr, 2 * page, 0), 0);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 3);
}

static void scan_protects_missing(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_registered(t, uf, 6);

	addr[page] = 1;
	CHECK_EQ(scan_collect(t, addr, 6), SCAN_SET(6));
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_WRITTEN), 0);
	CHECK_EQ(addr[2 * page], 0);
	CHECK_EQ(addr[3 * page], 0);
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_WRITTEN), 0);
	addr[3 * page] = addr[4 * page] = 1;
	CHECK_EQ(scan_collect(t, addr, 6), 8 | 16);
	CHECK_EQ(scan_collect(t, addr, 6), 0);
}

/* Only what matches, and only where it can be. */
static void scan_protects_matching(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *sync = t_open(t, 0, UF_FEATURE_PAGEFAULT_FLAG_WP);
	size_t page = t->page;
	char *addr = scan_registered(t, uf, 6);
	struct uf_scan_region vec[6];
	struct uf_scan_arg arg;

	addr[page] = addr[4 * page] = 1;
	arg = scan_arg(addr, addr + 6 * page, vec, 6);
	arg.flags = UF_SCAN_WP_MATCHING;
	arg.category_mask = UF_PAGE_IS_PRESENT;
	arg.return_mask = SCAN_COMMON;
	CHECK_RET(uf_scan(&arg), 2);
	/* Told is what it was before. */
	scan_region_is(&vec[0], addr, page, 1, 2, SCAN_COMMON);
	scan_region_is(&vec[1], addr, page, 4, 5, SCAN_COMMON);
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_WRITTEN),
		 t_huge(t) ? 0 : SCAN_SET(6) & ~(uint64_t)(2 | 16));
	/* Those that match and are protected are told as such. */
	CHECK_RET(uf_scan(&arg), 2);
	scan_region_is(&vec[0], addr, page, 1, 2, UF_PAGE_IS_WPALLOWED);
	/* Other mappings are passed over, and not told. */
	CHECK_RET(uf_unregister(uf, addr + 2 * page, page), 0);
	CHECK_RET(uf_unregister(uf, addr + 4 * page, 2 * page), 0);
	CHECK_RET(uf_register(sync, addr + 5 * page, page, UF_REGISTER_MODE_WP, NULL), 0);
	for (size_t i = 0; i < 6; i++)
		addr[i * page] = 2;
	arg.category_mask = UF_PAGE_IS_WRITTEN;
	CHECK_RET(uf_scan(&arg), 2);
	CHECK_EQ(arg.walk_end, arg.end);
	scan_region_is(&vec[0], addr, page, 0, 2, SCAN_COMMON);
	scan_region_is(&vec[1], addr, page, 3, 4, SCAN_COMMON);
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_WRITTEN), 4 | 16 | 32);
	t_message_none(sync);
}

/* What was not told is not protected, and so is told by the next. */
static void scan_protects_limited(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = scan_nine(t, uf);
	struct uf_scan_region vec[4];
	struct uf_scan_arg arg = scan_nine_arg(t, addr, vec, 1);

	arg.flags = UF_SCAN_WP_MATCHING;
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr + 2 * t->page);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), SCAN_NINE & ~1);
	arg.vec_len = 4;
	arg.max_pages = 3 * scan_counts(t);
	CHECK_RET(uf_scan(&arg), 2);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr + 7 * t->page);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 128);
	/* The same with the slow way of matching, which looks at more than WRITTEN. */
	addr[0] = addr[4 * t->page] = 5;
	arg.return_mask = SCAN_COMMON;
	arg.max_pages = scan_counts(t);
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 16 | 128);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr + 4 * t->page);
}

static void scan_no_vec(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_nine(t, uf);
	struct uf_scan_region vec[1] = {{1, 2, 3}};
	struct uf_scan_arg arg = scan_nine_arg(t, addr, NULL, 0);

	/* Without protecting it does nothing at all. */
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(arg.walk_end, arg.end);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), SCAN_NINE);
	/* Protecting, it does all of it: there is no limit. */
	arg.flags = UF_SCAN_WP_MATCHING;
	arg.max_pages = 1;
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(arg.walk_end, arg.end);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 0);
	/* A vec of no length is none, and is not written to. */
	addr[0] = addr[page] = addr[8 * page] = 3;
	arg.vec = (uintptr_t)vec;
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(arg.walk_end, arg.end);
	CHECK_EQ(vec[0].start, 1);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 0);
	t_message_none(uf);
}

/* Pages are not asked for the masks then, mappings are. */
static void scan_no_vec_masks(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = scan_nine(t, uf);
	struct uf_scan_arg arg = scan_nine_arg(t, addr, NULL, 0);

	arg.flags = UF_SCAN_WP_MATCHING;
	arg.category_mask = UF_PAGE_IS_SWAPPED;
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 0);
	addr[0] = 3;
	arg.category_mask = arg.category_inverted = UF_PAGE_IS_WPALLOWED;
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 1);
	/* But not for those of which one would do. */
	arg.category_mask = arg.category_inverted = 0;
	arg.category_anyof_mask = UF_PAGE_IS_SWAPPED;
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 0);
}

/* Told to nobody, and protected nevertheless. */
static void scan_vec_unwritable(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = scan_nine(t, uf);
	char *nowhere = t_buffer(t, 1) - t->page;
	struct uf_scan_arg arg = scan_nine_arg(t, addr, (struct uf_scan_region *)nowhere, 4);

	CHECK_RET(uf_scan(&arg), -EFAULT);
	CHECK_EQ(arg.walk_end, arg.end);
	arg.flags = UF_SCAN_WP_MATCHING;
	CHECK_RET(uf_scan(&arg), -EFAULT);
	CHECK_EQ(scan_pages(t, addr, 9, UF_PAGE_IS_WRITTEN), 0);
}

/* Where it stopped cannot be told. The vec has been written by then. */
static void scan_arg_unwritable(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = scan_nine(t, uf);
	char *buffer = t_buffer(t, 1);
	struct uf_scan_region vec[4] = {{1, 1, 1}};
	struct uf_scan_arg arg = scan_nine_arg(t, addr, vec, 4);

	memcpy(buffer, &arg, sizeof(arg));
	CHECK_EQ(mprotect(buffer, t->page, PROT_READ), 0);
	CHECK_RET(uf_scan((struct uf_scan_arg *)buffer), -EFAULT);
	scan_region_is(&vec[0], addr, t->page, 0, 1, UF_PAGE_IS_WRITTEN);
}

/* --- Huge pages of hugetlbfs --- */

/* What is missing does not count and is not protected; the masks are asked without a vec, too. */
static void scan_hugetlb(struct t *t)
{
	struct uf *uf = scan_open(t, UF_FEATURE_POISON);
	size_t page = t->page;
	char *addr = scan_registered(t, uf, 5);
	struct uf_scan_arg arg = scan_arg(addr, addr + 5 * page, NULL, 0);

	addr[0] = addr[4 * page] = 1;
	CHECK_RET(uf_writeprotect(uf, addr + page, page, UF_WRITEPROTECT_MODE_WP), 0);
	CHECK_RET(uf_poison(uf, addr + 2 * page, page, 0, NULL), 0);
	CHECK_EQ(scan_pages(t, addr, 5, UF_PAGE_IS_HUGE), SCAN_SET(5));
	CHECK_EQ(scan_pages(t, addr, 5, UF_PAGE_IS_PRESENT), 1 | 16);
	CHECK_EQ(scan_pages(t, addr, 5, UF_PAGE_IS_SWAPPED), 2 | 4);
	CHECK_EQ(scan_pages(t, addr, 5, UF_PAGE_IS_WRITTEN), 1 | 4 | 16);
	arg.flags = UF_SCAN_WP_MATCHING;
	arg.category_mask = UF_PAGE_IS_SWAPPED;
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(scan_pages(t, addr, 5, UF_PAGE_IS_WRITTEN), 1 | 4 | 16);
	arg.category_mask = UF_PAGE_IS_PRESENT;
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(scan_pages(t, addr, 5, UF_PAGE_IS_WRITTEN), 4);
	/* Lost pages cannot be protected. */
	CHECK_EQ(scan_collect(t, addr, 5), 4);
	CHECK_EQ(scan_collect(t, addr, 5), 4);
	addr[3 * page] = 1;
	CHECK_EQ(scan_collect(t, addr, 5), 4 | 8);
}

/* A part of one cannot be protected: it is not told, and walk_end is there, wherever the call went.
 */
static void scan_hugetlb_part(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_registered(t, uf, 4);
	struct uf_scan_region vec[4];
	struct uf_scan_arg arg = scan_arg(addr + page / 2, addr + 4 * page, vec, 4);

	for (size_t i = 0; i < 4; i++)
		addr[i * page] = 1;
	arg.category_mask = arg.return_mask = UF_PAGE_IS_WRITTEN;
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(vec[0].start, arg.start);
	CHECK_EQ(vec[0].end, arg.end);
	arg.flags = UF_SCAN_WP_MATCHING;
	arg.end -= 2 * page + page / 2;
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr + page);
	arg.end = (uintptr_t)addr + 3 * page;
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(arg.walk_end, arg.start);
	scan_region_is(&vec[0], addr, page, 1, 3, UF_PAGE_IS_WRITTEN);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WRITTEN), 1 | 8);
	/* So it is with one that max_pages divides. */
	arg.start = (uintptr_t)addr;
	arg.end = (uintptr_t)addr + 4 * page;
	arg.max_pages = scan_counts(t) + 1;
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr + 3 * page);
	scan_region_is(&vec[0], addr, page, 0, 1, UF_PAGE_IS_WRITTEN);
	arg.flags = 0;
	arg.max_pages = 3;
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(vec[0].end - vec[0].start, 3 * page / scan_counts(t));
	CHECK_EQ(arg.walk_end, vec[0].end);
}

/* --- Nothing is lost --- */

#define SCAN_RACE_PAGES 32
#define SCAN_RACE_HUGE 4
#define SCAN_RACE_WRITES 20000

static struct {
	char *addr;
	size_t page;
	size_t npages;
} scan_race;

static void scan_writer(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 1; i <= SCAN_RACE_WRITES; i++) {
		size_t n;

		seed = seed * 1664525 + 1013904223;
		n = (seed >> 16) % scan_race.npages;
		atomic_fetch_add((_Atomic uint32_t *)(scan_race.addr + n * scan_race.page), 1);
	}
}

/* A copy that only ever takes what is told as written is a copy in the end. */
static void scan_nothing_lost(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	size_t npages = t_huge(t) ? SCAN_RACE_HUGE : SCAN_RACE_PAGES;
	size_t len = npages * page;
	char *addr = scan_registered(t, uf, npages);
	char *copy = t_buffer(t, npages);
	struct t_thread th[2];
	uint64_t sum = 0;
	bool last;

	scan_race.addr = addr;
	scan_race.page = page;
	scan_race.npages = npages;
	for (size_t i = 0; i < 2; i++)
		t_thread_call(t, &th[i], scan_writer, (void *)(i + 1));
	do {
		uint64_t set;

		last = atomic_load(&th[0].done) && atomic_load(&th[1].done);
		set = scan_collect(t, addr, npages);
		for (size_t i = 0; i < npages; i++)
			if (set >> i & 1)
				*(uint32_t *)(copy + i * page) =
					atomic_load((_Atomic uint32_t *)(addr + i * page));
	} while (!last);
	for (size_t i = 0; i < 2; i++)
		t_thread_join(t, &th[i], 0);
	CHECK(!memcmp(addr, copy, len));
	for (size_t i = 0; i < npages; i++)
		sum += *(uint32_t *)(addr + i * page);
	CHECK_EQ(sum, 2 * SCAN_RACE_WRITES);
	CHECK_EQ(scan_collect(t, addr, npages), 0);
	t_message_none(uf);
}

const struct t_case scan_protect_cases[] = {
	CASE("scan.13", scan_check, T_ALL),
	CASE("scan.13", scan_check_protects, T_ALL),
	CASE("scan.14", scan_protects, T_ALL),
	CASE("scan.14", scan_protects_matching, T_ALL),
	CASE("scan.14", scan_nothing_lost, T_ALL),
	CASE("scan.15", scan_protects_missing, T_SMALL),
	CASE("scan.16", scan_protects_limited, T_ALL),
	CASE("scan.17", scan_no_vec, T_ALL),
	CASE("scan.18", scan_no_vec_masks, T_SMALL),
	CASE("scan.22", scan_hugetlb, T_HUGE),
	CASE("scan.23", scan_hugetlb_part, T_HUGE),
	CASE("scan.19", scan_vec_unwritable, T_ALL),
	CASE("scan.19", scan_arg_unwritable, T_ALL),
	{0},
};
