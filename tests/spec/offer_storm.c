/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec/offer.md: programs, managers and both are killed at any moment, over and
 * over. A program that lives gets every byte, whoever has died; nobody waits for ever.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "handover.h"

/* Each process that ThreadSanitizer has seen ends with a sleep. */
#define STORM_ROUNDS (T_THREAD_SANITIZER ? 6 : T_SANITIZED ? 20 : 90)
#define STORM_PAGES 24
#define STORM_READERS 2
#define STORM_MANAGERS 3 /* at most so many in a round */
#define STORM_HESITATES_NS 200000

enum storm_victim { STORM_MANAGER, STORM_PROGRAM, STORM_BOTH, STORM_VICTIMS };

struct storm {
	int listener;
	struct sockaddr_un addr;
	socklen_t len;
	int end;  /* readable when a manager is to go */
	int sock; /* to say so */
	uint64_t seed;
};

struct storm_reader {
	struct t *t;
	char *mem;
	size_t first;
};

static void storm_read(void *arg)
{
	const struct storm_reader *r = arg;

	for (size_t i = 0; i < STORM_PAGES; i++) {
		char *at = r->mem + (r->first + i) % STORM_PAGES * r->t->page;

		CHECK_EQ(t_byte(at + 1), storm_byte(r->t, NULL, at));
	}
}

static void storm_program(struct t *t, void *arg)
{
	const struct storm *s = arg;
	struct uf *uf = t_open(t, 0, 0);
	struct storm_reader r[STORM_READERS];
	struct t_thread th[STORM_READERS];
	char *mem = t_registered(t, uf, STORM_PAGES);

	close(s->sock);
	CHECK_RET(uf_offer(uf, s->listener, UF_ON_HANGUP_WAIT), 0);
	t_give(t, uf);
	for (size_t i = 0; i < STORM_READERS; i++) {
		r[i] = (struct storm_reader){t, mem, i * STORM_PAGES / STORM_READERS};
		t_thread_call(t, &th[i], storm_read, &r[i]);
	}
	for (size_t i = 0; i < STORM_READERS; i++)
		t_thread_join(t, &th[i], 0);
}

static void storm_manager(struct t *t, void *arg)
{
	const struct storm *s = arg;
	struct pollfd end = {.fd = s->end, .events = POLLIN};
	int sock = offer_connect(&s->addr, s->len);
	char *src = malloc(t->page);
	struct uf *uf = NULL;

	close(s->listener);
	close(s->sock);
	CHECK(src);
	/* The program may be dead by now. */
	if (sock >= 0 && uf_attach(sock, NULL, &uf))
		close(sock);
	while (uf && poll(&end, 1, 0) == 0)
		(void)storm_serve(t, uf, NULL, src, STORM_HESITATES_NS);
	uf_close(uf);
	free(src);
}

static void storm_begin(struct storm *s)
{
	int socks[2];

	s->listener = offer_listen(&s->addr, &s->len);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	s->end = socks[0];
	s->sock = socks[1];
}

static void storm_nap(struct storm *s)
{
	struct timespec ts = {0, (long)storm_random(&s->seed, 5000) * 1000};

	nanosleep(&ts, NULL);
}

/* It may have ended by itself. */
static void storm_kill(pid_t pid)
{
	int status;

	CHECK_EQ(kill(pid, SIGKILL), 0);
	status = t_wait(pid);
	CHECK(status == SIGKILL || status == 0);
}

/* Managers come and are killed, and the last one stays, unless the program was killed. */
static void storm_round(struct t *t, struct storm *s)
{
	enum storm_victim victim = (enum storm_victim)storm_random(&s->seed, STORM_VICTIMS);
	uint32_t managers = storm_random(&s->seed, STORM_MANAGERS);
	pid_t program;
	pid_t last;

	storm_begin(s);
	program = t_fork(t, storm_program, s);
	close(s->listener);
	s->listener = -1;
	for (uint32_t i = 0; i < managers; i++) {
		pid_t pid = t_fork(t, storm_manager, s);

		storm_nap(s);
		storm_kill(pid);
	}
	last = t_fork(t, storm_manager, s);
	storm_nap(s);
	if (victim != STORM_MANAGER)
		storm_kill(program);
	if (victim == STORM_BOTH)
		storm_kill(last);
	if (victim == STORM_MANAGER)
		CHECK_EQ(t_wait(program), 0);
	close(s->sock);
	if (victim != STORM_BOTH)
		CHECK_EQ(t_wait(last), 0);
	close(s->end);
}

/* spec: offer.4 */
static void offer_storm(struct t *t)
{
	struct storm s = {.seed = 1125};

	for (int i = 0; i < STORM_ROUNDS; i++)
		storm_round(t, &s);
}

const struct t_case offer_storm_cases[] = {
	CASE("offer.4, offer.1", offer_storm, T_SMALL),
	{0},
};
