/* What of the keys is for the guest, and what for us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/escape.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Whole, and key by key. */
static void
check(const char *typed, const char *want, enum escape_found found)
{
	size_t len = strlen(typed), n = 0, total = 0;
	struct escape whole = {0}, single = {0};
	enum escape_found got = ESCAPE_NONE;
	char out[64], all[64];

	assert_int_equal(escape_take(&whole, typed, len, out, &n), found);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(out, want, n);
	for (size_t i = 0; i < len && got != ESCAPE_END; i++) {
		enum escape_found this =
		    escape_take(&single, typed + i, 1, all + total, &n);

		total += n;
		if (this != ESCAPE_NONE)
			got = this;
	}
	assert_int_equal(got, found);
	assert_int_equal(total, strlen(want));
	assert_memory_equal(all, want, total);
}

static void
test_keys(void **state)
{
	(void)state;
	check("ls\r", "ls\r", ESCAPE_NONE);
	check("a~.b", "a~.b", ESCAPE_NONE);
	check("~.", "", ESCAPE_END);
	check("ls\r~.more", "ls\r", ESCAPE_END);
	check("ls\n~.", "ls\n", ESCAPE_END);
	check("~~", "~", ESCAPE_NONE);
	check("~~.", "~.", ESCAPE_NONE);
	check("~x", "~x", ESCAPE_NONE);
	check("~\r~.", "~\r", ESCAPE_END);
	check("~?~.", "", ESCAPE_END);
	check("~?x", "x", ESCAPE_HELP);
	check("x\x1d", "x", ESCAPE_END);
	check("~\x1d", "", ESCAPE_END);
}

static void
test_off(void **state)
{
	struct escape e = {.off = true};
	char out[16];
	size_t n;

	(void)state;
	assert_int_equal(
	    escape_take(&e, "~.\x1d\r~.", 6, out, &n), ESCAPE_NONE);
	assert_int_equal(n, 6);
	assert_memory_equal(out, "~.\x1d\r~.", 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
