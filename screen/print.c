#include "screen/print.h"

#include "screen/attr.h"
#include "screen/charset.h"
#include "screen/grid.h"
#include "screen/marks.h"
#include "screen/width.h"

static void
begin(struct emulator *e)
{
	struct buffer *b = state_active(e);
	struct row r = grid_row(e, b, b->y);

	/* The first half of a wide character whose second half goes. */
	if (row_width(r, b->x - 1) == 2)
		row_set(r, b->x - 1, CELL_NULL, attr_pen(e));
	e->parser.in_run = true;
}

void
print_settle(struct emulator *e)
{
	struct buffer *b = state_active(e);
	struct row r = grid_row(e, b, b->y);

	if (b->x < e->cols && row_width(r, b->x) == 0 &&
	    !row_has_content(r, b->x))
		row_set(r, b->x, CELL_NULL, attr_pen(e));
}

static void
touch(struct emulator *e, const struct buffer *b)
{
	uint8_t *dirty = state_at(e, e->dirty);

	dirty[b->y] = 1;
}

/* The character goes to the next line. */
static void
wrap(struct emulator *e, struct buffer *b)
{
	struct row old = grid_row(e, b, b->y);
	int32_t left = b->x;

	b->x = 0;
	b->y++;
	if (b->y == b->bottom + 1) {
		b->y--;
		grid_scroll(e, b, attr_erase(e), true);
		grid_touch(e, b->top, b->bottom);
	} else {
		b->y = min_of(b->y, e->rows - 1);
		grid_row(e, b, b->y).line->wrapped = true;
	}
	touch(e, b);
	/* Where a wide character had no room. Not earlier: on a screen of one
	 * line, without scrollback, this is the line that came in. */
	for (int32_t x = left; x < e->cols; x++)
		row_set(old, x, CELL_NULL, attr_pen(e));
}

/*
 * Without wrapping, what finds no room goes to the last column, and begins a
 * run there.  False when it finds none there either: a wide character.
 */
static bool
make_room(struct emulator *e, struct buffer *b, uint8_t width)
{
	print_end(e);
	b->x = e->cols - 1;
	if (width < 2)
		return true;
	e->parser.join = 0;
	return false;
}

/* A combining character: onto the one before the cursor. */
static void
join(struct emulator *e, struct buffer *b, uint32_t code, uint8_t width)
{
	struct row r = grid_row(e, b, b->y);
	int32_t x = b->x - (row_width(r, b->x - 1) ? 1 : 2);
	uint32_t content;

	if (x < 0 || x >= r.line->len)
		return;
	content = r.cells[x].content;
	if (content & CELL_CONTENT)
		content = marks_add(e, content, code);
	else
		content = code;
	r.cells[x].content = content | (uint32_t)width << CELL_WIDTH_SHIFT;
}

static void
insert(struct emulator *e, struct buffer *b, uint8_t width)
{
	struct row r = grid_row(e, b, b->y);

	row_insert(r, b->x, width, attr_pen(e));
	if (row_width(r, e->cols - 1) == 2)
		row_set(r, e->cols - 1, CELL_NULL, attr_pen(e));
}

void
print_code(struct emulator *e, uint32_t code)
{
	struct buffer *b = state_active(e);
	struct row r;
	uint8_t width;

	touch(e, b);
	code = charset_map(e->charset, code);
	width = width_of(code);
	if (b->x + width > e->cols && !e->modes.wraparound &&
	    !make_room(e, b, width))
		return;
	if (!e->parser.in_run)
		begin(e);
	if (width == 0 && e->parser.join && b->x) {
		join(e, b, code, e->parser.join);
		return;
	}
	e->parser.join = width;
	if (b->x + width > e->cols)
		wrap(e, b);
	if (e->modes.insert)
		insert(e, b, width);
	r = grid_row(e, b, b->y);
	row_set(
	    r, b->x++, code | (uint32_t)width << CELL_WIDTH_SHIFT, attr_pen(e));
	if (width == 2)
		row_set(r, b->x++, 0, attr_pen(e));
}

void
print_ascii(struct emulator *e, const uint8_t *chars, size_t n)
{
	struct buffer *b = state_active(e);
	size_t i = 0;

	if (e->charset != CHARSET_ASCII || e->modes.insert) {
		for (; i < n; i++)
			print_code(e, chars[i]);
		return;
	}
	while (i < n) {
		uint32_t attr = attr_pen(e);
		struct cell *c;
		int32_t room;

		/* Beginning and wrapping are the slow way's. */
		print_code(e, chars[i++]);
		c = grid_row(e, b, b->y).cells + b->x;
		room = min_of((int32_t)(n - i), e->cols - b->x);
		for (int32_t k = 0; k < room; k++)
			c[k] = (struct cell){
			    chars[i + (size_t)k] | CELL_NULL, attr};
		if (room > 0) {
			b->x += room;
			i += (size_t)room;
		}
	}
}

void
print_repeat(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);
	int32_t x = b->x - e->parser.join;
	struct row r = grid_row(e, b, b->y);
	uint32_t chars[1 + EMULATOR_MARKS_MAX];
	uint8_t count;

	if (!e->parser.join || x < 0 || x >= r.line->len)
		return;
	count = marks_chars(e, r.cells[x].content, chars);
	if (count == 0)
		return;
	/* A few bytes must not buy endless work. */
	for (n = min_of(n, e->cols); n > 0; n--)
		for (uint8_t i = 0; i < count; i++)
			print_code(e, chars[i]);
	print_end(e);
}
