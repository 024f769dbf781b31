/*
 * The terminal under bytes of any kind, resizes, copies of its block, and
 * snapshots that a fresh one goes on from.  After each operation its state
 * must hold together.
 */
#undef NDEBUG

#include "screen/emulator.h"
#include "screen/grid.h"
#include "screen/render_ajaxterm.h"
#include "screen/render_ansi.h"
#include "screen/render_html.h"
#include "screen/render_json.h"
#include "screen/render_text.h"
#include "tests/fuzz/input.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct emulator_limits limits = {
    .rows = 30, .cols = 60, .scrollback = 40, .scrollback_bytes = 8000};

struct text {
	char *bytes;
	size_t len, room;
};

static void
sink(void *user, const char *bytes, size_t len)
{
	struct text *t = user;

	if (t->room - t->len < len) {
		t->room = (t->room + len) * 2;
		t->bytes = realloc(t->bytes, t->room);
		assert(t->bytes);
	}
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

/* The second half of a wide character is there. */
static void
check_halves(const struct emulator *e, const struct buffer *b, int32_t i)
{
	const struct cell *c = grid_cells(e, b, i);

	for (int32_t x = 0; x < e->cols; x++)
		assert(cell_width(&c[x]) != 2 ||
		       (x + 1 < e->cols && cell_width(&c[x + 1]) == 0 &&
			   !cell_has_content(&c[x + 1])));
}

static void
check_buffer(const struct emulator *e, const struct buffer *b)
{
	const uint32_t *ring = state_at(e, b->ring);
	uint8_t seen[256] = {0};

	assert(b->capacity <= sizeof seen);
	assert(b->max <= (int32_t)b->capacity && b->length <= b->max);
	assert(b->start >= 0 && b->start < b->max);
	assert((size_t)b->max * b->stride <= b->room);
	for (uint32_t i = 0; i < b->capacity; i++) {
		assert(ring[i] < b->capacity && !seen[ring[i]]);
		seen[ring[i]] = 1;
	}
	assert(b->top >= 0 && b->top <= b->bottom && b->bottom < e->rows);
	if (b->length == 0)
		return;
	assert(b->ybase >= 0 && b->ybase + e->rows <= b->length);
	assert(b->x >= 0 && b->x <= e->cols + 1);
	assert(b->y >= 0 && b->y < e->rows);
	for (int32_t i = 0; i < b->length; i++) {
		assert(grid_line(e, b, i)->len == e->cols);
		check_halves(e, b, i);
	}
}

static void
check(const struct emulator *e)
{
	assert(e->normal.length >= e->rows);
	assert(!e->alternate_active || e->alternate.length == e->rows);
	check_buffer(e, &e->normal);
	check_buffer(e, &e->alternate);
	assert(e->parser.state < PARSER_STATES);
	assert(strlen(e->title) <= EMULATOR_TITLE_MAX * 4);
}

/* Two blocks take turns: new memory for each would take most of the time. */
static void *
next_block(void)
{
	static void *blocks[2];
	static int turn;

	turn = !turn;
	if (!blocks[turn])
		blocks[turn] = malloc(emulator_size(&limits));
	assert(blocks[turn]);
	return blocks[turn];
}

static struct emulator *
open_emulator(uint32_t rows, uint32_t cols)
{
	void *block = next_block();

	memset(block, 0xa5, emulator_size(&limits));
	return emulator_init(block, &limits, rows, cols);
}

static struct emulator *
copy(const struct emulator *e)
{
	void *block = next_block();

	assert(emulator_block_size(e) == emulator_size(&limits));
	memcpy(block, e, emulator_block_size(e));
	return block;
}

static void
no_reply(void *user, const char *bytes, size_t len)
{
	(void)user;
	(void)bytes;
	(void)len;
	assert(!"a snapshot makes the terminal answer");
}

static struct emulator *
restore(const struct emulator *e)
{
	static const struct emulator_replies none = {no_reply, NULL};
	struct text t = {0}, again = {0};
	struct emulator *fresh =
	    open_emulator(emulator_rows(e), emulator_cols(e));

	render_ansi(e, sink, &t);
	emulator_write(fresh, t.bytes, t.len, &none);
	assert(fresh->parser.state == e->parser.state);
	assert(fresh->alternate_active == e->alternate_active);
	assert(fresh->normal.ybase == e->normal.ybase);
	/* What has been carried over is there to be carried over again. */
	render_ansi(fresh, sink, &again);
	assert(again.len == t.len && memcmp(again.bytes, t.bytes, t.len) == 0);
	free(t.bytes);
	free(again.bytes);
	return fresh;
}

static void
render_all(const struct emulator *e)
{
	struct text t = {0};

	render_text(e, 10, true, sink, &t);
	render_html(e, 10, sink, &t);
	render_json(e, 10, 0, sink, &t);
	render_ajaxterm(e, true, sink, &t);
	free(t.bytes);
}

static void
on_reply(void *user, const char *bytes, size_t len)
{
	(void)user;
	assert(len > 2 && bytes[0] == '\033' && bytes[1] == '[');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct emulator_replies replies = {on_reply, NULL};
	struct input in = {data, data + len};
	uint32_t rows = next(&in), cols = next(&in);
	struct emulator *e = open_emulator(rows, cols);

	while (in.at < in.end) {
		uint8_t what = next(&in);
		size_t n = what & 127;

		if (what == 255) {
			rows = next(&in) % limits.rows + 1;
			cols = next(&in) % (limits.cols - 1) + 2;
			assert(emulator_resize(e, rows, cols) == 0);
		} else if (what == 254) {
			e = restore(e);
		} else if (what == 253) {
			e = copy(e);
		} else if (what == 252) {
			render_all(e);
		} else {
			if (n > (size_t)(in.end - in.at))
				n = (size_t)(in.end - in.at);
			emulator_write(e, in.at, n, &replies);
			in.at += n;
		}
		check(e);
	}
	return 0;
}
