/*
 * How often an address has come with a token or a ticket that is none.
 *
 * A table of a fixed size.  Only those calls count, and only they are answered
 * otherwise when there are too many: who has a good token is served, whoever
 * else comes from his address.
 */
#ifndef XENTERM_FAILURES_H
#define XENTERM_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

struct failures;

/* NULL when out of memory. */
struct failures *failures_create(void);
/* NULL is fine. */
void failures_destroy(struct failures *all);

/* One more of this address (of IPv6 its first 64 bits count) at `now`, in
 * monotonic milliseconds.  False: more than per_minute have come; they may come
 * at once, or over the minute.  What is no address is not counted. */
bool failures_note(struct failures *all, const char *address,
    unsigned per_minute, uint64_t now);

#endif
