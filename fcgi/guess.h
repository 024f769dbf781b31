/* Requests with a token or a ticket that is none. */
#ifndef XENTERM_GUESS_H
#define XENTERM_GUESS_H

#include <stdbool.h>

struct request;
struct worker;

/* To be called with each.  False: its address has had too many, which is
 * answered with 429. */
bool guess_counted(struct worker *w, struct request *r);

#endif
