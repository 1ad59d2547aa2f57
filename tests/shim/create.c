/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a program comes by a userfaultfd, and what it then holds. */
#include "case.h"

int __open_2(const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

static void bad_flags(void)
{
	uffd_open(0);
	CHECK_ERR(syscall(SYS_userfaultfd, ~0), EINVAL);
	CHECK_ERR(syscall(SYS_userfaultfd, 2), EINVAL);
	CHECK_ERR(syscall(SYS_userfaultfd, O_CLOEXEC | O_APPEND), EINVAL);
	/* 32 bits are looked at. */
	CHECK(syscall(SYS_userfaultfd, 1L << 40) >= 0);
}

static void flags_show(void)
{
	int plain = uffd_open(0);
	int both = uffd_open(O_CLOEXEC | O_NONBLOCK);

	CHECK(fcntl(plain, F_GETFL) == O_RDONLY);
	CHECK(fcntl(plain, F_GETFD) == 0);
	CHECK(fcntl(both, F_GETFL) == (O_RDONLY | O_NONBLOCK));
	CHECK(fcntl(both, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(plain, F_SETFL, O_NONBLOCK) == 0);
	CHECK(fcntl(plain, F_GETFL) == O_NONBLOCK);
	CHECK(fcntl(both, F_SETFL, 0) == 0);
	CHECK(fcntl(both, F_GETFL) == 0);
}

static int device_open(int flags)
{
	int fd = open("/dev/userfaultfd", flags);

	if (fd < 0)
		skip("/dev/userfaultfd cannot be opened");
	return fd;
}

/* A userfaultfd that a device's ioctl made serves a fault. */
static void device_serves(int device)
{
	struct uffdio_api api = {.api = UFFD_API};
	int uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	struct monitor m;
	char *memory;

	CHECK(uffd >= 0);
	CHECK(fcntl(uffd, F_GETFD) == FD_CLOEXEC);
	CHECK(ioctl(uffd, UFFDIO_API, &api) == 0);
	memory = uffd_memory(uffd, 2);
	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(memory[page_size] == 'b');
	monitor_stop(&m);
	close(uffd);
}

static void device(void)
{
	int fd = device_open(O_RDWR | O_CLOEXEC);
	int copy;

	device_serves(fd);
	copy = dup(fd);
	CHECK(copy >= 0 && close(fd) == 0);
	device_serves(copy);
	close(copy);
	CHECK_ERR(fcntl(copy, F_GETFL), EBADF);
	fd = device_open(O_RDONLY);
	device_serves(fd);
	fd = openat(AT_FDCWD, "/dev/userfaultfd", O_RDONLY);
	CHECK(fd >= 0);
	device_serves(fd);
}

static void device_errors(void)
{
	int fd = device_open(O_RDWR);
	int reader = device_open(O_RDONLY);
	char buf[64];

	CHECK_ERR(ioctl(fd, USERFAULTFD_IOC_NEW, 2), EINVAL);
	CHECK_ERR(ioctl(fd, UFFDIO_API, buf), EINVAL);
	CHECK_ERR(ioctl(fd, 0x1234, 0), EINVAL);
	CHECK_ERR(read(fd, buf, sizeof(buf)), EINVAL);
	CHECK_ERR(pread(fd, buf, sizeof(buf), 0), EINVAL);
	CHECK_ERR(write(fd, buf, 1), EINVAL);
	CHECK_ERR(write(reader, buf, 1), EBADF);
	CHECK_ERR(mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, fd, 0), ENODEV);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
	CHECK((fcntl(reader, F_GETFL) & O_ACCMODE) == O_RDONLY);
	CHECK_ERR(open("/dev/userfaultfd", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

static void device_fortified(void)
{
	int fd = __open_2("/dev/userfaultfd", O_RDWR);

	if (fd < 0)
		skip("/dev/userfaultfd cannot be opened");
	device_serves(fd);
	fd = __openat64_2(AT_FDCWD, "/dev/userfaultfd", O_RDONLY);
	CHECK(fd >= 0);
	device_serves(fd);
	fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/userfaultfd", O_RDONLY, 0);
	CHECK(fd >= 0);
	device_serves(fd);
}

/* The neighbours of our path are nobody's business. */
static void other_files(void)
{
	char name[] = "/tmp/userfault-test-XXXXXX";
	void *nowhere = mmap(NULL, page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[4] = "";
	int fd;

	CHECK(nowhere != MAP_FAILED);
	CHECK_ERR(open(nowhere, O_RDONLY), EFAULT);
	CHECK_ERR(open("/dev/userfaultfd-not", O_RDONLY), ENOENT);
	fd = mkstemp(name);
	CHECK(fd >= 0);
	close(fd);
	CHECK(unlink(name) == 0);
	fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && unlink(name) == 0);
	CHECK(write(fd, "abc", 3) == 3 && pwrite(fd, "d", 1, 3) == 1);
	CHECK(lseek(fd, 1, SEEK_SET) == 1 && read(fd, buf, 2) == 2 && !memcmp(buf, "bc", 2));
	CHECK(pread(fd, buf, 2, 2) == 2 && !memcmp(buf, "cd", 2));
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
	CHECK_ERR(read(-1, buf, 1), EBADF);
	CHECK_ERR(ioctl(fd, TIOCGWINSZ, buf), ENOTTY);
}

const struct test_case create_cases[] = {
	{"create.bad-flags", bad_flags},
	{"create.flags-show", flags_show},
	{"create.device", device},
	{"create.device-errors", device_errors},
	{"create.device-fortified", device_fortified},
	{"create.other-files", other_files},
	{NULL, NULL},
};
