/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two benchmarks share: the setting, a process for each measurement,
 * a userfaultfd of either backend, faults and who resolves them, results of
 * rounds and what is told of them.
 *
 * Figures are compared only within one round, in which everything that is
 * compared ran once, in turn. What cannot be measured is absent and said to be;
 * nothing is assumed.
 */
#ifndef UF_BENCH_COMMON_H
#define UF_BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>
#include <userfault.h>

/* --- setting.c: what was asked for on the command line, and what the machine offers --- */

struct bench_setting {
	size_t npages; /* of one measurement */
	int rounds;
	const char *output; /* NULL: none */
	int cpu[2];	    /* cpu[1] is -1 if there is only one */
	size_t page_size;
};

/* A program's command line: --output, --quick, --rounds, and an amount of its own. */
struct bench_usage {
	const char *text;
	const char *amount; /* the option for it */
	size_t unit;	    /* its bytes; 0: a page */
	long normal;
	long quick;
};

/* Exits where the command line is wrong, or asks for help. Returns 0 or -errno. */
int bench_setting_parse(struct bench_setting *s, const struct bench_usage *usage, int argc,
			char **argv);

/* --- child.c: a process for each measurement --- */

/* The figures that one measurement can have. */
#define BENCH_FIGURES 2

/*
 * Run MEASURE(ARG, FIGURES) in a process of its own. Returns what it does, 0 or
 * -errno: the machine refuses this. A page with the wrong content, or a process
 * that dies, is -EPROTO.
 */
typedef int bench_measure_fn(void *arg, double *figures);
int bench_child(bench_measure_fn *measure, void *arg, double figures[BENCH_FIGURES]);

/* Confine this thread to FIRST, and SECOND unless that is -1. 0 or -errno. */
int bench_place(int first, int second);
double bench_now_ns(void);

/* --- pager.c: a userfaultfd, the kernel's by hand or the engine's by the library --- */

struct bench_choice {
	enum uf_backend backend;
	enum uf_trap_choice trap;
	enum uf_fill_choice fill;
};

struct bench_pager {
	const struct bench_choice *choice;
	struct uf *uf; /* of the engine */
	int fd;	       /* of the kernel */
};

/*
 * With the handshake. Returns 0 or -errno; -ENOPROTOOPT: the userfaultfd is
 * there, and does not have these FEATURES.
 */
int bench_pager_open(struct bench_pager *p, const struct bench_choice *choice, uint64_t features);
int bench_pager_register(struct bench_pager *p, char *addr, size_t len, uint64_t mode);
/* What holds for the next three: 0 or -errno, AS-Safe. */
int bench_pager_ioctl(struct bench_pager *p, unsigned long request, void *arg);
int bench_pager_copy(struct bench_pager *p, void *dst, const void *src, size_t len);
int bench_pager_protect(struct bench_pager *p, void *addr, size_t len, bool protect);
/* Blocks. The address of a fault, or -errno in *ERR. */
uintptr_t bench_pager_read(struct bench_pager *p, int *err);
void bench_pager_close(struct bench_pager *p);
/* The descriptor, which is of use to another process from now on; or -errno. */
int bench_pager_share(struct bench_pager *p);
/* P has its choice, and takes the descriptor. 0 or -errno. */
int bench_pager_adopt(struct bench_pager *p, int fd);

/* --- manager.c: a process that has nothing but the descriptor --- */

struct bench_manager {
	pid_t pid;
	int sock;
};

/* In the other process: 0, and *FIGURE goes to join; else it dies. */
typedef int bench_manager_fn(struct bench_pager *p, void *arg, double *figure);
/*
 * Before there is a pager: the process waits for its descriptor. Then SERVE runs
 * there, with ARG as it is now. Inverse: join. All return 0 or -errno.
 */
int bench_manager_start(struct bench_manager *m, const struct bench_choice *choice,
			bench_manager_fn *serve, void *arg);
int bench_manager_hand_over(struct bench_manager *m, struct bench_pager *p);
int bench_manager_join(struct bench_manager *m, double *figure);

/* --- faults.c: accesses that fault, one a page, and who resolves them --- */

enum bench_kind {
	BENCH_PLAIN,   /* nobody: the machine does */
	BENCH_MONITOR, /* a thread blocked in read() */
	BENCH_REMOTE,  /* a thread of another process, the same */
	BENCH_INLINE,  /* UF_FEATURE_SIGBUS, in the signal handler */
};

enum bench_placement {
	BENCH_ONE_THREAD, /* there is only one thread */
	BENCH_ONE_CPU,	  /* both threads on one CPU, and the process confined to it */
	BENCH_TWO_CPUS,
	BENCH_PLACEMENTS,
};
extern const char *const bench_placements[BENCH_PLACEMENTS];

/* Does this kind run with threads placed so? */
static inline bool bench_fits(enum bench_kind kind, enum bench_placement p)
{
	return (kind == BENCH_MONITOR || kind == BENCH_REMOTE) == (p != BENCH_ONE_THREAD);
}

struct bench_faults {
	const struct bench_setting *setting;
	enum bench_kind kind;
	enum bench_placement placement;
	bool random;
	bool write;
	struct bench_pager *pager;
	/* Let the access to PAGE go on. 0 or -errno, AS-Safe. */
	int (*resolve)(struct bench_faults *f, void *page);
	const void *content; /* RESOLVE's own */

	/* npages of the setting, and BENCH_FAULTS_MORE. */
	char *memory;
	uint32_t *order;
	size_t resolved; /* faults; counted by one thread, to be read when it has ended */
};

/*
 * The first page touched is not measured, because it pays for the start of the
 * other thread; the last one tells that thread to end.
 */
#define BENCH_FAULTS_MORE 2

/* The offset of the byte that is touched: not the first of the page, which is looked at later. */
#define BENCH_FAULTS_BYTE 64
/* What a write leaves there. */
#define BENCH_FAULTS_WRITTEN 1

/*
 * Place the process, and catch SIGBUS. Before the engine starts, which looks at
 * the machine it will run on and passes on to the handler it finds. 0 or -errno.
 */
int bench_faults_prepare(struct bench_faults *f);
/* Resolve faults until the last page: what the thread of another process does. 0 or -errno. */
int bench_faults_serve(struct bench_faults *f);
/* Touch the pages: *NS gets nanoseconds a page. 0 or -errno. */
int bench_faults_run(struct bench_faults *f, double *ns);

/* --- results.c: of rounds --- */

/* Of each round; NaN: not measured. In the first one -errno: refused. */
struct bench_result {
	double *rounds;
};

struct bench_stats {
	double min;
	double median;
	double max;
};

/* N of them, with nothing measured; NULL: no memory. Returned to the caller. */
struct bench_result *bench_results_new(const struct bench_setting *s, size_t n);
void bench_results_free(struct bench_result *results, size_t n);

/*
 * Of RESULT, or of its ratios to BASE if that is not NULL, round by round.
 * False if any round could not be measured.
 */
bool bench_stats(const struct bench_setting *s, const struct bench_result *result,
		 const struct bench_result *base, struct bench_stats *stats);

/* --- json.c: for programs --- */

/* A row; TARGET NULL: nothing is promised of it, else MET says whether it is kept. */
json_t *bench_json_row(const char *name, const char *unit, const struct bench_stats *st,
		       const double *target, bool met);
/* ROOT with the machine put into it to the setting's output. Takes ROOT. 0 or -errno. */
int bench_json_write(const struct bench_setting *s, json_t *root);

#endif
