/* Frames, whole and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/frame.h"

static const char body[] = "j\0\0\0\2{}"
			   "o\0\0\0\013\0\0\0\0\0\0\0\003abc"
			   "s\0\0\0\010\0\0\0\0\0\0\0\003";

static void
test_frames(void **state)
{
	struct frame f;
	size_t at = 0;

	(void)state;
	assert_true(frame_take(body, sizeof body - 1, &at, &f));
	assert_int_equal(f.type, 'j');
	assert_int_equal(f.len, 2);
	assert_memory_equal(f.bytes, "{}", 2);
	assert_true(frame_take(body, sizeof body - 1, &at, &f));
	assert_int_equal(f.type, 'o');
	assert_int_equal(f.len, 3);
	assert_memory_equal(f.bytes, "abc", 3);
	assert_true(frame_take(body, sizeof body - 1, &at, &f));
	assert_int_equal(f.type, 's');
	assert_int_equal(f.len, 0);
	assert_int_equal(at, sizeof body - 1);
	assert_false(frame_take(body, sizeof body - 1, &at, &f));
}

static void
test_broken(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    {"", 0},
	    {"o\0\0\0", 4},
	    {"o\0\0\0\011\0\0\0\0\0\0\0\0", 13}, /* one byte is missing */
	    {"o\0\0\0\007\0\0\0\0\0\0\0", 12},	 /* no room for an offset */
	    {"x\0\0\0\010\0\0\0\0\0\0\0\0", 13},
	    {"o\377\377\377\377\0\0\0\0\0\0\0\0", 13},
	};
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t at = 0;

		assert_false(frame_take(cases[i].bytes, cases[i].len, &at, &f));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frames),
	    cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
