/*
 * Sessions: one user at one console in one mode, for a limited time.
 *
 * A session is named by a token of 256 random bits, which is handed out once
 * and kept only as its hash; so the table is worth nothing to who reads it.
 * Sessions outlive the worker: session_keep.h.
 */
#ifndef XENTERM_SESSION_H
#define XENTERM_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "fcgi/grant.h"
#include "fcgi/input_queue.h"

struct config;
struct console;
struct event_base;
struct session;
struct sessions;

/* 64 hexadecimal digits and the NUL; 16 of them and the NUL. */
#define SESSION_TOKEN_TEXT 65
#define SESSION_ID_TEXT	   17

/* NULL when out of memory.  config is borrowed. */
struct sessions *sessions_create(
    struct event_base *base, const struct config *config);
/* The worker ends: those that are kept go on with the next one, and what waits
 * in them is told so; the others are closed.  NULL is fine. */
void sessions_destroy(struct sessions *all);

/* Makes a session and joins it to its console.  0, -EMFILE: the user, the
 * console or the worker has too many, -ENOMEM. */
int session_open(struct sessions *all, struct console *console,
    const char *user, bool may_type, char token[SESSION_TOKEN_TEXT],
    struct session **out);
/* The session of one who has no token and is known by identity alone: a viewer
 * with a name of its own, at most LIMIT_VIEWER_NAME bytes, which tells it from
 * the same user's others at the console.  Found, it counts as used now;
 * otherwise it is made, with session_open()'s errors. */
int session_of_viewer(struct sessions *all, struct console *console,
    const char *user, bool may_type, const char *name, struct session **out);
/* For the audit log: where its first request came from.  The first call says
 * that it was opened; later ones change nothing. */
void session_opened_from(struct session *s, const char *address);
/* By what its user has it; root's admin interface, until it is said.  0 or
 * -ENOMEM. */
int session_set_grant(
    struct session *s, enum grant_kind kind, const char *text);
/* The configuration has changed: closes the sessions whose users may not watch
 * any more; those who may not type any more watch.  What they had typed and the
 * guest has not taken is not typed. */
void sessions_recheck(struct sessions *all);
/* The console's other sessions only watch from now on, and are told by whom;
 * what they had typed and the guest has not taken is not typed. */
void session_take_over(struct session *s);
/* Leaves the console; requests of this session that wait are answered.  What it
 * has typed is typed. */
void session_close(struct session *s);
/* The same, but what the guest has not taken yet is not typed. */
void session_kick(struct session *s);
/* Closes all sessions of a console. */
void sessions_close_console(struct sessions *all, struct console *console);

/* The session of a token; it then counts as used now.  NULL: there is none. */
struct session *session_find(struct sessions *all, const char *token);
size_t sessions_count(const struct sessions *all);
/* One after the other: NULL begins, and ends. */
struct session *sessions_next(
    const struct sessions *all, const struct session *s);

const char *session_id(const struct session *s);
const char *session_user(const struct session *s);
struct console *session_console(const struct session *s);
/* As which it is at its console. */
const struct viewer *session_viewer(const struct session *s);
bool session_may_type(const struct session *s);
/* Wall-clock time of its latest end. */
time_t session_expires(const struct session *s);

/* The number of the last input request that was typed; 0: none yet. */
uint64_t session_seq(const struct session *s);
/* As whom it types its request seq. */
struct input_by session_typist(struct session *s, uint64_t seq);
/* The first call is in the audit log. */
void session_typed(struct session *s, uint64_t seq);

/* What an input's answer has delivered of the console's output: a parked
 * poll need not wake for it.  Of another run: 0. */
uint64_t session_echoed(const struct session *s, uint64_t run);
void session_set_echoed(struct session *s, uint64_t run, uint64_t offset);

/* What it was shown last, for who is told of changes only; nothing yet: 0. */
struct session_shown {
	uint64_t run, generation;
	unsigned format; /* enum screen_format */
};
struct session_shown session_shown(const struct session *s);
void session_set_shown(struct session *s, struct session_shown shown);

/* Counts the polls that wait.  A session without any, that makes no request
 * for LIMIT_ABSENT, is away: it lives on, and is no viewer who is present
 * until it makes one.  False: it has LIMIT_POLLS_PER_SESSION. */
bool session_park(struct session *s);
void session_unpark(struct session *s);

#endif
