/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/api.md */
#include "suites.h"

#define API_IOCTLS                                                                                 \
	(UINT64_C(1) << UF_NR_API | UINT64_C(1) << UF_NR_REGISTER | UINT64_C(1) << UF_NR_UNREGISTER)
#define API_ENGINE                                                                                 \
	(UF_FEATURE_PAGEFAULT_FLAG_WP | UF_FEATURE_EVENT_FORK | UF_FEATURE_EVENT_REMAP |           \
	 UF_FEATURE_EVENT_REMOVE | UF_FEATURE_MISSING_HUGETLBFS | UF_FEATURE_MISSING_SHMEM |       \
	 UF_FEATURE_EVENT_UNMAP | UF_FEATURE_SIGBUS | UF_FEATURE_THREAD_ID |                       \
	 UF_FEATURE_MINOR_HUGETLBFS | UF_FEATURE_MINOR_SHMEM | UF_FEATURE_EXACT_ADDRESS |          \
	 UF_FEATURE_WP_HUGETLBFS_SHMEM | UF_FEATURE_WP_UNPOPULATED | UF_FEATURE_POISON |           \
	 UF_FEATURE_WP_ASYNC | UF_FEATURE_MOVE)
/* Of Linux since 7.3, and of the engine; the second one needs the first. */
#define API_NEWER (UF_FEATURE_RWP | UF_FEATURE_RWP_ASYNC)
#define API_UNKNOWN (UINT64_C(1) << 40)

/* The handshake as it is, everything else in the structure telling if it is overwritten. */
static int api_call(struct uf *uf, uint64_t version, uint64_t features, struct uf_io_api *api)
{
	*api = (struct uf_io_api){.api = version, .features = features, .ioctls = 0x1234};
	return uf_ioctl(uf, UF_IOC_API, api);
}

static void api_check_zero(const struct uf_io_api *api)
{
	CHECK_EQ(api->api, 0);
	CHECK_EQ(api->features, 0);
	CHECK_EQ(api->ioctls, 0);
}

/* Does the handle do what needs a handshake? */
static void api_check_ready(struct t *t, struct uf *uf, bool ready)
{
	struct uf_io_range range = {(uintptr_t)t, t->page};

	range.start &= ~(uint64_t)(t->page - 1);
	CHECK_RET(uf_ioctl(uf, UF_IOC_WAKE, &range), ready ? 0 : -EINVAL);
}

static void api_unreadable(struct t *t)
{
	struct uf *uf = t_open_bare(t, 0);
	char *buffer = t_buffer(t, 1);
	struct uf_io_api api;

	CHECK_RET(uf_ioctl(uf, UF_IOC_API, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_API, (void *)-1), -EFAULT);
	/* Its last bytes are not there. */
	CHECK_RET(uf_ioctl(uf, UF_IOC_API, buffer + t->page - 16), -EFAULT);
	api_check_ready(t, uf, false);
	CHECK_RET(api_call(uf, UF_UAPI_API, 0, &api), 0);
	CHECK_RET(uf_ioctl(uf, UF_IOC_API, NULL), -EFAULT);
	api_check_ready(t, uf, true);
}

static void api_version(struct t *t)
{
	struct uf *uf = t_open_bare(t, 0);
	struct uf_io_api api;

	CHECK_RET(api_call(uf, 0, 0, &api), -EINVAL);
	api_check_zero(&api);
	CHECK_RET(api_call(uf, UF_UAPI_API | UINT64_C(1) << 32, 0, &api), -EINVAL);
	api_check_zero(&api);
	api_check_ready(t, uf, false);
	CHECK_RET(api_call(uf, UF_UAPI_API, 0, &api), 0);
}

static void api_unknown_feature(struct t *t)
{
	struct uf *uf = t_open_bare(t, 0);
	struct uf_io_api api;

	CHECK_RET(api_call(uf, UF_UAPI_API, API_UNKNOWN, &api), -EINVAL);
	api_check_zero(&api);
	CHECK_RET(api_call(uf, UF_UAPI_API, UF_FEATURE_THREAD_ID | API_UNKNOWN, &api), -EINVAL);
	api_check_zero(&api);
	api_check_ready(t, uf, false);
	CHECK_RET(uf_api(uf, UF_FEATURE_THREAD_ID, NULL, NULL), 0);
	CHECK_RET(api_call(uf, UF_UAPI_API, API_UNKNOWN, &api), -EINVAL);
	api_check_zero(&api);
	api_check_ready(t, uf, true);
}

static void api_each_feature(struct t *t)
{
	for (int bit = 0; bit < 64; bit++) {
		uint64_t feature = UINT64_C(1) << bit;
		struct uf *uf = t_open_bare(t, 0);
		struct uf_io_api api;
		int ret = api_call(uf, UF_UAPI_API, feature, &api);

		if (t_engine(t) && ret != -EPERM) /* difference 1 */
			CHECK_RET(ret, feature & (API_ENGINE | UF_FEATURE_RWP) ? 0 : -EINVAL);
		else if (ret == 0)
			CHECK_EQ(api.features & feature, feature);
		else
			api_check_zero(&api);
		if ((feature & API_ENGINE) && ret != -EPERM)
			CHECK_RET(ret, 0);
		if (ret == -EPERM) /* api.9 */
			CHECK_EQ(feature, UF_FEATURE_EVENT_FORK);
		t_close(t, uf);
	}
}

static void api_answer(struct t *t)
{
	struct uf *uf = t_open_bare(t, 0);
	struct uf_io_api api;

	CHECK_RET(api_call(uf, UF_UAPI_API, UF_FEATURE_EXACT_ADDRESS, &api), 0);
	CHECK_EQ(api.api, UF_UAPI_API);
	CHECK_EQ(api.features & API_ENGINE, API_ENGINE);
	CHECK_EQ(api.ioctls & API_IOCTLS, API_IOCTLS);
	if (t_engine(t)) {
		CHECK_EQ(api.features, API_ENGINE | API_NEWER);
		CHECK_EQ(api.ioctls, API_IOCTLS | UINT64_C(1) << UF_NR_SET_MODE);
	}
}

static void api_function_answer(struct t *t)
{
	struct uf *uf = t_open_bare(t, 0);
	uint64_t have = 0;
	uint64_t ioctls = 0;

	CHECK_RET(uf_api(uf, 0, &have, &ioctls), 0);
	CHECK_EQ(have & API_ENGINE, API_ENGINE);
	CHECK_EQ(ioctls & API_IOCTLS, API_IOCTLS);
	CHECK_RET(uf_api(uf, 0, &have, &ioctls), -EINVAL);
}

static void api_once(struct t *t)
{
	struct uf *uf = t_open_bare(t, 0);
	struct t_thread th;
	struct uf_io_api api;
	char *addr;

	CHECK_RET(api_call(uf, UF_UAPI_API, 0, &api), 0);
	CHECK_RET(api_call(uf, UF_UAPI_API, 0, &api), -EINVAL);
	api_check_zero(&api);
	CHECK_RET(api_call(uf, UF_UAPI_API, UF_FEATURE_EXACT_ADDRESS, &api), -EINVAL);
	api_check_zero(&api);
	CHECK_RET(api_call(uf, 0, 0, &api), -EINVAL);
	api_check_zero(&api);

	/* The first set of features stays: the address is not exact. */
	addr = t_registered(t, uf, 1);
	t_thread_access(t, &th, addr + 7, T_READ);
	t_fault_at(uf, addr, 0);
	t_fill(t, uf, addr, 1, 0);
	t_thread_join(t, &th, 0);
}

static void api_first_of_all(struct t *t)
{
	static const uint32_t requests[] = {
		UF_IOC_REGISTER,     UF_IOC_UNREGISTER, UF_IOC_WAKE,	UF_IOC_COPY,
		UF_IOC_ZEROPAGE,     UF_IOC_MOVE,	UF_IOC_POISON,	UF_IOC_CONTINUE,
		UF_IOC_WRITEPROTECT, UF_IOC_RWPROTECT,	UF_IOC_SET_MODE};
	struct uf *uf = t_open_bare(t, 0);
	char *addr = t_map(t, 1);

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		CHECK_RET(uf_ioctl(uf, requests[i], NULL), -EINVAL);
	CHECK_RET(uf_register(uf, addr, t->page, UF_REGISTER_MODE_MISSING, NULL), -EINVAL);
	CHECK_RET(uf_unregister(uf, addr, t->page), -EINVAL);
	CHECK_RET(uf_wake(uf, addr, t->page), -EINVAL);
	CHECK_RET(uf_copy(uf, addr, addr, t->page, 0, NULL), -EINVAL);
	CHECK_RET(uf_zeropage(uf, addr, t->page, 0, NULL), -EINVAL);
}

static void api_unknown_request(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	struct uf_io_copy copy = {.dst = (uintptr_t)addr, .src = (uintptr_t)addr, .len = t->page};
	struct uf_io_range range = {(uintptr_t)addr, t->page};

	CHECK_RET(uf_ioctl(uf, 0, NULL), -EINVAL);
	CHECK_RET(uf_ioctl(uf, UF_IOC(3, 0x20, struct uf_io_api), &range), -EINVAL);
	/* Another size, another direction, another type. */
	CHECK_RET(uf_ioctl(uf, UF_IOC(3, UF_NR_COPY, struct uf_io_range), &copy), -EINVAL);
	CHECK_RET(uf_ioctl(uf, UF_IOC(2, UF_NR_COPY, struct uf_io_copy), &copy), -EINVAL);
	CHECK_RET(uf_ioctl(uf, UF_IOC(1, UF_NR_WAKE, struct uf_io_range), &range), -EINVAL);
	CHECK_RET(uf_ioctl(uf, UF_IOC_WAKE ^ 0x100, &range), -EINVAL);
	CHECK_RET(uf_ioctl(uf, UF_IOC_WAKE, &range), 0);
}

/* What the engine lacks is told nowhere and refused everywhere: differences 2 and 3. */
static void api_lacking_request(struct t *t)
{
	static const uint32_t requests[] = {UF_IOC_MOVE, UF_IOC_POISON, UF_IOC_CONTINUE,
					    UF_IOC_WRITEPROTECT};
	struct uf *uf = t_open(t, 0, 0);
	char zero[64] = {0};

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		CHECK_RET(uf_ioctl(uf, requests[i], zero), -EINVAL);
	CHECK_RET(uf_ioctl(uf, UF_IOC_RWPROTECT, zero), -EINVAL);
}

static void api_event_fork_child(struct t *t, void *arg)
{
	struct uf_io_api api;
	struct uf *uf;

	t_drop_privileges();
	uf = t_open_bare(t, UF_USER_MODE_ONLY);
	CHECK_RET(api_call(uf, UF_UAPI_API, UF_FEATURE_EVENT_FORK, &api), -EPERM);
	api_check_zero(&api);
	CHECK_RET(api_call(uf, UF_UAPI_API, UF_FEATURE_EVENT_FORK | API_UNKNOWN, &api), -EPERM);
	api_check_zero(&api);
	CHECK_RET(api_call(uf, 0, UF_FEATURE_EVENT_FORK, &api), -EINVAL);
	CHECK_RET(api_call(uf, UF_UAPI_API, 0, &api), 0);
}

static void api_event_fork(struct t *t)
{
	t_open_bare(t, 0);
	CHECK_EQ(t_wait(t_fork(t, api_event_fork_child, NULL)), 0);
}

static void api_unwritable(struct t *t)
{
	struct uf *uf = t_open_bare(t, 0);
	struct uf_io_api *api = (struct uf_io_api *)t_buffer(t, 1);
	struct uf_io_api good;

	api->api = UF_UAPI_API;
	CHECK_EQ(mprotect(api, t->page, PROT_READ), 0);
	CHECK_RET(uf_ioctl(uf, UF_IOC_API, api), -EFAULT);
	CHECK_EQ(api->api, UF_UAPI_API);
	CHECK_EQ(api->ioctls, 0);
	api_check_ready(t, uf, false);
	CHECK_RET(api_call(uf, UF_UAPI_API, 0, &good), 0);
	/* A refusal that cannot be written. */
	CHECK_RET(uf_ioctl(uf, UF_IOC_API, api), -EFAULT);
	CHECK_EQ(mprotect(api, t->page, PROT_READ | PROT_WRITE), 0);
	api->api = 1;
	CHECK_EQ(mprotect(api, t->page, PROT_READ), 0);
	CHECK_RET(uf_ioctl(uf, UF_IOC_API, api), -EFAULT);
	api_check_ready(t, uf, true);
}

/* Fault and fill with no feature enabled at all. */
static void api_advertisements(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_registered(t, uf, 1);
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	t_fill(t, uf, addr, 9, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 9);
}

/* Enabled or not. */
static void api_more_advertisements(struct t *t)
{
	static const uint64_t told = UF_FEATURE_PAGEFAULT_FLAG_WP | UF_FEATURE_WP_HUGETLBFS_SHMEM |
				     UF_FEATURE_MINOR_SHMEM | UF_FEATURE_POISON;
	struct uf *probe = t_open_bare(t, 0);
	size_t page = t->page;
	uint64_t have;

	t_needs_features(t, told);
	CHECK_RET(uf_api(probe, 0, &have, NULL), 0);
	for (int with = 0; with < 2; with++) {
		struct uf *uf = t_open(t, 0, with ? told & have : 0);
		char *addr = t_registered_mode(t, uf, 2, UF_REGISTER_MODE_WP);

		*addr = 1;
		t_protect(uf, addr, page);
		t_is_protected(t, uf, addr);
		t_poison(uf, addr + page, page);
		t_is_poisoned(t, addr + page);
		if (t_backed(t)) {
			CHECK_RET(uf_unregister(uf, addr, 2 * page), 0);
			t_register_mode(uf, addr, 2 * page, UF_REGISTER_MODE_MINOR);
			CHECK_RET(uf_madvise(addr, page, MADV_DONTNEED), 0);
			t_is_minor(t, uf, addr, t_shared(t) ? T_MARK : 0);
		}
	}
}

static void api_features_asked(struct t *t)
{
	const uint64_t all = (UF_FEATURE_RWP_ASYNC << 1) - 1;
	struct uf *uf = t_open_bare(t, 0);
	uint64_t told = 0;
	uint64_t have = 1;
	uint64_t engine;
	uint64_t adds = 1;

	CHECK_RET(uf_api(uf, 0, &told, NULL), 0);
	CHECK_RET(uf_features(UF_BACKEND_ENGINE, &engine, &adds), 0);
	CHECK_EQ(adds, 0);
	CHECK_EQ(engine & ~all, 0);
	CHECK_RET(uf_features(t->target->backend, &have, NULL), 0);
	CHECK_EQ(have, told);
	CHECK_RET(uf_features(t->target->backend, &have, &adds), 0);
	CHECK_EQ(adds, engine & ~told);
	CHECK_RET(uf_features((enum uf_backend)(UF_BACKEND_ENGINE + 1), &have, &adds), -EINVAL);
	CHECK_RET(uf_features(UF_BACKEND_ENGINE, NULL, &adds), -EINVAL);
}

const struct t_case api_cases[] = {
	CASE("api.1", api_unreadable, T_ONCE),
	CASE("api.2, api.3", api_version, T_ONCE),
	CASE("api.4, api.3", api_unknown_feature, T_ONCE),
	CASE("api.4", api_each_feature, T_ONCE),
	CASE("api.5", api_answer, T_ONCE),
	CASE("api.5", api_function_answer, T_ONCE),
	CASE("api.5", api_features_asked, T_ONCE),
	CASE("api.6", api_once, T_ONCE),
	CASE("api.7", api_first_of_all, T_ONCE),
	CASE("api.8", api_unknown_request, T_ALL),
	CASE("api.8", api_lacking_request, T_ONCE),
	CASE("api.9, api.3", api_event_fork, T_ONCE),
	CASE("api.10, api.3", api_unwritable, T_ONCE),
	CASE("api.11", api_advertisements, T_BACKED),
	CASE("api.12", api_more_advertisements, T_ALL),
	{0},
};
