/* Control sequences: ESC [ ... */
#ifndef XENTERM_SCREEN_CSI_H
#define XENTERM_SCREEN_CSI_H

#include "screen/state.h"

/* collect: the prefix and the intermediates, the last one lowest. */
void csi_dispatch(struct emulator *e, uint32_t collect, char final);

#endif
