/*
 * POST expect: types, waits for patterns, and tells what came, one step after
 * the other, next to the console.
 *
 * A call keeps nothing but where it stands in the console's output: it looks
 * at the ring, as viewers do, so calls do not disturb each other.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/pattern.h"
#include "common/ring.h"
#include "common/text.h"
#include "fcgi/admin_handlers.h"
#include "fcgi/console.h"
#include "fcgi/ctrl_o.h"
#include "fcgi/expect_program.h"
#include "fcgi/handlers.h"
#include "fcgi/json_build.h"
#include "fcgi/position.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/screen.h"
#include "fcgi/session.h"
#include "fcgi/visit.h"
#include "fcgi/worker.h"

struct expect {
	struct visit visit; /* first */
	struct screen_job job;
	struct expect_program *program;
	struct console *console;
	const struct config *config;
	bool opening; /* the console, before the first step */
	bool asked;   /* for the screen */
	int step;
	unsigned turns;
	uint64_t ends, step_ends; /* ms */
	/* The output from `from` on has not been matched; where each of the
	 * step's patterns may still begin; and what has been looked at. */
	uint64_t run, from, resume[LIMIT_EXPECT_PATTERNS], seen;
	uint64_t skipped; /* bytes before `from` that came to no step */
	struct json_object *steps;
	size_t told; /* bytes of output in there */
};

static void
expect_free(struct expect *e, enum wake why)
{
	if (e->asked)
		screen_cancel(&e->job);
	visit_end(&e->visit, why);
	expect_program_free(e->program);
	json_object_put(e->steps);
	free(e);
}

static struct json_object *
bytes_json(const uint8_t *bytes, size_t len)
{
	struct json_object *value;
	size_t n;
	char *text = text_repair(bytes, len, &n);

	if (!text)
		return NULL;
	value = json_object_new_string_len(text, (int)n);
	free(text);
	return value;
}

/* What came and was not matched. */
static void
put_rest(struct expect *e, struct json_object **body)
{
	const struct ring *ring = console_ring(e->console);
	char next[POSITION_TEXT];
	struct position at = {.event = console_event(e->console)};

	if (ring && ring_run(ring) == e->run) {
		uint64_t end = ring_end(ring);
		uint64_t from =
		    e->from > ring_begin(ring) ? e->from : ring_begin(ring);

		if (end - from > LIMIT_EXPECT_WINDOW)
			from = end - LIMIT_EXPECT_WINDOW;
		json_put(
		    body, "after", bytes_json(ring_at(ring, from), end - from));
		at.run = e->run;
		at.offset = e->from;
	} else {
		json_put_text(body, "after", "");
	}
	position_format(&at, next);
	json_put_text(body, "next", next);
}

/* Answers, and frees e. */
static void
finish(struct expect *e, enum wake why, const char *result, const char *detail)
{
	struct json_object *body = json_object_new_object();
	struct conn *conn = e->visit.waiter.conn;

	json_put_text(&body, "result", result);
	json_put_text(&body, "detail", detail);
	json_put_number(&body, "step", (uint64_t)e->step);
	json_put(&body, "steps", json_object_get(e->steps));
	put_rest(e, &body);
	expect_free(e, why);
	reply_json(conn, 200, body);
}

static const struct expect_step *
current(const struct expect *e)
{
	return &e->program->steps[e->step];
}

/* The console's history may have begun anew. */
static void
follow_run(struct expect *e, const struct ring *ring)
{
	if (ring_run(ring) == e->run)
		return;
	e->run = ring_run(ring);
	e->from = ring_begin(ring);
	memset(e->resume, 0, sizeof e->resume);
}

/* Where the step's patterns are looked for: follows the ring, and drops what
 * is too old. */
static void
move_window(struct expect *e, const struct ring *ring)
{
	uint64_t begin = ring_begin(ring), end = ring_end(ring);

	follow_run(e, ring);
	if (end - begin > LIMIT_EXPECT_WINDOW)
		begin = end - LIMIT_EXPECT_WINDOW;
	if (e->from < begin) {
		e->skipped += begin - e->from;
		e->from = begin;
	}
	/* From before the console was open, and of no output of it. */
	if (e->from > end)
		e->from = end;
	for (size_t i = 0; i < LIMIT_EXPECT_PATTERNS; i++)
		if (e->resume[i] < e->from)
			e->resume[i] = e->from;
	e->seen = end;
}

static struct json_object *
groups_json(const uint8_t *bytes, const struct pattern_match *match)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < match->ngroups; i++)
		if (match->groups[i].set)
			json_append(&list,
			    bytes_json(bytes + match->groups[i].begin,
				match->groups[i].end - match->groups[i].begin));
		else
			json_append_null(&list);
	return list;
}

/* Tells of a match of pattern number `which` in bytes. */
static void
tell_match(struct expect *e, int which, const uint8_t *bytes,
    const struct pattern_match *match)
{
	struct json_object *step = json_object_new_object();
	size_t before = match->begin, room = LIMIT_EXPECT_ANSWER - e->told;
	size_t cut = before > room ? before - room : 0;

	json_put_number(&step, "step", (uint64_t)e->step);
	if (*current(e)->name)
		json_put_text(&step, "name", current(e)->name);
	json_put_number(&step, "pattern", (uint64_t)which);
	json_put_number(&step, "skipped", e->skipped + cut);
	json_put(&step, "before", bytes_json(bytes + cut, before - cut));
	json_put(&step, "match",
	    bytes_json(bytes + match->begin, match->end - match->begin));
	json_put(&step, "groups", groups_json(bytes, match));
	json_append(&e->steps, step); /* or what is answered is no-memory */
	e->told += before - cut;
	e->skipped = 0;
}

/* The leftmost match, of several at one place that of the first pattern: its
 * number; -1: none; or another negative errno. */
static int
find_first(struct expect *e, const uint8_t *bytes, size_t len, uint64_t base,
    struct pattern_match *best)
{
	const struct expect_step *step = current(e);
	int which = -1;

	for (size_t i = 0; i < step->npatterns; i++) {
		size_t resume =
		    e->resume[i] > base ? (size_t)(e->resume[i] - base) : 0;
		struct pattern_match match;
		int found = pattern_find(
		    step->patterns[i].pattern, bytes, len, &resume, &match);

		if (found < 0)
			return found;
		e->resume[i] = base + resume;
		if (found && (which < 0 || match.begin < best->begin)) {
			which = (int)i;
			*best = match;
		}
	}
	return which;
}

enum progress {
	STAY,  /* nothing found yet */
	MOVED, /* e->step is the next one */
	OVER,  /* it was answered: e is no more */
};

/* To the step `to`; its numbers: see expect_program.h. */
static enum progress
move_to(struct expect *e, int to)
{
	if (to >= 0) {
		e->step = to;
		return MOVED;
	}
	if (to == EXPECT_DONE)
		finish(e, WAKE_READY, "done", "All that was asked for came.");
	else
		finish(e, WAKE_READY, "fail",
		    "What came is what the steps call a failure.");
	return OVER;
}

static enum progress
too_hard(struct expect *e, int error)
{
	finish(e, WAKE_READY, "limit",
	    error == -E2BIG
		? "A pattern takes more work than it may: it repeats what is "
		  "repeated already."
	    : error == -ENOMEM ? "The worker is out of memory."
			       : "A pattern could not be looked for.");
	return OVER;
}

/* No errno that pattern_find() returns is -1. */
_Static_assert(EPERM == 1, "-1 means no match");

static enum progress
look_at_output(struct expect *e)
{
	const struct ring *ring = console_ring(e->console);
	struct pattern_match match = {0};
	const uint8_t *bytes;
	int which;

	if (!ring)
		return STAY;
	move_window(e, ring);
	bytes = ring_at(ring, e->from);
	which =
	    find_first(e, bytes, (size_t)(e->seen - e->from), e->from, &match);
	if (which < -1)
		return too_hard(e, which);
	if (which < 0)
		return STAY;
	tell_match(e, which, bytes, &match);
	e->from += match.end;
	return move_to(e, current(e)->patterns[which].then);
}

static enum progress
look_at_screen(
    struct expect *e, const uint8_t *bytes, size_t len, uint64_t offset)
{
	struct pattern_match match = {0};
	int which;

	memset(e->resume, 0, sizeof e->resume);
	which = find_first(e, bytes, len, 0, &match);
	if (which < -1)
		return too_hard(e, which);
	if (which < 0)
		return STAY;
	e->skipped = 0;
	tell_match(e, which, bytes, &match);
	/* What is on the screen is no news to a later step. */
	if (offset > e->from)
		e->from = offset;
	return move_to(e, current(e)->patterns[which].then);
}

/* Begins e->step: types, and sets its time. */
static enum progress
begin_step(struct expect *e)
{
	const struct expect_step *step = current(e);
	const struct ring *ring = console_ring(e->console);

	if (++e->turns > LIMIT_EXPECT_TURNS) {
		finish(
		    e, WAKE_READY, "limit", "The steps go round in circles.");
		return OVER;
	}
	memset(e->resume, 0, sizeof e->resume);
	e->step_ends = clock_ms() + step->timeout_ms;
	/* The screen is looked at once something was printed after this. */
	e->seen = ring && step->send ? ring_end(ring) : 0;
	if (step->send &&
	    ctrl_o_type(e->config, e->console, (const uint8_t *)step->send,
		step->send_len, NULL) != 0) {
		finish(e, WAKE_READY, "refused",
		    "The guest does not take input; nothing of this step was "
		    "typed.");
		return OVER;
	}
	if (step->npatterns == 0)
		return move_to(e, e->step + 1 < (int)e->program->nsteps
				      ? e->step + 1
				      : EXPECT_DONE);
	return STAY;
}

static void go_on(struct expect *e, enum progress progress);

static void
on_screen(struct screen_job *job, int error, const struct screen_image *image,
    struct evbuffer *bytes)
{
	struct expect *e =
	    (struct expect *)((char *)job - offsetof(struct expect, job));
	size_t len = error ? 0 : evbuffer_get_length(bytes);
	const uint8_t *text = (const uint8_t *)"";

	e->asked = false;
	waiters_remove(&e->visit.waiter);
	if (len > 0)
		text = evbuffer_pullup(bytes, -1);
	if (error || !text) {
		finish(e, WAKE_READY, "limit",
		    "The screen of this console cannot be made at present.");
		return;
	}
	e->seen = image->offset;
	go_on(e, look_at_screen(e, text, len, image->offset));
}

static bool
has_news(const struct expect *e)
{
	const struct ring *ring = console_ring(e->console);

	return ring && (ring_end(ring) > e->seen || ring_run(ring) != e->run);
}

/* False: e was answered. */
static bool
ask_screen(struct expect *e)
{
	follow_run(e, console_ring(e->console));
	e->job = (struct screen_job){
	    .format = SCREEN_TEXT, .since = UINT64_MAX, .done = on_screen};
	if (screen_render(console_screen(e->console), &e->job) != 0) {
		finish(e, WAKE_READY, "limit",
		    "The screen of this console cannot be made at present.");
		return false;
	}
	e->asked = true;
	return true;
}

static uint64_t
time_left(const struct expect *e)
{
	uint64_t now = clock_ms();
	uint64_t end = e->step_ends < e->ends ? e->step_ends : e->ends;

	return end > now ? end - now : 0;
}

/* Takes steps until one has to wait, and waits. */
static void
go_on(struct expect *e, enum progress progress)
{
	for (;;) {
		while (progress == MOVED)
			progress = begin_step(e);
		if (progress == OVER)
			return;
		if (current(e)->on_screen)
			break;
		progress = look_at_output(e);
		if (progress == OVER)
			return;
		if (progress == STAY)
			break;
	}
	if (current(e)->on_screen && has_news(e) && !ask_screen(e))
		return;
	if (!waiters_add(console_waiters(e->console), &e->visit.waiter,
		(unsigned)time_left(e)))
		finish(e, WAKE_READY, "limit", "The worker is out of memory.");
}

/* The console is open, or does not want to be. */
static void
begin(struct expect *e)
{
	const struct ring *ring = console_ring(e->console);

	e->opening = false;
	if (ring && e->run == 0) {
		e->run = ring_run(ring);
		e->from = ring_begin(ring);
	}
	go_on(e, MOVED);
}

static void
late(struct expect *e)
{
	int otherwise = current(e)->otherwise;

	if (e->asked)
		screen_cancel(&e->job);
	e->asked = false;
	if (clock_ms() >= e->ends)
		finish(e, WAKE_READY, "limit", "The call takes too long.");
	else if (otherwise == EXPECT_FAIL)
		finish(e, WAKE_READY, "timeout",
		    "What this step waits for did not come in time.");
	else
		go_on(e, move_to(e, otherwise));
}

static bool
expect_ready(struct waiter *w)
{
	const struct expect *e = (const struct expect *)w;

	if (e->opening)
		return console_is_settled(e->console);
	return !e->asked && has_news(e);
}

static void
expect_answer(struct waiter *w, enum wake why)
{
	struct expect *e = (struct expect *)w;

	if (why >= WAKE_CLOSED)
		finish(e, why, "ended",
		    "The console has gone, or this session was closed.");
	else if (e->opening)
		begin(e);
	else if (why == WAKE_TIMEOUT)
		late(e);
	else
		go_on(e, STAY);
}

static void
expect_gone(struct waiter *w)
{
	expect_free((struct expect *)w, WAKE_TIMEOUT);
}

static const struct waiter_class expect_class = {
    .ready = expect_ready,
    .answer = expect_answer,
    .gone = expect_gone,
};

/* Where it starts: at what the guest prints from now on, unless said. */
static bool
parse_from(struct request *r, struct expect *e)
{
	const struct ring *ring = console_ring(r->console);
	const char *text = request_query(r, "from");
	struct position from;

	if (text && !position_parse(text, &from)) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter from must be a position as next gave it.");
		return false;
	}
	if (text) {
		e->run = from.run;
		e->from = from.offset;
	} else if (ring) {
		e->run = ring_run(ring);
		e->from = ring_end(ring);
	}
	if (ring && e->run == ring_run(ring) && e->from > ring_end(ring)) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The position from has not happened yet.");
		return false;
	}
	return true;
}

/* False: a problem was answered. */
static bool
prepare(struct expect *e, struct worker *w, struct request *r)
{
	char error[EXPECT_ERROR];

	if (!parse_from(r, e))
		return false;
	e->program = expect_program_parse(r->body, r->body_len, error);
	if (!e->program) {
		reply_problem(r->conn, 400, "bad-body", "%s", error);
		return false;
	}
	return visit_begin(&e->visit, w, r);
}

void
admin_expect(struct worker *w, struct request *r)
{
	struct expect *e = calloc(1, sizeof *e);

	if (!e) {
		session_refuse(r, -ENOMEM);
		return;
	}
	if (!prepare(e, w, r)) {
		expect_program_free(e->program);
		free(e);
		return;
	}
	e->visit.waiter.class = &expect_class;
	e->console = r->console;
	e->config = w->config;
	e->steps = json_object_new_array();
	e->ends = clock_ms() + LIMIT_EXPECT_SECONDS * 1000ull;
	e->opening = !console_is_settled(r->console);
	if (!e->opening)
		begin(e);
	else if (!waiters_add(console_waiters(r->console), &e->visit.waiter,
		     LIMIT_OPEN_MS))
		finish(e, WAKE_READY, "limit", "The worker is out of memory.");
}
