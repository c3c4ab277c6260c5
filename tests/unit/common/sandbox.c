/* What sandbox.h promises: each role's process is ended by a call that is not in its row. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sandbox.h"

#ifndef PETREL_SANITIZERS /* under which there is no filter */

enum { FILES = 1, WRITES = 2, NETWORK = 4, THREADS = 8, ACCEPTS = 16, SESSIONS = 32, NOBODY = 64 };

/* The design's word, independent of the table in sandbox.c. */
static const struct {
	enum role role;
	unsigned may;
} roles[] = {
    {ROLE_LOGGER, FILES | WRITES},
    {ROLE_KEYS, THREADS},
    {ROLE_AUTH, FILES | THREADS},
    {ROLE_LOOKUP, FILES},
    {ROLE_RESOLVER, NETWORK | THREADS},
    {ROLE_OAUTH, NETWORK},
    {ROLE_QMGR, FILES | WRITES | THREADS},
    {ROLE_DELIVERY_MAILDIR, FILES | WRITES | THREADS},
    {ROLE_DELIVERY_SMTP, NETWORK},
    {ROLE_POLICY, FILES | WRITES | NETWORK},
    {ROLE_SMTPD, ACCEPTS},
    {ROLE_IMAPD, ACCEPTS},
    {ROLE_POP3D, ACCEPTS},
    {ROLE_IMAP_SESSION, FILES | WRITES | SESSIONS},
    {ROLE_POP3_SESSION, FILES | WRITES | SESSIONS},
};

/* Each returns whether the call did what was asked; where it is not allowed, it does not return. */

static bool look_at_files(void)
{
	return open("/", O_RDONLY | O_DIRECTORY) != -1;
}

static bool write_a_file(void)
{
	char path[64];

	/* Tests run side by side, each in processes of its own. */
	snprintf(path, sizeof path, "/tmp/petrel-sandbox-%ld", (long)getpid());
	return open(path, O_WRONLY | O_CREAT | O_EXCL, 0600) != -1 && unlink(path) == 0;
}

static bool make_a_network_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) != -1 && socket(AF_INET6, SOCK_STREAM, 0) != -1;
}

static void *do_nothing(void *nothing)
{
	return nothing;
}

static bool start_a_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, do_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static bool accept_a_connection(void)
{
	return accept4(0, NULL, NULL, 0) == -1 && errno == ENOTSOCK;
}

static bool make_a_process(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return child > 0;
}

static bool change_root_and_user(void)
{
	return chroot("/") == 0 && setgid(getgid()) == 0 && syscall(SYS_setresuid, getuid(), getuid(), getuid()) == 0;
}

static bool make_a_local_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) != -1;
}

static bool ask_the_kernel_about_the_network(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) != -1;
}

static bool run_a_program(void)
{
	char *argv[] = {NULL}, *environment[] = {NULL};

	return execve("/bin/true", argv, environment) == 0;
}

static bool trace_another(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
}

static bool signal_another(void)
{
	return kill(getppid(), 0) == 0;
}

static bool limit_another(void)
{
	struct rlimit limit;

	return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit) == 0;
}

static bool make_memory_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool turn_memory_into_code(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool make_a_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool clone_into_a_namespace(void)
{
	return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) >= 0;
}

static bool type_for_the_user(void)
{
	return ioctl(0, TIOCSTI, "x") == 0;
}

static bool read_anothers_memory(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0) == 0;
}

static bool make_a_ring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) >= 0;
}

static bool mount_something(void)
{
	return syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL) == 0;
}

static const struct {
	const char *name;
	bool (*call)(void);
	unsigned wants; /* any of these */
} calls[] = {
    {"look at files", look_at_files, FILES},
    {"write a file", write_a_file, WRITES},
    {"make a network socket", make_a_network_socket, NETWORK},
    {"start a thread", start_a_thread, THREADS | SESSIONS},
    {"accept a connection", accept_a_connection, ACCEPTS},
    {"make a process", make_a_process, SESSIONS},
    {"change root and user", change_root_and_user, NOBODY}, /* setgid is not among the calls of the parent of sessions */
    {"make a local socket", make_a_local_socket, NOBODY},
    {"ask the kernel about the network", ask_the_kernel_about_the_network, NOBODY},
    {"run a program", run_a_program, NOBODY},
    {"trace another", trace_another, NOBODY},
    {"signal another", signal_another, NOBODY},
    {"limit another", limit_another, NOBODY},
    {"make memory code", make_memory_code, NOBODY},
    {"turn memory into code", turn_memory_into_code, NOBODY},
    {"make a namespace", make_a_namespace, NOBODY},
    {"clone into a namespace", clone_into_a_namespace, NOBODY},
    {"type for the user", type_for_the_user, NOBODY},
    {"read another's memory", read_anothers_memory, NOBODY},
    {"make a ring", make_a_ring, NOBODY},
    {"mount something", mount_something, NOBODY},
};

/* ROLE_NONE stands for a user's session. */
static int try(enum role role, bool (*call)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 2);
		if (role == ROLE_NONE ? !sandbox_enter_session() : !sandbox_enter(role))
			_exit(99);
		_exit(call() ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	return status;
}

static void expect(const char *who, enum role role, unsigned may, size_t which)
{
	int status = try(role, calls[which].call);
	bool allowed = (may & calls[which].wants) != 0;
	bool worked = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	/* Libraries that look for files are told that there are none for them. */
	bool refused = calls[which].wants == FILES || (calls[which].wants == WRITES && (may & FILES) == 0);

	if (allowed)
		cr_expect(worked, "%s cannot %s: %x", who, calls[which].name, (unsigned)status);
	else if (refused)
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%s can %s: %x", who, calls[which].name, (unsigned)status);
	else
		cr_expect(killed, "%s can %s: %x", who, calls[which].name, (unsigned)status);
}

Test(sandbox, every_role_may_do_what_is_its_own_and_is_ended_by_anything_else)
{
	for (size_t r = 0; r < sizeof roles / sizeof roles[0]; r++)
		for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
			expect(role_name(roles[r].role), roles[r].role, roles[r].may, i);
}

Test(sandbox, a_users_session_touches_files_and_nothing_else)
{
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		expect("a session", ROLE_NONE, FILES | WRITES, i);
}

static bool abort_oneself(void)
{
	abort();
}

Test(sandbox, a_process_may_still_say_by_its_signal_that_it_gave_up)
{
	int status = try(ROLE_SMTPD, abort_oneself);

	cr_assert(WIFSIGNALED(status));
	cr_assert_eq(WTERMSIG(status), SIGABRT);
}

#endif
