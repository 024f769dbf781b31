#include "fcgi/snapshot.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/limits.h"
#include "common/ring.h"
#include "fcgi/screen.h"

/* It takes some memory for each console that is watched: not for longer than
 * those who come together need it. */
#define KEPT_SECONDS 5

struct snapshot {
	struct screen_job job; /* first */
	struct screen *screen;
	void (*arrived)(void *ctx);
	void *ctx;
	struct event *old;
	bool asked, arrives;
	struct snapshot_image image; /* no bytes: there is none */
	uint8_t *bytes;
	unsigned rows, cols;
};

static void
on_old(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	snapshot_drop(arg);
}

struct snapshot *
snapshot_create(struct event_base *base, struct screen *screen,
    void (*arrived)(void *ctx), void *ctx)
{
	struct snapshot *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->screen = screen;
	s->arrived = arrived;
	s->ctx = ctx;
	s->old = evtimer_new(base, on_old, s);
	if (!s->old) {
		free(s);
		return NULL;
	}
	return s;
}

void
snapshot_drop(struct snapshot *s)
{
	free(s->bytes);
	s->bytes = NULL;
	s->image.bytes = NULL;
	event_del(s->old);
}

void
snapshot_destroy(struct snapshot *s)
{
	if (!s)
		return;
	if (s->asked)
		screen_cancel(&s->job);
	snapshot_drop(s);
	event_free(s->old);
	free(s);
}

/* Without one, whoever still waits asks again. */
static void
on_done(struct screen_job *job, int error, const struct screen_image *image,
    struct evbuffer *bytes)
{
	const struct timeval delay = {.tv_sec = KEPT_SECONDS};
	struct snapshot *s = (struct snapshot *)job;
	size_t len = error ? 0 : (size_t)image->len;

	s->asked = false;
	snapshot_drop(s);
	if (error)
		return;
	s->bytes = malloc(len ? len : 1);
	if (!s->bytes)
		return;
	evbuffer_copyout(bytes, s->bytes, len);
	s->image = (struct snapshot_image){
	    .offset = image->offset, .bytes = s->bytes, .len = len};
	s->rows = image->rows;
	s->cols = image->cols;
	event_add(s->old, &delay);
	s->arrives = true;
	s->arrived(s->ctx);
	s->arrives = false;
}

/* One that arrives at this moment will do: in a flood there is no better. */
static bool
is_good(const struct snapshot *s, const struct ring *ring, unsigned rows,
    unsigned cols)
{
	return s->image.bytes && s->rows == rows && s->cols == cols &&
	       (s->arrives || ring_end(ring) - s->image.offset <= LIMIT_OUTPUT);
}

const struct snapshot_image *
snapshot_get(
    struct snapshot *s, const struct ring *ring, unsigned rows, unsigned cols)
{
	if (is_good(s, ring, rows, cols))
		return &s->image;
	if (s->asked)
		return NULL;
	s->job = (struct screen_job){
	    .format = SCREEN_ANSI, .since = UINT64_MAX, .done = on_done};
	s->asked = screen_render(s->screen, &s->job) == 0;
	return NULL;
}
