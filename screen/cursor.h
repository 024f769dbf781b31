/* Where the next character goes. */
#ifndef XENTERM_SCREEN_CURSOR_H
#define XENTERM_SCREEN_CURSOR_H

#include "screen/state.h"

/* Back onto the screen, or into the scroll region with origin mode. */
void cursor_restrict(struct emulator *e, int32_t x_max);
/* A wrap that was due is not any more. */
void cursor_end_wrap(struct emulator *e);
void cursor_set(struct emulator *e, int32_t x, int32_t y);
void cursor_move(struct emulator *e, int32_t dx, int32_t dy);
void cursor_up(struct emulator *e, int32_t n);
void cursor_down(struct emulator *e, int32_t n);

void cursor_save(struct emulator *e);
void cursor_restore(struct emulator *e);

/* One line down, scrolling at the end of the region: IND. */
void cursor_index(struct emulator *e);
void cursor_reverse_index(struct emulator *e);
void cursor_line_feed(struct emulator *e);
void cursor_backspace(struct emulator *e);

#endif
