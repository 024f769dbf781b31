/* The console that a request names, and what its user may do there. */
#ifndef XENTERM_LOOKUP_H
#define XENTERM_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct console;
struct request;
struct worker;

/* What is not found is not there.  False: the guests are not known yet, which
 * has been answered. */
bool lookup_is_final(struct worker *w, struct conn *conn);

/* By id or name, as consoles_lookup().  NULL when there is none, or none that
 * the user may list, which look the same: the request has been answered. */
struct console *lookup_console(
    struct worker *w, struct request *r, const char *name, uint32_t *rights);

/* Answers a request for a console that was not found, of one who may list
 * all of them. */
void lookup_failed(struct worker *w, struct conn *conn);

#endif
