#include "fcgi/redeem.h"

#include <string.h>

#include "common/config.h"
#include "fcgi/access.h"
#include "fcgi/audit.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/guess.h"
#include "fcgi/lookup.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/tickets.h"
#include "fcgi/worker.h"

/* To be called before the answer, with which r's conn goes. */
static void
note(struct request *r, const struct ticket *ticket, const char *wanted)
{
	audit_refused(conn_param(r->conn, "REMOTE_ADDR"),
	    ticket ? ticket->user : r->user, wanted, "bad-ticket");
}

static void
bad(struct request *r, const char *why)
{
	reply_problem(
	    r->conn, r->token_status, "bad-ticket", "This ticket %s.", why);
}

/* What the ticket says is what the request wants. */
static bool
fits(struct request *r, const struct ticket *ticket, const char *name,
    bool may_type)
{
	bool other_user = *r->user && strcmp(r->user, ticket->user) != 0;

	if (!other_user && ticket->may_type == may_type)
		return true;
	note(r, ticket, name);
	if (other_user)
		reply_problem(r->conn, 403, "wrong-user",
		    "This ticket is for another user than the one you are "
		    "logged in as.");
	else
		bad(r, "is for the other mode");
	return false;
}

static uint32_t
rights_of(const struct ticket *ticket, const struct console *c)
{
	if (ticket->key)
		return access_of_key(ticket->key, console_guest(c));
	return RIGHT_LIST | RIGHT_WATCH | RIGHT_TYPE | RIGHT_JOIN;
}

static struct console *
find_console(struct worker *w, struct request *r, const struct ticket *ticket,
    const char *name, uint32_t *rights)
{
	struct console *c = consoles_lookup(w->consoles, ticket->console);
	uint32_t need = ticket->may_type ? RIGHT_TYPE : RIGHT_WATCH;

	*rights = c ? rights_of(ticket, c) : 0;
	if ((*rights & need) && consoles_lookup(w->consoles, name) == c)
		return c;
	note(r, ticket, name);
	if (c && !(*rights & need))
		reply_problem(r->conn, 403, "not-allowed",
		    "The key of this ticket may not open this console so.");
	else if (c)
		bad(r, "is for another console");
	else if (lookup_is_final(w, r->conn))
		reply_problem(r->conn, 404, "no-such-console",
		    "There is no console of the name in this ticket.");
	return NULL;
}

struct console *
redeem_ticket(struct worker *w, struct request *r, const char *text,
    const char *name, bool may_type, struct ticket *ticket, uint32_t *rights)
{
	const char *why = tickets_check(w->tickets, text, ticket);
	struct console *c;

	if (why && conn_was_refused(r->conn)) {
		reply_no_memory(r->conn);
		return NULL;
	}
	if (why && !guess_counted(w, r))
		return NULL;
	if (why) {
		note(r, NULL, name);
		bad(r, why);
		return NULL;
	}
	if (!fits(r, ticket, name, may_type))
		return NULL;
	c = find_console(w, r, ticket, name, rights);
	if (!ticket->may_type) /* whatever else its key may sign */
		*rights &= RIGHT_LIST | RIGHT_WATCH;
	return c;
}
