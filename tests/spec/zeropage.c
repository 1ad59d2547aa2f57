/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/zeropage.md */
#include "fill.h"
#include "suites.h"

static void zeropage_mode(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);

	fill_check(t, uf, FILL_ZERO, addr, t->page, 2, -EINVAL, FILL_KEPT);
	fill_check(t, uf, FILL_ZERO, addr, t->page, 3, -EINVAL, FILL_KEPT);
	fill_check(t, uf, FILL_ZERO, addr, t->page, 1, 0, (int64_t)t->page);
}

static void zeropage_exists(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 5);

	addr[0] = 1;
	CHECK_EQ(addr[page], 0);
	t_register(uf, addr, 5 * page);
	t_fill(t, uf, addr + 2 * page, 3, 0);
	fill_check(t, uf, FILL_ZERO, addr + 3 * page, page, 0, 0, (int64_t)page);
	for (size_t i = 0; i < 4; i++)
		fill_check(t, uf, FILL_ZERO, addr + i * page, page, 0, -EEXIST, -EEXIST);
	CHECK_EQ(addr[0], 1);
	CHECK(t_is_filled(addr + 2 * page, page, 3));
}

static void zeropage_zeros(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 3);
	struct t_thread th;

	t_thread_access(t, &th, addr, T_MODIFY);
	t_fault_at(uf, addr, UF_PAGEFAULT_FLAG_WRITE);
	fill_check(t, uf, FILL_ZERO, addr, 3 * t->page, 0, 0, 3 * (int64_t)t->page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0);
	CHECK_EQ(addr[0], 1);
	CHECK(t_is_filled(addr + 1, 3 * t->page - 1, 0));
	memset(addr + t->page, 5, t->page);
	CHECK(t_is_filled(addr + t->page, t->page, 5));
	CHECK(t_is_filled(addr + 2 * t->page, t->page, 0));
	memset(addr + 2 * t->page, 6, t->page);
	t_message_none(uf);
}

static void zeropage_into_object(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 3);
	char *twin;

	t_needs_linux();
	twin = mremap(addr, 0, 3 * page, MREMAP_MAYMOVE);
	t_adopt(t, twin, 3 * page, -1);
	t_register(uf, addr, 3 * page);
	memset(twin + page, 4, page);
	fill_check(t, uf, FILL_ZERO, addr + page, page, 0, -EEXIST, -EEXIST);
	fill_check(t, uf, FILL_ZERO, addr, 3 * page, 0, -EAGAIN, (int64_t)page);
	fill_check(t, uf, FILL_ZERO, addr, page, 0, -EEXIST, -EEXIST);
	twin[3] = 8;
	CHECK_EQ(addr[3], 8);
	addr[4] = 9;
	CHECK_EQ(twin[4], 9);
	CHECK(t_is_filled(addr + page, page, 4));
	t_message_none(uf);
}

static void zeropage_beyond_end(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);

	CHECK_EQ(ftruncate(t_map_fd(t, addr), (off_t)(2 * page)), 0);
	fill_check(t, uf, FILL_ZERO, addr + 2 * page, page, 0, -EFAULT, -EFAULT);
	fill_check(t, uf, FILL_ZERO, addr, 4 * page, 0, -EAGAIN, 2 * (int64_t)page);
}

static void zeropage_marked_private(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open_mode(t, UF_REGISTER_MODE_WP, UF_FEATURE_WP_UNPOPULATED);
	addr = t_registered_mode(t, uf, 3, UF_REGISTER_MODE_WP);
	t_protect(uf, addr, page);
	t_poison(uf, addr + page, page);
	fill_check(t, uf, FILL_ZERO, addr, page, 0, -EEXIST, -EEXIST);
	fill_check(t, uf, FILL_ZERO, addr + page, page, 0, -EEXIST, -EEXIST);
	t_is_protected(t, uf, addr);
	t_is_poisoned(t, addr + page);
	/* Zeros can be protected as any page. */
	fill_check(t, uf, FILL_ZERO, addr + 2 * page, page, 0, 0, (int64_t)page);
	t_protect(uf, addr + 2 * page, page);
	t_is_protected(t, uf, addr + 2 * page);
}

static void zeropage_marked_shared(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 2, UF_REGISTER_MODE_WP);

	t_protect(uf, addr, 2 * page);
	fill_check(t, uf, FILL_ZERO, addr, page, 0, 0, (int64_t)page);
	CHECK(t_is_filled(addr, page, 0));
	t_is_open(uf, addr);
	t_protect(uf, addr, page);
	t_is_protected(t, uf, addr);
	t_is_protected(t, uf, addr + page);
}

static void zeropage_poisoned_shared(struct t *t)
{
	struct uf *uf;
	char *addr;

	t_needs_old_rule(t, "ZEROPAGE refuses a poisoned page");
	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, 0, 0);
	addr = t_registered(t, uf, 1);
	t_poison(uf, addr, t->page);
	fill_check(t, uf, FILL_ZERO, addr, t->page, 0, 0, (int64_t)t->page);
	CHECK(t_is_filled(addr, t->page, 0));
	t_is_open(uf, addr);
}

const struct t_case zeropage_cases[] = {
	CASE("zeropage.1", zeropage_mode, T_SMALL),
	CASE("zeropage.2", zeropage_exists, T_SMALL),
	CASE("zeropage.3", zeropage_zeros, T_SMALL),
	CASE("zeropage.4", zeropage_into_object, T_OBJECT | T_SMALL),
	CASE("zeropage.5", zeropage_beyond_end, T_FILE | T_SMALL),
	CASE("zeropage.6", zeropage_marked_private, T_OWN | T_SMALL),
	CASE("zeropage.7", zeropage_marked_shared, T_OBJECT | T_SMALL),
	CASE("zeropage.7", zeropage_poisoned_shared, T_OBJECT | T_SMALL),
	{0},
};
