/*
 * Operating system commands: of them all, only the title is kept.
 *
 * Nothing of their text ever reaches anything that could act on it: no
 * clipboard, no colours, no links, and no answers.
 */
#ifndef XENTERM_SCREEN_OSC_H
#define XENTERM_SCREEN_OSC_H

#include "screen/state.h"

void osc_start(struct emulator *e);
void osc_put(struct emulator *e, uint32_t code);
/* done: by ST or BEL, not cut off. */
void osc_end(struct emulator *e, bool done);

#endif
