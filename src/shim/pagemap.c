/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what a program reads from /proc/self/pagemap, or by whatever name it has
 * opened that of its own memory: what the kernel tells of registered memory shows
 * the engine's traps, and not what is protected. The descriptor is the kernel's,
 * with its position; only what is read from it passes through the engine.
 * Implements spec/scan.md.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "shim/shim.h"

#define PAGEMAP_NAME "pagemap"

/* Room for "/proc/self/fd/N", and for "/proc/N/task/N/pagemap". */
#define PAGEMAP_PATH 64

static char *pagemap_put_number(char *to, unsigned int value)
{
	char digits[16];
	int n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while ((value /= 10) != 0);
	while (n)
		*to++ = digits[--n];
	return to;
}

static bool pagemap_skip(const char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len))
		return false;
	*at += len;
	return true;
}

static long pagemap_skip_number(const char **at)
{
	long value = 0;

	if (**at < '0' || **at > '9')
		return -1;
	while (**at >= '0' && **at <= '9')
		value = value * 10 + (*(*at)++ - '0');
	return value;
}

/* "/proc/PID/pagemap", "/proc/PID/task/TID/pagemap" */
static bool pagemap_is_own(const char *name)
{
	if (!pagemap_skip(&name, "/proc/") || pagemap_skip_number(&name) != UF_SYS0(SYS_getpid))
		return false;
	if (pagemap_skip(&name, "/task/") && pagemap_skip_number(&name) < 0)
		return false;
	return !strcmp(name, "/" PAGEMAP_NAME);
}

/* Its name does not say whose it is: the kernel does. */
void ufi_pagemap_opened(int fd, const char *path)
{
	char link[PAGEMAP_PATH] = "/proc/self/fd/";
	char name[PAGEMAP_PATH];
	size_t len = strlen(path);
	long n;

	if (len < strlen(PAGEMAP_NAME) || strcmp(path + len - strlen(PAGEMAP_NAME), PAGEMAP_NAME))
		return;
	*pagemap_put_number(link + strlen(link), (unsigned int)fd) = '\0';
	n = UF_SYS4(SYS_readlinkat, AT_FDCWD, link, name, sizeof(name) - 1);
	if (n <= 0)
		return;
	name[n] = '\0';
	/* Without memory for an entry the program sees what the kernel tells. */
	if (pagemap_is_own(name) && ufi_table_mine())
		(void)!ufi_table_add_pagemap(fd);
}

bool ufi_pagemap_ours(int fd)
{
	struct shim_file *file = ufi_host_active() ? ufi_table_get_any(fd) : NULL;
	bool ours;

	if (!file)
		return false;
	ours = file->kind == SHIM_PAGEMAP && !atomic_load(&file->inherited);
	ufi_table_put(file);
	return ours;
}

static long pagemap_check(const struct iovec *iov, int niov)
{
	if (niov < 0 || niov > IOV_MAX)
		return -EINVAL;
	if (ufi_host_touch(iov, (size_t)niov * sizeof(*iov), false))
		return -EFAULT;
	for (int i = 0; i < niov; i++) {
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
	}
	return 0;
}

/* Two threads that read by the position at the same time may read the same. */
long ufi_pagemap_read(int fd, const struct iovec *iov, int niov, off_t offset)
{
	off_t at = offset;
	long done = 0;
	long n = pagemap_check(iov, niov);

	if (!n && offset == -1)
		n = at = UF_SYS3(SYS_lseek, fd, 0, SEEK_CUR);
	if (n < 0)
		return n;
	for (int i = 0; i < niov; i++) {
		n = ufi_host_pagemap(fd, iov[i].iov_base, iov[i].iov_len, at + done);
		done += n > 0 ? n : 0;
		if (n != (long)iov[i].iov_len)
			break;
	}
	if (offset == -1 && done)
		UF_SYS3(SYS_lseek, fd, at + done, SEEK_SET);
	return done ? done : n;
}
