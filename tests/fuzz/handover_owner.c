/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec/handover.md, the owner's side: a manager that says what an input tells
 * it to. The first three bytes are the program's (program_open), then there are
 * records. Whatever is said is answered or ends the line, nobody else notices,
 * and nothing is left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"
#include "userfault.h"

enum owner_record {
	OWNER_HELLO,	/* slot, then what is turned over in it */
	OWNER_DATAGRAM, /* descriptors, then bytes */
	OWNER_REQUEST,	/* slot, then bytes */
	OWNER_IOCTL,	/* slot, which, flags, n, six numbers, what is turned over */
	OWNER_COPY,	/* slot, page, pages, pages in the window, half, mode */
	OWNER_OTHER,	/* slot, operation, flags, n */
	OWNER_LISTEN,	/* slot */
	OWNER_HANG_UP,	/* slot, how */
	OWNER_WORK,	/* thread, job, page */
	OWNER_FLOOD,	/* slot, how many */
	OWNER_SOCKET,	/* waits for it, or does something to the descriptor itself */
	OWNER_CLOSE,	/* the program closes its handle */
	OWNER_RECORDS,
};

#define OWNER_SLOTS 4

/* Not answered yet, and nobody has looked. */
#define OWNER_PENDING 64

#define OWNER_WINDOW (4 << 20)

/* So long a manager waits for a message. */
#define OWNER_PATIENCE_MS 50

struct owner_line {
	int sock;   /* -1: none */
	int window; /* -1: none */
	int pending;
};

static struct owner_line owner_line[OWNER_SLOTS];

static struct owner_line *owner_slot(struct fuzz_input *in)
{
	return &owner_line[fuzz_u8(in) % OWNER_SLOTS];
}

static void owner_hang_up(struct owner_line *line)
{
	if (line->sock >= 0)
		close(line->sock);
	if (line->window >= 0)
		close(line->window);
	*line = (struct owner_line){-1, -1, 0};
}

/* --- Answers --- */

static uint32_t owner_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* What every answer is, whatever was asked for. */
static void owner_check_answer(const uint8_t *bytes, long n, int nfds)
{
	static const uint8_t zero[8];
	int32_t ret = (int32_t)owner_u32(bytes);
	uint32_t flags = owner_u32(bytes + 4);

	FUZZ_CHECK(n >= 16 && n <= 16 + 64 * (long)sizeof(struct uf_msg));
	FUZZ_CHECK(ret > -4096 && ret <= 64 * (int)sizeof(struct uf_msg));
	FUZZ_CHECK(!(flags & ~7U) && !memcmp(bytes + 8, zero, sizeof(zero)));
	FUZZ_CHECK(nfds <= 1 && (!(flags & 2) || nfds == 1));
}

/* One answer, or the end of the line. */
static void owner_listen(struct owner_line *line)
{
	uint8_t bytes[4096] = {0};
	struct message_fds fds;
	long n = fuzz_recv(line->sock, bytes, sizeof(bytes), &fds);

	if (n <= 0) {
		FUZZ_CHECK(n == 0 || n == -ECONNRESET);
		owner_hang_up(line);
		return;
	}
	line->pending--;
	owner_check_answer(bytes, n, fds.n);
	/* A window, or a child's descriptor. */
	if (fds.n == 1 && line->window < 0 && n == 16) {
		line->window = fds.fd[0];
		FUZZ_CHECK(lseek(line->window, 0, SEEK_END) == OWNER_WINDOW);
		fds.n = 0;
	}
	message_close(&fds);
}

static void owner_listen_all(struct owner_line *line)
{
	while (line->sock >= 0 && line->pending > 0)
		owner_listen(line);
}

/* Sends; the answer is waited for, unless LATER. */
static void owner_say(struct owner_line *line, uint8_t *bytes, size_t len, bool later)
{
	long n;

	if (line->sock < 0)
		return;
	program_restrain(bytes, len);
	n = message_send(line->sock, bytes, len, NULL, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return;
	/* It has ended, and what is left can be read. */
	if (n >= 0)
		line->pending++;
	else
		FUZZ_CHECK(n == -EPIPE || n == -ECONNRESET);
	if (n < 0 && !line->pending)
		owner_hang_up(line);
	if (!later || line->pending >= OWNER_PENDING)
		owner_listen_all(line);
}

/* --- What is sent through the descriptor --- */

static int owner_make_fd(uint8_t kind)
{
	int pair[2] = {-1, -1};

	switch (kind % 8) {
	case 0:
		return fcntl(program_fd(), F_DUPFD_CLOEXEC, 0);
	case 1:
		fuzz_pair(SOCK_SEQPACKET, pair);
		break;
	case 2:
		fuzz_pair(SOCK_STREAM, pair);
		break;
	case 3:
		fuzz_pair(SOCK_DGRAM, pair);
		break;
	case 4:
		FUZZ_CHECK(pipe2(pair, O_CLOEXEC) == 0);
		break;
	case 5:
		return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	case 6:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	default:
		return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	close(pair[1]);
	return pair[0];
}

static void owner_datagram(struct fuzz_input *in)
{
	struct message_fds fds = {.n = 0};
	uint8_t bytes[256];
	size_t len = 0;

	for (int n = fuzz_u8(in) % (MESSAGE_FDS + 1); n; n--) {
		fds.fd[fds.n] = owner_make_fd(fuzz_u8(in));
		fds.n += fds.fd[fds.n] >= 0;
	}
	while (in->at < in->end)
		bytes[len++] = fuzz_u8(in);
	(void)!message_send(program_fd(), bytes, len, &fds, MSG_DONTWAIT);
	message_close(&fds);
}

static void owner_check_welcome(const uint8_t *bytes, long n)
{
	FUZZ_CHECK(n == 40 && !memcmp(bytes, "uffh\1\0\0\0", 8));
	FUZZ_CHECK((int32_t)owner_u32(bytes + 8) <= 0);
	FUZZ_CHECK(owner_u32(bytes + 16) == program_page_size());
	FUZZ_CHECK(owner_u32(bytes + 32) == OWNER_WINDOW);
}

/* The line is his, if he is welcome. */
static void owner_hello(struct fuzz_input *in)
{
	struct owner_line *line = owner_slot(in);
	uint8_t bytes[64] = {'u', 'f', 'f', 'h', 1};
	struct message_fds fds = {{-1, program_fd()}, 2};
	int pair[2];
	long n;

	owner_hang_up(line);
	fuzz_pair(SOCK_SEQPACKET, pair);
	fds.fd[0] = pair[1];
	fuzz_mutate(in, bytes, 16);
	n = message_send(program_fd(), bytes, 16, &fds, MSG_DONTWAIT);
	close(pair[1]);
	line->sock = pair[0];
	n = n < 0 ? n : fuzz_recv(line->sock, bytes, sizeof(bytes), &fds);
	if (n > 0)
		owner_check_welcome(bytes, n);
	if (n <= 0 || owner_u32(bytes + 8))
		owner_hang_up(line);
	if (n > 0)
		message_close(&fds);
}

/* --- Requests --- */

static void owner_request(struct fuzz_input *in)
{
	struct owner_line *line = owner_slot(in);
	uint8_t bytes[256];
	size_t len = 0;

	while (in->at < in->end)
		bytes[len++] = fuzz_u8(in);
	owner_say(line, bytes, len, false);
}

struct owner_message {
	uint32_t op;
	uint32_t request;
	uint32_t flags;
	uint32_t n;
	uint64_t arg[6];
};

static void owner_ioctl(struct fuzz_input *in)
{
	static const uint32_t ioctls[] = {UF_IOC_API,	    UF_IOC_REGISTER, UF_IOC_UNREGISTER,
					  UF_IOC_WAKE,	    UF_IOC_COPY,     UF_IOC_ZEROPAGE,
					  UF_IOC_CONTINUE,  UF_IOC_POISON,   UF_IOC_WRITEPROTECT,
					  UF_IOC_RWPROTECT, UF_IOC_SET_MODE, UF_IOC_MOVE};
	struct owner_line *line = owner_slot(in);
	uint8_t which = fuzz_u8(in);
	struct owner_message message = {
		.op = 1, .request = ioctls[which % (sizeof(ioctls) / sizeof(ioctls[0]))]};

	message.flags = fuzz_u8(in) & 15;
	message.n = fuzz_u8(in) * (uint32_t)program_page_size();
	for (int i = 0; i < 6; i++)
		message.arg[i] = program_number(in);
	fuzz_mutate(in, (uint8_t *)&message, sizeof(message));
	owner_say(line, (uint8_t *)&message, sizeof(message), which & 0x80);
}

static void owner_copy(struct fuzz_input *in)
{
	struct owner_line *line = owner_slot(in);
	uint64_t page = program_page_size();
	struct owner_message message = {.op = 1, .request = UF_IOC_COPY};
	uint64_t end;

	message.arg[0] = (uintptr_t)program_addr(fuzz_u8(in) % PROGRAM_PAGES);
	message.arg[1] = page;
	message.arg[2] = fuzz_u8(in) * page;
	message.n = (uint32_t)(fuzz_u8(in) * page);
	message.flags = fuzz_u8(in) & 8;
	message.arg[3] = fuzz_u8(in);
	end = message.flags ? OWNER_WINDOW : OWNER_WINDOW / 2;
	for (uint64_t at = page; line->window >= 0 && at <= message.n; at += page)
		FUZZ_CHECK(pwrite(line->window, "w", 1, (off_t)(end - at)) == 1);
	owner_say(line, (uint8_t *)&message, sizeof(message), false);
}

static void owner_other(struct fuzz_input *in)
{
	struct owner_line *line = owner_slot(in);
	uint8_t op = fuzz_u8(in);
	struct owner_message message = {.op = op & 7};

	message.flags = fuzz_u8(in);
	message.n = fuzz_u8(in);
	owner_say(line, (uint8_t *)&message, sizeof(message), op & 0x80);
}

static void owner_flood(struct fuzz_input *in)
{
	struct owner_line *line = owner_slot(in);
	struct owner_message message = {.op = 3, .flags = 4};

	for (int n = fuzz_u8(in) * 4; line->sock >= 0 && n; n--) {
		if (message_send(line->sock, &message, sizeof(message), NULL, MSG_DONTWAIT) < 0)
			break;
		line->pending++;
	}
}

/* --- What he does to sockets --- */

static void owner_end(struct fuzz_input *in)
{
	struct owner_line *line = owner_slot(in);
	uint8_t how = fuzz_u8(in) % 4;

	if (line->sock < 0)
		return;
	if (how == 3)
		owner_hang_up(line);
	else
		shutdown(line->sock, how);
	/* An answer that he does not want is none. */
	if (line->sock >= 0 && how != SHUT_WR)
		owner_hang_up(line);
}

static void owner_socket(struct fuzz_input *in)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	uint8_t byte;

	switch (fuzz_u8(in) % 4) {
	case 0:
		(void)fuzz_wait(program_fd(), OWNER_PATIENCE_MS);
		return;
	case 1:
		while (recv(program_fd(), &byte, 1, MSG_DONTWAIT) >= 0)
			;
		return;
	case 2:
		FUZZ_CHECK(shutdown(program_fd(), fuzz_u8(in) % 3) == 0);
		break;
	case 3:
		FUZZ_CHECK(connect(program_fd(), &none, sizeof(none)) == 0);
		break;
	}
	program_deafened();
}

static void owner_work(struct fuzz_input *in)
{
	unsigned int thread = fuzz_u8(in);
	enum program_job job = fuzz_u8(in) % PROGRAM_JOBS;

	program_work(thread, job, fuzz_u8(in));
}

static void owner_do(struct fuzz_record *record)
{
	struct fuzz_input *in = &record->body;

	switch (record->kind % OWNER_RECORDS) {
	case OWNER_HELLO:
		return owner_hello(in);
	case OWNER_DATAGRAM:
		return owner_datagram(in);
	case OWNER_REQUEST:
		return owner_request(in);
	case OWNER_IOCTL:
		return owner_ioctl(in);
	case OWNER_COPY:
		return owner_copy(in);
	case OWNER_OTHER:
		return owner_other(in);
	case OWNER_LISTEN:
		return owner_listen_all(owner_slot(in));
	case OWNER_HANG_UP:
		return owner_end(in);
	case OWNER_WORK:
		return owner_work(in);
	case OWNER_FLOOD:
		return owner_flood(in);
	case OWNER_SOCKET:
		return owner_socket(in);
	case OWNER_CLOSE:
		return program_close();
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	for (size_t i = 0; i < OWNER_SLOTS; i++)
		owner_line[i] = (struct owner_line){-1, -1, 0};
	program_start();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct fuzz_record record;

	program_open(&in);
	while (fuzz_next(&in, &record))
		owner_do(&record);
	for (size_t i = 0; i < OWNER_SLOTS; i++)
		owner_hang_up(&owner_line[i]);
	program_end();
	return 0;
}
