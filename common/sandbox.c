/*
 * sandbox.c - which system calls each process may use.
 *
 * A base that every process needs, and groups of calls on top of it.  A role's
 * row names its groups; that is the whole policy.  Where a call does many things
 * the group says which by its arguments.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

/* Memory, clocks, signals, the event loop, and messages over sockets that are open already. */
static const int base_calls[] = {
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
    SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg),
    SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(pipe2),
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mlock), SCMP_SYS(munlock),
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(getrandom), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getrusage), SCMP_SYS(getrlimit),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
    SCMP_SYS(exit), SCMP_SYS(exit_group),
    SCMP_SYS(fstat), SCMP_SYS(fstatfs), SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(dup), SCMP_SYS(dup3),
    SCMP_SYS(memfd_create), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(ftruncate),
};

static const int accept_calls[] = {SCMP_SYS(accept4), SCMP_SYS(accept)};

/* Sockets of one's own: only to those who speak to the network as a client. */
static const int connect_calls[] = {SCMP_SYS(connect), SCMP_SYS(bind)};

static const int thread_calls[] = {SCMP_SYS(membarrier)};

/* Names below the root directory. */
static const int file_read_calls[] = {
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(statfs), SCMP_SYS(flock), SCMP_SYS(fadvise64),
    SCMP_SYS(fchdir),
};

static const int file_write_calls[] = {
    SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(open), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
    SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(syncfs), SCMP_SYS(sync_file_range),
    SCMP_SYS(fallocate), SCMP_SYS(utimensat), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(msync), SCMP_SYS(umask), SCMP_SYS(copy_file_range), SCMP_SYS(sendfile),
};

/* The parent of session processes makes children and gives them their user's identity. */
static const int session_parent_calls[] = {
    SCMP_SYS(chroot), SCMP_SYS(setfsuid), SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(seccomp), SCMP_SYS(close_range), SCMP_SYS(tgkill),
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
	unsigned bit; /* 0: everybody */
	const int *calls;
	size_t count;
} groups[] = {
#define GROUP(bit, calls) {bit, calls, sizeof calls / sizeof calls[0]}
    GROUP(0, base_calls),
    GROUP(MAY_ACCEPT, accept_calls),
    GROUP(MAY_CONNECT, connect_calls),
    GROUP(MAY_THREAD, thread_calls),
    GROUP(MAY_READ_FILES, file_read_calls),
    GROUP(MAY_WRITE_FILES, file_write_calls),
    GROUP(MAY_START_SESSIONS, session_parent_calls),
};

/* A call that is allowed where an argument, or the part of it under the mask, is right. */
struct condition {
	unsigned bit;
	int call;
	unsigned argument;
	uint64_t mask;
	uint64_t value;
};

/* Arguments of 32 bits; what stands in the upper half of the register is left open by the calling convention. */
#define WHOLE 0xffffffff

enum {
	THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD,
	NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
	WRITING = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND
};

static const struct condition conditions[] = {
    /* No memory becomes code. */
    {0, SCMP_SYS(mmap), 2, PROT_EXEC, 0},
    {0, SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
    {0, SCMP_SYS(ioctl), 1, WHOLE, FIONREAD},
    {0, SCMP_SYS(ioctl), 1, WHOLE, FIONBIO},
    {0, SCMP_SYS(ioctl), 1, WHOLE, TCGETS}, /* stdio asks whether it writes to a terminal */
    {0, SCMP_SYS(fcntl), 1, WHOLE, F_DUPFD},
    {0, SCMP_SYS(fcntl), 1, WHOLE, F_DUPFD_CLOEXEC},
    {0, SCMP_SYS(fcntl), 1, WHOLE, F_GETFD},
    {0, SCMP_SYS(fcntl), 1, WHOLE, F_SETFD},
    {0, SCMP_SYS(fcntl), 1, WHOLE, F_GETFL},
    {0, SCMP_SYS(fcntl), 1, WHOLE, F_SETFL},
    {0, SCMP_SYS(fcntl), 1, WHOLE, F_ADD_SEALS},
    {0, SCMP_SYS(fcntl), 1, WHOLE, F_GET_SEALS},
    {0, SCMP_SYS(setsockopt), 1, WHOLE, SOL_SOCKET},
    {0, SCMP_SYS(setsockopt), 1, WHOLE, IPPROTO_TCP},
    /* One's own limits. */
    {0, SCMP_SYS(prlimit64), 0, WHOLE, 0},
    {MAY_CONNECT, SCMP_SYS(setsockopt), 1, WHOLE, IPPROTO_IP},
    {MAY_CONNECT, SCMP_SYS(setsockopt), 1, WHOLE, IPPROTO_IPV6},
    {MAY_CONNECT, SCMP_SYS(socket), 0, WHOLE, AF_INET},
    {MAY_CONNECT, SCMP_SYS(socket), 0, WHOLE, AF_INET6},
    {MAY_CONNECT, SCMP_SYS(socketpair), 0, WHOLE, AF_UNIX},
    {MAY_THREAD, SCMP_SYS(clone), 0, THREAD, THREAD},
    {MAY_THREAD, SCMP_SYS(prctl), 0, WHOLE, PR_SET_NAME},
    {MAY_READ_FILES, SCMP_SYS(openat), 2, WRITING, 0},
    {MAY_READ_FILES, SCMP_SYS(open), 1, WRITING, 0},
    /* Locks on a part of a file, as LMDB uses them. */
    {MAY_WRITE_FILES, SCMP_SYS(fcntl), 1, WHOLE, F_GETLK},
    {MAY_WRITE_FILES, SCMP_SYS(fcntl), 1, WHOLE, F_SETLK},
    {MAY_WRITE_FILES, SCMP_SYS(fcntl), 1, WHOLE, F_SETLKW},
    {MAY_START_SESSIONS, SCMP_SYS(clone), 0, NAMESPACES, 0},
    {MAY_START_SESSIONS, SCMP_SYS(prctl), 0, WHOLE, PR_SET_NO_NEW_PRIVS},
    {MAY_START_SESSIONS, SCMP_SYS(prctl), 0, WHOLE, PR_SET_SECCOMP},
    {MAY_START_SESSIONS, SCMP_SYS(prctl), 0, WHOLE, PR_SET_DUMPABLE},
};

static const unsigned role_groups[ROLE_COUNT] = {
    [ROLE_LOGGER] = MAY_READ_FILES | MAY_WRITE_FILES,
    [ROLE_KEYS] = MAY_THREAD,
    [ROLE_AUTH] = MAY_READ_FILES | MAY_THREAD,
    [ROLE_LOOKUP] = MAY_READ_FILES,
    [ROLE_RESOLVER] = MAY_CONNECT | MAY_THREAD,
    [ROLE_OAUTH] = MAY_CONNECT,
    [ROLE_QMGR] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_THREAD,
    [ROLE_DELIVERY_MAILDIR] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_THREAD,
    [ROLE_DELIVERY_SMTP] = MAY_CONNECT,
    [ROLE_POLICY] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_CONNECT,
    [ROLE_SMTPD] = MAY_ACCEPT,
    [ROLE_IMAPD] = MAY_ACCEPT,
    [ROLE_POP3D] = MAY_ACCEPT,
    [ROLE_IMAP_SESSION] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_START_SESSIONS,
    [ROLE_POP3_SESSION] = MAY_READ_FILES | MAY_WRITE_FILES | MAY_START_SESSIONS,
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
	(void)conditions;
	(void)may;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}
#else
/* A call that this architecture does not have needs no rule. */
static bool is_added(int error)
{
	return error == 0 || error == -EDOM;
}

static bool allow(scmp_filter_ctx filter, unsigned may)
{
	for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
		for (size_t n = 0; n < groups[i].count && (groups[i].bit == 0 || (may & groups[i].bit) != 0); n++)
			if (!is_added(seccomp_rule_add(filter, SCMP_ACT_ALLOW, groups[i].calls[n], 0)))
				return false;
	for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
		const struct condition *c = &conditions[i];

		if (c->bit != 0 && (may & c->bit) == 0)
			continue;
		if (!is_added(seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, c->call, 1, SCMP_CMP(c->argument, SCMP_CMP_MASKED_EQ, c->mask, c->value))))
			return false;
	}
	/* abort(3), to oneself.  A session's process gets another number, so its parent's filter cannot say which. */
	return (may & MAY_START_SESSIONS) != 0 ||
	    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_CMP(0, SCMP_CMP_MASKED_EQ, WHOLE, (uint32_t)getpid())) == 0;
}

static bool refuse(scmp_filter_ctx filter, int error, int call)
{
	return is_added(seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)error), call, 0));
}

/* What libraries may ask for and can do without: they are told so, instead of ending the process. */
static bool refuse_all(scmp_filter_ctx filter, unsigned may)
{
	bool ok = refuse(filter, ENOSYS, SCMP_SYS(clone3)); /* its flags cannot be seen; clone's can */

	if ((may & MAY_WRITE_FILES) == 0)
		ok = ok && refuse(filter, ENOSYS, SCMP_SYS(openat2));
	if ((may & MAY_READ_FILES) != 0)
		return ok;
	/* Files are not for this process. */
	ok = ok && refuse(filter, EACCES, SCMP_SYS(openat)) && refuse(filter, EACCES, SCMP_SYS(open));
	for (size_t i = 0; i < sizeof file_read_calls / sizeof file_read_calls[0]; i++)
		ok = ok && refuse(filter, EACCES, file_read_calls[i]);
	return ok;
}

static bool enter(unsigned may)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	/* Another architecture's calls have other numbers; and a thread that is there already is not left out. */
	bool ok = filter != NULL && seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 && allow(filter, may) && refuse_all(filter, may);

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
	return enter(MAY_READ_FILES | MAY_WRITE_FILES);
}
