/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns COPY for memory of another process. Its source is ours, and goes over in
 * pieces through a window, an object that the owner has mapped: the kernel
 * reads the source, and answers what the engine would have met. The owner sees
 * the whole span each time, so that a span which is wrong is wrong at once.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/remote.h"
#include "mmu/host/host.h"
#include "mmu/host/internal.h"

/* So often a source that was waited for may be gone again. */
#define COPY_TRIES 64

#define COPY_SEALS (F_SEAL_SHRINK | F_SEAL_GROW) /* which only memory has */

struct copy {
	struct remote *r;
	int fd;
	struct remote_line *line;
	uintptr_t arg;
	struct uf_io_copy io;
	uint32_t flags;
	uint64_t done;
	uint64_t n;	/* bytes in the window for the piece at hand */
	uint64_t ahead; /* and those for the next one */
	unsigned tries;
};

/*
 * What is written there is written with our rights: it is memory and nothing else, of
 * that size for ever. spec: handover.9
 */
static bool copy_is_window(int fd, uint64_t size)
{
	long seals = UF_SYS2(SYS_fcntl, fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & COPY_SEALS) == COPY_SEALS &&
	       UF_SYS2(SYS_fstat, fd, &st) == 0 && (uint64_t)st.st_size == size;
}

/* The line has a window. */
static int copy_open_window(struct copy *c)
{
	struct remote_call call = {.req = {HANDOVER_WINDOW, 0, 0, 0, {0}}, .keeps_fd = true};
	int err;

	if (c->line->sock >= 0 && c->line->window >= 0)
		return 0;
	err = ufi_remote_call(c->r, c->fd, c->line, &call);
	if (err)
		return err;
	if (call.fd >= 0 && !copy_is_window(call.fd, c->r->window)) {
		UF_SYS1(SYS_close, call.fd);
		return -EPROTO;
	}
	if (call.fd >= 0)
		c->line->window = ufi_host_take_fd(call.fd);
	if (c->line->window >= 0)
		return 0;
	err = ufi_remote_result(&call);
	return err ? err : -EMFILE;
}

/* Others may have the line while we wait for memory. */
static int copy_wait(struct copy *c, const void *addr, size_t len)
{
	int ret;
	int err;

	if (c->tries++ == COPY_TRIES)
		return -EFAULT;
	ufi_remote_put(c->r, c->line);
	ret = ufi_host_touch(addr, len, false);
	c->line = ufi_remote_take(c->r);
	err = copy_open_window(c);
	return err ? err : ret;
}

/*
 * Bytes of the source from OFF on, to the end of half a window: how many, in whole
 * pages. 0: it cannot be read there, now.
 */
static uint64_t copy_carry(struct copy *c, uint64_t off)
{
	uint64_t page = c->r->page_size;
	uint64_t size = c->r->window / 2;
	uint64_t end = (c->flags & HANDOVER_SECOND ? 2 : 1) * size;
	uint64_t n = uf_min(c->io.len - off, size);

	while (n) {
		long got = UF_SYS4(SYS_pwrite64, c->line->window, c->io.src + off, n, end - n);

		if (got == (long)n)
			break;
		/* Not every kernel says how far it could read. */
		if (got <= 0 && n > page)
			n = page;
		else
			n = got > 0 ? uf_align_down((uint64_t)got, page) : 0;
	}
	return n;
}

/* The next bytes, once they can be read. 0: never, or what is asked for is wrong anyway. */
static int64_t copy_source(struct copy *c)
{
	uint64_t page = c->r->page_size;
	uint64_t n = 0;
	int err = 0;

	if (!c->io.len || !uf_aligned(c->io.len, page) || (c->flags & HANDOVER_UNREADABLE))
		return 0;
	while (!err && (n = copy_carry(c, c->done)) == 0)
		err = copy_wait(c, (const void *)(uintptr_t)(c->io.src + c->done), page);
	return err && err != -EFAULT ? err : (int64_t)n;
}

/* While the owner copies N bytes of one half the next ones go into the other. */
static void copy_ahead(void *arg)
{
	struct copy *c = arg;

	c->flags ^= HANDOVER_SECOND;
	c->ahead = c->io.len - c->done > c->n ? copy_carry(c, c->done + c->n) : 0;
}

/* One piece. Its result as that of the ioctl; *FIELD, if it has written it, else PIECE_KEPT. */
#define PIECE_KEPT INT64_MIN

static int copy_piece(struct copy *c, int64_t *field)
{
	struct uf_io_copy part = c->io;
	struct iovec out = {field, sizeof(*field)};
	struct remote_call call = {
		.req = {HANDOVER_IOCTL, UF_IOC_COPY, c->flags, (uint32_t)c->n, {0}},
		.out = &out,
		.nout = 1,
		.meanwhile = c->n ? copy_ahead : NULL,
		.meanwhile_arg = c};
	int err;

	part.dst += c->done;
	part.src += c->done;
	part.len -= c->done;
	memcpy(call.req.arg, &part, offsetof(struct uf_io_copy, copy));
	c->ahead = 0;
	err = ufi_remote_call(c->r, c->fd, c->line, &call);
	if (err)
		return err;
	if (call.got != sizeof(*field))
		*field = PIECE_KEPT;
	return ufi_remote_result(&call);
}

/* What stopped it, if nothing was done; *FIELD: what was said then. spec: fill.4 */
static int copy_pieces(struct copy *c, int64_t *field)
{
	int err;

	for (;;) {
		int64_t n = c->ahead ? (int64_t)c->ahead : copy_source(c);

		if (n < 0)
			return (int)n;
		c->n = (uint64_t)n;
		*field = PIECE_KEPT;
		err = copy_piece(c, field);
		if (*field > n) {
			*field = PIECE_KEPT;
			return -EPROTO;
		}
		if (*field <= 0)
			return err ? err : -EPROTO;
		c->done += (uint64_t)*field;
		c->tries = 0;
		if (*field < n || c->done == c->io.len || (err && err != -EAGAIN))
			return err;
	}
}

static int copy_result(struct copy *c, int ret, int64_t field)
{
	void *to = (void *)(c->arg + offsetof(struct uf_io_copy, copy));

	if (c->done) {
		ret = c->done == c->io.len ? 0 : -EAGAIN;
		field = (int64_t)c->done;
	}
	if (field == PIECE_KEPT)
		return ret;
	return ufi_remote_carry(to, &field, sizeof(field)) ? -EFAULT : ret;
}

/* The argument does not go by way of the window, where the owner could write another one. */
static int copy_begin(struct copy *c)
{
	const void *field_at = (const void *)(c->arg + offsetof(struct uf_io_copy, copy));
	int err = ufi_remote_argument(&c->io, c->arg, offsetof(struct uf_io_copy, copy));

	if (err == -EFAULT)
		c->flags |= HANDOVER_UNREADABLE;
	else if (err)
		return err;
	if (ufi_host_touch(field_at, sizeof(c->io.copy), true))
		c->flags |= HANDOVER_UNWRITABLE;
	return 0;
}

/* spec: handover.9 */
int ufi_remote_copy(struct remote *r, int fd, uintptr_t arg)
{
	struct copy c = {.r = r, .fd = fd, .arg = arg};
	int64_t field = PIECE_KEPT;
	int ret = copy_begin(&c);

	if (ret)
		return ret;
	c.line = ufi_remote_take(r);
	ret = copy_open_window(&c);
	if (!ret)
		ret = copy_pieces(&c, &field);
	if (ret != REMOTE_GONE || c.done)
		ret = copy_result(&c, ret, field);
	ufi_remote_put(r, c.line);
	return ret;
}
