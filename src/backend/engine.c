/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seam A over our own engine: contexts of this process, on the host machine.
 *
 * The descriptor is a doorbell: one end of a socket pair, readable while a
 * message waits, so that poll, select and epoll work without our help. Reads
 * and ioctls never go through it, as a fault must not depend on the room in a
 * socket's buffer.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "backend/backend.h"
#include "backend/engine.h"

_Static_assert(sizeof(struct iovec) == sizeof(struct ufi_iovec) &&
		       offsetof(struct iovec, iov_len) == offsetof(struct ufi_iovec, len),
	       "a segment is the same to both");
_Static_assert(UFI_POLLIN == POLLIN && UFI_POLLERR == POLLERR, "as Linux numbers them");

static enum uf_trap engine_trap(enum uf_trap_choice choice)
{
	switch (choice) {
	case UF_TRAP_CHOICE_GUARD:
		return UF_TRAP_GUARD;
	case UF_TRAP_CHOICE_MPROTECT:
		return UF_TRAP_MPROTECT;
	case UF_TRAP_CHOICE_AUTO:
		break;
	}
	return UF_TRAP_AUTO;
}

static enum uf_fill engine_fill(enum uf_fill_choice choice)
{
	switch (choice) {
	case UF_FILL_CHOICE_ALIAS:
		return UF_FILL_ALIAS;
	case UF_FILL_CHOICE_PROCMEM:
		return UF_FILL_PROCMEM;
	case UF_FILL_CHOICE_MREMAP:
		return UF_FILL_MREMAP;
	case UF_FILL_CHOICE_AUTO:
		break;
	}
	return UF_FILL_AUTO;
}

/* The duplicate of the program's end is to empty it by. spec: open.3 */
int ufi_engine_make_bell(int flags, struct host_bell *bell, int *fd)
{
	int cloexec = flags & O_CLOEXEC ? FD_CLOEXEC : 0;
	/* Datagrams: no end of file, should the program read what is not meant to be read. */
	int type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int pair[2];
	long err = UF_SYS4(SYS_socketpair, AF_UNIX, type, 0, pair);

	if (err)
		return (int)err;
	bell->drain = ufi_host_own_fd(pair[0], true);
	bell->ring = ufi_host_own_fd(pair[1], false);
	err = bell->drain < 0 ? bell->drain : bell->ring;
	if (err >= 0)
		err = UF_SYS3(SYS_fcntl, pair[0], F_SETFD, cloexec);
	if (err >= 0)
		err = UF_SYS3(SYS_fcntl, pair[0], F_SETFL, flags & O_NONBLOCK);
	if (err >= 0) {
		*fd = pair[0];
		return 0;
	}
	UF_SYS1(SYS_close, pair[0]);
	if (bell->ring < 0)
		UF_SYS1(SYS_close, pair[1]);
	ufi_host_disown_fd(bell->drain);
	ufi_host_disown_fd(bell->ring);
	return (int)err;
}

void ufi_engine_free(struct ufi_mm *mm, struct engine_ctx *e)
{
	ufi_host_disown_fd(e->bell.drain);
	ufi_host_disown_fd(e->bell.ring);
	mm->mmu->ops->free(mm->mmu, e, sizeof(*e));
}

static int engine_open(const struct uf_backend_open *args, void **ctx, int *fd)
{
	struct ufi_ctx_options opt = {.user_mode_only = args->flags & UF_USER_MODE_ONLY,
				      .trap = engine_trap(args->trap),
				      .fill = engine_fill(args->fill)};
	struct engine_ctx *e;
	struct ufi_mm *mm;
	const char *why;
	int err;

	err = uf_backend_start(&mm, &why);
	if (err) {
		args->log(args->log_arg, UF_LOG_ERROR, "the engine cannot work here: %s (error %d)",
			  why, -err);
		return err;
	}
	err = ufi_service_prepare();
	if (err)
		return err;
	ufi_fork_prepare();
	/* Not from malloc: the last close may come in a signal handler. */
	e = mm->mmu->ops->alloc(mm->mmu, sizeof(*e));
	if (!e)
		return -ENOMEM;
	err = ufi_engine_make_bell(args->flags, &e->bell, fd);
	if (err) {
		mm->mmu->ops->free(mm->mmu, e, sizeof(*e));
		return err;
	}
	opt.bell_cookie = (uintptr_t)&e->bell;
	err = ufi_ctx_open(mm, &opt, &e->ctx);
	if (err) {
		UF_SYS1(SYS_close, *fd);
		ufi_engine_free(mm, e);
		return err;
	}
	e->epoch = ufi_host_epoch();
	e->flags = args->flags;
	uf_list_init(&e->link);
	*ctx = e;
	return 0;
}

/* A fork child has a copy of the context, but the memory it is about is the parent's. */
static bool engine_is_ours(const struct engine_ctx *e)
{
	return e->epoch == ufi_host_epoch();
}

/*
 * A child asks the parent, if the context was shared before the fork: it has
 * inherited the descriptor. spec: handover.13
 */
static int engine_heir(struct engine_ctx *e, int fd, void **heir)
{
	const struct uf_backend_ops *ops;
	void *none = NULL;
	int err;

	*heir = atomic_load(&e->heir);
	if (*heir)
		return 0;
	if (!atomic_load(&e->shared))
		return -EOPNOTSUPP;
	err = uf_backend_adopt(fd, &ops, heir);
	if (err)
		return err;
	if (!atomic_compare_exchange_strong(&e->heir, &none, *heir)) {
		ops->close(*heir);
		*heir = none;
	}
	return 0;
}

/* spec: open.4 */
static bool engine_nonblock(int fd)
{
	long flags = UF_SYS2(SYS_fcntl, fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK);
}

static int engine_ioctl(void *ctx, int fd, uint32_t request, uintptr_t arg)
{
	struct engine_ctx *e = ctx;
	void *heir;
	int err;

	if (engine_is_ours(e))
		return ufi_ctx_ioctl(e->ctx, request, arg);
	err = engine_heir(e, fd, &heir);
	return err ? err : uf_backend_remote.ioctl(heir, fd, request, arg);
}

static ssize_t engine_readv(void *ctx, int fd, const struct iovec *iov, int niov, bool dontwait)
{
	struct engine_ctx *e = ctx;
	void *heir;
	int err;

	if (engine_is_ours(e))
		return (ssize_t)ufi_ctx_read(e->ctx, (const struct ufi_iovec *)iov, (uint32_t)niov,
					     dontwait || engine_nonblock(fd) ? UFI_READ_NONBLOCK
									     : 0);
	err = engine_heir(e, fd, &heir);
	return err ? err : uf_backend_remote.readv(heir, fd, iov, niov, dontwait);
}

static short engine_poll(void *ctx, int fd)
{
	struct engine_ctx *e = ctx;
	void *heir;

	if (engine_is_ours(e))
		return (short)ufi_ctx_poll(e->ctx, engine_nonblock(fd));
	return engine_heir(e, fd, &heir) ? POLLERR : uf_backend_remote.poll(heir, fd);
}

bool uf_backend_inherits(const struct uf_backend_ops *ops, void *ctx)
{
	const struct engine_ctx *e = ctx;

	return ops != &uf_backend_engine || atomic_load(&e->shared);
}

static int engine_share(void *ctx, int fd)
{
	struct engine_ctx *e = ctx;

	if (!engine_is_ours(e))
		return atomic_load(&e->shared) ? 0 : -EOPNOTSUPP;
	return ufi_service_share(e, fd);
}

/* Once the last user has put the context nobody rings any more: its ranges are gone. */
void ufi_engine_release(struct engine_ctx *e)
{
	struct ufi_mm *mm = e->ctx->mm;

	ufi_ctx_put(e->ctx);
	ufi_engine_free(mm, e);
}

static void engine_close(void *ctx)
{
	struct engine_ctx *e = ctx;
	void *heir = atomic_load(&e->heir);

	if (heir)
		uf_backend_remote.close(heir);
	if (atomic_load(&e->shared) && engine_is_ours(e))
		ufi_service_close(e);
	else
		ufi_engine_release(e);
}

const struct uf_backend_ops uf_backend_engine = {
	.name = "engine",
	.kind = UF_BACKEND_ENGINE,
	.open = engine_open,
	.ioctl = engine_ioctl,
	.readv = engine_readv,
	.poll = engine_poll,
	.share = engine_share,
	.close = engine_close,
};
