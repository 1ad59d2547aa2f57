/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the coming and going of descriptor numbers: duplicates, and closing.
 * The engine has descriptors of its own that a program never opened; to the
 * program they are closed, and so they stay when it closes all there is.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shim/shim.h"

/*
 * The number NEW refers to what OLD is (NULL: nothing of ours) since a moment
 * ago. A process with descriptors of its own has changed its own only.
 */
static int dup_done(int new, struct shim_file *file)
{
	int err = 0;

	if (new >= 0 && ufi_table_any() && ufi_table_mine())
		err = ufi_table_set(new, file);
	if (err) {
		UF_SYS1(SYS_close, new);
		new = err;
	}
	if (file)
		ufi_table_put(file);
	return (int)ufi_real_ret(new);
}

SHIM_EXPORT int dup(int fd)
{
	if (ufi_host_owns_fd(fd))
		return (int)ufi_real_ret(-EBADF);
	return dup_done((int)UF_SYS1(SYS_dup, fd), ufi_table_get_any(fd));
}

/* Every descriptor of the engine would serve the program worse than none. */
static int dup_refuse(int old, int new)
{
	if (ufi_host_owns_fd(old))
		return -EBADF;
	return ufi_host_owns_fd(new) ? -EBUSY : 0;
}

SHIM_EXPORT int dup3(int old, int new, int flags)
{
	int err = dup_refuse(old, new);

	if (err)
		return (int)ufi_real_ret(err);
	return dup_done((int)UF_SYS3(SYS_dup3, old, new, flags), ufi_table_get_any(old));
}

SHIM_EXPORT int dup2(int old, int new)
{
	long ret;

	if (old != new)
		return dup3(old, new, 0);
	ret = ufi_host_owns_fd(old) ? -EBADF : UF_SYS2(SYS_fcntl, old, F_GETFD);
	return (int)ufi_real_ret(ret < 0 ? ret : new);
}

static int dup_fcntl(int fd, int cmd, unsigned long arg)
{
	struct shim_file *file;
	int ret;

	if (ufi_host_owns_fd(fd))
		return (int)ufi_real_ret(-EBADF);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return dup_done((int)UF_SYS3(SYS_fcntl, fd, cmd, arg), ufi_table_get_any(fd));
	ret = shim_real.fcntl(fd, cmd, arg);
	if (cmd != F_GETFL || ret < 0)
		return ret;
	file = ufi_table_get_any(fd);
	if (!file)
		return ret;
	/* Whatever stands in for it: a userfaultfd is open for reading, and nothing else. */
	if (file->kind == SHIM_UFFD)
		ret = O_RDONLY | (ret & (O_NONBLOCK | O_ASYNC | O_APPEND));
	ufi_table_put(file);
	return ret;
}

SHIM_EXPORT int fcntl(int fd, int cmd, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, cmd);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	return dup_fcntl(fd, cmd, arg);
}

SHIM_EXPORT int fcntl64(int fd, int cmd, ...) SHIM_ALIAS("fcntl");

static void dup_put(void *file)
{
	ufi_table_put(file);
}

/*
 * The entry goes before the number does: once closed, the number may be
 * another file's in no time. The file itself goes last, so that what stands
 * behind the number never shows that it has.
 */
SHIM_EXPORT int close(int fd)
{
	struct shim_file *file;
	int ret;

	if (ufi_host_owns_fd(fd))
		return (int)ufi_real_ret(-EBADF);
	file = ufi_table_get_any(fd);
	if (!file)
		return shim_real.close(fd);
	if (ufi_table_mine())
		(void)!ufi_table_set(fd, NULL);
	pthread_cleanup_push(dup_put, file);
	ret = shim_real.close(fd);
	pthread_cleanup_pop(1);
	return ret;
}

/* One past the highest number the engine could have. */
static unsigned int dup_limit(void)
{
	struct rlimit limit;

	if (UF_SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) < 0 ||
	    limit.rlim_max > UINT32_MAX)
		return 1u << 20;
	return (unsigned int)limit.rlim_max;
}

/* The system call on all of [first, last] that is not the engine's. */
static long dup_close_range(unsigned int first, unsigned int last, int flags)
{
	unsigned int limit = dup_limit();
	unsigned int from = first;
	long err = 0;

	for (unsigned int fd = first; fd < limit && fd <= last && !err; fd++) {
		if (!ufi_host_owns_fd((int)fd))
			continue;
		if (fd > from)
			err = UF_SYS3(SYS_close_range, from, fd - 1, flags);
		from = fd + 1;
	}
	if (!err && from <= last)
		err = UF_SYS3(SYS_close_range, from, last, flags);
	return err;
}

SHIM_EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	int fd = -1;

	if (first > last)
		return (int)ufi_real_ret(UF_SYS3(SYS_close_range, first, last, flags));
	/* With a flag nothing is closed yet, or only in a table made for this thread. */
	if (!flags && ufi_table_any() && ufi_table_mine())
		fd = ufi_table_next(first, last);
	for (; fd >= 0; fd = ufi_table_next((unsigned int)fd + 1, last))
		(void)!ufi_table_set(fd, NULL);
	return (int)ufi_real_ret(dup_close_range(first, last, flags));
}

/* Before Linux 5.9 there is only one way. */
SHIM_EXPORT void closefrom(int first)
{
	unsigned int from = first < 0 ? 0 : (unsigned int)first;
	int saved = errno;

	if (close_range(from, UINT32_MAX, 0) == 0)
		return;
	for (unsigned int fd = from; fd < dup_limit(); fd++)
		close((int)fd);
	errno = saved;
}
