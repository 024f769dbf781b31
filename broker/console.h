/*
 * The consoles of all guests: which are held, their rings and ttys, and what
 * of all that the worker has not been told yet.
 *
 * A console is its guest's, by uuid: the domain behind it may end and another
 * one take its place; ring and history go on.
 */
#ifndef XENTERM_BROKER_CONSOLE_H
#define XENTERM_BROKER_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"

struct config;
struct consoles;
struct domains;
struct domains_listener;
struct event_base;
struct keep;
struct locks;
struct state;

/* What consoles use; all of it is borrowed. */
struct consoles_parts {
	struct event_base *base;
	const struct config *config;
	struct locks *locks;
	struct state *state;
	/* There is something to tell; it must not call back. */
	void (*wake)(void *ctx);
	void *ctx;
};

/* NULL when out of memory. */
struct consoles *consoles_create(const struct consoles_parts *parts);
/* Lets go of all ttys, but those that outlive us (broker/keep.h).  NULL is
 * fine. */
void consoles_destroy(struct consoles *consoles);

/* Takes over the consoles of the broker before this one, before xenstore is
 * asked. */
void consoles_adopt(struct consoles *consoles, struct keep *keep);
/* xenstore has been asked now, or cannot be: then those that were taken over
 * are as they were. */
void consoles_begin(struct consoles *consoles);

/* What consoles want to hear of domains; and whom they ask. */
const struct domains_listener *consoles_listener(struct consoles *consoles);
void consoles_set_domains(struct consoles *consoles, struct domains *domains);

/* The domains are known, if only from the broker before this one: what is not
 * here does not exist. */
bool consoles_ready(const struct consoles *consoles);

/* The configuration has changed: which are to be held? */
void consoles_reconfigured(struct consoles *consoles);

/* The worker's messages.  False: there is no such console.  An answer to
 * consoles_want() is told in any case. */
bool consoles_want(struct consoles *consoles, const struct console_key *key);
bool consoles_unwant(struct consoles *consoles, const struct console_key *key);
bool consoles_release(struct consoles *consoles, const struct console_key *key);
bool consoles_hangup(
    struct consoles *consoles, const struct console_key *key, uint32_t serial);

/* A new worker is there: it has to be told everything, and will say soon
 * what it wants.  Until then that of the one before stands. */
void consoles_worker_came(struct consoles *consoles);
void consoles_worker_left(struct consoles *consoles);

typedef int consoles_send_fn(
    void *ctx, const void *msg, size_t size, const int *fds, int nfds);

/* Tells what is due, until send returns something else than 0, which is
 * returned. */
int consoles_tell(struct consoles *consoles, consoles_send_fn *send, void *ctx);

/* All that a console's state depends on. */
struct console_facts {
	bool live;     /* its tty is open and has not hung up */
	bool gone;     /* no domain for a while */
	bool released; /* by the worker */
	bool named;    /* xenstore names a tty that we have not seen end */
	bool held;     /* the tty is to be open */
	bool busy, refused, away; /* why it is not */
};

enum proto_state console_state_of(const struct console_facts *facts);

#endif
