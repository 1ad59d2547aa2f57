/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * aarch64: accesses that may fault, and what a fault was. The labels around
 * each access are how the signal handler knows it; nothing here may fault
 * elsewhere.
 */
#include <sys/auxv.h>

#include "mmu/host/internal.h"

#define HIDDEN __attribute__((visibility("hidden")))

/*
 * Has the processor atomic operations in one instruction? They fault as
 * writes; a pair of exclusive ones faults as a read first.
 */
HIDDEN extern int ufi_arch_has_atomics;
int ufi_arch_has_atomics;

__asm__(".arch_extension lse\n"
	".text\n"
	".type ufi_arch_copy, @function\n"
	".globl ufi_arch_copy\n.hidden ufi_arch_copy\n"
	"ufi_arch_copy:\n"
	"	cmp x2, #16\n"
	"	b.lo 2f\n"
	"1:	ldp x3, x4, [x1]\n"
	"	stp x3, x4, [x0]\n"
	"	add x1, x1, #16\n"
	"	add x0, x0, #16\n"
	"	sub x2, x2, #16\n"
	"	cmp x2, #16\n"
	"	b.hs 1b\n"
	"2:	cbz x2, 3f\n"
	"	ldrb w3, [x1]\n"
	"	strb w3, [x0]\n"
	"	add x1, x1, #1\n"
	"	add x0, x0, #1\n"
	"	sub x2, x2, #1\n"
	"	b 2b\n"
	".globl ufi_arch_copy_failed\n.hidden ufi_arch_copy_failed\n"
	"ufi_arch_copy_failed:\n"
	"3:	mov x0, x2\n"
	"	ret\n"
	".size ufi_arch_copy, . - ufi_arch_copy\n"

	".type ufi_arch_touch, @function\n"
	".globl ufi_arch_touch\n.hidden ufi_arch_touch\n"
	"ufi_arch_touch:\n"
	"	ldrb w1, [x0]\n"
	"	mov w0, #0\n"
	"	ret\n"
	".size ufi_arch_touch, . - ufi_arch_touch\n"

	".type ufi_arch_touch_kernel, @function\n"
	".globl ufi_arch_touch_kernel\n.hidden ufi_arch_touch_kernel\n"
	"ufi_arch_touch_kernel:\n"
	"	ldrb w1, [x0]\n"
	"	mov w0, #0\n"
	"	ret\n"
	".size ufi_arch_touch_kernel, . - ufi_arch_touch_kernel\n"

	".type ufi_arch_touch_write, @function\n"
	".globl ufi_arch_touch_write\n.hidden ufi_arch_touch_write\n"
	"ufi_arch_touch_write:\n"
	"	adrp x3, ufi_arch_has_atomics\n"
	"	ldr w3, [x3, :lo12:ufi_arch_has_atomics]\n"
	"	cbz w3, 1f\n"
	"	ldsetb wzr, w1, [x0]\n"
	"	mov w0, #0\n"
	"	ret\n"
	"1:	ldxrb w1, [x0]\n"
	"	stxrb w2, w1, [x0]\n"
	"	cbnz w2, 1b\n"
	"	mov w0, #0\n"
	"	ret\n"
	".size ufi_arch_touch_write, . - ufi_arch_touch_write\n"

	".type ufi_arch_touch_kernel_write, @function\n"
	".globl ufi_arch_touch_kernel_write\n.hidden ufi_arch_touch_kernel_write\n"
	"ufi_arch_touch_kernel_write:\n"
	"	adrp x3, ufi_arch_has_atomics\n"
	"	ldr w3, [x3, :lo12:ufi_arch_has_atomics]\n"
	"	cbz w3, 1f\n"
	"	ldsetb wzr, w1, [x0]\n"
	"	mov w0, #0\n"
	"	ret\n"
	"1:	ldxrb w1, [x0]\n"
	"	stxrb w2, w1, [x0]\n"
	"	cbnz w2, 1b\n"
	"	mov w0, #0\n"
	"	ret\n"
	".size ufi_arch_touch_kernel_write, . - ufi_arch_touch_kernel_write\n"

	".globl ufi_arch_touch_failed\n.hidden ufi_arch_touch_failed\n"
	"ufi_arch_touch_failed:\n"
	"	mov w0, #-1\n"
	"	ret\n");

HIDDEN extern char ufi_arch_copy_failed[];
HIDDEN extern char ufi_arch_touch_failed[];

/* The record of the signal frame that holds the syndrome register. */
#define ESR_RECORD 0x45535201u
#define ESR_CLASS_SHIFT 26
#define ESR_CLASS_INSTR 0x20u /* instruction abort from user space */
#define ESR_WRITE (UINT64_C(1) << 6)

const unsigned long ufi_arch_sa_restorer_flag;

void ufi_arch_init(void)
{
	ufi_arch_has_atomics = (getauxval(AT_HWCAP) & HWCAP_ATOMICS) != 0;
}

/* The vdso has it. */
void *ufi_arch_sa_restorer(void)
{
	return NULL;
}

static bool arch_within(uintptr_t pc, uintptr_t start, const char *end)
{
	return pc >= start && pc < (uintptr_t)end;
}

enum host_access ufi_arch_access(const ucontext_t *uc)
{
	uintptr_t pc = uc->uc_mcontext.pc;

	if (arch_within(pc, (uintptr_t)ufi_arch_copy, ufi_arch_copy_failed))
		return HOST_ACCESS_COPY;
	if (pc == (uintptr_t)ufi_arch_touch_kernel ||
	    arch_within(pc, (uintptr_t)ufi_arch_touch_kernel_write, ufi_arch_touch_failed))
		return HOST_ACCESS_TOUCH_KERNEL;
	if (arch_within(pc, (uintptr_t)ufi_arch_touch, ufi_arch_touch_failed))
		return HOST_ACCESS_TOUCH;
	return HOST_ACCESS_PROGRAM;
}

void ufi_arch_fail(ucontext_t *uc)
{
	const char *to = ufi_arch_access(uc) == HOST_ACCESS_COPY ? ufi_arch_copy_failed
								 : ufi_arch_touch_failed;

	uc->uc_mcontext.pc = (uintptr_t)to;
}

/*
 * Does the instruction store? For frames without a syndrome record, as user
 * mode emulators make them. Loads and stores have op0 = x1x0; what tells a
 * store depends on the group, and exclusive and atomic ones that both read and
 * write count as writes, as the processor reports them.
 */
static bool arch_insn_stores(uint32_t insn)
{
	if ((insn & 0x0a000000u) != 0x08000000u)
		return false;
	if ((insn & 0x3f000000u) == 0x08000000u) /* exclusive, ordered, compare and swap */
		return !(insn & 1u << 22) || ((insn & 1u << 23) && (insn & 1u << 21));
	if ((insn & 0x3b000000u) == 0x18000000u) /* literal: loads only */
		return false;
	if ((insn & 0x3a000000u) == 0x28000000u) /* pairs */
		return !(insn & 1u << 22);
	if ((insn & 0x3b200c00u) == 0x38200000u) /* atomic memory operations */
		return true;
	if ((insn & 0x3a000000u) == 0x38000000u) /* single register */
		return !(insn & 1u << 22) && !((insn & 1u << 26) == 0 && (insn & 1u << 23));
	return !(insn & 1u << 22); /* vector structures */
}

/* The syndrome, or 0 if the frame has none. */
static uint64_t arch_syndrome(const ucontext_t *uc)
{
	const uint8_t *at = (const uint8_t *)uc->uc_mcontext.__reserved;
	const uint8_t *end = at + sizeof(uc->uc_mcontext.__reserved);

	while (at + 16 <= end) {
		uint32_t magic;
		uint32_t size;
		uint64_t esr;

		memcpy(&magic, at, sizeof(magic));
		memcpy(&size, at + 4, sizeof(size));
		memcpy(&esr, at + 8, sizeof(esr));
		if (magic == ESR_RECORD)
			return esr;
		if (magic == 0 || size < 16)
			break;
		at += size;
	}
	return 0;
}

uint32_t ufi_arch_fault_kind(const ucontext_t *uc)
{
	uint64_t esr = arch_syndrome(uc);
	uintptr_t pc = uc->uc_mcontext.pc;
	uint32_t insn;

	/* What reads first there is one write all the same, as it is for x86. */
	if (arch_within(pc, (uintptr_t)ufi_arch_touch_write, ufi_arch_touch_failed))
		return UF_PROT_WRITE;
	if (esr) {
		if (esr >> ESR_CLASS_SHIFT == ESR_CLASS_INSTR)
			return UF_PROT_EXEC;
		return esr & ESR_WRITE ? UF_PROT_WRITE : UF_PROT_READ;
	}
	if (pc == uc->uc_mcontext.fault_address)
		return UF_PROT_EXEC;
	memcpy(&insn, (const void *)pc, sizeof(insn));
	return arch_insn_stores(insn) ? UF_PROT_WRITE : UF_PROT_READ;
}

void ufi_arch_pause(void)
{
	__asm__ volatile("yield");
}
