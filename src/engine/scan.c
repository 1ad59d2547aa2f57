/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns PAGEMAP_SCAN: what the pages of a span are, and their protection in the
 * same step as they are told. What is registered is told by our states, with what
 * the machine adds to them; what is not, by the machine alone. A walk takes the
 * registry a piece at a time, and no page of the program's memory is touched
 * meanwhile: regions are gathered, and handed on in between.
 */
#include "engine/pagestate.h"

/* Regions of the machine that are asked for in one go. */
#define SCAN_LOOK 32

/* So many runs at most for each time that the registry is locked. */
#define SCAN_RUNS 256

/* Pages of an object that are looked for in one go. */
#define SCAN_FIND 64

/* What the page tables tell of a page that is there. */
#define SCAN_MACHINE                                                                               \
	(UF_PAGE_IS_FILE | UF_PAGE_IS_PRESENT | UF_PAGE_IS_SWAPPED | UF_PAGE_IS_PFNZERO |          \
	 UF_PAGE_IS_HUGE | UF_PAGE_IS_SOFT_DIRTY)
#define SCAN_THERE (UF_PAGE_IS_PRESENT | UF_PAGE_IS_SWAPPED)

/* What our states tell by themselves. */
#define SCAN_OURS (UF_PAGE_IS_WPALLOWED | UF_PAGE_IS_WRITTEN)

/* What the machine has told of a range. */
struct scan_look {
	struct uf_scan_region region[SCAN_LOOK];
	uint32_t n;
	uint32_t i; /* the one at hand */
};

/* spec: scan.5 */
static uint64_t scan_mapping(const struct ufi_range *r)
{
	return ufi_range_tracked(r) ? UF_PAGE_IS_WPALLOWED : 0;
}

/*
 * What a page in this state is, of which the machine tells MACHINE. The state is
 * the mapping's, not the object's (spec: async.11). Our traps do
 * not show: a marker is a missing page. FOUND: what an open page is of which the page
 * tables know nothing. spec: scan.4, scan.6, scan.8, scan.22
 */
static uint64_t scan_categories(const struct ufi_range *r, uint8_t state, uint64_t machine,
				uint64_t found)
{
	uint64_t categories = machine & UF_PAGE_IS_GUARD ? 0 : machine & SCAN_MACHINE;
	uint64_t mapping = scan_mapping(r) | (r->mem->huge ? UF_PAGE_IS_HUGE : 0);
	bool counts = !r->mem->huge && ((mapping | machine) & SCAN_OURS);

	if (ufi_page_kind(state) == UFI_PAGE_POISON)
		categories = UF_PAGE_IS_SWAPPED;
	else if (!ufi_page_there(r, state))
		categories = 0;
	else if (!(categories & SCAN_THERE))
		categories |= found;
	if ((r->modes & UF_REGISTER_MODE_RWP) && (categories & SCAN_THERE) &&
	    ufi_page_open(r, state))
		categories |= UF_PAGE_IS_ACCESSED; /* spec: scan.21 */
	if (state & UFI_PAGE_WP)
		return mapping | (categories & SCAN_THERE ? categories : UF_PAGE_IS_SWAPPED);
	if (counts || (categories & SCAN_THERE))
		categories |= UF_PAGE_IS_WRITTEN;
	return mapping | categories;
}

/* Do our states say all that matters? */
static bool scan_simple(const struct ufi_scan *s, const struct ufi_range *r)
{
	uint64_t interest = s->arg.category_mask | s->arg.category_anyof_mask | s->arg.return_mask;

	return ufi_range_tracked(r) && !r->mem->huge &&
	       (!s->arg.vec_len || !(interest & ~(uint64_t)SCAN_OURS));
}

/* The machine tells all of a range, piece by piece: the piece at AT. */
static int scan_look_at(struct ufi_task *task, struct scan_look *look, const struct ufi_range *r,
			uint64_t at, uint64_t end)
{
	struct uf_scan_arg arg = {
		.size = sizeof(arg),
		.start = at,
		.end = end,
		.vec = (uintptr_t)look->region,
		.vec_len = SCAN_LOOK,
		.max_pages = UINT64_MAX,
		.return_mask = SCAN_MACHINE | UF_PAGE_IS_WRITTEN |
			       (r->trap == UF_TRAP_GUARD ? UF_PAGE_IS_GUARD : 0),
	};
	int64_t n;

	while (look->i < look->n && look->region[look->i].end <= at)
		look->i++;
	if (look->i < look->n)
		return 0;
	n = task->mmu->ops->scan(task->mmu, &arg);
	if (n < 0)
		return (int)n;
	look->n = (uint32_t)n;
	look->i = 0;
	return 0;
}

/*
 * Pages that are open, in a range that begins closed, have content. Those of which
 * the page tables know nothing are the object's, which may have lost its; private
 * ones that it has not got are zeros.
 */
static int scan_find(struct ufi_task *task, struct ufi_run *run, uint64_t *found)
{
	struct ufi_range *r = run->range;
	uint8_t vec[SCAN_FIND];
	uint64_t page = r->page_size;
	uint64_t i = 1;
	int err;

	*found = UF_PAGE_IS_PRESENT | UF_PAGE_IS_PFNZERO;
	if (!r->shared && !r->object)
		return 0;
	run->end = uf_min(run->end, run->start + SCAN_FIND * page);
	err = r->mem->find(task->mmu, r, run->start, uf_align_up(run->end - run->start, page), vec);
	if (err)
		return err;
	while (run->start + i * page < run->end && vec[i] == vec[0])
		i++;
	run->end = uf_min(run->end, run->start + i * page);
	if (vec[0])
		*found = UF_PAGE_IS_PRESENT | UF_PAGE_IS_FILE;
	else if (r->shared)
		*found = 0;
	return 0;
}

/* With all that there is to know of them. */
static int scan_whole_run(struct ufi_task *task, struct scan_look *look, struct ufi_run *run)
{
	struct ufi_range *r = run->range;
	uint64_t start = run->start;
	uint64_t machine = 0;
	uint64_t found = 0;
	int err = scan_look_at(task, look, r, start, run->end);

	run->end = ufi_page_alike(r, start, run->end, run->state);
	if (look->i < look->n && look->region[look->i].start <= start) {
		machine = look->region[look->i].categories;
		run->end = uf_min(run->end, look->region[look->i].end);
	} else if (look->i < look->n) {
		run->end = uf_min(run->end, look->region[look->i].start);
	}
	if (!err && ufi_range_armed(r) && ufi_page_there(r, run->state) && !(machine & SCAN_THERE))
		err = scan_find(task, run, &found);
	run->categories = scan_categories(r, run->state & (uint8_t)~UFI_PAGE_BUSY, machine, found);
	return err;
}

/*
 * A protected page that somebody is at may be open for writing already, and have
 * been written: what it is shows when he is through.
 */
static bool scan_undecided(uint8_t state)
{
	return (state & UFI_PAGE_BUSY) && (state & UFI_PAGE_WP);
}

static int scan_run_at(struct ufi_task *task, const struct ufi_scan *s, struct scan_look *look,
		       uint64_t end, struct ufi_run *run)
{
	struct ufi_range *r = run->range;
	uint64_t start = uf_align_down(s->at, r->page_size);

	run->start = start;
	run->end = uf_align_up(end, r->page_size);
	run->state = atomic_load(ufi_page_state(r, start));
	if (scan_undecided(run->state))
		return -EBUSY;
	if (!scan_simple(s, r))
		return scan_whole_run(task, look, run);
	run->end = ufi_page_same(r, start, end, UFI_PAGE_WP | UFI_PAGE_BUSY, run->state);
	run->end = uf_max(run->end, start + r->page_size);
	run->categories =
		UF_PAGE_IS_WPALLOWED | (run->state & UFI_PAGE_WP ? 0 : UF_PAGE_IS_WRITTEN);
	return 0;
}

/* Does what it matches with say so? spec: scan.18, scan.22 */
static bool scan_wants(const struct ufi_scan *s, const struct ufi_run *run, bool protects)
{
	if (!s->arg.vec_len && (!protects || !run->range->mem->huge))
		return protects;
	return ufi_region_wants(s, run->categories);
}

/* Up to LIMIT. The pages of the run are whole, what is asked for need not be. */
static int scan_take(struct ufi_task *task, struct ufi_scan *s, const struct ufi_run *run,
		     uint64_t limit)
{
	bool protects =
		(s->arg.flags & UF_SCAN_WP_MATCHING) && (run->categories & UF_PAGE_IS_WRITTEN);
	bool leap = scan_simple(s, run->range) &&
		    !(s->arg.vec_len && ufi_region_wants(s, UF_PAGE_IS_WPALLOWED));
	uint64_t page = run->range->page_size;
	uint64_t end = uf_min(run->end, limit);

	if (!scan_wants(s, run, protects)) {
		s->at = end;
		return 0;
	}
	if (protects && (run->start < s->at || limit - run->start < page)) {
		ufi_region_pass(s, run->categories, s->at, uf_min(run->start + page, limit));
		return 0;
	}
	if (protects)
		return ufi_collect(task, s, run, uf_align_down(limit, page), leap);
	end = ufi_region_room(s, run->categories, s->at, end);
	s->full = end == s->at;
	if (s->full)
		return 0;
	ufi_region_tell(s, run->categories, s->at, end);
	s->at = end;
	return 0;
}

/* The range, up to END, or a part of that. */
static int scan_range(struct ufi_task *task, struct ufi_scan *s, struct ufi_range *r, uint64_t end)
{
	struct ufi_run run = {.range = r};
	struct scan_look look;
	int err = ufi_region_mapping(s, scan_mapping(r));

	if (err >= 0 && (r->modes & UF_REGISTER_MODE_RWP) && (s->arg.flags & UF_SCAN_WP_MATCHING))
		return -EINVAL; /* spec: scan.21 */
	look.n = look.i = 0;
	if (err <= 0 || !(s->arg.vec_len || (s->arg.flags & UF_SCAN_WP_MATCHING))) {
		s->at = end;
		return err < 0 ? err : 0;
	}
	err = 0;
	for (unsigned i = 0; !err && i < SCAN_RUNS && s->at < end; i++) {
		if (s->full || s->n == UFI_SCAN_REGIONS)
			break;
		err = scan_run_at(task, s, &look, end, &run);
		if (!err)
			err = scan_take(task, s, &run, end);
	}
	return err;
}

/*
 * For what is not registered here, which is not RWP either: the machine need not
 * know that category. False: no page there can match.
 */
static bool scan_gap_masks(struct uf_scan_arg *arg)
{
	const uint64_t ours = UF_PAGE_IS_ACCESSED;
	bool matches = !(arg->category_mask & ours & ~arg->category_inverted);

	if (arg->category_anyof_mask & ours & arg->category_inverted)
		arg->category_anyof_mask = 0;
	else if (arg->category_anyof_mask == ours)
		matches = false;
	arg->category_anyof_mask &= ~ours;
	arg->category_mask &= ~ours;
	arg->category_inverted &= ~ours;
	arg->return_mask &= ~ours;
	return matches;
}

/* The first page in the span that matches, and where it could be protected if that is asked for. */
static int64_t scan_gap_next(struct ufi_task *task, const struct ufi_scan *s, uint64_t end,
			     struct uf_scan_region *next)
{
	bool protects = s->arg.flags & UF_SCAN_WP_MATCHING;
	struct uf_scan_arg arg = s->gap;
	int64_t n;

	next->end = s->at;
	do {
		arg.flags = 0;
		arg.start = next->end;
		arg.end = end;
		arg.vec = (uintptr_t)next;
		arg.vec_len = 1;
		arg.max_pages = UINT64_MAX;
		arg.return_mask |= UF_PAGE_IS_WPALLOWED;
		n = arg.start < end ? task->mmu->ops->scan(task->mmu, &arg) : 0;
	} while (n > 0 && protects && !(next->categories & UF_PAGE_IS_WPALLOWED));
	return n;
}

/* May everything that is mapped below END be protected? */
static int scan_gap_check(struct ufi_task *task, const struct ufi_scan *s, uint64_t end)
{
	struct uf_scan_arg arg = s->gap;

	if (!(arg.flags & UF_SCAN_CHECK_WPASYNC))
		return 0;
	arg.flags = UF_SCAN_CHECK_WPASYNC;
	arg.start = s->at;
	arg.end = end;
	arg.vec = arg.vec_len = 0;
	return (int)task->mmu->ops->scan(task->mmu, &arg);
}

/*
 * No room is left, and perhaps nothing to be told up to END, or something that
 * makes the last region grow. What the machine would protect has to wait for the
 * next call even then.
 */
static int scan_gap_full(struct ufi_task *task, struct ufi_scan *s, uint64_t end)
{
	struct uf_scan_region next;
	int64_t n = s->gap_none ? 0 : scan_gap_next(task, s, end, &next);
	int err = n < 0 ? (int)n : scan_gap_check(task, s, n ? next.start + s->page : end);

	if (err || !n) {
		s->at = err ? s->at : end;
		return err;
	}
	s->at = next.start;
	end = ufi_region_room(s, next.categories, next.start, next.end);
	s->full = end == next.start || (s->arg.flags & UF_SCAN_WP_MATCHING);
	if (s->full)
		return 0;
	ufi_region_tell(s, next.categories, next.start, end);
	s->at = end;
	return 0;
}

/*
 * Did the machine stop at its walk_end, or pass a part of a huge page there? With room
 * for more it would have gone on. spec: scan.23
 */
static bool scan_gap_passed(const struct uf_scan_arg *arg, const struct uf_scan_region *vec,
			    uint64_t n, uint64_t found)
{
	if (arg->walk_end == arg->end)
		return false;
	return !n || arg->walk_end < vec[n - 1].end || (n < arg->vec_len && found < arg->max_pages);
}

/* What is not registered here, up to END: the machine knows, and protects what is its own. */
static int scan_gap(struct ufi_task *task, struct ufi_scan *s, uint64_t end)
{
	struct uf_scan_region vec[SCAN_LOOK];
	struct uf_scan_arg arg = s->gap;
	uint64_t found = s->found;
	int64_t n;

	arg.start = s->at;
	arg.end = end;
	arg.vec = arg.vec_len ? (uintptr_t)vec : 0;
	arg.vec_len = uf_min(uf_min(arg.vec_len, SCAN_LOOK), UFI_SCAN_REGIONS - s->n);
	arg.vec_len = uf_min(arg.vec_len, s->arg.vec_len - s->handed - s->n);
	arg.max_pages = s->arg.max_pages - s->found;
	if (s->arg.vec_len && (!arg.vec_len || !arg.max_pages || s->gap_none))
		return scan_gap_full(task, s, end);
	arg.walk_end = end;
	n = task->mmu->ops->scan(task->mmu, &arg);
	if (n < 0) {
		/* A part of a huge page, passed before that. */
		s->passed = arg.walk_end == end ? s->passed : arg.walk_end;
		return (int)n;
	}
	for (int64_t i = 0; i < n; i++)
		ufi_region_tell(s, vec[i].categories, vec[i].start, vec[i].end);
	s->at = arg.walk_end;
	if (scan_gap_passed(&arg, vec, (uint64_t)n, s->found - found)) {
		s->passed = arg.walk_end;
		s->at = end;
	}
	return 0;
}

static int scan_step(struct ufi_task *task, struct ufi_scan *s)
{
	const struct ufi_table *table = task->mm->table;
	uint32_t i = ufi_range_lower(task->mm, s->at);
	struct ufi_range *r = i < table->n ? table->range[i] : NULL;
	uint64_t end = s->arg.end;

	if (r && r->start <= s->at)
		return scan_range(task, s, r, uf_min(r->end, end));
	return scan_gap(task, s, r ? uf_min(r->start, end) : end);
}

/* The first N regions gathered are the program's. */
static int scan_hand_on(struct ufi_task *task, struct ufi_scan *s, uint32_t n)
{
	uint64_t to = s->arg.vec + s->handed * sizeof(*s->region);

	if (n && ufi_user_out(task, to, s->region, n * sizeof(*s->region)))
		return -EFAULT;
	s->handed += n;
	s->n -= n;
	memmove(s->region, &s->region[n], s->n * sizeof(*s->region));
	return 0;
}

/*
 * What has been protected and gathered is lost if the call fails: where it can
 * still succeed with that, it does, and fails the next time.
 */
static int scan_walk(struct ufi_task *task, struct ufi_scan *s)
{
	unsigned round = 0;
	int err = 0;

	while (!err && !s->full && s->at < s->arg.end) {
		ufi_rwlock_read(task, &task->mm->registry);
		err = scan_step(task, s);
		ufi_rwlock_read_end(task, &task->mm->registry);
		round = err == -EBUSY ? round + 1 : 0;
		if (err == -EBUSY) {
			ufi_claim_await(task, round - 1);
			err = 0;
		}
		if (err && err != -EPERM && s->handed + s->n) {
			s->full = true;
			err = 0;
		}
		if (!err && s->n == UFI_SCAN_REGIONS)
			err = scan_hand_on(task, s, s->n - 1);
	}
	return err;
}

/* spec: scan.3, scan.13, scan.17, scan.19, scan.23 */
int64_t ufi_scan(struct ufi_mm *mm, uint64_t arg)
{
	struct uf_scan_region region[UFI_SCAN_REGIONS];
	struct ufi_scan s = {.page = mm->mmu->page_size, .region = region};
	struct ufi_task task;
	int err;

	ufi_task_enter(&task, mm);
	err = ufi_decode_scan(&task, arg, &s.arg);
	if (!err) {
		s.at = s.arg.start;
		s.gap = s.arg;
		s.gap_none = !scan_gap_masks(&s.gap);
		err = scan_walk(&task, &s);
		if (scan_hand_on(&task, &s, s.n))
			err = -EFAULT;
		if (!s.full)
			s.at = s.passed ? s.passed : s.arg.end;
		if (ufi_user_out(&task, arg + offsetof(struct uf_scan_arg, walk_end), &s.at,
				 sizeof(s.at)))
			err = -EFAULT;
	}
	ufi_task_leave(&task);
	return err ? err : (int64_t)s.handed;
}

/* --- The entries of /proc/PID/pagemap --- */

#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAP (UINT64_C(1) << 62)
#define ENTRY_FILE (UINT64_C(1) << 61)
#define ENTRY_GUARD (UINT64_C(1) << 58)
#define ENTRY_WP (UINT64_C(1) << 57)
#define ENTRY_THERE (ENTRY_PRESENT | ENTRY_SWAP)

/* The same for an entry as scan_categories for what the machine tells otherwise. */
static uint64_t scan_entry(struct ufi_task *task, struct ufi_range *r, uint64_t addr, uint8_t state,
			   uint64_t entry)
{
	struct ufi_run run = {.range = r, .start = uf_align_down(addr, r->page_size)};
	uint64_t mark = r->mem->huge ? 0 : ENTRY_SWAP;
	uint64_t found = 0;

	run.end = run.start + r->page_size;

	if (entry & ENTRY_GUARD)
		entry = 0;
	if (ufi_page_kind(state) == UFI_PAGE_POISON)
		entry = mark;
	else if (!ufi_page_there(r, state))
		entry = 0;
	else if (!(entry & ENTRY_THERE) && ufi_range_armed(r) &&
		 scan_find(task, &run, &found) == 0 && found)
		entry = ENTRY_PRESENT | (found & UF_PAGE_IS_FILE ? ENTRY_FILE : 0);
	if (!(state & UFI_PAGE_WP))
		return entry;
	return ENTRY_WP | (entry & ENTRY_THERE ? entry : mark);
}

/* Of the first N pages, up to one that somebody is at: how many have been told. */
static size_t scan_entries(struct ufi_task *task, uint64_t addr, uint64_t *entry, size_t n)
{
	for (size_t i = 0; i < n; i++, addr += task->mmu->page_size) {
		struct ufi_range *r = ufi_range_find(task->mm, addr);
		uint8_t state = r ? atomic_load(ufi_page_state(r, addr)) : 0;

		if (scan_undecided(state))
			return i;
		if (r)
			entry[i] = scan_entry(task, r, addr, state, entry[i]);
	}
	return n;
}

/* spec: scan.20 */
void ufi_scan_entries(struct ufi_mm *mm, uint64_t addr, uint64_t *entry, size_t n)
{
	struct ufi_task task;
	unsigned round = 0;
	size_t done = 0;

	ufi_task_enter(&task, mm);
	for (;;) {
		ufi_rwlock_read(&task, &mm->registry);
		done += scan_entries(&task, addr + done * mm->mmu->page_size, entry + done,
				     n - done);
		ufi_rwlock_read_end(&task, &mm->registry);
		if (done == n)
			break;
		ufi_claim_await(&task, round++);
	}
	ufi_task_leave(&task);
}
