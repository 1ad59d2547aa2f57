/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the step in which written pages are told and protected again: for as long
 * as they are ours nobody else can write to them, or end their protection. A write
 * that came before is one they are told for; one that comes after is told by the
 * next scan. What finds no room is not protected.
 */
#include "base/step.h"
#include "engine/pagestate.h"

/* Protected in one go: bounds the time for which a write into them waits. */
#define COLLECT_PAGES UINT64_C(32768)

/*
 * So many protected pages between two runs are protected again with them: that
 * takes less time than to call the machine once more, and leaves it fewer pieces.
 */
#define COLLECT_LEAP 8

/* Pages that are not there, as far as nobody else is at them. spec: scan.15 */
static uint64_t collect_mark(const struct ufi_run *run, uint64_t end)
{
	struct ufi_range *r = run->range;
	uint64_t at = run->start;

	for (; at < end; at += r->page_size) {
		uint8_t seen = run->state;

		uf_step();
		if (!atomic_compare_exchange_strong(ufi_page_state(r, at), &seen,
						    run->state | UFI_PAGE_WP))
			break;
	}
	return at;
}

/* How far it is worth while to claim: written pages, and not many protected ones in a row. */
static uint64_t collect_reach(const struct ufi_run *run, uint64_t end, uint64_t limit)
{
	const struct ufi_range *r = run->range;
	const uint8_t flags = UFI_PAGE_WP | UFI_PAGE_BUSY;

	while (end < limit) {
		uint64_t next = ufi_page_same(r, end, limit, flags, UFI_PAGE_WP);

		if (next == limit || next - end > COLLECT_LEAP * r->page_size ||
		    atomic_load(ufi_page_state(r, next)) != run->state)
			return end;
		end = ufi_page_alike(r, next, limit, run->state);
	}
	return end;
}

/* The next written pages of ours from AT on: [*start, *end), empty if there are none. */
static void collect_next(const struct ufi_range *r, uint64_t at, uint64_t limit, uint64_t *start,
			 uint64_t *end)
{
	*start = ufi_page_same(r, at, limit, UFI_PAGE_WP, UFI_PAGE_WP);
	*end = ufi_page_same(r, *start, limit, UFI_PAGE_WP, 0);
}

/*
 * Of the pages that are ours, up to END: the end of those for which there is room. Only the
 * first run may make the last region grow. spec: scan.16
 */
static uint64_t collect_fit(const struct ufi_scan *s, const struct ufi_run *run, uint64_t end)
{
	uint64_t pages = s->arg.max_pages - s->found;
	uint64_t regions = uf_min(UFI_SCAN_REGIONS - s->n, s->arg.vec_len - s->handed - s->n);
	uint64_t fit = run->start;
	uint64_t start;
	uint64_t next;

	if (!s->arg.vec_len)
		return end;
	collect_next(run->range, run->start, end, &start, &next);
	if (start < next && !regions && ufi_region_room(s, run->categories, start, next) > start)
		regions = 1;
	for (; start < next && regions && pages; regions--) {
		uint64_t room = start + uf_min(pages, (next - start) / s->page) * s->page;

		fit = uf_align_down(room, run->range->page_size);
		if (fit < room)
			break;
		pages -= (fit - start) / s->page;
		collect_next(run->range, fit, end, &start, &next);
	}
	return fit;
}

static void collect_tell(struct ufi_scan *s, const struct ufi_run *run, uint64_t end)
{
	uint64_t start;
	uint64_t next;

	collect_next(run->range, run->start, end, &start, &next);
	while (start < next) {
		ufi_region_tell(s, run->categories, start, next);
		collect_next(run->range, next, end, &start, &next);
	}
	s->at = end;
}

/* Open pages. Without a leap all of them are written. */
static int collect_open(struct ufi_task *task, struct ufi_scan *s, const struct ufi_run *run,
			uint64_t end, bool leap)
{
	struct ufi_range *r = run->range;
	uint8_t to = run->state | UFI_PAGE_WP;
	uint64_t claimed = ufi_claim(task, r, run->start, end, UFI_KIND(ufi_page_kind(run->state)),
				     leap ? 0 : UFI_PAGE_WP);
	uint64_t fit = collect_fit(s, run, claimed);
	int err = fit == run->start ? -EBUSY : 0;

	if (!err) {
		ufi_claim_whole(task, fit, to, false);
		err = ufi_arm_apply(task, r, run->start, fit, to);
	}
	if (!err) {
		collect_tell(s, run, fit);
		ufi_claim_release(task, r, run->start, fit, to);
	}
	ufi_claim_undo(task, r, err ? run->start : fit, claimed);
	ufi_claim_end(task);
	return err;
}

/* Nothing that is there is protected: a mark. Lost huge pages do not take it. spec: scan.22 */
static int collect_closed(struct ufi_scan *s, const struct ufi_run *run, uint64_t end)
{
	if (!run->range->mem->huge)
		end = collect_mark(run, end);
	ufi_region_tell(s, run->categories, run->start, end);
	s->at = end;
	return end == run->start ? -EBUSY : 0;
}

/* spec: scan.14 */
int ufi_collect(struct ufi_task *task, struct ufi_scan *s, const struct ufi_run *run,
		uint64_t limit, bool leap)
{
	struct ufi_range *r = run->range;
	uint64_t end;

	if (run->state & (UFI_PAGE_BUSY | UFI_PAGE_WP))
		return -EBUSY;
	end = ufi_region_room(s, run->categories, run->start, run->end);
	s->full = end == run->start;
	if (s->full)
		return 0;
	end = uf_align_down(end, r->page_size);
	if (end == run->start) {
		ufi_region_pass(s, run->categories, run->start, end + r->page_size);
		return 0;
	}
	limit = uf_min(limit, run->start + COLLECT_PAGES * r->page_size);
	end = ufi_page_alike(r, run->start, uf_min(end, limit), run->state);
	atomic_store(&r->states->mixed, true);
	if (ufi_page_open(r, run->state))
		return collect_open(task, s, run, leap ? collect_reach(run, end, limit) : end,
				    leap);
	return collect_closed(s, run, end);
}
