/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/moveto.md */
#include <sys/wait.h>

#include "handover.h"

/*
 * The program is a process of its own, whose first pages are missing; the manager,
 * who has the descriptor, is the test itself: its memory is the target's kind.
 */
struct moveto {
	char *mem; /* the program's, at the same address as in the manager before the fork */
	size_t npages;
	uint64_t mode;
	int sock;
	int peer;
	struct uf *remote;
	pid_t pid;
	int touched; /* the page that the program reads at once, or -1 */
};

/* What is there is told page by page, until it is told to go: each byte asks for a page. */
static void moveto_program(struct t *t, void *arg)
{
	struct moveto *m = arg;
	struct uf *uf = t_open(t, 0, 0);
	unsigned char page;

	close(m->sock);
	t_register_mode(uf, m->mem, m->npages * t->page, m->mode);
	CHECK_RET(uf_share(uf), 0);
	handover_send_fd(m->peer, uf_fd(uf));
	while (recv(m->peer, &page, 1, 0) == 1) {
		unsigned char byte = *(volatile unsigned char *)(m->mem + page * t->page + 1);

		CHECK_EQ(send(m->peer, &byte, 1, 0), 1);
	}
}

static void moveto_begin(struct t *t, struct moveto *m)
{
	int socks[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	m->sock = socks[0];
	m->peer = socks[1];
	m->mem = t_map(t, m->npages);
	m->pid = t_fork(t, moveto_program, m);
	close(m->peer);
	m->remote = handover_adopt(t, handover_recv_fd(m->sock));
}

static void moveto_end(struct moveto *m)
{
	close(m->sock);
	CHECK_EQ(t_wait(m->pid), 0);
	uf_close(m->remote);
}

/* Its byte, or -1 if it cannot be had in a while. */
static int moveto_byte(const struct moveto *m, unsigned char page, unsigned patience_ms)
{
	unsigned char byte;

	CHECK_EQ(send(m->sock, &page, 1, 0), 1);
	for (unsigned i = 0; recv(m->sock, &byte, 1, MSG_DONTWAIT) != 1; i++) {
		if (i == patience_ms)
			return -1;
		t_sleep_ms(1);
	}
	return byte;
}

/* The answer to the question before. */
static int moveto_answer(const struct moveto *m)
{
	unsigned char byte;

	CHECK_EQ(recv(m->sock, &byte, 1, 0), 1);
	return byte;
}

/* Registered, with content: page N is full of N + 1. After the fork, which would share it. */
static char *moveto_source(struct t *t, struct uf *uf, size_t npages)
{
	char *src = t_registered(t, uf, npages);

	for (size_t i = 0; i < npages; i++)
		t_fill(t, uf, src + i * t->page, (int)i + 1, 0);
	return src;
}

/* spec: moveto.2 */
static void moveto_moves(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct moveto m = {.npages = 8, .mode = UF_REGISTER_MODE_MISSING};
	char *src;
	struct t_thread th;
	size_t done = 0;

	moveto_begin(t, &m);
	src = moveto_source(t, uf, 8);
	CHECK_EQ(moveto_byte(&m, 2, 20), -1);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, 4 * t->page, 0, &done), 0);
	CHECK_EQ(done, 4 * t->page);
	CHECK_EQ(moveto_answer(&m), 3);
	for (unsigned char i = 0; i < 4; i++)
		CHECK_EQ(moveto_byte(&m, i, 5000), i + 1);
	/* They are missing here, and the others are not. */
	t_thread_faults(t, &th, uf, src + t->page, T_READ, 0);
	t_zero(t, uf, src + t->page, t->page);
	t_thread_join(t, &th, 0);
	CHECK(t_is_filled(src + 4 * t->page, t->page, 5));
	/* Without waking. */
	CHECK_EQ(moveto_byte(&m, 6, 20), -1);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem + 6 * t->page, src + 4 * t->page, t->page,
			     UF_MOVE_TO_DONTWAKE, NULL),
		  0);
	t_sleep_ms(20);
	CHECK_EQ(recv(m.sock, &done, 1, MSG_DONTWAIT), -1);
	CHECK_RET(uf_wake(m.remote, m.mem + 6 * t->page, t->page), 0);
	CHECK_EQ(moveto_answer(&m), 5);
	moveto_end(&m);
}

/* spec: moveto.2: more than is on its way at once */
static void moveto_large(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct moveto m = {.npages = 1300, .mode = UF_REGISTER_MODE_MISSING};
	char *src = t_registered(t, uf, m.npages);
	struct uf_msg msgs[8];
	size_t done = 0;

	moveto_begin(t, &m);
	for (size_t i = 0; i < m.npages; i++)
		t_fill(t, uf, src + i * t->page, (int)(i % 251) + 1, 0);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, m.npages * t->page, 0, &done), 0);
	CHECK_EQ(done, m.npages * t->page);
	for (size_t i = 0; i < 250; i += 7)
		CHECK_EQ(moveto_byte(&m, (unsigned char)i, 5000), (int)(i % 251) + 1);
	CHECK_RET(uf_read(m.remote, msgs, 8), -EAGAIN);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, t->page, 0, &done), -ENOENT);
	moveto_end(&m);
}

/* spec: moveto.3 */
static void moveto_stays(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct moveto m = {.npages = 6, .mode = UF_REGISTER_MODE_MISSING};
	char *src;
	size_t page = t->page;
	size_t done = 9;

	moveto_begin(t, &m);
	src = moveto_source(t, uf, 8);
	t_fill(t, m.remote, m.mem + 2 * page, 77, 0);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, 5 * page, 0, &done), -EAGAIN);
	CHECK_EQ(done, 2 * page);
	for (size_t i = 2; i < 5; i++)
		CHECK(t_is_filled(src + i * page, page, (int)i + 1));
	CHECK_RET(uf_move_to(uf, m.remote, m.mem + 2 * page, src + 2 * page, 2 * page, 0, &done),
		  -EEXIST);
	CHECK_EQ(done, 0);
	CHECK(t_is_filled(src + 2 * page, page, 3));
	/* Beyond what is registered there, and then missing here. */
	CHECK_RET(uf_move_to(uf, m.remote, m.mem + 6 * page, src + 6 * page, page, 0, &done),
		  -ENOENT);
	CHECK(t_is_filled(src + 6 * page, page, 7));
	CHECK_RET(uf_move_to(uf, m.remote, m.mem + 4 * page, src + page, page, 0, &done), -ENOENT);
	CHECK_EQ(moveto_byte(&m, 0, 5000), 1);
	CHECK_EQ(moveto_byte(&m, 2, 5000), 77);
	t_message_none(uf);
	CHECK_EQ(kill(m.pid, SIGKILL), 0);
	CHECK_EQ(t_wait(m.pid), SIGKILL);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem + 4 * page, src + 6 * page, page, 0, &done),
		  -ESRCH);
	CHECK(t_is_filled(src + 6 * page, page, 7));
	close(m.sock);
	uf_close(m.remote);
}

/* spec: moveto.1, moveto.4 */
static void moveto_arguments(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct moveto m = {.npages = 2, .mode = UF_REGISTER_MODE_MISSING};
	char *src;
	char *other = t_map_of(t, T_ANON, 1);
	size_t page = t->page;
	size_t done = 9;

	moveto_begin(t, &m);
	src = moveto_source(t, uf, 2);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, 0, 0, &done), -EINVAL);
	CHECK_EQ(done, 0);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem + 1, src, page, 0, NULL), -EINVAL);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src + 1, page, 0, NULL), -EINVAL);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, page - 1, 0, NULL), -EINVAL);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, -page, 0, NULL), -EINVAL);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, page, 4, NULL), -EINVAL);
	CHECK_RET(uf_move_to(uf, uf, m.mem, src, page, 0, NULL), -EINVAL);
	memset(other, 5, page);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, other, page, 0, NULL), -EINVAL);
	CHECK(t_is_filled(other, page, 5));
	CHECK(t_is_filled(src, page, 1));
	CHECK_EQ(moveto_byte(&m, 0, 20), -1);
	CHECK_RET(uf_zeropage(m.remote, m.mem, page, 0, NULL), 0);
	CHECK_EQ(moveto_answer(&m), 0);
	moveto_end(&m);
}

/* spec: moveto.5, moveto.6 */
static void moveto_shared(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, 0);
	struct moveto m = {.npages = 4, .mode = UF_REGISTER_MODE_MINOR};
	struct t_thread th;
	size_t page = t->page;
	size_t done = 0;
	char *src;

	/* The object of both: the program's mapping of it has come by fork. */
	moveto_begin(t, &m);
	src = m.mem;
	memset(src, 7, 3 * page);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, page, UF_MOVE_TO_SHARED, &done), -ENOENT);
	t_register_mode(uf, src, 4 * page, UF_REGISTER_MODE_MINOR);
	CHECK_EQ(moveto_byte(&m, 1, 20), -1);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, 2 * page, UF_MOVE_TO_SHARED, &done), 0);
	CHECK_EQ(done, 2 * page);
	CHECK_EQ(moveto_answer(&m), 7);
	t_thread_faults(t, &th, uf, src, T_READ, T_MINOR);
	/* It is mapped there already, and here as before. */
	CHECK_RET(uf_move_to(uf, m.remote, m.mem, src, page, UF_MOVE_TO_SHARED, &done), -EEXIST);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 7);
	CHECK_RET(uf_move_to(uf, m.remote, m.mem + 3 * page, src + 3 * page, page,
			     UF_MOVE_TO_SHARED, &done),
		  -EFAULT);
	CHECK_EQ(moveto_byte(&m, 0, 5000), 7);
	moveto_end(&m);
}

const struct t_case moveto_cases[] = {
	CASE("moveto.2", moveto_moves, T_PRIVATE),
	CASE("moveto.2", moveto_large, T_PRIVATE),
	CASE("moveto.3", moveto_stays, T_PRIVATE),
	CASE("moveto.1, moveto.4", moveto_arguments, T_PRIVATE),
	CASE("moveto.5, moveto.6", moveto_shared, T_OBJECT),
	{0},
};
