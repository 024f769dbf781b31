/*
 * The nodes of one domain in xenstore: which of them are watched, and what
 * they say.
 *
 * The consoles of a domain have numbers here, from 0 to NODES_CONSOLES, over
 * both kinds; sets of them are bits.  Calls that take a connection return 0 or
 * a negative errno, and -ENOTCONN when it is lost.
 */
#ifndef XENTERM_NODES_H
#define XENTERM_NODES_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/tty.h"
#include "common/console_key.h"
#include "common/limits.h"

struct nodes;
struct xs_conn;

#define NODES_CONSOLES	 (2 * LIMIT_CONSOLES_OF_KIND)
#define NODES_UUID_BYTES 16

/* xen/include/public/xen.h, DOMID_FIRST_RESERVED. */
#define NODES_DOMID_END 0x7ff0u

/* What a look at the domain has shown. */
struct domain_facts {
	bool has_uuid; /* without one it is not built yet, and no guest */
	uint8_t uuid[NODES_UUID_BYTES];
	char name[LIMIT_NAME + 1];	    /* its uuid when it has none */
	unsigned present;		    /* bits of consoles */
	char tty[NODES_CONSOLES][TTY_NAME]; /* "" when there is none */
};

/* The console that `xl console` would open. */
unsigned facts_default(const struct domain_facts *facts);
/* facts must have a uuid. */
void facts_key(const struct domain_facts *facts, unsigned console,
    struct console_key *out);
/* A key's console; NODES_CONSOLES when no domain can have it. */
unsigned nodes_console(const struct console_key *key);

/* The guest may be able to write the node of this console's tty: xapi gives it
 * all of D/device.  The others are dom0's alone (tools/libs/light/
 * libxl_device.c, libxl__device_generic_add). */
bool nodes_is_guests(unsigned console);

/* NULL when out of memory. */
struct nodes *nodes_create(uint32_t domid);
/* The connection, if any, goes on watching: see nodes_unwatch(). */
void nodes_destroy(struct nodes *n);

/* Begins to watch, on a connection that does not yet: the nodes that every
 * domain has, and those that nodes_find_more() has found before. */
int nodes_watch(struct nodes *n, struct xs_conn *xs);
void nodes_unwatch(struct nodes *n, struct xs_conn *xs);
bool nodes_are_watched(const struct nodes *n);
/* Watches also the consoles behind the first of each kind, if any. */
int nodes_find_more(struct nodes *n, struct xs_conn *xs);

/* Reads what is watched.  out is complete only on success; then nothing is
 * to be read again. */
int nodes_read(struct nodes *n, struct xs_conn *xs, struct domain_facts *out);

/* The token of an event says which node it is about; false: none of ours. */
bool nodes_token(const char *token, uint32_t *domid, unsigned *node);
/* An event has come: this node is to be read again. */
void nodes_event(struct nodes *n, unsigned node);
bool nodes_changed(const struct nodes *n);
/* The consoles whose tty was written since the last call. */
unsigned nodes_take_written(struct nodes *n);

#endif
