/* Modes, and the resets that bring them back. */
#ifndef XENTERM_SCREEN_MODES_H
#define XENTERM_SCREEN_MODES_H

#include "screen/state.h"

void modes_set(struct emulator *e, int32_t mode, bool on);
void modes_set_private(struct emulator *e, int32_t mode, bool on);

/* DECSCUSR */
void modes_cursor_style(struct emulator *e, int32_t style);

void modes_soft_reset(struct emulator *e);
/* RIS: all but what xterm.js leaves, too: LNM, the title, whether the cursor
 * shows and blinks. */
void modes_full_reset(struct emulator *e);

void modes_alternate(struct emulator *e, bool on);

#endif
