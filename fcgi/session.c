#include "fcgi/session.h"

#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/timer.h"
#include "fcgi/audit.h"
#include "fcgi/console.h"
#include "fcgi/counters.h"
#include "fcgi/session_state.h"
#include "fcgi/session_store.h"
#include "fcgi/waiters.h"

#define TOKEN_BYTES 32
#define HASH_BYTES  SESSION_HASH_BYTES

/* How many sessions a user has; goes with the last of them. */
struct owner {
	char name[LIMIT_USER + 1];
	unsigned count;
	UT_hash_handle hh;
};

_Static_assert(SESSION_KEY_BYTES == crypto_generichash_KEYBYTES &&
		   SESSION_ID_BYTES == INPUT_SESSION_LEN &&
		   SESSION_NO_SLOT == INPUT_NO_SLOT,
    "the same things under other names");

static void
audit_session(const struct session *s, const char *event, const char *why)
{
	audit(&(struct audit){.event = event,
	    .user = s->viewer.user,
	    .address = s->address,
	    .console = s->console,
	    .session = s->id,
	    .mode = s->viewer.may_type ? "type" : "watch",
	    .why = why});
}

static void
hash_token(const uint8_t token[TOKEN_BYTES], uint8_t hash[HASH_BYTES])
{
	crypto_generichash(hash, HASH_BYTES, token, TOKEN_BYTES, NULL, 0);
}

/*
 * Stands in the table for a viewer without a token.  It depends on a key that
 * nobody knows and is the hash of no token that anybody could find, so such a
 * session is reached by the identity alone.
 */
static void
hash_viewer(const struct sessions *all, const struct console *console,
    const char *user, bool may_type, const char *name, uint8_t hash[HASH_BYTES])
{
	const char *const parts[] = {
	    console_id(console), user, may_type ? "type" : "watch", name};
	crypto_generichash_state state;

	crypto_generichash_init(&state, all->key, sizeof all->key, HASH_BYTES);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		crypto_generichash_update(
		    &state, (const uint8_t *)parts[i], strlen(parts[i]) + 1);
	crypto_generichash_final(&state, hash, HASH_BYTES);
}

static void close_because(struct session *s, const char *why);

struct sessions *
sessions_create(struct event_base *base, const struct config *config)
{
	struct sessions *all = calloc(1, sizeof *all);

	if (!all)
		return NULL;
	all->base = base;
	all->config = config;
	randombytes_buf(all->key, sizeof all->key);
	all->store = session_store_create();
	if (!all->store) {
		free(all);
		return NULL;
	}
	return all;
}

/* Adds one to the sessions of name.  NULL with errno set. */
static struct owner *
owner_take(struct sessions *all, const char *name)
{
	struct owner *owner;

	if (HASH_COUNT(all->by_hash) >= all->config->sessions_total) {
		errno = EMFILE;
		return NULL;
	}
	HASH_FIND_STR(all->owners, name, owner);
	if (!owner) {
		owner = calloc(1, sizeof *owner);
		if (!owner || strlen(name) > LIMIT_USER) {
			free(owner);
			errno = ENOMEM;
			return NULL;
		}
		strcpy(owner->name, name);
		HASH_ADD_STR(all->owners, name, owner);
		if (!owner->hh.tbl) {
			free(owner);
			errno = ENOMEM;
			return NULL;
		}
	}
	if (owner->count >= all->config->sessions_per_user) {
		errno = EMFILE;
		return NULL;
	}
	owner->count++;
	return owner;
}

static void
owner_drop(struct sessions *all, struct owner *owner)
{
	if (--owner->count > 0)
		return;
	HASH_DEL(all->owners, owner);
	free(owner);
}

/* Starts the timer for the moment at which s may have to end. */
static void
watch_time(struct session *s)
{
	time_t end = s->last_used + (time_t)s->all->config->session_idle;
	time_t now = clock_seconds();
	struct timeval delay = {0};

	if (end > s->ends)
		end = s->ends;
	delay.tv_sec = end > now ? end - now : 0;
	/* Whole seconds were compared: look when the last has passed. */
	delay.tv_sec += 1;
	timer_start(s->idle, &delay);
}

static void
on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	time_t now = clock_seconds();

	(void)fd;
	(void)what;
	if (s->parked > 0)
		s->last_used = now;
	if (now < s->ends &&
	    now - s->last_used <= (time_t)s->all->config->session_idle) {
		watch_time(s);
		return;
	}
	log_info("session %s: of %s at %s has expired", s->id, s->owner->name,
	    console_id(s->console));
	close_because(s, now < s->ends ? "idle" : "session_max");
}

static void
on_absent(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	(void)what;
	console_set_away(s->console, &s->viewer, true);
}

/* A request of s has come or gone. */
static void
used(struct session *s)
{
	const struct timeval delay = {.tv_sec = LIMIT_ABSENT};

	s->last_used = clock_seconds();
	if (s->parked == 0)
		timer_start(s->absent, &delay);
	console_set_away(s->console, &s->viewer, false);
}

void
session_destroy(struct session *s)
{
	if (s->idle)
		event_free(s->idle);
	if (s->absent)
		event_free(s->absent);
	if (s->owner)
		owner_drop(s->all, s->owner);
	grant_clear(&s->grant);
	free(s);
}

struct session *
session_create(struct sessions *all, const char *user)
{
	struct session *s = calloc(1, sizeof *s);
	int error;

	if (!s)
		return NULL;
	s->all = all;
	s->slot = SESSION_NO_SLOT;
	s->seq = &s->own_seq;
	s->idle = evtimer_new(all->base, on_idle, s);
	s->absent = evtimer_new(all->base, on_absent, s);
	errno = ENOMEM;
	if (s->idle && s->absent)
		s->owner = owner_take(all, user);
	if (s->owner)
		return s;
	error = errno;
	session_destroy(s);
	errno = error;
	return NULL;
}

bool
session_enter(struct session *s, struct console *console, bool may_type)
{
	struct sessions *all = s->all;

	sodium_bin2hex(s->id, sizeof s->id, s->id_bytes, sizeof s->id_bytes);
	s->console = console;
	HASH_ADD(hh, all->by_hash, hash, HASH_BYTES, s);
	if (!s->hh.tbl)
		return false;
	s->viewer.session = s->id;
	s->viewer.user = s->owner->name;
	s->viewer.may_type = may_type;
	used(s);
	watch_time(s);
	log_info("session %s: %s may %s %s (%s)", s->id, s->owner->name,
	    may_type ? "type at" : "watch", console_name(console),
	    console_id(console));
	console_join(console, &s->viewer);
	return true;
}

/* Makes the session that the table has under hash. */
static int
open_as(struct sessions *all, const uint8_t hash[HASH_BYTES],
    struct console *console, const char *user, bool may_type,
    struct session **out)
{
	struct session *s;

	if (console_nviewers(console) >= all->config->sessions_per_console)
		return -EMFILE;
	errno = ENOMEM;
	s = session_create(all, user);
	if (!s)
		return -errno;
	memcpy(s->hash, hash, HASH_BYTES);
	randombytes_buf(s->id_bytes, sizeof s->id_bytes);
	s->ends = clock_seconds() + (time_t)all->config->session_max;
	s->expires = time(NULL) + (time_t)all->config->session_max;
	if (!session_enter(s, console, may_type)) {
		session_destroy(s);
		return -ENOMEM;
	}
	counters_add(COUNT_SESSIONS, 1);
	*out = s;
	return 0;
}

int
session_open(struct sessions *all, struct console *console, const char *user,
    bool may_type, char token[SESSION_TOKEN_TEXT], struct session **out)
{
	uint8_t bytes[TOKEN_BYTES], hash[HASH_BYTES];

	randombytes_buf(bytes, sizeof bytes);
	hash_token(bytes, hash);
	sodium_bin2hex(token, SESSION_TOKEN_TEXT, bytes, sizeof bytes);
	sodium_memzero(bytes, sizeof bytes);
	return open_as(all, hash, console, user, may_type, out);
}

int
session_of_viewer(struct sessions *all, struct console *console,
    const char *user, bool may_type, const char *name, struct session **out)
{
	uint8_t hash[HASH_BYTES];

	hash_viewer(all, console, user, may_type, name, hash);
	HASH_FIND(hh, all->by_hash, hash, HASH_BYTES, *out);
	if (!*out)
		return open_as(all, hash, console, user, may_type, out);
	(*out)->last_used = clock_seconds();
	return 0;
}

/* The store has the mode too. */
static void
keep_mode(struct session *s)
{
	struct session_record *record =
	    session_store_at(s->all->store, s->slot);

	if (record)
		atomic_store(&record->may_type, s->viewer.may_type);
}

void
session_take_over(struct session *s)
{
	struct session *other;

	log_info("session %s: %s has taken over %s", s->id, s->owner->name,
	    console_id(s->console));
	audit_session(s, "took-over", NULL);
	console_take_over(s->console, &s->viewer);
	for (other = s->all->by_hash; other; other = other->hh.next) {
		if (other->console != s->console)
			continue;
		keep_mode(other);
		if (other != s)
			console_revoke(other->console, other->id_bytes);
	}
}

void
session_opened_from(struct session *s, const char *address)
{
	if (s->was_opened)
		return;
	s->was_opened = true;
	snprintf(s->address, sizeof s->address, "%s", address);
	audit_session(s, "opened", NULL);
}

static void
leave(struct session *s, enum wake why)
{
	HASH_DEL(s->all->by_hash, s);
	waiters_close(console_waiters(s->console), s, why);
	console_leave(s->console, &s->viewer);
	session_destroy(s);
}

static void
close_because(struct session *s, const char *why)
{
	if (s->was_opened)
		audit_session(s, "closed", why);
	log_info("session %s: closed", s->id);
	session_store_remove(s->all->store, s->slot);
	s->seq = &s->own_seq;
	leave(s, WAKE_CLOSED);
}

int
session_set_grant(struct session *s, enum grant_kind kind, const char *text)
{
	return grant_set(&s->grant, kind, text);
}

void
sessions_recheck(struct sessions *all)
{
	struct session *s, *next;

	HASH_ITER (hh, all->by_hash, s, next) {
		uint32_t rights = grant_rights(&s->grant, all->config,
		    s->owner->name, console_guest(s->console));

		if (!(rights & RIGHT_TYPE))
			console_revoke(s->console, s->id_bytes);
		if (!(rights & RIGHT_WATCH)) {
			close_because(s, "right-lost");
		} else if (s->viewer.may_type && !(rights & RIGHT_TYPE)) {
			console_narrow(s->console, &s->viewer);
			keep_mode(s);
			audit_session(s, "narrowed", "right-lost");
		}
	}
}

void
session_close(struct session *s)
{
	close_because(s, "asked");
}

void
session_kick(struct session *s)
{
	console_revoke(s->console, s->id_bytes);
	close_because(s, "asked");
}

void
sessions_close_console(struct sessions *all, struct console *console)
{
	struct session *s, *next;

	HASH_ITER (hh, all->by_hash, s, next)
		if (s->console == console)
			close_because(s, "console-gone");
}

struct session *
session_find(struct sessions *all, const char *token)
{
	uint8_t bytes[TOKEN_BYTES], hash[HASH_BYTES];
	struct session *s;
	size_t len;

	if (strlen(token) != SESSION_TOKEN_TEXT - 1 ||
	    sodium_hex2bin(bytes, sizeof bytes, token, strlen(token), NULL,
		&len, NULL) != 0 ||
	    len != sizeof bytes)
		return NULL;
	hash_token(bytes, hash);
	HASH_FIND(hh, all->by_hash, hash, HASH_BYTES, s);
	if (s)
		used(s);
	return s;
}

void
sessions_destroy(struct sessions *all)
{
	struct session *s, *next;

	if (!all)
		return;
	HASH_ITER (hh, all->by_hash, s, next) {
		if (s->slot == SESSION_NO_SLOT && s->was_opened)
			audit_session(s, "closed", "worker-ends");
		leave(s, WAKE_RESTART);
	}
	session_store_destroy(all->store);
	free(all);
}

/* ---- looking at them ----------------------------------------------------- */

size_t
sessions_count(const struct sessions *all)
{
	return HASH_COUNT(all->by_hash);
}

struct session *
sessions_next(const struct sessions *all, const struct session *s)
{
	return s ? s->hh.next : all->by_hash;
}

const char *
session_id(const struct session *s)
{
	return s->id;
}

const char *
session_user(const struct session *s)
{
	return s->owner->name;
}

struct console *
session_console(const struct session *s)
{
	return s->console;
}

const struct viewer *
session_viewer(const struct session *s)
{
	return &s->viewer;
}

bool
session_may_type(const struct session *s)
{
	return s->viewer.may_type;
}

time_t
session_expires(const struct session *s)
{
	return s->expires;
}

uint64_t
session_seq(const struct session *s)
{
	return atomic_load_explicit(s->seq, memory_order_relaxed);
}

struct input_by
session_typist(struct session *s, uint64_t seq)
{
	struct input_by by = {.slot = s->slot, .seq = seq, .last = s->seq};

	memcpy(by.session, s->id_bytes, sizeof by.session);
	return by;
}

void
session_typed(struct session *s, uint64_t seq)
{
	if (!s->has_typed)
		audit_session(s, "first-typed", NULL);
	s->has_typed = true;
	atomic_store_explicit(s->seq, seq, memory_order_release);
}

uint64_t
session_echoed(const struct session *s, uint64_t run)
{
	return s->echoed_run == run ? s->echoed : 0;
}

void
session_set_echoed(struct session *s, uint64_t run, uint64_t offset)
{
	s->echoed_run = run;
	s->echoed = offset;
}

struct session_shown
session_shown(const struct session *s)
{
	return s->shown;
}

void
session_set_shown(struct session *s, struct session_shown shown)
{
	s->shown = shown;
}

bool
session_park(struct session *s)
{
	if (s->parked >= LIMIT_POLLS_PER_SESSION)
		return false;
	s->parked++;
	event_del(s->absent);
	return true;
}

void
session_unpark(struct session *s)
{
	s->parked--;
	used(s);
}
