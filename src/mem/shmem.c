/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory, and private mappings of it. The object behind the mapping may
 * get pages by other doors (another mapping, write(2)), so whether a page exists
 * is asked of the machine each time and never remembered.
 */
#include "mem/mem.h"
#include "userfault/uapi.h"

static int shmem_find(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		      uint8_t *vec)
{
	return mmu->ops->cached(mmu, r, addr, len, vec);
}

static int64_t shmem_copy(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
			  uint64_t src)
{
	return mmu->ops->write(mmu, r, addr, len, src);
}

static int64_t shmem_zero(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	return mmu->ops->write_zero(mmu, r, addr, len);
}

static void shmem_take_back(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	mmu->ops->take_back(mmu, r, addr, len);
}

const struct uf_mem_ops uf_mem_shmem = {
	.name = "shmem",
	.modes = UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MINOR |
		 UF_REGISTER_MODE_RWP,
	.ioctls = 1u << UF_NR_COPY | 1u << UF_NR_ZEROPAGE | 1u << UF_NR_POISON | 1u << UF_NR_MOVE,
	.marks = true,
	.find = shmem_find,
	.copy = shmem_copy,
	.zero = shmem_zero,
	.take_back = shmem_take_back,
};
