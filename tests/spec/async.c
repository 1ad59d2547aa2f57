/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/async.md */
#include <sys/wait.h>

#include "async.h"
#include "suites.h"

/* Pages I full of I + 1, registered and protected. */
static char *async_protected(struct t *t, struct uf *uf, size_t npages)
{
	char *addr = t_map(t, npages);

	for (size_t i = 0; i < npages; i++)
		memset(addr + i * t->page, (int)i + 1, t->page);
	CHECK_RET(uf_register(uf, addr, npages * t->page, UF_REGISTER_MODE_WP, NULL), 0);
	async_protect(t, uf, addr, npages);
	CHECK_EQ(async_written(t, addr, npages), 0);
	return addr;
}

/* --- An access --- */

static void async_write(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = async_protected(t, uf, 4);

	CHECK_EQ(t_access(addr + page, T_WRITE).sig, 0);
	CHECK_EQ(addr[page], T_MARK);
	CHECK_EQ(addr[page + 1], 2);
	t_message_none(uf);
	CHECK_EQ(async_written(t, addr, 4), 2);
	/* Again, and by reading and writing in one. */
	CHECK_EQ(t_access(addr + page, T_WRITE).sig, 0);
	CHECK_EQ(t_access(addr + 4 * page - 1, T_MODIFY).value, 4);
	CHECK_EQ(addr[4 * page - 1], 5);
	t_message_none(uf);
	CHECK_EQ(async_written(t, addr, 4), 2 | 8);
	/* Protected again, it counts again. */
	async_protect(t, uf, addr, 4);
	CHECK_EQ(async_written(t, addr, 4), 0);
	addr[page] = 1;
	CHECK_EQ(async_written(t, addr, 4), 2);
}

static void async_read(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = async_protected(t, uf, 4);

	for (size_t i = 0; i < 4; i++)
		CHECK(t_is_filled(addr + i * t->page, t->page, (int)i + 1));
	CHECK_EQ(async_written(t, addr, 4), 0);
	t_message_none(uf);
}

/* One write over the border of two pages. */
static void async_two_pages(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = async_protected(t, uf, 4);
	uint64_t word = UINT64_C(0x1122334455667788);

	memcpy(addr + 2 * t->page - 4, &word, sizeof(word));
	CHECK(!memcmp(addr + 2 * t->page - 4, &word, sizeof(word)));
	CHECK_EQ(async_written(t, addr, 4), 2 | 4);
	t_message_none(uf);
}

#define ASYNC_THREADS 4
#define ASYNC_ROUNDS 100

static struct {
	char *addr;
	size_t page;
} async_race;

static void async_adder(void *arg)
{
	for (int round = 0; round < ASYNC_ROUNDS; round++)
		for (size_t i = 0; i < 8; i++)
			atomic_fetch_add(
				(_Atomic uint32_t *)(async_race.addr + i * async_race.page), 1);
}

/* All of them write the same protected pages, which are protected again and again. */
static void async_many_writers(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	struct t_thread th[ASYNC_THREADS];
	char *addr = async_protected(t, uf, 8);
	int running = 1;

	async_race.addr = addr;
	async_race.page = t->page;
	for (size_t i = 0; i < 8; i++)
		memset(addr + i * t->page, 0, t->page);
	async_protect(t, uf, addr, 8);
	for (int i = 0; i < ASYNC_THREADS; i++)
		t_thread_call(t, &th[i], async_adder, NULL);
	while (running) {
		async_protect(t, uf, addr, 8);
		running = 0;
		for (int i = 0; i < ASYNC_THREADS; i++)
			running += !atomic_load(&th[i].done);
	}
	for (int i = 0; i < ASYNC_THREADS; i++)
		t_thread_join(t, &th[i], 0);
	for (size_t i = 0; i < 8; i++)
		CHECK_EQ(*(uint32_t *)(addr + i * t->page), ASYNC_THREADS * ASYNC_ROUNDS);
	t_message_none(uf);
}

static void async_system_call(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	ssize_t n = 4096; /* what a pipe takes */
	char *addr = async_protected(t, uf, 4);
	char *to = addr + 2 * t->page - n / 2;
	char *src = t_buffer(t, 1);
	int fds[2];

	memset(src, 0x77, (size_t)n);
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	CHECK_EQ(write(fds[1], src, (size_t)n), n);
	CHECK_EQ(read(fds[0], to, (size_t)n), n);
	CHECK(t_is_filled(to, (size_t)n, 0x77));
	t_message_none(uf);
	CHECK_EQ(async_written(t, addr, 4), 2 | 4);
	/* Reading is none. */
	CHECK_EQ(write(fds[1], addr, (size_t)n), n);
	CHECK_EQ(async_written(t, addr, 4), 2 | 4);
	close(fds[0]);
	close(fds[1]);
}

static void async_system_call_user(struct t *t)
{
	struct uf *uf;
	char *addr;
	int fds[2];

	t_needs_features(t, UF_FEATURE_WP_ASYNC);
	uf = t_open(t, UF_USER_MODE_ONLY, UF_FEATURE_WP_ASYNC);
	addr = async_protected(t, uf, 2);
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EQ(read(fds[0], addr, 1), 1);
	CHECK_EQ(addr[0], 'x');
	CHECK_EQ(async_written(t, addr, 2), 1);
	close(fds[0]);
	close(fds[1]);
}

/* --- Missing pages --- */

static void async_unpopulated(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_registered(t, uf, 6);

	/* Nothing has been protected yet. */
	CHECK_EQ(async_written(t, addr, 6), t_huge(t) ? 0 : SCAN_SET(6));
	async_protect(t, uf, addr, 6);
	CHECK_EQ(async_written(t, addr, 6), 0);
	CHECK(t_is_filled(addr, 2 * page, 0));
	CHECK_EQ(async_written(t, addr, 6), 0);
	addr[page] = 1;
	addr[3 * page] = 2;
	CHECK_EQ(async_written(t, addr, 6), 2 | 8);
	CHECK(t_is_filled(addr + 3 * page + 1, page - 1, 0));
	t_message_none(uf);
	/* And back. */
	CHECK_RET(uf_writeprotect(uf, addr + 4 * page, 2 * page, 0), 0);
	CHECK_EQ(async_written(t, addr, 6), t_huge(t) ? 2 | 8 : 2 | 8 | 16 | 32);
}

static void async_missing(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = t_map(t, 4);
	struct t_thread th;

	CHECK_RET(uf_register(uf, addr, 4 * page, ASYNC_BOTH, NULL), 0);
	t_thread_access(t, &th, addr, T_WRITE);
	t_thread_asleep(&th);
	t_fault_at(uf, addr, UF_PAGEFAULT_FLAG_WRITE);
	/* The write that waits goes on, though it finds the page protected. */
	t_fill(t, uf, addr, 1, UF_COPY_MODE_WP);
	t_thread_join(t, &th, 0);
	CHECK_EQ(addr[0], T_MARK);
	CHECK_EQ(addr[1], 1);
	t_message_none(uf);
	CHECK_EQ(async_written(t, addr, 1), 1);
	/* Filled without anybody waiting; read, then written. */
	t_fill(t, uf, addr + page, 2, UF_COPY_MODE_WP);
	CHECK_EQ(addr[page], 2);
	CHECK_EQ(async_written(t, addr + page, 1), 0);
	addr[page] = 3;
	CHECK_EQ(async_written(t, addr + page, 1), 1);
	t_message_none(uf);
	/* Missing and protected it is missing first of all. */
	async_protect(t, uf, addr + 2 * page, 2);
	t_thread_access(t, &th, addr + 2 * page, T_WRITE);
	t_thread_asleep(&th);
	t_fault_at(uf, addr + 2 * page, UF_PAGEFAULT_FLAG_WRITE);
	t_fill(t, uf, addr + 2 * page, 4, 0);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
	/* A copy that does not say so does not keep the protection. */
	t_fill(t, uf, addr + 3 * page, 5, 0);
	CHECK_EQ(async_written(t, addr + 2 * page, 2), 3);
}

static void async_sigbus(struct t *t)
{
	struct uf *uf = scan_open(t, UF_FEATURE_SIGBUS);
	size_t page = t->page;
	char *addr = t_map(t, 2);

	addr[0] = 1;
	CHECK_RET(uf_register(uf, addr, 2 * page, ASYNC_BOTH, NULL), 0);
	async_protect(t, uf, addr, 1);
	CHECK_EQ(t_access(addr, T_WRITE).sig, 0);
	CHECK_EQ(addr[0], T_MARK);
	CHECK_EQ(t_access(addr + page, T_WRITE).sig, SIGBUS);
	CHECK_EQ(async_written(t, addr, 1), 1);
	t_message_none(uf);
}

static void async_unprotect(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = async_protected(t, uf, 4);

	CHECK_RET(uf_writeprotect(uf, addr + t->page, t->page, 0), 0);
	CHECK_RET(uf_writeprotect(uf, addr + 2 * t->page, t->page, UF_WRITEPROTECT_MODE_DONTWAKE),
		  0);
	CHECK_EQ(async_written(t, addr, 4), 2 | 4);
	addr[t->page] = 9;
	CHECK_EQ(async_written(t, addr, 4), 2 | 4);
	t_message_none(uf);
}

/* --- Changes of the address space --- */

/* Each mapping of an object has its own protection. */
static void async_twin(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = async_protected(t, uf, 4);
	void *got;
	char *twin;

	t_needs_linux();
	if (t_huge(t))
		got = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, t_map_fd(t, addr),
			   0);
	else
		CHECK_RET(uf_mremap(addr, 0, 4 * page, MREMAP_MAYMOVE, NULL, &got), 0);
	CHECK(got != MAP_FAILED);
	twin = got;
	t_adopt(t, twin, 4 * page, -1);
	twin[page] = 9;
	CHECK_EQ(addr[page], 9);
	CHECK_EQ(async_written(t, addr, 4), 0);
	addr[2 * page] = 8;
	CHECK_EQ(twin[2 * page], 8);
	CHECK_EQ(async_written(t, addr, 4), 4);
	t_message_none(uf);
}

static void async_mprotect(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = async_protected(t, uf, 4);

	addr[page] = 1;
	CHECK_RET(uf_mprotect(addr, 4 * page, PROT_READ), 0);
	CHECK_EQ(async_written(t, addr, 4), 2);
	/* Not a write, as it was not made. */
	CHECK_EQ(t_access(addr, T_WRITE).sig, SIGSEGV);
	CHECK_EQ(t_access(addr + page, T_WRITE).sig, SIGSEGV);
	CHECK_EQ(async_written(t, addr, 4), 2);
	CHECK_RET(uf_mprotect(addr, 4 * page, PROT_NONE), 0);
	CHECK_EQ(async_written(t, addr, 4), 2);
	CHECK_RET(uf_mprotect(addr, 4 * page, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(async_written(t, addr, 4), 2);
	CHECK_EQ(t_access(addr + 2 * page, T_WRITE).sig, 0);
	CHECK_EQ(async_written(t, addr, 4), 2 | 4);
	t_message_none(uf);
}

static void async_dontneed(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = async_protected(t, uf, 4);
	uint64_t last = t_huge(t) ? 0 : 8; /* missing, it does not count there */
	bool kept = t->target->mem != T_ANON;

	t_needs_linux();
	addr[3 * page] = 1;
	CHECK_RET(uf_madvise(addr + page, 3 * page, MADV_DONTNEED), 0);
	/* An object keeps its pages, and the mapping their protection. */
	CHECK_EQ(async_written(t, addr, 4), kept ? last : 2 | 4 | 8);
	CHECK_EQ(addr[page], t_shared(t) ? 2 : 0);
	CHECK_EQ(async_written(t, addr, 4), kept ? last : 2 | 4 | 8);
	CHECK_EQ(t_access(addr + 2 * page, T_WRITE).sig, 0);
	CHECK_EQ(async_written(t, addr, 4), kept ? 4 | last : 2 | 4 | 8);
	t_message_none(uf);
}

/* A missing page that is protected, and is given back as such. */
static void async_dontneed_missing(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	char *addr = scan_registered(t, uf, 2);

	t_needs_linux();
	async_protect(t, uf, addr, 2);
	CHECK_RET(uf_madvise(addr, t->page, MADV_DONTNEED), 0);
	CHECK_EQ(async_written(t, addr, 2), t->target->mem == T_ANON ? 1 : 0);
}

static void async_remove(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = async_protected(t, uf, 4);
	uint64_t last = t_huge(t) ? 0 : 8; /* missing, it does not count there */

	t_needs_linux();
	addr[3 * page] = 1;
	CHECK_RET(uf_madvise(addr + 2 * page, 2 * page, MADV_REMOVE), 0);
	CHECK_EQ(async_written(t, addr, 4), last);
	CHECK_EQ(addr[2 * page], 0);
	CHECK_EQ(async_written(t, addr, 4), last);
	addr[2 * page] = 1;
	CHECK_EQ(async_written(t, addr, 4), 4 | last);
	t_message_none(uf);
}

static void async_fork_child(struct t *t, void *arg)
{
	char *addr = arg;

	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WPALLOWED), 0);
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(addr[i * t->page], (int)i + 1);
	CHECK_EQ(async_written(t, addr, 4), SCAN_SET(4));
	CHECK_EQ(t_access(addr, T_WRITE).sig, 0);
}

static void async_fork(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = async_protected(t, uf, 4);

	t_needs_linux();
	CHECK_EQ(t_wait(t_fork(t, async_fork_child, addr)), 0);
	/* In the parent all is as before; what the child wrote to an object is not the parent's. */
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WPALLOWED), SCAN_SET(4));
	CHECK_EQ(async_written(t, addr, 4), 0);
	CHECK_EQ(addr[0], t_shared(t) ? T_MARK : 1);
	addr[page] = 9;
	CHECK_EQ(addr[page], 9);
	CHECK_EQ(async_written(t, addr, 4), 2);
	t_message_none(uf);
}

static struct {
	struct uf *uf;
	int child_fd;
} async_forker;

/* The fork waits until somebody reads its event, which makes a descriptor. */
static void async_fork_reader(void *arg)
{
	struct uf_msg msg = t_message(async_forker.uf);

	CHECK_EQ(msg.event, UF_EVENT_FORK);
	async_forker.child_fd = (int)msg.arg.fork.ufd;
}

static void async_fork_event_child(struct t *t, void *arg)
{
	char *addr = arg;
	size_t page = t->page;

	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WPALLOWED), SCAN_SET(4));
	CHECK_EQ(async_written(t, addr, 4), 1);
	/* Nobody reads the child's messages: a write that waited would wait for ever. */
	CHECK_EQ(t_access(addr + page, T_WRITE).sig, 0);
	CHECK_EQ(addr[page], T_MARK);
	CHECK_EQ(async_written(t, addr, 4), 1 | 2);
	CHECK_EQ(scan_collect(t, addr, 4), 1 | 2);
	CHECK_EQ(async_written(t, addr, 4), 0);
}

static void async_fork_event(struct t *t)
{
	struct t_thread th;
	char *addr;
	pid_t pid;

	t_needs_threads_after_fork();
	t_needs_features(t, UF_FEATURE_EVENT_FORK);
	async_forker.uf = scan_open(t, UF_FEATURE_EVENT_FORK);
	addr = async_protected(t, async_forker.uf, 4);
	addr[0] = 1;
	t_thread_call(t, &th, async_fork_reader, NULL);
	pid = t_fork(t, async_fork_event_child, addr);
	t_thread_join(t, &th, 0);
	CHECK_EQ(t_wait(pid), 0);
	close(async_forker.child_fd);
	CHECK_EQ(async_written(t, addr, 4), 1);
}

static void async_mremap(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = async_protected(t, uf, 4);
	char *to = t_map(t, 4);
	void *got;

	CHECK_RET(uf_mremap(addr, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to, &got), 0);
	CHECK(got == to);
	CHECK_EQ(scan_pages(t, to, 4, UF_PAGE_IS_WPALLOWED), 0);
	CHECK_EQ(async_written(t, to, 4), SCAN_SET(4));
	CHECK_EQ(to[page], 2);
	CHECK_EQ(t_access(to, T_WRITE).sig, 0);
	CHECK_RET(uf_writeprotect(uf, to, page, UF_WRITEPROTECT_MODE_WP), -ENOENT);
	t_message_none(uf);
}

static struct {
	char *from;
	char *to;
	size_t len;
	int ret;
} async_mover;

static void async_mremap_thread(void *arg)
{
	void *got;

	async_mover.ret = uf_mremap(async_mover.from, async_mover.len, async_mover.len,
				    MREMAP_MAYMOVE | MREMAP_FIXED, async_mover.to, &got);
}

static void async_mremap_event(struct t *t)
{
	struct t_thread th;
	struct uf_msg msg;
	struct uf *uf;
	char *to;

	t_needs_features(t, UF_FEATURE_EVENT_REMAP);
	uf = scan_open(t, UF_FEATURE_EVENT_REMAP);
	to = t_map(t, 4);
	async_mover.from = async_protected(t, uf, 4);
	async_mover.to = to;
	async_mover.len = 4 * t->page;
	async_mover.from[t->page] = 7;
	t_thread_call(t, &th, async_mremap_thread, NULL);
	msg = t_message(uf);
	CHECK_EQ(msg.event, UF_EVENT_REMAP);
	t_thread_join(t, &th, 0);
	CHECK_RET(async_mover.ret, 0);
	CHECK_EQ(scan_pages(t, to, 4, UF_PAGE_IS_WPALLOWED), SCAN_SET(4));
	CHECK_EQ(async_written(t, to, 4), 2);
	CHECK_EQ(t_access(to, T_WRITE).sig, 0);
	CHECK_EQ(to[t->page], 7);
	CHECK_EQ(async_written(t, to, 4), 1 | 2);
	t_message_none(uf);
}

static void async_unregister(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = async_protected(t, uf, 4);

	CHECK_RET(uf_unregister(uf, addr, 2 * page), 0);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WPALLOWED), 4 | 8);
	CHECK_EQ(async_written(t, addr, 4), 1 | 2);
	CHECK_EQ(t_access(addr, T_WRITE).sig, 0);
	t_close(t, uf);
	CHECK_EQ(scan_pages(t, addr, 4, UF_PAGE_IS_WPALLOWED), 0);
	CHECK_EQ(async_written(t, addr, 4), SCAN_SET(4));
	CHECK_EQ(t_access(addr + 2 * page, T_WRITE).sig, 0);
	/* Registered anew, nothing of it is left. */
	uf = t_open(t, 0, UF_FEATURE_WP_ASYNC);
	CHECK_RET(uf_register(uf, addr, 4 * page, UF_REGISTER_MODE_WP, NULL), 0);
	CHECK_EQ(async_written(t, addr, 4), SCAN_SET(4));
}

/* --- Huge pages --- */

static void async_huge(struct t *t)
{
	struct uf *uf = scan_open(t, 0);
	size_t page = t->page;
	char *addr = scan_huge(t, 0x41);

	CHECK_RET(uf_register(uf, addr, SCAN_HUGE, UF_REGISTER_MODE_WP, NULL), 0);
	async_protect(t, uf, addr, SCAN_HUGE / page);
	CHECK_EQ(async_written(t, addr, 64), 0);
	addr[5 * page] = 1;
	CHECK_EQ(async_written(t, addr, 64), 32);
	CHECK_EQ(addr[5 * page + 1], 0x41);
	CHECK(t_is_filled(addr + 6 * page, SCAN_HUGE - 6 * page, 0x41));
	t_message_none(uf);
}

const struct t_case async_cases[] = {
	CASE("async.1", async_write, T_ALL),
	CASE("async.1", async_two_pages, T_ALL),
	CASE("async.1", async_many_writers, T_ALL),
	CASE("async.2", async_read, T_ALL),
	CASE("async.3", async_system_call, T_KERNEL_ONLY),
	CASE("async.3", async_system_call_user, T_KERNEL_ONLY),
	CASE("async.4", async_unpopulated, T_ALL),
	CASE("async.5", async_missing, T_ALL),
	CASE("async.6", async_sigbus, T_ALL),
	CASE("async.7", async_unprotect, T_ALL),
	CASE("async.11", async_twin, T_OBJECT),
	CASE("async.12", async_mprotect, T_ALL),
	CASE("async.13", async_dontneed, T_ALL),
	CASE("async.13", async_dontneed_missing, T_ALL),
	CASE("async.13", async_remove, T_OBJECT),
	CASE("async.14", async_fork, T_ALL),
	CASE("async.14", async_fork_event, T_SMALL),
	CASE("async.15", async_mremap, T_ALL),
	CASE("async.15", async_mremap_event, T_ALL),
	CASE("async.16", async_unregister, T_ALL),
	CASE("async.17", async_huge, T_PRIVATE),
	{0},
};
