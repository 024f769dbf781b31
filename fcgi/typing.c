#include "fcgi/typing.h"

#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <json-c/json.h>

#include "common/limits.h"
#include "fcgi/console.h"
#include "fcgi/json_build.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/session.h"

bool
typing_allowed(struct request *r)
{
	if (session_may_type(r->session))
		return true;
	reply_problem(
	    r->conn, 403, "read-only", "This session may only watch.");
	return false;
}

static void
refuse_gap(struct request *r, uint64_t seq)
{
	uint64_t expected = session_seq(r->session) + 1;
	struct json_object *members = json_object_new_object();

	json_put_number(&members, "expected", expected);
	reply_problem_with(r->conn, 409, "seq-gap", "", members,
	    "Input number %" PRIu64 " was expected, not %" PRIu64
	    "; nothing was typed.",
	    expected, seq);
}

bool
typing_in_turn(struct request *r, uint64_t seq, bool *again)
{
	uint64_t last = session_seq(r->session);

	*again = seq == last && last > 0;
	if (*again || seq == last + 1)
		return true;
	refuse_gap(r, seq);
	return false;
}

void
typing_refuse(struct request *r, int error)
{
	uint32_t state = console_state(r->console);

	if (error == -ENOTCONN)
		reply_problem(r->conn, 409, "not-up",
		    "The console is %s; nothing was typed.",
		    state == STATE_UP ? "being opened"
				      : proto_state_name(state));
	else
		reply_problem_with(r->conn, 503, "queue-full", REPLY_RETRY,
		    NULL,
		    "The guest does not take its input: as much waits for it "
		    "as can. Nothing of this request was typed; send it again "
		    "later.");
}

bool
typing_done(struct request *r, uint64_t seq, int error)
{
	if (error == 0) {
		session_typed(r->session, seq);
		return true;
	}
	typing_refuse(r, error);
	return false;
}

/* Each key is answered so: without json-c's dozen of allocations. */
void
typing_acknowledge(struct request *r, uint64_t seq, bool typed)
{
	struct evbuffer *reply = reply_begin(200);

	reply_body(reply, "application/json");
	if (reply)
		evbuffer_add_printf(reply, "{\"seq\":%" PRIu64 ",\"typed\":%s}",
		    seq, typed ? "true" : "false");
	reply_send(r->conn, reply);
}
