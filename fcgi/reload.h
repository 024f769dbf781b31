/*
 * A new configuration while the worker runs: SIGHUP asks xenterm-broker, which
 * may open files, to read it, and what comes is taken whole or not at all.
 */
#ifndef XENTERM_RELOAD_H
#define XENTERM_RELOAD_H

#include <stdint.h>

struct config;
struct reload;
struct ticket_keys;
struct worker;

/* config is changed, and keys are replaced, by each new configuration; they
 * are reload's from now on, until reload_destroy() frees both.  w is borrowed.
 * NULL when out of memory. */
struct reload *reload_create(
    struct worker *w, struct config *config, struct ticket_keys *keys);
void reload_destroy(struct reload *reload);

/* For SIGHUP; ctx is the struct reload. */
void reload_ask(void *ctx);

/*
 * Takes what the broker sends: a memfd with size bytes of files, and the audit
 * log (-1: none), which is ours from now on.  With a mistake in it, all stays
 * as it is, which is logged.  Sessions whose user has lost the right to watch
 * are closed then, those that may only watch any more do so.
 */
void reload_take(struct reload *reload, int files, uint32_t size, int audit);

#endif
