/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/api.md, and what spec/differences.md says of the handshake. */
#include "case.h"

static int api_call(struct t *t, struct ufi_ctx *ctx, struct uf_io_api *api)
{
	return t_ioctl(t, ctx, UF_IOC_API, api, sizeof(*api));
}

/* A page of its own with the structure, read-only. */
static uint64_t api_read_only(struct t *t, const struct uf_io_api *api)
{
	uint64_t addr = ufi_sim_map(t->sim, 0, 1, UF_PROT_READ, SIM_ANON, NULL);

	ufi_sim_poke(t->sim, addr, api, sizeof(*api));
	return addr;
}

static void api_unreadable(struct t *t)
{
	struct ufi_ctx *ctx = t_open_bare(t, false);
	uint64_t page = ufi_sim_map(t->sim, 0, 1, RW, SIM_ANON, NULL);

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_API, 0), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_API, page + SIM_PAGE - 16), -EFAULT);
	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_API, ~UINT64_C(7)), -EFAULT);
	CHECK_EQ(t_handshake(t, ctx, 0), 0);
}

static void api_refused(struct t *t)
{
	static const struct uf_io_api bad[] = {
		{UF_UAPI_API + 1, 0, 5},
		{0, UF_FEATURE_SIGBUS, 5},
		{UF_UAPI_API, UINT64_C(1) << 40, 5},
		{UF_UAPI_API, UF_FEATURE_SIGBUS | UINT64_C(1) << 60, 5},
		{UF_UAPI_API, UINT64_C(1) << 31, 5},
	};
	struct ufi_ctx *ctx = t_open_bare(t, false);

	for (size_t i = 0; i < UF_ARRAY_SIZE(bad); i++) {
		struct uf_io_api api = bad[i];

		CHECK_EQ(api_call(t, ctx, &api), -EINVAL);
		CHECK(!api.api && !api.features && !api.ioctls);
		CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_API, api_read_only(t, &bad[i])), -EFAULT);
	}
	CHECK_EQ(t_handshake(t, ctx, 0), 0);
}

static void api_answer(struct t *t)
{
	static const uint64_t features[] = {0, UF_FEATURE_THREAD_ID, UFI_FEATURES};

	for (size_t i = 0; i < UF_ARRAY_SIZE(features); i++) {
		struct ufi_ctx *ctx = t_open_bare(t, false);
		struct uf_io_api api = {UF_UAPI_API, features[i], 0};

		CHECK_EQ(api_call(t, ctx, &api), 0);
		CHECK_EQ(api.api, UF_UAPI_API);
		CHECK_EQ(api.features, UFI_FEATURES);
		CHECK_EQ(api.ioctls, 1ull << UF_NR_API | 1ull << UF_NR_REGISTER |
					     1ull << UF_NR_UNREGISTER | 1ull << UF_NR_SET_MODE);
	}
}

static void api_once(struct t *t)
{
	struct ufi_ctx *ctx = t_open(t, 0);
	struct uf_io_api api = {UF_UAPI_API, UF_FEATURE_SIGBUS, 5};
	struct t_access a;
	uint64_t addr;

	CHECK_EQ(api_call(t, ctx, &api), -EINVAL);
	CHECK(!api.api && !api.features && !api.ioctls);
	/* SIGBUS was not enabled by it. */
	addr = t_registered(t, ctx, 1);
	t_access(t, &a, addr, UF_PROT_READ);
	t_fault_at(t, ctx, addr, 0);
	CHECK_FILL(t_copy(t, ctx, addr, 1, 1, 0), 0, SIM_PAGE);
	t_ends(t, &a, SIM_ACCESSED, 1);
}

static void api_first_of_all(struct t *t)
{
	static const uint32_t requests[] = {UF_IOC_REGISTER,  UF_IOC_UNREGISTER,   UF_IOC_WAKE,
					    UF_IOC_COPY,      UF_IOC_ZEROPAGE,	   UF_IOC_MOVE,
					    UF_IOC_CONTINUE,  UF_IOC_WRITEPROTECT, UF_IOC_POISON,
					    UF_IOC_RWPROTECT, UF_IOC_SET_MODE};
	struct ufi_ctx *ctx = t_open_bare(t, false);

	for (size_t i = 0; i < UF_ARRAY_SIZE(requests); i++)
		CHECK_EQ(ufi_ctx_ioctl(ctx, requests[i], 0), -EINVAL);
	CHECK_EQ(t_read_messages(t, ctx, 4096, true), -EINVAL);
}

static void api_unknown_request(struct t *t)
{
	static const uint32_t requests[] = {0, UF_IOC_NEW, UF_IOC_COPY ^ 1u << 31,
					    UF_IOC_ZEROPAGE + (8u << 16)};
	struct ufi_ctx *ctx = t_open(t, 0);

	for (size_t i = 0; i < UF_ARRAY_SIZE(requests); i++)
		CHECK_EQ(ufi_ctx_ioctl(ctx, requests[i], 0), -EINVAL);
}

static void api_unwritable(struct t *t)
{
	struct ufi_ctx *ctx = t_open_bare(t, false);
	struct uf_io_api api = {UF_UAPI_API, UF_FEATURE_SIGBUS, 0};

	CHECK_EQ(ufi_ctx_ioctl(ctx, UF_IOC_API, api_read_only(t, &api)), -EFAULT);
	CHECK_EQ(t_handshake(t, ctx, 0), 0);
}

static void api_advertised(struct t *t)
{
	struct ufi_ctx *without = t_open(t, 0);
	struct ufi_ctx *with = t_open(t, UF_FEATURE_MISSING_SHMEM);

	t_registered(t, without, 1);
	t_registered(t, with, 1);
}

struct api_late {
	struct ufi_ctx *owner;
	struct ufi_ctx *ctx;
	uint64_t addr;
};

static void api_late_thread(struct t *t)
{
	struct api_late *late = t->data;

	CHECK_EQ(ufi_ctx_ioctl(late->ctx, UF_IOC_API, late->addr), 0);
}

/* The argument lies in missing memory: the call waits for it, as any system call. */
static void api_argument_missing(struct t *t)
{
	struct api_late late = {.owner = t_open(t, 0), .ctx = t_open_bare(t, false)};
	struct uf_io_api api = {UF_UAPI_API, 0, 0};
	struct sim_thread *th;

	late.addr = t_registered(t, late.owner, 1);
	t->data = &late;
	th = t_thread(t, "handshake", api_late_thread);
	t_fault_at(t, late.owner, late.addr, 0);
	ufi_sim_idle(t->sim);
	CHECK(!ufi_sim_gone(th));
	ufi_sim_poke(t->sim, t_src(t), &api, sizeof(api));
	CHECK_FILL(t_copy_from(t, late.owner, late.addr, t_src(t), SIM_PAGE, 0), 0, SIM_PAGE);
	ufi_sim_join(t->sim, th);
	ufi_sim_peek(t->sim, late.addr, &api, sizeof(api));
	CHECK_EQ(api.features, UFI_FEATURES);
}

/* It lies in two pages, and the first is gone again when the second comes: so it is waited for
 * again. */
static void api_argument_discarded(struct t *t)
{
	struct api_late late = {.owner = t_open(t, 0), .ctx = t_open_bare(t, false)};
	struct uf_io_api api = {UF_UAPI_API, 0, 0};
	uint64_t addr = t_registered(t, late.owner, 2);
	uint64_t src = t_src(t);
	struct sim_thread *th;

	late.addr = addr + SIM_PAGE - 8;
	t->data = &late;
	ufi_sim_poke(t->sim, src + SIM_PAGE - 8, &api, sizeof(api));
	th = t_thread(t, "handshake", api_late_thread);
	for (int i = 0; i < 3; i++) {
		t_fault_at(t, late.owner, addr, 0);
		CHECK_FILL(t_copy_from(t, late.owner, addr, src, SIM_PAGE, 0), 0, SIM_PAGE);
		if (i == 2)
			break;
		t_fault_at(t, late.owner, addr + SIM_PAGE, 0);
		CHECK_EQ(ufi_sim_remove(t->sim, addr, 1), 0);
		CHECK_FILL(t_copy_from(t, late.owner, addr + SIM_PAGE, src + SIM_PAGE, SIM_PAGE, 0),
			   0, SIM_PAGE);
		ufi_sim_idle(t->sim);
		CHECK(!ufi_sim_gone(th));
		if (i == 0)
			CHECK_EQ(ufi_sim_remove(t->sim, addr + SIM_PAGE, 1), 0);
	}
	ufi_sim_join(t->sim, th);
}

/* Of two handshakes at once one is made. */
struct api_race {
	struct ufi_ctx *ctx;
	int ok;
	int refused;
};

static void api_race_thread(struct t *t)
{
	struct api_race *r = t->data;
	int ret = t_handshake(t, r->ctx, 0);

	r->ok += ret == 0;
	r->refused += ret == -EINVAL;
}

static void api_two_at_once(struct t *t)
{
	struct api_race r = {.ctx = t_open_bare(t, false)};
	struct sim_thread *th[2];

	t->data = &r;
	for (int i = 0; i < 2; i++)
		th[i] = t_thread(t, "handshake", api_race_thread);
	for (int i = 0; i < 2; i++)
		ufi_sim_join(t->sim, th[i]);
	CHECK_EQ(r.ok, 1);
	CHECK_EQ(r.refused, 1);
}

/* Who may not trace others may not follow forks; which other bits there are does not matter. */
static void api_event_fork(struct t *t)
{
	static const uint64_t more[] = {0, UFI_FEATURES | UINT64_C(1) << 41, UINT64_C(1) << 40};
	struct ufi_ctx *ctx = t_open_bare(t, false);

	for (size_t i = 0; i < UF_ARRAY_SIZE(more); i++) {
		struct uf_io_api api = {UF_UAPI_API, UF_FEATURE_EVENT_FORK | more[i], 5};

		t->sim->unprivileged = i != 1;
		CHECK_EQ(api_call(t, ctx, &api), i == 1 ? -EINVAL : -EPERM);
		CHECK(!api.api && !api.features && !api.ioctls);
	}
	CHECK_EQ(t_handshake(t, ctx, 0), 0);
}

const struct t_case handshake_cases[] = {
	CASE("api.1", api_unreadable, T_ONCE),
	CASE("api.2, api.3, api.4", api_refused, T_ONCE),
	CASE("api.5", api_answer, T_ONCE),
	CASE("api.6", api_once, T_ALL),
	CASE("api.7", api_first_of_all, T_ONCE),
	CASE("api.8", api_unknown_request, T_ONCE),
	CASE("api.9, api.3", api_event_fork, T_ONCE),
	CASE("api.10", api_unwritable, T_ONCE),
	CASE("api.11", api_advertised, T_ALL),
	CASE("api.1, fault.13", api_argument_missing, T_ALL),
	CASE("api.1, fault.13", api_argument_discarded, T_ALL),
	CASE_RACE("api.6", api_two_at_once, T_ONCE),
	{0},
};
