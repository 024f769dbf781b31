/* Sessions: tokens, caps, ends. */
#define _GNU_SOURCE
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
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/session.h"
#include "fcgi/session_keep.h"
#include "fcgi/session_store.h"
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
	/* It goes on with the next worker. */
	assert_int_equal(b.why, WAKE_RESTART);
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

/* ---- kept for the next worker -------------------------------------------- */

static int table; /* the memfd */
static struct consoles *consoles;
static char kept_token[SESSION_TOKEN_TEXT];

static int
setup_kept(void **state)
{
	table = memfd_make("sessions", LIMIT_SESSION_STORE, NULL, 0);
	return table >= 0 && setup(state) == 0 &&
		       sessions_take_store(all, table) == 0
		   ? 0
		   : -1;
}

static int
teardown_kept(void **state)
{
	close(table);
	return teardown(state);
}

/* The worker ends, and the next one has been told of this console. */
static void
next_worker(void)
{
	const struct console_key key = *console_key_of(console);

	sessions_destroy(all);
	console_destroy(console);
	all = sessions_create(base, &config);
	consoles = consoles_create(base, &stub_owner);
	console = consoles_add(consoles, &key);
	assert_non_null(console);
	assert_false(sessions_are_known(all));
	assert_int_equal(sessions_take_store(all, table), 0);
	sessions_restore(all, consoles);
	assert_true(sessions_are_known(all));
}

/* The console is the list's: teardown() has one of its own to destroy. */
static void
end_consoles(void)
{
	const struct console_key key = {.kind = CONSOLE_PV};

	sessions_destroy(all);
	consoles_destroy(consoles);
	all = sessions_create(base, &config);
	console = console_create(base, &key, &stub_owner);
}

static struct session *
keep(const char *user)
{
	struct session *s = make(user, kept_token);

	assert_int_equal(session_set_grant(s, GRANT_TICKET, "some text"), 0);
	session_opened_from(s, "192.0.2.7");
	session_keep(s);
	return s;
}

static void
test_goes_on(void **state)
{
	struct session *s = keep("alice");
	char id[SESSION_ID_TEXT];
	time_t expires = session_expires(s);

	(void)state;
	strcpy(id, session_id(s));
	session_typed(s, 1);
	session_typed(s, 2);
	next_worker();
	assert_int_equal(sessions_count(all), 1);
	s = session_find(all, kept_token);
	assert_non_null(s);
	assert_string_equal(session_id(s), id);
	assert_string_equal(session_user(s), "alice");
	assert_ptr_equal(session_console(s), console);
	assert_true(session_may_type(s));
	assert_int_equal(session_seq(s), 2);
	assert_int_equal(session_expires(s), expires);
	/* And it goes on to be kept. */
	session_typed(s, 3);
	end_consoles();
	next_worker();
	assert_int_equal(session_seq(session_find(all, kept_token)), 3);
	end_consoles();
}

/* What was not told to anybody, or has ended, is not gone on with. */
static void
test_does_not_go_on(void **state)
{
	char closed[SESSION_TOKEN_TEXT], unknown[SESSION_TOKEN_TEXT];

	(void)state;
	make("bob", unknown);
	session_close(keep("carol"));
	strcpy(closed, kept_token);
	keep("alice");
	next_worker();
	assert_null(session_find(all, unknown));
	assert_null(session_find(all, closed));
	assert_non_null(session_find(all, kept_token));
	assert_int_equal(sessions_count(all), 1);
	end_consoles();
}

static void
test_console_has_gone(void **state)
{
	(void)state;
	keep("alice");
	sessions_destroy(all);
	all = sessions_create(base, &config);
	consoles = consoles_create(base, &stub_owner);
	assert_int_equal(sessions_take_store(all, table), 0);
	sessions_restore(all, consoles);
	assert_int_equal(sessions_count(all), 0);
	consoles_destroy(consoles);
	/* Nor does it come back with its console. */
	next_worker();
	assert_int_equal(sessions_count(all), 0);
	end_consoles();
}

static void
test_mode_is_kept(void **state)
{
	struct session *taker, *s = keep("alice");
	char token[SESSION_TOKEN_TEXT];

	(void)state;
	strcpy(token, kept_token);
	taker = keep("bob");
	session_take_over(taker);
	assert_false(session_may_type(s));
	next_worker();
	assert_false(session_may_type(session_find(all, token)));
	assert_true(session_may_type(session_find(all, kept_token)));
	end_consoles();
}

/* A viewer without a token is found under the same secret. */
static void
test_viewer_is_kept(void **state)
{
	struct session *s = viewer("alice", true, "1");

	(void)state;
	session_opened_from(s, "192.0.2.7");
	session_keep(s);
	session_typed(s, 7);
	next_worker();
	assert_int_equal(session_seq(viewer("alice", true, "1")), 7);
	assert_int_equal(sessions_count(all), 1);
	end_consoles();
}

/* A number that only the queue of input has: the worker was killed between the
 * two. */
static void
test_number_of_the_queue(void **state)
{
	struct session *s = keep("alice");
	struct input_by by = session_typist(s, 5);

	(void)state;
	session_typed(s, 4);
	sessions_destroy(all);
	all = sessions_create(base, &config);
	assert_int_equal(sessions_take_store(all, table), 0);
	sessions_had_typed(all, &by);
	by.seq = 3;
	sessions_had_typed(all, &by);
	by.seq = 9;
	by.session[0] ^= 1;
	sessions_had_typed(all, &by);
	by.slot = 77;
	sessions_had_typed(all, &by);
	by.slot = SESSION_NO_SLOT;
	sessions_had_typed(all, &by);
	next_worker();
	assert_int_equal(session_seq(session_find(all, kept_token)), 5);
	end_consoles();
}

/* The broker comes back: with the same table, and with a new one. */
static void
test_another_table(void **state)
{
	struct session *s = keep("alice");
	int other = memfd_make("other", LIMIT_SESSION_STORE, NULL, 0);
	struct sessions *strangers = sessions_create(base, &config);

	(void)state;
	/* Whole as well, and another all the same. */
	assert_int_equal(sessions_take_store(strangers, other), 0);
	sessions_destroy(strangers);
	session_typed(s, 4);
	sessions_restore(all, NULL);
	assert_int_equal(sessions_take_store(all, table), 0);
	assert_int_equal(session_seq(s), 4);
	assert_int_equal(sessions_take_store(all, other), 0);
	assert_int_equal(session_seq(s), 4);
	session_typed(s, 5);
	close(table);
	table = other;
	next_worker();
	assert_int_equal(session_seq(session_find(all, kept_token)), 5);
	end_consoles();
}

/* Neither a table of the wrong kind, nor one of another version, is read. */
static void
test_foreign_table(void **state)
{
	const uint32_t layout = 99;
	int small = memfd_make("small", 4096, NULL, 0);

	(void)state;
	keep("alice");
	assert_int_equal(sessions_take_store(all, small), -EPROTO);
	assert_int_equal(sessions_take_store(all, -1), -EPROTO);
	close(small);
	assert_int_equal(pwrite(table, &layout, 4, 4), 4);
	next_worker();
	assert_int_equal(sessions_count(all), 0);
	keep("bob");
	end_consoles();
	next_worker();
	assert_int_equal(sessions_count(all), 1);
	end_consoles();
}

/* Who made it anew before those that are kept were known has that one, and
 * not the old one again with the worker after. */
static void
test_made_anew(void **state)
{
	struct session *s = viewer("alice", true, "1");

	(void)state;
	session_keep(s);
	session_typed(s, 7);
	sessions_destroy(all);
	all = sessions_create(base, &config);
	assert_int_equal(sessions_take_store(all, table), 0);
	s = viewer("alice", true, "1");
	session_keep(s);
	session_typed(s, 1);
	consoles = consoles_create(base, &stub_owner);
	assert_non_null(consoles_add(consoles, console_key_of(console)));
	assert_true(sessions_restore(all, consoles));
	assert_ptr_equal(viewer("alice", true, "1"), s);
	assert_int_equal(sessions_count(all), 1);
	consoles_destroy(consoles);
	next_worker();
	assert_int_equal(session_seq(viewer("alice", true, "1")), 1);
	end_consoles();
}

/* A new configuration gives less: at once, and for the next worker too. */
static void
test_rights_are_lost(void **state)
{
	char *users[] = {"alice", NULL}, *guests[] = {"*", NULL};
	struct config_access rule = {users, guests, RIGHT_TYPE};
	char token[SESSION_TOKEN_TEXT], later[SESSION_TOKEN_TEXT];
	struct session *s;

	(void)state;
	config.access = &rule;
	config.naccess = 1;
	s = make("alice", token);
	assert_int_equal(session_set_grant(s, GRANT_LOGIN, ""), 0);
	session_keep(s);
	sessions_recheck(all);
	assert_true(session_may_type(s));
	rule.rights = RIGHT_WATCH;
	sessions_recheck(all);
	assert_ptr_equal(session_find(all, token), s);
	assert_false(session_may_type(s));
	rule.rights = RIGHT_TYPE;
	next_worker();
	s = session_find(all, token);
	assert_non_null(s);
	assert_false(session_may_type(s));
	/* To know that it is there is not to see it. */
	rule.rights = RIGHT_LIST;
	sessions_recheck(all);
	assert_null(session_find(all, token));
	/* Nor while there was no worker. */
	rule.rights = RIGHT_TYPE;
	s = make("alice", later);
	assert_int_equal(session_set_grant(s, GRANT_LOGIN, ""), 0);
	session_keep(s);
	end_consoles();
	rule.rights = RIGHT_LIST;
	next_worker();
	assert_null(session_find(all, later));
	rule.rights = RIGHT_TYPE;
	end_consoles();
	next_worker();
	assert_int_equal(sessions_count(all), 0);
	end_consoles();
	config.access = NULL;
	config.naccess = 0;
}

/* Of a session that has ended nothing is left, also beside one that goes on. */
static void
test_nothing_is_left(void **state)
{
	struct session *s = keep("alice-has-gone");
	const void *memory;

	(void)state;
	keep("bob-is-there");
	session_close(s);
	memory =
	    mmap(NULL, LIMIT_SESSION_STORE, PROT_READ, MAP_SHARED, table, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_non_null(
	    memmem(memory, LIMIT_SESSION_STORE, "bob-is-there", 12));
	assert_null(memmem(memory, LIMIT_SESSION_STORE, "alice-has-gone", 14));
	munmap((void *)memory, LIMIT_SESSION_STORE);
}

static void
test_expired_meanwhile(void **state)
{
	(void)state;
	config.session_max = 0;
	keep("alice");
	next_worker();
	assert_int_equal(sessions_count(all), 0);
	end_consoles();
}

int
main(void)
{
#define WITH_ALL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WITH_TABLE(test) \
	cmocka_unit_test_setup_teardown(test, setup_kept, teardown_kept)
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
	    WITH_TABLE(test_goes_on),
	    WITH_TABLE(test_does_not_go_on),
	    WITH_TABLE(test_console_has_gone),
	    WITH_TABLE(test_mode_is_kept),
	    WITH_TABLE(test_viewer_is_kept),
	    WITH_TABLE(test_number_of_the_queue),
	    WITH_TABLE(test_another_table),
	    WITH_TABLE(test_foreign_table),
	    WITH_TABLE(test_made_anew),
	    WITH_TABLE(test_rights_are_lost),
	    WITH_TABLE(test_nothing_is_left),
	    WITH_TABLE(test_expired_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
