/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns waiting awake: for what a manager or a faulting thread on another processor does at once. */
#include "engine/engine.h"

/* From process to process an answer goes through so many threads, which may have to wake. */
#define LINGER_REMOTE 3

static bool linger(struct uf_mmu *mmu, struct uf_linger *l, uint32_t most,
		   const _Atomic uint32_t *word, uint32_t value)
{
	uint32_t rounds = uf_linger_rounds(l, most);
	bool paid = false;

	if (!most)
		return false;
	for (uint32_t i = 0; i < rounds && !paid; i++) {
		(void)mmu->ops->spin(mmu, 0);
		paid = atomic_load(word) != value;
	}
	uf_linger_over(l, paid);
	return paid;
}

bool ufi_linger_answer(struct ufi_ctx *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	struct uf_mmu *mmu = ctx->mm->mmu;
	uint32_t most = mmu->linger * (atomic_load(&ctx->remote) ? LINGER_REMOTE : 1);

	return linger(mmu, &ctx->resolving, most, word, value);
}

bool ufi_linger_message(struct ufi_ctx *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	struct uf_mmu *mmu = ctx->mm->mmu;

	return linger(mmu, &ctx->reading, mmu->linger, word, value);
}
