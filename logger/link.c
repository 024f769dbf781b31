#include "logger/link.h"

#include <endian.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/feed_proto.h"
#include "common/limits.h"
#include "common/log.h"

#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS   2000

/* A snapshot is the longest. */
#define FRAME_MAX (FEED_POSITION + LIMIT_RENDERING)

struct link {
	struct event_base *base;
	const struct link_owner *owner;
	struct sockaddr_un address;
	struct bufferevent *worker; /* NULL: away */
	struct event *retry;
	unsigned retry_ms;
	bool complained;
};

static void
lost(struct link *link, const char *why)
{
	const struct timeval delay = {.tv_sec = link->retry_ms / 1000,
	    .tv_usec = link->retry_ms % 1000 * 1000};

	if (!link->complained)
		log_warn("worker: %s: %s", link->address.sun_path, why);
	link->complained = true;
	bufferevent_free(link->worker);
	link->worker = NULL;
	event_add(link->retry, &delay);
	link->retry_ms *= 2;
	if (link->retry_ms > RETRY_MAX_MS)
		link->retry_ms = RETRY_MAX_MS;
}

static uint32_t
number_of(const uint8_t *payload)
{
	uint32_t number;

	memcpy(&number, payload, sizeof number);
	return be32toh(number);
}

static bool
take_console(struct link *link, const uint8_t *payload, size_t len)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *obj, *number;
	bool good;

	if (!tokener)
		return false;
	obj = json_tokener_parse_ex(tokener, (const char *)payload, (int)len);
	good = json_object_object_get_ex(obj, "number", &number);
	if (good)
		link->owner->console(link->owner->ctx,
		    (uint32_t)json_object_get_int64(number), obj);
	json_object_put(obj);
	json_tokener_free(tokener);
	return good;
}

/* False: it does not speak the protocol. */
static bool
take_frame(struct link *link, char type, const uint8_t *payload, size_t len)
{
	const struct link_owner *owner = link->owner;
	uint64_t be[2] = {0};

	if (type == FEED_CONSOLE)
		return take_console(link, payload, len);
	if (len < FEED_NUMBER)
		return false;
	if (type == FEED_REMOVED) {
		owner->removed(owner->ctx, number_of(payload));
		return true;
	}
	if (type == FEED_INPUT) {
		owner->input(owner->ctx, number_of(payload),
		    payload + FEED_NUMBER, len - FEED_NUMBER);
		return true;
	}
	if (len < FEED_POSITION)
		return false;
	memcpy(be, payload + FEED_NUMBER, sizeof be);
	if (type == FEED_OUTPUT)
		owner->output(owner->ctx, number_of(payload), be64toh(be[0]),
		    be64toh(be[1]), payload + FEED_POSITION,
		    len - FEED_POSITION);
	else if (type == FEED_SNAPSHOT)
		owner->snapshot(owner->ctx, number_of(payload), be64toh(be[0]),
		    be64toh(be[1]), payload + FEED_POSITION,
		    len - FEED_POSITION);
	else
		return false;
	return true;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct link *link = arg;
	uint8_t head[FEED_HEAD];
	const uint8_t *frame;

	while (evbuffer_copyout(in, head, sizeof head) == sizeof head) {
		size_t size = number_of(head + 1);

		if (size <= FRAME_MAX &&
		    evbuffer_get_length(in) < FEED_HEAD + size)
			return;
		frame = size > FRAME_MAX
			    ? NULL
			    : evbuffer_pullup(in, (ssize_t)(FEED_HEAD + size));
		if (!frame ||
		    !take_frame(link, (char)head[0], frame + FEED_HEAD, size)) {
			lost(link, "it does not speak the feed's protocol");
			return;
		}
		evbuffer_drain(in, FEED_HEAD + size);
	}
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct link *link = arg;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		log_info("worker: connected");
		link->complained = false;
		link->retry_ms = RETRY_FIRST_MS;
		link->owner->connected(link->owner->ctx);
	} else if (what & BEV_EVENT_EOF) {
		lost(link, "has gone");
	} else if (what & BEV_EVENT_ERROR) {
		lost(link, strerror(errno));
	}
}

static void
call(struct link *link)
{
	link->worker =
	    bufferevent_socket_new(link->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (!link->worker)
		log_fatal("out of memory");
	bufferevent_setcb(link->worker, on_read, NULL, on_event, link);
	bufferevent_enable(link->worker, EV_READ | EV_WRITE);
	/* What it does not succeed in at once on_event() is told. */
	if (bufferevent_socket_connect(link->worker,
		(struct sockaddr *)&link->address, sizeof link->address) < 0 &&
	    link->worker)
		lost(link, strerror(errno));
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	call(arg);
}

struct link *
link_create(
    struct event_base *base, const char *path, const struct link_owner *owner)
{
	const struct timeval now = {0};
	struct link *link = calloc(1, sizeof *link);

	if (!link)
		return NULL;
	link->base = base;
	link->owner = owner;
	link->retry_ms = RETRY_FIRST_MS;
	link->address.sun_family = AF_UNIX;
	snprintf(
	    link->address.sun_path, sizeof link->address.sun_path, "%s", path);
	link->retry = evtimer_new(base, on_retry, link);
	if (link->retry && event_add(link->retry, &now) == 0)
		return link;
	link_destroy(link);
	return NULL;
}

void
link_destroy(struct link *link)
{
	if (!link)
		return;
	if (link->worker)
		bufferevent_free(link->worker);
	if (link->retry)
		event_free(link->retry);
	free(link);
}

static void
send_frame(struct link *link, char type, const void *payload, size_t len)
{
	uint8_t head[FEED_HEAD] = {(uint8_t)type};
	uint32_t size = htobe32((uint32_t)len);

	if (!link->worker)
		return;
	memcpy(head + 1, &size, sizeof size);
	bufferevent_write(link->worker, head, sizeof head);
	bufferevent_write(link->worker, payload, len);
}

void
link_follow(struct link *link, uint32_t number, uint64_t run, uint64_t offset,
    uint8_t flags)
{
	uint8_t payload[FEED_FOLLOW_SIZE];
	uint32_t be_number = htobe32(number);
	uint64_t be[2] = {htobe64(run), htobe64(offset)};

	memcpy(payload, &be_number, sizeof be_number);
	memcpy(payload + FEED_NUMBER, be, sizeof be);
	payload[FEED_POSITION] = flags;
	send_frame(link, FEED_FOLLOW, payload, sizeof payload);
}

void
link_ask_snapshot(struct link *link, uint32_t number)
{
	uint32_t be = htobe32(number);

	send_frame(link, FEED_ASK_SNAPSHOT, &be, sizeof be);
}
