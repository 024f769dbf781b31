/*
 * One console's screen, as the worker knows it: the screen process, when
 * there is one, and the renderings it is asked for.
 *
 * There is a process while somebody watches, and for a moment before output
 * that nobody has interpreted would leave the ring.  One that dies is replaced
 * and works through the same bytes again.  When several in a row die without
 * getting further, or none can be started, the screen has failed: until those
 * bytes have left the ring there are no renderings, and viewers get raw output.
 */
#ifndef XENTERM_SCREEN_H
#define XENTERM_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/screen_proto.h"

struct event_base;
struct evbuffer;
struct ring;
struct screen;
struct spawner;

/* What screen.c asks of its owner. */
struct screen_owner {
	/* The terminal's answer to the guest, to be typed. */
	void (*reply)(void *ctx, const void *bytes, size_t len);
	/* The screen has failed. */
	void (*failed)(void *ctx);
	void *ctx;
	const char *name; /* of the console, for the log */
};

/* spawner may be NULL: there are never any renderings.  owner and what it
 * points to is borrowed.  NULL when out of memory. */
struct screen *screen_create(struct event_base *base, struct spawner *spawner,
    const struct screen_owner *owner);
/* Its jobs end with -ECONNRESET.  NULL is fine. */
void screen_destroy(struct screen *s);

/* The ring to show, borrowed until the next call, its read-only descriptor and
 * its checkpoints, of which it takes ownership. */
void screen_set_ring(
    struct screen *s, const struct ring *ring, int ring_fd, int checkpoint);

/* Somebody watches; or nobody does any more. */
void screen_watch(struct screen *s, bool watched);
/* The ring has got more. */
void screen_output(struct screen *s);
/* The terminal's size, from the output that comes now on. */
void screen_resize(struct screen *s, unsigned rows, unsigned cols);

/* There are no renderings at present. */
bool screen_has_failed(const struct screen *s);

/* A rendering that somebody waits for; embedded in what it is for. */
struct screen_job {
	enum screen_format format;
	uint32_t history; /* lines above the screen */
	uint64_t since;	  /* see struct screen_wish */
	/* Called once, unless cancelled, never from within screen_render().
	 * error: 0 or a negative errno, with which there is no image; bytes
	 * are only to be copied. */
	void (*done)(struct screen_job *job, int error,
	    const struct screen_image *image, struct evbuffer *bytes);
	/* screen.c's own: */
	struct screen *screen;
	uint64_t number;
	struct screen_job *prev, *next;
};

/* Returns 0, -EIO when the screen has failed, -ENOBUFS when too many wait. */
int screen_render(struct screen *s, struct screen_job *job);
void screen_cancel(struct screen_job *job);

#endif
