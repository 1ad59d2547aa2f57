/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/offer.md */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "handover.h"

int offer_listen(struct sockaddr_un *addr, socklen_t *len)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(sock >= 0);
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	CHECK_EQ(bind(sock, (struct sockaddr *)addr, sizeof(sa_family_t)), 0);
	CHECK_EQ(listen(sock, 4), 0);
	*len = sizeof(*addr);
	CHECK_EQ(getsockname(sock, (struct sockaddr *)addr, len), 0);
	return sock;
}

int offer_connect(const struct sockaddr_un *addr, socklen_t len)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err;

	CHECK(sock >= 0);
	if (connect(sock, (const struct sockaddr *)addr, len) == 0)
		return sock;
	err = -errno;
	close(sock);
	return err;
}

/* A program whose memory is offered, and a manager in a process of its own. */
struct offer_test {
	struct sockaddr_un addr;
	socklen_t len;
	char *mem;
	size_t fills; /* faults that the manager resolves */
	size_t reads; /* and then reads, and does not resolve */
	bool stays;   /* until it is told to go */
	int sock;     /* between both: what has been said so far */
	int peer;
};

static void offer_manager(struct t *t, void *arg)
{
	struct offer_test *o = arg;
	struct uf *uf;

	close(o->sock);
	CHECK_RET(uf_attach(offer_connect(&o->addr, o->len), NULL, &uf), 0);
	CHECK_EQ(uf_backend(uf), t->target->backend);
	for (size_t i = 0; i < o->fills + o->reads; i++) {
		struct uf_msg msg = t_message(uf);
		char *at = (char *)(uintptr_t)msg.arg.pagefault.address;

		CHECK_EQ(msg.event, UF_EVENT_PAGEFAULT);
		if (i < o->fills)
			t_fill(t, uf, at, (int)((size_t)(at - o->mem) / t->page) + 1, 0);
	}
	handover_tell(o->peer);
	if (o->stays)
		handover_await(o->peer);
	uf_close(uf);
}

static pid_t offer_start(struct t *t, struct offer_test *o)
{
	int socks[2];
	pid_t pid;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	o->sock = socks[0];
	o->peer = socks[1];
	pid = t_fork(t, offer_manager, o);
	close(o->peer);
	return pid;
}

static void offer_join(struct offer_test *o, pid_t pid, int status)
{
	CHECK_EQ(t_wait(pid), status);
	close(o->sock);
}

/* The program: NPAGES that are missing, left to whoever comes. */
static void offer_begin(struct t *t, struct offer_test *o, size_t npages, uint64_t features,
			enum uf_on_hangup on_hangup)
{
	struct uf *uf = t_open(t, 0, features);
	int listener = offer_listen(&o->addr, &o->len);

	o->mem = t_registered(t, uf, npages);
	t->keeps = on_hangup == UF_ON_HANGUP_WAIT;
	CHECK_RET(uf_offer(uf, listener, on_hangup), 0);
	t_give(t, uf);
}

/* Until the offer ends: nobody listens any more. */
static void offer_ended(const struct offer_test *o)
{
	int sock;

	for (int i = 0; (sock = offer_connect(&o->addr, o->len)) >= 0; i++) {
		CHECK(i < 5000);
		close(sock);
		t_sleep_ms(1);
	}
	CHECK_RET(sock, -ECONNREFUSED);
}

/* spec: offer.1, offer.3 */
static void offer_release(struct t *t)
{
	struct offer_test o = {.fills = 2, .reads = 1};
	struct t_thread th[4];
	pid_t pid;

	offer_begin(t, &o, 4, 0, UF_ON_HANGUP_RELEASE);
	for (size_t i = 0; i < 2; i++)
		t_thread_access(t, &th[i], o.mem + i * t->page, T_READ);
	t_thread_blocked(&th[0]);
	o.stays = true;
	pid = offer_start(t, &o);
	for (size_t i = 0; i < 2; i++) {
		t_thread_join(t, &th[i], 0);
		CHECK_EQ(th[i].outcome.value, (int)i + 1);
	}
	t_thread_access(t, &th[2], o.mem + 2 * t->page, T_READ);
	handover_await(o.sock);
	t_thread_asleep(&th[2]);
	t_thread_access(t, &th[3], o.mem + 3 * t->page, T_READ);
	t_thread_asleep(&th[3]);
	handover_tell(o.sock);
	offer_join(&o, pid, 0);
	/* One was read, the other one was not. */
	for (size_t i = 2; i < 4; i++) {
		t_thread_join(t, &th[i], 0);
		CHECK_EQ(th[i].outcome.value, 0);
	}
	offer_ended(&o);
}

/* spec: offer.4 */
static void offer_waits(struct t *t)
{
	struct offer_test o = {.reads = 1, .stays = true};
	struct t_thread th[2];
	pid_t pid;

	offer_begin(t, &o, 2, 0, UF_ON_HANGUP_WAIT);
	t_thread_access(t, &th[0], o.mem, T_READ);
	pid = offer_start(t, &o);
	handover_await(o.sock);
	t_thread_asleep(&th[0]);
	t_thread_access(t, &th[1], o.mem + t->page, T_READ);
	t_thread_asleep(&th[1]);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	offer_join(&o, pid, SIGKILL);
	t_thread_blocked(&th[0]);
	t_thread_blocked(&th[1]);
	/* Another one is told both, hangs up in good order, and they are not there for good. */
	o = (struct offer_test){o.addr, o.len, o.mem, .fills = 1, .reads = 1};
	pid = offer_start(t, &o);
	handover_await(o.sock);
	offer_join(&o, pid, 0);
	o.reads = 0;
	pid = offer_start(t, &o);
	handover_await(o.sock);
	offer_join(&o, pid, 0);
	for (size_t i = 0; i < 2; i++) {
		t_thread_join(t, &th[i], 0);
		CHECK_EQ(th[i].outcome.value, (int)i + 1);
	}
}

/* spec: offer.1, offer.3: one of two goes, and it is no hang-up yet. */
static void offer_several(struct t *t)
{
	struct offer_test o = {.stays = true};
	struct offer_test other;
	struct t_thread th;
	pid_t pid[2];

	offer_begin(t, &o, 1, 0, UF_ON_HANGUP_RELEASE);
	other = o;
	other.fills = 1;
	pid[0] = offer_start(t, &o);
	handover_await(o.sock);
	pid[1] = offer_start(t, &other);
	t_sleep_ms(20);
	handover_tell(o.sock);
	offer_join(&o, pid[0], 0);
	t_thread_access(t, &th, o.mem, T_READ);
	handover_await(other.sock);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 1);
	handover_tell(other.sock);
	offer_join(&other, pid[1], 0);
	offer_ended(&o);
}

struct offer_unmap {
	char *addr;
	size_t len;
};

static void offer_unmap(void *arg)
{
	const struct offer_unmap *u = arg;

	CHECK_RET(uf_munmap(u->addr, u->len), 0);
}

/* spec: offer.4: who waits for an event to be read does so until somebody reads it. */
static void offer_event(struct t *t)
{
	struct offer_test o = {.stays = false};
	struct offer_unmap unmap;
	struct t_thread th;
	struct uf_msg msg;
	struct uf *uf;
	pid_t pid;

	offer_begin(t, &o, 2, UF_FEATURE_EVENT_UNMAP, UF_ON_HANGUP_WAIT);
	unmap = (struct offer_unmap){o.mem, 2 * t->page};
	t_thread_call(t, &th, offer_unmap, &unmap);
	t_thread_asleep(&th);
	pid = offer_start(t, &o);
	handover_await(o.sock);
	offer_join(&o, pid, 0);
	t_thread_blocked(&th);
	CHECK_RET(uf_attach(offer_connect(&o.addr, o.len), NULL, &uf), 0);
	msg = t_message(uf);
	CHECK_EQ(msg.event, UF_EVENT_UNMAP);
	t_thread_join(t, &th, 0);
	uf_close(uf);
}

static void offer_sleeper(struct t *t, void *arg)
{
	const struct offer_test *o = arg;

	handover_await(o->peer);
}

/* spec: offer.5 */
static void offer_fork(struct t *t)
{
	struct offer_test child;
	struct offer_test o = {.reads = 0};
	struct t_thread th;
	int socks[2];
	pid_t pid[2];

	offer_begin(t, &o, 1, 0, UF_ON_HANGUP_RELEASE);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	child.peer = socks[1];
	pid[0] = t_fork(t, offer_sleeper, &child);
	t_thread_access(t, &th, o.mem, T_READ);
	t_thread_asleep(&th);
	pid[1] = offer_start(t, &o);
	handover_await(o.sock);
	offer_join(&o, pid[1], 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0);
	offer_ended(&o);
	handover_tell(socks[0]);
	CHECK_EQ(t_wait(pid[0]), 0);
	close(socks[0]);
	close(socks[1]);
}

/* spec: offer.2 */
static void offer_arguments(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct sockaddr_un addr;
	socklen_t len;
	int listener = offer_listen(&addr, &len);
	struct uf *none = NULL;
	int socks[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	CHECK_RET(uf_offer(uf, -1, UF_ON_HANGUP_WAIT), -EINVAL);
	CHECK_RET(uf_offer(uf, uf_fd(uf), UF_ON_HANGUP_WAIT), -EINVAL);
	CHECK_RET(uf_offer(uf, socks[0], UF_ON_HANGUP_WAIT), -EINVAL);
	CHECK_RET(uf_offer(uf, listener, (enum uf_on_hangup)2), -EINVAL);
	t_zero(t, uf, t_registered(t, uf, 1), t->page);
	close(listener);
	/* Nothing of the kind comes, and then nothing more. */
	CHECK_EQ(send(socks[0], "12345678", 8, 0), 8);
	CHECK_RET(uf_attach(socks[1], NULL, &none), -EPROTO);
	handover_send_fd(socks[0], uf_fd(uf));
	CHECK_RET(uf_attach(socks[1], NULL, &none), -EPROTO);
	CHECK_EQ(shutdown(socks[0], SHUT_WR), 0);
	CHECK_RET(uf_attach(socks[1], NULL, &none), -ECONNRESET);
	CHECK_RET(uf_attach(-1, NULL, &none), -EBADF);
	CHECK(!none);
	close(socks[0]);
	close(socks[1]);
}

const struct t_case offer_cases[] = {
	CASE("offer.1, offer.3", offer_release, T_SMALL),
	CASE("offer.4", offer_waits, T_SMALL),
	CASE("offer.1, offer.3", offer_several, T_SMALL),
	CASE("offer.4", offer_event, T_SMALL),
	CASE("offer.5", offer_fork, T_SMALL),
	CASE("offer.2", offer_arguments, T_SMALL),
	{0},
};
