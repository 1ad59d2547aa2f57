/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/fill.md */
#include "fill.h"

#include "suites.h"

/* Large enough for every fill of the tests. */
#define FILL_SOURCE_PAGES 16

static const char *fill_source(struct t *t)
{
	static char *source;

	if (!source) {
		source = t_buffer(t, FILL_SOURCE_PAGES);
		memset(source, FILL_BYTE, FILL_SOURCE_PAGES * t->page);
	}
	return source;
}

int fill_call(struct t *t, struct uf *uf, struct fill *f)
{
	const char *src = f->src ? f->src : fill_source(t);
	struct uf_io_copy copy = {f->start, (uintptr_t)src, f->len, f->mode, FILL_KEPT};
	struct uf_io_zeropage zero = {{f->start, f->len}, f->mode, FILL_KEPT};
	int ret;

	if (f->kind == FILL_COPY)
		ret = uf_ioctl(uf, UF_IOC_COPY, &copy);
	else
		ret = uf_ioctl(uf, UF_IOC_ZEROPAGE, &zero);
	f->field = f->kind == FILL_COPY ? copy.copy : zero.zeropage;
	return ret;
}

void fill_check(struct t *t, struct uf *uf, enum fill_kind kind, char *start, size_t len,
		uint64_t mode, int ret, int64_t field)
{
	struct fill f = {.kind = kind, .start = (uintptr_t)start, .len = len, .mode = mode};

	CHECK_RET(fill_call(t, uf, &f), ret);
	CHECK_EQ(f.field, field);
}

static void fill_argument(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	char *buffer = t_buffer(t, 1);
	char *end = buffer + t->page;
	struct uf_io_copy copy = {(uintptr_t)addr, (uintptr_t)buffer, t->page, ~0ull, 0};
	struct uf_io_zeropage zero = {{(uintptr_t)addr, t->page}, ~0ull, 0};

	CHECK_RET(uf_ioctl(uf, UF_IOC_COPY, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_ZEROPAGE, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_COPY, end - 24), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_ZEROPAGE, end - 16), -EFAULT);
	/* The field is not read: a bad mode is found though it is not there. */
	memcpy(end - 32, &copy, 32);
	CHECK_RET(uf_ioctl(uf, UF_IOC_COPY, end - 32), -EINVAL);
	memcpy(end - 24, &zero, 24);
	CHECK_RET(uf_ioctl(uf, UF_IOC_ZEROPAGE, end - 24), -EINVAL);
}

static void fill_range(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);
	uint64_t page = t->page;

	FOR_EACH_KIND(kind)
	{
		fill_check(t, uf, kind, addr + 1, page, 0, -EINVAL, FILL_KEPT);
		fill_check(t, uf, kind, addr, page + 1, 0, -EINVAL, FILL_KEPT);
		fill_check(t, uf, kind, addr, page - 1, 0, -EINVAL, FILL_KEPT);
		fill_check(t, uf, kind, addr, 0, 0, -EINVAL, FILL_KEPT);
		fill_check(t, uf, kind, addr, ~(page - 1), 0, -EINVAL, FILL_KEPT);
		fill_check(t, uf, kind, (char *)~(uintptr_t)(page - 1), page, 0, -EINVAL,
			   FILL_KEPT);
	}
	FOR_EACH_KIND(again)
	fill_check(t, uf, again, addr + again * page, page, 0, 0, (int64_t)page);
}

static void fill_mode(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	char *nowhere = t_buffer(t, 1) - t->page;

	FOR_EACH_KIND(kind)
	{
		fill_check(t, uf, kind, addr, t->page, 4, -EINVAL, FILL_KEPT);
		fill_check(t, uf, kind, addr, t->page, UINT64_C(1) << 63, -EINVAL, FILL_KEPT);
		/* Before the mapping is looked for. */
		fill_check(t, uf, kind, nowhere, t->page, 4, -EINVAL, FILL_KEPT);
	}
}

static void fill_partial(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;

	FOR_EACH_KIND(kind)
	{
		char *addr = t_registered(t, uf, 6);
		size_t done = 99;

		t_fill(t, uf, addr + 3 * page, 0x11, 0);
		fill_check(t, uf, kind, addr + page, 5 * page, 0, -EAGAIN, 2 * (int64_t)page);
		CHECK(t_is_filled(addr + page, 2 * page, fill_byte(kind)));
		CHECK(t_is_filled(addr + 3 * page, page, 0x11));
		/* What lay behind was not touched: the rest goes on after it. */
		fill_check(t, uf, kind, addr + 3 * page, 3 * page, 0, -EEXIST, -EEXIST);
		fill_check(t, uf, kind, addr + 4 * page, 2 * page, 0, 0, 2 * (int64_t)page);
		/* The same told by the functions. */
		if (kind == FILL_COPY)
			CHECK_RET(uf_copy(uf, addr, fill_source(t), 2 * page, 0, &done), -EAGAIN);
		else
			CHECK_RET(uf_zeropage(uf, addr, 2 * page, 0, &done), -EAGAIN);
		CHECK_EQ(done, page);
		if (kind == FILL_COPY)
			CHECK_RET(uf_copy(uf, addr, fill_source(t), page, 0, &done), -EEXIST);
		else
			CHECK_RET(uf_zeropage(uf, addr, page, 0, &done), -EEXIST);
		CHECK_EQ(done, 0);
		CHECK(t_is_filled(addr + 4 * page, 2 * page, fill_byte(kind)));
		t_message_none(uf);
	}
}

static void fill_large(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t npages = 1500; /* more than anybody does at one go */
	size_t len = npages * t->page;
	char *addr = t_registered(t, uf, npages);
	char *src = t_buffer(t, npages);
	size_t done = 0;

	for (size_t i = 0; i < npages; i++)
		memset(src + i * t->page, (int)(i % 251) + 1, t->page);
	CHECK_RET(uf_copy(uf, addr, src, len / 2, 0, &done), 0);
	CHECK_EQ(done, len / 2);
	CHECK_RET(uf_zeropage(uf, addr + len / 2, len / 2, 0, &done), 0);
	CHECK_EQ(done, len / 2);
	CHECK(!memcmp(addr, src, len / 2));
	CHECK(t_is_filled(addr + len / 2, len / 2, 0));
	t_message_none(uf);
}

static void fill_field_unwritable(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *buffer = t_buffer(t, 2);
	char *addr = t_registered(t, uf, 2);
	struct uf_io_copy *copy = (struct uf_io_copy *)(buffer + t->page - 32);
	struct uf_io_zeropage *zero = (struct uf_io_zeropage *)(buffer + t->page - 24);
	struct t_thread th;

	CHECK_EQ(mprotect(buffer + t->page, t->page, PROT_READ), 0);
	FOR_EACH_KIND(kind)
	{
		char *at = addr + kind * t->page;

		t_thread_access(t, &th, at, T_READ);
		t_thread_asleep(&th);
		t_fault_at(uf, at, 0);
		if (kind == FILL_COPY) {
			copy->dst = (uintptr_t)at;
			copy->src = (uintptr_t)fill_source(t);
			copy->len = t->page;
			copy->mode = 0;
			CHECK_RET(uf_ioctl(uf, UF_IOC_COPY, copy), -EFAULT);
		} else {
			zero->range = (struct uf_io_range){(uintptr_t)at, t->page};
			zero->mode = 0;
			CHECK_RET(uf_ioctl(uf, UF_IOC_ZEROPAGE, zero), -EFAULT);
		}
		t_thread_blocked(&th);
		fill_check(t, uf, kind, at, t->page, 0, -EEXIST, -EEXIST);
		CHECK_RET(uf_wake(uf, at, t->page), 0);
		t_thread_join(t, &th, 0);
		CHECK(t_is_filled(at, t->page, fill_byte(kind)));
	}
	/* An error besides is told as EFAULT, too. */
	zero->range.start = (uintptr_t)addr;
	CHECK_RET(uf_ioctl(uf, UF_IOC_ZEROPAGE, zero), -EFAULT);
}

static void fill_wakes(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);

	FOR_EACH_KIND(kind)
	{
		char *addr = t_registered(t, uf, 4);
		struct t_thread th[3];

		/* One in the part that is done, read; one unread; one behind it. */
		t_fill(t, uf, addr + 2 * t->page, 1, 0);
		for (size_t i = 0; i < 3; i++)
			t_thread_access(t, &th[i], addr + (i == 2 ? 3 : i) * t->page, T_READ);
		for (size_t i = 0; i < 3; i++)
			t_thread_asleep(&th[i]);
		t_message(uf);
		fill_check(t, uf, kind, addr, 4 * t->page, 0, -EAGAIN, 2 * (int64_t)t->page);
		t_thread_join(t, &th[0], 0);
		t_thread_join(t, &th[1], 0);
		CHECK_EQ(th[0].outcome.value, fill_byte(kind));
		CHECK_EQ(th[1].outcome.value, fill_byte(kind));
		t_thread_blocked(&th[2]);
		fill_check(t, uf, kind, addr + 3 * t->page, t->page, 0, 0, (int64_t)t->page);
		t_thread_join(t, &th[2], 0);
		t_message_none(uf);
	}
}

static void fill_dontwake(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);
	struct t_thread th;

	FOR_EACH_KIND(kind)
	{
		char *at = addr + kind * t->page;

		t_thread_access(t, &th, at, T_READ);
		t_thread_asleep(&th);
		t_fault_at(uf, at, 0);
		fill_check(t, uf, kind, at, t->page, 1, 0, (int64_t)t->page);
		t_thread_blocked(&th);
		/* An error wakes nobody. */
		fill_check(t, uf, kind, at, t->page, 0, -EEXIST, -EEXIST);
		t_thread_blocked(&th);
		CHECK_RET(uf_wake(uf, at, t->page), 0);
		t_thread_join(t, &th, 0);
		CHECK_EQ(th.outcome.value, fill_byte(kind));
		t_message_none(uf);
	}
}

static void fill_one_mapping(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 8);

	/* hole, 2 and 2 registered with different protection, 2 not registered */
	CHECK_RET(uf_munmap(addr, page), 0);
	CHECK_EQ(mprotect(addr + 3 * page, 2 * page, PROT_READ), 0);
	t_register(uf, addr + page, 4 * page);
	FOR_EACH_KIND(kind)
	{
		fill_check(t, uf, kind, addr, page, 0, -ENOENT, -ENOENT);
		fill_check(t, uf, kind, addr, 2 * page, 0, -ENOENT, -ENOENT);
		fill_check(t, uf, kind, addr + 2 * page, 2 * page, 0, -ENOENT, -ENOENT);
		fill_check(t, uf, kind, addr + 4 * page, 2 * page, 0, -ENOENT, -ENOENT);
		fill_check(t, uf, kind, addr + 6 * page, page, 0, -ENOENT, -ENOENT);
	}
	/* Nothing has been done by any of them. */
	fill_check(t, uf, FILL_COPY, addr + page, 2 * page, 0, 0, 2 * (int64_t)page);
	t_zero(t, uf, addr + 3 * page, 2 * page);
	CHECK(t_is_filled(addr + 5 * page, 3 * page, 0));
	t_message_none(uf);
}

/* Registered in two steps it is one mapping all the same. */
static void fill_merged_mapping(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 4);

	t_register(uf, addr + 2 * page, 2 * page);
	t_register(uf, addr, 2 * page);
	fill_check(t, uf, FILL_COPY, addr + page, 2 * page, 0, 0, 2 * (int64_t)page);
	CHECK(t_is_filled(addr + page, 2 * page, FILL_BYTE));
}

/* Owned by different contexts they are two mappings. */
static void fill_two_owners(struct t *t)
{
	struct uf *one = t_open(t, 0, 0);
	struct uf *two = t_open(t, 0, 0);
	char *addr = t_map(t, 2);

	t_register(one, addr, t->page);
	t_register(two, addr + t->page, t->page);
	FOR_EACH_KIND(kind)
	fill_check(t, one, kind, addr, 2 * t->page, 0, -ENOENT, -ENOENT);
}

static void fill_any_context(struct t *t)
{
	struct uf *owner = t_open(t, 0, 0);
	struct uf *other = t_open(t, 0, 0);
	char *addr = t_registered(t, owner, 2);
	struct t_thread th;

	FOR_EACH_KIND(kind)
	{
		char *at = addr + kind * t->page;

		t_thread_access(t, &th, at, T_READ);
		t_thread_asleep(&th);
		t_fault_at(owner, at, 0);
		fill_check(t, other, kind, at, t->page, 0, 0, (int64_t)t->page);
		t_thread_blocked(&th);
		CHECK_RET(uf_wake(owner, at, t->page), 0);
		t_thread_join(t, &th, 0);
		CHECK_EQ(th.outcome.value, fill_byte(kind));
	}
	t_message_none(other);
}

static void fill_protected(struct t *t)
{
	static const int prots[] = {PROT_NONE, PROT_READ};
	struct uf *uf = t_open(t, 0, 0);

	for (size_t i = 0; i < 2; i++) {
		FOR_EACH_KIND(kind)
		{
			char *addr = t_map(t, 1);

			CHECK_EQ(mprotect(addr, t->page, prots[i]), 0);
			t_register(uf, addr, t->page);
			fill_check(t, uf, kind, addr, t->page, 0, 0, (int64_t)t->page);
			CHECK_EQ(t_access(addr, T_WRITE).sig, SIGSEGV);
			CHECK_EQ(t_access(addr, T_READ).sig, prots[i] ? 0 : SIGSEGV);
			CHECK_RET(uf_mprotect(addr, t->page, PROT_READ | PROT_WRITE), 0);
			CHECK(t_is_filled(addr, t->page, fill_byte(kind)));
			CHECK_EQ(t_access(addr, T_WRITE).sig, 0);
			t_message_none(uf);
		}
	}
}

static void fill_error_in_field(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	char *other = t_map(t, 1);
	size_t done = 1;

	t_fill(t, uf, addr, 1, 0);
	FOR_EACH_KIND(kind)
	{
		fill_check(t, uf, kind, addr, t->page, 0, -EEXIST, -EEXIST);
		fill_check(t, uf, kind, other, t->page, 0, -ENOENT, -ENOENT);
	}
	/* A negative field is no count. */
	CHECK_RET(uf_zeropage(uf, other, t->page, 0, &done), -ENOENT);
	CHECK_EQ(done, 0);
}

static void fill_ahead(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 4);

	fill_check(t, uf, FILL_COPY, addr, 2 * t->page, 0, 0, 2 * (int64_t)t->page);
	t_zero(t, uf, addr + 2 * t->page, 2 * t->page);
	CHECK(t_is_filled(addr, 2 * t->page, FILL_BYTE));
	CHECK(t_is_filled(addr + 2 * t->page, 2 * t->page, 0));
	memset(addr, 1, 4 * t->page);
	t_message_none(uf);
}

/* The argument itself lies in missing memory: the call waits for it, as any system call. */
static struct {
	struct uf *uf;
	struct uf_io_zeropage *zero;
	int ret;
} fill_caller;

static void fill_call_thread(void *arg)
{
	fill_caller.ret = uf_ioctl(fill_caller.uf, UF_IOC_ZEROPAGE, fill_caller.zero);
}

static void fill_argument_missing(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *args = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	char *argument = t_registered(t, args, 1);
	struct uf_io_zeropage zero = {{(uintptr_t)addr, t->page}, 0, FILL_KEPT};
	char *page = t_buffer(t, 1);
	struct t_thread th;

	memcpy(page, &zero, sizeof(zero));
	fill_caller.uf = uf;
	fill_caller.zero = (struct uf_io_zeropage *)argument;
	t_thread_call(t, &th, fill_call_thread, NULL);
	t_fault_at(args, argument, 0);
	t_thread_blocked(&th);
	CHECK_RET(uf_copy(args, argument, page, t->page, 0, NULL), 0);
	t_thread_join(t, &th, 0);
	CHECK_RET(fill_caller.ret, 0);
	CHECK_EQ(fill_caller.zero->zeropage, (int64_t)t->page);
	t_message_none(args);
}

static void fill_any_mode(struct t *t)
{
	static const uint64_t modes[] = {UF_REGISTER_MODE_WP,
					 UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MISSING,
					 UF_REGISTER_MODE_MINOR,
					 UF_REGISTER_MODE_MINOR | UF_REGISTER_MODE_WP};
	size_t n = t->target->mem == T_ANON ? 2 : 4;
	struct uf *uf = t_open_mode(t, n == 2 ? modes[0] : modes[3], 0);

	for (size_t i = 0; i < n; i++) {
		FOR_EACH_KIND(kind)
		{
			char *addr = t_registered_mode(t, uf, 2, modes[i]);

			fill_check(t, uf, kind, addr, 2 * t->page, 0, 0, 2 * (int64_t)t->page);
			CHECK(t_is_filled(addr, 2 * t->page, fill_byte(kind)));
			t_is_open(uf, addr);
			t_is_open(uf, addr + t->page);
			fill_check(t, uf, kind, addr, t->page, 0, -EEXIST, -EEXIST);
		}
	}
}

/* The argument can be read, and its field has to be waited for. */
static void fill_field_protected(struct t *t)
{
	struct uf *args = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	char *argument = t_registered_mode(t, args, 1, UF_REGISTER_MODE_WP);
	struct uf_io_zeropage zero = {{(uintptr_t)addr, t->page}, 0, FILL_KEPT};
	struct t_thread th;

	memcpy(argument, &zero, sizeof(zero));
	t_protect(args, argument, t->page);
	fill_caller.uf = uf;
	fill_caller.zero = (struct uf_io_zeropage *)argument;
	t_thread_call(t, &th, fill_call_thread, NULL);
	t_fault_at(args, argument, T_WP);
	t_thread_blocked(&th);
	CHECK_EQ(fill_caller.zero->zeropage, FILL_KEPT);
	t_unprotect(args, argument, t->page);
	t_thread_join(t, &th, 0);
	CHECK_RET(fill_caller.ret, 0);
	CHECK_EQ(fill_caller.zero->zeropage, (int64_t)t->page);
	CHECK(t_is_filled(addr, t->page, 0));
	t_message_none(args);
}

/* A source that ends in the midst of a page leaves nothing of it behind. */
static void fill_locked_in_part(struct t *t, struct uf *uf, char *addr)
{
	char *src = t_buffer(t, 1);

	memset(src, 0x33, t->page);
	CHECK_RET(uf_copy(uf, addr, src + 64, t->page, 0, NULL), -EFAULT);
	CHECK_RET(uf_zeropage(uf, addr, t->page, 0, NULL), 0);
	CHECK(t_is_filled(addr, t->page, 0));
}

/* Before it is registered, or since. */
static void fill_locked(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;

	t_needs_linux();
	for (int since = 0; since < 2; since++) {
		char *addr = t_map(t, 6);
		struct t_thread th = {0};

		if (since)
			t_register(uf, addr, 6 * page);
		CHECK_EQ(mlock2(addr, 6 * page, MLOCK_ONFAULT), 0);
		if (!since)
			t_register(uf, addr, 6 * page);
		t_thread_faults(t, &th, uf, addr, T_WRITE, UF_PAGEFAULT_FLAG_WRITE);
		t_fill(t, uf, addr, 1, 0);
		t_thread_join(t, &th, 0);
		fill_locked_in_part(t, uf, addr + page);
		t_fill(t, uf, addr + 3 * page, 2, 0);
		CHECK(t_is_filled(addr + 3 * page, page, 2));
		CHECK_EQ(t_byte(addr), T_MARK);
		t_thread_faults(t, &th, uf, addr + 2 * page, T_READ, 0);
		t_fill(t, uf, addr + 2 * page, 3, 0);
		t_thread_join(t, &th, 0);
	}
}

const struct t_case fill_cases[] = {
	CASE("fill.1", fill_argument, T_ALL),
	CASE("fill.1, fault.13", fill_argument_missing, T_SMALL),
	CASE("fill.2", fill_range, T_ALL),
	CASE("fill.3", fill_mode, T_ALL),
	CASE("fill.4, fill.10", fill_partial, T_ALL),
	CASE("fill.4", fill_large, T_SMALL),
	CASE("fill.5", fill_field_unwritable, T_ALL),
	CASE("fill.6", fill_wakes, T_ALL),
	CASE("fill.6", fill_dontwake, T_ALL),
	CASE("fill.7", fill_one_mapping, T_ALL),
	CASE("fill.7", fill_merged_mapping, T_SMALL),
	CASE("fill.7", fill_two_owners, T_ALL),
	CASE("fill.8", fill_any_context, T_ALL),
	CASE("fill.9", fill_protected, T_ALL),
	CASE("fill.10", fill_error_in_field, T_ALL),
	CASE("fill.11, fault.12", fill_ahead, T_ALL),
	CASE("fill.13", fill_any_mode, T_ALL),
	CASE("fill.14", fill_locked, T_SMALL),
	CASE("fill.5, fault.22", fill_field_protected, T_SMALL),
	{0},
};
