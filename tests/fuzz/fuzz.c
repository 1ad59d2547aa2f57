/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what the fuzzers share: inputs, sockets, descriptors. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

/* --- Input --- */

uint8_t fuzz_u8(struct fuzz_input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

uint64_t fuzz_u64(struct fuzz_input *in)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value |= (uint64_t)fuzz_u8(in) << (8 * i);
	return value;
}

bool fuzz_next(struct fuzz_input *in, struct fuzz_record *record)
{
	size_t len;

	if (in->at == in->end)
		return false;
	record->kind = fuzz_u8(in);
	len = fuzz_u8(in);
	if (len > (size_t)(in->end - in->at))
		len = (size_t)(in->end - in->at);
	record->body = (struct fuzz_input){in->at, in->at + len};
	in->at += len;
	return true;
}

void fuzz_mutate(struct fuzz_input *in, uint8_t *bytes, size_t len)
{
	while (in->at < in->end) {
		size_t at = fuzz_u8(in) % len;

		bytes[at] ^= fuzz_u8(in);
	}
}

/* --- Sockets --- */

bool fuzz_wait(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;

	/* The fuzzer's engine has a timer that is a signal. */
	do
		n = poll(&p, 1, ms);
	while (n < 0 && errno == EINTR);
	FUZZ_CHECK(n >= 0);
	return n > 0;
}

long fuzz_recv(int sock, void *bytes, size_t len, struct message_fds *fds)
{
	FUZZ_CHECK(fuzz_wait(sock, FUZZ_BOUND_MS));
	return message_recv(sock, bytes, len, fds, MSG_DONTWAIT);
}

void fuzz_pair(int type, int pair[2])
{
	FUZZ_CHECK(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0);
}

void fuzz_list_fds(uint8_t open[FUZZ_FD_MAX])
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	FUZZ_CHECK(dir);
	memset(open, 0, FUZZ_FD_MAX);
	while ((entry = readdir(dir)) != NULL) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd != dirfd(dir) && fd < FUZZ_FD_MAX)
			open[fd] = 1;
	}
	closedir(dir);
}

int fuzz_count_fds(void)
{
	uint8_t open[FUZZ_FD_MAX];
	int n = 0;

	fuzz_list_fds(open);
	for (int i = 0; i < FUZZ_FD_MAX; i++)
		n += open[i];
	return n;
}

static void fuzz_show_fds(int want)
{
	fprintf(stderr, "%d descriptors, not %d:\n", fuzz_count_fds(), want);
	for (int fd = 0; fd < 1024; fd++) {
		char path[32];
		char target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) > 0)
			fprintf(stderr, "%d %s\n", fd, target);
	}
}

void fuzz_fds_are(int want)
{
	struct timespec ms = {0, 1000000};
	int left = FUZZ_BOUND_MS;

	while (fuzz_count_fds() != want && left--)
		nanosleep(&ms, NULL);
	if (fuzz_count_fds() != want)
		fuzz_show_fds(want);
	FUZZ_CHECK(fuzz_count_fds() == want);
}
