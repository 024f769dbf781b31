/*
 * asciicast v2: a line of JSON for the terminal, and one for each thing that
 * happened, https://docs.asciinema.org/manual/asciicast/v2/.
 *
 * Lines are written to a stdio stream; whether that worked its owner asks it.
 */
#ifndef XENTERM_CAST_H
#define XENTERM_CAST_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A character that is not complete yet; zeroed at the beginning. */
struct cast {
	uint8_t held[4];
	size_t nheld;
};

/* began: seconds since 1970.  title is UTF-8. */
void cast_header(
    FILE *out, unsigned rows, unsigned cols, int64_t began, const char *title);

/* One event: 'm' a marker, 'r' a size, 'i' what was typed.  What is not UTF-8
 * in the len bytes becomes U+FFFD. */
void cast_event(
    FILE *out, double seconds, char code, const void *bytes, size_t len);
/* Output, which may be cut anywhere: a character of which the rest is to come
 * is held back.  Nothing is written when that is all. */
void cast_output(struct cast *cast, FILE *out, double seconds,
    const uint8_t *bytes, size_t len);

#endif
