/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what happens around a fork. The registry is locked in between, so that the
 * child finds nobody in the midst of anything. The backend makes heirs of the
 * contexts that follow the fork meanwhile: struct ufi_host_fork.
 *
 * The parent's handler waits until the fork has been told. It holds no lock then;
 * that others of ours hold none either is why they are registered before this one
 * (uf_backend_start).
 */
#include <pthread.h>

#include "mmu/host/internal.h"

/* Beside the number of a descriptor in an heir: it is closed on exec. */
#define FORK_CLOEXEC (UINT64_C(1) << 32)

/* Under the registry lock: of the thread that forks. */
static struct ufi_task fork_task;
static pthread_t fork_self;
static uint32_t fork_epoch;

static const struct ufi_host_fork *_Atomic fork_hooks;

void ufi_host_on_fork(const struct ufi_host_fork *hooks)
{
	atomic_store(&fork_hooks, hooks);
}

const struct ufi_host_fork *ufi_fork_hooks(void)
{
	return atomic_load(&fork_hooks);
}

static void fork_prepare(void)
{
	const struct ufi_host_fork *hooks = ufi_fork_hooks();
	struct ufi_task task;

	if (!ufi_host_running())
		return;
	ufi_vm_begin(&ufi_host.mm, &task);
	fork_task = task;
	fork_task.events_end = &fork_task.events;
	fork_self = pthread_self();
	fork_epoch = atomic_load(&ufi_host.epoch);
	if (hooks)
		hooks->prepare(&fork_task);
	ufi_arena_fork_prepare(&fork_task);
}

/* Several threads can be at it; whether this one has been in prepare its lock tells. */
static bool fork_is_ours(void)
{
	uint32_t word = atomic_load(&ufi_host.mm.registry.writers.word);

	return (word & ~UFI_LOCK_SLEEPERS) == ufi_thread_self(&ufi_host.mmu);
}

/* Others may fork while we wait, so the task comes along. spec: event.21 */
static void fork_parent(void)
{
	const struct ufi_host_fork *hooks = ufi_fork_hooks();
	struct ufi_task task;

	if (!fork_is_ours())
		return;
	task = fork_task;
	if (!task.events)
		task.events_end = &task.events;
	fork_task.mm = NULL;
	ufi_arena_fork_parent(&task);
	if (hooks)
		hooks->parent(&task);
	ufi_vm_end(&task);
}

/* A fork behind libc's back may have come in the midst of another thread's. */
bool ufi_fork_expected(void)
{
	return fork_task.mm && pthread_equal(fork_self, pthread_self());
}

/* A handler of the program's own may have come before, and met a page: then it is done. */
static void fork_child(void)
{
	if (!fork_task.mm)
		return;
	if (atomic_load(&ufi_host.epoch) == fork_epoch)
		ufi_host_child();
	fork_task.mm = NULL;
	ufi_thread_restore(&ufi_host.mmu, &fork_task.saved);
}

int ufi_fork_install(void)
{
	return -pthread_atfork(fork_prepare, fork_parent, fork_child);
}

uint64_t ufi_fork_heir(int fd, bool cloexec)
{
	return (uint64_t)fd | (cloexec ? FORK_CLOEXEC : 0);
}

/* spec: event.23 */
int ufi_fork_heir_open(struct uf_mmu *mmu, uint64_t heir)
{
	int fd = (int)UF_SYS3(SYS_fcntl, (uint32_t)heir,
			      heir & FORK_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);

	/* So fcntl says that the limit is 0. */
	return fd == -EINVAL ? -EMFILE : fd;
}

void ufi_fork_heir_close(struct uf_mmu *mmu, uint64_t heir)
{
	ufi_host_disown_fd((int)(uint32_t)heir);
}
