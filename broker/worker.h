/*
 * The worker's connection: a SOCK_SEQPACKET socket, one worker at a time.
 *
 * What the worker may ask is the table in worker.c.  A peer that breaks the
 * rules is dropped, not argued with.
 */
#ifndef XENTERM_WORKER_H
#define XENTERM_WORKER_H

#include <stdint.h>
#include <sys/types.h>

struct consoles;
struct event_base;
struct keep;
struct powers;
struct worker;

/* Takes connections from processes of uid, and of root, on `listener`, which
 * stays the caller's; the sessions are those of keep.  NULL when out of
 * memory. */
struct worker *worker_create(
    struct event_base *base, int listener, uid_t uid, struct keep *keep);
/* NULL is fine. */
void worker_destroy(struct worker *worker);

/* Whose messages these are; borrowed. */
void worker_set_consoles(struct worker *worker, struct consoles *consoles);

/* Whom its MSG_POWER goes to; borrowed. */
void worker_set_powers(struct worker *worker, struct powers *powers);

/* What its MSG_RELOAD calls. */
void worker_set_reload(
    struct worker *worker, void (*reload)(void *ctx), void *ctx);

/* Sends a configuration as soon as the worker reads: a memfd of size bytes and
 * the audit log (-1: none), both given away.  Without a worker, nothing: one
 * that starts reads it itself. */
void worker_give_config(
    struct worker *worker, int files, uint32_t size, int audit);
/* Says that there is none to take. */
void worker_keep_config(struct worker *worker);

/* There is something to tell; ctx is the worker. */
void worker_wake(void *ctx);

#endif
