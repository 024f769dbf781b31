/*
 * A guest's output on its way to the terminal of who is attached.
 *
 * Left out is what a terminal would answer (xenterm-screen answers it, once
 * for all viewers), and what reaches beyond the terminal's screen: clipboard,
 * window, printer, keys, strings that only programs read, and a change to
 * another character set than UTF-8, in which all this could not be seen.
 */
#ifndef XENTERM_FILTER_H
#define XENTERM_FILTER_H

#include <stddef.h>

/* Undoes all that is let through and that would go on behind it: the modes of
 * filter.c, the other screen, colours, margins, character sets, the cursor. */
#define FILTER_RESET                                                      \
	"\033[!p\033[?1049l\033[?9l\033[?1000l\033[?1002l\033[?1003l"     \
	"\033[?1004l\033[?1005l\033[?1006l\033[?1015l\033[?1016l"         \
	"\033[?2004l\033[?2026l\033[?1l\033[?5l\033[?6l\033[?7h\033[?45l" \
	"\033[?69l\033[4l\033[20l\033>\033(B\017\033[0m\033[r\033[0 q"    \
	"\033[?25h"

/* The longest sequence that is let through; those in use are shorter. */
#define FILTER_MAX 256

struct filter {
	int state;	       /* 0 at the beginning */
	char held[FILTER_MAX]; /* of a sequence that has not ended */
	size_t n;
};

/* Writes to out what the terminal gets of the len bytes; out has room for
 * len + FILTER_MAX.  Returns how many they are. */
size_t filter_take(struct filter *f, const char *bytes, size_t len, char *out);

#endif
