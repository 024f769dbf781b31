#include "fcgi/guess.h"

#include "common/clock.h"
#include "common/config.h"
#include "fcgi/failures.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/worker.h"

bool
guess_counted(struct worker *w, struct request *r)
{
	if (failures_note(w->failures, conn_param(r->conn, "REMOTE_ADDR"),
		w->config->failures_per_minute, clock_ms()))
		return true;
	reply_problem_with(r->conn, 429, "too-many-failures",
	    "Retry-After: 10\r\n", NULL,
	    "Too many calls with a token or a ticket that is none have come "
	    "from your address; wait some seconds.");
	return false;
}
