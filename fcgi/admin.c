#include "fcgi/admin.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "common/limits.h"
#include "fcgi/admin_routes.h"
#include "fcgi/memory.h"
#include "fcgi/route.h"
#include "fcgi/server.h"
#include "fcgi/worker.h"

/* A peer that does not send, or does not read. */
#define REQUEST_SECONDS 30

/* Longer bodies than LIMIT_BODY are answered; libevent hangs up upon those
 * that are longer than this. */
#define MAX_BODY (4 * LIMIT_BODY)

#define METHODS                                                                \
	(EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | \
	    EVHTTP_REQ_DELETE)

struct admin {
	struct worker *worker;
	struct evhttp *http;
	struct admin_conn *parked;
	/* A connection that is being made: */
	struct bufferevent *newcomer;
	struct event *made;
	uint64_t refusals;
};

/* A request, until it is answered. */
struct admin_conn {
	struct conn_base base; /* first */
	struct admin *admin;
	struct evhttp_request *req;
	char *path; /* decoded */
	char length[24];
	struct event *closed; /* while it is parked */
	void (*gone)(void *ctx);
	void *gone_ctx;
	struct admin_conn *prev, *next;
};

static const char *
method_name(struct evhttp_request *req)
{
	switch (evhttp_request_get_command(req)) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	default:
		return "";
	}
}

static const char *
header(struct evhttp_request *req, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(req), name);
}

/* In FastCGI's names.  Who may open the socket is root, or whoever runs the
 * worker: there is no other identity. */
static const char *
admin_param(const struct conn *conn, const char *name)
{
	const struct admin_conn *c = (const struct admin_conn *)conn;
	const char *value = NULL;

	if (strcmp(name, "REQUEST_METHOD") == 0)
		value = method_name(c->req);
	else if (strcmp(name, "PATH_INFO") == 0)
		value = c->path;
	else if (strcmp(name, "QUERY_STRING") == 0)
		value =
		    evhttp_uri_get_query(evhttp_request_get_evhttp_uri(c->req));
	else if (strcmp(name, "CONTENT_LENGTH") == 0)
		value = c->length;
	else if (strcmp(name, "CONTENT_TYPE") == 0)
		value = header(c->req, "Content-Type");
	else if (strcmp(name, "HTTP_ACCEPT") == 0)
		value = header(c->req, "Accept");
	else if (strcmp(name, "HTTP_XENTERM_TOKEN") == 0)
		value = header(c->req, "Xenterm-Token");
	else if (strcmp(name, "REMOTE_USER") == 0)
		value = ADMIN_USER;
	return value ? value : "";
}

static const uint8_t *
admin_body(const struct conn *conn, size_t *len, bool *too_large)
{
	const struct admin_conn *c = (const struct admin_conn *)conn;
	struct evbuffer *in = evhttp_request_get_input_buffer(c->req);

	const uint8_t *body = evbuffer_pullup(in, -1);

	/* Without memory for it, conn_was_refused() tells. */
	*len = body ? evbuffer_get_length(in) : 0;
	*too_large = *len > LIMIT_BODY;
	return body;
}

static void
conn_free(struct admin_conn *c)
{
	if (c->closed) {
		event_free(c->closed);
		DL_DELETE(c->admin->parked, c);
	}
	free(c->path);
	free(c);
}

/* The answer goes nowhere, and libevent closes the connection upon it. */
static void
on_closed(evutil_socket_t fd, short what, void *arg)
{
	struct admin_conn *c = arg;
	struct evhttp_request *req = c->req;

	(void)fd;
	(void)what;
	c->gone(c->gone_ctx);
	conn_free(c);
	evhttp_send_error(req, HTTP_INTERNAL, NULL);
}

/* libevent does not read while a request is being handled, so it would not
 * notice; without memory for it nor do we. */
static void
watch(struct admin_conn *c)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(
	    evhttp_request_get_connection(c->req));

	if (c->closed)
		return;
	c->closed = event_new(c->admin->worker->base, bufferevent_getfd(bev),
	    EV_CLOSED, on_closed, c);
	if (!c->closed)
		return;
	event_add(c->closed, NULL);
	DL_APPEND(c->admin->parked, c);
}

static void
admin_park(struct conn *conn, void (*gone)(void *ctx), void *ctx)
{
	struct admin_conn *c = (struct admin_conn *)conn;

	c->gone = gone;
	c->gone_ctx = ctx;
	watch(c);
}

/* "Name: value"; the status is kept out of the headers. */
static void
take_header(struct evhttp_request *req, char *line, int *status)
{
	char *value = strstr(line, ": ");

	if (!value)
		return;
	*value = '\0';
	value += 2;
	if (strcmp(line, "Status") == 0)
		*status = atoi(value);
	else
		evhttp_add_header(
		    evhttp_request_get_output_headers(req), line, value);
}

/* What is missing of an answer for which libevent had no memory is not to be
 * seen: such a one is not sent, and the connection is closed. */
static bool
admin_finish(struct conn *conn, struct evbuffer *reply)
{
	struct admin_conn *c = (struct admin_conn *)conn;
	struct evhttp_request *req = c->req;
	struct evhttp_connection *peer = evhttp_request_get_connection(req);
	uint64_t refusals = memory_refusals();
	int status = HTTP_INTERNAL;
	char *line;
	size_t len;

	conn_free(c);
	while ((line = evbuffer_readln(
		    reply, &len, EVBUFFER_EOL_CRLF_STRICT)) != NULL) {
		take_header(req, line, &status);
		free(line);
		if (len == 0)
			break;
	}
	evhttp_send_reply(req, status, NULL, reply);
	if (memory_refusals() != refusals)
		evhttp_connection_free(peer);
	return true;
}

static void
admin_finish_text(struct conn *conn, const char *text)
{
	struct admin_conn *c = (struct admin_conn *)conn;
	struct evbuffer *reply = evbuffer_new();

	if (reply && evbuffer_add(reply, text, strlen(text)) == 0) {
		admin_finish(conn, reply);
	} else {
		evhttp_connection_free(evhttp_request_get_connection(c->req));
		conn_free(c);
	}
	if (reply)
		evbuffer_free(reply);
}

static const struct conn_class admin_class = {
    .param = admin_param,
    .body = admin_body,
    .park = admin_park,
    .finish = admin_finish,
    .finish_text = admin_finish_text,
};

/* NULL when it is no text, or out of memory. */
static char *
decoded_path(struct evhttp_request *req)
{
	const char *raw =
	    evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
	size_t len = 0;
	char *path = raw ? evhttp_uridecode(raw, 0, &len) : NULL;

	if (path && strlen(path) == len)
		return path;
	free(path);
	return NULL;
}

static void
on_request(struct evhttp_request *req, void *ctx)
{
	struct admin *admin = ctx;
	uint64_t refusals = memory_refusals();
	struct admin_conn *c = calloc(1, sizeof *c);

	if (c)
		c->path = decoded_path(req);
	if (!c || !c->path) {
		free(c);
		evhttp_send_error(req,
		    memory_refusals() == refusals ? HTTP_BADREQUEST
						  : HTTP_SERVUNAVAIL,
		    NULL);
		return;
	}
	c->base = (struct conn_base){&admin_class, refusals};
	c->admin = admin;
	c->req = req;
	snprintf(c->length, sizeof c->length, "%zu",
	    evbuffer_get_length(evhttp_request_get_input_buffer(req)));
	route_dispatch(&admin_table, admin->worker, (struct conn *)c);
}

/* Who came when there was no memory is sent away, and what was of the reserve
 * is given back. */
static void
on_made(evutil_socket_t fd, short what, void *arg)
{
	struct admin *admin = arg;

	(void)fd;
	(void)what;
	memory_reserve_end();
	if (memory_refusals() != admin->refusals)
		shutdown(bufferevent_getfd(admin->newcomer), SHUT_RDWR);
}

/*
 * libevent asks for this right before it makes a connection, and ends the
 * program when it has no memory for all of it (http.c,
 * evhttp_connection_free(), of one without a base).
 */
static struct bufferevent *
on_connection(struct event_base *base, void *arg)
{
	struct admin *admin = arg;

	admin->refusals = memory_refusals();
	memory_reserve_begin();
	admin->newcomer = bufferevent_socket_new(base, -1, 0);
	event_active(admin->made, EV_TIMEOUT, 0);
	return admin->newcomer;
}

struct admin *
admin_create(struct worker *worker, int fd)
{
	struct admin *admin = calloc(1, sizeof *admin);

	if (!admin) {
		close(fd);
		return NULL;
	}
	admin->worker = worker;
	admin->made = evtimer_new(worker->base, on_made, admin);
	admin->http = evhttp_new(worker->base);
	if (!admin->made || !admin->http ||
	    evhttp_accept_socket(admin->http, fd) < 0) {
		close(fd);
		admin_destroy(admin);
		return NULL;
	}
	evhttp_set_timeout(admin->http, REQUEST_SECONDS);
	evhttp_set_max_headers_size(admin->http, LIMIT_REQUEST);
	evhttp_set_max_body_size(admin->http, MAX_BODY);
	evhttp_set_allowed_methods(admin->http, METHODS);
	evhttp_set_bevcb(admin->http, on_connection, admin);
	evhttp_set_gencb(admin->http, on_request, admin);
	return admin;
}

void
admin_destroy(struct admin *admin)
{
	struct admin_conn *c, *next;

	if (!admin)
		return;
	DL_FOREACH_SAFE (admin->parked, c, next) {
		c->gone(c->gone_ctx);
		conn_free(c);
	}
	if (admin->http)
		evhttp_free(admin->http);
	if (admin->made)
		event_free(admin->made);
	free(admin);
}
