#include "common/number.h"

bool
number_take(const char **text, uint64_t *out)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
	}
	*text = p;
	*out = value;
	return true;
}

bool
number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t value;

	if (!number_take(&text, &value) || *text != '\0')
		return false;
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}
