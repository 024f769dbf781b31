/*
 * The terminal's state, for the modules of screen/ alone.
 *
 *   | struct emulator | row generations | tab stops | attributes | marks |
 *   | lines and cells of the alternate buffer | ... of the normal buffer |
 *
 * Places in the block are offsets from its beginning, so that it can be moved.
 */
#ifndef XENTERM_SCREEN_STATE_H
#define XENTERM_SCREEN_STATE_H

#include "screen/emulator.h"

/*
 * A cell in 8 bytes.  content: the code point, or with CELL_COMBINED the place
 * in the table of marks; and the width.  attr: see attr.h.
 */
struct cell {
	uint32_t content, attr;
};

#define CELL_CODE	 0x1fffffu
#define CELL_COMBINED	 0x200000u
#define CELL_CONTENT	 (CELL_CODE | CELL_COMBINED)
#define CELL_WIDTH_SHIFT 22
#define CELL_WIDTH	 (3u << CELL_WIDTH_SHIFT)
#define CELL_NULL	 (1u << CELL_WIDTH_SHIFT) /* empty, one column */

/* What SGR sets. */
struct pen {
	uint32_t fg, bg, line;
	uint16_t flags;
	uint8_t style;
};

#define CHARSETS 4

struct saved_cursor {
	int32_t x, y; /* y counts from the first line of the scrollback */
	struct pen pen;
	uint8_t charsets[CHARSETS];
	uint8_t glevel;
};

struct line {
	uint16_t len; /* cells; 0 when it is free */
	bool wrapped; /* continues the line above */
};

/*
 * The lines of one screen and of what has scrolled out above it.  The ring
 * holds all slots of cells, each once; those from length on are free.
 *
 *	ring:  start -> | scrollback: ybase | the screen | free |
 */
struct buffer {
	size_t ring;  /* uint32_t[capacity]: slots */
	size_t lines; /* struct line[capacity], by slot */
	size_t cells; /* struct cell[room], stride for each slot */
	size_t tabs;  /* uint8_t[cols of the limits + 2] */
	uint32_t capacity, room, stride;
	int32_t start, length, max;
	int32_t ybase;
	int32_t x, y;
	int32_t top, bottom; /* the scroll region, inclusive */
	int32_t rows, cols;  /* as of the last resize of this buffer */
	struct saved_cursor saved;
	bool has_scrollback;
};

#define PARAMS_MAX	32
#define SUBPARAMS_MAX	32
#define PARAM_VALUE_MAX 0x7fffffff

struct params {
	int32_t value[PARAMS_MAX];
	int32_t sub[SUBPARAMS_MAX]; /* -1: empty */
	uint8_t sub_from[PARAMS_MAX], sub_to[PARAMS_MAX];
	uint8_t count, sub_count;
	bool reject_digits, reject_sub_digits, digit_is_sub;
};

enum osc_state { OSC_START, OSC_ID, OSC_PAYLOAD, OSC_ABORT };

struct osc {
	uint8_t state; /* of enum osc_state */
	bool has_id;
	uint32_t id;
	uint32_t units;	       /* of the payload, as JavaScript counts them */
	uint32_t chars, bytes; /* of what is kept of it */
	char text[EMULATOR_TITLE_MAX * 4 + 1];
};

enum parser_state {
	PARSER_GROUND,
	PARSER_ESCAPE,
	PARSER_ESCAPE_INTERMEDIATE,
	PARSER_CSI_ENTRY,
	PARSER_CSI_PARAM,
	PARSER_CSI_INTERMEDIATE,
	PARSER_CSI_IGNORE,
	PARSER_STRING, /* SOS, PM, APC: nobody reads them */
	PARSER_OSC,
	PARSER_DCS_ENTRY,
	PARSER_DCS_PARAM,
	PARSER_DCS_IGNORE,
	PARSER_DCS_INTERMEDIATE,
	PARSER_DCS_PASSTHROUGH,
	PARSER_STATES
};

#define PARSER_CODES 0xa1 /* the last stands for all beyond */

struct parser {
	uint8_t state; /* of enum parser_state */
	uint8_t join;  /* the width of what a combining character joins, or 0 */
	bool in_run;   /* the last code was printed, see print.h */
	uint8_t utf8_have, utf8_need;
	uint8_t utf8[4];
	uint32_t collect;
	struct params params;
	struct osc osc;
};

struct emulator {
	size_t size;
	struct emulator_limits limits;
	int32_t rows, cols;
	struct buffer normal, alternate;
	bool alternate_active;
	struct pen pen;
	uint32_t pen_attr, erase_attr; /* packed, valid unless pen_changed */
	bool pen_changed;
	uint8_t charset; /* what text goes through now */
	uint8_t glevel;
	uint8_t charsets[CHARSETS];
	struct emulator_modes modes;
	struct parser parser;
	uint8_t rules[PARSER_STATES][PARSER_CODES]; /* see parser.c */
	const struct emulator_replies *replies; /* only in emulator_write() */

	size_t attrs, attr_hash, marks, mark_hash;
	uint32_t attr_count, attr_free, mark_count, mark_free;
	uint32_t refusals; /* since the tables were cleaned up last */

	size_t row_generations; /* uint64_t[rows of the limits] */
	size_t dirty;		/* uint8_t[rows of the limits] */
	uint64_t generation;
	int32_t shown_x, shown_y; /* the cursor as of this generation */

	char title[EMULATOR_TITLE_MAX * 4 + 1];
};

static inline void *
state_at(const struct emulator *e, size_t offset)
{
	return (char *)(uintptr_t)e + offset;
}

static inline struct buffer *
state_active(struct emulator *e)
{
	return e->alternate_active ? &e->alternate : &e->normal;
}

static inline uint8_t
cell_width(const struct cell *c)
{
	return (uint8_t)(c->content >> CELL_WIDTH_SHIFT);
}

static inline bool
cell_has_content(const struct cell *c)
{
	return (c->content & CELL_CONTENT) != 0;
}

static inline int32_t
min_of(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

static inline int32_t
max_of(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

#endif
