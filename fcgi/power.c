#include "fcgi/power.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/limits.h"
#include "fcgi/audit.h"
#include "fcgi/broker_link.h"
#include "fcgi/console.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/waiters.h"
#include "fcgi/worker.h"

/* The broker answers by then, unless it hangs. */
#define WAIT_MS ((LIMIT_POWER_SECONDS + 5) * 1000)

/* One call.  Who made it may leave; it still counts until the broker has
 * answered, who has room for so many. */
struct power {
	struct waiter waiter;	 /* first */
	struct console *console; /* NULL: nobody waits any more */
	uint32_t number, domid;
	enum power_action action;
	enum power_outcome outcome; /* POWER_OUTCOMES: not known yet */
	char user[LIMIT_USER + 1], address[64];
	struct power *prev, *next;
};

struct powers {
	struct power *calls;
	size_t count;
	uint32_t number; /* of the latest call */
};

const char *
power_action_name(enum power_action action)
{
	return action == POWER_REBOOT ? "reboot" : "shutdown";
}

bool
power_action_parse(const char *text, enum power_action *out)
{
	for (*out = 0; *out < POWER_ACTIONS; (*out)++)
		if (strcmp(text, power_action_name(*out)) == 0)
			return true;
	return false;
}

/* ---- what is answered --------------------------------------------------- */

/* Everything but POWER_TAKEN, and POWER_OUTCOMES: it is not known. */
static const struct problem {
	int status;
	const char *code, *detail;
} problems[POWER_OUTCOMES + 1] = {
    [POWER_NO_ANSWER] = {409, "no-answer",
	"The guest does not answer; it is not asked any more. It may have no "
	"Xen drivers, hang, or be paused."},
    [POWER_REFUSED] = {409, "not-supported",
	"The guest says that it does not take this request."},
    [POWER_PENDING] = {409, "power-pending",
	"The guest is asked for something already, and has not answered "
	"yet."},
    [POWER_OTHER] = {409, "guest-changed",
	"The guest does not run any more, or has been started anew; it was "
	"not asked."},
    [POWER_NOT_OFFERED] = {409, "not-supported",
	"The guest's domain has no control/shutdown in xenstore; it cannot "
	"be asked."},
    [POWER_FORBIDDEN] = {403, "not-allowed",
	"The configuration gives nobody the right power at this guest."},
    [POWER_NO_STORE] = {503, "power-unknown",
	"Whether the guest was asked is not known: xenstored does not "
	"answer."},
    [POWER_OUTCOMES] = {503, "power-unknown",
	"Whether the guest was asked is not known: xenterm-broker has not "
	"answered."},
};

/* Whether there is memory or not: who is told to ask again might do so. */
static void
reply_taken(const struct power *p)
{
	char text[256];

	snprintf(text, sizeof text,
	    "Status: 200 OK\r\n"
	    "Cache-Control: no-store\r\n"
	    "Content-Type: application/json\r\n"
	    "X-Content-Type-Options: nosniff\r\n\r\n"
	    "{\"action\":\"%s\",\"domid\":%" PRIu32 "}",
	    power_action_name(p->action), p->domid);
	conn_finish_text(p->waiter.conn, text);
}

static void
say(const struct power *p, const char *event, const char *why)
{
	audit(&(struct audit){.event = event,
	    .user = p->user,
	    .address = p->address,
	    .console = p->console,
	    .wanted = power_action_name(p->action),
	    .why = why});
}

static void
answer(struct power *p)
{
	const struct problem *problem = &problems[p->outcome];

	say(p, "power-answered",
	    p->outcome == POWER_TAKEN ? "taken" : problem->code);
	if (p->outcome == POWER_TAKEN)
		reply_taken(p);
	else
		reply_problem(p->waiter.conn, problem->status, problem->code,
		    "%s", problem->detail);
	p->console = NULL;
}

/* ---- waiting ------------------------------------------------------------ */

static bool
power_ready(struct waiter *w)
{
	return ((struct power *)w)->outcome != POWER_OUTCOMES;
}

static void
power_answer(struct waiter *w, enum wake why)
{
	(void)why;
	answer((struct power *)w);
}

/* The guest is asked all the same. */
static void
power_gone(struct waiter *w)
{
	((struct power *)w)->console = NULL;
}

static const struct waiter_class power_class = {
    .ready = power_ready,
    .answer = power_answer,
    .gone = power_gone,
};

static void
forget(struct powers *powers, struct power *p)
{
	DL_DELETE(powers->calls, p);
	powers->count--;
	free(p);
}

static void
settle(struct powers *powers, struct power *p, enum power_outcome outcome)
{
	p->outcome = outcome;
	if (p->console) {
		waiters_remove(&p->waiter);
		answer(p);
	}
	forget(powers, p);
}

void
powers_answer(struct powers *powers, uint32_t number, uint32_t outcome)
{
	struct power *p;

	DL_FOREACH (powers->calls, p)
		if (p->number == number)
			break;
	if (p && outcome < POWER_OUTCOMES)
		settle(powers, p, outcome);
}

void
powers_lost(struct powers *powers)
{
	struct power *p, *next;

	DL_FOREACH_SAFE (powers->calls, p, next)
		settle(powers, p, POWER_OUTCOMES);
}

static struct power *
add(struct powers *powers, struct request *r, struct console *c,
    enum power_action action)
{
	struct power *p =
	    powers->count < LIMIT_POWER ? calloc(1, sizeof *p) : NULL;

	if (!p)
		return NULL;
	p->waiter.class = &power_class;
	p->waiter.conn = r->conn;
	p->waiter.owner = p;
	p->console = c;
	p->number = ++powers->number;
	p->domid = console_domid(c);
	p->action = action;
	p->outcome = POWER_OUTCOMES;
	snprintf(p->user, sizeof p->user, "%s", r->user);
	snprintf(p->address, sizeof p->address, "%s",
	    conn_param(r->conn, "REMOTE_ADDR"));
	DL_APPEND(powers->calls, p);
	powers->count++;
	return p;
}

void
powers_ask(struct worker *w, struct request *r, struct console *c,
    enum power_action action)
{
	struct power *p = add(w->powers, r, c, action);
	struct msg_power msg = {.type = MSG_POWER, .key = *console_key_of(c)};

	if (!p || !waiters_add(console_waiters(c), &p->waiter, WAIT_MS)) {
		if (p)
			forget(w->powers, p);
		reply_problem_with(r->conn, 503, "overload", REPLY_RETRY, NULL,
		    "Too many guests are asked for something now, or the "
		    "worker is out of memory.");
		return;
	}
	say(p, "power-asked", NULL);
	msg.number = p->number;
	msg.action = action;
	msg.domid = p->domid;
	/* What was lost with the broker's connection is settled already. */
	broker_link_power(w->broker, &msg);
}

struct powers *
powers_create(void)
{
	return calloc(1, sizeof(struct powers));
}

void
powers_destroy(struct powers *powers)
{
	struct power *p, *next;

	if (!powers)
		return;
	DL_FOREACH_SAFE (powers->calls, p, next)
		forget(powers, p);
	free(powers);
}
