#include "screen/ansi.h"

static void
put_mode(struct ansi *a, int mode, bool on)
{
	if (on)
		ansi_printf(a, "\033[?%dh", mode);
}

static void
put_mouse(struct ansi *a, const struct emulator_modes *m)
{
	static const int trackings[] = {0, 9, 1000, 1002, 1003};
	static const int encodings[] = {0, 1006, 1016};

	put_mode(a, trackings[m->mouse], m->mouse != EMULATOR_MOUSE_NONE);
	put_mode(a, encodings[m->mouse_encoding],
	    m->mouse_encoding != EMULATOR_MOUSE_DEFAULT);
}

static void
put_cursor_style(struct ansi *a, const struct emulator_modes *m)
{
	int style = m->cursor_style * 2 - (m->cursor_blink == 1);

	if (m->cursor_style == EMULATOR_CURSOR_UNSET) {
		if (m->cursor_blink < 0)
			return;
		style = m->cursor_blink ? 7 : 8;
	}
	ansi_printf(a, "\033[%d q", style);
}

/* Those in the first lines are not reset by a reset: said in any case. */
void
ansi_modes(struct ansi *a)
{
	const struct emulator_modes *m = &a->e->modes;

	ansi_printf(a, "\033[20%c\033[?12%c\033[?25%c", m->newline ? 'h' : 'l',
	    m->cursor_blink_option ? 'h' : 'l', m->cursor_hidden ? 'l' : 'h');
	put_mode(a, 1, m->application_cursor);
	put_mode(a, 66, m->application_keypad);
	put_mode(a, 2004, m->bracketed_paste);
	put_mode(a, 45, m->reverse_wraparound);
	put_mode(a, 1004, m->send_focus);
	put_mode(a, 2026, m->synchronized);
	if (!m->wraparound)
		ansi_printf(a, "\033[?7l");
	if (m->insert)
		ansi_printf(a, "\033[4h");
	put_mouse(a, m);
	put_cursor_style(a, m);
	put_mode(a, 6, m->origin);
}
