/*
 * Cells as what would have written them.
 *
 * Empty cells are not blanks: they are left alone, or erased where they have a
 * colour.  Some cells only come about when wide characters are cut in half;
 * those are made in the same way.
 */
#include "screen/ansi.h"
#include "screen/attr.h"
#include "screen/marks.h"

/* Any wide character, to be cut in half. */
#define WIDE "\xe4\xb8\xad"

static struct emulator_attr
attr_at(const struct ansi *a, struct row r, int32_t x)
{
	return attr_unpack(a->e, r.cells[x].attr);
}

static bool
is_untouched(const struct cell *c)
{
	return c->content == CELL_NULL && c->attr == 0;
}

/* The second half of a wide character, or what is left of one. */
static bool
is_half(const struct cell *c)
{
	return !cell_has_content(c) && cell_width(c) == 0;
}

/* An empty cell that looks like a character, because it was half of one;
 * erasing leaves a ground, and nothing else. */
static bool
is_cut(const struct ansi *a, struct row r, int32_t x)
{
	struct emulator_attr attr = attr_at(a, r, x);

	return r.cells[x].content == CELL_NULL && (attr.fg || attr.flags);
}

/* Erases n cells where the cursor is, which stays there. */
static void
erase(struct ansi *a, int32_t n)
{
	if (n == 1)
		ansi_printf(a, "\033[X");
	else
		ansi_printf(a, "\033[%dX", n);
}

static void
put_chars(struct ansi *a, const uint32_t *chars, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		render_code(&a->r, chars[i]);
}

/* A cell with a character. Returns how many columns it took. */
static int32_t
put_content(struct ansi *a, struct row r, int32_t x)
{
	uint32_t chars[1 + EMULATOR_MARKS_MAX];
	uint8_t n = marks_chars(a->e, r.cells[x].content, chars);
	uint8_t width = cell_width(&r.cells[x]);
	struct emulator_attr attr = attr_at(a, r, x);

	ansi_attr(a, &attr);
	/* A lone combining character must not join the one before. */
	if (width == 0)
		a->x = -1;
	ansi_column(a, x);
	put_chars(a, chars, n);
	width = width == 2 ? 2 : 1;
	a->x = x + width;
	return width;
}

/* Returns how many columns it took. */
static int32_t
put_empty(struct ansi *a, struct row r, int32_t x, int32_t to)
{
	struct emulator_attr attr = attr_at(a, r, x);
	int32_t n = 1;

	if (is_half(&r.cells[x]) || is_cut(a, r, x))
		return 1;
	while (x + n < to && r.cells[x + n].content == CELL_NULL &&
	       r.cells[x + n].attr == r.cells[x].attr)
		n++;
	ansi_attr(a, &attr);
	ansi_column(a, x);
	erase(a, n);
	return n;
}

static void
put_cells(struct ansi *a, struct row r, int32_t from, int32_t to)
{
	for (int32_t x = from; x < to;) {
		if (is_untouched(&r.cells[x]))
			x++;
		else if (cell_has_content(&r.cells[x]))
			x += put_content(a, r, x);
		else
			x += put_empty(a, r, x, to);
	}
}

/* A second half without the first one, on an empty row. */
static bool
is_lone_half(struct row r, int32_t x)
{
	return x > 0 && is_half(&r.cells[x]) &&
	       cell_width(&r.cells[x - 1]) != 2;
}

/* It is pushed away from its first half by a blank. */
static void
put_lone_half(struct ansi *a, struct row r, int32_t x)
{
	struct emulator_attr attr = attr_at(a, r, x);
	int32_t from = max_of(x - 2, 0);

	ansi_attr(a, &attr);
	ansi_column(a, from);
	ansi_printf(a, WIDE);
	ansi_plain(a);
	a->x = -1;
	ansi_column(a, from + 1);
	ansi_printf(a, "\033[@");
	if (x == 1) {
		ansi_column(a, 0);
		ansi_printf(a, "\033[P");
	}
}

/* Whether it takes more than writing the cells one after the other. */
static bool
has_odd_cells(const struct ansi *a, struct row r)
{
	for (int32_t x = 0; x < min_of(r.line->len, a->e->cols); x++)
		if (is_lone_half(r, x) || is_cut(a, r, x))
			return true;
	return false;
}

/* A cell that looks like the one at x of r, where a wide character had its
 * second half.  It leaves the cell to the left of it empty. */
static void
put_cut(struct ansi *a, struct row r, int32_t x, int32_t at)
{
	struct emulator_attr attr = attr_at(a, r, x);

	a->x = -1;
	ansi_column(a, at - 1);
	ansi_printf(a, WIDE);
	a->x = -1;
	ansi_column(a, at - 1);
	ansi_attr(a, &attr);
	ansi_printf(a, " ");
	a->x = -1;
	ansi_plain(a);
	ansi_column(a, at - 1);
	erase(a, 1);
}

/*
 * On an empty row, from right to left.  When there is one in the first column,
 * all are made a column further right, and then moved.
 */
static void
put_cuts(struct ansi *a, struct row r, int32_t cols)
{
	int32_t shift = is_cut(a, r, 0);

	for (int32_t x = min_of(cols, a->e->cols - shift) - 1; x >= 0; x--)
		if (is_cut(a, r, x))
			put_cut(a, r, x, x + shift);
	if (!shift)
		return;
	ansi_column(a, 0);
	ansi_printf(a, "\033[P");
	if (cols == a->e->cols && is_cut(a, r, cols - 1))
		put_cut(a, r, cols - 1, cols - 1);
}

/* open: the last cell is left to what comes next. */
static void
put_row(struct ansi *a, struct row r, bool open)
{
	int32_t cols = min_of(r.line->len, a->e->cols) - open;

	for (int32_t x = 1; x < cols; x++)
		if (is_lone_half(r, x))
			put_lone_half(a, r, x);
	put_cuts(a, r, cols);
	put_cells(a, r, 0, cols);
}

/* --- the normal screen --------------------------------------------------- */

/* The first line continues one that is gone. */
static void
wrap_first(struct ansi *a)
{
	/* Over two lines, and up by one; or into the scrollback. */
	ansi_place(a, a->e->cols - 1, 0);
	ansi_printf(a, a->e->rows > 1 ? "xx\033[S" : "xx\033[3J");
	ansi_place(a, 0, 0);
	erase(a, a->e->cols);
}

/* The last cell of a row was left empty by a wide character that had no room;
 * or it looks as if. */
static bool
ends_open(const struct ansi *a, struct row r, struct row next)
{
	int32_t x = a->e->cols - 1;

	return r.line->len == a->e->cols && r.cells[x].content == CELL_NULL &&
	       (is_cut(a, r, x) ||
		   (next.line->wrapped && cell_width(&next.cells[0]) == 2));
}

/* The same happens again; the next row is then empty. */
static void
wrap_wide(struct ansi *a, struct row r, struct row next)
{
	struct emulator_attr attr = attr_at(a, r, a->e->cols - 1);

	ansi_attr(a, &attr);
	ansi_column(a, a->e->cols - 1);
	ansi_printf(a, WIDE "\r");
	ansi_plain(a);
	if (next.line->wrapped)
		erase(a, a->e->cols);
	else
		ansi_printf(a, "\033[K");
	a->x = 0;
}

/* Whether the first character of a row can be what makes it wrap: a line that
 * comes in gets the ground of the pen. */
static bool
can_wrap_with(const struct ansi *a, struct row r)
{
	const struct cell *first = &r.cells[0];

	return attr_at(a, r, 0).bg == 0 && cell_has_content(first) &&
	       (cell_width(first) == 1 ||
		   (cell_width(first) == 2 && is_half(&r.cells[1]))) &&
	       !has_odd_cells(a, r);
}

/* From the end of the line above, which is on row y, to r. */
static void
wrap_to(struct ansi *a, struct row r, int32_t y)
{
	if (a->x != a->e->cols)
		ansi_behind_end(a, y, false);
	if (can_wrap_with(a, r)) {
		a->x = 0;
		return;
	}
	ansi_plain(a);
	ansi_printf(a, "x\r");
	erase(a, 1);
	a->x = 0;
}

static void
next_line(struct ansi *a)
{
	if (a->attr.bg != 0)
		ansi_plain(a);
	ansi_printf(a, "\r\n");
	a->x = 0;
}

void
ansi_normal(struct ansi *a)
{
	const struct buffer *b = &a->e->normal;
	int32_t count = min_of(b->ybase + a->e->rows, b->length);
	struct row above = {NULL, NULL};
	bool open = false;

	a->x = 0;
	for (int32_t i = 0; i < count; i++) {
		struct row r = grid_row(a->e, b, i - b->ybase);

		if (open)
			wrap_wide(a, above, r);
		else if (i == 0 && r.line->wrapped)
			wrap_first(a);
		else if (i > 0 && r.line->wrapped)
			wrap_to(a, r, min_of(i, a->e->rows) - 1);
		else if (i > 0)
			next_line(a);
		open = i + 1 < count &&
		       ends_open(a, r, grid_row(a->e, b, i + 1 - b->ybase));
		put_row(a, r, open);
		above = r;
	}
	ansi_plain(a);
}

/* --- the alternate screen ------------------------------------------------ */

/* Marks row y as wrapped, and leaves it and the one above empty. */
static void
wrap_row(struct ansi *a, int32_t y)
{
	ansi_place(a, a->e->cols - 1, y - 1);
	ansi_printf(a, "xx");
	ansi_place(a, a->e->cols - 1, y - 1);
	erase(a, 1);
	ansi_place(a, 0, y);
	erase(a, 1);
}

void
ansi_alternate(struct ansi *a)
{
	const struct buffer *b = &a->e->alternate;

	ansi_plain(a);
	for (int32_t y = 0; y < a->e->rows; y++) {
		if (!grid_row(a->e, b, y).line->wrapped)
			continue;
		if (y == 0)
			wrap_first(a);
		else
			wrap_row(a, y);
	}
	for (int32_t y = 0; y < a->e->rows; y++) {
		bool last = y + 1 == a->e->rows;
		struct row r = grid_row(a->e, b, y);
		struct row next = grid_row(a->e, b, last ? y : y + 1);
		bool open = !last && ends_open(a, r, next);

		ansi_place(a, 0, y);
		put_row(a, r, open);
		if (open)
			wrap_wide(a, r, next);
	}
	ansi_plain(a);
}
