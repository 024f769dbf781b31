/* Where a viewer stands: RUN.OFFSET.EVENT, opaque to clients. */
#ifndef XENTERM_POSITION_H
#define XENTERM_POSITION_H

#include <stdbool.h>
#include <stdint.h>

struct position {
	uint64_t run;	 /* of the ring; 0: none yet */
	uint64_t offset; /* bytes of output that the viewer has */
	uint64_t event;	 /* the last event it was told */
};

/* A viewer that named no EVENT: it is told of those from now on. */
#define POSITION_NO_EVENT UINT64_MAX

/* Three numbers of at most 20 digits, two dots and the NUL. */
#define POSITION_TEXT 63

void position_format(const struct position *pos, char out[POSITION_TEXT]);
/* RUN.OFFSET or RUN.OFFSET.EVENT, and nothing else. */
bool position_parse(const char *text, struct position *out);

#endif
