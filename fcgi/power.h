/*
 * Calls that wait for what a guest says to being asked to shut down or to
 * reboot.  The broker asks (broker/power.h); here is who is to be told.
 */
#ifndef XENTERM_FCGI_POWER_H
#define XENTERM_FCGI_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"

struct console;
struct powers;
struct request;
struct worker;

/* NULL when out of memory. */
struct powers *powers_create(void);
/* No call is parked any more.  NULL is fine. */
void powers_destroy(struct powers *powers);

/* Has the guest of c asked, and answers r when it is known what it says, or
 * that it says nothing. */
void powers_ask(struct worker *w, struct request *r, struct console *c,
    enum power_action action);

/* What the broker says of the call with this number. */
void powers_answer(struct powers *powers, uint32_t number, uint32_t outcome);
/* The broker has gone, and what it would have said. */
void powers_lost(struct powers *powers);

/* "shutdown", "reboot", as the HTTP interface spells them. */
const char *power_action_name(enum power_action action);
bool power_action_parse(const char *text, enum power_action *out);

#endif
