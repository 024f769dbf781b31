#define _GNU_SOURCE
#include "broker/console.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "broker/domains.h"
#include "broker/hold.h"
#include "broker/keep.h"
#include "broker/memory.h"
#include "broker/state.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/timer.h"

/* Seconds between two tries to get a lock that somebody else holds. */
#define BUSY_RETRY 1

/* Changes of one console that are looked at at once; then so many a second,
 * the last one in any case: some of the nodes a guest may write (xapi), and
 * each look opens ttys, asks xenstored and is logged. */
#define CHANGES_AT_ONCE	 20
#define CHANGES_A_SECOND 2

/* Seconds a new worker has to say what it wants. */
#define WANT_GRACE 30

/* What the worker is to be told. */
#define DUE_CONSOLE 1u
#define DUE_TTY	    2u
#define DUE_REMOVED 4u

struct console {
	struct consoles *all;
	struct console_key key;
	char id[CONSOLE_KEY_TEXT];
	char name[LIMIT_NAME + 1];
	uint32_t domid; /* the present one, or the last */
	bool is_default;

	bool wanted;
	unsigned wanted_by; /* the number of that worker */
	bool released;

	uint32_t slot; /* of the state */
	struct memory memory;
	struct hold *hold;

	struct event *away; /* pending while there is no domain */
	bool gone, forgettable;

	/* Changes that may still be looked at, in thousandths; since when. */
	uint64_t credit, since_ms;
	bool late, late_tty; /* there was one that was not looked at */

	unsigned due;
	bool known; /* to the worker */
	struct msg_console told;
	struct console *prev, *next; /* in the due list */
	UT_hash_handle hh;
};

struct consoles {
	struct consoles_parts parts;
	struct holds *holds;
	struct domains *domains;
	struct domains_listener listener;
	struct console *table, *due;
	struct event *busy; /* pending while a console is busy, or late */
	int ended;	    /* reading it says "end" */
	bool ready, has_worker, full;
	bool blind;   /* xenstore has never answered */
	bool missing; /* some, for which there was no memory */
	unsigned worker;
	time_t grace_end;
};

static void settle(struct console *c, bool tty_event);
static void look_again(struct consoles *consoles);

enum proto_state
console_state_of(const struct console_facts *f)
{
	if (f->live)
		return STATE_UP;
	if (f->gone)
		return STATE_GONE;
	if (f->released)
		return STATE_RELEASED;
	if (!f->named || (f->held && f->away))
		return STATE_WAITING;
	if (f->held && f->busy)
		return STATE_BUSY;
	if (f->held && f->refused)
		return STATE_REFUSED;
	return STATE_UP;
}

static void
add_due(struct console *c, unsigned what)
{
	if (!c->all->has_worker)
		return;
	if (c->due == 0)
		DL_APPEND(c->all->due, c);
	c->due |= what;
	c->all->parts.wake(c->all->parts.ctx);
}

static void
clear_due(struct console *c)
{
	if (c->due != 0)
		DL_DELETE(c->all->due, c);
	c->due = 0;
}

/* ---- holding ------------------------------------------------------------ */

/* A worker that came back may not want any more what it wanted before. */
static bool
wanted(const struct console *c)
{
	return c->wanted && (c->wanted_by == c->all->worker ||
				clock_seconds() < c->all->grace_end);
}

static bool
holds_domain(const struct console *c, uint32_t domid)
{
	return hold_is_open(c->hold) && hold_domid(c->hold) == domid;
}

/* domid is the present domain's.  What is held on demand stays held until
 * its domain ends. */
static bool
to_be_held(const struct console *c, uint32_t domid)
{
	return !c->released &&
	       (wanted(c) || holds_domain(c, domid) ||
		   config_hold_always(c->all->parts.config, c->name));
}

static void
acquire(struct console *c, const struct domain_console *now)
{
	int error = memory_make(&c->memory, c->all->parts.config->ring_size);

	if (error)
		hold_refuse(c->hold, now, strerror(-error));
	else if (hold_take(c->hold, now))
		add_due(c, DUE_TTY);
}

/* ---- settling ----------------------------------------------------------- */

static void
set_timer(struct event *timer, unsigned after)
{
	const struct timeval delay = {.tv_sec = after};

	timer_start(timer, &delay);
}

static void
follow_domain(struct console *c, const struct domain_console *now)
{
	if (c->domid != now->domid)
		hold_renamed(c->hold);
	c->domid = now->domid;
	c->is_default = now->is_default;
	snprintf(c->name, sizeof c->name, "%s", now->name);
	event_del(c->away);
	c->gone = c->forgettable = false;
}

/* First away, then gone, then to be forgotten. */
static void
on_away(evutil_socket_t fd, short what, void *arg)
{
	struct console *c = arg;

	(void)fd;
	(void)what;
	if (c->all->blind) {
		set_timer(c->away, c->all->parts.config->gone_after);
		return;
	}
	c->forgettable = c->gone;
	if (!c->gone)
		set_timer(c->away, c->all->parts.config->forget_after);
	c->gone = true;
	settle(c, false);
}

/* Tells the worker, if that is news to it. */
static void
publish(struct console *c, bool named, bool held)
{
	enum hold_outcome outcome = hold_outcome(c->hold);
	const struct console_facts facts = {
	    /* The tty of a domain before this one takes no more input. */
	    .live = hold_is_live(c->hold) && holds_domain(c, c->domid),
	    .gone = c->gone,
	    .released = c->released,
	    .named = named,
	    .held = held,
	    .busy = outcome == HOLD_BUSY,
	    .refused = outcome == HOLD_REFUSED,
	    .away = outcome == HOLD_LATER,
	};
	struct msg_console msg = {.type = MSG_CONSOLE,
	    .state = console_state_of(&facts),
	    .domid = c->domid,
	    .flags = c->is_default ? CONSOLE_DEFAULT : 0,
	    .key = c->key};

	memcpy(msg.name, c->name, strlen(c->name));
	if (msg.state == STATE_BUSY)
		snprintf(
		    msg.holder, sizeof msg.holder, "%s", hold_holder(c->hold));
	if (msg.state == STATE_BUSY)
		look_again(c->all);
	if (memcmp(&msg, &c->told, sizeof msg) == 0)
		return;
	if (msg.state != c->told.state || c->told.type == 0)
		log_debug("console %s (%s): %s%s%s", c->name, c->id,
		    proto_state_name(msg.state), msg.holder[0] ? ", " : "",
		    msg.holder);
	c->told = msg;
	add_due(c, DUE_CONSOLE);
}

/* For who comes after us; broker/state.h. */
static void
remember(const struct console *c)
{
	struct state_console now = {.key = c->key,
	    .run = c->memory.run,
	    .domid = c->domid,
	    .flags = (c->released ? KEPT_RELEASED : 0) |
		     (c->is_default ? KEPT_DEFAULT : 0)};

	memcpy(now.name, c->name, strlen(c->name));
	hold_describe(c->hold, &now);
	state_put(c->all->parts.state, c->slot, &now);
}

static void
destroy(struct console *c)
{
	clear_due(c);
	hold_destroy(c->hold);
	memory_close(&c->memory);
	if (c->away)
		event_free(c->away);
	free(c);
}

/* Nobody comes after us who is to have it. */
static void
give_up(struct console *c)
{
	hold_let_go(c->hold, c->name);
	memory_drop(&c->memory);
	state_free(c->all->parts.state, c->slot);
}

static void
forget(struct console *c)
{
	log_info("console %s (%s): forgotten", c->name, c->id);
	HASH_DEL(c->all->table, c);
	give_up(c);
	event_del(c->away);
	clear_due(c);
	if (c->known)
		add_due(c, DUE_REMOVED);
	if (c->due == 0)
		destroy(c);
}

/*
 * Brings one console to where it should be, from what is known now.
 * tty_event: the node was written, so the tty is opened anew even if one of
 * that name is open.  The console may be gone for good after this.
 */
static void
settle(struct console *c, bool tty_event)
{
	struct domain_console now = {.tty = ""};
	bool known = domains_lookup(c->all->domains, &c->key, &now);
	bool named, held;

	if (known)
		follow_domain(c, &now);
	else if (!c->gone && !event_pending(c->away, EV_TIMEOUT, NULL))
		set_timer(c->away, c->all->parts.config->gone_after);
	if (tty_event)
		hold_renamed(c->hold);
	if (known)
		hold_confirm(c->hold, &now);
	named = now.tty[0] != '\0' && !hold_has_ended(c->hold);
	held = named && to_be_held(c, now.domid);
	if (!held)
		hold_forgo(c->hold);
	else if (hold_is_stale(c->hold) || !hold_is_live(c->hold))
		acquire(c, &now);
	/*
	 * The domain has ended and all is read; or it lives on under another
	 * uuid, whose console needs the tty (on_*=rename-restart,
	 * tools/libs/light/libxl_domain.c, libxl_domain_preserve).
	 */
	if (hold_is_open(c->hold) && !(known && holds_domain(c, now.domid)) &&
	    (hold_hangs_up(c->hold) || (!known && domains_alive(c->all->domains,
						      hold_domid(c->hold)))))
		hold_let_go(c->hold, c->name);
	if (c->forgettable && !wanted(c) && !hold_is_live(c->hold)) {
		forget(c);
		return;
	}
	publish(c, named, held);
	remember(c);
}

static void
settle_all(struct consoles *consoles)
{
	struct console *c, *next;

	HASH_ITER (hh, consoles->table, c, next)
		settle(c, false);
}

static void
look_again(struct consoles *consoles)
{
	if (!event_pending(consoles->busy, EV_TIMEOUT, NULL))
		set_timer(consoles->busy, BUSY_RETRY);
}

static void
on_busy(evutil_socket_t fd, short what, void *arg)
{
	struct consoles *consoles = arg;
	struct console *c, *next;

	(void)fd;
	(void)what;
	HASH_ITER (hh, consoles->table, c, next) {
		bool late = c->late, tty = c->late_tty;

		c->late = c->late_tty = false;
		if (late || hold_outcome(c->hold) == HOLD_BUSY)
			settle(c, tty);
	}
}

/* Else later. */
static bool
may_look(struct console *c, bool tty)
{
	const uint64_t now = clock_ms(), most = CHANGES_AT_ONCE * 1000;

	c->credit += (now - c->since_ms) * CHANGES_A_SECOND;
	c->since_ms = now;
	if (c->credit > most)
		c->credit = most;
	if (c->credit < 1000) {
		c->late = true;
		c->late_tty |= tty;
		look_again(c->all);
		return false;
	}
	c->credit -= 1000;
	return true;
}

/* ---- domains ------------------------------------------------------------ */

static struct console *
find(struct consoles *consoles, const struct console_key *key)
{
	struct console *c;

	HASH_FIND(hh, consoles->table, key, sizeof *key, c);
	return c;
}

/* NULL when out of memory. */
static struct console *
add_at(struct consoles *consoles, const struct console_key *key, uint32_t slot)
{
	struct console *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->all = consoles;
	c->key = *key;
	c->slot = slot;
	c->credit = CHANGES_AT_ONCE * 1000;
	c->since_ms = clock_ms();
	memory_init(&c->memory, slot);
	console_key_format(key, c->id);
	c->hold = hold_create(consoles->holds, key, slot);
	c->away = evtimer_new(consoles->parts.base, on_away, c);
	if (!c->hold || !c->away) {
		destroy(c);
		return NULL;
	}
	HASH_ADD(hh, consoles->table, key, sizeof c->key, c);
	if (!c->hh.tbl) {
		destroy(c);
		return NULL;
	}
	return c;
}

static struct console *
add(struct consoles *consoles, const struct console_key *key)
{
	struct state *state = consoles->parts.state;
	uint32_t slot = state_take(state);
	struct console *c;

	if (slot == LIMIT_CONSOLES) {
		if (!consoles->full)
			log_error("more than %d consoles; the others are left "
				  "out",
			    LIMIT_CONSOLES);
		consoles->full = true;
		return NULL;
	}
	c = add_at(consoles, key, slot);
	if (!c)
		state_free(state, slot);
	return c;
}

static void
on_changed(void *ctx, const struct console_key *key, bool tty)
{
	struct consoles *consoles = ctx;
	struct domain_console now;
	struct console *c = find(consoles, key), *next;

	if (!c && domains_lookup(consoles->domains, key, &now)) {
		c = add(consoles, key);
		consoles->missing |= !c && !consoles->full;
	}
	if (c && !may_look(c, tty))
		return;
	if (c)
		settle(c, tty);
	/* Numbers of ttys wander between consoles when xenconsoled is started
	 * anew: what was somebody else's may now be free. */
	if (tty)
		HASH_ITER (hh, consoles->table, c, next)
			if (hold_outcome(c->hold) == HOLD_REFUSED)
				settle(c, false);
}

static void
on_rescanned(void *ctx)
{
	struct consoles *consoles = ctx;
	struct console *c, *next;

	/* The first time also of those taken over whose domain is not there. */
	if (!consoles->ready || consoles->blind)
		settle_all(consoles);
	consoles->blind = false;
	if (consoles->missing) {
		consoles->missing = false;
		domains_tell_all(consoles->domains);
	}
	HASH_ITER (hh, consoles->table, c, next)
		if (hold_outcome(c->hold) != HOLD_NONE || c->forgettable ||
		    (hold_is_open(c->hold) &&
			event_pending(c->away, EV_TIMEOUT, NULL)))
			settle(c, false);
	consoles->ready = true;
	consoles->parts.wake(consoles->parts.ctx);
}

void
consoles_reconfigured(struct consoles *consoles)
{
	settle_all(consoles);
}

/* ---- from the broker before --------------------------------------------- */

static void
adopt(struct consoles *consoles, struct keep *keep, uint32_t slot,
    const struct state_console *was)
{
	struct console *c = add_at(consoles, &was->key, slot);

	if (!c) {
		state_free(consoles->parts.state, slot);
		return;
	}
	snprintf(c->name, sizeof c->name, "%s", was->name);
	c->domid = was->domid;
	c->is_default = was->flags & KEPT_DEFAULT;
	c->released = was->flags & KEPT_RELEASED;
	if (was->run != 0)
		memory_adopt(&c->memory, keep, was->run, c->id);
	/* A tty goes with the ring that its output is in. */
	if (c->memory.run != 0)
		hold_adopt(c->hold, keep, was);
	remember(c);
}

void
consoles_adopt(struct consoles *consoles, struct keep *keep)
{
	struct state *state = consoles->parts.state;
	struct state_console was;

	for (uint32_t slot = 0; slot < LIMIT_CONSOLES; slot++)
		if (state_get(state, slot, &was) && !find(consoles, &was.key))
			adopt(consoles, keep, slot, &was);
		else
			state_free(state, slot);
	if (consoles->table)
		log_info("takes over %u consoles from the broker before",
		    HASH_COUNT(consoles->table));
}

void
consoles_begin(struct consoles *consoles)
{
	if (consoles->ready || !consoles->table)
		return;
	consoles->blind = consoles->ready = true;
	settle_all(consoles);
	consoles->parts.wake(consoles->parts.ctx);
}

/* ---- the worker --------------------------------------------------------- */

bool
consoles_want(struct consoles *consoles, const struct console_key *key)
{
	struct console *c = find(consoles, key);

	if (!c)
		return false;
	c->wanted = true;
	c->wanted_by = consoles->worker;
	c->released = false;
	settle(c, false);
	if (!(c->due & DUE_TTY))
		add_due(c, DUE_CONSOLE);
	return true;
}

bool
consoles_unwant(struct consoles *consoles, const struct console_key *key)
{
	struct console *c = find(consoles, key);

	if (!c)
		return false;
	c->wanted = false;
	settle(c, false);
	return true;
}

bool
consoles_release(struct consoles *consoles, const struct console_key *key)
{
	struct console *c = find(consoles, key);

	if (!c)
		return false;
	c->wanted = false;
	c->released = true;
	hold_forgo(c->hold);
	hold_let_go(c->hold, c->name);
	settle(c, false);
	return true;
}

bool
consoles_hangup(
    struct consoles *consoles, const struct console_key *key, uint32_t serial)
{
	struct console *c = find(consoles, key);

	if (!c)
		return false;
	if (hold_end(c->hold, serial))
		settle(c, false);
	return true;
}

void
consoles_worker_came(struct consoles *consoles)
{
	struct console *c;

	consoles->has_worker = true;
	consoles->worker++;
	consoles->grace_end = clock_seconds() + WANT_GRACE;
	for (c = consoles->table; c; c = c->hh.next)
		add_due(c, DUE_CONSOLE | (c->memory.run != 0 ? DUE_TTY : 0));
}

void
consoles_worker_left(struct consoles *consoles)
{
	struct console *c, *next;

	DL_FOREACH_SAFE (consoles->due, c, next) {
		if (c->due & DUE_REMOVED)
			destroy(c);
		else
			clear_due(c);
	}
	consoles->has_worker = false;
	for (c = consoles->table; c; c = c->hh.next)
		c->known = false;
}

static int
tell_console(struct console *c, consoles_send_fn *send, void *ctx)
{
	int status = send(ctx, &c->told, sizeof c->told, NULL, 0);

	if (status == 0) {
		c->due &= ~DUE_CONSOLE;
		c->known = true;
	}
	return status;
}

/* A console whose tty has been closed goes with one that is at its end, so
 * that a new worker gets the ring. */
static int
tell_tty(struct console *c, consoles_send_fn *send, void *ctx)
{
	const struct msg_tty msg = {.type = MSG_TTY,
	    .serial = hold_serial(c->hold),
	    .domid = hold_is_open(c->hold) ? hold_domid(c->hold) : c->domid,
	    .key = c->key};
	int fds[TTY_FDS], status;

	memcpy(fds, c->memory.fds, sizeof fds);
	fds[TTY_PTY] = hold_is_open(c->hold) ? hold_fd(c->hold) : c->all->ended;
	status = send(ctx, &msg, sizeof msg, fds, TTY_FDS);
	if (status == 0) {
		c->due &= ~DUE_TTY;
		/* A worker takes a console with a tty for one that is up. */
		if (!hold_is_live(c->hold))
			c->due |= DUE_CONSOLE;
	}
	return status;
}

/* A tty is told before the state it brings, but to a worker that knows the
 * console. */
static int
tell(struct console *c, consoles_send_fn *send, void *ctx)
{
	const struct msg_key removed = {MSG_REMOVED, c->key};
	int status = 0;

	if (c->due & DUE_REMOVED)
		return send(ctx, &removed, sizeof removed, NULL, 0);
	if (!c->known)
		status = tell_console(c, send, ctx);
	if (status == 0 && (c->due & DUE_TTY))
		status = tell_tty(c, send, ctx);
	if (status == 0 && (c->due & DUE_CONSOLE))
		status = tell_console(c, send, ctx);
	return status;
}

int
consoles_tell(struct consoles *consoles, consoles_send_fn *send, void *ctx)
{
	struct console *c;

	while ((c = consoles->due)) {
		int status = tell(c, send, ctx);

		if (status != 0)
			return status;
		if (c->due & DUE_REMOVED)
			destroy(c);
		else
			DL_DELETE(consoles->due, c);
	}
	return 0;
}

/* ---- all of them -------------------------------------------------------- */

/* A descriptor that reads as ended, and that can be waited for. */
static int
make_ended(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	close(ends[1]);
	return ends[0];
}

struct consoles *
consoles_create(const struct consoles_parts *parts)
{
	struct consoles *consoles = calloc(1, sizeof *consoles);

	if (!consoles)
		return NULL;
	consoles->parts = *parts;
	consoles->holds =
	    holds_create(parts->config, parts->locks, parts->state);
	consoles->listener =
	    (struct domains_listener){on_changed, on_rescanned, consoles};
	consoles->ended = make_ended();
	consoles->busy = evtimer_new(parts->base, on_busy, consoles);
	if (!consoles->holds || !consoles->busy || consoles->ended < 0) {
		consoles_destroy(consoles);
		return NULL;
	}
	return consoles;
}

void
consoles_destroy(struct consoles *consoles)
{
	struct console *c, *next;

	if (!consoles)
		return;
	consoles_worker_left(consoles);
	HASH_ITER (hh, consoles->table, c, next) {
		HASH_DEL(consoles->table, c);
		if (!keep_is_on())
			give_up(c);
		destroy(c);
	}
	if (consoles->busy)
		event_free(consoles->busy);
	if (consoles->ended >= 0)
		close(consoles->ended);
	holds_destroy(consoles->holds);
	free(consoles);
}

const struct domains_listener *
consoles_listener(struct consoles *consoles)
{
	return &consoles->listener;
}

void
consoles_set_domains(struct consoles *consoles, struct domains *domains)
{
	consoles->domains = domains;
	holds_set_domains(consoles->holds, domains);
}

bool
consoles_ready(const struct consoles *consoles)
{
	return consoles->ready;
}
