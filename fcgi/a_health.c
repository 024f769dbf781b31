/* How the worker does: for supervisors, load balancers and Prometheus. */
#include <event2/buffer.h>
#include <json-c/json.h>

#include "fcgi/admin_handlers.h"
#include "fcgi/broker_link.h"
#include "fcgi/consoles.h"
#include "fcgi/json_build.h"
#include "fcgi/metrics.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/worker.h"

/* Ready: it knows the guests, and can open their consoles. */
void
admin_healthz(struct worker *w, struct request *r)
{
	struct json_object *body = json_object_new_object();
	bool synced = broker_link_synced(w->broker);

	json_put_bool(&body, "ready", synced);
	json_put_text(&body, "broker", synced ? "connected" : "away");
	json_put_number(&body, "consoles", consoles_count(w->consoles));
	json_put_number(&body, "sessions", sessions_count(w->sessions));
	json_put_number(&body, "requests", server_requests(w->server));
	json_put_number(&body, "connections", server_connections(w->server));
	reply_json(r->conn, synced ? 200 : 503, body);
}

/* Alive: its loop turns.  A restart would not bring the broker back. */
void
admin_livez(struct worker *w, struct request *r)
{
	struct json_object *body = json_object_new_object();

	(void)w;
	json_put_bool(&body, "live", true);
	reply_json(r->conn, 200, body);
}

void
admin_metrics(struct worker *w, struct request *r)
{
	struct evbuffer *reply = reply_begin(200);

	reply_body(reply, "text/plain; version=0.0.4; charset=utf-8");
	if (reply)
		metrics_write(w, reply);
	reply_send(r->conn, reply);
}
