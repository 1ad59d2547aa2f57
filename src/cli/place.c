/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the question where the tool's own files are: in its build folder, in an
 * installed tree that was moved as a whole (DESTDIR), or where the build was
 * configured to put them.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* The folder of the tool with a slash at its end; empty if it cannot be told. */
static void place_self(char *self, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", self, size - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	self[slash ? slash + 1 - self : 0] = '\0';
}

/* What comes after the prefix and its slash; NULL: it is elsewhere. */
static const char *place_below(const char *dir)
{
	const size_t n = strlen(UF_PREFIX);

	return !strncmp(dir, UF_PREFIX, n) && dir[n] == '/' ? dir + n + 1 : NULL;
}

/* Cut the folder of the tools off: what is left is the prefix, wherever it is now. */
static bool place_to_prefix(char *self)
{
	const char *bin = place_below(UF_BINDIR);
	size_t len = strlen(self);
	size_t tail = bin ? strlen(bin) + 1 : 0;

	if (!bin || len <= tail || self[len - tail - 1] != '/' ||
	    strncmp(self + len - tail, bin, tail - 1) != 0)
		return false;
	self[len - tail] = '\0';
	return true;
}

static int place_try(char *path, size_t size, const char *root, const char *dir, const char *file)
{
	if ((size_t)snprintf(path, size, "%s%s/%s", root, dir, file) >= size)
		return -ENAMETOOLONG;
	return access(path, R_OK) ? -errno : 0;
}

int ufi_place_find(const char *build, const char *dir, const char *file, char *path, size_t size)
{
	char self[PATH_MAX];
	const char *below = place_below(dir);

	place_self(self, sizeof(self));
	if (self[0] && place_try(path, size, self, build, file) == 0)
		return 0;
	if (below && place_to_prefix(self) && place_try(path, size, self, below, file) == 0)
		return 0;
	return place_try(path, size, "", dir, file);
}
