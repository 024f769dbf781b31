#include "screen/render_html.h"

#include "screen/attr.h"

#include <string.h>

struct look {
	struct emulator_attr attr;
	bool cursor, wide;
};

struct html {
	struct render r;
	struct look look;
	bool open; /* a <span> */
	bool any;  /* a class in it */
};

static void
put_class(struct html *h, const char *name, int64_t number)
{
	render_string(&h->r, h->any ? " " : "<span class=\"");
	render_string(&h->r, name);
	if (number >= 0)
		render_number(&h->r, number);
	h->any = true;
}

static void
put_classes(struct html *h, const struct look *look)
{
	static const struct {
		uint16_t flag;
		const char *name;
	} names[] = {
	    {EMULATOR_BOLD, "b"},
	    {EMULATOR_DIM, "d"},
	    {EMULATOR_ITALIC, "i"},
	    {EMULATOR_BLINK, "k"},
	    {EMULATOR_INVERSE, "v"},
	    {EMULATOR_INVISIBLE, "h"},
	    {EMULATOR_STRIKE, "s"},
	    {EMULATOR_OVERLINE, "o"},
	};
	const struct emulator_attr *a = &look->attr;

	h->any = false;
	if (a->fg)
		put_class(h, "f", attr_nearest(a->fg) & 255);
	if (a->bg)
		put_class(h, "g", attr_nearest(a->bg) & 255);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (a->flags & names[i].flag)
			put_class(h, names[i].name, -1);
	if (a->style)
		put_class(h, "u", a->style);
	if (look->wide)
		put_class(h, "w", -1);
	if (look->cursor)
		put_class(h, "c", -1);
	if (h->any)
		render_string(&h->r, "\">");
	h->open = h->any;
}

static void
close_span(struct html *h)
{
	if (h->open)
		render_string(&h->r, "</span>");
	h->open = false;
}

static bool
same_look(const struct look *a, const struct look *b)
{
	return a->attr.fg == b->attr.fg && a->attr.bg == b->attr.bg &&
	       a->attr.flags == b->attr.flags &&
	       a->attr.style == b->attr.style && a->cursor == b->cursor &&
	       a->wide == b->wide;
}

static void
put_look(struct html *h, const struct look *look)
{
	if (same_look(look, &h->look))
		return;
	close_span(h);
	put_classes(h, look);
	h->look = *look;
}

static void
put_char(struct html *h, uint32_t code)
{
	switch (code) {
	case '<':
		render_string(&h->r, "&lt;");
		break;
	case '>':
		render_string(&h->r, "&gt;");
		break;
	case '&':
		render_string(&h->r, "&amp;");
		break;
	case '"':
		render_string(&h->r, "&quot;");
		break;
	default:
		render_code(&h->r, code);
	}
}

static void
put_row(struct html *h, const struct emulator *e, int32_t row, uint32_t cursor)
{
	uint32_t len = emulator_row_length(e, row);

	if (cursor != UINT32_MAX && len <= cursor)
		len = cursor + 1;
	h->look = (struct look){0};
	for (uint32_t x = 0; x < len; x++) {
		struct emulator_cell cell;
		struct look look;

		emulator_cell(e, row, x, &cell);
		if (cell.width == 0 && cell.count == 0)
			continue;
		look = (struct look){cell.attr, x == cursor, cell.width == 2};
		put_look(h, &look);
		for (uint8_t i = 0; i < cell.count; i++)
			put_char(h, cell.chars[i]);
		if (cell.count == 0)
			render_put(&h->r, " ", 1);
	}
	close_span(h);
}

void
render_html(
    const struct emulator *e, uint32_t history, render_sink *sink, void *user)
{
	struct html h = {.r = {.sink = sink, .user = user}};
	uint32_t x, y, cols = emulator_cols(e);
	bool hidden = emulator_modes(e)->cursor_hidden;

	emulator_cursor(e, &x, &y);
	if (x >= cols)
		x = cols - 1;
	render_string(&h.r, "<pre class=\"screen\">\n");
	for (int32_t row = render_first(e, history);
	     row < (int32_t)emulator_rows(e); row++) {
		bool here = !hidden && row == (int32_t)y;

		put_row(&h, e, row, here ? x : UINT32_MAX);
		render_put(&h.r, "\n", 1);
	}
	render_string(&h.r, "</pre>\n");
	render_flush(&h.r);
}
