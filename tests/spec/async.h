/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of spec/async.md share. */
#ifndef UF_TESTS_ASYNC_H
#define UF_TESTS_ASYNC_H

#include "scan.h"

#define ASYNC_BOTH (UF_REGISTER_MODE_MISSING | UF_REGISTER_MODE_WP)

static inline uint64_t async_written(struct t *t, const char *addr, size_t npages)
{
	return scan_pages(t, addr, npages, UF_PAGE_IS_WRITTEN);
}

static inline void async_protect(struct t *t, struct uf *uf, char *addr, size_t npages)
{
	CHECK_RET(uf_writeprotect(uf, addr, npages * t->page, UF_WRITEPROTECT_MODE_WP), 0);
}

#endif
