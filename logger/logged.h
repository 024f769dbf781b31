/*
 * One console that is logged: its text log, its recording, where both stand
 * (the file `state`), and what the hooks are told of it.
 *
 * All is in a folder of its own (folder.h).
 */
#ifndef XENTERM_LOGGED_H
#define XENTERM_LOGGED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct event_base;
struct hooks;
struct json_object;
struct link;
struct logged;

/* What all of them share. */
struct logger {
	const struct config *config;
	struct event_base *base;
	struct hooks *hooks;
	struct link *link;
};

/* first: what the worker said of it (docs/protocol.md, 5).  NULL: it is not
 * valid, or out of memory. */
struct logged *logged_create(
    const struct logger *logger, struct json_object *first);
/* What is under way is saved.  NULL is fine. */
void logged_destroy(struct logged *l);

const char *logged_id(const struct logged *l);

/* The worker knows it by this number, and says what it is now. */
void logged_update(struct logged *l, uint32_t number, struct json_object *now);
/* Another worker is there, which numbers them anew. */
void logged_forget_number(struct logged *l);
/* The worker has forgotten it. */
void logged_removed(struct logged *l);
void logged_output(struct logged *l, uint64_t run, uint64_t offset,
    const uint8_t *bytes, size_t len);
void logged_input(struct logged *l, const uint8_t *bytes, size_t len);
void logged_snapshot(struct logged *l, uint64_t run, uint64_t offset,
    const uint8_t *bytes, size_t len);

/* Opens its log anew: somebody has moved it. */
void logged_reopen(struct logged *l);
/* Removes what is too old; a recording that is a day old is ended, and
 * another begun.  Once a day. */
void logged_tidy(struct logged *l);

#endif
