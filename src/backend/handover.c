/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what both sides of a hand-over need: messages with descriptors, and what an ioctl carries.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "backend/backend.h"
#include "backend/handover.h"
#include "mmu/host/host.h"
#include "mmu/host/internal.h"

_Static_assert(sizeof(struct handover_hello) == 16 && sizeof(struct handover_welcome) == 40 &&
		       sizeof(struct handover_request) == 64 &&
		       sizeof(struct handover_answer) == 16,
	       "as spec/handover.md says");

#define HANDOVER_SPINS 200

#define HANDOVER_WRITES(type, member)                                                              \
	offsetof(struct type, member), sizeof(((struct type *)0)->member)

/* spec: handover.8 */
static const struct handover_ioctl handover_ioctls[] = {
	{UF_IOC_API, sizeof(struct uf_io_api), 0, sizeof(struct uf_io_api)},
	{UF_IOC_REGISTER, offsetof(struct uf_io_register, ioctls),
	 HANDOVER_WRITES(uf_io_register, ioctls)},
	{UF_IOC_UNREGISTER, sizeof(struct uf_io_range), 0, 0},
	{UF_IOC_WAKE, sizeof(struct uf_io_range), 0, 0},
	{UF_IOC_COPY, offsetof(struct uf_io_copy, copy), HANDOVER_WRITES(uf_io_copy, copy)},
	{UF_IOC_ZEROPAGE, offsetof(struct uf_io_zeropage, zeropage),
	 HANDOVER_WRITES(uf_io_zeropage, zeropage)},
	{UF_IOC_CONTINUE, offsetof(struct uf_io_continue, mapped),
	 HANDOVER_WRITES(uf_io_continue, mapped)},
	{UF_IOC_POISON, offsetof(struct uf_io_poison, updated),
	 HANDOVER_WRITES(uf_io_poison, updated)},
	{UF_IOC_WRITEPROTECT, sizeof(struct uf_io_writeprotect), 0, 0},
	{UF_IOC_RWPROTECT, sizeof(struct uf_io_rwprotect), 0, 0},
	{UF_IOC_SET_MODE, sizeof(struct uf_io_set_mode), 0, 0},
};

const struct handover_ioctl *ufi_handover_ioctl(uint32_t request)
{
	for (size_t i = 0; i < UF_ARRAY_SIZE(handover_ioctls); i++) {
		if (handover_ioctls[i].request == request)
			return &handover_ioctls[i];
	}
	return NULL;
}

/* Room for descriptors beside a message. */
union handover_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(HANDOVER_FDS * sizeof(int))];
};

long ufi_handover_send(int sock, const struct iovec *iov, int niov, const int *fds, int nfds)
{
	union handover_control control = {{0}};
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)niov};
	struct cmsghdr *c = &control.align;

	if (nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)nfds * sizeof(int));
	}
	return UF_SYS3(SYS_sendmsg, sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void handover_fds(const struct msghdr *msg, int *fds, int *nfds)
{
	const struct cmsghdr *c = msg->msg_control;
	size_t len;

	*nfds = 0;
	if (msg->msg_controllen < sizeof(*c) || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS)
		return;
	len = c->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(c), len);
	*nfds = (int)(len / sizeof(int));
}

long ufi_handover_recv(int sock, const struct iovec *iov, int niov, int flags, int *fds, int *nfds)
{
	union handover_control control;
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)niov};
	long n;

	/* Without room for them the kernel closes descriptors that come along. */
	if (nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		*nfds = 0;
	}
	n = UF_SYS3(SYS_recvmsg, sock, &msg, flags | MSG_CMSG_CLOEXEC | MSG_TRUNC);
	if (n >= 0 && nfds)
		handover_fds(&msg, fds, nfds);
	return n;
}

int ufi_handover_cpus(void)
{
	static _Atomic int cpus;
	int n = atomic_load(&cpus);

	if (!n) {
		n = ufi_thread_cpus();
		n = n ? n : 1;
		atomic_store(&cpus, n);
	}
	return n;
}

unsigned ufi_handover_spins(void)
{
	return ufi_handover_cpus() > 2 ? HANDOVER_SPINS : 0;
}

/* spec: handover.1 */
bool ufi_handover_is(int fd)
{
	static const char name[] = HANDOVER_NAME;
	struct sockaddr_un addr;
	uint32_t len = sizeof(addr);

	memset(&addr, 0, sizeof(addr));
	if (UF_SYS3(SYS_getpeername, fd, &addr, &len) < 0 || addr.sun_family != AF_UNIX ||
	    len != offsetof(struct sockaddr_un, sun_path) + sizeof(name) + HANDOVER_NAME_RANDOM)
		return false;
	return !addr.sun_path[0] && !memcmp(addr.sun_path + 1, name, sizeof(name) - 1);
}
