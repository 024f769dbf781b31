#include "keeper/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "common/sandbox.h"

#ifndef WITH_ASAN
static const struct sandbox_rule rules[] = {
    /* the loop, and waiting */
    ALLOW(epoll_ctl),
    ALLOW(epoll_wait),
    ALLOW(epoll_pwait),
    ALLOW(clock_gettime),
    ALLOW(gettimeofday),
    ALLOW(restart_syscall),
    ALLOW(wait4), /* for the launcher's end */
    /* descriptors; one socket for each start */
    ALLOW(read),
    ALLOW(write),
    ALLOW(writev),
    ALLOW(recvfrom),
    ALLOW(recvmsg),
    ALLOW(sendto),
    ALLOW(sendmsg),
    ALLOW(close),
    ALLOW(fstat),
    ALLOW(newfstatat),
    ALLOW(setsockopt),
    {.call = SCMP_SYS(socketpair), .arguments = {{0, ~0ull, AF_UNIX}}},
    /* its own one's name, at the end */
    ALLOW(unlink),
    ALLOW(unlinkat),
    ALLOW_MEMORY,
    /* itself */
    ALLOW(getpid),
    ALLOW(getrandom),
    ALLOW(futex),
    ALLOW(rt_sigaction),
    ALLOW(rt_sigprocmask),
    ALLOW(rt_sigreturn),
    ALLOW(exit_group),
};
#endif

int
keeper_confine(void)
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
