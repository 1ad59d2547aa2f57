/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seam A over Linux: everything is passed through. It owns the two ways to a
 * descriptor and nothing else; a context has no memory of its own. System
 * calls are raw, so that no preloaded library can answer in the kernel's place.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "backend/backend.h"
#include "mmu/host/sys.h"

#define KERNEL_DEVICE "/dev/userfaultfd"

static long kernel_by_device(int flags)
{
	long device = UF_SYS4(SYS_openat, AT_FDCWD, KERNEL_DEVICE, O_RDONLY | O_CLOEXEC, 0);
	long fd;

	if (device < 0)
		return device;
	fd = UF_SYS3(SYS_ioctl, device, UF_IOC_NEW, flags);
	UF_SYS1(SYS_close, device);
	return fd;
}

/* The system call first: its refusal is the one that is reported if the device refuses too. */
static int kernel_open(const struct uf_backend_open *args, void **ctx, int *fd)
{
	long by_call = UF_SYS1(SYS_userfaultfd, args->flags);
	long by_device;

	*ctx = NULL;
	*fd = (int)by_call;
	if (by_call >= 0)
		return 0;
	if (!uf_backend_refused(by_call))
		return (int)by_call;
	by_device = kernel_by_device(args->flags);
	if (by_device >= 0) {
		args->log(args->log_arg, UF_LOG_DEBUG,
			  "userfaultfd(2) fails with error %ld; %s serves", -by_call,
			  KERNEL_DEVICE);
		*fd = (int)by_device;
		return 0;
	}
	args->log(args->log_arg, UF_LOG_DEBUG,
		  "no kernel userfaultfd: userfaultfd(2) fails with error %ld, %s with error %ld",
		  -by_call, KERNEL_DEVICE, -by_device);
	return uf_backend_refused(by_device) ? (int)by_call : (int)by_device;
}

static int kernel_ioctl(void *ctx, int fd, uint32_t request, uintptr_t arg)
{
	return (int)UF_SYS3(SYS_ioctl, fd, request, arg);
}

static ssize_t kernel_readv(void *ctx, int fd, const struct iovec *iov, int niov, bool dontwait)
{
	if (dontwait)
		return UF_SYS6(SYS_preadv2, fd, iov, niov, -1, -1, RWF_NOWAIT);
	/* Not the same for no bytes at all, which readv does not ask the file for. */
	if (niov == 1)
		return UF_SYS3(SYS_read, fd, iov->iov_base, iov->iov_len);
	return UF_SYS3(SYS_readv, fd, iov, niov);
}

static short kernel_poll(void *ctx, int fd)
{
	static const struct timespec at_once;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec timeout = at_once;
	long n = UF_SYS5(SYS_ppoll, &p, 1, &timeout, NULL, 0);

	return n > 0 ? p.revents : 0;
}

/* It works everywhere. */
static int kernel_share(void *ctx, int fd)
{
	return 0;
}

static void kernel_close(void *ctx)
{
}

const struct uf_backend_ops uf_backend_kernel = {
	.name = "kernel",
	.kind = UF_BACKEND_KERNEL,
	.open = kernel_open,
	.ioctl = kernel_ioctl,
	.readv = kernel_readv,
	.poll = kernel_poll,
	.share = kernel_share,
	.close = kernel_close,
};
