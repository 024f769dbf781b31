/* What a viewer is told next, for every place where it can stand. */
#include <endian.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/ring.h"
#include "fcgi/console.h"
#include "fcgi/frames.h"
#include "tests/unit/stubs.h"

#define RING_SIZE (2 * LIMIT_SNAPSHOT)

static struct event_base *base;
static struct console *console;
static struct ring *ring; /* a second mapping, to write to */
static int ring_fd, guest;

static int
setup(void **state)
{
	const struct console_key key = {.uuid = {1}, .kind = CONSOLE_PV};

	(void)state;
	base = event_base_new();
	console = console_create(base, &key, &stub_owner);
	ring_fd = ring_make(RING_SIZE);
	ring = ring_map(ring_fd);
	guest = -1;
	return base && console && ring && sodium_init() >= 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	console_destroy(console);
	ring_unmap(ring);
	close(ring_fd);
	if (guest >= 0)
		close(guest);
	event_base_free(base);
	return 0;
}

static void
attach(void)
{
	const struct msg_tty msg = {.type = MSG_TTY, .serial = 1};
	int fds[2], tty[TTY_FDS] = {ring_fd, -1, -1, -1, -1};

	assert_int_equal(pipe(fds), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	/* The screen has no process here, so it needs nothing. */
	tty[TTY_STORE] = memfd_make("store", LIMIT_CONSOLE_STORE, NULL, 0);
	tty[TTY_PTY] = fds[0];
	assert_int_equal(console_attach(console, tty, &msg), 0);
	guest = fds[1];
}

static uint8_t
nth(uint64_t n)
{
	return (uint8_t)('A' + n % 53);
}

/* The guest has printed len bytes more, none of them a line's end. */
static void
print_bytes(size_t len)
{
	while (len > 0) {
		uint64_t at = ring_end(ring);
		size_t space, n;
		uint8_t *to = ring_space(ring, &space);

		n = len < space ? len : space;
		for (size_t i = 0; i < n; i++)
			to[i] = nth(at + i);
		ring_commit(ring, n);
		len -= n;
	}
}

static void
print_text(const char *text)
{
	size_t space;

	memcpy(ring_space(ring, &space), text, strlen(text));
	ring_commit(ring, strlen(text));
}

/* An answer, taken apart. */
struct answer {
	char types[16];		       /* a letter for each frame */
	char events[8][512];	       /* of 'j' */
	uint64_t offset;	       /* of 'o' or 's' */
	uint8_t bytes[LIMIT_SNAPSHOT]; /* of the same */
	size_t len;
};

static struct answer got;

static void
take_frame(const uint8_t *frame, size_t len, char type)
{
	size_t n = strlen(got.types);
	uint64_t be_offset;

	assert_true(n < sizeof got.types - 1);
	got.types[n] = type;
	if (type == 'j') {
		assert_true(n < 8 && len < sizeof got.events[0]);
		memcpy(got.events[n], frame, len);
		return;
	}
	assert_true(type == 'o' || type == 's');
	assert_true(len >= sizeof be_offset);
	memcpy(&be_offset, frame, sizeof be_offset);
	got.offset = be64toh(be_offset);
	got.len = len - sizeof be_offset;
	assert_true(got.len <= sizeof got.bytes);
	memcpy(got.bytes, frame + sizeof be_offset, got.len);
}

/* As whom. */
static struct viewer asking = {.session = "9", .user = "alice"};

/* Asks from pos on, which moves, and takes the frames apart. */
static void
ask(struct position *pos)
{
	struct evbuffer *out = evbuffer_new();
	size_t left;
	const uint8_t *p;

	memset(&got, 0, sizeof got);
	frames_build(console, &asking, pos, false, out);
	left = evbuffer_get_length(out);
	p = evbuffer_pullup(out, -1);
	while (left > 0) {
		uint32_t be_len;
		size_t len;

		assert_true(left >= 5);
		memcpy(&be_len, p + 1, sizeof be_len);
		len = be32toh(be_len);
		assert_true(left - 5 >= len);
		take_frame(p + 5, len, (char)*p);
		p += 5 + len;
		left -= 5 + len;
	}
	evbuffer_free(out);
}

/* The bytes told are those before got.offset, as print_bytes() made them. */
static void
check_bytes(void)
{
	for (size_t i = 0; i < got.len; i++)
		if (got.bytes[i] != nth(got.offset - got.len + i))
			fail_msg("byte %zu is wrong", i);
}

/* pos stands at the end, and there is nothing to tell. */
static void
check_at_end(const struct position *pos)
{
	struct position now;

	frames_now(console, &now);
	assert_int_equal(pos->run, now.run);
	assert_int_equal(pos->offset, now.offset);
	assert_int_equal(pos->event, now.event);
	assert_false(frames_news(console, pos, 0));
}

static void
test_never_held(void **state)
{
	struct position pos = {0};

	(void)state;
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "jjj");
	check_at_end(&pos);
	/* A history that is no more: the screen is empty. */
	pos.run = 17;
	pos.offset = 100;
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "jjjs");
	assert_int_equal(got.offset, 0);
	assert_int_equal(got.len, 0);
	check_at_end(&pos);
	/* Then it is held for the first time. */
	attach();
	print_text("hello");
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "jjjjs");
	assert_memory_equal(got.bytes, "hello", 5);
	check_at_end(&pos);
}

static void
test_first_view(void **state)
{
	struct position pos = {0};

	(void)state;
	attach();
	print_text("login: ");
	ask(&pos);
	assert_string_equal(got.types, "jjjjs");
	assert_non_null(strstr(got.events[0], "\"type\":\"state\""));
	assert_non_null(strstr(got.events[0], "\"state\":\"up\""));
	assert_non_null(strstr(got.events[1], "\"type\":\"viewers\""));
	assert_non_null(strstr(got.events[2], "\"type\":\"size\""));
	assert_non_null(strstr(got.events[2], "\"rows\":24"));
	assert_int_equal(got.offset, 7);
	assert_int_equal(got.len, 7);
	assert_memory_equal(got.bytes, "login: ", 7);
	check_at_end(&pos);
}

static void
test_known(void **state)
{
	struct position pos;

	(void)state;
	attach();
	print_bytes(10);
	frames_now(console, &pos);
	assert_false(frames_news(console, &pos, 0));
	print_bytes(5);
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "o");
	assert_int_equal(got.offset, 15);
	assert_int_equal(got.len, 5);
	check_bytes();
	check_at_end(&pos);
}

/* The same question again brings the same bytes. */
static void
test_repeat(void **state)
{
	struct position pos, again;

	(void)state;
	attach();
	frames_now(console, &pos);
	again = pos;
	print_bytes(100);
	ask(&pos);
	ask(&again);
	assert_string_equal(got.types, "o");
	assert_int_equal(got.len, 100);
	check_bytes();
	assert_memory_equal(&pos, &again, sizeof pos);
}

static void
test_end(void **state)
{
	struct position pos;

	(void)state;
	attach();
	print_bytes(10);
	frames_now(console, &pos);
	ask(&pos);
	assert_string_equal(got.types, "");
	check_at_end(&pos);
}

/* From the first byte that is held on it is output, before it a snapshot. */
static void
test_dropped(void **state)
{
	struct position pos;

	(void)state;
	attach();
	print_bytes(3 * RING_SIZE);
	frames_now(console, &pos);
	pos.offset = ring_begin(ring);
	ask(&pos);
	assert_string_equal(got.types, "o");
	assert_int_equal(got.len, LIMIT_OUTPUT);
	check_bytes();
	frames_now(console, &pos);
	pos.offset = ring_begin(ring) - 1;
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "jjjjs");
	assert_int_equal(got.len, LIMIT_SNAPSHOT);
	check_bytes();
	check_at_end(&pos);
}

static void
test_unknown(void **state)
{
	struct position now, pos;

	(void)state;
	attach();
	print_bytes(10);
	frames_now(console, &now);
	for (int i = 0; i < 5; i++) {
		pos = now;
		if (i == 0)
			pos.run++;
		else if (i == 1)
			pos.run = 0;
		else if (i == 2)
			pos.run = UINT64_MAX;
		else if (i == 3)
			pos.offset++;
		else
			pos.offset = UINT64_MAX;
		assert_true(frames_news(console, &pos, 0));
		assert_true(frames_news(console, &pos, UINT64_MAX));
		ask(&pos);
		assert_string_equal(got.types, "jjjjs");
		assert_int_equal(got.offset, 10);
		assert_int_equal(got.len, 10);
		check_bytes();
		check_at_end(&pos);
	}
}

/* More than one answer carries: the next one goes on where it was cut. */
static void
test_cut(void **state)
{
	struct position pos;
	size_t total = 0;

	(void)state;
	attach();
	frames_now(console, &pos);
	print_bytes(2 * LIMIT_OUTPUT + 5);
	for (int i = 0; i < 3; i++) {
		assert_true(frames_news(console, &pos, 0));
		ask(&pos);
		assert_string_equal(got.types, "o");
		assert_int_equal(got.len, i < 2 ? LIMIT_OUTPUT : 5);
		check_bytes();
		total += got.len;
		assert_int_equal(pos.offset, total);
	}
	check_at_end(&pos);
}

/* What came before a change of size is told before it, over several answers
 * if there is much. */
static void
test_size_in_its_place(void **state)
{
	struct position pos;

	(void)state;
	attach();
	frames_now(console, &pos);
	print_bytes(LIMIT_OUTPUT + 10);
	console_resize(console, 50, 132);
	print_bytes(3);
	ask(&pos);
	assert_string_equal(got.types, "o");
	assert_int_equal(got.offset, LIMIT_OUTPUT);
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "ojo");
	assert_non_null(strstr(got.events[1], "\"rows\":50"));
	assert_int_equal(got.offset, LIMIT_OUTPUT + 13);
	assert_int_equal(got.len, 3);
	check_bytes();
	check_at_end(&pos);
}

/* A stretch over the end of the ring's memory is one frame. */
static void
test_wrapped(void **state)
{
	struct position pos;

	(void)state;
	attach();
	print_bytes(RING_SIZE - 10);
	frames_now(console, &pos);
	print_bytes(20);
	ask(&pos);
	assert_string_equal(got.types, "o");
	assert_int_equal(got.len, 20);
	check_bytes();
}

static void
test_snapshot_short(void **state)
{
	struct position pos = {0};

	(void)state;
	attach();
	print_text("first line\nsecond");
	ask(&pos);
	/* All of it is there, so it begins at the beginning. */
	assert_int_equal(got.len, 17);
	assert_memory_equal(got.bytes, "first line\nsecond", 17);
	/* Also when it is exactly as much as a snapshot holds. */
	print_bytes(LIMIT_SNAPSHOT - 17);
	memset(&pos, 0, sizeof pos);
	ask(&pos);
	assert_int_equal(got.len, LIMIT_SNAPSHOT);
	assert_memory_equal(got.bytes, "first line\nsecond", 17);
}

static void
test_snapshot_line(void **state)
{
	struct position pos = {0};

	(void)state;
	attach();
	print_bytes(1000);
	print_text("\nLINE ONE\nLINE TWO");
	print_bytes(LIMIT_SNAPSHOT - 12);
	ask(&pos);
	/* The cut lies within "LINE ONE": it begins behind that. */
	assert_memory_equal(got.bytes, "LINE TWO", 8);
	assert_int_equal(got.len, LIMIT_SNAPSHOT - 12 + 8);
	check_at_end(&pos);
}

static void
test_snapshot_no_line(void **state)
{
	struct position pos = {0};

	(void)state;
	attach();
	print_bytes(LIMIT_SNAPSHOT + 1);
	ask(&pos);
	assert_int_equal(got.len, LIMIT_SNAPSHOT);
	check_bytes();
}

static void
test_events_since(void **state)
{
	struct position pos, old;

	(void)state;
	attach();
	frames_now(console, &pos);
	old = pos;
	console_resize(console, 50, 132);
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "j");
	assert_non_null(strstr(got.events[0], "\"type\":\"size\""));
	assert_non_null(strstr(got.events[0], "\"rows\":50"));
	assert_non_null(strstr(got.events[0], "\"cols\":132"));
	check_at_end(&pos);
	/* Two of a kind are told as one, and stand before the output. */
	console_resize(console, 25, 80);
	console_resize(console, 30, 90);
	print_bytes(3);
	ask(&pos);
	assert_string_equal(got.types, "jo");
	assert_non_null(strstr(got.events[0], "\"rows\":30"));
	check_at_end(&pos);
	/* Who knows less is told more. */
	old.event--;
	ask(&old);
	assert_string_equal(got.types, "jjo");
}

/* Who was there is told who took over, also with a snapshot; who begins is
 * not: that was before. */
static void
test_taken_over(void **state)
{
	struct viewer bob = {.session = "2", .user = "bob", .may_type = true};
	struct position pos, lost, new = {0};

	(void)state;
	attach();
	frames_now(console, &pos);
	lost = pos;
	lost.run++;
	console_join(console, &bob);
	console_take_over(console, &bob);
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "j");
	assert_string_equal(got.events[0],
	    "{\"type\":\"mode\",\"mode\":\"watch\",\"by\":\"bob\","
	    "\"session\":\"2\"}");
	check_at_end(&pos);
	ask(&lost);
	assert_string_equal(got.types, "jjjjjs");
	assert_non_null(strstr(got.events[3], "\"type\":\"mode\""));
	check_at_end(&lost);
	ask(&new);
	assert_string_equal(got.types, "jjjjs");
	for (int i = 0; i < 4; i++)
		assert_null(strstr(got.events[i], "\"type\":\"mode\""));
	console_leave(console, &bob);
}

/* The list of them is told some time after it has changed. */
static void
run_until_viewers_told(void)
{
	const uint64_t before = console_changed(console, NEWS_VIEWERS);

	while (console_changed(console, NEWS_VIEWERS) == before)
		event_base_loop(base, EVLOOP_ONCE);
}

/* Who may not type any more is told so once, with the list of viewers; the
 * others, and who begins, are told by that list. */
static void
test_events_narrowed(void **state)
{
	static const char told[] = "{\"type\":\"mode\",\"mode\":\"watch\","
				   "\"why\":\"right-lost\"}";
	struct position pos, again, late, other, new = {0};
	int modes = 0;

	(void)state;
	attach();
	asking.may_type = true;
	console_join(console, &asking);
	run_until_viewers_told();
	frames_now(console, &pos);
	late = other = again = pos;
	console_narrow(console, &asking);
	/* Output in between is told by itself. */
	print_bytes(3);
	ask(&pos);
	assert_string_equal(got.types, "o");
	run_until_viewers_told();
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "jj");
	assert_non_null(strstr(got.events[0], "\"viewers\""));
	assert_string_equal(got.events[1], told);
	check_at_end(&pos);
	print_bytes(1);
	ask(&pos);
	assert_string_equal(got.types, "o");
	/* Asked again after a lost answer; and as late as can be. */
	ask(&again);
	assert_string_equal(got.events[1], told);
	late.run++;
	ask(&late);
	for (size_t i = 0; got.types[i] == 'j'; i++)
		modes += strcmp(got.events[i], told) == 0;
	assert_int_equal(modes, 1);
	ask(&new);
	for (size_t i = 0; got.types[i] == 'j'; i++)
		assert_null(strstr(got.events[i], "\"type\":\"mode\""));
	console_leave(console, &asking);
	/* Another one. */
	asking.narrowed = 0;
	ask(&other);
	assert_null(strstr(got.events[0], "\"type\":\"mode\""));
}

/* An event that has not happened is of another history. */
static void
test_events_future(void **state)
{
	struct position pos;

	(void)state;
	attach();
	print_bytes(3);
	frames_now(console, &pos);
	pos.event += 1000000;
	assert_true(frames_news(console, &pos, 0));
	ask(&pos);
	assert_string_equal(got.types, "jjj");
	check_at_end(&pos);
}

/* What an echo has delivered does not count, what came after it does. */
static void
test_delivered(void **state)
{
	struct position pos;

	(void)state;
	attach();
	print_bytes(10);
	frames_now(console, &pos);
	print_bytes(5);
	assert_true(frames_news(console, &pos, 0));
	assert_true(frames_news(console, &pos, 14));
	assert_false(frames_news(console, &pos, 15));
	print_bytes(1);
	assert_true(frames_news(console, &pos, 15));
	/* The answer still carries all of it. */
	ask(&pos);
	assert_int_equal(got.len, 6);
	/* Events count in any case. */
	console_resize(console, 50, 132);
	assert_true(frames_news(console, &pos, 16));
}

/* The member of obj by this name, which must be there. */
static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(obj, name, &value))
		fail_msg("no member %s", name);
	return value;
}

static const char *
text_member(struct json_object *obj, const char *name)
{
	return json_object_get_string(member(obj, name));
}

static struct json_object *
ask_json(struct position *pos)
{
	struct evbuffer *out = evbuffer_new();
	struct json_object *answer;

	frames_build(console, &asking, pos, true, out);
	evbuffer_add(out, "", 1);
	answer = json_tokener_parse((const char *)evbuffer_pullup(out, -1));
	evbuffer_free(out);
	assert_non_null(answer);
	return answer;
}

/* The last of the answer's events has this type, offset, and these bytes. */
static void
check_json_bytes(struct json_object *answer, size_t nevents, const char *type,
    int64_t offset, const void *bytes, size_t len)
{
	struct json_object *events = member(answer, "events"), *last;
	uint8_t data[1024];
	size_t n;

	assert_int_equal(json_object_array_length(events), nevents);
	last = json_object_array_get_idx(events, nevents - 1);
	assert_string_equal(text_member(last, "type"), type);
	assert_int_equal(json_object_get_int64(member(last, "offset")), offset);
	assert_int_equal(
	    sodium_base642bin(data, sizeof data, text_member(last, "data"),
		strlen(text_member(last, "data")), NULL, &n, NULL,
		sodium_base64_VARIANT_ORIGINAL),
	    0);
	assert_int_equal(n, len);
	assert_memory_equal(data, bytes, len);
}

static void
test_json(void **state)
{
	static const char bytes[] = "caf\xe9 \xff\x1b[2J\"\\";
	char next[POSITION_TEXT];
	struct json_object *answer;
	struct position pos = {0};

	(void)state;
	attach();
	print_text(bytes);
	answer = ask_json(&pos);
	check_json_bytes(
	    answer, 5, "snapshot", sizeof bytes - 1, bytes, sizeof bytes - 1);
	position_format(&pos, next);
	assert_string_equal(text_member(answer, "next"), next);
	check_at_end(&pos);
	json_object_put(answer);
	console_resize(console, 50, 132);
	print_text("\n");
	answer = ask_json(&pos);
	check_json_bytes(answer, 2, "output", sizeof bytes, "\n", 1);
	json_object_put(answer);
	answer = ask_json(&pos);
	assert_int_equal(json_object_array_length(member(answer, "events")), 0);
	json_object_put(answer);
}

static void
test_json_never_held(void **state)
{
	struct position pos = {.run = 17};
	struct json_object *answer = ask_json(&pos);

	(void)state;
	check_json_bytes(answer, 4, "snapshot", 0, "", 0);
	json_object_put(answer);
}

int
main(void)
{
#define WITH_CONSOLE(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_CONSOLE(test_never_held),
	    WITH_CONSOLE(test_first_view),
	    WITH_CONSOLE(test_known),
	    WITH_CONSOLE(test_repeat),
	    WITH_CONSOLE(test_end),
	    WITH_CONSOLE(test_dropped),
	    WITH_CONSOLE(test_unknown),
	    WITH_CONSOLE(test_cut),
	    WITH_CONSOLE(test_size_in_its_place),
	    WITH_CONSOLE(test_wrapped),
	    WITH_CONSOLE(test_snapshot_short),
	    WITH_CONSOLE(test_snapshot_line),
	    WITH_CONSOLE(test_snapshot_no_line),
	    WITH_CONSOLE(test_events_since),
	    WITH_CONSOLE(test_events_narrowed),
	    WITH_CONSOLE(test_events_future),
	    WITH_CONSOLE(test_taken_over),
	    WITH_CONSOLE(test_delivered),
	    WITH_CONSOLE(test_json),
	    WITH_CONSOLE(test_json_never_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
