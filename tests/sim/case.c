/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tests are written with, and what is looked at after each run: nobody
 * waits, nothing is registered, nothing of the engine's memory is left.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "case.h"
#include "engine/pagestate.h"

#define CASE_THREAD_PAGES (1 + T_SOURCE_PAGES)

/* LOCK_DOUBT_NS of engine/lock.c. */
#define CASE_DOUBT_NS UINT64_C(20000000)

/* Where in the page for arguments messages are read to. */
#define CASE_MESSAGES 1024

void t_fail(const char *file, int line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s:%d: %s\n", file, line, text);
	_exit(1);
}

void t_equal(const char *file, int line, const char *what, long long got, long long want)
{
	if (got != want)
		t_fail(file, line, "%s is %lld (%#llx), not %lld (%#llx)", what, got, got, want,
		       want);
}

static void case_sim_failed(void *arg, const char *text)
{
	fprintf(stderr, "%s\n", text);
	_exit(1);
}

/* --- Contexts --- */

uint64_t t_bell(const struct ufi_ctx *ctx)
{
	return ctx->bell_cookie;
}

static int case_open(struct t *t, bool user_mode_only, struct ufi_ctx **out)
{
	struct ufi_ctx_options opt = {.user_mode_only = user_mode_only};

	while (t->ctx[opt.bell_cookie])
		opt.bell_cookie++;
	CHECK(opt.bell_cookie < T_CONTEXTS);
	return ufi_ctx_open(&t->sim->mm, &opt, out);
}

struct ufi_ctx *t_open_bare(struct t *t, bool user_mode_only)
{
	struct ufi_ctx *ctx = NULL;

	CHECK_EQ(case_open(t, user_mode_only, &ctx), 0);
	t->ctx[ctx->bell_cookie] = ctx;
	return ctx;
}

struct ufi_ctx *t_open(struct t *t, uint64_t features)
{
	struct ufi_ctx *ctx = t_open_bare(t, false);

	CHECK_EQ(t_handshake(t, ctx, features), 0);
	return ctx;
}

void t_close(struct t *t, struct ufi_ctx *ctx)
{
	t->ctx[ctx->bell_cookie] = NULL;
	ufi_ctx_put(ctx);
}

static void case_close_all(struct t *t)
{
	for (int i = 0; i < T_CONTEXTS; i++)
		if (t->ctx[i])
			t_close(t, t->ctx[i]);
}

uint64_t t_arg(struct t *t)
{
	return t->arena + t->sim->current->index * CASE_THREAD_PAGES * SIM_PAGE;
}

uint64_t t_src(struct t *t)
{
	return t_arg(t) + SIM_PAGE;
}

int t_ioctl(struct t *t, struct ufi_ctx *ctx, uint32_t request, void *arg, size_t size)
{
	int ret;

	ufi_sim_poke(t->sim, t_arg(t), arg, size);
	ret = ufi_ctx_ioctl(ctx, request, t_arg(t));
	ufi_sim_peek(t->sim, t_arg(t), arg, size);
	return ret;
}

int t_handshake(struct t *t, struct ufi_ctx *ctx, uint64_t features)
{
	struct uf_io_api api = {UF_UAPI_API, features, 0};

	return t_ioctl(t, ctx, UF_IOC_API, &api, sizeof(api));
}

int t_register_in(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages, uint64_t mode)
{
	struct uf_io_register reg = {{addr, npages * SIM_PAGE}, mode, 0};

	return t_ioctl(t, ctx, UF_IOC_REGISTER, &reg, sizeof(reg));
}

int t_register(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages)
{
	return t_register_in(t, ctx, addr, npages, MISSING);
}

int t_unregister(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages)
{
	struct uf_io_range range = {addr, npages * SIM_PAGE};

	return t_ioctl(t, ctx, UF_IOC_UNREGISTER, &range, sizeof(range));
}

int t_wake(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages)
{
	struct uf_io_range range = {addr, npages * SIM_PAGE};

	return t_ioctl(t, ctx, UF_IOC_WAKE, &range, sizeof(range));
}

static int case_protect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages,
			uint64_t mode)
{
	struct uf_io_writeprotect wp = {{addr, npages * SIM_PAGE}, mode};

	return t_ioctl(t, ctx, UF_IOC_WRITEPROTECT, &wp, sizeof(wp));
}

int t_protect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages)
{
	return case_protect(t, ctx, addr, npages, UF_WRITEPROTECT_MODE_WP);
}

int t_unprotect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages)
{
	return case_protect(t, ctx, addr, npages, 0);
}

static int case_rwprotect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages,
			  uint64_t mode)
{
	struct uf_io_rwprotect rwp = {{addr, npages * SIM_PAGE}, mode};

	return t_ioctl(t, ctx, UF_IOC_RWPROTECT, &rwp, sizeof(rwp));
}

int t_rwprotect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages)
{
	return case_rwprotect(t, ctx, addr, npages, UF_RWPROTECT_MODE_RWP);
}

int t_rwunprotect(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t npages)
{
	return case_rwprotect(t, ctx, addr, npages, 0);
}

int t_set_mode(struct t *t, struct ufi_ctx *ctx, uint64_t enable, uint64_t disable)
{
	struct uf_io_set_mode set = {enable, disable};

	return t_ioctl(t, ctx, UF_IOC_SET_MODE, &set, sizeof(set));
}

struct t_filled t_copy_from(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t src,
			    uint64_t len, uint64_t mode)
{
	struct uf_io_copy copy = {dst, src, len, mode, T_KEPT};
	struct t_filled f;

	f.ret = t_ioctl(t, ctx, UF_IOC_COPY, &copy, sizeof(copy));
	f.field = copy.copy;
	return f;
}

struct t_filled t_copy(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t npages,
		       uint8_t byte, uint64_t mode)
{
	uint8_t page[SIM_PAGE];

	CHECK(npages <= T_SOURCE_PAGES);
	memset(page, byte, sizeof(page));
	for (uint64_t i = 0; i < npages; i++)
		ufi_sim_poke(t->sim, t_src(t) + i * SIM_PAGE, page, sizeof(page));
	return t_copy_from(t, ctx, dst, t_src(t), npages * SIM_PAGE, mode);
}

struct t_filled t_zero(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t npages,
		       uint64_t mode)
{
	struct uf_io_zeropage zero = {{dst, npages * SIM_PAGE}, mode, T_KEPT};
	struct t_filled f;

	f.ret = t_ioctl(t, ctx, UF_IOC_ZEROPAGE, &zero, sizeof(zero));
	f.field = zero.zeropage;
	return f;
}

struct t_filled t_continue(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t npages,
			   uint64_t mode)
{
	struct uf_io_continue cont = {{dst, npages * SIM_PAGE}, mode, T_KEPT};
	struct t_filled f;

	f.ret = t_ioctl(t, ctx, UF_IOC_CONTINUE, &cont, sizeof(cont));
	f.field = cont.mapped;
	return f;
}

struct t_filled t_poison(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t npages,
			 uint64_t mode)
{
	struct uf_io_poison poison = {{dst, npages * SIM_PAGE}, mode, T_KEPT};
	struct t_filled f;

	f.ret = t_ioctl(t, ctx, UF_IOC_POISON, &poison, sizeof(poison));
	f.field = poison.updated;
	return f;
}

struct t_filled t_move(struct t *t, struct ufi_ctx *ctx, uint64_t dst, uint64_t src,
		       uint64_t npages, uint64_t mode)
{
	struct uf_io_move move = {dst, src, npages * SIM_PAGE, mode, T_KEPT};
	struct t_filled f;

	f.ret = t_ioctl(t, ctx, UF_IOC_MOVE, &move, sizeof(move));
	f.field = move.move;
	return f;
}

/* --- Memory --- */

uint64_t t_map(struct t *t, uint64_t npages)
{
	struct sim_object *obj = t->kind == SIM_SHARED ? ufi_sim_object(t->sim, npages) : NULL;

	return ufi_sim_map(t->sim, 0, npages, RW, t->kind, obj);
}

uint64_t t_registered_in(struct t *t, struct ufi_ctx *ctx, uint64_t npages, uint64_t mode)
{
	uint64_t addr = t_map(t, npages);

	CHECK_EQ(t_register_in(t, ctx, addr, npages, mode), 0);
	return addr;
}

uint64_t t_registered(struct t *t, struct ufi_ctx *ctx, uint64_t npages)
{
	return t_registered_in(t, ctx, npages, MISSING);
}

uint64_t t_twin(struct t *t, uint64_t addr, uint64_t npages)
{
	return ufi_sim_map(t->sim, 0, npages, RW, SIM_SHARED,
			   ufi_sim_pte(t->sim, addr)->map->object);
}

uint64_t t_next_mode(struct t *t, uint64_t with, uint64_t mode)
{
	if (mode) {
		case_close_all(t);
		ufi_sim_forget_threads(t->sim);
	}
	/* Not both, and the second only where it is asked for: it needs a feature. */
	while (++mode <= (with & RWP ? MISSING | MINOR | RWP : MISSING | WP | MINOR))
		if ((mode & with) == with && !(t->kind == SIM_ANON && (mode & MINOR)) &&
		    !((mode & WP) && (mode & RWP)))
			return mode;
	return 0;
}

bool t_page_is(struct t *t, uint64_t addr, uint8_t byte)
{
	uint8_t page[SIM_PAGE];

	ufi_sim_peek(t->sim, addr, page, sizeof(page));
	for (size_t i = 0; i < sizeof(page); i++)
		if (page[i] != byte)
			return false;
	return true;
}

/* --- Accesses --- */

enum sim_outcome t_read(struct t *t, uint64_t addr, uint8_t *value)
{
	return ufi_sim_access(t->sim, addr, UF_PROT_READ, value);
}

enum sim_outcome t_write(struct t *t, uint64_t addr, uint8_t value)
{
	return ufi_sim_access(t->sim, addr, UF_PROT_WRITE, &value);
}

uint8_t t_read_page(struct t *t, uint64_t addr)
{
	static const uint64_t offsets[] = {SIM_PAGE - 1, 0, SIM_PAGE / 2, SIM_PAGE / 2 - 1};
	uint8_t first = 0;
	uint8_t value = 0;

	for (size_t i = 0; i < UF_ARRAY_SIZE(offsets); i++) {
		CHECK_EQ(t_read(t, addr + offsets[i], &value), SIM_ACCESSED);
		if (i == 0)
			first = value;
		CHECK_EQ(value, first);
	}
	return first;
}

void t_write_protected(struct t *t, struct ufi_ctx *ctx, uint64_t addr)
{
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_WRITE);
	t_fault_at(t, ctx, addr, F_WP);
	t_waits(t, &a);
	CHECK_EQ(t_unprotect(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, 0);
	t_no_message(t, ctx);
}

void t_inaccessible(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint8_t value)
{
	struct t_access a;

	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, F_RWP);
	t_waits(t, &a);
	CHECK_EQ(t_rwunprotect(t, ctx, addr, 1), 0);
	t_ends(t, &a, SIM_ACCESSED, value);
	t_no_message(t, ctx);
}

static void case_access(struct sim *sim, void *arg)
{
	struct t_access *a = arg;

	a->outcome = ufi_sim_access(sim, a->addr, a->access, &a->value);
}

void t_access(struct t *t, struct t_access *a, uint64_t addr, uint32_t access)
{
	*a = (struct t_access){.t = t, .addr = addr, .access = access, .value = 0x5a};
	a->thread = ufi_sim_spawn(t->sim, "access", case_access, a);
}

void t_waits(struct t *t, struct t_access *a)
{
	ufi_sim_idle(t->sim);
	if (ufi_sim_gone(a->thread))
		t_fail(__FILE__, __LINE__,
		       "the access at %#llx went on (outcome %d), but should wait",
		       (unsigned long long)a->addr, (int)a->outcome);
}

void t_ends(struct t *t, struct t_access *a, enum sim_outcome outcome, int value)
{
	ufi_sim_idle(t->sim);
	if (!ufi_sim_gone(a->thread))
		t_fail(__FILE__, __LINE__, "the access at %#llx still waits",
		       (unsigned long long)a->addr);
	CHECK_EQ(a->outcome, outcome);
	if (outcome == SIM_ACCESSED && a->access != UF_PROT_WRITE)
		CHECK_EQ(a->value, value);
}

struct case_thread {
	void (*fn)(struct t *t);
	struct t *t;
};

static void case_call(struct sim *sim, void *arg)
{
	struct case_thread call = *(struct case_thread *)arg;

	free(arg);
	call.fn(call.t);
}

struct sim_thread *t_thread(struct t *t, const char *name, void (*fn)(struct t *t))
{
	struct case_thread *call = malloc(sizeof(*call));

	CHECK(call);
	*call = (struct case_thread){fn, t};
	return ufi_sim_spawn(t->sim, name, case_call, call);
}

void t_join(struct t *t, struct sim_thread **th, int n)
{
	for (int i = 0; i < n; i++)
		ufi_sim_join(t->sim, th[i]);
}

/* --- Threads that are killed --- */

struct sim_thread *t_victim(struct t *t, void (*fn)(struct t *t), uint64_t steps)
{
	struct sim_thread *th = t_thread(t, "victim", fn);

	th->kill_at = 1 + ufi_sim_random(t->sim) % steps;
	return th;
}

void t_notice(struct t *t, struct ufi_ctx *ctx)
{
	uint64_t other = t_map(t, 1);

	CHECK_EQ(t_register(t, ctx, other, 1), 0);
	CHECK_EQ(t_unregister(t, ctx, other, 1), 0);
}

void t_check_trap(struct t *t, uint64_t addr)
{
	const struct ufi_range *r = ufi_range_find(&t->sim->mm, addr);
	const struct sim_pte *pte = ufi_sim_pte(t->sim, addr);
	uint8_t state;

	if (!r) {
		CHECK_EQ(pte->trap, SIM_TRAP_NONE);
		return;
	}
	state = atomic_load(ufi_page_state(r, addr));
	CHECK(!(state & UFI_PAGE_BUSY));
	CHECK(!(state & UFI_PAGE_WP) || !(r->modes & RWP));
	if (!ufi_page_open(r, state))
		CHECK_EQ(pte->let, SIM_LET_NONE);
	else
		CHECK_EQ(pte->let, state & UFI_PAGE_WP ? SIM_LET_READ : SIM_LET_ALL);
}

/* --- Messages --- */

int64_t t_read_messages(struct t *t, struct ufi_ctx *ctx, uint64_t len, bool nonblock)
{
	struct ufi_iovec iov = {t_arg(t) + CASE_MESSAGES, len};

	return ufi_ctx_read(ctx, &iov, 1, nonblock);
}

bool t_message(struct t *t, struct ufi_ctx *ctx, bool nonblock, struct uf_msg *msg)
{
	int64_t n = t_read_messages(t, ctx, sizeof(*msg), nonblock);

	if (nonblock && n == -EAGAIN)
		return false;
	CHECK_EQ(n, sizeof(*msg));
	ufi_sim_peek(t->sim, t_arg(t) + CASE_MESSAGES, msg, sizeof(*msg));
	return true;
}

void t_no_message(struct t *t, struct ufi_ctx *ctx)
{
	struct uf_msg msg;

	ufi_sim_idle(t->sim);
	CHECK_EQ(ufi_ctx_poll(ctx, true), 0);
	CHECK(!t_message(t, ctx, true, &msg));
}

void t_fault_at(struct t *t, struct ufi_ctx *ctx, uint64_t addr, uint64_t flags)
{
	struct uf_msg msg;

	ufi_sim_idle(t->sim);
	CHECK_EQ(ufi_ctx_poll(ctx, true), UFI_POLLIN);
	CHECK(t_message(t, ctx, true, &msg));
	CHECK_EQ(msg.event, UF_EVENT_PAGEFAULT);
	CHECK_EQ(msg.arg.pagefault.address, addr);
	CHECK_EQ(msg.arg.pagefault.flags, flags);
}

uint32_t t_waiters(const struct ufi_ctx *ctx)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ctx->waiters_used; i++)
		n += atomic_load(&ctx->waiters[i].state) == UFI_WAITER_WAITING;
	return n;
}

/* --- A run --- */

/* It stays when the contexts go, and goes with the memory. */
static void case_unmap_poison(struct t *t)
{
	const struct ufi_mm *mm = &t->sim->mm;

	while (!t->killed && mm->table->n) {
		const struct ufi_range *r = mm->table->range[0];

		CHECK(!r->ctx && !r->modes);
		CHECK_EQ(ufi_sim_munmap(t->sim, r->start, (r->end - r->start) / SIM_PAGE), 0);
	}
}

static void case_main(struct sim *sim, void *arg)
{
	struct t *t = arg;

	t->c->run(t);
	case_close_all(t);
	case_unmap_poison(t);
}

/*
 * Locks that are given back wake whoever waits: where time passes only when
 * nobody can go on, no lock has been waited for until its owner was doubted.
 */
static void case_time_passed(const struct t *t)
{
	if (!t->sim->whim_odds && t->sim->now_ns >= CASE_DOUBT_NS)
		t_fail(__FILE__, __LINE__, "%llu ns have passed: a wake was lost",
		       (unsigned long long)t->sim->now_ns);
}

/* The registry's tables and the slabs of ranges stay as long as the machine. */
static void case_look_after(struct t *t)
{
	const struct sim *sim = t->sim;
	size_t table = sizeof(struct ufi_table) + sim->mm.ranges_max * sizeof(struct ufi_range *);

	case_time_passed(t);
	CHECK_EQ(sim->mm.table->n, 0);
	CHECK_EQ(ufi_sim_allocated(sim, table), 2);
	CHECK_EQ(ufi_sim_allocated(sim, 0), 2 + ufi_sim_allocated(sim, 65536));
	for (uint64_t i = 0; i < SIM_PAGES; i++)
		CHECK_EQ(sim->pte[i].trap, SIM_TRAP_NONE);
}

void t_run(const struct t_case *c, enum sim_kind kind, uint64_t seed)
{
	struct sim_options opt = {.seed = seed, .calm = seed == 0, .fail = case_sim_failed};
	struct t t = {.c = c, .kind = kind, .sim = ufi_sim_create(&opt)};

	CHECK(t.sim);
	t.arena = ufi_sim_map(t.sim, 0, SIM_THREADS * CASE_THREAD_PAGES, RW, SIM_ANON, NULL);
	ufi_sim_spawn(t.sim, "main", case_main, &t);
	ufi_sim_run(t.sim);
	if (!t.killed)
		case_look_after(&t);
	ufi_sim_destroy(t.sim);
}
