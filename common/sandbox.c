/*
 * sandbox.c - which system calls each process may use.
 *
 * A base that every process needs, and groups of calls on top of it.  A role's
 * row names its groups; that is the whole policy.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/log.h"

/* Memory, clocks, signals, the event loop, and messages over sockets that are open already. */
static const int base_calls[] = {
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
    SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg),
    SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(pipe2),
    SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise),
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(getrandom), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getrusage), SCMP_SYS(prlimit64), SCMP_SYS(getrlimit),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
    SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group),
    SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(ioctl), SCMP_SYS(dup), SCMP_SYS(dup3),
    SCMP_SYS(memfd_create), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev),
    SCMP_SYS(ftruncate), SCMP_SYS(mlock), SCMP_SYS(munlock),
};

static const int accept_calls[] = {SCMP_SYS(accept4), SCMP_SYS(accept)};

/* Sockets of one's own: only to those who speak to the network as a client. */
static const int connect_calls[] = {SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind)};

static const int thread_calls[] = {SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(prctl), SCMP_SYS(membarrier)};

/* Names below the root directory. */
static const int file_read_calls[] = {
    SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(open), SCMP_SYS(fchdir), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(fstatfs), SCMP_SYS(statfs), SCMP_SYS(flock), SCMP_SYS(fadvise64),
    SCMP_SYS(fchdir),
};

static const int file_write_calls[] = {
    SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
    SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(syncfs), SCMP_SYS(sync_file_range),
    SCMP_SYS(fallocate), SCMP_SYS(utimensat), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(msync), SCMP_SYS(umask), SCMP_SYS(copy_file_range), SCMP_SYS(sendfile),
};

/* The parent of session processes makes children and gives them their user's identity. */
static const int session_parent_calls[] = {
    SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(wait4), SCMP_SYS(chroot), SCMP_SYS(chdir), SCMP_SYS(fchdir), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(seccomp), SCMP_SYS(prctl), SCMP_SYS(setfsuid), SCMP_SYS(setrlimit), SCMP_SYS(close_range),
};

enum {
	MAY_ACCEPT = 1,
	MAY_CONNECT = 2,
	MAY_THREAD = 4,
	MAY_READ_FILES = 8,
	MAY_WRITE_FILES = 16,
	MAY_START_SESSIONS = 32
};

static const struct {
	unsigned bit;
	const int *calls;
	size_t count;
} groups[] = {
#define GROUP(bit, calls) {bit, calls, sizeof calls / sizeof calls[0]}
    GROUP(MAY_ACCEPT, accept_calls),
    GROUP(MAY_CONNECT, connect_calls),
    GROUP(MAY_THREAD, thread_calls),
    GROUP(MAY_READ_FILES, file_read_calls),
    GROUP(MAY_WRITE_FILES, file_write_calls),
    GROUP(MAY_START_SESSIONS, session_parent_calls),
};

static const unsigned role_groups[ROLE_COUNT] = {
    [ROLE_LOGGER] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_CONNECT, /* connects to syslog's socket */
    [ROLE_KEYS] = 0,
    [ROLE_AUTH] = MAY_READ_FILES | MAY_THREAD,
    [ROLE_LOOKUP] = MAY_READ_FILES,
    [ROLE_RESOLVER] = MAY_CONNECT | MAY_THREAD,
    [ROLE_QMGR] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_THREAD,
    [ROLE_DELIVERY_MAILDIR] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_THREAD,
    [ROLE_DELIVERY_SMTP] = MAY_CONNECT,
    [ROLE_SMTPD] = MAY_ACCEPT,
    [ROLE_IMAPD] = MAY_ACCEPT,
    [ROLE_POP3D] = MAY_ACCEPT,
    [ROLE_IMAP_SESSION] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_THREAD | MAY_START_SESSIONS,
    [ROLE_POP3_SESSION] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_THREAD | MAY_START_SESSIONS,
};

void sandbox_forbid_dumps(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

#ifdef PETREL_SANITIZERS
/* LeakSanitizer traces the process, which it forbids (sandbox_forbid_dumps). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* The sanitizers open files and start threads behind our back; no-new-privileges is all that can be had. */
static bool enter(unsigned may)
{
	(void)groups;
	(void)base_calls;
	(void)may;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}
#else
static bool allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);

		/* A call that this architecture does not have needs no permission. */
		if (error != 0 && error != -EDOM)
			return false;
	}
	return true;
}

/* Files are not for this process: libraries that ask are told so, instead of ending the process. */
static bool refuse_files(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof file_read_calls / sizeof file_read_calls[0]; i++) {
		int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), file_read_calls[i], 0);

		if (error != 0 && error != -EDOM)
			return false;
	}
	return true;
}

static bool enter(unsigned may)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool ok = filter != NULL && allow(filter, base_calls, sizeof base_calls / sizeof base_calls[0]);

	for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
		if ((may & groups[i].bit) != 0)
			ok = ok && allow(filter, groups[i].calls, groups[i].count);
	if ((may & MAY_READ_FILES) == 0)
		ok = ok && refuse_files(filter);
	/* libseccomp sets no-new-privileges itself (SCMP_FLTATR_CTL_NNP). */
	ok = ok && seccomp_load(filter) == 0;
	seccomp_release(filter);
	return ok;
}
#endif

bool sandbox_enter(enum role role)
{
	sandbox_forbid_dumps();
	return enter(role_groups[role]);
}

bool sandbox_enter_session(void)
{
	sandbox_forbid_dumps();
	return enter(MAY_READ_FILES | MAY_WRITE_FILES | MAY_THREAD);
}
