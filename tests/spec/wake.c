/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/wake.md */
#include "suites.h"

static void wake_argument(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);
	char *buffer = t_buffer(t, 1);
	uint64_t page = t->page;

	CHECK_RET(uf_ioctl(uf, UF_IOC_WAKE, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_WAKE, buffer + page - 8), -EFAULT);
	CHECK_RET(uf_wake(uf, addr + 8, page), -EINVAL);
	CHECK_RET(uf_wake(uf, addr, page + 8), -EINVAL);
	CHECK_RET(uf_wake(uf, addr, 0), -EINVAL);
	CHECK_RET(uf_wake(uf, addr, ~(page - 1)), -EINVAL);
	CHECK_RET(uf_wake(uf, (void *)~(uintptr_t)(page - 1), page), -EINVAL);
	CHECK_RET(uf_wake(uf, addr, 2 * page), 0); /* nobody there */
	CHECK_RET(uf_munmap(addr, 2 * page), 0);
	CHECK_RET(uf_wake(uf, addr, 2 * page), 0); /* nothing there */
	CHECK_RET(uf_wake(uf, NULL, page), 0);
}

static void wake_who(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 4);
	struct t_thread th[4];

	/* Two read, two not; the first and the last outside of the span. */
	for (int i = 0; i < 4; i++) {
		t_thread_access(t, &th[i], addr + (size_t)i * t->page, T_READ);
		if (i < 2)
			t_fault_at(uf, addr + (size_t)i * t->page, 0);
		t_thread_asleep(&th[i]);
	}
	for (size_t i = 0; i < 4; i++)
		t_fill(t, uf, addr + i * t->page, 1, UF_COPY_MODE_DONTWAKE);
	CHECK_RET(uf_wake(uf, addr + t->page, 2 * t->page), 0);
	t_thread_join(t, &th[1], 0);
	t_thread_join(t, &th[2], 0);
	t_thread_blocked(&th[0]);
	t_thread_blocked(&th[3]);
	t_fault_at(uf, addr + 3 * t->page, 0); /* the only one left unread */
	t_message_none(uf);
	CHECK_RET(uf_wake(uf, addr, 4 * t->page), 0);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[3], 0);
}

static void wake_other_context(struct t *t)
{
	struct uf *one = t_open(t, 0, 0);
	struct uf *two = t_open(t, 0, 0);
	char *a = t_registered(t, one, 1);
	char *b = t_registered(t, two, 1);
	struct t_thread th[2];

	t_thread_access(t, &th[0], a, T_READ);
	t_thread_access(t, &th[1], b, T_READ);
	t_thread_asleep(&th[0]);
	t_thread_asleep(&th[1]);
	t_fault_at(one, a, 0);
	t_fault_at(two, b, 0);
	t_fill(t, one, a, 1, UF_COPY_MODE_DONTWAKE);
	t_fill(t, two, b, 1, UF_COPY_MODE_DONTWAKE);
	CHECK_RET(uf_wake(two, a, t->page), 0);
	CHECK_RET(uf_wake(one, b, t->page), 0);
	t_thread_blocked(&th[0]);
	t_thread_blocked(&th[1]);
	CHECK_RET(uf_wake(one, a, t->page), 0);
	t_thread_join(t, &th[0], 0);
	t_thread_blocked(&th[1]);
	CHECK_RET(uf_wake(two, b, t->page), 0);
	t_thread_join(t, &th[1], 0);
}

/* The exact address lies in the page, so waking the page wakes it. */
static void wake_exact(struct t *t)
{
	struct uf *uf = t_open(t, 0, UF_FEATURE_EXACT_ADDRESS);
	char *addr = t_registered(t, uf, 3);
	char *at = addr + 2 * t->page - 3;
	struct t_thread th;

	t_thread_access(t, &th, at, T_WRITE);
	t_thread_asleep(&th);
	t_fault_at(uf, at, UF_PAGEFAULT_FLAG_WRITE);
	t_fill(t, uf, addr + t->page, 1, UF_COPY_MODE_DONTWAKE);
	CHECK_RET(uf_wake(uf, addr, t->page), 0);
	CHECK_RET(uf_wake(uf, addr + 2 * t->page, t->page), 0);
	t_thread_blocked(&th);
	CHECK_RET(uf_wake(uf, addr + t->page, t->page), 0);
	t_thread_join(t, &th, 0);
}

static void wake_retry(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread th;

	t_thread_access(t, &th, addr, T_WRITE);
	for (int i = 0; i < 3; i++) {
		t_fault_at(uf, addr, UF_PAGEFAULT_FLAG_WRITE);
		t_message_none(uf);
		CHECK_RET(uf_wake(uf, addr, t->page), 0);
	}
	/* Woken unread: the old message goes, one new one comes. */
	t_message_pending(uf);
	CHECK_RET(uf_wake(uf, addr, t->page), 0);
	t_fault_at(uf, addr, UF_PAGEFAULT_FLAG_WRITE);
	t_thread_blocked(&th);
	t_message_none(uf);
	t_fill(t, uf, addr, 0, 0);
	t_thread_join(t, &th, 0);
}

const struct t_case wake_cases[] = {
	CASE("wake.1", wake_argument, T_ALL),
	CASE("wake.2", wake_who, T_ALL),
	CASE("wake.2, open.5", wake_other_context, T_ALL),
	CASE("wake.3", wake_exact, T_ALL),
	CASE("wake.4", wake_retry, T_ALL),
	{0},
};
