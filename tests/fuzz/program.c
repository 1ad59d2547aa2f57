/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the program that hostile managers are let loose on: its memory, threads and contexts. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "userfault.h"

#define PROGRAM_CANARY 0xc5
#define PROGRAM_THREADS 2

struct program_thread {
	pthread_t thread;
	sigjmp_buf env;
	volatile sig_atomic_t inside;
	bool busy;
	enum program_job job;
	size_t page;
};

static struct {
	char *mem;
	size_t page;
	int memfd;
	struct uf *keeper;
	struct uf *kept; /* the same, as a manager has it */

	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_cond_t idle;
	struct program_thread thread[PROGRAM_THREADS];

	/* Of one input. */
	struct uf *uf;
	int fd;
	int fds; /* before it */
	bool deaf;
	bool forked;
	bool closed;
} program = {.lock = PTHREAD_MUTEX_INITIALIZER,
	     .more = PTHREAD_COND_INITIALIZER,
	     .idle = PTHREAD_COND_INITIALIZER};

int program_fd(void)
{
	return program.fd;
}

size_t program_page_size(void)
{
	return program.page;
}

char *program_addr(size_t page)
{
	return program.mem + page * program.page;
}

/* --- Threads --- */

/* Poison, or a fault that SIGBUS was asked for. */
static void program_bus_error(int sig)
{
	pthread_t self = pthread_self();

	for (int i = 0; i < PROGRAM_THREADS; i++) {
		struct program_thread *th = &program.thread[i];

		if (pthread_equal(th->thread, self) && th->inside) {
			th->inside = 0;
			siglongjmp(th->env, 1);
		}
	}
	abort();
}

static void program_access(struct program_thread *th, volatile char *at)
{
	if (sigsetjmp(th->env, 1) == 0) {
		th->inside = 1;
		if (th->job == PROGRAM_WRITE)
			*at = 1;
		else
			(void)*at;
	}
	th->inside = 0;
}

static void program_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	FUZZ_CHECK(pid > 0);
	while (waitpid(pid, NULL, 0) < 0)
		FUZZ_CHECK(errno == EINTR);
}

static void program_do(struct program_thread *th)
{
	char *at = program_addr(th->page);

	if (th->job == PROGRAM_DISCARD)
		(void)!uf_madvise(at, program.page,
				  th->page < PROGRAM_SHMEM ? MADV_DONTNEED : MADV_REMOVE);
	else if (th->job == PROGRAM_FORK)
		program_fork();
	else
		program_access(th, at);
}

static void *program_thread(void *arg)
{
	struct program_thread *th = arg;

	pthread_mutex_lock(&program.lock);
	for (;;) {
		while (!th->busy)
			pthread_cond_wait(&program.more, &program.lock);
		pthread_mutex_unlock(&program.lock);
		program_do(th);
		pthread_mutex_lock(&program.lock);
		th->busy = false;
		pthread_cond_signal(&program.idle);
	}
	return NULL;
}

void program_work(unsigned int thread, enum program_job job, size_t page)
{
	struct program_thread *th = &program.thread[thread % PROGRAM_THREADS];

	if (job == PROGRAM_FORK && program.forked)
		return;
	program.forked |= job == PROGRAM_FORK;
	pthread_mutex_lock(&program.lock);
	if (!th->busy) {
		th->job = job;
		th->page = PROGRAM_ANON + page % (PROGRAM_END - PROGRAM_ANON);
		th->busy = true;
		pthread_cond_broadcast(&program.more);
	}
	pthread_mutex_unlock(&program.lock);
}

/* Without a context nobody has to wait. */
static void program_rest(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += FUZZ_BOUND_MS / 1000;
	pthread_mutex_lock(&program.lock);
	for (int i = 0; i < PROGRAM_THREADS; i++) {
		while (program.thread[i].busy)
			FUZZ_CHECK(pthread_cond_timedwait(&program.idle, &program.lock, &until) ==
				   0);
	}
	pthread_mutex_unlock(&program.lock);
}

/* --- Memory --- */

/* Pages that never change lie around those that may. */
static bool program_is_canary(size_t page)
{
	return page < PROGRAM_ANON || page == PROGRAM_END || page == PROGRAM_HOLE + 1 ||
	       (page >= PROGRAM_CHECK + 4 && page != PROGRAM_KEEPER);
}

static bool program_has(size_t page, int value)
{
	const char *at = program_addr(page);

	return *at == (char)value && !memcmp(at, at + 1, program.page - 1);
}

static void program_map(size_t page, size_t n, int flags, int fd, size_t file_page)
{
	char *at = program_addr(page);
	void *got;

	FUZZ_CHECK(uf_mmap(at, n * program.page, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd,
			   (off_t)(file_page * program.page), &got) == 0);
	FUZZ_CHECK(got == at);
}

/* All that a manager could change is new. */
static void program_renew(void)
{
	const size_t shmem = PROGRAM_END - PROGRAM_SHMEM;

	FUZZ_CHECK(ftruncate(program.memfd, 0) == 0);
	FUZZ_CHECK(ftruncate(program.memfd, (off_t)((shmem + 2) * program.page)) == 0);
	program_map(PROGRAM_ANON, PROGRAM_SHMEM - PROGRAM_ANON, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	program_map(PROGRAM_SHMEM, shmem, MAP_SHARED, program.memfd, 0);
	program_map(PROGRAM_CHECK, 2, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	program_map(PROGRAM_CHECK + 2, 2, MAP_SHARED, program.memfd, shmem);
}

static void program_map_all(void)
{
	program.page = (size_t)sysconf(_SC_PAGESIZE);
	program.mem = mmap(NULL, PROGRAM_PAGES * program.page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FUZZ_CHECK(program.mem != MAP_FAILED);
	for (size_t i = 0; i < PROGRAM_PAGES; i++) {
		if (program_is_canary(i))
			memset(program_addr(i), PROGRAM_CANARY, program.page);
	}
	FUZZ_CHECK(munmap(program_addr(PROGRAM_HOLE), program.page) == 0);
	program.memfd = memfd_create("program", MFD_CLOEXEC);
	FUZZ_CHECK(program.memfd >= 0);
}

/* --- Contexts --- */

static struct uf *program_new(const struct uf_options *opt)
{
	struct uf *uf;

	FUZZ_CHECK(uf_open(opt, O_CLOEXEC | O_NONBLOCK, &uf) == 0);
	FUZZ_CHECK(uf_share(uf) == 0);
	return uf;
}

/* A well-behaved manager of the same context. Lines that have ended are not noticed at once. */
static struct uf *program_adopt(int fd)
{
	struct timespec ms = {0, 1000000};
	struct uf *uf;
	int left = FUZZ_BOUND_MS;
	int err;

	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FUZZ_CHECK(fd >= 0);
	while ((err = uf_adopt(fd, NULL, &uf)) == -EBUSY && left--)
		nanosleep(&ms, NULL);
	FUZZ_CHECK(err == 0);
	return uf;
}

static uint64_t program_features(uint8_t bits)
{
	static const uint64_t feature[] = {
		UF_FEATURE_EVENT_REMOVE | UF_FEATURE_EVENT_UNMAP | UF_FEATURE_EVENT_REMAP,
		UF_FEATURE_EVENT_FORK,
		UF_FEATURE_SIGBUS,
		UF_FEATURE_RWP,
		UF_FEATURE_WP_UNPOPULATED | UF_FEATURE_THREAD_ID | UF_FEATURE_EXACT_ADDRESS,
		UF_FEATURE_WP_ASYNC,
	};
	uint64_t features = 0;

	for (size_t i = 0; i < sizeof(feature) / sizeof(feature[0]); i++)
		features |= bits & (1 << i) ? feature[i] : 0;
	return features;
}

/* 0: a manager may do it. */
static void program_register(size_t from, size_t to, uint64_t mode)
{
	if (mode)
		(void)!uf_register(program.uf, program_addr(from), (to - from) * program.page, mode,
				   NULL);
}

void program_open(struct fuzz_input *config)
{
	struct uf_options opt = UF_OPTIONS_INIT;
	uint8_t features = fuzz_u8(config);
	uint8_t modes = fuzz_u8(config);
	uint8_t full = fuzz_u8(config);

	program.fds = fuzz_count_fds();
	opt.backend = UF_BACKEND_ENGINE;
	if (features & 0x80)
		opt.trap = UF_TRAP_CHOICE_MPROTECT;
	program.uf = program_new(&opt);
	program.fd = fcntl(uf_fd(program.uf), F_DUPFD_CLOEXEC, 0);
	FUZZ_CHECK(program.fd >= 0);
	program.deaf = program.forked = program.closed = false;
	for (size_t i = 0; i < full % 16U && i < PROGRAM_SHMEM - PROGRAM_ANON; i++)
		*program_addr(PROGRAM_ANON + i) = 1;
	for (size_t i = 0; i < full / 16U && i < PROGRAM_END - PROGRAM_SHMEM; i++)
		FUZZ_CHECK(pwrite(program.memfd, "s", 1, (off_t)(i * program.page)) == 1);
	/* Else the handshake is a manager's. */
	if (!(features & 0x40) && !uf_api(program.uf, program_features(features), NULL, NULL)) {
		program_register(PROGRAM_ANON, PROGRAM_SHMEM, modes & 15);
		program_register(PROGRAM_SHMEM, PROGRAM_END, modes >> 4);
	}
}

void program_close(void)
{
	if (!program.closed)
		uf_close(program.uf);
	program.closed = true;
}

void program_deafened(void)
{
	program.deaf = true;
}

/* --- What a manager says --- */

uint64_t program_number(struct fuzz_input *in)
{
	static const uint64_t odd[] = {UINT64_MAX,	  INT64_MAX,	    UINT64_C(1) << 47,
				       UINT64_C(1) << 63, UF_UAPI_API,	    UF_FEATURE_SIGBUS,
				       UINT64_C(1) << 32, UINT64_C(1) << 21};
	uint8_t tag = fuzz_u8(in);
	uint64_t v = tag >> 3;

	switch (tag & 7) {
	case 0:
		return v;
	case 1:
		return v * program.page;
	case 2:
		return (uintptr_t)program_addr(v);
	case 3:
		return odd[v % (sizeof(odd) / sizeof(odd[0]))];
	case 4:
		return (uintptr_t)program_addr(v) + fuzz_u8(in);
	case 5:
		return fuzz_u64(in);
	case 6:
		return (uintptr_t)program.uf + v * program.page;
	}
	return ~v;
}

static uint64_t program_get(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Does it begin or end in memory that is the fuzzer's, or have any between? */
static bool program_is_ours(uint64_t start, uint64_t len)
{
	uint64_t from = (uintptr_t)program_addr(PROGRAM_ANON);
	uint64_t to = (uintptr_t)program_addr(PROGRAM_END);

	if (!len || start % program.page || len % program.page || start > UINT64_MAX - len)
		return false;
	return start < from || start + len > to;
}

void program_restrain(uint8_t *request, size_t len)
{
	const size_t most = PROGRAM_END - PROGRAM_ANON;
	uint32_t op;
	uint32_t number;
	uint64_t start;

	if (len != 64)
		return;
	memcpy(&op, request, sizeof(op));
	memcpy(&number, request + 4, sizeof(number));
	start = program_get(request + 16);
	if (op != 1 || number != UF_IOC_REGISTER ||
	    !program_is_ours(start, program_get(request + 24)))
		return;
	start = (uintptr_t)program_addr(PROGRAM_ANON + start / program.page % most);
	memcpy(request + 16, &start, sizeof(start));
	start = program.page;
	memcpy(request + 24, &start, sizeof(start));
}

/* --- Is all well? --- */

static void program_hear(struct uf *uf)
{
	struct uf_msg msg[8];
	ssize_t n;

	do {
		n = uf_read(uf, msg, 8);
		for (ssize_t i = 0; i < n; i++)
			if (msg[i].event == UF_EVENT_FORK)
				close((int)msg[i].arg.fork.ufd);
	} while (n > 0);
	FUZZ_CHECK(n == -EAGAIN);
}

/* As long as an event is under way nothing is resolved: somebody has to read it. */
static int program_fill(struct uf *uf, size_t page, const void *src)
{
	struct timespec nap = {0, 100000};
	char *at = program_addr(page);
	size_t done;
	int left = 10 * FUZZ_BOUND_MS;
	int err;

	do {
		err = src ? uf_copy(uf, at, src, program.page, 0, &done)
			  : uf_zeropage(uf, at, program.page, 0, &done);
		if (err != -EAGAIN)
			break;
		program_hear(uf);
		nanosleep(&nap, NULL);
	} while (left--);
	FUZZ_CHECK(done == (err ? 0 : program.page));
	return err;
}

static void program_check_fill(struct uf *uf, size_t page, int value)
{
	static char src[65536];

	memset(src, value, program.page);
	FUZZ_CHECK(program_fill(uf, page, value ? src : NULL) == 0);
	FUZZ_CHECK(program_has(page, value));
	FUZZ_CHECK(program_fill(uf, page, src) == -EEXIST);
}

/* Another manager of the same context. */
static void program_check_served(void)
{
	struct uf *uf = program_adopt(program.fd);
	int err = uf_api(uf, 0, NULL, NULL);

	FUZZ_CHECK(err == 0 || err == -EINVAL);
	for (size_t i = 0; i < 2; i++)
		FUZZ_CHECK(uf_register(uf, program_addr(PROGRAM_CHECK + 2 * i), 2 * program.page,
				       UF_REGISTER_MODE_MISSING, NULL) == 0);
	for (size_t i = 0; i < 4; i++)
		program_check_fill(uf, PROGRAM_CHECK + i, i % 2 ? 0 : 7);
	uf_close(uf);
}

/* And one of another context. */
static void program_check_kept(void)
{
	FUZZ_CHECK(uf_poll(program.kept) == 0);
	program_check_fill(program.kept, PROGRAM_KEEPER, 9);
	FUZZ_CHECK(uf_madvise(program_addr(PROGRAM_KEEPER), program.page, MADV_DONTNEED) == 0);
}

void program_start(void)
{
	struct uf_options opt = UF_OPTIONS_INIT;
	struct sigaction act = {.sa_handler = program_bus_error};

	/* Before the engine, which passes on to it what is not its own. */
	FUZZ_CHECK(sigaction(SIGBUS, &act, NULL) == 0);
	program_map_all();
	program_renew();
	for (int i = 0; i < PROGRAM_THREADS; i++)
		FUZZ_CHECK(pthread_create(&program.thread[i].thread, NULL, program_thread,
					  &program.thread[i]) == 0);
	opt.backend = UF_BACKEND_ENGINE;
	program.keeper = program_new(&opt);
	FUZZ_CHECK(uf_api(program.keeper, 0, NULL, NULL) == 0);
	FUZZ_CHECK(uf_register(program.keeper, program_addr(PROGRAM_KEEPER), program.page,
			       UF_REGISTER_MODE_MISSING, NULL) == 0);
	program.kept = program_adopt(uf_fd(program.keeper));
	/* Whatever is made at its first use is there. */
	program_check_kept();
}

static void program_check_memory(void)
{
	for (size_t i = 0; i < PROGRAM_PAGES; i++)
		FUZZ_CHECK(!program_is_canary(i) || program_has(i, PROGRAM_CANARY));
}

void program_end(void)
{
	if (!program.deaf)
		program_check_served();
	program_check_kept();
	close(program.fd);
	program_close();
	program_rest();
	program_check_memory();
	/* Poison outlives its context, but not its memory. */
	program_renew();
	fuzz_fds_are(program.fds);
}
