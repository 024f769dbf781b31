#include "common/console_key.h"

#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "common/number.h"

#define UUID_TEXT 36

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
console_uuid_parse(const char *text, uint8_t out[16])
{
	size_t at = 0;

	if (strlen(text) != UUID_TEXT)
		return false;
	for (int i = 0; i < 16; i++) {
		int high, low;

		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (text[at++] != '-')
				return false;
		high = hex_digit(text[at++]);
		low = hex_digit(text[at++]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

const char *
console_kind_name(uint32_t kind)
{
	return kind == CONSOLE_SERIAL ? "serial" : "pv";
}

bool
console_kind_parse(const char *text, uint32_t *kind, uint32_t *number)
{
	uint64_t value;

	if (strncmp(text, "pv", 2) == 0) {
		*kind = CONSOLE_PV;
		text += 2;
	} else if (strncmp(text, "serial", 6) == 0) {
		*kind = CONSOLE_SERIAL;
		text += 6;
	} else {
		return false;
	}
	if (!number_parse(text, 0, LIMIT_CONSOLES_OF_KIND - 1, &value))
		return false;
	*number = (uint32_t)value;
	return true;
}

bool
console_key_parse(const char *text, struct console_key *out)
{
	char uuid[UUID_TEXT + 1];

	if (strlen(text) < UUID_TEXT + 1 || text[UUID_TEXT] != '/')
		return false;
	memcpy(uuid, text, UUID_TEXT);
	uuid[UUID_TEXT] = '\0';
	return console_uuid_parse(uuid, out->uuid) &&
	       console_kind_parse(
		   text + UUID_TEXT + 1, &out->kind, &out->number);
}

void
console_key_format(const struct console_key *key, char out[CONSOLE_KEY_TEXT])
{
	const uint8_t *u = key->uuid;

	snprintf(out, CONSOLE_KEY_TEXT,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x/%s%u",
	    u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10],
	    u[11], u[12], u[13], u[14], u[15], console_kind_name(key->kind),
	    key->number);
}
