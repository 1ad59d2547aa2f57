/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a handle is, for those inside the library that need more than the
 * public API: the shim, which has descriptors where a program has handles.
 */
#ifndef UF_API_HANDLE_H
#define UF_API_HANDLE_H

#include "backend/backend.h"
#include "base/compiler.h"

struct uf {
	const struct uf_backend_ops *ops;
	void *ctx;
	int fd;
	int line; /* by which it came: uf_attach; or -1 */
	uf_log_fn *log;
	void *log_arg;
};

/*
 * A line for people, through the handle's callback if it has one. The shim's
 * and the library's only way to say something.
 */
void ufi_log(void *uf, enum uf_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The program's options as this version has them, whichever version it was built with. */
int ufi_options(const struct uf_options *given, struct uf_options *opt) UF_MUST_USE;

#endif
