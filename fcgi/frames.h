/*
 * What a viewer at a position is told next: events, and output or a
 * snapshot, as frames or as JSON (docs/protocol.md, 1.4).
 */
#ifndef XENTERM_FRAMES_H
#define XENTERM_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/position.h"

struct console;
struct evbuffer;

/* Where the console stands now: behind all output and events. */
void frames_now(const struct console *c, struct position *out);

/* There is something to tell who stands at `from`.  Output up to the offset
 * `delivered` does not count. */
bool frames_news(
    const struct console *c, const struct position *from, uint64_t delivered);

/*
 * Adds to out what is to be told, and moves *pos behind it.  A position that
 * the console does not know gets a snapshot.
 */
void frames_build(const struct console *c, struct position *pos, bool json,
    struct evbuffer *out);

#endif
