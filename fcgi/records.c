#include "fcgi/records.h"

#include <stdbool.h>
#include <string.h>

#include "common/limits.h"

/* The stream of parameters: pairs of two lengths, a name and a value. */
struct pairs {
	uint8_t lengths[8];
	size_t have; /* bytes of the lengths */
	size_t left; /* of the name and the value */
};

/* A length has one byte, or four. */
static size_t
size_of(const uint8_t *length)
{
	return *length & 0x80 ? 4 : 1;
}

static size_t
value_of(const uint8_t *length)
{
	if (size_of(length) == 1)
		return *length;
	return (size_t)(*length & 0x7f) << 24 | (size_t)length[1] << 16 |
	       (size_t)length[2] << 8 | length[3];
}

/* One more byte of the lengths. */
static void
take_length(struct pairs *p, uint8_t byte)
{
	const uint8_t *value;

	p->lengths[p->have++] = byte;
	value = p->lengths + size_of(p->lengths);
	if (p->lengths + p->have <= value ||
	    p->lengths + p->have < value + size_of(value))
		return;
	p->left = value_of(p->lengths) + value_of(value);
	p->have = 0;
}

/* False: what comes is longer than a request. */
static bool
take_pairs(struct pairs *p, const uint8_t *bytes, size_t len)
{
	while (len > 0 && p->left <= LIMIT_REQUEST) {
		size_t n = 1;

		if (p->left > 0) {
			n = p->left < len ? p->left : len;
			p->left -= n;
		} else if (p->have == 0 && len > 1 &&
			   !((bytes[0] | bytes[1]) & 0x80)) {
			/* As nearly all are. */
			p->left = (size_t)bytes[0] + bytes[1];
			n = 2;
		} else {
			take_length(p, *bytes);
		}
		bytes += n;
		len -= n;
	}
	return p->left <= LIMIT_REQUEST;
}

/* A record of the one request: of its number, which is not 0, and of a kind
 * that a web server sends in its place. */
static bool
is_expected(const uint8_t *record, const uint8_t *first)
{
	uint8_t kind = record[1];

	return record[0] == RECORD_VERSION && (first[2] || first[3]) &&
	       memcmp(record + 2, first + 2, 2) == 0 &&
	       (record == first
		       ? kind == RECORD_BEGIN
		       : kind == RECORD_PARAMS || kind == RECORD_STDIN);
}

enum request_progress
records_look(const uint8_t *bytes, size_t len)
{
	struct pairs pairs = {.have = 0};
	size_t at = 0;

	while (at + RECORD_HEADER <= len) {
		const uint8_t *h = bytes + at;
		size_t content = (size_t)h[4] << 8 | h[5];
		size_t there = len - at - RECORD_HEADER;

		if (!is_expected(h, bytes))
			return REQUEST_BROKEN;
		if (h[1] == RECORD_PARAMS &&
		    !take_pairs(&pairs, h + RECORD_HEADER,
			content < there ? content : there))
			return REQUEST_BROKEN;
		/* They end where the last pair does. */
		if (h[1] != RECORD_BEGIN && content == 0 &&
		    (pairs.have > 0 || pairs.left > 0))
			return REQUEST_BROKEN;
		if (h[1] == RECORD_STDIN && content == 0)
			return REQUEST_WHOLE;
		at += RECORD_HEADER + content + h[6];
	}
	return REQUEST_PART;
}
