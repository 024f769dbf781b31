/* The only things the terminal ever says to the guest. */
#ifndef XENTERM_SCREEN_REPLY_H
#define XENTERM_SCREEN_REPLY_H

#include "screen/state.h"

void reply_device(struct emulator *e);	       /* DA1 */
void reply_device_version(struct emulator *e); /* DA2 */
void reply_status(struct emulator *e);	       /* DSR 5 */
void reply_cursor(struct emulator *e);	       /* DSR 6 */

#endif
