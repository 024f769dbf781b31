/* All consoles that the broker tells of, by key and by name. */
#ifndef XENTERM_CONSOLES_H
#define XENTERM_CONSOLES_H

#include <stddef.h>

#include "common/console_key.h"

struct console;
struct console_owner;
struct consoles;
struct event_base;

/* owner is borrowed, for console_create().  NULL when out of memory. */
struct consoles *consoles_create(
    struct event_base *base, const struct console_owner *owner);
/* NULL is fine.  No console may have viewers any more. */
void consoles_destroy(struct consoles *all);

/* The console of a key: made if it is not there.  NULL when out of memory or
 * beyond LIMIT_CONSOLES. */
struct console *consoles_add(
    struct consoles *all, const struct console_key *key);
/* NULL: there is none. */
struct console *consoles_find(
    const struct consoles *all, const struct console_key *key);
/* By id, name, or name/kind as docs/protocol.md 1.1 says.  NULL: none. */
struct console *consoles_lookup(const struct consoles *all, const char *text);
/* Takes it out and destroys it; it has no viewers any more. */
void consoles_remove(struct consoles *all, struct console *c);

/* One after the other, in the order of their names: NULL begins, and ends.
 * The list must not change meanwhile, except that c may be removed once the
 * one after it has been asked for. */
struct console *consoles_next(struct consoles *all, const struct console *c);
/* To be called when a name has changed: the next list is in order.  A broker
 * tells of all consoles at once, and nobody asks for a list in between. */
void consoles_renamed(struct consoles *all);
size_t consoles_count(const struct consoles *all);

#endif
