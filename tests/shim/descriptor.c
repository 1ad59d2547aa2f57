/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can and cannot be done with the descriptor. */
#include "case.h"

#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

static void before_handshake(void)
{
	int uffd = uffd_open(0);
	struct pollfd fds = {.events = POLLIN};
	struct uffdio_range range = {0, 0};
	char buf[64];

	close(uffd);
	uffd = (int)syscall(SYS_userfaultfd, O_NONBLOCK);
	CHECK(uffd >= 0);
	CHECK_ERR(read(uffd, buf, sizeof(buf)), EINVAL);
	CHECK_ERR(ioctl(uffd, UFFDIO_WAKE, &range), EINVAL);
	CHECK_ERR(ioctl(uffd, UFFDIO_COPY, NULL), EINVAL);
	fds.fd = uffd;
	CHECK(poll(&fds, 1, -1) == 1 && fds.revents == POLLERR);
	CHECK_ERR(ioctl(uffd, UFFDIO_API, NULL), EFAULT);
}

static void wrong_calls(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	struct uffdio_range range = {0, 0};
	char buf[64];

	CHECK_ERR(write(uffd, buf, sizeof(buf)), EBADF);
	CHECK_ERR(pwrite(uffd, buf, 1, 0), ESPIPE);
	CHECK_ERR(pread(uffd, buf, sizeof(buf), 0), ESPIPE);
	CHECK_ERR(pread(uffd, buf, sizeof(buf), -5), EINVAL);
	CHECK(lseek(uffd, 10, SEEK_SET) == 0);
	CHECK_ERR(lseek(uffd, 10, 77), EINVAL);
	CHECK_ERR(mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, uffd, 0), EACCES);
	CHECK_ERR(mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, uffd, 0), ENODEV);
	CHECK_ERR(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, uffd, 0), EINVAL);
	CHECK(mmap(NULL, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, uffd, 0) != MAP_FAILED);
	CHECK_ERR(ioctl(uffd, 0x1234, buf), EINVAL);
	CHECK_ERR(ioctl(uffd, UFFDIO_WAKE, &range), EINVAL);
	CHECK_ERR(ioctl(uffd, UFFDIO_WAKE, NULL), EFAULT);
	CHECK_ERR(ioctl(uffd, UFFDIO_REGISTER, NULL), EFAULT);
	CHECK(close(uffd) == 0);
	CHECK_ERR(ioctl(uffd, UFFDIO_WAKE, &range), EBADF);
	CHECK_ERR(read(uffd, buf, sizeof(buf)), EBADF);
	CHECK_ERR(close(uffd), EBADF);
}

/* Sizes that the compiler must not know, as it would warn. */
static volatile size_t no_bytes = 0;
static volatile int bad_count = -1;
static const struct iovec *volatile no_segments;

static void reading(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char buf[96];
	struct iovec one = {buf, 64};
	struct iovec split[2] = {{buf, 16}, {buf + 16, 15}};

	CHECK_ERR(read(uffd, buf, sizeof(buf)), EAGAIN);
	CHECK_ERR(read(uffd, buf, 31), EINVAL);
	CHECK_ERR(read(uffd, buf, no_bytes), EINVAL);
	CHECK(readv(uffd, &one, 0) == 0);
	CHECK_ERR(readv(uffd, &one, bad_count), EINVAL);
	CHECK_ERR(readv(uffd, no_segments, 1), EFAULT);
	CHECK_ERR(readv(uffd, split, 2), EINVAL);
	split[1].iov_len = 16;
	CHECK_ERR(readv(uffd, split, 2), EAGAIN);
	CHECK(fcntl(uffd, F_SETFL, 0) == 0);
	CHECK_ERR(preadv2(uffd, &one, 1, -1, 8 /* RWF_NOWAIT */), EAGAIN);
	CHECK_ERR(preadv2(uffd, &one, 1, 0, 0), ESPIPE);
	CHECK_ERR(preadv2(uffd, &one, 1, -1, 0x8000), EOPNOTSUPP);
}

static void nonblock_toggles(void)
{
	int uffd = uffd_open(0);
	int on = 1;
	char buf[32];

	CHECK(ioctl(uffd, FIONBIO, &on) == 0);
	CHECK(fcntl(uffd, F_GETFL) == O_NONBLOCK);
	CHECK_ERR(read(uffd, buf, sizeof(buf)), EAGAIN);
	CHECK(ioctl(uffd, FIOCLEX) == 0 && fcntl(uffd, F_GETFD) == FD_CLOEXEC);
	CHECK_ERR(ioctl(uffd, FIOASYNC, &on), ENOTTY);
}

/* A blocking userfaultfd is an error to poll, whatever is asked. */
static void blocking_is_error(void)
{
	int uffd = uffd_open(0);
	struct pollfd fds[2] = {{-1, POLLIN, 77}, {uffd, POLLIN | POLLOUT, 0}};
	struct timeval tv = {10, 0};
	fd_set r;
	fd_set w;
	fd_set x;

	CHECK(poll(fds, 2, -1) == 1 && fds[1].revents == POLLERR && fds[0].revents == 0);
	fds[1].events = 0;
	CHECK(ppoll(fds, 2, NULL, NULL) == 1 && fds[1].revents == POLLERR);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(uffd, &r);
	FD_SET(uffd, &w);
	FD_SET(uffd, &x);
	CHECK(select(uffd + 1, &r, &w, &x, &tv) == 2);
	CHECK(FD_ISSET(uffd, &r) && FD_ISSET(uffd, &w) && !FD_ISSET(uffd, &x));
	CHECK(fcntl(uffd, F_SETFL, O_NONBLOCK) == 0);
	tv = (struct timeval){0, 1000};
	CHECK(select(uffd + 1, &r, &w, NULL, &tv) == 0);
	CHECK(!FD_ISSET(uffd, &r) && !FD_ISSET(uffd, &w));
	fds[1].events = POLLIN | POLLOUT;
	CHECK(poll(fds, 2, 1) == 0 && fds[1].revents == 0);
}

/* More descriptors than the usual few, ours at the end. */
static void poll_many(void)
{
	enum { MANY = 700 };
	int uffd = uffd_open(O_NONBLOCK);
	struct pollfd *fds = calloc(MANY, sizeof(*fds));

	CHECK(fds);
	for (int i = 0; i < MANY; i++)
		fds[i] = (struct pollfd){-1, POLLIN, 1};
	fds[MANY - 1].fd = uffd;
	CHECK(poll(fds, MANY, 0) == 0 && fds[0].revents == 0 && fds[MANY - 1].revents == 0);
	CHECK(fcntl(uffd, F_SETFL, 0) == 0);
	CHECK(poll(fds, MANY, -1) == 1 && fds[MANY - 1].revents == POLLERR);
	free(fds);
}

/* Each kind of duplicate serves, until the last one is closed. */
static void duplicates(void)
{
	int first = uffd_open(O_NONBLOCK);
	int copy[5] = {dup(first), dup2(first, 200), dup3(first, 201, O_CLOEXEC),
		       fcntl(first, F_DUPFD, 300), fcntl(first, F_DUPFD_CLOEXEC, 300)};
	char *memory = uffd_memory(first, 8);
	struct monitor m;

	CHECK(copy[1] == 200 && copy[2] == 201 && copy[3] >= 300 && copy[4] > copy[3]);
	CHECK(fcntl(copy[2], F_GETFD) == FD_CLOEXEC && fcntl(copy[4], F_GETFD) == FD_CLOEXEC);
	CHECK(dup2(copy[1], copy[1]) == copy[1]);
	CHECK(close(first) == 0);
	for (int i = 0; i < 5; i++) {
		CHECK(fcntl(copy[i], F_GETFL) == O_NONBLOCK);
		monitor_start(&m, copy[i], memory, WAY_POLL);
		CHECK(memory[(size_t)i * page_size] == 'a' + i);
		monitor_stop(&m);
		CHECK(close(copy[i]) == 0);
	}
	/* Nobody serves it any more: it is ordinary memory. */
	CHECK(memory[7 * page_size] == 0);
}

/* What takes a number over, or refuses to. */
static void dup_over(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 1);
	int zero = open("/dev/zero", O_RDONLY);
	char buf[40] = "x";

	CHECK_ERR(dup2(-1, uffd), EBADF);
	CHECK_ERR(read(uffd, buf, sizeof(buf)), EAGAIN);
	CHECK_ERR(dup3(zero, zero, 0), EINVAL);
	CHECK(zero >= 0 && dup2(zero, uffd) == uffd);
	CHECK(read(uffd, buf, 1) == 1 && buf[0] == 0);
	/* That was its last descriptor. */
	CHECK(memory[0] == 0);
}

static void closes_all(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 2);
	struct monitor m;

	CHECK(uffd >= 3);
	CHECK(close_range(3, ~0u, 0) == 0);
	CHECK_ERR(ioctl(uffd, UFFDIO_API, NULL), EBADF);
	CHECK(memory[0] == 0);

	uffd = uffd_open(O_NONBLOCK);
	closefrom(3);
	CHECK_ERR(fcntl(uffd, F_GETFL), EBADF);

	for (int fd = 3; fd < 2000; fd++)
		close(fd);
	uffd = uffd_open(O_NONBLOCK);
	memory = uffd_memory(uffd, 2);
	for (int fd = 3; fd < 2000; fd++) {
		if (fd != uffd)
			close(fd);
	}
	/* A program must not have cut off what is not its own. */
	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(memory[page_size] == 'b');
	monitor_stop(&m);
}

static void *close_later(void *arg)
{
	usleep(50000);
	CHECK(close(*(int *)arg) == 0);
	return NULL;
}

/* Closing under a fault lets it go on, on ordinary memory. */
static void close_elsewhere(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 1);
	pthread_t closer;

	CHECK(pthread_create(&closer, NULL, close_later, &uffd) == 0);
	CHECK(memory[0] == 0);
	CHECK(pthread_join(closer, NULL) == 0);
}

static _Atomic int race_fd;
static _Atomic bool race_over;

static void *race_reader(void *arg)
{
	struct uffdio_range range = {0, 0};
	char buf[32];

	while (!race_over) {
		CHECK(read(race_fd, buf, sizeof(buf)) == -1);
		CHECK(errno == EAGAIN || errno == EBADF || errno == EINVAL);
		CHECK(ioctl(race_fd, UFFDIO_WAKE, &range) == -1);
		CHECK(errno == EINVAL || errno == EBADF || errno == ENOTTY);
	}
	return NULL;
}

/*
 * A number that is closed and taken again while others use it. They shall get
 * errors, not crash; for a moment what stands behind a userfaultfd may show.
 */
static void close_race(void)
{
	pthread_t reader[3];

	race_fd = uffd_open(O_NONBLOCK);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&reader[i], NULL, race_reader, NULL) == 0);
	for (int i = 0; i < 1000; i++) {
		int fd = race_fd;

		CHECK(close(fd) == 0);
		CHECK(uffd_open(O_NONBLOCK) == fd);
	}
	race_over = true;
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(reader[i], NULL) == 0);
}

const struct test_case descriptor_cases[] = {
	{"descriptor.before-handshake", before_handshake},
	{"descriptor.wrong-calls", wrong_calls},
	{"descriptor.reading", reading},
	{"descriptor.nonblock-toggles", nonblock_toggles},
	{"descriptor.blocking-is-error", blocking_is_error},
	{"descriptor.poll-many", poll_many},
	{"descriptor.duplicates", duplicates},
	{"descriptor.dup-over", dup_over},
	{"descriptor.closes-all", closes_all},
	{"descriptor.close-elsewhere", close_elsewhere},
	{"descriptor.close-race", close_race},
	{NULL, NULL},
};
