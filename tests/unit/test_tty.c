/* What may stand in a tty node, and which node that is. */
#define _GNU_SOURCE
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
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "broker/tty.h"
#include "broker/xs.h"

static void
test_parse(void **state)
{
	unsigned pts = 7;

	(void)state;
	assert_true(tty_parse("/dev/pts/0", &pts));
	assert_int_equal(pts, 0);
	assert_true(tty_parse("/dev/pts/404", &pts));
	assert_int_equal(pts, 404);
	assert_true(tty_parse("/dev/pts/999999", &pts));
	assert_int_equal(pts, 999999);
}

static void
test_parse_hostile(void **state)
{
	static const char *const names[] = {"", "/", "/dev/null", "/dev/pts",
	    "/dev/pts/", "/dev/pts/00", "/dev/pts/01", "/dev/pts/-1",
	    "/dev/pts/+1", "/dev/pts/ 1", "/dev/pts/1 ", "/dev/pts/1\n",
	    "/dev/pts/1000000", "/dev/pts/99999999999999999999",
	    "/dev/pts/1/../2", "/dev/pts/../null", "/dev/pts/ptmx",
	    "/dev/pts/0x1", "/dev//pts/1", "dev/pts/1", "//dev/pts/1",
	    "/dev/tty1", "/dev/pts/1a", "(malformed)"};
	unsigned pts = 7;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (tty_parse(names[i], &pts))
			fail_msg("\"%s\" was taken", names[i]);
	assert_int_equal(pts, 7);
}

static void
test_node(void **state)
{
	char node[TTY_NODE];

	(void)state;
	tty_node(7, CONSOLE_PV, 0, node);
	assert_string_equal(node, "/local/domain/7/console/tty");
	tty_node(7, CONSOLE_PV, 3, node);
	assert_string_equal(node, "/local/domain/7/device/console/3/tty");
	tty_node(32751, CONSOLE_SERIAL, 0, node);
	assert_string_equal(node, "/local/domain/32751/serial/0/tty");
}

static void
test_backend(void **state)
{
	(void)state;
	assert_true(tty_backend_is_ours("/local/domain/0/backend/console/7/0"));
	assert_false(
	    tty_backend_is_ours("/local/domain/5/backend/console/7/0"));
	assert_false(
	    tty_backend_is_ours("/local/domain/01/backend/console/7/0"));
	assert_false(tty_backend_is_ours(""));
}

/* Without xenstored nothing can be checked, so nothing is opened. */
static void
test_no_xenstore(void **state)
{
	const struct tty_checks checks = {.xs = NULL};
	char reason[TTY_REASON];

	(void)state;
	assert_true(
	    tty_open(&checks, 1, CONSOLE_PV, 0, "/dev/pts/0", reason) < 0);
}

/* ---- with a pty of our own, and a xenstore of these nodes -----------------
 */

#define DOMID	3
#define NODE	"/local/domain/3/console/tty"
#define BACKEND "/libxl/3/device/console/0/backend"
#define SERIAL	"/local/domain/3/serial/0/tty"
#define QEMU	"/local/domain/3/image/device-model-pid"

static struct {
	char name[TTY_NAME];	    /* of the pty; what NODE says... */
	const char *then;	    /* ...unless this has come meanwhile */
	const char *backend, *qemu; /* NULL: no such node */
	bool taken, away, xenconsoled;
} has;

int __wrap_xs_conn_read(
    struct xs_conn *conn, const char *path, char *out, size_t size);

int
__wrap_xs_conn_read(
    struct xs_conn *conn, const char *path, char *out, size_t size)
{
	const char *value = NULL;

	(void)conn;
	if (has.away)
		return -ENOTCONN;
	if (strcmp(path, NODE) == 0 || strcmp(path, SERIAL) == 0)
		value = has.then ? has.then : has.name;
	else if (strcmp(path, BACKEND) == 0)
		value = has.backend;
	else if (strcmp(path, QEMU) == 0)
		value = has.qemu;
	if (!value)
		return -ENOENT;
	snprintf(out, size, "%s", value);
	return 0;
}

bool __wrap_procfs_program_has_master(
    const char *const *programs, unsigned pts);

/* Others on this machine may have a pty of that number in a /dev/pts of theirs.
 */
bool
__wrap_procfs_program_has_master(const char *const *programs, unsigned pts)
{
	char name[TTY_NAME];

	assert_string_equal(programs[0], "xenconsoled");
	snprintf(name, sizeof name, "/dev/pts/%u", pts);
	assert_string_equal(name, has.name);
	return has.xenconsoled;
}

static bool
taken(void *ctx, dev_t device)
{
	struct stat st;

	assert_ptr_equal(ctx, &has);
	assert_int_equal(stat(has.name, &st), 0);
	assert_int_equal(st.st_rdev, device);
	return has.taken;
}

/* What tty_open() and, of the same tty when it is open, tty_check() say. */
static int
both(bool verify_owner, uint32_t kind)
{
	const struct tty_checks checks = {.xs = (struct xs_conn *)&has,
	    .verify_owner = verify_owner,
	    .taken = taken,
	    .ctx = &has};
	char reason[TTY_REASON] = "", again[TTY_REASON] = "";
	int fd = tty_open(&checks, DOMID, kind, 0, has.name, reason), slave;
	int status = fd < 0 ? fd : 0;

	if (fd >= 0)
		close(fd);
	slave = open(has.name, O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(
	    tty_check(&checks, slave, DOMID, kind, 0, has.name, again), status);
	assert_string_equal(again, reason);
	close(slave);
	return status;
}

static void
set_flags(tcflag_t flags)
{
	int slave = open(has.name, O_RDWR | O_NOCTTY);
	struct termios termios;

	assert_int_equal(tcgetattr(slave, &termios), 0);
	cfmakeraw(&termios);
	termios.c_lflag |= flags;
	assert_int_equal(tcsetattr(slave, TCSANOW, &termios), 0);
	close(slave);
}

/* A raw pty, whose master stays open while the test runs. */
static int
make_pty(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || getuid() != 0)
		skip();
	memset(&has, 0, sizeof has);
	assert_int_equal(unlockpt(master), 0);
	snprintf(has.name, sizeof has.name, "%s", ptsname(master));
	set_flags(0);
	return master;
}

static void
test_open(void **state)
{
	int master = make_pty();

	(void)state;
	assert_int_equal(both(false, CONSOLE_PV), 0);
	has.backend = "/local/domain/0/backend/console/3/0";
	assert_int_equal(both(false, CONSOLE_PV), 0);
	close(master);
}

static void
test_open_refused(void **state)
{
	int master = make_pty();

	(void)state;
	has.taken = true;
	assert_int_equal(both(false, CONSOLE_PV), -EPERM);
	has.taken = false;
	has.backend = "/local/domain/5/backend/console/3/0";
	assert_int_equal(both(false, CONSOLE_PV), -EPERM);
	has.backend = NULL;
	has.then = "";
	assert_int_equal(both(false, CONSOLE_PV), -EPERM);
	has.then = "/dev/pts/999998";
	assert_int_equal(both(false, CONSOLE_PV), -EPERM);
	has.then = NULL;
	has.away = true;
	assert_int_equal(both(false, CONSOLE_PV), -ENOTCONN);
	has.away = false;
	/* A login shell's, at its prompt and while a line is edited. */
	set_flags(ICANON | ECHO);
	assert_int_equal(both(false, CONSOLE_PV), -EPERM);
	set_flags(ECHO);
	assert_int_equal(both(false, CONSOLE_PV), -EPERM);
	set_flags(ICANON);
	assert_int_equal(both(false, CONSOLE_PV), -EPERM);
	set_flags(0);
	assert_int_equal(both(false, CONSOLE_PV), 0);
	close(master);
}

/* Who has its other end. */
static void
test_open_owner(void **state)
{
	char us[16];
	int master = make_pty();

	(void)state;
	snprintf(us, sizeof us, "%d", (int)getpid());
	assert_int_equal(both(true, CONSOLE_PV), -EPERM);
	has.xenconsoled = true;
	assert_int_equal(both(true, CONSOLE_PV), 0);
	/* Serial ports are qemu's, whatever xenconsoled has. */
	assert_int_equal(both(true, CONSOLE_SERIAL), -EPERM);
	has.qemu = "2147483646"; /* no such process */
	assert_int_equal(both(true, CONSOLE_SERIAL), -EPERM);
	has.qemu = us;
	assert_int_equal(both(true, CONSOLE_SERIAL), 0);
	has.xenconsoled = false;
	assert_int_equal(both(true, CONSOLE_PV), 0);
	close(master);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_parse_hostile),
	    cmocka_unit_test(test_node),
	    cmocka_unit_test(test_backend),
	    cmocka_unit_test(test_no_xenstore),
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_open_refused),
	    cmocka_unit_test(test_open_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
