#include "screen/width.h"

#include <stdbool.h>
#include <stddef.h>

#include "screen/width_table.h"

static bool
is_in(uint32_t code, const struct range *ranges, size_t n)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (code > ranges[middle].last)
			low = middle + 1;
		else if (code < ranges[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

uint8_t
width_of_slow(uint32_t code)
{
	/* Boxes and blocks are what full-screen programs draw with. */
	if (code >= 0x2100 && code < 0x2329)
		return 1;
	if (code >= 0x2500 && code < 0x2e80)
		return 1;
	if (is_in(code, zero, sizeof zero / sizeof *zero))
		return 0;
	return is_in(code, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}
