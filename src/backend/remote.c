/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seam A over the engine of another process, whose descriptor we have received.
 *
 * Every call is a question and its answer on a line (struct remote_line), and
 * no answer is long in coming: a read that has to wait does so on our side, by
 * the descriptor, which the owner's bell makes readable here as it does there.
 * So a reader that is killed or interrupted leaves nothing behind.
 *
 * The program's memory is read and written by the kernel alone, as part of a
 * system call: what it cannot reach is an error, and needs no signal handler.
 * Nothing that the owner says gets there before it has been looked at.
 *
 * A line whose other end is closed means that the owner is dead, or that it has
 * made itself another program (exec). Where a fork of its own may keep the
 * sockets open its pidfd tells.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "backend/remote.h"
#include "mmu/host/host.h"
#include "mmu/host/internal.h"

/* How long to wait for an answer before doubting that the owner lives. */
#define REMOTE_PATIENCE_MS 200

/* A COPY of more than this takes longer than it takes to be woken. */
#define REMOTE_SPIN_BYTES 65536u

/* How often to ask for a line. */
#define REMOTE_RETRIES 8
#define REMOTE_RETRY_NS 5000000L

/* Who waits for a line looks again: one who has it may be killed, and its memory live on. */
#define REMOTE_NAP_NS UINT64_C(100000000)

/* How often a page that was waited for may be gone again. */
#define REMOTE_TRIES 16

/* More messages than a socket has room for. */
#define REMOTE_LEFT 4096

/* Signals are blocked while it is held: a handler may close a descriptor. */
static pthread_mutex_t remote_lock = PTHREAD_MUTEX_INITIALIZER;
static struct uf_list remote_all = {&remote_all, &remote_all};

/* --- Lines --- */

static bool remote_try(struct remote_line *line)
{
	uint32_t free = 0;

	return atomic_compare_exchange_strong(&line->busy, &free, 1);
}

struct remote_line *ufi_remote_take(struct remote *r)
{
	struct uf_sigmask saved;

	ufi_thread_block(&ufi_host.mmu, &saved);
	for (;;) {
		uint32_t seen = atomic_load(&r->freed);
		bool full = atomic_load(&r->full);

		for (size_t i = 0; i < REMOTE_LINES; i++) {
			struct remote_line *line = &r->line[i];

			if (!remote_try(line))
				continue;
			line->saved = saved;
			if (!full || line->sock >= 0 || i == 0)
				return line;
			atomic_store(&line->busy, 0);
		}
		ufi_thread_restore(&ufi_host.mmu, &saved);
		atomic_fetch_add(&r->waiting, 1);
		(void)ufi_thread_park(&ufi_host.mmu, &r->freed, seen, REMOTE_NAP_NS);
		atomic_fetch_sub(&r->waiting, 1);
		ufi_thread_block(&ufi_host.mmu, &saved);
	}
}

void ufi_remote_put(struct remote *r, struct remote_line *line)
{
	struct uf_sigmask saved = line->saved;

	atomic_store(&line->busy, 0);
	atomic_fetch_add(&r->freed, 1);
	if (atomic_load(&r->waiting))
		ufi_thread_unpark(&ufi_host.mmu, &r->freed, INT32_MAX);
	ufi_thread_restore(&ufi_host.mmu, &saved);
}

static void remote_hang_up(struct remote_line *line)
{
	ufi_host_disown_fd(line->sock);
	ufi_host_disown_fd(line->window);
	line->sock = line->window = -1;
}

/* What is left in the socket would make it readable for ever. spec: handover.15 */
static int remote_lost(struct remote *r, int fd)
{
	uint8_t byte;

	atomic_store(&r->gone, true);
	/* One that only seems to be dead could go on sending. */
	for (int i = 0; i < REMOTE_LEFT; i++) {
		if (UF_SYS6(SYS_recvfrom, fd, &byte, 1, MSG_DONTWAIT, NULL, NULL) < 0)
			break;
	}
	return REMOTE_GONE;
}

static bool remote_readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec ts = {0, timeout_ms * 1000000L};

	return UF_SYS5(SYS_ppoll, &p, 1, &ts, NULL, 0) > 0;
}

/* Who made the socket pair is the owner, or was. */
static bool remote_is_dead(struct remote *r, int fd)
{
	struct ucred cred = {0};
	uint32_t len = sizeof(cred);
	int life = atomic_load(&r->life);

	if (life >= 0)
		return remote_readable(life, 0);
	if (UF_SYS5(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid <= 0)
		return false;
	return UF_SYS2(SYS_kill, cred.pid, 0) == -ESRCH;
}

/* An owner that takes its time may be stopped: whoever wants to end us can. */
static bool remote_doubt(struct remote *r, int fd, const struct uf_sigmask *saved)
{
	struct uf_sigmask blocked;

	ufi_thread_restore(&ufi_host.mmu, saved);
	ufi_thread_block(&ufi_host.mmu, &blocked);
	return remote_is_dead(r, fd);
}

/* The next message on the line, however long it takes while the owner lives. */
static long remote_receive(struct remote *r, int fd, const struct remote_line *line,
			   const struct iovec *iov, int niov, int *fds, int *nfds)
{
	unsigned spins = line->spins;
	long n;

	for (;;) {
		n = ufi_handover_recv(line->sock, iov, niov, spins ? MSG_DONTWAIT : 0, fds, nfds);
		if (n == -EAGAIN && spins) {
			spins--;
			continue;
		}
		if (n == -EAGAIN && remote_doubt(r, fd, &line->saved))
			return REMOTE_GONE;
		if (n != -EAGAIN && n != -EINTR)
			break;
	}
	if (n > 0 || n == -EFAULT)
		return n;
	/* An empty message can bring some as well. */
	while (*nfds > 0)
		UF_SYS1(SYS_close, fds[--*nfds]);
	return REMOTE_CUT;
}

/* --- Getting a line --- */

static int remote_hello(struct remote *r, int fd, const struct remote_line *line, int theirs)
{
	struct handover_hello hello = {.magic = HANDOVER_MAGIC, .version = HANDOVER_VERSION};
	struct iovec iov = {&hello, sizeof(hello)};
	int fds[HANDOVER_HELLO_FDS] = {theirs, fd};
	struct pollfd room = {.fd = fd, .events = POLLOUT};
	long n;

	while ((n = ufi_handover_send(fd, &iov, 1, fds, HANDOVER_HELLO_FDS)) == -EAGAIN ||
	       n == -EINTR) {
		struct timespec ts = {0, REMOTE_PATIENCE_MS * 1000000L};

		if (UF_SYS5(SYS_ppoll, &room, 1, &ts, NULL, 0) == 0 &&
		    remote_doubt(r, fd, &line->saved))
			return REMOTE_GONE;
	}
	if (n == -ECONNREFUSED || n == -ENOTCONN || n == -ECONNRESET || n == -EPIPE)
		return REMOTE_GONE;
	return n < 0 ? (int)n : 0;
}

static void remote_set_life(struct remote *r, const int *fds, int nfds)
{
	int none = -1;
	int life = nfds > 0 ? ufi_host_take_fd(fds[0]) : -1;

	for (int i = 1; i < nfds; i++)
		UF_SYS1(SYS_close, fds[i]);
	if (life >= 0 && !atomic_compare_exchange_strong(&r->life, &none, life))
		ufi_host_disown_fd(life);
}

/* An owner can be as hostile as anybody. */
static bool remote_is_sane(const struct handover_welcome *w)
{
	uint64_t page = w->page_size;

	return page >= 4096 && page <= 65536 && !(page & (page - 1)) &&
	       uf_aligned(w->window, 2 * page) && w->window >= 2 * page &&
	       w->window <= UINT64_C(1) << 30;
}

/* The first line says it, the others say the same. */
static bool remote_agrees(struct remote *r, const struct handover_welcome *w)
{
	if (!r->window) {
		r->page_size = w->page_size;
		r->task_size = w->task_size;
		r->window = w->window;
	}
	return r->page_size == w->page_size && r->task_size == w->task_size &&
	       r->window == w->window;
}

/* spec: handover.5 */
static int remote_welcome(struct remote *r, int fd, const struct remote_line *line)
{
	struct handover_welcome w;
	struct iovec iov = {&w, sizeof(w)};
	int fds[HANDOVER_FDS];
	int nfds = 0;
	long n = remote_receive(r, fd, line, &iov, 1, fds, &nfds);

	if (n < 0)
		return (int)n;
	remote_set_life(r, fds, nfds);
	if (n != sizeof(w) || w.magic != HANDOVER_MAGIC || w.version < HANDOVER_VERSION)
		return -EPROTONOSUPPORT;
	if (w.error)
		return w.error < 0 && w.error > -4096 ? w.error : -EPROTONOSUPPORT;
	if (!remote_is_sane(&w) || !remote_agrees(r, &w))
		return -EPROTONOSUPPORT;
	if (w.flags & HANDOVER_READY)
		atomic_store(&r->ready, true);
	return 0;
}

static int remote_introduce(struct remote *r, int fd, const struct remote_line *line, int theirs)
{
	struct timeval patience = {0, REMOTE_PATIENCE_MS * 1000};
	long err = UF_SYS5(SYS_setsockopt, line->sock, SOL_SOCKET, SO_RCVTIMEO, &patience,
			   sizeof(patience));

	if (!err)
		err = remote_hello(r, fd, line, theirs);
	UF_SYS1(SYS_close, theirs);
	return err ? (int)err : remote_welcome(r, fd, line);
}

static int remote_connect_once(struct remote *r, int fd, struct remote_line *line)
{
	int pair[2];
	long err;

	err = UF_SYS4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
	if (err)
		return (int)err;
	line->sock = ufi_host_take_fd(pair[0]);
	if (line->sock < 0) {
		UF_SYS1(SYS_close, pair[1]);
		return -EMFILE;
	}
	err = remote_introduce(r, fd, line, pair[1]);
	if (err)
		remote_hang_up(line);
	return (int)err;
}

/*
 * An owner that is dying drops its lines first, and then the socket that they
 * are asked for through: the next try finds that. One that drops them and lives
 * on has no descriptors for them.
 */
int ufi_remote_connect(struct remote *r, int fd, struct remote_line *line)
{
	struct timespec nap = {0, REMOTE_RETRY_NS};
	int err = REMOTE_CUT;

	if (line->sock >= 0)
		return 0;
	if (atomic_load(&r->gone))
		return REMOTE_GONE;
	for (int i = 0; err == REMOTE_CUT && i < REMOTE_RETRIES; i++) {
		if (i)
			UF_SYS2(SYS_nanosleep, &nap, NULL);
		err = remote_connect_once(r, fd, line);
	}
	if (err == -EBUSY)
		atomic_store(&r->full, true);
	if (err == REMOTE_CUT)
		return -EMFILE;
	return err == REMOTE_GONE ? remote_lost(r, fd) : err;
}

/* --- One exchange --- */

static long remote_send(const struct remote_line *line, const struct remote_call *call)
{
	struct iovec iov = {(void *)(uintptr_t)&call->req, sizeof(call->req)};
	long n;

	do
		n = ufi_handover_send(line->sock, &iov, 1, NULL, 0);
	while (n == -EINTR);
	return n;
}

/* Who says more than there is room for is no owner. */
static int remote_answered(struct remote *r, struct remote_call *call, long n, const int *fds,
			   int nfds)
{
	size_t room = sizeof(call->answer);
	bool good;
	bool keeps;

	for (int i = 0; i < call->nout; i++)
		room += uf_min(call->out[i].iov_len, SSIZE_MAX - room);
	good = n >= (long)sizeof(call->answer) && (size_t)n <= room;
	keeps = good && call->keeps_fd && nfds > 0;
	call->fd = keeps ? fds[0] : -1;
	for (int i = keeps; i < nfds; i++)
		UF_SYS1(SYS_close, fds[i]);
	if (!good)
		return n < 0 ? (int)n : REMOTE_GONE;
	call->got = (size_t)n - sizeof(call->answer);
	if (call->answer.flags & HANDOVER_READY)
		atomic_store(&r->ready, true);
	return 0;
}

static int remote_ask(struct remote *r, int fd, struct remote_line *line, struct remote_call *call)
{
	struct iovec iov[8] = {{&call->answer, sizeof(call->answer)}};
	int fds[HANDOVER_FDS];
	int nfds = 0;
	long n = remote_send(line, call);

	if (n != sizeof(call->req))
		return REMOTE_CUT;
	if (call->meanwhile)
		call->meanwhile(call->meanwhile_arg);
	if (call->nout)
		memcpy(&iov[1], call->out, (size_t)call->nout * sizeof(iov[0]));
	line->spins = call->req.n <= REMOTE_SPIN_BYTES ? ufi_handover_spins() : 0;
	n = remote_receive(r, fd, line, iov, 1 + call->nout, fds, &nfds);
	n = remote_answered(r, call, n, fds, nfds);
	/* There was no room for it: hung up so, the owner tells it again. spec: handover.16 */
	if (n == 0 && call->keeps_fd && call->fd < 0 && (call->answer.flags & HANDOVER_FORK) &&
	    call->got == sizeof(struct uf_msg)) {
		remote_hang_up(line);
		return -EMFILE;
	}
	return (int)n;
}

int ufi_remote_call(struct remote *r, int fd, struct remote_line *line, struct remote_call *call)
{
	int err = ufi_remote_connect(r, fd, line);

	if (!err)
		err = remote_ask(r, fd, line, call);
	if (err != REMOTE_GONE && err != REMOTE_CUT)
		return err;
	remote_hang_up(line);
	if (err == REMOTE_GONE)
		return remote_lost(r, fd);
	/* Whether it was done nobody knows, but whether the owner lives. */
	err = ufi_remote_connect(r, fd, line);
	return err ? err : -EPROTO;
}

int ufi_remote_result(const struct remote_call *call)
{
	return call->answer.ret <= 0 && call->answer.ret > -4096 ? call->answer.ret : -EPROTO;
}

static int remote_once(struct remote *r, int fd, struct remote_call *call)
{
	struct remote_line *line = ufi_remote_take(r);
	int err = ufi_remote_call(r, fd, line, call);

	ufi_remote_put(r, line);
	return err;
}

int ufi_remote_argument(void *to, uintptr_t arg, size_t n)
{
	const void *from = (const void *)arg;
	int err = ufi_remote_carry(to, from, n);

	for (int i = 0; err == -EFAULT && i < REMOTE_TRIES; i++) {
		if (ufi_host_touch(from, n, false))
			break;
		err = ufi_remote_carry(to, from, n);
	}
	if (err)
		memset(to, 0, n);
	return err;
}

/* --- Seam A --- */

/* No more bytes were done than there were, whatever an owner says. */
static bool remote_adds_up(const struct handover_ioctl *io, const struct handover_request *req,
			   const uint8_t *out)
{
	const size_t at = offsetof(struct uf_io_range, len);
	uint64_t len;
	int64_t done;

	if (io->request == UF_IOC_API || io->request == UF_IOC_REGISTER)
		return true;
	memcpy(&len, req->arg + at, sizeof(len));
	memcpy(&done, out, sizeof(done));
	return done <= 0 || (uint64_t)done <= len;
}

/* What an ioctl has written, if it has, goes where it belongs. */
static int remote_write_back(const struct handover_ioctl *io, const struct remote_call *call,
			     uintptr_t arg)
{
	const struct iovec *out = call->out;

	if (!call->got)
		return 0;
	if (call->got != io->out || !remote_adds_up(io, &call->req, out->iov_base))
		return -EPROTO;
	return ufi_remote_carry((void *)(arg + io->out_at), out->iov_base, io->out);
}

/*
 * What it writes is looked at first: the owner has to know, as an ioctl that
 * cannot tell how far it came wakes nobody. spec: handover.7, fill.12
 */
static int remote_plain(struct remote *r, int fd, const struct handover_ioctl *io, uintptr_t arg)
{
	uint8_t bytes[HANDOVER_ARG];
	struct iovec out = {bytes, io->out};
	struct remote_call call = {.req = {HANDOVER_IOCTL, io->request, 0, 0, {0}},
				   .out = &out,
				   .nout = io->out > 0};
	int err = ufi_remote_argument(call.req.arg, arg, io->in);

	if (err == -EFAULT)
		call.req.flags |= HANDOVER_UNREADABLE;
	else if (err)
		return err;
	if (io->out && ufi_host_touch((void *)(arg + io->out_at), io->out, true))
		call.req.flags |= HANDOVER_UNWRITABLE;
	err = remote_once(r, fd, &call);
	if (!err)
		err = remote_write_back(io, &call, arg);
	return err ? err : ufi_remote_result(&call);
}

/* spec: fill.12, register.14, register.15, writeprotect.15, continue.16, poison.12 */
static int remote_ioctl(void *ctx, int fd, uint32_t request, uintptr_t arg)
{
	const struct handover_ioctl *io = ufi_handover_ioctl(request);
	struct remote *r = ctx;
	int ret = REMOTE_GONE;

	if (!io)
		return -EINVAL;
	if (!atomic_load(&r->gone))
		ret = request == UF_IOC_COPY ? ufi_remote_copy(r, fd, arg)
					     : remote_plain(r, fd, io, arg);
	return ret == REMOTE_GONE ? ufi_remote_gone_ioctl(r, io, arg) : ret;
}

static bool remote_nonblock(int fd)
{
	long flags = UF_SYS2(SYS_fcntl, fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK);
}

/* At most six segments are handed on; what is in others waits for the next read. */
#define REMOTE_IOV 6

/* As many messages as there are and fit. */
static ssize_t remote_read_some(struct remote *r, int fd, const struct iovec *iov, int niov,
				size_t room)
{
	struct uf_msg msg[HANDOVER_MSGS];
	struct iovec out = {msg, 0};
	struct remote_call call = {
		.req = {HANDOVER_READ, 0, 0, 0, {0}}, .out = &out, .nout = 1, .keeps_fd = true};
	size_t n = room / sizeof(*msg);
	int err;

	call.req.n = (uint32_t)(n < HANDOVER_MSGS ? n : HANDOVER_MSGS);
	/* One at a time, where more than one could be lost. spec: read.6 */
	for (int i = 0; i < niov && i < REMOTE_IOV && call.req.n > 1; i++) {
		if (ufi_host_touch(iov[i].iov_base, iov[i].iov_len, true))
			call.req.n = 1;
	}
	if (call.req.n == 1)
		(void)!ufi_host_touch(iov->iov_base, sizeof(*msg), true);
	out.iov_len = call.req.n * sizeof(*msg);
	err = remote_once(r, fd, &call);
	if (err)
		return err == REMOTE_GONE ? -EAGAIN : err;
	return ufi_remote_messages(&call, msg, iov);
}

static size_t remote_room(const struct iovec *iov, int niov)
{
	size_t room = 0;

	for (int i = 0; i < niov && i < REMOTE_IOV; i++)
		room += iov[i].iov_len < SSIZE_MAX - room ? iov[i].iov_len : SSIZE_MAX - room;
	return room;
}

static short remote_poll(void *ctx, int fd)
{
	struct remote *r = ctx;
	bool nonblock = remote_nonblock(fd);
	struct remote_call call = {
		.req = {HANDOVER_POLL, 0, nonblock ? HANDOVER_NONBLOCK : 0, 0, {0}}};
	int err = REMOTE_GONE;

	if (!atomic_load(&r->gone))
		err = remote_once(r, fd, &call);
	if (!err)
		return (short)(call.answer.ret & (POLLIN | POLLERR));
	return nonblock && atomic_load(&r->ready) ? 0 : POLLERR;
}

/* spec: handover.10 */
static ssize_t remote_readv(void *ctx, int fd, const struct iovec *iov, int niov, bool dontwait)
{
	struct remote *r = ctx;
	size_t room = remote_room(iov, niov);
	ssize_t got;
	int err;

	/* Others may have shaken hands since. */
	if (!atomic_load(&r->ready))
		(void)remote_poll(ctx, fd);
	if (!atomic_load(&r->ready) || room < sizeof(struct uf_msg))
		return -EINVAL;
	dontwait = dontwait || remote_nonblock(fd);
	do {
		err = dontwait ? 0 : ufi_remote_sleep(r, fd);
		if (err)
			return err;
		got = atomic_load(&r->gone) ? -EAGAIN : remote_read_some(r, fd, iov, niov, room);
	} while (got == -EAGAIN && !dontwait);
	return got;
}

/* Who has received it may send it on. */
static int remote_share(void *ctx, int fd)
{
	return 0;
}

static void remote_lock_list(struct uf_sigmask *saved)
{
	ufi_thread_block(&ufi_host.mmu, saved);
	pthread_mutex_lock(&remote_lock);
}

static void remote_unlock_list(const struct uf_sigmask *saved)
{
	pthread_mutex_unlock(&remote_lock);
	ufi_thread_restore(&ufi_host.mmu, saved);
}

static void remote_free(struct remote *r)
{
	ufi_host_disown_fd(atomic_load(&r->life));
	UF_SYS2(SYS_munmap, r, sizeof(*r));
}

/* So that the owner knows that the last messages have been heard. spec: handover.12 */
static void remote_close(void *ctx)
{
	struct remote *r = ctx;
	struct remote_call bye = {.req = {HANDOVER_BYE, 0, 0, 0, {0}}};
	struct uf_sigmask saved;

	remote_lock_list(&saved);
	uf_list_unlink(&r->link);
	remote_unlock_list(&saved);
	for (size_t i = 0; i < REMOTE_LINES; i++) {
		if (r->line[i].sock >= 0)
			(void)remote_send(&r->line[i], &bye);
		remote_hang_up(&r->line[i]);
	}
	remote_free(r);
}

const struct uf_backend_ops uf_backend_remote = {
	.name = "engine of another process",
	.kind = UF_BACKEND_ENGINE,
	.ioctl = remote_ioctl,
	.readv = remote_readv,
	.poll = remote_poll,
	.share = remote_share,
	.close = remote_close,
};

/* --- Adoption --- */

static void remote_fork_prepare(void)
{
	pthread_mutex_lock(&remote_lock);
}

static void remote_fork_parent(void)
{
	pthread_mutex_unlock(&remote_lock);
}

/* The lines are the parent's, and the descriptor ours as well: there will be new ones. */
void uf_backend_forked(void)
{
	struct uf_list *pos;
	struct uf_list *after;

	UF_LIST_FOR_EACH (pos, after, &remote_all) {
		struct remote *r = UF_CONTAINER_OF(pos, struct remote, link);

		for (size_t i = 0; i < REMOTE_LINES; i++) {
			remote_hang_up(&r->line[i]);
			atomic_store(&r->line[i].busy, 0);
		}
		atomic_store(&r->full, false);
		/* The engine's own handler may have closed it before. */
		ufi_host_disown_fd(atomic_exchange(&r->life, -1));
	}
}

static void remote_fork_child(void)
{
	uf_backend_forked();
	pthread_mutex_unlock(&remote_lock);
}

static int remote_prepare(void)
{
	static bool registered;
	struct uf_sigmask saved;
	int err = 0;

	remote_lock_list(&saved);
	if (!registered)
		err = -pthread_atfork(remote_fork_prepare, remote_fork_parent, remote_fork_child);
	registered = !err;
	remote_unlock_list(&saved);
	return err;
}

int uf_backend_start(struct ufi_mm **mm, const char **why)
{
	int err = remote_prepare();

	*why = "no memory";
	return err ? err : ufi_host_start(mm, why);
}

static struct remote *remote_new(void)
{
	long p = UF_SYS6(SYS_mmap, 0, sizeof(struct remote), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct remote *r = (struct remote *)p;

	if (p < 0 && p > -4096)
		return NULL;
	atomic_store(&r->life, -1);
	for (size_t i = 0; i < REMOTE_LINES; i++)
		r->line[i].sock = r->line[i].window = -1;
	/* Until the owner says its own. */
	r->page_size = ufi_host_page_size();
	r->task_size = UINT64_MAX;
	uf_list_init(&r->link);
	return r;
}

/*
 * An owner that is dead already is none to complain about. Nothing tells then
 * whether the handshake had been made: it is what comes before anything else.
 * spec: handover.14
 */
static int remote_adopt(int fd, void **ctx)
{
	struct remote_line *line;
	struct uf_sigmask saved;
	struct remote *r;
	int err = remote_prepare();

	if (err)
		return err;
	r = remote_new();
	if (!r)
		return -ENOMEM;
	line = ufi_remote_take(r);
	err = ufi_remote_connect(r, fd, line);
	ufi_remote_put(r, line);
	if (err && err != REMOTE_GONE) {
		remote_free(r);
		return err;
	}
	if (err)
		atomic_store(&r->ready, true);
	remote_lock_list(&saved);
	uf_list_append(&remote_all, &r->link);
	remote_unlock_list(&saved);
	*ctx = r;
	return 0;
}

/* Its name in /proc says it. Without that: a file of no type that knows such an ioctl. */
static bool remote_is_kernel(int fd)
{
	long ret = ufi_maps_fd_is(fd, "anon_inode:[userfaultfd]");

	if (ret >= 0)
		return ret;
	ret = UF_SYS3(SYS_ioctl, fd, UF_IOC_WAKE, NULL);
	return ret == -EINVAL || ret == -EFAULT;
}

/* spec: handover.1, handover.13 */
int uf_backend_adopt(int fd, const struct uf_backend_ops **ops, void **ctx)
{
	if (fd < 0)
		return -EBADF;
	if (ufi_handover_is(fd)) {
		*ops = &uf_backend_remote;
		return remote_adopt(fd, ctx);
	}
	if (UF_SYS2(SYS_fcntl, fd, F_GETFD) < 0)
		return -EBADF;
	if (!remote_is_kernel(fd))
		return -EINVAL;
	*ops = &uf_backend_kernel;
	*ctx = NULL;
	return 0;
}
