/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: filter ACTION WHAT[,WHAT...] PROGRAM [ARGUMENTS]
 * Becomes PROGRAM under a seccomp filter. ACTION: kill, or the number of an
 * error. WHAT: what it refuses. Status 77: no filter can be installed here.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userfault/uapi.h"

static int refuse(scmp_filter_ctx filter, uint32_t action, const char *what)
{
	if (!strcmp(what, "call"))
		return seccomp_rule_add(filter, action, SCMP_SYS(userfaultfd), 0);
	if (!strcmp(what, "kernel-mode"))
		return seccomp_rule_add(filter, action, SCMP_SYS(userfaultfd), 1,
					SCMP_A0(SCMP_CMP_MASKED_EQ, UF_USER_MODE_ONLY, 0));
	if (!strcmp(what, "ioctl"))
		return seccomp_rule_add(filter, action, SCMP_SYS(ioctl), 1,
					SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, UF_IOC_NEW));
	if (!strcmp(what, "handlers"))
		return seccomp_rule_add(filter, action, SCMP_SYS(rt_sigaction), 0);
	fprintf(stderr, "filter: unknown: %s\n", what);
	return -EINVAL;
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	uint32_t action;
	int err;

	if (argc < 4 || !filter)
		return 2;
	action = strcmp(argv[1], "kill") ? SCMP_ACT_ERRNO(atoi(argv[1])) : SCMP_ACT_KILL_PROCESS;
	for (char *what = strtok(argv[2], ","); what; what = strtok(NULL, ",")) {
		if (refuse(filter, action, what))
			return 2;
	}
	err = seccomp_load(filter);
	seccomp_release(filter);
	if (err) {
		fprintf(stderr, "filter: %s\n", strerror(-err));
		return 77;
	}
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 2;
}
