/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how a program comes by a userfaultfd: the system call, and the device
 * with its ioctl. What the kernel grants is handed on and forgotten, it costs
 * nothing afterwards; only the engine's descriptors are in the table.
 *
 * Unlike the kernel, the engine serves everybody: it gives no power over
 * others, and whoever asks could do the same with signal handlers of his own.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "shim/shim.h"

#define CREATE_DEVICE "/dev/userfaultfd"
#define CREATE_FLAGS (O_CLOEXEC | O_NONBLOCK | UF_USER_MODE_ONLY)

static int create_kernel(const struct uf_backend_open *args)
{
	void *ctx;
	int err;
	int fd;

	err = uf_backend_kernel.open(args, &ctx, &fd);
	if (err)
		return err;
	uf_backend_kernel.close(ctx);
	return fd;
}

static int create_engine(const struct uf_backend_open *args)
{
	void *ctx;
	int err;
	int fd;

	err = uf_backend_engine.open(args, &ctx, &fd);
	if (err)
		return err;
	err = ufi_table_add(fd, &uf_backend_engine, ctx, false);
	if (err) {
		uf_backend_engine.close(ctx);
		UF_SYS1(SYS_close, fd);
		return err;
	}
	return fd;
}

int ufi_create(int flags)
{
	struct uf_backend_open args = {.flags = flags, .log = ufi_config_log};
	enum uf_backend backend = ufi_config_backend();
	int ret = -ENOSYS;

	/* The kernel asks for permission first and judges the flags then. */
	if (flags & ~CREATE_FLAGS)
		return backend == UF_BACKEND_KERNEL ? (int)UF_SYS1(SYS_userfaultfd, flags)
						    : -EINVAL;
	if (backend != UF_BACKEND_ENGINE)
		ret = create_kernel(&args);
	if (ret >= 0)
		ufi_config_log(NULL, UF_LOG_INFO, "descriptor %d: kernel", ret);
	/* The flags are good: EINVAL is that of a kernel without UF_USER_MODE_ONLY. */
	if (ret >= 0 || backend == UF_BACKEND_KERNEL ||
	    (!uf_backend_refused(ret) && ret != -EINVAL))
		return ret;

	if (backend == UF_BACKEND_AUTO)
		ufi_config_log(NULL, UF_LOG_INFO, "the kernel refuses: error %d", -ret);
	ret = create_engine(&args);
	if (ret >= 0)
		ufi_config_log(NULL, UF_LOG_INFO, "descriptor %d: engine", ret);
	else
		ufi_config_log(NULL, UF_LOG_ERROR, "the engine cannot start: error %d", -ret);
	return ret;
}

/* The kernel's own device is open: does it also do what it is for? */
static bool create_device_works(int fd)
{
	long ret = UF_SYS3(SYS_ioctl, fd, UF_IOC_NEW, O_CLOEXEC);

	if (ret < 0)
		return false;
	UF_SYS1(SYS_close, ret);
	return true;
}

/*
 * Opening the device gave RET, a descriptor or -errno. Unless the kernel's
 * serves, the program gets a stand-in: /dev/null behaves as the device does
 * except for what io.c and vm.c answer in its place.
 */
static int create_device(int ret, int flags)
{
	long fd;
	int err;

	if (ret < 0 && !uf_backend_refused(ret))
		return ret;
	if (ret >= 0 && ufi_config_backend() == UF_BACKEND_AUTO && create_device_works(ret))
		return ret;
	if (ret >= 0)
		UF_SYS1(SYS_close, ret);
	fd = UF_SYS4(SYS_openat, AT_FDCWD, "/dev/null", flags & ~(O_CREAT | O_TRUNC), 0);
	if (fd < 0)
		return (int)fd;
	err = ufi_table_add((int)fd, NULL, NULL, (flags & O_ACCMODE) != O_RDONLY);
	if (err) {
		UF_SYS1(SYS_close, fd);
		return err;
	}
	ufi_config_log(NULL, UF_LOG_INFO, "descriptor %ld: device", fd);
	return (int)fd;
}

/*
 * PATH is looked at only after the kernel has read it: until then it may be
 * no address at all. O_CREAT is left to fail by itself: it would make a file
 * where there is no device.
 */
static int create_openat(int dir, const char *path, int flags, mode_t mode)
{
	bool ours = ufi_config_engine() && !(flags & (O_PATH | O_DIRECTORY));
	bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	int ret;

	ret = creates ? shim_real.openat(dir, path, flags, mode)
		      : shim_real.openat(dir, path, flags);
	if (ours && !creates && ret >= 0)
		ufi_pagemap_opened(ret, path);
	if (!ours || creates || (ret < 0 && !uf_backend_refused(-errno)))
		return ret;
	if (strcmp(path, CREATE_DEVICE))
		return ret;
	return (int)ufi_real_ret(create_device(ret < 0 ? -errno : ret, flags));
}

/* Only these have a mode. */
static bool create_has_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

SHIM_EXPORT int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (create_has_mode(flags))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return create_openat(dir, path, flags, mode);
}

SHIM_EXPORT int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (create_has_mode(flags))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return create_openat(AT_FDCWD, path, flags, mode);
}

/* One and the same where offsets have 64 bits. */
SHIM_EXPORT int openat64(int dir, const char *path, int flags, ...) SHIM_ALIAS("openat");
SHIM_EXPORT int open64(const char *path, int flags, ...) SHIM_ALIAS("open");

/* The fortified forms are for calls without a mode; one that needs it is an error of the program.
 */
SHIM_EXPORT int __openat_2(int dir, const char *path, int flags)
{
	if (create_has_mode(flags))
		__chk_fail();
	return create_openat(dir, path, flags, 0);
}

SHIM_EXPORT int __openat64_2(int dir, const char *path, int flags)
{
	return __openat_2(dir, path, flags);
}

SHIM_EXPORT int __open_2(const char *path, int flags)
{
	return __openat_2(AT_FDCWD, path, flags);
}

SHIM_EXPORT int __open64_2(const char *path, int flags)
{
	return __openat_2(AT_FDCWD, path, flags);
}
