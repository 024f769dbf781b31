/* POST /power of the admin interface: root has a guest asked, as by
 * api/v1/power, and as far as the configuration lets somebody do so. */
#include "fcgi/admin_handlers.h"
#include "fcgi/broker_link.h"
#include "fcgi/power.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/worker.h"

void
admin_power(struct worker *w, struct request *r)
{
	const char *text = request_query(r, "action");
	enum power_action action;

	if (!text || !power_action_parse(text, &action))
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter action must be shutdown or reboot.");
	else if (!broker_link_synced(w->broker))
		reply_problem_with(r->conn, 503, "overload", REPLY_RETRY, NULL,
		    "The worker has no connection to xenterm-broker.");
	else
		powers_ask(w, r, r->console, action);
}
