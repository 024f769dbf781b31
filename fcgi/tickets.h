/*
 * Launch tickets: each opens one session, once and soon, of one user at one
 * console in one mode, for who has no identity from nginx.
 *
 * There are two kinds.  Those made here (for the admin interface) are 256
 * random bits, kept as a hash until they are used, revoked or too old, and
 * gone with this process.  Those signed by a panel are JSON Web Tokens, of
 * which nothing is known before they come; once used, their "jti" is kept as
 * long as they could come again.
 *
 * A process that starts knows of no use before it.  So it takes only signed
 * tickets that were issued after it started, by more than clocks may differ:
 * those the one before it took none of.  Time that goes back (the clock was
 * set) does not count: it stands still until it is over.
 */
#ifndef XENTERM_TICKETS_H
#define XENTERM_TICKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/limits.h"

struct config_ticket_key;
struct ticket_keys;
struct tickets;

#define TICKET_HASH_BYTES 32

/* 64 hexadecimal digits and the NUL; 16 of them and the NUL. */
#define TICKET_TEXT    65
#define TICKET_ID_TEXT 17

/* What a good ticket is good for. */
struct ticket {
	char console[LIMIT_STRING + 1]; /* its id, or a name */
	char user[LIMIT_USER + 1];
	bool may_type;
	char id[LIMIT_STRING + 1]; /* for the log; it opens nothing */
	/* The key that has signed it; NULL: it was made here. */
	const struct config_ticket_key *key;
	uint8_t hash[TICKET_HASH_BYTES]; /* names it for tickets_use() */
};

/* keys are borrowed.  NULL when out of memory. */
struct tickets *tickets_create(const struct ticket_keys *keys);
/* Other keys from now on; what was used stays so. */
void tickets_set_keys(struct tickets *all, const struct ticket_keys *keys);
/* NULL is fine. */
void tickets_destroy(struct tickets *all);

/* Makes one of ticket's console, user and mode, for some seconds, and sets
 * its id and hash.  0; -EMFILE: LIMIT_TICKETS wait already; -ENOMEM. */
int tickets_make(struct tickets *all, struct ticket *ticket, unsigned seconds,
    char text[TICKET_TEXT], time_t *expires);
/* Of the tickets made here.  False: there is none of this id any more. */
bool tickets_revoke(struct tickets *all, const char *id);

/*
 * What text is good for.  NULL when it is; else why not, as the end of a
 * sentence that begins with "This ticket".  It can be asked again.
 */
const char *tickets_check(
    struct tickets *all, const char *text, struct ticket *ticket);
/* From now on it is good for nothing.  0; -EMFILE: too many were used lately
 * to remember one more, so it must not be granted; -ENOMEM: likewise. */
int tickets_use(struct tickets *all, const struct ticket *ticket);

#endif
