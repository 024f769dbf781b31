/*
 * The worker's connection: a SOCK_SEQPACKET socket, one worker at a time.
 *
 * What the worker may ask is the table in worker.c.  A peer that breaks the
 * rules is dropped, not argued with.
 */
#ifndef XENTERM_WORKER_H
#define XENTERM_WORKER_H

#include <sys/types.h>

struct consoles;
struct event_base;
struct worker;

/* Takes connections from processes of uid, and of root, on `listener`, which
 * stays the caller's.  NULL when out of memory. */
struct worker *worker_create(struct event_base *base, int listener, uid_t uid);
/* NULL is fine. */
void worker_destroy(struct worker *worker);

/* Whose messages these are; borrowed. */
void worker_set_consoles(struct worker *worker, struct consoles *consoles);

/* There is something to tell; ctx is the worker. */
void worker_wake(void *ctx);

#endif
