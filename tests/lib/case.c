/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tests are written with: checks, handles, memory, messages and
 * processes, and what is looked at before and after a test: descriptors,
 * mappings and children that it must not leave behind.
 */
#include <dirent.h>
#include <malloc.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "api/handle.h"
#include "lib/conform.h"

#define CASE_SKIP 77

/* How long to wait for what must come. */
#define CASE_PATIENCE_MS 8000

/* libc may keep a mapping or two for itself; a sanitizer keeps many. */
#define CASE_MAPS_TOLERANCE (T_SANITIZED ? 100000 : 3)

/* Tests that run side by side use no more of them. */
#define CASE_HUGE_PAGES 32

static int case_fds_before;
static int case_maps_before;

void t_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	char text[512];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s:%d: %s\n", file, line, text);
	_exit(1);
}

void t_skip(const char *fmt, ...)
{
	va_list ap;
	char text[512];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s\n", text);
	_exit(CASE_SKIP);
}

void t_equal(const char *file, int line, const char *what, long long got, long long want)
{
	if (got != want)
		t_fail(file, line, "%s is %lld (%#llx), not %lld (%#llx)", what, got, got, want,
		       want);
}

void t_result(const char *file, int line, const char *what, long long got, long long want)
{
	if (got == want)
		return;
	t_fail(file, line, "%s gave %lld (%s), not %lld (%s)", what, got,
	       got < 0 && got > -4096 ? strerrordesc_np((int)-got) : "no error", want,
	       want < 0 ? strerrordesc_np((int)-want) : "no error");
}

void t_needs_linux(void)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	if (madvise(page, 4096, 4711) == 0)
		t_skip("this is an emulator, which accepts advice that does not exist");
	munmap(page, 4096);
}

void t_sleep_ms(unsigned ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* --- Begin and end --- */

static int case_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static int case_count_maps(void)
{
	char buf[4096];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int lines = 0;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
	if (fd >= 0)
		close(fd);
	return lines;
}

static void *case_nothing(void *arg)
{
	return arg;
}

/* The first thread makes libc map things that it keeps. */
static void case_warm_threads(void)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, case_nothing, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/*
 * So does the first handle of a backend, the kernel's only with USER_MODE_ONLY;
 * and where there is no handle without it, that is the end of the test.
 */
static void case_warm_backend(struct t *t)
{
	struct uf *uf = t_open_bare(t, 0);
	struct uf *user = t_open_bare(t, UF_USER_MODE_ONLY);

	t_close(t, user);
	t_close(t, uf);
}

/* The number behind KEY, which a line begins with. */
static size_t case_number(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	char line[128];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, key, strlen(key));
	if (f)
		fclose(f);
	return found ? strtoul(line + strlen(key), NULL, 10) : 0;
}

/* Of the size that there is without asking for another; the tests need a few of them. */
static size_t case_huge_page(void)
{
	size_t kb = case_number("/proc/meminfo", "Hugepagesize:");

	if (case_number("/proc/meminfo", "HugePages_Free:") +
		    case_number("/proc/sys/vm/nr_overcommit_hugepages", "") <
	    case_number("/proc/meminfo", "HugePages_Rsvd:") + CASE_HUGE_PAGES)
		t_skip("no huge pages, or too few: see vm.nr_hugepages");
	CHECK(kb);
	return kb * 1024;
}

void t_case_begin(struct t *t, const struct t_target *target)
{
	t->target = target;
	t->page = (size_t)sysconf(_SC_PAGESIZE);
	if (t_huge(t)) {
		t_needs_linux(); /* an emulator does not tell whose pages are huge */
		t->page = case_huge_page();
	}
	mallopt(M_ARENA_MAX, 1);
	t_access_install(); /* before the engine, which passes on what is not its own */
	case_warm_threads();
	case_warm_backend(t);
	case_fds_before = case_count_fds();
	case_maps_before = case_count_maps();
}

/* The library's own threads may be about to end, and what they have with them. */
static void case_settle(int most_fds, int most_maps)
{
	for (int i = 0; i < 2000; i++) {
		if (case_count_fds() <= most_fds && case_count_maps() <= most_maps)
			return;
		t_sleep_ms(1);
	}
}

void t_case_end(struct t *t)
{
	/* The second mappings of huge pages need addresses, which are kept. */
	int most_maps = case_maps_before + CASE_MAPS_TOLERANCE + (t_huge(t) ? 4 : 0);

	while (t->nhandles > 0)
		t_close(t, t->handles[0]);
	for (int i = 0; i < t->nmaps; i++) {
		/* Poison outlives its context, and has to be told. */
		(void)!uf_munmap(t->maps[i].addr, t->maps[i].len);
		if (t->maps[i].fd >= 0)
			close(t->maps[i].fd);
	}
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		t_fail(__FILE__, __LINE__, "a child is left behind");
	if (t->keeps)
		return;
	case_settle(case_fds_before, most_maps);
	CHECK_EQ(case_count_fds(), case_fds_before);
	if (case_count_maps() > most_maps)
		t_fail(__FILE__, __LINE__, "%d mappings are left behind",
		       case_count_maps() - case_maps_before);
}

/* --- Handles --- */

static bool case_no_guard(const struct t *t)
{
	struct uf_diagnosis d = {.struct_size = sizeof(d)};

	return t->target->trap == UF_TRAP_CHOICE_GUARD && uf_doctor(&d) == 0 && !d.guard_shmem;
}

static void case_log(void *arg, enum uf_log_level level, const char *text)
{
	fprintf(stderr, "log %d: %s\n", (int)level, text);
}

struct uf *t_open_bare(struct t *t, int flags)
{
	struct uf_options opt = UF_OPTIONS_INIT;
	struct uf *uf = NULL;
	int err;

	opt.backend = t->target->backend;
	opt.trap = t->target->trap;
	opt.fill = t->target->fill;
	opt.log = case_log;
	if (case_no_guard(t))
		t_skip("this kernel has no guard markers on shared memory");
	err = uf_open(&opt, flags & T_BLOCKING ? flags & ~T_BLOCKING : flags | O_NONBLOCK, &uf);
	if (!t_engine(t) && (err == -EPERM || err == -EACCES || err == -ENOENT || err == -ENOSYS))
		t_skip("no kernel userfaultfd here: %s", strerrordesc_np(-err));
	CHECK_RET(err, 0);
	CHECK_EQ(uf_backend(uf), t->target->backend);
	CHECK(t->nhandles < T_HANDLES);
	t->handles[t->nhandles++] = uf;
	return uf;
}

struct uf *t_open(struct t *t, int flags, uint64_t features)
{
	struct uf *uf = t_open_bare(t, flags);
	uint64_t have;

	CHECK_RET(uf_api(uf, features, &have, NULL), 0);
	CHECK_EQ(features & ~have, 0);
	return uf;
}

void t_give(struct t *t, struct uf *uf)
{
	int i = 0;

	while (i < t->nhandles && t->handles[i] != uf)
		i++;
	CHECK(i < t->nhandles);
	t->handles[i] = t->handles[--t->nhandles];
}

void t_close(struct t *t, struct uf *uf)
{
	t_give(t, uf);
	uf_close(uf);
}

/* The one look behind the public API: buffers that are not an array of messages. */
ssize_t t_read_raw(struct uf *uf, void *buf, size_t len)
{
	struct iovec iov = {buf, len};

	return uf->ops->readv(uf->ctx, uf->fd, &iov, 1, false);
}

/* --- Memory --- */

void t_adopt(struct t *t, void *addr, size_t len, int fd)
{
	CHECK(addr != MAP_FAILED);
	CHECK(t->nmaps < T_MAPS);
	t->maps[t->nmaps].addr = addr;
	t->maps[t->nmaps].len = len;
	t->maps[t->nmaps++].fd = fd;
}

void t_unmap(struct t *t, char *addr)
{
	int i = t->nmaps - 1;

	while (i >= 0 && t->maps[i].addr != addr)
		i--;
	CHECK(i >= 0);
	CHECK_RET(uf_munmap(addr, t->maps[i].len), 0);
	if (t->maps[i].fd >= 0)
		close(t->maps[i].fd);
	t->maps[i] = t->maps[--t->nmaps];
}

static int case_object(enum t_mem mem, size_t len)
{
	int fd = memfd_create("conform", MFD_CLOEXEC | (t_mem_huge(mem) ? MFD_HUGETLB : 0));

	if (fd < 0 && t_mem_huge(mem))
		t_skip("no huge pages here: %s", strerror(errno));
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static int case_map_flags(enum t_mem mem)
{
	return (t_mem_shared(mem) ? MAP_SHARED : MAP_PRIVATE) |
	       (t_mem_file(mem) ? 0 : MAP_ANONYMOUS) | (mem == T_HUGETLB_PRIVATE ? MAP_HUGETLB : 0);
}

static char *case_map(struct t *t, enum t_mem mem, size_t npages, int flags)
{
	size_t len = npages * t->page;
	size_t all = len + 3 * t->page;
	char *addr = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *start;
	char *got;
	int fd;

	/* Alone between two pages of nothing, so that it never merges with a neighbour. */
	CHECK(addr != MAP_FAILED);
	start = (char *)(((uintptr_t)addr + 2 * t->page - 1) & ~(t->page - 1));
	fd = t_mem_file(mem) ? case_object(mem, len) : -1;
	t_adopt(t, start, len, fd);
	got = mmap(start, len, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd, 0);
	if (got == MAP_FAILED && t_mem_huge(mem))
		t_skip("no huge pages to be had: see vm.nr_hugepages");
	CHECK(got == start);
	CHECK_EQ(munmap(addr, (size_t)(start - addr)), 0);
	CHECK_EQ(munmap(start + len, (size_t)(addr + all - (start + len))), 0);
	return start;
}

char *t_map_of(struct t *t, enum t_mem mem, size_t npages)
{
	return case_map(t, mem, npages, case_map_flags(mem));
}

char *t_map(struct t *t, size_t npages)
{
	return t_map_of(t, t->target->mem, npages);
}

char *t_map_unreserved(struct t *t, size_t npages)
{
	enum t_mem mem = t->target->mem;

	return case_map(t, mem, npages, case_map_flags(mem) | MAP_NORESERVE);
}

int t_map_fd(struct t *t, const char *addr)
{
	/* The last one there: what was there before may have been moved away. */
	for (int i = t->nmaps - 1; i >= 0; i--)
		if (t->maps[i].addr == addr)
			return t->maps[i].fd;
	t_fail(__FILE__, __LINE__, "%p is not a map of the test", (const void *)addr);
}

/* The neighbours are mapped without any access, which is as good as nothing for most. */
char *t_buffer(struct t *t, size_t npages)
{
	size_t len = npages * t->page;
	char *addr = mmap(NULL, len + 2 * t->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	t_adopt(t, addr, len + 2 * t->page, -1);
	CHECK_EQ(mprotect(addr + t->page, len, PROT_READ | PROT_WRITE), 0);
	memset(addr + t->page, 0, len);
	return addr + t->page;
}

void t_register(struct uf *uf, void *addr, size_t len)
{
	CHECK_RET(uf_register(uf, addr, len, UF_REGISTER_MODE_MISSING, NULL), 0);
}

char *t_registered(struct t *t, struct uf *uf, size_t npages)
{
	char *addr = t_map(t, npages);

	t_register(uf, addr, npages * t->page);
	return addr;
}

bool t_is_filled(const char *addr, size_t len, int byte)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)addr[i] != (unsigned char)byte)
			return false;
	return true;
}

void t_fill(struct t *t, struct uf *uf, char *addr, int byte, uint64_t mode)
{
	/* On the stack it could be shared with nobody; pages are up to 64 KiB. */
	char *src = malloc(t->page);
	size_t done = 0;

	CHECK(src);
	memset(src, byte, t->page);
	CHECK_RET(uf_copy(uf, addr, src, t->page, mode, &done), 0);
	CHECK_EQ(done, t->page);
	free(src);
}

void t_zero(struct t *t, struct uf *uf, char *addr, size_t len)
{
	for (size_t at = 0; t_huge(t) && at < len; at += t->page)
		t_fill(t, uf, addr + at, 0, 0);
	if (!t_huge(t))
		CHECK_RET(uf_zeropage(uf, addr, len, 0, NULL), 0);
}

void t_register_mode(struct uf *uf, void *addr, size_t len, uint64_t mode)
{
	CHECK_RET(uf_register(uf, addr, len, mode, NULL), 0);
}

char *t_registered_mode(struct t *t, struct uf *uf, size_t npages, uint64_t mode)
{
	char *addr = t_map(t, npages);

	t_register_mode(uf, addr, npages * t->page, mode);
	return addr;
}

char *t_twin(struct t *t, char *addr, size_t npages)
{
	int fd = t_map_fd(t, addr);
	char *twin;

	if (fd < 0)
		t_needs_linux();
	twin = fd < 0 ? mremap(addr, 0, npages * t->page, MREMAP_MAYMOVE)
		      : mmap(NULL, npages * t->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	t_adopt(t, twin, npages * t->page, -1);
	return twin;
}

/* --- What has to be there --- */

void t_needs_features(struct t *t, uint64_t features)
{
	struct uf *uf;
	uint64_t have;

	if (t_engine(t))
		return;
	uf = t_open_bare(t, 0);
	CHECK_RET(uf_api(uf, 0, &have, NULL), 0);
	t_close(t, uf);
	if (features & ~have)
		t_skip("this kernel lacks features %#llx", (unsigned long long)(features & ~have));
}

struct uf *t_open_mode(struct t *t, uint64_t modes, uint64_t features)
{
	uint64_t needs = features;

	if (modes & UF_REGISTER_MODE_WP)
		needs |= UF_FEATURE_PAGEFAULT_FLAG_WP;
	if (modes & UF_REGISTER_MODE_WP && t->target->mem != T_ANON)
		needs |= UF_FEATURE_WP_HUGETLBFS_SHMEM;
	if (modes & UF_REGISTER_MODE_MINOR)
		needs |= t_huge(t) ? UF_FEATURE_MINOR_HUGETLBFS : UF_FEATURE_MINOR_SHMEM;
	if (modes & UF_REGISTER_MODE_RWP)
		needs |= UF_FEATURE_RWP;
	t_needs_features(t, needs);
	return t_open(t, 0, features);
}

void t_needs_old_rule(struct t *t, const char *what)
{
	struct utsname name;
	int major = 0;

	CHECK_EQ(uname(&name), 0);
	sscanf(name.release, "%d", &major);
	if (!t_engine(t) && major >= 7)
		t_skip("newer kernels differ: %s", what);
}

/* --- Protection, mapping and poison --- */

void t_protect(struct uf *uf, char *addr, size_t len)
{
	CHECK_RET(uf_writeprotect(uf, addr, len, UF_WRITEPROTECT_MODE_WP), 0);
}

void t_unprotect(struct uf *uf, char *addr, size_t len)
{
	CHECK_RET(uf_writeprotect(uf, addr, len, 0), 0);
}

void t_rwprotect(struct uf *uf, char *addr, size_t len)
{
	CHECK_RET(uf_rwprotect(uf, addr, len, UF_RWPROTECT_MODE_RWP), 0);
}

void t_rwunprotect(struct uf *uf, char *addr, size_t len)
{
	CHECK_RET(uf_rwprotect(uf, addr, len, 0), 0);
}

void t_is_inaccessible(struct t *t, struct uf *uf, char *addr, int byte)
{
	struct t_thread th;

	t_thread_faults(t, &th, uf, addr, T_READ, T_RWP);
	t_thread_blocked(&th);
	t_rwunprotect(uf, addr, t->page);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, byte);
	t_message_none(uf);
}

void t_continue(struct uf *uf, char *addr, size_t len, uint64_t mode)
{
	size_t done = 0;

	CHECK_RET(uf_continue(uf, addr, len, mode, &done), 0);
	CHECK_EQ(done, len);
}

void t_poison(struct uf *uf, char *addr, size_t len)
{
	size_t done = 0;

	CHECK_RET(uf_poison(uf, addr, len, 0, &done), 0);
	CHECK_EQ(done, len);
}

void t_is_protected(struct t *t, struct uf *uf, char *addr)
{
	struct t_thread th;

	CHECK_EQ(t_access(addr, T_READ).sig, 0);
	t_message_none(uf);
	t_thread_faults(t, &th, uf, addr, T_WRITE, T_WP);
	t_thread_blocked(&th);
	t_unprotect(uf, addr, t->page);
	t_thread_join(t, &th, 0);
	CHECK_EQ((unsigned char)*addr, T_MARK);
	t_message_none(uf);
}

void t_is_open(struct uf *uf, char *addr)
{
	CHECK_EQ(t_access(addr, T_READ).sig, 0);
	CHECK_EQ(t_access(addr, T_WRITE).sig, 0);
	CHECK_EQ((unsigned char)*addr, T_MARK);
	t_message_none(uf);
}

void t_is_minor(struct t *t, struct uf *uf, char *addr, int byte)
{
	struct t_thread th;

	t_thread_faults(t, &th, uf, addr, T_READ, T_MINOR);
	t_thread_blocked(&th);
	t_continue(uf, addr, t->page, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, byte);
	t_message_none(uf);
}

/* The code is that of failed memory where the kernel knows about failing memory. */
void t_is_poisoned(struct t *t, char *addr)
{
	static const enum t_access accesses[] = {T_READ, T_WRITE, T_MODIFY};
	bool failing = access("/proc/sys/vm/memory_failure_recovery", F_OK) == 0;

	for (size_t i = 0; i < 3; i++) {
		char *at = addr + (i * 1234 + 5) % t->page;
		struct t_outcome out = t_access(at, accesses[i]);

		CHECK_EQ(out.sig, SIGBUS);
		CHECK_EQ(out.code, failing ? BUS_MCEERR_AR : BUS_ADRERR);
		CHECK(out.addr == at);
		if (failing)
			CHECK_EQ(1ull << out.lsb, t->page);
	}
}

/* --- Messages --- */

void t_message_pending(struct uf *uf)
{
	struct pollfd p = {.fd = uf_fd(uf), .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, CASE_PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	if (n != 1 || !(p.revents & POLLIN))
		t_fail(__FILE__, __LINE__, "no message has come (poll %d, %#x)", n, p.revents);
	CHECK(uf_poll(uf) & POLLIN);
}

struct uf_msg t_message(struct uf *uf)
{
	struct uf_msg msg;

	memset(&msg, 0xff, sizeof(msg));
	t_message_pending(uf);
	CHECK_RET(uf_read(uf, &msg, 1), 1);
	return msg;
}

void t_message_none(struct uf *uf)
{
	struct uf_msg msg;

	CHECK_RET(uf_read(uf, &msg, 1), -EAGAIN);
	CHECK_EQ(uf_poll(uf), 0);
}

void t_fault_at(struct uf *uf, const void *addr, uint64_t flags)
{
	struct uf_msg msg = t_message(uf);

	CHECK_EQ(msg.event, UF_EVENT_PAGEFAULT);
	CHECK_EQ(msg.arg.pagefault.flags, flags);
	CHECK_EQ(msg.arg.pagefault.address, (uintptr_t)addr);
}

/* --- Processes --- */

pid_t t_fork(struct t *t, void (*fn)(struct t *, void *), void *arg)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(t, arg);
		_exit(0);
	}
	return pid;
}

int t_wait(pid_t pid)
{
	int status;

	for (int i = 0; i < CASE_PATIENCE_MS; i++) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		CHECK(got >= 0);
		if (got == pid)
			return status;
		t_sleep_ms(1);
	}
	t_fail(__FILE__, __LINE__, "the child does not end");
}

void t_drop_privileges(void)
{
	prctl(PR_SET_KEEPCAPS, 0);
	if (geteuid() == 0) {
		CHECK_EQ(setresgid(65534, 65534, 65534), 0);
		CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	}
}
