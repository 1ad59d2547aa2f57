/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what has been read: messages come into memory of ours, and are looked at
 * before the program sees them, as an owner can tell of anything.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "backend/remote.h"
#include "mmu/host/internal.h"

/* To where they belong. */
static int read_scatter(const struct iovec *iov, const struct uf_msg *msg, size_t len)
{
	const uint8_t *from = (const uint8_t *)msg;

	for (; len; iov++) {
		size_t n = uf_min(iov->iov_len, len);

		if (n && ufi_remote_carry(iov->iov_base, from, n))
			return -EFAULT;
		from += n;
		len -= n;
	}
	return 0;
}

static bool read_is_fork(const struct remote_call *call, const struct uf_msg *msg)
{
	return call->fd >= 0 && call->got == sizeof(*msg) && msg->event == UF_EVENT_FORK &&
	       (call->answer.flags & HANDOVER_FORK);
}

/*
 * Bytes of messages, or -errno. That of a FORK gets the number that the descriptor
 * has here; no other tells of a descriptor of ours. spec: handover.16
 */
static ssize_t read_heard(const struct remote_call *call, struct uf_msg *msg)
{
	if (call->answer.ret < 0)
		return ufi_remote_result(call);
	if (!call->got || call->got % sizeof(*msg) || call->got != (size_t)call->answer.ret)
		return -EPROTO;
	if (read_is_fork(call, msg)) {
		msg->arg.fork.ufd = (uint32_t)call->fd;
		if (!(call->answer.flags & HANDOVER_CLOEXEC))
			UF_SYS3(SYS_fcntl, call->fd, F_SETFD, 0);
		return (ssize_t)call->got;
	}
	for (size_t i = 0; i < call->got / sizeof(*msg); i++) {
		if (msg[i].event == UF_EVENT_FORK)
			return -EPROTO;
	}
	return (ssize_t)call->got;
}

ssize_t ufi_remote_messages(const struct remote_call *call, struct uf_msg *msg,
			    const struct iovec *iov)
{
	ssize_t got = read_heard(call, msg);

	if (got > 0 && read_scatter(iov, msg, (size_t)got))
		got = -EFAULT;
	/* Who is not told of it does not have it. */
	if (call->fd >= 0 && (got < 0 || msg->event != UF_EVENT_FORK))
		UF_SYS1(SYS_close, call->fd);
	return got;
}

/* So often to look for a message: as long as it takes to be woken. */
#define READ_LOOKS 100

static bool read_lingers(struct remote *r, struct pollfd *p)
{
	static const struct timespec now;
	uint32_t rounds = uf_linger_rounds(&r->reading, READ_LOOKS);
	bool paid = false;

	if (ufi_handover_cpus() == 1)
		return false;
	for (uint32_t i = 0; i < rounds && !paid; i++)
		paid = UF_SYS5(SYS_ppoll, p, 1, &now, NULL, 0) > 0;
	uf_linger_over(&r->reading, paid);
	return paid;
}

int ufi_remote_sleep(struct remote *r, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (read_lingers(r, &p))
		return 0;
	return UF_SYS5(SYS_ppoll, &p, 1, NULL, NULL, 0) == -EINTR ? -EINTR : 0;
}
