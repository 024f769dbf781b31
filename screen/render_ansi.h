/*
 * A terminal as bytes that bring a reset terminal of the same size and with
 * the same scrollback to exactly this state.  What bytes come next does there
 * what it would have done here.
 */
#ifndef XENTERM_SCREEN_RENDER_ANSI_H
#define XENTERM_SCREEN_RENDER_ANSI_H

#include "screen/render.h"

void render_ansi(const struct emulator *e, render_sink *sink, void *user);

#endif
