/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that knows nothing of its manager but a socket. It reads its
 * memory, and meanwhile discards parts of it, moves it, unmaps its end, and forks
 * children which read it, too. All that it reads must be right.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "manager.h"

#define PAGES 64
#define PAGES_LEAST 8

#define EVENTS                                                                                     \
	(UF_FEATURE_EVENT_FORK | UF_FEATURE_EVENT_REMAP | UF_FEATURE_EVENT_UNMAP |                 \
	 UF_FEATURE_EVENT_REMOVE)

struct state {
	const struct program *program;
	struct uf *uf;
	pthread_mutex_t lock; /* the memory stays where it is */
	char *memory;
	size_t npages;
	size_t page_size;
	uint64_t seed; /* of the content */
	bool shared;
	atomic_bool stop;
	atomic_bool wrong;
	uint32_t random;
	struct say count;
};

static uint32_t draw(uint32_t *random, uint32_t below)
{
	*random = *random * 1664525 + 1013904223;
	return (*random >> 8) % below;
}

static bool page_is_right(const struct state *s, size_t page)
{
	const volatile uint64_t *at = (const void *)(s->memory + page * s->page_size);

	for (size_t i = 0; i < s->page_size / sizeof(*at); i++) {
		uint64_t found = at[i];

		if (found == content(s->seed, page, i))
			continue;
		fprintf(stderr, "program %u: word %zu of page %zu is %llx, not %llx\n",
			s->program->number, i, page, (unsigned long long)found,
			(unsigned long long)content(s->seed, page, i));
		return false;
	}
	return true;
}

static bool all_is_right(const struct state *s)
{
	for (size_t i = 0; i < s->npages; i++)
		if (!page_is_right(s, i))
			return false;
	return true;
}

/* The other thread: one page after the other, wherever the memory is by then. */
static void *read_on(void *arg)
{
	struct state *s = arg;
	uint32_t random = s->program->number + 77;

	while (!s->stop) {
		pthread_mutex_lock(&s->lock);
		if (!page_is_right(s, draw(&random, (uint32_t)s->npages)))
			s->wrong = true;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

/* Say it, and wait until the manager has heard. FD: a descriptor that goes along, or -1. */
static void say(const struct state *s, struct say *what, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {{0}};
	struct iovec iov = {what, sizeof(*what)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	char heard;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	if (sendmsg(s->program->sock, &msg, 0) != sizeof(*what) ||
	    recv(s->program->sock, &heard, 1, 0) != 1) {
		fprintf(stderr, "program %u: the manager is gone\n", s->program->number);
		_exit(1);
	}
}

/* Memory with new content: the manager has to know before the first fault. */
static void begin(struct state *s)
{
	struct say region = {.kind = SAY_REGION, .seed = ++s->seed};
	int flags = MAP_ANONYMOUS | (s->shared ? MAP_SHARED : MAP_PRIVATE);
	void *memory;

	s->npages = PAGES;
	must(uf_mmap(NULL, PAGES * s->page_size, PROT_READ | PROT_WRITE, flags, -1, 0, &memory),
	     "uf_mmap");
	s->memory = memory;
	region.start = (uintptr_t)memory;
	region.len = PAGES * s->page_size;
	say(s, &region, -1);
	must(uf_register(s->uf, memory, region.len, UF_REGISTER_MODE_MISSING, NULL), "uf_register");
}

static void discard(struct state *s)
{
	size_t first = draw(&s->random, (uint32_t)s->npages);
	size_t n = 1 + draw(&s->random, (uint32_t)(s->npages - first));

	must(uf_madvise(s->memory + first * s->page_size, n * s->page_size,
			s->shared ? MADV_REMOVE : MADV_DONTNEED),
	     "uf_madvise");
	s->count.discards++;
}

static void move(struct state *s)
{
	size_t len = s->npages * s->page_size;
	void *to;

	must(uf_mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &to), "uf_mmap");
	must(uf_mremap(s->memory, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to, &to), "uf_mremap");
	s->memory = to;
	s->count.moves++;
}

/* The last quarter; what is small is given up, and there is new memory. */
static void unmap(struct state *s)
{
	size_t rest = s->npages > PAGES_LEAST ? s->npages - s->npages / 4 : 0;

	must(uf_munmap(s->memory + rest * s->page_size, (s->npages - rest) * s->page_size),
	     "uf_munmap");
	s->npages = rest;
	s->count.unmaps++;
	if (!rest)
		begin(s);
}

/* The child misses what the parent misses, and has a context of its own for it. */
static void fork_child(struct state *s)
{
	struct say reaped = {.kind = SAY_REAPED};
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(all_is_right(s) ? 0 : 1);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "program %u: its child ended with status %#x\n", s->program->number,
			(unsigned)status);
		s->wrong = true;
	}
	say(s, &reaped, -1);
	s->count.forks++;
}

static void step(struct state *s)
{
	uint32_t what = draw(&s->random, 16);

	/* The other thread may read on: it finds the same again. */
	if (what < 8) {
		discard(s);
		return;
	}
	pthread_mutex_lock(&s->lock);
	if (what < 10)
		move(s);
	else if (what < 12)
		unmap(s);
	else if (what == 12)
		fork_child(s);
	else if (!all_is_right(s))
		s->wrong = true;
	s->count.pages += what > 12 ? s->npages : 0;
	pthread_mutex_unlock(&s->lock);
}

int program_run(const struct program *p)
{
	struct state s = {.program = p,
			  .lock = PTHREAD_MUTEX_INITIALIZER,
			  .page_size = (size_t)sysconf(_SC_PAGESIZE),
			  .seed = (uint64_t)p->number << 32,
			  .shared = p->number % 4 >= 2,
			  .random = p->number};
	struct say hello = {.kind = SAY_HELLO};
	time_t end = time(NULL) + p->seconds;
	pthread_t thread;
	int err;

	s.uf = open_or_skip(p->backend, O_CLOEXEC | O_NONBLOCK);
	err = uf_api(s.uf, EVENTS, NULL, NULL);
	if (err == -EPERM) {
		fprintf(stderr, "the kernel tells of forks only who has CAP_SYS_PTRACE\n");
		return 77;
	}
	must(err, "uf_api");
	must(uf_share(s.uf), "uf_share");
	say(&s, &hello, uf_fd(s.uf));
	begin(&s);
	must(-pthread_create(&thread, NULL, read_on, &s), "pthread_create");
	while (time(NULL) < end && !s.wrong)
		step(&s);
	s.stop = true;
	pthread_join(thread, NULL);
	s.count.kind = SAY_DONE;
	s.count.failed = s.wrong;
	say(&s, &s.count, -1);
	uf_close(s.uf);
	return s.wrong;
}
