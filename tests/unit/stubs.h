/*
 * What several unit tests put in the place of what lies beneath their module,
 * and how they turn the loop.  Each part is linked where it is wanted, see
 * Makefile.inc.
 */
#ifndef XENTERM_STUBS_H
#define XENTERM_STUBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console_owner;
struct event_base;

/* stub_log.c: common/log.h, silent.  An error fails the test, unless it is
 * one of those that stub_allow_errors() allows. */
void stub_allow_errors(bool allow);
/* Since the last stub_allow_errors(). */
int stub_errors(void);

/* stub_conn.c: conn_park() of fcgi/server.h; no peer ever leaves. */

/* stub_owner.c: an owner of consoles that counts what it is told. */
struct stub_told {
	int hangups, wanted;
	uint32_t serial; /* of the last hangup */
	size_t nviewers; /* when it was told last */
};

extern const struct console_owner stub_owner;
extern struct stub_told stub_told;

/* loop.c: turns the loop until done(arg) is true, also when nothing happens
 * in between; after so many seconds the test has failed. */
void loop_until(
    struct event_base *base, bool (*done)(void *arg), void *arg, int seconds);

/* fds.c: the open descriptors of this process. */
int count_fds(void);

#endif
