#define _GNU_SOURCE
#include "broker/hold.h"

#include <errno.h>
#include <event2/util.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "broker/domains.h"
#include "broker/keep.h"
#include "broker/lock.h"
#include "broker/nodes.h"
#include "broker/state.h"
#include "broker/tty.h"
#include "common/config.h"
#include "common/log.h"

/* What is known of the tty that the node names. */
enum named {
	NAMED_NEW,    /* written since the last one was opened */
	NAMED_OPENED, /* it is, or was, the one that we have opened */
	NAMED_ENDED,  /* that one has hung up: this is only a name */
};

struct holds {
	const struct config *config;
	struct locks *locks;
	struct state *state;
	struct domains *domains;
	struct hold *open;
};

struct hold {
	struct holds *holds;
	struct console_key key;
	char id[CONSOLE_KEY_TEXT];
	uint32_t slot;
	int fd;
	uint32_t domid; /* whose lock we have, while it is open */
	uint32_t serial;
	dev_t device;
	bool hung;    /* read to its end */
	bool adopted; /* and not confirmed yet */
	enum named named;
	enum hold_outcome outcome;
	char holder[LIMIT_HOLDER + 1];
	char refusal[TTY_NAME + TTY_REASON]; /* logged last */
	struct hold *prev, *next;	     /* of those that are open */
};

struct holds *
holds_create(
    const struct config *config, struct locks *locks, struct state *state)
{
	struct holds *holds = calloc(1, sizeof *holds);

	if (!holds)
		return NULL;
	holds->config = config;
	holds->locks = locks;
	holds->state = state;
	return holds;
}

void
holds_destroy(struct holds *holds)
{
	free(holds);
}

void
holds_set_domains(struct holds *holds, struct domains *domains)
{
	holds->domains = domains;
}

struct hold *
hold_create(struct holds *holds, const struct console_key *key, uint32_t slot)
{
	struct hold *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->holds = holds;
	h->key = *key;
	h->slot = slot;
	console_key_format(key, h->id);
	h->fd = -1;
	return h;
}

void
hold_destroy(struct hold *h)
{
	if (!h)
		return;
	if (h->fd >= 0) {
		DL_DELETE(h->holds->open, h);
		close(h->fd);
	}
	free(h);
}

/* ---- opening ------------------------------------------------------------ */

static void
close_tty(struct hold *h)
{
	if (h->fd < 0)
		return;
	DL_DELETE(h->holds->open, h);
	close(h->fd);
	h->fd = -1;
	h->adopted = false;
	keep_drop(KEEP_TTY, h->slot);
	locks_drop(h->holds->locks, h->domid);
}

void
hold_let_go(struct hold *h, const char *name)
{
	if (h->fd < 0)
		return;
	close_tty(h);
	log_info("console %s (%s): let go of domain %u", name, h->id, h->domid);
}

static bool
device_taken(void *ctx, dev_t device)
{
	const struct hold *h = ctx, *other;

	DL_FOREACH (h->holds->open, other)
		if (other != h && other->device == device)
			return true;
	return false;
}

void
hold_refuse(
    struct hold *h, const struct domain_console *now, const char *reason)
{
	char refusal[sizeof h->refusal];

	h->outcome = HOLD_REFUSED;
	snprintf(refusal, sizeof refusal, "%s: %s", now->tty, reason);
	if (strcmp(refusal, h->refusal) == 0)
		return;
	memcpy(h->refusal, refusal, sizeof refusal);
	log_warn("console %s (%s): tty of domain %u refused: %s", now->name,
	    h->id, now->domid, refusal);
}

/* Takes the lock that readers of this domain's consoles hold.  False: the
 * outcome says why not. */
static bool
take_lock(struct hold *h, const struct domain_console *now)
{
	struct locks *locks = h->holds->locks;
	char reason[TTY_REASON];
	unsigned pts;
	int status = locks_take(locks, now->domid, h->holder);

	if (status == 0 && tty_parse(now->tty, &pts) &&
	    locks_uucp_held(locks, pts, h->holder)) {
		locks_drop(locks, now->domid);
		status = -EBUSY;
	}
	if (status == -EBUSY) {
		h->outcome = HOLD_BUSY;
	} else if (status < 0) {
		snprintf(reason, sizeof reason, "%.64s/xenconsole.%u: %s",
		    h->holds->config->lock_dir, now->domid,
		    status == -EPERM ? "not a file of root's"
				     : strerror(-status));
		hold_refuse(h, now, reason);
	}
	return status == 0;
}

static struct tty_checks
checks_of(struct hold *h)
{
	return (struct tty_checks){
	    .xs = domains_xs(h->holds->domains),
	    .verify_owner = h->holds->config->verify_owner,
	    .taken = device_taken,
	    .ctx = h,
	};
}

/* Who named it later is wrong or lying, also while the other one is not held.
 * But what a guest may write keeps nobody from his tty where it is asked who
 * holds the other end. */
static bool
is_anothers(struct hold *h, const struct domain_console *now)
{
	struct console_key first;

	return domains_claimant(h->holds->domains, now->tty, &first) &&
	       memcmp(&first, &h->key, sizeof first) != 0 &&
	       !(h->holds->config->verify_owner &&
		   nodes_is_guests(nodes_console(&first)));
}

/* The lock is ours.  A descriptor, or -1 and the outcome says why. */
static int
open_tty(struct hold *h, const struct domain_console *now)
{
	const struct tty_checks checks = checks_of(h);
	char reason[TTY_REASON];
	int fd;

	if (is_anothers(h, now)) {
		hold_refuse(h, now, "another console's node names it");
		return -1;
	}
	fd = tty_open(
	    &checks, now->domid, h->key.kind, h->key.number, now->tty, reason);
	if (fd == -EPERM)
		hold_refuse(h, now, reason);
	else if (fd < 0)
		h->outcome = HOLD_LATER;
	return fd < 0 ? -1 : fd;
}

/* The old tty, if any, is closed last: while it is open its number cannot go
 * to somebody else. */
bool
hold_take(struct hold *h, const struct domain_console *now)
{
	struct stat st;
	int fd;

	h->outcome = HOLD_NONE;
	h->holder[0] = '\0';
	if (!take_lock(h, now))
		return false;
	fd = open_tty(h, now);
	if (fd < 0 || fstat(fd, &st) < 0) {
		locks_drop(h->holds->locks, now->domid);
		return false;
	}
	close_tty(h);
	h->fd = fd;
	h->named = NAMED_OPENED;
	h->domid = now->domid;
	h->device = st.st_rdev;
	h->hung = false;
	h->refusal[0] = '\0';
	h->serial = state_serial(h->holds->state);
	DL_APPEND(h->holds->open, h);
	keep_store(KEEP_TTY, h->slot, fd);
	log_info("console %s (%s): holds %s of domain %u", now->name, h->id,
	    now->tty, now->domid);
	return true;
}

void
hold_forgo(struct hold *h)
{
	h->outcome = HOLD_NONE;
}

/* ---- taking over --------------------------------------------------------- */

/* Why this is not the tty that it was; NULL: it is. */
static const char *
objection(struct hold *h, int fd, const struct state_console *was)
{
	dev_t device;

	if (!tty_is_pts(fd, &device))
		return "is no pseudo terminal";
	if (device != (dev_t)was->device)
		return "is another one";
	if (device_taken(h, device))
		return "is another console's";
	return NULL;
}

bool
hold_adopt(struct hold *h, struct keep *keep, const struct state_console *was)
{
	int fd = keep_take(keep, KEEP_TTY, h->slot);
	const char *why;

	h->serial = was->tty_serial;
	h->domid = was->tty_domid;
	if (fd < 0)
		return false;
	why = objection(h, fd, was);
	if (!why && (evutil_make_socket_nonblocking(fd) < 0 ||
			locks_take(h->holds->locks, h->domid, h->holder) < 0))
		why = "is not ours: its lock is another's";
	if (why) {
		log_warn("console %s (%s): the tty that was kept %s; it is "
			 "opened anew",
		    was->name, h->id, why);
		close(fd);
		keep_drop(KEEP_TTY, h->slot);
		return false;
	}
	h->fd = fd;
	h->device = (dev_t)was->device;
	h->hung = was->flags & KEPT_ENDED;
	h->adopted = true;
	DL_APPEND(h->holds->open, h);
	return true;
}

void
hold_confirm(struct hold *h, const struct domain_console *now)
{
	const struct tty_checks checks = checks_of(h);
	char reason[TTY_REASON];
	int status = 0;

	if (!h->adopted || h->domid != now->domid ||
	    !tty_names(now->tty, h->device))
		return;
	/* One that has hung up is still it, since we have kept its number from
	 * others; there is nothing more to ask it. */
	if (!hold_hangs_up(h))
		status = tty_check(&checks, h->fd, now->domid, h->key.kind,
		    h->key.number, now->tty, reason);
	if (status == -EPERM)
		hold_refuse(h, now, reason);
	if (status < 0)
		return;
	h->adopted = false;
	h->named = h->hung ? NAMED_ENDED : NAMED_OPENED;
	log_info("console %s (%s): goes on with %s of domain %u", now->name,
	    h->id, now->tty, now->domid);
}

void
hold_describe(const struct hold *h, struct state_console *out)
{
	out->tty_serial = h->serial;
	out->tty_domid = h->domid;
	out->device = h->fd >= 0 ? (uint64_t)h->device : 0;
	if (h->hung)
		out->flags |= KEPT_ENDED;
}

/* ---- ending ------------------------------------------------------------- */

void
hold_renamed(struct hold *h)
{
	h->named = NAMED_NEW;
}

bool
hold_is_stale(const struct hold *h)
{
	return h->named == NAMED_NEW;
}

bool
hold_has_ended(const struct hold *h)
{
	return h->named == NAMED_ENDED;
}

bool
hold_end(struct hold *h, uint32_t serial)
{
	if (serial != h->serial)
		return false;
	if (hold_is_live(h) && h->named == NAMED_OPENED)
		h->named = NAMED_ENDED;
	h->hung = true;
	return true;
}

bool
hold_hangs_up(const struct hold *h)
{
	struct pollfd pollfd = {.fd = h->fd};

	return h->hung ||
	       (poll(&pollfd, 1, 0) == 1 && (pollfd.revents & POLLHUP));
}

/* ---- how it stands ------------------------------------------------------ */

bool
hold_is_open(const struct hold *h)
{
	return h->fd >= 0;
}

bool
hold_is_live(const struct hold *h)
{
	return h->fd >= 0 && !h->hung;
}

int
hold_fd(const struct hold *h)
{
	return h->fd;
}

uint32_t
hold_domid(const struct hold *h)
{
	return h->domid;
}

uint32_t
hold_serial(const struct hold *h)
{
	return h->serial;
}

enum hold_outcome
hold_outcome(const struct hold *h)
{
	return h->outcome;
}

const char *
hold_holder(const struct hold *h)
{
	return h->holder;
}
