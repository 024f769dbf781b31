/* Strict numbers, and all that only looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/number.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max, want;
	} cases[] = {
	    {"0", 0, 0, 0},
	    {"7", 0, 9, 7},
	    {"9", 9, 9, 9},
	    {"10", 0, UINT64_MAX, 10},
	    {"18446744073709551615", 0, UINT64_MAX, UINT64_MAX},
	    {"9223372036854775808", 0, UINT64_MAX, 1ull << 63},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 4711;

		if (!number_parse(
			cases[i].text, cases[i].min, cases[i].max, &value))
			fail_msg("\"%s\" was refused", cases[i].text);
		assert_int_equal(value, cases[i].want);
	}
}

static void
test_parse_hostile(void **state)
{
	static const char *const texts[] = {"", " ", "-", "-0", "-1", "+1",
	    " 1", "1 ", "1\n", "\t1", "00", "01", "007", "0x1", "1e3", "1.0",
	    "1,000", "1_0", "one", "1a", "a1", "\xef\xbc\x91", "1\xc2\xa0",
	    "18446744073709551616", "18446744073709551620",
	    "184467440737095516150", "99999999999999999999999999999999"};
	uint64_t value = 4711;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (number_parse(texts[i], 0, UINT64_MAX, &value))
			fail_msg("\"%s\" was taken", texts[i]);
	assert_int_equal(value, 4711);
}

static void
test_parse_range(void **state)
{
	uint64_t value = 4711;

	(void)state;
	assert_false(number_parse("4", 5, 10, &value));
	assert_false(number_parse("11", 5, 10, &value));
	assert_false(number_parse("0", 1, 1, &value));
	assert_false(number_parse("18446744073709551615", 0, 10, &value));
	assert_int_equal(value, 4711);
	assert_true(number_parse("5", 5, 10, &value));
	assert_true(number_parse("10", 5, 10, &value));
	assert_int_equal(value, 10);
}

static void
test_take(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
		const char *rest;
	} cases[] = {
	    {"12.34", 12, ".34"},
	    {"0.5", 0, ".5"},
	    {"0", 0, ""},
	    {"5x", 5, "x"},
	    {"18446744073709551615.", UINT64_MAX, "."},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *text = cases[i].text;
		uint64_t value = 4711;

		assert_true(number_take(&text, &value));
		assert_int_equal(value, cases[i].want);
		assert_string_equal(text, cases[i].rest);
	}
}

/* What is no number is left where it was. */
static void
test_take_hostile(void **state)
{
	static const char *const texts[] = {
	    "", ".", "x", "-1", "00.", "01", "18446744073709551616.1"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *text = texts[i];
		uint64_t value = 4711;

		if (number_take(&text, &value))
			fail_msg("\"%s\" was taken", texts[i]);
		assert_ptr_equal(text, texts[i]);
		assert_int_equal(value, 4711);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_parse_hostile),
	    cmocka_unit_test(test_parse_range),
	    cmocka_unit_test(test_take),
	    cmocka_unit_test(test_take_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
