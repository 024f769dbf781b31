/*
 * The worker's end of the conversation with xenterm-broker.
 *
 * Keeps the consoles as the broker tells them.  While the broker is away
 * those that are open go on, and it is called again until it answers.
 */
#ifndef XENTERM_BROKER_LINK_H
#define XENTERM_BROKER_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct broker_link;
struct console;
struct consoles;
struct event_base;
struct msg_power;
struct powers;
struct reload;
struct sessions;

/* path of the broker's socket; it and the rest are borrowed.  NULL when out
 * of memory. */
struct broker_link *broker_link_create(struct event_base *base,
    const char *path, struct consoles *consoles, struct sessions *sessions);
/* NULL is fine. */
void broker_link_destroy(struct broker_link *link);

/* The broker is there and has told all it knows. */
bool broker_link_synced(const struct broker_link *link);

/* The viewers of c have come or gone: to be asked for, or given back. */
void broker_link_wanted(struct broker_link *link, struct console *c);
/* The tty with this serial has been read to its end. */
void broker_link_hangup(
    struct broker_link *link, struct console *c, uint32_t serial);
/* Hands c to `xl console`, until broker_link_hold().  False: no broker. */
bool broker_link_release(struct broker_link *link, struct console *c);
bool broker_link_hold(struct broker_link *link, struct console *c);
/* Asks a guest for something; what becomes of it goes to the powers of
 * broker_link_set_powers(), also when the connection is lost: at once. */
void broker_link_power(struct broker_link *link, const struct msg_power *msg);
void broker_link_set_powers(struct broker_link *link, struct powers *powers);
/* Asks for the configuration to be read again; what comes goes to the reload
 * of broker_link_set_reload().  False: no broker. */
bool broker_link_reload(struct broker_link *link);
void broker_link_set_reload(struct broker_link *link, struct reload *reload);

#endif
