/*
 * A guest that counts: it sends numbered lines at a steady rate and keeps what
 * is typed, so that a test knows afterwards what was said and what arrived.
 *
 * A line has NUMBERS_LINE bytes, CR and LF with it: "DOMID NUMBER letters".
 * Line n is at byte n * NUMBERS_LINE of what this domain says.  Beside FILE
 * there are, for each domain that ran with it,
 *
 *	FILE.DOMID.out	8 bytes, in the machine's order: how many bytes the
 *			console's ring has taken so far
 *	FILE.DOMID.in	what was typed, byte for byte
 */
#ifndef STANDIN_NUMBERS_H
#define STANDIN_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "line.h"

#define NUMBERS_LINE 48

struct numbers;

/* rate: bytes a second.  NULL: errno. */
struct numbers *numbers_open(const char *file, uint32_t domid, unsigned rate);

/* To wait on (EPOLLIN). */
int numbers_fd(const struct numbers *numbers);

/* One step of work; false when there is none now. */
bool numbers_turn(struct numbers *numbers, struct line *line);

#endif
