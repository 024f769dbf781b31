/*
 * What the worker makes of a screen process: its questions one at a time, and
 * the end of every process that breaks the rules.  The process is this test.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "common/ring.h"
#include "fcgi/screen.h"
#include "fcgi/spawner.h"
#include "tests/unit/stubs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct event_base *base;
static struct screen *screen;
static struct ring *ring;
static int ring_fd;
static int process; /* our end of its socket */
static unsigned started, killed, failed, tried;
static int shortage; /* what spawner_screen() returns instead */
static char replies[64];

/* ---- stands in for spawner.c -------------------------------------------- */

int
spawner_screen(
    struct spawner *spawner, int memory, int checkpoint, uint32_t *id)
{
	int ends[2];

	(void)spawner;
	(void)memory;
	(void)checkpoint;
	tried++;
	if (shortage)
		return shortage;
	if (process >= 0)
		close(process);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	process = ends[1];
	*id = ++started;
	return ends[0];
}

void
spawner_kill(struct spawner *spawner, uint32_t id)
{
	(void)spawner;
	assert_int_equal(id, started);
	killed++;
}

/* ---- the owner ---------------------------------------------------------- */

static void
on_reply(void *ctx, const void *bytes, size_t len)
{
	(void)ctx;
	strncat(replies, bytes, len);
}

static void
on_failed(void *ctx)
{
	(void)ctx;
	failed++;
}

static const struct screen_owner owner = {on_reply, on_failed, NULL, "test"};

static int
setup(void **state)
{
	static char spawner; /* never looked at */

	(void)state;
	process = -1;
	started = killed = failed = tried = 0;
	shortage = 0;
	replies[0] = '\0';
	base = event_base_new();
	ring_fd = ring_make(LIMIT_RING_MIN);
	ring = ring_map(ring_fd);
	screen = screen_create(base, (struct spawner *)&spawner, &owner);
	if (!base || !ring || !screen)
		return -1;
	screen_resize(screen, 24, 80);
	screen_set_ring(screen, ring, -1, -1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	screen_destroy(screen);
	if (process >= 0)
		close(process);
	ring_unmap(ring);
	close(ring_fd);
	event_base_free(base);
	return 0;
}

static void
print(const char *text)
{
	size_t space;

	memcpy(ring_space(ring, &space), text, strlen(text));
	ring_commit(ring, strlen(text));
	screen_output(screen);
}

static void
turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* The next question, or 0 when there is none in the time of two feedings. */
static uint32_t
asked(void)
{
	const struct timeval wait = {.tv_usec = 20000};
	union {
		uint32_t type;
		uint8_t bytes[256];
	} msg;
	ssize_t n = recv(process, &msg, sizeof msg, 0);

	if (n < 0) {
		event_base_loopexit(base, &wait);
		event_base_loop(base, 0);
		n = recv(process, &msg, sizeof msg, 0);
	}
	return n > 0 ? msg.type : 0;
}

static void
answer(const void *msg, size_t size)
{
	assert_int_equal(send(process, msg, size, 0), size);
	turn();
}

static struct screen_at
at(uint64_t offset)
{
	return (struct screen_at){
	    .type = SCREEN_AT, .offset = offset, .checkpoint = 0};
}

static void
answer_at(uint64_t offset)
{
	const struct screen_at msg = at(offset);

	answer(&msg, sizeof msg);
}

/* Somebody watches, and the process has come up. */
static void
come_up(void)
{
	screen_watch(screen, true);
	assert_int_equal(asked(), SCREEN_START);
	answer_at(ring_end(ring));
	assert_int_equal(asked(), 0);
}

/* ---- what it is asked --------------------------------------------------- */

static void
test_one_question_at_a_time(void **state)
{
	(void)state;
	screen_watch(screen, true);
	print("a");
	screen_resize(screen, 50, 132);
	print("b");
	assert_int_equal(asked(), SCREEN_START);
	assert_int_equal(asked(), 0);
	answer_at(0);
	assert_int_equal(asked(), SCREEN_RESIZE);
	assert_int_equal(asked(), 0);
	answer_at(1);
	assert_int_equal(asked(), SCREEN_FEED);
	print("c");
	assert_int_equal(asked(), 0);
	answer_at(2);
	assert_int_equal(asked(), SCREEN_FEED);
	answer_at(3);
	assert_int_equal(asked(), 0);
	assert_int_equal(killed, 0);
}

/* It ends when nobody watches, and not before it has all. */
static void
test_stops(void **state)
{
	(void)state;
	come_up();
	print("x");
	assert_int_equal(asked(), SCREEN_FEED);
	screen_watch(screen, false);
	assert_int_equal(asked(), 0);
	answer_at(1);
	/* Its messages have ended: it says how far it got, and ends. */
	answer_at(1);
	close(process);
	process = -1;
	turn();
	assert_int_equal(started, 1);
	assert_int_equal(killed, 0);
	screen_watch(screen, true);
	assert_int_equal(started, 2);
}

/* Nobody watches, and output would leave the ring unread. */
static void
test_catches_up(void **state)
{
	(void)state;
	ring_commit(ring, LIMIT_RING_MIN / 4 * 3);
	screen_output(screen);
	assert_int_equal(started, 0);
	print("x");
	assert_int_equal(started, 1);
	assert_int_equal(asked(), SCREEN_START);
}

static void
test_replies(void **state)
{
	struct screen_reply msg = {
	    .type = SCREEN_REPLY, .len = 2, .offset = 1, .bytes = "hi"};

	(void)state;
	come_up();
	print("xy");
	answer(&msg, sizeof msg);
	msg.offset = 2;
	memcpy(msg.bytes, "ho", 2);
	answer(&msg, sizeof msg);
	assert_string_equal(replies, "hiho");
	assert_int_equal(killed, 0);
}

/* ---- renderings --------------------------------------------------------- */

struct wish {
	struct screen_job job; /* first */
	unsigned done;
	int error;
	char bytes[64];
};

static void
on_done(struct screen_job *job, int error, const struct screen_image *image,
    struct evbuffer *bytes)
{
	struct wish *w = (struct wish *)job;

	w->done++;
	w->error = error;
	if (image && !image->unchanged)
		evbuffer_copyout(bytes, w->bytes, sizeof w->bytes - 1);
}

static struct wish
wish_for(enum screen_format format, uint64_t since)
{
	return (struct wish){.job = {
				 .format = format,
				 .since = since,
				 .done = on_done,
			     }};
}

static void
answer_image(enum screen_format format, const char *text, uint64_t generation,
    uint32_t unchanged)
{
	const struct screen_image image = {.type = SCREEN_IMAGE,
	    .format = format,
	    .rows = 24,
	    .cols = 80,
	    .offset = ring_end(ring),
	    .generation = generation,
	    .len = strlen(text),
	    .unchanged = unchanged};
	struct {
		uint32_t type;
		char bytes[64];
	} data = {.type = SCREEN_DATA};

	strcpy(data.bytes, text);
	if (*text)
		answer(&data, sizeof data.type + strlen(text));
	answer(&image, sizeof image);
}

/* One rendering is for all who wish the same. */
static void
test_shared(void **state)
{
	struct wish first = wish_for(SCREEN_TEXT, UINT64_MAX), same = first,
		    other = wish_for(SCREEN_HTML, UINT64_MAX), known = first;

	(void)state;
	known.job.since = 7;
	come_up();
	assert_int_equal(screen_render(screen, &first.job), 0);
	assert_int_equal(screen_render(screen, &other.job), 0);
	assert_int_equal(screen_render(screen, &same.job), 0);
	assert_int_equal(screen_render(screen, &known.job), 0);
	assert_int_equal(asked(), SCREEN_RENDER);
	answer_image(SCREEN_TEXT, "text", 7, 0);
	assert_string_equal(first.bytes, "text");
	assert_string_equal(same.bytes, "text");
	assert_int_equal(known.done, 0);
	assert_int_equal(asked(), SCREEN_RENDER);
	answer_image(SCREEN_HTML, "html", 7, 0);
	assert_string_equal(other.bytes, "html");
	assert_int_equal(asked(), SCREEN_RENDER);
	answer_image(SCREEN_TEXT, "", 7, 1);
	assert_int_equal(known.done, 1);
	assert_string_equal(known.bytes, "");
	assert_int_equal(killed, 0);
}

/* Who leaves is not told, the others are. */
static void
test_cancelled(void **state)
{
	struct wish gone = wish_for(SCREEN_TEXT, UINT64_MAX),
		    stays = wish_for(SCREEN_HTML, UINT64_MAX);

	(void)state;
	come_up();
	screen_render(screen, &gone.job);
	screen_render(screen, &stays.job);
	screen_cancel(&gone.job);
	assert_int_equal(asked(), SCREEN_RENDER);
	answer_image(SCREEN_TEXT, "text", 1, 0);
	assert_int_equal(gone.done, 0);
	assert_int_equal(asked(), SCREEN_RENDER);
	answer_image(SCREEN_HTML, "html", 1, 0);
	assert_string_equal(stays.bytes, "html");
	screen_cancel(&stays.job);
}

/* What a process has begun to say is not mixed with its successor's. */
static void
test_dies_while_rendering(void **state)
{
	struct wish w = wish_for(SCREEN_TEXT, UINT64_MAX);
	const struct {
		uint32_t type;
		char bytes[4];
	} half = {SCREEN_DATA, "half"};

	(void)state;
	come_up();
	screen_render(screen, &w.job);
	answer(&half, sizeof half);
	close(process);
	process = -1;
	turn();
	turn();
	assert_int_equal(started, 2);
	assert_int_equal(asked(), SCREEN_START);
	answer_at(0);
	assert_int_equal(asked(), SCREEN_RENDER);
	answer_image(SCREEN_TEXT, "whole", 1, 0);
	assert_string_equal(w.bytes, "whole");
}

/* ---- a process that was taken over -------------------------------------- */

static void
expect_killed(const char *what, const void *msg, size_t size)
{
	unsigned before = killed;

	assert_int_equal(send(process, msg, size, 0), size);
	turn();
	if (killed != before + 1)
		fail_msg("not killed for: %s", what);
}

/* Each in a screen of its own, so that none of them has failed. */
static void
try_message(const char *what, bool rendering, const void *msg, size_t size)
{
	struct wish w = wish_for(SCREEN_TEXT, UINT64_MAX);

	teardown(NULL);
	setup(NULL);
	print("some output");
	come_up();
	if (rendering) {
		screen_render(screen, &w.job);
		assert_int_equal(asked(), SCREEN_RENDER);
	}
	expect_killed(what, msg, size);
	assert_int_equal(w.done, 0);
	screen_cancel(&w.job);
}

static void
test_rules(void **state)
{
	const struct screen_at unasked = at(3);
	const struct screen_reply good = {
	    .type = SCREEN_REPLY, .len = 2, .offset = 11};
	struct screen_reply reply = good;
	struct screen_image image = {.type = SCREEN_IMAGE, .offset = 11};
	const uint32_t data[2] = {SCREEN_DATA, 0};
	const uint32_t types[] = {
	    0, SCREEN_START, SCREEN_FEED, SPAWN_ENDED, UINT32_MAX};

	(void)state;
	try_message("AT unasked", false, &unasked, sizeof unasked);
	try_message("AT for an image", true, &unasked, sizeof unasked);
	try_message("two bytes", false, &unasked, 2);
	try_message("AT cut short", false, &unasked, sizeof unasked - 1);
	for (size_t i = 0; i < COUNT(types); i++)
		try_message("a type that is none of its", false, &types[i],
		    sizeof types[i]);
	/* It was answered up to the end before anybody watched. */
	try_message("an answer once more", false, &reply, sizeof reply);
	reply.offset = 12;
	try_message("an answer to the future", false, &reply, sizeof reply);
	reply.len = 0;
	try_message("an empty answer", false, &reply, sizeof reply);
	reply.len = SCREEN_REPLY_MAX + 1;
	try_message("too long an answer", false, &reply, sizeof reply);
	reply.len = UINT32_MAX;
	try_message("far too long an answer", false, &reply, sizeof reply);
	try_message("DATA unasked", false, data, sizeof data);
	try_message("empty DATA", true, data, sizeof data[0]);
	try_message("an image unasked", false, &image, sizeof image);
	image.format = SCREEN_TEXT;
	image.len = 5;
	try_message("more than came", true, &image, sizeof image);
	image.len = 0;
	image.offset = 12;
	try_message("of the future", true, &image, sizeof image);
	image.offset = 10;
	try_message("of the past", true, &image, sizeof image);
	image.offset = 11;
	image.format = SCREEN_HTML;
	try_message("of another format", true, &image, sizeof image);
	image.format = SCREEN_TEXT;
	image.unchanged = 1;
	try_message("unchanged since never", true, &image, sizeof image);
}

/* A rendering without end. */
static void
test_too_long(void **state)
{
	static struct {
		uint32_t type;
		char bytes[SCREEN_DATA_MAX];
	} data = {.type = SCREEN_DATA};
	struct wish w = wish_for(SCREEN_TEXT, UINT64_MAX);

	(void)state;
	come_up();
	screen_render(screen, &w.job);
	for (size_t sent = 0; sent < LIMIT_RENDERING; sent += SCREEN_DATA_MAX) {
		assert_int_equal(killed, 0);
		answer(&data, sizeof data);
	}
	expect_killed("a rendering without end", &data, sizeof data);
	screen_cancel(&w.job);
}

/* Another process has been started, or none will be. */
static bool
is_settled(void *arg)
{
	return failed || started > *(const unsigned *)arg;
}

/* On the same bytes, again and again: then there is none. */
static void
test_gives_up(void **state)
{
	struct wish w = wish_for(SCREEN_TEXT, UINT64_MAX);

	(void)state;
	stub_allow_errors(true);
	print("deadly");
	screen_watch(screen, true);
	screen_render(screen, &w.job);
	for (unsigned i = 1; i <= 4; i++) {
		assert_int_equal(started, i);
		assert_int_equal(failed, 0);
		close(process);
		process = -1;
		turn();
		loop_until(base, is_settled, &i, 20);
	}
	assert_int_equal(started, 4);
	assert_int_equal(failed, 1);
	assert_true(screen_has_failed(screen));
	assert_int_equal(w.done, 1);
	assert_int_equal(w.error, -EIO);
	assert_int_equal(screen_render(screen, &w.job), -EIO);
	/* Until the bytes have left the ring. */
	ring_commit(ring, LIMIT_RING_MIN);
	screen_output(screen);
	assert_int_equal(started, 4);
	print("x");
	assert_int_equal(started, 5);
	assert_false(screen_has_failed(screen));
}

/* Each time a little further on: replaced again and again, but not at once. */
static void
test_dies_further_on(void **state)
{
	(void)state;
	come_up();
	for (unsigned i = 1; i <= 6; i++) {
		print("x");
		assert_int_equal(asked(), SCREEN_FEED);
		answer_at(ring_end(ring));
		close(process);
		process = -1;
		turn();
		turn();
		if (i > 1)
			assert_int_equal(started, i);
		loop_until(base, is_settled, &i, 20);
		assert_int_equal(asked(), SCREEN_START);
		answer_at(ring_end(ring));
		assert_int_equal(asked(), 0);
	}
	assert_int_equal(failed, 0);
}

/* It is asked to work on and says that it has, but gets nowhere: that would go
 * on for ever. */
static void
test_gets_nowhere(void **state)
{
	const struct screen_at start = at(3), feed = at(4);

	(void)state;
	print("abcd");
	screen_watch(screen, true);
	assert_int_equal(asked(), SCREEN_START);
	expect_killed(
	    "a start that is not the whole ring", &start, sizeof start);
	screen_watch(screen, false);
	teardown(NULL);
	setup(NULL);
	print("abcd");
	come_up();
	print("e");
	assert_int_equal(asked(), SCREEN_FEED);
	expect_killed("no step on", &feed, sizeof feed);
}

static bool
has_tried(void *arg)
{
	return tried >= *(const unsigned *)arg;
}

/* No descriptor for a process: it is tried again, and nothing is given up but
 * what has waited too long. */
static void
test_shortage(void **state)
{
	struct wish w = wish_for(SCREEN_TEXT, UINT64_MAX);
	unsigned enough = 3;

	(void)state;
	shortage = -EMFILE;
	print("some");
	screen_watch(screen, true);
	screen_render(screen, &w.job);
	print("more");
	assert_int_equal(tried, 1); /* not for each byte that comes */
	loop_until(base, has_tried, &enough, 20);
	assert_int_equal(failed, 0);
	assert_int_equal(w.done, 0);
	shortage = 0;
	enough = 4;
	loop_until(base, has_tried, &enough, 20);
	assert_int_equal(started, 1);
	assert_false(screen_has_failed(screen));
	assert_int_equal(asked(), SCREEN_START);
	screen_cancel(&w.job);
}

static bool
is_done(void *arg)
{
	return ((const struct wish *)arg)->done;
}

static void
test_shortage_that_lasts(void **state)
{
	struct wish w = wish_for(SCREEN_TEXT, UINT64_MAX);

	(void)state;
	shortage = -ENOMEM;
	print("some");
	screen_watch(screen, true);
	screen_render(screen, &w.job);
	loop_until(base, is_done, &w, 30);
	assert_int_equal(w.error, -EIO);
	assert_false(screen_has_failed(screen));
	assert_true(tried < 10);
}

int
main(void)
{
#define WITH_SCREEN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_SCREEN(test_one_question_at_a_time),
	    WITH_SCREEN(test_stops),
	    WITH_SCREEN(test_catches_up),
	    WITH_SCREEN(test_replies),
	    WITH_SCREEN(test_shared),
	    WITH_SCREEN(test_cancelled),
	    WITH_SCREEN(test_dies_while_rendering),
	    WITH_SCREEN(test_rules),
	    WITH_SCREEN(test_too_long),
	    WITH_SCREEN(test_gives_up),
	    WITH_SCREEN(test_dies_further_on),
	    WITH_SCREEN(test_gets_nowhere),
	    WITH_SCREEN(test_shortage),
	    WITH_SCREEN(test_shortage_that_lasts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
