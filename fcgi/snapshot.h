/*
 * What a new viewer of a console begins with: its whole terminal as ANSI.
 *
 * One rendering serves all who come in the next seconds while little is printed
 * behind it, which they are told as well.
 */
#ifndef XENTERM_SNAPSHOT_H
#define XENTERM_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct ring;
struct screen;
struct snapshot;

struct snapshot_image {
	uint64_t offset;      /* the state after the output up to here */
	const uint8_t *bytes; /* for a reset terminal of the console's size */
	size_t len;
};

/* Renderings come from screen, which is borrowed; arrived(ctx) is called when
 * snapshot_get() has a new one.  NULL when out of memory. */
struct snapshot *snapshot_create(struct event_base *base, struct screen *screen,
    void (*arrived)(void *ctx), void *ctx);
/* NULL is fine. */
void snapshot_destroy(struct snapshot *s);

/* The snapshot of what ring holds, in this size; valid until the next call of
 * any of these.  NULL: it is being made, or cannot be at present. */
const struct snapshot_image *snapshot_get(
    struct snapshot *s, const struct ring *ring, unsigned rows, unsigned cols);

/* It is of no more use. */
void snapshot_drop(struct snapshot *s);

#endif
