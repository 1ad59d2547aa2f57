/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec/handover.md, the manager's side: calls on a handle that was adopted from
 * an owner who answers what an input tells him to. Whatever he says, calls
 * return, nothing but what they are handed is written, nothing but what they are
 * about is told, and no descriptor is left or mistaken.
 *
 * The first byte is the owner's (impostor_open). Records with the highest bit in
 * their kind are his answers, the others are calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "impostor.h"
#include "userfault.h"

enum manager_record {
	MANAGER_READ,  /* messages */
	MANAGER_COPY,  /* pages, where */
	MANAGER_RANGE, /* which call */
	MANAGER_IOCTL, /* which, where its argument is, its numbers */
	MANAGER_POLL,
	MANAGER_AGAIN, /* close, and adopt once more */
	MANAGER_RECORDS,
};

#define MANAGER_ANSWER 0x80

#define MANAGER_CANARY 0x3c
#define MANAGER_SECRET 0xd7

/* Pages of our memory: those between are canaries. */
enum manager_page {
	MANAGER_SRC = 1,
	MANAGER_BUFFER = 33,
	MANAGER_BUFFER_END = 35,
	MANAGER_READONLY = 36,
	MANAGER_HOLE = 37,
	MANAGER_HIDDEN = 39,
	MANAGER_PAGES = 40,
};

#define MANAGER_MSGS 128

static struct {
	char *mem;
	size_t page;
	int fd; /* to adopt once more */
	struct uf *uf;
} manager;

static char *manager_addr(size_t page)
{
	return manager.mem + page * manager.page;
}

/* --- Memory --- */

static bool manager_is_canary(size_t page)
{
	return page < MANAGER_SRC || page == MANAGER_BUFFER - 1 || page == MANAGER_BUFFER_END ||
	       page == MANAGER_READONLY || page == MANAGER_HOLE + 1;
}

static void manager_map(void)
{
	manager.page = (size_t)sysconf(_SC_PAGESIZE);
	manager.mem = mmap(NULL, MANAGER_PAGES * manager.page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FUZZ_CHECK(manager.mem != MAP_FAILED);
	memset(manager.mem, MANAGER_CANARY, MANAGER_PAGES * manager.page);
	memset(manager_addr(MANAGER_HIDDEN), MANAGER_SECRET, manager.page);
	FUZZ_CHECK(mprotect(manager_addr(MANAGER_READONLY), manager.page, PROT_READ) == 0);
	/* Not a hole in earnest: the library could have its own memory there. */
	FUZZ_CHECK(mprotect(manager_addr(MANAGER_HOLE), manager.page, PROT_NONE) == 0);
}

static bool manager_is_kept(const char *at, size_t len)
{
	return !len || (*at == MANAGER_CANARY && !memcmp(at, at + 1, len - 1));
}

/* But for LEN bytes at AT nothing of the buffer was written. */
static void manager_check(const char *at, size_t len)
{
	const char *from = manager_addr(MANAGER_BUFFER);
	const char *to = manager_addr(MANAGER_BUFFER_END);

	FUZZ_CHECK(manager_is_kept(from, (size_t)(at - from)));
	FUZZ_CHECK(manager_is_kept(at + len, (size_t)(to - at) - len));
	for (size_t i = 0; i < MANAGER_PAGES; i++)
		FUZZ_CHECK(!manager_is_canary(i) || manager_is_kept(manager_addr(i), manager.page));
	memset(manager_addr(MANAGER_BUFFER), MANAGER_CANARY, (size_t)(to - from));
}

/* --- Calls --- */

/* Descriptors that came with messages are new ones, and are ours now. */
static void manager_check_forks(struct uf_msg *msg, ssize_t n, const uint8_t *before)
{
	for (ssize_t i = 0; i < n; i++) {
		uint32_t fd = msg[i].arg.fork.ufd;

		if (msg[i].event != UF_EVENT_FORK)
			continue;
		FUZZ_CHECK(fd < FUZZ_FD_MAX && !before[fd] && fcntl((int)fd, F_GETFD) >= 0);
		FUZZ_CHECK(close((int)fd) == 0);
	}
}

static void manager_read(struct fuzz_input *in)
{
	size_t n = fuzz_u8(in) % (MANAGER_MSGS + 1);
	char *at = manager_addr(MANAGER_BUFFER_END) - n * sizeof(struct uf_msg);
	uint8_t before[FUZZ_FD_MAX];
	ssize_t got;

	impostor_settle(before);
	got = uf_read(manager.uf, (struct uf_msg *)(void *)at, n);
	FUZZ_CHECK(got <= (ssize_t)n && got > -4096 && got != 0);
	if (got > 0)
		manager_check_forks((struct uf_msg *)(void *)at, got, before);
	/* Of an answer that is wrong something may have been written. */
	manager_check(at, n * sizeof(struct uf_msg));
}

static void manager_copy(struct fuzz_input *in)
{
	size_t len = fuzz_u8(in) % 34 * manager.page;
	size_t done = 4711;
	int err = uf_copy(manager.uf, manager.mem, manager_addr(MANAGER_SRC), len, 0, &done);

	FUZZ_CHECK(err <= 0 && err > -4096);
	FUZZ_CHECK(done <= len);
}

static void manager_range(struct fuzz_input *in)
{
	void *at = manager_addr(MANAGER_SRC);
	size_t len = 2 * manager.page;
	uint64_t ioctls;
	size_t done = 0;

	switch (fuzz_u8(in) % 10) {
	case 0:
		(void)!uf_api(manager.uf, 0, &ioctls, &ioctls);
		return;
	case 1:
		(void)!uf_register(manager.uf, at, len, UF_REGISTER_MODE_MISSING, &ioctls);
		return;
	case 2:
		(void)!uf_unregister(manager.uf, at, len);
		return;
	case 3:
		(void)!uf_wake(manager.uf, at, len);
		return;
	case 4:
		(void)!uf_zeropage(manager.uf, at, len, 0, &done);
		break;
	case 5:
		(void)!uf_continue(manager.uf, at, len, 0, &done);
		break;
	case 6:
		(void)!uf_poison(manager.uf, at, len, 0, &done);
		break;
	case 7:
		(void)!uf_writeprotect(manager.uf, at, len, UF_WRITEPROTECT_MODE_WP);
		return;
	case 8:
		(void)!uf_rwprotect(manager.uf, at, len, UF_RWPROTECT_MODE_RWP);
		return;
	case 9:
		(void)!uf_set_mode(manager.uf, UF_FEATURE_RWP_ASYNC, 0);
		return;
	}
	FUZZ_CHECK(done <= len);
}

/* Bytes of the argument: what lies beyond it is nobody's business. */
static size_t manager_arg_len(unsigned long request)
{
	return request >> 16 & 0x3fff;
}

/* An ioctl that tells bytes done tells no more than there were, or nothing. */
static bool manager_adds_up(uint32_t request, const uint64_t *before, const uint64_t *after)
{
	bool copy = request == UF_IOC_COPY;
	size_t len = copy ? 2 : 1;
	size_t done = copy ? 4 : 3;

	if (!copy && request != UF_IOC_ZEROPAGE && request != UF_IOC_CONTINUE &&
	    request != UF_IOC_POISON)
		return true;
	return after[done] == before[done] || (int64_t)after[done] <= 0 ||
	       after[done] <= before[len];
}

static void manager_ioctl(struct fuzz_input *in)
{
	static const uint32_t ioctls[] = {UF_IOC_API,	   UF_IOC_REGISTER,  UF_IOC_UNREGISTER,
					  UF_IOC_WAKE,	   UF_IOC_COPY,	     UF_IOC_ZEROPAGE,
					  UF_IOC_CONTINUE, UF_IOC_POISON,    UF_IOC_WRITEPROTECT,
					  UF_IOC_MOVE,	   UF_IOC_RWPROTECT, UF_IOC_SET_MODE};
	uint32_t request = ioctls[fuzz_u8(in) % (sizeof(ioctls) / sizeof(ioctls[0]))];
	uint8_t where = fuzz_u8(in) % 5;
	size_t len = manager_arg_len(request);
	char *at = manager_addr(MANAGER_BUFFER_END) - len;
	uint64_t before[12] = {0};
	int ret;

	FUZZ_CHECK(len <= sizeof(before));
	for (size_t i = 0; i < len / 8; i++) {
		uint8_t byte = fuzz_u8(in);
		uint64_t value = byte & 1 ? (uintptr_t)manager_addr((byte >> 1) % MANAGER_HIDDEN)
					  : (byte >> 1) * manager.page;

		memcpy(at + 8 * i, &value, sizeof(value));
	}
	memcpy(before, at, len);
	ret = uf_ioctl(manager.uf, request,
		       where == 1   ? NULL
		       : where == 2 ? manager_addr(MANAGER_READONLY)
		       : where == 3 ? manager_addr(MANAGER_HOLE)
		       : where == 4 ? manager_addr(MANAGER_HOLE) - 16
				    : at);
	FUZZ_CHECK(ret <= 0 && ret > -4096);
	FUZZ_CHECK(manager_adds_up(request, before, (const uint64_t *)(const void *)at));
	manager_check(at, len);
}

static bool manager_adopt(void)
{
	int fd = fcntl(manager.fd, F_DUPFD_CLOEXEC, 0);
	int err;

	FUZZ_CHECK(fd >= 0);
	err = uf_adopt(fd, NULL, &manager.uf);
	FUZZ_CHECK(err <= 0 && err > -4096);
	if (err)
		close(fd);
	return !err;
}

/* False: there is no handle any more. */
static bool manager_do(struct fuzz_record *record)
{
	struct fuzz_input *in = &record->body;

	switch (record->kind % MANAGER_RECORDS) {
	case MANAGER_READ:
		manager_read(in);
		break;
	case MANAGER_COPY:
		manager_copy(in);
		break;
	case MANAGER_RANGE:
		manager_range(in);
		break;
	case MANAGER_IOCTL:
		manager_ioctl(in);
		break;
	case MANAGER_POLL:
		FUZZ_CHECK(!(uf_poll(manager.uf) & ~(POLLIN | POLLERR)));
		break;
	case MANAGER_AGAIN:
		uf_close(manager.uf);
		return manager_adopt();
	}
	return true;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	manager_map();
	impostor_start((struct impostor_secret){manager_addr(MANAGER_HIDDEN), 256});
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct fuzz_input calls;
	struct fuzz_input config = in;
	struct fuzz_record record;
	int fds = fuzz_count_fds();
	bool open;

	(void)fuzz_u8(&in);
	calls = in;
	while (fuzz_next(&in, &record))
		if (record.kind & MANAGER_ANSWER)
			impostor_learn(&record);
	manager.fd = impostor_open(&config);
	open = manager_adopt();
	while (open && fuzz_next(&calls, &record))
		if (!(record.kind & MANAGER_ANSWER))
			open = manager_do(&record);
	if (open)
		uf_close(manager.uf);
	close(manager.fd);
	impostor_end();
	manager_check(manager_addr(MANAGER_BUFFER), 0);
	fuzz_fds_are(fds);
	return 0;
}
