/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the move of pages into another process. There is no such ioctl: it is
 * made of those that there are, so that each page is in one place, or on its
 * way. It is taken first: whoever touches it here waits from then on. Then it
 * appears there, at once. What could not go is put back.
 *
 * Pages of an object that both processes have mapped are only unmapped here
 * and mapped there. Others are moved into memory of ours, and copied from there.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "api/handle.h"
#include "base/compiler.h"
#include "base/span.h"
#include "mmu/host/host.h"
#include "mmu/host/internal.h"

/* So much is on its way at a time. */
#define MOVE_TO_CHUNK ((size_t)2 << 20)

#define MOVE_TO_NAP_NS 1000000L

_Static_assert(UF_MOVE_TO_DONTWAKE == UF_COPY_MODE_DONTWAKE &&
		       UF_MOVE_TO_DONTWAKE == UF_CONTINUE_MODE_DONTWAKE,
	       "one bit, whatever makes the pages appear");

struct move_to {
	struct uf *uf;
	struct uf *remote;
	char *src;
	char *dst;
	uint64_t mode; /* of the ioctl that makes the pages appear */
};

/* --- Private memory --- */

/* Memory that nobody else knows, registered with UF: pages are moved to such only. */
static int way_open(struct uf *uf, size_t len, void **way)
{
	int err =
		uf_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, way);

	if (err)
		return err;
	err = uf_register(uf, *way, len, UF_REGISTER_MODE_MISSING, NULL);
	if (err)
		(void)!uf_munmap(*way, len);
	return err;
}

/* What is not registered raises no events. */
static void way_close(struct uf *uf, void *way, size_t len)
{
	(void)!uf_unregister(uf, way, len);
	(void)!uf_munmap(way, len);
}

/*
 * A page whose place our own program has filled meanwhile has lost it. As long as
 * an event of UF is unread nothing can be resolved.
 */
static void way_back(struct uf *uf, char *to, char *from, size_t len)
{
	const struct timespec nap = {0, MOVE_TO_NAP_NS};
	size_t done = 0;

	for (size_t at = 0; at < len; at += done) {
		int err = uf_move(uf, to + at, from + at, len - at, 0, &done);

		if (err == -EAGAIN && !done)
			nanosleep(&nap, NULL);
		else if (err && !done)
			done = ufi_host_page_size();
	}
}

/* Pages could not be put back where nothing is registered: as a target it says so. */
static int move_check(struct uf *uf, char *src, void *way)
{
	int err = uf_move(uf, src, way, ufi_host_page_size(), UF_MOVE_MODE_DONTWAKE, NULL);

	return err == -EEXIST || err == -ENOENT ? 0 : err;
}

/* spec: moveto.2, moveto.3, moveto.4 */
static int move_private(const struct move_to *m, size_t at, size_t n, size_t *done)
{
	size_t taken = 0;
	void *way;
	int err = way_open(m->uf, n, &way);
	int there = 0;

	*done = 0;
	if (err)
		return err;
	err = move_check(m->uf, m->src + at, way);
	if (!err)
		err = uf_move(m->uf, way, m->src + at, n, UF_MOVE_MODE_DONTWAKE, &taken);
	if (taken)
		there = uf_copy(m->remote, m->dst + at, way, taken, m->mode, done);
	if (*done < taken)
		way_back(m->uf, m->src + at + *done, (char *)way + *done, taken - *done);
	way_close(m->uf, way, n);
	return there ? there : err;
}

/* --- Shared memory --- */

/* What our own program has mapped meanwhile it has. */
static void shared_back(struct uf *uf, char *src, size_t len)
{
	size_t done = 0;

	for (size_t at = 0; at < len; at += done) {
		if (uf_continue(uf, src + at, len - at, 0, &done) && !done)
			done = ufi_host_page_size();
	}
}

/* spec: moveto.5, moveto.6 */
static int move_shared(const struct move_to *m, size_t at, size_t n, size_t *done)
{
	int err = uf_continue(m->uf, m->src + at, n, 0, NULL);

	*done = 0;
	/* Registered, and the object has it. */
	if (err && err != -EEXIST && err != -EAGAIN)
		return err;
	err = uf_madvise(m->src + at, n, MADV_DONTNEED);
	if (err)
		return err;
	err = uf_continue(m->remote, m->dst + at, n, m->mode, done);
	if (*done < n)
		shared_back(m->uf, m->src + at + *done, n - *done);
	return err;
}

/* spec: moveto.1 */
static bool move_is_good(const struct move_to *m, size_t len, uint64_t mode)
{
	uint64_t page = ufi_host_page_size();
	uint64_t all = (uintptr_t)m->src | (uintptr_t)m->dst | len;

	return len && uf_aligned(all, page) && len <= UINTPTR_MAX - (uintptr_t)m->src &&
	       len <= UINTPTR_MAX - (uintptr_t)m->dst && m->uf != m->remote &&
	       !(mode & ~(UF_MOVE_TO_DONTWAKE | UF_MOVE_TO_SHARED));
}

int uf_move_to(struct uf *uf, struct uf *remote, void *dst, void *src, size_t len, uint64_t mode,
	       size_t *done)
{
	struct move_to m = {uf, remote, src, dst, mode & UF_MOVE_TO_DONTWAKE};
	size_t at = 0;
	int err = 0;

	if (done)
		*done = 0;
	if (!move_is_good(&m, len, mode))
		return -EINVAL;
	while (at < len && !err) {
		size_t n = uf_min(len - at, MOVE_TO_CHUNK);
		size_t moved;

		err = mode & UF_MOVE_TO_SHARED ? move_shared(&m, at, n, &moved)
					       : move_private(&m, at, n, &moved);
		at += moved;
	}
	if (done)
		*done = at;
	/* As the ioctls have it: what stopped in the middle is asked for again. */
	return err && at ? -EAGAIN : err;
}
