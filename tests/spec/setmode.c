/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/setmode.md */
#include "fault.h"
#include "suites.h"

#define RWP UF_REGISTER_MODE_RWP
#define MISSING UF_REGISTER_MODE_MISSING
#define ASYNC UF_FEATURE_RWP_ASYNC

static struct uf *setmode_open(struct t *t, uint64_t features)
{
	return t_open_mode(t, RWP, UF_FEATURE_RWP | features);
}

/* Registered in that mode, and full of BYTE. */
static char *setmode_filled(struct t *t, struct uf *uf, size_t npages, uint64_t mode, int byte)
{
	char *addr = t_registered_mode(t, uf, npages, mode);

	for (size_t i = 0; i < npages; i++)
		t_fill(t, uf, addr + i * t->page, byte, 0);
	return addr;
}

static void setmode_argument(struct t *t)
{
	struct uf *uf = setmode_open(t, 0);
	struct uf_io_set_mode *set = (struct uf_io_set_mode *)t_buffer(t, 1);
	char *end = (char *)set + t->page;
	char *addr = setmode_filled(t, uf, 1, RWP, 1);

	CHECK_RET(uf_ioctl(uf, UF_IOC_SET_MODE, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_SET_MODE, end - 8), -EFAULT);
	CHECK_RET(uf_set_mode(uf, 0, 0), 0);
	t_rwprotect(uf, addr, t->page);
	t_is_inaccessible(t, uf, addr, 1);
	/* Nothing is written back. */
	set->enable = ASYNC;
	CHECK_EQ(mprotect(set, t->page, PROT_READ), 0);
	CHECK_RET(uf_ioctl(uf, UF_IOC_SET_MODE, set), 0);
	t_rwprotect(uf, addr, t->page);
	CHECK_EQ(*addr, 1);
	t_message_none(uf);
}

static void setmode_bits(struct t *t)
{
	struct uf *uf = setmode_open(t, 0);
	struct uf *plain = t_open(t, 0, 0);
	char *addr = setmode_filled(t, uf, 1, RWP, 1);

	CHECK_RET(uf_set_mode(uf, ASYNC, ASYNC), -EINVAL);
	CHECK_RET(uf_set_mode(uf, UF_FEATURE_RWP, 0), -EINVAL);
	CHECK_RET(uf_set_mode(uf, 0, UF_FEATURE_RWP), -EINVAL);
	CHECK_RET(uf_set_mode(uf, ASYNC | UF_FEATURE_SIGBUS, 0), -EINVAL);
	CHECK_RET(uf_set_mode(uf, ASYNC, UF_FEATURE_SIGBUS), -EINVAL);
	CHECK_RET(uf_set_mode(uf, ASYNC | UINT64_C(1) << 63, 0), -EINVAL);
	CHECK_RET(uf_set_mode(plain, ASYNC, 0), -EINVAL);
	CHECK_RET(uf_set_mode(plain, 0, ASYNC), 0);
	t_rwprotect(uf, addr, t->page);
	t_is_inaccessible(t, uf, addr, 1);
}

static void setmode_async(struct t *t)
{
	static const uint64_t modes[] = {RWP, RWP | MISSING};
	struct uf *uf = setmode_open(t, ASYNC);
	size_t page = t->page;

	for (size_t i = 0; i < 2; i++) {
		char *addr = setmode_filled(t, uf, 4, modes[i], 3);

		CHECK_RET(uf_set_mode(uf, ASYNC, 0), 0);
		t_rwprotect(uf, addr, 4 * page);
		CHECK_EQ(t_access(addr, T_READ).value, 3);
		CHECK_EQ(t_access(addr + page, T_MODIFY).value, 3);
		CHECK_EQ(addr[page], 4);
		t_message_none(uf);
		/* Those beside them are as they were. */
		CHECK_RET(uf_set_mode(uf, 0, ASYNC), 0);
		t_is_open(uf, addr);
		t_is_open(uf, addr + page);
		t_is_inaccessible(t, uf, addr + 2 * page, 3);
		t_is_inaccessible(t, uf, addr + 3 * page, 3);
	}
}

static void setmode_no_bus_error(struct t *t)
{
	struct uf *uf;
	char *addr;

	t_needs_features(t, UF_FEATURE_RWP);
	uf = t_open(t, UF_USER_MODE_ONLY, UF_FEATURE_RWP | ASYNC | UF_FEATURE_SIGBUS);
	addr = setmode_filled(t, uf, 1, RWP, 3);
	t_rwprotect(uf, addr, t->page);
	CHECK_EQ(t_access(addr, T_READ).sig, 0);
	t_rwprotect(uf, addr, t->page);
	CHECK_RET(uf_touch(addr, t->page, 1), 0);
	t_rwprotect(uf, addr, t->page);
	/* An argument of the context's own. */
	CHECK_RET(uf_ioctl(uf, UF_IOC_WAKE, addr), -EINVAL);
	t_message_none(uf);
}

static void setmode_wakes(struct t *t)
{
	struct uf *uf = setmode_open(t, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 3, RWP | MISSING);
	struct t_thread th[3];

	t_fill(t, uf, addr, 1, 0);
	t_fill(t, uf, addr + page, 1, 0);
	t_rwprotect(uf, addr, 2 * page);
	t_thread_faults(t, &th[0], uf, addr, T_READ, T_RWP);
	t_thread_faults(t, &th[2], uf, addr + 2 * page, T_READ, 0);
	t_thread_access(t, &th[1], addr + page, T_MODIFY); /* not read */
	t_thread_asleep(&th[1]);
	t_message_pending(uf);
	CHECK_RET(uf_set_mode(uf, 0, ASYNC), 0);
	t_thread_blocked(&th[0]);
	t_thread_blocked(&th[1]);
	CHECK_RET(uf_set_mode(uf, ASYNC, 0), 0);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(addr[page], 2);
	/* The page is still missing. */
	t_fault_at(uf, addr + 2 * page, 0);
	CHECK_RET(uf_set_mode(uf, ASYNC, 0), 0);
	t_fault_at(uf, addr + 2 * page, 0);
	t_fill(t, uf, addr + 2 * page, 5, 0);
	t_thread_join(t, &th[2], 0);
	CHECK_EQ(th[2].outcome.value, 5);
	t_message_none(uf);
}

static void setmode_handshake(struct t *t)
{
	struct uf_io_api api = {UF_UAPI_API, ASYNC, 1};
	uint64_t ioctls = 0;
	struct uf *uf;

	t_needs_features(t, UF_FEATURE_RWP);
	uf = t_open_bare(t, 0);
	CHECK_RET(uf_ioctl(uf, UF_IOC_API, &api), -EINVAL);
	CHECK_EQ(api.api | api.features | api.ioctls, 0);
	CHECK_RET(uf_api(uf, ASYNC | UF_FEATURE_SIGBUS, NULL, NULL), -EINVAL);
	CHECK_RET(uf_api(uf, ASYNC | UF_FEATURE_RWP, NULL, &ioctls), 0);
	CHECK(ioctls & UINT64_C(1) << UF_NR_SET_MODE);
	CHECK_RET(uf_set_mode(uf, 0, ASYNC), 0);
}

static struct {
	_Atomic int *count;
	_Atomic bool stop;
	_Atomic int writes;
} setmode_writers;

static void setmode_writer_thread(void *arg)
{
	int n = 0;

	for (; !atomic_load(&setmode_writers.stop); n++)
		atomic_fetch_add(setmode_writers.count, 1);
	atomic_fetch_add(&setmode_writers.writes, n);
}

/*
 * Two write, and the mode changes under them: while it is disabled the page is as
 * it is once it is inaccessible, and no write is lost in the end.
 */
static void setmode_race(struct t *t)
{
	struct uf *uf = setmode_open(t, ASYNC);
	char *addr = setmode_filled(t, uf, 1, t->target->mem == T_MEMFD ? RWP | MISSING : RWP, 0);
	struct t_thread th[2];

	setmode_writers.count = (_Atomic int *)(addr + 64);
	for (int i = 0; i < 2; i++)
		t_thread_call(t, &th[i], setmode_writer_thread, NULL);
	for (int i = 0; i < 100; i++) {
		t_rwprotect(uf, addr, t->page);
		CHECK_RET(uf_set_mode(uf, 0, ASYNC), 0);
		t_rwprotect(uf, addr, t->page);
		t_message(uf);
		CHECK_RET(uf_set_mode(uf, ASYNC, 0), 0);
	}
	atomic_store(&setmode_writers.stop, true);
	for (int i = 0; i < 2; i++)
		t_thread_join(t, &th[i], 0);
	CHECK_EQ(atomic_load(setmode_writers.count), atomic_load(&setmode_writers.writes));
	t_message_none(uf);
}

const struct t_case setmode_cases[] = {
	CASE("setmode.1", setmode_argument, T_ALL),
	CASE("setmode.2", setmode_bits, T_ONCE),
	CASE("setmode.3, setmode.5", setmode_async, T_ALL),
	CASE("setmode.3", setmode_no_bus_error, T_ALL),
	CASE("setmode.4, setmode.8", setmode_wakes, T_ALL),
	CASE("setmode.5, setmode.3", setmode_race, T_ALL),
	CASE("setmode.6, setmode.7", setmode_handshake, T_ONCE),
	{0},
};
