/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns bringing memory in before somebody else needs it. With the machine
 * running, a byte of each page is accessed here, and an access that must fail
 * ends in our signal handler. Without it, that is on the kernel's backend, the
 * kernel is asked to access it: it reports what it cannot reach. (To missing
 * memory of a userfaultfd with USER_MODE_ONLY that is all of it, so for such a
 * one uf_open starts the machine.)
 */
#include "mmu/host/internal.h"

static int touch_page(uintptr_t at, bool write)
{
	return write ? ufi_arch_touch_write((void *)at) : ufi_arch_touch((void *)at);
}

static long touch_populate(uint64_t start, uint64_t end, int advice)
{
	long ret;

	do
		ret = UF_SYS3(SYS_madvise, start, end - start, advice);
	while (ret == -EINTR || ret == -EAGAIN);
	return ret;
}

/*
 * 0, -EFAULT, or -ENOSYS before Linux 5.14, and where unknown advice is
 * accepted and ignored. Who knows it fails on page zero, where nothing is.
 */
static int touch_by_kernel(uint64_t start, uint64_t end, bool write)
{
	int advice = write ? HOST_MADV_POPULATE_WRITE : HOST_MADV_POPULATE_READ;
	long nowhere = touch_populate(0, ufi_host_page_size(), advice);

	if (nowhere != -ENOMEM && nowhere != -EFAULT)
		return -ENOSYS;
	return touch_populate(start, end, advice) ? -EFAULT : 0;
}

int ufi_host_touch(const void *addr, size_t len, bool write)
{
	uint64_t page = ufi_host_page_size();
	uintptr_t at = (uintptr_t)addr;
	uintptr_t end = at + len;

	if (end < at || end > UINTPTR_MAX - page)
		return -EFAULT;
	if (!ufi_host_running() && at < end) {
		int err = touch_by_kernel(uf_align_down(at, page), uf_align_up(end, page), write);

		if (err != -ENOSYS)
			return err;
	}
	for (; at < end; at = uf_align_down(at, page) + page) {
		if (touch_page(at, write))
			return -EFAULT;
	}
	return 0;
}
