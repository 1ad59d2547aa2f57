/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns descriptors on their way between processes, in messages on unix sockets.
 * One of ours that is sent is shared before, and one that comes and is an
 * engine's of another process is adopted, so that it is a userfaultfd here.
 */
#include <string.h>
#include <sys/socket.h>

#include "shim/shim.h"

static void socket_share(int fd)
{
	struct shim_file *file = ufi_table_get(fd);
	int err = 0;

	if (!file)
		return;
	if (file->kind == SHIM_UFFD && !atomic_load(&file->inherited))
		err = file->ops->share(file->ctx, fd);
	if (err)
		ufi_config_log(NULL, UF_LOG_ERROR, "descriptor %d cannot be shared: error %d", fd,
			       -err);
	ufi_table_put(file);
}

void ufi_socket_adopt(int fd)
{
	const struct uf_backend_ops *ops;
	void *ctx;
	int err;

	if (!ufi_handover_is(fd))
		return;
	err = uf_backend_adopt(fd, &ops, &ctx);
	if (!err) {
		err = ufi_table_add(fd, ops, ctx, false);
		if (err)
			ops->close(ctx);
	}
	if (err)
		ufi_config_log(NULL, UF_LOG_ERROR, "descriptor %d cannot be adopted: error %d", fd,
			       -err);
	else
		ufi_config_log(NULL, UF_LOG_INFO, "descriptor %d: %s", fd, ops->name);
}

/* Descriptors in a control buffer, which the kernel has judged or will judge. */
static void socket_each(const struct msghdr *msg, void (*fn)(int fd))
{
	const char *at = msg->msg_control;
	const char *end = at + msg->msg_controllen;
	struct cmsghdr c;

	while (at && (size_t)(end - at) >= sizeof(c)) {
		memcpy(&c, at, sizeof(c));
		if (c.cmsg_len < sizeof(c) || c.cmsg_len > (size_t)(end - at))
			return;
		for (size_t i = CMSG_LEN(0);
		     c.cmsg_level == SOL_SOCKET && c.cmsg_type == SCM_RIGHTS &&
		     i + sizeof(int) <= c.cmsg_len;
		     i += sizeof(int)) {
			int fd;

			memcpy(&fd, at + i, sizeof(fd));
			fn(fd);
		}
		if (CMSG_ALIGN(c.cmsg_len) > (size_t)(end - at))
			return;
		at += CMSG_ALIGN(c.cmsg_len);
	}
}

/* What cannot be read is the kernel's to complain about. */
static void socket_sends(const struct msghdr *msg)
{
	if (!ufi_table_any() || ufi_host_touch(msg, sizeof(*msg), false) || !msg->msg_control ||
	    ufi_host_touch(msg->msg_control, msg->msg_controllen, false))
		return;
	socket_each(msg, socket_share);
}

SHIM_EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	socket_sends(msg);
	return shim_real.sendmsg(fd, msg, flags);
}

SHIM_EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	for (unsigned int i = 0; ufi_table_any() && i < n; i++) {
		if (ufi_host_touch(&msgs[i], sizeof(msgs[i]), false))
			break;
		socket_sends(&msgs[i].msg_hdr);
	}
	return shim_real.sendmmsg(fd, msgs, n, flags);
}

SHIM_EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t ret = shim_real.recvmsg(fd, msg, flags);
	int saved = errno;

	if (ret >= 0)
		socket_each(msg, ufi_socket_adopt);
	errno = saved;
	return ret;
}

SHIM_EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags,
			 struct timespec *timeout)
{
	int ret = shim_real.recvmmsg(fd, msgs, n, flags, timeout);
	int saved = errno;

	for (int i = 0; i < ret; i++)
		socket_each(&msgs[i].msg_hdr, ufi_socket_adopt);
	errno = saved;
	return ret;
}
