/*
 * The screen as HTML: a <pre> with a <span> for each stretch of characters
 * that look the same.
 *
 * All that a guest can put into it is text and which of a fixed set of
 * classes apply: no style, no address, no attribute with its own text.
 *
 *	fN, gN	  text and ground in colour N of the 256 (24-bit colours become
 *		  the nearest), b d i k v h s o: bold, dim, italic, blink,
 *		  inverse, hidden, struck, overlined, uN: underlined (1 single,
 *		  2 double, 3 curly, 4 dotted, 5 dashed), c: the cursor, w: wide
 */
#ifndef XENTERM_SCREEN_RENDER_HTML_H
#define XENTERM_SCREEN_RENDER_HTML_H

#include "screen/render.h"

void render_html(
    const struct emulator *e, uint32_t history, render_sink *sink, void *user);

#endif
