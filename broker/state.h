/*
 * What the broker has to know of each console after its own death: in shared
 * memory that is the broker's alone and that the service manager keeps
 * (broker/keep.h).  The worker, which can write to the rings, cannot change
 * here whose they are.
 *
 * A console has a slot for as long as it is known, by whose number its
 * descriptors are kept.  What a slot says is whole at every instant: a change
 * is written beside what is true, and then made true by one store.
 */
#ifndef XENTERM_STATE_H
#define XENTERM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/console_key.h"
#include "common/limits.h"

struct keep;
struct state;

/* No padding: it is compared as bytes. */
struct state_console {
	struct console_key key;
	uint64_t run;	 /* its ring's; 0: it has none */
	uint64_t device; /* its tty's; 0: it has none */
	uint32_t tty_domid, tty_serial;
	uint32_t domid;
	uint32_t flags;
	char name[LIMIT_NAME + 1];
};

/* Flags. */
#define KEPT_RELEASED 1u /* to `xl console` */
#define KEPT_DEFAULT  2u /* the guest's bare name stands for it */
#define KEPT_ENDED    4u /* the tty has been read to its end */

/* The state that came with keep, or a new one that the manager keeps from now
 * on; the log says why one that came is not taken.  NULL when out of memory. */
struct state *state_create(struct keep *keep);
/* What it says stays, for who comes after us.  NULL is fine. */
void state_destroy(struct state *state);

/* A free slot, which is the caller's; LIMIT_CONSOLES: there is none. */
uint32_t state_take(struct state *state);
/* What a console comes to: told and kept from now on. */
void state_put(
    struct state *state, uint32_t slot, const struct state_console *console);
/* False: the slot is free, or it says what cannot be. */
bool state_get(
    const struct state *state, uint32_t slot, struct state_console *out);
/* There is no such console any more. */
void state_free(struct state *state, uint32_t slot);

/* A number for a tty: never 0, and not given before, by another state neither
 * (which is as good as certain). */
uint32_t state_serial(struct state *state);

#endif
