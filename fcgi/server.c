#define _GNU_SOURCE
#include "fcgi/server.h"

#include <errno.h>
#include <event2/event.h>
#include <fcgiapp.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "fcgi/memory.h"
#include "fcgi/records.h"
#include "fcgi/server_conn.h"

/* Connections taken in one turn; the others have theirs in the next. */
#define ACCEPTS_PER_TURN 64

/* The pause when descriptors or memory run out. */
#define ACCEPT_REST_MS 100

/* Replies that are on their way when the server ends have so much time. */
#define LAST_MS	      1000
#define LAST_PAUSE_MS 5

/* Of conn_base.refusals: it is not known any more. */
#define REFUSALS_UNKNOWN UINT64_MAX

static struct conn_base *
base_of(struct conn *conn)
{
	return (struct conn_base *)conn;
}

void
conn_free(struct conn *conn)
{
	struct server *server = conn->server;

	conn_stream_free(conn);
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
bool
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

void
server_destroy(struct server *server)
{
	uint64_t end = clock_ms() + LAST_MS;
	struct conn *conn, *next;

	if (!server)
		return;
	while (server_send_more(server) && clock_ms() < end)
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

void
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
