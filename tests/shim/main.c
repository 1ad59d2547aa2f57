/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the choice of the case, and what the cases have in common. */
#include "case.h"

size_t page_size;

static const struct test_case *const tables[] = {
	create_cases, descriptor_cases, fault_cases,   memory_cases,
	signal_cases, process_cases,	pagemap_cases, socket_cases,
};

void skip(const char *why)
{
	fprintf(stderr, "skipped: %s\n", why);
	_exit(CASE_SKIP);
}

int uffd_open(int flags)
{
	struct uffdio_api api = {.api = UFFD_API};
	int uffd = (int)syscall(SYS_userfaultfd, flags);

	if (uffd < 0 && (errno == EPERM || errno == ENOSYS))
		skip("this process gets no userfaultfd from the kernel");
	CHECK(uffd >= 0);
	CHECK(ioctl(uffd, UFFDIO_API, &api) == 0);
	return uffd;
}

char *anon_memory(size_t pages, int prot)
{
	char *p = mmap(NULL, pages * page_size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

void uffd_register(int uffd, void *addr, size_t len)
{
	struct uffdio_register reg = {.range = {(uintptr_t)addr, len},
				      .mode = UFFDIO_REGISTER_MODE_MISSING};

	CHECK(ioctl(uffd, UFFDIO_REGISTER, &reg) == 0);
	CHECK(reg.ioctls & 1u << _UFFDIO_COPY);
}

char *uffd_memory(int uffd, size_t pages)
{
	char *p = anon_memory(pages, PROT_READ | PROT_WRITE);

	uffd_register(uffd, p, pages * page_size);
	return p;
}

int uffd_fill(int uffd, void *page, char byte)
{
	static __thread char content[65536] __attribute__((aligned(65536)));
	struct uffdio_copy copy = {.dst = (uintptr_t)page,
				   .src = (uintptr_t)content,
				   .len = page_size};

	memset(content, byte, page_size);
	return ioctl(uffd, UFFDIO_COPY, &copy) ? errno : 0;
}

/* The case of that name, run. */
int main(int argc, char **argv)
{
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct test_case *c = tables[t]; c->name; c++) {
			if (argc < 2) {
				printf("%s\n", c->name);
			} else if (!strcmp(argv[1], c->name)) {
				alarm(20);
				c->run();
				return 0;
			}
		}
	}
	if (argc < 2)
		return 0;
	fprintf(stderr, "no such case: %s\n", argv[1]);
	return 2;
}
