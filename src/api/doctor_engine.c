/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what is said about the engine, by effect: it serves one real fault of
 * another thread, and what it may use is tried instead of asked for. Our
 * signal handlers are installed afterwards, as after uf_open; nothing else
 * stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/doctor.h"
#include "backend/backend.h"
#include "mmu/host/host.h"
#include "mmu/host/sys.h"

#define ENGINE_GUARD_INSTALL 102
#define ENGINE_GUARD_REMOVE 103

/* The page's first byte; a fault takes microseconds, so this is a verdict. */
#define ENGINE_MARK 0x5a
#define ENGINE_TIMEOUT_MS 5000

struct trial {
	struct uf_diagnosis *d;
	void *ctx;
	int fd;
	size_t page_size;
	unsigned char *page; /* registered */
	pthread_t toucher;   /* faults there */
	bool threaded;	     /* there is a toucher */
	unsigned char seen;  /* by it */
};

static void trial_log(void *arg, enum uf_log_level level, const char *fmt, ...) UF_PRINTF(3, 4);

/* The engine says why it cannot be opened; what it says first counts. */
static void trial_log(void *arg, enum uf_log_level level, const char *fmt, ...)
{
	struct uf_diagnosis *d = arg;
	va_list ap;

	if (level > UF_LOG_WARNING || d->engine_reason[0])
		return;
	va_start(ap, fmt);
	vsnprintf(d->engine_reason, sizeof(d->engine_reason), fmt, ap);
	va_end(ap);
}

static void trial_failed(struct trial *t, const char *what, long err)
{
	if (!t->d->engine_reason[0])
		ufi_doctor_say(t->d->engine_reason, "%s: %s", what, strerror((int)-err));
}

static int trial_ioctl(struct trial *t, uint32_t request, void *arg)
{
	return uf_backend_engine.ioctl(t->ctx, t->fd, request, (uintptr_t)arg);
}

static void *trial_toucher(void *arg)
{
	struct trial *t = arg;

	t->seen = *(volatile unsigned char *)t->page;
	return NULL;
}

/* The fault's message has to be there before the page is. */
static int trial_wait(struct trial *t)
{
	struct pollfd p = {.fd = t->fd, .events = POLLIN};
	struct uf_msg msg;
	struct iovec iov = {&msg, sizeof(msg)};
	ssize_t n;

	if (poll(&p, 1, ENGINE_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	n = uf_backend_engine.readv(t->ctx, t->fd, &iov, 1, true);
	if (n < 0)
		return (int)n;
	return n == sizeof(msg) && msg.event == UF_EVENT_PAGEFAULT ? 0 : -EPROTO;
}

static int trial_fill(struct trial *t)
{
	unsigned char *content = malloc(t->page_size);
	struct uf_io_copy copy = {
		.dst = (uintptr_t)t->page,
		.src = (uintptr_t)content,
		.len = t->page_size,
	};
	int err;

	if (!content)
		return -ENOMEM;
	memset(content, ENGINE_MARK, t->page_size);
	err = trial_ioctl(t, UF_IOC_COPY, &copy);
	free(content);
	return err;
}

/* One fault, of a thread if there can be one; it goes on when the page is filled. */
static void trial_fault(struct trial *t)
{
	int err;

	t->threaded = pthread_create(&t->toucher, NULL, trial_toucher, t) == 0;
	err = t->threaded ? trial_wait(t) : 0;
	if (err)
		trial_failed(t, "no message of a fault", err);
	err = trial_fill(t);
	if (err)
		trial_failed(t, "UFFDIO_COPY", err);
}

static void trial_run(struct trial *t)
{
	struct uf_io_api api = {.api = UF_UAPI_API};
	struct uf_io_register reg = {
		.range = {(uintptr_t)t->page, t->page_size},
		.mode = UF_REGISTER_MODE_MISSING,
	};
	int err = trial_ioctl(t, UF_IOC_API, &api);

	if (err) {
		trial_failed(t, "UFFDIO_API", err);
		return;
	}
	t->d->engine_features = api.features;
	err = trial_ioctl(t, UF_IOC_REGISTER, &reg);
	if (err)
		trial_failed(t, "UFFDIO_REGISTER", err);
	else
		trial_fault(t);
}

/* Whatever went wrong, closing lets the thread go on: only then is it waited for. */
static void trial_finish(struct trial *t)
{
	uf_backend_engine.close(t->ctx);
	UF_SYS1(SYS_close, t->fd);
	if (t->threaded)
		pthread_join(t->toucher, NULL);
	else
		trial_toucher(t);
	if (t->seen != ENGINE_MARK)
		trial_failed(t, "a filled page has other content", -EIO);
	t->d->engine_works = !t->d->engine_reason[0];
}

static void engine_trial(struct uf_diagnosis *d)
{
	const struct uf_backend_open args = {
		.flags = O_CLOEXEC | O_NONBLOCK,
		.log = trial_log,
		.log_arg = d,
	};
	struct trial t = {.d = d, .page_size = (size_t)sysconf(_SC_PAGESIZE)};
	int err;

	t.page =
		mmap(NULL, t.page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t.page == MAP_FAILED) {
		trial_failed(&t, "mmap", -ENOMEM);
		return;
	}
	err = uf_backend_engine.open(&args, &t.ctx, &t.fd);
	if (err) {
		trial_failed(&t, "the engine cannot be opened", err);
	} else {
		trial_run(&t);
		trial_finish(&t);
	}
	munmap(t.page, t.page_size);
}

/* Is the page at P, all zeros, out of the kernel's reach? An empty set blocks no signal. */
static bool engine_unreadable(long p)
{
	return UF_SYS4(SYS_rt_sigprocmask, SIG_BLOCK, p, NULL, sizeof(uint64_t)) == -EFAULT;
}

/* Some sandboxes accept advice that they do not know, so the marker has to be felt. */
static bool engine_guard(int map_flags)
{
	long page = sysconf(_SC_PAGESIZE);
	long p = UF_SYS6(SYS_mmap, 0, page, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | map_flags, -1,
			 0);
	bool works;

	if (p < 0 && p > -4096)
		return false;
	works = UF_SYS3(SYS_madvise, p, page, ENGINE_GUARD_INSTALL) == 0 && engine_unreadable(p) &&
		UF_SYS3(SYS_madvise, p, page, ENGINE_GUARD_REMOVE) == 0 && !engine_unreadable(p);
	UF_SYS2(SYS_munmap, p, page);
	return works;
}

static bool engine_memfd(void)
{
	long fd = UF_SYS2(SYS_memfd_create, "userfault-doctor", MFD_CLOEXEC);

	if (fd < 0)
		return false;
	UF_SYS1(SYS_close, fd);
	return true;
}

void ufi_doctor_engine(struct uf_diagnosis *d)
{
	struct ufi_host_caps caps;
	struct ufi_mm *mm;
	const char *why;
	int err = uf_backend_start(&mm, &why);

	if (err)
		ufi_doctor_say(d->engine_reason, "%s", why);
	else
		engine_trial(d);
	ufi_host_caps(&caps);
	d->proc_mem = caps.procmem;
	d->proc_maps = caps.maps;
	d->pagemap = caps.pagemap;
	d->guard_anon = engine_guard(MAP_PRIVATE);
	d->guard_shmem = engine_guard(MAP_SHARED);
	d->memfd = engine_memfd();
}
