#include "screen/esc.h"

#include "screen/charset.h"
#include "screen/cursor.h"
#include "screen/erase.h"
#include "screen/grid.h"
#include "screen/modes.h"

#include <string.h>

static void
shift(struct emulator *e, uint8_t level)
{
	e->glevel = level;
	e->charset = e->charsets[level];
}

static void
designate(struct emulator *e, uint8_t level, uint8_t charset)
{
	e->charsets[level] = charset;
	if (e->glevel == level)
		e->charset = charset;
}

static void
set_tab(struct emulator *e)
{
	struct buffer *b = state_active(e);
	uint8_t *tabs = state_at(e, b->tabs);

	tabs[b->x] = 1;
}

static void
next_line(struct emulator *e)
{
	state_active(e)->x = 0;
	cursor_index(e);
}

static void
plain(struct emulator *e, char final)
{
	switch (final) {
	case '7':
		cursor_save(e);
		break;
	case '8':
		cursor_restore(e);
		break;
	case 'D':
		cursor_index(e);
		break;
	case 'E':
		next_line(e);
		break;
	case 'H':
		set_tab(e);
		break;
	case 'M':
		cursor_reverse_index(e);
		break;
	case '=':
		e->modes.application_keypad = true;
		break;
	case '>':
		e->modes.application_keypad = false;
		break;
	case 'c':
		modes_full_reset(e);
		break;
	case 'n':
	case '}':
		shift(e, 2);
		break;
	case 'o':
	case '|':
		shift(e, 3);
		break;
	case '~':
		shift(e, 1);
		break;
	}
}

void
esc_dispatch(struct emulator *e, uint32_t collect, char final)
{
	/* In the order of the level they designate; / is known and ignored. */
	static const char levels[] = "()*+-.";
	static const uint8_t level_of[] = {0, 1, 2, 3, 1, 2};
	const char *level;
	int charset;

	if (collect == 0) {
		plain(e, final);
		return;
	}
	if (collect == '#' && final == '8')
		erase_alignment_test(e);
	if (collect == '%' && (final == '@' || final == 'G')) {
		shift(e, 0);
		designate(e, 0, CHARSET_ASCII);
	}
	if (collect > 0x7f || !(level = strchr(levels, (int)collect)))
		return;
	charset = charset_find(final);
	if (charset >= 0)
		designate(e, level_of[level - levels], (uint8_t)charset);
}

static void
tab(struct emulator *e)
{
	struct buffer *b = state_active(e);

	if (b->x < e->cols)
		b->x = grid_tab_after(e, b, b->x);
}

void
esc_control(struct emulator *e, uint32_t code)
{
	switch (code) {
	case '\n':
	case '\v':
	case '\f':
		cursor_line_feed(e);
		break;
	case '\r':
		state_active(e)->x = 0;
		break;
	case '\b':
		cursor_backspace(e);
		break;
	case '\t':
		tab(e);
		break;
	case 0x0e:
		shift(e, 1);
		break;
	case 0x0f:
		shift(e, 0);
		break;
	case 0x84:
		cursor_index(e);
		break;
	case 0x85:
		next_line(e);
		break;
	case 0x88:
		set_tab(e);
		break;
	}
}
