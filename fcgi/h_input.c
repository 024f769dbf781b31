/* POST api/v1/input: what the user types, once and in order. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>

#include "common/limits.h"
#include "fcgi/console.h"
#include "fcgi/frames.h"
#include "fcgi/handlers.h"
#include "fcgi/poll.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/session.h"

struct input_request {
	uint64_t seq;
	uint64_t echo; /* ms, 0: no echo */
	struct position from;
};

static bool
parse(struct request *r, struct input_request *in)
{
	const char *from = request_query(r, "from");

	if (!request_number(r, "seq", true, 1, INT64_MAX, &in->seq) ||
	    !request_number(r, "echo", false, 1, LIMIT_ECHO, &in->echo))
		return false;
	if (from && (in->echo == 0 || !position_parse(from, &in->from))) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter from goes with echo and must be a position "
		    "as Xenterm-Next gave it.");
		return false;
	}
	if (!from)
		frames_now(session_console(r->session), &in->from);
	if (r->body_len == 0) {
		reply_problem(r->conn, 400, "bad-body",
		    "The body is empty: it must be the bytes to type.");
		return false;
	}
	return true;
}

void
input_refuse(struct request *r, int error)
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
		    "The guest does not take its input: %d bytes wait for it. "
		    "Nothing of this request was typed; send it again later.",
		    LIMIT_INPUT_QUEUE);
}

/* Types the body.  False: a problem was answered, nothing was typed. */
static bool
type(struct request *r, uint64_t seq)
{
	int error = console_type(r->console, r->body, r->body_len);

	if (error == 0) {
		session_typed(r->session, seq);
		return true;
	}
	input_refuse(r, error);
	return false;
}

static void
refuse_gap(struct request *r, uint64_t seq)
{
	uint64_t expected = session_seq(r->session) + 1;
	struct json_object *members = json_object_new_object();

	json_object_object_add(
	    members, "expected", json_object_new_uint64(expected));
	reply_problem_with(r->conn, 409, "seq-gap", "", members,
	    "Input number %" PRIu64 " was expected, not %" PRIu64
	    "; nothing was typed.",
	    expected, seq);
}

static void
acknowledge(struct request *r, uint64_t seq, bool typed)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, "seq", json_object_new_uint64(seq));
	json_object_object_add(body, "typed", json_object_new_boolean(typed));
	reply_json(r->conn, 200, body);
}

void
handle_input(struct worker *w, struct request *r)
{
	struct input_request in = {0};
	uint64_t last = session_seq(r->session);
	bool again;

	(void)w;
	if (!session_may_type(r->session)) {
		reply_problem(
		    r->conn, 403, "read-only", "This session may only watch.");
		return;
	}
	if (!parse(r, &in))
		return;
	again = in.seq == last && last > 0;
	if (!again && in.seq != last + 1) {
		refuse_gap(r, in.seq);
		return;
	}
	if (!again && !type(r, in.seq))
		return;
	if (in.echo)
		poll_echo(r, &in.from, in.seq, (unsigned)in.echo);
	else
		acknowledge(r, in.seq, !again);
}
