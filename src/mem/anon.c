/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Private anonymous memory. Nothing stands behind a mapping, so a page that
 * the page tables lack is missing, and a zero page needs no content at all.
 */
#include <string.h>

#include "mem/mem.h"
#include "userfault/uapi.h"

static int anon_find(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		     uint8_t *vec)
{
	(void)r;
	(void)addr;
	memset(vec, 0, len / mmu->page_size);
	return 0;
}

static int64_t anon_copy(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
			 uint64_t src)
{
	return mmu->ops->write(mmu, r, addr, len, src);
}

/* The first touch after opening finds nothing and maps the zero page. */
static int64_t anon_zero(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	(void)mmu;
	(void)r;
	(void)addr;
	return (int64_t)len;
}

static void anon_take_back(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len)
{
	mmu->ops->take_back(mmu, r, addr, len);
}

const struct uf_mem_ops uf_mem_anon = {
	.name = "anon",
	.modes = UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP | UF_REGISTER_MODE_RWP,
	.ioctls = 1u << UF_NR_COPY | 1u << UF_NR_ZEROPAGE | 1u << UF_NR_POISON | 1u << UF_NR_MOVE,
	.find = anon_find,
	.copy = anon_copy,
	.zero = anon_zero,
	.take_back = anon_take_back,
};
