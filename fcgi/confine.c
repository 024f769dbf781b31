#define _GNU_SOURCE
#include "fcgi/confine.h"

#include <errno.h>
#include <seccomp.h>
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
static const struct sandbox_rule rules[] = {
    /* the loop, and waiting */
    ALLOW(epoll_ctl),
    ALLOW(epoll_wait),
    ALLOW(epoll_pwait),
    ALLOW(poll),
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
    ALLOW(ioctl),
    ALLOW(fcntl),
    ALLOW(fstat),
    ALLOW(newfstatat),
    ALLOW(dup),
    ALLOW(dup2),
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
