#include "screen/render_json.h"

#include <stdio.h>

static void
put_char(struct render *r, uint32_t code)
{
	char text[8];

	if (code == '"' || code == '\\') {
		render_put(r, "\\", 1);
	} else if (code < 0x20) {
		snprintf(text, sizeof text, "\\u%04x", code);
		render_string(r, text);
		return;
	}
	render_code(r, code);
}

static void
put_colour(struct render *r, const char *key, uint32_t colour)
{
	char text[16];

	if (colour == 0)
		return;
	render_string(r, key);
	if (colour >> 24 == EMULATOR_RGB) {
		snprintf(text, sizeof text, "\"#%06x\"", colour & 0xffffff);
		render_string(r, text);
	} else {
		render_number(r, colour & 255);
	}
}

static void
put_attr(struct render *r, const struct emulator_attr *a)
{
	static const char *const flags[] = {"bold", "dim", "italic", NULL,
	    "blink", "inverse", "invisible", "strike", "overline", "protected"};
	static const char *const styles[] = {
	    "", "single", "double", "curly", "dotted", "dashed"};

	put_colour(r, ",\"fg\":", a->fg);
	put_colour(r, ",\"bg\":", a->bg);
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (!flags[i] || !(a->flags >> i & 1))
			continue;
		render_string(r, ",\"");
		render_string(r, flags[i]);
		render_string(r, "\":true");
	}
	if (a->style) {
		render_string(r, ",\"underline\":\"");
		render_string(r, styles[a->style]);
		render_string(r, "\"");
		put_colour(r, ",\"underline_colour\":", a->line);
	}
}

static bool
same_attr(const struct emulator_attr *a, const struct emulator_attr *b)
{
	return a->fg == b->fg && a->bg == b->bg && a->line == b->line &&
	       a->flags == b->flags && a->style == b->style;
}

/* The cells from x on that look the same; returns where they end. */
static uint32_t
put_span(struct render *r, const struct emulator *e, int32_t row, uint32_t x,
    uint32_t len)
{
	struct emulator_cell cell;
	struct emulator_attr attr;
	uint32_t from = x;

	emulator_cell(e, row, x, &cell);
	attr = cell.attr;
	render_string(r, "{\"text\":\"");
	while (x < len && same_attr(&cell.attr, &attr)) {
		for (uint8_t i = 0; i < cell.count; i++)
			put_char(r, cell.chars[i]);
		if (cell.count == 0 && cell.width > 0)
			render_put(r, " ", 1);
		if (++x < len)
			emulator_cell(e, row, x, &cell);
	}
	render_string(r, "\",\"cols\":");
	render_number(r, x - from);
	put_attr(r, &attr);
	render_string(r, "}");
	return x;
}

static void
put_row(struct render *r, const struct emulator *e, int32_t row)
{
	uint32_t len = emulator_row_length(e, row);

	render_string(r, "{\"row\":");
	render_number(r, row);
	render_string(r, emulator_row_wrapped(e, row)
			     ? ",\"wrapped\":true,\"spans\":["
			     : ",\"wrapped\":false,\"spans\":[");
	for (uint32_t x = 0; x < len;) {
		if (x > 0)
			render_string(r, ",");
		x = put_span(r, e, row, x, len);
	}
	render_string(r, "]}");
}

static void
put_head(struct render *r, const struct emulator *e)
{
	uint32_t x, y;

	emulator_cursor(e, &x, &y);
	render_string(r, "{\"rows\":");
	render_number(r, emulator_rows(e));
	render_string(r, ",\"cols\":");
	render_number(r, emulator_cols(e));
	render_string(r, ",\"generation\":");
	render_number(r, (int64_t)emulator_generation(e));
	render_string(r, emulator_on_alternate(e)
			     ? ",\"alternate\":true,\"title\":\""
			     : ",\"alternate\":false,\"title\":\"");
	for (const char *c = emulator_title(e); *c; c++) {
		if (*c == '"' || *c == '\\')
			render_put(r, "\\", 1);
		render_put(r, c, 1);
	}
	render_string(r, "\",\"cursor\":{\"row\":");
	render_number(r, y);
	render_string(r, ",\"col\":");
	render_number(r, x);
	render_string(r, emulator_modes(e)->cursor_hidden
			     ? ",\"hidden\":true},\"lines\":["
			     : ",\"hidden\":false},\"lines\":[");
}

void
render_json(const struct emulator *e, uint32_t history, uint64_t since,
    render_sink *sink, void *user)
{
	struct render r = {.sink = sink, .user = user};
	bool first = true;

	put_head(&r, e);
	for (int32_t row = render_first(e, history);
	     row < (int32_t)emulator_rows(e); row++) {
		if (row >= 0 && since > 0 &&
		    emulator_row_generation(e, (uint32_t)row) <= since)
			continue;
		if (!first)
			render_string(&r, ",");
		first = false;
		put_row(&r, e, row);
	}
	render_string(&r, "]}\n");
	render_flush(&r);
}
