/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the machine's start, its table of callbacks, what it has found out
 * about this host, and what becomes of all that in a fork child (when, fork.c says).
 */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mmu/host/internal.h"

#define HOST_CANARY 0x75666d75u

/* Descriptors of ours live at or above this, where the limit allows. */
#define HOST_FD_BASE 960
#define HOST_FDS 48

/* One past the highest number that we can tell from the program's. */
#define HOST_FD_MAX 65536

#define HOST_PATIENCE_NS UINT64_C(20000000)
/* More than a socket holds: who has the descriptor could send more than we take away. */
#define HOST_BELL_BYTES 64

/* States of ufi_host.started. */
enum {
	HOST_STOPPED,
	HOST_RUNNING,
};

static pthread_mutex_t host_start_lock = PTHREAD_MUTEX_INITIALIZER;

/* Neither waits: the program may have read or filled the socket behind our back. */
static void host_bell(struct uf_mmu *mmu, uint64_t cookie, bool ring)
{
	const struct host_bell *bell = host_ptr(cookie);
	uint8_t byte = 0;
	long n;
	int most = bell->shared ? HOST_BELL_BYTES : 1;

	if (ring) {
		UF_SYS6(SYS_sendto, bell->ring, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
		return;
	}
	do
		n = UF_SYS6(SYS_recvfrom, bell->drain, &byte, 1, MSG_DONTWAIT, NULL, NULL);
	while (n > 0 && --most > 0);
}

static const struct uf_mmu_ops host_ops = {
	.name = "host",
	.vma_find = ufi_maps_find,
	.attach = ufi_trap_attach,
	.detach = ufi_trap_detach,
	.forget = ufi_object_put,
	.inherit = ufi_trap_inherit,
	.populated = ufi_pagemap_populated,
	.scan = ufi_walk_scan,
	.arm = ufi_trap_arm,
	.open = ufi_trap_open,
	.close = ufi_trap_close,
	.reprotect = ufi_trap_reprotect,
	.accessible = ufi_maps_accessible,
	.cached = ufi_pagemap_cached,
	.write = ufi_door_write,
	.write_zero = ufi_door_write_zero,
	.take_back = ufi_door_take_back,
	.move = ufi_move_pages,
	.copy_in = ufi_user_copy_in,
	.copy_out = ufi_user_copy_out,
	.touch = ufi_user_touch,
	.signals_block = ufi_thread_block,
	.signals_restore = ufi_thread_restore,
	.signals_deadly = ufi_thread_deadly,
	.self = ufi_thread_self,
	.alive = ufi_thread_alive,
	.privileged = ufi_thread_privileged,
	.park = ufi_thread_park,
	.unpark = ufi_thread_unpark,
	.spin = ufi_thread_spin,
	.bell = host_bell,
	.heir_open = ufi_fork_heir_open,
	.heir_close = ufi_fork_heir_close,
	.alloc = ufi_arena_alloc,
	.free = ufi_arena_free,
};

struct host ufi_host = {
	.mmu = {.ops = &host_ops, .patience_ns = HOST_PATIENCE_NS},
	.proc_fd = -1,
	.mem_fd = -1,
};

/* A bit for each number that is ours, so that a program can be kept from closing it. */
static _Atomic uint64_t host_owned[HOST_FD_MAX / 64];

/* The lowest number to use, high enough to be out of the program's way. */
static long host_fd_base(void)
{
	struct rlimit limit;

	if (UF_SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) < 0 ||
	    limit.rlim_cur >= HOST_FD_BASE + HOST_FDS)
		return HOST_FD_BASE;
	return limit.rlim_cur > HOST_FDS ? (long)limit.rlim_cur - HOST_FDS : 3;
}

int ufi_host_own_fd(int fd, bool keep)
{
	long ours = UF_SYS3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, host_fd_base());

	/* Those numbers are taken: any will do. */
	if (ours == -EMFILE || ours == -EINVAL)
		ours = UF_SYS3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (ours >= HOST_FD_MAX) {
		UF_SYS1(SYS_close, ours);
		ours = -EMFILE;
	}
	if (ours < 0)
		return (int)ours;
	atomic_fetch_or(&host_owned[ours / 64], UINT64_C(1) << ours % 64);
	if (!keep)
		UF_SYS1(SYS_close, fd);
	return (int)ours;
}

void ufi_host_disown_fd(int fd)
{
	uint64_t bit = UINT64_C(1) << (fd & 63);

	/* In a fork child the number may be the program's by now. */
	if (fd >= 0 && (atomic_fetch_and(&host_owned[fd / 64], ~bit) & bit))
		UF_SYS1(SYS_close, fd);
}

int ufi_host_take_fd(int fd)
{
	int ours = ufi_host_own_fd(fd, false);

	if (ours < 0)
		UF_SYS1(SYS_close, fd);
	return ours < 0 ? -1 : ours;
}

static void host_open_proc(void)
{
	int fd = (int)UF_SYS4(SYS_openat, AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	ufi_host.proc_fd = ufi_host_take_fd(fd);
	fd = ufi_maps_open("self/mem", O_RDWR);
	if (fd >= 0)
		ufi_host.mem_fd = ufi_host_take_fd(fd);
}

bool ufi_host_owns_fd(int fd)
{
	return fd >= 0 && fd < HOST_FD_MAX && (atomic_load(&host_owned[fd / 64]) >> fd % 64 & 1);
}

bool ufi_host_ours(void)
{
	return ufi_host.canary && atomic_load(ufi_host.canary) == HOST_CANARY;
}

bool ufi_host_running(void)
{
	return atomic_load(&ufi_host.started) == HOST_RUNNING && ufi_host_ours();
}

bool ufi_host_active(void)
{
	return ufi_host_running() && ufi_host.mm.table->n > 0;
}

/* Known from the first start on; before it, libc is asked. */
uint64_t ufi_host_page_size(void)
{
	return ufi_host.mmu.page_size ? ufi_host.mmu.page_size : (uint64_t)sysconf(_SC_PAGESIZE);
}

void ufi_host_caps(struct ufi_host_caps *caps)
{
	*caps = ufi_host.caps;
}

/* Is the first byte at P out of the kernel's reach? The pipe has room for it. */
static bool host_unreadable(const void *p, int pipe_fd)
{
	return UF_SYS3(SYS_write, pipe_fd, p, 1) == -EFAULT;
}

static bool host_probe_guard(void)
{
	uint64_t page = ufi_host.mmu.page_size;
	int fds[2];
	long p = UF_SYS6(SYS_mmap, 0, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			 0);
	bool works;

	if (p < 0 && p > -4096)
		return false;
	if (UF_SYS2(SYS_pipe2, fds, O_CLOEXEC) < 0) {
		UF_SYS2(SYS_munmap, p, page);
		return false;
	}
	works = UF_SYS3(SYS_madvise, p, page, HOST_MADV_GUARD_INSTALL) == 0 &&
		host_unreadable((void *)p, fds[1]) &&
		UF_SYS3(SYS_madvise, p, page, HOST_MADV_GUARD_REMOVE) == 0 &&
		!host_unreadable((void *)p, fds[1]);
	UF_SYS1(SYS_close, fds[0]);
	UF_SYS1(SYS_close, fds[1]);
	UF_SYS2(SYS_munmap, p, page);
	return works;
}

/* Does a write through /proc/self/mem pass PROT_NONE, and arrive? */
static bool host_probe_procmem(void)
{
	static const uint32_t mark = HOST_CANARY;
	uint64_t page = ufi_host.mmu.page_size;
	long p = UF_SYS6(SYS_mmap, 0, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool works;

	if (ufi_host.mem_fd < 0 || (p < 0 && p > -4096))
		return false;
	works = UF_SYS4(SYS_pwrite64, ufi_host.mem_fd, &mark, sizeof(mark), p) == sizeof(mark) &&
		UF_SYS3(SYS_mprotect, p, page, PROT_READ) == 0 &&
		memcmp((const void *)p, &mark, sizeof(mark)) == 0;
	UF_SYS2(SYS_munmap, p, page);
	return works;
}

/* Can the pages of a mapping be moved away, and it is there still? Emulators may lose it. */
static bool host_probe_dontunmap(void)
{
	uint64_t page = ufi_host.mmu.page_size;
	int fds[2];
	long p = UF_SYS6(SYS_mmap, 0, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	bool works;

	if (p < 0 && p > -4096)
		return false;
	if (UF_SYS2(SYS_pipe2, fds, O_CLOEXEC) < 0) {
		UF_SYS2(SYS_munmap, p, 2 * page);
		return false;
	}
	works = UF_SYS5(SYS_mremap, p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
			p + (long)page) == p + (long)page &&
		!host_unreadable((void *)p, fds[1]);
	UF_SYS1(SYS_close, fds[0]);
	UF_SYS1(SYS_close, fds[1]);
	UF_SYS2(SYS_munmap, p, 2 * page);
	return works;
}

static void host_probe_shmem_device(void)
{
	uint64_t page = ufi_host.mmu.page_size;
	long p = UF_SYS6(SYS_mmap, 0, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p < 0 && p > -4096)
		return;
	ufi_host.shmem_dev = ufi_maps_device(&ufi_host.mmu, (uint64_t)p);
	UF_SYS2(SYS_munmap, p, page);
}

static void host_close_proc(void)
{
	ufi_host_disown_fd(ufi_host.proc_fd);
	ufi_host_disown_fd(ufi_host.mem_fd);
	ufi_host.proc_fd = ufi_host.mem_fd = -1;
}

static int host_make_canary(void)
{
	_Atomic uint32_t *page = ufi_host.canary;

	if (!page)
		page = ufi_arena_alloc(&ufi_host.mmu, ufi_host.mmu.page_size);
	if (!page)
		return -ENOMEM;
	/* Where the kernel cannot wipe, only libc's fork is noticed. */
	UF_SYS3(SYS_madvise, page, ufi_host.mmu.page_size, MADV_WIPEONFORK);
	atomic_store(page, HOST_CANARY);
	ufi_host.canary = page;
	return 0;
}

/* The end of what can be mapped, as the kernel's TASK_SIZE. */
static uint64_t host_task_size(void)
{
#if defined(__x86_64__)
	return (UINT64_C(1) << 47) - 4096;
#else
	return UINT64_C(1) << 48;
#endif
}

uint32_t ufi_host_epoch(void)
{
	return ufi_host_ours() ? atomic_load(&ufi_host.epoch) : UINT32_MAX;
}

void ufi_host_release_fd(int fd)
{
	atomic_fetch_and(&host_owned[fd / 64], ~(UINT64_C(1) << fd % 64));
}

void ufi_host_claim_fd(int fd)
{
	atomic_fetch_or(&host_owned[fd / 64], UINT64_C(1) << fd % 64);
}

/* All of ours are the parent's, but those of the child's own contexts, which are not ours yet. */
static void host_close_all(const struct ufi_host_fork *hooks)
{
	for (int fd = 0; fd < HOST_FD_MAX; fd++) {
		if (ufi_host_owns_fd(fd) && !ufi_object_holds(fd))
			ufi_host_disown_fd(fd);
	}
	if (hooks)
		hooks->each_fd(ufi_host_claim_fd);
	ufi_host.proc_fd = ufi_host.mem_fd = -1;
}

void ufi_host_child(void)
{
	const struct ufi_host_fork *hooks = ufi_fork_hooks();

	ufi_arena_fork_child();
	if (hooks && !ufi_fork_expected())
		hooks->forget(&ufi_host.mm);
	host_close_all(hooks);
	host_open_proc();
	ufi_mm_forked(&ufi_host.mm);
	ufi_object_forked(&ufi_host.mm);
	atomic_fetch_add(&ufi_host.epoch, 1);
	atomic_store(ufi_host.canary, HOST_CANARY);
	if (hooks && hooks->child())
		return;
	/* Poisoned pages need somebody to answer for them. */
	if (ufi_host.mm.table->n)
		return;
	host_close_proc();
	atomic_store(&ufi_host.started, HOST_STOPPED);
}

/*
 * CONFIG_MEMORY_FAILURE brings a sysctl. Where /proc/sys cannot be looked into
 * at all nothing tells, and the answer that most kernels would give is taken.
 */
static bool host_probe_memory_failure(void)
{
	int fd = ufi_maps_open("sys/vm/memory_failure_recovery", O_RDONLY);
	int any;

	if (fd >= 0) {
		UF_SYS1(SYS_close, fd);
		return true;
	}
	any = ufi_maps_open("sys/vm/overcommit_memory", O_RDONLY);
	if (any >= 0)
		UF_SYS1(SYS_close, any);
	return fd != -ENOENT || any < 0;
}

/* Without knowing what is mapped there is no engine. */
static int host_probe_maps(const char **why)
{
	int fd = ufi_maps_open("self/maps", O_RDONLY);

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM) {
		*why = "out of descriptors or memory";
		return fd;
	}
	if (fd >= 0)
		UF_SYS1(SYS_close, fd);
	host_probe_shmem_device();
	ufi_host.caps.maps = ufi_host.shmem_dev != 0;
	*why = "/proc/self/maps cannot be read: is /proc mounted?";
	return ufi_host.caps.maps ? 0 : -ENOTSUP;
}

static int host_start_locked(const char **why)
{
	static bool atfork;
	int err;

	ufi_host.mmu.page_size = ufi_host_page_size();
	ufi_host.mmu.task_size = host_task_size();
	ufi_arch_init();
	ufi_host.cpus = ufi_thread_cpus();
	ufi_host.mmu.linger = ufi_thread_linger(ufi_host.cpus);
	host_open_proc();
	err = host_probe_maps(why);
	if (err)
		return err;
	ufi_host.caps.pagemap = ufi_pagemap_works();
	ufi_host.caps.memory_failure = host_probe_memory_failure();
	ufi_host.caps.guard_shmem = host_probe_guard();
	ufi_host.caps.procmem = host_probe_procmem();
	ufi_host.caps.dontunmap = host_probe_dontunmap();

	*why = "no memory";
	err = host_make_canary();
	if (!err && !ufi_host.mm.mmu)
		err = ufi_mm_init(&ufi_host.mm, &ufi_host.mmu);
	if (!err && !atfork)
		err = ufi_fork_install();
	if (err)
		return err;
	atfork = true;
	atomic_store(&ufi_host.started, HOST_RUNNING);
	return 0;
}

int ufi_host_start(struct ufi_mm **mm, const char **why)
{
	int err = 0;

	*why = "";
	pthread_mutex_lock(&host_start_lock);
	if (atomic_load(&ufi_host.started) != HOST_RUNNING) {
		err = host_start_locked(why);
		if (err)
			host_close_proc();
	}
	if (!err) {
		err = ufi_signal_install();
		*why = err ? "the handlers of SIGSEGV and SIGBUS cannot be installed" : "";
	}
	pthread_mutex_unlock(&host_start_lock);
	*mm = &ufi_host.mm;
	return err;
}
