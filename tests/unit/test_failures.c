/* How often an address may fail, and that nobody else pays for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fcgi/failures.h"

#define LIMIT  120
#define NOW    1000000
#define MINUTE 60000

static struct failures *all;

static int
setup(void **state)
{
	(void)state;
	all = failures_create();
	return all ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	failures_destroy(all);
	return 0;
}

/* How many it may at once. */
static unsigned
burst(const char *address, uint64_t now)
{
	unsigned n = 0;

	while (n <= LIMIT && failures_note(all, address, LIMIT, now))
		n++;
	return n;
}

static void
test_a_minutes_worth(void **state)
{
	(void)state;
	assert_in_range(burst("10.0.0.1", NOW), LIMIT - 1, LIMIT);
	assert_false(failures_note(all, "10.0.0.1", LIMIT, NOW));
	/* One comes back in its time, all after a minute. */
	assert_false(failures_note(all, "10.0.0.1", LIMIT, NOW + 100));
	assert_in_range(burst("10.0.0.1", NOW + MINUTE / LIMIT * 2), 1, 2);
	assert_in_range(burst("10.0.0.1", NOW + 3 * MINUTE), LIMIT - 1, LIMIT);
	assert_true(failures_note(all, "10.0.0.2", LIMIT, NOW));
}

static void
test_addresses(void **state)
{
	(void)state;
	burst("2001:db8::1", NOW);
	assert_false(failures_note(all, "2001:db8::2", LIMIT, NOW));
	assert_true(failures_note(all, "2001:db8:0:1::1", LIMIT, NOW));
	for (int i = 0; i < 2 * LIMIT; i++) {
		assert_true(failures_note(all, "", LIMIT, NOW));
		assert_true(failures_note(all, "unix:", LIMIT, NOW));
		assert_true(failures_note(all, "10.0.0.256", LIMIT, NOW));
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    failures_note(all, "10.0.0.9", 1, NOW), i == 0);
}

/* Who comes from everywhere makes room only for himself: the one with most
 * against it stays, and nobody who is new is refused. */
static void
test_a_flood_of_addresses(void **state)
{
	char address[32];

	(void)state;
	burst("10.0.0.1", NOW);
	for (unsigned i = 0; i < 200000; i++) {
		snprintf(address, sizeof address, "172.%u.%u.%u",
		    16 + (i >> 16), i >> 8 & 255, i & 255);
		assert_true(failures_note(all, address, LIMIT, NOW));
	}
	assert_false(failures_note(all, "10.0.0.1", LIMIT, NOW));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_a_minutes_worth, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_flood_of_addresses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
