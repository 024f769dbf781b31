/* How many columns a character takes, by xterm.js' default rules. */
#ifndef XENTERM_SCREEN_WIDTH_H
#define XENTERM_SCREEN_WIDTH_H

#include <stdint.h>

/* 0, 1 or 2, for what is printable: not for control characters. */
uint8_t width_of_slow(uint32_t code);

static inline uint8_t
width_of(uint32_t code)
{
	return code < 0x300 ? 1 : width_of_slow(code);
}

#endif
