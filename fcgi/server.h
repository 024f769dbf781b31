/*
 * The FastCGI side: connections from nginx, one request at a time each.
 *
 * Requests are in server.c, replies in server_reply.c: the only users of
 * libfcgi, and what keeps its blocking calls away from the reactor:
 *
 *  - A connection is looked at (MSG_PEEK) until the whole request lies in the
 *    socket's buffer; only then libfcgi reads it, from a non-blocking socket.
 *    A peer that connects and says nothing, sends half a request, or leaves
 *    in the middle costs an epoll entry until its deadline, nothing else.
 *  - A request that waits is parked: no thread, and the peer's leaving is
 *    noticed by EPOLLRDHUP.
 *  - A reply that fits into the empty send buffer is written at once.  One
 *    that is longer, or is streamed, is written past libfcgi, in records of our
 *    own, as far as the socket takes it; the rest waits for EPOLLOUT.
 */
#ifndef XENTERM_SERVER_H
#define XENTERM_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct evbuffer;
struct server;
struct conn;

/* Called for each complete request.  It must end in conn_finish(), now or
 * after conn_park(). */
typedef void (*server_handler)(void *ctx, struct conn *conn);

/* Takes ownership of the listening socket fd.  NULL with errno set. */
struct server *server_create(
    struct event_base *base, int fd, server_handler handler, void *ctx);
/* Closes every connection; what has been answered has a second to be taken.
 * NULL is fine. */
void server_destroy(struct server *server);
/* Accepts no more; those parked or being answered go on. */
void server_close_listener(struct server *server);
/* Connections there are, and those of them that have a request. */
size_t server_connections(const struct server *server);
size_t server_requests(const struct server *server);

/*
 * A request may come in another way than FastCGI (fcgi/admin.h): what it
 * begins with, and what then answers the calls below.
 */
struct conn_base {
	const struct conn_class *class; /* NULL: FastCGI */
	/* memory_refusals() when the request began to be read; see
	 * conn_was_refused(). */
	uint64_t refusals;
};
struct conn_class {
	const char *(*param)(const struct conn *conn, const char *name);
	const uint8_t *(*body)(
	    const struct conn *conn, size_t *len, bool *too_large);
	void (*park)(struct conn *conn, void (*gone)(void *ctx), void *ctx);
	bool (*finish)(struct conn *conn, struct evbuffer *reply);
	void (*finish_text)(struct conn *conn, const char *text);
};

/* A FastCGI parameter; "" when nginx did not send it. */
const char *conn_param(const struct conn *conn, const char *name);

/* The request's body.  *too_large: it was longer than LIMIT_BODY, and is not
 * there.  Lives as long as conn. */
const uint8_t *conn_body(const struct conn *conn, size_t *len, bool *too_large);

/* Memory was refused since the request began to be read, so it may look other
 * than it was sent.  Not of one that has been parked. */
bool conn_was_refused(const struct conn *conn);

/* Frees what only reading needed and watches for the peer's leaving: then
 * gone(ctx) is called, and conn is no more. */
void conn_park(struct conn *conn, void (*gone)(void *ctx), void *ctx);

/* Sends the reply, CGI headers and body; conn is not the caller's any more.
 * Drains reply, which stays the caller's.  False: out of memory; nothing was
 * sent, and conn is as before. */
bool conn_finish(struct conn *conn, struct evbuffer *reply);

/* The same, but it needs no memory, and so does not fail: text has at most
 * LIMIT_INLINE_REPLY bytes.  Of a stream, as long as nothing was sent. */
void conn_finish_text(struct conn *conn, const char *text);

/*
 * A reply whose end is not known yet.  Between begin and end the request is to
 * be parked, so that the peer's leaving is noticed.  drained(ctx) is called
 * from the loop, never from within the calls below, when the peer has taken
 * all of what it had left to wait.  False: out of memory; conn is as before.
 */
bool conn_stream_begin(
    struct conn *conn, void (*drained)(void *ctx), void *ctx);
/* Sends the CGI headers, at first, and the body.  Drains bytes, which stays
 * the caller's. */
void conn_stream_send(struct conn *conn, struct evbuffer *bytes);
/* Some of what was sent still waits for the peer: to send more would only fill
 * memory. */
bool conn_stream_is_busy(const struct conn *conn);
/* The reply is complete; conn is not the caller's any more. */
void conn_stream_end(struct conn *conn);

#endif
