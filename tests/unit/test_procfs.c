/* Lines of /proc, as the kernel writes them and as they must not be taken. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
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
	unsigned pts = 0;

	(void)state;
	assert_true(procfs_parse_master(
	    "pos:\t0\nflags:\t0102\ntty-index:\t17\n", &pts));
	assert_int_equal(pts, 17);
	assert_false(procfs_parse_master("pos:\t0\n", &pts));
	assert_false(procfs_parse_master("pos:\t0\ntty-index:\t\n", &pts));
	assert_false(procfs_parse_master("pos:\t0\ntty-index:\t1x\n", &pts));
	assert_false(
	    procfs_parse_master("pos:\t0\ntty-index:\t4294967296\n", &pts));
	assert_int_equal(pts, 17);
}

/* ---- with ptys of our own and the real /proc ----------------------------- */

/* How often a file of /proc is opened: the work that looking up takes.  open()
 * is this one, where files have 64 bits. */
static unsigned opened;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int
__wrap_open64(const char *path, int flags, ...)
{
	opened += strncmp(path, "/proc/", 6) == 0;
	return __real_open64(path, flags);
}

/* This program's own name; a name that no program on this machine has. */
static const char *ours[] = {NULL, NULL};
static const char *const others[] = {"xenterm-test-nobody", NULL};

#define PTYS 200

struct ptys {
	int fds[PTYS];
	unsigned pts[PTYS];
};

static int
open_pty(unsigned *pts)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || access("/proc/self/fdinfo", R_OK) < 0 || getuid() != 0)
		skip();
	*pts = (unsigned)strtoul(ptsname(fd) + strlen("/dev/pts/"), NULL, 10);
	return fd;
}

static void
open_ptys(struct ptys *ptys)
{
	for (int i = 0; i < PTYS; i++)
		ptys->fds[i] = open_pty(&ptys->pts[i]);
}

static void
close_ptys(struct ptys *ptys)
{
	for (int i = 0; i < PTYS; i++)
		close(ptys->fds[i]);
}

static void
test_master(void **state)
{
	unsigned pts;
	int fd = open_pty(&pts);

	(void)state;
	assert_true(procfs_has_master(getpid(), pts));
	assert_false(procfs_has_master(getpid(), pts + 100000));
	assert_false(procfs_program_has_master(others, pts));
	assert_true(procfs_program_has_master(ours, pts));
	assert_false(procfs_program_has_master(others, pts));
	close(fd);
	assert_false(procfs_has_master(getpid(), pts));
	assert_false(procfs_program_has_master(ours, pts));
}

/* Has its descriptors and this program's name; becomes nobody when told to. */
static pid_t
start_child(int orders, int done)
{
	pid_t child = fork();
	char byte;

	if (child != 0)
		return child;
	if (read(orders, &byte, 1) == 1 &&
	    setresuid(65534, 65534, 65534) == 0 &&
	    prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && write(done, "", 1) == 1)
		pause();
	_exit(0);
}

/* Anybody may call a program so, and may be the next one with a number: it
 * counts if it is root's now. */
static void
test_master_of_nobody(void **state)
{
	int orders[2], done[2], fd, next;
	unsigned pts, next_pts;
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(orders), 0);
	assert_int_equal(pipe(done), 0);
	fd = open_pty(&pts);
	next = open_pty(&next_pts);
	child = start_child(orders[0], done[1]);
	assert_true(child > 0);
	close(fd);
	close(next);
	assert_true(procfs_program_has_master(ours, pts));
	assert_int_equal(write(orders[1], "", 1), 1);
	assert_int_equal(read(done[0], &byte, 1), 1);
	assert_true(procfs_has_master(child, pts));
	assert_true(procfs_has_master(child, next_pts));
	assert_false(procfs_program_has_master(ours, next_pts));
	assert_false(procfs_program_has_master(ours, pts));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	for (int i = 0; i < 2; i++) {
		close(orders[i]);
		close(done[i]);
	}
}

/* What was seen there once is not believed. */
static void
test_master_has_moved(void **state)
{
	unsigned first, second;
	int fd = open_pty(&first), keep = open_pty(&second), moved = fd + 100;

	(void)state;
	assert_true(procfs_program_has_master(ours, first));
	assert_int_equal(dup2(fd, moved), moved);
	assert_int_equal(dup2(keep, fd), fd);
	assert_true(procfs_program_has_master(ours, first));
	close(moved);
	assert_false(procfs_program_has_master(ours, first));
	assert_true(procfs_program_has_master(ours, second));
	close(keep);
	assert_true(procfs_program_has_master(ours, second));
	close(fd);
	assert_false(procfs_program_has_master(ours, second));
}

/* Many at once are looked for once; one more takes no more work than if there
 * were none beside it. */
static void
test_many_masters(void **state)
{
	static struct ptys ptys;
	unsigned pts, all;
	int fd;

	(void)state;
	open_ptys(&ptys);
	opened = 0;
	assert_true(procfs_program_has_master(ours, ptys.pts[0]));
	all = opened;
	assert_true(all >= PTYS);
	for (int i = 0; i < PTYS; i++)
		assert_true(procfs_program_has_master(ours, ptys.pts[i]));
	assert_in_range(opened - all, PTYS, 3 * PTYS);
	opened = 0;
	fd = open_pty(&pts);
	assert_true(procfs_program_has_master(ours, pts));
	assert_in_range(opened, 1, 10);
	close(fd);
	close_ptys(&ptys);
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
	    cmocka_unit_test(test_master_of_nobody),
	    cmocka_unit_test(test_master_has_moved),
	    cmocka_unit_test(test_many_masters),
	    cmocka_unit_test(test_describe),
	};

	ours[0] = program_invocation_short_name;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
