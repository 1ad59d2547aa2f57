/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the memory that is measured on, and what must be in it afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "op.h"

/* The size of every call is a divisor of it. */
#define MEMORY_STEP (2 * OP_MIB)

size_t op_much(const struct op *op)
{
	size_t len = op->setting->npages * op->setting->page_size;

	return len < 2 * MEMORY_STEP ? 2 * MEMORY_STEP : len / MEMORY_STEP * MEMORY_STEP;
}

size_t op_some(const struct op *op)
{
	size_t len = op_much(op) / 32 / MEMORY_STEP * MEMORY_STEP;

	return len ? len : MEMORY_STEP;
}

/* As monitors of virtual machines make it. */
static int memory_object(size_t len)
{
	int fd = memfd_create("op-bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)len) && !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int op_map(const struct op *op, bool shared, size_t len, char **addr)
{
	int flags = MAP_NORESERVE | (shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	int fd = shared ? memory_object(len) : -1;
	int err = 0;

	if (shared && fd < 0)
		return fd;
	*addr = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (*addr == MAP_FAILED)
		err = -errno;
	if (shared)
		close(fd);
	/* One page at a time, also where huge pages are the default. */
	if (!err && madvise(*addr, len, MADV_NOHUGEPAGE) && errno != EINVAL)
		err = -errno;
	return err;
}

/* The words of a page follow one another, and no two pages of a measurement have one in common. */
static uint64_t memory_first_word(uint64_t seed, size_t page)
{
	return ((seed << 32) + page + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

void op_stamp(const struct op *op, char *addr, size_t len, uint64_t seed)
{
	size_t nwords = op->setting->page_size / sizeof(uint64_t);
	uint64_t *word = (uint64_t *)addr;

	for (size_t page = 0; page < len / op->setting->page_size; page++) {
		uint64_t first = memory_first_word(seed, page);

		for (size_t i = 0; i < nwords; i++)
			*word++ = first + i;
	}
}

int op_check(const struct op *op, const char *addr, size_t len, uint64_t seed)
{
	size_t nwords = op->setting->page_size / sizeof(uint64_t);
	const uint64_t *word = (const uint64_t *)addr;

	for (size_t page = 0; page < len / op->setting->page_size; page++) {
		uint64_t first = memory_first_word(seed, page);
		uint64_t wrong = 0;

		for (size_t i = 0; i < nwords; i++)
			wrong |= *word++ ^ (first + i);
		if (wrong)
			return -EPROTO;
	}
	return 0;
}

int op_check_zero(const struct op *op, const char *addr, size_t len)
{
	const uint64_t *word = (const uint64_t *)addr;
	uint64_t wrong = 0;

	for (size_t i = 0; i < len / sizeof(*word); i++)
		wrong |= word[i];
	return wrong ? -EPROTO : 0;
}

void op_write(const struct op *op, char *addr, size_t len, size_t step)
{
	for (size_t at = 0; at < len; at += step * op->setting->page_size) {
		volatile char *byte = addr + at;

		*byte = *byte;
	}
}

int op_open(struct op *op, uint64_t features, char *addr, size_t len, uint64_t mode)
{
	int err = bench_pager_open(&op->pager, &op->strategy->choice, features | op->row->feature);

	return err ? err : bench_pager_register(&op->pager, addr, len, mode);
}
