/* The frames of GET output (docs/protocol.md, 1.4), taken apart. */
#ifndef XENTERM_FRAME_H
#define XENTERM_FRAME_H

#include <stdbool.h>
#include <stddef.h>

struct frame {
	char type;	   /* 'o', 's' or 'j' */
	const char *bytes; /* of the payload; without the offset of o and s */
	size_t len;
};

/* Takes the frame at *at out of body and moves *at behind it.  False: there is
 * none, or it is not whole. */
bool frame_take(const char *body, size_t len, size_t *at, struct frame *out);

#endif
