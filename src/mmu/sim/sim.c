/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the life of a simulated machine: made of a seed, its table of
 * operations, the memory that the engine asks of it, failures on demand.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "mmu/sim/sim.h"

/* From here on memory comes from the kernel, which zeroes a page when it is touched. */
#define SIM_LARGE (size_t)65537

/* Short, so that faults that wait do not make the time pass that a test looks at. */
#define SIM_PATIENCE_NS UINT64_C(1000)
#define SIM_LINGER 4

void ufi_sim_fail(struct sim *sim, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sim->opt.fail(sim->opt.fail_arg, text);
	abort();
}

/* splitmix64 */
uint64_t ufi_sim_random(struct sim *sim)
{
	uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

bool ufi_sim_chance(struct sim *sim, uint32_t n)
{
	return ufi_sim_random(sim) % n == 0;
}

void ufi_sim_fail_nth(struct sim *sim, enum sim_op op, uint32_t n)
{
	sim->op_count[op] = 0;
	sim->op_fails[op] = n;
	sim->op_failed = false;
}

bool ufi_sim_op_fails(struct sim *sim, enum sim_op op)
{
	if (++sim->op_count[op] != sim->op_fails[op])
		return false;
	sim->op_failed = true;
	return true;
}

static void *sim_alloc(struct uf_mmu *mmu, size_t len)
{
	struct sim *sim = sim_of(mmu);
	struct sim_block *b;

	if (ufi_sim_op_fails(sim, SIM_OP_ALLOC))
		return NULL;
	b = malloc(sizeof(*b));
	if (!b)
		return NULL;
	b->len = len;
	if (len < SIM_LARGE)
		b->p = aligned_alloc(64, uf_align_up(len, 64));
	else
		b->p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!b->p || b->p == MAP_FAILED) {
		free(b);
		return NULL;
	}
	if (len < SIM_LARGE)
		memset(b->p, 0, len);
	b->next = sim->blocks;
	sim->blocks = b;
	return b->p;
}

static void sim_free_block(struct sim_block *b)
{
	if (b->len < SIM_LARGE)
		free(b->p);
	else
		munmap(b->p, b->len);
	free(b);
}

/* Attach leaves none. */
static void sim_forget(struct uf_mmu *mmu, uint64_t token)
{
	(void)mmu;
	UF_ASSERT(!token);
}

static void sim_free(struct uf_mmu *mmu, void *p, size_t len)
{
	struct sim *sim = sim_of(mmu);
	struct sim_block **at = &sim->blocks;
	struct sim_block *b;

	while (*at && (*at)->p != p)
		at = &(*at)->next;
	b = *at;
	if (!b || b->len != len)
		ufi_sim_fail(sim, "free of what was never allocated, or with another length");
	*at = b->next;
	sim_free_block(b);
}

uint32_t ufi_sim_allocated(const struct sim *sim, size_t len)
{
	uint32_t n = 0;

	for (const struct sim_block *b = sim->blocks; b; b = b->next)
		n += len == 0 || b->len == len;
	return n;
}

static const struct uf_mmu_ops sim_ops = {
	.name = "sim",
	.vma_find = ufi_sim_vma_find,
	.attach = ufi_sim_attach,
	.detach = ufi_sim_detach,
	.forget = sim_forget,
	.populated = ufi_sim_populated,
	.scan = ufi_sim_scan,
	.arm = ufi_sim_arm,
	.open = ufi_sim_open,
	.close = ufi_sim_close,
	.reprotect = ufi_sim_reprotect,
	.accessible = ufi_sim_accessible,
	.cached = ufi_sim_cached,
	.write = ufi_sim_write,
	.write_zero = ufi_sim_write_zero,
	.take_back = ufi_sim_take_back,
	.move = ufi_sim_move_pages,
	.copy_in = ufi_sim_copy_in,
	.copy_out = ufi_sim_copy_out,
	.touch = ufi_sim_touch,
	.signals_block = ufi_sim_signals_block,
	.signals_restore = ufi_sim_signals_restore,
	.signals_deadly = ufi_sim_signals_deadly,
	.self = ufi_sim_self,
	.alive = ufi_sim_alive,
	.privileged = ufi_sim_privileged,
	.park = ufi_sim_park,
	.unpark = ufi_sim_unpark,
	.spin = ufi_sim_spin,
	.bell = ufi_sim_ring,
	.alloc = sim_alloc,
	.free = sim_free,
};

struct sim *ufi_sim_create(const struct sim_options *opt)
{
	static const uint32_t odds[] = {1, 2, 4, 16, 64};
	static const uint32_t whims[] = {0, 6, 64};
	size_t size = uf_align_up(sizeof(struct sim), _Alignof(struct sim));
	struct sim *sim = aligned_alloc(_Alignof(struct sim), size);

	if (!sim)
		return NULL;
	memset(sim, 0, size);
	sim->pte = calloc(SIM_PAGES, sizeof(*sim->pte));
	sim->opt = *opt;
	sim->random = opt->seed;
	/* Some bugs want many changes of the thread, some want one at the right place. */
	sim->switch_odds = odds[ufi_sim_random(sim) % UF_ARRAY_SIZE(odds)];
	sim->whim_odds = whims[ufi_sim_random(sim) % UF_ARRAY_SIZE(whims)];
	if (opt->calm)
		sim->whim_odds = 0;
	sim->now_ns = 1;
	sim->mmu.ops = &sim_ops;
	sim->mmu.page_size = SIM_PAGE;
	sim->mmu.task_size = SIM_TASK_SIZE;
	sim->mmu.patience_ns = SIM_PATIENCE_NS;
	sim->mmu.linger = opt->calm ? 0 : SIM_LINGER;
	if (!sim->pte || ufi_mm_init(&sim->mm, &sim->mmu)) {
		free(sim->pte);
		free(sim);
		return NULL;
	}
	return sim;
}

static void sim_free_memory(struct sim *sim)
{
	while (sim->objects) {
		struct sim_object *obj = sim->objects;

		ufi_sim_truncate(sim, obj, 0);
		sim->objects = obj->next;
		free(obj);
	}
	for (uint64_t i = 0; i < SIM_PAGES; i++)
		ufi_sim_unmap_page(sim, SIM_BASE + i * SIM_PAGE);
	while (sim->maps) {
		struct sim_map *map = sim->maps;

		sim->maps = map->next;
		free(map);
	}
	free(sim->pte);
}

void ufi_sim_destroy(struct sim *sim)
{
	ufi_sim_bury_threads(sim);
	while (sim->blocks) {
		struct sim_block *b = sim->blocks;

		sim->blocks = b->next;
		sim_free_block(b);
	}
	sim_free_memory(sim);
	free(sim);
}
