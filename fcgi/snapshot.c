#include "fcgi/snapshot.h"

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/limits.h"
#include "common/ring.h"
#include "fcgi/screen.h"

struct snapshot {
	struct screen_job job; /* first */
	struct screen *screen;
	void (*arrived)(void *ctx);
	void *ctx;
	bool asked, arrives;
	struct snapshot_image image; /* no bytes: there is none */
	uint8_t *bytes;
	unsigned rows, cols;
};

struct snapshot *
snapshot_create(struct screen *screen, void (*arrived)(void *ctx), void *ctx)
{
	struct snapshot *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->screen = screen;
	s->arrived = arrived;
	s->ctx = ctx;
	return s;
}

void
snapshot_drop(struct snapshot *s)
{
	free(s->bytes);
	s->bytes = NULL;
	s->image.bytes = NULL;
}

void
snapshot_destroy(struct snapshot *s)
{
	if (!s)
		return;
	if (s->asked)
		screen_cancel(&s->job);
	snapshot_drop(s);
	free(s);
}

/* Without one, whoever still waits asks again. */
static void
on_done(struct screen_job *job, int error, const struct screen_image *image,
    struct evbuffer *bytes)
{
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
