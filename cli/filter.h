/*
 * A guest's output on its way to the terminal of who is attached.
 *
 * Left out is what a terminal would answer (xenterm-screen answers it, once
 * for all viewers), and what reaches beyond the terminal's screen: clipboard,
 * window, printer, keys, strings that only programs read.
 */
#ifndef XENTERM_FILTER_H
#define XENTERM_FILTER_H

#include <stddef.h>

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
