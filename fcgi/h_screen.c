/* GET api/v1/screen and api/v1/history: the screen now, and what went by. */
#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cast.h"
#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/ring.h"
#include "fcgi/audit.h"
#include "fcgi/console.h"
#include "fcgi/frames.h"
#include "fcgi/handlers.h"
#include "fcgi/lookup.h"
#include "fcgi/markup.h"
#include "fcgi/position.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/screen.h"
#include "fcgi/server.h"

struct format {
	const char *name;
	enum screen_format format;
	const char *type;
};

static const struct format formats[] = {
    {"text", SCREEN_TEXT, "text/plain; charset=utf-8"},
    {"html", SCREEN_HTML, "text/html; charset=utf-8"},
    {"ansi", SCREEN_ANSI, "application/octet-stream"},
    {"json", SCREEN_JSON, "application/json"},
};

/* The ring knows no times: a recording made of it has a line each so often. */
#define CAST_LINE_SECONDS 0.02

/* A snapshot is for a terminal that is reset: CAN, and RIS. */
#define CAST_RESET "\030\033c"

static const struct format cast_format = {
    "cast", SCREEN_ANSI, "application/x-asciicast"};

#define NFORMATS (sizeof formats / sizeof formats[0])

/* A request that waits for a rendering. */
struct view {
	struct screen_job job; /* first */
	struct conn *conn;
	struct position at; /* its offset is known in the end */
	const struct format *format;
	const struct console *console;
};

static struct evbuffer *
begin_reply(const struct position *at, const char *type)
{
	struct evbuffer *reply = reply_begin(200);
	char text[POSITION_TEXT];

	position_format(at, text);
	reply_header(reply, "Xenterm-Next", text);
	reply_body(reply, type);
	return reply;
}

static void
refuse(struct conn *conn, int error)
{
	if (error == -EIO)
		reply_problem_with(conn, 503, "no-screen", REPLY_RETRY, NULL,
		    "The screen of this console cannot be made at present; "
		    "its output can be read all the same.");
	else if (error == -ECONNRESET)
		reply_problem(
		    conn, 404, "no-such-console", "The console has gone.");
	else
		reply_problem_with(conn, 503, "overload", REPLY_RETRY, NULL,
		    "Too many are waiting for this screen.");
}

/* The output from begin to end, a line an event; the time after it. */
static double
cast_lines(FILE *out, const struct ring *ring, uint64_t begin, uint64_t end)
{
	struct cast cast = {0};
	double seconds = 0;

	while (begin < end) {
		const uint8_t *bytes = ring_at(ring, begin);
		const uint8_t *newline = memchr(bytes, '\n', end - begin);
		size_t len = newline ? (size_t)(newline + 1 - bytes)
				     : (size_t)(end - begin);

		cast_output(&cast, out, seconds, bytes, len);
		seconds += CAST_LINE_SECONDS;
		begin += len;
	}
	return seconds;
}

/* The first offset to tell of what ends at `end`: so that it has no more bytes
 * and lines than it may. */
static uint64_t
cast_begin(const struct ring *ring, uint64_t end)
{
	uint64_t begin = ring_begin(ring);
	size_t lines = 0;
	const uint8_t *bytes;

	/* Another history may have begun meanwhile. */
	if (end > ring_end(ring) || end < begin)
		return end;
	if (end - begin > LIMIT_CAST)
		begin = end - LIMIT_CAST;
	bytes = ring_at(ring, begin);
	for (size_t at = (size_t)(end - begin); at > 0; at--)
		if (bytes[at - 1] == '\n' && lines++ == LIMIT_CAST_LINES)
			return begin + at;
	return begin;
}

/* What the ring holds, and the screen that it led to: what came before it,
 * and changes of size, are not in the ring. */
static void
write_cast(
    FILE *out, const struct console *c, uint64_t end, struct evbuffer *screen)
{
	const struct ring *ring = console_ring(c);
	size_t len = evbuffer_get_length(screen);
	uint8_t *bytes = malloc(len + sizeof CAST_RESET);
	unsigned rows, cols;
	double seconds;

	console_size(c, &rows, &cols);
	cast_header(out, rows, cols, (int64_t)time(NULL), console_name(c));
	seconds = cast_lines(out, ring, cast_begin(ring, end), end);
	if (!bytes)
		return;
	memcpy(bytes, CAST_RESET, sizeof CAST_RESET - 1);
	evbuffer_copyout(screen, bytes + sizeof CAST_RESET - 1, len);
	cast_event(out, seconds, 'm', "the screen", 10);
	cast_event(out, seconds, 'o', bytes, len + sizeof CAST_RESET - 1);
	free(bytes);
}

static void
add_cast(
    struct evbuffer *reply, const struct view *view, struct evbuffer *screen)
{
	FILE *mem;
	char *text = NULL;
	size_t len;

	mem = open_memstream(&text, &len);
	if (!mem)
		return;
	write_cast(mem, view->console, view->at.offset, screen);
	/* If it has not all of it, the reply is not whole: memory was refused.
	 */
	if (fclose(mem) == 0 && text)
		evbuffer_add(reply, text, len);
	free(text);
}

/* What a browser would take for markup is what it has to be, whatever has
 * become of the process that made it.  0 or a negative errno. */
static int
check_markup(const struct view *view, struct evbuffer *bytes)
{
	size_t len = evbuffer_get_length(bytes);
	const unsigned char *text;

	if (view->format->format != SCREEN_HTML)
		return 0;
	text = evbuffer_pullup(bytes, -1);
	if (!text && len > 0)
		return -ENOMEM;
	if (text && markup_is_html((const char *)text, len))
		return 0;
	log_warn("console %s: its screen process rendered what is no screen",
	    console_id(view->console));
	return -EIO;
}

static void
on_done(struct screen_job *job, int error, const struct screen_image *image,
    struct evbuffer *bytes)
{
	struct view *view = (struct view *)job;
	struct evbuffer *reply;

	if (!error)
		error = check_markup(view, bytes);
	if (error == -ENOMEM) {
		reply_no_memory(view->conn);
	} else if (error) {
		refuse(view->conn, error);
	} else {
		view->at.offset = image->offset;
		reply = begin_reply(&view->at, view->format->type);
		if (reply && view->format == &cast_format)
			add_cast(reply, view, bytes);
		else if (reply)
			evbuffer_add_buffer_reference(reply, bytes);
		reply_send(view->conn, reply);
	}
	free(view);
}

static void
on_gone(void *ctx)
{
	struct view *view = ctx;

	screen_cancel(&view->job);
	free(view);
}

static void
render(struct request *r, const struct format *format, uint64_t history)
{
	struct console *c = r->console;
	struct view *view = calloc(1, sizeof *view);
	int error = -ENOMEM;

	if (view) {
		view->conn = r->conn;
		view->format = format;
		view->console = c;
		frames_now(c, &view->at);
		view->job = (struct screen_job){.format = format->format,
		    .history = (uint32_t)history,
		    .since = UINT64_MAX,
		    .done = on_done};
		error = screen_render(console_screen(c), &view->job);
	}
	if (error) {
		free(view);
		if (error == -ENOMEM)
			reply_no_memory(r->conn);
		else
			refuse(r->conn, error);
		return;
	}
	conn_park(r->conn, on_gone, view);
}

/* False: it was answered that there has never been any output. */
static bool
has_output(struct request *r)
{
	if (console_ring(r->console))
		return true;
	reply_problem(r->conn, 409, "not-up",
	    "This console has not been open yet, so it has no screen.");
	return false;
}

static const struct format *
find_format(const char *name)
{
	for (size_t i = 0; i < NFORMATS; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

void
handle_screen(struct worker *w, struct request *r)
{
	const char *name = request_query(r, "format");
	const struct format *format = find_format(name ? name : "text");
	uint64_t history = 0;

	(void)w;
	if (!format) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter format must be text, html, ansi or json.");
		return;
	}
	if (request_number(
		r, "history", false, 0, LIMIT_SCROLLBACK, &history) &&
	    has_output(r))
		render(r, format, history);
}

/* The screen for one who only wants a glance: no session, and no viewer. */
void
handle_preview(struct worker *w, struct request *r)
{
	const char *name = request_query(r, "console");
	uint32_t rights;

	if (!name) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter console is missing.");
		return;
	}
	r->console = lookup_console(w, r, name, &rights);
	if (!r->console)
		return;
	if (rights & RIGHT_WATCH) {
		if (!has_output(r))
			return;
		if (console_look(r->console, r->user))
			audit(&(struct audit){.event = "looked",
			    .user = r->user,
			    .address = conn_param(r->conn, "REMOTE_ADDR"),
			    .console = r->console});
		render(r, find_format("text"), 0);
		return;
	}
	audit_refused(
	    conn_param(r->conn, "REMOTE_ADDR"), r->user, name, "not-allowed");
	reply_problem(
	    r->conn, 403, "not-allowed", "You may not watch this console.");
}

/* All that the ring holds, as the guest printed it. */
static void
answer_raw(struct request *r)
{
	const struct console *c = r->console;
	const struct ring *ring = console_ring(c);
	uint64_t begin = ring_begin(ring);
	struct position at;
	struct evbuffer *reply;

	frames_now(c, &at);
	reply = begin_reply(&at, "application/octet-stream");
	if (reply)
		evbuffer_add(reply, ring_at(ring, begin), at.offset - begin);
	reply_send(r->conn, reply);
}

void
handle_history(struct worker *w, struct request *r)
{
	const char *format = request_query(r, "format");

	(void)w;
	if (format && strcmp(format, "text") != 0 &&
	    strcmp(format, "raw") != 0 && strcmp(format, "cast") != 0) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter format must be text, raw or cast.");
		return;
	}
	if (!has_output(r))
		return;
	if (format && strcmp(format, "raw") == 0)
		answer_raw(r);
	else if (format && strcmp(format, "cast") == 0)
		render(r, &cast_format, 0);
	else
		render(r, find_format("text"), LIMIT_SCROLLBACK);
}
