/* The character sets that can be designated to G0-G3, as xterm.js has them. */
#ifndef XENTERM_SCREEN_CHARSET_H
#define XENTERM_SCREEN_CHARSET_H

#include <stdint.h>

#define CHARSET_ASCII 0

/* By the final byte of the designation; -1 when there is none. */
int charset_find(char final);
/* The final byte that names it, the first of several. */
char charset_name(uint8_t charset);
/* What to print for an ASCII character; itself when nothing replaces it. */
uint32_t charset_map(uint8_t charset, uint32_t code);
/* An ASCII character that prints as code, or 0. */
uint32_t charset_unmap(uint8_t charset, uint32_t code);

#endif
