/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the table of what is measured: an operation is some rows and a function. */
#include "op.h"

#define ENGINE(trap_choice, fill_choice)                                                           \
	{                                                                                          \
		.backend = UF_BACKEND_ENGINE, .trap = UF_TRAP_CHOICE_##trap_choice,                \
		.fill = UF_FILL_CHOICE_##fill_choice                                               \
	}

const struct op_strategy op_strategies[OP_STRATEGIES] = {
	[OP_KERNEL] = {"kernel", {.backend = UF_BACKEND_KERNEL}},
	[OP_PROCMEM] = {"engine mprotect+procmem", ENGINE(MPROTECT, PROCMEM)},
	[OP_MREMAP] = {"engine mprotect+mremap", ENGINE(MPROTECT, MREMAP)},
	[OP_ALIAS] = {"engine mprotect+alias", ENGINE(MPROTECT, ALIAS)},
	[OP_GUARD] = {"engine guard+alias", ENGINE(GUARD, ALIAS)},
};

const struct op_unit_form op_units[OP_UNITS] = {
	[OP_NS_A_PAGE] = {"ns a page", true}, [OP_US] = {"us", true},
	[OP_BYTES] = {"bytes", false},	      [OP_BYTES_A_PAGE] = {"bytes a page", false},
	[OP_GIB_A_SECOND] = {"GiB/s", false},
};

/* The strategies that differ where pages are filled, and those where they are only protected. */
#define FILL_ANON (1 << OP_KERNEL | 1 << OP_PROCMEM | 1 << OP_MREMAP)
#define FILL_SHARED (1 << OP_KERNEL | 1 << OP_ALIAS | 1 << OP_GUARD)
#define PROTECT_ANON (1 << OP_KERNEL | 1 << OP_PROCMEM)
#define PROTECT_SHARED (1 << OP_KERNEL | 1 << OP_ALIAS)

#define TIME_A_PAGE .nfigures = 1, .figures = {{.unit = OP_NS_A_PAGE}}

#define FILL(text, function, ways, is_shared, about, bytes)                                        \
	{                                                                                          \
		.name = text, .run = function, .strategies = ways, .shared = is_shared,            \
		.feature = about, .size = bytes, TIME_A_PAGE                                       \
	}
#define FILLS(text, function, ways, is_shared, about)                                              \
	FILL(text " 4 KiB", function, ways, is_shared, about, 4 * OP_KIB),                         \
		FILL(text " 64 KiB", function, ways, is_shared, about, 64 * OP_KIB),               \
		FILL(text " 2 MiB", function, ways, is_shared, about, 2 * OP_MIB)

#define MOVE(text, bytes, promised)                                                                \
	{                                                                                          \
		.name = text, .run = op_run_move, .strategies = FILL_ANON,                         \
		.feature = UF_FEATURE_MOVE, .size = bytes, .nfigures = 2,                          \
		.figures = {{.unit = OP_NS_A_PAGE},                                                \
			    {"against it COPY and MADV_DONTNEED", OP_NS_A_PAGE, 0}},               \
		.saving = "saving over COPY and MADV_DONTNEED", .saves = promised                  \
	}

#define PROTECT(ways, is_shared)                                                                   \
	{                                                                                          \
		.name = "WRITEPROTECT", .run = op_run_protect, .strategies = ways,                 \
		.shared = is_shared, .feature = UF_FEATURE_PAGEFAULT_FLAG_WP, .nfigures = 2,       \
		.figures = {                                                                       \
			{"set", OP_NS_A_PAGE, 0},                                                  \
			{"clear", OP_NS_A_PAGE, 0},                                                \
		},                                                                                 \
	}

#define WRITE(text, ways, is_shared, about, who, where, is_random)                                 \
	{                                                                                          \
		.name = text, .run = op_run_write_fault, .strategies = ways, .shared = is_shared,  \
		.feature = about, .kind = who, .placement = where, .random = is_random,            \
		TIME_A_PAGE                                                                        \
	}
#define WRITES(ways, is_shared, about, text, who, where)                                           \
	WRITE(text ", in order", ways, is_shared, about, who, where, false),                       \
		WRITE(text ", at random", ways, is_shared, about, who, where, true)
#define WRITES_SYNC(ways, is_shared, text, who, where)                                             \
	WRITES(ways, is_shared, UF_FEATURE_PAGEFAULT_FLAG_WP, text, who, where)
#define WRITES_ASYNC(ways, is_shared)                                                              \
	WRITES(ways, is_shared, UF_FEATURE_WP_ASYNC, "async write fault", BENCH_PLAIN,             \
	       BENCH_ONE_THREAD)

#define SCAN(ways, is_shared)                                                                      \
	{                                                                                          \
		.name = "scan, 1 % written", .run = op_run_scan, .strategies = ways,               \
		.shared = is_shared, .feature = UF_FEATURE_WP_ASYNC, TIME_A_PAGE                   \
	}

#define REGISTER(ways, is_shared)                                                                  \
	{                                                                                          \
		.name = "REGISTER 1 TiB", .run = op_run_register, .strategies = ways,              \
		.shared = is_shared, .size = OP_TIB, .nfigures = 2,                                \
		.figures = {                                                                       \
			{"time", OP_US, 1000},                                                     \
			{"memory", OP_BYTES, OP_MIB},                                              \
		},                                                                                 \
	}

#define FOOTPRINT(ways, is_shared)                                                                 \
	{                                                                                          \
		.name = "filled page", .run = op_run_footprint, .strategies = ways,                \
		.shared = is_shared, .nfigures = 2,                                                \
		.figures = {                                                                       \
			{"memory beside it", OP_BYTES_A_PAGE, 1},                                  \
			{"page tables", OP_BYTES_A_PAGE, 0},                                       \
		},                                                                                 \
	}

#define REMOTE(ways, is_shared, where)                                                             \
	{                                                                                          \
		.name = "remote COPY 2 MiB", .run = op_run_remote_copy, .strategies = ways,        \
		.shared = is_shared, .size = 2 * OP_MIB, .placement = where, .nfigures = 2,        \
		.figures = {                                                                       \
			{NULL, OP_NS_A_PAGE, 0},                                                   \
			{"throughput", OP_GIB_A_SECOND, 0},                                        \
		},                                                                                 \
	}

const struct op_row op_rows[] = {
	FILLS("COPY", op_run_copy, FILL_ANON, false, 0),
	FILLS("COPY", op_run_copy, FILL_SHARED, true, UF_FEATURE_MISSING_SHMEM),
	FILLS("ZEROPAGE", op_run_zeropage, FILL_ANON, false, 0),
	FILLS("ZEROPAGE", op_run_zeropage, FILL_SHARED, true, UF_FEATURE_MISSING_SHMEM),
	FILLS("CONTINUE", op_run_continue, FILL_SHARED, true, UF_FEATURE_MINOR_SHMEM),
	MOVE("MOVE 4 KiB", 4 * OP_KIB, false),
	MOVE("MOVE 64 KiB", 64 * OP_KIB, true),
	MOVE("MOVE 2 MiB", 2 * OP_MIB, true),
	PROTECT(PROTECT_ANON, false),
	PROTECT(PROTECT_SHARED, true),
	WRITES_SYNC(PROTECT_ANON, false, "inline write fault", BENCH_INLINE, BENCH_ONE_THREAD),
	WRITES_SYNC(PROTECT_ANON, false, "monitor write fault", BENCH_MONITOR, BENCH_ONE_CPU),
	WRITES_SYNC(PROTECT_ANON, false, "monitor write fault", BENCH_MONITOR, BENCH_TWO_CPUS),
	WRITES_SYNC(PROTECT_SHARED, true, "inline write fault", BENCH_INLINE, BENCH_ONE_THREAD),
	WRITES_SYNC(PROTECT_SHARED, true, "monitor write fault", BENCH_MONITOR, BENCH_ONE_CPU),
	WRITES_SYNC(PROTECT_SHARED, true, "monitor write fault", BENCH_MONITOR, BENCH_TWO_CPUS),
	WRITES_ASYNC(PROTECT_ANON, false),
	WRITES_ASYNC(PROTECT_SHARED, true),
	SCAN(PROTECT_ANON, false),
	SCAN(PROTECT_SHARED, true),
	REMOTE(FILL_ANON, false, BENCH_ONE_CPU),
	REMOTE(FILL_ANON, false, BENCH_TWO_CPUS),
	REMOTE(FILL_SHARED, true, BENCH_ONE_CPU),
	REMOTE(FILL_SHARED, true, BENCH_TWO_CPUS),
	REGISTER(FILL_ANON, false),
	REGISTER(FILL_SHARED, true),
	FOOTPRINT(FILL_ANON, false),
	FOOTPRINT(FILL_SHARED, true),
};
const int op_nrows = sizeof(op_rows) / sizeof(op_rows[0]);
