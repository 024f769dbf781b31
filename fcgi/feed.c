#include "fcgi/feed.h"

#include <endian.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "common/feed_proto.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/ring.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/json_build.h"
#include "fcgi/memory.h"
#include "fcgi/screen.h"
#include "fcgi/worker.h"

/* No more is made while so much waits to be read; it goes on at half of it. */
#define QUEUE_MAX (4 * LIMIT_OUTPUT)

/* A console, as far as the reader has been told of it. */
struct told {
	struct console_key key;
	uint32_t number; /* by which frames name it */
	struct feed *feed;
	struct console *console;
	bool follows, with_input, due, asked;
	uint64_t run, offset; /* of what comes next, while it is followed */
	/* The latest event told, and noticed; and where the output ended
	 * then. */
	uint64_t event, noticed, noticed_at;
	struct screen_job job;
	struct told *prev, *next; /* of those that are due */
	UT_hash_handle hh, by_number;
};

struct feed {
	struct worker *worker;
	struct evconnlistener *listener;
	struct bufferevent *reader; /* NULL: nobody is connected */
	struct told *by_key, *by_number, *due;
	uint32_t numbers;
};

static void
begin_frame(struct feed *feed, char type, size_t len)
{
	uint8_t head[FEED_HEAD] = {(uint8_t)type};
	uint32_t size = htobe32((uint32_t)len);

	memcpy(head + 1, &size, sizeof size);
	bufferevent_write(feed->reader, head, sizeof head);
}

static void
write_number(struct told *t)
{
	uint32_t number = htobe32(t->number);

	bufferevent_write(t->feed->reader, &number, sizeof number);
}

static void
write_position(struct told *t, uint64_t run, uint64_t offset)
{
	uint64_t be[2] = {htobe64(run), htobe64(offset)};

	write_number(t);
	bufferevent_write(t->feed->reader, be, sizeof be);
}

static void
add_ring(struct json_object **obj, const struct ring *ring)
{
	json_put_number(obj, "run", ring ? ring_run(ring) : 0);
	json_put_number(obj, "begin", ring ? ring_begin(ring) : 0);
	json_put_number(obj, "end", ring ? ring_end(ring) : 0);
}

static struct json_object *
view(const struct told *t)
{
	const struct console *c = t->console;
	struct json_object *obj = json_object_new_object();
	const char *user, *session;
	unsigned rows, cols;

	console_size(c, &rows, &cols);
	json_put_number(&obj, "number", t->number);
	json_put_text(&obj, "console", console_id(c));
	json_put_text(&obj, "name", console_name(c));
	json_put_text(&obj, "guest", console_guest(c));
	json_put_text(&obj, "state", proto_state_name(console_state(c)));
	json_put_number(&obj, "domid", console_domid(c));
	json_put_number(&obj, "rows", rows);
	json_put_number(&obj, "cols", cols);
	json_put_number(&obj, "viewers", console_npresent(c));
	add_ring(&obj, console_ring(c));
	if (t->event > 0 && console_changed(c, NEWS_MODE) > t->event) {
		console_taker(c, &user, &session);
		json_put_text(&obj, "taken_by", user);
	}
	return obj;
}

static void
tell_console(struct told *t)
{
	struct json_object *obj = view(t);
	size_t len;
	const char *text = json_text(obj, &len);

	if (text) {
		begin_frame(t->feed, FEED_CONSOLE, len);
		bufferevent_write(t->feed->reader, text, len);
	}
	json_object_put(obj);
	t->event = console_event(t->console);
}

/* Onto what the ring holds. */
static void
find_place(struct told *t, const struct ring *ring)
{
	if (t->run != ring_run(ring)) {
		t->run = ring_run(ring);
		t->offset = ring_begin(ring);
	}
	if (t->offset < ring_begin(ring))
		t->offset = ring_begin(ring);
	if (t->offset > ring_end(ring))
		t->offset = ring_end(ring);
}

/* Output up to the offset end, LIMIT_OUTPUT at most. */
static void
tell_output(struct told *t, const struct ring *ring, uint64_t end)
{
	uint64_t len = end > t->offset ? end - t->offset : 0;

	if (len > LIMIT_OUTPUT)
		len = LIMIT_OUTPUT;
	if (len == 0)
		return;
	begin_frame(t->feed, FEED_OUTPUT, FEED_POSITION + len);
	write_position(t, t->run, t->offset);
	bufferevent_write(t->feed->reader, ring_at(ring, t->offset), len);
	t->offset += len;
}

/* What a console printed before something happened to it is told first.
 * True: there is more to tell. */
static bool
tell(struct told *t)
{
	const struct ring *ring = console_ring(t->console);
	bool output = t->follows && ring;

	if (output)
		find_place(t, ring);
	if (t->event != console_event(t->console)) {
		uint64_t end = t->noticed_at;

		if (output && end <= ring_end(ring) && t->offset < end) {
			tell_output(t, ring, end);
			if (t->offset < end)
				return true;
		}
		tell_console(t);
	}
	if (!output)
		return false;
	tell_output(t, ring, ring_end(ring));
	return t->offset < ring_end(ring);
}

static void
pump(struct feed *feed)
{
	struct evbuffer *out = bufferevent_get_output(feed->reader);

	while (feed->due && evbuffer_get_length(out) < QUEUE_MAX) {
		struct told *t = feed->due;

		DL_DELETE(feed->due, t);
		t->due = tell(t);
		if (t->due)
			DL_APPEND(feed->due, t);
	}
}

static void
make_due(struct told *t)
{
	if (!t->due)
		DL_APPEND(t->feed->due, t);
	t->due = true;
}

static struct told *
find(struct feed *feed, const struct console *c)
{
	struct told *t;

	HASH_FIND(hh, feed->by_key, console_key_of(c), sizeof t->key, t);
	return t;
}

/* NULL when out of memory. */
static struct told *
add(struct feed *feed, struct console *c)
{
	struct told *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->key = *console_key_of(c);
	t->number = ++feed->numbers;
	t->feed = feed;
	t->console = c;
	HASH_ADD(hh, feed->by_key, key, sizeof t->key, t);
	if (!t->hh.tbl) {
		free(t);
		return NULL;
	}
	HASH_ADD(by_number, feed->by_number, number, sizeof t->number, t);
	if (!t->by_number.tbl) {
		HASH_DELETE(hh, feed->by_key, t);
		free(t);
		return NULL;
	}
	return t;
}

static void
forget(struct told *t)
{
	struct feed *feed = t->feed;

	if (t->due)
		DL_DELETE(feed->due, t);
	if (t->asked)
		screen_cancel(&t->job);
	HASH_DELETE(hh, feed->by_key, t);
	HASH_DELETE(by_number, feed->by_number, t);
	free(t);
}

static void
hang_up(struct feed *feed)
{
	struct told *t, *next;

	HASH_ITER (hh, feed->by_key, t, next)
		forget(t);
	if (feed->reader)
		bufferevent_free(feed->reader);
	feed->reader = NULL;
}

/* Where memory has been refused since, something may be missing of what the
 * reader is told: it begins anew, at the places where its files end. */
static void
check_whole(struct feed *feed, uint64_t refusals)
{
	if (!feed->reader || memory_refusals() == refusals)
		return;
	log_warn("feed: out of memory: the logger has to come again");
	hang_up(feed);
}

/* --- What the reader asks for -------------------------------------------- */

static void
on_snapshot(struct screen_job *job, int error, const struct screen_image *image,
    struct evbuffer *bytes)
{
	const uint64_t refusals = memory_refusals();
	struct told *t =
	    (struct told *)((char *)job - offsetof(struct told, job));
	const struct ring *ring = console_ring(t->console);
	struct feed *feed = t->feed;

	t->asked = false;
	if (error || !ring)
		return; /* it asks again */
	begin_frame(
	    t->feed, FEED_SNAPSHOT, FEED_POSITION + evbuffer_get_length(bytes));
	write_position(t, ring_run(ring), image->offset);
	evbuffer_add_buffer_reference(
	    bufferevent_get_output(feed->reader), bytes);
	check_whole(feed, refusals);
}

static void
ask_snapshot(struct told *t)
{
	if (t->asked || !console_ring(t->console))
		return;
	t->job = (struct screen_job){
	    .format = SCREEN_ANSI, .since = UINT64_MAX, .done = on_snapshot};
	t->asked = screen_render(console_screen(t->console), &t->job) == 0;
}

static void
follow(struct told *t, const uint8_t *payload)
{
	uint64_t be[2];

	memcpy(be, payload + FEED_NUMBER, sizeof be);
	t->follows = true;
	t->run = be64toh(be[0]);
	t->offset = be64toh(be[1]);
	t->with_input = payload[FEED_POSITION] & FEED_WITH_INPUT;
	make_due(t);
}

/* False: it is none of ours.  A console that has just been removed is fine. */
static bool
take_frame(struct feed *feed, char type, const uint8_t *payload, size_t len)
{
	struct told *t;
	uint32_t number;

	if (!(type == FEED_FOLLOW && len == FEED_FOLLOW_SIZE) &&
	    !(type == FEED_ASK_SNAPSHOT && len == FEED_NUMBER))
		return false;
	memcpy(&number, payload, sizeof number);
	number = be32toh(number);
	HASH_FIND(by_number, feed->by_number, &number, sizeof number, t);
	if (t && type == FEED_FOLLOW)
		follow(t, payload);
	else if (t)
		ask_snapshot(t);
	return true;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	const uint64_t refusals = memory_refusals();
	struct evbuffer *in = bufferevent_get_input(bev);
	struct feed *feed = arg;
	uint8_t head[FEED_HEAD];
	uint32_t size;

	while (evbuffer_copyout(in, head, sizeof head) == sizeof head) {
		const uint8_t *frame;

		memcpy(&size, head + 1, sizeof size);
		size = be32toh(size);
		if (size <= FEED_FOLLOW_SIZE &&
		    evbuffer_get_length(in) < FEED_HEAD + size)
			break;
		frame = size > FEED_FOLLOW_SIZE
			    ? NULL
			    : evbuffer_pullup(in, FEED_HEAD + (ssize_t)size);
		if (!frame || !take_frame(feed, (char)frame[0],
				  frame + FEED_HEAD, size)) {
			log_warn("feed: who is connected does not speak it");
			hang_up(feed);
			return;
		}
		evbuffer_drain(in, FEED_HEAD + size);
	}
	pump(feed);
	check_whole(feed, refusals);
}

static void
on_drained(struct bufferevent *bev, void *arg)
{
	const uint64_t refusals = memory_refusals();

	(void)bev;
	pump(arg);
	check_whole(arg, refusals);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	log_info("feed: the logger has left");
	hang_up(arg);
}

/* The one before has been replaced: it may not have been noticed to be dead. */
static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int len, void *arg)
{
	struct feed *feed = arg;
	struct console *c = NULL;

	(void)listener;
	(void)address;
	(void)len;
	hang_up(feed);
	feed->reader = bufferevent_socket_new(
	    feed->worker->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!feed->reader) {
		close(fd);
		return;
	}
	log_info("feed: a logger is connected");
	bufferevent_setcb(feed->reader, on_read, on_drained, on_event, feed);
	bufferevent_setwatermark(feed->reader, EV_WRITE, QUEUE_MAX / 2, 0);
	if (bufferevent_enable(feed->reader, EV_READ | EV_WRITE) < 0) {
		hang_up(feed);
		return;
	}
	while ((c = consoles_next(feed->worker->consoles, c)) != NULL)
		feed_news(feed, c);
}

/* --- The worker's side ------------------------------------------------------
 */

struct feed *
feed_create(struct worker *worker, int fd)
{
	struct feed *feed = calloc(1, sizeof *feed);

	if (feed)
		feed->worker = worker;
	if (feed)
		feed->listener = evconnlistener_new(worker->base, on_accept,
		    feed, LEV_OPT_CLOSE_ON_FREE, 0, fd);
	if (feed && feed->listener)
		return feed;
	close(fd);
	free(feed);
	return NULL;
}

void
feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	hang_up(feed);
	evconnlistener_free(feed->listener);
	free(feed);
}

void
feed_news(struct feed *feed, struct console *c)
{
	const uint64_t refusals = memory_refusals();
	const struct ring *ring;
	struct told *t;

	if (!feed || !feed->reader)
		return;
	t = find(feed, c);
	if (!t)
		t = add(feed, c);
	if (!t) {
		check_whole(feed, refusals);
		return;
	}
	if (t->noticed != console_event(c)) {
		ring = console_ring(c);
		t->noticed = console_event(c);
		t->noticed_at = ring ? ring_end(ring) : 0;
	}
	if (t->event == t->noticed && !t->follows)
		return;
	make_due(t);
	pump(feed);
	check_whole(feed, refusals);
}

void
feed_typed(struct feed *feed, struct console *c, const void *bytes, size_t len)
{
	const uint64_t refusals = memory_refusals();
	struct told *t = feed && feed->reader ? find(feed, c) : NULL;
	struct evbuffer *out;

	if (!t || !t->with_input)
		return;
	out = bufferevent_get_output(feed->reader);
	/* Of one that does not read the rest is forgotten. */
	if (evbuffer_get_length(out) > QUEUE_MAX + LIMIT_INPUT)
		return;
	begin_frame(feed, FEED_INPUT, FEED_NUMBER + len);
	write_number(t);
	bufferevent_write(feed->reader, bytes, len);
	check_whole(feed, refusals);
}

void
feed_removed(struct feed *feed, struct console *c)
{
	const uint64_t refusals = memory_refusals();
	struct told *t = feed && feed->reader ? find(feed, c) : NULL;

	if (!t)
		return;
	begin_frame(feed, FEED_REMOVED, FEED_NUMBER);
	write_number(t);
	forget(t);
	check_whole(feed, refusals);
}

bool
feed_is_read(const struct feed *feed)
{
	return feed && feed->reader;
}
