/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/move.md: those who are at the pages meanwhile, and movers that do not come to the end. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "move.h"
#include "suites.h"

/* --- Other threads at the source --- */

#define MOVE_ADDS 30000
#define MOVE_RACE_TIMES 64

static struct {
	char *addr;
	size_t page;
	size_t npages;
	_Atomic bool stop;
	_Atomic int bad;
} move_race;

static void move_adder(void *arg)
{
	for (int i = 0; i < MOVE_ADDS; i++)
		atomic_fetch_add((_Atomic uint64_t *)move_race.addr, 1);
}

/* Registered: an access finds the page, or waits until it is back. Nothing is added elsewhere. */
static void move_race_registered(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 1);
	struct t_thread th[2];
	struct uf_msg msgs[8];

	move_race.addr = t_registered(t, uf, 1);
	t_fill(t, uf, move_race.addr, 0, 0);
	for (int i = 0; i < 2; i++)
		t_thread_call(t, &th[i], move_adder, NULL);
	while (!atomic_load(&th[0].done) || !atomic_load(&th[1].done)) {
		CHECK_RET(uf_move(uf, dst, move_race.addr, page, 0, NULL), 0);
		while (uf_read(uf, msgs, 8) > 0)
			;
		CHECK_RET(uf_move(uf, move_race.addr, dst, page, 0, NULL), 0);
	}
	for (int i = 0; i < 2; i++)
		t_thread_join(t, &th[i], 0);
	CHECK_EQ(*(uint64_t *)move_race.addr, 2 * MOVE_ADDS);
}

/* By turns to each page, wherever that one is by then. */
static void move_plain_adder(void *arg)
{
	for (int i = 0; i < MOVE_ADDS; i++) {
		char *at = move_race.addr + (size_t)i % move_race.npages * move_race.page;

		atomic_fetch_add((_Atomic uint64_t *)at, 1);
	}
}

static uint64_t move_sum(const char *addr)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < move_race.npages; i++)
		sum += *(const uint64_t *)(addr + i * move_race.page);
	return sum;
}

/* Not registered: an access afterwards finds a new page. Nothing is added to one that has gone. */
static void move_plain_of(struct t *t, size_t npages)
{
	struct uf *uf = move_open(t, 0);
	size_t len = npages * t->page;
	char *dst = t_registered(t, uf, MOVE_RACE_TIMES * npages);
	uint64_t seen[MOVE_RACE_TIMES];
	uint64_t sum = 0;
	struct t_thread th;
	size_t n = 0;

	move_race.page = t->page;
	move_race.npages = npages;
	move_race.addr = t_map(t, npages);
	t_thread_call(t, &th, move_plain_adder, NULL);
	while (n < MOVE_RACE_TIMES && !atomic_load(&th.done)) {
		char *to = dst + n * len;

		/* Each page is there, and what is added to it is elsewhere. */
		for (size_t i = 0; i < npages; i++)
			((volatile char *)move_race.addr)[i * t->page + 100] = 1;
		CHECK_RET(uf_move(uf, to, move_race.addr, len, 0, NULL), 0);
		seen[n++] = move_sum(to);
	}
	t_thread_join(t, &th, 0);
	for (size_t i = 0; i < n; i++) {
		CHECK_EQ(move_sum(dst + i * len), seen[i]);
		sum += seen[i];
	}
	CHECK_EQ(sum + move_sum(move_race.addr), MOVE_ADDS);
	t_message_none(uf);
}

static void move_race_plain(struct t *t)
{
	move_plain_of(t, 1);
}

static void move_race_plain_many(struct t *t)
{
	move_plain_of(t, 16);
}

/* --- Ordinary memory is never out of reach --- */

static int move_file;

/* System calls read it and write it, and a thread that could not handle a signal. */
static void move_user(void *arg)
{
	sigset_t all;
	size_t len = move_race.npages * move_race.page;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!atomic_load(&move_race.stop)) {
		if (pread(move_file, move_race.addr, len, 0) != (ssize_t)len ||
		    pwrite(move_file, move_race.addr, len, 0) != (ssize_t)len)
			atomic_fetch_add(&move_race.bad, 1);
		for (size_t i = 0; i < len; i += 512)
			((volatile char *)move_race.addr)[i] = 1;
	}
}

static void move_race_system_calls(struct t *t)
{
	static const size_t counts[] = {1, 16};
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	char *dst = t_registered(t, uf, 16);
	struct t_thread th;

	move_race.page = page;
	t_needs_linux();
	move_race.npages = 16;
	move_race.addr = t_map(t, 16);
	move_file = memfd_create("move", MFD_CLOEXEC);
	CHECK_EQ(ftruncate(move_file, (off_t)(16 * page)), 0);
	t_thread_call(t, &th, move_user, NULL);
	for (int i = 0; i < 400; i++) {
		size_t n = counts[i % 2];

		CHECK_RET(uf_move(uf, dst, move_race.addr, n * page, UF_MOVE_MODE_ALLOW_SRC_HOLES,
				  NULL),
			  0);
		CHECK_RET(uf_madvise(dst, n * page, MADV_DONTNEED), 0);
	}
	atomic_store(&move_race.stop, true);
	t_thread_join(t, &th, 0);
	CHECK_EQ(atomic_load(&move_race.bad), 0);
	close(move_file);
}

/* --- Several pages --- */

static void move_reader(void *arg)
{
	while (!atomic_load(&move_race.stop))
		for (size_t i = 0; i < move_race.npages; i++)
			for (size_t at = 0; at < move_race.page; at += 64)
				if (((volatile char *)move_race.addr)[i * move_race.page + at] !=
				    (char)(i + 1))
					atomic_fetch_add(&move_race.bad, 1);
}

/* A reader of several pages sees each as it was or waits, never something between. */
static void move_race_reader(struct t *t)
{
	struct uf *uf = move_open(t, 0);
	size_t page = t->page;
	size_t len = 8 * page;
	char *dst = t_registered(t, uf, 8);
	struct t_thread th;
	struct uf_msg msgs[8];

	move_race.page = page;
	move_race.npages = 8;
	move_race.addr = t_registered(t, uf, 8);
	for (size_t i = 0; i < 8; i++)
		t_fill(t, uf, move_race.addr + i * page, (int)i + 1, 0);
	t_thread_call(t, &th, move_reader, NULL);
	for (int i = 0; i < 400; i++) {
		CHECK_RET(uf_move(uf, dst, move_race.addr, len, 0, NULL), 0);
		while (uf_read(uf, msgs, 8) > 0)
			;
		CHECK_RET(uf_move(uf, move_race.addr, dst, len, 0, NULL), 0);
	}
	atomic_store(&move_race.stop, true);
	t_thread_join(t, &th, 0);
	CHECK_EQ(atomic_load(&move_race.bad), 0);
}

/* --- A mover that is killed --- */

#define MOVE_KILLS 12

struct move_victim {
	struct uf *uf;
	char *a;
	char *b;
	size_t len;
	_Atomic unsigned rounds;
};

/* There and back, until it dies. */
static int move_victim_main(void *arg)
{
	struct move_victim *v = arg;

	for (;; v->rounds++) {
		if (uf_move(v->uf, v->b, v->a, v->len, 0, NULL) ||
		    uf_move(v->uf, v->a, v->b, v->len, 0, NULL))
			return 1;
	}
}

/* Each page is at one of the places, which has not been noted by anybody but the page tables. */
static void move_find_pages(struct t *t, const struct move_victim *v)
{
	for (size_t i = 0; i < v->len; i += t->page) {
		int err = uf_move(v->uf, v->b + i, v->a + i, t->page, 0, NULL);

		CHECK(err == 0 || err == -EEXIST);
		CHECK(t_is_filled(v->b + i, t->page, (int)(i / t->page) + 1));
	}
	t_message_none(v->uf);
	CHECK_RET(uf_move(v->uf, v->a, v->b, v->len, 0, NULL), 0);
}

/* A process that shares the memory, and is killed at any point. */
static void move_killed_of(struct t *t, uint64_t mode, size_t npages)
{
	struct uf *uf = move_open(t, 0);
	struct move_victim v = {uf, move_source(t, npages), t_map(t, npages), npages * t->page, 0};
	char *stack = t_buffer(t, 16);

	CHECK_RET(uf_register(uf, v.a, v.len, mode, NULL), 0);
	CHECK_RET(uf_register(uf, v.b, v.len, mode, NULL), 0);
	for (int i = 0; i < MOVE_KILLS; i++) {
		pid_t pid = clone(move_victim_main, stack + 16 * t->page,
				  CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, &v);

		CHECK(pid > 0);
		while (atomic_load(&v.rounds) < 2)
			sched_yield();
		for (int spin = 0; spin < 5000 + i * 3001; spin++)
			atomic_signal_fence(memory_order_seq_cst);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		CHECK_EQ(t_wait(pid), SIGKILL);
		move_find_pages(t, &v);
		v.rounds = 0;
	}
}

/* In a process of its own: what was killed leaves some of its memory behind (difference 20). */
static void move_killed_child(struct t *t, void *arg)
{
	uint64_t mode = *(uint64_t *)arg;

	move_killed_of(t, mode, 3);
	move_killed_of(t, mode, 40);
}

static void move_killed(struct t *t)
{
	uint64_t missing = UF_REGISTER_MODE_MISSING;
	uint64_t wp = UF_REGISTER_MODE_WP;

	t_needs_linux();
	if (T_SANITIZED)
		t_skip("a sanitizer does not know processes that share memory");
	t_needs_features(t, UF_FEATURE_MOVE | UF_FEATURE_PAGEFAULT_FLAG_WP);
	CHECK_EQ(t_wait(t_fork(t, move_killed_child, &missing)), 0);
	CHECK_EQ(t_wait(t_fork(t, move_killed_child, &wp)), 0);
}

/* --- A host that refuses --- */

#define MOVE_NO_FILTER 77

/* From now on that call is ENOMEM if its argument ARG is ADDR. */
static void move_refuse(long nr, size_t arg, const char *addr)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)(offsetof(struct seccomp_data, args) + arg * 8)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(uintptr_t)addr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(MOVE_NO_FILTER);
}

struct move_refusal {
	size_t npages;
	uint64_t src_mode; /* 0: not registered */
	uint64_t dst_mode;
	long nr;
	size_t arg;
};

/* Where every page is, whatever the answer; and then it can be gone on with. */
static void move_refused_child(struct t *t, void *arg)
{
	const struct move_refusal *f = arg;
	struct uf *uf = move_open(t, 0);
	size_t len = f->npages * t->page;
	char *dst = t_registered_mode(t, uf, f->npages, f->dst_mode);
	char *src = move_source(t, f->npages);
	char *here = dst;
	int err;

	if (f->src_mode)
		t_register_mode(uf, src, len, f->src_mode);
	move_refuse(f->nr, f->arg, dst);
	err = uf_move(uf, dst, src, len, 0, NULL);
	CHECK(err == 0 || (t_engine(t) && err == -ENOMEM));
	if (err)
		here = src;
	for (size_t i = 0; i < f->npages; i++)
		CHECK(t_is_filled(here + i * t->page, t->page, (int)i + 1));
	memset(here, 9, len);
	if (err)
		CHECK_RET(uf_zeropage(uf, dst + t->page, t->page, 0, NULL), 0);
	t_message_none(uf);
}

/* A step in the middle fails: opening the target, writing to it, moving page tables there. */
static void move_refused(struct t *t)
{
	static const struct move_refusal calls[] = {
		{.nr = SYS_mprotect, .arg = 0},
		{.nr = SYS_pwrite64, .arg = 3},
		{.nr = SYS_mremap, .arg = 4},
	};
	static const uint64_t modes[] = {UF_REGISTER_MODE_MISSING, UF_REGISTER_MODE_WP, 0};

	t_needs_linux();
	t_needs_features(t, UF_FEATURE_MOVE | UF_FEATURE_PAGEFAULT_FLAG_WP);
	for (size_t i = 0; i < 3 * 2 * 3 * 2; i++) {
		struct move_refusal f = calls[i % 3];
		int status;

		f.dst_mode = modes[i / 3 % 2];
		f.src_mode = modes[i / 6 % 3];
		f.npages = i / 18 ? 16 : 3;
		status = t_wait(t_fork(t, move_refused_child, &f));
		if (status == MOVE_NO_FILTER << 8)
			t_skip("system calls cannot be filtered here");
		CHECK_EQ(status, 0);
	}
}

const struct t_case move_race_cases[] = {
	CASE("move.25", move_race_registered, T_PRIVATE),
	CASE("move.25", move_race_plain, T_PRIVATE),
	CASE("move.25", move_race_plain_many, T_PRIVATE),
	CASE("move.25", move_race_system_calls, T_PRIVATE),
	CASE("move.25", move_race_reader, T_PRIVATE),
	CASE("move.14", move_killed, T_PRIVATE),
	CASE("move.14", move_refused, T_PRIVATE),
	{0},
};
