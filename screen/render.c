#include "screen/render.h"

#include "screen/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
render_flush(struct render *r)
{
	if (r->len > 0)
		r->sink(r->user, r->bytes, r->len);
	r->len = 0;
}

void
render_put(struct render *r, const char *bytes, size_t len)
{
	if (len > sizeof r->bytes - r->len)
		render_flush(r);
	if (len > sizeof r->bytes) {
		r->sink(r->user, bytes, len);
		return;
	}
	memcpy(r->bytes + r->len, bytes, len);
	r->len += len;
}

void
render_string(struct render *r, const char *text)
{
	render_put(r, text, strlen(text));
}

void
render_number(struct render *r, int64_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, number);
	render_string(r, text);
}

void
render_code(struct render *r, uint32_t code)
{
	char bytes[4];

	render_put(r, bytes, utf8_put(bytes, code));
}

int32_t
render_first(const struct emulator *e, uint32_t history)
{
	uint32_t all = emulator_history(e);

	return -(int32_t)(history < all ? history : all);
}

void
render_to_buffer(void *user, const char *bytes, size_t len)
{
	struct render_buffer *b = user;

	if (b->len < b->room)
		memcpy(b->bytes + b->len, bytes,
		    len < b->room - b->len ? len : b->room - b->len);
	b->len += len;
}
