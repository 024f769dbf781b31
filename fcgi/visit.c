#include "fcgi/visit.h"

#include <sodium.h>

#include "fcgi/handlers.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/worker.h"

bool
visit_begin(struct visit *v, struct worker *w, struct request *r)
{
	char token[SESSION_TOKEN_TEXT];
	int error = session_open(
	    w->sessions, r->console, r->user, true, token, &v->session);

	sodium_memzero(token, sizeof token);
	if (error) {
		session_refuse(r, error);
		return false;
	}
	session_opened_from(v->session, conn_param(r->conn, "REMOTE_ADDR"));
	/* It is present, and not idle, as long as it lasts. */
	session_park(v->session);
	v->waiter.conn = r->conn;
	v->waiter.owner = v->session;
	return true;
}

void
visit_end(struct visit *v, enum wake why)
{
	session_unpark(v->session);
	if (why < WAKE_CLOSED)
		session_close(v->session);
}
