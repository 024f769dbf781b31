/*
 * A session's insides, for session.c and session_keep.c alone: the one makes
 * and ends sessions, the other takes them over from worker to worker.
 */
#ifndef XENTERM_SESSION_STATE_H
#define XENTERM_SESSION_STATE_H

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <uthash.h>

#include "fcgi/console.h"
#include "fcgi/session.h"
#include "fcgi/session_store.h"

struct event;
struct owner;

struct sessions {
	struct event_base *base;
	const struct config *config;
	struct session *by_hash;
	struct owner *owners;
	uint8_t key[SESSION_KEY_BYTES]; /* see hash_viewer() */
	struct session_store *store;
	bool are_known;	 /* no worker before this one has others */
	bool to_restore; /* they are in the store */
};

struct session {
	struct sessions *all;
	uint8_t hash[SESSION_HASH_BYTES]; /* of the token */
	UT_hash_handle hh;
	uint8_t id_bytes[SESSION_ID_BYTES];
	char id[SESSION_ID_TEXT];
	uint32_t slot; /* in the store */
	struct owner *owner;
	struct console *console;
	struct viewer viewer;
	struct event *idle, *absent;
	time_t last_used;		/* monotonic seconds */
	time_t ends;			/* monotonic seconds */
	time_t expires;			/* wall clock */
	_Atomic uint64_t own_seq, *seq; /* the one in the store, once kept */
	uint64_t echoed_run, echoed;
	struct session_shown shown;
	unsigned parked;
	char address[INET6_ADDRSTRLEN];
	struct grant grant;
	bool was_opened, has_typed; /* in the audit log */
};

/* Of this user, and without its values yet; and the way back.  NULL with errno
 * set. */
struct session *session_create(struct sessions *all, const char *user);
void session_destroy(struct session *s);
/* Puts a session that has all its values among the others.  False: out of
 * memory. */
bool session_enter(struct session *s, struct console *console, bool may_type);

#endif
