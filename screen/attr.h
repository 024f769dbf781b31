/*
 * How a cell says what it looks like, in 32 bits.
 *
 *   inline: | 0 | 0 | style 3 | flags 9 | ground 9 | text 9 |
 *   table:  | 1 | index of an entry that spells it out                 |
 *
 * Nearly all fit inline.  24-bit colours, a coloured underline and what else
 * does not are entries of a table of fixed size, each kept once.  When the
 * table is full, what no cell uses any more is thrown out; when that does not
 * help, a 24-bit colour becomes the nearest one of the 256 and the underline's
 * colour is the text's.
 */
#ifndef XENTERM_SCREEN_ATTR_H
#define XENTERM_SCREEN_ATTR_H

#include "screen/state.h"

#define ATTR_TABLE     0x80000000u
#define ATTR_ENTRIES   16384u
#define ATTR_HASH      (2 * ATTR_ENTRIES)
#define ATTR_PROTECTED (1u << 26) /* inline; the table has its own flag */

uint32_t attr_pack(struct emulator *e, const struct emulator_attr *attr);
struct emulator_attr attr_unpack(const struct emulator *e, uint32_t packed);
bool attr_is_protected(const struct emulator *e, uint32_t packed);

/* A 24-bit colour as one of the 256; another one as it is. */
uint32_t attr_nearest(uint32_t colour);

/* What a pen looks like: without the underline's colour, when there is none. */
struct emulator_attr attr_of_pen(const struct pen *pen);

/* The pen packed, and what erased cells get: its ground, and nothing else. */
void attr_update(struct emulator *e);

/* Keeps the entries whose bit is set in used; for tables.c. */
void attr_sweep(struct emulator *e, const uint8_t *used);

static inline uint32_t
attr_pen(struct emulator *e)
{
	if (e->pen_changed)
		attr_update(e);
	return e->pen_attr;
}

static inline uint32_t
attr_erase(struct emulator *e)
{
	if (e->pen_changed)
		attr_update(e);
	return e->erase_attr;
}

#endif
