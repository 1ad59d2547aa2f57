/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several threads at once on all of it: writing, reading, filling, moving,
 * protecting, discarding and unregistering the same pages, on the kernel and
 * on the engine with each of its strategies. What is checked:
 *
 *	no write is lost: each writer has a counter of its own in every page
 *	nothing is torn or seen early: every other word is told by its place
 *
 * UF_STRESS_SECONDS is the time of each test (1).
 */
#include <poll.h>
#include <time.h>

#include "lib/conform.h"

#define PAGES 48
#define HUGE_PAGES 6 /* where a page is a huge one */
#define WRITERS 3
#define HANDLERS 2

/* Counters are so many words apart, each on a cache line of its own. */
#define COUNTER_WORDS 8

struct stress {
	struct t *t;
	struct uf *uf;
	uint64_t modes;
	size_t npages;
	bool moves; /* the backend has MOVE for this memory */
	char *mem;
	char *twin;  /* shared memory: its second mapping */
	char *stage; /* private memory: where pages are moved to */
	/* Under the page's lock: whether it is out, and what it had then. */
	pthread_mutex_t lock[PAGES];
	bool out[PAGES];
	_Atomic uint64_t *store;
	/* Of writer and page: what its counter has now. */
	uint64_t counter[WRITERS][PAGES];
	_Atomic bool stop;  /* writers and those who disturb them */
	_Atomic bool still; /* handlers */
	_Atomic uint64_t generation;
	_Atomic unsigned seeds;
};

static size_t words(const struct stress *s)
{
	return s->t->page / sizeof(uint64_t);
}

static _Atomic uint64_t *word_at(char *page, size_t word)
{
	return (_Atomic uint64_t *)page + word;
}

/* What stands there, unless it is a counter. Never zero. */
static uint64_t pattern(size_t page, size_t word)
{
	return (page << 32 | word) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

static bool is_counter(size_t word)
{
	return word % COUNTER_WORDS == 0 && word / COUNTER_WORDS < WRITERS;
}

static uint64_t stress_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t stress_seed(struct stress *s)
{
	return (atomic_fetch_add(&s->seeds, 1) + 1) * UINT64_C(0x2545f4914f6cdd1d);
}

/* --- Those who use the memory --- */

static void write_one(struct stress *s, unsigned self, size_t page, bool modify)
{
	_Atomic uint64_t *at = word_at(s->mem + page * s->t->page, self * COUNTER_WORDS);
	uint64_t *count = &s->counter[self][page];
	uint64_t was;

	if (modify) {
		was = atomic_fetch_add_explicit(at, 1, memory_order_relaxed);
	} else {
		was = atomic_load_explicit(at, memory_order_relaxed);
		atomic_store_explicit(at, was + 1, memory_order_relaxed);
	}
	CHECK_EQ(was, *count);
	++*count;
}

static void read_one(struct stress *s, size_t page, size_t word)
{
	uint64_t got = atomic_load_explicit(word_at(s->mem + page * s->t->page, word),
					    memory_order_relaxed);

	if (!is_counter(word))
		CHECK_EQ(got, pattern(page, word));
}

struct stress_writer {
	struct stress *s;
	unsigned self;
};

static void stress_write(void *arg)
{
	const struct stress_writer *w = arg;
	struct stress *s = w->s;
	uint64_t rng = stress_seed(s);

	while (!atomic_load(&s->stop)) {
		uint64_t r = stress_random(&rng);

		if (r & 1)
			write_one(s, w->self, r / 8 % s->npages, r & 2);
		else
			read_one(s, r / 8 % s->npages, r / 8192 % words(s));
	}
}

/* --- Those who resolve faults --- */

/* The page's lock is held. What was protected in vain before it went is woken, and is missing. */
static void handle_missing(struct stress *s, size_t page, uint64_t mode)
{
	size_t size = s->t->page;
	char *addr = s->mem + page * size;

	if (!s->out[page]) {
		CHECK_RET(uf_wake(s->uf, addr, size), 0);
		return;
	}
	CHECK_RET(uf_copy(s->uf, addr, (char *)(uintptr_t)s->store + page * size, size, mode, NULL),
		  0);
	s->out[page] = false;
}

static void handle_minor(struct stress *s, size_t page, uint64_t mode)
{
	char *addr = s->mem + page * s->t->page;
	int err = uf_continue(s->uf, addr, s->t->page, mode, NULL);

	if (err == -EEXIST || err == -EFAULT) /* mapped since, or removed since */
		err = uf_wake(s->uf, addr, s->t->page);
	CHECK_RET(err, 0);
}

static void handle_one(struct stress *s, const struct uf_msg *msg, uint64_t r)
{
	size_t page = ((uintptr_t)msg->arg.pagefault.address - (uintptr_t)s->mem) / s->t->page;
	uint64_t flags = msg->arg.pagefault.flags;

	CHECK_EQ(msg->event, UF_EVENT_PAGEFAULT);
	CHECK(page < s->npages);
	pthread_mutex_lock(&s->lock[page]);
	if (flags & UF_PAGEFAULT_FLAG_WP)
		t_unprotect(s->uf, s->mem + page * s->t->page, s->t->page);
	else if (flags & UF_PAGEFAULT_FLAG_MINOR)
		handle_minor(s, page, r & 1 ? UF_CONTINUE_MODE_WP : 0);
	else
		handle_missing(s, page, r & 1 ? UF_COPY_MODE_WP : 0);
	pthread_mutex_unlock(&s->lock[page]);
}

static ssize_t stress_messages(struct stress *s, struct uf_msg *msgs, size_t n)
{
	struct pollfd p = {.fd = uf_fd(s->uf), .events = POLLIN};
	ssize_t got;

	if (poll(&p, 1, 20) <= 0)
		return 0;
	got = uf_read(s->uf, msgs, n);
	if (got == -EAGAIN)
		return 0;
	CHECK(got > 0);
	return got;
}

static void stress_handle(void *arg)
{
	struct stress *s = arg;
	uint64_t rng = stress_seed(s);
	struct uf_msg msgs[4];

	while (!atomic_load(&s->still)) {
		ssize_t n = stress_messages(s, msgs, 4);

		for (ssize_t i = 0; i < n; i++)
			handle_one(s, &msgs[i], stress_random(&rng));
	}
}

/* --- Those who take pages away. The page's lock is held, and it is not out. --- */

static void save_page(struct stress *s, size_t page, char *from)
{
	for (size_t i = 0; i < words(s); i++)
		atomic_store_explicit(&s->store[page * words(s) + i],
				      atomic_load_explicit(word_at(from, i), memory_order_relaxed),
				      memory_order_relaxed);
	s->out[page] = true;
}

static void evict_by_move(struct stress *s, size_t page)
{
	size_t size = s->t->page;
	char *stage = s->stage + page * size;
	int err = uf_move(s->uf, stage, s->mem + page * size, size, 0, NULL);

	if (err == -EBUSY || err == -EAGAIN)
		return;
	/* Contended, Linux 6.18 now and then moves the page, tries again and finds it there. */
	CHECK_RET(err, err == -EEXIST && !t_engine(s->t) ? -EEXIST : 0);
	save_page(s, page, stage);
	CHECK_RET(uf_madvise(stage, size, MADV_DONTNEED), 0);
}

/* While it is protected nobody writes to it; who waits to is woken, and finds it missing. */
static void evict_by_protection(struct stress *s, size_t page)
{
	size_t size = s->t->page;
	char *addr = s->mem + page * size;

	t_protect(s->uf, addr, size);
	save_page(s, page, s->twin ? s->twin + page * size : addr);
	CHECK_RET(uf_madvise(addr, size, s->twin ? MADV_REMOVE : MADV_DONTNEED), 0);
	CHECK_RET(uf_wake(s->uf, addr, size), 0);
}

static void stress_evict(void *arg)
{
	struct stress *s = arg;
	uint64_t rng = stress_seed(s);

	while (!atomic_load(&s->stop)) {
		uint64_t r = stress_random(&rng);
		size_t page = r / 8 % s->npages;

		pthread_mutex_lock(&s->lock[page]);
		if (!s->out[page]) {
			if (s->moves && (r & 1))
				evict_by_move(s, page);
			else if (s->modes & UF_REGISTER_MODE_WP)
				evict_by_protection(s, page);
		}
		pthread_mutex_unlock(&s->lock[page]);
	}
}

/* Protects what is there, or lets a mapping forget what its object keeps. */
static void stress_disturb(void *arg)
{
	struct stress *s = arg;
	uint64_t rng = stress_seed(s);

	while (!atomic_load(&s->stop)) {
		uint64_t r = stress_random(&rng);
		size_t page = r / 8 % s->npages;
		size_t n = 1 + r / 8192 % (s->npages - page);
		char *addr = s->mem + page * s->t->page;

		if (s->twin && (r & 1))
			CHECK_RET(uf_madvise(addr, s->t->page, MADV_DONTNEED), 0);
		else if (s->modes & UF_REGISTER_MODE_WP)
			t_protect(s->uf, addr, n * s->t->page);
		/* So that the others get somewhere. */
		t_sleep_ms(1);
	}
}

/* --- The tests --- */

static void stress_time(struct stress *s)
{
	const char *seconds = getenv("UF_STRESS_SECONDS");
	int n = seconds ? atoi(seconds) : 1;

	CHECK(n > 0);
	t_sleep_ms((unsigned)n * 1000);
	atomic_store(&s->stop, true);
}

/* All pages are out at first, their counters zero. */
static void stress_init(struct stress *s, struct t *t, uint64_t modes)
{
	*s = (struct stress){.t = t, .modes = modes};
	s->npages = t_huge(t) ? HUGE_PAGES : PAGES;
	s->store = aligned_alloc(t->page, s->npages * t->page);
	CHECK(s->store);
	for (size_t page = 0; page < s->npages; page++) {
		CHECK_EQ(pthread_mutex_init(&s->lock[page], NULL), 0);
		s->out[page] = true;
		for (size_t i = 0; i < words(s); i++)
			s->store[page * words(s) + i] = is_counter(i) ? 0 : pattern(page, i);
	}
}

static void stress_check(struct stress *s)
{
	for (size_t page = 0; page < s->npages; page++) {
		for (size_t i = 0; i < words(s); i++)
			read_one(s, page, i);
		for (unsigned i = 0; i < WRITERS; i++)
			CHECK_EQ(atomic_load(word_at(s->mem + page * s->t->page,
						     (size_t)i * COUNTER_WORDS)),
				 s->counter[i][page]);
	}
}

static void stress_run(struct stress *s)
{
	struct stress_writer writer[WRITERS];
	struct t_thread threads[WRITERS + 2];
	struct t_thread handlers[HANDLERS];

	for (int i = 0; i < HANDLERS; i++)
		t_thread_call(s->t, &handlers[i], stress_handle, s);
	for (unsigned i = 0; i < WRITERS; i++) {
		writer[i] = (struct stress_writer){.s = s, .self = i};
		t_thread_call(s->t, &threads[i], stress_write, &writer[i]);
	}
	t_thread_call(s->t, &threads[WRITERS], stress_evict, s);
	t_thread_call(s->t, &threads[WRITERS + 1], stress_disturb, s);
	stress_time(s);
	for (int i = 0; i < WRITERS + 2; i++)
		t_thread_join(s->t, &threads[i], 0);
	stress_check(s);
	atomic_store(&s->still, true);
	for (int i = 0; i < HANDLERS; i++)
		t_thread_join(s->t, &handlers[i], 0);
	free((void *)(uintptr_t)s->store);
}

static void stress_pages(struct t *t)
{
	static struct stress s;
	uint64_t modes = UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP;
	uint64_t have;

	t_needs_linux(); /* an emulator tells what is mapped while it changes */
	if (t_shared(t))
		modes |= UF_REGISTER_MODE_MINOR;
	stress_init(&s, t, modes);
	s.uf = t_open_mode(t, modes, 0);
	CHECK_RET(uf_features(t->target->backend, &have, NULL), 0);
	s.moves = t->target->mem == T_ANON && (have & UF_FEATURE_MOVE);
	s.mem = t_map(t, s.npages);
	if (t_shared(t))
		s.twin = t_twin(t, s.mem, s.npages);
	t_register_mode(s.uf, s.mem, s.npages * t->page, modes);
	if (s.moves) {
		s.stage = t_map(t, s.npages);
		t_register_mode(s.uf, s.stage, s.npages * t->page, modes);
	}
	stress_run(&s);
}

/* --- Registered and not: what is read then is the content, or zeros in between --- */

static void stress_look(void *arg)
{
	struct stress *s = arg;
	uint64_t rng = stress_seed(s);

	while (!atomic_load(&s->stop)) {
		uint64_t r = stress_random(&rng);
		size_t page = r % s->npages;
		size_t word = r / 8192 % words(s);
		uint64_t before = atomic_load(&s->generation);
		uint64_t got = atomic_load_explicit(word_at(s->mem + page * s->t->page, word),
						    memory_order_relaxed);

		if (got || (before % 2 == 0 && atomic_load(&s->generation) == before))
			CHECK_EQ(got, pattern(page, word));
	}
}

static void stress_fill(void *arg)
{
	struct stress *s = arg;
	size_t size = s->t->page;
	struct uf_msg msgs[4];

	while (!atomic_load(&s->still)) {
		ssize_t n = stress_messages(s, msgs, 4);

		for (ssize_t i = 0; i < n; i++) {
			char *addr = (char *)(uintptr_t)msgs[i].arg.pagefault.address;
			char *from = (char *)(uintptr_t)s->store + (addr - s->mem);
			int err = uf_copy(s->uf, addr, from, size, 0, NULL);

			/* Filled by another; or not registered now, and woken by that. */
			if (err == -EEXIST)
				err = uf_wake(s->uf, addr, size);
			CHECK_RET(err, err == -ENOENT ? -ENOENT : 0);
		}
	}
}

/* In an odd generation pages may be zeros; before the next one these are gone. */
static void stress_toggle(void *arg)
{
	struct stress *s = arg;
	uint64_t rng = stress_seed(s);
	size_t size = s->t->page;

	while (!atomic_load(&s->stop)) {
		uint64_t r = stress_random(&rng);
		size_t page = r % s->npages;
		size_t n = 1 + r / 8192 % (s->npages - page);

		atomic_fetch_add(&s->generation, 1);
		CHECK_RET(uf_unregister(s->uf, s->mem + page * size, n * size), 0);
		t_register(s->uf, s->mem, s->npages * size);
		CHECK_RET(uf_madvise(s->mem, s->npages * size,
				     t_shared(s->t) ? MADV_REMOVE : MADV_DONTNEED),
			  0);
		atomic_fetch_add(&s->generation, 1);
		t_sleep_ms(1);
	}
}

static void stress_registration(struct t *t)
{
	static struct stress s;
	struct t_thread threads[WRITERS + 1];
	struct t_thread handlers[HANDLERS];

	/* There the pages are the object's from then on, and no message is raised. */
	if (t->target->mem == T_PRIVATE_FILE)
		t_skip("reading what is not registered gives the object pages of zeros");
	t_needs_linux(); /* an emulator tells what is mapped while it changes */
	stress_init(&s, t, UF_REGISTER_MODE_MISSING);
	for (size_t page = 0; page < s.npages; page++)
		for (size_t i = 0; i < words(&s); i++)
			s.store[page * words(&s) + i] = pattern(page, i);
	s.uf = t_open(t, 0, 0);
	s.mem = t_registered(t, s.uf, s.npages);
	for (int i = 0; i < HANDLERS; i++)
		t_thread_call(t, &handlers[i], stress_fill, &s);
	for (unsigned i = 0; i < WRITERS; i++)
		t_thread_call(t, &threads[i], stress_look, &s);
	t_thread_call(t, &threads[WRITERS], stress_toggle, &s);
	stress_time(&s);
	for (int i = 0; i < WRITERS + 1; i++)
		t_thread_join(t, &threads[i], 0);
	atomic_store(&s.still, true);
	for (int i = 0; i < HANDLERS; i++)
		t_thread_join(t, &handlers[i], 0);
	free((void *)(uintptr_t)s.store);
}

static const struct t_case stress_cases[] = {
	CASE("fault", stress_pages, T_ALL),
	CASE("register", stress_registration, T_ALL),
	{0},
};

static const struct t_suite suites[] = {
	{"stress", stress_cases},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, suites);
}
