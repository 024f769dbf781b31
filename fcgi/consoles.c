#include "fcgi/consoles.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/limits.h"
#include "common/log.h"
#include "fcgi/console.h"

struct entry {
	struct console_key key;
	struct console *console;
	UT_hash_handle hh;
};

struct consoles {
	struct event_base *base;
	const struct console_owner *owner;
	struct entry *by_key;
	bool renamed; /* since it was in the order of names */
};

struct consoles *
consoles_create(struct event_base *base, const struct console_owner *owner)
{
	struct consoles *all = calloc(1, sizeof *all);

	if (!all)
		return NULL;
	all->base = base;
	all->owner = owner;
	return all;
}

static struct entry *
entry_of(const struct consoles *all, const struct console_key *key)
{
	struct entry *e;

	HASH_FIND(hh, all->by_key, key, sizeof *key, e);
	return e;
}

void
consoles_remove(struct consoles *all, struct console *c)
{
	struct entry *e = entry_of(all, console_key_of(c));

	HASH_DEL(all->by_key, e);
	console_destroy(c);
	free(e);
}

void
consoles_destroy(struct consoles *all)
{
	struct entry *e, *next;

	if (!all)
		return;
	HASH_ITER (hh, all->by_key, e, next)
		consoles_remove(all, e->console);
	free(all);
}

struct console *
consoles_add(struct consoles *all, const struct console_key *key)
{
	struct entry *e = entry_of(all, key);

	if (e)
		return e->console;
	if (HASH_COUNT(all->by_key) >= LIMIT_CONSOLES) {
		log_error("consoles: more than %d", LIMIT_CONSOLES);
		return NULL;
	}
	e = calloc(1, sizeof *e);
	if (!e)
		return NULL;
	e->key = *key;
	e->console = console_create(all->base, key, all->owner);
	if (!e->console) {
		free(e);
		return NULL;
	}
	HASH_ADD(hh, all->by_key, key, sizeof e->key, e);
	if (!e->hh.tbl) {
		console_destroy(e->console);
		free(e);
		return NULL;
	}
	return e->console;
}

struct console *
consoles_find(const struct consoles *all, const struct console_key *key)
{
	struct entry *e = entry_of(all, key);

	return e ? e->console : NULL;
}

/*
 * Of two that have had one name.  A guest that was destroyed is not gone at
 * once, so its state does not say which of them has the name now.
 */
static bool
is_later(const struct console *a, const struct console *b)
{
	bool a_gone = console_state(a) == STATE_GONE;
	bool b_gone = console_state(b) == STATE_GONE;

	return a_gone != b_gone ? b_gone : console_domid(a) > console_domid(b);
}

/* A guest's name may hold a slash, and look like an id. */
static struct console *
find_named(const struct consoles *all, const char *text)
{
	struct console *found = NULL;
	struct entry *e, *next;

	HASH_ITER (hh, all->by_key, e, next) {
		struct console *c = e->console;
		const char *kind = text + strlen(console_guest(c));
		uint32_t k, n;

		if (strncmp(text, console_guest(c), (size_t)(kind - text)) != 0)
			continue;
		if (*kind == '\0' ? !console_is_default(c)
				  : *kind != '/' ||
					!console_kind_parse(kind + 1, &k, &n) ||
					k != e->key.kind || n != e->key.number)
			continue;
		if (!found || is_later(c, found))
			found = c;
	}
	return found;
}

/* Ids go first: who may name a guest must not get what is meant for another. */
struct console *
consoles_lookup(const struct consoles *all, const char *text)
{
	struct console *found = NULL;
	struct console_key key;

	if (console_key_parse(text, &key))
		found = consoles_find(all, &key);
	return found ? found : find_named(all, text);
}

static int
by_name(struct entry *a, struct entry *b)
{
	return strcmp(console_name(a->console), console_name(b->console));
}

struct console *
consoles_next(struct consoles *all, const struct console *c)
{
	struct entry *e;

	if (!c && all->renamed) {
		HASH_SORT(all->by_key, by_name);
		all->renamed = false;
	}
	e = c ? entry_of(all, console_key_of(c))->hh.next : all->by_key;
	return e ? e->console : NULL;
}

void
consoles_renamed(struct consoles *all)
{
	all->renamed = true;
}

size_t
consoles_count(const struct consoles *all)
{
	return HASH_COUNT(all->by_key);
}
