/* Launch tickets in the place of an identity. */
#ifndef XENTERM_REDEEM_H
#define XENTERM_REDEEM_H

#include <stdbool.h>
#include <stdint.h>

struct console;
struct request;
struct ticket;
struct worker;

/*
 * The console that the ticket `text` opens, if it is good for a session at
 * `name` in this mode; *ticket then says whose, and is to be used up when the
 * session is there; *rights are what its key may grant, or those of the
 * tickets that are made here: all but taking a console from others; of these
 * what its mode needs.  NULL after a problem has been answered: the ticket is
 * as good as before.
 */
struct console *redeem_ticket(struct worker *w, struct request *r,
    const char *text, const char *name, bool may_type, struct ticket *ticket,
    uint32_t *rights);

#endif
