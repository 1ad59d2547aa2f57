/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how missing pages get their content: COPY and ZEROPAGE. A run of pages
 * is marked busy, filled while it still traps, opened, and then said to be
 * present. What could not be filled to the end of a page is taken back, so
 * that no page is ever half there.
 */
#include "base/step.h"
#include "engine/pagestate.h"

/* One run: bounds the time the registry is held, and the vector on our stack. */
#define FILL_RUN_PAGES UINT64_C(512)

/* How many rounds to wait for another thread's busy page before doubting that it lives. */
#define FILL_DOUBT_ROUNDS 64

#define FILL_NAP_NS UINT64_C(1000000)

static void fill_mark(struct ufi_range *r, uint64_t start, uint64_t end, uint64_t page,
		      enum ufi_page from, enum ufi_page to)
{
	for (uint64_t at = start; at < end; at += page)
		UF_ASSERT(ufi_page_turn(ufi_page_state(r, at, page), from, to));
}

/*
 * Make as many pages from AT on ours as are missing. Returns the end of the
 * run; AT itself if the first page is not missing. Our slot in the registry's
 * lock says what is ours, should we be killed.
 */
static uint64_t fill_claim(struct ufi_task *task, struct ufi_range *r, uint64_t at, uint64_t end)
{
	struct ufi_reader_slot *slot = &task->mm->registry.reader[task->slot];
	uint64_t page = task->mmu->page_size;
	uint64_t start = at;

	atomic_store(&slot->phase, UFI_BUSY_CLAIMED);
	atomic_store(&slot->busy_start, at);
	for (; at < end; at += page) {
		atomic_store(&slot->busy_end, at + page);
		uf_step();
		if (!ufi_page_turn(ufi_page_state(r, at, page), UFI_PAGE_MISSING, UFI_PAGE_BUSY))
			break;
	}
	atomic_store(&slot->busy_end, at == start ? 0 : at);
	return at;
}

/* From now on whoever buries us does with the pages below END as PHASE says. */
static void fill_phase(struct ufi_task *task, enum ufi_busy phase, uint64_t end)
{
	struct ufi_reader_slot *slot = &task->mm->registry.reader[task->slot];

	atomic_store(&slot->fill_end, end);
	atomic_store(&slot->phase, phase);
	uf_step();
}

static void fill_unclaim(struct ufi_task *task)
{
	struct ufi_reader_slot *slot = &task->mm->registry.reader[task->slot];

	atomic_store(&slot->busy_end, 0);
	atomic_store(&slot->phase, UFI_BUSY_CLAIMED);
	atomic_store(&slot->busy_start, 0);
}

/* One page that exists behind the mapping: 0 also if somebody else has it at hand. */
int ufi_fill_map(struct ufi_task *task, struct ufi_range *r, uint64_t addr)
{
	uint64_t end = addr + task->mmu->page_size;
	int err;

	if (fill_claim(task, r, addr, end) == addr) {
		fill_unclaim(task);
		return 0;
	}
	fill_phase(task, UFI_BUSY_WHOLE, end);
	err = task->mmu->ops->open(task->mmu, r, addr, end - addr);
	fill_mark(r, addr, end, end - addr, UFI_PAGE_BUSY,
		  err ? UFI_PAGE_MISSING : UFI_PAGE_PRESENT);
	fill_unclaim(task);
	return err;
}

/* The pages of the run before the first one that exists already: [start, end). */
static int fill_found(struct ufi_task *task, struct ufi_range *r, uint64_t start, uint64_t end,
		      uint64_t *free_end)
{
	uint8_t vec[FILL_RUN_PAGES];
	uint64_t page = task->mmu->page_size;
	int err = r->mem->find(task->mmu, r, start, end - start, vec);
	uint64_t at = start;

	if (err)
		return err;
	while (at < end && !vec[(at - start) / page])
		at += page;
	*free_end = at;
	return at == start ? -EEXIST : 0;
}

/*
 * Content for the busy pages [start, end), then open them. *filled_end: the
 * pages below it are open; the others are closed and without content again.
 * spec: copy.8, zeropage.3
 */
static int fill_content(struct ufi_task *task, struct ufi_range *r, const struct ufi_op_fill *op,
			uint64_t start, uint64_t end, uint64_t *filled_end)
{
	uint64_t page = task->mmu->page_size;
	uint64_t whole;
	int64_t n;
	int err;

	*filled_end = start;
	fill_phase(task, UFI_BUSY_WRITING, end);
	if (op->zero)
		n = r->mem->zero(task->mmu, r, start, end - start);
	else
		n = r->mem->copy(task->mmu, r, start, end - start,
				 op->src + (start - op->dst.start));
	if (n < 0)
		return (int)n;
	whole = uf_align_down((uint64_t)n, page);
	if (whole < (uint64_t)n)
		r->mem->take_back(task->mmu, r, start + whole, page);
	if (!whole)
		return -EFAULT;
	fill_phase(task, UFI_BUSY_WHOLE, start + whole);
	err = task->mmu->ops->open(task->mmu, r, start, whole);
	if (err) {
		fill_phase(task, UFI_BUSY_WRITING, start + whole);
		r->mem->take_back(task->mmu, r, start, whole);
		return err;
	}
	*filled_end = start + whole;
	return start + whole < end ? -EFAULT : 0;
}

/*
 * How far the source can be read now: the end of the run, or the first page
 * without it. It comes before any look at the page itself. spec: copy.11
 */
static uint64_t fill_readable(struct ufi_task *task, const struct ufi_op_fill *op, uint64_t start,
			      uint64_t end)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	uint64_t page = task->mmu->page_size;
	uint8_t byte;

	if (op->zero)
		return end;
	for (uint64_t at = start; at < end; at += page) {
		uint64_t src = op->src + (at - op->dst.start);

		if (ops->copy_in(task->mmu, &byte, src, 1) ||
		    (!uf_aligned(src, page) && ops->copy_in(task->mmu, &byte, src + page - 1, 1)))
			return at;
	}
	return end;
}

/* One run from op->dst.start + *done on, with the registry locked. */
static int fill_run(struct ufi_task *task, struct ufi_range *r, const struct ufi_op_fill *op,
		    uint64_t *done)
{
	uint64_t page = task->mmu->page_size;
	uint64_t start = op->dst.start + *done;
	uint64_t end = uf_min(uf_min(r->end, op->dst.end), start + FILL_RUN_PAGES * page);
	uint64_t free_end;
	uint64_t filled_end;
	_Atomic uint8_t *state = ufi_page_state(r, start, page);
	int err;

	end = fill_readable(task, op, start, end);
	if (end == start)
		return -EFAULT;
	if (ufi_page_get(state) == UFI_PAGE_UNKNOWN) {
		err = ufi_range_settle(task, r, start);
		if (err)
			return err;
	}
	end = fill_claim(task, r, start, end);
	if (end == start)
		return ufi_page_get(state) == UFI_PAGE_PRESENT ? -EEXIST : -EBUSY;

	filled_end = start;
	err = fill_found(task, r, start, end, &free_end);
	if (!err)
		err = fill_content(task, r, op, start, free_end, &filled_end);
	fill_mark(r, start, filled_end, page, UFI_PAGE_BUSY, UFI_PAGE_PRESENT);
	fill_mark(r, filled_end, end, page, UFI_PAGE_BUSY, UFI_PAGE_MISSING);
	fill_unclaim(task);
	*done += filled_end - start;
	return err;
}

/* Whoever has registered it. spec: fill.7, fill.8, copy.2 */
static int fill_locked(struct ufi_task *task, const struct ufi_op_fill *op, uint64_t *done)
{
	struct ufi_range *r;

	if (!ufi_range_covers(task->mm, op->dst.start, op->dst.end))
		return -ENOENT;
	r = ufi_range_find(task->mm, op->dst.start + *done);
	if (op->write_protect && !(r->modes & UF_REGISTER_MODE_WP))
		return -EINVAL;
	return fill_run(task, r, op, done);
}

/* Another thread fills the page: wait, and see that it is still there to do so. */
void ufi_fill_await(struct ufi_task *task, unsigned round)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	_Atomic uint32_t nobody = 0;

	if (ops->spin(task->mmu, round))
		return;
	(void)ops->park(task->mmu, &nobody, 0, FILL_NAP_NS);
	if (round % FILL_DOUBT_ROUNDS != FILL_DOUBT_ROUNDS - 1)
		return;
	ufi_rwlock_write(task, &task->mm->registry);
	ufi_rwlock_write_end(task, &task->mm->registry);
}

/*
 * Wait until the source can be read where the copy stopped, as the kernel's
 * own access would. It may be anywhere in the page at hand. spec: copy.5
 */
static int fill_touch_source(struct ufi_task *task, const struct ufi_op_fill *op, uint64_t done)
{
	uint64_t page = task->mmu->page_size;
	uint64_t at = op->src + done;
	uint64_t last = at + page - 1;
	int err = task->mmu->ops->touch(task->mmu, at, UF_PROT_READ, &task->saved);

	if (!err && !uf_aligned(at, page))
		err = task->mmu->ops->touch(task->mmu, last, UF_PROT_READ, &task->saved);
	return err;
}

/* Whether anybody waits is not asked. spec: fill.4, fill.11, copy.3, copy.4, zeropage.2 */
int ufi_fill(struct ufi_task *task, struct ufi_ctx *ctx, const struct ufi_op_fill *op,
	     uint64_t *done)
{
	struct ufi_mm *mm = ctx->mm;
	unsigned round = 0;
	int err = 0;

	while (!err && op->dst.start + *done < op->dst.end) {
		ufi_rwlock_read(task, &mm->registry);
		err = fill_locked(task, op, done);
		ufi_rwlock_read_end(task, &mm->registry);
		if (err == -EBUSY) {
			ufi_fill_await(task, round++);
			err = 0;
		} else if (err == -EFAULT && !op->zero) {
			err = fill_touch_source(task, op, *done);
		}
	}
	/* Beyond the end of the object. spec: copy.7 */
	return err == -ENXIO ? -EFAULT : err;
}

/*
 * Whole content stays: somebody may have seen it, and written to it. What
 * cannot be closed is open: see the machine's close.
 */
static enum ufi_page fill_bury_page(struct ufi_task *task, struct ufi_range *r, uint64_t at,
				    enum ufi_busy phase)
{
	const struct uf_mmu_ops *ops = task->mmu->ops;
	uint64_t page = task->mmu->page_size;

	if (phase == UFI_BUSY_WHOLE &&
	    (ops->close(task->mmu, r, at, page) || ops->open(task->mmu, r, at, page) == 0))
		return UFI_PAGE_PRESENT;
	if (phase != UFI_BUSY_CLAIMED)
		r->mem->take_back(task->mmu, r, at, page);
	return UFI_PAGE_MISSING;
}

void ufi_fill_bury(struct ufi_task *task, uint32_t slot, uint32_t tid)
{
	struct ufi_reader_slot *grave = &task->mm->registry.reader[slot];
	uint64_t page = task->mmu->page_size;
	uint64_t start = atomic_load(&grave->busy_start);
	uint64_t end = atomic_load(&grave->busy_end);
	uint64_t fill_end = atomic_load(&grave->fill_end);
	struct ufi_range *r = end ? ufi_range_find(task->mm, start) : NULL;

	for (uint64_t at = start; r && at < uf_min(end, r->end); at += page) {
		_Atomic uint8_t *state = ufi_page_state(r, at, page);
		enum ufi_busy phase = at < fill_end ? (enum ufi_busy)atomic_load(&grave->phase)
						    : UFI_BUSY_CLAIMED;

		if (ufi_page_get(state) == UFI_PAGE_BUSY)
			ufi_page_turn(state, UFI_PAGE_BUSY, fill_bury_page(task, r, at, phase));
	}
	atomic_store(&grave->busy_end, 0);
	atomic_store(&grave->phase, UFI_BUSY_CLAIMED);
	atomic_compare_exchange_strong(&grave->tid, &tid, 0);
}
