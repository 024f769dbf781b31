#include "common/sandbox.h"

#include <errno.h>
#include <seccomp.h>

/* What the C library calls instead on 32 bits: numbers and times of 64 bits,
 * and calls that were there before.  The arguments that rules look at are the
 * same. */
static const struct {
	int call, others[3];
} twins[] = {
#if __SIZEOF_LONG__ == 4
#define TWIN(name, ...)             \
	{                           \
		SCMP_SYS(name),     \
		{                   \
			__VA_ARGS__ \
		}                   \
	}
    TWIN(clock_gettime, SCMP_SYS(clock_gettime64)),
    TWIN(clock_nanosleep, SCMP_SYS(clock_nanosleep_time64)),
    TWIN(fcntl, SCMP_SYS(fcntl64)),
    TWIN(fstat, SCMP_SYS(fstat64), SCMP_SYS(statx)),
    TWIN(ftruncate, SCMP_SYS(ftruncate64)),
    TWIN(futex, SCMP_SYS(futex_time64)),
    TWIN(getegid, SCMP_SYS(getegid32)),
    TWIN(geteuid, SCMP_SYS(geteuid32)),
    TWIN(getgid, SCMP_SYS(getgid32)),
    TWIN(getuid, SCMP_SYS(getuid32)),
    TWIN(lseek, SCMP_SYS(_llseek)),
    TWIN(lstat, SCMP_SYS(lstat64)),
    TWIN(mmap, SCMP_SYS(mmap2)),
    TWIN(newfstatat, SCMP_SYS(fstatat64)),
    TWIN(ppoll, SCMP_SYS(ppoll_time64)),
    TWIN(recvfrom, SCMP_SYS(recv)),
    TWIN(rt_sigreturn, SCMP_SYS(sigreturn)),
    TWIN(sendto, SCMP_SYS(send)),
    TWIN(stat, SCMP_SYS(stat64)),
#undef TWIN
#else
    {-1, {-1}}, /* none */
#endif
};

static int
add_rule(scmp_filter_ctx filter, const struct sandbox_rule *rule)
{
	const size_t n = sizeof rule->arguments / sizeof rule->arguments[0];
	uint32_t action = rule->error ? SCMP_ACT_ERRNO((uint32_t)rule->error)
				      : SCMP_ACT_ALLOW;
	struct scmp_arg_cmp
	    tests[sizeof rule->arguments / sizeof rule->arguments[0]];
	unsigned ntests = 0;

	for (size_t i = 0; i < n; i++) {
		const struct sandbox_argument *a = &rule->arguments[i];

		if (a->mask)
			tests[ntests++] = SCMP_CMP(
			    a->number, SCMP_CMP_MASKED_EQ, a->mask, a->value);
	}
	return seccomp_rule_add_array(
	    filter, action, rule->call, ntests, tests);
}

static int
add_twins(scmp_filter_ctx filter, const struct sandbox_rule *rule)
{
	const size_t n = sizeof twins / sizeof twins[0];
	int error = 0;

	for (size_t i = 0; i < n; i++) {
		struct sandbox_rule twin = *rule;

		if (twins[i].call != rule->call)
			continue;
		for (int j = 0; error == 0 && j < 3; j++) {
			twin.call = twins[i].others[j];
			/* Negative: i386's, through socketcall(). */
			if (twin.call != 0)
				error = add_rule(filter, &twin);
		}
	}
	return error;
}

int
sandbox_enter(const struct sandbox_rule *rules, size_t nrules)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error;

	if (!filter)
		return -ENOMEM;
	error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Who traces the process may take a call away (strace -e inject): that
	 * is number -1, which does nothing. */
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_API_TSKIP, 1);
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, -1, 0);
	for (size_t i = 0; error == 0 && i < nrules; i++) {
		if (rules[i].call >= 0) /* else another architecture's */
			error = add_rule(filter, &rules[i]);
		if (error == 0)
			error = add_twins(filter, &rules[i]);
	}
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
