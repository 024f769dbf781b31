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
struct viewer;

#define FRAMES_TYPE "application/vnd.xenterm.frames"

/* Where the console stands now: behind all output and events. */
void frames_now(const struct console *c, struct position *out);

/* The output after this position is held.  Who stands elsewhere needs a
 * snapshot. */
bool frames_is_known(const struct console *c, const struct position *pos);

/* There is something to tell who stands at `from`.  Output up to the offset
 * `delivered` does not count.  A snapshot that is needed and not there yet is
 * asked for. */
bool frames_news(
    const struct console *c, const struct position *from, uint64_t delivered);

/*
 * Adds to out what is to be told, and moves *pos behind it.  A position that
 * the console does not know gets a snapshot; or, when there is none, a notice
 * and the last of the output as it is.  viewer: whom it is for.  False: out of
 * memory; *pos is as before, and out is good for nothing.
 */
bool frames_build(const struct console *c, const struct viewer *viewer,
    struct position *pos, bool json, struct evbuffer *out);

/* Adds the frame that says where a stream stands.  False: out of memory; out is
 * good for nothing. */
bool frames_position(const struct position *pos, struct evbuffer *out);

#endif
