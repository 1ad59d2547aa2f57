/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 2. Fill from a file: memory that loads itself, page by page, when touched.
 *
 * Usage: 02-fill-from-file [--backend=B] FILE OFFSET LENGTH
 *
 * Writes that part of FILE to standard output, out of memory as large as the
 * file, and says on standard error how many pages it has cost.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "example.h"

struct loader {
	struct uf *uf;
	int file;
	char *memory;
	size_t page_size;
	char *buffer; /* one page */
	atomic_ulong loaded;
};

/* The content of one page: the file, and zeros beyond its end. */
static void load(struct loader *l, size_t offset)
{
	ssize_t n = pread(l->file, l->buffer, l->page_size, (off_t)offset);
	int err;

	if (n < 0)
		must(-errno, "pread");
	memset(l->buffer + n, 0, l->page_size - (size_t)n);
	atomic_fetch_add(&l->loaded, 1); /* before anybody can see the page */
	err = uf_copy(l->uf, l->memory + offset, l->buffer, l->page_size, 0, NULL);
	/* Two threads may ask for one page: the second finds it filled. */
	if (err != -EEXIST)
		must(err, "uf_copy");
}

static void *serve(void *arg)
{
	struct loader *l = arg;
	struct uf_msg msg;

	for (;;) {
		must(uf_read(l->uf, &msg, 1), "uf_read");
		if (msg.event == UF_EVENT_PAGEFAULT)
			/* Without UF_FEATURE_EXACT_ADDRESS it is the page's first byte. */
			load(l, msg.arg.pagefault.address - (uintptr_t)l->memory);
	}
	return NULL;
}

static void write_all(const char *data, size_t len)
{
	/*
	 * write() is not us: a page that the engine keeps closed is one that the
	 * kernel cannot read, and the call would fail. Touching loads what is
	 * missing, here, in user space.
	 */
	must(uf_touch(data, len, 0), "uf_touch");
	while (len) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n < 0)
			must(-errno, "write");
		data += n;
		len -= (size_t)n;
	}
}

int main(int argc, char **argv)
{
	enum uf_backend backend = backend_argument(&argc, argv);
	static struct loader l; /* the server outlives this function */
	size_t offset, len, size;
	pthread_t server;
	struct stat st;

	if (argc != 4) {
		fprintf(stderr, "usage: %s [--backend=B] FILE OFFSET LENGTH\n", argv[0]);
		return 2;
	}
	l.page_size = (size_t)sysconf(_SC_PAGESIZE);
	offset = strtoul(argv[2], NULL, 0);
	len = strtoul(argv[3], NULL, 0);
	l.file = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (l.file < 0 || fstat(l.file, &st))
		must(-errno, argv[1]);
	if (offset > (size_t)st.st_size || len > (size_t)st.st_size - offset)
		must(-ERANGE, argv[1]);

	size = ((size_t)st.st_size + l.page_size) / l.page_size * l.page_size;
	l.memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	l.buffer = malloc(l.page_size);
	if (l.memory == MAP_FAILED || !l.buffer)
		must(-ENOMEM, "memory");

	l.uf = open_or_skip(backend, O_CLOEXEC);
	must(uf_api(l.uf, 0, NULL, NULL), "uf_api");
	must(uf_register(l.uf, l.memory, size, UF_REGISTER_MODE_MISSING, NULL), "uf_register");
	must(-pthread_create(&server, NULL, serve, &l), "pthread_create");

	write_all(l.memory + offset, len);
	fprintf(stderr, "%lu of %zu pages loaded\n", atomic_load(&l.loaded), size / l.page_size);
	return 0;
}
