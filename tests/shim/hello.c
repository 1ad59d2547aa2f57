/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that needs nothing: it says that it was run, and with what. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	const char *backend = getenv("USERFAULT_BACKEND");

	printf("hello");
	for (int i = 1; i < argc; i++)
		printf(" %s", argv[i]);
	printf("; backend %s; preload %s\n", backend ? backend : "none",
	       getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") : "none");
	return 42;
}
