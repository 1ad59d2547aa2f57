/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns one line of a manager's: its handshake, its requests, its end. Nothing
 * that comes from there is trusted. A message is whole and of the one size it
 * can have, or the line is cut; numbers in it are checked here or, as an
 * argument of an ioctl, by the engine, which checks every program's. Nobody is
 * waited for: an answer that does not fit in the socket ends the line, so who
 * does not read his answers harms himself.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "backend/backend.h"
#include "backend/engine.h"

/* What no ioctl answers: where it still stands nothing was written. */
#define PEER_UNWRITTEN INT64_MIN

#define PEER_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

static uint32_t peer_flags(const struct peer *p)
{
	return atomic_load(&p->e->ctx->features) ? HANDOVER_READY : 0;
}

static int peer_option(int sock, int option)
{
	int value = -1;
	uint32_t len = sizeof(value);

	if (UF_SYS5(SYS_getsockopt, sock, SOL_SOCKET, option, &value, &len) < 0)
		return -1;
	return value;
}

/* spec: handover.3 */
static bool peer_is_line(int fd)
{
	return peer_option(fd, SO_DOMAIN) == AF_UNIX && peer_option(fd, SO_TYPE) == SOCK_SEQPACKET;
}

static bool peer_is_descriptor(const struct engine_ctx *e, int fd)
{
	struct stat st;

	return UF_SYS2(SYS_fstat, fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == e->inode;
}

static bool peer_welcome(struct peer *p, int error)
{
	const struct uf_mmu *mmu = &ufi_host.mmu;
	struct handover_welcome welcome = {.magic = HANDOVER_MAGIC,
					   .version = HANDOVER_VERSION,
					   .error = error,
					   .flags = peer_flags(p),
					   .page_size = mmu->page_size,
					   .task_size = mmu->task_size,
					   .window = PEER_WINDOW};
	struct iovec iov = {&welcome, sizeof(welcome)};
	int life = (int)UF_SYS2(SYS_pidfd_open, UF_SYS0(SYS_getpid), 0);
	long n = ufi_handover_send(p->line.fd, &iov, 1, &life, life >= 0);

	if (life >= 0)
		UF_SYS1(SYS_close, life);
	return n == sizeof(welcome) && !error;
}

static void peer_set_drain(void *arg)
{
	struct peer *p = arg;

	p->e->bell.drain = p->line.fd;
}

/*
 * The bell needs an end to take its bytes back from, which the program has
 * closed: a manager's is the same. Whoever has lines keeps it.
 */
static void peer_give_end(struct engine_ctx *e, int fd)
{
	struct peer holder = {.e = e};

	if (e->bell.drain >= 0) {
		UF_SYS1(SYS_close, fd);
		return;
	}
	holder.line.fd = ufi_host_take_fd(fd);
	ufi_ctx_ring(e->ctx, peer_set_drain, &holder);
}

static struct peer *peer_new(struct engine_ctx *e, int line)
{
	struct uf_mmu *mmu = &ufi_host.mmu;
	struct peer *p = mmu->ops->alloc(mmu, sizeof(*p));

	if (!p) {
		UF_SYS1(SYS_close, line);
		return NULL;
	}
	p->line.kind = SERVICE_PEER;
	p->line.fd = ufi_host_take_fd(line);
	p->heir = -1;
	p->e = e;
	return p;
}

/* spec: handover.2, handover.4, handover.5 */
static struct peer *peer_admit(struct engine_ctx *e, const struct handover_hello *hello,
			       const int *fds)
{
	struct peer *p = peer_new(e, fds[0]);
	int error = 0;

	if (!p || p->line.fd < 0)
		error = -ENOMEM;
	else if (hello->version < HANDOVER_VERSION || hello->zero)
		error = -EPROTONOSUPPORT;
	else if (e->peers >= SERVICE_PEERS)
		error = -EBUSY;
	/* Once he is welcome nothing may be there that only looks like a message. */
	if (error)
		UF_SYS1(SYS_close, fds[1]);
	else
		peer_give_end(e, fds[1]);
	if (p && peer_welcome(p, error))
		return p;
	if (p)
		ufi_peer_free(p);
	return NULL;
}

struct peer *ufi_peer_accept(struct engine_ctx *e)
{
	struct handover_hello hello;
	struct iovec iov = {&hello, sizeof(hello)};
	int fds[HANDOVER_FDS];
	int nfds;
	long n = ufi_handover_recv(e->bell.ring, &iov, 1, MSG_DONTWAIT, fds, &nfds);

	if (n == sizeof(hello) && nfds == HANDOVER_HELLO_FDS && hello.magic == HANDOVER_MAGIC &&
	    peer_is_line(fds[0]) && peer_is_descriptor(e, fds[1]))
		return peer_admit(e, &hello, fds);
	for (int i = 0; i < nfds; i++)
		UF_SYS1(SYS_close, fds[i]);
	return NULL;
}

/* A half of the window, and the page beyond it that cannot be read. */
static uint64_t peer_half_len(void)
{
	return PEER_HALF + ufi_host.mmu.page_size;
}

/* For the event that is told again; 0: there is none. */
static uint64_t peer_take_heir(struct peer *p)
{
	int fd = p->heir;

	p->heir = -1;
	return fd < 0 ? 0 : ufi_fork_heir(fd, p->e->flags & O_CLOEXEC);
}

/* Of the last read nobody may have heard. spec: handover.12 */
void ufi_peer_free(struct peer *p)
{
	struct uf_mmu *mmu = &ufi_host.mmu;

	if (p->told)
		ufi_ctx_retell(p->e->ctx, p->msg, p->told, peer_take_heir(p));
	if (p->window[0])
		ufi_arena_give(p->window[0], 2 * peer_half_len());
	if (p->line.fd >= 0) {
		/* He may have kept a duplicate of our end, which would keep his open. */
		UF_SYS2(SYS_shutdown, p->line.fd, SHUT_RDWR);
		ufi_host_disown_fd(p->line.fd);
	}
	mmu->ops->free(mmu, p, sizeof(*p));
}

/* spec: handover.6, handover.11 */
static bool peer_answer(struct peer *p, int ret, const void *payload, size_t len)
{
	struct handover_answer answer = {.ret = ret, .flags = peer_flags(p)};
	struct iovec iov[2] = {{&answer, sizeof(answer)}, {(void *)(uintptr_t)payload, len}};

	return ufi_handover_send(p->line.fd, iov, 2, NULL, 0) == (long)(sizeof(answer) + len);
}

/*
 * The source of a COPY is at the end of a half, and beyond that is an
 * address that cannot be read: so a copy whose span is larger than what came
 * stops there, after all the checks that concern the span. A source that is
 * none to the kernel stays as it is. spec: handover.9
 */
static bool peer_source(const struct peer *p, const struct handover_request *req,
			struct uf_io_copy *copy)
{
	const struct uf_mmu *mmu = &ufi_host.mmu;
	uint64_t half = p->window[req->flags & HANDOVER_SECOND ? 1 : 0];
	uint64_t top = mmu->task_size;

	if (!half || req->n > PEER_HALF || !uf_aligned(req->n, mmu->page_size))
		return false;
	if (!copy->len || !uf_aligned(copy->len, mmu->page_size) || copy->src >= top ||
	    copy->len > top - copy->src)
		return true;
	if (req->n > copy->len)
		return false;
	copy->src = half + PEER_HALF - req->n;
	copy->len = uf_min(copy->len, top - copy->src);
	return true;
}

/* With the argument where it cannot be written: what that leads to is the engine's business. */
static int peer_ioctl_readonly(struct engine_ctx *e, uint32_t request, const void *arg)
{
	struct uf_mmu *mmu = &ufi_host.mmu;
	void *page = mmu->ops->alloc(mmu, mmu->page_size);
	int ret = -ENOMEM;

	if (!page)
		return -ENOMEM;
	memcpy(page, arg, HANDOVER_ARG);
	if (UF_SYS3(SYS_mprotect, page, mmu->page_size, PROT_READ) == 0)
		ret = ufi_ctx_ioctl(e->ctx, request, (uintptr_t)page);
	mmu->ops->free(mmu, page, mmu->page_size);
	return ret;
}

/* spec: handover.7, handover.8 */
static bool peer_ioctl(struct peer *p, const struct handover_request *req)
{
	const struct handover_ioctl *io = ufi_handover_ioctl(req->request);
	bool copy = req->request == UF_IOC_COPY;
	uint32_t known = HANDOVER_UNREADABLE | HANDOVER_UNWRITABLE | (copy ? HANDOVER_SECOND : 0);
	int64_t unwritten = PEER_UNWRITTEN;
	union {
		uint8_t bytes[HANDOVER_ARG];
		struct uf_io_copy copy;
	} arg, before;
	int ret;

	if (!io || (req->flags & ~known))
		return false;
	memcpy(&arg, req->arg, sizeof(arg));
	if (copy ? !peer_source(p, req, &arg.copy) : req->n != 0)
		return false;
	if (io->out == sizeof(unwritten))
		memcpy(arg.bytes + io->out_at, &unwritten, sizeof(unwritten));
	before = arg;
	if (req->flags & HANDOVER_UNREADABLE)
		ret = ufi_ctx_ioctl(p->e->ctx, req->request, ufi_host.mmu.task_size);
	else if (req->flags & HANDOVER_UNWRITABLE)
		ret = peer_ioctl_readonly(p->e, req->request, &arg);
	else
		ret = ufi_ctx_ioctl(p->e->ctx, req->request, (uintptr_t)&arg);
	if (!memcmp(arg.bytes + io->out_at, before.bytes + io->out_at, io->out))
		return peer_answer(p, ret, NULL, 0);
	return peer_answer(p, ret, arg.bytes + io->out_at, io->out);
}

/*
 * A child's descriptor goes over and is kept until the manager says something else: he
 * may have had no room for it. spec: handover.16
 */
static bool peer_fork(struct peer *p)
{
	uint32_t cloexec = p->e->flags & O_CLOEXEC ? HANDOVER_CLOEXEC : 0;
	struct handover_answer answer = {.ret = sizeof(p->msg[0]),
					 .flags = peer_flags(p) | HANDOVER_FORK | cloexec};
	struct iovec iov[2] = {{&answer, sizeof(answer)}, {p->msg, sizeof(p->msg[0])}};

	int fd = (int)p->msg[0].arg.fork.ufd;
	long n;

	p->msg[0].arg.fork.ufd = 0;
	n = ufi_handover_send(p->line.fd, iov, 2, &fd, 1);
	/* Out of descriptors it is not kept: what was sent is all there is. */
	p->heir = ufi_host_take_fd(fd);
	return n == (long)(sizeof(answer) + sizeof(p->msg[0]));
}

/* It never waits: a manager that wants to does so by the descriptor. spec: handover.10 */
static bool peer_read(struct peer *p, const struct handover_request *req)
{
	struct ufi_iovec iov = {(uintptr_t)p->msg, req->n * sizeof(p->msg[0])};
	int64_t got;

	if (req->n == 0 || req->n > HANDOVER_MSGS || req->flags)
		return false;
	got = ufi_ctx_read(p->e->ctx, &iov, 1, UFI_READ_NONBLOCK | UFI_READ_FORK_ALONE);
	p->told = got > 0 ? (uint32_t)((uint64_t)got / sizeof(p->msg[0])) : 0;
	if (p->told && p->msg[0].event == UF_EVENT_FORK)
		return peer_fork(p);
	return peer_answer(p, (int)got, p->msg, got > 0 ? (size_t)got : 0);
}

static bool peer_poll(struct peer *p, const struct handover_request *req)
{
	if (req->n || (req->flags & ~HANDOVER_NONBLOCK))
		return false;
	return peer_answer(p, (int)ufi_ctx_poll(p->e->ctx, req->flags & HANDOVER_NONBLOCK), NULL,
			   0);
}

static long peer_map(uint64_t addr, uint64_t len, long fd, uint64_t offset)
{
	long ret = UF_SYS6(SYS_mmap, addr, len, PROT_READ, MAP_SHARED | MAP_FIXED, fd, offset);

	return ret < 0 && ret > -4096 ? ret : 0;
}

/*
 * Each half, and behind it a page that the object does not have. What is mapped
 * cannot become unreadable, as the object can neither shrink nor grow, and that
 * page is.
 */
static int peer_map_halves(struct peer *p, long fd)
{
	uint64_t len = peer_half_len();
	uint64_t page = ufi_host.mmu.page_size;
	uint64_t at = ufi_arena_take(2 * len);
	long err = at ? 0 : -ENOMEM;

	for (uint64_t i = 0; i < 2 && !err; i++) {
		p->window[i] = at + i * len;
		err = peer_map(p->window[i], PEER_HALF, fd, i * PEER_HALF);
		if (!err)
			err = peer_map(p->window[i] + PEER_HALF, page, fd, PEER_WINDOW);
	}
	if (!err)
		return 0;
	if (at)
		ufi_arena_give(at, 2 * len);
	p->window[0] = p->window[1] = 0;
	return (int)err;
}

/* Its descriptor, or -errno. */
static int peer_make_window(struct peer *p)
{
	long fd = UF_SYS2(SYS_memfd_create, "userfault-window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	long err;

	if (fd < 0)
		return (int)fd;
	err = UF_SYS2(SYS_ftruncate, fd, PEER_WINDOW);
	if (!err)
		err = UF_SYS3(SYS_fcntl, fd, F_ADD_SEALS, PEER_SEALS);
	if (!err)
		err = peer_map_halves(p, fd);
	if (!err)
		return (int)fd;
	UF_SYS1(SYS_close, fd);
	return (int)err;
}

static bool peer_window(struct peer *p, const struct handover_request *req)
{
	struct handover_answer answer = {.flags = peer_flags(p)};
	struct iovec iov = {&answer, sizeof(answer)};
	int fd;
	long n;

	if (p->window[0] || req->n || req->flags)
		return false;
	fd = peer_make_window(p);
	answer.ret = fd < 0 ? fd : 0;
	n = ufi_handover_send(p->line.fd, &iov, 1, &fd, fd >= 0);
	if (fd >= 0)
		UF_SYS1(SYS_close, fd);
	return n == sizeof(answer);
}

bool ufi_peer_serve(struct peer *p)
{
	struct handover_request req;
	struct iovec iov = {&req, sizeof(req)};
	long n = ufi_handover_recv(p->line.fd, &iov, 1, MSG_DONTWAIT, NULL, NULL);

	if (n == -EAGAIN || n == -EINTR)
		return true;
	if (n != sizeof(req))
		return false;
	p->told = 0;
	ufi_host_disown_fd(p->heir);
	p->heir = -1;
	switch (req.op) {
	case HANDOVER_IOCTL:
		return peer_ioctl(p, &req);
	case HANDOVER_READ:
		return peer_read(p, &req);
	case HANDOVER_POLL:
		return peer_poll(p, &req);
	case HANDOVER_WINDOW:
		return peer_window(p, &req);
	}
	/* HANDOVER_BYE, or what is none of these. */
	return false;
}
