/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the contexts that a fork child gets of its own, of those that follow forks
 * (UFFD_FEATURE_EVENT_FORK). Such an heir is made before the fork, so that its
 * socket pair is in both processes: the parent keeps the program's end, which
 * goes to whoever reads the message, and the child the other one, and answers
 * like any owner that has shared its context. Nobody of the child's own program
 * has the descriptor: it lives as long as somebody elsewhere has.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "backend/backend.h"
#include "backend/engine.h"

/* Under the registry lock, of the one fork that is under way. */
static struct uf_list fork_heirs = {&fork_heirs, &fork_heirs};

/* The program's end is the event's from now on; bell.drain says which it is. */
static int fork_make_bell(struct engine_ctx *h)
{
	struct stat st;
	int fd;
	int err = ufi_engine_make_bell(h->flags, &h->bell, &fd);

	if (err)
		return err;
	UF_SYS1(SYS_close, fd);
	h->bell.shared = true;
	err = ufi_service_name(h->bell.ring);
	if (!err)
		err = (int)UF_SYS2(SYS_fstat, h->bell.drain, &st);
	if (!err)
		h->inode = st.st_ino;
	return err;
}

/* Only the strategy that was wished for is known of the ranges; that is what the heir needs, too.
 */
static int fork_make_ctx(struct engine_ctx *h, const struct ufi_ctx *of)
{
	struct ufi_ctx_options opt = {.bell_cookie = (uintptr_t)&h->bell,
				      .user_mode_only = of->user_mode_only,
				      .trap = of->trap,
				      .fill = of->fill};
	int err = ufi_ctx_open(of->mm, &opt, &h->ctx);

	if (!err)
		atomic_store(&h->ctx->features, atomic_load(&of->features));
	return err;
}

static void fork_free_ctx(struct ufi_task *task, struct engine_ctx *h)
{
	if (h->ctx)
		ufi_ctx_unref(task, h->ctx);
	ufi_engine_free(task->mm, h);
}

/* What fails here leaves the child's memory closed: see ufi_mm_forked. */
static void fork_make_heir(struct ufi_task *task, struct ufi_ctx *ctx)
{
	struct host_bell *bell = host_ptr(ctx->bell_cookie);
	const struct engine_ctx *e = UF_CONTAINER_OF(bell, struct engine_ctx, bell);
	struct engine_ctx *h = task->mmu->ops->alloc(task->mmu, sizeof(*h));
	bool cloexec = e->flags & O_CLOEXEC;
	int err;

	if (!h)
		return;
	h->flags = e->flags;
	h->bell.ring = h->bell.drain = -1;
	uf_list_init(&h->link);
	err = fork_make_bell(h);
	if (!err)
		err = fork_make_ctx(h, ctx);
	if (!err)
		err = ufi_event_fork(task, ctx, ufi_fork_heir(h->bell.drain, cloexec));
	if (err) {
		fork_free_ctx(task, h);
		return;
	}
	/* In the child others of ours may still close what had this number in the parent. */
	ufi_host_release_fd(h->bell.ring);
	ctx->heir = h->ctx;
	uf_list_append(&fork_heirs, &h->link);
}

/* spec: event.21 */
static void fork_prepare(struct ufi_task *task)
{
	const struct ufi_table *table = task->mm->table;

	for (uint32_t i = 0; i < table->n; i++) {
		struct ufi_ctx *ctx = table->range[i]->ctx;

		if (ctx && !ctx->heir && ufi_event_follows(ctx))
			fork_make_heir(task, ctx);
	}
}

static bool fork_has_rung(const struct engine_ctx *h)
{
	uint8_t byte;

	return UF_SYS6(SYS_recvfrom, h->bell.drain, &byte, 1, MSG_DONTWAIT | MSG_PEEK, NULL,
		       NULL) >= 0;
}

/*
 * Nobody has the child's end, and so its name. Sending there would tell as well, but what
 * has been rung is gone then.
 */
static bool fork_is_dead(const struct engine_ctx *h)
{
	struct sockaddr_un addr;
	uint32_t len = sizeof(addr);
	long err = UF_SYS3(SYS_getpeername, h->bell.drain, &addr, &len);
	long fd = err ? err : UF_SYS3(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	/* It would be EPERM, as that end is connected already. */
	err = UF_SYS3(SYS_connect, fd, &addr, len);
	UF_SYS1(SYS_close, fd);
	return err == -ECONNREFUSED;
}

/*
 * Nothing else tells whether the fork has failed. A child has rung as soon as it ran, and
 * keeps the other end as long as it lives.
 */
static bool fork_has_child(const struct engine_ctx *h)
{
	return fork_has_rung(h) || !fork_is_dead(h) || fork_has_rung(h);
}

static void fork_unlink_heirs(struct ufi_mm *mm)
{
	const struct ufi_table *table = mm->table;

	for (uint32_t i = 0; i < table->n; i++) {
		if (table->range[i]->ctx)
			table->range[i]->ctx->heir = NULL;
	}
}

static void fork_parent(struct ufi_task *task)
{
	struct uf_list *pos;
	struct uf_list *after;
	bool child = true;

	fork_unlink_heirs(task->mm);
	UF_LIST_FOR_EACH (pos, after, &fork_heirs) {
		struct engine_ctx *h = UF_CONTAINER_OF(pos, struct engine_ctx, link);

		uf_list_unlink(&h->link);
		ufi_host_claim_fd(h->bell.ring);
		ufi_host_disown_fd(h->bell.ring);
		child = fork_has_child(h);
		h->bell.ring = h->bell.drain = -1;
		fork_free_ctx(task, h);
	}
	if (!child)
		ufi_event_cancel(task, &task->events);
}

static void fork_each_fd(void (*fn)(int fd))
{
	struct uf_list *pos;
	struct uf_list *after;

	UF_LIST_FOR_EACH (pos, after, &fork_heirs) {
		const struct engine_ctx *h = UF_CONTAINER_OF(pos, struct engine_ctx, link);

		fn(h->bell.ring);
	}
}

static void fork_forget(struct ufi_mm *mm)
{
	fork_unlink_heirs(mm);
	/* They are closed with all that is the parent's. */
	fork_each_fd(ufi_host_claim_fd);
	uf_list_init(&fork_heirs);
}

/* spec: event.22, event.24 */
static bool fork_child(void)
{
	bool any = !uf_list_empty(&fork_heirs);
	struct uf_list *pos;
	struct uf_list *after;

	UF_LIST_FOR_EACH (pos, after, &fork_heirs) {
		struct engine_ctx *h = UF_CONTAINER_OF(pos, struct engine_ctx, link);
		uint8_t byte = 0;

		uf_list_unlink(&h->link);
		UF_SYS6(SYS_sendto, h->bell.ring, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
		h->epoch = ufi_host_epoch();
		h->bell.drain = -1;
		if (!ufi_service_inherit(h))
			continue;
		/* Nobody will ever answer: rather than waiting for that its accesses fail. */
		ufi_mm_abandon(&ufi_host.mm, h->ctx);
		ufi_host_disown_fd(h->bell.ring);
	}
	return any;
}

static const struct ufi_host_fork fork_hooks = {
	.prepare = fork_prepare,
	.parent = fork_parent,
	.forget = fork_forget,
	.each_fd = fork_each_fd,
	.child = fork_child,
};

void ufi_fork_prepare(void)
{
	ufi_host_on_fork(&fork_hooks);
}
