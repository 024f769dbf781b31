/*
 * Characters onto the screen.
 *
 * Characters that follow each other without anything between them are a run.
 * xterm.js looks after wide characters that are overwritten by halves only
 * where a run begins and where it ends, and that can be seen.
 */
#ifndef XENTERM_SCREEN_PRINT_H
#define XENTERM_SCREEN_PRINT_H

#include "screen/state.h"

/* n printable ASCII characters. */
void print_ascii(struct emulator *e, const uint8_t *chars, size_t n);
void print_code(struct emulator *e, uint32_t code);
/* What stands after the cursor is put right. The run may go on. */
void print_settle(struct emulator *e);
static inline void
print_end(struct emulator *e)
{
	if (e->parser.in_run) {
		print_settle(e);
		e->parser.in_run = false;
	}
}

/* REP: the last character n more times, a row's columns at most. */
void print_repeat(struct emulator *e, int32_t n);

#endif
