/* Lines of /proc, as the kernel writes them and as they must not be taken. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "broker/procfs.h"

#define LOCK "12: FLOCK  ADVISORY  WRITE 4711 00:19:1234 0 EOF\n"

static void
test_lock(void **state)
{
	const dev_t dev = makedev(0, 0x19);
	pid_t holder = 0;

	(void)state;
	assert_true(procfs_parse_lock(LOCK, dev, 1234, &holder));
	assert_int_equal(holder, 4711);
	assert_false(procfs_parse_lock(LOCK, dev, 1235, &holder));
	assert_false(procfs_parse_lock(LOCK, makedev(1, 0x19), 1234, &holder));
	assert_false(procfs_parse_lock(LOCK, makedev(0, 19), 1234, &holder));
}

static void
test_lock_others(void **state)
{
	static const char *const lines[] = {
	    "12: -> FLOCK  ADVISORY  WRITE 4711 00:19:1234 0 EOF\n",
	    "12: POSIX  ADVISORY  WRITE 4711 00:19:1234 0 EOF\n",
	    "12: FLOCK  ADVISORY  WRITE 0 00:19:1234 0 EOF\n",
	    "12: FLOCK  ADVISORY  WRITE -1 00:19:1234 0 EOF\n",
	    "12: FLOCK  ADVISORY  WRITE 4711 <none>:0 0 EOF\n",
	    "12: FLOCK  ADVISORY  WRITE 4711\n",
	    "",
	};
	pid_t holder = 0;

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		assert_false(procfs_parse_lock(
		    lines[i], makedev(0, 0x19), 1234, &holder));
	assert_int_equal(holder, 0);
}

static void
test_root(void **state)
{
	(void)state;
	assert_true(procfs_parse_root("Name:\tx\nUid:\t0\t0\t0\t0\nGid:"));
	assert_false(procfs_parse_root("Name:\tx\nUid:\t0\t0\t0\t1000\nGid:"));
	assert_false(procfs_parse_root("Name:\tx\nUid:\t1000\t0\t0\t0\nGid:"));
	assert_false(procfs_parse_root("Name:\tUid:\t0\t0\t0\t0\nx"));
	assert_false(procfs_parse_root("Name:\t\\nUid:\t0\t0\t0\t0\nx"));
	assert_false(procfs_parse_root(""));
}

static void
test_master_line(void **state)
{
	static const char info[] = "pos:\t0\nflags:\t0102\ntty-index:\t17\n";

	(void)state;
	assert_true(procfs_parse_master(info, 17));
	assert_false(procfs_parse_master(info, 1));
	assert_false(procfs_parse_master(info, 170));
	assert_false(procfs_parse_master("pos:\t0\n", 0));
	assert_false(procfs_parse_master("pos:\t0\ntty-index:\t\n", 0));
	assert_false(procfs_parse_master("pos:\t0\ntty-index:\t1x\n", 1));
}

/* With a pty of our own and the real /proc. */
static void
test_master(void **state)
{
	/* Not a name that some program on this machine may have. */
	static const char *const others[] = {"xenterm-test-nobody", NULL};
	int fd = posix_openpt(O_RDWR | O_NOCTTY);
	unsigned pts;

	(void)state;
	if (fd < 0 || access("/proc/self/fdinfo", R_OK) < 0)
		skip();
	pts = (unsigned)strtoul(ptsname(fd) + strlen("/dev/pts/"), NULL, 10);
	assert_true(procfs_has_master(getpid(), pts));
	assert_false(procfs_has_master(getpid(), pts + 100000));
	assert_false(procfs_program_has_master(others, pts));
	close(fd);
	assert_false(procfs_has_master(getpid(), pts));
}

static void
test_describe(void **state)
{
	char text[64], expected[64];

	(void)state;
	snprintf(expected, sizeof expected, "(pid %d)", (int)getpid());
	procfs_describe(getpid(), text, sizeof text);
	assert_non_null(strstr(text, expected));
	procfs_describe(0x7ffffff0, text, sizeof text);
	assert_string_equal(text, "pid 2147483632");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lock),
	    cmocka_unit_test(test_lock_others),
	    cmocka_unit_test(test_root),
	    cmocka_unit_test(test_master_line),
	    cmocka_unit_test(test_master),
	    cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
