/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a conformance test is made of. A test is a row in a table: the clauses
 * it proves, its name, where it makes sense; it runs once on each target, in a
 * process of its own. It uses the public API and nothing else of the library.
 *
 * A check that fails prints where and what, and ends the process at once,
 * whichever thread it is in. Nothing here runs in a fork of a fault handler.
 */
#ifndef UF_TESTS_CONFORM_H
#define UF_TESTS_CONFORM_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <userfault.h>

/* Kinds of memory. */
enum t_mem {
	T_ANON,		   /* private anonymous */
	T_MEMFD,	   /* a memfd, mapped shared */
	T_SHARED,	   /* MAP_SHARED | MAP_ANONYMOUS */
	T_PRIVATE_FILE,	   /* a memfd, mapped private */
	T_HUGETLB,	   /* a memfd of huge pages, mapped shared */
	T_HUGETLB_PRIVATE, /* MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB */
};

/* Where a test is run. */
struct t_target {
	const char *name;
	enum uf_backend backend;
	enum t_mem mem;
	enum uf_trap_choice trap;
	enum uf_fill_choice fill;
	bool first; /* of its backend: enough for what does not depend on memory */
};

/* Targets on which a row makes sense: bits. */
enum t_where {
	T_ALL = 0,
	T_ONCE = 1,	      /* the memory does not matter */
	T_PRIVATE = 2,	      /* private anonymous memory only */
	T_OBJECT = 4,	      /* memory that is mapped shared, of any kind */
	T_FILE = 8,	      /* with a descriptor only: the size of the object matters */
	T_KERNEL_ONLY = 16,   /* see spec/differences.md */
	T_OWN = 32,	      /* private memory: pages belong to the mapping */
	T_BACKED = 64,	      /* an object is behind it, mapped shared or private */
	T_SMALL = 256,	      /* not with huge pages */
	T_HUGE = 512,	      /* with huge pages only */
	T_COPIED = 128,	      /* private mappings of objects only */
	T_ENGINE_ONLY = 1024, /* how the engine does it, where the kernel has another way */
};

struct t;

struct t_case {
	const char *clauses;
	const char *name;
	void (*run)(struct t *t);
	unsigned where;
};

/* The clauses, the function, whose name is the test's, and where. */
#define CASE(clauses, fn, where)                                                                   \
	{                                                                                          \
		clauses, #fn, fn, where                                                            \
	}

/* An operation: the file of spec/ of the same name. Ends with a row of NULL. */
struct t_suite {
	const char *name;
	const struct t_case *cases;
};

#define T_MAPS 32
#define T_HANDLES 8

/* One run of one test. */
struct t {
	const struct t_target *target;
	size_t page;
	/* Given back at the end, whatever the test has left of them. */
	struct uf *handles[T_HANDLES];
	struct {
		char *addr;
		size_t len;
		int fd;
	} maps[T_MAPS];
	int nhandles;
	int nmaps;
	bool keeps; /* descriptors and mappings for good, as it should */
};

#if defined(__has_feature)
#define T_HAS_FEATURE(x) __has_feature(x)
#else
#define T_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || T_HAS_FEATURE(thread_sanitizer)
#define T_THREAD_SANITIZER 1
#else
#define T_THREAD_SANITIZER 0
#endif
#if T_THREAD_SANITIZER || defined(__SANITIZE_ADDRESS__) || T_HAS_FEATURE(address_sanitizer)
#define T_SANITIZED 1
#else
#define T_SANITIZED 0
#endif

/* --- Checks --- */

_Noreturn void t_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The whole test makes no sense here, for this reason. */
_Noreturn void t_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The test sends a signal to a thread that waits for a page. */
static inline void t_needs_signals(void)
{
	if (T_THREAD_SANITIZER)
		t_skip("ThreadSanitizer puts off handlers until the thread makes a call");
}

/*
 * The test needs what an emulator of another processor does not carry out: calls
 * on memory, such as advice that it accepts and ignores, errors of messages whose
 * buffers are bad, or threads of a process that a thread has forked.
 */
void t_needs_linux(void);

/*
 * The test starts threads in the fork of a process that has some: no emulator of
 * another processor lets it.
 */
static inline void t_needs_threads_after_fork(void)
{
	t_needs_linux();
	if (T_SANITIZED && !T_THREAD_SANITIZER)
		t_skip("AddressSanitizer's allocator may be locked for good in such a child");
}

void t_equal(const char *file, int line, const char *what, long long got, long long want);
/* Zero or a negative errno, printed as such. */
void t_result(const char *file, int line, const char *what, long long got, long long want);

#define CHECK(cond) ((cond) ? (void)0 : t_fail(__FILE__, __LINE__, "%s", #cond))
#define CHECK_EQ(got, want) t_equal(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define CHECK_RET(got, want) t_result(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))

/* Do pages of such memory go into an object, for all its mappings to see? */
static inline bool t_mem_shared(enum t_mem mem)
{
	return mem == T_MEMFD || mem == T_SHARED || mem == T_HUGETLB;
}

static inline bool t_mem_huge(enum t_mem mem)
{
	return mem == T_HUGETLB || mem == T_HUGETLB_PRIVATE;
}

static inline bool t_mem_file(enum t_mem mem)
{
	return mem == T_MEMFD || mem == T_PRIVATE_FILE || mem == T_HUGETLB;
}

static inline bool t_shared(const struct t *t)
{
	return t_mem_shared(t->target->mem);
}

/* Is there an object behind it, whose pages can be mapped? */
static inline bool t_backed(const struct t *t)
{
	return t->target->mem != T_ANON && t->target->mem != T_HUGETLB_PRIVATE;
}

/* Pages are huge, few, and cannot be had by ZEROPAGE. */
static inline bool t_huge(const struct t *t)
{
	return t_mem_huge(t->target->mem);
}

static inline bool t_engine(const struct t *t)
{
	return t->target->backend == UF_BACKEND_ENGINE;
}

/* A strategy is forced, which serves one kind of memory only. */
static inline bool t_forced(const struct t *t)
{
	return t->target->trap != UF_TRAP_CHOICE_AUTO;
}

/* --- Handles --- */

/* A handle of the target before the handshake, with O_NONBLOCK unless FLAGS has T_BLOCKING. */
#define T_BLOCKING 0x40000000
struct uf *t_open_bare(struct t *t, int flags);
/* After it. */
struct uf *t_open(struct t *t, int flags, uint64_t features);
/* Somebody else closes it. */
void t_give(struct t *t, struct uf *uf);
/* Close now. */
void t_close(struct t *t, struct uf *uf);
/* read of LEN bytes into ANY buffer: what uf_read cannot ask for. */
ssize_t t_read_raw(struct uf *uf, void *buf, size_t len);

/* --- Memory: of the target's kind, readable and writable, missing, page aligned --- */

char *t_map(struct t *t, size_t npages);
char *t_map_of(struct t *t, enum t_mem mem, size_t npages);
/*
 * Without huge pages set aside for it: when a part of a private mapping is moved
 * by mremap, Linux (6.18) never gives back what was set aside for the part.
 */
char *t_map_unreserved(struct t *t, size_t npages);
/* Of what has been mapped so, or adopted; what is not unmapped the end of the case does. */
void t_unmap(struct t *t, char *addr);
/* The descriptor of a map that has one. */
int t_map_fd(struct t *t, const char *addr);
/* Ordinary memory for arguments, at least a page on each side of which is not mapped. */
char *t_buffer(struct t *t, size_t npages);
/* A mapping the test made itself. FD, if not -1, is closed with it. */
void t_adopt(struct t *t, void *addr, size_t len, int fd);
/* Map, handshake, register MISSING. */
char *t_registered(struct t *t, struct uf *uf, size_t npages);
void t_register(struct uf *uf, void *addr, size_t len);
void t_register_mode(struct uf *uf, void *addr, size_t len, uint64_t mode);
char *t_registered_mode(struct t *t, struct uf *uf, size_t npages, uint64_t mode);
/* A second mapping, a shared one, of the object of a map. Before any of the first is registered. */
char *t_twin(struct t *t, char *addr, size_t npages);
/* Does every byte have this value? Touches. */
bool t_is_filled(const char *addr, size_t len, int byte);
/* Fill one page with a byte by COPY; it must succeed. */
void t_fill(struct t *t, struct uf *uf, char *addr, int byte, uint64_t mode);
/* Fill pages with zeros, by ZEROPAGE where the memory has it, else by COPY; it must succeed. */
void t_zero(struct t *t, struct uf *uf, char *addr, size_t len);

/* --- What has to be there: else the test is skipped, on the kernel, or fails, on the engine --- */

void t_needs_features(struct t *t, uint64_t features);
/* A handle, where the target's memory can have these modes. */
struct uf *t_open_mode(struct t *t, uint64_t modes, uint64_t features);
/* The rule is that of Linux before 7.0, which the engine follows: WHAT tells what has changed. */
void t_needs_old_rule(struct t *t, const char *what);

/* --- Protection, mapping and poison: must succeed --- */

void t_protect(struct uf *uf, char *addr, size_t len);
void t_unprotect(struct uf *uf, char *addr, size_t len);
void t_continue(struct uf *uf, char *addr, size_t len, uint64_t mode);
void t_poison(struct uf *uf, char *addr, size_t len);
/* RWPROTECT: no access, and access again. */
void t_rwprotect(struct uf *uf, char *addr, size_t len);
void t_rwunprotect(struct uf *uf, char *addr, size_t len);
/* Reading there waits until the page is accessible, and finds this byte. */
void t_is_inaccessible(struct t *t, struct uf *uf, char *addr, int byte);
/* A write there waits for the protection. It ends, and the write is made. */
void t_is_protected(struct t *t, struct uf *uf, char *addr);
/* Neither reading nor writing there waits. */
void t_is_open(struct uf *uf, char *addr);
/* Reading there waits for the page of the object, which has this byte; it is mapped. */
void t_is_minor(struct t *t, struct uf *uf, char *addr, int byte);
/* Reading and writing there is SIGBUS as for a page that is lost, at once. */
void t_is_poisoned(struct t *t, char *addr);

/* --- Accesses --- */

enum t_access {
	T_READ,
	T_WRITE,  /* stores T_MARK */
	T_MODIFY, /* read-modify-write: adds 1 */
	T_EXEC,	  /* calls it */
};

#define T_MARK 0x5a

#define T_WP (UF_PAGEFAULT_FLAG_WRITE | UF_PAGEFAULT_FLAG_WP)
#define T_MINOR UF_PAGEFAULT_FLAG_MINOR
#define T_RWP UF_PAGEFAULT_FLAG_RWP

struct t_outcome {
	int sig;    /* 0: the access was made */
	int code;   /* si_code */
	int lsb;    /* si_addr_lsb, with BUS_MCEERR_AR */
	char *addr; /* si_addr */
	int value;  /* T_READ, T_MODIFY: the byte before */
};

/* Access and catch SIGSEGV and SIGBUS. */
struct t_outcome t_access(char *addr, enum t_access access);

/* A byte that another thread may be about to write. */
static inline int t_byte(const char *addr)
{
	return atomic_load_explicit((const _Atomic unsigned char *)addr, memory_order_relaxed);
}

/* A thread that makes one access, or calls a function. */
struct t_thread {
	pthread_t thread;
	char *stack;
	char *addr;
	enum t_access access;
	void (*fn)(void *);
	void *arg;
	_Atomic int tid;
	_Atomic bool done;
	struct t_outcome outcome;
};

void t_thread_access(struct t *t, struct t_thread *th, char *addr, enum t_access access);
/* The same, and it raises a message with these flags. */
void t_thread_faults(struct t *t, struct t_thread *th, struct uf *uf, char *addr,
		     enum t_access access, uint64_t flags);
void t_thread_call(struct t *t, struct t_thread *th, void (*fn)(void *), void *arg);
/* It sleeps: its access waits, or what it tells to be read. */
void t_thread_asleep(struct t_thread *th);
/* It is still at it, and was given time to finish. */
void t_thread_blocked(struct t_thread *th);
/* Its access was made, or ended in SIG. */
void t_thread_join(struct t *t, struct t_thread *th, int sig);

/* --- Messages. The handle does not block. --- */

/* The next message, waiting some seconds for it. */
struct uf_msg t_message(struct uf *uf);
/* There is one, unread; waits for it. */
void t_message_pending(struct uf *uf);
void t_message_none(struct uf *uf);
/* The next message, which must be a fault at ADDR with these flags. */
void t_fault_at(struct uf *uf, const void *addr, uint64_t flags);

/* --- Processes --- */

/* Fork, run FN in the child, and _exit(0) there. */
pid_t t_fork(struct t *t, void (*fn)(struct t *, void *), void *arg);
/* Its wait status, waiting some seconds. */
int t_wait(pid_t pid);
/* Give up root and every capability, in a child. */
void t_drop_privileges(void);

void t_sleep_ms(unsigned ms);

/* The whole program. Suites end with a name of NULL. */
int t_main(int argc, char **argv, const struct t_suite *suites);

/* For the runner: begin and end of a test in its process. */
void t_case_begin(struct t *t, const struct t_target *target);
void t_case_end(struct t *t);
/* Handlers of SIGSEGV and SIGBUS that t_access needs. */
void t_access_install(void);

#endif
