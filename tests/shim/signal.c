/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program's own signals beside its faults. */
#include "case.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

static sigjmp_buf genuine;
static volatile sig_atomic_t got_signal;
static void *volatile got_addr;

static void on_segv(int sig, siginfo_t *info, void *context)
{
	got_signal = sig;
	got_addr = info->si_addr;
	siglongjmp(genuine, 1);
}

static void on_plain(int sig)
{
	got_signal = sig;
	siglongjmp(genuine, 1);
}

static void touch_nothing(char *nowhere)
{
	got_signal = 0;
	got_addr = NULL;
	if (sigsetjmp(genuine, 1) == 0)
		*(volatile char *)nowhere = 1;
}

/* A genuine fault is the program's, whether its handler or its userfaultfd came first. */
static void own_handler(void)
{
	struct sigaction act = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
	struct sigaction old;
	char *nowhere = anon_memory(1, PROT_NONE);
	struct monitor m;
	char *memory;
	int uffd;

	CHECK(sigaction(SIGSEGV, &act, &old) == 0 && old.sa_handler == SIG_DFL);
	uffd = uffd_open(O_NONBLOCK);
	memory = uffd_memory(uffd, 4);
	monitor_start(&m, uffd, memory, WAY_POLL);
	touch_nothing(nowhere);
	CHECK(got_signal == SIGSEGV && got_addr == nowhere);
	CHECK(memory[0] == 'a');

	CHECK(sigaction(SIGSEGV, NULL, &old) == 0);
	CHECK(old.sa_sigaction == on_segv && (old.sa_flags & SA_SIGINFO));
	CHECK(signal(SIGSEGV, on_plain) == (void (*)(int))(void *)on_segv);
	touch_nothing(nowhere);
	CHECK(got_signal == SIGSEGV && got_addr == NULL);
	CHECK(memory[page_size] == 'b');
	CHECK(signal(SIGSEGV, SIG_DFL) == on_plain);
	CHECK(memory[2 * page_size] == 'c');
	monitor_stop(&m);
	CHECK(m.faults == 3);
}

/* Whoever holds back all signals still gets his faults served. */
static void all_blocked(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 4);
	struct monitor m;
	sigset_t all;
	sigset_t now;

	monitor_start(&m, uffd, memory, WAY_POLL);
	sigfillset(&all);
	CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
	CHECK(memory[0] == 'a');
	CHECK(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0);
	CHECK(sigismember(&now, SIGSEGV) && sigismember(&now, SIGBUS) &&
	      sigismember(&now, SIGTERM));
	sigemptyset(&all);
	CHECK(sigprocmask(SIG_SETMASK, &all, &now) == 0 && sigismember(&now, SIGSEGV));
	CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && !sigismember(&now, SIGSEGV));
	CHECK(memory[page_size] == 'b');
	monitor_stop(&m);
}

static char *handler_memory;
static volatile char handler_saw;

static void on_usr1(int sig)
{
	handler_saw = handler_memory[page_size];
}

/* A handler whose mask is full faults, too. */
static void fault_in_handler(void)
{
	struct sigaction act = {.sa_handler = on_usr1};
	int uffd = uffd_open(O_NONBLOCK);
	struct monitor m;

	handler_memory = uffd_memory(uffd, 4);
	monitor_start(&m, uffd, handler_memory, WAY_POLL);
	sigfillset(&act.sa_mask);
	CHECK(sigaction(SIGUSR1, &act, NULL) == 0);
	CHECK(raise(SIGUSR1) == 0 && handler_saw == 'b');
	monitor_stop(&m);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	alarms++;
}

static void *fill_after_alarms(void *arg)
{
	struct monitor *m = arg;

	while (alarms < 2)
		usleep(1000);
	CHECK(uffd_fill(m->uffd, m->memory, 'q') == 0);
	return NULL;
}

/* A handler runs while its thread waits for a fault, which goes on afterwards. */
static void handler_while_waiting(void)
{
	struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	int uffd = uffd_open(O_NONBLOCK);
	struct monitor m = {.uffd = uffd, .memory = uffd_memory(uffd, 1)};
	pthread_t filler;

	CHECK(sigaction(SIGUSR1, &act, NULL) == 0);
	CHECK(pthread_create(&filler, NULL, fill_after_alarms, &m) == 0);
	if (fork() == 0) {
		for (int i = 0; i < 2; i++) {
			usleep(30000);
			kill(getppid(), SIGUSR1);
		}
		_exit(0);
	}
	CHECK(*(volatile char *)m.memory == 'q' && alarms >= 2);
	CHECK(pthread_join(filler, NULL) == 0);
	CHECK(wait(NULL) > 0);
}

/* How a child ends that does WHAT, and is sent SIG after a while unless it is 0. */
static int child_end(void (*what)(void), int sig)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		what();
		_exit(3);
	}
	usleep(150000);
	if (sig)
		CHECK(kill(pid, sig) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CASE_SKIP)
		skip("this process gets no userfaultfd from the kernel");
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void wait_for_nobody(void)
{
	volatile char *memory = uffd_memory(uffd_open(O_NONBLOCK), 1);

	(void)*memory;
}

/* A fault that nobody answers keeps nobody from ending the program. */
static void blocked_ends(void)
{
	CHECK(child_end(wait_for_nobody, SIGTERM) == SIGTERM);
	CHECK(child_end(wait_for_nobody, SIGKILL) == SIGKILL);
	CHECK(child_end(wait_for_nobody, SIGINT) == SIGINT);
}

static void fault_on_nothing(void)
{
	uffd_memory(uffd_open(O_NONBLOCK), 1);
	*(volatile char *)anon_memory(1, PROT_READ) = 1;
}

static void ignore_and_fault(void)
{
	CHECK(signal(SIGSEGV, SIG_IGN) == SIG_DFL);
	fault_on_nothing();
}

static void raise_segv(void)
{
	uffd_memory(uffd_open(O_NONBLOCK), 1);
	raise(SIGSEGV);
}

/* Without a handler a genuine fault kills, and with the right signal. */
static void default_kills(void)
{
	CHECK(child_end(fault_on_nothing, 0) == SIGSEGV);
	CHECK(child_end(ignore_and_fault, 0) == SIGSEGV);
	CHECK(child_end(raise_segv, 0) == SIGSEGV);
}

static int inline_uffd;
static volatile sig_atomic_t inline_faults;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~(page_size - 1);

	CHECK(info->si_code == BUS_ADRERR);
	inline_faults++;
	CHECK(uffd_fill(inline_uffd, (void *)page, 'i') == 0);
}

/* No monitor: the thread that faults answers it in its handler. */
static void bus_error_inline(void)
{
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS};
	struct sigaction act = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
	char *memory;

	close(uffd_open(0));
	inline_uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	CHECK(inline_uffd >= 0 && ioctl(inline_uffd, UFFDIO_API, &api) == 0);
	CHECK(api.features & UFFD_FEATURE_SIGBUS);
	CHECK(sigaction(SIGBUS, &act, NULL) == 0);
	memory = uffd_memory(inline_uffd, 4);
	for (size_t i = 0; i < 4; i++) {
		memory[i * page_size + 5] = 'W';
		CHECK(memory[i * page_size + 4] == 'i' && memory[i * page_size + 5] == 'W');
	}
	CHECK(inline_faults == 4);
	CHECK_ERR(read(inline_uffd, memory, page_size), EAGAIN);
}

const struct test_case signal_cases[] = {
	{"signal.own-handler", own_handler},
	{"signal.all-blocked", all_blocked},
	{"signal.fault-in-handler", fault_in_handler},
	{"signal.handler-while-waiting", handler_while_waiting},
	{"signal.blocked-ends", blocked_ends},
	{"signal.default-kills", default_kills},
	{"signal.bus-error-inline", bus_error_inline},
	{NULL, NULL},
};
