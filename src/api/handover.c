/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the calls by which a userfaultfd goes to another process and is used there. */
#include <stdlib.h>

#include "api/handle.h"

int uf_share(struct uf *uf)
{
	return uf->ops->share(uf->ctx, uf->fd);
}

/* spec: handover.13 */
int uf_adopt(int fd, const struct uf_options *options, struct uf **out)
{
	struct uf_options opt;
	struct uf *uf;
	int err;

	if (!out || ufi_options(options, &opt))
		return -EINVAL;
	uf = calloc(1, sizeof(*uf));
	if (!uf)
		return -ENOMEM;
	err = uf_backend_adopt(fd, &uf->ops, &uf->ctx);
	if (!err && opt.backend != UF_BACKEND_AUTO && opt.backend != uf->ops->kind) {
		uf->ops->close(uf->ctx);
		err = -EINVAL;
	}
	if (err) {
		free(uf);
		return err;
	}
	uf->fd = fd;
	uf->line = -1;
	uf->log = opt.log;
	uf->log_arg = opt.log_arg;
	ufi_log(uf, UF_LOG_INFO, "descriptor %d: %s", fd, uf->ops->name);
	*out = uf;
	return 0;
}
