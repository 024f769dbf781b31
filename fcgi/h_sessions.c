/* Making, looking at and closing sessions. */
#include <errno.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/limits.h"
#include "fcgi/console.h"
#include "fcgi/handlers.h"
#include "fcgi/json_view.h"
#include "fcgi/lookup.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/session.h"
#include "fcgi/waiters.h"
#include "fcgi/worker.h"

/*
 * A session that was made, whose answer waits for the broker to open the
 * console: so the first input after it finds a tty.
 */
struct opening {
	struct waiter waiter; /* first */
	struct session *session;
	char token[SESSION_TOKEN_TEXT];
};

static void
answer_new(
    struct conn *conn, const struct session *s, char token[SESSION_TOKEN_TEXT])
{
	reply_json(conn, 201, json_new_session(s, token));
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
	else
		answer_new(w->conn, o->session, o->token);
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
wait_for_tty(struct request *r, struct session *s, const char *token)
{
	struct opening *o = calloc(1, sizeof *o);

	if (o) {
		o->waiter.class = &opening_class;
		o->waiter.conn = r->conn;
		o->waiter.owner = s;
		o->session = s;
		memcpy(o->token, token, sizeof o->token);
		if (waiters_add(console_waiters(session_console(s)), &o->waiter,
			LIMIT_OPEN_MS))
			return;
	}
	free(o);
	session_close(s);
	reply_problem_with(r->conn, 503, "overload", REPLY_RETRY, NULL,
	    "The worker is out of memory.");
}

void
session_refuse(struct request *r, int error)
{
	if (error == -EMFILE)
		reply_problem(r->conn, 429, "too-many-sessions",
		    "Too many sessions are open; close some, or wait for "
		    "their end.");
	else
		reply_problem_with(r->conn, 503, "overload", REPLY_RETRY, NULL,
		    "The worker is out of memory.");
}

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

void
session_make(
    struct worker *w, struct request *r, struct console *c, bool may_type)
{
	char token[SESSION_TOKEN_TEXT];
	struct session *s;
	int error = session_open(w->sessions, c, r->user, may_type, token, &s);

	if (error)
		session_refuse(r, error);
	else if (console_is_settled(c))
		answer_new(r->conn, s, token);
	else
		wait_for_tty(r, s, token);
	sodium_memzero(token, sizeof token);
}

void
handle_session_new(struct worker *w, struct request *r)
{
	const char *name;
	struct console *c;
	uint32_t rights;
	bool may_type;

	if (!parse_mode(r, &may_type) ||
	    !request_member_text(r, "console", &name))
		return;
	c = lookup_console(w, r, name, &rights);
	if (!c)
		return;
	if (!(rights & (may_type ? RIGHT_TYPE : RIGHT_WATCH))) {
		reply_problem(r->conn, 403, "not-allowed",
		    "You may not %s this console.",
		    may_type ? "type at" : "watch");
		return;
	}
	session_make(w, r, c, may_type);
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
	reply_empty(r->conn, 204);
}
