#define _GNU_SOURCE
#include "logger/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/ioctl.h>
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
    ALLOW(poll),
    ALLOW(ppoll),
    ALLOW(futex),
    ALLOW(clock_gettime),
    ALLOW(gettimeofday),
    ALLOW(restart_syscall),
    ALLOW(wait4), /* for the hooks' process */
    /* files */
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
    ALLOW(ftruncate),
    ALLOW(fallocate),
    ALLOW(stat),
    ALLOW(lstat),
    ALLOW(fstat),
    ALLOW(newfstatat),
    ALLOW(access),
    ALLOW(faccessat),
    ALLOW(faccessat2),
    ALLOW(getdents64),
    ALLOW(mkdir),
    ALLOW(mkdirat),
    ALLOW(rename),
    ALLOW(renameat),
    ALLOW(renameat2),
    ALLOW(symlink),
    ALLOW(symlinkat),
    ALLOW(unlink),
    ALLOW(unlinkat),
    ALLOW_FCNTL(F_GETFD),
    ALLOW_FCNTL(F_SETFD),
    ALLOW_FCNTL(F_GETFL),
    ALLOW_FCNTL(F_SETFL),
    /* sockets; only local ones can be made */
    ALLOW(connect),
    ALLOW(recvfrom),
    ALLOW(recvmsg),
    ALLOW(sendto),
    ALLOW(sendmsg),
    ALLOW(shutdown),
    ALLOW(getsockopt),
    ALLOW(setsockopt),
    {.call = SCMP_SYS(ioctl), .arguments = {{1, UINT32_MAX, FIONREAD}}},
    {.call = SCMP_SYS(socket), .arguments = {{0, ~0ull, AF_UNIX}}},
    {.call = SCMP_SYS(socketpair), .arguments = {{0, ~0ull, AF_UNIX}}},
    ALLOW(pipe2),
    ALLOW_MEMORY,
    /* itself */
    ALLOW(getrandom),
    ALLOW(getpid),
    ALLOW(gettid),
    ALLOW(rt_sigaction),
    ALLOW(rt_sigprocmask),
    ALLOW(rt_sigreturn),
    ALLOW(exit),
    ALLOW(exit_group),
};
#endif

int
logger_confine(void)
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
