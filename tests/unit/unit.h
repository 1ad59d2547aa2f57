/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmocka, with the headers that it needs before it. */
#ifndef UF_TESTS_UNIT_H
#define UF_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
