/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/scan.md */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "scan.h"

#include "suites.h"

struct uf_scan_arg scan_arg(const char *start, const char *end, struct uf_scan_region *vec,
			    size_t vec_len)
{
	struct uf_scan_arg arg = UF_SCAN_INIT;

	arg.start = (uintptr_t)start;
	arg.end = (uintptr_t)end;
	arg.walk_end = SCAN_KEPT;
	arg.vec = (uintptr_t)vec;
	arg.vec_len = vec_len;
	return arg;
}

void scan_needed(struct t *t)
{
	struct uf_scan_arg arg = scan_arg(NULL, NULL, NULL, 0);
	ssize_t err;

	/* Where nothing at all is registered the engine leaves it to the kernel. */
	if (t_engine(t))
		t_registered_mode(t, t_open(t, 0, 0), 1, UF_REGISTER_MODE_WP);
	err = uf_scan(&arg);
	if (!t_engine(t) && (err == -ENOTTY || err == -EINVAL || err == -ENOENT || err == -EACCES))
		t_skip("no PAGEMAP_SCAN here: %s", strerrordesc_np((int)-err));
	CHECK_RET(err, 0);
}

static uint64_t scan_set(struct t *t, struct uf_scan_arg *arg, const char *addr, size_t npages)
{
	struct uf_scan_region vec[SCAN_PAGES];
	uint64_t set = 0;
	ssize_t n;

	CHECK(npages <= SCAN_PAGES);
	*arg = (struct uf_scan_arg){.size = sizeof(*arg),
				    .flags = arg->flags,
				    .start = (uintptr_t)addr,
				    .end = (uintptr_t)addr + npages * t->page,
				    .vec = (uintptr_t)vec,
				    .vec_len = SCAN_PAGES,
				    .category_mask = arg->category_mask,
				    .return_mask = arg->category_mask};
	n = uf_scan(arg);
	CHECK(n >= 0);
	CHECK_EQ(arg->walk_end, arg->end);
	for (ssize_t i = 0; i < n; i++) {
		CHECK_EQ(vec[i].categories, arg->category_mask);
		for (uint64_t at = vec[i].start; at < vec[i].end; at += t->page)
			set |= UINT64_C(1) << (at - (uintptr_t)addr) / t->page;
	}
	return set;
}

uint64_t scan_pages(struct t *t, const char *addr, size_t npages, uint64_t mask)
{
	struct uf_scan_arg arg = {.category_mask = mask};

	return scan_set(t, &arg, addr, npages);
}

uint64_t scan_collect(struct t *t, const char *addr, size_t npages)
{
	struct uf_scan_arg arg = {.flags = UF_SCAN_WP_MATCHING | UF_SCAN_CHECK_WPASYNC,
				  .category_mask = UF_PAGE_IS_WRITTEN};

	return scan_set(t, &arg, addr, npages);
}

struct uf *scan_open(struct t *t, uint64_t features)
{
	t_needs_features(t, UF_FEATURE_WP_ASYNC | features);
	scan_needed(t);
	return t_open(t, 0, UF_FEATURE_WP_ASYNC | features);
}

char *scan_registered(struct t *t, struct uf *uf, size_t npages)
{
	char *addr = t_map(t, npages);

	CHECK_RET(uf_register(uf, addr, npages * t->page, UF_REGISTER_MODE_WP, NULL), 0);
	return addr;
}

char *scan_huge(struct t *t, int byte)
{
	char *room = mmap(NULL, 2 * SCAN_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *addr = (char *)(((uintptr_t)room + SCAN_HUGE - 1) & ~(SCAN_HUGE - 1));

	scan_needed(t);
	t_adopt(t, room, 2 * SCAN_HUGE, -1);
	t_adopt(t,
		mmap(addr, SCAN_HUGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		SCAN_HUGE, -1);
	if (madvise(addr, SCAN_HUGE, MADV_HUGEPAGE))
		t_skip("no huge pages of anonymous memory: %s", strerrordesc_np(errno));
	memset(addr, byte, SCAN_HUGE);
	if (scan_pages(t, addr, 1, UF_PAGE_IS_HUGE) != 1)
		t_skip("no huge page of anonymous memory was to be had");
	return addr;
}

/* --- Arguments --- */

static void scan_refused(struct uf_scan_arg arg, int err)
{
	CHECK_RET(uf_scan(&arg), err);
	CHECK_EQ(arg.walk_end, SCAN_KEPT);
}

static void scan_argument(struct t *t)
{
	struct uf_scan_region vec[2];
	char *addr = t_map(t, 2);
	char *end = t_buffer(t, 1) + t->page;
	struct uf_scan_arg good = scan_arg(addr, addr + 2 * t->page, vec, 2);
	struct uf_scan_arg arg = good;

	scan_needed(t);
	CHECK_RET(uf_scan(NULL), -EFAULT);
	memcpy(end - 88, &good, 88);
	CHECK_RET(uf_scan((struct uf_scan_arg *)(end - 88)), -EFAULT);
	for (int i = -8; i <= 8; i += 16) {
		arg = good;
		arg.size += (uint64_t)i;
		scan_refused(arg, -EINVAL);
	}
	arg = good;
	arg.flags = 4;
	scan_refused(arg, -EINVAL);
	arg = good;
	arg.start++;
	scan_refused(arg, -EINVAL);
	arg = good;
	arg.vec = 0;
	scan_refused(arg, -EINVAL);
	/* Only where the work stopped is written. */
	arg = good;
	arg.category_mask = UF_PAGE_IS_PRESENT;
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(arg.walk_end, good.end);
	arg.walk_end = good.walk_end;
	arg.category_mask = 0;
	CHECK(!memcmp(&arg, &good, sizeof(arg)));
}

static void scan_unknown_category(struct t *t)
{
	struct uf_scan_region vec[2];
	char *addr = t_map(t, 2);
	uint64_t bits[] = {UINT64_C(1) << 40, UINT64_C(1) << 63};

	scan_needed(t);
	for (size_t i = 0; i < 2; i++) {
		struct uf_scan_arg arg = scan_arg(addr, addr + t->page, vec, 2);
		uint64_t *masks[] = {&arg.category_inverted, &arg.category_mask,
				     &arg.category_anyof_mask, &arg.return_mask};

		for (size_t m = 0; m < 4; m++) {
			*masks[m] = bits[i];
			scan_refused(arg, -EINVAL);
			*masks[m] = 0;
		}
	}
}

static void scan_range_refused(struct t *t)
{
	struct uf_scan_region vec[2];
	char *addr = t_map(t, 2);
	char *last = (char *)~(uintptr_t)(t->page - 1);

	scan_needed(t);
	scan_refused(scan_arg(addr + t->page, addr, vec, 2), -EFAULT);
	scan_refused(scan_arg(addr, last, vec, 2), -EFAULT);
	scan_refused(scan_arg(last, last, vec, 2), -EFAULT);
	/* The order: unaligned, the range, no vec, a vec that is none. */
	scan_refused(scan_arg(addr + 1, last, NULL, 2), -EINVAL);
	scan_refused(scan_arg(addr + t->page, addr, NULL, 2), -EFAULT);
	scan_refused(scan_arg(addr, addr + t->page, (struct uf_scan_region *)last, 2), -EFAULT);
}

static void scan_range(struct t *t)
{
	struct uf_scan_region vec[4];
	size_t page = t->page;
	uint64_t small = page / scan_counts(t);
	char *addr = t_map(t, 4);
	struct uf_scan_arg arg;

	scan_needed(t);
	for (size_t i = 0; i < 4; i++)
		addr[i * page] = 1;
	/* Nothing, and a byte of the second page. */
	arg = scan_arg(addr, addr, vec, 4);
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr);
	arg = scan_arg(addr, addr + page + 1, vec, 4);
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr + page + small);
	CHECK_EQ(arg.end, (uintptr_t)addr + page + 1);
	CHECK_EQ(vec[0].start, (uintptr_t)addr);
	CHECK_EQ(vec[0].end, (uintptr_t)addr + page + small);
	/* A hole is skipped, at each end too. */
	CHECK_RET(uf_munmap(addr + page, page), 0);
	arg = scan_arg(addr - page, addr + 5 * page, vec, 4);
	CHECK_RET(uf_scan(&arg), 2);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr + 5 * page);
	CHECK_EQ(vec[0].end, (uintptr_t)addr + page);
	CHECK_EQ(vec[1].start, (uintptr_t)addr + 2 * page);
	CHECK_EQ(vec[1].end, (uintptr_t)addr + 4 * page);
	/* Nothing else in it. */
	arg = scan_arg(addr + page, addr + 2 * page, vec, 4);
	CHECK_RET(uf_scan(&arg), 0);
	CHECK_EQ(arg.walk_end, (uintptr_t)addr + 2 * page);
}

/* --- What a page is --- */

static void scan_unregistered(struct t *t)
{
	size_t page = t->page;
	char *addr = t_map(t, 4);
	uint64_t file = t_shared(t) ? 2 | 8 : t->target->mem == T_PRIVATE_FILE ? 8 : 0;

	t_needs_linux();
	scan_needed(t);
	addr[page] = 1;
	CHECK_EQ(addr[3 * page], 0);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_PRESENT), 2 | 8);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_FILE), file);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_PFNZERO), t->target->mem == T_ANON ? 8 : 0);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WPALLOWED), 0);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_SWAPPED), 0);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_HUGE) & (2 | 8), t_huge(t) ? 2 | 8 : 0);
	/* Never protected, it counts as written, though it was only read. */
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WRITTEN | UF_PAGE_IS_PRESENT), 2 | 8);
}

/* WPALLOWED wants both, the mode and the feature. */
static void scan_wpallowed(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *sync = t_open(t, 0, UF_FEATURE_PAGEFAULT_FLAG_WP);
	size_t page = t->page;
	char *addr = t_map(t, 4);
	char *other = t_map(t, 2);

	CHECK_RET(uf_register(uf, addr, page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_RET(uf_register(uf, addr + page, page, UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MISSING,
			      NULL),
		  0);
	CHECK_RET(uf_register(uf, addr + 2 * page, page, UF_REGISTER_MODE_MISSING, NULL), 0);
	CHECK_RET(uf_register(sync, other, page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WPALLOWED), 1 | 2);
	CHECK_EQ(scan_pages(t, other, 2, UF_PAGE_IS_WPALLOWED), 0);
	/* Protected by the other one it is not WRITTEN, all the same. */
	other[0] = other[page] = 1;
	CHECK_RET(uf_writeprotect(sync, other, page, UF_WRITEPROTECT_MODE_WP), 0);
	CHECK_EQ(scan_pages(t, other, 2, UF_PAGE_IS_WRITTEN), 2);
}

static void scan_written(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_registered(t, uf, 6);
	uint64_t missing = t_huge(t) ? 0 : 16 | 32;

	/* Missing, and registered: as good as written, nobody has protected it. */
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_WRITTEN), t_huge(t) ? 0 : SCAN_SET(6));
	addr[0] = addr[page] = 1;
	CHECK_EQ(addr[2 * page], 0);
	CHECK_RET(uf_writeprotect(uf, addr + page, 3 * page, UF_WRITEPROTECT_MODE_WP), 0);
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_WRITTEN), 1 | missing);
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_PRESENT), 1 | 2 | 4);
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_WRITTEN | UF_PAGE_IS_PRESENT), 1);
}

/* A page table is what the kernel has to look at; without one it has nothing to tell. */
static void scan_missing_unregistered(struct t *t)
{
	char *addr = t_map(t, 2 * SCAN_HUGE / t->page);
	char *begin = (char *)(((uintptr_t)addr + SCAN_HUGE - 1) & ~(SCAN_HUGE - 1));

	t_needs_linux();
	scan_needed(t);
	CHECK_EQ(scan_pages(t, begin, 4, UF_PAGE_IS_WRITTEN), 0);
	begin[0] = 1;
	CHECK_EQ(scan_pages(t, begin, 4, UF_PAGE_IS_WRITTEN), SCAN_SET(4));
}

static void scan_markers(struct t *t)
{
	struct uf *uf = scan_open(t, UF_FEATURE_POISON);
	size_t page = t->page;
	char *addr = t_map(t, 4);

	CHECK_RET(uf_register(uf, addr, 4 * page, UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MISSING,
			      NULL),
		  0);
	CHECK_RET(uf_writeprotect(uf, addr, page, UF_WRITEPROTECT_MODE_WP), 0);
	CHECK_RET(uf_poison(uf, addr + page, page, 0, NULL), 0);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_SWAPPED), 1 | 2);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WRITTEN), t_huge(t) ? 2 : 2 | 4 | 8);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_PRESENT), 0);
}

static void scan_guard(struct t *t)
{
	char *addr = t_map(t, 4);

	scan_needed(t);
	t_needs_linux();
	addr[0] = 1;
	if (madvise(addr + t->page, t->page, 102 /* MADV_GUARD_INSTALL */))
		t_skip("no guard pages here: %s", strerrordesc_np(errno));
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_GUARD), 2);
}

static void scan_huge_page(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = scan_huge(t, 1);

	CHECK_EQ(scan_pages(t, addr, 64, UF_PAGE_IS_HUGE), SCAN_SET(64));
	CHECK_RET(uf_register(uf, addr, SCAN_HUGE, UF_REGISTER_MODE_WP, NULL), 0);
	/* A part of it is protected: it falls into small pages. */
	CHECK_EQ(scan_collect(t, addr, 4), SCAN_SET(4));
	CHECK_EQ(scan_pages(t, addr, 64, UF_PAGE_IS_WRITTEN), SCAN_SET(64) & ~SCAN_SET(4));
	CHECK_EQ(scan_pages(t, addr, 64, UF_PAGE_IS_HUGE), 0);
	addr[2 * t->page] = 2;
	CHECK_EQ(scan_collect(t, addr, 4), 4);
	CHECK(t_is_filled(addr + 3 * t->page, SCAN_HUGE - 3 * t->page, 1));
}

#define SCAN_ENTRY_THERE (UINT64_C(3) << 62)
#define SCAN_ENTRY_SWAP (UINT64_C(1) << 62)
#define SCAN_ENTRY_WP (UINT64_C(1) << 57)

/* Programs that are linked with the library see the engine's traps there: difference 12. */
static void scan_entries(struct t *t)
{
	struct uf *uf = scan_open(t, UF_FEATURE_POISON);
	size_t page = t->page;
	char *addr = scan_registered(t, uf, 6);
	uint64_t swap = t_huge(t) ? 0 : SCAN_ENTRY_SWAP;
	uint64_t entry[5];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	addr[0] = addr[page] = 1;
	CHECK_RET(uf_writeprotect(uf, addr + page, 2 * page, UF_WRITEPROTECT_MODE_WP), 0);
	CHECK_RET(uf_poison(uf, addr + 3 * page, page, 0, NULL), 0);
	CHECK(fd >= 0);
	for (size_t i = 0; i < 5; i++)
		CHECK_EQ(pread(fd, &entry[i], sizeof(entry[i]),
			       (off_t)((uintptr_t)(addr + i * page) / (page / scan_counts(t)) * 8)),
			 (ssize_t)sizeof(entry[i]));
	close(fd);
	CHECK_EQ(entry[0] & (SCAN_ENTRY_THERE | SCAN_ENTRY_WP), UINT64_C(1) << 63);
	CHECK_EQ(entry[1] & (SCAN_ENTRY_THERE | SCAN_ENTRY_WP), UINT64_C(1) << 63 | SCAN_ENTRY_WP);
	CHECK_EQ(entry[2] & (SCAN_ENTRY_THERE | SCAN_ENTRY_WP), swap | SCAN_ENTRY_WP);
	CHECK_EQ(entry[3] & (SCAN_ENTRY_THERE | SCAN_ENTRY_WP), swap);
	CHECK_EQ(entry[4], 0);
}

/* --- Which pages are told, and how --- */

/* Six pages: 0 and 1 written, 2 and 3 protected, 4 and 5 outside of what is registered. */
char *scan_six(struct t *t, struct uf *uf)
{
	char *addr = t_map(t, 6);

	memset(addr, 1, 6 * t->page);
	CHECK_RET(uf_register(uf, addr, 4 * t->page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_RET(uf_writeprotect(uf, addr + 2 * t->page, 2 * t->page, UF_WRITEPROTECT_MODE_WP), 0);
	return addr;
}

static uint64_t scan_matching(struct t *t, const char *addr, uint64_t inverted, uint64_t mask,
			      uint64_t anyof)
{
	struct uf_scan_region vec[6];
	struct uf_scan_arg arg = scan_arg(addr, addr + 6 * t->page, vec, 6);
	uint64_t set = 0;
	ssize_t n;

	arg.category_inverted = inverted;
	arg.category_mask = mask;
	arg.category_anyof_mask = anyof;
	n = uf_scan(&arg);
	CHECK(n >= 0);
	for (ssize_t i = 0; i < n; i++) {
		CHECK_EQ(vec[i].categories, 0); /* return_mask */
		for (uint64_t at = vec[i].start; at < vec[i].end; at += t->page)
			set |= UINT64_C(1) << (at - (uintptr_t)addr) / t->page;
	}
	return set;
}

static void scan_masks(struct t *t)
{
	const uint64_t allowed = UF_PAGE_IS_WPALLOWED;
	const uint64_t written = UF_PAGE_IS_WRITTEN;
	const struct {
		uint64_t inverted, mask, anyof, set;
	} row[] = {
		{0, 0, 0, 0x3f}, /* all, also those without any category */
		{0, allowed, 0, 0xf},
		{0, written, 0, 0x33},
		{0, allowed | written, 0, 0x3},
		{allowed, allowed, 0, 0x30},
		{written, written, 0, 0xc},
		{written, allowed | written, 0, 0xc},
		{allowed, allowed | written, 0, 0x30},
		{allowed | written, allowed | written, 0, 0},
		{allowed, 0, 0, 0x3f}, /* turned over and not asked for */
		{0, 0, allowed, 0xf},
		{0, 0, allowed | written, 0x3f},
		{written, 0, allowed | written, 0xf},
		{allowed, 0, allowed | written, 0x33},
		{0, written, allowed, 0x3},
		{0, UF_PAGE_IS_PRESENT, allowed, 0xf},
		{0, UF_PAGE_IS_SWAPPED, allowed, 0},
		{0, 0, UF_PAGE_IS_SWAPPED, 0},
		{UF_PAGE_IS_SWAPPED, 0, UF_PAGE_IS_SWAPPED, 0x3f},
	};
	struct uf *uf = scan_open(t, 0);
	char *addr = scan_six(t, uf);

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		CHECK_EQ(scan_matching(t, addr, row[i].inverted, row[i].mask, row[i].anyof),
			 row[i].set);
}

void scan_region_is(const struct uf_scan_region *r, const char *addr, size_t page, size_t first,
		    size_t end, uint64_t categories)
{
	CHECK_EQ(r->start, (uintptr_t)addr + first * page);
	CHECK_EQ(r->end, (uintptr_t)addr + end * page);
	CHECK_EQ(r->categories, categories);
}

static void scan_regions(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_six(t, uf);
	struct uf_scan_region vec[8];
	struct uf_scan_arg arg = scan_arg(addr, addr + 6 * page, vec, 8);

	arg.return_mask = SCAN_COMMON;
	CHECK_RET(uf_scan(&arg), 3);
	scan_region_is(&vec[0], addr, page, 0, 2, SCAN_COMMON);
	scan_region_is(&vec[1], addr, page, 2, 4, UF_PAGE_IS_WPALLOWED);
	scan_region_is(&vec[2], addr, page, 4, 6, UF_PAGE_IS_WRITTEN);
	/* What is not told does not divide. */
	arg.return_mask = UF_PAGE_IS_WPALLOWED;
	CHECK_RET(uf_scan(&arg), 2);
	scan_region_is(&vec[0], addr, page, 0, 4, UF_PAGE_IS_WPALLOWED);
	scan_region_is(&vec[1], addr, page, 4, 6, 0);
	/* Nor does the border of two mappings. */
	arg.return_mask = UF_PAGE_IS_PRESENT;
	CHECK_RET(uf_scan(&arg), 1);
	scan_region_is(&vec[0], addr, page, 0, 6, UF_PAGE_IS_PRESENT);
	/* Told are the categories as they are, not as they were turned over. */
	arg.category_inverted = arg.category_mask = UF_PAGE_IS_WRITTEN;
	arg.return_mask = SCAN_COMMON;
	CHECK_RET(uf_scan(&arg), 1);
	scan_region_is(&vec[0], addr, page, 2, 4, UF_PAGE_IS_WPALLOWED);
}

/* Written 0, 2, 3, 6 and 7 of nine, the others protected. */
char *scan_nine(struct t *t, struct uf *uf)
{
	static const size_t written[] = {0, 2, 3, 6, 7};
	char *addr = scan_registered(t, uf, 9);

	memset(addr, 1, 9 * t->page);
	CHECK_RET(uf_writeprotect(uf, addr, 9 * t->page, UF_WRITEPROTECT_MODE_WP), 0);
	for (size_t i = 0; i < 5; i++)
		addr[written[i] * t->page] = 2;
	return addr;
}

struct uf_scan_arg scan_nine_arg(struct t *t, const char *addr, struct uf_scan_region *vec,
				 size_t vec_len)
{
	struct uf_scan_arg arg = scan_arg(addr, addr + 9 * t->page, vec, vec_len);

	arg.category_mask = UF_PAGE_IS_WRITTEN;
	arg.return_mask = UF_PAGE_IS_WRITTEN;
	return arg;
}

static void scan_vec_len(struct t *t)
{
	static const size_t stop[] = {2, 6, 9, 9};
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_nine(t, uf);
	struct uf_scan_region vec[4];
	struct uf_scan_arg arg;

	for (size_t n = 1; n <= 4; n++) {
		arg = scan_nine_arg(t, addr, vec, n);
		CHECK_RET(uf_scan(&arg), n < 3 ? (int)n : 3);
		CHECK_EQ(arg.walk_end, (uintptr_t)addr + stop[n - 1] * page);
		scan_region_is(&vec[0], addr, page, 0, 1, UF_PAGE_IS_WRITTEN);
	}
	/* From there on it goes on, until all are told. */
	arg = scan_nine_arg(t, addr, vec, 1);
	CHECK_RET(uf_scan(&arg), 1);
	arg.start = arg.walk_end;
	CHECK_RET(uf_scan(&arg), 1);
	scan_region_is(&vec[0], addr, page, 2, 4, UF_PAGE_IS_WRITTEN);
	arg.start = arg.walk_end;
	CHECK_RET(uf_scan(&arg), 1);
	scan_region_is(&vec[0], addr, page, 6, 8, UF_PAGE_IS_WRITTEN);
	CHECK_EQ(arg.walk_end, arg.end);
}

static void scan_max_pages(struct t *t)
{
	static const struct {
		size_t max, regions, stop;
	} row[] = {{1, 1, 2}, {2, 2, 3}, {3, 2, 6}, {4, 3, 7}, {5, 3, 9}, {6, 3, 9}, {0, 3, 9}};
	struct uf *uf = scan_open(t, 0);
	char *addr = scan_nine(t, uf);
	struct uf_scan_region vec[4];

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct uf_scan_arg arg = scan_nine_arg(t, addr, vec, 4);
		uint64_t found = 0;

		arg.max_pages = row[i].max * scan_counts(t);
		CHECK_RET(uf_scan(&arg), (ssize_t)row[i].regions);
		CHECK_EQ(arg.walk_end, (uintptr_t)addr + row[i].stop * t->page);
		for (size_t r = 0; r < row[i].regions; r++)
			found += (vec[r].end - vec[r].start) / t->page;
		CHECK_EQ(found, row[i].max && row[i].max < 5 ? row[i].max : 5);
	}
}

/* Not a prefix of the answer is lost that way either: many regions, and few at a time. */
static void scan_large(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t npages = 1500;
	size_t page = t->page;
	char *addr = scan_registered(t, uf, npages);
	struct uf_scan_region vec[7];
	struct uf_scan_arg arg;
	size_t next = 0;
	ssize_t n;

	CHECK_RET(uf_writeprotect(uf, addr, npages * page, UF_WRITEPROTECT_MODE_WP), 0);
	for (size_t i = 0; i < npages; i += 3)
		addr[i * page] = 1;
	arg = scan_arg(addr, addr + npages * page, vec, 7);
	arg.category_mask = arg.return_mask = UF_PAGE_IS_WRITTEN;
	while (arg.start < arg.end) {
		n = uf_scan(&arg);
		CHECK(n > 0);
		for (ssize_t i = 0; i < n; i++, next += 3)
			scan_region_is(&vec[i], addr, page, next, next + 1, UF_PAGE_IS_WRITTEN);
		arg.start = arg.walk_end;
	}
	CHECK_EQ(next, npages);
}

/* --- Accessed --- */

/* Which were accessed since they were made inaccessible, beside memory that is not registered. */
static void scan_accessed(struct t *t)
{
	struct uf_scan_region vec[4];
	struct uf_scan_arg arg;
	size_t page = t->page;
	struct uf *uf;
	char *addr;

	t_needs_features(t, UF_FEATURE_RWP | UF_FEATURE_RWP_ASYNC);
	uf = t_open(t, 0, UF_FEATURE_RWP | UF_FEATURE_RWP_ASYNC);
	addr = t_map(t, 8);
	memset(addr, 1, 6 * page);
	t_register_mode(uf, addr, 7 * page, UF_REGISTER_MODE_RWP);
	CHECK_EQ(scan_pages(t, addr, 8, UF_PAGE_IS_ACCESSED), SCAN_SET(6));
	CHECK_RET(uf_rwprotect(uf, addr, 6 * page, UF_RWPROTECT_MODE_RWP), 0);
	CHECK_EQ(scan_pages(t, addr, 8, UF_PAGE_IS_ACCESSED), 0);
	CHECK_EQ(scan_pages(t, addr, 8, UF_PAGE_IS_PRESENT), SCAN_SET(6));
	CHECK_EQ(t_byte(addr + 2 * page), 1);
	addr[4 * page] = 2;
	CHECK_EQ(scan_pages(t, addr, 8, UF_PAGE_IS_ACCESSED), 4 | 16);
	arg = scan_arg(addr, addr + 8 * page, vec, 4);
	arg.category_inverted = arg.category_mask = arg.return_mask = UF_PAGE_IS_ACCESSED;
	arg.category_mask |= UF_PAGE_IS_PRESENT;
	CHECK_RET(uf_scan(&arg), 3);
	scan_region_is(&vec[0], addr, page, 0, 2, 0);
	scan_region_is(&vec[2], addr, page, 5, 6, 0);
	arg.flags = UF_SCAN_WP_MATCHING;
	CHECK_RET(uf_scan(&arg), -EINVAL);
}

/* --- Without the ioctl --- */

/* As a kernel before Linux 6.7, for the rest of this process. */
static void scan_deny(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UF_IOC_PAGEMAP_SCAN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(filter) / sizeof(*filter), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0))
		t_skip("no seccomp filters here: %s", strerrordesc_np(errno));
}

/*
 * What is asked of the kernel otherwise is found in the pagemap file, but for what
 * the kernel's own userfaultfd tracks.
 */
static void scan_old_kernel(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = scan_six(t, uf);
	struct uf_scan_region vec[2][8];
	struct uf_scan_arg arg = scan_arg(addr - t->page, addr + 6 * t->page, vec[0], 8);
	ssize_t n;

	CHECK_RET(uf_munmap(addr + 4 * t->page, t->page), 0);
	arg.return_mask = UF_PAGE_IS_WRITTEN | UF_PAGE_IS_PRESENT | UF_PAGE_IS_SWAPPED |
			  UF_PAGE_IS_FILE | (t_engine(t) ? UF_PAGE_IS_WPALLOWED : 0);
	n = uf_scan(&arg);
	CHECK(n >= 3);
	scan_deny();
	arg.vec = (uintptr_t)vec[1];
	CHECK_RET(uf_scan(&arg), n);
	CHECK_EQ(arg.walk_end, arg.end);
	CHECK(!memcmp(vec[0], vec[1], (size_t)n * sizeof(vec[0][0])));
	if (!t_engine(t))
		return;
	/* The rest is as ever. */
	CHECK_EQ(scan_collect(t, addr, 4), 1 | 2);
	addr[3 * t->page] = 2;
	CHECK_EQ(scan_collect(t, addr, 4), 8);
	CHECK_EQ(scan_pages(t, addr, 6, UF_PAGE_IS_WRITTEN), 32);
	arg.flags = UF_SCAN_CHECK_WPASYNC;
	CHECK_RET(uf_scan(&arg), -EPERM);
	arg.flags = 0;
	arg.max_pages = 2;
	CHECK_RET(uf_scan(&arg), n > 3 ? 2 : 1);
}

const struct t_case scan_cases[] = {
	CASE("scan.1", scan_argument, T_ONCE),
	CASE("scan.1", scan_unknown_category, T_ONCE),
	CASE("scan.2", scan_range_refused, T_ONCE),
	CASE("scan.3", scan_range, T_ALL),
	CASE("scan.4", scan_unregistered, T_ALL),
	CASE("scan.4", scan_guard, T_PRIVATE),
	CASE("scan.4", scan_huge_page, T_PRIVATE),
	CASE("scan.5", scan_wpallowed, T_ALL),
	CASE("scan.6", scan_written, T_ALL),
	CASE("scan.7", scan_missing_unregistered, T_SMALL),
	CASE("scan.8", scan_markers, T_ALL),
	CASE("scan.9", scan_masks, T_ALL),
	CASE("scan.10", scan_regions, T_ALL),
	CASE("scan.11", scan_vec_len, T_ALL),
	CASE("scan.11", scan_large, T_SMALL),
	CASE("scan.12", scan_max_pages, T_ALL),
	CASE("scan.21", scan_accessed, T_ALL),
	CASE("scan.4, scan.6", scan_old_kernel, T_ALL),
	CASE("scan.20", scan_entries, T_KERNEL_ONLY),
	{0},
};
