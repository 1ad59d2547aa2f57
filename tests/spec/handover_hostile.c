/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec/handover.md, as far as it is about bytes: a manager made by hand, that
 * says what is right, what is wrong, and anything at all. What a manager of
 * another version would send is written out here as bytes, on purpose.
 */
#include <dirent.h>
#include <poll.h>
#include <sys/un.h>

#include "handover.h"

#define HOSTILE_LIMIT 128

static long hostile_recv(int sock, void *bytes, size_t len, int *fd)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	struct message_fds fds;
	long n;

	CHECK_EQ(poll(&p, 1, 8000), 1);
	n = message_recv(sock, bytes, len, &fds, 0);
	*fd = fds.n ? fds.fd[0] : -1;
	return n;
}

void hostile_u32(unsigned char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

void hostile_u64(unsigned char *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

static uint32_t hostile_get32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t hostile_get64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Sends HELLO; the manager's end of the line. */
static int hostile_hello(int fd, uint32_t version)
{
	unsigned char hello[16] = {'u', 'f', 'f', 'h'};
	int pair[2];
	struct message_fds fds;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fds = (struct message_fds){{pair[1], fd}, 2};
	hostile_u32(hello + 4, version);
	CHECK_EQ(message_send(fd, hello, sizeof(hello), &fds, 0), sizeof(hello));
	close(pair[1]);
	return pair[0];
}

/* What WELCOME says about errors. */
static int hostile_welcome(int line)
{
	unsigned char welcome[64];
	int life;

	CHECK_EQ(hostile_recv(line, welcome, sizeof(welcome), &life), 40);
	CHECK(!memcmp(welcome, "uffh\1\0\0\0", 8));
	CHECK_EQ(hostile_get64(welcome + 16), sysconf(_SC_PAGESIZE));
	CHECK(hostile_get64(welcome + 24) > (UINT64_C(1) << 38));
	CHECK_EQ(hostile_get64(welcome + 32), 4 << 20);
	if (life >= 0)
		close(life);
	return (int)hostile_get32(welcome + 8);
}

static int hostile_line(int fd)
{
	int line = hostile_hello(fd, 1);

	CHECK_EQ(hostile_welcome(line), 0);
	return line;
}

struct hostile_request {
	unsigned char bytes[64];
};

static struct hostile_request hostile_request(uint32_t op, uint32_t request, uint32_t flags,
					      uint32_t n)
{
	struct hostile_request r = {{0}};

	hostile_u32(r.bytes, op);
	hostile_u32(r.bytes + 4, request);
	hostile_u32(r.bytes + 8, flags);
	hostile_u32(r.bytes + 12, n);
	return r;
}

static struct hostile_request hostile_copy(uint64_t dst, uint64_t src, uint64_t len, uint32_t n)
{
	struct hostile_request r = hostile_request(1, UF_IOC_COPY, 0, n);

	hostile_u64(r.bytes + 16, dst);
	hostile_u64(r.bytes + 24, src);
	hostile_u64(r.bytes + 32, len);
	return r;
}

/* The result; what comes with it must have WANT bytes. */
static int hostile_ask(int line, const struct hostile_request *r, size_t want, unsigned char *out)
{
	unsigned char answer[4096];
	int fd;

	CHECK_EQ(message_send(line, r->bytes, sizeof(r->bytes), NULL, 0), sizeof(r->bytes));
	CHECK_EQ(hostile_recv(line, answer, sizeof(answer), &fd), 16 + want);
	CHECK_EQ(hostile_get64(answer + 8), 0);
	CHECK_EQ(fd, -1);
	if (want)
		memcpy(out, answer + 16, want);
	return (int)hostile_get32(answer);
}

static int hostile_window(int line)
{
	struct hostile_request r = hostile_request(4, 0, 0, 0);
	unsigned char answer[64];
	int fd;

	CHECK_EQ(message_send(line, r.bytes, sizeof(r.bytes), NULL, 0), sizeof(r.bytes));
	CHECK_EQ(hostile_recv(line, answer, sizeof(answer), &fd), 16);
	CHECK_EQ(hostile_get32(answer), 0);
	CHECK(fd >= 0);
	return fd;
}

static bool hostile_ended(int line)
{
	unsigned char rest[4096];
	int fd;
	long n;

	do
		n = hostile_recv(line, rest, sizeof(rest), &fd);
	while (n > 0);
	return n == 0 || n == -ECONNRESET;
}

/* Another line does what it should. */
static void hostile_alive(struct uf *uf)
{
	struct hostile_request r = hostile_request(3, 0, 4, 0);
	int line = hostile_line(uf_fd(uf));

	CHECK_EQ(hostile_ask(line, &r, 0, NULL), 0);
	close(line);
}

static int hostile_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* The service closes after us: some time to do so. */
static void hostile_fds_are(int want)
{
	for (int i = 0; i < 4000 && hostile_count_fds() != want; i++)
		t_sleep_ms(1);
	CHECK_EQ(hostile_count_fds(), want);
}

static struct uf *hostile_open(struct t *t, uint64_t features)
{
	struct uf *uf = t_open(t, 0, features);

	CHECK_RET(uf_share(uf), 0);
	return uf;
}

/* --- What is right --- */

static void hostile_format(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	char *addr = t_registered(t, uf, 2);
	struct hostile_request r = hostile_request(3, 0, 4, 0);
	unsigned char out[64];
	int line = hostile_line(uf_fd(uf));
	int window;
	char page[65536];

	CHECK_EQ(hostile_ask(line, &r, 0, NULL), 0);
	r = hostile_request(3, 0, 0, 0);
	CHECK_EQ(hostile_ask(line, &r, 0, NULL), POLLERR);
	r = hostile_request(2, 0, 0, 3);
	CHECK_EQ(hostile_ask(line, &r, 0, NULL), -EAGAIN);
	window = hostile_window(line);
	CHECK_EQ(ftruncate(window, 0), -1);
	CHECK_EQ(ftruncate(window, 8 << 20), -1);
	memset(page, 7, t->page);
	CHECK_EQ(pwrite(window, page, t->page, (2 << 20) - (off_t)t->page), t->page);
	r = hostile_copy((uintptr_t)addr, 4096, 2 * t->page, (uint32_t)t->page);
	CHECK_EQ(hostile_ask(line, &r, 8, out), -EAGAIN);
	CHECK_EQ(hostile_get64(out), t->page);
	CHECK(t_is_filled(addr, t->page, 7));
	CHECK_EQ(hostile_ask(line, &r, 8, out), -EEXIST);
	r = hostile_request(1, UF_IOC_ZEROPAGE, 0, 0);
	hostile_u64(r.bytes + 16, (uintptr_t)addr + t->page);
	hostile_u64(r.bytes + 24, t->page);
	CHECK_EQ(hostile_ask(line, &r, 8, out), 0);
	CHECK_EQ(hostile_get64(out), t->page);
	r = hostile_request(1, UF_IOC_WAKE, 1, 0);
	CHECK_EQ(hostile_ask(line, &r, 0, NULL), -EFAULT);
	close(window);
	close(line);
}

/* The lines that there can be. Those that have ended are not noticed at once. */
static void hostile_all_lines(struct uf *uf, int *line)
{
	for (int i = 0; i < HOSTILE_LIMIT; i++) {
		int err;

		do {
			line[i] = hostile_hello(uf_fd(uf), 1);
			err = hostile_welcome(line[i]);
			if (err)
				close(line[i]);
		} while (err == -EBUSY);
		CHECK_EQ(err, 0);
	}
}

static void hostile_versions(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	int line[HOSTILE_LIMIT];
	int extra;

	extra = hostile_hello(uf_fd(uf), 0);
	CHECK_EQ(hostile_welcome(extra), -EPROTONOSUPPORT);
	CHECK(hostile_ended(extra));
	close(extra);
	extra = hostile_hello(uf_fd(uf), 77);
	CHECK_EQ(hostile_welcome(extra), 0);
	close(extra);
	for (int round = 0; round < 2; round++) {
		hostile_all_lines(uf, line);
		extra = hostile_hello(uf_fd(uf), 1);
		CHECK_EQ(hostile_welcome(extra), -EBUSY);
		CHECK(hostile_ended(extra));
		close(extra);
		for (int i = 0; i < HOSTILE_LIMIT; i++)
			close(line[i]);
	}
	hostile_all_lines(uf, line);
	for (int i = 0; i < HOSTILE_LIMIT; i++)
		close(line[i]);
}

/* --- What is wrong --- */

static void hostile_strangers(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof(addr);
	int stranger = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(getpeername(uf_fd(uf), (struct sockaddr *)&addr, &len), 0);
	CHECK_EQ(len, offsetof(struct sockaddr_un, sun_path) + 36);
	CHECK(!memcmp(addr.sun_path, "\0userfault-handover/", 20));
	CHECK_EQ(sendto(stranger, "x", 1, 0, (struct sockaddr *)&addr, len), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(connect(stranger, (struct sockaddr *)&addr, len), -1);
	CHECK_EQ(errno, EPERM);
	close(stranger);
}

/* HELLO as it should be, with these descriptors. */
static void hostile_hello_with(struct uf *uf, struct message_fds fds)
{
	unsigned char hello[16] = {'u', 'f', 'f', 'h', 1};

	CHECK(message_send(uf_fd(uf), hello, sizeof(hello), &fds, 0) > 0);
}

static void hostile_hello_bytes(struct uf *uf, int line)
{
	unsigned char hello[64] = {'u', 'f', 'f', 'h', 1};
	struct message_fds fds = {{line, uf_fd(uf)}, 2};

	for (size_t len = 0; len < sizeof(hello); len++)
		if (len != 16)
			CHECK(message_send(uf_fd(uf), hello, len, len % 2 ? &fds : NULL, 0) >= 0);
	hello[0] = 'x';
	CHECK(message_send(uf_fd(uf), hello, 16, &fds, 0) > 0);
}

static void hostile_hellos(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	int before = hostile_count_fds();
	int memfd = memfd_create("hostile", MFD_CLOEXEC);
	int fd = uf_fd(uf);
	int pair[2];
	int dgram[2];

	t_needs_linux();
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, dgram), 0);
	hostile_hello_bytes(uf, pair[1]);
	for (int n = 0; n <= 6; n++)
		if (n != 2)
			hostile_hello_with(
				uf,
				(struct message_fds){{pair[1], fd, memfd, memfd, memfd, memfd}, n});
	hostile_hello_with(uf, (struct message_fds){{dgram[1], fd}, 2});
	hostile_hello_with(uf, (struct message_fds){{memfd, fd}, 2});
	hostile_hello_with(uf, (struct message_fds){{fd, fd}, 2});
	hostile_hello_with(uf, (struct message_fds){{pair[1], pair[0]}, 2});
	hostile_hello_with(uf, (struct message_fds){{pair[1], dgram[0]}, 2});
	close(memfd);
	close(dgram[0]);
	close(dgram[1]);
	close(pair[1]);
	hostile_alive(uf);
	CHECK(hostile_ended(pair[0])); /* nobody has kept the other end */
	close(pair[0]);
	hostile_fds_are(before);
}

static void hostile_cut(struct uf *uf, const void *bytes, size_t len)
{
	int line = hostile_line(uf_fd(uf));

	CHECK_EQ(message_send(line, bytes, len, NULL, 0), len);
	CHECK(hostile_ended(line));
	close(line);
}

static void hostile_sizes(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	int before = hostile_count_fds();
	struct hostile_request wrong[] = {
		hostile_request(0, 0, 0, 0),	       hostile_request(6, 0, 0, 0),
		hostile_request(1, 77, 0, 0),	       hostile_request(1, UF_IOC_MOVE, 0, 0),
		hostile_request(1, UF_IOC_WAKE, 4, 0), hostile_request(1, UF_IOC_WAKE, 0, 4096),
		hostile_request(1, UF_IOC_COPY, 0, 0), /* without a window */
		hostile_request(2, 0, 0, 0),	       hostile_request(2, 0, 0, 65),
		hostile_request(2, 0, 0, UINT32_MAX),  hostile_request(2, 0, 1, 1),
		hostile_request(3, 0, 1, 0),	       hostile_request(3, 0, 0, 1),
		hostile_request(4, 0, 0, 1),	       hostile_request(4, 0, 1, 0),
		hostile_request(5, 0, 0, 0), /* that is how it ends properly */
		hostile_request(UINT32_MAX, 0, 0, 0),
	};
	unsigned char bytes[300] = {1};

	for (size_t len = 0; len < sizeof(bytes); len++)
		if (len != 64)
			hostile_cut(uf, bytes, len);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		hostile_cut(uf, wrong[i].bytes, sizeof(wrong[i].bytes));
	hostile_alive(uf);
	hostile_fds_are(before);
}

static void hostile_windows(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	char *addr = t_registered(t, uf, 1);
	uint64_t dst = (uintptr_t)addr;
	struct hostile_request wrong[] = {
		hostile_request(4, 0, 0, 0), /* there is one */
		hostile_copy(dst, 4096, t->page, 1),
		hostile_copy(dst, 4096, t->page, (2 << 20) + 65536),
		hostile_copy(dst, 4096, t->page, 0xffff0000u),
		hostile_copy(dst, 4096, t->page, 2 * (uint32_t)t->page),
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int line = hostile_line(uf_fd(uf));

		close(hostile_window(line));
		CHECK_EQ(message_send(line, wrong[i].bytes, 64, NULL, 0), 64);
		CHECK(hostile_ended(line));
		close(line);
	}
	/* Nothing in the window, and nothing that could be copied. */
	hostile_alive(uf);
	t_fill(t, uf, addr, 1, 0);
}

/* What he does to the socket itself: others hear nothing any more, and that is all. */
static void hostile_socket(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	char *addr = t_registered(t, uf, 2);
	struct hostile_request r = hostile_request(2, 0, 0, 1);
	int line = hostile_line(uf_fd(uf));
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct t_thread th;
	unsigned char out[32];
	char byte;

	t_thread_access(t, &th, addr, T_READ);
	t_message_pending(uf);
	CHECK_EQ(recv(uf_fd(uf), &byte, 1, 0), 1);
	CHECK_EQ(hostile_ask(line, &r, 32, out), 32);
	CHECK_EQ(shutdown(uf_fd(uf), SHUT_RDWR), 0);
	CHECK_EQ(connect(uf_fd(uf), &none, sizeof(none)), 0);
	close(line);
	t_fill(t, uf, addr, 1, 0);
	t_thread_join(t, &th, 0);
	t_thread_access(t, &th, addr + t->page, T_READ);
	t_thread_asleep(&th);
	t_fill(t, uf, addr + t->page, 2, 0);
	t_thread_join(t, &th, 0);
}

/* --- Who does not listen, and who goes --- */

static void hostile_deaf(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	struct hostile_request r = hostile_request(3, 0, 4, 0);
	int line = hostile_line(uf_fd(uf));
	struct uf *other = NULL;
	int n = 0;

	CHECK_RET(uf_adopt(dup(uf_fd(uf)), NULL, &other), 0);
	while (message_send(line, r.bytes, sizeof(r.bytes), NULL, 0) == sizeof(r.bytes)) {
		CHECK(++n < 1000000);
		if (n % 100 == 0)
			CHECK_EQ(uf_poll(other), 0);
	}
	CHECK(n > 2);
	CHECK_EQ(uf_poll(other), 0);
	uf_close(other);
	CHECK(hostile_ended(line));
	close(line);
}

static void hostile_goes(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	char *addr = t_registered(t, uf, 64);
	int before = hostile_count_fds();
	struct hostile_request r[] = {
		hostile_request(3, 0, 4, 0),
		hostile_request(2, 0, 0, 1),
		hostile_request(4, 0, 0, 0),
		hostile_copy((uintptr_t)addr, 4096, 64 * t->page, 64 * (uint32_t)t->page),
	};

	for (int round = 0; round < 50; round++) {
		close(hostile_hello(uf_fd(uf), 1)); /* before it is welcome */
		for (size_t i = 0; i < 4; i++) {
			int line = hostile_line(uf_fd(uf));

			if (i == 3)
				close(hostile_window(line));
			CHECK_EQ(message_send(line, r[i].bytes, 64, NULL, 0), 64);
			close(line); /* before the answer */
		}
	}
	hostile_alive(uf);
	hostile_fds_are(before);
	CHECK_RET(uf_copy(uf, addr, addr, t->page, 0, NULL), -EEXIST);
	CHECK(t_is_filled(addr, 64 * t->page, 0));
}

/* Messages that nobody has heard. */
static void hostile_unheard(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	char *addr = t_registered(t, uf, 3);
	struct hostile_request read = hostile_request(2, 0, 0, 64);
	struct hostile_request more[] = {hostile_request(5, 0, 0, 0), hostile_request(3, 0, 4, 0)};
	struct t_thread th[3];
	unsigned char out[96];
	int line = hostile_line(uf_fd(uf));

	for (size_t i = 0; i < 3; i++) {
		t_thread_access(t, &th[i], addr + i * t->page, T_READ);
		t_thread_asleep(&th[i]);
	}
	CHECK_EQ(hostile_ask(line, &read, 96, out), 96);
	CHECK_EQ(hostile_get64(out + 16), (uintptr_t)addr);
	t_message_none(uf);
	close(line);
	for (size_t i = 0; i < 3; i++)
		t_fault_at(uf, addr + i * t->page, 0);
	t_message_none(uf);
	for (size_t i = 0; i < 2; i++) {
		CHECK_RET(uf_wake(uf, addr, t->page), 0);
		line = hostile_line(uf_fd(uf));
		t_message_pending(uf);
		CHECK_EQ(hostile_ask(line, &read, 32, out), 32);
		CHECK_EQ(message_send(line, more[i].bytes, 64, NULL, 0), 64);
		close(line);
		hostile_alive(uf);
		t_message_none(uf);
	}
	CHECK_RET(uf_zeropage(uf, addr, 3 * t->page, 0, NULL), 0);
	for (size_t i = 0; i < 3; i++)
		t_thread_join(t, &th[i], 0);
}

/* --- Anything at all --- */

static uint64_t hostile_seed = 20251124;

static uint64_t hostile_random(void)
{
	hostile_seed ^= hostile_seed << 13;
	hostile_seed ^= hostile_seed >> 7;
	hostile_seed ^= hostile_seed << 17;
	return hostile_seed;
}

static uint64_t hostile_number(uint64_t addr, size_t page)
{
	static const uint64_t odd[] = {
		0, 1, UINT64_MAX, INT64_MAX, UINT64_C(1) << 47, UINT64_C(1) << 63, 0xaa};
	uint64_t r = hostile_random();

	switch (r % 4) {
	case 0:
		return odd[(r >> 8) % 7];
	case 1:
		return addr + (r >> 8) % 12 * page;
	case 2:
		return (r >> 8) % 9 * page;
	}
	return (r >> 8) % 4;
}

static struct hostile_request hostile_anything(uint64_t addr, size_t page)
{
	static const uint32_t ioctls[] = {UF_IOC_API,	   UF_IOC_REGISTER, UF_IOC_UNREGISTER,
					  UF_IOC_WAKE,	   UF_IOC_COPY,	    UF_IOC_ZEROPAGE,
					  UF_IOC_CONTINUE, UF_IOC_POISON,   UF_IOC_WRITEPROTECT,
					  UF_IOC_MOVE};
	struct hostile_request r =
		hostile_request(1, ioctls[hostile_random() % 10], hostile_random() % 16 ? 0 : 1, 0);

	if (hostile_random() % 8 == 0)
		r = hostile_request((uint32_t)hostile_random() % 7, 0, hostile_random() & 1,
				    (uint32_t)hostile_random() % 70);
	if (hostile_random() % 2 && hostile_get32(r.bytes + 4) == UF_IOC_COPY)
		hostile_u32(r.bytes + 12, (uint32_t)(hostile_random() % 4 * page));
	for (size_t i = 0; i < 6; i++)
		hostile_u64(r.bytes + 16 + 8 * i, hostile_number(addr, page));
	if (hostile_random() % 16 == 0)
		r.bytes[hostile_random() % 64] ^= (unsigned char)(1 << hostile_random() % 8);
	return r;
}

/* It can have changed what it may, and nothing beside it. */
static void hostile_fuzz(struct t *t)
{
	struct uf *uf = hostile_open(t, 0);
	char *below = t_buffer(t, 4);
	char *addr = t_registered(t, uf, 8);
	int before = hostile_count_fds();
	int answers = 0;
	int line = -1;

	memset(below, 3, 4 * t->page);
	for (int i = 0; i < 20000; i++) {
		struct hostile_request r = hostile_anything((uintptr_t)addr, t->page);
		size_t len = hostile_random() % 200 ? 64 : hostile_random() % 100;
		unsigned char answer[4096];
		int fd;
		long n;

		if (line < 0) {
			line = hostile_line(uf_fd(uf));
			close(hostile_window(line));
		}
		memset(answer, 0, 100);
		memcpy(answer, r.bytes, sizeof(r.bytes));
		CHECK_EQ(message_send(line, answer, len, NULL, 0), len);
		n = hostile_recv(line, answer, sizeof(answer), &fd);
		CHECK(n == 0 || n == -ECONNRESET || n >= 16);
		answers += n >= 16;
		if (n >= 16)
			continue;
		close(line);
		line = -1;
	}
	CHECK(answers > 5000);
	close(line);
	CHECK(t_is_filled(below, 4 * t->page, 3));
	hostile_alive(uf);
	hostile_fds_are(before);
	uf = t_open(t, 0, 0);
	addr = t_registered(t, uf, 1);
	t_fill(t, uf, addr, 1, 0);
}

const struct t_case handover_hostile_cases[] = {
	CASE("handover.2, handover.6, handover.8, handover.9", hostile_format,
	     T_ONCE | T_ENGINE_ONLY),
	CASE("handover.4", hostile_versions, T_ONCE | T_ENGINE_ONLY),
	CASE("handover.1", hostile_strangers, T_ONCE | T_ENGINE_ONLY),
	CASE("handover.2, handover.3", hostile_hellos, T_ONCE | T_ENGINE_ONLY),
	CASE("handover.6", hostile_sizes, T_ONCE | T_ENGINE_ONLY),
	CASE("handover.6, handover.9", hostile_windows, T_ENGINE_ONLY),
	CASE("handover.6", hostile_socket, T_ENGINE_ONLY),
	CASE("handover.11", hostile_deaf, T_ONCE | T_ENGINE_ONLY),
	CASE("handover.6", hostile_goes, T_ENGINE_ONLY | T_SMALL),
	CASE("handover.12", hostile_unheard, T_ENGINE_ONLY | T_SMALL),
	CASE("handover.6", hostile_fuzz, T_ENGINE_ONLY | T_SMALL),
	{0},
};
