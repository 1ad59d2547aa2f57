/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what PAGEMAP_SCAN answers once it is known what the pages are: which
 * mappings and pages match, how they become regions, and when there is no room
 * for more. Pure: the pages may come from our states or from any page table.
 */
#include "engine/engine.h"

/* spec: scan.13, scan.14, scan.18 */
int ufi_region_mapping(const struct ufi_scan *s, uint64_t categories)
{
	uint64_t required = s->arg.category_mask & UF_PAGE_IS_WPALLOWED;

	if (!(categories & UF_PAGE_IS_WPALLOWED)) {
		if (s->arg.flags & UF_SCAN_CHECK_WPASYNC)
			return -EPERM;
		if (s->arg.flags & UF_SCAN_WP_MATCHING)
			return 0;
	}
	return ((categories ^ s->arg.category_inverted) & required) == required;
}

/* spec: scan.9 */
bool ufi_region_wants(const struct ufi_scan *s, uint64_t categories)
{
	categories ^= s->arg.category_inverted;
	if ((categories & s->arg.category_mask) != s->arg.category_mask)
		return false;
	return !s->arg.category_anyof_mask || (categories & s->arg.category_anyof_mask);
}

/* Is the last region continued by pages of these categories from START on? */
static bool region_grows(const struct ufi_scan *s, uint64_t categories, uint64_t start)
{
	const struct uf_scan_region *last = s->n ? &s->region[s->n - 1] : NULL;

	return last && last->end == start && last->categories == (categories & s->arg.return_mask);
}

/* Without a vec nobody is told, and there is no limit. spec: scan.11, scan.12, scan.17 */
uint64_t ufi_region_room(const struct ufi_scan *s, uint64_t categories, uint64_t start,
			 uint64_t end)
{
	uint64_t npages = (end - start) / s->page;

	if (!s->arg.vec_len)
		return end;
	if (s->handed + s->n >= s->arg.vec_len && !region_grows(s, categories, start))
		return start;
	return start + uf_min(npages, s->arg.max_pages - s->found) * s->page;
}

/* Where there is no room at all the scan is full all the same. spec: scan.23 */
void ufi_region_pass(struct ufi_scan *s, uint64_t categories, uint64_t start, uint64_t end)
{
	s->full = ufi_region_room(s, categories, start, end) == start;
	if (s->full)
		return;
	s->passed = start;
	s->at = end;
}

/* spec: scan.10 */
void ufi_region_tell(struct ufi_scan *s, uint64_t categories, uint64_t start, uint64_t end)
{
	if (!s->arg.vec_len)
		return;
	s->found += (end - start) / s->page;
	if (region_grows(s, categories, start)) {
		s->region[s->n - 1].end = end;
		return;
	}
	UF_ASSERT(s->n < UFI_SCAN_REGIONS);
	s->region[s->n++] = (struct uf_scan_region){.start = start,
						    .end = end,
						    .categories = categories & s->arg.return_mask};
}
