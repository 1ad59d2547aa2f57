/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec/scan.md: the same is done at random to two pieces of memory, one of the
 * target's and one of the kernel's, and uf_scan must tell the same of both.
 */
#include "scan.h"

#include "suites.h"

#define SAME_PAGES 16
#define SAME_TAIL 4 /* more of them, not registered */
#define SAME_ALL (SAME_PAGES + SAME_TAIL)
#define SAME_HOLE 11
/* Of huge pages there are fewer. */
#define SAME_HUGE_PAGES 6
#define SAME_HUGE_TAIL 1
#define SAME_HUGE_HOLE 4
#define SAME_STEPS 60
#define SAME_ROUNDS 100

/* What the machine adds to both alike. */
#define SAME_TOLD                                                                                  \
	(SCAN_COMMON | UF_PAGE_IS_FILE | UF_PAGE_IS_PRESENT | UF_PAGE_IS_SWAPPED |                 \
	 UF_PAGE_IS_PFNZERO | UF_PAGE_IS_GUARD | UF_PAGE_IS_HUGE)

struct same {
	struct t *t;
	struct uf *uf[2];
	char *addr[2];
	uint64_t modes;
	uint32_t pages, all, hole, first;
	uint32_t seed;
	bool usable[SAME_PAGES]; /* an access neither waits nor fails */
};

static uint32_t same_random(struct same *s, uint32_t below)
{
	uint32_t x;

	s->seed += 0x9e3779b9;
	x = (s->seed ^ (s->seed >> 16)) * 0x85ebca6b;
	x = (x ^ (x >> 13)) * 0xc2b2ae35;
	return (x ^ (x >> 16)) % below;
}

static struct uf *same_kernel(void)
{
	struct uf_options opt = UF_OPTIONS_INIT;
	struct uf *uf;
	int err;

	opt.backend = UF_BACKEND_KERNEL;
	err = uf_open(&opt, O_CLOEXEC | O_NONBLOCK, &uf);
	if (err)
		t_skip("no kernel userfaultfd to compare with: %s", strerrordesc_np(-err));
	CHECK_RET(uf_api(uf, UF_FEATURE_WP_ASYNC, NULL, NULL), 0);
	return uf;
}

static void same_begin(struct same *s, struct t *t, uint32_t seed)
{
	size_t page = t->page;

	s->t = t;
	s->seed = seed << 16;
	s->modes = UF_REGISTER_MODE_WP | (seed % 2 ? UF_REGISTER_MODE_MISSING : 0);
	s->pages = t_huge(t) ? SAME_HUGE_PAGES : SAME_PAGES;
	s->all = s->pages + (t_huge(t) ? SAME_HUGE_TAIL : SAME_TAIL);
	s->hole = t_huge(t) ? SAME_HUGE_HOLE : SAME_HOLE;
	/* Before all others there are page tables for all of them: scan.22. */
	s->first = t_huge(t) ? 0 : 2;
	for (int i = 0; i < 2; i++) {
		s->addr[i] = t_map(t, s->all);
		memset(s->addr[i] + s->pages * page, 1, (s->all - s->pages) * page);
		s->addr[i][s->first * page] = 1;
		CHECK_RET(uf_register(s->uf[i], s->addr[i], s->pages * page, s->modes, NULL), 0);
		CHECK_RET(uf_munmap(s->addr[i] + s->hole * page, page), 0);
	}
	for (size_t i = 0; i < s->pages; i++)
		s->usable[i] = i == s->first || !(seed % 2);
}

static void same_end(struct same *s)
{
	for (int i = 1; i >= 0; i--)
		t_unmap(s->t, s->addr[i]);
}

/* One ioctl on one page, which may fail, of both alike. */
static int same_ioctl(struct same *s, uint32_t what, size_t n)
{
	size_t page = s->t->page;
	uint64_t wp = same_random(s, 2) ? UF_WRITEPROTECT_MODE_WP : 0;
	uint64_t copy_wp = wp ? UF_COPY_MODE_WP : 0;
	char *src = s->addr[0] + s->pages * page;
	int ret[2];

	for (int i = 0; i < 2; i++) {
		char *at = s->addr[i] + n * page;

		if (what == 0)
			ret[i] = uf_writeprotect(s->uf[i], at, page, wp);
		else if (what == 1)
			ret[i] = uf_copy(s->uf[i], at, src, page, copy_wp, NULL);
		else if (what == 2)
			ret[i] = uf_zeropage(s->uf[i], at, page, 0, NULL);
		else
			ret[i] = uf_poison(s->uf[i], at, page, 0, NULL);
	}
	CHECK_EQ(ret[0], ret[1]);
	return ret[0];
}

static void same_do(struct same *s)
{
	size_t n = same_random(s, s->pages);
	uint32_t what = same_random(s, 8);

	if (n == s->hole)
		return;
	if (what >= 4) { /* mostly accesses */
		for (int i = 0; i < 2 && s->usable[n]; i++) {
			volatile char *at = s->addr[i] + n * s->t->page;

			if (what == 4)
				(void)*at;
			else
				*at = (char)what;
		}
		return;
	}
	if (same_ioctl(s, what, n) == 0 && what)
		s->usable[n] = what != 3;
}

static struct uf_scan_arg same_arg(struct same *s)
{
	struct uf_scan_arg arg = UF_SCAN_INIT;
	uint64_t masks[] = {UF_PAGE_IS_WRITTEN, UF_PAGE_IS_PRESENT, UF_PAGE_IS_SWAPPED, 0, 0};
	size_t page = s->t->page;

	arg.start = same_random(s, s->all) * page;
	arg.end = arg.start + same_random(s, s->all + 1 - (uint32_t)(arg.start / page)) * page;
	if (t_huge(s->t) && arg.start < arg.end) { /* parts of them */
		arg.start += same_random(s, 3) ? 0 : page / 4;
		arg.end -= same_random(s, 3) ? 0 : page / 4;
	}
	arg.vec_len = same_random(s, 3) ? SAME_ALL : same_random(s, 4);
	arg.max_pages = same_random(s, 2) ? same_random(s, 6) * scan_counts(s->t) : 0;
	if (t_huge(s->t) && arg.max_pages)
		arg.max_pages += same_random(s, 2);
	arg.flags = same_random(s, 3) ? 0 : UF_SCAN_WP_MATCHING;
	arg.flags |= same_random(s, 6) ? 0 : UF_SCAN_CHECK_WPASYNC;
	arg.category_mask = masks[same_random(s, 5)];
	arg.category_anyof_mask = masks[same_random(s, 5)] | masks[same_random(s, 5)];
	arg.category_inverted = masks[same_random(s, 5)];
	arg.return_mask = same_random(s, 2) ? SAME_TOLD : masks[same_random(s, 5)];
	if (s->t->target->mem == T_PRIVATE_FILE)
		arg.return_mask &= ~UF_PAGE_IS_PFNZERO; /* difference 25 */
	return arg;
}

static void same_scan(struct same *s)
{
	struct uf_scan_arg arg = same_arg(s);
	struct uf_scan_region vec[2][SAME_ALL];
	uint64_t walk_end[2];
	ssize_t n[2];

	for (int i = 0; i < 2; i++) {
		struct uf_scan_arg one = arg;

		memset(vec[i], 0, sizeof(vec[i]));
		one.start += (uintptr_t)s->addr[i];
		one.end += (uintptr_t)s->addr[i];
		one.vec = (uintptr_t)vec[i];
		n[i] = uf_scan(&one);
		walk_end[i] = one.walk_end - (uintptr_t)s->addr[i];
		for (ssize_t r = 0; r < n[i]; r++) {
			vec[i][r].start -= (uintptr_t)s->addr[i];
			vec[i][r].end -= (uintptr_t)s->addr[i];
		}
	}
	CHECK_RET(n[0], n[1]);
	CHECK_EQ(walk_end[0], walk_end[1]);
	for (ssize_t r = 0; r < n[0]; r++) {
		CHECK_EQ(vec[0][r].start, vec[1][r].start);
		CHECK_EQ(vec[0][r].end, vec[1][r].end);
		CHECK_EQ(vec[0][r].categories, vec[1][r].categories);
	}
}

static void scan_same(struct t *t)
{
	struct same s = {0};

	s.uf[0] = scan_open(t, 0);
	s.uf[1] = same_kernel();
	for (uint32_t seed = 0; seed < SAME_ROUNDS; seed++) {
		same_begin(&s, t, seed);
		for (int i = 0; i < SAME_STEPS; i++) {
			same_do(&s);
			same_scan(&s);
		}
		same_end(&s);
	}
	uf_close(s.uf[1]);
}

/* One span over memory of both. */
static void scan_both(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *kernel = same_kernel();
	size_t page = t->page;
	char *addr = t_map(t, 8);

	memset(addr, 1, 8 * page);
	CHECK_RET(uf_register(uf, addr, 4 * page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_RET(uf_register(kernel, addr + 4 * page, 4 * page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_EQ(scan_pages(t, addr, 8, UF_PAGE_IS_WPALLOWED), SCAN_SET(8));
	CHECK_EQ(scan_collect(t, addr, 8), SCAN_SET(8));
	CHECK_EQ(scan_collect(t, addr, 8), 0);
	addr[3 * page] = addr[4 * page] = 2;
	CHECK_EQ(scan_collect(t, addr, 8), 8 | 16);
	CHECK_EQ(scan_pages(t, addr, 8, UF_PAGE_IS_WRITTEN), 0);
	CHECK_EQ(scan_pages(t, addr, 8, UF_PAGE_IS_PRESENT), SCAN_SET(8));
	uf_close(kernel);
}

/* The kernel's own huge pages, of which a part is passed over. */
static void scan_hugetlb_kernel(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct uf *kernel = same_kernel();
	size_t page = t->page;
	char *addr = t_map(t, 4);
	struct uf_scan_region vec[4];
	struct uf_scan_arg arg = scan_arg(addr + page / 2, addr + 4 * page, vec, 4);

	for (size_t i = 0; i < 4; i++)
		addr[i * page] = 1;
	CHECK_RET(uf_register(kernel, addr, 2 * page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_RET(uf_register(uf, addr + 2 * page, 2 * page, UF_REGISTER_MODE_WP, NULL), 0);
	arg.flags = UF_SCAN_WP_MATCHING;
	arg.category_mask = arg.return_mask = UF_PAGE_IS_WRITTEN;
	CHECK_RET(uf_scan(&arg), 1);
	CHECK_EQ(arg.walk_end, arg.start);
	scan_region_is(&vec[0], addr, page, 1, 4, UF_PAGE_IS_WRITTEN);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WRITTEN), 1);
	/* Behind it is one that may not be protected. */
	CHECK_RET(uf_unregister(uf, addr + 2 * page, 2 * page), 0);
	addr[page] = 2;
	arg.start = (uintptr_t)addr + page + page / 2;
	arg.flags |= UF_SCAN_CHECK_WPASYNC;
	CHECK_RET(uf_scan(&arg), -EPERM);
	CHECK_EQ(arg.walk_end, arg.start);
	uf_close(kernel);
}

const struct t_case scan_same_cases[] = {
	CASE("scan.4, scan.6, scan.8, scan.9, scan.10, scan.11, scan.12, scan.14", scan_same,
	     T_ALL),
	CASE("scan.5, scan.14", scan_both, T_ALL),
	CASE("scan.23", scan_hugetlb_kernel, T_HUGE),
	{0},
};
