/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 4. Two threads, one page: every thread that stops sends a message of its own.
 *
 * Both touch the same missing page. We wait until both have stopped there,
 * see by UF_FEATURE_THREAD_ID who they are, and fill the page once: the one
 * copy wakes them both. A second copy, which a server that takes each message
 * for a page of its own would try, is refused and changes nothing.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "example.h"

#define THREADS 2

struct toucher {
	const char *page;
	atomic_long tid;
	char saw;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;

	atomic_store(&t->tid, syscall(SYS_gettid));
	t->saw = *(const volatile char *)t->page; /* stops here */
	return NULL;
}

/* Which of the threads a message speaks of, counted from 0. */
static int whose(struct toucher *touchers, const struct uf_msg *msg)
{
	for (int i = 0; i < THREADS; i++) {
		if ((uint32_t)atomic_load(&touchers[i].tid) == msg->arg.pagefault.feat.ptid)
			return i;
	}
	must(-ESRCH, "a message of a thread that we do not know");
	return -1;
}

/* Read messages until every thread has sent one. */
static void wait_for_all(struct uf *uf, struct toucher *touchers)
{
	int seen[THREADS] = {0};
	int stopped = 0;

	while (stopped < THREADS) {
		struct uf_msg msgs[THREADS];
		long n = must(uf_read(uf, msgs, THREADS), "uf_read");

		for (long i = 0; i < n; i++) {
			int who = whose(touchers, &msgs[i]);

			if (!seen[who]++)
				stopped++;
		}
	}
	printf("%d threads stopped at the page\n", stopped);
}

int main(int argc, char **argv)
{
	enum uf_backend backend = backend_argument(&argc, argv);
	struct uf *uf = open_or_skip(backend, O_CLOEXEC);
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	struct toucher touchers[THREADS] = {0};
	pthread_t threads[THREADS];
	char *page, *content;
	size_t done;
	int err;

	page = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	content = malloc(page_size);
	if (page == MAP_FAILED || !content)
		must(-ENOMEM, "memory");
	must(uf_api(uf, UF_FEATURE_THREAD_ID, NULL, NULL), "uf_api");
	must(uf_register(uf, page, page_size, UF_REGISTER_MODE_MISSING, NULL), "uf_register");

	for (int i = 0; i < THREADS; i++) {
		touchers[i].page = page;
		must(-pthread_create(&threads[i], NULL, touch, &touchers[i]), "pthread_create");
	}
	wait_for_all(uf, touchers);

	memset(content, 'x', page_size);
	must(uf_copy(uf, page, content, page_size, 0, &done), "uf_copy");
	printf("one copy: all of the page was filled: %s\n", done == page_size ? "yes" : "no");
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		printf("thread %d saw %c\n", i + 1, touchers[i].saw);
	}

	memset(content, 'y', page_size);
	err = uf_copy(uf, page, content, page_size, 0, &done);
	printf("another copy: %s; the page still has %c\n",
	       err == -EEXIST && !done ? "refused, it exists" : "NOT REFUSED", page[0]);
	uf_close(uf);
	free(content);
	return 0;
}
