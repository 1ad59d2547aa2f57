/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the owner that hostile answers come from: its lines, and what it says on them. */
#include "impostor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "userfault.h"

#define IMPOSTOR_LINES 24
#define IMPOSTOR_RECORDS 256

/* What a record says, beside what is turned over in the right answer. */
enum impostor_flags {
	IMPOSTOR_LENGTH = 1, /* so many bytes */
	IMPOSTOR_LONG = 2,   /* times 32 */
	IMPOSTOR_FDS = 4,    /* descriptors, each of a kind */
	IMPOSTOR_TWICE = 8,
	IMPOSTOR_RING = 16, /* something comes by the descriptor, too */
	IMPOSTOR_CUT = 32,  /* and hangs up */
	IMPOSTOR_MUTE = 64, /* says nothing */
	IMPOSTOR_DIE = 128, /* and hangs up everywhere */
};

struct impostor_answer {
	uint8_t bytes[8192];
	size_t len;
	struct message_fds fds;
	uint8_t flags;
};

static struct {
	struct impostor_secret secret;
	size_t page;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_cond_t idle;
	bool running;
	int stop;	      /* an eventfd */
	int evil;	      /* a file whose begin is an argument that asks for the secret */
	pthread_mutex_t work; /* held while it does something */

	struct fuzz_record record[IMPOSTOR_RECORDS];
	size_t records;
	size_t next;

	/* Of one input. */
	int ring;
	int line[IMPOSTOR_LINES];
	uint64_t window;
	uint32_t ready;
} impostor = {.lock = PTHREAD_MUTEX_INITIALIZER,
	      .work = PTHREAD_MUTEX_INITIALIZER,
	      .more = PTHREAD_COND_INITIALIZER,
	      .idle = PTHREAD_COND_INITIALIZER};

/* --- Descriptors --- */

static int impostor_reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static int impostor_memfd(bool sealed)
{
	int fd = memfd_create("impostor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	FUZZ_CHECK(fd >= 0);
	if (sealed) {
		FUZZ_CHECK(ftruncate(fd, (off_t)impostor.window) == 0);
		FUZZ_CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	}
	return fd;
}

static int impostor_make_fd(uint8_t kind)
{
	int pair[2];

	switch (kind % 8) {
	case 0:
		return impostor_memfd(true);
	case 1:
		return impostor_memfd(false);
	case 2:
		FUZZ_CHECK(pipe2(pair, O_CLOEXEC) == 0);
		break;
	case 3:
		fuzz_pair(SOCK_SEQPACKET, pair);
		break;
	case 4:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case 5:
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	case 6:
		return impostor_reopen(impostor.evil, O_RDWR | O_APPEND);
	default:
		return impostor_reopen(impostor.evil, O_RDWR);
	}
	close(pair[0]);
	return pair[1];
}

static void impostor_add_fd(struct impostor_answer *a, uint8_t kind)
{
	int fd = impostor_make_fd(kind);

	if (fd >= 0)
		a->fds.fd[a->fds.n++] = fd;
}

/* --- What an owner would say --- */

static void impostor_put(struct impostor_answer *a, const void *bytes, size_t len)
{
	memcpy(a->bytes + a->len, bytes, len);
	a->len += len;
}

static void impostor_put_u32(struct impostor_answer *a, uint32_t value)
{
	impostor_put(a, &value, sizeof(value));
}

static void impostor_put_u64(struct impostor_answer *a, uint64_t value)
{
	impostor_put(a, &value, sizeof(value));
}

static void impostor_head(struct impostor_answer *a, int ret, uint32_t flags)
{
	impostor_put_u32(a, (uint32_t)ret);
	impostor_put_u32(a, flags | impostor.ready);
	impostor_put_u64(a, 0);
}

static void impostor_welcome(struct impostor_answer *a, unsigned int way)
{
	impostor_put(a, "uffh\1\0\0\0", 8);
	impostor_put_u32(a, way == 3 ? (uint32_t)-EBUSY : 0);
	impostor_put_u32(a, impostor.ready);
	impostor_put_u64(a, impostor.page);
	impostor_put_u64(a, UINT64_C(1) << 47);
	impostor_put_u64(a, impostor.window);
}

static void impostor_messages(struct impostor_answer *a, uint32_t n, unsigned int way)
{
	struct uf_msg msg = {.event = way == 2 ? UF_EVENT_FORK : UF_EVENT_PAGEFAULT};

	n = way == 0 && n > 2 ? 2 : way == 2 ? 1 : n;
	if (way == 1) {
		impostor_head(a, -EAGAIN, 0);
		return;
	}
	impostor_head(a, (int)(n * sizeof(msg)), way == 2 ? 2 : 0);
	for (uint32_t i = 0; i < n && i < 64; i++)
		impostor_put(a, &msg, sizeof(msg));
	if (way == 2)
		impostor_add_fd(a, 5);
}

static void impostor_ioctl(struct impostor_answer *a, const uint32_t *request, unsigned int way)
{
	uint64_t len = ((const uint64_t *)(const void *)request)[way == 2 ? 0 : 3];

	if (request[1] == UF_IOC_COPY)
		len = request[3];
	impostor_head(a, way == 0 ? 0 : way == 2 ? -EAGAIN : -EEXIST, 0);
	if (way == 2 && len > impostor.page)
		len = impostor.page;
	if (request[1] == UF_IOC_API)
		impostor_put_u64(a, UF_UAPI_API);
	if (request[1] == UF_IOC_API)
		impostor_put_u64(a, 0);
	if (way != 3)
		impostor_put_u64(a, way == 1 ? (uint64_t)-EEXIST : len);
}

static void impostor_reply(struct impostor_answer *a, const uint32_t *request, unsigned int way)
{
	static const int bits[] = {0, POLLIN, POLLERR, 4711};

	switch (request[0]) {
	case 1:
		impostor_ioctl(a, request, way);
		break;
	case 2:
		impostor_messages(a, request[3], way);
		break;
	case 3:
		impostor_head(a, bits[way], 0);
		break;
	case 4:
		impostor_head(a, way == 3 ? -ENOMEM : 0, 0);
		if (way < 3)
			impostor_add_fd(a, way == 0 ? 0 : 5 + (uint8_t)way);
		break;
	}
}

/* --- What this one says --- */

static void impostor_twist(struct impostor_answer *a, struct fuzz_input *in)
{
	a->flags = fuzz_u8(in);
	if (a->flags & IMPOSTOR_LENGTH)
		a->len = fuzz_u8(in) * (a->flags & IMPOSTOR_LONG ? 32U : 1);
	if (a->flags & IMPOSTOR_FDS) {
		message_close(&a->fds);
		for (int n = fuzz_u8(in) % (MESSAGE_FDS + 1); n; n--)
			impostor_add_fd(a, fuzz_u8(in));
	}
	if (a->len)
		fuzz_mutate(in, a->bytes, a->len);
}

static void impostor_hang_up(int i)
{
	if (impostor.line[i] >= 0)
		close(impostor.line[i]);
	impostor.line[i] = -1;
}

static void impostor_die(void)
{
	for (int i = 0; i < IMPOSTOR_LINES; i++)
		impostor_hang_up(i);
	if (impostor.ring >= 0)
		close(impostor.ring);
	impostor.ring = -1;
}

static void impostor_say(int i, struct impostor_answer *a)
{
	struct timespec nap = {0, 500000};

	if (a->flags & IMPOSTOR_RING)
		(void)!message_send(impostor.ring, a->bytes, 1, NULL, MSG_DONTWAIT);
	for (int n = a->flags & IMPOSTOR_TWICE ? 2 : 1; n && !(a->flags & IMPOSTOR_MUTE); n--)
		(void)!message_send(impostor.line[i], a->bytes, a->len, &a->fds, MSG_DONTWAIT);
	message_close(&a->fds);
	/* Who says nothing at all is waited for as long as he lives. */
	if (a->flags & IMPOSTOR_MUTE)
		nanosleep(&nap, NULL);
	if (a->flags & (IMPOSTOR_CUT | IMPOSTOR_MUTE))
		impostor_hang_up(i);
	if (a->flags & IMPOSTOR_DIE)
		impostor_die();
}

/* REQUEST: NULL for a HELLO. */
static void impostor_answer(int i, const uint32_t *request)
{
	struct fuzz_record none = {.kind = 0};
	struct fuzz_record *record = &none;
	struct impostor_answer a = {.len = 0};

	if (impostor.next < impostor.records)
		record = &impostor.record[impostor.next++];
	if (request)
		impostor_reply(&a, request, record->kind & 3);
	else
		impostor_welcome(&a, record->kind & 3);
	impostor_twist(&a, &record->body);
	impostor_say(i, &a);
}

/* --- The thread --- */

static void impostor_announced(void)
{
	struct message_fds fds;
	uint8_t hello[16];
	int i = 0;

	FUZZ_CHECK(fuzz_recv(impostor.ring, hello, sizeof(hello), &fds) == sizeof(hello));
	FUZZ_CHECK(fds.n == 2);
	while (i < IMPOSTOR_LINES && impostor.line[i] >= 0)
		i++;
	close(fds.fd[1]);
	if (i == IMPOSTOR_LINES) {
		close(fds.fd[0]);
		return;
	}
	impostor.line[i] = fds.fd[0];
	impostor_answer(i, NULL);
}

static void impostor_asked(int i)
{
	uint32_t request[16];
	struct message_fds fds;
	long n = fuzz_recv(impostor.line[i], request, sizeof(request), &fds);

	FUZZ_CHECK(fds.n == 0);
	FUZZ_CHECK(n == sizeof(request) || n == 0 || n == -ECONNRESET);
	if (n == sizeof(request) && request[0] != 5)
		impostor_answer(i, request);
	else
		impostor_hang_up(i);
}

static bool impostor_turn(const struct pollfd *p)
{
	for (int i = 0; i < IMPOSTOR_LINES; i++)
		if (p[i].revents && impostor.line[i] == p[i].fd)
			impostor_asked(i);
	if (p[IMPOSTOR_LINES].revents && impostor.ring >= 0)
		impostor_announced();
	return !p[IMPOSTOR_LINES + 1].revents;
}

/* Until it shall stop. */
static void impostor_serve(void)
{
	struct pollfd p[IMPOSTOR_LINES + 2];
	uint64_t count;
	bool more = true;
	int n;

	while (more) {
		for (int i = 0; i < IMPOSTOR_LINES; i++)
			p[i] = (struct pollfd){impostor.line[i], POLLIN, 0};
		p[IMPOSTOR_LINES] = (struct pollfd){impostor.ring, POLLIN, 0};
		p[IMPOSTOR_LINES + 1] = (struct pollfd){impostor.stop, POLLIN, 0};
		n = poll(p, IMPOSTOR_LINES + 2, -1);
		FUZZ_CHECK(n > 0 || errno == EINTR);
		pthread_mutex_lock(&impostor.work);
		more = n < 0 || impostor_turn(p);
		pthread_mutex_unlock(&impostor.work);
	}
	FUZZ_CHECK(read(impostor.stop, &count, sizeof(count)) == sizeof(count));
	impostor_die();
}

static void *impostor_main(void *arg)
{
	pthread_mutex_lock(&impostor.lock);
	for (;;) {
		while (!impostor.running)
			pthread_cond_wait(&impostor.more, &impostor.lock);
		pthread_mutex_unlock(&impostor.lock);
		impostor_serve();
		pthread_mutex_lock(&impostor.lock);
		impostor.running = false;
		pthread_cond_signal(&impostor.idle);
	}
	return NULL;
}

/* --- What the fuzzer asks for --- */

void impostor_start(struct impostor_secret secret)
{
	impostor.secret = secret;
	impostor.page = (size_t)sysconf(_SC_PAGESIZE);
	impostor.ring = -1;
	for (int i = 0; i < IMPOSTOR_LINES; i++)
		impostor.line[i] = -1;
	impostor.stop = eventfd(0, EFD_CLOEXEC);
	impostor.evil = memfd_create("evil", MFD_CLOEXEC);
	FUZZ_CHECK(impostor.stop >= 0 && impostor.evil >= 0);
	FUZZ_CHECK(pthread_create(&impostor.thread, NULL, impostor_main, NULL) == 0);
}

void impostor_learn(const struct fuzz_record *record)
{
	if (impostor.records < IMPOSTOR_RECORDS)
		impostor.record[impostor.records++] = *record;
}

static void impostor_lay_out(void)
{
	struct uf_io_copy evil = {.dst = impostor.page,
				  .src = (uintptr_t)impostor.secret.addr,
				  .len = impostor.page};

	FUZZ_CHECK(ftruncate(impostor.evil, 0) == 0);
	FUZZ_CHECK(pwrite(impostor.evil, &evil, sizeof(evil), 0) == sizeof(evil));
}

static void impostor_bind(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	static unsigned int serial;

	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "userfault-handover/%08x%08x",
		 (unsigned int)getpid(), ++serial);
	FUZZ_CHECK(bind(impostor.ring, (struct sockaddr *)&addr,
			offsetof(struct sockaddr_un, sun_path) + 36) == 0);
}

int impostor_open(struct fuzz_input *config)
{
	uint8_t byte = fuzz_u8(config);
	int pair[2];

	impostor.window = (uint64_t)(2 + (byte & 3) * 2) * impostor.page;
	impostor.ready = !(byte & 4);
	impostor.next = 0;
	impostor_lay_out();
	fuzz_pair(SOCK_DGRAM, pair);
	FUZZ_CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
	impostor.ring = pair[1];
	impostor_bind();
	pthread_mutex_lock(&impostor.lock);
	impostor.running = true;
	pthread_cond_signal(&impostor.more);
	pthread_mutex_unlock(&impostor.lock);
	return pair[0];
}

void impostor_settle(uint8_t open[FUZZ_FD_MAX])
{
	pthread_mutex_lock(&impostor.work);
	fuzz_list_fds(open);
	/* It may hang up, and others get these numbers. */
	for (int i = 0; i < IMPOSTOR_LINES; i++)
		if (impostor.line[i] >= 0)
			open[impostor.line[i]] = 0;
	if (impostor.ring >= 0)
		open[impostor.ring] = 0;
	pthread_mutex_unlock(&impostor.work);
}

static bool impostor_knows(void)
{
	uint8_t bytes[65536];
	ssize_t n = pread(impostor.evil, bytes, sizeof(bytes), 0);
	size_t len = impostor.secret.len;

	for (ssize_t i = 0; i + (ssize_t)len <= n; i++)
		if (!memcmp(bytes + i, impostor.secret.addr, len))
			return true;
	return false;
}

void impostor_end(void)
{
	uint64_t one = 1;

	FUZZ_CHECK(write(impostor.stop, &one, sizeof(one)) == sizeof(one));
	pthread_mutex_lock(&impostor.lock);
	while (impostor.running)
		pthread_cond_wait(&impostor.idle, &impostor.lock);
	pthread_mutex_unlock(&impostor.lock);
	impostor.records = 0;
	FUZZ_CHECK(!impostor_knows());
}
