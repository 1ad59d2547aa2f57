/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the seccomp filter of --deny-kernel: the system call fails with EPERM,
 * and so does the one useful ioctl of /dev/userfaultfd, because a filter sees
 * no paths. It holds for everything that this process becomes and starts.
 */
#include <errno.h>
#include <seccomp.h>

#include "cli/cli.h"
#include "userfault/uapi.h"

/* Both 32-bit and x32 programs of an x86-64 are under the same filter. */
static int deny_architectures(scmp_filter_ctx filter)
{
	static const uint32_t foreign[] = {SCMP_ARCH_X86, SCMP_ARCH_X32};
	int err;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		return 0;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		err = seccomp_arch_add(filter, foreign[i]);
		if (err && err != -EEXIST)
			return err;
	}
	return 0;
}

static int deny_rules(scmp_filter_ctx filter)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
	int err;

	err = seccomp_rule_add(filter, refuse, SCMP_SYS(userfaultfd), 0);
	if (err)
		return err;
	/* The kernel looks at 32 bits of the request. */
	return seccomp_rule_add(filter, refuse, SCMP_SYS(ioctl), 1,
				SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, UF_IOC_NEW));
}

int ufi_deny_kernel(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int err;

	if (!filter)
		return -ENOMEM;
	err = deny_architectures(filter);
	if (!err)
		err = deny_rules(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
