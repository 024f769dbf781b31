/* GET api/v1/output and api/v1/stream: what the guest prints. */
#include "common/limits.h"
#include "fcgi/handlers.h"
#include "fcgi/poll.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/stream.h"

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

void
handle_output(struct worker *w, struct request *r)
{
	struct position from;
	uint64_t wait = LIMIT_WAIT_DEFAULT;

	(void)w;
	if (parse_from(r, &from) &&
	    request_number(r, "wait", false, 0, LIMIT_WAIT, &wait))
		poll_output(r, &from, (unsigned)wait * 1000);
}

void
handle_stream(struct worker *w, struct request *r)
{
	struct position from;

	(void)w;
	if (parse_from(r, &from))
		stream_output(r, &from);
}
