/* The list of consoles: by key, by name, and names that are not unique. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "tests/unit/stubs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct event_base *base;
static struct consoles *all;

static int
setup(void **state)
{
	(void)state;
	base = event_base_new();
	all = consoles_create(base, &stub_owner);
	stub_allow_errors(false);
	return base && all ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	consoles_destroy(all);
	event_base_free(base);
	return 0;
}

static struct console_key
key_of(unsigned guest, uint32_t kind, uint32_t number)
{
	struct console_key key = {.kind = kind, .number = number};

	key.uuid[0] = (uint8_t)(guest >> 8);
	key.uuid[15] = (uint8_t)guest;
	return key;
}

/* A console as the broker would tell of it; number 0 of pv is the default. */
static struct console *
tell(unsigned guest, uint32_t kind, uint32_t number, const char *name,
    uint32_t state)
{
	const struct console_key key = key_of(guest, kind, number);
	struct msg_console msg = {
	    .type = MSG_CONSOLE, .state = state, .key = key};
	struct console *c = consoles_add(all, &key);

	assert_non_null(c);
	if (kind == CONSOLE_PV && number == 0)
		msg.flags = CONSOLE_DEFAULT;
	snprintf(msg.name, sizeof msg.name, "%s", name);
	console_update(c, &msg);
	consoles_renamed(all);
	return c;
}

static void
test_add(void **state)
{
	const struct console_key a = key_of(1, CONSOLE_PV, 0);
	const struct console_key b = key_of(1, CONSOLE_PV, 1);
	const struct console_key s = key_of(1, CONSOLE_SERIAL, 0);
	const struct console_key other = key_of(2, CONSOLE_PV, 0);
	struct console *c = consoles_add(all, &a);

	(void)state;
	assert_non_null(c);
	assert_ptr_equal(consoles_add(all, &a), c);
	assert_int_equal(consoles_count(all), 1);
	assert_ptr_equal(consoles_find(all, &a), c);
	assert_null(consoles_find(all, &b));
	assert_null(consoles_find(all, &s));
	assert_null(consoles_find(all, &other));
	assert_ptr_not_equal(consoles_add(all, &b), c);
	assert_ptr_not_equal(consoles_add(all, &s), c);
	assert_ptr_not_equal(consoles_add(all, &other), c);
	assert_int_equal(consoles_count(all), 4);
	assert_memory_equal(
	    console_key_of(consoles_find(all, &s)), &s, sizeof s);
}

static void
test_remove(void **state)
{
	const struct console_key a = key_of(1, CONSOLE_PV, 0);
	const struct console_key b = key_of(2, CONSOLE_PV, 0);

	(void)state;
	consoles_add(all, &a);
	consoles_add(all, &b);
	consoles_remove(all, consoles_find(all, &a));
	assert_null(consoles_find(all, &a));
	assert_non_null(consoles_find(all, &b));
	assert_int_equal(consoles_count(all), 1);
	consoles_remove(all, consoles_find(all, &b));
	assert_int_equal(consoles_count(all), 0);
	assert_null(consoles_next(all, NULL));
	consoles_renamed(all);
	consoles_destroy(NULL);
}

static void
test_lookup(void **state)
{
	struct console *web = tell(1, CONSOLE_PV, 0, "web1", STATE_UP);
	struct console *web_pv1 = tell(1, CONSOLE_PV, 1, "web1", STATE_UP);
	struct console *web_s0 = tell(1, CONSOLE_SERIAL, 0, "web1", STATE_UP);
	struct console *db = tell(2, CONSOLE_PV, 0, "db1", STATE_WAITING);
	const struct {
		const char *text;
		struct console *want;
	} cases[] = {
	    {"web1", web},
	    {"web1/pv0", web},
	    {"web1/pv1", web_pv1},
	    {"web1/serial0", web_s0},
	    {"db1", db},
	    {"db1/pv0", db},
	    {"00000000-0000-0000-0000-000000000001/pv0", web},
	    {"00000000-0000-0000-0000-000000000001/serial0", web_s0},
	    {"00000000-0000-0000-0000-000000000002/pv0", db},
	    /* there are none such */
	    {"", NULL},
	    {"/", NULL},
	    {"/pv0", NULL},
	    {"web", NULL},
	    {"web11", NULL},
	    {"WEB1", NULL},
	    {"web1/", NULL},
	    {"web1/pv2", NULL},
	    {"web1/pv00", NULL},
	    {"web1//pv0", NULL},
	    {"web1/pv0/", NULL},
	    {"web1pv0", NULL},
	    {"web1/serial1", NULL},
	    {"db1/serial0", NULL},
	    {"db1/vnc0", NULL},
	    {"00000000-0000-0000-0000-000000000001", NULL},
	    {"00000000-0000-0000-0000-000000000003/pv0", NULL},
	    {"00000000-0000-0000-0000-000000000002/serial0", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (consoles_lookup(all, cases[i].text) != cases[i].want)
			fail_msg("\"%s\" is another", cases[i].text);
}

/* The bare name is the default console's alone. */
static void
test_default(void **state)
{
	struct console *serial = tell(1, CONSOLE_SERIAL, 0, "hvm1", STATE_UP);

	(void)state;
	assert_null(consoles_lookup(all, "hvm1"));
	assert_ptr_equal(consoles_lookup(all, "hvm1/serial0"), serial);
	assert_string_equal(console_name(serial), "hvm1/serial0");
	assert_string_equal(console_guest(serial), "hvm1");
	assert_false(console_is_default(serial));
}

/* A name with a slash in it; and one that is the id of another console, or of
 * none: an id is nobody's to choose, and a name is. */
static void
test_odd_names(void **state)
{
	struct console *slash = tell(1, CONSOLE_PV, 0, "a/b", STATE_UP);
	struct console *deep = tell(2, CONSOLE_PV, 0, "a/b/pv0/pv0", STATE_UP);
	struct console *id = tell(3, CONSOLE_PV, 0,
	    "00000000-0000-0000-0000-000000000001/pv0", STATE_UP);
	struct console *uuid = tell(
	    4, CONSOLE_PV, 0, "00000000-0000-0000-0000-000000000002", STATE_UP);
	struct console *none = tell(
	    5, CONSOLE_PV, 0, "00000000-0000-0000-0000-000000000009", STATE_UP);

	(void)state;
	assert_ptr_equal(consoles_lookup(all, "a/b"), slash);
	assert_ptr_equal(consoles_lookup(all, "a/b/pv0"), slash);
	assert_null(consoles_lookup(all, "a"));
	assert_ptr_equal(consoles_lookup(all, "a/b/pv0/pv0"), deep);
	assert_ptr_equal(consoles_lookup(all, "a/b/pv0/pv0/pv0"), deep);
	assert_ptr_equal(
	    consoles_lookup(all, "00000000-0000-0000-0000-000000000001/pv0"),
	    slash);
	assert_ptr_equal(consoles_lookup(all,
			     "00000000-0000-0000-0000-000000000001/pv0/pv0"),
	    id);
	assert_ptr_equal(
	    consoles_lookup(all, "00000000-0000-0000-0000-000000000002/pv0"),
	    deep);
	assert_ptr_equal(
	    consoles_lookup(all, "00000000-0000-0000-0000-000000000002"), uuid);
	assert_ptr_equal(
	    consoles_lookup(all, "00000000-0000-0000-0000-000000000009/pv0"),
	    none);
}

static void
test_gone(void **state)
{
	struct console *old = tell(1, CONSOLE_PV, 0, "web1", STATE_GONE);
	struct console *new;

	(void)state;
	/* What it printed last is still there under its name. */
	assert_ptr_equal(consoles_lookup(all, "web1"), old);
	new = tell(2, CONSOLE_PV, 0, "web1", STATE_WAITING);
	assert_ptr_equal(consoles_lookup(all, "web1"), new);
	assert_ptr_equal(consoles_lookup(all, "web1/pv0"), new);
	assert_ptr_equal(
	    consoles_lookup(all, "00000000-0000-0000-0000-000000000001/pv0"),
	    old);
	/* And in the other order, too. */
	tell(1, CONSOLE_PV, 0, "web1", STATE_UP);
	tell(2, CONSOLE_PV, 0, "web1", STATE_GONE);
	assert_ptr_equal(consoles_lookup(all, "web1"), old);
	consoles_remove(all, old);
	assert_ptr_equal(consoles_lookup(all, "web1"), new);
}

static void
test_rename(void **state)
{
	struct console *c = tell(1, CONSOLE_PV, 0, "before", STATE_UP);

	(void)state;
	tell(1, CONSOLE_PV, 0, "after", STATE_UP);
	assert_null(consoles_lookup(all, "before"));
	assert_ptr_equal(consoles_lookup(all, "after"), c);
}

static void
check_order(const char *const *names, size_t n)
{
	struct console *c = NULL;

	for (size_t i = 0; i < n; i++) {
		c = consoles_next(all, c);
		assert_non_null(c);
		assert_string_equal(console_name(c), names[i]);
	}
	assert_null(consoles_next(all, c));
}

static void
test_order(void **state)
{
	static const char *const before[] = {
	    "Z", "a", "a/serial0", "b", "m", "web1", "web10", "web2"};
	static const char *const after[] = {
	    "Z", "a", "a/serial0", "b", "web1", "web10", "web2", "zz"};

	(void)state;
	tell(1, CONSOLE_PV, 0, "m", STATE_UP);
	tell(2, CONSOLE_PV, 0, "web2", STATE_UP);
	tell(3, CONSOLE_PV, 0, "b", STATE_UP);
	tell(4, CONSOLE_SERIAL, 0, "a", STATE_UP);
	tell(4, CONSOLE_PV, 0, "a", STATE_UP);
	tell(5, CONSOLE_PV, 0, "web10", STATE_UP);
	tell(6, CONSOLE_PV, 0, "Z", STATE_UP);
	tell(7, CONSOLE_PV, 0, "web1", STATE_UP);
	check_order(before, COUNT(before));
	tell(1, CONSOLE_PV, 0, "zz", STATE_UP);
	check_order(after, COUNT(after));
}

/* How often a name was asked for, to compare it. */
static unsigned compared;

const char *__real_console_name(const struct console *c);
const char *__wrap_console_name(const struct console *c);

const char *
__wrap_console_name(const struct console *c)
{
	compared++;
	return __real_console_name(c);
}

/* A broker tells a new worker of all: they are put in order once. */
static void
test_order_of_many(void **state)
{
	const unsigned count = 300;
	unsigned once;
	char name[8];

	(void)state;
	compared = 0;
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof name, "g%03u", i * 7 % count);
		tell(i, CONSOLE_PV, 0, name, STATE_UP);
	}
	assert_int_equal(compared, 0);
	assert_string_equal(console_name(consoles_next(all, NULL)), "g000");
	once = compared;
	assert_in_range(once, count, 20 * count);
	consoles_next(all, NULL);
	assert_int_equal(compared, once);
}

/* As the link to the broker does it: the next one is asked for first. */
static void
test_remove_in_walk(void **state)
{
	static const char *const left[] = {"g1", "g3", "g5"};
	struct console *c, *next;
	char name[8];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "g%u", i);
		tell(i, CONSOLE_PV, 0, name, STATE_UP);
	}
	for (c = consoles_next(all, NULL); c; c = next) {
		next = consoles_next(all, c);
		if (console_key_of(c)->uuid[15] % 2 == 0)
			consoles_remove(all, c);
	}
	check_order(left, COUNT(left));
}

static void
test_limit(void **state)
{
	struct console_key key;

	(void)state;
	for (unsigned i = 0; i < LIMIT_CONSOLES; i++) {
		key = key_of(i, CONSOLE_PV, 0);
		assert_non_null(consoles_add(all, &key));
	}
	stub_allow_errors(true);
	key = key_of(LIMIT_CONSOLES, CONSOLE_PV, 0);
	assert_null(consoles_add(all, &key));
	assert_int_equal(stub_errors(), 1);
	assert_int_equal(consoles_count(all), LIMIT_CONSOLES);
	/* Those that are there are found still. */
	key = key_of(0, CONSOLE_PV, 0);
	assert_ptr_equal(consoles_add(all, &key), consoles_find(all, &key));
	consoles_remove(all, consoles_find(all, &key));
	key = key_of(LIMIT_CONSOLES, CONSOLE_PV, 0);
	assert_non_null(consoles_add(all, &key));
}

int
main(void)
{
#define WITH_LIST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_LIST(test_add),
	    WITH_LIST(test_remove),
	    WITH_LIST(test_lookup),
	    WITH_LIST(test_default),
	    WITH_LIST(test_odd_names),
	    WITH_LIST(test_gone),
	    WITH_LIST(test_rename),
	    WITH_LIST(test_order),
	    WITH_LIST(test_order_of_many),
	    WITH_LIST(test_remove_in_walk),
	    WITH_LIST(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
