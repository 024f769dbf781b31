/*
 * The feed: all consoles' changes, and the output of those that are followed,
 * for xenterm-logger.
 *
 * One program at a time is connected; the latest one has it.  It says where in
 * a console's output it stands, and gets from the ring what comes after that.
 * Nothing is queued for one that does not read but what a few answers hold:
 * where the ring has lost what comes next, output goes on behind that, and the
 * offsets say so.  Without one that is connected, and for a console that is
 * silent, nothing is done.
 */
#ifndef XENTERM_FEED_H
#define XENTERM_FEED_H

#include <stdbool.h>
#include <stddef.h>

struct console;
struct feed;
struct worker;

/* Takes ownership of the listening socket fd.  worker is borrowed.  NULL when
 * out of memory. */
struct feed *feed_create(struct worker *worker, int fd);
/* NULL is fine. */
void feed_destroy(struct feed *feed);

/* All three do nothing when feed is NULL. */

/* c has printed something, or something has happened to it. */
void feed_news(struct feed *feed, struct console *c);
/* These bytes were taken to be typed. */
void feed_typed(
    struct feed *feed, struct console *c, const void *bytes, size_t len);
/* c is about to be destroyed. */
void feed_removed(struct feed *feed, struct console *c);

/* Somebody is connected. */
bool feed_is_read(const struct feed *feed);

#endif
