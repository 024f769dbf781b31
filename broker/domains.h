/*
 * The guests of this host and their consoles, as xenstore tells of them.
 *
 * Exactly the nodes used are watched: below /local/domain/<domid> guests may
 * write, and would drive our loop.  An event says "read again", never what.
 * While xenstored is away everything stays as it was told last.
 */
#ifndef XENTERM_DOMAINS_H
#define XENTERM_DOMAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/console_key.h"

struct config;
struct domains;
struct event_base;
struct xs_conn;

/* One console as it stands.  Valid until the loop runs on. */
struct domain_console {
	uint32_t domid;
	const char *name; /* of the guest; its uuid when it has none */
	const char *tty;  /* "" when there is none */
	bool is_default;  /* what `xl console` would open */
};

struct domains_listener {
	/*
	 * Something about this console is new.  tty: its node was written, so
	 * what is behind it may be new even where the name is the old one.
	 */
	void (*changed)(void *ctx, const struct console_key *key, bool tty);
	/* All domains have been looked at. */
	void (*rescanned)(void *ctx);
	void *ctx;
};

/* config and listener are borrowed.  NULL when out of memory. */
struct domains *domains_create(struct event_base *base,
    const struct config *config, const struct domains_listener *listener);
/* NULL is fine. */
void domains_destroy(struct domains *domains);

/* Connects to xenstored, now or as soon as it is there. */
void domains_start(struct domains *domains);

/* Tells of every console, as if it were new. */
void domains_tell_all(struct domains *domains);

/* False when no domain has this console. */
bool domains_lookup(struct domains *domains, const struct console_key *key,
    struct domain_console *out);

/* There is such a domain, under whatever uuid. */
bool domains_alive(struct domains *domains, uint32_t domid);

/* Which console's node named this tty first; of nodes that the guest may write,
 * only where no other one names it.  False: none does. */
bool domains_claimant(
    struct domains *domains, const char *tty, struct console_key *out);

/* NULL while xenstored is away. */
struct xs_conn *domains_xs(struct domains *domains);

#endif
