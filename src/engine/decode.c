/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the way from raw ioctl arguments to validated operations: every check
 * that can be made without looking at the registry, in the kernel's order.
 * It changes nothing.
 */
#include "engine/engine.h"

/*
 * So often a page that was waited for may be gone again before the last one
 * has come. What can be touched and still cannot be copied will not improve.
 */
#define USER_TRIES 16

/*
 * A system call that meets a trapped page of its argument blocks until the
 * fault is resolved, so do we.
 */
static int user_touch(struct ufi_task *task, uint64_t addr, size_t n, uint32_t access)
{
	uint64_t page = task->mmu->page_size;

	if (addr >= task->mmu->task_size || n > task->mmu->task_size - addr)
		return -EFAULT;
	for (uint64_t at = addr; at < addr + n; at = uf_align_down(at, page) + page) {
		if (task->mmu->ops->touch(task->mmu, at, access, &task->saved))
			return -EFAULT;
	}
	return 0;
}

int ufi_user_in(struct ufi_task *task, void *to, uint64_t from, size_t n)
{
	for (int i = 0; task->mmu->ops->copy_in(task->mmu, to, from, n); i++) {
		if (i == USER_TRIES || user_touch(task, from, n, UF_PROT_READ))
			return -EFAULT;
	}
	return 0;
}

int ufi_user_out(struct ufi_task *task, uint64_t to, const void *from, size_t n)
{
	for (int i = 0; task->mmu->ops->copy_out(task->mmu, to, from, n); i++) {
		if (i == USER_TRIES || user_touch(task, to, n, UF_PROT_WRITE))
			return -EFAULT;
	}
	return 0;
}

/* spec: register.2, fill.2 */
static int decode_range(struct ufi_task *task, uint64_t start, uint64_t len, struct ufi_span *span)
{
	const struct uf_mmu *mmu = task->mmu;

	if (!uf_aligned(start, mmu->page_size) || !uf_aligned(len, mmu->page_size) || len == 0)
		return -EINVAL;
	if (start >= mmu->task_size || len > mmu->task_size - start)
		return -EINVAL;
	span->start = start;
	span->end = start + len;
	return 0;
}

/* spec: api.4, setmode.6 */
bool ufi_features_fit(uint64_t wanted)
{
	return !(wanted & ~UFI_FEATURES) &&
	       (!(wanted & UF_FEATURE_RWP_ASYNC) || (wanted & UF_FEATURE_RWP));
}

/* UNREGISTER and WAKE. */
int ufi_decode_span(struct ufi_task *task, uint64_t arg, struct ufi_span *op)
{
	struct uf_io_range range;

	if (ufi_user_in(task, &range, arg, sizeof(range)))
		return -EFAULT;
	return decode_range(task, range.start, range.len, op);
}

/* spec: rwprotect.16 */
static uint64_t decode_modes(uint64_t features)
{
	uint64_t known = UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MINOR;

	return known | (features & UF_FEATURE_RWP ? UF_REGISTER_MODE_RWP : 0);
}

/* spec: register.1, rwprotect.16 */
int ufi_decode_register(struct ufi_task *task, uint64_t arg, uint64_t features,
			struct ufi_op_register *op)
{
	const uint64_t both = UF_REGISTER_MODE_WP | UF_REGISTER_MODE_RWP;
	struct uf_io_register reg;

	/* The last member is the kernel's to write: it may lie on an unreadable page. */
	if (ufi_user_in(task, &reg, arg, offsetof(struct uf_io_register, ioctls)))
		return -EFAULT;
	if (reg.mode == 0 || (reg.mode & ~decode_modes(features)) || (reg.mode & both) == both)
		return -EINVAL;
	op->modes = reg.mode;
	return decode_range(task, reg.range.start, reg.range.len, &op->span);
}

/* The source need not be aligned, only its length. spec: copy.1 */
static int decode_source(struct ufi_task *task, uint64_t src, uint64_t len)
{
	const struct uf_mmu *mmu = task->mmu;

	if (len == 0 || !uf_aligned(len, mmu->page_size))
		return -EINVAL;
	if (src >= mmu->task_size || len > mmu->task_size - src)
		return -EINVAL;
	return 0;
}

/* spec: fill.1, fill.3 */
int ufi_decode_copy(struct ufi_task *task, uint64_t arg, struct ufi_op_fill *op)
{
	struct uf_io_copy copy;
	int err;

	if (ufi_user_in(task, &copy, arg, offsetof(struct uf_io_copy, copy)))
		return -EFAULT;
	err = decode_source(task, copy.src, copy.len);
	if (!err)
		err = decode_range(task, copy.dst, copy.len, &op->dst);
	if (err)
		return err;
	if (copy.mode & ~(UF_COPY_MODE_DONTWAKE | UF_COPY_MODE_WP))
		return -EINVAL;
	op->kind = UFI_FILL_COPY;
	op->src = copy.src;
	op->write_protect = copy.mode & UF_COPY_MODE_WP;
	op->wake = !(copy.mode & UF_COPY_MODE_DONTWAKE);
	op->result = arg + offsetof(struct uf_io_copy, copy);
	return 0;
}

_Static_assert(offsetof(struct uf_io_zeropage, zeropage) ==
			       offsetof(struct uf_io_continue, mapped) &&
		       offsetof(struct uf_io_zeropage, zeropage) ==
			       offsetof(struct uf_io_poison, updated) &&
		       UF_ZEROPAGE_MODE_DONTWAKE == UF_CONTINUE_MODE_DONTWAKE &&
		       UF_ZEROPAGE_MODE_DONTWAKE == UF_POISON_MODE_DONTWAKE,
	       "three arguments of one form");

/* spec: zeropage.1, continue.1, continue.2, poison.1, poison.2, fill.1, fill.3 */
int ufi_decode_fill(struct ufi_task *task, uint64_t arg, enum ufi_fill_kind kind,
		    struct ufi_op_fill *op)
{
	uint64_t known =
		UF_ZEROPAGE_MODE_DONTWAKE | (kind == UFI_FILL_CONTINUE ? UF_CONTINUE_MODE_WP : 0);
	struct uf_io_zeropage fill;
	int err;

	if (ufi_user_in(task, &fill, arg, offsetof(struct uf_io_zeropage, zeropage)))
		return -EFAULT;
	err = decode_range(task, fill.range.start, fill.range.len, &op->dst);
	if (err)
		return err;
	if (fill.mode & ~known)
		return -EINVAL;
	op->kind = kind;
	op->src = 0;
	op->write_protect = kind == UFI_FILL_CONTINUE && (fill.mode & UF_CONTINUE_MODE_WP);
	op->wake = !(fill.mode & UF_ZEROPAGE_MODE_DONTWAKE);
	op->result = arg + offsetof(struct uf_io_zeropage, zeropage);
	return 0;
}

_Static_assert(sizeof(struct uf_io_writeprotect) == sizeof(struct uf_io_rwprotect) &&
		       offsetof(struct uf_io_writeprotect, mode) ==
			       offsetof(struct uf_io_rwprotect, mode) &&
		       UF_WRITEPROTECT_MODE_WP == UF_RWPROTECT_MODE_RWP &&
		       UF_WRITEPROTECT_MODE_DONTWAKE == UF_RWPROTECT_MODE_DONTWAKE,
	       "two arguments of one form");

/* spec: writeprotect.1, writeprotect.2, rwprotect.1, rwprotect.2 */
int ufi_decode_protect(struct ufi_task *task, uint64_t arg, uint64_t mode,
		       struct ufi_op_protect *op)
{
	const uint64_t known = UF_WRITEPROTECT_MODE_WP | UF_WRITEPROTECT_MODE_DONTWAKE;
	struct uf_io_writeprotect wp;
	int err;

	if (ufi_user_in(task, &wp, arg, sizeof(wp)))
		return -EFAULT;
	err = decode_range(task, wp.range.start, wp.range.len, &op->span);
	if (err)
		return err;
	/* Who protects has nobody to wake, and may not say so. */
	if ((wp.mode & ~known) || (wp.mode & known) == known)
		return -EINVAL;
	op->mode = mode;
	op->protect = wp.mode & UF_WRITEPROTECT_MODE_WP;
	op->wake = !(wp.mode & UF_WRITEPROTECT_MODE_DONTWAKE);
	return 0;
}

/* spec: setmode.1, setmode.2 */
int ufi_decode_set_mode(struct ufi_task *task, uint64_t arg, uint64_t features,
			struct ufi_op_set_mode *op)
{
	struct uf_io_set_mode set;

	if (ufi_user_in(task, &set, arg, sizeof(set)))
		return -EFAULT;
	if ((set.enable & set.disable) || ((set.enable | set.disable) & ~UF_FEATURE_RWP_ASYNC))
		return -EINVAL;
	if (set.enable && !(features & UF_FEATURE_RWP))
		return -EINVAL;
	op->enable = set.enable;
	op->disable = set.disable;
	return 0;
}

/* The source is aligned as the target is. spec: move.1, move.2, move.3 */
int ufi_decode_move(struct ufi_task *task, uint64_t arg, struct ufi_op_move *op)
{
	struct uf_io_move move;
	struct ufi_span src;
	int err;

	if (ufi_user_in(task, &move, arg, offsetof(struct uf_io_move, move)))
		return -EFAULT;
	err = decode_range(task, move.dst, move.len, &op->dst);
	if (!err)
		err = decode_range(task, move.src, move.len, &src);
	if (err)
		return err;
	if (move.mode & ~(UF_MOVE_MODE_DONTWAKE | UF_MOVE_MODE_ALLOW_SRC_HOLES))
		return -EINVAL;
	op->src = src.start;
	op->allow_holes = move.mode & UF_MOVE_MODE_ALLOW_SRC_HOLES;
	op->wake = !(move.mode & UF_MOVE_MODE_DONTWAKE);
	op->result = arg + offsetof(struct uf_io_move, move);
	return 0;
}

/* As access_ok: the last byte may be the last one of the program. */
static bool decode_reachable(struct ufi_task *task, uint64_t addr, uint64_t len)
{
	return addr <= task->mmu->task_size && len <= task->mmu->task_size - addr;
}

/* spec: scan.1, scan.2 */
int ufi_decode_scan(struct ufi_task *task, uint64_t arg, struct uf_scan_arg *op)
{
	const uint64_t categories = (UF_PAGE_IS_ACCESSED << 1) - 1;
	uint64_t page = task->mmu->page_size;
	uint64_t vec_size;

	if (ufi_user_in(task, op, arg, sizeof(*op)))
		return -EFAULT;
	if (op->size != sizeof(*op) || (op->flags & ~(UF_SCAN_WP_MATCHING | UF_SCAN_CHECK_WPASYNC)))
		return -EINVAL;
	if ((op->category_inverted | op->category_mask | op->category_anyof_mask |
	     op->return_mask) &
	    ~categories)
		return -EINVAL;
	if (!uf_aligned(op->start, page))
		return -EINVAL;
	if (op->end < op->start || !decode_reachable(task, op->start, op->end - op->start))
		return -EFAULT;
	if (!op->vec && op->vec_len)
		return -EINVAL;
	if (__builtin_mul_overflow(op->vec_len, sizeof(struct uf_scan_region), &vec_size))
		vec_size = UINT64_MAX;
	if (op->vec && !decode_reachable(task, op->vec, vec_size))
		return -EFAULT;
	op->end = uf_align_up(op->end, page); /* spec: scan.3 */
	if (!op->max_pages)
		op->max_pages = UINT64_MAX;
	return 0;
}
