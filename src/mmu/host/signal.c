/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns SIGSEGV and SIGBUS: a fault in a registered range is raised in the
 * engine and its verdict carried out; everything else goes on to whoever had
 * these signals before, or dies as it would have died without us.
 *
 * The handler runs with every signal blocked, in a thread about which nothing
 * is known: raw system calls only, no thread-local storage, no errno.
 */
#include "mmu/host/internal.h"

#define SIGNAL_DFL ((void *)0)
#define SIGNAL_IGN ((void *)1)

/* An hour: longer than anybody looks, and then it sleeps on. */
#define SIGNAL_WAIT_NS UINT64_C(3600000000000)

static struct host_sigaction *signal_chain(int sig)
{
	return &ufi_host.chain[sig == SIGBUS];
}

static long signal_action(int sig, const struct host_sigaction *act, struct host_sigaction *old)
{
	return UF_SYS4(SYS_rt_sigaction, sig, act, old, sizeof(uint64_t));
}

static void signal_mask(const uint64_t *mask)
{
	UF_SYS4(SYS_rt_sigprocmask, SIG_SETMASK, mask, NULL, sizeof(*mask));
}

static uint64_t signal_interrupted_mask(const ucontext_t *uc)
{
	uint64_t mask;

	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	return mask;
}

/*
 * The default action, with the right core: once we return, the access faults
 * again and kills. A signal that no access raises again is sent again.
 */
static void signal_default(int sig, const siginfo_t *info, bool repeats)
{
	static const struct host_sigaction dfl;

	signal_action(sig, &dfl, NULL);
	if (!repeats)
		UF_SYS4(SYS_rt_tgsigqueueinfo, UF_SYS0(SYS_getpid), UF_SYS0(SYS_gettid), sig, info);
}

/* Call the program's handler as the kernel would: its mask, its one-shot flag. */
static void signal_call(int sig, siginfo_t *info, ucontext_t *uc, const struct host_sigaction *act)
{
	static const uint64_t all = ~UINT64_C(0);
	uint64_t mask = signal_interrupted_mask(uc) | act->mask;
	void (*handler)(int, siginfo_t *, void *);

	if (!(act->flags & (unsigned long)SA_NODEFER))
		mask |= UINT64_C(1) << (sig - 1);
	if (act->flags & (unsigned long)SA_RESETHAND)
		signal_chain(sig)->handler = SIGNAL_DFL;
	memcpy(&handler, &act->handler, sizeof(handler));
	signal_mask(&mask);
	handler(sig, info, uc); /* without SA_SIGINFO it takes the first argument only */
	signal_mask(&all);
}

/*
 * Not ours. SYNCHRONOUS: an access raised it, and blocked or ignored it kills.
 * REPEATS: returning raises it again.
 */
static void signal_pass_on(int sig, siginfo_t *info, ucontext_t *uc, bool synchronous, bool repeats)
{
	struct host_sigaction act = *signal_chain(sig);
	bool blocked = signal_interrupted_mask(uc) >> (sig - 1) & 1;

	if (act.handler == SIGNAL_IGN && !synchronous)
		return;
	if (act.handler == SIGNAL_DFL || act.handler == SIGNAL_IGN || (synchronous && blocked))
		signal_default(sig, info, repeats);
	else
		signal_call(sig, info, uc, &act);
}

static void signal_handler(int sig, siginfo_t *info, void *arg);

/*
 * Nobody has raised this signal, so the kernel has not told whose it is now: a
 * program that links us may have installed another action since we did.
 */
static void signal_follow(int sig)
{
	void (*handler)(int, siginfo_t *, void *) = signal_handler;
	struct host_sigaction now;
	void *ours;

	memcpy(&ours, &handler, sizeof(ours));
	if (signal_action(sig, NULL, &now) == 0 && now.handler != ours)
		*signal_chain(sig) = now;
}

/*
 * What the kernel does where a userfaultfd answers with a bus error, or the page
 * is poisoned: without support for failing memory that is a bus error, too.
 * spec: fault.6, fault.18
 */
static void signal_bus_error(siginfo_t *info, ucontext_t *uc, const struct ufi_fault *f,
			     bool poisoned)
{
	bool lost = poisoned && ufi_host.caps.memory_failure;
	siginfo_t bus;

	signal_follow(SIGBUS);
	memset(&bus, 0, sizeof(bus));
	bus.si_signo = SIGBUS;
	bus.si_code = lost ? BUS_MCEERR_AR : BUS_ADRERR;
	bus.si_addr = info->si_addr;
	if (lost)
		bus.si_addr_lsb = (short)__builtin_ctzll(f->page_size);
	signal_pass_on(SIGBUS, &bus, uc, true, false);
}

/* 0: woken. With a time limit even SA_RESTART ends the sleep. */
static int signal_sleep(_Atomic uint32_t *state, const uint64_t *mask, uint64_t timeout_ns)
{
	static const uint64_t all = ~UINT64_C(0);
	int err = 0;

	if (atomic_load(state) != UFI_WAITER_WAITING)
		return 0;
	signal_mask(mask);
	while (!err && atomic_load(state) == UFI_WAITER_WAITING)
		err = ufi_thread_park(&ufi_host.mmu, state, UFI_WAITER_WAITING, timeout_ns);
	signal_mask(&all);
	return err;
}

/*
 * Awake for a while, then asleep with the program's own mask, so that whatever would
 * interrupt a blocked fault in the kernel does it here. A handler that ran ends
 * the wait: the access is made again and faults anew.
 * spec: fault.10, fault.11, close.4
 */
static void signal_wait(struct ufi_fault *f, const ucontext_t *uc)
{
	_Atomic uint32_t *state = &f->waiter->state;
	uint64_t mask = signal_interrupted_mask(uc);

	if (!ufi_linger_answer(f->ctx, state, UFI_WAITER_WAITING) &&
	    signal_sleep(state, &mask, ufi_host.mmu.patience_ns) == -ETIMEDOUT) {
		ufi_fault_remind(&ufi_host.mm, f);
		while (signal_sleep(state, &mask, SIGNAL_WAIT_NS) == -ETIMEDOUT)
			;
	}
	ufi_fault_end(&ufi_host.mm, f);
}

/* Returns false if the fault is somebody else's. */
static bool signal_fault(siginfo_t *info, ucontext_t *uc)
{
	enum host_access access = ufi_arch_access(uc);
	struct ufi_fault f = {.addr = (uintptr_t)info->si_addr,
			      .access = ufi_arch_fault_kind(uc),
			      .kernel = access == HOST_ACCESS_TOUCH_KERNEL};
	enum ufi_verdict verdict;

	if (access == HOST_ACCESS_COPY) {
		ufi_arch_fail(uc);
		return true;
	}
	verdict = ufi_fault(&ufi_host.mm, &f);
	switch (verdict) {
	case UFI_FAULT_RETRY:
		return true;
	case UFI_FAULT_WAIT:
		signal_wait(&f, uc);
		return true;
	case UFI_FAULT_SIGBUS:
	case UFI_FAULT_POISON:
		if (access == HOST_ACCESS_PROGRAM)
			signal_bus_error(info, uc, &f, verdict == UFI_FAULT_POISON);
		else
			ufi_arch_fail(uc);
		return true;
	case UFI_FAULT_FOREIGN:
		break;
	}
	if (access == HOST_ACCESS_PROGRAM)
		return false;
	ufi_arch_fail(uc);
	return true;
}

static void signal_handler(int sig, siginfo_t *info, void *arg)
{
	ucontext_t *uc = arg;
	bool synchronous = info->si_code > 0;

	if (synchronous && sig == SIGBUS && ufi_arch_access(uc) != HOST_ACCESS_PROGRAM) {
		ufi_arch_fail(uc);
		return;
	}
	if (synchronous && sig == SIGSEGV) {
		if (!ufi_host_ours()) {
			ufi_host_child();
			return; /* the traps are gone; what faults again is not ours */
		}
		if (signal_fault(info, uc))
			return;
	}
	/* Beyond the end of an object, for one. spec: fault.7 */
	signal_pass_on(sig, info, uc, synchronous, synchronous);
}

static int signal_install_one(int sig)
{
	struct host_sigaction act = {
		.flags = (unsigned long)(SA_SIGINFO | SA_ONSTACK) | ufi_arch_sa_restorer_flag,
		.restorer = ufi_arch_sa_restorer(),
		.mask = ~UINT64_C(0),
	};
	void (*handler)(int, siginfo_t *, void *) = signal_handler;
	struct host_sigaction old;
	long err;

	memcpy(&act.handler, &handler, sizeof(handler));
	err = signal_action(sig, &act, &old);
	if (!err && old.handler != act.handler)
		*signal_chain(sig) = old;
	return (int)err;
}

/* Also when somebody has replaced our handler since: his becomes the one we pass on to. */
int ufi_signal_install(void)
{
	int err = signal_install_one(SIGSEGV);

	return err ? err : signal_install_one(SIGBUS);
}

static void signal_from_libc(const struct sigaction *act, struct host_sigaction *to)
{
	memset(to, 0, sizeof(*to));
	memcpy(&to->handler, &act->sa_sigaction, sizeof(to->handler));
	to->flags = (unsigned int)act->sa_flags;
	memcpy(&to->mask, &act->sa_mask, sizeof(to->mask));
}

static void signal_to_libc(const struct host_sigaction *from, struct sigaction *act)
{
	memset(act, 0, sizeof(*act));
	memcpy(&act->sa_sigaction, &from->handler, sizeof(from->handler));
	act->sa_flags = (int)(from->flags & ~ufi_arch_sa_restorer_flag);
	memcpy(&act->sa_mask, &from->mask, sizeof(from->mask));
}

int ufi_host_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct host_sigaction kernel_act;
	struct host_sigaction kernel_old;
	struct ufi_task task;
	long err = 0;

	if (act)
		signal_from_libc(act, &kernel_act);
	if (atomic_load(&ufi_host.started) && ufi_host_ours()) {
		ufi_task_enter(&task, &ufi_host.mm);
		ufi_lock_take(&task, &ufi_host.chain_lock);
		kernel_old = *signal_chain(sig);
		if (act)
			*signal_chain(sig) = kernel_act;
		ufi_lock_release(&task, &ufi_host.chain_lock);
		ufi_task_leave(&task);
	} else {
		if (act) {
			kernel_act.flags |= ufi_arch_sa_restorer_flag;
			kernel_act.restorer = ufi_arch_sa_restorer();
		}
		err = signal_action(sig, act ? &kernel_act : NULL, &kernel_old);
	}
	if (!err && old)
		signal_to_libc(&kernel_old, old);
	return (int)err;
}

int ufi_user_copy_in(struct uf_mmu *mmu, void *to, uint64_t from, size_t n)
{
	return ufi_arch_copy(to, host_ptr(from), n) ? -EFAULT : 0;
}

int ufi_user_copy_out(struct uf_mmu *mmu, uint64_t to, const void *from, size_t n)
{
	return ufi_arch_copy(host_ptr(to), from, n) ? -EFAULT : 0;
}

int ufi_user_touch(struct uf_mmu *mmu, uint64_t addr, uint32_t access,
		   const struct uf_sigmask *saved)
{
	struct uf_sigmask blocked;
	int err;

	ufi_thread_restore(mmu, saved);
	if (access == UF_PROT_WRITE)
		err = ufi_arch_touch_kernel_write(host_ptr(addr));
	else
		err = ufi_arch_touch_kernel(host_ptr(addr));
	ufi_thread_block(mmu, &blocked);
	return err ? -EFAULT : 0;
}
