/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the program's changes of its address space: the host machine has to
 * know of every one that meets registered memory, and makes it.
 */
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/shim.h"

static void *vm_ret(long ret)
{
	return (void *)(uintptr_t)ufi_real_ret(ret);
}

/* Our descriptors cannot be mapped; the errors come in the kernel's order. */
static long vm_mmap_refuse(struct shim_file *file, size_t len, int prot, int flags, off_t offset)
{
	int type = flags & MAP_TYPE;

	if (!len || offset & (getpagesize() - 1))
		return -EINVAL;
	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type != MAP_PRIVATE && (prot & PROT_WRITE) && !file->writable)
		return -EACCES;
	return -ENODEV;
}

SHIM_EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
	struct shim_file *file = flags & MAP_ANONYMOUS ? NULL : ufi_table_get(fd);
	long ret;

	if (!file)
		return vm_ret(ufi_host_mmap(addr, len, prot, flags, fd, offset));
	ret = vm_mmap_refuse(file, len, prot, flags, offset);
	ufi_table_put(file);
	return vm_ret(ret);
}

SHIM_EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return mmap64(addr, len, prot, flags, fd, offset);
}

SHIM_EXPORT int munmap(void *addr, size_t len)
{
	return (int)ufi_real_ret(ufi_host_munmap(addr, len));
}

SHIM_EXPORT void *mremap(void *old, size_t old_len, size_t new_len, int flags, ...)
{
	void *new_addr;
	va_list ap;

	va_start(ap, flags);
	new_addr = va_arg(ap, void *);
	va_end(ap);
	if (!(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
		new_addr = NULL;
	return vm_ret(ufi_host_mremap(old, old_len, new_len, flags, new_addr));
}

/*
 * libc remembers where the heap ends: it is asked to make the same change, which is
 * none any more. Its own malloc does not come by here.
 */
SHIM_EXPORT int brk(void *addr)
{
	ufi_host_brk(addr);
	return shim_real.brk(addr);
}

SHIM_EXPORT void *sbrk(intptr_t increment)
{
	char *now = shim_real.sbrk(0);

	if (increment < 0 && now != (void *)-1)
		ufi_host_brk(now + increment);
	return shim_real.sbrk(increment);
}

SHIM_EXPORT int mprotect(void *addr, size_t len, int prot)
{
	return (int)ufi_real_ret(ufi_host_mprotect(addr, len, prot));
}

SHIM_EXPORT int madvise(void *addr, size_t len, int advice)
{
	return (int)ufi_real_ret(ufi_host_madvise(addr, len, advice));
}
