/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the switch from one stack to another, and what the sanitizers must be
 * told about it.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "mmu/sim/fiber.h"

#if defined(__has_feature)
#define FIBER_HAS(x) __has_feature(x)
#else
#define FIBER_HAS(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || FIBER_HAS(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

static void fiber_asan_leave(struct sim_fiber *from, const struct sim_fiber *to, bool for_good)
{
	__sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack, to->stack,
				       to->stack_size);
}

/* The first arrival tells where the stack of HOME, from which it came, lies. */
static void fiber_asan_arrive(struct sim_fiber *self, struct sim_fiber *home)
{
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &size);
	if (!home->stack) {
		home->stack = (void *)(uintptr_t)bottom;
		home->stack_size = size;
	}
}

static void fiber_asan_unpoison(const struct sim_fiber *fiber)
{
	__asan_unpoison_memory_region(fiber->stack, fiber->stack_size);
}
#else
static void fiber_asan_leave(struct sim_fiber *from, const struct sim_fiber *to, bool for_good)
{
}

static void fiber_asan_arrive(struct sim_fiber *self, struct sim_fiber *home)
{
}

static void fiber_asan_unpoison(const struct sim_fiber *fiber)
{
}
#endif

#if defined(__SANITIZE_THREAD__) || FIBER_HAS(thread_sanitizer)
#include <sanitizer/tsan_interface.h>

static void *fiber_tsan_create(void)
{
	return __tsan_create_fiber(0);
}

static void *fiber_tsan_current(void)
{
	return __tsan_get_current_fiber();
}

static void fiber_tsan_switch(void *fiber)
{
	__tsan_switch_to_fiber(fiber, 0);
}

static void fiber_tsan_destroy(void *fiber)
{
	__tsan_destroy_fiber(fiber);
}
#else
static void *fiber_tsan_create(void)
{
	return NULL;
}

static void *fiber_tsan_current(void)
{
	return NULL;
}

static void fiber_tsan_switch(void *fiber)
{
}

static void fiber_tsan_destroy(void *fiber)
{
}
#endif

#define FIBER_STACK ((size_t)256 << 10)

bool ufi_sim_fiber_create(struct sim_fiber *fiber, void (*entry)(void))
{
	void *stack = mmap(NULL, FIBER_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (stack == MAP_FAILED)
		return false;
	fiber->stack = stack;
	fiber->stack_size = FIBER_STACK;
	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = stack;
	fiber->context.uc_stack.ss_size = FIBER_STACK;
	fiber->context.uc_link = NULL;
	makecontext(&fiber->context, entry, 0);
	fiber->tsan = fiber_tsan_create();
	return true;
}

void ufi_sim_fiber_destroy(struct sim_fiber *fiber)
{
	if (!fiber->stack)
		return;
	fiber_asan_unpoison(fiber);
	munmap(fiber->stack, fiber->stack_size);
	fiber_tsan_destroy(fiber->tsan);
	fiber->stack = NULL;
}

void ufi_sim_fiber_home(struct sim_fiber *home)
{
	home->tsan = fiber_tsan_current();
}

void ufi_sim_fiber_arrive(struct sim_fiber *self, struct sim_fiber *home)
{
	fiber_asan_arrive(self, home);
}

void ufi_sim_fiber_switch(struct sim_fiber *from, struct sim_fiber *to, struct sim_fiber *home,
			  bool for_good)
{
	fiber_asan_leave(from, to, for_good);
	fiber_tsan_switch(to->tsan);
	swapcontext(&from->context, &to->context);
	fiber_asan_arrive(from, home);
}
