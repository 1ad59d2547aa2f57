/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns reading from our descriptors, their ioctls, and the errors of what
 * cannot be done with them, in the order in which the kernel finds them.
 *
 * Beside that it keeps one promise for foreign descriptors: read and write
 * with memory that is registered and missing. A kernel userfaultfd would
 * block the system call; what the engine keeps closed makes it fail with
 * EFAULT, so the fault is raised here and the call made again.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shim/shim.h"

/* Flags of preadv2 that the kernel knows for any file, and those it may ignore. */
#define IO_RWF_KNOWN 0x1f

#define IO_TRIES 64

static void io_put(void *file)
{
	ufi_table_put(file);
}

/*
 * Sleep until the descriptor is readable: in libc's poll, where the thread can
 * be cancelled. Then the reference of our caller goes with it.
 */
static int io_sleep(struct shim_file *file, int fd)
{
	struct pollfd fds = {fd, POLLIN, 0};
	int ret;

	pthread_cleanup_push(io_put, file);
	ret = shim_real.poll(&fds, 1, -1);
	pthread_cleanup_pop(0);
	return ret < 0 ? -errno : 0;
}

/*
 * The messages are in the program's buffers by now, which were just written. The
 * descriptor of a fork's message is to be a userfaultfd at once. spec: event.23
 */
static void io_adopt(const struct iovec *iov, int niov, size_t got)
{
	struct uf_msg msg;
	uint8_t *to = (uint8_t *)&msg;
	size_t at = 0;

	for (int i = 0; i < niov && got; i++) {
		const uint8_t *from = iov[i].iov_base;
		size_t left = iov[i].iov_len < got ? iov[i].iov_len : got;

		got -= left;
		for (; left; left--) {
			to[at++] = *from++;
			if (at < sizeof(msg))
				continue;
			if (msg.event == UF_EVENT_FORK)
				ufi_socket_adopt((int)msg.arg.fork.ufd);
			at = 0;
		}
	}
}

/*
 * poll is never restarted after a signal, but a read would be: unless some
 * handler of the program asks for the opposite, it is.
 */
static long io_readv(struct shim_file *file, int fd, const struct iovec *iov, int niov,
		     bool dontwait)
{
	long ret;
	int err;

	if (file->kind == SHIM_DEVICE)
		return -EINVAL;
	if (atomic_load(&file->inherited))
		return -EOPNOTSUPP;
	for (;;) {
		ret = file->ops->readv(file->ctx, fd, iov, niov, true);
		if (ret > 0)
			io_adopt(iov, niov, (size_t)ret);
		if (ret != -EAGAIN || dontwait || UF_SYS2(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK)
			return ret;
		err = io_sleep(file, fd);
		if (err && (err != -EINTR || !ufi_signal_restarts()))
			return err;
	}
}

/* With segments from the program, which are checked before the file is asked. */
static long io_readv_checked(struct shim_file *file, int fd, const struct iovec *iov, int niov,
			     bool dontwait)
{
	if (file->kind == SHIM_DEVICE)
		return -EINVAL;
	if (niov == 0)
		return 0;
	if (niov < 0 || niov > IOV_MAX)
		return -EINVAL;
	if (ufi_host_touch(iov, (size_t)niov * sizeof(*iov), false))
		return -EFAULT;
	for (int i = 0; i < niov; i++) {
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
	}
	return io_readv(file, fd, iov, niov, dontwait);
}

/*
 * The kernel serves these for every file, before the file is asked. FIOASYNC
 * is another one, which neither of ours can.
 */
static bool io_ioctl_generic(uint32_t request)
{
	return request == FIONBIO || request == FIOCLEX || request == FIONCLEX;
}

static long io_ioctl(struct shim_file *file, int fd, uint32_t request, uintptr_t arg)
{
	if (io_ioctl_generic(request))
		return UF_SYS3(SYS_ioctl, fd, request, arg);
	if (request == FIOASYNC)
		return -ENOTTY;
	if (file->kind == SHIM_DEVICE)
		return request == UF_IOC_NEW ? ufi_create((int)arg) : -EINVAL;
	if (atomic_load(&file->inherited))
		return -EOPNOTSUPP;
	return file->ops->ioctl(file->ctx, fd, request, arg);
}

/*
 * Shall a system call on a foreign descriptor that answered RET be made again?
 * Another thread may close pages as fast as they are opened here, hence more
 * than one try; EFAULT can have reasons of its own, hence not without end.
 */
static bool io_again(int *tries, long ret, const struct iovec *iov, int niov, bool write)
{
	if (ret != -1 || errno != EFAULT || !ufi_host_active() || ++*tries > IO_TRIES)
		return false;
	if (niov < 0 || niov > IOV_MAX)
		return false;
	if (ufi_host_touch(iov, (size_t)niov * sizeof(*iov), false))
		return false;
	for (int i = 0; i < niov; i++) {
		if (ufi_host_touch(iov[i].iov_base, iov[i].iov_len, write))
			return false;
	}
	return true;
}

SHIM_EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	struct shim_file *file = ufi_table_get(fd);
	struct iovec iov = {buf, len};
	int tries = 0;
	ssize_t ret;

	if (file) {
		/* The device answers anything so; the end of such a buffer is no address. */
		if (file->kind == SHIM_UFFD && len > SSIZE_MAX)
			ret = -EFAULT;
		else
			ret = io_readv(file, fd, &iov, 1, false);
		ufi_table_put(file);
		return ufi_real_ret(ret);
	}
	if (ufi_pagemap_ours(fd))
		return ufi_real_ret(ufi_pagemap_read(fd, &iov, 1, -1));
	do
		ret = shim_real.read(fd, buf, len);
	while (io_again(&tries, ret, &iov, 1, true));
	return ret;
}

SHIM_EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t buflen)
{
	if (len > buflen)
		__chk_fail();
	return read(fd, buf, len);
}

SHIM_EXPORT ssize_t readv(int fd, const struct iovec *iov, int niov)
{
	struct shim_file *file = ufi_table_get(fd);
	int tries = 0;
	ssize_t ret;

	if (file) {
		ret = io_readv_checked(file, fd, iov, niov, false);
		ufi_table_put(file);
		return ufi_real_ret(ret);
	}
	if (ufi_pagemap_ours(fd))
		return ufi_real_ret(ufi_pagemap_read(fd, iov, niov, -1));
	do
		ret = shim_real.readv(fd, iov, niov);
	while (io_again(&tries, ret, iov, niov, true));
	return ret;
}

/* A userfaultfd has no positions; the device would be asked for them in vain. */
static long io_no_position(struct shim_file *file, off_t offset)
{
	if (offset < 0)
		return -EINVAL;
	return file->kind == SHIM_DEVICE ? -EINVAL : -ESPIPE;
}

SHIM_EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int niov, off64_t offset, int flags)
{
	struct shim_file *file = ufi_table_get(fd);
	ssize_t ret;

	if (!file && ufi_pagemap_ours(fd) && !(flags & ~IO_RWF_KNOWN))
		return ufi_real_ret(ufi_pagemap_read(fd, iov, niov, offset));
	if (!file)
		return shim_real.preadv2(fd, iov, niov, offset, flags);
	if (offset != -1)
		ret = io_no_position(file, offset);
	else if (file->kind == SHIM_UFFD && (flags & ~IO_RWF_KNOWN))
		ret = -EOPNOTSUPP;
	else
		ret = io_readv_checked(file, fd, iov, niov, flags & RWF_NOWAIT);
	ufi_table_put(file);
	return ufi_real_ret(ret);
}

SHIM_EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int niov, off_t offset, int flags)
{
	return preadv64v2(fd, iov, niov, offset, flags);
}

SHIM_EXPORT ssize_t pread64(int fd, void *buf, size_t len, off64_t offset)
{
	struct shim_file *file = ufi_table_get(fd);
	struct iovec iov = {buf, len};
	int tries = 0;
	ssize_t ret;

	if (file) {
		ret = io_no_position(file, offset);
		ufi_table_put(file);
		return ufi_real_ret(ret);
	}
	if (offset >= 0 && ufi_pagemap_ours(fd))
		return ufi_real_ret(ufi_pagemap_read(fd, &iov, 1, offset));
	do
		ret = shim_real.pread(fd, buf, len, offset);
	while (io_again(&tries, ret, &iov, 1, true));
	return ret;
}

SHIM_EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	return pread64(fd, buf, len, offset);
}

SHIM_EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t offset, size_t buflen)
{
	if (len > buflen)
		__chk_fail();
	return pread64(fd, buf, len, offset);
}

SHIM_EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t buflen)
{
	return __pread64_chk(fd, buf, len, offset, buflen);
}

/* Both are open for reading only, unless it is the device. */
static ssize_t io_write(struct shim_file *file)
{
	bool writable = file->kind == SHIM_DEVICE && file->writable;

	ufi_table_put(file);
	return ufi_real_ret(writable ? -EINVAL : -EBADF);
}

SHIM_EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	struct shim_file *file = ufi_table_get(fd);
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	int tries = 0;
	ssize_t ret;

	if (file)
		return io_write(file);
	do
		ret = shim_real.write(fd, buf, len);
	while (io_again(&tries, ret, &iov, 1, false));
	return ret;
}

SHIM_EXPORT ssize_t writev(int fd, const struct iovec *iov, int niov)
{
	struct shim_file *file = ufi_table_get(fd);
	int tries = 0;
	ssize_t ret;

	if (file)
		return io_write(file);
	do
		ret = shim_real.writev(fd, iov, niov);
	while (io_again(&tries, ret, iov, niov, false));
	return ret;
}

SHIM_EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
	struct shim_file *file = ufi_table_get(fd);
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	int tries = 0;
	ssize_t ret;

	if (file) {
		if (file->kind == SHIM_DEVICE)
			return io_write(file);
		ret = io_no_position(file, offset);
		ufi_table_put(file);
		return ufi_real_ret(ret);
	}
	do
		ret = shim_real.pwrite(fd, buf, len, offset);
	while (io_again(&tries, ret, &iov, 1, false));
	return ret;
}

SHIM_EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	return pwrite64(fd, buf, len, offset);
}

SHIM_EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct shim_file *file = ufi_table_get(fd);
	uintptr_t arg;
	va_list ap;
	long ret;

	va_start(ap, request);
	arg = va_arg(ap, uintptr_t);
	va_end(ap);
	if (!file && (uint32_t)request == UF_IOC_PAGEMAP_SCAN && ufi_pagemap_ours(fd))
		return (int)ufi_real_ret(ufi_host_scan(arg));
	if (!file)
		return (int)ufi_real_ret(UF_SYS3(SYS_ioctl, fd, request, arg));
	/* The kernel, too, looks at 32 bits of the request. */
	ret = io_ioctl(file, fd, (uint32_t)request, arg);
	ufi_table_put(file);
	return (int)ufi_real_ret(ret);
}

SHIM_EXPORT off64_t lseek64(int fd, off64_t offset, int whence)
{
	struct shim_file *file = ufi_table_get(fd);

	if (!file)
		return ufi_real_ret(UF_SYS3(SYS_lseek, fd, offset, whence));
	ufi_table_put(file);
	return ufi_real_ret(whence >= SEEK_SET && whence <= SEEK_HOLE ? 0 : -EINVAL);
}

SHIM_EXPORT off_t lseek(int fd, off_t offset, int whence)
{
	return lseek64(fd, offset, whence);
}
