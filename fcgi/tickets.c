#include "fcgi/tickets.h"

#include <errno.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "common/config.h"
#include "fcgi/jwt.h"
#include "fcgi/strict_json.h"
#include "fcgi/ticket_keys.h"

#define RANDOM_BYTES 32
#define ID_BYTES     8

/* How long a signed ticket can be good, from the first time it is. */
#define USABLE_SECONDS (LIMIT_TICKET_SECONDS + 2 * LIMIT_TICKET_LEEWAY)

/* The end of time as JSON's whole numbers have it for everybody: 2^53. */
#define TIME_END ((int64_t)1 << 53)

/* One that was made here and waits. */
struct made {
	struct ticket ticket; /* of which hash is the table's key */
	time_t expires;
	UT_hash_handle hh;
};

/* One that was signed and used. */
struct used {
	uint8_t hash[TICKET_HASH_BYTES];
	time_t forget;
	UT_hash_handle hh;
	struct used *prev, *next; /* in the order of forget */
};

struct tickets {
	const struct ticket_keys *keys;
	struct made *made;
	struct used *used, *used_list;
	time_t started;
	time_t latest; /* what the clock has said so far */
};

static time_t
now(struct tickets *all)
{
	time_t clock = time(NULL);

	if (clock > all->latest)
		all->latest = clock;
	return all->latest;
}

struct tickets *
tickets_create(const struct ticket_keys *keys)
{
	struct tickets *all = calloc(1, sizeof *all);

	if (!all)
		return NULL;
	all->keys = keys;
	all->started = now(all);
	return all;
}

static void
made_free(struct tickets *all, struct made *made)
{
	HASH_DEL(all->made, made);
	free(made);
}

static void
used_free(struct tickets *all, struct used *used)
{
	HASH_DEL(all->used, used);
	DL_DELETE(all->used_list, used);
	free(used);
}

void
tickets_set_keys(struct tickets *all, const struct ticket_keys *keys)
{
	all->keys = keys;
}

void
tickets_destroy(struct tickets *all)
{
	struct made *made, *next_made;
	struct used *used, *next_used;

	if (!all)
		return;
	HASH_ITER (hh, all->made, made, next_made)
		made_free(all, made);
	HASH_ITER (hh, all->used, used, next_used)
		used_free(all, used);
	free(all);
}

/* ---- made here ----------------------------------------------------------- */

static void
drop_expired(struct tickets *all)
{
	struct made *made, *next;
	time_t clock = now(all);

	HASH_ITER (hh, all->made, made, next)
		if (made->expires <= clock)
			made_free(all, made);
}

static void
hash_random(const uint8_t bytes[RANDOM_BYTES], uint8_t hash[TICKET_HASH_BYTES])
{
	crypto_generichash(
	    hash, TICKET_HASH_BYTES, bytes, RANDOM_BYTES, NULL, 0);
}

int
tickets_make(struct tickets *all, struct ticket *ticket, unsigned seconds,
    char text[TICKET_TEXT], time_t *expires)
{
	uint8_t bytes[RANDOM_BYTES], id[ID_BYTES];
	struct made *made;

	drop_expired(all);
	if (HASH_COUNT(all->made) >= LIMIT_TICKETS)
		return -EMFILE;
	made = calloc(1, sizeof *made);
	if (!made)
		return -ENOMEM;
	randombytes_buf(id, sizeof id);
	sodium_bin2hex(ticket->id, sizeof ticket->id, id, sizeof id);
	randombytes_buf(bytes, sizeof bytes);
	hash_random(bytes, ticket->hash);
	sodium_bin2hex(text, TICKET_TEXT, bytes, sizeof bytes);
	sodium_memzero(bytes, sizeof bytes);
	ticket->key = NULL;
	made->ticket = *ticket;
	made->expires = *expires = now(all) + (time_t)seconds;
	HASH_ADD(hh, all->made, ticket.hash, TICKET_HASH_BYTES, made);
	if (made->hh.tbl)
		return 0;
	free(made);
	return -ENOMEM;
}

bool
tickets_revoke(struct tickets *all, const char *id)
{
	struct made *made, *next;

	drop_expired(all);
	HASH_ITER (hh, all->made, made, next) {
		if (strcmp(made->ticket.id, id) == 0) {
			made_free(all, made);
			return true;
		}
	}
	return false;
}

static struct made *
find_made(struct tickets *all, const uint8_t hash[TICKET_HASH_BYTES])
{
	struct made *made;

	HASH_FIND(hh, all->made, hash, TICKET_HASH_BYTES, made);
	return made;
}

static const char *
check_made(struct tickets *all, const char *text, struct ticket *ticket)
{
	uint8_t bytes[RANDOM_BYTES], hash[TICKET_HASH_BYTES];
	struct made *made;
	size_t n;

	if (strlen(text) != TICKET_TEXT - 1 ||
	    sodium_hex2bin(bytes, sizeof bytes, text, TICKET_TEXT - 1, NULL, &n,
		NULL) != 0 ||
	    n != sizeof bytes)
		return "is neither 64 hexadecimal digits nor a signed token";
	hash_random(bytes, hash);
	made = find_made(all, hash);
	if (!made || made->expires <= now(all))
		return "does not exist, has been used or has expired";
	*ticket = made->ticket;
	return NULL;
}

/* ---- signed -------------------------------------------------------------- */

static bool
claim_text(struct json_object *claims, const char *name, char *out, size_t size)
{
	const char *text = strict_json_text(claims, name, size - 1);

	if (text)
		strcpy(out, text);
	return text;
}

static bool
claim_time(struct json_object *claims, const char *name, int64_t *out)
{
	struct json_object *member;

	if (!json_object_object_get_ex(claims, name, &member) ||
	    !json_object_is_type(member, json_type_int))
		return false;
	*out = json_object_get_int64(member);
	return *out >= 0 && *out <= TIME_END;
}

static const char *
check_times(struct tickets *all, struct json_object *claims)
{
	const int64_t clock = now(all), leeway = LIMIT_TICKET_LEEWAY;
	int64_t iat, exp, nbf = 0;

	if (!claim_time(claims, "iat", &iat) ||
	    !claim_time(claims, "exp", &exp))
		return "has no whole seconds as iat and exp";
	if (json_object_object_get_ex(claims, "nbf", NULL) &&
	    !claim_time(claims, "nbf", &nbf))
		return "has no whole seconds as nbf";
	if (exp <= iat || exp - iat > LIMIT_TICKET_SECONDS)
		return "lives longer than 300 s, or not at all: exp must be "
		       "soon after iat";
	if (clock >= exp + leeway)
		return "has expired";
	if (iat > clock + leeway || nbf > clock + leeway)
		return "is of the future: the clocks differ, or it came too "
		       "early";
	if (iat <= all->started + leeway)
		return "is older than the worker, which has just been "
		       "restarted; have a new one made in a few seconds";
	return NULL;
}

static const char *
check_claims(struct tickets *all, struct json_object *claims, struct ticket *t)
{
	const char *audience = strict_json_text(claims, "aud", LIMIT_STRING);
	char mode[8];

	if (!audience || strcmp(audience, t->key->audience) != 0)
		return "is for another host: aud is not its key's audience";
	if (!claim_text(claims, "sub", t->user, sizeof t->user) ||
	    !claim_text(claims, "jti", t->id, sizeof t->id) ||
	    !claim_text(claims, "console", t->console, sizeof t->console))
		return "lacks sub, jti or console";
	if (!claim_text(claims, "mode", mode, sizeof mode) ||
	    (strcmp(mode, "type") != 0 && strcmp(mode, "watch") != 0))
		return "has no mode watch or type";
	t->may_type = strcmp(mode, "type") == 0;
	return check_times(all, claims);
}

/* One jti of one key is one ticket. */
static void
hash_signed(struct ticket *t)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, TICKET_HASH_BYTES);
	crypto_generichash_update(
	    &state, (const uint8_t *)t->key->name, strlen(t->key->name) + 1);
	crypto_generichash_update(
	    &state, (const uint8_t *)t->id, strlen(t->id));
	crypto_generichash_final(&state, t->hash, TICKET_HASH_BYTES);
}

static struct used *
find_used(struct tickets *all, const uint8_t hash[TICKET_HASH_BYTES])
{
	struct used *used;

	HASH_FIND(hh, all->used, hash, TICKET_HASH_BYTES, used);
	return used;
}

static const char *
check_signed(struct tickets *all, const char *text, struct ticket *t)
{
	const struct jwt_key *key = NULL;
	struct json_object *claims;
	char name[LIMIT_STRING + 1];
	const char *why;

	if (jwt_key_name(text, name) == 0)
		key = ticket_keys_find(all->keys, name, &t->key);
	claims = key ? jwt_claims(text, key) : NULL;
	if (!claims)
		return "is not signed with a key that this host knows";
	why = check_claims(all, claims, t);
	json_object_put(claims);
	if (why)
		return why;
	hash_signed(t);
	return find_used(all, t->hash) ? "has been used" : NULL;
}

const char *
tickets_check(struct tickets *all, const char *text, struct ticket *ticket)
{
	return strchr(text, '.') ? check_signed(all, text, ticket)
				 : check_made(all, text, ticket);
}

static int
remember(struct tickets *all, const uint8_t hash[TICKET_HASH_BYTES])
{
	const time_t clock = now(all);
	struct used *used;

	while (all->used_list && all->used_list->forget <= clock)
		used_free(all, all->used_list);
	if (HASH_COUNT(all->used) >= LIMIT_TICKETS_USED)
		return -EMFILE;
	used = calloc(1, sizeof *used);
	if (!used)
		return -ENOMEM;
	memcpy(used->hash, hash, TICKET_HASH_BYTES);
	used->forget = clock + USABLE_SECONDS;
	HASH_ADD(hh, all->used, hash, TICKET_HASH_BYTES, used);
	if (!used->hh.tbl) {
		free(used);
		return -ENOMEM;
	}
	DL_APPEND(all->used_list, used);
	return 0;
}

int
tickets_use(struct tickets *all, const struct ticket *ticket)
{
	if (ticket->key)
		return remember(all, ticket->hash);
	made_free(all, find_made(all, ticket->hash));
	return 0;
}
