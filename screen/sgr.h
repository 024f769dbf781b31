/* SGR: what characters look like from now on. */
#ifndef XENTERM_SCREEN_SGR_H
#define XENTERM_SCREEN_SGR_H

#include "screen/state.h"

void sgr_apply(struct emulator *e, const struct params *p);

#endif
