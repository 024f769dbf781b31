/* Ctrl-O as typed: where it is guarded, and what then goes to the guest. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/limits.h"
#include "fcgi/console.h"
#include "fcgi/ctrl_o.h"

static struct console_key key;
static bool policy;
static int answer; /* of console_type() */
static uint8_t typed[2 * LIMIT_INPUT];
static size_t ntyped;

/* What lies beneath. */
const struct console_key *
console_key_of(const struct console *c)
{
	(void)c;
	return &key;
}

const char *
console_guest(const struct console *c)
{
	(void)c;
	return "web1";
}

bool
config_ctrl_o_is_sysrq(const struct config *config, const char *name)
{
	(void)config;
	assert_string_equal(name, "web1");
	return policy;
}

int
console_type(
    struct console *c, const void *bytes, size_t len, const struct input_by *by)
{
	(void)c;
	assert_null(by);
	assert_true(len <= sizeof typed);
	memcpy(typed, bytes, len);
	ntyped = len;
	return answer;
}

static int
setup(void **state)
{
	(void)state;
	key = (struct console_key){.kind = CONSOLE_PV};
	policy = true;
	answer = 0;
	ntyped = 0;
	return 0;
}

static void
type(const char *bytes, size_t len)
{
	assert_int_equal(
	    ctrl_o_type(NULL, NULL, (const uint8_t *)bytes, len, NULL), answer);
}

static void
test_is_sysrq(void **state)
{
	(void)state;
	assert_true(ctrl_o_is_sysrq(NULL, NULL));
	policy = false;
	assert_false(ctrl_o_is_sysrq(NULL, NULL));
	policy = true;
	key.number = 1;
	assert_false(ctrl_o_is_sysrq(NULL, NULL));
	key = (struct console_key){.kind = CONSOLE_SERIAL};
	assert_false(ctrl_o_is_sysrq(NULL, NULL));
}

static void
test_guarded(void **state)
{
	static const struct {
		const char *from, *to;
		size_t nfrom, nto;
	} cases[] = {
	    {"a\x0f", "a\x0f\x0f", 2, 3},
	    {"\x0f", "\x0f\x0f", 1, 2},
	    {"\x0f"
	     "b",
		"\x0f\x0f"
		"b",
		2, 3},
	    {"\x0f\x0f", "\x0f\x0f\x0f\x0f", 2, 4},
	    {"a\0\x0f\xff", "a\0\x0f\x0f\xff", 4, 5},
	    {"a\0b", "a\0b", 3, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		type(cases[i].from, cases[i].nfrom);
		assert_int_equal(ntyped, cases[i].nto);
		assert_memory_equal(typed, cases[i].to, ntyped);
	}
}

static void
test_largest(void **state)
{
	static uint8_t bytes[LIMIT_INPUT];

	(void)state;
	memset(bytes, CTRL_O, sizeof bytes);
	assert_int_equal(ctrl_o_type(NULL, NULL, bytes, sizeof bytes, NULL), 0);
	assert_int_equal(ntyped, 2 * sizeof bytes);
	for (size_t i = 0; i < ntyped; i++)
		assert_int_equal(typed[i], CTRL_O);
}

static void
test_plain(void **state)
{
	(void)state;
	policy = false;
	type("a\x0f", 2);
	assert_int_equal(ntyped, 2);
	assert_memory_equal(typed, "a\x0f", 2);
}

static void
test_errors_pass(void **state)
{
	(void)state;
	answer = -ENOBUFS;
	type("a\x0f", 2);
	type("a", 1);
	answer = -ENOTCONN;
	type("a\x0f", 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_is_sysrq, setup),
	    cmocka_unit_test_setup(test_guarded, setup),
	    cmocka_unit_test_setup(test_largest, setup),
	    cmocka_unit_test_setup(test_plain, setup),
	    cmocka_unit_test_setup(test_errors_pass, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
