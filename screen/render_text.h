/* The screen as plain text, UTF-8: a line for each row, without attributes
 * and without blanks at the end. */
#ifndef XENTERM_SCREEN_RENDER_TEXT_H
#define XENTERM_SCREEN_RENDER_TEXT_H

#include "screen/render.h"

/* history: so many lines above the screen, too. join: a line that had wrapped
 * is one line again. */
void render_text(const struct emulator *e, uint32_t history, bool join,
    render_sink *sink, void *user);

#endif
