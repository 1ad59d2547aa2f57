/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what the program may do to SIGSEGV and SIGBUS. The engine lives by
 * them: its handler stays installed (the host machine passes on what is not a
 * userfault), and no mask may hold them back, or the first fault would kill.
 *
 * So they are taken out of every mask on its way to the kernel. What a thread
 * believes to have blocked is kept beside that and told when it asks; new
 * threads, and a mask restored by siglongjmp or a returning handler, do not
 * carry the belief along.
 */
#include <pthread.h>
#include <string.h>

#include "shim/shim.h"

/* The kernel reads this much of a set; a caller of the bare system call has no more. */
#define SIGNAL_SET_BYTES 8

/* Bits of signal_belief. */
#define SIGNAL_SEGV 1
#define SIGNAL_BUS 2

/* In a process that shares another's thread-local storage it is the other's: no harm done. */
static __thread unsigned char signal_belief __attribute__((tls_model("initial-exec")));

/* A bit for each signal whose handler was installed without SA_RESTART. */
static _Atomic uint64_t signal_interrupting;

bool ufi_signal_restarts(void)
{
	return atomic_load(&signal_interrupting) == 0;
}

static void signal_note(int sig, const struct sigaction *act)
{
	uint64_t bit = UINT64_C(1) << ((unsigned int)(sig - 1) & 63);

	if (!(act->sa_flags & SA_RESTART) && act->sa_handler != SIG_DFL &&
	    act->sa_handler != SIG_IGN)
		atomic_fetch_or(&signal_interrupting, bit);
	else
		atomic_fetch_and(&signal_interrupting, ~bit);
}

static bool signal_ours(int sig)
{
	return (sig == SIGSEGV || sig == SIGBUS) && ufi_config_engine();
}

static unsigned char signal_bits(const sigset_t *set)
{
	return (unsigned char)((sigismember(set, SIGSEGV) == 1 ? SIGNAL_SEGV : 0) |
			       (sigismember(set, SIGBUS) == 1 ? SIGNAL_BUS : 0));
}

const sigset_t *ufi_signal_strip(const sigset_t *mask, sigset_t *room)
{
	if (!mask || !ufi_config_engine())
		return mask;
	sigemptyset(room);
	memcpy(room, mask, SIGNAL_SET_BYTES);
	sigdelset(room, SIGSEGV);
	sigdelset(room, SIGBUS);
	return room;
}

/* A mask inherited over exec. */
void ufi_signal_init(void)
{
	sigset_t ours;
	sigset_t old;

	if (!ufi_config_engine())
		return;
	sigemptyset(&ours);
	sigaddset(&ours, SIGSEGV);
	sigaddset(&ours, SIGBUS);
	shim_real.pthread_sigmask(SIG_UNBLOCK, &ours, &old);
	signal_belief = signal_bits(&old);
}

SHIM_EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	unsigned char before = signal_belief;
	unsigned char bits;
	sigset_t room;
	int err;

	if (!ufi_config_engine())
		return shim_real.pthread_sigmask(how, set, old);
	bits = set ? signal_bits(set) : 0;
	err = shim_real.pthread_sigmask(how, ufi_signal_strip(set, &room), old);
	if (err)
		return err;
	if (set && how == SIG_SETMASK)
		signal_belief = bits;
	else if (set && how == SIG_BLOCK)
		signal_belief = before | bits;
	else if (set)
		signal_belief = (unsigned char)(before & ~bits);
	if (old && (before & SIGNAL_SEGV))
		sigaddset(old, SIGSEGV);
	if (old && (before & SIGNAL_BUS))
		sigaddset(old, SIGBUS);
	return 0;
}

SHIM_EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return (int)ufi_real_ret(-pthread_sigmask(how, set, old));
}

SHIM_EXPORT int sigsuspend(const sigset_t *mask)
{
	sigset_t room;

	return shim_real.sigsuspend(ufi_signal_strip(mask, &room));
}

static int signal_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction copy;

	if (signal_ours(sig))
		return (int)ufi_real_ret(ufi_host_sigaction(sig, act, old));
	if (act && ufi_config_engine()) {
		copy = *act;
		sigdelset(&copy.sa_mask, SIGSEGV);
		sigdelset(&copy.sa_mask, SIGBUS);
		act = &copy;
	}
	return shim_real.sigaction(sig, act, old);
}

SHIM_EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	int ret = signal_action(sig, act, old);

	if (ret == 0 && act)
		signal_note(sig, act);
	return ret;
}

/* The older calls come down to this one for our two signals. Returns the former handler. */
static sighandler_t signal_set(int sig, sighandler_t handler, int flags, bool masked)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags};
	struct sigaction old;

	sigemptyset(&act.sa_mask);
	if (masked)
		sigaddset(&act.sa_mask, sig);
	return sigaction(sig, &act, &old) ? SIG_ERR : old.sa_handler;
}

SHIM_EXPORT sighandler_t signal(int sig, sighandler_t handler)
{
	if (!signal_ours(sig) && shim_real.signal) {
		signal_note(sig,
			    &(struct sigaction){.sa_handler = handler, .sa_flags = SA_RESTART});
		return shim_real.signal(sig, handler);
	}
	return signal_set(sig, handler, SA_RESTART, true);
}

SHIM_EXPORT sighandler_t ssignal(int sig, sighandler_t handler)
{
	return signal(sig, handler);
}

SHIM_EXPORT sighandler_t bsd_signal(int sig, sighandler_t handler)
{
	return signal(sig, handler);
}

SHIM_EXPORT sighandler_t sysv_signal(int sig, sighandler_t handler)
{
	return signal_set(sig, handler, SA_RESETHAND | SA_NODEFER, false);
}

SHIM_EXPORT sighandler_t __sysv_signal(int sig, sighandler_t handler)
{
	return sysv_signal(sig, handler);
}

/* Holding back one of ours is believed, as in a mask. */
SHIM_EXPORT int sighold(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	if (sigaddset(&set, sig))
		return -1;
	return sigprocmask(SIG_BLOCK, &set, NULL);
}

SHIM_EXPORT int sigrelse(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	if (sigaddset(&set, sig))
		return -1;
	return sigprocmask(SIG_UNBLOCK, &set, NULL);
}

SHIM_EXPORT int sigignore(int sig)
{
	return signal_set(sig, SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
}

SHIM_EXPORT sighandler_t sigset(int sig, sighandler_t handler)
{
	struct sigaction act;
	sighandler_t before;
	sigset_t set;
	sigset_t old;

	sigemptyset(&set);
	if (sigaddset(&set, sig))
		return SIG_ERR;
	if (sigprocmask(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &set, &old))
		return SIG_ERR;
	if (handler == SIG_HOLD)
		before = sigaction(sig, NULL, &act) ? SIG_ERR : act.sa_handler;
	else
		before = signal_set(sig, handler, 0, false);
	return before != SIG_ERR && sigismember(&old, sig) == 1 ? SIG_HOLD : before;
}
