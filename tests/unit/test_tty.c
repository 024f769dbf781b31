/* What may stand in a tty node, and which node that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/tty.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_parse_hostile),
	    cmocka_unit_test(test_node),
	    cmocka_unit_test(test_backend),
	    cmocka_unit_test(test_no_xenstore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
