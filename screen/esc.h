/* Escape sequences of two or three bytes, and control characters. */
#ifndef XENTERM_SCREEN_ESC_H
#define XENTERM_SCREEN_ESC_H

#include "screen/state.h"

void esc_dispatch(struct emulator *e, uint32_t collect, char final);
/* C0 and C1. */
void esc_control(struct emulator *e, uint32_t code);

#endif
