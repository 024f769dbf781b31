/* A domain's consoles and their numbers, and what events name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/nodes.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Every console has a number of its own, and its key leads back to it. */
static void
test_keys(void **state)
{
	struct domain_facts facts = {.has_uuid = true, .uuid = {1, [15] = 2}};

	(void)state;
	for (unsigned i = 0; i < NODES_CONSOLES; i++) {
		struct console_key key;

		facts_key(&facts, i, &key);
		assert_memory_equal(key.uuid, facts.uuid, sizeof key.uuid);
		assert_true(key.number < LIMIT_CONSOLES_OF_KIND);
		assert_int_equal(nodes_console(&key), i);
	}
}

static void
test_keys_of_no_console(void **state)
{
	static const struct console_key keys[] = {
	    {.kind = CONSOLE_PV, .number = LIMIT_CONSOLES_OF_KIND},
	    {.kind = CONSOLE_SERIAL, .number = LIMIT_CONSOLES_OF_KIND},
	    {.kind = CONSOLE_PV, .number = UINT32_MAX},
	    {.kind = CONSOLE_SERIAL + 1},
	    {.kind = UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++)
		assert_int_equal(nodes_console(&keys[i]), NODES_CONSOLES);
}

/* As xl: the serial port where there is one. */
static void
test_default(void **state)
{
	const struct console_key pv = {.kind = CONSOLE_PV};
	const struct console_key serial = {.kind = CONSOLE_SERIAL};
	struct domain_facts facts = {.present = 1u << nodes_console(&pv)};

	(void)state;
	assert_int_equal(facts_default(&facts), nodes_console(&pv));
	facts.present |= 1u << nodes_console(&serial);
	assert_int_equal(facts_default(&facts), nodes_console(&serial));
}

static void
test_tokens(void **state)
{
	static const char *const none[] = {"", "7", "7/", "/7", "x/1", "7/x",
	    "7/1 ", " 7/1", "7/1/1", "-1/1", "7/-1", "7/999", "32752/1",
	    "99999999999999999999/1", "introduce", "release"};
	unsigned node = 0;
	uint32_t domid = 0;

	(void)state;
	assert_true(nodes_token("7/3", &domid, &node));
	assert_int_equal(domid, 7);
	assert_int_equal(node, 3);
	assert_true(nodes_token("32751/0", &domid, &node));
	assert_int_equal(domid, NODES_DOMID_END - 1);
	for (size_t i = 0; i < COUNT(none); i++)
		assert_false(nodes_token(none[i], &domid, &node));
}

/* The first event of a watch comes when it is set, and tells nothing. */
static void
test_events(void **state)
{
	const struct console_key key = {.kind = CONSOLE_SERIAL};
	unsigned i = nodes_console(&key);
	struct nodes *n = nodes_create(7);

	(void)state;
	assert_non_null(n);
	assert_false(nodes_are_watched(n));
	assert_false(nodes_changed(n));
	nodes_event(n, i);
	assert_true(nodes_changed(n));
	assert_int_equal(nodes_take_written(n), 0);
	nodes_event(n, i);
	nodes_event(n, i);
	/* The name's node, which is no tty. */
	nodes_event(n, NODES_CONSOLES);
	nodes_event(n, NODES_CONSOLES);
	assert_int_equal(nodes_take_written(n), 1u << i);
	assert_int_equal(nodes_take_written(n), 0);
	nodes_destroy(n);
	nodes_destroy(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_keys_of_no_console),
	    cmocka_unit_test(test_default),
	    cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
