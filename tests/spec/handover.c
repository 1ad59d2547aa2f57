/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/handover.md, as far as it says what a program sees; and what of others two processes show.
 */
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "handover.h"

void handover_send_fd(int sock, int fd)
{
	CHECK_RET(message_send_fd(sock, fd), 0);
}

int handover_recv_fd(int sock)
{
	int fd = message_recv_fd(sock);

	CHECK(fd >= 0);
	return fd;
}

void handover_tell(int sock)
{
	CHECK_EQ(send(sock, "x", 1, 0), 1);
}

void handover_await(int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	char byte;

	CHECK_EQ(poll(&p, 1, 8000), 1);
	CHECK_EQ(recv(sock, &byte, 1, 0), 1);
}

struct uf *handover_adopt(struct t *t, int fd)
{
	struct uf *uf;

	CHECK_RET(uf_adopt(fd, NULL, &uf), 0);
	CHECK_EQ(uf_backend(uf), t->target->backend);
	CHECK_EQ(uf_fd(uf), fd);
	return uf;
}

static void handover_child(struct t *t, void *arg)
{
	struct handover *h = arg;
	struct uf *theirs = h->uf;

	close(h->owner_sock);
	/* What fork has brought along is no part of it. */
	close(uf_fd(theirs));
	h->uf = handover_adopt(t, handover_recv_fd(h->sock));
	h->run(t, h);
	uf_close(h->uf);
}

pid_t handover_start(struct t *t, struct handover *h, struct uf *uf,
		     void (*run)(struct t *t, struct handover *h))
{
	int socks[2];
	pid_t pid;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	CHECK_RET(uf_share(uf), 0);
	h->uf = uf;
	h->run = run;
	h->sock = socks[1];
	h->owner_sock = socks[0];
	pid = t_fork(t, handover_child, h);
	close(socks[1]);
	h->sock = socks[0];
	handover_send_fd(h->sock, uf_fd(uf));
	return pid;
}

void handover_join(struct handover *h, pid_t pid)
{
	int status = t_wait(pid);

	close(h->sock);
	if (status)
		t_fail(__FILE__, __LINE__, "the manager ended with status %#x", status);
}

/* --- What a manager does --- */

static void handover_fill(struct t *t, struct handover *h)
{
	for (size_t i = 0; i < h->npages; i++) {
		struct uf_msg msg = t_message(h->uf);
		char *at = (char *)(uintptr_t)msg.arg.pagefault.address;

		CHECK_EQ(msg.event, UF_EVENT_PAGEFAULT);
		t_fill(t, h->uf, at, (int)((size_t)(at - h->addr) / t->page) + 1, 0);
	}
	t_message_none(h->uf);
}

/* The manager serves all of the program's threads. */
static void handover_serves(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = 6};
	struct t_thread th[6];
	pid_t pid;

	h.addr = t_registered(t, uf, h.npages);
	pid = handover_start(t, &h, uf, handover_fill);
	for (size_t i = 0; i < h.npages; i++)
		t_thread_access(t, &th[i], h.addr + i * t->page, T_READ);
	for (size_t i = 0; i < h.npages; i++) {
		t_thread_join(t, &th[i], 0);
		CHECK_EQ(th[i].outcome.value, (int)i + 1);
		CHECK(t_is_filled(h.addr + i * t->page, t->page, (int)i + 1));
	}
	handover_join(&h, pid);
}

/* Judged in the kernel's order, and the field is kept. */
static void handover_checks_argument(struct t *t, struct handover *h)
{
	char *none = mmap(NULL, t->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uf_io_copy copy = {(uintptr_t)h->addr, (uintptr_t)none, t->page, 64, 77};

	CHECK_RET(uf_ioctl(h->uf, UF_IOC_COPY, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_COPY, none), -EFAULT);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_ZEROPAGE, none), -EFAULT);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_REGISTER, none), -EFAULT);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_API, none), -EFAULT);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_WAKE, none), -EFAULT);
	CHECK_RET(uf_ioctl(h->uf, 0xc028aa7f, &copy), -EINVAL);
	CHECK_RET(uf_api(h->uf, 0, NULL, NULL), -EINVAL);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_COPY, &copy), -EINVAL);
	copy.mode = 0;
	copy.len = t->page + 1;
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_COPY, &copy), -EINVAL);
	copy.len = 0;
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_COPY, &copy), -EINVAL);
	copy.len = t->page;
	copy.src = UINT64_MAX - t->page + 1;
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_COPY, &copy), -EINVAL);
	CHECK_EQ(copy.copy, 77);
	copy.src = (uintptr_t)none;
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_COPY, &copy), -EFAULT);
	CHECK_EQ(copy.copy, -EFAULT);
	munmap(none, t->page);
}

/* What can be read of a source is copied; beyond the mapping nothing is done at all. */
static void handover_checks_copy(struct t *t, struct handover *h)
{
	size_t page = t->page;
	char *src = t_buffer(t, 3);
	size_t done = 9;

	memset(src, 5, 3 * page);
	CHECK_RET(uf_copy(h->uf, h->addr, src + 3 * page, page, 0, &done), -EFAULT);
	CHECK_EQ(done, 0);
	CHECK_RET(uf_copy(h->uf, h->addr, src + page, 4 * page, 0, &done), -EAGAIN);
	CHECK_EQ(done, 2 * page);
	CHECK_RET(uf_copy(h->uf, h->addr, src, page, 0, &done), -EEXIST);
	CHECK_EQ(done, 0);
	CHECK_RET(uf_copy(h->uf, h->addr + 2 * page, src + 100, page, 0, &done), 0);
	CHECK_EQ(done, page);
	CHECK_RET(uf_copy(h->uf, h->addr + 3 * page, src, (h->npages - 2) * page, 0, &done),
		  -ENOENT);
	CHECK_EQ(done, 0);
}

static void handover_checks(struct t *t, struct handover *h)
{
	struct uf_io_zeropage zero = {{(uintptr_t)h->addr, 4 * t->page}, 0, 77};
	uint64_t ioctls = 0;
	size_t done = 9;

	handover_checks_argument(t, h);
	handover_checks_copy(t, h);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_ZEROPAGE, &zero), -EEXIST);
	CHECK_EQ(zero.zeropage, -EEXIST);
	CHECK_RET(uf_zeropage(h->uf, h->addr + 3 * t->page, t->page, 0, &done), 0);
	CHECK_EQ(done, t->page);
	CHECK_RET(uf_register(h->uf, h->addr, h->npages * t->page, UF_REGISTER_MODE_MISSING,
			      &ioctls),
		  0);
	CHECK(ioctls & (1 << UF_NR_COPY));
	CHECK_RET(uf_wake(h->uf, h->addr, t->page), 0);
	CHECK_RET(uf_wake(h->uf, h->addr + 1, t->page), -EINVAL);
	CHECK_RET(uf_writeprotect(h->uf, h->addr, t->page, 0), -ENOENT);
}

/* spec: handover.8 */
static void handover_ioctls(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = 5};
	pid_t pid;

	h.addr = t_registered(t, uf, h.npages);
	pid = handover_start(t, &h, uf, handover_checks);
	handover_join(&h, pid);
	CHECK(t_is_filled(h.addr, 3 * t->page, 5));
	CHECK(t_is_filled(h.addr + 3 * t->page, t->page, 0));
	t_message_none(uf);
	CHECK_RET(uf_zeropage(uf, h.addr + 4 * t->page, t->page, 0, NULL), 0);
}

/* What says how much was done cannot be written: it is done, and nobody is woken. */
static void handover_unwritable_child(struct t *t, struct handover *h)
{
	char *arg = t_buffer(t, 1);
	struct uf_io_copy copy = {(uintptr_t)h->addr, (uintptr_t)arg, t->page, 0, 0};
	struct uf_io_zeropage zero = {{(uintptr_t)h->addr + t->page, t->page}, 0, 0};
	struct uf_io_zeropage *zero_at = (struct uf_io_zeropage *)(arg + 256);

	memcpy(arg, &copy, sizeof(copy));
	memcpy(zero_at, &zero, sizeof(zero));
	CHECK_EQ(mprotect(arg, t->page, PROT_READ), 0);
	t_fault_at(h->uf, h->addr, 0);
	handover_tell(h->sock);
	handover_await(h->sock);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_COPY, arg), -EFAULT);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_ZEROPAGE, zero_at), -EFAULT);
	CHECK_RET(uf_copy(h->uf, h->addr, arg, t->page, 0, NULL), -EEXIST);
	CHECK_RET(uf_zeropage(h->uf, h->addr + t->page, t->page, 0, NULL), -EEXIST);
	handover_tell(h->sock);
	handover_await(h->sock);
	CHECK_RET(uf_wake(h->uf, h->addr, t->page), 0);
}

static void handover_unwritable(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = 2};
	struct t_thread th;
	pid_t pid;

	h.addr = t_registered(t, uf, h.npages);
	pid = handover_start(t, &h, uf, handover_unwritable_child);
	t_thread_access(t, &th, h.addr, T_READ);
	handover_await(h.sock);
	/* After its message it looks once more whether it has to wait. */
	t_thread_asleep(&th);
	handover_tell(h.sock);
	handover_await(h.sock);
	t_thread_blocked(&th);
	handover_tell(h.sock);
	t_thread_join(t, &th, 0);
	handover_join(&h, pid);
}

#define HANDOVER_LARGE ((size_t)5 << 20)

static void handover_large_child(struct t *t, struct handover *h)
{
	size_t len = h->npages * t->page;
	char *src = t_buffer(t, h->npages);
	size_t done = 0;

	for (size_t i = 0; i < len; i++)
		src[i] = (char)(i * 7 + i / 4096);
	CHECK_RET(uf_copy(h->uf, h->addr, src, len + t->page, 0, &done), -ENOENT);
	CHECK_RET(uf_copy(h->uf, h->addr + len - t->page, src + len - t->page, t->page, 0, &done),
		  0);
	/* It stops where something is, with what it has done. */
	CHECK_RET(uf_copy(h->uf, h->addr, src, len, 0, &done), -EAGAIN);
	CHECK_EQ(done, len - t->page);
}

static void handover_large(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = HANDOVER_LARGE / t->page};
	pid_t pid;

	h.addr = t_registered(t, uf, h.npages);
	pid = handover_start(t, &h, uf, handover_large_child);
	handover_join(&h, pid);
	for (size_t i = 0; i < h.npages * t->page; i++)
		if (h.addr[i] != (char)(i * 7 + i / 4096))
			t_fail(__FILE__, __LINE__, "byte %zu is %d", i, h.addr[i]);
}

/* The source is the manager's own memory, and may be watched itself. */
static void *handover_source_serve(void *arg)
{
	struct uf *own = arg;
	struct uf_msg msg = t_message(own);
	static char page[65536];

	memset(page, 8, sizeof(page));
	CHECK_RET(uf_copy(own, (void *)(uintptr_t)(msg.arg.pagefault.address), page,
			  (size_t)sysconf(_SC_PAGESIZE), 0, NULL),
		  0);
	return NULL;
}

static void handover_source_child(struct t *t, struct handover *h)
{
	struct uf *own = t_open(t, 0, 0);
	char *src = t_registered(t, own, 1);
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, handover_source_serve, own), 0);
	t_fill(t, h->uf, h->addr, 4, 0);
	CHECK_RET(uf_copy(h->uf, h->addr + t->page, src, t->page, 0, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	t_close(t, own);
}

static void handover_source(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = 2};
	pid_t pid;

	t_needs_threads_after_fork();
	t_needs_linux();
	h.addr = t_registered(t, uf, 2);
	pid = handover_start(t, &h, uf, handover_source_child);
	handover_join(&h, pid);
	CHECK(t_is_filled(h.addr, t->page, 4));
	CHECK(t_is_filled(h.addr + t->page, t->page, 8));
}

/* --- Protection, objects, poison --- */

static void handover_modes_child(struct t *t, struct handover *h)
{
	t_protect(h->uf, h->addr, t->page);
	handover_tell(h->sock);
	t_fault_at(h->uf, h->addr, T_WP);
	t_unprotect(h->uf, h->addr, t->page);
	t_poison(h->uf, h->addr + t->page, t->page);
	handover_tell(h->sock);
}

static void handover_modes(struct t *t)
{
	struct uf *uf =
		t_open_mode(t, UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MISSING, UF_FEATURE_POISON);
	struct handover h = {.npages = 2};
	pid_t pid;

	h.addr = t_map(t, 2);
	h.addr[0] = 1;
	t_register_mode(uf, h.addr, 2 * t->page, UF_REGISTER_MODE_WP | UF_REGISTER_MODE_MISSING);
	pid = handover_start(t, &h, uf, handover_modes_child);
	handover_await(h.sock);
	CHECK_EQ(t_access(h.addr, T_WRITE).sig, 0);
	handover_await(h.sock);
	t_is_poisoned(t, h.addr + t->page);
	handover_join(&h, pid);
}

static void handover_continue_child(struct t *t, struct handover *h)
{
	t_fault_at(h->uf, h->addr, T_MINOR);
	t_continue(h->uf, h->addr, 2 * t->page, 0);
	CHECK_RET(uf_continue(h->uf, h->addr, t->page, 0, NULL), -EEXIST);
}

static void handover_continue(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_MINOR, 0);
	struct handover h = {.npages = 2};
	char *twin;
	pid_t pid;

	h.addr = t_map(t, 2);
	twin = t_twin(t, h.addr, 2);
	memset(twin, 3, 2 * t->page);
	t_register_mode(uf, h.addr, 2 * t->page, UF_REGISTER_MODE_MINOR);
	pid = handover_start(t, &h, uf, handover_continue_child);
	CHECK_EQ(t_access(h.addr, T_READ).value, 3);
	CHECK_EQ(h.addr[t->page], 3);
	handover_join(&h, pid);
}

/* --- Reading and polling --- */

static void handover_on_signal(int sig)
{
	(void)sig;
}

static void handover_blocking_child(struct t *t, struct handover *h)
{
	struct sigaction act = {.sa_handler = handover_on_signal};
	struct uf_msg msg[2];
	char none[1];

	CHECK_EQ(uf_poll(h->uf), POLLERR);
	handover_tell(h->sock);
	CHECK_RET(uf_read(h->uf, msg, 2), 1);
	CHECK_EQ(msg[0].arg.pagefault.address, (uintptr_t)h->addr);
	CHECK_RET(t_read_raw(h->uf, none, 1), -EINVAL);
	t_fill(t, h->uf, h->addr, 1, 0);
	CHECK_EQ(sigaction(SIGALRM, &act, NULL), 0);
	ualarm(20000, 20000);
	CHECK_RET(uf_read(h->uf, msg, 2), -EINTR);
	ualarm(0, 0);
	CHECK_EQ(fcntl(uf_fd(h->uf), F_SETFL, O_NONBLOCK), 0);
	CHECK_RET(uf_read(h->uf, msg, 2), -EAGAIN);
	CHECK_EQ(uf_poll(h->uf), 0);
}

static void handover_blocking(struct t *t)
{
	struct uf *uf = t_open(t, T_BLOCKING, 0);
	struct handover h = {.npages = 1};
	pid_t pid;

	h.addr = t_registered(t, uf, 1);
	pid = handover_start(t, &h, uf, handover_blocking_child);
	handover_await(h.sock);
	CHECK_EQ(t_access(h.addr, T_READ).value, 1);
	handover_join(&h, pid);
	/* The flag is that of the descriptor, which both have. */
	CHECK(fcntl(uf_fd(uf), F_GETFL) & O_NONBLOCK);
}

static void handover_several_messages_child(struct t *t, struct handover *h)
{
	struct uf_msg msg[8];
	char *ro = mmap(NULL, t->page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	handover_await(h->sock);
	CHECK_RET(uf_read(h->uf, (struct uf_msg *)(void *)ro, 1), -EFAULT);
	CHECK_RET(uf_read(h->uf, msg, 1), 1);
	CHECK_EQ(uf_poll(h->uf), POLLIN);
	t_message_pending(h->uf);
	CHECK_RET(t_read_raw(h->uf, msg, 2 * sizeof(msg[0]) + 5), 2 * sizeof(msg[0]));
	CHECK_RET(uf_read(h->uf, msg, 8), 2);
	t_message_none(h->uf);
	CHECK_RET(uf_zeropage(h->uf, h->addr, h->npages * t->page, 0, NULL), 0);
}

/* The first is lost to a buffer that cannot be written. spec: handover.10 */
static void handover_several_messages(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct handover h = {.npages = 6};
	struct t_thread th[6];
	pid_t pid;

	t_needs_linux();
	h.addr = t_registered(t, uf, h.npages);
	pid = handover_start(t, &h, uf, handover_several_messages_child);
	for (size_t i = 0; i < h.npages; i++) {
		t_thread_access(t, &th[i], h.addr + i * t->page, T_READ);
		t_thread_asleep(&th[i]);
	}
	handover_tell(h.sock);
	for (size_t i = 0; i < h.npages; i++)
		t_thread_join(t, &th[i], 0);
	handover_join(&h, pid);
}

static void handover_bare_child(struct t *t, struct handover *h)
{
	struct uf_msg msg;
	uint64_t have = 0;
	uint64_t ioctls = 0;

	CHECK_EQ(uf_poll(h->uf), POLLERR);
	CHECK_RET(uf_read(h->uf, &msg, 1), -EINVAL);
	CHECK_RET(uf_ioctl(h->uf, UF_IOC_COPY, NULL), -EINVAL);
	CHECK_RET(uf_wake(h->uf, h->addr, t->page), -EINVAL);
	CHECK_RET(uf_api(h->uf, UINT64_C(1) << 60, NULL, NULL), -EINVAL);
	CHECK_RET(uf_api(h->uf, UF_FEATURE_THREAD_ID, &have, &ioctls), 0);
	CHECK(have & UF_FEATURE_THREAD_ID);
	CHECK(ioctls & (1 << UF_NR_REGISTER));
	CHECK_EQ(uf_poll(h->uf), 0);
}

/* Even the handshake can be made from afar. */
static void handover_bare(struct t *t)
{
	struct uf *uf = t_open_bare(t, 0);
	struct handover h = {.npages = 1};
	pid_t pid;

	h.addr = t_map(t, 1);
	pid = handover_start(t, &h, uf, handover_bare_child);
	handover_join(&h, pid);
	CHECK_RET(uf_api(uf, 0, NULL, NULL), -EINVAL);
	t_register(uf, h.addr, t->page);
}

/* --- Several at once --- */

/* More than a handle has lines. */
#define HANDOVER_THREADS 20

struct handover_crew {
	struct t *t;
	struct handover *h;
	_Atomic size_t *left;
};

static void *handover_crew_run(void *arg)
{
	struct handover_crew *crew = arg;
	struct t *t = crew->t;
	struct uf *uf = crew->h->uf;
	char *src = malloc(t->page);
	struct uf_msg msg;

	CHECK(src);
	while (atomic_load(crew->left) > 0) {
		struct pollfd p = {.fd = uf_fd(uf), .events = POLLIN};
		ssize_t n;
		char *at;

		(void)!poll(&p, 1, 5);
		n = uf_read(uf, &msg, 1);
		if (n == -EAGAIN)
			continue;
		CHECK_RET(n, 1);
		at = (char *)(uintptr_t)msg.arg.pagefault.address;
		memset(src, (int)((size_t)(at - crew->h->addr) / t->page) & 0x7f, t->page);
		CHECK_RET(uf_copy(uf, at, src, t->page, 0, NULL), 0);
		atomic_fetch_sub(crew->left, 1);
	}
	free(src);
	return NULL;
}

/* The counter is shared by all managers. */
static _Atomic size_t *handover_left;

static void handover_crew_child(struct t *t, struct handover *h)
{
	struct handover_crew crew = {t, h, handover_left};
	pthread_t thread[HANDOVER_THREADS];

	for (size_t i = 0; i < HANDOVER_THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, handover_crew_run, &crew), 0);
	for (size_t i = 0; i < HANDOVER_THREADS; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

struct handover_toucher {
	char *addr;
	size_t page;
	size_t first;
	size_t npages;
};

static void handover_touch_all(void *arg)
{
	struct handover_toucher *m = arg;

	for (size_t i = m->first; i < m->npages; i += 2)
		CHECK_EQ(t_byte(m->addr + i * m->page), (int)i & 0x7f);
}

/* Two managers with several threads each serve one program's. */
static void handover_crews(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t npages = t_huge(t) ? 20 : 300;
	struct handover h[2] = {{.npages = npages}, {.npages = npages}};
	char *addr = t_registered(t, uf, npages);
	struct handover_toucher touch[2];
	struct t_thread th[2];
	pid_t pid[2];

	t_needs_threads_after_fork();
	t_needs_linux();
	handover_left =
		mmap(NULL, t->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	t_adopt(t, (void *)(uintptr_t)handover_left, t->page, -1);
	atomic_store(handover_left, npages);
	for (int i = 0; i < 2; i++) {
		h[i].addr = addr;
		pid[i] = handover_start(t, &h[i], uf, handover_crew_child);
	}
	for (size_t i = 0; i < 2; i++) {
		touch[i] = (struct handover_toucher){addr, t->page, i, npages};
		t_thread_call(t, &th[i], handover_touch_all, &touch[i]);
	}
	for (int i = 0; i < 2; i++)
		t_thread_join(t, &th[i], 0);
	for (int i = 0; i < 2; i++)
		handover_join(&h[i], pid[i]);
	t_message_none(uf);
}

const struct t_case handover_cases[] = {
	CASE("handover.8", handover_serves, T_ALL),
	CASE("handover.7, handover.8, register.15", handover_ioctls, T_SMALL),
	CASE("handover.7", handover_unwritable, T_SMALL),
	CASE("handover.9", handover_large, T_ALL),
	CASE("handover.9, copy.5", handover_source, T_SMALL),
	CASE("handover.8", handover_modes, T_ALL),
	CASE("handover.8", handover_continue, T_OBJECT),
	CASE("handover.10", handover_blocking, T_ALL),
	CASE("handover.10", handover_several_messages, T_SMALL),
	CASE("handover.8, handover.10", handover_bare, T_ONCE),
	CASE("handover.8, handover.10", handover_crews, T_ALL),
	{0},
};
