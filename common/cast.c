#include "common/cast.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* Not by fprintf(): a guest may print nothing else. */
static void
put_escaped(FILE *out, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char text[] = "\\u0000";

	if (c == '"' || c == '\\') {
		text[1] = (char)c;
		text[2] = '\0';
	} else if (c == '\n' || c == '\r') {
		text[1] = c == '\n' ? 'n' : 'r';
		text[2] = '\0';
	} else {
		text[4] = digits[c >> 4];
		text[5] = digits[c & 15];
	}
	fputs(text, out);
}

/* Of UTF-8 text: what JSON has to have escaped, and DEL. */
static void
put_string(FILE *out, const char *text, size_t len)
{
	size_t done = 0;

	putc('"', out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != 0x7f && c != '"' && c != '\\')
			continue;
		fwrite(text + done, 1, i - done, out);
		done = i + 1;
		put_escaped(out, c);
	}
	fwrite(text + done, 1, len - done, out);
	putc('"', out);
}

static void
put_bytes(FILE *out, const void *bytes, size_t len)
{
	size_t n;
	char *text = text_repair(bytes, len, &n);

	put_string(out, text ? text : "", text ? n : 0);
	free(text);
}

void
cast_header(
    FILE *out, unsigned rows, unsigned cols, int64_t began, const char *title)
{
	fprintf(out,
	    "{\"version\": 2, \"width\": %u, \"height\": %u, "
	    "\"timestamp\": %" PRId64 ", \"title\": ",
	    cols, rows, began);
	put_bytes(out, title, strlen(title));
	fputs(", \"env\": {\"TERM\": \"xterm-256color\"}}\n", out);
}

void
cast_event(FILE *out, double seconds, char code, const void *bytes, size_t len)
{
	fprintf(out, "[%.6f, \"%c\", ", seconds, code);
	put_bytes(out, bytes, len);
	fputs("]\n", out);
}

/* How many bytes a character has that begins so; 1 for all that is no
 * beginning. */
static size_t
character_length(uint8_t lead)
{
	if (lead >= 0xf0 && lead < 0xf5)
		return 4;
	if (lead >= 0xe0 && lead < 0xf0)
		return 3;
	return lead >= 0xc2 && lead < 0xe0 ? 2 : 1;
}

/* Bytes at the end that begin a character and are not all of it. */
static size_t
unfinished(const uint8_t *bytes, size_t len)
{
	for (size_t n = 1; n <= 3 && n <= len; n++) {
		uint8_t c = bytes[len - n];

		if ((c & 0xc0) != 0x80)
			return character_length(c) > n ? n : 0;
	}
	return 0;
}

void
cast_output(struct cast *cast, FILE *out, double seconds, const uint8_t *bytes,
    size_t len)
{
	size_t all = cast->nheld + len, rest;
	uint8_t *joined = malloc(all + 1);

	if (!joined)
		return;
	memcpy(joined, cast->held, cast->nheld);
	if (len > 0)
		memcpy(joined + cast->nheld, bytes, len);
	rest = unfinished(joined, all);
	if (all > rest)
		cast_event(out, seconds, 'o', joined, all - rest);
	memcpy(cast->held, joined + all - rest, rest);
	cast->nheld = rest;
	free(joined);
}
