/*
 * The tty of one console: taken with xenconsole's lock, checked, opened, and
 * let go.  Whether it is to be held is broker/console.c's to decide.
 */
#ifndef XENTERM_HOLD_H
#define XENTERM_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/console_key.h"

struct config;
struct domain_console;
struct domains;
struct hold;
struct holds;
struct keep;
struct locks;
struct state;
struct state_console;

/* What the last try to open the tty came to, where it is not open. */
enum hold_outcome {
	HOLD_NONE,
	HOLD_BUSY,    /* somebody else has the lock */
	HOLD_REFUSED, /* a check failed */
	HOLD_LATER,   /* xenstored is away */
};

/* What all of them share, borrowed.  NULL when out of memory. */
struct holds *holds_create(
    const struct config *config, struct locks *locks, struct state *state);
/* NULL is fine. */
void holds_destroy(struct holds *holds);
/* Whom they ask; borrowed, and there before the first hold_take(). */
void holds_set_domains(struct holds *holds, struct domains *domains);

/* slot is the console's, by which the tty is kept.  NULL when out of memory. */
struct hold *hold_create(
    struct holds *holds, const struct console_key *key, uint32_t slot);
/* A tty that is open is closed, and stays with who comes after us.  NULL is
 * fine. */
void hold_destroy(struct hold *h);

/*
 * Takes over the tty that the broker before this one had open, if there is one
 * and it is `was` says, with its lock.  False: none is open.  The node is
 * taken to name another tty until hold_confirm() has found that it does not.
 */
bool hold_adopt(
    struct hold *h, struct keep *keep, const struct state_console *was);
/* For one that was taken over: does now name it, and is it what it should be?
 * If not, hold_is_stale() stays true. */
void hold_confirm(struct hold *h, const struct domain_console *now);
/* What hold_adopt() is to be told one day. */
void hold_describe(const struct hold *h, struct state_console *out);

/*
 * Tries to open the tty that now names, in place of the one that is open, if
 * any.  True: it is open.  False: all is as it was, and the outcome says why.
 */
bool hold_take(struct hold *h, const struct domain_console *now);
/* There is another reason not to: the outcome is HOLD_REFUSED. */
void hold_refuse(
    struct hold *h, const struct domain_console *now, const char *reason);
/* Nobody tries any more: the outcome is HOLD_NONE. */
void hold_forgo(struct hold *h);
/* Closes the tty and gives the lock back.  name is for the log. */
void hold_let_go(struct hold *h, const char *name);

/* xenstore's node may name another tty now, though by the same name. */
void hold_renamed(struct hold *h);
/* The node names a tty that is not the one last opened. */
bool hold_is_stale(const struct hold *h);
/* What the node names has hung up: it is only a name, which somebody else's
 * tty may get. */
bool hold_has_ended(const struct hold *h);

/* The worker has read the tty with this serial to its end.  False: that is
 * an earlier one. */
bool hold_end(struct hold *h, uint32_t serial);
/* The tty's other end is closed; seen without reading, so that it is noticed
 * also while no worker reads. */
bool hold_hangs_up(const struct hold *h);

bool hold_is_open(const struct hold *h);
/* Open, and not read to its end. */
bool hold_is_live(const struct hold *h);
/* -1 when it is not open. */
int hold_fd(const struct hold *h);
/* Whose tty it is, or was last. */
uint32_t hold_domid(const struct hold *h);
/* Numbers the ttys of all consoles; 0: there was none yet. */
uint32_t hold_serial(const struct hold *h);
enum hold_outcome hold_outcome(const struct hold *h);
/* Who has the lock, with HOLD_BUSY; "" when not known. */
const char *hold_holder(const struct hold *h);

#endif
