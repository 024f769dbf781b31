/* Sessions: tokens, caps, ends. */
#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/limits.h"
#include "fcgi/console.h"
#include "fcgi/session.h"
#include "fcgi/waiters.h"
#include "tests/unit/stubs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct config config;
static struct event_base *base;
static struct sessions *all;
static struct console *console;

static int
setup(void **state)
{
	const struct console_key key = {.kind = CONSOLE_PV};

	(void)state;
	config.session_idle = 300;
	config.session_max = 43200;
	config.sessions_total = LIMIT_SESSIONS;
	config.sessions_per_user = LIMIT_SESSIONS_PER_USER;
	config.sessions_per_console = LIMIT_SESSIONS;
	memset(&stub_told, 0, sizeof stub_told);
	base = event_base_new();
	all = sessions_create(base, &config);
	console = console_create(base, &key, &stub_owner);
	return sodium_init() >= 0 && base && all && console ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	sessions_destroy(all);
	console_destroy(console);
	event_base_free(base);
	return 0;
}

static struct session *
make(const char *user, char token[SESSION_TOKEN_TEXT])
{
	struct session *s = NULL;

	assert_int_equal(session_open(all, console, user, true, token, &s), 0);
	assert_non_null(s);
	return s;
}

static void
assert_hex(const char *text, size_t len)
{
	assert_int_equal(strlen(text), len);
	for (; *text; text++)
		assert_true(isdigit(*text) || (*text >= 'a' && *text <= 'f'));
}

static void
test_open(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	time_t before = time(NULL);
	struct session *s = make("alice", token), *watcher;

	(void)state;
	assert_hex(token, 64);
	assert_hex(session_id(s), 16);
	assert_null(strstr(token, session_id(s)));
	assert_string_equal(session_user(s), "alice");
	assert_ptr_equal(session_console(s), console);
	assert_true(session_may_type(s));
	assert_int_equal(session_seq(s), 0);
	assert_true(session_expires(s) >= before + 43200);
	assert_true(session_expires(s) <= time(NULL) + 43200);
	assert_int_equal(sessions_count(all), 1);
	assert_int_equal(
	    session_open(all, console, "bob", false, token, &watcher), 0);
	assert_false(session_may_type(watcher));
	assert_int_equal(sessions_count(all), 2);
}

static void
test_joins(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *a = make("alice", token), *b = make("bob", token);
	const struct viewer *v = console_viewers(console);

	(void)state;
	assert_int_equal(console_nviewers(console), 2);
	assert_int_equal(stub_told.wanted, 1);
	assert_string_equal(v->session, session_id(a));
	assert_string_equal(v->user, "alice");
	assert_string_equal(v->next->user, "bob");
	session_close(a);
	assert_int_equal(console_nviewers(console), 1);
	assert_int_equal(stub_told.wanted, 1);
	session_close(b);
	assert_int_equal(console_nviewers(console), 0);
	assert_int_equal(stub_told.wanted, 2);
	assert_null(console_viewers(console));
}

static void
test_unique(void **state)
{
	static char tokens[200][SESSION_TOKEN_TEXT];
	const char *ids[COUNT(tokens)];

	(void)state;
	for (size_t i = 0; i < COUNT(tokens); i++) {
		ids[i] = session_id(make("alice", tokens[i]));
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(tokens[i], tokens[j]);
			assert_string_not_equal(ids[i], ids[j]);
		}
	}
}

static void
test_find(void **state)
{
	char token[2][SESSION_TOKEN_TEXT];
	struct session *a = make("alice", token[0]);
	struct session *b = make("alice", token[1]);

	(void)state;
	assert_ptr_equal(session_find(all, token[0]), a);
	assert_ptr_equal(session_find(all, token[1]), b);
	session_close(a);
	assert_null(session_find(all, token[0]));
	assert_ptr_equal(session_find(all, token[1]), b);
	assert_int_equal(sessions_count(all), 1);
}

static void
test_wrong_tokens(void **state)
{
	static const char *const texts[] = {"", "0", "x",
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
	    "                                                                "};
	char token[SESSION_TOKEN_TEXT], other[2 * SESSION_TOKEN_TEXT];
	struct session *s = make("alice", token);

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_null(session_find(all, texts[i]));
	/* One digit more, less, changed, or not a digit. */
	snprintf(other, sizeof other, "%s0", token);
	assert_null(session_find(all, other));
	snprintf(other, sizeof other, "%s%s", token, token);
	assert_null(session_find(all, other));
	for (size_t i = 0; i < SESSION_TOKEN_TEXT - 1; i++) {
		memcpy(other, token, sizeof token);
		other[i] = '\0';
		assert_null(session_find(all, other));
		other[i] = token[i] == '0' ? '1' : '0';
		assert_null(session_find(all, other));
		other[i] = 'g';
		assert_null(session_find(all, other));
		other[i] = '\n';
		assert_null(session_find(all, other));
	}
	/* The public name opens nothing. */
	assert_null(session_find(all, session_id(s)));
	assert_ptr_equal(session_find(all, token), s);
}

static void
test_cap_of_user(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *s = NULL, *last = NULL;

	(void)state;
	for (int i = 0; i < LIMIT_SESSIONS_PER_USER; i++)
		last = make("alice", token);
	assert_int_equal(
	    session_open(all, console, "alice", true, token, &s), -EMFILE);
	assert_null(s);
	assert_int_equal(sessions_count(all), LIMIT_SESSIONS_PER_USER);
	assert_int_equal(console_nviewers(console), LIMIT_SESSIONS_PER_USER);
	/* Others are not kept out, and one that ends makes room. */
	make("bob", token);
	session_close(last);
	make("alice", token);
	assert_int_equal(
	    session_open(all, console, "alice", true, token, &s), -EMFILE);
}

static void
test_cap_of_all(void **state)
{
	char token[SESSION_TOKEN_TEXT], user[16];
	struct session *s = NULL;

	(void)state;
	for (int i = 0; i < LIMIT_SESSIONS; i++) {
		snprintf(user, sizeof user, "user%d", i / 1000);
		make(user, token);
	}
	assert_int_equal(sessions_count(all), LIMIT_SESSIONS);
	for (int i = 0; i < 3; i++) {
		snprintf(user, sizeof user, "late%d", i);
		assert_int_equal(
		    session_open(all, console, user, true, token, &s), -EMFILE);
	}
	assert_int_equal(
	    session_open(all, console, "user0", true, token, &s), -EMFILE);
	assert_null(s);
}

/* The configuration can have less; each by itself. */
static void
test_configured_caps(void **state)
{
	static const struct {
		unsigned total, user, console;
	} cases[] = {{2, 9, 9}, {9, 2, 9}, {9, 9, 2}};
	char token[SESSION_TOKEN_TEXT];
	struct session *s = NULL, *first;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		config.sessions_total = cases[i].total;
		config.sessions_per_user = cases[i].user;
		config.sessions_per_console = cases[i].console;
		first = make("alice", token);
		make("alice", token);
		assert_int_equal(
		    session_open(all, console, "alice", true, token, &s),
		    -EMFILE);
		assert_null(s);
		session_close(first);
		make("alice", token);
		sessions_close_console(all, console);
		assert_int_equal(sessions_count(all), 0);
	}
}

static void
test_take_over(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *a = make("alice", token), *b = make("bob", token);

	(void)state;
	session_take_over(b);
	assert_false(session_may_type(a));
	assert_true(session_may_type(b));
}

static void
test_long_name(void **state)
{
	char token[SESSION_TOKEN_TEXT], user[LIMIT_USER + 2];
	struct session *s = NULL;

	(void)state;
	memset(user, 'u', sizeof user);
	user[LIMIT_USER + 1] = '\0';
	assert_true(session_open(all, console, user, true, token, &s) < 0);
	assert_null(s);
	user[LIMIT_USER] = '\0';
	assert_string_equal(session_user(make(user, token)), user);
}

static bool
has_count(void *arg)
{
	return sessions_count(all) <= *(size_t *)arg;
}

static void
run_until_count(size_t want)
{
	loop_until(base, has_count, &want, 20);
	assert_int_equal(sessions_count(all), want);
}

/*
 * The timer of the session with a parked request was started first, so when
 * the other has ended, it has been looked at and left alone.
 */
static void
test_idle(void **state)
{
	char parked_token[SESSION_TOKEN_TEXT], token[SESSION_TOKEN_TEXT];
	struct session *parked;

	(void)state;
	config.session_idle = 0;
	parked = make("alice", parked_token);
	assert_true(session_park(parked));
	make("bob", token);
	run_until_count(1);
	assert_null(session_find(all, token));
	assert_ptr_equal(session_find(all, parked_token), parked);
	assert_int_equal(console_nviewers(console), 1);
	session_unpark(parked);
	run_until_count(0);
	assert_null(session_find(all, parked_token));
	assert_int_equal(console_nviewers(console), 0);
}

/* The latest end comes also to one that is in use. */
static void
test_max(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *s;

	(void)state;
	config.session_max = 0;
	s = make("alice", token);
	assert_true(session_park(s));
	run_until_count(0);
}

static void
test_parked(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *s = make("alice", token), *other = make("bob", token);

	(void)state;
	for (int i = 0; i < LIMIT_POLLS_PER_SESSION; i++)
		assert_true(session_park(s));
	assert_false(session_park(s));
	assert_false(session_park(s));
	assert_true(session_park(other));
	session_unpark(s);
	assert_true(session_park(s));
	assert_false(session_park(s));
}

static bool
is_alone(void *arg)
{
	(void)arg;
	return console_npresent(console) == 1;
}

/* Who asks for nothing is not listed after a while; whose poll waits is, and
 * who asks again is at once. */
static void
test_absent(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *silent = make("alice", token), *parked, *asking;
	time_t start = time(NULL);
	char other[SESSION_TOKEN_TEXT];

	(void)state;
	parked = make("bob", other);
	assert_true(session_park(parked));
	assert_true(session_park(parked));
	session_unpark(parked); /* one of two */
	loop_until(base, is_alone, NULL, LIMIT_ABSENT + 10);
	assert_true(time(NULL) - start >= LIMIT_ABSENT - 1);
	assert_true(console_viewers(console)->away);
	assert_int_equal(console_nviewers(console), 2);
	assert_int_equal(sessions_count(all), 2);
	assert_ptr_equal(session_find(all, token), silent);
	assert_int_equal(console_npresent(console), 2);
	/* A poll keeps it there, and its end does not take it away at once. */
	assert_true(session_park(silent));
	session_unpark(silent);
	assert_int_equal(console_npresent(console), 2);
	session_close(silent);
	assert_int_equal(console_npresent(console), 1);
	asking = make("carol", token);
	session_close(parked);
	assert_int_equal(console_npresent(console), 1);
	session_close(asking);
	assert_int_equal(console_npresent(console), 0);
}

static void
test_seq(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *s = make("alice", token), *other = make("bob", token);

	(void)state;
	session_typed(s, 1);
	session_typed(s, 2);
	assert_int_equal(session_seq(s), 2);
	assert_int_equal(session_seq(other), 0);
}

static struct session *
viewer(const char *user, bool may_type, const char *name)
{
	struct session *s = NULL;

	assert_int_equal(
	    session_of_viewer(all, console, user, may_type, name, &s), 0);
	assert_non_null(s);
	return s;
}

static void
test_viewers(void **state)
{
	struct session *s = viewer("alice", true, "1");
	char token[SESSION_TOKEN_TEXT];

	(void)state;
	assert_ptr_equal(viewer("alice", true, "1"), s);
	assert_int_equal(sessions_count(all), 1);
	assert_true(session_may_type(s));
	assert_string_equal(session_user(s), "alice");
	session_set_shown(s, (struct session_shown){5, 7, 1});
	/* Another mode, name or user is another viewer, and so is what reads
	 * the same when it is put together. */
	assert_ptr_not_equal(viewer("alice", false, "1"), s);
	assert_ptr_not_equal(viewer("alice", true, "2"), s);
	assert_ptr_not_equal(viewer("bob", true, "1"), s);
	assert_ptr_not_equal(viewer("alicetype", true, "1"), s);
	assert_ptr_not_equal(make("alice", token), s);
	assert_int_equal(sessions_count(all), 6);
	assert_int_equal(session_shown(viewer("alice", true, "1")).run, 5);
	assert_int_equal(session_shown(viewer("bob", true, "1")).run, 0);
	session_close(s);
	assert_int_equal(session_shown(viewer("alice", true, "1")).run, 0);
	assert_int_equal(sessions_count(all), 6);
}

static void
test_viewers_count(void **state)
{
	struct session *s;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < LIMIT_SESSIONS_PER_USER; i++) {
		snprintf(name, sizeof name, "%u", i);
		viewer("alice", true, name);
	}
	assert_int_equal(
	    session_of_viewer(all, console, "alice", true, "one more", &s),
	    -EMFILE);
	assert_ptr_equal(
	    viewer("alice", true, "0"), viewer("alice", true, "0"));
	viewer("bob", true, "0");
}

static void
test_echoed(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *s = make("alice", token);

	(void)state;
	assert_int_equal(session_echoed(s, 17), 0);
	session_set_echoed(s, 17, 100);
	assert_int_equal(session_echoed(s, 17), 100);
	assert_int_equal(session_echoed(s, 18), 0);
	session_set_echoed(s, 18, 3);
	assert_int_equal(session_echoed(s, 17), 0);
	assert_int_equal(session_echoed(s, 18), 3);
}

struct test_waiter {
	struct waiter waiter; /* first */
	int answers;
	enum wake why;
};

static bool
never(struct waiter *w)
{
	(void)w;
	return false;
}

static void
on_answer(struct waiter *w, enum wake why)
{
	struct test_waiter *t = (struct test_waiter *)w;

	t->answers++;
	t->why = why;
}

static const struct waiter_class class = {.ready = never, .answer = on_answer};

/* Closing answers what waits for this session, and nothing else. */
static void
test_close_answers(void **state)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *s = make("alice", token), *other = make("bob", token);
	struct test_waiter a = {.waiter = {.class = &class, .owner = s}};
	struct test_waiter b = {.waiter = {.class = &class, .owner = other}};

	(void)state;
	assert_true(waiters_add(console_waiters(console), &a.waiter, 3600000));
	assert_true(waiters_add(console_waiters(console), &b.waiter, 3600000));
	session_close(s);
	assert_int_equal(a.answers, 1);
	assert_int_equal(a.why, WAKE_CLOSED);
	assert_int_equal(b.answers, 0);
	sessions_destroy(all);
	all = NULL;
	assert_int_equal(a.answers, 1);
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.why, WAKE_CLOSED);
}

static void
test_close_console(void **state)
{
	const struct console_key key = {.kind = CONSOLE_SERIAL};
	struct console *second = console_create(base, &key, &stub_owner);
	char tokens[3][SESSION_TOKEN_TEXT];
	struct session *s;

	(void)state;
	make("alice", tokens[0]);
	make("bob", tokens[1]);
	assert_int_equal(
	    session_open(all, second, "alice", true, tokens[2], &s), 0);
	sessions_close_console(all, console);
	assert_int_equal(sessions_count(all), 1);
	assert_null(session_find(all, tokens[0]));
	assert_null(session_find(all, tokens[1]));
	assert_ptr_equal(session_find(all, tokens[2]), s);
	sessions_close_console(all, console);
	sessions_close_console(all, second);
	assert_int_equal(sessions_count(all), 0);
	console_destroy(second);
	sessions_destroy(NULL);
}

int
main(void)
{
#define WITH_ALL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_ALL(test_open),
	    WITH_ALL(test_joins),
	    WITH_ALL(test_unique),
	    WITH_ALL(test_find),
	    WITH_ALL(test_wrong_tokens),
	    WITH_ALL(test_cap_of_user),
	    WITH_ALL(test_cap_of_all),
	    WITH_ALL(test_configured_caps),
	    WITH_ALL(test_take_over),
	    WITH_ALL(test_long_name),
	    WITH_ALL(test_idle),
	    WITH_ALL(test_max),
	    WITH_ALL(test_parked),
	    WITH_ALL(test_absent),
	    WITH_ALL(test_seq),
	    WITH_ALL(test_viewers),
	    WITH_ALL(test_viewers_count),
	    WITH_ALL(test_echoed),
	    WITH_ALL(test_close_answers),
	    WITH_ALL(test_close_console),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
