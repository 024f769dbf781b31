#include "screen/render_ajaxterm.h"

#define NTEXT	  16
#define NGROUND	  8
#define TEXT	  7 /* the colours of a cell that has none */
#define GROUND	  0
#define CURSOR	  1 /* the cursor's ground */
#define NO_COLUMN UINT32_MAX
#define NO_BREAK  0xa0
#define NO_SUCH	  0xfffd

struct look {
	uint32_t text, ground;
};

struct document {
	struct render r;
	struct look look;
	bool open;  /* a <span> */
	bool begun; /* and there is something in it */
};

static uint32_t
value_of(uint32_t colour)
{
	return colour & 0xffffff;
}

static uint32_t
mode_of(uint32_t colour)
{
	return colour >> 24;
}

/* What AjaxTerm's style sheet makes of the classes, as 0xRRGGBB. */
static const uint32_t classes[NTEXT] = {
    0x000000,
    0xbb0000,
    0x00bb00,
    0xbbbb00,
    0x0000bb,
    0xbb00bb,
    0x00bbbb,
    0xbbbbbb,
    0x666666,
    0xff0000,
    0x00ff00,
    0xffff00,
    0x0000ff,
    0xff00ff,
    0x00ffff,
    0xffffff,
};

/* A colour that is none of the 16, as 0xRRGGBB. */
static uint32_t
rgb_of(uint32_t colour)
{
	static const uint8_t levels[6] = {0, 95, 135, 175, 215, 255};
	uint32_t n = value_of(colour);

	if (mode_of(colour) == EMULATOR_RGB)
		return n;
	if (n < 16)
		return classes[n];
	if (n >= 232)
		return (8 + (n - 232) % 24 * 10) * 0x010101;
	n -= 16;
	return (uint32_t)levels[n / 36] << 16 |
	       (uint32_t)levels[n / 6 % 6] << 8 | levels[n % 6];
}

static uint32_t
distance(uint32_t a, uint32_t b)
{
	int32_t red = (int32_t)(a >> 16 & 255) - (int32_t)(b >> 16 & 255);
	int32_t green = (int32_t)(a >> 8 & 255) - (int32_t)(b >> 8 & 255);
	int32_t blue = (int32_t)(a & 255) - (int32_t)(b & 255);

	return (uint32_t)(red * red + green * green + blue * blue);
}

/* Of the first count classes the one to show a colour with. */
static uint32_t
nearest(uint32_t colour, uint32_t count, uint32_t none)
{
	uint32_t rgb, best = 0;

	if (mode_of(colour) == EMULATOR_DEFAULT)
		return none;
	if (mode_of(colour) != EMULATOR_RGB && value_of(colour) < count)
		return value_of(colour);
	rgb = rgb_of(colour);
	for (uint32_t i = 1; i < count; i++)
		if (distance(rgb, classes[i]) < distance(rgb, classes[best]))
			best = i;
	return best;
}

static struct look
look_of(const struct emulator_attr *a)
{
	bool inverse = a->flags & EMULATOR_INVERSE;
	struct look look;

	if (inverse)
		look = (struct look){nearest(a->bg, NTEXT, GROUND),
		    nearest(a->fg, NGROUND, TEXT)};
	else
		look = (struct look){nearest(a->fg, NTEXT, TEXT),
		    nearest(a->bg, NGROUND, GROUND)};
	/* Two colours that fell together were to be told apart. */
	if (look.text == look.ground && a->fg != a->bg)
		look.text = look.ground == TEXT ? GROUND : TEXT;
	if (!inverse && (a->flags & EMULATOR_BOLD) && look.text < 8)
		look.text += 8;
	return look;
}

static void
close_span(struct document *d)
{
	if (d->open)
		render_string(&d->r, "</span>");
}

static void
put_look(struct document *d, const struct look *look)
{
	if (d->open && look->text == d->look.text &&
	    look->ground == d->look.ground)
		return;
	close_span(d);
	render_string(&d->r, "<span class=\"f");
	render_number(&d->r, look->text);
	render_string(&d->r, " b");
	render_number(&d->r, look->ground);
	render_string(&d->r, "\">");
	d->look = *look;
	d->open = true;
	d->begun = false;
}

static void
put_reference(struct document *d, uint32_t code)
{
	render_string(&d->r, "&#");
	render_number(&d->r, code);
	render_string(&d->r, ";");
}

/* Old parsers drop a text that is nothing but white space, and with it the
 * cursor: so none begins with a space. */
static void
put_blank(struct document *d)
{
	if (d->begun)
		render_string(&d->r, " ");
	else
		put_reference(d, NO_BREAK);
}

static bool
is_in_xml(uint32_t code)
{
	return code >= 0xa0 && code <= 0x10ffff &&
	       !(code >= 0xd800 && code < 0xe000) && code != 0xfffe &&
	       code != 0xffff;
}

static void
put_char(struct document *d, uint32_t code)
{
	const char plain = (char)code;

	if (code == ' ')
		put_blank(d);
	else if (code == '<' || code == '>' || code == '&' || code == '"' ||
		 code == '\'')
		put_reference(d, code);
	else if (code > ' ' && code < 0x7f)
		render_put(&d->r, &plain, 1);
	else
		put_reference(d, is_in_xml(code) ? code : NO_SUCH);
	d->begun = true;
}

static void
put_row(struct document *d, const struct emulator *e, uint32_t row,
    uint32_t cursor, bool colours)
{
	for (uint32_t x = 0; x < emulator_cols(e); x++) {
		struct look look = {TEXT, GROUND};
		struct emulator_cell cell;

		emulator_cell(e, (int32_t)row, x, &cell);
		if (cell.width == 0 && cell.count == 0)
			continue;
		if (colours)
			look = look_of(&cell.attr);
		if (x == cursor || (cell.width == 2 && x + 1 == cursor))
			look = (struct look){TEXT, CURSOR};
		put_look(d, &look);
		if (cell.count == 0 || (cell.attr.flags & EMULATOR_INVISIBLE))
			put_char(d, ' ');
		else
			for (uint8_t i = 0; i < cell.count; i++)
				put_char(d, cell.chars[i]);
	}
}

void
render_ajaxterm(
    const struct emulator *e, bool colours, render_sink *sink, void *user)
{
	struct document d = {.r = {.sink = sink, .user = user}};
	uint32_t x, y, cols = emulator_cols(e), rows = emulator_rows(e);

	emulator_cursor(e, &x, &y);
	if (x >= cols)
		x = cols - 1;
	if (emulator_modes(e)->cursor_hidden)
		x = NO_COLUMN;
	render_string(&d.r, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>"
			    "<pre class=\"term\">");
	for (uint32_t row = 0; row < rows; row++) {
		if (row > 0)
			render_string(&d.r, "\n");
		put_row(&d, e, row, row == y ? x : NO_COLUMN, colours);
	}
	close_span(&d);
	render_string(&d.r, "</pre>");
	render_flush(&d.r);
}
