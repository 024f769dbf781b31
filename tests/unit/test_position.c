/* RUN.OFFSET.EVENT, as it comes back from clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/position.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define MOST "18446744073709551615"

static void
test_roundtrip(void **state)
{
	static const struct position cases[] = {
	    {0, 0, 0},
	    {184467, 5120, 1795405098123},
	    {1, UINT64_MAX, 0},
	    {UINT64_MAX, UINT64_MAX, UINT64_MAX - 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[POSITION_TEXT];
		struct position got = {7, 7, 7};

		position_format(&cases[i], text);
		assert_true(strlen(text) < sizeof text);
		assert_true(position_parse(text, &got));
		assert_int_equal(got.run, cases[i].run);
		assert_int_equal(got.offset, cases[i].offset);
		assert_int_equal(got.event, cases[i].event);
	}
}

static void
test_text(void **state)
{
	const struct position pos = {184467, 5120, 42};
	const struct position longest = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
	char text[POSITION_TEXT];

	(void)state;
	position_format(&pos, text);
	assert_string_equal(text, "184467.5120.42");
	position_format(&longest, text);
	assert_string_equal(text, MOST "." MOST "." MOST);
}

static void
test_without_event(void **state)
{
	struct position got = {7, 7, 7};

	(void)state;
	assert_true(position_parse("12.34", &got));
	assert_int_equal(got.run, 12);
	assert_int_equal(got.offset, 34);
	assert_true(got.event == POSITION_NO_EVENT);
}

static void
test_hostile(void **state)
{
	static const char *const texts[] = {"", ".", "..", "...", "1", "1.",
	    "1.2.", ".2", ".2.3", "1..3", "1.2.3.", "1.2.3.4", "1.2.3 ",
	    " 1.2.3", "1 .2.3", "1,2,3", "01.2.3", "1.02.3", "1.2.03", "-1.2.3",
	    "1.-2.3", "1.2.-3", "+1.2.3", "1.2.3\n", "0x1.2.3", "a.b.c",
	    "1.2.c", "18446744073709551616.2.3", "1.18446744073709551616.3",
	    "1.2.18446744073709551616",
	    /* stands for none, so nobody may say it */
	    ("1.2." MOST)};
	struct position got;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (position_parse(texts[i], &got))
			fail_msg("\"%s\" was taken", texts[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_roundtrip),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_without_event),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
