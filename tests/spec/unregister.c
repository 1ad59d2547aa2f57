/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/unregister.md */
#include "suites.h"

static void unregister_ordinary(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 4);

	t_fill(t, uf, addr, 5, 0);
	CHECK_RET(uf_unregister(uf, addr, 4 * t->page), 0);
	CHECK(t_is_filled(addr, t->page, 5));
	CHECK(t_is_filled(addr + t->page, 3 * t->page, 0));
	memset(addr, 8, 4 * t->page);
	CHECK(t_is_filled(addr, 4 * t->page, 8));
	t_message_none(uf);
	CHECK_RET(uf_copy(uf, addr, addr, t->page, 0, NULL), -ENOENT);
}

/* Again and again: nothing of it may pile up. */
static void unregister_repeated(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 8);

	for (int i = 0; i < 50; i++) {
		size_t off = (size_t)(i % 8) * t->page;

		t_register(uf, addr, 8 * t->page);
		if (i < 8)
			t_fill(t, uf, addr + off, i + 1, 0);
		CHECK_EQ(addr[off], i % 8 + 1);
		CHECK_RET(uf_unregister(uf, addr, 8 * t->page), 0);
	}
	for (size_t i = 0; i < 8; i++)
		CHECK(t_is_filled(addr + i * t->page, t->page, (int)i + 1));
}

static void unregister_argument(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);
	char *buffer = t_buffer(t, 1);
	uint64_t page = t->page;
	struct t_thread th;

	CHECK_RET(uf_ioctl(uf, UF_IOC_UNREGISTER, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_UNREGISTER, buffer + page - 8), -EFAULT);
	CHECK_RET(uf_unregister(uf, addr + 1, page), -EINVAL);
	CHECK_RET(uf_unregister(uf, addr, page + 8), -EINVAL);
	CHECK_RET(uf_unregister(uf, addr, 0), -EINVAL);
	CHECK_RET(uf_unregister(uf, addr, ~(page - 1)), -EINVAL);
	CHECK_RET(uf_unregister(uf, (void *)~(uintptr_t)(page - 1), page), -EINVAL);
	CHECK_RET(uf_munmap(addr + page, page), 0);
	CHECK_RET(uf_unregister(uf, addr + page, page), -EINVAL);
	/* Still registered. */
	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	CHECK_RET(uf_unregister(uf, addr, 2 * page), 0);
	t_thread_join(t, &th, 0);
}

static void unregister_foreign(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *other = t_open(t, 0, 0);
	char *addr = t_map(t, 3);
	struct t_thread th[2];

	t_register(uf, addr, t->page);
	t_register(other, addr + t->page, t->page);
	CHECK_RET(uf_unregister(uf, addr, 2 * t->page), -EINVAL);
	CHECK_RET(uf_unregister(uf, addr + t->page, t->page), -EINVAL);
	t_thread_access(t, &th[0], addr, T_READ);
	t_thread_access(t, &th[1], addr + t->page, T_READ);
	t_fault_at(uf, addr, 0);
	t_fault_at(other, addr + t->page, 0);
	t_thread_blocked(&th[0]);
	t_thread_blocked(&th[1]);
	CHECK_RET(uf_unregister(uf, addr, t->page), 0);
	CHECK_RET(uf_unregister(other, addr + t->page, t->page), 0);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[1], 0);
}

static void unregister_nothing(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 4);
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	CHECK_RET(uf_unregister(uf, addr, 4 * t->page), 0);
	t_register(uf, addr + t->page, t->page);
	CHECK_RET(uf_unregister(uf, addr, 4 * t->page), 0);
	CHECK_EQ(t_access(addr + t->page, T_READ).sig, 0);
	/* A file that could not be registered. */
	CHECK(mmap(addr + 3 * t->page, t->page, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) ==
	      addr + 3 * t->page);
	close(fd);
	t_register(uf, addr + 2 * t->page, t->page);
	CHECK_RET(uf_unregister(uf, addr, 4 * t->page), -EINVAL);
	CHECK_RET(uf_unregister(uf, addr + 3 * t->page, t->page), -EINVAL);
	CHECK_RET(uf_unregister(uf, addr, 3 * t->page), 0);
	CHECK_EQ(t_access(addr + 2 * t->page, T_READ).sig, 0);
}

static void unregister_wakes(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 4);
	struct t_thread th[3];

	t_thread_access(t, &th[0], addr, T_READ);
	t_fault_at(uf, addr, 0);
	t_thread_access(t, &th[1], addr + t->page, T_WRITE);
	t_message_pending(uf);
	CHECK_RET(uf_unregister(uf, addr, 2 * t->page), 0);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(th[0].outcome.value, 0);
	t_message_none(uf);
	CHECK_EQ((unsigned char)addr[t->page], T_MARK);

	/* Outside of the span a thread waits on. */
	t_thread_access(t, &th[2], addr + 2 * t->page, T_READ);
	t_message_pending(uf);
	CHECK_RET(uf_unregister(uf, addr + 3 * t->page, t->page), 0);
	t_thread_blocked(&th[2]);
	t_fault_at(uf, addr + 2 * t->page, 0);
	CHECK_RET(uf_unregister(uf, addr, 4 * t->page), 0);
	t_thread_join(t, &th[2], 0);
}

static void unregister_part(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 5);
	struct t_thread th;

	t_fill(t, uf, addr, 1, 0);
	t_fill(t, uf, addr + 2 * t->page, 3, 0);
	CHECK_RET(uf_unregister(uf, addr + t->page, 2 * t->page), 0);
	CHECK_EQ(addr[0], 1);
	CHECK_EQ(addr[t->page], 0);
	CHECK_EQ(addr[2 * t->page], 3);
	t_message_none(uf);
	CHECK_RET(uf_copy(uf, addr + t->page, addr, t->page, 0, NULL), -ENOENT);
	/* A run over what is no longer registered. */
	CHECK_RET(uf_copy(uf, addr + 2 * t->page, addr, 2 * t->page, 0, NULL), -ENOENT);
	for (size_t i = 3; i < 5; i++) {
		t_thread_access(t, &th, addr + i * t->page, T_READ);
		t_fault_at(uf, addr + i * t->page, 0);
		t_fill(t, uf, addr + i * t->page, 9, 0);
		t_thread_join(t, &th, 0);
		CHECK_EQ(th.outcome.value, 9);
	}
}

#define UNREGISTER_WP UF_REGISTER_MODE_WP
#define UNREGISTER_BOTH (UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MISSING)

static void unregister_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, UNREGISTER_WP,
				    t->target->mem == T_ANON ? UF_FEATURE_WP_UNPOPULATED : 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 4, UNREGISTER_WP);

	memset(addr, 1, 2 * page);
	t_protect(uf, addr, 4 * page);
	CHECK_RET(uf_unregister(uf, addr + page, 2 * page), 0);
	t_is_open(uf, addr + page);
	t_register_mode(uf, addr, 4 * page, UNREGISTER_WP);
	t_is_open(uf, addr + page);
	t_is_open(uf, addr + 2 * page);
	/* The rest of the mapping is as it was. */
	t_is_protected(t, uf, addr);
	t_is_protected(t, uf, addr + 3 * page);
}

static void unregister_wakes_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, UNREGISTER_BOTH, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 2, UNREGISTER_BOTH);
	struct t_thread th[2];

	t_fill(t, uf, addr, 1, UF_COPY_MODE_WP);
	t_thread_access(t, &th[0], addr, T_MODIFY);
	t_thread_asleep(&th[0]);
	t_thread_access(t, &th[1], addr + page, T_MODIFY);
	t_thread_asleep(&th[1]);
	CHECK_RET(uf_unregister(uf, addr, 2 * page), 0);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(addr[0], 2);
	CHECK_EQ(addr[page], 1);
	t_message_none(uf);
}

static void unregister_wakes_nobody(struct t *t)
{
	struct uf *uf = t_open_mode(t, UNREGISTER_WP, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 2, UNREGISTER_WP);
	struct t_thread th[2];

	memset(addr, 1, 2 * page);
	t_protect(uf, addr, 2 * page);
	t_thread_faults(t, &th[0], uf, addr, T_MODIFY, T_WP);
	t_thread_asleep(&th[0]);
	t_thread_access(t, &th[1], addr + page, T_MODIFY);
	t_thread_asleep(&th[1]);
	CHECK_RET(uf_unregister(uf, addr, 2 * page), 0);
	t_thread_blocked(&th[0]);
	t_thread_blocked(&th[1]);
	t_fault_at(uf, addr + page, T_WP); /* still to be read */
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_thread_join(t, &th[0], 0);
	t_thread_blocked(&th[1]);
	t_close(t, uf);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(addr[0], 2);
	CHECK_EQ(addr[page], 2);
}

static void unregister_minor(struct t *t)
{
	static const uint64_t modes[] = {UF_REGISTER_MODE_MINOR,
					 UF_REGISTER_MODE_MINOR | UF_REGISTER_MODE_MISSING};
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, 0);

	for (size_t i = 0; i < 2; i++) {
		char *addr = t_map(t, 1);
		char *twin = t_twin(t, addr, 1);
		struct t_thread th;

		*twin = 5;
		t_register_mode(uf, addr, t->page, modes[i]);
		t_thread_access(t, &th, addr, T_READ);
		t_thread_asleep(&th);
		t_fault_at(uf, addr, T_MINOR);
		CHECK_RET(uf_unregister(uf, addr, t->page), 0);
		if (i == 0) {
			t_thread_blocked(&th);
			CHECK_RET(uf_wake(uf, addr, t->page), 0);
		}
		t_thread_join(t, &th, 0);
		CHECK_EQ(th.outcome.value, 5);
		t_message_none(uf);
	}
}

static void unregister_poisoned(struct t *t)
{
	struct uf *uf;
	char *addr;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, 0, 0);
	addr = t_registered(t, uf, 2);
	t_poison(uf, addr, t->page);
	CHECK_RET(uf_unregister(uf, addr, 2 * t->page), 0);
	t_is_poisoned(t, addr);
	t_is_open(uf, addr + t->page);
	/* Registered again it is not a page to be filled with zeros by us. */
	t_register(uf, addr, t->page);
	t_is_poisoned(t, addr);
	CHECK_RET(uf_poison(uf, addr, t->page, 0, NULL), -EEXIST);
	CHECK_RET(uf_unregister(uf, addr, 2 * t->page), 0);
	CHECK_RET(uf_madvise(addr, t->page, MADV_DONTNEED), 0);
	t_is_open(uf, addr);
}

const struct t_case unregister_cases[] = {
	CASE("unregister.1", unregister_ordinary, T_ALL),
	CASE("unregister.1, register.8", unregister_repeated, T_ALL),
	CASE("unregister.2", unregister_argument, T_ALL),
	CASE("unregister.3", unregister_foreign, T_ALL),
	CASE("unregister.3", unregister_nothing, T_ALL),
	CASE("unregister.4", unregister_wakes, T_ALL),
	CASE("unregister.5", unregister_part, T_ALL),
	CASE("unregister.6", unregister_protected, T_ALL),
	CASE("unregister.7, unregister.4", unregister_wakes_protected, T_ALL),
	CASE("unregister.7, close.6", unregister_wakes_nobody, T_ALL),
	CASE("unregister.7", unregister_minor, T_BACKED),
	CASE("unregister.8", unregister_poisoned, T_ALL),
	{0},
};
