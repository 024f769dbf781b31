/* A request whose answer goes on: a console's output and events, as they come.
 */
#ifndef XENTERM_STREAM_H
#define XENTERM_STREAM_H

#include "fcgi/position.h"

struct request;

/*
 * Answers r with what comes after from, until the session ends or the browser
 * leaves.  A browser that does not keep up costs what one answer takes: no
 * more is made before it has read that, and if the ring has lost what comes
 * next by then, a snapshot follows.
 */
void stream_output(struct request *r, const struct position *from);

#endif
