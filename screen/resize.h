/* Another size of the screen, and lines wrapped anew. */
#ifndef XENTERM_SCREEN_RESIZE_H
#define XENTERM_SCREEN_RESIZE_H

#include "screen/state.h"

#include <stddef.h>

/*
 * A buffer taken apart for the time of a resize: its lines one by one, each
 * with room for the wider of the two widths.
 */
struct resize_line {
	struct cell *cells;
	int32_t len;
	bool wrapped;
};

struct resize {
	struct resize_line **list; /* the lines, oldest first */
	int32_t length, max;
	int32_t ybase, y;
	int32_t saved_y;
	int32_t old_cols, cols, rows;
	struct resize_memory *memory;
};

/* Memory until the resize is over; NULL when there is none. */
void *resize_take(struct resize *r, size_t size);
/* A new line of r->cols empty cells; NULL when out of memory. */
struct resize_line *resize_new_line(struct resize *r, bool wrapped);

/* n cells of line from at x to line to at to_x; what is not in the line has
 * no width and nothing in it. */
void resize_copy(struct resize_line *to, int32_t to_x,
    const struct resize_line *from, int32_t from_x, int32_t n, bool backwards);
int32_t resize_used(const struct resize_line *line);
uint8_t resize_width(const struct resize_line *line, int32_t x);
bool resize_has_content(const struct resize_line *line, int32_t x);

/* reflow.c: false when out of memory. */
bool reflow_wider(struct resize *r);
bool reflow_narrower(struct resize *r);

#endif
