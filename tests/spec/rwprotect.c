/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/rwprotect.md */
#include "fault.h"
#include "fill.h"
#include "suites.h"

#define RWP UF_REGISTER_MODE_RWP
#define MISSING UF_REGISTER_MODE_MISSING
#define MINOR UF_REGISTER_MODE_MINOR
#define PROTECT UF_RWPROTECT_MODE_RWP
#define DONTWAKE UF_RWPROTECT_MODE_DONTWAKE

static const uint64_t rwp_modes[] = {RWP, RWP | MISSING, RWP | MINOR, RWP | MISSING | MINOR};

/* How many of them the target's memory can have. */
static size_t rwp_nmodes(const struct t *t)
{
	return t->target->mem == T_ANON ? 2 : 4;
}

static struct uf *rwp_open(struct t *t, uint64_t features)
{
	return t_open_mode(t, RWP, UF_FEATURE_RWP | features);
}

/* Registered in that mode, and full of BYTE. */
static char *rwp_filled(struct t *t, struct uf *uf, size_t npages, uint64_t mode, int byte)
{
	char *addr = t_registered_mode(t, uf, npages, mode);

	for (size_t i = 0; i < npages; i++)
		t_fill(t, uf, addr + i * t->page, byte, 0);
	return addr;
}

static void rwp_argument(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	char *addr = t_registered_mode(t, uf, 2, RWP);
	char *nowhere = t_buffer(t, 1) - t->page;
	char *end = nowhere + 2 * t->page;
	uint64_t page = t->page;

	*addr = 1;
	CHECK_RET(uf_ioctl(uf, UF_IOC_RWPROTECT, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_RWPROTECT, end - 16), -EFAULT);
	CHECK_RET(uf_rwprotect(uf, addr + 1, page, PROTECT), -EINVAL);
	CHECK_RET(uf_rwprotect(uf, addr, page + 1, PROTECT), -EINVAL);
	CHECK_RET(uf_rwprotect(uf, addr, 0, PROTECT), -EINVAL);
	CHECK_RET(uf_rwprotect(uf, addr, ~(page - 1), PROTECT), -EINVAL);
	CHECK_RET(uf_rwprotect(uf, (void *)~(uintptr_t)(page - 1), page, PROTECT), -EINVAL);
	/* The range and the mode come before the mappings. */
	CHECK_RET(uf_rwprotect(uf, nowhere, 0, PROTECT), -EINVAL);
	CHECK_RET(uf_rwprotect(uf, nowhere, page, PROTECT | DONTWAKE), -EINVAL);
	CHECK_RET(uf_rwprotect(uf, nowhere, page, 4), -EINVAL);
	CHECK_RET(uf_rwprotect(uf, addr, page, 4), -EINVAL);
	CHECK_RET(uf_rwprotect(uf, addr, page, PROTECT | UINT64_C(1) << 63), -EINVAL);
	CHECK_RET(uf_rwprotect(uf, addr, page, PROTECT | DONTWAKE), -EINVAL);
	t_is_open(uf, addr);
	t_rwprotect(uf, addr, page);
	t_is_inaccessible(t, uf, addr, T_MARK);
	t_rwprotect(uf, addr, page);
	CHECK_RET(uf_rwprotect(uf, addr, page, DONTWAKE), 0);
	t_is_open(uf, addr);
}

static void rwp_registration(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	struct uf *plain = t_open(t, 0, 0);
	char *addr = t_map(t, 2);
	uint64_t ioctls;

	CHECK_RET(uf_register(plain, addr, t->page, RWP, NULL), -EINVAL);
	CHECK_RET(uf_register(plain, addr, t->page, RWP | MISSING, NULL), -EINVAL);
	CHECK_RET(uf_register(uf, addr, t->page, RWP | UF_REGISTER_MODE_WP, NULL), -EINVAL);
	CHECK_RET(uf_register(uf, addr, t->page, RWP | UF_REGISTER_MODE_WP | MISSING, NULL),
		  -EINVAL);
	if (t->target->mem == T_ANON)
		CHECK_RET(uf_register(uf, addr, t->page, RWP | MINOR, NULL), -EINVAL);
	for (size_t i = 0; i < rwp_nmodes(t); i++) {
		addr = t_map(t, 2);
		*addr = 1;
		CHECK_RET(uf_register(uf, addr, 2 * t->page, rwp_modes[i], &ioctls), 0);
		CHECK(ioctls & 1u << UF_NR_RWPROTECT);
		CHECK(!(ioctls & 1u << UF_NR_WRITEPROTECT));
		CHECK_EQ(!!(ioctls & 1u << UF_NR_CONTINUE), !!(rwp_modes[i] & MINOR));
		t_is_open(uf, addr);
	}
	addr = t_map(t, 1);
	CHECK_RET(uf_register(uf, addr, t->page, MISSING, &ioctls), 0);
	CHECK(!(ioctls & 1u << UF_NR_RWPROTECT));
}

static void rwp_no_protection(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 2);

	memset(addr, 1, 2 * page);
	CHECK_EQ(mprotect(addr + page, page, PROT_NONE), 0);
	CHECK_RET(uf_register(uf, addr, 2 * page, RWP, NULL), -EINVAL);
	CHECK_RET(uf_register(uf, addr + page, page, RWP | MISSING, NULL), -EINVAL);
	CHECK_EQ(mprotect(addr + page, page, PROT_READ), 0);
	t_register_mode(uf, addr, 2 * page, RWP);
	/* Lost since it was registered. */
	CHECK_RET(uf_mprotect(addr, page, PROT_NONE), 0);
	t_rwprotect(uf, addr, 2 * page);
	CHECK_EQ(t_access(addr, T_READ).sig, SIGSEGV);
	CHECK_EQ(t_access(addr + page, T_WRITE).sig, SIGSEGV);
	t_message_none(uf);
	t_is_inaccessible(t, uf, addr + page, 1);
	CHECK_RET(uf_mprotect(addr, page, PROT_READ | PROT_WRITE), 0);
	t_is_inaccessible(t, uf, addr, 1);
	t_is_open(uf, addr);
	CHECK_RET(uf_unregister(uf, addr, 2 * page), 0);
}

static void rwp_no_write_right(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	int fd = memfd_create("read-only", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char *addr;

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)t->page), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	addr = mmap(NULL, t->page, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(addr != MAP_FAILED);
	t_adopt(t, addr, t->page, fd);
	CHECK_RET(uf_register(uf, addr, t->page, RWP, NULL), -EPERM);
	CHECK_EQ(mprotect(addr, t->page, PROT_NONE), 0);
	CHECK_RET(uf_register(uf, addr, t->page, RWP, NULL), -EINVAL);
}

static void rwp_again(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;

	for (size_t i = 0; i < rwp_nmodes(t); i++) {
		char *addr = rwp_filled(t, uf, 3, rwp_modes[i], 7);

		t_rwprotect(uf, addr, 2 * page);
		CHECK_RET(uf_register(uf, addr, 3 * page, MISSING, NULL), -EBUSY);
		CHECK_RET(uf_register(uf, addr, 3 * page, UF_REGISTER_MODE_WP, NULL), -EBUSY);
		t_register_mode(uf, addr, 3 * page, rwp_modes[i]);
		t_is_inaccessible(t, uf, addr, 7);
		t_register_mode(uf, addr, 3 * page, rwp_modes[rwp_nmodes(t) - 1]);
		t_is_inaccessible(t, uf, addr + page, 7);
		t_is_open(uf, addr + 2 * page);
		CHECK_RET(uf_madvise(addr + 2 * page, page, MADV_DONTNEED), 0);
		if (t_shared(t))
			t_continue(uf, addr + 2 * page, page, 0);
		else
			t_fill(t, uf, addr + 2 * page, 8, 0);
		t_is_open(uf, addr + 2 * page);
	}
}

static void rwp_after_write_protection(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	char *addr = t_registered_mode(t, uf, 1, UF_REGISTER_MODE_WP);

	CHECK_RET(uf_register(uf, addr, t->page, RWP, NULL), -EBUSY);
	CHECK_RET(uf_register(uf, addr, t->page, RWP | MISSING, NULL), -EBUSY);
	CHECK_RET(uf_unregister(uf, addr, t->page), 0);
	t_register_mode(uf, addr, t->page, RWP);
	*addr = 2;
	t_rwprotect(uf, addr, t->page);
	t_is_inaccessible(t, uf, addr, 2);
}

/* A hole, one page, a hole of two, two pages of which one may only be read, a hole. */
static void rwp_holes(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 7);

	memset(addr, 1, 7 * page);
	CHECK_EQ(mprotect(addr + 5 * page, page, PROT_READ), 0);
	CHECK_EQ(munmap(addr, page), 0);
	CHECK_EQ(munmap(addr + 2 * page, 2 * page), 0);
	CHECK_EQ(munmap(addr + 6 * page, page), 0);
	t_register_mode(uf, addr, 7 * page, RWP);
	CHECK_RET(uf_rwprotect(uf, addr, page, PROTECT), -ENOENT);
	CHECK_RET(uf_rwprotect(uf, addr + 2 * page, 2 * page, PROTECT), -ENOENT);
	CHECK_RET(uf_rwprotect(uf, addr + 2 * page, 2 * page, 0), -ENOENT);
	t_is_open(uf, addr + page);
	t_rwprotect(uf, addr, 7 * page);
	t_is_inaccessible(t, uf, addr + page, T_MARK);
	t_is_inaccessible(t, uf, addr + 4 * page, 1);
	t_is_inaccessible(t, uf, addr + 5 * page, 1);
	t_rwprotect(uf, addr, 7 * page);
	t_rwunprotect(uf, addr, 7 * page);
	t_is_open(uf, addr + page);
	t_is_open(uf, addr + 4 * page);
	CHECK_EQ(addr[5 * page], 1);
	t_message_none(uf);
}

/* Registered with it, without it, and with it. */
static void rwp_all_or_nothing(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 4);
	struct t_thread th;

	memset(addr, 1, 4 * page);
	t_register_mode(uf, addr, page, RWP);
	t_register(uf, addr + page, page);
	t_register_mode(uf, addr + 2 * page, page, RWP);
	CHECK_RET(uf_rwprotect(uf, addr, 4 * page, PROTECT), -ENOENT);
	CHECK_RET(uf_rwprotect(uf, addr, 2 * page, PROTECT), -ENOENT);
	CHECK_RET(uf_rwprotect(uf, addr + 2 * page, 2 * page, PROTECT), -ENOENT);
	for (size_t i = 0; i < 4; i++)
		t_is_open(uf, addr + i * page);
	t_rwprotect(uf, addr, page);
	t_thread_faults(t, &th, uf, addr, T_WRITE, T_RWP | UF_PAGEFAULT_FLAG_WRITE);
	CHECK_RET(uf_rwprotect(uf, addr, 2 * page, 0), -ENOENT);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_fault_at(uf, addr, T_RWP | UF_PAGEFAULT_FLAG_WRITE);
	t_thread_blocked(&th);
	t_rwunprotect(uf, addr, page);
	t_thread_join(t, &th, 0);
}

static void rwp_present(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;

	for (size_t i = 0; i < rwp_nmodes(t); i++) {
		char *addr = t_map(t, 4);

		memset(addr, 5, page);	 /* before */
		CHECK_EQ(addr[page], 0); /* the zero page of private memory */
		t_register_mode(uf, addr, 4 * page, rwp_modes[i]);
		t_fill(t, uf, addr + 2 * page, 6, 0); /* afterwards */
		t_fill(t, uf, addr + 3 * page, 7, 0);
		t_rwprotect(uf, addr, 3 * page);
		t_rwprotect(uf, addr, 3 * page);
		t_message_none(uf);
		t_is_open(uf, addr + 3 * page); /* not in the range */
		t_is_inaccessible(t, uf, addr, 5);
		t_is_inaccessible(t, uf, addr + page, 0);
		t_is_open(uf, addr);
		t_is_inaccessible(t, uf, addr + 2 * page, 6);
		CHECK(t_is_filled(addr + 1, page - 1, 5));
		CHECK(t_is_filled(addr + page, page, 0));
		CHECK(t_is_filled(addr + 2 * page, page, 6));
	}
}

static void rwp_left_out(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 3, RWP);

	addr[page] = 1;
	t_rwprotect(uf, addr, 3 * page);
	t_is_open(uf, addr);
	t_is_open(uf, addr + 2 * page);
	t_is_inaccessible(t, uf, addr + page, 1);
	addr = t_registered_mode(t, uf, 1, RWP | MISSING);
	t_rwprotect(uf, addr, page);
	t_fill(t, uf, addr, 2, 0);
	t_is_open(uf, addr);
}

/* In the object, and not in this mapping. */
static void rwp_only_in_object(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);

	for (size_t i = 0; i < rwp_nmodes(t); i++) {
		char *addr = t_map(t, 1);
		char *twin = t_twin(t, addr, 1);

		*twin = 3;
		t_register_mode(uf, addr, t->page, rwp_modes[i]);
		t_rwprotect(uf, addr, t->page);
		if (rwp_modes[i] & MINOR)
			t_is_minor(t, uf, addr, 3);
		CHECK_EQ(*addr, 3);
		t_is_open(uf, addr);
	}
}

static void rwp_ends(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;
	char *addr = rwp_filled(t, uf, 8, RWP, 1);

	t_rwunprotect(uf, addr, 8 * page); /* there is none */
	for (int i = 0; i < 3; i++)
		t_rwprotect(uf, addr, 8 * page);
	t_rwunprotect(uf, addr, 8 * page);
	for (size_t i = 0; i < 8; i++)
		t_is_open(uf, addr + i * page);
	/* On and off many times: nothing of it may pile up. */
	for (size_t i = 0; i < 40; i++) {
		t_rwprotect(uf, addr + i % 8 * page, (8 - i % 8) * page);
		t_rwunprotect(uf, addr + (i + 3) % 8 * page, page);
		t_is_open(uf, addr + (i + 3) % 8 * page);
		if ((i + 3) % 8 != 7)
			t_is_inaccessible(t, uf, addr + 7 * page, T_MARK);
	}
}

static void rwp_wakes(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;
	char *addr = rwp_filled(t, uf, 2, RWP | MISSING, 1);
	struct t_thread th[3];

	if (t->target->mem != T_ANON)
		t_needs_linux(); /* for MADV_REMOVE */
	t_rwprotect(uf, addr, 2 * page);
	t_thread_faults(t, &th[0], uf, addr, T_READ, T_RWP);
	t_thread_access(t, &th[1], addr, T_MODIFY); /* not read */
	t_thread_asleep(&th[1]);
	t_thread_access(t, &th[2], addr + page, T_READ);
	t_thread_asleep(&th[2]);
	t_rwprotect(uf, addr, 2 * page);
	t_thread_blocked(&th[0]);
	CHECK_RET(uf_rwprotect(uf, addr, page, DONTWAKE), 0);
	t_thread_blocked(&th[0]);
	t_thread_blocked(&th[1]);
	t_rwunprotect(uf, addr, page);
	t_thread_join(t, &th[0], 0);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(*addr, 2);
	t_thread_blocked(&th[2]);
	t_fault_at(uf, addr + page, T_RWP);
	t_rwunprotect(uf, addr, 2 * page);
	t_thread_join(t, &th[2], 0);
	CHECK_EQ(th[2].outcome.value, 1);
	/* It waits for a missing page: woken, it asks again. */
	CHECK_RET(uf_madvise(addr, page, MADV_REMOVE), t_shared(t)		  ? 0
						       : t->target->mem == T_ANON ? -EINVAL
										  : -EACCES);
	CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), 0);
	t_thread_faults(t, &th[0], uf, addr, T_READ, 0);
	t_rwunprotect(uf, addr, page);
	t_fault_at(uf, addr, 0);
	t_fill(t, uf, addr, 4, 0);
	t_thread_join(t, &th[0], 0);
}

static void rwp_message(struct t *t)
{
	static const enum t_access accesses[] = {T_READ, T_WRITE, T_MODIFY};
	struct uf *uf = rwp_open(t, UF_FEATURE_EXACT_ADDRESS | UF_FEATURE_THREAD_ID);
	char *addr = t_map(t, 1);
	struct t_thread th[3];

	*addr = 1;
	t_register_mode(uf, addr, t->page, RWP);
	t_rwprotect(uf, addr, t->page);
	for (size_t i = 0; i < 3; i++) {
		struct uf_msg msg;

		t_thread_access(t, &th[i], addr + 77 + i, accesses[i]);
		msg = t_message(uf);
		CHECK_EQ(msg.event, UF_EVENT_PAGEFAULT);
		CHECK_EQ(msg.arg.pagefault.flags, i ? T_RWP | UF_PAGEFAULT_FLAG_WRITE : T_RWP);
		CHECK_EQ(msg.arg.pagefault.address, (uintptr_t)addr + 77 + i);
		CHECK_EQ(msg.arg.pagefault.feat.ptid, atomic_load(&th[i].tid));
	}
	t_rwunprotect(uf, addr, t->page);
	for (size_t i = 0; i < 3; i++)
		t_thread_join(t, &th[i], 0);
	CHECK_EQ(addr[79], 1);
	t_message_none(uf);
}

static void rwp_fetch(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	char *addr = t_map(t, 1);
	struct t_thread th;

	memcpy(addr, fault_return, sizeof(fault_return));
	CHECK_EQ(mprotect(addr, t->page, PROT_READ | PROT_EXEC), 0);
	__builtin___clear_cache(addr, addr + sizeof(fault_return));
	t_register_mode(uf, addr, t->page, RWP);
	t_rwprotect(uf, addr, t->page);
	t_thread_faults(t, &th, uf, addr, T_EXEC, T_RWP);
	t_rwunprotect(uf, addr, t->page);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
}

/* What the mapping forbids is forbidden. */
static void rwp_forbidden(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	char *addr = t_map(t, 1);
	struct t_outcome out;

	*addr = 1;
	CHECK_EQ(mprotect(addr, t->page, PROT_READ), 0);
	t_register_mode(uf, addr, t->page, RWP);
	t_rwprotect(uf, addr, t->page);
	out = t_access(addr + 4, T_WRITE);
	CHECK_EQ(out.sig, SIGSEGV);
	CHECK(out.addr == addr + 4);
	t_message_none(uf);
	t_is_inaccessible(t, uf, addr, 1);
	CHECK_EQ(t_access(addr, T_WRITE).sig, SIGSEGV);
}

static void rwp_other_mapping(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);

	for (size_t i = 0; i < rwp_nmodes(t); i++) {
		char *addr = t_map(t, 1);
		char *twin = t_twin(t, addr, 1);

		addr[0] = 1;
		t_register_mode(uf, addr, t->page, rwp_modes[i]);
		t_rwprotect(uf, addr, t->page);
		CHECK_EQ(*twin, 1);
		*twin = 9;
		t_message_none(uf);
		t_is_inaccessible(t, uf, addr, 9);
		t_is_open(uf, addr);
	}
}

static void rwp_any_context(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	struct uf *other = t_open(t, 0, 0);
	char *addr = rwp_filled(t, uf, 1, RWP, 1);
	struct t_thread th;

	t_rwprotect(other, addr, t->page);
	t_thread_faults(t, &th, uf, addr, T_READ, T_RWP);
	t_rwunprotect(other, addr, t->page);
	t_thread_blocked(&th);
	t_message_none(other);
	CHECK_RET(uf_wake(uf, addr, t->page), 0);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
}

static void rwp_filling(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	int zero = t_huge(t) ? -EINVAL : -EEXIST;
	size_t page = t->page;

	for (size_t i = 0; i < rwp_nmodes(t); i++) {
		char *addr = t_registered_mode(t, uf, 3, rwp_modes[i]);

		t_fill(t, uf, addr + page, 1, 0);
		t_rwprotect(uf, addr, 3 * page);
		fill_check(t, uf, FILL_COPY, addr + page, page, 0, -EEXIST, -EEXIST);
		fill_check(t, uf, FILL_ZERO, addr + page, page, 0, zero, zero);
		CHECK_RET(uf_poison(uf, addr + page, page, 0, NULL), -EEXIST);
		if (t->target->mem != T_ANON)
			CHECK_RET(uf_continue(uf, addr + page, page, 0, NULL),
				  t_shared(t) ? -EEXIST : -EFAULT);
		t_fill(t, uf, addr, 2, 0);
		t_zero(t, uf, addr + 2 * page, page);
		t_is_open(uf, addr);
		t_is_open(uf, addr + 2 * page);
		t_is_inaccessible(t, uf, addr + page, 1);
	}
}

static void rwp_given_back(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;
	bool object = t_shared(t);

	if (object)
		t_needs_linux();
	for (size_t i = 0; i < rwp_nmodes(t); i++) {
		uint64_t mode = rwp_modes[i];
		char *addr = rwp_filled(t, uf, 3, mode, 4);

		t_rwprotect(uf, addr, 3 * page);
		CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), 0);
		CHECK_RET(uf_madvise(addr + page, page, object ? MADV_REMOVE : MADV_DONTNEED), 0);
		if (object && (mode & MINOR))
			t_is_minor(t, uf, addr, 4);
		if (!object && (mode & MISSING))
			t_fill(t, uf, addr, 4, 0);
		if (mode & MISSING)
			t_fill(t, uf, addr + page, 5, 0);
		CHECK_EQ(*addr, object || (mode & MISSING) ? 4 : 0);
		CHECK_EQ(addr[page], mode & MISSING ? 5 : 0);
		t_is_open(uf, addr);
		t_is_open(uf, addr + page);
		t_is_inaccessible(t, uf, addr + 2 * page, 4);
	}
}

/* Of memory that is locked nothing is. */
static void rwp_not_given_back(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);

	t_needs_linux();
	if (t->target->fill == UF_FILL_CHOICE_MREMAP)
		t_skip("what mremap puts there is not locked");
	for (size_t i = 0; i < 2; i++) {
		char *addr = t_map(t, 1);

		CHECK_EQ(mlock2(addr, t->page, MLOCK_ONFAULT), 0);
		t_register_mode(uf, addr, t->page, rwp_modes[i]);
		t_fill(t, uf, addr, 4, 0);
		t_rwprotect(uf, addr, t->page);
		CHECK_RET(uf_madvise(addr, t->page, MADV_DONTNEED), -EINVAL);
		t_is_inaccessible(t, uf, addr, 4);
	}
}

static void rwp_moved(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;

	for (size_t i = 0; i < 2; i++) {
		char *addr = rwp_filled(t, uf, 2, rwp_modes[i], 4);
		void *to = t_map(t, 2);

		t_rwprotect(uf, addr, 2 * page);
		CHECK_RET(uf_mremap(addr, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to,
				    &to),
			  0);
		CHECK(t_is_filled(to, 2 * page, 4));
		t_is_open(uf, to);
		CHECK_RET(uf_rwprotect(uf, to, page, PROTECT), -ENOENT);
	}
}

static void rwp_fork_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK(t_is_filled(addr, 2 * t->page, 3));
	CHECK_EQ(t_access(addr, T_WRITE).sig, 0);
	*addr = 3; /* the parent may see it */
}

static void rwp_fork(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);

	for (size_t i = 0; i < 2; i++) {
		char *addr = rwp_filled(t, uf, 2, rwp_modes[i], 3);

		t_rwprotect(uf, addr, 2 * t->page);
		CHECK_EQ(t_wait(t_fork(t, rwp_fork_child, addr)), 0);
		t_message_none(uf);
		t_is_inaccessible(t, uf, addr, 3);
		t_is_inaccessible(t, uf, addr + t->page, 3);
	}
}

static void rwp_poisoned(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);

	for (size_t i = 0; i < 2; i++) {
		char *addr = t_registered_mode(t, uf, 1, rwp_modes[i]);

		t_poison(uf, addr, t->page);
		t_rwprotect(uf, addr, t->page);
		t_is_poisoned(t, addr);
		t_rwunprotect(uf, addr, t->page);
		t_is_poisoned(t, addr);
		t_rwprotect(uf, addr, t->page);
		CHECK_RET(uf_madvise(addr, t->page, MADV_DONTNEED), 0);
		t_fill(t, uf, addr, 1, 0);
		t_is_open(uf, addr);
	}
}

static void rwp_bus_error(struct t *t)
{
	static const enum t_access accesses[] = {T_READ, T_WRITE, T_MODIFY};
	struct uf *uf = rwp_open(t, UF_FEATURE_SIGBUS);
	char *addr = rwp_filled(t, uf, 1, RWP, 1);

	t_rwprotect(uf, addr, t->page);
	for (size_t i = 0; i < 3; i++) {
		struct t_outcome out = t_access(addr + 100 + i, accesses[i]);

		CHECK_EQ(out.sig, SIGBUS);
		CHECK_EQ(out.code, BUS_ADRERR);
		CHECK(out.addr == addr + 100 + i);
	}
	t_message_none(uf);
	t_rwunprotect(uf, addr, t->page);
	t_is_open(uf, addr);
}

static void rwp_system_call(struct t *t)
{
	struct uf *uf;
	char *addr;
	struct t_thread th;
	int pipe_fds[2];
	char byte;

	t_needs_features(t, UF_FEATURE_RWP);
	uf = t_open(t, UF_USER_MODE_ONLY, UF_FEATURE_RWP);
	addr = rwp_filled(t, uf, 1, RWP, 'p');
	CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
	t_rwprotect(uf, addr, t->page);
	CHECK_EQ(fault_write_byte(pipe_fds[1], addr), -EFAULT);
	t_message_none(uf);
	t_thread_faults(t, &th, uf, addr, T_READ, T_RWP);
	t_rwunprotect(uf, addr, t->page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(fault_write_byte(pipe_fds[1], addr), 1);
	CHECK_EQ(read(pipe_fds[0], &byte, 1), 1);
	CHECK_EQ(byte, 'p');
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void rwp_touch(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	char *addr = rwp_filled(t, uf, 1, RWP, 1);
	struct t_thread th;

	for (int i = 0; i < 2; i++) {
		t_rwprotect(uf, addr, t->page);
		fault_toucher.addr = addr;
		fault_toucher.len = t->page;
		fault_toucher.write = i;
		t_thread_call(t, &th, fault_touch_call, NULL);
		t_fault_at(uf, addr, i ? T_RWP | UF_PAGEFAULT_FLAG_WRITE : T_RWP);
		t_thread_blocked(&th);
		t_rwunprotect(uf, addr, t->page);
		t_thread_join(t, &th, 0);
		CHECK_RET(fault_toucher.ret, 0);
	}
	CHECK_EQ(*addr, 1);
}

static void rwp_unregister(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	size_t page = t->page;

	for (size_t i = 0; i < 2; i++) {
		char *addr = rwp_filled(t, uf, 2, rwp_modes[i], 2);
		struct t_thread th;

		t_rwprotect(uf, addr, 2 * page);
		t_thread_faults(t, &th, uf, addr, T_READ, T_RWP);
		CHECK_RET(uf_unregister(uf, addr, 2 * page), 0);
		if (!(rwp_modes[i] & MISSING)) {
			t_thread_blocked(&th);
			CHECK_RET(uf_wake(uf, addr, page), 0);
		}
		t_thread_join(t, &th, 0);
		CHECK(t_is_filled(addr, 2 * page, 2));
		t_register_mode(uf, addr, 2 * page, rwp_modes[i]);
		t_is_open(uf, addr + page);
	}
}

static void rwp_close(struct t *t)
{
	for (size_t i = 0; i < 2; i++) {
		struct uf *uf = rwp_open(t, 0);
		char *addr = rwp_filled(t, uf, 2, rwp_modes[i], 2);
		struct t_thread th[2];

		t_rwprotect(uf, addr, 2 * t->page);
		t_thread_faults(t, &th[0], uf, addr, T_READ, T_RWP);
		t_thread_access(t, &th[1], addr + t->page, T_WRITE);
		t_thread_asleep(&th[1]);
		t_close(t, uf);
		t_thread_join(t, &th[0], 0);
		t_thread_join(t, &th[1], 0);
		CHECK_EQ(th[0].outcome.value, 2);
		CHECK(t_is_filled(addr, t->page, 2));
	}
}

#define RWP_ROUNDS 200

static struct {
	_Atomic int *count; /* on the page that is inaccessible at times */
	_Atomic bool stop;
	_Atomic int writes;
} rwp_writers;

static void rwp_writer_thread(void *arg)
{
	int n = 0;

	for (; !atomic_load(&rwp_writers.stop); n++)
		atomic_fetch_add(rwp_writers.count, 1);
	atomic_fetch_add(&rwp_writers.writes, n);
}

/* It comes and goes while two write: no wake is lost, and no write. */
static void rwp_race(struct t *t)
{
	struct uf *uf = rwp_open(t, 0);
	char *addr = rwp_filled(t, uf, 1, rwp_modes[t->target->mem == T_MEMFD], 0);
	struct t_thread th[2];

	rwp_writers.count = (_Atomic int *)(addr + 64);
	for (int i = 0; i < 2; i++)
		t_thread_call(t, &th[i], rwp_writer_thread, NULL);
	for (int i = 0; i < RWP_ROUNDS; i++) {
		t_rwprotect(uf, addr, t->page);
		t_message(uf);
		t_rwunprotect(uf, addr, t->page);
	}
	atomic_store(&rwp_writers.stop, true);
	for (int i = 0; i < 2; i++)
		t_thread_join(t, &th[i], 0);
	CHECK_EQ(atomic_load(rwp_writers.count), atomic_load(&rwp_writers.writes));
	t_message_none(uf);
}

const struct t_case rwprotect_cases[] = {
	CASE("rwprotect.1, rwprotect.2", rwp_argument, T_ALL),
	CASE("rwprotect.16", rwp_registration, T_ALL),
	CASE("rwprotect.17, rwprotect.13, rwprotect.15", rwp_no_protection, T_ALL),
	CASE("rwprotect.17", rwp_no_write_right, T_FILE),
	CASE("rwprotect.18", rwp_again, T_ALL),
	CASE("rwprotect.18", rwp_after_write_protection, T_ALL),
	CASE("rwprotect.3", rwp_holes, T_ALL),
	CASE("rwprotect.4", rwp_all_or_nothing, T_ALL),
	CASE("rwprotect.5, rwprotect.10", rwp_present, T_ALL),
	CASE("rwprotect.6", rwp_left_out, T_ALL),
	CASE("rwprotect.6", rwp_only_in_object, T_OBJECT),
	CASE("rwprotect.8", rwp_ends, T_ALL),
	CASE("rwprotect.9", rwp_wakes, T_ALL),
	CASE("rwprotect.11, fault.3, fault.4", rwp_message, T_ALL),
	CASE("rwprotect.11", rwp_fetch, T_ALL),
	CASE("rwprotect.11, rwprotect.13", rwp_forbidden, T_ALL),
	CASE("rwprotect.11, rwprotect.9", rwp_race, T_ALL),
	CASE("rwprotect.12", rwp_other_mapping, T_OBJECT),
	CASE("rwprotect.7", rwp_any_context, T_ALL),
	CASE("rwprotect.14", rwp_filling, T_ALL),
	CASE("rwprotect.15", rwp_given_back, T_ALL),
	CASE("rwprotect.15", rwp_not_given_back, T_PRIVATE),
	CASE("rwprotect.15", rwp_moved, T_ALL),
	CASE("rwprotect.15", rwp_fork, T_ALL),
	CASE("rwprotect.19", rwp_poisoned, T_ALL),
	CASE("rwprotect.20", rwp_bus_error, T_ALL),
	CASE("rwprotect.21", rwp_system_call, T_ALL),
	CASE("rwprotect.21", rwp_touch, T_ALL),
	CASE("rwprotect.22", rwp_unregister, T_ALL),
	CASE("rwprotect.22", rwp_close, T_ALL),
	{0},
};
