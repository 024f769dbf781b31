#include "broker/power.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/domains.h"
#include "broker/tty.h"
#include "broker/xs.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/timer.h"

/* The node is looked at so often while a guest is asked.  It is not watched:
 * the guest may write it, and would drive our loop. */
#define LOOK_MS 100

/* Tries of one transaction that others interfere with. */
#define TRIES 5

/* Those of one worker, and as many that one before it has left behind. */
#define SLOTS (2 * LIMIT_POWER)

/* Longer than any word that means something there. */
#define WORD 16

struct slot {
	enum { SLOT_FREE, SLOT_ASKED, SLOT_DUE } state;
	uint32_t number, action, domid;
	uint8_t uuid[sizeof((struct console_key *)NULL)->uuid];
	bool orphan; /* its worker has gone */
	time_t deadline;
	enum power_outcome outcome;
};

struct powers {
	const struct config *config;
	struct domains *domains;
	void (*wake)(void *ctx);
	void *ctx;
	struct event *look; /* pending while a guest is asked */
	struct slot slots[SLOTS];
};

/* What is written, and the node in which a guest says whether it knows it. */
static const struct {
	const char *word, *feature;
} actions[POWER_ACTIONS] = {
    [POWER_SHUTDOWN] = {"poweroff", "feature-poweroff"},
    [POWER_REBOOT] = {"reboot", "feature-reboot"},
};

/* ---- the nodes ---------------------------------------------------------- */

static int
read_control(
    struct xs_conn *xs, uint32_t domid, const char *leaf, char out[WORD])
{
	char path[TTY_NODE];

	snprintf(path, sizeof path, "/local/domain/%u/control/%s", domid, leaf);
	return xs_conn_read(xs, path, out, WORD);
}

static int
write_word(struct xs_conn *xs, uint32_t domid, const char *word)
{
	char path[TTY_NODE];

	snprintf(path, sizeof path, "/local/domain/%u/control/shutdown", domid);
	return xs_conn_write(xs, path, word);
}

/* Domids are given out anew: is it still this guest's? */
static bool
is_guest(struct xs_conn *xs, const struct slot *slot)
{
	char path[TTY_NODE], vm[64];
	uint8_t uuid[sizeof slot->uuid];

	snprintf(path, sizeof path, "/local/domain/%u/vm", slot->domid);
	return xs_conn_read(xs, path, vm, sizeof vm) == 0 &&
	       strncmp(vm, "/vm/", 4) == 0 &&
	       console_uuid_parse(vm + 4, uuid) &&
	       memcmp(uuid, slot->uuid, sizeof uuid) == 0;
}

/* Inside a transaction.  POWER_OUTCOMES: the word is written. */
static enum power_outcome
ask(struct xs_conn *xs, const struct slot *slot)
{
	char word[WORD], offered[WORD];
	int status;

	if (!is_guest(xs, slot))
		return POWER_OTHER;
	status = read_control(xs, slot->domid, "shutdown", word);
	if (status == -ENOENT)
		return POWER_NOT_OFFERED;
	if (status == -EBADMSG || (status == 0 && *word))
		return POWER_PENDING;
	/* "": it has not said anything, as guests with older kernels never
	 * do. */
	if (read_control(
		xs, slot->domid, actions[slot->action].feature, offered) == 0 &&
	    strcmp(offered, "0") == 0)
		return POWER_REFUSED;
	if (status < 0 ||
	    write_word(xs, slot->domid, actions[slot->action].word) < 0)
		return POWER_NO_STORE;
	return POWER_OUTCOMES;
}

/* Inside a transaction.  POWER_OUTCOMES: the guest has not answered yet. */
static enum power_outcome
see(struct xs_conn *xs, const struct slot *slot)
{
	char word[WORD];
	int status = read_control(xs, slot->domid, "shutdown", word);

	if (status == -ENOENT || (status == 0 && !*word) ||
	    (status != -ENOTCONN && !is_guest(xs, slot)))
		return POWER_TAKEN;
	if (status == -ENOTCONN)
		return POWER_NO_STORE;
	/* Somebody else asks for something else now. */
	if (status < 0 || strcmp(word, actions[slot->action].word) != 0)
		return POWER_NO_ANSWER;
	return POWER_OUTCOMES;
}

/* The same, and takes the word back. */
static enum power_outcome
withdraw(struct xs_conn *xs, const struct slot *slot)
{
	enum power_outcome outcome = see(xs, slot);

	if (outcome != POWER_OUTCOMES)
		return outcome;
	return write_word(xs, slot->domid, "") < 0 ? POWER_NO_STORE
						   : POWER_NO_ANSWER;
}

/* Does one of the above, so that it holds for one moment. */
static enum power_outcome
at_once(struct powers *powers, const struct slot *slot,
    enum power_outcome (*what)(struct xs_conn *, const struct slot *))
{
	struct xs_conn *xs = domains_xs(powers->domains);
	enum power_outcome outcome = POWER_NO_STORE;
	int status = -EAGAIN;

	for (int i = 0; xs && status == -EAGAIN && i < TRIES; i++) {
		if (xs_conn_begin(xs) < 0)
			return POWER_NO_STORE;
		outcome = what(xs, slot);
		status = xs_conn_end(xs, outcome != POWER_NO_STORE);
	}
	return status == 0 ? outcome : POWER_NO_STORE;
}

/* ---- requests ----------------------------------------------------------- */

static void
settle(struct powers *powers, struct slot *slot, enum power_outcome outcome)
{
	slot->outcome = outcome;
	slot->state = slot->orphan ? SLOT_FREE : SLOT_DUE;
	if (slot->state == SLOT_DUE)
		powers->wake(powers->ctx);
}

static void
look_later(struct powers *powers)
{
	const struct timeval delay = {.tv_usec = LOOK_MS * 1000};

	timer_start(powers->look, &delay);
}

static void
look(struct powers *powers, struct slot *slot)
{
	bool over = clock_seconds() >= slot->deadline;
	enum power_outcome outcome =
	    at_once(powers, slot, over ? withdraw : see);

	/* xenstored may come back. */
	if (outcome == POWER_OUTCOMES || (outcome == POWER_NO_STORE && !over))
		return;
	log_info("domain %u: %s: %s", slot->domid, actions[slot->action].word,
	    outcome == POWER_TAKEN ? "taken by the guest" : "not taken");
	settle(powers, slot, outcome);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct powers *powers = arg;
	bool more = false;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &powers->slots[i];

		if (slot->state == SLOT_ASKED)
			look(powers, slot);
		more |= slot->state == SLOT_ASKED;
	}
	if (more)
		look_later(powers);
}

/* POWER_OUTCOMES: it is one that is to be asked. */
static enum power_outcome
check(struct powers *powers, const struct msg_power *msg)
{
	struct domain_console now;

	if (!domains_lookup(powers->domains, &msg->key, &now) ||
	    now.domid != msg->domid)
		return POWER_OTHER;
	if (!config_gives_power(powers->config, now.name))
		return POWER_FORBIDDEN;
	return POWER_OUTCOMES;
}

static struct slot *
find_free(struct powers *powers)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (powers->slots[i].state == SLOT_FREE)
			return &powers->slots[i];
	return NULL;
}

bool
powers_ask(struct powers *powers, const struct msg_power *msg)
{
	struct slot *slot = find_free(powers);
	enum power_outcome outcome;

	if (msg->action >= POWER_ACTIONS || !slot)
		return false;
	*slot = (struct slot){.number = msg->number,
	    .action = msg->action,
	    .domid = msg->domid,
	    .deadline = clock_seconds() + LIMIT_POWER_SECONDS};
	memcpy(slot->uuid, msg->key.uuid, sizeof slot->uuid);
	outcome = check(powers, msg);
	if (outcome == POWER_OUTCOMES)
		outcome = at_once(powers, slot, ask);
	if (outcome != POWER_OUTCOMES) {
		settle(powers, slot, outcome);
		return true;
	}
	log_info(
	    "domain %u: asked to %s", slot->domid, actions[slot->action].word);
	slot->state = SLOT_ASKED;
	look_later(powers);
	return true;
}

/* ---- the worker --------------------------------------------------------- */

void
powers_worker_left(struct powers *powers)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &powers->slots[i];

		slot->orphan = true;
		if (slot->state == SLOT_DUE)
			slot->state = SLOT_FREE;
	}
}

int
powers_tell(struct powers *powers,
    int (*send)(
	void *ctx, const void *msg, size_t size, const int *fds, int nfds),
    void *ctx)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &powers->slots[i];
		const struct msg_powered msg = {
		    MSG_POWERED, slot->number, slot->outcome};
		int status;

		if (slot->state != SLOT_DUE)
			continue;
		status = send(ctx, &msg, sizeof msg, NULL, 0);
		if (status != 0)
			return status;
		slot->state = SLOT_FREE;
	}
	return 0;
}

struct powers *
powers_create(struct event_base *base, const struct config *config,
    struct domains *domains, void (*wake)(void *ctx), void *ctx)
{
	struct powers *powers = calloc(1, sizeof *powers);

	if (!powers)
		return NULL;
	powers->config = config;
	powers->domains = domains;
	powers->wake = wake;
	powers->ctx = ctx;
	powers->look = evtimer_new(base, on_look, powers);
	if (!powers->look) {
		free(powers);
		return NULL;
	}
	return powers;
}

void
powers_destroy(struct powers *powers)
{
	if (!powers)
		return;
	event_free(powers->look);
	free(powers);
}
