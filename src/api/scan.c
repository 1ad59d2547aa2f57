/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns uf_scan, which belongs to no handle: the page tables are the process's.
 * Implements spec/scan.md by the kernel's own ioctl. System calls are raw, so
 * that it may be called in signal handlers and no preloaded library answers.
 */
#include <fcntl.h>

#include "mmu/host/sys.h"
#include "userfault.h"

/*
 * The descriptor is not kept: one that was opened before a fork or an exec
 * tells of the memory it was opened for, and opening costs less than the walk
 * over a page table.
 */
ssize_t uf_scan(struct uf_scan_arg *arg)
{
	long fd = UF_SYS4(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
	long n;

	if (fd < 0)
		return fd;
	n = UF_SYS3(SYS_ioctl, fd, UF_IOC_PAGEMAP_SCAN, arg);
	UF_SYS1(SYS_close, fd);
	return n;
}
