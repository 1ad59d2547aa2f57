/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/handover.md, and close.5: who has a descriptor, and what becomes of it when somebody dies.
 */
#include <poll.h>
#include <sys/wait.h>

#include "handover.h"

static void handover_on_signal(int sig)
{
	(void)sig;
}

/* --- The end --- */

/* What has ended without us ends now at the latest: the next one waits for it. */
static void handover_settle(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);

	CHECK_RET(uf_share(uf), 0);
	t_close(t, uf);
}

static void handover_keeps_child(struct t *t, struct handover *h)
{
	handover_await(h->sock); /* the owner has closed it */
	t_fault_at(h->uf, h->addr, 0);
	t_fill(t, h->uf, h->addr, 6, 0);
	t_fault_at(h->uf, h->addr + t->page, 0);
	handover_tell(h->sock);
	handover_await(h->sock);
}

/* spec: close.5 */
static void handover_keeps(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *other = t_open(t, 0, 0);
	struct handover h = {.npages = 2};
	struct t_thread th[2];
	pid_t pid;

	h.addr = t_registered(t, uf, 2);
	pid = handover_start(t, &h, uf, handover_keeps_child);
	t_close(t, uf);
	CHECK_RET(uf_register(other, h.addr, t->page, UF_REGISTER_MODE_MISSING, NULL), -EBUSY);
	handover_tell(h.sock);
	t_thread_access(t, &th[0], h.addr, T_READ);
	t_thread_join(t, &th[0], 0);
	CHECK_EQ(th[0].outcome.value, 6);
	t_thread_access(t, &th[1], h.addr + t->page, T_READ);
	handover_await(h.sock);
	t_thread_blocked(&th[1]);
	/* The last one goes, and with it the context. */
	handover_tell(h.sock);
	handover_join(&h, pid);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(th[1].outcome.value, 0);
	t_register(other, h.addr, 2 * t->page);
	handover_settle(t);
}

/* It is on its way, and nobody else has it. */
static void handover_on_its_way(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 3);
	struct t_thread th;
	int socks[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	CHECK_RET(uf_share(uf), 0);
	handover_send_fd(socks[0], uf_fd(uf));
	t_close(t, uf);
	t_thread_access(t, &th, addr, T_READ);
	t_thread_asleep(&th);
	t_thread_blocked(&th);
	uf = handover_adopt(t, handover_recv_fd(socks[1]));
	t_fault_at(uf, addr, 0);
	t_message_none(uf);
	t_fill(t, uf, addr, 3, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 3);
	/* On its way again, and lost there. */
	t_thread_access(t, &th, addr + t->page, T_READ);
	t_thread_asleep(&th);
	handover_send_fd(socks[0], uf_fd(uf));
	uf_close(uf);
	t_thread_blocked(&th);
	close(socks[0]);
	close(socks[1]);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0);
	CHECK_EQ(addr[2 * t->page], 0);
	handover_settle(t);
}

/* Shared and sent to nobody: the end is the end. */
static void handover_to_nobody(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *other = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);

	CHECK_RET(uf_share(uf), 0);
	CHECK_RET(uf_share(uf), 0);
	CHECK_RET(uf_share(other), 0);
	t_close(t, uf);
	t_register(other, addr, t->page);
	uf = t_open(t, 0, 0);
	CHECK_RET(uf_share(uf), 0);
	t_close(t, other);
	t_register(uf, addr, t->page);
}

/* --- The owner dies --- */

struct handover_orphan {
	int sock;
	char *addr;
	bool waits; /* for somebody to be served, and is killed in that */
};

static void handover_orphan_owner(struct t *t, void *arg)
{
	struct handover_orphan *o = arg;
	struct uf *uf = t_open(t, 0, 0);

	t_register(uf, o->addr, t->page);
	CHECK_RET(uf_share(uf), 0);
	handover_send_fd(o->sock, uf_fd(uf));
	if (o->waits)
		CHECK_EQ(*(volatile char *)o->addr, 0);
}

/* spec: register.14, fill.12, wake.1, writeprotect.15, continue.16, poison.12 */
static void handover_gone(struct t *t, struct uf *uf, char *addr)
{
	size_t page = t->page;
	struct uf_io_copy copy = {(uintptr_t)addr, (uintptr_t)addr, page, 0, 77};
	struct uf_io_zeropage zero = {{(uintptr_t)addr, page}, 0, 77};
	struct uf_io_continue cont = {{(uintptr_t)addr, page}, 0, 77};
	struct uf_io_poison poison = {{(uintptr_t)addr, page}, 0, 77};
	struct uf_io_register reg = {{(uintptr_t)addr, page}, 1, 77};

	CHECK_RET(uf_ioctl(uf, UF_IOC_REGISTER, &reg), -ENOMEM);
	CHECK_EQ(reg.ioctls, 77);
	CHECK_RET(uf_unregister(uf, addr, page), -ENOMEM);
	CHECK_RET(uf_ioctl(uf, UF_IOC_COPY, &copy), -ESRCH);
	CHECK_EQ(copy.copy, 77);
	CHECK_RET(uf_ioctl(uf, UF_IOC_ZEROPAGE, &zero), -ESRCH);
	CHECK_EQ(zero.zeropage, 77);
	CHECK_RET(uf_ioctl(uf, UF_IOC_CONTINUE, &cont), -ESRCH);
	CHECK_EQ(cont.mapped, 77);
	CHECK_RET(uf_ioctl(uf, UF_IOC_POISON, &poison), -ESRCH);
	CHECK_EQ(poison.updated, 77);
	CHECK_RET(uf_writeprotect(uf, addr, page, UF_WRITEPROTECT_MODE_WP), -ESRCH);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	/* The arguments are judged first. */
	CHECK_RET(uf_writeprotect(uf, addr, page, 4), -EINVAL);
	CHECK_RET(uf_register(uf, addr, page, 0, NULL), -EINVAL);
	CHECK_RET(uf_copy(uf, addr + 1, addr, page, 0, NULL), -EINVAL);
	CHECK_RET(uf_ioctl(uf, UF_IOC_COPY, NULL), -EFAULT);
	CHECK_RET(uf_wake(uf, addr + 1, page), -EINVAL);
	CHECK_RET(uf_api(uf, 0, NULL, NULL), -EINVAL);
}

static void handover_gone_reads(struct uf *uf)
{
	struct sigaction act = {.sa_handler = handover_on_signal};
	struct pollfd p = {.fd = uf_fd(uf), .events = POLLIN};
	struct uf_msg msg;

	t_message_none(uf);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(fcntl(uf_fd(uf), F_SETFL, 0), 0);
	CHECK_EQ(uf_poll(uf), POLLERR);
	CHECK_EQ(sigaction(SIGALRM, &act, NULL), 0);
	ualarm(20000, 20000);
	CHECK_RET(uf_read(uf, &msg, 1), -EINTR);
	ualarm(0, 0);
}

/* It is dead when the descriptor is looked at for the first time. */
static void handover_orphan(struct t *t)
{
	struct handover_orphan o = {.addr = t_map(t, 1)};
	struct uf *uf;
	int socks[2];
	int fd;

	t_needs_linux();
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	o.sock = socks[1];
	CHECK_EQ(t_wait(t_fork(t, handover_orphan_owner, &o)), 0);
	fd = handover_recv_fd(socks[0]);
	close(socks[0]);
	close(socks[1]);
	uf = handover_adopt(t, fd);
	handover_gone(t, uf, o.addr);
	handover_gone_reads(uf);
	uf_close(uf);
}

/* It dies while a thread of it waits. */
static void handover_owner_killed(struct t *t)
{
	struct handover_orphan o = {.addr = t_map(t, 1), .waits = true};
	struct uf *uf;
	int socks[2];
	pid_t pid;

	t_needs_linux();
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	o.sock = socks[1];
	pid = t_fork(t, handover_orphan_owner, &o);
	uf = handover_adopt(t, handover_recv_fd(socks[0]));
	t_message_pending(uf);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(t_wait(pid), SIGKILL);
	handover_gone(t, uf, o.addr);
	handover_gone_reads(uf);
	uf_close(uf);
	close(socks[0]);
	close(socks[1]);
}

/* --- The manager dies --- */

static void handover_reads_and_hangs(struct t *t, struct handover *h)
{
	t_message(h->uf);
	handover_tell(h->sock);
	for (;;)
		pause();
}

/* Who waits goes on waiting, and can be served by others. */
static void handover_manager_killed(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = 1};
	struct t_thread th;
	pid_t pid;

	h.addr = t_registered(t, uf, 1);
	pid = handover_start(t, &h, uf, handover_reads_and_hangs);
	t_thread_access(t, &th, h.addr, T_READ);
	handover_await(h.sock);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(t_wait(pid), SIGKILL);
	close(h.sock);
	t_thread_blocked(&th);
	t_fill(t, uf, h.addr, 2, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 2);
}

/* A fork of the manager's has the descriptor, and a handle of its own. */
static void handover_heir(struct t *t, void *arg)
{
	struct handover *h = arg;

	t_fault_at(h->uf, h->addr, 0);
	t_fill(t, h->uf, h->addr, 9, 0);
}

static void handover_fork_child(struct t *t, struct handover *h)
{
	CHECK_EQ(t_wait(t_fork(t, handover_heir, h)), 0);
	CHECK_RET(uf_copy(h->uf, h->addr, h->run, t->page, 0, NULL), -EEXIST);
}

static void handover_fork(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = 1};
	pid_t pid;

	h.addr = t_registered(t, uf, 1);
	pid = handover_start(t, &h, uf, handover_fork_child);
	CHECK_EQ(t_access(h.addr, T_READ).value, 9);
	handover_join(&h, pid);
}

/* A fork of the owner's has its handle, which is about the owner's memory. */
static void handover_child_of_owner(struct t *t, void *arg)
{
	struct handover *h = arg;
	struct uf_msg msg;

	t_fault_at(h->uf, h->addr, 0);
	t_fill(t, h->uf, h->addr, 9, 0);
	CHECK_RET(uf_read(h->uf, &msg, 1), -EAGAIN);
	CHECK_RET(uf_share(h->uf), 0);
	CHECK_RET(uf_unregister(h->uf, h->addr, t->page), 0);
	uf_close(h->uf);
}

static void handover_inherited(struct t *t)
{
	struct handover h = {.uf = t_open(t, 0, 0), .npages = 1};
	pid_t pid;

	h.addr = t_registered(t, h.uf, 1);
	CHECK_RET(uf_share(h.uf), 0);
	pid = t_fork(t, handover_child_of_owner, &h);
	CHECK_EQ(t_access(h.addr, T_READ).value, 9);
	CHECK_EQ(t_wait(pid), 0);
	CHECK_RET(uf_copy(h.uf, h.addr, h.addr, t->page, 0, NULL), -ENOENT);
}

/* --- Owners that are children, and several of them --- */

#define HANDOVER_OWNERS 3

struct handover_family {
	struct uf *parents;
	char *addr;
	int sock;
};

/* The parent's thread that answers others is not here: this process has its own. */
static void handover_child_owner(struct t *t, void *arg)
{
	struct handover_family *f = arg;
	struct uf *uf = t_open(t, 0, 0);

	CHECK_RET(uf_share(f->parents), 0);
	t_register(uf, f->addr, 2 * t->page);
	CHECK_RET(uf_share(uf), 0);
	handover_send_fd(f->sock, uf_fd(uf));
	CHECK(t_is_filled(f->addr, t->page, 5));
	CHECK(t_is_filled(f->addr + t->page, t->page, 6));
	t_close(t, uf);
}

static void handover_serve_owner(struct t *t, struct uf *uf, char *addr)
{
	t_fault_at(uf, addr, 0);
	t_fill(t, uf, addr, 5, 0);
	t_fault_at(uf, addr + t->page, 0);
	t_fill(t, uf, addr + t->page, 6, 0);
}

/* One manager for several programs, which have the same addresses. */
static void handover_owners(struct t *t)
{
	struct handover_family f = {.parents = t_open(t, 0, 0)};
	struct uf *uf[HANDOVER_OWNERS];
	pid_t pid[HANDOVER_OWNERS];
	int socks[2];

	t_needs_threads_after_fork();
	t_needs_linux();
	f.addr = t_map(t, 2);
	CHECK_RET(uf_share(f.parents), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	f.sock = socks[1];
	for (int i = 0; i < HANDOVER_OWNERS; i++) {
		pid[i] = t_fork(t, handover_child_owner, &f);
		uf[i] = handover_adopt(t, handover_recv_fd(socks[0]));
	}
	for (int i = HANDOVER_OWNERS - 1; i >= 0; i--)
		handover_serve_owner(t, uf[i], f.addr);
	for (int i = 0; i < HANDOVER_OWNERS; i++) {
		CHECK_EQ(t_wait(pid[i]), 0);
		uf_close(uf[i]);
	}
	close(socks[0]);
	close(socks[1]);
	/* The parent's own is what it was. */
	t_register(f.parents, f.addr, 2 * t->page);
}

static struct {
	struct t *t;
	struct handover_family f;
} handover_forking;

/* As early as anything of the child's can run. */
static void handover_in_fork(void)
{
	if (handover_forking.t)
		handover_child_owner(handover_forking.t, &handover_forking.f);
}

static void handover_nothing(struct t *t, void *arg)
{
	CHECK(!arg);
}

static void handover_atfork(struct t *t)
{
	struct handover_family f = {.parents = t_open(t, 0, 0), .addr = t_map(t, 2)};
	struct uf *uf;
	int socks[2];
	pid_t pid;

	t_needs_threads_after_fork();
	CHECK_RET(uf_share(f.parents), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	f.sock = socks[1];
	CHECK_EQ(pthread_atfork(NULL, NULL, handover_in_fork), 0);
	handover_forking.f = f;
	handover_forking.t = t;
	pid = t_fork(t, handover_nothing, NULL);
	handover_forking.t = NULL;
	uf = handover_adopt(t, handover_recv_fd(socks[0]));
	handover_serve_owner(t, uf, f.addr);
	CHECK_EQ(t_wait(pid), 0);
	uf_close(uf);
	close(socks[0]);
	close(socks[1]);
}

/* --- What can be adopted --- */

static void handover_strange(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *got = NULL;
	int socks[2];
	int fd;

	CHECK_RET(uf_adopt(-1, NULL, &got), -EBADF);
	CHECK_RET(uf_adopt(9999, NULL, &got), -EBADF);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, socks), 0);
	CHECK_RET(uf_adopt(socks[0], NULL, &got), -EINVAL);
	close(socks[0]);
	close(socks[1]);
	fd = memfd_create("strange", MFD_CLOEXEC);
	CHECK_RET(uf_adopt(fd, NULL, &got), -EINVAL);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	CHECK(!got);
	if (t_engine(t)) {
		/* Before it is shared it is nothing to others. */
		fd = dup(uf_fd(uf));
		CHECK_RET(uf_adopt(fd, NULL, &got), -EINVAL);
		close(fd);
	}
	CHECK_RET(uf_share(uf), 0);
	fd = dup(uf_fd(uf));
	got = handover_adopt(t, fd);
	CHECK_RET(uf_share(got), 0);
	uf_close(got);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
}

static void handover_options(struct t *t)
{
	struct uf_options opt = UF_OPTIONS_INIT;
	struct uf *uf = t_open(t, 0, 0);
	struct uf *got;
	int fd = dup(uf_fd(uf));

	CHECK_RET(uf_share(uf), 0);
	CHECK_RET(uf_adopt(fd, NULL, NULL), -EINVAL);
	opt.backend = t_engine(t) ? UF_BACKEND_KERNEL : UF_BACKEND_ENGINE;
	CHECK_RET(uf_adopt(fd, &opt, &got), -EINVAL);
	opt.backend = t->target->backend;
	CHECK_RET(uf_adopt(fd, &opt, &got), 0);
	uf_close(got);
}

const struct t_case handover_end_cases[] = {
	CASE("close.5", handover_keeps, T_ALL),
	CASE("close.5", handover_on_its_way, T_ALL),
	CASE("close.5", handover_to_nobody, T_ONCE),
	CASE("handover.14", handover_orphan, T_ONCE),
	CASE("handover.14, handover.15", handover_owner_killed, T_ALL),
	CASE("handover.12", handover_manager_killed, T_ALL),
	CASE("handover.13", handover_fork, T_ALL),
	CASE("handover.13, register.15", handover_inherited, T_ALL),
	CASE("handover.13, open.5", handover_owners, T_PRIVATE),
	CASE("handover.13", handover_atfork, T_PRIVATE),
	CASE("handover.1, handover.13", handover_strange, T_ONCE),
	CASE("handover.13", handover_options, T_ONCE),
	{0},
};
