/*
 * Asking guests to shut down or to reboot.
 *
 * The request is the word in control/shutdown of the guest's domain, which the
 * guest's kernel takes out again (docs/misc/xenstore-paths.pandoc of xen).
 * Nothing else is ever written to xenstore: which domain is asked comes from
 * xenstore, the word from a table, and whether anybody may be asked at all from
 * the configuration.  A request that is not taken is withdrawn: a guest that
 * loads its driver next week shall not shut down then.
 */
#ifndef XENTERM_POWER_H
#define XENTERM_POWER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/proto.h"

struct config;
struct domains;
struct event_base;
struct powers;

/* All arguments are borrowed.  wake is called when there is something to tell;
 * it must not call back.  NULL when out of memory. */
struct powers *powers_create(struct event_base *base,
    const struct config *config, struct domains *domains,
    void (*wake)(void *ctx), void *ctx);
/* NULL is fine. */
void powers_destroy(struct powers *powers);

/* Every request is answered once, by powers_tell().  False: this is none, or
 * there are more of them than a worker may have. */
bool powers_ask(struct powers *powers, const struct msg_power *msg);

/* Nobody is there to be told any more.  What was asked stays asked. */
void powers_worker_left(struct powers *powers);

/* Tells the answers that are due, until send returns something else than 0,
 * which is returned. */
int powers_tell(struct powers *powers,
    int (*send)(
	void *ctx, const void *msg, size_t size, const int *fds, int nfds),
    void *ctx);

#endif
