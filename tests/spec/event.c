/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/event.md: which changes are told, to whom, and what the messages say. */
#include "event.h"

#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

void event_munmap(struct event_call *c)
{
	c->ret = uf_munmap(c->addr, c->len);
}

void event_mmap(struct event_call *c)
{
	c->ret = uf_mmap(c->addr, c->len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, &c->to);
}

void event_madvise(struct event_call *c)
{
	c->ret = uf_madvise(c->addr, c->len, c->flags);
}

void event_mremap(struct event_call *c)
{
	c->ret = uf_mremap(c->addr, c->len, c->new_len, c->flags, c->to, &c->to);
}

static void event_make(void *arg)
{
	struct event_call *c = arg;

	c->make(c);
}

void event_begin(struct t *t, struct event_call *c, void (*make)(struct event_call *c))
{
	c->make = make;
	c->ret = 1;
	t_thread_call(t, &c->th, event_make, c);
}

void event_end(struct t *t, struct event_call *c, int ret)
{
	t_thread_join(t, &c->th, 0);
	CHECK_RET(c->ret, ret);
}

static struct uf_msg event_next(struct uf *uf, struct event_call *c, int event)
{
	struct uf_msg msg;

	t_message_pending(uf);
	t_thread_blocked(&c->th);
	msg = t_message(uf);
	CHECK_EQ(msg.event, event);
	return msg;
}

static void event_span_is(const struct uf_msg *msg, char *start, char *end)
{
	CHECK_EQ(msg->arg.remove.start, (uintptr_t)start);
	CHECK_EQ(msg->arg.remove.end, (uintptr_t)end);
	CHECK_EQ(msg->arg.reserved.reserved3, 0);
}

void event_unmap_is(struct uf *uf, struct event_call *c, char *start, char *end)
{
	struct uf_msg msg = event_next(uf, c, UF_EVENT_UNMAP);

	event_span_is(&msg, start, end);
}

void event_remove_is(struct uf *uf, struct event_call *c, char *start, char *end)
{
	struct uf_msg msg = event_next(uf, c, UF_EVENT_REMOVE);

	event_span_is(&msg, start, end);
}

void event_remap_is(struct uf *uf, struct event_call *c, char *from, char *to, size_t len)
{
	struct uf_msg msg = event_next(uf, c, UF_EVENT_REMAP);

	CHECK_EQ(msg.arg.remap.from, (uintptr_t)from);
	CHECK_EQ(msg.arg.remap.to, (uintptr_t)to);
	CHECK_EQ(msg.arg.remap.len, len);
}

void event_fill(struct t *t, struct uf *uf, char *addr, int byte)
{
	char *src = t_buffer(t, 1);
	size_t done = 0;
	int ret;

	memset(src, byte, t->page);
	do
		ret = uf_copy(uf, addr, src, t->page, 0, &done);
	while (ret == -EAGAIN);
	CHECK_RET(ret, 0);
	CHECK_EQ(done, t->page);
}

void event_watched(struct t *t, struct uf *uf, char *addr)
{
	struct t_thread th;

	t_thread_faults(t, &th, uf, addr, T_READ, 0);
	event_fill(t, uf, addr, 0x66);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0x66);
}

/* --- Which and to whom --- */

static void event_not_asked(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *remap = t_open(t, 0, UF_FEATURE_EVENT_REMAP);
	struct uf *unmap = t_open(t, 0, UF_FEATURE_EVENT_UNMAP);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 3);
	char *to = t_map(t, 3);
	char *other = t_registered(t, remap, 3);
	char *third = t_registered(t, unmap, 3);
	void *got;

	CHECK_RET(uf_madvise(addr, 3 * page, MADV_DONTNEED), 0);
	CHECK_RET(uf_mremap(addr, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to, &got), 0);
	t_register(uf, to, 3 * page);
	CHECK_RET(uf_munmap(to, 3 * page), 0);
	CHECK_RET(uf_madvise(other, 3 * page, MADV_DONTNEED), 0);
	CHECK_RET(uf_munmap(other, 3 * page), 0);
	CHECK_RET(uf_madvise(third, 3 * page, MADV_DONTNEED), 0);
	t_message_none(uf);
	t_message_none(remap);
	t_message_none(unmap);
	CHECK_RET(uf_unregister(unmap, third, 3 * page), 0);
	CHECK_RET(uf_munmap(third, 3 * page), 0);
	t_message_none(unmap);
}

static void event_unmap(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_map(t, 6);
	struct event_call c = {.addr = addr + page, .len = 4 * page - 100};

	t_register(uf, addr, 3 * page);
	event_begin(t, &c, event_munmap);
	t_message_pending(uf);
	CHECK_EQ(t_access(addr + page, T_READ).sig, SIGSEGV);
	CHECK_EQ(t_access(addr + 4 * page, T_READ).sig, SIGSEGV);
	CHECK_EQ(t_access(addr + 5 * page, T_READ).sig, 0);
	event_unmap_is(uf, &c, addr + page, addr + 5 * page);
	event_end(t, &c, 0);
	t_message_none(uf);
	event_watched(t, uf, addr);
}

static void event_unmap_by_mmap(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	struct event_call c = {.addr = addr + page, .len = 2 * page - 1};

	t_fill(t, uf, addr + page, 5, 0);
	event_begin(t, &c, event_mmap);
	t_message_pending(uf);
	/* What is new is there, and ordinary. */
	CHECK_EQ(addr[page], 0);
	CHECK_EQ(addr[2 * page], 0);
	event_unmap_is(uf, &c, addr + page, addr + 3 * page);
	event_end(t, &c, 0);
	CHECK(c.to == addr + page);
	event_watched(t, uf, addr + 3 * page);
	t_message_none(uf);
}

/* Two contexts, several mappings, holes and what is not registered. */
static void event_unmap_contexts(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	struct uf *other = t_open(t, 0, EVENT_ALL);
	struct uf *silent = t_open(t, 0, 0);
	struct uf *beside = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_map(t, 12);
	struct event_call c = {.addr = addr, .len = 10 * page};

	t_register(uf, addr + page, page);
	t_register(other, addr + 2 * page, page);
	t_register(silent, addr + 3 * page, page);
	t_register(uf, addr + 5 * page, 2 * page);
	t_register(beside, addr + 10 * page, 2 * page);
	CHECK_RET(uf_munmap(addr + 4 * page, page), 0);
	event_begin(t, &c, event_munmap);
	event_unmap_is(uf, &c, addr, addr + 10 * page);
	event_unmap_is(other, &c, addr, addr + 10 * page);
	event_end(t, &c, 0);
	t_message_none(uf);
	t_message_none(other);
	t_message_none(silent);
	t_message_none(beside);
	CHECK_RET(uf_munmap(addr, page), 0);
}

/* --- REMOVE --- */

static void event_remove_one(struct t *t, int advice, bool gone)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	struct event_call c = {.addr = addr + page, .len = 2 * page, .flags = advice};

	for (size_t i = 0; i < 4; i++)
		t_fill(t, uf, addr + i * page, 7, 0);
	event_begin(t, &c, event_madvise);
	t_message_pending(uf);
	t_thread_blocked(&c.th);
	CHECK(t_is_filled(addr, 4 * page, 7));
	event_remove_is(uf, &c, addr + page, addr + 3 * page);
	event_end(t, &c, 0);
	CHECK_EQ(addr[0], 7);
	CHECK_EQ(addr[3 * page], 7);
	for (size_t i = 1; gone && i < 3; i++)
		event_watched(t, uf, addr + i * page);
	t_message_none(uf);
	t_close(t, uf);
}

static void event_remove(struct t *t)
{
	t_needs_linux();
	event_remove_one(t, MADV_DONTNEED, !t_shared(t));
	event_remove_one(t, MADV_DONTNEED_LOCKED, !t_shared(t));
	/* When those go that may is the kernel's choice. */
	if (t->target->mem == T_ANON)
		event_remove_one(t, MADV_FREE, false);
	else if (t_shared(t))
		event_remove_one(t, MADV_REMOVE, true);
}

/* A mapping is one protection, one context, one span without a hole. */
static void event_remove_each(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	struct uf *other = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_map(t, 12);
	struct event_call c = {.addr = addr + page, .len = 10 * page, .flags = MADV_DONTNEED};

	t_needs_linux();
	t_register(uf, addr, 4 * page);
	t_register(uf, addr + 5 * page, page);
	t_register(other, addr + 6 * page, 2 * page);
	for (size_t i = 0; i < 4; i++)
		t_fill(t, uf, addr + i * page, 7, 0);
	CHECK_RET(uf_mprotect(addr + 2 * page, page, PROT_READ), 0);
	CHECK_RET(uf_munmap(addr + 8 * page, page), 0);
	addr[9 * page] = 1;
	event_begin(t, &c, event_madvise);
	event_remove_is(uf, &c, addr + page, addr + 2 * page);
	t_message_pending(uf);
	CHECK_EQ(addr[2 * page], 7);
	event_remove_is(uf, &c, addr + 2 * page, addr + 3 * page);
	event_remove_is(uf, &c, addr + 3 * page, addr + 4 * page);
	event_remove_is(uf, &c, addr + 5 * page, addr + 6 * page);
	CHECK_EQ(addr[9 * page], 1);
	event_remove_is(other, &c, addr + 6 * page, addr + 8 * page);
	/* Because of the hole. */
	event_end(t, &c, -ENOMEM);
	CHECK_EQ(addr[9 * page], t_shared(t) ? 1 : 0);
	CHECK_EQ(addr[0], 7);
	if (!t_shared(t)) {
		event_watched(t, uf, addr + page);
		event_watched(t, uf, addr + 2 * page);
	}
	t_message_none(uf);
	t_message_none(other);
}

/* Of memory that is locked. */
static void event_remove_locked(struct t *t, struct uf *uf, char *addr)
{
	size_t page = t->page;
	struct event_call c = {.addr = addr, .len = page, .flags = MADV_DONTNEED_LOCKED};

	CHECK_EQ(mlock2(addr, page, 0), 0); /* sanitizers make nothing of mlock */
	CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), -EINVAL);
	CHECK_RET(uf_madvise(addr, page, t_shared(t) ? MADV_REMOVE : MADV_FREE), -EINVAL);
	CHECK_RET(uf_madvise(addr, page, MADV_REMOVE), -EINVAL);
	t_message_none(uf);
	CHECK(t_is_filled(addr, 2 * page, 7));
	event_begin(t, &c, event_madvise);
	event_remove_is(uf, &c, addr, addr + page);
	event_end(t, &c, 0);
	CHECK_EQ(munlock(addr + page, page), 0);
}

static void event_remove_refused(struct t *t)
{
	static const int others[] = {MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT, MADV_NOHUGEPAGE};
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 2);

	t_needs_linux();
	t_fill(t, uf, addr, 7, 0);
	t_fill(t, uf, addr + page, 7, 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		(void)!uf_madvise(addr, 2 * page, others[i]);
	CHECK_RET(uf_madvise(addr, 0, MADV_DONTNEED), 0);
	CHECK_RET(uf_madvise(addr + 1, page, MADV_DONTNEED), -EINVAL);
	if (!t_shared(t))
		CHECK_RET(uf_madvise(addr, 2 * page, MADV_REMOVE),
			  t->target->mem == T_ANON ? -EINVAL : -EACCES);
	if (t_huge(t))
		CHECK_RET(uf_madvise(addr, 2 * page, MADV_FREE), -EINVAL);
	else
		event_remove_locked(t, uf, addr);
	t_message_none(uf);
	CHECK(t_is_filled(addr + page, page, 7));
}

static void event_remove_free_backed(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	char *addr = t_registered_mode(t, uf, 2, UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_MINOR);
	struct event_call c = {.addr = addr, .len = 2 * t->page, .flags = MADV_FREE};

	t_needs_linux();
	t_fill(t, uf, addr, 7, 0);
	event_begin(t, &c, event_madvise);
	event_remove_is(uf, &c, addr, addr + 2 * t->page);
	event_end(t, &c, -EINVAL);
	CHECK(t_is_filled(addr, t->page, 7));
	t_message_none(uf);
}

/* Whatever is there by then: the monitor unmaps it, the monitor puts something else there. */
static void event_remove_changed(struct t *t)
{
	struct uf *uf = t_open(t, 0, UF_FEATURE_EVENT_REMOVE);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	struct event_call c = {.addr = addr, .len = 4 * page, .flags = MADV_DONTNEED};
	void *got;

	t_fill(t, uf, addr, 7, 0);
	event_begin(t, &c, event_madvise);
	t_message_pending(uf);
	CHECK_RET(uf_munmap(addr, page), 0);
	event_remove_is(uf, &c, addr, addr + 4 * page);
	event_end(t, &c, -ENOMEM);
	c.addr = addr + page;
	c.len = 3 * page;
	event_begin(t, &c, event_madvise);
	t_message_pending(uf);
	CHECK_RET(uf_mmap(addr + page, page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, &got),
		  0);
	addr[page] = 5;
	event_remove_is(uf, &c, addr + page, addr + 4 * page);
	/* And the rest is a mapping of its own. */
	event_remove_is(uf, &c, addr + 2 * page, addr + 4 * page);
	event_end(t, &c, 0);
	CHECK_EQ(addr[page], 0);
	event_watched(t, uf, addr + 2 * page);
}

const struct t_case event_cases[] = {
	CASE("event.1", event_not_asked, T_ALL),
	CASE("event.2, event.11", event_unmap, T_ALL),
	CASE("event.2, event.11", event_unmap_by_mmap, T_ALL),
	CASE("event.3", event_unmap_contexts, T_ALL),
	CASE("event.4, event.11", event_remove, T_ALL),
	CASE("event.4, event.3", event_remove_each, T_ALL),
	CASE("event.5", event_remove_refused, T_ALL),
	CASE("event.5, private.4", event_remove_free_backed, T_BACKED | T_SMALL),
	CASE("event.4", event_remove_changed, T_ALL),
	{0},
};
