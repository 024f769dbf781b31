/*
 * Lines that had wrapped are wrapped anew at another width.
 *
 * This follows xterm.js in everything that can be seen, its odd corners, too:
 * a browser that was there all the time and one that comes now must show the
 * same.  The lines with the cursor are left alone: the program redraws them.
 */
#include "screen/resize.h"

#include <string.h>

/* The cells of line i of a group that count: all, but in the last line those
 * that are used, and without the gap that a wide character leaves when it
 * does not fit. */
static int32_t
counted(struct resize_line **lines, int32_t n, int32_t i, int32_t cols)
{
	bool gap;

	if (i == n - 1)
		return resize_used(lines[i]);
	gap = !resize_has_content(lines[i], cols - 1) &&
	      resize_width(lines[i], cols - 1) == 1;
	return gap && resize_width(lines[i + 1], 0) == 2 ? cols - 1 : cols;
}

/* --- wider --------------------------------------------------------------- */

/* Joins the n lines of a group; returns how many at its end are left over. */
static int32_t
join(struct resize *r, struct resize_line **lines, int32_t n)
{
	int32_t to = 0, to_x = counted(lines, n, 0, r->old_cols);
	int32_t from = 1, from_x = 0, left = 0;

	while (from < n) {
		int32_t used = counted(lines, n, from, r->old_cols);
		int32_t count =
		    max_of(min_of(used - from_x, r->cols - to_x), 0);

		resize_copy(lines[to], to_x, lines[from], from_x, count, false);
		to_x += count;
		if (to_x == r->cols) {
			to++;
			to_x = 0;
		}
		from_x += count;
		if (from_x >= used) {
			from++;
			from_x = 0;
		}
		/* A wide character must not begin in the last column. */
		if (to_x == 0 && to != 0 &&
		    resize_width(lines[to - 1], r->cols - 1) == 2) {
			resize_copy(lines[to], to_x++, lines[to - 1],
			    r->cols - 1, 1, false);
			lines[to - 1]->cells[r->cols - 1] =
			    (struct cell){CELL_NULL, 0};
		}
	}
	if (resize_width(lines[to], to_x - 1) == 2)
		lines[to]->cells[to_x - 1] = (struct cell){CELL_NULL, 0};
	for (int32_t x = to_x; x < r->cols; x++)
		lines[to]->cells[x] = (struct cell){CELL_NULL, 0};
	for (int32_t i = n - 1; i > 0; i--, left++)
		if (i <= to && resize_used(lines[i]) != 0)
			break;
	return left;
}

/* The screen goes up over the lines that are gone. */
static bool
close_gap(struct resize *r, int32_t removed)
{
	for (int32_t i = 0; i < removed; i++) {
		if (r->ybase > 0) {
			r->ybase--;
			continue;
		}
		if (r->y > 0)
			r->y--;
		if (r->length < r->rows) {
			r->list[r->length] = resize_new_line(r, false);
			if (!r->list[r->length])
				return false;
			r->length++;
		}
	}
	r->saved_y = max_of(r->saved_y - removed, 0);
	return true;
}

bool
reflow_wider(struct resize *r)
{
	int32_t cursor = r->ybase + r->y, kept = 0, old = r->length;

	for (int32_t y = 0; y < old;) {
		int32_t n = 1, left = 0;

		while (y + n < old && r->list[y + n]->wrapped)
			n++;
		if (n > 1 && !(cursor >= y && cursor < y + n))
			left = join(r, r->list + y, n);
		memmove(r->list + kept, r->list + y,
		    (size_t)(n - left) * sizeof *r->list);
		kept += n - left;
		y += n;
	}
	r->length = kept;
	return close_gap(r, old - kept);
}

/* --- narrower ------------------------------------------------------------ */

/* Lines that go in behind line at of the old list. */
struct insertion {
	int32_t at, count;
	struct resize_line **lines;
};

struct narrower {
	struct resize *r;
	struct insertion *insertions; /* the lowest first */
	int32_t count, inserted;
};

/* One group of lines: n old ones and those added. */
struct group {
	struct resize_line **lines;
	int32_t n, total;
	int32_t *lengths, wanted; /* of the lines to be */
};

/*
 * How long the new lines of a group will be: as wide as the screen, or one
 * less where a wide character does not fit any more, and the rest.
 */
static void
measure(const struct resize *r, struct group *g)
{
	int32_t needed = 0, done = 0, x = 0, line = 0;

	for (int32_t i = 0; i < g->n; i++)
		needed += counted(g->lines, g->n, i, r->old_cols);
	g->wanted = 0;
	while (done < needed && needed - done >= r->cols) {
		int32_t used, length = r->cols;

		x += r->cols;
		used = counted(g->lines, g->n, line, r->old_cols);
		if (x > used && line < g->n - 1) {
			x -= used;
			line++;
		}
		if (resize_width(g->lines[line], x - 1) == 2) {
			x--;
			length--;
		}
		g->lengths[g->wanted++] = length;
		done += length;
	}
	if (done < needed)
		g->lengths[g->wanted++] = needed - done;
}

/* Moves the cells of a group to where they belong, from the last one on. */
static void
spread(const struct resize *r, struct group *g, int32_t last_used)
{
	int32_t to = g->wanted - 1, to_x = g->lengths[to];
	int32_t from = g->n - 1, from_x = last_used;

	while (from >= 0 && to >= 0) {
		int32_t count = min_of(from_x, to_x);

		resize_copy(g->lines[to], to_x - count, g->lines[from],
		    from_x - count, count, true);
		to_x -= count;
		if (to_x == 0 && --to >= 0)
			to_x = g->lengths[to];
		from_x -= count;
		if (from_x == 0) {
			from--;
			from_x = counted(
			    g->lines, g->total, max_of(from, 0), r->old_cols);
		}
	}
	for (int32_t i = 0; i < g->wanted; i++)
		if (g->lengths[i] < r->cols)
			g->lines[i]->cells[g->lengths[i]] =
			    (struct cell){CELL_NULL, 0};
}

/* The screen goes down as lines come in above its end. */
static void
make_room(struct narrower *nw, int32_t added)
{
	struct resize *r = nw->r;
	int32_t over;

	if (r->ybase == 0 && r->y != r->length - 1)
		over = max_of(0, r->y - r->max + added);
	else
		over = max_of(0, r->length - r->max + added);
	for (int32_t i = added - over; i > 0; i--) {
		if (r->ybase == 0 && r->y < r->rows - 1) {
			r->y++;
			r->length--;
		} else if (r->ybase == 0) {
			r->ybase++;
		} else if (r->ybase <
			   min_of(r->max, r->length + nw->inserted) - r->rows) {
			r->ybase++;
		}
	}
	r->saved_y = min_of(r->saved_y + added, r->ybase + r->rows - 1);
}

/* Room for the lines that a group may become. */
static bool
take_group(struct resize *r, struct group *g, int32_t first, int32_t n)
{
	int32_t cells = n * r->old_cols + 1;
	int32_t most = cells / max_of(r->cols - 1, 1) + 2;

	*g = (struct group){.n = n, .total = n};
	g->lengths = resize_take(r, (size_t)most * sizeof *g->lengths);
	g->lines = resize_take(r, (size_t)(n + most) * sizeof *g->lines);
	if (!g->lengths || !g->lines)
		return false;
	memcpy(g->lines, r->list + first, (size_t)n * sizeof *g->lines);
	return true;
}

static bool
rewrap_group(struct narrower *nw, int32_t first, int32_t n)
{
	struct resize *r = nw->r;
	struct insertion *in = &nw->insertions[nw->count];
	struct group g;
	int32_t last_used;

	if (!take_group(r, &g, first, n))
		return false;
	last_used = resize_used(g.lines[n - 1]);
	measure(r, &g);
	if (g.wanted > n) {
		*in = (struct insertion){first + n, g.wanted - n, g.lines + n};
		nw->count++;
		nw->inserted += in->count;
	}
	for (; g.total < g.wanted; g.total++) {
		g.lines[g.total] = resize_new_line(r, true);
		if (!g.lines[g.total])
			return false;
	}
	if (g.wanted > 0)
		spread(r, &g, last_used);
	make_room(nw, g.wanted - n);
	return true;
}

/* The new list, from its end: what has no room there is the oldest. */
static bool
insert_all(struct narrower *nw)
{
	struct resize *r = nw->r;
	int32_t length = min_of(r->max, r->length + nw->inserted);
	int32_t to = length - 1, from = r->length - 1, next = 0;
	struct resize_line **list =
	    resize_take(r, (size_t)(length + r->rows + 1) * sizeof *list);

	if (!list)
		return false;
	while (to >= 0) {
		const struct insertion *in = &nw->insertions[next];

		if (next < nw->count && in->at > from) {
			for (int32_t i = in->count - 1; i >= 0 && to >= 0; i--)
				list[to--] = in->lines[i];
			next++;
		} else {
			list[to--] = r->list[from--];
		}
	}
	r->list = list;
	r->length = length;
	return true;
}

bool
reflow_narrower(struct resize *r)
{
	struct narrower nw = {.r = r};

	nw.insertions =
	    resize_take(r, (size_t)(r->length + 1) * sizeof *nw.insertions);
	if (!nw.insertions)
		return false;
	for (int32_t y = r->length - 1; y >= 0; y--) {
		int32_t n = 1, cursor;

		if (!r->list[y]->wrapped && resize_used(r->list[y]) <= r->cols)
			continue;
		for (; r->list[y]->wrapped && y > 0; n++)
			y--;
		cursor = r->ybase + r->y;
		if (cursor >= y && cursor < y + n)
			continue;
		if (!rewrap_group(&nw, y, n))
			return false;
	}
	return nw.count == 0 || insert_all(&nw);
}
