/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a test on the simulated machine is made of. A test is a row in a table:
 * the clauses it proves, its name, on which memory. It runs as a thread of the
 * machine, once for each of a number of seeds, and everything it calls may be
 * interleaved with the other threads it starts as the seed says.
 *
 * A check that fails prints where and what and ends the process; the runner
 * tells the seed and the command line.
 */
#ifndef UF_TESTS_SIM_CASE_H
#define UF_TESTS_SIM_CASE_H

#include <stdio.h>

#include "mmu/sim/sim.h"

#define RW (UF_PROT_READ | UF_PROT_WRITE)

#define MISSING UF_REGISTER_MODE_MISSING
#define WP UF_REGISTER_MODE_WP
#define MINOR UF_REGISTER_MODE_MINOR
#define RWP UF_REGISTER_MODE_RWP

/* Flags of messages. */
#define F_WRITE UF_PAGEFAULT_FLAG_WRITE
#define F_WP (UF_PAGEFAULT_FLAG_WP | UF_PAGEFAULT_FLAG_WRITE)
#define F_MINOR UF_PAGEFAULT_FLAG_MINOR
#define F_RWP UF_PAGEFAULT_FLAG_RWP

/* Memory on which a row makes sense. */
enum t_where {
	T_ALL,
	T_ONCE,	   /* the memory does not matter */
	T_PRIVATE, /* private anonymous memory only */
	T_OBJECT,  /* shared memory only */
};

struct t;

struct t_case {
	const char *clauses;
	const char *name;
	void (*run)(struct t *t);
	enum t_where where;
	uint32_t runs;
};

/* Its outcome is the same whatever the schedule; some schedules are tried. */
#define CASE(clauses, fn, where)                                                                   \
	{                                                                                          \
		clauses, #fn, fn, where, 10                                                        \
	}
/* The schedule is the point. */
#define CASE_RACE(clauses, fn, where) CASE_RACE_OF(clauses, fn, where, 1000)
#define CASE_RACE_OF(clauses, fn, where, runs)                                                     \
	{                                                                                          \
		clauses, #fn, fn, where, runs                                                      \
	}

struct t_suite {
	const char *name;
	const struct t_case *cases;
};

#define T_CONTEXTS 8
#define T_SOURCE_PAGES 8

/* One run of one test. */
struct t {
	const struct t_case *c;
	struct sim *sim;
	enum sim_kind kind;
	uint64_t arena; /* of each thread: a page for arguments, then pages to copy from */
	struct ufi_ctx *ctx[T_CONTEXTS];
	bool killed; /* a thread was: what it held is lost */
	void *data;  /* the test's own */
};

/* --- Checks --- */

_Noreturn void t_fail(const char *file, int line, const char *fmt, ...) UF_PRINTF(3, 4);
void t_equal(const char *file, int line, const char *what, long long got, long long want);

#define CHECK(cond) ((cond) ? (void)0 : t_fail(__FILE__, __LINE__, "%s", #cond))
#define CHECK_EQ(got, want) t_equal(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))

/* --- Contexts. Those that are left at the end are closed. --- */

struct ufi_ctx *t_open_bare(struct t *t, bool user_mode_only);
struct ufi_ctx *t_open(struct t *t, uint64_t features);
void t_close(struct t *t, struct ufi_ctx *ctx);
uint64_t t_bell(const struct ufi_ctx *ctx);

/* The calling thread's page for arguments, and its pages to copy from. */
uint64_t t_arg(struct t *t);
uint64_t t_src(struct t *t);

/* ARG is put there, and what the call made of it fetched. */
int t_ioctl(struct t *t, struct ufi_ctx *ctx, uint32_t request, void *arg, size_t size);
int t_handshake(struct t *t, struct ufi_ctx *ctx, uint64_t features);
int t_register(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages);
int t_register_in(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages, uint64_t mode);
int t_unregister(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages);
int t_wake(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages);
/* WRITEPROTECT: begin and end the protection. */
int t_protect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages);
int t_unprotect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages);
/* RWPROTECT: no access, and access again. */
int t_rwprotect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages);
int t_rwunprotect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages);
int t_set_mode(struct t *t, struct ufi_ctx *ctx, uint64_t enable, uint64_t disable);

/* The field before a call: kept if the call does not touch it. */
#define T_KEPT 0x77

struct t_filled {
	int ret;
	int64_t field;
};

struct t_filled t_copy_from(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t src,
			    uint64_t len, uint64_t mode);
/* Pages full of a byte; at most T_SOURCE_PAGES. */
struct t_filled t_copy(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t npages,
		       uint8_t byte, uint64_t mode);
struct t_filled t_zero(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t npages,
		       uint64_t mode);
struct t_filled t_continue(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t npages,
			   uint64_t mode);
struct t_filled t_poison(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t npages,
			 uint64_t mode);
struct t_filled t_move(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t src,
		       uint64_t npages, uint64_t mode);
#define CHECK_FILL(call, want_ret, want_field)                                                     \
	do {                                                                                       \
		struct t_filled filled = (call);                                                   \
		t_equal(__FILE__, __LINE__, #call, filled.ret, want_ret);                          \
		t_equal(__FILE__, __LINE__, "the field", filled.field, want_field);                \
	} while (0)

/* --- Memory --- */

/* Of the row's kind, readable and writable, missing. */
uint64_t t_map(struct t *t, uint64_t npages);
uint64_t t_registered(struct t *t, struct ufi_ctx *ctx, uint64_t npages);
uint64_t t_registered_in(struct t *t, struct ufi_ctx *ctx, uint64_t npages, uint64_t mode);
/* The same object, mapped and missing once more. */
uint64_t t_twin(struct t *t, uint64_t addr, uint64_t npages);

/*
 * The modes that the row's memory can have, those that contain WITH. Between
 * two rounds threads that are gone are forgotten, and contexts are closed.
 */
#define FOR_EACH_MODE(t, mode, with)                                                               \
	for (uint64_t mode = t_next_mode(t, with, 0); mode; mode = t_next_mode(t, with, mode))
uint64_t t_next_mode(struct t *t, uint64_t with, uint64_t mode);

/* Does the page hold nothing but this byte? No access: what is missing is zero. */
bool t_page_is(struct t *t, uint64_t addr, uint8_t byte);

/* --- Accesses --- */

/* By the calling thread. */
enum sim_outcome t_read(struct t *t, uint64_t addr, uint8_t *value);
enum sim_outcome t_write(struct t *t, uint64_t addr, uint8_t value);
/* Reads here and there in the page, its end first; all must be the same. Returns it. */
uint8_t t_read_page(struct t *t, uint64_t addr);
/* It raises the message of a protected page, and succeeds once the protection is ended. */
void t_write_protected(struct t *t, struct ufi_ctx *ctx, uint64_t addr);
/* Reading there raises the message of an inaccessible page, and succeeds once it is accessible. */
void t_inaccessible(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint8_t value);

/* By a thread of its own. */
struct t_access {
	struct t *t;
	uint64_t addr;
	uint32_t access;
	uint8_t value;
	enum sim_outcome outcome;
	struct sim_thread *thread;
};

void t_access(struct t *t, struct t_access *a, uint64_t addr, uint32_t access);
/* All others have come to rest: this one waits. */
void t_waits(struct t *t, struct t_access *a);
/* It has ended so, and if it read, read this. */
void t_ends(struct t *t, struct t_access *a, enum sim_outcome outcome, int value);

/* A thread that calls FN(t); the test's data is in t->data. */
struct sim_thread *t_thread(struct t *t, const char *name, void (*fn)(struct t *t));
void t_join(struct t *t, struct sim_thread **th, int n);

/* --- Threads that are killed --- */

/* Steps of a call of the engine, more or less. */
#define T_CALL_STEPS 80

/* A thread that is killed at one of so many steps; who is through by then lives. */
struct sim_thread *t_victim(struct t *t, void (*fn)(struct t *t), uint64_t steps);
/* Locks everybody out, so that whoever was killed with the registry is found dead. */
void t_notice(struct t *t, struct ufi_ctx *ctx);
/* Nobody is at the page, and what the machine lets through is what its state says. */
void t_check_trap(struct t *t, uint64_t addr);

/* --- Messages --- */

/* read of LEN bytes into the thread's page for arguments, from byte OFF on. */
int64_t t_read_messages(struct t *t, struct ufi_ctx *ctx, uint64_t len, bool nonblock);
/* One message; false: there is none. It must be there without waiting, or the caller waits. */
bool t_message(struct t *t, struct ufi_ctx *ctx, bool nonblock, struct uf_msg *msg);
void t_no_message(struct t *t, struct ufi_ctx *ctx);
/* The next message must be there and be this fault. */
void t_fault_at(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t flags);
/* Waiting threads, and messages among them that nobody has read. */
uint32_t t_waiters(const struct ufi_ctx *ctx);

/* The suites. */
extern const struct t_case handshake_cases[];
extern const struct t_case register_cases[];
extern const struct t_case fill_cases[];
extern const struct t_case copy_cases[];
extern const struct t_case fault_cases[];
extern const struct t_case read_cases[];
extern const struct t_case event_cases[];
extern const struct t_case vm_cases[];
extern const struct t_case register_mode_cases[];
extern const struct t_case writeprotect_cases[];
extern const struct t_case protected_cases[];
extern const struct t_case continue_cases[];
extern const struct t_case poison_cases[];
extern const struct t_case race_cases[];
extern const struct t_case change_cases[];
extern const struct t_case object_cases[];
extern const struct t_case mark_race_cases[];
extern const struct t_case mark_change_cases[];
extern const struct t_case kill_cases[];
extern const struct t_case mark_kill_cases[];
extern const struct t_case inject_cases[];
extern const struct t_case rwprotect_cases[];
extern const struct t_case setmode_cases[];
extern const struct t_case rwp_race_cases[];
extern const struct t_case rwp_kill_cases[];
extern const struct t_case move_cases[];
extern const struct t_case move_race_cases[];
extern const struct t_case scan_cases[];

/* For the runner: one run, in the calling process. */
void t_run(const struct t_case *c, enum sim_kind kind, uint64_t seed);

#endif
