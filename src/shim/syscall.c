/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns syscall(2): the only way to ask for a userfaultfd, and another way to
 * everything else. Numbers that are not ours pass with all six arguments.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/shim.h"

/* Older calls that some architectures never had: numbers that match nothing. */
#ifndef SYS_open
#define SYS_open (-1001)
#endif
#ifndef SYS_dup2
#define SYS_dup2 (-1002)
#endif
#ifndef SYS_poll
#define SYS_poll (-1003)
#endif
#ifndef SYS_select
#define SYS_select (-1004)
#endif
#ifndef SYS_fork
#define SYS_fork (-1005)
#endif

/* What the system call takes in place of pselect's last argument. */
struct syscall_mask {
	const sigset_t *mask;
	size_t len;
};

static void *syscall_ptr(long arg)
{
	return (void *)(uintptr_t)arg;
}

/* Calls that make, duplicate or close descriptors. True: answered in *RET as libc answers. */
static bool syscall_descriptor(long nr, const long a[6], long *ret)
{
	switch (nr) {
	case SYS_userfaultfd:
		*ret = ufi_real_ret(ufi_create((int)a[0]));
		return true;
	case SYS_open:
		*ret = open(syscall_ptr(a[0]), (int)a[1], (mode_t)a[2]);
		return true;
	case SYS_openat:
		*ret = openat((int)a[0], syscall_ptr(a[1]), (int)a[2], (mode_t)a[3]);
		return true;
	case SYS_close:
		*ret = close((int)a[0]);
		return true;
	case SYS_close_range:
		*ret = close_range((unsigned int)a[0], (unsigned int)a[1], (int)a[2]);
		return true;
	case SYS_dup:
		*ret = dup((int)a[0]);
		return true;
	case SYS_dup2:
		*ret = dup2((int)a[0], (int)a[1]);
		return true;
	case SYS_dup3:
		*ret = dup3((int)a[0], (int)a[1], (int)a[2]);
		return true;
	case SYS_fcntl:
		*ret = fcntl((int)a[0], (int)a[1], a[2]);
		return true;
	default:
		return false;
	}
}

static bool syscall_io(long nr, const long a[6], long *ret)
{
	switch (nr) {
	case SYS_ioctl:
		*ret = ioctl((int)a[0], (unsigned long)a[1], a[2]);
		return true;
	case SYS_read:
		*ret = read((int)a[0], syscall_ptr(a[1]), (size_t)a[2]);
		return true;
	case SYS_readv:
		*ret = readv((int)a[0], syscall_ptr(a[1]), (int)a[2]);
		return true;
	case SYS_pread64:
		*ret = pread64((int)a[0], syscall_ptr(a[1]), (size_t)a[2], a[3]);
		return true;
	case SYS_preadv2:
		*ret = preadv64v2((int)a[0], syscall_ptr(a[1]), (int)a[2], a[3], (int)a[5]);
		return true;
	case SYS_write:
		*ret = write((int)a[0], syscall_ptr(a[1]), (size_t)a[2]);
		return true;
	case SYS_writev:
		*ret = writev((int)a[0], syscall_ptr(a[1]), (int)a[2]);
		return true;
	case SYS_pwrite64:
		*ret = pwrite64((int)a[0], syscall_ptr(a[1]), (size_t)a[2], a[3]);
		return true;
	case SYS_lseek:
		*ret = lseek64((int)a[0], a[1], (int)a[2]);
		return true;
	default:
		return false;
	}
}

static bool syscall_wait(long nr, const long a[6], long *ret)
{
	const struct syscall_mask *mask = syscall_ptr(a[5]);

	switch (nr) {
	case SYS_poll:
		*ret = poll(syscall_ptr(a[0]), (nfds_t)a[1], (int)a[2]);
		return true;
	case SYS_ppoll:
		*ret = ppoll(syscall_ptr(a[0]), (nfds_t)a[1], syscall_ptr(a[2]), syscall_ptr(a[3]));
		return true;
	case SYS_select:
		*ret = select((int)a[0], syscall_ptr(a[1]), syscall_ptr(a[2]), syscall_ptr(a[3]),
			      syscall_ptr(a[4]));
		return true;
	case SYS_pselect6:
		*ret = pselect((int)a[0], syscall_ptr(a[1]), syscall_ptr(a[2]), syscall_ptr(a[3]),
			       syscall_ptr(a[4]), mask ? mask->mask : NULL);
		return true;
	case SYS_epoll_ctl:
		*ret = epoll_ctl((int)a[0], (int)a[1], (int)a[2], syscall_ptr(a[3]));
		return true;
	default:
		return false;
	}
}

static bool syscall_socket(long nr, const long a[6], long *ret)
{
	switch (nr) {
	case SYS_sendmsg:
		*ret = sendmsg((int)a[0], syscall_ptr(a[1]), (int)a[2]);
		return true;
	case SYS_sendmmsg:
		*ret = sendmmsg((int)a[0], syscall_ptr(a[1]), (unsigned int)a[2], (int)a[3]);
		return true;
	case SYS_recvmsg:
		*ret = recvmsg((int)a[0], syscall_ptr(a[1]), (int)a[2]);
		return true;
	case SYS_recvmmsg:
		*ret = recvmmsg((int)a[0], syscall_ptr(a[1]), (unsigned int)a[2], (int)a[3],
				syscall_ptr(a[4]));
		return true;
	default:
		return false;
	}
}

static bool syscall_vm(long nr, const long a[6], long *ret)
{
	switch (nr) {
	case SYS_mmap:
		*ret = (long)mmap64(syscall_ptr(a[0]), (size_t)a[1], (int)a[2], (int)a[3],
				    (int)a[4], a[5]);
		return true;
	case SYS_munmap:
		*ret = munmap(syscall_ptr(a[0]), (size_t)a[1]);
		return true;
	case SYS_mremap:
		*ret = (long)mremap(syscall_ptr(a[0]), (size_t)a[1], (size_t)a[2], (int)a[3],
				    syscall_ptr(a[4]));
		return true;
	case SYS_mprotect:
		*ret = mprotect(syscall_ptr(a[0]), (size_t)a[1], (int)a[2]);
		return true;
	case SYS_brk:
		*ret = ufi_host_brk(syscall_ptr(a[0]));
		return true;
	case SYS_madvise:
		*ret = madvise(syscall_ptr(a[0]), (size_t)a[1], (int)a[2]);
		return true;
	default:
		return false;
	}
}

/* Is this a fork behind libc's back, so that its handlers do not run? */
static bool syscall_forks(long nr, const long a[6])
{
	const uint64_t *clone3 = syscall_ptr(a[0]);

	switch (nr) {
	case SYS_fork:
		return true;
	case SYS_clone:
		return !(a[0] & CLONE_VM);
	case SYS_clone3:
		return !(clone3[0] & CLONE_VM);
	default:
		return false;
	}
}

SHIM_EXPORT long syscall(long nr, ...)
{
	long a[6];
	long ret;
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (syscall_descriptor(nr, a, &ret) || syscall_io(nr, a, &ret) ||
	    syscall_wait(nr, a, &ret) || syscall_socket(nr, a, &ret) || syscall_vm(nr, a, &ret))
		return ret;
	ret = UF_SYS6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (ret == 0 && syscall_forks(nr, a))
		ufi_table_forked();
	return ufi_real_ret(ret);
}
