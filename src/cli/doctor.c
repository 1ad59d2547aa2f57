/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `userfault doctor': uf_doctor's findings, as text for people and as JSON for
 * programs. It finds out nothing itself. The JSON's keys are an interface:
 * they are added to, and neither renamed nor removed.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "userfault.h"

#define DOCTOR_NO_BACKEND 1 /* exit status */
#define DOCTOR_COLUMNS 100
#define DOCTOR_LABEL 36 /* width of the first column */

static const char doctor_usage[] =
	"usage: userfault doctor [--json]\n"
	"\n"
	"Tries which ways to a userfaultfd work here, and tells why the others do not and\n"
	"what to do about it.\n"
	"\n"
	"  --json  for programs\n"
	"  --help\n"
	"\n"
	"The exit status is 0 if the kernel or the engine works, 1 if neither does.\n";

enum {
	DOCTOR_JSON = 256,
	DOCTOR_HELP,
};

static const struct option doctor_options[] = {
	{"json", no_argument, NULL, DOCTOR_JSON},
	{"help", no_argument, NULL, DOCTOR_HELP},
	{NULL, 0, NULL, 0},
};

/* In the order of enum uf_refusal. */
static const char *const refusal_names[] = {
	[UF_REFUSAL_NONE] = "none",
	[UF_REFUSAL_CONFIG] = "config",
	[UF_REFUSAL_SYSCTL] = "sysctl",
	[UF_REFUSAL_SECCOMP] = "seccomp",
	[UF_REFUSAL_NO_DEVICE] = "no-device",
	[UF_REFUSAL_DEVICE_MODE] = "device-mode",
	[UF_REFUSAL_LSM] = "lsm",
	[UF_REFUSAL_LIMIT] = "limit",
	[UF_REFUSAL_CGROUP] = "cgroup",
	[UF_REFUSAL_OLD_KERNEL] = "old-kernel",
	[UF_REFUSAL_UNKNOWN] = "unknown",
};

/* Which Linux brought a feature, by bit. */
static const char *const feature_since[] = {
	"5.7",	"4.11", "4.11", "4.11", "4.11", "4.11", "4.11", "4.14", "4.14", "5.13",
	"5.14", "5.18", "5.19", "6.4",	"6.6",	"6.7",	"6.8",	"7.3",	"7.3",
};

#define FEATURES (sizeof(feature_since) / sizeof(feature_since[0]))

static bool way_works(const struct uf_way *w)
{
	return w->refusal == UF_REFUSAL_NONE;
}

static const char *way_error(const struct uf_way *w)
{
	const char *name = w->error ? strerrorname_np(w->error) : NULL;

	return name ? name : "";
}

static const char *way_refusal(const struct uf_way *w)
{
	if ((size_t)w->refusal >= sizeof(refusal_names) / sizeof(refusal_names[0]))
		return "unknown";
	return refusal_names[w->refusal];
}

static bool kernel_works(const struct uf_diagnosis *d)
{
	return way_works(&d->syscall) || way_works(&d->syscall_user_mode) || way_works(&d->device);
}

/* Why the kernel's userfaultfd is refused or restricted; empty if it is not. */
static void kernel_reason(const struct uf_diagnosis *d, char *text, size_t size)
{
	const char *only = "";

	text[0] = '\0';
	if (way_works(&d->syscall))
		return;
	if (way_works(&d->device))
		only = "only by /dev/userfaultfd; ";
	else if (way_works(&d->syscall_user_mode))
		only = "only with UF_USER_MODE_ONLY: system calls on missing pages fail; ";
	snprintf(text, size, "%s%s", only, d->syscall.reason);
}

/* --- Text --- */

/* TEXT from column INDENT on, where the cursor is, in lines broken at blanks. */
static void text_wrapped(const char *text, int indent)
{
	int column = indent;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column > indent && column + 1 + len > DOCTOR_COLUMNS) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		printf("%.*s", len, text);
		column += len;
		text += len + strspn(text + len, " ");
	}
	putchar('\n');
}

static void text_row(const char *label, const char *text)
{
	printf("  %-*s ", DOCTOR_LABEL, label);
	text_wrapped(text, DOCTOR_LABEL + 3);
}

static void text_way(const char *label, const struct uf_way *w)
{
	char text[sizeof(w->reason) + 64];

	if (way_works(w))
		snprintf(text, sizeof(text), "works");
	else
		snprintf(text, sizeof(text), "refused (%s): %s", way_refusal(w), w->reason);
	text_row(label, text);
}

/* Names of the features that are in MASK; with the release that brought each, if SINCE. */
static void text_features(const char *label, uint64_t mask, bool since)
{
	char text[1024] = "";
	size_t n = 0;

	for (size_t i = 0; i < FEATURES; i++) {
		if (!(mask >> i & 1))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "",
				      uf_feature_name(UINT64_C(1) << i));
		if (since)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " (since Linux %s)",
					      feature_since[i]);
	}
	text_row(label, n ? text : "none");
}

static void text_kernel(const struct uf_diagnosis *d)
{
	const uint64_t all = (UINT64_C(1) << FEATURES) - 1;
	char label[64];

	printf("Kernel: %s\n", way_works(&d->syscall)  ? "works"
			       : way_works(&d->device) ? "works by the device"
			       : kernel_works(d)       ? "works for faults of user code only"
						       : "refused");
	text_way("userfaultfd(2)", &d->syscall);
	text_way("the same with UF_USER_MODE_ONLY", &d->syscall_user_mode);
	text_way("/dev/userfaultfd", &d->device);
	if (!d->kernel_features) {
		text_row("features", "unknown: they are asked of a userfaultfd");
		return;
	}
	snprintf(label, sizeof(label), "features 0x%llx", (unsigned long long)d->kernel_features);
	text_features(label, d->kernel_features, false);
	text_features("features it lacks", all & ~d->kernel_features, true);
}

static void text_ability(const char *label, int works, const char *otherwise)
{
	char text[128] = "yes";

	if (!works)
		snprintf(text, sizeof(text), "no (%s)", otherwise);
	text_row(label, text);
}

static void text_engine(const struct uf_diagnosis *d)
{
	char label[64];

	printf("\nEngine: %s%s\n", d->engine_works ? "works" : "does not work: ", d->engine_reason);
	snprintf(label, sizeof(label), "features 0x%llx", (unsigned long long)d->engine_features);
	text_features(label, d->engine_features, false);
	text_row("cannot serve", "memory of KVM guests: their faults happen inside the kernel");
	text_ability("guard markers, anonymous memory", d->guard_anon, "Linux 6.13 brought them");
	text_ability("guard markers, shared memory", d->guard_shmem,
		     "Linux 6.15 brought them; mprotect is used instead");
	text_ability("/proc/self/mem through PROT_NONE", d->proc_mem, "mremap is used instead");
	text_ability("/proc/self/maps", d->proc_maps, "the engine needs it: mount /proc");
	text_ability("/proc/self/pagemap", d->pagemap, "mincore is used instead");
	text_ability("memfd_create(2)", d->memfd, "shared memory by mmap and tmpfs still works");
}

static void text_limits(const struct uf_diagnosis *d)
{
	char text[64];

	printf("\nLimits\n");
	snprintf(text, sizeof(text), "%llu", (unsigned long long)d->map_limit);
	text_row("mappings a process may have", d->map_limit ? text : "unknown");
	snprintf(text, sizeof(text), "%llu", (unsigned long long)d->maps);
	text_row("mappings of this process", d->maps ? text : "unknown");
	snprintf(text, sizeof(text), "%llu", (unsigned long long)d->hugepages);
	text_row("free huge pages, default size", text);
}

/* Nothing to do about a way that works; the same remedy is told once. */
static bool text_remedy(const char *label, const struct uf_way *w, const struct uf_way *before)
{
	if (way_works(w) || !w->remedy[0])
		return false;
	if (before && !strcmp(before->remedy, w->remedy))
		text_row(label, "the same");
	else
		text_row(label, w->remedy);
	return true;
}

static void text_remedies(const struct uf_diagnosis *d)
{
	bool any;

	printf("\nWhat to do\n");
	any = text_remedy("userfaultfd(2)", &d->syscall, NULL);
	any |= text_remedy("the same with UF_USER_MODE_ONLY", &d->syscall_user_mode, &d->syscall);
	any |= text_remedy("/dev/userfaultfd", &d->device, NULL);
	if (d->map_limit && !d->guard_shmem) {
		text_row("more pages filled at random",
			 "sysctl -w vm.max_map_count=, as root on the host: without guard markers "
			 "the "
			 "engine may need two mappings for each page");
		any = true;
	}
	if (!d->engine_works) {
		text_row("the engine", d->proc_maps ? d->engine_reason
						    : "mount -t proc proc /proc, where it runs");
		any = true;
	} else if (!way_works(&d->syscall) && !way_works(&d->device)) {
		text_row("or without any of it", "userfault run -- PROGRAM: the engine serves it");
	}
	if (!any)
		printf("  Nothing.\n");
}

static void doctor_text(const struct uf_diagnosis *d)
{
	text_kernel(d);
	text_engine(d);
	text_limits(d);
	text_remedies(d);
}

/* --- JSON --- */

static json_t *json_hex(uint64_t mask)
{
	return json_sprintf("0x%llx", (unsigned long long)mask);
}

static json_t *json_names(uint64_t mask)
{
	json_t *names = json_array();

	for (size_t i = 0; i < FEATURES; i++) {
		if (mask >> i & 1)
			json_array_append_new(names,
					      json_string(uf_feature_name(UINT64_C(1) << i)));
	}
	return names;
}

static json_t *json_way(const struct uf_way *w)
{
	return json_pack("{s:b, s:s, s:s, s:s, s:s}", "available", way_works(w), "error",
			 way_error(w), "refusal", way_refusal(w), "reason", w->reason, "remedy",
			 w->remedy);
}

static json_t *json_kernel(const struct uf_diagnosis *d)
{
	const uint64_t all = (UINT64_C(1) << FEATURES) - 1;
	/* Where they cannot be asked none is known to be missing. */
	uint64_t missing = d->kernel_features ? all & ~d->kernel_features : 0;
	char reason[sizeof(d->syscall.reason) + 128];

	kernel_reason(d, reason, sizeof(reason));
	return json_pack("{s:b, s:s, s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "available",
			 kernel_works(d), "reason", reason, "features",
			 json_hex(d->kernel_features), "feature_names",
			 json_names(d->kernel_features), "missing_features", json_names(missing),
			 "ways", "syscall", json_way(&d->syscall), "syscall_user_mode",
			 json_way(&d->syscall_user_mode), "device", json_way(&d->device));
}

static json_t *json_engine(const struct uf_diagnosis *d)
{
	return json_pack("{s:b, s:s, s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:b, s:I}", "available",
			 d->engine_works, "reason", d->engine_reason, "features",
			 json_hex(d->engine_features), "feature_names",
			 json_names(d->engine_features), "guard_anon", d->guard_anon, "guard_shmem",
			 d->guard_shmem, "proc_mem", d->proc_mem, "proc_maps", d->proc_maps,
			 "pagemap", d->pagemap, "memfd", d->memfd, "free_hugepages",
			 (json_int_t)d->hugepages);
}

static int doctor_json(const struct uf_diagnosis *d)
{
	json_t *root =
		json_pack("{s:s, s:o, s:o, s:{s:I, s:I}}", "version", uf_version(), "kernel",
			  json_kernel(d), "engine", json_engine(d), "limits", "max_map_count",
			  (json_int_t)d->map_limit, "maps", (json_int_t)d->maps);
	int err;

	if (!root)
		return -ENOMEM;
	err = json_dumpf(root, stdout, JSON_INDENT(2)) ? -EIO : 0;
	json_decref(root);
	putchar('\n');
	return err;
}

static int doctor_misused(const char *what)
{
	if (what)
		fprintf(stderr, "userfault doctor: %s\n", what);
	fprintf(stderr, "%s", doctor_usage);
	return UF_EXIT_USAGE;
}

/* Returns -1 to go on, or the exit status. */
static int doctor_parse(int argc, char **argv, bool *json)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "h", doctor_options, NULL)) != -1) {
		switch (opt) {
		case DOCTOR_JSON:
			*json = true;
			break;
		case DOCTOR_HELP:
		case 'h':
			printf("%s", doctor_usage);
			return 0;
		default:
			return doctor_misused(NULL);
		}
	}
	return argv[optind] ? doctor_misused("it takes no arguments") : -1;
}

int uf_cmd_doctor(int argc, char **argv)
{
	struct uf_diagnosis d = {.struct_size = sizeof(d)};
	bool json = false;
	int status = doctor_parse(argc, argv, &json);
	int err;

	if (status >= 0)
		return status;
	err = uf_doctor(&d);
	if (!err && json)
		err = doctor_json(&d);
	else if (!err)
		doctor_text(&d);
	if (!err && fflush(stdout))
		err = -errno;
	if (err) {
		fprintf(stderr, "userfault doctor: %s\n", strerror(-err));
		return UF_EXIT_FAILED;
	}
	return kernel_works(&d) || d.engine_works ? 0 : DOCTOR_NO_BACKEND;
}
