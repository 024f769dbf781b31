/* Consoles and sessions as the HTTP interface shows them. */
#ifndef XENTERM_JSON_VIEW_H
#define XENTERM_JSON_VIEW_H

#include <stdbool.h>
#include <stdint.h>

struct console;
struct json_object;
struct session;

/* Each returns a new object, which is the caller's.  NULL: out of memory. */
struct json_object *json_state_event(const struct console *c);
struct json_object *json_viewers_event(const struct console *c);
struct json_object *json_size_event(const struct console *c);
/* All but one session only watch now. */
struct json_object *json_mode_event(const struct console *c);
/* The viewer has lost the right to type. */
struct json_object *json_narrowed_event(void);
/* The viewer gets raw output instead of a screen. */
struct json_object *json_raw_notice(void);
/* Some of what was typed will not reach the guest. */
struct json_object *json_lost_notice(const struct console *c);

struct json_object *json_console(const struct console *c, uint32_t rights);
struct json_object *json_session(const struct session *s);
/* What who made a session may do, for a page to offer no more. */
struct json_grant {
	uint32_t rights; /* RIGHT_… of the user, on this console */
	bool sysrq;	 /* the console has that key */
};
/* A session that was just made, with its token. */
struct json_object *json_new_session(
    const struct session *s, const struct json_grant *grant, const char *token);

/* As root sees it: with its ring and all of its viewers. */
struct json_object *json_admin_console(const struct console *c);
struct json_object *json_admin_session(const struct session *s);

/* {"rows", "cols"} */
struct json_object *json_size(const struct console *c);

#endif
