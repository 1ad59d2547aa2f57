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
			  MAP_ANONYMOUS | MAP_FIXED | (t_shared(t) ? MAP_SHARED : MAP_PRIVATE), -1,
			  0, &got),
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
		t_zero(t, uf, addr + page, page);
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
	t_zero(t, uf, addr, 4 * page);
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

	t_needs_linux();
	t_fill(t, uf, addr, 1, 0);
	CHECK_RET(uf_mremap(addr, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL,
			    &got),
		  0);
	t_adopt(t, got, 3 * page, -1);
	CHECK(t_is_filled(got, page, 1));
	CHECK(t_is_filled((char *)got + page, page, 0));
	t_message_none(uf);
	/* The old place is as registered as before, and empty; an object has its pages still. */
	if (t_shared(t))
		CHECK_EQ(addr[0], 1);
	else
		vm_watched(t, uf, addr);
	/* What we have read at the new place the object has got. */
	if (!t_backed(t))
		vm_watched(t, uf, addr + page);
	else
		CHECK_EQ(addr[page], 0);
	t_message_none(uf);
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
	/* What the child has written to a shared object is there; of a private one there are zeros.
	 */
	if (!t_backed(t))
		vm_watched(t, uf, addr + 2 * t->page);
	else
		CHECK_EQ(addr[2 * t->page], t_shared(t) ? 9 : 0);
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

#define VM_WP UF_REGISTER_MODE_WP

/* With WP_UNPOPULATED where it makes a difference: then pages that are not there can be protected.
 */
static struct uf *vm_open_wp(struct t *t)
{
	return t_open_mode(t, VM_WP, t->target->mem == T_ANON ? UF_FEATURE_WP_UNPOPULATED : 0);
}

static void vm_protect_protected(struct t *t)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_EXEC};
	struct uf *uf = vm_open_wp(t);
	size_t page = t->page;

	for (size_t i = 0; i < 3; i++) {
		char *addr = t_registered_mode(t, uf, 5, VM_WP);

		memset(addr, 1, 3 * page);
		t_protect(uf, addr, 4 * page);
		t_unprotect(uf, addr + page, page);
		CHECK_RET(uf_mprotect(addr, 5 * page, prots[i]), 0);
		/* Also while it cannot be seen. */
		t_unprotect(uf, addr + 2 * page, page);
		CHECK_EQ(t_access(addr, T_READ).sig, i ? 0 : SIGSEGV);
		CHECK_EQ(t_access(addr, T_WRITE).sig, SIGSEGV);
		CHECK_EQ(t_access(addr + page, T_WRITE).sig, SIGSEGV);
		t_message_none(uf);
		CHECK_RET(uf_mprotect(addr, 5 * page, PROT_READ | PROT_WRITE), 0);
		t_is_protected(t, uf, addr);
		t_is_open(uf, addr + page);
		t_is_open(uf, addr + 2 * page);
		t_is_protected(t, uf, addr + 3 * page);
		t_is_open(uf, addr + 4 * page);
	}
}

/* A thread that waits to write finds that it must not. */
static void vm_protect_writer(struct t *t)
{
	struct uf *uf = vm_open_wp(t);
	char *addr = t_registered_mode(t, uf, 1, VM_WP);
	struct t_thread th;

	*addr = 1;
	t_protect(uf, addr, t->page);
	t_thread_faults(t, &th, uf, addr, T_WRITE, T_WP);
	CHECK_RET(uf_mprotect(addr, t->page, PROT_READ), 0);
	t_thread_blocked(&th);
	t_unprotect(uf, addr, t->page);
	t_thread_join(t, &th, SIGSEGV);
	CHECK_EQ(*addr, 1);
	t_message_none(uf);
}

static void vm_protect_poisoned(struct t *t)
{
	struct uf *uf;
	char *addr;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, 0, 0);
	addr = t_registered(t, uf, 2);
	t_poison(uf, addr, t->page);
	CHECK_RET(uf_mprotect(addr, 2 * t->page, PROT_NONE), 0);
	CHECK_EQ(t_access(addr, T_READ).sig, SIGSEGV);
	CHECK_RET(uf_mprotect(addr, 2 * t->page, PROT_READ), 0);
	CHECK_EQ(t_access(addr, T_READ).sig, SIGBUS);
	CHECK_EQ(t_access(addr, T_WRITE).sig, SIGSEGV);
	CHECK_RET(uf_mprotect(addr, 2 * t->page, PROT_READ | PROT_WRITE), 0);
	t_is_poisoned(t, addr);
	vm_watched(t, uf, addr + t->page);
}

static void vm_dontneed_protected(struct t *t)
{
	struct uf *uf = vm_open_wp(t);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 3, VM_WP);
	char *both = t_registered_mode(t, uf, 1, VM_WP | UF_REGISTER_MODE_MISSING);

	memset(addr, 1, 2 * page);
	t_protect(uf, addr, 3 * page);
	CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), 0);
	CHECK_RET(uf_madvise(addr + 2 * page, page, MADV_DONTNEED), 0);
	CHECK_EQ(*addr, 0);
	t_is_open(uf, addr);
	t_is_open(uf, addr + 2 * page);
	t_is_protected(t, uf, addr + page);
	/* Missing as before, where that is told. */
	t_fill(t, uf, both, 1, UF_COPY_MODE_WP);
	CHECK_RET(uf_madvise(both, page, MADV_DONTNEED), 0);
	vm_watched(t, uf, both);
	t_is_open(uf, both);
}

static void vm_dontneed_protected_object(struct t *t)
{
	struct uf *uf = t_open_mode(t, VM_WP, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 5, VM_WP);
	struct t_thread th;

	t_needs_linux();
	memset(addr, 1, 4 * page);
	t_protect(uf, addr, 3 * page);
	CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), 0);
	CHECK_RET(uf_madvise(addr + 3 * page, page, MADV_DONTNEED), 0);
	t_is_protected(t, uf, addr);
	CHECK_EQ(addr[1], 1);
	t_is_open(uf, addr + 3 * page);
	/* The page goes, the protection stays, whether the page is read first or not. */
	CHECK_RET(uf_madvise(addr + page, 3 * page, MADV_REMOVE), 0);
	t_thread_faults(t, &th, uf, addr + page, T_MODIFY, T_WP);
	t_unprotect(uf, addr + page, page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0);
	CHECK_EQ(addr[2 * page], 0);
	t_is_protected(t, uf, addr + 2 * page);
	CHECK_EQ(addr[3 * page], 0);
	t_is_open(uf, addr + 3 * page);
}

/* Of memory that is locked nothing is given back. */
static void vm_dontneed_refused(struct t *t)
{
	struct uf *uf = vm_open_wp(t);
	size_t page = t->page;
	char *addr = t_map(t, 3);

	t_needs_features(t, UF_FEATURE_POISON);
	t_needs_linux();
	if (t->target->fill == UF_FILL_CHOICE_MREMAP)
		t_skip("what mremap puts there is not locked");
	CHECK_EQ(mlock2(addr, 3 * page, MLOCK_ONFAULT), 0);
	t_register_mode(uf, addr, 3 * page, VM_WP | UF_REGISTER_MODE_MISSING);
	t_fill(t, uf, addr, 1, UF_COPY_MODE_WP);
	t_fill(t, uf, addr + page, 2, 0);
	t_poison(uf, addr + 2 * page, page);
	CHECK_RET(uf_madvise(addr, 3 * page, MADV_DONTNEED), -EINVAL);
	CHECK(t_is_filled(addr, page, 1));
	CHECK(t_is_filled(addr + page, page, 2));
	t_is_protected(t, uf, addr);
	t_is_open(uf, addr + page);
	t_is_poisoned(t, addr + 2 * page);
	t_message_none(uf);
}

static void vm_mremap_protected(struct t *t)
{
	struct uf *uf = vm_open_wp(t);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 3, VM_WP);
	char *to = t_map(t, 3);
	void *got;

	memset(addr, 1, page);
	t_protect(uf, addr, 3 * page);
	CHECK_RET(uf_mremap(addr, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to, &got), 0);
	t_is_open(uf, to);
	CHECK_EQ(to[1], 1);
	t_is_open(uf, to + page);
	CHECK_RET(uf_writeprotect(uf, to, page, 0), -ENOENT);
	CHECK_RET(uf_writeprotect(uf, addr, page, 0), -ENOENT);
	t_register_mode(uf, to, 3 * page, VM_WP);
	for (size_t i = 0; i < 3; i++)
		t_is_open(uf, to + i * page);
	t_protect(uf, to, page);
	t_is_protected(t, uf, to);
}

static void vm_mremap_grows_protected(struct t *t)
{
	struct uf *uf = vm_open_wp(t);
	size_t page = t->page;
	char *addr = t_map(t, 4);
	void *got;

	t_needs_linux();
	t_register_mode(uf, addr, 2 * page, VM_WP);
	*addr = 1;
	t_protect(uf, addr, 2 * page);
	CHECK_RET(uf_munmap(addr + 2 * page, 2 * page), 0);
	CHECK_RET(uf_mremap(addr, 2 * page, 4 * page, 0, NULL, &got), 0);
	t_is_protected(t, uf, addr);
	t_is_protected(t, uf, addr + page);
	t_is_open(uf, addr + 2 * page);
	t_is_open(uf, addr + 3 * page);
	t_protect(uf, addr, 4 * page);
	t_is_protected(t, uf, addr + 3 * page);
	CHECK_RET(uf_mremap(addr, 4 * page, page, 0, NULL, &got), 0);
	t_is_protected(t, uf, addr);
}

static void vm_mremap_dontunmap_protected(struct t *t)
{
	struct uf *uf = t_open_mode(t, VM_WP, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 2, VM_WP);
	void *got = NULL;

	t_needs_linux();
	memset(addr, 1, 2 * page);
	t_protect(uf, addr, page);
	CHECK_RET(uf_mremap(addr, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL,
			    &got),
		  0);
	t_adopt(t, got, 2 * page, -1);
	CHECK_EQ(*(char *)got, 1);
	t_is_open(uf, got);
	CHECK_RET(uf_writeprotect(uf, got, page, 0), -ENOENT);
	t_is_open(uf, addr);
	t_is_open(uf, addr + page);
	t_protect(uf, addr, 2 * page);
	t_is_protected(t, uf, addr);
	t_is_protected(t, uf, addr + page);
}

static void vm_fork_protected_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK_EQ(addr[1], 1);
	for (size_t i = 0; i < 3; i++)
		CHECK_EQ(t_access(addr + i * t->page + 2, T_WRITE).sig, 0);
}

static void vm_fork_protected(struct t *t)
{
	struct uf *uf = vm_open_wp(t);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 4, VM_WP);
	struct t_thread th;
	sigset_t child;

	/*
	 * libc's fork blocks signals: of a child that has ended by then the waiting
	 * thread would be told, and would ask again (fault.11).
	 */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &child, NULL), 0);
	memset(addr, 1, 2 * page);
	t_protect(uf, addr, 3 * page);
	t_thread_faults(t, &th, uf, addr, T_WRITE, T_WP);
	CHECK_EQ(t_wait(t_fork(t, vm_fork_protected_child, addr)), 0);
	t_thread_blocked(&th);
	t_message_none(uf);
	t_unprotect(uf, addr, page);
	t_thread_join(t, &th, 0);
	CHECK_EQ((unsigned char)addr[0], T_MARK);
	t_is_protected(t, uf, addr + page);
	t_is_protected(t, uf, addr + 2 * page);
	t_is_open(uf, addr + 3 * page);
	CHECK_EQ(addr[page + 2], t_shared(t) ? T_MARK : 1);
}

static void vm_munmap_protected(struct t *t)
{
	int flags = MAP_ANONYMOUS | MAP_FIXED | (t_shared(t) ? MAP_SHARED : MAP_PRIVATE);
	struct uf *uf = vm_open_wp(t);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 2, VM_WP);
	struct t_thread th[2];
	void *got;

	memset(addr, 1, 2 * page);
	t_protect(uf, addr, 2 * page);
	for (size_t i = 0; i < 2; i++)
		t_thread_faults(t, &th[i], uf, addr + i * page, T_MODIFY, T_WP);
	CHECK_RET(uf_munmap(addr, page), 0);
	CHECK_RET(uf_mmap(addr + page, page, PROT_READ | PROT_WRITE, flags, -1, 0, &got), 0);
	t_thread_blocked(&th[0]);
	t_thread_blocked(&th[1]);
	CHECK_RET(uf_writeprotect(uf, addr, 2 * page, 0), -ENOENT);
	CHECK_RET(uf_wake(uf, addr, 2 * page), 0);
	t_thread_join(t, &th[0], SIGSEGV);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(addr[page], 1); /* it was zero */
	t_register_mode(uf, addr + page, page, VM_WP);
	t_is_open(uf, addr + page);
}

static void vm_poison_given_back(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;

	t_needs_linux();
	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, 0, 0);
	addr = t_registered(t, uf, 3);
	t_poison(uf, addr, 3 * page);
	CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), 0);
	vm_watched(t, uf, addr);
	t_is_open(uf, addr);
	if (t_shared(t))
		CHECK_RET(uf_madvise(addr + page, page, MADV_REMOVE), 0);
	if (t->target->mem == T_HUGETLB) /* hugetlb.9 */
		vm_watched(t, uf, addr + page);
	else
		t_is_poisoned(t, addr + page);
	t_is_poisoned(t, addr + 2 * page);
	/* It can be poisoned as any page that has come and gone. */
	CHECK_RET(uf_madvise(addr, page, t_shared(t) ? MADV_REMOVE : MADV_DONTNEED), 0);
	t_poison(uf, addr, page);
	t_is_poisoned(t, addr);
}

static void vm_poison_truncated(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;
	int fd;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, 0, 0);
	addr = t_registered(t, uf, 3);
	fd = t_map_fd(t, addr);
	t_poison(uf, addr, 3 * page);
	CHECK_EQ(ftruncate(fd, (off_t)page), 0);
	CHECK_EQ(ftruncate(fd, (off_t)(3 * page)), 0);
	t_is_poisoned(t, addr);
	vm_watched(t, uf, addr + page);
	vm_watched(t, uf, addr + 2 * page);
}

static void vm_poison_moves(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;
	char *to = t_map(t, 3);
	void *got;

	t_needs_linux();
	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, 0, 0);
	addr = t_registered(t, uf, 3);
	t_fill(t, uf, addr, 1, 0);
	t_poison(uf, addr + page, page);
	CHECK_RET(uf_mremap(addr, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to, &got), 0);
	CHECK_EQ(to[0], 1);
	t_is_poisoned(t, to + page);
	CHECK_EQ(to[2 * page], 0);
	t_message_none(uf);
	CHECK_RET(uf_madvise(to + page, page, MADV_DONTNEED), 0);
	t_is_open(uf, to + page);
}

static void vm_poison_fork_child(struct t *t, void *arg)
{
	char *addr = arg;

	if (!t_shared(t))
		t_is_poisoned(t, addr);
	else
		CHECK_EQ(t_access(addr, T_READ).sig, 0);
	CHECK_EQ(t_access(addr + t->page, T_READ).sig, 0);
}

static void vm_poison_fork(struct t *t)
{
	struct uf *uf;
	char *addr;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open(t, 0, 0);
	addr = t_registered(t, uf, 2);
	t_poison(uf, addr, t->page);
	CHECK_EQ(t_wait(t_fork(t, vm_poison_fork_child, addr)), 0);
	t_is_poisoned(t, addr);
	t_message_none(uf);
}

static void vm_minor_given_back(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, 0);
	size_t page = t->page;
	char *addr = t_registered_mode(t, uf, 3, UF_REGISTER_MODE_MINOR | UF_REGISTER_MODE_MISSING);
	char *minor = t_registered_mode(t, uf, 1, UF_REGISTER_MODE_MINOR);

	t_needs_linux();
	for (size_t i = 0; i < 3; i++)
		t_fill(t, uf, addr + i * page, (int)i + 1, 0);
	CHECK_RET(uf_madvise(addr, 2 * page, MADV_DONTNEED), 0);
	for (size_t i = 0; i < 2; i++)
		t_is_minor(t, uf, addr + i * page, (int)i + 1);
	t_is_open(uf, addr + 2 * page);
	CHECK_RET(uf_madvise(addr, page, MADV_REMOVE), 0);
	vm_watched(t, uf, addr);
	CHECK_EQ(addr[page], 2);
	/* Nobody is told of a page that is missing. */
	*minor = 1;
	CHECK_RET(uf_madvise(minor, page, MADV_REMOVE), 0);
	CHECK_EQ(*minor, 0);
	t_message_none(uf);
}

static void vm_given_back_asleep(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;

	t_needs_old_rule(t, "a mode that would drop MODE_WP is EBUSY");
	uf = t_open_mode(t, VM_WP, 0);
	addr = t_registered_mode(t, uf, 2, VM_WP);
	memset(addr, 1, 2 * page);
	t_protect(uf, addr, 2 * page);
	t_register(uf, addr, 2 * page);
	CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), 0);
	t_register_mode(uf, addr, 2 * page, VM_WP);
	if (t_huge(t))
		t_is_protected(t, uf, addr);
	else
		t_is_open(uf, addr);
	t_is_protected(t, uf, addr + page);
}

static void vm_given_back_resolved(struct t *t)
{
	static const uint64_t modes[] = {UF_REGISTER_MODE_MISSING, UF_REGISTER_MODE_MINOR};
	struct uf *uf;
	size_t page = t->page;

	t_needs_features(t, UF_FEATURE_POISON);
	uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, 0);
	for (size_t i = 0; i < 2; i++) {
		char *addr = t_registered_mode(t, uf, 2, modes[i]);

		t_fill(t, uf, addr, 1, 0);
		t_fill(t, uf, addr + page, 2, 0);
		CHECK_RET(uf_madvise(addr, 2 * page, MADV_DONTNEED), 0);
		t_continue(uf, addr, page, 0);
		t_poison(uf, addr + page, page);
		t_is_poisoned(t, addr + page);
		CHECK(t_is_filled(addr, page, 1));
		t_is_open(uf, addr);
	}
}

const struct t_case vm_cases[] = {
	CASE("vm.1", vm_munmap_waiting, T_ALL),
	CASE("vm.1", vm_mapped_anew, T_ALL),
	CASE("vm.2", vm_protect_waiting, T_ALL),
	CASE("vm.2, fault.1", vm_protect_pages, T_ALL),
	CASE("vm.3", vm_dontneed, T_OWN),
	CASE("vm.3", vm_dontneed_object, T_OBJECT),
	CASE("vm.3", vm_dontneed_refill, T_OWN),
	CASE("vm.4", vm_mremap_moves, T_ALL),
	CASE("vm.4", vm_mremap_dontunmap, T_SMALL),
	CASE("vm.4", vm_mremap_grows, T_SMALL),
	CASE("vm.5", vm_munmap_part, T_ALL),
	CASE("vm.6", vm_fork, T_ALL),
	CASE("vm.6, open.5", vm_fork_again, T_ALL),
	CASE("vm.7", vm_protect_protected, T_ALL),
	CASE("vm.7", vm_protect_writer, T_ALL),
	CASE("vm.7, fault.19", vm_protect_poisoned, T_ALL),
	CASE("vm.8", vm_dontneed_protected, T_PRIVATE),
	CASE("vm.8", vm_dontneed_protected_object, T_OBJECT),
	CASE("vm.8, vm.12", vm_dontneed_refused, T_PRIVATE),
	CASE("vm.9", vm_mremap_protected, T_ALL),
	CASE("vm.9", vm_mremap_grows_protected, T_SMALL),
	CASE("vm.9", vm_mremap_dontunmap_protected, T_SMALL),
	CASE("vm.10", vm_fork_protected, T_ALL),
	CASE("vm.11", vm_munmap_protected, T_ALL),
	CASE("vm.12", vm_poison_given_back, T_ALL),
	CASE("vm.12", vm_poison_truncated, T_FILE | T_KERNEL_ONLY), /* difference 19 */
	CASE("vm.13", vm_poison_moves, T_ALL),
	CASE("vm.13", vm_poison_fork, T_ALL),
	CASE("vm.8, register.20", vm_given_back_asleep, T_ALL),
	CASE("vm.14", vm_given_back_resolved, T_OBJECT),
	CASE("vm.14", vm_minor_given_back, T_OBJECT),
	{0},
};
