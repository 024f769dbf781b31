/* What the user types, once and in order: POST api/v1/input; and DELETE, which
 * takes back what the guest has not taken yet. */
#include <json-c/json.h>
#include <stdint.h>

#include "common/limits.h"
#include "fcgi/console.h"
#include "fcgi/ctrl_o.h"
#include "fcgi/frames.h"
#include "fcgi/handlers.h"
#include "fcgi/json_build.h"
#include "fcgi/poll.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/session.h"
#include "fcgi/typing.h"
#include "fcgi/worker.h"

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
handle_input(struct worker *w, struct request *r)
{
	struct console *c = session_console(r->session);
	struct input_request in = {0};
	struct input_by by;
	bool again;

	if (!typing_allowed(r) || !parse(r, &in) ||
	    !typing_in_turn(r, in.seq, &again))
		return;
	by = session_typist(r->session, in.seq);
	if (!again && !typing_done(r, in.seq,
			  ctrl_o_type(w->config, c, r->body, r->body_len, &by)))
		return;
	if (in.echo)
		poll_echo(r, &in.from, in.seq, (unsigned)in.echo);
	else
		typing_acknowledge(r, in.seq, !again);
}

void
handle_input_cancel(struct worker *w, struct request *r)
{
	struct json_object *answer;
	struct input_by by;
	size_t bytes;

	(void)w;
	if (!typing_allowed(r))
		return;
	by = session_typist(r->session, 0);
	bytes = console_cancel(session_console(r->session), by.session);
	answer = json_object_new_object();
	json_put_number(&answer, "cancelled", bytes);
	reply_json(r->conn, 200, answer);
}
