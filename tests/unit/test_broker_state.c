/* From what is known of a console to the state that people see, and which
 * values of xenstore are taken at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/console.h"
#include "broker/xs.h"

struct state_case {
	enum proto_state state;
	struct console_facts facts;
};

static void
test_states(void **state)
{
	static const struct state_case cases[] = {
	    /* Nobody wants it. */
	    {STATE_WAITING, {0}},
	    {STATE_UP, {.named = true}},
	    {STATE_UP, {.named = true, .busy = true}},
	    {STATE_UP, {.named = true, .refused = true}},
	    /* Somebody does. */
	    {STATE_WAITING, {.held = true}},
	    {STATE_UP, {.named = true, .held = true, .live = true}},
	    {STATE_BUSY, {.named = true, .held = true, .busy = true}},
	    {STATE_REFUSED, {.named = true, .held = true, .refused = true}},
	    {STATE_WAITING, {.named = true, .held = true, .away = true}},
	    /* xenconsoled has died: the node keeps its name, unheld. */
	    {STATE_WAITING, {.named = false, .held = true, .busy = true}},
	    /* The nodes go before the tty hangs up, and are read late. */
	    {STATE_UP, {.live = true}},
	    {STATE_UP, {.live = true, .gone = true}},
	    /* Ended. */
	    {STATE_GONE, {.gone = true}},
	    {STATE_GONE, {.gone = true, .released = true}},
	    /* Handed to somebody else. */
	    {STATE_RELEASED, {.released = true}},
	    {STATE_RELEASED, {.released = true, .named = true}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (console_state_of(&cases[i].facts) != cases[i].state)
			fail_msg("case %zu: %s, expected %s", i,
			    proto_state_name(console_state_of(&cases[i].facts)),
			    proto_state_name(cases[i].state));
}

static void
test_values(void **state)
{
	(void)state;
	assert_true(xs_value_fits("", 0, 1));
	assert_true(xs_value_fits("/dev/pts/3", 10, 11));
	assert_false(xs_value_fits("/dev/pts/3", 10, 10));
	assert_false(xs_value_fits("/dev/pts/3\n", 11, 64));
	assert_false(xs_value_fits("/dev/pts/3\0x", 12, 64));
	assert_false(xs_value_fits("\x1b[2J", 4, 64));
	assert_false(xs_value_fits("\x7f", 1, 64));
	assert_true(xs_value_fits("caf\xc3\xa9", 5, 64));
	assert_false(xs_value_fits("", 0, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_states),
	    cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
