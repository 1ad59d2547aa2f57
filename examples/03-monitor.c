/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 3. A monitor thread with poll, the program that userfaultfd(2) describes.
 *
 * Usage: 03-monitor [--backend=B] PAGES
 *
 * One thread sleeps in poll() on the descriptor and gives each page that is
 * asked for a letter of its own: A for the first fault, B for the second ...
 * The main thread reads a byte every 1024 bytes and prints what it sees. The
 * descriptor polls like any other, so that a program's event loop can have it
 * beside its sockets; here a pipe beside it says when to stop.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "example.h"

#define STRIDE 1024

struct monitor {
	struct uf *uf;
	int stop;
	char *memory;
	size_t page_size;
	unsigned int faults;
};

/* All that is to be read now: with O_NONBLOCK the end of it is -EAGAIN. */
static void drain(struct monitor *m, char *letters)
{
	struct uf_msg msgs[16];
	ssize_t n;

	while ((n = uf_read(m->uf, msgs, 16)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			uint64_t addr = msgs[i].arg.pagefault.address;
			uint64_t flags = msgs[i].arg.pagefault.flags;

			printf("    fault %u: offset 0x%llx, flags %llx\n", m->faults,
			       (unsigned long long)(addr - (uintptr_t)m->memory),
			       (unsigned long long)flags);
			memset(letters, 'A' + (int)(m->faults++ % 26), m->page_size);
			must(uf_copy(m->uf, (void *)(uintptr_t)addr, letters, m->page_size, 0,
				     NULL),
			     "uf_copy");
		}
	}
	if (n != -EAGAIN)
		must(n, "uf_read");
}

static void *monitor(void *arg)
{
	struct monitor *m = arg;
	struct pollfd fds[2] = {
		{.fd = uf_fd(m->uf), .events = POLLIN},
		{.fd = m->stop, .events = POLLIN},
	};
	char *letters = malloc(m->page_size);

	if (!letters)
		must(-ENOMEM, "malloc");
	while (!fds[1].revents) {
		if (poll(fds, 2, -1) < 0)
			must(-errno, "poll");
		if (fds[0].revents & POLLERR)
			must(-EIO, "poll on the userfaultfd");
		if (fds[0].revents & POLLIN)
			drain(m, letters);
	}
	free(letters);
	return NULL;
}

int main(int argc, char **argv)
{
	enum uf_backend backend = backend_argument(&argc, argv);
	struct monitor m = {.page_size = (size_t)sysconf(_SC_PAGESIZE)};
	pthread_t thread;
	size_t len;
	int ends[2];

	if (argc != 2 || atoi(argv[1]) <= 0) {
		fprintf(stderr, "usage: %s [--backend=B] PAGES\n", argv[0]);
		return 2;
	}
	len = (size_t)atoi(argv[1]) * m.page_size;
	m.memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m.memory == MAP_FAILED || pipe(ends))
		must(-errno, "mmap, pipe");
	m.stop = ends[0];
	m.uf = open_or_skip(backend, O_CLOEXEC | O_NONBLOCK);
	must(uf_api(m.uf, 0, NULL, NULL), "uf_api");
	must(uf_register(m.uf, m.memory, len, UF_REGISTER_MODE_MISSING, NULL), "uf_register");
	must(-pthread_create(&thread, NULL, monitor, &m), "pthread_create");

	for (size_t i = 0xf; i < len; i += STRIDE) {
		char c = *(volatile char *)(m.memory + i);

		printf("offset 0x%zx reads %c\n", i, c);
	}
	close(ends[1]);
	pthread_join(thread, NULL);
	uf_close(m.uf);
	return 0;
}
