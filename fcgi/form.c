#include "fcgi/form.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "screen/utf8.h"

struct piece {
	const char *at, *end;
};

struct output {
	char *bytes;
	size_t size, len;
};

static int
put(struct output *out, const char *bytes, size_t n)
{
	if (out->size - out->len <= n)
		return -EMSGSIZE;
	memcpy(out->bytes + out->len, bytes, n);
	out->len += n;
	return 0;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Takes n hexadecimal digits. */
static bool
take_hex(struct piece *p, int n, uint32_t *value)
{
	*value = 0;
	for (; n > 0; n--) {
		int d = p->at < p->end ? digit(*p->at++) : -1;

		if (d < 0)
			return false;
		*value = *value << 4 | (uint32_t)d;
	}
	return true;
}

static bool
take_text(struct piece *p, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(p->end - p->at) < n || memcmp(p->at, text, n) != 0)
		return false;
	p->at += n;
	return true;
}

/* What stands behind "%u". */
static bool
take_unit(struct piece *p, uint32_t *code)
{
	uint32_t low;

	if (!take_hex(p, 4, code))
		return false;
	if (*code < 0xd800 || *code > 0xdfff)
		return true;
	if (*code > 0xdbff || !take_text(p, "%u") || !take_hex(p, 4, &low) ||
	    low < 0xdc00 || low > 0xdfff)
		return false;
	*code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

static int
decode(struct piece p, struct output *out)
{
	int error = 0;

	while (p.at < p.end && error == 0) {
		uint32_t code;
		char bytes[4];

		if (take_text(&p, "%u")) {
			if (!take_unit(&p, &code))
				return -EINVAL;
			error = put(out, bytes, utf8_put(bytes, code));
			continue;
		}
		bytes[0] = *p.at++;
		if (bytes[0] == '+') {
			bytes[0] = ' ';
		} else if (bytes[0] == '%') {
			if (!take_hex(&p, 2, &code))
				return -EINVAL;
			bytes[0] = (char)code;
		}
		error = put(out, bytes, 1);
	}
	return error;
}

int
form_field(const char *text, size_t text_len, const char *name, char *value,
    size_t size, size_t *len)
{
	struct piece rest = {text, text + text_len};
	struct output out = {value, size, 0};
	bool found = false;
	int error = 0;

	while (rest.at < rest.end && error == 0) {
		size_t n = (size_t)(rest.end - rest.at);
		const char *amp = memchr(rest.at, '&', n);
		struct piece field = {rest.at, amp ? amp : rest.end};

		rest.at = amp ? amp + 1 : rest.end;
		if (!take_text(&field, name) ||
		    (field.at < field.end && *field.at != '='))
			continue;
		if (found)
			return -EINVAL;
		found = true;
		if (field.at < field.end)
			field.at++;
		error = decode(field, &out);
	}
	value[out.len] = '\0';
	*len = out.len;
	return found ? error : -ENOENT;
}
