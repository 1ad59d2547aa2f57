/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of rows about MOVE share: defined in move.c. */
#ifndef UF_TESTS_MOVE_H
#define UF_TESTS_MOVE_H

#include "lib/conform.h"

#define MOVE_KEPT 0x7777

struct uf *move_open(struct t *t, uint64_t features);
void move_check(struct uf *uf, char *dst, char *src, size_t len, uint64_t mode, int ret,
		int64_t field);
/* All of it is moved. */
void move_done(struct uf *uf, char *dst, char *src, size_t len, uint64_t mode);
/* Memory that is not registered, whose page I is full of I + 1. */
char *move_source(struct t *t, size_t npages);
/* The page is still missing: an access raises a message, which is resolved. */
void move_missing(struct t *t, struct uf *uf, char *addr);

#endif
