/* From what is known of a console to the state that people see, and which
 * values of xenstore are shown to them at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/console.h"
#include "broker/domains.h"
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

static void
test_names(void **state)
{
	static const char *const good[] = {"web1", "a b", "\xc3\xa9",
	    "\xe2\x82\xac", "\xf0\x9f\x90\x8d", "\xc2\xa0", "web1--incoming",
	    "<script>", "../x"};
	static const char *const bad[] = {"", "\x1b[2J", "a\nb", "\x7f",
	    "\xc2\x85", "\xc3", "\xc3(", "\x80", "\xc0\xaf", "\xe0\x80\xaf",
	    "\xed\xa0\x80", "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xff",
	    "\xe2\x82", "\xf0\x9f\x90", "\xf5\x80\x80\x80"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (!domain_name_valid(good[i]))
			fail_msg("name %zu was refused", i);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (domain_name_valid(bad[i]))
			fail_msg("bad name %zu was taken", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_states),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
