/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what the attempts to get a userfaultfd from the kernel have in common:
 * how one is made without dying of it, and the limits that any may meet.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

#include "api/doctor.h"
#include "mmu/host/sys.h"

void ufi_doctor_say(char *text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(((struct uf_way *)0)->reason), fmt, ap);
	va_end(ap);
}

/*
 * Would this call be our death? A filter may kill instead of refuse. The child
 * raises no SIGCHLD, and does nothing but the call.
 */
static bool ways_deadly(long nr, long a, long b, long c)
{
	long pid = UF_SYS5(SYS_clone, 0, 0, 0, 0, 0);
	int status = 0;

	if (pid == 0) {
		UF_SYS3(nr, a, b, c);
		UF_SYS1(SYS_exit_group, 0);
	}
	if (pid < 0)
		return false;
	while (UF_SYS4(SYS_wait4, pid, &status, __WALL, 0) == -EINTR)
		;
	return WIFSIGNALED(status);
}

void ufi_doctor_attempt(struct doctor_attempt *a, long nr, long arg0, long arg1, long arg2)
{
	a->killed = a->facts->seccomp != 0 && ways_deadly(nr, arg0, arg1, arg2);
	a->ret = a->killed ? -EPERM : UF_SYS3(nr, arg0, arg1, arg2);
}

void ufi_doctor_use(long fd, uint64_t *features)
{
	struct uf_io_api api = {.api = UF_UAPI_API};

	if (!*features && UF_SYS3(SYS_ioctl, fd, UF_IOC_API, &api) == 0)
		*features = api.features;
	UF_SYS1(SYS_close, fd);
}

bool ufi_doctor_limit(const struct doctor_attempt *a)
{
	struct uf_way *w = a->way;

	if (a->ret != -EMFILE && a->ret != -ENFILE && a->ret != -ENOMEM)
		return false;
	w->refusal = UF_REFUSAL_LIMIT;
	if (a->ret == -ENOMEM) {
		ufi_doctor_say(w->reason, "ENOMEM: the kernel has no memory for it");
		ufi_doctor_say(w->remedy,
			       "free memory, or raise the memory limit of the control group");
	} else if (a->ret == -EMFILE) {
		ufi_doctor_say(w->reason, "EMFILE: this process may have no more descriptors");
		ufi_doctor_say(w->remedy,
			       "ulimit -n, systemd LimitNOFILE=, docker run --ulimit nofile=");
	} else {
		ufi_doctor_say(w->reason, "ENFILE: the system has no more files");
		ufi_doctor_say(w->remedy, "sysctl -w fs.file-max=, as root on the host");
	}
	return true;
}

void ufi_doctor_ways(const struct doctor_facts *f, struct uf_diagnosis *d)
{
	ufi_doctor_call(f, false, &d->syscall, &d->kernel_features);
	ufi_doctor_call(f, true, &d->syscall_user_mode, &d->kernel_features);
	ufi_doctor_device(f, &d->device, &d->kernel_features);
}
