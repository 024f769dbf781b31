/* Launch tickets, made and revoked by root. */
#include <json-c/json.h>
#include <sodium.h>
#include <string.h>

#include "common/limits.h"
#include "common/text.h"
#include "fcgi/admin_handlers.h"
#include "fcgi/audit.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/json_build.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/tickets.h"
#include "fcgi/worker.h"

#define SECONDS_DEFAULT 60

/* What is asked for; the rest is the ticket's own.  False: a problem was
 * answered. */
static bool
parse(struct worker *w, struct request *r, struct ticket *ticket,
    int64_t *seconds)
{
	const char *console, *user, *mode;
	struct console *c;

	*seconds = SECONDS_DEFAULT;
	if (!request_member_text(r, "console", &console) ||
	    !request_member_text(r, "user", &user) ||
	    !request_member_text(r, "mode", &mode) ||
	    (request_has_member(r, "seconds") &&
		!request_member_number(
		    r, "seconds", 1, LIMIT_TICKET_SECONDS, seconds)))
		return false;
	ticket->may_type = strcmp(mode, "type") == 0;
	if ((!ticket->may_type && strcmp(mode, "watch") != 0) ||
	    !text_is_clean(user, LIMIT_USER)) {
		reply_problem(r->conn, 400, "bad-body",
		    "A ticket needs a user of 1 to %d bytes, and a mode watch "
		    "or type.",
		    LIMIT_USER);
		return false;
	}
	c = consoles_lookup(w->consoles, console);
	if (!c) {
		reply_problem(r->conn, 404, "no-such-console",
		    "There is no console of that name.");
		return false;
	}
	strcpy(ticket->console, console_id(c));
	strcpy(ticket->user, user);
	return true;
}

void
admin_ticket_new(struct worker *w, struct request *r)
{
	struct ticket ticket = {0};
	struct json_object *body;
	char text[TICKET_TEXT];
	int64_t seconds;
	time_t expires;

	if (!parse(w, r, &ticket, &seconds))
		return;
	if (tickets_make(
		w->tickets, &ticket, (unsigned)seconds, text, &expires) != 0) {
		reply_problem_with(r->conn, 503, "overload", REPLY_RETRY, NULL,
		    "Too many tickets wait to be used.");
		return;
	}
	audit(&(struct audit){.event = "ticket-made",
	    .user = ticket.user,
	    .wanted = ticket.console,
	    .mode = ticket.may_type ? "type" : "watch",
	    .ticket = ticket.id});
	body = json_object_new_object();
	json_put_text(&body, "ticket", text);
	json_put_text(&body, "id", ticket.id);
	json_put_text(&body, "console", ticket.console);
	json_put_text(&body, "user", ticket.user);
	json_put_text(&body, "mode", ticket.may_type ? "type" : "watch");
	json_put_number(&body, "expires", (uint64_t)expires);
	/* Nobody has learnt it. */
	if (!reply_json(r->conn, 201, body))
		tickets_revoke(w->tickets, ticket.id);
	sodium_memzero(text, sizeof text);
}

void
admin_ticket_revoke(struct worker *w, struct request *r)
{
	if (!tickets_revoke(w->tickets, r->name)) {
		reply_problem(r->conn, 404, "no-such-ticket",
		    "There is no ticket of that id: it was used, has expired, "
		    "or never was.");
		return;
	}
	audit(&(struct audit){.event = "ticket-revoked", .ticket = r->name});
	reply_done(r->conn);
}
