/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that cannot have userfaults: its pages come and go without us. What is
 * written to it through its mapping can be found out all the same. REGISTER
 * tells the ioctls of other memory, as the kernel does, and they fail.
 */
#include "mem/mem.h"
#include "userfault/uapi.h"

const struct uf_mem_ops uf_mem_other = {
	.name = "other",
	.modes = UF_REGISTER_MODE_WP,
	.ioctls = 1u << UF_NR_COPY | 1u << UF_NR_ZEROPAGE | 1u << UF_NR_POISON,
	.only_tracks = true,
	.marks = true,
};
