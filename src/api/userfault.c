/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the handle: which backend it has, and the calls of <userfault.h> that
 * go to it. Every call but uf_ioctl is an ioctl with its structure made here,
 * so that both backends check the same arguments in the same order.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "base/compiler.h"
#include "mmu/host/host.h"
#include "mmu/host/sys.h"

/* What the first version had. */
#define OPTIONS_FIRST (offsetof(struct uf_options, log_arg) + sizeof(void *))

#define OPEN_FLAGS (O_CLOEXEC | O_NONBLOCK | UF_USER_MODE_ONLY)

const char *uf_version(void)
{
	return UF_VERSION;
}

void ufi_log(void *arg, enum uf_log_level level, const char *fmt, ...)
{
	const struct uf *uf = arg;
	char line[512];
	va_list ap;

	if (!uf->log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	uf->log(uf->log_arg, level, line);
}

int ufi_options(const struct uf_options *given, struct uf_options *opt)
{
	static const struct uf_options defaults = UF_OPTIONS_INIT;
	const unsigned char *bytes = (const unsigned char *)given;
	size_t known = sizeof(*opt);

	*opt = defaults;
	if (!given)
		return 0;
	if (given->struct_size < OPTIONS_FIRST)
		return -EINVAL;
	for (size_t i = known; i < given->struct_size; i++) {
		if (bytes[i])
			return -EINVAL;
	}
	memcpy(opt, given, given->struct_size < known ? given->struct_size : known);
	return 0;
}

/* spec: open.1 */
static int open_check(const struct uf_options *opt, int flags)
{
	if (flags & ~OPEN_FLAGS)
		return -EINVAL;
	if ((unsigned int)opt->backend > UF_BACKEND_ENGINE ||
	    (unsigned int)opt->trap > UF_TRAP_CHOICE_GUARD ||
	    (unsigned int)opt->fill > UF_FILL_CHOICE_MREMAP)
		return -EINVAL;
	return 0;
}

/*
 * Would another backend help? The flags were found good, so EINVAL is that of a
 * kernel which does not know UF_USER_MODE_ONLY.
 */
static bool open_refused(int err)
{
	return err != -EMFILE && err != -ENFILE && err != -ENOMEM;
}

static int open_backend(struct uf *uf, const struct uf_backend_ops *ops,
			const struct uf_backend_open *args)
{
	int err = ops->open(args, &uf->ctx, &uf->fd);

	if (!err)
		uf->ops = ops;
	return err;
}

/* The kernel's own accesses fail there, and only the machine can make them from user code. */
static void open_prepare_touch(struct uf *uf)
{
	struct ufi_mm *mm;
	const char *why;
	int err = uf_backend_start(&mm, &why);

	if (err)
		ufi_log(uf, UF_LOG_WARNING, "uf_touch will not work here: %s", why);
}

static int open_any(struct uf *uf, enum uf_backend backend, const struct uf_backend_open *args)
{
	int err = -ENOSYS;

	if (backend != UF_BACKEND_ENGINE)
		err = open_backend(uf, &uf_backend_kernel, args);
	if (!err || backend == UF_BACKEND_KERNEL)
		return err;
	if (backend == UF_BACKEND_AUTO) {
		if (!open_refused(err))
			return err;
		ufi_log(uf, UF_LOG_INFO, "the kernel refuses a userfaultfd (error %d)", -err);
	}
	return open_backend(uf, &uf_backend_engine, args);
}

int uf_open(const struct uf_options *options, int flags, struct uf **out)
{
	struct uf_backend_open args;
	struct uf_options opt;
	struct uf *uf;
	int err;

	if (!out || ufi_options(options, &opt) || open_check(&opt, flags))
		return -EINVAL;
	uf = calloc(1, sizeof(*uf));
	if (!uf)
		return -ENOMEM;
	uf->line = -1;
	uf->log = opt.log;
	uf->log_arg = opt.log_arg;
	args = (struct uf_backend_open){
		.flags = flags, .trap = opt.trap, .fill = opt.fill, .log = ufi_log, .log_arg = uf};
	err = open_any(uf, opt.backend, &args);
	if (err) {
		free(uf);
		return err;
	}
	if (uf->ops == &uf_backend_kernel && (flags & UF_USER_MODE_ONLY))
		open_prepare_touch(uf);
	ufi_log(uf, UF_LOG_INFO, "descriptor %d: %s", uf->fd, uf->ops->name);
	*out = uf;
	return 0;
}

/* spec: close.3 */
void uf_close(struct uf *uf)
{
	if (!uf)
		return;
	UF_SYS1(SYS_close, uf->fd);
	uf->ops->close(uf->ctx);
	if (uf->line >= 0)
		UF_SYS1(SYS_close, uf->line);
	free(uf);
}

enum uf_backend uf_backend(const struct uf *uf)
{
	return uf->ops->kind;
}

int uf_fd(const struct uf *uf)
{
	return uf->fd;
}

int uf_ioctl(struct uf *uf, unsigned long request, void *arg)
{
	/* The kernel, too, looks at 32 bits of the request. */
	return uf->ops->ioctl(uf->ctx, uf->fd, (uint32_t)request, (uintptr_t)arg);
}

int uf_api(struct uf *uf, uint64_t features, uint64_t *have, uint64_t *ioctls)
{
	struct uf_io_api api = {.api = UF_UAPI_API, .features = features};
	int err = uf_ioctl(uf, UF_IOC_API, &api);

	if (err)
		return err;
	if (have)
		*have = api.features;
	if (ioctls)
		*ioctls = api.ioctls;
	return 0;
}

static struct uf_io_range range_of(void *addr, size_t len)
{
	return (struct uf_io_range){.start = (uintptr_t)addr, .len = len};
}

int uf_register(struct uf *uf, void *addr, size_t len, uint64_t mode, uint64_t *ioctls)
{
	struct uf_io_register reg = {.range = range_of(addr, len), .mode = mode};
	int err = uf_ioctl(uf, UF_IOC_REGISTER, &reg);

	if (!err && ioctls)
		*ioctls = reg.ioctls;
	return err;
}

int uf_unregister(struct uf *uf, void *addr, size_t len)
{
	struct uf_io_range range = range_of(addr, len);

	return uf_ioctl(uf, UF_IOC_UNREGISTER, &range);
}

ssize_t uf_read(struct uf *uf, struct uf_msg *msgs, size_t n)
{
	/* No read returns more than this. */
	const size_t most = INT_MAX / sizeof(*msgs);
	struct iovec iov = {.iov_base = msgs, .iov_len = (n < most ? n : most) * sizeof(*msgs)};
	ssize_t got = uf->ops->readv(uf->ctx, uf->fd, &iov, 1, false);

	return got < 0 ? got : got / (ssize_t)sizeof(*msgs);
}

short uf_poll(struct uf *uf)
{
	return uf->ops->poll(uf->ctx, uf->fd);
}

/* Bytes done, of the field in which the ioctls that resolve faults report them. */
static int resolved(int err, int64_t field, size_t *done)
{
	if (done)
		*done = field > 0 ? (size_t)field : 0;
	return err;
}

int uf_copy(struct uf *uf, void *dst, const void *src, size_t len, uint64_t mode, size_t *done)
{
	struct uf_io_copy copy = {
		.dst = (uintptr_t)dst, .src = (uintptr_t)src, .len = len, .mode = mode};
	int err = uf_ioctl(uf, UF_IOC_COPY, &copy);

	return resolved(err, copy.copy, done);
}

int uf_zeropage(struct uf *uf, void *addr, size_t len, uint64_t mode, size_t *done)
{
	struct uf_io_zeropage zero = {.range = range_of(addr, len), .mode = mode};
	int err = uf_ioctl(uf, UF_IOC_ZEROPAGE, &zero);

	return resolved(err, zero.zeropage, done);
}

int uf_continue(struct uf *uf, void *addr, size_t len, uint64_t mode, size_t *done)
{
	struct uf_io_continue cont = {.range = range_of(addr, len), .mode = mode};
	int err = uf_ioctl(uf, UF_IOC_CONTINUE, &cont);

	return resolved(err, cont.mapped, done);
}

int uf_poison(struct uf *uf, void *addr, size_t len, uint64_t mode, size_t *done)
{
	struct uf_io_poison poison = {.range = range_of(addr, len), .mode = mode};
	int err = uf_ioctl(uf, UF_IOC_POISON, &poison);

	return resolved(err, poison.updated, done);
}

int uf_writeprotect(struct uf *uf, void *addr, size_t len, uint64_t mode)
{
	struct uf_io_writeprotect wp = {.range = range_of(addr, len), .mode = mode};

	return uf_ioctl(uf, UF_IOC_WRITEPROTECT, &wp);
}

int uf_rwprotect(struct uf *uf, void *addr, size_t len, uint64_t mode)
{
	struct uf_io_rwprotect rwp = {.range = range_of(addr, len), .mode = mode};

	return uf_ioctl(uf, UF_IOC_RWPROTECT, &rwp);
}

int uf_set_mode(struct uf *uf, uint64_t enable, uint64_t disable)
{
	struct uf_io_set_mode set = {.enable = enable, .disable = disable};

	return uf_ioctl(uf, UF_IOC_SET_MODE, &set);
}

int uf_move(struct uf *uf, void *dst, void *src, size_t len, uint64_t mode, size_t *done)
{
	struct uf_io_move move = {
		.dst = (uintptr_t)dst, .src = (uintptr_t)src, .len = len, .mode = mode};
	int err = uf_ioctl(uf, UF_IOC_MOVE, &move);

	return resolved(err, move.move, done);
}

int uf_wake(struct uf *uf, void *addr, size_t len)
{
	struct uf_io_range range = range_of(addr, len);

	return uf_ioctl(uf, UF_IOC_WAKE, &range);
}
