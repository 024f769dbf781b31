#include "fcgi/stream.h"

#include <event2/buffer.h>
#include <stdlib.h>

#include "common/limits.h"
#include "fcgi/console.h"
#include "fcgi/frames.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/waiters.h"

struct stream {
	struct waiter waiter; /* first */
	struct session *session;
	struct position at; /* behind what was sent */
	bool lost;	    /* stood at a position without a screen already */
	bool moved;	    /* the browser has taken something since the tick */
	unsigned stuck;	    /* ticks at which it had not */
};

static const struct console *
console_of(const struct stream *s)
{
	return session_console(s->session);
}

/* Ends batch with where the stream stands, and sends and frees it.  False: out
 * of memory, and nothing was sent. */
static bool
send_batch(struct stream *s, struct evbuffer *batch)
{
	bool ok = frames_position(&s->at, batch);

	if (ok)
		conn_stream_send(s->waiter.conn, batch);
	evbuffer_free(batch);
	return ok;
}

/* Sends one answer's worth.  False: out of memory, and nothing was sent. */
static bool
send_news(struct stream *s)
{
	const struct position before = s->at;
	struct evbuffer *batch = evbuffer_new();

	if (!batch)
		return false;
	if (!frames_build(console_of(s), session_viewer(s->session), &s->at,
		false, batch)) {
		evbuffer_free(batch);
		return false;
	}
	if (send_batch(s, batch)) {
		s->lost = false;
		return true;
	}
	s->at = before;
	return false;
}

static bool
stream_ready(struct waiter *w)
{
	const struct stream *s = (const struct stream *)w;

	return !conn_stream_is_busy(w->conn) &&
	       frames_news(console_of(s), &s->at, 0);
}

static void
stream_free(struct stream *s)
{
	session_unpark(s->session);
	free(s);
}

/* The browser asks again, from where it stands, and is told why there is no
 * more. */
static void
end(struct stream *s)
{
	conn_stream_end(s->waiter.conn);
	stream_free(s);
}

/* Sends until there is no more, or the browser has to read first.  Without
 * memory for it s is no more. */
static void
send_all(struct stream *s)
{
	while (stream_ready(&s->waiter)) {
		if (!send_news(s)) {
			waiters_remove(&s->waiter);
			end(s);
			return;
		}
		s->moved = true;
	}
}

static void
on_drained(void *ctx)
{
	struct stream *s = ctx;

	s->moved = true;
	send_all(s);
}

/* Says where the stream stands.  A screen that was asked for at the last tick
 * and has not come is done without. */
static void
tick(struct stream *s)
{
	struct evbuffer *batch;

	if (conn_stream_is_busy(s->waiter.conn)) {
		s->stuck = s->moved ? 0 : s->stuck + 1;
		s->moved = false;
		return;
	}
	s->stuck = 0;
	s->moved = false;
	if (frames_is_known(console_of(s), &s->at)) {
		s->lost = false;
	} else if (s->lost) {
		send_news(s); /* or at the next tick */
		return;
	} else {
		s->lost = true;
	}
	batch = evbuffer_new();
	if (batch)
		send_batch(s, batch); /* or at the next tick */
}

static bool
wait(struct stream *s)
{
	return waiters_add(
	    console_waiters(console_of(s)), &s->waiter, LIMIT_STREAM_MS);
}

static void
stream_answer(struct waiter *w, enum wake why)
{
	struct stream *s = (struct stream *)w;

	if (why == WAKE_READY) {
		send_all(s);
		return;
	}
	if (why == WAKE_TIMEOUT) {
		tick(s);
		if (s->stuck < LIMIT_STREAM_STUCK && wait(s))
			return;
	}
	end(s);
}

static void
stream_gone(struct waiter *w)
{
	stream_free((struct stream *)w);
}

static const struct waiter_class stream_class = {
    .ready = stream_ready,
    .answer = stream_answer,
    .gone = stream_gone,
    .stays = true,
};

/* NULL: out of memory. */
static struct evbuffer *
make_head(const struct stream *s)
{
	struct evbuffer *head = reply_begin(200);

	/* nginx passes on at once what it would gather otherwise. */
	reply_header(head, "X-Accel-Buffering", "no");
	reply_body(head, FRAMES_TYPE);
	if (head)
		frames_position(&s->at, head);
	if (reply_is_whole(head))
		return head;
	if (head)
		evbuffer_free(head);
	return NULL;
}

/* Parked with its head sent, or NULL: out of memory, and nothing was sent. */
static struct stream *
start(struct stream *s)
{
	struct evbuffer *head = make_head(s);

	if (!head || !wait(s)) {
		if (head)
			evbuffer_free(head);
		free(s);
		return NULL;
	}
	conn_stream_send(s->waiter.conn, head);
	evbuffer_free(head);
	return s;
}

/* NULL: out of memory. */
static struct stream *
begin(struct request *r, const struct position *from)
{
	struct stream *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->waiter.class = &stream_class;
	s->waiter.conn = r->conn;
	s->waiter.owner = r->session;
	s->session = r->session;
	s->at = *from;
	s->lost = true;
	if (s->at.event == POSITION_NO_EVENT)
		s->at.event = console_event(console_of(s));
	if (conn_stream_begin(r->conn, on_drained, s))
		return s;
	free(s);
	return NULL;
}

void
stream_output(struct request *r, const struct position *from)
{
	struct stream *s;

	if (!session_park(r->session)) {
		reply_problem_with(r->conn, 429, "too-many-polls", REPLY_RETRY,
		    NULL,
		    "This session has as many requests waiting as it may.");
		return;
	}
	s = begin(r, from);
	if (s)
		s = start(s);
	if (!s) {
		session_unpark(r->session);
		reply_no_memory(r->conn);
		return;
	}
	send_all(s);
}
