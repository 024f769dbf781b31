/*
 * Characters with combining ones: chains that begin at the last mark.
 *
 *	cell -> | mark, before -> | mark, before: the character itself |
 *
 * Each chain is kept once, in a table of fixed size.  When that is full and
 * cleaning up does not help, marks are dropped.
 */
#ifndef XENTERM_SCREEN_MARKS_H
#define XENTERM_SCREEN_MARKS_H

#include "screen/state.h"

#define MARK_ENTRIES 8192u
#define MARK_HASH    (2 * MARK_ENTRIES)
#define MARK_NODE    0x80000000u /* before: another entry */

struct mark {
	uint32_t before;
	uint32_t code : 21, depth : 11;
};

/* The content of a cell that gets another mark; without its width. */
uint32_t marks_add(struct emulator *e, uint32_t content, uint32_t code);
/* The characters of a cell, at most 1 + EMULATOR_MARKS_MAX. */
uint8_t marks_chars(
    const struct emulator *e, uint32_t content, uint32_t *chars);

/* For tables.c: sets the bits of the entries that content needs, and keeps
 * those whose bit is set. */
void marks_mark(const struct emulator *e, uint32_t content, uint8_t *used);
void marks_sweep(struct emulator *e, const uint8_t *used);

#endif
