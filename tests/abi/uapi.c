/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compiled, never run: every value, size and offset of <userfault/uapi.h>
 * against the kernel's header on this host. What came to Linux later than
 * 4.14 stands under the name that came with it, for hosts that lack it.
 */
#include <linux/fs.h>	 /* PAGEMAP_SCAN */
#include <linux/ioctl.h> /* which the kernel's header needs and does not include */

#ifndef KERNEL_LAST
#include <linux/userfaultfd.h>
#include <userfault/uapi.h>
#else
#include <userfault/uapi.h>
#include <linux/userfaultfd.h>
#endif

#define SAME(ours, theirs)                                                                         \
	_Static_assert((uint64_t)(ours) == (uint64_t)(theirs), #ours " is not " #theirs)
#define SAME_SIZE(ours, theirs)                                                                    \
	_Static_assert(sizeof(struct ours) == sizeof(struct theirs), #ours " is not " #theirs)
#define SAME_MEMBER(ours, theirs, member)                                                          \
	_Static_assert(offsetof(struct ours, member) == offsetof(struct theirs, member) &&         \
			       sizeof(((struct ours *)0)->member) ==                               \
				       sizeof(((struct theirs *)0)->member),                       \
		       #ours "." #member " is elsewhere")

/* Linux 4.14. */
SAME(UF_UAPI_API, UFFD_API);
SAME(0xAA, UFFDIO);
SAME(UF_NR_API, _UFFDIO_API);
SAME(UF_IOC_API, UFFDIO_API);
SAME(UF_NR_REGISTER, _UFFDIO_REGISTER);
SAME(UF_IOC_REGISTER, UFFDIO_REGISTER);
SAME(UF_NR_UNREGISTER, _UFFDIO_UNREGISTER);
SAME(UF_IOC_UNREGISTER, UFFDIO_UNREGISTER);
SAME(UF_NR_WAKE, _UFFDIO_WAKE);
SAME(UF_IOC_WAKE, UFFDIO_WAKE);
SAME(UF_NR_COPY, _UFFDIO_COPY);
SAME(UF_IOC_COPY, UFFDIO_COPY);
SAME(UF_NR_ZEROPAGE, _UFFDIO_ZEROPAGE);
SAME(UF_IOC_ZEROPAGE, UFFDIO_ZEROPAGE);
SAME(UF_FEATURE_PAGEFAULT_FLAG_WP, UFFD_FEATURE_PAGEFAULT_FLAG_WP);
SAME(UF_FEATURE_EVENT_FORK, UFFD_FEATURE_EVENT_FORK);
SAME(UF_FEATURE_EVENT_REMAP, UFFD_FEATURE_EVENT_REMAP);
SAME(UF_FEATURE_EVENT_REMOVE, UFFD_FEATURE_EVENT_REMOVE);
SAME(UF_FEATURE_MISSING_HUGETLBFS, UFFD_FEATURE_MISSING_HUGETLBFS);
SAME(UF_FEATURE_MISSING_SHMEM, UFFD_FEATURE_MISSING_SHMEM);
SAME(UF_FEATURE_EVENT_UNMAP, UFFD_FEATURE_EVENT_UNMAP);
SAME(UF_FEATURE_SIGBUS, UFFD_FEATURE_SIGBUS);
SAME(UF_FEATURE_THREAD_ID, UFFD_FEATURE_THREAD_ID);
SAME(UF_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_MISSING);
SAME(UF_REGISTER_MODE_WP, UFFDIO_REGISTER_MODE_WP);
SAME(UF_COPY_MODE_DONTWAKE, UFFDIO_COPY_MODE_DONTWAKE);
SAME(UF_ZEROPAGE_MODE_DONTWAKE, UFFDIO_ZEROPAGE_MODE_DONTWAKE);
SAME(UF_EVENT_PAGEFAULT, UFFD_EVENT_PAGEFAULT);
SAME(UF_EVENT_FORK, UFFD_EVENT_FORK);
SAME(UF_EVENT_REMAP, UFFD_EVENT_REMAP);
SAME(UF_EVENT_REMOVE, UFFD_EVENT_REMOVE);
SAME(UF_EVENT_UNMAP, UFFD_EVENT_UNMAP);
SAME(UF_PAGEFAULT_FLAG_WRITE, UFFD_PAGEFAULT_FLAG_WRITE);
SAME(UF_PAGEFAULT_FLAG_WP, UFFD_PAGEFAULT_FLAG_WP);

SAME_SIZE(uf_msg, uffd_msg);
SAME_MEMBER(uf_msg, uffd_msg, event);
SAME_MEMBER(uf_msg, uffd_msg, arg);
SAME_MEMBER(uf_msg, uffd_msg, arg.pagefault.flags);
SAME_MEMBER(uf_msg, uffd_msg, arg.pagefault.address);
SAME_MEMBER(uf_msg, uffd_msg, arg.pagefault.feat.ptid);
SAME_MEMBER(uf_msg, uffd_msg, arg.fork.ufd);
SAME_MEMBER(uf_msg, uffd_msg, arg.remap.from);
SAME_MEMBER(uf_msg, uffd_msg, arg.remap.to);
SAME_MEMBER(uf_msg, uffd_msg, arg.remap.len);
SAME_MEMBER(uf_msg, uffd_msg, arg.remove.start);
SAME_MEMBER(uf_msg, uffd_msg, arg.remove.end);
SAME_SIZE(uf_io_api, uffdio_api);
SAME_MEMBER(uf_io_api, uffdio_api, api);
SAME_MEMBER(uf_io_api, uffdio_api, features);
SAME_MEMBER(uf_io_api, uffdio_api, ioctls);
SAME_SIZE(uf_io_range, uffdio_range);
SAME_MEMBER(uf_io_range, uffdio_range, start);
SAME_MEMBER(uf_io_range, uffdio_range, len);
SAME_SIZE(uf_io_register, uffdio_register);
SAME_MEMBER(uf_io_register, uffdio_register, range);
SAME_MEMBER(uf_io_register, uffdio_register, mode);
SAME_MEMBER(uf_io_register, uffdio_register, ioctls);
SAME_SIZE(uf_io_copy, uffdio_copy);
SAME_MEMBER(uf_io_copy, uffdio_copy, dst);
SAME_MEMBER(uf_io_copy, uffdio_copy, src);
SAME_MEMBER(uf_io_copy, uffdio_copy, len);
SAME_MEMBER(uf_io_copy, uffdio_copy, mode);
SAME_MEMBER(uf_io_copy, uffdio_copy, copy);
SAME_SIZE(uf_io_zeropage, uffdio_zeropage);
SAME_MEMBER(uf_io_zeropage, uffdio_zeropage, range);
SAME_MEMBER(uf_io_zeropage, uffdio_zeropage, mode);
SAME_MEMBER(uf_io_zeropage, uffdio_zeropage, zeropage);

#ifdef UFFDIO_WRITEPROTECT
SAME(UF_NR_WRITEPROTECT, _UFFDIO_WRITEPROTECT);
SAME(UF_IOC_WRITEPROTECT, UFFDIO_WRITEPROTECT);
SAME(UF_WRITEPROTECT_MODE_WP, UFFDIO_WRITEPROTECT_MODE_WP);
SAME(UF_WRITEPROTECT_MODE_DONTWAKE, UFFDIO_WRITEPROTECT_MODE_DONTWAKE);
SAME(UF_COPY_MODE_WP, UFFDIO_COPY_MODE_WP);
SAME_SIZE(uf_io_writeprotect, uffdio_writeprotect);
SAME_MEMBER(uf_io_writeprotect, uffdio_writeprotect, range);
SAME_MEMBER(uf_io_writeprotect, uffdio_writeprotect, mode);
#endif

#ifdef UFFD_USER_MODE_ONLY
SAME(UF_USER_MODE_ONLY, UFFD_USER_MODE_ONLY);
#endif

#ifdef UFFDIO_CONTINUE
SAME(UF_FEATURE_MINOR_HUGETLBFS, UFFD_FEATURE_MINOR_HUGETLBFS);
SAME(UF_REGISTER_MODE_MINOR, UFFDIO_REGISTER_MODE_MINOR);
SAME(UF_PAGEFAULT_FLAG_MINOR, UFFD_PAGEFAULT_FLAG_MINOR);
SAME(UF_NR_CONTINUE, _UFFDIO_CONTINUE);
SAME(UF_IOC_CONTINUE, UFFDIO_CONTINUE);
SAME(UF_CONTINUE_MODE_DONTWAKE, UFFDIO_CONTINUE_MODE_DONTWAKE);
SAME_SIZE(uf_io_continue, uffdio_continue);
SAME_MEMBER(uf_io_continue, uffdio_continue, range);
SAME_MEMBER(uf_io_continue, uffdio_continue, mode);
SAME_MEMBER(uf_io_continue, uffdio_continue, mapped);
#endif

#ifdef UFFD_FEATURE_MINOR_SHMEM
SAME(UF_FEATURE_MINOR_SHMEM, UFFD_FEATURE_MINOR_SHMEM);
#endif

#ifdef UFFD_FEATURE_EXACT_ADDRESS
SAME(UF_FEATURE_EXACT_ADDRESS, UFFD_FEATURE_EXACT_ADDRESS);
#endif

#ifdef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
SAME(UF_FEATURE_WP_HUGETLBFS_SHMEM, UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
#endif

#ifdef USERFAULTFD_IOC_NEW
SAME(0xAA, USERFAULTFD_IOC);
SAME(UF_IOC_NEW, USERFAULTFD_IOC_NEW);
#endif

#ifdef UFFD_FEATURE_WP_UNPOPULATED
SAME(UF_FEATURE_WP_UNPOPULATED, UFFD_FEATURE_WP_UNPOPULATED);
#endif

#ifdef UFFDIO_CONTINUE_MODE_WP
SAME(UF_CONTINUE_MODE_WP, UFFDIO_CONTINUE_MODE_WP);
#endif

#ifdef UFFDIO_POISON
SAME(UF_FEATURE_POISON, UFFD_FEATURE_POISON);
SAME(UF_NR_POISON, _UFFDIO_POISON);
SAME(UF_IOC_POISON, UFFDIO_POISON);
SAME(UF_POISON_MODE_DONTWAKE, UFFDIO_POISON_MODE_DONTWAKE);
SAME_SIZE(uf_io_poison, uffdio_poison);
SAME_MEMBER(uf_io_poison, uffdio_poison, range);
SAME_MEMBER(uf_io_poison, uffdio_poison, mode);
SAME_MEMBER(uf_io_poison, uffdio_poison, updated);
#endif

#ifdef UFFD_FEATURE_WP_ASYNC
SAME(UF_FEATURE_WP_ASYNC, UFFD_FEATURE_WP_ASYNC);
#endif

#ifdef UFFDIO_MOVE
SAME(UF_FEATURE_MOVE, UFFD_FEATURE_MOVE);
SAME(UF_NR_MOVE, _UFFDIO_MOVE);
SAME(UF_IOC_MOVE, UFFDIO_MOVE);
SAME(UF_MOVE_MODE_DONTWAKE, UFFDIO_MOVE_MODE_DONTWAKE);
SAME(UF_MOVE_MODE_ALLOW_SRC_HOLES, UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES);
SAME_SIZE(uf_io_move, uffdio_move);
SAME_MEMBER(uf_io_move, uffdio_move, dst);
SAME_MEMBER(uf_io_move, uffdio_move, src);
SAME_MEMBER(uf_io_move, uffdio_move, len);
SAME_MEMBER(uf_io_move, uffdio_move, mode);
SAME_MEMBER(uf_io_move, uffdio_move, move);
#endif

#ifdef PAGEMAP_SCAN
SAME(UF_IOC_PAGEMAP_SCAN, PAGEMAP_SCAN);
SAME(UF_PAGE_IS_WPALLOWED, PAGE_IS_WPALLOWED);
SAME(UF_PAGE_IS_WRITTEN, PAGE_IS_WRITTEN);
SAME(UF_PAGE_IS_FILE, PAGE_IS_FILE);
SAME(UF_PAGE_IS_PRESENT, PAGE_IS_PRESENT);
SAME(UF_PAGE_IS_SWAPPED, PAGE_IS_SWAPPED);
SAME(UF_PAGE_IS_PFNZERO, PAGE_IS_PFNZERO);
SAME(UF_PAGE_IS_HUGE, PAGE_IS_HUGE);
SAME(UF_PAGE_IS_SOFT_DIRTY, PAGE_IS_SOFT_DIRTY);
#ifdef PAGE_IS_GUARD
SAME(UF_PAGE_IS_GUARD, PAGE_IS_GUARD);
#endif
SAME(UF_SCAN_WP_MATCHING, PM_SCAN_WP_MATCHING);
SAME(UF_SCAN_CHECK_WPASYNC, PM_SCAN_CHECK_WPASYNC);
SAME_SIZE(uf_scan_region, page_region);
SAME_MEMBER(uf_scan_region, page_region, start);
SAME_MEMBER(uf_scan_region, page_region, end);
SAME_MEMBER(uf_scan_region, page_region, categories);
SAME_SIZE(uf_scan_arg, pm_scan_arg);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, size);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, flags);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, start);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, end);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, walk_end);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, vec);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, vec_len);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, max_pages);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, category_inverted);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, category_mask);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, category_anyof_mask);
SAME_MEMBER(uf_scan_arg, pm_scan_arg, return_mask);
#endif

#ifdef UFFDIO_RWPROTECT
SAME(UF_FEATURE_RWP, UFFD_FEATURE_RWP);
SAME(UF_FEATURE_RWP_ASYNC, UFFD_FEATURE_RWP_ASYNC);
SAME(UF_REGISTER_MODE_RWP, UFFDIO_REGISTER_MODE_RWP);
SAME(UF_PAGEFAULT_FLAG_RWP, UFFD_PAGEFAULT_FLAG_RWP);
SAME(UF_NR_RWPROTECT, _UFFDIO_RWPROTECT);
SAME(UF_IOC_RWPROTECT, UFFDIO_RWPROTECT);
SAME(UF_RWPROTECT_MODE_RWP, UFFDIO_RWPROTECT_MODE_RWP);
SAME(UF_RWPROTECT_MODE_DONTWAKE, UFFDIO_RWPROTECT_MODE_DONTWAKE);
SAME_SIZE(uf_io_rwprotect, uffdio_rwprotect);
SAME_MEMBER(uf_io_rwprotect, uffdio_rwprotect, range);
SAME_MEMBER(uf_io_rwprotect, uffdio_rwprotect, mode);
#endif

#ifdef UFFDIO_SET_MODE
SAME(UF_NR_SET_MODE, _UFFDIO_SET_MODE);
SAME(UF_IOC_SET_MODE, UFFDIO_SET_MODE);
SAME_SIZE(uf_io_set_mode, uffdio_set_mode);
SAME_MEMBER(uf_io_set_mode, uffdio_set_mode, enable);
SAME_MEMBER(uf_io_set_mode, uffdio_set_mode, disable);
#endif
