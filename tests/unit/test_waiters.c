/* Requests that wait: answered once, in the right order, for one reason. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/server.h"
#include "fcgi/waiters.h"
#include "tests/unit/stubs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct event_base *base;
static struct waiters *list;

/* What happened, one letter each: the waiter's name, then why. */
static char story[256];

struct test_waiter {
	struct waiter waiter; /* first */
	char name;
	bool ready;
	unsigned parked;
	void (*gone)(void *ctx); /* as conn_park() was told */
	void *gone_ctx;
};

/* Stands in for server.c: a connection is the waiter it belongs to. */
void
conn_park(struct conn *conn, void (*gone)(void *ctx), void *ctx)
{
	struct test_waiter *t = (struct test_waiter *)conn;

	t->parked++;
	t->gone = gone;
	t->gone_ctx = ctx;
}

static void
tell(const struct test_waiter *t, char what)
{
	size_t n = strlen(story);

	snprintf(story + n, sizeof story - n, "%c%c ", t->name, what);
}

static bool
on_ready(struct waiter *w)
{
	return ((struct test_waiter *)w)->ready;
}

static void
on_answer(struct waiter *w, enum wake why)
{
	static const char letters[] = {
	    [WAKE_READY] = 'r',
	    [WAKE_TIMEOUT] = 't',
	    [WAKE_CLOSED] = 'c',
	};

	assert_ptr_equal(w->conn, w);
	assert_null(w->deadline);
	tell((struct test_waiter *)w, letters[why]);
}

/* After its time is over it waits anew. */
static void
on_staying(struct waiter *w, enum wake why)
{
	static const char letters[] = {
	    [WAKE_READY] = 'r',
	    [WAKE_TIMEOUT] = 't',
	    [WAKE_CLOSED] = 'c',
	};

	tell((struct test_waiter *)w, letters[why]);
	if (why == WAKE_TIMEOUT)
		assert_true(waiters_add(list, w, 1));
}

static void
on_gone(struct waiter *w)
{
	assert_null(w->conn);
	assert_null(w->deadline);
	tell((struct test_waiter *)w, 'g');
}

static const struct waiter_class common = {
    .ready = on_ready, .answer = on_answer, .gone = on_gone};
static const struct waiter_class first = {
    .ready = on_ready, .answer = on_answer, .gone = on_gone, .first = true};

static const struct waiter_class staying = {
    .ready = on_ready, .answer = on_staying, .gone = on_gone, .stays = true};

static int
setup(void **state)
{
	(void)state;
	base = event_base_new();
	list = waiters_create(base);
	story[0] = '\0';
	return base && list ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	waiters_destroy(list);
	event_base_free(base);
	return 0;
}

static void
add(struct test_waiter *t, char name, const struct waiter_class *class,
    unsigned ms)
{
	memset(t, 0, sizeof *t);
	t->name = name;
	t->waiter.class = class;
	t->waiter.conn = (struct conn *)t;
	t->waiter.owner = t;
	assert_true(waiters_add(list, &t->waiter, ms));
	assert_int_equal(t->parked, 1);
}

#define HOUR 3600000

static void
test_ready(void **state)
{
	struct test_waiter a, b;

	(void)state;
	add(&a, 'a', &common, HOUR);
	add(&b, 'b', &common, HOUR);
	waiters_settle(list);
	assert_string_equal(story, "");
	b.ready = true;
	waiters_settle(list);
	assert_string_equal(story, "br ");
	/* Once is enough. */
	waiters_settle(list);
	assert_string_equal(story, "br ");
	a.ready = true;
	waiters_settle(list);
	assert_string_equal(story, "br ar ");
	waiters_close(list, NULL, WAKE_CLOSED);
	assert_string_equal(story, "br ar ");
}

static void
test_order(void **state)
{
	struct test_waiter w[5];

	(void)state;
	add(&w[0], 'a', &common, HOUR);
	add(&w[1], 'b', &common, HOUR);
	add(&w[2], 'F', &first, HOUR);
	add(&w[3], 'c', &common, HOUR);
	for (int i = 0; i < 4; i++)
		w[i].ready = true;
	waiters_settle(list);
	assert_string_equal(story, "Fr ar br cr ");
}

/* What the first one's answer does is seen by those behind it. */
static struct test_waiter *silenced;

static void
on_answer_silencing(struct waiter *w, enum wake why)
{
	on_answer(w, why);
	silenced->ready = false;
}

static const struct waiter_class silencing = {.ready = on_ready,
    .answer = on_answer_silencing,
    .gone = on_gone,
    .first = true};

static void
test_first_decides(void **state)
{
	struct test_waiter poll, echo;

	(void)state;
	add(&poll, 'p', &common, HOUR);
	add(&echo, 'e', &silencing, HOUR);
	poll.ready = echo.ready = true;
	silenced = &poll;
	waiters_settle(list);
	assert_string_equal(story, "er ");
	waiters_close(list, NULL, WAKE_CLOSED);
	assert_string_equal(story, "er pc ");
}

static void
test_timeout(void **state)
{
	struct test_waiter a, b, c;

	(void)state;
	add(&a, 'a', &common, 20);
	add(&b, 'b', &common, 1);
	add(&c, 'c', &common, HOUR);
	/* Ends when there is nothing left to wait for but the hour. */
	while (strlen(story) < 6)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_string_equal(story, "bt at ");
	/* Those are out: neither ready nor closed any more. */
	a.ready = b.ready = true;
	waiters_settle(list);
	waiters_close(list, NULL, WAKE_CLOSED);
	assert_string_equal(story, "bt at cc ");
	/* And no timer is left behind. */
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
}

static void
test_no_time(void **state)
{
	struct test_waiter a;

	(void)state;
	add(&a, 'a', &common, 0);
	assert_string_equal(story, "");
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_string_equal(story, "at ");
}

/* Being ready takes the timer away. */
static void
test_ready_ends_timer(void **state)
{
	struct test_waiter a;

	(void)state;
	add(&a, 'a', &common, 1);
	a.ready = true;
	waiters_settle(list);
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 1);
	assert_string_equal(story, "ar ");
}

static void
test_close_owner(void **state)
{
	struct test_waiter w[4];
	int alice, bob;

	(void)state;
	for (size_t i = 0; i < COUNT(w); i++) {
		add(&w[i], (char)('a' + i), &common, HOUR);
		w[i].waiter.owner = i % 2 ? (void *)&bob : (void *)&alice;
	}
	waiters_close(list, &bob, WAKE_CLOSED);
	assert_string_equal(story, "bc dc ");
	waiters_close(list, &bob, WAKE_CLOSED);
	assert_string_equal(story, "bc dc ");
	w[0].ready = true;
	waiters_settle(list);
	waiters_close(list, NULL, WAKE_CLOSED);
	assert_string_equal(story, "bc dc ar cc ");
}

static void
test_gone(void **state)
{
	struct test_waiter a, b, c;

	(void)state;
	add(&a, 'a', &common, HOUR);
	add(&b, 'b', &first, 1);
	add(&c, 'c', &common, HOUR);
	b.ready = true;
	b.gone(b.gone_ctx);
	assert_string_equal(story, "bg ");
	waiters_settle(list);
	a.gone(a.gone_ctx);
	c.gone(c.gone_ctx);
	waiters_settle(list);
	waiters_close(list, NULL, WAKE_CLOSED);
	assert_string_equal(story, "bg ag cg ");
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 1);
}

/* A browser that asks again at once: the answered one may wait again. */
static void
on_answer_again(struct waiter *w, enum wake why)
{
	struct test_waiter *t = (struct test_waiter *)w;

	on_answer(w, why);
	t->ready = false;
	if (why == WAKE_READY)
		assert_true(waiters_add(list, w, HOUR));
}

static const struct waiter_class again = {
    .ready = on_ready, .answer = on_answer_again, .gone = on_gone};

static void
test_add_in_answer(void **state)
{
	struct test_waiter a, b;

	(void)state;
	add(&a, 'a', &again, HOUR);
	add(&b, 'b', &again, HOUR);
	a.ready = b.ready = true;
	waiters_settle(list);
	assert_string_equal(story, "ar br ");
	assert_int_equal(a.parked, 2);
	b.ready = true;
	waiters_settle(list);
	assert_string_equal(story, "ar br br ");
	waiters_close(list, NULL, WAKE_CLOSED);
	assert_string_equal(story, "ar br br ac bc ");
}

static void
test_empty(void **state)
{
	(void)state;
	waiters_settle(list);
	waiters_close(list, NULL, WAKE_CLOSED);
	waiters_close(list, &base, WAKE_CLOSED);
	waiters_destroy(NULL);
	assert_string_equal(story, "");
}

static bool
has_waited(void *arg)
{
	return strcmp(story, arg) == 0;
}

static void
test_stays(void **state)
{
	struct test_waiter a, b;

	(void)state;
	add(&a, 'a', &staying, HOUR);
	add(&b, 'b', &common, HOUR);
	a.ready = b.ready = true;
	waiters_settle(list);
	waiters_settle(list);
	assert_string_equal(story, "ar br ar ");
	a.ready = false;
	waiters_settle(list);
	waiters_close(list, &a, WAKE_CLOSED);
	assert_string_equal(story, "ar br ar ac ");
	waiters_settle(list);
	waiters_close(list, NULL, WAKE_CLOSED);
	assert_string_equal(story, "ar br ar ac ");

	story[0] = '\0';
	add(&a, 'a', &staying, 1);
	loop_until(base, has_waited, (char[]){"at at "}, 30);
	a.gone(a.gone_ctx);
	waiters_close(list, NULL, WAKE_CLOSED);
	assert_string_equal(story, "at at ag ");
}

int
main(void)
{
#define WITH_LIST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_LIST(test_ready),
	    WITH_LIST(test_order),
	    WITH_LIST(test_first_decides),
	    WITH_LIST(test_timeout),
	    WITH_LIST(test_no_time),
	    WITH_LIST(test_ready_ends_timer),
	    WITH_LIST(test_close_owner),
	    WITH_LIST(test_gone),
	    WITH_LIST(test_add_in_answer),
	    WITH_LIST(test_stays),
	    WITH_LIST(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
