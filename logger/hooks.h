/*
 * Telling others what happens: an HTTP request, or a command, for each event
 * that a hook of the configuration asks for.
 *
 * A process of its own does that (logger/runner.h).  What happens too often for
 * a hook, or while too much waits, is counted and told of with the next one.
 * Nobody waits for any of it.
 */
#ifndef XENTERM_HOOKS_H
#define XENTERM_HOOKS_H

#include <stddef.h>
#include <stdint.h>

struct config;
struct event_base;
struct hooks;

/* What happened, and where; line NULL: no line did it. */
struct hook_event {
	const char *event; /* "up", ..., "line" */
	const char *console, *name, *guest;
	uint32_t domid;
	const char *line, *by;
	uint64_t seconds; /* of silence */
};

/* config is borrowed.  Starts the process, if there are hooks: before this one
 * is confined.  Ends the program when a pattern is wrong. */
struct hooks *hooks_create(
    const struct config *config, struct event_base *base);
/* What waits is given up; what is under way is waited for.  NULL is fine. */
void hooks_destroy(struct hooks *hooks);

/* An event other than "line". */
void hooks_tell(struct hooks *hooks, const struct hook_event *event);
/* The event "line", for those whose patterns match it. */
void hooks_line(struct hooks *hooks, const struct hook_event *event);

#endif
