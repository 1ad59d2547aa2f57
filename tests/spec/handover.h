/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two processes and a descriptor: what the tests of the hand-over share. */
#ifndef UF_TESTS_HANDOVER_H
#define UF_TESTS_HANDOVER_H

#include <sys/un.h>

#include "lib/message.h"
#include "suites.h"

/* A descriptor over a socket, and back. */
void handover_send_fd(int sock, int fd);
int handover_recv_fd(int sock);
/* A handle of the target's backend for it, or the test fails. */
struct uf *handover_adopt(struct t *t, int fd);
/* A byte: the other side has come so far. */
void handover_tell(int sock);
void handover_await(int sock);

/* A manager in a process of its own: it has nothing of the owner's but the addresses. */
struct handover {
	struct uf *uf; /* the manager's handle; the owner's is not touched there */
	char *addr;    /* the owner's memory */
	size_t npages;
	int sock;	/* to the owner */
	int owner_sock; /* and the owner's end of it */
	void (*run)(struct t *t, struct handover *h);
};

/* The owner shares UF and sends it. Inverse: join, which checks that all was well. */
pid_t handover_start(struct t *t, struct handover *h, struct uf *uf,
		     void (*run)(struct t *t, struct handover *h));
void handover_join(struct handover *h, pid_t pid);

/* --- Storms: handover_storm.c --- */

/*
 * One message, if there is one: its page is given what its place after BASE says, after
 * a moment in which nobody else knows of it. False: the owner is dead, or the page was there.
 */
bool storm_serve(struct t *t, struct uf *uf, const char *base, char *src, long hesitate_ns);
int storm_byte(const struct t *t, const char *base, const char *at);
/* The next one of a stream that *STATE, not 0, is. */
unsigned int storm_random(uint64_t *state, unsigned int below);

/* --- Who is offered to whoever connects: offer.c --- */

/* At an address of the kernel's choice. */
int offer_listen(struct sockaddr_un *addr, socklen_t *len);
/* Connected, or -errno. */
int offer_connect(const struct sockaddr_un *addr, socklen_t len);

/* --- Managers and owners made by hand: handover_hostile.c --- */

void hostile_u32(unsigned char *at, uint32_t value);
void hostile_u64(unsigned char *at, uint64_t value);

#endif
