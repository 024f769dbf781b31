#include "cli/frame.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#define HEAD   5
#define OFFSET 8

bool
frame_take(const char *body, size_t len, size_t *at, struct frame *out)
{
	uint32_t size;

	if (len - *at < HEAD)
		return false;
	out->type = body[*at];
	memcpy(&size, body + *at + 1, sizeof size);
	size = ntohl(size);
	if (size > len - *at - HEAD)
		return false;
	out->bytes = body + *at + HEAD;
	out->len = size;
	*at += HEAD + size;
	if (out->type == 'j')
		return true;
	if ((out->type != 'o' && out->type != 's') || size < OFFSET)
		return false;
	out->bytes += OFFSET;
	out->len -= OFFSET;
	return true;
}
