/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 1. Print faults: what a userfaultfd is, in one page of code.
 *
 * A thread walks over memory that has no content. Each time it touches a page
 * that is missing, the kernel or the engine stops it and hands us a message;
 * we print it and give the page zeros, and the thread goes on, none the wiser.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "example.h"

#define PAGES 8

static size_t page_size;

/* A page that has content does not fault again: the second visit of page 5 is silent. */
static void *walk(void *memory)
{
	volatile char *pages = memory;

	(void)pages[5 * page_size];
	pages[2 * page_size + 100] = 1;
	pages[5 * page_size] = 1;
	(void)pages[0];
	pages[7 * page_size] = 1;
	return NULL;
}

/* Serve faults until the last page was asked for. */
static void serve(struct uf *uf, char *memory)
{
	size_t page = 0;

	while (page != PAGES - 1) {
		struct uf_msg msg;

		/* Blocks until there is a message; up to N of them can be read at once. */
		must(uf_read(uf, &msg, 1), "uf_read");
		if (msg.event != UF_EVENT_PAGEFAULT)
			continue;
		page = (msg.arg.pagefault.address - (uintptr_t)memory) / page_size;
		printf("page %zu is missing, %s\n", page,
		       msg.arg.pagefault.flags & UF_PAGEFAULT_FLAG_WRITE ? "write" : "read");
		/* Fills the page and wakes whoever waits for it. */
		must(uf_zeropage(uf, memory + page * page_size, page_size, 0, NULL), "uf_zeropage");
	}
}

int main(int argc, char **argv)
{
	enum uf_backend backend = backend_argument(&argc, argv);
	struct uf *uf = open_or_skip(backend, O_CLOEXEC);
	pthread_t walker;
	char *memory;

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	memory = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (memory == MAP_FAILED)
		must(-errno, "mmap");

	/* First the handshake, which features we want (none), then the range. */
	must(uf_api(uf, 0, NULL, NULL), "uf_api");
	must(uf_register(uf, memory, PAGES * page_size, UF_REGISTER_MODE_MISSING, NULL),
	     "uf_register");

	must(-pthread_create(&walker, NULL, walk, memory), "pthread_create");
	serve(uf, memory);
	pthread_join(walker, NULL);

	/* Now it is ordinary memory again: the pages we never gave read as zeros. */
	uf_close(uf);
	printf("done: page 1 has %d, page 2 has %d\n", memory[page_size],
	       memory[2 * page_size + 100]);
	return 0;
}
