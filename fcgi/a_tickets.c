/* Launch tickets, made and revoked by root. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <json-c/json.h>
#include <sodium.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "fcgi/admin.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/strict_json.h"
#include "fcgi/tickets.h"
#include "fcgi/worker.h"

#define SECONDS_DEFAULT 60

/* What is asked for; the rest is the ticket's own. */
struct wanted {
	struct ticket ticket;
	unsigned seconds;
};

/* Members that are none of these are refused: a misspelt one would not do
 * what was meant. */
static bool
is_known(struct json_object *members)
{
	static const char *const names[] = {
	    "console", "user", "mode", "seconds"};
	int known = 0;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		known +=
		    json_object_object_get_ex(members, names[i], NULL) != 0;
	return known == json_object_object_length(members);
}

static bool
take_seconds(struct json_object *members, unsigned *seconds)
{
	struct json_object *member;
	int64_t value;

	*seconds = SECONDS_DEFAULT;
	if (!json_object_object_get_ex(members, "seconds", &member))
		return true;
	value = json_object_get_int64(member);
	if (!json_object_is_type(member, json_type_int) || value < 1 ||
	    value > LIMIT_TICKET_SECONDS)
		return false;
	*seconds = (unsigned)value;
	return true;
}

/* NULL, or what is wrong. */
static const char *
take(struct worker *w, struct json_object *members, struct wanted *out)
{
	const char *console, *user, *mode;
	struct console *c;

	if (!strict_json_is_plain(members) || !is_known(members))
		return "The members are console, user, mode and seconds.";
	console = strict_json_text(members, "console", LIMIT_STRING);
	user = strict_json_text(members, "user", LIMIT_USER);
	mode = strict_json_text(members, "mode", LIMIT_STRING);
	if (!console || !user || !mode ||
	    (strcmp(mode, "type") != 0 && strcmp(mode, "watch") != 0))
		return "A ticket needs console, user, and a mode watch or "
		       "type.";
	if (!take_seconds(members, &out->seconds))
		return "The member seconds must be a whole number from 1 to "
		       "300.";
	c = consoles_lookup(w->consoles, console);
	if (!c)
		return "There is no console of that name.";
	strcpy(out->ticket.console, console_id(c));
	strcpy(out->ticket.user, user);
	out->ticket.may_type = strcmp(mode, "type") == 0;
	return NULL;
}

static void
put(struct json_object *obj, const char *name, const char *value)
{
	json_object_object_add(obj, name, json_object_new_string(value));
}

static void
make(struct evhttp_request *req, struct worker *w, struct wanted *wanted)
{
	struct ticket *ticket = &wanted->ticket;
	struct json_object *body;
	char text[TICKET_TEXT];
	time_t expires;

	if (tickets_make(w->tickets, ticket, wanted->seconds, text, &expires) !=
	    0) {
		admin_problem(req, 503, "Too many tickets wait to be used.");
		return;
	}
	log_info("ticket %s: made for %s at %s, to %s", ticket->id,
	    ticket->user, ticket->console, ticket->may_type ? "type" : "watch");
	body = json_object_new_object();
	put(body, "ticket", text);
	put(body, "id", ticket->id);
	put(body, "console", ticket->console);
	put(body, "user", ticket->user);
	put(body, "mode", ticket->may_type ? "type" : "watch");
	json_object_object_add(body, "expires", json_object_new_int64(expires));
	admin_answer(req, 201, body);
	sodium_memzero(text, sizeof text);
}

static void
on_new(struct evhttp_request *req, struct worker *w)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t len = evbuffer_get_length(in);
	const uint8_t *text = evbuffer_pullup(in, -1);
	struct json_object *members =
	    text ? strict_json_object(text, len) : NULL;
	struct wanted wanted = {0};
	const char *fault = "The body must be one JSON object in UTF-8.";

	if (members)
		fault = take(w, members, &wanted);
	if (members && !fault && !strict_json_is_exact(members, text, len))
		fault = "A member of the JSON object is given twice, or not in "
			"double quotes.";
	json_object_put(members);
	if (fault)
		admin_problem(req, 400, fault);
	else
		make(req, w, &wanted);
}

static void
on_revoke(struct evhttp_request *req, struct worker *w, const char *id)
{
	if (!tickets_revoke(w->tickets, id)) {
		admin_problem(req, 404,
		    "There is no ticket of that id: it was used, has expired, "
		    "or never was.");
		return;
	}
	log_info("ticket %s: revoked", id);
	evhttp_send_reply(req, 204, NULL, NULL);
}

void
admin_tickets(struct evhttp_request *req, void *ctx)
{
	const char *path =
	    evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
	enum evhttp_cmd_type method = evhttp_request_get_command(req);

	if (path && strcmp(path, "/tickets") == 0 && method == EVHTTP_REQ_POST)
		on_new(req, ctx);
	else if (path && strncmp(path, "/tickets/", 9) == 0 &&
		 method == EVHTTP_REQ_DELETE)
		on_revoke(req, ctx, path + 9);
	else
		admin_problem(req, 404, "There is no such call.");
}
