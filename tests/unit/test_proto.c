/* How the states are spelled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/proto.h"

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(proto_state_name(STATE_UP), "up");
	assert_string_equal(proto_state_name(STATE_WAITING), "waiting");
	assert_string_equal(proto_state_name(STATE_BUSY), "busy");
	assert_string_equal(proto_state_name(STATE_RELEASED), "released");
	assert_string_equal(proto_state_name(STATE_REFUSED), "refused");
	assert_string_equal(proto_state_name(STATE_GONE), "gone");
}

/* Every state has a name of its own: a new one must not be forgotten. */
static void
test_complete(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < STATE_COUNT; i++) {
		assert_non_null(proto_state_name(i));
		assert_string_not_equal(proto_state_name(i), "unknown");
		for (uint32_t other = 0; other < i; other++)
			assert_string_not_equal(
			    proto_state_name(i), proto_state_name(other));
	}
}

static void
test_unknown(void **state)
{
	(void)state;
	assert_string_equal(proto_state_name(STATE_COUNT), "unknown");
	assert_string_equal(proto_state_name(UINT32_MAX), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_complete),
	    cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
