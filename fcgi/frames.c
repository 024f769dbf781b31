#include "fcgi/frames.h"

#include <endian.h>
#include <event2/buffer.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/ring.h"
#include "fcgi/console.h"
#include "fcgi/json_build.h"
#include "fcgi/json_view.h"
#include "fcgi/memory.h"
#include "fcgi/snapshot.h"

/* Where the answer goes: frames into out, or members of events. */
struct builder {
	const struct viewer *viewer; /* whom it is for */
	struct evbuffer *out;
	bool json;
	struct json_object *events; /* if json */
};

void
frames_now(const struct console *c, struct position *out)
{
	const struct ring *ring = console_ring(c);

	out->run = ring ? ring_run(ring) : 0;
	out->offset = ring ? ring_end(ring) : 0;
	out->event = console_event(c);
}

bool
frames_is_known(const struct console *c, const struct position *pos)
{
	const struct ring *ring = console_ring(c);

	if (!ring)
		return pos->run == 0 && pos->offset == 0;
	return pos->run == ring_run(ring) && pos->offset <= ring_end(ring) &&
	       pos->offset >= ring_begin(ring);
}

bool
frames_news(
    const struct console *c, const struct position *from, uint64_t delivered)
{
	const struct ring *ring = console_ring(c);
	uint64_t seen = from->offset > delivered ? from->offset : delivered;

	if (!frames_is_known(c, from))
		return !console_has_screen(c) || console_snapshot(c);
	if (from->event != console_event(c))
		return true;
	return ring && ring_end(ring) > seen;
}

static void
add_frame(struct evbuffer *out, char type, const void *head, size_t head_len,
    const void *bytes, size_t len)
{
	uint8_t header[5] = {(uint8_t)type};
	uint32_t size = htobe32((uint32_t)(head_len + len));

	memcpy(header + 1, &size, sizeof size);
	evbuffer_add(out, header, sizeof header);
	evbuffer_add(out, head, head_len);
	evbuffer_add(out, bytes, len);
}

static struct json_object *
base64(const uint8_t *bytes, size_t len)
{
	const int variant = sodium_base64_VARIANT_ORIGINAL;
	size_t size = sodium_base64_ENCODED_LEN(len, variant);
	char *text = malloc(size);
	struct json_object *value;

	if (!text)
		return NULL;
	sodium_bin2base64(text, size, bytes, len, variant);
	value = json_object_new_string(text);
	free(text);
	return value;
}

/* Output ('o') or a snapshot ('s') that ends at the offset end. */
static void
add_bytes(struct builder *b, char type, uint64_t end, const uint8_t *bytes,
    size_t len)
{
	uint64_t be_end = htobe64(end);
	struct json_object *event;

	if (!b->json) {
		add_frame(b->out, type, &be_end, sizeof be_end, bytes, len);
		return;
	}
	event = json_object_new_object();
	json_put_text(&event, "type", type == 's' ? "snapshot" : "output");
	json_put_number(&event, "offset", end);
	json_put(&event, "data", base64(bytes, len));
	json_append(&b->events, event);
}

/* Takes ownership of event. */
static void
add_event(struct builder *b, struct json_object *event)
{
	const char *text;
	size_t len;

	if (b->json) {
		json_append(&b->events, event);
		return;
	}
	text = json_text(event, &len);
	if (text)
		add_frame(b->out, 'j', NULL, 0, text, len);
	json_object_put(event);
}

/* Tells all kinds that changed after `known`. */
static void
add_events(struct builder *b, const struct console *c, uint64_t known)
{
	static struct json_object *(*const views[NEWS_COUNT])(
	    const struct console *) = {
	    [NEWS_STATE] = json_state_event,
	    [NEWS_VIEWERS] = json_viewers_event,
	    [NEWS_SIZE] = json_size_event,
	};

	for (int kind = 0; kind < NEWS_COUNT; kind++)
		if (views[kind] && console_changed(c, kind) > known)
			add_event(b, views[kind](c));
}

/* A change of modes is told to those who were there, and may have been made
 * watchers by it, and so is a loss of what they typed; not to who begins. */
static void
add_what_befell(struct builder *b, const struct console *c, uint64_t known)
{
	const uint64_t narrowed = b->viewer->narrowed;

	if (known > 0 && console_changed(c, NEWS_MODE) > known)
		add_event(b, json_mode_event(c));
	/* With the event that follows it, and so not twice. */
	if (known > 0 && known <= narrowed && console_event(c) > narrowed)
		add_event(b, json_narrowed_event());
	if (known > 0 && console_changed(c, NEWS_INPUT) > known)
		add_event(b, json_lost_notice(c));
}

/*
 * Without a screen: the first offset from which the end of the ring,
 * LIMIT_SNAPSHOT at most, is replayed: behind a line's end, where a guest is
 * rarely in the middle of a character or an escape sequence.
 */
static uint64_t
raw_begin(const struct ring *ring)
{
	uint64_t begin = ring_begin(ring), end = ring_end(ring);
	const uint8_t *bytes, *newline;

	if (end - begin > LIMIT_SNAPSHOT)
		begin = end - LIMIT_SNAPSHOT;
	if (begin == 0)
		return 0;
	bytes = ring_at(ring, begin);
	newline = memchr(bytes, '\n', end - begin);
	if (!newline || newline + 1 == bytes + (end - begin))
		return begin;
	return begin + (uint64_t)(newline + 1 - bytes);
}

static void
add_raw(struct builder *b, const struct ring *ring, struct position *pos)
{
	uint64_t begin = raw_begin(ring);

	pos->run = ring_run(ring);
	pos->offset = ring_end(ring);
	add_event(b, json_raw_notice());
	add_bytes(
	    b, 's', pos->offset, ring_at(ring, begin), pos->offset - begin);
}

/* All events, and the screen. */
static void
add_start(struct builder *b, const struct console *c, struct position *pos)
{
	const struct ring *ring = console_ring(c);
	const struct snapshot_image *snapshot = console_snapshot(c);

	add_events(b, c, 0);
	add_what_befell(b, c, pos->event);
	pos->event = console_event(c);
	if (!ring) {
		pos->run = pos->offset = 0;
		add_bytes(b, 's', 0, (const uint8_t *)"", 0);
	} else if (!snapshot) {
		add_raw(b, ring, pos);
	} else {
		pos->run = ring_run(ring);
		pos->offset = snapshot->offset;
		add_bytes(b, 's', pos->offset, snapshot->bytes, snapshot->len);
	}
}

/* Output up to the offset end, as far as it fits into one answer. */
static void
add_output(struct builder *b, const struct console *c, struct position *pos,
    uint64_t end)
{
	uint64_t len = end - pos->offset;

	if (len == 0)
		return;
	if (len > LIMIT_OUTPUT)
		len = LIMIT_OUTPUT;
	add_bytes(b, 'o', pos->offset + len,
	    ring_at(console_ring(c), pos->offset), len);
	pos->offset += len;
}

/* What was printed before a change of size is told before it, so that the
 * terminals of all viewers do the same.  False: there is more of it. */
static bool
add_output_before_size(
    struct builder *b, const struct console *c, struct position *pos)
{
	uint64_t size_from = console_size_from(c);

	if (console_changed(c, NEWS_SIZE) <= pos->event ||
	    size_from <= pos->offset)
		return true;
	add_output(b, c, pos, size_from);
	return pos->offset == size_from;
}

static void
add_known(struct builder *b, const struct console *c, struct position *pos)
{
	const struct ring *ring = console_ring(c);

	if (!add_output_before_size(b, c, pos))
		return; /* the events come with the next answer */
	add_events(b, c, pos->event);
	add_what_befell(b, c, pos->event);
	pos->event = console_event(c);
	if (ring)
		add_output(b, c, pos, ring_end(ring));
}

static void
add_json_answer(struct builder *b, const struct position *pos)
{
	struct json_object *answer = json_object_new_object();
	char next[POSITION_TEXT];
	const char *text;
	size_t len;

	position_format(pos, next);
	json_put_text(&answer, "next", next);
	json_put(&answer, "events", b->events);
	text = json_text(answer, &len);
	if (text)
		evbuffer_add(b->out, text, len);
	json_object_put(answer);
}

bool
frames_build(const struct console *c, const struct viewer *viewer,
    struct position *pos, bool json, struct evbuffer *out)
{
	const uint64_t refusals = memory_refusals();
	const struct position before = *pos;
	struct builder b = {
	    viewer, out, json, json ? json_object_new_array() : NULL};
	bool known = frames_is_known(c, pos);

	/* An event of the future is from another history. */
	if (pos->event > console_event(c))
		pos->event = 0;
	if (!known)
		add_start(&b, c, pos);
	if (frames_is_known(c, pos))
		add_known(&b, c, pos);
	if (json)
		add_json_answer(&b, pos);
	if (memory_refusals() == refusals)
		return true;
	*pos = before;
	return false;
}

bool
frames_position(const struct position *pos, struct evbuffer *out)
{
	const uint64_t refusals = memory_refusals();
	char text[POSITION_TEXT];

	position_format(pos, text);
	add_frame(out, 'p', NULL, 0, text, strlen(text));
	return memory_refusals() == refusals;
}
