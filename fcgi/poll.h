/* A request that waits for a console's output, events, or echo. */
#ifndef XENTERM_POLL_H
#define XENTERM_POLL_H

#include <stdint.h>

#include "fcgi/position.h"

struct request;

/* Answers r with what comes after from, or parks it for up to ms. */
void poll_output(struct request *r, const struct position *from, unsigned ms);

/* The answer to input number seq: the output after from, waited for up to
 * ms.  It is asked before the session's parked polls, and what it delivers
 * does not wake them. */
void poll_echo(
    struct request *r, const struct position *from, uint64_t seq, unsigned ms);

#endif
