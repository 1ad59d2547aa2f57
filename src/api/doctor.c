/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns uf_doctor: the order of the examination, and the limits of this host.
 * What is found out about the kernel and the engine is in doctor_*.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "api/doctor.h"
#include "mmu/host/sys.h"

static uint64_t doctor_hugepages(void)
{
	static const char key[] = "\nHugePages_Free:";
	char meminfo[4096];
	const char *field;

	if (ufi_doctor_read("/proc/meminfo", meminfo, sizeof(meminfo)) <= 0)
		return 0;
	field = strstr(meminfo, key);
	return field ? strtoull(field + strlen(key), NULL, 10) : 0;
}

/* Lines of /proc/self/maps, which may be far too long for a buffer. */
static uint64_t doctor_maps(void)
{
	long fd = UF_SYS4(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	char chunk[4096];
	uint64_t lines = 0;
	long n;

	if (fd < 0)
		return 0;
	while ((n = UF_SYS3(SYS_read, fd, chunk, sizeof(chunk))) > 0) {
		for (long i = 0; i < n; i++)
			lines += chunk[i] == '\n';
	}
	UF_SYS1(SYS_close, fd);
	return lines;
}

int uf_doctor(struct uf_diagnosis *d)
{
	struct doctor_facts facts;
	long limit;

	if (d->struct_size != sizeof(*d))
		return -EINVAL;
	memset(d, 0, sizeof(*d));
	d->struct_size = sizeof(*d);
	ufi_doctor_facts(&facts);
	ufi_doctor_ways(&facts, d);
	ufi_doctor_engine(d);
	d->hugepages = doctor_hugepages();
	limit = ufi_doctor_number("/proc/sys/vm/max_map_count");
	d->map_limit = limit > 0 ? (uint64_t)limit : 0;
	d->maps = doctor_maps();
	return 0;
}
