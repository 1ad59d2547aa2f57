/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every clause of spec/ on the kernel, and on the engine with each of its
 * strategies.
 */
#include "suites.h"

static const struct t_suite suites[] = {
	{"open", open_cases},
	{"api", api_cases},
	{"register", register_cases},
	{"unregister", unregister_cases},
	{"wake", wake_cases},
	{"fill", fill_cases},
	{"copy", copy_cases},
	{"zeropage", zeropage_cases},
	{"writeprotect", writeprotect_cases},
	{"continue", continue_cases},
	{"poison", poison_cases},
	{"rwprotect", rwprotect_cases},
	{"setmode", setmode_cases},
	{"fault", fault_cases},
	{"fault", fault_mode_cases},
	{"read", read_cases},
	{"close", close_cases},
	{"vm", vm_cases},
	{"vm", vm_storm_cases},
	{"move", move_cases},
	{"move", move_page_cases},
	{"move", move_race_cases},
	{"fault", thp_cases},
	{"async", async_cases},
	{"async", async_memory_cases},
	{"scan", scan_cases},
	{"scan", scan_protect_cases},
	{"scan", scan_same_cases},
	{"event", event_cases},
	{"event", event_remap_cases},
	{"event", event_wait_cases},
	{"private", private_cases},
	{"hugetlb", hugetlb_cases},
	{"event", event_fork_cases},
	{"event", event_fork_storm_cases},
	{"event", children_cases},
	{"handover", handover_cases},
	{"handover", handover_end_cases},
	{"handover", handover_hostile_cases},
	{"handover", handover_owner_cases},
	{"handover", handover_storm_cases},
	{"offer", offer_cases},
	{"offer", offer_storm_cases},
	{"moveto", moveto_cases},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, suites);
}
