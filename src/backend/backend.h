/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seam A: "a userfaultfd". Implementations: kernel.c passes through to Linux,
 * engine.c is ours, remote.c asks the engine of another process. Decorators (tracing, error
 * injection) wrap any of them.
 *
 * What holds for every callback:
 *
 * - It returns 0, a count, or -errno; errno is untouched or meaningless.
 * - ioctl, readv and poll are MT-Safe and AS-Safe; open and close are not
 *   AS-Safe, neither is share. close is called once, when no other call is under way.
 * - FD is the descriptor the caller used: the one that open returned or a
 *   duplicate of it. Whether it blocks is the descriptor's own O_NONBLOCK.
 */
#ifndef UF_BACKEND_BACKEND_H
#define UF_BACKEND_BACKEND_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "userfault.h"

struct uf_backend_open {
	int flags; /* O_CLOEXEC, O_NONBLOCK, UF_USER_MODE_ONLY; checked */
	enum uf_trap_choice trap;
	enum uf_fill_choice fill;
	/* Never NULL: formats one line for the handle's log. Not AS-Safe. */
	void (*log)(void *arg, enum uf_log_level level, const char *fmt, ...)
		__attribute__((format(printf, 3, 4)));
	void *log_arg;
};

struct uf_backend_ops {
	const char *name;
	enum uf_backend kind;

	/*
	 * A new userfaultfd. *CTX is returned to the caller, who gives it to the
	 * other callbacks; *FD is a new descriptor that the caller owns and
	 * closes before close(). Inverse: close.
	 */
	int (*open)(const struct uf_backend_open *args, void **ctx, int *fd);

	/* The ioctl with the kernel's exact behaviour. ARG is checked, not trusted. */
	int (*ioctl)(void *ctx, int fd, uint32_t request, uintptr_t arg);

	/*
	 * readv. DONTWAIT: as with RWF_NOWAIT, besides the descriptor's own
	 * O_NONBLOCK.
	 */
	ssize_t (*readv)(void *ctx, int fd, const struct iovec *iov, int niov, bool dontwait);

	/* Bits of poll(2), at once. */
	short (*poll)(void *ctx, int fd);

	/* From now on FD is of use to a process that has received it. */
	int (*share)(void *ctx, int fd);

	void (*close)(void *ctx);
};

/*
 * Every way in which the kernel says "not here", as opposed to something being
 * wrong with the call. ERR is negative.
 */
static inline bool uf_backend_refused(long err)
{
	return err == -EPERM || err == -EACCES || err == -ENOENT || err == -ENOSYS ||
	       err == -ENXIO || err == -ENODEV || err == -ENOTTY || err == -ENOTSUP;
}

extern const struct uf_backend_ops uf_backend_kernel;
extern const struct uf_backend_ops uf_backend_engine;
/* Its contexts are made by adoption, and not opened. */
extern const struct uf_backend_ops uf_backend_remote;

/*
 * FD, which has come from another process, is what *OPS say with *CTX; it stays
 * the caller's. Not AS-Safe.
 *	-EINVAL	it is no userfaultfd, or none that has been shared
 *	-EPROTONOSUPPORT, -EBUSY, -EMFILE, -ENFILE, -ENOMEM
 */
int uf_backend_adopt(int fd, const struct uf_backend_ops **ops, void **ctx) UF_CHECK;

struct ufi_mm;

/*
 * ufi_host_start, for whom adopted handles may come later: a thread that forks waits
 * in the machine's handler, and what the handlers of adoption lock is free by then.
 */
int uf_backend_start(struct ufi_mm **mm, const char **why) UF_CHECK;

/* Is the context of use to a fork child, which has inherited its descriptor? AS-Safe. */
bool uf_backend_inherits(const struct uf_backend_ops *ops, void *ctx);

/* In a fork child that libc's handlers may not know of: what is adopted goes on working. */
void uf_backend_forked(void);

#endif
