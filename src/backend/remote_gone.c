/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what the ioctls answer when the process whose memory it is about is
 * dead: they are judged as ever, and then there is no memory. The kernel keeps
 * a userfaultfd that outlives its memory, and so does this.
 */
#include <fcntl.h>
#include <string.h>

#include "backend/remote.h"
#include "mmu/host/internal.h"

static int gone_copy_in(struct uf_mmu *mmu, void *to, uint64_t from, size_t n)
{
	memcpy(to, host_ptr(from), n);
	return 0;
}

/* All that decoding an argument of our own needs. */
static const struct uf_mmu_ops gone_ops = {
	.name = "gone",
	.copy_in = gone_copy_in,
};

/* Where there is no such call: through a pipe. */
static int gone_carry_by_pipe(void *to, const void *from, size_t n)
{
	int pipe[2];
	long err = UF_SYS2(SYS_pipe2, pipe, O_CLOEXEC);

	if (err)
		return (int)err;
	err = UF_SYS3(SYS_write, pipe[1], from, n);
	if (err == (long)n)
		err = UF_SYS3(SYS_read, pipe[0], to, n);
	UF_SYS1(SYS_close, pipe[0]);
	UF_SYS1(SYS_close, pipe[1]);
	return err == (long)n ? 0 : -EFAULT;
}

/* It is the kernel that accesses the program's memory. */
int ufi_remote_carry(void *to, const void *from, size_t n)
{
	struct iovec local = {(void *)(uintptr_t)from, n};
	struct iovec there = {to, n};
	long done = UF_SYS6(SYS_process_vm_writev, UF_SYS0(SYS_getpid), &local, 1, &there, 1, 0);

	if (done >= 0 || done == -EFAULT)
		return done == (long)n ? 0 : -EFAULT;
	return gone_carry_by_pipe(to, from, n);
}

/* The handshake needs no memory. spec: api.1, api.2, api.3, api.6 */
static int gone_api(struct remote *r, struct uf_io_api *api, uintptr_t arg)
{
	static const struct uf_io_api zero;
	bool good = api->api == UF_UAPI_API && ufi_features_fit(api->features) &&
		    !atomic_load(&r->ready);

	api->features = UFI_FEATURES;
	api->ioctls = UFI_API_IOCTLS;
	if (ufi_remote_carry((void *)arg, good ? api : &zero, sizeof(*api)))
		return -EFAULT;
	if (!good)
		return -EINVAL;
	atomic_store(&r->ready, true);
	return 0;
}

static int gone_span(struct ufi_task *task, uint64_t arg, int gone)
{
	struct ufi_span op;
	int err = ufi_decode_span(task, arg, &op);

	return err ? err : gone;
}

static int gone_register(struct ufi_task *task, uint64_t arg)
{
	struct ufi_op_register op;
	int err = ufi_decode_register(task, arg, UFI_FEATURES, &op);

	return err ? err : -ENOMEM;
}

static int gone_protect(struct ufi_task *task, uint64_t arg, uint64_t mode)
{
	struct ufi_op_protect op;
	int err = ufi_decode_protect(task, arg, mode, &op);

	return err ? err : -ESRCH;
}

/* Whether the handshake was made with the feature the owner alone knew. */
static int gone_set_mode(struct ufi_task *task, uint64_t arg)
{
	struct ufi_op_set_mode op;
	int err = ufi_decode_set_mode(task, arg, UFI_FEATURES, &op);

	return err ? err : -ESRCH;
}

static int gone_fill(struct ufi_task *task, uint32_t request, uint64_t arg)
{
	enum ufi_fill_kind kind = UFI_FILL_ZEROPAGE;
	struct ufi_op_fill op;
	int err;

	if (request == UF_IOC_CONTINUE)
		kind = UFI_FILL_CONTINUE;
	if (request == UF_IOC_POISON)
		kind = UFI_FILL_POISON;
	if (request == UF_IOC_COPY)
		err = ufi_decode_copy(task, arg, &op);
	else
		err = ufi_decode_fill(task, arg, kind, &op);
	return err ? err : -ESRCH;
}

/* spec: register.14, fill.12, writeprotect.15, continue.16, poison.12, handover.14 */
int ufi_remote_gone_ioctl(struct remote *r, const struct handover_ioctl *io, uintptr_t arg)
{
	struct uf_mmu mmu = {.ops = &gone_ops,
			     .page_size = r->page_size,
			     .task_size = r->task_size};
	struct ufi_task task = {.mmu = &mmu};
	union {
		uint8_t bytes[HANDOVER_ARG];
		struct uf_io_api api;
	} copy = {{0}};
	uint64_t local = (uintptr_t)&copy;

	if (io->request != UF_IOC_API && !atomic_load(&r->ready))
		return -EINVAL;
	if (ufi_remote_carry(&copy, (const void *)arg, io->in))
		return -EFAULT;
	switch (io->request) {
	case UF_IOC_API:
		return gone_api(r, &copy.api, arg);
	case UF_IOC_REGISTER:
		return gone_register(&task, local);
	case UF_IOC_UNREGISTER:
		return gone_span(&task, local, -ENOMEM);
	case UF_IOC_WAKE:
		return gone_span(&task, local, 0);
	case UF_IOC_WRITEPROTECT:
		return gone_protect(&task, local, UF_REGISTER_MODE_WP);
	case UF_IOC_RWPROTECT:
		return gone_protect(&task, local, UF_REGISTER_MODE_RWP);
	case UF_IOC_SET_MODE:
		return gone_set_mode(&task, local);
	}
	return gone_fill(&task, io->request, local);
}
