/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the engine's backend and the service for other processes share. */
#ifndef UF_BACKEND_ENGINE_H
#define UF_BACKEND_ENGINE_H

#include "backend/handover.h"
#include "mmu/host/host.h"
#include "mmu/host/internal.h"

/* What the service waits for. */
enum service_kind {
	SERVICE_KICK, /* somebody of this process wants its attention */
	SERVICE_RING, /* a context: managers that announce themselves */
	SERVICE_PEER, /* a line of a manager's: a request, or its end */
};

struct service_source {
	enum service_kind kind;
	int fd;
};

struct engine_ctx {
	struct ufi_ctx *ctx;
	struct host_bell bell;
	uint32_t epoch; /* in which it was made: elsewhere it is a parent's */
	int flags;	/* O_CLOEXEC, O_NONBLOCK: what it was opened with */

	/* --- Once it is shared; under the service's lock. --- */
	struct service_source ring;
	struct uf_list link;
	_Atomic bool shared;
	bool closed;	/* by its own program */
	uint32_t peers; /* lines of managers, each of which keeps it alive */
	uint64_t inode; /* of the program's end */

	void *_Atomic heir; /* in a fork child: how it asks the parent, as any manager */
};

/* A line of a manager's. Only the service's thread touches it. */
struct peer {
	struct service_source line;
	struct engine_ctx *e;
	uint64_t window[2]; /* addresses of the halves that a COPY's source comes in; 0: none yet */
	/* What the last read has answered: told again if nothing comes from there any more. */
	uint32_t told;
	int heir; /* of a FORK among them: the descriptor that was sent, or -1 */
	struct uf_msg msg[HANDOVER_MSGS];
};

/* Bytes of a COPY that are on their way at once: one half is filled while the other is copied. */
#define PEER_WINDOW (UINT64_C(1) << 22) /* a half takes a huge page */
#define PEER_HALF (PEER_WINDOW / 2)

/* Lines of one context, over all its managers. */
#define SERVICE_PEERS 128

/* --- engine.c --- */
/* Gives back what the last user of the context leaves. */
void ufi_engine_release(struct engine_ctx *e);
/* The program's end in *FD; ours, and a duplicate of the program's, in BELL. */
int ufi_engine_make_bell(int flags, struct host_bell *bell, int *fd) UF_MUST_USE;
/* The context and what is ours of the bell; nobody has it. */
void ufi_engine_free(struct ufi_mm *mm, struct engine_ctx *e);

/* --- fork.c --- */
/* Before there is a context. */
void ufi_fork_prepare(void);

/* --- service.c --- */
/* Before there is a context. */
int ufi_service_prepare(void) UF_MUST_USE;
/* From now on other processes are answered. FD is the program's end. */
int ufi_service_share(struct engine_ctx *e, int fd) UF_MUST_USE;
/* Other processes alone have it, a context of a fork child's: in its handler of the fork. */
int ufi_service_inherit(struct engine_ctx *e) UF_MUST_USE;
/* The ring's end gets the name by which managers know it. */
int ufi_service_name(int ring) UF_MUST_USE;
/*
 * The program itself has closed it, its descriptor included. It is released at
 * once, unless another process has the descriptor. Takes E.
 */
void ufi_service_close(struct engine_ctx *e);

/* --- peer.c: in the service's thread --- */
/* A manager announces itself: its line, or NULL. */
struct peer *ufi_peer_accept(struct engine_ctx *e);
/* One request: false, that was the last one. */
bool ufi_peer_serve(struct peer *p) UF_MUST_USE;
void ufi_peer_free(struct peer *p);

#endif
