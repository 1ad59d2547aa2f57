/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/vm.md */
#include "suites.h"

/* A touch there raises a message, which is resolved. */
static void vm_watched(struct t *t, struct uf *uf, char *addr)
{
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	t_fill(t, uf, addr, 0x66, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0x66);
}

static void vm_munmap_waiting(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	CHECK_RET(uf_munmap(addr, 2 * t->page), 0);
	t_thread_blocked(&th);
	CHECK_RET(uf_zeropage(uf, addr, t->page, 0, NULL), -ENOENT);
	CHECK_RET(uf_wake(uf, addr, t->page), 0);
	t_thread_join(t, &th, SIGSEGV);
	CHECK(th.outcome.addr == addr);
	t_message_none(uf);
}

static void vm_mapped_anew(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);
	struct t_thread th;
	void *got;

	t_thread_access(t, &th, addr, T_MODIFY);
	t_fault_at(uf, addr, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_RET(uf_mmap(addr, 2 * t->page, PROT_READ | PROT_WRITE,
			  MAP_ANONYMOUS | MAP_FIXED |
				  (t->target->mem == T_ANON ? MAP_PRIVATE : MAP_SHARED),
			  -1, 0, &got),
		  0);
	CHECK(got == addr);
	t_thread_blocked(&th);
	CHECK_RET(uf_wake(uf, addr, t->page), 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(addr[0], 1);
	t_message_none(uf);
	CHECK_RET(uf_zeropage(uf, addr + t->page, t->page, 0, NULL), -ENOENT);
	/* It can be registered as any other. */
	t_register(uf, addr, 2 * t->page);
	CHECK_EQ(addr[0], 1);
	vm_watched(t, uf, addr + t->page);
}

static void vm_protect_waiting(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	CHECK_RET(uf_mprotect(addr, 2 * t->page, PROT_NONE), 0);
	t_thread_blocked(&th);
	t_fill(t, uf, addr, 5, 0);
	t_thread_join(t, &th, SIGSEGV);
	t_message_none(uf);
	CHECK_EQ(t_access(addr + t->page, T_READ).sig, SIGSEGV);
	CHECK_RET(uf_mprotect(addr, 2 * t->page, PROT_READ), 0);
	CHECK(t_is_filled(addr, t->page, 5));
	CHECK_EQ(t_access(addr, T_WRITE).sig, SIGSEGV);
	vm_watched(t, uf, addr + t->page);
	t_message_none(uf);
}

/* Every combination of content, old and new protection. */
static void vm_protect_pages(struct t *t)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;

	for (size_t i = 0; i < 3; i++) {
		char *addr = t_registered(t, uf, 4);

		t_fill(t, uf, addr, 1, 0);
		CHECK_RET(uf_zeropage(uf, addr + page, page, 0, NULL), 0);
		CHECK_RET(uf_mprotect(addr, 4 * page, prots[i]), 0);
		for (size_t p = 0; p < 2; p++) {
			CHECK_EQ(t_access(addr + p * page, T_READ).sig, prots[i] ? 0 : SIGSEGV);
			CHECK_EQ(t_access(addr + p * page, T_WRITE).sig, i == 2 ? 0 : SIGSEGV);
		}
		CHECK_RET(uf_mprotect(addr, 4 * page, PROT_READ | PROT_WRITE), 0);
		CHECK_EQ(addr[1], 1);
		CHECK_EQ(t_access(addr + page, T_WRITE).sig, 0);
		vm_watched(t, uf, addr + 2 * page);
		t_message_none(uf);
		CHECK_RET(uf_copy(uf, addr, addr, page, 0, NULL), -EEXIST);
		CHECK_RET(uf_copy(uf, addr + 3 * page, addr, page, 0, NULL), 0);
	}
}

static void vm_dontneed(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 4);

	for (size_t i = 0; i < 3; i++)
		t_fill(t, uf, addr + i * page, 1, 0);
	CHECK_RET(uf_madvise(addr + page, 3 * page, MADV_DONTNEED), 0);
	CHECK_EQ(addr[0], 1);
	t_message_none(uf);
	for (size_t i = 1; i < 4; i++)
		vm_watched(t, uf, addr + i * page);
	/* And again, through zero pages. */
	CHECK_RET(uf_madvise(addr, 4 * page, MADV_DONTNEED), 0);
	CHECK_RET(uf_zeropage(uf, addr, 4 * page, 0, NULL), 0);
	CHECK(t_is_filled(addr, 4 * page, 0));
	CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), 0);
	vm_watched(t, uf, addr);
	t_message_none(uf);
}

static void vm_dontneed_object(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 3);

	t_needs_linux();
	t_fill(t, uf, addr, 1, 0);
	t_fill(t, uf, addr + page, 2, 0);
	CHECK_RET(uf_madvise(addr, 3 * page, MADV_DONTNEED), 0);
	CHECK_EQ(addr[0], 1);
	CHECK_EQ(addr[page], 2);
	t_message_none(uf);
	vm_watched(t, uf, addr + 2 * page);
	CHECK_RET(uf_madvise(addr + page, page, MADV_REMOVE), 0);
	CHECK_EQ(addr[0], 1);
	vm_watched(t, uf, addr + page);
	t_message_none(uf);
}

/* A page whose content goes while a thread fills it from there: no page is half there. */
static void vm_dontneed_refill(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);

	for (int i = 1; i < 60; i++) {
		t_fill(t, uf, addr, i, 0);
		CHECK(t_is_filled(addr, t->page, i));
		CHECK_RET(uf_madvise(addr, t->page, MADV_DONTNEED), 0);
	}
	vm_watched(t, uf, addr);
}

static void vm_mremap_moves(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 3);
	char *to = t_map(t, 3);
	void *got;

	t_fill(t, uf, addr, 1, 0);
	CHECK_RET(uf_mremap(addr, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to, &got), 0);
	CHECK(got == to);
	CHECK(t_is_filled(to, page, 1));
	CHECK(t_is_filled(to + page, 2 * page, 0));
	t_message_none(uf);
	CHECK_RET(uf_zeropage(uf, to, page, 0, NULL), -ENOENT);
	CHECK_EQ(t_access(addr, T_READ).sig, SIGSEGV);
	t_register(uf, to, 3 * page);
	CHECK_RET(uf_unregister(uf, to, 3 * page), 0);
}

static void vm_mremap_dontunmap(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 3);
	void *got = NULL;
	int ret;

	t_needs_linux();
	t_fill(t, uf, addr, 1, 0);
	ret = uf_mremap(addr, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL, &got);
	if (t->target->fill == UF_FILL_CHOICE_MREMAP && ret == -EFAULT)
		t_skip("this kernel does not move several mappings at once, which filling by "
		       "mremap "
		       "leaves: difference 18");
	CHECK_RET(ret, 0);
	t_adopt(t, got, 3 * page, -1);
	CHECK(t_is_filled(got, page, 1));
	CHECK(t_is_filled((char *)got + page, page, 0));
	t_message_none(uf);
	/* The old place is as registered as before, and empty; an object has its pages still. */
	if (t->target->mem == T_ANON) {
		vm_watched(t, uf, addr);
		vm_watched(t, uf, addr + page);
	} else {
		CHECK_EQ(addr[0], 1);
		CHECK_EQ(addr[page], 0);
		t_message_none(uf);
	}
	vm_watched(t, uf, addr + 2 * page);
}

static void vm_mremap_grows(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 4);
	void *got;

	t_needs_linux();
	t_register(uf, addr, 2 * page);
	t_fill(t, uf, addr, 1, 0);
	/* Room behind it; a file keeps its size. */
	CHECK_RET(uf_munmap(addr + 2 * page, 2 * page), 0);
	CHECK_RET(uf_mremap(addr, 2 * page, 4 * page, 0, NULL, &got), 0);
	CHECK(got == addr);
	CHECK_EQ(addr[0], 1);
	for (size_t i = 1; i < 4; i++)
		vm_watched(t, uf, addr + i * page);
	/* And shrinks again. */
	CHECK_RET(uf_mremap(addr, 4 * page, page, 0, NULL, &got), 0);
	CHECK_EQ(addr[0], 1);
	CHECK_EQ(t_access(addr + page, T_READ).sig, SIGSEGV);
	CHECK_RET(uf_zeropage(uf, addr + page, page, 0, NULL), -ENOENT);
	t_message_none(uf);
}

static void vm_munmap_part(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 5);
	struct t_thread th;

	t_fill(t, uf, addr + page, 3, 0);
	t_thread_access(t, &th, addr + 4 * page, T_READ);
	t_fault_at(uf, addr + 4 * page, 0);
	CHECK_RET(uf_munmap(addr + 2 * page, page), 0);
	CHECK_EQ(t_access(addr + 2 * page, T_READ).sig, SIGSEGV);
	CHECK_EQ(addr[page], 3);
	vm_watched(t, uf, addr);
	vm_watched(t, uf, addr + 3 * page);
	t_thread_blocked(&th);
	t_fill(t, uf, addr + 4 * page, 1, 0);
	t_thread_join(t, &th, 0);
	CHECK_RET(uf_copy(uf, addr + page, addr, 3 * page, 0, NULL), -ENOENT);
}

static void vm_fork_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK(t_is_filled(addr, t->page, 3));
	CHECK_EQ(t_access(addr + t->page, T_READ).sig, 0);
	CHECK_EQ(addr[t->page], 0);
	addr[2 * t->page] = 9;
	CHECK_EQ(addr[2 * t->page], 9);
}

static void vm_fork(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 4);

	t_fill(t, uf, addr, 3, 0);
	CHECK_EQ(t_wait(t_fork(t, vm_fork_child, addr)), 0);
	t_message_none(uf);
	CHECK_EQ(addr[0], 3);
	/* What the child has written to a shared object is there. */
	if (t->target->mem == T_ANON)
		vm_watched(t, uf, addr + 2 * t->page);
	else
		CHECK_EQ(addr[2 * t->page], 9);
	vm_watched(t, uf, addr + 3 * t->page);
	t_message_none(uf);
}

/* The child has an engine of its own if it wants one. */
static void vm_fork_again_child(struct t *t, void *arg)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);

	vm_watched(t, uf, addr);
	t_message_none(uf);
}

static void vm_fork_again(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 2);

	CHECK_EQ(t_wait(t_fork(t, vm_fork_again_child, NULL)), 0);
	vm_watched(t, uf, addr);
	CHECK_EQ(t_wait(t_fork(t, vm_fork_again_child, NULL)), 0);
	vm_watched(t, uf, addr + t->page);
	t_message_none(uf);
}

const struct t_case vm_cases[] = {
	CASE("vm.1", vm_munmap_waiting, T_ALL),	     CASE("vm.1", vm_mapped_anew, T_ALL),
	CASE("vm.2", vm_protect_waiting, T_ALL),     CASE("vm.2, fault.1", vm_protect_pages, T_ALL),
	CASE("vm.3", vm_dontneed, T_PRIVATE),	     CASE("vm.3", vm_dontneed_object, T_OBJECT),
	CASE("vm.3", vm_dontneed_refill, T_PRIVATE), CASE("vm.4", vm_mremap_moves, T_ALL),
	CASE("vm.4", vm_mremap_dontunmap, T_ALL),    CASE("vm.4", vm_mremap_grows, T_ALL),
	CASE("vm.5", vm_munmap_part, T_ALL),	     CASE("vm.6", vm_fork, T_ALL),
	CASE("vm.6, open.5", vm_fork_again, T_ALL),  {0},
};
