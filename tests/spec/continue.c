/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/continue.md */
#include "fill.h"
#include "suites.h"

#define MINOR UF_REGISTER_MODE_MINOR
#define WP UF_REGISTER_MODE_WP
#define MISSING UF_REGISTER_MODE_MISSING

static void continue_check(struct uf *uf, const void *addr, size_t len, uint64_t mode, int ret,
			   int64_t field)
{
	struct uf_io_continue cont = {{(uintptr_t)addr, len}, mode, FILL_KEPT};

	CHECK_RET(uf_ioctl(uf, UF_IOC_CONTINUE, &cont), ret);
	CHECK_EQ(cont.mapped, field);
}

/*
 * An object with pages full of 1, 2, ..., which the first mapping, registered,
 * has not got. They are written through *TWIN, if that is wanted.
 */
static char *continue_object(struct t *t, struct uf *uf, size_t npages, uint64_t mode, char **twin)
{
	char *addr = t_map(t, npages);
	char *other = t_twin(t, addr, npages);

	for (size_t i = 0; i < npages; i++)
		memset(other + i * t->page, (int)i + 1, t->page);
	t_register_mode(uf, addr, npages * t->page, mode);
	if (twin)
		*twin = other;
	return addr;
}

static void continue_argument(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	uint64_t page = t->page;
	char *addr = continue_object(t, uf, 2, MINOR, NULL);
	char *end = t_buffer(t, 1) + page;
	struct uf_io_continue cont = {{(uintptr_t)addr, page}, ~0ull, 0};

	CHECK_RET(uf_ioctl(uf, UF_IOC_CONTINUE, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_CONTINUE, end - 16), -EFAULT);
	/* The field is not read: a bad mode is found though it is not there. */
	memcpy(end - 24, &cont, 24);
	CHECK_RET(uf_ioctl(uf, UF_IOC_CONTINUE, end - 24), -EINVAL);
	continue_check(uf, addr + 1, page, 0, -EINVAL, FILL_KEPT);
	continue_check(uf, addr, page + 1, 0, -EINVAL, FILL_KEPT);
	continue_check(uf, addr, page - 1, 0, -EINVAL, FILL_KEPT);
	continue_check(uf, addr, 0, 0, -EINVAL, FILL_KEPT);
	continue_check(uf, addr, ~(page - 1), 0, -EINVAL, FILL_KEPT);
	continue_check(uf, (char *)~(uintptr_t)(page - 1), page, 0, -EINVAL, FILL_KEPT);
	continue_check(uf, addr, 2 * page, 0, 0, 2 * (int64_t)page);
}

static void continue_mode(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = continue_object(t, uf, 1, MINOR, NULL);
	char *nowhere = t_buffer(t, 1) - page;

	continue_check(uf, addr, page, 4, -EINVAL, FILL_KEPT);
	continue_check(uf, addr, page, UINT64_C(1) << 63, -EINVAL, FILL_KEPT);
	continue_check(uf, nowhere, page, 4, -EINVAL, FILL_KEPT);
	t_is_minor(t, uf, addr, 1);
}

static void continue_one_mapping(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = t_map(t, 6);
	char *twin = t_twin(t, addr, 6);

	/* a hole, 2 pages and 2 of another protection, 1 not registered */
	memset(twin, 1, 6 * page);
	CHECK_EQ(munmap(addr, page), 0);
	CHECK_EQ(mprotect(addr + 3 * page, 2 * page, PROT_READ), 0);
	t_register_mode(uf, addr, 5 * page, MINOR);
	continue_check(uf, addr, page, 0, -ENOENT, -ENOENT);
	continue_check(uf, addr, 2 * page, 0, -ENOENT, -ENOENT);
	continue_check(uf, addr + 2 * page, 2 * page, 0, -ENOENT, -ENOENT);
	continue_check(uf, addr + 4 * page, 2 * page, 0, -ENOENT, -ENOENT);
	continue_check(uf, addr + 5 * page, page, 0, -ENOENT, -ENOENT);
	/* Nothing has been done by any of them. */
	continue_check(uf, addr + page, 2 * page, 0, 0, 2 * (int64_t)page);
	continue_check(uf, addr + 3 * page, 2 * page, 0, 0, 2 * (int64_t)page);
}

static void continue_any_mode(struct t *t)
{
	static const uint64_t modes[] = {MISSING,
					 WP,
					 MINOR,
					 MISSING | WP,
					 MISSING | MINOR,
					 WP | MINOR,
					 MISSING | WP | MINOR};
	struct uf *uf = t_open_mode(t, MINOR | WP, 0);

	for (size_t i = 0; i < 7; i++) {
		char *addr = continue_object(t, uf, 2, modes[i], NULL);

		continue_check(uf, addr, 2 * t->page, 0, 0, 2 * (int64_t)t->page);
		CHECK(t_is_filled(addr, t->page, 1));
		CHECK(t_is_filled(addr + t->page, t->page, 2));
		t_is_open(uf, addr);
		t_is_open(uf, addr + t->page);
	}
}

static void continue_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR | WP, 0);
	size_t page = t->page;
	char *addr = continue_object(t, uf, 1, MINOR, NULL);
	char *both = continue_object(t, uf, 3, MINOR | WP, NULL);
	struct t_thread th;

	continue_check(uf, addr, page, UF_CONTINUE_MODE_WP, -EINVAL, -EINVAL);
	t_is_minor(t, uf, addr, 1);
	continue_check(uf, addr, page, UF_CONTINUE_MODE_WP, -EINVAL, -EINVAL);
	/* A reader is done; a writer waits a second time. */
	t_thread_faults(t, &th, uf, both, T_READ, T_MINOR);
	t_continue(uf, both, page, UF_CONTINUE_MODE_WP);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 1);
	t_is_protected(t, uf, both);
	t_thread_faults(t, &th, uf, both + page, T_MODIFY, T_MINOR | UF_PAGEFAULT_FLAG_WRITE);
	t_continue(uf, both + page, 2 * page, UF_CONTINUE_MODE_WP);
	t_fault_at(uf, both + page, T_WP);
	t_thread_blocked(&th);
	t_unprotect(uf, both + page, page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 2);
	CHECK_EQ(both[page], 3);
	t_is_protected(t, uf, both + 2 * page);
}

static void continue_private(struct t *t)
{
	struct uf *uf = t_open_mode(t, WP, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 2, MISSING | WP);

	t_fill(t, uf, addr, 1, 0);
	continue_check(uf, addr, page, 0, -EINVAL, -EINVAL);
	continue_check(uf, addr + page, page, 0, -EINVAL, -EINVAL);
	continue_check(uf, addr + page, page, UF_CONTINUE_MODE_WP, -EINVAL, -EINVAL);
	t_fill(t, uf, addr + page, 1, 0);
}

static void continue_maps(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *twin;
	char *addr = continue_object(t, uf, 3, MINOR, &twin);
	struct t_thread th;

	/* What the object had when the access was made does not count. */
	t_thread_faults(t, &th, uf, addr, T_READ, T_MINOR);
	memset(twin, 0x41, page);
	t_thread_blocked(&th);
	continue_check(uf, addr, page, 0, 0, (int64_t)page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0x41);
	CHECK(t_is_filled(addr, page, 0x41));
	/* It is the same page. */
	addr[1] = 7;
	CHECK_EQ(twin[1], 7);
	twin[2] = 8;
	CHECK_EQ(addr[2], 8);
	t_message_none(uf);
	t_is_minor(t, uf, addr + page, 2);
	t_thread_faults(t, &th, uf, addr + 2 * page, T_MODIFY, T_MINOR | UF_PAGEFAULT_FLAG_WRITE);
	continue_check(uf, addr + 2 * page, page, 0, 0, (int64_t)page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 3);
	CHECK_EQ(twin[2 * page], 4);
	t_message_none(uf);
}

static void continue_no_page(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 2, MINOR | MISSING);
	struct t_thread th;

	continue_check(uf, addr, page, 0, -EFAULT, -EFAULT);
	t_thread_faults(t, &th, uf, addr, T_READ, 0);
	continue_check(uf, addr, page, 0, -EFAULT, -EFAULT);
	t_thread_blocked(&th);
	t_fill(t, uf, addr, 3, 0);
	t_thread_join(t, &th, 0);
	continue_check(uf, addr + page, page, 0, -EFAULT, -EFAULT);
	t_thread_faults(t, &th, uf, addr + page, T_READ, 0);
	t_fill(t, uf, addr + page, 4, 0);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
}

static void continue_mapped(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR | WP, 0);
	size_t page = t->page;
	char *addr = continue_object(t, uf, 3, MINOR | MISSING | WP, NULL);

	t_needs_linux();
	continue_check(uf, addr, page, 0, 0, (int64_t)page);
	continue_check(uf, addr, page, 0, -EEXIST, -EEXIST);
	continue_check(uf, addr, page, UF_CONTINUE_MODE_WP, -EEXIST, -EEXIST);
	t_is_open(uf, addr);
	continue_check(uf, addr + page, page, UF_CONTINUE_MODE_WP, 0, (int64_t)page);
	continue_check(uf, addr + page, page, 0, -EEXIST, -EEXIST);
	t_is_protected(t, uf, addr + page);
	/* A page that came by COPY; the object's page is taken out first. */
	CHECK_RET(uf_madvise(addr + 2 * page, page, MADV_REMOVE), 0);
	t_fill(t, uf, addr + 2 * page, 9, 0);
	continue_check(uf, addr + 2 * page, page, 0, -EEXIST, -EEXIST);
}

/* What the mapping had before it was registered: by an access, and by CONTINUE. */
static void continue_mapped_before(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = continue_object(t, uf, 2, MINOR, NULL);
	char *touched = t_map(t, 1);

	t_is_minor(t, uf, addr + page, 2);
	CHECK_RET(uf_unregister(uf, addr, 2 * page), 0);
	t_register_mode(uf, addr, 2 * page, MINOR);
	continue_check(uf, addr + page, page, 0, -EEXIST, -EEXIST);
	t_is_open(uf, addr + page);
	t_is_minor(t, uf, addr, 1);
	*touched = 1;
	t_register_mode(uf, touched, page, MINOR);
	continue_check(uf, touched, page, 0, -EEXIST, -EEXIST);
	t_is_open(uf, touched);
}

static void continue_partial(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = t_map(t, 6);
	char *twin = t_twin(t, addr, 6);
	size_t done = 99;

	/* 2 pages, none, 2 pages, of which the second is mapped, 1 page */
	memset(twin, 1, 2 * page);
	memset(twin + 3 * page, 1, 3 * page);
	t_register_mode(uf, addr, 6 * page, MINOR);
	continue_check(uf, addr + 4 * page, page, 0, 0, (int64_t)page);
	continue_check(uf, addr, 6 * page, 0, -EAGAIN, 2 * (int64_t)page);
	continue_check(uf, addr + 2 * page, 4 * page, 0, -EFAULT, -EFAULT);
	CHECK_RET(uf_continue(uf, addr + 3 * page, 3 * page, 0, &done), -EAGAIN);
	CHECK_EQ(done, page);
	CHECK_RET(uf_continue(uf, addr + 4 * page, 2 * page, 0, &done), -EEXIST);
	CHECK_EQ(done, 0);
	t_is_minor(t, uf, addr + 5 * page, 1);
}

static void continue_field_unwritable(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = continue_object(t, uf, 1, MINOR, NULL);
	char *buffer = t_buffer(t, 2);
	struct uf_io_continue *cont = (struct uf_io_continue *)(buffer + page - 24);
	struct t_thread th;

	CHECK_EQ(mprotect(buffer + page, page, PROT_READ), 0);
	cont->range = (struct uf_io_range){(uintptr_t)addr, page};
	cont->mode = 0;
	t_thread_faults(t, &th, uf, addr, T_READ, T_MINOR);
	t_thread_asleep(&th);
	CHECK_RET(uf_ioctl(uf, UF_IOC_CONTINUE, cont), -EFAULT);
	t_thread_blocked(&th);
	continue_check(uf, addr, page, 0, -EEXIST, -EEXIST);
	t_thread_blocked(&th);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
}

static void continue_wakes(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;
	char *addr = continue_object(t, uf, 4, MINOR, NULL);
	struct t_thread th[3];

	/* One in the part that is done, read; one unread; one behind it. */
	continue_check(uf, addr + 2 * page, page, 0, 0, (int64_t)page);
	for (size_t i = 0; i < 3; i++) {
		t_thread_access(t, &th[i], addr + (i == 2 ? 3 : i) * page, T_READ);
		t_thread_asleep(&th[i]);
	}
	t_fault_at(uf, addr, T_MINOR);
	continue_check(uf, addr, 4 * page, 0, -EAGAIN, 2 * (int64_t)page);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(th[0].outcome.value, 1);
	CHECK_EQ(th[1].outcome.value, 2);
	t_thread_blocked(&th[2]);
	continue_check(uf, addr + 3 * page, page, UF_CONTINUE_MODE_DONTWAKE, 0, (int64_t)page);
	t_thread_blocked(&th[2]);
	continue_check(uf, addr + 3 * page, page, 0, -EEXIST, -EEXIST);
	t_thread_blocked(&th[2]);
	CHECK_RET(uf_wake(uf, addr + 3 * page, page), 0);
	t_thread_join(t, &th[2], 0);
	CHECK_EQ(th[2].outcome.value, 4);
	t_message_none(uf);
}

static void continue_any_context(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR, 0);
	struct uf *other = t_open(t, 0, 0);
	char *addr = continue_object(t, uf, 1, MINOR, NULL);
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_thread_asleep(&th);
	t_fault_at(uf, addr, T_MINOR);
	t_continue(other, addr, t->page, 0);
	t_thread_blocked(&th);
	CHECK_RET(uf_wake(uf, addr, t->page), 0);
	t_thread_join(t, &th, 0);
	t_message_none(other);
}

static void continue_ahead(struct t *t)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
	struct uf *uf = t_open_mode(t, MINOR, 0);
	size_t page = t->page;

	for (size_t i = 0; i < 3; i++) {
		char *addr = continue_object(t, uf, 3, MINOR, NULL);

		CHECK_RET(uf_mprotect(addr, 3 * page, prots[i]), 0);
		continue_check(uf, addr, 3 * page, 0, 0, 3 * (int64_t)page);
		CHECK_EQ(t_access(addr, T_READ).sig, prots[i] ? 0 : SIGSEGV);
		CHECK_EQ(t_access(addr, T_WRITE).sig, i == 2 ? 0 : SIGSEGV);
		CHECK_RET(uf_mprotect(addr, 3 * page, PROT_READ | PROT_WRITE), 0);
		CHECK(t_is_filled(addr + page, page, 2));
		t_is_open(uf, addr);
		t_is_open(uf, addr + 2 * page);
	}
}

static void continue_over_protection(struct t *t)
{
	struct uf *uf = t_open_mode(t, MINOR | WP, 0);
	size_t page = t->page;
	char *addr = continue_object(t, uf, 2, MINOR | WP, NULL);

	t_protect(uf, addr, 2 * page);
	continue_check(uf, addr, page, 0, 0, (int64_t)page);
	continue_check(uf, addr + page, page, UF_CONTINUE_MODE_WP, 0, (int64_t)page);
	t_is_open(uf, addr);
	CHECK_EQ(addr[1], 1);
	t_is_protected(t, uf, addr + page);
}

static void continue_over_poison(struct t *t)
{
	struct uf *uf;
	char *addr;

	t_needs_old_rule(t, "CONTINUE refuses a poisoned page");
	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open_mode(t, MINOR, 0);
	addr = continue_object(t, uf, 1, MINOR, NULL);
	t_poison(uf, addr, t->page);
	t_is_poisoned(t, addr);
	continue_check(uf, addr, t->page, 0, 0, (int64_t)t->page);
	CHECK(t_is_filled(addr, t->page, 1));
	t_is_open(uf, addr);
}

static void continue_beyond_end(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;

	t_needs_old_rule(t, "beyond the end CONTINUE is EFAULT");
	uf = t_open_mode(t, MINOR, 0);
	addr = continue_object(t, uf, 4, MINOR, NULL);
	CHECK_EQ(ftruncate(t_map_fd(t, addr), (off_t)(2 * page)), 0);
	continue_check(uf, addr + 2 * page, page, 0, -EINVAL, -EINVAL);
	continue_check(uf, addr, 4 * page, 0, -EAGAIN, 2 * (int64_t)page);
	/* The object has grown, but has no page there. */
	CHECK_EQ(ftruncate(t_map_fd(t, addr), (off_t)(3 * page)), 0);
	continue_check(uf, addr + 2 * page, page, 0, -EFAULT, -EFAULT);
}

const struct t_case continue_cases[] = {
	CASE("continue.1", continue_argument, T_BACKED),
	CASE("continue.2", continue_mode, T_BACKED),
	CASE("continue.3", continue_one_mapping, T_BACKED),
	CASE("continue.3", continue_any_mode, T_BACKED),
	CASE("continue.4, fault.16", continue_protected, T_BACKED),
	CASE("continue.5", continue_private, T_PRIVATE),
	CASE("continue.6, fault.16", continue_maps, T_OBJECT),
	CASE("continue.7", continue_no_page, T_BACKED),
	CASE("continue.8", continue_mapped, T_OBJECT),
	CASE("continue.8, register.13", continue_mapped_before, T_BACKED),
	CASE("continue.9", continue_partial, T_BACKED),
	CASE("continue.10", continue_field_unwritable, T_BACKED),
	CASE("continue.11", continue_wakes, T_BACKED),
	CASE("continue.12", continue_any_context, T_BACKED),
	CASE("continue.13", continue_ahead, T_BACKED),
	CASE("continue.14", continue_over_protection, T_BACKED),
	CASE("continue.14", continue_over_poison, T_BACKED),
	CASE("continue.15", continue_beyond_end,
	     T_FILE | T_KERNEL_ONLY | T_SMALL), /* difference 19 */
	{0},
};
