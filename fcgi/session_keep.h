/*
 * Sessions that outlive the worker: they lie in the table of session_store.h,
 * and the next worker goes on with them.
 */
#ifndef XENTERM_SESSION_KEEP_H
#define XENTERM_SESSION_KEEP_H

#include <stdbool.h>

struct consoles;
struct input_by;
struct session;
struct sessions;

/* The broker keeps them in fd, which stays the caller's: those of a worker
 * before this one wait there for sessions_restore(), or those that are open now
 * are kept there too.  0 or a negative errno. */
int sessions_take_store(struct sessions *all, int fd);
/* All consoles are known: goes on with the sessions of the worker before.
 * False: there was not enough memory; to be called again. */
bool sessions_restore(struct sessions *all, const struct consoles *consoles);
/* Before that it is not known which tokens are good. */
bool sessions_are_known(const struct sessions *all);
/* What a queue that was taken over has of a session (input_queue_each()). */
void sessions_had_typed(struct sessions *all, const struct input_by *by);

/* It is complete and its user knows it: the next worker goes on with it. */
void session_keep(struct session *s);

#endif
