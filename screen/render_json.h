/*
 * The screen as JSON, for programs:
 *
 *	{"rows":24,"cols":80,"generation":7,"alternate":false,"title":"",
 *	 "cursor":{"row":0,"col":2,"hidden":false},
 *	 "lines":[{"row":0,"wrapped":false,"spans":[
 *	  {"text":"$ ","cols":2,"fg":2,"bg":"#204060","bold":true,
 *	   "underline":"curly"}]}]}
 *
 * Rows above the screen have negative numbers.  What is not so is left out.
 */
#ifndef XENTERM_SCREEN_RENDER_JSON_H
#define XENTERM_SCREEN_RENDER_JSON_H

#include "screen/render.h"

/* Of the screen only the rows that have changed after generation since; of
 * the history all that was asked for. */
void render_json(const struct emulator *e, uint32_t history, uint64_t since,
    render_sink *sink, void *user);

#endif
