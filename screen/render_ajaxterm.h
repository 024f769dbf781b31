/*
 * The screen as AjaxTerm's pages expect it: an XML document of one <pre> with
 * a <span class="fN bM"> for each stretch of cells that look the same, across
 * the ends of rows.
 *
 * f0 to f15 is the text's colour, b0 to b7 the ground's; nothing else about a
 * cell can be said, so all colours become the nearest of these, bold a bright
 * text, and inverse text its colours exchanged.  The cursor is f7 b1.  A row
 * has all its columns, and '\n' stands between two rows.
 *
 * It is ASCII, whatever encoding it is read in: other characters are numeric
 * references, and those that XML 1.0 has not are U+FFFD.
 */
#ifndef XENTERM_SCREEN_RENDER_AJAXTERM_H
#define XENTERM_SCREEN_RENDER_AJAXTERM_H

#include "screen/render.h"

/* colours false: only the cursor looks different. */
void render_ajaxterm(
    const struct emulator *e, bool colours, render_sink *sink, void *user);

#endif
