/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the dispatch to sub-commands, and nothing that they do. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "userfault.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"run", uf_cmd_run, "run a program with a userfaultfd that works"},
	{"doctor", uf_cmd_doctor, "tell what works here, what does not, and why"},
	{"conform", uf_cmd_conform, "test every rule of userfaultfd on every backend"},
};

static void usage(FILE *to)
{
	fprintf(to, "usage: userfault COMMAND [OPTIONS]\n"
		    "       userfault --help | --version\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\n`userfault COMMAND --help' tells more about one.\n");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return UF_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("userfault %s\n", uf_version());
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "userfault: unknown command: %s\n\n", argv[1]);
	usage(stderr);
	return UF_EXIT_USAGE;
}
