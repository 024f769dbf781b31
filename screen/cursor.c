#include "screen/cursor.h"

#include "screen/attr.h"
#include "screen/charset.h"
#include "screen/grid.h"

#include <string.h>

static int32_t
clamp(int32_t value, int32_t least, int32_t most)
{
	return min_of(most, max_of(least, value));
}

void
cursor_restrict(struct emulator *e, int32_t x_max)
{
	struct buffer *b = state_active(e);

	b->x = clamp(b->x, 0, x_max);
	b->y = e->modes.origin ? clamp(b->y, b->top, b->bottom)
			       : clamp(b->y, 0, e->rows - 1);
}

void
cursor_end_wrap(struct emulator *e)
{
	struct buffer *b = state_active(e);

	b->x = min_of(b->x, e->cols - 1);
}

void
cursor_set(struct emulator *e, int32_t x, int32_t y)
{
	struct buffer *b = state_active(e);

	b->x = x;
	b->y = e->modes.origin ? b->top + y : y;
	cursor_restrict(e, e->cols - 1);
}

void
cursor_move(struct emulator *e, int32_t dx, int32_t dy)
{
	struct buffer *b = state_active(e);

	cursor_restrict(e, e->cols - 1);
	/* With origin mode this adds the region's top to a row that has it in
	 * already: xterm.js moves like that. */
	cursor_set(e, b->x + dx, b->y + dy);
}

void
cursor_up(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);
	int32_t room = b->y - b->top;

	cursor_move(e, 0, -(room >= 0 ? min_of(room, n) : n));
}

void
cursor_down(struct emulator *e, int32_t n)
{
	struct buffer *b = state_active(e);
	int32_t room = b->bottom - b->y;

	cursor_move(e, 0, room >= 0 ? min_of(room, n) : n);
}

void
cursor_save(struct emulator *e)
{
	struct buffer *b = state_active(e);

	b->saved = (struct saved_cursor){
	    .x = b->x,
	    .y = b->ybase + b->y,
	    .pen = e->pen,
	    .glevel = e->glevel,
	};
	memcpy(b->saved.charsets, e->charsets, sizeof e->charsets);
}

void
cursor_restore(struct emulator *e)
{
	struct buffer *b = state_active(e);
	const struct saved_cursor *s = &b->saved;

	b->x = s->x;
	b->y = max_of(s->y - b->ybase, 0);
	e->pen = s->pen;
	e->pen_changed = true;
	memcpy(e->charsets, s->charsets, sizeof e->charsets);
	e->glevel = s->glevel;
	e->charset = e->charsets[e->glevel];
	cursor_restrict(e, e->cols - 1);
}

/* Down by one. True when a line came in at the end of the region. */
static bool
down_or_scroll(struct emulator *e)
{
	struct buffer *b = state_active(e);

	b->y++;
	if (b->y == b->bottom + 1) {
		b->y--;
		grid_scroll(e, b, attr_erase(e), false);
		grid_touch(e, b->top, b->bottom);
		return true;
	}
	return false;
}

void
cursor_index(struct emulator *e)
{
	struct buffer *b = state_active(e);

	cursor_restrict(e, e->cols - 1);
	if (!down_or_scroll(e))
		b->y = min_of(b->y, e->rows - 1);
	cursor_restrict(e, e->cols - 1);
}

void
cursor_reverse_index(struct emulator *e)
{
	struct buffer *b = state_active(e);

	cursor_restrict(e, e->cols - 1);
	if (b->y == b->top) {
		grid_rotate_down(e, b, b->ybase + b->top, b->ybase + b->bottom,
		    1, attr_erase(e));
		grid_touch(e, b->top, b->bottom);
		return;
	}
	b->y--;
	cursor_restrict(e, e->cols - 1);
}

void
cursor_line_feed(struct emulator *e)
{
	struct buffer *b = state_active(e);

	if (e->modes.newline)
		b->x = 0;
	if (!down_or_scroll(e)) {
		if (b->y >= e->rows)
			b->y = e->rows - 1;
		else
			grid_row(e, b, b->y).line->wrapped = false;
	}
	if (b->x >= e->cols)
		b->x--;
}

/* Back over the place where a line had wrapped. */
static void
unwrap(struct emulator *e, struct buffer *b)
{
	struct row r = grid_row(e, b, b->y);

	if (b->y <= b->top || b->y > b->bottom || !r.line->wrapped)
		return;
	r.line->wrapped = false;
	b->y--;
	b->x = e->cols - 1;
	/* Empty: a wide character had not fitted there. */
	r = grid_row(e, b, b->y);
	if (row_width(r, b->x) && !row_has_content(r, b->x))
		b->x--;
}

void
cursor_backspace(struct emulator *e)
{
	struct buffer *b = state_active(e);

	if (!e->modes.reverse_wraparound) {
		cursor_restrict(e, e->cols - 1);
		if (b->x > 0)
			b->x--;
		return;
	}
	cursor_restrict(e, e->cols);
	if (b->x > 0)
		b->x--;
	else
		unwrap(e, b);
	cursor_restrict(e, e->cols - 1);
}
