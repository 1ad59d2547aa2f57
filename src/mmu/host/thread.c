/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns sleeping, waking and signal masks: raw system calls on the calling thread. */
#include <linux/capability.h>
#include <sys/stat.h>
#include <time.h>

#include "mmu/host/internal.h"

/* Rounds of a spin: some microseconds, about what a futex round trip costs. */
#define THREAD_SPINS 128

/* To wake an idle processor of a virtual machine takes about half of it. */
#define THREAD_LINGER_NS 50000
#define THREAD_LINGER_TRY 64 /* pauses that are timed */

/* PROC_USER_INIT_INO of the kernel. */
#define THREAD_INITIAL_USER_NS 0xeffffffdu

/* Faults must be delivered always: blocked, they would kill. */
#define THREAD_SYNCHRONOUS                                                                         \
	(1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGILL - 1) |                     \
	 1ull << (SIGFPE - 1) | 1ull << (SIGTRAP - 1) | 1ull << (SIGSYS - 1))

void ufi_thread_block(struct uf_mmu *mmu, struct uf_sigmask *saved)
{
	uint64_t all = ~THREAD_SYNCHRONOUS;

	UF_SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &saved->bits[0], sizeof(all));
}

void ufi_thread_restore(struct uf_mmu *mmu, const struct uf_sigmask *saved)
{
	UF_SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &saved->bits[0], NULL, sizeof(saved->bits[0]));
}

/* Those whose default is to stop, to go on or nothing; the synchronous ones are let in always. */
#define THREAD_HARMLESS                                                                            \
	(1ull << (SIGCHLD - 1) | 1ull << (SIGCONT - 1) | 1ull << (SIGURG - 1) |                    \
	 1ull << (SIGWINCH - 1) | 1ull << (SIGTSTP - 1) | 1ull << (SIGTTIN - 1) |                  \
	 1ull << (SIGTTOU - 1))

void ufi_thread_deadly(struct uf_mmu *mmu, const struct uf_sigmask *saved)
{
	uint64_t mask = saved->bits[0] | THREAD_HARMLESS;

	for (int sig = 1; sig <= 64; sig++) {
		struct host_sigaction act;

		if (mask >> (sig - 1) & 1 || THREAD_SYNCHRONOUS >> (sig - 1) & 1)
			continue;
		if (UF_SYS4(SYS_rt_sigaction, sig, NULL, &act, sizeof(act.mask)) || act.handler)
			mask |= 1ull << (sig - 1);
	}
	mask &= ~THREAD_SYNCHRONOUS;
	UF_SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

uint32_t ufi_thread_self(struct uf_mmu *mmu)
{
	return (uint32_t)UF_SYS0(SYS_gettid);
}

/*
 * Who could own a priority-inheritance futex? The kernel looks the thread up
 * and answers ESRCH for one that is gone or exiting, which kill(2) does not:
 * to that, a zombie lives.
 */
bool ufi_thread_alive(struct uf_mmu *mmu, uint32_t tid)
{
	uint32_t word = tid;
	long ret = UF_SYS4(SYS_futex, &word, FUTEX_TRYLOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL);

	if (ret == -ENOSYS)
		ret = UF_SYS2(SYS_tkill, tid, 0);
	return ret != -ESRCH;
}

/*
 * The initial user namespace has a number of its own. A kernel without such namespaces
 * has no file for it; without /proc nothing tells.
 */
static bool thread_in_initial_ns(void)
{
	int fd = ufi_maps_open("self/ns/user", O_RDONLY);
	struct stat st;
	long err;

	if (fd < 0)
		return fd == -ENOENT;
	err = UF_SYS2(SYS_fstat, fd, &st);
	UF_SYS1(SYS_close, fd);
	return !err && st.st_ino == THREAD_INITIAL_USER_NS;
}

/* What the kernel asks before it lets a userfaultfd follow forks. */
bool ufi_thread_privileged(struct uf_mmu *mmu)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (UF_SYS2(SYS_capget, &header, data))
		return false;
	return (data[0].effective >> CAP_SYS_PTRACE & 1) && thread_in_initial_ns();
}

int ufi_thread_park(struct uf_mmu *mmu, _Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
			      .tv_nsec = (long)(timeout_ns % 1000000000u)};
	long ret = UF_SYS4(SYS_futex, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value,
			   timeout_ns ? &ts : NULL);

	return ret == -ETIMEDOUT || ret == -EINTR ? (int)ret : 0;
}

int ufi_thread_unpark(struct uf_mmu *mmu, _Atomic uint32_t *word, int n)
{
	long ret = UF_SYS3(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);

	return ret > 0 ? (int)ret : 0;
}

static uint64_t thread_now_ns(void)
{
	struct timespec ts = {0};

	UF_SYS2(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int ufi_thread_cpus(void)
{
	uint64_t mask[16] = {0};
	int n = 0;

	UF_SYS3(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	for (size_t i = 0; i < UF_ARRAY_SIZE(mask); i++)
		n += __builtin_popcountll(mask[i]);
	return n;
}

/* A pause takes ten times longer on some processors. The quickest try was not disturbed. */
uint32_t ufi_thread_linger(int cpus)
{
	uint64_t least = UINT64_MAX;

	if (cpus == 1)
		return 0;
	for (int i = 0; i < 3; i++) {
		uint64_t from = thread_now_ns();

		for (int j = 0; j < THREAD_LINGER_TRY; j++)
			ufi_arch_pause();
		least = uf_min(least, thread_now_ns() - from);
	}
	return (uint32_t)(THREAD_LINGER_NS * (uint64_t)THREAD_LINGER_TRY / uf_max(least, 64)) + 1;
}

bool ufi_thread_spin(struct uf_mmu *mmu, unsigned i)
{
	if (i >= THREAD_SPINS || host_of(mmu)->cpus == 1)
		return false;
	ufi_arch_pause();
	return true;
}
