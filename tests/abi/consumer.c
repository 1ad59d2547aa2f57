/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program of somebody else: it is compiled against what was installed, as C
 * and as C++, and serves one fault with the engine. 77: the engine cannot work
 * here.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <userfault.h>

static void *touch(void *arg)
{
	volatile char *p = (volatile char *)arg;

	return *p == 'x' ? NULL : arg;
}

static int failed(const char *what, long ret)
{
	fprintf(stderr, "%s: %ld\n", what, ret);
	return 1;
}

static int serve(struct uf *uf, char *page, size_t page_size)
{
	char *content = page + page_size;
	struct uf_msg msg;
	pthread_t thread;
	void *wrong = page;
	size_t done = 0;
	long ret;

	memset(content, 'x', page_size);
	if (pthread_create(&thread, NULL, touch, page + 1))
		return failed("pthread_create", 0);
	ret = (long)uf_read(uf, &msg, 1);
	if (ret != 1 || msg.event != UF_EVENT_PAGEFAULT ||
	    msg.arg.pagefault.address != (uintptr_t)page || msg.arg.pagefault.flags)
		return failed("uf_read", ret);
	ret = uf_copy(uf, page, content, page_size, 0, &done);
	if (ret || done != page_size)
		return failed("uf_copy", ret);
	pthread_join(thread, &wrong);
	if (wrong)
		return failed("another content than was copied", 0);
	ret = uf_unregister(uf, page, page_size);
	return ret ? failed("uf_unregister", ret) : 0;
}

int main(void)
{
	struct uf_options options = UF_OPTIONS_INIT;
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = (char *)mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uf *uf;
	long ret;

	if (memory == (char *)MAP_FAILED)
		return failed("mmap", 0);
	if (strcmp(uf_version(), UF_VERSION))
		return failed("the library has another version than its header", 0);
	options.backend = UF_BACKEND_ENGINE;
	ret = uf_open(&options, O_CLOEXEC, &uf);
	if (ret == -ENOTSUP) {
		printf("the engine cannot work here\n");
		return 77;
	}
	if (ret || uf_backend(uf) != UF_BACKEND_ENGINE)
		return failed("uf_open", ret);
	ret = uf_api(uf, 0, NULL, NULL);
	if (!ret)
		ret = uf_register(uf, memory, page_size, UF_REGISTER_MODE_MISSING, NULL);
	if (ret)
		return failed("uf_api, uf_register", ret);
	if (serve(uf, memory, page_size))
		return 1;
	uf_close(uf);
	return 0;
}
