/* GET api/v1/output and api/v1/stream: what the guest prints. */
#include "common/config.h"
#include "common/limits.h"
#include "fcgi/handlers.h"
#include "fcgi/poll.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/stream.h"
#include "fcgi/worker.h"

/* False after it has answered 400. */
static bool
parse_from(struct request *r, struct position *from)
{
	const char *text = request_query(r, "from");

	/* No run is 0, so who names no position gets a snapshot. */
	*from = (struct position){0};
	if (!text || position_parse(text, from))
		return true;
	reply_problem(r->conn, 400, "bad-parameter",
	    "The parameter from must be a position as Xenterm-Next gave it.");
	return false;
}

/* This request is one of them already.  False after it has answered 503. */
static bool
has_room(struct worker *w, struct request *r)
{
	if (server_requests(w->server) <= w->config->waiting_total)
		return true;
	reply_problem_with(r->conn, 503, "overload", REPLY_RETRY, NULL,
	    "As many requests wait here as may (waiting_total).");
	return false;
}

void
handle_output(struct worker *w, struct request *r)
{
	struct position from;
	uint64_t wait = LIMIT_WAIT_DEFAULT;

	if (has_room(w, r) && parse_from(r, &from) &&
	    request_number(r, "wait", false, 0, LIMIT_WAIT, &wait))
		poll_output(r, &from, (unsigned)wait * 1000);
}

void
handle_stream(struct worker *w, struct request *r)
{
	struct position from;

	if (has_room(w, r) && parse_from(r, &from))
		stream_output(r, &from);
}
