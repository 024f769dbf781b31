/*
 * A session that lasts as long as one request: so a call that types is a
 * viewer like all others, has the console opened, and can be kicked.
 */
#ifndef XENTERM_VISIT_H
#define XENTERM_VISIT_H

#include <stdbool.h>

#include "fcgi/waiters.h"

struct request;
struct session;
struct worker;

/* Embedded in what the request does.  The waiter's class is the owner's to
 * set; all else is set by visit_begin(). */
struct visit {
	struct waiter waiter;
	struct session *session;
};

/* False: a problem was answered. */
bool visit_begin(struct visit *v, struct worker *w, struct request *r);

/* Before v is freed; why: what its waiter was last told (WAKE_CLOSED and
 * WAKE_RESTART say that the session ends by itself). */
void visit_end(struct visit *v, enum wake why);

#endif
