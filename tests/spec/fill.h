/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * COPY and ZEROPAGE have much in common, and each rule of spec/fill.md is
 * proved for both: a test takes the operation as a parameter.
 */
#ifndef UF_TESTS_FILL_H
#define UF_TESTS_FILL_H

#include "lib/conform.h"

enum fill_kind {
	FILL_COPY,
	FILL_ZERO,
};

/* Those that the target's memory can be filled by. */
#define FOR_EACH_KIND(kind)                                                                        \
	for (enum fill_kind kind = FILL_COPY; kind <= (t_huge(t) ? FILL_COPY : FILL_ZERO); kind++)

#define FILL_KEPT 0x7777
#define FILL_BYTE 0x3c

/* What a fill is asked for and what it answers. */
struct fill {
	enum fill_kind kind;
	const char *src; /* COPY only; NULL: pages full of FILL_BYTE */
	uint64_t start;
	uint64_t len;
	uint64_t mode;
	int64_t field;
};

/* A raw ioctl whose field starts as FILL_KEPT. */
int fill_call(struct t *t, struct uf *uf, struct fill *f);
/* The same for a span of memory and no more; checks the field. */
void fill_check(struct t *t, struct uf *uf, enum fill_kind kind, char *start, size_t len,
		uint64_t mode, int ret, int64_t field);
/* What the pages then hold. */
static inline int fill_byte(enum fill_kind kind)
{
	return kind == FILL_COPY ? FILL_BYTE : 0;
}

#endif
