/*
 * Bytes into actions: the state machine that DEC's terminals had, as Paul
 * Williams published it, on top of UTF-8.
 *
 * A sequence can be as long as it likes: what is kept of it has a fixed size.
 */
#ifndef XENTERM_SCREEN_PARSER_H
#define XENTERM_SCREEN_PARSER_H

#include "screen/state.h"

void parser_init(struct emulator *e);
void parser_write(struct emulator *e, const uint8_t *bytes, size_t len);
void parser_reset(struct emulator *e);

#endif
