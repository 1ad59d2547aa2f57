/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec/register.md */
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/ioctl.h>

#include "lib/message.h"
#include "suites.h"

#define REGISTER_SHOWN (1u << UF_NR_WAKE | 1u << UF_NR_COPY)

/* And what besides them there is for memory that is not of huge pages. */
static uint64_t register_shown(const struct t *t)
{
	return REGISTER_SHOWN | (t_huge(t) ? 0 : 1u << UF_NR_ZEROPAGE | 1u << UF_NR_MOVE);
}
#define REGISTER_KEPT UINT64_C(0x5555)

static int register_call(struct uf *uf, uint64_t start, uint64_t len, uint64_t mode)
{
	struct uf_io_register reg = {{start, len}, mode, REGISTER_KEPT};
	int ret = uf_ioctl(uf, UF_IOC_REGISTER, &reg);

	if (ret)
		CHECK_EQ(reg.ioctls, REGISTER_KEPT);
	else
		CHECK_EQ(reg.ioctls & REGISTER_SHOWN, REGISTER_SHOWN);
	return ret;
}

static int register_missing(struct uf *uf, const void *addr, size_t len)
{
	return register_call(uf, (uintptr_t)addr, len, UF_REGISTER_MODE_MISSING);
}

/* A touch there raises a message, which is resolved. */
static void register_watched(struct t *t, struct uf *uf, char *addr)
{
	struct t_thread th;

	t_thread_access(t, &th, addr, T_READ);
	t_fault_at(uf, addr, 0);
	t_fill(t, uf, addr, 0x77, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(th.outcome.value, 0x77);
}

static void register_not_watched(struct uf *uf, char *addr)
{
	struct t_outcome out = t_access(addr, T_READ);

	CHECK_EQ(out.sig, 0);
	t_message_none(uf);
}

static void register_argument(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 1);
	char *buffer = t_buffer(t, 1);
	uint64_t start = (uintptr_t)addr;
	struct uf_io_register reg = {{start, t->page}, 0, 0};

	CHECK_RET(uf_ioctl(uf, UF_IOC_REGISTER, NULL), -EFAULT);
	CHECK_RET(uf_ioctl(uf, UF_IOC_REGISTER, buffer + t->page - 16), -EFAULT);
	CHECK_RET(register_call(uf, start, t->page, 0), -EINVAL);
	CHECK_RET(register_call(uf, start, t->page, UINT64_C(1) << 20), -EINVAL);
	CHECK_RET(register_call(uf, start, t->page, UINT64_C(1) << 63 | 1), -EINVAL);
	/* The last member is not read: with a bad mode it need not be there. */
	memcpy(buffer + t->page - 24, &reg, 24);
	CHECK_RET(uf_ioctl(uf, UF_IOC_REGISTER, buffer + t->page - 24), -EINVAL);
	register_not_watched(uf, addr);
}

static void register_range(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 2);
	uint64_t start = (uintptr_t)addr;
	uint64_t page = t->page;

	CHECK_RET(register_missing(uf, addr + 1, page), -EINVAL);
	CHECK_RET(register_missing(uf, addr, page + 1), -EINVAL);
	CHECK_RET(register_missing(uf, addr, page - 1), -EINVAL);
	CHECK_RET(register_missing(uf, addr, 0), -EINVAL);
	CHECK_RET(register_call(uf, start, ~(page - 1), 1), -EINVAL);		 /* wraps */
	CHECK_RET(register_call(uf, start, -(start & ~(page - 1)), 1), -EINVAL); /* to the end */
	CHECK_RET(register_call(uf, UINT64_C(1) << 63, page, 1), -EINVAL);
	CHECK_RET(register_call(uf, ~(page - 1), page, 1), -EINVAL);
	register_not_watched(uf, addr);
	CHECK_RET(register_missing(uf, addr + page, page), 0);
}

static void register_holes(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 7);
	size_t page = t->page;

	CHECK_RET(uf_munmap(addr, page), 0);
	CHECK_RET(uf_munmap(addr + 2 * page, 2 * page), 0);
	CHECK_RET(uf_munmap(addr + 6 * page, page), 0);
	CHECK_RET(register_missing(uf, addr + 2 * page, 2 * page), -EINVAL);
	CHECK_RET(register_missing(uf, addr, page), -EINVAL);
	CHECK_RET(register_missing(uf, addr, 7 * page), 0);
	register_watched(t, uf, addr + page);
	register_watched(t, uf, addr + 4 * page);
	register_watched(t, uf, addr + 5 * page);
}

/* A shared mapping that may not be written, next to ADDR's end or before it. */
static void register_put_readonly(struct t *t, char *addr)
{
	char path[64];
	int fd = memfd_create("readonly", MFD_CLOEXEC);
	int ro;

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)t->page), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(ro >= 0);
	CHECK(mmap(addr, t->page, PROT_READ, MAP_SHARED | MAP_FIXED, ro, 0) == addr);
	close(fd);
	close(ro);
}

/* A page of an ordinary file. */
static void register_put_file(struct t *t, char *addr)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct statfs fs;

	CHECK(fd >= 0);
	CHECK_EQ(fstatfs(fd, &fs), 0);
	if (fs.f_type == 0x01021994 /* tmpfs */)
		t_skip("the program lies on tmpfs, no ordinary file is at hand");
	CHECK(mmap(addr, t->page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == addr);
	close(fd);
}

static void register_first_decides(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	struct uf *other = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 6);

	/* good, not ours, not writable, no type */
	t_register(other, addr + page, page);
	register_put_readonly(t, addr + 2 * page);
	register_put_file(t, addr + 3 * page);
	CHECK_RET(register_missing(uf, addr, 6 * page), -EBUSY);
	CHECK_RET(register_missing(uf, addr + 2 * page, 4 * page), -EPERM);
	CHECK_RET(register_missing(uf, addr + 3 * page, 3 * page), -EINVAL);
	CHECK_RET(uf_unregister(other, addr + page, page), 0);
	CHECK_RET(register_missing(uf, addr, 6 * page), -EPERM);
	/* no type, then not writable */
	register_put_file(t, addr + page);
	CHECK_RET(register_missing(uf, addr, 6 * page), -EINVAL);

	register_not_watched(uf, addr);
	register_not_watched(uf, addr + 5 * page);
}

static void register_memory(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 2);
	char *file = t_map(t, 1);

	CHECK_RET(register_missing(uf, addr, 2 * t->page), 0);
	register_watched(t, uf, addr + t->page);
	register_put_file(t, file);
	CHECK_RET(register_missing(uf, file, t->page), -EINVAL);
	CHECK_RET(uf_register(uf, file, t->page, UF_REGISTER_MODE_MISSING, NULL), -EINVAL);
}

static void register_minor_anon(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 1);

	CHECK_RET(register_call(uf, (uintptr_t)addr, t->page, UF_REGISTER_MODE_MINOR), -EINVAL);
	CHECK_RET(register_call(uf, (uintptr_t)addr, t->page,
				UF_REGISTER_MODE_MINOR | UF_REGISTER_MODE_MISSING),
		  -EINVAL);
	register_not_watched(uf, addr);
}

static void register_not_writable(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 1);
	char *sealed;
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	register_put_readonly(t, addr);
	CHECK_RET(register_missing(uf, addr, t->page), -EPERM);
	CHECK_EQ(ftruncate(fd, (off_t)t->page), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	sealed = mmap(NULL, t->page, PROT_READ, MAP_SHARED, fd, 0);
	t_adopt(t, sealed, t->page, fd);
	CHECK_RET(register_missing(uf, sealed, t->page), -EPERM);
}

static void register_protection(struct t *t)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_EXEC};
	struct uf *uf = t_open(t, 0, 0);

	for (size_t i = 0; i < sizeof(prots) / sizeof(*prots); i++) {
		char *addr = t_map(t, 1);

		CHECK_RET(uf_mprotect(addr, t->page, prots[i]), 0);
		CHECK_RET(register_missing(uf, addr, t->page), 0);
		CHECK_RET(uf_mprotect(addr, t->page, PROT_READ | PROT_WRITE), 0);
		register_watched(t, uf, addr);
	}
}

static void register_owner(struct t *t)
{
	struct uf *one = t_open(t, 0, 0);
	struct uf *two = t_open(t, 0, 0);
	char *addr = t_map(t, 3);

	t_register(one, addr + t->page, t->page);
	CHECK_RET(register_missing(two, addr, 3 * t->page), -EBUSY);
	CHECK_RET(register_missing(two, addr + t->page, t->page), -EBUSY);
	/* The memory is judged before the owner. */
	if (t->target->mem == T_ANON)
		CHECK_RET(register_call(two, (uintptr_t)addr, 3 * t->page, UF_REGISTER_MODE_MINOR),
			  -EINVAL);
	register_not_watched(two, addr);
	CHECK_RET(register_missing(two, addr + 2 * t->page, t->page), 0);
	register_watched(t, one, addr + t->page);
	register_watched(t, two, addr + 2 * t->page);
}

static void register_again(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 4);
	struct t_thread th;

	CHECK_RET(register_missing(uf, addr, 4 * t->page), 0);
	t_fill(t, uf, addr, 3, 0);
	t_thread_access(t, &th, addr + t->page, T_WRITE);
	t_fault_at(uf, addr + t->page, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_RET(register_missing(uf, addr, 4 * t->page), 0);
	CHECK_RET(register_missing(uf, addr + t->page, t->page), 0);
	CHECK_EQ(*addr, 3);
	t_thread_blocked(&th);
	t_message_none(uf);
	t_fill(t, uf, addr + t->page, 4, 0);
	t_thread_join(t, &th, 0);
	CHECK_EQ(addr[t->page], T_MARK);
	CHECK_EQ(addr[t->page + 1], 4);
	register_watched(t, uf, addr + 3 * t->page);
}

static void register_partly(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 5);
	struct t_thread th;

	CHECK_RET(register_missing(uf, addr + t->page, 2 * t->page), 0);
	t_fill(t, uf, addr + t->page, 3, 0);
	t_thread_access(t, &th, addr + 2 * t->page, T_READ);
	t_fault_at(uf, addr + 2 * t->page, 0);
	CHECK_RET(register_missing(uf, addr, 5 * t->page), 0);
	t_thread_blocked(&th);
	CHECK_EQ(addr[t->page], 3);
	register_watched(t, uf, addr);
	register_watched(t, uf, addr + 4 * t->page);
	t_fill(t, uf, addr + 2 * t->page, 4, 0);
	t_thread_join(t, &th, 0);
	t_message_none(uf);
}

static void register_part(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 3);

	CHECK_RET(register_missing(uf, addr + t->page, t->page), 0);
	register_not_watched(uf, addr);
	register_not_watched(uf, addr + 2 * t->page);
	register_watched(t, uf, addr + t->page);
}

/* Where a strategy is forced only memory that it serves, else of every kind. */
static void register_several(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	size_t page = t->page;
	char *addr = t_map(t, 4);
	bool shared = t_shared(t);

	if (shared || !t_forced(t)) {
		int fd = memfd_create("several", MFD_CLOEXEC);

		CHECK_EQ(ftruncate(fd, (off_t)page), 0);
		CHECK(mmap(addr + page, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			   0) == addr + page);
		close(fd);
	}
	if (!shared || !t_forced(t))
		CHECK(mmap(addr + 2 * page, page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == addr + 2 * page);
	CHECK_RET(uf_mprotect(addr + 3 * page, page, PROT_READ), 0);
	CHECK_RET(register_missing(uf, addr, 4 * page), 0);
	for (int i = 0; i < 4; i++)
		register_watched(t, uf, addr + (size_t)i * page);
}

static void register_told_ioctls(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 1);
	uint64_t ioctls = 0;

	CHECK_RET(uf_register(uf, addr, t->page, UF_REGISTER_MODE_MISSING, &ioctls), 0);
	CHECK_EQ(ioctls & (REGISTER_SHOWN | 1u << UF_NR_ZEROPAGE),
		 register_shown(t) & ~(1u << UF_NR_MOVE));
	/* Not told: what needs modes that were not asked for. */
	CHECK_EQ(ioctls & (1u << UF_NR_WRITEPROTECT | 1u << UF_NR_CONTINUE), 0);
	if (t_engine(t)) /* difference 3 */
		CHECK_EQ(ioctls, register_shown(t) | 1u << UF_NR_POISON);
}

static void register_unwritable(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 1);
	char *buffer = t_buffer(t, 2);
	struct uf_io_register *reg =
		(struct uf_io_register *)(buffer + t->page -
					  offsetof(struct uf_io_register, ioctls));

	reg->range.start = (uintptr_t)addr;
	reg->range.len = t->page;
	reg->mode = UF_REGISTER_MODE_MISSING;
	CHECK_EQ(mprotect(buffer + t->page, t->page, PROT_READ), 0);
	CHECK_RET(uf_ioctl(uf, UF_IOC_REGISTER, reg), -EFAULT);
	register_watched(t, uf, addr);
}

static void register_present(struct t *t)
{
	struct uf *uf = t_open(t, 0, 0);
	char *addr = t_map(t, 4);

	memset(addr + t->page, 6, t->page);
	CHECK_EQ(addr[2 * t->page], 0);
	CHECK_RET(register_missing(uf, addr, 4 * t->page), 0);
	CHECK(t_is_filled(addr + t->page, t->page, 6));
	CHECK(t_is_filled(addr + 2 * t->page, t->page, 0));
	addr[t->page] = 7;
	addr[2 * t->page] = 7;
	t_message_none(uf);
	register_watched(t, uf, addr);
	register_watched(t, uf, addr + 3 * t->page);
	CHECK_EQ(addr[t->page], 7);
}

/* Its creator sends us its descriptor and is gone. */
static void register_sender(struct t *t, void *arg)
{
	int sock = *(int *)arg;
	struct uf *uf = t_open(t, 0, 0);

	CHECK_RET(message_send_fd(sock, uf_fd(uf)), 0);
}

static int register_orphan(struct t *t)
{
	int socks[2];
	int fd;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	CHECK_EQ(t_wait(t_fork(t, register_sender, &socks[1])), 0);
	fd = message_recv_fd(socks[0]);
	CHECK(fd >= 0);
	close(socks[0]);
	close(socks[1]);
	return fd;
}

static int register_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

static void register_creator_gone(struct t *t)
{
	char *addr = t_map(t, 1);
	int fd = register_orphan(t);
	struct uf_io_register reg = {{(uintptr_t)addr, t->page}, 1, 0};
	struct uf_io_copy copy = {(uintptr_t)addr, (uintptr_t)addr, t->page, 0, 77};
	struct uf_io_zeropage zero = {{(uintptr_t)addr, t->page}, 0, 77};
	struct uf_io_continue cont = {{(uintptr_t)addr, t->page}, 0, 77};
	struct uf_io_poison poison = {{(uintptr_t)addr, t->page}, 0, 77};
	struct uf_io_writeprotect wp = {{(uintptr_t)addr, t->page}, 0};

	CHECK_RET(register_ioctl(fd, UF_IOC_REGISTER, &reg), -ENOMEM);
	CHECK_RET(register_ioctl(fd, UF_IOC_UNREGISTER, &reg.range), -ENOMEM);
	CHECK_RET(register_ioctl(fd, UF_IOC_COPY, &copy), -ESRCH);
	CHECK_EQ(copy.copy, 77);
	CHECK_RET(register_ioctl(fd, UF_IOC_ZEROPAGE, &zero), -ESRCH);
	CHECK_EQ(zero.zeropage, 77);
	CHECK_RET(register_ioctl(fd, UF_IOC_CONTINUE, &cont), -ESRCH);
	CHECK_EQ(cont.mapped, 77);
	CHECK_RET(register_ioctl(fd, UF_IOC_POISON, &poison), -ESRCH);
	CHECK_EQ(poison.updated, 77);
	CHECK_RET(register_ioctl(fd, UF_IOC_WRITEPROTECT, &wp), -ESRCH);
	/* The arguments are judged first. */
	wp.mode = 4;
	CHECK_RET(register_ioctl(fd, UF_IOC_WRITEPROTECT, &wp), -EINVAL);
	CHECK_RET(register_ioctl(fd, UF_IOC_WAKE, &reg.range), 0);
	reg.mode = 0;
	CHECK_RET(register_ioctl(fd, UF_IOC_REGISTER, &reg), -EINVAL);
	close(fd);
}

static void register_creator_gone_newer(struct t *t)
{
	struct uf_io_rwprotect rwp = {{0, t->page}, 0};
	struct uf_io_set_mode set = {0, UF_FEATURE_RWP_ASYNC};
	int fd;

	t_needs_features(t, UF_FEATURE_RWP);
	fd = register_orphan(t);
	CHECK_RET(register_ioctl(fd, UF_IOC_RWPROTECT, &rwp), -ESRCH);
	CHECK_RET(register_ioctl(fd, UF_IOC_SET_MODE, &set), -ESRCH);
	/* The arguments are judged first. */
	rwp.mode = 4;
	CHECK_RET(register_ioctl(fd, UF_IOC_RWPROTECT, &rwp), -EINVAL);
	set.enable = UF_FEATURE_RWP_ASYNC;
	CHECK_RET(register_ioctl(fd, UF_IOC_SET_MODE, &set), -EINVAL);
	close(fd);
}

struct register_foreign {
	struct uf *uf;
	char *addr;
};

static void register_foreign_child(struct t *t, void *arg)
{
	struct register_foreign *f = arg;
	char *mine = mmap(NULL, t->page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* Where the parent has nothing, unless chance put something there: then it is no proof. */
	CHECK_RET(uf_unregister(f->uf, mine, t->page), -EINVAL);
	CHECK_RET(uf_register(f->uf, f->addr, t->page, UF_REGISTER_MODE_MISSING, NULL), 0);
	if (!t_backed(t)) /* what we read of an object would be there for the parent */
		CHECK_EQ(*f->addr, 0);
}

static void register_whose_addresses(struct t *t)
{
	struct register_foreign f = {t_open(t, 0, 0), t_map(t, 1)};

	CHECK_EQ(t_wait(t_fork(t, register_foreign_child, &f)), 0);
	register_watched(t, f.uf, f.addr);
}

/* Every mode there is, and what MODE_MINOR is on private memory. */
static void register_modes(struct t *t)
{
	const uint64_t shown = register_shown(t) | 1u << UF_NR_POISON;
	struct uf *uf;

	t_needs_features(t, UF_FEATURE_POISON | UF_FEATURE_MINOR_SHMEM);
	uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	for (uint64_t mode = 1; mode < 8; mode++) {
		char *addr = t_map(t, 2);
		uint64_t ioctls = REGISTER_KEPT;
		uint64_t want = shown;

		if (mode & UF_REGISTER_MODE_WP)
			want |= 1u << UF_NR_WRITEPROTECT;
		if (mode & UF_REGISTER_MODE_MINOR)
			want |= 1u << UF_NR_CONTINUE;
		if (mode & UF_REGISTER_MODE_MINOR && t->target->mem == T_ANON) {
			CHECK_RET(register_call(uf, (uintptr_t)addr, t->page, mode), -EINVAL);
			continue;
		}
		CHECK_RET(uf_register(uf, addr, t->page, mode, &ioctls), 0);
		/* MOVE also of memory that cannot be moved; but not before Linux 6.8. */
		if (!t_engine(t) && !(ioctls & 1u << UF_NR_MOVE))
			want &= ~(UINT64_C(1) << UF_NR_MOVE);
		CHECK_EQ(ioctls, want);
		t_is_open(uf, addr + t->page);
		CHECK_RET(uf_unregister(uf, addr, t->page), 0);
	}
}

static uint64_t register_ioctls(struct uf *uf, void *addr, size_t len, uint64_t mode)
{
	uint64_t ioctls = 0;

	CHECK_RET(uf_register(uf, addr, len, mode, &ioctls), 0);
	return ioctls & (1u << UF_NR_WRITEPROTECT | 1u << UF_NR_CONTINUE);
}

static void register_other_mode(struct t *t)
{
	static const uint64_t missing = UF_REGISTER_MODE_MISSING;
	static const uint64_t wp = UF_REGISTER_MODE_WP;
	struct uf *uf = t_open_mode(t, wp, 0);
	size_t page = t->page;
	char *addr = t_map(t, 6);

	CHECK_EQ(register_ioctls(uf, addr, 6 * page, missing), 0);
	register_watched(t, uf, addr);
	CHECK_RET(uf_writeprotect(uf, addr, page, UF_WRITEPROTECT_MODE_WP), -ENOENT);
	/* Replaced. */
	CHECK_EQ(register_ioctls(uf, addr, 6 * page, wp), 1u << UF_NR_WRITEPROTECT);
	register_not_watched(uf, addr + page);
	t_protect(uf, addr, page);
	t_is_protected(t, uf, addr);
	/* More. */
	CHECK_EQ(register_ioctls(uf, addr, 6 * page, missing | wp), 1u << UF_NR_WRITEPROTECT);
	register_watched(t, uf, addr + 2 * page);
	/* Less is told, but nothing changes. */
	CHECK_EQ(register_ioctls(uf, addr, 6 * page, missing), 0);
	t_protect(uf, addr, page);
	t_is_protected(t, uf, addr);
	CHECK_EQ(register_ioctls(uf, addr, 6 * page, wp), 1u << UF_NR_WRITEPROTECT);
	register_watched(t, uf, addr + 3 * page);
	/* A part: the rest is as it was. */
	CHECK_RET(uf_unregister(uf, addr + 4 * page, page), 0);
	CHECK_EQ(register_ioctls(uf, addr + 4 * page, page, wp), 1u << UF_NR_WRITEPROTECT);
	register_not_watched(uf, addr + 4 * page);
	register_watched(t, uf, addr + 5 * page);
}

static void register_other_mode_minor(struct t *t)
{
	static const uint64_t missing = UF_REGISTER_MODE_MISSING;
	static const uint64_t minor = UF_REGISTER_MODE_MINOR;
	struct uf *uf = t_open_mode(t, minor, 0);
	size_t page = t->page;
	char *addr = t_map(t, 5);
	char *twin = t_twin(t, addr, 5);

	memset(twin, 1, 3 * page);
	CHECK_EQ(register_ioctls(uf, addr, 5 * page, missing), 0);
	CHECK_EQ(register_ioctls(uf, addr, 5 * page, minor), 1u << UF_NR_CONTINUE);
	t_is_minor(t, uf, addr, 1);
	register_not_watched(uf, addr + 3 * page);
	CHECK_EQ(register_ioctls(uf, addr, 5 * page, minor | missing), 1u << UF_NR_CONTINUE);
	CHECK_EQ(register_ioctls(uf, addr, 5 * page, missing), 0);
	t_is_minor(t, uf, addr + page, 1);
	register_watched(t, uf, addr + 4 * page);
	CHECK_RET(uf_unregister(uf, addr, 5 * page), 0);
	register_not_watched(uf, addr + 2 * page);
}

static void register_other_mode_waits(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	size_t page = t->page;
	char *addr = t_registered(t, uf, 2);
	struct t_thread th[2];

	for (size_t i = 0; i < 2; i++) {
		t_thread_access(t, &th[i], addr + i * page, T_MODIFY);
		t_thread_asleep(&th[i]);
	}
	t_fault_at(uf, addr, UF_PAGEFAULT_FLAG_WRITE);
	t_register_mode(uf, addr, 2 * page, UF_REGISTER_MODE_WP);
	t_thread_blocked(&th[0]);
	t_thread_blocked(&th[1]);
	t_fault_at(uf, addr + page, UF_PAGEFAULT_FLAG_WRITE);
	CHECK_RET(uf_wake(uf, addr, page), 0);
	t_thread_join(t, &th[0], 0);
	t_fill(t, uf, addr + page, 6, UF_COPY_MODE_WP);
	t_fault_at(uf, addr + page, T_WP);
	t_unprotect(uf, addr + page, page);
	t_thread_join(t, &th[1], 0);
	CHECK_EQ(addr[0], 1);
	CHECK_EQ(addr[page], 7);
	t_message_none(uf);
}

static void register_sleeping_protection(struct t *t)
{
	struct uf *uf;
	size_t page = t->page;
	char *addr;

	t_needs_old_rule(t, "a mode that would drop MODE_WP is EBUSY");
	uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	addr = t_registered_mode(t, uf, 3, UF_REGISTER_MODE_WP);
	memset(addr, 1, 3 * page);
	t_protect(uf, addr, 2 * page);
	t_register(uf, addr, 3 * page);
	t_is_open(uf, addr);
	CHECK_RET(uf_writeprotect(uf, addr, page, 0), -ENOENT);
	t_register_mode(uf, addr, 3 * page, UF_REGISTER_MODE_WP);
	t_is_open(uf, addr); /* it was written to */
	t_is_protected(t, uf, addr + page);
	t_is_open(uf, addr + 2 * page);
}

static void register_protects_nothing(struct t *t)
{
	struct uf *uf = t_open_mode(t, UF_REGISTER_MODE_WP, 0);
	size_t page = t->page;
	char *addr = t_map(t, 3);

	addr[0] = 1;
	CHECK_EQ(addr[page], 0);
	t_register_mode(uf, addr, 3 * page, UF_REGISTER_MODE_WP);
	for (size_t i = 0; i < 3; i++)
		t_is_open(uf, addr + i * page);
}

const struct t_case register_cases[] = {
	CASE("register.1, register.12", register_argument, T_ALL),
	CASE("register.2", register_range, T_ALL),
	CASE("register.3", register_holes, T_ALL),
	CASE("register.4, register.7", register_first_decides, T_ALL),
	CASE("register.5", register_memory, T_ALL),
	CASE("register.5", register_minor_anon, T_PRIVATE),
	CASE("register.6", register_not_writable, T_ALL),
	CASE("register.6", register_protection, T_ALL),
	CASE("register.7", register_owner, T_ALL),
	CASE("register.8", register_again, T_ALL),
	CASE("register.9", register_partly, T_ALL),
	CASE("register.10", register_part, T_ALL),
	CASE("register.10", register_several, T_ALL),
	CASE("register.11", register_told_ioctls, T_ALL),
	CASE("register.12", register_unwritable, T_ALL),
	CASE("register.13", register_present, T_ALL),
	CASE("register.14, fill.12, wake.1, writeprotect.15, continue.16, poison.12",
	     register_creator_gone, T_ONCE | T_KERNEL_ONLY),
	CASE("rwprotect.23, setmode.9", register_creator_gone_newer, T_ONCE | T_KERNEL_ONLY),
	CASE("register.15", register_whose_addresses, T_ALL | T_KERNEL_ONLY),
	CASE("register.16, register.17", register_modes, T_ALL),
	CASE("register.18", register_other_mode, T_ALL),
	CASE("register.18", register_other_mode_minor, T_BACKED),
	CASE("register.19", register_other_mode_waits, T_ALL),
	CASE("register.20", register_sleeping_protection, T_SMALL),
	CASE("register.21", register_protects_nothing, T_ALL),
	{0},
};
