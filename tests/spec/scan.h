/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of write tracking ask uf_scan. */
#ifndef UF_TESTS_SCAN_H
#define UF_TESTS_SCAN_H

#include "lib/conform.h"

/* Of how many pages a set tells. */
#define SCAN_PAGES 64

/* Every category there is: what a page is asked to tell. */
#define SCAN_ALL ((UF_PAGE_IS_GUARD << 1) - 1)

/* What tells the same of every kind of memory, whatever the machine adds. */
#define SCAN_COMMON (UF_PAGE_IS_WPALLOWED | UF_PAGE_IS_WRITTEN)

/* In walk_end before a call: kept if the call does not touch it. */
#define SCAN_KEPT 0x7777

/* So many pages of the machine, of which max_pages counts, are a page of the target's. */
static inline size_t scan_counts(const struct t *t)
{
	return t->page / (size_t)sysconf(_SC_PAGESIZE);
}

/* A set of pages: bit I is page I of the span. */
#define SCAN_SET(npages) (~UINT64_C(0) >> (SCAN_PAGES - (npages)))

/* No uf_scan here, which only Linux has, and only since 6.7: the test is skipped. */
void scan_needed(struct t *t);
/* The pages from ADDR that have all categories of MASK. */
uint64_t scan_pages(struct t *t, const char *addr, size_t npages, uint64_t mask);
/* The same for UF_PAGE_IS_WRITTEN, and these are protected again. */
uint64_t scan_collect(struct t *t, const char *addr, size_t npages);
/* A handle with WP_ASYNC and these features; a skip where there is none. */
struct uf *scan_open(struct t *t, uint64_t features);
/* Memory of the target registered for WP. */
char *scan_registered(struct t *t, struct uf *uf, size_t npages);
/* A 2 MiB huge page there, filled with BYTE; a skip where there is none. */
char *scan_huge(struct t *t, int byte);
#define SCAN_HUGE ((size_t)2 << 20)

/* Everything of a span, whose regions fit into VEC. */
struct uf_scan_arg scan_arg(const char *start, const char *end, struct uf_scan_region *vec,
			    size_t vec_len);
/* The region is pages [first, end) from ADDR, with these categories. */
void scan_region_is(const struct uf_scan_region *r, const char *addr, size_t page, size_t first,
		    size_t end, uint64_t categories);
/* Six pages: 0 and 1 written, 2 and 3 protected, 4 and 5 outside of what is registered. */
char *scan_six(struct t *t, struct uf *uf);
/* Nine pages, of which those of the set SCAN_NINE are written, the others protected. */
char *scan_nine(struct t *t, struct uf *uf);
#define SCAN_NINE 0xcd
/* All that is written of them. */
struct uf_scan_arg scan_nine_arg(struct t *t, const char *addr, struct uf_scan_region *vec,
				 size_t vec_len);

#endif
