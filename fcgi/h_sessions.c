/* Making, looking at and closing sessions. */
#include <errno.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/limits.h"
#include "fcgi/audit.h"
#include "fcgi/console.h"
#include "fcgi/ctrl_o.h"
#include "fcgi/handlers.h"
#include "fcgi/json_build.h"
#include "fcgi/json_view.h"
#include "fcgi/lookup.h"
#include "fcgi/redeem.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/session_keep.h"
#include "fcgi/tickets.h"
#include "fcgi/waiters.h"
#include "fcgi/worker.h"

/*
 * A session that was made, whose answer waits for the broker to open the
 * console: so the first input after it finds a tty.
 */
struct opening {
	struct waiter waiter; /* first */
	struct session *session;
	struct json_grant grant;
	char token[SESSION_TOKEN_TEXT];
};

/* A session whose token nobody has learnt ends at once. */
static void
answer_new(struct conn *conn, struct session *s, const struct json_grant *grant,
    char token[SESSION_TOKEN_TEXT])
{
	session_keep(s);
	if (!reply_json(conn, 201, json_new_session(s, grant, token)))
		session_close(s);
	sodium_memzero(token, SESSION_TOKEN_TEXT);
}

static bool
opening_ready(struct waiter *w)
{
	return console_is_settled(
	    session_console(((struct opening *)w)->session));
}

static void
opening_answer(struct waiter *w, enum wake why)
{
	struct opening *o = (struct opening *)w;

	if (why == WAKE_CLOSED)
		reply_problem(
		    w->conn, 404, "no-such-console", "The console has gone.");
	else if (why == WAKE_RESTART)
		reply_restart(w->conn);
	else
		answer_new(w->conn, o->session, &o->grant, o->token);
	free(o);
}

/* Nobody has learnt the token. */
static void
opening_gone(struct waiter *w)
{
	struct opening *o = (struct opening *)w;
	struct session *s = o->session;

	sodium_memzero(o->token, sizeof o->token);
	free(o);
	session_close(s);
}

static const struct waiter_class opening_class = {
    .ready = opening_ready,
    .answer = opening_answer,
    .gone = opening_gone,
    .first = true,
};

static void
wait_for_tty(struct request *r, struct session *s,
    const struct json_grant *grant, const char *token)
{
	struct opening *o = calloc(1, sizeof *o);

	if (o) {
		o->waiter.class = &opening_class;
		o->waiter.conn = r->conn;
		o->waiter.owner = s;
		o->session = s;
		o->grant = *grant;
		memcpy(o->token, token, sizeof o->token);
		if (waiters_add(console_waiters(session_console(s)), &o->waiter,
			LIMIT_OPEN_MS))
			return;
	}
	free(o);
	session_close(s);
	reply_no_memory(r->conn);
}

void
session_refuse(struct request *r, int error)
{
	if (error == -EMFILE)
		reply_problem(r->conn, 429, "too-many-sessions",
		    "Too many sessions are open; close some, or wait for "
		    "their end.");
	else if (conn_was_refused(r->conn))
		reply_no_memory(r->conn);
	else
		reply_problem_with(r->conn, 503, "overload", REPLY_RETRY, NULL,
		    "Too many tickets were used just now to know them all; "
		    "wait some minutes.");
}

/* What a new session is to be. */
struct wanted {
	const char *console, *ticket; /* ticket NULL: none */
	bool may_type, force;
};

static bool
parse_mode(struct request *r, bool *may_type)
{
	const char *mode;

	if (!request_member_text(r, "mode", &mode))
		return false;
	*may_type = strcmp(mode, "type") == 0;
	if (*may_type || strcmp(mode, "watch") == 0)
		return true;
	reply_problem(r->conn, 400, "bad-body",
	    "The member mode must be \"watch\" or \"type\".");
	return false;
}

static bool
parse_take(struct request *r, bool may_type, bool *force)
{
	const char *take;

	*force = false;
	if (!request_has_member(r, "take"))
		return true;
	if (!request_member_text(r, "take", &take))
		return false;
	*force = strcmp(take, "force") == 0;
	if (may_type && (*force || strcmp(take, "join") == 0))
		return true;
	reply_problem(r->conn, 400, "bad-body",
	    "The member take must be \"join\" or \"force\", and is for the "
	    "mode "
	    "type.");
	return false;
}

static bool
parse_wanted(struct request *r, struct wanted *out)
{
	out->ticket = NULL;
	return parse_mode(r, &out->may_type) &&
	       parse_take(r, out->may_type, &out->force) &&
	       request_member_text(r, "console", &out->console) &&
	       (!request_has_member(r, "ticket") ||
		   request_member_ticket(r, "ticket", &out->ticket));
}

/* The console of this name, if r's user may do so; else a problem is
 * answered. */
static struct console *
find_permitted(struct worker *w, struct request *r, const struct wanted *wanted,
    uint32_t *rights)
{
	struct console *c;

	if (!request_has_user(r))
		return NULL;
	c = lookup_console(w, r, wanted->console, rights);
	if (!c || (*rights & (wanted->may_type ? RIGHT_TYPE : RIGHT_WATCH)))
		return c;
	audit_refused(conn_param(r->conn, "REMOTE_ADDR"), r->user,
	    wanted->console, "not-allowed");
	reply_problem(r->conn, 403, "not-allowed",
	    "You may not %s this console.",
	    wanted->may_type ? "type at" : "watch");
	return NULL;
}

/* Who types already lets one more type, or has to. */
static bool
may_take(struct request *r, const struct wanted *wanted,
    const struct console *c, const char *user, uint32_t rights)
{
	const char *other = console_typist(c, user);
	struct json_object *members;

	if (wanted->force && !(rights & RIGHT_FORCE)) {
		audit_refused(conn_param(r->conn, "REMOTE_ADDR"), user,
		    wanted->console, "not-allowed");
		reply_problem(r->conn, 403, "not-allowed",
		    "You may not take this console away from others.");
		return false;
	}
	if (!wanted->may_type || !other || (rights & RIGHT_JOIN))
		return true;
	audit_refused(
	    conn_param(r->conn, "REMOTE_ADDR"), user, wanted->console, "taken");
	members = json_object_new_object();
	json_put_text(&members, "by", other);
	reply_problem_with(r->conn, 409, "taken", "", members,
	    "Another user types at this console, and you may not join; watch "
	    "it, or come again.");
	return false;
}

/* ticket NULL: none; with the session it is used up. */
static int
open_session(struct worker *w, struct request *r, struct console *c,
    const struct wanted *wanted, const char *user, const struct ticket *ticket,
    char token[SESSION_TOKEN_TEXT], struct session **out)
{
	int error =
	    session_open(w->sessions, c, user, wanted->may_type, token, out);

	if (error)
		return error;
	if (ticket && !ticket->key)
		error = session_set_grant(*out, GRANT_TICKET, "");
	else if (ticket)
		error = session_set_grant(*out, GRANT_KEY, ticket->key->name);
	else
		error = session_set_grant(*out, GRANT_LOGIN, r->groups);
	if (!error && ticket)
		error = tickets_use(w->tickets, ticket) ? -ENOMEM : 0;
	if (error) {
		session_close(*out);
		return error;
	}
	session_opened_from(*out, conn_param(r->conn, "REMOTE_ADDR"));
	if (ticket)
		audit(&(struct audit){.event = "ticket-used",
		    .user = user,
		    .session = session_id(*out),
		    .ticket = ticket->id,
		    .key = ticket->key ? ticket->key->name : NULL});
	if (wanted->force)
		session_take_over(*out);
	return 0;
}

/* error: why there is no session. */
static void
answer_opened(struct worker *w, struct request *r, int error, struct session *s,
    uint32_t rights, char token[SESSION_TOKEN_TEXT])
{
	struct json_grant grant = {.rights = rights};

	if (!error) /* the admin interface has no address */
		session_opened_from(s, conn_param(r->conn, "REMOTE_ADDR"));
	if (error) {
		session_refuse(r, error);
	} else {
		grant.sysrq = ctrl_o_is_sysrq(w->config, session_console(s));
		if (console_is_settled(session_console(s)))
			answer_new(r->conn, s, &grant, token);
		else
			wait_for_tty(r, s, &grant, token);
	}
	sodium_memzero(token, SESSION_TOKEN_TEXT);
}

void
session_make(
    struct worker *w, struct request *r, struct console *c, bool may_type)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *s;
	int error = session_open(w->sessions, c, r->user, may_type, token, &s);

	answer_opened(w, r, error, s,
	    RIGHT_LIST | RIGHT_WATCH | (may_type ? RIGHT_TYPE | RIGHT_JOIN : 0),
	    token);
}

void
handle_session_new(struct worker *w, struct request *r)
{
	char token[SESSION_TOKEN_TEXT];
	struct wanted wanted;
	struct ticket ticket;
	struct session *s;
	struct console *c;
	const char *user;
	uint32_t rights;
	int error;

	if (!parse_wanted(r, &wanted))
		return;
	c = wanted.ticket ? redeem_ticket(w, r, wanted.ticket, wanted.console,
				wanted.may_type, &ticket, &rights)
			  : find_permitted(w, r, &wanted, &rights);
	user = wanted.ticket ? ticket.user : r->user;
	if (!c || !may_take(r, &wanted, c, user, rights))
		return;
	error = open_session(
	    w, r, c, &wanted, user, wanted.ticket ? &ticket : NULL, token, &s);
	answer_opened(w, r, error, s, rights, token);
}

void
handle_session_get(struct worker *w, struct request *r)
{
	(void)w;
	reply_json(r->conn, 200, json_session(r->session));
}

void
handle_session_delete(struct worker *w, struct request *r)
{
	(void)w;
	session_close(r->session);
	reply_done(r->conn);
}
