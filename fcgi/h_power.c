/* POST api/v1/power: asks a console's guest to shut down, or to reboot. */
#include <stdbool.h>

#include "common/config.h"
#include "fcgi/audit.h"
#include "fcgi/broker_link.h"
#include "fcgi/console.h"
#include "fcgi/handlers.h"
#include "fcgi/lookup.h"
#include "fcgi/power.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/worker.h"

struct wanted {
	const char *console;
	enum power_action action;
	int64_t domid; /* 0: whichever it is */
};

static bool
parse_action(struct request *r, enum power_action *action)
{
	const char *text;

	if (!request_member_text(r, "action", &text))
		return false;
	if (power_action_parse(text, action))
		return true;
	reply_problem(r->conn, 400, "bad-body",
	    "The member action must be \"shutdown\" or \"reboot\".");
	return false;
}

static bool
parse(struct request *r, struct wanted *out)
{
	out->domid = 0;
	return request_member_text(r, "console", &out->console) &&
	       parse_action(r, &out->action) &&
	       (!request_has_member(r, "domid") ||
		   request_member_number(
		       r, "domid", 1, UINT32_MAX, &out->domid));
}

/* NULL after it has answered a problem. */
static struct console *
find_permitted(struct worker *w, struct request *r, const struct wanted *wanted)
{
	uint32_t rights;
	struct console *c = lookup_console(w, r, wanted->console, &rights);

	if (!c || (rights & RIGHT_POWER))
		return c;
	audit_refused(conn_param(r->conn, "REMOTE_ADDR"), r->user,
	    wanted->console, "not-allowed");
	reply_problem(r->conn, 403, "not-allowed",
	    "You may not shut down or reboot this guest.");
	return NULL;
}

void
handle_power(struct worker *w, struct request *r)
{
	struct wanted wanted;
	struct console *c;

	if (!parse(r, &wanted))
		return;
	c = find_permitted(w, r, &wanted);
	if (!c)
		return;
	/* Whoever asks may have looked at a page that is old by now. */
	if (console_domid(c) == 0 ||
	    (wanted.domid != 0 && wanted.domid != console_domid(c)))
		reply_problem(r->conn, 409, "guest-changed",
		    "The guest does not run any more, or has been started "
		    "anew; it was not asked.");
	else if (!broker_link_synced(w->broker))
		reply_problem_with(r->conn, 503, "overload", REPLY_RETRY, NULL,
		    "The worker has no connection to xenterm-broker now.");
	else
		powers_ask(w, r, c, wanted.action);
}
