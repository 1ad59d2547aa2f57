/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * userfault: userfaultfd, from the Linux kernel or from our own engine.
 *
 * What holds for every function, unless it says otherwise:
 *
 * - It returns 0 (or the count it names), or a negative errno value such as
 *   -EINVAL. errno itself is neither set nor meaningful.
 * - Addresses and lengths are in bytes and multiples of the page size.
 * - It is MT-Safe: several threads may use one handle at once, except that
 *   nobody may use a handle while or after it is closed.
 * - AS-Safe functions may be called in signal handlers. "May-Block" says that
 *   the calling thread may sleep.
 * - The library prints nothing, never exits, and reports what it has to say
 *   through the log callback of the handle.
 *
 * The semantics are those of userfaultfd(2) and ioctl_userfaultfd(2); where
 * the engine differs, the man page of the function says so.
 */
#ifndef USERFAULT_H
#define USERFAULT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <userfault/uapi.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define UF_API __attribute__((visibility("default")))
#define UF_CHECK __attribute__((warn_unused_result))
#else
#define UF_API
#define UF_CHECK
#endif

#define UF_VERSION "0.1.0"

/* A userfaultfd of either backend. Opaque. */
struct uf;

/* Who implements it. */
enum uf_backend {
	UF_BACKEND_AUTO,   /* the kernel where it lets us, else the engine */
	UF_BACKEND_KERNEL, /* Linux, by system call or /dev/userfaultfd */
	UF_BACKEND_ENGINE, /* user space, in this process */
};

/* How the engine makes pages fault. For tests and measurements: AUTO chooses well. */
enum uf_trap_choice {
	UF_TRAP_CHOICE_AUTO,
	UF_TRAP_CHOICE_MPROTECT, /* PROT_NONE: works everywhere */
	UF_TRAP_CHOICE_GUARD,	 /* guard markers: shared memory on Linux 6.15 and later */
};

/* How the engine gives a closed page its content. */
enum uf_fill_choice {
	UF_FILL_CHOICE_AUTO,
	UF_FILL_CHOICE_ALIAS,	/* a second mapping: shared memory */
	UF_FILL_CHOICE_PROCMEM, /* /proc/self/mem: private memory */
	UF_FILL_CHOICE_MREMAP,	/* mremap of a finished page: private memory, without /proc */
};

enum uf_log_level {
	UF_LOG_ERROR = 1,
	UF_LOG_WARNING,
	UF_LOG_INFO,
	UF_LOG_DEBUG,
};

/*
 * Receives one line without a newline. TEXT is borrowed for the call. It may
 * be called from any thread that uses the handle, also several at once, and
 * must not call functions of this header.
 */
typedef void uf_log_fn(void *arg, enum uf_log_level level, const char *text);

/*
 * Options of uf_open. Begin with UF_OPTIONS_INIT. A program built with an older
 * header has fewer fields, and gets the defaults of the others; one built with a
 * newer header is served as long as what we do not know is zero.
 */
struct uf_options {
	size_t struct_size;
	enum uf_backend backend;
	enum uf_trap_choice trap;
	enum uf_fill_choice fill;
	uf_log_fn *log; /* NULL: none */
	void *log_arg;	/* borrowed until the handle is closed */
};

#define UF_OPTIONS_INIT                                                                            \
	{                                                                                          \
		sizeof(struct uf_options), UF_BACKEND_AUTO, UF_TRAP_CHOICE_AUTO,                   \
			UF_FILL_CHOICE_AUTO, NULL, NULL                                            \
	}

/*
 * A new userfaultfd; follows userfaultfd(2).
 *
 * OPT may be NULL. FLAGS: O_CLOEXEC, O_NONBLOCK, UF_USER_MODE_ONLY. On
 * success *OUT is returned to the caller, who frees it with uf_close.
 *
 * With UF_BACKEND_AUTO any refusal of the kernel (EPERM, EACCES, ENOENT,
 * ENOSYS ...) leads to the engine. UF_BACKEND_KERNEL tries the system call,
 * then /dev/userfaultfd.
 *
 *	-EINVAL	FLAGS has an unknown bit, or OPT an unknown value, a size that no
 *		version had, or a field that this one does not know.
 *	-EPERM, -EACCES, -ENOENT, -ENOSYS
 *		UF_BACKEND_KERNEL: no kernel userfaultfd here; `userfault
 *		doctor' says why.
 *	-EMFILE, -ENFILE, -ENOMEM
 *		Also with UF_BACKEND_AUTO: the engine would meet the same limit.
 *	-ENOTSUP
 *		The engine cannot work here; the log says what is missing.
 *
 * The first handle of the engine, or of the kernel with UF_USER_MODE_ONLY,
 * installs handlers of SIGSEGV and SIGBUS, which pass on what is not ours to
 * the handlers that were there. A program that replaces them later takes the
 * engine its faults away; it chains to them, or installs its own before.
 *
 * After a fork the engine's handles are the parent's: in the child their calls
 * are -EOPNOTSUPP, and uf_close gives back only what the child holds of them. Of
 * those that were shared before (uf_share) calls work on the parent's memory.
 *
 * MT-Safe. Not AS-Safe.
 */
UF_API UF_CHECK int uf_open(const struct uf_options *opt, int flags, struct uf **out);

/*
 * Close; follows close(2) on the last descriptor. Every range of it becomes
 * ordinary memory, blocked faults go on (missing pages then read as zeros), and
 * so do threads whose events nobody has read. One that was shared lives on for
 * as long as another process has its descriptor.
 * Takes UF; NULL is allowed. Nobody may use UF meanwhile.
 * MT-Safe. Not AS-Safe.
 */
UF_API void uf_close(struct uf *uf);

/*
 * From now on the descriptor of UF works in another process that gets it: over a
 * unix socket (SCM_RIGHTS), where uf_adopt makes a handle of it, or from fork, where UF
 * itself goes on being about this process.
 * Call it before the descriptor is sent. A second call, and one with the
 * kernel's backend, whose descriptors always work, does nothing.
 *
 * Who holds the descriptor may do with the context what its program may, as with
 * the kernel's: read its messages, register and fill memory of this process. The
 * engine starts a thread of its own for that, with all signals blocked, which
 * ends with the last context that is shared. From now on the context lives until
 * the last duplicate of its descriptor is closed, in whatever process.
 *
 *	-EOPNOTSUPP
 *		the context is a parent's, from before a fork
 *	-EMFILE, -ENFILE, -ENOMEM, -EAGAIN
 *	others	of bind(2): a sandbox forbids it
 *
 * MT-Safe. Not AS-Safe.
 */
UF_API UF_CHECK int uf_share(struct uf *uf);

/*
 * A handle for descriptor FD, which has come from another process: a userfaultfd
 * of the kernel's, or one of an engine's that was shared. Addresses given to its
 * calls are those of the process that made it. OPT may be NULL; of it the
 * backend (what FD must be) and the log are used. On success *OUT is returned to
 * the caller, who frees it with uf_close, which also closes FD; else FD stays the
 * caller's. Not for uf_touch or the calls that change mappings, which are about
 * the caller's own memory.
 *
 * When the other process has died, calls fail as the kernel's do: uf_copy and
 * its like with -ESRCH, uf_register and uf_unregister with -ENOMEM; nothing is
 * there to be read. When it is stopped the calls wait until it goes on.
 *
 *	-EBADF	FD is no descriptor
 *	-EINVAL	FD is no userfaultfd, or an engine's that was not shared; OPT is
 *		wrong, or asks for another backend
 *	-EPROTONOSUPPORT
 *		an engine of another version
 *	-EBUSY	too many threads of other processes use it already
 *	-EMFILE	the other process has no descriptors left for us, or we have none
 *	-ENFILE, -ENOMEM
 *
 * MT-Safe. Not AS-Safe.
 */
UF_API UF_CHECK int uf_adopt(int fd, const struct uf_options *opt, struct uf **out);

/* What becomes of the program's faults when its last manager has gone. */
enum uf_on_hangup {
	UF_ON_HANGUP_RELEASE, /* as when the last descriptor is closed: uf_close */
	UF_ON_HANGUP_WAIT,    /* they wait for another manager */
};

/*
 * Leave UF to other processes: whoever connects to LISTENER, a unix socket that
 * listens (SOCK_STREAM or SOCK_SEQPACKET), gets its descriptor, and has hung up
 * when the connection ends. A thread of ours, with all signals blocked, sees to
 * that; it is what keeps the context alive.
 *
 * With UF_ON_HANGUP_RELEASE the context ends when the last manager has hung up,
 * unless a process that he gave the descriptor to still has it. With
 * UF_ON_HANGUP_WAIT it is kept for as long as this process lives: faults, and
 * threads whose events are unread, wait for the next manager. When one hangs up
 * all faults that are still open are told again, whoever has read them: one who
 * is still there may find what he was told resolved (-EEXIST). An event that
 * was read is not told again. Before the first manager comes both wait.
 *
 * Takes UF and LISTENER if it succeeds: neither may be used afterwards. In a
 * fork child both are closed. The context that a child gets by UF_EVENT_FORK is not
 * offered by anybody: it ends with the descriptor that came with the message.
 *
 *	-EINVAL	LISTENER is no unix socket that listens; ON_HANGUP is unknown
 *	-EAGAIN, -ENOMEM
 *	others	of uf_share
 *
 * MT-Safe. Not AS-Safe.
 */
UF_API UF_CHECK int uf_offer(struct uf *uf, int listener, enum uf_on_hangup on_hangup);

/*
 * The other side of uf_offer: a handle for the userfaultfd that comes over SOCK,
 * which is connected to the listener. OPT as for uf_adopt. On success SOCK is
 * taken, and closed by uf_close, which is hanging up; else it stays the caller's.
 *
 *	-ECONNRESET
 *		the program is gone, or has nothing to offer any more
 *	-EPROTO	something else than an offer came
 *	others	of uf_adopt and recvmsg(2)
 *
 * MT-Safe. Not AS-Safe. May-Block: until the program accepts; not ended by signals.
 */
UF_API UF_CHECK int uf_attach(int sock, const struct uf_options *opt, struct uf **out);

/* The backend that was chosen: KERNEL or ENGINE. MT-Safe, AS-Safe. */
UF_API enum uf_backend uf_backend(const struct uf *uf);

/*
 * The descriptor, borrowed until uf_close. poll, select and epoll on it tell
 * readability on both backends; read and ioctl on it work only for the kernel
 * (uf_read and uf_ioctl for both). fcntl(F_SETFL) with O_NONBLOCK is obeyed.
 * MT-Safe, AS-Safe.
 */
UF_API int uf_fd(const struct uf *uf);

/*
 * The handshake; follows UFFDIO_API(2const). FEATURES: UF_FEATURE_* to enable.
 * On success *HAVE (may be NULL) gets all the features the backend has, and
 * *IOCTLS (may be NULL) the mask 1 << UF_NR_*. It succeeds once a handle.
 *
 *	-EINVAL	a feature the backend lacks, or a second handshake
 *	-EPERM	UF_FEATURE_EVENT_FORK without CAP_SYS_PTRACE
 *
 * MT-Safe, AS-Safe.
 */
UF_API UF_CHECK int uf_api(struct uf *uf, uint64_t features, uint64_t *have, uint64_t *ioctls);

/*
 * Register memory; follows UFFDIO_REGISTER(2const). MODE: UF_REGISTER_MODE_*.
 * *IOCTLS (may be NULL) gets the ioctls that work on the range.
 *
 *	-EINVAL	no handshake yet; ADDR or LEN unaligned, zero or beyond the
 *		address space; nothing mapped there; MODE zero, unknown, or not
 *		for this memory
 *	-EPERM	a shared mapping of an object that may not be written
 *	-EBUSY	another userfaultfd has it; or this one, in a mode whose protection
 *		MODE would drop
 *	-EOPNOTSUPP
 *		a trap or a way to fill was forced that this memory cannot have
 *	-ENOMEM
 *
 * MT-Safe, AS-Safe. May-Block: for calls under way on registered ranges.
 */
UF_API UF_CHECK int uf_register(struct uf *uf, void *addr, size_t len, uint64_t mode,
				uint64_t *ioctls);

/*
 * Undo uf_register on a span; follows UFFDIO_UNREGISTER(2const). Threads
 * blocked in it go on, on ordinary memory.
 *
 *	-EINVAL	no handshake yet; ADDR or LEN unaligned, zero or beyond the
 *		address space; nothing mapped there, memory that could not be
 *		registered, or memory of another userfaultfd
 *	-ENOMEM
 *
 * MT-Safe, AS-Safe. May-Block.
 */
UF_API UF_CHECK int uf_unregister(struct uf *uf, void *addr, size_t len);

/*
 * Read up to N messages into MSGS; follows read(2) on a userfaultfd. Returns
 * how many. Without O_NONBLOCK it waits for the first one. The descriptor that
 * comes with UF_EVENT_FORK is the caller's; uf_adopt makes a handle of it.
 *
 *	-EAGAIN	O_NONBLOCK and nothing there
 *	-EINTR	a signal handler ran (and was installed without SA_RESTART)
 *	-EINVAL	N is 0, or no handshake yet
 *	-EMFILE	the next one is UF_EVENT_FORK, and there is no room for its descriptor;
 *		it stays unread
 *	-EFAULT	MSGS cannot be written; a message is lost, as in the kernel
 *
 * MT-Safe, AS-Safe. May-Block.
 */
UF_API UF_CHECK ssize_t uf_read(struct uf *uf, struct uf_msg *msgs, size_t n);

/*
 * What poll(2) on a kernel userfaultfd says now: POLLIN if a message waits,
 * POLLERR before the handshake or without O_NONBLOCK, else 0.
 * MT-Safe, AS-Safe.
 */
UF_API UF_CHECK short uf_poll(struct uf *uf);

/*
 * Fill missing pages at DST with LEN bytes from SRC (any alignment), and wake
 * their threads; follows UFFDIO_COPY(2const). MODE: UF_COPY_MODE_*. No thread
 * sees a page before all of it is there. *DONE (may be NULL) gets the bytes
 * filled, also on error.
 *
 *	-EAGAIN	stopped in the middle: *DONE says where; or an event is pending
 *		that says how the memory has changed
 *	-EEXIST	the first page has content
 *	-EFAULT	SRC cannot be read, or DST lies beyond the end of its file
 *	-EINVAL	no handshake yet; unaligned, zero or wrapping range; MODE
 *	-ENOENT	the span is not inside one registered mapping
 *	-ENOMEM
 *	-ESRCH	the memory's process is gone
 *
 * MT-Safe, AS-Safe. May-Block: SRC may itself fault.
 */
UF_API UF_CHECK int uf_copy(struct uf *uf, void *dst, const void *src, size_t len, uint64_t mode,
			    size_t *done);

/*
 * Fill missing pages with zeros; follows UFFDIO_ZEROPAGE(2const).
 * MODE: UF_ZEROPAGE_MODE_*. *DONE and errors as for uf_copy.
 * MT-Safe, AS-Safe. May-Block: for another call that fills the same page.
 */
UF_API UF_CHECK int uf_zeropage(struct uf *uf, void *addr, size_t len, uint64_t mode, size_t *done);

/*
 * Threads blocked in the span retry; follows UFFDIO_WAKE(2const).
 *
 *	-EINVAL	no handshake yet; unaligned, zero or wrapping range
 *
 * MT-Safe, AS-Safe.
 */
UF_API UF_CHECK int uf_wake(struct uf *uf, void *addr, size_t len);

/*
 * Map pages that the object has already (shared memory), and wake their
 * threads; follows UFFDIO_CONTINUE(2const). MODE: UF_CONTINUE_MODE_*. *DONE as
 * for uf_copy.
 *
 *	-EAGAIN	stopped in the middle: *DONE says where
 *	-EEXIST	the first page is mapped
 *	-EFAULT	the object does not have the first page
 *	-EINVAL	no handshake yet; unaligned, zero or wrapping range; MODE; memory
 *		that is not an object's; beyond its end; what the backend lacks
 *	-ENOENT	the span is not inside one registered mapping
 *	-ENOMEM
 *	-ESRCH	the memory's process is gone
 *
 * MT-Safe, AS-Safe. May-Block: for another call at the same page.
 */
UF_API UF_CHECK int uf_continue(struct uf *uf, void *addr, size_t len, uint64_t mode, size_t *done);

/*
 * Let accesses to missing pages fail with SIGBUS from now on, and wake their
 * threads; follows UFFDIO_POISON(2const). MODE: UF_POISON_MODE_*. *DONE as for
 * uf_copy.
 *
 *	-EAGAIN	stopped in the middle: *DONE says where
 *	-EEXIST	the first page has content, or a mark of another kind
 *	-EFAULT	beyond the end of the object
 *	-EINVAL	no handshake yet; unaligned, zero or wrapping range; MODE; what
 *		the backend lacks
 *	-ENOENT	the span is not inside one registered mapping
 *	-ENOMEM
 *	-ESRCH	the memory's process is gone
 *
 * MT-Safe, AS-Safe. May-Block: for another call at the same page.
 */
UF_API UF_CHECK int uf_poison(struct uf *uf, void *addr, size_t len, uint64_t mode, size_t *done);

/*
 * Protect pages against writing (MODE has UF_WRITEPROTECT_MODE_WP), or no
 * longer and wake the threads that wait; follows UFFDIO_WRITEPROTECT(2const).
 * The span may go over several mappings and over holes.
 *
 *	-EAGAIN	an event is pending that says how the memory has changed
 *	-EINVAL	no handshake yet; unaligned, zero or wrapping range; MODE; what
 *		the backend lacks
 *	-ENOENT	nothing mapped, or a mapping without UF_REGISTER_MODE_WP: those
 *		before it are done
 *	-ENOMEM
 *	-ESRCH	the memory's process is gone
 *
 * MT-Safe, AS-Safe. May-Block: for another call at the same page.
 */
UF_API UF_CHECK int uf_writeprotect(struct uf *uf, void *addr, size_t len, uint64_t mode);

/*
 * Make pages inaccessible (MODE has UF_RWPROTECT_MODE_RWP), or accessible again
 * and wake the threads that wait; follows UFFDIO_RWPROTECT of Linux 7.3. Content
 * stays. The span may go over several mappings and over holes.
 *
 *	-EAGAIN	an event is pending that says how the memory has changed
 *	-EINVAL	no handshake yet; unaligned, zero or wrapping range; MODE; what
 *		the backend lacks
 *	-ENOENT	nothing mapped, or a mapping without UF_REGISTER_MODE_RWP: nothing
 *		is changed
 *	-ENOMEM
 *	-ESRCH	the memory's process is gone
 *
 * MT-Safe, AS-Safe. May-Block: for another call at the same page.
 */
UF_API UF_CHECK int uf_rwprotect(struct uf *uf, void *addr, size_t len, uint64_t mode);

/*
 * Enable and disable features after the handshake; follows UFFDIO_SET_MODE of
 * Linux 7.3. ENABLE, DISABLE: UF_FEATURE_RWP_ASYNC is the only one that can be.
 * Enabling it wakes every thread that waits in UF.
 *
 *	-EINVAL	no handshake yet; a bit in both; another bit; ENABLE without
 *		UF_FEATURE_RWP; what the backend lacks
 *	-ESRCH	the memory's process is gone
 *
 * MT-Safe, AS-Safe. May-Block: for calls and faults under way on registered ranges.
 */
UF_API UF_CHECK int uf_set_mode(struct uf *uf, uint64_t enable, uint64_t disable);

/*
 * Move pages of private anonymous memory from SRC to DST, where they are
 * missing, and wake the threads that wait there; follows UFFDIO_MOVE(2const).
 * MODE: UF_MOVE_MODE_*. *DONE as for uf_copy.
 *
 *	-EAGAIN	stopped in the middle: *DONE says where
 *	-EBUSY	the first page is shared with another process, or pinned (the kernel
 *		backend only)
 *	-EEXIST	the first page has content at DST
 *	-EFAULT	the first page of SRC is write-protected or poisoned
 *	-EINVAL	no handshake yet; unaligned, zero or wrapping range; MODE; memory
 *		of another kind, mappings that are not alike, DST not registered by
 *		UF; the process that calls is another one; what the backend lacks
 *	-ENOENT	DST or SRC is not mapped; the first page of SRC is missing and
 *		UF_MOVE_MODE_ALLOW_SRC_HOLES was not given
 *	-ENOMEM	also: too many mappings
 *	-ESRCH	the memory's process is gone
 *
 * MT-Safe, AS-Safe. May-Block: for other calls on the same memory.
 */
UF_API UF_CHECK int uf_move(struct uf *uf, void *dst, void *src, size_t len, uint64_t mode,
			    size_t *done);

/* Modes of uf_move_to. */
#define UF_MOVE_TO_DONTWAKE (UINT64_C(1) << 0) /* threads that wait at DST are not woken */
#define UF_MOVE_TO_SHARED (UINT64_C(1) << 1)   /* both are the same pages of one object */

/*
 * Move pages of this process, at SRC, into the one whose memory REMOTE is about
 * (uf_adopt, uf_attach), at DST, where they are missing, and wake the threads
 * that wait there. A page is in one place or on its way: whoever touches it here
 * or there meanwhile waits, and finds all of it or, at SRC afterwards, a missing
 * page. *DONE as for uf_copy; what could not be moved is at SRC as before.
 *
 * SRC is registered with UF, a userfaultfd of this process, for MISSING, and is
 * private anonymous memory: its pages are taken by uf_move and copied over. With
 * UF_MOVE_TO_SHARED nothing is copied: SRC is a shared mapping of the same part
 * of the same object as DST, both are registered for MINOR, and the pages are
 * unmapped here and mapped there. If it is another part, or another object, DST
 * gets what its own object has there, and SRC keeps its content.
 *
 *	-EAGAIN	stopped in the middle: *DONE says where; or an event of UF or
 *		REMOTE has not been read
 *	-EINVAL	unaligned, zero or wrapping range; MODE; REMOTE is UF; SRC is not
 *		registered with UF; memory of another kind
 *	-ENOENT	the first page is missing at SRC; nothing is registered at DST
 *	-EEXIST	the first page has content at DST
 *	-EFAULT	the first page of SRC is write-protected or poisoned; or, shared,
 *		the object has none
 *	-EBUSY, -ENOMEM
 *		as uf_move
 *	-ESRCH	the other process is dead
 *
 * MT-Safe, AS-Safe. May-Block: while an event of UF is unread, if pages have to be
 * put back, and for it to be read if UF has UF_FEATURE_EVENT_REMOVE: not for the
 * thread that reads UF then.
 */
UF_API UF_CHECK int uf_move_to(struct uf *uf, struct uf *remote, void *dst, void *src, size_t len,
			       uint64_t mode, size_t *done);

/*
 * Which pages of a span are what, and protect them against writing again in the
 * same step; follows PAGEMAP_SCAN of proc_pid_pagemap(5), on the memory of this
 * process. It needs no handle: the memory need not be registered, but only what
 * is registered for WP by a handle with UF_FEATURE_WP_ASYNC can be protected.
 * Begin with UF_SCAN_INIT. ARG is read, and ARG->walk_end written: where the work
 * stopped, ARG->end if it is complete. Returns how many regions it has put in
 * ARG->vec, borrowed for the call.
 *
 * A page matches if its categories, after those in category_inverted have been
 * turned over, have all of category_mask and, unless that is 0, one of
 * category_anyof_mask. Regions tell those of return_mask.
 *
 *	-EINVAL	a size that is not the structure's; an unknown flag or category;
 *		start is no multiple of the page size; no vec, and vec_len not 0;
 *		UF_SCAN_WP_MATCHING over memory that is registered for RWP
 *	-EFAULT	ARG or vec cannot be accessed; end is before start or beyond the
 *		address space. Pages may have been protected and are not told then.
 *	-EPERM	UF_SCAN_CHECK_WPASYNC, and a mapping in the span that cannot be
 *		protected; those before it are done
 *	-ENOTTY	this kernel is older than 6.7, and no handle has been opened
 *	-ENOMEM	the engine cannot protect more pages one by one
 *	-ENOENT, -EACCES, -EMFILE, -ENFILE, -ENOMEM
 *		/proc/self/pagemap cannot be opened
 *
 * MT-Safe, AS-Safe. May-Block: for another call at the same page.
 */
UF_API UF_CHECK ssize_t uf_scan(struct uf_scan_arg *arg);

/* All pages of nothing: fill in what the call is about. */
#define UF_SCAN_INIT                                                                               \
	{                                                                                          \
		sizeof(struct uf_scan_arg), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                        \
	}

/*
 * Any ioctl with the kernel's exact behaviour: the order of checks, what is
 * written back, the errno (negated). REQUEST: UF_IOC_* or the kernel's macro;
 * ARG may be any value and is checked.
 * MT-Safe, AS-Safe. May-Block.
 */
UF_API UF_CHECK int uf_ioctl(struct uf *uf, unsigned long request, void *arg);

/*
 * Touch every page of [ADDR, ADDR + LEN), any alignment, reading one byte (and
 * writing it back unchanged, atomically, if WRITE): faults of either backend
 * are raised and waited for. Call it before giving a system call memory that
 * may be missing: what the engine closed, the kernel cannot reach, and such a
 * call would fail with EFAULT.
 *
 *	-EFAULT	a page of it cannot be accessed
 *
 * In a process that has no handle of the engine, on Linux before 5.14, an
 * access that is not allowed is SIGSEGV or SIGBUS.
 *
 * MT-Safe, AS-Safe. May-Block.
 */
UF_API UF_CHECK int uf_touch(const void *addr, size_t len, int write);

/*
 * The calls that change mappings, for memory that may be registered with the
 * engine: same arguments and effect as mmap(2), munmap(2), mremap(2),
 * mprotect(2) and madvise(2), -errno on failure (uf_mmap and uf_mremap: the
 * address in *OUT). The engine has to know of every such change of a
 * registered range; for memory it does not have, and for the kernel backend,
 * they are the system calls and nothing else. Programs under `userfault run'
 * need none of them. A context that has enabled UF_FEATURE_EVENT_UNMAP, _REMAP
 * or _REMOVE is told of such changes, and the call returns when it has read that.
 * MT-Safe, AS-Safe. May-Block.
 */
UF_API UF_CHECK int uf_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset,
			    void **out);
UF_API UF_CHECK int uf_munmap(void *addr, size_t len);
UF_API UF_CHECK int uf_mremap(void *old, size_t old_len, size_t new_len, int flags, void *new_addr,
			      void **out);
UF_API UF_CHECK int uf_mprotect(void *addr, size_t len, int prot);
UF_API UF_CHECK int uf_madvise(void *addr, size_t len, int advice);

/* --- What works here, and why not --- */

/* Why a way to a kernel userfaultfd is closed. */
enum uf_refusal {
	UF_REFUSAL_NONE,	/* it works */
	UF_REFUSAL_CONFIG,	/* the kernel is built without CONFIG_USERFAULTFD */
	UF_REFUSAL_SYSCTL,	/* vm.unprivileged_userfaultfd is 0 and CAP_SYS_PTRACE is missing */
	UF_REFUSAL_SECCOMP,	/* a seccomp filter refuses the system call */
	UF_REFUSAL_NO_DEVICE,	/* /dev/userfaultfd does not exist */
	UF_REFUSAL_DEVICE_MODE, /* its permissions refuse us */
	UF_REFUSAL_LSM,		/* a security module refuses */
	UF_REFUSAL_LIMIT,	/* out of descriptors or memory */
	UF_REFUSAL_CGROUP,	/* the device controller of the control group refuses */
	UF_REFUSAL_OLD_KERNEL,	/* this Linux is older than the way */
	UF_REFUSAL_UNKNOWN,
};

/* One way to get a kernel userfaultfd. */
struct uf_way {
	enum uf_refusal refusal;
	int error;	  /* errno value of the attempt; 0: it worked */
	char reason[256]; /* for people: what was found, empty if it works */
	char remedy[256]; /* what to do about it */
};

/* What uf_doctor found. */
struct uf_diagnosis {
	size_t struct_size;
	/* The kernel. */
	struct uf_way syscall;		 /* userfaultfd(2) */
	struct uf_way syscall_user_mode; /* userfaultfd(2) with UF_USER_MODE_ONLY */
	struct uf_way device;		 /* /dev/userfaultfd */
	uint64_t kernel_features;	 /* UF_FEATURE_*; 0 if it cannot be asked */
	/* The engine. */
	int engine_works;
	char engine_reason[256]; /* why not; empty if it works */
	uint64_t engine_features;
	int guard_anon;	    /* guard markers work on private anonymous memory */
	int guard_shmem;    /* and on shared memory */
	int proc_mem;	    /* /proc/self/mem writes through PROT_NONE */
	int proc_maps;	    /* /proc/self/maps can be read */
	int pagemap;	    /* /proc/self/pagemap tells which pages are there */
	int memfd;	    /* memfd_create works */
	uint64_t hugepages; /* free huge pages of the default size */
	uint64_t map_limit; /* vm.max_map_count; 0: unknown */
	uint64_t maps;	    /* mappings this process has; 0: unknown */
};

/*
 * Try everything, change nothing, tell what was found. (The signal handlers of
 * uf_open stay installed.) D->struct_size must be
 * sizeof(*D).
 *
 *	-EINVAL	an unknown size
 *
 * MT-Safe. Not AS-Safe.
 */
UF_API UF_CHECK int uf_doctor(struct uf_diagnosis *d);

/*
 * What a backend can do in this process, without a handle of one's own: *HAVE
 * gets its UF_FEATURE_*, *ENGINE_ADDS (may be NULL) those that the engine has
 * besides, that is what UF_BACKEND_ENGINE would bring. UF_BACKEND_AUTO asks the
 * one that uf_open would choose. If BACKEND is refused *HAVE is 0, and
 * *ENGINE_ADDS is told all the same (0, if the engine does not work here). With
 * ENGINE_ADDS, or asked for the engine, it installs the signal handlers of uf_open.
 *
 *	-EINVAL	an unknown backend, or HAVE is NULL
 *	others	as of uf_open: the backend cannot be had
 *
 * MT-Safe. Not AS-Safe.
 */
UF_API UF_CHECK int uf_features(enum uf_backend backend, uint64_t *have, uint64_t *engine_adds);

/* Name of a feature bit (one bit of UF_FEATURE_*), such as "EVENT_FORK"; NULL: unknown. AS-Safe. */
UF_API const char *uf_feature_name(uint64_t bit);

/* Version of the library that runs, as in UF_VERSION. AS-Safe. */
UF_API const char *uf_version(void);

#ifdef __cplusplus
}
#endif

#endif /* USERFAULT_H */
