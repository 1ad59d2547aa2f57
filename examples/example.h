/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every example needs and none is about: the backend of the command
 * line, and an end with a message when something fails. A program that
 * copies an example copies this with it; it must never hide a call of ours.
 */
#ifndef UF_EXAMPLES_EXAMPLE_H
#define UF_EXAMPLES_EXAMPLE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <userfault.h>

/* End unless RET, of a function of userfault.h, is zero or a count. */
static inline long must(long ret, const char *what)
{
	if (ret >= 0)
		return ret;
	fprintf(stderr, "%s: %s\n", what, strerror((int)-ret));
	exit(1);
}

/* Takes --backend=auto|kernel|engine off the arguments, if it is the first of them. */
static inline enum uf_backend backend_argument(int *argc, char **argv)
{
	static const char *const names[] = {"auto", "kernel", "engine"};
	static const char option[] = "--backend=";
	int backend = 0;

	if (*argc < 2 || strncmp(argv[1], option, strlen(option)))
		return UF_BACKEND_AUTO;
	while (strcmp(argv[1] + strlen(option), names[backend])) {
		if (++backend < 3)
			continue;
		fprintf(stderr, "%s is not auto, kernel or engine\n", argv[1]);
		exit(2);
	}
	for (int i = 1; i < *argc; i++)
		argv[i] = argv[i + 1];
	(*argc)--;
	return (enum uf_backend)backend;
}

/* uf_open; where there is no userfaultfd of this kind, the end with status 77. */
static inline struct uf *open_or_skip(enum uf_backend backend, int flags)
{
	struct uf_options options = UF_OPTIONS_INIT;
	struct uf *uf;
	int err;

	options.backend = backend;
	err = uf_open(&options, flags, &uf);
	if (!err)
		return uf;
	fprintf(stderr, "no userfaultfd of the %s here: %s (`userfault doctor' says why)\n",
		backend == UF_BACKEND_KERNEL ? "kernel" : "engine", strerror(-err));
	exit(77);
}

#endif
