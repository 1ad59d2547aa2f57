/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks of the virtual threads and the switch between them. Knows nothing of scheduling. */
#ifndef UF_MMU_SIM_FIBER_H
#define UF_MMU_SIM_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

struct sim_fiber {
	ucontext_t context;
	void *stack;
	size_t stack_size;
	void *fake_stack; /* ASan's */
	void *tsan;
};

/* ENTRY must never return. False: no memory. Inverse: destroy, not by the fiber itself. */
bool ufi_sim_fiber_create(struct sim_fiber *fiber, void (*entry)(void));
void ufi_sim_fiber_destroy(struct sim_fiber *fiber);
/* The stack we are on becomes a fiber that others can switch to. */
void ufi_sim_fiber_home(struct sim_fiber *home);
/* The first thing that an entry does. */
void ufi_sim_fiber_arrive(struct sim_fiber *self, struct sim_fiber *home);
/* FOR_GOOD: nobody will switch back to FROM. */
void ufi_sim_fiber_switch(struct sim_fiber *from, struct sim_fiber *to, struct sim_fiber *home,
			  bool for_good);

#endif
