/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the two kinds of userfaultfd that are compared: the kernel's with raw
 * system calls, as one would write them by hand, so that nothing of ours adds
 * to its figures; the engine's by the public API.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common.h"

static int kernel_create(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	int device;

	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UF_USER_MODE_ONLY);
	if (fd >= 0)
		return fd;
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -errno;
	fd = ioctl(device, UF_IOC_NEW, O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(device);
	return fd;
}

static int kernel_ioctl(struct bench_pager *p, unsigned long request, void *arg)
{
	return ioctl(p->fd, request, arg) ? -errno : 0;
}

static int engine_open(struct bench_pager *p)
{
	struct uf_options options = UF_OPTIONS_INIT;

	options.backend = UF_BACKEND_ENGINE;
	options.trap = p->choice->trap;
	options.fill = p->choice->fill;
	return uf_open(&options, O_CLOEXEC, &p->uf);
}

static int kernel_open(struct bench_pager *p)
{
	p->fd = kernel_create();
	return p->fd < 0 ? p->fd : 0;
}

int bench_pager_open(struct bench_pager *p, const struct bench_choice *choice, uint64_t features)
{
	struct uf_io_api api = {.api = UF_UAPI_API, .features = features};
	int err;

	p->choice = choice;
	err = choice->backend == UF_BACKEND_KERNEL ? kernel_open(p) : engine_open(p);
	if (err)
		return err;
	err = bench_pager_ioctl(p, UF_IOC_API, &api);
	if (err)
		bench_pager_close(p);
	return err == -EINVAL ? -ENOPROTOOPT : err;
}

int bench_pager_register(struct bench_pager *p, char *addr, size_t len, uint64_t mode)
{
	struct uf_io_register reg = {.range = {(uintptr_t)addr, len}, .mode = mode};

	return bench_pager_ioctl(p, UF_IOC_REGISTER, &reg);
}

int bench_pager_ioctl(struct bench_pager *p, unsigned long request, void *arg)
{
	if (p->choice->backend == UF_BACKEND_KERNEL)
		return kernel_ioctl(p, request, arg);
	return uf_ioctl(p->uf, request, arg);
}

int bench_pager_copy(struct bench_pager *p, void *dst, const void *src, size_t len)
{
	struct uf_io_copy copy = {.dst = (uintptr_t)dst, .src = (uintptr_t)src, .len = len};

	return bench_pager_ioctl(p, UF_IOC_COPY, &copy);
}

int bench_pager_protect(struct bench_pager *p, void *addr, size_t len, bool protect)
{
	struct uf_io_writeprotect wp = {.range = {(uintptr_t)addr, len},
					.mode = protect ? UF_WRITEPROTECT_MODE_WP : 0};

	return bench_pager_ioctl(p, UF_IOC_WRITEPROTECT, &wp);
}

uintptr_t bench_pager_read(struct bench_pager *p, int *err)
{
	struct uf_msg msg = {0};
	ssize_t n;

	*err = 0;
	if (p->choice->backend == UF_BACKEND_KERNEL) {
		n = read(p->fd, &msg, sizeof(msg));
		if (n < 0)
			*err = -errno;
	} else {
		n = uf_read(p->uf, &msg, 1);
		if (n < 0)
			*err = (int)n;
	}
	return msg.arg.pagefault.address;
}

int bench_pager_share(struct bench_pager *p)
{
	int err;

	if (p->choice->backend == UF_BACKEND_KERNEL)
		return p->fd;
	err = uf_share(p->uf);
	return err ? err : uf_fd(p->uf);
}

int bench_pager_adopt(struct bench_pager *p, int fd)
{
	p->fd = fd;
	if (fd < 0)
		return -EBADF;
	return p->choice->backend == UF_BACKEND_KERNEL ? 0 : uf_adopt(fd, NULL, &p->uf);
}

void bench_pager_close(struct bench_pager *p)
{
	if (p->choice->backend == UF_BACKEND_KERNEL)
		close(p->fd);
	else
		uf_close(p->uf);
}
