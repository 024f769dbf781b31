/*
 * Confinement, by trying: each attempt runs in a process of its own, confined
 * as a screen process, the worker, the broker, the logger or the keeper is, and
 * must not come to its end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/confine.h"
#include "common/limits.h"
#include "common/ring.h"
#include "fcgi/confine.h"
#include "keeper/confine.h"
#include "logger/confine.h"
#include "screen/confine.h"

/* What comes of an attempt. */
enum outcome {
	DONE,	 /* it can be done */
	REFUSED, /* it fails, and the process goes on */
	KILLED,	 /* it is the process' end */
};

#ifdef __i386__
/* socketcall() has the family in memory, where no filter looks. */
#define OF_ANY_FAMILY DONE
#else
#define OF_ANY_FAMILY KILLED
#endif

static int other_ring, unix_socket[2];
static pid_t parent;

#define AS_DONE(ok) ((ok) ? DONE : REFUSED)

static enum outcome
try_open(void)
{
	return AS_DONE(open("/etc/passwd", O_RDONLY) >= 0);
}

static enum outcome
try_connect_tcp(void)
{
	return AS_DONE(socket(AF_INET, SOCK_STREAM, 0) >= 0);
}

static enum outcome
try_connect_unix(void)
{
	struct sockaddr_un address = {AF_UNIX, "/nowhere/at/all"};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	connect(fd, (struct sockaddr *)&address, sizeof address);
	return AS_DONE(fd >= 0);
}

static enum outcome
try_exec(void)
{
	char *const argv[] = {"true", NULL};

	/* What is not there: a program that is would be killed by what it does
	 * first. */
	execv("/nowhere/true", argv);
	return REFUSED;
}

static enum outcome
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return AS_DONE(pid > 0);
}

static enum outcome
try_other_ring(void)
{
	return AS_DONE(ring_map(other_ring));
}

static enum outcome
try_memory_of_file(void)
{
	return AS_DONE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, other_ring, 0) !=
		       MAP_FAILED);
}

static enum outcome
try_code(void)
{
	return AS_DONE(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static enum outcome
try_kill(void)
{
	return AS_DONE(kill(parent, SIGCONT) == 0);
}

static enum outcome
try_ptrace(void)
{
	return AS_DONE(ptrace(PTRACE_ATTACH, parent, NULL, NULL) == 0);
}

static enum outcome
try_read_memory(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return AS_DONE(process_vm_readv(parent, &here, 1, &there, 1, 0) == 1);
}

static enum outcome
try_write_memory(void)
{
	static char byte; /* at the same place in the parent */
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return AS_DONE(process_vm_writev(parent, &here, 1, &there, 1, 0) == 1);
}

static enum outcome
try_more_privileges(void)
{
	return AS_DONE(setuid(0) == 0);
}

static enum outcome
try_dup(void)
{
	return AS_DONE(dup(other_ring) >= 0);
}

static enum outcome
try_socket(void)
{
	char byte = 1;

	return AS_DONE(send(unix_socket[0], &byte, 1, 0) == 1 &&
		       recv(unix_socket[1], &byte, 1, 0) == 1);
}

static enum outcome
try_memory(void)
{
	char *big = malloc(8 << 20);

	if (!big)
		return REFUSED;
	memset(big, 1, 8 << 20);
	free(big);
	return DONE;
}

static enum outcome
try_much_memory(void)
{
	/* volatile: a compiler may leave out what nobody uses. */
	void *volatile much = malloc((size_t)1 << 30);

	return AS_DONE(much);
}

static enum outcome
try_file_write(void)
{
	return AS_DONE(write(other_ring, "x", 1) == 1);
}

static void *
run_thread(void *arg)
{
	return arg;
}

static enum outcome
try_thread(void)
{
	pthread_t thread;

	return AS_DONE(pthread_create(&thread, NULL, run_thread, NULL) == 0 &&
		       pthread_join(thread, NULL) == 0);
}

static void *
run_for_ever(void *arg)
{
	char byte;

	while (read(unix_socket[1], &byte, 1) > 0)
		;
	return arg;
}

/* As libxenstore does when a connection is closed. */
static enum outcome
try_cancel(void)
{
	pthread_t thread;

	return AS_DONE(pthread_create(&thread, NULL, run_for_ever, NULL) == 0 &&
		       pthread_cancel(thread) == 0 &&
		       pthread_join(thread, NULL) == 0);
}

static enum outcome
try_namespace(void)
{
	return AS_DONE(unshare(CLONE_NEWUSER) == 0);
}

/* Whether a process is there. */
static enum outcome
try_ask_for(void)
{
	return AS_DONE(kill(parent, 0) == 0);
}

static enum outcome
try_signal_thread(void)
{
	return AS_DONE(syscall(SYS_tgkill, parent, parent, SIGCONT) == 0);
}

static enum outcome
try_mode_of_tty(void)
{
	struct termios termios;

	tcgetattr(other_ring, &termios);
	return DONE;
}

/* Into the input of whoever reads it. */
static enum outcome
try_type_into_tty(void)
{
	return AS_DONE(ioctl(other_ring, TIOCSTI, "x") == 0);
}

/* What comes at this socket is a signal for another process. */
static enum outcome
try_signal_by_descriptor(void)
{
	return AS_DONE(fcntl(unix_socket[0], F_SETOWN, parent) == 0);
}

static enum outcome
try_move_in_file(void)
{
	return AS_DONE(lseek(other_ring, 0, SEEK_SET) == 0);
}

static enum outcome
try_write_in_file(void)
{
	return AS_DONE(pwrite(other_ring, "x", 1, 0) == 1);
}

static enum outcome
try_cut_file(void)
{
	return AS_DONE(ftruncate(other_ring, 0) == 0);
}

static enum outcome
try_change_owner(void)
{
	return AS_DONE(fchown(other_ring, 0, 0) == 0);
}

static enum outcome
try_change_mode(void)
{
	return AS_DONE(fchmod(other_ring, 04755) == 0);
}

static enum outcome
try_mount(void)
{
	return AS_DONE(mount("none", "/nowhere", "tmpfs", 0, NULL) == 0);
}

static enum outcome
try_rename(void)
{
	return AS_DONE(rename("/nowhere/a", "/nowhere/b") == 0);
}

struct attempt {
	const char *name;
	enum outcome (*attempt)(void);
	enum outcome screen, worker, broker, logger, keeper;
	bool open_to_sanitizers; /* they need what lets a screen do this */
};

static const struct attempt attempts[] = {
    {"use its socket", try_socket, DONE, DONE, DONE, DONE, DONE, false},
    {"take some memory", try_memory, DONE, DONE, DONE, DONE, DONE, false},
    {"take much memory", try_much_memory, REFUSED, DONE, DONE, DONE, DONE,
	true},
    {"open a file", try_open, KILLED, REFUSED, DONE, DONE, KILLED, false},
    {"connect over TCP", try_connect_tcp, KILLED, OF_ANY_FAMILY, OF_ANY_FAMILY,
	OF_ANY_FAMILY, KILLED, false},
    {"call a local socket", try_connect_unix, KILLED, DONE, DONE, DONE, KILLED,
	false},
    {"run a program", try_exec, KILLED, KILLED, KILLED, KILLED, KILLED, false},
    {"fork", try_fork, KILLED, KILLED, KILLED, KILLED, KILLED, false},
    {"map another ring", try_other_ring, KILLED, DONE, DONE, KILLED, KILLED,
	true},
    {"map any file", try_memory_of_file, KILLED, DONE, DONE, DONE, DONE, true},
    {"have memory run as code", try_code, KILLED, KILLED, KILLED, KILLED,
	KILLED, true},
    {"kill another process", try_kill, KILLED, KILLED, KILLED, KILLED, KILLED,
	false},
    {"trace another process", try_ptrace, KILLED, KILLED, KILLED, KILLED,
	KILLED, false},
    {"read another's memory", try_read_memory, KILLED, KILLED, KILLED, KILLED,
	KILLED, false},
    {"write another's memory", try_write_memory, KILLED, KILLED, KILLED, KILLED,
	KILLED, false},
    {"become root", try_more_privileges, KILLED, KILLED, KILLED, KILLED, KILLED,
	false},
    {"write to what is no socket", try_file_write, KILLED, DONE, DONE, DONE,
	DONE, true},
    {"have more descriptors", try_dup, KILLED, DONE, DONE, KILLED, KILLED,
	false},
    {"start a thread", try_thread, KILLED, KILLED, DONE, KILLED, KILLED, false},
    {"cancel a thread", try_cancel, KILLED, KILLED, DONE, KILLED, KILLED,
	false},
    {"have a namespace", try_namespace, KILLED, KILLED, KILLED, KILLED, KILLED,
	false},
    {"ask for a process", try_ask_for, KILLED, KILLED, DONE, KILLED, KILLED,
	false},
    {"signal a thread of another", try_signal_thread, KILLED, KILLED, KILLED,
	KILLED, KILLED, false},
    {"ask for a tty's mode", try_mode_of_tty, KILLED, DONE, DONE, KILLED,
	KILLED, false},
    {"type into a tty", try_type_into_tty, KILLED, KILLED, KILLED, KILLED,
	KILLED, false},
    {"signal by a descriptor", try_signal_by_descriptor, KILLED, KILLED, KILLED,
	KILLED, KILLED, false},
    /* the worker has the audit log to append to */
    {"move in a file", try_move_in_file, KILLED, KILLED, DONE, DONE, KILLED,
	false},
    {"write within a file", try_write_in_file, KILLED, KILLED, DONE, DONE,
	KILLED, false},
    {"cut a file off", try_cut_file, KILLED, KILLED, REFUSED, REFUSED, KILLED,
	false},
    {"change an owner", try_change_owner, KILLED, KILLED, KILLED, KILLED,
	KILLED, false},
    {"change a mode", try_change_mode, KILLED, KILLED, KILLED, KILLED, KILLED,
	false},
    {"mount", try_mount, KILLED, KILLED, KILLED, KILLED, KILLED, false},
    {"rename a file", try_rename, KILLED, KILLED, KILLED, REFUSED, KILLED,
	false},
};

static int
confine_screen(void)
{
	return process_confine(4 << 20);
}

/* In a process of its own. */
static enum outcome
outcome_of(int (*confine)(void), enum outcome (*attempt)(void))
{
	pid_t pid;
	int status;

	parent = getpid();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || confine() < 0)
			_exit(99);
		_exit((int)attempt());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return KILLED;
	}
	assert_in_range(WEXITSTATUS(status), DONE, REFUSED);
	return (enum outcome)WEXITSTATUS(status);
}

static void
test_attempts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
		const struct attempt *a = &attempts[i];
		enum outcome was;

#ifdef WITH_ASAN
		if (a->open_to_sanitizers)
			continue;
#else
		was = outcome_of(worker_confine, a->attempt);
		if (was != a->worker)
			fail_msg(
			    "worker: %s: %d, not %d", a->name, was, a->worker);
		was = outcome_of(broker_confine, a->attempt);
		if (was != a->broker)
			fail_msg(
			    "broker: %s: %d, not %d", a->name, was, a->broker);
		was = outcome_of(logger_confine, a->attempt);
		if (was != a->logger)
			fail_msg(
			    "logger: %s: %d, not %d", a->name, was, a->logger);
		was = outcome_of(keeper_confine, a->attempt);
		if (was != a->keeper)
			fail_msg(
			    "keeper: %s: %d, not %d", a->name, was, a->keeper);
#endif
		was = outcome_of(confine_screen, a->attempt);
		if (was != a->screen)
			fail_msg(
			    "screen: %s: %d, not %d", a->name, was, a->screen);
	}
}

#ifndef WITH_ASAN
static int go[2];

static void *
run_late(void *arg)
{
	char byte;

	(void)arg;
	if (read(go[0], &byte, 1) == 1)
		try_fork();
	return NULL;
}

/* A thread that was there before is confined as well. */
static enum outcome
confine_with_thread(void)
{
	pthread_t thread;

	if (pipe(go) < 0 ||
	    pthread_create(&thread, NULL, run_late, NULL) != 0 ||
	    worker_confine() < 0 || write(go[1], "", 1) != 1)
		return DONE;
	pthread_join(thread, NULL);
	return DONE;
}

static int
no_confinement(void)
{
	return 0;
}

static void
test_threads(void **state)
{
	(void)state;
	assert_int_equal(
	    outcome_of(no_confinement, confine_with_thread), KILLED);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_attempts),
#ifndef WITH_ASAN
	    cmocka_unit_test(test_threads),
#endif
	};

	other_ring = ring_make(LIMIT_RING_MIN);
	if (other_ring < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, unix_socket) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
