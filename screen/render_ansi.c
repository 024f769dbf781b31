#include "screen/render_ansi.h"

#include "screen/ansi.h"
#include "screen/attr.h"
#include "screen/charset.h"
#include "screen/marks.h"
#include "screen/width.h"

#include <string.h>

/* --- the charsets -------------------------------------------------------- */

static const char *const designations[CHARSETS] = {"(", ")", "*", "+"};

/* From those of a reset terminal. */
static void
put_charsets(struct ansi *a, const uint8_t *charsets, uint8_t glevel)
{
	static const char *const shifts[] = {"", "\016", "\033n", "\033o"};

	for (int i = 0; i < CHARSETS; i++)
		if (charsets[i] != CHARSET_ASCII)
			ansi_printf(a, "\033%s%c", designations[i],
			    charset_name(charsets[i]));
	ansi_printf(a, "%s", shifts[glevel]);
}

/* Back to them. */
static void
reset_charsets(struct ansi *a, const uint8_t *charsets, uint8_t glevel)
{
	for (int i = 0; i < CHARSETS; i++)
		if (charsets[i] != CHARSET_ASCII)
			ansi_printf(a, "\033%sB", designations[i]);
	if (glevel > 0)
		ansi_printf(a, "\017");
}

/* --- saved cursors ------------------------------------------------------- */

static bool
is_default_saved(const struct saved_cursor *s)
{
	static const uint8_t ascii[CHARSETS];

	return !s->x && !s->y && !s->pen.fg && !s->pen.bg && !s->pen.flags &&
	       !s->pen.line && memcmp(s->charsets, ascii, sizeof ascii) == 0 &&
	       s->glevel == 0;
}

/* Saves the cursor with what s has, on row y of the screen, which is empty if
 * it is the alternate one. */
static void
put_saved(struct ansi *a, const struct saved_cursor *s, int32_t y)
{
	bool alternate = s == &a->e->alternate.saved;

	if (s->x >= a->e->cols && !alternate) {
		ansi_behind_end(a, y, false);
	} else if (s->x >= a->e->cols) {
		ansi_place(a, a->e->cols - 1, y);
		ansi_printf(a, "x");
	} else {
		ansi_place(a, s->x, y);
	}
	put_charsets(a, s->charsets, s->glevel);
	ansi_pen(a, &s->pen);
	ansi_printf(a, "\0337\033[0m");
	a->attr = (struct emulator_attr){0};
	reset_charsets(a, s->charsets, s->glevel);
	if (s->x >= a->e->cols && alternate) {
		ansi_place(a, a->e->cols - 1, y);
		ansi_printf(a, "\033[X");
	}
	ansi_place(a, 0, 0);
}

/*
 * The saved row of the normal screen counts from the oldest line.  When that
 * is not on the screen, it is saved while there are as many lines above it as
 * there were then, and these are dropped again.
 */
static bool
saved_is_on_screen(const struct emulator *e)
{
	int32_t y = e->normal.saved.y - e->normal.ybase;

	return y >= 0 && y < e->rows;
}

static void
put_saved_elsewhere(struct ansi *a)
{
	const struct emulator *e = a->e;
	const struct saved_cursor *s = &e->normal.saved;
	int32_t most = e->normal.max - e->rows;
	int32_t above = min_of(max_of(s->y - (e->rows - 1), 0), most);

	if (is_default_saved(s) || saved_is_on_screen(e))
		return;
	if (above > 0)
		ansi_place(a, 0, e->rows - 1);
	for (int32_t i = 0; i < above; i++)
		ansi_printf(a, "\n");
	put_saved(a, s, max_of(min_of(s->y - above, e->rows - 1), 0));
	ansi_printf(a, "\033[3J");
}

static void
put_saved_on_screen(struct ansi *a)
{
	const struct saved_cursor *s = &a->e->normal.saved;

	/* A fresh terminal has saved the upper left corner. */
	if (saved_is_on_screen(a->e) && !(is_default_saved(s) && s->y == 0))
		put_saved(a, s, s->y - a->e->normal.ybase);
}

/* --- what a screen has beside its cells ---------------------------------- */

static bool
tabs_are_default(const struct emulator *e, const uint8_t *tabs)
{
	for (int32_t x = 0; x < e->cols; x++)
		if (tabs[x] != (x % 8 == 0))
			return false;
	return true;
}

static void
put_tabs(struct ansi *a, const struct buffer *b)
{
	const uint8_t *tabs = state_at(a->e, b->tabs);

	if (tabs_are_default(a->e, tabs))
		return;
	ansi_printf(a, "\033[3g");
	for (int32_t x = 0; x < a->e->cols; x++) {
		if (!tabs[x])
			continue;
		ansi_column(a, x);
		ansi_printf(a, "\033H");
	}
}

static void
put_region(struct ansi *a, const struct buffer *b)
{
	if (b->top == 0 && b->bottom == a->e->rows - 1)
		return;
	ansi_printf(a, "\033[%d;%dr", b->top + 1, b->bottom + 1);
	a->x = -1;
}

/* --- the cursor ---------------------------------------------------------- */

/* To a place of the screen, with origin mode as it is. */
static void
put_place(struct ansi *a, const struct buffer *b, int32_t x, int32_t y)
{
	bool inside = y >= b->top && y <= b->bottom;

	if (!a->e->modes.origin)
		ansi_place(a, x, y);
	else if (inside)
		ansi_place(a, x, y - b->top);
	else /* The other screen has no region, and hands its cursor over. */
		ansi_printf(a, "\033[?47h\033[%d;%dH\033[?47l", y + 1, x + 1);
}

/* The characters of a cell, so that they come out right in this charset. */
static void
put_chars(struct ansi *a, uint32_t content)
{
	uint32_t chars[1 + EMULATOR_MARKS_MAX];
	uint8_t n = marks_chars(a->e, content, chars);

	for (uint8_t i = 0; i < n; i++) {
		uint32_t code = charset_unmap(a->e->charset, chars[i]);

		if (code)
			render_code(&a->r, code);
	}
}

/* Whether the character that was printed last can be printed again, so that a
 * combining one joins it, and REP repeats it. */
static bool
can_put_last_again(const struct emulator *e, const struct buffer *b)
{
	uint8_t width = e->parser.join, n;
	struct row r = grid_row(e, b, b->y);
	int32_t x = b->x - width;
	struct emulator_attr pen = attr_of_pen(&e->pen), attr;
	uint32_t chars[1 + EMULATOR_MARKS_MAX];

	if (width == 0 || x < 0 || x >= r.line->len)
		return false;
	n = marks_chars(e, r.cells[x].content, chars);
	attr = attr_unpack(e, r.cells[x].attr);
	return n > 0 && cell_width(&r.cells[x]) == width &&
	       width_of(chars[0]) == width && ansi_same_attr(&attr, &pen) &&
	       charset_unmap(e->charset, chars[0]);
}

static void
put_last_again(struct ansi *a, const struct buffer *b)
{
	const struct emulator *e = a->e;
	struct row r = grid_row(e, b, b->y);
	int32_t x = b->x - e->parser.join;

	/* With origin mode, deleting moves the cursor into the region. */
	if (e->modes.insert) {
		ansi_printf(a, "\033[?6l\033[%d;%dH\033[%uP", b->y + 1, x + 1,
		    e->parser.join);
		if (e->modes.origin)
			ansi_printf(a, "\033[?6h");
	}
	put_place(a, b, x, b->y);
	put_chars(a, r.cells[x].content);
}

static bool
is_even(struct row r)
{
	for (int32_t x = 0; x < r.line->len; x++)
		if (r.cells[x].content != CELL_NULL ||
		    r.cells[x].attr != r.cells[0].attr)
			return false;
	return true;
}

/*
 * Behind the last column of the alternate screen: what is there is printed
 * again, or a whole empty row erased again.
 */
static void
put_behind_end(struct ansi *a, const struct buffer *b)
{
	struct row r = grid_row(a->e, b, b->y);
	int32_t x = a->e->cols - 1;
	struct emulator_attr attr;
	bool lone;

	if (!cell_has_content(&r.cells[x]) && cell_width(&r.cells[x]) == 0)
		x--;
	attr = attr_unpack(a->e, r.cells[x].attr);
	/* A lone combining character takes a place, but has no width. */
	lone = row_has_content(r, x) && row_width(r, x) == 0;
	if (x + row_width(r, x) + lone != a->e->cols ||
	    (!row_has_content(r, x) && !is_even(r))) {
		put_place(a, b, a->e->cols - 1, b->y);
		return;
	}
	ansi_attr_anew(a, &attr);
	put_place(a, b, x, b->y);
	if (row_has_content(r, x))
		put_chars(a, r.cells[x].content);
	else
		ansi_printf(a, "x\033[1K");
	/* One further: see ansi_behind_end(). */
	if (b->x > a->e->cols)
		ansi_printf(a, "\033[?47h\xcc\x81");
}

static void
put_cursor(struct ansi *a, const struct buffer *b)
{
	const struct emulator *e = a->e;

	if (can_put_last_again(e, b)) {
		put_last_again(a, b);
		return;
	}
	if (b->x >= e->cols && !e->alternate_active) {
		ansi_behind_end(a, b->y, b->x > e->cols);
		return;
	}
	put_place(a, b, min_of(b->x, e->cols - 1), b->y);
}

/* --- all of it ----------------------------------------------------------- */

static void
put_alternate(struct ansi *a)
{
	const struct emulator *e = a->e;
	const struct buffer *b = &e->normal;

	put_tabs(a, b);
	put_region(a, b);
	if (b->x >= e->cols)
		ansi_behind_end(a, b->y, b->x > e->cols);
	else
		ansi_place(a, b->x, b->y);
	ansi_printf(a, "\033[?47h");
	b = &e->alternate;
	if (!is_default_saved(&b->saved))
		put_saved(a, &b->saved,
		    max_of(min_of(b->saved.y - b->ybase, e->rows - 1), 0));
	ansi_alternate(a);
}

static void
put_screens(struct ansi *a)
{
	const struct emulator *e = a->e;

	if (!e->alternate_active && !is_default_saved(&e->alternate.saved)) {
		const struct saved_cursor *s = &e->alternate.saved;

		ansi_printf(a, "\033[?47h");
		put_saved(a, s, max_of(min_of(s->y, e->rows - 1), 0));
		ansi_printf(a, "\033[?47l");
	}
	put_saved_elsewhere(a);
	ansi_normal(a);
	put_saved_on_screen(a);
	if (e->alternate_active)
		put_alternate(a);
}

void
render_ansi(const struct emulator *e, render_sink *sink, void *user)
{
	const struct buffer *b =
	    e->alternate_active ? &e->alternate : &e->normal;
	struct ansi a = {.e = e, .r = {.sink = sink, .user = user}};
	bool by_hand;

	put_screens(&a);
	put_tabs(&a, b);
	put_region(&a, b);
	ansi_printf(&a, "\033]2;");
	render_put(&a.r, e->title, strlen(e->title));
	ansi_printf(&a, "\007");
	put_charsets(&a, e->charsets, e->glevel);
	ansi_modes(&a);
	/* The pen is needed for it, and must come after it then. */
	by_hand =
	    e->alternate_active && b->x >= e->cols && !can_put_last_again(e, b);
	if (by_hand)
		put_behind_end(&a, b);
	ansi_pen(&a, &e->pen);
	if (!by_hand)
		put_cursor(&a, b);
	ansi_unfinished(&a);
	render_flush(&a.r);
}
