#include "screen/render_text.h"

/* Returns the blanks that are owed: they are written when text follows. */
static uint32_t
put_row(struct render *r, const struct emulator *e, int32_t row, uint32_t owed)
{
	uint32_t len = emulator_row_length(e, row);

	for (uint32_t x = 0; x < len; x++) {
		struct emulator_cell cell;

		emulator_cell(e, row, x, &cell);
		if (cell.width == 0 && cell.count == 0)
			continue;
		if (cell.count == 0 ||
		    (cell.count == 1 && cell.chars[0] == ' ')) {
			owed++;
			continue;
		}
		for (; owed > 0; owed--)
			render_put(r, " ", 1);
		for (uint8_t i = 0; i < cell.count; i++)
			render_code(r, cell.chars[i]);
	}
	return owed;
}

void
render_text(const struct emulator *e, uint32_t history, bool join,
    render_sink *sink, void *user)
{
	struct render r = {.sink = sink, .user = user};
	int32_t first = render_first(e, history);
	int32_t rows = (int32_t)emulator_rows(e);
	uint32_t owed = 0;

	for (int32_t row = first; row < rows; row++) {
		owed = put_row(&r, e, row, owed);
		if (join && row + 1 < rows && emulator_row_wrapped(e, row + 1))
			continue;
		render_put(&r, "\n", 1);
		owed = 0;
	}
	render_flush(&r);
}
