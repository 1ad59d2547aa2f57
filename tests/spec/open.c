/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/open.md */
#include <sys/syscall.h>

#include "suites.h"

static void open_flags(struct t *t)
{
	struct uf_options opt = UF_OPTIONS_INIT;
	struct uf *uf;

	opt.backend = t->target->backend;
	CHECK_RET(uf_open(&opt, 2, &uf), -EINVAL);
	CHECK_RET(uf_open(&opt, O_CLOEXEC | O_APPEND, &uf), -EINVAL);
	CHECK_RET(uf_open(&opt, 1 << 30, &uf), -EINVAL);
	t_open_bare(t, O_CLOEXEC | UF_USER_MODE_ONLY);
}

/* A program built with a newer header, which has more options. */
static void open_options(struct t *t)
{
	struct {
		struct uf_options known;
		uint64_t unknown;
	} opt = {UF_OPTIONS_INIT, 0};
	struct uf *uf;

	opt.known.backend = t->target->backend;
	opt.known.struct_size = sizeof(opt);
	CHECK_RET(uf_open(&opt.known, 0, &uf), 0);
	uf_close(uf);
	opt.unknown = 1;
	CHECK_RET(uf_open(&opt.known, 0, &uf), -EINVAL);
	opt.known.struct_size = 8;
	CHECK_RET(uf_open(&opt.known, 0, &uf), -EINVAL);
	opt.known.struct_size = sizeof(opt.known);
	opt.known.trap = 77;
	CHECK_RET(uf_open(&opt.known, 0, &uf), -EINVAL);
	CHECK_RET(uf_open(NULL, 0, NULL), -EINVAL);
}

static long open_raw(int flags)
{
	long fd = syscall(SYS_userfaultfd, flags);

	return fd < 0 ? -errno : fd;
}

static void open_unprivileged(struct t *t, void *arg)
{
	t_drop_privileges();
	CHECK_RET(open_raw(0), -EPERM);
	CHECK_RET(open_raw(O_NONBLOCK | 2), -EPERM);
	CHECK_RET(open_raw(UF_USER_MODE_ONLY | 2), -EINVAL);
	CHECK(open_raw(UF_USER_MODE_ONLY) >= 0);
}

static void open_permission(struct t *t)
{
	char sysctl = 0;
	int fd = open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &sysctl, 1) != 1 || sysctl != '0')
		t_skip("vm.unprivileged_userfaultfd is not 0");
	close(fd);
	if (open_raw(UF_USER_MODE_ONLY | 2) != -EINVAL)
		t_skip("something else refuses the system call");
	CHECK_EQ(t_wait(t_fork(t, open_unprivileged, NULL)), 0);
}

static void open_descriptor_flags(struct t *t)
{
	struct uf *plain = t_open_bare(t, T_BLOCKING);
	struct uf *both = t_open_bare(t, O_CLOEXEC);

	CHECK_EQ(fcntl(uf_fd(plain), F_GETFL) & O_NONBLOCK, 0);
	CHECK_EQ(fcntl(uf_fd(plain), F_GETFD) & FD_CLOEXEC, 0);
	CHECK_EQ(fcntl(uf_fd(both), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	CHECK_EQ(fcntl(uf_fd(both), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void open_nonblock_changes(struct t *t)
{
	struct uf *uf = t_open(t, T_BLOCKING, 0);
	struct uf_msg msg;

	CHECK_EQ(uf_poll(uf), 8); /* POLLERR */
	CHECK_EQ(fcntl(uf_fd(uf), F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(uf_poll(uf), 0);
	CHECK_RET(uf_read(uf, &msg, 1), -EAGAIN);
	CHECK_EQ(fcntl(uf_fd(uf), F_SETFL, 0), 0);
	CHECK_EQ(uf_poll(uf), 8);
}

static void open_independent(struct t *t)
{
	struct uf *one = t_open(t, 0, UF_FEATURE_EXACT_ADDRESS);
	struct uf *two = t_open(t, 0, 0);
	char *a = t_registered(t, one, 1);
	char *b = t_registered(t, two, 1);
	struct t_thread th[2];

	t_thread_access(t, &th[0], a + 5, T_READ);
	t_thread_access(t, &th[1], b + 5, T_WRITE);
	t_fault_at(one, a + 5, 0);
	t_message_none(one);
	t_fault_at(two, b, UF_PAGEFAULT_FLAG_WRITE);
	t_message_none(two);
	t_fill(t, one, a, 1, 0);
	t_thread_join(t, &th[0], 0);
	t_thread_blocked(&th[1]);
	t_fill(t, two, b, 2, 0);
	t_thread_join(t, &th[1], 0);
}

const struct t_case open_cases[] = {
	CASE("open.1", open_flags, T_ONCE),
	CASE("open.1", open_options, T_ONCE),
	CASE("open.2", open_permission, T_ONCE | T_KERNEL_ONLY),
	CASE("open.3", open_descriptor_flags, T_ONCE),
	CASE("open.4", open_nonblock_changes, T_ONCE),
	CASE("open.5", open_independent, T_ALL),
	{0},
};
