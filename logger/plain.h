/*
 * A console's output as lines of plain text: without escape sequences and
 * control characters, nothing of the text left out.
 *
 * A line ends with LF, with a CR that no LF follows, and where the cursor is
 * put into another line.  Backspace takes back a character.
 */
#ifndef XENTERM_PLAIN_H
#define XENTERM_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A longer line is told in pieces. */
#define PLAIN_LINE 4096

/* May be copied, and zeroed at the beginning. */
struct plain {
	uint8_t state;
	bool cr;	/* and nothing after it yet */
	bool piece;	/* what comes goes on in the line before */
	uint64_t at;	/* bytes taken */
	uint64_t clean; /* of them, those after which nothing was held */
	size_t len;
	char line[PLAIN_LINE];
};

/* Called for each line; piece: it goes on in the line told before.  bytes may
 * be no UTF-8. */
typedef void (*plain_line)(
    void *ctx, const char *bytes, size_t len, bool piece);

void plain_take(struct plain *p, const uint8_t *bytes, size_t len,
    plain_line told, void *ctx);

/* Tells what is held of a line of which the rest is to come; within an escape
 * sequence it does nothing. */
void plain_flush(struct plain *p, plain_line told, void *ctx);

#endif
