/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The binary interface of userfaultfd: every constant, structure and ioctl
 * number up to and including UFFDIO_MOVE (Linux 6.8) and RWP (Linux 7.3).
 *
 * It needs no header of the host's kernel and defines none of its names, so
 * it can stand beside <linux/userfaultfd.h> in either order, whatever that
 * header's age. A name here is the kernel's with the prefix exchanged:
 *
 *	UFFD_FEATURE_x, UFFD_EVENT_x	UF_FEATURE_x, UF_EVENT_x
 *	UFFDIO_x_MODE_y			UF_x_MODE_y
 *	UFFDIO_x (the ioctl)		UF_IOC_x
 *	_UFFDIO_x (its number)		UF_NR_x
 *	struct uffdio_x, uffd_msg	struct uf_io_x, uf_msg
 *	PAGE_IS_x, PM_SCAN_x		UF_PAGE_IS_x, UF_SCAN_x
 *	struct pm_scan_arg, page_region	struct uf_scan_arg, uf_scan_region
 *
 * Layouts are the kernel's; the assertions at the end hold them there.
 */
#ifndef USERFAULT_UAPI_H
#define USERFAULT_UAPI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UF_UAPI_API UINT64_C(0xAA)

/* Flag of the system call; O_CLOEXEC and O_NONBLOCK are the others. */
#define UF_USER_MODE_ONLY 1

/* UFFDIO_API: features. */
#define UF_FEATURE_PAGEFAULT_FLAG_WP (UINT64_C(1) << 0)
#define UF_FEATURE_EVENT_FORK (UINT64_C(1) << 1)
#define UF_FEATURE_EVENT_REMAP (UINT64_C(1) << 2)
#define UF_FEATURE_EVENT_REMOVE (UINT64_C(1) << 3)
#define UF_FEATURE_MISSING_HUGETLBFS (UINT64_C(1) << 4)
#define UF_FEATURE_MISSING_SHMEM (UINT64_C(1) << 5)
#define UF_FEATURE_EVENT_UNMAP (UINT64_C(1) << 6)
#define UF_FEATURE_SIGBUS (UINT64_C(1) << 7)
#define UF_FEATURE_THREAD_ID (UINT64_C(1) << 8)
#define UF_FEATURE_MINOR_HUGETLBFS (UINT64_C(1) << 9)
#define UF_FEATURE_MINOR_SHMEM (UINT64_C(1) << 10)
#define UF_FEATURE_EXACT_ADDRESS (UINT64_C(1) << 11)
#define UF_FEATURE_WP_HUGETLBFS_SHMEM (UINT64_C(1) << 12)
#define UF_FEATURE_WP_UNPOPULATED (UINT64_C(1) << 13)
#define UF_FEATURE_POISON (UINT64_C(1) << 14)
#define UF_FEATURE_WP_ASYNC (UINT64_C(1) << 15)
#define UF_FEATURE_MOVE (UINT64_C(1) << 16)
#define UF_FEATURE_RWP (UINT64_C(1) << 17)
#define UF_FEATURE_RWP_ASYNC (UINT64_C(1) << 18)

/* UFFDIO_REGISTER: modes. */
#define UF_REGISTER_MODE_MISSING (UINT64_C(1) << 0)
#define UF_REGISTER_MODE_WP (UINT64_C(1) << 1)
#define UF_REGISTER_MODE_MINOR (UINT64_C(1) << 2)
#define UF_REGISTER_MODE_RWP (UINT64_C(1) << 3)

/* Modes of the ioctls that change pages. */
#define UF_COPY_MODE_DONTWAKE (UINT64_C(1) << 0)
#define UF_COPY_MODE_WP (UINT64_C(1) << 1)
#define UF_ZEROPAGE_MODE_DONTWAKE (UINT64_C(1) << 0)
#define UF_WRITEPROTECT_MODE_WP (UINT64_C(1) << 0)
#define UF_WRITEPROTECT_MODE_DONTWAKE (UINT64_C(1) << 1)
#define UF_CONTINUE_MODE_DONTWAKE (UINT64_C(1) << 0)
#define UF_CONTINUE_MODE_WP (UINT64_C(1) << 1)
#define UF_POISON_MODE_DONTWAKE (UINT64_C(1) << 0)
#define UF_MOVE_MODE_DONTWAKE (UINT64_C(1) << 0)
#define UF_MOVE_MODE_ALLOW_SRC_HOLES (UINT64_C(1) << 1)
#define UF_RWPROTECT_MODE_RWP (UINT64_C(1) << 0)
#define UF_RWPROTECT_MODE_DONTWAKE (UINT64_C(1) << 1)

/* What read() returns. */
#define UF_EVENT_PAGEFAULT 0x12
#define UF_EVENT_FORK 0x13
#define UF_EVENT_REMAP 0x14
#define UF_EVENT_REMOVE 0x15
#define UF_EVENT_UNMAP 0x16

#define UF_PAGEFAULT_FLAG_WRITE (UINT64_C(1) << 0)
#define UF_PAGEFAULT_FLAG_WP (UINT64_C(1) << 1)
#define UF_PAGEFAULT_FLAG_MINOR (UINT64_C(1) << 2)
#define UF_PAGEFAULT_FLAG_RWP (UINT64_C(1) << 3)

/*
 * A message. 32 bytes, the same on every architecture; every byte that a
 * member does not cover is zero.
 */
struct uf_msg {
	uint8_t event;
	uint8_t reserved1;
	uint16_t reserved2;
	uint32_t reserved3;
	union {
		struct {
			uint64_t flags;
			uint64_t address;
			union {
				uint32_t ptid;
			} feat;
		} pagefault;
		struct {
			uint32_t ufd;
		} fork;
		struct {
			uint64_t from;
			uint64_t to;
			uint64_t len;
		} remap;
		struct {
			uint64_t start;
			uint64_t end;
		} remove; /* and UNMAP */
		struct {
			uint64_t reserved1;
			uint64_t reserved2;
			uint64_t reserved3;
		} reserved;
	} arg;
};

/* Arguments of the ioctls. */
struct uf_io_api {
	uint64_t api;
	uint64_t features;
	uint64_t ioctls;
};

struct uf_io_range {
	uint64_t start;
	uint64_t len;
};

struct uf_io_register {
	struct uf_io_range range;
	uint64_t mode;
	uint64_t ioctls;
};

struct uf_io_copy {
	uint64_t dst;
	uint64_t src;
	uint64_t len;
	uint64_t mode;
	int64_t copy;
};

struct uf_io_zeropage {
	struct uf_io_range range;
	uint64_t mode;
	int64_t zeropage;
};

struct uf_io_writeprotect {
	struct uf_io_range range;
	uint64_t mode;
};

struct uf_io_continue {
	struct uf_io_range range;
	uint64_t mode;
	int64_t mapped;
};

struct uf_io_poison {
	struct uf_io_range range;
	uint64_t mode;
	int64_t updated;
};

struct uf_io_move {
	uint64_t dst;
	uint64_t src;
	uint64_t len;
	uint64_t mode;
	int64_t move;
};

struct uf_io_rwprotect {
	struct uf_io_range range;
	uint64_t mode;
};

struct uf_io_set_mode {
	uint64_t enable;
	uint64_t disable;
};

/* Numbers of the ioctls: bit positions in the `ioctls' masks. */
#define UF_NR_REGISTER 0x00
#define UF_NR_UNREGISTER 0x01
#define UF_NR_WAKE 0x02
#define UF_NR_COPY 0x03
#define UF_NR_ZEROPAGE 0x04
#define UF_NR_MOVE 0x05
#define UF_NR_WRITEPROTECT 0x06
#define UF_NR_CONTINUE 0x07
#define UF_NR_POISON 0x08
#define UF_NR_RWPROTECT 0x09
#define UF_NR_SET_MODE 0x0A
#define UF_NR_API 0x3F

/*
 * The encoding of a request number as on x86, arm and riscv: direction (1 the
 * caller writes, 2 the caller reads), size, type 0xAA, number.
 */
#define UF_IOC(dir, nr, type)                                                                      \
	(((uint32_t)(dir) << 30) | ((uint32_t)sizeof(type) << 16) | (0xAAu << 8) | (nr))

#define UF_IOC_API UF_IOC(3, UF_NR_API, struct uf_io_api)
#define UF_IOC_REGISTER UF_IOC(3, UF_NR_REGISTER, struct uf_io_register)
/* UNREGISTER and WAKE are numbered as reads although the caller writes. */
#define UF_IOC_UNREGISTER UF_IOC(2, UF_NR_UNREGISTER, struct uf_io_range)
#define UF_IOC_WAKE UF_IOC(2, UF_NR_WAKE, struct uf_io_range)
#define UF_IOC_COPY UF_IOC(3, UF_NR_COPY, struct uf_io_copy)
#define UF_IOC_ZEROPAGE UF_IOC(3, UF_NR_ZEROPAGE, struct uf_io_zeropage)
#define UF_IOC_MOVE UF_IOC(3, UF_NR_MOVE, struct uf_io_move)
#define UF_IOC_WRITEPROTECT UF_IOC(3, UF_NR_WRITEPROTECT, struct uf_io_writeprotect)
#define UF_IOC_CONTINUE UF_IOC(3, UF_NR_CONTINUE, struct uf_io_continue)
#define UF_IOC_POISON UF_IOC(3, UF_NR_POISON, struct uf_io_poison)
#define UF_IOC_RWPROTECT UF_IOC(3, UF_NR_RWPROTECT, struct uf_io_rwprotect)
#define UF_IOC_SET_MODE UF_IOC(1, UF_NR_SET_MODE, struct uf_io_set_mode)

/* On /dev/userfaultfd: a new userfaultfd; the argument is the flags. */
#define UF_IOC_NEW 0x0000AA00u

/* PAGEMAP_SCAN (Linux 6.7): what a page is. */
#define UF_PAGE_IS_WPALLOWED (UINT64_C(1) << 0) /* registered for WP with WP_ASYNC */
#define UF_PAGE_IS_WRITTEN (UINT64_C(1) << 1)	/* not write-protected */
#define UF_PAGE_IS_FILE (UINT64_C(1) << 2)	/* of a file or of shared memory */
#define UF_PAGE_IS_PRESENT (UINT64_C(1) << 3)
#define UF_PAGE_IS_SWAPPED (UINT64_C(1) << 4)
#define UF_PAGE_IS_PFNZERO (UINT64_C(1) << 5) /* the zero page */
#define UF_PAGE_IS_HUGE (UINT64_C(1) << 6)
#define UF_PAGE_IS_SOFT_DIRTY (UINT64_C(1) << 7)
#define UF_PAGE_IS_GUARD (UINT64_C(1) << 8)    /* Linux 6.15 */
#define UF_PAGE_IS_ACCESSED (UINT64_C(1) << 9) /* Linux 7.3: for RWP, and not inaccessible */

/* PAGEMAP_SCAN: flags. */
#define UF_SCAN_WP_MATCHING (UINT64_C(1) << 0)
#define UF_SCAN_CHECK_WPASYNC (UINT64_C(1) << 1)

/* Neighbouring pages of the same categories. END is exclusive. */
struct uf_scan_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

struct uf_scan_arg {
	uint64_t size; /* of this structure */
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end; /* the only member that is written */
	uint64_t vec;	   /* struct uf_scan_region[vec_len] */
	uint64_t vec_len;
	uint64_t max_pages; /* 0: any number */
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

/* On /proc/PID/pagemap, with a struct uf_scan_arg: what uf_scan does for this process. */
#define UF_IOC_PAGEMAP_SCAN 0xc0606610u

#ifdef __cplusplus
#define UF_UAPI_ASSERT(cond) static_assert(cond, #cond)
#else
#define UF_UAPI_ASSERT(cond) _Static_assert(cond, #cond)
#endif

UF_UAPI_ASSERT(sizeof(struct uf_msg) == 32);
UF_UAPI_ASSERT(offsetof(struct uf_msg, arg) == 8);
UF_UAPI_ASSERT(offsetof(struct uf_msg, arg.pagefault.address) == 16);
UF_UAPI_ASSERT(offsetof(struct uf_msg, arg.pagefault.feat.ptid) == 24);
UF_UAPI_ASSERT(offsetof(struct uf_msg, arg.remap.len) == 24);
UF_UAPI_ASSERT(offsetof(struct uf_msg, arg.remove.end) == 16);
UF_UAPI_ASSERT(sizeof(struct uf_io_api) == 24);
UF_UAPI_ASSERT(sizeof(struct uf_io_range) == 16);
UF_UAPI_ASSERT(offsetof(struct uf_io_register, ioctls) == 24);
UF_UAPI_ASSERT(offsetof(struct uf_io_copy, copy) == 32);
UF_UAPI_ASSERT(offsetof(struct uf_io_zeropage, zeropage) == 24);
UF_UAPI_ASSERT(offsetof(struct uf_io_continue, mapped) == 24);
UF_UAPI_ASSERT(offsetof(struct uf_io_poison, updated) == 24);
UF_UAPI_ASSERT(offsetof(struct uf_io_move, move) == 32);
UF_UAPI_ASSERT(sizeof(struct uf_scan_region) == 24);
UF_UAPI_ASSERT(sizeof(struct uf_scan_arg) == 96);
UF_UAPI_ASSERT(offsetof(struct uf_scan_arg, walk_end) == 32);
UF_UAPI_ASSERT(offsetof(struct uf_scan_arg, return_mask) == 88);
UF_UAPI_ASSERT(UF_IOC_API == 0xc018aa3fu);
UF_UAPI_ASSERT(UF_IOC_REGISTER == 0xc020aa00u);
UF_UAPI_ASSERT(UF_IOC_UNREGISTER == 0x8010aa01u);
UF_UAPI_ASSERT(UF_IOC_WAKE == 0x8010aa02u);
UF_UAPI_ASSERT(UF_IOC_COPY == 0xc028aa03u);
UF_UAPI_ASSERT(UF_IOC_ZEROPAGE == 0xc020aa04u);
UF_UAPI_ASSERT(UF_IOC_MOVE == 0xc028aa05u);
UF_UAPI_ASSERT(UF_IOC_WRITEPROTECT == 0xc018aa06u);
UF_UAPI_ASSERT(UF_IOC_CONTINUE == 0xc020aa07u);
UF_UAPI_ASSERT(UF_IOC_POISON == 0xc020aa08u);
UF_UAPI_ASSERT(UF_IOC_RWPROTECT == 0xc018aa09u);
UF_UAPI_ASSERT(UF_IOC_SET_MODE == 0x4010aa0au);

#undef UF_UAPI_ASSERT

#ifdef __cplusplus
}
#endif

#endif /* USERFAULT_UAPI_H */
