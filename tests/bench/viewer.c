#include "tests/bench/viewer.h"

#include <endian.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/http.h"

#define API "/xenterm/api/v1/"

#define PATIENCE_MS 10000
#define NEXT_MAX    128

/* Frames (docs/protocol.md, 1.4): type, length; of output and snapshots then
 * an offset. */
#define FRAME_HEADER 5
#define FRAME_OFFSET 8

struct viewer {
	struct http *http;
	bool stream, show_snapshots;
	uint8_t header[FRAME_HEADER];
	size_t header_len; /* of the header that is there */
	size_t offset_len; /* of the offset that is still to come */
	uint32_t left;	   /* of the frame */
	unsigned snapshots;
};

static unsigned wait_s = 60;

void
viewer_set_wait(unsigned seconds)
{
	wait_s = seconds;
}

static bool
has_offset(uint8_t type)
{
	return type == 'o' || type == 's';
}

/* One more byte of a header. */
static void
add_header(struct viewer *v, uint8_t byte)
{
	v->header[v->header_len++] = byte;
	if (v->header_len < FRAME_HEADER)
		return;
	memcpy(&v->left, v->header + 1, sizeof v->left);
	v->left = be32toh(v->left);
	v->offset_len = has_offset(v->header[0]) ? FRAME_OFFSET : 0;
	v->snapshots += v->header[0] == 's';
}

/* Takes from the frame's payload; what of it is output is added to `to`. */
static size_t
take_payload(struct viewer *v, const uint8_t *bytes, size_t len, uint8_t *to,
    size_t *taken)
{
	size_t n = len < v->left ? len : v->left;

	if (v->offset_len > 0) {
		n = n < v->offset_len ? n : v->offset_len;
		v->offset_len -= n;
	} else if (v->header[0] == 'o' ||
		   (v->header[0] == 's' && v->show_snapshots)) {
		memcpy(to + *taken, bytes, n);
		*taken += n;
	}
	v->left -= (uint32_t)n;
	return n;
}

/* Returns how much output was in these bytes. */
static size_t
parse(struct viewer *v, const uint8_t *bytes, size_t len, uint8_t *to)
{
	size_t at = 0, taken = 0;

	while (at < len) {
		if (v->header_len < FRAME_HEADER) {
			add_header(v, bytes[at++]);
		} else {
			at += take_payload(v, bytes + at, len - at, to, &taken);
		}
		if (v->header_len == FRAME_HEADER && v->left == 0)
			v->header_len = 0;
	}
	return taken;
}

static void
poll_again(struct viewer *v)
{
	char next[NEXT_MAX], target[2 * NEXT_MAX];

	http_header(v->http, "Xenterm-Next", next, sizeof next);
	snprintf(
	    target, sizeof target, API "output?wait=%u&from=%s", wait_s, next);
	http_send(v->http, target, NULL, 0);
}

static size_t
read_poll(struct viewer *v, uint8_t *to)
{
	struct http_answer answer;
	size_t taken;

	if (!http_receive(v->http, &answer))
		return 0;
	if (answer.status != 200 && answer.status != 204)
		errx(1, "output: status %d", answer.status);
	taken = parse(v, answer.body, answer.len, to);
	poll_again(v);
	return taken;
}

size_t
viewer_read(struct viewer *v, uint8_t *to)
{
	static uint8_t raw[VIEWER_OUTPUT];

	if (!v->stream)
		return read_poll(v, to);
	return parse(v, raw, http_read_body(v->http, raw, sizeof raw), to);
}

void
viewer_wait(struct viewer *v, int ms)
{
	struct pollfd fd = {.fd = http_fd(v->http), .events = POLLIN};

	poll(&fd, 1, ms);
}

struct viewer *
viewer_open(const char *token, bool stream)
{
	static uint8_t ignored[VIEWER_OUTPUT];
	struct viewer *v = calloc(1, sizeof *v);

	if (!v)
		err(1, "viewer");
	v->stream = stream;
	v->http = http_open(token);
	http_send(v->http, stream ? API "stream" : API "output", NULL, 0);
	for (int n = 0; v->snapshots == 0; n++) {
		if (n == PATIENCE_MS / 100)
			errx(1, "no screen");
		viewer_wait(v, 100);
		viewer_read(v, ignored);
	}
	return v;
}

void
viewer_show_snapshots(struct viewer *v)
{
	v->show_snapshots = true;
}

unsigned
viewer_snapshots(const struct viewer *v)
{
	return v->snapshots - 1;
}

const struct http *
viewer_http(const struct viewer *v)
{
	return v->http;
}
