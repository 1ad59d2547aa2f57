/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the calls that change or touch memory and belong to no handle: the host
 * machine makes them, and knows what is registered.
 */
#include <errno.h>

#include "mmu/host/host.h"
#include "userfault.h"

/* An address, or -errno in its place, as the system call returns it. */
static int address(long ret, void **out)
{
	if (ret < 0 && ret > -4096)
		return (int)ret;
	*out = (void *)(uintptr_t)ret;
	return 0;
}

int uf_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset, void **out)
{
	return address(ufi_host_mmap(addr, len, prot, flags, fd, offset), out);
}

int uf_munmap(void *addr, size_t len)
{
	return (int)ufi_host_munmap(addr, len);
}

int uf_mremap(void *old, size_t old_len, size_t new_len, int flags, void *new_addr, void **out)
{
	return address(ufi_host_mremap(old, old_len, new_len, flags, new_addr), out);
}

int uf_mprotect(void *addr, size_t len, int prot)
{
	return (int)ufi_host_mprotect(addr, len, prot);
}

int uf_madvise(void *addr, size_t len, int advice)
{
	return (int)ufi_host_madvise(addr, len, advice);
}

int uf_touch(const void *addr, size_t len, int write)
{
	return ufi_host_touch(addr, len, write != 0);
}
