/* GET api/v1/output: what the guest prints. */
#include "common/limits.h"
#include "fcgi/handlers.h"
#include "fcgi/poll.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"

void
handle_output(struct worker *w, struct request *r)
{
	/* No run is 0, so who names no position gets a snapshot. */
	struct position from = {0};
	const char *text = request_query(r, "from");
	uint64_t wait = LIMIT_WAIT_DEFAULT;

	(void)w;
	if (text && !position_parse(text, &from)) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter from must be a position as Xenterm-Next "
		    "gave it.");
		return;
	}
	if (request_number(r, "wait", false, 0, LIMIT_WAIT, &wait))
		poll_output(r, &from, (unsigned)wait * 1000);
}
