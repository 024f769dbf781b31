/* What all renderings share: where they go, and which rows. */
#ifndef XENTERM_SCREEN_RENDER_H
#define XENTERM_SCREEN_RENDER_H

#include "screen/emulator.h"

/* Takes a piece of what is rendered; bytes are only good during the call. */
typedef void render_sink(void *user, const char *bytes, size_t len);

struct render {
	render_sink *sink;
	void *user;
	size_t len;
	char bytes[1024]; /* not handed out yet */
};

void render_put(struct render *r, const char *bytes, size_t len);
void render_string(struct render *r, const char *text);
void render_number(struct render *r, int64_t number);
void render_code(struct render *r, uint32_t code);
void render_flush(struct render *r);

/* The first row of history lines above the screen, as far as there are any. */
int32_t render_first(const struct emulator *e, uint32_t history);

/* A bounded buffer as a sink: what does not fit is counted, not written. */
struct render_buffer {
	char *bytes;
	size_t room, len;
};

void render_to_buffer(void *user, const char *bytes, size_t len);

#endif
