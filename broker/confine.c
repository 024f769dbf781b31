#define _GNU_SOURCE
#include "broker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/privdrop.h"
#include "common/sandbox.h"

void
broker_drop(void)
{
	static const struct privdrop_capability kept[] = {
	    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
		"to see who holds a tty's other end"},
	    {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE",
		"to open ttys and lock files of others"},
	};

	privdrop_keep(kept, sizeof kept / sizeof kept[0]);
	privdrop_harden();
}

#ifndef WITH_ASAN

/* A thread of this process, with nothing of its own. */
#define THREAD CLONE_THREAD
#define NAMESPACES                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const struct sandbox_rule rules[] = {
    /* the loop, and waiting */
    ALLOW(epoll_ctl),
    ALLOW(epoll_wait),
    ALLOW(epoll_pwait),
    ALLOW(poll),
    ALLOW(ppoll),
    ALLOW(futex),
    ALLOW(clock_gettime),
    ALLOW(gettimeofday),
    ALLOW(clock_nanosleep),
    ALLOW(nanosleep),
    ALLOW(restart_syscall),
    /* files, ttys, /proc and locks */
    ALLOW(open),
    ALLOW(openat),
    ALLOW(close),
    ALLOW(read),
    ALLOW(readv),
    ALLOW(pread64),
    ALLOW(write),
    ALLOW(writev),
    ALLOW(pwrite64),
    ALLOW(lseek),
    ALLOW(stat),
    ALLOW(lstat),
    ALLOW(fstat),
    ALLOW(newfstatat),
    ALLOW(access),
    ALLOW(faccessat),
    ALLOW(faccessat2),
    ALLOW(readlink),
    ALLOW(readlinkat),
    ALLOW(getdents64),
    ALLOW(unlink),
    ALLOW(unlinkat),
    ALLOW(flock),
    ALLOW_FCNTL(F_GETFD),
    ALLOW_FCNTL(F_SETFD),
    ALLOW_FCNTL(F_GETFL),
    ALLOW_FCNTL(F_SETFL),
    ALLOW_FCNTL(F_DUPFD),
    ALLOW_FCNTL(F_DUPFD_CLOEXEC),
    ALLOW_FCNTL(F_GET_SEALS),
    ALLOW_FCNTL(F_ADD_SEALS),
    ALLOW(dup),
    ALLOW(dup2),
    ALLOW(dup3),
    ALLOW(pipe),
    ALLOW(pipe2),
    {.call = SCMP_SYS(ioctl), .arguments = {{1, UINT32_MAX, TCGETS}}},
    /* shared memory */
    ALLOW(memfd_create),
    ALLOW(ftruncate),
    /* sockets; only local ones can be made */
    ALLOW(connect),
    ALLOW(accept),
    ALLOW(accept4),
    ALLOW(recvfrom),
    ALLOW(recvmsg),
    ALLOW(sendto),
    ALLOW(sendmsg),
    ALLOW(shutdown),
    ALLOW(getpeername),
    ALLOW(getsockname),
    ALLOW(getsockopt),
    ALLOW(setsockopt),
    {.call = SCMP_SYS(socket), .arguments = {{0, ~0ull, AF_UNIX}}},
    {.call = SCMP_SYS(socketpair), .arguments = {{0, ~0ull, AF_UNIX}}},
    ALLOW_MEMORY,
    /* threads, of which libxenstore makes and cancels one for each
     * connection; what clone3 asks for cannot be seen */
    {.call = SCMP_SYS(clone), .arguments = {{0, THREAD | NAMESPACES, THREAD}}},
    {.call = SCMP_SYS(clone3), .error = ENOSYS},
    ALLOW(set_robust_list),
    ALLOW(rseq),
    ALLOW(sched_getaffinity),
    ALLOW(sched_yield),
    ALLOW(rt_sigaction),
    ALLOW(rt_sigprocmask),
    ALLOW(rt_sigreturn),
    ALLOW(exit),
    ALLOW(exit_group),
    /* itself, and whether another process is there */
    ALLOW(getpid),
    ALLOW(gettid),
    ALLOW(getuid),
    ALLOW(geteuid),
    ALLOW(getgid),
    ALLOW(getegid),
    ALLOW(getrandom),
    ALLOW(sysinfo),
    ALLOW(uname),
    {.call = SCMP_SYS(kill), .arguments = {{1, UINT32_MAX, 0}}},
    {.call = SCMP_SYS(prlimit64), .arguments = {{2, ~0ull, 0}}},
    {.call = SCMP_SYS(prctl), .error = EINVAL},
};

static void *
wait_for_the_end(void *arg)
{
	pause();
	return arg;
}

/* When a thread is cancelled for the first time, as libxenstore's is, glibc
 * loads a library for it.  Later that would be memory that is code. */
static int
load_cancellation(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, wait_for_the_end, NULL);

	if (error)
		return -error;
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	return 0;
}
#endif

int
broker_confine(void)
{
	/* The log's clock reads its zone when it is first asked. */
	tzset();
#ifdef WITH_ASAN
	/* A sanitizer's report, and its look for leaks, need what is not on
	 * the list. */
	return 0;
#else
	/* The signal that ends a thread, and no other process gets. */
	const struct sandbox_rule own = {.call = SCMP_SYS(tgkill),
	    .arguments = {{0, UINT32_MAX, (uint64_t)getpid()}}};
	struct sandbox_rule all[sizeof rules / sizeof rules[0] + 1];
	int error = load_cancellation();

	if (error)
		return error;
	memcpy(all, rules, sizeof rules);
	all[sizeof rules / sizeof rules[0]] = own;
	return sandbox_enter(all, sizeof all / sizeof all[0]);
#endif
}
