#include "fcgi/lookup.h"

#include "common/config.h"
#include "fcgi/access.h"
#include "fcgi/audit.h"
#include "fcgi/broker_link.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/worker.h"

bool
lookup_is_final(struct worker *w, struct conn *conn)
{
	if (broker_link_synced(w->broker))
		return true;
	reply_problem_with(conn, 503, "overload", REPLY_RETRY, NULL,
	    "The worker does not know the guests yet: it has no connection to "
	    "xenterm-broker.");
	return false;
}

void
lookup_failed(struct worker *w, struct conn *conn)
{
	if (lookup_is_final(w, conn))
		reply_problem(
		    conn, 404, "no-such-console", "There is no such console.");
}

struct console *
lookup_console(
    struct worker *w, struct request *r, const char *name, uint32_t *rights)
{
	struct console *c = consoles_lookup(w->consoles, name);

	*rights =
	    c ? access_rights(w->config, r->user, r->groups, console_guest(c))
	      : 0;
	if (*rights & RIGHT_LIST)
		return c;
	if (!lookup_is_final(w, r->conn))
		return NULL;
	audit_refused(conn_param(r->conn, "REMOTE_ADDR"), r->user, name,
	    "no-such-console");
	reply_problem(r->conn, 404, "no-such-console",
	    "There is no such console, or you may not see it. GET "
	    "api/v1/consoles lists yours.");
	return NULL;
}
