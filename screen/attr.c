#include "screen/attr.h"

#include "screen/tables.h"

#include <string.h>

/* An entry: what it is, or where the next free one is. */
struct entry {
	uint32_t fg, bg, line;
	uint32_t look; /* flags and style; ENTRY_FREE: fg is the next free */
};

#define ENTRY_FREE 0xffffffffu

/* The flags in the order of the inline form: all but underline. */
#define LOW_FLAGS  0x007u /* bold, dim, italic */
#define HIGH_FLAGS 0x3f0u /* blink and on */

static uint32_t
mode_of(uint32_t colour)
{
	return colour >> 24;
}

/* 0: default, then the 16, then the 256. */
static uint32_t
short_colour(uint32_t colour)
{
	switch (mode_of(colour)) {
	case EMULATOR_PALETTE16:
		return 1 + (colour & 15);
	case EMULATOR_PALETTE256:
		return 17 + (colour & 255);
	default:
		return 0;
	}
}

static uint32_t
long_colour(uint32_t bits)
{
	if (bits == 0)
		return 0;
	if (bits < 17)
		return (uint32_t)EMULATOR_PALETTE16 << 24 | (bits - 1);
	return (uint32_t)EMULATOR_PALETTE256 << 24 | (bits - 17);
}

static uint32_t
pack_inline(const struct emulator_attr *a)
{
	uint32_t flags =
	    (a->flags & LOW_FLAGS) | (uint32_t)(a->flags & HIGH_FLAGS) >> 1;

	return short_colour(a->fg) | short_colour(a->bg) << 9 | flags << 18 |
	       (uint32_t)a->style << 27;
}

static struct emulator_attr
unpack_inline(uint32_t packed)
{
	uint32_t flags = packed >> 18 & 0x1ff;
	struct emulator_attr a = {
	    .fg = long_colour(packed & 0x1ff),
	    .bg = long_colour(packed >> 9 & 0x1ff),
	    .flags =
		(uint16_t)((flags & LOW_FLAGS) | (flags << 1 & HIGH_FLAGS)),
	    .style = (uint8_t)(packed >> 27 & 7),
	};

	if (a.style)
		a.flags |= EMULATOR_UNDERLINE;
	return a;
}

static bool
fits_inline(const struct emulator_attr *a)
{
	return mode_of(a->fg) != EMULATOR_RGB &&
	       mode_of(a->bg) != EMULATOR_RGB && a->line == 0;
}

/* Of the 6x6x6 colours and the greys. */
uint32_t
attr_nearest(uint32_t colour)
{
	static const uint8_t levels[6] = {0, 95, 135, 175, 215, 255};
	uint32_t best = 0, best_far = UINT32_MAX;
	int32_t r = colour >> 16 & 255, g = colour >> 8 & 255, b = colour & 255;

	if (mode_of(colour) != EMULATOR_RGB)
		return colour;
	for (uint32_t i = 16; i < 256; i++) {
		int32_t n = (int32_t)i - 16, grey = 8 + ((int32_t)i - 232) * 10;
		int32_t dr = (i < 232 ? levels[n / 36] : grey) - r;
		int32_t dg = (i < 232 ? levels[n / 6 % 6] : grey) - g;
		int32_t db = (i < 232 ? levels[n % 6] : grey) - b;
		uint32_t far = (uint32_t)(dr * dr + dg * dg + db * db);

		if (far < best_far) {
			best_far = far;
			best = i;
		}
	}
	return (uint32_t)EMULATOR_PALETTE256 << 24 | best;
}

static uint32_t
look_of(const struct emulator_attr *a)
{
	return (uint32_t)a->flags | (uint32_t)a->style << 16;
}

/* Where in the hash this attribute is, or would be. */
static uint32_t *
find(struct emulator *e, const struct emulator_attr *a)
{
	const struct entry *entries = state_at(e, e->attrs);
	uint32_t *hash = state_at(e, e->attr_hash);
	uint32_t at = tables_hash(a->fg, a->bg, a->line, look_of(a));

	for (;; at++) {
		uint32_t *slot = &hash[at % ATTR_HASH];
		const struct entry *entry = &entries[*slot];

		if (*slot == TABLE_NONE ||
		    (entry->fg == a->fg && entry->bg == a->bg &&
			entry->line == a->line && entry->look == look_of(a)))
			return slot;
	}
}

/* TABLE_NONE when there is no room. */
static uint32_t
take_entry(struct emulator *e)
{
	struct entry *entries = state_at(e, e->attrs);
	uint32_t index = e->attr_free;

	if (index != TABLE_NONE)
		e->attr_free = entries[index].fg;
	else if (e->attr_count < ATTR_ENTRIES)
		index = e->attr_count++;
	return index;
}

static uint32_t
intern(struct emulator *e, const struct emulator_attr *a)
{
	struct entry *entries = state_at(e, e->attrs);
	uint32_t *slot = find(e, a), index;

	if (*slot != TABLE_NONE)
		return *slot;
	index = take_entry(e);
	if (index == TABLE_NONE) {
		tables_clean(e);
		slot = find(e, a);
		index = take_entry(e);
	}
	if (index == TABLE_NONE)
		return TABLE_NONE;
	entries[index] = (struct entry){a->fg, a->bg, a->line, look_of(a)};
	*slot = index;
	return index;
}

uint32_t
attr_pack(struct emulator *e, const struct emulator_attr *attr)
{
	struct emulator_attr a = *attr;
	uint32_t index;

	if (fits_inline(&a))
		return pack_inline(&a);
	index = intern(e, &a);
	if (index != TABLE_NONE)
		return ATTR_TABLE | index;
	a.fg = attr_nearest(a.fg);
	a.bg = attr_nearest(a.bg);
	a.line = 0;
	return pack_inline(&a);
}

struct emulator_attr
attr_unpack(const struct emulator *e, uint32_t packed)
{
	const struct entry *entries = state_at(e, e->attrs);
	const struct entry *entry;

	if (!(packed & ATTR_TABLE))
		return unpack_inline(packed);
	entry = &entries[packed & ~ATTR_TABLE];
	return (struct emulator_attr){
	    .fg = entry->fg,
	    .bg = entry->bg,
	    .line = entry->line,
	    .flags = (uint16_t)(entry->look & 0xffff),
	    .style = (uint8_t)(entry->look >> 16),
	};
}

bool
attr_is_protected(const struct emulator *e, uint32_t packed)
{
	if (!(packed & ATTR_TABLE))
		return (packed & ATTR_PROTECTED) != 0;
	return (attr_unpack(e, packed).flags & EMULATOR_PROTECTED) != 0;
}

struct emulator_attr
attr_of_pen(const struct pen *pen)
{
	struct emulator_attr a = {
	    .fg = pen->fg, .bg = pen->bg, .flags = pen->flags};

	if (a.flags & EMULATOR_UNDERLINE) {
		a.style = pen->style;
		a.line = pen->line;
	}
	return a;
}

void
attr_update(struct emulator *e)
{
	struct emulator_attr pen = attr_of_pen(&e->pen);
	struct emulator_attr erase = {.bg = e->pen.bg};

	e->pen_attr = attr_pack(e, &pen);
	e->erase_attr = attr_pack(e, &erase);
	e->pen_changed = false;
}

void
attr_sweep(struct emulator *e, const uint8_t *used)
{
	struct entry *entries = state_at(e, e->attrs);
	uint32_t *hash = state_at(e, e->attr_hash);

	memset(hash, 0xff, ATTR_HASH * sizeof *hash);
	e->attr_free = TABLE_NONE;
	for (uint32_t i = 0; i < e->attr_count; i++) {
		struct entry *entry = &entries[i];

		if (used[i / 8] >> i % 8 & 1) {
			struct emulator_attr a = attr_unpack(e, ATTR_TABLE | i);
			*find(e, &a) = i;
		} else {
			*entry = (struct entry){e->attr_free, 0, 0, ENTRY_FREE};
			e->attr_free = i;
		}
	}
}
