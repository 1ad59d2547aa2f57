/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what goes on between a program and the managers that come and go: an
 * offer holds a userfaultfd in the process whose memory it is about, gives its
 * descriptor to whoever connects, and hears from the end of the connection that
 * he is gone. It knows no backend: the descriptors of both can be sent.
 *
 * A fault that a manager had read and not resolved is known to nobody when he
 * has died. To wake its thread is enough: it faults again, and is told again.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/handle.h"
#include "backend/handover.h"
#include "base/list.h"
#include "mmu/host/host.h"
#include "mmu/host/internal.h"

/* What comes with the descriptor. */
#define ATTACH_MAGIC 0x61666675u /* "uffa" */
#define ATTACH_VERSION 1u

struct attach_greeting {
	uint32_t magic;
	uint32_t version;
};

/* Managers at a time; others wait in the listener's queue. */
#define OFFER_MANAGERS 64

/* After a failure that time may mend. */
#define OFFER_NAP_MS 50

struct offer {
	struct uf *uf;
	enum uf_on_hangup on_hangup;
	/* The listener, and the managers' connections. The thread's, and in a fork child nobody's.
	 */
	struct pollfd fd[1 + OFFER_MANAGERS];
	nfds_t nfds;
	struct uf_list link; /* in the list of all, for a fork child */
};

static pthread_mutex_t offer_lock = PTHREAD_MUTEX_INITIALIZER;
static struct uf_list offer_all = {&offer_all, &offer_all};

/* Every thread that waits, wherever: its fault is told again, if it still is one. */
static void offer_tell_again(struct uf *uf)
{
	static const uint64_t starts[] = {0, 65536}; /* the lowest that can be mapped, at most */
	uint64_t page = ufi_host_page_size();

	for (size_t i = 0; i < UF_ARRAY_SIZE(starts); i++) {
		for (int bit = 57; bit >= 30; bit--) {
			uint64_t end = UINT64_C(1) << bit;

			/* The address space ends at a power of two, or a page before it. */
			if (!uf_wake(uf, (void *)(uintptr_t)starts[i], end - starts[i]) ||
			    !uf_wake(uf, (void *)(uintptr_t)starts[i], end - page - starts[i]))
				return;
		}
	}
}

/* A fork may come in between: rather than another's the child closes none of ours then. */
static void offer_drop(int *fd)
{
	int old = __atomic_exchange_n(fd, -1, __ATOMIC_SEQ_CST);

	if (old >= 0)
		close(old);
}

static bool offer_send(const struct offer *o, int sock)
{
	struct attach_greeting hello = {ATTACH_MAGIC, ATTACH_VERSION};
	struct iovec iov = {&hello, sizeof(hello)};

	return ufi_handover_send(sock, &iov, 1, &o->uf->fd, 1) == sizeof(hello);
}

/* spec: offer.1 */
static void offer_accept(struct offer *o)
{
	int sock = accept4(o->fd[0].fd, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0) {
		/* Out of descriptors or memory; the manager waits in the queue. */
		if (errno != EINTR && errno != ECONNABORTED)
			poll(NULL, 0, OFFER_NAP_MS);
		return;
	}
	if (!offer_send(o, sock)) {
		close(sock);
		return;
	}
	o->fd[o->nfds++] = (struct pollfd){.fd = sock, .events = POLLIN};
}

/* Has he hung up? What he says is nobody's business. */
static bool offer_is_gone(int sock)
{
	char bytes[64];
	ssize_t n = recv(sock, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Of those that have something to say. Whom they had read of is told again. spec: offer.4 */
static bool offer_hear(struct offer *o)
{
	nfds_t before = o->nfds;

	for (nfds_t i = o->nfds - 1; i > 0; i--) {
		if (!o->fd[i].revents || !offer_is_gone(o->fd[i].fd))
			continue;
		offer_drop(&o->fd[i].fd);
		o->fd[i] = o->fd[--o->nfds];
	}
	if (o->nfds < before && o->on_hangup == UF_ON_HANGUP_WAIT)
		offer_tell_again(o->uf);
	return o->nfds < before;
}

/* A thread that forks waits with the lock for who reads its event: it is not to wait for us. */
static void offer_end(struct offer *o)
{
	struct uf *uf = o->uf;

	__atomic_store_n(&o->uf, NULL, __ATOMIC_SEQ_CST);
	for (nfds_t i = 0; i < o->nfds; i++)
		offer_drop(&o->fd[i].fd);
	uf_close(uf);
	pthread_mutex_lock(&offer_lock);
	uf_list_unlink(&o->link);
	pthread_mutex_unlock(&offer_lock);
	free(o);
}

/* Who comes at the moment when the last one goes is not too late. spec: offer.3 */
static void *offer_main(void *arg)
{
	struct offer *o = arg;
	bool hung_up = false;

	while (!hung_up || o->nfds > 1 || o->on_hangup == UF_ON_HANGUP_WAIT) {
		o->fd[0].events = o->nfds < UF_ARRAY_SIZE(o->fd) ? POLLIN : 0;
		if (poll(o->fd, o->nfds, -1) < 0)
			continue;
		hung_up = offer_hear(o);
		if (o->fd[0].revents & POLLIN)
			offer_accept(o);
	}
	offer_end(o);
	return NULL;
}

/* --- A fork child has none of it: the memory of the offers is its parent's --- */

static void offer_fork_prepare(void)
{
	pthread_mutex_lock(&offer_lock);
}

static void offer_fork_parent(void)
{
	pthread_mutex_unlock(&offer_lock);
}

/* Who is connected shall hear of the parent's end, and who is not find nobody. spec: offer.5 */
static void offer_fork_child(void)
{
	struct uf_list *pos;
	struct uf_list *after;

	UF_LIST_FOR_EACH (pos, after, &offer_all) {
		struct offer *o = UF_CONTAINER_OF(pos, struct offer, link);

		uf_list_unlink(&o->link);
		for (nfds_t i = 0; i < o->nfds; i++)
			offer_drop(&o->fd[i].fd);
		if (o->uf)
			offer_drop(&o->uf->fd);
	}
	pthread_mutex_unlock(&offer_lock);
}

/* With the lock. */
static int offer_prepare(void)
{
	static bool registered;
	int err = 0;

	if (!registered)
		err = -pthread_atfork(offer_fork_prepare, offer_fork_parent, offer_fork_child);
	registered = !err;
	return err;
}

/* Signals are other threads' business. */
static int offer_spawn(struct offer *o)
{
	struct uf_sigmask saved;
	pthread_attr_t attr;
	pthread_t thread;
	int err = pthread_attr_init(&attr);

	if (err)
		return -err;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ufi_thread_block(&ufi_host.mmu, &saved);
	err = pthread_create(&thread, &attr, offer_main, o);
	ufi_thread_restore(&ufi_host.mmu, &saved);
	pthread_attr_destroy(&attr);
	return -err;
}

static bool attach_is_listener(int fd)
{
	int listens = 0;
	int domain = 0;
	socklen_t len = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) && listens &&
	       !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_UNIX;
}

static int offer_start(struct offer *o)
{
	int err;

	pthread_mutex_lock(&offer_lock);
	err = offer_prepare();
	if (!err)
		uf_list_append(&offer_all, &o->link);
	if (!err)
		err = offer_spawn(o);
	if (err)
		uf_list_unlink(&o->link);
	pthread_mutex_unlock(&offer_lock);
	return err;
}

/* spec: offer.2 */
int uf_offer(struct uf *uf, int listener, enum uf_on_hangup on_hangup)
{
	struct offer *o;
	int err;

	if ((unsigned int)on_hangup > UF_ON_HANGUP_WAIT || !attach_is_listener(listener))
		return -EINVAL;
	err = uf_share(uf);
	if (err)
		return err;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->uf = uf;
	o->on_hangup = on_hangup;
	o->fd[0].fd = listener;
	o->nfds = 1;
	uf_list_init(&o->link);
	err = offer_start(o);
	if (err)
		free(o);
	return err;
}

/* --- The manager's side --- */

/* The descriptor that comes, or -errno. */
static int attach_receive(int sock)
{
	struct attach_greeting hello = {0};
	struct iovec iov = {&hello, sizeof(hello)};
	int fds[HANDOVER_FDS];
	int nfds = 0;
	long n;

	do
		n = ufi_handover_recv(sock, &iov, 1, 0, fds, &nfds);
	while (n == -EINTR);
	if (n == sizeof(hello) && hello.magic == ATTACH_MAGIC && hello.version == ATTACH_VERSION &&
	    nfds == 1)
		return fds[0];
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (n < 0)
		return (int)n;
	return n ? -EPROTO : -ECONNRESET;
}

/* spec: offer.1, offer.2 */
int uf_attach(int sock, const struct uf_options *opt, struct uf **out)
{
	int fd = attach_receive(sock);
	int err;

	if (fd < 0)
		return fd;
	err = uf_adopt(fd, opt, out);
	if (err) {
		close(fd);
		return err;
	}
	(*out)->line = sock;
	return 0;
}
