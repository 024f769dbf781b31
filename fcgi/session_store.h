/*
 * The table of sessions that outlives the worker.
 *
 * It lies in a memfd that the broker makes and keeps, and never reads.  A
 * record counts from the moment at which its slot is marked, when it is whole,
 * to that at which the mark is taken away.
 */
#ifndef XENTERM_SESSION_STORE_H
#define XENTERM_SESSION_STORE_H

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/console_key.h"
#include "common/limits.h"

#define SESSION_HASH_BYTES 32 /* of a token */
#define SESSION_ID_BYTES   8
#define SESSION_KEY_BYTES  32

/* No slot. */
#define SESSION_NO_SLOT UINT32_MAX

struct session_record {
	uint8_t hash[SESSION_HASH_BYTES];
	uint8_t id[SESSION_ID_BYTES];
	struct console_key console;
	_Atomic uint64_t seq;
	int64_t ends;	 /* monotonic seconds */
	int64_t expires; /* wall clock */
	uint32_t grant;	 /* enum grant_kind */
	_Atomic uint32_t may_type;
	char user[LIMIT_USER + 1];
	char address[INET6_ADDRSTRLEN];
	char grant_text[LIMIT_GROUPS + 1];
};

struct session_store;

enum session_store_found {
	SESSION_STORE_SAME,  /* the one there is: nothing has changed */
	SESSION_STORE_EMPTY, /* with a key of its own */
	SESSION_STORE_KEPT, /* with the key, and perhaps records, of a worker */
};

/* Without a table yet: nothing is kept.  NULL when out of memory. */
struct session_store *session_store_create(void);
/* The records stay.  NULL is fine. */
void session_store_destroy(struct session_store *store);

/* Takes the table in fd, which stays the caller's, instead of the one that
 * there was.  What is of another layout is refused, in the log, and emptied.
 * enum session_store_found, or a negative errno. */
int session_store_take(struct session_store *store, int fd);

/* Empties it, under this key. */
void session_store_clear(
    struct session_store *store, const uint8_t key[SESSION_KEY_BYTES]);

/* The secret under which sessions without a token are found. */
void session_store_key(
    const struct session_store *store, uint8_t key[SESSION_KEY_BYTES]);

/* The slot that has a copy of record now; SESSION_NO_SLOT: there is no table,
 * or no room. */
uint32_t session_store_add(
    struct session_store *store, const struct session_record *record);
void session_store_remove(struct session_store *store, uint32_t slot);
/* The record in a slot; NULL: there is none. */
struct session_record *session_store_at(
    const struct session_store *store, uint32_t slot);

/* A request of this number was taken from the session with this id, if it is
 * still in the slot. */
void session_store_typed(struct session_store *store, uint32_t slot,
    const uint8_t id[SESSION_ID_BYTES], uint64_t seq);

#endif
