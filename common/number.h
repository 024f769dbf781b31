/* Strict numbers: digits only, no sign, no space, no overflow, no zeros in
 * front. */
#ifndef XENTERM_NUMBER_H
#define XENTERM_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* All of text is a decimal number from min to max. */
bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* Reads a number at the start of *text and moves *text behind it. */
bool number_take(const char **text, uint64_t *out);

#endif
