/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/private.md */
#include "event.h"
#include "fill.h"
#include "suites.h"

#define MINOR UF_REGISTER_MODE_MINOR
#define WP UF_REGISTER_MODE_WP
#define MISSING UF_REGISTER_MODE_MISSING

/* A map whose object has pages full of 1, 2, ... up to NHAVE, and no others. */
static char *private_map(struct t *t, size_t npages, size_t nhave)
{
	char *addr = t_map(t, npages);
	char *page = malloc(t->page);

	CHECK(page);
	for (size_t i = 0; i < nhave; i++) {
		memset(page, (int)i + 1, t->page);
		CHECK_EQ(pwrite(t_map_fd(t, addr), page, t->page, (off_t)(i * t->page)), t->page);
	}
	free(page);
	return addr;
}

/* The object has this page, full of a byte. */
static void private_object_has(struct t *t, const char *addr, size_t page, int byte)
{
	off_t at = (off_t)(page * t->page);
	unsigned char got[2];

	CHECK_EQ(lseek(t_map_fd(t, addr), at, SEEK_DATA), at);
	CHECK_EQ(pread(t_map_fd(t, addr), got, 1, at), 1);
	CHECK_EQ(pread(t_map_fd(t, addr), got + 1, 1, at + (off_t)t->page - 1), 1);
	CHECK_EQ(got[0], byte);
	CHECK_EQ(got[1], byte);
}

/* It has none from this one on. */
static void private_object_ends(struct t *t, const char *addr, size_t page)
{
	CHECK_EQ(lseek(t_map_fd(t, addr), (off_t)(page * t->page), SEEK_DATA), -1);
	CHECK_EQ(errno, ENXIO);
}

static void private_fill(struct t *t, enum fill_kind kind)
{
	static const uint64_t modes[] = {MISSING, MINOR, WP, MISSING | MINOR | WP};
	struct uf *uf = t_open_mode(t, MINOR | WP, 0);
	size_t page = t->page;

	for (size_t i = 0; i < 4; i++) {
		char *addr = private_map(t, 6, 2);
		char *twin = t_twin(t, addr, 6);

		t_register_mode(uf, addr, 6 * page, modes[i]);
		/* Pages that the object has and pages that it has not, in one go. */
		fill_check(t, uf, kind, addr + page, 3 * page, 0, 0, 3 * (int64_t)page);
		fill_check(t, uf, kind, addr, page, 0, 0, (int64_t)page);
		CHECK(t_is_filled(addr, 4 * page, fill_byte(kind)));
		memset(addr, 7, 4 * page);
		CHECK(t_is_filled(addr, 4 * page, 7));
		fill_check(t, uf, kind, addr, 4 * page, 0, -EEXIST, -EEXIST);
		t_message_none(uf);
		private_object_has(t, addr, 0, 1);
		private_object_has(t, addr, 1, 2);
		private_object_ends(t, addr, 2);
		/* Nor does what the object gets now come here. */
		memset(twin, 9, 4 * page);
		CHECK(t_is_filled(addr, 4 * page, 7));
		CHECK_RET(uf_unregister(uf, addr, 6 * page), 0);
		CHECK(t_is_filled(addr, 4 * page, 7));
		private_object_ends(t, addr, 4);
	}
}

static void private_copy(struct t *t)
{
	private_fill(t, FILL_COPY);
}

static void private_zeropage(struct t *t)
{
	private_fill(t, FILL_ZERO);
}

/* Who waits for a page that another mapping of the object must not find there. */
static void private_two_mappings(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = private_map(t, 2, 0);
	char *twin = t_twin(t, addr, 2);
	struct t_thread th;

	t_register(uf, addr, 2 * page);
	t_register(uf, twin, 2 * page);
	t_thread_faults(t, &th, uf, addr, T_MODIFY, UF_PAGEFAULT_FLAG_WRITE);
	t_fill(t, uf, addr, 1, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 1);
	t_thread_faults(t, &th, uf, twin, T_READ, 0);
	t_fill(t, uf, twin, 5, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 5);
	CHECK_EQ(addr[0], 2);
	t_message_none(uf);
}

static void private_partial(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = private_map(t, 4, 1);
	char *src = t_buffer(t, 2);
	struct fill f = {.kind = FILL_COPY, .src = src, .start = (uintptr_t)addr, .len = 4 * page};
	struct t_thread th;

	memset(src, 5, 2 * page);
	t_register(uf, addr, 4 * page);
	CHECK_RET(fill_call(t, uf, &f), -EAGAIN);
	CHECK_EQ(f.field, 2 * page);
	f.start += 2 * page;
	f.src += page + page / 2;
	f.len = page;
	CHECK_RET(fill_call(t, uf, &f), -EFAULT);
	CHECK(t_is_filled(addr, 2 * page, 5));
	/* What failed is as missing as before, and the file's. */
	t_thread_faults(t, &th, uf, addr + 2 * page, T_READ, 0);
	CHECK_EQ(pwrite(t_map_fd(t, addr), "x", 1, (off_t)(2 * page)), 1);
	CHECK_RET(uf_wake(uf, addr + 2 * page, page), 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 'x');
	t_message_none(uf);
	private_object_ends(t, addr, 3);
}

static void private_continue(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = private_map(t, 3, 2);
	char *twin = t_twin(t, addr, 2);

	t_register_mode(uf, addr, 3 * page, MINOR);
	t_is_minor(t, uf, addr, 1);
	twin[0] = 3;
	CHECK_EQ(t_byte(addr), 3);
	addr[1] = 4;
	CHECK_EQ(t_byte(twin + 1), 1);
	twin[0] = 5;
	CHECK_EQ(t_byte(addr), 3);
	t_message_none(uf);
	t_is_minor(t, uf, addr + page, 2);
	t_fill(t, uf, addr + 2 * page, 6, 0);
	CHECK_RET(uf_continue(uf, addr, page, 0, NULL), -EEXIST);
	CHECK_RET(uf_continue(uf, addr + 2 * page, page, 0, NULL), -EFAULT);
	CHECK_EQ(t_byte(addr + 2 * page), 6);
}

static void private_given_back(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = private_map(t, 4, 2);
	struct t_thread th;

	t_needs_linux();
	t_register_mode(uf, addr, 4 * page, MISSING | MINOR);
	for (size_t i = 0; i < 4; i++)
		t_fill(t, uf, addr + i * page, 0x30, 0);
	CHECK_RET(uf_madvise(addr, 4 * page, MADV_REMOVE), -EACCES);
	CHECK_RET(uf_madvise(addr, 4 * page, MADV_FREE), -EINVAL);
	CHECK_RET(uf_madvise(addr + 2 * page, page, MADV_FREE), -EINVAL);
	CHECK(t_is_filled(addr, 4 * page, 0x30));
	CHECK_RET(uf_madvise(addr + page, 2 * page, MADV_DONTNEED), 0);
	CHECK(t_is_filled(addr, page, 0x30));
	CHECK(t_is_filled(addr + 3 * page, page, 0x30));
	t_message_none(uf);
	t_is_minor(t, uf, addr + page, 2);
	t_thread_faults(t, &th, uf, addr + 2 * page, T_READ, 0);
	t_fill(t, uf, addr + 2 * page, 0x31, 0);
	t_thread_join(t, &th, 0);
	/* Without MODE_MINOR it comes silently, and a zero page goes as well. */
	t_register_mode(uf, addr, 4 * page, WP | MISSING);
	CHECK_RET(uf_madvise(addr, 4 * page, MADV_DONTNEED), 0);
	CHECK_RET(uf_zeropage(uf, addr, 4 * page, 0, NULL), 0);
	CHECK(t_is_filled(addr, 4 * page, 0));
	CHECK_RET(uf_madvise(addr, 4 * page, MADV_DONTNEED), 0);
	CHECK_EQ(addr[0], 1);
	CHECK_EQ(addr[page], 2);
	t_message_none(uf);
	t_thread_faults(t, &th, uf, addr + 2 * page, T_READ, 0);
	t_fill(t, uf, addr + 2 * page, 0x32, 0);
	t_thread_join(t, &th, 0);
	private_object_ends(t, addr, 2);
}

static void private_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, WP, 0);
	size_t page = t->page;
	char *addr = private_map(t, 4, 2);

	t_register_mode(uf, addr, 4 * page, WP);
	t_fill(t, uf, addr + page, 7, 0);
	t_fill(t, uf, addr + 2 * page, 7, 0);
	t_protect(uf, addr, 3 * page);
	CHECK_EQ(t_byte(addr), 1);
	t_is_protected(t, uf, addr);
	CHECK_EQ(t_byte(addr + page), 7);
	t_protect(uf, addr, page);
	CHECK_RET(uf_madvise(addr, 4 * page, MADV_DONTNEED), 0);
	CHECK_EQ(t_byte(addr), 1);
	CHECK_EQ(t_byte(addr + page), 2);
	t_is_protected(t, uf, addr);
	t_is_protected(t, uf, addr + page);
	t_is_protected(t, uf, addr + 2 * page);
	t_is_open(uf, addr + 3 * page);
	private_object_has(t, addr, 0, 1);
	private_object_has(t, addr, 1, 2);
}

static void private_grows(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = private_map(t, 4, 4);
	void *got;

	t_needs_linux();
	t_register_mode(uf, addr, 2 * page, MINOR | MISSING);
	CHECK_EQ(fallocate(t_map_fd(t, addr), 3, (off_t)page, (off_t)page), 0);
	t_fill(t, uf, addr + page, 0x30, 0);
	CHECK_RET(uf_munmap(addr + 2 * page, 2 * page), 0);
	CHECK_RET(uf_mremap(addr, 2 * page, 4 * page, 0, NULL, &got), 0);
	CHECK_EQ(t_byte(addr + page), 0x30);
	t_is_minor(t, uf, addr, 1);
	t_is_minor(t, uf, addr + 2 * page, 3);
	t_is_minor(t, uf, addr + 3 * page, 4);
}

static void private_left_behind(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = private_map(t, 3, 2);
	void *got;

	t_needs_linux();
	t_register_mode(uf, addr, 3 * page, MINOR | MISSING);
	CHECK_EQ(ftruncate(t_map_fd(t, addr), 0), 0);
	CHECK_EQ(ftruncate(t_map_fd(t, addr), (off_t)(3 * page)), 0);
	for (size_t i = 0; i < 3; i++)
		t_fill(t, uf, addr + i * page, 0x30, 0);
	CHECK_EQ(pwrite(t_map_fd(t, addr), "ab", 2, 0), 2);
	CHECK_RET(uf_mremap(addr, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL,
			    &got),
		  0);
	t_adopt(t, got, 3 * page, -1);
	CHECK(t_is_filled(got, 3 * page, 0x30));
	t_is_minor(t, uf, addr, 'a');
	t_fill(t, uf, addr + page, 0x31, 0);
	CHECK(t_is_filled(addr + page, page, 0x31));
	t_message_none(uf);
}

/*
 * Moved, and told of with UF_FEATURE_EVENT_REMAP only. In the object there are pages full
 * of 1 to 3; the second page is the mapping's own, and so is the fourth.
 */
static char *private_moved_to(struct t *t, struct uf *uf, size_t new_len, bool told)
{
	size_t page = t->page;
	char *addr = private_map(t, 6, 3);
	struct event_call c = {.addr = addr,
			       .len = 6 * page,
			       .new_len = new_len,
			       .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
			       .to = t_map(t, 6)};
	char *to = c.to;

	t_register_mode(uf, addr, 6 * page, MINOR | MISSING);
	t_fill(t, uf, addr + page, 0x31, 0);
	t_continue(uf, addr + 2 * page, page, 0);
	t_fill(t, uf, addr + 3 * page, 0x33, 0);
	event_begin(t, &c, event_mremap);
	if (told)
		event_remap_is(uf, &c, addr, to, new_len);
	event_end(t, &c, 0);
	t_message_none(uf);
	CHECK(t_is_filled(to + page, page, 0x31));
	CHECK(t_is_filled(to + 2 * page, page, 3));
	CHECK(new_len < 4 * page || t_is_filled(to + 3 * page, page, 0x33));
	return to;
}

static void private_moves(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, UF_FEATURE_EVENT_REMAP);
	size_t page = t->page;
	char *to = private_moved_to(t, uf, 6 * page, true);

	t_needs_linux();
	t_is_minor(t, uf, to, 1);
	event_watched(t, uf, to + 4 * page);
	/* The object has got nothing of that. */
	CHECK_RET(uf_madvise(to, 6 * page, MADV_DONTNEED), 0);
	t_is_minor(t, uf, to + page, 2);
	event_watched(t, uf, to + 3 * page);
	event_watched(t, uf, to + 4 * page);
	t_is_minor(t, uf, to + 2 * page, 3);
	to[2 * page] = 9;
	t_message_none(uf);
	to = private_moved_to(t, uf, 3 * page, true);
	t_is_minor(t, uf, to, 1);
	CHECK_RET(uf_unregister(uf, to, 3 * page), 0);
	CHECK_EQ(t_byte(to), 1);
	t_message_none(uf);
}

static void private_moves_untold(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *to = private_moved_to(t, uf, 6 * page, false);

	CHECK_RET(uf_zeropage(uf, to + 5 * page, page, 0, NULL), -ENOENT);
	CHECK_EQ(t_byte(to), 1);
	CHECK_EQ(t_byte(to + 4 * page), 0);
	for (size_t i = 0; i < 6; i++)
		to[i * page] = 9;
	to = private_moved_to(t, uf, 3 * page, false);
	CHECK_EQ(t_byte(to), 1);
	t_message_none(uf);
}

/* There is something behind it, so it moves; its last page is its own. */
static void private_moves_to_grow(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, UF_FEATURE_EVENT_REMAP);
	size_t page = t->page;
	char *addr = private_map(t, 5, 4);
	struct event_call c = {
		.addr = addr, .len = 2 * page, .new_len = 5 * page, .flags = MREMAP_MAYMOVE};
	struct uf_msg msg;
	void *got;
	char *to;

	t_register_mode(uf, addr, 2 * page, MINOR | MISSING);
	CHECK_EQ(fallocate(t_map_fd(t, addr), 3, (off_t)page, (off_t)page), 0);
	t_fill(t, uf, addr + page, 0x30, 0);
	event_begin(t, &c, event_mremap);
	msg = t_message(uf);
	CHECK_EQ(msg.event, UF_EVENT_REMAP);
	event_end(t, &c, 0);
	to = c.to;
	t_adopt(t, to, 5 * page, -1);
	CHECK(t_is_filled(to + page, page, 0x30));
	t_is_minor(t, uf, to, 1);
	t_is_minor(t, uf, to + 2 * page, 3);
	t_is_minor(t, uf, to + 3 * page, 4);
	event_watched(t, uf, to + 4 * page);
	CHECK_RET(uf_madvise(to, 5 * page, MADV_DONTNEED), 0);
	event_watched(t, uf, to + page);
	event_watched(t, uf, to + 4 * page);
	CHECK_RET(uf_mremap(to, 5 * page, page, 0, NULL, &got), 0);
	t_is_minor(t, uf, to, 1);
	t_message_none(uf);
}

const struct t_case private_cases[] = {
	CASE("private.1", private_copy, T_COPIED),
	CASE("private.1, fault.16", private_two_mappings, T_COPIED),
	CASE("private.1, copy.4", private_partial, T_COPIED),
	CASE("private.2", private_zeropage, T_COPIED),
	CASE("private.3", private_continue, T_COPIED),
	CASE("private.4", private_given_back, T_COPIED),
	CASE("private.5", private_protected, T_COPIED),
	CASE("private.6", private_grows, T_COPIED),
	CASE("private.6", private_left_behind, T_COPIED),
	CASE("private.6, event.7", private_moves, T_COPIED),
	CASE("private.6, vm.4", private_moves_untold, T_COPIED),
	CASE("private.6, event.7", private_moves_to_grow, T_COPIED),
	{0},
};
