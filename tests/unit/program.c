/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * src/cli/program.c: which file a name means, and whether a library can be
 * preloaded into it. The files are made here, in a folder of their own; none
 * is ever executed.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "unit.h"

#if defined(__x86_64__)
#define NATIVE EM_X86_64
#define FOREIGN EM_AARCH64
#elif defined(__aarch64__)
#define NATIVE EM_AARCH64
#define FOREIGN EM_X86_64
#endif

/* An ELF file as small as it can be: a header, one program header, a loader's path. */
struct elf {
	Elf64_Ehdr head;
	Elf64_Phdr segment;
	char loader[PATH_MAX + 8];
};

static char dir[] = "/tmp/unit-program.XXXXXX";
static char why[512];

/* In the folder of the test. The buffer is the next call's. */
static const char *in_dir(const char *name)
{
	static char path[2][PATH_MAX];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static const char *make_file(const char *name, const void *content, size_t len, mode_t mode)
{
	const char *path = in_dir(name);
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static const char *make_script(const char *name, const char *line)
{
	return make_file(name, line, strlen(line), 0755);
}

/* A program for this processor, with LOADER or, if that is NULL, without any. */
static void elf_init(struct elf *elf, const char *loader)
{
	memset(elf, 0, sizeof(*elf));
	memcpy(elf->head.e_ident, ELFMAG, SELFMAG);
	elf->head.e_ident[EI_CLASS] = ELFCLASS64;
	elf->head.e_ident[EI_DATA] = ELFDATA2LSB;
	elf->head.e_type = ET_DYN;
	elf->head.e_machine = NATIVE;
	elf->head.e_phoff = offsetof(struct elf, segment);
	elf->head.e_phentsize = sizeof(Elf64_Phdr);
	elf->head.e_phnum = 1;
	elf->segment.p_type = PT_LOAD;
	if (!loader)
		return;
	elf->segment.p_type = PT_INTERP;
	elf->segment.p_offset = offsetof(struct elf, loader);
	elf->segment.p_filesz = strlen(loader) + 1;
	memcpy(elf->loader, loader, strlen(loader) + 1);
}

static const char *make_elf(const char *name, const struct elf *elf)
{
	return make_file(name, elf, sizeof(*elf), 0755);
}

/* The path of the loader of this very program: that of the tool, when it runs. */
static const char *own_loader(void)
{
	static char loader[PATH_MAX];
	FILE *f = fopen("/proc/self/exe", "rb");
	Elf64_Ehdr head;
	Elf64_Phdr ph;

	assert_non_null(f);
	assert_int_equal(fread(&head, sizeof(head), 1, f), 1);
	for (int i = 0; i < head.e_phnum; i++) {
		assert_int_equal(fseek(f, (long)(head.e_phoff + (size_t)i * sizeof(ph)), SEEK_SET),
				 0);
		assert_int_equal(fread(&ph, sizeof(ph), 1, f), 1);
		if (ph.p_type != PT_INTERP)
			continue;
		assert_true(ph.p_filesz <= sizeof(loader));
		assert_int_equal(fseek(f, (long)ph.p_offset, SEEK_SET), 0);
		assert_int_equal(fread(loader, ph.p_filesz, 1, f), 1);
	}
	fclose(f);
	assert_true(loader[0]);
	return loader;
}

/* ERR is the answer for PATH, and SAYS a part of the reason. */
static void expect(const char *path, int err, const char *says)
{
	memset(why, 'x', sizeof(why));
	assert_int_equal(ufi_program_check(path, why, sizeof(why)), err);
	assert_non_null(memchr(why, '\0', sizeof(why)));
	if (!strstr(why, says))
		fail_msg("%s: said \"%s\", expected \"%s\"", path, why, says);
	assert_int_equal(err == 0, why[0] == '\0');
}

static void elf_with_loader(void **state)
{
	struct elf elf;

	(void)state;
	expect("/proc/self/exe", 0, "");
	elf_init(&elf, own_loader());
	expect(make_elf("dynamic", &elf), 0, "");
	/* Fixed addresses are no obstacle. */
	elf.head.e_type = ET_EXEC;
	expect(make_elf("dynamic", &elf), 0, "");
}

static void elf_without_loader(void **state)
{
	struct elf elf;

	(void)state;
	elf_init(&elf, NULL);
	expect(make_elf("static", &elf), -ENOEXEC, "static: is statically linked");
	elf.head.e_phnum = 0;
	expect(make_elf("static", &elf), -ENOEXEC, "statically linked");
}

static void elf_of_another_library(void **state)
{
	struct elf elf;

	(void)state;
	elf_init(&elf, "/lib/ld-other-libc.so.1");
	expect(make_elf("other", &elf), -ENOEXEC,
	       "another C library than ours (/lib/ld-other-libc.so.1)");
	/* Where it lies does not matter. */
	elf_init(&elf, strrchr(own_loader(), '/'));
	expect(make_elf("moved", &elf), 0, "");
}

static void elf_of_another_machine(void **state)
{
	struct elf elf;

	(void)state;
	elf_init(&elf, own_loader());
	elf.head.e_machine = FOREIGN;
	expect(make_elf("machine", &elf), -ENOEXEC, "another architecture");
	elf.head.e_machine = NATIVE;
	elf.head.e_ident[EI_CLASS] = ELFCLASS32;
	expect(make_elf("class", &elf), -ENOEXEC, "another architecture");
	elf.head.e_ident[EI_CLASS] = ELFCLASS64;
	elf.head.e_ident[EI_DATA] = ELFDATA2MSB;
	expect(make_elf("order", &elf), -ENOEXEC, "another architecture");
}

static void elf_truncated(void **state)
{
	static const size_t header[] = {SELFMAG, EI_NIDENT, sizeof(Elf64_Ehdr) - 1};
	static const size_t rest[] = {
		sizeof(Elf64_Ehdr),
		offsetof(struct elf, loader) - 1,
		offsetof(struct elf, loader),
		offsetof(struct elf, loader) + 3,
	};
	struct elf elf;

	(void)state;
	elf_init(&elf, own_loader());
	for (size_t i = 0; i < sizeof(header) / sizeof(header[0]); i++)
		expect(make_file("short", &elf, header[i], 0755), -ENOEXEC, "not a whole ELF");
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		expect(make_file("short", &elf, rest[i], 0755), -ENOEXEC, "broken ELF");
}

/* Sizes and places that lie. */
static void elf_broken(void **state)
{
	struct elf elf;

	(void)state;
	elf_init(&elf, own_loader());
	elf.head.e_phentsize = 32;
	expect(make_elf("broken", &elf), -ENOEXEC, "broken ELF");

	elf_init(&elf, own_loader());
	elf.head.e_phoff = UINT64_MAX - 8;
	expect(make_elf("broken", &elf), -ENOEXEC, "broken ELF");

	elf_init(&elf, own_loader());
	elf.head.e_phnum = UINT16_MAX;
	elf.segment.p_type = PT_LOAD;
	expect(make_elf("broken", &elf), -ENOEXEC, "broken ELF");

	elf_init(&elf, own_loader());
	elf.segment.p_offset = UINT64_MAX;
	expect(make_elf("broken", &elf), -ENOEXEC, "broken ELF");
}

static void elf_loader_sizes(void **state)
{
	static const uint64_t bad[] = {0, 1, PATH_MAX, PATH_MAX + 1, UINT64_MAX};
	struct elf elf;

	(void)state;
	elf_init(&elf, own_loader());
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		elf.segment.p_filesz = bad[i];
		expect(make_elf("loader", &elf), -ENOEXEC, "broken ELF");
	}
	/* The longest that a path can be; too long for the reason, which is cut. */
	elf_init(&elf, NULL);
	memset(elf.loader, 'l', PATH_MAX - 2);
	elf.segment.p_type = PT_INTERP;
	elf.segment.p_offset = offsetof(struct elf, loader);
	elf.segment.p_filesz = PATH_MAX - 1;
	expect(make_elf("loader", &elf), -ENOEXEC, "another C library");
}

static void script_of_its_interpreter(void **state)
{
	char line[PATH_MAX + 32];
	struct elf elf;

	(void)state;
	elf_init(&elf, own_loader());
	snprintf(line, sizeof(line), "#!%s\n", make_elf("dynamic", &elf));
	expect(make_script("script", line), 0, "");
	snprintf(line, sizeof(line), "#! \t%s -x y\necho\n", in_dir("dynamic"));
	expect(make_script("script", line), 0, "");
	/* The end of the file ends the line. */
	snprintf(line, sizeof(line), "#!%s", in_dir("dynamic"));
	expect(make_script("script", line), 0, "");

	elf_init(&elf, NULL);
	snprintf(line, sizeof(line), "#!%s\n", make_elf("static", &elf));
	/* The interpreter is named, not the script. */
	expect(make_script("script", line), -ENOEXEC, "/static: is statically linked");
}

static void script_without_interpreter(void **state)
{
	(void)state;
	expect(make_script("script", "#!\n"), -ENOEXEC, "without a proper interpreter");
	expect(make_script("script", "#! \t \n/bin/sh\n"), -ENOEXEC, "proper interpreter");
	expect(make_script("script", "#!"), -ENOEXEC, "proper interpreter");
	expect(make_script("script", "#!/nowhere/at/all\n"), -ENOENT, "/nowhere/at/all: cannot be");
	expect(make_script("script", "echo hello\n"), -ENOEXEC, "neither an ELF program nor");
	expect(make_script("script", "#"), -ENOEXEC, "neither an ELF program nor");
	expect(make_script("script", ""), -ENOEXEC, "neither an ELF program nor");
}

/* As many scripts in a row as the kernel takes, then one more. */
static void script_of_scripts(void **state)
{
	char line[PATH_MAX + 8];
	char name[16];
	struct elf elf;

	(void)state;
	elf_init(&elf, own_loader());
	snprintf(line, sizeof(line), "#!%s\n", make_elf("dynamic", &elf));
	for (int i = 1; i <= 6; i++) {
		snprintf(name, sizeof(name), "chain%d", i);
		expect(make_script(name, line), i <= 5 ? 0 : -ENOEXEC,
		       i <= 5 ? "" : "proper interpreter");
		snprintf(line, sizeof(line), "#!%s\n", in_dir(name));
	}
	snprintf(line, sizeof(line), "#!%s\n", in_dir("loop"));
	expect(make_script("loop", line), -ENOEXEC, "proper interpreter");
}

static void program_with_privileges(void **state)
{
	char line[PATH_MAX + 8];
	struct elf elf;

	(void)state;
	elf_init(&elf, own_loader());
	expect(make_file("suid", &elf, sizeof(elf), 04755), -EPERM, "is set-user-id");
	expect(make_file("sgid", &elf, sizeof(elf), 02755), -EPERM, "is set-group-id");
	/* Without the right to execute, the bit means locking. */
	expect(make_file("locked", &elf, sizeof(elf), 02745), 0, "");
	/* The kernel ignores these bits of a script, but not of its interpreter. */
	snprintf(line, sizeof(line), "#!%s\n", make_elf("dynamic", &elf));
	expect(make_file("script", line, strlen(line), 06755), 0, "");
	snprintf(line, sizeof(line), "#!%s\n", in_dir("suid"));
	expect(make_script("script", line), -EPERM, "/suid: is set-user-id");
}

static void program_that_cannot_be_read(void **state)
{
	struct elf elf;

	(void)state;
	expect(in_dir("nothing"), -ENOENT, "nothing: cannot be examined");
	expect("", -ENOENT, "cannot be examined");
	expect(dir, -EISDIR, "directory");
	if (geteuid() == 0)
		return; /* who may read everything */
	elf_init(&elf, own_loader());
	expect(make_file("secret", &elf, sizeof(elf), 0111), -EACCES, "cannot be examined");
}

/* However little room there is for the reason, it is a string. */
static void reason_is_cut(void **state)
{
	struct elf elf;
	const char *path;

	(void)state;
	elf_init(&elf, NULL);
	path = make_elf("static", &elf);
	for (size_t size = 1; size < 64; size++) {
		memset(why, 'x', sizeof(why));
		assert_int_equal(ufi_program_check(path, why, size), -ENOEXEC);
		assert_true(strlen(why) < size);
		assert_int_equal(why[size], 'x');
	}
}

static void find_in_path(void **state)
{
	char found[PATH_MAX];
	char path[3 * PATH_MAX];

	(void)state;
	mkdir(in_dir("a"), 0700);
	mkdir(in_dir("b"), 0700);
	make_script("a/tool", "");
	make_script("b/tool", "");
	make_script("b/other", "");
	make_file("a/other", "", 0, 0644);

	snprintf(path, sizeof(path), "/nowhere:%s/a:%s/b", dir, dir);
	setenv("PATH", path, 1);
	assert_int_equal(ufi_program_find("tool", found, sizeof(found)), 0);
	assert_string_equal(found, in_dir("a/tool"));
	/* What may not be executed is passed over. */
	assert_int_equal(ufi_program_find("other", found, sizeof(found)), 0);
	assert_string_equal(found, in_dir("b/other"));
	assert_int_equal(ufi_program_find("no-such-tool", found, sizeof(found)), -ENOENT);
	assert_int_equal(ufi_program_find("", found, sizeof(found)), -ENOENT);

	/* If nothing else is there, that is what is told. */
	snprintf(path, sizeof(path), "%s/a", dir);
	setenv("PATH", path, 1);
	assert_int_equal(ufi_program_find("other", found, sizeof(found)), -EACCES);
	/* A folder is no program. */
	setenv("PATH", dir, 1);
	assert_int_equal(ufi_program_find("a", found, sizeof(found)), -EACCES);
}

/* An empty entry of PATH, wherever it stands, is the current folder. */
static void find_in_current_folder(void **state)
{
	static const char *const paths[] = {"", ":/nowhere", "/nowhere:", "/nowhere::/nowhere"};
	char found[PATH_MAX];

	(void)state;
	make_script("here", "");
	assert_int_equal(chdir(dir), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		setenv("PATH", paths[i], 1);
		assert_int_equal(ufi_program_find("here", found, sizeof(found)), 0);
		assert_string_equal(found, "./here");
	}
	setenv("PATH", "/nowhere", 1);
	assert_int_equal(ufi_program_find("here", found, sizeof(found)), -ENOENT);
	assert_int_equal(chdir("/"), 0);
}

static void find_without_path(void **state)
{
	char found[PATH_MAX];

	(void)state;
	unsetenv("PATH");
	assert_int_equal(ufi_program_find("sh", found, sizeof(found)), 0);
	assert_string_equal(found, "/bin/sh");
}

/* A name with a slash is a path, and PATH is not asked. */
static void find_by_path(void **state)
{
	char found[PATH_MAX];
	char name[PATH_MAX + 8];
	char file[PATH_MAX];

	(void)state;
	snprintf(file, sizeof(file), "%s", make_script("tool", ""));
	setenv("PATH", dir, 1);
	assert_int_equal(ufi_program_find(file, found, sizeof(found)), 0);
	assert_string_equal(found, file);
	assert_int_equal(ufi_program_find(in_dir("nothing"), found, sizeof(found)), -ENOENT);
	/* Below a file there is nothing. */
	assert_int_equal(ufi_program_find(in_dir("tool/x"), found, sizeof(found)), -ENOENT);
	assert_int_equal(ufi_program_find("./no-such-tool", found, sizeof(found)), -ENOENT);
	make_file("data", "", 0, 0644);
	assert_int_equal(ufi_program_find(in_dir("data"), found, sizeof(found)), -EACCES);

	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(ufi_program_find(name, found, sizeof(found)), -ENAMETOOLONG);
	/* The room is just enough, or one byte too small. */
	assert_int_equal(ufi_program_find(file, found, strlen(file) + 1), 0);
	assert_int_equal(ufi_program_find(file, found, strlen(file)), -ENAMETOOLONG);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[sizeof(dir) + 16];

	(void)state;
	setenv("PATH", "/bin:/usr/bin", 1);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(elf_with_loader),
		cmocka_unit_test(elf_without_loader),
		cmocka_unit_test(elf_of_another_library),
		cmocka_unit_test(elf_of_another_machine),
		cmocka_unit_test(elf_truncated),
		cmocka_unit_test(elf_broken),
		cmocka_unit_test(elf_loader_sizes),
		cmocka_unit_test(script_of_its_interpreter),
		cmocka_unit_test(script_without_interpreter),
		cmocka_unit_test(script_of_scripts),
		cmocka_unit_test(program_with_privileges),
		cmocka_unit_test(program_that_cannot_be_read),
		cmocka_unit_test(reason_is_cut),
		cmocka_unit_test(find_in_path),
		cmocka_unit_test(find_in_current_folder),
		cmocka_unit_test(find_without_path),
		cmocka_unit_test(find_by_path),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
