#include "screen/emulator.h"

#include "screen/attr.h"
#include "screen/grid.h"
#include "screen/marks.h"
#include "screen/modes.h"
#include "screen/parser.h"
#include "screen/tables.h"

#include <string.h>

#define ALIGNMENT 16

/* Hands out the parts of the block one after the other. */
static size_t
take(size_t *end, size_t count, size_t size)
{
	size_t at = (*end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

	*end = at + count * size;
	return at;
}

static void
place_buffer(struct buffer *b, const struct emulator_limits *limits,
    uint32_t capacity, size_t room, size_t *end)
{
	b->capacity = capacity;
	b->room = (uint32_t)room;
	b->tabs = take(end, limits->cols + 2, sizeof(uint8_t));
	b->ring = take(end, capacity, sizeof(uint32_t));
	b->lines = take(end, capacity, sizeof(struct line));
	b->cells = take(end, room, sizeof(struct cell));
}

/* The cells for the scrollback. */
static size_t
scrollback_room(const struct emulator_limits *limits)
{
	size_t all = (size_t)limits->scrollback * limits->cols;
	size_t bytes = limits->scrollback_bytes;

	if (bytes == 0 || bytes / sizeof(struct cell) > all)
		return all;
	return bytes / sizeof(struct cell);
}

/* Fills in where everything is, as far as the limits say. */
static void
place(struct emulator *e, const struct emulator_limits *limits)
{
	size_t end = sizeof *e, screen = (size_t)limits->rows * limits->cols;

	e->row_generations = take(&end, limits->rows, sizeof(uint64_t));
	e->dirty = take(&end, limits->rows, sizeof(uint8_t));
	e->attrs = take(&end, ATTR_ENTRIES, 4 * sizeof(uint32_t));
	e->attr_hash = take(&end, ATTR_HASH, sizeof(uint32_t));
	e->marks = take(&end, MARK_ENTRIES, sizeof(struct mark));
	e->mark_hash = take(&end, MARK_HASH, sizeof(uint32_t));
	place_buffer(&e->alternate, limits, limits->rows, screen, &end);
	place_buffer(&e->normal, limits, limits->rows + limits->scrollback,
	    screen + scrollback_room(limits), &end);
	e->size = take(&end, 0, 1);
}

static bool
limits_are_valid(const struct emulator_limits *l)
{
	return l->rows >= EMULATOR_ROWS_MIN && l->rows <= EMULATOR_ROWS_MAX &&
	       l->cols >= EMULATOR_COLS_MIN && l->cols <= EMULATOR_COLS_MAX &&
	       l->scrollback <= EMULATOR_LINES_MAX;
}

size_t
emulator_size(const struct emulator_limits *limits)
{
	struct emulator e;

	if (!limits_are_valid(limits))
		return 0;
	place(&e, limits);
	return e.size;
}

static uint32_t
bring_into(uint32_t value, uint32_t least, uint32_t most)
{
	return value < least ? least : value > most ? most : value;
}

static void
init_buffer(struct emulator *e, struct buffer *b, uint32_t stride)
{
	uint32_t *ring = state_at(e, b->ring);
	struct line *lines = state_at(e, b->lines);

	b->stride = stride;
	for (uint32_t i = 0; i < b->capacity; i++) {
		ring[i] = i;
		lines[i] = (struct line){0, false};
	}
}

struct emulator *
emulator_init(void *block, const struct emulator_limits *limits, uint32_t rows,
    uint32_t cols)
{
	struct emulator *e = block;

	memset(e, 0, sizeof *e);
	e->limits = *limits;
	place(e, limits);
	e->rows = (int32_t)bring_into(rows, EMULATOR_ROWS_MIN, limits->rows);
	e->cols = (int32_t)bring_into(cols, EMULATOR_COLS_MIN, limits->cols);
	e->normal.has_scrollback = true;
	init_buffer(e, &e->normal, (uint32_t)e->cols);
	init_buffer(e, &e->alternate, limits->cols);
	tables_init(e);
	parser_init(e);
	memset(state_at(e, e->row_generations), 0,
	    limits->rows * sizeof(uint64_t));
	memset(state_at(e, e->dirty), 0, limits->rows);
	modes_full_reset(e);
	grid_settle(e);
	return e;
}

size_t
emulator_block_size(const struct emulator *e)
{
	return e->size;
}

void
emulator_write(struct emulator *e, const void *bytes, size_t len,
    const struct emulator_replies *replies)
{
	e->replies = replies;
	parser_write(e, bytes, len);
	e->replies = NULL;
	grid_settle(e);
}

uint32_t
emulator_rows(const struct emulator *e)
{
	return (uint32_t)e->rows;
}

uint32_t
emulator_cols(const struct emulator *e)
{
	return (uint32_t)e->cols;
}

static const struct buffer *
active(const struct emulator *e)
{
	return e->alternate_active ? &e->alternate : &e->normal;
}

uint32_t
emulator_history(const struct emulator *e)
{
	return (uint32_t)active(e)->ybase;
}

const char *
emulator_title(const struct emulator *e)
{
	return e->title;
}

uint64_t
emulator_generation(const struct emulator *e)
{
	return e->generation;
}

void
emulator_number_from(struct emulator *e, uint64_t generation)
{
	if (generation > e->generation)
		e->generation = generation;
}

uint64_t
emulator_row_generation(const struct emulator *e, uint32_t row)
{
	const uint64_t *generations = state_at(e, e->row_generations);

	return row < (uint32_t)e->rows ? generations[row] : 0;
}

static bool
has_row(const struct emulator *e, int32_t row)
{
	const struct buffer *b = active(e);

	return row >= -b->ybase && row < e->rows && b->ybase + row < b->length;
}

uint32_t
emulator_row_length(const struct emulator *e, int32_t row)
{
	struct row r;
	int32_t len;

	if (!has_row(e, row))
		return 0;
	r = grid_row(e, active(e), row);
	len = min_of(r.line->len, e->cols);
	while (len > 0 && r.cells[len - 1].content == CELL_NULL &&
	       r.cells[len - 1].attr == 0)
		len--;
	return (uint32_t)len;
}

bool
emulator_row_wrapped(const struct emulator *e, int32_t row)
{
	return has_row(e, row) && grid_row(e, active(e), row).line->wrapped;
}

void
emulator_cell(const struct emulator *e, int32_t row, uint32_t col,
    struct emulator_cell *cell)
{
	const struct cell *c;
	struct row r;

	cell->count = 0;
	cell->width = 1;
	cell->attr = (struct emulator_attr){0};
	if (!has_row(e, row) || col >= (uint32_t)e->cols)
		return;
	r = grid_row(e, active(e), row);
	if (col >= r.line->len)
		return;
	c = &r.cells[col];
	cell->count = marks_chars(e, c->content, cell->chars);
	cell->width = cell_width(c);
	cell->attr = attr_unpack(e, c->attr);
}

const struct emulator_modes *
emulator_modes(const struct emulator *e)
{
	return &e->modes;
}

bool
emulator_on_alternate(const struct emulator *e)
{
	return e->alternate_active;
}

void
emulator_cursor(const struct emulator *e, uint32_t *x, uint32_t *y)
{
	*x = (uint32_t)min_of(active(e)->x, e->cols);
	*y = (uint32_t)active(e)->y;
}
