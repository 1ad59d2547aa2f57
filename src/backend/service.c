/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the thread that answers other processes, and when a context that they
 * share with us ends. There is one thread for all contexts: it does what it is
 * asked for one request after the other, and none of them waits for anybody.
 * It lives as long as there is a context that is shared.
 *
 * A context lives until nobody has its descriptor any more, as in the kernel.
 * Its own program has it until it closes; a manager with a line has it. In
 * between, on its way or in a process that has not looked at it yet, only the
 * socket knows: a byte sent to the other end arrives nowhere when that is
 * closed everywhere. We have no duplicate of that end then (struct host_bell),
 * or it would never be.
 *
 * After a fork all this is the parent's. The child begins anew with its first
 * context that is shared.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "backend/backend.h"
#include "backend/engine.h"

/* Its calls are shallow; libc wants some of it for the thread's own storage, of any size. */
#define SERVICE_STACK (UINT64_C(1) << 20)

/* How often to look whether a descriptor on its way is still there. */
#define SERVICE_PROBE_MS 50

/* At most so many events are served before a close is. */
#define SERVICE_TURNS 1024

/* So often at least to look for the next event after one, on more than one processor. */
#define SERVICE_SPINS_MIN (ufi_handover_spins() / 8)

#define SERVICE_NAMES 8 /* tries to find one that nobody has */

static struct {
	struct ufi_lock lock;
	uint32_t epoch; /* in which all of this is true */
	void *stack;	/* of the thread, until it is joined */

	/* Under the lock. */
	struct uf_list contexts;
	struct service_source kick;
	int epoll;
	bool running;
	bool joinable; /* the thread, which may have ended */
	pthread_t thread;

	/*
	 * Counts sources that were made by others than the thread: the kernel hands
	 * them over, which nobody but the kernel sees.
	 */
	_Atomic uint32_t made;

	/* The thread has done what was asked for when it has served the ticket. */
	_Atomic uint32_t asked;
	_Atomic uint32_t served;

	/* The thread's. */
	bool probing;	/* some context needs looking after */
	bool ended;	/* and some has ended: was it the last one? */
	unsigned spins; /* how often to look for an event before sleeping */
} service = {.contexts = {&service.contexts, &service.contexts}};

/* In a fork child nobody else is here yet, and what is in it is the parent's. */
static void service_begin_anew(void)
{
	uint32_t epoch = ufi_host_epoch();
	void *stack = service.stack;

	if (service.epoch == epoch)
		return;
	if (stack)
		ufi_arena_free(&ufi_host.mmu, stack, SERVICE_STACK);
	memset(&service, 0, sizeof(service));
	uf_list_init(&service.contexts);
	service.epoch = epoch;
}

static void service_lock(struct ufi_task *task)
{
	ufi_task_enter(task, &ufi_host.mm);
	ufi_lock_take(task, &service.lock);
}

static void service_unlock(struct ufi_task *task)
{
	ufi_lock_release(task, &service.lock);
	ufi_task_leave(task);
}

static int service_watch(struct service_source *source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	return (int)UF_SYS4(SYS_epoll_ctl, service.epoll, EPOLL_CTL_ADD, source->fd, &event);
}

/* Closing would not do: others may have duplicates of it. */
static void service_unwatch(const struct service_source *source)
{
	struct epoll_event event = {0};

	UF_SYS4(SYS_epoll_ctl, service.epoll, EPOLL_CTL_DEL, source->fd, &event);
}

/* --- The life of a context --- */

static void service_no_drain(void *arg)
{
	struct engine_ctx *e = arg;
	int drain = e->bell.drain;

	e->bell.drain = -1;
	ufi_host_disown_fd(drain);
}

/* Has anybody the other end? The byte does no harm: who asks for messages finds none. */
static bool service_is_held(const struct engine_ctx *e)
{
	uint8_t byte = 0;
	long n = UF_SYS6(SYS_sendto, e->bell.ring, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);

	return n >= 0 || n == -EAGAIN || n == -ENOBUFS || n == -ENOMEM || n == -EINTR;
}

/* With the lock: a context that nobody has, no longer on the list. Notes whether some may be. */
static struct engine_ctx *service_find_ended(void)
{
	struct uf_list *pos;
	struct uf_list *after;

	service.probing = false;
	UF_LIST_FOR_EACH (pos, after, &service.contexts) {
		struct engine_ctx *e = UF_CONTAINER_OF(pos, struct engine_ctx, link);

		if (!e->closed || e->peers)
			continue;
		if (e->bell.drain >= 0)
			ufi_ctx_ring(e->ctx, service_no_drain, e);
		if (!service_is_held(e)) {
			uf_list_unlink(&e->link);
			return e;
		}
		service.probing = true;
	}
	return NULL;
}

static struct engine_ctx *service_take_ended(void)
{
	struct engine_ctx *e;
	struct ufi_task task;

	service_lock(&task);
	e = service_find_ended();
	service_unlock(&task);
	return e;
}

/* spec: close.5 */
static void service_reap(void)
{
	struct engine_ctx *e;

	while ((e = service_take_ended()) != NULL) {
		service_unwatch(&e->ring);
		ufi_engine_release(e);
		service.ended = true;
	}
}

/* --- The thread --- */

static void service_announced(struct engine_ctx *e)
{
	struct peer *p = ufi_peer_accept(e);

	if (!p)
		return;
	if (service_watch(&p->line)) {
		ufi_peer_free(p);
		return;
	}
	e->peers++;
}

static void service_asked(struct peer *p)
{
	if (ufi_peer_serve(p))
		return;
	service_unwatch(&p->line);
	p->e->peers--;
	ufi_peer_free(p);
	service_reap();
}

static void service_event(struct service_source *source)
{
	uint64_t count;

	(void)atomic_load(&service.made);
	switch (source->kind) {
	case SERVICE_KICK:
		UF_SYS3(SYS_read, source->fd, &count, sizeof(count));
		break;
	case SERVICE_RING:
		service_announced(UF_CONTAINER_OF(source, struct engine_ctx, ring));
		break;
	case SERVICE_PEER:
		service_asked(UF_CONTAINER_OF(source, struct peer, line));
		break;
	}
}

/* What was asked for before has been done. False: nothing is left to be served. */
static bool service_tell(uint32_t ticket)
{
	struct ufi_task task;
	bool more;

	service_lock(&task);
	service.ended = false;
	more = !uf_list_empty(&service.contexts);
	if (!more) {
		ufi_host_disown_fd(service.epoll);
		ufi_host_disown_fd(service.kick.fd);
		service.running = false;
		ticket = atomic_load(&service.asked);
	}
	atomic_store(&service.served, ticket);
	ufi_thread_unpark(&ufi_host.mmu, &service.served, INT32_MAX);
	service_unlock(&task);
	return more;
}

/* One event, waiting for it so long. False: there was none. */
static bool service_turn(int timeout_ms)
{
	struct timespec nap = {0, SERVICE_PROBE_MS * 1000000L};
	struct epoll_event event;
	long n = UF_SYS6(SYS_epoll_pwait, service.epoll, &event, 1, timeout_ms, NULL, 0);

	if (n > 0)
		service_event(event.data.ptr);
	/* The program has closed what it never opened: no reason to take its processor, too. */
	if (n < 0 && n != -EINTR)
		UF_SYS2(SYS_nanosleep, &nap, NULL);
	return n > 0;
}

/*
 * After an event more are likely to come at once, unless they did not the last
 * times. True: there was one.
 */
static bool service_spin(void)
{
	unsigned most = ufi_handover_spins();
	bool event = false;

	for (unsigned i = 0; i < service.spins && !event; i++)
		event = service_turn(0);
	service.spins = event ? most : service.spins / 2;
	return event;
}

static void *service_main(void *arg)
{
	uint32_t ticket;
	bool event;

	do {
		event = service_spin() || service_turn(service.probing ? SERVICE_PROBE_MS : -1);
		if (event && service.spins < SERVICE_SPINS_MIN)
			service.spins = SERVICE_SPINS_MIN;
		ticket = atomic_load(&service.asked);
		/* Who has hung up before a close is not to count as one who has it. */
		for (int i = 0; ticket != atomic_load(&service.served) && i < SERVICE_TURNS; i++) {
			if (!service_turn(0))
				break;
		}
		if (!event || ticket != atomic_load(&service.served))
			service_reap();
	} while ((!service.ended && ticket == atomic_load(&service.served)) ||
		 service_tell(ticket));
	return arg;
}

/* With the lock, which the thread does not want any more when it has ended. */
static void service_join(void)
{
	if (service.running || !service.joinable)
		return;
	pthread_join(service.thread, NULL);
	service.joinable = false;
	ufi_arena_free(&ufi_host.mmu, service.stack, SERVICE_STACK);
	service.stack = NULL;
}

static int service_spawn(void)
{
	uint64_t guard = ufi_host.mmu.page_size;
	pthread_attr_t attr;
	char *stack;
	int err;

	stack = service.stack = ufi_arena_alloc(&ufi_host.mmu, SERVICE_STACK);
	if (!stack)
		return -ENOMEM;
	err = pthread_attr_init(&attr);
	if (!err) {
		UF_SYS3(SYS_mprotect, stack, guard, PROT_NONE);
		err = pthread_attr_setstack(&attr, stack + guard, SERVICE_STACK - guard);
		/* It inherits our mask: every signal is blocked but those of faults. */
		if (!err)
			err = pthread_create(&service.thread, &attr, service_main, NULL);
		pthread_attr_destroy(&attr);
	}
	if (err) {
		ufi_arena_free(&ufi_host.mmu, stack, SERVICE_STACK);
		service.stack = NULL;
	}
	return -err;
}

static int service_open(void)
{
	long epoll = UF_SYS1(SYS_epoll_create1, EPOLL_CLOEXEC);
	long event = UF_SYS2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);

	service.kick.kind = SERVICE_KICK;
	service.epoll = epoll < 0 ? -1 : ufi_host_take_fd((int)epoll);
	service.kick.fd = event < 0 ? -1 : ufi_host_take_fd((int)event);
	if (epoll < 0 || event < 0)
		return (int)(epoll < 0 ? epoll : event);
	if (service.epoll < 0 || service.kick.fd < 0)
		return -EMFILE;
	return service_watch(&service.kick);
}

/* With the lock. */
static int service_start(void)
{
	int err;

	if (service.running)
		return 0;
	service_join();
	service.probing = service.ended = false;
	err = service_open();
	if (!err)
		err = service_spawn();
	if (err) {
		ufi_host_disown_fd(service.epoll);
		ufi_host_disown_fd(service.kick.fd);
		return err;
	}
	service.running = service.joinable = true;
	return 0;
}

/* --- What the program asks for --- */

/* Who has the other end knows it by this name; nobody else can send to it. spec: handover.1 */
int ufi_service_name(int ring)
{
	static const char prefix[] = HANDOVER_NAME;
	static const char digits[] = "0123456789abcdef";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	uint8_t random[HANDOVER_NAME_RANDOM];
	size_t len = offsetof(struct sockaddr_un, sun_path) + sizeof(prefix) + sizeof(random);
	long err = -EADDRINUSE;

	memcpy(addr.sun_path + 1, prefix, sizeof(prefix) - 1);
	for (int i = 0; i < SERVICE_NAMES && err == -EADDRINUSE; i++) {
		err = UF_SYS3(SYS_getrandom, random, sizeof(random), 0);
		if (err < 0)
			return (int)err;
		for (size_t j = 0; j < sizeof(random); j++)
			addr.sun_path[sizeof(prefix) + j] = digits[random[j] % 16];
		err = UF_SYS3(SYS_bind, ring, &addr, len);
	}
	/* It has one already, from a try that failed later. */
	return err == -EINVAL ? 0 : (int)err;
}

/* With the lock. */
static uint32_t service_kick(void)
{
	uint64_t one = 1;
	uint32_t ticket = atomic_fetch_add(&service.asked, 1) + 1;

	UF_SYS3(SYS_write, service.kick.fd, &one, sizeof(one));
	return ticket;
}

static int service_add(struct engine_ctx *e)
{
	long err = ufi_service_name(e->bell.ring);

	if (!err)
		err = service_start();
	if (err)
		return (int)err;
	e->bell.shared = true;
	e->ring = (struct service_source){SERVICE_RING, e->bell.ring};
	uf_list_append(&service.contexts, &e->link);
	atomic_fetch_add(&service.made, 1);
	err = service_watch(&e->ring);
	if (err) {
		uf_list_unlink(&e->link);
		service_kick(); /* it may have nothing to do now */
		return (int)err;
	}
	atomic_store(&e->ctx->remote, true);
	atomic_store(&e->shared, true);
	return 0;
}

static int service_look(struct engine_ctx *e, int fd)
{
	struct stat st;
	long err = UF_SYS2(SYS_fstat, fd, &st);

	if (err)
		return (int)err;
	e->inode = st.st_ino;
	return service_add(e);
}

/*
 * Not first when a context is shared: that may be in a child's own handler of
 * the fork, where none can be registered.
 */
int ufi_service_prepare(void)
{
	static _Atomic int registered;
	int none = 0;

	if (!atomic_compare_exchange_strong(&registered, &none, 1))
		return 0;
	return -pthread_atfork(NULL, NULL, service_begin_anew);
}

int ufi_service_share(struct engine_ctx *e, int fd)
{
	struct ufi_task task;
	int err = 0;

	if (atomic_load(&e->shared))
		return 0;
	service_begin_anew();
	service_lock(&task);
	if (!atomic_load(&e->shared))
		err = service_look(e, fd);
	service_unlock(&task);
	return err;
}

int ufi_service_inherit(struct engine_ctx *e)
{
	struct ufi_task task;
	int err;

	service_begin_anew();
	service_lock(&task);
	e->closed = true;
	err = service_add(e);
	/* So that it begins to see whether anybody has it. */
	if (!err)
		service_kick();
	service_unlock(&task);
	return err;
}

void ufi_service_close(struct engine_ctx *e)
{
	struct ufi_task task;
	uint32_t ticket;
	uint32_t served;

	service_lock(&task);
	e->closed = true;
	ticket = service_kick();
	service_unlock(&task);
	while ((int32_t)((served = atomic_load(&service.served)) - ticket) < 0)
		(void)ufi_thread_park(&ufi_host.mmu, &service.served, served, 0);
	service_lock(&task);
	service_join();
	service_unlock(&task);
}
