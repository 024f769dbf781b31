#include "common/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Takes one character at p, of at least 1 byte before the NUL, and returns
 * its length; 0 when it is not UTF-8 (RFC 3629: no surrogates, no overlong
 * forms, nothing above U+10FFFF).
 */
static size_t
take_char(const unsigned char *p, uint32_t *out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = *p < 0x80	       ? 1
		     : *p >> 5 == 0x6  ? 2
		     : *p >> 4 == 0xe  ? 3
		     : *p >> 3 == 0x1e ? 4
				       : 0;
	uint32_t c;

	if (len == 0)
		return 0;
	c = len == 1 ? *p : *p & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*out = c;
	return len;
}

bool
text_is_clean(const char *text, size_t max)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t size = strlen(text);

	if (size == 0 || size > max)
		return false;
	while (*p) {
		uint32_t c;
		size_t len = take_char(p, &c);

		if (len == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
			return false;
		p += len;
	}
	return true;
}

char *
text_repair(const uint8_t *bytes, size_t len, size_t *n)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	/* With a NUL behind it, where take_char() stops. */
	unsigned char *in = malloc(len + 1);
	char *out = malloc(3 * len + 1), *to = out;
	uint32_t c;

	if (!in || !out) {
		free(in);
		free(out);
		return NULL;
	}
	if (len > 0) /* else bytes may be NULL */
		memcpy(in, bytes, len);
	in[len] = '\0';
	for (size_t at = 0; at < len;) {
		size_t size = take_char(in + at, &c);

		if (size == 0) {
			memcpy(to, replacement, 3);
			to += 3;
			at++;
			continue;
		}
		memcpy(to, in + at, size);
		to += size;
		at += size;
	}
	free(in);
	*to = '\0';
	*n = (size_t)(to - out);
	return out;
}

void
text_as_file_name(const char *name, char *out, size_t size)
{
	size_t n = 0;

	for (; *name && n + 4 < size; name++) {
		unsigned char c = (unsigned char)*name;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '_' || c == '-' ||
			     (c == '.' && n > 0);

		if (plain)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 4, "%%%02X", c);
	}
	out[n] = '\0';
}

/* \uXXXX, or two of them; returns how many bytes that are. */
static size_t
put_escape(char *to, uint32_t c)
{
	if (c < 0x10000)
		return (size_t)sprintf(to, "\\u%04x", (unsigned)c);
	c -= 0x10000;
	return (size_t)sprintf(to, "\\u%04x\\u%04x",
	    (unsigned)(0xd800 + (c >> 10)), (unsigned)(0xdc00 + (c & 0x3ff)));
}

char *
text_escape_json(const uint8_t *json, size_t len, size_t *n)
{
	/* With a NUL behind it, where take_char() stops. */
	unsigned char *in = malloc(len + 1);
	/* Two bytes become six at most, and sprintf() adds a NUL. */
	char *out = malloc(3 * len + 7), *to = out;
	bool backslash = false, ok = in && out;
	uint32_t c = 0;

	if (ok && len > 0) /* else json may be NULL */
		memcpy(in, json, len);
	if (ok)
		in[len] = '\0';
	for (size_t at = 0; ok && at < len;) {
		size_t size = take_char(in + at, &c);

		if (size == 1)
			*to++ = (char)c;
		else if (size > 1 && !backslash)
			to += put_escape(to, c);
		else
			ok = false;
		backslash = c == '\\' && !backslash;
		at += size;
	}
	free(in);
	if (!ok) {
		free(out);
		return NULL;
	}
	*to = '\0';
	*n = (size_t)(to - out);
	return out;
}
