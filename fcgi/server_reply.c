/* The replies of server.h, at once or as their peers take them. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcgiapp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "common/limits.h"
#include "common/log.h"
#include "fcgi/records.h"
#include "fcgi/server_conn.h"

struct stream_reply {
	struct evbuffer *pending; /* records that the socket has not taken */
	struct event *writable;
	void (*drained)(void *ctx);
	void *ctx;
	size_t unsent; /* bytes of pending, as the server has counted them */
};

void
conn_stream_free(struct conn *conn)
{
	struct stream_reply *stream = conn->stream;

	conn->stream = NULL;
	if (!stream)
		return;
	if (stream->writable)
		event_free(stream->writable);
	if (stream->pending)
		evbuffer_free(stream->pending);
	conn->server->unsent -= stream->unsent;
	free(stream);
}

/* Ends the request, but leaves the connection open.  (FCGX_Finish_r() would
 * close it, with a wait for the peer, or, the input stream being gone, not
 * write the end.)  False: the peer does not take it. */
static bool
end_reply(struct conn *conn)
{
	bool ok = FCGX_FClose(conn->request.err) == 0;

	ok = FCGX_FClose(conn->request.out) == 0 && ok;
	FCGX_Free(&conn->request, 0);
	return ok;
}

static bool
send_reply(struct conn *conn, struct evbuffer *reply)
{
	struct FCGX_Stream *out = conn->request.out;
	struct evbuffer_iovec piece;
	bool ok = true;

	while (ok && evbuffer_peek(reply, -1, NULL, &piece, 1) > 0 &&
	       piece.iov_len > 0) {
		ok = FCGX_PutStr(piece.iov_base, (int)piece.iov_len, out) >= 0;
		evbuffer_drain(reply, piece.iov_len);
	}
	return end_reply(conn) && ok;
}

/*
 * The send buffer is empty, but what it takes counts with the kernel's
 * overhead, up to as much again for pieces of 8 KiB (libfcgi's); so half of
 * SO_SNDBUF is sure, and a quarter is far from the edge.
 */
static bool
fits(int fd, size_t len)
{
	int size = 0;
	socklen_t n = sizeof size;

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &n) < 0)
		return false;
	return len <= (size_t)size / 4;
}

bool
conn_finish(struct conn *conn, struct evbuffer *reply)
{
	size_t len = evbuffer_get_length(reply);

	if (class_of(conn))
		return class_of(conn)->finish(conn, reply);
	conn->state = CONN_HANDLING;
	if (len <= LIMIT_INLINE_REPLY || fits(conn->request.ipcFd, len)) {
		if (!send_reply(conn, reply))
			conn->keep = false;
		conn_next(conn);
		return true;
	}
	if (!conn_stream_begin(conn, NULL, NULL))
		return false;
	conn_stream_send(conn, reply);
	conn_stream_end(conn);
	return true;
}

void
conn_finish_text(struct conn *conn, const char *text)
{
	if (class_of(conn)) {
		class_of(conn)->finish_text(conn, text);
		return;
	}
	conn_stream_free(conn);
	conn->state = CONN_HANDLING;
	if (FCGX_PutStr(text, (int)strlen(text), conn->request.out) < 0)
		conn->keep = false;
	if (!end_reply(conn))
		conn->keep = false;
	conn_next(conn);
}

/* ---- replies that are streamed ------------------------------------------- */

/* All is with the kernel. */
static void
stream_drained(struct conn *conn)
{
	if (conn->state != CONN_ENDING) {
		conn->stream->drained(conn->stream->ctx);
		return;
	}
	event_remove_timer(conn->event);
	conn_stream_free(conn);
	FCGX_Free(&conn->request, 0);
	conn_next(conn);
}

/* The peer has gone, or the reply cannot go on; told of from the loop. */
static void
stream_break(struct conn *conn)
{
	conn->left = true;
	event_active(conn->event, EV_CLOSED, 0);
}

static void
stream_count(struct conn *conn)
{
	struct stream_reply *stream = conn->stream;
	size_t pending = evbuffer_get_length(stream->pending);

	conn->server->unsent += pending - stream->unsent;
	stream->unsent = pending;
}

/* Nobody's slow peers fill the memory: those go first for whom most waits. */
static void
bound_unsent(struct server *server)
{
	while (server->unsent > LIMIT_UNSENT) {
		struct conn *conn, *most = NULL;

		DL_FOREACH (server->conns, conn)
			if (conn->stream && (!most || conn->stream->unsent >
							  most->stream->unsent))
				most = conn;
		log_warn("server: %zu bytes wait for slow readers; one is cut "
			 "off",
		    server->unsent);
		evbuffer_drain(most->stream->pending, most->stream->unsent);
		stream_count(most);
		stream_break(most);
	}
}

/* Writes what the socket takes. */
static void
stream_flush(struct conn *conn)
{
	struct stream_reply *stream = conn->stream;
	int fd = conn->request.ipcFd;

	while (!conn->left && evbuffer_get_length(stream->pending) > 0) {
		if (evbuffer_write(stream->pending, fd) > 0)
			continue;
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN && event_add(stream->writable, NULL) == 0)
			break;
		stream_break(conn);
	}
	stream_count(conn);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	(void)what;
	/* The peer has taken something. */
	if (conn->state == CONN_ENDING)
		event_add(conn->event, conn->server->patience);
	stream_flush(conn);
	if (!conn->left && !conn_stream_is_busy(conn))
		stream_drained(conn);
}

bool
conn_stream_begin(struct conn *conn, void (*drained)(void *ctx), void *ctx)
{
	struct stream_reply *stream = calloc(1, sizeof *stream);

	if (!stream)
		return false;
	conn->stream = stream;
	stream->drained = drained;
	stream->ctx = ctx;
	stream->pending = evbuffer_new();
	/* Edge-triggered like the other event of this socket. */
	stream->writable = event_new(conn->server->base, conn->request.ipcFd,
	    EV_WRITE | EV_ET, on_writable, conn);
	if (stream->pending && stream->writable && conn_watch(conn))
		return true;
	conn_stream_free(conn);
	return false;
}

/* Moves len bytes of content, or nothing, into a record of its own. */
static void
add_record(
    struct conn *conn, uint8_t kind, struct evbuffer *content, size_t len)
{
	const unsigned id = (unsigned)conn->request.requestId;
	const uint8_t header[RECORD_HEADER] = {RECORD_VERSION, kind,
	    (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(len >> 8), (uint8_t)len};

	if (evbuffer_add(conn->stream->pending, header, sizeof header) < 0 ||
	    (len > 0 && evbuffer_remove_buffer(
			    content, conn->stream->pending, len) != (int)len))
		stream_break(conn);
}

void
conn_stream_send(struct conn *conn, struct evbuffer *bytes)
{
	bool busy = conn_stream_is_busy(conn);
	size_t len;

	while (!conn->left && (len = evbuffer_get_length(bytes)) > 0)
		add_record(conn, RECORD_STDOUT, bytes,
		    len < RECORD_CONTENT ? len : RECORD_CONTENT);
	evbuffer_drain(bytes, evbuffer_get_length(bytes));
	if (!busy)
		stream_flush(conn);
	stream_count(conn);
	bound_unsent(conn->server);
}

bool
conn_stream_is_busy(const struct conn *conn)
{
	return evbuffer_get_length(conn->stream->pending) > 0;
}

void
conn_stream_end(struct conn *conn)
{
	/* Of the application: status 0, and the protocol: complete. */
	static const uint8_t complete[8];
	bool busy = conn_stream_is_busy(conn);
	struct evbuffer *end = evbuffer_new();

	if (!end || evbuffer_add(end, complete, sizeof complete) < 0) {
		if (end)
			evbuffer_free(end);
		conn_free(conn);
		return;
	}
	add_record(conn, RECORD_STDOUT, NULL, 0);
	add_record(conn, RECORD_END, end, sizeof complete);
	evbuffer_free(end);
	conn->state = CONN_ENDING;
	event_add(conn->event, conn->server->patience);
	if (!busy)
		stream_flush(conn);
	if (!conn->left && !conn_stream_is_busy(conn))
		stream_drained(conn);
}

bool
server_send_more(struct server *server)
{
	struct conn *conn;
	bool more = false;

	DL_FOREACH (server->conns, conn)
		if (conn->state == CONN_ENDING && conn_stream_is_busy(conn))
			more |= evbuffer_write(conn->stream->pending,
				    conn->request.ipcFd) > 0 ||
				errno == EAGAIN;
	return more;
}
