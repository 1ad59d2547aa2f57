/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the verdict on /dev/userfaultfd: is it there, may it be opened, does
 * its ioctl work. Layers have errors of their own: owner and mode, nodev and
 * the security modules say EACCES, the control group EPERM. A filter refuses
 * the ioctl on any descriptor, also on one that is not there, which Linux
 * itself answers with EBADF.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "api/doctor.h"
#include "mmu/host/sys.h"

/* What an unmapped owner looks like from inside a user namespace. */
#define DEVICE_UNMAPPED 65534

#define DEVICE_ALLOW                                                                               \
	"docker or podman run --device=" DOCTOR_DEVICE ", systemd DeviceAllow=" DOCTOR_DEVICE

static bool device_in_group(gid_t gid)
{
	gid_t groups[256];
	int n = getgroups(UF_ARRAY_SIZE(groups), groups);

	for (int i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return getegid() == gid;
}

/* Do owner and mode let us read it? An access list can only be guessed from the mode. */
static bool device_mode_allows(const struct doctor_facts *f, const struct stat *st)
{
	bool unmapped = f->initial == DOCTOR_NO &&
			(st->st_uid == DEVICE_UNMAPPED || st->st_gid == DEVICE_UNMAPPED);

	if (f->dac_override && !unmapped)
		return true;
	if (st->st_uid == geteuid())
		return st->st_mode & S_IRUSR;
	if (device_in_group(st->st_gid))
		return st->st_mode & S_IRGRP;
	return st->st_mode & S_IROTH;
}

static void device_missing(const struct doctor_attempt *a)
{
	const struct doctor_facts *f = a->facts;
	struct uf_way *w = a->way;

	w->refusal = UF_REFUSAL_NO_DEVICE;
	if (f->device_minor >= 0) {
		ufi_doctor_say(w->reason,
			       DOCTOR_DEVICE " is not there; the kernel has it (misc, minor %d)",
			       f->device_minor);
		ufi_doctor_say(w->remedy,
			       DEVICE_ALLOW "; or as root: mknod " DOCTOR_DEVICE " c 10 %d",
			       f->device_minor);
		return;
	}
	if (f->config == DOCTOR_NO)
		w->refusal = UF_REFUSAL_CONFIG;
	else if (f->linux_number && f->linux_number < DOCTOR_LINUX(6, 1))
		w->refusal = UF_REFUSAL_OLD_KERNEL;
	ufi_doctor_say(w->reason,
		       "there is no " DOCTOR_DEVICE ", and Linux %s does not say it had one%s",
		       f->release,
		       f->config == DOCTOR_NO ? " (CONFIG_USERFAULTFD is not set)" : "");
	ufi_doctor_say(w->remedy, "Linux 6.1 or later with CONFIG_USERFAULTFD=y; " DEVICE_ALLOW);
}

static void device_no_driver(const struct doctor_attempt *a)
{
	struct uf_way *w = a->way;
	struct stat st = {0};

	w->refusal = UF_REFUSAL_NO_DEVICE;
	ufi_doctor_say(w->reason, "%s: %s is there, but is not the userfaultfd device%s",
		       strerrorname_np((int)-a->ret), DOCTOR_DEVICE,
		       a->facts->device_minor < 0 ? "; /proc/misc has none" : "");
	if (stat(DOCTOR_DEVICE, &st) == 0 && S_ISCHR(st.st_mode) && a->facts->device_minor >= 0)
		ufi_doctor_say(w->remedy,
			       "it is c %u %u and should be c 10 %d: remove it, and mknod it anew",
			       major(st.st_rdev), minor(st.st_rdev), a->facts->device_minor);
	else
		ufi_doctor_say(w->remedy, "Linux 6.1 or later with CONFIG_USERFAULTFD=y");
}

static void device_by_lsm(const struct doctor_attempt *a, const char *what)
{
	struct uf_way *w = a->way;

	w->refusal = UF_REFUSAL_LSM;
	ufi_doctor_say(w->reason,
		       "%s on %s, though the permissions allow it: a security module refuses%s%s",
		       strerrorname_np((int)-a->ret), what,
		       a->facts->lsm[0] ? "; confined by " : "", a->facts->lsm);
	ufi_doctor_say(w->remedy,
		       "SELinux: `ausearch -m avc' shows the denial; a container: --security-opt "
		       "label=disable (SELinux), apparmor=unconfined (AppArmor); Landlock: see the "
		       "program that started this one");
}

static void device_by_mode(const struct doctor_attempt *a)
{
	struct uf_way *w = a->way;
	struct statvfs fs;
	struct stat st;

	w->refusal = UF_REFUSAL_DEVICE_MODE;
	if (stat(DOCTOR_DEVICE, &st)) {
		ufi_doctor_say(w->reason, "EACCES: /dev may not be searched");
		ufi_doctor_say(w->remedy, "chmod a+x /dev");
	} else if (!device_mode_allows(a->facts, &st)) {
		ufi_doctor_say(w->reason,
			       "EACCES: " DOCTOR_DEVICE " has mode 0%o, owner %u:%u; this is %u:%u",
			       st.st_mode & 07777, st.st_uid, st.st_gid, geteuid(), getegid());
		ufi_doctor_say(
			w->remedy,
			"as root: chgrp GROUP " DOCTOR_DEVICE " && chmod 0660 " DOCTOR_DEVICE
			"; to keep it, a udev rule: KERNEL==\"userfaultfd\", GROUP=\"GROUP\", "
			"MODE=\"0660\"");
	} else if (statvfs(DOCTOR_DEVICE, &fs) == 0 && fs.f_flag & ST_NODEV) {
		ufi_doctor_say(w->reason,
			       "EACCES: the file system of " DOCTOR_DEVICE " is mounted nodev");
		ufi_doctor_say(w->remedy,
			       "mount it without nodev, or bind the host's device; " DEVICE_ALLOW);
	} else {
		device_by_lsm(a, "opening");
	}
}

static void device_by_cgroup(const struct doctor_attempt *a)
{
	struct uf_way *w = a->way;

	w->refusal = UF_REFUSAL_CGROUP;
	ufi_doctor_say(w->reason, "EPERM on opening: the device controller of the control group "
				  "refuses " DOCTOR_DEVICE);
	if (a->facts->device_minor >= 0)
		ufi_doctor_say(w->remedy,
			       DEVICE_ALLOW "; cgroup 1: echo 'c 10:%d r' into devices.allow",
			       a->facts->device_minor);
	else
		ufi_doctor_say(w->remedy, DEVICE_ALLOW);
}

static void device_judge_open(const struct doctor_attempt *a)
{
	struct uf_way *w = a->way;

	if (ufi_doctor_limit(a))
		return;
	switch (-a->ret) {
	case ENOENT:
	case ENOTDIR:
		device_missing(a);
		break;
	case ENODEV:
	case ENXIO:
		device_no_driver(a);
		break;
	case EACCES:
		device_by_mode(a);
		break;
	case EPERM:
		device_by_cgroup(a);
		break;
	default:
		ufi_doctor_say(w->reason, "opening " DOCTOR_DEVICE " fails with %s",
			       strerrorname_np((int)-a->ret));
		ufi_doctor_say(w->remedy, "see open(2) about this error");
	}
}

static void device_judge_ioctl(const struct doctor_attempt *a)
{
	const struct doctor_facts *f = a->facts;
	struct uf_way *w = a->way;

	if (ufi_doctor_limit(a))
		return;
	if (!a->reached && f->seccomp != 0) {
		w->refusal = UF_REFUSAL_SECCOMP;
		ufi_doctor_say(w->reason,
			       "%s: a seccomp filter%s %s ioctl USERFAULTFD_IOC_NEW (0xAA00)",
			       a->killed ? "SIGSYS" : strerrorname_np((int)-a->ret),
			       f->seccomp == 2 ? " (Seccomp: 2)" : ", most likely,",
			       a->killed ? "kills the process for" : "refuses");
		ufi_doctor_say(w->remedy,
			       "allow this request of ioctl in the seccomp profile; a program "
			       "under `userfault run --deny-kernel' is meant to be refused");
	} else if (a->ret == -ENOTTY || a->ret == -EINVAL) {
		device_no_driver(a);
	} else if (a->reached) {
		device_by_lsm(a, "its ioctl");
	} else {
		ufi_doctor_say(w->reason, "ioctl USERFAULTFD_IOC_NEW fails with %s",
			       strerrorname_np((int)-a->ret));
		ufi_doctor_say(w->remedy, "see what stands between this process and the kernel");
	}
}

void ufi_doctor_device(const struct doctor_facts *f, struct uf_way *w, uint64_t *features)
{
	struct doctor_attempt a = {.facts = f, .way = w};
	long device = UF_SYS4(SYS_openat, AT_FDCWD, DOCTOR_DEVICE, O_RDONLY | O_CLOEXEC, 0);

	w->refusal = UF_REFUSAL_UNKNOWN;
	if (device < 0) {
		a.ret = device;
		w->error = (int)-device;
		device_judge_open(&a);
		return;
	}
	ufi_doctor_attempt(&a, SYS_ioctl, device, UF_IOC_NEW, O_CLOEXEC);
	UF_SYS1(SYS_close, device);
	if (a.ret >= 0) {
		w->refusal = UF_REFUSAL_NONE;
		ufi_doctor_use(a.ret, features);
		return;
	}
	w->error = (int)-a.ret;
	if (!a.killed)
		a.reached = UF_SYS3(SYS_ioctl, -1, UF_IOC_NEW, 0) == -EBADF;
	device_judge_ioctl(&a);
}
