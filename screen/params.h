/* The numbers of a control sequence, while they come in. */
#ifndef XENTERM_SCREEN_PARAMS_H
#define XENTERM_SCREEN_PARAMS_H

#include "screen/state.h"

/* One parameter, 0. */
void params_reset(struct params *p);
/* A digit, a semicolon or a colon. */
void params_put(struct params *p, uint32_t code);
/* All of those that come next; returns where they end. */
const uint8_t *params_take(
    struct params *p, const uint8_t *bytes, const uint8_t *end);

#endif
