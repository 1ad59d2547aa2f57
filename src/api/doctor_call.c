/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the verdict on userfaultfd(2): which layer refuses it. Linux itself
 * answers a flag it does not know with EINVAL; a filter, which comes before,
 * does not know which flags Linux knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "api/doctor.h"
#include "mmu/host/sys.h"

/* A flag that no Linux knows. */
#define CALL_BAD_FLAG 0x40000000

/* Does the kernel itself ask for a privilege that we lack? It never does for USER_MODE_ONLY. */
static bool call_unprivileged(const struct doctor_facts *f)
{
	bool counts = f->ptrace == DOCTOR_YES && f->initial != DOCTOR_NO;

	return f->sysctl != 1 && !counts;
}

static void call_by_sysctl(const struct doctor_attempt *a)
{
	const struct doctor_facts *f = a->facts;
	struct uf_way *w = a->way;
	bool inside = f->initial == DOCTOR_NO && f->ptrace == DOCTOR_YES;

	w->refusal = UF_REFUSAL_SYSCTL;
	ufi_doctor_say(w->reason, "EPERM: vm.unprivileged_userfaultfd is %s, and CAP_SYS_PTRACE %s",
		       f->sysctl < 0 ? "not readable" : "0",
		       inside ? "counts in the initial user namespace only, which this is not"
			      : "is missing");
	ufi_doctor_say(
		w->remedy,
		"as root on the host: sysctl -w vm.unprivileged_userfaultfd=1 (kept by a file in "
		"/etc/sysctl.d); or %s; or rights on " DOCTOR_DEVICE
		"; or UF_USER_MODE_ONLY, where no system call touches missing pages",
		inside ? "run in the initial user namespace"
		       : "CAP_SYS_PTRACE (docker run --cap-add=SYS_PTRACE)");
}

static void call_by_seccomp(const struct doctor_attempt *a)
{
	static const char also[] =
		", which would refuse it as well: vm.unprivileged_userfaultfd is "
		"0, no CAP_SYS_PTRACE of the initial user namespace";
	const struct doctor_facts *f = a->facts;
	struct uf_way *w = a->way;
	bool twice = !a->user_mode && f->sysctl == 0 && call_unprivileged(f);

	w->refusal = UF_REFUSAL_SECCOMP;
	if (a->killed)
		ufi_doctor_say(
			w->reason,
			"a seccomp filter kills the process for userfaultfd(2); it comes before "
			"the kernel's own checks%s",
			twice ? also : "");
	else
		ufi_doctor_say(
			w->reason,
			"%s: a seccomp filter%s refuses userfaultfd(2)%s; it comes before the "
			"kernel's own checks%s",
			strerrorname_np((int)-a->ret),
			f->seccomp == 2 ? " (Seccomp: 2)" : ", most likely,",
			a->reached ? " for these flags" : " whatever its flags", twice ? also : "");
	ufi_doctor_say(w->remedy,
		       "allow userfaultfd in the profile: docker or podman run --security-opt "
		       "seccomp=PROFILE.json (or =unconfined), Kubernetes seccompProfile, systemd "
		       "SystemCallFilter=userfaultfd; or give it " DOCTOR_DEVICE);
}

static void call_by_lsm(const struct doctor_attempt *a)
{
	struct uf_way *w = a->way;

	w->refusal = UF_REFUSAL_LSM;
	ufi_doctor_say(w->reason,
		       "%s after the kernel's own checks passed: a security module refuses%s%s%s",
		       strerrorname_np((int)-a->ret),
		       a->facts->seccomp == 2 ? " (or the seccomp filter, for these flags)" : "",
		       a->facts->lsm[0] ? "; confined by " : "", a->facts->lsm);
	ufi_doctor_say(
		w->remedy,
		"SELinux: `ausearch -m avc' shows the denial, allow the domain anon_inode { create "
		"ioctl read }; a container: --security-opt label=disable (SELinux), "
		"apparmor=unconfined (AppArmor)");
}

/* ENOSYS: a kernel without it, or a filter that pretends to be one. */
static void call_missing(const struct doctor_attempt *a)
{
	const struct doctor_facts *f = a->facts;
	struct uf_way *w = a->way;

	if (f->seccomp > 0 && f->config != DOCTOR_NO) {
		call_by_seccomp(a);
		return;
	}
	if (f->config == DOCTOR_YES) {
		ufi_doctor_say(
			w->reason,
			"ENOSYS, though the kernel has it (%s), and there is no seccomp filter",
			f->config_from);
		ufi_doctor_say(w->remedy,
			       "see what stands between this process and the kernel: a sandbox "
			       "that serves system calls itself");
		return;
	}
	w->refusal = f->linux_number && f->linux_number < DOCTOR_LINUX(4, 3) ? UF_REFUSAL_OLD_KERNEL
									     : UF_REFUSAL_CONFIG;
	ufi_doctor_say(w->reason, "ENOSYS: the kernel (%s) has no userfaultfd%s%s%s", f->release,
		       f->config_from[0] ? " (" : "", f->config_from, f->config_from[0] ? ")" : "");
	ufi_doctor_say(w->remedy,
		       "a kernel with CONFIG_USERFAULTFD=y, 4.3 or later; sandboxes with a "
		       "kernel of their own (gVisor) have none; the engine needs none");
}

static void call_old(const struct doctor_attempt *a)
{
	struct uf_way *w = a->way;

	w->refusal = UF_REFUSAL_OLD_KERNEL;
	ufi_doctor_say(w->reason, "EINVAL: Linux %s does not know UF_USER_MODE_ONLY",
		       a->facts->release);
	ufi_doctor_say(w->remedy, "Linux 5.11 or later, or the call without this flag");
}

static void call_unknown(const struct doctor_attempt *a)
{
	struct uf_way *w = a->way;

	ufi_doctor_say(w->reason, "%s whatever its flags, and this thread has no seccomp filter",
		       strerrorname_np((int)-a->ret));
	ufi_doctor_say(w->remedy,
		       "see what stands between this process and the kernel: a tracer, a BPF "
		       "program, a sandbox that serves system calls itself");
}

static void call_judge(const struct doctor_attempt *a)
{
	const struct doctor_facts *f = a->facts;
	/* Before USER_MODE_ONLY the privilege was asked for whatever the flags. */
	bool asked = f->linux_number < DOCTOR_LINUX(5, 11) || (a->reached && !a->user_mode);

	if (ufi_doctor_limit(a))
		return;
	if (a->killed)
		call_by_seccomp(a);
	else if (a->ret == -ENOSYS)
		call_missing(a);
	else if (a->ret == -EINVAL && a->user_mode)
		call_old(a);
	else if (a->ret == -EPERM && asked && call_unprivileged(f))
		call_by_sysctl(a);
	else if (a->reached && (a->ret == -EACCES || f->seccomp == 0))
		call_by_lsm(a);
	else if (f->seccomp != 0)
		call_by_seccomp(a);
	else
		call_unknown(a);
}

void ufi_doctor_call(const struct doctor_facts *f, bool user_mode, struct uf_way *w,
		     uint64_t *features)
{
	const int bad = CALL_BAD_FLAG | UF_USER_MODE_ONLY;
	struct doctor_attempt a = {.facts = f, .way = w, .user_mode = user_mode};

	ufi_doctor_attempt(&a, SYS_userfaultfd, O_CLOEXEC | (user_mode ? UF_USER_MODE_ONLY : 0), 0,
			   0);
	if (a.ret >= 0) {
		ufi_doctor_use(a.ret, features);
		return;
	}
	w->error = (int)-a.ret;
	w->refusal = UF_REFUSAL_UNKNOWN;
	if (!a.killed)
		a.reached = UF_SYS1(SYS_userfaultfd, bad) == -EINVAL;
	call_judge(&a);
}
