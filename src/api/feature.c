/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the names of the feature bits. */
#include "base/compiler.h"
#include "userfault.h"

static const char *const feature_names[] = {
	"PAGEFAULT_FLAG_WP",
	"EVENT_FORK",
	"EVENT_REMAP",
	"EVENT_REMOVE",
	"MISSING_HUGETLBFS",
	"MISSING_SHMEM",
	"EVENT_UNMAP",
	"SIGBUS",
	"THREAD_ID",
	"MINOR_HUGETLBFS",
	"MINOR_SHMEM",
	"EXACT_ADDRESS",
	"WP_HUGETLBFS_SHMEM",
	"WP_UNPOPULATED",
	"POISON",
	"WP_ASYNC",
	"MOVE",
	"RWP",
	"RWP_ASYNC",
};

const char *uf_feature_name(uint64_t bit)
{
	for (size_t i = 0; i < UF_ARRAY_SIZE(feature_names); i++) {
		if (bit == UINT64_C(1) << i)
			return feature_names[i];
	}
	return NULL;
}
