/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Huge pages of hugetlbfs, mapped shared or private, with an object behind them
 * or, private, with none. As shared memory, but that a page is a huge one,
 * comes from a pool which may be empty, and cannot be had by ZEROPAGE.
 */
#include <errno.h>

#include "mem/mem.h"
#include "userfault/uapi.h"

static int hugetlb_find(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
			uint8_t *vec)
{
	return mmu->ops->cached(mmu, r, addr, len, vec);
}

/* An empty pool is EEXIST, as in the kernel up to Linux 6.18 at least. spec: hugetlb.5 */
static int64_t hugetlb_copy(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
			    uint64_t src)
{
	int64_t n = mmu->ops->write(mmu, r, addr, len, src);

	return n == -ENOMEM ? -EEXIST : n;
}

static void hugetlb_take_back(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	mmu->ops->take_back(mmu, r, addr, len);
}

/* spec: hugetlb.2, hugetlb.4, hugetlb.9, scan.22 */
const struct uf_mem_ops uf_mem_hugetlb = {
	.name = "hugetlb",
	.modes = UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MINOR |
		 UF_REGISTER_MODE_RWP,
	.ioctls = 1u << UF_NR_COPY | 1u << UF_NR_POISON,
	.marks = true,
	.marks_asleep = true,
	.heals = true,
	.huge = true,
	.find = hugetlb_find,
	.copy = hugetlb_copy,
	.take_back = hugetlb_take_back,
};
