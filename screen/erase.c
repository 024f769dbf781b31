#include "screen/erase.h"

#include "screen/attr.h"
#include "screen/cursor.h"
#include "screen/grid.h"

static void
erase_part(
    struct emulator *e, int32_t y, int32_t from, int32_t to, bool selective)
{
	struct row r = grid_row(e, state_active(e), y);

	if (selective)
		row_erase_unprotected(e, r, from, to, attr_erase(e));
	else
		row_erase(r, from, to, attr_erase(e));
}

static void
erase_rows(struct emulator *e, int32_t from, int32_t to, bool selective)
{
	for (int32_t y = from; y <= to; y++) {
		struct row r = grid_row(e, state_active(e), y);

		if (selective)
			row_fill_unprotected(e, r, attr_erase(e));
		else
			row_fill(r, attr_erase(e));
		r.line->wrapped = false;
	}
	grid_touch(e, from, to);
}

static void
erase_above(struct emulator *e, struct buffer *b, bool selective)
{
	erase_part(e, b->y, 0, b->x + 1, selective);
	grid_row(e, b, b->y).line->wrapped = false;
	/* xterm.js means the line below here, but forgets the scrollback: the
	 * mark goes from the line that many from the very first one. */
	if (b->x + 1 >= e->cols)
		grid_line(e, b, b->y + 1)->wrapped = false;
	erase_rows(e, 0, b->y - 1, selective);
	grid_touch(e, b->y, b->y);
}

static void
erase_below(struct emulator *e, struct buffer *b, bool selective)
{
	erase_part(e, b->y, b->x, e->cols, selective);
	if (b->x == 0)
		grid_row(e, b, b->y).line->wrapped = false;
	erase_rows(e, b->y + 1, e->rows - 1, selective);
	grid_touch(e, b->y, b->y);
}

void
erase_display(struct emulator *e, int32_t what, bool selective)
{
	struct buffer *b = state_active(e);

	if (selective)
		cursor_end_wrap(e);
	cursor_restrict(e, e->cols);
	switch (what) {
	case 0:
		erase_below(e, b, selective);
		break;
	case 1:
		erase_above(e, b, selective);
		break;
	case 2:
		erase_rows(e, 0, e->rows - 1, selective);
		break;
	case 3:
		grid_drop_scrollback(e, b);
		break;
	}
}

void
erase_line(struct emulator *e, int32_t what, bool selective)
{
	struct buffer *b = state_active(e);
	struct line *line;

	if (selective)
		cursor_end_wrap(e);
	cursor_restrict(e, e->cols);
	line = grid_row(e, b, b->y).line;
	switch (what) {
	case 0:
		erase_part(e, b->y, b->x, e->cols, selective);
		if (b->x == 0)
			line->wrapped = false;
		break;
	case 1:
		erase_part(e, b->y, 0, b->x + 1, selective);
		break;
	case 2:
		erase_part(e, b->y, 0, e->cols, selective);
		line->wrapped = false;
		break;
	}
	grid_touch(e, b->y, b->y);
}

void
erase_chars(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);

	cursor_restrict(e, e->cols - 1);
	erase_part(e, b->y, b->x, b->x + n, false);
	grid_touch(e, b->y, b->y);
}

void
erase_insert_chars(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);

	cursor_restrict(e, e->cols - 1);
	row_insert(grid_row(e, b, b->y), b->x, n, attr_erase(e));
	grid_touch(e, b->y, b->y);
}

void
erase_delete_chars(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);

	cursor_restrict(e, e->cols - 1);
	row_delete(grid_row(e, b, b->y), b->x, n, attr_erase(e));
	grid_touch(e, b->y, b->y);
}

static bool
in_region(const struct buffer *b)
{
	return b->y >= b->top && b->y <= b->bottom;
}

void
erase_insert_lines(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);

	cursor_restrict(e, e->cols - 1);
	if (!in_region(b))
		return;
	grid_rotate_down(
	    e, b, b->ybase + b->y, b->ybase + b->bottom, n, attr_erase(e));
	grid_touch(e, b->y, b->bottom);
	b->x = 0;
}

void
erase_delete_lines(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);

	cursor_restrict(e, e->cols - 1);
	if (!in_region(b))
		return;
	grid_rotate_up(
	    e, b, b->ybase + b->y, b->ybase + b->bottom, n, attr_erase(e));
	grid_touch(e, b->y, b->bottom);
	b->x = 0;
}

void
erase_scroll_up(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);

	cursor_end_wrap(e);
	grid_rotate_up(
	    e, b, b->ybase + b->top, b->ybase + b->bottom, n, attr_erase(e));
	grid_touch(e, b->top, b->bottom);
}

void
erase_scroll_down(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);

	cursor_end_wrap(e);
	/* In the default colours, unlike all the others: as xterm.js. */
	grid_rotate_down(e, b, b->ybase + b->top, b->ybase + b->bottom, n, 0);
	grid_touch(e, b->top, b->bottom);
}

void
erase_insert_columns(struct emulator *e, int32_t x, int32_t n)
{
	struct buffer *b = state_active(e);

	cursor_end_wrap(e);
	if (!in_region(b))
		return;
	for (int32_t y = b->top; y <= b->bottom; y++) {
		struct row r = grid_row(e, b, y);

		row_insert(r, x, n, attr_erase(e));
		r.line->wrapped = false;
	}
	grid_touch(e, b->top, b->bottom);
}

void
erase_delete_columns(struct emulator *e, int32_t x, int32_t n)
{
	struct buffer *b = state_active(e);

	cursor_end_wrap(e);
	if (!in_region(b))
		return;
	for (int32_t y = b->top; y <= b->bottom; y++) {
		struct row r = grid_row(e, b, y);

		row_delete(r, x, n, attr_erase(e));
		r.line->wrapped = false;
	}
	grid_touch(e, b->top, b->bottom);
}

void
erase_alignment_test(struct emulator *e)
{
	struct buffer *b = state_active(e);
	struct emulator_attr look;
	struct pen pen = e->pen;
	uint32_t attr;

	/* Underlined or not, but never how. */
	if (pen.style)
		pen.style = EMULATOR_LINE_SINGLE;
	pen.line = 0;
	look = attr_of_pen(&pen);
	attr = attr_pack(e, &look);
	cursor_set(e, 0, 0);
	for (int32_t y = 0; y < e->rows; y++) {
		struct row r = grid_row(e, b, b->y + y);

		for (int32_t x = 0; x < r.line->len; x++)
			row_set(r, x, CELL_NULL | 'E', attr);
		r.line->wrapped = false;
	}
	cursor_set(e, 0, 0);
	grid_touch(e, 0, e->rows - 1);
}
