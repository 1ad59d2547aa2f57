/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what this host says about itself: its release and configuration, our
 * privileges and namespace, filters and security modules. It tries nothing,
 * and draws no conclusion from a file that is not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "api/doctor.h"
#include "mmu/host/sys.h"

#define FACTS_SYSCTL "/proc/sys/vm/unprivileged_userfaultfd"

/* A file of every /proc/sys/vm: if it is there, the folder is to be believed. */
#define FACTS_SYSCTL_OTHER "/proc/sys/vm/overcommit_memory"

/* Inode of the initial user namespace, the same on every Linux. */
#define FACTS_INITIAL_USERNS 0xEFFFFFFDu

ssize_t ufi_doctor_read(const char *path, char *buf, size_t size)
{
	long fd = UF_SYS4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	size_t have = 0;
	long n = 0;

	buf[0] = '\0';
	if (fd < 0)
		return fd;
	while (have < size - 1) {
		n = UF_SYS3(SYS_read, fd, buf + have, size - 1 - have);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	UF_SYS1(SYS_close, fd);
	buf[have] = '\0';
	return n < 0 ? n : (ssize_t)have;
}

long ufi_doctor_number(const char *path)
{
	char text[32];
	char *end;
	long n;

	if (ufi_doctor_read(path, text, sizeof(text)) <= 0)
		return -1;
	n = strtol(text, &end, 10);
	return end == text ? -1 : n;
}

/* What follows KEY, which begins a line of TEXT, blanks skipped; NULL: no such line. */
static const char *facts_field(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len))
			return line + len + strspn(line + len, " \t");
	}
	return NULL;
}

static void facts_status(struct doctor_facts *f)
{
	char status[4096];
	const char *field;
	uint64_t caps;

	f->seccomp = -1;
	f->ptrace = DOCTOR_UNKNOWN;
	/* Both are of the thread. */
	if (ufi_doctor_read("/proc/thread-self/status", status, sizeof(status)) <= 0)
		return;
	field = facts_field(status, "Seccomp:");
	if (field)
		f->seccomp = atoi(field);
	field = facts_field(status, "CapEff:");
	if (!field)
		return;
	caps = strtoull(field, NULL, 16);
	f->ptrace = caps >> CAP_SYS_PTRACE & 1;
	f->dac_override = caps >> CAP_DAC_OVERRIDE & 1;
}

/* Without user namespaces in the kernel there is no such file. */
static void facts_namespace(struct doctor_facts *f)
{
	struct stat st;

	f->initial = DOCTOR_UNKNOWN;
	if (stat("/proc/self/ns/user", &st) == 0)
		f->initial = st.st_ino == FACTS_INITIAL_USERNS;
}

/* Does the file at PATH set CONFIG_USERFAULTFD? It is too long for a buffer. */
static enum doctor_answer facts_config_file(const char *path)
{
	static const char set[] = "\nCONFIG_USERFAULTFD=y\n";
	long fd = UF_SYS4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	enum doctor_answer answer = DOCTOR_UNKNOWN;
	long size, p;

	if (fd < 0)
		return answer;
	size = UF_SYS3(SYS_lseek, fd, 0, SEEK_END);
	if (size > 0) {
		p = UF_SYS6(SYS_mmap, 0, size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p > 0 || p <= -4096) {
			answer = memmem((const void *)p, (size_t)size, set, strlen(set)) != NULL;
			UF_SYS2(SYS_munmap, p, size);
		}
	}
	UF_SYS1(SYS_close, fd);
	return answer;
}

/*
 * From the surest evidence to the weakest. A compressed /proc/config.gz would
 * add nothing: where Linux has one and /proc is mounted, the sysctl decides
 * from 5.2 on.
 */
static void facts_config(struct doctor_facts *f)
{
	static const char *const places[][2] = {{"/boot/config-", ""},
						{"/lib/modules/", "/config"}};
	char path[sizeof(f->config_from)];

	if (f->sysctl >= 0 || f->device_minor >= 0) {
		f->config = DOCTOR_YES;
		strcpy(f->config_from, f->sysctl >= 0 ? FACTS_SYSCTL : "/proc/misc");
		return;
	}
	if (f->linux_number >= DOCTOR_LINUX(5, 2) && ufi_doctor_number(FACTS_SYSCTL_OTHER) >= 0) {
		f->config = DOCTOR_NO;
		strcpy(f->config_from, "there is no " FACTS_SYSCTL);
		return;
	}
	f->config = DOCTOR_UNKNOWN;
	for (size_t i = 0; i < UF_ARRAY_SIZE(places) && f->config == DOCTOR_UNKNOWN; i++) {
		snprintf(path, sizeof(path), "%s%s%s", places[i][0], f->release, places[i][1]);
		f->config = facts_config_file(path);
		if (f->config != DOCTOR_UNKNOWN)
			strcpy(f->config_from, path);
	}
}

static void facts_release(struct doctor_facts *f)
{
	struct utsname name;
	unsigned major, minor;

	if (UF_SYS1(SYS_uname, &name) < 0)
		return;
	snprintf(f->release, sizeof(f->release), "%s", name.release);
	if (sscanf(name.release, "%u.%u", &major, &minor) == 2)
		f->linux_number = DOCTOR_LINUX(major, minor);
}

static void facts_device(struct doctor_facts *f)
{
	char misc[2048];
	const char *name;

	f->device_minor = -1;
	if (ufi_doctor_read("/proc/misc", misc, sizeof(misc)) <= 0)
		return;
	name = strstr(misc, " userfaultfd\n");
	if (!name)
		return;
	while (name > misc && name[-1] != '\n')
		name--;
	f->device_minor = atoi(name);
}

/* SELinux labels have colons; AppArmor says "profile (mode)", or "unconfined". */
static void facts_lsm(struct doctor_facts *f)
{
	char label[96];
	long enforce = ufi_doctor_number("/sys/fs/selinux/enforce");

	if (ufi_doctor_read("/proc/self/attr/apparmor/current", label, sizeof(label)) <= 0 &&
	    ufi_doctor_read("/proc/self/attr/current", label, sizeof(label)) <= 0)
		return;
	label[strcspn(label, "\n")] = '\0';
	if (!label[0] || !strcmp(label, "unconfined"))
		return;
	if (enforce >= 0 && strchr(label, ':'))
		snprintf(f->lsm, sizeof(f->lsm), "SELinux (%s), context %s",
			 enforce ? "enforcing" : "permissive", label);
	else if (strchr(label, '('))
		snprintf(f->lsm, sizeof(f->lsm), "AppArmor, profile %s", label);
	else
		snprintf(f->lsm, sizeof(f->lsm), "a security module, label %s", label);
}

void ufi_doctor_facts(struct doctor_facts *f)
{
	memset(f, 0, sizeof(*f));
	facts_release(f);
	facts_status(f);
	facts_namespace(f);
	facts_device(f);
	f->sysctl = (int)ufi_doctor_number(FACTS_SYSCTL);
	facts_config(f);
	facts_lsm(f);
}
