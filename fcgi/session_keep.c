#include "fcgi/session_keep.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "fcgi/audit.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/memory.h"
#include "fcgi/session_state.h"

void
session_keep(struct session *s)
{
	struct session_record record = {
	    .console = *console_key_of(s->console),
	    .seq = session_seq(s),
	    .ends = s->ends,
	    .expires = s->expires,
	    .grant = s->grant.kind,
	    .may_type = s->viewer.may_type,
	};
	struct session_record *kept;

	if (s->slot != SESSION_NO_SLOT)
		return;
	memcpy(record.hash, s->hash, sizeof record.hash);
	memcpy(record.id, s->id_bytes, sizeof record.id);
	snprintf(record.user, sizeof record.user, "%s", session_user(s));
	snprintf(record.address, sizeof record.address, "%s", s->address);
	snprintf(record.grant_text, sizeof record.grant_text, "%s",
	    s->grant.text ? s->grant.text : "");
	s->slot = session_store_add(s->all->store, &record);
	kept = session_store_at(s->all->store, s->slot);
	if (kept)
		s->seq = &kept->seq;
}

/* They move into a table that is new. */
static void
keep_again(struct sessions *all)
{
	struct session *s;

	for (s = all->by_hash; s; s = s->hh.next) {
		if (s->slot == SESSION_NO_SLOT)
			continue;
		s->slot = SESSION_NO_SLOT;
		s->seq = &s->own_seq;
		session_keep(s);
	}
}

/* The numbers lie in the table that goes away. */
static void
detach(struct sessions *all)
{
	struct session *s;

	for (s = all->by_hash; s; s = s->hh.next)
		atomic_store(&s->own_seq, session_seq(s));
}

int
sessions_take_store(struct sessions *all, int fd)
{
	int found;

	detach(all);
	found = session_store_take(all->store, fd);
	if (found < 0 || found == SESSION_STORE_SAME)
		return found < 0 ? found : 0;
	if (all->are_known) {
		session_store_clear(all->store, all->key);
	} else {
		all->to_restore = found == SESSION_STORE_KEPT;
		session_store_key(all->store, all->key);
	}
	keep_again(all);
	return 0;
}

void
sessions_had_typed(struct sessions *all, const struct input_by *by)
{
	session_store_typed(all->store, by->slot, by->session, by->seq);
}

/* 0, or why it cannot go on. */
static const char *
restore(struct sessions *all, uint32_t slot, struct session_record *r,
    const struct consoles *consoles)
{
	struct console *console = consoles_find(consoles, &r->console);
	struct session *s;

	r->user[sizeof r->user - 1] = '\0';
	r->address[sizeof r->address - 1] = '\0';
	r->grant_text[sizeof r->grant_text - 1] = '\0';
	if (!console)
		return "console-gone";
	if (clock_seconds() >= r->ends)
		return "session_max";
	HASH_FIND(hh, all->by_hash, r->hash, sizeof r->hash, s);
	if (s)
		return s->slot == slot ? NULL : "made-anew";
	s = session_create(all, r->user);
	if (!s)
		return "limit";
	if (grant_set(&s->grant, r->grant, r->grant_text) < 0) {
		session_destroy(s);
		return "limit";
	}
	memcpy(s->hash, r->hash, sizeof s->hash);
	memcpy(s->id_bytes, r->id, sizeof s->id_bytes);
	snprintf(s->address, sizeof s->address, "%s", r->address);
	s->ends = (time_t)r->ends;
	s->expires = (time_t)r->expires;
	s->slot = slot;
	s->seq = &r->seq;
	s->was_opened = true;
	s->has_typed = session_seq(s) > 0;
	if (session_enter(s, console, atomic_load(&r->may_type) != 0))
		return NULL;
	session_destroy(s);
	return "limit";
}

static void
audit_lost(const struct session_record *r, const char *why)
{
	char id[SESSION_ID_TEXT];

	sodium_bin2hex(id, sizeof id, r->id, sizeof r->id);
	audit(&(struct audit){.event = "closed",
	    .user = r->user,
	    .address = r->address,
	    .session = id,
	    .mode = atomic_load(&r->may_type) ? "type" : "watch",
	    .why = why});
}

/* False: there was no memory for some, which stay in the store. */
static bool
restore_all(struct sessions *all, const struct consoles *consoles)
{
	unsigned restored = 0, lost = 0, later = 0;

	for (uint32_t slot = 0; slot < LIMIT_SESSIONS; slot++) {
		struct session_record *r = session_store_at(all->store, slot);
		const uint64_t refusals = memory_refusals();
		const char *why;

		if (!r)
			continue;
		why = restore(all, slot, r, consoles);
		if (!why) {
			restored++;
			continue;
		}
		if (memory_refusals() != refusals) {
			later++;
			continue;
		}
		audit_lost(r, why);
		session_store_remove(all->store, slot);
		lost++;
	}
	log_info("sessions: %u go on, %u have ended", restored, lost);
	if (later > 0)
		log_warn("sessions: no memory for %u at present", later);
	return later == 0;
}

bool
sessions_restore(struct sessions *all, const struct consoles *consoles)
{
	if (all->to_restore) {
		if (!restore_all(all, consoles))
			return false;
		sessions_recheck(all);
	}
	all->to_restore = false;
	all->are_known = true;
	return true;
}

bool
sessions_are_known(const struct sessions *all)
{
	return all->are_known;
}
