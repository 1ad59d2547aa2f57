/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owners and managers that are killed at any moment, over and over: no thread
 * waits for ever, no page has a wrong byte, and nothing is left behind.
 */
#include <poll.h>
#include <sys/wait.h>
#include <time.h>

#include "handover.h"

#define STORM_ROUNDS (T_SANITIZED ? 15 : 60)
#define STORM_PAGES 8

static uint64_t storm_seed = 1125;

unsigned int storm_random(uint64_t *state, unsigned int below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned int)(*state >> 20) % below;
}

int storm_byte(const struct t *t, const char *base, const char *at)
{
	return (int)(((uintptr_t)at - (uintptr_t)base) / t->page % 100) + 1;
}

bool storm_serve(struct t *t, struct uf *uf, const char *base, char *src, long hesitate_ns)
{
	const struct timespec hesitate = {0, hesitate_ns};
	struct pollfd p = {.fd = uf_fd(uf), .events = POLLIN};
	struct uf_msg msg;
	ssize_t n;
	char *at;
	int err;

	(void)!poll(&p, 1, 5);
	n = uf_read(uf, &msg, 1);
	if (n != 1) {
		CHECK_RET(n, -EAGAIN);
		return false;
	}
	at = (char *)(uintptr_t)msg.arg.pagefault.address;
	if (hesitate_ns)
		nanosleep(&hesitate, NULL);
	memset(src, storm_byte(t, base, at), t->page);
	err = uf_copy(uf, at, src, t->page, 0, NULL);
	if (err == -EEXIST)
		CHECK_RET(uf_wake(uf, at, t->page), 0);
	else if (err != -ESRCH)
		CHECK_RET(err, 0);
	return err == 0;
}

static void storm_serve_on(struct t *t, struct handover *h)
{
	char *src = malloc(t->page);
	struct pollfd end = {.fd = h->sock, .events = POLLIN};

	CHECK(src);
	while (poll(&end, 1, 0) == 0)
		(void)storm_serve(t, h->uf, h->addr, src, 0);
	free(src);
}

/* What the one before may have taken with it is told again. */
static void storm_serve_again(struct t *t, struct handover *h)
{
	CHECK_RET(uf_wake(h->uf, h->addr, h->npages * t->page), 0);
	storm_serve_on(t, h);
}

struct storm_touch {
	const struct handover *h;
	const struct t *t;
	size_t first;
};

static void storm_touch(void *arg)
{
	struct storm_touch *s = arg;

	for (size_t i = 0; i < STORM_PAGES; i++) {
		char *at = s->h->addr + (s->first + i) * s->t->page;
		int byte = storm_byte(s->t, s->h->addr, at);

		CHECK_EQ(t_byte(at), byte);
		CHECK(t_is_filled(at, s->t->page, byte));
	}
}

static void storm_managers(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = (size_t)STORM_ROUNDS * STORM_PAGES};

	h.addr = t_registered(t, uf, h.npages);
	for (size_t round = 0; round < STORM_ROUNDS; round++) {
		struct storm_touch touch = {&h, t, round * STORM_PAGES};
		struct t_thread th;
		pid_t pid = handover_start(t, &h, uf, storm_serve_on);

		t_thread_call(t, &th, storm_touch, &touch);
		usleep(storm_random(&storm_seed, 2500));
		CHECK_EQ(kill(pid, SIGKILL), 0);
		CHECK_EQ(t_wait(pid), SIGKILL);
		close(h.sock);
		pid = handover_start(t, &h, uf, storm_serve_again);
		t_thread_join(t, &th, 0);
		handover_tell(h.sock);
		handover_join(&h, pid);
	}
}

/* --- Owners --- */

static void storm_touch_all(void *arg)
{
	struct storm_touch *s = arg;

	for (s->first = 0; s->first < s->h->npages; s->first += STORM_PAGES)
		storm_touch(s);
}

static void storm_owner(struct t *t, void *arg)
{
	struct handover *h = arg;
	struct uf *uf = t_open(t, 0, 0);
	struct storm_touch touch[2] = {{h, t, 0}, {h, t, 0}};
	struct t_thread th[2];

	t_register(uf, h->addr, h->npages * t->page);
	CHECK_RET(uf_share(uf), 0);
	handover_send_fd(h->sock, uf_fd(uf));
	for (int i = 0; i < 2; i++)
		t_thread_call(t, &th[i], storm_touch_all, &touch[i]);
	for (;;)
		pause();
}

static void storm_owner_ends(struct t *t, struct handover *h)
{
	struct uf_msg msg;

	for (ssize_t n = 1; n > 0;) {
		n = uf_read(h->uf, &msg, 1);
		if (n != 1)
			CHECK_RET(n, -EAGAIN);
	}
	CHECK_RET(uf_zeropage(h->uf, h->addr, t->page, 0, NULL), -ESRCH);
	CHECK_RET(uf_register(h->uf, h->addr, t->page, UF_REGISTER_MODE_MISSING, NULL), -ENOMEM);
	CHECK_RET(uf_wake(h->uf, h->addr, t->page), 0);
}

static void storm_owners(struct t *t)
{
	struct handover h = {.npages = 8 * STORM_PAGES};
	char *src = malloc(t->page);

	t_needs_linux();
	CHECK(src);
	h.addr = t_map(t, h.npages);
	for (int round = 0; round < STORM_ROUNDS; round++) {
		unsigned int n = storm_random(&storm_seed, 40);
		int socks[2];
		pid_t pid;

		CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
		h.sock = socks[1];
		pid = t_fork(t, storm_owner, &h);
		h.uf = handover_adopt(t, handover_recv_fd(socks[0]));
		for (unsigned int i = 0; i < n; i++)
			(void)storm_serve(t, h.uf, h.addr, src, 0);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		for (unsigned int i = 0; i < 3; i++)
			(void)storm_serve(t, h.uf, h.addr, src, 0);
		CHECK_EQ(t_wait(pid), SIGKILL);
		storm_owner_ends(t, &h);
		uf_close(h.uf);
		close(socks[0]);
		close(socks[1]);
		/* What was filled for the last one is not missing for the next. */
		if (t_shared(t))
			CHECK_EQ(madvise(h.addr, h.npages * t->page, MADV_REMOVE), 0);
	}
	free(src);
}

const struct t_case handover_storm_cases[] = {
	CASE("handover.12", storm_managers, T_SMALL),
	CASE("handover.14", storm_owners, T_SMALL),
	{0},
};
