#include "screen/params.h"

static void
add(struct params *p)
{
	p->digit_is_sub = false;
	if (p->count == PARAMS_MAX) {
		p->reject_digits = true;
		return;
	}
	p->sub_from[p->count] = p->sub_to[p->count] = p->sub_count;
	p->value[p->count++] = 0;
}

static void
add_sub(struct params *p)
{
	p->digit_is_sub = true;
	if (p->reject_digits || p->sub_count == SUBPARAMS_MAX) {
		p->reject_sub_digits = true;
		return;
	}
	p->sub[p->sub_count++] = -1;
	p->sub_to[p->count - 1]++;
}

static void
add_digit(struct params *p, int32_t digit)
{
	int32_t *value;

	if (p->reject_digits || (p->digit_is_sub && p->reject_sub_digits))
		return;
	value = p->digit_is_sub ? &p->sub[p->sub_count - 1]
				: &p->value[p->count - 1];
	if (*value == -1)
		*value = digit;
	else if (*value > (PARAM_VALUE_MAX - digit) / 10)
		*value = PARAM_VALUE_MAX;
	else
		*value = *value * 10 + digit;
}

void
params_reset(struct params *p)
{
	p->count = p->sub_count = 0;
	p->reject_digits = p->reject_sub_digits = false;
	add(p);
}

void
params_put(struct params *p, uint32_t code)
{
	if (code == ';')
		add(p);
	else if (code == ':')
		add_sub(p);
	else
		add_digit(p, (int32_t)code - '0');
}

const uint8_t *
params_take(struct params *p, const uint8_t *bytes, const uint8_t *end)
{
	for (; bytes < end && *bytes >= '0' && *bytes <= ';'; bytes++)
		params_put(p, *bytes);
	return bytes;
}
