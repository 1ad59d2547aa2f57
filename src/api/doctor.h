/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of uf_doctor share: the facts of this host on which verdicts
 * rest, and the steps of the examination. System calls are raw throughout: a
 * preloaded library must not answer in the kernel's place.
 */
#ifndef UF_API_DOCTOR_H
#define UF_API_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "userfault.h"

#define DOCTOR_DEVICE "/dev/userfaultfd"

/* Comparable number of a release of Linux. */
#define DOCTOR_LINUX(major, minor) (((major) << 16) | (minor))

enum doctor_answer {
	DOCTOR_UNKNOWN = -1,
	DOCTOR_NO,
	DOCTOR_YES,
};

/* What the host says about itself; -1: it does not say. */
struct doctor_facts {
	char release[66];	    /* of uname */
	unsigned linux_number;	    /* DOCTOR_LINUX of it */
	enum doctor_answer config;  /* is CONFIG_USERFAULTFD set? */
	char config_from[128];	    /* how that is known */
	int sysctl;		    /* vm.unprivileged_userfaultfd */
	int seccomp;		    /* 2: this thread has a filter */
	enum doctor_answer ptrace;  /* CAP_SYS_PTRACE is effective, in whichever namespace */
	enum doctor_answer initial; /* in the initial user namespace, where the capability counts */
	bool dac_override;	    /* CAP_DAC_OVERRIDE is effective */
	int device_minor;	    /* of the device's driver, from /proc/misc */
	char lsm[160];		    /* the security module that confines us, for people; or empty */
};

/* --- doctor_facts.c --- */
void ufi_doctor_facts(struct doctor_facts *f);
/* At most SIZE - 1 bytes of a file, terminated. Returns how many, or -errno. */
ssize_t ufi_doctor_read(const char *path, char *buf, size_t size);
/* The number in a file of one number; -1 if there is none. */
long ufi_doctor_number(const char *path);

/* --- doctor_ways.c: the three ways to a userfaultfd of the kernel's --- */

/* One attempt: what it is judged by. */
struct doctor_attempt {
	const struct doctor_facts *facts;
	struct uf_way *way;
	long ret;	/* of the attempt: a descriptor, or -errno */
	bool killed;	/* a filter kills for it; it was not made */
	bool user_mode; /* UF_USER_MODE_ONLY */
	bool reached;	/* calls like it get as far as Linux's own checks */
};

void ufi_doctor_ways(const struct doctor_facts *f, struct uf_diagnosis *d);
/* Make the system call; its result is in A->ret, and A->killed. */
void ufi_doctor_attempt(struct doctor_attempt *a, long nr, long arg0, long arg1, long arg2);
/* Is it for want of descriptors or memory? Then A->way says so. */
bool ufi_doctor_limit(const struct doctor_attempt *a);
/* Takes FD, a new userfaultfd: ask its features once (a descriptor can be asked once). */
void ufi_doctor_use(long fd, uint64_t *features);
/* TEXT: the reason or the remedy of a way. */
void ufi_doctor_say(char *text, const char *fmt, ...) UF_PRINTF(2, 3);

/* --- doctor_call.c, doctor_device.c: try one way and judge it; fills the zeroed W --- */
void ufi_doctor_call(const struct doctor_facts *f, bool user_mode, struct uf_way *w,
		     uint64_t *features);
void ufi_doctor_device(const struct doctor_facts *f, struct uf_way *w, uint64_t *features);

/* --- doctor_engine.c: what the engine needs, by effect --- */
void ufi_doctor_engine(struct uf_diagnosis *d);

#endif
