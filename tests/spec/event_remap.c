/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/event.md: mremap. */
#include <sys/wait.h>

#include "event.h"

#define FIXED (MREMAP_MAYMOVE | MREMAP_FIXED)
#define DONTUNMAP (MREMAP_MAYMOVE | MREMAP_DONTUNMAP)

static void event_remap(struct t *t)
{
	struct uf *uf = t_open(t, 0, UF_FEATURE_EVENT_REMAP);
	size_t page = t->page;
	char *addr = t_map_unreserved(t, 6);
	char *to = t_map(t, 3);
	struct event_call c = {.addr = addr + page,
			       .len = 3 * page,
			       .new_len = 3 * page,
			       .flags = FIXED,
			       .to = to};
	struct t_thread th;

	t_register(uf, addr, 6 * page);
	t_fill(t, uf, addr + 2 * page, 5, 0);
	event_begin(t, &c, event_mremap);
	t_message_pending(uf);
	CHECK_EQ(t_access(addr + page, T_READ).sig, SIGSEGV);
	CHECK_EQ(to[page], 5);
	t_thread_access(t, &th, to, T_READ);
	t_thread_asleep(&th);
	t_fault_at(uf, to, 0);
	event_remap_is(uf, &c, addr + page, to, 3 * page);
	event_end(t, &c, 0);
	CHECK(c.to == to);
	event_fill(t, uf, to, 6);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 6);
	event_watched(t, uf, to + 2 * page);
	CHECK(t_is_filled(to + page, page, 5));
	event_watched(t, uf, addr);
	event_watched(t, uf, addr + 4 * page);
	/* One mapping, which fills and ends as a whole. */
	CHECK_RET(uf_unregister(uf, to, 3 * page), 0);
	t_zero(t, uf, addr + 5 * page, page);
	t_message_none(uf);
}

/* Back and forth, each time filled a little more: the next page is missing still. */
static void event_remap_again(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *place[2] = {t_registered(t, uf, 8), t_map(t, 8)};
	struct event_call c = {.len = 8 * page, .new_len = 8 * page, .flags = FIXED};

	for (size_t i = 0; i < 8; i++) {
		char *from = place[i % 2];
		char *to = place[(i + 1) % 2];

		event_fill(t, uf, from + i * page, (int)i + 1);
		c.addr = from;
		c.to = to;
		event_begin(t, &c, event_mremap);
		event_remap_is(uf, &c, from, to, 8 * page);
		event_unmap_is(uf, &c, from, from + 8 * page);
		event_end(t, &c, 0);
		/* So that no stack takes the place. */
		CHECK(mmap(from, 8 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == from);
		for (size_t p = 0; p <= i; p++)
			CHECK(t_is_filled(to + p * page, page, (int)p + 1));
	}
	t_message_none(uf);
}

static void event_remap_grows(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_map(t, 5);
	struct event_call c = {
		.addr = addr, .len = 2 * page, .new_len = 4 * page, .flags = MREMAP_MAYMOVE};
	struct uf_msg msg;
	char *to;

	t_register(uf, addr, 2 * page);
	t_fill(t, uf, addr, 5, 0);
	/* There is something behind it, so it moves. */
	event_begin(t, &c, event_mremap);
	t_message_pending(uf);
	t_thread_blocked(&c.th);
	msg = t_message(uf);
	CHECK_EQ(msg.event, UF_EVENT_REMAP);
	CHECK_EQ(msg.arg.remap.from, (uintptr_t)addr);
	CHECK_EQ(msg.arg.remap.len, 2 * page);
	to = (char *)(uintptr_t)msg.arg.remap.to;
	event_unmap_is(uf, &c, addr, addr + 2 * page);
	event_end(t, &c, 0);
	CHECK(c.to == to);
	t_adopt(t, to, 4 * page, -1);
	CHECK(t_is_filled(to, page, 5));
	event_watched(t, uf, to + page);
	event_watched(t, uf, to + 2 * page);
	event_watched(t, uf, to + 3 * page);
	/* One mapping. */
	CHECK_RET(uf_copy(uf, to + page, addr + 3 * page, 2 * page, 0, NULL), -EEXIST);
	t_message_none(uf);
}

/* In another handle's range, with every message there is. */
static void event_remap_order(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	struct uf *other = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 8);
	char *to = t_map(t, 4);
	struct event_call c = {
		.addr = addr, .len = 8 * page, .new_len = 3 * page, .flags = FIXED, .to = to};

	t_register(other, to, page);
	t_register(uf, to + page, page);
	t_fill(t, uf, addr + 2 * page, 5, 0);
	t_fill(t, uf, addr + 3 * page, 6, 0);
	event_begin(t, &c, event_mremap);
	event_unmap_is(other, &c, to, to + 3 * page);
	event_unmap_is(uf, &c, to, to + 3 * page);
	event_remap_is(uf, &c, addr, to, 3 * page);
	event_unmap_is(uf, &c, addr + 3 * page, addr + 8 * page);
	event_unmap_is(uf, &c, addr, addr + 3 * page);
	event_end(t, &c, 0);
	CHECK(t_is_filled(to + 2 * page, page, 5));
	CHECK_EQ(t_access(addr, T_READ).sig, SIGSEGV);
	CHECK_EQ(t_access(addr + 3 * page, T_READ).sig, SIGSEGV);
	event_watched(t, uf, to);
	event_watched(t, uf, to + page);
	t_message_none(uf);
	t_message_none(other);
}

/* Only what has gone is told, and nothing is registered at the new place. */
static void event_remap_unmaps(struct t *t)
{
	struct uf *uf = t_open(t, 0, UF_FEATURE_EVENT_UNMAP);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 3);
	char *to = t_map(t, 3);
	struct event_call c = {
		.addr = addr, .len = 3 * page, .new_len = 3 * page, .flags = FIXED, .to = to};

	t_fill(t, uf, addr, 5, 0);
	event_begin(t, &c, event_mremap);
	event_unmap_is(uf, &c, addr, addr + 3 * page);
	event_end(t, &c, 0);
	CHECK_EQ(to[0], 5);
	CHECK_EQ(to[page], 0);
	t_message_none(uf);
}

static void event_remap_in_place(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_map(t, 6);
	struct event_call c = {.addr = addr, .len = 4 * page, .new_len = page};
	void *got;

	t_needs_linux();
	CHECK_RET(uf_munmap(addr + 4 * page, 2 * page), 0);
	t_register(uf, addr, 4 * page);
	if (t_huge(t)) {
		CHECK_RET(uf_mremap(addr, 4 * page, 5 * page, 0, NULL, &got), -EINVAL);
		c.new_len = page - 100;
	} else {
		CHECK_RET(uf_mremap(addr, 4 * page, 5 * page, 0, NULL, &got), 0);
		event_watched(t, uf, addr + 4 * page);
		c.len = 5 * page;
	}
	CHECK_RET(uf_mremap(addr, c.len, c.len, MREMAP_MAYMOVE, NULL, &got), 0);
	t_message_none(uf);
	event_begin(t, &c, event_mremap);
	event_unmap_is(uf, &c, addr + page, addr + c.len);
	event_end(t, &c, 0);
	event_watched(t, uf, addr);
	t_message_none(uf);
}

static void event_remap_dontunmap(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	char *to = t_map(t, 4);
	struct event_call c = {.addr = addr,
			       .len = 4 * page,
			       .new_len = 4 * page,
			       .flags = DONTUNMAP | MREMAP_FIXED,
			       .to = to};

	t_needs_linux();
	t_fill(t, uf, addr, 5, 0);
	t_fill(t, uf, addr + 2 * page, 6, 0);
	event_begin(t, &c, event_mremap);
	event_remap_is(uf, &c, addr, to, 4 * page);
	event_end(t, &c, 0);
	CHECK(t_is_filled(to, page, 5));
	CHECK(t_is_filled(to + 2 * page, page, 6));
	event_watched(t, uf, to + page);
	if (!t_shared(t)) {
		event_watched(t, uf, addr);
		event_watched(t, uf, addr + 2 * page);
		event_watched(t, uf, addr + 1 * page);
	} else {
		CHECK_EQ(addr[0], 5);
		CHECK_EQ(addr[page], 0x66);
	}
	event_watched(t, uf, addr + 3 * page);
	if (!t_shared(t))
		event_watched(t, uf, to + 3 * page);
	t_message_none(uf);
}

/* Protected, poisoned, there and not there. */
static void event_remap_states(struct t *t)
{
	uint64_t wp = t->target->mem == T_ANON ? UF_FEATURE_WP_UNPOPULATED : 0;
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, UF_FEATURE_EVENT_REMAP | wp);
	size_t page = t->page;
	uint64_t modes[] = {UF_REGISTER_MODE_WP, UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MISSING};

	t_needs_features(t, UF_FEATURE_POISON);
	for (size_t i = 0; i < 2; i++) {
		char *addr = t_map(t, 6);
		char *to = t_map(t, 6);
		struct event_call c = {.addr = addr,
				       .len = 6 * page,
				       .new_len = 6 * page,
				       .flags = FIXED,
				       .to = to};

		memset(addr, 1, 2 * page);
		t_register_mode(uf, addr, 6 * page, modes[i]);
		t_poison(uf, addr + 4 * page, page);
		t_protect(uf, addr, page);
		t_protect(uf, addr + 2 * page, page);
		event_begin(t, &c, event_mremap);
		event_remap_is(uf, &c, addr, to, 6 * page);
		event_end(t, &c, 0);
		t_is_poisoned(t, to + 4 * page);
		CHECK_EQ(to[1], 1);
		t_is_protected(t, uf, to);
		t_is_open(uf, to + page);
		if (modes[i] & UF_REGISTER_MODE_MISSING) {
			event_watched(t, uf, to + 2 * page);
			event_watched(t, uf, to + 5 * page);
		} else {
			t_is_protected(t, uf, to + 2 * page);
			t_is_open(uf, to + 3 * page);
			t_protect(uf, to + 3 * page, page);
			t_is_protected(t, uf, to + 3 * page);
		}
		t_message_none(uf);
		CHECK_RET(uf_unregister(uf, to, 6 * page), 0);
		t_is_poisoned(t, to + 4 * page);
	}
}

/* What is protected without a page, and a thread that waits for it. */
static void event_remap_minor(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, UF_FEATURE_EVENT_REMAP);
	uint64_t mode = UF_REGISTER_MODE_MINOR | UF_REGISTER_MODE_MISSING;
	size_t page = t->page;
	char *addr = t_map(t, 3);
	char *twin = t_twin(t, addr, 3);
	char *to = t_map(t, 3);
	struct event_call c = {
		.addr = addr, .len = 3 * page, .new_len = 3 * page, .flags = FIXED, .to = to};

	twin[0] = 1;
	addr[page] = 2;
	t_register_mode(uf, addr, 3 * page, mode);
	event_begin(t, &c, event_mremap);
	event_remap_is(uf, &c, addr, to, 3 * page);
	event_end(t, &c, 0);
	t_is_minor(t, uf, to, 1);
	CHECK_EQ(to[page], 2);
	event_watched(t, uf, to + 2 * page);
	t_message_none(uf);
}

/* A thread that waits at the old place is woken by nobody, and finds nothing there. */
static void event_remap_waiting(struct t *t)
{
	struct uf *uf = t_open(t, 0, UF_FEATURE_EVENT_REMAP);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 2);
	char *to = t_map(t, 2);
	struct event_call c = {
		.addr = addr, .len = 2 * page, .new_len = 2 * page, .flags = FIXED, .to = to};
	struct t_thread th;

	t_thread_faults(t, &th, uf, addr, T_READ, 0);
	event_begin(t, &c, event_mremap);
	event_remap_is(uf, &c, addr, to, 2 * page);
	event_end(t, &c, 0);
	event_fill(t, uf, to, 5);
	t_thread_blocked(&th);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_thread_join(t, &th, SIGSEGV);
	t_message_none(uf);
}

static void event_remap_several(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	size_t page = t->page;
	char *addr = t_map(t, 5);
	char *to = t_map(t, 4);
	int never = t_huge(t) ? -EINVAL : -EFAULT;
	void *got;

	t_register(uf, addr, 2 * page);
	t_fill(t, uf, addr, 5, 0);
	t_register(uf, to, page);
	CHECK_RET(uf_mremap(addr, 4 * page, 4 * page, FIXED, to, &got), -EFAULT);
	CHECK_RET(uf_mremap(addr, 4 * page, 5 * page, MREMAP_MAYMOVE, NULL, &got), never);
	CHECK_RET(uf_mremap(addr, 4 * page, 4 * page, DONTUNMAP, NULL, &got), never);
	CHECK_RET(uf_mremap(addr, 4 * page, 4 * page, MREMAP_MAYMOVE, NULL, &got), 0);
	t_message_none(uf);
	CHECK(t_is_filled(addr, page, 5));
	t_fill(t, uf, addr + page, 6, 0);
	t_fill(t, uf, to, 7, 0);
	CHECK_RET(uf_mprotect(addr + page, page, PROT_READ), 0);
	CHECK_RET(uf_mremap(addr, 2 * page, 2 * page, FIXED, to + 2 * page, &got), -EFAULT);
	t_message_none(uf);
}

static void event_remap_duplicate(struct t *t)
{
	struct uf *uf = t_open(t, 0, EVENT_ALL);
	struct uf *silent = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);
	char *to = t_map(t, 2);
	struct event_call c = {
		.addr = addr + page, .len = 0, .new_len = 2 * page, .flags = FIXED, .to = to};

	t_needs_linux();
	t_fill(t, uf, addr + page, 5, 0);
	event_begin(t, &c, event_mremap);
	event_remap_is(uf, &c, addr + page, to, 0);
	event_end(t, &c, 0);
	CHECK(t_is_filled(to, page, 5));
	event_watched(t, uf, to + page);
	CHECK_EQ(addr[2 * page], 0x66);
	event_watched(t, uf, addr);
	t_message_none(uf);

	addr = t_registered(t, silent, 2);
	c = (struct event_call){.addr = addr, .new_len = 2 * page, .flags = MREMAP_MAYMOVE};
	event_mremap(&c);
	CHECK_RET(c.ret, 0);
	t_adopt(t, c.to, 2 * page, -1);
	CHECK_EQ(*(char *)c.to, 0);
	CHECK_EQ(t_access((char *)c.to + page, T_WRITE).sig, 0);
	t_message_none(silent);
}

/* So many mappings that only ROOM more are possible. 0: too many to try. */
static char *event_use_up(struct t *t, size_t *len, size_t room)
{
	size_t limit = 0;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
	char *all;
	size_t at = 0;

	if (f && fscanf(f, "%zu", &limit) != 1)
		limit = 0;
	if (f)
		fclose(f);
	if (!limit || limit > 70000)
		t_skip("the limit of mappings is not known, or too high to be reached");
	*len = 2 * limit * t->page;
	all = mmap(NULL, *len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(all != MAP_FAILED);
	while (mprotect(all + at, t->page, PROT_READ) == 0)
		at += 2 * t->page;
	for (size_t i = 0; i < room; i++)
		CHECK_EQ(mprotect(all + (2 * i + 2) * t->page, t->page, PROT_NONE), 0);
	return all;
}

static void event_still_missing(struct t *t, struct uf *uf, char *addr)
{
	struct t_thread th;

	t_thread_faults(t, &th, uf, addr, T_READ, 0);
	t_fill(t, uf, addr, 8, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 8);
}

struct event_room {
	size_t room;
	int flags;
};

/*
 * It cannot be moved, and stays as it was; or it can, of which nobody is told here. In a process
 * of its own: where mappings are short the engine's own memory is not always given back.
 */
static void event_no_room_child(struct t *t, void *arg)
{
	const struct event_room *r = arg;
	struct uf *uf = t_open(t, 0, r->flags ? UF_FEATURE_EVENT_UNMAP : UF_FEATURE_EVENT_REMOVE);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 6);
	struct event_call c = {.addr = addr,
			       .len = 5 * page,
			       .new_len = (r->flags ? 5 : 8) * page,
			       .flags = MREMAP_MAYMOVE | r->flags};
	size_t len;
	char *all;

	t_fill(t, uf, addr, 5, 0);
	t_fill(t, uf, addr + 2 * page, 6, 0);
	all = event_use_up(t, &len, r->room);
	event_mremap(&c);
	CHECK_EQ(munmap(all, len), 0);
	if (c.ret == 0) {
		addr = c.to;
	} else {
		CHECK_RET(c.ret, -ENOMEM);
		t_fill(t, uf, addr + page, 7, 0);
		event_still_missing(t, uf, addr + 4 * page);
		event_still_missing(t, uf, addr + 5 * page);
	}
	CHECK(t_is_filled(addr, page, 5));
	CHECK(t_is_filled(addr + 2 * page, page, 6));
	t_message_none(uf);
}

static void event_no_room(struct t *t, int flags)
{
	t_needs_linux();
	if (T_THREAD_SANITIZER)
		t_skip("ThreadSanitizer needs mappings of its own at any time");
	/* How many it takes is the engine's own affair. */
	for (size_t room = 0; room < 12; room += t_engine(t) ? 1 : 3) {
		struct event_room r = {room, flags};
		int status = t_wait(t_fork(t, event_no_room_child, &r));

		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			t_skip("the limit of mappings cannot be reached");
		CHECK_EQ(status, 0);
	}
}

static void event_no_room_to_leave(struct t *t)
{
	event_no_room(t, MREMAP_DONTUNMAP);
}

static void event_no_room_to_grow(struct t *t)
{
	event_no_room(t, 0);
}

const struct t_case event_remap_cases[] = {
	CASE("event.6, event.7", event_remap, T_ALL),
	CASE("event.6, event.7, event.9", event_remap_again, T_ALL),
	CASE("event.6, event.7", event_remap_grows, T_PRIVATE),
	CASE("event.9, event.3, event.6", event_remap_order, T_ALL),
	CASE("event.9, vm.4", event_remap_unmaps, T_ALL),
	CASE("event.8", event_remap_in_place, T_ALL),
	CASE("event.10, event.7", event_remap_dontunmap, T_SMALL),
	CASE("event.7, vm.13", event_remap_states, T_ALL),
	CASE("event.7", event_remap_minor, T_OBJECT),
	CASE("event.6, vm.1", event_remap_waiting, T_ALL),
	CASE("event.18, event.16", event_remap_several, T_ALL),
	CASE("event.19", event_remap_duplicate, T_OBJECT | T_SMALL),
	CASE("event.16, event.10", event_no_room_to_leave, T_SMALL),
	CASE("event.16", event_no_room_to_grow, T_SMALL),
	{0},
};
