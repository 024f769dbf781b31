/*
 * What the user types in `xenterm attach`, and what of it is meant for us:
 * Ctrl-] ends, and so does "~." at the beginning of a line; "~~" there is one
 * '~', and "~?" asks for help.  Any other key after '~' goes with it to the
 * guest.
 */
#ifndef XENTERM_ESCAPE_H
#define XENTERM_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

struct escape {
	bool off;   /* all is for the guest */
	bool later; /* not at the beginning of a line */
	bool tilde; /* a '~' was typed there, and waits for the next key */
};

enum escape_found {
	ESCAPE_NONE,
	ESCAPE_END,  /* what is behind it is not looked at */
	ESCAPE_HELP, /* somewhere in there */
};

/* Takes the len bytes typed and writes those for the guest to out, which has
 * room for len + 1; *n says how many they are. */
enum escape_found escape_take(
    struct escape *e, const char *typed, size_t len, char *out, size_t *n);

#endif
