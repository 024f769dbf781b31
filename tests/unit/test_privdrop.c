/* Giving up capabilities, each time in a process of its own. */
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <grp.h>

#include "common/log.h"
#include "common/privdrop.h"

static const struct privdrop_capability two[] = {
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "to look"},
    {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "to open"},
};

/* What run() says in a child: its status, and the last line of its log. */
static int
status_of(void (*run)(void), char *line, size_t size)
{
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		log_init("test", true, false);
		run();
		_exit(0);
	}
	close(ends[1]);
	n = read(ends[0], line, size - 1);
	line[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* One of the sets that the kernel tells of. */
static uint64_t
set_named(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long set = 1;
	char line[256];

	while (file && fgets(line, sizeof line, file))
		if (strncmp(line, name, strlen(name)) == 0)
			set = strtoull(line + strlen(name) + 1, NULL, 16);
	if (file)
		fclose(file);
	return set;
}

static void
has_exactly(uint64_t wanted)
{
	if (set_named("CapEff") != wanted || set_named("CapPrm") != wanted ||
	    set_named("CapInh") != 0 || set_named("CapAmb") != 0)
		_exit(99);
}

static void
keep_none(void)
{
	privdrop_keep(NULL, 0);
	has_exactly(0);
}

static void
keep_two(void)
{
	privdrop_keep(two, 2);
	has_exactly(1u << CAP_SYS_PTRACE | 1u << CAP_DAC_OVERRIDE);
	privdrop_keep(two, 2);
	privdrop_keep(two, 1);
	has_exactly(1u << CAP_SYS_PTRACE);
}

static void
keep_what_is_gone(void)
{
	privdrop_keep(NULL, 0);
	privdrop_keep(two, 2);
}

static void
keep_what_is_half_gone(void)
{
	privdrop_keep(two, 1);
	privdrop_keep(two, 2);
}

static void
harden(void)
{
	privdrop_harden();
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		_exit(99);
}

static void
become_nobody(void)
{
	const gid_t groups[] = {4, 5};

	if (setgroups(2, groups) < 0)
		_exit(98);
	privdrop_to(65534, 65533);
	has_exactly(0);
	if (getuid() != 65534 || getegid() != 65533 ||
	    getgroups(0, NULL) != 0 || setuid(0) == 0)
		_exit(99);
	privdrop_keep(NULL, 0);
}

/* As somebody who cannot. */
static void
become_another(void)
{
	privdrop_to(65534, 65534);
	privdrop_to(65533, 65533);
}

static void
test_none(void **state)
{
	char line[256];

	(void)state;
	assert_int_equal(status_of(keep_none, line, sizeof line), 0);
	assert_int_equal(status_of(harden, line, sizeof line), 0);
}

static void
test_what_is_missing_is_named(void **state)
{
	char line[256];

	(void)state;
	assert_int_equal(status_of(keep_what_is_gone, line, sizeof line), 1);
	assert_non_null(
	    strstr(line, "the capability CAP_SYS_PTRACE is missing, to look"));
}

static void
test_as_root(void **state)
{
	char line[256];

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(status_of(keep_two, line, sizeof line), 0);
	assert_int_equal(
	    status_of(keep_what_is_half_gone, line, sizeof line), 1);
	assert_non_null(strstr(
	    line, "the capability CAP_DAC_OVERRIDE is missing, to open"));
	assert_int_equal(status_of(become_nobody, line, sizeof line), 0);
	assert_int_equal(status_of(become_another, line, sizeof line), 1);
	assert_non_null(strstr(line, "cannot become uid 65533"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_none),
	    cmocka_unit_test(test_what_is_missing_is_named),
	    cmocka_unit_test(test_as_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
