/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tool `userfault': one file per sub-command, each with one entry that
 * gets its own arguments (argv[0] is its name) and returns the exit status.
 */
#ifndef UF_CLI_CLI_H
#define UF_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses of the tool itself; those of a program that it runs are the program's. */
#define UF_EXIT_USAGE 2
#define UF_EXIT_FAILED 125    /* something of ours does not work */
#define UF_EXIT_CANNOT 126    /* the program is there and cannot be run, or not with us */
#define UF_EXIT_NOT_FOUND 127 /* there is no such program */

int uf_cmd_run(int argc, char **argv);
int uf_cmd_doctor(int argc, char **argv);
int uf_cmd_conform(int argc, char **argv);

/* --- program.c: what kind of program a file is --- */

/*
 * Find NAME as execvp would, in PATH unless it has a slash. Returns 0 and the
 * path in PATH_OUT, or -ENOENT, -EACCES, -ENAMETOOLONG.
 */
int ufi_program_find(const char *name, char *path_out, size_t size);

/*
 * Can a library be preloaded into the program at PATH? If not, WHY says why,
 * for people. -EACCES and the like: it cannot be read, and WHY says so.
 */
int ufi_program_check(const char *path, char *why, size_t size);

/* --- place.c: where the tool's own files are --- */

/*
 * The path of FILE: in BUILD, below the folder of the tool while that is its
 * build folder, or in DIR, where it is installed; in a tree that was moved as a
 * whole, there. 0, -ENAMETOOLONG, or what access(2) says.
 */
int ufi_place_find(const char *build, const char *dir, const char *file, char *path, size_t size);

/* --- deny.c --- */
/* From now on, and for every program executed: no userfaultfd from the kernel. 0 or -errno. */
int ufi_deny_kernel(void);

#endif
