/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the question what is mapped, asked of /proc/self/maps: by PROCMAP_QUERY
 * where the kernel has it (6.11), else by reading the text. Descriptors are
 * opened for each question, so none can be mistaken for another's later.
 */
#include <linux/ioctl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "mmu/host/internal.h"

/* PROCMAP_QUERY, which Debian 12's headers lack. */
struct maps_query {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start;
	uint64_t vma_end;
	uint64_t vma_flags;
	uint64_t vma_page_size;
	uint64_t vma_offset;
	uint64_t inode;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t vma_name_size;
	uint32_t build_id_size;
	uint64_t vma_name_addr;
	uint64_t build_id_addr;
};

#define MAPS_PROCMAP_QUERY _IOWR('f', 17, struct maps_query)
#define MAPS_COVERING_OR_NEXT 0x10
#define MAPS_SHARED 8

/* Room for all the flags that a mapping can have. */
#define MAPS_FLAGS 128

/* One mapping as the kernel tells it: our traps show in it. */
struct maps_entry {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint64_t inode;
	uint64_t page_size; /* 0: not told */
	uint32_t dev;	    /* major << 20 | minor */
	uint32_t prot;
	bool shared;
	char name[256]; /* cut to this */
};

/* A file below /proc read line by line; a line longer than the buffer is cut. */
struct maps_lines {
	int fd;
	size_t have;
	size_t at;
	char buf[2048];
};

/*
 * By its path first, as emulators of other processors know files of /proc by
 * that; after a chroot by the descriptor that we have kept.
 */
int ufi_maps_open(const char *name, int flags)
{
	char path[96] = "/proc/";
	size_t len = strlen(name) + 1;
	long fd;

	UF_ASSERT(len <= sizeof(path) - strlen(path));
	memcpy(path + strlen(path), name, len);
	fd = UF_SYS4(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
	if (fd < 0 && ufi_host.proc_fd >= 0)
		fd = UF_SYS4(SYS_openat, ufi_host.proc_fd, name, flags | O_CLOEXEC, 0);
	return (int)fd;
}

/* "/proc/self/fd/FD". */
static void maps_fd_path(int fd, char path[32])
{
	char *to = path + strlen(strcpy(path, "/proc/self/fd/"));

	for (int digit = 1000000000; digit > 0; digit /= 10) {
		if (fd >= digit || digit == 1)
			*to++ = (char)('0' + fd / digit % 10);
	}
	*to = '\0';
}

int ufi_maps_open_fd(int fd, int flags)
{
	char path[32];

	maps_fd_path(fd, path);
	return ufi_maps_open(path + strlen("/proc/"), flags);
}

int ufi_maps_fd_is(int fd, const char *name)
{
	size_t len = strlen(name);
	char path[32];
	char target[64];
	long n;

	UF_ASSERT(len < sizeof(target));
	maps_fd_path(fd, path);
	n = UF_SYS4(SYS_readlinkat, AT_FDCWD, path, target, sizeof(target));
	return n < 0 ? (int)n : n == (long)len && !memcmp(target, name, len);
}

static void maps_close(int fd)
{
	UF_SYS1(SYS_close, fd);
}

/* The next line, terminated, or NULL. */
static char *maps_line(struct maps_lines *in)
{
	for (;;) {
		char *line = in->buf + in->at;
		char *newline = memchr(line, '\n', in->have - in->at);
		long n;

		if (newline) {
			*newline = '\0';
			in->at = (size_t)(newline - in->buf) + 1;
			return line;
		}
		memmove(in->buf, line, in->have - in->at);
		in->have -= in->at;
		in->at = 0;
		if (in->have == sizeof(in->buf) - 1) /* cut: the rest is not needed */
			in->have = sizeof(in->buf) / 2;
		n = UF_SYS3(SYS_read, in->fd, in->buf + in->have, sizeof(in->buf) - 1 - in->have);
		if (n <= 0)
			return NULL;
		in->have += (size_t)n;
	}
}

static uint64_t maps_number(char **p, unsigned base)
{
	uint64_t value = 0;

	for (;; (*p)++) {
		unsigned c = (unsigned char)**p;
		unsigned digit = c >= '0' && c <= '9'	? c - '0'
				 : c >= 'a' && c <= 'f' ? c - 'a' + 10
							: base;

		if (digit >= base)
			return value;
		value = value * base + digit;
	}
}

static bool maps_skip(char **p, char c)
{
	if (**p != c)
		return false;
	while (**p == c)
		(*p)++;
	return true;
}

/* "start-end perms offset major:minor inode   name" */
static bool maps_parse(char *p, struct maps_entry *e)
{
	uint64_t major;

	e->start = maps_number(&p, 16);
	if (!maps_skip(&p, '-'))
		return false;
	e->end = maps_number(&p, 16);
	if (!maps_skip(&p, ' ') || strlen(p) < 5)
		return false;
	e->prot = (p[0] == 'r' ? UF_PROT_READ : 0) | (p[1] == 'w' ? UF_PROT_WRITE : 0) |
		  (p[2] == 'x' ? UF_PROT_EXEC : 0);
	e->shared = p[3] == 's';
	p += 5;
	e->page_size = 0;
	e->offset = maps_number(&p, 16);
	maps_skip(&p, ' ');
	major = maps_number(&p, 16);
	maps_skip(&p, ':');
	e->dev = (uint32_t)(major << 20 | maps_number(&p, 16));
	maps_skip(&p, ' ');
	e->inode = maps_number(&p, 10);
	maps_skip(&p, ' ');
	strncpy(e->name, p, sizeof(e->name) - 1);
	e->name[sizeof(e->name) - 1] = '\0';
	return true;
}

static int maps_query(int fd, uint64_t addr, struct maps_entry *e)
{
	struct maps_query q = {
		.size = sizeof(q),
		.query_flags = MAPS_COVERING_OR_NEXT,
		.query_addr = addr,
		.vma_name_size = sizeof(e->name),
		.vma_name_addr = (uintptr_t)e->name,
	};
	long ret = UF_SYS3(SYS_ioctl, fd, MAPS_PROCMAP_QUERY, &q);

	if (ret == -ENAMETOOLONG) { /* such a name is a file's */
		q.vma_name_size = 0;
		q.vma_name_addr = 0;
		ret = UF_SYS3(SYS_ioctl, fd, MAPS_PROCMAP_QUERY, &q);
	}
	if (ret < 0)
		return (int)ret;
	if (q.vma_name_size == 0)
		e->name[0] = '\0';
	e->start = q.vma_start;
	e->end = q.vma_end;
	e->offset = q.vma_offset;
	e->inode = q.inode;
	e->page_size = q.vma_page_size;
	e->dev = q.dev_major << 20 | q.dev_minor;
	e->prot = q.vma_flags & (UF_PROT_READ | UF_PROT_WRITE | UF_PROT_EXEC);
	e->shared = q.vma_flags & MAPS_SHARED;
	return 0;
}

static int maps_search(int fd, uint64_t addr, struct maps_entry *e)
{
	struct maps_lines in = {.fd = fd};
	char *line;

	while ((line = maps_line(&in)) != NULL) {
		if (maps_parse(line, e) && e->end > addr)
			return 0;
	}
	return -ENOENT;
}

static int maps_ask(int fd, uint64_t addr, struct maps_entry *e)
{
	int err = maps_query(fd, addr, e);

	/* There is nothing; any other error is the query's own. */
	if (!err || err == -ENOENT)
		return err;
	if (UF_SYS3(SYS_lseek, fd, 0, SEEK_SET) < 0)
		return -EIO;
	return maps_search(fd, addr, e);
}

uint32_t ufi_maps_count(void)
{
	int fd = ufi_maps_open("self/maps", O_RDONLY);
	uint32_t lines = 0;
	char buf[4096];
	long n;

	if (fd < 0)
		return UINT32_MAX;
	while ((n = UF_SYS3(SYS_read, fd, buf, sizeof(buf))) > 0) {
		for (long i = 0; i < n; i++)
			lines += buf[i] == '\n';
	}
	maps_close(fd);
	return lines;
}

/* The lowest mapping that ends above ADDR, ours left out. */
static int maps_find(uint64_t addr, struct maps_entry *e)
{
	int fd = ufi_maps_open("self/maps", O_RDONLY);
	int err;

	if (fd < 0)
		return fd;
	for (;;) {
		uint64_t at;

		err = maps_ask(fd, addr, e);
		at = err ? addr : uf_max(addr, e->start);
		addr = ufi_arena_beyond(at);
		if (addr == at)
			break;
	}
	maps_close(fd);
	return err;
}

static char *maps_put_hex(char *to, uint64_t value)
{
	unsigned shift = 60;

	while (shift && !(value >> shift & 15))
		shift -= 4;
	for (;; shift -= 4) {
		*to++ = "0123456789abcdef"[value >> shift & 15];
		if (!shift)
			return to;
	}
}

int ufi_maps_object(uint64_t addr, uint64_t *offset, int flags)
{
	char name[64] = "self/map_files/";
	char *to = name + strlen(name);
	struct maps_entry e;
	int err = maps_find(addr, &e);

	if (err)
		return err;
	to = maps_put_hex(to, e.start);
	*to++ = '-';
	*maps_put_hex(to, e.end) = '\0';
	*offset = e.offset + (addr - e.start);
	return ufi_maps_open(name, flags);
}

int ufi_maps_identity(uint64_t addr, uint32_t *dev, uint64_t *inode)
{
	struct maps_entry e;
	int err = maps_find(addr, &e);

	if (err || e.start > addr || !e.inode)
		return -ENOENT;
	*dev = e.dev;
	*inode = e.inode;
	return 0;
}

int ufi_maps_extent(uint64_t addr, uint64_t *start, uint64_t *end)
{
	struct maps_entry e;
	int err = maps_find(addr, &e);

	*start = e.start;
	*end = e.end;
	return err;
}

uint32_t ufi_maps_device(struct uf_mmu *mmu, uint64_t addr)
{
	struct maps_entry e;

	return maps_find(addr, &e) == 0 && e.start <= addr ? e.dev : 0;
}

bool ufi_maps_accessible(struct uf_mmu *mmu, uint64_t addr, uint32_t access)
{
	struct maps_entry e;

	/* Where it cannot be told, let the access itself tell. */
	if (maps_find(addr, &e))
		return true;
	return e.start <= addr && (e.prot & access);
}

/* Is the file system of that device a tmpfs? "id parent major:minor ... - type source options" */
static bool maps_is_tmpfs(uint32_t dev)
{
	int fd = ufi_maps_open("self/mountinfo", O_RDONLY);
	struct maps_lines in = {.fd = fd};
	bool found = false;
	char *line;

	if (fd < 0)
		return false;
	while (!found && (line = maps_line(&in)) != NULL) {
		char *p = line;
		char *type;
		uint64_t major;

		maps_number(&p, 10);
		maps_skip(&p, ' ');
		maps_number(&p, 10);
		maps_skip(&p, ' ');
		major = maps_number(&p, 10);
		maps_skip(&p, ':');
		if ((major << 20 | maps_number(&p, 10)) != dev)
			continue;
		type = strstr(p, " - ");
		found = type && (strncmp(type + 3, "tmpfs ", 6) == 0 ||
				 strncmp(type + 3, "devtmpfs ", 9) == 0);
	}
	maps_close(fd);
	return found;
}

static bool maps_is_anon(const struct maps_entry *e)
{
	static const char *const special[] = {"[vdso]", "[vvar", "[vsyscall]", "[uprobes]"};

	if (e->shared)
		return false;
	if (strcmp(e->name, "/dev/zero") == 0)
		return true;
	if (e->inode || e->dev)
		return false;
	for (size_t i = 0; i < UF_ARRAY_SIZE(special); i++) {
		if (strncmp(e->name, special[i], strlen(special[i])) == 0)
			return false;
	}
	return true;
}

/* System V segments live on the kernel's own shmem mount too; userfaultfd refuses them. */
static bool maps_is_shmem(const struct maps_entry *e)
{
	if (!e->inode || strncmp(e->name, "/SYSV", 5) == 0)
		return false;
	return e->dev == ufi_host.shmem_dev || maps_is_tmpfs(e->dev);
}

/* What smaps tells of the mapping in the line that begins with KEY; the text is cut. */
static bool maps_detail(const struct maps_entry *e, const char *key, char *text, size_t size)
{
	int fd = ufi_maps_open("self/smaps", O_RDONLY);
	struct maps_lines in = {.fd = fd};
	bool here = false;
	bool found = false;
	char *line;

	if (fd < 0)
		return false;
	while (!found && (line = maps_line(&in)) != NULL) {
		struct maps_entry head;

		if (!here && maps_parse(line, &head)) {
			here = head.start == e->start;
		} else if (here && strncmp(line, key, strlen(key)) == 0) {
			strncpy(text, line + strlen(key), size - 1);
			text[size - 1] = '\0';
			found = true;
		}
	}
	maps_close(fd);
	return found;
}

/*
 * A shared mapping that is not writable now may never be: the object was
 * opened for reading, or sealed.
 */
static bool maps_maywrite(const struct maps_entry *e)
{
	char flags[MAPS_FLAGS];

	if (!e->shared || (e->prot & UF_PROT_WRITE))
		return true;
	return maps_detail(e, "VmFlags:", flags, sizeof(flags)) && strstr(flags, " mw");
}

/*
 * Nothing fits better, but what is written to it could be found out: not where the
 * pages are no ordinary ones (of devices and the kernel's own, VM_SPECIAL), nor in huge
 * ones, droppable memory and shadow stacks. spec: async.8
 */
static bool maps_is_other(const struct maps_entry *e)
{
	static const char *const barred[] = {" io", " pf", " mm", " de", " ht", " dp", " ss"};
	char flags[MAPS_FLAGS];

	if (!maps_detail(e, "VmFlags:", flags, sizeof(flags)))
		return false;
	for (size_t i = 0; i < UF_ARRAY_SIZE(barred); i++) {
		if (strstr(flags, barred[i]))
			return false;
	}
	return true;
}

/* In a list of mappings smaps alone tells it, and only files have pages of another size. */
static uint64_t maps_page_size(const struct uf_mmu *mmu, const struct maps_entry *e)
{
	char text[64];
	char *p = text;

	if (e->page_size)
		return e->page_size;
	if (!e->inode || !maps_detail(e, "KernelPageSize:", text, sizeof(text)))
		return mmu->page_size;
	maps_skip(&p, ' ');
	return uf_max(maps_number(&p, 10) * 1024, mmu->page_size);
}

/*
 * Private huge pages without a file have one that nobody else can reach: nothing
 * stands behind them.
 */
static bool maps_is_behind(const struct maps_entry *e)
{
	return e->shared || strncmp(e->name, "/anon_hugepage", 14) != 0;
}

/* What kind of memory it is; all but anonymous memory has an object. */
static const struct uf_mem_ops *maps_memory(const struct uf_mmu *mmu, const struct maps_entry *e,
					    uint64_t page_size)
{
	if (maps_is_anon(e))
		return &uf_mem_anon;
	if (maps_is_shmem(e))
		return &uf_mem_shmem;
	if (page_size > mmu->page_size)
		return &uf_mem_hugetlb;
	return maps_is_other(e) ? &uf_mem_other : NULL;
}

int ufi_maps_find(struct uf_mmu *mmu, uint64_t addr, struct uf_vma *vma)
{
	struct maps_entry e;
	int err = maps_find(addr, &e);

	if (err)
		return err;
	memset(vma, 0, sizeof(*vma));
	vma->start = e.start;
	vma->end = e.end;
	vma->page_size = maps_page_size(mmu, &e);
	vma->prot = e.prot;
	vma->shared = e.shared;
	vma->maywrite = maps_maywrite(&e);
	vma->mem = maps_memory(mmu, &e, vma->page_size);
	if (vma->mem && vma->mem != &uf_mem_anon && maps_is_behind(&e)) {
		vma->object = (uint64_t)e.dev << 32 ^ e.inode;
		vma->offset = e.offset;
	}
	return 0;
}
