/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs as others write them: libc and <linux/userfaultfd.h>, nothing of
 * ours. Each case runs on the kernel and, where that is refused, under
 * `userfault run', and must find the same.
 */
#ifndef TESTS_SHIM_CASE_H
#define TESTS_SHIM_CASE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CASE_SKIP 77

/* In Debian 12's headers for the kernel it is not yet there. */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW 0xAA00
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* A check that does not hold ends the process: threads may be stuck in faults. */
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s (errno: %s)\n", __FILE__, __LINE__, #cond,      \
				strerror(errno));                                                  \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* EXPR fails with ERR. */
#define CHECK_ERR(expr, err)                                                                       \
	do {                                                                                       \
		long check_ret = (errno = 0, (long)(expr));                                        \
		int check_errno = errno;                                                           \
		if (check_ret != -1 || check_errno != (err)) {                                     \
			fprintf(stderr, "%s:%d: %s: %ld, errno %s, expected %s\n", __FILE__,       \
				__LINE__, #expr, check_ret, strerror(check_errno), strerror(err)); \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

struct test_case {
	const char *name;
	void (*run)(void);
};

/* One table per file; the last entry's name is NULL. */
extern const struct test_case create_cases[];
extern const struct test_case descriptor_cases[];
extern const struct test_case fault_cases[];
extern const struct test_case memory_cases[];
extern const struct test_case signal_cases[];
extern const struct test_case process_cases[];
extern const struct test_case pagemap_cases[];
extern const struct test_case socket_cases[];

/* --- main.c --- */
extern size_t page_size;
void skip(const char *why);

/* A userfaultfd with the handshake done. */
int uffd_open(int flags);
/* PAGES pages of missing memory, registered. */
char *uffd_memory(int uffd, size_t pages);
char *anon_memory(size_t pages, int prot);
void uffd_register(int uffd, void *addr, size_t len);
/* Fill a page with the byte: 0 or errno. */
int uffd_fill(int uffd, void *page, char byte);

/* How a monitor waits and reads. */
enum monitor_way {
	WAY_POLL,
	WAY_POLL_CHK,
	WAY_PPOLL,
	WAY_SELECT,
	WAY_PSELECT,
	WAY_EPOLL,
	WAY_BLOCK,
	WAY_READV,
	WAY_READ_CHK,
	WAY_SYSCALL,
};

/*
 * A thread that answers each fault with a page full of a byte: its number in
 * the memory, plus 'a'. It ends when stop is called.
 */
struct monitor {
	int uffd;
	char *memory;
	enum monitor_way way;
	int stop_pipe[2];
	_Atomic int faults;
	pthread_t thread;
};

void monitor_start(struct monitor *m, int uffd, char *memory, enum monitor_way way);
void monitor_stop(struct monitor *m);

#endif
