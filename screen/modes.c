#include "screen/modes.h"

#include "screen/attr.h"
#include "screen/charset.h"
#include "screen/cursor.h"
#include "screen/grid.h"
#include "screen/parser.h"

#include <string.h>

/* What a soft reset brings back. */
static void
reset_modes(struct emulator_modes *m)
{
	*m = (struct emulator_modes){
	    .wraparound = true,
	    .cursor_blink = -1,
	    .newline = m->newline,
	    .cursor_hidden = m->cursor_hidden,
	    .cursor_blink_option = m->cursor_blink_option,
	    .mouse = m->mouse,
	    .mouse_encoding = m->mouse_encoding,
	};
}

static void
reset_charsets(struct emulator *e)
{
	e->charset = CHARSET_ASCII;
	e->glevel = 0;
	memset(e->charsets, CHARSET_ASCII, sizeof e->charsets);
}

void
modes_soft_reset(struct emulator *e)
{
	struct buffer *b = state_active(e);

	e->modes.cursor_hidden = false;
	b->top = 0;
	b->bottom = e->rows - 1;
	e->pen = (struct pen){0};
	e->pen_changed = true;
	reset_modes(&e->modes);
	reset_charsets(e);
	b->saved = (struct saved_cursor){.y = b->ybase};
}

void
modes_full_reset(struct emulator *e)
{
	parser_reset(e);
	e->pen = (struct pen){0};
	e->pen_changed = true;
	e->normal.rows = e->alternate.rows = e->rows;
	e->normal.cols = e->alternate.cols = e->cols;
	grid_clear(e, &e->normal);
	grid_fill(e, &e->normal, 0);
	grid_clear(e, &e->alternate);
	e->normal.saved = e->alternate.saved = (struct saved_cursor){0};
	e->alternate_active = false;
	reset_charsets(e);
	reset_modes(&e->modes);
	e->modes.mouse = EMULATOR_MOUSE_NONE;
	e->modes.mouse_encoding = EMULATOR_MOUSE_DEFAULT;
	grid_touch(e, 0, e->rows - 1);
}

void
modes_alternate(struct emulator *e, bool on)
{
	struct buffer *from = state_active(e);
	struct buffer *to = on ? &e->alternate : &e->normal;

	if (from == to)
		return;
	if (on)
		grid_fill(e, to, attr_erase(e));
	to->x = from->x;
	to->y = from->y;
	if (!on)
		grid_clear(e, from);
	e->alternate_active = on;
	grid_touch(e, 0, e->rows - 1);
}

void
modes_set(struct emulator *e, int32_t mode, bool on)
{
	if (mode == 4)
		e->modes.insert = on;
	else if (mode == 20)
		e->modes.newline = on;
}

static void
switch_screen(struct emulator *e, int32_t mode, bool on)
{
	if (mode == 1049 && on)
		cursor_save(e);
	modes_alternate(e, on);
	if (mode == 1049 && !on)
		cursor_restore(e);
}

static void
set_mouse(struct emulator *e, int32_t mode, bool on)
{
	uint8_t kind = mode == 9      ? EMULATOR_MOUSE_X10
		       : mode == 1000 ? EMULATOR_MOUSE_VT200
		       : mode == 1002 ? EMULATOR_MOUSE_DRAG
				      : EMULATOR_MOUSE_ANY;

	e->modes.mouse = on ? kind : EMULATOR_MOUSE_NONE;
}

static void
set_mouse_encoding(struct emulator *e, int32_t mode, bool on)
{
	uint8_t kind =
	    mode == 1006 ? EMULATOR_MOUSE_SGR : EMULATOR_MOUSE_SGR_PIXELS;

	e->modes.mouse_encoding = on ? kind : EMULATOR_MOUSE_DEFAULT;
}

/* The modes that are a bool and nothing else. */
static bool *
plain_mode(struct emulator_modes *m, int32_t mode)
{
	switch (mode) {
	case 1:
		return &m->application_cursor;
	case 7:
		return &m->wraparound;
	case 12:
		return &m->cursor_blink_option;
	case 45:
		return &m->reverse_wraparound;
	case 66:
		return &m->application_keypad;
	case 1004:
		return &m->send_focus;
	case 2004:
		return &m->bracketed_paste;
	case 2026:
		return &m->synchronized;
	default:
		return NULL;
	}
}

void
modes_set_private(struct emulator *e, int32_t mode, bool on)
{
	bool *plain = plain_mode(&e->modes, mode);

	if (plain) {
		*plain = on;
		return;
	}
	switch (mode) {
	case 2:
		if (on) {
			memset(e->charsets, CHARSET_ASCII, sizeof e->charsets);
			e->charset = CHARSET_ASCII;
		}
		break;
	case 6:
		e->modes.origin = on;
		cursor_set(e, 0, 0);
		break;
	case 9:
	case 1000:
	case 1002:
	case 1003:
		set_mouse(e, mode, on);
		break;
	case 1006:
	case 1016:
		set_mouse_encoding(e, mode, on);
		break;
	case 25:
		e->modes.cursor_hidden = !on;
		break;
	case 47:
	case 1047:
	case 1049:
		switch_screen(e, mode, on);
		break;
	case 1048:
		if (on)
			cursor_save(e);
		else
			cursor_restore(e);
		break;
	}
}

void
modes_cursor_style(struct emulator *e, int32_t style)
{
	static const uint8_t styles[] = {0, EMULATOR_CURSOR_BLOCK,
	    EMULATOR_CURSOR_BLOCK, EMULATOR_CURSOR_UNDERLINE,
	    EMULATOR_CURSOR_UNDERLINE, EMULATOR_CURSOR_BAR,
	    EMULATOR_CURSOR_BAR};

	if (style == 0) {
		e->modes.cursor_style = EMULATOR_CURSOR_UNSET;
		e->modes.cursor_blink = -1;
		return;
	}
	if (style < (int32_t)sizeof styles)
		e->modes.cursor_style = styles[style];
	e->modes.cursor_blink = style % 2 == 1;
}
