/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A memory type: what userfaults mean on one kind of memory. The built-in
 * ones are anon.c, shmem.c and hugetlb.c; a machine's vma_find() says which one a
 * mapping has. The idea is the kernel's vm_uffd_ops.
 *
 * What holds for every callback: it obeys the rules of mmu/mmu.h, which it may
 * call; the registry is locked for reading; the pages are closed and marked
 * busy, so nobody else fills them; it never waits for a fault.
 */
#ifndef UF_MEM_MEM_H
#define UF_MEM_MEM_H

#include <stdint.h>

#include "mmu/mmu.h"

struct uf_mem_ops {
	const char *name;

	/* UF_REGISTER_MODE_* that a range of this type can have; not 0. */
	uint64_t modes;

	/*
	 * 1 << UF_NR_*: ioctls beyond API, REGISTER, UNREGISTER and WAKE, and
	 * beyond those that a mode brings (WRITEPROTECT, CONTINUE).
	 */
	uint64_t ioctls;

	/*
	 * Only what was written can be found out: such memory is for contexts with
	 * UF_FEATURE_WP_ASYNC, its pages are never filled, and it has no callbacks.
	 */
	bool only_tracks;

	/*
	 * Pages that are not there can be write-protected whatever the features are,
	 * and stay so when the program gives them back.
	 */
	bool marks;

	/* So do pages that are protected and there, also while nobody watches writes. */
	bool marks_asleep;

	/* Poison ends where the object loses the page. */
	bool heals;

	/* PAGEMAP_SCAN tells all its pages as huge, and protects whole ones that are there. */
	bool huge;

	/*
	 * Which pages exist although this mapping has none of them: vec[i] = 1.
	 * They are mapped without a MISSING fault, and a COPY into a shared mapping
	 * meets EEXIST.
	 */
	int (*find)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
		    uint8_t *vec);

	/*
	 * Give pages their content, from SRC or zeros; they stay closed. Answers
	 * as uf_mmu_ops.write. Inverse: take_back. A type without ZEROPAGE among its
	 * ioctls has no zero.
	 */
	int64_t (*copy)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len,
			uint64_t src);
	int64_t (*zero)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);

	/* Undo copy or zero on pages that nobody has seen. */
	void (*take_back)(struct uf_mmu *mmu, struct ufi_range *r, uint64_t addr, uint64_t len);
};

/* Private anonymous memory: a page exists when this mapping has it. */
extern const struct uf_mem_ops uf_mem_anon;

/*
 * Shared memory (memfd, MAP_SHARED | MAP_ANONYMOUS, tmpfs), mapped shared or private: a page exists
 * when the page cache has it, or a private mapping has its own.
 */
extern const struct uf_mem_ops uf_mem_shmem;

/* Huge pages of hugetlbfs, mapped shared or private: the same. */
extern const struct uf_mem_ops uf_mem_hugetlb;

/* Whatever else can be mapped and written: ordinary files, System V segments, secret memory. */
extern const struct uf_mem_ops uf_mem_other;

#endif
