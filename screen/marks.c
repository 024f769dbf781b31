#include "screen/marks.h"

#include "screen/tables.h"

#include <string.h>

static uint32_t *
find(struct emulator *e, uint32_t before, uint32_t code)
{
	const struct mark *marks = state_at(e, e->marks);
	uint32_t *hash = state_at(e, e->mark_hash);
	uint32_t at = tables_hash(before, code, 0, 0);

	for (;; at++) {
		uint32_t *slot = &hash[at % MARK_HASH];

		if (*slot == TABLE_NONE || (marks[*slot].before == before &&
					       marks[*slot].code == code))
			return slot;
	}
}

/* TABLE_NONE when there is no room. */
static uint32_t
take_entry(struct emulator *e)
{
	const struct mark *marks = state_at(e, e->marks);
	uint32_t index = e->mark_free;

	if (index != TABLE_NONE)
		e->mark_free = marks[index].before;
	else if (e->mark_count < MARK_ENTRIES)
		index = e->mark_count++;
	return index;
}

uint32_t
marks_add(struct emulator *e, uint32_t content, uint32_t code)
{
	struct mark *marks = state_at(e, e->marks);
	uint32_t node = content & CELL_CODE, before = node, depth = 1;
	uint32_t *slot, index;

	if (content & CELL_COMBINED) {
		before = MARK_NODE | node;
		depth = marks[node].depth + 1;
	}
	if (depth > EMULATOR_MARKS_MAX)
		return content & CELL_CONTENT;
	slot = find(e, before, code);
	if (*slot != TABLE_NONE)
		return CELL_COMBINED | *slot;
	index = take_entry(e);
	if (index == TABLE_NONE) {
		tables_clean(e);
		slot = find(e, before, code);
		index = take_entry(e);
	}
	if (index == TABLE_NONE)
		return content & CELL_CONTENT;
	marks[index].before = before;
	marks[index].code = code & CELL_CODE;
	marks[index].depth = depth & 0x7ff;
	*slot = index;
	return CELL_COMBINED | index;
}

uint8_t
marks_chars(const struct emulator *e, uint32_t content, uint32_t *chars)
{
	const struct mark *marks = state_at(e, e->marks);
	uint32_t node = content & CELL_CODE, count;

	if (!(content & CELL_COMBINED)) {
		chars[0] = node;
		return node != 0;
	}
	count = marks[node].depth + 1;
	for (uint32_t i = count - 1; i > 0; i--) {
		chars[i] = marks[node].code;
		node = marks[node].before & ~MARK_NODE;
	}
	chars[0] = node;
	return (uint8_t)count;
}

void
marks_mark(const struct emulator *e, uint32_t content, uint8_t *used)
{
	const struct mark *marks = state_at(e, e->marks);
	uint32_t node = content & CELL_CODE;

	while (!(used[node / 8] >> node % 8 & 1)) {
		used[node / 8] |= (uint8_t)(1u << node % 8);
		if (!(marks[node].before & MARK_NODE))
			return;
		node = marks[node].before & ~MARK_NODE;
	}
}

void
marks_sweep(struct emulator *e, const uint8_t *used)
{
	struct mark *marks = state_at(e, e->marks);
	uint32_t *hash = state_at(e, e->mark_hash);

	memset(hash, 0xff, MARK_HASH * sizeof *hash);
	e->mark_free = TABLE_NONE;
	for (uint32_t i = 0; i < e->mark_count; i++) {
		if (used[i / 8] >> i % 8 & 1) {
			*find(e, marks[i].before, marks[i].code) = i;
		} else {
			marks[i].before = e->mark_free;
			marks[i].code = 0;
			marks[i].depth = 0;
			e->mark_free = i;
		}
	}
}
