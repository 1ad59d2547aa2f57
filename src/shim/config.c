/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what `userfault run' tells us by the environment, and the log file. The
 * file is opened for each line: a descriptor kept open would be one that the
 * program could stumble over.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim/shim.h"

static _Atomic enum uf_backend config_backend = UF_BACKEND_AUTO;
static char config_log[PATH_MAX];

enum uf_backend ufi_config_backend(void)
{
	return atomic_load(&config_backend);
}

bool ufi_config_engine(void)
{
	return ufi_config_backend() != UF_BACKEND_KERNEL;
}

void ufi_config_init(void)
{
	const char *backend = getenv("USERFAULT_BACKEND");
	const char *log = getenv("USERFAULT_LOG");

	if (log && strlen(log) < sizeof(config_log))
		strcpy(config_log, log);
	if (!backend || !strcmp(backend, "auto"))
		return;
	if (!strcmp(backend, "kernel"))
		atomic_store(&config_backend, UF_BACKEND_KERNEL);
	else if (!strcmp(backend, "engine"))
		atomic_store(&config_backend, UF_BACKEND_ENGINE);
	else
		ufi_config_log(NULL, UF_LOG_ERROR,
			       "USERFAULT_BACKEND is neither auto, kernel nor engine: %s", backend);
}

void ufi_config_log(void *arg, enum uf_log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"", "error", "warning", "info", "debug"};
	char line[1024];
	size_t len;
	va_list ap;
	long fd;

	if (!config_log[0])
		return;
	len = (size_t)snprintf(line, sizeof(line), "userfault[%ld] %s: ", UF_SYS0(SYS_getpid),
			       names[level]);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	fd = UF_SYS4(SYS_openat, AT_FDCWD, config_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
		     0644);
	if (fd < 0)
		return;
	UF_SYS3(SYS_write, fd, line, len);
	UF_SYS1(SYS_close, fd);
}
