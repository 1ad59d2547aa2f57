/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x86-64: accesses that may fault, and what a fault was. The labels around
 * each access are how the signal handler knows it; nothing here may fault
 * elsewhere.
 */
#include "mmu/host/internal.h"

#define HIDDEN __attribute__((visibility("hidden")))

__asm__(".text\n"
	".type ufi_arch_copy, @function\n"
	".globl ufi_arch_copy\n.hidden ufi_arch_copy\n"
	"ufi_arch_copy:\n"
	"	mov %rdx, %rcx\n"
	".globl ufi_arch_copy_at\n.hidden ufi_arch_copy_at\n"
	"ufi_arch_copy_at:\n"
	"	rep movsb\n"
	".globl ufi_arch_copy_failed\n.hidden ufi_arch_copy_failed\n"
	"ufi_arch_copy_failed:\n"
	"	mov %rcx, %rax\n"
	"	ret\n"
	".size ufi_arch_copy, . - ufi_arch_copy\n"

	".type ufi_arch_touch, @function\n"
	".globl ufi_arch_touch\n.hidden ufi_arch_touch\n"
	"ufi_arch_touch:\n"
	"	movzbl (%rdi), %eax\n"
	"	xor %eax, %eax\n"
	"	ret\n"
	".size ufi_arch_touch, . - ufi_arch_touch\n"

	".type ufi_arch_touch_kernel, @function\n"
	".globl ufi_arch_touch_kernel\n.hidden ufi_arch_touch_kernel\n"
	"ufi_arch_touch_kernel:\n"
	"	movzbl (%rdi), %eax\n"
	"	xor %eax, %eax\n"
	"	ret\n"
	".size ufi_arch_touch_kernel, . - ufi_arch_touch_kernel\n"

	".type ufi_arch_touch_write, @function\n"
	".globl ufi_arch_touch_write\n.hidden ufi_arch_touch_write\n"
	"ufi_arch_touch_write:\n"
	"	lock orb $0, (%rdi)\n"
	"	xor %eax, %eax\n"
	"	ret\n"
	".size ufi_arch_touch_write, . - ufi_arch_touch_write\n"

	".type ufi_arch_touch_kernel_write, @function\n"
	".globl ufi_arch_touch_kernel_write\n.hidden ufi_arch_touch_kernel_write\n"
	"ufi_arch_touch_kernel_write:\n"
	"	lock orb $0, (%rdi)\n"
	"	xor %eax, %eax\n"
	"	ret\n"
	".size ufi_arch_touch_kernel_write, . - ufi_arch_touch_kernel_write\n"

	".globl ufi_arch_touch_failed\n.hidden ufi_arch_touch_failed\n"
	"ufi_arch_touch_failed:\n"
	"	mov $-1, %eax\n"
	"	ret\n"

	/* Debuggers and unwinders know a signal frame by these very bytes. */
	".globl ufi_arch_sigreturn\n.hidden ufi_arch_sigreturn\n"
	"ufi_arch_sigreturn:\n"
	"	mov $15, %rax\n"
	"	syscall\n");

HIDDEN extern char ufi_arch_copy_at[];
HIDDEN extern char ufi_arch_copy_failed[];
HIDDEN extern char ufi_arch_touch_failed[];
HIDDEN extern char ufi_arch_sigreturn[];

/* The bits of the page-fault error code. */
#define PF_WRITE 2
#define PF_INSTR 16

const unsigned long ufi_arch_sa_restorer_flag = 0x04000000;

void ufi_arch_init(void)
{
}

void *ufi_arch_sa_restorer(void)
{
	return ufi_arch_sigreturn;
}

static uintptr_t arch_pc(const ucontext_t *uc)
{
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
}

enum host_access ufi_arch_access(const ucontext_t *uc)
{
	uintptr_t pc = arch_pc(uc);

	/* Each faults at one instruction, its first. */
	if (pc == (uintptr_t)ufi_arch_copy_at)
		return HOST_ACCESS_COPY;
	if (pc == (uintptr_t)ufi_arch_touch || pc == (uintptr_t)ufi_arch_touch_write)
		return HOST_ACCESS_TOUCH;
	if (pc == (uintptr_t)ufi_arch_touch_kernel || pc == (uintptr_t)ufi_arch_touch_kernel_write)
		return HOST_ACCESS_TOUCH_KERNEL;
	return HOST_ACCESS_PROGRAM;
}

void ufi_arch_fail(ucontext_t *uc)
{
	char *to = arch_pc(uc) == (uintptr_t)ufi_arch_copy_at ? ufi_arch_copy_failed
							      : ufi_arch_touch_failed;

	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)to;
}

uint32_t ufi_arch_fault_kind(const ucontext_t *uc)
{
	greg_t code = uc->uc_mcontext.gregs[REG_ERR];

	if (code & PF_INSTR)
		return UF_PROT_EXEC;
	return code & PF_WRITE ? UF_PROT_WRITE : UF_PROT_READ;
}

void ufi_arch_pause(void)
{
	__builtin_ia32_pause();
}
