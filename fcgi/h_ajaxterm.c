/*
 * GET and POST ajaxterm/NAME/u: the protocol of AjaxTerm's pages.
 *
 * One call does it all: it types the keys in `k`, if there are any, and answers
 * with the whole screen, or says that this viewer has seen it.  `s` only tells
 * a user's viewers apart; who may do what comes from nginx' identity.  The
 * grid is the console's: `w` and `h` change nothing.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/number.h"
#include "common/ring.h"
#include "fcgi/console.h"
#include "fcgi/ctrl_o.h"
#include "fcgi/form.h"
#include "fcgi/handlers.h"
#include "fcgi/lookup.h"
#include "fcgi/markup.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/screen.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/session_keep.h"
#include "fcgi/waiters.h"
#include "fcgi/worker.h"

/* What a page may believe its terminal's size to be. */
#define TOLD_MAX 10000

struct query {
	char viewer[LIMIT_VIEWER_NAME + 1];
	bool colours;
	char keys[LIMIT_BODY + 1];
	size_t nkeys;
};

/* A request that waits: for the tty, for its keys' echo, for the screen. */
struct view {
	struct waiter waiter; /* first */
	struct screen_job job;
	struct session *session;
	const struct config *config;
	bool typed;
	uint64_t run, offset; /* of the output when the keys were typed */
	bool done;	      /* the rendering, with: */
	int error;
	struct session_shown shown;
	struct evbuffer *document; /* NULL: the viewer has seen it */
	size_t nkeys;
	char keys[];
};

/* ---- what it asks ------------------------------------------------------- */

static bool
bad(struct request *r, const char *sentence)
{
	reply_problem(r->conn, 400, "bad-parameter", "%s", sentence);
	return false;
}

static bool
is_viewer_name(const char *text, size_t len)
{
	return len > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789._-") == len;
}

/* A number that may be missing, or empty. */
static bool
is_number(const char *form, size_t len, const char *name, uint64_t max,
    uint64_t *value)
{
	char text[24];
	size_t n;
	int error = form_field(form, len, name, text, sizeof text, &n);

	if (error == -ENOENT || (error == 0 && n == 0))
		return true;
	return error == 0 && strlen(text) == n &&
	       number_parse(text, 0, max, value);
}

static bool
parse(struct request *r, struct query *q)
{
	bool posted =
	    strcmp(conn_param(r->conn, "REQUEST_METHOD"), "POST") == 0;
	const char *form = conn_param(r->conn, "QUERY_STRING");
	size_t n, len = strlen(form);
	uint64_t size = 0, colours = 0;
	int error;

	if (posted) {
		form = (const char *)r->body;
		len = r->body_len;
	}
	if (len > LIMIT_BODY)
		return bad(r, "The query string is too long.");
	if (form_field(form, len, "s", q->viewer, sizeof q->viewer, &n) != 0 ||
	    !is_viewer_name(q->viewer, n))
		return bad(r,
		    "The parameter s, the viewer's own name, must be 1 to 64 "
		    "letters, digits, dots, dashes or underscores.");
	if (!is_number(form, len, "w", TOLD_MAX, &size) ||
	    !is_number(form, len, "h", TOLD_MAX, &size))
		return bad(r,
		    "The parameters w and h must be whole numbers from 0 to "
		    "10000.");
	if (!is_number(form, len, "c", 1, &colours))
		return bad(r, "The parameter c must be 0 or 1.");
	q->colours = colours;
	error = form_field(form, len, "k", q->keys, sizeof q->keys, &q->nkeys);
	if (error && error != -ENOENT)
		return bad(r,
		    "The parameter k, the keys, is given twice or is not "
		    "percent-encoded.");
	return true;
}

/* ---- what it is answered ------------------------------------------------ */

/* Nothing has changed. */
static void
send_idem(struct conn *conn)
{
	conn_finish_text(conn, "Status: 200 OK\r\n"
			       "Cache-Control: no-store\r\n"
			       "Content-Type: text/xml\r\n"
			       "X-Content-Type-Options: nosniff\r\n\r\n"
			       "<?xml version=\"1.0\"?><idem></idem>");
}

/* document NULL: nothing has changed.  It stays the caller's.  False: out of
 * memory, and the viewer has not got it. */
static bool
send_document(struct conn *conn, struct evbuffer *document)
{
	struct evbuffer *reply;

	if (document) {
		reply = reply_begin(200);
		reply_body(reply, "text/xml");
		if (reply_is_whole(reply)) {
			evbuffer_add_buffer(reply, document);
			return reply_send(conn, reply);
		}
		if (reply)
			evbuffer_free(reply);
	}
	send_idem(conn);
	return !document;
}

/* What was typed is never answered with an error: it would be sent again.  Nor
 * is a page that only looks, while the worker is restarted: it would stop. */
static void
refuse(struct view *view, int error)
{
	struct conn *conn = view->waiter.conn;

	if (view->typed || (error == -ESHUTDOWN && view->nkeys == 0))
		send_idem(conn);
	else if (error == -ESHUTDOWN)
		reply_restart(conn);
	else if (error == -EIO)
		reply_problem_with(conn, 503, "no-screen", REPLY_RETRY, NULL,
		    "The screen of this console cannot be made at present.");
	else if (error == -ECONNRESET)
		reply_problem(conn, 404, "no-such-console",
		    "The console has gone, or this viewer was closed.");
	else
		reply_problem_with(conn, 503, "overload", REPLY_RETRY, NULL,
		    "The screen did not come in time, or too many wait for "
		    "it.");
}

/* Of who will not be answered: why he has been woken, as an error. */
static int
error_of(enum wake why)
{
	return why == WAKE_RESTART ? -ESHUTDOWN : -ECONNRESET;
}

static void
view_free(struct view *view)
{
	screen_cancel(&view->job);
	session_unpark(view->session);
	if (view->document)
		evbuffer_free(view->document);
	free(view);
}

/* ---- the screen --------------------------------------------------------- */

static struct console *
console_of(const struct view *view)
{
	return session_console(view->session);
}

/* A copy, if it is what it has to be: the page makes HTML of it. */
static int
take_document(struct view *view, struct evbuffer *bytes)
{
	size_t len = evbuffer_get_length(bytes);
	const unsigned char *text;

	view->document = evbuffer_new();
	if (!view->document ||
	    evbuffer_add_buffer_reference(view->document, bytes) < 0)
		return -ENOMEM;
	text = evbuffer_pullup(view->document, -1);
	if (!text && len > 0)
		return -ENOMEM;
	if (text && markup_is_ajaxterm((const char *)text, len))
		return 0;
	log_warn("console %s: its screen process rendered what is no screen",
	    console_id(console_of(view)));
	return -EIO;
}

static void
on_done(struct screen_job *job, int error, const struct screen_image *image,
    struct evbuffer *bytes)
{
	struct view *view =
	    (struct view *)((char *)job - offsetof(struct view, job));

	if (!error && !image->unchanged)
		error = take_document(view, bytes);
	if (!error)
		view->shown = (struct session_shown){
		    .run = ring_run(console_ring(console_of(view))),
		    .generation = image->generation,
		    .format = image->format};
	view->done = true;
	view->error = error;
	waiters_settle(console_waiters(console_of(view)));
}

static bool
screen_ready(struct waiter *w)
{
	return ((struct view *)w)->done;
}

static void
screen_answer(struct waiter *w, enum wake why)
{
	struct view *view = (struct view *)w;

	if (why >= WAKE_CLOSED) {
		refuse(view, error_of(why));
	} else if (!view->done) {
		refuse(view, -ETIMEDOUT);
	} else if (view->error) {
		refuse(view, view->error);
	} else {
		if (send_document(w->conn, view->document))
			session_set_shown(view->session, view->shown);
	}
	view_free(view);
}

static void
view_gone(struct waiter *w)
{
	view_free((struct view *)w);
}

static const struct waiter_class screen_class = {
    .ready = screen_ready,
    .answer = screen_answer,
    .gone = view_gone,
};

static void
wait_for_screen(struct view *view)
{
	struct console *c = console_of(view);
	struct session_shown shown = session_shown(view->session);
	int error;

	if (shown.run == ring_run(console_ring(c)) &&
	    shown.format == view->job.format)
		view->job.since = shown.generation;
	view->waiter.class = &screen_class;
	error = screen_render(console_screen(c), &view->job);
	if (!error &&
	    !waiters_add(console_waiters(c), &view->waiter, LIMIT_SNAPSHOT_MS))
		error = -ENOMEM;
	if (error) {
		refuse(view, error);
		view_free(view);
	}
}

/* ---- the keys ----------------------------------------------------------- */

static bool
echo_ready(struct waiter *w)
{
	const struct view *view = (const struct view *)w;
	const struct ring *ring = console_ring(console_of(view));

	return ring_run(ring) != view->run || ring_end(ring) > view->offset;
}

static void
echo_answer(struct waiter *w, enum wake why)
{
	struct view *view = (struct view *)w;

	if (why >= WAKE_CLOSED) {
		refuse(view, error_of(why));
		view_free(view);
		return;
	}
	wait_for_screen(view);
}

static const struct waiter_class echo_class = {
    .ready = echo_ready,
    .answer = echo_answer,
    .gone = view_gone,
    .first = true,
};

static void
wait_for_echo(struct view *view)
{
	view->waiter.class = &echo_class;
	if (!waiters_add(console_waiters(console_of(view)), &view->waiter,
		LIMIT_AJAXTERM_ECHO))
		wait_for_screen(view);
}

/* False: a problem was answered, nothing was typed. */
static bool
type(struct view *view)
{
	struct console *c = console_of(view);
	const struct ring *ring = console_ring(c);
	const struct input_by by =
	    session_typist(view->session, session_seq(view->session) + 1);
	int error = ring ? ctrl_o_type(view->config, c,
			       (const uint8_t *)view->keys, view->nkeys, &by)
			 : -ENOTCONN;

	if (error == 0) {
		view->run = ring_run(ring);
		view->offset = ring_end(ring);
		view->typed = true;
		session_typed(view->session, by.seq);
		return true;
	}
	if (error == -ENOTCONN)
		reply_problem(view->waiter.conn, 409, "not-up",
		    "The console is not open at present; nothing was typed.");
	else
		reply_problem_with(view->waiter.conn, 503, "queue-full",
		    REPLY_RETRY, NULL,
		    "The guest does not take its input; nothing was typed. "
		    "Send it again later.");
	return false;
}

/* ---- the tty ------------------------------------------------------------ */

static void
serve(struct view *view)
{
	if (view->nkeys > 0) {
		if (type(view))
			wait_for_echo(view);
		else
			view_free(view);
	} else if (console_ring(console_of(view))) {
		wait_for_screen(view);
	} else {
		/* It has never been open; the page goes on asking. */
		send_idem(view->waiter.conn);
		view_free(view);
	}
}

static bool
tty_ready(struct waiter *w)
{
	return console_is_settled(console_of((struct view *)w));
}

static void
tty_answer(struct waiter *w, enum wake why)
{
	struct view *view = (struct view *)w;

	if (why >= WAKE_CLOSED) {
		refuse(view, error_of(why));
		view_free(view);
		return;
	}
	serve(view);
}

static const struct waiter_class tty_class = {
    .ready = tty_ready,
    .answer = tty_answer,
    .gone = view_gone,
    .first = true,
};

static void
wait_for_tty(struct view *view)
{
	view->waiter.class = &tty_class;
	if (console_is_settled(console_of(view)) ||
	    !waiters_add(console_waiters(console_of(view)), &view->waiter,
		LIMIT_OPEN_MS))
		serve(view);
}

/* ---- the call ----------------------------------------------------------- */

static bool
may(struct request *r, const struct query *q, uint32_t rights)
{
	if (!(rights & (RIGHT_WATCH | RIGHT_TYPE)))
		reply_problem(r->conn, 403, "not-allowed",
		    "You may not watch this console.");
	else if (q->nkeys > 0 && !r->same_site)
		reply_problem(r->conn, 403, "wrong-origin",
		    "Keys must come from a page of this site, which "
		    "Sec-Fetch-Site, Origin or Referer has to say.");
	else
		return true;
	return false;
}

static void
begin(struct worker *w, struct request *r, struct session *session,
    const struct query *q)
{
	struct view *view;

	if (q->nkeys > 0 && !session_may_type(session)) {
		reply_problem(
		    r->conn, 403, "read-only", "You may only watch here.");
		return;
	}
	if (!session_park(session)) {
		reply_problem_with(r->conn, 429, "too-many-polls", REPLY_RETRY,
		    NULL,
		    "This viewer has as many requests waiting as it may.");
		return;
	}
	view = calloc(1, sizeof *view + q->nkeys);
	if (!view) {
		session_unpark(session);
		reply_no_memory(r->conn);
		return;
	}
	memcpy(view->keys, q->keys, q->nkeys);
	view->nkeys = q->nkeys;
	view->config = w->config;
	view->waiter.conn = r->conn;
	view->waiter.owner = view->session = session;
	view->job = (struct screen_job){
	    .format = q->colours ? SCREEN_AJAXTERM : SCREEN_AJAXTERM_MONO,
	    .since = UINT64_MAX,
	    .done = on_done};
	wait_for_tty(view);
}

static void
handle(struct worker *w, struct request *r, struct query *q)
{
	struct session *session;
	struct console *c;
	uint32_t rights;
	bool may_type;
	int error;

	if (!parse(r, q))
		return;
	c = lookup_console(w, r, r->name, &rights);
	if (!c || !may(r, q, rights))
		return;
	/* While others type, who may not join them watches. */
	may_type = (rights & RIGHT_TYPE) &&
		   ((rights & RIGHT_JOIN) || !console_typist(c, r->user));
	error = session_of_viewer(
	    w->sessions, c, r->user, may_type, q->viewer, &session);
	if (!error)
		error = session_set_grant(session, GRANT_LOGIN, r->groups);
	if (error == -EMFILE)
		reply_problem(r->conn, 429, "too-many-sessions",
		    "Too many sessions are open; close some, or wait for "
		    "their end.");
	else if (error)
		reply_no_memory(r->conn);
	if (error)
		return;
	session_opened_from(session, conn_param(r->conn, "REMOTE_ADDR"));
	session_keep(session);
	begin(w, r, session, q);
}

void
handle_ajaxterm(struct worker *w, struct request *r)
{
	static struct query q;

	handle(w, r, &q);
	sodium_memzero(&q, sizeof q); /* the keys */
}
