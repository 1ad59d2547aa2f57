/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the question whether a library can be preloaded into a program. It
 * reads the file and executes nothing. What it cannot know is what the
 * program executes in turn.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/cli.h"

/* As many interpreters of interpreters as the kernel follows. */
#define SCRIPT_DEPTH 5

/* What the kernel reads of a script's first line. */
#define SCRIPT_LINE 256

struct program {
	const char *path;
	int fd;
	char *why;
	size_t why_size;
};

static int program_no(struct program *p, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int program_no(struct program *p, int err, const char *fmt, ...)
{
	size_t n = (size_t)snprintf(p->why, p->why_size, "%s: ", p->path);
	va_list ap;

	va_start(ap, fmt);
	if (n < p->why_size)
		vsnprintf(p->why + n, p->why_size - n, fmt, ap);
	va_end(ap);
	return err;
}

static int find_try(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (!S_ISREG(st.st_mode) || access(path, X_OK))
		return -EACCES;
	return 0;
}

int ufi_program_find(const char *name, char *path_out, size_t size)
{
	const char *dirs = getenv("PATH");
	int ret = -ENOENT;
	int err;
	size_t len;

	if (strchr(name, '/')) {
		if (strlen(name) >= size)
			return -ENAMETOOLONG;
		strcpy(path_out, name);
		return find_try(path_out);
	}
	if (!*name)
		return -ENOENT;
	for (const char *dir = dirs ? dirs : "/bin:/usr/bin"; dir;
	     dir = dir[len] ? dir + len + 1 : NULL) {
		len = strcspn(dir, ":");
		/* An empty entry is the current folder. */
		if ((size_t)snprintf(path_out, size, "%.*s%s%s", (int)len, dir, len ? "/" : "./",
				     name) >= size)
			continue;
		err = find_try(path_out);
		if (!err)
			return 0;
		if (err == -EACCES)
			ret = err;
	}
	return ret;
}

/* Privileges that the program gains: the loader then ignores LD_PRELOAD. */
static int program_check_privilege(struct program *p, const struct stat *st)
{
	if (st->st_mode & S_ISUID)
		return program_no(p, -EPERM, "is set-user-id, nothing can be preloaded into it");
	if ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return program_no(p, -EPERM, "is set-group-id, nothing can be preloaded into it");
	if (fgetxattr(p->fd, "security.capability", NULL, 0) > 0)
		return program_no(p, -EPERM,
				  "has file capabilities, nothing can be preloaded into it");
	return 0;
}

/* The processor this tool is for. */
static bool elf_is_native(const Elf64_Ehdr *elf)
{
#if defined(__x86_64__)
	const Elf64_Half native = EM_X86_64;
#elif defined(__aarch64__)
	const Elf64_Half native = EM_AARCH64;
#endif
	return elf->e_ident[EI_CLASS] == ELFCLASS64 && elf->e_ident[EI_DATA] == ELFDATA2LSB &&
	       elf->e_machine == native;
}

/*
 * The path of the dynamic loader, empty if there is none; -ENOEXEC if the
 * file is broken.
 */
static int elf_loader(int fd, const Elf64_Ehdr *elf, char *loader, size_t size)
{
	Elf64_Phdr ph;

	loader[0] = '\0';
	if (elf->e_phentsize != sizeof(ph))
		return -ENOEXEC;
	for (unsigned int i = 0; i < elf->e_phnum; i++) {
		off_t at = (off_t)(elf->e_phoff + i * sizeof(ph));

		if (pread(fd, &ph, sizeof(ph), at) != sizeof(ph))
			return -ENOEXEC;
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_filesz < 2 || ph.p_filesz >= size ||
		    pread(fd, loader, ph.p_filesz, (off_t)ph.p_offset) != (ssize_t)ph.p_filesz)
			return -ENOEXEC;
		loader[ph.p_filesz] = '\0';
		return 0;
	}
	return 0;
}

/* The loader of this very tool, and so of the library that goes with it. */
static int elf_own_loader(char *loader, size_t size)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int err = -ENOEXEC;
	Elf64_Ehdr elf;

	loader[0] = '\0';
	if (fd < 0)
		return -errno;
	if (pread(fd, &elf, sizeof(elf), 0) == sizeof(elf))
		err = elf_loader(fd, &elf, loader, size);
	close(fd);
	return err;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int program_check_elf(struct program *p)
{
	char loader[PATH_MAX];
	char own[PATH_MAX];
	Elf64_Ehdr elf;

	if (pread(p->fd, &elf, sizeof(elf), 0) != sizeof(elf))
		return program_no(p, -ENOEXEC, "is not a whole ELF file");
	if (!elf_is_native(&elf))
		return program_no(p, -ENOEXEC, "is for another architecture than our library");
	if (elf_loader(p->fd, &elf, loader, sizeof(loader)))
		return program_no(p, -ENOEXEC, "is a broken ELF file");
	if (!loader[0])
		return program_no(p, -ENOEXEC,
				  "is statically linked, nothing can be preloaded into it");
	if (elf_own_loader(own, sizeof(own)) == 0 && own[0] &&
	    strcmp(base_name(own), base_name(loader)))
		return program_no(p, -ENOEXEC, "is for another C library than ours (%s)", loader);
	return 0;
}

/* The interpreter in LINE, a script's first line after the mark; NULL if it names none. */
static char *script_interpreter(char *line)
{
	char *start = line + strspn(line, " \t");

	start[strcspn(start, " \t\r\n")] = '\0';
	return *start ? start : NULL;
}

static int program_check(struct program *p, int depth);

static int program_check_script(struct program *p, char *line, int depth)
{
	struct program interpreter = {.why = p->why, .why_size = p->why_size};

	interpreter.path = script_interpreter(line);
	if (!interpreter.path || depth == SCRIPT_DEPTH)
		return program_no(p, -ENOEXEC, "is a script without a proper interpreter");
	return program_check(&interpreter, depth + 1);
}

static int program_check_open(struct program *p, int depth)
{
	char line[SCRIPT_LINE];
	struct stat st;
	ssize_t n;
	int err;

	if (fstat(p->fd, &st))
		return program_no(p, -errno, "%s", strerror(errno));
	n = pread(p->fd, line, sizeof(line) - 1, 0);
	if (n < 0)
		return program_no(p, -errno, "%s", strerror(errno));
	line[n] = '\0';
	/* The kernel ignores these bits of a script. */
	if (n >= 2 && !memcmp(line, "#!", 2))
		return program_check_script(p, line + 2, depth);
	err = program_check_privilege(p, &st);
	if (err)
		return err;
	if (n >= SELFMAG && !memcmp(line, ELFMAG, SELFMAG))
		return program_check_elf(p);
	return program_no(p, -ENOEXEC,
			  "is neither an ELF program nor a script with an interpreter");
}

static int program_check(struct program *p, int depth)
{
	int err;

	p->fd = open(p->path, O_RDONLY | O_CLOEXEC);
	if (p->fd < 0)
		return program_no(p, -errno, "cannot be examined: %s", strerror(errno));
	err = program_check_open(p, depth);
	close(p->fd);
	return err;
}

int ufi_program_check(const char *path, char *why, size_t size)
{
	struct program p = {.path = path, .why = why, .why_size = size};

	why[0] = '\0';
	return program_check(&p, 0);
}
