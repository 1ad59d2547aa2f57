/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the form of the files for programs: a row, the machine. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "common.h"

static double json_round(double x)
{
	return round(x * 1000) / 1000;
}

json_t *bench_json_row(const char *name, const char *unit, const struct bench_stats *st,
		       const double *target, bool met)
{
	return json_pack("{s:s, s:s, s:f, s:f, s:f, s:o, s:o}", "name", name, "unit", unit, "min",
			 json_round(st->min), "median", json_round(st->median), "max",
			 json_round(st->max), "target", target ? json_real(*target) : json_null(),
			 "met", target ? json_boolean(met) : json_null());
}

/* The value of the first line of /proc/cpuinfo that begins with KEY; empty if none does. */
static void json_cpuinfo(const char *key, char *value, size_t size)
{
	char line[4096];
	FILE *f = fopen("/proc/cpuinfo", "r");

	value[0] = '\0';
	while (f && !value[0] && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, key, strlen(key)) || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(value, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
	}
	if (f)
		fclose(f);
}

static json_t *json_machine(const struct bench_setting *s)
{
	char model[256], flags[4096];
	struct utsname un;

	if (uname(&un))
		return NULL;
	json_cpuinfo("model name", model, sizeof(model));
	json_cpuinfo("flags", flags, sizeof(flags));
	return json_pack("{s:s, s:s, s:s, s:b, s:i, s:i, s:i, s:i, s:s}", "kernel", un.release,
			 "arch", un.machine, "cpu", model, "virtual",
			 strstr(flags, "hypervisor") != NULL, "cpus", s->cpu[1] < 0 ? 1 : 2,
			 "page_size", (int)s->page_size, "pages", (int)s->npages, "rounds",
			 s->rounds, "version", uf_version());
}

int bench_json_write(const struct bench_setting *s, json_t *root)
{
	int err = 0;

	/* Which refuses a part that could not be made. */
	if (json_object_set_new(root, "machine", json_machine(s)))
		err = -ENOMEM;
	if (!err && json_dump_file(root, s->output, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		err = errno ? -errno : -EIO;
	json_decref(root);
	return err;
}
