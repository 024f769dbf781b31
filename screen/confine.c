#define _GNU_SOURCE
#include "screen/confine.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "common/limits.h"
#include "common/sandbox.h"

/* The program itself, its stack, and what a resize takes for a moment. */
#define MEMORY (64u * 1024 * 1024)

/* A flood's screen must not delay the keys of others. */
#define NICE 5

/* The socket is the only descriptor; memory is had without files and cannot
 * be run as code. */
static const struct sandbox_rule rules[] = {
    {.call = SCMP_SYS(recvfrom)},
    {.call = SCMP_SYS(sendto)},
    {.call = SCMP_SYS(brk)},
    {.call = SCMP_SYS(munmap)},
    {.call = SCMP_SYS(madvise)},
    {.call = SCMP_SYS(exit_group)},
    {.call = SCMP_SYS(restart_syscall)},
    {.call = SCMP_SYS(rt_sigreturn)},
#ifdef WITH_ASAN
    /* The sanitizers' own: they report, and look at themselves. */
    {.call = SCMP_SYS(mmap)},
    {.call = SCMP_SYS(mprotect)},
    {.call = SCMP_SYS(futex)},
    {.call = SCMP_SYS(getpid)},
    {.call = SCMP_SYS(gettid)},
    {.call = SCMP_SYS(sigaltstack)},
    {.call = SCMP_SYS(rt_sigaction)},
    {.call = SCMP_SYS(rt_sigprocmask)},
    {.call = SCMP_SYS(write)},
#else
    {.call = SCMP_SYS(mmap),
	.arguments = {{2, PROT_EXEC, 0},
	    {3, MAP_ANONYMOUS | MAP_SHARED, MAP_ANONYMOUS}}},
    {.call = SCMP_SYS(mremap)},
#endif
};

static int
limit(int what, rlim_t value)
{
	const struct rlimit limits = {value, value};

	return setrlimit(what, &limits) < 0 ? -errno : 0;
}

int
process_confine(size_t mapped)
{
	int error = limit(RLIMIT_NOFILE, 0);

	if (error == 0)
		error = limit(RLIMIT_CORE, 0);
	if (error == 0)
		error = limit(RLIMIT_FSIZE, 0);
	if (error == 0)
		error = limit(RLIMIT_CPU, LIMIT_SCREEN_CPU);
#ifdef WITH_ASAN
	mapped = RLIM_INFINITY; /* its shadow has terabytes */
#else
	mapped += MEMORY + 2 * LIMIT_SCREEN_STATE;
#endif
	if (error == 0)
		error = limit(RLIMIT_AS, mapped);
	/* Nicer than that already: then so. */
	if (error == 0 && getpriority(PRIO_PROCESS, 0) < NICE &&
	    setpriority(PRIO_PROCESS, 0, NICE) < 0)
		error = -errno;
	if (error < 0)
		return error;
	return sandbox_enter(rules, sizeof rules / sizeof rules[0]);
}
