#include "tests/bench/websocket.h"

#include <endian.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/http.h"

/* The longest message there is here: what wetty gathers before it sends, half a
 * megabyte, and what escaping adds.  There is room for two and their headers.
 */
#define MESSAGE_MAX (2 * 1024 * 1024)
#define HEADER_MAX  10
#define ROOM	    (2 * (MESSAGE_MAX + HEADER_MAX))

/* A frame's first byte: that it is the message's last, and what it is. */
#define FRAME_LAST   0x80
#define FRAME_TEXT   0x1
#define FRAME_BINARY 0x2
#define FRAME_PING   0x9
#define FRAME_PONG   0xa

/* The second: the length, or that it follows in 2 or in 8 bytes. */
#define FRAME_MASKED 0x80
#define LENGTH_16    126
#define LENGTH_64    127

struct websocket {
	struct http *http;
	size_t at, end; /* of bytes: taken so far, come so far */
	uint8_t bytes[ROOM];
};

struct websocket *
websocket_open(const char *target, const char *protocol)
{
	struct websocket *ws = calloc(1, sizeof *ws);

	if (!ws)
		err(1, "websocket");
	ws->http = http_open(NULL);
	http_upgrade(ws->http, target, protocol);
	return ws;
}

/* A client's frames have a mask; one of zeros leaves the bytes as they are. */
static void
send_frame(struct websocket *ws, unsigned type, const void *bytes, size_t len)
{
	uint8_t frame[6 + WEBSOCKET_SEND_MAX] = {
	    (uint8_t)(FRAME_LAST | type), (uint8_t)(FRAME_MASKED | len)};

	if (len > WEBSOCKET_SEND_MAX)
		errx(1, "message too long");
	memcpy(frame + 6, bytes, len);
	http_write_raw(ws->http, frame, 6 + len);
}

void
websocket_send(struct websocket *ws, bool text, const void *bytes, size_t len)
{
	send_frame(ws, text ? FRAME_TEXT : FRAME_BINARY, bytes, len);
}

/* The length of the next frame's header, and of what follows it; 0: not all of
 * the header is there. */
static size_t
parse_header(const uint8_t *frame, size_t have, uint64_t *len)
{
	uint16_t len16;
	size_t head = 2;

	if (have < head)
		return 0;
	*len = frame[1];
	if (*len & FRAME_MASKED)
		errx(1, "a server's frame is not masked");
	if (*len == LENGTH_16)
		head += sizeof len16;
	else if (*len == LENGTH_64)
		head += sizeof *len;
	if (have < head)
		return 0;
	if (*len == LENGTH_16) {
		memcpy(&len16, frame + 2, sizeof len16);
		*len = be16toh(len16);
	} else if (*len == LENGTH_64) {
		memcpy(len, frame + 2, sizeof *len);
		*len = be64toh(*len);
	}
	if (*len > MESSAGE_MAX)
		errx(1, "message too long");
	return head;
}

/* Room for a whole message behind what is there. */
static void
make_room(struct websocket *ws)
{
	if (ws->at < ws->end && ws->at < ROOM / 2)
		return;
	memmove(ws->bytes, ws->bytes + ws->at, ws->end - ws->at);
	ws->end -= ws->at;
	ws->at = 0;
}

/* The next frame that is there as a whole. */
static bool
next_frame(
    struct websocket *ws, unsigned *type, const uint8_t **bytes, size_t *len)
{
	const uint8_t *frame;
	uint64_t size;
	size_t head, n;

	make_room(ws);
	for (;;) {
		frame = ws->bytes + ws->at;
		head = parse_header(frame, ws->end - ws->at, &size);
		if (head > 0 && ws->end - ws->at >= head + size)
			break;
		n = http_read_raw(
		    ws->http, ws->bytes + ws->end, ROOM - ws->end);
		if (n == 0)
			return false;
		ws->end += n;
	}
	*type = frame[0];
	*bytes = frame + head;
	*len = size;
	ws->at += head + size;
	return true;
}

bool
websocket_receive(struct websocket *ws, const uint8_t **bytes, size_t *len)
{
	unsigned type;

	while (next_frame(ws, &type, bytes, len)) {
		switch (type) {
		case FRAME_LAST | FRAME_TEXT:
		case FRAME_LAST | FRAME_BINARY:
			return true;
		case FRAME_LAST | FRAME_PING:
			send_frame(ws, FRAME_PONG, *bytes, *len);
			break;
		default:
			errx(1, "WebSocket: frame of type %#x", type);
		}
	}
	return false;
}

const struct http *
websocket_http(const struct websocket *ws)
{
	return ws->http;
}
