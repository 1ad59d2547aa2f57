/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 5. One manager for many programs, which change their address spaces as they like.
 *
 * Usage: manager [--backend=B] [PROGRAMS [SECONDS [mixed]]]
 *
 * Each program (manager_program.c) is a process of its own. It sends its
 * userfaultfd over a socket, and then moves, unmaps and discards its memory
 * and forks while it computes. The manager hears of all that by events, and
 * knows at any time which page of which program an address is. With `mixed'
 * half of the programs use the kernel's userfaultfd and half the engine.
 */
#include <poll.h>
#include <sys/wait.h>

#include "manager.h"

#define SPANS 64
#define FAULTS 64

/* An address range, and which pages of the program are there. */
struct span {
	uint64_t start;
	uint64_t len;
	uint64_t page;
	uint64_t seed;
};

/* A context: a program's, or that of a child which it has forked. */
struct client {
	struct uf *uf;
	int sock; /* -1: a child's */
	size_t page_size;
	struct span span[SPANS];
	size_t nspans;
	uint64_t fault[FAULTS]; /* to be resolved */
	size_t nfaults;
	struct client *child; /* the one that was forked last */
	pthread_t thread;
	atomic_bool stop;
	struct say done;
};

static void fail(const char *what)
{
	fprintf(stderr, "manager: %s\n", what);
	exit(1);
}

/* --- Which page is where --- */

static void add(struct client *c, struct span span)
{
	if (c->nspans == SPANS)
		fail("too many spans");
	c->span[c->nspans++] = span;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Cuts START to END out; what is there goes to TO, if that is not 0. */
static void cut(struct client *c, uint64_t start, uint64_t end, uint64_t to)
{
	for (size_t i = c->nspans; i-- > 0;) {
		struct span s = c->span[i];
		uint64_t from = s.start > start ? s.start : start;
		uint64_t until = least(s.start + s.len, end);

		if (from >= until)
			continue;
		c->span[i] = c->span[--c->nspans];
		if (s.start < from)
			add(c, (struct span){s.start, from - s.start, s.page, s.seed});
		if (until < s.start + s.len)
			add(c, (struct span){until, s.start + s.len - until,
					     s.page + (until - s.start) / c->page_size, s.seed});
		if (to)
			add(c, (struct span){to + (from - start), until - from,
					     s.page + (from - s.start) / c->page_size, s.seed});
	}
}

static const struct span *find(const struct client *c, uint64_t addr)
{
	for (size_t i = 0; i < c->nspans; i++)
		if (addr - c->span[i].start < c->span[i].len)
			return &c->span[i];
	return NULL;
}

/* --- Faults --- */

/* False: not now, as an event comes first. */
static bool resolve(struct client *c, uint64_t addr, uint64_t *page)
{
	const struct span *s = find(c, addr);
	void *at = (void *)(uintptr_t)addr;
	int err = -ENOENT;

	if (s) {
		for (size_t i = 0; i < c->page_size / sizeof(*page); i++)
			page[i] = content(s->seed, s->page + (addr - s->start) / c->page_size, i);
		err = uf_copy(c->uf, at, page, c->page_size, 0, NULL);
	}
	if (err == -EAGAIN)
		return false;
	/* It is there already, or its range is gone, which wakes nobody: who waits looks again. */
	if (err == -EEXIST || err == -ENOENT)
		err = uf_wake(c->uf, at, c->page_size);
	/* Its process may be gone. */
	if (err != -ESRCH)
		must(err, "uf_copy");
	return true;
}

static void resolve_all(struct client *c, uint64_t *page)
{
	size_t left = 0;

	for (size_t i = 0; i < c->nfaults; i++)
		if (!resolve(c, c->fault[i], page))
			c->fault[left++] = c->fault[i];
	c->nfaults = left;
}

/* --- Events --- */

static void *serve(void *arg);

static void start(struct client *c)
{
	must(-pthread_create(&c->thread, NULL, serve, c), "pthread_create");
}

/* The child begins with what its parent has at this moment. */
static void forked(struct client *c, int fd)
{
	struct client *child = calloc(1, sizeof(*child));

	if (!child)
		fail("no memory");
	child->sock = -1;
	child->page_size = c->page_size;
	child->nspans = c->nspans;
	memcpy(child->span, c->span, sizeof(c->span));
	must(uf_adopt(fd, NULL, &child->uf), "uf_adopt");
	c->child = child;
	start(child);
}

static void handle(struct client *c, const struct uf_msg *msg)
{
	switch (msg->event) {
	case UF_EVENT_PAGEFAULT:
		if (c->nfaults == FAULTS)
			fail("too many faults");
		c->fault[c->nfaults++] = msg->arg.pagefault.address & ~(c->page_size - 1);
		break;
	case UF_EVENT_FORK:
		forked(c, (int)msg->arg.fork.ufd);
		break;
	case UF_EVENT_REMAP:
		cut(c, msg->arg.remap.from, msg->arg.remap.from + msg->arg.remap.len,
		    msg->arg.remap.to);
		break;
	case UF_EVENT_UNMAP:
		cut(c, msg->arg.remove.start, msg->arg.remove.end, 0);
		break;
	case UF_EVENT_REMOVE:
		/* The same pages are missing again. */
		break;
	}
}

/* --- What a program says --- */

/* Its descriptor, if one came along; -1: there is nothing more to come. */
static int hear(int sock, struct say *what)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {{0}};
	struct iovec iov = {what, sizeof(*what)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	int fd = 0;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(*what))
		return -1;
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void child_is_gone(struct client *c)
{
	struct client *child = c->child;

	if (!child)
		return;
	child->stop = true;
	pthread_join(child->thread, NULL);
	uf_close(child->uf);
	free(child);
	c->child = NULL;
}

static void listen_to(struct client *c)
{
	struct say what;

	if (hear(c->sock, &what) < 0) {
		c->stop = true;
		return;
	}
	if (what.kind == SAY_REGION)
		add(c, (struct span){what.start, what.len, 0, what.seed});
	if (what.kind == SAY_REAPED)
		child_is_gone(c);
	if (what.kind == SAY_DONE)
		c->done = what;
	(void)!send(c->sock, "", 1, MSG_NOSIGNAL);
}

/* One context, as long as there is somebody in it. */
static void *serve(void *arg)
{
	struct client *c = arg;
	uint64_t *page = malloc(c->page_size);

	if (!page)
		fail("no memory");
	while (!c->stop) {
		struct pollfd fds[2] = {{.fd = uf_fd(c->uf), .events = POLLIN},
					{.fd = c->sock, .events = POLLIN}};
		struct uf_msg msgs[16];
		ssize_t n;

		poll(fds, 2, c->nfaults ? 1 : 20);
		n = uf_read(c->uf, msgs, 16);
		if (n != -EAGAIN)
			must(n, "uf_read");
		for (ssize_t i = 0; i < n; i++)
			handle(c, &msgs[i]);
		resolve_all(c, page);
		if (fds[1].revents)
			listen_to(c);
	}
	free(page);
	return NULL;
}

/* --- The programs --- */

static pid_t launch(struct client *c, struct program program)
{
	int socks[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		fail("socketpair");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		close(socks[0]);
		program.sock = socks[1];
		alarm(program.seconds + 60);
		exit(program_run(&program));
	}
	close(socks[1]);
	c->sock = socks[0];
	return pid;
}

/* False: it had no userfaultfd, and has said why. */
static bool welcome(struct client *c)
{
	struct say what;
	int fd = hear(c->sock, &what);

	if (fd <= 0)
		return false;
	c->page_size = (size_t)sysconf(_SC_PAGESIZE);
	must(uf_adopt(fd, NULL, &c->uf), "uf_adopt");
	(void)!send(c->sock, "", 1, MSG_NOSIGNAL);
	start(c);
	return true;
}

/* The exit status of the whole. */
static int finish(struct client *clients, const pid_t *pid, unsigned n)
{
	struct say sum = {0};
	int worst = 0;

	for (unsigned i = 0; i < n; i++) {
		int status = 0;

		waitpid(pid[i], &status, 0);
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		if (clients[i].uf) {
			pthread_join(clients[i].thread, NULL);
			uf_close(clients[i].uf);
		}
		if (!status && clients[i].done.kind != SAY_DONE)
			status = 1;
		worst = status && worst != 1 ? status : worst;
		sum.forks += clients[i].done.forks;
		sum.moves += clients[i].done.moves;
		sum.unmaps += clients[i].done.unmaps;
		sum.discards += clients[i].done.discards;
		sum.pages += clients[i].done.pages;
	}
	printf("%u programs, %llu forks, %llu moves, %llu unmaps, %llu discards, %llu pages "
	       "summed: "
	       "%s\n",
	       n, (unsigned long long)sum.forks, (unsigned long long)sum.moves,
	       (unsigned long long)sum.unmaps, (unsigned long long)sum.discards,
	       (unsigned long long)sum.pages,
	       worst == 77 ? "no userfaultfd"
	       : worst	   ? "FAILED"
			   : "all of it was right");
	return worst;
}

int main(int argc, char **argv)
{
	enum uf_backend backend = backend_argument(&argc, argv);
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 8;
	unsigned seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 5;
	bool mixed = argc > 3 && !strcmp(argv[3], "mixed");
	struct client *clients;
	pid_t *pid;

	if (n < 1 || n > 1000 || seconds < 1 || argc > 4 || (argc == 4 && !mixed)) {
		fprintf(stderr, "usage: %s [--backend=B] [PROGRAMS [SECONDS [mixed]]]\n", argv[0]);
		return 2;
	}
	clients = calloc(n, sizeof(*clients));
	pid = calloc(n, sizeof(*pid));
	if (!clients || !pid)
		fail("no memory");
	/* All of them before the first thread. */
	for (unsigned i = 0; i < n; i++) {
		struct program p = {.backend = backend, .number = i, .seconds = seconds};

		if (mixed)
			p.backend = i % 2 ? UF_BACKEND_KERNEL : UF_BACKEND_ENGINE;
		pid[i] = launch(&clients[i], p);
	}
	for (unsigned i = 0; i < n; i++)
		(void)welcome(&clients[i]);
	return finish(clients, pid, n);
}
