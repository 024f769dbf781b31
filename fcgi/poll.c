#include "fcgi/poll.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/limits.h"
#include "common/ring.h"
#include "fcgi/console.h"
#include "fcgi/frames.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/session.h"
#include "fcgi/waiters.h"

struct poll {
	struct waiter waiter; /* first */
	struct session *session;
	struct position from;
	uint64_t seq; /* of the input it answers, or 0 */
	int token_status;
	bool json;
};

static const struct console *
console_of(const struct poll *p)
{
	return session_console(p->session);
}

/* Only of a poll that is parked already: a new one comes from a viewer who
 * may have lost the echo. */
static bool
output_ready(struct waiter *w)
{
	const struct poll *p = (const struct poll *)w;

	return frames_news(
	    console_of(p), &p->from, session_echoed(p->session, p->from.run));
}

/* Events wait for the poll: an echo is for output. */
static bool
echo_ready(struct waiter *w)
{
	const struct poll *p = (const struct poll *)w;
	const struct ring *ring = console_ring(console_of(p));

	return ring && ring_end(ring) > p->from.offset;
}

/* Nothing can be told before it is there; an echo is for who has it. */
static bool
needs_snapshot(const struct poll *p)
{
	return p->seq == 0 && !frames_is_known(console_of(p), &p->from);
}

static void
begin_answer(struct evbuffer *reply, const struct poll *p)
{
	char text[POSITION_TEXT];

	position_format(&p->from, text);
	reply_header(reply, "Xenterm-Next", text);
	if (p->seq) {
		snprintf(text, sizeof text, "%" PRIu64, p->seq);
		reply_header(reply, "Xenterm-Seq", text);
	}
}

/* Answers with what there is; 204 when that is nothing.  Who has waited long
 * enough for a snapshot gets what can be had without. */
static void
answer(struct poll *p, struct conn *conn, enum wake why)
{
	struct evbuffer *out = NULL, *reply;
	bool news = frames_news(console_of(p), &p->from, 0) ||
		    (why == WAKE_TIMEOUT && needs_snapshot(p));

	reply = reply_begin(news ? 200 : 204);
	if (news) {
		/* If it cannot be made, the reply is not whole. */
		out = evbuffer_new();
		if (out &&
		    frames_build(console_of(p), session_viewer(p->session),
			&p->from, p->json, out) &&
		    p->seq)
			session_set_echoed(
			    p->session, p->from.run, p->from.offset);
	}
	begin_answer(reply, p);
	reply_body(reply, !news	    ? NULL
			  : p->json ? "application/json"
				    : FRAMES_TYPE);
	if (reply && out)
		evbuffer_add_buffer(reply, out);
	if (out)
		evbuffer_free(out);
	reply_send(conn, reply);
}

static void
poll_free(struct poll *p)
{
	session_unpark(p->session);
	free(p);
}

/* What was typed is acknowledged, whatever becomes of its echo. */
static void
refuse(const struct poll *p, struct conn *conn, int status, const char *code,
    const char *detail)
{
	struct evbuffer *reply;

	if (!p->seq) {
		reply_problem_with(conn, status, code,
		    status == p->token_status ? "" : REPLY_RETRY, NULL, "%s",
		    detail);
		return;
	}
	reply = reply_begin(204);
	begin_answer(reply, p);
	reply_body(reply, NULL);
	reply_send(conn, reply);
}

static void
poll_answer(struct waiter *w, enum wake why)
{
	struct poll *p = (struct poll *)w;

	if (why == WAKE_CLOSED)
		refuse(p, w->conn, p->token_status, "unknown-token",
		    "This session has ended.");
	else if (why == WAKE_RESTART)
		refuse(p, w->conn, 503, "overload", REPLY_RESTART);
	else
		answer(p, w->conn, why);
	poll_free(p);
}

static void
poll_gone(struct waiter *w)
{
	poll_free((struct poll *)w);
}

static const struct waiter_class output_class = {
    .ready = output_ready,
    .answer = poll_answer,
    .gone = poll_gone,
};

static const struct waiter_class echo_class = {
    .ready = echo_ready,
    .answer = poll_answer,
    .gone = poll_gone,
    .first = true,
};

/* Parks a copy of p. */
static void
park(const struct poll *p, unsigned ms)
{
	struct conn *conn = p->waiter.conn;
	struct poll *parked;

	if (!session_park(p->session)) {
		refuse(p, conn, 429, "too-many-polls",
		    "This session has as many requests waiting as it may.");
		return;
	}
	parked = malloc(sizeof *parked);
	if (parked) {
		*parked = *p;
		if (waiters_add(
			console_waiters(console_of(p)), &parked->waiter, ms))
			return;
		free(parked);
	}
	session_unpark(p->session);
	if (p->seq)
		refuse(p, conn, 503, "no-memory", "");
	else
		reply_no_memory(conn);
}

static void
begin(struct poll *p, struct request *r, unsigned ms)
{
	p->waiter.conn = r->conn;
	p->waiter.owner = r->session;
	p->session = r->session;
	p->json = r->wants_json;
	p->token_status = r->token_status;
	if (p->from.event == POSITION_NO_EVENT)
		p->from.event = console_event(console_of(p));
	if (p->seq ? echo_ready(&p->waiter)
		   : frames_news(console_of(p), &p->from, 0))
		answer(p, r->conn, WAKE_READY);
	else if (needs_snapshot(p))
		park(p, LIMIT_SNAPSHOT_MS);
	else if (ms == 0)
		answer(p, r->conn, WAKE_TIMEOUT);
	else
		park(p, ms);
}

void
poll_output(struct request *r, const struct position *from, unsigned ms)
{
	struct poll p = {.waiter.class = &output_class, .from = *from};

	begin(&p, r, ms);
}

void
poll_echo(
    struct request *r, const struct position *from, uint64_t seq, unsigned ms)
{
	struct poll p = {
	    .waiter.class = &echo_class, .from = *from, .seq = seq};

	begin(&p, r, ms);
}
