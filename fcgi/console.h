/*
 * One guest console in the worker: its ring and pty while it is held, what
 * happened to it, who watches it, and the requests that wait for it.
 */
#ifndef XENTERM_CONSOLE_H
#define XENTERM_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "fcgi/console_store.h"

struct console;
struct event_base;
struct ring;
struct screen;
struct snapshot_image;
struct spawner;
struct waiters;

/* Somebody attached; embedded in the session. */
struct viewer {
	const char *session, *user;
	bool may_type;
	bool away; /* console_set_away() changes it; false when it joins */
	uint64_t narrowed; /* the event after which it was; 0: it was not */
	struct viewer *prev, *next;
};

/* What console.c asks of its owner. */
struct console_owner {
	/* The pty with this serial has been read to its end. */
	void (*hangup)(void *ctx, struct console *c, uint32_t serial);
	/* The first viewer came, or the last one left. */
	void (*wanted)(void *ctx, struct console *c);
	void *ctx;
	struct spawner *spawner; /* of screen processes; NULL: none */
	/* There is output, or an event.  NULL: nobody wants to know. */
	void (*news)(void *ctx, struct console *c);
	/* This was taken to be typed.  NULL: as above. */
	void (*typed)(
	    void *ctx, struct console *c, const void *bytes, size_t len);
	/* It is known of a session that typed, from what a worker before this
	 * one has left to be typed.  NULL: as above. */
	void (*had_typed)(void *ctx, const struct input_by *by);
	/* It is being destroyed.  NULL: as above. */
	void (*removed)(void *ctx, struct console *c);
};

/* NULL when out of memory. */
struct console *console_create(struct event_base *base,
    const struct console_key *key, const struct console_owner *owner);
/* No viewers are left; what waits is answered.  NULL is fine. */
void console_destroy(struct console *c);

const struct console_key *console_key_of(const struct console *c);
/* "<uuid>/pv0". */
const char *console_id(const struct console *c);
/* "web1", or "web1/serial0" for one that is not the guest's default. */
const char *console_name(const struct console *c);
/* The guest's name alone, by which access is granted. */
const char *console_guest(const struct console *c);
uint32_t console_state(const struct console *c);
uint32_t console_domid(const struct console *c);
bool console_is_default(const struct console *c);
/* Who else has it, while it is STATE_BUSY; "" when not known. */
const char *console_holder(const struct console *c);
/* NULL until it was held for the first time. */
const struct ring *console_ring(const struct console *c);
void console_size(const struct console *c, unsigned *rows, unsigned *cols);
/* The size holds for the output from this offset on. */
uint64_t console_size_from(const struct console *c);
struct waiters *console_waiters(const struct console *c);
struct screen *console_screen(const struct console *c);
/* What a new viewer begins with.  NULL: it is being made, and settles the
 * waiters when it is there; or, with console_has_screen() false, it cannot be
 * had. */
const struct snapshot_image *console_snapshot(const struct console *c);
bool console_has_screen(const struct console *c);

/* The number of the latest event, and of the latest one of a kind.  Numbers
 * only grow, also over the end of the worker. */
uint64_t console_event(const struct console *c);
uint64_t console_changed(const struct console *c, enum console_news kind);

/* What the broker says of it. */
void console_update(struct console *c, const struct msg_console *msg);
/* Takes ownership of the descriptors but the first, and sets them to -1.
 * Nothing changes if it has this ring, and the tty of this serial.  Returns 0
 * or a negative errno; they are then closed. */
int console_attach(
    struct console *c, int fds[TTY_FDS], const struct msg_tty *msg);

/* The pty that came last, with this serial, has been read to its end. */
bool console_has_ended(const struct console *c, uint32_t *serial);

/* console_update() was called since console_unlist(). */
void console_unlist(struct console *c);
bool console_is_listed(const struct console *c);

/* There is a pty to type into. */
bool console_is_open(const struct console *c);
/* It is open, or it is known that it will not be by itself. */
bool console_is_settled(const struct console *c);
/* As input_add(). */
int console_type(struct console *c, const void *bytes, size_t len,
    const struct input_by *by);
/* What of this session's input waits is not typed any more; how many bytes. */
size_t console_cancel(
    struct console *c, const uint8_t session[INPUT_SESSION_LEN]);
/* The same, since it may not type any more; its viewers are told a little
 * later. */
void console_revoke(
    struct console *c, const uint8_t session[INPUT_SESSION_LEN]);
/* Input that was lost last: how many bytes, and why. */
uint64_t console_lost(const struct console *c, enum input_loss *why);
void console_resize(struct console *c, unsigned rows, unsigned cols);

/* A user looks at it without being a viewer.  False: is to be taken for the
 * same look as the one before, by the same user and less than a minute ago. */
bool console_look(struct console *c, const char *user);
/* viewer and its strings stay the caller's, until it leaves. */
void console_join(struct console *c, struct viewer *viewer);
void console_leave(struct console *c, struct viewer *viewer);
/* One that is away is not counted among those present, and still keeps the
 * console wanted. */
void console_set_away(struct console *c, struct viewer *viewer, bool away);
/* Every other viewer only watches from now on. */
void console_take_over(struct console *c, const struct viewer *viewer);
/* Who has done that last: the names of the user and of the session. */
void console_taker(
    const struct console *c, const char **user, const char **session);
/* A viewer who types only watches from now on; it is told so, and the others
 * by the list of viewers. */
void console_narrow(struct console *c, struct viewer *viewer);
/* A user besides this one who is present and may type; NULL: nobody. */
const char *console_typist(const struct console *c, const char *user);
size_t console_nviewers(const struct console *c);
size_t console_npresent(const struct console *c);
/* All of them. */
const struct viewer *console_viewers(const struct console *c);

#endif
