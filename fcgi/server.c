#define _GNU_SOURCE
#include "fcgi/server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcgiapp.h>
#include <poll.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "fcgi/memory.h"
#include "fcgi/records.h"

/* Connections taken in one turn; the others have theirs in the next. */
#define ACCEPTS_PER_TURN 64

/* The pause when descriptors or memory run out. */
#define ACCEPT_REST_MS 100

/* Replies that are on their way when the server ends have so much time. */
#define LAST_MS	      1000
#define LAST_PAUSE_MS 5

/* Of conn_base.refusals: it is not known any more. */
#define REFUSALS_UNKNOWN UINT64_MAX

struct server {
	struct event_base *base;
	struct event *listener, *rest;
	int fd;
	server_handler handler;
	void *ctx;
	struct conn *conns;
	struct conn *spare; /* for who comes next, or NULL */
	bool complained;    /* since the last one came */
	size_t nconns, nrequests;
	size_t unsent; /* bytes of replies that wait for their peers */
	/* Common timeouts of libevent. */
	const struct timeval *deadline, *patience;
	uint8_t peek[LIMIT_REQUEST];
};

enum conn_state {
	CONN_READING,  /* a request, or nothing yet */
	CONN_HANDLING, /* the handler has it */
	CONN_PARKED,
	CONN_ENDING, /* the last bytes of a reply are on their way */
};

struct stream_reply {
	struct evbuffer *pending; /* records that the socket has not taken */
	struct event *writable;
	void (*drained)(void *ctx);
	void *ctx;
	size_t unsent; /* bytes of pending, as the server has counted them */
};

struct conn {
	struct conn_base base; /* first */
	struct server *server;
	struct conn *prev, *next;
	struct event *event; /* edge-triggered, for as long as it lives */
	struct event place;  /* of that one: nobody is sent away without */
	enum conn_state state;
	time_t begun; /* monotonic seconds; 0: no request is being waited for */
	bool part;    /* some of a request is there */
	bool keep;    /* the peer will send another request */
	bool left;    /* the peer has gone */
	FCGX_Request request;
	uint8_t *body;
	size_t body_len;
	bool body_too_large;
	void (*gone)(void *ctx);
	void *gone_ctx;
	struct stream_reply *stream;
};

static const struct conn_class *
class_of(const struct conn *conn)
{
	return ((const struct conn_base *)conn)->class;
}

static struct conn_base *
base_of(struct conn *conn)
{
	return (struct conn_base *)conn;
}

static void
stream_free(struct conn *conn)
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

static void
conn_free(struct conn *conn)
{
	struct server *server = conn->server;

	stream_free(conn);
	if (conn->event)
		event_del(conn->event);
	if (conn->request.ipcFd >= 0)
		close(conn->request.ipcFd);
	/* After close(), so that libfcgi has nothing to wait for. */
	FCGX_Free(&conn->request, 0);
	if (conn->state != CONN_READING)
		server->nrequests--;
	DL_DELETE(server->conns, conn);
	server->nconns--;
	free(conn->body);
	free(conn);
}

/*
 * Reads all of stdin: closing a socket with unread bytes in it would reset
 * the connection before nginx has read the reply.
 */
static void
read_body(struct conn *conn)
{
	uint8_t *bytes = conn->server->peek; /* free to use by now */
	int n = FCGX_GetStr(
	    (char *)bytes, sizeof conn->server->peek, conn->request.in);

	if (n > LIMIT_BODY) {
		conn->body_too_large = true;
	} else if (n > 0) {
		conn->body = malloc((size_t)n);
		if (conn->body) {
			memcpy(conn->body, bytes, (size_t)n);
			conn->body_len = (size_t)n;
		}
	}
	if (n > 0)
		sodium_memzero(bytes, (size_t)n);
}

/*
 * A whole request lies in the socket.  FCGX_Accept_r() does not accept when
 * it is given a connection that is to be kept, and does not block, since the
 * socket does not and all it asks for is there; a request that is broken
 * otherwise it ends with an error and a closed socket.  Without memory it would
 * abort: it gets some of the reserve, and the handler has to answer at once.
 */
static void
conn_begin(struct conn *conn)
{
	struct server *server = conn->server;
	bool broken;

	if (conn->event)
		event_remove_timer(conn->event);
	conn->begun = 0;
	conn->request.keepConnection = 1;
	conn->base.refusals = memory_refusals();
	memory_reserve_begin();
	broken = FCGX_Accept_r(&conn->request) < 0;
	memory_reserve_end();
	if (broken) {
		log_debug("server: a broken request");
		conn_free(conn);
		return;
	}
	conn->keep = conn->request.keepConnection;
	conn->state = CONN_HANDLING;
	server->nrequests++;
	read_body(conn);
	/* Its buffer is half of what a waiting request would hold. */
	FCGX_FreeStream(&conn->request.in);
	server->handler(server->ctx, conn);
}

/*
 * Goes on if a request has arrived.  True: conn is as before, and waits for
 * (more of) one.  Otherwise conn may be no more.
 */
static bool
conn_look(struct conn *conn)
{
	struct server *server = conn->server;
	enum request_progress progress = REQUEST_PART;
	ssize_t n = recv(conn->request.ipcFd, server->peek, sizeof server->peek,
	    MSG_PEEK | MSG_DONTWAIT);

	conn->part = n > 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n > 0) {
		progress = records_look(server->peek, (size_t)n);
		/* Tokens, and what is typed. */
		sodium_memzero(server->peek, (size_t)n);
	}
	if (progress == REQUEST_WHOLE) {
		conn_begin(conn);
		return false;
	}
	if (n > 0 && progress == REQUEST_PART &&
	    (size_t)n < sizeof server->peek)
		return true;
	if (n > 0)
		log_warn("server: %s", progress == REQUEST_BROKEN
					   ? "a broken request"
					   : "a request that is too large");
	conn_free(conn);
	return false;
}

/* The event's timeout is for a peer that is silent; one that drips does not
 * get more time. */
static bool
is_late(const struct conn *conn, short what)
{
	return (what & EV_TIMEOUT) ||
	       (conn->begun &&
		   clock_seconds() - conn->begun > LIMIT_REQUEST_SECONDS);
}

static void
conn_read(struct conn *conn, short what)
{
	if (is_late(conn, what)) {
		log_warn("server: a request was not complete after %d s",
		    LIMIT_REQUEST_SECONDS);
		conn_free(conn);
		return;
	}
	if (!conn_look(conn))
		return;
	/* Has left, and what it has sent is not a whole request. */
	if (conn->left) {
		conn_free(conn);
	} else if (conn->part && !conn->begun) {
		/* A kept connection has time until the next one begins. */
		conn->begun = clock_seconds();
		event_add(conn->event, conn->server->deadline);
	}
}

/* A peer that closes before it has read all that was streamed to it resets the
 * connection, which libevent tells as EV_READ. */
static bool
is_reset(int fd)
{
	uint8_t byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno != EAGAIN && errno != EINTR;
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	if ((what & EV_CLOSED) || (conn->stream && is_reset(fd)))
		conn->left = true;
	if (conn->state == CONN_READING) {
		conn_read(conn, what);
	} else if (conn->state == CONN_PARKED && conn->left) {
		conn->gone(conn->gone_ctx);
		conn_free(conn);
	} else if (conn->state == CONN_ENDING &&
		   (conn->left || (what & EV_TIMEOUT))) {
		conn_free(conn);
	}
	/* What comes while a request is handled is looked at afterwards. */
}

/* Edge-triggered: what has been looked at stays in the socket. */
static bool
conn_watch(struct conn *conn)
{
	if (conn->event)
		return true;
	if (event_assign(&conn->place, conn->server->base, conn->request.ipcFd,
		EV_READ | EV_CLOSED | EV_PERSIST | EV_ET, on_event, conn) < 0 ||
	    event_add(&conn->place, NULL) < 0)
		return false;
	conn->event = &conn->place;
	return true;
}

/* Takes ownership of conn, which is all 0, and fd. */
static void
conn_start(struct server *server, struct conn *conn, int fd)
{
	FCGX_InitRequest(&conn->request, -1, 0); /* fails before FCGX_Init() */
	conn->request.ipcFd = fd;
	conn->server = server;
	DL_APPEND(server->conns, conn);
	server->nconns++;
	/* nginx writes right after it has connected: it may be there. */
	if (!conn_look(conn))
		return;
	conn->begun = clock_seconds();
	if (!conn_watch(conn) || event_add(conn->event, server->deadline) < 0)
		conn_free(conn);
}

/* With errno set: nobody was there, or can be taken.  Memory comes first: who
 * has not been accepted is not sent away, but waits. */
static bool
accept_one(struct server *server, int fd)
{
	struct conn *conn;
	int sock;

	if (server->nconns >= LIMIT_CONNS) {
		errno = EMFILE;
		return false;
	}
	if (!server->spare)
		server->spare = calloc(1, sizeof *server->spare);
	if (!server->spare)
		return false;
	sock = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (sock < 0)
		return false;
	conn = server->spare;
	server->spare = NULL;
	server->complained = false;
	conn_start(server, conn, sock);
	return true;
}

static void
on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		if (accept_one(server, fd))
			continue;
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		if (!server->complained)
			log_warn("server: accept: %s", strerror(errno));
		server->complained = true;
		/* Who cannot be woken does not go to sleep. */
		if (event_add(server->rest,
			&(struct timeval){.tv_usec = ACCEPT_REST_MS * 1000}) ==
		    0)
			event_del(server->listener);
		return;
	}
}

static void
on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)what;
	if (event_add(server->listener, NULL) < 0)
		event_active(server->rest, EV_TIMEOUT, 0);
}

struct server *
server_create(
    struct event_base *base, int fd, server_handler handler, void *ctx)
{
	const struct timeval deadline = {.tv_sec = LIMIT_REQUEST_SECONDS};
	const struct timeval patience = {.tv_sec = LIMIT_REPLY_SECONDS};
	struct server *server;

	/* OS_Close() of libfcgi would wait 2 s for a peer to hang up. */
	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0", 1);
	if (FCGX_Init() != 0) {
		errno = ENOMEM;
		return NULL;
	}
	server = calloc(1, sizeof *server);
	if (!server)
		return NULL;
	server->base = base;
	server->fd = fd;
	server->handler = handler;
	server->ctx = ctx;
	server->deadline = event_base_init_common_timeout(base, &deadline);
	server->patience = event_base_init_common_timeout(base, &patience);
	server->listener =
	    event_new(base, fd, EV_READ | EV_PERSIST, on_connection, server);
	server->rest = evtimer_new(base, on_rested, server);
	if (!server->deadline || !server->patience || !server->listener ||
	    !server->rest || event_add(server->listener, NULL) < 0) {
		server_destroy(server);
		errno = ENOMEM;
		return NULL;
	}
	return server;
}

void
server_close_listener(struct server *server)
{
	if (server->listener)
		event_free(server->listener);
	server->listener = NULL;
	if (server->fd >= 0)
		close(server->fd);
	server->fd = -1;
	event_del(server->rest);
}

/* Of what has been answered, but not taken yet.  False: that was all. */
static bool
send_more(struct server *server)
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

void
server_destroy(struct server *server)
{
	uint64_t end = clock_ms() + LAST_MS;
	struct conn *conn, *next;

	if (!server)
		return;
	while (send_more(server) && clock_ms() < end)
		poll(NULL, 0, LAST_PAUSE_MS);
	DL_FOREACH_SAFE (server->conns, conn, next)
		conn_free(conn);
	if (server->rest) {
		server_close_listener(server);
		event_free(server->rest);
	}
	free(server->spare);
	free(server);
}

size_t
server_connections(const struct server *server)
{
	return server->nconns;
}

size_t
server_requests(const struct server *server)
{
	return server->nrequests;
}

const char *
conn_param(const struct conn *conn, const char *name)
{
	const char *value;

	if (class_of(conn))
		return class_of(conn)->param(conn, name);
	value = FCGX_GetParam(name, conn->request.envp);
	return value ? value : "";
}

const uint8_t *
conn_body(const struct conn *conn, size_t *len, bool *too_large)
{
	if (class_of(conn))
		return class_of(conn)->body(conn, len, too_large);
	*len = conn->body_len;
	*too_large = conn->body_too_large;
	return conn->body;
}

bool
conn_was_refused(const struct conn *conn)
{
	uint64_t before = ((const struct conn_base *)conn)->refusals;

	return before != REFUSALS_UNKNOWN && before != memory_refusals();
}

void
conn_park(struct conn *conn, void (*gone)(void *ctx), void *ctx)
{
	base_of(conn)->refusals = REFUSALS_UNKNOWN;
	if (class_of(conn)) {
		class_of(conn)->park(conn, gone, ctx);
		return;
	}
	conn->state = CONN_PARKED;
	conn->gone = gone;
	conn->gone_ctx = ctx;
	free(conn->body);
	conn->body = NULL;
	conn->body_len = 0;
	/* Without memory for it the peer's leaving is noticed at the answer. */
	if (conn_watch(conn) && conn->left)
		event_active(conn->event, EV_CLOSED, 0);
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

/* A request has been answered; there may be a next one. */
static void
conn_next(struct conn *conn)
{
	if (!conn->keep || conn->left || !conn_watch(conn)) {
		conn_free(conn);
		return;
	}
	conn->state = CONN_READING;
	conn->server->nrequests--;
	free(conn->body);
	conn->body = NULL;
	conn->body_len = 0;
	conn->body_too_large = false;
	/* For what came while this one was handled: not from here, or who
	 * sends one request upon the other would have us call ourselves. */
	event_active(conn->event, EV_READ, 0);
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
	stream_free(conn);
	conn->state = CONN_HANDLING;
	if (FCGX_PutStr(text, (int)strlen(text), conn->request.out) < 0)
		conn->keep = false;
	if (!end_reply(conn))
		conn->keep = false;
	conn_next(conn);
}

/* ---- replies that are streamed --------------------------------------------
 */

/* All is with the kernel. */
static void
stream_drained(struct conn *conn)
{
	if (conn->state != CONN_ENDING) {
		conn->stream->drained(conn->stream->ctx);
		return;
	}
	event_remove_timer(conn->event);
	stream_free(conn);
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
	stream_free(conn);
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
