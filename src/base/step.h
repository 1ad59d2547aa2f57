/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A place where another thread may run. Nothing in the product; in the
 * engine's second build, for the simulated machine, the seeded scheduler
 * decides here who goes on.
 */
#ifndef UF_BASE_STEP_H
#define UF_BASE_STEP_H

#ifdef UF_SIM_STEPS
void uf_step(void);
#else
static inline void uf_step(void)
{
}
#endif

#endif
