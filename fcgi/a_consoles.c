/* The admin interface's consoles: all of them, and who holds them. */
#include <json-c/json.h>
#include <stdbool.h>

#include "fcgi/admin_handlers.h"
#include "fcgi/broker_link.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/json_build.h"
#include "fcgi/json_view.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/worker.h"

void
admin_consoles(struct worker *w, struct request *r)
{
	struct json_object *list = json_object_new_array();
	struct json_object *body = json_object_new_object();
	struct console *c = NULL;

	while ((c = consoles_next(w->consoles, c)) != NULL)
		json_append(&list, json_admin_console(c));
	json_put(&body, "consoles", list);
	reply_json(r->conn, 200, body);
}

static void
tell_broker(struct worker *w, struct request *r,
    bool (*verb)(struct broker_link *, struct console *))
{
	if (verb(w->broker, r->console))
		reply_done(r->conn);
	else
		reply_problem_with(r->conn, 503, "overload", REPLY_RETRY, NULL,
		    "The worker has no connection to xenterm-broker.");
}

void
admin_hold(struct worker *w, struct request *r)
{
	tell_broker(w, r, broker_link_hold);
}

void
admin_release(struct worker *w, struct request *r)
{
	tell_broker(w, r, broker_link_release);
}
