/*
 * Lines and cells: what can be done to them, without knowing what for.
 *
 * Columns given as places to write are brought into the line, so that no
 * caller can reach beyond it; wide characters that an edit cuts in half are
 * blanked just as xterm.js blanks them.
 */
#ifndef XENTERM_SCREEN_GRID_H
#define XENTERM_SCREEN_GRID_H

#include "screen/state.h"

#include <assert.h>

static inline uint32_t
grid_slot(const struct emulator *e, const struct buffer *b, int32_t index)
{
	const uint32_t *ring = state_at(e, b->ring);
	int32_t at = b->start + index;

	/* xterm.js reads beyond the last line, too, and then finds the first
	 * ones: no index is further away than one turn. */
	if (at >= b->max)
		at -= b->max;
	if (at >= b->max)
		at %= b->max;
	return ring[at];
}

static inline struct line *
grid_line(const struct emulator *e, const struct buffer *b, int32_t index)
{
	struct line *lines = state_at(e, b->lines);

	return &lines[grid_slot(e, b, index)];
}

static inline struct cell *
grid_cells(const struct emulator *e, const struct buffer *b, int32_t index)
{
	struct cell *cells = state_at(e, b->cells);

	return cells + (size_t)grid_slot(e, b, index) * b->stride;
}

/* One line, as the functions below take it. */
struct row {
	struct cell *cells;
	struct line *line;
};

static inline struct row
grid_row(const struct emulator *e, const struct buffer *b, int32_t y)
{
	uint32_t slot = grid_slot(e, b, b->ybase + y);

	return (struct row){
	    (struct cell *)state_at(e, b->cells) + (size_t)slot * b->stride,
	    (struct line *)state_at(e, b->lines) + slot};
}

/* The width of a cell; 0 outside of the line, as in xterm.js. */
static inline uint8_t
row_width(struct row r, int32_t x)
{
	return x >= 0 && x < r.line->len ? cell_width(&r.cells[x]) : 0;
}

static inline bool
row_has_content(struct row r, int32_t x)
{
	return x >= 0 && x < r.line->len && cell_has_content(&r.cells[x]);
}

static inline void
row_set(struct row r, int32_t x, uint32_t content, uint32_t attr)
{
	if (x >= 0 && x < r.line->len)
		r.cells[x] = (struct cell){content, attr};
}

/* One more than the last column with something in it. */
int32_t row_used(struct row r);

void row_fill(struct row r, uint32_t attr);
void row_fill_unprotected(
    const struct emulator *e, struct row r, uint32_t attr);
void row_insert(struct row r, int32_t x, int32_t n, uint32_t attr);
void row_delete(struct row r, int32_t x, int32_t n, uint32_t attr);
void row_erase(struct row r, int32_t from, int32_t to, uint32_t attr);
void row_erase_unprotected(const struct emulator *e, struct row r, int32_t from,
    int32_t to, uint32_t attr);

/* An empty buffer: no lines at all. */
void grid_clear(struct emulator *e, struct buffer *b);
/* Gives an empty buffer its screen of blank lines. */
void grid_fill(struct emulator *e, struct buffer *b, uint32_t attr);

/* The region moves up by a line: into the scrollback when it begins at the
 * top of the screen. */
void grid_scroll(
    struct emulator *e, struct buffer *b, uint32_t attr, bool wrapped);
/* Takes lines from..to, counted from the first line kept, up or down by n:
 * what comes in is blank. */
void grid_rotate_up(struct emulator *e, struct buffer *b, int32_t from,
    int32_t to, int32_t n, uint32_t attr);
void grid_rotate_down(struct emulator *e, struct buffer *b, int32_t from,
    int32_t to, int32_t n, uint32_t attr);
void grid_drop_scrollback(struct emulator *e, struct buffer *b);

void grid_tabs_default(struct emulator *e, struct buffer *b);
/* Before a change of the width: stops beyond the edge are forgotten. */
void grid_tabs_trim(struct emulator *e, struct buffer *b);
/* After it: goes on from the last stop. */
void grid_tabs_extend(struct emulator *e, struct buffer *b);
int32_t grid_tab_before(
    const struct emulator *e, const struct buffer *b, int32_t x);
int32_t grid_tab_after(
    const struct emulator *e, const struct buffer *b, int32_t x);

/* Rows of the screen have changed. */
void grid_touch(struct emulator *e, int32_t from, int32_t to);
/* All changes of one call are in: the next generation, if there are any. */
void grid_settle(struct emulator *e);

#endif
