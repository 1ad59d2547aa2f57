/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/poison.md */
#include "fill.h"
#include "suites.h"

#define MISSING UF_REGISTER_MODE_MISSING
#define WP UF_REGISTER_MODE_WP
#define MINOR UF_REGISTER_MODE_MINOR

static struct uf *poison_open(struct t *t)
{
	t_needs_features(t, UF_FEATURE_POISON);
	return t_open(t, 0, 0);
}

static void poison_check(struct uf *uf, const void *addr, size_t len, uint64_t mode, int ret,
			 int64_t field)
{
	struct uf_io_poison poison = {{(uintptr_t)addr, len}, mode, FILL_KEPT};

	CHECK_RET(uf_ioctl(uf, UF_IOC_POISON, &poison), ret);
	CHECK_EQ(poison.updated, field);
}

static void poison_argument(struct t *t)
{
	struct uf *uf = poison_open(t);
	uint64_t page = t->page;
	char *addr = t_registered(t, uf, 2);
	char *end = t_buffer(t, 1) + page;
	struct uf_io_poison poison = {{(uintptr_t)addr, page}, ~0ull, 0};

	CHECK_RET(uf_ioctl(uf, UF_IOC_POISON, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_POISON, end - 16), -EFAULT);
	/* The field is not read: a bad mode is found though it is not there. */
	memcpy(end - 24, &poison, 24);
	CHECK_RET(uf_ioctl(uf, UF_IOC_POISON, end - 24), -EINVAL);
	poison_check(uf, addr + 1, page, 0, -EINVAL, FILL_KEPT);
	poison_check(uf, addr, page + 1, 0, -EINVAL, FILL_KEPT);
	poison_check(uf, addr, page - 1, 0, -EINVAL, FILL_KEPT);
	poison_check(uf, addr, 0, 0, -EINVAL, FILL_KEPT);
	poison_check(uf, addr, ~(page - 1), 0, -EINVAL, FILL_KEPT);
	poison_check(uf, (char *)~(uintptr_t)(page - 1), page, 0, -EINVAL, FILL_KEPT);
	/* Nothing has been done by any of them. */
	t_zero(t, uf, addr, 2 * page);
}

static void poison_mode(struct t *t)
{
	struct uf *uf = poison_open(t);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 1);
	char *nowhere = t_buffer(t, 1) - page;

	poison_check(uf, addr, page, 2, -EINVAL, FILL_KEPT);
	poison_check(uf, addr, page, UINT64_C(1) << 63, -EINVAL, FILL_KEPT);
	poison_check(uf, nowhere, page, 2, -EINVAL, FILL_KEPT);
	poison_check(uf, addr, page, UF_POISON_MODE_DONTWAKE, 0, (int64_t)page);
	t_is_poisoned(t, addr);
}

static void poison_one_mapping(struct t *t)
{
	struct uf *uf = poison_open(t);
	size_t page = t->page;
	char *addr = t_map(t, 6);

	/* a hole, 2 pages and 2 of another protection, 1 not registered */
	CHECK_EQ(munmap(addr, page), 0);
	CHECK_EQ(mprotect(addr + 3 * page, 2 * page, PROT_READ), 0);
	t_register(uf, addr + page, 4 * page);
	poison_check(uf, addr, page, 0, -ENOENT, -ENOENT);
	poison_check(uf, addr, 2 * page, 0, -ENOENT, -ENOENT);
	poison_check(uf, addr + 2 * page, 2 * page, 0, -ENOENT, -ENOENT);
	poison_check(uf, addr + 4 * page, 2 * page, 0, -ENOENT, -ENOENT);
	poison_check(uf, addr + 5 * page, page, 0, -ENOENT, -ENOENT);
	/* Nothing has been done by any of them. */
	t_is_open(uf, addr + 5 * page);
	poison_check(uf, addr + page, 2 * page, 0, 0, 2 * (int64_t)page);
	poison_check(uf, addr + 3 * page, 2 * page, 0, 0, 2 * (int64_t)page);
}

static void poison_any_mode(struct t *t)
{
	static const uint64_t modes[] = {MISSING,	  WP,	      MISSING | WP,	   MINOR,
					 MISSING | MINOR, WP | MINOR, MISSING | WP | MINOR};
	size_t n = t->target->mem == T_ANON ? 3 : 7;
	struct uf *uf;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open_mode(t, n == 3 ? WP : WP | MINOR, 0);
	for (size_t i = 0; i < n; i++) {
		char *addr = t_registered_mode(t, uf, 2, modes[i]);

		poison_check(uf, addr, 2 * t->page, 0, 0, 2 * (int64_t)t->page);
		t_is_poisoned(t, addr);
		t_is_poisoned(t, addr + t->page);
		t_message_none(uf);
	}
}

static void poison_exists(struct t *t)
{
	struct uf *uf = poison_open(t);
	size_t page = t->page;
	char *addr = t_map(t, 6);

	addr[0] = 1;		 /* written before */
	CHECK_EQ(addr[page], 0); /* read before: the zero page of private memory */
	t_register(uf, addr, 6 * page);
	t_fill(t, uf, addr + 2 * page, 3, 0);
	t_zero(t, uf, addr + 3 * page, page);
	poison_check(uf, addr + 4 * page, page, 0, 0, (int64_t)page);
	for (size_t i = 0; i < 5; i++)
		poison_check(uf, addr + i * page, page, 0, -EEXIST, -EEXIST);
	CHECK_EQ(addr[0], 1);
	CHECK(t_is_filled(addr + page, page, 0));
	CHECK(t_is_filled(addr + 2 * page, page, 3));
	CHECK(t_is_filled(addr + 3 * page, page, 0));
	t_is_poisoned(t, addr + 4 * page);
	poison_check(uf, addr + 5 * page, page, 0, 0, (int64_t)page);
}

static void poison_protected(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open_mode(t, WP, t->target->mem == T_ANON ? UF_FEATURE_WP_UNPOPULATED : 0);
	addr = t_registered_mode(t, uf, 3, WP);
	addr[0] = 1;
	t_protect(uf, addr, 2 * page);
	poison_check(uf, addr, page, 0, -EEXIST, -EEXIST);
	poison_check(uf, addr + page, page, 0, -EEXIST, -EEXIST);
	t_is_protected(t, uf, addr);
	t_is_protected(t, uf, addr + page);
	/* Protection that has ended leaves nothing. */
	t_protect(uf, addr + 2 * page, page);
	t_unprotect(uf, addr + 2 * page, page);
	poison_check(uf, addr + 2 * page, page, 0, 0, (int64_t)page);
	t_is_poisoned(t, addr + 2 * page);
}

static void poison_object(struct t *t)
{
	struct uf *uf = poison_open(t);
	size_t page = t->page;
	char *addr = t_map(t, 2);
	char *twin = t_twin(t, addr, 2);

	memset(twin, 1, page);
	t_register(uf, addr, 2 * page);
	poison_check(uf, addr, 2 * page, 0, 0, 2 * (int64_t)page);
	t_is_poisoned(t, addr);
	t_is_poisoned(t, addr + page);
	CHECK(t_is_filled(twin, page, 1));
	twin[0] = 2;
	/* The object did not have this one: it gets it through the other mapping. */
	CHECK_EQ(twin[page], 0);
	twin[page] = 3;
	t_is_poisoned(t, addr);
	t_is_poisoned(t, addr + page);
	t_message_none(uf);
	CHECK_RET(uf_madvise(addr, 2 * page, MADV_DONTNEED), 0);
	CHECK_EQ(addr[0], 2);
	CHECK_EQ(addr[page], 3);
	t_message_none(uf);
}

static void poison_partial(struct t *t)
{
	struct uf *uf = poison_open(t);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 5);
	size_t done = 99;

	t_fill(t, uf, addr + 2 * page, 1, 0);
	poison_check(uf, addr, 5 * page, 0, -EAGAIN, 2 * (int64_t)page);
	poison_check(uf, addr + 2 * page, 3 * page, 0, -EEXIST, -EEXIST);
	CHECK_RET(uf_poison(uf, addr + 2 * page, page, 0, &done), -EEXIST);
	CHECK_EQ(done, 0);
	poison_check(uf, addr + 4 * page, page, 0, 0, (int64_t)page);
	CHECK_RET(uf_poison(uf, addr + 3 * page, 2 * page, 0, &done), -EAGAIN);
	CHECK_EQ(done, page);
	for (size_t i = 0; i < 5; i++) {
		if (i == 2)
			CHECK(t_is_filled(addr + i * page, page, 1));
		else
			t_is_poisoned(t, addr + i * page);
	}
	t_message_none(uf);
}

static void poison_field_unwritable(struct t *t)
{
	struct uf *uf = poison_open(t);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 1);
	char *buffer = t_buffer(t, 2);
	struct uf_io_poison *poison = (struct uf_io_poison *)(buffer + page - 24);
	struct t_thread th;

	CHECK_EQ(mprotect(buffer + page, page, PROT_READ), 0);
	poison->range = (struct uf_io_range){(uintptr_t)addr, page};
	poison->mode = 0;
	t_thread_faults(t, &th, uf, addr, T_READ, 0);
	t_thread_asleep(&th);
	CHECK_RET(uf_ioctl(uf, UF_IOC_POISON, poison), -EFAULT);
	t_thread_blocked(&th);
	poison_check(uf, addr, page, 0, -EEXIST, -EEXIST);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_thread_join(t, &th, SIGBUS);
	t_is_poisoned(t, addr);
}

static void poison_wakes(struct t *t)
{
	struct uf *uf = poison_open(t);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	struct t_thread th[3];

	/* One in the part that is done, read; one unread; one behind it. */
	t_fill(t, uf, addr + 2 * page, 1, 0);
	for (size_t i = 0; i < 3; i++) {
		t_thread_access(t, &th[i], addr + (i == 2 ? 3 : i) * page + 7, T_READ);
		t_thread_asleep(&th[i]);
	}
	t_fault_at(uf, addr, 0);
	poison_check(uf, addr, 4 * page, 0, -EAGAIN, 2 * (int64_t)page);
	t_thread_join(t, &th[0], SIGBUS);
	CHECK(th[0].outcome.addr == addr + 7);
	t_thread_join(t, &th[1], SIGBUS);
	CHECK(th[1].outcome.addr == addr + page + 7);
	t_thread_blocked(&th[2]);
	poison_check(uf, addr + 3 * page, page, UF_POISON_MODE_DONTWAKE, 0, (int64_t)page);
	t_thread_blocked(&th[2]);
	poison_check(uf, addr + 3 * page, page, 0, -EEXIST, -EEXIST);
	t_thread_blocked(&th[2]);
	CHECK_RET(uf_wake(uf, addr + 3 * page, page), 0);
	t_thread_join(t, &th[2], SIGBUS);
	t_message_none(uf);
}

/* It waits for a page that the object has. */
static void poison_wakes_minor(struct t *t)
{
	struct uf *uf;
	char *addr = t_map(t, 1);
	char *twin = t_twin(t, addr, 1);
	struct t_thread th;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open_mode(t, MINOR, 0);
	*twin = 1;
	t_register_mode(uf, addr, t->page, MINOR);
	t_thread_faults(t, &th, uf, addr, T_WRITE, T_MINOR | UF_PAGEFAULT_FLAG_WRITE);
	t_poison(uf, addr, t->page);
	t_thread_join(t, &th, SIGBUS);
	t_is_poisoned(t, addr);
	t_message_none(uf);
	CHECK_EQ(*twin, 1);
}

static void poison_any_context(struct t *t)
{
	struct uf *uf = poison_open(t);
	struct uf *other = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_thread_asleep(&th);
	t_fault_at(uf, addr, 0);
	t_poison(other, addr, t->page);
	t_thread_blocked(&th);
	CHECK_RET(uf_wake(uf, addr, t->page), 0);
	t_thread_join(t, &th, SIGBUS);
	t_message_none(other);
}

static void poison_ahead(struct t *t)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
	struct uf *uf = poison_open(t);
	size_t page = t->page;

	for (size_t i = 0; i < 3; i++) {
		char *addr = t_registered(t, uf, 2);

		CHECK_RET(uf_mprotect(addr, 2 * page, prots[i]), 0);
		t_poison(uf, addr, 2 * page);
		/* What the mapping forbids is forbidden first. */
		CHECK_EQ(t_access(addr, T_READ).sig, prots[i] ? SIGBUS : SIGSEGV);
		CHECK_EQ(t_access(addr, T_WRITE).sig, i == 2 ? SIGBUS : SIGSEGV);
		CHECK_RET(uf_mprotect(addr, 2 * page, PROT_READ | PROT_WRITE), 0);
		t_is_poisoned(t, addr);
		t_is_poisoned(t, addr + page);
		t_message_none(uf);
	}
}

static void poison_beyond_end(struct t *t)
{
	struct uf *uf = poison_open(t);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);

	CHECK_EQ(ftruncate(t_map_fd(t, addr), (off_t)(2 * page)), 0);
	poison_check(uf, addr + 2 * page, page, 0, -EFAULT, -EFAULT);
	poison_check(uf, addr, 4 * page, 0, -EAGAIN, 2 * (int64_t)page);
	CHECK_EQ(ftruncate(t_map_fd(t, addr), (off_t)(3 * page)), 0);
	poison_check(uf, addr + 2 * page, page, 0, 0, (int64_t)page);
	t_is_poisoned(t, addr + 2 * page);
}

const struct t_case poison_cases[] = {
	CASE("poison.1", poison_argument, T_ALL),
	CASE("poison.2", poison_mode, T_ALL),
	CASE("poison.3", poison_one_mapping, T_ALL),
	CASE("poison.3", poison_any_mode, T_ALL),
	CASE("poison.4", poison_exists, T_ALL),
	CASE("poison.4", poison_protected, T_ALL),
	CASE("poison.5, vm.12", poison_object, T_BACKED),
	CASE("poison.6", poison_partial, T_ALL),
	CASE("poison.7", poison_field_unwritable, T_ALL),
	CASE("poison.8", poison_wakes, T_ALL),
	CASE("poison.8", poison_wakes_minor, T_BACKED),
	CASE("poison.9", poison_any_context, T_ALL),
	CASE("poison.10, fault.19", poison_ahead, T_ALL),
	CASE("poison.11", poison_beyond_end, T_FILE | T_KERNEL_ONLY | T_SMALL), /* difference 19 */
	{0},
};
