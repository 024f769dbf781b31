#include "screen/charset.h"

#include <stddef.h>
#include <string.h>

/*
 * The characters that national sets replace, in the order of the strings
 * below.  An empty place: not replaced.
 */
static const char replaced[] = "#@[\\]^_`{|}~";

struct charset {
	const char *names; /* final bytes */
	uint16_t codes[sizeof replaced - 1];
};

static const struct charset charsets[] = {
    /* names     #     @     [     \     ]     ^     _     `     {     |     }
       ~ */
    {"B", {0}},
    {"0", {0}}, /* DEC graphics: a table of its own */
    {"A", {0xa3}},
    {"4", {0xa3, 0xbe, 'i', 0xbd, '|', 0, 0, 0, 0xa8, 'f', 0xbc, 0xb4}},
    {"C5", {0, 0, 0xc4, 0xd6, 0xc5, 0xdc, 0, 0xe9, 0xe4, 0xf6, 0xe5, 0xfc}},
    {"R", {0xa3, 0xe0, 0xb0, 0xe7, 0xa7, 0, 0, 0, 0xe9, 0xf9, 0xe8, 0xa8}},
    {"Q", {0, 0xe0, 0xe2, 0xe7, 0xea, 0xee, 0, 0xf4, 0xe9, 0xf9, 0xe8, 0xfb}},
    {"K", {0, 0xa7, 0xc4, 0xd6, 0xdc, 0, 0, 0, 0xe4, 0xf6, 0xfc, 0xdf}},
    {"Y", {0xa3, 0xa7, 0xb0, 0xe7, 0xe9, 0, 0, 0xf9, 0xe0, 0xf2, 0xe8, 0xec}},
    {"E6", {0, 0xc4, 0xc6, 0xd8, 0xc5, 0xdc, 0, 0xe4, 0xe6, 0xf8, 0xe5, 0xfc}},
    {"Z", {0xa3, 0xa7, 0xa1, 0xd1, 0xbf, 0, 0, 0, 0xb0, 0xf1, 0xe7, 0}},
    {"H7", {0, 0xc9, 0xc4, 0xd6, 0xc5, 0xdc, 0, 0xe9, 0xe4, 0xf6, 0xe5, 0xfc}},
    {"=", {0xf9, 0xe0, 0xe9, 0xe7, 0xea, 0xee, 0xe8, 0xf4, 0xe4, 0xf6, 0xfc,
	      0xfb}},
};

#define COUNT	 (sizeof charsets / sizeof *charsets)
#define GRAPHICS 1

/* From '`' to '~'. */
static const uint16_t graphics[] = {0x25c6, 0x2592, 0x2409, 0x240c, 0x240d,
    0x240a, 0xb0, 0xb1, 0x2424, 0x240b, 0x2518, 0x2510, 0x250c, 0x2514, 0x253c,
    0x23ba, 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524, 0x2534, 0x252c,
    0x2502, 0x2264, 0x2265, 0x3c0, 0x2260, 0xa3, 0xb7};

int
charset_find(char final)
{
	for (size_t i = 0; i < COUNT; i++)
		if (final && strchr(charsets[i].names, final))
			return (int)i;
	return -1;
}

char
charset_name(uint8_t charset)
{
	return charsets[charset < COUNT ? charset : 0].names[0];
}

uint32_t
charset_map(uint8_t charset, uint32_t code)
{
	const char *place;

	if (charset == CHARSET_ASCII || charset >= COUNT || code >= 127 ||
	    code < 0x20)
		return code;
	if (charset == GRAPHICS)
		return code < '`' ? code : graphics[code - '`'];
	place = strchr(replaced, (int)code);
	if (!place || !charsets[charset].codes[place - replaced])
		return code;
	return charsets[charset].codes[place - replaced];
}

uint32_t
charset_unmap(uint8_t charset, uint32_t code)
{
	if (charset_map(charset, code) == code)
		return code;
	for (uint32_t from = 0x20; from < 127; from++)
		if (charset_map(charset, from) == code)
			return from;
	return 0;
}
