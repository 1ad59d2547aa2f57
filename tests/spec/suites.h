/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of tests, one for each operation of spec/. */
#ifndef UF_TESTS_SUITES_H
#define UF_TESTS_SUITES_H

#include "lib/conform.h"

extern const struct t_case open_cases[];
extern const struct t_case api_cases[];
extern const struct t_case register_cases[];
extern const struct t_case unregister_cases[];
extern const struct t_case wake_cases[];
extern const struct t_case fill_cases[];
extern const struct t_case copy_cases[];
extern const struct t_case zeropage_cases[];
extern const struct t_case writeprotect_cases[];
extern const struct t_case continue_cases[];
extern const struct t_case poison_cases[];
extern const struct t_case rwprotect_cases[];
extern const struct t_case setmode_cases[];
extern const struct t_case fault_cases[];
extern const struct t_case fault_mode_cases[];
extern const struct t_case read_cases[];
extern const struct t_case close_cases[];
extern const struct t_case vm_cases[];
extern const struct t_case vm_storm_cases[];
extern const struct t_case move_cases[];
extern const struct t_case move_page_cases[];
extern const struct t_case move_race_cases[];
extern const struct t_case thp_cases[];
extern const struct t_case async_cases[];
extern const struct t_case async_memory_cases[];
extern const struct t_case scan_cases[];
extern const struct t_case scan_protect_cases[];
extern const struct t_case scan_same_cases[];
extern const struct t_case event_cases[];
extern const struct t_case event_remap_cases[];
extern const struct t_case event_wait_cases[];
extern const struct t_case private_cases[];
extern const struct t_case hugetlb_cases[];
extern const struct t_case event_fork_cases[];
extern const struct t_case event_fork_storm_cases[];
extern const struct t_case children_cases[];
extern const struct t_case handover_cases[];
extern const struct t_case handover_end_cases[];
extern const struct t_case handover_hostile_cases[];
extern const struct t_case handover_owner_cases[];
extern const struct t_case handover_storm_cases[];
extern const struct t_case offer_cases[];
extern const struct t_case offer_storm_cases[];
extern const struct t_case moveto_cases[];

#endif
