#include "fcgi/admin.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/limits.h"
#include "fcgi/broker_link.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/reply.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/worker.h"

#define REQUEST_SECONDS 30

struct admin {
	struct worker *worker;
	struct evhttp *http;
};

void
admin_answer(struct evhttp_request *req, int status, struct json_object *body)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(req);
	size_t len;
	const char *text = reply_json_text(body, &len);

	evbuffer_add(out, text, len);
	evbuffer_add(out, "\n", 1);
	json_object_put(body);
	evhttp_add_header(evhttp_request_get_output_headers(req),
	    "Content-Type", "application/json");
	evhttp_send_reply(req, status, NULL, NULL);
}

void
admin_problem(struct evhttp_request *req, int status, const char *detail)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, "status", json_object_new_int(status));
	json_object_object_add(body, "detail", json_object_new_string(detail));
	admin_answer(req, status, body);
}

static void
on_healthz(struct evhttp_request *req, void *ctx)
{
	struct worker *w = ((struct admin *)ctx)->worker;
	struct json_object *body = json_object_new_object();
	bool synced = broker_link_synced(w->broker);

	json_object_object_add(body, "broker",
	    json_object_new_string(synced ? "connected" : "away"));
	json_object_object_add(body, "consoles",
	    json_object_new_uint64(consoles_count(w->consoles)));
	json_object_object_add(body, "sessions",
	    json_object_new_uint64(sessions_count(w->sessions)));
	json_object_object_add(body, "requests",
	    json_object_new_uint64(server_requests(w->server)));
	json_object_object_add(body, "connections",
	    json_object_new_uint64(server_connections(w->server)));
	admin_answer(req, synced ? 200 : 503, body);
}

/* The console that ?console= names; NULL: a problem was answered. */
static struct console *
named_console(struct worker *w, struct evhttp_request *req)
{
	const char *text =
	    evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req));
	struct evkeyvalq query;
	struct console *c = NULL;
	const char *name;

	TAILQ_INIT(&query);
	if (text && evhttp_parse_query_str(text, &query) == 0 &&
	    (name = evhttp_find_header(&query, "console")) != NULL)
		c = consoles_lookup(w->consoles, name);
	evhttp_clear_headers(&query);
	if (!c)
		admin_problem(req, 404, "There is no console of that name.");
	return c;
}

static void
change(struct evhttp_request *req, void *ctx,
    bool (*verb)(struct broker_link *, struct console *))
{
	struct worker *w = ((struct admin *)ctx)->worker;
	struct console *c;

	if (evhttp_request_get_command(req) != EVHTTP_REQ_POST) {
		admin_problem(req, 405, "This path takes POST.");
		return;
	}
	c = named_console(w, req);
	if (!c)
		return;
	if (verb(w->broker, c))
		evhttp_send_reply(req, 204, NULL, NULL);
	else
		admin_problem(req, 503, "xenterm-broker is away.");
}

static void
on_release(struct evhttp_request *req, void *ctx)
{
	change(req, ctx, broker_link_release);
}

static void
on_hold(struct evhttp_request *req, void *ctx)
{
	change(req, ctx, broker_link_hold);
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
	admin->http = evhttp_new(worker->base);
	if (!admin->http || evhttp_accept_socket(admin->http, fd) < 0) {
		close(fd);
		admin_destroy(admin);
		return NULL;
	}
	evhttp_set_timeout(admin->http, REQUEST_SECONDS);
	evhttp_set_max_headers_size(admin->http, LIMIT_REQUEST);
	evhttp_set_max_body_size(admin->http, LIMIT_BODY);
	evhttp_set_cb(admin->http, "/healthz", on_healthz, admin);
	evhttp_set_cb(admin->http, "/release", on_release, admin);
	evhttp_set_cb(admin->http, "/hold", on_hold, admin);
	evhttp_set_cb(admin->http, "/tickets", admin_tickets, worker);
	evhttp_set_gencb(admin->http, admin_tickets, worker);
	return admin;
}

void
admin_destroy(struct admin *admin)
{
	if (!admin)
		return;
	if (admin->http)
		evhttp_free(admin->http);
	free(admin);
}
