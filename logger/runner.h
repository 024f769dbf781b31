/*
 * The process that calls the hooks, so that the one that reads what guests
 * print needs neither programs nor the network.
 *
 * It makes one call after the other, each for RUNNER_SECONDS at most.  Which
 * ones there are it knows from the configuration that it was started with: it
 * is told a number and the event, and no more.
 */
#ifndef XENTERM_RUNNER_H
#define XENTERM_RUNNER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RUNNER_SECONDS 10

/* The longest event: a line of a log, all of which JSON escapes. */
#define RUNNER_BODY (32 * 1024)

/* What comes by the socket, and behind it the event's len bytes. */
struct runner_call {
	uint32_t hook, len;
};

struct config_hook;

/* In the process: until the other end of sock, a stream, is shut down.  Then
 * what is under way comes to its end, and what waits is given up. */
_Noreturn void runner_run(
    int sock, const struct config_hook *hooks, size_t count);

#endif
