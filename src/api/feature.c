/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the feature bits: their names, and which of them a backend has here. */
#include <errno.h>
#include <fcntl.h>

#include "base/compiler.h"
#include "userfault.h"

static const char *const feature_names[] = {
	"PAGEFAULT_FLAG_WP",
	"EVENT_FORK",
	"EVENT_REMAP",
	"EVENT_REMOVE",
	"MISSING_HUGETLBFS",
	"MISSING_SHMEM",
	"EVENT_UNMAP",
	"SIGBUS",
	"THREAD_ID",
	"MINOR_HUGETLBFS",
	"MINOR_SHMEM",
	"EXACT_ADDRESS",
	"WP_HUGETLBFS_SHMEM",
	"WP_UNPOPULATED",
	"POISON",
	"WP_ASYNC",
	"MOVE",
	"RWP",
	"RWP_ASYNC",
};

const char *uf_feature_name(uint64_t bit)
{
	for (size_t i = 0; i < UF_ARRAY_SIZE(feature_names); i++) {
		if (bit == UINT64_C(1) << i)
			return feature_names[i];
	}
	return NULL;
}

/* Of a userfaultfd made for the question; the kernel allows most people no more than this one. */
static int features_ask(enum uf_backend backend, uint64_t *have)
{
	const struct uf_options opt = {.struct_size = sizeof(opt), .backend = backend};
	struct uf *uf;
	int err = uf_open(&opt, O_CLOEXEC, &uf);

	*have = 0;
	/* Not at once: for such a handle the machine is started. */
	if (err == -EPERM && backend == UF_BACKEND_KERNEL)
		err = uf_open(&opt, O_CLOEXEC | UF_USER_MODE_ONLY, &uf);
	if (err)
		return err;
	err = uf_api(uf, 0, have, NULL);
	uf_close(uf);
	return err;
}

int uf_features(enum uf_backend backend, uint64_t *have, uint64_t *engine_adds)
{
	uint64_t engine = 0;
	int err;

	if (!have || (unsigned int)backend > UF_BACKEND_ENGINE)
		return -EINVAL;
	err = features_ask(backend, have);
	if (!engine_adds)
		return err;
	if (backend != UF_BACKEND_ENGINE)
		(void)!features_ask(UF_BACKEND_ENGINE, &engine);
	*engine_adds = engine & ~*have;
	return err;
}
