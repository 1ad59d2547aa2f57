/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/vm.md: pages are given back while other threads come upon them. */
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "suites.h"

#define STORM_PAGES 4
#define STORM_READERS 2
#define STORM_MS 1000
#define STORM_BYTE 7

struct vm_storm {
	struct t *t;
	struct uf *uf;
	char *addr;
	char *src;
	_Atomic bool enough; /* for the readers */
	_Atomic bool stop;   /* for the manager */
};

static void vm_storm_manage(void *arg)
{
	struct vm_storm *s = arg;
	size_t page = s->t->page;
	struct pollfd p = {.fd = uf_fd(s->uf), .events = POLLIN};
	struct uf_msg msg;

	while (!atomic_load(&s->stop)) {
		char *at;
		int err;

		(void)!poll(&p, 1, 1);
		if (uf_read(s->uf, &msg, 1) != 1)
			continue;
		at = (char *)((uintptr_t)msg.arg.pagefault.address & ~(page - 1));
		err = uf_copy(s->uf, at, s->src, page, 0, NULL);
		CHECK_RET(err == -EEXIST ? uf_wake(s->uf, at, page) : err, 0);
	}
}

/* Whatever happens to a page, it is never seen without its content. */
static void vm_storm_read(void *arg)
{
	struct vm_storm *s = arg;

	for (size_t i = 0; !atomic_load(&s->enough); i++)
		CHECK_EQ(t_byte(s->addr + i % STORM_PAGES * s->t->page), STORM_BYTE);
}

static double vm_storm_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* spec: vm.3 */
static void vm_given_back_read(struct t *t)
{
	struct vm_storm s = {.t = t, .uf = t_open(t, 0, 0), .src = t_buffer(t, 1)};
	int advice = t_shared(t) ? MADV_REMOVE : MADV_DONTNEED;
	struct t_thread manager;
	struct t_thread reader[STORM_READERS];
	double end;

	t_needs_linux();
	s.addr = t_registered(t, s.uf, STORM_PAGES);
	memset(s.src, STORM_BYTE, t->page);
	t_thread_call(t, &manager, vm_storm_manage, &s);
	for (int i = 0; i < STORM_READERS; i++)
		t_thread_call(t, &reader[i], vm_storm_read, &s);
	end = vm_storm_ms() + STORM_MS;
	for (size_t i = 0; vm_storm_ms() < end; i++)
		CHECK_RET(uf_madvise(s.addr + i % STORM_PAGES * t->page, t->page, advice), 0);
	atomic_store(&s.enough, true);
	for (int i = 0; i < STORM_READERS; i++)
		t_thread_join(t, &reader[i], 0);
	atomic_store(&s.stop, true);
	t_thread_join(t, &manager, 0);
}

const struct t_case vm_storm_cases[] = {
	CASE("vm.3", vm_given_back_read, T_SMALL),
	{0},
};
