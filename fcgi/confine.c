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

#define DENY(name)                                      \
	{                                               \
		.call = SCMP_SYS(name), .error = EACCES \
	}

#ifndef WITH_ASAN
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
    ALLOW_FCNTL(F_GETFD),
    ALLOW_FCNTL(F_SETFD),
    ALLOW_FCNTL(F_GETFL),
    ALLOW_FCNTL(F_SETFL),
    ALLOW_FCNTL(F_DUPFD),
    ALLOW_FCNTL(F_DUPFD_CLOEXEC),
    ALLOW_FCNTL(F_GET_SEALS),
    ALLOW_FCNTL(F_ADD_SEALS),
    ALLOW(fstat),
    ALLOW(newfstatat),
    ALLOW(dup),
    ALLOW(dup2),
    ALLOW(dup3),
    {.call = SCMP_SYS(socket), .arguments = {{0, ~0ull, AF_UNIX}}},
    {.call = SCMP_SYS(socketpair), .arguments = {{0, ~0ull, AF_UNIX}}},
    ALLOW_MEMORY,
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
    DENY(faccessat),
    DENY(faccessat2),
    DENY(readlink),
    DENY(readlinkat),
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
