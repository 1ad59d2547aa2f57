/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the life of an address space: empty at first, empty again in a fork child. */
#include "engine/engine.h"

/* Pointers only: untouched pages cost nothing, and the tables never move. */
#define MM_RANGES_MAX (UINT32_C(1) << 20)
#define MM_TABLE_SIZE (sizeof(struct ufi_table) + MM_RANGES_MAX * sizeof(struct ufi_range *))

int ufi_mm_init(struct ufi_mm *mm, struct uf_mmu *mmu)
{
	memset(mm, 0, sizeof(*mm));
	mm->mmu = mmu;
	mm->ranges_max = MM_RANGES_MAX;
	for (int i = 0; i < 2; i++) {
		mm->tables[i] = mmu->ops->alloc(mmu, MM_TABLE_SIZE);
		if (!mm->tables[i])
			goto free_tables;
	}
	mm->table = mm->tables[0];
	return 0;

free_tables:
	if (mm->tables[0])
		mmu->ops->free(mmu, mm->tables[0], MM_TABLE_SIZE);
	mm->mmu = NULL;
	return -ENOMEM;
}

/*
 * Without UFFD_EVENT_FORK a child has no userfaults: its mappings are disarmed
 * and what was missing reads as zeros. Its copies of the contexts belong to
 * the parent's descriptors; the memory they occupy is not worth reclaiming. What
 * was poisoned in private memory is poisoned here, too.
 * spec: vm.6, vm.10, vm.13, async.14
 */
void ufi_mm_forked(struct ufi_mm *mm)
{
	struct ufi_table *table;
	uint32_t n = 0;

	memset(&mm->registry, 0, sizeof(mm->registry));
	memset(&mm->settle, 0, sizeof(mm->settle));
	memset(&mm->change, 0, sizeof(mm->change));
	/* Without memory for it the poison is lost, and nothing else. */
	(void)!ufi_range_keep_poison(mm, NULL, 0, UINT64_MAX);
	table = mm->table;
	for (uint32_t i = 0; i < table->n; i++) {
		struct ufi_range *r = table->range[i];

		if (r->life == UFI_RANGE_KEPT && !r->ctx && !r->shared) {
			r->states->token = 0; /* the parent's */
			table->range[n++] = r;
		} else {
			mm->mmu->ops->detach(mm->mmu, r, r->life == UFI_RANGE_GONE);
		}
	}
	table->n = n;
}
