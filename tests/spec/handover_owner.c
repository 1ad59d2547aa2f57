/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec/handover.md, as far as it is about owners: one made by hand, that says
 * what no owner would, and one that cannot do what it is asked for.
 */
#include <poll.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "handover.h"

static void hostile_refused(struct t *t, struct handover *h)
{
	struct uf *more;
	int fd = dup(uf_fd(h->uf));

	handover_tell(h->sock);
	handover_await(h->sock);
	CHECK_RET(uf_adopt(fd, NULL, &more), -EMFILE);
	CHECK_EQ(uf_poll(h->uf), 0);
	handover_tell(h->sock);
	handover_await(h->sock);
	CHECK_RET(uf_adopt(fd, NULL, &more), 0);
	uf_close(more);
}

/* It has no descriptors for another line: that is not as if it were dead. */
static void hostile_poor(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = 1};
	struct rlimit limit;
	struct rlimit none;
	pid_t pid;

	t_needs_linux();
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){3, limit.rlim_max};
	h.addr = t_registered(t, uf, 1);
	pid = handover_start(t, &h, uf, hostile_refused);
	/* The manager has its first line. */
	handover_await(h.sock);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	handover_tell(h.sock);
	handover_await(h.sock);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	handover_tell(h.sock);
	handover_join(&h, pid);
}

struct hostile_owner {
	int ring;
	unsigned char welcome[64];
	size_t len;
	unsigned char answer[64]; /* to every request */
	size_t answer_len;
};

static void hostile_owner_run(void *arg)
{
	struct hostile_owner *o = arg;
	unsigned char bytes[64];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	int fds[2];

	CHECK_EQ(recvmsg(o->ring, &msg, MSG_CMSG_CLOEXEC), 16);
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fds));
	close(fds[1]);
	CHECK_EQ(message_send(fds[0], o->welcome, o->len, NULL, 0), o->len);
	while (o->answer_len && recv(fds[0], bytes, sizeof(bytes), 0) == sizeof(bytes))
		(void)message_send(fds[0], o->answer, o->answer_len, NULL, 0);
	close(fds[0]);
}

static void hostile_good_welcome(struct hostile_owner *o)
{
	memset(o, 0, sizeof(*o));
	memcpy(o->welcome, "uffh\1\0\0\0", 8);
	hostile_u32(o->welcome + 12, 1);
	hostile_u64(o->welcome + 16, 4096);
	hostile_u64(o->welcome + 24, UINT64_C(1) << 47);
	hostile_u64(o->welcome + 32, 1 << 20);
	o->len = 40;
}

static int hostile_adopt(struct t *t, struct hostile_owner *o, struct uf **uf, struct t_thread *th)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	static int serial;
	int pair[2];
	int ret;

	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "userfault-handover/%08x%08x",
		 (unsigned int)getpid(), (unsigned int)++serial);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(bind(pair[1], (struct sockaddr *)&addr,
		      offsetof(struct sockaddr_un, sun_path) + 36),
		 0);
	o->ring = pair[1];
	t_thread_call(t, th, hostile_owner_run, o);
	ret = uf_adopt(pair[0], NULL, uf);
	if (ret)
		close(pair[0]);
	return ret;
}

static void hostile_bad_welcome(struct t *t, struct hostile_owner *o, int want)
{
	struct t_thread th;
	struct uf *uf;

	CHECK_RET(hostile_adopt(t, o, &uf, &th), want);
	t_thread_join(t, &th, 0);
	close(o->ring);
}

static void hostile_owners(struct t *t)
{
	struct hostile_owner o;
	static const struct {
		size_t at;
		uint64_t value;
	} wrong[] = {{16, 0}, {16, 4097}, {16, 1 << 20}, {32, 0}, {32, 4097}, {32, UINT64_MAX}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		hostile_good_welcome(&o);
		hostile_u64(o.welcome + wrong[i].at, wrong[i].value);
		hostile_bad_welcome(t, &o, -EPROTONOSUPPORT);
	}
	hostile_good_welcome(&o);
	o.len = 39;
	hostile_bad_welcome(t, &o, -EPROTONOSUPPORT);
	o.len = 41;
	hostile_bad_welcome(t, &o, -EPROTONOSUPPORT);
	o.len = 40;
	o.welcome[0] = 'x';
	hostile_bad_welcome(t, &o, -EPROTONOSUPPORT);
	hostile_good_welcome(&o);
	hostile_u32(o.welcome + 8, (uint32_t)-EBUSY);
	hostile_bad_welcome(t, &o, -EBUSY);
	hostile_u32(o.welcome + 8, 5);
	hostile_bad_welcome(t, &o, -EPROTONOSUPPORT);
}

/* Answers that are none. */
static void hostile_answers(struct t *t)
{
	for (size_t len = 1; len <= 64; len += 9) {
		struct hostile_owner o;
		struct t_thread th;
		struct uf_msg msg;
		struct uf *uf;
		char src[8192];
		ssize_t got;
		size_t done = 0;
		int err;

		hostile_good_welcome(&o);
		memset(o.answer, 0xff, sizeof(o.answer));
		hostile_u32(o.answer, 8192);
		o.answer_len = len;
		CHECK_RET(hostile_adopt(t, &o, &uf, &th), 0);
		got = uf_read(uf, &msg, 1);
		CHECK(got <= 1);
		err = uf_copy(uf, src, src, sizeof(src), 0, &done);
		CHECK(err < 0 && done <= sizeof(src));
		(void)!uf_zeropage(uf, src, 4096, 0, NULL);
		(void)!uf_wake(uf, src, 4096);
		CHECK_EQ(uf_poll(uf) & ~(POLLIN | POLLERR), 0);
		uf_close(uf);
		t_thread_join(t, &th, 0);
		close(o.ring);
	}
}

const struct t_case handover_owner_cases[] = {
	CASE("handover.4", hostile_poor, T_ONCE | T_ENGINE_ONLY),
	CASE("handover.5", hostile_owners, T_ONCE | T_ENGINE_ONLY),
	CASE("handover.6", hostile_answers, T_ONCE | T_ENGINE_ONLY),
	{0},
};
