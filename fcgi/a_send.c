/* POST send: types bytes into a console, all of them or none. */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "fcgi/admin_handlers.h"
#include "fcgi/console.h"
#include "fcgi/ctrl_o.h"
#include "fcgi/handlers.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/session.h"
#include "fcgi/typing.h"
#include "fcgi/visit.h"
#include "fcgi/worker.h"

struct send {
	struct visit visit; /* first */
	const struct config *config;
	size_t len;
	uint8_t bytes[];
};

/* Types, answers, and frees s. */
static void
finish(struct send *s, enum wake why)
{
	struct request r = {.conn = s->visit.waiter.conn,
	    .console = session_console(s->visit.session)};
	int error = ctrl_o_type(s->config, r.console, s->bytes, s->len, NULL);

	if (error)
		typing_refuse(&r, error);
	else
		reply_done(r.conn);
	visit_end(&s->visit, why);
	free(s);
}

static bool
send_ready(struct waiter *w)
{
	struct send *s = (struct send *)w;

	return console_is_settled(session_console(s->visit.session));
}

static void
send_answer(struct waiter *w, enum wake why)
{
	struct send *s = (struct send *)w;

	if (why < WAKE_CLOSED) {
		finish(s, why);
		return;
	}
	reply_problem(w->conn, 409, "not-up",
	    "The console has gone, or its session was closed; nothing was "
	    "typed.");
	visit_end(&s->visit, why);
	free(s);
}

static void
send_gone(struct waiter *w)
{
	struct send *s = (struct send *)w;

	visit_end(&s->visit, WAKE_TIMEOUT);
	free(s);
}

static const struct waiter_class send_class = {
    .ready = send_ready,
    .answer = send_answer,
    .gone = send_gone,
};

void
admin_send(struct worker *w, struct request *r)
{
	struct send *s;

	if (r->body_len == 0) {
		reply_problem(r->conn, 400, "bad-body",
		    "The body is empty: it must be the bytes to type.");
		return;
	}
	s = calloc(1, sizeof *s + r->body_len);
	if (!s) {
		reply_no_memory(r->conn);
		return;
	}
	if (!visit_begin(&s->visit, w, r)) {
		free(s);
		return;
	}
	s->visit.waiter.class = &send_class;
	s->config = w->config;
	s->len = r->body_len;
	memcpy(s->bytes, r->body, s->len);
	if (console_is_settled(r->console) ||
	    !waiters_add(
		console_waiters(r->console), &s->visit.waiter, LIMIT_OPEN_MS))
		finish(s, WAKE_READY);
}
