#include "screen/tables.h"

#include "screen/attr.h"
#include "screen/marks.h"

#include <string.h>

/* Cleaning looks at every cell. After one, so many requests are refused
 * before it is tried again. */
#define REFUSALS 4096

struct used {
	uint8_t attrs[ATTR_ENTRIES / 8];
	uint8_t marks[MARK_ENTRIES / 8];
};

void
tables_init(struct emulator *e)
{
	e->attr_count = e->mark_count = 0;
	e->attr_free = e->mark_free = TABLE_NONE;
	e->refusals = REFUSALS;
	memset(state_at(e, e->attr_hash), 0xff, ATTR_HASH * sizeof(uint32_t));
	memset(state_at(e, e->mark_hash), 0xff, MARK_HASH * sizeof(uint32_t));
}

static void
use_attr(struct used *used, uint32_t attr)
{
	uint32_t index = attr & ~ATTR_TABLE;

	if (attr & ATTR_TABLE)
		used->attrs[index / 8] |= (uint8_t)(1u << index % 8);
}

static void
use_buffer(const struct emulator *e, const struct buffer *b, struct used *used)
{
	const uint32_t *ring = state_at(e, b->ring);
	const struct line *lines = state_at(e, b->lines);
	const struct cell *cells = state_at(e, b->cells);

	for (int32_t i = 0; i < b->length; i++) {
		uint32_t slot = ring[(b->start + i) % b->max];
		const struct cell *c = cells + (size_t)slot * b->stride;

		for (uint16_t x = 0; x < lines[slot].len; x++, c++) {
			use_attr(used, c->attr);
			if (c->content & CELL_COMBINED)
				marks_mark(e, c->content, used->marks);
		}
	}
}

void
tables_clean(struct emulator *e)
{
	struct used used;

	if (e->refusals < REFUSALS) {
		e->refusals++;
		return;
	}
	e->refusals = 0;
	memset(&used, 0, sizeof used);
	use_buffer(e, &e->normal, &used);
	use_buffer(e, &e->alternate, &used);
	use_attr(&used, e->pen_attr);
	use_attr(&used, e->erase_attr);
	attr_sweep(e, used.attrs);
	marks_sweep(e, used.marks);
}
