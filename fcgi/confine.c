#define _GNU_SOURCE
#include "fcgi/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "common/sandbox.h"

#define ALLOW(name)                    \
	{                              \
		.call = SCMP_SYS(name) \
	}
#define DENY(name)                                      \
	{                                               \
		.call = SCMP_SYS(name), .error = EACCES \
	}

#ifndef WITH_ASAN
/* Not F_SETOWN and F_SETSIG, by which a descriptor sends signals. */
#define FCNTL(command)                                  \
	{                                               \
		.call = SCMP_SYS(fcntl), .arguments = { \
			{1, UINT32_MAX, command}        \
		}                                       \
	}
/* Nothing that types or changes how a tty works. */
#define IOCTL(request)                                  \
	{                                               \
		.call = SCMP_SYS(ioctl), .arguments = { \
			{1, UINT32_MAX, request}        \
		}                                       \
	}

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
    ALLOW(restart_syscall),
    /* sockets and ttys; only local ones can be made */
    ALLOW(accept),
    ALLOW(accept4),
    ALLOW(read),
    ALLOW(readv),
    ALLOW(pread64),
    ALLOW(write),
    ALLOW(writev),
    ALLOW(recvfrom),
    ALLOW(recvmsg),
    ALLOW(sendto),
    ALLOW(sendmsg),
    ALLOW(shutdown),
    ALLOW(close),
    ALLOW(connect),
    ALLOW(getpeername),
    ALLOW(getsockname),
    ALLOW(getsockopt),
    ALLOW(setsockopt),
    IOCTL(FIONREAD),
    IOCTL(FIONBIO),
    IOCTL(TIOCOUTQ),
    IOCTL(TCGETS),
    FCNTL(F_GETFD),
    FCNTL(F_SETFD),
    FCNTL(F_GETFL),
    FCNTL(F_SETFL),
    FCNTL(F_DUPFD),
    FCNTL(F_DUPFD_CLOEXEC),
    FCNTL(F_GET_SEALS),
    FCNTL(F_ADD_SEALS),
    ALLOW(fstat),
    ALLOW(newfstatat),
    ALLOW(dup),
    ALLOW(dup2),
    ALLOW(dup3),
    {.call = SCMP_SYS(socket), .arguments = {{0, ~0ull, AF_UNIX}}},
    {.call = SCMP_SYS(socketpair), .arguments = {{0, ~0ull, AF_UNIX}}},
    /* memory */
    ALLOW(brk),
    ALLOW(munmap),
    ALLOW(mremap),
    ALLOW(madvise),
    {.call = SCMP_SYS(mmap), .arguments = {{2, PROT_EXEC, 0}}},
    {.call = SCMP_SYS(mprotect), .arguments = {{2, PROT_EXEC, 0}}},
    /* itself */
    ALLOW(getrandom),
    ALLOW(getpid),
    ALLOW(gettid),
    ALLOW(getuid),
    ALLOW(sched_getaffinity),
    ALLOW(sched_yield),
    ALLOW(rt_sigaction),
    ALLOW(rt_sigprocmask),
    ALLOW(rt_sigreturn),
    ALLOW(set_robust_list),
    ALLOW(rseq),
    ALLOW(exit),
    ALLOW(exit_group),
    DENY(open),
    DENY(openat),
    DENY(access),
    DENY(readlink),
};
#endif

int
worker_confine(void)
{
	/* The log's clock reads its zone when it is first asked. */
	tzset();
#ifdef WITH_ASAN
	/* A sanitizer's report, and its look for leaks, need what is not on
	 * the list. */
	return 0;
#else
	return sandbox_enter(rules, sizeof rules / sizeof rules[0]);
#endif
}
