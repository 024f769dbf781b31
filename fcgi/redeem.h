/* Launch tickets in the place of an identity. */
#ifndef XENTERM_REDEEM_H
#define XENTERM_REDEEM_H

#include <stdbool.h>

struct console;
struct request;
struct ticket;
struct worker;

/*
 * The console that the ticket `text` opens, if it is good for a session at
 * `name` in this mode; *ticket then says whose, and is to be used up when the
 * session is there.  NULL after a problem has been answered: the ticket is as
 * good as before.
 */
struct console *redeem_ticket(struct worker *w, struct request *r,
    const char *text, const char *name, bool may_type, struct ticket *ticket);

#endif
