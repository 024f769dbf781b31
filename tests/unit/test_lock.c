/* xenconsole's lock and UUCP's, in a directory of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/lock.h"

static char dir[32];
static char path[64];

static int
make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_lock.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/xenconsole.7", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void
write_file(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
test_parse_uucp(void **state)
{
	(void)state;
	assert_int_equal(lock_parse_uucp("      4711\n"), 4711);
	assert_int_equal(lock_parse_uucp("4711"), 4711);
	assert_int_equal(lock_parse_uucp(""), 0);
	assert_int_equal(lock_parse_uucp("\n"), 0);
	assert_int_equal(lock_parse_uucp("0\n"), 0);
	assert_int_equal(lock_parse_uucp("-1\n"), 0);
	assert_int_equal(lock_parse_uucp("4711 root\n"), 0);
	assert_int_equal(lock_parse_uucp("99999999999\n"), 0);
	assert_int_equal(lock_parse_uucp("99999999999999999999\n"), 0);
}

/* The rest needs files of root's, as only those count as locks. */
static void
need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void
test_shared(void **state)
{
	struct locks *locks = locks_create(dir);
	char holder[LIMIT_HOLDER + 1];
	int fd;

	(void)state;
	need_root();
	assert_int_equal(locks_take(locks, 7, holder), 0);
	assert_int_equal(locks_take(locks, 7, holder), 0);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), -1);
	locks_drop(locks, 7);
	assert_int_equal(access(path, F_OK), 0);
	locks_drop(locks, 7);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	locks_drop(locks, 7); /* once too often: nothing happens */
	locks_destroy(locks);
}

static void
test_destroy_removes(void **state)
{
	struct locks *locks = locks_create(dir);
	char holder[LIMIT_HOLDER + 1];

	(void)state;
	need_root();
	assert_int_equal(locks_take(locks, 7, holder), 0);
	locks_destroy(locks);
	assert_int_equal(access(path, F_OK), -1);
}

/* Somebody has taken the file away, and xenconsole has made another. */
static void
test_not_ours_any_more(void **state)
{
	struct locks *locks = locks_create(dir);
	char holder[LIMIT_HOLDER + 1];
	int fd;

	(void)state;
	need_root();
	assert_int_equal(locks_take(locks, 7, holder), 0);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	locks_drop(locks, 7);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	unlink(path);
	locks_destroy(locks);
}

static void
test_busy(void **state)
{
	struct locks *locks = locks_create(dir);
	char holder[LIMIT_HOLDER + 1], pid[32];
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	(void)state;
	need_root();
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(locks_take(locks, 7, holder), -EBUSY);
	snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
	assert_non_null(strstr(holder, pid));
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	/* A file left over by a holder that was killed. */
	assert_int_equal(locks_take(locks, 7, holder), 0);
	locks_destroy(locks);
}

/* Between our open() and our lock the holder may end, and take the file away:
 * that lock would keep nobody out. */
static bool ends_now;

int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);

int
__wrap_flock(int fd, int how)
{
	if (ends_now)
		unlink(path);
	ends_now = false;
	return __real_flock(fd, how);
}

static void
test_holder_ends(void **state)
{
	struct locks *locks = locks_create(dir);
	char holder[LIMIT_HOLDER + 1];
	int fd;

	(void)state;
	need_root();
	write_file(path, "");
	ends_now = true;
	assert_int_equal(locks_take(locks, 7, holder), 0);
	assert_false(ends_now);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	close(fd);
	locks_destroy(locks);
}

static void
test_foreign_files(void **state)
{
	struct locks *locks = locks_create(dir);
	char holder[LIMIT_HOLDER + 1], target[64];

	(void)state;
	need_root();
	write_file(path, "");
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(locks_take(locks, 7, holder), -EPERM);
	unlink(path);

	snprintf(target, sizeof target, "%s/target", dir);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(locks_take(locks, 7, holder), -ELOOP);
	assert_int_equal(access(target, F_OK), -1);
	unlink(path);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(locks_take(locks, 7, holder) < 0);
	rmdir(path);
	locks_destroy(locks);
}

static void
test_uucp(void **state)
{
	struct locks *locks = locks_create(dir);
	char holder[LIMIT_HOLDER + 1], file[64], text[32];

	(void)state;
	need_root();
	snprintf(file, sizeof file, "%s/LCK.._pts_3", dir);
	assert_false(locks_uucp_held(locks, 3, holder));
	snprintf(text, sizeof text, "%10lld\n", (long long)getpid());
	write_file(file, text);
	assert_true(locks_uucp_held(locks, 3, holder));
	assert_non_null(strstr(holder, "(pid "));
	assert_false(locks_uucp_held(locks, 33, holder));
	write_file(file, "2147483632\n"); /* no such process */
	assert_false(locks_uucp_held(locks, 3, holder));
	write_file(file, text);
	assert_int_equal(chown(file, 65534, 65534), 0);
	assert_false(locks_uucp_held(locks, 3, holder));
	unlink(file);
	write_file(path, text);
	assert_int_equal(symlink(path, file), 0);
	assert_false(locks_uucp_held(locks, 3, holder));
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_false(locks_uucp_held(locks, 3, holder));
	unlink(file);
	locks_destroy(locks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse_uucp),
	    cmocka_unit_test_setup_teardown(test_shared, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(
		test_destroy_removes, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(
		test_not_ours_any_more, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_busy, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(
		test_holder_ends, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(
		test_foreign_files, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_uucp, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
