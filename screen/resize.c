#include "screen/resize.h"

#include "screen/grid.h"
#include "screen/print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Working memory in pieces that go all at once. */
struct piece {
	struct piece *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

struct resize_memory {
	struct piece *pieces;
};

#define PIECE_MIN (256 * 1024)

static void *
take(struct resize_memory *m, size_t size)
{
	struct piece *p = m->pieces;

	size = (size + 15) / 16 * 16;
	if (!p || p->size - p->used < size) {
		size_t want = size > PIECE_MIN ? size : PIECE_MIN;

		p = malloc(sizeof *p + want);
		if (!p)
			return NULL;
		*p = (struct piece){m->pieces, 0, want};
		m->pieces = p;
	}
	p->used += size;
	return p->bytes + p->used - size;
}

void *
resize_take(struct resize *r, size_t size)
{
	return take(r->memory, size);
}

static void
give_back(struct resize_memory *m)
{
	while (m->pieces) {
		struct piece *next = m->pieces->next;

		free(m->pieces);
		m->pieces = next;
	}
}

/* --- lines --------------------------------------------------------------- */

static void
fill(struct resize_line *line, int32_t from, int32_t to)
{
	for (int32_t x = from; x < to; x++)
		line->cells[x] = (struct cell){CELL_NULL, 0};
}

static struct resize_line *
make_line(struct resize *r, int32_t len, int32_t room, bool wrapped)
{
	struct resize_line *line = take(r->memory, sizeof *line);

	if (!line)
		return NULL;
	line->cells = take(r->memory, (size_t)room * sizeof *line->cells);
	if (!line->cells)
		return NULL;
	line->len = len;
	line->wrapped = wrapped;
	return line;
}

struct resize_line *
resize_new_line(struct resize *r, bool wrapped)
{
	struct resize_line *line =
	    make_line(r, r->cols, max_of(r->cols, r->old_cols), wrapped);

	if (line)
		fill(line, 0, line->len);
	return line;
}

uint8_t
resize_width(const struct resize_line *line, int32_t x)
{
	return x >= 0 && x < line->len ? cell_width(&line->cells[x]) : 0;
}

bool
resize_has_content(const struct resize_line *line, int32_t x)
{
	return x >= 0 && x < line->len && cell_has_content(&line->cells[x]);
}

int32_t
resize_used(const struct resize_line *line)
{
	for (int32_t x = line->len - 1; x >= 0; x--)
		if (cell_has_content(&line->cells[x]))
			return x + cell_width(&line->cells[x]);
	return 0;
}

static void
copy_cell(struct resize_line *to, int32_t to_x, const struct resize_line *from,
    int32_t from_x)
{
	struct cell c = {0, 0};

	if (from_x >= 0 && from_x < from->len)
		c = from->cells[from_x];
	if (to_x >= 0 && to_x < to->len)
		to->cells[to_x] = c;
}

void
resize_copy(struct resize_line *to, int32_t to_x,
    const struct resize_line *from, int32_t from_x, int32_t n, bool backwards)
{
	if (backwards)
		for (int32_t i = n - 1; i >= 0; i--)
			copy_cell(to, to_x + i, from, from_x + i);
	else
		for (int32_t i = 0; i < n; i++)
			copy_cell(to, to_x + i, from, from_x + i);
}

static void
set_length(struct resize_line *line, int32_t len)
{
	if (len > line->len)
		fill(line, line->len, len);
	line->len = len;
}

/* --- taking a buffer apart ----------------------------------------------- */

/* The most lines the list can come to have. */
static size_t
list_room(const struct emulator *e, const struct buffer *b)
{
	return (size_t)b->capacity + e->limits.rows + 1;
}

static bool
take_apart(const struct emulator *e, const struct buffer *b, struct resize *r)
{
	r->list = take(r->memory, list_room(e, b) * sizeof(void *));
	if (!r->list)
		return false;
	for (int32_t i = 0; i < b->length; i++) {
		const struct line *line = grid_line(e, b, i);
		int32_t room = max_of(line->len, max_of(r->cols, r->old_cols));

		r->list[i] = make_line(r, line->len, room, line->wrapped);
		if (!r->list[i])
			return false;
		memcpy(r->list[i]->cells, grid_cells(e, b, i),
		    line->len * sizeof(struct cell));
	}
	return true;
}

static void
put_together(struct emulator *e, struct buffer *b, const struct resize *r)
{
	uint32_t *ring = state_at(e, b->ring);
	struct line *lines = state_at(e, b->lines);
	struct cell *cells = state_at(e, b->cells);

	b->start = 0;
	b->length = r->length;
	if (b->has_scrollback)
		b->stride = (uint32_t)r->cols;
	for (uint32_t i = 0; i < b->capacity; i++) {
		const struct resize_line *line;

		ring[i] = i;
		lines[i] = (struct line){0, false};
		if ((int32_t)i >= r->length)
			continue;
		line = r->list[i];
		lines[i] = (struct line){(uint16_t)line->len, line->wrapped};
		memcpy(cells + (size_t)i * b->stride, line->cells,
		    (size_t)line->len * sizeof *cells);
	}
}

/* --- rows ---------------------------------------------------------------- */

/* More rows: lines come down from the scrollback, or blank ones are added. */
static bool
add_rows(const struct buffer *b, struct resize *r, int32_t *added_to_y)
{
	for (int32_t y = b->rows; y < r->rows; y++) {
		if (r->length >= r->rows + r->ybase)
			continue;
		if (r->ybase > 0 &&
		    r->length <= r->ybase + r->y + *added_to_y + 1) {
			r->ybase--;
			(*added_to_y)++;
			continue;
		}
		r->list[r->length] = resize_new_line(r, false);
		if (!r->list[r->length])
			return false;
		r->length++;
	}
	return true;
}

/* Fewer rows: blank ones below the cursor go, then those above. */
static void
remove_rows(const struct buffer *b, struct resize *r)
{
	for (int32_t y = b->rows; y > r->rows; y--) {
		if (r->length <= r->rows + r->ybase)
			continue;
		if (r->length > r->ybase + r->y + 1)
			r->length--;
		else
			r->ybase++;
	}
}

static void
trim(struct resize *r, int32_t n)
{
	memmove(
	    r->list, r->list + n, (size_t)(r->length - n) * sizeof *r->list);
	r->length -= n;
	r->ybase = max_of(r->ybase - n, 0);
	r->saved_y = max_of(r->saved_y - n, 0);
}

static int32_t
lines_max(const struct emulator *e, const struct buffer *b, int32_t rows,
    int32_t cols)
{
	if (!b->has_scrollback)
		return rows;
	return min_of(rows + (int32_t)e->limits.scrollback,
	    min_of((int32_t)b->capacity, (int32_t)b->room / cols));
}

/* All but wrapping anew, of a buffer that has lines. */
static bool
change_rows(struct buffer *b, struct resize *r, int32_t max)
{
	int32_t added_to_y = 0;

	for (int32_t i = 0; r->old_cols < r->cols && i < r->length; i++)
		set_length(r->list[i], r->cols);
	if (b->rows < r->rows) {
		if (!add_rows(b, r, &added_to_y))
			return false;
	} else {
		remove_rows(b, r);
	}
	/* More rows may be more lines than there is room for in bytes. */
	if (r->length > max)
		trim(r, r->length - max);
	r->max = max;
	b->x = min_of(b->x, r->cols - 1);
	r->y = min_of(r->y, r->rows - 1) + added_to_y;
	b->saved.x = min_of(b->saved.x, r->cols - 1);
	b->top = 0;
	return true;
}

static bool
rewrap(const struct buffer *b, struct resize *r)
{
	bool fine = true;

	if (b->has_scrollback && r->cols > r->old_cols)
		fine = reflow_wider(r);
	else if (b->has_scrollback && r->cols < r->old_cols)
		fine = reflow_narrower(r);
	return fine;
}

/*
 * What must hold afterwards, and what xterm.js does not see to: the screen has
 * all its rows, and nothing lies beyond the right edge, where no snapshot
 * could take it to another viewer.
 */
static bool
tidy(struct resize *r)
{
	r->ybase = max_of(min_of(r->ybase, r->length - r->rows), 0);
	while (r->length > 0 && r->length < r->rows) {
		r->list[r->length] = resize_new_line(r, false);
		if (!r->list[r->length])
			return false;
		r->length++;
	}
	for (int32_t i = 0; i < r->length; i++) {
		struct resize_line *line = r->list[i];

		set_length(line, r->cols);
		if (cell_width(&line->cells[r->cols - 1]) == 2)
			fill(line, r->cols - 1, r->cols);
	}
	return true;
}

/* Leaves b as it was when it is out of memory: it works on a copy. */
static bool
resize_buffer(struct emulator *e, struct buffer *buffer, struct resize *r)
{
	struct buffer b = *buffer;
	int32_t max = lines_max(e, &b, r->rows, r->cols);

	r->old_cols = b.cols;
	r->length = b.length;
	r->max = max_of(b.max, max);
	r->ybase = b.ybase;
	r->y = b.y;
	r->saved_y = b.saved.y;
	if (!take_apart(e, &b, r))
		return false;
	if (b.length > 0 && !change_rows(&b, r, max))
		return false;
	if (b.length == 0)
		r->max = max;
	if (!rewrap(&b, r) || !tidy(r))
		return false;
	b.bottom = r->rows - 1;
	b.rows = r->rows;
	b.cols = r->cols;
	b.max = r->max;
	b.ybase = r->ybase;
	b.y = r->y;
	b.saved.x = min_of(b.saved.x, r->cols - 1);
	b.saved.y = min_of(r->saved_y, r->ybase + r->rows - 1);
	*buffer = b;
	return true;
}

int
emulator_resize(struct emulator *e, uint32_t rows, uint32_t cols)
{
	struct resize_memory memory = {NULL};
	struct resize normal = {
	    .rows = (int32_t)rows, .cols = (int32_t)cols, .memory = &memory};
	struct resize alternate = normal;
	struct buffer before = e->normal;
	int status = -ENOMEM;

	if (rows < EMULATOR_ROWS_MIN || rows > e->limits.rows ||
	    cols < EMULATOR_COLS_MIN || cols > e->limits.cols)
		return -EINVAL;
	if ((int32_t)rows == e->rows && (int32_t)cols == e->cols)
		return 0;
	print_end(e);
	grid_tabs_trim(e, &e->normal);
	grid_tabs_trim(e, &e->alternate);
	if (!resize_buffer(e, &e->normal, &normal))
		goto out;
	if (!resize_buffer(e, &e->alternate, &alternate)) {
		e->normal = before;
		goto out;
	}
	e->rows = (int32_t)rows;
	e->cols = (int32_t)cols;
	e->parser.join = 0;
	put_together(e, &e->normal, &normal);
	put_together(e, &e->alternate, &alternate);
	grid_tabs_extend(e, &e->normal);
	grid_tabs_extend(e, &e->alternate);
	grid_touch(e, 0, e->rows - 1);
	grid_settle(e);
	status = 0;
out:
	give_back(&memory);
	return status;
}
