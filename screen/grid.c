#include "screen/grid.h"

#include "screen/attr.h"

#include <string.h>

#define TAB_WIDTH 8

static void
set_cells(struct cell *c, int32_t n, uint32_t attr)
{
	for (int32_t i = 0; i < n; i++)
		c[i] = (struct cell){CELL_NULL, attr};
}

int32_t
row_used(struct row r)
{
	for (int32_t x = r.line->len - 1; x >= 0; x--)
		if (cell_has_content(&r.cells[x]))
			return x + cell_width(&r.cells[x]);
	return 0;
}

void
row_fill(struct row r, uint32_t attr)
{
	set_cells(r.cells, r.line->len, attr);
}

void
row_fill_unprotected(const struct emulator *e, struct row r, uint32_t attr)
{
	for (int32_t x = 0; x < r.line->len; x++)
		if (!attr_is_protected(e, r.cells[x].attr))
			r.cells[x] = (struct cell){CELL_NULL, attr};
}

void
row_insert(struct row r, int32_t x, int32_t n, uint32_t attr)
{
	int32_t len = r.line->len;

	x %= len;
	if (row_width(r, x - 1) == 2)
		row_set(r, x - 1, CELL_NULL, attr);
	if (n < len - x)
		memmove(r.cells + x + n, r.cells + x,
		    (size_t)(len - x - n) * sizeof *r.cells);
	set_cells(r.cells + x, min_of(n, len - x), attr);
	if (row_width(r, len - 1) == 2)
		row_set(r, len - 1, CELL_NULL, attr);
}

void
row_delete(struct row r, int32_t x, int32_t n, uint32_t attr)
{
	int32_t len = r.line->len;

	x %= len;
	n = min_of(n, len - x);
	memmove(r.cells + x, r.cells + x + n,
	    (size_t)(len - x - n) * sizeof *r.cells);
	set_cells(r.cells + len - n, n, attr);
	if (row_width(r, x - 1) == 2)
		row_set(r, x - 1, CELL_NULL, attr);
	if (row_width(r, x) == 0 && !row_has_content(r, x))
		row_set(r, x, CELL_NULL, attr);
}

void
row_erase(struct row r, int32_t from, int32_t to, uint32_t attr)
{
	if (row_width(r, from - 1) == 2)
		row_set(r, from - 1, CELL_NULL, attr);
	if (to < r.line->len && row_width(r, to - 1) == 2)
		row_set(r, to, CELL_NULL, attr);
	to = min_of(to, r.line->len);
	if (from < to)
		set_cells(r.cells + from, to - from, attr);
}

void
row_erase_unprotected(const struct emulator *e, struct row r, int32_t from,
    int32_t to, uint32_t attr)
{
	const struct cell *c = r.cells;

	if (row_width(r, from - 1) == 2 &&
	    !attr_is_protected(e, c[from - 1].attr))
		row_set(r, from - 1, CELL_NULL, attr);
	if (to < r.line->len && row_width(r, to - 1) == 2 &&
	    !attr_is_protected(e, c[to].attr))
		row_set(r, to, CELL_NULL, attr);
	for (int32_t x = from; x < to && x < r.line->len; x++)
		if (!attr_is_protected(e, c[x].attr))
			row_set(r, x, CELL_NULL, attr);
}

/* A line out of a slot that held another one. */
static void
blank_line(struct emulator *e, struct buffer *b, int32_t index, uint32_t attr,
    bool wrapped)
{
	struct line *line = grid_line(e, b, index);

	*line = (struct line){(uint16_t)e->cols, wrapped};
	set_cells(grid_cells(e, b, index), e->cols, attr);
}

void
grid_clear(struct emulator *e, struct buffer *b)
{
	b->start = b->length = b->ybase = 0;
	b->max = b->rows;
	if (b->has_scrollback)
		b->max = min_of(b->rows + (int32_t)e->limits.scrollback,
		    min_of((int32_t)b->capacity,
			(int32_t)(b->room / (uint32_t)b->cols)));
	b->x = b->y = 0;
	b->top = 0;
	b->bottom = b->rows - 1;
	grid_tabs_default(e, b);
}

void
grid_fill(struct emulator *e, struct buffer *b, uint32_t attr)
{
	if (b->length > 0)
		return;
	for (; b->length < b->rows; b->length++)
		blank_line(e, b, b->length, attr, false);
}

static uint32_t *
ring_at(struct emulator *e, struct buffer *b, int32_t index)
{
	uint32_t *ring = state_at(e, b->ring);

	return &ring[(b->start + index) % b->max];
}

static void
reverse(struct emulator *e, struct buffer *b, int32_t from, int32_t to)
{
	for (; from < to; from++, to--) {
		uint32_t *low = ring_at(e, b, from), *high = ring_at(e, b, to);
		uint32_t slot = *low;

		*low = *high;
		*high = slot;
	}
}

void
grid_rotate_up(struct emulator *e, struct buffer *b, int32_t from, int32_t to,
    int32_t n, uint32_t attr)
{
	n = min_of(n, to - from + 1);
	reverse(e, b, from, from + n - 1);
	reverse(e, b, from + n, to);
	reverse(e, b, from, to);
	for (int32_t i = 0; i < n; i++)
		blank_line(e, b, to - i, attr, false);
}

void
grid_rotate_down(struct emulator *e, struct buffer *b, int32_t from, int32_t to,
    int32_t n, uint32_t attr)
{
	n = min_of(n, to - from + 1);
	reverse(e, b, from, to - n);
	reverse(e, b, to - n + 1, to);
	reverse(e, b, from, to);
	for (int32_t i = 0; i < n; i++)
		blank_line(e, b, from + i, attr, false);
}

void
grid_scroll(struct emulator *e, struct buffer *b, uint32_t attr, bool wrapped)
{
	int32_t bottom = b->ybase + b->bottom;

	if (b->top != 0) {
		grid_rotate_up(e, b, b->ybase + b->top, bottom, 1, attr);
		grid_line(e, b, bottom)->wrapped = wrapped;
		return;
	}
	if (b->length == b->max) {
		/* The oldest line's slot comes in at the other end. */
		b->start = b->start + 1 == b->max ? 0 : b->start + 1;
	} else {
		b->length++;
		b->ybase++;
		bottom++;
	}
	/* From the end of the list to below the region. */
	for (int32_t i = b->length - 1; i > bottom; i--) {
		uint32_t *low = ring_at(e, b, i - 1), *high = ring_at(e, b, i);
		uint32_t slot = *low;

		*low = *high;
		*high = slot;
	}
	blank_line(e, b, bottom, attr, wrapped);
}

void
grid_drop_scrollback(struct emulator *e, struct buffer *b)
{
	int32_t n = b->length - e->rows;

	if (n <= 0)
		return;
	b->start = (b->start + n) % b->max;
	b->length -= n;
	b->ybase = max_of(b->ybase - n, 0);
}

/* --- tab stops ----------------------------------------------------------- */

static size_t
tabs_size(const struct emulator *e)
{
	return e->limits.cols + 2;
}

void
grid_tabs_default(struct emulator *e, struct buffer *b)
{
	uint8_t *tabs = state_at(e, b->tabs);

	memset(tabs, 0, tabs_size(e));
	for (int32_t x = 0; x < b->cols; x += TAB_WIDTH)
		tabs[x] = 1;
}

void
grid_tabs_trim(struct emulator *e, struct buffer *b)
{
	uint8_t *tabs = state_at(e, b->tabs);

	memset(tabs + b->cols, 0, tabs_size(e) - (size_t)b->cols);
}

void
grid_tabs_extend(struct emulator *e, struct buffer *b)
{
	uint8_t *tabs = state_at(e, b->tabs);
	int32_t x = b->cols;

	if (!tabs[x])
		x = grid_tab_before(e, b, x);
	for (; x < b->cols; x += TAB_WIDTH)
		tabs[x] = 1;
}

int32_t
grid_tab_before(const struct emulator *e, const struct buffer *b, int32_t x)
{
	const uint8_t *tabs = state_at(e, b->tabs);

	for (x--; x > 0 && !tabs[x]; x--)
		continue;
	return x >= b->cols ? b->cols - 1 : max_of(x, 0);
}

int32_t
grid_tab_after(const struct emulator *e, const struct buffer *b, int32_t x)
{
	const uint8_t *tabs = state_at(e, b->tabs);

	for (x++; x < b->cols && !tabs[x]; x++)
		continue;
	return min_of(x, b->cols - 1);
}

void
grid_touch(struct emulator *e, int32_t from, int32_t to)
{
	uint8_t *dirty = state_at(e, e->dirty);

	from = max_of(from, 0);
	to = min_of(to, e->rows - 1);
	if (from <= to)
		memset(dirty + from, 1, (size_t)(to - from + 1));
}

void
grid_settle(struct emulator *e)
{
	const struct buffer *b = state_active(e);
	uint8_t *dirty = state_at(e, e->dirty);
	uint64_t *generations = state_at(e, e->row_generations);
	bool changed = false;

	if (b->x != e->shown_x || b->y != e->shown_y) {
		grid_touch(e, e->shown_y, e->shown_y);
		grid_touch(e, b->y, b->y);
		e->shown_x = b->x;
		e->shown_y = b->y;
	}
	for (int32_t y = 0; y < e->rows; y++) {
		if (!dirty[y])
			continue;
		dirty[y] = 0;
		generations[y] = e->generation + 1;
		changed = true;
	}
	e->generation += changed;
}
