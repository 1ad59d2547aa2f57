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

#include "bench.h"

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

static int kernel_open(struct bench_pager *p, uint64_t features, char *addr, size_t len)
{
	struct uf_io_api api = {.api = UF_UAPI_API, .features = features};
	struct uf_io_register reg = {.range = {(uintptr_t)addr, len},
				     .mode = UF_REGISTER_MODE_MISSING};
	int err;

	p->fd = kernel_create();
	if (p->fd < 0)
		return p->fd;
	if (!ioctl(p->fd, UF_IOC_API, &api) && !ioctl(p->fd, UF_IOC_REGISTER, &reg))
		return 0;
	err = -errno;
	close(p->fd);
	return err;
}

static int engine_open(struct bench_pager *p, uint64_t features, char *addr, size_t len)
{
	struct uf_options options = UF_OPTIONS_INIT;
	int err;

	options.backend = UF_BACKEND_ENGINE;
	options.trap = p->method->trap;
	options.fill = p->method->fill;
	err = uf_open(&options, O_CLOEXEC, &p->uf);
	if (err)
		return err;
	err = uf_api(p->uf, features, NULL, NULL);
	if (!err)
		err = uf_register(p->uf, addr, len, UF_REGISTER_MODE_MISSING, NULL);
	if (err)
		uf_close(p->uf);
	return err;
}

int bench_pager_open(struct bench_pager *p, const struct bench_method *m, char *addr, size_t len)
{
	uint64_t features = m->kind == BENCH_INLINE ? UF_FEATURE_SIGBUS : 0;

	if (m->shared)
		features |= UF_FEATURE_MISSING_SHMEM;
	p->method = m;
	if (m->kind == BENCH_FLOOR)
		return 0;
	return m->backend == UF_BACKEND_KERNEL ? kernel_open(p, features, addr, len)
					       : engine_open(p, features, addr, len);
}

uintptr_t bench_pager_read(struct bench_pager *p, int *err)
{
	struct uf_msg msg = {0};
	ssize_t n;

	*err = 0;
	if (p->method->backend == UF_BACKEND_KERNEL) {
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

int bench_pager_copy(struct bench_pager *p, uintptr_t dst, const void *src, size_t len)
{
	struct uf_io_copy copy = {.dst = dst, .src = (uintptr_t)src, .len = len};

	if (p->method->backend != UF_BACKEND_KERNEL)
		return uf_copy(p->uf, (void *)dst, src, len, 0, NULL);
	return ioctl(p->fd, UF_IOC_COPY, &copy) ? -errno : 0;
}

void bench_pager_close(struct bench_pager *p)
{
	if (p->method->kind == BENCH_FLOOR)
		return;
	if (p->method->backend == UF_BACKEND_KERNEL)
		close(p->fd);
	else
		uf_close(p->uf);
}
