#include "common/sandbox.h"

#include <errno.h>
#include <seccomp.h>

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
	for (size_t i = 0; error == 0 && i < nrules; i++)
		if (rules[i].call >= 0) /* else another architecture's */
			error = add_rule(filter, &rules[i]);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
