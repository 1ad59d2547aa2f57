/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of registered memory, and system calls that touch it. */
#include "case.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/uio.h>

static sigjmp_buf trap;
static volatile sig_atomic_t trapped;

static void on_trap(int sig)
{
	trapped = sig;
	siglongjmp(trap, 1);
}

/* The signal that a read of the byte raises, or 0. */
static int read_traps(const volatile char *p)
{
	struct sigaction act = {.sa_handler = on_trap};
	struct sigaction old[2];

	trapped = 0;
	CHECK(sigaction(SIGSEGV, &act, &old[0]) == 0 && sigaction(SIGBUS, &act, &old[1]) == 0);
	if (sigsetjmp(trap, 1) == 0)
		(void)*p;
	CHECK(sigaction(SIGSEGV, &old[0], NULL) == 0 && sigaction(SIGBUS, &old[1], NULL) == 0);
	return trapped;
}

static void dontneed(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 4);
	struct monitor m;

	monitor_start(&m, uffd, memory, WAY_POLL);
	memory[page_size] = 'X';
	CHECK(memory[page_size] == 'X' && m.faults == 1);
	CHECK(madvise(memory, 4 * page_size, MADV_DONTNEED) == 0);
	CHECK(memory[page_size] == 'b' && m.faults == 2);
	CHECK(syscall(SYS_madvise, memory, 4 * page_size, MADV_DONTNEED) == 0);
	CHECK(memory[page_size] == 'b' && m.faults == 3);
	CHECK_ERR(madvise(memory + 1, page_size, MADV_DONTNEED), EINVAL);
	monitor_stop(&m);
}

static void protect(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 4);
	struct monitor m;

	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(memory[0] == 'a');
	CHECK(mprotect(memory, 2 * page_size, PROT_NONE) == 0);
	CHECK(read_traps(memory) == SIGSEGV);
	CHECK(read_traps(memory + page_size) == SIGSEGV);
	CHECK(m.faults == 1);
	CHECK(mprotect(memory, 4 * page_size, PROT_READ) == 0);
	CHECK(read_traps(memory) == 0 && memory[0] == 'a');
	CHECK(memory[page_size] == 'b' && memory[2 * page_size] == 'c');
	CHECK(m.faults == 3);
	CHECK(mprotect(memory, 4 * page_size, PROT_READ | PROT_WRITE) == 0);
	memory[0] = 'X';
	memory[3 * page_size] = 'Y';
	CHECK(m.faults == 4 && memory[3 * page_size + 1] == 'd');
	monitor_stop(&m);
}

static void unmap(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 4);
	char *again;
	struct monitor m;

	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(memory[0] == 'a');
	CHECK(munmap(memory, 2 * page_size) == 0);
	CHECK(read_traps(memory + page_size) == SIGSEGV);
	again = mmap(memory, 2 * page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		     0);
	CHECK(again == memory && memory[0] == 0 && memory[page_size] == 0);
	CHECK(memory[2 * page_size] == 'c');
	CHECK(mmap(memory + 3 * page_size, page_size, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	CHECK(memory[3 * page_size] == 0);
	CHECK(m.faults == 2);
	CHECK(uffd_fill(uffd, memory, 'x') == ENOENT);
	monitor_stop(&m);
}

/* Without the events a moved mapping is no longer registered. */
static void move(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 2);
	char *there = anon_memory(2, PROT_NONE);
	struct monitor m;

	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(memory[0] == 'a');
	CHECK(mremap(memory, 2 * page_size, 2 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, there) ==
	      there);
	CHECK(there[0] == 'a' && there[page_size] == 0);
	CHECK(read_traps(memory) == SIGSEGV);
	CHECK(m.faults == 1);
	monitor_stop(&m);
}

static void zeropage_and_unregister(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 4);
	struct uffdio_zeropage zero = {.range = {(uintptr_t)memory, page_size}};
	struct uffdio_range range = {(uintptr_t)memory, 4 * page_size};

	CHECK(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0 && zero.zeropage == (long)page_size);
	CHECK(memory[0] == 0);
	memory[0] = 'X';
	CHECK_ERR(ioctl(uffd, UFFDIO_ZEROPAGE, &zero), EEXIST);
	CHECK(zero.zeropage == -EEXIST);
	CHECK(ioctl(uffd, UFFDIO_UNREGISTER, &range) == 0);
	CHECK(memory[0] == 'X' && memory[3 * page_size] == 0);
}

/* The kernel's own accesses to missing memory wait as the program's do. */
static void system_calls(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	char *memory = uffd_memory(uffd, 8);
	struct iovec iov = {memory + 3 * page_size, 2};
	struct monitor m;
	int fds[2];
	char buf[2];

	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(pipe(fds) == 0);
	CHECK(write(fds[1], memory + page_size - 1, 2) >= 1);
	CHECK(read(fds[0], buf, 1) == 1 && buf[0] == 'a');
	while (poll(&(struct pollfd){fds[0], POLLIN, 0}, 1, 0) == 1)
		CHECK(read(fds[0], buf, 1) == 1 && buf[0] == 'b');
	CHECK(write(fds[1], "xy", 2) == 2);
	CHECK(read(fds[0], memory + 2 * page_size, 2) == 2);
	CHECK(!memcmp(memory + 2 * page_size, "xyc", 3));
	CHECK(writev(fds[1], &iov, 1) == 2);
	CHECK(read(fds[0], buf, 2) == 2 && !memcmp(buf, "dd", 2));
	CHECK_ERR(write(fds[1], anon_memory(1, PROT_NONE), 1), EFAULT);
	monitor_stop(&m);
}

static char *shared_memory(int fd, size_t pages)
{
	char *p = mmap(NULL, pages * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Of shared memory a page is missing while the object has none. */
static void shared(void)
{
	int uffd = uffd_open(O_NONBLOCK);
	int fd = memfd_create("shared", MFD_CLOEXEC);
	char *memory;
	char *other;
	struct monitor m;

	CHECK(fd >= 0 && ftruncate(fd, (off_t)(4 * page_size)) == 0);
	memory = shared_memory(fd, 4);
	other = shared_memory(fd, 4);
	other[0] = 'O';
	uffd_register(uffd, memory, 4 * page_size);
	monitor_start(&m, uffd, memory, WAY_POLL);
	CHECK(memory[0] == 'O' && m.faults == 0);
	CHECK(memory[page_size] == 'b' && m.faults == 1);
	CHECK(other[page_size + 1] == 'b');
	memory[2 * page_size] = 'X';
	CHECK(other[2 * page_size] == 'X' && other[2 * page_size + 1] == 'c');
	other[3 * page_size] = 'Y';
	CHECK(memory[3 * page_size] == 'Y' && m.faults == 2);
	CHECK(madvise(memory, 2 * page_size, MADV_REMOVE) == 0);
	CHECK(memory[page_size] == 'b' && m.faults == 3);
	monitor_stop(&m);
}

/* Linux 7.3: the headers do not know it yet. */
#define NEW_FEATURE_RWP (UINT64_C(1) << 17)
#define NEW_FEATURE_RWP_ASYNC (UINT64_C(1) << 18)
#define NEW_REGISTER_MODE_RWP (UINT64_C(1) << 3)
#define NEW_RWPROTECT _IOWR(UFFDIO, 0x09, struct uffdio_writeprotect)
#define NEW_SET_MODE _IOW(UFFDIO, 0x0a, struct uffdio_range)

/* A system call on inaccessible memory makes it accessible, as a thread's own access does. */
static void inaccessible(void)
{
	struct uffdio_api api = {.api = UFFD_API,
				 .features = NEW_FEATURE_RWP | NEW_FEATURE_RWP_ASYNC};
	char *memory = anon_memory(2, PROT_READ | PROT_WRITE);
	struct uffdio_register reg = {.range = {(uintptr_t)memory, 2 * page_size},
				      .mode = NEW_REGISTER_MODE_RWP};
	struct uffdio_writeprotect rwp = {.range = reg.range, .mode = 1};
	struct {
		uint64_t enable, disable;
	} set = {0, NEW_FEATURE_RWP_ASYNC};
	int uffd = (int)syscall(SYS_userfaultfd, O_NONBLOCK);
	int fds[2];
	char byte;

	if (uffd < 0 && (errno == EPERM || errno == ENOSYS))
		skip("this process gets no userfaultfd from the kernel");
	CHECK(uffd >= 0 && pipe(fds) == 0);
	if (ioctl(uffd, UFFDIO_API, &api))
		skip("this kernel has no RWP");
	memory[0] = 'i';
	memory[page_size] = 'j';
	CHECK(ioctl(uffd, UFFDIO_REGISTER, &reg) == 0 && (reg.ioctls & 1u << 9));
	CHECK(ioctl(uffd, NEW_RWPROTECT, &rwp) == 0);
	CHECK(write(fds[1], memory, 1) == 1 && read(fds[0], &byte, 1) == 1 && byte == 'i');
	CHECK(memory[page_size] == 'j');
	CHECK_ERR(read(uffd, memory, sizeof(struct uffd_msg)), EAGAIN);
	CHECK(ioctl(uffd, NEW_SET_MODE, &set) == 0);
	CHECK(memory[0] == 'i');
	rwp.mode = 3;
	CHECK_ERR(ioctl(uffd, NEW_RWPROTECT, &rwp), EINVAL);
	close(uffd);
	close(fds[0]);
	close(fds[1]);
}

/* A change that a thread makes, which waits until it has been read. */
struct change {
	pthread_t thread;
	int (*make)(struct change *c);
	char *memory;
	char *there;
	int ret;
};

static void *change_main(void *arg)
{
	struct change *c = arg;

	c->ret = c->make(c);
	return NULL;
}

static void change_start(struct change *c, int (*make)(struct change *c))
{
	c->make = make;
	CHECK(pthread_create(&c->thread, NULL, change_main, c) == 0);
}

/* The next message is an event about this span. */
static void change_told(int uffd, int event, const char *start, const char *end)
{
	struct pollfd p = {uffd, POLLIN, 0};
	struct uffd_msg msg;

	CHECK(poll(&p, 1, 8000) == 1 && p.revents == POLLIN);
	CHECK(read(uffd, &msg, sizeof(msg)) == sizeof(msg));
	CHECK(msg.event == event);
	CHECK(msg.arg.remove.start == (uintptr_t)start && msg.arg.remove.end == (uintptr_t)end);
}

static void change_end(struct change *c)
{
	CHECK(pthread_join(c->thread, NULL) == 0 && c->ret == 0);
}

static int change_madvise(struct change *c)
{
	return madvise(c->memory, page_size, MADV_DONTNEED);
}

static int change_mremap(struct change *c)
{
	return mremap(c->memory, 2 * page_size, 2 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
		      c->there) == c->there
		       ? 0
		       : -1;
}

static int change_munmap(struct change *c)
{
	return munmap(c->there, page_size);
}

static int change_mmap(struct change *c)
{
	char *at = c->there + page_size;

	return mmap(at, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at
		       ? 0
		       : -1;
}

static int uffd_open_events(void)
{
	int uffd = (int)syscall(SYS_userfaultfd, O_NONBLOCK | O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = {.api = UFFD_API,
				 .features = UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMAP |
					     UFFD_FEATURE_EVENT_REMOVE};

	if (uffd < 0 && (errno == EPERM || errno == ENOSYS))
		skip("this process gets no userfaultfd from the kernel");
	CHECK(uffd >= 0 && ioctl(uffd, UFFDIO_API, &api) == 0);
	return uffd;
}

/* spec: event.2, event.4, event.6, event.7 */
static void events(void)
{
	int uffd = uffd_open_events();
	struct change c = {.memory = uffd_memory(uffd, 2), .there = anon_memory(2, PROT_NONE)};
	char *memory = c.memory;

	CHECK(uffd_fill(uffd, memory, 'x') == 0);
	change_start(&c, change_madvise);
	change_told(uffd, UFFD_EVENT_REMOVE, memory, memory + page_size);
	change_end(&c);
	CHECK(uffd_fill(uffd, memory, 'y') == 0);
	change_start(&c, change_mremap);
	change_told(uffd, UFFD_EVENT_REMAP, memory, c.there);
	change_told(uffd, UFFD_EVENT_UNMAP, memory, memory + 2 * page_size);
	change_end(&c);
	CHECK(*c.there == 'y');
	CHECK(uffd_fill(uffd, c.there + page_size, 'z') == 0);
	change_start(&c, change_munmap);
	change_told(uffd, UFFD_EVENT_UNMAP, c.there, c.there + page_size);
	change_end(&c);
	change_start(&c, change_mmap);
	change_told(uffd, UFFD_EVENT_UNMAP, c.there + page_size, c.there + 2 * page_size);
	change_end(&c);
	CHECK(c.there[page_size] == 0);
}

static int change_nothing(struct change *c)
{
	return c->make ? 0 : -1;
}

static int change_sbrk(struct change *c)
{
	return sbrk(-2 * (intptr_t)page_size) == c->there ? 0 : -1;
}

static int change_brk(struct change *c)
{
	return brk(c->memory);
}

/* spec: event.20 */
static void heap(void)
{
	int uffd = uffd_open_events();
	struct change c;
	size_t off;
	char *end;

	/* What malloc takes of the heap for a thread comes first. */
	change_start(&c, change_nothing);
	change_end(&c);
	off = (uintptr_t)sbrk(0) % page_size;
	CHECK(sbrk((intptr_t)(9 * page_size - off)) != (void *)-1);
	end = sbrk(0);
	CHECK((uintptr_t)end % page_size == 0);
	uffd_register(uffd, end - 5 * page_size, 5 * page_size);
	c = (struct change){.there = end};
	change_start(&c, change_sbrk);
	change_told(uffd, UFFD_EVENT_UNMAP, end - 2 * page_size, end);
	change_end(&c);
	CHECK(sbrk(0) == end - 2 * page_size);
	c = (struct change){.memory = end - 3 * page_size - 100};
	change_start(&c, change_brk);
	change_told(uffd, UFFD_EVENT_UNMAP, end - 3 * page_size, end - 2 * page_size);
	change_end(&c);
	CHECK(sbrk(0) == end - 3 * page_size - 100);
	/* What it grows by again is ordinary memory. */
	CHECK(brk(end) == 0 && *(end - page_size) == 0);
	CHECK(uffd_fill(uffd, end - 4 * page_size, 'x') == 0 && *(end - 4 * page_size) == 'x');
}

const struct test_case memory_cases[] = {
	{"memory.dontneed", dontneed},
	{"memory.protect", protect},
	{"memory.unmap", unmap},
	{"memory.move", move},
	{"memory.zeropage-and-unregister", zeropage_and_unregister},
	{"memory.system-calls", system_calls},
	{"memory.shared", shared},
	{"memory.inaccessible", inaccessible},
	{"memory.events", events},
	{"memory.heap", heap},
	{NULL, NULL},
};
