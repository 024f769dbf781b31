/* The admin interface's sessions: who is there, and sending them away. */
#include <json-c/json.h>
#include <string.h>

#include "fcgi/admin_handlers.h"
#include "fcgi/handlers.h"
#include "fcgi/json_build.h"
#include "fcgi/json_view.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/session.h"
#include "fcgi/worker.h"

void
admin_sessions(struct worker *w, struct request *r)
{
	struct json_object *list = json_object_new_array();
	struct json_object *body = json_object_new_object();
	struct session *s = NULL;

	while ((s = sessions_next(w->sessions, s)) != NULL)
		json_append(&list, json_admin_session(s));
	json_put(&body, "sessions", list);
	reply_json(r->conn, 200, body);
}

void
admin_session_new(struct worker *w, struct request *r)
{
	const char *mode = request_query(r, "mode");

	if (!mode ||
	    (strcmp(mode, "watch") != 0 && strcmp(mode, "type") != 0)) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter mode must be watch or type.");
		return;
	}
	session_make(w, r, r->console, strcmp(mode, "type") == 0);
}

static struct session *
find(const struct worker *w, const char *id)
{
	struct session *s = NULL;

	while ((s = sessions_next(w->sessions, s)) != NULL)
		if (strcmp(session_id(s), id) == 0)
			break;
	return s;
}

void
admin_session_delete(struct worker *w, struct request *r)
{
	struct session *s = find(w, r->name);

	if (!s) {
		reply_problem(r->conn, 404, "no-such-session",
		    "There is no session of that name; GET sessions lists "
		    "them.");
		return;
	}
	session_kick(s);
	reply_done(r->conn);
}
